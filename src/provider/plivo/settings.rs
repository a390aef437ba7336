//! The settings of Plivo. What no page of it says for certain is one of them.

use crate::provider::rest::rates::check_countries;
use crate::provider::rest::{self, path_part, wording};
use crate::provider::settings::{Rate, ToldIn};
use crate::sms::money::Currency;
use crate::sms::sender;

/// Most codes that can be named as opt-outs, and the longest of them in digits.
const MOST_CODES: usize = 20;
const LONGEST_CODE: usize = 6;

rest::vendor_settings! {
    /// Settings of Plivo.
    #[schemars(rename = "PlivoConfig")]
    "plivo" at "https://api.plivo.com/v1", Rate::default(),
        " Plivo queues what is over a sender's own rate.";
    secrets {
        /// The account's Auth ID, `MA...`.
        auth_id: required,
        /// The account's Auth Token. Plivo signs its webhooks with it too.
        auth_token: required,
    }
    from {
        /// Who sends what names no sender: a number of the account in E.164, a short code, or a name of up to
        /// 11 letters, digits and spaces. Either it or `powerpack` is required.
    }
    own {
        /// The id of the Powerpack that chooses a sender for what names none.
        #[serde(skip_serializing_if = "Option::is_none")]
        powerpack: Option<String> = None,
        /// ISO 3166 codes of the countries whose prices are asked for, such as `["US", "GB"]`. Elsewhere
        /// `[rates]` hold.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        prices_for: Vec<String> = Vec::new(),
        /// ISO 4217 currency of the account; its answers name none. Another than that of `[guard]` is not posted.
        #[serde(with = "crate::setting::currency")]
        #[schemars(with = "String")]
        currency: Currency = Currency::USD,
        /// Where numbers are looked up.
        lookup_url: String = "https://lookup.plivo.com/v1".to_owned(),
        /// Codes of reports that say that the person wants no more texts. No page says for certain which.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        opt_out_codes: Vec<String> = Vec::new(),
        /// Whether texts of people are taken where Plivo signs the address alone (V2) and not what they say.
        replies_by_v2: bool = false,
        /// Words for a status that mean "sent", besides those that Plivo documents.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        sent_words: Vec<String> = Vec::new(),
    }
    told_in |config| Some(if config.prices_for.is_empty() {
        ToldIn::Charges(config.currency)
    } else {
        ToldIn::Quotes(config.currency)
    });
}

impl Config {
    /// What types cannot say.
    fn check_own(&self) -> std::result::Result<(), String> {
        rest::base_url(&self.base_url)?;
        rest::base_url(&self.lookup_url).map_err(|why| why.replacen("base_url", "lookup_url", 1))?;
        wording::check_sent_words(&self.sent_words)?;
        check_countries(&self.prices_for)?;
        match (&self.from, &self.powerpack) {
            (None, None) => {
                return Err("from is not set: a number of the account such as +12025550123, or a name; or \
                            powerpack, which chooses one"
                    .to_owned());
            }
            (Some(from), _) if !is_sender(from) => {
                return Err("from must be a number of the account in E.164 such as +12025550123, a short \
                            code, or a name of up to 11 letters, digits and spaces"
                    .to_owned());
            }
            (_, Some(id)) if path_part(id).is_none() => {
                return Err("powerpack must be the id of a Powerpack: letters, digits and -".to_owned());
            }
            _ => {}
        }
        let is_code = |code: &String| {
            (1..=LONGEST_CODE).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit())
        };
        if self.opt_out_codes.len() > MOST_CODES || !self.opt_out_codes.iter().all(is_code) {
            return Err(format!(
                "opt_out_codes: at most {MOST_CODES} codes, each of digits alone such as \"200\""
            ));
        }
        Ok(())
    }
}

/// Whether Plivo could take this as a sender: a number in E.164, a short code, or a name.
pub(super) fn is_sender(from: &str) -> bool {
    sender::is_number_or_code(from) || sender::is_plain_name(from)
}
