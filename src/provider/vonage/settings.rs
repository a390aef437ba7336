//! The settings of Vonage.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::provider::rest::rates::check_countries;
use crate::provider::rest::{self, path_part, wording};
use crate::provider::settings::{Rate, ToldIn};
use crate::setting::{Span, word};
use crate::sms::money::Currency;
use crate::sms::sender;

/// For how long Vonage tells again what was not taken.
const TOLD_AGAIN: Span = Span::hours(24);

rest::vendor_settings! {
    /// Settings of Vonage.
    #[schemars(rename = "VonageConfig")]
    "vonage" at "https://rest.nexmo.com", Rate::default(),
        " Vonage refuses what is over the account's own rate, and the queue waits.";
    secrets {
        /// The account's API key.
        api_key: required,
        /// The secret of the API key.
        api_secret: required,
        /// The account's signature secret. Vonage signs its webhooks with it: without it no receipts and no
        /// replies come in.
        signature_secret: optional,
        /// The private key of `application_id`, as its file `private.key` has it.
        private_key: pem,
    }
    from {
        /// Who sends what names no sender: a number of the account in E.164, a short code, or a name of up to
        /// 11 letters, digits and spaces. Required.
    }
    own {
        /// Which of its two interfaces sends: `sms`, which names the price of each segment in its answer, or
        /// `messages`.
        #[serde(deserialize_with = "word")]
        api: Api = Api::Sms,
        /// Where the Messages API, the look-up of numbers and the reports are.
        api_url: String = "https://api.nexmo.com".to_owned(),
        /// The application that sends over the Messages API, with its `private_key`. Without the two, the API
        /// key with its secret sends.
        #[serde(skip_serializing_if = "Option::is_none")]
        application_id: Option<String> = None,
        /// How Vonage signs the webhooks of the SMS API, as the account's settings there have it.
        #[serde(deserialize_with = "word")]
        signature_method: Method = Method::Sha256,
        /// How old a signed webhook may be. Vonage tells for a day again what was not taken.
        signed_within: Span = TOLD_AGAIN,
        /// ISO 3166 codes of the countries whose prices are asked for, such as `["US", "GB"]`. Elsewhere
        /// `[rates]` hold.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        prices_for: Vec<String> = Vec::new(),
        /// ISO 4217 currency of the account, in which prices are told that name none. Another than that of
        /// `[guard]` is not posted.
        #[serde(with = "crate::setting::currency")]
        #[schemars(with = "String")]
        currency: Currency = Currency::EUR,
        /// Words for the status of a receipt that mean "sent", besides those that Vonage documents.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        sent_words: Vec<String> = Vec::new(),
    }
    told_in |config| Some(if config.prices_for.is_empty() {
        ToldIn::Charges(config.currency)
    } else {
        ToldIn::Quotes(config.currency)
    });
}

/// The interface that sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "VonageApi")]
pub enum Api {
    /// The SMS API.
    Sms,
    /// The Messages API, with the channel SMS.
    Messages,
}

/// How webhooks of the SMS API are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "VonageSignatureMethod")]
pub enum Method {
    /// The MD5 of the fields with the secret after them.
    Md5hash,
    /// The HMAC with MD5.
    Md5,
    /// The HMAC with SHA-1.
    Sha1,
    /// The HMAC with SHA-256.
    Sha256,
    /// The HMAC with SHA-512.
    Sha512,
}

impl Config {
    /// What types cannot say.
    fn check_own(&self) -> std::result::Result<(), String> {
        rest::base_url(&self.base_url)?;
        rest::base_url(&self.api_url).map_err(|why| why.replacen("base_url", "api_url", 1))?;
        check_countries(&self.prices_for)?;
        wording::check_sent_words(&self.sent_words)?;
        let from = self
            .from
            .as_deref()
            .ok_or("from is not set: a number of the account such as +12025550123, or a name")?;
        if !is_sender(from) {
            return Err("from must be a number of the account in E.164 such as +12025550123, a short code, \
                        or a name of up to 11 letters, digits and spaces"
                .to_owned());
        }
        if self.application_id.is_some() != self.private_key.is_some() {
            return Err("application_id and private_key belong together; one of them is not set".to_owned());
        }
        if self.application_id.as_deref().is_some_and(|id| path_part(id).is_none()) {
            return Err("application_id must be the id of an application: letters, digits and -".to_owned());
        }
        Ok(())
    }
}

/// Whether Vonage could take this as a sender: a number in E.164, a short code, or a name.
pub(super) fn is_sender(from: &str) -> bool {
    sender::is_number_or_code(from) || sender::is_plain_name(from)
}
