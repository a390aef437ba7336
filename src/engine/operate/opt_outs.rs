//! What the operator does about people who want no more texts: who they are, adding and taking off, and
//! saying who somebody was whom nobody could tell.

use super::room::Operate;
use crate::clock::Timestamp;
use crate::engine::arguments::number as number_of;
use crate::engine::caller::{Caller, Person};
use crate::engine::receive::PATIENCE;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{OptOut, Pending};
use crate::sms::caller_id::{same_person, same_phone};
use crate::sms::number::Number;
use crate::sms::reply::Meaning;

/// Most opt-outs that are listed, latest first.
const LISTED: u32 = 10_000;

/// The source of what the operator decided: nobody else takes it back.
const BY_OPERATOR: &str = "operator";

/// Whom an opt-out is about, as the log has it: it names no numbers.
const ONE: &str = "one number";

/// What the operator notes that somebody wants. That they want texts again is a person's word alone.
#[derive(Clone, Copy, Debug)]
pub enum Wants<'a> {
    /// No more texts.
    NoTexts,
    /// Texts again.
    Texts(&'a Person),
}

impl Operate {
    /// Everybody who wants no more texts, latest first.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn opt_outs(&self, caller: &Caller) -> Result<Vec<OptOut>> {
        caller.looked("opt-out list");
        self.ledger.opt_outs(LISTED).await
    }

    /// Refuses what was asked before this number, or another one of the same phone, asked for no more texts: nobody
    /// has said yes to undoing that.
    async fn check_not_since(&self, number: &str, asked: Timestamp) -> Result<()> {
        for one in std::iter::once(number.to_owned()).chain(same_phone(number)) {
            if self.ledger.out_since(&one).await?.is_some_and(|since| since > asked) {
                let message = format!("{one} has asked for no more texts since this was asked");
                return Err(Error::new(ErrorKind::InvalidArgument, message)
                    .next("Nothing was changed. Look at it again (`sms-mcp opt-out list`), and ask again."));
            }
        }
        Ok(())
    }

    /// Notes for the operator that a person wants no more texts, or wants them again, and tells the vendors
    /// that keep such lists. Returns the number, and what a vendor did not take.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNumber`] or [`ErrorKind::LedgerUnavailable`].
    pub async fn set_opt_out(
        &self,
        caller: &Caller,
        number: &str,
        wants: Wants<'_>,
    ) -> Result<(String, Vec<String>)> {
        let is_out = matches!(wants, Wants::NoTexts);
        let number = number_of(number, self.default_region)?;
        let now = self.life.now();
        let verb = if is_out { "opt-out add" } else { "opt-out remove" };
        if let Wants::Texts(person) = wants {
            self.check_not_since(number.e164(), person.was_asked(now)).await?;
        }
        match wants {
            Wants::NoTexts => self.note(caller, verb, number.e164()).await?,
            Wants::Texts(person) => self.note_of(person, verb, number.e164()).await?,
        }
        self.ledger.opt_out(number.e164(), is_out, BY_OPERATOR, now).await?;
        if !is_out {
            // What another spelling of this number holds back would hold back this one too.
            for other in same_person(number.e164()) {
                self.ledger.opt_out(&other, false, BY_OPERATOR, now).await?;
            }
        }
        match wants {
            Wants::NoTexts => caller.acted("opt-out add", ONE),
            Wants::Texts(person) => person.widened("opt-out remove", ONE),
        }
        let mut notes = self.tell_vendors(&number, is_out).await;
        if !is_out {
            // Another person's word is not lifted with it: more is stopped than less.
            for other in same_phone(number.e164()) {
                if self.ledger.out_since(&other).await?.is_some() {
                    notes.push(format!("{other} asked for no texts and may be the same phone: {number} gets none while that stands"));
                }
            }
        }
        Ok((number.e164().to_owned(), notes))
    }

    /// What waits for the operator: a STOP or START of somebody who may be anybody, replies that several people
    /// fit, and long ones that seem to ask for no more texts. Oldest first.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn pending_opt_outs(&self, caller: &Caller) -> Result<Vec<Pending>> {
        caller.looked("opt-out pending");
        self.ledger.pendings().await
    }

    /// Says at the start of a server that something waits.
    pub async fn warn_of_pending(&self) -> Result<()> {
        let waiting = self.ledger.pendings().await?.len();
        if waiting > 0 {
            tracing::warn!(
                waiting,
                "replies of ambiguous senders wait for the operator: settle it with sms-mcp opt-out pending"
            );
        }
        Ok(())
    }

    /// Takes the operator's word for who somebody was. What they asked for is done, and their replies become
    /// theirs. Returns what that was, and what a vendor did not take.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNumber`], [`ErrorKind::NotFound`] or [`ErrorKind::LedgerUnavailable`].
    pub async fn settle_pending(
        &self,
        person: &Person,
        id: i64,
        number: &str,
    ) -> Result<(Pending, String, Vec<String>)> {
        let number = number_of(number, self.default_region)?;
        let store = &self.ledger;
        let waiting = store
            .pendings()
            .await?
            .into_iter()
            .find(|pending| pending.id == id)
            .ok_or_else(|| nothing_waits(id))?;
        let subject = format!("{id}: {}", number.e164());
        self.note_of(person, "opt-out pending settle", &subject).await?;
        // Before the entry is closed: what protects somebody must not be lost in between.
        let notes = match waiting.meaning {
            Meaning::Stop | Meaning::Objection => {
                store.opt_out(number.e164(), true, &waiting.source, waiting.at).await?;
                self.tell_vendors(&number, true).await
            }
            Meaning::Start => self.set_opt_out(person.caller(), number.e164(), Wants::Texts(person)).await?.1,
            Meaning::Help | Meaning::Other => Vec::new(),
        };
        let forward = self.forward;
        let settled = store.settle_pending(id, Some(number.e164()), forward, self.life.now()).await?;
        let settled = settled.ok_or_else(|| nothing_waits(id))?;
        person.widened("opt-out pending settle", &id.to_string());
        settled.answered.iter().for_each(|id| self.signals.changed(id));
        self.signals.to_tell();
        Ok((settled.pending, number.e164().to_owned(), notes))
    }

    /// Lets go what waits: it is nobody's. A STOP that is let go protects nobody any more but those whom it
    /// stopped.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] or [`ErrorKind::LedgerUnavailable`].
    pub async fn dismiss_pending(&self, person: &Person, id: i64) -> Result<Pending> {
        self.note_of(person, "opt-out pending dismiss", &id.to_string()).await?;
        let settled = self.ledger.settle_pending(id, None, false, self.life.now()).await?;
        let settled = settled.ok_or_else(|| nothing_waits(id))?;
        person.widened("opt-out pending dismiss", &id.to_string());
        Ok(settled.pending)
    }

    async fn tell_vendors(&self, number: &Number, is_out: bool) -> Vec<String> {
        let mut notes = Vec::new();
        for carrier in self.carriers.all().iter().filter(|carrier| carrier.capabilities().opt_outs) {
            if let Err(error) =
                carrier.ask(&self.life, PATIENCE, |provider| provider.opt_out(number, is_out)).await
            {
                notes.push(format!("{} was not told: {}", carrier.name(), error.message()));
            }
        }
        notes
    }
}

fn nothing_waits(id: i64) -> Error {
    Error::new(ErrorKind::NotFound, format!("nothing waits under the number {id}"))
        .next("`sms-mcp opt-out pending` lists what does.")
}
