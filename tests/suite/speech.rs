//! The command line speaks in commands and flags; the tools speak in tools and arguments.

use serde_json::{Value, json};
use sms_mcp::mcp::tools::Tools;

use crate::support::{Desk, Era, refusal};

/// Names that nobody at a command line can do anything with.
fn names() -> Vec<String> {
    let mut names: Vec<String> = Tools::new().list().iter().map(|tool| tool.name.to_string()).collect();
    names.extend(
        ["idempotency_key", "allow_duplicate", "dry_run", "on_invalid", "next_cursor", "call again"]
            .map(str::to_owned),
    );
    names
}

#[tokio::test]
async fn errors_and_warnings_of_commands_name_commands_and_flags_and_those_of_tools_name_tools() {
    let desk = Desk::new("");
    std::fs::write(desk.path().join("people.csv"), "to\n+33199000001\nnobody\n").unwrap();
    let file = desk.path().join("people.csv").display().to_string();
    let first = desk.run(&["send", "+12025550123", "Hello", "--idempotency-key", "k1", "--json"]);
    let first: Value = serde_json::from_str(&first.out).unwrap();
    let id = first["id"].as_str().unwrap().to_owned();
    let long = format!("{}\u{2019}", "x".repeat(80));
    let status = format!("`sms-mcp status {id}`");
    let cases: [(&[&str], &[&str]); 10] = [
        (&["send", "+12025550123", "Hello"], &[&status, "run the command again with --allow-duplicate"]),
        (&["send", "+12025550123", "Other", "--idempotency-key", "k1"], &["Use a new --idempotency-key"]),
        (&["send", "+12025550123", "x", "--idempotency-key", ""], &["`--idempotency-key` must be"]),
        (&["send", "+12025550123", ""], &["MESSAGE is empty"]),
        (&["send", "+12025550104", "Hello"], &["Look at `sms-mcp status msg_"]),
        (&["send", "+12025550124", &long], &["--dry-run shows a plain spelling"]),
        (&["bulk", &file, "--message", "Hello"], &["--on-invalid skip"]),
        (&["bulk", &file, "--message", ""], &["`--message` is empty"]),
        (&["list", "--limit", "0"], &["`--limit` is 0"]),
        (&["status", "msg_none"], &["`sms-mcp list` shows the recent ones", "ID \"msg_none\""]),
    ];
    for (args, expected) in cases {
        let shown = desk.run(args);
        let as_json = desk.run(&[args, &["--json"]].concat());
        for part in expected {
            assert!(shown.err.contains(part), "{part}: {shown:?}");
        }
        for said in [&shown.err, &shown.out, &as_json.err] {
            assert!(
                !names().iter().any(|name| said.contains(name.as_str())),
                "{args:?}: {shown:?} {as_json:?}"
            );
        }
        let as_json: Value = serde_json::from_str(&as_json.out).unwrap();
        let said =
            json!([as_json["message"], as_json["next"], as_json["warnings"], as_json["refused"]]).to_string();
        assert!(!names().iter().any(|name| said.contains(name.as_str())), "{args:?}: {said}");
    }
    for era in Era::BOTH {
        let client = desk.stdio(era).await;
        let refused = refusal(&client, "send_sms", json!({ "to": "+12025550123", "message": "Hello" })).await;
        assert!(
            refused["next"].as_str().unwrap().contains("get_status")
                && refused["next"].as_str().unwrap().contains("allow_duplicate: true")
        );
        client.cancel().await.unwrap();
    }
}
