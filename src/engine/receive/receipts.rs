//! Recording what a provider reports of a message.

use std::sync::Arc;

use crate::engine::carriers::word::{charged, e164};
use crate::engine::life::Life;
use crate::engine::signals::Signals;
use crate::error::Result;
use crate::ledger::{E164, Ledger, ProviderName, Report, VendorId};
use crate::provider::exchange::Receipt;
use crate::sms::money::Currency;
use crate::sms::{quoted, untrusted};

/// What recording receipts may touch.
pub struct Receipts {
    pub ledger: Arc<dyn Ledger>,
    pub life: Arc<Life>,
    pub signals: Arc<Signals>,
    /// The currency of all budgets.
    pub currency: Currency,
}

impl Receipts {
    /// Records one report of a provider.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn post(&self, provider: &str, receipt: Receipt) -> Result<()> {
        let state = receipt.state;
        // What stands in a table of the vendor's codes quotes nothing.
        let known = receipt.why.clone().filter(|_| receipt.is_documented);
        let to = receipt.to.map(|to| e164(&to).map_or(to, |number| number.e164().to_owned()));
        let why = match receipt.why {
            Some(why) if !receipt.is_documented => {
                let texts = self
                    .ledger
                    .texts(ProviderName(provider), VendorId(&receipt.vendor_id), to.as_deref().map(E164))
                    .await?;
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
            price_micros: charged(receipt.price, self.currency),
        };
        for id in self.ledger.record_receipt(report, self.life.now()).await? {
            tracing::debug!(message = %id, %state, "delivery receipt recorded");
            if let Some(why) = &known {
                tracing::info!(message = %id, %state, why, "not delivered, with a code that is known");
            }
            self.signals.changed(&id);
        }
        Ok(())
    }
}
