//! Reading the arguments of a call: kindly where a client's habit speaks, and never where that could change
//! who is texted, what is said, or what may be spent.
//!
//! Models that must fill every field send `""` for what they would leave out; languages without integers send
//! `5.0`; some clients send JSON as text. The tool's own input schema says what each argument is, so one walk
//! along it puts these habits right before the arguments are read for good:
//!
//! - `""` and `null` for what may be left out is "left out", which allows no more than leaving it out does.
//!   `dry_run` is the exception: whoever means a quote and gets a text cannot take it back, so it is `true`,
//!   `false` or not there.
//! - `0` is "left out" for `limit` alone: a budget of 0 is one.
//! - Whole floats and digits as text are integers; JSON text is the list or the object that it holds, unless
//!   a member stands twice in it.
//! - What fills placeholders may be a map. An object of `name` and `value` alone is one pair of the list, and
//!   no map of two: models forget the brackets. Where the message has the placeholders `{{name}}` and
//!   `{{value}}` it is refused, since it could say either. A pair of two empty texts is one that a strict
//!   model had to fill: it is left out.
//! - An integer is text for a message, a key and a placeholder's value while it surely has all its digits. A
//!   phone number written as a number has lost its plus, and perhaps zeros: it is refused.
//! - Unknown fields are refused, with the names that are right.
//!
//! Every complaint names the place (`recipients[3].to`), what belongs there, and one right value. It never
//! repeats what stood there: that may be a person's text.

use rmcp::model::{JsonObject, Tool};
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use super::json::{self, JsonKind};
use super::long_list::{self, LONG};
use crate::error::{Error, ErrorKind, Result};
use crate::sms::template::Template;
use crate::sms::untrusted;

/// Arguments as the engine takes them.
#[derive(Debug)]
pub(super) struct Given<T> {
    /// What was asked for.
    pub(super) arguments: T,
    /// What the caller must know about how it was read.
    pub(super) warnings: Vec<String>,
}

/// Beyond this, two neighbouring integers may have become one on their way (2^53 - 1).
const LAST_EXACT: u64 = (1 << 53) - 1;

/// What is text and may come as an integer: nobody loses anything by its digits.
const INTEGER_IS_TEXT: [&str; 3] = ["message", "idempotency_key", "value"];

/// Text that is an amount, and may come as a number.
const AMOUNT: &str = "max_spend";

/// Where 0 says nothing.
const ZERO_IS_NOTHING: &str = "limit";

/// What is never "left out" by an empty text.
const STRICT: &str = "dry_run";

/// A right value of each argument, as JSON.
const EXAMPLES: [(&str, &str); 26] = [
    ("to", "\"+12025550123\""),
    ("message", "\"Your table is booked for 7 pm.\""),
    ("from", "\"Acme\""),
    ("idempotency_key", "\"booking-17\""),
    ("session", "\"ses_...\""),
    ("allow_duplicate", "false"),
    ("dry_run", "true"),
    ("recipients", "[{\"to\": \"+12025550123\", \"data\": [{\"name\": \"name\", \"value\": \"Ann\"}]}]"),
    ("data", "[{\"name\": \"name\", \"value\": \"Ann\"}]"),
    ("name", "\"name\""),
    ("value", "\"Ann\""),
    ("on_invalid", "\"skip\""),
    ("purpose", "\"marketing\""),
    ("send_at", "\"2026-12-01T09:00:00+01:00\""),
    ("send_at_local", "\"2026-12-01T09:00\""),
    ("deliver_by", "\"2026-12-01T10:00:00+01:00\""),
    ("status", "\"delivered\""),
    ("since", "\"2026-11-22\""),
    ("until", "\"2026-11-22T10:00:00Z\""),
    ("batch", "\"bat_...\""),
    ("limit", "20"),
    ("cursor", "\"c3\""),
    ("id", "\"msg_...\""),
    ("label", "\"July campaign\""),
    ("max_messages", "50"),
    (AMOUNT, "\"1.50\""),
];

/// Reads the arguments of this tool.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] that says which argument is wrong, what it is, and what would be right.
pub(super) fn read<T: DeserializeOwned>(tool: &Tool, arguments: JsonObject) -> Result<Given<T>> {
    let mut reader = Reader { warnings: Vec::new(), fills_both: fills_both(&arguments) };
    let complain = |wrong: Wrong| Error::new(ErrorKind::InvalidArgument, wrong.said(&tool.input_schema));
    let given = reader.object(&tool.input_schema, arguments).map_err(complain)?;
    let given = Value::Object(given);
    let arguments = match T::deserialize(&given) {
        Ok(read) => read,
        // Once more, to say where it is wrong.
        Err(_) => serde_path_to_error::deserialize(unfolded(given)).map_err(|error| {
            let path = Some(error.path().to_string()).filter(|path| path != ".").unwrap_or_default();
            complain(Wrong { path, why: untrusted::escape(&error.inner().to_string()) })
        })?,
    };
    Ok(Given { arguments, warnings: reader.warnings })
}

