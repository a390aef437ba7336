//! Vonage as its documentation has it: the SMS API with an entry for each segment, the Messages API with one
//! id, the account, number insight and the reports; strict about who asks, every path, parameter and field.
//! What becomes of a text is under the test's control.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock};

use super::{Reply, Seen, Vendor};

pub const KEY: &str = "abcd1234";
pub const SECRET: &str = "canary-api-secret-6f1d20";
/// The signature secret of the vectors for fields.
pub const SIGNATURE: &str = "my16charsigsecre";
pub const FROM: &str = "+15557654321";
pub const NAME: &str = "ACME";
pub const APPLICATION: &str = "16fd2706-8baf-433b-82eb-8c7fada847da";

/// The public half of the application's key: the one of RFC 7515, appendix A.2, which is nobody's.
pub const MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
    T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7W\
    TBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2\
    PAcDTW9gb54h4FRWyuXpoQ";

/// What a segment costs, in millionths.
const PRICE: i64 = 33_300;

/// Letters of GSM-7 that are not of ASCII; of ASCII it has all but the backtick and what is no letter.
const GSM: &str = "£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà€\n\r";

/// A text that it took.
#[derive(Clone, Debug)]
pub struct Message {
    /// The id of each segment; over the Messages API one.
    pub ids: Vec<String>,
    pub to: String,
    pub from: String,
    pub text: String,
    pub reference: String,
    pub callback: Option<String>,
}

/// The vendor.
pub struct Vonage {
    pub messages: Vec<Message>,
    pub balance_micros: i64,
    /// The `status` of each segment of the next text; "0" for those that are not named.
    pub statuses: Vec<&'static str>,
    /// Whom it takes no texts for.
    pub barred: BTreeSet<String>,
    /// Countries with their default price and those of their networks.
    pub prices: Vec<(&'static str, Value, Vec<Value>)>,
}

impl Default for Vonage {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            balance_micros: 10_280_000,
            statuses: Vec::new(),
            barred: BTreeSet::new(),
            prices: vec![
                ("FR", json!("0.05000000"), vec![json!("0.06400000"), json!("0.06300000")]),
                ("US", json!("0.03330000"), vec![json!("0.03330000")]),
            ],
        }
    }
}

fn decimal(micros: i64) -> String {
    format!("{}.{:06}00", micros / 1_000_000, micros % 1_000_000)
}

/// A problem (RFC 7807) of the Messages API.
pub fn problem(status: u16, code: u32, detail: &str) -> Reply {
    Reply::json(
        status,
        json!({ "type": format!("https://developer.vonage.com/api-errors/messages#{code}"),
            "title": code.to_string(), "detail": detail, "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf" }),
    )
}

