//! Folding: what is the same to a reader becomes the same text.
//!
//! Two texts can be equal to every reader and differ in every octet: capital letters, wide or mathematical
//! letters, a letter with its mark as one character or as two, invisible characters, a Cyrillic `а` among
//! Latin letters. Whoever asks "is it the word STOP?" or "did this person get this text already?" asks it of
//! folded texts. There are four depths, each coarser than the one before:
//!
//! - [`fold`]: Unicode's own idea of it (NFKC and letter case), without what nobody sees and with one kind of
//!   space;
//! - [`skeleton`]: also without typography, marks, look-alike letters and most punctuation. Two texts with
//!   one skeleton are one text in two spellings, so what must not be said twice compares skeletons;
//! - [`letters`]: the letters and digits of the skeleton alone, for single words;
//! - [`glance`]: also without what only a font tells apart, for names that people trust at sight.
//!
//! [`digest`] is what is kept of a text where it must not be said twice. It looks past what is put around a
//! text that is said again, too: "Re:", a counter in brackets, the text once more.
//!
//! A folded text is for comparing and is never shown or sent.

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

use super::cheaper::plain_spelling;
use super::untrusted::is_hidden;

/// The text in its compatibility form (NFKC), in one case, without invisible characters, Arabic and Hebrew
/// points and tatweel, each run of white space as one space, and none at the ends. Folding twice changes
/// nothing.
pub fn fold(text: &str) -> String {
    // Nearly every text is that, and none of it has another form.
    if text.is_ascii() {
        return spaced(text.chars().filter(|c| is_seen(*c)).map(|c| c.to_ascii_lowercase()));
    }
    fold_any(text)
}

fn fold_any(text: &str) -> String {
    // Invisible characters first, since one between a letter and its mark would keep the two apart; and once
    // more, since ligatures hold points.
    let seen = text.chars().filter(|c| is_seen(*c)).nfkc().filter(|c| is_seen(*c)).collect::<String>();
    spaced(in_one_case(&seen).nfkc())
}

