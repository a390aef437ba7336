//! The tools, prompts and resources that the official conformance suite asks for by name, served by our HTTP
//! stack: what is tried is everything between the socket and a handler. Each fixture is written as the JSON
//! that it answers.
#![allow(deprecated)] // Older versions have what the newest calls deprecated, and both are tried.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientResult, CompleteRequestParams,
    CompleteResult, ErrorData, GetPromptRequestParams, GetPromptResponse, GetPromptResult,
    InputRequiredResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, LoggingMessageNotificationParam, PaginatedRequestParams, ProgressNotificationParam,
    ReadResourceRequestParams, ReadResourceResponse, ServerConfig, ServerRequest, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, SubscriptionContext, SubscriptionSink};
use rmcp::{RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// One red pixel.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/// A sound of no length.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

/// Seals what a client keeps for us.
const KEY: &[u8] = b"a key of the fixtures";

type Asked = RequestContext<RoleServer>;

/// The server; clones share who listens.
#[derive(Clone, Default)]
pub struct Fixtures {
    listeners: Arc<Mutex<Vec<SubscriptionSink>>>,
}

/// A result that is whole, as the newest version wants it said; for older ones the protocol library leaves
/// the word out.
fn complete<T: DeserializeOwned>(mut result: Value) -> T {
    result["resultType"] = json!("complete");
    read(result)
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

fn text(text: impl Into<String>) -> Value {
    json!({ "content": [{ "type": "text", "text": text.into() }] })
}

fn resource(uri: &str, kind: &str, text: &str) -> Value {
    json!({ "type": "resource", "resource": { "uri": uri, "mimeType": kind, "text": text } })
}

fn image() -> Value {
    json!({ "type": "image", "data": PNG, "mimeType": "image/png" })
}

/// A request for input by a form with these properties, all required.
fn form(message: &str, properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    json!({ "method": "elicitation/create", "params": { "mode": "form", "message": message, "requestedSchema": schema } })
}

fn sampling(prompt: &str, most: u32) -> Value {
    let messages = json!([{ "role": "user", "content": { "type": "text", "text": prompt } }]);
    json!({ "method": "sampling/createMessage", "params": { "messages": messages, "maxTokens": most } })
}

fn seal(state: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(KEY).unwrap();
    mac.update(state.as_bytes());
    let tag: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{state}.{tag}")
}

/// What was sealed, if nobody changed it.
fn open(sealed: Option<&str>) -> Result<String, ErrorData> {
    let state = sealed.and_then(|sealed| sealed.rsplit_once('.')).map(|(state, _)| state.to_owned());
    state
        .filter(|state| Some(seal(state).as_str()) == sealed)
        .ok_or_else(|| ErrorData::invalid_params("requestState is not as it was given", None))
}

/// A tool with these properties of its arguments.
fn tool(name: &str, properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    json!({ "name": name, "description": name, "inputSchema": { "type": "object", "properties": properties,
        "required": required } })
}

fn tools() -> Vec<Tool> {
    const PLAIN: [&str; 24] = [
        "test_simple_text",
        "test_image_content",
        "test_audio_content",
        "test_embedded_resource",
        "test_multiple_content_types",
        "test_tool_with_logging",
        "test_logging_tool",
        "test_error_handling",
        "test_tool_with_progress",
        "test_elicitation_sep1034_defaults",
        "test_elicitation_sep1330_enums",
        "test_reconnection",
        "test_missing_capability",
        "test_streaming_elicitation",
        "test_trigger_tool_change",
        "test_trigger_prompt_change",
        "test_input_required_result_elicitation",
        "test_input_required_result_sampling",
        "test_input_required_result_list_roots",
        "test_input_required_result_request_state",
        "test_input_required_result_multiple_inputs",
        "test_input_required_result_multi_round",
        "test_input_required_result_tampered_state",
        "test_input_required_result_capabilities",
    ];
    let mut all: Vec<Value> = PLAIN.iter().map(|name| tool(name, json!({}))).collect();
    all.push(tool("test_sampling", json!({ "prompt": { "type": "string" } })));
    all.push(tool("test_elicitation", json!({ "message": { "type": "string" } })));
    all.push(tool("test_header", json!({ "region": { "type": "string", "x-mcp-header": "Region" } })));
    let address = json!({ "$anchor": "address", "type": "object", "properties": { "street": { "type": "string" }, "city": { "type": "string" } } });
    all.push(json!({ "name": "json_schema_2020_12_tool", "description": "A schema with the words of 2020-12", "inputSchema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": { "address": address },
        "properties": { "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" }, "contact": {
            "type": "string" } },
        "allOf": [{ "anyOf": [{ "required": ["name"] }, { "required": ["contact"] }] }],
        "if": { "required": ["contact"] },
        "then": { "properties": { "contact": { "minLength": 1 } } },
        "else": { "required": ["name"] },
        "additionalProperties": false
    } }));
    all.into_iter().map(read).collect()
}

