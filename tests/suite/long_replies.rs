//! What people write in several segments, through the whole program before gateways of both protocols: it
//! arrives whole, whatever stops in between and on whosever connection a segment comes, or with its gaps
//! shown.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::carrier::scene::{Agent, Gateway, Protocol, desk};
use crate::support::{Desk, eventually, found};

/// A desk with a server before a gateway, and one person who was texted.
struct Scene {
    gateway: Gateway,
    desk: Desk,
    agent: Agent,
    message: Value,
}

const PERSON: usize = 1;

fn scene(protocol: Protocol) -> Scene {
    let gateway = Gateway::start(protocol);
    let desk = desk(&gateway, "");
    let mut agent = Agent::start(&desk, "warn");
    let message = text(&gateway, &mut agent, PERSON);
    gateway.until("the receipt is thanked for", |gateway| gateway.untold() == 0);
    Scene { gateway, desk, agent, message }
}

/// Texts somebody; the message's id.
fn text(gateway: &Gateway, agent: &mut Agent, n: usize) -> Value {
    let sent = agent.call("send_sms", json!({ "to": gateway.number(n), "message": format!("Hello {n}") }));
    assert!(sent["id"].is_string(), "{sent}");
    sent["id"].clone()
}

impl Scene {
    fn thanked(&self) -> usize {
        self.gateway.counters().thanked.load(Ordering::SeqCst)
    }

    /// Tells this, and waits until it is thanked for.
    fn tell(&self, frame: &[u8]) {
        let before = self.thanked();
        self.gateway.tell(frame);
        self.gateway.until("it is thanked for", |_| self.thanked() > before);
    }

    /// The replies of a message, each with whether it is whole, once there are so many.
    fn replies_to(&mut self, message: &Value, count: usize) -> Vec<(String, bool)> {
        found("the replies are there", || {
            let status = self.agent.call("get_status", json!({ "id": message }));
            let replies = status["replies"].as_array().cloned().unwrap_or_default();
            let read = |reply: &Value| {
                (
                    reply["text_untrusted"].as_str().unwrap().to_owned(),
                    reply.get("is_whole").is_none_or(|whole| whole == true),
                )
            };
            (replies.len() >= count).then(|| replies.iter().map(read).collect())
        })
    }

    fn replies(&mut self, count: usize) -> Vec<(String, bool)> {
        let message = self.message.clone();
        self.replies_to(&message, count)
    }

    fn ledger(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.desk.ledger()).unwrap()
    }

    /// Every text that waits for segments has waited for five minutes.
    fn make_late(&self) {
        let ledger = self.ledger();
        ledger.busy_timeout(crate::support::LAST_RESORT).unwrap();
        ledger.execute("UPDATE long_reply SET since_ms = since_ms - 300000 WHERE state = 0", []).unwrap();
    }
}

fn whole(text: &str) -> (String, bool) {
    (text.to_owned(), true)
}

const LONG: &str = "今天天气很好🙂 I take the blue one, and he takes the red one. ";

#[test]
fn segments_on_the_binds_of_two_servers_are_joined_into_one_text() {
    for protocol in Protocol::BOTH {
        let mut scene = scene(protocol);
        let other = Agent::start(&scene.desk, "warn");
        scene.gateway.until("both are bound", |gateway| gateway.links() == 2);
        // 7 units at a time cut the emoji in two.
        let frames = scene.gateway.written_by(PERSON, LONG, 7, 7);
        for (n, frame) in frames.iter().enumerate() {
            scene.gateway.tell_on(n % 2, frame);
        }
        scene.gateway.until("each is thanked for", |gateway| gateway.untold() == 0);
        assert_eq!(scene.replies(1), [whole(LONG)], "{protocol:?}");
        other.finish();
    }
}

#[test]
fn a_stop_or_a_kill_between_two_segments_loses_neither() {
    for protocol in Protocol::BOTH {
        for is_killed in [false, true] {
            let mut scene = scene(protocol);
            let frames = scene.gateway.written_by(PERSON, LONG, 7, 30);
            let last = frames.len() - 1;
            frames[..last].iter().for_each(|frame| scene.tell(frame));
            let next = Agent::start(&scene.desk, "warn");
            let agent = std::mem::replace(&mut scene.agent, next);
            if is_killed {
                drop(agent);
            } else {
                agent.finish();
            }
            if is_killed {
                // Nobody knows whether the thanks of the one that died arrived.
                frames[..last].iter().for_each(|frame| scene.tell(frame));
            }
            scene.tell(&frames[last]);
            assert_eq!(scene.replies(1), [whole(LONG)], "{protocol:?} {is_killed}");
            if is_killed {
                drop(std::mem::replace(&mut scene.agent, Agent::start(&scene.desk, "warn")));
                frames.iter().for_each(|frame| scene.tell(frame));
                scene.make_late();
                let ledger = scene.ledger();
                let waiting = || {
                    ledger
                        .query_row("SELECT count(*) FROM long_reply WHERE state < 2", [], |row| {
                            row.get::<_, i64>(0)
                        })
                        .unwrap()
                };
                eventually("nothing waits", || waiting() == 0);
                assert_eq!(scene.replies(1), [whole(LONG)], "{protocol:?}: once");
            }
        }
    }
}

