//! A gateway that nobody has: JSON, a key in a header, signed webhooks. The settings by which the HTTP provider
//! speaks to it stand in docs/PROVIDERS.md, as the worked example.

use serde_json::{Value, json};

use super::{Reply, Seen, Vendor};

pub const KEY: &str = "canary-gateway-key-5d1e";
pub const WEBHOOK_KEY: &str = "canary-gateway-hook-77ab";

/// What a segment costs, in millionths.
const PRICE: i64 = 50_000;

/// A message that it took.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub to: String,
    pub from: String,
    pub text: String,
    pub reference: String,
    pub report_to: Option<String>,
    pub parts: i64,
}

/// The gateway.
pub struct Gateway {
    pub messages: Vec<Message>,
    pub balance_micros: i64,
    /// What a message becomes when it is looked up, and why.
    pub fate: (&'static str, Value),
}

impl Default for Gateway {
    fn default() -> Self {
        Self { messages: Vec::new(), balance_micros: 100_000_000, fate: ("delivered", Value::Null) }
    }
}

fn decimal(micros: i64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn error(status: u16, code: i64, words: &str) -> Reply {
    Reply::json(status, json!({ "code": code, "error": words }))
}

impl Gateway {
    /// To whom texts really went, in order.
    pub fn recipients(&self) -> Vec<String> {
        self.messages.iter().map(|message| message.to.clone()).collect()
    }

    fn shown(message: &Message, state: &str, reason: &Value) -> Value {
        json!({ "id": message.id, "to": message.to, "state": state, "parts": message.parts, "reason": reason,
            "price": decimal(PRICE * message.parts), "currency": "USD" })
    }

    fn send(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let Some(Value::Object(body)) = request.json() else {
            complain("the body is no JSON object".to_owned());
            return error(400, 10, "no JSON");
        };
        let known = ["to", "from", "text", "ref", "parts", "report_to"];
        body.keys().filter(|name| !known.contains(&name.as_str())).for_each(|name| {
            complain(format!("there is no field {name}"));
        });
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let to = text("to");
        if !to.starts_with('+') || to.len() < 8 {
            complain("`to` is no number".to_owned());
            return error(400, 11, "no such number");
        }
        if text("text").is_empty() || text("from").is_empty() || text("ref").is_empty() {
            complain("a field is missing".to_owned());
        }
        if request.header("x-request-ref") != Some(text("ref").as_str()) {
            complain("the header has another reference than the body".to_owned());
        }
        let Some(parts) = body.get("parts").and_then(Value::as_i64).filter(|parts| *parts > 0) else {
            complain("`parts` is no number".to_owned());
            return error(400, 10, "no parts");
        };
        let report_to = body.get("report_to").map(|url| url.as_str().unwrap_or_default().to_owned());
        if report_to.as_ref().is_some_and(|url| !url.starts_with("https://")) {
            complain("`report_to` is no address".to_owned());
        }
        self.balance_micros -= PRICE * parts;
        let message = Message {
            id: format!("gw-{}", self.messages.len() + 1),
            to,
            from: text("from"),
            text: text("text"),
            reference: text("ref"),
            report_to,
            parts,
        };
        let shown = Self::shown(&message, "queued", &Value::Null);
        self.messages.push(message);
        Reply::json(200, json!({ "code": 0, "message": shown }))
    }
}

impl Vendor for Gateway {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.header("x-api-key") != Some(KEY) {
            return error(401, 1, "no such key");
        }
        if !request.query.is_empty() || request.header("authorization").is_some() {
            complain("a query, or another header that shows who asks".to_owned());
        }
        let path = request.path.clone();
        match (request.method.as_str(), path.strip_prefix("/v1/").unwrap_or_default()) {
            ("POST", "messages") => self.send(request, complain),
            ("GET", "balance") => Reply::json(
                200,
                json!({ "code": 0, "amount": decimal(self.balance_micros), "currency": "USD" }),
            ),
            ("GET", path) if path.starts_with("messages/") => {
                let id = &path["messages/".len()..];
                let (state, reason) = &self.fate;
                match self.messages.iter().find(|message| message.id == id) {
                    Some(message) => {
                        Reply::json(200, json!({ "code": 0, "message": Self::shown(message, state, reason) }))
                    }
                    None => error(404, 4, "no such message"),
                }
            }
            _ => {
                complain(format!("no such page: {} {path}", request.method));
                error(404, 4, "no such page")
            }
        }
    }
}
