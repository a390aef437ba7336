//! An account at Mailpro: its credentials, how it is asked, and what a send becomes.

use std::sync::Arc;

use super::answers::{self, Tree, Verdict, meaning};
use super::meter::Meter;
use super::settings::{Config, NumberFormat};
use crate::clock::{SharedClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Outcome;
use crate::provider::exchange::Action;
use crate::provider::rest::wording::{Said, Wording};
use crate::provider::rest::{Answer, Client, Dialect, Request, unreadable};
use crate::provider::settings::Setup;
use crate::setting::SecretText;
use crate::sms::message::State;
use crate::sms::money::Money;
use crate::sms::number::Number;

/// Longest words of the vendor that are kept, in characters.
const MAX_WORDS: usize = 300;

/// Millionths in one.
const MICROS: i128 = 1_000_000;

/// What stands in the place of a credential.
const HIDDEN: &str = "[secret]";

/// Mailpro. See the module's text.
pub struct Mailpro {
    pub(super) config: Config,
    pub(super) clock: SharedClock,
    client: Client,
    pub(super) keys: Keys,
    meter: Meter,
    wording: Wording,
    pub(super) actions: &'static [Action],
}

/// The credentials. They stand in requests only.
#[derive(Clone)]
pub(super) struct Keys {
    id_client: SecretText,
    api_key: SecretText,
}

impl Keys {
    /// Takes the credentials out of the vendor's words, as they are and as they stand in addresses and forms.
    fn hide(&self, words: &str) -> String {
        let words = without(&without(words, &self.api_key), &self.id_client);
        words.chars().take(MAX_WORDS).collect()
    }

    /// Takes them out of an answer that an operator asked for. Numbers that happen to hold the short one stay
    /// whole.
    pub(super) fn hide_in(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) if text == self.id_client.expose() => HIDDEN.clone_into(text),
            serde_json::Value::String(text) => *text = without(text, &self.api_key),
            serde_json::Value::Array(list) => list.iter_mut().for_each(|value| self.hide_in(value)),
            serde_json::Value::Object(object) => object.values_mut().for_each(|value| self.hide_in(value)),
            _ => {}
        }
    }
}

/// A text without this secret, in any of its writings.
fn without(text: &str, secret: &SecretText) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(secret.expose().as_bytes()).collect();
    text.replace(secret.expose(), HIDDEN).replace(&encoded, HIDDEN)
}

impl Dialect for Keys {
    fn words(&self, answer: &Answer) -> Option<String> {
        Tree::read(answer).ok()?.words().map(|words| self.hide(&words))
    }

    fn taken_id(&self, answer: &Answer) -> Option<String> {
        Tree::read(answer).ok()?.id_of_send()
    }

    fn verdict(&self, answer: &Answer, _: Timestamp) -> Option<Outcome> {
        // These statuses say it themselves.
        if matches!(answer.status, 401 | 402 | 403 | 407 | 408 | 429) {
            return None;
        }
        let words = self.words(answer)?;
        Some(Outcome::Rejected { code: meaning(&words)?, why: format!("HTTP {}: {words}", answer.status) })
    }
}

impl Mailpro {
    /// Makes the provider, which offers these actions. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an address that cannot be used, or without credentials.
    pub(super) fn new(config: Config, setup: &Setup, actions: &'static [Action]) -> Result<Self> {
        let keys =
            Keys { id_client: setup.secrets.demand("id_client")?, api_key: setup.secrets.demand("api_key")? };
        let client = Client::new(
            &config.name,
            &config.base_url,
            &config.http,
            Arc::clone(&setup.clock),
            keys.clone(),
        )?;
        let wording = Wording::new(&answers::RESULTS, &config.sent_words);
        Ok(Self {
            config,
            clock: Arc::clone(&setup.clock),
            client,
            keys,
            meter: Meter::default(),
            wording,
            actions,
        })
    }

