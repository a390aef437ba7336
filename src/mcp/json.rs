//! One look at JSON text, before it becomes a value that has forgotten what stood there twice.
//!
//! An object that names a member twice means two things: this reader takes the last, another one the first,
//! and a person who approved a call may have read the other (RFC 8259, 4: "the behavior ... is
//! unpredictable"). So it is refused.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::sms::untrusted;

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonKind {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

impl JsonKind {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }
}

impl std::fmt::Display for JsonKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}

/// What one look at a value shows.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) kind: JsonKind,
    /// Where in it the first member stands that its object has twice, such as `recipients[3].to`.
    pub(super) twice: Option<String>,
    /// What its member `_meta` is, where it has one.
    pub(super) meta: Option<JsonKind>,
}

impl Seen {
    fn plain(kind: JsonKind) -> Self {
        Self { kind, twice: None, meta: None }
    }
}

/// The place in this JSON text of the first member that its object has twice; nothing where it is no JSON.
pub(super) fn twice(text: &str) -> Option<String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    Look.deserialize(&mut reader).ok()?.twice
}

/// A place, seen from one step further out.
pub(super) fn below(step: &str, place: &str) -> String {
    let dot = if place.starts_with('[') { "" } else { "." };
    format!("{step}{dot}{place}")
}

/// The name of a member, without a copy where it needs none.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name<'de>(pub(super) Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of a member")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// Looks at any value, and keeps nothing of it.
pub(super) struct Look;

impl<'de> DeserializeSeed<'de> for Look {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look {
    type Value = Seen;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::plain(JsonKind::Null))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Seen, E> {
        Ok(Seen::plain(JsonKind::Boolean))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Seen, E> {
        Ok(Seen::plain(JsonKind::Number))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Seen, E> {
        Ok(Seen::plain(JsonKind::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Seen, E> {
        Ok(Seen::plain(JsonKind::Number))
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::plain(JsonKind::Text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen, A::Error> {
        let (mut twice, mut index) = (None, 0_usize);
        while let Some(item) = items.next_element_seed(Look)? {
            twice = twice.or_else(|| item.twice.map(|place| below(&format!("[{index}]"), &place)));
            index += 1;
        }
        Ok(Seen { twice, ..Seen::plain(JsonKind::Array) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Seen, A::Error> {
        let (mut names, mut twice, mut meta) = (BTreeSet::new(), None, None);
        while let Some(name) = members.next_key::<Name<'de>>()? {
            let member = members.next_value_seed(Look)?;
            if name.0 == "_meta" {
                meta = Some(member.kind);
            }
            if twice.is_none() {
                let shown = || untrusted::escape(&name.0);
                twice = if names.contains(&name) {
                    Some(shown())
                } else {
                    member.twice.map(|place| below(&shown(), &place))
                };
            }
            names.insert(name);
        }
        Ok(Seen { kind: JsonKind::Object, twice, meta })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_stands_twice_is_found_wherever_it_stands_and_however_it_is_spelled() {
        for (text, place) in [
            (r#"{"to":"1","to":"2"}"#, "to"),
            (r#"{"to":"1","\u0074o":"1"}"#, "to"),
            (r#"{"to":null,"x":1,"to":null}"#, "to"),
            (r#"{"a":[{},{"b":{"c":1,"c":1}}]}"#, "a[1].b.c"),
            (r#"[[{"x":1,"x":2}]]"#, "[0][0].x"),
            (r#"{"":1,"":2}"#, ""),
        ] {
            assert_eq!(twice(text).as_deref(), Some(place), "{text}");
        }
        for text in [
            r#"{"to":"1","To":"2"}"#,
            r#"[{"a":1},{"a":1}]"#,
            r#"{"a":{"a":{"a":1}}}"#,
            "[1,1]",
            "\"x\"",
            r#"{"a":1,"a":"#,
        ] {
            assert_eq!(twice(text), None, "{text}");
        }
    }
}
