//! Refusals that a client shows: each has a JSON-RPC error as its body, which says what would be right.
//!
//! Clients of MCP show their people what a JSON-RPC error says, and of any other body nothing. So what we
//! refuse, and what the protocol library refuses in plain words, leaves in that form. Other addresses say
//! where MCP is, and those of OAuth that a bearer token is wanted.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::names::Foreign;
use crate::mcp::frame::{Frame, FrameRefusal};

/// JSON-RPC: what was sent is no request that can be taken.
const INVALID_REQUEST: i32 = -32600;

/// JSON-RPC: what was sent is no JSON.
const PARSE_ERROR: i32 = -32700;

/// JSON-RPC: there is no such method.
const METHOD_NOT_FOUND: i32 = -32601;

/// JSON-RPC: our fault.
const INTERNAL_ERROR: i32 = -32603;

/// Longest refusal of the library that is read.
const MAX_WORDS: usize = 16 * 1024;

/// One line in the log about each kind of refusal in this time.
const LOG_PAUSE: Duration = Duration::from_secs(60);

/// A refusal with this message.
pub fn refusal(status: StatusCode, message: &str) -> Response {
    let code = if status.is_server_error() { INTERNAL_ERROR } else { INVALID_REQUEST };
    coded(status, code, message)
}

/// The refusal of a body that is no message which can be served, if it is none. The transport asks for 400,
/// and for an id only where it can be told (MCP, "Streamable HTTP").
pub fn misread(frame: &Frame) -> Option<Response> {
    let body = match frame {
        Frame::Message => return None,
        Frame::NoJson(why) => error_body(
            &Value::Null,
            PARSE_ERROR,
            &format!("the body is no JSON, and must be one JSON-RPC message: {why}"),
        ),
        Frame::Refused(refusals) => match refusals.as_slice() {
            [one] => one.body(),
            many => Value::Array(many.iter().map(FrameRefusal::body).collect()),
        },
    };
    Some(json_response(StatusCode::BAD_REQUEST, &body))
}

/// What `initialize` is answered where the version has none.
pub fn no_initialize(id: &Value) -> Response {
    let message =
        "2026-07-28 has no initialize: send server/discover, or any request with the version in its _meta";
    answered(StatusCode::NOT_FOUND, id, METHOD_NOT_FOUND, message)
}

fn coded(status: StatusCode, code: i32, message: &str) -> Response {
    answered(status, &Value::Null, code, message)
}

fn answered(status: StatusCode, id: &Value, code: i32, message: &str) -> Response {
    json_response(status, &error_body(id, code, message))
}

