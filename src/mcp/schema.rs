//! The schemas of the tools, plain enough for every model API.
//!
//! Model APIs take less than JSON Schema: some refuse `$ref` or `additionalProperties`, some make an empty
//! object of an open map, some know no `null`. What clients are shown is therefore whole in itself: objects
//! with named fields, lists, strings, numbers and words. That no other field is taken is held when arguments
//! are read ([`super::arguments`]), not said here.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::{Contract, SchemaSettings};
use serde_json::Value;

/// The schema of a tool's arguments: no `additionalProperties`, no open maps, no combinators at the top, no
/// `null`.
pub(super) fn input<T: JsonSchema>() -> Arc<JsonObject> {
    let mut schema = of::<T>(Contract::Deserialize);
    close(&mut schema);
    whole(schema)
}

/// The schema of a tool's answer.
pub(super) fn output<T: JsonSchema>() -> Arc<JsonObject> {
    whole(of::<T>(Contract::Serialize))
}

/// The JSON Schema (2020-12) of a type: no `$ref`, enums as one list of strings, no `null` for what may be
/// left out.
fn of<T: JsonSchema>(contract: Contract) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        settings.contract = contract;
    });
    let mut value = settings.into_generator().into_root_schema_for::<T>().to_value();
    simplify(&mut value);
    in_one_line(&mut value);
    value
}

/// A description is one paragraph: where its line ended in the source says nothing.
fn in_one_line(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            object.values_mut().for_each(in_one_line);
        }
        Value::Array(list) => list.iter_mut().for_each(in_one_line),
        _ => {}
    }
}

fn whole(schema: Value) -> Arc<JsonObject> {
    let Value::Object(mut object) = schema else { return Arc::default() };
    for key in ["title", "description"] {
        object.remove(key);
    }
    Arc::new(object)
}

/// Takes out what some model API refuses and the descriptions say: that there are no other fields, and
/// defaults. An open map would keep its own word, and a test refuses that.
fn close(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("additionalProperties") == Some(&Value::Bool(false)) {
                object.remove("additionalProperties");
            }
            if object.contains_key("type") {
                object.remove("default");
            }
            object.values_mut().for_each(close);
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        _ => {}
    }
}

fn simplify(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for combinator in ["oneOf", "anyOf"] {
                if let Some(names) = object.get(combinator).and_then(enum_names) {
                    object.remove(combinator);
                    object.insert("type".to_owned(), "string".into());
                    object.insert("enum".to_owned(), names.into());
                }
            }
            if let Some(single) = object.get("type").and_then(without_null) {
                object.insert("type".to_owned(), single);
            }
            if object.get("default").is_some_and(|default| {
                default.is_null() || default == &Value::from("") || default == &serde_json::json!({})
            }) {
                object.remove("default");
            }
            if object.get("format").and_then(Value::as_str).is_some_and(|format| format.contains("int")) {
                object.remove("format");
            }
            if let Some(Value::Array(names)) = object.get_mut("enum") {
                names.retain(|name| !name.is_null());
            }
            object.values_mut().for_each(simplify);
        }
        Value::Array(list) => list.iter_mut().for_each(simplify),
        _ => {}
    }
}

/// The strings of a combinator whose every branch is a constant string or an enum of strings (or null).
fn enum_names(branches: &Value) -> Option<Vec<Value>> {
    let mut names = Vec::new();
    for branch in branches.as_array()? {
        if let Some(name) = branch.get("const") {
            names.push(name.clone());
        } else if let Some(list) = branch.get("enum").and_then(Value::as_array) {
            names.extend(list.iter().filter(|name| !name.is_null()).cloned());
        } else if let Some(inner) = branch.get("oneOf").or_else(|| branch.get("anyOf")) {
            names.extend(enum_names(inner)?);
        } else if branch.get("type").and_then(Value::as_str) != Some("null") {
            return None;
        }
    }
    names.iter().all(Value::is_string).then_some(names)
}

/// The type that is left when `null` is taken out of a list of types.
fn without_null(types: &Value) -> Option<Value> {
    match types.as_array()?.iter().filter(|name| name.as_str() != Some("null")).collect::<Vec<_>>().as_slice()
    {
        [single] => Some((*single).clone()),
        _ => None,
    }
}
