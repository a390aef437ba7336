//! Which module may know which: the arrows of `src/lib.rs`, held against the code. And what keeps files
//! readable, and tests true on a machine that is slow. What holds inside folders stands in
//! `arrows/inside.rs`.

mod inside;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest source file, in lines.
const MOST_LINES: usize = 650;

/// Who may know whom. Itself is always allowed; `*` is everybody.
const ARROWS: [(&str, &[&str]); 16] = [
    ("sms", &[]),
    ("error", &[]),
    ("clock", &["error"]),
    ("setting", &["sms"]),
    ("access", &["sms", "clock"]),
    ("policy", &["sms", "setting", "error"]),
    ("halt", &["clock", "error"]),
    ("ledger", &["sms", "clock", "error", "halt"]),
    ("provider", &["sms", "clock", "error", "halt", "setting"]),
    ("engine", &["sms", "access", "policy", "ledger", "provider", "clock", "setting", "error", "halt"]),
    ("mcp", &["engine", "sms", "error"]),
    ("http", &["access", "mcp", "engine", "setting", "sms", "error", "halt"]),
    ("config", &["policy", "engine", "http", "mcp", "provider", "setting", "sms", "error"]),
    ("cli", &["access", "app", "config", "error", "halt", "mcp", "engine", "sms"]),
    ("app", &["*"]),
    ("lib", &["*"]),
];

/// Where the environment may be asked, and for what.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("config/sources.rs", "vars_os"),
    ("cli/clients.rs", "current_exe"),
    ("cli/demo.rs", "temp_dir"),
    ("cli/proving.rs", "temp_dir"),
    ("cli/demo.rs", "current_exe"),
];

/// What a test does that fails because a machine is slow, and the files in which it is something else: a
/// clock or a limit of a fake, a figure that is printed, the one wait that all tests share, or a time in
/// which nothing may happen. A test asserts an order, a count, a state, or a time on a clock of its own; it
/// waits for an event, with `support::LAST_RESORT`; and speed is compared in `benches/`.
const REAL_SECONDS: [(&str, &[&str]); 8] = [
    (
        "elapsed()",
        &[
            "suite/carrier/peer.rs",
            "suite/carrier/scene.rs",
            "suite/carrier/turns.rs",
            "suite/vendors/pace.rs",
            "src/provider/line/session/tests/asks.rs",
        ],
    ),
    (
        "Instant::now() +",
        &[
            "suite/support.rs",
            "suite/wire.rs",
            "suite/carrier/peer.rs",
            "suite/carrier/scene.rs",
            "suite/carrier/turns.rs",
        ],
    ),
    (
        "Instant::now() <",
        &["suite/support.rs", "suite/carrier/peer.rs", "suite/carrier/scene.rs", "suite/carrier/turns.rs"],
    ),
    ("Instant::now() -", &[]),
    ("SystemTime::now()", &["suite/forward.rs"]),
    (
        "timeout(Duration::",
        &["suite/resources.rs", "src/provider/line/session/tests/rough.rs", "src/engine/tell/endpoint.rs"],
    ),
    ("timeout(std::time::Duration::", &[]),
    ("read_timeout(Some(Duration::", &[]),
];

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file: its path below `src`, with slashes, and its text.
fn sources() -> Vec<(String, String)> {
    texts(&source_folder())
}

/// Every Rust file of a folder: its path below it, with slashes, and its text.
fn texts(below: &Path) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(below, &mut found);
    let mut sources: Vec<_> = found
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .map(|path| {
            let name = path.strip_prefix(below).unwrap();
            let name = name
                .components()
                .map(|part| part.as_os_str().to_string_lossy())
                .collect::<Vec<_>>()
                .join("/");
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

/// A source text without its comments. (A `//` inside a string cuts the line short; no path follows one
/// there.)
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
    let allowed = ARROWS
        .iter()
        .find(|(name, _)| *name == module)
        .unwrap_or_else(|| panic!("{file}: give the module {module} its arrows"))
        .1;
    let is_allowed = |name: &str| name == module || allowed.contains(&"*") || allowed.contains(&name);
    known_by(&code_of(text))
        .into_iter()
        .filter(|name| !is_allowed(name))
        .map(|name| format!("{file}: {module} -> {name}"))
        .collect()
}

/// What a file asks of the environment and may not.
fn environment_asked(file: &str, text: &str) -> Vec<String> {
    let asked = names_after(&code_of(text), "std::env::");
    let asked = asked
        .into_iter()
        .chain(code_of(text).contains("use std::env;").then(|| "all of std::env".to_owned()));
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
        let known: BTreeSet<String> = sources
            .iter()
            .filter(|(file, _)| module_of(file) == module)
            .flat_map(|(_, text)| known_by(&code_of(text)))
            .collect();
        for arrow in allowed.iter().filter(|arrow| **arrow != "*") {
            assert!(known.contains(*arrow), "{module} -> {arrow} is allowed and does not exist");
        }
    }
}

