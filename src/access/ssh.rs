//! SSH signatures, as `ssh-keygen -Y sign` makes them, and the public keys that they are held against.
//!
//! The formats are OpenSSH's (PROTOCOL.sshsig, PROTOCOL.u2f, PROTOCOL.certkeys) and those of RFC 4253, 5656,
//! 8332 and 8709. The arithmetic is `ring`'s. What comes in here may be anybody's: every length is bounded,
//! and what is not exactly of the form is refused with the reason.

mod key;
mod signature;
#[cfg(test)]
mod tests;
mod wire;

pub use key::PublicKey;
pub use signature::Signature;
