//! The settings of Sinch.

use crate::provider::rest::{self, path_part, wording};
use crate::provider::settings::Rate;
use crate::sms::sender;

rest::vendor_settings! {
    /// Settings of Sinch.
    #[schemars(rename = "SinchConfig")]
    "sinch" at "https://us.sms.api.sinch.com", Rate::default(),
        " Sinch queues what is over the plan's own rate.";
    secrets {
        /// The API token of the service plan.
        api_token: required,
        /// The secret that Sinch signs the plan's webhooks with, where that was arranged.
        webhook_secret: optional,
        /// The password that Sinch shows with `webhook_user`, where that was arranged.
        webhook_password: optional,
    }
    from {
        /// Who sends what names no sender: a number in E.164, a short code, or a name of up to 11 letters,
        /// digits and spaces. Required.
    }
    own {
        /// The id of the service plan, which lives in the region of `base_url`. Required.
        #[serde(skip_serializing_if = "Option::is_none")]
        plan: Option<String> = None,
        /// The user that Sinch shows with `webhook_password`.
        #[serde(skip_serializing_if = "Option::is_none")]
        webhook_user: Option<String> = None,
        /// Words for a `status` that mean "sent", besides those that Sinch documents.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        sent_words: Vec<String> = Vec::new(),
    }
}

impl Config {
    /// What types cannot say.
    fn check_own(&self) -> Result<(), String> {
        rest::base_url(&self.base_url)?;
        wording::check_sent_words(&self.sent_words)?;
        if self.plan.as_deref().and_then(path_part).is_none() {
            return Err("plan must be the id of your service plan: letters and digits".to_owned());
        }
        let from = self
            .from
            .as_deref()
            .ok_or("from is not set: a number of the plan such as +12025550123, a short code, or a name")?;
        if !is_sender(from) {
            return Err(
                "from must be a number in E.164 such as +12025550123, a short code, or a name of up \
                        to 11 letters, digits and spaces"
                    .to_owned(),
            );
        }
        if self.webhook_user.is_some() != self.webhook_password.is_some() {
            return Err(
                "webhook_user and webhook_password belong together; one of them is not set".to_owned()
            );
        }
        if self.webhook_user.as_deref().is_some_and(|user| user.is_empty() || user.contains(':')) {
            return Err("webhook_user must be a user's name without a colon".to_owned());
        }
        Ok(())
    }
}

/// Whether Sinch could take this as a sender: a number, a short code, or a name.
pub(super) fn is_sender(from: &str) -> bool {
    sender::is_number_or_code(from) || sender::is_plain_name(from)
}
