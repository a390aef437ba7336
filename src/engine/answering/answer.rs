//! The answers to HELP and to STOP.
//!
//! Each goes to one person at most once in a UTC day, so that two machines that answer each other come to an
//! end, and only right after what it answers: a text that was told late, or again, is not answered hours later.
//! Where a vendor answers by itself, nothing is sent. An answer that cannot be sent now is not sent: the wish
//! itself is on record by then.

use super::room::Answering;
use crate::clock::Timestamp;
use crate::engine::carriers::carrier::Carrier;
use crate::engine::submit::own::{By, OwnSent, OwnText};
use crate::provider::exchange::Reply;
use crate::sms::number::Number;
use crate::sms::own::Own;
use crate::sms::reply::{HelpWords, Meaning, is_keyword};

/// How long after it was written a text is answered, in milliseconds.
const RIGHT_THEN_MS: i64 = 10 * 60_000;

/// What was heard, and is perhaps to be answered.
pub struct Heard<'a> {
    /// Through whom.
    pub carrier: &'a Carrier,
    /// What was written.
    pub reply: &'a Reply,
    /// Who certainly wrote it.
    pub person: Option<&'a Number>,
    /// What it asks for.
    pub meaning: Meaning,
    /// Whether it changed anything: somebody who was out already is told so no more.
    pub is_news: bool,
}

/// An answer that is due.
pub struct Due(OwnText);

impl Answering {
    /// Whether HELP has an answer of the operator's. Without one it is an ordinary text.
    pub fn knows_help(&self) -> bool {
        self.answers.help_text.is_some()
    }

    /// The operator's words for help.
    pub fn help_words(&self) -> &HelpWords {
        &self.answers.help_words
    }

    /// The answer that is due, if one is.
    pub fn due(&self, heard: &Heard<'_>) -> Option<Due> {
        let &Heard { carrier, reply, person, meaning, is_news } = heard;
        let (own, text) = match meaning {
            Meaning::Help => (Own::Help, self.answers.help_text.as_ref()?),
            // What was told before was perhaps answered before, and the person may have changed their mind since.
            Meaning::Stop if is_news && !reply.is_again => (Own::Stop, self.answers.stop_text.as_ref()?),
            Meaning::Stop | Meaning::Start | Meaning::Objection | Meaning::Other => return None,
        };
        let now = self.life.now();
        let is_late = now.as_millis().saturating_sub(reply.at.as_millis()) > RIGHT_THEN_MS;
        if is_late || reply.is_answered || self.is_answered_there(own, carrier, &reply.text) {
            return None;
        }
        let to = person?.clone();
        Some(Due(OwnText {
            own,
            key: key(own, &to, now),
            text: text.clone(),
            by: By::Provider(carrier.name().to_owned(), Some(reply.to.trim().to_owned())),
            day: self.answers.day,
            to,
        }))
    }

    /// Whether the vendor answers this word by itself, as far as the operator has not switched that off.
    fn is_answered_there(&self, own: Own, carrier: &Carrier, text: &str) -> bool {
        let can = carrier.capabilities();
        let answers = if own == Own::Stop { can.answers_stop } else { can.answers_help };
        let is_off = self.answers.answer_for.iter().any(|name| name == carrier.name());
        answers && !is_off && is_keyword(text)
    }

    /// Sends an answer, and says what became of it.
    pub async fn answer(&self, Due(text): Due) {
        let own = text.own.as_str();
        let provider = match &text.by {
            By::Provider(name, _) => name.clone(),
            By::Routes => String::new(),
        };
        match self.submit.send_own(text).await {
            Ok(OwnSent::Sent(id, _)) => {
                tracing::info!(provider, own, message = %id, "an answer to HELP or STOP was sent");
            }
            Ok(OwnSent::Before(_)) => tracing::debug!(provider, own, "was answered today already"),
            // Not the error: it names who wrote.
            Err(error) => {
                let code = error.kind().as_str();
                tracing::warn!(provider, own, code, "an answer to HELP or STOP was not sent");
            }
        }
    }
}

/// What makes an answer this one: its kind, the person, and the UTC day.
fn key(own: Own, to: &Number, now: Timestamp) -> String {
    format!("{}:{}:{}", own.as_str(), to.e164(), now.utc_day())
}
