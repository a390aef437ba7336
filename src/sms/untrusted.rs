//! Text that people or machines outside wrote: kept as it was written, and made safe where it is shown to a
//! terminal, a log, or a model.
//!
//! Made safe means that what a reader does not see is written out, as `\u{..}`: control characters, tags, and
//! what turns the direction of letters round. Ordinary writing is left alone, invisible characters and all:
//! the selector that makes a heart red, the joiners inside of a family emoji, of a Persian plural or of a
//! Hindi syllable, a direction mark beside Hebrew or Arabic. Each of these counts only where writing has it.

/// Longest outside text that is shown in a line, in characters.
const MAX_CHARS: usize = 300;

/// Longest text of a person that is shown, in characters: ten segments and more.
const MAX_SHOWN: usize = 2_000;

/// Longest words of a provider that are kept, in characters.
const MAX_WORDS: usize = 300;

/// As it was written, of at most `most` characters. Of a longer text it says how much is left out.
pub fn kept(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => {
            let (head, rest) = text.split_at(end);
            format!("{head}\u{2026} [{} more characters were left out]", rest.chars().count())
        }
    }
}

/// A provider's words as they were written, of a bounded length.
pub fn kept_words(words: &str) -> String {
    kept(words, MAX_WORDS)
}

/// For a line: what is not seen is written out, line breaks too, and long text is cut.
pub fn escape(text: &str) -> String {
    escape_up_to(text, MAX_CHARS)
}

/// As [`escape`], cut after `most` characters.
pub fn escape_up_to(text: &str, most: usize) -> String {
    shown(text, most, |_| false)
}

/// For a text of a person, which may have several lines: as [`escape`], but line breaks and tabs stay.
pub fn readable(text: &str) -> String {
    shown(&text.replace("\r\n", "\n"), MAX_SHOWN, |c| matches!(c, '\n' | '\t'))
}

/// For a line of any length at a terminal: as [`escape`], and nothing is cut.
pub fn line(text: &str) -> String {
    shown(text, usize::MAX, |_| false)
}

/// For JSON at a terminal: what is not seen, but for line breaks, is written as JSON has it, so that the
/// values stay as they are.
pub fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) && c != '\n' {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    shown
}

