//! Whether what came is a JSON-RPC message, asked before the protocol library reads it.
//!
//! The library answers what it cannot read without an id, so that the client waits for ever, and over HTTP
//! with words about media types. Here it is read once for what it is, and what cannot be served is refused
//! with its own id and with the member that is wrong. Values are never repeated: they may be a person's text.
//!
//! Source: JSON-RPC 2.0, sections 4 and 5; MCP, "Messages" (ids are text or whole numbers, `params` are
//! objects).

use rmcp::model::{ErrorCode, ErrorData, RequestId, ServerJsonRpcMessage};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

use super::json::{JsonKind, Look, Name, Seen, below};
use crate::sms::untrusted;

/// Most requests of a batch that are refused one by one.
const MOST_OF_BATCH: usize = 64;

/// What was wrong with a message that cannot be served.
#[derive(Debug)]
pub(crate) struct FrameRefusal {
    /// Of the request; nothing where it has none that can be repeated.
    id: Option<RequestId>,
    code: ErrorCode,
    message: String,
    /// Notifications and answers are never answered (JSON-RPC 2.0, 4.1), save by the status of HTTP.
    is_answered: bool,
}

impl FrameRefusal {
    fn invalid(id: Option<RequestId>, message: String) -> Self {
        Self { id, code: ErrorCode::INVALID_REQUEST, message, is_answered: true }
    }

    /// As JSON, for the body of an answer.
    pub(crate) fn body(&self) -> Value {
        json!({ "jsonrpc": "2.0", "id": self.id, "error": { "code": self.code.0, "message": self.message } })
    }

    /// The message to send, if one is due.
    pub(super) fn answer(self) -> Option<ServerJsonRpcMessage> {
        let Self { id, code, message, is_answered } = self;
        is_answered.then(|| ServerJsonRpcMessage::error(ErrorData::new(code, message, None), id))
    }
}

/// What came.
#[derive(Debug)]
pub(crate) enum Frame {
    /// The library can read it.
    Message,
    /// No JSON; why, without what stood there.
    NoJson(String),
    /// JSON that is no message, or one that cannot be served. At least one refusal; of a batch, one for each
    /// request.
    Refused(Vec<FrameRefusal>),
}

/// Looks at the bytes of one message.
pub(crate) fn look(bytes: &[u8]) -> Frame {
    // The library leaves out a byte order mark (RFC 8259, 8.1), and what stands behind it must not go past
    // here.
    let mut reader =
        serde_json::Deserializer::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let seen = WholeFrame.deserialize(&mut reader).and_then(|seen| reader.end().map(|()| seen));
    match seen {
        Err(error) => Frame::NoJson(error.to_string()),
        Ok(Top::Object(message)) => {
            message.fault().map_or(Frame::Message, |refusal| Frame::Refused(vec![refusal]))
        }
        Ok(Top::Batch(messages)) => Frame::Refused(of_batch(messages)),
        Ok(Top::Other(kind)) => {
            Frame::Refused(vec![FrameRefusal::invalid(None, format!("it is {kind}, and {ONE_MESSAGE}"))])
        }
    }
}

const ONE_MESSAGE: &str =
    "must be one JSON-RPC message, such as {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}";

/// Refuses each request of a batch, so that nobody waits for one.
fn of_batch(messages: Vec<Top>) -> Vec<FrameRefusal> {
    let why = || format!("batches are not taken; it {ONE_MESSAGE}");
    let mut ids: Vec<RequestId> = Vec::new();
    for message in &messages {
        if let Top::Object(message) = message
            && let (Some(id), Some(_)) = (&message.id, &message.method)
            && let Some(id) = usable(id)
            && !ids.contains(&id)
        {
            ids.push(id);
        }
        if ids.len() > MOST_OF_BATCH {
            ids.clear();
            break;
        }
    }
    match ids.is_empty() {
        true => vec![FrameRefusal::invalid(None, why())],
        false => ids.into_iter().map(|id| FrameRefusal::invalid(Some(id), why())).collect(),
    }
}

fn usable(id: &Value) -> Option<RequestId> {
    serde_json::from_value(id.clone()).ok()
}

/// What came, as far as it must be known.
#[derive(Debug)]
enum Top {
    Object(Box<MessageHead>),
    Batch(Vec<Top>),
    Other(JsonKind),
}

/// The members of a message.
#[derive(Debug, Default)]
struct MessageHead {
    jsonrpc: Option<Value>,
    id: Option<Value>,
    method: Option<Value>,
    params: Option<Seen>,
    has_result: bool,
    has_error: bool,
    /// Where the first member stands that its object has twice.
    twice: Option<String>,
}

