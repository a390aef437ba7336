//! The official conformance suite (npm `@modelcontextprotocol/conformance`), before the program and before
//! fixtures on its HTTP stack.
//!
//! Most scenarios ask for tools, prompts and resources of given names, which a server for SMS does not have:
//! they are run before [`fixtures`], served by the same endpoint. Those that ask for none are run before the
//! program too. What is not expected to pass stands in `tests/interop/conformance/*.yaml`, each with its
//! reason; a scenario that fails and is not listed there fails the test, and so does one that is listed and
//! passes. `tests/interop/install` gets the suite.

mod fixtures;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use sms_mcp::http::{Endpoint, Options};
use tokio_util::sync::CancellationToken;

use crate::carriers::interop::{installed, missing};
use crate::support::Desk;

/// The versions whose requirements are tried.
const REVISIONS: [&str; 2] = ["2026-07-28", "2025-11-25"];

/// Runs the suite before this address. Returns the checks that failed, all of them in scenarios that are
/// expected to fail; or what was not as expected. Nothing where the suite is not installed.
fn run(url: &str, revision: &str, expected: &str) -> Option<Result<String, String>> {
    let modules = installed("conformance").join("node_modules");
    let (node, suite) =
        (modules.join("node/bin/node"), modules.join("@modelcontextprotocol/conformance/dist/index.js"));
    if !node.exists() || !suite.exists() {
        return None;
    }
    let expected = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop/conformance").join(expected);
    let results = tempfile::tempdir().unwrap();
    let mut command = Command::new(node);
    command.current_dir(results.path());
    command
        .arg(suite)
        .args([
            "server",
            "--url",
            url,
            "--requirements",
            revision,
            "--timeout",
            "120000",
            "--output-dir",
            "results",
            "--expected-failures",
        ])
        .arg(expected);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let summary = said.split_once("=== SUMMARY ===").map_or(said.as_str(), |(_, summary)| summary);
    assert!(said.contains("=== SUMMARY ==="), "{revision}: it did not run: {said}");
    let failed = failures(results.path());
    Some(if output.status.success() { Ok(failed) } else { Err(format!("{revision}: {summary}\n{failed}")) })
}

/// The checks that failed, from the files that the suite left below this folder.
fn failures(folder: &Path) -> String {
    let mut found = String::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.push_str(&failures(&entry));
            continue;
        }
        let checks: Value = serde_json::from_slice(&std::fs::read(&entry).unwrap()).unwrap_or_default();
        let failed = checks.as_array().into_iter().flatten().filter(|check| check["status"] == "FAILURE");
        for check in failed {
            found.push_str(&format!(
                "{}: {}: {}\n",
                entry.parent().unwrap().display(),
                check["id"],
                check["errorMessage"]
            ));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_http_stack_passes_the_official_conformance_suite() {
    let origins = ["http://localhost:*", "http://127.0.0.1:*"].map(str::to_owned).to_vec();
    for revision in REVISIONS {
        let stop = CancellationToken::new();
        let options = Options {
            settings: sms_mcp::http::Settings {
                listen: "127.0.0.1:0".into(),
                allowed_origins: origins.clone(),
                ..sms_mcp::http::Settings::default()
            },
            token: None,
            user: "user".into(),
            tools: sms_mcp::mcp::Settings::default(),
            bulk_wait: Duration::from_secs(1),
            session_idle: Duration::from_secs(60),
            epoch: "conformance".into(),
        };
        let server = fixtures::Fixtures::default();
        let endpoint = Endpoint::bind_any(move || server.clone(), options, None, stop.clone()).await.unwrap();
        let url = format!("http://{}/mcp", endpoint.address());
        tokio::spawn(endpoint.serve());
        let found =
            tokio::task::spawn_blocking(move || run(&url, revision, &format!("fixtures-{revision}.yaml")))
                .await
                .unwrap();
        stop.cancel();
        match found {
            None => return missing("npm @modelcontextprotocol/conformance"),
            Some(found) => drop(found.unwrap_or_else(|found| panic!("{found}"))),
        }
    }
}

#[test]
fn the_program_passes_what_of_the_official_conformance_suite_asks_for_no_fixtures() {
    let desk = Desk::new("[http]\nallowed_origins = [\"http://localhost:*\", \"http://127.0.0.1:*\"]\n");
    let server = desk.http(|_| {});
    for revision in REVISIONS {
        match run(&server.url(), revision, &format!("program-{revision}.yaml")) {
            None => return missing("npm @modelcontextprotocol/conformance"),
            Some(found) => {
                let failed = found.unwrap_or_else(|found| panic!("{found}"));
                // This one tries much that the program does have; nothing of it may fail for another reason
                // than a missing name.
                let real: Vec<&str> = failed
                    .lines()
                    .filter(|line| line.contains("server-stateless") && !line.contains("Not testable"))
                    .collect();
                assert!(real.is_empty(), "{revision}: {real:?}");
            }
        }
    }
}
