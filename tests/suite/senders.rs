//! Who said STOP, START or anything else, when the source does not say whose number that is: through the
//! engine's door, by every protocol, and what the operator does about what nobody can tell.

use std::collections::BTreeMap;
use std::time::Duration;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType};
use serde_json::{Value, json};

use sms_mcp::clock::{Clock as _, SystemClock};
use sms_mcp::engine::contract::SendArgs;
use sms_mcp::error::ErrorKind;
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::ledger::{MOST_PENDING, NewPending};
use sms_mcp::sms::message::MessageId;
use sms_mcp::sms::number::{Number, Region};
use sms_mcp::sms::reply::Meaning;

use crate::carrier::peer::Peer;
use crate::carrier::scene::{Agent, Gateway, Protocol};
use crate::carrier::smsc::{c_string, pdu};
use crate::forward::Receiver;
use crate::inbound::{Bench, bench_in, caller, reply};
use crate::support::{Desk, WIDE, found, operator, person};

const AMERICAN: &str = "+16465550123";
const NEW_ZEALANDER: &str = "+6465550123";

async fn bench(region: Option<&str>) -> Bench {
    bench_in(region, &sms_mcp::engine::settings::Forwarding::default()).await
}

impl Bench {
    async fn text(&self, to: &str) -> MessageId {
        let args = SendArgs { to: to.into(), message: format!("to{}", &to[1..]), ..SendArgs::default() };
        self.engine.send(caller(), args).await.unwrap_or_else(|error| panic!("{to}: {error}")).id.unwrap()
    }

    async fn refusal(&self, to: &str) -> Option<ErrorKind> {
        let args = SendArgs { to: to.into(), message: "once more".into(), ..SendArgs::default() };
        self.engine.send(caller(), args).await.err().map(|error| error.kind())
    }

    async fn out(&self) -> Vec<String> {
        let mut out: Vec<String> = self.opted_out().await.into_iter().map(|(number, _)| number).collect();
        out.sort();
        out
    }

