//! Telnyx as its documentation has it (API v2): strict about who asks, every path, parameter and field. What
//! becomes of a text is under the test's control.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Reply, Seen, Vendor};

pub const KEY: &str = "KEY-canary-telnyx-90a1f7";
pub const FROM: &str = "+15557654321";
pub const NAME: &str = "ACME";
pub const PROFILE: &str = "16fd2706-8baf-433b-82eb-8c7fada847da";

/// What a segment costs, in millionths.
const PRICE: i64 = 5_100;

/// A message that it took.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub to: String,
    pub from: String,
    pub text: String,
    pub status: &'static str,
    pub webhook_url: Option<String>,
    pub errors: Value,
}

/// The vendor.
pub struct Telnyx {
    pub messages: Vec<Message>,
    /// What was answered under which key, with the body that was asked with.
    keys: BTreeMap<String, (Vec<u8>, Value)>,
    pub balance_micros: i64,
    /// What a message becomes when it is looked up, and its errors.
    pub fate: (&'static str, Value),
    /// Who wants no more texts.
    pub opted_out: BTreeSet<String>,
    /// How many of them are on a page, whatever is asked for.
    pub page_size: usize,
    /// Whether a page says how many there are.
    pub counts_pages: bool,
    /// The page that cannot be read.
    pub broken_page: Option<usize>,
}

impl Default for Telnyx {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            keys: BTreeMap::new(),
            balance_micros: 300_000_000,
            fate: ("delivered", json!([])),
            opted_out: BTreeSet::new(),
            page_size: 2,
            counts_pages: true,
            broken_page: None,
        }
    }
}

