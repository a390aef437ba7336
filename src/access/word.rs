//! One-time words: what an approver is texted, and answers with `YES` or `NO`.
//!
//! A word has eight signs of twenty-seven, so 38 bits of the system's randomness: with the few tries that an
//! approver has nobody guesses one. There is no vowel among the signs and nothing that a hand or an eye mistakes
//! (`0`, `1`, `O`, `I`, `L`), so no word of any language is one, and each has a digit and a letter.

use crate::sms::fold::letters;

/// The signs of a word.
const SIGNS: &[u8; 27] = b"23456789BCDFGHJKMNPQRSTVWXZ";

/// How many a word has.
const LENGTH: usize = 8;

/// Longest reply that is read as a decision, in characters.
const MAX_REPLY: usize = 160;

/// What stands before the word, in the languages in which somebody may be asked.
const YES: [&str; 7] = ["yes", "y", "ja", "oui", "si", "sim", "ok"];
const NO: [&str; 5] = ["no", "n", "nein", "non", "nao"];

/// A one-time word. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Word(String);

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Word(..)")
    }
}

impl Word {
    /// A word of random octets; nothing where they make none, so that others are to be drawn.
    pub fn draw(random: &[u8; 32]) -> Option<Self> {
        // Octets beyond the last whole round would make the first signs more likely.
        let most = u8::MAX - u8::MAX % 27;
        let drawn = random.iter().filter(|octet| **octet < most);
        let word: String = drawn
            .filter_map(|octet| SIGNS.get(usize::from(*octet) % SIGNS.len()))
            .take(LENGTH)
            .map(|sign| char::from(*sign))
            .collect();
        Self::read(&word)
    }

    /// The word that is written so, in any case, with spaces or hyphens in it; nothing where it is none.
    pub fn read(text: &str) -> Option<Self> {
        let word: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '.' | ',' | '!' | '"' | '\''))
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let is_one = word.len() == LENGTH
            && word.bytes().all(|sign| SIGNS.contains(&sign))
            && word.bytes().any(|sign| sign.is_ascii_digit())
            && word.bytes().any(|sign| sign.is_ascii_alphabetic());
        is_one.then_some(Self(word))
    }

    /// As it is texted, and as it is hashed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an approver's reply is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A yes or a no, with a word.
    Decision {
        /// Whether it is a yes.
        yes: bool,
        /// The word.
        word: Word,
    },
    /// It decides nothing, and has what may be a word or was meant as one: nobody else is to see it.
    Secret,
    /// Anything else.
    Other,
}

/// Reads a reply of an approver.
pub fn read_reply(text: &str) -> Said {
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let has_word = || {
        let pairs = tokens.windows(2).map(|pair| pair.concat());
        tokens.iter().map(|token| (*token).to_owned()).chain(pairs).any(|token| may_be_word(&token))
    };
    let Some((first, rest)) = tokens.split_first() else { return Said::Other };
    let head = letters(first);
    let answer = if YES.contains(&head.as_str()) {
        Some(true)
    } else if NO.contains(&head.as_str()) {
        Some(false)
    } else {
        None
    };
    if let Some(yes) = answer.filter(|_| text.chars().count() <= MAX_REPLY)
        && let Some(word) = Word::read(&rest.concat())
    {
        return Said::Decision { yes, word };
    }
    let is_meant_as_one = answer.is_some() && matches!(rest, [only] if is_near(only));
    if is_meant_as_one || has_word() { Said::Secret } else { Said::Other }
}

fn may_be_word(token: &str) -> bool {
    Word::read(token.trim_matches(|c: char| !c.is_alphanumeric())).is_some()
}

/// Whether a token is what a slip of the finger makes of a word.
fn is_near(token: &str) -> bool {
    let token: String = token.chars().filter(|c| c.is_alphanumeric()).collect();
    let length = token.chars().count();
    (LENGTH - 1..=LENGTH + 1).contains(&length)
        && token.chars().any(|c| c.is_ascii_digit())
        && token.chars().any(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_word_that_is_drawn_reads_as_itself_and_no_sign_is_likelier_than_another() {
        let mut counts = std::collections::BTreeMap::<char, u32>::new();
        let mut drawn = 0;
        let mut state = 1_u64;
        for _ in 0..4_000 {
            let mut random = [0; 32];
            for octet in &mut random {
                // A generator for tests (Knuth's MMIX).
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *octet = u8::try_from(state >> 56).unwrap();
            }
            let Some(word) = Word::draw(&random) else { continue };
            assert_eq!(Word::read(word.as_str()), Some(word.clone()));
            assert_eq!(format!("{word:?}"), "Word(..)");
            word.as_str().chars().for_each(|sign| *counts.entry(sign).or_default() += 1);
            drawn += 1;
        }
        assert!(drawn > 3_000, "{drawn}");
        assert_eq!(counts.len(), 27);
        let letters: Vec<u32> =
            counts.iter().filter(|(sign, _)| sign.is_alphabetic()).map(|(_, n)| *n).collect();
        let (least, most) = (letters.iter().min().unwrap(), letters.iter().max().unwrap());
        assert!(f64::from(*most) < f64::from(*least) * 1.4, "{counts:?}");
        assert_eq!(Word::draw(&[255; 32]), None, "where there are too few octets, others are drawn");
        assert_eq!(Word::draw(&[0; 32]), None, "eight digits are no word");
    }

    #[test]
    fn a_decision_is_an_answer_and_a_word_however_a_phone_writes_it() {
        let word = Word::read("7KQ2M9XD").unwrap();
        for (text, yes) in [
            ("YES 7KQ2M9XD", true),
            ("yes 7kq2m9xd", true),
            ("Yes, 7kq2m9xd.", true),
            (" Yes\n7kq2-m9xd ", true),
            ("Y 7KQ2 M9XD", true),
            ("Oui 7kq2m9xd", true),
            ("NO 7KQ2M9XD", false),
            ("No. 7kq2m9xd!", false),
            ("Nein 7KQ2M9XD", false),
        ] {
            assert_eq!(read_reply(text), Said::Decision { yes, word: word.clone() }, "{text}");
        }
    }

    #[test]
    fn what_has_a_word_or_was_meant_as_one_is_for_nobody_else_and_the_rest_is_ordinary() {
        for secret in [
            "7KQ2M9XD",
            "yes yes 7KQ2M9XD",
            "The code is 7kq2m9xd, ok?",
            "Which one: 7KQ2 M9XD?",
            "YES 7KQ2M9XO",
            "yes 7KQ2M9X",
            "no 7KQ2M9XDD",
            "Maybe 7KQ2M9XD",
        ] {
            assert_eq!(read_reply(secret), Said::Secret, "{secret}");
        }
        for other in [
            "",
            "Yes",
            "Yes please",
            "No thanks",
            "yes tomorrow",
            "Yes at 10pm",
            "Yes 1030pm",
            "No, room 12b",
            "STOP",
            "ok see you",
            "Yes 12345678",
        ] {
            assert_eq!(read_reply(other), Said::Other, "{other}");
        }
    }
}
