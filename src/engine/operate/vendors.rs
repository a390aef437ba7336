//! What the operator does at a vendor, besides sending: asking what works, its lists and webhooks, and
//! opt-outs.

use std::time::Duration;

use super::room::Operate;
use crate::clock::Timestamp;
use crate::engine::arguments::{invalid, number};
use crate::engine::caller::Caller;
use crate::engine::carriers::carrier::Carrier;
use crate::engine::contract::Price;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::Priced;
use crate::provider::Capabilities;
use crate::provider::exchange::{Action, Arguments, Finding, ListQuery, VendorMessage};
use crate::sms::destination::Destination;
use crate::sms::message::{Realm, State};
use crate::sms::untrusted;

/// How long asking a vendor what works may take.
const CHECK: Duration = Duration::from_secs(20);

/// How long an action of the operator's at a vendor may take: it may send a file, or read many pages.
const ACTION: Duration = Duration::from_secs(120);

/// The action that every provider has that can reach this server.
pub const WEBHOOK_URL: Action = Action {
    name: "webhook-url",
    about: "the address to give to the vendor for its reports; whoever knows it can send some",
    required: &[],
    optional: &[],
};

/// The action that every provider has whose vendor lists what it sent.
pub const SENT: Action = Action {
    name: "sent",
    about: "what the vendor has on record, newest first; status is sent, delivered or failed",
    required: &[],
    optional: &["status", "to", "since", "page"],
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

/// What waits at a provider.
pub struct Waiting {
    /// Its name.
    pub provider: String,
    /// Messages in the queue.
    pub queued: u32,
    /// Messages of which nobody knows the outcome.
    pub unknown: u32,
}

/// A process that sends.
pub struct Sender {
    /// Its command, number and settings.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
}

/// How the providers stand, as far as the ledger knows.
pub struct Standing {
    /// What waits, in the order of the configuration.
    pub waiting: Vec<Waiting>,
    /// The other processes that send from this ledger now.
    pub senders: Vec<Sender>,
}

/// The price of a destination at a provider.
pub struct Tariff {
    /// Where to.
    pub destination: Destination,
    /// By whom.
    pub provider: String,
    /// What one segment would be held at, or why nothing is sent there; nothing where no number is known.
    pub price: Option<Result<Price>>,
    /// Whether the provider tells it, and not `[rates]` or the assumption.
    pub is_told: bool,
}

impl Operate {
    /// Every provider.
    pub fn vendors(&self, caller: &Caller) -> Vec<Vendor> {
        caller.looked("provider");
        let each = self.carriers.all().iter().map(|carrier| Vendor {
            name: carrier.name().to_owned(),
            capabilities: carrier.capabilities(),
            actions: common(carrier).into_iter().chain(carrier.actions().iter().copied()).collect(),
        });
        each.collect()
    }

    /// What the ledger knows of each provider, and who sends from it now: circuits and binds are those of
    /// another process, which alone knows them.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn standing(&self, caller: &Caller) -> Result<Standing> {
        caller.looked("what waits at providers");
        let mut waiting = Vec::new();
        for carrier in self.carriers.all() {
            let (queued, unknown) = self.ledger.waiting_at(carrier.name(), carrier.realm()).await?;
            waiting.push(Waiting { provider: carrier.name().to_owned(), queued, unknown });
        }
        let mut peers = self.ledger.others(Realm::Live).await?;
        let of_the_sandbox = self.ledger.others(Realm::Sandbox).await?;
        peers.extend(of_the_sandbox.into_iter().filter(|peer| !peer.live));
        let senders = peers
            .into_iter()
            .map(|peer| Sender { name: peer.whole_name(), since: Timestamp(peer.since_ms) })
            .collect();
        Ok(Standing { waiting, senders })
    }

    /// Does something at a vendor that sends no text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`], [`ErrorKind::NotFound`], and whatever the provider says.
    pub async fn at_vendor(
        &self,
        caller: &Caller,
        provider: &str,
        action: &str,
        arguments: &Arguments,
    ) -> Result<serde_json::Value> {
        let carrier = self.carriers.named(Some(provider))?;
        if action == WEBHOOK_URL.name {
            caller.looked("provider webhook-url");
            let callback = carrier.callback.as_ref().ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    "no vendor can reach this server: [http] public_url is not set",
                )
                .next("Set it to this server's address.")
            })?;
            return Ok(serde_json::json!({ "url": callback.url(None) }));
        }
        if action == SENT.name && carrier.capabilities().list {
            SENT.check(arguments)?;
            caller.looked("provider sent");
            return self.sent_at(carrier, arguments).await;
        }
        if let Some(known) = carrier.actions().iter().find(|known| known.name == action) {
            known.check(arguments)?;
            caller.acted(&format!("provider {}", known.name), carrier.name());
        }
        carrier.ask(&self.life, ACTION, |provider| provider.act(action, arguments)).await
    }

    async fn sent_at(&self, carrier: &Carrier, arguments: &Arguments) -> Result<serde_json::Value> {
        let state = match arguments.get("status") {
            None => None,
            Some(name) => Some(
                State::from_name(name)
                    .ok_or_else(|| invalid("status", "is none of sent, delivered, failed"))?,
            ),
        };
        let to = arguments.get("to").map(|to| number(to, self.default_region)).transpose()?;
        let since =
            match arguments.get("since") {
                None => None,
                Some(text) => Some(Timestamp::parse(text).ok_or_else(|| {
                    invalid("since", "is no time; write 2026-11-22 or 2026-11-22T10:00:00Z")
                })?),
            };
        let page = match arguments.get("page").map(|page| page.parse::<u32>()) {
            None => 1,
            Some(Ok(page)) if page > 0 => page,
            Some(_) => return Err(invalid("page", "is no number from 1")),
        };
        let query = ListQuery { to, state, since, page };
        let page = carrier.ask(&self.life, ACTION, |provider| provider.list(&query)).await?;
        let messages: Vec<serde_json::Value> = page.messages.iter().map(shown).collect();
        Ok(serde_json::json!({ "messages": messages, "next_page": page.next }))
    }

    /// What a text of one segment would be held at, for each of these destinations at each provider; by what
    /// the vendors tell now. Nothing where no number there is known to ask about.
    pub async fn prices(&self, caller: &Caller, destinations: &[Destination]) -> Vec<Tariff> {
        caller.looked("config check --live");
        self.receive.refresh_prices().await;
        let each = destinations.iter().flat_map(|destination| {
            let example = destination.example();
            self.carriers.all().iter().map(move |carrier| Tariff {
                destination: destination.clone(),
                provider: carrier.name().to_owned(),
                price: example.as_ref().map(|to| carrier.priced(&self.policy, to, 1).map(held)),
                is_told: example.as_ref().is_some_and(|to| carrier.price(to, 1).is_some()),
            })
        });
        each.collect()
    }

    /// Asks each vendor by its cheapest reads what works, and looks for receipts that match no message.
    pub async fn check_vendors(&self, caller: &Caller) -> Vec<(String, Result<Vec<Finding>>)> {
        caller.looked("config check --live");
        let check = async |carrier: &Carrier| {
            let mut findings = carrier.ask(&self.life, CHECK, |provider| provider.check()).await?;
            findings.extend(self.receive.unmatched_of(carrier).await?);
            Ok(findings)
        };
        let each = self
            .carriers
            .all()
            .iter()
            .map(|carrier| async { (carrier.name().to_owned(), check(carrier).await) });
        futures::future::join_all(each).await
    }
}

fn held(priced: Priced) -> Price {
    Price { assumed: priced.is_assumed, ..Price::from(priced.money) }
}

/// The actions that come with what a provider can do.
fn common(carrier: &Carrier) -> Vec<Action> {
    let webhook = carrier.callback.iter().map(|_| WEBHOOK_URL);
    webhook.chain(carrier.capabilities().list.then_some(SENT)).collect()
}

fn shown(message: &VendorMessage) -> serde_json::Value {
    serde_json::json!({
        "provider_message_id": message.vendor_id,
        "to": message.to,
        "status": message.state,
        "at": message.at.map(Timestamp::rfc3339),
        "price": message.price.map(Price::from),
        "text": message.text.as_deref().map(untrusted::readable),
        "reason_untrusted": message.why.as_deref().map(untrusted::escape),
    })
}
