//! The settings of a gateway, read and held against each other: what of them fits together, and what each
//! part of them says. Whatever contradicts something is refused here, when the settings are read, with the
//! name of the key.

use std::collections::BTreeSet;

use url::Url;

use super::auth::Auth;
use super::hooks::{Around, Hooks};
use super::lookup::{BalanceOf, Lookup, States, asked};
use super::money::Scale;
use super::numbers::Numbers;
use super::presets::resolved;
use super::reading::Reading;
use super::request::{Address, Shape, base_url, integer};
use super::settings::Config;
use super::template::{PLACEHOLDERS, Values};
use crate::sms::money::Currency;
use crate::sms::sender;
use crate::sms::untrusted::escape_up_to;

/// Most values of an operator's own, and the longest of them in characters.
const MOST_VALUES: usize = 20;
const LONGEST_VALUE: usize = 500;

/// Most digits of a number that sends.
const MOST_DIGITS: usize = 15;

/// What the settings say.
pub struct Plan {
    /// Where the gateway is.
    pub base: Url,
    /// How requests show who we are.
    pub auth: Auth,
    /// The request that sends.
    pub shape: Shape,
    /// How numbers are written.
    pub numbers: Numbers,
    /// Who sends what names no sender; nothing where no sender is told.
    pub from: Option<String>,
    /// Most characters and segments of a text.
    pub most: (Option<u32>, Option<u32>),
    /// What `{type}` is for a text in GSM-7, and for any other.
    pub types: Option<(String, String)>,
    /// The operator's own values.
    pub values: Values,
    /// What an answer to a send means.
    pub reading: Reading,
    /// How a message is looked up.
    pub lookup: Option<Lookup>,
    /// How the balance is asked for.
    pub balance: Option<BalanceOf>,
    /// What the live check asks.
    pub check: Option<Address>,
    /// What the gateway tells by itself.
    pub hooks: Option<Hooks>,
}

/// Whether a gateway could take this as a sender: a number with its plus or without, a short code, or a name
/// of 1 to 11 letters, digits and spaces.
pub fn is_sender(from: &str) -> bool {
    let digits = from.strip_prefix('+').unwrap_or(from);
    let is_number =
        (3..=MOST_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number || sender::is_plain_name(from)
}

/// The operator's own values, checked.
fn values_of(config: &Config) -> Result<Values, String> {
    if config.values.len() > MOST_VALUES {
        return Err(format!("values has more than {MOST_VALUES} of them"));
    }
    let mut values = Values::default();
    for (name, value) in &config.values {
        let is_name = !name.is_empty()
            && name.len() <= 40
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !is_name {
            return Err(format!(
                "values has a name that is none for a placeholder, \"{}\": lower-case letters, digits and _",
                escape_up_to(name, 40)
            ));
        }
        if PLACEHOLDERS.contains(&name.as_str()) {
            return Err(format!("values.{name} has the name of a placeholder that is there already"));
        }
        if value.is_empty() || value.chars().count() > LONGEST_VALUE {
            return Err(format!("values.{name} is empty, or has more than {LONGEST_VALUE} characters"));
        }
        values = values.with(name, value.as_str());
    }
    Ok(values)
}

/// What placeholders there are, and where each may stand.
struct Names<'a> {
    values: &'a Values,
    has_user: bool,
    has_body_auth: bool,
    has_types: bool,
}

impl Names<'_> {
    /// Whether there is such a placeholder.
    fn knows(&self, slot: &str, is_in_body: bool) -> Result<(), String> {
        let is_shown = is_in_body && self.has_body_auth;
        match slot {
            "user" if is_shown && self.has_user => Ok(()),
            "secret" if is_shown => Ok(()),
            "user" | "secret" => Err(format!(
                "has {{{slot}}}, which stands in a body alone, with auth.type = \"body\"{}",
                if slot == "user" { " and user set" } else { "" }
            )),
            "type" if !self.has_types => {
                Err("has {type}, and send.type_gsm and send.type_unicode are not set".to_owned())
            }
            known if PLACEHOLDERS.contains(&known) || self.values.get(known).is_some() => Ok(()),
            other => Err(format!(
                "has {{{}}}, which is no placeholder; there are {}, and those of `values`: set values.NAME for one \
                 of your own",
                escape_up_to(other, 40),
                PLACEHOLDERS.join(", ")
            )),
        }
    }

    /// The same where a text is sent.
    fn of_send(&self, slot: &str, is_in_body: bool) -> Result<(), String> {
        match slot {
            "vendor_id" => Err("has {vendor_id}, which is not known before the answer".to_owned()),
            other => self.knows(other, is_in_body),
        }
    }

    /// The same where a message is looked up.
    fn of_status(&self, slot: &str) -> Result<(), String> {
        match slot {
            "text" | "type" | "parts" | "callback_url" | "time" | "from" => {
                Err(format!("has {{{slot}}}, which is not known when a message is looked up"))
            }
            other => self.knows(other, false),
        }
    }
}

