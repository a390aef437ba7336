//! The settings of Mailpro. What its pages contradict each other about, or leave out, is one of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::provider::rest;
use crate::provider::rest::wording::check_sent_words;
use crate::provider::settings::{Rate, ToldIn};
use crate::setting::word;
use crate::sms::money::{Amount, Currency};

/// Longest sender name, in characters.
const MAX_SENDER: usize = 10;

/// Requests that an account may make in a minute by default (API manual V2.3.4).
const PER_MINUTE: u32 = 500;

/// Parameters whose meaning is fixed.
const FIXED: [&str; 4] = ["id_client", "api_key", "to", "message"];

rest::vendor_settings! {
    /// Settings of Mailpro.
    #[schemars(rename = "MailproConfig")]
    "mailpro" at "https://api.mailpro.com/sms", Rate { per_minute: Some(PER_MINUTE), ..Rate::default() };
    secrets {
        /// The client's id.
        id_client: required,
        /// The API key.
        api_key: required,
    }
    from {
        /// The account's sender name: at most 10 letters and digits, set and approved at the vendor.
    }
    own {
        /// The parameter that carries the sender name. No page documents one; without it the account's own
        /// name is shown.
        #[serde(skip_serializing_if = "Option::is_none")]
        sender_parameter: Option<String> = None,
        /// Which generation of answers to ask for: the ending of each path. Both are understood.
        #[serde(deserialize_with = "word")]
        format: Format = Format::Json,
        /// How numbers are written: `plus` (+41...) or `zeros` (0041...).
        #[serde(deserialize_with = "word")]
        number_format: NumberFormat = NumberFormat::Plus,
        /// The parameter of a campaign that names the list. In the older pages it is `to`.
        list_parameter: String = "id_list".to_owned(),
        /// The parameter of a campaign that says when. In the older pages it is `Scheduled_time`.
        schedule_parameter: String = "plan_date".to_owned(),
        /// Words for a `Result` that mean "sent", besides the `OK` that the vendor documents.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        sent_words: Vec<String> = Vec::new(),
        /// What one credit is worth, in `currency`. Without it no real price is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        credit_worth: Option<Amount> = None,
        /// ISO 4217 currency of that worth.
        #[serde(with = "crate::setting::currency")]
        #[schemars(with = "String")]
        currency: Currency = Currency::USD,
        /// Whether the price of a send may be read from the difference of the credits that are left. Not
        /// where others send from the account at the same time.
        price_from_remaining: bool = true,
        /// Whether the history is looked at for the state of a message, by number and time.
        history: bool = false,
        /// Whether reports (`sms.delivered`) are taken; the vendor has announced them.
        webhook: bool = false,
        /// The paths of its functions.
        paths: Paths = Paths::default(),
    }
    told_in |config| config.credit_worth.map(|_| ToldIn::Charges(config.currency));
}

/// Which generation of answers is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MailproFormat")]
pub enum Format {
    /// `.json`
    Json,
    /// `.xml`
    Xml,
}

impl Format {
    /// The path of a function with the ending that asks for this format; a path that has an ending keeps it.
    pub(super) fn path(self, path: &str) -> String {
        let has_ending = path.rsplit('/').next().is_some_and(|last| last.contains('.'));
        match self {
            _ if has_ending => path.to_owned(),
            Self::Json => format!("{path}.json"),
            Self::Xml => format!("{path}.xml"),
        }
    }
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "MailproNumberFormat")]
pub enum NumberFormat {
    /// +41791234567
    Plus,
    /// 0041791234567
    Zeros,
}

