//! A fake of A2P Pro, as <https://www.a2ppro.com/api-docs> describes it.

use serde_json::{Map, Value, json};

use super::{Reply, Seen, Vendor};

/// The key that it knows.
pub const KEY: &str = "a2p-test-key";

/// How it answers a request to several recipients: its page does not say.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Array,
    Data,
    Messages,
    /// One object with one id for all.
    Shared,
    /// One object with one id, which does not name the recipients.
    Silent,
}

impl Shape {
    pub const ALL: [Self; 5] = [Self::Array, Self::Data, Self::Messages, Self::Shared, Self::Silent];
}

/// A message that it took.
pub struct Message {
    pub id: String,
    pub to: String,
    pub from: String,
    pub text: String,
    pub callback_url: Option<String>,
    pub status: &'static str,
}

/// The vendor's state, and which edition of its page it follows.
pub struct A2pPro {
    pub messages: Vec<Message>,
    pub shape: Shape,
    /// `message_id` for `id`, 200 for 201, no segments: as an older edition of the page has it.
    pub is_old: bool,
    /// What a message becomes when it is looked up.
    pub fate: &'static str,
    /// How many requests with messages it took.
    pub taken: usize,
}

impl Default for A2pPro {
    fn default() -> Self {
        Self { messages: Vec::new(), shape: Shape::Array, is_old: false, fate: "delivered", taken: 0 }
    }
}

fn error(status: u16, code: &str) -> Reply {
    Reply::json(status, json!({ "code": code, "message": format!("the fake says {status}") }))
}

impl A2pPro {
    pub fn recipients(&self) -> Vec<String> {
        self.messages.iter().map(|message| message.to.clone()).collect()
    }

    fn shown(&self, message: &Message) -> Value {
        let mut shown = json!({ "status": message.status, "to": message.to, "from": message.from, "created_at": "2026-11-22T10:15:00Z" });
        shown[if self.is_old { "message_id" } else { "id" }] = json!(message.id);
        if !self.is_old {
            shown["segments"] = json!(message.text.chars().count().div_ceil(160));
        }
        match message.status {
            "delivered" => shown["delivered_at"] = json!("2026-11-22T10:15:07Z"),
            "failed" => shown["error_code"] = json!("absent_subscriber"),
            _ => {}
        }
        shown
    }

    fn send(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let Some(Value::Object(body)) = request.json() else {
            complain("the body is no JSON object".to_owned());
            return error(400, "invalid_request");
        };
        let recipients = self.check(&body, complain);
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let (from, message, callback_url) =
            (text("from").unwrap_or_default(), text("text").unwrap_or_default(), text("callback_url"));
        let is_shared = matches!(self.shape, Shape::Shared | Shape::Silent);
        self.taken += 1;
        let first = self.messages.len();
        for to in &recipients {
            let id = format!("m-{}", if is_shared { first } else { self.messages.len() } + 1);
            let status = if self.is_old { "sent" } else { "queued" };
            self.messages.push(Message {
                id,
                to: to.clone(),
                from: from.clone(),
                text: message.clone(),
                callback_url: callback_url.clone(),
                status,
            });
        }
        let status = if self.is_old { 200 } else { 201 };
        let all: Vec<Value> = self.messages[first..].iter().map(|message| self.shown(message)).collect();
        if body["to"].is_string() {
            return Reply::json(status, all[0].clone());
        }
        Reply::json(status, self.shaped(all, &recipients))
    }

    fn shaped(&self, mut all: Vec<Value>, recipients: &[String]) -> Value {
        match self.shape {
            Shape::Array => json!(all),
            Shape::Data => json!({ "data": all }),
            Shape::Messages => json!({ "messages": all }),
            Shape::Shared => {
                all[0]["to"] = json!(recipients);
                all.swap_remove(0)
            }
            Shape::Silent => {
                all[0].as_object_mut().unwrap().remove("to");
                all.swap_remove(0)
            }
        }
    }

    /// Checks a message's fields; returns the recipients.
    fn check(&self, body: &Map<String, Value>, complain: &mut dyn FnMut(String)) -> Vec<String> {
        for (name, value) in body {
            match name.as_str() {
                "to" => {}
                "from" | "text" if value.as_str().is_some_and(|value| !value.is_empty()) => {}
                "callback_url" if value.as_str().is_some_and(|url| url.starts_with("https://")) => {}
                _ => complain(format!("there is no such field, or not of this type: {name}")),
            }
        }
        for name in ["to", "from", "text"] {
            if !body.contains_key(name) {
                complain(format!("{name} is required"));
            }
        }
        let recipients: Vec<String> = match &body["to"] {
            Value::String(to) => vec![to.clone()],
            Value::Array(all) => all.iter().map(|to| to.as_str().unwrap_or_default().to_owned()).collect(),
            _ => Vec::new(),
        };
        if recipients.is_empty()
            || recipients.iter().any(|to| {
                !to.starts_with('+') || to.len() < 8 || !to[1..].bytes().all(|b| b.is_ascii_digit())
            })
        {
            complain("`to` is not E.164".to_owned());
        }
        recipients
    }

    fn look_up(&mut self, id: &str) -> Reply {
        let fate = self.fate;
        let mut found = Vec::new();
        for message in self.messages.iter_mut().filter(|message| message.id == id) {
            message.status = fate;
            found.push(message.to.clone());
        }
        let Some(first) = self.messages.iter().find(|message| message.id == id) else {
            return error(404, "not_found");
        };
        let mut shown = self.shown(first);
        if found.len() > 1 {
            shown["to"] = json!(found);
        }
        Reply::json(200, shown)
    }
}

impl Vendor for A2pPro {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.header("authorization") != Some(&format!("Bearer {KEY}")) {
            return error(401, "authentication_failed");
        }
        if !request.query.is_empty() {
            complain("parameters where there are none".to_owned());
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/v1/messages") => self.send(request, complain),
            ("GET", path) if path.starts_with("/v1/messages/") => {
                self.look_up(&path["/v1/messages/".len()..])
            }
            _ => {
                complain("no such page".to_owned());
                error(404, "not_found")
            }
        }
    }
}
