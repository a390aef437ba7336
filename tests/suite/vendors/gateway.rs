//! The HTTP provider: the worked example of docs/PROVIDERS.md before the gateway that it is written for, and what
//! `provider try` says of it. The gateways that are known by name are in `gateway/known.rs`, webhooks in
//! `gateway/hooks.rs` and `gateway/stops.rs`, and what the settings are refused for in `gateway/refused.rs`.

mod hooks;
pub mod known;
mod refused;
mod stops;

use std::sync::Arc;

use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::{Enquiry, SegmentOutcome, Sought};
use sms_mcp::provider::generic_http::Config;
use sms_mcp::provider::settings::{Callback, Secrets, Setup};
use sms_mcp::provider::{Balance, Outcome, Provider, Submission};
use sms_mcp::setting::SecretText;
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::{Currency, Money};
use sms_mcp::sms::number::Number;

use super::patient;
use crate::fake::gateway::{Gateway, KEY, WEBHOOK_KEY};
use crate::fake::{Fake, Fault, Reply, Seen, Vendor, clock_before};
use crate::support::{Desk, fictional};
use crate::vendors::{enquiry_of, submission_of};

/// The tables of the worked example, without the first three lines: what follows `kind = "http"`.
pub fn example(url: &str, secret: &str) -> String {
    let page = include_str!("../../../docs/PROVIDERS.md");
    let block = page.split("### A gateway of your own").nth(1).unwrap();
    let block = block.split("```toml\n").nth(1).unwrap().split("\n```").next().unwrap();
    let own = block.strip_prefix("[[provider]]\nkind = \"http\"\n").unwrap();
    own.replace("https://sms.gateway.example", url)
        .replace("{ env = \"GATEWAY_KEY\" }", secret)
        .replace("{ env = \"GATEWAY_HOOK_KEY\" }", &format!("\"{WEBHOOK_KEY}\""))
}

/// The settings that these lines are.
pub fn config(text: &str) -> Config {
    let config: Config =
        toml::from_str(&text.replace("[provider.", "[")).unwrap_or_else(|e| panic!("{e}: {text}"));
    Config { http: patient(), ..config }
}

