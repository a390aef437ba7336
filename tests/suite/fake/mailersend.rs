//! MailerSend as its documentation has it (developers.mailersend.com, `api/v1/sms*` and `general`): strict
//! about every path, method, field and form. Limits, pauses and what becomes of a text are under the test's
//! control.

use serde_json::{Value, json};

use super::{Reply, Seen, Vendor};

pub const TOKEN: &str = "mlsn.canary-token-4b1f";
pub const FROM: &str = "+18332647501";
pub const SIGNING: &str = "S3cr3tSigningKey";
pub const INBOUND: &str = "1nb0undS3cret";
pub const NUMBER_ID: &str = "7z3m5jgrogdpyo6n";
const MADE: &str = "2026-11-22T10:00:00.000000Z";

/// The statuses that a text can have.
const STATUSES: [&str; 5] = ["processed", "queued", "sent", "delivered", "failed"];

/// One text of a message, as one recipient gets it.
#[derive(Clone, Debug)]
pub struct Text {
    pub to: String,
    pub text: String,
    pub status: String,
    pub error_type: Value,
    pub error_description: Value,
    /// Its steps so far: status and moment.
    pub steps: Vec<(String, String)>,
}

/// One accepted request.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub from: String,
    pub template: String,
    pub paused: bool,
    pub created_at: String,
    pub texts: Vec<Text>,
}

/// The vendor.
pub struct MailerSend {
    pub messages: Vec<Message>,
    /// Id, number, status.
    pub recipients: Vec<(String, String, String)>,
    pub is_number_paused: bool,
    pub webhooks: Vec<Value>,
    pub inbounds: Vec<Value>,
    /// Whether each text is delivered as soon as it is taken.
    pub delivers: bool,
    /// Whether ids are left out of answers to sends.
    pub hides_ids: bool,
    /// Requests left in this minute, and what `retry-after` says when there are none.
    pub minute_left: u64,
    pub retry_after: Option<u64>,
    /// Unix seconds; 0 for no such header.
    pub minute_reset: u64,
    /// Requests left today, and when that is over.
    pub day_left: u64,
    pub day_reset: String,
}

impl MailerSend {
    pub fn new() -> Self {
        Self {
            messages: Vec::new(),
            recipients: Vec::new(),
            is_number_paused: false,
            webhooks: Vec::new(),
            inbounds: Vec::new(),
            delivers: false,
            hides_ids: false,
            minute_left: 60,
            retry_after: Some(17),
            minute_reset: 0,
            day_left: 100_000,
            day_reset: "2026-11-23T00:00:00Z".to_owned(),
        }
    }

    /// One that delivers each text at once.
    pub fn delivering() -> Self {
        Self { delivers: true, ..Self::new() }
    }

    /// Moves a recipient's text on.
    pub fn step(&mut self, id: &str, to: &str, status: &str, at: &str, error: Option<(Value, &str)>) {
        let message = self.messages.iter_mut().find(|message| message.id == id).unwrap();
        let text = message.texts.iter_mut().find(|text| text.to == to).unwrap();
        text.status = status.to_owned();
        text.steps.push((status.to_owned(), at.to_owned()));
        if let Some((error_type, description)) = error {
            (text.error_type, text.error_description) = (error_type, json!(description));
        }
    }

    /// What really left: recipient and text, in order.
    pub fn sent(&self) -> Vec<(String, String)> {
        self.messages
            .iter()
            .flat_map(|message| &message.texts)
            .map(|text| (text.to.clone(), text.text.clone()))
            .collect()
    }

    /// To whom texts really went, in order.
    pub fn reached(&self) -> Vec<String> {
        self.sent().into_iter().map(|(to, _)| to).collect()
    }

