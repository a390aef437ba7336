//! The gateways that the HTTP provider knows by name, each as its own pages or library have it: strict about who
//! asks, every path and every field. What becomes of a text is under the test's control.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{Reply, Seen, Vendor};

pub const USER: &str = "canary-user-3b9c";
pub const SECRET: &str = "canary-secret-e41f";

/// What a text costs, in ten-thousandths.
const PRICE: i64 = 350;

/// A message that was taken.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    /// In E.164.
    pub to: String,
    pub from: String,
    pub text: String,
    pub reference: Option<String>,
    pub callback: Option<String>,
}

/// What all of them keep.
#[derive(Default)]
pub struct Book {
    pub messages: Vec<Message>,
    /// The word for a message that is looked up; that of a delivery unless set.
    pub fate: Option<&'static str>,
}

impl Book {
    /// To whom texts really went, in order.
    pub fn recipients(&self) -> Vec<String> {
        self.messages.iter().map(|message| message.to.clone()).collect()
    }

    /// In ten-thousandths.
    fn balance(&self) -> i64 {
        1_000_000 - PRICE * self.messages.len() as i64
    }

    fn find(&self, id: &str) -> Option<&Message> {
        self.messages.iter().find(|message| message.id == id)
    }

    fn take(&mut self, message: Message) -> &Message {
        self.messages.push(message);
        &self.messages[self.messages.len() - 1]
    }
}

fn is_basic(request: &Seen) -> bool {
    let right = format!("Basic {}", STANDARD.encode(format!("{USER}:{SECRET}")));
    request.header("authorization") == Some(right.as_str())
}

fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Complains of names that are not known, and of known ones without a text.
fn only(names: &[&str], given: &[(String, String)], complain: &mut dyn FnMut(String)) {
    for (name, value) in given {
        if !names.contains(&name.as_str()) || value.is_empty() {
            complain(format!("there is no {name}, or it is empty"));
        }
    }
}

/// The texts of a JSON object of these names alone.
fn object(request: &Seen, names: &[&str], complain: &mut dyn FnMut(String)) -> Option<Map<String, Value>> {
    let Some(Value::Object(body)) = request.json() else {
        complain("the body is no JSON object".to_owned());
        return None;
    };
    body.keys().filter(|name| !names.contains(&name.as_str())).for_each(|name| {
        complain(format!("there is no field {name}"));
    });
    Some(body)
}

fn text(body: &Map<String, Value>, name: &str) -> String {
    body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn no_page(request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
    complain(format!("no such page: {} {}", request.method, request.path));
    Reply::json(404, json!({ "message": "not found" }))
}

fn decimal(amount: i64) -> f64 {
    amount as f64 / 10_000.0
}

/// 46elks.
#[derive(Default)]
pub struct Elks(pub Book);

impl Vendor for Elks {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let plain =
            |status: u16, words: &str| Reply { body: words.as_bytes().to_vec(), ..Reply::empty(status) };
        if !is_basic(request) {
            return plain(401, "API access requires Basic HTTP authentication");
        }
        let path = request.path.as_str();
        let shown = |message: &Message, status: &str| {
            json!({ "id": message.id, "status": status, "from": message.from, "to": message.to,
                "created": "2026-11-22T10:15:00", "parts": 1, "cost": PRICE, "message": message.text,
                "direction": "outgoing" })
        };
        match (request.method.as_str(), path) {
            ("POST", "/a1/sms") => {
                let fields = request.form().unwrap_or_default();
                only(&["from", "to", "message", "whendelivered"], &fields, complain);
                let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, v)| v.clone());
                let to = field("to").unwrap_or_default();
                if !is_e164(&to) {
                    return plain(400, "Missing or invalid key to");
                }
                let (from, said) = (field("from"), field("message"));
                if from.is_none() || said.is_none() {
                    complain("from or message is missing".to_owned());
                }
                let message = Message {
                    id: format!("s{:032x}", self.0.messages.len() + 1),
                    to,
                    from: from.unwrap_or_default(),
                    text: said.unwrap_or_default(),
                    reference: None,
                    callback: field("whendelivered"),
                };
                Reply::json(200, shown(self.0.take(message), "created"))
            }
            ("GET", "/a1/me") => Reply::json(
                200,
                json!({ "currency": "SEK", "balance": self.0.balance(), "id": "u1", "name": "Acme" }),
            ),
            ("GET", path) if path.starts_with("/a1/sms/") => match self.0.find(&path["/a1/sms/".len()..]) {
                Some(message) => Reply::json(200, shown(message, self.0.fate.unwrap_or("delivered"))),
                None => plain(404, "no such message"),
            },
            _ => no_page(request, complain),
        }
    }
}

