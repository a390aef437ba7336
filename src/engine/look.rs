//! Looking: balances, budgets, lists, states; and slices of a session.

use std::time::Duration;

use super::carrier::Carrier;
use super::contract::{
    BalanceAnswer, BalanceArgs, BudgetLeft, BudgetView, HistoryStep, ListAnswer, ListArgs, MessageView, OpenAnswer, OpenArgs, Price, ProviderBalance,
    SegmentView, StatusAnswer, StatusArgs,
};
use super::prepare::invalid;
use super::{Caller, Engine, SANDBOX};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Filter, NewHandle, Record, Whole};
use crate::policy::{Assumed, Slice};
use crate::provider::Balance;
use crate::sms::facts::{BudgetKey, Scope};
use crate::sms::message::{BatchId, MessageId, Realm, State};
use crate::sms::money::Amount;

/// Messages on a page where the call names no limit.
const PAGE: u32 = 20;

/// Most messages on a page.
const MAX_PAGE: u32 = 100;

/// How long a look at the provider may take; the ledger's own answer follows then.
const LOOK: Duration = Duration::from_secs(5);

/// What is said of a balance where its provider's requests are kept for sends.
const BUSY: &str = "not asked now: the provider's requests are kept for sends; ask again in a minute";

/// Longest label of a session handle, in characters.
const MAX_LABEL: usize = 80;

impl Engine {
    /// What the provider's account holds, and what is left of each budget.
    ///
    /// # Errors
    /// [`ErrorKind::SessionInvalid`] or [`ErrorKind::LedgerUnavailable`]. A provider that cannot be asked is part of the answer.
    pub async fn balance(&self, caller: &Caller, args: BalanceArgs) -> Result<BalanceAnswer> {
        let realm = self.parts().carriers.realm();
        let payer = self.payer(caller, args.session, realm)?;
        let budgets = self.parts().ledger.budgets(payer, self.parts().clock.now()).await?;
        let mut warnings = self.warnings([]);
        warnings.extend(self.stricter_others(realm).await?);
        warnings.extend(self.halt_warning(&caller.principal));
        let currency = self.guard().settings().currency;
        Ok(BalanceAnswer {
            balances: futures::future::join_all(self.parts().carriers.all().iter().map(|carrier| self.balance_at(carrier))).await,
            // The ledger's total is always kept, and only worth showing where it has a limit.
            budgets: budgets
                .iter()
                .filter(|budget| budget.scope != Scope::Total || budget.limits.spend_micros.is_some() || budget.frozen)
                .map(|budget| BudgetView::of(budget, currency))
                .collect(),
            warnings,
        })
    }

    /// Whose limits hold here beside our own, because they are stricter.
    async fn stricter_others(&self, realm: Realm) -> Result<Vec<String>> {
        let own = self.guard().rules(false);
        let others = self.parts().ledger.others(realm).await?;
        let told = others.iter().filter_map(|peer| {
            let stricter = own.differences(&peer.rules).into_iter().filter(|one| one.is_stricter);
            let limits: Vec<String> = stricter.map(|one| format!("{} {}", one.setting, one.there)).collect();
            (!limits.is_empty())
                .then(|| format!("Another process on this ledger has stricter limits, which hold here too: {} ({}).", limits.join(", "), peer.name()))
        });
        Ok(told.collect())
    }

    /// Real providers that tell no prices before they send, and how far the budgets go at the assumed one; nothing where
    /// all of them tell some, or `[rates]` has one for each destination that is allowed.
    pub fn unpriced(&self) -> Option<(Vec<String>, Assumed)> {
        let tells_none = |carrier: &&Carrier| carrier.realm() == Realm::Live && !carrier.capabilities().prices;
        let names: Vec<String> = self.parts().carriers.all().iter().filter(tells_none).map(|carrier| carrier.name().to_owned()).collect();
        if names.is_empty() { None } else { Some((names, self.guard().assumed()?)) }
    }

    async fn balance_at(&self, carrier: &Carrier) -> ProviderBalance {
        let mut known = carrier.asked.balance.lock().await;
        if let Some(recent) = self.recent_balance(known.as_ref()) {
            return recent;
        }
        let can_tell = carrier.capabilities().balance;
        if can_tell && !self.has_room(carrier, 1).await.unwrap_or(false) {
            let none = || ProviderBalance { provider: carrier.name().to_owned(), unavailable: Some(BUSY.to_owned()), ..ProviderBalance::default() };
            return known.as_ref().map_or_else(none, |(_, balance)| ProviderBalance { fresh: false, ..balance.clone() });
        }
        let (money, credits, unavailable) = match self.ask(carrier, LOOK, |provider| provider.balance()).await {
            Ok(Balance::Money(money)) => (Some(money.into()), None, None),
            Ok(Balance::Credits { micros, worth }) => (worth.map(Price::from), Some(Amount(micros).to_string()), None),
            Err(error) => (None, None, Some(error.message().to_owned())),
        };
        let balance = ProviderBalance { provider: carrier.name().to_owned(), fresh: unavailable.is_none(), money, credits, unavailable };
        if can_tell && carrier.realm() == Realm::Live {
            *known = Some((self.parts().clock.now(), balance.clone()));
        }
        balance
    }

