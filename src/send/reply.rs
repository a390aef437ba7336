//! What people answer: who wrote, what they ask for, and which message that answers.
//!
//! A reply is recorded after what it asks for, so that a reply on record never stands beside a wish that was lost. Both may
//! be told again, and late: recording is idempotent, and an older wish changes nothing about a newer one.

use std::sync::Arc;

use super::inbound::{FIRST_WAIT, e164, patiently};
use super::{Carrier, Engine};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::provider::Provider;
use crate::provider::exchange::Reply;
use crate::sms::message::MessageId;
use crate::sms::number::{Number, Region};
use crate::sms::reply::Meaning;
use crate::sms::untrusted;
use crate::store::{NewReply, Recorded};

/// How often a vendor is told of an opt-out. Our own list holds whatever comes of it.
const TELL_TRIES: u32 = 4;

/// Longest reply that is kept, in characters: ten segments and more.
const MAX_REPLY: usize = 2_000;

/// The source of an opt-out that a person asked for in a reply.
const BY_REPLY: &str = "reply";

impl Engine {
    pub(super) async fn take_reply(&self, carrier: &Carrier, reply: Reply) -> Result<()> {
        let number = e164(&reply.from).or_else(|| national(&reply.from, self.parts().default_region));
        let meaning = self.meaning_of(carrier, &reply, number.as_ref()).await?;
        let is_out = meaning == Meaning::Stop;
        // What it asked for is on record too: told again, it must not undo what was wished since. Where a vendor names
        // neither id nor time, a person who says stop once more looks the same, so a later stop counts.
        let known = self.parts().store.reply_at(carrier.name(), &reply.vendor_id).await?;
        if known.is_some_and(|at| !is_out || reply.at <= at) {
            return Ok(());
        }
        // Before the reply itself: when the reply is on record, what it asks for must be too.
        let is_news = match (&number, meaning) {
            (Some(number), Meaning::Stop | Meaning::Start) => self.opt(carrier.name(), number.e164(), is_out, BY_REPLY, reply.at).await?,
            _ => false,
        };
        let new = NewReply {
            provider: carrier.name().to_owned(),
            vendor_id: reply.vendor_id,
            from: number.as_ref().map_or_else(|| untrusted::escape(&reply.from), |number| number.e164().to_owned()),
            to: untrusted::escape(&reply.to),
            text: untrusted::escape_up_to(&reply.text, MAX_REPLY),
            at: reply.at,
            forward: self.parts().forward.is_some(),
        };
        let recorded = self.parts().store.record_reply(new, self.parts().clock.now()).await?;
        let is_new = recorded != Recorded::Known;
        if let Recorded::New(answered) = recorded {
            tracing::debug!(provider = carrier.name(), message = answered.as_ref().map(MessageId::as_str), "a reply");
            self.inner.forwards.notify_one();
            if let Some(id) = answered {
                self.changed(&id);
            }
        }
        // A process that died in between has recorded the stop and told nobody.
        let is_to_tell = is_news || (is_new && is_out);
        if let Some(number) = number.filter(|_| is_to_tell && carrier.provider.capabilities().opt_outs) {
            let (engine, provider) = (self.clone(), Arc::clone(&carrier.provider));
            self.inner.tasks.spawn(async move { engine.tell_opt_out(provider, &number, is_out).await });
        }
        Ok(())
    }

    /// Records that a person wants no more texts, or wants them again. Returns whether that is news.
    pub(super) async fn opt(&self, provider: &str, number: &str, is_out: bool, source: &str, at: Timestamp) -> Result<bool> {
        // A clock of the vendor's that is ahead must not outdo what the person wishes tomorrow.
        let at = at.min(self.parts().clock.now());
        let is_news = self.parts().store.opt_out(number, is_out, source, at).await?;
        if is_news {
            tracing::info!(provider, is_out, "an opt-out was recorded");
            self.inner.forwards.notify_one();
        }
        Ok(is_news)
    }

    async fn tell_opt_out(&self, provider: Arc<dyn Provider>, number: &Number, is_out: bool) {
        let mut wait = FIRST_WAIT;
        for tries in 1..=TELL_TRIES {
            match patiently(self, provider.opt_out(number, is_out)).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(provider = provider.name(), tries, %error, "the vendor could not be told of an opt-out"),
            }
            self.pause(wait).await;
            if self.is_stopping() {
                return;
            }
            wait *= 2;
        }
    }
}

/// A person's number as it is written in the operator's own country: a carrier there leaves the country code out. Digits in
/// brackets may have it all the same.
fn national(text: &str, region: Option<Region>) -> Option<Number> {
    let is_number = text.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '(' | ')'));
    let own = region.filter(|_| is_number).and_then(|region| Number::parse(text, Some(region)).ok()).filter(Number::is_valid);
    own.or_else(|| e164(text.strip_prefix('(')?.strip_suffix(')')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_without_its_country_code_is_one_of_the_operators_own_country_or_none() {
        let read =
            |text: &str, region: Option<&str>| national(text, region.and_then(|region| region.parse().ok())).map(|number| number.e164().to_owned());
        assert_eq!(read("0612345678", Some("FR")).as_deref(), Some("+33612345678"));
        assert_eq!(read("(2025550123)", Some("US")).as_deref(), Some("+12025550123"));
        assert_eq!(read("(33612345678)", Some("FR")).as_deref(), Some("+33612345678"));
        assert_eq!(read("(33612345678)", None).as_deref(), Some("+33612345678"), "a carrier that is wrong about the type");
        for (text, region) in [("0612345678", None), ("36179", Some("FR")), ("1800FLOWERS", Some("US")), ("", Some("FR"))] {
            assert_eq!(read(text, region), None, "{text}");
        }
    }
}
