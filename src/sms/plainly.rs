//! A text as it is put before somebody who decides on it: what they would not see, or would take for something
//! else, is named.
//!
//! Whoever writes the text may want to be misread: by signs without a width, letters of another alphabet, or a
//! line that stands so far below the others that nobody looks there. Nothing is taken away: what is ordinary
//! stays as it is, and the rest is told from it.

use unicode_normalization::char::is_combining_mark;

use super::fold::letters;
use super::untrusted::signs;

/// Most empty lines, spaces and marks in a row that stay as they are. Vietnamese has two marks on a letter, and
/// Hebrew with points and accents three.
const MOST_LINES: usize = 2;
const MOST_SPACES: usize = 4;
const MOST_MARKS: usize = 3;

/// What a part of a text is to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As it stands.
    Plain,
    /// A sign that no phone shows.
    Unseen,
    /// A letter that looks like a Latin one, and is none.
    Disguised,
    /// So many empty lines in a row.
    EmptyLines(usize),
    /// So much white space in a row.
    Spaces(usize),
    /// So many marks on one letter, beyond those that writing has.
    Marks(usize),
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its characters: all pieces together are the text.
    pub text: &'a str,
}

/// What is to be said of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alarms {
    /// Signs that no phone shows.
    pub unseen: usize,
    /// Letters that look like Latin ones, and are none.
    pub disguised: usize,
    /// Places where much room parts it, or many marks lie on one letter.
    pub spread: usize,
}

impl Alarms {
    /// Of a text.
    pub fn of(text: &str) -> Self {
        let mut alarms = Self::default();
        for piece in pieces(text) {
            match piece.kind {
                Kind::Plain => {}
                Kind::Unseen => alarms.unseen += 1,
                Kind::Disguised => alarms.disguised += 1,
                Kind::EmptyLines(_) | Kind::Spaces(_) | Kind::Marks(_) => alarms.spread += 1,
            }
        }
        alarms
    }

    /// Whether there is any.
    pub fn is_any(self) -> bool {
        self != Self::default()
    }
}

/// The letters of a text that a reader takes for Latin ones, and that are none: of another alphabet, or made to
/// look so. Each with its place, in octets.
///
/// A text that is mostly written in another alphabet has such letters by its nature. There they count where
/// they stand beside Latin ones alone, without white space between.
pub fn disguised(text: &str) -> Vec<(usize, char)> {
    const LAST_LATIN: char = '\u{24f}';
    let is_latin = |c: char| c.is_alphabetic() && c <= LAST_LATIN;
    let is_taken_for_latin = |c: char| {
        c > LAST_LATIN && c.is_alphanumeric() && {
            let drawn = letters(c.encode_utf8(&mut [0; 4]));
            drawn.len() == 1 && drawn.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
    };
    let (mut words, mut start, mut latin, mut foreign) = (Vec::new(), 0, 0, 0);
    for word in text.split_inclusive(char::is_whitespace) {
        let count = |is_one: &dyn Fn(char) -> bool| word.chars().filter(|c| is_one(*c)).count();
        let (own, taken) = (count(&is_latin), count(&is_taken_for_latin));
        // Letters of another alphabet that nobody takes for Latin ones.
        let others = count(&char::is_alphabetic).saturating_sub(own + taken);
        if taken > 0 {
            words.push((start, word, own > 0));
        } else {
            latin += own;
        }
        if own == 0 && others > 0 {
            foreign += others + taken;
        }
        start += word.len();
    }
    let of = |(start, word, _): (usize, &str, bool)| {
        let taken = word.char_indices().filter(|(_, c)| is_taken_for_latin(*c));
        taken.map(|(at, c)| (start + at, c)).collect::<Vec<_>>()
    };
    words.into_iter().filter(|(_, _, is_mixed)| *is_mixed || foreign <= latin).flat_map(of).collect()
}

/// The characters of a text, one by one, each with its place.
struct Reader<'a, S: Iterator<Item = (char, bool)>> {
    text: &'a str,
    signs: std::iter::Peekable<S>,
    at: usize,
}

impl<S: Iterator<Item = (char, bool)>> Reader<'_, S> {
    fn next_if(&mut self, is_one: impl FnOnce(char, bool) -> bool) -> Option<(char, bool)> {
        let next = self.signs.next_if(|(c, is_unseen)| is_one(*c, *is_unseen))?;
        self.at += next.0.len_utf8();
        Some(next)
    }

    /// Reads on as long as there is white space, and says what that is.
    fn room(&mut self, first: char) -> Kind {
        let (mut lines, mut spaces) = (usize::from(first == '\n'), usize::from(first != '\n'));
        while let Some((c, _)) = self.next_if(|c, is_unseen| c == '\n' || (c.is_whitespace() && !is_unseen)) {
            if c == '\n' {
                lines += 1;
            } else {
                spaces += 1;
            }
        }
        // The first line break ends a line.
        match lines.saturating_sub(1) {
            empty if empty > MOST_LINES => Kind::EmptyLines(empty),
            _ if spaces > MOST_SPACES => Kind::Spaces(spaces),
            _ => Kind::Plain,
        }
    }

    /// Reads on as long as there are marks, and says how many there are with the first.
    fn marks(&mut self) -> Kind {
        let mut count = 1;
        while self.next_if(|c, _| is_combining_mark(c)).is_some() {
            count += 1;
        }
        Kind::Marks(count)
    }
}

