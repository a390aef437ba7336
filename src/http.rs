//! The HTTP surface: MCP over Streamable HTTP at `/mcp`, `/webhooks/...` for vendors, and `/healthz`.
//!
//! It says who calls ([`auth`]), bounds everything a client can make large or slow, has room for those who
//! show the token whoever else comes, checks `Host` and `Origin`, and leaves the protocol to `rmcp`. TLS is
//! the reverse proxy's.

pub mod auth;
mod body;
mod cors;
mod descriptors;
mod door;
mod health;
mod listen;
mod names;
mod page;
mod peers;
mod places;
mod progress;
mod refusal;
mod replay;
mod session;
mod settings;
mod visit;
mod webhook;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Request, StatusCode, Uri};
use axum::middleware;
use axum::routing::get;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::mcp::{self, Callers, Server};
use crate::setting::SecretText;
use auth::Gate;
use cors::Pages;
use door::Door;
use health::{HEALTH, healthz};
use names::Names;
use page::Page;
use peers::{Proxies, Remote};
use places::{Places, Seat};
use progress::WithDeadline;
use refusal::Refusals;
use session::{Manager, Sessions};
pub use settings::Settings;
use visit::Guest;

/// Largest request head, in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// How long connections may take to end after a stop, within the five seconds of the whole stop.
const CLOSE_PATIENCE: Duration = Duration::from_millis(500);

/// What the endpoint is made of.
pub struct Options {
    /// `[http]`
    pub settings: Settings,
    /// The bearer token, if one is configured.
    pub token: Option<SecretText>,
    /// The operating-system user, who is the principal where there is no token.
    pub user: String,
    /// `[tools]`
    pub tools: mcp::Settings,
    /// `[send] bulk_wait`
    pub bulk_wait: Duration,
    /// Sessions of older protocol versions close after this long without a request.
    pub session_idle: Duration,
    /// A name that no other process has: event ids of this one are told from those of the one before it.
    pub epoch: String,
}

/// A bound endpoint.
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    settings: Settings,
    names: Arc<Names>,
    refusals: Arc<Refusals>,
    stop: CancellationToken,
}

fn cannot(message: String) -> Error {
    Error::new(ErrorKind::Config, message).next("Correct [http] in the configuration, or the --http address.")
}

/// The addresses that `listen` names, if it may be listened on.
///
/// # Errors
/// [`ErrorKind::Config`] when it is no address, or is reachable from outside and there is no token.
pub async fn addresses(listen: &str, has_token: bool) -> Result<Vec<SocketAddr>> {
    let port = listen.strip_prefix(':').unwrap_or(listen);
    if port.parse::<u16>().is_ok() {
        return Err(cannot(format!(
            "\"{listen}\" is a port alone; name the address too: --http 127.0.0.1:{port}, or [http] listen = \
             \"127.0.0.1:{port}\""
        )));
    }
    let found = tokio::net::lookup_host(listen).await;
    let found = found.map_err(|error| {
        cannot(format!(
            "http.listen \"{listen}\" is no address to listen on, such as 127.0.0.1:8787: {error}"
        ))
    })?;
    let found: Vec<SocketAddr> = found.collect();
    if !has_token && found.iter().any(|address| !address.ip().is_loopback()) {
        return Err(cannot(format!(
            "{listen} can be reached from other machines, so it needs a bearer token: set [http] token, \
             such as token = {{ env = \"NAME\" }}"
        )));
    }
    Ok(found)
}

impl Endpoint {
    /// Binds the address, for the tools of this engine.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the address cannot be used, or is reachable from outside and there is no
    /// token.
    pub async fn bind(engine: Engine, options: Options, stop: CancellationToken) -> Result<Self> {
        let server = Server::new(engine.clone(), Callers::PerRequest, &options.tools, options.bulk_wait);
        let mut endpoint =
            Self::bind_any(move || server.for_session(), options, Some(engine.clone()), stop).await?;
        endpoint.router = endpoint
            .router
            .merge(webhook::routes(engine.clone()))
            .route(HEALTH, get(healthz).with_state(engine));
        Ok(endpoint)
    }

    /// Binds the address, for whatever server of MCP `make` makes for each session. Sessions outlive the
    /// process where there is an engine to keep them.
    ///
    /// # Errors
    /// As [`Endpoint::bind`].
    pub async fn bind_any<H: ServerHandler>(
        make: impl Fn() -> H + Send + Sync + 'static,
        options: Options,
        kept: Option<Engine>,
        stop: CancellationToken,
    ) -> Result<Self> {
        let Options { settings, token, user, session_idle, epoch, .. } = options;
        let listen = &settings.listen;
        let addresses = addresses(listen, token.is_some()).await?;
        let listener = TcpListener::bind(addresses.as_slice())
            .await
            .map_err(|error| cannot(format!("cannot listen on {listen}: {error}")))?;
        let address =
            listener.local_addr().map_err(|error| cannot(format!("cannot listen on {listen}: {error}")))?;

        let names = Arc::new(Names::new(&settings, address, token.is_some()));
        let sessions = Arc::new(Sessions::new(session_idle, epoch, kept.filter(|_| settings.sessions)));
        let manager = Manager(Arc::clone(&sessions));
        let mut protocol = protocol_settings(&settings, &names, &stop);
        if settings.sessions {
            protocol.session_store = Some(Arc::new(manager.clone()));
            tokio::spawn(Arc::clone(&sessions).sweep(stop.clone()));
        }
        let service = StreamableHttpService::new(move || Ok(make()), Arc::new(manager), protocol);
        let needs_token = token.is_some();
        let refusals = Arc::<Refusals>::default();
        let pages = Pages { names: Arc::clone(&names), refusals: Arc::clone(&refusals) };
        let door = Door {
            gate: Arc::new(Gate::new(token, user)),
            pages: pages.clone(),
            sessions: settings.sessions.then_some(sessions),
            max_body: usize::try_from(settings.max_body_bytes).unwrap_or(usize::MAX),
            body_timeout: settings.body_timeout.duration(),
            max_sessions: usize::try_from(settings.max_sessions).unwrap_or(usize::MAX),
        };
        let router = Router::new()
            .route_service("/mcp", service.clone())
            .route_service("/mcp/", service)
            .route_layer(middleware::from_fn_with_state(door, door::enter))
            .fallback(move |uri: Uri| async move {
                if refusal::is_oauth(uri.path()) {
                    refusal::no_oauth(needs_token)
                } else {
                    refusal::elsewhere(&uri)
                }
            })
            .layer(middleware::from_fn_with_state(pages, cors::layer));
        Ok(Self { listener, address, router, settings, names, refusals, stop })
    }

