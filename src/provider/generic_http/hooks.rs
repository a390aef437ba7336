//! What a gateway tells by itself: reports, and texts of people.
//!
//! A report counts where the whole of it is proven to be the gateway's ([`Proof`]); else the message is looked
//! up. It names the message by the gateway's id, by our reference, or by the address that it came to.
//!
//! Of a list with an entry that cannot be read the others are read: a STOP may be among them. A text whose
//! words nobody proved stops its sender where it says STOP; that it says START is for a person to believe.

use std::sync::Arc;

use ::http::Method;
use serde_json::{Map, Value};

use super::find::{Finder, Memo, Seen};
use super::lookup::{Report, States, moment};
use super::money::{Pricing, Scale};
use super::numbers::Numbers;
use super::proof::{Proof, Shown, Ways};
use super::rules::{Holds, finder, finder_if};
use super::settings::{self, Format};
use crate::provider::exchange::{Delivery, Event, HeardBy, NotBelieved, Receipt, Reply, Webhook};
use crate::provider::rest::form::Fields;
use crate::provider::rest::json;
use crate::setting::SecretText;
use crate::sms::message::MessageId;
use crate::sms::money::Currency;

/// Largest body that is looked at.
const MAX_BODY: usize = 64 * 1024;

/// Most entries of a list.
const MOST_ENTRIES: usize = 1_000;

/// Longest body of our answer, in characters.
const LONGEST_ANSWER: usize = 200;

/// What has the same shape for reports and texts: how they are written, and which are meant.
#[derive(Clone, Debug)]
struct Shape {
    format: Format,
    list: Option<Finder>,
    when: Vec<Holds>,
}

impl Shape {
    fn of(
        name: &str,
        format: Format,
        list: Option<&String>,
        when: &[settings::Condition],
    ) -> Result<Self, String> {
        let list = finder_if(&format!("{name}.list"), list)?;
        if list.as_ref().is_some_and(|list| !list.is_path()) || (list.is_some() && format != Format::Json) {
            return Err(format!(
                "{name}.list is for {name}.format = \"json\", and must be a path such as events"
            ));
        }
        Ok(Self { format, list, when: Holds::all(&format!("{name}.when"), when)? })
    }

    /// The entries of a body; nothing where there is no list.
    fn entries<'a>(&self, value: &'a Value) -> Option<Vec<&'a Value>> {
        match &self.list {
            None => Some(vec![value]),
            Some(list) => {
                let entries = list.value(value)?.as_array()?;
                (entries.len() <= MOST_ENTRIES).then(|| entries.iter().collect())
            }
        }
    }

    /// Whether an entry is meant: by the conditions, or where there are none by what it must have.
    fn means(&self, seen: Seen<'_>, must_have: &Finder) -> bool {
        if self.when.is_empty() {
            must_have.find(seen).is_some()
        } else {
            self.when.iter().all(|holds| holds.holds(seen))
        }
    }
}

/// How a report reads.
#[derive(Clone, Debug)]
struct Receipts {
    shape: Shape,
    id: Option<Finder>,
    reference: Option<Finder>,
    to: Option<Finder>,
    opt_out: Vec<Holds>,
    report: Report,
}

/// How a text of a person reads.
#[derive(Clone, Debug)]
struct Replies {
    shape: Shape,
    id: Finder,
    from: Finder,
    to: Finder,
    text: Finder,
    at: Option<Finder>,
}

/// What a gateway tells by itself.
#[derive(Clone)]
pub struct Hooks {
    provider: String,
    proof: Proof,
    receipts: Option<Receipts>,
    replies: Option<Replies>,
    numbers: Numbers,
    status: u16,
    answer: Arc<str>,
}

/// What the settings say besides of what is told.
pub struct Around<'a> {
    /// What words mean.
    pub states: &'a States,
    /// How numbers are written.
    pub numbers: &'a Numbers,
    /// How prices are written, and their currency.
    pub scale: Scale<'a>,
    /// The currency where nothing names one.
    pub currency: Option<Currency>,
    /// Whether messages can be looked up.
    pub can_look: bool,
    /// Whether answers give messages ids of the gateway's own.
    pub has_ids: bool,
    /// Whether the request that sends tells an address for reports.
    pub has_callback: bool,
    /// Whether there is a secret for webhooks.
    pub has_secret: bool,
}

