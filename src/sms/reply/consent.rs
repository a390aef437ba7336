//! Whether a reply is a yes to the question whether somebody wants texts.
//!
//! It must be the whole reply, with courtesies at most: "Yes please". An approver's `YES` has a word of its own
//! behind it, so it is none of these. A reply with a stop word never gets here: that counts first.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::signature;
use super::words::{is_alone, is_plain, is_start};
use crate::sms::fold::letters;

/// Most words that the operator adds, and the longest of them, in characters.
const MAX_OWN: usize = 50;
const MAX_CHARS: usize = 32;

/// Longest reply that is one, in characters.
const MAX_REPLY: usize = 60;

/// "Yes", as people write it.
const YES: &str =
    "yes y oui ja j si sì sim да так tak ano áno evet ναι igen kyllä はい 是 是的 好 好的 同意 네 예 نعم כן";

/// What may stand beside it.
const COURTESIES: &str =
    "please pls thanks thank you ok okay merci bitte danke gracias por favor obrigado obrigada grazie";

static YES_WORDS: LazyLock<HashSet<String>> = LazyLock::new(|| YES.split_whitespace().map(letters).collect());
static COURTESY_WORDS: LazyLock<HashSet<String>> =
    LazyLock::new(|| COURTESIES.split_whitespace().map(letters).collect());

/// The operator's own words for yes, beside those that are known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct YesWords(Vec<String>);

impl YesWords {
    /// Reads a list of words.
    ///
    /// # Errors
    /// What is wrong with the list, in words that name the entry.
    pub fn new(words: &[String]) -> Result<Self, String> {
        if words.len() > MAX_OWN {
            return Err(format!("has {} words; at most {MAX_OWN} are taken", words.len()));
        }
        let read = |word: &String| {
            let shown = crate::sms::untrusted::escape(word);
            let folded = letters(word);
            if folded.is_empty() || word.chars().count() > MAX_CHARS || word.split_whitespace().count() != 1 {
                return Err(format!("has \"{shown}\"; write one word of at most {MAX_CHARS} characters"));
            }
            if is_plain(&folded) || is_alone(&folded) || is_start(&folded) {
                return Err(format!("has \"{shown}\", which asks for no more texts, or for texts again"));
            }
            Ok(folded)
        };
        words.iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// Whether this reply is a yes and nothing else.
pub fn is_yes(text: &str, own: &YesWords) -> bool {
    let reply = signature::split(text);
    if !reply.more.is_empty() || reply.order.chars().count() > MAX_REPLY {
        return false;
    }
    let is_between = |c: char| c.is_whitespace() || ",.;:!?".contains(c);
    let said: Vec<String> =
        reply.order.split(is_between).map(letters).filter(|word| !word.is_empty()).collect();
    let is_word = |word: &String| YES_WORDS.contains(word) || own.0.contains(word);
    said.iter().any(is_word) && said.iter().all(|word| is_word(word) || COURTESY_WORDS.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_is_the_whole_reply() {
        let own = YesWords::new(&["Beitritt".to_owned()]).unwrap();
        for yes in [
            "YES",
            "Yes please!",
            "y",
            "Oui, merci",
            "JA",
            "s\u{ed}",
            "\u{662f}\u{7684}",
            "beitritt",
            "Yes\n\nSent from my iPhone",
        ] {
            assert!(is_yes(yes, &own), "{yes}");
        }
        for no in [
            "YES apple",
            "yes but not daily",
            "no",
            "",
            "yesterday",
            "YES 4711",
            "not yes",
            "yes stop",
            "START",
        ] {
            assert!(!is_yes(no, &own), "{no}");
        }
        for wrong in ["stop", "START", "cancel", "two words", "-"] {
            assert!(YesWords::new(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
