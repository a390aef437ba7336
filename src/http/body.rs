//! The body of a request: no more of it than is allowed, and not for ever.

use std::time::Duration;

use axum::body::{Body, Bytes};

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is too large, or ended too early.
    TooLarge,
    /// It did not come in time.
    TooSlow,
}

pub(super) async fn read_body(body: Body, most: usize, patience: Duration) -> Result<Bytes, Unread> {
    let read = tokio::time::timeout(patience, axum::body::to_bytes(body, most)).await;
    read.map_err(|_| Unread::TooSlow)?.map_err(|_| Unread::TooLarge)
}
