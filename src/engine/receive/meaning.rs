//! What a person's words ask for: the words themselves, with what is known of the person and of the text that
//! they answer.

use super::room::Receive;
use crate::clock::Timestamp;
use crate::engine::carriers::carrier::Carrier;
use crate::error::Result;
use crate::ledger::{E164, ProviderName};
use crate::provider::exchange::Reply;
use crate::sms::caller_id::Who;
use crate::sms::number::Number;
use crate::sms::reply::{self, Meaning, is_yes};

impl Receive {
    /// Takes a yes of somebody who was asked whether they want texts: from that number alone, and as it is.
    ///
    /// # Errors
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn take_yes(
        &self,
        carrier: &Carrier,
        who: &Who,
        (text, at): (Option<&str>, Timestamp),
    ) -> Result<()> {
        let is_yes = text.is_some_and(|text| is_yes(text, &self.yes_words));
        let Some(number) = who.lifts().filter(|_| is_yes) else { return Ok(()) };
        if self.ledger.take_yes(E164(number.e164()), at, self.life.now()).await? {
            tracing::info!(provider = carrier.name(), "a consent was given by a reply");
        }
        Ok(())
    }

    /// What this reply asks for. `number` is the person's, where it could be read.
    ///
    /// # Errors
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable): only a short reply is looked up.
    pub async fn meaning_of(
        &self,
        carrier: &Carrier,
        reply: &Reply,
        number: Option<&Number>,
    ) -> Result<Meaning> {
        let meaning = reply::meaning(&reply.text, number.map(Number::calling_code), &self.stop_words);
        if meaning != Meaning::Other {
            return Ok(meaning);
        }
        if let Some(number) = number.filter(|_| reply::may_be_announced(&reply.text)) {
            let provider = ProviderName(carrier.name());
            let said = self.ledger.last_text(provider, E164(number.e164()), reply.at).await?;
            if said.is_some_and(|said| reply::is_announced(&reply.text, &said)) {
                return Ok(Meaning::Stop);
            }
        }
        // Where nobody answers it, an agent may.
        let is_heard = self.answering.knows_help() || reply.is_answered;
        let asks = is_heard && reply::asks_for_help(&reply.text, self.answering.help_words());
        Ok(if asks { Meaning::Help } else { Meaning::Other })
    }
}
