//! An account at Telnyx: how it is asked, and who of its profile wants no more texts.

use std::sync::Arc;

use serde_json::Value;

use super::answers::{self, Refusals};
use super::settings::Config;
use super::webhook::Hooks;
use crate::clock::{SharedClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::Event;
use crate::provider::rest::wording::Wording;
use crate::provider::rest::{Client, Request};
use crate::provider::settings::{Callback, Settings as _, Setup};
use crate::setting::SecretText;
use crate::sms::caller_id::Sender;

/// Most pages of opt-outs that are read, and the entries of each.
const MAX_PAGES: u32 = 50;
const PAGE: u32 = 250;

/// The provider. It has no `Debug`: it holds a key. See the module's text.
pub struct Telnyx {
    pub(super) config: Config,
    key: SecretText,
    pub(super) hooks: Hooks,
    /// Where Telnyx can reach us, if what it says can be believed.
    pub(super) callback: Option<Callback>,
    /// Whether Telnyx could reach us, if what it says could be believed.
    pub(super) is_unsigned: bool,
    pub(super) wording: Wording,
    pub(super) clock: SharedClock,
    pub(super) client: Client,
}

impl Telnyx {
    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for settings that cannot be used.
    pub fn new(config: &Config, setup: &Setup) -> Result<Self> {
        let wrong =
            |why: String| Error::new(ErrorKind::Config, format!("[[provider]] \"{}\": {why}", config.name));
        config.check().map_err(wrong)?;
        let wording = Wording::new(&answers::WORDS, &config.sent_words);
        let hooks = Hooks { public_key: config.public_key.clone(), wording: wording.clone() };
        let can_check = config.public_key.is_some();
        Ok(Self {
            config: config.clone(),
            key: setup.secrets.demand("api_key")?,
            hooks,
            callback: setup.callback.clone().filter(|_| can_check),
            is_unsigned: setup.callback.is_some() && !can_check,
            wording,
            clock: Arc::clone(&setup.clock),
            client: Client::new(
                &config.name,
                &config.base_url,
                &config.http,
                Arc::clone(&setup.clock),
                Refusals,
            )?,
        })
    }

    /// Who sends: the one that the message names, else what is configured.
    pub(super) fn sender<'a>(&'a self, named: Option<&'a str>) -> &'a str {
        named.or(self.config.from.as_deref()).unwrap_or_default()
    }

    /// The request with what it shows for us.
    pub(super) fn signed_in(&self, request: Request) -> Request {
        request.bearer(&self.key)
    }

    pub(super) async fn read(&self, request: Request) -> Result<Value> {
        let answer = self.client.read(&self.signed_in(request)).await?;
        answer.json().map_err(|why| self.wrong(&why))
    }

    pub(super) fn wrong(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.config.name))
    }

    /// Who answered STOP to a number of the profile, as Telnyx has it: `to` is the person.
    pub(super) async fn opt_outs(&self) -> Result<Vec<Event>> {
        let Some(profile) = &self.config.messaging_profile else { return Ok(Vec::new()) };
        let mut events = Vec::new();
        for page in 1..=MAX_PAGES {
            let request = Request::get("messaging_optouts")
                .query("filter[messaging_profile_id]", profile)
                .query("page[number]", page)
                .query("page[size]", PAGE);
            let read = self.read(request).await.and_then(|answer| {
                let entries = answer.get("data").and_then(Value::as_array).cloned();
                Ok((entries.ok_or_else(|| self.wrong("the answer has no list"))?, answer))
            });
            let (entries, answer) = match read {
                // What was found is told, even where there is more.
                Err(error) if !events.is_empty() => {
                    self.warn_of_more(&error);
                    return Ok(events);
                }
                read => read?,
            };
            events.extend(entries.iter().filter_map(|entry| {
                let at = entry.get("created_at").and_then(Value::as_str).and_then(Timestamp::parse);
                let number = Sender::of(entry.get("to")?.as_str()?);
                Some(Event::OptOut { number, is_out: true, at, heard_by: None })
            }));
            // Without a word of how many pages there are, a full one is not the last.
            let total = answer.pointer("/meta/total_pages").and_then(Value::as_u64);
            let is_full = u32::try_from(entries.len()).is_ok_and(|count| count >= PAGE);
            if total.map_or(!is_full, |total| u64::from(page) >= total) {
                return Ok(events);
            }
        }
        self.warn_of_more(&self.wrong("the list of opt-outs has no end"));
        Ok(events)
    }

    fn warn_of_more(&self, error: &Error) {
        tracing::warn!(provider = %self.config.name, code = error.kind().as_str(),
            "not all opt-outs could be read");
    }
}
