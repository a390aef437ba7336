//! The history as a source of states: the best that there is, since nothing asks for one message by its id.
//!
//! Entries have a number and a time, and perhaps the id of the send. A message's entry is the one with its
//! id, else the only one of its number around its time. Where there are several, nobody knows which is which,
//! and nothing is said. The times come without a zone, so "around" is wide enough for any zone of the
//! vendor's country.

use super::account::Mailpro;
use super::answers::Entry;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{Enquiry, ListQuery, Page, Receipt, VendorMessage};
use crate::provider::rest::digits::is_same;
use crate::sms::message::State;
use crate::sms::number::Number;

/// The state of an entry that is still under way.
pub(super) const WAITING: i64 = 2;

/// Every state that the history can be asked for. What moves on while it is asked for is seen twice, not
/// never.
const STATES: [i64; 3] = [WAITING, 1, 0];

/// How far the time of an entry may be from that of its message, in milliseconds.
const AROUND_MS: i64 = 3 * 3_600_000;

fn state(status: i64) -> State {
    match status {
        0 => State::Failed,
        1 => State::Delivered,
        _ => State::Sent,
    }
}

impl Mailpro {
    /// The entries of the history in one state, of one number or of all.
    pub(super) async fn entries(&self, status: i64, number: Option<&Number>) -> Result<Vec<Entry>> {
        let (status_text, number) = (status.to_string(), number.map(|number| self.number(number)));
        let mut fields = vec![("status", status_text.as_str())];
        fields.extend(number.as_deref().map(|number| ("number", number)));
        let tree = self.ask(&self.get(&self.config.paths.history, &fields)).await?;
        // An answer may leave out what it was asked for.
        Ok(tree
            .history()
            .into_iter()
            .map(|entry| Entry { status: entry.status.or(Some(status)), ..entry })
            .collect())
    }

    fn demand_history(&self) -> Result<()> {
        if self.config.history {
            return Ok(());
        }
        let why = format!(
            "the history of {} is not used (history = false): accepted, no delivery report available",
            self.config.name
        );
        Err(Error::new(ErrorKind::NotSupported, why))
    }

    /// [`Provider::status`](crate::provider::Provider::status)
    pub(super) async fn look_up(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        self.demand_history()?;
        let mut found: Vec<Entry> = Vec::new();
        for status in STATES {
            for entry in self.entries(status, Some(&enquiry.to)).await? {
                if !is_same(&entry.number, &enquiry.to) {
                    continue;
                }
                // One that has moved on since it was seen.
                found.retain(|seen| seen.id.is_none() || seen.id != entry.id);
                found.push(entry);
            }
        }
        let is_named = |entry: &&Entry| entry.send.as_ref() == Some(&enquiry.vendor_id);
        let is_near = |entry: &&Entry| {
            entry.at.is_some_and(|at| {
                at.as_millis().saturating_sub(enquiry.created.as_millis()).saturating_abs() <= AROUND_MS
            })
        };
        let mut near = found.iter().filter(is_near);
        let entry = match (found.iter().find(is_named), near.next(), near.next()) {
            (Some(named), ..) => named,
            (None, Some(only), None) => only,
            _ => return Ok(Vec::new()),
        };
        let state = state(entry.status.unwrap_or(WAITING));
        let why = (state == State::Failed).then(|| "not delivered".to_owned());
        let price = entry.charge.filter(|charge| *charge >= 0).and_then(|charge| self.worth(charge, true));
        let to = Some(enquiry.to.e164().to_owned());
        Ok(vec![Receipt {
            to,
            why,
            is_documented: true,
            price,
            ..Receipt::new(enquiry.vendor_id.as_str(), state, self.clock.now())
        }])
    }

    /// [`Provider::list`](crate::provider::Provider::list)
    pub(super) async fn list_history(&self, query: &ListQuery) -> Result<Page> {
        self.demand_history()?;
        let mut messages = Vec::new();
        let wanted = |status: &i64| query.state.is_none_or(|wanted| state(*status) == wanted);
        // All of it is one page.
        for status in STATES.into_iter().filter(|status| wanted(status) && query.page <= 1) {
            for entry in self.entries(status, query.to.as_ref()).await? {
                let is_wanted = query.to.as_ref().is_none_or(|to| is_same(&entry.number, to))
                    && query.since.is_none_or(|since| entry.at.is_none_or(|at| at >= since));
                if !is_wanted {
                    continue;
                }
                let state = state(entry.status.unwrap_or(status));
                messages.push(VendorMessage {
                    vendor_id: entry.send.or(entry.id).unwrap_or_default(),
                    to: entry.number,
                    text: entry.text,
                    state,
                    at: entry.at,
                    price: entry
                        .charge
                        .filter(|charge| *charge >= 0)
                        .and_then(|charge| self.worth(charge, true)),
                    why: None,
                });
            }
        }
        messages.sort_by_key(|message| std::cmp::Reverse(message.at));
        Ok(Page { messages, next: None })
    }
}
