//! Telling approvers by text that something waits for them, with a word that decides it.
//!
//! A text has the gist alone: who asks, how many texts, the country of the first, the most that they may cost, and
//! until when. Nothing that an agent wrote is in it: a text on a phone is believed, and could say what to answer.
//! Each approver has a word of their own for each proposal. It is drawn anew where it certainly was not sent, and
//! is on record before it is: so a word that somebody has is always known.

use std::collections::BTreeSet;
use std::time::Duration;

use super::room::Answering;
use crate::access::word::Word;
use crate::engine::settings::Notify;
use crate::engine::submit::own::{By, OwnSent, OwnText};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::approvers::Approver;
use crate::ledger::proposals::Proposal;
use crate::ledger::words::NewWord;
use crate::sms::money::Amount;
use crate::sms::number::Number;
use crate::sms::own::Own;

/// How often it is looked for what nobody was told of.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Most proposals that are looked at, the oldest first.
const MOST: u32 = 100;

/// How often a word is drawn where the octets make none: once in a thousand times they make none.
const DRAWS: usize = 20;

/// Longest name of who asks, in characters.
const MAX_NAME: usize = 40;

/// Whom this process need not tell of anything any more, and of which failures it has told.
#[derive(Default)]
struct Told {
    done: BTreeSet<String>,
    said: BTreeSet<String>,
}

impl Answering {
    /// Whether approvers decide by text.
    pub fn takes_words(&self) -> bool {
        self.answers.notify.is_some()
    }

    /// Tells approvers of what waits for them, until the engine stops. For servers.
    pub async fn run_notices(&self) {
        let Some(notify) = &self.answers.notify else { return };
        let mut told = Told::default();
        while !self.life.is_stopping() {
            if let Err(error) = self.tell_approvers(notify, &mut told).await {
                tracing::error!(%error, "what waits for an approver cannot be read; it will be tried again");
            }
            self.life.pause(LOOK_EVERY).await;
        }
    }

    async fn tell_approvers(&self, notify: &Notify, told: &mut Told) -> Result<()> {
        let now = self.life.now();
        let open = self.ledger.proposals(now, MOST).await?;
        if open.is_empty() {
            *told = Told::default();
            return Ok(());
        }
        let approvers = self.ledger.approvers(now).await?;
        for proposal in &open {
            for approver in &approvers {
                let key = format!("approval:{}:{}", proposal.id, approver.name);
                if told.done.contains(&key) {
                    continue;
                }
                if !self.tell_approver(notify, proposal, approver, &key, told).await? {
                    // What is in the way is in everybody's way: it is tried again later, the oldest first.
                    return Ok(());
                }
                told.done.insert(key);
            }
        }
        Ok(())
    }

    /// Tells one of them. Returns whether nothing is left to do; else nothing can be sent now.
    async fn tell_approver(
        &self,
        notify: &Notify,
        proposal: &Proposal,
        approver: &Approver,
        key: &str,
        told: &mut Told,
    ) -> Result<bool> {
        let Some(phone) = approver.phone.as_deref().and_then(|phone| Number::parse(phone, None).ok()) else {
            return Ok(true);
        };
        let Some(carrier) = self.carriers.get(&notify.provider) else { return Ok(true) };
        let principal = Own::Approval.principal();
        if self.ledger.target_of(principal, carrier.realm(), key).await?.is_some() {
            return Ok(true);
        }
        let Some(digest) = self.ledger.digest_of(&proposal.id).await? else { return Ok(true) };
        let first = self.ledger.proposed(&proposal.id, 0, 1).await?;
        let country = first
            .first()
            .and_then(|first| Number::parse(&first.to, None).ok())
            .and_then(|to| to.region())
            .map_or_else(|| "an unknown country".to_owned(), |region| region.to_string());
        let word = self.draw()?;
        let kept = NewWord {
            word: word.as_str().to_owned(),
            proposal: proposal.id.clone(),
            digest,
            approver: approver.name.clone(),
            phone: phone.e164().to_owned(),
            provider: notify.provider.clone(),
            at: self.life.now(),
        };
        self.ledger.keep_word(kept).await?;
        let text = OwnText {
            own: Own::Approval,
            to: phone,
            text: gist(proposal, &country, &word),
            by: By::Provider(notify.provider.clone(), notify.from.clone()),
            key: key.to_owned(),
            day: notify.day,
        };
        let (approver, of) = (approver.name.as_str(), proposal.id.as_str());
        match self.submit.send_own_within(text, Some(notify.per_hour)).await {
            Ok(OwnSent::Sent(id, _)) => {
                tracing::info!(approver, of, message = %id, "an approver was texted that something waits");
                Ok(true)
            }
            Ok(OwnSent::Before(_)) => {
                self.ledger.forget_word(word.as_str().to_owned()).await?;
                Ok(true)
            }
            Err(error) => {
                let is_lost = error.kind() == ErrorKind::OutcomeUnknown;
                if !is_lost {
                    self.ledger.forget_word(word.as_str().to_owned()).await?;
                }
                // Once: it is tried again every few seconds. Not the error: it names the phone.
                if told.said.insert(key.to_owned()) {
                    let code = error.kind().as_str();
                    tracing::warn!(approver, of, code, "an approver was not texted that something waits");
                }
                Ok(is_lost || is_theirs(error.kind()))
            }
        }
    }

    fn draw(&self) -> Result<Word> {
        for _ in 0..DRAWS {
            if let Some(word) = Word::draw(&self.life.random()?) {
                return Ok(word);
            }
        }
        Err(Error::new(ErrorKind::Internal, "the system's random octets make no word"))
    }
}

/// Whether it is this approver who cannot be texted, and not everybody.
const fn is_theirs(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::OptedOut
            | ErrorKind::DestinationNotAllowed
            | ErrorKind::PremiumDestination
            | ErrorKind::InvalidNumber
            | ErrorKind::SenderNotAllowed
            | ErrorKind::MessageTooLong
            | ErrorKind::PriceUnknown
    )
}

/// What an approver is texted.
fn gist(proposal: &Proposal, country: &str, word: &Word) -> String {
    let Proposal { principal, waiting, held_micros, currency, expires, .. } = proposal;
    // A principal is no agent's to choose; what stands in a text is a name all the same, and nothing else.
    let who: String = principal
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '@'))
        .take(MAX_NAME)
        .collect();
    let texts = if *waiting == 1 { "1 text".to_owned() } else { format!("{waiting} texts") };
    let until = expires.rfc3339();
    let until = until.get(..16).unwrap_or(&until).replace('T', " ");
    let (price, word) = (Amount(*held_micros), word.as_str());
    format!(
        "sms-mcp: {who} asks to send {texts}, first to {country}, up to {price} {currency}. Until {until} UTC. Answer \
         YES {word} or NO {word}"
    )
}
