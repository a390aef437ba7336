//! `sms-mcp demo`: a real MCP client talks to this very program over stdio, with the sandbox and a ledger of
//! its own.

use std::io::IsTerminal as _;
use std::time::Duration;

use rmcp::ServiceExt as _;
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::TokioChildProcess;
use serde_json::{Value, json};

use super::output::{print_coloured, print_line};
use crate::config::Sources;
use crate::error::{Error, ErrorKind, Result};

/// Longest line that is shown, in characters: a terminal has 80 columns. A word that is longer stands alone.
const WIDTH: usize = 79;

/// Most lines of a call that are shown.
const CALL_LINES: usize = 3;

/// How often it is looked whether the first text was delivered, and how many times.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS: usize = 100;

/// What is explained, what the agent calls, what it is answered, and what it is refused.
const SAID: u8 = 1;
const CALLED: u8 = 36;
const ANSWERED: u8 = 32;
const REFUSED: u8 = 33;

type DemoClient = RunningService<RoleClient, ()>;

fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, format!("the demo could not go on: {error}"))
}

/// A folder of its own that goes away with the demo.
struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether a variable sets something, and does not say what this machine is.
fn is_setting(name: &str) -> bool {
    name.starts_with("SMS_MCP_") && name != "SMS_MCP_CONTAINER"
}

