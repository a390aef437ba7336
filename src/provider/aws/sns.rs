//! What SNS delivers: events of texts and texts of people, each in an envelope that SNS signs.
//!
//! Anybody with an account can have SNS sign anything and deliver it anywhere, so what is signed is believed
//! of a topic of ours alone: that is looked at before anything is fetched. The key is that of a certificate
//! whose address the envelope names itself. So the host has to be one of Amazon's, by the rule that its own
//! library has, read by the same code that then connects there. A subscription is confirmed to the topic of
//! ours that the settings name, at such a host too, with the token that was signed; nothing else of the
//! address that the envelope names is used.
//!
//! SNS signs with SHA-1 unless a topic says otherwise. That is believed, unless `allow_sha1` is off: whoever
//! can make two texts of one SHA-1 gains nothing by it, since what SNS signs ends in the name of the topic,
//! which it writes itself. An envelope has a time, and no try of SNS comes more than an hour after it.
//!
//! Source: docs.aws.amazon.com/sns, "Verifying the signatures of Amazon SNS messages".

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ::http::header;
use serde::Deserialize;
use url::Url;

use super::events;
use super::settings::Config;
use crate::clock::{SharedClock, Timestamp};
use crate::error::{Error, ErrorKind};
use crate::provider::certificate;
use crate::provider::exchange::{Delivery, Event, NotBelieved};
use crate::provider::rest::{Answer, Client, Dialect, Request, Settings};
use crate::provider::signature::{Hash, has_signed_rsa};

/// Largest envelope that is looked at: a text of 1600 characters, each written out twice, is a quarter of it.
const MAX_BODY: usize = 64 * 1024;

/// Largest certificate that is read.
const MAX_CERTIFICATE: usize = 32 * 1024;

/// How old an envelope may be, in milliseconds: SNS tries for an hour at most, and clocks differ.
const OLDEST_MS: i64 = 3_900_000;

/// How far its time may be ahead of ours.
const EARLIEST_MS: i64 = -300_000;

/// Most keys that are kept, and for how long: Amazon has one a region, for a year or so.
const MOST_KEYS: usize = 8;
const KEEP_MS: i64 = 86_400_000;

/// Most certificates that are fetched in a minute, whoever names however many.
const MOST_FETCHES: usize = 10;
const MINUTE_MS: i64 = 60_000;

/// An envelope. Each field stands once; others are not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    r#type: String,
    message_id: String,
    topic_arn: String,
    message: String,
    timestamp: String,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    certificate: String,
    subject: Option<String>,
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe: Option<String>,
}

const NOTIFICATION: &str = "Notification";
const CONFIRMATION: &str = "SubscriptionConfirmation";
const UNSUBSCRIPTION: &str = "UnsubscribeConfirmation";

fn malformed(why: &str) -> NotBelieved {
    NotBelieved::Malformed(why.to_owned())
}

impl Envelope {
    /// What is signed: each field that is there with its name, in the order of names.
    fn signed(&self) -> Option<String> {
        let (message, id, time) = (Some(&self.message), Some(&self.message_id), Some(&self.timestamp));
        let (topic, kind) = (Some(&self.topic_arn), Some(&self.r#type));
        let fields = match self.r#type.as_str() {
            NOTIFICATION => vec![
                ("Message", message),
                ("MessageId", id),
                ("Subject", self.subject.as_ref()),
                ("Timestamp", time),
                ("TopicArn", topic),
                ("Type", kind),
            ],
            CONFIRMATION | UNSUBSCRIPTION => vec![
                ("Message", message),
                ("MessageId", id),
                ("SubscribeURL", Some(self.subscribe.as_ref()?)),
                ("Timestamp", time),
                ("Token", Some(self.token.as_ref()?)),
                ("TopicArn", topic),
                ("Type", kind),
            ],
            _ => return None,
        };
        let present = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Some(present.map(|(name, value)| format!("{name}\n{value}\n")).collect())
    }

    /// The hash that it is signed with.
    fn hash(&self, allow_sha1: bool) -> Result<Hash, NotBelieved> {
        match self.signature_version.as_str() {
            "1" if allow_sha1 => Ok(Hash::Sha1),
            "1" => Err(malformed("SignatureVersion 1, and allow_sha1 is off")),
            "2" => Ok(Hash::Sha256),
            _ => Err(malformed("a SignatureVersion that is neither 1 nor 2")),
        }
    }
}

/// The address that an envelope names, where it is one of SNS at Amazon.
fn of_amazon(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let region = host.strip_prefix("sns.")?;
    let region =
        region.strip_suffix(".amazonaws.com").or_else(|| region.strip_suffix(".amazonaws.com.cn"))?;
    let is_region =
        region.len() >= 3 && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_plain = url.username().is_empty() && url.password().is_none() && url.port().is_none();
    (url.scheme() == "https" && is_region && is_plain && url.fragment().is_none()).then_some(url)
}

/// The address of a certificate of SNS at Amazon.
fn of_certificate(text: &str) -> Option<Url> {
    of_amazon(text).filter(|url| url.path().ends_with(".pem") && url.query().is_none())
}

/// SNS's answers hold nothing that is needed.
struct Silent;

impl Dialect for Silent {
    fn words(&self, _: &Answer) -> Option<String> {
        None
    }

