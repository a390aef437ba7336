//! The program's commands and tools before a gateway: which of them connect, how they end, and what they say
//! when nobody is there.

#[cfg(unix)]
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::carrier::scene::{Agent, Gateway, Protocol, bulk, desk};
#[cfg(unix)]
use crate::cli::Ended;
#[cfg(unix)]
use crate::support::signal;
use crate::support::{Desk, WIDE};

fn load(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}

#[test]
fn a_command_that_sends_nothing_leaves_the_carrier_alone() {
    for protocol in Protocol::BOTH {
        let gateway = Gateway::start(protocol);
        let desk = desk(&gateway, "");
        for args in [
            &["list"][..],
            &["budget"],
            &["balance"],
            &["opt-out", "add", "+33612345678"],
            &["opt-out"],
            &["reconcile"],
            &["config", "check"],
        ] {
            let ended = desk.run(args);
            assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
            assert_eq!(load(&gateway.counters().connections), 0, "{protocol:?} {args:?}");
        }
    }
}

#[test]
fn a_command_that_sends_connects_and_takes_leave() {
    for protocol in Protocol::BOTH {
        let gateway = Gateway::start(protocol);
        let desk = desk(&gateway, "");
        let to = gateway.number(1);
        for (nth, args) in (1..).zip([&["send", &to, "Hello"][..], &["config", "check", "--live"]]) {
            let ended = desk.run(args);
            assert_eq!(ended.code, 0, "{protocol:?} {args:?}: {ended:?}");
            gateway.until("goodbye", |gateway| load(&gateway.counters().byes) == nth);
            assert_eq!(
                (load(&gateway.counters().connections), load(&gateway.counters().taken)),
                (nth, 1),
                "{protocol:?} {args:?}"
            );
        }
    }
}

/// Starts a command, asks it to end once the gateway has its first request, and returns what it said.
#[cfg(unix)]
fn asked_to_end(gateway: &Gateway, desk: &Desk, args: &[&str], name: &str) -> Ended {
    let before = load(&gateway.counters().asked);
    let mut command = desk.command();
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    gateway.until("the first request", |gateway| load(&gateway.counters().asked) > before);
    signal(name, child.id());
    Ended::of(child.wait_with_output().unwrap())
}

#[cfg(unix)]
#[test]
fn a_command_that_is_asked_to_end_finishes_what_has_begun_and_begins_nothing_more() {
    for (protocol, name) in Protocol::BOTH.into_iter().zip(["INT", "TERM"]) {
        let gateway = Gateway::start(protocol);
        let desk = desk(&gateway, "per_second = 2");
        // Several segments, of which the last leaves seconds after the signal.
        let (to, text) = (gateway.number(1), "x".repeat(900));
        let ended = asked_to_end(&gateway, &desk, &["send", &to, &text], name);
        assert!(ended.code == 0 && ended.out.starts_with("sent: msg_"), "{protocol:?}: {ended:?}");
        let parts = load(&gateway.counters().taken);
        assert!(
            parts >= 6 && gateway.repeated() == 0 && ended.out.contains(&format!("{parts} segment(s)")),
            "{protocol:?}: {ended:?}"
        );

        let people: String = (2..32).map(|n| format!("{}\n", gateway.number(n))).collect();
        let file = desk.path().join("people.csv");
        std::fs::write(&file, format!("to\n{people}")).unwrap();
        let ended =
            asked_to_end(&gateway, &desk, &["bulk", file.to_str().unwrap(), "--message", "Hello"], name);
        assert!(
            ended.code == 0 && ended.out.contains(" goes on: ") && ended.out.contains(" queued"),
            "{protocol:?}: {ended:?}"
        );
        assert!(ended.err.contains("what is queued waits for the next process"), "{protocol:?}: {ended:?}");
        let count = |status| {
            desk.done(&["list", "--status", status, "--limit", "100", "--json"]).json()["messages"]
                .as_array()
                .unwrap()
                .len()
        };
        let (queued, sent) = (count("queued"), count("sent") + count("delivered"));
        assert!(queued > 0, "{protocol:?}");
        assert_eq!((queued + sent, load(&gateway.counters().taken)), (31, sent - 1 + parts), "{protocol:?}");
        // The next process sends the rest of it, and nothing again.
        let agent = Agent::start(&desk, "warn");
        gateway.until("the rest", |gateway| load(&gateway.counters().taken) == 30 + parts);
        agent.finish();
        assert_eq!((gateway.repeated(), count("unknown")), (0, 0), "{protocol:?}");
    }
}

