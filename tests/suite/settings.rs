//! `config/sms-mcp.example.toml` names every setting, names none that does not exist, and tells the defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sms_mcp::config::{Config, Flags, Loaded, Sources, load};
use toml::Table;

/// A secret as the example writes it, and the other two forms of it.
const FORMS: [fn(&str) -> String; 3] = [
    |env| format!("{{ env = \"{env}\" }}"),
    |_| "{ file = \"/run/secrets/any\" }".to_owned(),
    |_| "\"change-me\"".to_owned(),
];

/// The variable of a secret that is written as the example writes it.
fn variable(value: &str) -> Option<&str> {
    value.strip_prefix("{ env = \"")?.strip_suffix("\" }")
}

/// Whether a setting of the example is a secret.
pub fn is_secret(value: &toml::Value) -> bool {
    value.as_table().is_some_and(|table| table.len() == 1 && table.contains_key("env"))
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join("sms-mcp.example.toml")
}

fn text() -> String {
    std::fs::read_to_string(example()).unwrap()
}

/// What the mark of a line says of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// `#name = value`: the default.
    Default,
    /// `#!name = value`: a sample.
    Sample,
}

/// A line without its mark, if it has one.
fn marked(line: &str) -> Option<(Mark, &str)> {
    let sample = line.strip_prefix("#!").map(|rest| (Mark::Sample, rest));
    sample.or_else(|| line.strip_prefix('#').map(|rest| (Mark::Default, rest)))
}

/// The name of the setting that a line sets, if it is commented out: `#name = value` or `#!name = value`.
fn commented_out(line: &str) -> Option<&str> {
    let (name, _) = marked(line)?.1.split_once(" = ")?;
    (!name.contains(' ')).then_some(name)
}

/// Whether a line begins a table that is not in use.
fn is_table_out(line: &str) -> bool {
    line.starts_with("#[") || line.starts_with("#![")
}

/// The example with every commented table, and every commented setting for which `keep` says so.
pub fn uncommented(keep: impl Fn(&str) -> bool) -> String {
    let is_kept = |line: &str| is_table_out(line) || commented_out(line).is_some_and(&keep);
    text()
        .lines()
        .map(|line| marked(line).filter(|_| is_kept(line)).map_or(line, |(_, rest)| rest).to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

pub fn load_text(text: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("token");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let secret = secret.to_string_lossy().replace('\\', "/");
    let config = folder.path().join("config.toml");
    let mut environment = BTreeMap::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        match line.split_once(" = ") {
            Some((name, _)) if name.ends_with("_file") => lines.push(format!("{name} = \"{secret}\"")),
            Some((name, value)) if value.starts_with("{ file = ") => {
                lines.push(format!("{name} = {{ file = \"{secret}\" }}"))
            }
            Some((name, value)) => {
                let of_section = Some(value.trim_matches('"')).filter(|_| name == "env");
                environment.extend(
                    variable(value).or(of_section).map(|name| (name.to_owned(), "s3cret".to_owned())),
                );
                lines.push(line.to_owned());
            }
            None => lines.push(line.to_owned()),
        }
    }
    std::fs::write(&config, lines.join("\n")).unwrap();
    load(&Sources { flags: Flags { config: Some(config), ..Flags::default() }, environment }).unwrap()
}

fn defaults() -> Value {
    serde_json::to_value(load_text("").config).unwrap()
}

/// Whether the names below a table are the operator's own, and no setting's.
fn is_open(name: &str) -> bool {
    let open = ["values", "states", "send.headers", "send.form"];
    ["rates", "quiet.zones", "marketing.require_stop_text"].contains(&name)
        || open.iter().any(|open| name == format!("provider[].{open}"))
}

/// The names below a table, as `guard.currency` and `provider[].kind`, but for those of [`is_open`].
fn names_in(table: &Table, prefix: &str, names: &mut BTreeSet<String>) {
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        match value {
            toml::Value::Table(_) if is_open(&name) => {}
            secret if is_secret(secret) => {}
            toml::Value::Table(inner) => names_in(inner, &format!("{name}."), names),
            toml::Value::Array(list) => {
                list.iter()
                    .filter_map(toml::Value::as_table)
                    .for_each(|inner| names_in(inner, &format!("{name}[]."), names));
            }
            _ => {}
        }
        names.insert(name);
    }
}

