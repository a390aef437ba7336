//! By what a webhook is believed: a token in its address, a name and password, a secret in a header, an HMAC
//! or a JWT; or by nothing, and then it is a hint.

use ::http::{HeaderName, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::jwt;
use super::settings::{Algorithm, Proof as Kind, Webhooks, Written};
use super::template::Template;
use crate::clock::Timestamp;
use crate::provider::exchange::Delivery;
use crate::provider::signature::{Encoding, Hash, Key, is_same};
use crate::setting::{SecretText, Span};
use crate::sms::message::hex;

/// How far a time may be from ours unless the settings say so.
const MAX_AGE: Span = Span::minutes(5);

/// How a webhook is believed.
#[derive(Clone, Debug)]
pub enum Proof {
    /// It is not.
    None,
    /// By the token in its address, which was right before anything was read.
    Token,
    /// By a name and a password.
    Basic(String),
    /// By a secret in this header.
    Header(HeaderName),
    /// By an HMAC.
    Hmac(Box<Hmac>),
    /// By a JWT.
    Jwt(Box<Jwt>),
}

/// How an HMAC is made and shown.
#[derive(Clone, Debug)]
pub struct Hmac {
    header: HeaderName,
    hash: Hash,
    encoding: Encoding,
    prefix: String,
    signed: Template,
    timestamp: Option<HeaderName>,
    nonce: Option<HeaderName>,
    max_age_ms: i64,
}

/// What a JWT must say.
#[derive(Clone, Debug)]
pub struct Jwt {
    header: HeaderName,
    body_hash: Option<String>,
    url_hash: Option<String>,
    issuer: Option<String>,
    is_for_us: bool,
    max_age_ms: i64,
}

/// What a request showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing, or the wrong thing.
    Wrong,
    /// Nothing, and nothing was asked for.
    Nothing,
    /// That the gateway calls, and not that this is what it said.
    Caller,
    /// That it is the gateway's.
    Proven,
}

/// How the webhooks come that are to be believed.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    /// In bodies.
    pub bodies: bool,
    /// In queries.
    pub queries: bool,
}

fn header_named(name: &str, text: Option<&String>) -> Result<HeaderName, String> {
    let text = text.ok_or_else(|| format!("{name} is not set"))?;
    text.parse().map_err(|_| format!("{name} is no name of a header"))
}

fn header_if(name: &str, text: Option<&String>) -> Result<Option<HeaderName>, String> {
    text.map(|text| header_named(name, Some(text))).transpose()
}

impl Proof {
    /// Reads the settings.
    ///
    /// # Errors
    /// What is wrong, with its name.
    pub fn of(settings: &Webhooks, has_secret: bool, ways: Ways) -> Result<Self, String> {
        only_its_own(settings)?;
        let needs_secret = !matches!(settings.auth, Kind::None | Kind::Token);
        let word = word(settings.auth);
        if needs_secret && !has_secret {
            return Err(format!("webhook_secret is not set, and webhooks.auth = \"{word}\" needs it"));
        }
        if !needs_secret && has_secret {
            return Err(format!("webhook_secret is set, and webhooks.auth = \"{word}\" has no use for it"));
        }
        Ok(match settings.auth {
            Kind::None => Self::None,
            Kind::Token => Self::Token,
            Kind::Basic => {
                let user = settings.user.clone().ok_or("webhooks.user is not set")?;
                if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
                    return Err("webhooks.user is empty, or has a colon in it".to_owned());
                }
                Self::Basic(user)
            }
            Kind::Header => Self::Header(header_named("webhooks.header", settings.header.as_ref())?),
            Kind::Hmac => Self::Hmac(Box::new(Hmac::of(settings, ways)?)),
            Kind::Jwt => Self::Jwt(Box::new(Jwt::of(settings)?)),
        })
    }

    /// Whether what it shows covers what is told.
    pub const fn covers(&self, ways: Ways) -> bool {
        match self {
            Self::None => false,
            Self::Token | Self::Basic(_) | Self::Header(_) | Self::Hmac(_) => true,
            Self::Jwt(jwt) => {
                (!ways.bodies || jwt.body_hash.is_some()) && (!ways.queries || jwt.url_hash.is_some())
            }
        }
    }

    /// What a request showed.
    pub fn check(&self, delivery: &Delivery<'_>, secret: Option<&SecretText>) -> Shown {
        let secret = secret.map(SecretText::expose).unwrap_or_default().as_bytes();
        let shown = |name: &HeaderName| delivery.headers.get(name).map(|value| value.as_bytes());
        let is_proven = match self {
            Self::None => return Shown::Nothing,
            Self::Token => true,
            Self::Basic(user) => {
                let right = [user.as_bytes(), b":", secret].concat();
                let right = format!("Basic {}", STANDARD.encode(right));
                shown(&header::AUTHORIZATION).is_some_and(|shown| is_same(shown, right.as_bytes()))
            }
            Self::Header(name) => shown(name).is_some_and(|shown| is_same(shown, secret)),
            Self::Hmac(hmac) => hmac.is_signed(delivery, secret),
            Self::Jwt(jwt) => return jwt.check(delivery, secret),
        };
        if is_proven { Shown::Proven } else { Shown::Wrong }
    }
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::None => "none",
        Kind::Token => "token",
        Kind::Basic => "basic",
        Kind::Header => "header",
        Kind::Hmac => "hmac",
        Kind::Jwt => "jwt",
    }
}

