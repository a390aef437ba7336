//! Which tools are offered: `[tools]`, `--toolsets` and `--read-only`, over both transports.

use rmcp::model::CallToolRequestParams;
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientServiceExt as _, ServiceError};
use serde_json::json;

use crate::support::{Client, Desk, Era, answer, fictional};

const ALL: [&str; 7] =
    ["send_sms", "send_bulk", "get_balance", "list_sms", "get_status", "cancel_sms", "open_session"];
const READING: [&str; 3] = ["get_balance", "list_sms", "get_status"];

/// A way to say what is offered: settings and flags.
struct Way {
    settings: &'static str,
    flags: &'static [&'static str],
    offered: &'static [&'static str],
}

const WAYS: [Way; 6] = [
    Way { settings: "", flags: &[], offered: &ALL },
    Way { settings: "", flags: &["--toolsets", "core"], offered: &ALL },
    Way { settings: "", flags: &["--read-only"], offered: &READING },
    Way { settings: "", flags: &["--toolsets=core", "--read-only"], offered: &READING },
    Way { settings: "[tools]\ntoolsets = [\"core\"]\n", flags: &[], offered: &ALL },
    // A flag takes nothing back that the settings keep.
    Way { settings: "[tools]\nread_only = true\n", flags: &["--toolsets", "core"], offered: &READING },
];

async fn names(client: &Client) -> Vec<String> {
    client.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name.into_owned()).collect()
}

/// What a call of this tool is refused with, as a protocol error.
async fn refused(client: &Client, tool: &'static str) -> String {
    let mut request = CallToolRequestParams::new(tool);
    request.arguments = json!({ "to": fictional(1), "message": "Hello" }).as_object().cloned();
    match client.call_tool(request).await {
        Err(ServiceError::McpError(error)) => format!("{} {}", error.code.0, error.message),
        other => panic!("{tool}: {other:?}"),
    }
}

async fn holds(desk: &Desk, client: &Client, way: &Way) {
    let Way { settings, flags, offered } = way;
    assert_eq!(names(client).await, *offered, "{settings} {flags:?}");
    assert!(answer(client, "list_sms", json!({})).await["messages"].is_array());
    let unknown = refused(client, "absent").await;
    assert!(
        unknown.contains(&format!("there is no tool \"absent\"; the tools are {}", offered.join(", "))),
        "{unknown}"
    );
    for tool in ALL.into_iter().filter(|tool| !offered.contains(tool)) {
        assert_eq!(refused(client, tool).await, unknown.replace("absent", tool), "{settings} {flags:?}");
    }
    let told = client.peer_info().unwrap().instructions.clone().unwrap();
    assert_eq!(told.contains("send_sms"), offered.contains(&"send_sms"), "{told}");
    assert!(desk.sent().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_chosen_is_offered_and_anything_else_is_an_unknown_tool() {
    for way in &WAYS {
        let desk = Desk::new(way.settings);
        for era in Era::BOTH {
            let mut command = tokio::process::Command::from(desk.command());
            command.arg("serve").args(way.flags);
            let client =
                ().serve_with_lifecycle(TokioChildProcess::new(command).unwrap(), era.lifecycle())
                    .await
                    .unwrap();
            holds(&desk, &client, way).await;
            client.cancel().await.unwrap();
        }
        let server = desk.http(|command| {
            command.args(way.flags);
        });
        for era in Era::BOTH {
            holds(&desk, &server.client(era, None).await, way).await;
        }
    }
}

#[test]
fn a_set_that_there_is_not_is_refused_with_those_that_there_are() {
    let desk = Desk::new("");
    let flag = desk.run(&["serve", "--toolsets", "core,other"]);
    assert!(flag.code == 2 && flag.err.contains("'other'") && flag.err.contains("core"), "{flag:?}");
    for (settings, said) in
        [("[\"other\"]", "unknown variant `other`, expected `core`"), ("[]", "there is \"core\"")]
    {
        let desk = Desk::new(&format!("[tools]\ntoolsets = {settings}\n"));
        let setting = desk.run(&["serve"]);
        assert!(setting.code == 1 && setting.err.contains(said), "{setting:?}");
    }
}