    /// The credentials, and then these fields.
    pub(super) fn fields<'a>(&'a self, fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let keys = [("id_client", self.keys.id_client.expose()), ("api_key", self.keys.api_key.expose())];
        keys.into_iter().chain(fields.iter().copied()).collect()
    }

    pub(super) fn get(&self, path: &str, fields: &[(&str, &str)]) -> Request {
        let request = Request::get(self.config.format.path(path));
        self.fields(fields).into_iter().fold(request, |request, (name, value)| request.query(name, value))
    }

    pub(super) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Request {
        Request::post(self.config.format.path(path)).form(self.fields(fields))
    }

    /// A number as the vendor is told it.
    pub(super) fn number(&self, number: &Number) -> String {
        match self.config.number_format {
            NumberFormat::Plus => number.e164().to_owned(),
            NumberFormat::Zeros => format!("00{}", number.e164().trim_start_matches('+')),
        }
    }

    /// What so many millionths of a credit are worth, where that is configured; never less than it is.
    pub(super) fn worth(&self, credits: i64, is_rounded_up: bool) -> Option<Money> {
        let product = i128::from(credits).checked_mul(i128::from(self.config.credit_worth?.0))?;
        let micros = product.checked_add(if is_rounded_up { MICROS - 1 } else { 0 })?.div_euclid(MICROS);
        Some(Money { micros: i64::try_from(micros).ok()?, currency: self.config.currency })
    }

    /// Submits a send or a campaign, once, and reads what became of it.
    pub(super) async fn submit(&self, request: &Request, status: State) -> Outcome {
        let ticket = self.meter.begin();
        let answer = match self.client.submit(request).await {
            Ok(answer) => answer,
            Err(outcome) => {
                if !matches!(outcome, Outcome::Unknown { .. } | Outcome::Unclear { .. }) {
                    ticket.free();
                }
                return outcome;
            }
        };
        let tree = match Tree::read(&answer) {
            Ok(tree) => tree,
            Err(why) => return unreadable(&answer, &why),
        };
        match tree.verdict(&self.wording) {
            Verdict::Taken { id, charge, remaining } => {
                let difference = remaining.and_then(|remaining| ticket.left(remaining, self.clock.now()));
                let credits = charge
                    .filter(|charge| *charge >= 0)
                    .or(difference.filter(|_| self.config.price_from_remaining));
                Outcome::Accepted {
                    vendor_id: id,
                    status,
                    segments: None,
                    price: credits.and_then(|credits| self.worth(credits, true)),
                }
            }
            Verdict::Refused { code, words } => {
                ticket.free();
                Outcome::Rejected { code, why: self.keys.hide(&words) }
            }
            Verdict::Unclear { id, why } => {
                Said::Unclear(self.keys.hide(&why)).outcome(&answer, id, None, None)
            }
        }
    }

    /// An answer to anything but a send: what it holds, or the failure that it reports.
    fn tree(&self, answer: &Answer) -> Result<Tree> {
        let tree = Tree::read(answer).map_err(|why| self.unavailable(&why))?;
        match tree.failure(&self.wording) {
            None => Ok(tree),
            Some(words) => {
                let kind = meaning(&words).unwrap_or(ErrorKind::ProviderRejected);
                Err(Error::new(kind, format!("{} answered with a failure", self.config.name))
                    .provider_said(self.keys.hide(&words)))
            }
        }
    }

    pub(super) async fn ask(&self, request: &Request) -> Result<Tree> {
        self.tree(&self.client.read(request).await?)
    }

    pub(super) async fn change(&self, request: &Request) -> Result<Tree> {
        self.tree(&self.client.change(request).await?)
    }

    pub(super) fn unavailable(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.config.name))
    }

    /// The sender name to send along. The vendor documents no parameter for it: the account has one of its
    /// own.
    pub(super) fn sender<'a>(&'a self, from: Option<&'a str>) -> Option<(&'a str, &'a str)> {
        self.config.sender_parameter.as_deref().zip(from.or(self.config.from.as_deref()))
    }
}
