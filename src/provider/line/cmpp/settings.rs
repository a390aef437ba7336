//! The settings of a CMPP gateway.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::content::{Gb, Rules};
use super::login::Verify;
use super::pdu::{MAX_DESTINATIONS, Version};
use super::result::ResultCode;
use crate::provider::line::session;
use crate::provider::settings::{Rate, SecretSetting, Settings, Unencrypted};
use crate::setting::{Secret, Span, word};
use crate::sms::quoted;

/// Most digits of a sender: the field has one octet more.
const MAX_SENDER: usize = 20;

/// The longest that a message is valid or held back: its year has two digits, and gateways keep messages for
/// some days.
const LONGEST: Span = Span::hours(720);

/// Settings of a CMPP gateway.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Cmpp")]
pub struct Config {
    /// Your name for it, shown in answers.
    pub name: String,
    /// The gateway's `host:port`. The usual port is 7890. It must be set.
    pub address: String,
    /// The number of your company there (`SP_Id`), up to 6 characters. It must be set.
    pub sp_id: String,
    /// The shared secret.
    #[serde(skip_serializing)]
    pub secret: Option<Secret>,
    /// The highest version to speak. A gateway that refuses it is asked for a lower one.
    #[serde(deserialize_with = "word")]
    pub version: Version,
    /// What to do about the gateway's proof of the secret, which many get wrong: `off`, `warn` or `strict`.
    #[serde(deserialize_with = "word")]
    pub verify: Verify,
    /// The sender (`Src_Id`) where a call names none: your service code, up to 20 digits. It must be set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Your service (`Service_Id`), up to 10 characters.
    pub service_id: String,
    /// Who is charged (`Fee_UserType`): 0 the recipient, 1 the sender, 2 your company, 3 the number in
    /// `fee_terminal_id`.
    pub fee_user_type: u8,
    /// The number that is charged with `fee_user_type` = 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee_terminal_id: Option<String>,
    /// How is charged (`FeeType`): 01 nothing, 02 by message, 03 by month.
    pub fee_type: String,
    /// The price in fen (`FeeCode`), up to 6 digits.
    pub fee_code: String,
    /// Priority, 0 to 9.
    pub msg_level: u8,
    /// Whether reports are asked for.
    pub receipts: bool,
    /// How long the gateway tries to deliver, up to 720h. As it likes unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validity: Option<Span>,
    /// How long the gateway holds each message back before it is delivered, up to 720h. Not at all unless
    /// set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_time: Option<Span>,
    /// Whether Chinese numbers are written with their 11 digits alone. Else with 86 before them.
    pub national_numbers: bool,
    /// Whether numbers outside China are taken; they are written with 00 and their country code.
    pub foreign: bool,
    /// When texts go out in GB18030 and not in UCS-2: `never`, `shorter` (where it saves a segment), or
    /// `always`.
    #[serde(deserialize_with = "word")]
    pub gb18030: Gb,
    /// Most characters of an ASCII text of one segment, 140 to 160. The standard says less than 160.
    pub ascii_limit: u8,
    /// Bits of the number that the segments of a long text share: 8, or 16.
    pub long_reference: u8,
    /// Most destinations of one SUBMIT, 1 to 99, where texts are equal.
    pub destinations_per_submit: u16,
    /// What the results mean that are this gateway's own (100 to 199).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub result_codes: Vec<ResultCode>,
    /// The connections.
    pub session: session::Settings,
    /// How fast it may be used.
    pub rate: Rate,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "cmpp".to_owned(),
            address: String::new(),
            sp_id: String::new(),
            secret: None,
            version: Version::V30,
            verify: Verify::Warn,
            from: None,
            service_id: String::new(),
            fee_user_type: 2,
            fee_terminal_id: None,
            fee_type: "01".to_owned(),
            fee_code: "000000".to_owned(),
            msg_level: 0,
            receipts: true,
            validity: None,
            at_time: None,
            national_numbers: true,
            foreign: false,
            gb18030: Gb::Shorter,
            ascii_limit: 159,
            long_reference: 8,
            destinations_per_submit: 1,
            result_codes: Vec::new(),
            session: session::Settings::default(),
            rate: Rate::default(),
        }
    }
}

/// Whether this is a sender that fits: digits alone.
pub(super) fn is_sender(sender: &str) -> bool {
    (1..=MAX_SENDER).contains(&sender.len()) && sender.bytes().all(|octet| octet.is_ascii_digit())
}

impl Config {
    /// How texts become octets.
    pub(super) fn rules(&self) -> Rules {
        Rules {
            gb: self.gb18030,
            ascii_limit: usize::from(self.ascii_limit),
            is_wide_reference: self.long_reference == 16,
        }
    }