/// What a client without sessions is asked: the requests by name, and what comes back to us sealed.
fn asks(requests: Value, state: Option<&str>) -> CallToolResponse {
    CallToolResponse::InputRequired(required(requests, state))
}

fn required(requests: Value, state: Option<&str>) -> InputRequiredResult {
    let mut result = json!({ "resultType": "input_required", "inputRequests": requests });
    if let Some(state) = state {
        result["requestState"] = json!(seal(state));
    }
    read(result)
}

fn done(result: Value) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResponse::Complete(complete::<CallToolResult>(result)))
}

/// What was answered in a form under this name.
fn filled<'a>(responses: &'a BTreeMap<String, Value>, name: &str, field: &str) -> Option<&'a Value> {
    responses.get(name).filter(|response| response["action"] == "accept")?.get("content")?.get(field)
}

/// Asks a client of an older version, in the middle of its call.
async fn ask(context: &Asked, request: Value) -> Result<Value, ErrorData> {
    let request: ServerRequest = read(request);
    match context.peer.send_request(request).await {
        Ok(ClientResult::CreateMessageResult(result)) => Ok(json!(result)),
        Ok(other) => Ok(json!(other)),
        Err(error) => Err(ErrorData::internal_error(error.to_string(), None)),
    }
}

/// Tools that answer at once.
fn simple(name: &str) -> Option<Value> {
    let mixed =
        || resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#);
    Some(match name {
        "test_simple_text" => text("This is a simple text response for testing."),
        "test_image_content" => json!({ "content": [image()] }),
        "test_audio_content" => {
            json!({ "content": [{ "type": "audio", "data": WAV, "mimeType": "audio/wav" }] })
        }
        "test_embedded_resource" => {
            json!({ "content": [resource("test://embedded-resource", "text/plain",
                "This is an embedded resource content.")] })
        }
        "test_multiple_content_types" => {
            json!({ "content": [{ "type": "text", "text": "Multiple content types test:" }, image(), mixed()] })
        }
        "test_error_handling" => {
            json!({ "isError": true, "content": [{ "type": "text", "text":
                "This tool intentionally returns an error for testing" }] })
        }
        "test_reconnection" | "test_header" | "json_schema_2020_12_tool" | "test_streaming_elicitation" => {
            text(name)
        }
        _ => return None,
    })
}

/// The forms of the two tools that try their schemas.
fn schema_form(name: &str) -> Option<Value> {
    let options = json!(["option1", "option2", "option3"]);
    let titled = |names: [&str; 3]| {
        json!(
            names
                .iter()
                .zip(1..)
                .map(|(title, n)| json!({ "const": format!("value{n}"), "title": title }))
                .collect::<Vec<_>>()
        )
    };
    Some(match name {
        "test_elicitation_sep1034_defaults" => form(
            "Defaults",
            json!({
                "name": { "type": "string", "default": "John Doe" },
                "age": { "type": "integer", "default": 30 },
                "score": { "type": "number", "default": 95.5 },
                "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
                "verified": { "type": "boolean", "default": true }
            }),
        ),
        "test_elicitation_sep1330_enums" => form(
            "Enums",
            json!({
                "untitledSingle": { "type": "string", "enum": options },
                "titledSingle": { "type": "string", "oneOf": titled(["First Option", "Second Option",
                    "Third Option"]) },
                "legacyEnum": { "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"] },
                "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
                "titledMulti": { "type": "array", "items": { "anyOf": titled(["First Choice", "Second Choice", "Third Choice"]) } }
            }),
        ),
        _ => return None,
    })
}