    fn send(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let Some(body) = request.json() else {
            complain("a send that is no JSON".to_owned());
            return error(422, "JSON contains a syntax error. #MS42227");
        };
        let to = strings(&body["to"]);
        let text = body["text"].as_str().unwrap_or_default();
        let personal = body["personalization"].as_array().cloned().unwrap_or_default();
        look_at_send(&body, &to, text, &personal, complain);
        let mut wrong = serde_json::Map::new();
        if body["from"] != FROM {
            wrong.insert("from".to_owned(), json!(["The from must be a number of your account."]));
        }
        // Their check of numbers is their own: these fail it.
        for (index, _) in to.iter().enumerate().filter(|(_, to)| to.ends_with("5550199")) {
            wrong.insert(
                format!("to.{index}"),
                json!([format!("The to.{index} must be a valid phone number.")]),
            );
        }
        if !wrong.is_empty() {
            return Reply::json(422, json!({ "message": "The given data was invalid.", "errors": wrong }));
        }
        let mut texts = Vec::new();
        for to in &to {
            let data = personal
                .iter()
                .find(|one| one["phone_number"] == **to)
                .map_or(&Value::Null, |one| &one["data"]);
            if !self.recipients.iter().any(|(_, number, _)| number == to) {
                self.recipients.push((
                    format!("rec{:05}", self.recipients.len()),
                    to.clone(),
                    "active".to_owned(),
                ));
            }
            texts.push(Text {
                to: to.clone(),
                text: render(text, data, complain),
                status: "processed".to_owned(),
                error_type: Value::Null,
                error_description: Value::Null,
                steps: vec![("processed".to_owned(), MADE.to_owned())],
            });
        }
        if self.delivers {
            for text in &mut texts {
                text.status = "delivered".to_owned();
                text.steps.push((text.status.clone(), MADE.to_owned()));
            }
        }
        let id = format!("6244233a7e194137e7{:06x}", self.messages.len());
        self.messages.push(Message {
            id: id.clone(),
            from: FROM.to_owned(),
            template: text.to_owned(),
            paused: self.is_number_paused,
            created_at: MADE.to_owned(),
            texts,
        });
        let mut reply = Reply::empty(202).header("content-type", "text/plain");
        if !self.hides_ids {
            reply = reply.header("X-SMS-Message-Id", id);
        }
        if self.is_number_paused { reply.header("X-SMS-Send-Paused", "true") } else { reply }
    }

    fn number(&self) -> Value {
        json!({ "id": NUMBER_ID, "telephone_number": FROM, "paused": self.is_number_paused, "created_at": MADE })
    }

