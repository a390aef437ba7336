//! AWS as its API's own model has it, and SNS beside it: strict about the signature of every request, which it
//! reckons by itself, the operation, and every field. What becomes of a text is under the test's control.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{KeyInit as _, Mac as _};
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sms_mcp::clock::{Clock as _, SystemClock, Timestamp};

use super::{Reply, Seen, Vendor};

pub const KEY_ID: &str = "AKIDCANARY5D20C7";
pub const SECRET: &str = "canary+aws/secret9f31e0";
pub const SESSION: &str = "canary-aws-session-4471b2";
pub const REGION: &str = "eu-west-1";
/// The account's number and its sender ID.
pub const FROM: &str = "+15017122661";
pub const NAME: &str = "ACME";
pub const LIST: &str = "Default";
pub const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:sms-mcp";
/// Where its envelopes say that their certificate is.
pub const CERTIFICATE_URL: &str = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-rfc9500.pem";

/// The certificate of the key of RFC 9500, section 2.1, and that key, both published for tests.
pub const CERTIFICATE: &str = include_str!("../../vectors/rfc9500.pem");
const KEY: &str = include_str!("../../vectors/rfc9500.key.txt");

/// How far the time of a request may be from AWS's, in milliseconds.
const SKEW_MS: i64 = 300_000;

/// A message that it took.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub to: String,
    pub body: Value,
}

/// The vendor.
pub struct Aws {
    pub messages: Vec<Message>,
    /// How many sends were tried dry.
    pub dry_runs: usize,
    /// Who asks: the id of an access key with its secret, and the token of its session.
    pub keys: (String, String, Option<String>),
    /// What a message costs, in millionths.
    pub price: i64,
    /// Who wants no more texts, and since when.
    pub opted_out: BTreeMap<String, f64>,
    pub page_size: usize,
    /// The page that cannot be read.
    pub broken_page: Option<usize>,
    /// What every send, dry ones too, is refused with: its type and reason.
    pub refusal: Option<(&'static str, &'static str)>,
    /// What stands at the address of the certificate.
    pub certificate: String,
    /// The tokens of subscriptions that were confirmed.
    pub confirmed: Vec<String>,
}

impl Default for Aws {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            dry_runs: 0,
            keys: (KEY_ID.to_owned(), SECRET.to_owned(), None),
            price: 7_500,
            opted_out: BTreeMap::new(),
            page_size: 2,
            broken_page: None,
            refusal: None,
            certificate: CERTIFICATE.to_owned(),
            confirmed: Vec::new(),
        }
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = hmac::Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn refusal(kind: &str, mut more: Value) -> Reply {
    more["__type"] = json!(format!("com.amazonaws.pinpointsmsvoicev2#{kind}"));
    more["Message"] = json!("canary: Bearer of bad news +33199000001");
    answer(400, &more).header("x-amzn-errortype", format!("{kind}:http://internal.amazon.com/"))
}

fn answer(status: u16, body: &Value) -> Reply {
    let reply = Reply { body: body.to_string().into_bytes(), ..Reply::empty(status) };
    reply.header("content-type", "application/x-amz-json-1.0")
}

/// Signs an envelope as SNS does, with SHA-256.
pub fn sign(mut envelope: Value) -> Value {
    let names: &[&str] = match envelope["Type"].as_str().unwrap() {
        "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
    };
    let present = names.iter().filter_map(|name| Some((name, envelope[name].as_str()?)));
    let text: String = present.map(|(name, value)| format!("{name}\n{value}\n")).collect();
    let key = STANDARD.decode(KEY.replace('\n', "")).unwrap();
    let key = RsaKeyPair::from_der(&key).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
    envelope["SignatureVersion"] = json!("2");
    envelope["Signature"] = json!(STANDARD.encode(signature));
    envelope
}

