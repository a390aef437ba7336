//! The settings of MailerSend.

use super::answers::is_id;
use crate::provider::rest::{self, wording};
use crate::provider::settings::Rate;
use crate::sms::money::Currency;

rest::vendor_settings! {
    /// Settings of MailerSend.
    #[schemars(rename = "MailersendConfig")]
    "mailersend" at "https://api.mailersend.com/v1", Rate { per_minute: Some(60), ..Rate::default() };
    secrets {
        /// The API token.
        token: required,
        /// The signing secret of the webhook. Without it receipts are polled.
        signing_secret: optional,
        /// The secret of the inbound route. Without it no replies come in.
        inbound_secret: optional,
    }
    from {
        /// The account's phone number that sends what names no sender, in E.164. Required.
    }
    own {
        /// MailerSend's id of that number, for webhooks and inbound routes; looked up where it is needed and
        /// not set.
        #[serde(skip_serializing_if = "Option::is_none")]
        sms_number_id: Option<String> = None,
        /// Words for a `status` that mean "sent", besides those that MailerSend documents (`processed`,
        /// `queued`, `sent`, `delivered`, `failed`).
        #[serde(skip_serializing_if = "Vec::is_empty")]
        sent_words: Vec<String> = Vec::new(),
        /// Whether texts may go elsewhere than to the United States and Canada, should MailerSend deliver
        /// there.
        any_destination: bool = false,
        /// ISO 4217 currency of your MailerSend bill: that of the 0 which an unbilled failure costs.
        #[serde(with = "crate::setting::currency")]
        #[schemars(with = "String")]
        currency: Currency = Currency::USD,
    }
}

impl Config {
    /// What types cannot say.
    fn check_own(&self) -> std::result::Result<(), String> {
        rest::base_url(&self.base_url)?;
        wording::check_sent_words(&self.sent_words)?;
        let from = self
            .from
            .as_deref()
            .ok_or("from is not set; it is the account's phone number, such as +18005550123")?;
        if !is_e164(from) {
            return Err("from must be the account's phone number in E.164, such as +18005550123".to_owned());
        }
        if self.sms_number_id.as_deref().is_some_and(|id| !is_id(id)) {
            return Err(
                "sms_number_id must be letters and digits; `sms-mcp provider` lists the numbers with \
                their ids"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// `+` and 7 to 15 digits.
pub(super) fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}
