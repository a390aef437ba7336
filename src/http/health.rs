//! Whether all is well, told to everybody who asks.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::engine::Engine;
use crate::halt::Extent;

/// The address that says whether all is well, to everybody.
pub(super) const HEALTH: &str = "/healthz";

/// Says it.
pub(super) async fn healthz(State(engine): State<Engine>) -> Response {
    match engine.health().await {
        Ok(()) => {
            let body = match engine.paused() {
                Extent::Nothing => "{\"status\":\"ok\"}\n",
                Extent::Part => "{\"status\":\"ok\",\"paused\":\"part\"}\n",
                Extent::All => "{\"status\":\"ok\",\"paused\":\"all\"}\n",
            };
            (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(error) => {
            let body = format!("{{\"status\":\"{}\"}}\n", error.kind());
            (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, "application/json")], body)
                .into_response()
        }
    }
}
