//! The settings of AWS.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::credentials::VARIABLES;
use crate::provider::rest;
use crate::provider::settings::{Rate, ToldIn};
use crate::setting::{Span, word};
use crate::sms::money::Currency;
use crate::sms::number::Number;

/// What stands for the region in the address.
const REGION: &str = "{region}";

/// How long a text may be kept for, in seconds.
const VALID_FOR: std::ops::RangeInclusive<i64> = 5..=259_200;

/// Most topics: one for events and one for texts of people, of some regions.
const MOST_TOPICS: usize = 10;

/// Longest name or ARN of something of the account, and longest id of a registration in India.
const LONGEST_NAME: usize = 256;
const LONGEST_ID: usize = 64;

rest::vendor_settings! {
    /// Settings of AWS End User Messaging.
    #[schemars(rename = "AwsConfig")]
    "aws" at "https://sms-voice.{region}.amazonaws.com", Rate::default(),
        " AWS counts segments a second, by sender and country.";
    secrets {
        /// The id of an access key. Without it the environment and AWS's shared files are looked at.
        access_key_id: optional,
        /// The access key's secret.
        secret_access_key: optional,
        /// The token of the session for which the two are valid, where they are of one.
        session_token: optional,
    }
    from {
        /// Who sends what names no sender: a number of the account in E.164, a sender ID, or the id or ARN of
        /// a number, sender or pool. AWS chooses among those of the account unless set.
    }
    own {
        /// The region, such as `eu-west-1`. Required: numbers, lists and limits are those of one region.
        #[serde(skip_serializing_if = "Option::is_none")]
        region: Option<String> = None,
        /// The profile of the shared files whose keys are used, before those of the environment.
        #[serde(skip_serializing_if = "Option::is_none")]
        profile: Option<String> = None,
        /// What the texts are: `transactional`, or `promotional`.
        #[serde(deserialize_with = "word")]
        message_type: MessageType = MessageType::Transactional,
        /// The configuration set that says where AWS tells events. Without one it tells none.
        #[serde(skip_serializing_if = "Option::is_none")]
        configuration_set: Option<String> = None,
        /// The ARNs of the SNS topics over which AWS tells events, and what people wrote. Nothing of any other
        /// topic is believed.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        topics: Vec<String> = Vec::new(),
        /// Whether what SNS signs with SHA-1 (`SignatureVersion` 1, the default of a topic) is believed.
        allow_sha1: bool = true,
        /// Where SNS is asked for its certificates and to confirm a subscription; the host that it names
        /// itself, which must be one of Amazon's, unless set.
        #[serde(skip_serializing_if = "Option::is_none")]
        sns_url: Option<String> = None,
        /// The name or ARN of the opt-out list that is read and kept; `Default` is the account's own. None
        /// unless set.
        #[serde(skip_serializing_if = "Option::is_none")]
        opt_out_list: Option<String> = None,
        /// The number that the live check asks about. No text goes there.
        check_to: String = "+14254147755".to_owned(),
        /// How long AWS tries to hand a text on, up to 72 hours. AWS's own default unless set.
        #[serde(skip_serializing_if = "Option::is_none")]
        valid_for: Option<Span> = None,
        /// The protect configuration that a send is checked by.
        #[serde(skip_serializing_if = "Option::is_none")]
        protect_configuration: Option<String> = None,
        /// The id of the principal entity, which texts from a sender ID to India name.
        #[serde(skip_serializing_if = "Option::is_none")]
        india_entity_id: Option<String> = None,
        /// The id of the registered template, which they name as well.
        #[serde(skip_serializing_if = "Option::is_none")]
        india_template_id: Option<String> = None,
    }
    told_in |_| Some(ToldIn::Charges(Currency::USD));
    variables &VARIABLES;
}

/// What texts are to AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AwsMessageType")]
pub enum MessageType {
    /// Somebody waits for them.
    Transactional,
    /// Nobody does.
    Promotional,
}

impl MessageType {
    /// As AWS writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transactional => "TRANSACTIONAL",
            Self::Promotional => "PROMOTIONAL",
        }
    }
}

/// Whether this has the characters of a name or ARN there, and of a sender those that a number has too.
fn is_named(text: &str, more: &[u8]) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_:/-".contains(&byte) || more.contains(&byte))
}

/// Whether AWS could take this as a sender: a number in E.164, a short code, a sender ID, or the id or ARN of
/// something that sends.
pub(super) fn is_sender(from: &str) -> bool {
    is_named(from, b"+") && from.rfind('+').is_none_or(|at| at == 0)
}

