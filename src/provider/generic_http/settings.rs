//! The settings of a gateway that is told by configuration: what is sent where, what its answers mean, and how
//! it reports. What they say together is read and checked elsewhere, when a plan is made of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::provider::rest;
use crate::provider::settings::{Rate, ToldIn};
use crate::setting::Span;

rest::vendor_settings! {
    /// Settings of any gateway with an HTTP interface.
    #[schemars(rename = "HttpConfig")]
    "http" at "", Rate::default();
    secrets {
        /// The name that goes with `secret`, where the gateway wants both.
        user: optional,
        /// The key, token or password that requests show.
        secret: optional,
        /// What the gateway's webhooks are believed by.
        webhook_secret: optional,
    }
    from {
        /// Who sends what names no sender. Required where a request has a place for `{from}`.
    }
    own {
        /// A gateway that is known here: everything but the credentials and `values` is told by that.
        #[serde(skip_serializing_if = "Option::is_none")]
        preset: Option<Preset> = None,
        /// Whether `base_url` may be `http://` to an address of a private network. This machine always may.
        allow_plain_http: bool = false,
        /// ISO 4217 currency of the gateway's prices and balance, where its answers name none.
        #[serde(skip_serializing_if = "Option::is_none")]
        currency: Option<String> = None,
        /// Values of your own for placeholders: `values = { account = "17" }` is what `{account}` stands for.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        values: BTreeMap<String, String> = BTreeMap::new(),
        /// What the gateway's words for a message mean.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        states: BTreeMap<String, Means> = BTreeMap::new(),
        /// How requests show who we are.
        #[serde(skip_serializing_if = "Option::is_none")]
        auth: Option<Auth> = None,
        /// The request that sends a text.
        #[serde(skip_serializing_if = "Option::is_none")]
        send: Option<Outgoing> = None,
        /// What its answer means.
        #[serde(skip_serializing_if = "Option::is_none")]
        answer: Option<Answer> = None,
        /// How a message is looked up.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<Status> = None,
        /// How the balance is asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        balance: Option<Balance> = None,
        /// What the live check asks where there is no balance.
        #[serde(skip_serializing_if = "Option::is_none")]
        check: Option<Check> = None,
        /// How webhooks are believed and answered.
        #[serde(skip_serializing_if = "Option::is_none")]
        webhooks: Option<Webhooks> = None,
        /// How a report reads that comes by webhook.
        #[serde(skip_serializing_if = "Option::is_none")]
        receipts: Option<Receipts> = None,
        /// How a text of a person reads that comes by webhook.
        #[serde(skip_serializing_if = "Option::is_none")]
        replies: Option<Replies> = None,
    }
    told_in |config| config.told_currency().map(ToldIn::Charges);
    unencrypted |config| {
        let instead = "keep that network to yourselves, or go through a tunnel or a proxy that does TLS";
        rest::plain(&config.base_url, instead)
    };
}

/// Lists the gateways that are known here once: each with its name in the settings.
macro_rules! known {
    ($($(#[doc = $doc:literal])+ $preset:ident = $word:literal,)+) => {
        /// A gateway that is known here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
        #[schemars(rename = "HttpPreset")]
        pub enum Preset {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $preset,)+
        }

        impl Preset {
            /// Every one, by its name.
            pub const ALL: &[(&str, Self)] = &[$(($word, Self::$preset)),+];

            /// Its name in the settings.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$preset => $word,)+
                }
            }
        }
    };
}

known! {
    /// 46elks (`46elks.com`).
    Elks46 = "46elks",
    /// Bandwidth (`www.bandwidth.com`).
    Bandwidth = "bandwidth",
    /// ClickSend (`www.clicksend.com`).
    ClickSend = "clicksend",
    /// httpSMS (`httpsms.com`): an Android phone as gateway.
    HttpSms = "httpsms",
    /// Kannel, or a gateway with its interface: a GET with everything in the query.
    Kannel = "kannel",
    /// MessageBird's REST API (`rest.messagebird.com`).
    MessageBird = "messagebird",
}

/// What a word of the gateway means for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HttpMeans")]
pub enum Means {
    /// It is on its way.
    Sent,
    /// The phone has it.
    Delivered,
    /// It was not delivered.
    Failed,
    /// It was too late to deliver it.
    Expired,
}

/// How a secret is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HttpAuthKind")]
pub enum AuthKind {
    /// No secret.
    #[default]
    None,
    /// `user` and `secret` (RFC 7617).
    Basic,
    /// `Authorization: Bearer SECRET`, or with another `scheme`.
    Bearer,
    /// A header of the gateway's own.
    Header,
    /// Parameters of the query.
    Query,
    /// `{secret}`, and `{user}`, in the body.
    Body,
}

