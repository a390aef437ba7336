//! SMS for AI: one message a request, prices before sending from the vendor's own list, look-ups by id, no
//! webhooks.
//!
//! The vendor's page shows the answer of a send both flat and below `sms`; both are read. Prices are in US
//! dollars and per SMS, so a price is that of the longest dialling code that fits, times the segments: an
//! upper bound. There is no reference of ours at the vendor, so a lost answer stays unknown.
//!
//! Source: `https://www.smsforai.com/docs/api`.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;

use crate::clock::{SharedClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{Enquiry, Event, Finding, ListQuery, Page, Receipt, VendorMessage};
use crate::provider::rest::amount::{self, Rounding};
use crate::provider::rest::wording::{self, Wording};
use crate::provider::rest::{
    self, Answer, Client, Dialect, Request, digits, json, outgoing, path_part, unreadable,
};
use crate::provider::settings::{Rate, Setup, ToldIn};
use crate::provider::{Balance, Build, Capabilities, Form, Outcome, Provider, Submission};
use crate::setting::SecretText;
use crate::sms::message::State;
use crate::sms::money::{Currency, Money};
use crate::sms::number::Number;
use crate::sms::untrusted::escape;

/// Longest text that the vendor takes, in characters.
const MAX_CHARS: usize = 1_600;

/// What the vendor calls its messages (`GET /sms`, parameter `status`).
const WORDS: [(&str, State); 3] =
    [("sent", State::Sent), ("delivered", State::Delivered), ("failed", State::Failed)];

rest::vendor_settings! {
    /// Settings of SMS for AI.
    #[schemars(rename = "SmsForAi")]
    "sms_for_ai" at "https://www.smsforai.com/api/v1", Rate::default(),
        " The vendor limits tokens by the minute and by the day.";
    secrets {
        /// The token, `smsai_...`.
        token: required,
    }
    from {
        /// Sender ID (`sender_id`) where a call names none.
    }
    own {
        /// Words for a `status` that mean "sent", besides those that the vendor documents (`sent`,
        /// `delivered`, `failed`).
        #[serde(skip_serializing_if = "Vec::is_empty")]
        sent_words: Vec<String> = Vec::new(),
    }
    told_in |_| Some(ToldIn::Quotes(Currency::USD));
}

impl Config {
    /// What types cannot say.
    fn check_own(&self) -> std::result::Result<(), String> {
        if self.from.as_deref().is_some_and(str::is_empty) {
            return Err("`from` is empty; leave it out, and the vendor shows its own sender".to_owned());
        }
        wording::check_sent_words(&self.sent_words)?;
        rest::base_url(&self.base_url).map(drop)
    }
}

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        let token = setup.secrets.demand("token")?;
        let client = Client::new(&self.name, &self.base_url, &self.http, Arc::clone(&setup.clock), Refusals)?;
        let wording = Wording::new(&WORDS, &self.sent_words);
        Ok(Arc::new(SmsForAi {
            config: self.clone(),
            wording,
            token,
            client,
            clock: setup.clock,
            rates: RwLock::default(),
        }))
    }
}

/// The provider. See the module's text.
pub struct SmsForAi {
    config: Config,
    wording: Wording,
    token: SecretText,
    client: Client,
    clock: SharedClock,
    /// The price of one SMS by the digits of a dialling code; nothing where the list's price cannot be read.
    rates: RwLock<BTreeMap<String, Option<Money>>>,
}

/// What is sent.
#[derive(Serialize)]
struct Body<'a> {
    to: &'a str,
    body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_id: Option<&'a str>,
}

/// How the vendor's errors read: `{"message", "errors": {"FIELD": [..]}}`, as the framework that it is built
/// on writes them.
struct Refusals;

impl Dialect for Refusals {
    fn words(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        let said = ["message", "error"].into_iter().filter_map(|name| body.get(name)).find_map(|said| {
            let inner = said.get("message").unwrap_or(said);
            inner.as_str().filter(|said| !said.is_empty())
        });
        said.map(str::to_owned)
    }

    fn taken_id(&self, answer: &Answer) -> Option<String> {
        let Shown { id, status, .. } = Shown::read(&answer.json().ok()?);
        wording::id_of_taken(id, status.as_deref())
    }

    fn verdict(&self, answer: &Answer, _: Timestamp) -> Option<Outcome> {
        if answer.status != 422 {
            return None;
        }
        let body: Value = answer.json().ok()?;
        let wrong = |field: &str| body.pointer(&format!("/errors/{field}")).is_some();
        let code = if wrong("to") {
            ErrorKind::InvalidNumber
        } else if wrong("sender_id") {
            ErrorKind::SenderNotAllowed
        } else {
            return None;
        };
        let words = self.words(answer).unwrap_or_default();
        Some(Outcome::Rejected { code, why: format!("HTTP 422: {words}") })
    }
}