    /// Everything but sends.
    fn other(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let path = request.path.trim_start_matches("/v1/").to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method.as_str(), &parts[..]) {
            ("GET", ["sms-messages"]) => {
                let all: Vec<Value> =
                    self.messages.iter().rev().map(|message| message_json(message, false)).collect();
                paged(request, &all, &[], complain)
            }
            ("GET", ["sms-messages", id]) => match self.messages.iter().find(|message| message.id == *id) {
                Some(message) => Reply::json(200, json!({ "data": message_json(message, true) })),
                None => error(404, "Resource not found."),
            },
            ("GET", ["sms-activity"]) => self.activity(request, complain),
            ("GET", ["sms-numbers"]) => paged(request, &[self.number()], &["paused"], complain),
            ("PUT", ["sms-numbers", NUMBER_ID]) => {
                let body = request.json().unwrap_or(Value::Null);
                only(&body, &["paused"], complain);
                match body["paused"].as_bool() {
                    Some(is_paused) => self.is_number_paused = is_paused,
                    None => complain("`paused` is no yes or no".to_owned()),
                }
                Reply::json(200, json!({ "data": self.number() }))
            }
            (method, ["sms-recipients", rest @ ..]) => self.recipient(method, rest, request, complain),
            (method, ["sms-webhooks", rest @ ..]) => self.webhook(method, rest, request, complain),
            (method, ["sms-inbounds", rest @ ..]) => self.inbound(method, rest, request, complain),
            _ => {
                complain("no such page".to_owned());
                error(404, "Resource not found.")
            }
        }
    }

    fn activity(&self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        let statuses: Vec<&str> = request
            .query
            .iter()
            .filter(|(name, _)| name == "status[]")
            .map(|(_, value)| value.as_str())
            .collect();
        if statuses.iter().any(|status| !STATUSES.contains(status)) {
            complain("no such status".to_owned());
        }
        for name in ["date_from", "date_to"] {
            if request.parameter(name).is_some_and(|seconds| seconds.parse::<u32>().is_err()) {
                complain(format!("{name} is not in Unix seconds"));
            }
        }
        let all = self.messages.iter().flat_map(|message| steps_json(message, true));
        let all: Vec<Value> = all
            .filter(|step| statuses.is_empty() || statuses.iter().any(|status| step["status"] == *status))
            .collect();
        paged(request, &all, &["sms_number_id", "date_from", "date_to", "status[]"], complain)
    }

    fn recipient(
        &mut self,
        method: &str,
        rest: &[&str],
        request: &Seen,
        complain: &mut dyn FnMut(String),
    ) -> Reply {
        let body = request.json().unwrap_or(Value::Null);
        let given = if method == "GET" { request.parameter("status") } else { body["status"].as_str() };
        if given.is_some_and(|status| !["active", "opt_out"].contains(&status)) {
            complain("no such status of recipients".to_owned());
        }
        match (method, rest) {
            ("GET", []) => {
                let of =
                    self.recipients.iter().filter(|(_, _, status)| given.is_none_or(|given| given == status));
                let all: Vec<Value> = of.map(recipient_json).collect();
                paged(request, &all, &["status", "sms_number_id"], complain)
            }
            ("PUT", [id]) => {
                only(&body, &["status"], complain);
                let Some(recipient) = self.recipients.iter_mut().find(|(known, ..)| known == id) else {
                    return error(404, "Resource not found.");
                };
                recipient.2 = given.unwrap_or_default().to_owned();
                Reply::json(200, json!({ "data": recipient_json(recipient) }))
            }
            _ => error(405, "Method not allowed."),
        }
    }

    fn webhook(
        &mut self,
        method: &str,
        rest: &[&str],
        request: &Seen,
        complain: &mut dyn FnMut(String),
    ) -> Reply {
        match (method, rest) {
            ("GET", []) => {
                if request.parameter("sms_number_id") != Some(NUMBER_ID) {
                    complain("webhooks are listed by number".to_owned());
                }
                Reply::json(200, json!({ "data": self.webhooks }))
            }
            ("POST", []) => {
                let mut made = request.json().unwrap_or(Value::Null);
                only(&made, &["url", "name", "events", "sms_number_id", "enabled"], complain);
                let events = strings(&made["events"]);
                if events.is_empty()
                    || events
                        .iter()
                        .any(|event| !["sms.sent", "sms.delivered", "sms.failed"].contains(&event.as_str()))
                {
                    complain("a webhook without the events that there are".to_owned());
                }
                if made["sms_number_id"] != NUMBER_ID
                    || !made["url"].as_str().is_some_and(|url| url.starts_with("https://"))
                {
                    complain("a webhook without its number or address".to_owned());
                }
                made["id"] = json!(format!("hook{:04}", self.webhooks.len()));
                made["secret"] = json!(SIGNING);
                self.webhooks.push(made.clone());
                Reply::json(201, json!({ "data": made }))
            }
            ("DELETE", [id]) => delete(&mut self.webhooks, id),
            _ => error(405, "Method not allowed."),
        }
    }

    fn inbound(
        &mut self,
        method: &str,
        rest: &[&str],
        request: &Seen,
        complain: &mut dyn FnMut(String),
    ) -> Reply {
        match (method, rest) {
            ("GET", []) => paged(request, &self.inbounds, &["sms_number_id", "enabled"], complain),
            ("POST", []) => {
                let mut made = request.json().unwrap_or(Value::Null);
                only(&made, &["sms_number_id", "name", "forward_url", "filter", "enabled"], complain);
                let is_address = made["forward_url"]
                    .as_str()
                    .is_some_and(|url| url.starts_with("https://") && url.len() <= 255);
                if made["sms_number_id"] != NUMBER_ID || !made["enabled"].is_boolean() || !is_address {
                    complain("a route without its number, address or `enabled`".to_owned());
                }
                made["id"] = json!(format!("route{:04}", self.inbounds.len()));
                made["secret"] = json!(INBOUND);
                self.inbounds.push(made.clone());
                Reply::json(201, json!({ "data": made }))
            }
            ("DELETE", [id]) => delete(&mut self.inbounds, id),
            _ => error(405, "Method not allowed."),
        }
    }

    /// The limits, before anything is looked at.
    fn refused(&mut self, request: &Seen) -> Option<Reply> {
        let counts = request.path != "/v1/api-quota";
        if self.minute_left == 0 {
            let reply = error(
                429,
                "Your account reached its rate limit of 60 requests/min. Please wait before trying again. \
                 #MS42903",
            );
            return Some(match self.retry_after {
                Some(seconds) => reply.header("retry-after", seconds),
                None => reply,
            });
        }
        if self.day_left == 0 && counts {
            return Some(error(
                429,
                "Your account reached its API daily quota limit. Upgrade to increase it. #MS42901",
            ));
        }
        self.minute_left -= 1;
        self.day_left -= u64::from(counts);
        None
    }
}

impl Vendor for MailerSend {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.header("accept") != Some("application/json") {
            complain("no `accept: application/json`".to_owned());
        }
        let reply = if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            error(401, "Unauthenticated.")
        } else if let Some(refused) = self.refused(request) {
            refused
        } else {
            match (request.method.as_str(), request.path.as_str()) {
                ("POST", "/v1/sms") => self.send(request, complain),
                ("GET", "/v1/api-quota") => Reply::json(
                    200,
                    json!({ "quota": 100_000, "remaining": self.day_left, "reset": self.day_reset }),
                ),
                _ => self.other(request, complain),
            }
        };
        let reply = reply.header("x-ratelimit-limit", 60).header("x-ratelimit-remaining", self.minute_left);
        let reply =
            if self.minute_reset > 0 { reply.header("x-ratelimit-reset", self.minute_reset) } else { reply };
        reply.header("x-apiquota-remaining", self.day_left).header("x-apiquota-reset", &self.day_reset)
    }
}

