//! The connections to one vendor: never more than allowed, used again, and certain of what left on each.
//!
//! This drives hyper one connection at a time. A pooled client makes connections ahead of need, so it cannot
//! be held to a number, and it tells less of what was written: here a request that a connection gives back
//! whole was certainly not begun, and any other failure after it was handed over means that something of it
//! may have left.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::Uri;
use axum::body::Bytes;
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, Socket};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use tower_service::Service as _;
use url::Url;

use crate::clock::{SharedClock, Timestamp};
use crate::provider::rest::answer::Answer;
use crate::provider::rest::settings::Settings;
use crate::provider::tls;

/// Largest answer that is read, in bytes: a page of a hundred messages is a tenth of it.
const MAX_ANSWER: usize = 1024 * 1024;

/// How long an unused connection is kept, in milliseconds: less than the 5 s after which common servers close
/// theirs, so that a send does not begin on a connection that is just being closed.
const IDLE_MS: i64 = 4_000;

/// How long a connection may take to be free again after its answer was read; longer than that, and it is
/// closed.
const SETTLE: Duration = Duration::from_millis(200);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing of the request was written.
    NotBegun(&'static str),
    /// Something of it may have been written, and no status line came.
    Lost(&'static str),
}

const NO_CONNECTION: Failure = Failure::NotBegun("no connection");
const HALTED: Failure = Failure::NotBegun("nothing begins now");
const LATE_CONNECTION: Failure = Failure::NotBegun("no connection in time");

/// A request's body: all of it at once, so that its length is announced.
pub(super) struct Whole(pub(super) Option<Bytes>);

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        // An empty body is one all the same: `content-length: 0` tells it from none.
        self.0.is_none()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(
            self.0.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(0)),
        )
    }
}

type Request = ::http::Request<Whole>;
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// How a connection is made.
#[derive(Clone)]
enum Connector {
    Plain(HttpConnector),
    Encrypted(HttpsConnector<HttpConnector>),
    Tunneled(HttpsConnector<Tunnel<HttpConnector>>),
}

impl Connector {
    async fn connect(&mut self, to: Uri) -> Option<Stream> {
        match self {
            Self::Plain(connector) => {
                std::future::poll_fn(|context| connector.poll_ready(context)).await.ok()?;
                connector.call(to).await.ok().map(MaybeHttpsStream::Http)
            }
            Self::Encrypted(connector) => {
                std::future::poll_fn(|context| connector.poll_ready(context)).await.ok()?;
                connector.call(to).await.ok()
            }
            Self::Tunneled(connector) => {
                std::future::poll_fn(|context| connector.poll_ready(context)).await.ok()?;
                connector.call(to).await.ok()
            }
        }
    }
}

/// A second handle to the socket of this stream, to look at what has come and was not read yet.
fn socket_of(stream: &Stream) -> std::io::Result<Socket> {
    let stream = match stream {
        MaybeHttpsStream::Http(stream) => stream.inner(),
        MaybeHttpsStream::Https(stream) => stream.inner().get_ref().0.inner().inner(),
    };
    SockRef::from(stream).try_clone()
}

/// A connection with the task that drives it. It is closed when it is dropped.
struct Connection {
    sender: SendRequest<Whole>,
    free_since: Timestamp,
    /// The socket, for as long as the task drives it.
    socket: Weak<Socket>,
    _task: AbortOnDropHandle<()>,
}

impl Connection {
    /// Whether nothing has come since the last answer, which would be taken for the answer to the next
    /// request: no octet and no end. The socket is asked itself, for the task may not have been woken yet for
    /// what lies in it. What comes after this is what HTTP/1.1 has for an answer (RFC 9112, section 9.3.2,
    /// allows none before its request).
    fn is_quiet(&self) -> bool {
        let Some(socket) = self.socket.upgrade() else { return false };
        let peeked = socket.peek(&mut [MaybeUninit::uninit()]);
        peeked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) && !self.sender.is_closed()
    }
}

/// The connections. See the module's text.
pub(super) struct Pool {
    base: Url,
    settings: Settings,
    clock: SharedClock,
    places: Semaphore,
    free: Mutex<Vec<Connection>>,
    connector: OnceLock<Connector>,
}

/// Reads the address of a proxy.
///
/// # Errors
/// What is wrong with it.
pub(super) fn proxy_uri(text: &str) -> Result<Uri, &'static str> {
    let wrong =
        "http.proxy is no address such as http://proxy.example.com:3128 (plain HTTP, no user, no path)";
    let uri: Uri = text.parse().map_err(|_| wrong)?;
    let is_plain = uri.scheme_str() == Some("http")
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if is_plain && uri.path_and_query().is_none_or(|rest| rest.as_str() == "/") {
        Ok(uri)
    } else {
        Err(wrong)
    }
}

impl Pool {
    pub(super) fn new(base: &Url, settings: &Settings, clock: SharedClock) -> Self {
        let places = Semaphore::new(usize::try_from(settings.max_connections.max(1)).unwrap_or(1));
        Self {
            base: base.clone(),
            settings: settings.clone(),
            clock,
            places,
            free: Mutex::default(),
            connector: OnceLock::new(),
        }
    }

