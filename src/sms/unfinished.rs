//! What is left in a text by mistake, and would be read by a person: a placeholder that nothing filled, a
//! line break written as the two characters `\n`, a value that is none.
//!
//! [`placeholder`] and [`escape`] look for the habits of programs and language models, with few false hits,
//! since what they find is not sent. A text in which such a thing is meant goes out where the operator allows
//! it (`[guard] allow_placeholders` and `allow_escapes`).

use std::fmt;

/// Longest placeholder that is looked for, in characters.
const MAX_NAME: usize = 40;

/// What was found, as it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// A placeholder: `{{name}}`, `{{ user.name | upper }}`, `${name}`, `{name}`, `{0}`, `%name%`,
    /// `[[name]]`, `<%= name %>`, `[Your Name]`.
    Placeholder(String),
    /// A character that is escaped once too often: `\n`, `\t`, `\"`, `\u00e9`, or one of these with two
    /// backslashes.
    Escape(String),
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Placeholder(found) => write!(
                f,
                "has the placeholder {found}, which nothing fills: the person would read it as it stands. \
                 Write the value itself, such as \"Hi Ann\"; \
                 send_bulk fills {{{{name}}}} from each recipient's data"
            ),
            Self::Escape(found) => {
                let right = match found.trim_start_matches('\\').chars().next() {
                    Some('u') => "write the character itself".to_owned(),
                    Some(quote @ ('"' | '\'')) => format!("write {quote} without the backslash"),
                    Some('t') => "write a space".to_owned(),
                    _ => "write a real line break (in JSON: one backslash and n, not two)".to_owned(),
                };
                write!(
                    f,
                    "has the characters {found} in it, which a person would read as they stand: {right}"
                )
            }
        }
    }
}

/// The first placeholder that nothing filled.
pub fn placeholder(text: &str) -> Option<Unfinished> {
    text.char_indices().find_map(|(at, c)| {
        let rest = text.get(at..)?;
        let found = match c {
            '{' => braces(rest).or_else(|| enclosed(rest, "{", "}", is_identifier)),
            '$' => enclosed(rest, "${", "}", |name| !name.is_empty()),
            // Not in an address of the web, and not a folder of Windows: %TEMP%\new.
            '%' => enclosed(rest, "%", "%", is_word).filter(|found| {
                !is_address(text, at)
                    && !rest.get(found.len()..).is_some_and(|behind| behind.starts_with('\\'))
            }),
            '[' => enclosed(rest, "[[", "]]", is_words).or_else(|| enclosed(rest, "[", "]", is_left_to_fill)),
            '<' => enclosed(rest, "<%", "%>", |name| !name.is_empty())
                .or_else(|| enclosed(rest, "<", ">", is_left_to_fill)),
            _ => None,
        };
        found.map(|found| Unfinished::Placeholder(found.chars().take(MAX_NAME + 4).collect()))
    })
}

/// The first character that was escaped once too often.
///
/// `\n`, `\r`, `\t`, `\"`, `\'` and `\u` with its four digits count, and `\\n` and the like. Not where the
/// word around is a Windows path (`C:\new`, `\\nas\texts`, `..\notes`, `%TEMP%\new`), a choice ("y\n",
/// "yes\no"), or, for `\t` and `\r`, where letters stand on both sides (`CORP\tom`).
pub fn escape(text: &str) -> Option<Unfinished> {
    let mut words = text.split_whitespace();
    words.find_map(|word| {
        if word.contains('\\') && !is_path(word) && !is_choice(word) { escape_in(word) } else { None }
    })
}

/// Whether a value that fills a placeholder says nothing: it is empty, or what a program prints for nothing.
pub fn is_no_value(value: &str) -> bool {
    const NOTHING: [&str; 11] =
        ["null", "NULL", "undefined", "None", "NaN", "nan", "<NA>", "#N/A", "#REF!", "#VALUE!", "#NAME?"];
    let seen: String =
        value.chars().filter(|c| !c.is_whitespace() && !super::untrusted::is_hidden(*c)).collect();
    seen.is_empty() || NOTHING.contains(&seen.as_str())
}

