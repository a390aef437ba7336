//! What a command shows: answers on standard output, what people are told besides on standard error.

use std::io::Write as _;

use serde::Serialize;

use crate::engine::contract::Price;
use crate::error::{Error, ErrorKind, Result};
use crate::sms::untrusted;

/// Prints a line to standard output. A reader that has gone away (`| head`) is no error. Whatever is in it,
/// it stays one line, and tells the terminal nothing.
pub(super) fn print_line(line: &str) {
    let _ = writeln!(std::io::stdout(), "{}", untrusted::line(line));
}

/// Prints a line for people to standard error, beside the answer, as [`print_line`] does.
pub(super) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", untrusted::line(line));
}

/// Prints JSON to standard output, in lines or in one. What a terminal would not show is written as JSON has
/// it.
pub(super) fn print_json<T: Serialize>(value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::new(ErrorKind::Internal, "the answer could not be written").because(error))?;
    let _ = writeln!(std::io::stdout(), "{}", untrusted::json(&text));
    Ok(())
}

/// A price for people, and that it is an assumption where nobody told it.
pub(super) fn priced(price: &Price) -> String {
    let assumed = if price.assumed { " (assumed)" } else { "" };
    format!("{} {}{assumed}", price.amount, price.currency)
}

/// Prints the warnings of an answer.
pub(super) fn print_warnings(warnings: &[String]) {
    warnings.iter().for_each(|warning| note(&format!("note: {warning}")));
}
