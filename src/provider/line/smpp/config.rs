//! The settings of an SMPP account.

use std::time::Duration;

use rusmpp::values::ServiceType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alphabet::{Alphabet, Long};
use super::inbox::ReceiptIds;
use super::sender::sender_form;
use super::status::StatusCode;
use super::write::{self, Common};
use crate::provider::line::session;
use crate::provider::settings::{Rate, SecretSetting, Settings, Unencrypted};
use crate::setting::{Secret, Span, word};
use crate::sms::quoted;

/// The longest time that can be written as a relative one without counting months, whose length varies.
const MOST_DAYS: u64 = 30;

/// Which binds are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SmppMode")]
pub enum Mode {
    /// Both directions on one bind.
    #[default]
    Transceiver,
    /// A bind for each direction.
    TransmitterAndReceiver,
    /// Sending alone: no receipts, no replies.
    Transmitter,
}

/// Which receipts are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SmppReceipts")]
pub enum Receipts {
    /// For every message.
    #[default]
    All,
    /// For those that fail.
    Failures,
    /// None.
    None,
}

/// Settings of an SMPP v3.4 account at a carrier or aggregator.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Smpp")]
pub struct Config {
    /// Your name for it, shown in answers.
    pub name: String,
    /// The carrier's `host:port`.
    pub address: String,
    /// Who you are there.
    pub system_id: String,
    /// The password.
    #[serde(skip_serializing)]
    pub password: Option<Secret>,
    /// What kind of system you are, where the carrier asks for it.
    pub system_type: String,
    /// Which binds are made.
    #[serde(deserialize_with = "word")]
    pub mode: Mode,
    /// Sender ID or number where a call names none. Without it the carrier shows that of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Type of number of the sender, in place of the one of its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ton: Option<u8>,
    /// Numbering plan of the sender, in place of the one of its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_npi: Option<u8>,
    /// Type of number of recipients.
    pub dest_ton: u8,
    /// Numbering plan of recipients.
    pub dest_npi: u8,
    /// What `data_coding` 0 means there.
    #[serde(deserialize_with = "word")]
    pub alphabet: Alphabet,
    /// Whether a text that is not GSM-7 may go in Latin-1 (`data_coding` 3) where that is enough.
    pub latin1: bool,
    /// How the segments of a long text say that they belong together.
    #[serde(deserialize_with = "word")]
    pub long: Long,
    /// For how long the carrier tries to deliver; its own time where not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validity: Option<Span>,
    /// How long the carrier waits before it delivers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Span>,
    /// Which receipts are asked for.
    #[serde(deserialize_with = "word")]
    pub receipts: Receipts,
    /// How the message ids in receipts differ from those in answers.
    #[serde(deserialize_with = "word")]
    pub receipt_ids: ReceiptIds,
    /// Whether a text that reads like a receipt is one, where it names a message to whoever it comes from.
    /// For carriers that mark receipts in no other way: that person could write such a text too.
    pub receipts_by_text: bool,
    /// From 0 to 3.
    pub priority: u8,
    /// Service type, where the carrier asks for one.
    pub service_type: String,
    /// Protocol identifier of the network.
    pub protocol_id: u8,
    /// Whether the carrier answers query_sm: where a message stands.
    pub query: bool,
    /// Whether the carrier takes cancel_sm.
    pub cancel: bool,
    /// Whether texts of people are taken in, STOP among them.
    pub replies: bool,
    /// What the carrier's own status codes mean.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status_codes: Vec<StatusCode>,
    /// The connections.
    pub session: session::Settings,
    /// How fast it may be used.
    pub rate: Rate,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "smpp".to_owned(),
            address: String::new(),
            system_id: String::new(),
            password: None,
            system_type: String::new(),
            mode: Mode::default(),
            from: None,
            source_ton: None,
            source_npi: None,
            dest_ton: 1,
            dest_npi: 1,
            alphabet: Alphabet::default(),
            latin1: false,
            long: Long::default(),
            validity: None,
            schedule: None,
            receipts: Receipts::default(),
            receipt_ids: ReceiptIds::default(),
            receipts_by_text: false,
            priority: 0,
            service_type: String::new(),
            protocol_id: 0,
            query: false,
            cancel: false,
            replies: true,
            status_codes: Vec::new(),
            session: session::Settings::default(),
            rate: Rate::default(),
        }
    }
}

