//! Consent, as an operator and a caller meet it: who agreed is texted, who did not is not, and a word that is
//! taken back stops what has not left, wherever it waits.
#![cfg(unix)]

use std::time::Duration;

use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::engine::Base;
use sms_mcp::engine::consents::Given;
use sms_mcp::engine::contract::{BulkArgs, OnInvalid, Recipient, SendArgs, Status, StatusArgs};
use sms_mcp::error::ErrorKind;
use sms_mcp::policy::Consent;
use sms_mcp::policy::quiet::{Mode, Settings};
use sms_mcp::provider::exchange::{Event, Reply};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::purpose::Purpose;
use sms_mcp::sms::reply::Meaning;

use crate::approvers::Scene;
use crate::cli::{Ended, at_terminal};
use crate::engine::{Bench, NOON, bench_made, caller, to};
use crate::support::{Desk, WIDE, eventually_async, fictional, operator, person};

const HOUR_MS: i64 = 3_600_000;

/// Marketing needs consent, and leaves at any hour.
fn asking() -> String {
    format!("{WIDE}[quiet]\nmarketing = \"off\"\n[consent]\nrequired_for = [\"marketing\"]\n")
}

/// What an agent is told of a text of marketing to this person.
fn sold(desk: &Desk, n: usize, text: &str) -> Value {
    desk.run(&["send", &fictional(n), text, "--purpose", "marketing", "--json"]).json()
}

