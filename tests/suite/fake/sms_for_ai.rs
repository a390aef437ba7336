//! A fake of SMS for AI, as <https://www.smsforai.com/docs/api> describes it.

use serde_json::{Value, json};

use super::{Reply, Seen, Vendor};

/// The token that it knows.
pub const TOKEN: &str = "smsai_test-token";

/// Entries of one page of a list.
const PER_PAGE: usize = 2;

/// A message that it took.
pub struct Message {
    pub id: u64,
    pub to: String,
    pub body: String,
    pub sender_id: Option<String>,
    pub status: &'static str,
    pub price_micros: i64,
}

/// The vendor's state, and which of the two documented answers it gives.
pub struct SmsForAi {
    pub permissions: Vec<&'static str>,
    pub credits_micros: i64,
    /// Dialling codes and prices in millionths of a dollar.
    pub countries: Vec<(&'static str, &'static str, Value)>,
    pub messages: Vec<Message>,
    /// Answers below `sms`, as the samples read it, and not flat, as the page shows it.
    pub is_nested: bool,
    /// What a message becomes when it is looked up.
    pub fate: &'static str,
}

impl Default for SmsForAi {
    fn default() -> Self {
        Self {
            permissions: vec!["sms:send", "sms:read", "balance:read"],
            credits_micros: 12_345_678,
            countries: vec![
                ("US", "+1", json!(0.01)),
                ("FR", "+33", json!("0.065")),
                ("BS", "+1 242", json!(0.2)),
            ],
            messages: Vec::new(),
            is_nested: false,
            fate: "delivered",
        }
    }
}

/// A decimal text, which serde_json then writes as a number.
fn dollars(micros: i64) -> Value {
    serde_json::from_str(&format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)).unwrap()
}

fn micros(price: &Value) -> i64 {
    let text = price.as_str().map_or_else(|| price.to_string(), str::to_owned);
    (text.parse::<f64>().unwrap() * 1e6).round() as i64
}

impl SmsForAi {
    fn shown(&self, message: &Message) -> Value {
        json!({
            "id": message.id,
            "status": message.status,
            "to": message.to,
            "price_usd": dollars(message.price_micros),
            "nvia_message_id": format!("nvia-{}", message.id),
        })
    }