    /// Sends a request to this address, once, and reads the answer up to the limit. It has to wait for a
    /// connection, so whether it may begin is asked when there is one.
    pub(super) async fn exchange(
        &self,
        mut request: Request,
        url: &Url,
        may_begin: impl Fn() -> bool + Sync,
    ) -> Result<Answer, Failure> {
        *request.uri_mut() = self.target(url).ok_or(Failure::NotBegun("no such address"))?;
        let patience = self.settings.connect_timeout.duration();
        let mut deadline = self.clock.sleep(self.settings.timeout.duration());
        let place = tokio::select! {
            place = tokio::time::timeout(patience, self.places.acquire()) => place.ok().and_then(std::result::Result::ok),
            () = &mut deadline => None,
        };
        let _place = place.ok_or(Failure::NotBegun("all connections to the provider are in use"))?;
        let has_begun = AtomicBool::new(false);
        let (connection, response) = tokio::select! {
            biased;
            // First, so that nothing begins when it is already too late.
            () = &mut deadline => {
                return Err(if has_begun.load(Ordering::SeqCst) { Failure::Lost("no answer in time") } else { LATE_CONNECTION });
            }
            head = self.head(request, &has_begun, &may_begin) => head?,
        };
        let (head, incoming) = response.into_parts();
        let mut body = Vec::new();
        let is_whole = tokio::select! {
            biased;
            is_whole = self.read(incoming, &mut body) => is_whole,
            () = &mut deadline => false,
        };
        if is_whole {
            self.give_back(connection).await;
        }
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: body.into(), is_whole })
    }

    /// What stands on the request line: the path, or the whole address where a proxy reads it.
    fn target(&self, url: &Url) -> Option<Uri> {
        if self.settings.proxy.is_some() && url.scheme() == "http" {
            return url.as_str().parse().ok();
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", url.path()).parse().ok()
    }

    /// Hands the request to a connection and waits for the head of the answer. Dropping this closes the
    /// connection.
    async fn head(
        &self,
        mut request: Request,
        has_begun: &AtomicBool,
        may_begin: &(impl Fn() -> bool + Sync),
    ) -> Result<(Connection, ::http::Response<Incoming>), Failure> {
        loop {
            let (mut connection, was_free) = match self.take_free() {
                Some(connection) => (connection, true),
                None => (self.connect().await?, false),
            };
            if !may_begin() {
                return Err(HALTED);
            }
            has_begun.store(true, Ordering::SeqCst);
            match connection.sender.try_send_request(request).await {
                Ok(response) => return Ok((connection, response)),
                Err(mut error) => match error.take_message() {
                    // The vendor had closed it while it was free; there are only so many of them.
                    Some(given_back) if was_free => request = given_back,
                    Some(_) => return Err(NO_CONNECTION),
                    None => return Err(Failure::Lost("the connection ended before the answer")),
                },
            }
            has_begun.store(false, Ordering::SeqCst);
        }
    }

    /// Reads a body up to the limit; whether that was all of it.
    async fn read(&self, mut incoming: Incoming, body: &mut Vec<u8>) -> bool {
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut incoming).poll_frame(context));
            match tokio::time::timeout(self.settings.read_timeout.duration(), frame).await {
                Ok(None) => return true,
                Ok(Some(Ok(frame))) => {
                    let Ok(bytes) = frame.into_data() else { continue };
                    if body.len() + bytes.len() > MAX_ANSWER {
                        return false;
                    }
                    body.extend_from_slice(&bytes);
                }
                Ok(Some(Err(_))) | Err(_) => return false,
            }
        }
    }

    /// The connection that was used last, if it can be used again.
    fn take_free(&self) -> Option<Connection> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now().as_millis();
        // A clock that was set back says nothing of how long it was.
        free.retain(|connection| {
            !connection.sender.is_closed()
                && (0..IDLE_MS).contains(&now.saturating_sub(connection.free_since.as_millis()))
        });
        while let Some(connection) = free.pop() {
            // Of the one that is used alone: it costs a call to the system.
            if connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for the next request. The place is held until then, or there would be one too many.
    async fn give_back(&self, mut connection: Connection) {
        if matches!(tokio::time::timeout(SETTLE, connection.sender.ready()).await, Ok(Ok(()))) {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            connection.free_since = self.clock.now();
            free.push(connection);
        }
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let mut connector = match self.connector.get() {
            Some(connector) => connector.clone(),
            // A failure is not kept: the system's certificates may be there the next time.
            None => {
                let made =
                    self.connector().ok_or(Failure::NotBegun("the system's certificates cannot be read"))?;
                self.connector.get_or_init(|| made).clone()
            }
        };
        let to = match (&self.settings.proxy, self.base.scheme()) {
            (Some(proxy), "http") => proxy.as_str(),
            _ => self.base.as_str(),
        };
        let to: Uri = to.parse().map_err(|_| NO_CONNECTION)?;
        let connecting = async {
            let stream = connector.connect(to).await?;
            let socket = socket_of(&stream).ok()?;
            let (sender, connection) = handshake::<_, Whole>(stream).await.ok()?;
            Some((sender, connection, Arc::new(socket)))
        };
        let connected = tokio::time::timeout(self.settings.connect_timeout.duration(), connecting)
            .await
            .map_err(|_| LATE_CONNECTION)?;
        let (sender, connection, socket) = connected.ok_or(NO_CONNECTION)?;
        let weak = Arc::downgrade(&socket);
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            drop(connection.await);
            drop(socket);
        }));
        Ok(Connection { sender, free_since: self.clock.now(), socket: weak, _task: task })
    }

    /// Made at the first request: reading the system's certificates takes time and memory.
    fn connector(&self) -> Option<Connector> {
        let mut plain = HttpConnector::new();
        plain.enforce_http(false);
        plain.set_nodelay(true);
        plain.set_connect_timeout(Some(self.settings.connect_timeout.duration()));
        if self.base.scheme() == "http" {
            return Some(Connector::Plain(plain));
        }
        let encryption = tls::with_system_authorities()?;
        Some(match &self.settings.proxy {
            None => Connector::Encrypted(HttpsConnector::from((plain, encryption))),
            Some(proxy) => Connector::Tunneled(HttpsConnector::from((
                Tunnel::new(proxy_uri(proxy).ok()?, plain),
                encryption,
            ))),
        })
    }
}