/// The names that a JSON Schema knows, in the same form.
fn names_of_schema(root: &Value, schema: &Value, prefix: &str, names: &mut BTreeSet<String>) {
    // What stands in a secret says where it is, and is no setting of its own.
    if let Some(target) =
        schema.get("$ref").and_then(Value::as_str).filter(|target| !target.ends_with("/Secret"))
    {
        names_of_schema(root, root.pointer(target.trim_start_matches('#')).unwrap(), prefix, names);
    }
    for combinator in ["oneOf", "anyOf", "allOf"] {
        schema
            .get(combinator)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .for_each(|part| names_of_schema(root, part, prefix, names));
    }
    for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let name = format!("{prefix}{key}");
        names_of_schema(root, property, &format!("{name}."), names);
        if let Some(items) = property.get("items") {
            names_of_schema(root, items, &format!("{name}[]."), names);
        }
        names.insert(name);
    }
}

#[test]
fn the_example_loads_as_it_is_and_means_the_defaults() {
    assert_eq!(serde_json::to_value(load_text(&text()).config).unwrap(), defaults());
}

#[test]
fn the_example_writes_every_default_out() {
    let mut written = BTreeSet::new();
    names_in(&text().parse().unwrap(), "", &mut written);
    let mut defaulted = BTreeSet::new();
    names_in(&Table::try_from(defaults()).unwrap(), "", &mut defaulted);
    assert!(defaulted.len() > 40, "{defaulted:?}");
    assert_eq!(written, defaulted);
}

#[test]
fn the_example_names_every_setting_and_none_that_does_not_exist() {
    let mut named = BTreeSet::new();
    names_in(&uncommented(|_| true).parse().unwrap(), "", &mut named);
    let schema = Config::json_schema();
    let mut known = BTreeSet::new();
    names_of_schema(&schema, &schema, "", &mut known);
    assert!(known.contains("provider[].latency") && known.contains("http.token"), "{known:?}");
    assert_eq!(named, known);
}

#[test]
fn the_example_loads_with_every_commented_setting_in_use() {
    for (at, form) in FORMS.into_iter().enumerate() {
        let in_form = |line: &str| match line.split_once(" = ") {
            Some((name, value)) => {
                format!("{name} = {}", variable(value).map_or_else(|| value.to_owned(), form))
            }
            None => line.to_owned(),
        };
        let loaded = load_text(&uncommented(|_| true).lines().map(in_form).collect::<Vec<_>>().join("\n"));
        assert_eq!(loaded.config.rates.len(), 2);
        assert!(loaded.config.guard.total_spend.is_some() && loaded.config.default_region.is_some());
        let shown = loaded.http_token.unwrap();
        assert_eq!(shown.expose(), ["s3cret", "s3cret", "change-me"][at]);
        assert!(loaded.forward_secret.is_some() && !loaded.config.route.is_empty());
    }
}

/// A line of the example that is not in use: its mark, what stands above it in its tables, and itself.
struct Unused {
    mark: Mark,
    /// What stands there without the line: for what is in a table of a provider, the provider alone.
    base: String,
    above: String,
    line: String,
}