impl Hooks {
    /// Reads the settings.
    ///
    /// # Errors
    /// What is wrong, with its name.
    pub fn of(config: &settings::Config, around: &Around<'_>) -> Result<Option<Self>, String> {
        let (receipts, replies) = (config.receipts.as_ref(), config.replies.as_ref());
        let Some(settings) = &config.webhooks else {
            return match (receipts, replies) {
                (None, None) if around.has_secret => {
                    Err("webhook_secret is set, and there are no webhooks, receipts or replies".to_owned())
                }
                (None, None) => Ok(None),
                _ => Err("webhooks is not set, and receipts or replies is: set webhooks.auth".to_owned()),
            };
        };
        if receipts.is_none() && replies.is_none() {
            return Err("webhooks is set, and neither receipts nor replies is".to_owned());
        }
        let ways = |formats: &[Format]| Ways {
            bodies: formats.iter().any(|format| *format != Format::Query),
            queries: formats.contains(&Format::Query),
        };
        let of_receipts: Vec<Format> = receipts.iter().map(|receipts| receipts.format).collect();
        let both: Vec<Format> =
            of_receipts.iter().copied().chain(replies.iter().map(|replies| replies.format)).collect();
        let proof = Proof::of(settings, around.has_secret, ways(&both))?;
        if receipts.is_some() && !proof.covers(ways(&of_receipts)) && !around.can_look {
            return Err(
                "webhooks.auth does not prove what a report says, and status is not set: then nobody \
                        can be asked, and no report counts"
                    .to_owned(),
            );
        }
        if replies.is_some() && matches!(proof, Proof::None) {
            return Err(
                "webhooks.auth is \"none\", and replies is set: what anybody could write is nobody's \
                        text; \"token\" believes whoever knows the address"
                    .to_owned(),
            );
        }
        let (status, answer) = answer_of(settings)?;
        Ok(Some(Self {
            provider: config.name.clone(),
            proof,
            receipts: receipts.map(|receipts| receipts_of(receipts, around)).transpose()?,
            replies: replies.map(replies_of).transpose()?,
            numbers: around.numbers.clone(),
            status,
            answer,
        }))
    }

    /// Whether reports come, and texts of people.
    pub const fn tells(&self) -> (bool, bool) {
        (self.receipts.is_some(), self.replies.is_some())
    }

    /// How they come, and what they are answered. Called once, where the provider is made.
    pub fn webhook(&self) -> Webhook {
        const BOTH: [Method; 2] = [Method::GET, Method::POST];
        let formats = self.receipts.iter().map(|receipts| receipts.shape.format);
        let formats: Vec<Format> =
            formats.chain(self.replies.iter().map(|replies| replies.shape.format)).collect();
        let has_queries = formats.contains(&Format::Query);
        let has_bodies = formats.iter().any(|format| *format != Format::Query);
        // It lives as long as the program: 200 characters at most, once for each provider of the settings.
        let body: &'static str = Box::leak(self.answer.to_string().into_boxed_str());
        Webhook {
            methods: match (has_queries, has_bodies) {
                (true, false) => const { &[Method::GET] },
                (true, true) => const { &BOTH },
                _ => const { &[Method::POST] },
            },
            status: self.status,
            content_type: if body.is_empty() { "" } else { "text/plain; charset=utf-8" },
            body,
        }
    }

    /// Reads one request.
    ///
    /// # Errors
    /// [`NotBelieved`].
    pub fn read(
        &self,
        delivery: &Delivery<'_>,
        secret: Option<&SecretText>,
    ) -> Result<Vec<Event>, NotBelieved> {
        if delivery.body.len() > MAX_BODY {
            return Err(NotBelieved::Malformed(format!("a body of more than {MAX_BODY} bytes")));
        }
        let shown = self.proof.check(delivery, secret);
        if shown == Shown::Wrong {
            return Err(NotBelieved::Signature);
        }
        let formats = self.receipts.iter().map(|receipts| receipts.shape.format);
        let formats = formats.chain(self.replies.iter().map(|replies| replies.shape.format));
        let (mut events, mut is_read, memo) = (Vec::new(), false, Memo::default());
        let mut done = Vec::new();
        for format in formats {
            if done.contains(&format) {
                continue;
            }
            done.push(format);
            if let Some(value) = value_of(format, delivery) {
                is_read = true;
                self.told((format, &value), (delivery, shown, &memo), &mut events)?;
            }
        }
        if is_read { Ok(events) } else { Err(NotBelieved::Malformed("nothing that can be read".to_owned())) }
    }

