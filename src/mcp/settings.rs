//! `[tools]` of the settings: which tools are offered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[tools]`: which tools clients are offered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Tools")]
pub struct Settings {
    /// The sets that are offered. Also `sms-mcp serve --toolsets`.
    pub toolsets: Vec<Toolset>,
    /// Whether only tools are offered that neither send nor change anything. Also
    /// `sms-mcp serve --read-only`.
    pub read_only: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { toolsets: vec![Toolset::Core], read_only: false }
    }
}

/// Tools that are offered together: each tool costs an agent room in every conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Toolset {
    /// Sending, and what became of it.
    Core,
}
