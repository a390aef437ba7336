//! `[marketing]` of the settings: how whoever gets a text that sells can have no more of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sms::number::Region;
use crate::sms::reply::announces_stop;
use crate::sms::untrusted::escape;

/// The name of the line for every country that has none in its language.
const DEFAULT: &str = "default";

/// Longest line that is added, and longest way out, in characters.
const MAX_LINE: usize = 100;

/// The countries where nearly everybody reads one language, by that language.
const LANGUAGES: [(&str, &str); 24] = [
    ("ar", "AE BH DZ EG IQ JO KW LB LY MA OM QA SA TN YE"),
    ("bg", "BG"),
    ("cs", "CZ"),
    ("da", "DK"),
    ("de", "AT DE LI"),
    ("el", "CY GR"),
    ("en", "AU GB IE NZ US"),
    ("es", "AR BO CL CO CR CU DO EC ES GT HN MX NI PA PE PY SV UY VE"),
    ("fi", "FI"),
    ("fr", "FR MC"),
    ("he", "IL"),
    ("hu", "HU"),
    ("it", "IT SM VA"),
    ("ja", "JP"),
    ("ko", "KR"),
    ("nl", "NL"),
    ("no", "NO"),
    ("pl", "PL"),
    ("pt", "AO BR MZ PT"),
    ("ro", "MD RO"),
    ("ru", "RU"),
    ("sv", "SE"),
    ("tr", "TR"),
    ("zh", "CN TW"),
];

/// `[marketing]`: how whoever gets marketing can have no more of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Marketing")]
pub struct Marketing {
    /// Links and addresses at which people can have no more marketing. Where they cannot answer a text (AE, QA,
    /// SA, TR), one of them must stand in it.
    pub way_out: Vec<String>,
    /// The line that is added to a text of marketing which does not say how to get no more, by the language of
    /// the recipient's country, with `default` for all others. Nothing set: none is added.
    pub require_stop_text: BTreeMap<String, String>,
}

impl Marketing {
    /// What types cannot say of it.
    ///
    /// # Errors
    /// In words for the operator: which setting, and what would be right.
    pub fn check(&self) -> std::result::Result<(), String> {
        for way in &self.way_out {
            let is_one = way.chars().count() <= MAX_LINE && !way.contains(char::is_whitespace);
            if !is_one || way.chars().filter(|c| c.is_alphanumeric()).count() < 4 {
                let shown = escape(way);
                return Err(format!(
                    "marketing.way_out has \"{shown}\"; write a link or an address without spaces, such as \
                     \"https://example.com/stop\""
                ));
            }
        }
        for (language, line) in &self.require_stop_text {
            let name = format!("marketing.require_stop_text.{}", escape(language));
            if language != DEFAULT && !LANGUAGES.iter().any(|(known, _)| known == language) {
                let known: Vec<&str> = LANGUAGES.iter().map(|(known, _)| *known).collect();
                return Err(format!(
                    "{name} is for no language here; there are default, {}",
                    known.join(", ")
                ));
            }
            if line.chars().count() > MAX_LINE || line.trim() != line || line.chars().any(char::is_control) {
                return Err(format!("{name} must be one line of at most {MAX_LINE} characters"));
            }
            if !self.says_how(line) {
                return Err(format!(
                    "{name} does not say how to get no more texts; write such as \"Reply STOP to end\", or one of \
                     marketing.way_out"
                ));
            }
        }
        if !self.require_stop_text.is_empty() && !self.require_stop_text.contains_key(DEFAULT) {
            return Err(
                "marketing.require_stop_text has no `default`, for countries of other languages".to_owned()
            );
        }
        Ok(())
    }

    /// Whether a text says how its reader gets no more.
    pub(super) fn says_how(&self, text: &str) -> bool {
        announces_stop(text) || self.has_way_out(text)
    }

    pub(super) fn has_way_out(&self, text: &str) -> bool {
        self.way_out.iter().any(|way| stands_in(text, way))
    }

    /// The line for this country.
    pub(super) fn line(&self, region: Option<Region>) -> Option<&str> {
        let region = region.map(|region| region.to_string());
        let is_spoken = |countries: &str| {
            region.as_deref().is_some_and(|region| countries.split(' ').any(|one| one == region))
        };
        let language = LANGUAGES.iter().find(|(_, countries)| is_spoken(countries)).map(|(name, _)| *name);
        let line = language.and_then(|language| self.require_stop_text.get(language));
        line.or_else(|| self.require_stop_text.get(DEFAULT)).map(String::as_str)
    }
}

/// Whether this stands in a text as a whole: with more behind it a link leads elsewhere.
fn stands_in(text: &str, way: &str) -> bool {
    let (text, way) = (text.to_lowercase(), way.to_lowercase());
    text.match_indices(&way).any(|(at, found)| {
        let (before, behind) = (text.get(..at), text.get(at + found.len()..));
        let begins = before.unwrap_or_default().chars().next_back();
        let behind = behind.unwrap_or_default().trim_start_matches(['.', ',', '!', '?', ';', ')']);
        let ends = behind.chars().next().is_none_or(char::is_whitespace);
        ends && begins.is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ':' | '<'))
    })
}
