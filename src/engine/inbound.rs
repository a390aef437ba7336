//! What comes in: receipts, replies and opt-outs that vendors tell, by webhook or when they are asked.
//!
//! [`Engine::webhook`] believes nothing before the address's token and the vendor's signature are right, and it returns
//! only after everything that the request told is durable, so that a vendor may forget what it was thanked for. All of it
//! may come twice, late, or in another order: recording is idempotent. A report that nobody signed is a hint: the
//! vendor is asked, and only its answer counts.

use std::time::Duration;

use ::http::HeaderMap;

use super::attempt::charged;
use super::{Carrier, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{E164, LookClaim, ProviderName, Record, Report, VendorId};
use crate::provider::exchange::{Delivery, Enquiry, Event, NotBelieved, Receipt, Reply};
use crate::sms::message::{MessageId, Realm};
use crate::sms::number::Number;
use crate::sms::quoted;
use crate::sms::untrusted;

/// How long a provider may take to read a webhook, or to answer a question that nobody waits for.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a server gives a provider to bring up to date what it keeps: it may read many pages.
const REFRESH_PATIENCE: Duration = Duration::from_secs(120);

/// How often messages are looked up that are due to be.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often a provider that tells by itself is looked at for hints that an earlier process left.
const LOOK_SELDOM: Duration = Duration::from_secs(60);

/// Messages that are looked up at the same time, for each provider.
const LOOKS_AT_ONCE: u32 = 10;

/// How often what is kept of a vendor's data is brought up to date.
const REFRESH_EVERY: Duration = Duration::from_secs(3_600);

/// The wait before a failed question to a vendor is asked again; it doubles, up to [`REFRESH_EVERY`].
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(10);

/// How long is waited for the message that a report names which may as well be a person's text: between two looks.
const CLAIM_WAITS: [Duration; 4] = [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(750), Duration::from_secs(2)];

/// Longest id of a vendor that is recorded, in bytes.
const MAX_VENDOR_ID: usize = 256;

/// Why a webhook's request is refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refused {
    /// There is no such address: no such provider, a wrong token, or a provider that sends no webhooks.
    NotFound,
    /// The signature is missing or wrong.
    Signature,
    /// It does not read as documented; what is wrong, in words that quote nothing of it.
    Malformed(String),
    /// It could not be recorded: the vendor is to try again.
    Unavailable(Error),
}

/// How many questions a provider is asked at once. Where its requests are limited, looks take a fifth of a minute's worth
/// at most, so that sends go before them.
fn looks_at_once(carrier: &Carrier) -> u32 {
    let a_fifth = |per_minute: u32| per_minute / 60;
    carrier.rate.per_minute.map_or(LOOKS_AT_ONCE, |per_minute| a_fifth(per_minute).clamp(1, LOOKS_AT_ONCE))
}

impl Engine {
    /// The carrier whose address this is, and the message that it was made for.
    fn addressed(&self, provider: &str, token: &str) -> Option<(&Carrier, Option<MessageId>)> {
        let carrier = self.parts().carriers.get(provider)?;
        let message = carrier.callback.as_ref()?.read(token)?;
        let is_ours = message.as_ref().is_none_or(|id| id.as_str().starts_with(MessageId::PREFIX));
        is_ours.then_some((carrier, message))
    }

    /// Whether this is an address that a vendor was given, so that a body is worth reading.
    pub fn expects_webhook(&self, provider: &str, token: &str) -> bool {
        self.addressed(provider, token).is_some()
    }

