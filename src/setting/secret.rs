//! Where a secret is: written in the settings, in a variable of the environment, or in a file of its own.
//!
//! Settings write `token = "..."`, `token = { env = "NAME" }` or `token = { file = "path" }`. Whatever is
//! wrong with one of them, no error shows what stands there, since it may be the secret; neither does
//! `Debug`, and nothing writes it back.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::SecretText;

/// What is right, for every error.
const FORMS: &str = Secret::FORMS;

/// A secret among the settings. See the module's text.
#[derive(Clone)]
pub enum Secret {
    /// It stands here.
    Text(SecretText),
    /// It is in this variable of the environment.
    Env(String),
    /// It is in this file.
    File(PathBuf),
}

impl Secret {
    /// How one is written.
    pub const FORMS: &str = "{ env = \"NAME\" }, { file = \"path\" }, or the secret itself in quotes";

    /// The name of a variable as an error shows it: what does not look like one may be the secret, in the
    /// wrong place.
    pub fn shown(name: &str) -> &str {
        let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if is_name { name } else { "[not shown: it may be the secret]" }
    }

    /// The same of a path.
    pub fn shown_path(path: &Path) -> Cow<'_, str> {
        let shown = path.to_string_lossy();
        if shown.starts_with(['/', '.', '~']) { shown } else { "[not shown: it may be the secret]".into() }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("[secret]"),
            Self::Env(name) => f.debug_struct("Secret").field("env", name).finish(),
            Self::File(path) => f.debug_struct("Secret").field("file", path).finish(),
        }
    }
}

/// A text whose errors do not show what was found in its place.
struct Unshown(String);

impl<'de> Deserialize<'de> for Unshown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Unshown;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Unshown, E> {
                Ok(Unshown(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Unshown, E> {
                Err(unquoted())
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Unshown, E> {
                Err(unquoted())
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Unshown, E> {
                Err(unquoted())
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Unshown, E> {
                Err(unquoted())
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

fn unquoted<E: Error>() -> E {
    E::custom("a secret is a string; put it in quotes")
}

fn wrong<E: Error>() -> E {
    E::custom(format_args!("a secret is {FORMS}"))
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(FORMS)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::Text(SecretText::new(text)))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
                Err(unquoted())
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
                Err(unquoted())
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
                Err(unquoted())
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
                Err(unquoted())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Secret, A::Error> {
                Err(wrong())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let mut found = None;
                while let Some(Unshown(key)) = map.next_key()? {
                    let place = match key.as_str() {
                        "env" => Secret::Env(map.next_value::<Unshown>()?.0),
                        "file" => Secret::File(map.next_value::<Unshown>()?.0.into()),
                        _ => return Err(wrong()),
                    };
                    if found.replace(place).is_some() {
                        return Err(A::Error::custom(
                            "`env` and `file` of one secret exclude each other; keep one",
                        ));
                    }
                }
                found.ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let place = |name: &str| {
            json_schema!({
                "type": "object", "properties": { name: { "type": "string" } }, "required": [name],
                    "additionalProperties": false
            })
        };
        json_schema!({
            "description": "The secret itself, or the variable or file that holds it.",
            "anyOf": [{ "type": "string" }, place("env"), place("file")]
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(value: &str) -> Result<Secret, String> {
        #[derive(Debug, Deserialize)]
        struct Alone {
            secret: Secret,
        }
        // As a file is read, of which an error shows no line.
        let read: Result<Alone, _> = toml::from_str(&format!("secret = {value}"));
        read.map(|alone| alone.secret).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_secret_has_three_forms() {
        assert!(matches!(read("\"canary\"").unwrap(), Secret::Text(text) if text.expose() == "canary"));
        assert!(matches!(read("{ env = \"NAME\" }").unwrap(), Secret::Env(name) if name == "NAME"));
        assert!(
            matches!(read("{ file = \"/run/x\" }").unwrap(), Secret::File(path) if path == std::path::Path::new("/run/x"))
        );
    }

    #[test]
    fn what_is_no_name_and_no_path_may_be_the_secret_and_is_not_shown() {
        for (name, is_shown) in [("SMS_TOKEN", true), ("canary7357", false), ("whsec_AbC", false)] {
            assert_eq!(Secret::shown(name) == name, is_shown, "{name}");
        }
        for (path, is_shown) in [("/run/secrets/x", true), ("./x", true), ("canary7357", false)] {
            assert_eq!(Secret::shown_path(Path::new(path)) == path, is_shown, "{path}");
        }
    }

    #[test]
    fn nothing_that_is_wrong_with_a_secret_shows_it() {
        for value in [
            "7357",
            "7.357",
            "true",
            "2024-07-03",
            "[\"canary\"]",
            "{}",
            "{ canary = 1 }",
            "{ env = 7357 }",
            "{ file = [\"canary\"] }",
            "{ env = { canary = 1 } }",
            "{ env = \"canary\", file = \"canary\" }",
            "{ env = \"canary\", canary = 1 }",
        ] {
            let why = read(value).unwrap_err();
            assert!(
                !why.contains("canary") && !why.contains("357") && !why.contains("2024"),
                "{value}: {why}"
            );
        }
        assert!(!format!("{:?}", read("\"canary\"").unwrap()).contains("canary"));
    }
}
