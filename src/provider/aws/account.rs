//! An account at AWS: how it is asked, and who of its opt-out list wants no more texts.

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderName;
use serde_json::{Value, json};

use super::answers::Refusals;
use super::credentials::Credentials;
use super::settings::Config;
use super::sigv4::{self, CONTENT_TYPE, Signed};
use super::sns::Hooks;
use crate::clock::{SharedClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::Event;
use crate::provider::rest::{Answer, Client, Request, base_url};
use crate::provider::settings::{Callback, Settings as _, Setup};
use crate::sms::caller_id::Sender;
use crate::sms::number::Number;

/// Most pages of opt-outs that are read, and the entries of each: as many as AWS gives.
const MAX_PAGES: u32 = 500;
const PAGE: u32 = 100;

/// What stands before the name of an operation.
const TARGET: &str = "PinpointSMSVoiceV2";

const AUTHORIZATION: HeaderName = HeaderName::from_static("authorization");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const OPERATION: HeaderName = HeaderName::from_static("x-amz-target");

/// The provider. It has no `Debug`: it holds keys. See the module's text.
pub struct Aws {
    pub(super) config: Config,
    credentials: Credentials,
    /// The host as requests name it.
    host: String,
    pub(super) hooks: Hooks,
    /// Where SNS can reach us, if what it says can be believed.
    pub(super) callback: Option<Callback>,
    /// Whether SNS could reach us, if the settings named a topic.
    pub(super) has_no_topic: bool,
    pub(super) clock: SharedClock,
    pub(super) client: Client,
}

impl Aws {
    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for settings that cannot be used.
    pub fn new(config: &Config, setup: &Setup) -> Result<Self> {
        let wrong =
            |why: String| Error::new(ErrorKind::Config, format!("[[provider]] \"{}\": {why}", config.name));
        config.check().map_err(wrong)?;
        let address = config.address();
        let url = base_url(&address).map_err(wrong)?;
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let credentials = Credentials::new(&setup.secrets, config.profile.as_deref()).map_err(wrong)?;
        let has_topic = !config.topics.is_empty();
        Ok(Self {
            config: config.clone(),
            credentials,
            host,
            hooks: Hooks::new(config, &setup.clock),
            callback: setup.callback.clone().filter(|_| has_topic),
            has_no_topic: setup.callback.is_some() && !has_topic,
            clock: Arc::clone(&setup.clock),
            client: Client::new(&config.name, &address, &config.http, Arc::clone(&setup.clock), Refusals)?,
        })
    }

    /// A request for an operation, signed as of now.
    ///
    /// # Errors
    /// Why there are no keys to sign it with.
    pub(super) async fn asking(&self, operation: &str, body: Vec<u8>) -> Result<Request, String> {
        let keys = self.credentials.now().await?;
        let target = format!("{TARGET}.{operation}");
        let at = self.clock.now();
        let signed =
            Signed { region: self.config.region(), host: &self.host, target: &target, body: &body, at };
        let authorization = sigv4::authorization(&keys, &signed);
        let request = Request::post("")
            .header(DATE, &sigv4::date(at))
            .header(OPERATION, &target)
            .secret_header(AUTHORIZATION, &authorization)
            .body(CONTENT_TYPE, body);
        Ok(match &keys.token {
            Some(token) => request.secret_header(TOKEN, token),
            None => request,
        })
    }

    /// Takes note of what a refusal says of the keys.
    pub(super) fn heard(&self, kind: ErrorKind) {
        if kind == ErrorKind::ProviderUnauthorized {
            self.credentials.refused();
        }
    }

    async fn prepared(&self, operation: &str, body: &Value) -> Result<Request> {
        let body = body.to_string().into_bytes();
        self.asking(operation, body).await.map_err(|why| {
            Error::new(ErrorKind::ProviderUnauthorized, format!("{}: {why}", self.config.name))
        })
    }

    fn read(&self, answered: Result<Answer>) -> Result<Value> {
        let answer = answered.inspect_err(|error| self.heard(error.kind()))?;
        answer.json().map_err(|why| self.wrong(&why))
    }

    /// Asks for something that changes nothing.
    pub(super) async fn ask(&self, operation: &str, body: &Value) -> Result<Value> {
        let request = self.prepared(operation, body).await?;
        self.read(self.client.read(&request).await)
    }

    pub(super) fn wrong(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.config.name))
    }

    /// Who is on the opt-out list, as AWS has it.
    pub(super) async fn opt_outs(&self, list: &str) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut body = json!({ "OptOutListName": list, "MaxResults": PAGE });
            if let (Some(body), Some(next)) = (body.as_object_mut(), &next) {
                body.insert("NextToken".to_owned(), json!(next));
            }
            let read = self.ask("DescribeOptedOutNumbers", &body).await.and_then(|answer| {
                let entries = answer.get("OptedOutNumbers").and_then(Value::as_array).cloned();
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
                let number = Sender::of(entry.get("OptedOutNumber")?.as_str()?);
                Some(Event::OptOut {
                    number,
                    is_out: true,
                    at: entry.get("OptedOutTimestamp").and_then(moment),
                    heard_by: None,
                })
            }));
            next = answer.get("NextToken").and_then(Value::as_str).map(str::to_owned);
            if next.as_ref().is_none_or(String::is_empty) {
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

    /// Puts somebody on the opt-out list, or takes them off. Whoever is not on it is off it already.
    pub(super) async fn set_opt_out(&self, list: &str, number: &Number, is_out: bool) -> Result<()> {
        let operation = if is_out { "PutOptedOutNumber" } else { "DeleteOptedOutNumber" };
        let body = json!({ "OptOutListName": list, "OptedOutNumber": number.e164() });
        let request = self.prepared(operation, &body).await?;
        match self.read(self.client.change(&request).await) {
            Err(error) if error.kind() == ErrorKind::NotFound && !is_out => Ok(()),
            done => done.map(drop),
        }
    }
}

/// A moment in seconds since 1970, with decimals.
fn moment(value: &Value) -> Option<Timestamp> {
    let since = Duration::try_from_secs_f64(value.as_f64()?).ok()?;
    i64::try_from(since.as_millis()).ok().map(Timestamp)
}
