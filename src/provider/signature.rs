//! Signatures: how a vendor's word is told from anybody's, and how ours is shown to others. The one place for
//! all of them.
//!
//! What is signed is each scheme's own (a raw body; the address and the sorted fields of a form; an id, a
//! time and a body): its pieces are given in their order, and stand without anything between them. A
//! signature that was shown is compared in the form that it has on the wire, whole, and in a time that says
//! nothing of where it differs.

use ::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::{Digest as _, Md5};
use ring::{hmac, rand, rsa, signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::setting::SecretText;
use crate::sms::message::hex;

/// The hash of an HMAC (RFC 2104). MD5 and SHA-1 are broken for documents, and not for this; some vendors have
/// nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SignatureHash")]
pub enum Hash {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SignatureEncoding")]
pub enum Encoding {
    /// Lower-case hexadecimal.
    Hex,
    /// Base64 with its padding (RFC 4648, section 4).
    Base64,
    /// Base64 for addresses, without padding (RFC 4648, section 5): as a JWT has it.
    Base64Url,
}

impl Encoding {
    fn of(self, octets: &[u8]) -> String {
        match self {
            Self::Hex => hex(octets),
            Self::Base64 => STANDARD.encode(octets),
            Self::Base64Url => URL_SAFE_NO_PAD.encode(octets),
        }
    }
}

/// A secret that two ends share, and what they make of it. `Debug` does not show the secret.
#[derive(Clone)]
pub struct Key {
    kind: Kind,
    encoding: Encoding,
}

/// How a signature is made of the secret and what is signed.
#[derive(Clone)]
enum Kind {
    /// The HMAC.
    Hmac(hmac::Key),
    /// The HMAC with MD5, which the library of the others has not: the hash after its first block, inside and
    /// outside.
    HmacMd5 { inner: Md5, outer: Md5 },
    /// No HMAC: the MD5 of what is signed with the secret after it.
    Md5Then(SecretText),
}

/// Octets of a block of MD5, and of its hash.
const MD5_BLOCK: usize = 64;
const MD5: usize = 16;

impl Kind {
    fn hmac_md5(secret: &[u8]) -> Self {
        let shorter: [u8; MD5] = Md5::digest(secret).into();
        let secret = if secret.len() > MD5_BLOCK { &shorter[..] } else { secret };
        let padded = |pad: u8| {
            let mut block = [pad; MD5_BLOCK];
            block.iter_mut().zip(secret).for_each(|(octet, secret)| *octet ^= secret);
            Md5::new_with_prefix(block)
        };
        Self::HmacMd5 { inner: padded(0x36), outer: padded(0x5c) }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("encoding", &self.encoding).finish_non_exhaustive()
    }
}

impl Key {
    /// The key that these octets are, for signatures of this form.
    pub fn new(hash: Hash, encoding: Encoding, secret: &[u8]) -> Self {
        let algorithm = match hash {
            Hash::Md5 => return Self { kind: Kind::hmac_md5(secret), encoding },
            Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha384 => hmac::HMAC_SHA384,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        Self { kind: Kind::Hmac(hmac::Key::new(algorithm, secret)), encoding }
    }

    /// The older scheme of some vendors, which is no HMAC: the MD5 of what is signed with the secret after it.
    pub const fn md5_then(encoding: Encoding, secret: SecretText) -> Self {
        Self { kind: Kind::Md5Then(secret), encoding }
    }

    /// The signature of these pieces.
    pub fn sign<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let pieces = pieces.into_iter();
        match &self.kind {
            Kind::Hmac(key) => {
                let mut signed = hmac::Context::with_key(key);
                pieces.for_each(|piece| signed.update(piece));
                self.encoding.of(signed.sign().as_ref())
            }
            Kind::HmacMd5 { inner, outer } => {
                let inside = pieces.fold(inner.clone(), Md5::chain_update).finalize();
                self.encoding.of(&outer.clone().chain_update(inside).finalize())
            }
            Kind::Md5Then(secret) => {
                let signed = pieces.fold(Md5::new(), Md5::chain_update);
                self.encoding.of(&signed.chain_update(secret.expose()).finalize())
            }
        }
    }

    /// Whether what was shown is the signature of these pieces.
    pub fn has_signed<'a>(&self, shown: &[u8], pieces: impl IntoIterator<Item = &'a [u8]>) -> bool {
        is_same(shown, self.sign(pieces).as_bytes())
    }
}

/// Our own half of a pair of RSA keys, with which we show vendors who we are. `Debug` does not show it.
pub struct RsaKey(rsa::KeyPair);

impl std::fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RsaKey")
    }
}

