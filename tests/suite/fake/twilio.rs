//! Twilio as its documentation has it: the API of 2010-04-01, the price list and the look-up, strict about
//! who asks, every path, parameter and field. What becomes of a text is under the test's control.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock};

use super::{Reply, Seen, Vendor};

pub const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
pub const TOKEN: &str = "canary-auth-token-7c1e5a";
pub const KEY: &str = "SK0123456789abcdef0123456789abcdef";
pub const KEY_SECRET: &str = "canary-key-secret-52d90b";
/// The account's number, its name, and its Messaging Service.
pub const FROM: &str = "+15017122661";
pub const NAME: &str = "ACME";
pub const SERVICE: &str = "MG0123456789abcdef0123456789abcdef";

/// What a segment costs, in millionths.
const PRICE: i64 = 70_000;

/// A message that it took.
#[derive(Clone, Debug)]
pub struct Message {
    pub sid: String,
    pub to: String,
    pub from: String,
    pub body: String,
    pub status: &'static str,
    pub callback: Option<String>,
    pub error_code: Value,
    /// What it shows, once it knows that.
    pub price: Value,
    pub created: String,
}

/// The vendor.
pub struct Twilio {
    pub messages: Vec<Message>,
    pub balance_micros: i64,
    /// The account's status and type.
    pub account: (&'static str, &'static str),
    /// What a message becomes when it is looked up, and its code.
    pub fate: (&'static str, Value),
    pub opted_out: BTreeSet<String>,
    /// Most entries of a page, whatever is asked for.
    pub most_per_page: usize,
    /// Whether the list leaves out what it has, as one that lags does.
    pub lags: bool,
    /// Countries and the `current_price`s of their carriers.
    pub prices: Vec<(&'static str, Vec<Value>)>,
}

impl Default for Twilio {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            balance_micros: 12_340_000,
            account: ("active", "Full"),
            fate: ("delivered", Value::Null),
            opted_out: BTreeSet::new(),
            most_per_page: 2,
            lags: false,
            prices: vec![
                ("FR", vec![json!("0.0798"), json!("0.0790")]),
                ("US", vec![json!("0.0079"), json!("0.0083")]),
            ],
        }
    }
}

/// A time as Twilio writes it.
pub fn rfc2822(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap();
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

fn decimal(micros: i64) -> String {
    format!("{}.{:05}", micros / 1_000_000, micros % 1_000_000 / 10)
}

fn error(status: u16, code: u32, message: &str) -> Reply {
    Reply::json(
        status,
        json!({ "code": code, "message": message, "status": status,
            "more_info": format!("https://www.twilio.com/docs/errors/{code}") }),
    )
}

fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Complains about names that there are not, and about one that stands twice.
fn only(what: &str, fields: &[(String, String)], known: &[&str], complain: &mut dyn FnMut(String)) {
    for (at, (name, _)) in fields.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            complain(format!("there is no {what} {name}"));
        }
        if fields[..at].iter().any(|(other, _)| other == name) {
            complain(format!("{what} {name} stands twice"));
        }
    }
}

impl Twilio {
    /// To whom texts really went, in order.
    pub fn recipients(&self) -> Vec<String> {
        self.messages.iter().map(|message| message.to.clone()).collect()
    }

    fn shown(&self, message: &Message) -> Value {
        json!({
            "sid": message.sid, "account_sid": ACCOUNT, "api_version": "2010-04-01", "body": message.body,
            "date_created": message.created, "date_sent": null, "date_updated": message.created,
            "direction": "outbound-api", "error_code": message.error_code, "error_message": null,
            "from": message.from, "messaging_service_sid": null, "num_media": "0", "num_segments": "1",
            "price": message.price, "price_unit": "USD", "status": message.status, "to": message.to,
            "uri": format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/{}.json", message.sid),
        })
    }

