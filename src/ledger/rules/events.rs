//! What the operator's own system is told: the names of the events, their ids, and their JSON.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::ledger::model::{Act, NewReply, Record};
use crate::ledger::proposals::{Decided, Decision, Proposal};
use crate::sms::message::{MessageId, ProposalId, State, hex};
use crate::sms::money::Amount;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The id that stays the same however often it is told.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The whole of it, as JSON.
    pub body: String,
}

impl Event {
    fn new(id: String, name: &str, at: Timestamp, data: &Value) -> Self {
        Self { id, at, body: json!({ "type": name, "timestamp": at.rfc3339(), "data": data }).to_string() }
    }
}

/// The name of the event that tells of this state, where one does.
pub const fn name_of(state: State) -> Option<&'static str> {
    match state {
        State::Sent => Some("message.sent"),
        State::Delivered => Some("message.delivered"),
        State::Failed | State::Expired | State::Rejected => Some("message.failed"),
        State::Unknown => Some("message.unknown"),
        State::Held => Some("message.held"),
        State::Proposed | State::Scheduled | State::Queued | State::Attempting | State::Canceled => None,
    }
}

fn add(data: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Some(data), Some(value)) = (data.as_object_mut(), value) {
        data.insert(name.to_owned(), value.into());
    }
}

/// That a message entered a state. It enters each at most once, which makes the event's id. Nothing where
/// that is told to nobody.
pub fn of_change(message: Record, state: State, at: Timestamp) -> Option<Event> {
    let name = name_of(state)?;
    let cost = message.price_micros.unwrap_or(message.held_micros);
    let mut price = json!({ "amount": Amount(cost), "currency": message.currency });
    add(&mut price, "assumed", (message.is_assumed && cost > 0).then_some(true));
    let mut data = json!({
        "id": message.id,
        "status": state.as_str(),
        "principal": message.principal,
        "to": message.to,
        "segments": message.segments,
        "price": price,
        "provider": message.provider,
    });
    add(&mut data, "from", message.from);
    add(&mut data, "batch", message.batch.map(|batch| batch.to_string()));
    add(&mut data, "provider_message_id", message.vendor_id);
    if !matches!(state, State::Sent | State::Delivered) {
        add(&mut data, "code", message.code.map(|code| code.to_string()));
        add(&mut data, "reason", message.why);
    }
    add(&mut data, "sandbox", message.realm.is_sandbox().then_some(true));
    let id = message.id.as_str().strip_prefix(MessageId::PREFIX).unwrap_or(message.id.as_str());
    Some(Event::new(format!("evt_{id}_{state}"), name, at, &data))
}

/// That a person replied, and whose reply it is where the message that it answers is forgotten. The event's
/// id is made of what makes the reply one.
pub fn of_reply(reply: &NewReply, answers: Option<&MessageId>, principal: Option<String>) -> Event {
    let mut data =
        json!({ "from": reply.from, "to": reply.to, "text": reply.text, "provider": reply.provider });
    add(&mut data, "in_reply_to", answers.map(MessageId::as_str));
    add(&mut data, "principal", principal);
    add(&mut data, "unsettled", reply.is_unsettled.then_some(true));
    add(&mut data, "is_whole", (!reply.is_whole).then_some(false));
    Event::new(
        format!("{}_replied", reply_event(&reply.provider, &reply.vendor_id)),
        "message.replied",
        reply.at,
        &data,
    )
}

/// A reply that was told as unsettled, as it is on record.
pub struct Unsettled {
    /// The provider that it came through.
    pub provider: String,
    /// Its id of it.
    pub vendor_id: String,
    /// Who wrote.
    pub from: String,
    /// To whom.
    pub to: String,
    /// What it says.
    pub text: String,
    /// When it came in.
    pub at: Timestamp,
    /// Whether no segment is missing.
    pub is_whole: bool,
}

/// Who a reply is from that was told as unsettled.
pub fn of_settled(reply: &Unsettled, answers: Option<&MessageId>) -> Event {
    let event = reply_event(&reply.provider, &reply.vendor_id);
    let settles = format!("{event}_replied");
    let mut data = json!({ "from": reply.from, "to": reply.to, "text": reply.text, "provider": reply.provider, "settles": settles });
    add(&mut data, "is_whole", (!reply.is_whole).then_some(false));
    add(&mut data, "in_reply_to", answers.map(MessageId::as_str));
    Event::new(format!("{event}_settled"), "message.replied", reply.at, &data)
}