impl Config {
    /// Whether anything comes in.
    pub(super) fn receives(&self) -> bool {
        self.mode != Mode::Transmitter
    }

    /// What every message has in common, in the types that are written.
    ///
    /// # Errors
    /// What has no place in its field.
    pub(super) fn common(&self) -> std::result::Result<Common, String> {
        Ok(Common {
            service_type: ServiceType::new(write::text("service_type", &self.service_type)?),
            protocol_id: self.protocol_id,
            priority: self.priority,
            schedule: write::time("schedule", &relative_time(self.schedule))?,
            validity: write::time("validity", &relative_time(self.validity))?,
            registered_delivery: self.registered_delivery(),
        })
    }

    /// Our names in a bind, likewise: `system_id` and `system_type`.
    ///
    /// # Errors
    /// What has no place in its field.
    pub(super) fn names(&self) -> std::result::Result<(write::Text<16>, write::Text<13>), String> {
        Ok((write::text("system_id", &self.system_id)?, write::text("system_type", &self.system_type)?))
    }

    /// `registered_delivery` (section 5.2.17). Receipts that nobody can fetch would pile up at the carrier.
    pub(super) fn registered_delivery(&self) -> u8 {
        match self.receipts {
            _ if !self.receives() => 0,
            Receipts::All => 1,
            Receipts::Failures => 2,
            Receipts::None => 0,
        }
    }
}

/// A time from now on as SMPP writes it: `YYMMDDhhmmss000R` (section 7.1.1.2). Nothing is an empty text.
pub(super) fn relative_time(span: Option<Span>) -> String {
    let Some(seconds) = span.map(|span| span.duration().as_secs()) else { return String::new() };
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    format!("0000{days:02}{hours:02}{minutes:02}{:02}000R", seconds % 60)
}

/// Checks the texts that go into fields of a given length.
fn check_texts(config: &Config) -> std::result::Result<(), String> {
    let texts = [
        ("system_id", &config.system_id, 15),
        ("system_type", &config.system_type, 12),
        ("service_type", &config.service_type, 5),
    ];
    for (name, text, most) in texts {
        if text.len() > most || !text.bytes().all(|octet| (0x20..0x7F).contains(&octet)) {
            return Err(format!("{name} must have at most {most} characters of ASCII"));
        }
    }
    if config.system_id.is_empty() {
        return Err("`system_id` is not set; the carrier gives it to you".to_owned());
    }
    if !session::is_address(&config.address) {
        return Err(format!(
            "address \"{}\" must be host:port, such as smsc.example.com:2775",
            quoted::without_user(&config.address)
        ));
    }
    Ok(())
}

impl Settings for Config {
    fn name(&self) -> &str {
        &self.name
    }

    fn secrets(&self) -> Vec<SecretSetting<'_>> {
        vec![SecretSetting {
            name: "password",
            secret: self.password.as_ref(),
            is_required: true,
            is_pem: false,
        }]
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
        check_texts(self)?;
        if let Some(from) = self.from.as_deref() {
            sender_form(from).map_err(|why| format!("from: {why}"))?;
        }
        if self.priority > 3 {
            return Err(format!("priority is {}; it must be from 0 to 3", self.priority));
        }
        for (name, span) in [("validity", self.validity), ("schedule", self.schedule)] {
            let seconds = span.map(|span| span.duration().as_secs());
            if seconds.is_some_and(|seconds| !(1..=MOST_DAYS * 86_400).contains(&seconds)) {
                return Err(format!("{name} must be from 1s to {}h", MOST_DAYS * 24));
            }
        }
        if let (Some(validity), Some(schedule)) = (self.validity, self.schedule)
            && validity <= schedule
        {
            return Err("validity must be longer than schedule, or nothing could be delivered".to_owned());
        }
        // What is kept of such ids is the number, and zeros and case cannot be told from it.
        if (self.query || self.cancel) && self.receipt_ids != ReceiptIds::Text {
            return Err(
                "query and cancel need receipt_ids = \"text\", since they name a message as its answer did"
                    .to_owned(),
            );
        }
        if let Some(code) = self.status_codes.iter().find(|code| code.number().is_none()) {
            return Err(format!(
                "status_codes: \"{}\" is no code; write it as \"0x401\" or \"1025\"",
                code.code
            ));
        }
        // The last word on what can be written is with the types that it is written in.
        self.names()?;
        self.common()?;
        self.session.check()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::provider::line::smpp::status::Meaning;

