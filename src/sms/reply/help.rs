//! Who asks for help: "HELP", "INFO" and their like, as the whole reply.
//!
//! Carriers ask that these get an answer of the operator's. Unlike a STOP nothing is lost where one is missed,
//! and an ordinary answer that is taken for one gets a text that nobody asked for: so the word must be all that
//! is written, beside a few courtesies and a name below it. What asks for no more texts, or may, is no HELP,
//! whatever else it says.

use super::order::{self, MAX_ORDER, OCTAGON, StopWords, words_of};
use super::sentences;
use super::signature::{self, Split};
use super::words::{self, Words};
use crate::sms::fold::letters;

/// CTIA Messaging Principles and Best Practices (2023), section 5.1.3, and the keywords that AWS, Braze and
/// OneSignal document: HELP and INFO. The others are their translations.
const HELP: &str = "
    help|info|aide|ayuda|ajuda|hilfe|aiuto|hulp|hjelp|hjälp|hjælp|apua|pomoc|pomoč|segítség|ajutor|помощь|помощ|допомога|помоћ
    βοήθεια|yardım|مساعدة|المساعدة|راهنما|کمک|עזרה|मदद|সাহায্য|مدد|bantuan|trợ giúp|ช่วยเหลือ|tulong|msaada
    帮助|幫助|ヘルプ|도움말|도움";

/// What may stand around it.
const COURTESIES: &str = "please|pls|plz|hi|hello|thanks|thank|you|thx|bitte|danke|svp|stp|s'il|vous|te|plaît|merci|por|favor|gracias|obrigado|obrigada|per|grazie|alstublieft|takk|tack|tak|kiitos|proszę|prosím|пожалуйста|спасибо|lütfen|من|فضلك|בבקשה";

static HELP_WORDS: Words = std::sync::LazyLock::new(|| words::read(HELP));
static COURTESY_WORDS: Words = std::sync::LazyLock::new(|| words::read(COURTESIES));

/// Most words of a reply that may ask for help, and of a phrase that is one word.
const MAX_WORDS: usize = 8;
const MAX_PHRASE: usize = 3;

/// Most words that the operator adds, and the longest of them, in characters.
const MAX_OWN: usize = 200;
const MAX_OWN_CHARS: usize = 64;

/// The operator's own words for help, beside those that are known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HelpWords(Vec<String>);

