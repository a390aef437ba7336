//! Whether a text leads its reader somewhere: by a link, or by a number to call.
//!
//! In doubt it does: what this says yes to is shown to a person, and not refused. A date and a time of day are
//! no number to call.

use unicode_normalization::UnicodeNormalization as _;

/// The fewest digits of a number to call.
const LEAST_DIGITS: usize = 7;

/// What stands between the digits of one number.
const BETWEEN: &str = " -.()/*_:~|\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{b7}\u{2022}";

/// Whether a text has a link or a number to call.
pub fn leads_somewhere(text: &str) -> bool {
    let plain: String = text.nfkc().filter(|c| !is_invisible(*c)).flat_map(char::to_lowercase).collect();
    let plain = plain.replace(['\u{3002}', '\u{ff61}', '\u{2024}'], ".");
    has_link(&plain) || has_number(&plain)
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
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
    let words: Vec<&str> = run.split(' ').filter(|word| !word.is_empty()).collect();
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
        parts.iter().all(is_number)
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