/// Every setting of the example that is not in use, but for those of lists of samples.
fn unused() -> Vec<Unused> {
    let (mut above, mut kind, mut found) = (String::new(), String::new(), Vec::new());
    for line in text().lines() {
        let plain = marked(line).map_or(line, |(_, rest)| rest);
        if (line.starts_with('[') || is_table_out(line)) && plain.ends_with(']') {
            above = match plain {
                "[[provider]]" => String::new(),
                // What it means is told by all of its settings together.
                "[[provider.status_codes]]" | "[[provider.result_codes]]" => "codes".to_owned(),
                inner if inner.starts_with("[provider.") => format!("[[provider]]\n{kind}\n{inner}\n"),
                section => format!("{section}\n"),
            };
        } else if plain.starts_with("kind = ") {
            kind = plain.to_owned();
            above = format!("[[provider]]\n{kind}\n");
        } else if let (Some((mark, plain)), Some(_)) = (marked(line), commented_out(line)) {
            if above == "codes" {
                assert_eq!(mark, Mark::Sample, "{line}");
            } else {
                let base = if above.starts_with("[[provider]]") {
                    format!("[[provider]]\n{kind}\n")
                } else {
                    above.clone()
                };
                found.push(Unused { mark, base, above: above.clone(), line: plain.to_owned() });
            }
        }
    }
    found
}

/// Whoever takes away marks knows what that changes: nothing, or what a sample says.
#[test]
fn a_default_of_the_example_is_one_and_a_sample_is_none() {
    let read = |text: &str| {
        let read: Config = toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        serde_json::to_value(read).unwrap()
    };
    let (mut defaults, mut samples) = (0, 0);
    for Unused { mark, base, above, line } in unused() {
        let table: Table = line.parse().unwrap();
        let is_same = read(&base) == read(&format!("{above}{line}\n"));
        match mark {
            Mark::Default => assert!(is_same, "{above}{line}: marked as a default, and is none"),
            // No secret is ever written back.
            Mark::Sample if table.values().any(is_secret) => {}
            Mark::Sample => assert!(!is_same, "{above}{line}: marked as a sample, and is the default"),
        }
        (defaults, samples) =
            if mark == Mark::Default { (defaults + 1, samples) } else { (defaults, samples + 1) };
    }
    assert!(defaults > 50 && samples > 50, "{defaults} and {samples}");
}

#[test]
fn the_tables_of_the_example_without_their_samples_are_the_defaults_of_their_kinds() {
    let plain = |line: &str| match marked(line) {
        Some((Mark::Default, rest)) if is_table_out(line) || commented_out(line).is_some() => rest.to_owned(),
        _ => line.to_owned(),
    };
    let whole: Vec<String> = text().lines().map(plain).collect();
    let whole = toml::from_str::<Config>(&whole.join("\n"));
    let providers = whole.unwrap_or_else(|error| panic!("{}", error.message())).provider;
    assert_eq!(providers.len(), sms_mcp::config::KINDS.len());
    for provider in providers {
        let told = serde_json::to_value(&provider).unwrap();
        let kind = toml::from_str::<Config>(&format!("[[provider]]\nkind = {}\n", told["kind"])).unwrap();
        assert_eq!(told, serde_json::to_value(&kind.provider[0]).unwrap());
        assert!(told.get("schedule").is_none() && told.get("at_time").is_none(), "nothing holds texts back");
    }
}

#[test]
fn every_setting_of_the_example_has_a_line_that_says_why() {
    let text = text();
    let lines: Vec<&str> = text.lines().collect();
    let is_setting =
        |line: &str| commented_out(line).is_some() || (!line.starts_with('#') && line.contains(" = "));
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| is_setting(line)) {
        // A group (the rates, a provider's kind) is explained above its first line.
        let before = lines[..at]
            .iter()
            .rev()
            .find(|before| !is_setting(before) && !before.starts_with('[') && !is_table_out(before));
        assert!(before.is_some_and(|before| before.starts_with("# ")), "nothing explains `{line}`");
    }
}

