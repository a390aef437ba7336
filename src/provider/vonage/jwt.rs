//! JSON Web Tokens (RFC 7519), as Vonage and an account of it show each other who they are: an application
//! signs its requests with its own key (`RS256`), Vonage its webhooks with the account's signature secret
//! (`HS256`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::signature::{Key, RsaKey};
use crate::setting::SecretText;
use crate::sms::message::hex;

/// How long a token of ours is good, in seconds: a request takes less than a minute.
const GOOD_FOR_S: i64 = 900;

/// Longest token that is looked at, in octets: Vonage's have some 400.
const LONGEST: usize = 4_096;

/// An application of the account, which sends in its own name.
pub struct Application {
    /// Its id.
    pub id: String,
    /// Its private key.
    pub key: RsaKey,
}

impl Application {
    /// A token for one request.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`], where there is no randomness.
    pub fn token(&self, clock: &SharedClock) -> Result<SecretText> {
        let mut random = [0; 16];
        clock.fill_random(&mut random)?;
        let now_s = clock.now().as_millis() / 1_000;
        let claims = json!({ "application_id": self.id, "iat": now_s, "exp": now_s + GOOD_FOR_S,
            "jti": hex(&random) });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "RS256", "typ": "JWT" })), part(&claims));
        let signature = self.key.sign_rs256(signed.as_bytes());
        let cannot = || Error::new(ErrorKind::Internal, "private_key cannot sign");
        Ok(SecretText::new(format!("{signed}.{}", signature.ok_or_else(cannot)?)))
    }
}

/// The claims of a token that whoever has this key signed with `HS256`; nothing where nobody did. No other
/// algorithm counts, whatever the token says: "none" is one.
pub fn claims(token: &str, key: &Key) -> Option<Value> {
    if token.len() > LONGEST {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    if !key.has_signed(signature.as_bytes(), [signed.as_bytes()]) {
        return None;
    }
    let part = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    if part(header)?.get("alg")?.as_str()? != "HS256" {
        return None;
    }
    part(claims)
}