    /// Takes a webhook's request. Everything that it tells is durable when this returns.
    ///
    /// # Errors
    /// [`Refused`], which says what to answer.
    pub async fn webhook(&self, provider: &str, token: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), Refused> {
        let (carrier, message) = self.addressed(provider, token).ok_or(Refused::NotFound)?;
        let delivery = Delivery { headers, body, message: message.as_ref(), now: self.parts().clock.now() };
        let read = self.ask(carrier, PATIENCE, |provider| Box::pin(async { Ok(provider.events(&delivery).await) })).await.map_err(|error| {
            tracing::warn!(provider, %error, "webhook could not be processed; the vendor will send it again");
            Refused::Unavailable(error)
        })?;
        let events = read.map_err(|why| match why {
            NotBelieved::NotExpected => Refused::NotFound,
            NotBelieved::Signature => {
                tracing::warn!(provider, "webhook refused: its signature is wrong");
                Refused::Signature
            }
            NotBelieved::Malformed(words) => {
                // Not the words: they are the provider's, and the body is not ours to log.
                tracing::warn!(provider, "webhook refused: it does not parse as documented");
                Refused::Malformed(untrusted::escape(&words))
            }
        })?;
        tracing::debug!(provider, events = events.len(), "webhook read");
        // In a task of its own: a vendor that hangs up does not stop half of it.
        let (engine, name) = (self.clone(), carrier.name().to_owned());
        let taken = self.apart(async move {
            let carrier = engine.parts().carriers.get(&name).ok_or_else(|| Error::new(ErrorKind::Internal, "the provider is gone"))?;
            engine.take_events(carrier, events).await
        });
        taken.await.map_err(|error| {
            tracing::error!(provider, %error, "webhook could not be recorded; the vendor will send it again");
            Refused::Unavailable(error)
        })
    }

