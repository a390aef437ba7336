//! What an order is made of: how long it may be, its words, and the operator's own words for no more texts.

use super::words;
use crate::sms::fold::letters;
use crate::sms::untrusted;

/// Longest part of a reply that may be an order, in characters. What is longer says something else.
pub(super) const MAX_ORDER: usize = 160;

/// Most words of a phrase that is one order.
pub(super) const MAX_PHRASE: usize = 4;

/// Most words that the operator adds, and the longest of them, in characters.
const MAX_OWN: usize = 200;
const MAX_OWN_CHARS: usize = 64;

/// The red octagon.
pub(super) const OCTAGON: char = '\u{1f6d1}';

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
            let shown = untrusted::escape(word);
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

    pub(super) fn has(&self, letters: &str) -> bool {
        self.0.iter().any(|word| word == letters)
    }
}

/// The words of an order by their letters.
pub(super) fn words_of(order: &str) -> Vec<String> {
    order.split(is_between).map(letters).filter(|word| !word.is_empty()).collect()
}

/// Whether a character stands between words. An apostrophe does not: "don't" is one word.
pub(super) fn is_between(c: char) -> bool {
    let is_wide = matches!(c, '\u{a1}' | '\u{ab}' | '\u{b7}' | '\u{bb}' | '\u{bf}' | '\u{60c}' | '\u{2010}'..='\u{2015}' | '\u{201c}'..='\u{2027}');
    let is_han = matches!(
        c,
        '\u{3001}' | '\u{3002}' | '\u{ff01}' | '\u{ff0c}' | '\u{ff0e}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff1f}'
    );
    c.is_whitespace() || (c.is_ascii_punctuation() && c != '\'') || is_wide || is_han
}
