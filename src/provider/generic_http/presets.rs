//! Gateways that are known here: each a file of settings of the same kind as an operator's own, with
//! everything but the credentials.
//!
//! Beside a preset only that may be set which makes it somebody's: the credentials, the sender, the values of
//! its placeholders, the address, the currency, the connection, and words that the preset does not know. What a request looks like and what an
//! answer means is the preset's alone, since half of the one and half of the other would be nobody's gateway.

use std::borrow::Cow;

use super::settings::{Check, Config, Preset, Proof, Webhooks};
use crate::sms::money::Currency;

/// Its settings.
const fn text(preset: Preset) -> &'static str {
    match preset {
        Preset::Elks46 => include_str!("presets/46elks.toml"),
        Preset::Bandwidth => include_str!("presets/bandwidth.toml"),
        Preset::ClickSend => include_str!("presets/clicksend.toml"),
        Preset::HttpSms => include_str!("presets/httpsms.toml"),
        Preset::Kannel => include_str!("presets/kannel.toml"),
        Preset::MessageBird => include_str!("presets/messagebird.toml"),
    }
}

impl Config {
    /// The currency in which the gateway tells prices, where the settings know it.
    pub(super) fn told_currency(&self) -> Option<Currency> {
        resolved(self).ok()?.currency.as_ref()?.parse().ok()
    }
}

/// The settings with what the preset says, if one is named.
///
/// # Errors
/// What is set beside a preset that is the preset's own.
pub fn resolved(config: &Config) -> Result<Cow<'_, Config>, String> {
    let Some(preset) = config.preset else { return Ok(Cow::Borrowed(config)) };
    let own = [
        ("auth", config.auth.is_some()),
        ("send", config.send.is_some()),
        ("answer", config.answer.is_some()),
        ("status", config.status.is_some()),
        ("balance", config.balance.is_some()),
        ("check", config.check.is_some()),
        ("webhooks", config.webhooks.is_some()),
        ("receipts", config.receipts.is_some()),
        ("replies", config.replies.is_some()),
    ];
    let name = preset.name();
    if let Some((table, _)) = own.into_iter().find(|(_, is_set)| *is_set) {
        return Err(format!(
            "{table} is set beside preset = \"{name}\", which says all of that; take {table} out, or take \
             preset out and write the whole gateway"
        ));
    }
    let known: Config =
        toml::from_str(text(preset)).map_err(|error| format!("the preset {name} cannot be read: {error}"))?;
    let mut whole = Config { preset: None, ..known };
    whole.name.clone_from(&config.name);
    whole.user.clone_from(&config.user);
    whole.secret.clone_from(&config.secret);
    whole.webhook_secret.clone_from(&config.webhook_secret);
    whole.http.clone_from(&config.http);
    whole.rate = config.rate;
    whole.allow_plain_http = config.allow_plain_http;
    whole.values.clone_from(&config.values);
    if !config.base_url.is_empty() {
        whole.base_url.clone_from(&config.base_url);
    }
    whole.from = config.from.clone().or(whole.from);
    whole.currency = config.currency.clone().or(whole.currency);
    for (word, means) in &config.states {
        let lower = word.trim().to_lowercase();
        if whole.states.keys().any(|known| known.to_lowercase() == lower) {
            return Err(format!("states.{word} is a word that preset = \"{name}\" knows; take it out"));
        }
        whole.states.insert(word.clone(), *means);
    }
    without_what_nobody_said(&mut whole);
    // What the gateway tells by itself is not demanded: without its secret nothing of it is believed.
    if whole.webhook_secret.is_none() && whole.webhooks.as_ref().is_some_and(needs_secret) {
        (whole.webhooks, whole.receipts, whole.replies) = (None, None, None);
    }
    Ok(Cow::Owned(whole))
}

/// Whether the preset's webhooks would come, if there were a secret to believe them by.
pub fn lacks_webhook_secret(config: &Config) -> bool {
    let known = config.preset.and_then(|preset| toml::from_str::<Config>(text(preset)).ok());
    let webhooks = known.and_then(|known| known.webhooks);
    config.webhook_secret.is_none() && webhooks.as_ref().is_some_and(needs_secret)
}

/// Takes out what needs a word of the operator's that is not there: figures in nobody knows which currency,
/// and look-ups whose words nobody has said anything of.
fn without_what_nobody_said(whole: &mut Config) {
    if whole.states.is_empty() {
        (whole.status, whole.receipts) = (None, None);
    }
    if whole.currency.is_some() {
        return;
    }
    if let Some(answer) = whole.answer.as_mut().filter(|answer| answer.price_currency.is_none()) {
        (answer.price, answer.price_scale, answer.price_abs) = (None, None, false);
        if let Some(status) = whole.status.as_mut().filter(|status| status.price_currency.is_none()) {
            status.price = None;
        }
        if let Some(receipts) = whole.receipts.as_mut().filter(|receipts| receipts.price_currency.is_none()) {
            receipts.price = None;
        }
    }
    if let Some(balance) = whole.balance.take_if(|balance| balance.currency.is_none()) {
        whole.check = Some(Check { path: balance.path });
    }
}

const fn needs_secret(webhooks: &Webhooks) -> bool {
    matches!(webhooks.auth, Proof::Basic | Proof::Header | Proof::Hmac | Proof::Jwt)
}
