//! Infobip as its documentation has it (SMS API v3): strict about who asks, every path, parameter and field.
//! A message's id is its sender's and unique. What becomes of a text is under the test's control.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Reply, Seen, Vendor};

pub const KEY: &str = "canary-infobip-key-51ce0b";
pub const FROM: &str = "447700900123";

/// What a segment costs, in millionths.
const PRICE: i64 = 51_200;

/// A message that it took.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub to: String,
    pub sender: String,
    pub text: String,
    pub report_url: Option<String>,
    /// Group and id of its status.
    pub status: (u64, u64),
}

/// The vendor.
pub struct Infobip {
    pub messages: Vec<Message>,
    /// What was refused for an id that was there: the log has it too.
    pub duplicates: Vec<Message>,
    pub balance_micros: i64,
    /// What the log says of each message.
    pub fate: (u64, u64),
    /// What a message of this recipient is answered with, in place of being taken.
    pub verdicts: BTreeMap<String, (u64, u64)>,
    /// Whether the log has nothing, as in its first moments.
    pub lags: bool,
}

impl Default for Infobip {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            duplicates: Vec::new(),
            balance_micros: 300_000_000,
            fate: (3, 5),
            verdicts: BTreeMap::new(),
            lags: false,
        }
    }
}

/// A status as Infobip writes it.
pub fn status((group, id): (u64, u64)) -> Value {
    let names = ["ACCEPTED", "PENDING", "UNDELIVERABLE", "DELIVERED", "EXPIRED", "REJECTED"];
    let name = names.get(group as usize).copied().unwrap_or("NEW");
    json!({ "groupId": group, "groupName": name, "id": id, "name": format!("{name}_{id}"),
        "description": "words of the vendor about +15550001111" })
}

fn error(status: u16, code: &str, words: &str) -> Reply {
    Reply::json(
        status,
        json!({ "errorCode": code, "description": words, "action": "Check the request.", "violations": [] }),
    )
}