/// Checks that no setting stands there that another way to believe has.
fn only_its_own(settings: &Webhooks) -> Result<(), String> {
    use Kind::{Basic, Header, Hmac, Jwt};
    let given: [(&str, bool, &[Kind]); 13] = [
        ("user", settings.user.is_some(), &[Basic]),
        ("header", settings.header.is_some(), &[Header, Hmac, Jwt]),
        ("algorithm", settings.algorithm.is_some(), &[Hmac]),
        ("encoding", settings.encoding.is_some(), &[Hmac]),
        ("prefix", settings.prefix.is_some(), &[Hmac]),
        ("signed", settings.signed.is_some(), &[Hmac]),
        ("timestamp_header", settings.timestamp_header.is_some(), &[Hmac]),
        ("nonce_header", settings.nonce_header.is_some(), &[Hmac]),
        ("max_age", settings.max_age.is_some(), &[Hmac, Jwt]),
        ("body_hash", settings.body_hash.is_some(), &[Jwt]),
        ("url_hash", settings.url_hash.is_some(), &[Jwt]),
        ("issuer", settings.issuer.is_some(), &[Jwt]),
        ("audience", settings.audience, &[Jwt]),
    ];
    match given.into_iter().find(|(_, is_set, kinds)| *is_set && !kinds.contains(&settings.auth)) {
        Some((name, _, kinds)) => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| word(*kind)).collect();
            Err(format!(
                "webhooks.{name} is set, and is for webhooks.auth = {} alone; it is \"{}\"",
                kinds.join(", "),
                word(settings.auth)
            ))
        }
        None => Ok(()),
    }
}

impl Hmac {
    fn of(settings: &Webhooks, ways: Ways) -> Result<Self, String> {
        let timestamp = header_if("webhooks.timestamp_header", settings.timestamp_header.as_ref())?;
        let nonce = header_if("webhooks.nonce_header", settings.nonce_header.as_ref())?;
        let text = settings.signed.as_deref().unwrap_or("{body}");
        let signed = Template::parse(text, |slot| match slot {
            "body" | "url" => Ok(()),
            "timestamp" if timestamp.is_some() => Ok(()),
            "nonce" if nonce.is_some() => Ok(()),
            "timestamp" => Err("has {timestamp}, and webhooks.timestamp_header is not set".to_owned()),
            "nonce" => Err("has {nonce}, and webhooks.nonce_header is not set".to_owned()),
            other => {
                Err(format!("has {{{other}}}; there are {{body}}, {{timestamp}}, {{nonce}} and {{url}}"))
            }
        })
        .map_err(|why| format!("webhooks.signed {why}"))?;
        let has = |name: &str| signed.names().any(|slot| slot == name);
        for (is_needed, name, what) in [
            (ways.bodies, "body", "bodies"),
            (ways.queries, "url", "queries"),
            (timestamp.is_some(), "timestamp", "a time (webhooks.timestamp_header)"),
            (nonce.is_some(), "nonce", "a nonce (webhooks.nonce_header)"),
        ] {
            if is_needed && !has(name) {
                return Err(format!(
                    "webhooks.signed has no {{{name}}}, and there are {what} to be believed"
                ));
            }
        }
        if settings.max_age.is_some() && timestamp.is_none() {
            return Err("webhooks.max_age is set, and webhooks.timestamp_header is not".to_owned());
        }
        Ok(Self {
            header: header_named("webhooks.header", settings.header.as_ref())?,
            hash: match settings.algorithm.unwrap_or_default() {
                Algorithm::Sha1 => Hash::Sha1,
                Algorithm::Sha256 => Hash::Sha256,
                Algorithm::Sha512 => Hash::Sha512,
            },
            encoding: match settings.encoding.unwrap_or_default() {
                Written::Hex => Encoding::Hex,
                Written::Base64 => Encoding::Base64,
            },
            prefix: settings.prefix.clone().unwrap_or_default(),
            signed,
            timestamp,
            nonce,
            max_age_ms: settings.max_age.unwrap_or(MAX_AGE).as_millis(),
        })
    }