    fn send(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let Some(form) = request.form() else {
            complain("a send that is no form".to_owned());
            return error(400, 21_604, "A 'To' phone number is required.");
        };
        only("field", &form, &["To", "From", "MessagingServiceSid", "Body", "StatusCallback"], complain);
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let (to, body) = (field("To").unwrap_or_default(), field("Body").unwrap_or_default());
        let from = match (field("From"), field("MessagingServiceSid")) {
            (Some(from), None) if [FROM, NAME].contains(&from.as_str()) => from,
            (None, Some(service)) if service == SERVICE => FROM.to_owned(),
            (Some(from), None) => {
                return error(400, 21_606, &format!("The 'From' number {from} is not a number of yours."));
            }
            (None, Some(_)) => return error(400, 21_701, "The Messaging Service does not exist."),
            _ => {
                complain("one of From and MessagingServiceSid is needed".to_owned());
                return error(400, 21_603, "A 'From' phone number is required.");
            }
        };
        if !is_e164(&to) {
            complain("`To` is not E.164".to_owned());
            return error(400, 21_211, &format!("The 'To' number {to} is not a valid phone number."));
        }
        if body.is_empty() || body.chars().count() > 1_600 {
            complain("`Body` must have 1 to 1600 characters".to_owned());
            return error(400, 21_617, "The concatenated message body exceeds the 1600 character limit.");
        }
        let callback = field("StatusCallback");
        if let Some(url) = &callback {
            let host = url.split('/').nth(2).unwrap_or_default();
            if !url.starts_with("https://") || host.contains('_') || url.len() > 4_000 {
                complain(format!("no address for reports: {url}"));
                return error(400, 21_609, "The StatusCallback URL is not a valid URL.");
            }
            if !url.ends_with("#rc=5&rp=all") {
                complain("a report would be lost with the first answer that is no 2xx".to_owned());
            }
        }
        if self.opted_out.contains(&to) {
            return error(400, 21_610, "Attempt to send to unsubscribed recipient");
        }
        let sid = format!("SM{:032x}", self.messages.len() + 0xab_cdef);
        let created = rfc2822(SystemClock.now().as_millis());
        self.balance_micros -= PRICE;
        let (status, error_code, price) = ("queued", Value::Null, Value::Null);
        self.messages.push(Message { sid, to, from, body, status, callback, error_code, price, created });
        let mut shown = self.shown(&self.messages[self.messages.len() - 1]);
        if form.iter().any(|(name, _)| name == "MessagingServiceSid") {
            (shown["status"], shown["num_segments"], shown["price_unit"], shown["from"]) =
                (json!("accepted"), json!("0"), Value::Null, Value::Null);
        }
        Reply::json(201, shown)
    }

    fn list(&self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        only("parameter", &request.query, &["To", "From", "PageSize", "Page", "PageToken"], complain);
        let size = request.parameter("PageSize").map_or(50, |size| size.parse::<usize>().unwrap_or(0));
        if size == 0 || size > 1_000 {
            complain("PageSize is 1 to 1000".to_owned());
        }
        let size = size.min(self.most_per_page).max(1);
        let page = request.parameter("Page").map_or(0, |page| page.parse::<usize>().unwrap_or(0));
        // A page is found by the mark that the one before it gave, and not by its number.
        if page > 0 && request.parameter("PageToken") != Some(&format!("PASM{page}")) {
            return error(400, 20_006, "Invalid PageToken");
        }
        let to = request.parameter("To");
        let all: Vec<Value> = self
            .messages
            .iter()
            .rev()
            .filter(|message| !self.lags && to.is_none_or(|to| message.to == to))
            .map(|message| self.shown(message))
            .collect();
        let is_last = (page + 1) * size >= all.len();
        let next = format!(
            "/2010-04-01/Accounts/{ACCOUNT}/Messages.json?PageSize={size}&Page={}&PageToken=PASM{}",
            page + 1,
            page + 1
        );
        let shown: Vec<&Value> = all.iter().skip(page * size).take(size).collect();
        Reply::json(
            200,
            json!({ "messages": shown, "page": page, "page_size": size,
                "next_page_uri": if is_last { Value::Null } else { json!(next) } }),
        )
    }

