//! Settling what is unknown, by asking the vendor what it has on record.
//!
//! Where the vendor keeps our reference, it is asked for each message by that, and what is found settles it.
//! Elsewhere, and for what was not found so, the vendor's list is read, and a message is recognised by
//! recipient, text and time. Only a certain match settles: as many messages at the vendor as are unknown
//! here, none of them known under another id. That it is not there proves nothing (a list may lag, a request
//! may still be on its way), so nothing is ever released or sent again by a look: only the operator can say
//! "not sent".

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::room::Receive;
use crate::clock::Timestamp;
use crate::engine::arguments::no_such;
use crate::engine::caller::{Caller, Person};
use crate::engine::carriers::carrier::Carrier;
use crate::engine::carriers::word::{FIRST_LOOK_MS, charged, is_usable_id, taken_as};
use crate::engine::deliver::outcome::{ended_as, plain};
use crate::engine::deliver::segments;
use crate::engine::prepared::digest_of;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{E164, Nameless, ProviderName, Record, Segment, Settlement, VendorId};
use crate::provider::Reference;
use crate::provider::exchange::{ListQuery, Sought, VendorMessage};
use crate::sms::message::{MessageId, State};
use crate::sms::number::Number;

/// Most unknown messages that are looked at for one provider, oldest first.
const AT_ONCE: u32 = 500;

/// Most unknown messages of all providers that are counted.
const AT_ONCE_OF_ALL: u32 = 20_000;

/// How long one page of a vendor's list may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Most pages of the vendor's list that are read for one recipient.
const PAGES: u32 = 10;

/// How far the vendor's clock may stand from ours, in milliseconds.
const SKEW_MS: i64 = 120_000;

/// How long after a message was handed over the vendor may note it, in milliseconds.
const LATEST_MS: i64 = 600_000;

/// How long after a message became unknown a server still looks for it by itself, in milliseconds: what a
/// vendor has not shown by then it will not show, and asking about it for ever would only wear out the
/// vendor.
const LAST_LOOK_MS: i64 = 3 * 24 * 3_600_000;

/// How long a server waits before it looks for what is unknown, and between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// What is said of a message that the operator found was not sent.
const NOT_SENT: &str = "the operator found that it was not sent";

/// What looking for unknown messages found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Reconciled {
    /// Messages that the vendor has: they are settled now.
    pub settled: Vec<MessageId>,
    /// Messages that stay unknown.
    pub unknown: Vec<MessageId>,
    /// What could not be asked, by provider.
    pub notes: Vec<String>,
}

/// What the operator found out about a message whose outcome is unknown. That it was not sent is a person's
/// word alone: its money may have been spent.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// It was sent.
    Sent,
    /// It was not.
    NotSent(&'a Person),
}

impl Receive {
    /// Asks every provider that can be asked about what is unknown, whoever sent it. For the operator;
    /// servers do it now and then for what became unknown lately.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`]. A provider that cannot be asked is part of the answer.
    pub async fn reconcile(&self, caller: &Caller) -> Result<Reconciled> {
        caller.acted("reconcile", "what is unknown");
        self.reconcile_since(Timestamp(0)).await
    }

    async fn reconcile_since(&self, since: Timestamp) -> Result<Reconciled> {
        let mut found = Reconciled::default();
        for carrier in self.carriers.all() {
            let unknown =
                self.ledger.unknowns(Some((carrier.name(), carrier.realm())), since, AT_ONCE).await?;
            if unknown.is_empty() {
                continue;
            }
            self.look_at(carrier, unknown, &mut found).await?;
        }
        self.count_the_others(since, &mut found).await?;
        Ok(found)
    }

    /// Asks one provider about what is unknown of it: by our reference first, then by its list.
    async fn look_at(&self, carrier: &Carrier, unknown: Vec<Record>, found: &mut Reconciled) -> Result<()> {
        let can = carrier.capabilities();
        let missed = match can.reference {
            Reference::None => unknown,
            _ if can.reposts => unknown,
            Reference::FoundOnly | Reference::Exact => self.find_each(carrier, unknown, found).await?,
        };
        if missed.is_empty() {
            return Ok(());
        }
        if can.list {
            return self.look_in_list(carrier, missed, found).await;
        }
        found.notes.push(match can.reference {
            _ if can.reposts => format!(
                "{} cannot be asked what it has sent; a server posts each request once more within 20 hours, \
                 under the same key",
                carrier.name()
            ),
            Reference::None => format!("{} cannot be asked what it has sent", carrier.name()),
            Reference::FoundOnly | Reference::Exact => {
                let (count, name) = (missed.len(), carrier.name());
                let verb = if count == 1 { "is" } else { "are" };
                format!(
                    "{count} {verb} not found at {name} by our reference, which does not prove that it \
                         has none"
                )
            }
        });
        found.unknown.extend(missed.into_iter().map(|record| record.id));
        Ok(())
    }

