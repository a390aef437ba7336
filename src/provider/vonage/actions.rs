//! What an operator can do at Vonage besides sending: look a number up, and read the vendor's records of what
//! was sent, for a text whose answer was lost. Vonage charges for both, so nothing here asks for them by
//! itself.

use serde_json::Value;

use super::account::Vonage;
use super::settings::Api;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{Action, Arguments, no_such_action};
use crate::provider::rest::Request;
use crate::sms::number::Number;

/// How much can be asked for about a number.
const LEVELS: [&str; 3] = ["basic", "standard", "advanced"];

/// The longest time whose records can be read at once, in milliseconds.
const DAY_MS: i64 = 24 * 3_600_000;

/// Every action.
pub const ACTIONS: [Action; 3] = [
    Action {
        name: "lookup",
        about: "says whether a number is one, and with level=standard or advanced who carries it; Vonage \
                charges for those two",
        required: &["number"],
        optional: &["level"],
    },
    Action {
        name: "record",
        about: "shows what Vonage has on record of a text, by Vonage's id of it; Vonage charges for it",
        required: &["id"],
        optional: &[],
    },
    Action {
        name: "records",
        about: "shows what Vonage has on record of the texts of at most a day, each with our reference \
                (client_ref); times as 2026-11-22T10:15:00Z; Vonage charges for it",
        required: &["since", "until"],
        optional: &[],
    },
];

fn wrong(why: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, why)
}

fn time(name: &str, arguments: &Arguments) -> Result<Timestamp> {
    let text = arguments.get(name).map(String::as_str).unwrap_or_default();
    Timestamp::parse(text).ok_or_else(|| wrong(format!("{name}= is a time such as 2026-11-22T10:15:00Z")))
}

/// Does one of them.
///
/// # Errors
/// [`ErrorKind::NotFound`] for an action that there is not, [`ErrorKind::InvalidArgument`], and whatever the
/// vendor says.
pub(super) async fn act(account: &Vonage, action: &str, arguments: &Arguments) -> Result<Value> {
    let Some(known) = ACTIONS.iter().find(|known| known.name == action) else {
        return Err(no_such_action(action, &ACTIONS));
    };
    known.check(arguments)?;
    let of = |name: &str| arguments.get(name).map(String::as_str);
    if known.name == "lookup" {
        let number = Number::parse(of("number").unwrap_or_default(), None)
            .map_err(|error| wrong(format!("number=: {error}")))?;
        let level = of("level").unwrap_or("basic");
        if !LEVELS.contains(&level) {
            return Err(wrong(format!("level= is one of {}", LEVELS.join(", "))));
        }
        let digits = number.e164().trim_start_matches('+');
        return account
            .read(&account.api, Request::get(format!("ni/{level}/json")).query("number", digits))
            .await;
    }
    let product = if account.config.api == Api::Sms { "SMS" } else { "MESSAGES" };
    let request = Request::get("v2/reports/records")
        .query("account_id", account.account())
        .query("product", product)
        .query("direction", "outbound");
    let request = if let Some(id) = of("id") {
        request.query("id", id)
    } else {
        let (since, until) = (time("since", arguments)?, time("until", arguments)?);
        let length_ms = until.as_millis().saturating_sub(since.as_millis());
        if !(1..=DAY_MS).contains(&length_ms) {
            return Err(wrong("until= is after since=, by a day at most".to_owned()));
        }
        request.query("date_start", since.rfc3339()).query("date_end", until.rfc3339())
    };
    account.read(&account.api, request).await
}
