//! The settings of Telnyx.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::provider::rest::{self, path_part, wording};
use crate::provider::settings::Rate;
use crate::sms::sender;

/// Octets of an Ed25519 public key.
const KEY: usize = 32;

/// Fewest characters of a name at Telnyx.
const SHORTEST_NAME: usize = 3;

rest::vendor_settings! {
    /// Settings of Telnyx.
    #[schemars(rename = "TelnyxConfig")]
    "telnyx" at "https://api.telnyx.com/v2", Rate::default(),
        " Telnyx queues what is over a number's own rate, for hours.";
    secrets {
        /// The API key.
        api_key: required,
    }
    from {
        /// Who sends what names no sender: a number of the account in E.164, a short code, or a name of 3 to
        /// 11 letters, digits and spaces, which needs `messaging_profile`. Required.
    }
    own {
        /// The id of the messaging profile that sends; that of the number unless set. Its opt-outs are read.
        #[serde(skip_serializing_if = "Option::is_none")]
        messaging_profile: Option<String> = None,
        /// The account's public key, in base64: Telnyx signs its webhooks with it. Without it receipts are
        /// polled and no replies come in.
        #[serde(skip_serializing_if = "Option::is_none")]
        public_key: Option<String> = None,
        /// Whether a text whose answer was lost is posted once more under its key, octet for octet: once, not
        /// before 2 minutes and not after 20 hours. Telnyx promises to answer that with its first answer; what
        /// it does where the first request still runs, or failed, it does not say.
        replay_after_lost_answer: bool = false,
        /// Words for a `status` that mean "sent", besides those that Telnyx documents.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        sent_words: Vec<String> = Vec::new(),
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
            .ok_or("from is not set: a number of the account such as +12025550123, or a name")?;
        if !is_sender(from) {
            return Err("from must be a number of the account in E.164 such as +12025550123, a short code, \
                        or a name of 3 to 11 letters, digits and spaces"
                .to_owned());
        }
        if sender::is_name(from) && self.messaging_profile.is_none() {
            return Err("messaging_profile is not set, and Telnyx sends from a name by one alone".to_owned());
        }
        if self.messaging_profile.as_deref().is_some_and(|id| path_part(id).is_none()) {
            return Err(
                "messaging_profile must be the id of a messaging profile: letters, digits and -".to_owned()
            );
        }
        let is_key = |text: &String| STANDARD.decode(text).is_ok_and(|octets| octets.len() == KEY);
        if self.public_key.as_ref().is_some_and(|key| !is_key(key)) {
            return Err(
                "public_key must be the account's public key: 32 octets in base64, 44 characters".to_owned()
            );
        }
        Ok(())
    }
}

/// Whether Telnyx could take this as a sender: a number in E.164, a short code, or a name.
pub(super) fn is_sender(from: &str) -> bool {
    sender::is_number_or_code(from) || (sender::is_plain_name(from) && from.len() >= SHORTEST_NAME)
}
