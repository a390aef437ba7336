//! One request on its connection: whom it is from, and whether its connection keeps its place
//! ([`places`](super::places)).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};

use super::health::HEALTH;
use super::peers::{Proxies, Remote};
use super::places::{Crowded, Places, Seat};
use super::refusal::refusal;
use crate::setting::network::Network;

/// A connection, as its requests know it.
#[derive(Clone)]
pub(super) struct Guest {
    places: Arc<Places>,
    proxies: Arc<Proxies>,
    peer: Remote,
    id: u64,
}

/// Whom a request is from, where somebody can tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientNetwork(pub(super) Option<Network>);

impl Guest {
    pub(super) fn new(places: Arc<Places>, proxies: Arc<Proxies>, peer: Remote, seat: &Seat) -> Self {
        Self { places, proxies, peer, id: seat.id() }
    }

    fn begin(&self, headers: &HeaderMap) -> (ClientNetwork, Visit, Result<(), Crowded>) {
        let client = self.proxies.client(self.peer, headers);
        let begun = self.places.begin(self.id, client);
        (ClientNetwork(client), Visit { guest: self.clone() }, begun)
    }

    /// Notes that the request showed the token, or that it calls an address of a webhook. Returns the refusal
    /// where too many such requests are under way.
    pub(super) fn vouch(&self) -> Option<Response> {
        self.places.vouch(self.id).err().map(turned_away)
    }
}

/// While this lives, a request is under way.
struct Visit {
    guest: Guest,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let Guest { places, peer, id, .. } = &self.guest;
        places.finish(*id, matches!(peer, Remote::Proxy(_)));
    }
}

/// Around every request of a connection.
pub(super) async fn layer(mut request: Request, next: Next) -> Response {
    let Some(guest) = request.extensions().get::<Guest>().cloned() else { return next.run(request).await };
    let (client, visit, begun) = guest.begin(request.headers());
    if let Err(crowded) = begun {
        return turned_away(crowded);
    }
    request.extensions_mut().insert(client);
    let is_anybodys = request.uri().path() == HEALTH;
    let mut response = next.run(request).await;
    if guest.places.answered(guest.id, is_anybodys) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.map(|body| Body::new(CountedAnswer { body, _visit: visit }))
}

fn turned_away(crowded: Crowded) -> Response {
    let (status, message) = match crowded {
        Crowded::Ended => (
            StatusCode::SERVICE_UNAVAILABLE,
            "this connection has ended to make room for others; make a new one",
        ),
        Crowded::Address => (
            StatusCode::TOO_MANY_REQUESTS,
            "as many requests of this address are under way as [http] max_connections_per_address allows; \
             try again when one has ended",
        ),
        Crowded::All => (
            StatusCode::SERVICE_UNAVAILABLE,
            "requests are under way on all connections that [http] max_connections allows; try again when \
             one has ended",
        ),
    };
    let mut response = refusal(status, message);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The body of an answer; the visit lasts until it was written, or nobody is there to read it.
struct CountedAnswer {
    body: Body,
    _visit: Visit,
}

impl http_body::Body for CountedAnswer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