#[test]
fn nobody_gets_marketing_before_a_person_recorded_that_they_agreed_and_after_they_took_it_back() {
    let desk = Desk::new(&asking());
    let refused = sold(&desk, 1, "Sale");
    assert_eq!(refused["code"], "consent_missing", "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("no consent is on record"), "{refused}");
    assert!(refused["next"].as_str().unwrap().contains("sms-mcp consent add"), "{refused}");
    desk.done(&["send", &fictional(1), "Your parcel is there"]);
    let quote =
        desk.run(&["send", &fictional(1), "Sale", "--purpose", "marketing", "--dry-run", "--json"]).json();
    assert_eq!(quote["quote"]["refusal"]["code"], "consent_missing", "{quote}");
    let show = desk.done(&["rules", "show", &fictional(1)]);
    assert!(show.out.contains("consent   none on record; marketing texts need one here"), "{show:?}");

    let add = ["consent", "add", &fictional(1), "--source", "web-form", "--wording", "v3"];
    let add = [&add[..], &["--at", "2026-01-02", "--expires", "2099-01-01"]].concat();
    assert!(desk.does(&add, "add").out.contains("agreed to marketing texts"));
    assert_eq!(sold(&desk, 1, "Sale")["status"], "sent");
    assert_eq!(sold(&desk, 2, "Sale")["code"], "consent_missing", "somebody else");
    let quote =
        desk.run(&["send", &fictional(1), "More", "--purpose", "marketing", "--dry-run", "--json"]).json();
    assert!(quote["warnings"].to_string().contains("was given 2026-01-02"), "{quote}");
    let show = desk.done(&["rules", "show", &fictional(1)]);
    assert!(show.out.contains("consent   given 2026-01-02T00:00:00.000Z, until 2099"), "{show:?}");

    desk.done(&["consent", "withdraw", &fictional(1), "--source", "phone"]);
    let refused = sold(&desk, 1, "Once more");
    assert!(refused["message"].as_str().unwrap().contains("was withdrawn"), "{refused}");
    // What was said before that, and comes late, changes nothing.
    let late = ["consent", "add", &fictional(1), "--source", "fair", "--at", "2026-02-01"];
    desk.does(&late, "add");
    assert_eq!(sold(&desk, 1, "Once more")["code"], "consent_missing");
    let shown = desk.done(&["consent", "show", &fictional(1)]);
    let lines: Vec<&str> = shown.out.lines().collect();
    assert_eq!(lines.len(), 3, "nothing is overwritten: {shown:?}");
    assert!(lines[0].contains("withdrawn  phone") && lines[2].contains("given      web-form, wording v3"));
    let json = desk.done(&["consent", "show", &fictional(1), "--json"]).json();
    assert_eq!(json["consents"][2]["expires"], "2099-01-01T00:00:00.000Z", "{json}");
    assert_eq!(desk.sent().len(), 2);
    for args in [&["--source", "x", "--at", "2099-01-01"], &["--source", " ", "--at", "2026-01-01"]] {
        let wrong = desk.types(&[&["consent", "add", &fictional(1)], &args[..]].concat(), "add");
        assert!(wrong.code == 1 && wrong.err.contains("Nothing was recorded"), "{wrong:?}");
    }
}

/// A file of so many rows, with these in place of the first.
fn file(desk: &Desk, count: usize, rows: &str) -> String {
    let more: String =
        (1..count).map(|n| format!("{},web-form,2026-03-04T05:06:07Z,v2\n", fictional(n))).collect();
    desk.file("people.csv", format!("number,source,time,wording\n{rows}{more}"))
}

fn import(desk: &Desk, file: &str) -> Ended {
    desk.types(&["consent", "import", file], "import")
}

/// Every record of the desk, as an export prints it.
fn exported(desk: &Desk) -> String {
    desk.done(&["consent", "export"]).out
}

#[test]
fn a_file_is_taken_in_whole_or_not_at_all_and_what_an_export_prints_is_such_a_file() {
    let desk = Desk::new(&asking());
    let wrong = import(&desk, &file(&desk, 2_100, "0612345678,web-form,2026-03-04,v2\n"));
    assert!(wrong.code == 1 && wrong.err.contains("line 2: "), "{wrong:?}");
    assert!(
        wrong.err.contains("Nothing was recorded") && !wrong.err.contains("Type \"import\""),
        "{wrong:?}"
    );
    assert_eq!(exported(&desk).lines().count(), 1, "the header alone");
    let people = file(&desk, 2_100, &format!("{},web-form,2026-03-04,\"v2, \"\"long\"\"\"\n", fictional(0)));
    let taken = import(&desk, &people);
    assert!(taken.out.contains("2,100 recorded, 0 were on record already"), "{taken:?}");
    assert!(taken.err.contains("2,100 consents, 0 withdrawals"), "{taken:?}");
    assert!(import(&desk, &people).out.contains("0 recorded, 2,100 were on record already"));
    for n in [0, 2_099] {
        assert_eq!(sold(&desk, n, "Sale")["status"], "sent");
    }
    desk.done(&["consent", "withdraw", &fictional(0)]);
    let whole = exported(&desk);
    assert_eq!(whole.lines().count(), 2_102);
    assert!(whole.contains(",marketing,given,web-form,\"v2, \"\"long\"\"\",2026-03-04T00:00:00.000Z,,"));
    let other = Desk::new(&asking());
    let copy = other.file("copy.csv", &whole);
    assert!(import(&other, &copy).err.contains("2,100 consents, 1 withdrawals"));
    let said = |text: &str| -> Vec<String> {
        // Who recorded it and when is another one's.
        text.lines().map(|line| line.rsplitn(4, ',').last().unwrap().to_owned()).collect()
    };
    assert_eq!(said(&exported(&other)), said(&whole));
    assert_eq!(sold(&other, 0, "Sale")["code"], "consent_missing");
}

#[test]
fn a_file_whose_import_was_cut_off_counts_for_nobody_and_is_gone_with_the_next_command() {
    let desk = Desk::new(&asking());
    let people = file(&desk, 2_100, "");
    let mut command = desk.command();
    command.args(["consent", "import", &people]).env("FAILPOINTS", "consents-between-parts=1*off->return");
    assert_eq!(at_terminal(command, "import").code, -1, "it dies");
    let rows = || -> i64 {
        let db = rusqlite::Connection::open(desk.ledger()).unwrap();
        db.query_row("SELECT count(*) FROM consent", [], |row| row.get(0)).unwrap()
    };
    let next = desk.run(&["send", &fictional(1), "Sale", "--purpose", "marketing", "--json"]);
    assert_eq!(next.json()["code"], "consent_missing");
    assert!(next.err.contains("removed consents whose import was cut off"), "{next:?}");
    assert_eq!((exported(&desk).lines().count(), rows()), (1, 0));
    assert!(import(&desk, &people).out.contains("2,099 recorded"));
    assert_eq!(sold(&desk, 1, "Sale")["status"], "sent");
}

#[test]
fn an_approver_says_yes_to_the_octets_of_a_file_and_taking_back_needs_nobody() {
    let scene = Scene::new(&asking());
    let people = file(&scene.desk, 3, "");
    let args = ["consent", "import", people.as_str()];
    let asked = scene.challenge(&args);
    let yes = scene.alice.sign(sms_mcp::access::challenge::NAMESPACE, &asked.1);
    file(&scene.desk, 4, "");
    let other = scene.prove(&args, &asked, &yes);
    assert!(other.code == 1 && other.err.contains("says yes to something else"), "{other:?}");
    file(&scene.desk, 3, "");
    let right = scene.prove(&args, &asked, &yes);
    assert!(right.out.contains("2 recorded"), "{right:?}");
    let shown = scene.desk.done(&["consent", "show", &fictional(1)]);
    assert!(shown.out.contains("approved by alice"), "{shown:?}");
    let acts = scene.desk.done(&["ledger", "acts"]);
    assert!(acts.out.contains("consent import") && acts.out.contains("alice"), "{acts:?}");
    scene.desk.done(&["consent", "withdraw", &fictional(1)]);
    assert_eq!(sold(&scene.desk, 1, "Sale")["code"], "consent_missing");
    let added = scene.approved(&["consent", "add", &fictional(1), "--source", "web-form"]);
    assert_eq!(added.code, 0, "{added:?}");
    assert_eq!(sold(&scene.desk, 1, "Sale")["status"], "sent");
}

#[test]
fn the_sandbox_has_consents_of_its_own_and_a_withdrawal_reaches_the_ledger_of_real_texts() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str], typed: Option<&str>| {
        let mut command = crate::cli::bare(home.path());
        command.args(args);
        match typed {
            Some(typed) => at_terminal(command, typed),
            None => crate::cli::run(command),
        }
    };
    let added = run(&["consent", "add", &fictional(1), "--source", "web-form"], Some("add"));
    assert!(added.code == 0 && added.err.contains("with a real provider it is"), "{added:?}");
    let live = home.path().join(".local/share/sms-mcp/ledger.db");
    let real = |args: &[&str]| run(&[&["--ledger", live.to_str().unwrap()], args].concat(), None);
    assert_eq!(run(&["consent", "withdraw", &fictional(1)], None).code, 0);
    let shown = real(&["consent", "show", &fictional(1)]);
    assert!(shown.out.contains("withdrawn") && !shown.out.contains("given"), "{shown:?}");
}

