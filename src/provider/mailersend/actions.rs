//! What an operator can do at MailerSend from the command line: look at numbers, recipients, messages and
//! what happened to them, pause a number, and keep webhooks and inbound routes. Nothing here sends a text.
//!
//! Source: developers.mailersend.com, `api/v1/sms-numbers`, `sms-recipients`, `sms-activity`, `sms-messages`,
//! `sms-webhooks`, `sms-inbounds`, `api-quota`.

use ::http::Method;
use serde_json::{Value, json};

use super::account::Mailersend;
use super::answers::{id, is_id, items, text};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{Action, Arguments, no_such_action};
use crate::provider::rest::Request;

/// The events of texts that a webhook can have.
const EVENTS: [&str; 3] = ["sms.sent", "sms.delivered", "sms.failed"];

/// The statuses that activity can be filtered by.
const STATUSES: [&str; 5] = ["processed", "queued", "sent", "delivered", "failed"];

/// How an inbound route's filter compares.
const COMPARERS: [&str; 8] = [
    "equal",
    "not-equal",
    "contains",
    "not-contains",
    "starts-with",
    "ends-with",
    "not-starts-with",
    "not-ends-with",
];

/// Longest name of a webhook or route.
const MAX_NAME: usize = 191;

/// Longest address of a route.
const MAX_URL: usize = 255;

/// Everything that can be done.
pub const ACTIONS: [Action; 14] = [
    action("numbers", "lists the account's phone numbers", &[], &["paused", "page", "limit"]),
    action("numbers-pause", "holds back what this number sends", &["id"], &[]),
    action("numbers-resume", "lets a paused number send again", &["id"], &[]),
    action(
        "recipients",
        "lists people and whether they opted out",
        &[],
        &["status", "sms_number_id", "page", "limit"],
    ),
    action(
        "activity",
        "lists what happened to texts",
        &[],
        &["sms_number_id", "date_from", "date_to", "status", "page", "limit"],
    ),
    action("messages", "lists messages, or shows the one with this id", &[], &["id", "page", "limit"]),
    action("webhooks", "lists the webhooks of the number", &[], &["sms_number_id"]),
    action(
        "webhooks-create",
        "makes a webhook for receipts; prints its signing secret",
        &[],
        &["url", "name", "events", "sms_number_id", "enabled"],
    ),
    action("webhooks-delete", "deletes a webhook", &["id"], &[]),
    action("inbounds", "lists the inbound routes", &[], &["sms_number_id", "enabled", "page", "limit"]),
    action(
        "inbounds-create",
        "makes a route for what people write; prints its secret",
        &[],
        &["url", "name", "comparer", "value", "sms_number_id", "enabled"],
    ),
    action("inbounds-delete", "deletes an inbound route", &["id"], &[]),
    action("quota", "shows the requests that are left today", &[], &[]),
    action("recipients-set", "sets a person to active or opt_out", &["id", "status"], &[]),
];

const fn action(
    name: &'static str,
    about: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
) -> Action {
    Action { name, about, required, optional }
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, what)
}

/// The arguments of one action, each read in its form.
struct Given<'a>(&'a Arguments);

