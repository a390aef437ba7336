//! `{{name}}` placeholders of a bulk message, filled from each recipient's data.
//!
//! Strict on purpose: a name that the data lacks, or data that no placeholder uses, is an error before
//! anything is sent, since "Dear {{name}}" cannot be taken back. A value is put in as it is; its own braces
//! mean nothing.

use std::collections::BTreeMap;

/// A parsed message: literal text and placeholders in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template<'a> {
    parts: Vec<Part<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// What is wrong with a template, or with one recipient's data for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// `{{` without `}}`.
    Unclosed {
        /// How it begins.
        near: String,
    },
    /// A name that is empty or has other characters than letters, digits, `_` and `-`.
    BadName {
        /// The name.
        name: String,
    },
    /// A placeholder for which the data has no value.
    Missing {
        /// The name.
        name: String,
    },
    /// The filled message would be longer than allowed.
    TooLong {
        /// The most that is allowed, in bytes.
        most: usize,
    },
    /// Data that no placeholder uses.
    Unused {
        /// The name.
        name: String,
    },
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unclosed { near } => {
                write!(f, "the placeholder that starts at \"{near}\" has no closing }}}}")
            }
            Self::BadName { name } => {
                write!(f, "\"{name}\" is no placeholder name; use letters, digits, _ and -")
            }
            Self::Missing { name } => {
                write!(f, "no value for placeholder {{{{{name}}}}}; add \"{name}\" to data")
            }
            Self::TooLong { most } => write!(f, "the filled message is longer than {most} bytes"),
            Self::Unused { name } => {
                write!(f, "data has \"{name}\", but the message has no placeholder {{{{{name}}}}}")
            }
        }
    }
}

impl std::error::Error for TemplateError {}

impl<'a> Template<'a> {
    /// Parses a message. White space inside the braces is ignored.
    ///
    /// # Errors
    /// A placeholder that is not closed or has a bad name.
    pub fn parse(message: &'a str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = message;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, tail)) = after.split_once("}}") else {
                let near = std::iter::once("{{")
                    .chain(std::iter::once(after))
                    .collect::<String>()
                    .chars()
                    .take(20)
                    .collect();
                return Err(TemplateError::Unclosed { near });
            };
            let name = name.trim();
            let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(plain) {
                return Err(TemplateError::BadName { name: name.chars().take(40).collect() });
            }
            if !before.is_empty() {
                parts.push(Part::Text(before));
            }
            parts.push(Part::Name(name));
            rest = tail;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest));
        }
        Ok(Self { parts })
    }

    /// The names that the message uses, in order, with repetitions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Name(name) => Some(*name),
            Part::Text(_) => None,
        })
    }

    /// The text around the placeholders.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(*text),
            Part::Name(_) => None,
        })
    }

    /// The message for one recipient, of at most `most` bytes.
    ///
    /// # Errors
    /// A placeholder without a value, a value without a placeholder, or too long a message.
    pub fn fill(&self, data: &BTreeMap<String, String>, most: usize) -> Result<String, TemplateError> {
        let mut text = String::new();
        for part in &self.parts {
            let piece = match part {
                Part::Text(literal) => literal,
                Part::Name(name) => data
                    .get(*name)
                    .map(String::as_str)
                    .ok_or_else(|| TemplateError::Missing { name: (*name).to_owned() })?,
            };
            // Asked before it grows: a placeholder may stand in the message thousands of times.
            if text.len() + piece.len() > most {
                return Err(TemplateError::TooLong { most });
            }
            text.push_str(piece);
        }
        let used: std::collections::BTreeSet<&str> = self.names().collect();
        match data.keys().find(|name| !used.contains(name.as_str())) {
            Some(name) => Err(TemplateError::Unused { name: name.clone() }),
            None => Ok(text),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn placeholders_are_filled_and_values_are_not_templates() {
        let template = Template::parse("Hi {{ name }}, {{n}} {{name}}").unwrap();
        assert_eq!(template.fill(&data(&[("name", "{{n}}"), ("n", "1")]), 99).unwrap(), "Hi {{n}}, 1 {{n}}");
        assert_eq!(
            Template::parse("no braces }} here { }").unwrap().fill(&data(&[]), 99).unwrap(),
            "no braces }} here { }"
        );
    }

    #[test]
    fn a_missing_or_unknown_name_is_named() {
        let template = Template::parse("Hi {{name}}").unwrap();
        assert_eq!(template.fill(&data(&[]), 99), Err(TemplateError::Missing { name: "name".into() }));
        assert_eq!(
            template.fill(&data(&[("name", "A"), ("x", "B")]), 99),
            Err(TemplateError::Unused { name: "x".into() })
        );
        let bomb = "{{a}}".repeat(1_000);
        assert_eq!(
            Template::parse(&bomb).unwrap().fill(&data(&[("a", &"x".repeat(1_000))]), 4_000),
            Err(TemplateError::TooLong { most: 4_000 })
        );
        assert!(matches!(Template::parse("Hi {{name"), Err(TemplateError::Unclosed { .. })));
        assert!(matches!(Template::parse("Hi {{}}"), Err(TemplateError::BadName { .. })));
        assert!(matches!(Template::parse("Hi {{a b}}"), Err(TemplateError::BadName { .. })));
    }
}
