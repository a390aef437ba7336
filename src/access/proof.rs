//! What an approver gives to show that a yes is theirs, and what an approver may be called.

use super::challenge::{Challenge, NAMESPACE};
use super::ssh::{PublicKey, Signature};
use crate::clock::Timestamp;

/// Longest name of an approver.
const MOST: usize = 64;

/// A proof, as somebody gives it: right or wrong.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// A one-time code, with whose it is where there are several who have some.
    Code {
        /// Who says that it is theirs.
        name: Option<String>,
        /// As it was typed.
        code: String,
    },
    /// A signature over a challenge.
    Signature {
        /// What was signed.
        challenge: Challenge,
        /// As `ssh-keygen -Y sign` wrote it.
        signature: String,
    },
}

impl Proof {
    /// When it was asked for, where it says so.
    pub const fn asked(&self) -> Option<Timestamp> {
        match self {
            Self::Code { .. } => None,
            Self::Signature { challenge, .. } => Some(challenge.asked()),
        }
    }
}

/// The key that a signature says it is by.
///
/// # Errors
/// Why it is no signature.
pub fn key_of(signature: &str) -> Result<PublicKey, String> {
    Signature::read(signature).map(|signature| signature.key().clone())
}

/// Says whether this key signed this challenge.
///
/// # Errors
/// Why that is not so.
pub fn is_signed(challenge: &Challenge, signature: &str, by: &PublicKey) -> Result<(), String> {
    Signature::read(signature)?.verify(by, NAMESPACE, challenge.text().as_bytes())
}

/// Says whether an approver may be called so: it stands in addresses, in lines of logs and beside others.
///
/// # Errors
/// What a name is made of.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if name.is_empty() || name.len() > MOST || !is_plain {
        return Err(format!("a name is 1 to {MOST} letters, digits, \"-\", \"_\" or \".\""));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain() {
        for name in ["alice", "A.b-c_9", &"x".repeat(64)] {
            assert_eq!(check_name(name), Ok(()));
        }
        for name in ["", " ", "a b", "a/b", "a:b", "a?b", "\u{fc}", "a\n", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }
}
