//! What the documents say is held against the program: tables against the code, snippets against the parsers,
//! answers against the schemas.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use rmcp::ClientServiceExt as _;
use rmcp::transport::TokioChildProcess;
use serde_json::{Value, json};
use sms_mcp::config::Config;
use sms_mcp::mcp::tools::Tools;
use sms_mcp::provider::sandbox::Fault;

use crate::cli::at_terminal;
use crate::gate::words_for;
use crate::support::{Client, Desk, Era, answer, program, refusal};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The fenced blocks of this language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match (&mut block, line) {
            (None, _) if line == format!("```{language}") => block = Some(String::new()),
            (Some(_), "```") => found.extend(block.take()),
            (Some(block), _) => *block += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    found
}

/// The part of a document below this heading, up to the next heading that is not deeper.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let level = heading.split(' ').next().unwrap().len();
    let from = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section {heading}"))
        + heading.len()
        + 2;
    let is_end = |line: &str| line.starts_with('#') && line.split(' ').next().unwrap().len() <= level;
    let mut at = from;
    for line in text[from..].split_inclusive('\n') {
        if is_end(line) {
            break;
        }
        at += line.len();
    }
    &text[from..at]
}

#[test]
fn the_documents_have_every_fault_of_the_sandbox() {
    let page = read("docs/CONFIGURATION.md");
    let table = section(&page, "## Sandbox faults");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `+")).collect();
    let expected: Vec<String> =
        Fault::TABLE.iter().map(|(number, _, what)| format!("| `{number}` | {what} |")).collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_documents_have_every_error_code() {
    let source = read("src/error.rs");
    let body = source.split("fn as_str").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let codes: Vec<&str> =
        body.lines().filter_map(|line| line.split("=> \"").nth(1)?.split('"').next()).collect();
    assert!(codes.len() >= 26, "{codes:?}");
    let table = read("docs/ERRORS.md");
    let rows: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(rows, codes);
}

#[test]
fn the_documents_have_every_command_and_every_tool() {
    let (tools, table) = (read("docs/TOOLS.md"), read("docs/COMMANDS.md"));
    let help = String::from_utf8(Command::new(program()).arg("--help").output().unwrap().stdout).unwrap();
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.contains(&"serve") && commands.contains(&"completions"), "{commands:?}");
    for name in commands {
        assert!(table.contains(&format!("`sms-mcp {name}")), "{name}");
    }
    for code in ["0 done", "1 refused", "2 wrong usage", "3 outcome unknown"] {
        assert!(table.contains(code) && help.replace("\n", " ").contains(code), "{code}");
    }
    for tool in Tools::new().list() {
        assert!(
            tools.contains(&format!("\n## `{}`\n", tool.name))
                && read("README.md").contains(&format!("`{}`", tool.name)),
            "{}",
            tool.name
        );
    }
}

#[test]
fn the_documents_calls_and_answers_fit_the_schemas_of_the_tools() {
    let page = read("docs/TOOLS.md");
    for tool in Tools::new().list() {
        let blocks = blocks(section(&page, &format!("## `{}`", tool.name)), "json");
        let [arguments, answer] = blocks.as_slice() else {
            panic!("{} has {} blocks", tool.name, blocks.len())
        };
        let output = tool.output_schema.as_ref().unwrap();
        for (what, schema, text) in [("arguments", &tool.input_schema, arguments), ("answer", output, answer)]
        {
            let value: Value =
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{} {what}: {error}", tool.name));
            let schema = Value::Object(schema.as_ref().clone());
            let validator = jsonschema::validator_for(&schema).unwrap();
            let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{} {what}: {errors:?}", tool.name);
            let known = schema["properties"].as_object().unwrap();
            assert!(
                value.as_object().unwrap().keys().all(|key| known.contains_key(key)),
                "{} {what} names what does not exist",
                tool.name
            );
        }
    }
}

/// README and every page of docs/, with its name.
fn documents() -> Vec<(String, String)> {
    let pages = std::fs::read_dir(file("docs"))
        .unwrap()
        .map(|entry| format!("docs/{}", entry.unwrap().file_name().to_str().unwrap()));
    let mut names: Vec<String> =
        pages.chain(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(ToOwned::to_owned)).collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), read(&name))).collect()
}