#[test]
fn without_a_carrier_the_tools_answer_and_a_send_says_why_it_did_not_go() {
    for protocol in Protocol::BOTH {
        let gateway = Gateway::start(protocol);
        // Nobody listens there any more. Whoever waited for a link would wait for an hour.
        let patient = format!(
            "{WIDE}price_when_unknown = \"0.01\"\n[send]\ntimeout = \"2h\"\n{}",
            gateway.settings("link_wait = \"1h\"")
        );
        let (patient, desk) = (Desk::new(&patient), desk(&gateway, "link_wait = \"400ms\""));
        let to = gateway.number(1);
        drop(gateway);
        let mut agent = Agent::start_with(&patient, "warn", &[("SMS_MCP__SEND__TIMEOUT", "2h")]);
        agent.call("get_balance", json!({}));
        agent.call("list_sms", json!({}));
        let quote = agent.call("send_sms", json!({ "to": to, "message": "Hello", "dry_run": true }));
        assert_eq!(quote["status"], "dry_run", "{quote}");
        drop(agent);
        let mut agent = Agent::start(&desk, "warn");
        let refused = agent.call("send_sms", json!({ "to": to, "message": "Hello" }));
        assert_eq!(refused["code"], "provider_unavailable", "{refused}");
        assert!(refused.to_string().contains("no bind is up"), "{refused}");
        agent.finish();
    }
}

#[test]
fn a_bulk_waits_for_a_link_and_goes_on_when_it_is_there() {
    for protocol in Protocol::BOTH {
        for count in [1, 40] {
            let gateway = Gateway::start(protocol);
            gateway.close_door(true);
            let desk = desk(&gateway, "link_wait = \"300ms\"\nreconnect_most = \"300ms\"");
            let mut agent = Agent::start(&desk, "warn");
            let accepted = agent.call("send_bulk", bulk(&gateway, count, 1));
            // Many times as long as a send waits for a link: what gives up has given up by now.
            std::thread::sleep(Duration::from_secs(3));
            let counts = agent.counts(&accepted["batch"]);
            assert_eq!(
                counts.keys().filter(|state| !["queued", "attempting"].contains(&state.as_str())).count(),
                0,
                "{protocol:?} {count}: {counts:?}"
            );
            gateway.close_door(false);
            agent.until(&accepted["batch"], &["sent", "delivered"], count);
            assert_eq!(gateway.repeated(), 0);
            agent.finish();
        }
    }
}

#[test]
fn a_bulk_at_a_carrier_that_takes_little_is_slow_and_whole() {
    for protocol in Protocol::BOTH {
        let gateway = Gateway::start(protocol);
        gateway.script(|script| script.throttle_over_per_second = 8);
        let desk = desk(&gateway, "throttle_wait = \"200ms\"");
        let mut agent = Agent::start(&desk, "warn");
        let accepted = agent.call("send_bulk", bulk(&gateway, 30, 1));
        agent.until(&accepted["batch"], &["sent", "delivered", "rejected", "unknown", "failed"], 30);
        let counts = agent.counts(&accepted["batch"]);
        assert_eq!(
            counts.get("sent").unwrap_or(&0) + counts.get("delivered").unwrap_or(&0),
            30,
            "{protocol:?}: {counts:?}"
        );
        assert_eq!(gateway.repeated(), 0);
        agent.finish();
    }
}

#[test]
fn a_bulk_through_a_narrow_window_or_a_low_ceiling_is_slow_and_whole() {
    for protocol in Protocol::BOTH {
        for session in ["window = 1\nlink_wait = \"100ms\"", "per_second = 10\nlink_wait = \"200ms\""] {
            let gateway = Gateway::start(protocol);
            gateway.script(|script| {
                script.delay = Duration::from_millis(if session.starts_with('w') { 60 } else { 0 })
            });
            let desk = desk(&gateway, session);
            let mut agent = Agent::start(&desk, "warn");
            let accepted = agent.call("send_bulk", bulk(&gateway, 20, 1));
            agent.until(&accepted["batch"], &["sent", "delivered", "rejected", "unknown", "failed"], 20);
            let counts = agent.counts(&accepted["batch"]);
            assert_eq!(
                counts.get("sent").unwrap_or(&0) + counts.get("delivered").unwrap_or(&0),
                20,
                "{protocol:?} {session}: {counts:?}"
            );
            assert_eq!(gateway.repeated(), 0);
            agent.finish();
        }
    }
}
