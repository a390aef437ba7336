//! What browsers must be told before they let a page of another origin call this server.
//!
//! A browser asks first (a preflight, `OPTIONS`, and never with the token), and shows a page only the headers
//! that are named. Pages that may not call are told nothing, and the door refuses their requests.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::names::Names;
use super::refusal::{self, Refusals};

/// The methods of the endpoint.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE, OPTIONS");

/// The headers that clients of MCP send. Those of one tool's parameters (`Mcp-Param-...`) are allowed as they
/// are asked for.
const HEADERS: &str = "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, \
    Mcp-Protocol-Version, Mcp-Method, Mcp-Name, \
    traceparent, tracestate, baggage";

/// What a page may read of an answer besides its body.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("WWW-Authenticate, Mcp-Session-Id, Mcp-Protocol-Version, Retry-After, Allow");

/// How long a browser may remember the answer to a preflight, in seconds.
const REMEMBER: HeaderValue = HeaderValue::from_static("3600");

/// What the layer must know.
#[derive(Clone)]
pub struct Pages {
    /// Who may call.
    pub names: Arc<Names>,
    /// Where refusals are told.
    pub refusals: Arc<Refusals>,
}

/// Answers preflights, and tells browsers which pages may read an answer.
pub async fn layer(State(pages): State<Pages>, request: Request, next: Next) -> Response {
    let origin = pages.names.check_origin(request.headers()).map(|origin| origin.cloned());
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match &origin {
        Err(name) if is_preflight => {
            pages.refusals.foreign(name);
            refusal::foreign(name)
        }
        _ if is_preflight => allowed(request.headers()),
        _ => next.run(request).await,
    };
    if let Ok(Some(origin)) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    response
}

/// The answer to a preflight of a page that may call.
fn allowed(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    let mut names = HEADERS.to_owned();
    for name in asked
        .get(header::ACCESS_CONTROL_REQUEST_HEADERS)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .split(',')
    {
        let name = name.trim().to_ascii_lowercase();
        if name.starts_with("mcp-param-") && HeaderName::try_from(&name).is_ok() {
            names.push_str(", ");
            names.push_str(&name);
        }
    }
    if let Ok(names) = HeaderValue::try_from(names) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBER);
    // A public page asks so before it calls a server of the person's own network or machine.
    if asked.contains_key("access-control-request-private-network") {
        headers.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
    }
    response
}
