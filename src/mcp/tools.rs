//! The tools: their names and descriptions, and the call of each.
//!
//! To add one: a line in [`Tools::new`] and an arm in `perform`, with argument and answer types in
//! `send/contract.rs`. The list is a contract; `tests/suite/snapshots/tools.json` shows every change of it.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;

use super::arguments::{self, Given};
use super::{render, schema};
use crate::engine::contract::{
    BalanceAnswer, BalanceArgs, BulkAnswer, BulkArgs, ListAnswer, ListArgs, OpenAnswer, OpenArgs, SendAnswer, SendArgs, StatusAnswer, StatusArgs,
};
use crate::engine::{Caller, Engine, OnProgress};
use crate::error::{Error, ErrorKind, Result};

/// The name of the bulk tool, which reports progress.
pub const SEND_BULK: &str = "send_bulk";

/// The tools of the server, in the order that clients see.
pub struct Tools {
    list: Vec<Tool>,
}

/// One call.
pub struct Call<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// Who calls.
    pub caller: Caller,
    /// How long a bulk may keep the caller waiting.
    pub bulk_wait: Duration,
    /// Where the progress of a bulk is told.
    pub progress: Option<OnProgress>,
}

impl Default for Tools {
    fn default() -> Self {
        Self::new()
    }
}

impl Tools {
    /// Builds the list.
    pub fn new() -> Self {
        let sends = || ToolAnnotations::new().read_only(false).destructive(true).idempotent(false).open_world(true);
        let reads = || ToolAnnotations::new().read_only(true).idempotent(true).open_world(true);
        let list = vec![
            tool::<SendArgs, SendAnswer>(
                "send_sms",
                "Send an SMS",
                "Send one SMS to a real phone. It costs money and cannot be taken back. Set idempotency_key so that a repeated call is sent at most \
                 once. With dry_run: true it only quotes: price, segments, whether it is allowed, and which characters make it dearer. On \
                 outcome_unknown or partly_sent never send again.",
                sends(),
            ),
            tool::<BulkArgs, BulkAnswer>(
                SEND_BULK,
                "Send an SMS to many",
                "Send one message to many recipients, with {{name}} placeholders filled from each recipient's data. All must fit the budget before \
                 the first leaves. A number named twice gets it once. A long bulk answers in_progress with a batch id and goes on: follow it with \
                 get_status.",
                sends(),
            ),
            tool::<BalanceArgs, BalanceAnswer>(
                "get_balance",
                "Get balance and budgets",
                "The balance of the account at each provider, and what you may still spend: the day's, the session's and a handle's budget.",
                reads(),
            ),
            tool::<ListArgs, ListAnswer>(
                "list_sms",
                "List messages",
                "Messages sent through this server, newest first, without their texts. Filter by status, recipient, time or bulk.",
                reads(),
            ),
            tool::<StatusArgs, StatusAnswer>(
                "get_status",
                "Get status",
                "Where a message or a bulk stands, with its history, after a look at the provider. sent: taken by the provider; delivered: on \
                 the phone; held: the provider holds it back; unknown: may have gone out, never send it again.",
                reads(),
            ),
            tool::<OpenArgs, OpenAnswer>(
                "open_session",
                "Open a spending slice",
                "A handle with its own limits inside your session, for a sub-agent or one task. It can only narrow what you may spend.",
                ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(false),
            ),
        ];
        Self { list }
    }

    /// The tools as clients see them.
    pub fn list(&self) -> &[Tool] {
        &self.list
    }

    /// Calls a tool by name.
    ///
    /// # Errors
    /// A protocol error for a tool that does not exist. Everything that the caller can mend is a result with `isError`.
    pub async fn call(&self, name: &str, arguments: JsonObject, call: Call<'_>) -> std::result::Result<CallToolResult, ErrorData> {
        let Some(tool) = self.list.iter().find(|tool| tool.name == name) else {
            let names: Vec<&str> = self.list.iter().map(|tool| tool.name.as_ref()).collect();
            let shown = crate::sms::untrusted::escape(name);
            return Err(ErrorData::invalid_params(format!("there is no tool \"{shown}\"; the tools are {}", names.join(", ")), None));
        };
        Ok(perform(tool, arguments, call).await.unwrap_or_else(|error| render::error(&error)))
    }
}

/// Reads the arguments, asks the engine, and writes the answer.
async fn perform(tool: &Tool, arguments: JsonObject, call: Call<'_>) -> Result<CallToolResult> {
    let Call { engine, caller, bulk_wait, progress } = call;
    // The answer, with what must be said about how the arguments were read.
    macro_rules! answer {
        (|$arguments:ident| $verb:expr) => {{
            let Given { arguments: $arguments, warnings } = arguments::read(tool, arguments)?;
            let mut answer = $verb.await?;
            answer.warnings.extend(warnings);
            render::success(&answer)
        }};
    }
    Ok(match tool.name.as_ref() {
        "send_sms" => answer!(|arguments| engine.send(caller, arguments)),
        SEND_BULK => answer!(|arguments| engine.send_bulk(caller, arguments, Some(bulk_wait), progress)),
        "get_balance" => answer!(|arguments| engine.balance(&caller, arguments)),
        "list_sms" => answer!(|arguments| engine.list(&caller, arguments)),
        "get_status" => answer!(|arguments| engine.status(&caller, arguments)),
        "open_session" => answer!(|arguments| engine.open_session(&caller, arguments)),
        name => return Err(Error::new(ErrorKind::Internal, format!("the tool {name} is listed but not built"))),
    })
}

fn tool<A: JsonSchema, R: JsonSchema>(name: &'static str, title: &str, description: &'static str, annotations: ToolAnnotations) -> Tool {
    Tool::new(name, description, schema::input::<A>()).with_title(title).with_raw_output_schema(schema::output::<R>()).with_annotations(annotations)
}
