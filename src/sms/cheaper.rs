//! What makes a text UCS-2, and how to write the same in GSM 7-bit: one curly quote more than doubles the
//! price of a text, and says nothing that a straight one does not.
//!
//! [`forcing`] names the characters, [`cheaper_spelling`] repairs what can be repaired without changing a word.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::compose;

use super::text::{Encoding, measure, septets};

/// A character that makes a text UCS-2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forcing {
    /// The character, which GSM 7-bit does not have.
    pub character: char,
    /// How often it is in the text; at least 1.
    pub count: usize,
    /// GSM-7 text that reads the same in its place (may be empty), or `None` where a replacement would change
    /// a word, an amount or a picture.
    pub replacement: Option<&'static str>,
}

/// The distinct characters that make a text UCS-2, in order of first appearance; empty for a GSM-7 text.
pub fn forcing(text: &str) -> Vec<Forcing> {
    let mut found: Vec<Forcing> = Vec::new();
    let mut places = HashMap::new();
    for character in text.chars().filter(|character| septets(*character).is_none()) {
        let place = *places.entry(character).or_insert(found.len());
        match found.get_mut(place) {
            Some(forcing) => forcing.count += 1,
            None => found.push(Forcing { character, count: 1, replacement: plain_spelling(character) }),
        }
    }
    found
}

/// A spelling of the same text that costs less: letters and their marks as one character each (`é` for `e`
/// and U+0301), and typographic characters replaced as [`forcing`] says where the text becomes GSM 7-bit by
/// that as a whole.
///
/// `Some` only if the text is UCS-2 and becomes GSM-7, or stays UCS-2 and becomes shorter; a replacement in a
/// text that stays UCS-2 saves nothing, so there letters alone are composed. A GSM-7 result may be longer
/// than the text (`…` becomes `...`): [`plan`](super::text::plan) it again.
pub fn cheaper_spelling(text: &str) -> Option<String> {
    let (Encoding::Ucs2, units) = measure(text) else { return None };
    let composed: String = text.nfc().collect();
    let mut rewritten = String::with_capacity(composed.len());
    for character in composed.chars() {
        if septets(character).is_some() {
            rewritten.push(character);
        } else if let Some(plain) = plain_spelling(character) {
            rewritten.push_str(plain);
        } else {
            return (measure(&composed).1 < units).then_some(composed);
        }
    }
    Some(rewritten)
}

/// The letter that this mark makes with the one before it, where it first does so in the text: `é` for U+0301
/// in `e` and U+0301. Nothing for a character that stays by itself.
pub fn composed_with(text: &str, mark: char) -> Option<String> {
    let pairs = text.chars().zip(text.chars().skip(1)).filter(|(_, second)| *second == mark);
    pairs.filter_map(|(letter, mark)| compose(letter, mark)).map(String::from).next()
}

