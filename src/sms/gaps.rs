//! A text of which segments never came: what there is, with the gaps shown where they are.
//!
//! Two pieces with a hole between them can say the opposite of what was written ("I take", "not the red
//! one"), so nobody is shown them as one text.

/// Segments that follow one another, joined.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    /// The number of its first segment, from 1.
    pub first: u8,
    /// The number of its last one.
    pub last: u8,
    /// What they say.
    pub text: String,
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Piece").field("first", &self.first).field("last", &self.last).finish_non_exhaustive()
    }
}

/// The pieces of a text of so many segments, in their order, with `[part 2 of 3 missing]` where one is
/// missing.
pub fn shown(pieces: &[Piece], total: u8) -> String {
    let mut text = String::new();
    let mut next = 1_u16;
    for piece in pieces {
        mark(&mut text, next, u16::from(piece.first) - 1, total);
        let is_apart = text.ends_with(']')
            && next < u16::from(piece.first)
            && !piece.text.starts_with(char::is_whitespace);
        text.push_str(if is_apart { " " } else { "" });
        text.push_str(&piece.text);
        next = u16::from(piece.last) + 1;
    }
    mark(&mut text, next, u16::from(total), total);
    text
}

/// Shows that the segments from this one to that one are missing.
fn mark(text: &mut String, from: u16, to: u16, total: u8) {
    if from > to {
        return;
    }
    if !text.is_empty() && !text.ends_with(char::is_whitespace) {
        text.push(' ');
    }
    text.push_str(&if from == to {
        format!("[part {from} of {total} missing]")
    } else {
        format!("[parts {from} to {to} of {total} missing]")
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_shown_where_it_is() {
        let piece = |first, last, text: &str| Piece { first, last, text: text.to_owned() };
        let cases = [
            (vec![piece(1, 3, "whole")], 3, "whole"),
            (
                vec![piece(1, 1, "I take"), piece(3, 3, "not the red one")],
                3,
                "I take [part 2 of 3 missing] not the red one",
            ),
            (vec![piece(1, 1, "I take "), piece(3, 3, " not")], 3, "I take [part 2 of 3 missing] not"),
            (vec![piece(2, 2, "b")], 2, "[part 1 of 2 missing] b"),
            (vec![piece(1, 1, "a")], 2, "a [part 2 of 2 missing]"),
            (
                vec![piece(2, 3, "bc"), piece(6, 6, "f")],
                9,
                "[part 1 of 9 missing] bc [parts 4 to 5 of 9 missing] f [parts 7 to 9 of 9 missing]",
            ),
            (vec![piece(255, 255, "z")], 255, "[parts 1 to 254 of 255 missing] z"),
            (vec![piece(1, 1, "]"), piece(2, 2, "x")], 2, "]x"),
            (Vec::new(), 2, "[parts 1 to 2 of 2 missing]"),
        ];
        for (pieces, total, expected) in cases {
            assert_eq!(shown(&pieces, total), expected);
        }
    }
}