/// An envelope of the topic with this in it, as of this moment.
pub fn envelope(message: &str, at: Timestamp) -> Value {
    sign(json!({
        "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC,
        "Message": message, "Timestamp": at.rfc3339(), "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
    }))
}

/// What SNS asks before it delivers anything.
pub fn subscription(token: &str, at: Timestamp) -> Value {
    let url = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription";
    sign(json!({
        "Type": "SubscriptionConfirmation", "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "TopicArn": TOPIC, "Message": "You have chosen to subscribe.", "Timestamp": at.rfc3339(),
        "SigningCertURL": CERTIFICATE_URL, "Token": token,
        "SubscribeURL": format!("{url}&TopicArn={TOPIC}&Token={token}"),
    }))
}

impl Aws {
    /// To whom texts really went, in order.
    pub fn recipients(&self) -> Vec<String> {
        self.messages.iter().map(|message| message.to.clone()).collect()
    }

    /// Whether a request asks for a text to be sent.
    pub fn is_send(request: &Seen) -> bool {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let is_send = request.header("x-amz-target") == Some("PinpointSMSVoiceV2.SendTextMessage");
        is_send && body.get("DryRun") != Some(&json!(true))
    }

    /// The event of a message that it took.
    pub fn event(message: &Message, kind: &str) -> Value {
        json!({
            "eventType": kind, "eventVersion": "1.0", "eventTimestamp": 1_795_678_199_000_i64,
            "isFinal": !["TEXT_QUEUED", "TEXT_PENDING", "TEXT_SENT"].contains(&kind),
            "originationPhoneNumber": FROM, "destinationPhoneNumber": message.to,
            "isInternationalSend": false, "mcc": "310", "mnc": "800", "messageId": message.id,
            "messageRequestTimestamp": 1_795_678_198_000_i64, "messageEncoding": "GSM",
            "messageType": "TRANSACTIONAL", "messageStatus": kind.trim_start_matches("TEXT_"),
            "messageStatusDescription": "canary", "context": message.body["Context"],
            "totalMessageParts": 1, "totalMessagePrice": 0.00645, "totalCarrierFee": 0.003,
        })
    }