impl HelpWords {
    /// Reads a list of words or short phrases.
    ///
    /// # Errors
    /// What is wrong with the list, in words that name the entry: one has no letter or digit, asks for something
    /// else (`asks` says for what), is longer than 64 characters, or there are more than 200.
    pub fn new(list: &[String], asks: impl Fn(&str) -> Option<&'static str>) -> Result<Self, String> {
        if list.len() > MAX_OWN {
            return Err(format!("has {} words; at most {MAX_OWN} are taken", list.len()));
        }
        let read = |word: &String| {
            let shown = crate::sms::untrusted::escape(word);
            let folded = letters(word);
            if folded.is_empty() {
                return Err(format!("has \"{shown}\", in which there is no letter and no digit"));
            }
            if word.chars().count() > MAX_OWN_CHARS {
                return Err(format!("has \"{shown}\", which is longer than {MAX_OWN_CHARS} characters"));
            }
            match asks(word) {
                Some(what) => Err(format!("has \"{shown}\", which {what}")),
                None => Ok(folded),
            }
        };
        list.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    fn has(&self, letters: &str) -> bool {
        is_known(letters) || self.0.iter().any(|word| word == letters)
    }

    /// With how many words a word or a phrase for help stands before these.
    pub(super) fn leads(&self, words: &[String]) -> Option<usize> {
        let is_one = |count: &usize| words.get(..*count).is_some_and(|words| self.has(&words.concat()));
        (1..=MAX_PHRASE.min(words.len())).rev().find(is_one)
    }
}

/// Whether these letters ask for help, whatever the operator's words are.
pub(super) fn is_known(letters: &str) -> bool {
    HELP_WORDS.contains(letters) || is_drawn(letters)
}

/// Whether these letters are "help", however long it is drawn: "HEEELP!".
fn is_drawn(letters: &str) -> bool {
    let mut drawn: Vec<char> = letters.chars().take(MAX_ORDER).collect();
    drawn.dedup();
    drawn.iter().copied().eq("help".chars())
}

/// Whether a reply that asks for nothing else asks for help.
pub fn asks_for_help(text: &str, own: &HelpWords, stop: &StopWords) -> bool {
    // The sign is a word for no more texts.
    if text.contains(OCTAGON) {
        return false;
    }
    let reply = signature::split(text);
    if !reply.more.is_empty() || reply.order.len() > MAX_ORDER {
        return false;
    }
    // What stands below it is a name, where it is nothing else: "Cancel" looks like one.
    let is_signed = |first: &String| {
        is_help(first, own) && !reply.lines.iter().skip(1).any(|line| has_stop(&words_of(line), stop))
    };
    is_help(&reply.order, own) || reply.first_line.as_ref().is_some_and(is_signed)
}

/// Whether any of these words, or of the phrases that they make, asks for no more texts somewhere.
fn has_stop(read: &[String], stop: &StopWords) -> bool {
    let is_one = |word: &str| {
        words::is_plain(word) || words::is_alone(word) || words::is_local_somewhere(word) || stop.has(word)
    };
    (1..=order::MAX_PHRASE).any(|count| read.windows(count).any(|words| is_one(&words.concat())))
}

/// Whether a reply is HELP and an order, each in a sentence or a line of its own, and nothing else but a name.
pub(super) fn stands_beside(reply: &Split, own: &HelpWords, is_order: impl Fn(&str) -> bool) -> bool {
    let parts: Vec<&str> =
        sentences::of(&reply.lines).into_iter().filter(|part| !letters(part).is_empty()).collect();
    let is_signature = |part: &str| reply.first_line.is_some() && signature::is_name(part);
    parts.iter().any(|part| is_help(part, own))
        && parts.iter().any(|part| is_order(part))
        && parts.iter().all(|part| is_help(part, own) || is_order(part) || is_signature(part))
}

fn is_help(order: &str, own: &HelpWords) -> bool {
    let read = words_of(order);
    // "H E L P" too.
    if own.has(&read.concat()) {
        return true;
    }
    if read.len() > MAX_WORDS {
        return false;
    }
    let (mut found, mut rest) = (false, read.as_slice());
    while let Some((word, behind)) = rest.split_first() {
        match own.leads(rest) {
            Some(count) => (found, rest) = (true, rest.get(count..).unwrap_or_default()),
            None if COURTESY_WORDS.contains(word) => rest = behind,
            None => return false,
        }
    }
    found
}

/// Whether a word is one on which vendors act by themselves, in English and in every country, where they
/// act on any: whoever keeps a list of opt-outs or answers HELP does so for these. (Twilio, AWS, Telnyx and
/// Plivo document them; other languages are up to each account.)
pub fn is_keyword(text: &str) -> bool {
    const KEYWORDS: [&str; 14] = [
        "stop",
        "stopall",
        "unsubscribe",
        "cancel",
        "end",
        "quit",
        "revoke",
        "optout",
        "remove",
        "arret",
        "td",
        "stopp",
        "help",
        "info",
    ];
    KEYWORDS.contains(&letters(text).as_str())
}

#[cfg(test)]
mod tests {
    use super::super::{Meaning, StopWords, help_words, meaning};
    use super::*;

    fn asks(text: &str) -> bool {
        asks_for_help(text, &HelpWords::default(), &StopWords::default())
    }