#[test]
fn the_snippets_of_the_documents_parse() {
    let (mut of_json, mut of_toml) = (0, 0);
    for (name, text) in documents() {
        for snippet in blocks(&text, "json") {
            of_json += 1;
            serde_json::from_str::<Value>(&snippet)
                .unwrap_or_else(|error| panic!("{name}: {error}: {snippet}"));
        }
        // What is in a list is further to the right.
        for snippet in blocks(&text, "toml").into_iter().chain(blocks(&text.replace("\n   ", "\n"), "toml")) {
            of_toml += 1;
            toml::from_str::<Config>(&snippet).unwrap_or_else(|error| panic!("{name}: {error}: {snippet}"));
        }
    }
    assert!(of_json >= 20 && of_toml >= 8, "{of_json} and {of_toml}");
}

/// Who comes from README or from the index finds every page.
#[test]
fn every_page_is_linked_from_the_readme_and_from_the_index() {
    let (readme, index) = (read("README.md"), read("docs/README.md"));
    let pages: Vec<String> = documents()
        .into_iter()
        .filter_map(|(name, _)| name.strip_prefix("docs/").map(ToOwned::to_owned))
        .collect();
    for page in pages.iter().filter(|page| *page != "README.md") {
        assert!(readme.contains(&format!("](docs/{page})")), "README.md does not link to docs/{page}");
        assert!(index.contains(&format!("]({page})")), "docs/README.md does not link to {page}");
    }
}

#[test]
fn the_documents_event_is_signed_with_the_secret_that_it_shows() {
    use base64::Engine as _;
    use hmac::{KeyInit as _, Mac as _};
    let base64 = &base64::engine::general_purpose::STANDARD;
    let page = read("docs/RECEIPTS.md");
    let text = section(&page, "## Forwarding");
    let secret = text.split("`whsec_").nth(1).unwrap().split('`').next().unwrap();
    let request = blocks(text, "http").remove(0);
    let (head, body) = request.trim_end().split_once("\n\n").unwrap();
    let header = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap().to_owned()
    };
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&base64.decode(secret).unwrap()).unwrap();
    mac.update(format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp")).as_bytes());
    assert_eq!(header("webhook-signature"), format!("v1,{}", base64.encode(mac.finalize().into_bytes())));
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["type"], "message.delivered");
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let heading_of = |title: &str| title.to_lowercase().replace([':', ',', '`'], "").replace(' ', "-");
    for (name, text) in documents() {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("https://") {
                continue;
            }
            let (path, anchor) =
                target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
            let path = if path.is_empty() { file(&name) } else { file(&name).parent().unwrap().join(path) };
            assert!(path.exists(), "{name}: {target}");
            if let Some(anchor) = anchor {
                let text = std::fs::read_to_string(&path).unwrap();
                let mut headings = text.lines().filter_map(|line| line.strip_prefix('#'));
                assert!(
                    headings.any(|line| heading_of(line.trim_start_matches('#').trim()) == anchor),
                    "{name}: {target}"
                );
            }
        }
    }
}

