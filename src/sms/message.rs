//! Ids and states of messages.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps text that is already such an id (from the ledger, or given by a caller to be looked up).
            pub fn from_text(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The id with its prefix.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A message: `msg_` and a ULID, so ids sort by the time they were made.
    MessageId,
    "msg_"
);
id!(
    /// A bulk send: `bat_` and a ULID.
    BatchId,
    "bat_"
);
id!(
    /// A session handle: `ses_` and 160 random bits. Whoever holds it and is its principal may spend from it.
    SessionId,
    "ses_"
);

id!(
    /// What waits for a person: `apv_` and 160 random bits. Knowing it decides nothing.
    ProposalId,
    "apv_"
);

impl ProposalId {
    /// Makes an id from 160 random bits.
    pub fn new(random: [u8; 20]) -> Self {
        Self(format!("{}{}", Self::PREFIX, hex(&random)))
    }
}

impl MessageId {
    /// Makes an id from the time and 80 random bits.
    pub fn new(at_ms: i64, random: u128) -> Self {
        Self(format!("{}{}", Self::PREFIX, ulid(at_ms, random)))
    }
}

impl BatchId {
    /// Makes an id from the time and 80 random bits.
    pub fn new(at_ms: i64, random: u128) -> Self {
        Self(format!("{}{}", Self::PREFIX, ulid(at_ms, random)))
    }
}

impl SessionId {
    /// Makes a handle from 160 random bits.
    pub fn new(random: [u8; 20]) -> Self {
        Self(format!("{}{}", Self::PREFIX, hex(&random)))
    }
}

fn ulid(at_ms: i64, random: u128) -> String {
    ulid::Ulid::from_parts(u64::try_from(at_ms).unwrap_or(0), random).to_string().to_ascii_lowercase()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// On which side a message is. What the sandbox carried is kept apart from what leaves this machine: keys,
/// duplicates, limits, budgets and the pace of one side say nothing about the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Realm {
    /// A real provider carries it, to a real phone.
    #[default]
    Live,
    /// The sandbox carries it: nothing leaves this machine.
    Sandbox,
}

impl Realm {
    /// The side of a provider whose texts really leave this machine, or do not.
    pub const fn of(is_real: bool) -> Self {
        if is_real { Self::Live } else { Self::Sandbox }
    }

    /// Whether it is the sandbox's.
    pub const fn is_sandbox(self) -> bool {
        matches!(self, Self::Sandbox)
    }
}

/// Where a message stands. States only move forward ([`State::may_become`]).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum State {
    /// Waits for its time. Its money is held.
    Scheduled,
    /// Recorded with its money held; nothing has left yet.
    Queued,
    /// About to be handed to the provider, or being handed over.
    Attempting,
    /// The provider took it.
    Sent,
    /// The network says that it reached the phone.
    Delivered,
    /// The network says that it did not.
    Failed,
    /// It was too late to deliver, or to send.
    Expired,
    /// A definite no; nothing was sent and nothing is held.
    Rejected,
    /// Taken back before it left.
    Canceled,
    /// Handed over, and the answer was lost: it may have gone out. Never sent again; its money stays held.
    Unknown,
    /// The provider has it and holds it back (its sender is paused): it may go out later. Its money stays
    /// held.
    Held,
    /// Waits for a person to say yes. Its money is held.
    Proposed,
}