fn error_body(id: &Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

/// What a client is told about a name that is not let in.
pub fn foreign(name: &Foreign) -> Response {
    let message = match name {
        Foreign::Host(host) => format!(
            "the Host header says \"{host}\", and this server may not be called so. Call it by a name that \
             it knows, such as localhost; \
             or its operator adds the name to [http] allowed_hosts"
        ),
        Foreign::Origin(origin) => format!(
            "pages of {origin} may not call this server; its operator can add that to [http] allowed_origins"
        ),
    };
    refusal(StatusCode::FORBIDDEN, &message)
}

/// What a refusal is about.
pub struct RefusedRequest {
    /// Of HTTP.
    pub method: Method,
    /// Whether the body says that it is JSON. That it is a message was asked before ([`misread`]).
    pub is_json: bool,
    /// Whether there are sessions (`[http] sessions`).
    pub has_sessions: bool,
    /// What the header says that names the protocol version.
    pub version: Option<HeaderValue>,
}

/// Gives a refusal that is no JSON the body that clients show. Status and headers stay, save where the
/// library's are wrong.
pub async fn explained(asked: &RefusedRequest, response: Response) -> Response {
    let status = response.status();
    let content = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if !(status.is_client_error() || status.is_server_error())
        || content.is_some_and(|kind| kind.starts_with(b"application/json"))
    {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let words = axum::body::to_bytes(body, MAX_WORDS).await.unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    let status = meant(status, asked.is_json, &words);
    let (code, message) = explanation(asked, status, words.trim());
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(error = %words.trim(), "the MCP library could not serve a request");
    }
    parts.status = status;
    let (fresh, body) = coded(status, code, &message).into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(fresh.headers);
    Response::from_parts(parts, body)
}

/// The status that a fault of the library stands for: a session that ended while a request was on its way to
/// it is one that is not there, a server that is stopping has not failed, and a message that it cannot read
/// has no other media type.
fn meant(status: StatusCode, is_json: bool, words: &str) -> StatusCode {
    let has_ended = ["Session not found", "Session service terminated", "Channel closed"]
        .iter()
        .any(|word| words.contains(word));
    match status {
        StatusCode::INTERNAL_SERVER_ERROR if has_ended => StatusCode::NOT_FOUND,
        StatusCode::INTERNAL_SERVER_ERROR if words.contains("empty response") => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE if is_json => StatusCode::BAD_REQUEST,
        other => other,
    }
}

/// The code and the message for what the library refused with these words.
fn explanation(asked: &RefusedRequest, status: StatusCode, words: &str) -> (i32, String) {
    let method = &asked.method;
    if let Some(version) =
        asked.version.as_ref().filter(|_| status == StatusCode::BAD_REQUEST).and_then(unsupported)
    {
        let known = ProtocolVersion::KNOWN_VERSIONS
            .iter()
            .map(ProtocolVersion::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        return (
            INVALID_REQUEST,
            format!(
                "the MCP-Protocol-Version header says \"{version}\", which this server does not speak; it \
                 speaks {known}"
            ),
        );
    }
    let message = match status {
        StatusCode::BAD_REQUEST if words.contains("Session ID is required") => {
            "the Mcp-Session-Id header is missing. Repeat the one that `initialize` was answered with; or, \
             without sessions, send the header \
             MCP-Protocol-Version: 2026-07-28 and the version in each request's _meta"
                .to_owned()
        }
        StatusCode::NOT_FOUND => {
            "there is no such session: it has ended, or was never yours. Send `initialize` again, without \
             Mcp-Session-Id"
                .to_owned()
        }
        StatusCode::METHOD_NOT_ALLOWED if !asked.has_sessions => format!(
            "{method} is not answered here: POST sends a message, and its answer comes back with it. There \
             are no sessions whose event stream a GET \
             could open, nor any to end ([http] sessions = false)"
        ),
        StatusCode::METHOD_NOT_ALLOWED => format!(
            "{method} is not answered here. POST sends a message; with Mcp-Session-Id, GET opens the \
             session's event stream and DELETE ends the session \
             (protocol versions before 2026-07-28)"
        ),
        StatusCode::NOT_ACCEPTABLE if method == Method::GET => {
            "the Accept header of a GET must name text/event-stream".to_owned()
        }
        StatusCode::NOT_ACCEPTABLE => {
            "the Accept header must name both, as `Accept: application/json, text/event-stream`".to_owned()
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            "the body must be JSON and say so, as `Content-Type: application/json`".to_owned()
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            return (
                INTERNAL_ERROR,
                "the server is stopping; call again later with the same idempotency_key".to_owned(),
            );
        }
        _ if status.is_server_error() => {
            return (
                INTERNAL_ERROR,
                if words.is_empty() { "the server failed".to_owned() } else { words.to_owned() },
            );
        }
        _ if words.is_empty() => format!("refused: {status}"),
        _ => words.to_owned(),
    };
    (INVALID_REQUEST, message)
}

/// The protocol version of this header, as it is shown, if it is none that is spoken here.
fn unsupported(version: &HeaderValue) -> Option<String> {
    let is_known =
        ProtocolVersion::KNOWN_VERSIONS.iter().any(|known| known.as_str().as_bytes() == version.as_bytes());
    (!is_known).then(|| {
        String::from_utf8_lossy(version.as_bytes()).chars().flat_map(char::escape_default).take(40).collect()
    })
}

/// The addresses at which clients look for OAuth: with `error` and `error_description`, in which OAuth
/// clients look for words.
pub fn no_oauth(needs_token: bool) -> Response {
    let description = if needs_token {
        "There is no OAuth here and no client can register. Send the header `Authorization: Bearer TOKEN` \
         with the token that the operator set \
         ([http] token)."
    } else {
        "There is no OAuth here, and no authorization is needed: connect to /mcp without any."
    };
    json_response(
        StatusCode::NOT_FOUND,
        &json!({ "error": "invalid_request", "error_description": description }),
    )
}

/// Whether a client of OAuth asks at this address for metadata, or to be registered, or for a token.
pub fn is_oauth(path: &str) -> bool {
    let known = [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ];
    let is_below = |known: &str| {
        path.split_once(known).is_some_and(|(_, rest)| rest.is_empty() || rest.starts_with('/'))
    };
    known.into_iter().any(is_below)
        || ["/register", "/authorize", "/token"].contains(&path.strip_prefix("/mcp").unwrap_or(path))
}

/// What an address answers that is none of ours.
pub fn elsewhere(uri: &Uri) -> Response {
    let path: String = uri.path().chars().flat_map(char::escape_default).take(100).collect();
    refusal(StatusCode::NOT_FOUND, &format!("there is nothing at {path}; MCP (Streamable HTTP) is at /mcp"))
}

/// What is refused at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// No bearer token was shown.
    NoToken,
    /// One was shown that is not the one.
    WrongToken,
    /// Called by a foreign name.
    Host,
    /// Called by a foreign page.
    Origin,
    /// A connection where all places are taken.
    Places,
    /// A connection of an address that has as many as it may.
    Address,
    /// A session where there are as many as there may be.
    Sessions,
}

/// Tells the operator what is refused at the door: one line a minute about each kind, with how many there
/// were.
#[derive(Debug, Default)]
pub struct Refusals {
    kinds: Mutex<[Option<LogLine>; 7]>,
}

#[derive(Clone, Copy, Debug)]
struct LogLine {
    at: Instant,
    since: u64,
}

impl Refusals {
    /// Counts one refusal. Returns how many there were since the last line, this one included, where a line
    /// is due.
    fn count(&self, kind: RefusalKind, now: Instant) -> Option<u64> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let told = kinds.get_mut(kind as usize)?;
        match told {
            Some(told) if now.duration_since(told.at) < LOG_PAUSE => {
                told.since += 1;
                None
            }
            _ => {
                let count = told.map_or(0, |told| told.since) + 1;
                *told = Some(LogLine { at: now, since: 0 });
                Some(count)
            }
        }
    }

    /// A request without the token; the token that was shown is never told.
    pub fn token(&self, was_shown: bool) {
        let kind = if was_shown { RefusalKind::WrongToken } else { RefusalKind::NoToken };
        let Some(count) = self.count(kind, Instant::now()) else { return };
        let setting = "[http] token";
        if was_shown {
            tracing::warn!(
                count,
                setting,
                "refused at /mcp: the bearer token that a client shows is not the one of this setting"
            );
        } else {
            tracing::warn!(
                count,
                setting,
                "refused at /mcp: a client shows no `Authorization: Bearer` with the token of this setting"
            );
        }
    }

    /// There was no room for one of this kind: another one went, or it did.
    pub fn crowded(&self, kind: RefusalKind) {
        let Some(count) = self.count(kind, Instant::now()) else { return };
        match kind {
            RefusalKind::Places => {
                let setting = "[http] max_connections";
                tracing::warn!(
                    count,
                    setting,
                    "no room: every place for a connection is taken, and who showed no token for the \
                     longest time goes first"
                );
            }
            RefusalKind::Address => {
                let setting = "[http] max_connections_per_address";
                tracing::warn!(
                    count,
                    setting,
                    "no room: an address has as many connections as it may, and its oldest goes first"
                );
            }
            RefusalKind::Sessions => {
                let setting = "[http] max_sessions";
                tracing::warn!(
                    count,
                    setting,
                    "no room: as many sessions are open as may be, and the oldest idle one goes of whoever \
                     has most"
                );
            }
            RefusalKind::NoToken | RefusalKind::WrongToken | RefusalKind::Host | RefusalKind::Origin => {}
        }
    }

    /// A request by a name, or from a page, that is not let in.
    pub fn foreign(&self, name: &Foreign) {
        match name {
            Foreign::Host(host) => {
                let Some(count) = self.count(RefusalKind::Host, Instant::now()) else { return };
                tracing::warn!(
                    count,
                    host,
                    setting = "[http] allowed_hosts",
                    "refused at /mcp: a client calls this server by a name that this setting does not allow"
                );
            }
            Foreign::Origin(origin) => {
                let Some(count) = self.count(RefusalKind::Origin, Instant::now()) else { return };
                tracing::warn!(
                    count,
                    origin,
                    setting = "[http] allowed_origins",
                    "refused at /mcp: a page calls this server that this setting does not allow"
                );
            }
        }
    }

    /// The same of the page on which a person decides.
    pub fn foreign_to_page(&self, name: &Foreign) {
        let (kind, name, why) = match name {
            Foreign::Host(host) => {
                (RefusalKind::Host, host, "called by a name that is not this server's ([http] allowed_hosts)")
            }
            Foreign::Origin(origin) => {
                (RefusalKind::Origin, origin, "a form came from another page, or the proxy changes Host")
            }
        };
        let Some(count) = self.count(kind, Instant::now()) else { return };
        tracing::warn!(count, name, why, "refused at /approve: not called as this page is");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_one_line_a_minute_with_its_count() {
        let refusals = Refusals::default();
        let start = Instant::now();
        assert_eq!(refusals.count(RefusalKind::WrongToken, start), Some(1));
        for second in 1..60 {
            assert_eq!(refusals.count(RefusalKind::WrongToken, start + Duration::from_secs(second)), None);
        }
        assert_eq!(
            refusals.count(RefusalKind::Host, start + Duration::from_secs(1)),
            Some(1),
            "another kind has a line of its own"
        );
        assert_eq!(refusals.count(RefusalKind::WrongToken, start + LOG_PAUSE), Some(60));
        assert_eq!(refusals.count(RefusalKind::WrongToken, start + LOG_PAUSE * 9), Some(1));
    }

    #[test]
    fn the_addresses_of_oauth_are_known_wherever_clients_look_for_them() {
        for asked in [
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource/mcp",
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/mcp",
            "/.well-known/openid-configuration/mcp",
            "/mcp/.well-known/openid-configuration",
            "/register",
            "/mcp/register",
            "/authorize",
            "/token",
        ] {
            assert!(is_oauth(asked), "{asked}");
        }
        for other in [
            "/",
            "/mcp2",
            "/registered",
            "/.well-known/openid-configurations",
            "/.well-known/security.txt",
            "/sse",
        ] {
            assert!(!is_oauth(other), "{other}");
        }
    }
}