    /// Binds a loopback address, for the page on which a person decides and for nothing else.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the address cannot be used.
    pub async fn bind_page(
        engine: Engine,
        address: SocketAddr,
        takes_codes: bool,
        stop: CancellationToken,
    ) -> Result<Self> {
        let cannot = |error: std::io::Error| {
            Error::new(ErrorKind::Config, format!("cannot listen on {address} for the page: {error}"))
                .next("Correct [approval] listen in the configuration.")
        };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let bare = Self {
            listener,
            address,
            router: Router::new()
                .fallback(|| async { (StatusCode::NOT_FOUND, "the page is at /approve/ID\n") }),
            settings: Settings::default(),
            names: Arc::new(Names::of_page(address)),
            refusals: Arc::default(),
            stop,
        };
        bare.with_page(engine, takes_codes)
    }

    /// Serves the page on which a person decides too, and has answers name its address. `takes_codes`: whether
    /// one-time codes count here.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where the system has no random bits.
    pub fn with_page(mut self, engine: Engine, takes_codes: bool) -> Result<Self> {
        let public_url = self.settings.public_url.clone();
        let own = if self.address.ip().is_unspecified() {
            format!("http://localhost:{}", self.address.port())
        } else {
            format!("http://{}", self.address)
        };
        engine.decides_at(public_url.as_deref().unwrap_or(&own));
        let known = (Arc::clone(&self.names), Arc::clone(&self.refusals));
        let page = Page::new(engine, known, public_url.as_deref(), takes_codes)?;
        self.router = self.router.merge(page.routes());
        Ok(self)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the stop is asked for.
    pub async fn serve(self) {
        let Self { listener, router, settings, refusals, stop, .. } = self;
        let count = |count| usize::try_from(count).unwrap_or(usize::MAX);
        let most = descriptors::places(count(settings.max_connections));
        let places = Arc::new(Places::new(most, count(settings.max_connections_per_address), refusals));
        let proxies = Arc::new(Proxies::new(settings.trusted_proxies.clone()));
        let router = router.layer(middleware::from_fn(visit::layer));
        let graceful = GracefulShutdown::new();
        while let Some((stream, peer, seat)) =
            stop.run_until_cancelled(next(&listener, &places, &proxies)).await
        {
            let guest = Guest::new(Arc::clone(&places), Arc::clone(&proxies), peer, &seat);
            tokio::spawn(attend(stream, seat, guest, router.clone(), &settings, &graceful));
        }
        drop(listener);
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep(CLOSE_PATIENCE) => {}
        }
    }
}

/// The next connection, with its place.
async fn next(listener: &TcpListener, places: &Arc<Places>, proxies: &Proxies) -> (TcpStream, Remote, Seat) {
    loop {
        match listen::accept(listener).await {
            Ok((stream, address)) => {
                let peer = proxies.peer(address.ip());
                return (stream, peer, places.take(peer.client()).await);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                places.give_back();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Serves one connection until it ends, or until its place is wanted back.
fn attend(
    stream: TcpStream,
    seat: Seat,
    guest: Guest,
    router: Router,
    settings: &Settings,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .title_case_headers(true)
        .header_read_timeout(settings.header_timeout.duration())
        .max_buf_size(MAX_HEAD);
    let stream = WithDeadline::new(stream, settings.write_timeout.duration());
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(guest.clone());
        router.call(request)
    });
    let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
    async move {
        tokio::select! {
            biased;
            () = seat.wanted_back() => tracing::debug!("connection evicted to make room for another"),
            served = connection => if let Err(error) = served {
                tracing::debug!(%error, "a connection ended early");
            },
        }
        drop(seat); // After the connection: until then it has its descriptor.
    }
}

fn protocol_settings(
    settings: &Settings,
    names: &Names,
    stop: &CancellationToken,
) -> StreamableHttpServerConfig {
    StreamableHttpServerConfig::default()
        .with_allowed_hosts(names.hosts())
        .with_allowed_origins(names.origins())
        .enforce_origin_validation()
        .with_json_response(true)
        .with_legacy_session_mode(settings.sessions)
        // The library's own first event names an id that nothing is kept under. Streams of requests have ids
        // of ours.
        .with_sse_retry(None)
        .with_max_request_body_bytes(usize::try_from(settings.max_body_bytes).unwrap_or(usize::MAX))
        .with_cancellation_token(stop.child_token())
}
