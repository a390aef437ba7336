//! What the text that a person answers said about answers: "reply 2 to unsubscribe", "退订回T".
//!
//! A word that was announced so is an order although it says nothing by itself. It must stand right behind
//! "reply" (or in a list of choices, right before its purpose), and the purpose must be a plain word for no
//! more texts: "reply C to cancel" speaks of an appointment, and "reply C to cancel texts" does not. Most texts
//! name HELP beside STOP, so HELP is a way out only where that is said of it, and not of another word.

use std::sync::LazyLock;

use super::help;
use super::words::{self, Words};
use crate::sms::fold::{fold, letters};

/// Longest word that is looked for, in letters.
const MAX_WORD: usize = 12;

/// Longest text that is searched, in characters: more than the longest that is sent.
const MAX_TEXT: usize = 4_000;

/// "Reply with", by its letters.
const VERBS: &str = "reply|respond|answer|text|txt|send|sms|type|press|antworte|antworten|sende|senden|répondez|répondre|envoyez|envoyer|responde|responda|envía|envia|envie|rispondi|invia|antwoord|stuur|svar|odpisz|wyślij|ответьте|отправьте|yaz|yazıp|balas|ketik|soạn";

/// What may stand between it and the word.
const BETWEEN: &str = "with|sie|back|the|word|letter|only|just|mit|par|avec|con|com|met|med";

/// What stands between the word and its purpose.
const PURPOSE: &str = "to|for|if|um|zum|zur|für|pour|para|per|om|voor|for|aby|чтобы|untuk|để";

/// What stands between two choices.
const OR: &str = "or|and|oder|und|ou|et|o|y|e|of|或|或者";

/// What a word ends that may end anything: texts, with what may stand before them.
const TEXTS: &str = "texts|messages|msgs|sms|nachrichten|mensajes|mensagens|messaggi|berichten";
const THE: &str = "the|these|all|your|our|any|more|further|future|text|die|alle|les|ces|los|as|i|le";

/// Who does something in "if you do not text": no order.
const SUBJECTS: [&str; 5] = ["you", "u", "we", "they", "i"];

static TEXTS_WORDS: Words = LazyLock::new(|| words::read(TEXTS));
static THE_WORDS: Words = LazyLock::new(|| words::read(THE));
static VERB_WORDS: Words = LazyLock::new(|| words::read(VERBS));
static BETWEEN_WORDS: Words = LazyLock::new(|| words::read(BETWEEN));
static PURPOSE_WORDS: Words = LazyLock::new(|| words::read(PURPOSE));
static OR_WORDS: Words = LazyLock::new(|| words::read(OR));

/// Whether a reply is short enough to be a word that was announced, so that it is worth looking up what was.
pub fn may_be_announced(reply: &str) -> bool {
    let reply = super::signature::split(reply);
    reply.more.is_empty() && (1..=MAX_WORD).contains(&letters(&reply.order).chars().count())
}

/// Whether `said`, the text that the person answers, announced this very reply as the way to get no more
/// texts.
pub fn is_announced(reply: &str, said: &str) -> bool {
    if !may_be_announced(reply) {
        return false;
    }
    let word = letters(&super::signature::split(reply).order);
    let said: String = said.chars().take(MAX_TEXT).collect();
    !words::is_start(&word)
        && said
            .split(['.', '!', '?', '\n', '\r', '。', '！', '？'])
            .any(|sentence| announces(sentence, &word))
}

/// Whether a text says that an answer ends all texts: a plain word behind "reply", or one before its purpose or a
/// short code ("STOP to end", "STOP au 36180").
pub fn announces_stop(text: &str) -> bool {
    let text: String = text.chars().take(MAX_TEXT).collect();
    text.split(['.', '!', '?', '\n', '\r', '。', '！', '？', ',', ';', '，']).any(|sentence| {
        let tokens: Vec<String> = spaced(&fold(sentence))
            .split_whitespace()
            .map(letters)
            .filter(|token| !token.is_empty())
            .collect();
        has_way_out(&tokens)
    })
}

fn has_way_out(tokens: &[String]) -> bool {
    (0..tokens.len()).any(|at| {
        let (before, rest) = tokens.split_at_checked(at).unwrap_or_default();
        rest.split_first().is_some_and(|(word, behind)| is_way_out(before, word, behind))
    })
}

/// Fewest digits of a short code.
const SHORT_CODE: usize = 4;

/// What stands between a word and the short code that it goes to.
const AT: &str = "au|to|an|al|ao|naar|till|til|na";

static AT_WORDS: Words = LazyLock::new(|| words::read(AT));

