//! Text that people or machines outside wrote, made safe to show: to a terminal, a log, or a model.

/// Longest outside text that is shown, in characters.
const MAX_CHARS: usize = 300;

/// Escapes control, invisible and direction characters as `\u{..}`, and cuts long text.
pub fn escape(text: &str) -> String {
    escape_up_to(text, MAX_CHARS)
}

/// As [`escape`], for what may be longer: cut after `most` characters.
pub fn escape_up_to(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most));
    for (index, c) in text.chars().enumerate() {
        if index == most {
            shown.push('\u{2026}');
            break;
        }
        if is_hidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
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
    }
}