pub const ACCOUNT: &str = "9900000";
pub const APPLICATION: &str = "93de2206-9669-4e07-948d-329f4b722ee2";

/// Bandwidth.
#[derive(Default)]
pub struct Bandwidth(pub Book);

impl Vendor for Bandwidth {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let error = |status: u16, kind: &str| {
            Reply::json(status, json!({ "type": kind, "description": "its words" }))
        };
        if !is_basic(request) {
            return error(401, "unauthorized");
        }
        if request.path != format!("/api/v2/users/{ACCOUNT}/messages") {
            return no_page(request, complain);
        }
        if request.method == "GET" {
            only(&["messageId", "sourceTn", "limit"], &request.query, complain);
            let found: Vec<Value> = self
                .0
                .messages
                .iter()
                .filter(|message| request.parameter("messageId").is_none_or(|id| message.id == id))
                .map(|message| {
                    json!({ "messageId": message.id, "accountId": ACCOUNT, "sourceTn": message.from,
                        "destinationTn": message.to, "messageStatus": self.0.fate.unwrap_or("DELIVERED"),
                        "messageDirection": "OUTBOUND", "segmentCount": 1,
                        "errorCode": if self.0.fate == Some("FAILED") { json!(4775) } else { Value::Null } })
                })
                .collect();
            return Reply::json(200, json!({ "totalCount": found.len(), "pageInfo": {}, "messages": found }));
        }
        let names = ["applicationId", "to", "from", "text", "tag"];
        let Some(body) = object(request, &names, complain) else { return error(400, "request-validation") };
        let to =
            body.get("to").and_then(|to| to.get(0)).and_then(Value::as_str).unwrap_or_default().to_owned();
        if !is_e164(&to) || text(&body, "text").is_empty() || text(&body, "tag").is_empty() {
            complain("to, text or tag is none".to_owned());
            return error(400, "request-validation");
        }
        if text(&body, "applicationId") != APPLICATION || !is_e164(&text(&body, "from")) {
            return error(400, "request-validation");
        }
        let message = self.0.take(Message {
            id: format!("16{:010}", self.0.messages.len() + 1),
            to,
            from: text(&body, "from"),
            text: text(&body, "text"),
            reference: Some(text(&body, "tag")),
            callback: None,
        });
        Reply::json(
            202,
            json!({ "id": message.id, "time": "2026-11-22T10:15:00Z", "segmentCount": 1, "direction": "out",
                "owner": message.from, "to": [message.to], "from": message.from, "text": message.text,
                "tag": message.reference, "applicationId": APPLICATION }),
        )
    }
}

/// ClickSend.
#[derive(Default)]
pub struct ClickSend(pub Book);