    fn send(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let Some(Value::Object(body)) = request.json() else {
            complain("the body is no JSON object".to_owned());
            return Reply::json(
                422,
                json!({ "message": "The to field is required.", "errors": { "to": ["The to field is required."] } }),
            );
        };
        for name in body.keys() {
            if !["to", "body", "sender_id", "include_conversion_url"].contains(&name.as_str()) {
                complain(format!("there is no field {name}"));
            }
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (to, text, sender_id) = (
            text("to"),
            text("body"),
            body.get("sender_id").map(|id| id.as_str().unwrap_or_default().to_owned()),
        );
        if !(to.starts_with('+') && to.len() > 7 && to[1..].bytes().all(|byte| byte.is_ascii_digit())) {
            complain("`to` is not E.164".to_owned());
        }
        if text.is_empty() || text.chars().count() > 1_600 {
            complain("`body` must have 1 to 1600 characters".to_owned());
        }
        if sender_id.as_deref() == Some("") {
            complain("`sender_id` must be a text".to_owned());
        }
        let rate = self
            .countries
            .iter()
            .map(|(_, code, price)| (code.replace(' ', ""), price))
            .filter(|(code, _)| to.starts_with(code));
        let Some((_, price)) = rate.max_by_key(|(code, _)| code.len()) else {
            return Reply::json(
                422,
                json!({ "message": "Unsupported.", "errors": { "to": ["Unsupported."] } }),
            );
        };
        let price_micros = micros(price) * i64::try_from(text.chars().count().div_ceil(160)).unwrap();
        if self.credits_micros < price_micros {
            return Reply::json(402, json!({ "message": "Insufficient credits." }));
        }
        self.credits_micros -= price_micros;
        let id = self.messages.len() as u64 + 41;
        self.messages.push(Message { id, to, body: text, sender_id, status: "sent", price_micros });
        let shown = self.shown(&self.messages[self.messages.len() - 1]);
        Reply::json(
            200,
            if self.is_nested {
                json!({ "sms": shown, "balance": dollars(self.credits_micros) })
            } else {
                shown
            },
        )
    }

    fn list(&self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        for (name, value) in &request.query {
            match name.as_str() {
                "status" if ["sent", "delivered", "failed"].contains(&value.as_str()) => {}
                "page" if value.parse::<u32>().is_ok_and(|page| page > 0) => {}
                _ => complain(format!("there is no parameter {name}={value}")),
            }
        }
        let page: usize = request.parameter("page").map_or(1, |page| page.parse().unwrap());
        let wanted = request.parameter("status");
        let found: Vec<Value> = self
            .messages
            .iter()
            .rev()
            .filter(|message| wanted.is_none_or(|status| message.status == status))
            .map(|message| {
                let mut shown = self.shown(message);
                shown["body"] = json!(message.body);
                shown["created_at"] = json!("2026-11-22T10:15:00.000000Z");
                shown
            })
            .collect();
        let last = found.len().div_ceil(PER_PAGE).max(1);
        let next = (page < last).then(|| format!("https://www.smsforai.com/api/v1/sms?page={}", page + 1));
        Reply::json(
            200,
            json!({
                "data": found.iter().skip((page - 1) * PER_PAGE).take(PER_PAGE).collect::<Vec<_>>(),
                "links": { "first": "https://www.smsforai.com/api/v1/sms?page=1", "prev": null, "next": next },
                "meta": { "current_page": page, "last_page": last, "per_page": PER_PAGE, "total": found.len() },
            }),
        )
    }

    fn look_up(&mut self, id: &str) -> Reply {
        let fate = self.fate;
        let Some(at) = self.messages.iter().position(|message| message.id.to_string() == id) else {
            return Reply::json(404, json!({ "message": "Not found." }));
        };
        self.messages[at].status = fate;
        let shown = self.shown(&self.messages[at]);
        Reply::json(200, if self.is_nested { json!({ "sms": shown }) } else { shown })
    }

    fn permit(&self, permission: &str) -> Option<Reply> {
        let is_permitted = self.permissions.contains(&permission);
        (!is_permitted)
            .then(|| Reply::json(403, json!({ "message": "Token lacks the required permission." })))
    }
}

impl Vendor for SmsForAi {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.header("accept") != Some("application/json") {
            complain("no `Accept: application/json`: an error would come as HTML".to_owned());
        }
        if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return Reply::json(401, json!({ "message": "Unauthenticated." }));
        }
        let Some(path) = request.path.strip_prefix("/api/v1/") else {
            complain("no such page".to_owned());
            return Reply::empty(404);
        };
        if request.method == "GET" && !request.body.is_empty() {
            complain("a GET with a body".to_owned());
        }
        if !request.query.is_empty() && path != "sms" {
            complain("parameters where there are none".to_owned());
        }
        match (request.method.as_str(), path) {
            ("GET", "me") => Reply::json(
                200,
                json!({
                    "token": { "id": 1, "name": "My Agent", "permissions": self.permissions },
                    "user": { "name": "Alice", "email": "alice@example.com", "credits": dollars(self.credits_micros) },
                }),
            ),
            ("GET", "balance") => self
                .permit("balance:read")
                .unwrap_or_else(|| Reply::json(200, json!({ "credits_usd": dollars(self.credits_micros) }))),
            ("GET", "countries") => {
                let entry = |(country, code, price): &(&str, &str, Value)| {
                    json!({ "country_code": country,
                    "country_name": country, "dial_code": code, "price_usd": price })
                };
                Reply::json(200, self.countries.iter().map(entry).collect())
            }
            ("POST", "sms/send") => self.permit("sms:send").unwrap_or_else(|| self.send(request, complain)),
            ("GET", "sms") => self.permit("sms:read").unwrap_or_else(|| self.list(request, complain)),
            ("GET", path) if path.starts_with("sms/") => {
                self.permit("sms:read").unwrap_or_else(|| self.look_up(&path[4..]))
            }
            _ => {
                complain("no such page".to_owned());
                Reply::empty(404)
            }
        }
    }
}