#[test]
fn a_wrong_arrow_in_any_spelling_is_found() {
    let wrong = [
        ("sms/text.rs", "use crate::config;"),
        ("ledger/sqlite.rs", "use crate::provider::Provider;"),
        ("provider.rs", "    let store: crate::ledger::Record = made();"),
        ("mcp/tools.rs", "use crate::{engine::Engine, ledger::{Record, Filter}};"),
        ("http.rs", "use crate::{\n    mcp::Server,\n    policy::Policy,\n};"),
        ("cli.rs", "pub(crate) use crate::ledger;"),
        ("policy.rs", "#[serde(with = \"crate::provider::word\")]"),
        ("ledger.rs", "use super::provider::Outcome;"),
        ("provider/sandbox.rs", "use super::super::{clock, ledger};"),
    ];
    for (file, line) in wrong {
        assert_eq!(forbidden(file, line).len(), 1, "{file}: {line}");
    }
    for (file, line) in [
        ("policy.rs", "// use crate::ledger;"),
        ("sms/text.rs", "//! See [`crate::engine`]."),
        ("engine.rs", "use crate::ledger::Ledger;"),
        ("sms/text.rs", "use super::number::Number; my_crate::ledger();"),
        ("app.rs", "use crate::ledger::sqlite::SqliteLedger;"),
    ] {
        assert!(forbidden(file, line).is_empty(), "{file}: {line}");
    }
}

