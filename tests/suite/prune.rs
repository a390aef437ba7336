//! Forgetting what is old, through the program: what a command says and does, a server that does it by
//! itself, and a kill in the middle.
#![cfg(unix)]

use std::process::{Child, Stdio};
use std::sync::Arc;

use sms_mcp::clock::{Clock as _, SystemClock, Timestamp};
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::ledger::{BaseSession, BatchDraft, Claim, Draft, Intent, Pacing, Payer, Settlement};
use sms_mcp::sms::facts::Limits;
use sms_mcp::sms::message::{BatchId, MessageId, Realm, State};

use crate::cli::Ended;
use crate::fake::Fake;
use crate::fake::sms_for_ai::{SmsForAi, TOKEN};
use crate::support::{Desk, ends, eventually, fictional, signal};

const DAY_MS: i64 = 86_400_000;

/// Fills the ledger with bulks of a hundred messages each that were sent so many days ago.
async fn fill(desk: &Desk, bulks: usize, days: i64) {
    let at = SystemClock.now().plus_ms(-days * DAY_MS);
    let store = SqliteLedger::open(&desk.ledger(), at, [days as u8; 8]).unwrap();
    let payer = Payer {
        principal: "old".into(),
        base: BaseSession::Named("fill".into()),
        handle: None,
        realm: Realm::Sandbox,
        idle_ms: 1,
        currency: "USD".into(),
        total: Limits::default(),
        day: Limits::default(),
        session: Limits::default(),
    };
    for bulk in 0..bulks {
        let drafts: Vec<Draft> = (0..100).map(|n| draft(bulk * 100 + n, at)).collect();
        let id = BatchId::new(at.as_millis(), (bulk + 1) as u128);
        let intent = Intent {
            payer: payer.clone(),
            now: at,
            idempotency: None,
            batch: Some(BatchDraft::of(id)),
            is_campaign: false,
            forward: false,
            drafts: drafts.clone(),
            all_or_none: true,
            answers_of: Vec::new(),
            consent_for: Vec::new(),
            duplicate_window_ms: 0,
            per_second: 1_000_000,
            keep_texts: true,
            proposal: None,
            looks: sms_mcp::sms::facts::Looks::default(),
            preview: false,
        };
        store.reserve(intent, Arc::new(|_, _| Ok(sms_mcp::sms::verdict::Verdict::Now))).await.unwrap();
        let claim = Claim {
            now: at,
            limit: 100,
            per_second: 1_000_000,
            max_age_ms: i64::MAX / 4,
            adopt: false,
            provider: "sandbox".into(),
            realm: Realm::Sandbox,
            per_request: 1,
            by_segment: false,
            without: Vec::new(),
            most_requests: u32::MAX,
            rate: Pacing::default(),
            consent_for: Vec::new(),
        };
        assert_eq!(store.claim(claim).await.unwrap().messages.len(), 100);
        let settled = drafts.iter().map(|draft| store.settle(&draft.id, delivered(&draft.id, at)));
        futures::future::join_all(settled).await.into_iter().for_each(|settled| drop(settled.unwrap()));
    }
    store.close().await.unwrap();
}

fn draft(n: usize, at: Timestamp) -> Draft {
    Draft {
        id: MessageId::new(at.as_millis(), (n + 1) as u128),
        to: fictional(n),
        from: None,
        text: format!("text {n}"),
        digest: (n as u128).to_be_bytes(),
        folded: (n as u128).to_be_bytes(),
        encoding: "GSM-7",
        segments: 1,
        hold_micros: 1_000,
        is_assumed: false,
        provider: "sandbox".into(),
        rated_requests: 0,
        purpose: sms_mcp::sms::purpose::Purpose::Transactional,
        schedule: sms_mcp::sms::schedule::Schedule::default(),
    }
}

fn delivered(id: &MessageId, at: Timestamp) -> Settlement {
    Settlement {
        at,
        state: State::Delivered,
        vendor_id: Some(format!("sbx-{id}")),
        price_micros: Some(1_000),
        segments: None,
        parts: Vec::new(),
        code: None,
        why: None,
        free_key: false,
        look_at: None,
    }
}

fn keeping(desk: &Desk, args: &[&str]) -> Ended {
    let mut command = desk.command();
    Ended::of(
        command.env("SMS_MCP__LEDGER__KEEP_FOR", "720h").args(args).stdin(Stdio::null()).output().unwrap(),
    )
}