#[test]
fn the_architecture_names_every_module_table_and_crash_point() {
    let text = read("docs/ARCHITECTURE.md");
    for module in
        read("src/lib.rs").lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
    {
        assert!(text.contains(&format!("`{module}`")), "module {module}");
    }
    let mut migrations: Vec<PathBuf> = std::fs::read_dir(file("src/ledger/migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    migrations.sort();
    let migrations: String = migrations.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let tables: Vec<&str> =
        migrations.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split(' ').next()).collect();
    assert!(tables.len() >= 13, "{tables:?}");
    for table in tables {
        assert!(text.contains(&format!("| `{table}` |")), "table {table}");
    }
    let mut files = Vec::new();
    sources(&file("src"), &mut files);
    let sources: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    // One of them is passed in two places.
    let points: BTreeSet<&str> = ["crash_point(\"", "fail_point!(\""]
        .iter()
        .flat_map(|call| sources.split(call).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(points.len(), 18, "{points:?}");
    for point in points {
        assert!(text.contains(&format!("| `{point}` |")), "crash point {point}");
    }
}

/// Every source file below a folder.
fn sources(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The last text in the parentheses of a macro's call, joined where the source broke its line.
fn last_text(call: &str) -> Option<String> {
    let (mut depth, mut text, mut last) = (0, None::<String>, None);
    let mut characters = call.chars().peekable();
    while let Some(character) = characters.next() {
        match (&mut text, character) {
            (Some(_), '"') => last = text.take(),
            (Some(inside), '\\') => match characters.next()? {
                '\n' => while characters.next_if(|next| next.is_whitespace()).is_some() {},
                escaped => inside.extend(['\\', escaped]),
            },
            (Some(inside), other) => inside.push(other),
            (None, '"') => text = Some(String::new()),
            (None, '(' | '{' | '[') => depth += 1,
            (None, ')' | '}' | ']') => depth -= 1,
            (None, _) => {}
        }
        if depth == 0 && matches!(character, ')' | '}' | ']') && text.is_none() {
            return last;
        }
    }
    None
}

/// The level and the words of every event that the program logs.
fn events() -> BTreeSet<(String, String)> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut events = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        // A macro of it, and not a type.
        let is_event = |rest: &&str| rest.split('(').next().is_some_and(|name| name.ends_with('!'));
        for event in text.split("tracing::").skip(1).filter(is_event) {
            let words = last_text(event).unwrap_or_else(|| panic!("{}: {:.200}", file.display(), event));
            events.insert((event.split('!').next().unwrap().to_owned(), words));
        }
    }
    events
}

#[test]
fn the_logging_document_has_every_event_and_no_other() {
    let text = read("docs/LOGGING.md");
    let listed: BTreeSet<(String, String)> = text
        .lines()
        .filter_map(|line| {
            let mut cells = line.split(" | ");
            let level = cells.next()?.strip_prefix("| ")?;
            Some((level.to_owned(), cells.next()?.strip_prefix('`')?.strip_suffix('`')?.to_owned()))
        })
        .collect();
    let events = events();
    // Of a line that ends in dots the document has the beginning: what follows says which kind it is.
    let is_begun = |(level, words): &(String, String), (other, whole): &(String, String)| {
        level == other
            && (words == whole || words.strip_suffix(" ...").is_some_and(|begin| whole.starts_with(begin)))
    };
    let missing: Vec<_> =
        events.iter().filter(|event| !listed.iter().any(|line| is_begun(line, event))).collect();
    let stale: Vec<_> =
        listed.iter().filter(|line| !events.iter().any(|event| is_begun(line, event))).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "not in the document: {missing:#?}\nnot in the program: {stale:#?}"
    );
    assert!(events.len() >= 80, "{}", events.len());
}

#[test]
fn just_has_the_steps_that_ci_has() {
    let (run, recipes) = (read(".ci/run"), read("justfile"));
    let steps = run.split("  case \"$1\" in\n").nth(1).unwrap().split("  esac").next().unwrap();
    let steps: BTreeSet<&str> = steps
        .lines()
        .filter_map(|line| line.trim().split_once(") "))
        .map(|(step, _)| step)
        .filter(|step| *step != "*")
        .collect();
    assert!(steps.len() >= 10, "{steps:?}");
    let named: BTreeSet<&str> =
        recipes.lines().filter_map(|line| line.strip_suffix(':')).filter(|recipe| *recipe != "all").collect();
    assert_eq!(named, steps);
    for step in steps {
        assert!(recipes.contains(&format!("{step}:\n    .ci/run {step}\n")), "{step}");
    }
}

