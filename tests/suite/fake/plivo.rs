//! Plivo as its documentation has it: the API of version 1 and the look-up, strict about who asks, every path,
//! parameter and field. What becomes of a text is under the test's control.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Reply, Seen, Vendor};

pub const ID: &str = "MA0123456789ABCDEF01";
/// The token of the vectors.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub const FROM: &str = "+14152223333";
pub const NAME: &str = "ACME";
pub const POWERPACK: &str = "86bbb125-97bb-4d72-89fd-81d5c515b015";

/// What a segment costs, in millionths.
const PRICE: i64 = 3_500;

/// A message that it took.
#[derive(Clone, Debug)]
pub struct Message {
    pub uuid: String,
    pub to: String,
    pub from: String,
    pub text: String,
    pub state: &'static str,
    pub error_code: &'static str,
    pub url: Option<String>,
    /// When it was taken, as Plivo writes it.
    pub time: String,
    pub direction: &'static str,
}

/// The vendor.
pub struct Plivo {
    pub messages: Vec<Message>,
    pub credit_micros: i64,
    /// What a message becomes when it is looked up, and its code.
    pub fate: (&'static str, &'static str),
    /// Most entries of a page, whatever is asked for.
    pub most_per_page: usize,
    /// Countries with their rate and those of their networks.
    pub prices: Vec<(&'static str, Value, Vec<Value>)>,
}

impl Default for Plivo {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            credit_micros: 22_200_000,
            fate: ("delivered", "000"),
            most_per_page: 20,
            prices: vec![
                ("FR", json!("0.0500"), vec![json!("0.0640"), json!("0.0630")]),
                ("US", json!("0.0035"), vec![json!("0.0045")]),
            ],
        }
    }
}

fn decimal(micros: i64) -> String {
    format!("{}.{:05}", micros / 1_000_000, micros % 1_000_000 / 10)
}

fn error(status: u16, words: &str) -> Reply {
    Reply::json(status, json!({ "api_id": "a7b0c2d4", "error": words }))
}

fn is_number(number: &str) -> bool {
    (7..=15).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}

impl Plivo {
    /// To whom texts really went, in order.
    pub fn recipients(&self) -> Vec<String> {
        self.messages.iter().map(|message| format!("+{}", message.to)).collect()
    }

    fn shown(message: &Message) -> Value {
        json!({
            "message_uuid": message.uuid, "message_state": message.state, "message_type": "sms",
            "message_direction": message.direction, "message_time": message.time, "from_number": message.from,
            "to_number": message.to, "units": 1, "total_rate": decimal(PRICE), "total_amount": decimal(PRICE),
            "error_code": message.error_code,
            "resource_uri": format!("/v1/Account/{ID}/Message/{}/", message.uuid),
        })
    }

    fn send(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let Some(Value::Object(body)) = request.json() else {
            complain("the body is no JSON object".to_owned());
            return error(400, "the request is no JSON");
        };
        let known = ["src", "powerpack_uuid", "dst", "text", "type", "url", "method"];
        body.keys().filter(|name| !known.contains(&name.as_str())).for_each(|name| {
            complain(format!("there is no field {name}"));
        });
        let field = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let text_of = |name: &str| field(name).unwrap_or_default();
        let (to, text) = (text_of("dst"), text_of("text"));
        let from = match (field("src"), field("powerpack_uuid")) {
            (Some(from), None) if from == FROM[1..] || from == NAME => from,
            (None, Some(powerpack)) if powerpack == POWERPACK => FROM[1..].to_owned(),
            (Some(_), None) | (None, Some(_)) => return error(400, "src is no sender of yours"),
            _ => {
                complain("one of src and powerpack_uuid is needed".to_owned());
                return error(400, "src parameter not present");
            }
        };
        if !is_number(&to) {
            complain(format!("`dst` is one number of digits without a plus, not {to}"));
            return error(400, &format!("dst {to} is not a valid phone number"));
        }
        if text.is_empty() || text.chars().count() > 1_600 || text_of("type") != "sms" {
            complain("`text` must have 1 to 1600 characters, and `type` is sms".to_owned());
        }
        let url = field("url");
        let is_post = field("method").as_deref() == Some("POST");
        if url.as_ref().is_some_and(|url| !url.starts_with("https://")) || url.is_some() != is_post {
            complain(format!("no address for reports: {url:?}"));
        }
        let uuid = format!("db3ce55a-7f1d-11e1-8ea7-{:012x}", self.messages.len() + 0x1231_380b);
        self.credit_micros -= PRICE;
        self.messages.push(Message {
            uuid: uuid.clone(),
            to,
            from,
            text,
            state: "queued",
            error_code: "000",
            url,
            time: "2026-11-22 10:15:00+00:00".to_owned(),
            direction: "outbound",
        });
        Reply::json(
            202,
            json!({ "message": "message(s) queued", "message_uuid": [uuid], "api_id": "a7b0c2d4" }),
        )
    }

