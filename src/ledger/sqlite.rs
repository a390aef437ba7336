//! The ledger in one SQLite file, for one machine.
//!
//! One thread writes (`writer`); readers have their own connections. Several processes may share the file:
//! write transactions are immediate and short. Which process is alive is told by lock files beside the
//! ledger, which the operating system releases at any death, so an attempt of a process that died becomes
//! unknown at once, while one of a process that lives is left alone, and nothing has to be written while
//! nothing happens.

mod accept;
mod accepting;
mod account;
mod approver;
mod budget;
mod clients;
mod connection;
mod consent;
mod consents;
mod copy;
mod days;
mod deciding;
mod due;
mod early;
mod facts;
mod gone;
mod group;
mod instance;
mod job;
mod log;
mod long_reply;
mod look;
mod mark;
mod opt_out;
mod outbox;
mod pace;
mod parts;
mod pause;
mod peers;
mod pending;
mod place;
mod proposal;
mod prune;
mod query;
mod queue;
mod rate;
mod receipt;
mod recover;
mod rehearsal;
mod reply;
mod repost;
mod request;
mod reserve;
mod row;
mod schema;
mod sealed;
mod segment;
mod session;
mod settle;
mod states;
mod store;
mod tally;
mod told;
mod trace;
mod transition;
mod upkeep;
mod verbs;
mod wish;
mod withdraw;
mod word;
mod writer;

pub use copy::{Looked, Restored, look_at, restore};
pub use deciding::{Deciders, deciders};
pub use pause::PauseFile;
pub use store::SqliteLedger;
