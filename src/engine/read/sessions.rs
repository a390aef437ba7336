//! Slices of a session, with limits of their own.

use super::room::Read;
use crate::engine::answers::new_handle;
use crate::engine::arguments::invalid;
use crate::engine::caller::Caller;
use crate::engine::contract::{BudgetLeft, OpenAnswer, OpenArgs};
use crate::error::Result;
use crate::ledger::NewHandle;
use crate::policy::Slice;
use crate::sms::money::Amount;

/// Longest label of a session handle, in characters.
const MAX_LABEL: usize = 80;

impl Read {
    /// A slice of the caller's session.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] naming the argument, or [`ErrorKind::LedgerUnavailable`].
    pub async fn open_session(&self, caller: &Caller, args: OpenArgs) -> Result<OpenAnswer> {
        self.life.goes_on()?;
        if args.max_spend.is_some_and(|most| most < Amount(0)) {
            return Err(invalid("max_spend", "is negative; it must be 0 or more"));
        }
        if args.label.as_ref().is_some_and(|label| label.chars().count() > MAX_LABEL) {
            return Err(invalid("label", format!("is longer than {MAX_LABEL} characters")));
        }
        let guard = &self.policy;
        let id = new_handle(&self.life)?;
        let limits = guard.slice(Slice { max_spend: args.max_spend, max_messages: args.max_messages });
        let handle = NewHandle {
            id: id.clone(),
            label: args.label.as_deref().map(crate::sms::untrusted::escape),
            limits,
        };
        let budgets = self
            .ledger
            .open_session(self.answers.payer(caller, None, self.carriers.realm())?, handle, self.life.now())
            .await?;
        Ok(OpenAnswer {
            session: id,
            budget: BudgetLeft::of(&budgets, guard.settings().currency),
            closes_after_idle: guard.settings().session_idle.to_string(),
            warnings: self.answers.warnings([]),
        })
    }
}