impl Vendor for ClickSend {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let wrapped = |status: u16, code: &str, data: Value| {
            Reply::json(
                status,
                json!({ "http_code": status, "response_code": code, "response_msg": "its words",
                    "data": data }),
            )
        };
        if !is_basic(request) {
            return wrapped(401, "UNAUTHORIZED", Value::Null);
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/v3/sms/send") => {
                let Some(body) = object(request, &["messages"], complain) else {
                    return wrapped(400, "BAD_REQUEST", Value::Null);
                };
                let one = body.get("messages").and_then(Value::as_array).filter(|list| list.len() == 1);
                let Some(Value::Object(one)) = one.and_then(|list| list.first()) else {
                    complain("messages is no list of one".to_owned());
                    return wrapped(400, "BAD_REQUEST", Value::Null);
                };
                let names = ["source", "from", "to", "body", "custom_string"];
                if one.keys().any(|name| !names.contains(&name.as_str()))
                    || names.iter().any(|name| text(one, name).is_empty())
                {
                    complain("a message with other fields, or without one".to_owned());
                }
                let message = Message {
                    id: format!("BF7AD270-{:04}", self.0.messages.len() + 1),
                    to: text(one, "to"),
                    from: text(one, "from"),
                    text: text(one, "body"),
                    reference: Some(text(one, "custom_string")),
                    callback: None,
                };
                if !is_e164(&message.to) {
                    let refused =
                        json!({ "messages": [{ "to": message.to, "status": "INVALID_RECIPIENT" }] });
                    return wrapped(200, "SUCCESS", refused);
                }
                let message = self.0.take(message);
                let shown = json!({ "message_id": message.id, "status": "SUCCESS", "message_parts": 1,
                    "message_price": format!("{:.4}", decimal(PRICE)), "to": message.to,
                    "custom_string": message.reference });
                wrapped(200, "SUCCESS", json!({ "total_price": decimal(PRICE), "messages": [shown] }))
            }
            ("GET", "/v3/account") => {
                wrapped(200, "SUCCESS", json!({ "balance": format!("{:.4}", decimal(self.0.balance())) }))
            }
            ("GET", path) if path.starts_with("/v3/sms/receipts/") => {
                match self.0.find(&path["/v3/sms/receipts/".len()..]) {
                    Some(message) => wrapped(
                        200,
                        "SUCCESS",
                        json!({ "message_id": message.id, "status_code": self.0.fate.unwrap_or("201"),
                            "status_text": "words", "error_code": null, "error_text": null }),
                    ),
                    None => wrapped(404, "NOT_FOUND", Value::Null),
                }
            }
            _ => no_page(request, complain),
        }
    }
}

/// httpSMS.
#[derive(Default)]
pub struct HttpSms(pub Book);

impl Vendor for HttpSms {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let error = |status: u16| Reply::json(status, json!({ "status": "error", "message": "its words" }));
        if request.header("x-api-key") != Some(SECRET) {
            return error(401);
        }
        let shown = |message: &Message, status: &str| {
            json!({ "id": message.id, "request_id": message.reference, "owner": message.from,
                "contact": message.to, "content": message.text, "status": status, "type": "mobile-terminated",
                "failure_reason": if status == "failed" { json!("RESULT_ERROR_NO_SERVICE") } else { Value::Null } })
        };
        let wrapped = |data: Value| json!({ "status": "success", "message": "its words", "data": data });
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/v1/messages/send") => {
                let names = ["from", "to", "content", "request_id"];
                let Some(body) = object(request, &names, complain) else { return error(400) };
                if names.iter().any(|name| text(&body, name).is_empty()) || !is_e164(&text(&body, "from")) {
                    complain("a field is missing, or from is no number".to_owned());
                }
                if !is_e164(&text(&body, "to")) {
                    return error(422);
                }
                let message = self.0.take(Message {
                    id: format!("32343a19-da5e-4b1b-a767-{:012}", self.0.messages.len() + 1),
                    to: text(&body, "to"),
                    from: text(&body, "from"),
                    text: text(&body, "content"),
                    reference: Some(text(&body, "request_id")),
                    callback: None,
                });
                Reply::json(200, wrapped(shown(message, "pending")))
            }
            ("GET", "/v1/messages") => {
                only(&["owner", "contact", "limit"], &request.query, complain);
                Reply::json(200, wrapped(json!([])))
            }
            ("GET", path) if path.starts_with("/v1/messages/") => {
                match self.0.find(&path["/v1/messages/".len()..]) {
                    Some(message) => {
                        Reply::json(200, wrapped(shown(message, self.0.fate.unwrap_or("delivered"))))
                    }
                    None => error(404),
                }
            }
            _ => no_page(request, complain),
        }
    }
}

/// Kannel's smsbox.
#[derive(Default)]
pub struct Kannel(pub Book);

