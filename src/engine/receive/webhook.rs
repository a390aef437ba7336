//! Webhooks: requests of vendors, which are believed once the address's token and the vendor's signature are
//! right.
//!
//! It returns only after everything that the request told is durable, so that a vendor may forget what it was
//! thanked for.

use std::sync::Arc;

use ::http::{HeaderMap, Method};

use super::room::{PATIENCE, Receive};
use crate::engine::carriers::carrier::Carrier;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{Delivery, NotBelieved, Webhook};
use crate::provider::settings::Callback;
use crate::sms::message::MessageId;
use crate::sms::untrusted;

/// A request to a webhook's address as it came in: nothing of it is believed yet. It has no `Debug`: it may
/// hold texts.
#[derive(Clone, Copy)]
pub struct Called<'a> {
    /// The method.
    pub method: &'a Method,
    /// The query; empty where there was none.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: &'a [u8],
}

/// Why a webhook's request is refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refused {
    /// There is no such address: no such provider, a wrong token, or a provider that sends no webhooks.
    NotFound,
    /// The vendor does not call with this method: the ones that it calls with.
    Method(&'static [Method]),
    /// The signature is missing or wrong.
    Signature,
    /// It does not read as documented; what is wrong, in words that quote nothing of it.
    Malformed(String),
    /// It could not be recorded: the vendor is to try again.
    Unavailable(Error),
}

impl Receive {
    /// The carrier whose address this is, and the message that it was made for.
    fn addressed(&self, provider: &str, token: &str) -> Option<(&Carrier, &Callback, Option<MessageId>)> {
        let carrier = self.carriers.get(provider)?;
        let callback = carrier.callback.as_ref()?;
        let message = callback.read(token)?;
        let is_ours = message.as_ref().is_none_or(|id| id.as_str().starts_with(MessageId::PREFIX));
        is_ours.then_some((carrier, callback, message))
    }

    /// How the vendor calls at this address, so that a body is worth reading: nothing where no vendor was
    /// given it.
    pub fn expects_webhook(self: &Arc<Self>, provider: &str, token: &str) -> Option<Webhook> {
        self.addressed(provider, token).map(|(carrier, ..)| carrier.webhook())
    }

    /// Takes a webhook's request. Everything that it tells is durable when this returns, with what the vendor
    /// is to be answered.
    ///
    /// # Errors
    /// [`Refused`], which says what to answer.
    pub async fn webhook(
        self: &Arc<Self>,
        provider: &str,
        token: &str,
        called: &Called<'_>,
    ) -> Result<Webhook, Refused> {
        let (carrier, callback, message) = self.addressed(provider, token).ok_or(Refused::NotFound)?;
        let webhook = carrier.webhook();
        if !webhook.methods.contains(called.method) {
            return Err(Refused::Method(webhook.methods));
        }
        let Called { method, query, headers, body } = *called;
        let url = callback.url(message.as_ref());
        let url = if query.is_empty() { url } else { format!("{url}?{query}") };
        let delivery = Delivery {
            method,
            url: &url,
            query,
            headers,
            body,
            message: message.as_ref(),
            now: self.life.now(),
        };
        let read = carrier.ask(&self.life, PATIENCE, |provider| Box::pin(async { Ok(provider.events(&delivery).await) })).await.map_err(|error| {
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
            NotBelieved::NotNow(why) => {
                let error = Error::new(ErrorKind::ProviderUnavailable, why);
                tracing::warn!(provider, %error, "webhook could not be processed; the vendor will send it again");
                Refused::Unavailable(error)
            }
        })?;
        tracing::debug!(provider, events = events.len(), "webhook read");
        // In a task of its own: a vendor that hangs up does not stop half of it.
        let (room, name) = (Arc::clone(self), carrier.name().to_owned());
        let taken = self.life.apart(async move {
            let carrier = room
                .carriers
                .get(&name)
                .ok_or_else(|| Error::new(ErrorKind::Internal, "the provider is gone"))?;
            room.take_events(carrier, events).await
        });
        taken.await.map_err(|error| {
            tracing::error!(provider, %error, "webhook could not be recorded; the vendor will send it again");
            Refused::Unavailable(error)
        })?;
        Ok(webhook)
    }
}
