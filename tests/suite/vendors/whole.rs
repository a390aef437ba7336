//! The whole program before each vendor: an answer that is lost after the vendor took the message, over kills
//! and restarts; and what the log shows of it all.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{over_http, unknown};
use crate::fake::{self, Fake, Fault, Seen, Wire};
use crate::support::{A_WHILE, Desk, Era, WIDE, eventually, fictional};
use crate::wire::{RawStdio, tool_call};

const TEXT: &str = "canary-text-1c90fe";

/// The vendors that keep our reference as a message's own key (`Reference::Exact`): what was lost there is
/// settled by a look.
const EXACT: [&str; 2] = ["infobip", "sms_gateway"];

/// Nothing that happens takes too long; for a vendor that never answers see [`HASTY`].
const PATIENT: &str =
    "[provider.http]\nconnect_timeout = \"140s\"\nread_timeout = \"140s\"\ntimeout = \"140s\"\n";

/// The wait for an answer that never comes; ample for a request to leave.
const HASTY: &str = "[provider.http]\ntimeout = \"3s\"\n";

/// One vendor with a desk in front of it.
struct Place {
    kind: &'static str,
    wire: Arc<dyn Wire>,
    settings: String,
    /// How the path of a request ends that sends.
    sends: &'static str,
    /// Whether a request there sends, where the path does not say it alone.
    is_send: fn(&Seen) -> bool,
    /// How many requests a bulk of three is.
    requests_of_three: usize,
    secrets: Vec<&'static str>,
}

impl Place {
    /// How many requests came that send.
    fn count_sends(&self) -> usize {
        let is_send = |request: &&fake::Seen| (self.is_send)(request) && request.path.ends_with(self.sends);
        self.wire.requests().iter().filter(is_send).count()
    }
}

