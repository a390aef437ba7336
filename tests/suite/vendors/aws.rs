//! AWS: what is sent and signed, what each refusal means, keys that change, the opt-out list on both sides.
//! What comes over SNS, and the program before it, is in `aws/hooks.rs`.

mod hooks;

use std::sync::Arc;

use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::aws::{Aws, Config, MessageType};
use sms_mcp::provider::exchange::Event;
use sms_mcp::provider::settings::{Callback, Secrets, Settings as _, Setup, Variable};
use sms_mcp::provider::{Outcome, Provider, Submission};
use sms_mcp::setting::{Secret, SecretText};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::{Currency, Money};
use sms_mcp::sms::number::Number;

use super::patient;
use crate::fake::aws::{self as vendor, FROM, KEY_ID, LIST, NAME, REGION, SECRET, SESSION, TOPIC};
use crate::fake::{Fake, Fault, clock_before};
use crate::support::{Desk, WIDE, fictional};
use crate::vendors::submission_of;

fn config(url: &str) -> Config {
    Config {
        base_url: url.to_owned(),
        region: Some(REGION.to_owned()),
        from: Some(FROM.to_owned()),
        configuration_set: Some("sms-mcp".to_owned()),
        topics: vec![TOPIC.to_owned()],
        sns_url: Some(url.to_owned()),
        opt_out_list: Some(LIST.to_owned()),
        http: patient(),
        ..Config::default()
    }
}