    #[test]
    fn help_is_the_whole_reply_in_any_case_script_and_punctuation() {
        for help in [
            "HELP",
            "help",
            "Help",
            " Help. ",
            "HELP!",
            "help?",
            "\u{201c}HELP\u{201d}",
            "H E L P",
            "H.E.L.P",
            "HEEELP!!",
            "help help",
            "Help please",
            "Hi, help please.",
            "INFO",
            "Info.",
            "info pls",
            "HELP\n\nSent from my iPhone",
            "Help\n-- \nAnn",
            "Help\nAnn Miller",
            "Aide svp",
            "Aide, s'il vous pla\u{ee}t",
            "AYUDA",
            "ayuda por favor",
            "Ajuda",
            "Hilfe bitte!",
            "\u{5e2e}\u{52a9}",
            "\u{645}\u{633}\u{627}\u{639}\u{62f}\u{629}",
            "\u{421}\u{43f}\u{430}\u{441}\u{438}\u{431}\u{43e}, \u{43f}\u{43e}\u{43c}\u{43e}\u{449}\u{44c}",
            "\u{ff28}\u{ff25}\u{ff2c}\u{ff30}",
            "tr\u{1ee3} gi\u{fa}p",
            "YARDIM",
        ] {
            assert!(asks(help), "{help:?}");
        }
    }

    #[test]
    fn a_help_among_other_words_is_none() {
        for other in [
            "",
            " ",
            "?",
            "Can you help me with my booking?",
            "help me",
            "Help yourself",
            "More info please",
            "info about my order",
            "no help needed",
            "Thanks for your help",
            "the help desk",
            "helpful",
            "informal",
            "I need help\n\nMy order has not arrived",
            "> HELP",
            "Reply HELP for help",
            "thanks",
            "please",
            "stop",
            "start",
            "STOP HELP",
            "help stop",
            "Helper",
            "yes",
            "2",
            "This is an automatic reply. I am out of the office until Monday. For help write to desk@example.com, \
             reply HELP for info, or STOP to end.",
        ] {
            assert!(!asks(other), "{other:?}");
        }
        assert!(!asks(&"help ".repeat(100)));
    }

    #[test]
    fn whoever_says_help_and_stop_wants_no_more_texts() {
        for both in [
            // With the sign.
            "HELP \u{1f6d1}",
            "\u{1f6d1} HELP",
            "Info \u{1f6d1}",
            "Aide \u{1f6d1}\u{1f6d1}",
            "\u{1f198} HELP \u{1f6d1}",
            "Help\n\u{1f6d1}",
            // In a line below, which looks like a name.
            "Help\nCancel",
            "Help\nEnd",
            "Help\nQuit",
            "Help\nExit",
            "Help\nRemove",
            "Help\nCANCEL\nAnn Miller",
            "Aide\nAnnuler",
            "Hilfe\nBeenden",
            "Ayuda\nAlto",
            "Hulp\nStop Ermee",
            "Pomoc\nKoniec",
            "Yard\u{131}m\nIptal",
            "\u{41f}\u{43e}\u{43c}\u{43e}\u{449}\u{44c}\n\u{41e}\u{442}\u{43c}\u{435}\u{43d}\u{430}",
            "Help\n\u{41e}\u{442}\u{43a}\u{430}\u{437}",
            "Help\nBasta",
            "Ajuda\nCancelar",
            "Help\nNo More",
            "Help\nStop",
            "\u{5e2e}\u{52a9}\n\u{53d6}\u{6d88}",
            // In one line, or a paragraph.
            "HELP STOP",
            "STOP HELP",
            "stop info",
            "Help me stop",
            "Help unsubscribe",
            "help me unsubscribe",
            "Help -- STOP",
            "help. cancel",
            "Cancel! Help!",
            "HELP\n\nCANCEL",
            "HEEELP stop",
            "Hilfe stopp",
            "Aide stop",
            "ayuda baja",
            "tr\u{1ee3} gi\u{fa}p hu\u{1ef7}",
            "\u{5e2e}\u{52a9}\u{9000}\u{8ba2}",
            "\u{5e2e}\u{6211}\u{9000}\u{8ba2}",
        ] {
            let said = meaning(both, None, &StopWords::default(), &HelpWords::default());
            assert_eq!((said, asks(both)), (Meaning::Stop, false), "{both:?}");
        }
        assert_eq!(meaning("Help\nT", Some(86), &StopWords::default(), &HelpWords::default()), Meaning::Stop);
    }

