//! `sms-mcp`: an MCP server that lets AI agents send SMS, with a spending guard between the agent and the phone.
//!
//! The map, from the inside out. An arrow means "knows"; a test holds the code to it.
//!
//! - [`sms`]: numbers, texts, money, states; pure.
//! - [`guard`] -> `sms`: the policy; pure.
//! - [`store`] and [`provider`] -> `sms`: the ledger and the carriers; they do not know each other.
//! - [`halt`]: what keeps everything from beginning; `store` reads it beside the ledger, `send` and `provider` ask it.
//! - [`send`] -> `guard`, `store`, `provider`: the engine that everything that sends goes through.
//! - [`mcp`], [`http`], [`cli`] -> `send`: the surfaces.
//! - [`config`] reads the settings, [`app`] builds the parts from them; [`error`], [`clock`] and [`setting`] serve all.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod guard;
pub mod halt;
pub mod http;
pub mod mcp;
pub mod provider;
pub mod send;
pub mod setting;
pub mod sms;
pub mod store;
