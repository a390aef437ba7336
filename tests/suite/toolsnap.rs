//! The tool list is a contract: a snapshot of it stands in `snapshots/tools.json`, so that each change shows
//! in review, and the rules that model APIs have for tool lists are held.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Desk, Era, program};

/// Names, descriptions and input schemas of all tools as compact JSON: what every conversation of an agent
/// pays for.
const MOST_BYTES: usize = 8_192;

fn snapshot_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/suite/snapshots/tools.json")
}

fn printed() -> String {
    let output = std::process::Command::new(program()).arg("tools").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn tools() -> Vec<Value> {
    serde_json::from_str(&printed()).unwrap()
}

/// Calls `look` with every object in the value and the path to it.
fn each_object(value: &Value, path: &str, look: &mut dyn FnMut(&str, &serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            look(path, object);
            for (name, inner) in object {
                each_object(inner, &format!("{path}/{name}"), look);
            }
        }
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(index, inner)| each_object(inner, &format!("{path}/{index}"), look)),
        _ => {}
    }
}

/// Both schemas of every tool.
fn schemas() -> Vec<(String, Value)> {
    let both = |tool: &Value| {
        ["inputSchema", "outputSchema"].map(|kind| (format!("{} {kind}", tool["name"]), tool[kind].clone()))
    };
    tools().iter().flat_map(both).collect()
}

#[test]
fn the_tool_list_is_the_one_in_the_snapshot() {
    let (file, now) = (snapshot_file(), printed());
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        std::fs::write(&file, &now).unwrap();
    }
    let accepted = std::fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
    let difference = accepted
        .lines()
        .zip(now.lines())
        .position(|(old, new)| old != new)
        .unwrap_or(accepted.lines().count().min(now.lines().count()));
    assert!(
        accepted == now,
        "the tool list differs from {} from line {} on:\n  accepted: {}\n  now:      {}\nIf that is meant, \
         run `UPDATE_SNAPSHOTS=1 cargo test toolsnap` and commit the file.",
        file.display(),
        difference + 1,
        accepted.lines().nth(difference).unwrap_or("(nothing)"),
        now.lines().nth(difference).unwrap_or("(nothing)"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wire_shows_the_list_that_the_command_prints() {
    let desk = Desk::new("");
    let client = desk.stdio(Era::Stateless).await;
    let listed = serde_json::to_value(client.list_all_tools().await.unwrap()).unwrap();
    assert_eq!(listed, Value::Array(tools()));
}

#[test]
fn the_tool_list_costs_an_agent_little() {
    let cost: Vec<Value> = tools()
        .iter()
        .map(|tool| {
            json!({ "name": tool["name"], "description": tool["description"],
            "inputSchema": tool["inputSchema"] })
        })
        .collect();
    let bytes = serde_json::to_vec(&cost).unwrap().len();
    assert!(
        bytes < MOST_BYTES,
        "names, descriptions and input schemas take {bytes} bytes; fewer than {MOST_BYTES} are allowed"
    );
}

#[test]
fn every_tool_is_whole() {
    for tool in tools() {
        let name = tool["name"].as_str().unwrap();
        assert!(
            !name.is_empty()
                && name.len() < 60
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
            "{name}"
        );
        for text in ["title", "description"] {
            assert!(tool[text].as_str().is_some_and(|text| text.len() > 3), "{name} has no {text}");
        }
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            let is_told = tool["annotations"][hint].is_boolean();
            let is_moot = tool["annotations"]["readOnlyHint"] == true && hint == "destructiveHint";
            assert!(is_told || is_moot, "{name} says nothing about {hint}");
        }
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{name} {schema}");
            assert!(
                jsonschema::draft202012::meta::is_valid(&tool[schema]),
                "{name} {schema} is no JSON Schema"
            );
        }
    }
}

#[test]
fn what_spends_money_says_that_it_is_no_reading_and_what_reads_says_that_it_is() {
    for tool in tools() {
        let (name, hints) = (tool["name"].as_str().unwrap(), &tool["annotations"]);
        let (reads, destroys) = match name {
            "send_sms" | "send_bulk" => (false, true),
            "open_session" | "cancel_sms" => (false, false),
            _ => (true, false),
        };
        assert_eq!(hints["readOnlyHint"], reads, "{name}");
        assert_eq!(hints["destructiveHint"] == true, destroys, "{name}");
    }
}

