//! What holds for every database that keeps a ledger: which budgets a send must fit in and what they are
//! called, how money moves with a state, how fast texts leave, when a provider is asked, when a request is posted once more, who may take back a
//! wish, how often a proof may be wrong, what the operator's own system is told, and how a message is chosen. All of it is pure: no file here
//! knows a database, and time is an argument.

pub mod choose;
pub mod events;
pub mod history;
pub mod looks;
pub mod pace;
pub mod path;
pub mod posting;
pub mod repost;
pub mod tries;
pub mod window;
pub mod wishes;