fn is_number(number: &str) -> bool {
    (7..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_gsm(text: &str) -> bool {
    let is_ascii = |letter: char| letter.is_ascii_graphic() && letter != '`' || letter == ' ';
    text.chars().all(|letter| is_ascii(letter) || GSM.contains(letter))
}

/// How many segments a text is; no letter in the tests is one of two septets.
fn segments(text: &str) -> usize {
    let (units, alone, joined) = match is_gsm(text) {
        true => (text.chars().count(), 160, 153),
        false => (text.encode_utf16().count(), 70, 67),
    };
    if units <= alone { 1 } else { units.div_ceil(joined) }
}

impl Vonage {
    /// To whom texts really went, in order.
    pub fn recipients(&self) -> Vec<String> {
        self.messages.iter().map(|message| format!("+{}", message.to)).collect()
    }

    /// Notes a text; returns the status of each of its segments with its id.
    fn take(&mut self, message: Message, count: usize) -> Vec<(&'static str, String)> {
        let statuses = std::mem::take(&mut self.statuses);
        let first = self.messages.len() * 16 + 0x1234_5670;
        let all: Vec<(&'static str, String)> = (0..count)
            .map(|at| (statuses.get(at).copied().unwrap_or("0"), format!("0A000000{:08X}", first + at)))
            .collect();
        let ids: Vec<String> =
            all.iter().filter(|(status, _)| *status == "0").map(|(_, id)| id.clone()).collect();
        if !ids.is_empty() {
            self.balance_micros -= PRICE * i64::try_from(ids.len()).unwrap();
            self.messages.push(Message { ids, ..message });
        }
        all
    }

    fn send_sms(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let refuse = |status: &str, words: &str| {
            let entry = json!({ "status": status, "error-text": words });
            Reply::json(200, json!({ "message-count": "1", "messages": [entry] }))
        };
        let Some(form) = request.form() else {
            complain("a send that is no form".to_owned());
            return refuse("2", "Missing to param");
        };
        let known = ["to", "from", "text", "client-ref", "type", "callback"];
        for (at, (name, _)) in form.iter().enumerate() {
            if !known.contains(&name.as_str()) || form[..at].iter().any(|(other, _)| other == name) {
                complain(format!("there is no field {name}, or it stands twice"));
            }
        }
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let text_of = |name: &str| field(name).unwrap_or_default();
        let (to, from, text) = (text_of("to"), text_of("from"), text_of("text"));
        if !is_number(&to) {
            complain(format!("`to` is 7 to 15 digits without a plus, not {to}"));
            return refuse("3", &format!("Invalid value for parameter: to {to}"));
        }
        if text.is_empty() || text.chars().count() > 3_200 {
            complain("`text` must have 1 to 3200 characters".to_owned());
        }
        if (field("type").as_deref() == Some("unicode")) == is_gsm(&text) {
            complain(format!("{:?} damages this text, or makes it dearer", field("type")));
        }
        let reference = text_of("client-ref");
        if reference.is_empty() || reference.len() > 40 {
            complain(format!("no reference: {reference}"));
        }
        let callback = field("callback");
        if callback.as_ref().is_some_and(|url| url.len() > 100 || !url.starts_with("https://")) {
            complain(format!("no address for receipts: {callback:?}"));
            return refuse("23", "Invalid callback url");
        }
        if from != FROM[1..] && from != NAME {
            return refuse("15", "Illegal Sender Address - rejected");
        }
        if self.barred.contains(&to) {
            return refuse("7", "Number Barred");
        }
        let count = segments(&text);
        let client_ref = reference.clone();
        let message = Message { ids: Vec::new(), to: to.clone(), from, text, reference, callback };
        let all = self.take(message, count);
        let entries: Vec<Value> = all
            .into_iter()
            .map(|(status, id)| match status {
                "0" => json!({ "to": to, "message-id": id, "status": "0", "client-ref": client_ref,
                    "remaining-balance": decimal(self.balance_micros), "message-price": decimal(PRICE),
                    "network": "23410" }),
                status => json!({ "status": status, "error-text": format!("words about +{to}") }),
            })
            .collect();
        Reply::json(200, json!({ "message-count": entries.len().to_string(), "messages": entries }))
    }

    fn send_message(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let Some(Value::Object(body)) = request.json() else {
            complain("the body is no JSON object".to_owned());
            return problem(422, 1_010, "Missing params");
        };
        let known = ["message_type", "channel", "to", "from", "text", "client_ref", "webhook_url"];
        body.keys().filter(|name| !known.contains(&name.as_str())).for_each(|name| {
            complain(format!("there is no field {name}"));
        });
        let text_of = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (to, from, text, reference) =
            (text_of("to"), text_of("from"), text_of("text"), text_of("client_ref"));
        if (text_of("channel"), text_of("message_type")) != ("sms".to_owned(), "text".to_owned()) {
            complain("no text by SMS".to_owned());
        }
        if !is_number(&to) {
            complain(format!("`to` is 7 to 15 digits without a plus, not {to}"));
            return problem(422, 1_170, &format!("Invalid number {to}"));
        }
        if text.is_empty() || text.chars().count() > 3_200 || reference.is_empty() || reference.len() > 100 {
            complain("`text` has 1 to 3200 characters, and `client_ref` 1 to 100".to_owned());
        }
        let callback = body.get("webhook_url").and_then(Value::as_str).map(str::to_owned);
        if callback.as_ref().is_some_and(|url| !url.starts_with("https://")) {
            complain(format!("no address for reports: {callback:?}"));
        }
        if from != FROM[1..] && from != NAME {
            return problem(422, 1_120, "Illegal Sender Address - rejected");
        }
        if self.barred.contains(&to) {
            return problem(422, 1_240, "Illegal Number - rejected");
        }
        let count = segments(&text);
        let id = format!("aaaaaaaa-bbbb-cccc-dddd-{:012x}", self.messages.len() + 0x0123_4567);
        self.balance_micros -= PRICE * i64::try_from(count).unwrap();
        self.messages.push(Message { ids: vec![id.clone()], to, from, text, reference, callback });
        Reply::json(202, json!({ "message_uuid": id }))
    }

    /// Whether the application shows itself, now.
    fn is_application(token: &str, complain: &mut dyn FnMut(String)) -> bool {
        let parts: Vec<&str> = token.split('.').collect();
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        let [header, claims, signature] = parts[..] else { return false };
        let key = RsaPublicKeyComponents { n: decoded(MODULUS), e: vec![1, 0, 1] };
        let signed = format!("{header}.{claims}");
        if key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decoded(signature)).is_err() {
            return false;
        }
        let json = |part: &str| serde_json::from_slice::<Value>(&decoded(part)).unwrap_or_default();
        let (header, claims) = (json(header), json(claims));
        if header != json!({ "alg": "RS256", "typ": "JWT" }) {
            complain(format!("no header of a token: {header}"));
        }
        let now = SystemClock.now().as_millis() / 1_000;
        let number = |name: &str| claims[name].as_i64().unwrap_or_default();
        if (number("iat") - now).abs() > 300 || !(now..=now + 24 * 3_600).contains(&number("exp")) {
            complain(format!("a token of another time: {claims}"));
        }
        if claims["jti"].as_str().unwrap_or_default().len() < 16 {
            complain(format!("a token without an id of its own: {claims}"));
        }
        claims["application_id"] == APPLICATION
    }

    fn read(&self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let of = |name: &str| request.parameter(name);
        let only = |names: &[&str], complain: &mut dyn FnMut(String)| {
            for (name, _) in request.query.iter().filter(|(name, _)| !names.contains(&name.as_str())) {
                complain(format!("there is no parameter {name}"));
            }
        };
        match request.path.as_str() {
            "/account/get-balance" => {
                only(&[], complain);
                let value: Value = decimal(self.balance_micros).parse().unwrap();
                Reply::json(200, json!({ "value": value, "autoReload": false }))
            }
            "/account/get-pricing/outbound/sms" => {
                only(&["country"], complain);
                let found = self.prices.iter().find(|(country, ..)| of("country") == Some(country));
                let Some((country, default, networks)) = found else {
                    return problem(404, 404, "no such country");
                };
                let networks: Vec<Value> = networks
                    .iter()
                    .map(|price| {
                        json!({ "type": "mobile", "price": price, "currency": "EUR", "mcc": "208",
                            "mnc": "01", "networkCode": "20801", "networkName": "A network" })
                    })
                    .collect();
                Reply::json(
                    200,
                    json!({ "countryCode": country, "countryName": "A country", "dialingPrefix": "33",
                        "currency": "EUR", "defaultPrice": default, "networks": networks }),
                )
            }
            path if path.starts_with("/ni/") && path.ends_with("/json") => {
                only(&["number"], complain);
                let is_level = ["/ni/basic/json", "/ni/standard/json", "/ni/advanced/json"].contains(&path);
                if !is_level || !of("number").is_some_and(is_number) {
                    complain(format!("no look-up: {path} {:?}", request.query));
                }
                Reply::json(
                    200,
                    json!({ "status": 0, "status_message": "Success", "country_code": "FR",
                        "international_format_number": of("number") }),
                )
            }
            "/v2/reports/records" => {
                only(&["account_id", "product", "direction", "id", "date_start", "date_end"], complain);
                let is_of_id = of("id").is_some();
                let is_of_time = of("date_start").is_some() && of("date_end").is_some();
                if of("account_id") != Some(KEY)
                    || of("direction") != Some("outbound")
                    || is_of_id == is_of_time
                {
                    complain(format!("no report: {:?}", request.query));
                }
                let records: Vec<Value> = self
                    .messages
                    .iter()
                    .flat_map(|message| message.ids.iter().map(|id| (id, &message.reference)))
                    .filter(|(id, _)| of("id").is_none_or(|asked| asked == id.as_str()))
                    .map(|(id, reference)| json!({ "message_id": id, "client_ref": reference }))
                    .collect();
                Reply::json(200, json!({ "items_count": records.len(), "records": records }))
            }
            path => {
                complain(format!("no such page: GET {path}"));
                problem(404, 404, "no such page")
            }
        }
    }
}

impl Vendor for Vonage {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let shown = request.header("authorization").unwrap_or_default();
        let is_account = shown == format!("Basic {}", STANDARD.encode(format!("{KEY}:{SECRET}")));
        let is_message = request.path == "/v1/messages";
        let token = shown.strip_prefix("Bearer ").filter(|_| is_message);
        if !is_account && !token.is_some_and(|token| Self::is_application(token, complain)) {
            return if request.path == "/sms/json" {
                let entry = json!({ "status": "4", "error-text": "Bad Credentials" });
                Reply::json(200, json!({ "message-count": "1", "messages": [entry] }))
            } else {
                let words = json!({ "error-code": "401", "error-code-label": "authentication failed" });
                Reply::json(401, words)
            };
        }
        if request.method == "GET" && !request.body.is_empty() {
            complain("a GET with a body".to_owned());
        }
        if request.method == "POST" && !request.query.is_empty() {
            complain("parameters where there are none".to_owned());
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/sms/json") => self.send_sms(request, complain),
            ("POST", "/v1/messages") => self.send_message(request, complain),
            ("GET", _) => self.read(request, complain),
            (method, path) => {
                complain(format!("no such page: {method} {path}"));
                problem(404, 404, "no such page")
            }
        }
    }
}