fn shown(text: &str, most: usize, stays: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for ((c, is_unseen), count) in signs(text).zip(0..) {
        if count == most {
            shown.push('\u{2026}');
            break;
        }
        if is_unseen && !stays(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Every character of a text, each with whether a reader would not see it, or would see others wrongly by it:
/// not where ordinary writing has it. See the module's text.
pub fn signs(text: &str) -> impl Iterator<Item = (char, bool)> + '_ {
    let (mut rest, mut before, mut tags) = (text.chars(), Before::default(), 0);
    std::iter::from_fn(move || {
        let c = rest.next()?;
        if tags > 0 {
            tags -= 1;
            return Some((c, false));
        }
        if let Some(flag) = flag(c, rest.as_str()) {
            tags = flag.chars().count();
            (before.last, before.seen) = (None, None);
            return Some((c, false));
        }
        let is_unseen = is_hidden(c) && !before.joins(c, rest.clone().next());
        before.step(c);
        Some((c, is_unseen))
    })
}

/// The tags behind a black flag that make it one of those that phones know: England, Scotland, Wales.
fn flag(c: char, rest: &str) -> Option<&str> {
    const TAGS: [&str; 3] = [
        "\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        "\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
        "\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
    ];
    TAGS.iter()
        .filter(|_| c == '\u{1f3f4}')
        .find_map(|tags| rest.get(..tags.len()).filter(|behind| behind == tags))
}

/// What stood before a character: the last one, and the last that is seen.
#[derive(Default)]
struct Before {
    last: Option<char>,
    seen: Option<char>,
    /// Whether any letter so far is written from right to left.
    is_right_to_left: bool,
}

impl Before {
    fn step(&mut self, c: char) {
        self.last = Some(c);
        self.is_right_to_left |= is_right_to_left(c) && !is_hidden(c);
        if !is_hidden(c) && !matches!(c, '\u{1f3fb}'..='\u{1f3ff}') {
            self.seen = Some(c);
        }
    }

    /// Whether writing has this invisible character between what is before it and `next`.
    fn joins(&self, c: char, next: Option<char>) -> bool {
        let is_behind_seen = self.last.is_some_and(|last| !is_hidden(last) && !last.is_whitespace());
        match c {
            // Text or emoji: one, behind a sign, or a figure in its key.
            '\u{fe0e}' | '\u{fe0f}' => {
                is_behind_seen
                    && self.seen.is_some_and(|seen| is_picture(seen) || matches!(seen, '0'..='9' | '#' | '*'))
            }
            '\u{200d}' => {
                let is_emoji = self.seen.is_some_and(is_picture)
                    && next.is_some_and(is_picture)
                    && self.last != Some('\u{200d}');
                is_emoji || (is_behind_seen && self.seen.is_some_and(has_joiners))
            }
            '\u{200c}' => {
                is_behind_seen
                    && self.seen.is_some_and(has_joiners)
                    && next.is_some_and(|next| !is_hidden(next))
            }
            '\u{200e}' | '\u{200f}' | '\u{61c}' => {
                let is_single = self.last.is_none_or(|last| !is_hidden(last) || matches!(last, '\n' | '\t'));
                is_single
                    && (self.is_right_to_left
                        || next.is_some_and(|next| is_right_to_left(next) && !is_hidden(next)))
            }
            _ => false,
        }
    }
}

/// Signs and emoji, as far as selectors and joiners stand among them.
fn is_picture(c: char) -> bool {
    matches!(c, '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{20e3}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}'
        | '\u{24c2}' | '\u{25a0}'..='\u{27bf}' | '\u{2934}' | '\u{2935}' | '\u{2b00}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
        | '\u{1f000}'..='\u{1faff}')
}

/// Scripts whose letters join: Arabic, Syriac, N'Ko and Mongolian, and those of India and its neighbours.
fn has_joiners(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{8ff}' | '\u{900}'..='\u{dff}' | '\u{f00}'..='\u{109f}' | '\u{1780}'..='\u{18aa}' | '\u{a840}'..='\u{a9df}' | '\u{fb50}'..='\u{fdff}'
        | '\u{fe70}'..='\u{fefc}' | '\u{11000}'..='\u{11fff}')
}

fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// Characters that a reader does not see, or that change how others are seen.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_shown() {
        assert_eq!(escape("No\u{202e}te\u{0}\n"), "No\\u{202e}te\\u{0}\\u{a}");
        assert_eq!(escape("D\u{e9}sol\u{e9}, \u{4e2d}\u{1f600}"), "D\u{e9}sol\u{e9}, \u{4e2d}\u{1f600}");
        assert_eq!(escape(&"x".repeat(1_000)).chars().count(), MAX_CHARS + 1);
        assert_eq!(escape("\u{e0041}"), "\\u{e0041}");
        assert_eq!(
            readable("one\r\ntwo\n\n\tthree\u{85}\u{7}\u{1b}[31m\r"),
            "one\ntwo\n\n\tthree\\u{85}\\u{7}\\u{1b}[31m\\u{d}"
        );
        assert_eq!(readable(&"y".repeat(5_000)).chars().count(), MAX_SHOWN + 1);
    }

    #[test]
    fn at_a_terminal_a_line_stays_one_line_and_json_the_same_value() {
        let hostile = "a\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\nerror: b\r\u{e0041}";
        assert_eq!(line(hostile), "a\\u{1b}]0;owned\\u{7}\\u{9b}31m\\u{202e}\\u{a}error: b\\u{d}\\u{e0041}");
        assert_eq!(line(&line(hostile)), line(hostile));
        assert_eq!(line(&"x".repeat(5_000)).len(), 5_000);
        let value = serde_json::json!({ hostile: [hostile] });
        let written = json(&serde_json::to_string_pretty(&value).unwrap_or_default());
        assert!(written.contains('\n') && !written.chars().any(|c| is_hidden(c) && c != '\n'), "{written}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).ok(), Some(value));
    }

    #[test]
    fn ordinary_writing_is_shown_as_it_is() {
        for text in [
            "I \u{2764}\u{fe0f} it",
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466}",
            "\u{1f44d}\u{1f3fd} \u{1f469}\u{1f3fd}\u{200d}\u{1f4bb} \u{1f3f3}\u{fe0f}\u{200d}\u{1f308} \
             \u{1f9d1}\u{200d}\u{2695}\u{fe0f}",
            "1\u{fe0f}\u{20e3} #\u{fe0f}\u{20e3} \u{1f1e9}\u{1f1ea}",
            "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}!",
            "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}",
            "\u{647}\u{200d}",
            "\u{915}\u{94d}\u{200d}\u{937} \u{915}\u{94d}\u{200c}\u{937}",
            "\u{dc1}\u{dca}\u{200d}\u{dbb}\u{dd3}",
            "\u{5e9}\u{5dc}\u{5d5}\u{5dd} 050\u{200e}",
            "\u{200f}\u{5e9}\u{5dc}\u{5d5}\u{5dd}",
            "cafe\u{301} \u{a0}na\u{ef}ve",
        ] {
            assert_eq!(readable(text), text);
            assert_eq!(escape(text), text);
        }
    }

    #[test]
    fn a_joiner_where_no_writing_has_one_is_shown() {
        for (text, hidden) in [
            ("a\u{200d}b", "200d"),
            ("a\u{200c}b", "200c"),
            ("a\u{fe0f}", "fe0f"),
            ("\u{fe0f}", "fe0f"),
            ("\u{2764}\u{fe0f}\u{fe0f}", "fe0f"),
            ("\u{2764}\u{fe00}", "fe00"),
            ("\u{2764}\u{e0100}", "e0100"),
            ("\u{1f468}\u{200d}\u{200d}\u{1f469}", "200d"),
            ("\u{1f468}\u{200d}x", "200d"),
            ("\u{645}\u{200c}\u{200c}\u{645}", "200c"),
            ("ab\u{200e}cd", "200e"),
            ("\u{5e9}\u{200e}\u{200e}", "200e"),
            ("\u{5e9}\u{202e}\u{5dc}", "202e"),
            ("\u{2066}x\u{2069}", "2066"),
            ("\u{1f3f4}\u{e0061}\u{e007f}", "e0061"),
            ("\u{ad}", "ad"),
            ("\u{feff}x", "feff"),
            ("\u{3164}", "3164"),
        ] {
            assert!(readable(text).contains(&format!("\\u{{{hidden}}}")), "{text:?}: {}", readable(text));
        }
    }

    #[test]
    fn what_is_kept_is_what_was_written_and_says_where_it_was_cut() {
        let text = "One\r\n\u{0}two\u{202e} \u{1f468}\u{200d}\u{1f469}";
        assert_eq!(kept(text, 100), text);
        assert_eq!(kept("\u{e9}\u{e9}\u{e9}\u{e9}", 4), "\u{e9}\u{e9}\u{e9}\u{e9}");
        assert_eq!(kept("\u{e9}\u{e9}\u{e9}\u{e9}", 1), "\u{e9}\u{2026} [3 more characters were left out]");
    }
}