fn setup(url: &str, secrets: &[(&'static str, &str)]) -> Setup {
    let mut all = Secrets::default();
    for (name, value) in secrets {
        all.insert(name, SecretText::new(*value));
    }
    let callback = Some(Callback::new("https://sms.example.com", "aws", [7; 32]));
    Setup { clock: clock_before(url), secrets: all, callback }
}

fn build(config: &Config) -> Aws {
    let secrets = [("access_key_id", KEY_ID), ("secret_access_key", SECRET)];
    Aws::new(config, &setup(&config.base_url, &secrets)).unwrap()
}

/// The provider before this fake, with events and an opt-out list.
pub fn provider(fake: &Fake<vendor::Aws>) -> Arc<dyn Provider> {
    Arc::new(build(&config(&fake.url())))
}

fn to(number: &str) -> Number {
    Number::parse(number, None).unwrap()
}

fn usd(micros: i64) -> Money {
    Money { micros, currency: Currency::USD }
}

fn message(n: u128, text: &str) -> Submission {
    submission_of(MessageId::new(1, n), to(&fictional(1)), text)
}

#[tokio::test]
async fn a_text_goes_signed_with_our_reference_as_its_context_and_what_was_reserved_as_its_most() {
    let fake = Fake::start(vendor::Aws::default());
    let text = "Gr\u{fc}\u{df}e \u{1f44d}";
    let outcome = provider(&fake).send(&Submission { ceiling: Some(usd(12_345)), ..message(1, text) }).await;
    let id = fake.vendor().messages[0].id.clone();
    let expected =
        Outcome::Accepted { vendor_id: Some(id), status: State::Sent, segments: None, price: None };
    assert_eq!(outcome, expected);
    let more = Config {
        from: None,
        configuration_set: None,
        message_type: MessageType::Promotional,
        valid_for: Some("90s".parse().unwrap()),
        protect_configuration: Some("protect-1".to_owned()),
        india_entity_id: Some("1001".to_owned()),
        india_template_id: Some("1007".to_owned()),
        ..config(&fake.url())
    };
    build(&more).send(&message(2, "b")).await;
    let named = Submission { from: Some(NAME.to_owned()), to: to("+919812345678"), ..message(3, "c") };
    build(&more).send(&named).await;
    let euro = Money { micros: 500_000, currency: "EUR".parse().unwrap() };
    provider(&fake).send(&Submission { ceiling: Some(euro), ..message(4, "d") }).await;
    let person = fictional(1);
    let context = |n: u128| json!({ "m": MessageId::new(1, n).as_str() });
    let promotional = |to: &str, text: &str, n: u128| {
        json!({ "DestinationPhoneNumber": to, "MessageBody": text, "MessageType": "PROMOTIONAL",
            "TimeToLive": 90, "Context": context(n), "ProtectConfigurationId": "protect-1" })
    };
    let mut to_india = promotional("+919812345678", "c", 3);
    to_india["OriginationIdentity"] = json!(NAME);
    to_india["DestinationCountryParameters"] = json!({ "IN_ENTITY_ID": "1001", "IN_TEMPLATE_ID": "1007" });
    let expected = [
        json!({ "DestinationPhoneNumber": person, "OriginationIdentity": FROM, "MessageBody": text,
            "MessageType": "TRANSACTIONAL", "ConfigurationSetName": "sms-mcp", "MaxPrice": "0.01234",
            "Context": context(1) }),
        promotional(&person, "b", 2),
        to_india,
        // AWS takes dollars alone.
        json!({ "DestinationPhoneNumber": person, "OriginationIdentity": FROM, "MessageBody": "d",
            "MessageType": "TRANSACTIONAL", "ConfigurationSetName": "sms-mcp", "Context": context(4) }),
    ];
    let bodies: Vec<Value> = fake.vendor().messages.iter().map(|message| message.body.clone()).collect();
    assert_eq!(bodies, expected);
}

#[test]
fn what_the_guard_reserved_is_the_most_that_a_text_may_cost_and_a_dearer_one_is_not_sent() {
    let fake = Fake::start(vendor::Aws { price: 50_000, ..vendor::Aws::default() });
    let desk = Desk::new(&format!(
        "{WIDE}price_when_unknown = \"0.30\"\n[rates]\n\"+33\" = \"0.04\"\n[[provider]]\nkind = \"aws\"\n{}\n",
        super::hostile::own("aws", &fake.url(), SECRET)
    ));
    let dear = desk.run(&["send", &fictional(1), "hello"]);
    assert_eq!(dear.code, 1, "{dear:?}");
    assert!(dear.err.contains("provider_rejected"), "{dear:?}");
    assert!(dear.err.contains("PRICE_OVER_THRESHOLD: The text costs more than was reserved"), "{dear:?}");
    // Two segments: twice as much is reserved. By the queue, as in one call.
    let long = "x".repeat(161);
    assert_eq!(desk.run(&["send", &fictional(2), &long]).code, 0);
    let people = desk.path().join("people.csv");
    std::fs::write(&people, format!("to\n{}\n{}\n", fictional(3), fictional(4))).unwrap();
    let bulk = desk.run(&["bulk", people.to_str().unwrap(), "--message", &long]);
    let told: Vec<Value> = fake.vendor().messages.iter().map(|one| one.body["MaxPrice"].clone()).collect();
    assert_eq!(told, ["0.08000"; 3], "{bulk:?}");
    let budget = desk.run(&["budget"]);
    assert!(budget.out.contains("0.24"), "the refused one holds nothing: {budget:?}");
}

#[tokio::test]
async fn a_lost_answer_is_one_request_and_a_throttled_one_certainly_was_not_taken() {
    let fake = Fake::start(vendor::Aws::default());
    let provider = provider(&fake);
    for fault in [Fault::DropAfterAccept, Fault::HalfJson, Fault::ErrorAfterAccept(500)] {
        let before = (fake.requests().len(), fake.vendor().messages.len());
        fake.fail_once(fault.clone());
        let outcome = provider.send(&message(before.0 as u128 + 1, "a")).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{fault:?}: {outcome:?}");
        assert_eq!((fake.requests().len(), fake.vendor().messages.len()), (before.0 + 1, before.1 + 1));
    }
    let taken = fake.vendor().messages.len();
    // With status 400, as everything else.
    fake.vendor().refusal = Some(("ThrottlingException", ""));
    let outcome = provider.send(&message(9, "a")).await;
    assert!(matches!(outcome, Outcome::NotSent { retry_after_ms: Some(1_000), .. }), "{outcome:?}");
    fake.vendor().refusal = None;
    assert!(matches!(provider.send(&message(9, "a")).await, Outcome::Accepted { .. }));
    assert_eq!(fake.vendor().messages.len(), taken + 1);
}

#[tokio::test]
async fn each_refusal_has_our_code_by_its_reason_and_is_told_in_our_words() {
    use ErrorKind::{
        DestinationNotAllowed, InsufficientBalance, InvalidNumber, OptedOut, ProviderRejected,
        ProviderUnauthorized, SenderNotAllowed,
    };
    let fake = Fake::start(vendor::Aws::default());
    let provider = provider(&fake);
    for (kind, reason, expected) in [
        ("AccessDeniedException", "", ProviderUnauthorized),
        ("AccessDeniedException", "ACCOUNT_DISABLED", ProviderUnauthorized),
        ("UnrecognizedClientException", "", ProviderUnauthorized),
        ("InvalidSignatureException", "", ProviderUnauthorized),
        ("ExpiredTokenException", "", ProviderUnauthorized),
        ("ServiceQuotaExceededException", "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT", InsufficientBalance),
        ("ServiceQuotaExceededException", "DAILY_DESTINATION_CALL_LIMIT", ProviderRejected),
        ("ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT", OptedOut),
        ("ConflictException", "DESTINATION_PHONE_NUMBER_NOT_VERIFIED", DestinationNotAllowed),
        ("ConflictException", "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION", DestinationNotAllowed),
        (
            "ConflictException",
            "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE",
            DestinationNotAllowed,
        ),
        ("ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND", SenderNotAllowed),
        ("ConflictException", "RESOURCE_NOT_ACTIVE", SenderNotAllowed),
        ("ConflictException", "MESSAGE_TYPE_MISMATCH", SenderNotAllowed),
        ("ConflictException", "BRAND_NEW", ProviderRejected),
        ("ValidationException", "PRICE_OVER_THRESHOLD", ProviderRejected),
        ("ValidationException", "SENDER_ID_NOT_REGISTERED", SenderNotAllowed),
        ("ValidationException", "SENDER_ID_NOT_SUPPORTED", SenderNotAllowed),
        ("ValidationException", "SENDER_ID_REQUIRES_REGISTRATION", SenderNotAllowed),
        ("ValidationException", "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY", SenderNotAllowed),
        ("ValidationException", "COUNTRY_NOT_ENABLED", DestinationNotAllowed),
        ("ValidationException", "DESTINATION_COUNTRY_BLOCKED", DestinationNotAllowed),
        ("ValidationException", "FIELD_VALIDATION_FAILED", InvalidNumber),
        ("ResourceNotFoundException", "", SenderNotAllowed),
        ("SomethingNewException", "", ProviderRejected),
    ] {
        fake.vendor().refusal = Some((kind, reason));
        let Outcome::Rejected { code, why } = provider.send(&message(1, "a")).await else {
            panic!("{kind} {reason}")
        };
        assert_eq!(code, expected, "{kind} {reason}");
        let named =
            if ["", "BRAND_NEW", "DAILY_DESTINATION_CALL_LIMIT"].contains(&reason) { kind } else { reason };
        assert!(why.starts_with(&format!("HTTP 400: {named}")), "{why}");
        assert!(!why.contains("canary") && !why.contains("+331"), "{why}");
    }
    fake.vendor().refusal = Some(("InternalServerException", ""));
    let outcome = provider.send(&message(1, "a")).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "whatever its status: {outcome:?}");
    assert!(fake.vendor().messages.is_empty());
}

#[tokio::test]
async fn whoever_shows_other_keys_is_refused_and_new_keys_in_the_shared_file_are_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let keys = |secret: &str, session: &str| {
        let text = format!(
            "[default]\naws_access_key_id = x\n[work]\naws_access_key_id = {KEY_ID}\n\
             aws_secret_access_key = {secret}\naws_session_token = {session}\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    let session = Some(SESSION.to_owned());
    let holds = (KEY_ID.to_owned(), SECRET.to_owned(), session.clone());
    let fake = Fake::start(vendor::Aws { keys: holds, ..vendor::Aws::default() });
    let config = Config { profile: Some("work".to_owned()), ..config(&fake.url()) };
    let mut setup = setup(&fake.url(), &[]);
    let path = Variable { name: "AWS_SHARED_CREDENTIALS_FILE", is_secret: false };
    setup.secrets.insert_variable(path, SecretText::new(file.to_str().unwrap()));
    let provider = Aws::new(&config, &setup).unwrap();
    let refused = |outcome: Outcome| match outcome {
        Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, why } => why,
        other => panic!("{other:?}"),
    };
    let why = refused(provider.send(&message(1, "a")).await);
    assert!(why.contains("there are no keys"), "{why}");
    assert!(fake.requests().is_empty(), "nothing is asked without keys");
    keys("canary+wrong", SESSION);
    assert!(refused(provider.send(&message(1, "a")).await).contains("InvalidSignatureException"));
    keys(SECRET, "old");
    assert!(refused(provider.send(&message(1, "a")).await).contains("ExpiredTokenException"));
    keys(SECRET, SESSION);
    assert!(matches!(provider.send(&message(1, "a")).await, Outcome::Accepted { .. }));
    // Whoever ends the session at AWS writes the next one, of the same length, in the same moment of a disk
    // that is no exacter than that.
    let next = SESSION.replace("4471", "4472");
    let at = std::fs::metadata(&file).unwrap().modified().unwrap();
    fake.vendor().keys.2 = Some(next.clone());
    keys(SECRET, &next);
    std::fs::File::options().append(true).open(&file).unwrap().set_modified(at).unwrap();
    assert!(refused(provider.send(&message(2, "a")).await).contains("ExpiredTokenException"));
    assert!(
        matches!(provider.send(&message(2, "a")).await, Outcome::Accepted { .. }),
        "read again after that"
    );
    assert_eq!(fake.vendor().messages.len(), 2);
}

#[test]
fn the_program_takes_keys_of_the_environment_or_of_a_shared_file_and_shows_none_of_them() {
    let keys = (KEY_ID.to_owned(), SECRET.to_owned(), Some(SESSION.to_owned()));
    let fake = Fake::start(vendor::Aws { keys, ..vendor::Aws::default() });
    let own = format!("base_url = \"{}\"\nregion = \"{REGION}\"\n", fake.url());
    let section = |name: &str| {
        format!(
            "[{name}]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n\
             aws_session_token = {SESSION}\n"
        )
    };
    let in_environment =
        [("AWS_ACCESS_KEY_ID", KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", SESSION)];
    for (n, (more, file, environment, works)) in [
        ("", None, &in_environment[..], true),
        ("", Some(section("default")), &[], true),
        ("", Some(section("work")), &[("AWS_PROFILE", "work")], true),
        ("profile = \"work\"\n", Some(section("work")), &in_environment[..2], true),
        ("", Some(section("work")), &[], false),
        ("", None, &in_environment[..2], false),
        ("", None, &[], false),
    ]
    .into_iter()
    .enumerate()
    {
        let desk = Desk::new(&format!(
            "{WIDE}price_when_unknown = \"0.10\"\n[[provider]]\nkind = \"aws\"\n{own}{more}"
        ));
        std::fs::create_dir_all(desk.path().join(".aws")).unwrap();
        if let Some(file) = &file {
            std::fs::write(desk.path().join(".aws/credentials"), file).unwrap();
        }
        let mut command = desk.command();
        for name in ["PROFILE", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"] {
            command.env_remove(format!("AWS_{name}"));
        }
        command.env_remove("AWS_SHARED_CREDENTIALS_FILE").env_remove("AWS_CONFIG_FILE");
        command.env("HOME", desk.path()).env("RUST_LOG", "trace").envs(environment.iter().copied());
        let ended = command.args(["--log", "trace", "send", &fictional(n), "hello"]).output().unwrap();
        let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
        assert_eq!(ended.status.success(), works, "{n}: {said}");
        assert!(works || said.contains("provider_unauthorized"), "{n}: {said}");
        for canary in [KEY_ID, SECRET, SESSION] {
            assert!(!said.contains(canary), "{n}: {said}");
        }
    }
    assert_eq!(fake.vendor().recipients(), (0..4).map(fictional).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_opt_out_list_is_read_whole_and_kept_on_both_sides() {
    let fake = Fake::start(vendor::Aws::default());
    let provider = provider(&fake);
    assert_eq!(provider.refresh().await.unwrap(), []);
    for n in 1..=3 {
        provider.opt_out(&to(&fictional(n)), true).await.unwrap();
    }
    let event = |n| Event::OptOut {
        number: fictional(n).as_str().into(),
        is_out: true,
        at: Some(Timestamp(1_686_975_103_470)),
        heard_by: None,
    };
    // On two pages.
    assert_eq!(provider.refresh().await.unwrap(), (1..=3).map(event).collect::<Vec<_>>());
    // A page that cannot be read takes none away that was.
    fake.vendor().broken_page = Some(2);
    assert_eq!(provider.refresh().await.unwrap(), (1..=2).map(event).collect::<Vec<_>>());
    fake.vendor().broken_page = Some(1);
    assert!(provider.refresh().await.is_err());
    fake.vendor().broken_page = None;
    provider.opt_out(&to(&fictional(2)), false).await.unwrap();
    provider.opt_out(&to(&fictional(2)), false).await.expect("who is not on the list is off it");
    assert_eq!(provider.refresh().await.unwrap(), [event(1), event(3)]);
    let other = build(&Config { opt_out_list: Some("Other".to_owned()), ..config(&fake.url()) });
    for error in [
        other.opt_out(&to(&fictional(2)), false).await.unwrap_err(),
        other.opt_out(&to(&fictional(2)), true).await.unwrap_err(),
        other.refresh().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::ProviderRejected, "a list that is not there: {error}");
    }
    let none = build(&Config { opt_out_list: None, ..config(&fake.url()) });
    assert_eq!(none.refresh().await.unwrap(), []);
    let can = none.capabilities();
    assert!(!can.opt_outs && !can.opt_out_list);
    let refused = provider.send(&message(1, "a")).await;
    assert!(matches!(refused, Outcome::Rejected { code: ErrorKind::OptedOut, .. }), "{refused:?}");
}

#[tokio::test]
async fn the_live_check_tries_a_send_dry_and_says_what_is_in_the_way_of_one() {
    let fake = Fake::start(vendor::Aws::default());
    let findings = provider(&fake).check().await.unwrap();
    assert!(findings.iter().all(|finding| !finding.is_warning), "{findings:?}");
    assert!(findings[0].text.contains("+14254147755 would be taken"), "{findings:?}");
    assert!(findings[1].text.contains("25 USD a month"), "{findings:?}");
    assert_eq!(fake.vendor().dry_runs, 1);
    assert!(fake.vendor().messages.is_empty());
    let body: Value = serde_json::from_slice(&fake.requests()[0].body).unwrap();
    let expected = json!({ "DestinationPhoneNumber": "+14254147755", "OriginationIdentity": FROM,
        "MessageBody": "sms-mcp", "MessageType": "TRANSACTIONAL", "ConfigurationSetName": "sms-mcp",
        "DryRun": true });
    assert_eq!(body, expected);
    fake.vendor().refusal = Some(("ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND"));
    let warned = provider(&fake).check().await.unwrap();
    assert!(warned[0].is_warning && warned[0].text.contains("no sender in this region"), "{warned:?}");
    fake.vendor().refusal = Some(("AccessDeniedException", ""));
    let refused = provider(&fake).check().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ProviderUnauthorized, "{refused}");
    fake.vendor().refusal = None;
    for (config, named) in [
        (Config { topics: Vec::new(), ..config(&fake.url()) }, "topics is not set"),
        (Config { configuration_set: None, ..config(&fake.url()) }, "configuration_set is not set"),
        (Config { opt_out_list: None, ..config(&fake.url()) }, "opt_out_list is not set"),
        (
            Config {
                profile: Some("work".to_owned()),
                access_key_id: Some(Secret::Text(SecretText::new("x"))),
                ..config(&fake.url())
            },
            "profile is not used",
        ),
    ] {
        let findings = build(&config).check().await.unwrap();
        assert!(findings.iter().any(|one| one.is_warning && one.text.contains(named)), "{findings:?}");
    }
    let can = build(&Config { topics: Vec::new(), ..config(&fake.url()) }).capabilities();
    assert!(!can.receipts_by_push && !can.receipts_by_poll && !can.replies);
    let number = [("number".to_owned(), "+12025550123".to_owned())].into();
    let looked = provider(&fake).act("lookup", &number).await.unwrap();
    assert_eq!((&looked["PhoneNumberType"], &looked["MCC"]), (&json!("MOBILE"), &json!("310")));
    assert!(fake.vendor().messages.is_empty());
}

#[test]
fn the_settings_and_what_it_takes_are_checked_before() {
    let right = config("http://127.0.0.1:9");
    assert_eq!(right.check(), Ok(()));
    let with = |change: &dyn Fn(&mut Config)| {
        let mut other = right.clone();
        change(&mut other);
        other
    };
    let text = |text: &str| Some(text.to_owned());
    for (wrong, named) in [
        (with(&|config| config.region = None), "region is not set"),
        (with(&|config| config.region = text("EU")), "region \"EU\""),
        (with(&|config| config.region = text("x.evil.example/")), "region"),
        (
            with(&|config| config.base_url = "https://sms.example.com/v2".to_owned()),
            "base_url must have no path",
        ),
        (with(&|config| config.base_url = "http://sms.example.com".to_owned()), "base_url"),
        (with(&|config| config.sns_url = text("http://sns.example.com")), "sns_url"),
        (with(&|config| config.from = text("A B")), "from must be"),
        (with(&|config| config.configuration_set = text("a b")), "configuration_set"),
        (with(&|config| config.opt_out_list = text("")), "opt_out_list"),
        (with(&|config| config.protect_configuration = text("\u{e9}")), "protect_configuration"),
        (with(&|config| config.topics = vec!["sms-mcp".to_owned()]), "topics: \"sms-mcp\""),
        (with(&|config| config.topics = vec![TOPIC.to_owned(); 11]), "more than 10"),
        (with(&|config| config.check_to = "nobody".to_owned()), "check_to"),
        (with(&|config| config.valid_for = Some("4s".parse().unwrap())), "valid_for"),
        (with(&|config| config.valid_for = Some("73h".parse().unwrap())), "valid_for"),
        (with(&|config| config.india_entity_id = text("1")), "belong together"),
    ] {
        let why = wrong.check().unwrap_err();
        assert!(why.contains(named), "{named}: {why}");
    }
    let by_region = Config { region: text("us-east-1"), ..Config::default() };
    assert_eq!(by_region.check(), Ok(()), "the region stands in the address by itself");
    let halves = setup("http://127.0.0.1:9", &[("access_key_id", "AKID")]);
    let why = Aws::new(&right, &halves).err().unwrap();
    assert_eq!(why.kind(), ErrorKind::Config, "{why}");
    let refusal = |number: &str, from: Option<&str>, text: &str| {
        build(&right).form(&to(number), from, text).err().map(|error| error.kind())
    };
    let (american, french) = ("+12025550123", "+33199000001");
    assert_eq!(refusal(american, None, &"x".repeat(1_600)), None);
    assert_eq!(refusal(american, None, &"x".repeat(1_601)), Some(ErrorKind::MessageTooLong));
    assert_eq!(refusal(french, Some(NAME), "x"), None);
    assert_eq!(refusal(american, Some("pool-0123abcd"), "x"), None);
    assert_eq!(refusal(french, Some("A B"), "x"), Some(ErrorKind::SenderNotAllowed));
}
