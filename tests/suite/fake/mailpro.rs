//! A fake of Mailpro, in both of its generations: the ending of a path says which one answers.
//!
//! `.json` is the newest guide: flat, PascalCase. `.xml` is the older reference: wrapped, snake_case, with
//! its own names of some paths and parameters. What no page shows (the lists' parameters) is taken as the
//! provider's own documentation says that it sends it.

use std::collections::VecDeque;

use serde_json::{Value, json};
use sms_mcp::sms::text::plan;

use super::{Reply, Seen, Vendor};

/// The credentials that it knows. The characters of the key are encoded in a form.
pub const ID_CLIENT: &str = "canary-client-5512";
pub const API_KEY: &str = "canary+key/7f=3a";

/// Millionths of a credit that one segment costs.
pub const CHARGE: i64 = 1_500_000;

/// A text that it took.
#[derive(Clone)]
pub struct Message {
    pub id: u64,
    /// As it came: with `+` or `00`.
    pub to: String,
    pub text: String,
    /// 0 not delivered, 1 delivered, 2 waiting.
    pub status: u8,
    /// As the history shows it.
    pub date: String,
}

impl Message {
    pub fn charge(&self) -> i64 {
        CHARGE * plan(&self.text).segments() as i64
    }

    pub fn e164(&self) -> String {
        self.to.strip_prefix("00").map_or_else(|| self.to.clone(), |digits| format!("+{digits}"))
    }
}

/// A campaign that it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    pub list: String,
    pub text: String,
    pub at: Option<String>,
}

/// The vendor's state.
pub struct Mailpro {
    pub credits_micros: i64,
    pub messages: Vec<Message>,
    pub campaigns: Vec<Campaign>,
    /// Numbers of the only list, `7`.
    pub phones: Vec<String>,
    pub suppressed: Vec<String>,
    /// Whether numbers come as strings.
    pub is_stringly: bool,
    /// The time of what it takes now.
    pub now: String,
    /// Answers to the next requests, with status 200, in place of what it would say.
    pub said: VecDeque<Vec<u8>>,
    /// Whether the history names the send of each entry, which no page shows.
    pub is_naming_sends: bool,
    /// A parameter that carries the sender name.
    pub sender_parameter: Option<&'static str>,
}

impl Default for Mailpro {
    fn default() -> Self {
        Self {
            credits_micros: 1_476_000_000,
            messages: Vec::new(),
            campaigns: Vec::new(),
            phones: vec!["+33199000001".to_owned(), "0033199000002".to_owned()],
            suppressed: Vec::new(),
            is_stringly: false,
            now: "2026-11-27T12:00:00".to_owned(),
            said: VecDeque::new(),
            is_naming_sends: false,
            sender_parameter: None,
        }
    }
}

