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
//! A word for help is a courtesy beside them ("help me unsubscribe", "HELP" and "Cancel" below it): whoever asks
//! for both is not to be texted.
//!
//! [`meaning`] needs the reply, the country of the person and the operator's own words ([`StopWords`],
//! [`HelpWords`]).
//! [`is_announced`] needs the text that the person answers too: where that said "reply 2 to unsubscribe", a 2
//! is an order.

mod announced;
mod consent;
mod help;
mod objection;
mod order;
mod sentences;
mod signature;
mod words;

pub use announced::{announces_stop, is_announced, may_be_announced};
pub use consent::{YesWords, is_yes};
pub use help::{HelpWords, asks_for_help, is_keyword};
pub use order::StopWords;

use super::fold::letters;
use order::{MAX_ORDER, MAX_PHRASE, OCTAGON, is_between, words_of};
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

/// Longest part that may be a word again and again with its courtesies, in characters. An angry person writes
/// more.
const MAX_REPEATED: usize = 4_000;

/// Most words behind a word in capitals that is an order all the same.
const MAX_BEHIND: usize = 6;

/// Digits that a short code has at least, where a preposition stands before it ("STOP au 36179"; not "stop at
/// 8").
const SHORT_CODE: usize = 4;

/// The operator's words for help, of this list.
///
/// # Errors
/// As for [`HelpWords::new`]; and one that asks for no more texts, or for texts again.
pub fn help_words(list: &[String], stop: &StopWords) -> Result<HelpWords, String> {
    HelpWords::new(list, |word| match meaning(word, None, stop, &HelpWords::default()) {
        Meaning::Stop => Some("asks for no more texts"),
        Meaning::Start => Some("asks for texts again"),
        Meaning::Help | Meaning::Objection | Meaning::Other => None,
    })
}

/// What this reply asks for. `calling_code` is that of the person's number (86 for China), where it is known:
/// some words are orders in one country alone. That it asks for help, [`asks_for_help`] says.
pub fn meaning(text: &str, calling_code: Option<u16>, own: &StopWords, help: &HelpWords) -> Meaning {
    // The sign is the word.
    let reply = signature::split(&text.replace(OCTAGON, " STOP "));
    if is_stop(&reply, calling_code, own, help) {
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

fn is_stop(reply: &Split, calling_code: Option<u16>, own: &StopWords, help: &HelpWords) -> bool {
    let is_plain = |word: &str| words::is_plain(word) || own.has(word);
    // A plain word may be any paragraph of the reply ("Who is this?", then "STOP").
    let mut parts = reply
        .first_line
        .iter()
        .chain([&reply.order])
        .chain(&reply.more)
        .filter(|part| part.chars().count() <= MAX_REPEATED);
    if parts.any(|part| {
        is_among_courtesies(part, is_plain, help) || is_glued(&letters(part), is_plain) || is_loud(part)
    }) {
        return true;
    }
    // So it may be any sentence of a reply that is short.
    let length: usize = reply.lines.iter().map(|line| line.chars().count()).sum();
    let is_order = |sentence: &&str| is_among_courtesies(sentence, is_plain, help) || is_loud(sentence);
    if length <= MAX_ORDER && sentences::of(&reply.lines).iter().any(is_order) {
        return true;
    }
    // What may be an ordinary answer must be all that was written.
    let is_alone = |word: &str| {
        is_plain(word)
            || words::is_alone(word)
            || calling_code.is_some_and(|code| words::is_local(word, code))
    };
    let is_whole = |part: &str| is_alone(&letters(part)) || is_repeated(part, is_alone);
    if length <= MAX_ORDER && help::stands_beside(reply, help, is_whole) {
        return true;
    }
    reply.more.is_empty() && reply.order.chars().count() <= MAX_ORDER && is_whole(&reply.order)
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

/// Whether a plain word, or several, stand among nothing but courtesies, words for help and the number that the order goes
/// to.
fn is_among_courtesies(order: &str, is_plain: impl Fn(&str) -> bool, help: &HelpWords) -> bool {
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
        } else if let Some(count) = help.leads(rest) {
            rest = rest.get(count..).unwrap_or_default();
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
