//! Handing messages over, each at most once, and recording what became of it.

pub mod offer;
pub mod queue;
pub mod segments;
pub mod unrecorded;