fn place<V: fake::Vendor>(
    kind: &'static str,
    vendor: V,
    path: &str,
    own: &str,
    sends: &'static str,
    requests_of_three: usize,
    secrets: &[&'static str],
) -> Place {
    let fake = Fake::start(vendor);
    let provider =
        format!("[[provider]]\nkind = \"{kind}\"\nbase_url = \"{}{path}\"\n{own}\n{PATIENT}", fake.url());
    let settings = format!(
        "{WIDE}price_when_unknown = \"0.10\"\n[rates]\n\"+33\" = \"0.10\"\n[send]\ntimeout = \
         \"150s\"\nbulk_wait = \"100s\"\n{provider}"
    );
    Place {
        kind,
        wire: Arc::new(fake),
        settings,
        sends,
        is_send: |request| request.method == "POST",
        requests_of_three,
        secrets: secrets.to_vec(),
    }
}

/// AWS with an access key of a session. All that it is asked goes to one path.
fn aws_place(kind: &'static str) -> Place {
    use fake::aws;
    let (id, secret, session) = (aws::KEY_ID, aws::SECRET, aws::SESSION);
    let own = format!(
        "region = \"{}\"\naccess_key_id = \"{id}\"\nsecret_access_key = \"{secret}\"\n\
         session_token = \"{session}\"\nfrom = \"{}\"\nopt_out_list = \"{}\"",
        aws::REGION,
        aws::FROM,
        aws::LIST
    );
    let keys = (id.to_owned(), secret.to_owned(), Some(session.to_owned()));
    let place =
        place(kind, aws::Aws { keys, ..aws::Aws::default() }, "", &own, "/", 3, &[id, secret, session]);
    Place { is_send: aws::Aws::is_send, ..place }
}

/// The place of this kind of provider.
fn place_of(kind: &'static str) -> Place {
    use fake::{
        a2p_pro, gateway, infobip, mailersend, mailpro, plivo, sinch, sms_for_ai, sms_gateway, telnyx,
        twilio, vonage,
    };
    match kind {
        "sms_for_ai" => {
            let own = format!("token = \"{}\"", sms_for_ai::TOKEN);
            let vendor = sms_for_ai::SmsForAi::default();
            place(kind, vendor, "/api/v1", &own, "/sms/send", 3, &[sms_for_ai::TOKEN])
        }
        "a2p_pro" => {
            let own = format!("token = \"{}\"\nfrom = \"ACME\"", a2p_pro::KEY);
            place(kind, a2p_pro::A2pPro::default(), "/v1", &own, "/v1/messages", 3, &[a2p_pro::KEY])
        }
        "infobip" => {
            let own = format!("api_key = \"{}\"\nfrom = \"+{}\"", infobip::KEY, infobip::FROM);
            place(kind, infobip::Infobip::default(), "", &own, "/sms/3/messages", 1, &[infobip::KEY])
        }
        "mailersend" => {
            let (token, from) = (mailersend::TOKEN, mailersend::FROM);
            let own = format!("token = \"{token}\"\nfrom = \"{from}\"\nany_destination = true");
            place(kind, mailersend::MailerSend::new(), "/v1", &own, "/v1/sms", 1, &[token])
        }
        "mailpro" => {
            let (client, key) = (mailpro::ID_CLIENT, mailpro::API_KEY);
            let own = format!("id_client = \"{client}\"\napi_key = \"{key}\"");
            let vendor = mailpro::Mailpro::default();
            place(kind, vendor, "/sms", &own, "/send/add_single.json", 3, &[client, key])
        }
        "sinch" => {
            let (plan, token, from) = (sinch::PLAN, sinch::TOKEN, sinch::FROM);
            let own = format!("plan = \"{plan}\"\napi_token = \"{token}\"\nfrom = \"{from}\"");
            place(kind, sinch::Sinch::default(), "", &own, "/batches", 3, &[token])
        }
        "sms_gateway" => {
            let (user, password) = (sms_gateway::USER, sms_gateway::PASSWORD);
            // As fast as the test.
            let pace = "[provider.rate]\nper_minute = 60000";
            let own = format!("user = \"{user}\"\npassword = \"{password}\"\n{pace}");
            let vendor = sms_gateway::SmsGateway::default();
            place(kind, vendor, sms_gateway::CLOUD, &own, "/3rdparty/v1/messages", 3, &[password])
        }
        "plivo" => {
            let (id, token, from) = (plivo::ID, plivo::TOKEN, plivo::FROM);
            let own = format!("auth_id = \"{id}\"\nauth_token = \"{token}\"\nfrom = \"{from}\"");
            place(kind, plivo::Plivo::default(), "/v1", &own, "/Message/", 3, &[id, token])
        }
        "telnyx" => {
            let own = format!("api_key = \"{}\"\nfrom = \"{}\"", telnyx::KEY, telnyx::FROM);
            place(kind, telnyx::Telnyx::default(), "/v2", &own, "/v2/messages", 3, &[telnyx::KEY])
        }
        "twilio" => {
            let (account, token, from) = (twilio::ACCOUNT, twilio::TOKEN, twilio::FROM);
            let own = format!("account_sid = \"{account}\"\nauth_token = \"{token}\"\nfrom = \"{from}\"");
            let vendor = twilio::Twilio::default();
            place(kind, vendor, "/2010-04-01", &own, "/Messages.json", 3, &[account, token])
        }
        "aws" => aws_place(kind),
        "vonage" => {
            let (key, secret, from) = (vonage::KEY, vonage::SECRET, vonage::FROM);
            let own = format!(
                "api_url = \"http://127.0.0.1:9\"\napi_key = \"{key}\"\napi_secret = \"{secret}\"\nfrom = \"{from}\""
            );
            place(kind, vonage::Vonage::default(), "", &own, "/sms/json", 3, &[key, secret])
        }
        "http" => {
            let vendor = gateway::Gateway::default();
            let own = super::gateway::example("", &format!("\"{}\"", gateway::KEY));
            let own = own.replacen("base_url = \"/v1\"\n", "", 1);
            place(kind, vendor, "/v1", &own, "/v1/messages", 3, &[gateway::KEY, gateway::WEBHOOK_KEY])
        }
        _ => unknown(kind, "place_of"),
    }
}

fn places() -> Vec<Place> {
    over_http().map(place_of).collect()
}

struct Agent<'a> {
    server: RawStdio,
    place: &'a Place,
    next: u64,
}

impl<'a> Agent<'a> {
    fn start(desk: &Desk, place: &'a Place) -> Self {
        let server = RawStdio::start(desk, Era::Stateless, |command| {
            command.args(["--log", "trace"]).env("RUST_LOG", "trace");
        });
        Self { server, place, next: 0 }
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.next += 1;
        self.server.send(&tool_call(Era::Stateless, self.next, tool, &arguments));
        let answer = self.server.answer_to(self.next, &mut Vec::new());
        let result = &answer["result"];
        match &result["structuredContent"] {
            Value::Null => serde_json::from_str(
                result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")),
            )
            .unwrap(),
            content => content.clone(),
        }
    }

    fn held(&mut self) -> String {
        let balance = self.call("get_balance", json!({}));
        balance["budgets"][0]["held"].as_str().unwrap_or_else(|| panic!("{balance}")).to_owned()
    }

    fn finish(self) {
        let log = self.server.finish();
        assert!(
            log.contains("a provider"),
            "{}: the log must have been on to prove anything: {log}",
            self.place.kind
        );
        for canary in self.place.secrets.iter().chain(&[TEXT, "3319900"]) {
            assert!(!log.contains(canary), "{}: the log shows {canary}: {log}", self.place.kind);
        }
    }
}

#[test]
fn a_lost_answer_is_one_request_is_unknown_keeps_its_money_and_is_never_sent_again() {
    // Each sleeps most of the time, so all at once.
    let faults = [Fault::DropAfterAccept, Fault::Stall, Fault::ErrorAfterAccept(502), Fault::HalfJson];
    std::thread::scope(|scope| {
        for fault in faults {
            scope.spawn(move || a_lost_answer_is_never_sent_again(&fault));
        }
    });
}