    /// Why a request is not that of whoever holds the keys.
    fn unsigned(&self, request: &Seen, complain: &mut dyn FnMut(String)) -> Option<Reply> {
        let no = |kind: &str| Some(refusal(kind, json!({})));
        let Some(shown) = request.header("authorization") else {
            return no("MissingAuthenticationTokenException");
        };
        let part = |name: &str| {
            let rest = shown.split_once(name)?.1;
            rest.split(',').next().map(str::to_owned)
        };
        let (Some(credential), Some(names), Some(signature)) =
            (part("Credential="), part("SignedHeaders="), part("Signature="))
        else {
            return no("IncompleteSignatureException");
        };
        let (id, secret, session) = &self.keys;
        let date = request.header("x-amz-date").unwrap_or_default();
        let day = date.split('T').next().unwrap_or_default();
        let scope = format!("{day}/{REGION}/sms-voice/aws4_request");
        if credential != format!("{id}/{scope}") {
            return no("UnrecognizedClientException");
        }
        if request.header("x-amz-security-token") != session.as_deref() {
            return no("ExpiredTokenException");
        }
        let token = session.as_ref().map_or("", |_| "x-amz-security-token;");
        if names != format!("content-type;host;x-amz-date;{token}x-amz-target") {
            complain(format!("these headers are signed: {names}"));
        }
        let at = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &date[..4],
            &date[4..6],
            &date[6..8],
            &date[9..11],
            &date[11..13],
            &date[13..15]
        );
        let at = Timestamp::parse(&at).unwrap().as_millis();
        if (SystemClock.now().as_millis() - at).abs() > SKEW_MS {
            return no("InvalidSignatureException");
        }
        let headers: String = names
            .split(';')
            .map(|name| format!("{name}:{}\n", request.header(name).unwrap_or_default().trim()))
            .collect();
        let payload = hex(&Sha256::digest(&request.body));
        let canonical = format!("{}\n{}\n\n{headers}\n{names}\n{payload}", request.method, request.path);
        let text =
            format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        let key = [day, REGION, "sms-voice", "aws4_request"]
            .iter()
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| keyed(&key, part));
        (signature != hex(&keyed(&key, &text))).then(|| refusal("InvalidSignatureException", json!({})))
    }

    fn send(&mut self, body: &Value, complain: &mut dyn FnMut(String)) -> Reply {
        let known = [
            "DestinationPhoneNumber",
            "OriginationIdentity",
            "MessageBody",
            "MessageType",
            "ConfigurationSetName",
            "MaxPrice",
            "TimeToLive",
            "Context",
            "DestinationCountryParameters",
            "ProtectConfigurationId",
            "DryRun",
        ];
        for name in body.as_object().unwrap().keys().filter(|name| !known.contains(&name.as_str())) {
            complain(format!("there is no field {name}"));
        }
        if let Some((kind, reason)) = self.refusal {
            let fields = json!([{ "Name": "DestinationPhoneNumber", "Message": "canary" }]);
            let more =
                if reason.is_empty() { json!({}) } else { json!({ "Reason": reason, "Fields": fields }) };
            return refusal(kind, more);
        }
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let to = text("DestinationPhoneNumber").to_owned();
        let digits = to.strip_prefix('+').unwrap_or_default();
        if !(2..=19).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            complain(format!("no number: {to}"));
        }
        if text("MessageBody").trim().is_empty() || text("MessageBody").chars().count() > 1_600 {
            complain("`MessageBody` must have 1 to 1600 characters".to_owned());
        }
        if !["TRANSACTIONAL", "PROMOTIONAL"].contains(&text("MessageType")) {
            complain("no MessageType".to_owned());
        }
        if body.get("TimeToLive").is_some_and(|ttl| !(5..=259_200).contains(&ttl.as_i64().unwrap_or(0))) {
            complain("no TimeToLive".to_owned());
        }
        if !["", FROM, NAME].contains(&text("OriginationIdentity")) {
            return refusal("ResourceNotFoundException", json!({ "ResourceType": "phone-number" }));
        }
        if self.opted_out.contains_key(&to) {
            return refusal("ConflictException", json!({ "Reason": "DESTINATION_PHONE_NUMBER_OPTED_OUT" }));
        }
        if let Some(most) = body.get("MaxPrice") {
            let (whole, decimals) = most.as_str().unwrap().split_once('.').unwrap();
            if whole.len() > 2 || !(1..=5).contains(&decimals.len()) {
                complain(format!("no MaxPrice: {most}"));
            }
            let micros = format!("{whole}{decimals:0<6}").parse::<i64>().unwrap();
            if self.price > micros {
                return refusal("ValidationException", json!({ "Reason": "PRICE_OVER_THRESHOLD" }));
            }
        }
        if body.get("DryRun") == Some(&json!(true)) {
            self.dry_runs += 1;
            return answer(200, &json!({ "MessageId": "dry" }));
        }
        let id = format!("862a8790-60c0-4430-9b2b-{:012x}", self.messages.len() + 0x658b);
        self.messages.push(Message { id: id.clone(), to, body: body.clone() });
        answer(200, &json!({ "MessageId": id }))
    }

    fn opt_outs(&self, body: &Value) -> Reply {
        let page: usize = body["NextToken"].as_str().map_or(1, |token| token[1..].parse().unwrap());
        if self.broken_page == Some(page) {
            return answer(500, &json!({ "__type": "InternalServerException" }));
        }
        let size = self.page_size.min(body["MaxResults"].as_u64().unwrap() as usize);
        let mut entries = self.opted_out.iter().skip((page - 1) * size);
        let shown: Vec<Value> = entries
            .by_ref()
            .take(size)
            .map(|(number, since)| {
                json!({ "OptedOutNumber": number, "OptedOutTimestamp": since, "EndUserOptedOut": true })
            })
            .collect();
        let mut all = json!({ "OptOutListName": LIST, "OptedOutNumbers": shown });
        if entries.next().is_some() {
            all["NextToken"] = json!(format!("t{}", page + 1));
        }
        answer(200, &all)
    }

    fn opt(&mut self, body: &Value, is_out: bool) -> Reply {
        let number = body["OptedOutNumber"].as_str().unwrap().to_owned();
        if is_out {
            self.opted_out.insert(number, 1_686_975_103.47);
        } else if self.opted_out.remove(&number).is_none() {
            return refusal("ResourceNotFoundException", json!({ "ResourceType": "opted-out-number" }));
        }
        answer(200, &json!({ "OptOutListName": LIST }))
    }

    /// What SNS is asked: its certificate, and to confirm.
    fn sns(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.header("authorization").is_some() || !request.body.is_empty() {
            complain("SNS is shown keys or a body".to_owned());
        }
        if request.path.ends_with("-rfc9500.pem") {
            return Reply { body: self.certificate.clone().into_bytes(), ..Reply::empty(200) };
        }
        if request.parameter("Action") == Some("ConfirmSubscription") {
            if request.parameter("TopicArn") != Some(TOPIC) {
                complain("a subscription to another topic".to_owned());
            }
            let token = request.parameter("Token").unwrap_or_default().to_owned();
            if token == "old" {
                return Reply { body: b"<ErrorResponse/>".to_vec(), ..Reply::empty(400) };
            }
            self.confirmed.push(token);
            return Reply { body: b"<ConfirmSubscriptionResponse/>".to_vec(), ..Reply::empty(200) };
        }
        Reply::empty(404)
    }
}

