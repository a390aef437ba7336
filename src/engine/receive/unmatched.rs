//! Receipts that match no message: mostly their ids are written otherwise than those in the answers, and then
//! every message stays `sent` for ever. So the operator is told: in the log, and by `config check --live`.

use std::time::Duration;

use super::room::Receive;
use crate::engine::carriers::carrier::Carrier;
use crate::error::Result;
use crate::ledger::told::Unmatched;
use crate::provider::exchange::Finding;
use crate::sms::untrusted;

/// How often a server looks for them.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// As much of an id is shown, in characters.
const SHOWN: usize = 40;

impl Receive {
    /// What the operator should know about receipts of this provider that match no message.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn unmatched_of(&self, carrier: &Carrier) -> Result<Option<Finding>> {
        let unmatched = self.ledger.unmatched(carrier.name(), self.life.now()).await?;
        Ok((unmatched.count > 0).then(|| Finding::warning(words(&unmatched))))
    }

    /// Says in the log that there are some: once, and again when they are twice as many.
    pub async fn run_unmatched(&self, name: String) {
        let Some(carrier) = self.carriers.get(&name) else { return };
        let mut said = 0;
        while !self.life.is_stopping() {
            self.life.pause(LOOK_EVERY).await;
            if self.life.is_stopping() {
                return;
            }
            // What cannot be read now is read the next time.
            let Ok(unmatched) = self.ledger.unmatched(carrier.name(), self.life.now()).await else {
                continue;
            };
            if unmatched.count > 0 && unmatched.count / 2 >= said {
                said = unmatched.count;
                let (answer, receipt) = (shown(&unmatched.answer), shown(&unmatched.receipt));
                tracing::warn!(
                    provider = name,
                    count = said,
                    answer,
                    receipt,
                    "delivery receipts of the last day match no message: receipt_ids may be wrong, or \
                     another system sends from this account"
                );
            }
            // Those of yesterday do not count any more.
            said = said.min(unmatched.count);
        }
    }
}

fn shown(id: &Option<String>) -> Option<String> {
    id.as_deref().map(|id| untrusted::escape_up_to(id, SHOWN))
}

fn words(unmatched: &Unmatched) -> String {
    let of = if unmatched.count == 1 {
        "receipt of the last day matches"
    } else {
        "receipts of the last day match"
    };
    let looks = match (shown(&unmatched.answer), shown(&unmatched.receipt)) {
        (Some(answer), Some(receipt)) => {
            format!(": answers have ids like \"{answer}\", receipts like \"{receipt}\"")
        }
        (None, Some(receipt)) => format!(": their ids are like \"{receipt}\""),
        _ => String::new(),
    };
    format!(
        "{} {of} no message{looks}. receipt_ids may be wrong, or another system sends from this account",
        unmatched.count
    )
}
