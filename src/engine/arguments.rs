//! What callers write, read once for all verbs, and the errors of what cannot be read.

use crate::error::{Error, ErrorKind, Result};
use crate::sms::number::{Number, Region};
use crate::sms::untrusted;

/// The error for an argument that is wrong by itself.
pub fn invalid(argument: &str, wrong: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("`{argument}` {wrong}"))
}

/// The error for an id that this principal does not have, in this argument.
pub fn no_such(argument: &str, id: &str) -> Error {
    let shown = untrusted::escape(id);
    let what = if argument == "batch" {
        "bulk of yours; ids look like bat_..."
    } else {
        "message or bulk of yours; ids look like msg_... or bat_..."
    };
    Error::new(ErrorKind::NotFound, format!("`{argument}` \"{shown}\" is no {what}"))
}

/// A phone number. National ones are of this country.
///
/// # Errors
/// [`ErrorKind::InvalidNumber`], which says what is wrong with it.
pub fn number(text: &str, region: Option<Region>) -> Result<Number> {
    Number::parse(text, region).map_err(|error| Error::new(ErrorKind::InvalidNumber, error.to_string()))
}