fn ad(n: usize, text: &str) -> SendArgs {
    SendArgs { purpose: Some(Purpose::Marketing), ..to(n, text) }
}

const QUESTION: &str = "Do you want offers from Acme? Reply YES to get them, STOP to get none.";

fn asked() -> Consent {
    Consent { ask_text: Some(QUESTION.into()), ask_words: vec!["Beitritt".into()], ..Consent::default() }
}

fn bench(marketing: Mode) -> Bench {
    bench_made(|policy| {
        let policy = policy.quiet_hours(Settings { marketing, ..Settings::default() });
        policy.consenting(Consent { required_for: vec![Purpose::Marketing], ..asked() })
    })
}

async fn agrees(bench: &Bench, n: usize, is_given: bool, expires: Option<&str>) {
    let number = fictional(n);
    let given = Given {
        number: &number,
        purpose: Purpose::Marketing,
        is_given,
        source: "form",
        wording: None,
        at: None,
        expires,
    };
    let consent = given.read(None, bench.clock_now()).unwrap();
    let news = if is_given {
        bench.engine.add_consent(&person(), consent).await
    } else {
        bench.engine.withdraw_consent(&operator(), consent, true).await
    };
    assert!(news.unwrap());
}

async fn ends_without_consent(bench: &Bench, id: &MessageId) {
    let look = async || {
        let args = StatusArgs { id: id.to_string(), ..StatusArgs::default() };
        bench.engine.status(&caller(Base::Open), args).await.unwrap().message.unwrap()
    };
    eventually_async("it has ended", async || look().await.status == State::Rejected).await;
    assert_eq!(look().await.code.as_deref(), Some("consent_missing"));
}