    fn taken_id(&self, _: &Answer) -> Option<String> {
        None
    }
}

/// A key, whose it is, and when it was fetched.
#[derive(Clone)]
struct Known {
    address: String,
    key: Arc<[u8]>,
    since: Timestamp,
}

/// What SNS delivers, checked and read.
pub struct Hooks {
    provider: String,
    topics: Vec<String>,
    allow_sha1: bool,
    /// Where SNS is, in place of the host that an envelope names.
    url: Option<String>,
    http: Settings,
    clock: SharedClock,
    known: Mutex<Vec<Known>>,
    /// When certificates were fetched of late; held while one is.
    fetches: tokio::sync::Mutex<VecDeque<Timestamp>>,
}

impl Hooks {
    pub(super) fn new(config: &Config, clock: &SharedClock) -> Self {
        Self {
            provider: config.name.clone(),
            topics: config.topics.clone(),
            allow_sha1: config.allow_sha1,
            url: config.sns_url.clone(),
            http: config.http.clone(),
            clock: Arc::clone(clock),
            known: Mutex::default(),
            fetches: tokio::sync::Mutex::default(),
        }
    }

    /// A client for the host of this address.
    fn client(&self, url: &Url) -> Result<Client, Error> {
        let base = match &self.url {
            Some(base) => base.clone(),
            None => format!("https://{}", url.host_str().unwrap_or_default()),
        };
        Client::new(&self.provider, &base, &self.http, Arc::clone(&self.clock), Silent)
    }

    fn known(&self, address: &str) -> Option<Arc<[u8]>> {
        let now = self.clock.now().as_millis();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|one| (0..KEEP_MS).contains(&now.saturating_sub(one.since.as_millis())));
        known.iter().find(|one| one.address == address).map(|one| Arc::clone(&one.key))
    }

    /// The key of the certificate at this address of Amazon's: one that is known, or else the certificate is
    /// fetched, one at a time and some a minute.
    async fn key(&self, url: &Url) -> Result<Arc<[u8]>, NotBelieved> {
        if let Some(key) = self.known(url.as_str()) {
            return Ok(key);
        }
        let mut fetches = self.fetches.lock().await;
        // Another request may have fetched it meanwhile.
        if let Some(key) = self.known(url.as_str()) {
            return Ok(key);
        }
        let now = self.clock.now();
        let age = |at: Timestamp| now.as_millis().saturating_sub(at.as_millis());
        fetches.retain(|at| (0..MINUTE_MS).contains(&age(*at)));
        if fetches.len() >= MOST_FETCHES {
            return Err(NotBelieved::NotNow("too many certificates of SNS in a minute".to_owned()));
        }
        fetches.push_back(now);
        let cannot = |why: &str| NotBelieved::NotNow(format!("SNS's certificate cannot be had: {why}"));
        let client = self.client(url).map_err(|error| cannot(error.message()))?;
        let request = Request::get(url.path()).header(header::ACCEPT, "*/*");
        let answer = client.read(&request).await.map_err(|error| cannot(error.message()))?;
        let key = Some(&answer.body).filter(|pem| pem.len() <= MAX_CERTIFICATE);
        let key = key.and_then(|pem| certificate::rsa_key(pem));
        let key: Arc<[u8]> = key.ok_or_else(|| cannot("what is there is none with an RSA key"))?.into();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KEYS {
            known.remove(0);
        }
        known.push(Known { address: url.to_string(), key: Arc::clone(&key), since: now });
        Ok(key)
    }

    /// Confirms a subscription, which may be done more than once.
    async fn confirm(&self, envelope: &Envelope) -> Result<(), NotBelieved> {
        let wrong = || malformed("SubscribeURL is no address of SNS at Amazon");
        let url = envelope.subscribe.as_deref().and_then(of_amazon).ok_or_else(wrong)?;
        let token = envelope.token.as_deref().unwrap_or_default();
        let cannot = |why: &str| NotBelieved::NotNow(format!("the subscription cannot be confirmed: {why}"));
        let client = self.client(&url).map_err(|error| cannot(error.message()))?;
        let request = Request::get("")
            .header(header::ACCEPT, "*/*")
            .query("Action", "ConfirmSubscription")
            .query("TopicArn", &envelope.topic_arn)
            .query("Token", token);
        match client.change(&request).await {
            Ok(_) => {
                tracing::info!(provider = %self.provider, "subscription to a topic of SNS is confirmed");
                Ok(())
            }
            // An old token, which SNS has no use for any more: nothing gets better by another try.
            Err(error) if error.kind() != ErrorKind::ProviderUnavailable => {
                Err(malformed("SNS does not take the Token"))
            }
            Err(error) => Err(cannot(error.message())),
        }
    }

