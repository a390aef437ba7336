//! Quiet hours, as a caller and an operator meet them: what waits, what is refused, what leaves all the same,
//! and that nothing leaves outside them from a machine that slept. Which moments they are is held for ten
//! years of every row in `src/policy/quiet/tests.rs`.

use std::time::Duration;

use sms_mcp::clock::Timestamp;
use sms_mcp::engine::Base;
use sms_mcp::engine::contract::{BulkArgs, ListArgs, Recipient, SendAnswer, SendArgs, Status, StatusArgs};
use sms_mcp::error::ErrorKind;
use sms_mcp::policy::Marketing;
use sms_mcp::policy::quiet::{Mode, Settings};
use sms_mcp::provider::exchange::{Event, Reply};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::purpose::Purpose;

use crate::engine::{Bench, NOON, bench_made, bench_with_hours, caller, to};
use crate::support::{Desk, eventually_async, fictional};

const HOUR_MS: i64 = 3_600_000;

/// From noon (UTC) on a Friday until the hours of Paris end, at ten in the evening, and begin again.
const UNTIL_NIGHT: i64 = 9 * HOUR_MS;
const UNTIL_MORNING: i64 = 19 * HOUR_MS;

fn ad(n: usize, text: &str) -> SendArgs {
    SendArgs { purpose: Some(Purpose::Marketing), ..to(n, text) }
}

fn bench() -> Bench {
    bench_with_hours(Settings::default())
}

async fn state_of(bench: &Bench, id: &MessageId) -> State {
    let args = StatusArgs { id: id.to_string(), ..StatusArgs::default() };
    bench.engine.status(&caller(Base::Open), args).await.unwrap().message.unwrap().status
}

/// The answer, and what it warns of in one text.
fn told(answer: &SendAnswer) -> String {
    answer.warnings.join("\n")
}

