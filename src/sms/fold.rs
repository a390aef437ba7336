//! Folding: what is the same to a reader becomes the same text.
//!
//! Two texts can be equal to every reader and differ in every octet: capital letters, wide or mathematical letters, a
//! letter with its mark as one character or as two, invisible characters, a Cyrillic `а` among Latin letters. Whoever
//! asks "is it the word STOP?" or "did this person get this text already?" asks it of folded texts. There are three
//! depths, each coarser than the one before:
//!
//! - [`fold`]: Unicode's own idea of it (NFKC and letter case), without what nobody sees and with one kind of space;
//! - [`skeleton`]: also without typography, marks, look-alike letters and most punctuation. Two texts with one skeleton
//!   are one text in two spellings, so what must not be said twice compares skeletons;
//! - [`letters`]: the letters and digits of the skeleton alone, for single words.
//!
//! A folded text is for comparing and is never shown or sent.

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

use super::text::plain_spelling;
use super::untrusted::is_hidden;

/// The text in its compatibility form (NFKC), in one case, without invisible characters, Arabic and Hebrew points and
/// tatweel, each run of white space as one space, and none at the ends. Folding twice changes nothing.
pub fn fold(text: &str) -> String {
    // Invisible characters first, since one between a letter and its mark would keep the two apart; and once more, since
    // ligatures hold points.
    let seen = text.chars().filter(|c| is_seen(*c)).nfkc().filter(|c| is_seen(*c)).collect::<String>();
    spaced(in_one_case(&seen).nfkc())
}

/// What a reader takes from a text: [`fold`], with typographic characters as plain ones, Latin, Greek, Cyrillic and Arabic
/// letters without marks and by their look (see [`look`]), and without white space and punctuation, but for what stands
/// between digits (`1.5`, `12:30`) or is a sign before one (`-5`). Where nothing is left, the folded text itself.
pub fn skeleton(text: &str) -> String {
    let bare = bare(text);
    let mut kept = String::with_capacity(bare.len());
    let mut rest = bare.chars().peekable();
    let mut before = ' ';
    while let Some(c) = rest.next() {
        let is_before_digit = rest.peek().is_some_and(char::is_ascii_digit);
        let is_sign = c == '-' && is_before_digit && !before.is_alphanumeric();
        if !is_pause(c) || is_sign || (is_before_digit && before.is_ascii_digit()) {
            kept.push(c);
        }
        before = c;
    }
    if kept.is_empty() { bare } else { kept }
}

/// The letters and digits of the [`skeleton`], and nothing else.
pub fn letters(text: &str) -> String {
    bare(text).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Digest of the [`skeleton`]: the same for one text in any spelling. What is kept of a text where it must not be said twice.
pub fn digest(text: &str) -> [u8; 16] {
    let full: [u8; 32] = Sha256::digest(skeleton(text).as_bytes()).into();
    let mut short = [0; 16];
    short.iter_mut().zip(full).for_each(|(to, from)| *to = from);
    short
}

/// Folded, in plain spelling, without marks, each letter by its look.
fn bare(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match plain_spelling(c) {
            Some(spelling) => plain.push_str(spelling),
            None => plain.push(c),
        }
    }
    let looks: String = fold(&plain).nfd().filter(|c| !is_mark(*c)).map(look).collect();
    // What was a letter with a mark may have a case again in its new look, and two spaces may have become one.
    spaced(looks.nfkc())
}

/// As one case: to upper case and back, which joins what only one of them joins (`ß` and `SS`, `ς` and `Σ`, `ı` and `I`).
fn in_one_case(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase) {
        // The dot that `İ` leaves behind: an `i` has one already.
        if !(c == '\u{307}' && folded.ends_with('i')) {
            folded.push(c);
        }
    }
    folded
}

