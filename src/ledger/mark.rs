//! The mark of a ledger, as it is asked for and told: what is kept outside a ledger, so that an older one,
//! another one or none in its place is seen before anything is sent from it.

use std::path::PathBuf;

use crate::clock::Timestamp;

/// Where the mark of a ledger is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkAt {
    /// In this folder, with the marks of other ledgers, each under a name made of its ledger's path.
    Folder(PathBuf),
    /// In this file.
    File(PathBuf),
    /// None is kept. Where one is needed, a ledger that was marked is in doubt then.
    Nowhere,
}

/// Whether a ledger is to have a mark, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marking {
    /// Where.
    pub at: MarkAt,
    /// Whether a ledger that has none gets one: a real provider sends from it. Else one that is there is
    /// heeded and kept.
    pub is_needed: bool,
}

/// Why a ledger is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was written less often than its mark says.
    Older,
    /// The mark in its place is that of another ledger.
    Other,
    /// It is new or was never marked, and a mark stands in its place.
    NoLedger,
    /// It was marked, and its mark is not there.
    NoMark,
    /// It is a copy: its mark is that of a ledger at another name, which is there as well.
    Copied,
    /// It is new, and this user has sent from another one.
    Second,
    /// Its mark, or a part of it, cannot be read.
    Unreadable,
    /// It was marked, and these settings say that no mark is kept.
    Unkept,
}

/// A doubt about a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Of which kind.
    pub why: Why,
    /// What is the matter, with the names of the files.
    pub message: String,
    /// When the ledger was last written, as far as it knows.
    pub ledger_at: Option<Timestamp>,
    /// When the mark was last written.
    pub mark_at: Option<Timestamp>,
}

/// What taking a ledger in doubt as it is would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The doubt.
    pub doubt: Doubt,
    /// Texts that have not ended, of real providers: they become unknown.
    pub open: u32,
    /// People whose STOP only the mark knows.
    pub opt_outs: u32,
    /// Budgets of which the mark knows more than the ledger.
    pub budgets: u32,
    /// What people said that waits here for the operator's word on who it was: no mark knows of such.
    pub pending: u32,
    /// Whether nothing outside the ledger says who opted out and what was spent: then the budget of
    /// everything is frozen.
    pub is_mark_gone: bool,
}

/// What taking a ledger in doubt as it is did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Texts that are unknown now.
    pub unknown: u32,
    /// People who are opted out now and were not.
    pub opt_outs: u32,
    /// Budgets that have more spent now.
    pub budgets: u32,
    /// Whether the budget of everything is frozen.
    pub is_frozen: bool,
}
