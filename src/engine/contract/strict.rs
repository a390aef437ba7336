//! Reading what the schemas say and nothing else. Derived code also takes a list for an object (its fields in
//! order) and `{"skip": null}` for `"skip"`; a call that is wrong in such a way must not send anything.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Datum;
use crate::sms::message::State;
use crate::sms::purpose::Purpose;

/// A list of objects.
pub(super) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let objects = Vec::<Object<T>>::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|Object(inner)| inner).collect())
}

/// A list of objects, or the JSON text of one: a long list is not made a tree of values first.
pub(super) fn objects_or_their_text<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct Either<T>(PhantomData<T>);

    impl<'de, T: DeserializeOwned> Visitor<'de> for Either<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of objects")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
            objects(SeqAccessDeserializer::new(list))
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            let mut reader = serde_json::Deserializer::from_str(text);
            let read = objects(&mut reader).and_then(|read| reader.end().map(|()| read));
            read.map_err(E::custom)
        }
    }

    deserializer.deserialize_any(Either(PhantomData))
}

/// The values of placeholders, each name once: of a name that is there twice nobody knows which value is
/// meant.
pub(super) fn values<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let mut values = BTreeMap::new();
    for Datum { name, value } in objects::<D, Datum>(deserializer)? {
        if values.contains_key(&name) {
            return Err(D::Error::custom(format!("the name \"{name}\" is there twice")));
        }
        values.insert(name, value);
    }
    Ok(values)
}

/// A word of an enum.
pub(super) fn word<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

/// A purpose.
pub(super) fn purpose<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Purpose>, D::Error> {
    word(deserializer).map(Some)
}

/// What a model says for "in whatever state", where its API has it choose a word for each argument.
const ANY: &str = "any";

/// A state, or any.
pub(super) fn state<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<State>, D::Error> {
    let word = String::deserialize(deserializer)?;
    if word == ANY { Ok(None) } else { State::deserialize(word.into_deserializer()).map(Some) }
}

/// The words of [`state`].
pub(super) fn state_schema(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> =
        std::iter::once(ANY).chain(State::ALL.iter().map(|state| state.as_str())).collect();
    json_schema!({ "type": "string", "enum": words })
}

struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}
