//! A2P Pro: one message a request unless `bulk` says otherwise, look-ups by id, and webhooks that nobody
//! signs.
//!
//! Where the server has a public address each message carries a callback address of its own with a token that
//! cannot be guessed. Even so a webhook is only a hint: what it says is believed after a look-up. How the
//! vendor answers a request to several recipients is not documented, so that is off by default; with `bulk`
//! every likely form is read, and a recipient whom the answer does not name is unknown.
//!
//! Source: `https://www.a2ppro.com/api-docs`.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;

use crate::clock::{SharedClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{Delivery, Enquiry, Event, Finding, NotBelieved, Receipt};
use crate::provider::rest::wording::{self, Said, Wording};
use crate::provider::rest::{self, Answer, Client, Dialect, Request, digits, json, path_part, unreadable};
use crate::provider::settings::{Callback, Rate, Setup};
use crate::provider::{Build, Capabilities, Outcome, Provider, Submission, alike};
use crate::setting::SecretText;
use crate::sms::message::State;
use crate::sms::money::Money;
use crate::sms::number::Number;

/// Most recipients of one request that can be configured: the answer about them must stay well under a
/// megabyte.
const MAX_BULK: u16 = 1_000;

/// An id that no message has: asking for it shows whether the token is taken.
const NO_MESSAGE: &str = "m-0";

/// What the vendor calls its messages, in their order; `queued` and `sent` are both on the way.
const WORDS: [(&str, State); 4] = [
    ("queued", State::Sent),
    ("sent", State::Sent),
    ("delivered", State::Delivered),
    ("failed", State::Failed),
];

rest::vendor_settings! {
    /// Settings of A2P Pro.
    #[schemars(rename = "A2pPro")]
    "a2p_pro" at "https://api.a2ppro.com/v1", Rate::default();
    secrets {
        /// The API key, as a bearer token.
        token: required,
    }
    from {
        /// Sender ID or number where a call names none. It must be set: the vendor takes no message without.
    }
    own {
        /// Words for a `status` that mean "sent", besides those that the vendor documents (`queued`, `sent`,
        /// `delivered`, `failed`).
        #[serde(skip_serializing_if = "Vec::is_empty")]
        sent_words: Vec<String> = Vec::new(),
        /// Whether equal texts go to several recipients in one request. The vendor does not document how it
        /// answers that.
        bulk: bool = false,
        /// Most recipients of one request with `bulk`.
        bulk_size: u16 = 100,
    }
}

impl Config {
    /// What types cannot say.
    fn check_own(&self) -> std::result::Result<(), String> {
        if self.from.as_deref().is_none_or(str::is_empty) {
            return Err(
                "`from` is not set; A2P Pro takes no message without a sender ID or number".to_owned()
            );
        }
        if !(1..=MAX_BULK).contains(&self.bulk_size) {
            return Err(format!("bulk_size is {}; it must be from 1 to {MAX_BULK}", self.bulk_size));
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
        Ok(Arc::new(A2pPro {
            config: self.clone(),
            wording,
            token,
            client,
            clock: setup.clock,
            callback: setup.callback,
        }))
    }
}

/// The provider. See the module's text.
pub struct A2pPro {
    config: Config,
    wording: Wording,
    token: SecretText,
    client: Client,
    clock: SharedClock,
    callback: Option<Callback>,
}

/// What is sent.
#[derive(Serialize)]
struct Body<'a> {
    to: Recipients<'a>,
    from: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_url: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Recipients<'a> {
    One(&'a str),
    Many(Vec<&'a str>),
}

/// The vendor's errors: `{"code", "message"}`, perhaps below `error`. Its codes say no more than its statuses
/// do.
struct Refusals;

impl Dialect for Refusals {
    fn words(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        let error = body.get("error").filter(|error| error.is_object()).unwrap_or(&body);
        let words: Vec<&str> =
            ["code", "message"].into_iter().filter_map(|name| error.get(name)?.as_str()).collect();
        (!words.is_empty()).then(|| words.join(": "))
    }

    fn taken_id(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        Shown::all(&body).into_iter().find_map(|shown| wording::id_of_taken(shown.id, shown.status))
    }
}

/// One message as the vendor shows it, or one answer that stands for several.
struct Shown<'a> {
    /// The objects around it, from the outermost, and itself.
    levels: Vec<&'a Value>,
    id: Option<String>,
    status: Option<&'a str>,
    /// Whom it speaks of: nobody in particular, one, or several that share the id.
    to: Vec<&'a str>,
    segments: Option<u32>,
    delivered: Option<Timestamp>,
    why: Option<String>,
}

/// The vendor's id of a message: `id`, and `message_id` in an older edition of its page.
fn id_of(body: &Value) -> Option<String> {
    json::first(body, &["id", "message_id"])
}

impl<'a> Shown<'a> {
    /// Every message of an answer: an object, an array, or either below `data` or `messages`.
    fn all(body: &'a Value) -> Vec<Self> {
        let holds_more = |inner: &&Value| inner.is_object() || inner.is_array();
        let inner = ["data", "messages"].into_iter().find_map(|name| body.get(name).filter(holds_more));
        let around = || if inner.is_some() { vec![body] } else { Vec::new() };
        match inner.unwrap_or(body) {
            Value::Array(items) => items.iter().map(|item| Self::read(around(), item)).collect(),
            item => vec![Self::read(around(), item)],
        }
    }

    fn read(mut levels: Vec<&'a Value>, body: &'a Value) -> Self {
        levels.push(body);
        let to = match body.get("to") {
            Some(Value::String(to)) => vec![to.as_str()],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let time = |name: &str| Timestamp::parse(body.get(name)?.as_str()?);
        Self {
            levels,
            id: id_of(body),
            status: body.get("status").and_then(Value::as_str),
            to,
            segments: body
                .get("segments")
                .and_then(Value::as_u64)
                .and_then(|count| u32::try_from(count).ok()),
            delivered: time("delivered_at"),
            why: json::first(body, &["error_code", "code", "error"]),
        }
    }

    fn names(&self, number: &Number) -> bool {
        self.to.iter().any(|to| digits::is_same(to, number))
    }

    /// What it says of a message that was just sent. One that was taken has an id.
    fn outcome(&self, wording: &Wording, answer: &Answer) -> Outcome {
        // Where it speaks of several nobody knows whether the segments are those of one or of all.
        let segments = self.segments.filter(|_| self.to.len() <= 1);
        match wording.said(&self.levels, self.id.is_some()) {
            Said::Taken(_) if self.id.is_none() => unreadable(answer, "the answer has no id"),
            said => said.outcome(answer, self.id.clone(), segments, None),
        }
    }
}

/// What an answer to a request with several recipients says of one of them.
fn outcome_of(submission: &Submission, shown: &[Shown<'_>], wording: &Wording, answer: &Answer) -> Outcome {
    let named = shown.iter().find(|shown| shown.names(&submission.to));
    // One answer that names nobody stands for all.
    let found = named.or(match shown {
        [all] if all.to.is_empty() => Some(all),
        _ => None,
    });
    match found.filter(|shown| shown.id.is_some()) {
        Some(shown) => shown.outcome(wording, answer),
        None => unreadable(answer, "the answer names no message for this recipient"),
    }
}

impl A2pPro {
    fn sender<'a>(&'a self, submission: &'a Submission) -> &'a str {
        submission.from.as_deref().or(self.config.from.as_deref()).unwrap_or_default()
    }

    fn request(&self, first: &Submission, to: Recipients<'_>, carried: &[&Submission]) -> Request {
        let message = matches!(to, Recipients::One(_)).then_some(&first.id);
        let callback_url = self.callback.as_ref().map(|callback| callback.url(message));
        let body = Body { to, from: self.sender(first), text: &first.text, callback_url };
        Request::post("messages").bearer(&self.token).carrying(carried).json(&body)
    }

    /// Sends one text to several in one request. As many outcomes as submissions.
    async fn send_group(&self, first: &Submission, group: &[&Submission]) -> Vec<Outcome> {
        if group.len() == 1 {
            return vec![self.send(first).await];
        }
        let numbers = group.iter().map(|submission| submission.to.e164()).collect();
        let answer = match self.client.submit(&self.request(first, Recipients::Many(numbers), group)).await {
            Ok(answer) => answer,
            // Whose id it is, nobody knows.
            Err(Outcome::Unclear { why, .. }) => return vec![Outcome::Unknown { why }; group.len()],
            Err(outcome) => return vec![outcome; group.len()],
        };
        match answer.json::<Value>() {
            Ok(body) => {
                let shown = Shown::all(&body);
                group
                    .iter()
                    .map(|submission| outcome_of(submission, &shown, &self.wording, &answer))
                    .collect()
            }
            Err(why) => vec![unreadable(&answer, &why); group.len()],
        }
    }
}

#[async_trait]
impl Provider for A2pPro {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            recipients_per_request: if self.config.bulk { self.config.bulk_size } else { 1 },
            status: true,
            receipts_by_push: self.callback.is_some(),
            // Also where webhooks come: one that is lost must not leave a message open for ever.
            receipts_by_poll: true,
            ..Capabilities::SEND_ONLY
        }
    }

    fn name(&self) -> &str {
        &self.config.name
    }

    fn price(&self, _: &Number, _: u32) -> Option<Money> {
        None
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        let answer = match self
            .client
            .submit(&self.request(submission, Recipients::One(submission.to.e164()), &[submission]))
            .await
        {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let body = match answer.json::<Value>() {
            Ok(body) => body,
            Err(why) => return unreadable(&answer, &why),
        };
        match Shown::all(&body).as_slice() {
            [shown] if shown.to.iter().any(|to| digits::is_another(to, &submission.to)) => {
                unreadable(&answer, "the answer is about a text to another recipient")
            }
            [shown] => shown.outcome(&self.wording, &answer),
            _ => unreadable(&answer, "the answer shows no one message"),
        }
    }

    /// One request for each text and sender, one after the other. After one that was lost or not sent no
    /// other begins.
    async fn send_many(&self, submissions: &[Submission]) -> Vec<Outcome> {
        let not_begun = Outcome::NotSent {
            retry_after_ms: None,
            why: "an earlier request of this batch had no answer".to_owned(),
        };
        let mut outcomes = vec![not_begun; submissions.len()];
        let most = usize::from(self.capabilities().recipients_per_request);
        for places in alike(submissions, self.config.from.as_deref(), most) {
            let group: Vec<&Submission> = places.iter().filter_map(|place| submissions.get(*place)).collect();
            let Some(first) = group.first() else { continue };
            let answered = self.send_group(first, &group).await;
            let retry = answered.iter().find_map(|outcome| match outcome {
                Outcome::NotSent { retry_after_ms, .. } => Some(*retry_after_ms),
                Outcome::Unknown { .. } => Some(None),
                _ => None,
            });
            for (place, outcome) in places.into_iter().zip(answered) {
                if let Some(slot) = outcomes.get_mut(place) {
                    *slot = outcome;
                }
            }
            if let Some(wait) = retry {
                outcomes.iter_mut().for_each(|outcome| wait_as_long(outcome, wait));
                break;
            }
        }
        outcomes
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        let Some(id) = path_part(&enquiry.vendor_id) else { return Ok(Vec::new()) };
        let answer = match self.client.read(&Request::get(format!("messages/{id}")).bearer(&self.token)).await
        {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        let wrong =
            |why: &str| Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.config.name));
        let body: Value = answer.json().map_err(|why| wrong(&why))?;
        let read: Vec<_> = Shown::all(&body)
            .into_iter()
            .map(|shown| (wording::reported(&self.wording, shown.status, shown.id.is_some()), shown))
            .collect();
        // What one says in a word that nobody knows is no news; where all do, that is worth a word to the
        // operator.
        if let Some(why) = read
            .iter()
            .find_map(|(state, _)| state.as_ref().err())
            .filter(|_| read.iter().all(|(state, _)| state.is_err()))
        {
            return Err(wrong(why));
        }
        let shown: Vec<(State, Shown<'_>)> =
            read.into_iter().filter_map(|(state, shown)| Some((state.ok()?, shown))).collect();
        let now = self.clock.now();
        let is_one = matches!(shown.as_slice(), [(_, one)] if one.to.len() <= 1);
        let receipts = shown.iter().flat_map(|(state, shown)| {
            let at = shown.delivered.filter(|_| *state == State::Delivered).unwrap_or(now);
            let why = shown.why.clone().filter(|_| matches!(state, State::Failed | State::Expired));
            let receipt = Receipt { why, ..Receipt::new(&enquiry.vendor_id, *state, at) };
            let of = |to: &&str| digits::number(to).map(|to| to.e164().to_owned());
            match is_one {
                true => vec![receipt],
                false => shown
                    .to
                    .iter()
                    .filter_map(of)
                    .map(|to| Receipt { to: Some(to), ..receipt.clone() })
                    .collect(),
            }
        });
        Ok(receipts.collect())
    }

    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        if self.callback.is_none() {
            return Err(NotBelieved::NotExpected);
        }
        // The error itself may quote the body.
        let body: Value = json::from_slice(delivery.body)
            .map_err(|_| NotBelieved::Malformed("the body is no JSON".to_owned()))?;
        let vendor_id =
            id_of(&body).ok_or_else(|| NotBelieved::Malformed("the body has no id".to_owned()))?;
        Ok(vec![Event::Hint { vendor_id, message: delivery.message.cloned() }])
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        let asked =
            self.client.read(&Request::get(format!("messages/{NO_MESSAGE}")).bearer(&self.token)).await;
        let key = match asked {
            Err(error) if error.kind() == ErrorKind::NotFound => Finding::fine("the token is taken"),
            Err(error) if error.kind() != ErrorKind::ProviderRejected => return Err(error),
            _ => Finding::warning("the vendor answers, but not as documented to a look-up of no message"),
        };
        let receipts = match self.callback {
            Some(_) => "receipts come to [http] public_url, and are looked up",
            None => "receipts are looked up; with [http] public_url the vendor can tell them at once",
        };
        Ok(vec![key, Finding::fine(receipts)])
    }
}

/// Has what was not sent wait as long as the vendor asked.
fn wait_as_long(outcome: &mut Outcome, wait: Option<u64>) {
    if let Outcome::NotSent { retry_after_ms, .. } = outcome {
        *retry_after_ms = wait;
    }
}