/// Tools that answer a client without sessions with questions.
fn rounds(request: &CallToolRequestParams, context: &Asked) -> Option<Result<CallToolResponse, ErrorData>> {
    let none = BTreeMap::new();
    let responses = request.input_responses.as_ref().unwrap_or(&none);
    let state = request.request_state.as_deref();
    let who = || form("What is your name?", json!({ "name": { "type": "string" } }));
    let confirm = || json!({ "confirm": form("Please confirm", json!({ "ok": { "type": "boolean" } })) });
    let roots = || json!({ "method": "roots/list", "params": {} });
    Some(match request.name.strip_prefix("test_input_required_result_")? {
        "elicitation" => match filled(responses, "user_name", "name").and_then(Value::as_str) {
            Some(name) => done(text(format!("Hello, {name}!"))),
            None => Ok(asks(json!({ "user_name": who() }), None)),
        },
        "sampling" => match responses.get("capital_question") {
            Some(answer) => done(text(answer.to_string())),
            None => {
                Ok(asks(json!({ "capital_question": sampling("What is the capital of France?", 100) }), None))
            }
        },
        "list_roots" => match responses.get("client_roots") {
            Some(roots) => done(text(roots.to_string())),
            None => Ok(asks(json!({ "client_roots": roots() }), None)),
        },
        "request_state" | "tampered_state" => match (state, responses.get("confirm")) {
            (Some(_), Some(_)) => match open(state) {
                Ok(_) => done(text("state-ok")),
                Err(error) => Err(error),
            },
            _ => Ok(asks(confirm(), Some("confirm"))),
        },
        "multiple_inputs" => {
            if ["user_name", "greeting", "client_roots"].iter().all(|name| responses.contains_key(*name)) {
                return Some(open(state).and_then(|_| done(text("all answered"))));
            }
            let requests = json!({ "user_name": who(), "greeting": sampling("Generate a greeting", 50),
                "client_roots": roots() });
            Ok(asks(requests, Some("three")))
        }
        "multi_round" => {
            let first = || form("Step 1: What is your name?", json!({ "name": { "type": "string" } }));
            let second =
                form("Step 2: What is your favorite color?", json!({ "color": { "type": "string" } }));
            match state.map(|_| open(state)) {
                None => Ok(asks(json!({ "step1": first() }), Some("one"))),
                Some(Err(error)) => Err(error),
                Some(Ok(round)) if round == "two" && responses.contains_key("step2") => done(text("done")),
                Some(Ok(_)) if responses.contains_key("step1") => {
                    Ok(asks(json!({ "step2": second }), Some("two")))
                }
                Some(Ok(_)) => Ok(asks(json!({ "step1": first() }), Some("one"))),
            }
        }
        "capabilities" => {
            let declared = context.meta.client_capabilities().unwrap_or_default();
            let mut requests = json!({});
            if declared.sampling.is_some() {
                requests["question"] = sampling("Who are you?", 50);
            }
            if declared.elicitation.is_some() {
                requests["user_name"] = who();
            }
            Ok(asks(requests, None))
        }
        _ => return None,
    })
}