    /// Messages of this principal, newest first.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] naming the argument, or [`ErrorKind::LedgerUnavailable`].
    pub async fn list(&self, caller: &Caller, args: ListArgs) -> Result<ListAnswer> {
        let time = |name: &str, text: Option<String>| match text {
            None => Ok(None),
            Some(text) => Timestamp::parse(&text).map(Some).ok_or_else(|| {
                invalid(name, format!("\"{}\" is no time; write 2026-11-22 or 2026-11-22T10:00:00Z", crate::sms::untrusted::escape(&text)))
            }),
        };
        let limit = args.limit.unwrap_or(PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(invalid("limit", format!("is {limit}; it must be from 1 to {MAX_PAGE}")));
        }
        let before = match &args.cursor {
            None => None,
            Some(cursor) => {
                Some(read_cursor(cursor).ok_or_else(|| invalid("cursor", "is not a next_cursor of list_sms; leave it out for the newest messages"))?)
            }
        };
        let to = match &args.to {
            None => None,
            Some(to) => Some(self.number(to)?.e164().to_owned()),
        };
        if let Some(batch) = &args.batch
            && self.parts().ledger.batch(&caller.principal, batch, 0).await?.is_none()
        {
            return Err(no_such("batch", batch.as_str()));
        }
        let filter = Filter {
            principal: caller.principal.clone(),
            state: args.status,
            to,
            since: time("since", args.since)?,
            until: time("until", args.until)?,
            batch: args.batch,
            before,
            limit: limit + 1,
        };
        let mut records = self.parts().ledger.list(filter).await?;
        let has_more = records.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        records.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next_cursor = records.last().filter(|_| has_more).map(|last| format!("c{:x}", last.sequence));
        let warnings = self.list_warnings(&records);
        Ok(ListAnswer { messages: records.into_iter().map(view).collect(), next_cursor, warnings })
    }

    /// That nothing left, of all that is listed or of those that the sandbox carried.
    fn list_warnings(&self, records: &[Record]) -> Vec<String> {
        let carried: Vec<&str> = records.iter().filter(|record| record.realm.is_sandbox()).map(|record| record.id.as_str()).collect();
        if carried.is_empty() || carried.len() == records.len() {
            return self.warnings(records.iter().map(|record| record.realm));
        }
        vec![format!("Sandbox provider: of these, no text left this machine for {}.", carried.join(", "))]
    }

    /// A message with its history, after a fresh look at the provider where it has one; or a bulk.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an id that this principal does not have, [`ErrorKind::InvalidArgument`] for no cursor, or
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn status(&self, caller: &Caller, args: StatusArgs) -> Result<StatusAnswer> {
        let before = super::shown::read_cursor(args.cursor.as_deref())?;
        if args.id.starts_with(BatchId::PREFIX) {
            let bulk = self.bulk_answer(caller, &BatchId::from_text(args.id)).await?;
            let warnings = bulk.warnings.iter().filter(|warning| *warning == SANDBOX).cloned().collect();
            return Ok(StatusAnswer { bulk: Some(bulk), warnings, ..StatusAnswer::default() });
        }
        let id = MessageId::from_text(args.id);
        let store = &self.parts().ledger;
        let missing = || no_such("id", id.as_str());
        let replies = super::shown::asked(before);
        let mut found = store.whole(&caller.principal, &id, replies).await?.ok_or_else(missing)?;
        let fresh = self.look(&found.message).await;
        if fresh {
            found = store.whole(&caller.principal, &id, replies).await?.ok_or_else(missing)?;
        }
        let Whole { message: record, history, segments, replies } = found;
        let shown = super::shown::shown(&record, replies);
        let mut warnings = self.warnings([record.realm]);
        warnings.extend(shown.warning);
        if record.state == State::Held {
            warnings.push("The provider holds it back (its sender is paused); it may go out later. Do not send it again.".to_owned());
        }
        if record.state == State::Unknown {
            warnings.push("Nobody knows whether it went out: do NOT send it again. Its money stays reserved.".to_owned());
        }
        if record.code == Some(ErrorKind::PartlySent) {
            warnings.push("Only a part of it went out, and was charged: do NOT send the whole text again.".to_owned());
        }
        Ok(StatusAnswer {
            message: Some(view(record)),
            history: history.into_iter().map(HistoryStep::from).collect(),
            segments: segments.into_iter().map(SegmentView::from).collect(),
            replies: shown.replies,
            replies_omitted: shown.omitted,
            next_cursor: shown.next_cursor,
            bulk: None,
            fresh,
            warnings,
        })
    }