#[tokio::test]
async fn marketing_leaves_by_day_and_waits_at_night_until_the_first_minute_of_the_morning() {
    let bench = bench();
    bench.engine.start(true).await.unwrap();
    let by_day = bench.send(ad(1, "by day")).await.unwrap();
    assert_eq!(by_day.status, Status::State(State::Sent));
    bench.later(UNTIL_NIGHT);
    assert_eq!(bench.send(to(2, "your code")).await.unwrap().status, Status::State(State::Sent));
    let quote = bench.send(SendArgs { dry_run: true, ..ad(3, "at night") }).await.unwrap();
    assert!(quote.quote.as_ref().unwrap().allowed);
    let held = bench.send(ad(3, "at night")).await.unwrap();
    assert_eq!(held.status, Status::State(State::Scheduled));
    for answer in [&quote, &held] {
        assert_eq!(answer.scheduled_for.as_deref(), Some("2027-01-16T07:00:00.000Z"));
        assert_eq!(
            answer.deliver_by.as_deref(),
            Some("2027-01-16T20:59:59.999Z"),
            "the end of the next hours"
        );
        for words in [
            "22:00 (UTC+01:00) in Europe/Paris",
            "FR",
            "mon-sat 08:00-22:00",
            "help.brevo.com",
            "confidence high",
        ] {
            assert!(told(answer).contains(words), "{words}: {}", told(answer));
        }
    }
    let id = held.id.unwrap();
    bench.later(UNTIL_MORNING - UNTIL_NIGHT - 1);
    // It is looked for again and again meanwhile.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        (state_of(&bench, &id).await, bench.tries()),
        (State::Scheduled, 2),
        "a millisecond before eight"
    );
    bench.later(1);
    eventually_async("it is sent", async || state_of(&bench, &id).await == State::Sent).await;
    bench.engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn a_machine_that_slept_over_the_hours_does_not_send_outside_them() {
    let bench = bench();
    bench.later(UNTIL_NIGHT);
    let held = bench.send(ad(1, "at night")).await.unwrap().id.unwrap();
    bench.later(UNTIL_MORNING - UNTIL_NIGHT);
    // The morning. One is set for the last minutes of the day, one may leave the day after, and one is queued.
    let set = SendArgs { send_at: Some("2027-01-16T21:55:00+01:00".into()), ..ad(2, "in the evening") };
    let set = bench.send(set).await.unwrap().id.unwrap();
    let free = SendArgs {
        send_at: Some("2027-01-16T21:55:00+01:00".into()),
        deliver_by: Some("2027-01-18T12:00:00+01:00".into()),
        ..ad(3, "when it can")
    };
    let free = bench.send(free).await.unwrap().id.unwrap();
    let recipients = vec![Recipient { to: fictional(4), data: Default::default() }];
    let bulk = BulkArgs {
        recipients,
        message: "queued".into(),
        purpose: Some(Purpose::Marketing),
        ..BulkArgs::default()
    };
    // Nobody hands it over before the server is started, and its caller waits for that.
    let engine = bench.engine.clone();
    tokio::spawn(async move { engine.send_bulk(caller(Base::Open), bulk, None, None).await });
    let listed = async || {
        let args = ListArgs { status: Some(State::Queued), ..ListArgs::default() };
        bench.engine.list(&caller(Base::Open), args).await.unwrap().messages
    };
    eventually_async("the bulk is queued", async || listed().await.len() == 1).await;
    let queued = listed().await.remove(0).id;
    // Asleep until half past ten in the evening.
    bench.later(14 * HOUR_MS + HOUR_MS / 2);
    bench.engine.start(true).await.unwrap();
    for id in [&held, &set, &queued] {
        eventually_async("it has expired", async || state_of(&bench, id).await == State::Expired).await;
    }
    eventually_async("it has a new time", async || {
        let args = StatusArgs { id: free.to_string(), ..StatusArgs::default() };
        let message = bench.engine.status(&caller(Base::Open), args).await.unwrap().message.unwrap();
        // Sunday has no hours.
        message.scheduled_for.as_deref() == Some("2027-01-18T07:00:00.000Z")
    })
    .await;
    assert_eq!((bench.tries(), state_of(&bench, &free).await), (0, State::Scheduled));
    bench.later(34 * HOUR_MS);
    eventually_async("it is sent on Monday", async || state_of(&bench, &free).await == State::Sent).await;
    bench.engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn where_marketing_is_refused_the_answer_names_the_row_and_the_time_that_would_do() {
    let bench = bench_with_hours(Settings { marketing: Mode::Refuse, ..Settings::default() });
    bench.later(UNTIL_NIGHT);
    let refused = bench.send(ad(1, "at night")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::QuietHours);
    assert!(refused.message().contains("FR") && refused.message().contains("help.brevo.com"), "{refused}");
    assert!(refused.next_step().contains("2027-01-16T07:00:00Z"), "{}", refused.next_step());
    let quote = bench.send(SendArgs { dry_run: true, ..ad(1, "at night") }).await.unwrap();
    assert_eq!(quote.quote.unwrap().refusal.unwrap().code, "quiet_hours");
    let at = |at: &str| SendArgs { send_at: Some(at.into()), ..ad(1, "at night") };
    assert_eq!(bench.kind(at("2027-01-17T12:00:00Z")).await, Some(ErrorKind::QuietHours), "on a Sunday");
    assert_eq!(bench.kind(at("2027-01-16T07:00:00Z")).await, None);
    // What nobody lets through is refused, and so is what is to be there before it may leave.
    let turkish = SendArgs { to: "+905321234567".into(), ..ad(2, "anything: https://example.com/stop") };
    // With a way to get no more, which is asked first where people cannot answer.
    let ways = Marketing { way_out: vec!["https://example.com/stop".into()], ..Marketing::default() };
    let hold = bench_made(|policy| policy.quiet_hours(Settings::default()).marketing(ways));
    hold.later(UNTIL_NIGHT);
    assert_eq!(hold.kind(turkish).await, Some(ErrorKind::QuietHours));
    let soon = SendArgs { deliver_by: Some("2027-01-16T06:00:00Z".into()), ..ad(3, "soon") };
    assert_eq!(hold.kind(soon).await, Some(ErrorKind::QuietHours));
    assert_eq!((bench.tries(), hold.tries()), (0, 0));
}

#[tokio::test]
async fn who_wrote_within_four_hours_is_answered_at_any_hour() {
    let bench = bench();
    bench.later(UNTIL_NIGHT);
    let wrote_at = Timestamp(NOON + UNTIL_NIGHT);
    bench
        .report(Event::Reply(Reply {
            vendor_id: "r-1".into(),
            from: fictional(1).as_str().into(),
            to: "36179".into(),
            text: "Do you have it in blue?".into(),
            at: wrote_at,
            content: None,
            is_again: false,
            is_answered: false,
        }))
        .await;
    let status = async |n, text: &str| bench.send(ad(n, text)).await.unwrap().status;
    assert_eq!(status(1, "Yes").await, Status::State(State::Sent));
    assert_eq!(status(2, "Yes").await, Status::State(State::Scheduled), "somebody else");
    bench.later(4 * HOUR_MS);
    assert_eq!(status(1, "And in green").await, Status::State(State::Sent));
    bench.later(1);
    assert_eq!(status(1, "And in red").await, Status::State(State::Scheduled));
}

#[tokio::test]
async fn a_time_on_the_recipients_clock_is_read_by_the_zone_of_the_number() {
    let bench = bench();
    let local = |to: String| SendArgs {
        to,
        send_at_local: Some("2027-02-01T09:00".into()),
        ..self::to(1, "good morning")
    };
    let set = bench.send(local(fictional(1))).await.unwrap();
    assert_eq!(set.scheduled_for.as_deref(), Some("2027-02-01T08:00:00.000Z"));
    let refused = bench.send(local("+79161234567".into())).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    assert!(refused.message().contains("Europe/Kaliningrad"), "{refused}");
}

#[test]
fn the_operator_sees_what_holds_for_a_number() {
    let desk = Desk::new("[quiet.zones]\n\"+12025550123\" = \"America/Denver\"\n");
    let shown = desk.run(&["rules", "show", "+13055550123"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    for words in [
        "+13055550123  US-FL, marketing texts",
        "zone      America/New_York, where it is 20",
        "found     by the prefix +1305",
        "row       US-FL: daily 08:00-20:00",
        "2026-11-26; confidence high",
        "outside   it waits until they begin",
        " until 20",
        "opt-out   none",
    ] {
        assert!(shown.out.contains(words), "{words}: {}", shown.out);
    }
    let told = desk.run(&["rules", "show", "+12025550123", "--purpose", "transactional", "--json"]).json();
    assert_eq!(told["zones"][0]["zone"], "America/Denver", "{told}");
    assert_eq!(told["zones_found"], "named by the operator for +12025550123");
    assert_eq!((&told["rows"][0]["where"], &told["outside"]), (&"US".into(), &"off".into()));
    let never = desk.run(&["rules", "show", "+905321234567"]);
    assert!(
        never.out.contains("row       TR: never") && never.out.contains("closed, and never open"),
        "{never:?}"
    );
    assert_eq!(desk.run(&["opt-out", "add", "+33612345678"]).code, 0);
    assert!(desk.run(&["rules", "show", "+33612345678"]).out.contains("wants no more texts"));
    assert_eq!(desk.run(&["rules", "show", "12"]).code, 1);
}

#[test]
fn a_wrong_zone_place_time_or_day_of_the_settings_fails_the_start_and_says_what_would_be_right() {
    for (settings, words) in [
        ("[quiet]\nmarketing = \"later\"", "hold"),
        ("[quiet.zones]\n\"+1202\" = \"America/Denvr\"", "America/Denver"),
        ("[quiet.zones]\nParis = \"Europe/Paris\"", "no destination"),
        ("[[quiet.rule]]\nwhere = \"UK\"\nwindows = []", "the United Kingdom is GB"),
        ("[[quiet.rule]]\nwhere = \"US-XX\"\nwindows = []", "US-FL"),
        ("[[quiet.rule]]\nwhere = \"FR\"\nwindows = [\"mon-fri 9-20\"]", "mon-fri 09:00-21:30"),
        ("[[quiet.rule]]\nwhere = \"FR\"\nwindows = [\"daily 20:00-08:00\"]", "over midnight"),
        ("[[quiet.rule]]\nwhere = \"FR\"\nwindows = []\nholidays = [\"25.12.\"]", "12-25"),
        ("[[quiet.rule]]\nwhere = \"FR\"", "has no `windows`"),
        ("[[quiet.rule]]\nwindows = []", "has no `where`"),
        (
            "[[quiet.rule]]\nwhere = \"FR\"\nwindows = []\n[[quiet.rule]]\nwhere = \"FR\"\nwindows = []",
            "two [[quiet.rule]] are for FR",
        ),
    ] {
        let refused = Desk::new(settings).run(&["rules", "show", "+33612345678"]);
        assert!(refused.code == 1 && refused.err.contains(words), "{settings}: {refused:?}");
    }
}