#[test]
fn a_segment_that_cannot_be_recorded_is_asked_for_again_and_nothing_is_lost() {
    for protocol in Protocol::BOTH {
        let mut scene = scene(protocol);
        let frames = scene.gateway.written_by(PERSON, "the first half, and the last", 7, 16);
        assert_eq!(frames.len(), 2);
        scene.tell(&frames[0]);
        let holder = scene.ledger();
        holder.busy_timeout(crate::support::LAST_RESORT).unwrap();
        holder.execute_batch("BEGIN IMMEDIATE").unwrap();
        scene.gateway.tell(&frames[1]);
        scene.gateway.until("it is to be told later", |gateway| {
            gateway.counters().postponed.load(Ordering::SeqCst) > 0
        });
        holder.execute_batch("COMMIT").unwrap();
        scene.gateway.until("it is thanked for", |gateway| gateway.untold() == 0);
        assert_eq!(scene.replies(1), [whole("the first half, and the last")], "{protocol:?}");
    }
}

#[test]
fn a_text_with_a_hole_shows_it_and_what_comes_late_is_told_by_itself() {
    for protocol in Protocol::BOTH {
        let mut scene = scene(protocol);
        let frames = scene.gateway.written_by(PERSON, "I take    the blue one, not the red one", 7, 13);
        scene.tell(&frames[0]);
        scene.tell(&frames[2]);
        scene.make_late();
        let hole = ("I take    the [part 2 of 3 missing] t the red one".to_owned(), false);
        assert_eq!(scene.replies(1), std::slice::from_ref(&hole), "{protocol:?}");
        scene.tell(&frames[1]);
        scene.make_late();
        let late = ("[part 1 of 3 missing] blue one, no [part 3 of 3 missing]".to_owned(), false);
        let mut replies = scene.replies(2);
        replies.sort();
        assert_eq!(replies, [hole, late], "{protocol:?}");
    }
}

#[test]
fn a_stop_beside_a_hole_stops_and_a_start_beside_one_lifts_nothing() {
    for protocol in Protocol::BOTH {
        let mut scene = scene(protocol);
        let frames = scene.gateway.written_by(PERSON, "12345STOP ", 7, 5);
        scene.tell(&frames[1]);
        scene.make_late();
        let to = scene.gateway.number(PERSON);
        let is_out = |scene: &mut Scene, n: usize| {
            let answer = scene.agent.call("send_sms", json!({ "to": to, "message": format!("More {n}") }));
            answer["error"]["code"] == "opted_out" || answer["code"] == "opted_out"
        };
        assert_eq!(scene.replies(1), [("[part 1 of 2 missing] STOP ".to_owned(), false)], "{protocol:?}");
        assert!(is_out(&mut scene, 1), "{protocol:?}");
        let frames = scene.gateway.written_by(PERSON, "12345START", 8, 5);
        scene.tell(&frames[1]);
        scene.make_late();
        scene.replies(2);
        assert!(is_out(&mut scene, 2), "{protocol:?}: nobody knows what else was written");
    }
}

#[test]
fn a_number_that_a_phone_uses_again_loses_no_text_also_where_both_begin_alike() {
    for protocol in Protocol::BOTH {
        let mut scene = scene(protocol);
        let texts = ["Yes please, the blue one", "Yes please, the red one ", "Yes please, both of them "];
        for text in texts {
            for frame in scene.gateway.written_by(PERSON, text, 7, 11) {
                scene.tell(&frame);
            }
        }
        let mut replies = scene.replies(texts.len());
        replies.sort();
        let mut expected = texts.map(whole);
        expected.sort();
        assert_eq!(replies, expected, "{protocol:?}");
    }
}

#[test]
fn a_flood_of_texts_that_never_become_whole_is_bounded_and_nothing_of_it_is_lost() {
    const WRITERS: usize = 1_200;
    const MOST: i64 = 1_000;
    let all = i64::try_from(WRITERS).unwrap();
    for protocol in Protocol::BOTH {
        let scene = scene(protocol);
        let told = scene.thanked();
        for n in 0..WRITERS {
            let frame = scene.gateway.written_by(n, "half a text and no more", 7, 12).remove(0);
            scene.gateway.tell(&frame);
        }
        scene.gateway.until("each is thanked for", |_| scene.thanked() == told + WRITERS);
        let ledger = scene.ledger();
        let count = |sql: &str| ledger.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        eventually("what is over is told", || {
            count("SELECT count(*) FROM reply WHERE NOT is_whole") == all - MOST
        });
        assert_eq!(count("SELECT count(*) FROM long_reply WHERE state = 0"), MOST, "{protocol:?}");
        scene.make_late();
        eventually("the rest is told late", || count("SELECT count(*) FROM reply WHERE NOT is_whole") == all);
        eventually("and nothing of it is kept", || {
            count("SELECT count(*) FROM long_reply_segment WHERE octets IS NOT NULL") == 0
        });
        let log = scene.agent.finish();
        assert!(log.contains("too many incomplete multipart replies"), "{protocol:?}: {log}");
    }
}
