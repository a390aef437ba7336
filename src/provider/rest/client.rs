//! The one HTTP client of all REST providers, and the one place that says what an HTTP exchange means for a
//! message.
//!
//! A send is submitted once ([`Client::submit`]). What became of it is judged by what left the socket and by
//! the status line, not by the name of an error: as long as nothing of the request was written it was
//! certainly not sent; after that only a status line is a word about it. Reads may be repeated
//! ([`Client::read`]), changes are not ([`Client::change`]). Redirects are not followed, since they would
//! carry credentials and texts elsewhere.

use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue, Method, header};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::clock::{SharedClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::halt::Halt;
use crate::provider::Outcome;
use crate::provider::exchange::Written;
use crate::provider::rest::answer::Answer;
use crate::provider::rest::pool::{Failure, Pool, Whole, proxy_uri};
use crate::provider::rest::request::Request;
use crate::provider::rest::settings::{Settings, base_url};

/// Names a request, where the vendor's logs may show it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest words of a vendor that are kept, in characters.
const MAX_WORDS: usize = 300;

/// How often a read is tried.
const READ_TRIES: u32 = 3;

/// The wait before a read is tried again, where the vendor names none; it doubles.
const READ_WAIT_MS: u64 = 200;

/// The longest wait before a read is tried again.
const READ_LONGEST_WAIT_MS: u64 = 2_000;

/// What is a vendor's own in the meaning of its answers.
pub trait Dialect: Send + Sync {
    /// The vendor's words in an answer that is an error.
    fn words(&self, answer: &Answer) -> Option<String>;

    /// The vendor's id of a message, where an answer has it that takes one, whatever its status: for whoever
    /// asks what a refusal is worth. Nothing beside a word of the vendor's that the message failed. No refusal
    /// that the vendor documents has one.
    fn taken_id(&self, answer: &Answer) -> Option<String>;

    /// What a refusal (4xx) of a send means, where its status alone does not say it.
    fn verdict(&self, answer: &Answer, now: Timestamp) -> Option<Outcome> {
        let _ = (answer, now);
        None
    }

    /// What a refusal (4xx) of a question or a change means, where its status alone does not say it.
    fn kind(&self, answer: &Answer) -> Option<ErrorKind> {
        let _ = answer;
        None
    }
}

/// The client of one provider. See the module's text.
pub struct Client {
    base: Url,
    provider: String,
    clock: SharedClock,
    dialect: Box<dyn Dialect>,
    pool: Pool,
}

impl Client {
    /// A client for the API below `base_url`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an address or a proxy that cannot be used.
    pub fn new(
        provider: &str,
        base: &str,
        settings: &Settings,
        clock: SharedClock,
        dialect: impl Dialect + 'static,
    ) -> Result<Self> {
        let base = base_url(base).map_err(|why| wrong(provider, &why))?;
        Self::at(provider, base, settings, clock, dialect)
    }

    /// The same at an address that was checked already.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a proxy that cannot be used.
    pub fn at(
        provider: &str,
        base: Url,
        settings: &Settings,
        clock: SharedClock,
        dialect: impl Dialect + 'static,
    ) -> Result<Self> {
        if let Some(proxy) = &settings.proxy {
            proxy_uri(proxy).map_err(|why| wrong(provider, why))?;
        }
        let pool = Pool::new(&base, settings, Arc::clone(&clock));
        Ok(Self { base, provider: provider.to_owned(), clock, dialect: Box::new(dialect), pool })
    }

    fn url(&self, request: &Request) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!(
            "{}/{}",
            self.base.path().trim_end_matches('/'),
            request.path.trim_start_matches('/')
        ));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        url
    }

    /// The request as it goes on the wire, to this address.
    fn message(request: &Request, url: &Url) -> ::http::Request<Whole> {
        let has_body = !matches!(request.method, Method::GET | Method::DELETE) || !request.body.is_empty();
        let mut message = ::http::Request::new(Whole(has_body.then(|| request.body.clone())));
        *message.method_mut() = request.method.clone();
        let headers = message.headers_mut();
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let agent = HeaderValue::from_static(concat!("sms-mcp/", env!("CARGO_PKG_VERSION")));
        headers.extend(HeaderValue::from_str(&host).map(|host| (header::HOST, host)));
        headers.insert(header::USER_AGENT, agent);
        headers.extend(request.headers.iter().cloned());
        headers.extend(
            request.id.as_deref().and_then(|id| HeaderValue::from_str(id).ok()).map(|id| (REQUEST_ID, id)),
        );
        message
    }

    /// The request as it would go on the wire, for somebody to look at: what is marked as a secret is not
    /// shown.
    pub fn written(&self, request: &Request) -> Written {
        let url = self.url(request);
        let message = Self::message(request, &url);
        let shown = |value: &HeaderValue| match value.to_str() {
            Ok(text) if value.is_sensitive() => match text.split_once(' ') {
                Some((scheme, _)) => format!("{scheme} [secret]"),
                None => "[secret]".to_owned(),
            },
            Ok(text) => text.to_owned(),
            Err(_) => "[not text]".to_owned(),
        };
        Written {
            method: message.method().to_string(),
            url: url.to_string(),
            headers: message
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), shown(value)))
                .collect(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
        }
    }

    /// What stands for a request: a digest of its method, its whole address, its headers, with what they show of
    /// secrets, and its body. Our own version, which each request names too, is no part of it.
    pub fn digest(&self, request: &Request) -> [u8; 32] {
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        };
        add(request.method.as_str().as_bytes());
        add(self.url(request).as_str().as_bytes());
        for (name, value) in &request.headers {
            add(name.as_str().as_bytes());
            add(value.as_bytes());
        }
        add(&request.body);
        digest.finalize().into()
    }

    async fn exchange(&self, request: &Request) -> std::result::Result<Answer, Failure> {
        let started = self.clock.now();
        let url = self.url(request);
        let answered =
            self.pool.exchange(Self::message(request, &url), &url, || self.halt(request).is_none()).await;
        let ms = self.clock.now().as_millis().saturating_sub(started.as_millis());
        let request_id = request.id.as_deref().unwrap_or("");
        match &answered {
            Ok(answer) => {
                tracing::debug!(provider = %self.provider, method = %request.method, request_id, status = answer.status, ms, "a provider answered");
            }
            Err(Failure::NotBegun(why) | Failure::Lost(why)) => {
                tracing::debug!(provider = %self.provider, method = %request.method, request_id, why, ms,
                    "a provider did not answer");
            }
        }
        answered
    }

    /// Why a request may not begin now.
    fn halt(&self, request: &Request) -> Option<Halt> {
        request.brake.as_ref()?.pulled(&self.provider)
    }

    /// Submits a send, once. The answer is a 2xx whose body may still be unreadable: that is then
    /// [`Outcome::Unknown`], see [`unreadable`].
    ///
    /// # Errors
    /// What became of the message, where there is no such answer.
    pub async fn submit(&self, request: &Request) -> std::result::Result<Answer, Outcome> {
        self.submit_and_hear(request, |_| ()).await
    }

    /// As [`Client::submit`]; a refusal (4xx) is shown to `hear` first, since it may say which of several
    /// messages it is for.
    ///
    /// # Errors
    /// As [`Client::submit`].
    pub async fn submit_and_hear(
        &self,
        request: &Request,
        hear: impl FnOnce(&Answer) + Send,
    ) -> std::result::Result<Answer, Outcome> {
        let answer = self.hand_over(request).await?;
        if (400..=499).contains(&answer.status) {
            hear(&answer);
        }
        match self.meaning(&answer) {
            Some(outcome) => Err(outcome),
            None => Ok(answer),
        }
    }

    /// As [`Client::submit`], for who reads answers of every status.
    ///
    /// # Errors
    /// What became of the message, where there is no answer.
    pub async fn hand_over(&self, request: &Request) -> std::result::Result<Answer, Outcome> {
        match self.exchange(request).await {
            Ok(answer) => Ok(answer),
            Err(Failure::NotBegun(why)) => Err(match self.halt(request) {
                Some(Halt { code, why }) => Outcome::NotNow { code, retry_after_ms: 0, why },
                None => Outcome::NotSent { retry_after_ms: None, why: why.to_owned() },
            }),
            Err(Failure::Lost(why)) => Err(Outcome::Unknown { why: why.to_owned() }),
        }
    }

    /// What the status of an answer means for a send; nothing for a 2xx, which its body has to say.
    pub fn meaning(&self, answer: &Answer) -> Option<Outcome> {
        let now = self.clock.now();
        match answer.status {
            200..=299 => None,
            // Who has a message under an id took it, and may send it, whatever stands before that.
            400..=499 => Some(match self.dialect.taken_id(answer) {
                Some(vendor_id) => Outcome::Unclear { vendor_id, why: self.contradiction(answer) },
                None => self.dialect.verdict(answer, now).unwrap_or_else(|| self.refusal(answer, now)),
            }),
            // 303 says that it was taken (RFC 9110, 15.4.4), and sites answer a form that they took with any of
            // the others too.
            status @ 300..=399 => Some(Outcome::Unknown {
                why: format!(
                    "HTTP {status}: the provider answered with a redirect, which is not followed; base_url must \
                     be the final address"
                ),
            }),
            status => Some(Outcome::Unknown { why: format!("HTTP {status}{}", self.said(answer)) }),
        }
    }

    /// What a 4xx means for a send.
    fn refusal(&self, answer: &Answer, now: Timestamp) -> Outcome {
        let why = format!("HTTP {}{}", answer.status, self.said(answer));
        let code = match answer.status {
            429 => return Outcome::NotSent { retry_after_ms: answer.retry_after_ms(now), why },
            // The server gave up waiting for the request: how much of it had arrived, nobody knows.
            408 => return Outcome::Unknown { why },
            401 | 403 | 407 => ErrorKind::ProviderUnauthorized,
            402 => ErrorKind::InsufficientBalance,
            _ => ErrorKind::ProviderRejected,
        };
        Outcome::Rejected { code, why }
    }

    /// What is said of a refusal with the id of a message beside it.
    fn contradiction(&self, answer: &Answer) -> String {
        let said = self.said(answer);
        format!("HTTP {}{said}; the answer contradicts itself: a refusal, and an id beside it", answer.status)
    }

    /// The vendor's words, shortened, after a colon.
    fn said(&self, answer: &Answer) -> String {
        let words =
            self.dialect.words(answer).map(|words| words.trim().chars().take(MAX_WORDS).collect::<String>());
        words.filter(|words| !words.is_empty()).map_or_else(String::new, |words| format!(": {words}"))
    }

    /// Asks for something that changes nothing, again where that may help.
    ///
    /// # Errors
    /// [`ErrorKind::ProviderUnauthorized`], [`ErrorKind::NotFound`] (404), [`ErrorKind::ProviderRejected`]
    /// (other 4xx), else [`ErrorKind::ProviderUnavailable`].
    pub async fn read(&self, request: &Request) -> Result<Answer> {
        let (mut tries, mut wait_ms) = (0, READ_WAIT_MS);
        loop {
            tries += 1;
            let exchange = self.exchange(request).await;
            let asked_ms = match &exchange {
                Ok(answer) if answer.is_whole && !is_temporary(answer.status) => {
                    return self.taken(answer.clone());
                }
                Ok(answer) => answer.retry_after_ms(self.clock.now()).unwrap_or(wait_ms),
                Err(_) => wait_ms,
            };
            if tries >= READ_TRIES || asked_ms > READ_LONGEST_WAIT_MS {
                return match exchange {
                    Ok(answer) => self.taken(answer),
                    Err(Failure::NotBegun(why) | Failure::Lost(why)) => Err(self.unavailable(why)),
                };
            }
            self.clock.sleep(Duration::from_millis(asked_ms)).await;
            wait_ms *= 2;
        }
    }

    /// Asks for a change that is no send, once.
    ///
    /// # Errors
    /// As [`Client::read`]; after [`ErrorKind::ProviderUnavailable`] the change may have happened.
    pub async fn change(&self, request: &Request) -> Result<Answer> {
        match self.exchange(request).await {
            Ok(answer) => self.taken(answer),
            Err(Failure::NotBegun(why)) => Err(self.unavailable(why)),
            Err(Failure::Lost(why)) => {
                Err(self.unavailable(&format!("{why}; whether the change was made is not known")))
            }
        }
    }

    fn taken(&self, answer: Answer) -> Result<Answer> {
        let failed = |kind: ErrorKind| {
            let error = Error::new(kind, format!("{} answered HTTP {}", self.provider, answer.status));
            match self.dialect.words(&answer) {
                Some(words) => error.provider_said(words.chars().take(MAX_WORDS).collect::<String>()),
                None => error,
            }
        };
        let of_vendor = (400..=499).contains(&answer.status).then(|| self.dialect.kind(&answer)).flatten();
        if let Some(kind) = of_vendor {
            return Err(failed(kind));
        }
        match answer.status {
            200..=299 if answer.is_whole => Ok(answer),
            200..=299 => Err(self.unavailable("the answer was cut short or is too long")),
            401 | 403 | 407 => Err(failed(ErrorKind::ProviderUnauthorized)),
            404 => Err(failed(ErrorKind::NotFound)),
            429 => {
                let error = failed(ErrorKind::ProviderUnavailable);
                Err(match answer.retry_after_ms(self.clock.now()) {
                    Some(wait_ms) => error.retry_after_ms(wait_ms),
                    None => error,
                })
            }
            408 | 500..=599 => Err(failed(ErrorKind::ProviderUnavailable)),
            _ => Err(failed(ErrorKind::ProviderRejected)),
        }
    }

    fn unavailable(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.provider))
    }
}

/// The error for settings that cannot be used.
fn wrong(provider: &str, why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("[[provider]] \"{provider}\": {why}"))
}

/// An id of the vendor as one part of a path: nothing where it holds what is not of the characters that stand
/// for themselves there (RFC 3986, 2.3), since it could then name another page.
pub fn path_part(id: &str) -> Option<&str> {
    let is_plain =
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
    (is_plain && id.bytes().any(|byte| byte != b'.')).then_some(id)
}

/// The outcome of a send whose 2xx answer cannot be read: it was probably taken, and nobody knows under which
/// id.
pub fn unreadable(answer: &Answer, why: &str) -> Outcome {
    Outcome::Unknown { why: format!("HTTP {}: {why}", answer.status) }
}

const fn is_temporary(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}
