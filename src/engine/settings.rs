//! `[send]`, `[replies]`, `[forward]`, `[[route]]` and `[[sender]]` of the settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::setting::{Secret, Span, word};
use crate::sms::destination::Destination;
use crate::sms::limits::Limits;
use crate::sms::money::Amount;
use crate::sms::purpose::Purpose;
use crate::sms::reply::{HelpWords, StopWords, help_words};

/// `[send]`: how messages are handed to the provider.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Send")]
pub struct Settings {
    /// How long send_bulk waits for its messages before it answers with the batch id and goes on.
    pub bulk_wait: Span,
    /// How long one message may take at the provider. After that its outcome is unknown, and it is never sent
    /// again.
    pub timeout: Span,
    /// Messages of bulk sends that are at the provider at the same time.
    pub concurrency: u32,
    /// A queued message of a bulk that could not leave for this long (the machine was off) expires instead of
    /// leaving late.
    pub queue_max_age: Span,
    /// How long a stop waits for the rest of texts of which a part has left. All else that is under way has a
    /// few seconds.
    pub stop_within: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bulk_wait: Span::seconds(10),
            timeout: Span::seconds(30),
            concurrency: 32,
            queue_max_age: Span::hours(24),
            stop_within: Span::seconds(30),
        }
    }
}

/// `[replies]`: what people answer, and what they are answered.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Replies {
    /// Words and short phrases that ask for no more texts, beside those that are known. They count in any
    /// case and spelling where they are the whole reply.
    pub stop_words: Vec<String>,
    /// Words and short phrases that ask for help, beside those that are known (HELP, INFO and their like in
    /// many languages).
    pub help_words: Vec<String>,
    /// What whoever asks for help is answered: who you are, and where to reach you. Nothing is answered unless
    /// it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help_text: Option<String>,
    /// What whoever asks for no more texts is answered, once, where the vendor does not answer by itself.
    /// Nothing is answered unless it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_text: Option<String>,
    /// Most answers of both kinds in a UTC day.
    pub answers_per_day: u32,
    /// Most money for them in a UTC day.
    pub answers_spend: Amount,
    /// Providers whose own answers to STOP and HELP are switched off at the vendor, so that people are
    /// answered by these texts.
    pub answer_for: Vec<String>,
}

impl Default for Replies {
    fn default() -> Self {
        Self {
            stop_words: Vec::new(),
            help_words: Vec::new(),
            help_text: None,
            stop_text: None,
            answers_per_day: 200,
            answers_spend: Amount::units(5),
            answer_for: Vec::new(),
        }
    }
}

/// What people are answered, as it is asked for.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The operator's words for help.
    pub help_words: HelpWords,
    /// The answer to HELP.
    pub help_text: Option<String>,
    /// The answer to STOP.
    pub stop_text: Option<String>,
    /// What may be spent on them in a UTC day.
    pub day: Limits,
    /// Providers whose vendors do not answer by themselves.
    pub answer_for: Vec<String>,
    /// How approvers are texted that something waits; nothing where they are not.
    pub notify: Option<Notify>,
}

/// How approvers are texted that something waits for them.
#[derive(Clone, Debug)]
pub struct Notify {
    /// By this provider, which takes replies.
    pub provider: String,
    /// From this number; the provider's own where there is none.
    pub from: Option<String>,
    /// Most of these texts within an hour.
    pub per_hour: u32,
    /// What may be spent on them in a UTC day.
    pub day: Limits,
}

impl Replies {
    /// The words as replies are compared with them.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the word that is none.
    pub fn words(&self) -> Result<StopWords> {
        StopWords::new(&self.stop_words)
            .map_err(|wrong| Error::new(ErrorKind::Config, format!("replies.stop_words {wrong}")))
    }

    /// What people are answered.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the word that is none, or the text that nobody could read.
    pub fn answers(&self) -> Result<Answers> {
        let wrong = |why: String| Error::new(ErrorKind::Config, why);
        let help_words = help_words(&self.help_words, &self.words()?)
            .map_err(|why| wrong(format!("replies.help_words {why}")))?;
        for (name, text) in [("help_text", &self.help_text), ("stop_text", &self.stop_text)] {
            let is_unreadable =
                |text: &String| text.trim().is_empty() || text.chars().any(|c| c.is_control() && c != '\n');
            if text.as_ref().is_some_and(is_unreadable) {
                return Err(wrong(format!(
                    "replies.{name} must be a text without control characters; leave it out for no answer"
                )));
            }
        }
        if self.answers_spend < Amount(0) {
            return Err(wrong("replies.answers_spend is negative; a limit is 0 or more".to_owned()));
        }
        Ok(Answers {
            help_words,
            help_text: self.help_text.clone(),
            stop_text: self.stop_text.clone(),
            day: Limits {
                spend_micros: Some(self.answers_spend.0),
                messages: Some(i64::from(self.answers_per_day)),
            },
            answer_for: self.answer_for.clone(),
            notify: None,
        })
    }
}

/// `[forward]`: an address of the operator's own, which is told each change and each reply.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Forward")]
pub struct Forwarding {
    /// The address, such as `https://crm.example.com/sms-events`. Nothing is told unless it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// The secret that signs each event (Standard Webhooks): `whsec_` and 24 to 64 bytes in base64.
    #[serde(skip_serializing)]
    pub secret: Option<Secret>,
    /// Whether the address may be one of a private network or of this machine.
    pub allow_private: bool,
    /// How long an event is tried again before it is given up.
    pub give_up_after: Span,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self { callback_url: None, secret: None, allow_private: false, give_up_after: Span::hours(72) }
    }
}

/// `[[route]]`: which provider carries what. What is not named does not matter.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// Countries ("FR") and prefixes ("+337") that it is for.
    #[schemars(with = "Vec<String>")]
    pub to: Vec<Destination>,
    /// Sender IDs (`from` of the call) that it is for.
    pub from: Vec<String>,
    /// The providers' names, in order: the next one is asked only when the one before certainly did not take
    /// it.
    pub providers: Vec<String>,
    /// Whether the next provider is asked too when one refused the message for good.
    pub after_rejected: bool,
}

/// `[[sender]]`: whom a text shows as its sender where the call names none.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Sender")]
pub struct Sender {
    /// The sender ID: a number, a short code or a name. Where `[guard] allow_senders` has a list, it is on it.
    pub id: String,
    /// Countries ("FR") and prefixes ("+337") that it is for; empty: all.
    #[schemars(with = "Vec<String>")]
    pub to: Vec<Destination>,
    /// What its texts are for, where that is said: marketing makes each of them marketing.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "purpose")]
    pub purpose: Option<Purpose>,
    /// Whether it is registered wherever its texts go, so that nothing is said of countries that demand that.
    pub registered: bool,
}

fn purpose<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Purpose>, D::Error> {
    word(deserializer).map(Some)
}