fn is_digits(number: &str) -> bool {
    (3..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}

impl Infobip {
    /// To whom texts really went, in order.
    pub fn recipients(&self) -> Vec<String> {
        self.messages.iter().map(|message| format!("+{}", message.to)).collect()
    }

    /// A message as the log and the reports show it.
    pub fn shown(message: &Message) -> Value {
        json!({ "bulkId": "b-1", "messageId": message.id, "to": message.to, "sender": message.sender,
            "sentAt": "2026-11-22T10:15:00.250+0000", "doneAt": "2026-11-22T10:15:03.500+0000",
            "messageCount": 1, "mccMnc": "23410",
            "price": { "pricePerMessage": PRICE as f64 / 1e6, "currency": "EUR" },
            "status": status(message.status),
            "error": { "groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": false } })
    }

    fn send(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let Some(Value::Object(body)) = request.json() else {
            complain("the body is no JSON object".to_owned());
            return error(400, "E400", "Request cannot be processed.");
        };
        body.keys().filter(|name| !["messages", "options"].contains(&name.as_str())).for_each(|name| {
            complain(format!("there is no field {name}"));
        });
        if body.get("options") != Some(&json!({ "includeSmsCountInResponse": true })) {
            complain("options that nobody wants".to_owned());
        }
        let empty = Vec::new();
        let messages = body.get("messages").and_then(Value::as_array).unwrap_or(&empty);
        if messages.is_empty() {
            complain("no message".to_owned());
            return error(400, "E400", "Request cannot be processed.");
        }
        let verdicts: Vec<Value> = messages.iter().map(|message| self.take(message, complain)).collect();
        Reply::json(200, json!({ "bulkId": "b-1", "messages": verdicts }))
    }

    /// The verdict on one message.
    fn take(&mut self, message: &Value, complain: &mut dyn FnMut(String)) -> Value {
        for name in message.as_object().into_iter().flat_map(|fields| fields.keys()) {
            if !["sender", "destinations", "content", "webhooks"].contains(&name.as_str()) {
                complain(format!("there is no field messages[].{name}"));
            }
        }
        let text =
            |place: &str| message.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned();
        let one = Message {
            id: text("/destinations/0/messageId"),
            to: text("/destinations/0/to"),
            sender: text("/sender"),
            text: text("/content/text"),
            report_url: message
                .pointer("/webhooks/delivery/url")
                .map(|url| url.as_str().unwrap_or_default().to_owned()),
            status: (1, 26),
        };
        let is_one = message.pointer("/destinations").and_then(Value::as_array).map(Vec::len) == Some(1);
        if !is_one || !is_digits(&one.to) || one.id.is_empty() || one.id.len() > 200 {
            complain("not one destination in digits with an id".to_owned());
        }
        if one.text.is_empty() || one.text.len() > 4_000 || one.sender.is_empty() || one.sender.len() > 15 {
            complain("a text or a sender that is none".to_owned());
        }
        if one.report_url.as_ref().is_some_and(|url| !url.starts_with("https://"))
            || (one.report_url.is_some() && text("/webhooks/contentType") != "application/json")
        {
            complain("reports to nowhere, or in another form".to_owned());
        }
        let verdict = if self.messages.iter().any(|message| message.id == one.id) {
            self.duplicates.push(Message { status: (5, 23), ..one.clone() });
            (5, 23)
        } else if let Some(verdict) = self.verdicts.get(&one.to) {
            *verdict
        } else {
            self.balance_micros -= PRICE;
            self.messages.push(one.clone());
            (1, 26)
        };
        json!({ "messageId": one.id, "destination": one.to, "status": status(verdict),
            "details": { "messageCount": 1 } })
    }

    fn log(&self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        for (name, _) in &request.query {
            if !["messageId", "to", "limit", "bulkId", "sentSince"].contains(&name.as_str()) {
                complain(format!("there is no parameter {name}"));
            }
        }
        let limit: usize = request.parameter("limit").map_or(50, |limit| limit.parse().unwrap());
        if !(1..=1_000).contains(&limit) {
            complain("no such limit".to_owned());
        }
        let fits = |message: &&Message| {
            request.parameter("messageId").is_none_or(|ids| ids.split(',').any(|id| id == message.id))
                && request.parameter("to").is_none_or(|to| to == message.to)
        };
        // The refusals of second messages come first, as what happened last.
        let taken = self.messages.iter().map(|message| Message { status: self.fate, ..message.clone() });
        let all: Vec<Message> = self.duplicates.iter().cloned().chain(taken).collect();
        let all = all.iter().filter(fits).filter(|_| !self.lags).take(limit);
        Reply::json(200, json!({ "results": all.map(Self::shown).collect::<Vec<_>>() }))
    }
}

impl Vendor for Infobip {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.header("authorization") != Some(&format!("App {KEY}")) {
            return Reply::json(
                401,
                json!({ "requestError": { "serviceException": { "messageId": "UNAUTHORIZED",
                    "text": "Invalid login details" } } }),
            );
        }
        if request.method == "GET" && !request.body.is_empty() {
            complain("a GET with a body".to_owned());
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/sms/3/messages") => self.send(request, complain),
            ("GET", "/sms/3/logs") => self.log(request, complain),
            ("GET", "/account/1/balance") => {
                Reply::json(200, json!({ "balance": self.balance_micros as f64 / 1e6, "currency": "EUR" }))
            }
            ("POST", "/sms/1/preview") => {
                let body = request.json().unwrap_or_default();
                let text = body["text"].as_str().unwrap_or_default();
                if text.is_empty() {
                    complain("a preview of nothing".to_owned());
                }
                Reply::json(
                    200,
                    json!({ "originalText": text, "previews": [{ "textPreview": text, "messageCount": 1,
                        "charactersRemaining": 160 - text.len() }] }),
                )
            }
            ("POST", "/number/1/query") => {
                let body = request.json().unwrap_or_default();
                let to = body["to"].as_array().cloned().unwrap_or_default();
                if to.is_empty() || !to.iter().all(|one| one.as_str().is_some_and(is_digits)) {
                    complain("a look-up of no number".to_owned());
                }
                Reply::json(200, json!({ "results": [{ "to": to[0], "status": status((3, 5)) }] }))
            }
            (method, path) => {
                complain(format!("no such page: {method} {path}"));
                error(404, "E404", "Requested URL not found")
            }
        }
    }
}
