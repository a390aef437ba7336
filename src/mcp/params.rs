//! Requests whose parameters the protocol library could not read.
//!
//! The library tries each kind of request in turn, so one that it knows but whose parameters are wrong ends
//! up as a method that nobody knows. A client would look for the method, which is there; here it is told the
//! parameter. What is meant all the same is taken: PHP writes `[]` for arguments that are none.

use rmcp::model::{
    CallToolRequestParams, ClientRequest, CustomRequest, ErrorCode, ErrorData, GetPromptRequestParams,
    InitializeRequestParams, JsonRpcRequest, ReadResourceRequestParams, ServerJsonRpcMessage,
    SubscribeRequestParams, SubscriptionsListenRequestParams, UnsubscribeRequestParams,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::sms::untrusted;

/// What 2026-07-28 has no more.
const REMOVED: [&str; 3] = ["initialize", "resources/subscribe", "resources/unsubscribe"];

/// The call that is meant by a request which the library took for one of no known method.
///
/// # Errors
/// What is wrong with its parameters, or that there is no such method.
pub(super) fn meant(request: CustomRequest, is_legacy: bool) -> Result<CallToolRequestParams, ErrorData> {
    let CustomRequest { method, params, .. } = request;
    let mut params = given(params);
    if method == "tools/call" {
        if let Some(fields) = params.as_object_mut()
            && fields.get("arguments").and_then(Value::as_array).is_some_and(Vec::is_empty)
        {
            fields.remove("arguments");
        }
        return read(&method, params);
    }
    // A method that this version no longer has is not there, whatever its parameters are.
    let complaint =
        if !is_legacy && REMOVED.contains(&method.as_str()) { None } else { complaint(&method, params) };
    Err(complaint.unwrap_or_else(|| {
        let shown = untrusted::escape(&method);
        ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("there is no method \"{shown}\""), None)
    }))
}

/// Parameters, where leaving them out is the same as having none.
fn given(params: Option<Value>) -> Value {
    params.filter(|params| !params.is_null()).unwrap_or_else(|| json!({}))
}

/// What is wrong with the parameters of a method that we have, if anything.
fn complaint(method: &str, params: Value) -> Option<ErrorData> {
    match method {
        "initialize" => read::<InitializeRequestParams>(method, params).err(),
        "prompts/get" => read::<GetPromptRequestParams>(method, params).err(),
        "resources/read" => read::<ReadResourceRequestParams>(method, params).err(),
        "resources/subscribe" => read::<SubscribeRequestParams>(method, params).err(),
        "resources/unsubscribe" => read::<UnsubscribeRequestParams>(method, params).err(),
        "subscriptions/listen" => read::<SubscriptionsListenRequestParams>(method, params).err(),
        _ => None,
    }
}

fn invalid(method: &str, why: &str) -> ErrorData {
    ErrorData::invalid_params(format!("the params of {method} are wrong: {why}"), None)
}

/// Reads parameters, or names the one that is wrong.
fn read<T: DeserializeOwned>(method: &str, params: Value) -> Result<T, ErrorData> {
    serde_path_to_error::deserialize(params).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!("`{}`: ", untrusted::escape(&path)) };
        invalid(method, &format!("{place}{}", untrusted::escape(&kind(&error.inner().to_string()))))
    })
}

/// What the reader says, without the value that stood there: it may be a person's text, or a code.
fn kind(said: &str) -> String {
    if let Some((given, wanted)) =
        said.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "))
    {
        let given = given.split(['"', '`']).next().unwrap_or_default().trim_end();
        return format!("invalid type: {given}, expected {wanted}");
    }
    match (said.find('"'), said.rfind('"')) {
        (Some(from), Some(to)) if from < to => {
            format!(
                "{}(text){}",
                said.get(..from).unwrap_or_default(),
                said.get(to + 1..).unwrap_or_default()
            )
        }
        _ => said.to_owned(),
    }
}

/// The error for an `initialize` that cannot be read, if this message is one. The library refuses it before
/// any handler is asked, in words about a newer protocol.
pub(crate) fn refused_opening(message: &Value) -> Option<Value> {
    let id = message.get("id").filter(|id| id.is_string() || id.is_number())?;
    if message.get("method")? != "initialize" {
        return None;
    }
    let error = complaint("initialize", given(message.get("params").cloned()))?;
    Some(json!({ "jsonrpc": "2.0", "id": id, "error": error }))
}

/// The answer to an `initialize` that cannot be read, if this request is one.
pub(super) fn refusal(request: &JsonRpcRequest<ClientRequest>) -> Option<ServerJsonRpcMessage> {
    let ClientRequest::CustomRequest(custom) = &request.request else { return None };
    if custom.method != "initialize" {
        return None;
    }
    complaint("initialize", given(custom.params.clone()))
        .map(|error| ServerJsonRpcMessage::error(error, Some(request.id.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_says_the_type_that_stood_there_and_never_the_value() {
        for (value, said) in [
            (json!("482913 is your code"), "invalid type: string, expected"),
            (json!("a \", expected b"), "invalid type: string, expected"),
            (json!(482_913), "invalid type: integer, expected"),
            (json!(4_829.13), "invalid type: floating point, expected"),
            (json!(true), "invalid type: boolean, expected"),
            (json!([482_913]), "invalid type: sequence, expected"),
        ] {
            let wrong = read::<CallToolRequestParams>(
                "tools/call",
                json!({ "name": "send_sms", "arguments": value }),
            );
            let message = wrong.err().map(|error| error.message.into_owned()).unwrap_or_default();
            assert!(message.contains(said) && message.contains("`arguments`"), "{message}");
            assert!(
                !message.contains("4829") && !message.contains("code") && !message.contains("true"),
                "{message}"
            );
        }
    }
}