/// A provider by these settings, which are for an address of this machine.
pub fn build(config: &Config, secrets: &[(&'static str, &str)]) -> Arc<dyn Provider> {
    use sms_mcp::provider::Build as _;
    let clock = clock_before(&config.base_url);
    let mut all = Secrets::default();
    for (name, secret) in secrets {
        all.insert(name, SecretText::new(*secret));
    }
    let callback = Some(Callback::new("https://sms.example.com", &config.name, [7; 32]));
    config.build(Setup { clock, secrets: all, callback }).unwrap()
}

/// The provider of the worked example before this fake.
pub fn provider(fake: &Fake<Gateway>) -> Arc<dyn Provider> {
    let config = config(&example(&fake.url(), "\"x\""));
    build(&config, &[("secret", KEY), ("webhook_secret", WEBHOOK_KEY)])
}

pub fn to(number: &str) -> Number {
    Number::parse(number, None).unwrap()
}

pub fn message(n: u128, text: &str) -> Submission {
    submission_of(MessageId::new(1, n), to(&fictional(1)), text)
}

pub fn enquiry(vendor_id: &str) -> Enquiry {
    enquiry_of(MessageId::new(1, 1), vendor_id, to(&fictional(1)))
}

fn usd(micros: i64) -> Money {
    Money { micros, currency: Currency::USD }
}

#[tokio::test]
async fn the_worked_example_sends_looks_up_and_asks_as_the_page_says() {
    let fake = Fake::start(Gateway::default());
    let provider = provider(&fake);
    let text = "Gr\u{fc}\u{df}e \"{to}\" {{secret}} \u{1f44d}\n";
    let sent = Submission { segments: 2, ..message(1, text) };
    let Outcome::Accepted { vendor_id: Some(id), status, segments, price } = provider.send(&sent).await
    else {
        panic!("not accepted")
    };
    assert_eq!((id.as_str(), status, segments, price), ("gw-1", State::Sent, Some(2), Some(usd(100_000))));
    let taken = fake.vendor().messages[0].clone();
    assert_eq!((taken.text.as_str(), taken.from.as_str()), (text, "ACME"));
    let own = Callback::new("https://sms.example.com", "http", [7; 32]).url(Some(&sent.id));
    assert_eq!(
        (taken.reference.as_str(), taken.report_to.as_deref()),
        (sent.id.as_str(), Some(own.as_str()))
    );
    for (fate, state, why) in [
        (("queued", Value::Null), State::Sent, None),
        (("Delivered", Value::Null), State::Delivered, None),
        (("undelivered", json!("absent")), State::Failed, Some("absent")),
        (("expired", json!(17)), State::Expired, Some("17")),
    ] {
        fake.vendor().fate = fate;
        let receipt = provider.status(&enquiry(&id)).await.unwrap().pop().unwrap();
        assert_eq!((receipt.state, receipt.why.as_deref(), receipt.price), (state, why, Some(usd(100_000))));
    }
    fake.vendor().fate = ("hm", Value::Null);
    let wrong = provider.status(&enquiry(&id)).await.unwrap_err();
    assert!(wrong.message().contains("\"hm\", which `states` does not have"), "{wrong}");
    assert_eq!(provider.balance().await.unwrap(), Balance::Money(usd(99_900_000)));
    let findings = provider.check().await.unwrap();
    assert!(findings.iter().all(|finding| !finding.is_warning), "{findings:?}");
    assert_eq!(fake.requests().iter().filter(|request| request.method == "POST").count(), 1);
}

#[tokio::test]
async fn the_first_rule_that_fits_decides_and_without_one_a_status_means_what_it_always_does() {
    let fake = Fake::start(Gateway::default());
    let provider = provider(&fake);
    let of = |code: i64| json!({ "code": code, "error": "its words", "wait": 7 });
    let told = async |status: u16, body: Value| {
        fake.fail_once(Fault::Status(status, body));
        match provider.send(&message(1, "a")).await {
            Outcome::Accepted { .. } => "accepted".to_owned(),
            Outcome::Rejected { code, why } => format!("{}: {why}", code.as_str()),
            Outcome::NotSent { retry_after_ms, .. } => format!("not sent {retry_after_ms:?}"),
            Outcome::Unknown { why } => format!("unknown: {why}"),
            Outcome::Unclear { vendor_id, .. } => format!("unclear {vendor_id}"),
            other => panic!("{other:?}"),
        }
    };
    for (status, body, expected) in [
        (400, of(11), "invalid_number: HTTP 400: its words"),
        (403, of(12), "opted_out: HTTP 403: its words"),
        (503, of(20), "not sent Some(7000)"),
        // A rule is for its own status.
        (400, of(20), "provider_rejected: HTTP 400: its words"),
        (503, of(21), "unknown: HTTP 503: its words"),
        (401, of(11), "provider_unauthorized: HTTP 401: its words"),
        (402, of(1), "insufficient_balance: HTTP 402: its words"),
        (408, of(1), "unknown: HTTP 408: its words"),
        (302, of(1), "unknown: HTTP 302: the provider answered with a redirect"),
        (429, of(1), "not sent None"),
        (
            200,
            of(11),
            "unknown: HTTP 200: the answer does not say that the text was taken (answer.success[0])",
        ),
        (200, json!({ "code": 0, "message": { "id": "m1", "state": "hm" } }), "unclear m1"),
        (200, json!({ "code": 0, "message": { "state": "queued" } }), "unknown: HTTP 200: no message id"),
        (200, json!({ "code": "0", "message": { "id": 5, "state": "queued" } }), "accepted"),
    ] {
        let said = told(status, body.clone()).await;
        assert!(said.starts_with(expected), "{status} {body}: {said}");
    }
    assert!(fake.vendor().messages.is_empty());
}

/// A gateway that answers what it is told to.
struct Says(u16, &'static str);

impl Vendor for Says {
    fn answer(&mut self, _: &Seen, _: &mut dyn FnMut(String)) -> Reply {
        Reply { body: self.1.as_bytes().to_vec(), ..Reply::empty(self.0) }
    }
}

/// What an answer means by these lines of `[answer]`.
async fn means(answer: &str, status: u16, body: &'static str) -> String {
    after(Fault::None, answer, status, body).await
}

/// The same with this fault.
async fn after(fault: Fault, answer: &str, status: u16, body: &'static str) -> String {
    let fake = Fake::start(Says(status, body));
    fake.fail(fault);
    let lines = format!(
        "base_url = \"{}\"\n[send]\npath = \"/s\"\nform = {{ a = \"{{to}}{{text}}\" }}\n[answer]\n{answer}\n",
        fake.url()
    );
    match build(&config(&lines), &[]).send(&message(1, "a")).await {
        Outcome::Accepted { vendor_id, segments, price, .. } => {
            let price = price.map(|price| price.to_string());
            format!("accepted {} {segments:?} {price:?}", vendor_id.unwrap_or_default())
        }
        Outcome::Rejected { code, .. } => format!("rejected {}", code.as_str()),
        Outcome::NotSent { .. } => "not sent".to_owned(),
        Outcome::Unknown { .. } => "unknown".to_owned(),
        Outcome::Unclear { vendor_id, .. } => format!("unclear {vendor_id}"),
        Outcome::Segments(segments) => {
            let each = segments.iter().map(|segment| match segment {
                SegmentOutcome::Accepted { vendor_id, price } => {
                    format!("{vendor_id} {}", price.map_or_else(String::new, |price| price.to_string()))
                }
                SegmentOutcome::Rejected { code, .. } => code.as_str().to_owned(),
                SegmentOutcome::NotSent { .. } => "not sent".to_owned(),
                SegmentOutcome::Unknown { .. } => "unknown".to_owned(),
                other => panic!("{other:?}"),
            });
            each.collect::<Vec<String>>().join(", ")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_list_has_a_verdict_for_each_segment_and_what_was_taken_in_part_is_told_segment_by_segment() {
    let answer = r#"list = "messages"
success = [{ at = "status", equals = "0" }]
rules = [{ at = "status", equals = "4", becomes = "rejected:provider_unauthorized" }, { at = "status", equals = "1", becomes = "not_sent" }]
id = "id"
price = "price"
price_currency = "unit""#;
    for (body, expected) in [
        (
            r#"{"messages":[{"status":"0","id":"a","price":"0.03","unit":"EUR"},{"status":"0","id":"b","price":"0.03","unit":"EUR"}]}"#,
            "a 0.03 EUR, b 0.03 EUR",
        ),
        (
            r#"{"messages":[{"status":"0","id":"a","price":"0.03","unit":"EUR"},{"status":"0","id":"a","price":"0.03","unit":"EUR"}]}"#,
            r#"accepted a Some(2) Some("0.06 EUR")"#,
        ),
        (r#"{"messages":[{"status":"4"},{"status":"4"}]}"#, "rejected provider_unauthorized"),
        (r#"{"messages":[{"status":"1"}]}"#, "not sent"),
        (r#"{"messages":[{"status":"1"},{"status":"4"}]}"#, "rejected provider_unauthorized"),
        (r#"{"messages":[{"status":"1"},{"status":"hm"}]}"#, "unknown"),
        (r#"{"messages":[{"status":"1"},{"status":"hm","id":"x"}]}"#, "unclear x"),
        (
            r#"{"messages":[{"status":"4"},{"status":"0","id":"b","price":"0.03","unit":"EUR"}]}"#,
            "provider_unauthorized, b 0.03 EUR",
        ),
        (
            r#"{"messages":[{"status":"hm"},{"status":"0","id":"b","price":"0.03","unit":"EUR"}]}"#,
            "unknown, b 0.03 EUR",
        ),
        (r#"{"messages":[{"status":"0","id":"b"},{"status":"1"}]}"#, "b , not sent"),
        (r#"{"messages":[]}"#, "unknown"),
        (r#"{"status":"0","id":"a"}"#, "unknown"),
        (r#"{"status":"4"}"#, "rejected provider_unauthorized"),
    ] {
        assert_eq!(means(answer, 200, body).await, expected, "{body}");
    }
}

#[tokio::test]
async fn a_cut_answer_is_read_by_the_rules_that_ask_for_its_status_and_by_none_that_looks_into_it() {
    let first = MessageId::new(1, 1);
    let body = r#"{"code":"7","id":"m-77","more":"................................................"}"#;
    let inside = r#"{ at = "code", equals = "7", becomes = "unknown" }"#;
    for (rules, status, expected) in [
        (r#"{ status = "409", becomes = "unknown" }"#.to_owned(), 409, "unknown".to_owned()),
        (r#"{ status = "429", becomes = "unknown" }"#.to_owned(), 429, "unknown".to_owned()),
        (r#"{ status = "400-499", becomes = "rejected:opted_out" }"#.to_owned(), 429, "rejected opted_out".to_owned()),
        (r#"{ status = "503", becomes = "not_sent" }"#.to_owned(), 503, "not sent".to_owned()),
        // Half of an id is none.
        (r#"{ status = "202", becomes = "accepted" }"#.to_owned(), 202, "accepted  None None".to_owned()),
        // One that looks inside might have fitted.
        (inside.to_owned(), 429, "unknown".to_owned()),
        (inside.to_owned(), 409, "unknown".to_owned()),
        // And whether it does nobody can tell, so that its own word is none.
        (inside.replace("unknown", "not_sent"), 409, "unknown".to_owned()),
        (inside.replace("unknown", "rejected:opted_out"), 429, "unknown".to_owned()),
        (inside.replace("unknown", "accepted"), 503, "unknown".to_owned()),
        (format!("{inside}, {{ status = \"429\", becomes = \"not_sent\" }}"), 429, "unknown".to_owned()),
        (
            r#"{ at = "header:x-taken", exists = true, becomes = "unknown" }, { status = "409", becomes = "rejected:opted_out" }"#
                .to_owned(),
            409,
            "unknown".to_owned(),
        ),
        (format!("{{ status = \"429\", becomes = \"not_sent\" }}, {inside}"), 429, "not sent".to_owned()),
        // One for another status could not.
        (
            r#"{ status = "400", at = "code", equals = "7", becomes = "unknown" }"#.to_owned(),
            409,
            "rejected provider_rejected".to_owned(),
        ),
        (
            r#"{ status = "400", at = "code", equals = "7", becomes = "unknown" }"#.to_owned(),
            429,
            "not sent".to_owned(),
        ),
        (r#"{ status = "400", becomes = "accepted" }"#.to_owned(), 200, "unknown".to_owned()),
    ] {
        let answer = format!("id = \"regex:id.:.([a-z0-9-]+)\"\nrules = [{rules}]");
        assert_eq!(after(Fault::HalfJson, &answer, status, body).await, expected, "{rules} {status}");
    }
    let ours = format!("accepted {first} None None");
    let answer = r#"rules = [{ status = "202", becomes = "accepted" }]"#;
    assert_eq!(after(Fault::HalfJson, answer, 202, body).await, ours, "ours is whole");
    let list = format!("list = \"messages\"\n{answer}");
    assert_eq!(after(Fault::HalfJson, &list, 202, body).await, "unknown", "of how many segments?");
}

#[tokio::test]
async fn an_id_of_which_digits_were_lost_is_no_id() {
    let answer = "id = \"id\"";
    for (body, expected) in [
        (r#"{"id":18446744073709551615}"#, "accepted 18446744073709551615 None None"),
        (r#"{"id":"18446744073709551617"}"#, "accepted 18446744073709551617 None None"),
        (r#"{"id":18446744073709551617}"#, "unknown"),
        (r#"{"id":18446744073709551618}"#, "unknown"),
        (r#"{"id":1.10}"#, "unknown"),
    ] {
        assert_eq!(means(answer, 200, body).await, expected, "{body}");
    }
    let read = r#"id = "regex:\"id\":([0-9]+)""#;
    assert_eq!(
        means(read, 200, r#"{"id":18446744073709551617}"#).await,
        "accepted 18446744073709551617 None None",
        "an expression reads every digit"
    );
}

#[tokio::test]
async fn a_look_is_about_the_message_that_was_asked_for_or_about_none() {
    let fake = Fake::start(Gateway::default());
    let provider = provider(&fake);
    let Outcome::Accepted { vendor_id: Some(id), .. } = provider.send(&message(1, "a")).await else {
        panic!("not accepted")
    };
    fake.vendor().fate = ("delivered", Value::Null);
    assert_eq!(provider.status(&enquiry(&id)).await.unwrap().len(), 1);
    fake.vendor().messages[0].to = fictional(2);
    assert!(provider.status(&enquiry(&id)).await.unwrap().is_empty(), "another person's message");
    // A gateway that answers every reference with the message that it has.
    let body = r#"{"id":"x","ref":"another","to":"33199000001","state":"delivered"}"#;
    let ours: &'static str =
        Box::leak(body.replace("another", MessageId::new(1, 1).as_str()).into_boxed_str());
    for (echo, format, body, found) in [
        ("reference = \"ref\"", "plus", body, Some(false)),
        ("reference = \"ref\"", "plus", ours, Some(true)),
        ("reference = \"nowhere\"", "plus", ours, None),
        ("to = \"to\"", "plus", body, Some(true)),
        ("to = \"to\"", "plus", r#"{"id":"x","to":"33199000002","state":"delivered"}"#, Some(false)),
        ("to = \"to\"", "plus", r#"{"id":"x","state":"delivered"}"#, None),
        ("to = \"to\"", "national:+33", r#"{"id":"x","to":"199000001","state":"delivered"}"#, Some(true)),
        ("to = \"to\"", "national:+33", r#"{"id":"x","to":"199000002","state":"delivered"}"#, Some(false)),
    ] {
        let fake = Fake::start(Says(200, body));
        let lines = format!(
            "base_url = \"{}\"\nstates = {{ delivered = \"delivered\" }}\n[send]\npath = \"/s\"\nform = {{ a = \
             \"{{to}}{{text}}\", r = \"{{id}}\" }}\nnumber_format = \"{format}\"\n[answer]\nid = \"id\"\n[status]\npath = \
             \"/x?ref={{id}}\"\nid = \"id\"\nstate = \"state\"\n{echo}\n",
            fake.url()
        );
        let provider = build(&config(&lines), &[]);
        let sought = Sought { id: MessageId::new(1, 1), to: to("+33199000001"), created: Timestamp(1) };
        let looked = provider.find(&sought).await.map(|message| message.is_some()).ok();
        assert_eq!(looked, found, "{echo} {body}");
        let asked = Enquiry { to: to("+33199000001"), ..enquiry("x") };
        let receipts = provider.status(&asked).await.map(|receipts| !receipts.is_empty()).ok();
        assert_eq!(receipts, found, "{echo} {body}");
    }
}

#[test]
fn a_number_as_a_number_keeps_its_digits_or_is_refused() {
    let lines = example("https://sms.gateway.example", "\"x\"");
    let lines = lines.replace("\"to\": \"{to}\"", "\"to\": \"{to:int}\"");
    let refusal = |lines: &str, number: &str, from: Option<&str>| {
        let secrets = [("secret", KEY), ("webhook_secret", WEBHOOK_KEY)];
        build(&config(lines), &secrets).form(&to(number), from, "x").err().map(|error| error.kind())
    };
    assert_eq!(refusal(&lines, "+2250701020304", None), None, "the country code is before the zero");
    let national = lines.replace("max_chars = 1600", "number_format = \"national:+225\"");
    assert_eq!(refusal(&national, "+2250701020304", None), Some(ErrorKind::DestinationNotAllowed));
    assert_eq!(refusal(&national, "+2252721020304", None), None);
    let sender = lines.replace("\"from\": \"{from}\"", "\"from\": \"{from:int}\"");
    let sender = sender.replace("from = \"ACME\"", "from = \"+12025550100\"");
    for (from, expected) in [
        (None, None),
        (Some("+12025550101"), None),
        (Some("36179"), None),
        (Some("ACME"), Some(ErrorKind::SenderNotAllowed)),
        (Some("036179"), Some(ErrorKind::SenderNotAllowed)),
    ] {
        assert_eq!(refusal(&sender, "+33199000001", from), expected, "{from:?}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_read_by_expressions_and_headers_and_every_2xx_counts_only_where_somebody_says_so()
{
    let line = r#"success = [{ at = "regex:^OK", exists = true }]
id = "regex:^OK id=(\\w+)""#;
    let first = MessageId::new(1, 1);
    for (answer, status, body, expected) in [
        (line, 200, "OK id=77", "accepted 77 None None".to_owned()),
        (line, 200, "OK", "unknown".to_owned()),
        (line, 200, "ERR id=77", "unknown".to_owned()),
        ("any_2xx = true", 202, "", format!("accepted {first} None None")),
        ("any_2xx = true", 200, "<html>", format!("accepted {first} None None")),
        ("any_2xx = true\nstatus = \"202\"", 200, "", "unknown".to_owned()),
        ("any_2xx = true", 500, "", "unknown".to_owned()),
        ("any_2xx = true", 200, r#"{"error":"no credit"}"#, "unknown".to_owned()),
        (
            "rules = [{ status = \"409\", becomes = \"accepted\" }]\nany_2xx = true",
            409,
            "",
            format!("accepted {first} None None"),
        ),
    ] {
        assert_eq!(means(answer, status, body).await, expected, "{answer} {status} {body}");
    }
}

#[test]
fn a_text_or_a_sender_that_the_gateway_does_not_take_is_refused_before() {
    let lines = example("https://sms.gateway.example", "\"x\"");
    let refusal = |lines: &str, number: &str, from: Option<&str>, text: &str| {
        let secrets = [("secret", KEY), ("webhook_secret", WEBHOOK_KEY)];
        build(&config(lines), &secrets).form(&to(number), from, text).err().map(|error| error.kind())
    };
    let (french, american) = ("+33199000001", "+12025550123");
    assert_eq!(refusal(&lines, french, None, &"x".repeat(1_600)), None);
    assert_eq!(refusal(&lines, french, None, &"x".repeat(1_601)), Some(ErrorKind::MessageTooLong));
    assert_eq!(refusal(&lines, american, Some("+12025550100"), "x"), None);
    assert_eq!(refusal(&lines, french, Some("a&to=+1"), "x"), Some(ErrorKind::SenderNotAllowed));
    let parts = lines.replace("max_chars = 1600", "max_parts = 1");
    assert_eq!(refusal(&parts, french, None, &"x".repeat(161)), Some(ErrorKind::MessageTooLong));
    let national = lines.replace("max_chars = 1600", "number_format = \"national:+44\"");
    assert_eq!(refusal(&national, french, None, "x"), Some(ErrorKind::DestinationNotAllowed));
    assert_eq!(refusal(&national, "+447700900123", None, "x"), None);
    // A text that would be a step in a path.
    let path = lines.replace("path = \"/messages\"", "path = \"/messages/{text}/x\"");
    assert_eq!(refusal(&path, french, None, ".."), Some(ErrorKind::InvalidArgument));
    assert_eq!(refusal(&path, french, None, "../balance"), None);
}

#[test]
fn try_shows_the_request_without_secrets_and_says_what_a_pasted_answer_means() {
    let fake = Fake::start(Gateway::default());
    let desk = Desk::new("");
    let file = desk.path().join("gateway.toml");
    let own = example(&fake.url(), "{ env = \"NOBODY_HAS_SET_THIS\" }");
    let own = own.replace(&format!("\"{WEBHOOK_KEY}\""), "{ file = \"/nowhere/canary\" }");
    std::fs::write(&file, format!("[[provider]]\nkind = \"http\"\n{own}")).unwrap();
    let answer = desk.path().join("answer.txt");
    let file = file.to_str().unwrap();
    let shown = desk.done(&["provider", "try", file, "to=+447700900123", "text=Hi {text} \"&\""]);
    for line in [
        format!("POST {}/v1/messages", fake.url()),
        "x-api-key: [secret]".to_owned(),
        "content-type: application/json".to_owned(),
    ] {
        assert!(shown.out.lines().any(|shown| shown == line), "{line}: {shown:?}");
    }
    let body: Value = serde_json::from_str(shown.out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&body["to"], &body["text"]),
        (&json!("+447700900123"), &json!("Hi {text} \"&\"")),
        "{shown:?}"
    );
    let means = |answer_text: &str| {
        std::fs::write(&answer, answer_text).unwrap();
        let run = ["provider", "try", file, "to=+447700900123", "--answer", answer.to_str().unwrap()];
        let ended = desk.done(&run);
        ended.out.lines().last().unwrap().to_owned()
    };
    for (text, expected) in [
        (
            r#"{"code":0,"message":{"id":"m1","state":"queued","parts":2,"price":"0.1","currency":"USD"}}"#,
            "this answer means: accepted, id m1, 2 segments, price 0.10 USD",
        ),
        (
            "HTTP/1.1 503 Busy\r\nContent-Type: application/json\r\n\r\n{\"code\":20,\"wait\":5}",
            "this answer means: not sent: HTTP 503; it may be tried again, after 5 s",
        ),
        (
            "HTTP/1.1 403 No\nX: y\n\n{\"code\":12,\"error\":\"stopped\"}",
            "this answer means: rejected, opted_out: HTTP 403: stopped; never sent again",
        ),
        ("<html>", "this answer means: unknown: HTTP 200: the answer does not say"),
    ] {
        let said = means(text);
        assert!(said.starts_with(expected), "{text}: {said}");
    }
    for (wrong, expected) in [
        (&["provider", "try"] as &[&str], "needs a provider's name or a file"),
        (&["provider", "try", "absent"], "no provider is called \"absent\""),
        (&["provider", "try", "sandbox"], "nothing to try"),
        (&["provider", "try", file, "number=1"], "a sample has no \"number\""),
        (&["provider", "try", file, "to=1"], "to=:"),
        (&["provider", "try", file, "from=a&b"], "cannot be told to this gateway as a sender"),
        (&["provider", "sandbox", "--answer", file], "--answer goes with `provider try`"),
    ] {
        let ended = desk.run(wrong);
        assert!(ended.code == 1 && ended.err.contains(expected), "{wrong:?}: {ended:?}");
    }
    assert!(fake.requests().is_empty(), "nothing is sent, and nobody is asked");
}