    /// Reads one request.
    ///
    /// # Errors
    /// [`NotBelieved`].
    pub async fn read(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        if self.topics.is_empty() {
            return Err(NotBelieved::NotExpected);
        }
        if delivery.body.len() > MAX_BODY {
            return Err(NotBelieved::Malformed(format!("a body of more than {MAX_BODY} bytes")));
        }
        // Strictly, since what is signed is what stands there.
        let envelope: Envelope =
            serde_json::from_slice(delivery.body).map_err(|_| malformed("no envelope of SNS"))?;
        // First of all: nothing is fetched for a topic of anybody else.
        if !self.topics.contains(&envelope.topic_arn) {
            return Err(malformed("a TopicArn that is none of `topics`"));
        }
        let signed = envelope.signed().ok_or_else(|| malformed("no Type with its fields"))?;
        let at = Timestamp::parse(&envelope.timestamp).ok_or_else(|| malformed("no Timestamp"))?;
        let age_ms = delivery.now.as_millis().saturating_sub(at.as_millis());
        if !(EARLIEST_MS..=OLDEST_MS).contains(&age_ms) {
            return Err(NotBelieved::Signature);
        }
        let hash = envelope.hash(self.allow_sha1)?;
        let wrong = || malformed("SigningCertURL is no certificate of SNS at Amazon");
        let url = of_certificate(&envelope.certificate).ok_or_else(wrong)?;
        let key = self.key(&url).await?;
        if !has_signed_rsa(hash, &key, &envelope.signature, signed.as_bytes()) {
            return Err(NotBelieved::Signature);
        }
        match envelope.r#type.as_str() {
            NOTIFICATION => events::read(&envelope.message, delivery.now),
            CONFIRMATION => self.confirm(&envelope).await.map(|()| Vec::new()),
            _ => {
                tracing::warn!(provider = %self.provider,
                    "subscription to a topic of SNS was ended: nothing of it comes any more");
                Ok(Vec::new())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sms::message::hex;
    use serde_json::json;
    use sha2::{Digest as _, Sha256};

    #[test]
    fn what_is_signed_is_the_vector_of_the_vendors_own_library() {
        let text = json!({
            "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": "arn:aws:sns:eu-west-1:123456789012:sms-mcp", "Subject": "My First Message",
            "Message": "{\"eventType\":\"TEXT_DELIVERED\"}\nx", "Timestamp": "2026-11-26T07:30:00.000Z",
            "SignatureVersion": "2", "Signature": "", "SigningCertURL": "", "UnsubscribeURL": "x",
        });
        let envelope: Envelope = serde_json::from_value(text).unwrap();
        let signed = hex(&Sha256::digest(envelope.signed().unwrap()));
        assert_eq!(signed, "3618e3187b22faa73802ea9687bae3a7541f0a09b236d2c2e9898128a38c8abe");
    }

    #[test]
    fn the_host_is_one_of_amazons_however_its_address_is_written() {
        let pem = "/SimpleNotificationService-0123.pem";
        for host in
            ["sns.eu-west-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn", "SNS.us-east-1.AMAZONAWS.com"]
        {
            let url = of_certificate(&format!("https://{host}{pem}"));
            assert_eq!(url.unwrap().host_str(), Some(host.to_lowercase().as_str()));
        }
        for wrong in [
            format!("http://sns.eu-west-1.amazonaws.com{pem}"),
            format!("https://sns.eu-west-1.amazonaws.com:8443{pem}"),
            format!("https://user@sns.eu-west-1.amazonaws.com{pem}"),
            format!("https://sns.eu-west-1.amazonaws.com{pem}?x=1"),
            format!("https://sns.eu-west-1.amazonaws.com{pem}#x"),
            format!("https://sns.eu-west-1.amazonaws.com.{pem}"),
            format!("https://sns.eu-west-1.amazonaws.com.evil.example{pem}"),
            format!("https://sns.eu-west-1.amazonaws.com@evil.example{pem}"),
            format!("https://evil.example/sns.eu-west-1.amazonaws.com{pem}"),
            format!("https://evil.example\\sns.eu-west-1.amazonaws.com{pem}"),
            format!("https://sns.evil.example.amazonaws.com{pem}"),
            format!("https://sns.eu.amazonaws.com{pem}"),
            format!("https://sqs.eu-west-1.amazonaws.com{pem}"),
            format!("https://bucket.sns.eu-west-1.amazonaws.com{pem}"),
            format!("https://sns.eu-west-1.amazonaws.org{pem}"),
            "https://sns.eu-west-1.amazonaws.com/cert.pem/x".to_owned(),
            "https://127.0.0.1/cert.pem".to_owned(),
            pem.to_owned(),
        ] {
            assert!(of_certificate(&wrong).is_none(), "{wrong}");
        }
    }
}
