//! What a reply asks for: no more texts, texts again, or nothing of that kind. One that asks for no more texts in
//! many words is an objection (`objection`), which a person has to read.
//!
//! A word counts when it is the whole reply, whatever its case, script and punctuation: "Stop." is one, "stop
//! by at eight" is none. The whole reply may be longer than the word: phones add a signature, people say it
//! twice, add "please" or copy the number from "STOP to 36179". A word that asks for nothing else counts too
//! as a sentence or a line of its own in a short reply ("Wrong number. Stop"), and in capitals before a few
//! other words ("STOP Acme"). In doubt a word is taken for a stop, since a text too few does less harm than
//! one too many; a START is taken for one only where it is nothing else.
//!
//! [`meaning`] needs the reply, the country of the person and the operator's own words ([`StopWords`]).
//! [`is_announced`] needs the text that the person answers too: where that said "reply 2 to unsubscribe", a 2
//! is an order.

mod announced;
mod consent;
mod help;
mod objection;
mod sentences;
mod signature;
mod words;

pub use announced::{announces_stop, is_announced, may_be_announced};
pub use consent::{YesWords, is_yes};
pub use help::{HelpWords, asks_for_help, is_keyword};

use super::fold::letters;
use signature::Split;

/// What a reply asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// No more texts.
    Stop,
    /// Texts again.
    Start,
    /// The operator's help ([`asks_for_help`]).
    Help,
    /// No more texts, in many words: somebody has to read it, and marketing waits until then.
    Objection,
    /// Anything else.
    Other,
}

impl Meaning {
    /// The word for it in the log and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Help => "help",
            Self::Objection => "objection",
            Self::Other => "reply",
        }
    }
}

/// Longest part of a reply that may be an order, in characters. What is longer says something else.
const MAX_ORDER: usize = 160;

/// Longest part that may be a word again and again with its courtesies, in characters. An angry person writes
/// more.
const MAX_REPEATED: usize = 4_000;

/// Most words behind a word in capitals that is an order all the same.
const MAX_BEHIND: usize = 6;

/// Most words of a phrase that is one order.
const MAX_PHRASE: usize = 4;

/// Most words that the operator adds, and the longest of them, in characters.
const MAX_OWN: usize = 200;
const MAX_OWN_CHARS: usize = 64;

/// The red octagon.
const OCTAGON: char = '\u{1f6d1}';

/// Digits that a short code has at least, where a preposition stands before it ("STOP au 36179"; not "stop at
/// 8").
const SHORT_CODE: usize = 4;

/// The operator's own words for no more texts, beside those that are known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopWords(Vec<String>);

