//! JWTs that a gateway signs with a secret that it shares with us (RFC 7519, with the HMACs of RFC 7518).
//!
//! The algorithm is one of three, whatever the token says; `none` is none of them. A token without an end must
//! say when it was made, and is as old as is allowed then.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::provider::signature::{Encoding, Hash, Key};

/// How far the gateway's clock may stand from ours, in milliseconds.
const SKEW_MS: i64 = 60_000;

/// Longest token, in characters.
const LONGEST: usize = 8 * 1024;

/// The claims of a token that was signed with this secret and holds now; nothing for any other. `max_age_ms`:
/// of one without an end.
pub fn claims(token: &str, secret: &[u8], max_age_ms: i64, now: Timestamp) -> Option<Value> {
    if token.len() > LONGEST {
        return None;
    }
    let (signed, shown) = token.rsplit_once('.')?;
    let (head, body) = signed.split_once('.')?;
    let read = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let head = read(head)?;
    let hash = match head.get("alg")?.as_str()? {
        "HS256" => Hash::Sha256,
        "HS384" => Hash::Sha384,
        "HS512" => Hash::Sha512,
        _ => return None,
    };
    // What must be understood to read it is nothing that is known here.
    if head.get("crit").is_some() {
        return None;
    }
    let key = Key::new(hash, Encoding::Base64Url, secret);
    if !key.has_signed(shown.as_bytes(), [signed.as_bytes()]) {
        return None;
    }
    let claims = read(body)?;
    let moment = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            let seconds = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64));
            seconds.and_then(|seconds| seconds.checked_mul(1_000)).map(Some).ok_or(())
        }
    };
    let (ends, begins, made) = (moment("exp").ok()?, moment("nbf").ok()?, moment("iat").ok()?);
    let now_ms = now.as_millis();
    let is_over = ends.is_some_and(|ends| now_ms.saturating_sub(SKEW_MS) > ends);
    let is_early = begins.or(made).is_some_and(|begins| begins.saturating_sub(SKEW_MS) > now_ms);
    let is_old = ends.is_none()
        && made.is_none_or(|made| now_ms.saturating_sub(made) > max_age_ms.saturating_add(SKEW_MS));
    (!is_over && !is_early && !is_old).then_some(claims)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn token(head: &str, claims: &str, secret: &[u8], hash: Hash) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(head), part(claims));
        let shown = Key::new(hash, Encoding::Base64Url, secret).sign([signed.as_bytes()]);
        format!("{signed}.{shown}")
    }

    const HEAD: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

    /// The vectors are those that the vendors' own libraries accept.
    #[test]
    fn a_token_that_the_vendors_libraries_accept_is_taken_and_one_with_a_bit_wrong_is_not() {
        let messagebird = token(
            HEAD,
            r#"{"iss":"MessageBird","nbf":1700000000,"exp":4102444800,"jti":"0a1b2c3d","url_hash":"379ed25778699caa06499be610d24b8b29badcf871a89bcdfee42d78eaaeba4c"}"#,
            b"signing-key-of-the-account-32byte",
            Hash::Sha256,
        );
        assert!(messagebird.ends_with(".0GxeQwhXGNP3v1JBL358h_sJH8toKjL0T9x8Sh1Ncbs"), "{messagebird}");
        let vonage = token(
            HEAD,
            r#"{"iat":1587494962,"jti":"c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5","iss":"Vonage","payload_hash":"b83f4d0f55a3856b899210a40227a1d8e1c4000ee1dfdd5b6c66df815ad49373","api_key":"abcd1234"}"#,
            b"signature-secret-of-32-characters",
            Hash::Sha256,
        );
        assert!(vonage.ends_with(".TYXKPnSmlJkBixslnBfNt1A9NBDMTgTdGUHuUPxE2IU"), "{vonage}");
        for (token, secret, now) in [
            (&messagebird, b"signing-key-of-the-account-32byte".as_slice(), Timestamp(1_800_000_000_000)),
            (&vonage, b"signature-secret-of-32-characters".as_slice(), Timestamp(1_587_494_963_000)),
        ] {
            assert!(claims(token, secret, 300_000, now).is_some());
            assert!(claims(token, b"another", 300_000, now).is_none());
            for at in 0..token.len() {
                let mut wrong = token.clone().into_bytes();
                wrong[at] ^= 1;
                let wrong = String::from_utf8(wrong).unwrap();
                assert!(claims(&wrong, secret, 300_000, now).is_none(), "{at}: {wrong}");
            }
        }
    }

    #[test]
    fn a_token_holds_in_its_time_alone_and_only_with_one_of_three_algorithms() {
        let now = Timestamp(1_000_000_000);
        let of = |claims_text: &str| {
            claims(&token(HEAD, claims_text, b"secret", Hash::Sha256), b"secret", 300_000, now).is_some()
        };
        for (text, expected) in [
            (r#"{"exp":1000000}"#, true),
            (r#"{"exp":999941}"#, true),
            (r#"{"exp":999939}"#, false),
            (r#"{"exp":2000000,"nbf":1000060}"#, true),
            (r#"{"exp":2000000,"nbf":1000062}"#, false),
            (r#"{"iat":999700}"#, true),
            (r#"{"iat":999600}"#, false),
            (r#"{"iat":1000100}"#, false),
            (r#"{"exp":2000000,"iat":1}"#, true),
            (r#"{"exp":"2000000"}"#, false),
            (r#"{"iat":null}"#, false),
            ("{}", false),
            ("[]", false),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        let text = r#"{"exp":2000000}"#;
        for (alg, hash, expected) in [
            ("HS256", Hash::Sha256, true),
            ("HS384", Hash::Sha384, true),
            ("HS512", Hash::Sha512, true),
            ("HS512", Hash::Sha256, false),
            ("none", Hash::Sha256, false),
            ("hs256", Hash::Sha256, false),
        ] {
            let head = format!(r#"{{"alg":"{alg}"}}"#);
            let shown = token(&head, text, b"secret", hash);
            assert_eq!(claims(&shown, b"secret", 300_000, now).is_some(), expected, "{alg}");
        }
        let critical = token(r#"{"alg":"HS256","crit":["x"]}"#, text, b"secret", Hash::Sha256);
        for wrong in ["", ".", "..", "a.b", "a.b.c", critical.as_str(), &"a".repeat(LONGEST + 1)] {
            assert!(claims(wrong, b"secret", 300_000, now).is_none(), "{wrong}");
        }
        let unsigned = token(r#"{"alg":"none"}"#, text, b"secret", Hash::Sha256);
        let unsigned = unsigned.rsplit_once('.').unwrap().0;
        assert!(claims(&format!("{unsigned}."), b"secret", 300_000, now).is_none());
    }
}
