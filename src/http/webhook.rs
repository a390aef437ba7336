//! The addresses that vendors call: `/webhooks/{provider}/{token}`, with the methods that the provider names,
//! as a rule POST.
//!
//! They stand outside the bearer gate, since a vendor has no bearer token: the last part of the address is a
//! token that nobody can guess, and on top of it the provider checks what the vendor signs. Nothing of a body
//! is read before the token is right, and nothing of a body or an address is logged or echoed. What a vendor
//! is answered is the provider's word too.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::sync::Semaphore;

use super::body::{Unread, read_body};
use super::visit::Guest;
use crate::engine::{Called, Engine, Refused};

/// Largest body, in bytes: vendors send a few hundred, or some dozen reports of as much in one request.
const MAX_BODY: usize = 256 * 1024;

/// How long a body may take. Vendors send from data centres.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests that are taken at the same time. More are asked to come again, which vendors do.
const AT_ONCE: usize = 64;

#[derive(Clone)]
struct Hook {
    engine: Engine,
    places: Arc<Semaphore>,
}

/// The routes for vendors.
pub(super) fn routes(engine: Engine) -> Router {
    let hook = Hook { engine, places: Arc::new(Semaphore::new(AT_ONCE)) };
    Router::new().route("/webhooks/{provider}/{token}", any(take)).with_state(hook)
}

async fn take(
    State(hook): State<Hook>,
    Path((provider, token)): Path<(String, String)>,
    request: Request,
) -> Response {
    let Some(webhook) = hook.engine.expects_webhook(&provider, &token) else { return not_found() };
    if !webhook.methods.contains(request.method()) {
        return not_allowed(webhook.methods);
    }
    if let Some(crowded) = request.extensions().get::<Guest>().and_then(Guest::vouch) {
        return crowded;
    }
    let Ok(_place) = hook.places.try_acquire() else { return later() };
    let (parts, body): (_, Body) = request.into_parts();
    let body = match read_body(body, MAX_BODY, BODY_TIMEOUT).await {
        Ok(body) => body,
        Err(Unread::TooLarge) => {
            return (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the request body is cut short, or larger than {MAX_BODY} bytes\n"),
            )
                .into_response();
        }
        Err(Unread::TooSlow) => {
            return (StatusCode::REQUEST_TIMEOUT, "the request body took too long\n").into_response();
        }
    };
    let query = parts.uri.query().unwrap_or_default();
    let called = Called { method: &parts.method, query, headers: &parts.headers, body: &body };
    match hook.engine.webhook(&provider, &token, &called).await {
        Ok(webhook) => thanks(webhook.status, webhook.content_type, webhook.body),
        Err(Refused::NotFound) => not_found(),
        Err(Refused::Method(methods)) => not_allowed(methods),
        Err(Refused::Signature) => {
            (StatusCode::UNAUTHORIZED, "the signature is missing or wrong\n").into_response()
        }
        Err(Refused::Malformed(why)) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
        Err(_) => later(),
    }
}

/// The same answer for an unknown provider and for a wrong token.
fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "there is no such address\n").into_response()
}

/// The methods that the vendor calls with, and no other. Whoever hears of them has the address.
fn not_allowed(methods: &[Method]) -> Response {
    let allowed: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let mut response = StatusCode::METHOD_NOT_ALLOWED.into_response();
    response
        .headers_mut()
        .extend(HeaderValue::from_str(&allowed.join(", ")).map(|allowed| (header::ALLOW, allowed)));
    response
}

/// What the vendor is answered, as its provider says.
fn thanks(status: u16, content_type: &'static str, body: &'static str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NO_CONTENT);
    if body.is_empty() {
        status.into_response()
    } else {
        (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
    }
}

fn later() -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(header::RETRY_AFTER, "5")],
        "it cannot be taken now; try again later\n",
    )
        .into_response()
}