/// Whether this is the ARN of a topic: `arn:PARTITION:sns:REGION:ACCOUNT:NAME`.
fn is_topic(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    let [first, partition, service, region, account, name] = parts[..] else { return false };
    let is_word = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    let is_arn = first == "arn" && partition.starts_with("aws") && service == "sns";
    let is_place = is_word(partition, b"-") && is_word(region, b"-");
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    is_arn && is_place && is_account && name.len() <= LONGEST_NAME && is_word(name, b"-_.")
}

fn is_region(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=30).contains(&text.len())
        && text.bytes().all(is_plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl Config {
    /// The region; empty where none is set, which is checked before.
    pub(super) fn region(&self) -> &str {
        self.region.as_deref().unwrap_or_default()
    }

    /// Where the API is, with the region in its place.
    pub(super) fn address(&self) -> String {
        self.base_url.replace(REGION, self.region())
    }

    /// What types cannot say.
    fn check_own(&self) -> std::result::Result<(), String> {
        let region = self.region.as_deref().ok_or(
            "region is not set: the region of the account whose numbers send, such as \"eu-west-1\"",
        )?;
        if !is_region(region) {
            return Err(format!("region \"{region}\" is none; it is written as \"eu-west-1\""));
        }
        let url = rest::base_url(&self.address())?;
        if !matches!(url.path(), "" | "/") {
            return Err("base_url must have no path: AWS's API has none".to_owned());
        }
        if let Some(url) = &self.sns_url {
            rest::base_url(url).map_err(|why| why.replacen("base_url", "sns_url", 1))?;
        }
        if self.from.as_deref().is_some_and(|from| !is_sender(from)) {
            return Err(
                "from must be a number of the account in E.164 such as +12025550123, a sender ID, or \
                        the id or ARN of a number, sender or pool"
                    .to_owned(),
            );
        }
        for (name, value) in [
            ("configuration_set", &self.configuration_set),
            ("opt_out_list", &self.opt_out_list),
            ("protect_configuration", &self.protect_configuration),
        ] {
            if value.as_deref().is_some_and(|value| !is_named(value, b"")) {
                return Err(format!("{name} must be a name or an ARN: letters, digits, - _ : and /"));
            }
        }
        self.check_topics()?;
        if Number::parse(&self.check_to, None).is_err() {
            return Err("check_to must be a phone number in E.164, such as +14254147755".to_owned());
        }
        if self.valid_for.is_some_and(|span| !VALID_FOR.contains(&(span.as_millis() / 1_000))) {
            return Err("valid_for must be 5 seconds at least and 72 hours at most".to_owned());
        }
        let is_id =
            |id: &String| (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        match (&self.india_entity_id, &self.india_template_id) {
            (None, None) => Ok(()),
            (Some(entity), Some(template)) if is_id(entity) && is_id(template) => Ok(()),
            (Some(_), Some(_)) => {
                Err("india_entity_id and india_template_id have up to 64 characters, and no space".to_owned())
            }
            _ => {
                Err("india_entity_id and india_template_id belong together; one of them is not set"
                    .to_owned())
            }
        }
    }

    fn check_topics(&self) -> std::result::Result<(), String> {
        if self.topics.len() > MOST_TOPICS {
            return Err(format!("topics names more than {MOST_TOPICS} topics"));
        }
        match self.topics.iter().find(|topic| !is_topic(topic)) {
            Some(wrong) => Err(format!(
                "topics: \"{wrong}\" is no ARN of a topic such as \
                 \"arn:aws:sns:eu-west-1:123456789012:sms-events\""
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_an_arn_of_sns_and_nothing_else() {
        for right in [
            "arn:aws:sns:eu-west-1:123456789012:sms-mcp",
            "arn:aws-us-gov:sns:us-gov-west-1:123456789012:a.fifo",
            "arn:aws-cn:sns:cn-north-1:123456789012:A_1",
        ] {
            assert!(is_topic(right), "{right}");
        }
        for wrong in [
            "",
            "sms-mcp",
            "arn:aws:sqs:eu-west-1:123456789012:sms-mcp",
            "arn:aws:sns:eu-west-1:12345678901:sms-mcp",
            "arn:aws:sns:eu-west-1:123456789012:sms-mcp:0123",
            "arn:aws:sns:eu-west-1:123456789012:",
            "arn:aws:sns:eu west:123456789012:a",
        ] {
            assert!(!is_topic(wrong), "{wrong}");
        }
    }
}
