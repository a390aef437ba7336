//! The promises where a process dies between any two steps of proposing, deciding, scheduling and leaving: at most once,
//! the money right, nothing lost.
#![cfg(unix)]

use serde_json::{Value, json};
use sms_mcp::access::NAMESPACE;
use sms_mcp::clock::{Clock as _, SystemClock};

use crate::approvers::Scene;
use crate::promises::{Pipe, crash_settings, listed};
use crate::support::{Desk, WIDE, eventually, fictional, found};

/// What became of one message after a process died, and what is held and spent then.
struct Aftermath {
    status: String,
    texts: usize,
    held: String,
    spent: String,
}

/// Lets a server run until the message has its end.
fn aftermath(desk: &Desk, id: &Value) -> Aftermath {
    let mut server = Pipe::start(desk, "");
    let status = found("the message has an end", || {
        let told = server.ask("get_status", &json!({ "id": id })).unwrap();
        let status = told["message"]["status"].as_str().unwrap().to_owned();
        matches!(status.as_str(), "delivered" | "unknown" | "rejected" | "expired" | "canceled")
            .then_some(status)
    });
    assert_eq!(listed(&mut server).len(), 1, "nothing is lost, and nothing is there twice");
    let balance = server.ask("get_balance", &json!({})).unwrap();
    let day = balance["budgets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|budget| budget["scope"] == "day")
        .unwrap()
        .clone();
    let amount = |name: &str| day[name].as_str().unwrap().to_owned();
    Aftermath { status, texts: desk.sent().len(), held: amount("held"), spent: amount("spent") }
}

/// Of these crash points: whether the text has left where the process dies there.
const LEAVING: [(&str, bool, &str); 5] = [
    ("after-release", true, "delivered"),
    ("after-claim", false, "unknown"),
    ("before-provider", false, "unknown"),
    ("after-provider", true, "unknown"),
    ("after-settle", true, "delivered"),
];

/// At most once; what may have left is held, what has left is spent, and nothing else costs anything.
fn check(point: &str, after: &Aftermath, has_left: bool, status: &str) {
    assert_eq!((after.texts, after.status.as_str()), (usize::from(has_left), status), "{point}");
    let is_held = after.held != "0.00";
    let is_spent = after.spent != "0.00";
    assert_eq!(
        (is_held, is_spent),
        (status == "unknown", status == "delivered"),
        "{point}: {} {}",
        after.held,
        after.spent
    );
}

#[test]
fn at_every_crash_point_of_a_schedule_a_text_leaves_once_or_is_unknown() {
    let points = [("after-reserve", true, "delivered")].into_iter().chain(LEAVING);
    for (point, has_left, status) in points {
        let desk = Desk::new(&crash_settings());
        let send_at = SystemClock.now().plus_ms(1_500).rfc3339();
        let call =
            json!({ "to": fictional(1), "message": "Soon", "send_at": send_at, "idempotency_key": "soon" });
        let mut server = Pipe::start(&desk, &format!("{point}=return"));
        let told = server.ask("send_sms", &call);
        assert_eq!(told.is_none(), point == "after-reserve", "{point}");
        if told.is_some() {
            eventually(&format!("{point}: the process dies"), || server.has_ended());
        }
        drop(server);
        // Whoever lost the answer calls again, and finds the same message.
        let mut server = Pipe::start(&desk, "");
        let again = server.ask("send_sms", &call).unwrap();
        let id = if again["id"].is_null() { again["message_id"].clone() } else { again["id"].clone() };
        drop(server);
        check(point, &aftermath(&desk, &id), has_left, status);
    }
}

/// Says yes to the one thing that waits, in a process that dies at this point; returns whether it did.
fn approve(scene: &Scene, id: &str, failpoints: &str) -> bool {
    let args = ["approvals", "approve", id];
    let challenge = scene.challenge(&args);
    let file = challenge.0.with_extension("sig");
    std::fs::write(&file, scene.alice.sign(NAMESPACE, &challenge.1)).unwrap();
    let mut command = scene.desk.command();
    command.args(args).args(["--proof", file.to_str().unwrap()]).current_dir(scene.desk.path());
    let ended = crate::cli::run({
        command.env("FAILPOINTS", failpoints);
        command
    });
    ended.code != 0
}

#[test]
fn at_every_crash_point_of_a_decision_a_text_leaves_once_and_only_after_a_yes() {
    let settings = format!("[approval]\neverything = true\n{}", crash_settings());
    let decides = ["before-decide", "after-decide", "between-sweeps"].map(|point| (point, true, "delivered"));
    let points = [("after-reserve", true, "delivered")].into_iter().chain(decides).chain(LEAVING);
    for (point, has_left, status) in points {
        let is_deciding = decides.iter().any(|(decides, _, _)| *decides == point);
        let scene = Scene::new(&settings);
        let call = json!({ "to": fictional(1), "message": "With a yes", "idempotency_key": "yes" });
        let dies = format!("{point}=return");
        let mut server = Pipe::start(&scene.desk, if is_deciding { "" } else { &dies });
        let told = server.ask("send_sms", &call);
        assert_eq!(told.is_none(), point == "after-reserve", "{point}");
        if told.is_none() {
            drop(server);
            server = Pipe::start(&scene.desk, "");
        }
        let again = server.ask("send_sms", &call).unwrap();
        assert_eq!(
            (&again["status"], &again["replayed"]),
            (&json!("approval_required"), &json!(true)),
            "{point}: {again}"
        );
        let (id, proposal) = (again["id"].clone(), again["approval"]["id"].as_str().unwrap().to_owned());
        if is_deciding {
            drop(server);
            assert!(approve(&scene, &proposal, &dies), "{point}: the command dies");
            assert!(scene.desk.sent().is_empty(), "{point}");
            // Said once more it is a yes where there was none, and changes nothing where there was.
            approve(&scene, &proposal, "");
        } else {
            assert!(!approve(&scene, &proposal, ""), "{point}");
            if point != "after-reserve" {
                eventually(&format!("{point}: the process dies"), || server.has_ended());
            }
            drop(server);
        }
        check(point, &aftermath(&scene.desk, &id), has_left, status);
    }
}

#[test]
fn a_decision_on_a_large_bulk_that_dies_half_way_reaches_everybody_once() {
    let scene = Scene::new(&format!(
        "[approval]\neverything = true\nmost_pending = 10000\n{WIDE}bulk_max = 3000\n[[provider]]\nkind = \"sandbox\"\n\
         balance = 1000000\n"
    ));
    let recipients: Vec<Value> = (0..2_500).map(|n| json!({ "to": fictional(n) })).collect();
    let call = json!({ "recipients": recipients, "message": "to all with a yes", "idempotency_key": "bulk" });
    let mut server = Pipe::start(&scene.desk, "");
    let told = server.ask("send_bulk", &call).unwrap();
    assert_eq!(told["status"], "approval_required", "{told}");
    let proposal = told["approval"]["id"].as_str().unwrap().to_owned();
    drop(server);
    assert!(approve(&scene, &proposal, "between-sweeps=1*off->return"), "it dies after the second step");
    let mut server = Pipe::start(&scene.desk, "");
    eventually("the bulk is done", || server.ask("send_bulk", &call).unwrap()["status"] == "done");
    let to: std::collections::HashSet<String> =
        scene.desk.sent().iter().map(|line| line["to"].as_str().unwrap().to_owned()).collect();
    assert_eq!((to.len(), scene.desk.sent().len()), (2_500, 2_500));
}
