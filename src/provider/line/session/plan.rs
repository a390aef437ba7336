//! What an account is made of, and what it has done so far.

use crate::provider::line::session::settings::Settings;

/// What an account is made of.
#[derive(Clone, Debug)]
pub struct Plan<B> {
    /// The operator's name for the provider, for the log.
    pub name: String,
    /// The carrier's `host:port`.
    pub address: String,
    /// The binds; each is kept up.
    pub lines: Vec<Line<B>>,
    /// How the connections are used. Its `binds` was already multiplied into `lines`.
    pub settings: Settings,
}

/// One bind of an account.
#[derive(Clone, Debug)]
pub struct Line<B> {
    /// What it is for.
    pub bind: B,
    /// Whether requests go out on it.
    pub submits: bool,
}

/// What a session has done so far. Counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Binds that are up now.
    pub up: u32,
    /// Requests without an answer now.
    pub open: u32,
    /// Requests written.
    pub requests: u64,
    /// Answers that came in time.
    pub answers: u64,
    /// Answers that came later.
    pub late: u64,
    /// Answers that said "not now".
    pub throttled: u64,
    /// Requests whose answer did not come.
    pub lost: u64,
    /// What the carrier told by itself.
    pub pushes: u64,
    /// Connections that began.
    pub connections: u64,
    /// Frames that could not be read.
    pub malformed: u64,
    /// Writes to the connections: as many system calls.
    pub writes: u64,
    /// Requests a second that are allowed now, where the carrier's "not now" brought it down.
    pub pace_per_second: Option<u32>,
}
