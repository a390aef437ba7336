//! What an operator can do at the phone besides sending: look at its messages, and keep its webhooks. Nothing
//! here sends a text.

use ::http::Method;
use serde_json::{Value, json};

use super::account::SmsGateway;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{Action, Arguments, no_such_action};
use crate::provider::rest::{Request, path_part};

/// What the phone tells: a webhook is for one of them.
pub(super) const EVENTS: [(&str, &str); 4] = [
    ("sms:sent", "sms-mcp-sent"),
    ("sms:delivered", "sms-mcp-delivered"),
    ("sms:failed", "sms-mcp-failed"),
    ("sms:received", "sms-mcp-received"),
];

/// Every action.
pub const ACTIONS: [Action; 4] = [
    Action {
        name: "messages",
        about: "lists the newest messages",
        required: &[],
        optional: &["state", "limit", "offset"],
    },
    Action { name: "webhooks", about: "lists the webhooks", required: &[], optional: &[] },
    Action {
        name: "webhooks-create",
        about: "makes the four webhooks for receipts and replies, or puts this address into them",
        required: &[],
        optional: &["url"],
    },
    Action { name: "webhooks-delete", about: "deletes a webhook", required: &["id"], optional: &[] },
];

/// The states that can be asked for.
const STATES: [&str; 5] = ["Pending", "Processed", "Sent", "Delivered", "Failed"];

fn wrong(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, why)
}

/// A whole number among the arguments.
fn number(arguments: &Arguments, name: &str, most: u32) -> Result<Option<u32>> {
    let Some(text) = arguments.get(name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| *number <= most);
    number.map(Some).ok_or_else(|| wrong(format!("{name}= must be a number up to {most}")))
}

async fn messages(phone: &SmsGateway, arguments: &Arguments) -> Result<Value> {
    let mut request = Request::get("messages");
    if let Some(state) = arguments.get("state") {
        if !STATES.contains(&state.as_str()) {
            return Err(wrong(format!("state= must be one of {}", STATES.join(", "))));
        }
        request = request.query("state", state);
    }
    for (name, most) in [("limit", 100), ("offset", u32::MAX)] {
        if let Some(number) = number(arguments, name, most)? {
            request = request.query(name, number);
        }
    }
    phone.read(request).await
}

async fn create(phone: &SmsGateway, arguments: &Arguments) -> Result<Value> {
    let own = phone.callback.as_ref().map(|callback| callback.url(None));
    let url = arguments.get("url").cloned().or(own).ok_or_else(|| {
        wrong(
            "url= is needed: [http] public_url or signing_key is not set, so that nothing could be taken \
            there",
        )
    })?;
    if !url.starts_with("https://") {
        return Err(wrong("the address must begin with https://: the app calls no other"));
    }
    let mut made = Vec::with_capacity(EVENTS.len());
    for (event, id) in EVENTS {
        // One of this id is replaced.
        let body = json!({ "id": id, "url": url, "event": event });
        made.push(phone.change(Request::post("webhooks").json(&body)).await?);
    }
    Ok(Value::Array(made))
}

/// Does one of them.
///
/// # Errors
/// [`ErrorKind::NotFound`] for an action that there is not, [`ErrorKind::InvalidArgument`], and whatever the
/// app says.
pub(super) async fn act(phone: &SmsGateway, action: &str, arguments: &Arguments) -> Result<Value> {
    let Some(known) = ACTIONS.iter().find(|known| known.name == action) else {
        return Err(no_such_action(action, &ACTIONS));
    };
    known.check(arguments)?;
    match action {
        "messages" => messages(phone, arguments).await,
        "webhooks" => phone.read(Request::get("webhooks")).await,
        "webhooks-create" => create(phone, arguments).await,
        _ => {
            let id = arguments.get("id").and_then(|id| path_part(id));
            let id = id.ok_or_else(|| wrong("id= must be the id of a webhook: letters, digits, - and _"))?;
            phone.change(Request::new(Method::DELETE, format!("webhooks/{id}"))).await
        }
    }
}
