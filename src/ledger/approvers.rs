//! Approvers: who may say yes to what agents may not do by themselves, what they prove it with, and their tries.
//!
//! What is right the ledger does not judge: [`Judge`] does, within the step that records it, so that a code or
//! a signature that was right once is right for nobody else, in any process. It keeps what codes are made of,
//! and shows it to the judge alone.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::model::Act;
pub use super::rules::tries::FREE_TRIES;
use crate::clock::Timestamp;
use crate::error::Result;

/// What an approver proves a yes with.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Signatures by this key: a line of a `.pub` file.
    Key(String),
    /// One-time codes.
    Codes {
        /// What they are made of.
        secret: [u8; 20],
        /// The latest step whose code was used.
        used: Option<i64>,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(line) => write!(f, "Key({line})"),
            Self::Codes { .. } => f.write_str("Codes(..)"),
        }
    }
}

/// An approver, without what nobody needs to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approver {
    /// Letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Their public key; nothing where they have one-time codes.
    pub key: Option<String>,
    /// Their phone, in E.164.
    pub phone: Option<String>,
    /// Since when.
    pub added: Timestamp,
    /// Who added them, as a principal is written.
    pub by: String,
    /// Whose proof it was; nothing for the first one.
    pub approved_by: Option<String>,
    /// Wrong tries since the last right one.
    pub wrong: u32,
    /// Until when no code of theirs is taken.
    pub paused_until: Option<Timestamp>,
}

/// Somebody who becomes an approver.
#[derive(Clone, Debug)]
pub struct NewApprover {
    /// See [`Approver::name`].
    pub name: String,
    /// What they prove a yes with.
    pub credential: Credential,
    /// Their phone, in E.164.
    pub phone: Option<String>,
    /// Who adds them, when, and by whose proof.
    pub act: Act,
    /// What the operator's own system is told of them, where it is told anything: the kind and the fingerprint
    /// of their key.
    pub forward: Option<String>,
}

/// Says whether a proof is right for who has this.
pub type Judge = Arc<dyn Fn(&Credential) -> Judged + Send + Sync>;

/// What a proof is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Right; for a code with its step.
    Right(Option<i64>),
    /// A code that was used before.
    Used,
    /// Wrong, and why.
    Wrong(String),
}

/// A proof that somebody gives.
#[derive(Clone)]
pub struct ProofTry {
    /// Whose.
    pub approver: String,
    /// What it proves to be.
    pub judge: Judge,
    /// What makes it this one, for a signature.
    pub nonce: Option<[u8; 16]>,
    /// When.
    pub now: Timestamp,
    /// What is noted together with a right one, where nobody notes it afterwards.
    pub act: Option<Act>,
}

/// What became of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was right, and is used up.
    Right,
    /// It was used before.
    Used,
    /// It was wrong: why, how many more may be before there is a pause, or until when there is one.
    Wrong {
        /// Why.
        why: String,
        /// How many more; nothing for a signature.
        left: Option<u32>,
        /// Until when no code is taken.
        paused_until: Option<Timestamp>,
    },
    /// It was not looked at: no code is taken until then.
    Paused(Timestamp),
    /// Nobody of this name is an approver.
    Nobody,
}

/// The part of the ledger that knows them. Every error is
/// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable) unless said otherwise.
#[async_trait]
pub trait Approvers: Send + Sync {
    /// Adds one, and tells the operator's own system.
    ///
    /// # Errors
    /// `ErrorKind::InvalidArgument` where there is one of this name or with this key; `ErrorKind::NotSupported`
    /// where it is to be the first one (its act names no approver), and there is one by now.
    async fn add_approver(&self, new: NewApprover) -> Result<()>;

    /// Removes one, and tells the operator's own system where it is told anything. Returns how many are left.
    ///
    /// # Errors
    /// `ErrorKind::NotFound` where there is none of this name.
    async fn remove_approver(&self, name: &str, act: Act, forward: bool) -> Result<u32>;

    /// All of them, in the order in which they were added.
    async fn approvers(&self, now: Timestamp) -> Result<Vec<Approver>>;

    /// What tells this ledger from others in what is signed; nothing while there was no approver.
    async fn approval_identity(&self) -> Result<Option<[u8; 16]>>;

    /// Looks at a proof, and records what it was, in one durable step: a right one is used up, a wrong one
    /// counts. A pause holds for codes alone: nobody can guess a signature, so a right one ends it, and nobody
    /// who gives wrong ones keeps the approver out.
    async fn take_proof(&self, proof: ProofTry) -> Result<Taken>;
}
