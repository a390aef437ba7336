//! `[approval]` of the settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::word;

/// `[approval]`: what approvers prove themselves with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Approval")]
pub struct Settings {
    /// Where one-time codes count. "remote": only where agents call over HTTP with a token, since whoever runs
    /// as this user can read in the ledger what codes are made of. "accept": everywhere.
    #[serde(deserialize_with = "word")]
    pub totp: Totp,
}

/// Where one-time codes count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Totp {
    /// Where agents are somebody else than the user that the server runs as.
    #[default]
    Remote,
    /// Everywhere.
    Accept,
}

impl Settings {
    /// Whether codes count where agents are somebody else than this user (`is_remote`), or may be this user.
    pub fn takes_codes(&self, is_remote: bool) -> bool {
        is_remote || self.totp == Totp::Accept
    }
}