    /// What waits: the sender, what is asked for, and who may have said it.
    async fn waiting(&self) -> Vec<(String, Meaning, Vec<String>)> {
        let pending = self.engine.pending_opt_outs(&operator()).await.unwrap();
        pending.into_iter().map(|pending| (pending.sender, pending.meaning, pending.people)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_without_its_country_code_stops_the_person_who_was_texted_and_no_stranger() {
    let cases: &[(Option<&str>, &str, &str)] = &[
        (Some("US"), AMERICAN, "6465550123"),
        (Some("US"), AMERICAN, "(646) 555-0123"),
        (None, AMERICAN, "6465550123"),
        (None, "+33612345678", "0612345678"),
        (Some("US"), "+33612345678", "0612345678"),
        (None, "+33612345678", "33612345678"),
        (None, "+525512345678", "5215512345678"),
        (None, "+541123456789", "5491123456789"),
        (None, "+5491123456789", "541123456789"),
        (Some("BR"), "+5511987654321", "1187654321"),
        (None, "+5511987654321", "551187654321"),
        (None, "+2250707123456", "22507123456"),
        (None, "+2290197123456", "97123456"),
    ];
    for (region, to, written) in cases {
        let bench = bench(*region).await;
        let id = bench.text(to).await;
        assert_eq!(bench.told(reply("r-1", written, "STOP")).await, 204);
        assert_eq!(bench.out().await, [*to], "{written} {region:?}");
        assert_eq!(bench.refusal(to).await, Some(ErrorKind::OptedOut), "{written}");
        assert!(bench.waiting().await.is_empty(), "{written}");
        let replies = bench.status(&id).await.replies;
        assert_eq!(
            replies.iter().map(|reply| reply.from.as_str()).collect::<Vec<_>>(),
            [*to],
            "{written}: the thread is theirs"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_list_without_pluses_is_matched_like_a_reply() {
    let bench = bench(Some("US")).await;
    bench.text(AMERICAN).await;
    assert_eq!(bench.told(json!([{ "event": "opt_out", "from": "6465550123" }])).await, 204);
    assert_eq!(bench.out().await, [AMERICAN]);
    assert_eq!(bench.told(json!([{ "event": "opt_out", "from": "6465550123", "out": false }])).await, 204);
    assert!(bench.out().await.is_empty());
    assert_eq!(bench.told(json!([{ "event": "opt_out", "from": "+6465550123" }])).await, 204);
    assert_eq!(
        bench.out().await,
        [AMERICAN, NEW_ZEALANDER],
        "a plus before a national number, or somebody who was never texted"
    );
    let bench = self::bench(Some("US")).await;
    bench.text(AMERICAN).await;
    bench.text(NEW_ZEALANDER).await;
    assert_eq!(bench.told(json!([{ "event": "opt_out", "from": "+6465550123" }])).await, 204);
    assert_eq!(bench.out().await, [NEW_ZEALANDER], "who was texted is taken as they are");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_two_fit_both_are_stopped_and_the_reply_is_shown_to_nobody_until_it_is_settled() {
    let receiver = Receiver::new(&[]);
    let bench = bench_in(Some("US"), &receiver.settings()).await;
    let (american, other) = (bench.text(AMERICAN).await, bench.text(NEW_ZEALANDER).await);
    assert_eq!(bench.told(reply("r-1", "6465550123", "Yes")).await, 204);
    assert!(bench.out().await.is_empty());
    let both = vec![AMERICAN.to_owned(), NEW_ZEALANDER.to_owned()];
    assert_eq!(bench.waiting().await, [("6465550123".to_owned(), Meaning::Other, both.clone())]);
    assert_eq!(bench.told(reply("r-2", "6465550123", "Stop")).await, 204);
    assert_eq!(bench.out().await, both);
    assert_eq!(bench.told(reply("r-3", "6465550123", "START")).await, 204);
    assert_eq!(bench.out().await, both, "a START that two fit lifts nobody's STOP");
    assert!(
        bench.status(&american).await.replies.is_empty() && bench.status(&other).await.replies.is_empty()
    );
    let waiting = bench.engine.pending_opt_outs(&operator()).await.unwrap();
    assert_eq!(
        waiting.iter().map(|pending| (pending.meaning, pending.replies)).collect::<Vec<_>>(),
        [(Meaning::Other, 3), (Meaning::Stop, 3), (Meaning::Start, 3)]
    );
    bench.engine.settle_pending(&person(), waiting[1].id, AMERICAN).await.unwrap();
    let texts: Vec<String> =
        bench.status(&american).await.replies.into_iter().map(|reply| reply.text_untrusted).collect();
    assert_eq!(
        (texts, bench.out().await),
        (vec!["Yes".to_owned(), "Stop".to_owned(), "START".to_owned()], both.clone())
    );
    bench.engine.settle_pending(&person(), waiting[2].id, AMERICAN).await.unwrap();
    assert_eq!(bench.out().await, [NEW_ZEALANDER], "the operator says who said START");
    bench.engine.dismiss_pending(&person(), waiting[0].id).await.unwrap();
    assert!(bench.waiting().await.is_empty());
    assert_eq!(
        bench.engine.dismiss_pending(&person(), waiting[0].id).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let told = tokio::task::spawn_blocking(move || receiver.taken(8)).await.unwrap();
    let replied: Vec<&Value> =
        told.iter().map(|heard| &heard.body["data"]).filter(|data| data["text"] == "Stop").collect();
    assert_eq!(
        replied.iter().map(|data| (&data["from"], &data["unsettled"])).collect::<Vec<_>>(),
        [(&json!("6465550123"), &json!(true)), (&json!(AMERICAN), &Value::Null)]
    );
    assert_eq!(replied[1]["in_reply_to"], json!(american.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_nobody_fits_waits_for_the_operator_over_restarts_and_keeps_whoever_fits_it_from_being_texted()
 {
    let bench = bench(None).await;
    let began = SystemClock.now();
    let stop = |id: &str, at: i64| json!([{ "event": "reply", "id": id, "from": "0612345678", "text": "STOP", "at_ms": began.plus_ms(at).as_millis() }]);
    for _ in 0..2 {
        assert_eq!(bench.told(stop("r-1", -60_000)).await, 204, "told twice");
    }
    assert!(bench.out().await.is_empty());
    let expected = [("0612345678".to_owned(), Meaning::Stop, Vec::new())];
    assert_eq!(bench.waiting().await, expected);
    let args = |dry_run| SendArgs {
        to: "+33612345678".into(),
        message: "Hello".into(),
        dry_run,
        ..SendArgs::default()
    };
    let refused = bench.engine.send(caller(), args(false)).await.unwrap_err();
    assert!(refused.kind() == ErrorKind::OptedOut && refused.message().contains("pending"), "{refused}");
    assert_eq!(bench.refusal("+33622345678").await, None, "another person");
    // The next process knows it too.
    let next = SqliteLedger::open(&bench.folder.path().join("ledger.db"), SystemClock.now(), [3; 8]).unwrap();
    let waiting = next.pendings().await.unwrap();
    assert_eq!((waiting.len(), waiting[0].replies), (1, 1));
    // Let go, the same words told again change nothing; said again they do.
    bench.engine.dismiss_pending(&person(), waiting[0].id).await.unwrap();
    assert_eq!(bench.refusal("+33612345678").await, None);
    let id = bench
        .engine
        .send(caller(), SendArgs { message: "Something else".into(), ..args(false) })
        .await
        .unwrap()
        .id
        .unwrap();
    assert_eq!(bench.told(stop("r-1", -60_000)).await, 204);
    assert!(bench.waiting().await.is_empty() && bench.out().await.is_empty());
    assert_eq!(bench.told(stop("r-2", 60_000)).await, 204);
    assert_eq!(
        (bench.out().await, bench.waiting().await.len()),
        (vec!["+33612345678".to_owned()], 0),
        "the ledger knows them now"
    );
    assert_eq!(bench.status(&id).await.replies.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_word_settles_a_stop_for_good_and_is_remembered_for_that_sender() {
    let bench = bench(None).await;
    let name = |id: &str| json!([{ "event": "reply", "id": id, "from": "pseudo-7", "text": "STOP" }]);
    let id = bench.text("+33612345678").await;
    assert_eq!(bench.told(name("r-1")).await, 204);
    assert_eq!(bench.waiting().await, [("pseudo-7".to_owned(), Meaning::Stop, Vec::new())]);
    let waiting = bench.engine.pending_opt_outs(&operator()).await.unwrap();
    bench.engine.settle_pending(&person(), waiting[0].id, "+33612345678").await.unwrap();
    assert_eq!(bench.out().await, ["+33612345678"]);
    assert_eq!(bench.status(&id).await.replies.len(), 1);
    assert_eq!(bench.told(reply("r-2", "+33612345678", "START")).await, 204);
    assert!(bench.out().await.is_empty(), "it was the person's own wish, so the person can take it back");
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(bench.told(name("r-3")).await, 204);
    assert_eq!((bench.out().await, bench.waiting().await.len()), (vec!["+33612345678".to_owned()], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_repeats_itself_does_not_bring_back_what_the_operator_let_go() {
    let bench = bench(None).await;
    let pending = |is_said| NewPending {
        provider: "acme".into(),
        sender: "0612345678".into(),
        ending: Some("345678".into()),
        meaning: Meaning::Stop,
        source: "acme".into(),
        at: SystemClock.now(),
        is_said,
        people: Vec::new(),
    };
    assert!(bench.reader.pend(pending(false)).await.unwrap().is_new);
    assert!(!bench.reader.pend(pending(false)).await.unwrap().is_new);
    let waiting = bench.reader.pendings().await.unwrap();
    bench.reader.settle_pending(waiting[0].id, None, false, SystemClock.now()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(!bench.reader.pend(pending(false)).await.unwrap().is_new);
    assert!(bench.reader.pend(pending(true)).await.unwrap().is_new);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_so_much_waits_and_a_stop_makes_room_for_itself() {
    let bench = bench(None).await;
    let pending = |n: u32, meaning| NewPending {
        provider: "acme".into(),
        sender: format!("sender-{n}"),
        ending: None,
        meaning,
        source: "reply".into(),
        at: SystemClock.now().plus_ms(n.into()),
        is_said: true,
        people: Vec::new(),
    };
    let all = (0..MOST_PENDING)
        .map(|n| bench.reader.pend(pending(n, if n == 7 { Meaning::Start } else { Meaning::Stop })));
    assert!(futures::future::join_all(all).await.into_iter().all(|pended| pended.unwrap().is_new));
    assert!(bench.reader.pend(pending(5_000, Meaning::Other)).await.unwrap().is_full);
    assert!(bench.reader.pend(pending(5_001, Meaning::Stop)).await.unwrap().is_new);
    assert!(bench.reader.pend(pending(5_002, Meaning::Stop)).await.unwrap().is_full);
    let waiting = bench.reader.pendings().await.unwrap();
    assert!(
        waiting.len() == MOST_PENDING as usize
            && waiting.iter().all(|pending| pending.meaning == Meaning::Stop)
    );
}

/// Every country's example of a mobile number that the guard lets through, and how it is written at home.
fn examples() -> BTreeMap<String, (Number, String)> {
    let example = |region: Region| {
        let outside = region.as_str().parse().ok()?;
        let kinds = [PhoneNumberType::Mobile, PhoneNumberType::FixedLineOrMobile];
        let number = kinds
            .iter()
            .find_map(|kind| PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(outside, *kind).ok())?;
        let national = PHONE_NUMBER_UTIL
            .format(&number, PhoneNumberFormat::National)
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        Some((
            Number::parse(&PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164), None).ok()?,
            national,
        ))
    };
    Region::all().filter_map(|region| Some((region.to_string(), example(region)?))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_mobile_that_was_texted_is_stopped_by_every_spelling_at_the_engines_door() {
    let bench = bench(Some("US")).await;
    let mut texted = Vec::new();
    for (code, (number, national)) in examples() {
        let args = SendArgs { to: number.e164().into(), message: code.clone(), ..SendArgs::default() };
        if bench.engine.send(caller(), args).await.is_ok() {
            texted.push((code, number, national));
        }
    }
    let (mut alone, mut shared) = (0, 0);
    for (code, number, national) in &texted {
        let full = &number.e164()[1..];
        for written in [national.clone(), full.to_owned(), format!("00{full}")] {
            assert_eq!(bench.told(json!([{ "event": "opt_out", "from": written }])).await, 204);
            let out = bench.out().await;
            assert!(out.contains(&number.e164().to_owned()), "{code} {written}: {out:?}");
            if out.len() == 1 {
                alone += 1
            } else {
                shared += 1
            }
            for number in out {
                bench.reader.opt_out(&number, false, "operator", SystemClock.now()).await.unwrap();
            }
        }
    }
    eprintln!("{} people texted; {alone} spellings stop one, {shared} several", texted.len());
    assert!(texted.len() > 200, "{}", texted.len());
}

/// The program before a gateway, for an operator of this region.
/// A short code sends: no network in the United States carries a text from a name.
fn desk(gateway: &Gateway, region: &str) -> Desk {
    let gateway = gateway.settings("window = 16").replace("from = \"ACME\"", "from = \"36179\"");
    Desk::new(&format!("default_region = \"{region}\"\n{WIDE}price_when_unknown = \"0.01\"\n{gateway}"))
}

fn said(desk: &Desk, arguments: &[&str]) -> String {
    let output = desk.command().args(arguments).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn until(desk: &Desk, arguments: &[&str], words: &str) -> String {
    found(&format!("{arguments:?} says {words}"), || {
        Some(said(desk, arguments)).filter(|said| said.contains(words))
    })
}

/// A deliver_sm whose sender has this type of number.
fn from_sender(ton: u8, from: &str, text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    let body = [
        &[0, ton, 1][..],
        &c_string(from),
        &[0, 0],
        &c_string("36179"),
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, length],
        text.as_bytes(),
    ]
    .concat();
    pdu(5, 0, 0, &body)
}

#[cfg(unix)]
#[test]
fn over_smpp_only_an_international_type_makes_a_sender_who_they_say() {
    let gateway = Gateway::start(Protocol::Smpp);
    let Gateway::Smsc(peer) = &gateway else { unreachable!() };
    let peer: &Peer<_> = peer;
    let desk = desk(&gateway, "US");
    let mut agent = Agent::start(&desk, "info");
    for to in [AMERICAN, "+33612345678", "+525512345678"] {
        let sent = agent.call("send_sms", json!({ "to": to, "message": format!("Hello {to}") }));
        assert_eq!(sent["status"], "sent", "{sent}");
    }
    for (ton, from, stopped) in [
        (0, "6465550123", AMERICAN),
        (2, "0612345678", "+33612345678"),
        (0, "5215512345678", "+525512345678"),
        (1, "6465550123", NEW_ZEALANDER),
    ] {
        if ton == 1 {
            let sent = agent.call("send_sms", json!({ "to": stopped, "message": "Hello" }));
            assert_eq!(sent["status"], "sent", "{sent}");
        }
        peer.tell(from_sender(ton, from, "STOP"));
        let listed = until(&desk, &["opt-out", "list"], stopped);
        desk.does(&["opt-out", "remove", stopped], "remove");
        assert_eq!(listed.lines().filter(|line| line.contains("reply")).count(), 1, "{ton} {from}: {listed}");
    }
    peer.tell(from_sender(0, "0622345678", "STOP"));
    let listed = until(&desk, &["opt-out", "pending"], "0622345678");
    assert!(
        listed.contains("stop") && listed.contains("fits nobody") && !listed.contains("STOP"),
        "{listed}"
    );
    assert!(said(&desk, &["config", "check", "--live"]).contains("opt-out: 1 entry waits for you"));
    let id = listed.split_whitespace().next().unwrap().to_owned();
    let settled = desk.does(&["opt-out", "pending", "settle", &id, "+33622345678"], "settle");
    assert!(settled.out.contains("+33622345678 gets no more texts"), "{settled:?}");
    assert!(said(&desk, &["opt-out", "list"]).contains("+33622345678"));
    assert!(said(&desk, &["opt-out", "pending"]).contains("nothing waits"));
    assert!(desk.types(&["opt-out", "pending", "dismiss", &id], "dismiss").err.contains("(not_found)"));
    let log = agent.finish();
    assert!(log.contains("ambiguous sender of a reply") && !log.contains("0622345678"), "{log}");
}

#[cfg(unix)]
#[test]
fn over_smpp_a_national_number_with_a_plus_or_an_international_type_stops_the_person_who_was_texted() {
    let gateway = Gateway::start(Protocol::Smpp);
    let Gateway::Smsc(peer) = &gateway else { unreachable!() };
    let desk = desk(&gateway, "HU");
    let mut agent = Agent::start(&desk, "info");
    let cases = [
        (0, "+2025550123", "+12025550123"),
        (1, "2025550123", "+12025550123"),
        (1, "5512345678", "+525512345678"),
        (1, "91123456789", "+5491123456789"),
        (1, "111523456789", "+5491123456789"),
        (1, "11987654321", "+5511987654321"),
        (1, "6641234567", "+436641234567"),
        (1, "17612345678", "+4917612345678"),
        (1, "4300436641234567", "+436641234567"),
    ];
    for (index, (ton, from, stopped)) in cases.into_iter().enumerate() {
        let sent = agent.call("send_sms", json!({ "to": stopped, "message": format!("Hello {index}") }));
        assert_eq!(sent["status"], "sent", "{stopped}: {sent}");
        peer.tell(from_sender(ton, from, "STOP"));
        let listed = until(&desk, &["opt-out", "list"], stopped);
        assert_eq!(listed.lines().filter(|line| line.contains("reply")).count(), 1, "{ton} {from}: {listed}");
        assert!(said(&desk, &["opt-out", "pending"]).contains("nothing waits"), "{ton} {from}");
        desk.does(&["opt-out", "remove", stopped], "remove");
    }
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_waits_keeps_every_number_from_being_texted_that_ends_as_it_is_written() {
    for (written, to) in [("7123456", "+23057123456"), ("2012345", "+36202012345")] {
        let bench = bench(None).await;
        assert_eq!(bench.told(reply("r-1", written, "STOP")).await, 204);
        assert_eq!(bench.waiting().await.len(), 1, "{written}");
        assert_eq!(bench.refusal(to).await, Some(ErrorKind::OptedOut), "{written}");
        assert_eq!(bench.refusal("+23057123457").await, None, "another person");
    }
}

#[test]
fn over_cmpp_a_sender_is_chinas_with_86_or_without_and_whoever_was_texted_before_all() {
    let gateway = Gateway::start(Protocol::Cmpp);
    let Gateway::Ismg(peer) = &gateway else { unreachable!() };
    let desk = desk(&gateway, "US");
    let mut agent = Agent::start(&desk, "info");
    for to in ["+8613800138000", "+8613800138001"] {
        assert_eq!(agent.call("send_sms", json!({ "to": to, "message": "你好" }))["status"], "sent");
    }
    for (from, stopped) in [
        ("13800138000", "+8613800138000"),
        ("8613800138001", "+8613800138001"),
        ("16265550123", "+8616265550123"),
    ] {
        peer.hear_from(from, "TD", 0);
        until(&desk, &["opt-out", "list"], stopped);
    }
    peer.hear_from("pseudo1", "TD", 0);
    until(&desk, &["opt-out", "pending"], "pseudo1");
    drop(agent);
}