fn rows(desk: &Desk, table: &str) -> i64 {
    let db = rusqlite::Connection::open_with_flags(desk.ledger(), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)
        .unwrap();
    db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn without_a_time_nothing_is_forgotten_and_a_time_that_is_too_short_is_refused() {
    let desk = Desk::new("");
    let unset = desk.run(&["ledger", "prune", "--dry-run"]);
    assert!(
        unset.code == 1 && unset.err.contains("keep_for is not set") && unset.err.contains("8760h"),
        "{unset:?}"
    );
    for (settings, words) in [
        ("[ledger]\nkeep_for = \"719h\"\n", "at least 720h (30 days)"),
        (
            "[ledger]\nkeep_for = \"720h\"\n[guard]\nduplicate_window = \"900h\"\n",
            "at least 900h (guard.duplicate_window)",
        ),
        (
            "[ledger]\nkeep_for = \"720h\"\n[guard]\nsession_idle = \"721h\"\n",
            "at least 721h (guard.session_idle)",
        ),
    ] {
        std::fs::write(desk.config(), settings).unwrap();
        let refused = desk.run(&["config", "check"]);
        assert!(refused.code == 1 && refused.err.contains(words), "{refused:?}");
    }
}

#[tokio::test]
async fn a_dry_run_says_what_would_go_and_the_command_forgets_just_that() {
    let desk = Desk::new("");
    fill(&desk, 2, 60).await;
    fill(&desk, 1, 20).await;
    desk.done(&["send", "+12025550123", "Hello"]);
    let said = keeping(&desk, &["ledger", "prune", "--dry-run"]);
    let counts = "200 messages, 2 bulks, 0 replies, 0 sessions, 0 idempotency keys, 0 waiting receipts";
    assert!(
        said.code == 0 && said.out.contains(counts) && said.out.contains("oldest message that stays: "),
        "{said:?}"
    );
    assert!(said.out.contains("stays, though as old: 0 messages"), "{said:?}");
    assert_eq!(rows(&desk, "message"), 301, "nothing has gone");
    let budgets = desk.done(&["budget"]).out;
    let done = keeping(&desk, &["ledger", "prune"]);
    assert!(done.out.contains(&format!("forgotten: {counts}")), "{done:?}");
    assert_eq!((rows(&desk, "message"), rows(&desk, "batch"), rows(&desk, "texted")), (101, 1, 200));
    assert_eq!(desk.done(&["budget"]).out, budgets);
    desk.done(&["ledger", "check"]);
    let again = keeping(&desk, &["ledger", "prune"]);
    assert!(again.out.contains("forgotten: 0 messages"), "{again:?}");
}

#[tokio::test]
async fn what_only_the_clock_says_is_old_is_not_forgotten() {
    let desk = Desk::new("");
    // Nothing happened since then, as in a ledger whose machine wakes with its clock 40 days ahead.
    fill(&desk, 1, 40).await;
    let said = keeping(&desk, &["ledger", "prune", "--dry-run"]);
    assert!(said.code == 0 && said.out.contains(": 0 messages"), "{said:?}");
    let server = desk.http(|command| {
        command.env("SMS_MCP__LEDGER__KEEP_FOR", "720h");
    });
    let done = keeping(&desk, &["ledger", "prune"]);
    assert!(done.out.contains("forgotten: 0 messages") || done.out.contains("another process"), "{done:?}");
    drop(server);
    assert_eq!(rows(&desk, "message"), 100);
    // What happens today says that the clock is right.
    desk.done(&["send", "+12025550123", "Hello"]);
    let done = keeping(&desk, &["ledger", "prune"]);
    assert!(done.out.contains("forgotten: 100 messages"), "{done:?}");
}

#[tokio::test]
async fn a_ledger_in_doubt_forgets_nothing() {
    let fake = Fake::start(SmsForAi { credits_micros: 1_000_000_000, ..SmsForAi::default() });
    let desk = Desk::new(&format!(
        "[[provider]]\nkind = \"sms_for_ai\"\nbase_url = \"{}/api/v1\"\ntoken = \"{TOKEN}\"\n",
        fake.url()
    ));
    fill(&desk, 1, 60).await;
    desk.done(&["send", "+12025550123", "Hello"]);
    // As if an older file had been copied into its place.
    let db = rusqlite::Connection::open(desk.ledger()).unwrap();
    db.execute("UPDATE mark SET count = count - 1", []).unwrap();
    drop(db);
    let refused = keeping(&desk, &["ledger", "prune"]);
    assert!(refused.code == 1 && refused.err.contains("ledger_in_doubt"), "{refused:?}");
    let mut server = desk.http(|command| {
        command.env("SMS_MCP__LEDGER__KEEP_FOR", "720h");
    });
    // Its first prune began with it, and a stop waits for what has begun.
    signal("TERM", server.child.id());
    ends(&mut server.child);
    assert_eq!(rows(&desk, "message"), 101);
    let said = keeping(&desk, &["ledger", "prune", "--dry-run"]);
    assert!(said.code == 0 && said.out.contains(": 100 messages"), "{said:?}");
}

#[tokio::test]
async fn a_server_forgets_by_itself_while_it_sends() {
    let desk = Desk::new("");
    fill(&desk, 10, 60).await;
    desk.done(&["send", "+12025550123", "Hello"]);
    let server = desk.http(|command| {
        command.env("SMS_MCP__LEDGER__KEEP_FOR", "720h");
    });
    let mut n = 0;
    eventually("all that is old has gone", || {
        n += 1;
        if n < 4 {
            desk.done(&["send", &fictional(n), "Meanwhile"]);
        }
        rows(&desk, "message") == desk.sent().len() as i64
    });
    drop(server);
    desk.done(&["ledger", "check"]);
}

#[tokio::test]
async fn a_prune_that_is_killed_leaves_a_whole_ledger_and_goes_on() {
    let desk = Desk::new("");
    fill(&desk, 20, 60).await;
    desk.done(&["send", "+12025550123", "Hello"]);
    let budgets = desk.done(&["budget"]).out;
    let mut command = desk.command();
    command.env("SMS_MCP__LEDGER__KEEP_FOR", "720h").args(["ledger", "prune"]).stdout(Stdio::null());
    let mut pruning: Child = command.spawn().unwrap();
    eventually("it is in the middle", || rows(&desk, "message") < 1_800);
    signal("KILL", pruning.id());
    ends(&mut pruning);
    let left = rows(&desk, "message");
    assert!(left > 1, "it was killed in the middle");
    desk.done(&["ledger", "check"]);
    // Whoever lost their message is known, and nothing of a message without the rest of it.
    assert_eq!(left + rows(&desk, "texted"), 2_001);
    assert_eq!(rows(&desk, "forgotten_id"), rows(&desk, "texted"));
    assert_eq!(desk.done(&["budget"]).out, budgets);
    let done = keeping(&desk, &["ledger", "prune"]);
    assert!(done.out.contains(&format!("forgotten: {} messages", left - 1)), "{done:?}");
    assert_eq!((rows(&desk, "message"), rows(&desk, "texted")), (1, 2_000));
}
