//! What the program itself says to people: the operator's texts to those who ask for help or for no more texts,
//! and to approvers for whom something waits.

mod answer;
mod notify;
mod room;

pub use answer::{Due, Heard};
pub use room::Answering;
