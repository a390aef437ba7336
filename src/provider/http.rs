//! The one HTTP client of all REST providers, and the one place that says what an HTTP exchange means for a message.
//!
//! A send is submitted once ([`Client::submit`]). What became of it is judged by what left the socket and by the status
//! line, not by the name of an error: as long as nothing of the request was written it was certainly not sent; after
//! that only a status line is a word about it. Reads may be repeated ([`Client::read`]), changes are not
//! ([`Client::change`]). Redirects are not followed, since they would carry credentials and texts elsewhere.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::body::Bytes;
use reqwest::Url;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::Outcome;
use crate::clock::{SharedClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::setting::{SecretText, Span};

/// Largest answer that is read, in bytes: a page of a hundred messages is a tenth of it.
const MAX_ANSWER: usize = 1024 * 1024;

/// Longest words of a vendor that are kept, in characters.
const MAX_WORDS: usize = 300;

/// How long an unused connection is kept: less than the 5 s after which common servers close theirs, so that a send
/// does not begin on a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(4);

/// How often a read is tried.
const READ_TRIES: u32 = 3;

/// The wait before a read is tried again, where the vendor names none; it doubles.
const READ_WAIT_MS: u64 = 200;

/// The longest wait before a read is tried again.
const READ_LONGEST_WAIT_MS: u64 = 2_000;

/// `[provider.http]`: the connection to a vendor.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ProviderHttp")]
pub struct Settings {
    /// How long a connection, with its encryption, may take to be made.
    pub connect_timeout: Span,
    /// How long the vendor may be silent in the middle of an answer.
    pub read_timeout: Span,
    /// How long a whole request may take. After that its outcome is unknown. Less than `[send] timeout`.
    pub timeout: Span,
    /// Most connections to the vendor at once.
    pub max_connections: u32,
    /// An HTTP proxy to go through, such as `http://proxy.example.com:3128`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { connect_timeout: Span::seconds(5), read_timeout: Span::seconds(15), timeout: Span::seconds(25), max_connections: 32, proxy: None }
    }
}

/// What is a vendor's own in the meaning of its answers.
pub trait Dialect: Send + Sync {
    /// The vendor's words in an answer that is an error.
    fn words(&self, answer: &Answer) -> Option<String>;

    /// What a refusal (4xx) of a send means, where its status alone does not say it.
    fn verdict(&self, answer: &Answer, now: Timestamp) -> Option<Outcome> {
        let _ = (answer, now);
        None
    }
}

/// A request to a vendor. It has no `Debug`: it holds texts and keys.
#[derive(Clone)]
pub struct Request {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    id: Option<String>,
}

impl Request {
    /// A request with this method to this path below the base address.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        let accept = (header::ACCEPT, HeaderValue::from_static("application/json"));
        Self { method, path: path.into(), query: Vec::new(), headers: vec![accept], body: Bytes::new(), id: None }
    }

    /// A GET.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A POST.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Names the request, in the header `X-Request-Id` and in the log: our reference of a message, or a batch.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Shows a bearer token.
    #[must_use]
    pub fn bearer(mut self, token: &SecretText) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.expose())) {
            value.set_sensitive(true);
            self.headers.push((header::AUTHORIZATION, value));
        }
        self
    }

    /// Gives it a JSON body.
    #[must_use]
    pub fn json(self, body: &impl Serialize) -> Self {
        self.body("application/json", serde_json::to_vec(body).unwrap_or_default())
    }

    /// Gives it a form as body (`application/x-www-form-urlencoded`, UTF-8).
    #[must_use]
    pub fn form<'a>(self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body("application/x-www-form-urlencoded", form)
    }

    /// Gives it a body.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        if let Ok(value) = HeaderValue::from_str(content_type) {
            self.headers.push((header::CONTENT_TYPE, value));
        }
        self.body = body.into();
        self
    }
}

/// A vendor's answer. It has no `Debug`: it may hold texts.
#[derive(Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, as far as it came and up to 1 MiB.
    pub body: Bytes,
    /// Whether that is all of it.
    pub is_whole: bool,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it.
    pub fn json<T: DeserializeOwned>(&self) -> std::result::Result<T, String> {
        if !self.is_whole {
            return Err("the answer was cut short or is too long".to_owned());
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            // The error itself may quote the answer.
            format!("the answer does not read as documented (line {}, column {})", error.line(), error.column())
        })
    }

    /// How long the vendor asks to wait, in milliseconds: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3).
    pub fn retry_after_ms(&self, now: Timestamp) -> Option<u64> {
        let text = self.header("retry-after")?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(seconds.saturating_mul(1_000));
        }
        let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        let at = i64::try_from(at.as_millis()).ok()?;
        u64::try_from(at.saturating_sub(now.as_millis()).max(0)).ok()
    }
}