/// The command of the example for Claude Desktop, with the program under test in place of the bare name.
fn desktop_command(home: &Path) -> tokio::process::Command {
    let example: Value = serde_json::from_str(&read("claude_desktop_config.example.json")).unwrap();
    let server = &example["mcpServers"]["sms"];
    assert_eq!(server["command"], "sms-mcp");
    let mut command = tokio::process::Command::new(program());
    command.args(server["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap()));
    command.env_clear().env("HOME", home).env("APPDATA", home).env("LOCALAPPDATA", home);
    for (name, value) in server["env"].as_object().unwrap() {
        command.env(name, value.as_str().unwrap());
    }
    command
}

#[tokio::test]
async fn the_example_for_claude_desktop_starts_a_server_that_quotes() {
    for era in Era::BOTH {
        let home = tempfile::tempdir().unwrap();
        let transport = TokioChildProcess::new(desktop_command(home.path())).unwrap();
        let client: Client = ().serve_with_lifecycle(transport, era.lifecycle()).await.unwrap();
        let quote =
            answer(&client, "send_sms", json!({ "to": "+12025550123", "message": "Hello", "dry_run": true }))
                .await;
        assert_eq!(
            (quote["status"].as_str(), quote["quote"]["allowed"].as_bool()),
            (Some("dry_run"), Some(true)),
            "{era:?}"
        );
        assert_eq!(quote["budget"]["day_remaining"], "5.00", "the example's env is in force");
        client.cancel().await.unwrap();
    }
}

#[test]
fn the_snippets_for_clients_start_the_same_command() {
    let example: Value = serde_json::from_str(&read("claude_desktop_config.example.json")).unwrap();
    let parsed = |text: &String| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parsed(&blocks(&read("README.md"), "json")[0]), example);
    let snippets: Vec<Value> = blocks(&read("docs/CLIENTS.md"), "json").iter().map(parsed).collect();
    assert_eq!(snippets[0], example);
    let local: Vec<&Value> = snippets
        .iter()
        .flat_map(|snippet| [&snippet["mcpServers"]["sms"], &snippet["servers"]["sms"]])
        .filter(|sms| sms.get("command").is_some())
        .collect();
    assert_eq!(local.len(), 4);
    assert!(local.iter().all(|sms| sms["command"] == "sms-mcp" && sms["args"] == json!([])));
}

#[tokio::test]
async fn the_remote_server_of_the_documents_lets_in_who_shows_the_token_and_calls_it_by_its_name() {
    let settings = blocks(&read("docs/HOSTING.md"), "toml").remove(0);
    let desk = Desk::new(&settings);
    let server = desk.http(|command| {
        command.env("SMS_MCP_TOKEN", "s3cret");
    });
    let client = server.client(Era::Stateless, Some("s3cret")).await;
    let sent = answer(&client, "send_sms", json!({ "to": "+12025550123", "message": "Hello" })).await;
    assert_eq!(sent["status"], "sent");
    let refused = refusal(&client, "send_sms", json!({ "to": "+12025550101", "message": "Hello" })).await;
    assert_eq!(refused["code"], "provider_rejected");
    client.cancel().await.unwrap();

    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } });
    let post = |host: &'static str, token: Option<&'static str>| {
        let request = reqwest::Client::new()
            .post(server.url())
            .header("Host", host)
            .header("Accept", "application/json, text/event-stream");
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        let request = request.json(&initialize);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(post("sms.example.com", Some("s3cret")).await, 200);
    assert_eq!(post("other.example.com", Some("s3cret")).await, 403);
    assert_eq!(post("sms.example.com", None).await, 401);
    assert_eq!(post("sms.example.com", Some("wrong")).await, 401);
    let health = reqwest::get(server.url().replace("/mcp", "/healthz")).await.unwrap();
    assert_eq!(health.status().as_u16(), 200);
}

/// The columns of the table of providers, by the names of their capabilities.
const CAPABILITIES: [(&str, &str); 12] = [
    ("send", ""),
    ("bulk in one request", "recipients_per_request"),
    ("schedule", "schedule"),
    ("status", "status"),
    ("list", "list"),
    ("balance", "balance"),
    ("prices", "prices"),
    ("receipts by push", "receipts_by_push"),
    ("receipts by poll", "receipts_by_poll"),
    ("replies", "replies"),
    ("opt-outs", "opt_outs"),
    ("lookup", "lookup"),
];

/// Settings of the example that stand at a default under which something is not offered, with the one under
/// which it is.
const SET_UP: [(&str, &str, &str); 2] =
    [("cmpp", "destinations_per_submit", "99"), ("smpp", "mode", "\"transmitter\"")];

