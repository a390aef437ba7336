//! `sms-mcp demo`: a real MCP client talks to this very program over stdio, with the sandbox and a ledger of
//! its own.

use std::time::Duration;

use rmcp::ServiceExt as _;
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::TokioChildProcess;
use serde_json::{Value, json};

use super::output::print_line;
use crate::error::{Error, ErrorKind, Result};

/// Longest line of the conversation that is shown, in characters.
const WIDTH: usize = 118;

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

/// Plays the demo.
pub(super) async fn run() -> Result<()> {
    let folder = Folder(std::env::temp_dir().join(format!("sms-mcp-demo-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).map_err(failed)?;
    let config = folder.0.join("demo.toml");
    let settings = "default_region = \"US\"\n[guard]\nsession_spend = \"0.50\"\n[[provider]]\nkind = \
        \"sandbox\"\ndelivery_delay = \"100ms\"\n";
    std::fs::write(&config, settings).map_err(failed)?;
    let mut server = tokio::process::Command::new(std::env::current_exe().map_err(failed)?);
    server
        .arg("--config")
        .arg(&config)
        .arg("--ledger")
        .arg(folder.0.join("ledger.db"))
        .args(["--log", "error"]);
    let transport = TokioChildProcess::new(server).map_err(failed)?;
    let client = ().serve(transport).await.map_err(failed)?;
    let played = play(&client).await;
    client.cancel().await.map_err(failed)?;
    played
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn play(client: &DemoClient) -> Result<()> {
    print_line(
        "An MCP client starts `sms-mcp` over stdio. The provider is the built-in sandbox: nothing leaves \
         this machine.",
    );
    print_line(
        "The operator allows 0.50 USD a session.  -> is what the agent calls, <- what the server answers \
         (shortened).",
    );
    print_line("");
    let tools = client.list_all_tools().await.map_err(failed)?;
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    print_line("-> tools/list");
    print_line(&format!("<- {}", names.join(", ")));
    print_line("");

    let curly = "Your table is booked for 7 pm \u{2013} we\u{2019}re looking forward to seeing you! Please \
        call us if you cannot come.";
    say("Ask the price first. The curly quote and the dash make it two segments; the quote says so:");
    let quote =
        call(client, "send_sms", json!({ "to": "(202) 555-0123", "message": curly, "dry_run": true }))
            .await?;
    show(
        &quote,
        &[
            "/status",
            "/segments",
            "/price/amount",
            "/quote/allowed",
            "/quote/gsm7_rewrite/segments",
            "/quote/gsm7_rewrite/saves/amount",
        ],
    );

    say("Send it, in the plain spelling. The key names the intent:");
    let plain = quote.pointer("/quote/gsm7_rewrite/message").cloned().unwrap_or_default();
    let booking = json!({ "to": "(202) 555-0123", "message": plain, "idempotency_key": "booking-17" });
    let first = call(client, "send_sms", booking.clone()).await?;
    show(&first, &["/id", "/status", "/to", "/segments", "/price/amount", "/budget/session_remaining"]);

    say("The answer got lost, so the agent calls again. Same key: nothing goes out twice.");
    show(
        &call(client, "send_sms", booking).await?,
        &["/id", "/status", "/replayed", "/budget/session_remaining"],
    );

    say("A premium-rate number is refused by the guard:");
    show(
        &call(client, "send_sms", json!({ "to": "+1 900 555 0123", "message": "Hello" })).await?,
        &["/code", "/message", "/next"],
    );

    say("Twenty people by mistake? What does not fit the budget does not start:");
    let many: Vec<Value> = (0..20).map(|n| json!({ "to": format!("+331990000{n:02}") })).collect();
    show(
        &call(client, "send_bulk", json!({ "recipients": many, "message": "Sale today" })).await?,
        &["/code", "/message"],
    );

    say("Three do fit, each with a name:");
    let few: Vec<Value> = [("Ann", 31), ("Bob", 32), ("Cem", 33)]
        .map(|(name, n)| json!({ "to": format!("+331990001{n}"), "data": { "name": name } }))
        .into();
    show(
        &call(client, "send_bulk", json!({ "recipients": few, "message": "Hi {{name}}, doors open at 8." }))
            .await?,
        &["/batch", "/status", "/counts", "/price/amount"],
    );

    say("An answer that is lost on the way from the provider is never guessed at:");
    show(
        &call(client, "send_sms", json!({ "to": "+12025550104", "message": "Hello" })).await?,
        &["/code", "/id", "/next"],
    );

    tokio::time::sleep(Duration::from_millis(400)).await;
    let id = first.pointer("/id").cloned().unwrap_or_default();
    show(
        &call(client, "get_status", json!({ "id": id })).await?,
        &["/message/status", "/history/0/status", "/history/1/status", "/history/2/status"],
    );
    show(
        &call(client, "list_sms", json!({ "limit": 2 })).await?,
        &["/messages/0/status", "/messages/0/to", "/messages/1/status", "/messages/1/to", "/next_cursor"],
    );
    let balance = call(client, "get_balance", json!({})).await?;
    show(
        &balance,
        &[
            "/balance/money/amount",
            "/budgets/1/scope",
            "/budgets/1/spent",
            "/budgets/1/held",
            "/budgets/1/remaining",
        ],
    );
    print_line("Next: add it to your MCP client (docs/CLIENTS.md). `sms-mcp --help` has the command line.");
    Ok(())
}

fn say(text: &str) {
    print_line(&format!("# {text}"));
}

/// Calls a tool, prints the call, and returns the answer's JSON, be it a result or a refusal.
async fn call(client: &DemoClient, name: &'static str, arguments: Value) -> Result<Value> {
    let mut line = format!("-> {name} {arguments}");
    if line.chars().count() > WIDTH {
        line = line.chars().take(WIDTH - 1).chain(std::iter::once('\u{2026}')).collect();
    }
    print_line(&line);
    let mut request = CallToolRequestParams::new(name);
    request.arguments = arguments.as_object().cloned();
    let answer: CallToolResult = client.call_tool(request).await.map_err(failed)?;
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

/// Prints the named parts of an answer on one line.
fn show(answer: &Value, pointers: &[&str]) {
    let marked = if answer.get("isError").is_some() { "isError " } else { "" };
    let parts = pointers.iter().filter_map(|pointer| {
        let value = answer.pointer(pointer)?;
        let name = pointer.trim_start_matches('/').replace('/', ".");
        Some(format!("{name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    });
    print_line(&format!("<- {marked}{}", parts.collect::<Vec<_>>().join(" | ")));
    print_line("");
}