/// `[provider.paths]`: where each function is, below the base address and without the ending.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "MailproPaths")]
pub struct Paths {
    /// What is left to spend. In the older pages `credits/getcredits`.
    pub credit: String,
    /// One text to one number.
    pub send_single: String,
    /// One text to a list.
    pub send_list: String,
    /// Lists: all of them.
    pub lists: String,
    /// Lists: a new one.
    pub lists_add: String,
    /// Lists: change one.
    pub lists_edit: String,
    /// Lists: delete one.
    pub lists_delete: String,
    /// Numbers of a list: all of them.
    pub phones: String,
    /// Numbers of a list: a new one.
    pub phones_add: String,
    /// Numbers of a list: change one.
    pub phones_edit: String,
    /// Numbers of a list: delete one.
    pub phones_delete: String,
    /// What was sent.
    pub history: String,
    /// A file of numbers. The vendor has it, and no page says where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// Announced: send a code to a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_start: Option<String>,
    /// Announced: check such a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_check: Option<String>,
    /// Announced: look a number up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_lookup: Option<String>,
    /// Announced: who wants no more texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressions: Option<String>,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            credit: "credit/get".to_owned(),
            send_single: "send/add_single".to_owned(),
            send_list: "send/add".to_owned(),
            lists: "list/list".to_owned(),
            lists_add: "list/add".to_owned(),
            lists_edit: "list/edit".to_owned(),
            lists_delete: "list/delete".to_owned(),
            phones: "phone/list".to_owned(),
            phones_add: "phone/add".to_owned(),
            phones_edit: "phone/edit".to_owned(),
            phones_delete: "phone/delete".to_owned(),
            history: "history/list".to_owned(),
            upload: None,
            verify_start: None,
            verify_check: None,
            phone_lookup: None,
            suppressions: None,
        }
    }
}

impl Paths {
    /// Each path that is set, with its setting.
    fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let needed = [
            ("credit", &self.credit),
            ("send_single", &self.send_single),
            ("send_list", &self.send_list),
            ("lists", &self.lists),
            ("lists_add", &self.lists_add),
            ("lists_edit", &self.lists_edit),
            ("lists_delete", &self.lists_delete),
            ("phones", &self.phones),
            ("phones_add", &self.phones_add),
            ("phones_edit", &self.phones_edit),
            ("phones_delete", &self.phones_delete),
            ("history", &self.history),
        ];
        let optional = [
            ("upload", &self.upload),
            ("verify_start", &self.verify_start),
            ("verify_check", &self.verify_check),
            ("phone_lookup", &self.phone_lookup),
            ("suppressions", &self.suppressions),
        ];
        let optional = optional.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?)));
        needed.into_iter().chain(optional).map(|(name, path)| (name, path.as_str()))
    }
}

/// Whether this is a sender name that the vendor can show.
pub(super) fn is_sender(name: &str) -> bool {
    (1..=MAX_SENDER).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl Config {
    /// What types cannot say.
    fn check_own(&self) -> std::result::Result<(), String> {
        rest::base_url(&self.base_url)?;
        check_sent_words(&self.sent_words)?;
        if let Some(from) = self.from.as_ref().filter(|from| !is_sender(from)) {
            return Err(format!(
                "from \"{from}\" is no sender name: 1 to {MAX_SENDER} letters and digits, no spaces"
            ));
        }
        if self.credit_worth.is_some_and(|worth| worth <= Amount(0)) {
            return Err("credit_worth must be more than 0".to_owned());
        }
        let is_plain = |text: &str, more: &[u8]| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        let sender = self.sender_parameter.as_deref();
        let parameters =
            [("sender_parameter", sender), ("schedule_parameter", Some(self.schedule_parameter.as_str()))];
        for (setting, name) in parameters {
            if name.is_some_and(|name| !is_plain(name, b"_") || FIXED.contains(&name)) {
                return Err(format!(
                    "{setting} must be the name of a parameter, such as plan_date, and none of {}",
                    FIXED.join(", ")
                ));
            }
        }
        // The older pages call the list `to`, which stands alone in a campaign.
        let list = self.list_parameter.as_str();
        if !is_plain(list, b"_") || (FIXED.contains(&list) && list != "to") {
            return Err("list_parameter must be the name of a parameter, such as id_list or to".to_owned());
        }
        if list == self.schedule_parameter
            || sender.is_some_and(|sender| sender == list || sender == self.schedule_parameter)
        {
            return Err("list_parameter, schedule_parameter and sender_parameter must differ".to_owned());
        }
        if let Some((name, path)) =
            self.paths.all().find(|(_, path)| !is_plain(path, b"/_-.") || path.contains(".."))
        {
            return Err(format!("paths.{name} \"{path}\" is no path below base_url, such as credit/get"));
        }
        Ok(())
    }
}
