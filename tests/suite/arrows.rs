//! Which module may know which: the arrows of `src/lib.rs`, held against the code. And what keeps files readable.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest source file, in lines.
const MOST_LINES: usize = 650;

/// Who may know whom. Itself is always allowed; `*` is everybody.
const ARROWS: [(&str, &[&str]); 14] = [
    ("sms", &[]),
    ("error", &[]),
    ("clock", &["error"]),
    ("setting", &["sms"]),
    ("guard", &["sms", "config", "error"]),
    ("store", &["sms", "clock", "error"]),
    ("provider", &["sms", "clock", "error", "setting"]),
    ("config", &["provider", "setting", "sms", "error"]),
    ("send", &["sms", "guard", "store", "provider", "clock", "config", "setting", "error"]),
    ("mcp", &["send", "sms", "error"]),
    ("http", &["mcp", "send", "config", "setting", "sms", "error"]),
    ("cli", &["app", "config", "error", "mcp", "send", "sms"]),
    ("app", &["*"]),
    ("lib", &["*"]),
];

/// Where the environment may be asked, and for what.
const ENVIRONMENT: [(&str, &str); 3] = [("config/load.rs", "vars_os"), ("cli/demo.rs", "temp_dir"), ("cli/demo.rs", "current_exe")];

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file: its path below `src`, with slashes, and its text.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&source_folder(), &mut found);
    let mut sources: Vec<_> = found
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .map(|path| {
            let below = path.strip_prefix(source_folder()).unwrap();
            let name = below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    sources.sort();
    sources
}

/// The top-level module that a file belongs to.
fn module_of(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap()
}

/// A source text without its comments. (A `//` inside a string cuts the line short; no path follows one there.)
fn code_of(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The names that follow each `prefix`: one, or those at the top of a `{..}` group.
fn names_after(code: &str, prefix: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(is_name) {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.push(rest.chars().take_while(|c| is_name(*c)).collect());
            continue;
        };
        let (mut depth, mut part) = (0_usize, String::new());
        for c in group.chars() {
            match c {
                '}' if depth == 0 => break,
                ',' if depth == 0 => names.push(std::mem::take(&mut part)),
                _ => {
                    depth = if c == '{' {
                        depth + 1
                    } else if c == '}' {
                        depth - 1
                    } else {
                        depth
                    };
                    part.push(c);
                }
            }
        }
        names.push(part);
    }
    names.iter().map(|name| name.trim().chars().take_while(|c| is_name(*c)).collect()).collect()
}

/// The top-level modules that this code knows.
fn known_by(code: &str) -> BTreeSet<String> {
    let modules: BTreeSet<&str> = ARROWS.iter().map(|(module, _)| *module).collect();
    let mut known: BTreeSet<String> = names_after(code, "crate::").into_iter().collect();
    // `super::` reaches the siblings of a top-level module.
    known.extend(names_after(code, "super::").into_iter().filter(|name| modules.contains(name.as_str())));
    known.remove("");
    known
}

/// The arrows of a file that must not be.
fn forbidden(file: &str, text: &str) -> Vec<String> {
    let module = module_of(file);
    let allowed = ARROWS.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("{file}: give the module {module} its arrows")).1;
    let is_allowed = |name: &str| name == module || allowed.contains(&"*") || allowed.contains(&name);
    known_by(&code_of(text)).into_iter().filter(|name| !is_allowed(name)).map(|name| format!("{file}: {module} -> {name}")).collect()
}

/// What a file asks of the environment and may not.
fn environment_asked(file: &str, text: &str) -> Vec<String> {
    let asked = names_after(&code_of(text), "std::env::");
    let asked = asked.into_iter().chain(code_of(text).contains("use std::env;").then(|| "all of std::env".to_owned()));
    asked.filter(|what| !ENVIRONMENT.contains(&(file, what))).map(|what| format!("{file}: {what}")).collect()
}

#[test]
fn every_module_knows_only_what_its_arrows_allow() {
    let sources: Vec<_> = sources().into_iter().filter(|(file, _)| file != "main.rs").collect();
    assert!(sources.len() > 20, "the sources are not where this test looks");
    let wrong: Vec<String> = sources.iter().flat_map(|(file, text)| forbidden(file, text)).collect();
    assert!(wrong.is_empty(), "arrows that must not be: {wrong:#?}");
}

#[test]
fn every_allowed_arrow_is_used_or_is_taken_off_the_list() {
    let sources = sources();
    for (module, allowed) in ARROWS {
        let known: BTreeSet<String> =
            sources.iter().filter(|(file, _)| module_of(file) == module).flat_map(|(_, text)| known_by(&code_of(text))).collect();
        for arrow in allowed.iter().filter(|arrow| **arrow != "*") {
            assert!(known.contains(*arrow), "{module} -> {arrow} is allowed and does not exist");
        }
    }
}

#[test]
fn a_wrong_arrow_in_any_spelling_is_found() {
    let wrong = [
        ("sms/text.rs", "use crate::config;"),
        ("store/sqlite.rs", "use crate::provider::Provider;"),
        ("provider.rs", "    let store: crate::store::Record = made();"),
        ("mcp/tools.rs", "use crate::{send::Engine, store::{Record, Filter}};"),
        ("http.rs", "use crate::{\n    mcp::Server,\n    guard::Guard,\n};"),
        ("cli.rs", "pub(crate) use crate::store;"),
        ("guard.rs", "#[serde(with = \"crate::setting::currency\")]"),
        ("store.rs", "use super::provider::Outcome;"),
        ("provider/sandbox.rs", "use super::super::{clock, store};"),
    ];
    for (file, line) in wrong {
        assert_eq!(forbidden(file, line).len(), 1, "{file}: {line}");
    }
    for (file, line) in [
        ("guard.rs", "// use crate::store;"),
        ("sms/text.rs", "//! See [`crate::send`]."),
        ("send.rs", "use crate::store::Store;"),
        ("sms/text.rs", "use super::number::Number; my_crate::store();"),
        ("app.rs", "use crate::store::sqlite::SqliteStore;"),
    ] {
        assert!(forbidden(file, line).is_empty(), "{file}: {line}");
    }
}

#[test]
fn no_source_file_is_too_long_to_read() {
    for (file, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{file} has {lines} lines; cut it along a real seam");
    }
}

#[test]
fn only_the_configuration_reads_the_environment() {
    let wrong: Vec<String> = sources().iter().flat_map(|(file, text)| environment_asked(file, text)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (file, line) in [
        ("guard.rs", "std::env::var(\"X\")"),
        ("cli/demo.rs", "std::env::vars()"),
        ("http.rs", "use std::env::{self, var};"),
        ("app.rs", "use std::env;"),
    ] {
        assert!(!environment_asked(file, line).is_empty(), "{file}: {line}");
    }
}
