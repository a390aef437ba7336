//! From the sandbox to a real provider: nothing that was tried in the one answers, counts or blocks in the
//! other, and that nothing left this machine is said of what the sandbox carried, whoever carries now.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cli::{Ended, at_terminal};
use crate::fake::Fake;
use crate::fake::mailersend::{FROM, MailerSend, TOKEN};
use crate::support::{Desk, Era, answer, call, program, refusal, text_of};

const NOTE: &str = "Sandbox provider: no text left this machine.";
const LIMITS: &str = "[guard]\nday_messages = 2\nrecipient_per_hour = 2\n";
const TO: &str = "+12025550123";

fn mailersend(fake: &Fake<MailerSend>, name: &str) -> String {
    format!(
        "[[provider]]\nkind = \"mailersend\"\nname = \"{name}\"\nbase_url = \"{}/v1\"\nfrom = \
         \"{FROM}\"\ntoken = \"{TOKEN}\"\n",
        fake.url()
    )
}

/// `[[provider]]` of both, and a route that leads the fictional number of the sandbox's faults to the
/// sandbox.
fn both(fake: &Fake<MailerSend>) -> String {
    format!(
        "[[route]]\nto = [\"+1202555011\"]\nproviders = [\"sandbox\"]\n[[route]]\nproviders = \
         [\"real\"]\n[[provider]]\nkind = \"sandbox\"\n{}",
        mailersend(fake, "real")
    )
}

fn use_settings(desk: &Desk, settings: &str) {
    std::fs::write(desk.config(), settings).unwrap();
}

fn done(desk: &Desk, args: &[&str]) -> Ended {
    let ended = desk.run(args);
    assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
    ended
}

#[test]
fn a_key_of_the_sandbox_sends_for_a_real_provider_and_its_budgets_duplicates_and_freezes_do_not_count() {
    let fake = Fake::start(MailerSend::new());
    // The sandbox under its own name, and under the very name that the real provider gets.
    for name in ["sandbox", "main"] {
        fake.vendor().messages.clear();
        let desk = Desk::new("");
        let sandbox = format!("{LIMITS}[[provider]]\nkind = \"sandbox\"\nname = \"{name}\"\n");
        use_settings(&desk, &sandbox);
        let send = ["send", TO, "Hello", "--idempotency-key", "k1"];
        let tried = done(&desk, &send);
        assert!(tried.err.contains(NOTE), "{tried:?}");
        done(&desk, &["send", "+12025550110", "Overcharged"]);
        assert!(desk.run(&send[..3]).err.contains("(duplicate_suspected)"));
        assert!(desk.run(&["send", TO, "Other"]).err.contains("(budget_"), "spent and frozen");

        use_settings(&desk, &format!("{LIMITS}{}", mailersend(&fake, "main")));
        let real = done(&desk, &send);
        assert!(!real.err.contains("Sandbox") && !real.out.contains("nothing was sent again"), "{real:?}");
        assert_eq!(fake.vendor().sent(), [(TO.to_owned(), "Hello".to_owned())], "{name}");
        let again = done(&desk, &send);
        assert!(
            again.out.contains("nothing was sent again") && fake.vendor().sent().len() == 1,
            "its own key holds: {again:?}"
        );
        done(&desk, &["send", TO, "Second"]);
        assert!(
            desk.run(&["send", "+12025550124", "Third"]).err.contains("(budget_exceeded)"),
            "two real ones are what the day has"
        );

        // Back to the sandbox: the note is on the sandbox's own messages, and not on the real one.
        use_settings(&desk, &sandbox);
        let listed = done(&desk, &["list", "--json"]);
        let listed: Value = serde_json::from_str(&listed.out).unwrap();
        assert_eq!(listed["messages"].as_array().unwrap().len(), 4);
        let warnings = listed["warnings"].as_array().unwrap();
        assert!(
            warnings.len() == 1 && warnings[0].as_str().unwrap().contains("msg_") && warnings[0] != NOTE,
            "{listed}"
        );
        for message in listed["messages"].as_array().unwrap() {
            let id = message["id"].as_str().unwrap();
            let is_sandbox = message["provider_message_id"].as_str().unwrap().starts_with("sbx-");
            assert_eq!(warnings[0].as_str().unwrap().contains(id), is_sandbox, "{listed}");
            assert_eq!(done(&desk, &["status", id]).err.contains(NOTE), is_sandbox, "{message}");
        }
        let replayed = done(&desk, &send);
        assert!(
            replayed.out.contains("nothing was sent again") && replayed.err.contains(NOTE),
            "{replayed:?}"
        );
    }
}