impl State {
    /// Every state, in the order of their numbers in the ledger.
    pub const ALL: [Self; 12] = [
        Self::Scheduled,
        Self::Queued,
        Self::Attempting,
        Self::Sent,
        Self::Delivered,
        Self::Failed,
        Self::Expired,
        Self::Rejected,
        Self::Canceled,
        Self::Unknown,
        Self::Held,
        Self::Proposed,
    ];

    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Attempting => "attempting",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::Canceled => "canceled",
            Self::Unknown => "unknown",
            Self::Held => "held",
            Self::Proposed => "proposed",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The state's number in the ledger.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The state with this number in the ledger.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Whether a message may go from this state to `next`. A late or repeated report never moves one back.
    pub const fn may_become(self, next: Self) -> bool {
        use State::*;
        match self {
            Proposed => matches!(next, Scheduled | Queued | Canceled | Expired | Rejected),
            Scheduled => matches!(next, Queued | Canceled | Expired | Rejected),
            Queued => matches!(next, Attempting | Canceled | Expired | Rejected),
            Attempting => matches!(next, Sent | Delivered | Failed | Expired | Rejected | Unknown | Held),
            Unknown => matches!(next, Sent | Delivered | Failed | Expired | Rejected | Held),
            Held => matches!(next, Sent | Delivered | Failed | Expired | Rejected),
            Sent => matches!(next, Delivered | Failed | Expired),
            Delivered | Failed | Expired | Rejected | Canceled => false,
        }
    }

    /// Whether nothing more can happen to a message in this state.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Failed | Self::Expired | Self::Rejected | Self::Canceled)
    }

    /// Whether it waits for its time or for a person, and nobody may take it.
    pub const fn is_planned(self) -> bool {
        matches!(self, Self::Proposed | Self::Scheduled)
    }

    /// Whether it is still to be handed over.
    pub const fn waits(self) -> bool {
        self.is_planned() || matches!(self, Self::Queued)
    }

    /// Whether it is still to be handed over, or being handed over.
    pub const fn is_open(self) -> bool {
        self.waits() || matches!(self, Self::Attempting)
    }

    /// Whether a provider has it, or may have it, and nobody knows what becomes of it: its money stays held.
    pub const fn is_undecided(self) -> bool {
        matches!(self, Self::Unknown | Self::Held)
    }

    /// Whether its money is posted or given back.
    pub const fn is_settled(self) -> bool {
        !self.is_open() && !self.is_undecided()
    }

    /// Whether it has not left so far: it waits, or never will.
    pub const fn has_not_left(self) -> bool {
        self.waits() || self.never_left()
    }

    /// Whether its provider may still say what became of it.
    pub const fn may_be_reported(self) -> bool {
        !self.waits() && !self.is_final()
    }

    /// Whether its provider may be asked what became of it.
    pub const fn may_be_queried(self) -> bool {
        self.may_be_reported() && !matches!(self, Self::Attempting)
    }

    /// Whether it went out or may be going out, so that what a provider has on record may be this one. Those
    /// whose outcome is unknown are what the record is asked for, and are not among them.
    pub const fn may_be_on_record(self) -> bool {
        matches!(self, Self::Attempting | Self::Sent | Self::Delivered | Self::Failed | Self::Held)
    }

    /// Whether somebody has to look at it: it did not succeed, or nobody knows.
    pub const fn needs_attention(self) -> bool {
        matches!(self, Self::Failed | Self::Expired | Self::Rejected | Self::Unknown)
    }

    /// Whether the message certainly never reached the provider, so that it counts for no cap and no
    /// duplicate.
    pub const fn never_left(self) -> bool {
        matches!(self, Self::Rejected | Self::Canceled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_never_move_back() {
        for from in State::ALL {
            assert!(!from.may_become(from), "{from} to itself");
            for to in State::ALL {
                assert!(!(from.may_become(to) && to.may_become(from)), "{from} and {to} both ways");
                assert!(!(from.is_final() && from.may_become(to)), "{from} is final but becomes {to}");
            }
            assert_eq!(State::from_number(from.number()), Some(from));
            assert_eq!(State::from_name(from.as_str()), Some(from));
        }
        assert!(!State::Unknown.may_become(State::Queued) && !State::Unknown.may_become(State::Attempting));
    }

    #[test]
    fn ids_sort_by_time() {
        assert!(MessageId::new(1_000, u128::MAX) < MessageId::new(1_001, 0));
        assert_eq!(MessageId::new(1, 1).as_str().len(), 4 + 26);
    }
}