/// What a provider of the example can do, by capability: with everything set, or with nothing but what it
/// demands.
fn capabilities(table: &toml::Table, is_full: bool) -> Value {
    use sms_mcp::provider::settings::{Callback, Setup};
    // And what belongs to a secret, since all secrets are set.
    let demanded = |name: &str| {
        let its_own = ["kind", "from", "address", "system_id", "sp_id", "base_url", "plan", "region"];
        let of_http = ["auth", "send", "answer"];
        its_own.contains(&name)
            || ["user", "webhook_user", "webhook_header"].contains(&name)
            || (of_http.contains(&name) && table["kind"].as_str() == Some("http"))
    };
    // Of a gateway by HTTP, what webhooks are believed by goes with the webhooks.
    let is_secret = |name: &str, value: &toml::Value| {
        let is_of_webhooks = name == "webhook_secret" && table["kind"].as_str() == Some("http");
        !is_of_webhooks && crate::settings::is_secret(value)
    };
    // A switch that is on is set up.
    let switched =
        |value: &toml::Value| if value.is_bool() { toml::Value::Boolean(true) } else { value.clone() };
    let table: toml::Table = table
        .iter()
        .filter(|(name, value)| is_full || demanded(name) || is_secret(name, value))
        .map(|(name, value)| (name.clone(), switched(value)))
        .collect();
    let text = toml::to_string(&toml::Table::from_iter([(
        "provider".to_owned(),
        toml::Value::Array(vec![toml::Value::Table(table)]),
    )]))
    .unwrap();
    let loaded = crate::settings::load_text(&text);
    let clock: sms_mcp::clock::SharedClock = std::sync::Arc::new(sms_mcp::clock::SystemClock);
    let callback = is_full.then(|| Callback::new("https://sms.example.com", "x", [1; 32]));
    let provider = loaded.config.provider[0]
        .build(Setup { clock, secrets: loaded.secrets[0].clone(), callback })
        .unwrap();
    serde_json::to_value(provider.capabilities()).unwrap()
}

#[test]
fn the_documents_say_what_each_provider_can_do() {
    let example: toml::Table =
        // What names a file that has to be there is left out.
        crate::settings::uncommented(|name| {
            !["outbox", "application_id", "private_key"].contains(&name) && !name.starts_with("tls")
        })
            .parse()
            .unwrap();
    let mut rows = vec![
        format!("| Provider | {} |", CAPABILITIES.map(|(title, _)| title).join(" | ")),
        format!("|---|{}", "---|".repeat(CAPABILITIES.len())),
    ];
    let mut kinds = BTreeSet::new();
    for table in example["provider"].as_array().unwrap() {
        let table = table.as_table().unwrap();
        // The first table of a kind shows all that it can do.
        if !kinds.insert(table["kind"].as_str().unwrap()) {
            continue;
        }
        let (full, bare) = (capabilities(table, true), capabilities(table, false));
        let kind = table["kind"].as_str().unwrap();
        let mut other = table.clone();
        for (_, name, value) in SET_UP.iter().filter(|row| row.0 == kind) {
            assert!(
                other
                    .insert(
                        (*name).to_owned(),
                        format!("v = {value}").parse::<toml::Table>().unwrap().remove("v").unwrap()
                    )
                    .is_some()
            );
        }
        let other = capabilities(&other, true);
        let most = |name: &str| match (&full[name], &other[name]) {
            (Value::Bool(false), other) => other.clone(),
            (full, other) if other.as_u64() > full.as_u64() => other.clone(),
            (full, _) => full.clone(),
        };
        let cell = |name: &str| match (&most(name), &bare[name]) {
            (Value::Null, _) => "yes".to_owned(),
            (Value::Bool(true), Value::Bool(true)) => "yes".to_owned(),
            (Value::Bool(false), Value::Bool(false)) => "-".to_owned(),
            (Value::Bool(_), _) => "if set up".to_owned(),
            (most, less) => match (most.as_u64().unwrap(), less.as_u64().unwrap()) {
                (0 | 1, _) => "-".to_owned(),
                (most, less) if most == less => most.to_string(),
                (most, _) => format!("{most} if set up"),
            },
        };
        rows.push(format!("| `{kind}` | {} |", CAPABILITIES.map(|(_, name)| cell(name)).join(" | ")));
    }
    let path = file("docs/PROVIDERS.md");
    let page = read("docs/PROVIDERS.md");
    let (begin, end) =
        ("<!-- what each provider can do: UPDATE_SNAPSHOTS=1 cargo test documents -->\n", "<!-- end -->");
    let (before, rest) = page.split_once(begin).unwrap();
    let (written, after) = rest.split_once(end).unwrap();
    let expected = format!("\n{}\n\n", rows.join("\n"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, format!("{before}{begin}{expected}{end}{after}")).unwrap();
    } else {
        assert_eq!(written, expected, "run UPDATE_SNAPSHOTS=1 cargo test documents");
    }
}