impl Fixtures {
    async fn tell(&self, context: &Asked, level: bool) -> Result<CallToolResponse, ErrorData> {
        for words in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
            if level {
                let note: LoggingMessageNotificationParam = read(json!({ "level": "info", "data": words }));
                let _ = context.peer.notify_logging_message(note).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        done(text("told"))
    }

    async fn progress(context: &Asked) -> Result<CallToolResponse, ErrorData> {
        for step in [0.0, 50.0, 100.0] {
            if let Some(token) = context.meta.get_progress_token() {
                let _ = context
                    .peer
                    .notify_progress(ProgressNotificationParam::new(token, step).with_total(100.0))
                    .await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        done(text("done"))
    }

    async fn changed(&self, what: &str) -> Result<CallToolResponse, ErrorData> {
        let listeners = self.listeners.lock().unwrap().clone();
        for sink in listeners {
            // Who asked for the other kind is refused by the sink itself, and who is gone hears nothing.
            let _ = match what {
                "tools" => sink.notify_tool_list_changed().await,
                _ => sink.notify_prompt_list_changed().await,
            };
        }
        done(text("changed"))
    }
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let capabilities = json!({
            "tools": { "listChanged": true }, "prompts": { "listChanged": true },
            "resources": { "subscribe": true }, "logging": {}, "completions": {}
        });
        ServerConfig::new(read(capabilities))
            .with_server_info(read(json!({ "name": "fixtures", "version": "1" })))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Asked,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Asked,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(result) = simple(&request.name) {
            return done(result);
        }
        if let Some(result) = rounds(&request, &context) {
            return result;
        }
        if let Some(form) = schema_form(&request.name) {
            let answer = ask(&context, form).await?;
            return done(text(format!(
                "Elicitation completed: action={}, content={}",
                answer["action"], answer["content"]
            )));
        }
        let argument = |name: &str| {
            request
                .arguments
                .as_ref()
                .and_then(|all| all.get(name))
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        match request.name.as_ref() {
            "test_tool_with_logging" => self.tell(&context, true).await,
            // Nothing is told to who asked for no level.
            "test_logging_tool" => self.tell(&context, false).await,
            "test_tool_with_progress" => Self::progress(&context).await,
            "test_sampling" => {
                let answer = ask(&context, sampling(argument("prompt"), 100)).await?;
                done(text(format!("LLM response: {}", answer["content"])))
            }
            "test_elicitation" => {
                let properties = json!({ "username": { "type": "string" }, "email": { "type": "string" } });
                let answer = ask(&context, form(argument("message"), properties)).await?;
                done(text(format!("User response: {answer}")))
            }
            "test_missing_capability" => {
                match context.meta.client_capabilities().and_then(|declared| declared.sampling) {
                    Some(_) => done(text("declared")),
                    None => {
                        Err(ErrorData::missing_required_client_capability(read(json!({ "sampling": {} }))))
                    }
                }
            }
            "test_trigger_tool_change" => self.changed("tools").await,
            "test_trigger_prompt_change" => self.changed("prompts").await,
            other => Err(ErrorData::invalid_params(format!("there is no tool {other}"), None)),
        }
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Asked,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompt = |name: &str, arguments: &[&str]| {
            let arguments: Vec<Value> = arguments
                .iter()
                .map(|name| json!({ "name": name, "description": name, "required": true }))
                .collect();
            json!({ "name": name, "description": name, "arguments": arguments })
        };
        let prompts = [
            prompt("test_simple_prompt", &[]),
            prompt("test_prompt_with_arguments", &["arg1", "arg2"]),
            prompt("test_prompt_with_embedded_resource", &["resourceUri"]),
            prompt("test_prompt_with_image", &[]),
            prompt("test_input_required_result_prompt", &[]),
        ];
        Ok(ListPromptsResult::with_all_items(prompts.into_iter().map(read).collect()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: Asked,
    ) -> Result<GetPromptResponse, ErrorData> {
        let argument = |name: &str| {
            request
                .arguments
                .as_ref()
                .and_then(|all| all.get(name))
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let user = |content: Value| json!({ "role": "user", "content": content });
        let says = |words: &str| user(json!({ "type": "text", "text": words }));
        let messages = match request.name.as_str() {
            "test_simple_prompt" => vec![says("This is a simple prompt for testing.")],
            "test_prompt_with_arguments" => {
                vec![says(&format!(
                    "Prompt with arguments: arg1='{}', arg2='{}'",
                    argument("arg1"),
                    argument("arg2")
                ))]
            }
            "test_prompt_with_embedded_resource" => vec![
                user(resource(
                    argument("resourceUri"),
                    "text/plain",
                    "Embedded resource content for testing.",
                )),
                says("Please process the embedded resource above."),
            ],
            "test_prompt_with_image" => vec![user(image()), says("Please analyze the image above.")],
            "test_input_required_result_prompt" => {
                match request.input_responses.as_ref().and_then(|all| filled(all, "user_context", "context"))
                {
                    Some(context) => vec![says(&context.to_string())],
                    None => {
                        let question = form(
                            "What context should the prompt use?",
                            json!({ "context": { "type": "string" } }),
                        );
                        return Ok(required(json!({ "user_context": question }), None).into());
                    }
                }
            }
            other => return Err(ErrorData::invalid_params(format!("there is no prompt {other}"), None)),
        };
        Ok(complete::<GetPromptResult>(json!({ "messages": messages })).into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Asked,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resources = [
            ("test://static-text", "text/plain"),
            ("test://static-binary", "image/png"),
            ("test://watched-resource", "text/plain"),
        ];
        let listed = resources.map(|(uri, kind)| {
            read(json!({ "uri": uri, "name": uri, "description": uri, "mimeType": kind }))
        });
        Ok(ListResourcesResult::with_all_items(listed.into()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Asked,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let template = json!({ "uriTemplate": "test://template/{id}/data", "name": "template", "mimeType":
            "application/json" });
        Ok(ListResourceTemplatesResult::with_all_items(vec![read(template)]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Asked,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri.as_str();
        let template = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
        let content = match (uri, template) {
            (_, Some(id)) => {
                let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
                json!({ "uri": uri, "mimeType": "application/json", "text": data.to_string() })
            }
            ("test://static-text", _) => {
                json!({ "uri": uri, "mimeType": "text/plain", "text":
                    "This is the content of the static text resource." })
            }
            ("test://static-binary", _) => json!({ "uri": uri, "mimeType": "image/png", "blob": PNG }),
            ("test://watched-resource", _) => {
                json!({ "uri": uri, "mimeType": "text/plain", "text": "watched" })
            }
            _ => {
                return Err(ErrorData::resource_not_found(
                    format!("there is no {uri}"),
                    Some(json!({ "uri": uri })),
                ));
            }
        };
        Ok(complete::<rmcp::model::ReadResourceResult>(json!({ "contents": [content] })).into())
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: Asked) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: Asked) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: Asked) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn complete(&self, _: CompleteRequestParams, _: Asked) -> Result<CompleteResult, ErrorData> {
        Ok(complete(
            json!({ "completion": { "values": ["paris", "park", "party"], "total": 3, "hasMore": false } }),
        ))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.listeners.lock().unwrap().push(context.sink().clone());
        context.cancelled().await;
        Ok(())
    }
}