/// How one exchange went, before anybody says what it means.
enum Exchange {
    /// A status line came.
    Answer(Answer),
    /// Nothing of the request was written.
    NotBegun(String),
    /// Something of it may have been written, and no status line came.
    Lost(String),
}

/// The client of one provider. See the module's text.
pub struct Client {
    base: Url,
    provider: String,
    settings: Settings,
    clock: SharedClock,
    dialect: Box<dyn Dialect>,
    places: Semaphore,
    http: OnceLock<std::result::Result<reqwest::Client, String>>,
}

/// Reads the address of a vendor. Keys and texts travel there, so it is encrypted unless it is this machine.
///
/// # Errors
/// What is wrong with it.
pub fn base_url(text: &str) -> std::result::Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("base_url \"{text}\" is no address such as https://api.example.com/v1: {error}"))?;
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if is_local => {}
        _ => return Err(format!("base_url \"{text}\" must begin with https://, since keys and texts travel there")),
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("base_url must be a plain address: no query, no fragment, no user".to_owned());
    }
    Ok(url)
}

impl Client {
    /// A client for the API below `base_url`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an address or a proxy that cannot be used.
    pub fn new(provider: &str, base: &str, settings: &Settings, clock: SharedClock, dialect: impl Dialect + 'static) -> Result<Self> {
        let wrong = |why: String| Error::new(ErrorKind::Config, format!("[[provider]] \"{provider}\": {why}"));
        let base = base_url(base).map_err(wrong)?;
        if let Some(proxy) = &settings.proxy {
            reqwest::Proxy::all(proxy).map_err(|_| wrong("http.proxy is no address such as http://proxy.example.com:3128".to_owned()))?;
        }
        Ok(Self {
            base,
            provider: provider.to_owned(),
            settings: settings.clone(),
            clock,
            dialect: Box::new(dialect),
            places: Semaphore::new(usize::try_from(settings.max_connections.max(1)).unwrap_or(1)),
            http: OnceLock::new(),
        })
    }

    /// The client behind it, made at the first request: reading the system's certificates takes time and memory.
    fn http(&self) -> std::result::Result<&reqwest::Client, String> {
        self.http.get_or_init(|| self.connectable().map_err(|error| format!("no client: {error}"))).as_ref().map_err(Clone::clone)
    }