    fn usable() -> Config {
        Config {
            address: "smsc.example.com:2775".to_owned(),
            system_id: "acme".to_owned(),
            ..Config::default()
        }
    }

    #[test]
    fn times_are_written_from_now_on() {
        assert_eq!(relative_time(None), "");
        assert_eq!(relative_time(Some(Span::hours(24))), "000001000000000R");
        assert_eq!(relative_time(Some(Span::seconds(3 * 3_600 + 25 * 60 + 7))), "000000032507000R");
        assert_eq!(relative_time(Some(Span::hours(720))), "000030000000000R");
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_would_be_right() {
        usable().check().unwrap();
        let code = StatusCode { code: "x".to_owned(), means: Meaning::Later, why: None };
        let cases = [
            (Config { address: "smsc.example.com".to_owned(), ..usable() }, "host:port"),
            (Config { address: "smpp://smsc.example.com:2775".to_owned(), ..usable() }, "host:port"),
            (Config { system_id: String::new(), ..usable() }, "system_id"),
            (Config { system_id: "a".repeat(16), ..usable() }, "15"),
            (
                Config { system_id: "caf\u{E9}".to_owned(), ..usable() },
                "system_id must have at most 15 characters of ASCII",
            ),
            (
                Config { system_type: "a\0b".to_owned(), ..usable() },
                "system_type must have at most 12 characters of ASCII",
            ),
            (Config { service_type: "toolong".to_owned(), ..usable() }, "5"),
            (Config { from: Some("much too long a name".to_owned()), ..usable() }, "from"),
            (Config { priority: 4, ..usable() }, "0 to 3"),
            (Config { validity: Some(Span::hours(721)), ..usable() }, "720h"),
            (Config { validity: Some(Span::hours(1)), schedule: Some(Span::hours(2)), ..usable() }, "longer"),
            (Config { query: true, receipt_ids: ReceiptIds::HexToDecimal, ..usable() }, "receipt_ids"),
            (Config { status_codes: vec![code], ..usable() }, "0x401"),
        ];
        for (config, part) in cases {
            let why = config.check().unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn whatever_is_taken_can_be_written() {
        let longest = Config {
            system_id: "a".repeat(15),
            system_type: "b".repeat(12),
            service_type: "c".repeat(5),
            validity: Some(Span::hours(720)),
            schedule: Some(Span::hours(1)),
            ..usable()
        };
        longest.check().unwrap();
        let (system_id, system_type) = longest.names().unwrap();
        let common = longest.common().unwrap();
        assert_eq!(
            (system_id.len(), system_type.len(), common.validity.len(), common.schedule.len()),
            (16, 13, 17, 17)
        );
    }

    #[test]
    fn receipts_are_asked_for_only_where_they_can_come() {
        let with = |mode, receipts| Config { mode, receipts, ..usable() }.registered_delivery();
        assert_eq!(with(Mode::Transceiver, Receipts::All), 1);
        assert_eq!(with(Mode::TransmitterAndReceiver, Receipts::Failures), 2);
        assert_eq!(with(Mode::Transceiver, Receipts::None), 0);
        assert_eq!(with(Mode::Transmitter, Receipts::All), 0);
    }
}
