//! What operators do: at vendors, about people who want no more texts, and with what is old.

pub mod opt_outs;
pub mod prune;
pub mod vendors;
