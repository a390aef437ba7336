//! What a command shows: answers on standard output, what people are told besides on standard error.

use std::io::Write as _;

use serde::Serialize;

use crate::engine::contract::Price;
use crate::error::{Error, ErrorKind, Result};
use crate::sms::untrusted;

/// What somebody is told who starts the server by hand, at a terminal.
pub(super) const WAITS_FOR_A_CLIENT: [&str; 3] = [
    "This is a server: it waits for an MCP client on standard input, which is a terminal here. Ctrl-C ends it.",
    "To try it: `sms-mcp demo` plays a conversation, `sms-mcp send --help` sends by hand, `sms-mcp --help` \
     has the rest.",
    "To add it to a client: docs/CLIENTS.md. To serve it at an address: `sms-mcp serve --http`.",
];

/// Prints a line to standard output. A reader that has gone away (`| head`) is no error. Whatever is in it,
/// it stays one line, and tells the terminal nothing.
pub(super) fn print_line(line: &str) {
    let _ = is_printed(line);
}

/// As [`print_line`]. Returns whether somebody still reads.
pub(super) fn is_printed(line: &str) -> bool {
    writeln!(std::io::stdout(), "{}", untrusted::line(line)).is_ok()
}

/// As [`print_line`], in a colour (a number of ECMA-48, such as 32 for green) where there is one.
pub(super) fn print_coloured(line: &str, colour: Option<u8>) {
    match colour {
        Some(colour) => {
            let _ = writeln!(std::io::stdout(), "\u{1b}[{colour}m{}\u{1b}[0m", untrusted::line(line));
        }
        None => print_line(line),
    }
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

/// Who carries a message, where there are several who might.
pub(super) fn by(provider: &str, has_several: bool) -> String {
    if has_several && !provider.is_empty() { format!(", by {provider}") } else { String::new() }
}

/// Prints the warnings of an answer.
pub(super) fn print_warnings(warnings: &[String]) {
    warnings.iter().for_each(|warning| note(&format!("note: {warning}")));
}