/// The engine calls a provider through its carrier alone, which bounds the call and survives a fault in it:
/// nobody else there holds a provider.
#[test]
fn only_the_carrier_holds_a_provider() {
    let is_engine = |file: &str| module_of(file) == "engine" && file != "engine/carriers/carrier.rs";
    // Who makes carriers of providers hands them on.
    let holds: Vec<String> = sources()
        .into_iter()
        .filter(|(file, _)| is_engine(file))
        .flat_map(|(file, text)| {
            code_of(&text)
                .lines()
                .filter(|line| line.contains("dyn Provider"))
                .map(|line| format!("{file}:{line}"))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(holds.len(), 1, "{holds:#?}");
    assert!(holds[0].contains("pub fn one(provider: Arc<dyn Provider>) -> Self"), "{holds:#?}");
}

/// What a file does to make a caller one who may widen what agents may do.
fn makes_a_person(text: &str) -> bool {
    code_of(text).contains("let_pass")
}

/// A person is made by the gate alone, which asks one: whatever widens the rights of agents takes one, so
/// that nothing does it behind the gate's back.
#[test]
fn only_the_gate_lets_a_person_pass() {
    let makers: Vec<String> =
        sources().into_iter().filter(|(_, text)| makes_a_person(text)).map(|(file, _)| file).collect();
    let known = ["cli/gate.rs", "engine/caller.rs", "http/page.rs"];
    assert_eq!(makers, known, "the gate, where it is defined, and the page, which is a gate too");
    let page = sources().into_iter().find(|(file, _)| file == "http/page.rs").unwrap().1;
    let (before, _) = code_of(&page).split_once("Person::let_pass(caller, Some(name))").map_or_else(
        || panic!("the page lets nobody pass without the name of an approver"),
        |(before, after)| (before.to_owned(), after.to_owned()),
    );
    assert!(
        before.trim_end().ends_with(".prove(&caller, asked, proof).await?;\n        let person ="),
        "nor without a proof"
    );
    assert_eq!(code_of(&page).matches("let_pass").count(), 1, "it lets nobody pass in another way");
    let defined = sources().into_iter().find(|(file, _)| file == "engine/caller.rs").unwrap().1;
    assert_eq!(code_of(&defined).matches("let_pass").count(), 1, "it makes none itself");
    assert_eq!(
        code_of(&defined).matches("Self { caller, approver, asked: None }").count(),
        1,
        "nor does anything else"
    );
    assert_eq!(code_of(&defined).matches("Person {").count(), 2, "there is no other way to make one");
    assert!(
        makes_a_person("fn mine(caller: Caller) { Person::let_pass(caller) }")
            && makes_a_person("use Person as P; let make = P::let_pass;")
    );
}

/// Verbs of the engine that nobody calls in anybody's name: they begin and end it, are called by a vendor or
/// by the endpoint for itself, or say nothing of anybody's.
const NOBODYS: [&str; 21] = [
    "start",
    "recover",
    "idle",
    "stop",
    "close_ledger",
    "next_changes",
    "webhook",
    "take_events",
    "refresh_prices",
    "read_opt_outs",
    "keep_client",
    "kept_client",
    "use_clients",
    "forget_client",
    "health",
    "trust",
    "random",
    "key",
    "send_own",
    "unpriced",
    "expects_webhook",
];

/// The verbs of the engine that take nobody who calls.
fn without_caller(code: &str) -> BTreeSet<String> {
    let heads = code.split("fn ").skip(1).map(|rest| rest.split('{').next().unwrap());
    // What answers nothing, or is no more than a part, is no verb.
    let is_verb = |head: &&str| {
        head.contains("->") && head.contains("&self") && (head.contains("Result<") || head.contains("Vec<"))
    };
    let takes_one = |head: &str| ["Caller", "Person"].iter().any(|who| head.contains(who));
    heads
        .filter(is_verb)
        .filter(|head| !takes_one(head))
        .map(|head| head.split(['(', '<']).next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_verb_of_the_engine_takes_who_calls() {
    let facade = ["engine.rs", "engine/deciding.rs"];
    let engine: String = sources()
        .into_iter()
        .filter(|(file, _)| facade.contains(&file.as_str()))
        .map(|(_, text)| text)
        .collect();
    let found = without_caller(&code_of(&engine));
    let unlisted: Vec<_> =
        found.iter().filter(|verb| !NOBODYS.contains(&verb.as_str()) && *verb != "number").collect();
    assert!(unlisted.is_empty(), "who calls? {unlisted:?}");
    assert!(code_of(&engine).matches("Caller").count() > 15, "the verbs are not where this test looks");
    for (head, is_found) in [
        ("pub async fn unfreeze(&self, name: Option<String>) -> Result<Vec<String>> {", true),
        ("pub fn vendors(&self) -> Vec<Vendor> {", true),
        (
            "pub async fn unfreeze(&self, person: &Person, name: Option<String>) -> Result<Vec<String>> {",
            false,
        ),
        ("pub async fn cancel(&self, caller: &Caller, id: &BatchId) -> Result<u32> {", false),
        ("pub fn paused(&self) -> Extent {", false),
    ] {
        assert_eq!(!without_caller(head).is_empty(), is_found, "{head}");
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
    let wrong: Vec<String> =
        sources().iter().flat_map(|(file, text)| environment_asked(file, text)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (file, line) in [
        ("policy.rs", "std::env::var(\"X\")"),
        ("cli/demo.rs", "std::env::vars()"),
        ("http.rs", "use std::env::{self, var};"),
        ("app.rs", "use std::env;"),
    ] {
        assert!(!environment_asked(file, line).is_empty(), "{file}: {line}");
    }
}

/// The code of all tests: those of `tests/`, and what stands behind `#[cfg(test)]` or in files of tests in
/// `src/`.
fn tests() -> Vec<(String, String)> {
    let suite = texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    let inner = sources().into_iter().filter_map(|(file, text)| {
        let is_whole = file.split(['/', '.']).any(|part| part == "tests");
        let code = if is_whole {
            Some(text.as_str())
        } else {
            text.split_once("#[cfg(test)]\nmod ").map(|(_, tests)| tests)
        };
        code.map(|code| (format!("src/{file}"), code.to_owned()))
    });
    suite.into_iter().chain(inner).filter(|(file, _)| file != "suite/arrows.rs").collect()
}

/// What a test's file does that depends on real seconds.
fn hurried(file: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let is_wrong = |(what, allowed): &&(&str, &[&str])| code.contains(what) && !allowed.contains(&file);
    REAL_SECONDS.iter().filter(is_wrong).map(|(what, _)| format!("{file}: {what}")).collect()
}

#[test]
fn no_test_fails_because_a_machine_is_slow() {
    let tests = tests();
    assert!(
        tests.len() > 60 && tests.iter().any(|(file, _)| file.starts_with("src/")),
        "the tests are not where this test looks"
    );
    let wrong: Vec<String> = tests.iter().flat_map(|(file, text)| hurried(file, text)).collect();
    assert!(wrong.is_empty(), "see REAL_SECONDS: {wrong:#?}");
    for (what, allowed) in REAL_SECONDS {
        for file in allowed {
            let text =
                &tests.iter().find(|(name, _)| name == file).unwrap_or_else(|| panic!("{file} is no more")).1;
            assert!(code_of(text).contains(what), "{file} may say {what} and does not");
        }
    }
    for line in [
        "assert!(began.elapsed() < Duration::from_secs(3));",
        "let give_up = std::time::Instant::now() + PATIENCE;",
        "tokio::time::timeout(Duration::from_secs(5), notices.recv()).await.unwrap()",
        "lines.recv_timeout(Duration::from_millis(100))",
        "stream.set_read_timeout(Some(Duration::from_secs(1)))",
    ] {
        assert_eq!(hurried("suite/any.rs", line).len(), 1, "{line}");
    }
}
