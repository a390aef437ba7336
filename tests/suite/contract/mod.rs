//! The contracts of the two traits. Each case takes the trait, so the next backend only adds a line to its list.

mod provider;
mod store;
mod store_assumed;
mod store_later;
mod store_long_reply;
mod store_prune;
mod store_queue;
mod store_realms;
mod store_segments;
mod store_told;
