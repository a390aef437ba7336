//! Keeping up to date what providers hold of their vendors' data: prices, lists of opt-outs, and what vendors
//! tell when asked.

use std::time::Duration;

use super::room::{FIRST_WAIT, PATIENCE, Receive};
use crate::engine::carriers::carrier::Carrier;
use crate::engine::retry::Backoff;
use crate::error::Result;
use crate::sms::message::Realm;

/// How long a server gives a provider to bring up to date what it keeps: it may read many pages.
const REFRESH_PATIENCE: Duration = Duration::from_secs(120);

/// How often what is kept of a vendor's data is brought up to date.
const REFRESH_EVERY: Duration = Duration::from_secs(3_600);

impl Receive {
    async fn refresh(&self, carrier: &Carrier, patience: Duration) -> Result<()> {
        let events = carrier.ask(&self.life, patience, |provider| provider.refresh()).await?;
        self.take_events(carrier, events).await
    }

    /// Brings the price lists of vendors up to date, for a command that sends and ends. Without them the
    /// operator's rates or the worst case are reserved.
    pub async fn refresh_prices(&self) {
        let carriers = self.carriers.all().iter().filter(|carrier| carrier.capabilities().prices);
        for (name, refreshed) in futures::future::join_all(
            carriers.map(|carrier| async { (carrier.name(), self.refresh(carrier, PATIENCE).await) }),
        )
        .await
        {
            if let Err(error) = refreshed {
                tracing::warn!(provider = name, %error, "refresh of the provider's data (prices, opt-outs, \
                    numbers) failed; it will be tried again");
            }
        }
    }

    /// Reads the lists of those who want no more texts, of every vendor that keeps one. Returns which could
    /// not be read.
    pub async fn read_opt_outs(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for carrier in self.carriers.all().iter().filter(|carrier| carrier.realm() == Realm::Live) {
            if !carrier.capabilities().opt_out_list {
                notes.push(format!("{} keeps no list of opt-outs that can be read", carrier.name()));
            } else if let Err(error) = self.refresh(carrier, REFRESH_PATIENCE).await {
                notes.push(format!("the list of {} could not be read: {}", carrier.name(), error.message()));
            }
        }
        notes
    }

    /// Keeps what a provider holds of its vendor's data up to date, and records what the vendor tells by
    /// itself. Once, at the start, it says what the operator should look at.
    pub async fn run_refresh(&self, name: String) {
        let Some(carrier) = self.carriers.get(&name) else { return };
        let findings =
            carrier.ask(&self.life, PATIENCE, |provider| provider.check()).await.unwrap_or_default();
        for finding in findings.iter().filter(|finding| finding.is_warning) {
            tracing::warn!(
                provider = name,
                finding = finding.text,
                "the operator should look at this provider"
            );
        }
        let mut backoff = Backoff::new(FIRST_WAIT, REFRESH_EVERY);
        while !self.life.is_stopping() {
            match self.refresh(carrier, REFRESH_PATIENCE).await {
                Ok(()) => {
                    self.life.pause(REFRESH_EVERY).await;
                    backoff.reset();
                }
                Err(_) if self.life.is_stopping() => return,
                Err(error) => {
                    tracing::warn!(provider = name, %error, "refresh of the provider's data (prices, \
                        opt-outs, numbers) failed; it will be tried again");
                    backoff.pause(&self.life).await;
                }
            }
        }
    }
}
