//! Taking what callers ask to be sent: from arguments to messages that are on disk with their money, and the
//! answer.

mod asked;
pub mod bulk;
pub mod campaign;
mod draft;
mod intent;
mod key;
pub mod own;
mod quote;
mod room;
mod round;
mod single;
mod when;

pub use room::Submit;