/// Each run of white space as one space, and none at the ends.
fn spaced(characters: impl Iterator<Item = char>) -> String {
    let mut text = String::new();
    for c in characters {
        match c.is_whitespace() {
            true if text.is_empty() || text.ends_with(' ') => {}
            true => text.push(' '),
            false => text.push(c),
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// Whether a character counts: white space does, of whatever kind; what is invisible, points and tatweel do not.
fn is_seen(c: char) -> bool {
    c.is_whitespace() || !(is_hidden(c) || is_point(c))
}

/// Points and signs that Arabic and Hebrew are read with or without, and the stretch of an Arabic word.
fn is_point(c: char) -> bool {
    matches!(c,
        '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{652}' | '\u{656}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}')
}

/// Marks of Latin, Greek and Cyrillic letters, those that strike or enclose any letter, and madda and hamza over alef.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{653}'..='\u{655}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

/// White space, and punctuation of the scripts that are texted. Signs of amounts and addresses (`$`, `%`, `@`, `#`) are none.
fn is_pause(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '!' | '"' | '\'' | '(' | ')' | '*' | ',' | '-' | '.' | '/' | ':' | ';' | '?' | '[' | '\\' | ']' | '_' | '`' | '{' | '}'
            | '¡' | '§' | '«' | '·' | '»' | '¿' | '\u{55a}'..='\u{55f}' | '\u{589}' | '\u{5be}' | '\u{5f3}' | '\u{5f4}'
            | '\u{60c}' | '\u{60d}' | '\u{61b}' | '\u{61f}' | '\u{66a}'..='\u{66d}' | '\u{6d4}' | '\u{964}' | '\u{965}'
            | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{301f}' | '\u{30fb}')
}

/// A letter in its Latin look, in lower case. Bounded on purpose: the letters of Greek and Cyrillic whose capital or small
/// form is drawn as a Latin one, Latin letters with a stroke, small capitals, letters in filled circles and squares (which
/// Unicode does not decompose, as it does the others), and the ways in which Arabic keyboards write one letter. Of a Greek
/// letter whose two forms look like two Latin letters (`Ν` and `ν`) the capital counts: GSM-7 has no other.
#[rustfmt::skip]
fn look(c: char) -> char {
    match c {
        'α' | 'а' | 'ɑ' | 'ᴀ' => 'a',   'β' | 'в' | 'ʙ' => 'b',         'с' | 'ϲ' | 'ᴄ' => 'c',
        'ԁ' | 'đ' | 'ᴅ' => 'd',         'ε' | 'е' | 'є' | 'ᴇ' => 'e',   'ꜰ' => 'f',
        'ɡ' | 'ɢ' | 'ԍ' => 'g',         'η' | 'н' | 'һ' | 'ħ' | 'ʜ' => 'h',
        'ι' | 'і' | 'ı' | 'ɪ' | 'ӏ' => 'i',
        'ϳ' | 'ј' | 'ᴊ' => 'j',         'κ' | 'к' | 'қ' | 'ᴋ' => 'k',   'ł' | 'ʟ' => 'l',
        'μ' | 'м' | 'ᴍ' => 'm',         'ν' | 'ɴ' => 'n',               'ο' | 'о' | 'ø' | 'ᴏ' => 'o',
        'ρ' | 'р' | 'ᴘ' => 'p',         'ԛ' => 'q',                     'ʀ' => 'r',
        'ѕ' | 'ꜱ' => 's',               'τ' | 'т' | 'ŧ' | 'ᴛ' => 't',   'ᴜ' => 'u',
        'ѵ' | 'ᴠ' => 'v',               'ԝ' | 'ᴡ' => 'w',               'χ' | 'х' => 'x',
        'υ' | 'у' | 'ү' | 'ʏ' => 'y',   'ζ' | 'ᴢ' => 'z',
        // Yeh and kaf as they are typed in Iran, Pakistan and Egypt; alef wasla.
        '\u{649}' | '\u{6cc}' => '\u{64a}',  '\u{6a9}' => '\u{643}',    '\u{671}' => '\u{627}',
        // Negative circled and squared letters, and the letters that flags are made of.
        '\u{1f150}'..='\u{1f169}' => latin(c, '\u{1f150}'),
        '\u{1f170}'..='\u{1f189}' => latin(c, '\u{1f170}'),
        '\u{1f1e6}'..='\u{1f1ff}' => latin(c, '\u{1f1e6}'),
        _ => c,
    }
}

/// The letter that stands in its row where `c` stands in the row that begins with `first`.
fn latin(c: char, first: char) -> char {
    char::from_u32(u32::from('a') + (u32::from(c) - u32::from(first))).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_unicode_calls_the_same_folds_to_the_same() {
        let same = [
            ("  Hello \r\n\t World\u{a0} ", "hello world"),
            ("ＨＥＬＬＯ　Ｗｏｒｌｄ", "hello world"),
            ("\u{1d407}\u{1d41e}\u{1d425}\u{1d425}\u{1d428} world", "hello world"),
            ("he\u{200b}l\u{ad}lo\u{2060} wor\u{202e}ld\u{feff}", "hello world"),
            ("re\u{301}sume\u{301}", "r\u{e9}sum\u{e9}"),
            ("re\u{200d}\u{301}sum\u{e9}", "r\u{e9}sum\u{e9}"),
            ("\u{17f}top \u{fb01}ne", "stop fine"),
            ("STRASSE", "stra\u{df}e"),
            ("\u{39f}\u{394}\u{39f}\u{3a3}", "\u{3bf}\u{3b4}\u{3bf}\u{3c2}"),
            ("\u{130}PTAL", "iptal"),
            ("I\u{307}ptal", "\u{131}ptal"),
            ("\u{62a}\u{64e}\u{648}\u{64e}\u{642}\u{651}\u{64f}\u{641}", "\u{62a}\u{648}\u{642}\u{641}"),
            ("\u{62a}\u{648}\u{640}\u{640}\u{640}\u{642}\u{641}", "\u{62a}\u{648}\u{642}\u{641}"),
            ("\u{5d4}\u{5b8}\u{5e1}\u{5b5}\u{5e8}", "\u{5d4}\u{5e1}\u{5e8}"),
            ("\u{627}\u{654}\u{648}\u{642}\u{641}", "\u{623}\u{648}\u{642}\u{641}"),
            ("caf\u{e9}\u{0}\u{7}", "CAFE\u{301}"),
            ("a\u{2028}b\u{85}c", "a b c"),
        ];
        for (one, other) in same {
            assert_eq!(fold(one), fold(other), "{one:?} and {other:?}");
        }
        for (one, other) in [("a\u{f1}o", "ano"), ("1.5", "15"), ("ab", "a b"), ("\u{e2b}\u{e22}\u{e38}\u{e14}", "\u{e2b}\u{e22}\u{e14}"), ("!", "?")]
        {
            assert_ne!(fold(one), fold(other), "{one:?} and {other:?}");
        }
    }

    #[test]
    fn one_text_in_two_spellings_has_one_skeleton() {
        let same = [
            ("It\u{2019}s ready \u{2014} \u{201c}now\u{201d}\u{2026}", "Its ready - now"),
            ("Hello, Ann!", "hello ann"),
            ("Hello Ann.", "Hello  Ann"),
            ("Hel lo\nAnn", "Hello Ann"),
            ("\u{421}\u{41e}DE", "CODE"),
            ("p\u{430}\u{443}p\u{430}l", "paypal"),
            ("\u{39d}\u{39f}W", "NOW"),
            ("R\u{e9}sum\u{e9} \u{c7}a \u{142}\u{f8}", "Resume Ca lo"),
            ("s\u{336}t\u{336}o\u{336}p\u{336}", "stop"),
            ("\u{a731}\u{1d1b}\u{1d0f}\u{1d18}", "stop"),
            ("\u{1f182}\u{1f183}\u{1f17e}\u{1f17f}", "stop"),
            ("Your code (TM) is 12:30", "your code\u{2122} is 12:30."),
            ("\u{625}\u{644}\u{63a}\u{627}\u{621}", "\u{627}\u{644}\u{63a}\u{627}\u{621}"),
        ];
        for (one, other) in same {
            assert_eq!(skeleton(one), skeleton(other), "{one:?} and {other:?}");
        }
        let different = [
            ("at 12:30", "at 1230"),
            ("1.5 kg", "15 kg"),
            ("1,000", "1.000"),
            ("-5 degrees", "5 degrees"),
            ("room 3 4", "room 34"),
            ("5 %", "5"),
            ("$5", "5"),
            ("Hello Ann", "Hello Anna"),
            ("?", "!"),
            ("\u{1f600}", "\u{1f622}"),
            ("\u{e2b}\u{e22}\u{e38}\u{e14}", "\u{e2b}\u{e22}\u{e14}"),
            ("\u{304c}", "\u{304b}"),
        ];
        for (one, other) in different {
            assert_ne!(skeleton(one), skeleton(other), "{one:?} and {other:?}");
        }
    }

    #[test]
    fn letters_are_all_that_is_left_of_a_word() {
        for (text, word) in [
            (" S.T.O.P! ", "stop"),
            ("Arr\u{ea}t\u{e9}", "arrete"),
            ("-- ...", ""),
            ("1.5", "15"),
            ("Hu\u{1ef7}", "huy"),
            ("\u{1f1f8}\u{1f1f9}\u{1f1f4}\u{1f1f5}", "stop"),
        ] {
            assert_eq!(letters(text), word, "{text:?}");
        }
    }

    /// Texts dense in what folding is about.
    fn tricky() -> impl Strategy<Value = String> {
        let odd = "aIi\u{131}\u{130}\u{307}\u{301}\u{345}\u{df}\u{3a3}\u{390}\u{1fb3}\u{1f0} -.5\u{a0}\u{200d}\u{fdfa}\u{fc5e}\u{fb2a}\u{64e}\u{654}\u{627}\u{640}\u{ac00}\u{1100}\u{1161}\u{3099}\u{304b}\u{b4}\u{2026}";
        let one = prop_oneof![any::<char>(), prop::sample::select(odd.chars().collect::<Vec<_>>())];
        prop::collection::vec(one, 0..20).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn folding_what_was_folded_changes_nothing(text in tricky()) {
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded.clone());
            prop_assert_eq!(skeleton(&text).is_empty(), bare(&text).is_empty());
            prop_assert!(letters(&text).chars().all(char::is_alphanumeric));
        }
    }
}