    /// Checks the text fields of a frame.
    fn check_fields(&self) -> std::result::Result<(), String> {
        let is_text = |text: &str, most: usize| {
            text.len() <= most && text.bytes().all(|octet| octet.is_ascii_graphic())
        };
        let is_digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
        if self.sp_id.is_empty() || !is_text(&self.sp_id, 6) {
            return Err(
                "sp_id must be the number of your company at the gateway, 1 to 6 characters".to_owned()
            );
        }
        if !self.from.as_deref().is_some_and(is_sender) {
            return Err(format!(
                "`from` must be your service code there: 1 to {MAX_SENDER} digits, such as 10690001"
            ));
        }
        if !is_text(&self.service_id, 10) {
            return Err("service_id must have at most 10 characters".to_owned());
        }
        if self.fee_type.len() != 2 || !is_digits(&self.fee_type) {
            return Err("fee_type must be two digits, such as 01".to_owned());
        }
        if self.fee_code.len() > 6 || !is_digits(&self.fee_code) {
            return Err("fee_code must have at most 6 digits".to_owned());
        }
        let terminal = self.fee_terminal_id.as_deref();
        if terminal.is_some_and(|terminal| !is_text(terminal, 21))
            || (self.fee_user_type == 3 && terminal.is_none_or(str::is_empty))
        {
            return Err("fee_terminal_id must be the number that is charged, at most 21 characters; \
                fee_user_type = 3 needs it"
                .to_owned());
        }
        Ok(())
    }
}

impl Settings for Config {
    fn name(&self) -> &str {
        &self.name
    }

    fn secrets(&self) -> Vec<SecretSetting<'_>> {
        vec![SecretSetting { name: "secret", secret: self.secret.as_ref(), is_required: true, is_pem: false }]
    }

    fn rate(&self) -> Rate {
        self.rate
    }

    fn unencrypted(&self) -> Option<Unencrypted<'_>> {
        self.session.unencrypted(&self.address)
    }

    fn sender(&self) -> Option<&str> {
        self.from.as_deref()
    }

    fn longest_send(&self) -> Option<Duration> {
        Some(self.session.longest())
    }

    fn check(&self) -> std::result::Result<(), String> {
        if !session::is_address(&self.address) {
            return Err(format!(
                "address \"{}\" must be the gateway's host:port, such as ismg.example.com:7890",
                quoted::without_user(&self.address)
            ));
        }
        self.check_fields()?;
        for (name, span) in [("validity", self.validity), ("at_time", self.at_time)] {
            if span.is_some_and(|span| !(Span::seconds(1)..=LONGEST).contains(&span)) {
                return Err(format!("{name} must be from 1s to {LONGEST}"));
            }
        }
        let numbers = [
            ("fee_user_type", u32::from(self.fee_user_type), 0, 3),
            ("msg_level", u32::from(self.msg_level), 0, 9),
            ("ascii_limit", u32::from(self.ascii_limit), 140, 160),
            (
                "destinations_per_submit",
                u32::from(self.destinations_per_submit),
                1,
                u32::try_from(MAX_DESTINATIONS).unwrap_or(99),
            ),
        ];
        if let Some((name, number, least, most)) =
            numbers.into_iter().find(|(_, number, least, most)| !(least..=most).contains(&number))
        {
            return Err(format!("{name} is {number}; it must be from {least} to {most}"));
        }
        if !matches!(self.long_reference, 8 | 16) {
            return Err("long_reference must be 8 or 16".to_owned());
        }
        if self.result_codes.iter().any(|row| row.code == 0) {
            return Err("result_codes: the code 0 says that all is well, and means nothing else".to_owned());
        }
        self.session.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_a_field_is_named() {
        let fine = Config {
            address: "127.0.0.1:7890".to_owned(),
            sp_id: "900001".to_owned(),
            from: Some("10690001".to_owned()),
            ..Config::default()
        };
        assert_eq!(fine.check(), Ok(()));
        let text = |text: &str| Some(text.to_owned());
        for (wrong, named) in [
            (Config { address: "ismg.example.com".to_owned(), ..fine.clone() }, "address"),
            (Config { address: ":7890".to_owned(), ..fine.clone() }, "address"),
            (Config { address: "cmpp://ismg.example.com:7890".to_owned(), ..fine.clone() }, "address"),
            (Config { validity: Some(Span::seconds(0)), ..fine.clone() }, "validity"),
            (Config { validity: Some(Span::hours(24 * 365 * 90)), ..fine.clone() }, "validity"),
            (Config { at_time: Some(Span::hours(721)), ..fine.clone() }, "at_time"),
            (Config { sp_id: "9000012".to_owned(), ..fine.clone() }, "sp_id"),
            (Config { sp_id: String::new(), ..fine.clone() }, "sp_id"),
            (Config { from: None, ..fine.clone() }, "from"),
            (Config { from: text("ACME"), ..fine.clone() }, "from"),
            (Config { service_id: "12345678901".to_owned(), ..fine.clone() }, "service_id"),
            (Config { fee_type: "1".to_owned(), ..fine.clone() }, "fee_type"),
            (Config { fee_code: "1.50".to_owned(), ..fine.clone() }, "fee_code"),
            (Config { fee_user_type: 3, ..fine.clone() }, "fee_terminal_id"),
            (Config { fee_user_type: 4, ..fine.clone() }, "fee_user_type"),
            (Config { msg_level: 10, ..fine.clone() }, "msg_level"),
            (Config { ascii_limit: 161, ..fine.clone() }, "ascii_limit"),
            (Config { destinations_per_submit: 100, ..fine.clone() }, "destinations_per_submit"),
            (Config { long_reference: 7, ..fine.clone() }, "long_reference"),
        ] {
            assert!(wrong.check().is_err_and(|why| why.contains(named)), "{named}");
        }
    }
}