/// The heading of the section of `docs/PROVIDERS.md` that is about this kind.
fn title(kind: &str) -> Option<String> {
    let page = read("docs/PROVIDERS.md");
    let mut titles = page.lines().filter_map(|line| line.strip_prefix("## "));
    titles.find(|title| title.to_lowercase().replace(' ', "_") == kind).map(ToOwned::to_owned)
}

#[test]
fn every_provider_has_its_section_and_its_name_in_the_readme() {
    let (page, readme) = (read("docs/PROVIDERS.md"), read("README.md").to_lowercase());
    for kind in sms_mcp::config::KINDS {
        let title = title(kind).unwrap_or_else(|| panic!("docs/PROVIDERS.md has no section about {kind}"));
        let lines = section(&page, &format!("## {title}"));
        assert!(
            blocks(lines, "toml").iter().any(|block| block.contains(&format!("kind = \"{kind}\""))),
            "the section {title} of docs/PROVIDERS.md does not show the lines of {kind}"
        );
        assert!(readme.contains(&title.to_lowercase()), "README.md does not name {title}");
    }
}

/// The commands of the operator's document are those of the program, in its order, in one folder.
#[cfg(unix)]
#[test]
fn the_operators_commands_do_what_the_document_says() {
    let text = read("docs/OPERATIONS.md");
    let desk = Desk::new("");
    let bin = desk.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(program(), bin.join("sms-mcp")).unwrap();
    let path = std::env::join_paths(
        [bin].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let blocks = blocks(&text, "sh");
    assert!(blocks.len() >= 6, "{blocks:?}");
    desk.done(&["send", "+12025550123", "Hello"]);
    // The sandbox charges twice its price for this one, and then the clock was set back by a day.
    desk.done(&["send", "+12025550110", "Hello"]);
    let sends = || desk.run(&["send", "+12025550124", "Hello"]);
    assert!(sends().err.contains("budget_frozen"), "{:?}", sends());
    let ledger = || rusqlite::Connection::open(desk.ledger()).unwrap();
    ledger()
        .execute("UPDATE pace SET latest_us = latest_us + 86400000000, until_us = until_us + 86400000000", [])
        .unwrap();
    assert!(sends().err.contains("clock_unreliable"), "{:?}", sends());
    for block in &blocks {
        let mut shell = Command::new("sh");
        shell.args(["-euc", block]).current_dir(desk.path()).env("PATH", &path);
        shell.env("SMS_MCP_CONFIG", desk.config()).env("SMS_MCP_LEDGER", desk.ledger());
        let ended = at_terminal(shell, &words_for(block));
        assert!(ended.code == 0, "{block}\n{ended:?}");
        let listed = desk.done(&["list"]);
        assert!(listed.out.contains("+12025550123"), "{block}\n{listed:?}");
    }
    assert!(sends().err.contains("paused"), "{:?}", sends());
    assert_eq!(desk.types(&["resume"], "resume").code, 0);
    // The sandbox is still paused by its name, and so are those who come over HTTP.
    assert!(sends().err.contains("paused"), "{:?}", sends());
    assert_eq!(desk.types(&["resume", "--provider", "sandbox"], "resume").code, 0);
    desk.done(&["send", "+12025550124", "Hello"]);
}

/// Stands in for Docker: the volumes are folders of the test, everything else of a container is new each
/// time.
#[cfg(unix)]
const DOCKER: &str = r#"#!/bin/sh
shift
variables="HOME=$(mktemp -d "$VOLUMES/home.XXXXXX") PATH=$PATH SMS_MCP_CONTAINER=yes SMS_MCP__PROVIDER__0__BASE_URL=$BASE_URL"
volumes=""
while [ "${1#-}" != "$1" ]; do
  case "$1" in
    -v) mkdir -p "$VOLUMES/${2%%:*}"; volumes="$volumes;s|=${2#*:}/|=$VOLUMES/${2%%:*}/|g"; shift 2 ;;
    -e) case "$2" in *=*) variables="$variables $2" ;; *) eval "variables=\"\$variables $2=\$$2\"" ;; esac; shift 2 ;;
    *) shift ;;
  esac
