//! Words that programs write where they have nothing: `null` from a shell script, `None` from Python, `<nil>`
//! from Go.
//!
//! As a key such a word is shared by everything that has none, so that the second message answers as if it
//! were the first; as a sender a person reads it. It is never meant.

/// Such words, in small letters and without what is put around them.
const WORDS: [&str; 6] = ["null", "none", "nil", "undefined", "n/a", "object object"];

/// Whether this text stands for nothing, in whatever case and between whatever marks.
pub fn stands_for_nothing(text: &str) -> bool {
    let bare = text.trim_matches(|c: char| !c.is_alphanumeric());
    bare.len() <= 16 && WORDS.contains(&bare.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_for_nothing_is_known_in_every_spelling_and_a_word_with_a_meaning_is_not() {
        for word in [
            "null",
            "NULL",
            "None",
            " none ",
            "undefined",
            "nil",
            "<nil>",
            "(null)",
            "\"null\"",
            "N/A",
            "[object Object]",
        ] {
            assert!(stands_for_nothing(word), "{word}");
        }
        for word in [
            "",
            " ",
            "-",
            "0",
            "nullable",
            "null-1",
            "Nona",
            "Nils",
            "none of it",
            "order-null",
            &"null".repeat(9),
        ] {
            assert!(!stands_for_nothing(word), "{word}");
        }
    }
}