/// `{{` and all up to `}}`; where that is missing, its beginning.
fn braces(rest: &str) -> Option<String> {
    let inside = rest.strip_prefix("{{")?;
    let end = inside.find("}}").map_or(inside.len(), |end| end + 2);
    Some(format!("{{{{{}", inside.get(..end)?))
}

/// `open`, a name that fits, and `close`.
fn enclosed(rest: &str, open: &str, close: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
    let inside = rest.strip_prefix(open)?;
    let name = inside.get(..inside.find(close)?)?;
    (name.chars().count() <= MAX_NAME && fits(name)).then(|| format!("{open}{name}{close}"))
}

/// `name`, `user.name`, `order_id`, `first-name`, `0`.
fn is_identifier(name: &str) -> bool {
    let is_number = name.len() <= 2 && name.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    !name.is_empty() && (is_number || is_name)
}

/// Whether the word at this place is an address of the web, where `%` has another meaning.
fn is_address(text: &str, at: usize) -> bool {
    let begin = text.get(..at).and_then(|before| before.rfind(char::is_whitespace)).unwrap_or(0);
    let word = text.get(begin..).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    word.contains('/') || word.contains('?') || word.contains('=')
}

/// As an identifier of a mail merge: `%FIRSTNAME%`. Not a number ("50%-70%"), no octet of an address
/// (`%C3%A9`).
fn is_word(name: &str) -> bool {
    let is_octet = name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    !is_octet
        && name.chars().count() >= 2
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_words(name: &str) -> bool {
    let name = name.trim();
    !name.is_empty() && name.split(' ').all(is_identifier)
}

/// What is written in brackets for somebody else to fill in. A name of a sender stands in brackets too:
/// "[Acme] Your code".
fn is_left_to_fill(name: &str) -> bool {
    const BEGIN: [&str; 4] = ["your ", "insert ", "enter ", "recipient"];
    const WHOLE: [&str; 12] = [
        "name",
        "first name",
        "firstname",
        "first_name",
        "last name",
        "lastname",
        "full name",
        "customer name",
        "customer",
        "company name",
        "date",
        "time",
    ];
    let name = name.trim().to_lowercase();
    BEGIN.iter().any(|begin| name.starts_with(begin)) || WHOLE.contains(&name.as_str())
}

fn escape_in(word: &str) -> Option<Unfinished> {
    let mut before = None;
    let mut rest = word;
    while let Some(at) = rest.find('\\') {
        let (head, tail) = rest.split_at(at);
        before = head.chars().next_back().or(before);
        let slashes = tail.len() - tail.trim_start_matches('\\').len();
        let behind = tail.get(slashes..)?;
        let letter = behind.chars().next();
        let next = behind.chars().nth(1);
        let is_between_letters =
            before.is_some_and(char::is_alphabetic) && next.is_some_and(char::is_alphabetic);
        let length = match letter {
            Some('n' | '"' | '\'') => Some(1),
            Some('t' | 'r') if !is_between_letters => Some(1),
            Some('u')
                if behind.len() > 4
                    && behind.bytes().skip(1).take(4).all(|byte| byte.is_ascii_hexdigit()) =>
            {
                Some(5)
            }
            _ => None,
        };
        if let Some(length) = length.filter(|_| slashes <= 2) {
            return tail.get(..slashes + length).map(|found| Unfinished::Escape(found.to_owned()));
        }
        before = Some('\\');
        rest = behind;
    }
    None
}

/// Whether a word is a path of Windows.
fn is_path(word: &str) -> bool {
    let word = word.trim_start_matches(['"', '\'', '(', '<', '[', '\u{201c}']);
    let mut chars = word.chars();
    let is_drive = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.next() == Some(':')
        && chars.next() == Some('\\');
    let host = word.strip_prefix("\\\\").and_then(|rest| rest.split_once('\\')).map(|(host, _)| host);
    let is_share = host.is_some_and(|host| {
        host.len() > 1 && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.$".contains(&byte))
    });
    is_drive
        || is_share
        || word.starts_with(".\\")
        || word.starts_with("..\\")
        || (word.starts_with('%') && word.contains("%\\"))
}

/// "y\n" and "yes\no", for "yes or no".
fn is_choice(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    ["y\\n", "yes\\no"].iter().any(|choice| word.eq_ignore_ascii_case(choice))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<String> {
        placeholder(text).or_else(|| escape(text)).map(|found| match found {
            Unfinished::Placeholder(found) | Unfinished::Escape(found) => found,
        })
    }

    #[test]
    fn what_programs_and_models_leave_in_a_text_is_found() {
        for (text, what) in [
            ("Hi {{name}}, your table is ready", "{{name}}"),
            ("Hi {{ user.first_name | title }}!", "{{ user.first_name | title }}"),
            ("Hi {{name", "{{name"),
            ("Hi {{{name}}}", "{{{name}}"),
            ("Hi {name}, order {order_id}", "{name}"),
            ("Order {0} is ready", "{0}"),
            ("Hi ${name}", "${name}"),
            ("Hi %FIRSTNAME%", "%FIRSTNAME%"),
            ("Hi [[first name]]", "[[first name]]"),
            ("Dear [Name], regards", "[Name]"),
            ("Regards, [Your Name]", "[Your Name]"),
            ("Hi <first name>", "<first name>"),
            ("Hi <%= name %>", "<%= name %>"),
            ("Hi Ann,\\nyour table is ready", "\\n"),
            ("Hi Ann\\n\\nYour table", "\\n"),
            ("milk\\neggs\\nbread", "\\n"),
            ("Line one\\\\nLine two", "\\\\n"),
            ("One\\r\\nTwo", "\\r"),
            ("Hello \\n", "\\n"),
            ("\\nHello", "\\n"),
            ("\\n\\nHello", "\\n"),
            ("Total:\\t5", "\\t"),
            ("He said \\\"now\\\"", "\\\""),
            ("It\\'s ready", "\\'"),
            ("Caf\\u00e9 at 8", "\\u00e9"),
            ("\\ud83d\\ude00", "\\ud83d"),
        ] {
            assert_eq!(found(text).as_deref(), Some(what), "{text}");
        }
    }

    #[test]
    fn a_text_in_which_such_signs_mean_something_is_left_alone() {
        for text in [
            "Hi Ann,\nyour table is ready\t:)",
            "[Acme] Your code is 123456",
            "\u{3010}Acme\u{3011} hello",
            "50% off, 70% on Monday",
            "5%-10%",
            "I <3 you; 3 < 5 > 2",
            "if (a) { b }",
            "set {1, 2, 3}",
            "price: $5 {tax incl.}",
            "{} {  }",
            "[1] and [2]",
            "C:\\new\\table.txt",
            "see \"D:\\reports\\new\"",
            "\\\\nas\\texts\\new",
            "..\\notes\\today",
            "%TEMP%\\new",
            "Reply Y\\N",
            "Reply (yes\\no)",
            "CORP\\tom",
            "and\\or",
            "\u{af}\\_(\u{30c4})_/\u{af}",
            "\\o/",
            "a \\ b",
            "}} no {",
            "https://acme.example/caf%C3%A9?q=%CAfe%20x",
            "acme.example/a%20table%20for%20two",
            "caf%C3%A9",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn a_value_that_is_none_is_seen() {
        for value in [
            "",
            " ",
            "\t",
            "\u{200b}",
            "\u{a0}\u{feff}",
            "null",
            "None",
            "undefined",
            "NaN",
            "#N/A",
            " #REF! ",
        ] {
            assert!(is_no_value(value), "{value:?}");
        }
        for value in ["Ann", "0", "-", "Null", "Nuller", "no", "n/a"] {
            assert!(!is_no_value(value), "{value:?}");
        }
    }
}
