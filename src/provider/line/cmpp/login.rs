//! How each side proves that it knows the secret, and which version a connection begins with.
//!
//! The proof is an MD5 over the names of both sides, the secret and the time, as the standard has it; it
//! protects nothing but the secret itself. Many gateways answer with a proof that is wrong, so ours is to be
//! told and theirs is only checked where the settings say so.
//!
//! Source: QB-GF-028-2003, section 8.4.1.

use std::sync::Mutex;

use md5::{Digest as _, Md5};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pdu::{ConnectResp, Version};
use crate::setting::SecretText;

/// What to do about the gateway's proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CmppVerify")]
pub enum Verify {
    /// Nothing.
    Off,
    /// The log says once that it is wrong, with either width of the status in it.
    Warn,
    /// A wrong one ends the connection.
    Strict,
}

/// `AuthenticatorSource`: MD5 of the `SP_Id` as its field of 6 octets, 9 zeros, the secret, and the ten
/// digits of the time.
pub fn authenticator(sp_id: &[u8], secret: &[u8], timestamp: &[u8; 10]) -> [u8; 16] {
    let mut source = [0; 6];
    source.iter_mut().zip(sp_id).for_each(|(to, from)| *to = *from);
    Md5::new()
        .chain_update(source)
        .chain_update([0; 9])
        .chain_update(secret)
        .chain_update(timestamp)
        .finalize()
        .into()
}

/// `AuthenticatorISMG`: MD5 of the status in its own width, our proof and the secret.
pub fn answer_authenticator(status: u32, is_wide: bool, ours: &[u8; 16], secret: &[u8]) -> [u8; 16] {
    let status = status.to_be_bytes();
    let [.., low] = status;
    let md5 = if is_wide { Md5::new_with_prefix(status) } else { Md5::new_with_prefix([low]) };
    md5.chain_update(ours).chain_update(secret).finalize().into()
}

/// Whether the gateway proved that it knows the secret. With `any_width` also over a status of the other
/// width.
pub(super) fn is_proven(answer: &ConnectResp, ours: &[u8; 16], secret: &SecretText, any_width: bool) -> bool {
    let widths = [answer.is_wide, !answer.is_wide];
    let mut proofs = widths.iter().take(if any_width { 2 } else { 1 });
    proofs.any(|is_wide| {
        answer_authenticator(answer.status, *is_wide, ours, secret.expose().as_bytes())
            == answer.authenticator
    })
}

/// What one line to the gateway remembers from its greeting until the answer to it. A line without one begins
/// with the version of the settings.
#[derive(Default)]
pub struct Greeting(Mutex<Greeted>);

#[derive(Clone, Copy, Default)]
struct Greeted {
    version: Option<Version>,
    authenticator: [u8; 16],
}

impl std::fmt::Debug for Greeting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Greeting").field("version", &self.get().version).finish_non_exhaustive()
    }
}

impl Greeting {
    fn get(&self) -> Greeted {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set(&self, greeted: Greeted) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = greeted;
    }

    /// The version to greet with, at most this one.
    pub(super) fn version(&self, most: Version) -> Version {
        self.get().version.map_or(most, |version| version.min(most))
    }

    /// The proof of the last greeting.
    pub(super) fn authenticator(&self) -> [u8; 16] {
        self.get().authenticator
    }

    /// Remembers what was greeted with.
    pub(super) fn greets(&self, version: Version, authenticator: [u8; 16]) {
        self.set(Greeted { version: Some(version), authenticator });
    }

    /// Greets with this version from now on.
    pub(super) fn lower_to(&self, version: Version) {
        self.set(Greeted { version: Some(version), ..self.get() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sms::message::hex;

    #[test]
    fn the_proofs_are_those_of_other_implementations() {
        let ours = authenticator(b"900001", b"888888", b"1122093005");
        assert_eq!(hex(&ours), "1777faf5e0548fb1452a0d710fdc19f0");
        assert_eq!(
            hex(&authenticator(b"900001", b"888888", b"0102030405")),
            "3b7bba56a8c1d885b7d43d3f6d82cb94"
        );
        assert_eq!(
            hex(&answer_authenticator(0, false, &ours, b"888888")),
            "114d540cb716388fb494fc9dc1cdd5d9"
        );
        assert_eq!(hex(&answer_authenticator(0, true, &ours, b"888888")), "e77414d8fb44c3cf7ddea4d8487de989");
        assert_eq!(
            hex(&answer_authenticator(3, false, &ours, b"888888")),
            "73d2b4b77c6fc0e731397780c20f9834"
        );
        assert_ne!(
            authenticator(b"9000", b"888888", b"1122093005"),
            authenticator(b"9000\x01", b"888888", b"1122093005")
        );
    }

    #[test]
    fn a_proof_over_the_other_width_counts_where_any_width_does() {
        let (ours, secret) = (authenticator(b"900001", b"888888", b"1122093005"), SecretText::new("888888"));
        let wide = answer_authenticator(0, true, &ours, b"888888");
        let answer = ConnectResp { status: 0, authenticator: wide, version: 0x20, is_wide: false };
        assert!(is_proven(&answer, &ours, &secret, true));
        assert!(!is_proven(&answer, &ours, &secret, false));
        assert!(is_proven(&ConnectResp { is_wide: true, ..answer }, &ours, &secret, false));
        assert!(!is_proven(&ConnectResp { authenticator: [0; 16], ..answer }, &ours, &secret, true));
    }
}