    /// Records what a provider tells. All of it is durable when this returns.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`]; part of it may be recorded then, and the whole may be told again.
    pub async fn take_events(&self, carrier: &Carrier, events: Vec<Event>) -> Result<()> {
        let provider = carrier.name();
        let (mut receipts, mut others) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                event if !is_usable(&event) => tracing::warn!(provider, "delivery receipt without a usable message id was left out"),
                Event::Receipt(receipt) => receipts.push(receipt),
                other => others.push(other),
            }
        }
        // Together, so that the ledger syncs once for many.
        for recorded in futures::future::join_all(receipts.into_iter().map(|receipt| self.post_receipt(provider, receipt))).await {
            recorded?;
        }
        for event in others {
            match event {
                Event::Hint { vendor_id, message } => self.take_hint(carrier, &vendor_id, message.as_ref()).await?,
                Event::Reply(reply) => self.take_reply(carrier, reply).await?,
                Event::Segment(segment) => self.take_segment(carrier, segment).await?,
                Event::OptOut { number, is_out, at } => self.take_opt_out(carrier, &number, is_out, at).await?,
                Event::Claimed { receipt, reply } => self.take_claimed(carrier, receipt, reply).await?,
                Event::Answered(answered) => self.take_answer(carrier, &answered).await?,
                Event::Unacknowledged(texts) => self.keep_told(carrier, texts).await?,
                Event::Receipt(_) => {}
            }
        }
        Ok(())
    }

    /// Records one report of a provider.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub(super) async fn post_receipt(&self, provider: &str, receipt: Receipt) -> Result<()> {
        let currency = self.guard().settings().currency;
        let state = receipt.state;
        let to = receipt.to.map(|to| e164(&to).map_or(to, |number| number.e164().to_owned()));
        let why = match receipt.why {
            Some(why) if !receipt.is_documented => {
                let texts = self.parts().ledger.texts(ProviderName(provider), VendorId(&receipt.vendor_id), to.as_deref().map(E164)).await?;
                Some(match texts {
                    Some(texts) => quoted::without_texts(&why, texts.iter().map(String::as_str)),
                    None => quoted::head(&why),
                })
            }
            why => why,
        };
        let report = Report {
            provider: provider.to_owned(),
            vendor_id: receipt.vendor_id,
            to,
            state,
            at: receipt.at,
            why: why.as_deref().map(untrusted::kept_words),
            price_micros: charged(receipt.price, currency),
        };
        for id in self.parts().ledger.record_receipt(report, self.parts().clock.now()).await? {
            tracing::debug!(message = %id, %state, "delivery receipt recorded");
            self.changed(&id);
        }
        Ok(())
    }

    /// Records what reads like a report: as one where it names a message to whoever it comes from, else as what that person
    /// wrote. The answer that names the message may still be on its way to the ledger, so it is looked for some times.
    async fn take_claimed(&self, carrier: &Carrier, receipt: Receipt, reply: Option<Reply>) -> Result<()> {
        let to = receipt.to.as_deref().and_then(e164);
        for wait in CLAIM_WAITS {
            let Some(to) = &to else { break };
            if self.parts().ledger.has_vendor_id(ProviderName(carrier.name()), VendorId(&receipt.vendor_id), E164(to.e164())).await? {
                return self.post_receipt(carrier.name(), receipt).await;
            }
            self.pause(wait).await;
        }
        match reply {
            Some(reply) => self.take_reply(carrier, reply).await,
            None => Ok(()),
        }
    }

    async fn take_hint(&self, carrier: &Carrier, vendor_id: &str, message: Option<&MessageId>) -> Result<()> {
        let is_known = self.parts().ledger.hint(ProviderName(carrier.name()), VendorId(vendor_id), message, self.parts().clock.now()).await?;
        tracing::debug!(provider = carrier.name(), is_known, "unverified report");
        if is_known {
            self.inner.hints.send_modify(|hints| *hints = hints.wrapping_add(1));
        }
        Ok(())
    }

    async fn refresh(&self, carrier: &Carrier, patience: Duration) -> Result<()> {
        let events = self.ask(carrier, patience, |provider| provider.refresh()).await?;
        self.take_events(carrier, events).await
    }

    /// Brings the price lists of vendors up to date, for a command that sends and ends. Without them the operator's rates
    /// or the worst case are reserved.
    pub async fn refresh_prices(&self) {
        let carriers = self.parts().carriers.all().iter().filter(|carrier| carrier.capabilities().prices);
        for (name, refreshed) in
            futures::future::join_all(carriers.map(|carrier| async { (carrier.name(), self.refresh(carrier, PATIENCE).await) })).await
        {
            if let Err(error) = refreshed {
                tracing::warn!(provider = name, %error, "refresh of the provider's data (prices, opt-outs, numbers) failed; it will be tried again");
            }
        }
    }

    /// Reads the lists of those who want no more texts, of every vendor that keeps one. Returns which could not be read.
    pub async fn read_opt_outs(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for carrier in self.parts().carriers.all().iter().filter(|carrier| carrier.realm() == Realm::Live) {
            if !carrier.capabilities().opt_outs {
                notes.push(format!("{} keeps no list of opt-outs", carrier.name()));
            } else if let Err(error) = self.refresh(carrier, REFRESH_PATIENCE).await {
                notes.push(format!("the list of {} could not be read: {}", carrier.name(), error.message()));
            }
        }
        notes
    }

    /// Keeps what a provider holds of its vendor's data up to date, and records what the vendor tells by itself. Once, at
    /// the start, it says what the operator should look at.
    pub(super) async fn run_refresh(&self, name: String) {
        let Some(carrier) = self.parts().carriers.get(&name) else { return };
        let findings = self.ask(carrier, PATIENCE, |provider| provider.check()).await.unwrap_or_default();
        for finding in findings.iter().filter(|finding| finding.is_warning) {
            tracing::warn!(provider = name, finding = finding.text, "the operator should look at this provider");
        }
        let mut wait = FIRST_WAIT;
        while !self.is_stopping() {
            match self.refresh(carrier, REFRESH_PATIENCE).await {
                Ok(()) => {
                    self.pause(REFRESH_EVERY).await;
                    wait = FIRST_WAIT;
                }
                Err(_) if self.is_stopping() => return,
                Err(error) => {
                    tracing::warn!(provider = name, %error, "refresh of the provider's data (prices, opt-outs, numbers) failed; it will be tried again");
                    self.pause(wait).await;
                    wait = (wait * 2).min(REFRESH_EVERY);
                }
            }
        }
    }

    /// Looks up the messages of a provider that are due to be: now and then, and at once after a hint.
    pub(super) async fn run_looks(&self, name: String) {
        let Some(carrier) = self.parts().carriers.get(&name) else { return };
        let rest = if carrier.capabilities().receipts_by_poll { LOOK_EVERY } else { LOOK_SELDOM };
        let mut hints = self.inner.hints.subscribe();
        while !self.is_stopping() {
            hints.borrow_and_update();
            let rest = match self.look_up_due(carrier).await {
                // There may be more: soon, and not at once, since vendors count their requests.
                Ok(count) if count >= looks_at_once(carrier) => LOOK_EVERY,
                Ok(_) => rest,
                Err(error) => {
                    tracing::warn!(provider = name, %error, "messages to query at the provider cannot be read from the ledger; it will be tried again");
                    LOOK_EVERY
                }
            };
            tokio::select! {
                () = self.pause(rest) => {}
                _ = hints.changed() => {}
            }
        }
    }

    /// Asks the provider about what is due. Returns how many messages that were.
    async fn look_up_due(&self, carrier: &Carrier) -> Result<u32> {
        let is_rated = carrier.rate.is_limited();
        let claim = LookClaim {
            provider: carrier.name().to_owned(),
            realm: carrier.realm(),
            limit: looks_at_once(carrier),
            now: self.parts().clock.now(),
            by_request: carrier.capabilities().recipients_per_request > 1,
            is_rated,
        };
        let due = self.parts().ledger.claim_looks(claim).await?;
        let count = u32::try_from(due.len()).unwrap_or(LOOKS_AT_ONCE);
        futures::future::join_all(due.iter().map(|record| self.look_up(carrier, record))).await;
        Ok(count)
    }

    async fn look_up(&self, carrier: &Carrier, record: &Record) {
        let enquiries = self.enquiries(record).await.unwrap_or_default();
        let looks = enquiries.iter().map(|enquiry| async {
            let receipts = self.ask(carrier, PATIENCE, |provider| provider.status(enquiry)).await?;
            let recorded = futures::future::join_all(receipts.into_iter().map(|receipt| self.post_receipt(carrier.name(), receipt))).await;
            recorded.into_iter().collect::<Result<()>>()
        });
        let looked: Result<()> = futures::future::join_all(looks).await.into_iter().collect();
        // It is due again later, whatever went wrong.
        if let Err(error) = looked
            && !self.is_stopping()
        {
            tracing::warn!(message = %record.id, %error, "the provider could not be queried");
        }
    }

    /// What to ask a provider about a message: where its segments went out as requests of their own, about each of them
    /// that may still change.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub(super) async fn enquiries(&self, record: &Record) -> Result<Vec<Enquiry>> {
        let Ok(to) = Number::parse(&record.to, None) else { return Ok(Vec::new()) };
        let ids: Vec<String> = if record.is_parted {
            let segments = self.parts().ledger.segments(&record.principal, &record.id).await?;
            segments.into_iter().filter(|segment| !segment.state.is_final()).filter_map(|segment| segment.vendor_id).collect()
        } else {
            record.vendor_id.clone().into_iter().collect()
        };
        Ok(ids
            .into_iter()
            .map(|vendor_id| Enquiry { id: record.id.clone(), from: record.from.clone(), vendor_id, to: to.clone(), created: record.created })
            .collect())
    }
}

