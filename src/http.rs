//! The HTTP surface: MCP over Streamable HTTP at `/mcp`, `/webhooks/...` for vendors, and `/healthz`.
//!
//! It says who calls ([`auth`]), bounds everything a client can make large or slow, checks `Host` and `Origin`, and
//! leaves the protocol to `rmcp`. TLS is the reverse proxy's.

pub mod auth;
mod webhook;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rmcp::transport::streamable_http_server::session::SessionManager as _;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::error::{Error, ErrorKind, Result};
use crate::mcp::{Callers, Server};
use crate::send::{Base, Caller, Engine};
use crate::setting::SecretText;
use crate::sms::message::hex;
use auth::Gate;

/// Largest request head, in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// How long connections may take to end after a stop, within the five seconds of the whole stop.
const CLOSE_PATIENCE: Duration = Duration::from_millis(500);

/// What the endpoint is made of.
pub struct Options {
    /// `[http]`
    pub settings: config::Http,
    /// The bearer token, if one is configured.
    pub token: Option<SecretText>,
    /// The operating-system user, who is the principal where there is no token.
    pub user: String,
    /// `[send] bulk_wait`
    pub bulk_wait: Duration,
    /// Sessions of older protocol versions close after this long without a request.
    pub session_idle: Duration,
}

/// A bound endpoint.
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    settings: config::Http,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Door {
    gate: Arc<Gate>,
    sessions: Arc<LocalSessionManager>,
    max_body: usize,
    body_timeout: Duration,
    max_sessions: usize,
}

fn cannot(message: String) -> Error {
    Error::new(ErrorKind::Config, message).next("Correct [http] in the configuration, or the --http address.")
}

/// The addresses that `listen` names, if it may be listened on.
///
/// # Errors
/// [`ErrorKind::Config`] when it is no address, or is reachable from outside and there is no token.
pub async fn addresses(listen: &str, has_token: bool) -> Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host(listen).await;
    let found = found.map_err(|error| cannot(format!("http.listen \"{listen}\" is no address to listen on, such as 127.0.0.1:8787: {error}")))?;
    let found: Vec<SocketAddr> = found.collect();
    if !has_token && found.iter().any(|address| !address.ip().is_loopback()) {
        return Err(cannot(format!("{listen} can be reached from other machines, so it needs a bearer token: set [http] token_env or token_file")));
    }
    Ok(found)
}

impl Endpoint {
    /// Binds the address.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the address cannot be used, or is reachable from outside and there is no token.
    pub async fn bind(engine: Engine, options: Options, stop: CancellationToken) -> Result<Self> {
        let Options { settings, token, user, bulk_wait, session_idle } = options;
        let listen = &settings.listen;
        let addresses = addresses(listen, token.is_some()).await?;
        let listener = TcpListener::bind(addresses.as_slice()).await.map_err(|error| cannot(format!("cannot listen on {listen}: {error}")))?;
        let address = listener.local_addr().map_err(|error| cannot(format!("cannot listen on {listen}: {error}")))?;

        let mut sessions = LocalSessionManager::default();
        sessions.session_config.keep_alive = Some(session_idle);
        let sessions = Arc::new(sessions);
        let server = Server::new(engine.clone(), Callers::PerRequest, bulk_wait);
        let service =
            StreamableHttpService::new(move || Ok(server.for_session()), Arc::clone(&sessions), protocol_settings(&settings, address, &stop));
        let door = Door {
            gate: Arc::new(Gate::new(token, user)),
            sessions,
            max_body: usize::try_from(settings.max_body_bytes).unwrap_or(usize::MAX),
            body_timeout: settings.body_timeout.duration(),
            max_sessions: usize::try_from(settings.max_sessions).unwrap_or(usize::MAX),
        };
        let router = Router::new()
            .route_service("/mcp", service)
            .route_layer(middleware::from_fn_with_state(door, enter))
            .merge(webhook::routes(engine.clone()))
            .route("/healthz", get(healthz).with_state(engine));
        Ok(Self { listener, address, router, settings, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the stop is asked for.
    pub async fn serve(self) {
        let places = Arc::new(Semaphore::new(usize::try_from(self.settings.max_connections).unwrap_or(1_024)));
        let graceful = GracefulShutdown::new();
        loop {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = self.stop.cancelled() => break,
            };
            let Ok(place) = place else { break };
            let stream = tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                },
                () = self.stop.cancelled() => break,
            };
            // Without this, each answer of an event stream waits for the acknowledgement of the one before.
            let _ = stream.set_nodelay(true);
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(self.settings.header_timeout.duration()).max_buf_size(MAX_HEAD);
            let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router.clone()));
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended early");
                }
                drop(place);
            });
        }
        drop(self.listener);
        tokio::select! {
            () = graceful.shutdown() => {}
            () = tokio::time::sleep(CLOSE_PATIENCE) => {}
        }
    }
}