impl StopWords {
    /// Reads a list of words or short phrases.
    ///
    /// # Errors
    /// What is wrong with the list, in words that name the entry: one has no letter or digit, asks for texts
    /// again, is longer than 64 characters, or there are more than 200.
    pub fn new(words: &[String]) -> Result<Self, String> {
        if words.len() > MAX_OWN {
            return Err(format!("has {} words; at most {MAX_OWN} are taken", words.len()));
        }
        let read = |word: &String| {
            let shown = super::untrusted::escape(word);
            let folded = letters(word);
            if folded.is_empty() {
                return Err(format!("has \"{shown}\", in which there is no letter and no digit"));
            }
            if word.chars().count() > MAX_OWN_CHARS {
                return Err(format!("has \"{shown}\", which is longer than {MAX_OWN_CHARS} characters"));
            }
            if words::is_start(&folded) {
                return Err(format!("has \"{shown}\", which asks for texts again"));
            }
            Ok(folded)
        };
        words.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    fn has(&self, letters: &str) -> bool {
        self.0.iter().any(|word| word == letters)
    }
}

/// What this reply asks for. `calling_code` is that of the person's number (86 for China), where it is known:
/// some words are orders in one country alone.
pub fn meaning(text: &str, calling_code: Option<u16>, own: &StopWords) -> Meaning {
    // The sign is the word.
    let reply = signature::split(&text.replace(OCTAGON, " STOP "));
    if is_stop(&reply, calling_code, own) {
        Meaning::Stop
    } else if reply.more.is_empty()
        && reply.order.len() <= MAX_ORDER
        && words::is_start(&letters(&reply.order))
    {
        Meaning::Start
    } else if objection::objects(text) {
        Meaning::Objection
    } else {
        Meaning::Other
    }
}

fn is_stop(reply: &Split, calling_code: Option<u16>, own: &StopWords) -> bool {
    let is_plain = |word: &str| words::is_plain(word) || own.has(word);
    // A plain word may be any paragraph of the reply ("Who is this?", then "STOP").
    let mut parts = reply
        .first_line
        .iter()
        .chain([&reply.order])
        .chain(&reply.more)
        .filter(|part| part.chars().count() <= MAX_REPEATED);
    if parts.any(|part| {
        is_among_courtesies(part, is_plain) || is_glued(&letters(part), is_plain) || is_loud(part)
    }) {
        return true;
    }
    // So it may be any sentence of a reply that is short.
    let length: usize = reply.lines.iter().map(|line| line.chars().count()).sum();
    let is_order = |sentence: &&str| is_among_courtesies(sentence, is_plain) || is_loud(sentence);
    if length <= MAX_ORDER && sentences::of(&reply.lines).iter().any(is_order) {
        return true;
    }
    if reply.order.chars().count() > MAX_ORDER {
        return false;
    }
    let whole = letters(&reply.order);
    // What may be an ordinary answer must be all that was written.
    let is_alone = |word: &str| {
        is_plain(word)
            || words::is_alone(word)
            || calling_code.is_some_and(|code| words::is_local(word, code))
    };
    reply.more.is_empty() && (is_alone(&whole) || is_repeated(&reply.order, is_alone))
}

/// The words of an order by their letters.
fn words_of(order: &str) -> Vec<String> {
    order.split(is_between).map(letters).filter(|word| !word.is_empty()).collect()
}

/// Whether a part begins with a strong word in capitals and goes on for a few words, but not as "STOP by at
/// eight" does.
fn is_loud(part: &str) -> bool {
    let mut words = part.split(is_between).filter(|word| word.chars().any(char::is_alphanumeric));
    let is_capital =
        |word: &&str| word.chars().any(char::is_uppercase) && !word.chars().any(char::is_lowercase);
    let is_strong = words.next().filter(is_capital).is_some_and(|word| words::is_strong(&letters(word)));
    let behind: Vec<&str> = words.take(MAX_BEHIND + 1).collect();
    is_strong
        && behind.len() <= MAX_BEHIND
        && behind.first().is_none_or(|next| !words::is_going_on(&letters(next)))
}

/// Whether a character stands between words. An apostrophe does not: "don't" is one word.
fn is_between(c: char) -> bool {
    let is_wide = matches!(c, '\u{a1}' | '\u{ab}' | '\u{b7}' | '\u{bb}' | '\u{bf}' | '\u{60c}' | '\u{2010}'..='\u{2015}' | '\u{201c}'..='\u{2027}');
    let is_han = matches!(
        c,
        '\u{3001}' | '\u{3002}' | '\u{ff01}' | '\u{ff0c}' | '\u{ff0e}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff1f}'
    );
    c.is_whitespace() || (c.is_ascii_punctuation() && c != '\'') || is_wide || is_han
}

/// Whether a plain word, or several, stand among nothing but courtesies and the number that the order goes
/// to.
fn is_among_courtesies(order: &str, is_plain: impl Fn(&str) -> bool) -> bool {
    let read = words_of(order);
    if is_plain(&read.concat()) {
        return true;
    }
    let (mut found, mut rest) = (false, read.as_slice());
    while let Some((word, behind)) = rest.split_first() {
        // "stop", "opt out", "S T O P".
        let words = (1..=MAX_PHRASE.min(rest.len()))
            .rev()
            .find(|count| rest.get(..*count).is_some_and(|words| is_plain(&words.concat())));
        if let Some(count) = words {
            rest = rest.get(count..).unwrap_or_default();
            // "STOP 2": which list, or which of the lines in the text.
            rest = rest.split_first().filter(|(next, _)| is_number(next)).map_or(rest, |(_, rest)| rest);
            found = true;
        } else if is_plain(word.trim_end_matches(|c: char| c.is_ascii_digit())) {
            (found, rest) = (true, behind);
        } else if words::is_around(word)
            || (is_number(word)
                && (word.len() >= SHORT_CODE || behind.first().is_some_and(|next| is_plain(next))))
        {
            rest = behind;
        } else {
            return false;
        }
    }
    found
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the whole reply is one such word, said again and again.
fn is_repeated(order: &str, is_word: impl Fn(&str) -> bool) -> bool {
    let read = words_of(order);
    !read.is_empty() && read.iter().all(|word| is_word(word))
}

/// Whether a plain word is written in one with its courtesies and its sign, as scripts without spaces have
/// it: 请回复TD退订.
fn is_glued(whole: &str, is_plain: impl Fn(&str) -> bool) -> bool {
    if whole.is_ascii() || whole.chars().count() > MAX_ORDER / 4 {
        return false;
    }
    let (mut rest, mut is_reply) = (whole, false);
    loop {
        let short = words::BEFORE.iter().find_map(|word| rest.strip_prefix(word)).or_else(|| {
            let behind = |word: &&str| rest.strip_suffix(letters(word).as_str());
            words::BEHIND.iter().find_map(behind)
        });
        let with = words::REPLY_WITH.iter().find_map(|word| rest.strip_prefix(word));
        match (short, with) {
            // A plain word may begin or end like a courtesy.
            _ if is_plain(rest) => return true,
            (Some(short), _) => rest = short,
            (None, Some(with)) => (rest, is_reply) = (with, true),
            (None, None) => break,
        }
    }
    let is_sign = |text: &str| words::SIGNS.contains(&text);
    let beside = |sign: &&str| {
        let parts = [rest.strip_prefix(*sign), rest.strip_suffix(*sign)];
        parts.into_iter().flatten().any(|word| !word.is_ascii() && is_plain(word))
    };
    (is_reply && is_sign(rest)) || words::SIGNS.iter().any(beside)
}

#[cfg(test)]
mod tests;
