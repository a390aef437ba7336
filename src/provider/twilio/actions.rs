//! What an operator can do at Twilio besides sending: look a number up.

use serde_json::Value;

use super::account::Twilio;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{Action, Arguments, no_such_action};
use crate::provider::rest::Request;
use crate::sms::number::Number;

/// What can be asked for about a number; Twilio charges for each. Without any the look-up is free.
const FIELDS: [&str; 2] = ["line_type_intelligence", "sms_pumping_risk"];

/// Every action.
pub const ACTIONS: [Action; 1] = [Action {
    name: "lookup",
    about: "says whether a number is one, and in which country; fields, which Twilio charges for, are \
            line_type_intelligence and sms_pumping_risk",
    required: &["number"],
    optional: &["fields"],
}];

fn wrong(why: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, why)
}

/// Does one of them.
///
/// # Errors
/// [`ErrorKind::NotFound`] for an action that there is not, [`ErrorKind::InvalidArgument`], and whatever the
/// vendor says.
pub(super) async fn act(account: &Twilio, action: &str, arguments: &Arguments) -> Result<Value> {
    let Some(known) = ACTIONS.iter().find(|known| known.name == action) else {
        return Err(no_such_action(action, &ACTIONS));
    };
    known.check(arguments)?;
    let number = arguments.get("number").map(String::as_str).unwrap_or_default();
    let number = Number::parse(number, None).map_err(|error| wrong(format!("number=: {error}")))?;
    let mut request = Request::get(format!("PhoneNumbers/{}", number.e164()));
    if let Some(fields) = arguments.get("fields") {
        if fields.split(',').any(|field| !FIELDS.contains(&field)) {
            return Err(wrong(format!("fields= takes {}, with a comma between them", FIELDS.join(" and "))));
        }
        request = request.query("Fields", fields);
    }
    account.read(&account.lookups, request).await
}