#[tokio::test]
async fn where_routes_lead_to_both_each_answer_says_which_side_it_was() {
    let fake = Fake::start(MailerSend::new());
    let desk = Desk::new(&format!("[http]\n{}", both(&fake)));
    for era in Era::BOTH {
        let client = desk.stdio(era).await;
        let text = format!("Hello {era:?}");
        let tried = answer(
            &client,
            "send_sms",
            json!({ "to": "+12025550111", "message": text, "idempotency_key": text }),
        )
        .await;
        let real =
            answer(&client, "send_sms", json!({ "to": TO, "message": text, "idempotency_key": text })).await;
        assert_eq!(
            (&tried["warnings"], real["warnings"].as_array().unwrap().iter().any(|warning| warning == NOTE)),
            (&json!([NOTE]), false)
        );
        assert_eq!((&tried["provider"], &real["provider"]), (&json!("sandbox"), &json!("real")));
        for (sent, is_sandbox) in [(&tried, true), (&real, false)] {
            let id = sent["id"].as_str().unwrap();
            let status = answer(&client, "get_status", json!({ "id": id })).await;
            let read = client
                .read_resource(rmcp::model::ReadResourceRequestParams::new(format!("sms://messages/{id}")))
                .await
                .unwrap();
            let read = serde_json::to_string(&read).unwrap();
            assert_eq!(
                status["warnings"].as_array().unwrap().iter().any(|warning| warning == NOTE),
                is_sandbox,
                "{status}"
            );
            assert_eq!(read.contains(NOTE), is_sandbox, "{read}");
        }
        let listed = serde_json::to_string(&client.list_all_resources().await.unwrap()).unwrap();
        assert_eq!(
            listed.matches("no text left this machine").count(),
            listed.matches("SMS to +12025550111").count(),
            "{listed}"
        );
        let replayed = call(
            &client,
            "send_sms",
            json!({ "to": "+12025550111", "message": text, "idempotency_key": text }),
        )
        .await;
        assert_eq!(
            (text_of(&replayed)["replayed"].as_bool(), &text_of(&replayed)["warnings"]),
            (Some(true), &json!([NOTE]))
        );
        let one_side = answer(&client, "list_sms", json!({ "to": "+12025550111" })).await;
        assert_eq!(one_side["warnings"], json!([NOTE]));
        let bulk = json!([{ "to": "+12025550112" }, { "to": "+12025550124" }]);
        let mixed = refusal(&client, "send_bulk", json!({ "recipients": bulk, "message": text })).await;
        assert_eq!(mixed["code"], "invalid_argument", "{mixed}");
        assert!(mixed["message"].as_str().unwrap().contains("+12025550124"), "{mixed}");
        // What may still be spent is told of real money.
        let balance = answer(&client, "get_balance", json!({})).await;
        assert!(
            balance["budgets"]
                .as_array()
                .unwrap()
                .iter()
                .all(|budget| !budget["name"].as_str().unwrap().ends_with(":sandbox")),
            "{balance}"
        );
        client.cancel().await.unwrap();
    }
    assert_eq!(fake.vendor().sent().len(), 2);
}

#[test]
fn a_route_on_which_the_sandbox_stands_beside_a_real_provider_is_refused() {
    let fake = Fake::start(MailerSend::new());
    for providers in ["\"sandbox\", \"real\"", "\"real\", \"sandbox\""] {
        let desk = Desk::new("");
        use_settings(&desk, &both(&fake).replacen("\"real\"", providers, 1));
        for command in [&["config", "check"] as &[&str], &["send", TO, "Hello"]] {
            let ended = desk.run(command);
            assert!(
                ended.code == 1 && ended.err.contains("[[route]] 2 has the sandbox beside a real provider"),
                "{ended:?}"
            );
        }
    }
    assert!(fake.requests().is_empty());
}

/// The program with nothing but a home and a configuration, so that the default ledger is used.
fn at_home(home: &Path, config: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SMS_MCP")) {
        command.env_remove(name);
    }
    command
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_DATA_HOME")
        .env_remove("XDG_STATE_HOME")
        .env("SMS_MCP_CONTAINER", "no");
    command.env("HOME", home).env("APPDATA", home.join("roaming")).env("LOCALAPPDATA", home.join("local"));
    command.arg("--config").arg(config).args(args);
    command
}

#[cfg(target_os = "linux")]
#[test]
fn the_sandbox_keeps_a_ledger_of_its_own_by_default_and_says_so_and_opt_outs_are_in_both() {
    let fake = Fake::start(MailerSend::new());
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.toml");
    let data = home.path().join(".local/share/sms-mcp");
    std::fs::write(&config, "[[provider]]\nkind = \"sandbox\"\n").unwrap();
    let run =
        |args: &[&str]| Ended::of(at_home(home.path(), &config, args).stdin(Stdio::null()).output().unwrap());
    let send = ["send", TO, "Hello", "--idempotency-key", "k1"];

    let checked = run(&["config", "check"]);
    assert!(
        checked.out.contains("sandbox.db")
            && checked.out.contains("with a real provider it is")
            && checked.out.contains("ledger.db"),
        "{checked:?}"
    );
    let sent = run(&send);
    assert!(
        sent.code == 0 && sent.err.contains("ledger of its own") && sent.err.contains("sandbox.db"),
        "{sent:?}"
    );
    let served = run(&["serve"]);
    assert!(
        served.err.contains("only the sandbox is configured: it keeps a ledger of its own"),
        "{served:?}"
    );
    assert!(data.join("sandbox.db").exists() && !data.join("ledger.db").exists());
    for (number, expected) in [("+12025550177", "(opted_out)"), ("+12025550178", "")] {
        assert_eq!(run(&["opt-out", "add", number]).code, 0);
        if expected.is_empty() {
            assert_eq!(
                at_terminal(at_home(home.path(), &config, &["opt-out", "remove", number]), "remove").code,
                0
            );
        }
    }
    assert!(run(&["send", "+12025550177", "Hello"]).err.contains("(opted_out)"), "the sandbox plays it");

    std::fs::write(&config, mailersend(&fake, "mailersend")).unwrap();
    let checked = run(&["config", "check"]);
    assert!(checked.out.contains("ledger.db") && !checked.out.contains("sandbox.db"), "{checked:?}");
    let real = run(&send);
    assert!(real.code == 0 && !real.err.contains("Sandbox"), "{real:?}");
    assert!(run(&["send", "+12025550177", "Hello"]).err.contains("(opted_out)"));
    assert_eq!(run(&["send", "+12025550178", "Hello"]).code, 0, "taken back in both");
    assert_eq!(fake.vendor().reached(), [TO, "+12025550178"]);
    assert_eq!(run(&["list"]).out.lines().count(), 2);
}