/// What a reader takes from a text: [`fold`], with typographic characters as plain ones, Latin, Greek,
/// Cyrillic and Arabic letters without marks and by their look (see `look`), and without pictures, white
/// space and punctuation, but for what stands between digits (`1.5`, `12:30`) or is a sign before one (`-5`).
/// Where nothing is left, the folded text without pictures, or with them where it is nothing else.
pub fn skeleton(text: &str) -> String {
    let drawn = bare(text);
    let bare = spaced(drawn.chars().map(|c| if is_picture(c) { ' ' } else { c }));
    if bare.is_empty() {
        return drawn;
    }
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

/// What a name is at a glance: its [`letters`], and as one those that only a font tells apart (`I`, `l` and
/// `1`, `O` and `0`, `rn` and `m`, `vv` and `w`). For names such as senders; a text says something else with
/// another digit.
pub fn glance(name: &str) -> String {
    let drawn = |c: char| match c {
        'i' | '1' => 'l',
        '0' => 'o',
        _ => c,
    };
    letters(name).replace("rn", "m").replace("vv", "w").chars().map(drawn).collect()
}

/// Digest of the [`skeleton`] of what is said: the same for one text in any spelling, with "Re:" before it, a
/// counter or a sign behind it, or said twice in one. What is kept of a text where it must not be said twice.
pub fn digest(text: &str) -> [u8; 16] {
    let full: [u8; 32] = Sha256::digest(once(&skeleton(core(text))).as_bytes()).into();
    let mut short = [0; 16];
    short.iter_mut().zip(full).for_each(|(to, from)| *to = from);
    short
}

/// Most digits of a counter in brackets, and behind a `#`: an order or a ticket has more.
const MAX_BRACKETED: usize = 2;
const MAX_NUMBERED: usize = 1;

/// What stands before a text that is answered or passed on, in the mail programs of several languages.
const PASSED_ON: [&str; 8] = ["re", "fwd", "fw", "aw", "wg", "sv", "vs", "tr"];

/// A text without what is put around one that is said again: "Re:", a counter in brackets or with `#` at its
/// end, signs and pictures at its ends. The text itself where that is all. A bare figure is no counter: "room
/// 1".
fn core(text: &str) -> &str {
    let mut rest = text.trim();
    loop {
        let within = without_prefix(rest)
            .or_else(|| without_counter(rest))
            .or_else(|| without_signs(rest))
            .map(str::trim);
        match within {
            Some(within) if within.chars().any(char::is_alphanumeric) => rest = within,
            _ => return rest,
        }
    }
}

fn without_prefix(text: &str) -> Option<&str> {
    let (prefix, rest) = text.split_once([':', '\u{ff1a}'])?;
    (prefix.len() <= 16 && PASSED_ON.contains(&fold(prefix).as_str())).then_some(rest)
}

/// Without `(2)`, `[2/3]` or `(#2)` at either end, or ` #2` at the last.
fn without_counter(text: &str) -> Option<&str> {
    let text = text.trim_end_matches(['.', '!', ' ']);
    let is_count = |digits: &str, most: usize| {
        (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_inside = |inside: &str| {
        inside.trim().trim_start_matches('#').split('/').all(|digits| is_count(digits.trim(), MAX_BRACKETED))
    };
    let bracketed = [('(', ')'), ('[', ']'), ('{', '}'), ('\u{ff08}', '\u{ff09}')].into_iter().find_map(
        |(open, close)| {
            let behind = text
                .strip_suffix(close)
                .and_then(|text| text.rsplit_once(open))
                .filter(|(_, inside)| is_inside(inside));
            let before = text
                .strip_prefix(open)
                .and_then(|text| text.split_once(close))
                .filter(|(inside, _)| is_inside(inside));
            behind.map(|(rest, _)| rest).or(before.map(|(_, rest)| rest))
        },
    );
    bracketed.or_else(|| {
        let (rest, digits) = text.rsplit_once('#')?;
        (rest.ends_with(char::is_whitespace)
            && digits.split('/').all(|digits| is_count(digits, MAX_NUMBERED)))
        .then_some(rest)
    })
}

/// Without a word at either end that has no letter and no digit: `->`, `+++`, a flag. Signs of amounts are
/// words (`5 %`).
fn without_signs(text: &str) -> Option<&str> {
    let is_flag = |c: char| matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
    let is_sign = |c: char| {
        is_flag(c)
            || is_picture(c)
            || is_pause(c)
            || is_hidden(c)
            || matches!(
                c,
                '<' | '>'
                    | '='
                    | '~'
                    | '^'
                    | '|'
                    | '+'
                    | '&'
                    | '#'
                    | '@'
                    | '\u{2122}'
                    | '\u{a9}'
                    | '\u{ae}'
                    | '\u{2139}'
            )
    };
    let is_signs = |word: &str| word.chars().all(is_sign);
    let behind =
        text.rsplit_once(char::is_whitespace).filter(|(_, last)| is_signs(last)).map(|(rest, _)| rest);
    let before =
        || text.split_once(char::is_whitespace).filter(|(first, _)| is_signs(first)).map(|(_, rest)| rest);
    // A flag needs no space before it.
    let flagged = || Some(text.trim_end_matches(is_flag)).filter(|rest| rest.len() < text.len());
    behind.or_else(before).or_else(flagged)
}

/// What is said, where it is said several times in one: the half of "callmecallme". Figures alone say each
/// time more.
fn once(skeleton: &str) -> String {
    let mut rest: Vec<char> = skeleton.chars().collect();
    while let Some(part) = (2..=3).find_map(|times| part_of(&rest, times)) {
        rest = part;
    }
    rest.into_iter().collect()
}

/// What these characters are, said so many times with at most one character that is no letter or digit
/// between.
fn part_of(text: &[char], times: usize) -> Option<Vec<char>> {
    [0, 1].into_iter().find_map(|gap| {
        let size = text.len().checked_sub(gap * (times - 1))?.checked_div(times)?;
        let (first, _) = text.split_at_checked(size)?;
        let is_fit =
            size * times + gap * (times - 1) == text.len() && first.iter().any(|c| c.is_alphabetic());
        let is_between = |chunk: &[char]| chunk.get(size).is_none_or(|c| !c.is_alphanumeric());
        let is_same =
            || text.chunks(size + gap).all(|chunk| chunk.get(..size) == Some(first) && is_between(chunk));
        (is_fit && is_same()).then(|| first.to_vec())
    })
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
    let folded = fold(&plain);
    if folded.is_ascii() { folded } else { looks(&folded) }
}

/// A folded text without marks, each letter by its look.
fn looks(folded: &str) -> String {
    let looks: String = folded.nfd().filter(|c| !is_mark(*c)).map(look).collect();
    // What was a letter with a mark may have a case again in its new look, and two spaces may have become
    // one.
    spaced(looks.nfkc())
}

/// As one case: to upper case and back, which joins what only one of them joins (`ß` and `SS`, `ς` and `Σ`,
/// `ı` and `I`).
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

/// Whether a character counts: white space does, of whatever kind; what is invisible, points and tatweel do
/// not.
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

/// Marks of Latin, Greek and Cyrillic letters, those that strike or enclose any letter, and madda and hamza
/// over alef.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{653}'..='\u{655}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

/// White space, and punctuation of the scripts that are texted. Signs of amounts and addresses (`$`, `%`,
/// `@`, `#`) are none.
fn is_pause(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '!' | '"' | '\'' | '(' | ')' | '*' | ',' | '-' | '.' | '/' | ':' | ';' | '?' | '[' | '\\' | ']' | '_' | '`' | '{' | '}'
            | '¡' | '§' | '«' | '·' | '»' | '¿' | '\u{55a}'..='\u{55f}' | '\u{589}' | '\u{5be}' | '\u{5f3}' | '\u{5f4}'
            | '\u{60c}' | '\u{60d}' | '\u{61b}' | '\u{61f}' | '\u{66a}'..='\u{66d}' | '\u{6d4}' | '\u{964}' | '\u{965}'
            | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{301f}' | '\u{30fb}')
}

/// Emoji, arrows, boxes and other pictures: what decorates a text. Figures in filled circles are none.
fn is_picture(c: char) -> bool {
    matches!(c,
        '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}' | '\u{2500}'..='\u{2775}' | '\u{2794}'..='\u{27bf}' | '\u{2900}'..='\u{297f}'
        | '\u{2b00}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{1f000}'..='\u{1f0ff}' | '\u{1f18a}'..='\u{1f1e5}'
        | '\u{1f300}'..='\u{1f6ff}' | '\u{1f780}'..='\u{1f8ff}' | '\u{1f900}'..='\u{1faff}')
}

/// A letter in its Latin look, in lower case. Bounded on purpose: the letters of Greek and Cyrillic whose
/// capital or small form is drawn as a Latin one, the plainest of Armenian and Coptic, Latin letters with a
/// stroke, small capitals, letters in filled circles and squares (which Unicode does not decompose, as it
/// does the others), and the ways in which Arabic keyboards write one letter. Of a Greek letter whose two
/// forms look like two Latin letters (`Ν` and `ν`) the capital counts: GSM-7 has no other.
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
        // The soft sign; Armenian; Coptic.
        'ь' | 'ƅ' => 'b',
        'օ' => 'o', 'ո' => 'n', 'ս' => 'u', 'հ' => 'h', 'ց' => 'g', 'զ' => 'q', 'յ' => 'j', 'լ' => 'l',
        'ⲁ' => 'a', 'ⲃ' => 'b', 'ⲥ' => 'c', 'ⲉ' => 'e', 'ⲏ' => 'h', 'ⲓ' => 'i', 'ⲕ' => 'k', 'ⲙ' => 'm', 'ⲛ' => 'n',
        'ⲟ' => 'o', 'ⲣ' => 'p', 'ⲧ' => 't', 'ⲭ' => 'x', 'ⲩ' => 'y', 'ⲍ' => 'z',
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

    proptest! {
        #[test]
        fn what_is_ascii_folds_as_everything_does(text in "[\\x00-\\x7f]{0,40}") {
            prop_assert_eq!(fold(&text), fold_any(&text));
            prop_assert_eq!(looks(&fold_any(&text)), fold_any(&text));
        }
    }

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
        for (one, other) in [
            ("a\u{f1}o", "ano"),
            ("1.5", "15"),
            ("ab", "a b"),
            ("\u{e2b}\u{e22}\u{e38}\u{e14}", "\u{e2b}\u{e22}\u{e14}"),
            ("!", "?"),
        ] {
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
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn a_text_with_something_put_around_it_is_the_same_text_again() {
        for text in [
            "Your table is ready",
            "Your table is ready.",
            "Meet at 8",
            "\u{60a8}\u{7684}\u{684c}\u{5b50}",
            "Room 3 of 4",
        ] {
            let mut again: Vec<String> = [
                "\u{1f642}",
                "\u{2764}\u{fe0f}",
                "\u{2705}",
                "\u{1f44d}\u{1f3fd}",
                "(2)",
                "[2]",
                "(2/2)",
                "( 2 )",
                "#2",
                "(#2)",
                "->",
                "\u{2192}",
                "=>",
                ">>",
                "+++",
                "~",
                "|",
                "*",
                "\u{1f1ec}\u{1f1e7}",
                "\u{1f197}",
                "\u{2139}\u{fe0f}",
                "\u{2605}",
                "\u{a9}",
                "(2) \u{1f642}",
                "...",
            ]
            .iter()
            .map(|sign| format!("{text} {sign}"))
            .collect();
            again.extend(
                [
                    "Re: ",
                    "RE:",
                    "Fwd: ",
                    "fw: Re: ",
                    "AW: ",
                    "\u{1f514} ",
                    "-> ",
                    ">> ",
                    "** ",
                    "(2) ",
                    "[2/2] ",
                ]
                .iter()
                .map(|before| format!("{before}{text}")),
            );
            again.extend([
                format!("{text}\u{1f642}"),
                format!("{text}(2)"),
                format!("{text} {text}"),
                format!("{text}\n{text}"),
                format!("{text} {text} {text}"),
                format!("{text} {text} {text} {text}"),
                format!("Re: {text} {text} \u{1f642}"),
            ]);
            for again in again {
                assert_eq!(digest(text), digest(&again), "{text:?} and {again:?}");
            }
        }
        for (one, other) in [
            ("Table", "Ta\u{42c}le"),
            ("no", "\u{578}\u{585}"),
            ("hot", "\u{2c8f}\u{2c9f}\u{2ca7}"),
            ("?", "? \u{1f642}"),
            ("yes", "yes yes"),
        ] {
            assert_eq!(digest(one), digest(other), "{one:?} and {other:?}");
        }
    }

    #[test]
    fn what_carries_meaning_makes_another_text() {
        let different = [
            ("room 3", "room 4"),
            ("room 3", "room"),
            ("7 pm", "8 pm"),
            ("1.5 kg", "15 kg"),
            ("Hello Ann 1", "Hello Ann"),
            ("Order #123", "Order #124"),
            ("Code (1234)", "Code (1235)"),
            ("5 %", "5"),
            ("5 \u{20ac}", "5"),
            ("$ 5", "5"),
            ("55", "5"),
            ("12 12", "12"),
            ("room \u{2776}", "room \u{2777}"),
            ("room 3\u{1f642}4", "room 34"),
            ("\u{1f600}", "\u{1f622}"),
            ("(2)", "(3)"),
            ("#1", "#2"),
            ("Re:", "Fwd:"),
            ("?", "!"),
            ("Hello Ann", "Hello Ann again"),
            ("a > b", "a b"),
        ];
        for (one, other) in different {
            assert_ne!(digest(one), digest(other), "{one:?} and {other:?}");
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

    #[test]
    fn names_that_a_reader_takes_for_one_are_one_at_a_glance() {
        for (name, like) in [
            ("PayPal", "PayPaI"),
            ("PayPal", "PAYPA1"),
            ("ACME", "ACME "),
            ("ACME", "A.C.M.E"),
            ("ACME", "\u{200b}\u{391}CM\u{415}\u{200d}"),
            ("ACME", "\u{ff21}\u{ff23}\u{ff2d}\u{ff25}"),
            ("ACME", "\u{c0}CM\u{c9}"),
            ("Zoom", "Z0orn"),
            ("wallet", "vvaIlet"),
            ("10690001", "l069OOO1"),
        ] {
            assert_eq!(glance(name), glance(like), "{name} and {like:?}");
        }
        for (name, other) in [
            ("ACME", "ACME 2"),
            ("ACME", "ACNE"),
            ("Zoom", "Zom"),
            ("10690001", "10690002"),
            ("PayPal", "PayPals"),
        ] {
            assert_ne!(glance(name), glance(other), "{name} and {other}");
        }
    }

    /// Texts dense in what folding is about.
    fn tricky() -> impl Strategy<Value = String> {
        let odd = "aIi\u{131}\u{130}\u{307}\u{301}\u{345}\u{df}\u{3a3}\u{390}\u{1fb3}\u{1f0} \
            -.5\u{a0}\u{200d}\u{fdfa}\u{fc5e}\u{fb2a}\u{64e}\u{654}\u{627}\u{640}\u{ac00}\u{1f642}#2)(\u{1100}\u{1161}\u{3099}\u{304b}\u{b4}\u{2026}";
        let one = prop_oneof![any::<char>(), prop::sample::select(odd.chars().collect::<Vec<_>>())];
        prop::collection::vec(one, 0..20).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn folding_what_was_folded_changes_nothing(text in tricky()) {
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded.clone());
            prop_assert_eq!(skeleton(&text).is_empty(), bare(&text).is_empty());
            prop_assert_eq!(core(core(&text)), core(&text));
            prop_assert_eq!(once(&once(&text)), once(&text));
            prop_assert!(letters(&text).chars().all(char::is_alphanumeric));
        }
    }
}
