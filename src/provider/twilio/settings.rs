//! The settings of Twilio.

use crate::provider::rest::rates::check_countries;
use crate::provider::rest::{self, wording};
use crate::provider::settings::Rate;
use crate::sms::sender;

rest::vendor_settings! {
    /// Settings of Twilio.
    #[schemars(rename = "TwilioConfig")]
    "twilio" at "https://api.twilio.com/2010-04-01", Rate::default(),
        " Twilio queues what is over a number's own rate (one a second for a long code) for up to ten hours.";
    secrets {
        /// The account's SID, `AC...`.
        account_sid: required,
        /// The account's primary auth token. Twilio signs its webhooks with it: without it receipts are
        /// polled and no replies come in.
        auth_token: optional,
        /// An API key, `SK...`: with its secret it stands for the auth token in requests. It signs no
        /// webhooks.
        api_key: optional,
        /// The API key's secret.
        api_key_secret: optional,
        /// The secret of a shared webhook key, where Twilio signs with HMAC-SHA256 and such a key.
        webhook_key: optional,
    }
    from {
        /// Who sends what names no sender: a number of the account in E.164, a short code, a name of up to 11
        /// letters, digits and spaces, or the SID of a Messaging Service, `MG...`, which chooses a sender by
        /// itself. Required.
    }
    own {
        /// ISO 3166 codes of the countries whose prices are asked for, such as `["US", "GB"]`. Elsewhere
        /// `[rates]` hold.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        prices_for: Vec<String> = Vec::new(),
        /// Where the prices are.
        pricing_url: String = "https://pricing.twilio.com/v1".to_owned(),
        /// Where numbers are looked up.
        lookups_url: String = "https://lookups.twilio.com/v2".to_owned(),
        /// Words for a `status` that mean "sent", besides those that Twilio documents.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        sent_words: Vec<String> = Vec::new(),
    }
}

impl Config {
    /// What types cannot say.
    fn check_own(&self) -> std::result::Result<(), String> {
        for (name, url) in [
            ("base_url", &self.base_url),
            ("pricing_url", &self.pricing_url),
            ("lookups_url", &self.lookups_url),
        ] {
            rest::base_url(url).map_err(|why| why.replacen("base_url", name, 1))?;
        }
        wording::check_sent_words(&self.sent_words)?;
        let from = self.from.as_deref().ok_or(
            "from is not set: a number of the account such as +12025550123, or the SID of a Messaging \
             Service, MG...",
        )?;
        if !is_sender(from) && !is_sid(from, SERVICE) {
            return Err(
                "from must be a number of the account in E.164 such as +12025550123, a short code, a \
                        name of up to 11 letters, digits and spaces, or the SID of a Messaging Service: MG \
                        and 32 hexadecimal digits"
                    .to_owned(),
            );
        }
        check_countries(&self.prices_for)
    }
}

/// What the SID of a Messaging Service begins with.
pub(super) const SERVICE: &str = "MG";

/// Whether Twilio could take this as a sender: a number in E.164, a short code, or a name.
pub(super) fn is_sender(from: &str) -> bool {
    sender::is_number_or_code(from) || sender::is_plain_name(from)
}

/// Whether this is an id of this kind: its two letters, and 32 hexadecimal digits.
pub(super) fn is_sid(sid: &str, kind: &str) -> bool {
    sid.strip_prefix(kind)
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