#[test]
fn the_example_fits_the_json_schema() {
    let schema = Config::json_schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let table: Table = uncommented(|_| true).parse().unwrap();
    let value = serde_json::to_value(table).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let wrong = serde_json::json!({ "guard": { "day_spent": 5 } });
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn a_word_that_is_written_without_quotes_is_answered_with_the_words_that_are_right() {
    let refused = |text: &str, environment: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        std::fs::write(&config, text).unwrap();
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        load(&Sources { flags: Flags { config: Some(config), ..Flags::default() }, environment })
            .unwrap_err()
            .to_string()
    };
    let duplicates: &[&str] = &["config.toml:2:", "`not_after_unknown`", "`never`", "`yes`"];
    for (text, words) in [
        ("[guard]\nallow_duplicate = true\n", duplicates),
        ("[guard]\nallow_duplicate = false\n", duplicates),
        ("[guard]\nallow_duplicate = \"no\"\n", duplicates),
        ("[guard]\nallow_duplicate = 1\n", duplicates),
        ("[log]\nlevel = 3\n", &["`debug`", "`warn`"]),
        ("[log]\nformat = false\n", &["`json`", "`text`"]),
        ("[[provider]]\nkind = \"smpp\"\nmode = 2\n", &["`mode`", "expected one of"]),
        ("[[provider]]\nkind = \"smpp\"\nreceipts = true\n", &["`receipts`", "expected one of"]),
        ("[[provider]]\nkind = \"cmpp\"\nverify = false\n", &["`verify`", "`off`", "`warn`", "`strict`"]),
        ("[[provider]]\nkind = \"mailpro\"\nnumber_format = 41\n", &["`number_format`", "`plus`", "`zeros`"]),
    ] {
        let said = refused(text, &[]);
        for word in words {
            assert!(said.contains(word), "{text} does not say {word}: {said}");
        }
    }
    let said = refused("", &[("SMS_MCP__GUARD__ALLOW_DUPLICATE", "true")]);
    for word in ["SMS_MCP__GUARD__ALLOW_DUPLICATE", "`not_after_unknown`", "`never`", "`yes`"] {
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn what_a_shell_leaves_of_a_table_is_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "").unwrap();
    let read = |value: &str| {
        let environment = BTreeMap::from([
            ("SMS_MCP__HTTP__TOKEN".to_owned(), value.to_owned()),
            ("NAME".to_owned(), "s3cret".to_owned()),
        ]);
        load(&Sources { flags: Flags { config: Some(config.clone()), ..Flags::default() }, environment })
    };
    for wrong in ["{env=NAME}", "{ ENV = \"NAME\" }", "{}", "[\"a\"]", "{file=/run/x}", "{\"env\":\"NAME\"}"]
    {
        let why = read(wrong).unwrap_err().to_string();
        assert!(why.contains("http.token") && why.contains("{ env = \"NAME\" }"), "{wrong}: {why}");
    }
    for wrong in ["canary7357", "{token=\"canary7357}", "{tok=\"canary7357\"}"] {
        let environment = BTreeMap::from([("SMS_MCP__HTTP".to_owned(), wrong.to_owned())]);
        let why =
            load(&Sources { flags: Flags { config: Some(config.clone()), ..Flags::default() }, environment })
                .unwrap_err()
                .to_string();
        assert!(!why.contains("canary7357") && why.contains("SMS_MCP__HTTP__KEY"), "{wrong}: {why}");
    }
    assert_eq!(read("{ env = \"NAME\" }").unwrap().http_token.unwrap().expose(), "s3cret");
    assert_eq!(read("s3cret").unwrap().http_token.unwrap().expose(), "s3cret");
}

#[cfg(unix)]
#[test]
fn a_file_that_never_ends_is_no_configuration_and_no_secret() {
    let refused = |config: &Path| {
        let flags = Flags { config: Some(config.to_owned()), ..Flags::default() };
        load(&Sources { flags, environment: BTreeMap::new() }).unwrap_err().to_string()
    };
    assert!(refused(Path::new("/dev/zero")).contains("larger than 1048576 bytes"));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "[http]\ntoken = { file = \"/dev/zero\" }\n").unwrap();
    assert!(refused(&config).contains("larger than 1048576 bytes"));
}