/// Arguments with their long lists as lists.
fn unfolded(mut given: Value) -> Value {
    for value in given.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if let Some(list) =
            value.as_str().filter(|text| text.len() >= LONG).and_then(|text| serde_json::from_str(text).ok())
            && matches!(list, Value::Array(_))
        {
            *value = list;
        }
    }
    given
}

/// What is wrong, and where.
struct Wrong {
    /// Such as `recipients[3].to`; empty for the arguments as a whole.
    path: String,
    why: String,
}

impl Wrong {
    fn here(why: impl Into<String>) -> Self {
        Self { path: String::new(), why: why.into() }
    }

    /// The same, seen from one step further out: `step` is a name or `[3]`.
    fn below(self, step: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Self { path: format!("{step}{dot}{}", self.path), why: self.why }
    }

    fn said(&self, schema: &JsonObject) -> String {
        let Self { path, why } = self;
        let place = if path.is_empty() { String::new() } else { format!("`{path}`: ") };
        // What lies below an argument without a description is described by what it belongs to.
        format!("{place}{why}{}", described(schema, path).unwrap_or_default())
    }
}

/// What the argument at this path is, and one right value of it.
fn described(schema: &JsonObject, path: &str) -> Option<String> {
    let mut at = schema;
    let mut name = "";
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        at = if step.ends_with(']') {
            at.get("items")?.as_object()?
        } else {
            name = step;
            at.get("properties")?.get(step)?.as_object()?
        };
    }
    let kind = at.get("type").and_then(Value::as_str).filter(|_| !name.is_empty())?;
    let article = if kind.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    let what = at.get("description").and_then(Value::as_str).unwrap_or_default().trim_end_matches('.');
    let example = EXAMPLES.iter().find(|(of, _)| *of == name).map(|(_, example)| *example);
    let example = match (example, path.ends_with(']')) {
        // One of the list, not the list.
        (Some(list), true) => list.strip_prefix('[').and_then(|list| list.strip_suffix(']')),
        (example, _) => example,
    };
    let right = example.map(|example| {
        if path.ends_with(']') {
            format!(". Right: {example}")
        } else {
            format!(". Right: \"{name}\": {example}")
        }
    });
    let is = format!(". `{path}` is {article} {kind}");
    Some(format!("{is}{}{what}{}", if what.is_empty() { "" } else { ": " }, right.unwrap_or_default()))
}

struct Reader {
    warnings: Vec<String>,
    /// Whether the message has placeholders of the names that a pair's own members have.
    fills_both: bool,
}

/// Whether the message of a call has both `{{name}}` and `{{value}}`.
fn fills_both(arguments: &JsonObject) -> bool {
    let message = arguments.get("message").and_then(Value::as_str).unwrap_or_default();
    let names: Vec<String> = Template::parse(message)
        .map_or_else(|_| Vec::new(), |template| template.names().map(str::to_owned).collect());
    PAIR.iter().all(|member| names.iter().any(|name| name == member))
}