fn a_lost_answer_is_never_sent_again(fault: &Fault) {
    for place in places() {
        // MailerSend's answer has no body, so none can be cut: the id is in the head.
        if place.kind == "mailersend" && *fault == Fault::HalfJson {
            continue;
        }
        let desk = Desk::new(&if *fault == Fault::Stall {
            place.settings.replace(PATIENT, HASTY)
        } else {
            place.settings.clone()
        });
        let what = format!("{} {fault:?}", place.kind);
        let mut agent = Agent::start(&desk, &place);
        place.wire.fail(fault.clone());
        let one = json!({ "to": fictional(1), "message": TEXT, "idempotency_key": "k" });
        let lost = agent.call("send_sms", one.clone());
        assert_eq!(lost["code"], "outcome_unknown", "{what}: {lost}");
        let recipients: Vec<Value> = (2..=4).map(|n| json!({ "to": fictional(n) })).collect();
        let bulk = agent.call("send_bulk", json!({ "recipients": recipients, "message": TEXT }));
        assert_eq!(bulk["counts"], json!({ "unknown": 3 }), "{what}: {bulk}");
        place.wire.fail(Fault::None);
        if EXACT.contains(&place.kind) {
            drop(agent);
            is_settled_by_a_look(&desk, &place, &one, &what);
            continue;
        }
        let again = agent.call("send_sms", one.clone());
        assert_eq!(again["code"], "outcome_unknown", "{what}: {again}");
        let held = agent.held();
        assert!(held.parse::<f64>().unwrap() >= 0.2, "{what}: {held}");
        // A kill, and two restarts.
        drop(agent);
        for _ in 0..2 {
            let mut agent = Agent::start(&desk, &place);
            // Long enough for a server to send again what it should not.
            std::thread::sleep(2 * A_WHILE);
            let list = agent.call("list_sms", json!({}));
            let states: Vec<&str> = list["messages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|message| message["status"].as_str().unwrap())
                .collect();
            assert_eq!(states, ["unknown"; 4], "{what}");
            assert_eq!(agent.call("send_sms", one.clone())["code"], "outcome_unknown", "{what}");
            assert_eq!(agent.held(), held, "{what}");
            agent.call("send_sms", json!({ "to": fictional(5), "message": TEXT, "dry_run": true }));
            agent.finish();
        }
        assert_eq!(place.count_sends(), 1 + place.requests_of_three, "{what}");
    }
}

/// Where a message can be asked for by our reference, the next server looks for what was lost, by itself: each
/// text is delivered, its money is spent and no more held, and nothing was sent again.
fn is_settled_by_a_look(desk: &Desk, place: &Place, one: &Value, what: &str) {
    for _ in 0..2 {
        let mut agent = Agent::start(desk, place);
        eventually(what, || {
            let list = agent.call("list_sms", json!({}));
            let messages = list["messages"].as_array().unwrap();
            messages.len() == 4 && messages.iter().all(|message| message["status"] == "delivered")
        });
        let again = agent.call("send_sms", one.clone());
        assert_eq!(again["status"], "delivered", "{what}: {again}");
        assert_eq!(agent.held(), "0.00", "{what}");
        agent.finish();
    }
    assert_eq!(place.count_sends(), 1 + place.requests_of_three, "{what}");
}

#[test]
fn whatever_goes_wrong_no_log_shows_a_key_a_text_or_a_number() {
    for place in places() {
        let desk = Desk::new(&place.settings.replace("bulk_wait = \"100s\"", "bulk_wait = \"300ms\""));
        let mut to = 0;
        for fault in [
            Fault::None,
            Fault::Refuse,
            Fault::ThrottleSeconds(0),
            Fault::Status(401, json!({ "message": format!("bad key for {TEXT}"), "Result": "bad key" })),
            Fault::Status(
                422,
                json!({ "message": format!("no {TEXT}"), "errors": { "to": ["+33199000001 is wrong"] } }),
            ),
            Fault::Status(302, json!({})),
            Fault::Garbage,
            Fault::Huge,
            Fault::DropBeforeBody,
            Fault::None,
        ] {
            // A process for each, so that no provider rests because of the one before.
            let mut agent = Agent::start(&desk, &place);
            place.wire.fail(fault);
            to += 1;
            agent.call("send_sms", json!({ "to": fictional(to), "message": TEXT }));
            let recipients: Vec<Value> =
                (1..=2).map(|n| json!({ "to": fictional(100 + 2 * to + n) })).collect();
            agent.call("send_bulk", json!({ "recipients": recipients, "message": format!("{TEXT} bulk") }));
            agent.call("get_balance", json!({}));
            let list = agent.call("list_sms", json!({ "limit": 3 }));
            for message in list["messages"].as_array().unwrap() {
                agent.call("get_status", json!({ "id": message["id"] }));
            }
            agent.finish();
        }
    }
}
