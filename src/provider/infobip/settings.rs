//! The settings of Infobip.

use ::http::HeaderName;

use crate::provider::rest;
use crate::provider::settings::Rate;
use crate::provider::signature::{Encoding, Hash};
use crate::setting::word;
use crate::sms::sender;

/// Most messages of one request that can be configured: the answer about them must stay well under a
/// megabyte.
const MOST_AT_ONCE: u16 = 1_000;

rest::vendor_settings! {
    /// Settings of Infobip.
    #[schemars(rename = "InfobipConfig")]
    "infobip" at "", Rate::default();
    secrets {
        /// The API key.
        api_key: required,
        /// The password that Infobip shows with `webhook_user` (a subscription with the security BASIC).
        webhook_password: optional,
        /// The secret key that Infobip signs its webhooks with (a subscription with the security HMAC).
        webhook_secret: optional,
    }
    from {
        /// Who sends what names no sender: a number in E.164, a short code, or a name of up to 11 letters,
        /// digits and spaces. Required.
    }
    own {
        /// Most messages of one request, each with its own text and its own verdict.
        bulk_size: u16 = 100,
        /// The user that Infobip shows with `webhook_password`.
        #[serde(skip_serializing_if = "Option::is_none")]
        webhook_user: Option<String> = None,
        /// The header that has the signature of a webhook. No page of Infobip names it: the first request of
        /// a subscription with HMAC shows it.
        #[serde(skip_serializing_if = "Option::is_none")]
        webhook_header: Option<String> = None,
        /// The hash of that signature: `md5`, `sha1`, `sha256` or `sha512`.
        #[serde(deserialize_with = "word")]
        webhook_hash: Hash = Hash::Sha256,
        /// How that signature is written: `hex`, `base64` or `base64_url`.
        #[serde(deserialize_with = "word")]
        webhook_encoding: Encoding = Encoding::Hex,
    }
}

impl Config {
    /// What types cannot say.
    fn check_own(&self) -> Result<(), String> {
        if self.base_url.is_empty() {
            return Err("base_url is not set: it is your account's own address, such as \
                        https://abc123.api.infobip.com"
                .to_owned());
        }
        rest::base_url(&self.base_url)?;
        let from = self
            .from
            .as_deref()
            .ok_or("from is not set: a number such as +447700900123, a short code, or a name")?;
        if !is_sender(from) {
            return Err(
                "from must be a number in E.164 such as +447700900123, a short code, or a name of up \
                        to 11 letters, digits and spaces"
                    .to_owned(),
            );
        }
        if !(1..=MOST_AT_ONCE).contains(&self.bulk_size) {
            return Err(format!("bulk_size is {}; it must be from 1 to {MOST_AT_ONCE}", self.bulk_size));
        }
        let together = |one: &str, is_one: bool, other: &str, is_other: bool| match (is_one, is_other) {
            (true, false) => Err(format!("{one} is set without {other}; they belong together")),
            (false, true) => Err(format!("{other} is set without {one}; they belong together")),
            _ => Ok(()),
        };
        together(
            "webhook_user",
            self.webhook_user.is_some(),
            "webhook_password",
            self.webhook_password.is_some(),
        )?;
        together(
            "webhook_header",
            self.webhook_header.is_some(),
            "webhook_secret",
            self.webhook_secret.is_some(),
        )?;
        if self.webhook_user.as_deref().is_some_and(|user| user.is_empty() || user.contains(':')) {
            return Err("webhook_user must be a user's name without a colon".to_owned());
        }
        let is_header = |name: &String| HeaderName::from_bytes(name.as_bytes()).is_ok();
        if self.webhook_header.as_ref().is_some_and(|name| !is_header(name)) {
            return Err("webhook_header must be the name of a header, such as x-hub-signature".to_owned());
        }
        Ok(())
    }
}

/// Whether Infobip could take this as a sender: a number in E.164, a short code, or a name.
pub(super) fn is_sender(from: &str) -> bool {
    sender::is_number_or_code(from) || sender::is_plain_name(from)
}
