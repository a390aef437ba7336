//! SMS Gateway for Android as its pages and its source have it: the cloud below `/3rdparty/v1`, and the phone
//! itself at the root. Strict about who asks, every path, parameter and field; a message's id is its sender's
//! and unique. What becomes of a text is under the test's control.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Reply, Seen, Vendor};

pub const USER: &str = "XG7HJK";
pub const PASSWORD: &str = "canary-phone-pass-7c1d";
pub const TOKEN: &str = "canary.phone.jwt-90b2";
pub const DEVICE: &str = "yVULogr4Y1ksRfnos1Dsw";

/// The path of the cloud.
pub const CLOUD: &str = "/3rdparty/v1";

/// A message that it took.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub to: String,
    pub state: &'static str,
    pub error: Option<&'static str>,
}

/// The vendor.
pub struct SmsGateway {
    pub messages: Vec<Message>,
    /// What a message becomes when it is looked up, and why.
    pub fate: (&'static str, Option<&'static str>),
    /// Id, event and address.
    pub webhooks: Vec<(String, String, String)>,
    /// Whether nothing is found, as before the cloud has written it down.
    pub lags: bool,
}

impl Default for SmsGateway {
    fn default() -> Self {
        Self { messages: Vec::new(), fate: ("Delivered", None), webhooks: Vec::new(), lags: false }
    }
}

fn error(status: u16, words: &str) -> Reply {
    Reply::json(status, json!({ "message": words }))
}

impl SmsGateway {
    /// To whom texts really went, in order.
    pub fn recipients(&self) -> Vec<String> {
        self.messages.iter().map(|message| message.to.clone()).collect()
    }

    /// A message as it is shown.
    pub fn shown(message: &Message) -> Value {
        let mut recipient = json!({ "phoneNumber": message.to, "state": message.state });
        if let Some(error) = message.error {
            recipient["error"] = json!(error);
        }
        json!({ "id": message.id, "deviceId": DEVICE, "state": message.state, "isHashed": false,
            "isEncrypted": false, "recipients": [recipient],
            "states": { "Pending": "2026-11-22T10:15:00.250Z", message.state: "2026-11-22T10:15:03.500Z" } })
    }

    fn send(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.query != [("skipPhoneValidation".to_owned(), "true".to_owned())] {
            complain("parameters of no send".to_owned());
        }
        let Some(Value::Object(body)) = request.json() else {
            complain("the body is no JSON object".to_owned());
            return error(400, "invalid request");
        };
        let known = [
            "id",
            "phoneNumbers",
            "textMessage",
            "withDeliveryReport",
            "isEncrypted",
            "ttl",
            "simNumber",
            "deviceId",
        ];
        body.keys().filter(|name| !known.contains(&name.as_str())).for_each(|name| {
            complain(format!("there is no field {name}"));
        });
        let get = |name: &str| body.get(name).cloned().unwrap_or(Value::Null);
        let id = get("id").as_str().unwrap_or_default().to_owned();
        let text = get("textMessage")["text"].as_str().unwrap_or_default().to_owned();
        let to = match get("phoneNumbers").as_array().map(Vec::as_slice) {
            Some([one]) => one.as_str().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        if id.is_empty() || id.len() > 36 || text.is_empty() || !to.starts_with('+') {
            complain("not one number with a text and an id of 36 characters at most".to_owned());
            return error(400, "invalid request");
        }
        if get("withDeliveryReport") != true || get("isEncrypted") != false {
            complain("without its reports, or encrypted".to_owned());
        }
        if self.messages.iter().any(|message| message.id == id) {
            return error(409, "message with this ID already exists");
        }
        if get("deviceId") == "absent" {
            return error(400, "device not found");
        }
        let message = Message { id, to, state: "Pending", error: None };
        let shown = Self::shown(&message);
        self.messages.push(message);
        Reply::json(202, shown)
    }

    fn look_up(&mut self, id: &str) -> Reply {
        let (state, error_of) = self.fate;
        match self.messages.iter_mut().find(|message| message.id == id).filter(|_| !self.lags) {
            Some(message) => {
                (message.state, message.error) = (state, error_of);
                Reply::json(200, Self::shown(message))
            }
            None => error(404, "message not found"),
        }
    }

    fn hook(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let body = request.json().unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (id, event, url) = (text("id"), text("event"), text("url"));
        if !["sms:sent", "sms:delivered", "sms:failed", "sms:received"].contains(&event.as_str())
            || !url.starts_with("https://")
            || id.is_empty()
        {
            complain("no such webhook".to_owned());
            return error(400, "invalid request");
        }
        self.webhooks.retain(|(known, ..)| *known != id);
        self.webhooks.push((id, event, url));
        Reply::json(201, body)
    }
}

impl Vendor for SmsGateway {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let in_cloud = request.path.strip_prefix(CLOUD);
        let user = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        let token = format!("Bearer {TOKEN}");
        let shown = request.header("authorization").unwrap_or_default();
        if shown != user && !(in_cloud.is_some() && shown == token) {
            return error(401, "Unauthorized");
        }
        if request.method == "GET" && !request.body.is_empty() {
            complain("a GET with a body".to_owned());
        }
        let path = in_cloud.unwrap_or(&request.path).to_owned();
        match (request.method.as_str(), path.as_str()) {
            ("POST", "/messages") => self.send(request, complain),
            ("GET", "/messages") => {
                for (name, _) in &request.query {
                    if !["state", "limit", "offset"].contains(&name.as_str()) {
                        complain(format!("there is no parameter {name}"));
                    }
                }
                Reply::json(200, self.messages.iter().rev().map(Self::shown).collect())
            }
            ("GET", path) if path.starts_with("/messages/") => self.look_up(&path["/messages/".len()..]),
            ("GET", "/webhooks") => {
                let shown = |(id, event, url): &(String, String, String)| {
                    json!({ "id": id, "event": event, 
                    "url": url })
                };
                Reply::json(200, self.webhooks.iter().map(shown).collect())
            }
            ("POST", "/webhooks") => self.hook(request, complain),
            ("DELETE", path) if path.starts_with("/webhooks/") => {
                let id = &path["/webhooks/".len()..];
                self.webhooks.retain(|(known, ..)| known != id);
                Reply::empty(204)
            }
            (method, path) => {
                complain(format!("no such page: {method} {path}"));
                error(404, "not found")
            }
        }
    }
}