impl RsaKey {
    /// The key of a PEM file (RFC 7468, `PRIVATE KEY`: PKCS#8), or of what such a file has between its first
    /// and its last line. Nothing where it is none, or one of fewer than 2048 bits.
    pub fn read(text: &str) -> Option<Self> {
        let inside = text.trim().strip_prefix("-----BEGIN PRIVATE KEY-----");
        let inside = inside.map_or(Some(text), |inside| inside.strip_suffix("-----END PRIVATE KEY-----"))?;
        let base64: String = inside.split_whitespace().collect();
        rsa::KeyPair::from_pkcs8(&STANDARD.decode(base64).ok()?).ok().map(Self)
    }

    /// The signature of these octets as a JWT has it under `RS256` (RFC 7518, section 3.3).
    pub fn sign_rs256(&self, octets: &[u8]) -> Option<String> {
        let mut signed = vec![0; self.0.public().modulus_len()];
        let random = rand::SystemRandom::new();
        self.0.sign(&signature::RSA_PKCS1_SHA256, &random, octets, &mut signed).ok()?;
        Some(Encoding::Base64Url.of(&signed))
    }
}

/// A user with a password, as a request shows them (RFC 7617, in UTF-8). It has no `Debug`: it holds a
/// secret.
pub struct BasicLogin(SecretText);

impl BasicLogin {
    /// The login of this user.
    pub fn new(user: &str, password: &SecretText) -> Self {
        Self(SecretText::new(STANDARD.encode(format!("{user}:{}", password.expose()))))
    }

    /// Whether these headers show it.
    pub fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        let (scheme, shown) = shown.split_at_checked("Basic ".len()).unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"Basic ") && is_same(shown, self.0.expose().as_bytes())
    }
}

/// Whether a secret that was shown is the right one. It takes as long for a wrong one as for the right one.
pub fn is_same(shown: &[u8], right: &[u8]) -> bool {
    bool::from(shown.ct_eq(right))
}

/// The HMAC-SHA-256 of these octets under this key, for schemes that make keys of keys.
pub fn hmac_sha256(secret: &[u8], octets: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), octets)
}

/// Whether the owner of this RSA key (PKCS #1, in DER, of 2048 bits or more) signed these octets
/// (RSASSA-PKCS1-v1_5, RFC 8017). The signature comes in base64.
pub fn has_signed_rsa(hash: Hash, public_key: &[u8], shown: &str, octets: &[u8]) -> bool {
    let algorithm: &'static signature::RsaParameters = match hash {
        // Whoever makes two texts of one MD5 would have both signed.
        Hash::Md5 => return false,
        Hash::Sha1 => &signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
    };
    let Ok(shown) = STANDARD.decode(shown) else { return false };
    signature::UnparsedPublicKey::new(algorithm, public_key).verify(octets, &shown).is_ok()
}

