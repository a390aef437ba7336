//! Texts with placeholders, such as `{to}`: read once when the settings are, filled in one pass.
//!
//! What a placeholder is filled with is never looked at again, so a text that holds `{secret}` stays a text.
//! How a value is written so that it stays in its place is the place's own: each gives its own way to write.

/// The placeholders of a request, but for those that the operator names.
pub const PLACEHOLDERS: [&str; 11] =
    ["to", "from", "text", "id", "type", "parts", "callback_url", "time", "vendor_id", "user", "secret"];

/// Longest text with placeholders, in characters.
const LONGEST: usize = 4_000;

/// What a placeholder becomes in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text.
    Text,
    /// A number.
    Int,
    /// A list of one text.
    List,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Slot(String, Form),
}

/// A text with placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// What placeholders stand for. A name that is not among them has no value now. It has no `Debug`: it may
/// hold texts and secrets.
#[derive(Clone, Default)]
pub struct Values(Vec<(String, String)>);

impl Values {
    /// Adds one.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// Adds one, if there is one.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds others.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.0.extend(others.0.iter().cloned());
        self
    }

    /// What this name stands for.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Template {
    /// Reads a text with placeholders; `{{` and `}}` are braces.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, knows: impl Fn(&str) -> Result<(), String>) -> Result<Self, String> {
        if text.chars().count() > LONGEST {
            return Err(format!("has more than {LONGEST} characters"));
        }
        let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else {
                let inner = from.strip_prefix('{').and_then(|inner| inner.split_once('}'));
                let (inner, after) =
                    inner.ok_or("has a brace that stands alone; a brace itself is {{ or }}")?;
                let (name, form) = match inner.split_once(':') {
                    None => (inner, Form::Text),
                    Some((name, "int")) => (name, Form::Int),
                    Some((name, "list")) => (name, Form::List),
                    Some(_) => return Err(format!("has {{{inner}}}; after a colon stands int or list")),
                };
                knows(name)?;
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Slot(name.to_owned(), form));
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// The text with its values, each written so that it stays in its place; nothing where one has no value
    /// now.
    pub fn fill(&self, values: &Values, write: impl Fn(&str) -> String) -> Option<String> {
        self.0.iter().try_fold(String::new(), |mut filled, piece| {
            match piece {
                Piece::Literal(text) => filled.push_str(text),
                Piece::Slot(name, _) => filled.push_str(&write(values.get(name)?)),
            }
            Some(filled)
        })
    }

    /// What it consists of, each value as octets; nothing where one has none.
    pub fn octets<'a>(&'a self, value: impl Fn(&str) -> Option<&'a [u8]>) -> Option<Vec<&'a [u8]>> {
        let each = self.0.iter().map(|piece| match piece {
            Piece::Literal(text) => Some(text.as_bytes()),
            Piece::Slot(name, _) => value(name),
        });
        each.collect()
    }

    /// The names of its placeholders.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Slot(name, _) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// The name and form of its placeholder, where that is all of it.
    pub fn alone(&self) -> Option<(&str, Form)> {
        match self.0.as_slice() {
            [Piece::Slot(name, form)] => Some((name, *form)),
            _ => None,
        }
    }

    /// Whether a placeholder is to be more than text.
    pub fn has_form(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Slot(_, Form::Int | Form::List)))
    }

    /// Whether this name stands at the end, and nowhere else.
    pub fn ends_with(&self, name: &str) -> bool {
        matches!(self.0.last(), Some(Piece::Slot(last, _)) if last == name)
            && self.names().filter(|known| *known == name).count() == 1
    }

    /// The text without its values.
    pub fn literals(&self) -> String {
        self.0
            .iter()
            .filter_map(|piece| match piece {
                Piece::Literal(text) => Some(text.as_str()),
                Piece::Slot(..) => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<Template, String> {
        Template::parse(text, |name| match PLACEHOLDERS.contains(&name) {
            true => Ok(()),
            false => Err(format!("no {{{name}}}")),
        })
    }

    #[test]
    fn a_value_that_looks_like_a_placeholder_or_a_brace_stays_what_it_is() {
        let values =
            Values::default().with("to", "{text}{{").with("text", "{to}{secret}}}").with("secret", "s");
        for (text, expected) in [
            ("{to}", "{text}{{"),
            ("{to}{text}", "{text}{{{to}{secret}}}"),
            ("{{to}} {to} }}{{", "{to} {text}{{ }{"),
            ("", ""),
            ("plain", "plain"),
        ] {
            assert_eq!(parse(text).unwrap().fill(&values, str::to_owned).unwrap(), expected, "{text}");
        }
        assert_eq!(parse("a{id}").unwrap().fill(&values, str::to_owned), None, "no value now");
    }

    #[test]
    fn what_is_no_placeholder_is_refused_with_what_would_be_right() {
        for (wrong, named) in [
            ("{tо}", "no {tо}"),
            ("{}", "no {}"),
            ("{to", "stands alone"),
            ("to}", "stands alone"),
            ("{to:float}", "int or list"),
            (&"x".repeat(LONGEST + 1), "4000 characters"),
        ] {
            let why = parse(wrong).unwrap_err();
            assert!(why.contains(named), "{wrong}: {why}");
        }
        let template = parse("a{text}").unwrap();
        assert!(template.ends_with("text") && !parse("{text}a").unwrap().ends_with("text"));
        assert!(!parse("{text}{text}").unwrap().ends_with("text"));
        assert_eq!(parse("{to:list}").unwrap().alone(), Some(("to", Form::List)));
        assert_eq!((template.alone(), template.literals().as_str()), (None, "a"));
    }
}