    /// Asks for each message by our reference. Returns those that were not found.
    async fn find_each(
        &self,
        carrier: &Carrier,
        unknown: Vec<Record>,
        found: &mut Reconciled,
    ) -> Result<Vec<Record>> {
        let (mut missed, mut is_gone) = (Vec::new(), false);
        for record in unknown {
            let to = Number::parse(&record.to, None).ok();
            let Some(to) = to.filter(|_| !is_gone && !self.life.is_stopping()) else {
                found.unknown.push(record.id);
                continue;
            };
            let sought = Sought { id: record.id.clone(), to, created: record.created };
            match carrier.ask(&self.life, PATIENCE, |provider| provider.find(&sought)).await {
                Ok(Some(message)) if is_it(&message, &record, &sought.to) => {
                    self.settle_found(carrier, record, message, found).await?;
                }
                Ok(_) => missed.push(record),
                Err(error) => {
                    found.notes.push(not_now(carrier, &error));
                    found.unknown.push(record.id);
                    is_gone = true;
                }
            }
        }
        Ok(missed)
    }

    /// Looks for messages in the list of what the vendor has.
    async fn look_in_list(
        &self,
        carrier: &Carrier,
        unknown: Vec<Record>,
        found: &mut Reconciled,
    ) -> Result<()> {
        let mut alike: HashMap<(String, [u8; 16]), Vec<Record>> = HashMap::new();
        for record in unknown {
            alike.entry((record.to.clone(), record.digest)).or_default().push(record);
        }
        let mut is_gone = false;
        for records in alike.into_values() {
            if is_gone || self.life.is_stopping() {
                found.unknown.extend(records.into_iter().map(|record| record.id));
                continue;
            }
            match self.look_for(carrier, &records).await {
                Ok(matches) if matches.len() == records.len() => {
                    for (record, message) in in_pairs(records, matches) {
                        self.settle_found(carrier, record, message, found).await?;
                    }
                }
                Ok(_) => found.unknown.extend(records.into_iter().map(|record| record.id)),
                Err(error) => {
                    found.notes.push(not_now(carrier, &error));
                    found.unknown.extend(records.into_iter().map(|record| record.id));
                    // Whoever does not answer is not asked about each of them.
                    is_gone = true;
                }
            }
        }
        Ok(())
    }

    /// Settles a message that the vendor has, unless it has it in a word that does not say how it stands.
    async fn settle_found(
        &self,
        carrier: &Carrier,
        record: Record,
        message: VendorMessage,
        found: &mut Reconciled,
    ) -> Result<()> {
        let Some(state) = taken_as(message.state) else {
            found.unknown.push(record.id);
            return Ok(());
        };
        self.recorder.settle(&record.id, &self.found(carrier, message, state)).await?;
        found.settled.push(record.id);
        Ok(())
    }

    /// Adds what is unknown of providers that are not configured: nobody can be asked about it.
    async fn count_the_others(&self, since: Timestamp, found: &mut Reconciled) -> Result<()> {
        let is_ours = |record: &Record| {
            self.carriers.get(&record.provider).is_some_and(|carrier| carrier.realm() == record.realm)
        };
        let mut others: BTreeMap<String, usize> = BTreeMap::new();
        for record in self
            .ledger
            .unknowns(None, since, AT_ONCE_OF_ALL)
            .await?
            .into_iter()
            .filter(|record| !is_ours(record))
        {
            *others.entry(record.provider).or_default() += 1;
            found.unknown.push(record.id);
        }
        found.notes.extend(others.into_iter().map(|(provider, count)| {
            format!(
                "{provider} is not among the configured providers, so {count} of its messages cannot be \
                asked about; settle each by your own word (--sent or --not-sent)"
            )
        }));
        Ok(())
    }

