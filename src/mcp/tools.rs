//! The tools: one table of values, and the call of each.
//!
//! To add one: a value in `TABLE`, with argument and answer types in the engine's contract. The list is a
//! contract; `tests/suite/snapshots/tools.json` shows every change of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, JsonObject, Tool, ToolAnnotations};

use super::arguments::{self, Given};
use super::settings::{Settings, Toolset};
use super::{render, schema};
use crate::engine::contract::{
    BalanceAnswer, BalanceArgs, BulkAnswer, BulkArgs, CancelAnswer, CancelArgs, ListAnswer, ListArgs,
    OpenAnswer, OpenArgs, SendAnswer, SendArgs, StatusAnswer, StatusArgs,
};
use crate::engine::{Caller, Engine, OnProgress};
use crate::error::Result;

/// The name of the bulk tool, which reports progress.
pub const SEND_BULK: &str = "send_bulk";

/// What a tool may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    /// Look, and nothing else.
    Read,
    /// Send, which costs money and cannot be taken back.
    Send,
    /// Take back what the caller asked for and has not left.
    TakeBack,
    /// Open a slice of the caller's own budget.
    Slice,
}

/// Reads the arguments, asks the engine, and writes the answer.
type Handler = for<'a> fn(
    &'a Tool,
    JsonObject,
    ToolCall<'a>,
) -> Pin<Box<dyn Future<Output = Result<CallToolResult>> + Send + 'a>>;

/// What arguments a tool takes, what it answers, and how.
struct Verb {
    input: fn() -> Arc<JsonObject>,
    output: fn() -> Arc<JsonObject>,
    handler: Handler,
}

/// One tool.
struct ToolEntry {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    toolset: Toolset,
    scope: Rights,
    annotations: fn() -> ToolAnnotations,
    verb: Verb,
}

/// A verb of the engine: the types of its arguments and its answer, and the call.
macro_rules! verb {
    ($arguments:ty => $answer:ty, |$call:ident, $given:ident| $verb:expr) => {
        Verb {
            input: schema::input::<$arguments>,
            output: schema::output::<$answer>,
            handler: |tool, arguments, $call| {
                Box::pin(async move {
                    let Given { arguments: $given, warnings } =
                        arguments::read::<$arguments>(tool, arguments)?;
                    let mut answer: $answer = $verb.await?;
                    // With what must be said about how the arguments were read.
                    answer.warnings.extend(warnings);
                    Ok(render::success(&answer))
                })
            },
        }
    };
}

fn sends() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).destructive(true).idempotent(false).open_world(true)
}

fn reads() -> ToolAnnotations {
    ToolAnnotations::new().read_only(true).idempotent(true).open_world(true)
}

fn takes_back() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).destructive(false).idempotent(true).open_world(false)
}

fn slices() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(false)
}

/// Every tool, in the order that clients see.
static TABLE: [ToolEntry; 7] = [
    ToolEntry {
        name: "send_sms",
        title: "Send an SMS",
        description: "Send one SMS to a real phone. It costs money and cannot be taken back. Set \
            idempotency_key so that a repeated call is sent at most \
            once. send_at sets it for later. scheduled and approval_required (a person decides) mean \
            accepted: do not send it again, in other words or in parts. With dry_run: true it only quotes: price, segments, whether it is allowed, and which \
            characters make it dearer. On \
            outcome_unknown or partly_sent never send again.",
        toolset: Toolset::Core,
        scope: Rights::Send,
        annotations: sends,
        verb: verb!(SendArgs => SendAnswer, |call, arguments| call.engine.send(call.caller, arguments)),
    },
    ToolEntry {
        name: SEND_BULK,
        title: "Send an SMS to many",
        description: "Send one message to many recipients, with {{name}} placeholders filled from each \
            recipient's data. All must fit the budget before \
            the first leaves. A number named twice gets it once. A long bulk answers in_progress with a \
            batch id and goes on: follow it with \
            get_status.",
        toolset: Toolset::Core,
        scope: Rights::Send,
        annotations: sends,
        verb: verb!(BulkArgs => BulkAnswer, |call, arguments| call.engine.send_bulk(call.caller, arguments, Some(call.bulk_wait), call.progress)),
    },
    ToolEntry {
        name: "get_balance",
        title: "Get balance and budgets",
        description: "The balance of the account at each provider, and what you may still spend: the day's, \
            the session's and a handle's budget.",
        toolset: Toolset::Core,
        scope: Rights::Read,
        annotations: reads,
        verb: verb!(BalanceArgs => BalanceAnswer, |call, arguments| call.engine.balance(&call.caller, arguments)),
    },
    ToolEntry {
        name: "list_sms",
        title: "List messages",
        description: "Messages sent through this server, newest first, without their texts. Filter by \
            status, recipient, time or bulk.",
        toolset: Toolset::Core,
        scope: Rights::Read,
        annotations: reads,
        verb: verb!(ListArgs => ListAnswer, |call, arguments| call.engine.list(&call.caller, arguments)),
    },
    ToolEntry {
        name: "get_status",
        title: "Get status",
        description: "Where a message or a bulk stands, with its history, after a look at the provider. \
            sent: taken by the provider; delivered: on \
            the phone; held: the provider holds it back; unknown: may have gone out, never send it again.",
        toolset: Toolset::Core,
        scope: Rights::Read,
        annotations: reads,
        verb: verb!(StatusArgs => StatusAnswer, |call, arguments| call.engine.status(&call.caller, arguments)),
    },
    ToolEntry {
        name: "cancel_sms",
        title: "Cancel what has not left",
        description: "Take back what of your message or bulk has not left: scheduled, waiting for approval, \
            or queued. What has left cannot be taken back.",
        toolset: Toolset::Core,
        scope: Rights::TakeBack,
        annotations: takes_back,
        verb: verb!(CancelArgs => CancelAnswer, |call, arguments| call.engine.cancel_any(&call.caller, arguments)),
    },
    ToolEntry {
        name: "open_session",
        title: "Open a spending slice",
        description: "A handle with its own limits inside your session, for a sub-agent or one task. It can \
            only narrow what you may spend.",
        toolset: Toolset::Core,
        scope: Rights::Slice,
        annotations: slices,
        verb: verb!(OpenArgs => OpenAnswer, |call, arguments| call.engine.open_session(&call.caller, arguments)),
    },
];

