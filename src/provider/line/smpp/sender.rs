//! The address of a sender, by what it looks like.

use super::message::Address;

/// Longest alphanumeric sender (3GPP TS 23.040, section 9.1.2.5: eleven septets).
const MOST_LETTERS: usize = 11;
/// Longest address of digits (SMPP v3.4, section 5.2.8).
const MOST_DIGITS: usize = 20;
/// Longest sender of digits alone that is taken for a short code.
const MOST_SHORT: usize = 8;

/// The address of a sender by its form (SMPP v3.4, sections 5.2.5 and 5.2.6): a name is 5/0, a number in
/// E.164 1/1, and up to eight digits a short code, 3/0.
///
/// # Errors
/// What is wrong with it.
pub(super) fn sender_form(from: &str) -> std::result::Result<Address, String> {
    let digits = from.strip_prefix('+').unwrap_or(from);
    if !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit()) {
        if digits.len() > MOST_DIGITS {
            return Err(format!("a number has at most {MOST_DIGITS} digits"));
        }
        let is_short = digits.len() == from.len() && digits.len() <= MOST_SHORT;
        let (ton, npi) = if is_short { (3, 0) } else { (1, 1) };
        return Ok(Address { ton, npi, text: digits.to_owned() });
    }
    if from.is_empty()
        || from.len() > MOST_LETTERS
        || !from.bytes().all(|octet| (0x20..0x7F).contains(&octet))
    {
        return Err(format!("a sender is a number, or a name of at most {MOST_LETTERS} characters of ASCII"));
    }
    Ok(Address { ton: 5, npi: 0, text: from.to_owned() })
}