impl Reader {
    /// An object with the fields that its schema names.
    fn object(&mut self, schema: &JsonObject, given: JsonObject) -> std::result::Result<JsonObject, Wrong> {
        let nothing = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&nothing);
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut read = Map::new();
        for (name, value) in given {
            let Some(property) = properties.get(&name).and_then(Value::as_object) else {
                if value.is_null() {
                    continue; // It says nothing, so nothing that it says goes unheard.
                }
                return Err(unknown(&name, properties));
            };
            let is_needed = required.contains(&name.as_str());
            if value.is_null() || (!is_needed && is_empty(&name, &value)) {
                if name == "idempotency_key" && value.is_string() {
                    self.warnings.push(NO_KEY.to_owned());
                }
                continue;
            }
            let value = self.value(&name, property, value).map_err(|wrong| wrong.below(&name))?;
            if name != ZERO_IS_NOTHING || is_needed || value != 0 {
                read.insert(name, value);
            }
        }
        match required.iter().find(|name| !read.contains_key(**name)) {
            Some(name) => Err(missing(name, schema)),
            None => Ok(read),
        }
    }

    /// A value of the type that its schema names.
    fn value(&mut self, name: &str, schema: &JsonObject, given: Value) -> std::result::Result<Value, Wrong> {
        match schema.get("type").and_then(Value::as_str).unwrap_or_default() {
            "string" => text(name, schema, given),
            "integer" => integer(name, schema, given),
            "boolean" => match given {
                Value::Bool(_) => Ok(given),
                _ => Err(wrong_type(&given, "true or false, without quotes")),
            },
            "array" => self.array(name, schema, given),
            "object" => match of_text(given, Value::is_object)? {
                Value::Object(object) => self.object(schema, object).map(Value::Object),
                other => Err(wrong_type(&other, "{...}")),
            },
            _ => Ok(given),
        }
    }

    /// A long list in its text, which stays one: each item is read by itself.
    fn long_array(
        &mut self,
        name: &str,
        items: &JsonObject,
        text: &str,
    ) -> std::result::Result<Value, Wrong> {
        let (mut list, mut wrong) = (Vec::with_capacity(text.len()), None);
        let take = |index: usize, item: Value| {
            list.push(if index == 0 { b'[' } else { b',' });
            let read = self.value(name, items, item).map_err(|wrong| wrong.below(&format!("[{index}]")));
            let written = read.and_then(|item| {
                serde_json::to_writer(&mut list, &item).map_err(|error| Wrong::here(error.to_string()))
            });
            wrong = written.err();
            wrong.is_none()
        };
        let is_list = long_list::each(text, take).is_some();
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        if !is_list {
            return Err(wrong_type(&Value::String(String::new()), "[...]"));
        }
        if let Some(place) = json::twice(text) {
            return Err(written_twice(&place));
        }
        if list.is_empty() {
            list.push(b'[');
        }
        list.push(b']');
        String::from_utf8(list).map(Value::String).map_err(|error| Wrong::here(error.to_string()))
    }

    fn array(&mut self, name: &str, schema: &JsonObject, given: Value) -> std::result::Result<Value, Wrong> {
        let nothing = Map::new();
        let items = schema.get("items").and_then(Value::as_object).unwrap_or(&nothing);
        let pairs = is_pairs(items);
        if let Some(text) = given.as_str().filter(|text| text.len() >= LONG && !pairs) {
            return self.long_array(name, items, text);
        }
        match of_text(given, |value| value.is_array() || (pairs && value.is_object()))? {
            Value::Array(list) => {
                let mut read = Vec::with_capacity(list.len());
                for (index, item) in list.into_iter().enumerate() {
                    let at = |wrong: Wrong| wrong.below(&format!("[{index}]"));
                    let item = if pairs { of_text(item, Value::is_object).map_err(at)? } else { item };
                    if !(pairs && is_padding(&item)) {
                        read.push(self.value(name, items, item).map_err(at)?);
                    }
                }
                Ok(Value::Array(read))
            }
            Value::Object(pair) if pairs && is_pair(&pair) => {
                if self.fills_both && !is_padding(&Value::Object(pair.clone())) {
                    return Err(Wrong::here(
                        "it can be one pair, or the values of {{name}} and of {{value}}, which the message \
                         both has; write the list of pairs",
                    ));
                }
                self.array(name, schema, Value::Array(vec![Value::Object(pair)]))
            }
            // The same as a map, which was asked for before there was a list.
            Value::Object(map) if pairs => {
                let mut read = Vec::with_capacity(map.len());
                for (name, value) in map.into_iter().filter(|(_, value)| !value.is_null()) {
                    let value = text("value", &nothing, value)
                        .map_err(|wrong| wrong.below(&untrusted::escape(&name)))?;
                    let pair = serde_json::json!({ "name": name, "value": value });
                    if !is_padding(&pair) {
                        read.push(pair);
                    }
                }
                Ok(Value::Array(read))
            }
            other => Err(wrong_type(&other, "[...]")),
        }
    }
}

/// Told where a key was sent that is none.
const NO_KEY: &str = "idempotency_key was empty, which is as if it was left out: if you repeat this call, \
    only the operator's duplicate window \
    keeps the text from going out twice. Give each intent a key of its own.";

