//! The sentences of a reply: what a person says by itself, between full stops, commas, dashes and line ends.
//!
//! People write "Wrong number. STOP" or put the word into a line of its own. Where a line only ends because
//! the screen was full ("please do not", "stop"), the next one begins no sentence.

use crate::sms::fold::letters;

/// Words that leave a sentence open: what follows them belongs to it, whatever stands between.
const OPEN: [&str; 31] = [
    "not", "dont", "never", "cannot", "cant", "wont", "doesnt", "didnt", "shouldnt", "to", "will", "would",
    "the", "a", "next", "bus", "nicht", "pas", "ne", "ikke", "inte", "niet", "nie", "nao", "da", "die",
    "der", "el", "la", "le", "und",
];

/// The sentences of these lines, without those that go on one that was left open.
pub(super) fn of(lines: &[String]) -> Vec<&str> {
    lines
        .iter()
        .scan("", |before, line| Some(of_line(line, std::mem::replace(before, line))))
        .flatten()
        .collect()
}

fn of_line<'a>(line: &'a str, before: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let (mut start, mut is_open) = (0, leaves_open(before));
    for (at, c) in line.char_indices().chain([(line.len(), '\n')]) {
        let (said, rest) =
            (line.get(start..at).unwrap_or_default(), line.get(at + c.len_utf8()..).unwrap_or_default());
        if !is_end(c, said, rest) {
            continue;
        }
        if !is_open {
            found.push(said);
        }
        is_open = !is_final(c) && leaves_open(said);
        start = at + c.len_utf8();
    }
    found
}

/// Whether a sentence ends at this character. Full stops stand within words too ("S.T.O.P", addresses), and
/// so do hyphens.
fn is_end(c: char, said: &str, rest: &str) -> bool {
    let is_spaced = rest.is_empty() || rest.starts_with(char::is_whitespace);
    match c {
        '.' | ',' => is_spaced,
        '-' => is_spaced && said.ends_with(char::is_whitespace),
        _ => is_final(c) || matches!(c, '\n' | '\u{2013}' | '\u{2014}' | '\u{ff0c}' | '\u{3001}' | '\u{60c}'),
    }
}

fn is_final(c: char) -> bool {
    matches!(
        c,
        '.' | '!'
            | '?'
            | ';'
            | '\u{3002}'
            | '\u{ff01}'
            | '\u{ff1f}'
            | '\u{ff1b}'
            | '\u{61f}'
            | '\u{6d4}'
            | '\u{964}'
            | '\u{2026}'
    )
}

fn leaves_open(said: &str) -> bool {
    said.split_whitespace()
        .next_back()
        .is_some_and(|last| !last.ends_with(is_final) && OPEN.contains(&letters(last).as_str()))
}