    /// Looks for what is unknown now and then.
    pub async fn run_reconcile(&self) {
        while !self.life.is_stopping() {
            self.life.pause(LOOK_EVERY).await;
            if self.life.is_stopping() {
                return;
            }
            match self.reconcile_since(self.life.now().plus_ms(-LAST_LOOK_MS)).await {
                Ok(found) if found.settled.is_empty() => {}
                Ok(found) => {
                    tracing::info!(
                        settled = found.settled.len(),
                        unknown = found.unknown.len(),
                        "reconciled with what the providers have on record"
                    )
                }
                Err(error) => {
                    tracing::warn!(%error,
                        "reconcile failed: unknown outcomes could not be queried; it will be tried again")
                }
            }
        }
    }

    /// What the vendor has that can be these messages (all of one text to one recipient), and nothing else;
    /// the earliest first, as they are.
    async fn look_for(&self, carrier: &Carrier, records: &[Record]) -> Result<Vec<VendorMessage>> {
        let Some(first) = records.first() else { return Ok(Vec::new()) };
        let to = Number::parse(&first.to, None)
            .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
        let created =
            |pick: fn(std::slice::Iter<'_, Record>) -> Option<i64>| pick(records.iter()).unwrap_or(0);
        let earliest =
            Timestamp(created(|records| records.map(|record| record.created.as_millis()).min()) - SKEW_MS);
        let changed = records.iter().map(|record| record.changed.as_millis()).max().unwrap_or(0);
        let latest = Timestamp(changed + LATEST_MS);
        let mut query = ListQuery { to: Some(to.clone()), since: Some(earliest), state: None, page: 1 };
        let mut matches = Vec::new();
        for _ in 0..PAGES {
            let page = carrier.ask(&self.life, PATIENCE, |provider| provider.list(&query)).await?;
            let is_past = page.messages.iter().any(|message| message.at.is_some_and(|at| at < earliest));
            matches.extend(page.messages.into_iter().filter(|message| {
                is_usable_id(&message.vendor_id) && is_match(message, &to, &first.digest, earliest, latest)
            }));
            match page.next {
                Some(next) if !is_past => query.page = next,
                _ => break,
            }
        }
        // What the vendor has may as well be a message that went out and has no id, or whose answer is still
        // to come. Asked once the list is read and before the known ids: then nothing on the list can slip
        // through in between.
        let store = &self.ledger;
        if matches.is_empty()
            || store
                .has_nameless(Nameless {
                    provider: carrier.name(),
                    realm: carrier.realm(),
                    to: &first.to,
                    digest: first.digest,
                    from: earliest,
                    until: latest,
                })
                .await?
        {
            return Ok(Vec::new());
        }
        let mut ours = Vec::with_capacity(matches.len());
        for message in matches {
            let is_theirs =
                records.iter().any(|record| record.vendor_id.as_ref() == Some(&message.vendor_id));
            if is_theirs
                || !store
                    .has_vendor_id(
                        ProviderName(carrier.name()),
                        VendorId(&message.vendor_id),
                        E164(&first.to),
                    )
                    .await?
            {
                ours.push(message);
            }
        }
        // Whoever has an id of the vendor's is that message and no other.
        let is_missing = |record: &Record| {
            record.vendor_id.as_ref().is_some_and(|id| ours.iter().all(|message| message.vendor_id != *id))
        };
        if records.iter().any(is_missing) {
            return Ok(Vec::new());
        }
        ours.sort_by_key(|message| message.at);
        Ok(ours)
    }

    fn found(&self, carrier: &Carrier, message: VendorMessage, state: State) -> Settlement {
        let at = self.life.now();
        Settlement {
            vendor_id: Some(message.vendor_id),
            price_micros: charged(message.price, self.currency),
            why: Some("the provider has it on record".to_owned()),
            look_at: (!state.is_final() && carrier.capabilities().receipts_by_poll)
                .then(|| at.plus_ms(FIRST_LOOK_MS)),
            ..plain(at, state)
        }
    }

    /// Settles one unknown message by the operator's word. Returns its state now.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a message that this principal does not have,
    /// [`ErrorKind::InvalidArgument`] for one that is not unknown, or [`ErrorKind::LedgerUnavailable`].
    pub async fn settle_unknown(&self, caller: &Caller, id: &MessageId, found: Found<'_>) -> Result<State> {
        let record =
            self.ledger.message(&caller.principal, id).await?.ok_or_else(|| no_such("id", id.as_str()))?;
        if record.state != State::Unknown {
            let next = format!("Nothing has to be settled: `sms-mcp status {id}` shows it.");
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("{id} is {}, not unknown", record.state),
            )
            .next(next));
        }
        let at = self.life.now();
        let is_under_way = match found {
            Found::Sent => None,
            Found::NotSent(_) => self.ledger.reposted(id, at).await?,
        };
        if let Some(since) = is_under_way {
            let message = format!(
                "{id} was posted once more at {}, and may arrive by that; nobody can say yet that it was not \
                 sent",
                since.rfc3339()
            );
            let next = "Wait a quarter of an hour, and look whether it is still unknown.";
            return Err(Error::new(ErrorKind::InvalidArgument, message).next(next));
        }
        let none =
            || ended_as(at, State::Rejected, ErrorKind::ProviderUnavailable, NOT_SENT.to_owned(), true);
        let settlement = if matches!(found, Found::Sent) {
            Settlement {
                why: Some("the operator found that it was sent".to_owned()),
                ..plain(at, State::Sent)
            }
        } else if record.is_parted {
            let parts = self.without_the_lost(&caller.principal, id).await?;
            if parts.iter().all(|part| part.state == State::Rejected) {
                Settlement { parts, ..none() }
            } else {
                segments::settlement(parts, at, false)
            }
        } else {
            none()
        };
        let verb = if matches!(found, Found::Sent) { "reconcile --sent" } else { "reconcile --not-sent" };
        let act = match found {
            Found::Sent => caller.act(verb, id.as_str(), at),
            Found::NotSent(person) => person.act(verb, id.as_str(), at),
        };
        self.ledger.note_act(act).await?;
        self.recorder.settle(id, &settlement).await?;
        match found {
            Found::Sent => caller.acted("reconcile --sent", id.as_str()),
            Found::NotSent(person) => person.widened("reconcile --not-sent", id.as_str()),
        }
        // A receipt, or somebody else's word, may have been faster.
        let now = self.ledger.message(&caller.principal, id).await?;
        Ok(now.map_or(settlement.state, |record| record.state))
    }

    /// The segments of a message, where the operator found that those with lost answers were not sent. The
    /// others were.
    async fn without_the_lost(&self, principal: &str, id: &MessageId) -> Result<Vec<Segment>> {
        let mut segments = self.ledger.segments(principal, id).await?;
        for lost in segments.iter_mut().filter(|segment| segment.state == State::Unknown) {
            lost.state = State::Rejected;
            lost.why = Some(NOT_SENT.to_owned());
        }
        Ok(segments)
    }
}