    fn connectable(&self) -> reqwest::Result<reqwest::Client> {
        // One crypto provider for the process; an earlier call may have set it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .user_agent(concat!("sms-mcp/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE)
            .connect_timeout(self.settings.connect_timeout.duration())
            .read_timeout(self.settings.read_timeout.duration())
            .timeout(self.settings.timeout.duration());
        match &self.settings.proxy {
            Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy)?),
            None => builder.no_proxy(),
        }
        .build()
    }

    fn url(&self, request: &Request) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{}", self.base.path().trim_end_matches('/'), request.path.trim_start_matches('/')));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        url
    }

    async fn exchange(&self, request: &Request) -> Exchange {
        let http = match self.http() {
            Ok(http) => http,
            Err(why) => return Exchange::NotBegun(why),
        };
        let Ok(Ok(_place)) = tokio::time::timeout(self.settings.connect_timeout.duration(), self.places.acquire()).await else {
            return Exchange::NotBegun("all connections to the provider are in use".to_owned());
        };
        let began = Arc::new(AtomicBool::new(false));
        let mut call = http.request(request.method.clone(), self.url(request));
        for (name, value) in &request.headers {
            call = call.header(name, value);
        }
        if let Some(id) = &request.id {
            call = call.header("x-request-id", id);
        }
        if !matches!(request.method, Method::GET | Method::DELETE) || !request.body.is_empty() {
            call = call.body(reqwest::Body::wrap(Watched { bytes: Some(request.body.clone()), began: Arc::clone(&began) }));
        }
        let started = self.clock.now();
        let answered = call.send().await;
        let ms = self.clock.now().as_millis().saturating_sub(started.as_millis());
        let request_id = request.id.as_deref().unwrap_or("");
        match answered {
            Ok(response) => {
                let answer = read_answer(response).await;
                tracing::debug!(provider = %self.provider, method = %request.method, request_id, status = answer.status, ms, "a provider answered");
                Exchange::Answer(answer)
            }
            Err(error) => {
                let why = reason(&error);
                tracing::debug!(provider = %self.provider, method = %request.method, request_id, why, ms, "a provider did not answer");
                // An empty body is never asked for, so there only a failure to connect proves that nothing left.
                let has_begun = began.load(Ordering::SeqCst) || (request.body.is_empty() && !error.is_connect());
                if has_begun { Exchange::Lost(why.to_owned()) } else { Exchange::NotBegun(why.to_owned()) }
            }
        }
    }

    /// Submits a send, once. The answer is a 2xx whose body may still be unreadable: that is then
    /// [`Outcome::Unknown`], see [`unreadable`].
    ///
    /// # Errors
    /// What became of the message, where there is no such answer.
    pub async fn submit(&self, request: &Request) -> std::result::Result<Answer, Outcome> {
        self.submit_and_hear(request, |_| ()).await
    }

    /// As [`Client::submit`]; a refusal (4xx) is shown to `hear` first, since it may say which of several messages it is for.
    ///
    /// # Errors
    /// As [`Client::submit`].
    pub async fn submit_and_hear(&self, request: &Request, hear: impl FnOnce(&Answer) + Send) -> std::result::Result<Answer, Outcome> {
        let now = || self.clock.now();
        match self.exchange(request).await {
            Exchange::NotBegun(why) => Err(Outcome::NotSent { retry_after_ms: None, why }),
            Exchange::Lost(why) => Err(Outcome::Unknown { why }),
            Exchange::Answer(answer) => match answer.status {
                200..=299 => Ok(answer),
                400..=499 => {
                    hear(&answer);
                    Err(self.dialect.verdict(&answer, now()).unwrap_or_else(|| self.refusal(&answer, now())))
                }
                status @ 300..=399 => Err(Outcome::Rejected {
                    code: ErrorKind::ProviderRejected,
                    why: format!("HTTP {status}: the provider answered with a redirect; base_url must be the final address"),
                }),
                status => Err(Outcome::Unknown { why: format!("HTTP {status}{}", self.said(&answer)) }),
            },
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

    /// The vendor's words, shortened, after a colon.
    fn said(&self, answer: &Answer) -> String {
        let words = self.dialect.words(answer).map(|words| words.trim().chars().take(MAX_WORDS).collect::<String>());
        words.filter(|words| !words.is_empty()).map_or_else(String::new, |words| format!(": {words}"))
    }

    /// Asks for something that changes nothing, again where that may help.
    ///
    /// # Errors
    /// [`ErrorKind::ProviderUnauthorized`], [`ErrorKind::NotFound`] (404), [`ErrorKind::ProviderRejected`] (other 4xx),
    /// else [`ErrorKind::ProviderUnavailable`].
    pub async fn read(&self, request: &Request) -> Result<Answer> {
        let (mut tries, mut wait_ms) = (0, READ_WAIT_MS);
        loop {
            tries += 1;
            let exchange = self.exchange(request).await;
            let asked_ms = match &exchange {
                Exchange::Answer(answer) if answer.is_whole && !is_temporary(answer.status) => return self.taken(answer.clone()),
                Exchange::Answer(answer) => answer.retry_after_ms(self.clock.now()).unwrap_or(wait_ms),
                Exchange::NotBegun(_) | Exchange::Lost(_) => wait_ms,
            };
            if tries >= READ_TRIES || asked_ms > READ_LONGEST_WAIT_MS {
                return match exchange {
                    Exchange::Answer(answer) => self.taken(answer),
                    Exchange::NotBegun(why) | Exchange::Lost(why) => Err(self.unavailable(&why)),
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
            Exchange::Answer(answer) => self.taken(answer),
            Exchange::NotBegun(why) => Err(self.unavailable(&why)),
            Exchange::Lost(why) => Err(self.unavailable(&format!("{why}; whether the change was made is not known"))),
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

/// An id of the vendor as one part of a path: nothing where it holds what is not of the characters that stand for
/// themselves there (RFC 3986, 2.3), since it could then name another page.
pub fn path_part(id: &str) -> Option<&str> {
    let is_plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
    (is_plain && id.bytes().any(|byte| byte != b'.')).then_some(id)
}

/// The outcome of a send whose 2xx answer cannot be read: it was probably taken, and nobody knows under which id.
pub fn unreadable(answer: &Answer, why: &str) -> Outcome {
    Outcome::Unknown { why: format!("HTTP {}: {why}", answer.status) }
}

const fn is_temporary(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// Reads an answer up to the limit. A body that fails leaves what came before it.
async fn read_answer(mut response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    let is_whole = loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_ANSWER => body.extend_from_slice(&chunk),
            Ok(Some(_)) | Err(_) => break false,
            Ok(None) => break true,
        }
    };
    Answer { status, headers, body: body.into(), is_whole }
}

/// Why a request failed, in words that hold nothing of it: the library's own name the address, and with it a key.
fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_connect() {
        return if error.is_timeout() { "no connection in time" } else { "no connection" };
    }
    if error.is_timeout() { "no answer in time" } else { "the connection ended before the answer" }
}

/// A request body that notes when it is asked for. The client asks for it only when it has a connection and is about to
/// write, head first: until then nothing of the request has left. It does not ask for a body that is empty.
struct Watched {
    bytes: Option<Bytes>,
    began: Arc<AtomicBool>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::result::Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.began.store(true, Ordering::SeqCst);
        Poll::Ready(self.bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(http_body::Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(0)))
    }
}