/// Typography that people and language models write without meaning anything by it. Letters of a language
/// (`ç`, `á`, `·`), amounts (`½`, `²`, `¢`) and pictures are left out on purpose: a guess there changes what
/// the text says.
#[rustfmt::skip]
pub(super) fn plain_spelling(character: char) -> Option<&'static str> {
    Some(match character {
        // Spaces of a given width, ideographic space, tab; then line ends.
        '\t' | '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => " ",
        '\u{B}' | '\u{85}' | '\u{2028}' | '\u{2029}' => "\n",
        // Soft hyphen, zero-width space, direction marks, word joiner, byte order mark, emoji and text
        // selectors.
        '\u{AD}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}' => "",
        '\u{2066}'..='\u{2069}' | '\u{FE0E}' | '\u{FE0F}' | '\u{FEFF}' => "",
        // Single quotes, apostrophes, primes, accents that stand alone; then double ones.
        '‘' | '’' | '‚' | '‛' | '‹' | '›' | 'ʼ' | '′' | '‵' | '`' | '´' => "'",
        '“' | '”' | '„' | '‟' | '«' | '»' | '″' | '‶' => "\"",
        // Hyphens, figure dash, en dash, em dash, bar, minus signs; then bullets.
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}' => "-",
        '•' | '‣' | '⁃' | '◦' | '∙' | '▪' | '●' => "-",
        '…' => "...", '‥' => "..",
        '™' => "(TM)", '®' => "(R)", '©' => "(C)", '℠' => "(SM)",
        '×' => "x", '÷' | '⁄' | '∕' => "/", '±' => "+/-", '≤' => "<=", '≥' => ">=", '≠' => "!=", '≈' => "~",
        '→' => "->", '←' => "<-", '↔' => "<->", '⇒' => "=>",
        // Ligatures, and signs that Unicode itself calls equal to a letter (ohm, kelvin, angstrom).
        'ﬀ' => "ff", 'ﬁ' => "fi", 'ﬂ' => "fl", 'ﬃ' => "ffi", 'ﬄ' => "ffl", 'ﬅ' | 'ﬆ' => "st",
        '\u{2126}' => "Ω", '\u{212A}' => "K", '\u{212B}' => "Å",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn forcing_characters_come_in_order_with_counts_and_replacements() {
        let found = forcing("“Ça va” – ça… 😀😀");
        let row = |character, count, replacement| Forcing { character, count, replacement };
        assert_eq!(found.len(), 6);
        assert_eq!(found[0], row('“', 1, Some("\"")));
        assert_eq!(found[2], row('–', 1, Some("-")));
        assert_eq!(found[3], row('ç', 1, None));
        assert_eq!(found[5], row('😀', 2, None));
    }

    #[test]
    fn a_rewrite_makes_the_whole_text_gsm7_or_leaves_it_alone() {
        assert_eq!(cheaper_spelling("It’s\u{A0}ready\u{200B} — “now”…").unwrap(), "It's ready - \"now\"...");
        assert_eq!(cheaper_spelling("plain é text"), None, "already GSM-7");
        assert_eq!(cheaper_spelling("it’s ça"), None, "one letter stays, so nothing is saved");
        assert_eq!(cheaper_spelling("10½"), None, "a fraction is an amount");
        assert_eq!(cheaper_spelling("\u{1B}e").as_deref(), None);
        for character in '\0'..=char::MAX {
            let replacement = plain_spelling(character).unwrap_or_default();
            assert!(replacement.chars().all(|new| septets(new).is_some()), "{character:?}");
            assert!(replacement.is_empty() || septets(character).is_none(), "{character:?}");
        }
    }

    #[test]
    fn decomposed_letters_are_offered_composed_where_that_costs_less() {
        assert_eq!(cheaper_spelling("cafe\u{301} a\u{300} la mode").unwrap(), "caf\u{e9} \u{e0} la mode");
        assert_eq!(
            cheaper_spelling("U\u{308}ber\u{2026} n\u{303}").unwrap(),
            "\u{dc}ber... \u{f1}",
            "with typography"
        );
        // GSM-7 has no \u{e7} and no \u{fd}: it stays UCS-2, and is shorter.
        assert_eq!(
            cheaper_spelling("c\u{327}a va \u{2014} tre\u{300}s").unwrap(),
            "\u{e7}a va \u{2014} tr\u{e8}s"
        );
        assert_eq!(cheaper_spelling("\u{1112}\u{1161}\u{11ab}").unwrap(), "\u{d55c}");
        for kept in [
            "\u{e7}a",
            "caf\u{e9}",
            "x\u{301}",
            "\u{e01}\u{e33}",
            "\u{1f468}\u{200d}\u{1f469}",
            "\u{5d0}\u{5b8}",
        ] {
            assert_eq!(cheaper_spelling(kept), None, "{kept:?}");
        }
        assert_eq!(composed_with("cafe\u{301}", '\u{301}').as_deref(), Some("\u{e9}"));
        assert_eq!(composed_with("x\u{301}", '\u{301}'), None);
    }
}