done
test "$1" = IMAGE
shift
exec env -i $(printf %s "$variables" | sed "${volumes#;}") "$@"
"#;

/// Stands in for Claude Code: what it is told to add it starts at once.
#[cfg(unix)]
const CLAUDE: &str = r#"#!/bin/sh
test "$1 $2 $3" = "mcp add sms"
shift 3
while [ "$1" != -- ]; do test "$1" = -e; export "$2"; shift 2; done
shift
exec "$@"
"#;

/// The lines that people copy start a server that sends, and that notices that its ledger is gone where they
/// say where the mark is.
#[cfg(unix)]
#[tokio::test]
async fn the_lines_for_docker_desktop_claude_code_and_ci_start_a_server_that_knows_its_ledger() {
    use std::os::unix::fs::PermissionsExt as _;

    use crate::fake::Fake;
    use crate::fake::sms_for_ai::{SmsForAi, TOKEN};
    let text = read("docs/OPERATIONS.md");
    let text = section(&text, "### Containers");
    let desktop: Value = serde_json::from_str(&blocks(text, "json").remove(0)).unwrap();
    let sms = &desktop["mcpServers"]["sms"];
    let words = std::iter::once(&sms["command"]).chain(sms["args"].as_array().unwrap());
    let desktop = words.map(|word| format!("'{}' ", word.as_str().unwrap())).collect::<String>();
    let lines: Vec<String> = blocks(text, "bash").into_iter().chain([desktop]).collect();
    assert_eq!(lines.len(), 5);
    for line in &lines {
        let fake = Fake::start(SmsForAi::default());
        let folder = tempfile::tempdir().unwrap();
        let (bin, volumes) = (folder.path().join("bin"), folder.path().join("volumes"));
        [&bin, &volumes].iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
        std::os::unix::fs::symlink(program(), bin.join("sms-mcp")).unwrap();
        for (name, script) in [("docker", DOCKER), ("claude", CLAUDE)] {
            std::fs::write(bin.join(name), script).unwrap();
            std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        let path = std::env::join_paths(
            [bin].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        )
        .unwrap();
        let start = || {
            let mut shell = tokio::process::Command::new("sh");
            shell
                .args(["-euc", line])
                .env_clear()
                .env("PATH", &path)
                .env("HOME", folder.path())
                .env("VOLUMES", &volumes);
            shell
                .env("SMS_TOKEN", TOKEN)
                .env("BASE_URL", format!("{}/api/v1", fake.url()))
                .env("RUNNER_TEMP", folder.path());
            // As on a machine of one's own, but for what is in the container.
            shell
                .env("SMS_MCP_CONTAINER", "no")
                .env("SMS_MCP__PROVIDER__0__BASE_URL", format!("{}/api/v1", fake.url()));
            if line.contains("RUNNER_TEMP") {
                shell.env("SMS_MCP_CONTAINER", "yes");
            }
            shell
        };
        for round in 0..2 {
            let client: Client =
                ().serve_with_lifecycle(TokioChildProcess::new(start()).unwrap(), Era::Stateless.lifecycle())
                    .await
                    .unwrap_or_else(|error| panic!("{line}: {error}"));
            let sent = answer(
                &client,
                "send_sms",
                json!({ "to": "+33199000001", "message": format!("Text {round}") }),
            )
            .await;
            assert_eq!(sent["status"], "sent", "{line}");
            client.cancel().await.unwrap();
        }
        assert_eq!(fake.vendor().messages.len(), 2, "{line}");
        if line.contains("docker") {
            assert!(volumes.join("sms-mark/ledger.mark").exists(), "{line}");
            // An empty volume.
            std::fs::remove_dir_all(volumes.join("sms-ledger")).unwrap();
            let client: Client =
                ().serve_with_lifecycle(TokioChildProcess::new(start()).unwrap(), Era::Stateless.lifecycle())
                    .await
                    .unwrap();
            let refused =
                refusal(&client, "send_sms", json!({ "to": "+33199000001", "message": "Once more" })).await;
            assert_eq!(refused["code"], "ledger_in_doubt", "{line}: {refused}");
            client.cancel().await.unwrap();
            assert_eq!(fake.vendor().messages.len(), 2, "{line}");
        }
    }
}