/// How requests show who we are.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpAuth")]
pub struct Auth {
    /// Which way.
    #[serde(rename = "type")]
    pub kind: AuthKind,
    /// The header, or the parameter of the query, that holds `secret`.
    pub name: Option<String>,
    /// The parameter of the query that holds `user`.
    pub user_name: Option<String>,
    /// The word before a bearer's token. `Bearer` unless set.
    pub scheme: Option<String>,
}

/// The method of a request that sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "HttpMethod")]
pub enum Method {
    /// Everything is in the query.
    Get,
    /// A body.
    #[default]
    Post,
    /// A body.
    Put,
}

/// What becomes of a value in a body of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HttpEscape")]
pub enum Escape {
    /// Nothing.
    #[default]
    None,
    /// What XML would read as more than text is written as XML has it.
    Xml,
}

/// The request that sends a text.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpSend")]
pub struct Outgoing {
    /// The method. POST unless set.
    pub method: Method,
    /// Path and query below `base_url`, with placeholders in parts of the path and values of the query.
    pub path: String,
    /// Headers; `{id}` is the only placeholder in them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body as a form.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub form: BTreeMap<String, String>,
    /// The body as JSON, with placeholders within its texts.
    pub json: Option<String>,
    /// The body as text.
    pub text: Option<String>,
    /// What the body as text is. `text/plain; charset=utf-8` unless set.
    pub content_type: Option<String>,
    /// What becomes of a value in the body as text.
    pub escape: Escape,
    /// How numbers are written: `plus`, `digits`, `zeros`, or `national:+44`. `plus` unless set.
    pub number_format: Option<String>,
    /// Most characters of a text.
    pub max_chars: Option<u32>,
    /// Most segments of a text.
    pub max_parts: Option<u32>,
    /// What `{type}` is for a text in GSM-7.
    pub type_gsm: Option<String>,
    /// What `{type}` is for any other text.
    pub type_unicode: Option<String>,
}

/// What holds of an answer, or of a webhook.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpCondition")]
pub struct Condition {
    /// Where to look.
    pub at: String,
    /// What stands there.
    pub equals: Option<String>,
    /// What may stand there.
    #[serde(rename = "in")]
    pub one_of: Option<Vec<String>>,
    /// Whether anything stands there.
    pub exists: Option<bool>,
}

/// What certain answers to a send mean, before anything else is asked.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpRule")]
pub struct Rule {
    /// The HTTP status, or a range of them: `409`, `500-599`.
    pub status: Option<String>,
    /// Where to look.
    pub at: Option<String>,
    /// What stands there.
    pub equals: Option<String>,
    /// What may stand there.
    #[serde(rename = "in")]
    pub one_of: Option<Vec<String>>,
    /// Whether anything stands there.
    pub exists: Option<bool>,
    /// `not_sent`, `rejected:CODE`, `accepted` or `unknown`.
    pub becomes: String,
    /// With `not_sent`: where the seconds to wait stand.
    pub retry_after: Option<String>,
}

/// What the answer to a send means.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpAnswer")]
pub struct Answer {
    /// Which HTTP status a success has. `200-299` unless set.
    pub status: Option<String>,
    /// What a success says: all of it must hold.
    pub success: Vec<Condition>,
    /// Whether every such status is a success, whatever the body says.
    pub any_2xx: bool,
    /// What certain answers mean: the first that fits counts, before `success`.
    pub rules: Vec<Rule>,
    /// Where the list of segments is, each with its own verdict.
    pub list: Option<String>,
    /// Where the gateway's id of the message is. Ours is it unless set.
    pub id: Option<String>,
    /// Where our reference is: an answer with another one is about another message.
    pub reference: Option<String>,
    /// Where the recipient is: an answer with another one is about another message.
    pub to: Option<String>,
    /// Where the number of segments is.
    pub segments: Option<String>,
    /// Where the price is.
    pub price: Option<String>,
    /// What the price is multiplied by: `"0.0001"`.
    pub price_scale: Option<String>,
    /// Whether a negative price is a positive one.
    pub price_abs: bool,
    /// Where the currency of the price is.
    pub price_currency: Option<String>,
    /// Where the gateway's words about an error are.
    pub words: Option<String>,
}

/// How a message is looked up.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpStatus")]
pub struct Status {
    /// Path and query of the GET, with `{vendor_id}`; or with `{id}`, where the gateway knows our reference.
    pub path: String,
    /// What says that the gateway does not have it. 404 always does.
    pub missing: Vec<Condition>,
    /// Where the gateway's id of it is.
    pub id: Option<String>,
    /// Where our reference is: what has another one is another message.
    pub reference: Option<String>,
    /// Where the recipient is: what has another one is another message.
    pub to: Option<String>,
    /// Where the word is that says how it stands.
    pub state: String,
    /// Where the cause of a failure is.
    pub why: Option<String>,
    /// Where the price is.
    pub price: Option<String>,
    /// Where its currency is; as in an answer unless set.
    pub price_currency: Option<String>,
}