/// Whether an event names what it speaks of. A hint may do so by the address that it came to alone, and what a person wrote
/// or wishes counts without any name.
fn is_usable(event: &Event) -> bool {
    let (id, may_be_empty) = match event {
        Event::Receipt(receipt) => (&receipt.vendor_id, false),
        Event::Hint { vendor_id, message } => (vendor_id, message.is_some()),
        Event::Claimed { receipt, reply: None } => (&receipt.vendor_id, false),
        Event::Reply(_) | Event::Segment(_) | Event::OptOut { .. } | Event::Claimed { .. } | Event::Answered(_) | Event::Unacknowledged(_) => {
            return true;
        }
    };
    is_usable_id(id) || (may_be_empty && id.is_empty())
}

/// Whether a vendor's id is one. It is kept, asked by, and shown to agents as it is, so it holds nothing that a reader
/// could take for words: visible ASCII without spaces, of a length that an id has.
pub(super) fn is_usable_id(id: &str) -> bool {
    (1..=MAX_VENDOR_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A number that a vendor wrote with its country code, with the `+` or without.
fn e164(text: &str) -> Option<Number> {
    let text = text.trim();
    let is_bare = !text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_bare { Number::parse(&format!("+{text}"), None) } else { Number::parse(text, None) };
    number.ok().filter(Number::is_possible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendors_spelling_of_a_number_is_read_with_its_country_code_only() {
        let read = |text: &str| e164(text).map(|number| number.e164().to_owned());
        for text in ["+33199000001", "33199000001", "0033199000001", " +33 1 99 00 00 01 "] {
            assert_eq!(read(text).as_deref(), Some("+33199000001"), "{text}");
        }
        for text in ["", "0199000001", "36179", "ACME", "+", "12"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