/// A price or a balance, in millionths; rounded up where it is finer.
fn micros(value: &Value) -> Option<i64> {
    amount::micros_of(value, Rounding::Up)
}

fn dollars(micros: i64) -> Money {
    Money { micros, currency: Currency::USD }
}

/// A message as the vendor shows it: what a send answers, a look-up, and an entry of a list.
struct Shown {
    id: Option<String>,
    status: Option<String>,
    to: Option<String>,
    text: Option<String>,
    price: Option<Money>,
    why: Option<String>,
    created: Option<Timestamp>,
    changed: Option<Timestamp>,
}

/// The objects of an answer from the outermost to the one that shows the message: below `sms`, or at the top;
/// and below `data` in either case, where a list's entries are.
fn levels(body: &Value) -> Vec<&Value> {
    let mut levels = vec![body];
    for name in ["data", "sms"] {
        levels.extend(levels.last().and_then(|body| body.get(name)).filter(|inner| inner.is_object()));
    }
    levels
}

impl Shown {
    fn read(body: &Value) -> Self {
        let body = levels(body).pop().unwrap_or(body);
        let text = |names: &[&str]| json::first(body, names);
        let time = |names: &[&str]| text(names).and_then(|at| Timestamp::parse(&at));
        Self {
            id: text(&["id"]),
            status: text(&["status"]),
            to: text(&["to"]),
            text: text(&["body"]),
            price: body.get("price_usd").and_then(micros).filter(|micros| *micros >= 0).map(dollars),
            why: text(&["error", "error_message"]),
            created: time(&["created_at", "sent_at"]),
            changed: time(&["delivered_at", "updated_at"]),
        }
    }
}

/// The entries of a list: the answer itself, or below one of these names.
fn entries<'a>(body: &'a Value, names: &[&str]) -> Option<&'a Vec<Value>> {
    body.as_array().or_else(|| names.iter().find_map(|name| body.get(name)?.as_array()))
}

impl SmsForAi {
    fn get(&self, path: &str) -> Request {
        Request::get(path).bearer(&self.token)
    }

    async fn read(&self, request: &Request) -> Result<Value> {
        let answer = self.client.read(request).await?;
        answer.json().map_err(|why| self.wrong(&why))
    }

    fn wrong(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.config.name))
    }

    /// The dialling codes and prices of `GET /countries`. Where countries share a code, the dearest price
    /// counts.
    fn rate_card(body: &Value) -> Option<BTreeMap<String, Option<Money>>> {
        let mut card: BTreeMap<String, Option<Money>> = BTreeMap::new();
        for entry in entries(body, &["data", "countries"])? {
            let code = entry
                .get("dial_code")
                .and_then(json::text)
                .map_or_else(String::new, |code| digits::digits(&code));
            if code.is_empty() {
                continue;
            }
            let price = entry.get("price_usd").and_then(micros).filter(|micros| *micros > 0).map(dollars);
            let known = card.entry(code).or_insert(price);
            *known = match (*known, price) {
                (Some(known), Some(price)) => Some(dollars(known.micros.max(price.micros))),
                // Nobody knows what one of them costs: then nobody knows the most that either costs.
                _ => None,
            };
        }
        (!card.is_empty()).then_some(card)
    }

    /// What the token may do, from the answer of `GET /me`, and what it should be able to do and may not.
    fn permissions(me: &Value) -> Vec<Finding> {
        let me = me.get("data").filter(|data| data.is_object()).unwrap_or(me);
        let token = me.get("token").unwrap_or(me);
        let Some(list) = token.get("permissions").and_then(Value::as_array) else {
            return vec![Finding::warning("the vendor does not say what the token may do")];
        };
        let permissions: Vec<String> =
            list.iter().filter_map(Value::as_str).map(str::to_ascii_lowercase).collect();
        let name = token
            .get("name")
            .and_then(Value::as_str)
            .map(|name| format!(" \"{}\"", escape(name)))
            .unwrap_or_default();
        let mut findings =
            vec![Finding::fine(format!("the token{name} may: {}", escape(&permissions.join(", "))))];
        // Only `sms:send` is documented by name.
        let may = |is_it: &dyn Fn(&str) -> bool| permissions.iter().any(|one| one == "*" || is_it(one));
        if !may(&|one| one.contains("send")) {
            findings.push(Finding::warning("the token may not send (sms:send)"));
        }
        if !may(&|one| one.contains("balance")) {
            findings.push(Finding::warning("the token seems not to be allowed to read the balance"));
        }
        let reads = |one: &str| {
            !one.contains("balance")
                && ["read", "list", "view", "status", "sms:*"].iter().any(|word| one.contains(word))
        };
        if !may(&reads) {
            findings.push(Finding::warning(
                "the token seems not to be allowed to read messages: what became of one will not be known",
            ));
        }
        findings
    }
}

