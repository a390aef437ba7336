//! `sms-mcp`: an MCP server that lets AI agents send SMS, with a spending guard between the agent and the
//! phone.
//!
//! The map, from the inside out. An arrow means "knows"; a test holds the code to it.
//!
//! - [`sms`]: numbers, texts, money, states; pure.
//! - [`access`] -> `sms`: who decides what agents may not, and how they prove it; pure.
//! - [`policy`] -> `sms`: what may be sent; pure.
//! - [`ledger`] and [`provider`] -> `sms`: what is recorded, and the carriers; they do not know each other.
//! - [`halt`]: what keeps everything from beginning; `ledger` reads it beside its file, `engine` and
//!   `provider` ask it.
//! - [`engine`] -> `access`, `policy`, `ledger`, `provider`: everything that sends goes through it.
//! - [`mcp`], [`http`], [`cli`] -> `engine`: the surfaces.
//! - Each part has its own settings; [`config`] reads and composes them, [`app`] builds the parts from them.
//!   [`error`], [`clock`] and [`setting`] serve all.

pub mod access;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod error;
pub mod halt;
pub mod http;
pub mod ledger;
pub mod mcp;
pub mod policy;
pub mod provider;
pub mod setting;
pub mod sms;
