//! What the ledger is asked and answers, whichever database keeps it.

mod act;
mod intent;
mod names;
mod outbox;
mod pacing;
mod people;
mod queue;
mod record;
mod settlement;

pub use act::Act;
pub use intent::{
    BaseSession, BatchDraft, Decide, Draft, Idempotency, Intent, MakeDrafts, Many, NewHandle, NewProposal,
    Payer, Reservation, Target,
};
pub use names::{E164, Nameless, ProviderName, VendorId};
pub use outbox::Forward;
pub use pacing::Pacing;
pub use people::{
    ANSWERS_MS, MOST_PENDING, NewPending, NewReply, OptOut, Pended, Pending, Recorded, Replies, ReplyPage,
    ReplyPlace, ReplyRecord, SHOWN_AN_HOUR, Said, Settled,
};
pub use queue::{Back, Claim, Claimed, Due, Gone, Recheck, Recovered, Released};
pub use record::{BatchMessage, BatchRecord, Change, Filter, Record, Whole};
pub use settlement::{LookClaim, Report, Segment, Settlement};