/// Plays the demo.
pub(super) async fn run(sources: &Sources) -> Result<()> {
    let folder = Folder(std::env::temp_dir().join(format!("sms-mcp-demo-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).map_err(failed)?;
    let config = folder.0.join("demo.toml");
    let settings = "default_region = \"US\"\n[guard]\nsession_spend = \"0.50\"\n[[provider]]\nkind = \
        \"sandbox\"\ndelivery_delay = \"100ms\"\n";
    std::fs::write(&config, settings).map_err(failed)?;
    let mut server = tokio::process::Command::new(std::env::current_exe().map_err(failed)?);
    // What the environment sets would hold over the demo's own settings: a real provider, for one.
    for name in sources.environment.keys().filter(|name| is_setting(name)) {
        server.env_remove(name);
    }
    server
        .arg("--config")
        .arg(&config)
        .arg("--ledger")
        .arg(folder.0.join("ledger.db"))
        .args(["--log", "error"]);
    let transport = TokioChildProcess::new(server).map_err(failed)?;
    let client = ().serve(transport).await.map_err(failed)?;
    let stage = Stage { client, is_coloured: is_coloured(sources) };
    let played = play(&stage).await;
    stage.client.cancel().await.map_err(failed)?;
    played
}

/// Whether colours are shown: at a terminal that has some, unless `NO_COLOR` says no.
fn is_coloured(sources: &Sources) -> bool {
    let variable = |name: &str| sources.environment.get(name).map(String::as_str).unwrap_or_default();
    std::io::stdout().is_terminal() && variable("NO_COLOR").is_empty() && variable("TERM") != "dumb"
}

async fn play(stage: &Stage) -> Result<()> {
    stage.open().await?;
    let curly = "Your table is booked for 7 pm \u{2013} we\u{2019}re looking forward to seeing you! Please \
        call us if you cannot come.";
    stage.say("Ask the price first. A curly apostrophe and a dash make it two segments; the quote says so:");
    let quote =
        stage.call("send_sms", json!({ "to": "(202) 555-0123", "message": curly, "dry_run": true })).await?;
    stage.show(
        &quote,
        &[
            "/status",
            "/segments",
            "/price/amount",
            "/quote/allowed",
            "/quote/gsm7_rewrite/segments",
            "/quote/gsm7_rewrite/saves/amount",
        ],
    )?;

    stage.say("Send it in the plain spelling, which the quote had with it. The key names the intent:");
    let plain = quote.pointer("/quote/gsm7_rewrite/message").cloned().unwrap_or_default();
    let booking = json!({ "to": "(202) 555-0123", "message": plain, "idempotency_key": "booking-17" });
    let first = stage.call("send_sms", booking.clone()).await?;
    stage.show(
        &first,
        &["/id", "/status", "/to", "/segments", "/price/amount", "/budget/session_remaining"],
    )?;

    stage.say("Suppose that answer got lost. The agent calls again with its key: nothing goes out twice.");
    let again = stage.call("send_sms", booking).await?;
    stage.show(&again, &["/id", "/status", "/replayed", "/budget/session_remaining"])?;
    stage.refusals_and_bulks().await?;

    stage.say("The first text has been delivered since:");
    let id = first.pointer("/id").cloned().unwrap_or_default();
    for _ in 0..LOOKS {
        let looked = stage.ask("get_status", json!({ "id": id })).await?;
        if looked.pointer("/message/status").and_then(Value::as_str) == Some("delivered") {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let status = stage.call("get_status", json!({ "id": id })).await?;
    stage
        .show(&status, &["/message/status", "/history/0/status", "/history/1/status", "/history/2/status"])?;

    stage.say("The newest two of all, and where the list goes on:");
    let listed = stage.call("list_sms", json!({ "limit": 2 })).await?;
    stage.show(
        &listed,
        &["/messages/0/status", "/messages/0/to", "/messages/1/status", "/messages/1/to", "/next_cursor"],
    )?;

    stage.say("What is left. The money of the unknown one stays held:");
    let balance = stage.call("get_balance", json!({})).await?;
    stage.show(
        &balance,
        &[
            "/balances/0/money/amount",
            "/budgets/1/scope",
            "/budgets/1/spent",
            "/budgets/1/held",
            "/budgets/1/remaining",
        ],
    )?;
    stage.say(
        "Next: add it to your MCP client (docs/CLIENTS.md), or send by hand: `sms-mcp send +12025550123 \
         Hello`, then `sms-mcp outbox` shows what a phone would. `sms-mcp --help` has the rest.",
    );
    Ok(())
}

/// The client of the conversation, and how it is shown.
struct Stage {
    client: DemoClient,
    is_coloured: bool,
}

impl Stage {
    async fn open(&self) -> Result<()> {
        self.say(
            "An MCP client starts `sms-mcp` over stdio. The provider is the built-in sandbox: nothing leaves this \
             machine. The operator allows 0.50 USD a session.",
        );
        self.say("-> is what the agent calls, <- what the server answers; both are shortened.");
        print_line("");
        let tools = self.client.list_all_tools().await.map_err(failed)?;
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
        self.print("-> tools/list", CALLED);
        self.print(&format!("<- {}", names.join(", ")), ANSWERED);
        print_line("");
        Ok(())
    }

    async fn refusals_and_bulks(&self) -> Result<()> {
        self.say("A premium-rate number is refused by the guard:");
        let premium = self.call("send_sms", json!({ "to": "+1 900 555 0123", "message": "Hello" })).await?;
        self.show(&premium, &["/code", "/message", "/next"])?;

        self.say("Twenty people by mistake? What does not fit the budget does not start:");
        let many: Vec<Value> = (0..20).map(|n| json!({ "to": format!("+331990000{n:02}") })).collect();
        let mistake = self.call("send_bulk", json!({ "recipients": many, "message": "Sale today" })).await?;
        self.show(&mistake, &["/code", "/message"])?;

        self.say("Three do fit, each with a name:");
        let few: Vec<Value> = [("Ann", 31), ("Bob", 32), ("Cem", 33)]
            .map(|(name, n)| json!({ "to": format!("+331990001{n}"), "data": { "name": name } }))
            .into();
        let bulk = self
            .call("send_bulk", json!({ "recipients": few, "message": "Hi {{name}}, doors open at 8." }))
            .await?;
        self.show(&bulk, &["/batch", "/status", "/counts", "/price/amount"])?;

        self.say("For this number the sandbox loses its answer. Nobody guesses what became of the text:");
        let lost = self.call("send_sms", json!({ "to": "+12025550104", "message": "Hello" })).await?;
        self.show(&lost, &["/code", "/id", "/next"])
    }

    /// Prints a text in whole words, the lines after the first one further to the right.
    fn print(&self, text: &str, colour: u8) {
        for line in wrapped(text, "   ") {
            print_coloured(&line, self.is_coloured.then_some(colour));
        }
    }

    fn say(&self, text: &str) {
        for line in wrapped(&format!("# {text}"), "# ") {
            print_coloured(&line, self.is_coloured.then_some(SAID));
        }
    }

    /// Calls a tool, prints the call, and returns the answer's JSON, be it a result or a refusal.
    async fn call(&self, name: &'static str, arguments: Value) -> Result<Value> {
        let mut lines = wrapped(&format!("-> {name} {}", spaced(&arguments)), "   ");
        if lines.len() > CALL_LINES {
            lines.truncate(CALL_LINES);
            let last = lines.pop().unwrap_or_default();
            lines.push(format!("{last} \u{2026}"));
        }
        for line in lines {
            print_coloured(&line, self.is_coloured.then_some(CALLED));
        }
        self.ask(name, arguments).await
    }

    /// Calls a tool, and prints nothing.
    async fn ask(&self, name: &'static str, arguments: Value) -> Result<Value> {
        let mut request = CallToolRequestParams::new(name);
        request.arguments = arguments.as_object().cloned();
        let answer: CallToolResult = self.client.call_tool(request).await.map_err(failed)?;
        let text = answer
            .content
            .first()
            .and_then(|content| content.as_text())
            .map(|text| text.text.clone())
            .unwrap_or_default();
        let mut value: Value = serde_json::from_str(&text).map_err(failed)?;
        if let (Some(true), Value::Object(object)) = (answer.is_error, &mut value) {
            object.insert("isError".to_owned(), true.into());
        }
        Ok(value)
    }

    /// Prints the named parts of an answer.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where it has no such part: then the demo tells something that is not so.
    fn show(&self, answer: &Value, pointers: &[&str]) -> Result<()> {
        let (marked, colour) =
            if answer.get("isError").is_some() { ("isError ", REFUSED) } else { ("", ANSWERED) };
        let mut parts = Vec::with_capacity(pointers.len());
        for pointer in pointers {
            let value =
                answer.pointer(pointer).ok_or_else(|| failed(format!("no {pointer} in an answer")))?;
            let name = pointer.trim_start_matches('/').replace('/', ".");
            parts.push(format!("{name}: {}", value.as_str().map_or_else(|| spaced(value), str::to_owned)));
        }
        self.print(&format!("<- {marked}{}", parts.join(" | ")), colour);
        print_line("");
        Ok(())
    }
}

/// JSON with a space wherever a line may end.
fn spaced(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let fields: Vec<String> =
                object.iter().map(|(name, value)| format!("\"{name}\": {}", spaced(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// Lines of whole words, each but the first with this before it.
fn wrapped(text: &str, before: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            // Two more, so that the last line of a call has room to say that there was more.
            Some(line) if line.chars().count() + 1 + word.chars().count() + 2 <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("{before}{word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_spaces_and_no_line_of_words_is_wider_than_a_terminal() {
        let text =
            format!("-> send_sms {}", spaced(&json!({ "message": "word ".repeat(60), "to": ["+1", "+2"] })));
        let lines = wrapped(&text, "   ");
        assert!(lines.len() > 3 && lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:#?}");
        let whole: Vec<&str> = lines.iter().map(|line| line.trim_start_matches("   ")).collect();
        assert_eq!(whole.join(" "), text);
        assert!(text.ends_with("\"to\": [\"+1\", \"+2\"]}"), "{text}");
        assert_eq!(wrapped(&format!("a {}", "x".repeat(200)), "   ").len(), 2);
    }
}