/// What is said of a provider that does not answer now.
fn not_now(carrier: &Carrier, error: &Error) -> String {
    format!("{} cannot be asked now: {}", carrier.name(), error.message())
}

/// Whether what the vendor has under our reference is this message: to the same number, where it says to
/// whom, and under the id that is known, where one is.
fn is_it(message: &VendorMessage, record: &Record, to: &Number) -> bool {
    let is_theirs = message.to.is_empty() || is_same_number(&message.to, to);
    let is_named = record.vendor_id.as_ref().is_none_or(|id| *id == message.vendor_id);
    is_usable_id(&message.vendor_id) && is_theirs && is_named
}

fn is_same_number(written: &str, to: &Number) -> bool {
    written.trim().trim_start_matches("00").trim_start_matches('+') == to.e164().trim_start_matches('+')
}

/// Each record with what the vendor has of it: by the vendor's id where the answer had one, the others in
/// their order.
fn in_pairs(records: Vec<Record>, mut matches: Vec<VendorMessage>) -> Vec<(Record, VendorMessage)> {
    let (named, others): (Vec<Record>, Vec<Record>) =
        records.into_iter().partition(|record| record.vendor_id.is_some());
    let mut pairs = Vec::with_capacity(matches.len());
    for record in named {
        let Some(at) =
            matches.iter().position(|message| record.vendor_id.as_ref() == Some(&message.vendor_id))
        else {
            continue;
        };
        pairs.push((record, matches.remove(at)));
    }
    pairs.extend(others.into_iter().zip(matches));
    pairs
}

/// Whether the vendor's message can be the one: to the same number, of the same text, at the right time.
/// Without text or time there is no telling.
fn is_match(
    message: &VendorMessage,
    to: &Number,
    digest: &[u8; 16],
    earliest: Timestamp,
    latest: Timestamp,
) -> bool {
    let same_number = is_same_number(&message.to, to);
    let same_text = message.text.as_deref().is_some_and(|text| digest_of(text) == *digest);
    let in_time = message.at.is_some_and(|at| at >= earliest && at <= latest);
    same_number && same_text && in_time
}
