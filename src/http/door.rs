//! The door of `/mcp`: every request comes through here before the protocol library sees it.
//!
//! It shows the token; it is called by a known name, from no page or an allowed one; its body is read within
//! bounds; and it learns who calls. What is refused, here or behind the door, leaves with words that clients
//! show.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::auth::Gate;
use super::body::{Unread, read_body};
use super::cors::Pages;
use super::refusal::{RefusalKind, RefusedRequest, explained, foreign, misread, no_initialize, refusal};
use super::session::{CALLER, Sessions, Whereabouts};
use super::visit::Guest;
use crate::engine::{Base, Caller};
use crate::mcp::{frame, params};
use crate::sms::message::hex;

/// What the protocol library sees in place of a session id that is unknown or another principal's.
const NO_SESSION: HeaderValue = HeaderValue::from_static("unknown");

const SESSION: &str = "mcp-session-id";
const METHOD: &str = "mcp-method";
const VERSION: &str = "mcp-protocol-version";

/// The first version without sessions.
const WITHOUT_SESSIONS: &str = "2026-07-28";

const CANCELLED: &str = "notifications/cancelled";

/// What the door knows.
#[derive(Clone)]
pub struct Door {
    /// Who may come in.
    pub gate: Arc<Gate>,
    /// By which names, from which pages; and where refusals are told.
    pub pages: Pages,
    /// The sessions, where there are any (`[http] sessions`).
    pub sessions: Option<Arc<Sessions>>,
    /// Largest body, in bytes.
    pub max_body: usize,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// Most sessions.
    pub max_sessions: usize,
}

/// Lets a request in, or refuses it.
pub async fn enter(State(door): State<Door>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let principal = match door.gate.principal(&parts.headers) {
        Ok(principal) => principal,
        Err(refused) => {
            door.pages.refusals.token(refused.was_shown());
            return refused.into_response();
        }
    };
    let names = &door.pages.names;
    if let Err(name) = names
        .check_host(&parts.uri, &parts.headers)
        .and_then(|()| names.check_origin(&parts.headers).map(drop))
    {
        door.pages.refusals.foreign(&name);
        return foreign(&name);
    }
    if let Some(crowded) = parts.extensions.get::<Guest>().and_then(Guest::vouch) {
        return crowded;
    }
    let body = if parts.method == Method::POST {
        match read_body(body, door.max_body, door.body_timeout).await {
            Ok(bytes) => bytes,
            Err(unread) => return cannot_read(unread, door.max_body),
        }
    } else {
        Bytes::new()
    };
    pass(&door, principal, Request::from_parts(parts, Body::from(body.clone())), &body, next).await
}

/// Says whose session it is, and lets the protocol library answer.
async fn pass(door: &Door, principal: String, request: Request, body: &[u8], next: Next) -> Response {
    let (mut parts, whole) = request.into_parts();
    let asked = RefusedRequest {
        method: parts.method.clone(),
        is_json: says_json(&parts.headers),
        has_sessions: door.sessions.is_some(),
        version: parts.headers.get(VERSION).cloned(),
    };
    if asked.method == Method::POST
        && asked.is_json
        && let Some(refused) = misread(&frame::look(body))
    {
        return refused;
    }
    let id = session_id(&parts.headers);
    if let Some(id) = initialize_without_sessions(&parts.headers, body) {
        return no_initialize(&id);
    }
    if let Some(refused) = refused_opening(body).filter(|_| id.is_none()) {
        return ([(header::CONTENT_TYPE, "application/json")], refused).into_response();
    }
    if id.is_none() && !parts.headers.contains_key(METHOD) {
        name_cancellation(&mut parts.headers, body);
    }
    let place = match (&door.sessions, &id) {
        (Some(sessions), Some(id)) => match sessions.place(id, &principal).await {
            Ok(place) => place,
            // Not 404: the client would take that for the end of its session.
            Err(error) => return refusal(StatusCode::SERVICE_UNAVAILABLE, error.message()),
        },
        _ => Whereabouts::Nowhere,
    };
    let is_theirs = place != Whereabouts::Nowhere;
    // Whether a body opens a session is asked last: that parses it, which most requests need not pay for.
    let is_kept = place == Whereabouts::Kept;
    if let Some(sessions) = door.sessions.as_ref().filter(|_| is_kept || id.is_none())
        && sessions.count().await >= door.max_sessions
        && (is_kept || opens_session(body))
        && !has_room(door, sessions).await
    {
        return too_many(door.max_sessions);
    }
    let base = match &id {
        // Only a session that is really kept for this principal: a made-up id must not be a fresh budget.
        Some(id) if is_theirs => {
            Base::Named(format!("http-{}", hex(Sha256::digest(id.as_bytes()).get(..16).unwrap_or_default())))
        }
        _ => Base::Open,
    };
    if id.is_some() && !is_theirs {
        parts.headers.insert(SESSION, NO_SESSION);
    }
    parts.extensions.insert(Caller::new(principal.clone(), base));
    let mut response = CALLER.scope(principal, next.run(Request::from_parts(parts, whole))).await;
    if asked.method == Method::DELETE && response.status() == StatusCode::ACCEPTED {
        // The library accepts the end of any session, be there one or not.
        *response.status_mut() = if is_theirs { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND };
    }
    explained(&asked, response).await
}

