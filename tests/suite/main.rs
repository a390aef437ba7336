//! Everything that is tested through the public face: one binary, since linking is slow.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr
)]
#![allow(missing_docs)]

mod answers;
mod approvals;
mod approvers;
mod arrows;
mod broken;
mod browser;
mod by_text;
mod carrier;
mod carriers;
mod cli;
mod clients;
mod config_check;
mod conformance;
mod consent;
mod contract;
mod conversions;
mod copies;
mod crashes;
mod crowds;
mod dependencies;
mod documents;
mod door;
mod doubt;
mod elsewhere;
mod ends;
mod engine;
mod explain;
mod fake;
mod forward;
mod frames;
mod full;
mod gate;
mod habits;
mod hooks;
mod http;
mod inbound;
mod init;
mod lives;
mod long_replies;
mod looks;
mod malformed;
mod mark;
mod marketing;
mod numbers;
mod outbox;
mod own;
mod page;
mod pauses;
mod phones;
mod planned;
mod prices;
mod promises;
mod prose;
mod protocol;
mod prune;
mod put_before;
mod quiet;
mod quoting;
mod reads;
mod realms;
mod resources;
mod rounds;
mod routes;
mod scheduled;
mod secrets;
mod segments;
mod senders;
mod sessions;
mod settings;
mod shown;
mod since;
mod speech;
mod spreadsheets;
mod strictest;
mod support;
mod texts;
mod told;
mod toolsets;
mod toolsnap;
mod unkept;
mod vendors;
mod wire;