/// What is asked besides sending.
type Asked = (Option<Lookup>, Option<BalanceOf>, Option<Address>);

fn asked_of(
    config: &Config,
    names: &Names<'_>,
    (states, scale, currency): (&States, Scale<'_>, Option<Currency>),
) -> Result<Asked, String> {
    let of_status = |slot: &str| names.of_status(slot);
    let lookup = config.status.as_ref();
    let lookup =
        lookup.map(|status| Lookup::of(status, &of_status, (states, scale, currency))).transpose()?;
    let is_asked = |slot: &str| names.knows(slot, false);
    let balance = config.balance.as_ref();
    let balance = balance.map(|balance| BalanceOf::of(balance, &is_asked, currency)).transpose()?;
    let check = config.check.as_ref();
    let check = check.map(|check| asked("check.path", &check.path, &is_asked)).transpose()?;
    if balance.is_some() && check.is_some() {
        return Err("check is set beside balance, which the live check asks for; keep one".to_owned());
    }
    Ok((lookup, balance, check))
}

impl Plan {
    /// Reads the settings.
    ///
    /// # Errors
    /// What is wrong, naming the setting and what would be right.
    pub fn of(config: &Config) -> Result<Self, String> {
        let config = &*resolved(config)?;
        if config.base_url.is_empty() {
            return Err(
                "base_url is not set: the gateway's address, such as https://api.example.com/v1; or set \
                        preset"
                    .to_owned(),
            );
        }
        let base = base_url(&config.base_url, config.allow_plain_http)?;
        let send =
            config.send.as_ref().ok_or("send is not set: the request that sends a text; or set preset")?;
        let answer = config.answer.as_ref().ok_or("answer is not set: what an answer to it means")?;
        let currency = currency_of(config)?;
        let auth = Auth::of(config.auth.as_ref(), config.user.is_some(), config.secret.is_some())?;
        let (types, values) = (types_of(send)?, values_of(config)?);
        let names = Names {
            values: &values,
            has_user: config.user.is_some(),
            has_body_auth: matches!(auth, Auth::Body),
            has_types: types.is_some(),
        };
        let shape = Shape::of(send, &|slot| names.of_send(slot, false), &|slot| names.of_send(slot, true))?;
        let numbers = numbers_of(send, &shape)?;
        let states = States::of(&config.states)?;
        let reading = Reading::of(answer, currency)?;
        let scale = Scale {
            scale: answer.price_scale.as_ref(),
            is_abs: answer.price_abs,
            currency_at: answer.price_currency.as_ref(),
        };
        let (lookup, balance, check) = asked_of(config, &names, (&states, scale, currency))?;
        let around = Around {
            states: &states,
            numbers: &numbers,
            scale,
            currency,
            can_look: lookup.is_some(),
            has_ids: reading.has_ids(),
            has_callback: shape.names().contains(&"callback_url"),
            has_secret: config.webhook_secret.is_some(),
        };
        let hooks = Hooks::of(config, &around)?;
        let addresses = balance.iter().map(|balance| &balance.address).chain(check.iter());
        let addresses = addresses.chain(lookup.iter().map(|lookup| &lookup.address));
        let used: BTreeSet<&str> = addresses.flat_map(Address::names).chain(shape.names()).collect();
        all_used(config, &auth, &used, (lookup.is_some(), balance.is_some() || check.is_some()))?;
        let has_no_id = config.status.as_ref().is_some_and(|status| status.id.is_none());
        if has_no_id && reading.has_ids() && lookup.as_ref().is_some_and(Lookup::is_by_reference) {
            return Err(
                "status.id is not set, and status.path asks by {id}: where does the answer say which id \
                        of the gateway's that is?"
                    .to_owned(),
            );
        }
        let from = from_of(config, &used, &shape)?;
        Ok(Self {
            base,
            auth,
            shape,
            numbers,
            from,
            most: (send.max_chars, send.max_parts),
            types,
            values,
            reading,
            lookup,
            balance,
            check,
            hooks,
        })
    }
}

impl Config {
    /// What types cannot say.
    pub(super) fn check_own(&self) -> Result<(), String> {
        Plan::of(self).map(drop)
    }
}

fn currency_of(config: &Config) -> Result<Option<Currency>, String> {
    let read = |text: &String| text.parse::<Currency>().map_err(|error| format!("currency: {error}"));
    config.currency.as_ref().map(read).transpose()
}

fn types_of(send: &super::settings::Outgoing) -> Result<Option<(String, String)>, String> {
    for (name, most) in [("max_chars", send.max_chars), ("max_parts", send.max_parts)] {
        if most == Some(0) {
            return Err(format!("send.{name} is 0; leave it out for no limit"));
        }
    }
    match (&send.type_gsm, &send.type_unicode) {
        (Some(gsm), Some(unicode)) => Ok(Some((gsm.clone(), unicode.clone()))),
        (None, None) => Ok(None),
        _ => Err("send.type_gsm and send.type_unicode are set together, or not at all".to_owned()),
    }
}

/// Checks that nothing is set that nothing uses.
fn all_used(
    config: &Config,
    auth: &Auth,
    used: &BTreeSet<&str>,
    (looks, asks): (bool, bool),
) -> Result<(), String> {
    if let Some(name) = config.values.keys().find(|name| !used.contains(name.as_str())) {
        return Err(format!("values.{name} is set, and no placeholder {{{name}}} is anywhere"));
    }
    if matches!(auth, Auth::Body) {
        let is_user_shown = config.user.is_none() || used.contains("user");
        if !used.contains("secret") || !is_user_shown {
            return Err(
                "auth.type is \"body\", and the body has no place for {secret}, or for {user}, which is \
                        set"
                .to_owned(),
            );
        }
        if looks || asks {
            return Err(
                "auth.type is \"body\", and status, balance or check is a GET, which has no body to show \
                        the secret in"
                    .to_owned(),
            );
        }
    }
    let send = config.send.as_ref();
    if send.is_some_and(|send| send.type_gsm.is_some()) && !used.contains("type") {
        return Err("send.type_gsm is set, and no placeholder {type} is anywhere".to_owned());
    }
    Ok(())
}

/// How numbers are written.
fn numbers_of(send: &super::settings::Outgoing, shape: &Shape) -> Result<Numbers, String> {
    let numbers = Numbers::parse(send.number_format.as_deref())?;
    if numbers == Numbers::Zeros && shape.has_number("to") {
        return Err(
            "send.json has {to:int}, and send.number_format is \"zeros\", which a number cannot keep: \
                    \"digits\", or {to} without :int"
                .to_owned(),
        );
    }
    Ok(numbers)
}

/// Who sends what names no sender.
fn from_of(config: &Config, used: &BTreeSet<&str>, shape: &Shape) -> Result<Option<String>, String> {
    match &config.from {
        Some(_) if !used.contains("from") => Err(
            "from is set, and send has no place for {from}: the gateway would choose the sender by itself"
                .to_owned(),
        ),
        Some(from) if !is_sender(from) => {
            Err("from must be a number such as +12025550123, a short code, or a \
                                               name of 1 to 11 letters, digits and spaces"
                .to_owned())
        }
        None if used.contains("from") => Err(
            "from is not set, and the gateway is told who sends: a number such as +12025550123, or a name"
                .to_owned(),
        ),
        Some(from) if shape.has_number("from") && integer(from).is_none() => Err(
            "from must be a number without zeros before it, such as +12025550123, since send.json has {from:int}"
                .to_owned(),
        ),
        from => Ok(from.clone()),
    }
}
