//! Who may call: the bearer token, compared in constant time.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::refusal::refusal;
use crate::setting::SecretText;

/// The principal of whoever shows the one configured token.
const TOKEN_PRINCIPAL: &str = "http";

/// Decides who a request comes from.
pub struct Gate {
    /// Digest of the token: comparing digests hides its length too.
    token: Option<[u8; 32]>,
    user: String,
}

/// Why a request is not let in (RFC 6750, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthorized {
    /// No bearer token was shown.
    Missing,
    /// A token was shown, and it is not the one.
    Wrong,
}

impl Gate {
    /// A gate that this token opens; without a token everybody on this machine is `user`.
    pub fn new(token: Option<SecretText>, user: String) -> Self {
        Self { token: token.map(|token| Sha256::digest(token.expose().as_bytes()).into()), user }
    }

    /// The principal of a request.
    ///
    /// # Errors
    /// [`Unauthorized`], which is a 401 with `WWW-Authenticate`.
    pub fn principal(&self, headers: &HeaderMap) -> Result<String, Unauthorized> {
        let Some(expected) = &self.token else { return Ok(self.user.clone()) };
        let shown = headers.get(header::AUTHORIZATION).ok_or(Unauthorized::Missing)?;
        let shown = shown.to_str().ok().and_then(|value| value.split_once(' '));
        let Some((_, token)) = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            return Err(Unauthorized::Missing);
        };
        let shown: [u8; 32] = Sha256::digest(token.trim().as_bytes()).into();
        if bool::from(shown.ct_eq(expected)) {
            Ok(TOKEN_PRINCIPAL.to_owned())
        } else {
            Err(Unauthorized::Wrong)
        }
    }
}

impl Unauthorized {
    /// Whether a token was shown.
    pub fn was_shown(self) -> bool {
        self == Self::Wrong
    }
}

impl IntoResponse for Unauthorized {
    fn into_response(self) -> Response {
        let (challenge, message) = match self {
            Self::Missing => (
                "Bearer realm=\"sms-mcp\"",
                "this endpoint wants the header `Authorization: Bearer TOKEN`, with the token that its \
                 operator set",
            ),
            Self::Wrong => (
                "Bearer realm=\"sms-mcp\", error=\"invalid_token\"",
                "the bearer token is not the one that this endpoint's operator set ([http] token)",
            ),
        };
        let mut response = refusal(StatusCode::UNAUTHORIZED, message);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        response
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn only_the_token_opens_the_gate() {
        let gate = Gate::new(Some(SecretText::new("s3cret")), "alice".into());
        assert_eq!(gate.principal(&headers("Bearer s3cret")), Ok("http".to_owned()));
        assert_eq!(gate.principal(&headers("bearer s3cret")), Ok("http".to_owned()));
        for wrong in ["Bearer s3cre", "Bearer s3crets", "Bearer ", "Bearer S3CRET"] {
            assert_eq!(gate.principal(&headers(wrong)), Err(Unauthorized::Wrong), "{wrong}");
        }
        assert_eq!(gate.principal(&headers("Basic s3cret")), Err(Unauthorized::Missing));
        assert_eq!(gate.principal(&HeaderMap::new()), Err(Unauthorized::Missing));
        assert_eq!(Gate::new(None, "alice".into()).principal(&HeaderMap::new()), Ok("alice".to_owned()));
    }
}