impl ToolEntry {
    /// The tool as clients see it.
    fn shown(&self) -> Tool {
        let Self { name, title, description, annotations, verb, .. } = self;
        let tool = Tool::new(*name, *description, (verb.input)()).with_title(*title);
        tool.with_raw_output_schema((verb.output)()).with_annotations(annotations())
    }

    fn is_offered(&self, settings: &Settings) -> bool {
        settings.toolsets.contains(&self.toolset) && (self.scope == Rights::Read || !settings.read_only)
    }
}

/// The tools that a server offers, in the order that clients see.
pub struct Tools {
    list: Vec<Tool>,
    /// Of each in the list.
    handlers: Vec<Handler>,
}

/// One call.
pub struct ToolCall<'a> {
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
    /// Those that are offered unless the settings say otherwise.
    pub fn new() -> Self {
        Self::offered(&Settings::default())
    }

    /// Those that these settings offer.
    pub fn offered(settings: &Settings) -> Self {
        let offered = || TABLE.iter().filter(|entry| entry.is_offered(settings));
        Self {
            list: offered().map(ToolEntry::shown).collect(),
            handlers: offered().map(|entry| entry.verb.handler).collect(),
        }
    }

    /// Whether texts can be sent by them.
    pub fn is_for_sending(&self) -> bool {
        self.list.iter().any(|tool| tool.name.starts_with("send_"))
    }

    /// Whether this tool sends.
    pub fn is_sending(&self, name: &str) -> bool {
        TABLE.iter().any(|entry| entry.name == name && entry.scope == Rights::Send)
    }

    /// The tools as clients see them.
    pub fn list(&self) -> &[Tool] {
        &self.list
    }

    /// Calls a tool by name.
    ///
    /// # Errors
    /// A protocol error for a tool that does not exist or is not offered. Everything that the caller can mend
    /// is a result with `isError`.
    pub async fn call(
        &self,
        name: &str,
        arguments: JsonObject,
        call: ToolCall<'_>,
    ) -> std::result::Result<CallToolResult, ErrorData> {
        let Some((tool, handler)) = self.list.iter().zip(&self.handlers).find(|(tool, _)| tool.name == name)
        else {
            let names: Vec<&str> = self.list.iter().map(|tool| tool.name.as_ref()).collect();
            let shown = crate::sms::untrusted::escape(name);
            return Err(ErrorData::invalid_params(
                format!("there is no tool \"{shown}\"; the tools are {}", names.join(", ")),
                None,
            ));
        };
        Ok(handler(tool, arguments, call).await.unwrap_or_else(|error| render::error(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tool_may_do_is_what_its_annotations_say() {
        for ToolEntry { name, scope, annotations, .. } in &TABLE {
            let hints = annotations();
            assert_eq!(hints.read_only_hint, Some(*scope == Rights::Read), "{name}");
            assert_eq!(hints.destructive_hint == Some(true), *scope == Rights::Send, "{name}");
        }
    }
}
