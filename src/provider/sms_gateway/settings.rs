//! The settings of SMS Gateway for Android.

use url::Url;

use crate::provider::rest::{self, path_part, wording};
use crate::provider::settings::{Rate, ToldIn};
use crate::setting::Span;
use crate::sms::money::{Amount, Currency};
use crate::sms::number::Number;

/// How many texts a minute a phone sends unless another pace is set. Carriers block the SIM of a phone that
/// sends fast, and Android itself asks its user at 30 a minute.
const PER_MINUTE: u32 = 6;

/// The SIM cards of a phone.
const SIMS: std::ops::RangeInclusive<u8> = 1..=3;

/// The shortest and the longest time for which a phone may try, in seconds.
const TTL_S: std::ops::RangeInclusive<u64> = 5..=604_800;

rest::vendor_settings! {
    /// Settings of SMS Gateway for Android.
    #[schemars(rename = "SmsGatewayConfig")]
    "sms_gateway" at "https://api.sms-gate.app/3rdparty/v1",
        Rate { per_minute: Some(PER_MINUTE), ..Rate::default() },
        " Carriers block phones that send fast; questions count too.";
    secrets {
        /// The password that the app shows.
        password: optional,
        /// A JWT of the cloud or of a private server, in the place of user and password.
        token: optional,
        /// The key that the phone signs its webhooks with: Settings, Webhooks, Signing Key in the app.
        /// Without it receipts are polled and no replies come in.
        signing_key: optional,
    }
    from {
        /// The phone's own number, in E.164: what a call may name as sender. The phone sends from no other.
    }
    own {
        /// The user that the app shows.
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<String> = None,
        /// Whether `base_url` may begin with `http://` for an address of a private network: the app's local
        /// server knows no encryption. The password and every text go there as they are.
        allow_plain_http: bool = false,
        /// The id of the phone that sends, where the account has several; any of them unless set.
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<String> = None,
        /// The SIM card that sends, from 1 to 3; the app's choice unless set.
        #[serde(skip_serializing_if = "Option::is_none")]
        sim: Option<u8> = None,
        /// How long the phone may try, from 5s to 168h; for ever unless set.
        #[serde(skip_serializing_if = "Option::is_none")]
        ttl: Option<Span> = None,
        /// What a segment costs, in `currency`: 0 where the SIM card's plan has texts in it.
        price: Amount = Amount(0),
        /// ISO 4217 currency of `price`; that of `[guard]`, or nothing is posted.
        #[serde(with = "crate::setting::currency")]
        #[schemars(with = "String")]
        currency: Currency = Currency::USD,
        /// Words for a `state` that mean "sent", besides those that the app documents.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        sent_words: Vec<String> = Vec::new(),
    }
    told_in |config| Some(match config.price.0 {
        0 => ToldIn::Charges(config.currency),
        _ => ToldIn::Quotes(config.currency),
    });
    unencrypted |config| {
        let instead = "keep that network to yourselves, or go through a tunnel or the app's cloud";
        rest::plain(&config.base_url, instead)
    };
}

impl Config {
    /// Where the app's interface is.
    pub(super) fn base(&self) -> Result<Url, String> {
        rest::base_url_within(&self.base_url, self.allow_plain_http).map_err(|why| {
            let hint = "; the app's local server needs allow_plain_http = true";
            if self.base_url.starts_with("http://") && !self.allow_plain_http { why + hint } else { why }
        })
    }

    /// What types cannot say.
    fn check_own(&self) -> Result<(), String> {
        self.base()?;
        wording::check_sent_words(&self.sent_words)?;
        if self.user.is_some() != self.password.is_some() {
            return Err("user and password belong together; one of them is not set".to_owned());
        }
        if self.user.is_none() && self.token.is_none() {
            return Err("user and password are not set, and no token either: the app shows them".to_owned());
        }
        if self.user.as_deref().is_some_and(|user| user.is_empty() || user.contains(':')) {
            return Err("user must be the user's name that the app shows, without a colon".to_owned());
        }
        let is_number = |from: &str| Number::parse(from, None).is_ok_and(|number| number.e164() == from);
        if self.from.as_deref().is_some_and(|from| !is_number(from)) {
            return Err("from must be the phone's own number in E.164, such as +447700900123".to_owned());
        }
        if self.device.as_deref().is_some_and(|id| path_part(id).is_none()) {
            return Err("device must be the id of a phone: letters, digits, - and _".to_owned());
        }
        if self.sim.is_some_and(|sim| !SIMS.contains(&sim)) {
            return Err("sim must be 1, 2 or 3".to_owned());
        }
        if self.ttl.is_some_and(|ttl| !TTL_S.contains(&ttl.duration().as_secs())) {
            return Err("ttl must be from 5s to 168h".to_owned());
        }
        if self.price.0 < 0 {
            return Err("price must be 0 or more".to_owned());
        }
        Ok(())
    }
}
