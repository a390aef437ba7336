//! What Infobip sends by itself: reports about messages and texts of people, up to a hundred in one request,
//! as JSON.
//!
//! Where a message names an address of its own for its reports, nothing proves who calls it but the token in
//! it. So what comes there is a hint, and the log is asked before anything of it is believed. What comes by a
//! subscription of the account may be proven: by a user and a password, or by an HMAC over the raw body in a
//! header of which no page says the name, so that the operator does ([`Proof`]). Texts of people are taken
//! from such a subscription alone, since nobody can be asked whether one was written. Neither way has a time
//! in it, so a request can be replayed, which changes nothing.
//!
//! Not used: the lists of reports and of texts that Infobip gives out once (`/sms/3/reports`,
//! `/sms/1/inbox/reports`). What is given out once is lost where a process ends before it is recorded.

use serde_json::Value;

use super::answers::Shown;
use crate::provider::exchange::{Delivery, Event, HeardBy, NotBelieved, Receipt, Reply};
use crate::provider::rest::{digits, json};
use crate::provider::signature::{BasicLogin, Key};
use crate::sms::caller_id::Sender;
use crate::sms::message::MessageId;

/// What proves that a request is Infobip's. It has no `Debug`: it holds a secret.
pub enum Proof {
    /// A user with a password.
    Login(BasicLogin),
    /// A signature of the raw body.
    Signature {
        /// The header that has it, in lower case.
        header: String,
        /// What it is made with.
        key: Key,
    },
}

impl Proof {
    fn is_given(&self, delivery: &Delivery<'_>) -> bool {
        match self {
            Self::Login(login) => login.is_shown(delivery.headers),
            Self::Signature { header, key } => delivery
                .headers
                .get(header)
                .is_some_and(|shown| key.has_signed(shown.as_bytes(), [delivery.body])),
        }
    }
}

/// What the requests are checked with.
pub struct Hooks {
    /// The provider's name.
    pub provider: String,
    /// What a subscription of the account proves itself by: any of these.
    pub proofs: Vec<Proof>,
}

impl Hooks {
    /// Reads one request.
    ///
    /// # Errors
    /// [`NotBelieved`].
    pub fn read(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        let is_proven = self.proofs.iter().any(|proof| proof.is_given(delivery));
        if !self.proofs.is_empty() && !is_proven && delivery.message.is_none() {
            return Err(NotBelieved::Signature);
        }
        let malformed = |what: &str| NotBelieved::Malformed(what.to_owned());
        let body: Value = json::from_slice(delivery.body).map_err(|_| malformed("no JSON"))?;
        let results = Shown::all(&body, "results").ok_or_else(|| malformed("no `results`"))?;
        let (mut events, mut wrong) = (Vec::with_capacity(results.len()), None);
        for shown in results {
            match result(shown, is_proven, delivery) {
                Ok(read) => events.extend(read),
                Err(why) => wrong = wrong.or(Some(why)),
            }
        }
        // A STOP is not lost for what stands beside it.
        match wrong {
            Some(why) if events.is_empty() => Err(why),
            Some(why) => {
                why.note_part(&self.provider);
                Ok(events)
            }
            None => Ok(events),
        }
    }
}

/// What one result tells.
fn result(shown: Shown<'_>, is_proven: bool, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
    let malformed = |what: &str| NotBelieved::Malformed(what.to_owned());
    if shown.0.get("status").is_some() {
        let id = shown.id().ok_or_else(|| malformed("a result has no `messageId`"))?;
        return Ok(report(id, shown, is_proven, delivery));
    }
    if !is_proven {
        return Err(NotBelieved::Signature);
    }
    let id = shown.id().unwrap_or_else(|| json::content_id(shown.0));
    let reply = reply(id, shown.0, delivery).ok_or_else(|| malformed("a text has no `from`"))?;
    Ok(vec![Event::Reply(reply)])
}

/// A report about one message, whose id is ours.
fn report(id: String, shown: Shown<'_>, is_proven: bool, delivery: &Delivery<'_>) -> Vec<Event> {
    let is_ours = id.starts_with(MessageId::PREFIX);
    let message = match delivery.message {
        Some(message) => Some(message.clone()).filter(|message| message.as_str() == id),
        None => is_ours.then(|| MessageId::from_text(id.clone())).filter(|_| is_proven),
    };
    let receipt = shown.receipt(&id, delivery.now).ok().filter(|_| is_proven);
    // Gives a message that nobody heard of since it was handed over its id, and the report with it.
    let hint = Event::Hint { vendor_id: id, message: message.clone() };
    match receipt {
        // A word that nobody knows is looked up, and what the answer means is said there.
        None => vec![hint],
        Some(receipt) => {
            let stopped = shown.to().filter(|_| shown.is_opted_out());
            let wish = stopped.map(|to| Event::OptOut {
                number: digits::sender(&to),
                is_out: true,
                at: shown.at(),
                heard_by: message.map(HeardBy::Report),
            });
            // Our id with another recipient is no word about ours.
            let receipt = receipt.map(|receipt| Receipt { to: shown.to(), ..receipt });
            receipt.map(Event::Receipt).into_iter().chain([hint]).chain(wish).collect()
        }
    }
}

/// A person's text, as it was written.
fn reply(id: String, result: &Value, delivery: &Delivery<'_>) -> Option<Reply> {
    let text = |name: &str| result.get(name).and_then(Value::as_str);
    Some(Reply {
        vendor_id: id,
        from: Sender::of(text("from")?),
        to: text("to").unwrap_or_default().to_owned(),
        text: text("text").unwrap_or_default().to_owned(),
        at: text("receivedAt").and_then(super::answers::moment).unwrap_or(delivery.now),
        content: None,
        is_again: false,
        is_answered: false,
    })
}