impl MessageHead {
    /// What is wrong with it, if anything.
    fn fault(&self) -> Option<FrameRefusal> {
        let is_answer = self.method.is_none() && (self.has_result || self.has_error);
        // The id of an answer is ours, and nothing is answered under it. Of two ids nobody knows which is
        // meant.
        let id =
            self.id.as_ref().filter(|_| !is_answer && self.twice.as_deref() != Some("id")).and_then(usable);
        let (code, message) = self.wrong(is_answer, id.is_some())?;
        let is_notification = self.method.is_some() && self.id.is_none();
        Some(FrameRefusal { id, code, message, is_answered: !is_answer && !is_notification })
    }

    fn wrong(&self, is_answer: bool, has_id: bool) -> Option<(ErrorCode, String)> {
        let invalid = |why: String| Some((ErrorCode::INVALID_REQUEST, why));
        if let Some(place) = &self.twice {
            let is_of_params = place.strip_prefix("params").is_some_and(|rest| rest.starts_with(['.', '[']));
            let code = if is_of_params { ErrorCode::INVALID_PARAMS } else { ErrorCode::INVALID_REQUEST };
            return Some((
                code,
                format!(
                    "`{place}` stands twice in its object, and two readers may take different ones; write \
                     it once"
                ),
            ));
        }
        match &self.jsonrpc {
            Some(Value::String(version)) if version == "2.0" => {}
            None => return invalid("`jsonrpc` is missing, and must be \"2.0\"".to_owned()),
            Some(_) => return invalid("`jsonrpc` must be \"2.0\"".to_owned()),
        }
        if is_answer {
            let both = self.has_result && self.has_error;
            return if both { invalid("it has both `result` and `error`".to_owned()) } else { None };
        }
        let method = match &self.method {
            Some(Value::String(method)) => untrusted::escape(method),
            Some(other) => {
                return invalid(format!(
                    "`method` is {}, and must be text, such as \"tools/list\"",
                    JsonKind::of(other)
                ));
            }
            None => return invalid(format!("`method` is missing: it {ONE_MESSAGE}")),
        };
        if let Some(id) = self.id.as_ref().filter(|_| !has_id) {
            return invalid(format!(
                "`id` is {}, and must be text or a whole number of at most 63 bits",
                JsonKind::of(id)
            ));
        }
        if self.has_result || self.has_error {
            return invalid(
                "it has a `method`, and beside it `result` or `error`, which are of an answer".to_owned(),
            );
        }
        let params = self.params.as_ref()?;
        let is_wrong = |kind: JsonKind| !matches!(kind, JsonKind::Object | JsonKind::Null);
        let (place, kind) = match params.meta {
            _ if is_wrong(params.kind) => ("params", params.kind),
            Some(kind) if is_wrong(kind) => ("params._meta", kind),
            _ => return None,
        };
        Some((
            ErrorCode::INVALID_PARAMS,
            format!("the params of {method} are wrong: `{place}` is {kind}, and must be an object"),
        ))
    }
}

/// Reads what came as far as it must be known.
struct WholeFrame;

impl<'de> DeserializeSeed<'de> for WholeFrame {
    type Value = Top;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Top, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for WholeFrame {
    type Value = Top;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Top, E> {
        Ok(Top::Other(JsonKind::Null))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Top, E> {
        Ok(Top::Other(JsonKind::Boolean))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Top, E> {
        Ok(Top::Other(JsonKind::Number))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Top, E> {
        Ok(Top::Other(JsonKind::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Top, E> {
        Ok(Top::Other(JsonKind::Number))
    }

    fn visit_str<E>(self, _: &str) -> Result<Top, E> {
        Ok(Top::Other(JsonKind::Text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Top, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(WholeFrame)? {
            all.push(item);
        }
        Ok(Top::Batch(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Top, A::Error> {
        let (mut message, mut names) = (Box::<MessageHead>::default(), std::collections::BTreeSet::new());
        while let Some(name) = members.next_key::<Name<'de>>()? {
            if names.contains(&name) {
                let shown = untrusted::escape(&name.0);
                message.twice.get_or_insert(shown);
            }
            match name.0.as_ref() {
                "jsonrpc" => message.jsonrpc = Some(members.next_value()?),
                "id" => message.id = Some(members.next_value()?),
                "method" => message.method = Some(members.next_value()?),
                other => {
                    let seen = members.next_value_seed(Look)?;
                    if let Some(place) = &seen.twice {
                        message.twice.get_or_insert_with(|| below(&untrusted::escape(other), place));
                    }
                    match other {
                        "params" => message.params = Some(seen),
                        "result" => message.has_result = true,
                        "error" => message.has_error = true,
                        _ => {}
                    }
                }
            }
            names.insert(name);
        }
        Ok(Top::Object(message))
    }
}