/// Whether there is room for another session, once all went that can.
async fn has_room(door: &Door, sessions: &Sessions) -> bool {
    door.pages.refusals.crowded(RefusalKind::Sessions);
    while sessions.count().await >= door.max_sessions {
        if !sessions.make_room().await {
            return false;
        }
    }
    true
}

/// Whether a body is said to be JSON, in the way in which the library asks.
fn says_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn session_id(headers: &HeaderMap) -> Option<String> {
    headers.get(SESSION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Whether this body is the `initialize` request that opens a session. It is parsed, since JSON has many
/// spellings of one word (`\u0069nitialize`).
fn opens_session(body: &[u8]) -> bool {
    let message = serde_json::from_slice::<Value>(body).unwrap_or_default();
    message.get("method").and_then(Value::as_str) == Some("initialize")
}

/// The answer to an `initialize` that cannot be read. The library would say that a session is missing.
fn refused_opening(body: &[u8]) -> Option<String> {
    const OPENING: &[u8] = b"\"initialize\"";
    if !body.windows(OPENING.len()).any(|part| part == OPENING) {
        return None; // Not worth parsing.
    }
    Some(params::refused_opening(&serde_json::from_slice(body).ok()?)?.to_string())
}

/// Gives the note of a client without sessions that it cancels a request the headers which such notes must
/// have. Clients send it without them, and it asks for nothing: their request ended with its connection.
fn name_cancellation(headers: &mut HeaderMap, body: &[u8]) {
    let message = serde_json::from_slice::<Value>(body).unwrap_or_default();
    if message.get("id").is_some() || message.get("method").and_then(Value::as_str) != Some(CANCELLED) {
        return;
    }
    let shown = headers.get(VERSION).and_then(|version| version.to_str().ok());
    let meta =
        message.pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion").and_then(Value::as_str);
    if let Some(version) = shown
        .or(meta)
        .filter(|version| *version >= WITHOUT_SESSIONS)
        .and_then(|version| HeaderValue::try_from(version).ok())
    {
        headers.insert(VERSION, version);
        headers.insert(METHOD, HeaderValue::from_static(CANCELLED));
    }
}

/// The id of an `initialize` that a client without sessions sends, in the form of its version: that version
/// has no such method. One that names the version it wants in its parameters is of an older client, whatever
/// its headers say.
fn initialize_without_sessions(headers: &HeaderMap, body: &[u8]) -> Option<Value> {
    let is_named = |name: &str, is_it: &dyn Fn(&str) -> bool| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(is_it)
    };
    if !is_named(METHOD, &|method| method == "initialize")
        || !is_named(VERSION, &|version| version >= WITHOUT_SESSIONS)
    {
        return None;
    }
    let message = serde_json::from_slice::<Value>(body).ok()?;
    let is_modern = message.pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion").is_some()
        && message.pointer("/params/protocolVersion").is_none();
    message.get("id").filter(|_| is_modern).cloned()
}

fn too_many(most: usize) -> Response {
    let message = format!(
        "{most} sessions are open, which is the most that [http] max_sessions allows, and calls are under \
         way in all of them; try again when \
         one is answered"
    );
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, &message);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    response
}

fn cannot_read(unread: Unread, most: usize) -> Response {
    match unread {
        Unread::TooLarge => refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!(
                "the request body is cut short, or larger than {most} bytes ([http] max_body_bytes); send \
                 less at once"
            ),
        ),
        Unread::TooSlow => refusal(
            StatusCode::REQUEST_TIMEOUT,
            "the request body took too long ([http] body_timeout); send the request again",
        ),
    }
}