    fn told(
        &self,
        (format, value): (Format, &Value),
        (delivery, shown, memo): (&Delivery<'_>, Shown, &Memo),
        events: &mut Vec<Event>,
    ) -> Result<(), NotBelieved> {
        let mut wrong = None;
        let receipts = self.receipts.as_ref().filter(|receipts| receipts.shape.format == format);
        let replies = self.replies.as_ref().filter(|replies| replies.shape.format == format);
        let is_report = |entry: &Value| {
            receipts.is_some_and(|receipts| {
                receipts.shape.means(seen(entry, delivery, memo), &receipts.report.state)
            })
        };
        let reports = receipts.and_then(|receipts| Some((receipts, receipts.shape.entries(value)?)));
        let texts = replies.and_then(|replies| Some((replies, replies.shape.entries(value)?)));
        if reports.is_none() && texts.is_none() {
            return Err(NotBelieved::Malformed("no list that can be read".to_owned()));
        }
        if let Some((receipts, entries)) = reports {
            for entry in entries.into_iter().filter(|entry| is_report(entry)) {
                match receipts.events(seen(entry, delivery, memo), (delivery, shown), &self.numbers) {
                    Ok(read) => events.extend(read),
                    Err(why) => wrong = wrong.or(Some(why)),
                }
            }
        }
        if let Some((replies, entries)) = texts.filter(|_| shown != Shown::Nothing) {
            let is_text = |entry: &&Value| {
                !is_report(entry) && replies.shape.means(seen(entry, delivery, memo), &replies.from)
            };
            for entry in entries.into_iter().filter(is_text) {
                match replies.reply(seen(entry, delivery, memo), (delivery, shown), &self.numbers) {
                    Ok(reply) => events.push(Event::Reply(reply)),
                    Err(why) => wrong = wrong.or(Some(why)),
                }
            }
        }
        match wrong {
            Some(why) if events.is_empty() => Err(why),
            Some(why) => {
                why.note_part(&self.provider);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// What a request tells, as JSON; nothing where it is not written so.
fn value_of(format: Format, delivery: &Delivery<'_>) -> Option<Value> {
    let is_get = *delivery.method == Method::GET;
    let fields = |octets: &[u8]| {
        let mut object = Map::new();
        for (name, value) in Fields::read(octets).sorted() {
            object.entry(name).or_insert_with(|| Value::String(value.to_owned()));
        }
        Value::Object(object)
    };
    match format {
        Format::Json if !is_get => json::from_slice(delivery.body).ok(),
        Format::Form if !is_get => Some(fields(delivery.body)),
        Format::Query if is_get => Some(fields(delivery.query.as_bytes())),
        _ => None,
    }
}

/// An entry of what a request tells, as it is looked at.
fn seen<'a>(value: &'a Value, delivery: &Delivery<'a>, memo: &'a Memo) -> Seen<'a> {
    Seen { value, body: delivery.body, headers: delivery.headers, memo }
}

fn missing(name: &str) -> NotBelieved {
    NotBelieved::Malformed(format!("no `{name}`"))
}

impl Receipts {
    fn events(
        &self,
        seen: Seen<'_>,
        (delivery, shown): (&Delivery<'_>, Shown),
        numbers: &Numbers,
    ) -> Result<Vec<Event>, NotBelieved> {
        let named = self.reference.as_ref().and_then(|at| at.find_id(seen));
        let named = named.filter(|id| id.starts_with(MessageId::PREFIX)).map(MessageId::from_text);
        // Whoever has the address of a message speaks of that one.
        let message = delivery.message.cloned().or(named);
        let vendor_id = match (&self.id, &message) {
            (Some(at), _) => at.find_id(seen).ok_or_else(|| missing("receipts.id"))?,
            (None, Some(message)) => message.as_str().to_owned(),
            (None, None) => return Err(missing("receipts.reference")),
        };
        let hint = Event::Hint { vendor_id: vendor_id.clone(), message: message.clone() };
        if shown != Shown::Proven {
            return Ok(vec![hint]);
        }
        // A word that nobody said anything of is looked up, where anybody can be asked.
        let Some(receipt) = self.report.read(seen, &vendor_id, delivery.now) else { return Ok(vec![hint]) };
        let to = self.to.as_ref().and_then(|at| at.find(seen)).map(|to| numbers.read(&to));
        let is_out = !self.opt_out.is_empty() && self.opt_out.iter().all(|holds| holds.holds(seen));
        let wish = to.clone().filter(|_| is_out).map(|number| Event::OptOut {
            number,
            is_out: true,
            at: self.report.told_at(seen, delivery.now),
            heard_by: message.clone().map(HeardBy::Report),
        });
        let receipt = Receipt { to: to.map(|to| to.text().to_owned()), ..receipt };
        // A report that says which message of ours it is of settles one whose answer was lost.
        let hint = message.is_some().then_some(hint);
        Ok(std::iter::once(Event::Receipt(receipt)).chain(hint).chain(wish).collect())
    }
}

/// What a webhook is answered: status and body.
fn answer_of(settings: &settings::Webhooks) -> Result<(u16, Arc<str>), String> {
    let answer = settings.answer_body.as_deref().unwrap_or_default();
    let status = settings.answer_status.unwrap_or(if answer.is_empty() { 204 } else { 200 });
    if !(200..=299).contains(&status) {
        return Err(format!("webhooks.answer_status is {status}; an answer that thanks is 200 to 299"));
    }
    if answer.chars().count() > LONGEST_ANSWER || (status == 204 && !answer.is_empty()) {
        return Err(format!(
            "webhooks.answer_body has more than {LONGEST_ANSWER} characters, or stands beside answer_status = 204, \
             which has no body"
        ));
    }
    Ok((status, answer.into()))
}

fn receipts_of(settings: &settings::Receipts, around: &Around<'_>) -> Result<Receipts, String> {
    let id = finder_if("receipts.id", settings.id.as_ref())?;
    let reference = finder_if("receipts.reference", settings.reference.as_ref())?;
    if id.is_none() && reference.is_none() && !around.has_callback {
        return Err(
            "receipts names no message: set receipts.id or receipts.reference, or give each message an \
                    address of its own, {callback_url}"
                .to_owned(),
        );
    }
    if id.is_none() && around.has_ids {
        return Err(
            "receipts.id is not set, and answer.id is: a report names a message as the answer did".to_owned()
        );
    }
    if id.is_some() && !around.has_ids {
        return Err("receipts.id is set, and answer.id is not: no answer says which message that is; set \
                    receipts.reference, or answer.id"
            .to_owned());
    }
    if around.states.is_empty() {
        return Err(
            "states is not set, and receipts is: say what the gateway's words mean, as in states = { \
                    delivered = \"delivered\" }"
                .to_owned(),
        );
    }
    let price = Pricing::later(
        ["receipts.price", "answer.price_scale", "receipts.price_currency"],
        (settings.price.as_ref(), settings.price_currency.as_ref()),
        around.scale,
        around.currency,
    )?;
    if !settings.opt_out.is_empty() && settings.to.is_none() {
        return Err("receipts.opt_out is set, and receipts.to is not: who wants no more texts?".to_owned());
    }
    Ok(Receipts {
        shape: Shape::of("receipts", settings.format, settings.list.as_ref(), &settings.when)?,
        id,
        reference,
        to: finder_if("receipts.to", settings.to.as_ref())?,
        opt_out: Holds::all("receipts.opt_out", &settings.opt_out)?,
        report: Report {
            state: finder("receipts.state", &settings.state)?,
            why: finder_if("receipts.why", settings.why.as_ref())?,
            price,
            at: finder_if("receipts.at", settings.at.as_ref())?,
            states: around.states.clone(),
        },
    })
}

impl Replies {
    fn reply(
        &self,
        seen: Seen<'_>,
        (delivery, shown): (&Delivery<'_>, Shown),
        numbers: &Numbers,
    ) -> Result<Reply, NotBelieved> {
        let from = self.from.find(seen).ok_or_else(|| missing("replies.from"))?;
        let from = numbers.read(&from);
        let from = if shown == Shown::Proven { from } else { from.unproven() };
        Ok(Reply {
            vendor_id: self.id.find_id(seen).unwrap_or_else(|| json::content_id(seen.value)),
            from,
            to: self.to.find(seen).unwrap_or_default(),
            // A person may send a picture and no text.
            text: self.text.find(seen).unwrap_or_default(),
            at: self.at.as_ref().and_then(|at| moment(&at.find(seen)?, delivery.now)).unwrap_or(delivery.now),
            content: None,
            is_again: false,
            is_answered: false,
        })
    }
}

fn replies_of(settings: &settings::Replies) -> Result<Replies, String> {
    Ok(Replies {
        shape: Shape::of("replies", settings.format, settings.list.as_ref(), &settings.when)?,
        id: finder("replies.id", &settings.id)?,
        from: finder("replies.from", &settings.from)?,
        to: finder("replies.to", &settings.to)?,
        text: finder("replies.text", &settings.text)?,
        at: finder_if("replies.at", settings.at.as_ref())?,
    })
}
