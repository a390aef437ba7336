//! What is wrong with many recipients, once for each kind: a file of five thousand rows without a country code
//! has one fault, on five thousand lines.
//!
//! Two faults are of one kind where they have one code and say the same but for numbers and quoted words. Of a
//! kind that several have, what is said of each is told of "it"; where that would be no longer true of all of
//! them, the first one is told as it is. Lists are cut, and say how much more there is.

use std::collections::BTreeMap;

use crate::error::RefusedRecipient;

/// Most lines, recipients or kinds that are listed.
pub(super) const LISTED: usize = 10;

/// Fewest digits behind a plus that are somebody's number.
const FEWEST_DIGITS: usize = 6;

/// `line 3`, `lines 3 and 9`, `lines 3, 4 and 9`, or the first of them `and 4,000 more`.
pub(super) fn on_lines(lines: &[u64]) -> String {
    let word = if lines.len() == 1 { "line" } else { "lines" };
    format!("{word} {}", list(lines))
}

/// The first of these, and how many more there are.
pub(super) fn list<T: ToString>(all: &[T]) -> String {
    let mut shown: Vec<String> = all.iter().take(LISTED).map(ToString::to_string).collect();
    if all.len() > LISTED {
        shown.push(format!("{} more", counted(all.len() - LISTED)));
    }
    match shown.split_last() {
        Some((last, before @ [_, ..])) => format!("{} and {last}", before.join(", ")),
        _ => shown.concat(),
    }
}

/// A count with commas, as people read large ones.
pub(super) fn counted(count: usize) -> String {
    let digits = count.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Those of one kind.
struct Kind<'a> {
    first: &'a RefusedRecipient,
    /// What is said of all of them, where it is the same.
    of_it: Option<String>,
    count: usize,
    /// On which lines of the file they stand, as far as that is known.
    lines: Vec<u64>,
    /// What those are called of whom it is not.
    names: Vec<String>,
}

/// One entry for each kind: its `to` says whom it is about (lines of the file, or recipients), its message
/// what is wrong. `lines_of` says on which lines a recipient stands; nobody, where there is no file.
pub(super) fn gathered(
    refused: &[RefusedRecipient],
    lines_of: impl Fn(&RefusedRecipient) -> Vec<u64>,
) -> Vec<RefusedRecipient> {
    let (mut kinds, mut places) = (Vec::<Kind<'_>>::new(), BTreeMap::<(String, String), usize>::new());
    for one in refused {
        let of_it = of_it(one);
        let place = *places.entry((one.code.clone(), masked(&of_it))).or_insert(kinds.len());
        if place == kinds.len() {
            kinds.push(Kind {
                first: one,
                of_it: Some(of_it.clone()),
                count: 0,
                lines: Vec::new(),
                names: Vec::new(),
            });
        }
        let Some(kind) = kinds.get_mut(place) else { continue };
        kind.count += 1;
        kind.of_it = kind.of_it.take().filter(|same| *same == of_it);
        match lines_of(one) {
            lines if lines.is_empty() => kind.names.push(one.to.clone()),
            lines => kind.lines.extend(lines),
        }
    }
    let mut told: Vec<RefusedRecipient> = kinds.iter_mut().take(LISTED).map(Kind::told).collect();
    if let Some(rest) = kinds.get(LISTED..).filter(|rest| !rest.is_empty()) {
        let count = rest.iter().map(|kind| kind.count).sum();
        told.push(RefusedRecipient {
            to: format!("{} more", counted(count)),
            code: "others".to_owned(),
            message: format!("{} other kinds of faults", counted(rest.len())),
        });
    }
    told
}

impl Kind<'_> {
    fn told(&mut self) -> RefusedRecipient {
        self.lines.sort_unstable();
        self.lines.dedup();
        let places = (!self.lines.is_empty()).then(|| on_lines(&self.lines));
        let names = (!self.names.is_empty()).then(|| list(&self.names));
        let own = without_place(self.first);
        let message = match &self.of_it {
            Some(of_it) if self.count > 1 => of_it.clone(),
            _ if self.count > 1 => format!("the first: {own}"),
            _ => own.to_owned(),
        };
        let to = places.into_iter().chain(names).collect::<Vec<_>>().join("; ");
        RefusedRecipient { to, code: self.first.code.clone(), message }
    }
}

/// What is said of a recipient, without its place among the recipients of the call.
fn without_place(refused: &RefusedRecipient) -> &str {
    let message = refused.message.as_str();
    if !message.starts_with("recipients[") {
        return message;
    }
    message.split_once(&format!("({}): ", refused.to)).map_or(message, |(_, rest)| rest)
}

/// The same of "it", where it begins with the recipient.
fn of_it(refused: &RefusedRecipient) -> String {
    let message = without_place(refused);
    match words(message).next() {
        Some(Word::Own(first)) => {
            message.strip_prefix(first).map_or_else(|| message.to_owned(), |rest| format!("it{rest}"))
        }
        _ => message.to_owned(),
    }
}

