//! The settings of MailerSend.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers::is_id;
use crate::provider::rest::{self, wording};
use crate::provider::settings::{Rate, SecretSetting, Settings};
use crate::setting::Secret;
use crate::sms::money::Currency;

/// Settings of MailerSend.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "MailersendConfig")]
pub struct Config {
    /// Your name for it, shown in answers.
    pub name: String,
    /// Address of the API.
    pub base_url: String,
    /// The API token.
    #[serde(skip_serializing)]
    pub token: Option<Secret>,
    /// The account's phone number that sends what names no sender, in E.164. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// MailerSend's id of that number, for webhooks and inbound routes; looked up where it is needed and not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms_number_id: Option<String>,
    /// The signing secret of the webhook. Without it receipts are polled.
    #[serde(skip_serializing)]
    pub signing_secret: Option<Secret>,
    /// The secret of the inbound route. Without it no replies come in.
    #[serde(skip_serializing)]
    pub inbound_secret: Option<Secret>,
    /// Words for a `status` that mean "sent", besides those that MailerSend documents (`processed`, `queued`, `sent`, `delivered`,
    /// `failed`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sent_words: Vec<String>,
    /// Whether texts may go elsewhere than to the United States and Canada, should MailerSend deliver there.
    pub any_destination: bool,
    /// ISO 4217 currency of your MailerSend bill: that of the 0 which an unbilled failure costs.
    #[serde(with = "crate::setting::currency")]
    #[schemars(with = "String")]
    pub currency: Currency,
    /// How fast it may be used.
    pub rate: Rate,
    /// The connection to it.
    pub http: rest::Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "mailersend".to_owned(),
            base_url: "https://api.mailersend.com/v1".to_owned(),
            token: None,
            from: None,
            sms_number_id: None,
            signing_secret: None,
            inbound_secret: None,
            sent_words: Vec::new(),
            any_destination: false,
            currency: Currency::USD,
            rate: Rate { per_minute: Some(60), ..Rate::default() },
            http: rest::Settings::default(),
        }
    }
}

impl Settings for Config {
    fn name(&self) -> &str {
        &self.name
    }

    fn secrets(&self) -> Vec<SecretSetting<'_>> {
        vec![
            SecretSetting { name: "token", secret: self.token.as_ref(), is_required: true },
            SecretSetting { name: "signing_secret", secret: self.signing_secret.as_ref(), is_required: false },
            SecretSetting { name: "inbound_secret", secret: self.inbound_secret.as_ref(), is_required: false },
        ]
    }

    fn rate(&self) -> Rate {
        self.rate
    }

    fn check(&self) -> std::result::Result<(), String> {
        rest::base_url(&self.base_url)?;
        wording::check_sent_words(&self.sent_words)?;
        let from = self.from.as_deref().ok_or("from is not set; it is the account's phone number, such as +18005550123")?;
        if !is_e164(from) {
            return Err("from must be the account's phone number in E.164, such as +18005550123".to_owned());
        }
        if self.sms_number_id.as_deref().is_some_and(|id| !is_id(id)) {
            return Err("sms_number_id must be letters and digits; `sms-mcp provider` lists the numbers with their ids".to_owned());
        }
        Ok(())
    }
}

/// `+` and 7 to 15 digits.
pub(super) fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()))
}