impl Vendor for Kannel {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let plain =
            |status: u16, words: &str| Reply { body: words.as_bytes().to_vec(), ..Reply::empty(status) };
        if (request.method.as_str(), request.path.as_str()) != ("GET", "/cgi-bin/sendsms") {
            return no_page(request, complain);
        }
        let names =
            ["username", "password", "from", "to", "text", "charset", "coding", "dlr-mask", "dlr-url"];
        only(&names, &request.query, complain);
        let field = |name: &str| request.parameter(name).unwrap_or_default().to_owned();
        if field("username") != USER || field("password") != SECRET {
            return plain(403, "Authorization failed for sendsms");
        }
        if field("charset") != "UTF-8" || field("dlr-mask") != "31" {
            complain("charset or dlr-mask is another one".to_owned());
        }
        let coding = if field("text").is_ascii() { "0" } else { "2" };
        if field("coding") != coding {
            complain(format!("coding {} of this text", field("coding")));
        }
        if !is_e164(&field("to")) {
            return plain(400, "Missing receiver number, rejected");
        }
        let message = Message {
            id: String::new(),
            to: field("to"),
            from: field("from"),
            text: field("text"),
            reference: None,
            callback: request.parameter("dlr-url").map(str::to_owned),
        };
        self.0.take(message);
        let words = if self.0.fate == Some("queued") {
            "3: Queued for later delivery"
        } else {
            "0: Accepted for delivery"
        };
        plain(202, words)
    }
}

/// MessageBird.
#[derive(Default)]
pub struct MessageBird(pub Book);

impl Vendor for MessageBird {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let error = |status: u16, code: i64, words: &str| {
            Reply::json(
                status,
                json!({ "errors": [{ "code": code, "description": words, "parameter": null }] }),
            )
        };
        if request.header("authorization") != Some(&format!("AccessKey {SECRET}")) {
            return error(401, 2, "Request not allowed (incorrect access_key)");
        }
        let shown = |message: &Message, status: &str| {
            let number: u64 = message.to.trim_start_matches('+').parse().unwrap();
            json!({ "id": message.id, "originator": message.from, "body": message.text,
                "reference": message.reference,
                "recipients": { "totalCount": 1, "totalSentCount": 1, "items": [
                    { "recipient": number, "status": status, "statusDatetime": "2026-11-22T10:15:00+00:00" }] } })
        };
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/messages") => {
                let names = ["originator", "body", "recipients", "reference", "reportUrl", "datacoding"];
                let Some(body) = object(request, &names, complain) else {
                    return error(422, 9, "no (correct) recipients found");
                };
                let to = format!("+{}", text(&body, "recipients"));
                if !is_e164(&to) {
                    return error(422, 9, "no (correct) recipients found");
                }
                if text(&body, "datacoding") != "auto"
                    || ["originator", "body", "reference"].iter().any(|name| text(&body, name).is_empty())
                {
                    complain("a field is missing, or datacoding loses characters".to_owned());
                }
                let callback = body.get("reportUrl").map(|_| text(&body, "reportUrl"));
                if callback.as_ref().is_some_and(|url| !url.starts_with("https://")) {
                    complain("reportUrl is no address".to_owned());
                }
                let message = self.0.take(Message {
                    id: format!("e8077d80{:024x}", self.0.messages.len() + 1),
                    to,
                    from: text(&body, "originator"),
                    text: text(&body, "body"),
                    reference: Some(text(&body, "reference")),
                    callback,
                });
                Reply::json(201, shown(message, "sent"))
            }
            ("GET", "/balance") => Reply::json(
                200,
                json!({ "payment": "prepaid", "type": "euros", "amount": decimal(self.0.balance()) }),
            ),
            ("GET", path) if path.starts_with("/messages/") => match self.0.find(&path["/messages/".len()..])
            {
                Some(message) => Reply::json(200, shown(message, self.0.fate.unwrap_or("delivered"))),
                None => error(404, 20, "message not found"),
            },
            _ => no_page(request, complain),
        }
    }
}