/// The same for all of one kind: without what is quoted, and without numbers.
fn masked(message: &str) -> String {
    words(message)
        .map(|word| match word {
            Word::Own(_) => "\u{2026}",
            Word::Ours(text) => text,
        })
        .collect()
}

/// A piece of a message.
enum Word<'a> {
    /// Quoted, or somebody's number.
    Own(&'a str),
    Ours(&'a str),
}

/// The pieces of a message, which together are the whole of it.
fn words(message: &str) -> impl Iterator<Item = Word<'_>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let own = match first {
            '"' => quoted(rest),
            '+' => Some(1 + rest.chars().skip(1).take_while(char::is_ascii_digit).count())
                .filter(|length| *length > FEWEST_DIGITS),
            _ => None,
        };
        let (word, after) = rest.split_at_checked(own.unwrap_or(first.len_utf8()))?;
        rest = after;
        Some(if own.is_some() { Word::Own(word) } else { Word::Ours(word) })
    })
}

/// How long the quotation is with which a text begins, if it ends: a quotation mark inside of one has a
/// backslash before it.
fn quoted(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !is_escaped => return Some(at + 1),
            c => is_escaped = c == '\\' && !is_escaped,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(to: &str, code: &str, message: &str) -> RefusedRecipient {
        RefusedRecipient { to: to.to_owned(), code: code.to_owned(), message: message.to_owned() }
    }

    fn told(refused: &[RefusedRecipient], line: impl Fn(&str) -> Vec<u64>) -> Vec<String> {
        let each = gathered(refused, |one| line(&one.to));
        each.into_iter().map(|one| format!("{}: {} ({})", one.to, one.message, one.code)).collect()
    }

    #[test]
    fn each_kind_is_told_once_with_its_lines_and_one_alone_in_its_own_words() {
        let faults = [
            refused("664", "invalid_number", "\"664\" has no country code: write it"),
            refused("x", "invalid_number", "\"x\" is not a phone number: it has letters in it"),
            refused("66\\\"5", "invalid_number", "\"66\\\"5\" has no country code: write it"),
            refused("+19005550123", "premium_destination", "+19005550123 is a premium-rate number"),
            refused("667", "invalid_number", "\"667\" has no country code: write it"),
            refused("+19005550124", "premium_destination", "+19005550124 is a premium-rate number"),
        ];
        let line =
            |to: &str| faults.iter().zip(2..).filter(|(one, _)| one.to == to).map(|(_, line)| line).collect();
        assert_eq!(
            told(&faults, line),
            [
                "lines 2, 4 and 6: it has no country code: write it (invalid_number)",
                "line 3: \"x\" is not a phone number: it has letters in it (invalid_number)",
                "lines 5 and 7: it is a premium-rate number (premium_destination)",
            ]
        );
        // Without a file they are told by their names.
        assert_eq!(
            told(&faults, |_| Vec::new())[2],
            "+19005550123 and +19005550124: it is a premium-rate number (premium_destination)"
        );
    }

    #[test]
    fn what_is_not_the_same_of_all_is_told_of_the_first() {
        let faults = [
            refused("1", "invalid_number", "\"1\" can be +4366412345 or +4366467890: ask which"),
            refused("2", "invalid_number", "\"2\" can be +4366412346 or +4366467891: ask which"),
            refused("3", "invalid_argument", "recipients[7] (3): the value of \"name\" is \"\""),
            refused("4", "invalid_argument", "recipients[8] (4): the value of \"name\" is \"\""),
        ];
        assert_eq!(
            told(&faults, |to| vec![to.parse().unwrap_or_default()]),
            [
                "lines 1 and 2: the first: \"1\" can be +4366412345 or +4366467890: ask which (invalid_number)",
                "lines 3 and 4: the value of \"name\" is \"\" (invalid_argument)",
            ]
        );
    }

    #[test]
    fn a_long_list_is_cut_and_says_how_much_more_there_is() {
        let faults: Vec<RefusedRecipient> = (0..4_010)
            .map(|n| refused(&n.to_string(), "x", &format!("\"{n}\" has no country code")))
            .collect();
        assert_eq!(
            told(&faults, |to| vec![to.parse().unwrap_or_default()]),
            ["lines 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 4,000 more: it has no country code (x)"]
        );
        let kinds: Vec<RefusedRecipient> =
            (0..1_234).map(|n| refused("+1", &n.to_string(), "wrong")).collect();
        let told = told(&kinds, |_| Vec::new());
        assert_eq!((told.len(), told[10].as_str()), (11, "1,224 more: 1,224 other kinds of faults (others)"));
        assert_eq!(
            [counted(0), counted(999), counted(1_000), counted(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn what_only_begins_like_a_quotation_or_a_number_stays() {
        for text in ["an \" alone", "+12 short", "", "\u{20ac}+1234567\u{20ac}\"\u{20ac}\" end"] {
            let whole: String = words(text)
                .map(|word| match word {
                    Word::Own(text) | Word::Ours(text) => text,
                })
                .collect();
            assert_eq!(whole, text);
        }
        assert_eq!(masked("a \"b\" +1234567 c"), "a \u{2026} \u{2026} c");
        assert_eq!(masked("+12 \"b"), "+12 \"b");
    }
}
