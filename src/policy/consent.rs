//! `[consent]` of the settings: for which texts their recipients must have agreed, and how they are asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::Span;
use crate::sms::money::Amount;
use crate::sms::purpose::Purpose;
use crate::sms::reply::YesWords;

/// `[consent]`: for which texts their recipients must have agreed.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Consent")]
pub struct Consent {
    /// Texts for these purposes go only to people whose consent is on record (`sms-mcp consent`). Nothing set:
    /// none is asked for. What is asked of transactional texts is asked of marketing too. What is asked of transactional texts is asked of marketing too.
    pub required_for: Vec<Purpose>,
    /// What `sms-mcp consent ask` sends to somebody, who may answer YES. Nothing set: nobody can be asked so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask_text: Option<String>,
    /// How long after the question a YES counts.
    pub ask_expires: Span,
    /// Words that are a yes, beside those that are known.
    pub ask_words: Vec<String>,
    /// Most such questions in a UTC day.
    pub ask_per_day: u32,
    /// Most money for them in a UTC day.
    pub ask_spend: Amount,
}

impl Default for Consent {
    fn default() -> Self {
        Self {
            required_for: Vec::new(),
            ask_text: None,
            ask_expires: Span::hours(7 * 24),
            ask_words: Vec::new(),
            ask_per_day: 100,
            ask_spend: Amount::units(5),
        }
    }
}

impl Consent {
    /// What types cannot say of it.
    ///
    /// # Errors
    /// In words for the operator: which setting, and what would be right.
    pub fn check(&self) -> std::result::Result<(), String> {
        if self.ask_text.as_ref().is_some_and(|text| text.trim().is_empty()) {
            return Err("consent.ask_text is empty; leave it out, or write the question".to_owned());
        }
        if self.ask_expires.as_millis() < 60_000 {
            return Err("consent.ask_expires must be at least \"1m\": a person has to read it".to_owned());
        }
        if self.ask_spend < Amount(0) {
            return Err("consent.ask_spend is negative; a limit is 0 or more".to_owned());
        }
        self.yes().map(drop)
    }

    /// The words for yes.
    ///
    /// # Errors
    /// As for [`Consent::check`].
    pub fn yes(&self) -> std::result::Result<YesWords, String> {
        YesWords::new(&self.ask_words).map_err(|wrong| format!("consent.ask_words {wrong}"))
    }
}
