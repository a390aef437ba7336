//! A person who is asked through their client.

use std::time::Duration;

use super::{BulkAnswer, SendAnswer};

/// What a client may ask its user to open.
#[derive(Clone, Debug)]
pub struct Round {
    /// The page on which a person decides. It carries no authority.
    pub url: String,
    /// What waits there, for the user.
    pub message: String,
    /// For how long somebody may decide.
    pub left: Duration,
}

/// What became of what a round was about.
#[derive(Clone, Debug)]
pub enum Answered {
    /// A single message.
    Message(Box<SendAnswer>),
    /// A bulk.
    Bulk(Box<BulkAnswer>),
}
