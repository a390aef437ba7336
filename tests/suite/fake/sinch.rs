//! Sinch as its documentation has it (`xms/v1`): strict about who asks, every path, parameter and field. Its
//! references are not unique, and a batch may be shown later than it was taken. What becomes of a text is
//! under the test's control.

use serde_json::{Value, json};

use super::{Reply, Seen, Vendor};

pub const TOKEN: &str = "canary-sinch-token-3f7c";
pub const PLAN: &str = "jd63jf88477ll123ab4567cd89012ef3";
pub const FROM: &str = "+12025550123";

/// A batch that it took.
#[derive(Clone, Debug)]
pub struct Batch {
    pub id: String,
    pub to: Vec<String>,
    /// As the phone gets it: with its parameters filled in.
    pub text: String,
    pub body: Value,
    pub reference: String,
    pub callback_url: Option<String>,
    pub canceled: bool,
    pub created_at: String,
}

/// The vendor.
pub struct Sinch {
    pub batches: Vec<Batch>,
    /// Status and code of a text when its report is asked for.
    pub fate: (&'static str, u32),
    /// Whether the list has nothing, as in its first moments.
    pub lags: bool,
    /// How many batches a page has, whatever is asked for.
    pub page_size: usize,
    /// Whether a page says how many there are.
    pub counts: bool,
}

impl Default for Sinch {
    fn default() -> Self {
        Self { batches: Vec::new(), fate: ("Delivered", 0), lags: false, page_size: 2, counts: true }
    }
}

fn error(status: u16, code: &str, text: &str) -> Reply {
    Reply::json(status, json!({ "code": code, "text": text }))
}

fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// A text with its parameters filled in, once; nothing where one has no value.
fn filled(body: &str, parameters: &Value) -> Option<String> {
    let Some((before, rest)) = body.split_once("${") else { return Some(body.to_owned()) };
    let (name, after) = rest.split_once('}')?;
    let value = parameters.get(name)?.get("default")?.as_str()?;
    Some(format!("{before}{value}{}", filled(after, parameters)?))
}

impl Sinch {
    /// To whom texts really went, in order.
    pub fn recipients(&self) -> Vec<String> {
        self.batches.iter().flat_map(|batch| batch.to.clone()).collect()
    }

    /// A batch as Sinch shows it.
    pub fn shown(batch: &Batch) -> Value {
        let mut shown = batch.body.clone();
        shown["id"] = json!(batch.id);
        shown["canceled"] = json!(batch.canceled);
        shown["created_at"] = json!(batch.created_at);
        shown["modified_at"] = json!(batch.created_at);
        shown
    }

    fn send(&mut self, request: &Seen, is_dry: bool, complain: &mut dyn FnMut(String)) -> Reply {
        let Some(body @ Value::Object(_)) = request.json() else {
            complain("the body is no JSON object".to_owned());
            return error(400, "syntax_invalid_json", "Unexpected character");
        };
        let always = ["to", "from", "body", "type", "parameters"];
        let known = ["delivery_report", "callback_url", "client_reference", "max_number_of_message_parts"];
        for name in body.as_object().unwrap().keys() {
            if !always.contains(&name.as_str()) && (is_dry || !known.contains(&name.as_str())) {
                complain(format!("there is no field {name}"));
            }
        }
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let to: Vec<String> = body["to"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect();
        if to.is_empty() || !to.iter().all(|one| is_e164(one)) {
            return error(400, "syntax_constraint_violation", "The recipients are none");
        }
        if text("type") != "mt_text" || text("body").is_empty() || text("from").is_empty() {
            complain("no text, type or sender".to_owned());
        }
        let Some(filled) = filled(&text("body"), &body["parameters"]) else {
            complain("a parameter without a value".to_owned());
            return error(400, "syntax_constraint_violation", "A parameter has no value");
        };
        if is_dry {
            let each =
                json!({ "recipient": to[0], "number_of_parts": 1, "body": filled, "encoding": "text" });
            return Reply::json(
                200,
                json!({ "number_of_recipients": 1, "number_of_messages": 1, "per_recipient": [each] }),
            );
        }
        if text("delivery_report") != "per_recipient" || text("client_reference").is_empty() {
            complain("a batch that nobody could ask for".to_owned());
        }
        if body["max_number_of_message_parts"].as_u64().is_none_or(|most| most == 0) {
            complain("no bound on its parts".to_owned());
        }
        let callback_url = body.get("callback_url").map(|url| url.as_str().unwrap_or_default().to_owned());
        if callback_url.as_ref().is_some_and(|url| !url.starts_with("https://")) {
            complain("reports to nowhere".to_owned());
        }
        let batch = Batch {
            id: format!("01HEX{:021}", self.batches.len() + 1),
            to,
            text: filled,
            reference: text("client_reference"),
            body,
            callback_url,
            canceled: false,
            created_at: "2026-11-22T10:15:00.250Z".to_owned(),
        };
        let shown = Self::shown(&batch);
        self.batches.push(batch);
        Reply::json(201, shown)
    }

    fn list(&self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        for (name, _) in &request.query {
            if !["page", "page_size", "start_date", "client_reference"].contains(&name.as_str()) {
                complain(format!("there is no parameter {name}"));
            }
        }
        let page: usize = request.parameter("page").map_or(0, |page| page.parse().unwrap());
        let fits = |batch: &&Batch| {
            request.parameter("client_reference").is_none_or(|reference| reference == batch.reference)
                && request.parameter("start_date").is_none_or(|since| batch.created_at.as_str() >= since)
        };
        let all: Vec<&Batch> = self.batches.iter().rev().filter(fits).filter(|_| !self.lags).collect();
        let on_page = all.iter().skip(page * self.page_size).take(self.page_size);
        let on_page: Vec<Value> = on_page.map(|batch| Self::shown(batch)).collect();
        let mut answer = json!({ "page": page, "page_size": self.page_size, "batches": on_page });
        if self.counts {
            answer["count"] = json!(all.len());
        }
        Reply::json(200, answer)
    }

    fn report(&self, id: &str, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.parameter("type") != Some("full") {
            complain("a report without its recipients".to_owned());
        }
        let Some(batch) = self.batches.iter().find(|batch| batch.id == id) else {
            return error(404, "not_found", "Resource not found");
        };
        let (status, code) = self.fate;
        Reply::json(
            200,
            json!({ "type": "delivery_report_sms", "batch_id": id, "total_message_count": 1,
                "client_reference": batch.reference,
                "statuses": [{ "code": code, "status": status, "count": 1, "recipients": batch.to }] }),
        )
    }
}

impl Vendor for Sinch {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return error(401, "unauthorized", "The token is none");
        }
        if request.method == "GET" && !request.body.is_empty() {
            complain("a GET with a body".to_owned());
        }
        let plan = format!("/xms/v1/{PLAN}/batches");
        match (request.method.as_str(), request.path.strip_prefix(&plan)) {
            ("POST", Some("")) => self.send(request, false, complain),
            ("POST", Some("/dry_run")) => self.send(request, true, complain),
            ("GET", Some("")) => self.list(request, complain),
            ("GET", Some(rest)) if rest.ends_with("/delivery_report") => {
                let id = rest.trim_start_matches('/').trim_end_matches("/delivery_report");
                self.report(id, request, complain)
            }
            (method, _) => {
                complain(format!("no such page: {method} {}", request.path));
                error(404, "not_found", "Resource not found")
            }
        }
    }
}
