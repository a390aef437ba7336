//! Handing messages over, each at most once, and recording what became of it.

mod due;
mod gone;
mod offer;
pub mod outcome;
mod progress;
mod queue;
mod recorder;
mod recover;
mod repost;
mod room;
pub mod segments;

pub use offer::{OPTED_OUT_SINCE, TOO_LATE, Terms, rests, too_late};
pub use progress::{Followed, Progress};
pub use recorder::Recorder;
pub use recover::Recovery;
pub use room::Deliver;
