//! The tool list as models get it: converted by agent frameworks that nobody here wrote, each into what its
//! model API takes. A tool that does not convert is lost, and what is lost of a schema the model never fills.
//!
//! `tests/interop/install` gets the frameworks, and `tests/interop/schemas.py` calls them. Where they are
//! missing the test says so and passes, unless `SMS_MCP_INTEROP` is `required`, as it is in `.ci/run`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::carriers::interop::{MISSING, installed, missing};
use crate::support::program;

/// What converts: the function of the script, and whether its schemas are strict.
const FRAMEWORKS: [(&str, bool); 6] = [
    ("gemini", false),
    ("gemini_declared", false),
    ("langchain", true),
    ("openai_agents", true),
    ("pydantic_ai_openai", true),
    ("pydantic_ai_google", false),
];

/// What got lost from one schema to the other.
fn lost(ours: &Value, theirs: &Value, is_strict: bool, path: &str, found: &mut Vec<String>) {
    let kind = |schema: &Value| schema["type"].as_str().unwrap_or_default().to_lowercase();
    if kind(ours) != kind(theirs) {
        found.push(format!("{path}: {} became {}", ours["type"], theirs["type"]));
        return;
    }
    if ours["enum"] != theirs["enum"] {
        found.push(format!("{path}: the words {} became {}", ours["enum"], theirs["enum"]));
    }
    let Some(properties) = ours["properties"].as_object() else {
        if ours["type"] == "array" {
            lost(&ours["items"], &theirs["items"], is_strict, &format!("{path}[]"), found);
        }
        return;
    };
    let needed = |schema: &Value| -> Vec<String> {
        let names = schema["required"].as_array().cloned().unwrap_or_default();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let theirs_needed = needed(theirs);
    let wanted: Vec<String> = if is_strict { properties.keys().cloned().collect() } else { needed(ours) };
    if !wanted.iter().all(|name| theirs_needed.contains(name)) {
        found.push(format!("{path}: {wanted:?} must be given, and it asks for {theirs_needed:?}"));
    }
    if is_strict && theirs["additionalProperties"] != json!(false) {
        found.push(format!("{path}: it is not closed, so that the API refuses it as not strict"));
    }
    for (name, property) in properties {
        lost(property, &theirs["properties"][name], is_strict, &format!("{path}.{name}"), found);
    }
}

#[test]
fn agent_frameworks_convert_every_tool_and_lose_nothing_of_it() {
    let tools = Command::new(program()).arg("tools").output().unwrap().stdout;
    let listed: Vec<Value> = serde_json::from_slice(&tools).unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop/schemas.py");
    let mut command = Command::new("python3");
    command.arg(script).env("PYTHONPATH", installed("schemas")).env("PYTHONDONTWRITEBYTECODE", "1");
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = started else { return missing("python3") };
    // A script that misses a framework leaves before it reads.
    let _ = child.stdin.take().unwrap().write_all(&tools);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(MISSING) {
        return missing(&format!("an agent framework ({})", said.trim()));
    }
    assert!(output.status.success(), "{said}");
    let converted: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut found = Vec::new();
    for (framework, is_strict) in FRAMEWORKS {
        for tool in &listed {
            let place = format!("{framework}: {}", tool["name"].as_str().unwrap());
            let Some(one) =
                converted.iter().find(|one| one["by"] == framework && one["tool"] == tool["name"])
            else {
                found.push(format!("{place}: it is missing"));
                continue;
            };
            if let Some(error) = one.get("error") {
                found.push(format!("{place}: {error}"));
                continue;
            }
            assert_eq!(one["strict"], is_strict, "{place}");
            lost(&tool["inputSchema"], &one["parameters"], is_strict, &place, &mut found);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(converted.len(), FRAMEWORKS.len() * listed.len());
}