#[tokio::test]
async fn what_is_scheduled_or_held_by_quiet_hours_does_not_leave_once_it_was_taken_back_or_has_expired() {
    let bench = bench(Mode::Hold);
    agrees(&bench, 1, true, None).await;
    agrees(&bench, 2, true, Some("2027-01-16T06:00:00Z")).await;
    agrees(&bench, 3, true, None).await;
    let by_day = SendArgs {
        send_at: Some("2027-01-15T13:00:00Z".into()),
        deliver_by: Some("2027-01-17T12:00:00Z".into()),
        ..ad(1, "Sale")
    };
    let scheduled = bench.send(by_day).await.unwrap();
    assert_eq!(scheduled.status, Status::State(State::Scheduled));
    let too_late = SendArgs { send_at: Some("2027-01-16T08:00:00Z".into()), ..ad(2, "Sale") };
    assert_eq!(bench.kind(too_late).await, Some(ErrorKind::ConsentMissing), "it will have expired");
    bench.later(9 * HOUR_MS + HOUR_MS / 2);
    let held = bench.send(ad(2, "Sale")).await.unwrap();
    let kept = bench.send(ad(3, "Sale")).await.unwrap();
    assert_eq!(held.status, Status::State(State::Scheduled), "it is night");
    agrees(&bench, 1, false, None).await;
    bench.engine.start(true).await.unwrap();
    ends_without_consent(&bench, &scheduled.id.unwrap()).await;
    bench.later(10 * HOUR_MS);
    ends_without_consent(&bench, &held.id.unwrap()).await;
    let id = kept.id.unwrap();
    let sent = async || {
        let args = StatusArgs { id: id.to_string(), ..StatusArgs::default() };
        let message = bench.engine.status(&caller(Base::Open), args).await.unwrap().message.unwrap();
        message.status == State::Sent
    };
    eventually_async("who agrees still gets it", sent).await;
    let handed: Vec<String> = bench.handed().into_iter().map(|(to, _)| to).collect();
    assert_eq!(handed, [fictional(3)]);
    bench.engine.stop(Duration::from_millis(100)).await;
}

fn bulk(first: usize, count: usize) -> BulkArgs {
    let recipient = |n| Recipient { to: fictional(n), data: Default::default() };
    BulkArgs {
        recipients: (first..first + count).map(recipient).collect(),
        message: "Sale".into(),
        purpose: Some(Purpose::Marketing),
        ..BulkArgs::default()
    }
}

#[tokio::test]
async fn a_bulk_is_refused_with_how_many_lack_consent_and_who_and_what_is_queued_is_asked_again() {
    let bench = bench(Mode::Off);
    for n in 0..3 {
        agrees(&bench, n, true, None).await;
    }
    let send = |args| bench.engine.send_bulk(caller(Base::Open), args, Some(Duration::ZERO), None);
    for dry_run in [true, false] {
        let refused = send(BulkArgs { dry_run, ..bulk(0, 5) }).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::RecipientsRefused);
        assert!(refused.message().starts_with("2 of 5 recipients"), "{refused}");
        let who: Vec<_> = refused.details().refused.iter().map(|one| (&*one.to, &*one.code)).collect();
        let (three, four) = (fictional(3), fictional(4));
        assert_eq!(who, [(&*three, "consent_missing"), (&*four, "consent_missing")]);
    }
    // Nobody hands it over yet.
    let queued = send(BulkArgs { on_invalid: OnInvalid::Skip, ..bulk(0, 5) }).await.unwrap();
    assert_eq!((queued.accepted, queued.refused.len()), (3, 2));
    agrees(&bench, 1, false, None).await;
    bench.engine.start(true).await.unwrap();
    let batch = queued.batch.unwrap().to_string();
    let counts = async || {
        let args = StatusArgs { id: batch.clone(), ..StatusArgs::default() };
        bench.engine.status(&caller(Base::Open), args).await.unwrap().bulk.unwrap().counts
    };
    eventually_async("all have ended", async || counts().await.get("sent") == Some(&2)).await;
    eventually_async("one was stopped", async || counts().await.get("rejected") == Some(&1)).await;
    let mut handed: Vec<String> = bench.handed().into_iter().map(|(to, _)| to).collect();
    handed.sort();
    assert_eq!(handed, [fictional(0), fictional(2)]);
    bench.engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn a_stop_takes_consent_back_and_a_start_does_not_bring_it_back() {
    let bench = bench(Mode::Off);
    agrees(&bench, 1, true, None).await;
    assert_eq!(bench.kind(ad(1, "Sale")).await, None);
    says(&bench, 1, "STOP").await;
    assert_eq!(bench.kind(ad(1, "Again")).await, Some(ErrorKind::OptedOut));
    says(&bench, 1, "START").await;
    assert_eq!(bench.kind(ad(1, "Again")).await, Some(ErrorKind::ConsentMissing));
    assert_eq!(bench.kind(to(1, "Your parcel")).await, None);
    bench.later(1_000);
    agrees(&bench, 1, true, None).await;
    assert_eq!(bench.kind(ad(1, "Again")).await, None);
    let (_, records) = bench.engine.consents_of(&operator(), &fictional(1)).await.unwrap();
    assert_eq!(records[1].said.at, Timestamp(NOON + 1_000));
    assert_eq!((records.len(), records[1].said.source.as_str()), (4, "opt-out: reply"));
}