/// Credits as they are written: `1474.5`, or `1474`.
fn credits(micros: i64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

fn xml(body: String) -> Reply {
    Reply {
        status: 200,
        headers: Vec::new(),
        body: format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n{body}").into_bytes(),
    }
    .header("content-type", "text/xml; charset=utf-8")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

type Fields = Vec<(String, String)>;

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Where a function is: its method, its fields that it must have, and those that it may have.
fn function(path: &str) -> Option<(&'static str, &'static [&'static str], &'static [&'static str])> {
    Some(match path {
        "credit/get.json" | "credits/getcredits.xml" => ("GET", &[], &[]),
        "send/add_single.json" => ("POST", &["to", "message"], &[]),
        "send/add_single.xml" => ("POST", &["to", "message"], &["Scheduled_time"]),
        "send/add.json" => ("POST", &["id_list", "message"], &["plan_date"]),
        "send/add.xml" => ("POST", &["to", "message"], &["Scheduled_time"]),
        "history/list.json" | "history/list.xml" => ("GET", &["status"], &["type_to", "number", "date_send"]),
        "list/list.json" => ("GET", &[], &[]),
        "list/add.json" => ("POST", &["name"], &["description"]),
        "list/edit.json" => ("POST", &["id_list"], &["name", "description"]),
        "list/delete.json" => ("POST", &["id_list"], &[]),
        "phone/list.json" | "phone/list.xml" => ("GET", &["id_list"], &["page"]),
        "phone/add.json" => ("POST", &["id_list", "number"], &["name", "first_name", "last_name"]),
        "phone/edit.json" => ("POST", &["id_phone"], &["id_list", "number", "name"]),
        "phone/delete.json" => ("POST", &["id_phone"], &["id_list"]),
        "verify/start.json" => ("POST", &["number"], &[]),
        "verify/check.json" => ("POST", &["number", "code"], &["id"]),
        "phone/lookup.json" => ("GET", &["number"], &[]),
        "suppressions.json" => ("", &[], &["number", "page"]),
        "file/upload.json" => ("POST", &[], &[]),
        _ => return None,
    })
}

impl Mailpro {
    /// To whom its messages went, in order.
    pub fn recipients(&self) -> Vec<String> {
        self.messages.iter().map(Message::e164).collect()
    }

    /// A number: a JSON number, or a string.
    fn number(&self, text: &str) -> Value {
        if self.is_stringly { json!(text) } else { serde_json::from_str(text).unwrap() }
    }

    /// Checks the request against the documentation, and returns its fields.
    fn check(&self, path: &str, request: &Seen, complain: &mut dyn FnMut(String)) -> Option<Fields> {
        let Some((method, needed, allowed)) = function(path) else {
            complain("there is no such function".to_owned());
            return None;
        };
        if !method.is_empty() && request.method != method {
            complain(format!("must be a {method}"));
        }
        let fields = if request.method == "GET" {
            if !request.body.is_empty() || request.header("content-type").is_some() {
                complain("a GET has no body".to_owned());
            }
            request.query.clone()
        } else {
            if !request.query.is_empty() {
                complain("the fields of a POST stand in its body".to_owned());
            }
            if path == "file/upload.json" {
                // A form with parts; it is looked at where it is answered.
                return Some(Vec::new());
            }
            if request.header("content-type") != Some("application/x-www-form-urlencoded") {
                complain("the body is no form".to_owned());
            }
            if request.body.contains(&b' ') {
                complain("the form is not encoded".to_owned());
            }
            request.form().unwrap_or_default()
        };
        for (index, (name, value)) in fields.iter().enumerate() {
            let is_known = ["id_client", "api_key"].contains(&name.as_str())
                || needed.contains(&name.as_str())
                || allowed.contains(&name.as_str());
            if !is_known && self.sender_parameter != Some(name) {
                complain(format!("there is no field {name}"));
            }
            if fields.iter().skip(index + 1).any(|(other, _)| other == name) {
                complain(format!("the field {name} stands twice"));
            }
            let is_recipient = name == "number" || (name == "to" && path.contains("single"));
            let digits = value.strip_prefix('+').or_else(|| value.strip_prefix("00"));
            if is_recipient
                && digits.is_none_or(|digits| {
                    digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit())
                })
            {
                complain(format!("{name} is \"{value}\": a plus that is not encoded is a space"));
            }
        }
        for name in needed {
            if field(&fields, name).is_none_or(str::is_empty) {
                complain(format!("{name} is missing"));
            }
        }
        Some(fields)
    }

    /// Takes a message or a campaign, and charges for it.
    fn take(&mut self, path: &str, fields: &Fields) -> Reply {
        let text = field(fields, "message").unwrap_or_default().to_owned();
        let id = 98_765 + (self.messages.len() + self.campaigns.len()) as u64;
        let at = field(fields, "plan_date").or_else(|| field(fields, "Scheduled_time")).map(str::to_owned);
        let to = field(fields, "to").or_else(|| field(fields, "id_list")).unwrap_or_default().to_owned();
        let message = Message { id, to: to.clone(), text: text.clone(), status: 1, date: self.now.clone() };
        let charge = message.charge() * if path.contains("single") { 1 } else { self.phones.len() as i64 };
        if charge > self.credits_micros {
            return Reply::json(200, json!({ "Result": "ERROR", "Message": "Not enough credits" }));
        }
        self.credits_micros -= charge;
        if path.contains("single") {
            self.messages.push(message);
        } else {
            self.campaigns.push(Campaign { list: to.clone(), text: text.clone(), at: at.clone() });
        }
        if path.ends_with(".json") {
            let (id, left) = (self.number(&id.to_string()), self.number(&credits(self.credits_micros)));
            return Reply::json(200, json!({ "Result": "OK", "IdSend": id, "RemainingCredits": left }));
        }
        let shown = to.strip_prefix('+').map_or_else(|| to.clone(), |digits| format!("00{digits}"));
        let shown = if path.contains("single") {
            shown
        } else {
            format!("<id_address_book>{shown}</id_address_book>")
        };
        let (at, text, charge) = (at.unwrap_or_default(), escape(&text), credits(charge));
        xml(format!(
            "<sends>\n <send>\n  <id_send>{id}</id_send>\n  <scheduled_time>{at}</scheduled_time>\n  \
             <message>{text}</message>\n  \
             <to>{shown}</to>\n  <charge>{charge}</charge>\n </send>\n</sends>"
        ))
    }

    fn history(&self, path: &str, fields: &Fields) -> Reply {
        let plain = |number: &str| number.trim_start_matches('+').trim_start_matches("00").to_owned();
        let wanted = |message: &&Message| {
            field(fields, "status") == Some(message.status.to_string().as_str())
                && field(fields, "number").is_none_or(|number| plain(number) == plain(&message.to))
        };
        let found: Vec<&Message> = self.messages.iter().filter(wanted).collect();
        if path.ends_with(".xml") {
            let entries = found.iter().map(|message| {
                let (id, date, text, charge) = (message.id + 1_000, &message.date, escape(&message.text), credits(message.charge()));
                let (number, status) = (message.e164().replace('+', "00"), message.status);
                format!(
                    "<history><id_history>{id}</id_history><date_send>{date}</date_send><message>{text}</message>\
                     <charge>{charge}</charge><number>{number}</number><status>{status}</status></history>"
                )
            });
            return xml(format!("<histories>{}</histories>", entries.collect::<String>()));
        }
        let entries: Vec<Value> = found
            .iter()
            .map(|message| {
                let mut entry = json!({ "IdHistory": self.number(&(message.id + 1_000).to_string()),
                    "DateSend": message.date, "Message": message.text,
                    "Charge": self.number(&credits(message.charge())), "Number": message.to, "Status": self.number(&message.status.to_string()) });
                if self.is_naming_sends {
                    entry["IdSend"] = json!(message.id);
                }
                entry
            })
            .collect();
        Reply::json(200, json!({ "Result": "OK", "Histories": entries }))
    }

    fn phones(&self, path: &str) -> Reply {
        if path.ends_with(".xml") {
            let phones: String = self
                .phones
                .iter()
                .map(|phone| format!("<phone><id_phone>1</id_phone><number>{phone}</number></phone>"))
                .collect();
            return xml(format!("<phones>{phones}</phones>"));
        }
        let phones: Vec<Value> = self
            .phones
            .iter()
            .enumerate()
            .map(|(id, phone)| json!({ "IdPhone": id, "Number": phone }))
            .collect();
        Reply::json(200, json!({ "Result": "OK", "Phones": phones }))
    }
}

impl Vendor for Mailpro {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let path = request.path.strip_prefix("/sms/").unwrap_or_default().to_owned();
        let Some(fields) = self.check(&path, request, complain) else { return Reply::empty(404) };
        if path == "file/upload.json" {
            let whole = String::from_utf8_lossy(&request.body).into_owned();
            let is_known = whole.contains(&format!("name=\"id_client\"\r\n\r\n{ID_CLIENT}\r\n"))
                && whole.contains(&format!("name=\"api_key\"\r\n\r\n{API_KEY}\r\n"));
            return Reply::json(
                200,
                json!({ "Result": if is_known { "OK" } else { "ERROR" }, "Lines": whole.matches("+33").count() }),
            );
        }
        if (field(&fields, "id_client"), field(&fields, "api_key")) != (Some(ID_CLIENT), Some(API_KEY)) {
            return Reply::json(
                200,
                json!({ "Result": "ERROR", "Message": format!("Invalid api_key {}", field(&fields, "api_key").unwrap_or("")) }),
            );
        }
        if let Some(body) = self.said.pop_front() {
            return Reply { status: 200, headers: Vec::new(), body };
        }
        let ok = |key: &str, value: Value| Reply::json(200, json!({ "Result": "OK", key: value }));
        match path.as_str() {
            "credit/get.json" => {
                Reply::json(200, json!({ "TotalCredits": self.number(&credits(self.credits_micros)) }))
            }
            "credits/getcredits.xml" => xml(format!(
                "<api><credits><total_credit>{}</total_credit></credits></api>",
                credits(self.credits_micros)
            )),
            send if send.starts_with("send/") => self.take(&path, &fields),
            history if history.starts_with("history/") => self.history(&path, &fields),
            "phone/list.json" | "phone/list.xml" => self.phones(&path),
            "list/list.json" => {
                ok("Lists", json!([{ "IdList": 7, "Name": "Customers", "Owner": ID_CLIENT }]))
            }
            "phone/add.json" => {
                self.phones.push(field(&fields, "number").unwrap_or_default().to_owned());
                ok("IdPhone", json!(self.phones.len()))
            }
            "suppressions.json" if request.method == "GET" => {
                let entries: Vec<Value> = self
                    .suppressed
                    .iter()
                    .map(|number| json!({ "Number": number, "Date": "2026-11-20T08:00:00" }))
                    .collect();
                ok("Suppressions", json!(entries))
            }
            "suppressions.json" => {
                self.suppressed.push(field(&fields, "number").unwrap_or_default().to_owned());
                ok("Id", json!(1))
            }
            "phone/lookup.json" => ok("Country", json!("FR")),
            "verify/check.json" => ok("Valid", json!(field(&fields, "code") == Some("123456"))),
            _ => ok("Id", json!(1)),
        }
    }
}
