//! What a text must be for a vendor to take it, and what is said of one that is not: the same for all of them.

use crate::error::{Error, ErrorKind, Result};
use crate::provider::Form;
use crate::sms::untrusted::escape;

/// What most vendors take for a sender.
pub const NUMBER_CODE_OR_NAME: &str =
    "a number in E.164, a short code, or a name of up to 11 letters, digits and spaces";

/// Checks that a text has no more characters than this vendor takes.
///
/// # Errors
/// [`ErrorKind::MessageTooLong`], with both counts.
pub fn check_length(vendor: &str, text: &str, most: usize) -> Result<()> {
    let count = text.chars().count();
    if count <= most {
        return Ok(());
    }
    let why = format!("the text has {count} characters; {vendor} takes {most}");
    Err(Error::new(ErrorKind::MessageTooLong, why))
}

/// The error for what is no sender of this vendor. `would_be`: what is one.
pub fn no_sender(vendor: &str, from: &str, would_be: &str) -> Error {
    let why = format!("\"{}\" is no sender of {vendor}: {would_be}", escape(from));
    Error::new(ErrorKind::SenderNotAllowed, why)
}

/// How a text goes out from somebody: refused where it is too long, or the sender is none. Nobody: the vendor
/// chooses the sender.
///
/// # Errors
/// [`ErrorKind::MessageTooLong`] or [`ErrorKind::SenderNotAllowed`].
pub fn form(vendor: &str, (text, most): (&str, usize), from: Option<(&str, bool)>) -> Result<Form> {
    check_length(vendor, text, most)?;
    match from {
        Some((from, false)) => Err(no_sender(vendor, from, NUMBER_CODE_OR_NAME)),
        _ => Ok(Form::of(text)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_text_is_as_long_as_a_vendor_takes_it_by_characters_and_what_is_wrong_is_named() {
        assert_eq!(form("Acme", ("\u{e4}bc", 3), Some(("ACME", true))).unwrap(), Form::of("\u{e4}bc"));
        assert!(form("Acme", ("abc", 3), None).is_ok(), "the vendor chooses");
        let long = form("Acme", ("abcd", 3), Some(("ACME", true))).unwrap_err();
        assert_eq!(
            (long.kind(), long.message()),
            (ErrorKind::MessageTooLong, "the text has 4 characters; Acme takes 3")
        );
        let nobody = form("Acme", ("abc", 3), Some(("n\u{7}", false))).unwrap_err();
        assert_eq!(nobody.kind(), ErrorKind::SenderNotAllowed);
        assert!(nobody.message().contains("is no sender of Acme: a number in E.164"), "{}", nobody.message());
        assert!(!nobody.message().contains('\u{7}'), "escaped");
    }
}