fn is_empty(name: &str, value: &Value) -> bool {
    name != STRICT && value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// The members of a placeholder and its value.
const PAIR: [&str; 2] = ["name", "value"];

/// Whether these items are `{name, value}`: what a map is written as.
fn is_pairs(items: &JsonObject) -> bool {
    items.get("properties").and_then(Value::as_object).is_some_and(is_pair)
}

/// Whether an object has the members of a pair, and no other.
fn is_pair(object: &JsonObject) -> bool {
    object.len() == PAIR.len() && PAIR.iter().all(|member| object.contains_key(*member))
}

/// Whether a pair says nothing: models that must fill every field send one where they have none.
fn is_padding(pair: &Value) -> bool {
    let says_nothing =
        |value: &Value| value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
    pair.as_object().is_some_and(|pair| is_pair(pair) && pair.values().all(says_nothing))
}

/// JSON text as the value that it holds, where that is of the wanted type; all else as it is.
fn of_text(given: Value, is_wanted: impl Fn(&Value) -> bool) -> std::result::Result<Value, Wrong> {
    let Some(text) = given.as_str() else { return Ok(given) };
    let Some(read) = serde_json::from_str::<Value>(text).ok().filter(is_wanted) else { return Ok(given) };
    match json::twice(text) {
        Some(place) => Err(written_twice(&place)),
        None => Ok(read),
    }
}

fn written_twice(place: &str) -> Wrong {
    Wrong::here(format!(
        "its JSON text has `{place}` twice in one object, and two readers may take different ones; write it \
         once"
    ))
}

fn text(name: &str, schema: &JsonObject, given: Value) -> std::result::Result<Value, Wrong> {
    let words = schema.get("enum").and_then(Value::as_array);
    match given {
        Value::String(_) if words.is_none_or(|words| words.contains(&given)) => Ok(given),
        Value::String(_) => {
            let words: Vec<String> = words
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(|word| format!("`{word}`"))
                .collect();
            Err(Wrong::here(format!("it is none of {}", words.join(", "))))
        }
        Value::Number(number) if name == AMOUNT => Ok(Value::Number(number)),
        Value::Number(number) if INTEGER_IS_TEXT.contains(&name) && is_exact(&number) => {
            Ok(Value::String(number.to_string()))
        }
        Value::Number(_) => Err(Wrong::here(
            "a number may have lost digits, zeros or its plus on the way; write it in quotes",
        )),
        other => Err(wrong_type(&other, "text in quotes")),
    }
}

/// Whether this is an integer that cannot have been another one.
fn is_exact(number: &Number) -> bool {
    number.as_i64().is_some_and(|number| number.unsigned_abs() <= LAST_EXACT)
}

/// A whole number within the bounds that its schema names, or else of 32 bits.
fn integer(name: &str, schema: &JsonObject, given: Value) -> std::result::Result<Value, Wrong> {
    let bound = |name: &str, other: i64| schema.get(name).and_then(Value::as_i64).unwrap_or(other);
    let (least, most) = (bound("minimum", 0), bound("maximum", u32::MAX.into()));
    let wanted = format!("a whole number from {least} to {most}");
    let (found, shown) = match &given {
        Value::Number(number) if number.is_f64() => (number.as_f64().and_then(whole), number.to_string()),
        Value::Number(number) => (number.as_i64(), number.to_string()),
        Value::String(digits)
            if (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            (digits.parse().ok(), format!("{digits:?}"))
        }
        _ => return Err(wrong_type(&given, &format!("{wanted}, without quotes"))),
    };
    // Where 0 says nothing, who asked leaves it out.
    match found.filter(|found| (least..=most).contains(found) || *found == 0 && name == ZERO_IS_NOTHING) {
        Some(found) => Ok(Value::from(found)),
        None => Err(Wrong::here(format!("it is {shown}, and must be {wanted}"))),
    }
}

/// The integer that this float is, if it is one that floats have exactly.
fn whole(number: f64) -> Option<i64> {
    let text = number.to_string();
    let whole = text.parse::<i64>().ok().or_else(|| (number == 0.0).then_some(0))?;
    (whole.unsigned_abs() <= LAST_EXACT).then_some(whole)
}

fn wrong_type(given: &Value, wanted: &str) -> Wrong {
    let is = JsonKind::of(given);
    Wrong::here(format!("it is {is}, and must be {wanted}"))
}

fn unknown(name: &str, properties: &JsonObject) -> Wrong {
    let names: Vec<String> = properties.keys().map(|name| format!("`{name}`")).collect();
    Wrong::here(format!("unknown field `{}`; the fields are {}", untrusted::escape(name), names.join(", ")))
}

fn missing(name: &str, schema: &JsonObject) -> Wrong {
    Wrong::here(format!("missing field `{name}`{}", described(schema, name).unwrap_or_default()))
}
