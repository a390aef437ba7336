//! What the operator does at a vendor, besides sending: asking what works, its lists and webhooks, and opt-outs.

use std::time::Duration;

use super::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Capabilities;
use crate::provider::exchange::{Action, Arguments, Finding};
use crate::store::OptOut;

/// How long asking a vendor what works may take.
const CHECK: Duration = Duration::from_secs(20);

/// Most opt-outs that are listed, latest first.
const LISTED: u32 = 10_000;

/// The action that every provider has that can reach this server.
pub const WEBHOOK_URL: Action = Action {
    name: "webhook-url",
    about: "the address to give to the vendor for its reports; whoever knows it can send some",
    required: &[],
    optional: &[],
};

/// A provider as the operator sees it.
pub struct Vendor {
    /// Its name.
    pub name: String,
    /// What it can do.
    pub capabilities: Capabilities,
    /// What else the operator can do there.
    pub actions: Vec<Action>,
}

impl Engine {
    /// Every provider.
    pub fn vendors(&self) -> Vec<Vendor> {
        let each = self.parts().carriers.all().iter().map(|carrier| Vendor {
            name: carrier.name().to_owned(),
            capabilities: carrier.provider.capabilities(),
            actions: carrier.callback.iter().map(|_| WEBHOOK_URL).chain(carrier.provider.actions().iter().copied()).collect(),
        });
        each.collect()
    }

    /// Does something at a vendor that sends no text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`], [`ErrorKind::NotFound`], and whatever the provider says.
    pub async fn at_vendor(&self, provider: &str, action: &str, arguments: &Arguments) -> Result<serde_json::Value> {
        let carrier = self.carrier_for(Some(provider))?;
        if action == WEBHOOK_URL.name {
            let callback = carrier.callback.as_ref().ok_or_else(|| {
                Error::new(ErrorKind::NotFound, "no vendor can reach this server: [http] public_url is not set")
                    .next("Set it to this server's address.")
            })?;
            return Ok(serde_json::json!({ "url": callback.url(None) }));
        }
        if let Some(known) = carrier.provider.actions().iter().find(|known| known.name == action) {
            known.check(arguments)?;
        }
        carrier.provider.act(action, arguments).await
    }

    /// Asks each vendor by its cheapest reads what works.
    pub async fn check_vendors(&self) -> Vec<(String, Result<Vec<Finding>>)> {
        let each = self.parts().carriers.all().iter().map(|carrier| async {
            let checked = tokio::select! {
                checked = carrier.provider.check() => checked,
                () = self.parts().clock.sleep(CHECK) => Err(Error::new(ErrorKind::ProviderUnavailable, "no answer in time")),
            };
            (carrier.name().to_owned(), checked)
        });
        futures::future::join_all(each).await
    }

    /// Everybody who wants no more texts, latest first.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn opt_outs(&self) -> Result<Vec<OptOut>> {
        self.parts().store.opt_outs(LISTED).await
    }

    /// Notes for the operator that a person wants no more texts, or wants them again, and tells the vendors that keep
    /// such lists. Returns the number, and what a vendor did not take.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNumber`] or [`ErrorKind::LedgerUnavailable`].
    pub async fn set_opt_out(&self, number: &str, is_out: bool) -> Result<(String, Vec<String>)> {
        let number = self.number(number)?;
        self.parts().store.opt_out(number.e164(), is_out, "operator", self.parts().clock.now()).await?;
        let mut notes = Vec::new();
        for carrier in self.parts().carriers.all().iter().filter(|carrier| carrier.provider.capabilities().opt_outs) {
            if let Err(error) = carrier.provider.opt_out(&number, is_out).await {
                notes.push(format!("{} was not told: {}", carrier.name(), error.message()));
            }
        }
        Ok((number.e164().to_owned(), notes))
    }
}