#[tokio::test]
async fn a_stop_that_is_told_late_takes_back_what_was_given_before_it_also_where_a_start_has_ended_it() {
    let bench = bench(Mode::Off);
    let number = fictional(1);
    let from = || number.as_str().into();
    let reply = |text: &str, at_ms| {
        Event::Reply(Reply {
            vendor_id: format!("r-{text}"),
            from: from(),
            to: "36179".into(),
            text: text.into(),
            at: Timestamp(at_ms),
            content: None,
            is_again: false,
            is_answered: false,
        })
    };
    bench.later(9_000);
    bench.report(reply("STOP", NOON + 1_003)).await;
    bench.report(reply("START", NOON + 5_003)).await;
    // A list that names the second alone, and a STOP of another channel, both ended by that START.
    let listed =
        Event::OptOut { number: from(), is_out: true, at: Some(Timestamp(NOON + 2_000)), heard_by: None };
    bench.report(listed).await;
    let given = |at: &'static str| Given {
        number: &number,
        purpose: Purpose::Marketing,
        is_given: true,
        source: "form",
        wording: None,
        at: Some(at),
        expires: None,
    };
    for (at, kind) in
        [("2027-01-15T12:00:02.900Z", Some(ErrorKind::ConsentMissing)), ("2027-01-15T12:00:06Z", None)]
    {
        let consent = given(at).read(None, bench.clock_now()).unwrap();
        bench.engine.add_consent(&person(), consent).await.unwrap();
        assert_eq!(bench.kind(ad(1, "Sale")).await, kind, "{at}");
    }
}

#[test]
fn an_export_that_does_not_fit_on_the_disk_fails_and_a_reader_that_goes_away_is_no_error() {
    let full = std::path::Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    let desk = Desk::new(&asking());
    assert!(import(&desk, &file(&desk, 2_100, "")).out.contains("2,099 recorded"));
    let export = |out: std::process::Stdio| {
        let mut command = desk.command();
        command.args(["consent", "export"]).stdout(out).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let to_full = std::fs::File::options().write(true).open(full).unwrap();
    let ended = export(to_full.into()).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && said.contains("could not all be written"), "{said}");
    let mut reader = export(std::process::Stdio::piped());
    drop(reader.stdout.take());
    assert!(reader.wait_with_output().unwrap().status.success());
}

#[test]
fn every_number_of_a_phone_is_shown_and_what_an_add_is_worth_is_said() {
    let desk = Desk::new(&asking());
    desk.done(&["consent", "withdraw", "+5215512345678", "--source", "phone"]);
    let added =
        desk.does(&["consent", "add", "+525512345678", "--source", "form", "--at", "2026-01-02"], "add");
    assert!(added.out.contains("it does not count: the consent was withdrawn"), "{added:?}");
    let shown = desk.done(&["consent", "show", "+525512345678"]);
    assert!(shown.out.lines().next().unwrap().contains("phone, as +5215512345678"), "{shown:?}");
    let other = Desk::new(&asking());
    let copy = other.file("copy.csv", exported(&desk));
    assert!(import(&other, &copy).out.contains("2 recorded"));
    let late = desk.done(&["consent", "withdraw", "+525512345678", "--at", "2026-01-01"]);
    assert!(!late.out.contains("does not count"), "{late:?}");
    desk.does(&["consent", "add", &fictional(1), "--source", "form", "--at", "2026-01-03"], "add");
    let late = desk.done(&["consent", "withdraw", &fictional(1), "--at", "2026-01-01"]);
    assert!(late.out.contains("it does not count: they agreed (2026-01-03"), "{late:?}");
}