#[async_trait]
impl Provider for SmsForAi {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            status: true,
            list: true,
            balance: true,
            prices: true,
            receipts_by_poll: true,
            ..Capabilities::SEND_ONLY
        }
    }

    fn name(&self) -> &str {
        &self.config.name
    }

    fn price(&self, to: &Number, segments: u32) -> Option<Money> {
        let digits = to.e164().trim_start_matches('+');
        let rates = self.rates.read().unwrap_or_else(PoisonError::into_inner);
        let longest = (1..=digits.len()).rev().find_map(|length| rates.get(digits.get(..length)?));
        (*longest?)?.times(segments.max(1))
    }

    fn form(&self, _: &Number, _: Option<&str>, text: &str) -> Result<Form> {
        outgoing::check_length(&self.config.name, text, MAX_CHARS)?;
        Ok(Form::of(text))
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        let sender_id = submission.from.as_deref().or(self.config.from.as_deref());
        let body = Body { to: submission.to.e164(), body: &submission.text, sender_id };
        let request = Request::post("sms/send").bearer(&self.token).carrying(&[submission]).json(&body);
        let answer = match self.client.submit(&request).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let body = match answer.json::<Value>() {
            Ok(body) => body,
            Err(why) => return unreadable(&answer, &why),
        };
        let Shown { id, price, to, .. } = Shown::read(&body);
        if to.is_some_and(|to| digits::is_another(&to, &submission.to)) {
            return unreadable(&answer, "the answer is about a text to another recipient");
        }
        self.wording.said(&levels(&body), id.is_some()).outcome(&answer, id, None, price)
    }

    async fn balance(&self) -> Result<Balance> {
        let body = self.read(&self.get("balance")).await?;
        let credits =
            ["/credits_usd", "/data/credits_usd"].into_iter().find_map(|path| micros(body.pointer(path)?));
        credits
            .map(|micros| Balance::Money(dollars(micros)))
            .ok_or_else(|| self.wrong("the answer has no credits_usd"))
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        let Some(id) = path_part(&enquiry.vendor_id) else { return Ok(Vec::new()) };
        let body = match self.read(&self.get(&format!("sms/{id}"))).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        let shown = Shown::read(&body);
        let state = wording::reported(&self.wording, shown.status.as_deref(), shown.id.is_some())
            .map_err(|why| self.wrong(&why))?;
        let at = shown.changed.unwrap_or_else(|| self.clock.now());
        let price = shown.price;
        Ok(vec![Receipt { why: shown.why.clone(), price, ..Receipt::new(&enquiry.vendor_id, state, at) }])
    }

    async fn list(&self, query: &ListQuery) -> Result<Page> {
        let page = query.page.max(1);
        let mut request = self.get("sms").query("page", page);
        if let Some(state @ (State::Sent | State::Delivered | State::Failed)) = query.state {
            request = request.query("status", state);
        }
        let body = self.read(&request).await?;
        let entries = entries(&body, &["data", "sms"]).ok_or_else(|| self.wrong("the answer has no list"))?;
        let messages = entries.iter().map(Shown::read).filter_map(|shown| {
            let Shown { id, status, to, text, price, why, created, .. } = shown;
            let state = status.and_then(|word| self.wording.state(&word)).unwrap_or(State::Unknown);
            Some(VendorMessage {
                vendor_id: id?,
                to: to.unwrap_or_default(),
                text,
                state,
                at: created,
                price,
                why,
            })
        });
        let last = body.pointer("/meta/last_page").and_then(Value::as_u64);
        let is_last = match last {
            Some(last) => u64::from(page) >= last,
            None => body.pointer("/links/next").is_none_or(Value::is_null),
        };
        Ok(Page { messages: messages.collect(), next: (!is_last).then(|| page.saturating_add(1)) })
    }

    async fn refresh(&self) -> Result<Vec<Event>> {
        let body = self.read(&self.get("countries")).await?;
        let card = Self::rate_card(&body)
            .ok_or_else(|| self.wrong("the list of countries does not read as documented"))?;
        tracing::debug!(provider = %self.config.name, codes = card.len(), "prices are up to date");
        *self.rates.write().unwrap_or_else(PoisonError::into_inner) = card;
        Ok(Vec::new())
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        let mut findings = Self::permissions(&self.read(&self.get("me")).await?);
        findings.push(match self.balance().await {
            Ok(Balance::Money(money)) if money.micros > 0 => Finding::fine(format!("the balance is {money}")),
            Ok(_) => Finding::warning("the account is empty"),
            Err(error) => Finding::warning(format!("the balance cannot be read: {}", error.message())),
        });
        Ok(findings)
    }
}
