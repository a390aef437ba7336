//! The tools: their names, descriptions and schemas, and the call of each.
//!
//! To add one: a line in [`Tools::new`] and an arm in `perform`, with argument and answer types in
//! `send/contract.rs`. The list is a contract; `tests/suite/snapshots/tools.json` shows every change of it.

use std::sync::Arc;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{CallToolResult, JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::render;
use crate::error::{Error, ErrorKind, Result};
use crate::send::contract::{
    BalanceAnswer, BalanceArgs, BulkAnswer, BulkArgs, ListAnswer, ListArgs, OpenAnswer, OpenArgs, SendAnswer, SendArgs, StatusAnswer, StatusArgs,
};
use crate::send::{Caller, Engine, OnProgress};

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
                "Where a message or a bulk stands, with its history, after a fresh look at the provider. sent: taken by the provider; delivered: on \
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
    Ok(match tool.name.as_ref() {
        "send_sms" => render::success(&engine.send(caller, read(tool, arguments)?).await?),
        SEND_BULK => render::success(&engine.send_bulk(caller, read(tool, arguments)?, Some(bulk_wait), progress).await?),
        "get_balance" => render::success(&engine.balance(&caller, read(tool, arguments)?).await?),
        "list_sms" => render::success(&engine.list(&caller, read(tool, arguments)?).await?),
        "get_status" => render::success(&engine.status(&caller, read(tool, arguments)?).await?),
        "open_session" => render::success(&engine.open_session(&caller, read(tool, arguments)?).await?),
        name => return Err(Error::new(ErrorKind::Internal, format!("the tool {name} is listed but not built"))),
    })
}

fn tool<A: JsonSchema, R: JsonSchema>(name: &'static str, title: &str, description: &'static str, annotations: ToolAnnotations) -> Tool {
    Tool::new(name, description, schema::<A>(false)).with_title(title).with_raw_output_schema(schema::<R>(true)).with_annotations(annotations)
}

/// The JSON Schema (2020-12) of a type, whole in itself, and plain enough for every model API: no `$ref`, no
/// top-level combinators, enums as one list of strings, no `null` for what may be left out.
fn schema<T: JsonSchema>(is_output: bool) -> Arc<JsonObject> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        settings.contract = if is_output { schemars::generate::Contract::Serialize } else { schemars::generate::Contract::Deserialize };
    });
    let mut value = settings.into_generator().into_root_schema_for::<T>().to_value();
    simplify(&mut value);
    match value {
        Value::Object(mut object) => {
            for key in ["title", "description"] {
                object.remove(key);
            }
            Arc::new(object)
        }
        _ => Arc::default(),
    }
}

fn simplify(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for combinator in ["oneOf", "anyOf"] {
                if let Some(names) = object.get(combinator).and_then(enum_names) {
                    object.remove(combinator);
                    object.insert("type".to_owned(), "string".into());
                    object.insert("enum".to_owned(), names.into());
                }
            }
            if let Some(single) = object.get("type").and_then(without_null) {
                object.insert("type".to_owned(), single);
            }
            if object.get("default").is_some_and(|default| default.is_null() || default == &Value::from("") || default == &serde_json::json!({})) {
                object.remove("default");
            }
            if object.get("format").and_then(Value::as_str).is_some_and(|format| format.contains("int")) {
                object.remove("format");
            }
            if let Some(Value::Array(names)) = object.get_mut("enum") {
                names.retain(|name| !name.is_null());
            }
            object.values_mut().for_each(simplify);
        }
        Value::Array(list) => list.iter_mut().for_each(simplify),
        _ => {}
    }
}

/// The strings of a combinator whose every branch is a constant string or an enum of strings (or null).
fn enum_names(branches: &Value) -> Option<Vec<Value>> {
    let mut names = Vec::new();
    for branch in branches.as_array()? {
        if let Some(name) = branch.get("const") {
            names.push(name.clone());
        } else if let Some(list) = branch.get("enum").and_then(Value::as_array) {
            names.extend(list.iter().filter(|name| !name.is_null()).cloned());
        } else if let Some(inner) = branch.get("oneOf").or_else(|| branch.get("anyOf")) {
            names.extend(enum_names(inner)?);
        } else if branch.get("type").and_then(Value::as_str) != Some("null") {
            return None;
        }
    }
    names.iter().all(Value::is_string).then_some(names)
}

/// The type that is left when `null` is taken out of a list of types.
fn without_null(types: &Value) -> Option<Value> {
    match types.as_array()?.iter().filter(|name| name.as_str() != Some("null")).collect::<Vec<_>>().as_slice() {
        [single] => Some((*single).clone()),
        _ => None,
    }
}

/// Reads the arguments, or says which one is wrong and what would be right.
fn read<T: DeserializeOwned>(tool: &Tool, arguments: JsonObject) -> Result<T> {
    // `null` for what may be left out is what some clients send for "not given".
    let given: JsonObject = arguments.into_iter().filter(|(_, value)| !value.is_null()).collect();
    serde_path_to_error::deserialize(Value::Object(given)).map_err(|error| {
        let path = error.path().to_string();
        let wrong = error.inner().to_string();
        let (place, name) = if path == "." {
            (String::new(), wrong.split('`').nth(1).unwrap_or_default().to_owned())
        } else {
            (format!("`{path}`: "), path.split(['.', '[']).next().unwrap_or_default().to_owned())
        };
        let right = tool.input_schema.get("properties").and_then(|properties| properties.get(&name)).map(|property| {
            let kind = property.get("type").and_then(Value::as_str).unwrap_or("value");
            let description = property.get("description").and_then(Value::as_str).unwrap_or_default();
            let article = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
            format!(". `{name}` is {article} {kind}: {description}")
        });
        let message = format!("{place}{}{}", crate::sms::untrusted::escape(&wrong), right.unwrap_or_default());
        Error::new(ErrorKind::InvalidArgument, message)
    })
}