#[test]
fn config_check_says_where_a_text_that_nobody_calls_marketing_needs_no_consent() {
    let told = |settings: &str| {
        let checked = Desk::new(settings).done(&["config", "check"]);
        checked.out.contains("[consent] asks for marketing alone")
    };
    assert!(told(&asking()));
    assert!(!told(WIDE));
    assert!(!told(&(asking() + "[[sender]]\nid = \"ACME\"\npurpose = \"marketing\"\n")));
    assert!(!told(&asking().replace("[\"marketing\"]", "[\"transactional\"]")));
}

async fn says(bench: &Bench, n: usize, text: &str) {
    bench.later(1_000);
    bench
        .report(Event::Reply(Reply {
            vendor_id: format!("r-{}", bench.clock_now().as_millis()),
            from: fictional(n).as_str().into(),
            to: "36179".into(),
            text: text.into(),
            at: bench.clock_now(),
            content: None,
            is_again: false,
            is_answered: false,
        }))
        .await;
}

/// Too long for an order: a shorter one that says this is a STOP.
const OBJECTS: &str = "Hello, I bought one of these in your shop last week already, and I am happy with it, so there is \
    really no need to tell me about the next ones every other day. Please don't text me again!";

#[tokio::test]
async fn a_long_reply_that_asks_to_stop_pauses_marketing_to_that_number_until_the_operator_read_it() {
    let bench =
        bench_made(|policy| policy.quiet_hours(Settings { marketing: Mode::Off, ..Settings::default() }));
    assert_eq!(bench.kind(ad(1, "Hello")).await, None);
    // Nobody hands it over yet.
    let queued = bench
        .engine
        .send_bulk(caller(Base::Open), bulk(1, 2), Some(Duration::ZERO), None)
        .await
        .unwrap()
        .batch
        .unwrap();
    says(&bench, 1, "please don't stop texting me, I love it").await;
    assert_eq!(bench.engine.pending_opt_outs(&operator()).await.unwrap(), []);
    says(&bench, 1, OBJECTS).await;
    let refused = bench.send(ad(1, "Again")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::OptedOut);
    assert!(refused.next_step().contains("sms-mcp opt-out pending"), "{refused}: {}", refused.next_step());
    assert_eq!(bench.kind(to(1, "Your parcel is there")).await, None, "what is no marketing goes on");
    assert_eq!(bench.kind(ad(3, "Again")).await, None, "and so does marketing to others");
    bench.engine.start(true).await.unwrap();
    let counts = async || {
        let args = StatusArgs { id: queued.to_string(), ..StatusArgs::default() };
        bench.engine.status(&caller(Base::Open), args).await.unwrap().bulk.unwrap().counts
    };
    eventually_async("one was stopped", async || counts().await.get("rejected") == Some(&1)).await;
    eventually_async("the other one left", async || counts().await.get("sent") == Some(&1)).await;
    assert!(!bench.engine.opt_outs(&operator()).await.unwrap().iter().any(|out| out.number == fictional(1)));

    let waiting = bench.engine.pending_opt_outs(&operator()).await.unwrap();
    assert_eq!(
        (waiting.len(), waiting[0].meaning, &waiting[0].people[..]),
        (1, Meaning::Objection, &[fictional(1)][..])
    );
    bench.engine.dismiss_pending(&person(), waiting[0].id).await.unwrap();
    assert_eq!(bench.kind(ad(1, "And again")).await, None, "it was let go");
    // Said once more it waits once more, and settled it is an opt-out.
    says(&bench, 1, OBJECTS).await;
    assert_eq!(bench.kind(ad(1, "And once more")).await, Some(ErrorKind::OptedOut));
    let again = bench.engine.pending_opt_outs(&operator()).await.unwrap().remove(0);
    bench.engine.settle_pending(&person(), again.id, &fictional(1)).await.unwrap();
    assert_eq!(bench.kind(to(1, "Your bill")).await, Some(ErrorKind::OptedOut), "now nothing leaves");
    assert_eq!(bench.engine.pending_opt_outs(&operator()).await.unwrap(), []);
    bench.engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn who_was_asked_and_answers_yes_from_that_number_in_time_has_agreed_to_that_question() {
    let bench = bench(Mode::Off);
    let asks = async |n| bench.engine.ask_consent(&operator(), &fictional(n)).await;
    let agreed = async |n| bench.kind(ad(n, "Sale")).await != Some(ErrorKind::ConsentMissing);
    says(&bench, 1, "YES").await;
    assert!(!agreed(1).await, "nobody asked");
    let (number, until) = asks(1).await.unwrap();
    assert_eq!((number, until.as_millis()), (fictional(1), NOON + 1_000 + 7 * 24 * HOUR_MS));
    assert_eq!(bench.handed(), [(fictional(1), QUESTION.to_owned())]);
    assert_eq!(asks(1).await.unwrap_err().kind(), ErrorKind::RecipientLimit, "once a day");
    says(&bench, 2, "YES").await;
    says(&bench, 1, "YES apple").await;
    says(&bench, 1, "yes, but who is this?").await;
    assert!(!agreed(1).await && !agreed(2).await);
    says(&bench, 1, "Yes please!").await;
    assert!(agreed(1).await && !agreed(2).await);
    let (_, records) = bench.engine.consents_of(&operator(), &fictional(1)).await.unwrap();
    assert_eq!((records.len(), records[0].said.source.as_str()), (1, "double-opt-in"));
    assert!(records[0].said.wording.as_ref().unwrap().starts_with("ask-"), "{records:?}");
    assert_eq!(asks(1).await.unwrap_err().kind(), ErrorKind::InvalidArgument, "they agreed already");
    // A STOP in between ends the question, and who wants no texts is not asked.
    asks(3).await.unwrap();
    says(&bench, 3, "STOP").await;
    let tries = bench.tries();
    assert_eq!(asks(3).await.unwrap_err().kind(), ErrorKind::OptedOut);
    says(&bench, 3, "START").await;
    says(&bench, 3, "YES").await;
    assert!(!agreed(3).await && bench.tries() == tries);
    // The operator's own word counts, and no yes that comes too late.
    asks(4).await.unwrap();
    says(&bench, 4, "beitritt").await;
    assert!(agreed(4).await);
    asks(5).await.unwrap();
    bench.later(7 * 24 * HOUR_MS);
    says(&bench, 5, "YES").await;
    assert!(!agreed(5).await);
    let quiet = bench_made(|policy| policy);
    let refused = quiet.engine.ask_consent(&operator(), &fictional(1)).await.unwrap_err();
    assert!(refused.kind() == ErrorKind::NotSupported && refused.message().contains("ask_text"), "{refused}");
}

#[test]
fn the_question_is_asked_from_the_command_line_and_its_words_are_no_stop_words() {
    let desk = Desk::new(&asking().replace("[consent]\n", "[consent]\nask_text = \"Offers? Reply YES\"\n"));
    let asked = desk.done(&["consent", "ask", &fictional(1)]);
    assert!(asked.out.contains("was asked; a YES counts until"), "{asked:?}");
    assert_eq!(desk.sent()[0]["text"], "Offers? Reply YES");
    let again = desk.run(&["consent", "ask", &fictional(1)]);
    assert!(again.code == 1 && again.err.contains("asked today already"), "{again:?}");
    assert_eq!(desk.sent().len(), 1);
    let wrong = Desk::new("[consent]\nask_words = [\"stop\"]\n").run(&["list"]);
    assert!(wrong.code == 1 && wrong.err.contains("consent.ask_words has"), "{wrong:?}");
}

/// The commands of the page do what it says, in its order.
#[test]
fn the_commands_of_the_page_about_consent_do_what_it_says() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONSENT.md")).unwrap();
    let desk = Desk::new(&asking());
    let bin = desk.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(crate::support::program(), bin.join("sms-mcp")).unwrap();
    let path = std::env::join_paths(
        [bin].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let path = path.unwrap();
    let mut printed = String::new();
    for block in page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-euc", block]).current_dir(desk.path()).env("PATH", &path);
        shell.env("SMS_MCP_CONFIG", desk.config()).env("SMS_MCP_LEDGER", desk.ledger());
        shell.env("XDG_STATE_HOME", desk.state()).env("SMS_MCP_CONTAINER", "no");
        let ended = at_terminal(shell, &crate::gate::words_for(block));
        assert_eq!(ended.code, 0, "{block}: {ended:?}");
        printed.push_str(&ended.out);
    }
    assert!(
        printed.contains("wording 2026-03, until 2028-11-02") && printed.contains("1 recorded"),
        "{printed}"
    );
    assert_eq!(exported(&desk).lines().count(), 4);
}

#[test]
fn no_tool_records_or_shows_consent() {
    let tools = serde_json::to_string(&sms_mcp::mcp::tools::Tools::new().list()).unwrap();
    assert!(!tools.contains("consent"), "{}", json!(tools));
}
