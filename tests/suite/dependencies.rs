//! What comes in from outside is what `deny.toml` lets in: licences, sources, bans and double versions. What
//! cargo-deny does, where nobody has it: with the lock file and `cargo metadata` alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use toml::Table;

fn table(name: &str) -> Table {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap().parse().unwrap()
}

/// The texts of a list in a section of `deny.toml`; of a list of tables, their `crate`.
fn listed(section: &str, list: &str) -> BTreeSet<String> {
    let rules = table("deny.toml");
    let entries = rules[section][list].as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry.as_str().unwrap_or_else(|| entry["crate"].as_str().unwrap()).to_owned())
        .collect()
}

/// Every package of the lock file: name, version, and where it comes from, which is nowhere for this one.
fn locked() -> Vec<(String, String, Option<String>)> {
    let lock = table("Cargo.lock");
    let text =
        |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let packages = lock["package"].as_array().unwrap().iter();
    packages
        .map(|package| {
            (text(package, "name").unwrap(), text(package, "version").unwrap(), text(package, "source"))
        })
        .collect()
}

#[test]
fn every_package_comes_from_a_registry_that_is_allowed() {
    let allowed = listed("sources", "allow-registry");
    assert!(listed("sources", "allow-git").is_empty());
    for (name, version, source) in locked() {
        let is_allowed = source.as_ref().is_none_or(|source| {
            source.strip_prefix("registry+").is_some_and(|address| allowed.contains(address))
        });
        assert!(
            is_allowed && (source.is_some() || name == env!("CARGO_PKG_NAME")),
            "{name} {version} comes from {source:?}"
        );
    }
}

#[test]
fn no_package_is_banned_and_only_those_stand_twice_that_are_known_to() {
    let banned = listed("bans", "deny");
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, version, _) in locked() {
        assert!(!banned.contains(&name), "{name} {version} is banned");
        versions.entry(name).or_default().push(version);
    }
    let number = |version: &str| {
        version.split(['.', '-', '+']).map(|part| part.parse::<u64>().unwrap_or_default()).collect::<Vec<_>>()
    };
    let mut older = BTreeSet::new();
    for (name, mut all) in versions {
        all.sort_by_key(|version| number(version));
        all.pop();
        older.extend(all.into_iter().map(|version| format!("{name}@{version}")));
    }
    assert_eq!(
        older,
        listed("bans", "skip"),
        "the older ones of what stands in Cargo.lock twice, and those that deny.toml skips"
    );
}

/// Whether these licences (an SPDX expression, or the older form with slashes) let us use it.
fn is_licensed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    /// OR binds less than AND.
    fn either<'a>(
        words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
        allowed: &BTreeSet<String>,
    ) -> bool {
        let mut holds = both(words, allowed);
        while words.next_if_eq(&"OR").is_some() {
            holds |= both(words, allowed);
        }
        holds
    }
    fn both<'a>(
        words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
        allowed: &BTreeSet<String>,
    ) -> bool {
        let mut holds = one(words, allowed);
        while words.next_if_eq(&"AND").is_some() {
            holds &= one(words, allowed);
        }
        holds
    }
    fn one<'a>(
        words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
        allowed: &BTreeSet<String>,
    ) -> bool {
        let word = words.next().unwrap();
        if word == "(" {
            let holds = either(words, allowed);
            assert_eq!(words.next(), Some(")"));
            return holds;
        }
        if words.next_if_eq(&"WITH").is_some() {
            return allowed.contains(&format!("{word} WITH {}", words.next().unwrap()));
        }
        allowed.contains(word)
    }
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let holds = either(&mut words, allowed);
    assert_eq!(words.next(), None, "{expression}");
    holds
}

#[test]
fn every_package_of_this_platform_is_licensed_as_allowed() {
    let allowed = listed("licenses", "allow");
    for (expression, holds) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("(MIT OR GPL-3.0) AND GPL-3.0", false),
        ("MIT/GPL-3.0", true),
    ] {
        assert_eq!(is_licensed(expression, &allowed), holds, "{expression}");
    }
    let verbose = Command::new("rustc").arg("-vV").output().unwrap();
    let verbose = String::from_utf8(verbose.stdout).unwrap();
    let host = verbose.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    for package in packages {
        let licence =
            package["license"].as_str().unwrap_or_else(|| panic!("{} names no licence", package["id"]));
        assert!(is_licensed(licence, &allowed), "{}: {licence}", package["id"]);
    }
}

/// The crash points of the tests are compiled by a feature that only the tests turn on. `.ci/run release`
/// looks into the program.
#[test]
fn no_crash_point_is_in_what_people_build() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["tree", "--locked", "--edges", "normal,build,features", "--invert", "fail"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.output().unwrap();
    let features = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && features.starts_with("fail v"),
        "{features}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!features.contains("failpoints"), "{features}");
}