    fn is_signed(&self, delivery: &Delivery<'_>, secret: &[u8]) -> bool {
        let text = |name: &HeaderName| delivery.headers.get(name).and_then(|value| value.to_str().ok());
        let time = self.timestamp.as_ref().map(text);
        let nonce = self.nonce.as_ref().map(text);
        if let Some(time) = time
            && !time.is_some_and(|time| is_now(time, delivery.now, self.max_age_ms))
        {
            return false;
        }
        let Some(shown) = text(&self.header).and_then(|shown| shown.strip_prefix(self.prefix.as_str()))
        else {
            return false;
        };
        let pieces = self.signed.octets(|slot| match slot {
            "body" => Some(delivery.body),
            "url" => Some(delivery.url.as_bytes()),
            "timestamp" => time.flatten().map(str::as_bytes),
            _ => nonce.flatten().map(str::as_bytes),
        });
        let Some(pieces) = pieces else { return false };
        // Hexadecimal is the same in either case.
        let shown =
            if self.encoding == Encoding::Hex { shown.to_ascii_lowercase() } else { shown.to_owned() };
        Key::new(self.hash, self.encoding, secret).has_signed(shown.as_bytes(), pieces)
    }
}

/// Whether a time in seconds since 1970 is not far from now.
fn is_now(seconds: &str, now: Timestamp, max_age_ms: i64) -> bool {
    let at_ms = seconds.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
    at_ms
        .and_then(|at_ms| now.as_millis().checked_sub(at_ms))
        .is_some_and(|age_ms| age_ms.saturating_abs() <= max_age_ms)
}

impl Jwt {
    fn of(settings: &Webhooks) -> Result<Self, String> {
        let header = match &settings.header {
            Some(name) => header_named("webhooks.header", Some(name))?,
            None => header::AUTHORIZATION,
        };
        Ok(Self {
            header,
            body_hash: settings.body_hash.clone(),
            url_hash: settings.url_hash.clone(),
            issuer: settings.issuer.clone(),
            is_for_us: settings.audience,
            max_age_ms: settings.max_age.unwrap_or(MAX_AGE).as_millis(),
        })
    }

    fn check(&self, delivery: &Delivery<'_>, secret: &[u8]) -> Shown {
        let shown = delivery.headers.get(&self.header).and_then(|value| value.to_str().ok());
        let token = shown.map(|shown| shown.strip_prefix("Bearer ").unwrap_or(shown).trim());
        let claims = token.and_then(|token| jwt::claims(token, secret, self.max_age_ms, delivery.now));
        let Some(claims) = claims else { return Shown::Wrong };
        let is = |name: &str, right: &str| claims.get(name).and_then(Value::as_str) == Some(right);
        let is_hash_of = |name: &String, octets: &[u8]| {
            let shown = claims.get(name.as_str()).and_then(Value::as_str).unwrap_or_default();
            is_same(shown.to_ascii_lowercase().as_bytes(), hex(&Sha256::digest(octets)).as_bytes())
        };
        let has_query = !delivery.query.is_empty();
        // Where there is no body there is no hash of one, and none is needed.
        let body = self.body_hash.as_ref().is_none_or(|name| {
            is_hash_of(name, delivery.body)
                || (delivery.body.is_empty() && claims.get(name.as_str()).is_none())
        });
        let url = self.url_hash.as_ref().is_none_or(|name| is_hash_of(name, delivery.url.as_bytes()));
        let issuer = self.issuer.as_ref().is_none_or(|issuer| is("iss", issuer));
        let audience = !self.is_for_us || is_audience(&claims, delivery.url);
        if !body || !url || !issuer || !audience {
            return Shown::Wrong;
        }
        let is_covered =
            (delivery.body.is_empty() || self.body_hash.is_some()) && (!has_query || self.url_hash.is_some());
        if is_covered { Shown::Proven } else { Shown::Caller }
    }
}

/// Whether a token is meant for this address, with its query or without.
fn is_audience(claims: &Value, url: &str) -> bool {
    let bare = url.split('?').next().unwrap_or(url);
    let is_us = |value: &Value| value.as_str().is_some_and(|one| one == url || one == bare);
    match claims.get("aud") {
        Some(Value::Array(each)) => each.iter().any(is_us),
        Some(one) => is_us(one),
        None => false,
    }
}