    fn look_up(&mut self, sid: &str) -> Reply {
        let (status, code) = self.fate.clone();
        let Some(at) = self.messages.iter().position(|message| message.sid == sid) else {
            return error(404, 20_404, "The requested resource was not found");
        };
        let message = &mut self.messages[at];
        (message.status, message.error_code) = (status, code);
        if !["queued", "sending", "accepted"].contains(&status) {
            message.price = json!(format!("-{}", decimal(PRICE)));
        }
        Reply::json(200, self.shown(&self.messages[at]))
    }

    fn country(&self, country: &str) -> Reply {
        let Some((_, prices)) = self.prices.iter().find(|(known, _)| *known == country) else {
            return error(404, 20_404, "The requested resource was not found");
        };
        let carriers: Vec<Value> = prices
            .iter()
            .map(|price| {
                json!({ "carrier": "A carrier", "mcc": "208", "mnc": "01", "prices": [
                    { "number_type": "mobile", "base_price": "0.0500", "current_price": price }] })
            })
            .collect();
        Reply::json(
            200,
            json!({ "country": "A country", "iso_country": country, "price_unit": "USD",
                "outbound_sms_prices": carriers, "inbound_sms_prices": [] }),
        )
    }

    fn of_account(&mut self, request: &Seen, path: &str, complain: &mut dyn FnMut(String)) -> Reply {
        match (request.method.as_str(), path) {
            ("GET", "") => Reply::json(
                200,
                json!({ "sid": ACCOUNT, "friendly_name": "My account", "status": self.account.0,
                    "type": self.account.1 }),
            ),
            ("GET", "/Balance") => Reply::json(
                200,
                json!({ "account_sid": ACCOUNT, "balance": decimal(self.balance_micros),
                    "currency": "USD" }),
            ),
            ("POST", "/Messages") => self.send(request, complain),
            ("GET", "/Messages") => self.list(request, complain),
            ("GET", path) if path.starts_with("/Messages/") => self.look_up(&path["/Messages/".len()..]),
            _ => {
                complain(format!("no such page: {} {path}", request.method));
                error(404, 20_404, "The requested resource was not found")
            }
        }
    }
}

impl Vendor for Twilio {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let right = [(ACCOUNT, TOKEN), (KEY, KEY_SECRET)]
            .map(|(user, password)| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        if !request.header("authorization").is_some_and(|shown| right.iter().any(|right| right == shown)) {
            return error(401, 20_003, "Authenticate");
        }
        if request.method == "GET" && !request.body.is_empty() {
            complain("a GET with a body".to_owned());
        }
        let path = request.path.clone();
        let of_account = path
            .strip_prefix(&format!("/2010-04-01/Accounts/{ACCOUNT}"))
            .and_then(|path| path.strip_suffix(".json"));
        if let Some(path) = of_account {
            if path != "/Messages" && !request.query.is_empty() {
                complain("parameters where there are none".to_owned());
            }
            return self.of_account(request, path, complain);
        }
        if let (Some(country), "GET") = (path.strip_prefix("/v1/Messaging/Countries/"), &*request.method) {
            return self.country(country);
        }
        if let (Some(number), "GET") = (path.strip_prefix("/v2/PhoneNumbers/"), &*request.method) {
            only("parameter", &request.query, &["Fields"], complain);
            let mut found = json!({ "phone_number": number, "valid": is_e164(number), "country_code": "US",
                "validation_errors": [], "line_type_intelligence": null, "sms_pumping_risk": null });
            if request.parameter("Fields").is_some_and(|fields| fields.contains("line_type_intelligence")) {
                found["line_type_intelligence"] = json!({ "type": "mobile", "carrier_name": "A carrier" });
            }
            return Reply::json(200, found);
        }
        complain(format!("no such page: {} {path}", request.method));
        error(404, 20_404, "The requested resource was not found")
    }
}