    fn list(&self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let number = |name: &str| request.parameter(name).map_or(0, |text| text.parse::<usize>().unwrap());
        let (limit, offset) = (number("limit"), number("offset"));
        for (name, _) in &request.query {
            if !["limit", "offset", "to_number"].contains(&name.as_str()) {
                complain(format!("there is no parameter {name}"));
            }
        }
        if !(1..=20).contains(&limit) {
            complain("limit is 1 to 20".to_owned());
        }
        let to = request.parameter("to_number");
        let all: Vec<Value> = self
            .messages
            .iter()
            .rev()
            .filter(|message| to.is_none_or(|to| message.to == to))
            .map(Self::shown)
            .collect();
        let shown: Vec<&Value> = all.iter().skip(offset).take(limit.min(self.most_per_page)).collect();
        let is_last = offset + limit >= all.len();
        let next = format!("/v1/Account/{ID}/Message/?limit={limit}&offset={}", offset + limit);
        Reply::json(
            200,
            json!({ "api_id": "a7b0c2d4", "objects": shown, "meta": { "limit": limit, "offset": offset,
                "previous": null, "next": if is_last { Value::Null } else { json!(next) } } }),
        )
    }

    fn of_account(&mut self, request: &Seen, path: &str, complain: &mut dyn FnMut(String)) -> Reply {
        match (request.method.as_str(), path) {
            ("GET", "") => Reply::json(
                200,
                json!({ "api_id": "a7b0c2d4", "auth_id": ID, "name": "My account",
                    "cash_credits": decimal(self.credit_micros), "account_type": "standard" }),
            ),
            ("POST", "Message/") => self.send(request, complain),
            ("GET", "Message/") => self.list(request, complain),
            ("GET", "Pricing/") => {
                let country = request.parameter("country_iso").unwrap_or_default().to_owned();
                let Some((_, rate, networks)) = self.prices.iter().find(|(known, ..)| *known == country)
                else {
                    return error(404, "not found");
                };
                let networks: Vec<Value> =
                    networks.iter().map(|rate| json!({ "group_name": "A network", "rate": rate })).collect();
                Reply::json(
                    200,
                    json!({ "country_iso": country, "message": { "inbound": { "rate": "0.0" },
                        "outbound": { "rate": rate }, "outbound_networks_list": networks } }),
                )
            }
            ("GET", path) if path.starts_with("Message/") && path.ends_with('/') => {
                let uuid = path["Message/".len()..].trim_end_matches('/');
                let (state, error_code) = self.fate;
                let Some(message) = self.messages.iter_mut().find(|message| message.uuid == uuid) else {
                    return error(404, "not found");
                };
                (message.state, message.error_code) = (state, error_code);
                Reply::json(200, Self::shown(message))
            }
            _ => {
                complain(format!("no such page: {} {path}", request.method));
                error(404, "not found")
            }
        }
    }
}

impl Vendor for Plivo {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let right = format!("Basic {}", STANDARD.encode(format!("{ID}:{TOKEN}")));
        if request.header("authorization") != Some(&right) {
            return error(401, "authentication credentials invalid");
        }
        if request.method == "GET" && !request.body.is_empty() {
            complain("a GET with a body".to_owned());
        }
        let path = request.path.clone();
        if let Some(path) = path.strip_prefix(&format!("/v1/Account/{ID}/")) {
            return self.of_account(request, path, complain);
        }
        if let (Some(number), "GET") = (path.strip_prefix("/lookup/v1/Number/"), &*request.method) {
            if request.parameter("type") != Some("carrier") || !is_number(number) {
                complain(format!("no look-up: {number}"));
            }
            return Reply::json(
                200,
                json!({ "phone_number": format!("+{number}"), "country": { "iso2": "FR" },
                    "carrier": { "name": "A carrier", "type": "mobile" } }),
            );
        }
        complain(format!("no such page: {} {path}", request.method));
        error(404, "not found")
    }
}
