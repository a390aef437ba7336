//! What a reply asks for: no more texts, texts again, or nothing of that kind.
//!
//! A word counts only when it is the whole reply, whatever its case and the punctuation around it: "Stop." is one,
//! "stop by at eight" is none. In doubt a word is taken for a stop, since a text too few does less harm than one too many.

/// What a reply asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// No more texts.
    Stop,
    /// Texts again.
    Start,
    /// Anything else.
    Other,
}

/// Words for no more texts, in lower case, without marks on Latin letters and without spaces or hyphens. English: CTIA
/// Messaging Principles and Best Practices (2023), section 5.1.3, and 47 CFR 64.1200(a)(10), which names stop, quit, end,
/// revoke, opt out, cancel and unsubscribe. Other languages: the words that carriers and senders there announce ("STOP
/// au 36179", "ARRET", "BAJA", "SAIR", "ABMELDEN", "退订").
const STOP: [&str; 47] = [
    // English, and understood everywhere.
    "stop",
    "stopall",
    "unsubscribe",
    "cancel",
    "end",
    "quit",
    "revoke",
    "optout",
    "remove",
    // French.
    "arret",
    "arreter",
    "arretez",
    "desabonner",
    "desinscription",
    "desinscrire",
    // German, Dutch, Danish, Swedish, Norwegian, Finnish.
    "stopp",
    "abmelden",
    "abbestellen",
    "afmelden",
    "uitschrijven",
    "afmeld",
    "avsluta",
    "avregistrera",
    "avslutt",
    "lopeta",
    // Spanish, Portuguese, Italian.
    "baja",
    "alto",
    "parar",
    "cancelar",
    "sair",
    "annulla",
    "cancellami",
    // Polish, Turkish, Russian, Greek.
    "rezygnuje",
    "iptal",
    "стоп",
    "отписаться",
    "στοπ",
    // Arabic, Hebrew.
    "توقف",
    "الغاء",
    "ايقاف",
    "הסר",
    // Chinese, Japanese, Korean.
    "td",
    "退订",
    "退訂",
    "停止",
    "配信停止",
    "수신거부",
];

/// Words for texts again. Only these two: a "yes" may answer anything.
const START: [&str; 2] = ["start", "unstop"];

/// What this reply asks for.
pub fn meaning(text: &str) -> Meaning {
    let word = folded(text);
    if STOP.contains(&word.as_str()) {
        Meaning::Stop
    } else if START.contains(&word.as_str()) {
        Meaning::Start
    } else {
        Meaning::Other
    }
}

/// Lower case, without marks on Latin letters, without anything that is neither letter nor digit. Nothing where the
/// reply is more than two words: then it says something else. ("Opt out" and "stop all" are two words.)
fn folded(text: &str) -> String {
    if text.chars().count() > 64 || text.split_whitespace().filter(|part| part.chars().any(char::is_alphanumeric)).count() > 2 {
        return String::new();
    }
    text.chars().flat_map(char::to_lowercase).filter_map(plain).collect()
}

/// A letter without its mark, as far as a word of the lists has one, and of its usual width: phones in East Asia write
/// Latin letters wide. Nothing for a mark, a space or punctuation.
fn plain(c: char) -> Option<char> {
    match c {
        'ａ'..='ｚ' => char::from_u32(u32::from(c) - u32::from('ａ') + u32::from('a')),
        'أ' | 'إ' | 'آ' => Some('ا'),
        'à' | 'á' | 'â' | 'ã' | 'ä' => Some('a'),
        'è' | 'é' | 'ê' | 'ë' | 'ę' => Some('e'),
        'ì' | 'í' | 'î' | 'ï' => Some('i'),
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' => Some('o'),
        'ά' => Some('α'),
        'ό' => Some('ο'),
        _ if c.is_alphanumeric() => Some(c),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_the_whole_reply_counts_in_any_case_and_punctuation() {
        for stop in [
            "STOP",
            "stop",
            " Stop. ",
            "\u{201c}STOP!\u{201d}",
            "stop\r\n",
            "S.T.O.P",
            "StopAll",
            "STOP ALL",
            "opt out",
            "OPT-OUT",
            "Unsubscribe",
            "cancel",
            "END",
            "quit!!",
            "Revoke",
            "ARRET",
            "Arr\u{ea}t",
            "ARRE\u{302}T",
            "STOPP",
            "Abmelden",
            "BAJA",
            "sair",
            "\u{421}\u{422}\u{41e}\u{41f}",
            "\u{9000}\u{8ba2}",
            "TD",
            "\u{c218}\u{c2e0}\u{ac70}\u{bd80}",
            "\u{200b}stop\u{200b}",
            "\u{ff33}\u{ff34}\u{ff2f}\u{ff30}",
            "\u{625}\u{644}\u{63a}\u{627}\u{621}",
            "\u{625}\u{64a}\u{642}\u{627}\u{641}",
        ] {
            assert_eq!(meaning(stop), Meaning::Stop, "{stop:?}");
        }
        for start in ["START", " start. ", "Unstop"] {
            assert_eq!(meaning(start), Meaning::Start, "{start:?}");
        }
    }

    #[test]
    fn a_word_among_others_is_no_order() {
        for other in [
            "",
            "   ",
            "?",
            "stop by at eight",
            "please do not stop",
            "don't stop",
            "no stop",
            "the end is near",
            "cancel my order",
            "yes",
            "restart",
            "start over",
            "start please",
            "yes start",
            "help",
            "stopping",
            "1",
        ] {
            assert_eq!(meaning(other), Meaning::Other, "{other:?}");
        }
        assert_eq!(meaning(&"stop ".repeat(1_000)), Meaning::Other);
    }

    #[test]
    fn every_word_of_the_lists_is_written_as_it_is_compared() {
        for word in STOP.into_iter().chain(START) {
            assert_eq!(folded(word), word, "a word that is never found");
        }
    }
}