fn decimal(micros: i64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn error(status: u16, code: &str, title: &str) -> Reply {
    Reply::json(
        status,
        json!({ "errors": [{ "code": code, "title": title, "detail": "more words",
            "source": { "pointer": "/to" } }] }),
    )
}

fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

impl Telnyx {
    /// To whom texts really went, in order.
    pub fn recipients(&self) -> Vec<String> {
        self.messages.iter().map(|message| message.to.clone()).collect()
    }

    /// A message as Telnyx shows it.
    pub fn shown(message: &Message) -> Value {
        let cost = if message.status == "queued" {
            Value::Null
        } else {
            json!({ "amount": decimal(PRICE), "currency": "USD" })
        };
        json!({
            "record_type": "message", "direction": "outbound", "id": message.id, "type": "SMS",
            "from": { "phone_number": message.from, "carrier": "Telnyx", "line_type": "Wireless" },
            "to": [{ "phone_number": message.to, "status": message.status, "carrier": "A carrier",
                "line_type": "Wireless" }],
            "text": message.text, "parts": 1, "encoding": "GSM-7", "cost": cost, "errors": message.errors,
            "received_at": "2026-11-22T10:15:00.250Z", "sent_at": null, "completed_at": null,
        })
    }

    fn send(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let Some(Value::Object(body)) = request.json() else {
            complain("the body is no JSON object".to_owned());
            return error(400, "10015", "Bad Request");
        };
        let known = ["to", "from", "messaging_profile_id", "text", "use_profile_webhooks", "webhook_url"];
        body.keys().filter(|name| !known.contains(&name.as_str())).for_each(|name| {
            complain(format!("there is no field {name}"));
        });
        let Some(key) = request.header("idempotency-key").map(str::to_owned) else {
            complain("no Idempotency-Key".to_owned());
            return error(400, "10015", "Bad Request");
        };
        let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"_:-".contains(&byte);
        if key.is_empty() || key.len() > 255 || !key.bytes().all(is_key) {
            complain(format!("no key: {key}"));
        }
        if let Some((asked, answered)) = self.keys.get(&key) {
            return match *asked == request.body {
                true => Reply::json(200, answered.clone()),
                false => error(422, "10027", "The key was used with another body"),
            };
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (to, from, words) = (text("to"), text("from"), text("text"));
        if !is_e164(&to) {
            complain("`to` is not E.164".to_owned());
            return error(400, "10002", "Invalid phone number");
        }
        if words.is_empty() || words.chars().count() > 1_600 {
            complain("`text` must have 1 to 1600 characters".to_owned());
        }
        if from == NAME && text("messaging_profile_id") != PROFILE {
            complain("a name without its messaging profile".to_owned());
        }
        if ![FROM, NAME].contains(&from.as_str()) {
            return error(400, "40305", "Invalid 'from' address");
        }
        let webhook_url = body.get("webhook_url").map(|url| url.as_str().unwrap_or_default().to_owned());
        let is_own = body.get("use_profile_webhooks") == Some(&json!(false));
        if webhook_url.as_ref().is_some_and(|url| !url.starts_with("https://") || !is_own) {
            complain("an address for reports beside those of the profile".to_owned());
        }
        if self.opted_out.contains(&to) {
            return error(400, "40300", "Blocked due to STOP message");
        }
        self.balance_micros -= PRICE;
        let id = format!("40385f64-5717-4562-b3fc-{:012x}", self.messages.len() + 0x2c96);
        let errors = json!([]);
        self.messages.push(Message { id, to, from, text: words, status: "queued", webhook_url, errors });
        let answer = json!({ "data": Self::shown(&self.messages[self.messages.len() - 1]) });
        self.keys.insert(key, (request.body.clone(), answer.clone()));
        Reply::json(200, answer)
    }

    fn look_up(&mut self, id: &str) -> Reply {
        let (status, errors) = self.fate.clone();
        let Some(message) = self.messages.iter_mut().find(|message| message.id == id) else {
            return error(404, "10005", "Resource not found");
        };
        (message.status, message.errors) = (status, errors);
        Reply::json(200, json!({ "data": Self::shown(message) }))
    }

    fn opt_outs(&self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        for (name, _) in &request.query {
            if !["filter[messaging_profile_id]", "page[number]", "page[size]"].contains(&name.as_str()) {
                complain(format!("there is no parameter {name}"));
            }
        }
        if request.parameter("filter[messaging_profile_id]") != Some(PROFILE) {
            complain("opt-outs of no profile".to_owned());
        }
        let page = request.parameter("page[number]").map_or(1, |page| page.parse::<usize>().unwrap());
        if self.broken_page == Some(page) {
            return error(500, "10007", "Unexpected error");
        }
        let entries: Vec<Value> = self
            .opted_out
            .iter()
            .skip((page - 1) * self.page_size)
            .take(self.page_size)
            .map(|number| {
                json!({ "from": FROM, "to": number, "keyword": "STOP", "messaging_profile_id": PROFILE,
                    "created_at": "2026-11-22T10:15:00Z" })
            })
            .collect();
        let total = self.opted_out.len().div_ceil(self.page_size);
        let meta =
            if self.counts_pages { json!({ "page_number": page, "total_pages": total }) } else { json!({}) };
        Reply::json(200, json!({ "data": entries, "meta": meta }))
    }
}

impl Vendor for Telnyx {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.header("authorization") != Some(&format!("Bearer {KEY}")) {
            return error(401, "10009", "Authentication failed");
        }
        if request.method == "GET" && !request.body.is_empty() {
            complain("a GET with a body".to_owned());
        }
        let path = request.path.clone();
        match (request.method.as_str(), path.strip_prefix("/v2/").unwrap_or_default()) {
            ("POST", "messages") => self.send(request, complain),
            ("GET", "balance") => Reply::json(
                200,
                json!({ "data": { "balance": decimal(self.balance_micros), "available_credit": "400.00",
                    "credit_limit": "100.00", "currency": "USD", "pending": "0.00" } }),
            ),
            ("GET", "messaging_optouts") => self.opt_outs(request, complain),
            ("GET", path) if path.starts_with("messages/") => self.look_up(&path["messages/".len()..]),
            ("GET", path) if path.starts_with("number_lookup/") => {
                if request.parameter("type") != Some("carrier") {
                    complain("a look-up of no type".to_owned());
                }
                let number = &path["number_lookup/".len()..];
                Reply::json(
                    200,
                    json!({ "data": { "phone_number": number, "country_code": "US",
                        "carrier": { "name": "A carrier", "type": "mobile" } } }),
                )
            }
            _ => {
                complain(format!("no such page: {} {path}", request.method));
                error(404, "10005", "Resource not found")
            }
        }
    }
}