fn is_way_out(before: &[String], word: &str, behind: &[String]) -> bool {
    let within = !word.is_ascii() && words::HAN_STOPS.iter().any(|stop| word.contains(stop));
    if !words::is_plain(word) && !within {
        return false;
    }
    let is_verb = |token: &String| {
        VERB_WORDS.contains(token) || words::REPLY_WITH.iter().any(|verb| token.contains(verb))
    };
    let is_asked = before.iter().rev().find(|token| !BETWEEN_WORDS.contains(*token)).is_some_and(is_verb);
    let is_code =
        |token: &String| token.len() >= SHORT_CODE && token.bytes().all(|byte| byte.is_ascii_digit());
    let is_purpose = |token: &String| words::is_plain(token) || words::is_alone(token) || is_code(token);
    let leads = |token: &String| PURPOSE_WORDS.contains(token) || AT_WORDS.contains(token);
    let leads_on = behind.first().is_some_and(leads) && behind.get(1).is_some_and(is_purpose);
    // Of a Chinese text the sign stands before the word: 回TD退订.
    let is_signed = within && before.iter().rev().take(2).any(is_verb);
    is_asked || is_signed || leads_on || (within && words::REPLY_WITH.iter().any(|verb| word.contains(verb)))
}

fn announces(sentence: &str, word: &str) -> bool {
    let sentence = spaced(&fold(sentence));
    // Each choice by itself: "Y to stay or N to opt out".
    let mut before: Vec<String> = Vec::new();
    for choice in sentence.split([',', ';', '/', '|']) {
        let tokens: Vec<String> =
            choice.split_whitespace().map(letters).filter(|token| !token.is_empty()).collect();
        for tokens in tokens.split(|token| OR_WORDS.contains(token) && token != word) {
            if chosen(&before, tokens, word) {
                return true;
            }
            before.extend(tokens.iter().cloned());
        }
    }
    false
}

/// Whether one choice announces the word: `earlier` is what its sentence said before it.
fn chosen(earlier: &[String], choice: &[String], word: &str) -> bool {
    choice.iter().enumerate().filter(|(_, token)| *token == word).any(|(at, _)| {
        let (before, purpose) =
            (choice.get(..at).unwrap_or_default(), choice.get(at + 1..).unwrap_or_default());
        let is_verb = |token: &String| {
            VERB_WORDS.contains(token) || words::REPLY_WITH.iter().any(|verb| token.ends_with(verb))
        };
        let is_asked = before.iter().rev().find(|token| !BETWEEN_WORDS.contains(*token)).is_some_and(is_verb);
        let is_listed = before.is_empty()
            && purpose.first().is_some_and(|token| PURPOSE_WORDS.contains(token))
            && earlier.iter().any(is_verb);
        if !is_asked && !is_listed {
            return false;
        }
        if !purpose.is_empty() {
            return is_stop(purpose);
        }
        // "To stop reply STOP, for help reply HELP" says of each word what it is for.
        let is_of_another = |tokens: &[String]| help::is_known(word) && has_way_out(tokens);
        let has_purpose = before.first().is_some_and(|token| PURPOSE_WORDS.contains(token));
        (is_stop(before) && !is_of_another(before))
            || (!has_purpose && is_stop(earlier) && !is_of_another(earlier))
    })
}

/// Whether a plain word stands among these, of one token, of several, or within one of a script without spaces;
/// or a word that ends anything before the texts that it ends.
fn is_stop(tokens: &[String]) -> bool {
    let within =
        |token: &String| !token.is_ascii() && words::HAN_STOPS.iter().any(|stop| token.contains(stop));
    tokens.iter().any(|token| words::is_plain(token) || within(token))
        || (2..=super::order::MAX_PHRASE).any(|count| has_phrase(tokens, count))
        || tokens.iter().enumerate().any(|(at, token)| {
            let ended = tokens.iter().skip(at + 1).find(|token| !THE_WORDS.contains(*token));
            words::is_alone(token) && ended.is_some_and(|ended| TEXTS_WORDS.contains(ended))
        })
}

fn has_phrase(tokens: &[String], count: usize) -> bool {
    tokens.windows(count).enumerate().any(|(at, phrase)| {
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        let is_told = count > 2 && before.is_some_and(|before| SUBJECTS.contains(&before.as_str()));
        !is_told && words::is_plain(&phrase.concat())
    })
}

/// With a space wherever Latin letters or digits meet another script, so that the T of 退订回T is a word.
fn spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for c in text.chars() {
        let is_border = c.is_alphanumeric()
            && before.is_alphanumeric()
            && c.is_ascii() != before.is_ascii()
            && (is_han(c) || is_han(before));
        if is_border {
            spaced.push(' ');
        }
        spaced.push(c);
        before = c;
    }
    spaced
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}