/// The parts of a text, in their order.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut disguises = disguised(text).into_iter().map(|(at, _)| at).peekable();
    let mut reader = Reader { text, signs: signs(text).peekable(), at: 0 };
    let (mut found, mut kept, mut marks) = (Vec::new(), 0, 0);
    while let (start, Some((c, is_unseen))) = (reader.at, reader.next_if(|_, _| true)) {
        while disguises.next_if(|at| *at < start).is_some() {}
        marks = if is_combining_mark(c) { marks + 1 } else { 0 };
        let kind = if c == '\n' || (c.is_whitespace() && !is_unseen) {
            reader.room(c)
        } else if is_unseen {
            Kind::Unseen
        } else if marks > MOST_MARKS {
            reader.marks()
        } else if disguises.peek() == Some(&start) {
            Kind::Disguised
        } else {
            Kind::Plain
        };
        if kind != Kind::Plain {
            found.extend(part(reader.text, kept, start, Kind::Plain));
            found.extend(part(reader.text, start, reader.at, kind));
            kept = reader.at;
        }
    }
    found.extend(part(text, kept, text.len(), Kind::Plain));
    found
}

/// The piece between these places; none where there is nothing.
fn part(text: &str, from: usize, to: usize, kind: Kind) -> Option<Piece<'_>> {
    text.get(from..to).filter(|text| !text.is_empty()).map(|text| Piece { kind, text })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_be_misread_is_told_from_what_is_ordinary() {
        use Kind::{Disguised, EmptyLines, Marks, Plain, Spaces, Unseen};
        let table: [(&str, &[(Kind, &str)]); 11] = [
            ("", &[]),
            ("Two\n\nparts,\n\n\nand  more", &[(Plain, "Two\n\nparts,\n\n\nand  more")]),
            (
                "a\u{202e}b\0\u{200b}",
                &[(Plain, "a"), (Unseen, "\u{202e}"), (Plain, "b"), (Unseen, "\0"), (Unseen, "\u{200b}")],
            ),
            ("p\u{430}y", &[(Plain, "p"), (Disguised, "\u{430}"), (Plain, "y")]),
            ("Hi\n\n\n\n\nB", &[(Plain, "Hi"), (EmptyLines(4), "\n\n\n\n\n"), (Plain, "B")]),
            ("Hi\n \n\u{a0}\n \nB", &[(Plain, "Hi"), (EmptyLines(3), "\n \n\u{a0}\n \n"), (Plain, "B")]),
            (
                "Hi \u{a0}\u{2003}\u{3000}  B",
                &[(Plain, "Hi"), (Spaces(6), " \u{a0}\u{2003}\u{3000}  "), (Plain, "B")],
            ),
            ("\r\nx", &[(Unseen, "\r"), (Plain, "\nx")]),
            ("I \u{2764}\u{fe0f} it", &[(Plain, "I \u{2764}\u{fe0f} it")]),
            ("Vi\u{ea}\u{323}t", &[(Plain, "Vi\u{ea}\u{323}t")]),
            (
                "z\u{301}\u{302}\u{303}\u{304}\u{305}!",
                &[(Plain, "z\u{301}\u{302}\u{303}"), (Marks(2), "\u{304}\u{305}"), (Plain, "!")],
            ),
        ];
        for (text, expected) in table {
            let found: Vec<_> = pieces(text).into_iter().map(|piece| (piece.kind, piece.text)).collect();
            assert_eq!(found, expected, "{text:?}");
            assert_eq!(Alarms::of(text).is_any(), found.iter().any(|(kind, _)| *kind != Plain), "{text:?}");
        }
        let all = Alarms::of("p\u{430}y\u{200b}\u{200b}\n\n\n\n\nx");
        assert_eq!(all, Alarms { unseen: 2, disguised: 1, spread: 1 });
    }

    #[test]
    fn a_letter_in_disguise_is_found_and_a_text_in_another_alphabet_has_none() {
        for (text, found) in [
            ("p\u{430}ypal", "\u{430}"),
            ("\u{440}\u{430}\u{443}\u{440}\u{430}\u{04cf}", "\u{440}\u{430}\u{443}\u{440}\u{430}\u{04cf}"),
            ("Caf\u{e9} \u{4e2d}\u{6587} Gr\u{fc}\u{df}e", ""),
            // "How are you? Here is your code", in Russian, and with an address whose letters are mixed.
            (
                "\u{41a}\u{430}\u{43a} \u{434}\u{435}\u{43b}\u{430}? \u{412}\u{43e}\u{442} \u{432}\u{430}\u{448} \u{43a}\u{43e}\u{434}",
                "",
            ),
            (
                "\u{41a}\u{430}\u{43a} \u{434}\u{435}\u{43b}\u{430}? \u{417}\u{434}\u{435}\u{441}\u{44c}: \u{440}aypal.com",
                "\u{440}",
            ),
            // One letter of another alphabet makes no text of it.
            ("Pay at \u{440}\u{430}\u{443} now \u{416}", "\u{440}\u{430}\u{443}"),
        ] {
            let letters: String = disguised(text).into_iter().map(|(_, c)| c).collect();
            assert_eq!(letters, found, "{text}");
            assert!(disguised(text).iter().all(|(at, c)| text[*at..].starts_with(*c)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_of_a_text_is_left_out(
            text in "[a\u{430}\u{416}\u{345} \n\u{301}\u{200b}\u{1f3f4}\u{e0067}\u{e007f}]{0,40}"
        ) {
            let all: String = pieces(&text).into_iter().map(|piece| piece.text).collect();
            prop_assert_eq!(all, text);
        }
    }
}