impl Given<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn id(&self, name: &str) -> Result<Option<&str>> {
        let given = self.text(name);
        if given.is_some_and(|id| !is_id(id)) {
            return Err(wrong(format!("{name}= is no id of MailerSend: letters and digits")));
        }
        Ok(given)
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "yes" | "1") => Ok(Some(true)),
            Some("false" | "no" | "0") => Ok(Some(false)),
            Some(_) => Err(wrong(format!("{name}= must be true or false"))),
        }
    }

    fn number(&self, name: &str, least: u32, most: u32) -> Result<Option<u32>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.map(Some).ok_or_else(|| wrong(format!("{name}= must be a number from {least} to {most}")))
    }

    /// A moment, as a date, as RFC 3339 or in Unix seconds; in Unix seconds.
    fn seconds(&self, name: &str) -> Result<Option<i64>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let seconds =
            text.parse().ok().or_else(|| Timestamp::parse(text).map(|at| at.as_millis().div_euclid(1_000)));
        seconds.map(Some).ok_or_else(|| {
            wrong(format!("{name}= must be a date such as 2026-11-22 or 2026-11-22T10:15:00Z"))
        })
    }

    fn one_of(&self, name: &str, known: &[&'static str]) -> Result<Option<&'static str>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let found = known.iter().find(|one| **one == text).copied();
        found.map(Some).ok_or_else(|| wrong(format!("{name}= must be one of {}", known.join(", "))))
    }

    /// Several of a list, with commas between them.
    fn some_of(&self, name: &str, known: &[&'static str]) -> Result<Vec<&'static str>> {
        let parts = self.text(name).into_iter().flat_map(|text| text.split(',')).map(str::trim);
        let find = |part: &str| known.iter().find(|one| **one == part).copied();
        parts
            .map(|part| {
                find(part).ok_or_else(|| wrong(format!("{name}= must be some of {}", known.join(", "))))
            })
            .collect()
    }

    fn name(&self) -> Result<&str> {
        let name = self.text("name").unwrap_or("sms-mcp");
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err(wrong(format!("name= must have 1 to {MAX_NAME} characters")));
        }
        Ok(name)
    }

    /// A page of a list, with `page` and `limit` where they are given.
    fn paged(&self, path: &str) -> Result<Request> {
        let mut request = Request::get(path);
        if let Some(page) = self.number("page", 1, u32::MAX)? {
            request = request.query("page", page);
        }
        if let Some(limit) = self.number("limit", 10, 100)? {
            request = request.query("limit", limit);
        }
        Ok(request)
    }
}

/// Does one action. See [`crate::provider::Provider::act`].
pub async fn act(api: &Mailersend, name: &str, arguments: &Arguments) -> Result<Value> {
    let known =
        ACTIONS.iter().find(|action| action.name == name).ok_or_else(|| no_such_action(name, &ACTIONS))?;
    known.check(arguments)?;
    let given = Given(arguments);
    let id = given.id("id")?;
    let of_id = |path: &str| format!("{path}/{}", id.unwrap_or_default());
    match name {
        "numbers" => {
            let request = given.paged("sms-numbers")?;
            api.ask(with_flag(request, "paused", given.flag("paused")?)).await
        }
        "numbers-pause" => {
            api.change(Method::PUT, of_id("sms-numbers"), Some(json!({ "paused": true }))).await
        }
        "numbers-resume" => {
            api.change(Method::PUT, of_id("sms-numbers"), Some(json!({ "paused": false }))).await
        }
        "recipients" => recipients(api, &given).await,
        "recipients-set" => {
            let status = given.one_of("status", &["active", "opt_out"])?;
            api.change(Method::PUT, of_id("sms-recipients"), Some(json!({ "status": status }))).await
        }
        "activity" => activity(api, &given).await,
        "messages" if id.is_some() => api.ask(Request::get(of_id("sms-messages"))).await,
        "messages" => api.ask(given.paged("sms-messages")?).await,
        "webhooks" => {
            let number = number_id(api, &given).await?;
            api.ask(Request::get("sms-webhooks").query("sms_number_id", number)).await
        }
        "webhooks-create" => create_webhook(api, &given).await,
        "webhooks-delete" => api.change(Method::DELETE, of_id("sms-webhooks"), None).await,
        "inbounds" => inbounds(api, &given).await,
        "inbounds-create" => create_inbound(api, &given).await,
        "inbounds-delete" => api.change(Method::DELETE, of_id("sms-inbounds"), None).await,
        "quota" => api.quota().await,
        _ => Err(no_such_action(name, &ACTIONS)),
    }
}

/// Adds a yes or no, written as the vendor's own clients write it.
fn with_flag(request: Request, name: &str, flag: Option<bool>) -> Request {
    match flag {
        Some(flag) => request.query(name, u8::from(flag)),
        None => request,
    }
}

/// The id of the number that hooks belong to: given, configured, or that of the number which sends.
async fn number_id(api: &Mailersend, given: &Given<'_>) -> Result<String> {
    if let Some(number) = given.id("sms_number_id")?.or(api.sms_number_id()) {
        return Ok(number.to_owned());
    }
    let numbers = api.ask(Request::get("sms-numbers").query("limit", 100)).await?;
    let own = items(&numbers, "/data")
        .iter()
        .find(|number| text(number, "/telephone_number") == Some(api.sender()));
    let found = own.and_then(|number| id(number, "/id")).map(ToOwned::to_owned);
    found.ok_or_else(|| wrong("sms_number_id= is needed: `from` is none of the account's numbers"))
}

/// The address of a hook: given, or this server's own.
fn url(api: &Mailersend, given: &Given<'_>) -> Result<String> {
    let url = given.text("url").map(ToOwned::to_owned).or_else(|| api.callback_url());
    let url = url.ok_or_else(|| {
        wrong("url= is needed: `[http] public_url` is not set, so this server has no address of its own")
    })?;
    if !url.starts_with("https://") || url.len() > MAX_URL {
        return Err(wrong(format!(
            "the address must begin with https:// and have at most {MAX_URL} characters"
        )));
    }
    Ok(url)
}

async fn recipients(api: &Mailersend, given: &Given<'_>) -> Result<Value> {
    let mut request = given.paged("sms-recipients")?;
    if let Some(status) = given.one_of("status", &["active", "opt_out"])? {
        request = request.query("status", status);
    }
    if let Some(number) = given.id("sms_number_id")? {
        request = request.query("sms_number_id", number);
    }
    api.ask(request).await
}

async fn activity(api: &Mailersend, given: &Given<'_>) -> Result<Value> {
    let mut request = given.paged("sms-activity")?;
    if let Some(number) = given.id("sms_number_id")?.or(api.sms_number_id()) {
        request = request.query("sms_number_id", number);
    }
    for name in ["date_from", "date_to"] {
        if let Some(seconds) = given.seconds(name)? {
            request = request.query(name, seconds);
        }
    }
    for status in given.some_of("status", &STATUSES)? {
        request = request.query("status[]", status);
    }
    api.ask(request).await
}

async fn create_webhook(api: &Mailersend, given: &Given<'_>) -> Result<Value> {
    let events = given.some_of("events", &EVENTS)?;
    let events: &[&str] = if events.is_empty() { &EVENTS } else { &events };
    let mut body = json!({ "url": url(api, given)?, "name": given.name()?, "events": events });
    insert(&mut body, "enabled", given.flag("enabled")?.map(Value::Bool));
    insert(&mut body, "sms_number_id", Some(number_id(api, given).await?.into()));
    api.change(Method::POST, "sms-webhooks".to_owned(), Some(body)).await
}

async fn inbounds(api: &Mailersend, given: &Given<'_>) -> Result<Value> {
    let mut request = given.paged("sms-inbounds")?;
    if let Some(number) = given.id("sms_number_id")? {
        request = request.query("sms_number_id", number);
    }
    api.ask(with_flag(request, "enabled", given.flag("enabled")?)).await
}

async fn create_inbound(api: &Mailersend, given: &Given<'_>) -> Result<Value> {
    let enabled = given.flag("enabled")?.unwrap_or(true);
    let mut body = json!({ "forward_url": url(api, given)?, "name": given.name()?, "enabled": enabled });
    let filter = match (given.one_of("comparer", &COMPARERS)?, given.text("value")) {
        (Some(comparer), Some(value)) => Some(json!({ "comparer": comparer, "value": value })),
        (None, None) => None,
        _ => return Err(wrong("comparer= and value= belong together")),
    };
    insert(&mut body, "filter", filter);
    insert(&mut body, "sms_number_id", Some(number_id(api, given).await?.into()));
    api.change(Method::POST, "sms-inbounds".to_owned(), Some(body)).await
}

fn insert(body: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(fields), Some(value)) = (body.as_object_mut(), value) {
        fields.insert(name.to_owned(), value);
    }
}