fn protocol_settings(settings: &config::Http, address: SocketAddr, stop: &CancellationToken) -> StreamableHttpServerConfig {
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !address.ip().is_unspecified() {
        hosts.push(address.ip().to_string());
    }
    hosts.extend(settings.allowed_hosts.iter().cloned());
    if let Some(host) =
        settings.public_url.as_deref().and_then(|url| url.parse::<axum::http::Uri>().ok()).and_then(|uri| uri.host().map(str::to_owned))
    {
        hosts.push(host);
    }
    StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts)
        .with_allowed_origins(settings.allowed_origins.iter().cloned())
        .enforce_origin_validation()
        .with_json_response(true)
        .with_max_request_body_bytes(usize::try_from(settings.max_body_bytes).unwrap_or(usize::MAX))
        .with_cancellation_token(stop.child_token())
}

/// Every request to `/mcp` comes through here: it is authenticated, its body is read within bounds, and it learns
/// who calls.
async fn enter(State(door): State<Door>, request: Request, next: Next) -> Response {
    let principal = match door.gate.principal(request.headers()) {
        Ok(principal) => principal,
        Err(refused) => return refused.into_response(),
    };
    let (mut parts, body) = request.into_parts();
    let body = if parts.method == Method::POST {
        match read_body(body, door.max_body, door.body_timeout).await {
            Ok(bytes) => bytes,
            Err(refused) => return refused,
        }
    } else {
        Bytes::new()
    };
    let session = session_id(&parts.headers);
    if session.is_none() && door.sessions.sessions.read().await.len() >= door.max_sessions && opens_session(&body) {
        let headers = [(header::RETRY_AFTER, "60")];
        return (StatusCode::SERVICE_UNAVAILABLE, headers, "too many sessions are open; try again later\n").into_response();
    }
    let base = match session {
        // Only a session that the protocol layer really keeps: a made-up id must not be a fresh budget.
        Some(id) if door.sessions.has_session(&id.clone().into()).await.unwrap_or(false) => {
            Base::Named(format!("http-{}", hex(Sha256::digest(id.as_bytes()).get(..16).unwrap_or_default())))
        }
        _ => Base::Open,
    };
    parts.extensions.insert(Caller { principal, base });
    next.run(Request::from_parts(parts, Body::from(body))).await
}

fn session_id(headers: &HeaderMap) -> Option<String> {
    headers.get("mcp-session-id").and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Whether this body is the `initialize` request that opens a session. It is parsed, since JSON has many spellings of
/// one word (`\u0069nitialize`).
fn opens_session(body: &[u8]) -> bool {
    let message = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    message.get("method").and_then(serde_json::Value::as_str) == Some("initialize")
}

async fn read_body(body: Body, max_body: usize, patience: Duration) -> Result<Bytes, Response> {
    match tokio::time::timeout(patience, axum::body::to_bytes(body, max_body)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            Err((StatusCode::PAYLOAD_TOO_LARGE, format!("the request body is cut short, or larger than {max_body} bytes\n")).into_response())
        }
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the request body took too long\n").into_response()),
    }
}

async fn healthz(State(engine): State<Engine>) -> Response {
    match engine.health().await {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}\n").into_response(),
        Err(error) => {
            let body = format!("{{\"status\":\"{}\"}}\n", error.kind());
            (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
    }
}