#[test]
fn no_schema_has_what_some_model_api_refuses() {
    for (whose, schema) in schemas() {
        for combinator in ["anyOf", "oneOf", "allOf", "not", "enum"] {
            assert!(schema.get(combinator).is_none(), "{whose} has {combinator} at the top");
        }
        each_object(&schema, "", &mut |path, object| {
            assert!(
                !object.contains_key("$ref") && !object.contains_key("$defs"),
                "{whose}{path} is not whole in itself"
            );
            if object.get("enum").is_some_and(Value::is_array) {
                assert_eq!(
                    object.get("type"),
                    Some(&json!("string")),
                    "{whose}{path} is an enum without type"
                );
            }
            if let Some(Value::Object(properties)) =
                object.get("properties").filter(|_| !path.ends_with("/properties"))
            {
                for name in properties.keys() {
                    let is_plain = (1..=64).contains(&name.len())
                        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
                    assert!(is_plain, "{whose}{path}: the name {name:?} is refused by some model APIs");
                }
            }
        });
    }
}

/// What of JSON Schema the inputs use: what Gemini, OpenAI (strict) and Bedrock all convert without loss.
const INPUT_WORDS: [&str; 8] =
    ["type", "properties", "required", "description", "items", "enum", "minimum", "maximum"];

#[test]
fn no_input_has_what_a_model_api_cannot_convert() {
    fn walk(schema: &Value, path: &str) {
        let object = schema.as_object().unwrap_or_else(|| panic!("{path} is no schema: {schema}"));
        for word in object.keys() {
            assert!(INPUT_WORDS.contains(&word.as_str()), "{path} has {word}");
        }
        match schema["type"].as_str().unwrap_or_else(|| panic!("{path} has no single type")) {
            "object" => {
                // An object without named fields is an open map: a strict conversion makes an empty object of
                // it.
                let fields = schema["properties"].as_object().filter(|fields| !fields.is_empty());
                for (name, field) in fields.unwrap_or_else(|| panic!("{path} is an open map")) {
                    walk(field, &format!("{path}.{name}"));
                }
            }
            "array" => walk(&schema["items"], &format!("{path}[]")),
            "string" | "integer" | "number" | "boolean" => {}
            other => panic!("{path} has the type {other}"),
        }
        for bound in ["minimum", "maximum"] {
            assert!(schema.get(bound).is_none_or(Value::is_i64), "{path}: {bound}");
        }
    }
    let tools = tools();
    assert_eq!(tools.len(), 7);
    for tool in tools {
        walk(&tool["inputSchema"], tool["name"].as_str().unwrap());
    }
}

#[test]
fn the_schema_shows_how_placeholders_are_filled_and_how_many_are_listed() {
    let tools = tools();
    let of = |name: &str| {
        tools.iter().find(|tool| tool["name"] == name).unwrap()["inputSchema"]["properties"].clone()
    };
    let recipients = &of("send_bulk")["recipients"];
    let datum = &recipients["items"]["properties"]["data"]["items"];
    assert_eq!(datum["required"], json!(["name", "value"]));
    // The description has a recipient whole, and it fits the schema.
    let description = recipients["description"].as_str().unwrap();
    let shown: Value =
        serde_json::from_str(&description[description.find('{').unwrap()..=description.rfind('}').unwrap()])
            .unwrap();
    assert!(jsonschema::draft202012::new(&recipients["items"]).unwrap().is_valid(&shown), "{shown}");
    assert!(shown["data"][0]["value"].is_string(), "{shown}");
    let limit = &of("list_sms")["limit"];
    assert_eq!((&limit["minimum"], &limit["maximum"]), (&json!(1), &json!(100)));
}

#[test]
fn every_argument_is_described_and_typed() {
    for tool in tools() {
        let name = &tool["name"];
        each_object(&tool["inputSchema"], "", &mut |path, object| {
            let Some(Value::Object(properties)) = object.get("properties") else { return };
            for (argument, schema) in properties {
                assert!(
                    schema["description"].as_str().is_some_and(|text| text.len() > 3),
                    "{name}{path}: {argument} has no description"
                );
                assert!(schema["type"].is_string(), "{name}{path}: {argument} has no single type");
            }
            let required = object.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            assert!(
                required.iter().all(|name| properties.contains_key(name.as_str().unwrap())),
                "{name}{path}"
            );
        });
    }
}
