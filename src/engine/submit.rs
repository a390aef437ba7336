//! Taking what callers ask to be sent: from arguments to messages that are on disk with their money, and the answer.

pub mod bulk;
pub mod campaign;
pub mod prepare;