/// Whether the owner of this Ed25519 key (32 octets) signed these octets (RFC 8032). Both come in base64.
pub fn has_signed_ed25519(public_key: &str, shown: &str, octets: &[u8]) -> bool {
    let (Ok(key), Ok(shown)) = (STANDARD.decode(public_key), STANDARD.decode(shown)) else { return false };
    signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(octets, &shown).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2202, test case 2, and RFC 4231, test cases 2 and 6: the last has a key that is longer than the
    /// hash's block. The same of MD5: RFC 2202, test cases 2 and 6.
    #[test]
    fn it_is_the_hmac_of_the_standards() {
        let (secret, text) = (b"Jefe".as_slice(), b"what do ya want for nothing?".as_slice());
        let of = |hash, secret: &[u8], text: &[u8]| Key::new(hash, Encoding::Hex, secret).sign([text]);
        assert_eq!(of(Hash::Md5, secret, text), "750c783e6ab0b503eaa86e310a5db738");
        let long = of(Hash::Md5, &[0xaa; 80], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(long, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
        assert_eq!(of(Hash::Sha1, secret, text), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(
            of(Hash::Sha256, secret, text),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let sha512 = "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
        assert_eq!(of(Hash::Sha512, secret, text), sha512);
        let sha384 = "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649";
        assert_eq!(of(Hash::Sha384, secret, text), sha384);
        let long = of(Hash::Sha256, &[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(long, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }

    /// What vendors' own libraries accept: MailerSend, Sinch, and the three parts of a JWT of Vonage.
    #[test]
    fn it_is_what_vendors_make_of_it() {
        let body =
            br#"{"type":"sms.delivered","data":{"sms_message_id":"6244233a7e194137e70e3bd2"}}"#.as_slice();
        let mailersend = Key::new(Hash::Sha256, Encoding::Hex, b"S3cr3tSigningKey");
        assert!(
            mailersend
                .has_signed(b"2256755fac21c0172aa03e32214caea8628e6a583a013ebfb7764860a67cfa04", [body])
        );
        let body = br#"{"batch_id":"01HEX","code":0,"status":"Delivered"}"#.as_slice();
        let (nonce, time) = (b"01HBIBFMXJTWGE1RXZJHVYN3H7".as_slice(), b"1698765432".as_slice());
        let sinch = Key::new(Hash::Sha256, Encoding::Base64, b"my-webhook-secret");
        assert_eq!(
            sinch.sign([body, b".", nonce, b".", time]),
            "aanXdHiv0hEVMmLEWiqdkDi0F6XapCmtQyhYv9ZHeOc="
        );
        let claims = r#"{"iat":1587494962,"jti":"c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5","iss":"Vonage","payload_hash":"b83f4d0f55a3856b899210a40227a1d8e1c4000ee1dfdd5b6c66df815ad49373","api_key":"abcd1234"}"#;
        let [header, claims] =
            [r#"{"alg":"HS256","typ":"JWT"}"#, claims].map(|part| Encoding::Base64Url.of(part.as_bytes()));
        let vonage = Key::new(Hash::Sha256, Encoding::Base64Url, b"signature-secret-of-32-characters");
        assert_eq!(
            vonage.sign([header.as_bytes(), b".", claims.as_bytes()]),
            "TYXKPnSmlJkBixslnBfNt1A9NBDMTgTdGUHuUPxE2IU"
        );
    }

    #[test]
    fn a_signature_counts_whole_and_in_its_own_form_alone() {
        let key = Key::new(Hash::Sha256, Encoding::Base64, b"secret");
        let right = key.sign([b"text".as_slice()]);
        assert!(
            key.has_signed(right.as_bytes(), [b"te".as_slice(), b"xt"]),
            "pieces stand without anything between them"
        );
        let hexadecimal = Key { encoding: Encoding::Hex, ..key.clone() }.sign([b"text".as_slice()]);
        for wrong in [
            "",
            &right[1..],
            &right[..right.len() - 1],
            &format!("{right} "),
            &format!("{right}{right}"),
            &right.to_lowercase(),
            &hexadecimal,
        ] {
            assert!(!key.has_signed(wrong.as_bytes(), [b"text".as_slice()]), "{wrong}");
        }
        assert!(!key.has_signed(right.as_bytes(), [b"texts".as_slice()]));
        assert!(
            !Key::new(Hash::Sha256, Encoding::Base64, b"Secret")
                .has_signed(right.as_bytes(), [b"text".as_slice()])
        );
        assert_eq!(format!("{key:?}"), "Key { encoding: Base64, .. }");
    }

    /// The vector is one that Telnyx's own library accepts.
    #[test]
    fn a_public_key_says_who_signed() {
        let public = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
        let shown =
            "8VwgkWjgwb1xAY0hUZT1z/b/Bdxiyknm8BHXgFxT++26HVRUqSkU/rNA9qDWYjqkKRrutfERgwCHJn3rL1mvAw==";
        let text = br#"1577927532|{"data":{"event_type":"message.finalized","id":"4ee8c3a6-4995-4309-a3c6-38e3db9ea4be"}}"#;
        assert!(has_signed_ed25519(public, shown, text));
        assert!(!has_signed_ed25519(public, shown, &text[1..]));
        for wrong in ["", "x", "8VwgkWjg", public] {
            assert!(!has_signed_ed25519(public, wrong, text), "{wrong}");
            assert!(wrong == public || !has_signed_ed25519(wrong, shown, text), "{wrong}");
        }
    }
}
