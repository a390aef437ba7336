//! Whether a text leads its reader somewhere: by a link, or by a number to call.
//!
//! In doubt it does: what this says yes to is shown to a person, and not refused. A date and a time of day are
//! no number to call.

use unicode_normalization::UnicodeNormalization as _;

use super::untrusted::is_hidden;

/// The fewest digits of a number to call.
const LEAST_DIGITS: usize = 7;

/// What stands between the digits of one number.
const BETWEEN: &str = " \n\t-.()/*_:~|\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{b7}\u{2022}";

/// Whether a text has a link or a number to call.
pub fn leads_somewhere(text: &str) -> bool {
    let plain: String =
        text.nfkc().filter(|c| *c == '\n' || !is_hidden(*c)).flat_map(char::to_lowercase).collect();
    let plain = plain.replace(['\u{3002}', '\u{ff61}', '\u{2024}'], ".");
    has_link(&plain) || has_address(&plain) || has_number(&plain)
}

fn has_link(text: &str) -> bool {
    if ["://", "www.", "mailto:", "tel:", "sms:"].iter().any(|begin| text.contains(begin)) {
        return true;
    }
    let characters: Vec<char> = text.chars().collect();
    characters
        .iter()
        .enumerate()
        .filter(|(_, c)| **c == '.')
        .any(|(at, _)| is_between_labels(&characters, at))
}

/// Whether there is an address of the net in digits: four numbers with dots between them.
fn has_address(text: &str) -> bool {
    let is_part =
        |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    words.map(|word| word.trim_matches('.')).any(|word| {
        let parts: Vec<&str> = word.split('.').collect();
        parts.windows(4).any(|four| four.iter().all(|part| is_part(part)))
    })
}

/// Whether a dot stands between two labels of a name of the net, whatever stands around them. The one behind it
/// has two letters or more: a number there is of an amount or a date.
fn is_between_labels(characters: &[char], dot: usize) -> bool {
    let is_in_label = |c: &&char| !c.is_whitespace() && !OUTSIDE.contains(**c);
    let before = characters.iter().take(dot).rev().take_while(is_in_label).count();
    let after = characters.iter().skip(dot + 1).take_while(is_in_label).filter(|c| !c.is_numeric()).count();
    before > 0 && after >= 2
}

/// What no name of the net has within a label.
const OUTSIDE: &str = ".,;:!?/\\|()[]{}<>\"'\u{201c}\u{201d}\u{201e}*~`=&%#@+\u{2026}";

fn has_number(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let mut at = 0;
    while let Some(first) = characters.get(at) {
        if !is_digit(*first) && *first != '+' {
            at += 1;
            continue;
        }
        let run: String = characters
            .get(at..)
            .unwrap_or_default()
            .iter()
            .take_while(|c| is_digit(**c) || BETWEEN.contains(**c) || **c == '+')
            .collect();
        if digits_of_numbers(&run) >= LEAST_DIGITS {
            return true;
        }
        at += run.chars().count().max(1);
    }
    false
}

fn is_digit(c: char) -> bool {
    c.is_numeric()
}

/// The digits of a run, without those of what is plainly a date.
fn digits_of_numbers(run: &str) -> usize {
    let words: Vec<&str> = run.split_whitespace().collect();
    let count = |word: &str| word.chars().filter(|c| is_digit(*c)).count();
    words.into_iter().filter(|word| !is_date(word) && !is_time(word)).map(count).sum()
}

/// Whether a word is a time of day, such as 9:30 or 09:30:00.
fn is_time(word: &str) -> bool {
    let word = word.trim_matches(['.', ')', '(', '-']);
    let parts: Vec<&str> = word.split(':').collect();
    let is_two = |part: &&str| (1..=2).contains(&part.len()) && part.chars().all(|c| c.is_ascii_digit());
    (2..=3).contains(&parts.len()) && parts.iter().all(is_two)
}

/// Whether a word is a date: three parts with one sort of sign between them, one of which is a year.
fn is_date(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ')']).trim_start_matches('(');
    ['-', '.', '/'].into_iter().any(|sign| {
        let parts: Vec<&str> = word.split(sign).collect();
        let is_number = |part: &&str| part.chars().all(|c| c.is_ascii_digit()) && !part.is_empty();
        let [first, middle, last] = parts.as_slice() else { return false };
        let is_year = |part: &str| part.len() == 4 && (part.starts_with("19") || part.starts_with("20"));
        let is_day = |part: &str| part.parse::<u8>().is_ok_and(|day| (1..=31).contains(&day));
        parts.iter().all(is_number)
            && parts.iter().filter(|part| part.len() <= 2).all(|part| is_day(part))
            && middle.len() <= 2
            && ((is_year(first) && last.len() <= 2) || (is_year(last) && first.len() <= 2))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_numbers_to_call_are_found_in_whatever_writing() {
        for text in [
            "See https://example.com/a",
            "see EXAMPLE.COM",
            "visit example\u{3002}com now",
            "bit.ly/3xYz",
            "www.shop",
            "write to ann@example.org",
            "ex\u{200b}ample.c\u{ad}om",
            "\u{ff45}\u{ff58}\u{ff41}\u{ff4d}\u{ff50}\u{ff4c}\u{ff45}.com",
            "xn--e1afmkfd.xn--p1ai",
            "\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.\u{440}\u{444}",
            "Call +1 202 555 0123",
            "call 202-555-0123!",
            "call (020) 7946 0018",
            "ring 0123 456",
            "\u{660}\u{661}\u{662}\u{663}\u{664}\u{665}\u{666}\u{667}",
            "1\u{200b}234567",
            "tel:911",
            "Info:bit.ly/3xYz",
            "see:example.com",
            "*bit.ly/3xYz*",
            "shop/evil.com",
            "Pay=evil.com/x",
            "e\u{34f}vil.com",
            "\u{92a}\u{94d}\u{930}.\u{92d}\u{93e}\u{930}\u{924}",
            "202*555*0123",
            "202_555_0123",
            "202:555:0123",
            "example.co",
            "\u{1f449}evil.com",
            "\u{ab}evil.com\u{bb}",
            "\u{300c}evil.com\u{300d}",
            "evil.com%20",
            "now\u{2014}evil.com",
            "url=evil.com",
            "a:b@evil.com",
            "e\u{fe0f}vil.com",
            "e\u{2066}vil.com",
            "8.8.8.8/login",
            "at 1.1.1.1:8080",
            "0800*12345",
            "020\n7946\n0018",
            "020\u{b7}7946\u{b7}0018",
            "12-34-2056",
        ] {
            assert!(leads_somewhere(text), "{text}");
        }
    }

    #[test]
    fn a_date_a_time_an_amount_and_a_code_lead_nowhere() {
        for text in [
            "Your table is booked for 7 pm.",
            "On 2026-12-01 at 09:00",
            "On 01.12.2026, 9:30 - 10:30",
            "12/01/2026 9 am",
            "It costs 1,250.00 EUR.",
            "Your code is 123456",
            "See you at 5.30",
            "Thanks...ok",
            "e.g. this, i.e. that",
            "",
        ] {
            assert!(!leads_somewhere(text), "{text}");
        }
    }
}