impl Vendor for Aws {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.method == "GET" {
            return self.sns(request, complain);
        }
        if (request.method.as_str(), request.path.as_str()) != ("POST", "/") {
            complain(format!("no such page: {} {}", request.method, request.path));
            return Reply::empty(404);
        }
        if request.header("content-type") != Some("application/x-amz-json-1.0") {
            complain(format!("a body of another kind: {:?}", request.header("content-type")));
        }
        if let Some(refused) = self.unsigned(request, complain) {
            return refused;
        }
        let Ok(body @ Value::Object(_)) = serde_json::from_slice::<Value>(&request.body) else {
            complain("the body is no JSON object".to_owned());
            return refusal("SerializationException", json!({}));
        };
        let is_list = body.get("OptOutListName").is_none_or(|list| list == LIST);
        if !is_list {
            return refusal("ResourceNotFoundException", json!({ "ResourceType": "opt-out-list" }));
        }
        match request.header("x-amz-target").and_then(|target| target.strip_prefix("PinpointSMSVoiceV2.")) {
            Some("SendTextMessage") => self.send(&body, complain),
            Some("DescribeOptedOutNumbers") => self.opt_outs(&body),
            Some("PutOptedOutNumber") => self.opt(&body, true),
            Some("DeleteOptedOutNumber") => self.opt(&body, false),
            Some("CarrierLookup") => answer(
                200,
                &json!({ "E164PhoneNumber": body["PhoneNumber"], "PhoneNumberType": "MOBILE",
                    "Carrier": "A carrier", "Country": "United States", "MCC": "310", "MNC": "800" }),
            ),
            Some("DescribeSpendLimits") => answer(
                200,
                &json!({ "SpendLimits": [
                    { "Name": "VOICE_MESSAGE_MONTHLY_SPEND_LIMIT", "EnforcedLimit": 1, "MaxLimit": 1,
                        "Overridden": false },
                    { "Name": "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT", "EnforcedLimit": 25, "MaxLimit": 100,
                        "Overridden": true },
                ] }),
            ),
            target => {
                complain(format!("no such operation: {target:?}"));
                refusal("UnknownOperationException", json!({}))
            }
        }
    }
}