    /// Asks the provider about a message that is not final, where it may be asked. Returns whether it answered.
    async fn look(&self, record: &Record) -> bool {
        let carrier = self.parts().carriers.get(&record.provider).filter(|carrier| carrier.realm() == record.realm);
        let Some(carrier) = carrier else { return false };
        if record.state.is_final() || !carrier.capabilities().status {
            return false;
        }
        let enquiries = self.enquiries(record).await.unwrap_or_default();
        if enquiries.is_empty() || !self.may_look(carrier, &record.id, enquiries.len()).await.unwrap_or(false) {
            return false;
        }
        let asked = enquiries.iter().map(|enquiry| self.ask(carrier, LOOK, |provider| provider.status(enquiry)));
        let asked = futures::future::join_all(asked).await;
        let mut answered = false;
        for answer in asked {
            match answer {
                Ok(receipts) => {
                    for receipt in receipts {
                        self.record(carrier.name(), receipt).await;
                    }
                    answered = true;
                }
                Err(error) => tracing::warn!(message = %record.id, %error, "the provider could not be queried"),
            }
        }
        answered
    }

    /// A slice of the caller's session.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] naming the argument, or [`ErrorKind::LedgerUnavailable`].
    pub async fn open_session(&self, caller: &Caller, args: OpenArgs) -> Result<OpenAnswer> {
        if self.is_stopping() {
            return Err(Error::new(ErrorKind::ShuttingDown, "the server is stopping"));
        }
        if args.max_spend.is_some_and(|most| most < Amount(0)) {
            return Err(invalid("max_spend", "is negative; it must be 0 or more"));
        }
        if args.label.as_ref().is_some_and(|label| label.chars().count() > MAX_LABEL) {
            return Err(invalid("label", format!("is longer than {MAX_LABEL} characters")));
        }
        let guard = self.guard();
        let id = self.new_handle()?;
        let limits = guard.slice(Slice { max_spend: args.max_spend, max_messages: args.max_messages });
        let handle = NewHandle { id: id.clone(), label: args.label.as_deref().map(crate::sms::untrusted::escape), limits };
        let budgets =
            self.parts().ledger.open_session(self.payer(caller, None, self.parts().carriers.realm())?, handle, self.parts().clock.now()).await?;
        Ok(OpenAnswer {
            session: id,
            budget: BudgetLeft::of(&budgets, guard.settings().currency),
            closes_after_idle: guard.settings().session_idle.to_string(),
            warnings: self.warnings([]),
        })
    }

    /// Every budget of the ledger, for the operator.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn all_budgets(&self) -> Result<Vec<BudgetView>> {
        let currency = self.guard().settings().currency;
        Ok(self.parts().ledger.all_budgets().await?.iter().map(|budget| BudgetView::of(budget, currency)).collect())
    }

    /// Takes the clock as it is from now on, for the operator.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn accept_clock(&self) -> Result<()> {
        self.parts().ledger.accept_clock().await
    }

    /// Lets a frozen budget go on, or all of them, for the operator. Returns their names.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where no such budget is frozen, or [`ErrorKind::LedgerUnavailable`].
    pub async fn unfreeze(&self, name: Option<String>) -> Result<Vec<String>> {
        let frozen = self.parts().ledger.all_budgets().await?.into_iter().filter(|budget| budget.frozen).map(|budget| budget.key);
        let chosen: Vec<BudgetKey> = frozen.filter(|key| name.as_ref().is_none_or(|name| name == key.as_str())).collect();
        if chosen.is_empty() {
            let what = name.map_or_else(|| "no budget is frozen".to_owned(), |name| format!("no frozen budget is called \"{name}\""));
            return Err(Error::new(ErrorKind::NotFound, what).next("`sms-mcp budget` lists them by name."));
        }
        for key in &chosen {
            self.parts().ledger.unfreeze(key).await?;
        }
        Ok(chosen.iter().map(ToString::to_string).collect())
    }
}

/// The error for an id that this principal does not have, in this argument.
pub(super) fn no_such(argument: &str, id: &str) -> Error {
    let shown = crate::sms::untrusted::escape(id);
    let what =
        if argument == "batch" { "bulk of yours; ids look like bat_..." } else { "message or bulk of yours; ids look like msg_... or bat_..." };
    Error::new(ErrorKind::NotFound, format!("`{argument}` \"{shown}\" is no {what}"))
}

fn read_cursor(cursor: &str) -> Option<i64> {
    i64::from_str_radix(cursor.strip_prefix('c')?, 16).ok().filter(|sequence| *sequence > 0)
}

fn view(record: Record) -> MessageView {
    MessageView {
        price: Price::of_record(&record),
        id: record.id,
        status: record.state,
        to: record.to,
        from: record.from,
        segments: record.segments,
        encoding: record.encoding,
        provider: record.provider,
        sandbox: record.realm.is_sandbox(),
        provider_message_id: record.vendor_id,
        batch: record.batch,
        created_at: record.created.rfc3339(),
        updated_at: record.changed.rfc3339(),
        code: record.code.map(|code| code.to_string()),
        reason_untrusted: record.why.as_deref().map(crate::sms::untrusted::escape),
        replies: record.replies,
    }
}