/// That somebody became an approver who proves it by this (the kind, and the fingerprint of a key), or, without
/// that, is one no more.
pub fn of_approver(name: &str, proves: Option<&str>, act: &Act) -> Event {
    let mut data = json!({ "name": name, "by": act.who });
    add(&mut data, "proves", proves);
    add(&mut data, "approved_by", act.approver.clone());
    let change = if proves.is_some() { "added" } else { "removed" };
    let digest = Sha256::digest(format!("approver\n{name}\n{}", act.at.as_millis()));
    let id = hex(digest.get(..13).unwrap_or(&digest));
    Event::new(format!("evt_{id}_{change}"), &format!("approver.{change}"), act.at, &data)
}

/// That a person is asked, or how it was decided. The texts are in no event: who decides looks at them where
/// they are shown whole, which the first event names where that is in a browser.
pub fn of_proposal(proposal: &Proposal, page: Option<&str>) -> Event {
    let Proposal {
        id,
        principal,
        target,
        reasons,
        created,
        expires,
        decision,
        waiting,
        held_micros,
        currency,
        ..
    } = proposal;
    let mut data = json!({
        "id": id,
        "principal": principal,
        "about": target,
        "reasons": reasons,
        "expires": expires.rfc3339(),
    });
    add(&mut data, "sandbox", proposal.realm.is_sandbox().then_some(true));
    let own = id.as_str().strip_prefix(ProposalId::PREFIX).unwrap_or(id.as_str());
    let (name, at) = match decision {
        None => {
            add(&mut data, "messages", Some(*waiting));
            add(&mut data, "price", Some(json!({ "amount": Amount(*held_micros), "currency": currency })));
            add(&mut data, "page", page);
            ("requested", *created)
        }
        Some(Decision { decided: Decided::Expired, at, .. }) => ("expired", *at),
        Some(Decision { decided, at, by, approver, why }) => {
            add(&mut data, "decision", Some(decided.as_str()));
            add(&mut data, "by", by.clone());
            add(&mut data, "approver", approver.clone());
            add(&mut data, "why", why.clone());
            ("decided", *at)
        }
    };
    Event::new(format!("evt_{own}_{name}"), &format!("approval.{name}"), at, &data)
}

fn reply_event(provider: &str, vendor_id: &str) -> String {
    let digest = Sha256::digest(format!("{provider}\n{vendor_id}"));
    format!("evt_{}", hex(digest.get(..13).unwrap_or(&digest)))
}

/// The ids of all events of this one's message: from the first of these, and before the second. A reply is
/// alone.
pub fn message_of(id: &str) -> (String, String) {
    let name = id.rsplit_once('_').map_or(id, |(name, _)| name);
    (format!("{name}_"), format!("{name}`")) // The character after `_`.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_of_one_message_stand_between_the_ends_of_its_ids_and_no_other() {
        let (from, to) = message_of("evt_01abc_sent");
        let is_of = |id: &str| id >= from.as_str() && id < to.as_str();
        assert!(is_of("evt_01abc_delivered") && is_of("evt_01abc_sent"));
        assert!(!is_of("evt_01abd_sent") && !is_of("evt_01ab_sent") && !is_of("evt_01abcd_sent"));
    }

    #[test]
    fn a_reply_that_is_settled_names_what_it_settles() {
        let reply = NewReply {
            is_help: false,
            provider: "mailpro".into(),
            vendor_id: "r-1".into(),
            from: "07400 123456".into(),
            is_unsettled: true,
            to: "ACME".into(),
            text: "yes".into(),
            is_whole: false,
            at: Timestamp(0),
            forward: true,
            content: None,
        };
        let told = of_reply(&reply, None, None);
        assert!(
            told.body.contains(r#""unsettled":true"#) && told.body.contains(r#""is_whole":false"#),
            "{}",
            told.body
        );
        let NewReply { provider, vendor_id, to, text, at, is_whole, .. } = reply;
        let settled = of_settled(
            &Unsettled { provider, vendor_id, from: "+447400123456".into(), to, text, at, is_whole },
            None,
        );
        assert!(settled.body.contains(&format!(r#""settles":"{}""#, told.id)), "{}", settled.body);
        assert_ne!(settled.id, told.id);
    }
}