    #[test]
    fn what_only_may_be_a_stop_below_help_is_neither() {
        for neither in [
            "Help\nJames Stop",
            "Help\nTown End",
            "Help\nT",
            "help me cancel my booking",
            "help cancel my order",
            "Help, my bus does not stop",
            "Can you help me stop smoking?",
            "help\n\nPlease cancel the booking of Monday",
        ] {
            let said = meaning(neither, None, &StopWords::default(), &HelpWords::default());
            assert_eq!((said, asks(neither)), (Meaning::Other, false), "{neither:?}");
        }
    }

    #[test]
    fn no_word_for_help_is_one_for_anything_else_and_the_other_way_round() {
        let calling_codes = [None, Some(86), Some(90), Some(84), Some(1)];
        for word in HELP.split(['|', '\n']).map(str::trim).filter(|word| !word.is_empty()) {
            assert!(asks(word), "{word}");
            let capital: String =
                word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect();
            for said in
                [word.to_owned(), word.to_uppercase(), capital, format!("{word}."), format!("{word}!")]
            {
                for code in calling_codes {
                    assert_eq!(
                        meaning(&said, code, &StopWords::default(), &HelpWords::default()),
                        Meaning::Other,
                        "{said} {code:?}"
                    );
                }
            }
        }
        let local = words::LOCAL.map(|(_, list)| list);
        for list in [words::PLAIN, words::ALONE, words::START].into_iter().chain(local) {
            for word in words::read(list) {
                assert!(!asks(&word), "{word}");
            }
        }
    }

    #[test]
    fn the_operators_words_count_too_and_none_of_them_may_be_a_stop_or_a_start() {
        let stop = StopWords::new(&["Schluss".to_owned()]).unwrap_or_default();
        let own = |word: &str| help_words(&[word.to_owned()], &stop);
        let words = own("Hilf mir").unwrap_or_default();
        let asks_so = |text: &str| asks_for_help(text, &words, &stop);
        assert!(asks_so("HILF MIR!") && asks_so("help") && asks_so("Help\nAnn Miller"));
        assert!(!asks_so("Hilf mir suchen") && !asks("Hilf mir"));
        assert!(!asks_so("Help\nSchluss") && !asks_so("Help\nAnn Schluss"));
        for both in ["Hilf mir stop", "stop, hilf mir", "Help\nSchluss", "Hilf mir. Cancel", "Help schluss"] {
            assert_eq!(meaning(both, None, &stop, &words), Meaning::Stop, "{both:?}");
        }
        assert_eq!(meaning("Hilf mir stop", None, &stop, &HelpWords::default()), Meaning::Other);
        for (wrong, why) in [
            ("STOP", "no more texts"),
            ("Arr\u{ea}t", "no more texts"),
            ("schluss", "no more texts"),
            ("start", "texts again"),
            ("!!", "no letter"),
            (&"x".repeat(65), "longer"),
        ] {
            assert!(own(wrong).is_err_and(|said| said.contains(why)), "{wrong}");
        }
        assert!(help_words(&vec!["a".to_owned(); 201], &stop).is_err());
    }

    #[test]
    fn keywords_of_vendors_are_the_word_alone() {
        for word in ["STOP", "Stop.", "HELP", "opt-out", "ARR\u{ca}T"] {
            assert!(is_keyword(word), "{word}");
        }
        for word in ["AYUDA", "BAJA", "stop it", "please stop", ""] {
            assert!(!is_keyword(word), "{word}");
        }
    }
}
