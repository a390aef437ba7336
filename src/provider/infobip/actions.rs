//! What an operator can do at Infobip besides sending: count a text, look a number up, and look into the log.
//! Nothing here sends a text.

use serde_json::{Value, json};

use super::account::Infobip;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{Action, Arguments, no_such_action};
use crate::provider::rest::Request;
use crate::sms::number::Number;

/// Every action.
pub const ACTIONS: [Action; 3] = [
    Action {
        name: "preview",
        about: "shows how a text goes out, and in how many segments; language is a code such as TR, and \
                transliteration an alphabet such as TURKISH",
        required: &["text"],
        optional: &["language", "transliteration"],
    },
    Action {
        name: "lookup",
        about: "says whether a number is in service, and who carries it; Infobip charges for it",
        required: &["number"],
        optional: &[],
    },
    Action {
        name: "logs",
        about: "shows what the account sent in the last 48 hours, or what it has of one message",
        required: &[],
        optional: &["id", "number", "limit"],
    },
];

/// Most entries of the log that can be asked for.
const MOST_ENTRIES: u32 = 1_000;

fn wrong(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, why)
}

/// The digits of a number that was given as an argument.
fn digits(given: &str) -> Result<String> {
    let number = Number::parse(given, None).map_err(|error| wrong(format!("number=: {error}")))?;
    Ok(number.e164().trim_start_matches('+').to_owned())
}

/// Does one of them.
///
/// # Errors
/// [`ErrorKind::NotFound`] for an action that there is not, [`ErrorKind::InvalidArgument`], and whatever the
/// vendor says.
pub(super) async fn act(account: &Infobip, action: &str, arguments: &Arguments) -> Result<Value> {
    let Some(known) = ACTIONS.iter().find(|known| known.name == action) else {
        return Err(no_such_action(action, &ACTIONS));
    };
    known.check(arguments)?;
    let given = |name: &str| arguments.get(name).map(String::as_str);
    match action {
        "preview" => {
            let mut body = json!({ "text": given("text") });
            for (name, argument) in [("languageCode", "language"), ("transliteration", "transliteration")] {
                if let (Some(fields), Some(value)) = (body.as_object_mut(), given(argument)) {
                    fields.insert(name.to_owned(), value.into());
                }
            }
            account.ask(Request::post("sms/1/preview").json(&body)).await
        }
        "lookup" => {
            let number = digits(given("number").unwrap_or_default())?;
            account.ask(Request::post("number/1/query").json(&json!({ "to": [number] }))).await
        }
        _ => {
            let limit = given("limit").unwrap_or("50").parse().ok();
            let limit = limit.filter(|limit| (1..=MOST_ENTRIES).contains(limit));
            let limit =
                limit.ok_or_else(|| wrong(format!("limit= must be a number from 1 to {MOST_ENTRIES}")))?;
            let mut request = Request::get("sms/3/logs").query("limit", limit);
            if let Some(number) = given("number") {
                request = request.query("to", digits(number)?);
            }
            if let Some(id) = given("id") {
                request = request.query("messageId", id);
            }
            account.read(request).await
        }
    }
}