/// How the balance is asked for.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpBalance")]
pub struct Balance {
    /// Path and query of the GET.
    pub path: String,
    /// Where the amount is.
    pub amount: String,
    /// What it is multiplied by.
    pub scale: Option<String>,
    /// Where its currency is.
    pub currency: Option<String>,
}

/// What the live check asks.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpCheck")]
pub struct Check {
    /// Path and query of a GET that is answered with a 2xx where the credentials are right.
    pub path: String,
}

/// How a webhook is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HttpWebhookAuth")]
pub enum Proof {
    /// It is not: a report only makes us look the message up.
    #[default]
    None,
    /// By the token in its address.
    Token,
    /// By `user` and `webhook_secret`.
    Basic,
    /// By `webhook_secret` in a header.
    Header,
    /// By an HMAC.
    Hmac,
    /// By a JWT.
    Jwt,
}

/// The hash of an HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HttpAlgorithm")]
pub enum Algorithm {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How an HMAC is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HttpEncoding")]
pub enum Written {
    /// Lower-case hexadecimal.
    #[default]
    Hex,
    /// Base64 with its padding.
    Base64,
}

/// How webhooks are believed and answered.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpWebhooks")]
pub struct Webhooks {
    /// Which way.
    pub auth: Proof,
    /// `basic`: the name.
    pub user: Option<String>,
    /// `header`, `hmac` and `jwt`: the header. `Authorization` unless set, for a JWT.
    pub header: Option<String>,
    /// `hmac`: its hash. SHA-256 unless set.
    pub algorithm: Option<Algorithm>,
    /// `hmac`: how it is written. Hexadecimal unless set.
    pub encoding: Option<Written>,
    /// `hmac`: what stands before it, such as `sha256=`.
    pub prefix: Option<String>,
    /// `hmac`: what is signed, of `{body}`, `{timestamp}`, `{nonce}` and `{url}`. `{body}` unless set.
    pub signed: Option<String>,
    /// `hmac`: the header with the time, in seconds since 1970.
    pub timestamp_header: Option<String>,
    /// `hmac`: the header with the nonce.
    pub nonce_header: Option<String>,
    /// `hmac` and `jwt`: how far a time may be from ours. 5 minutes unless set.
    pub max_age: Option<Span>,
    /// `jwt`: the claim that is the SHA-256 of the body.
    pub body_hash: Option<String>,
    /// `jwt`: the claim that is the SHA-256 of the address.
    pub url_hash: Option<String>,
    /// `jwt`: who must have issued it.
    pub issuer: Option<String>,
    /// `jwt`: whether `aud` must be the address.
    pub audience: bool,
    /// The HTTP status of our answer. 204 unless set, and 200 with `answer_body`.
    pub answer_status: Option<u16>,
    /// The body of our answer. None unless set.
    pub answer_body: Option<String>,
}

/// How a webhook is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "HttpFormat")]
pub enum Format {
    /// A POST with JSON.
    #[default]
    Json,
    /// A POST with a form.
    Form,
    /// A GET with a query.
    Query,
}

/// How a report reads.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpReceipts")]
pub struct Receipts {
    /// How it is written. JSON unless set.
    pub format: Format,
    /// Where a list of several is; `.` is the whole body.
    pub list: Option<String>,
    /// What says that it is a report. That it has a state, unless set.
    pub when: Vec<Condition>,
    /// Where the gateway's id of the message is.
    pub id: Option<String>,
    /// Where our reference is.
    pub reference: Option<String>,
    /// Where the recipient is: a report with another one is about another message.
    pub to: Option<String>,
    /// Where the word is that says how it stands.
    pub state: String,
    /// Where the cause of a failure is.
    pub why: Option<String>,
    /// What says that its recipient wants no more texts: all of it must hold. Needs `to`.
    pub opt_out: Vec<Condition>,
    /// Where the price is.
    pub price: Option<String>,
    /// Where its currency is; as in an answer unless set.
    pub price_currency: Option<String>,
    /// Where the time is.
    pub at: Option<String>,
}

/// How a text of a person reads.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "HttpReplies")]
pub struct Replies {
    /// How it is written. JSON unless set.
    pub format: Format,
    /// Where a list of several is; `.` is the whole body.
    pub list: Option<String>,
    /// What says that it is a person's text. That it has a sender, unless set.
    pub when: Vec<Condition>,
    /// Where the gateway's id of it is.
    pub id: String,
    /// Where the person's number is.
    pub from: String,
    /// Where our number is.
    pub to: String,
    /// Where the text is.
    pub text: String,
    /// Where the time is.
    pub at: Option<String>,
}
