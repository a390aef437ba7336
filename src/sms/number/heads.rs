//! What stands before a number and is no part of it: the row of a list, a footnote, a count, as in
//! `2 0172 1234567`.
//!
//! Such a head is digits, and together with the number they can be somebody else's number. So behind every
//! group where a head may end, the rest is read by itself. Where it is a number in use, and not the one that
//! the whole is, it is in doubt whose number was meant, unless the region itself would set a group of the
//! whole off there.
//!
//! The surest sign is the zero that is dialled inside a country: nothing but its country code stands before
//! it. It is no proof where a subscriber's own digits begin with a zero, as in `+62 812 0212 3456`.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType, Region};

use super::reading::{self, Reading, Unread, significant};
use super::spelling::{Marker, Written};

/// Most digits of a head: rows of a list are counted to a thousand.
const MOST_DIGITS: usize = 3;

/// The head of what was written, if there may be one. `whole` is what all of it reads as.
pub(super) fn find<'a>(
    written: &'a Written,
    region: Option<Region>,
    whole: &Result<Reading, Unread>,
) -> Option<&'a str> {
    let start = start(written, whole)?;
    let mut is_first = true;
    for (end, text) in written.heads() {
        // The zero in brackets is no head, and is not counted in one.
        let is_zero = |at: usize| at >= start && at < end;
        if end <= start || written.zero.is_some_and(|at| at + 1 == end) {
            continue;
        }
        let length = end - start - usize::from(written.zero.is_some_and(is_zero));
        // A second group is looked at too, for a country code or a count of two groups, and only for the
        // surest sign.
        let most = if is_first { MOST_DIGITS } else { 2 * MOST_DIGITS };
        if length > most {
            return None;
        }
        let (before, head, behind) =
            (written.digits.get(..start)?, written.digits.get(start..end)?, written.digits.get(end..)?);
        let rest = match written.marker {
            Marker::None => written
                .part(behind.to_owned(), if behind.starts_with("00") { Marker::Zeros } else { Marker::None }),
            marker => written.part(format!("{before}{behind}"), marker),
        };
        let rest = reading::read(&rest, region).ok().filter(|rest| rest.is_possible);
        if let Some(rest) = rest
            && is_doubtful(written.marker, (head, behind), whole.as_ref().ok(), &rest, is_first)
        {
            return Some(text);
        }
        is_first = false;
    }
    None
}

/// How many digits stand before where a head may begin: none, or the country code.
fn start(written: &Written, whole: &Result<Reading, Unread>) -> Option<usize> {
    let prefix = match written.marker {
        Marker::None => return Some(0),
        Marker::Plus => "",
        Marker::Zeros => "00",
    };
    let before = format!("{prefix}{}", whole.as_ref().ok()?.number.country_code);
    written.digits.starts_with(&before).then_some(before.len())
}

fn is_doubtful(
    marker: Marker,
    (head, behind): (&str, &str),
    whole: Option<&Reading>,
    rest: &Reading,
    is_first: bool,
) -> bool {
    let is_trunk = behind.starts_with('0') && !significant(&rest.number).starts_with('0');
    let Some(whole) = whole.filter(|whole| whole.is_valid()) else {
        return rest.is_valid() && (is_trunk || marker == Marker::None && is_first);
    };
    // Where an area code may be left away, what stands there is one.
    if whole.e164 == rest.e164 || significant(&rest.number).len() == head.len() + behind.len() {
        return false;
    }
    let is_mobile = |reading: &Reading| reading.kind == PhoneNumberType::Mobile;
    let is_usual = || sets_off(whole, behind, marker);
    if !rest.is_valid() {
        // A digit may be missing in it, and still that zero is no stranger's.
        return is_trunk && is_first && head.len() <= 2 && !is_usual();
    }
    // A company's short number, such as Norway's 03456, is as long as the last groups of any other.
    if rest.kind == PhoneNumberType::UAN && !is_trunk {
        return false;
    }
    match (is_trunk, marker) {
        (true, Marker::None) if !head.starts_with('0') => true,
        (true, _) if is_first => !is_usual() || is_mobile(rest) && !is_mobile(whole),
        // Who leaves the zero away seldom writes an area code by itself, and a mobile number behind it is one
        // by itself.
        (false, Marker::None) if is_first => {
            !is_usual() || !head.starts_with('0') && is_mobile(rest) && !is_mobile(whole)
        }
        // Behind a country code people group as they like; one digit alone is rare.
        (false, _) if is_first => head.len() == 1 && !is_usual(),
        _ => false,
    }
}

/// Whether the number as it is usually written, inside its country or with its country code, has these last
/// digits set off.
fn sets_off(number: &Reading, behind: &str, marker: Marker) -> bool {
    let format =
        if marker == Marker::None { PhoneNumberFormat::National } else { PhoneNumberFormat::International };
    let text = PHONE_NUMBER_UTIL.format(&number.number, format);
    let mut groups = text.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).rev();
    let mut last = String::new();
    groups.any(|group| {
        last.insert_str(0, group);
        last == behind
    })
}