/// What the documentation demands of a send.
fn look_at_send(
    body: &Value,
    to: &[String],
    text: &str,
    personal: &[Value],
    complain: &mut dyn FnMut(String),
) {
    only(body, &["from", "to", "text", "personalization"], complain);
    if to.is_empty() || to.len() > 50 {
        complain(format!("{} recipients", to.len()));
    }
    if !to.iter().all(|to| is_e164(to)) {
        complain("a recipient that is not in E.164 with +".to_owned());
    }
    if to.iter().enumerate().any(|(index, one)| to[..index].contains(one)) {
        complain("the same recipient twice".to_owned());
    }
    if text.is_empty() || text.chars().count() > 2_048 {
        complain("a text of 0 or more than 2048 characters".to_owned());
    }
    for one in personal {
        only(one, &["phone_number", "data"], complain);
        if !to.iter().any(|to| one["phone_number"] == **to) {
            complain("personalization for a number that is not in `to`".to_owned());
        }
    }
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({ "message": message }))
}

fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Complains about fields that there are not.
fn only(body: &Value, known: &[&str], complain: &mut dyn FnMut(String)) {
    let Some(fields) = body.as_object() else { return complain("a body that is no object".to_owned()) };
    fields
        .keys()
        .filter(|name| !known.contains(&name.as_str()))
        .for_each(|name| complain(format!("no field `{name}`")));
}

/// Fills `{{ name }}` in, once.
fn render(template: &str, data: &Value, complain: &mut dyn FnMut(String)) -> String {
    let (mut rendered, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, later)) = after.split_once("}}") else { break };
        rendered.push_str(before);
        match data[name.trim()].as_str() {
            Some(value) => rendered.push_str(value),
            None => complain("a placeholder without a value".to_owned()),
        }
        rest = later;
    }
    rendered + rest
}

fn steps_json(message: &Message, with_content: bool) -> Vec<Value> {
    let mut steps = Vec::new();
    for text in &message.texts {
        for (status, at) in &text.steps {
            let mut step = json!({ "from": message.from, "to": text.to, "created_at": at, "status": status,
                "sms_message_id": message.id });
            if with_content {
                step["content"] = json!(text.text);
            }
            steps.push(step);
        }
    }
    steps
}

fn message_json(message: &Message, is_whole: bool) -> Value {
    let texts = message.texts.iter().enumerate().map(|(index, text)| {
        json!({
            "id": format!("sms{index:05}"), "from": message.from, "to": text.to, "text": message.template,
                "compiled_text": text.text, "status": text.status,
            "segment_count": 1, "error_type": text.error_type, "error_description": text.error_description,
        })
    });
    let mut value = json!({
        "id": message.id, "from": message.from, "to": message.texts.iter().map(|text| &text.to).collect::<Vec<_>>(),
        "text": message.template, "paused": message.paused, "created_at": message.created_at, "sms": texts.collect::<Vec<_>>(),
    });
    if is_whole {
        value["sms_activity"] = json!(steps_json(message, false));
    }
    value
}

fn recipient_json((id, number, status): &(String, String, String)) -> Value {
    json!({ "id": id, "number": number, "status": status, "created_at": MADE })
}

fn delete(list: &mut Vec<Value>, id: &str) -> Reply {
    let before = list.len();
    list.retain(|one| one["id"] != id);
    if list.len() < before { Reply::empty(204) } else { error(404, "Resource not found.") }
}

/// A page of a list, with `links` and `meta`. The only parameters are those of pages and `more`.
fn paged(request: &Seen, all: &[Value], more: &[&str], complain: &mut dyn FnMut(String)) -> Reply {
    for (name, _) in request
        .query
        .iter()
        .filter(|(name, _)| !["page", "limit"].contains(&name.as_str()) && !more.contains(&name.as_str()))
    {
        complain(format!("no parameter `{name}`"));
    }
    let number =
        |name: &str, usual: usize| request.parameter(name).map_or(usual, |text| text.parse().unwrap_or(0));
    let (page, limit) = (number("page", 1), number("limit", 25));
    if page == 0 || !(10..=100).contains(&limit) {
        complain("page must be 1 or more, and limit 10 to 100".to_owned());
        return error(422, "The given data was invalid.");
    }
    let data: Vec<&Value> = all.iter().skip((page - 1) * limit).take(limit).collect();
    let is_last = page * limit >= all.len();
    let next = if is_last {
        Value::Null
    } else {
        json!(format!("https://api.mailersend.com/v1/list?page={}", page + 1))
    };
    let links = json!({ "first": "https://api.mailersend.com/v1/list?page=1", "last": null, "prev": null,
        "next": next });
    let meta = json!({ "current_page": page, "from": 1, "path": "https://api.mailersend.com/v1/list",
        "per_page": limit, "to": data.len() });
    Reply::json(200, json!({ "data": data, "links": links, "meta": meta }))
}
