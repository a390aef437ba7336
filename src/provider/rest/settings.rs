//! How a vendor's interface is reached: its address, and `[provider.http]`; and what the settings of all such
//! vendors have in common ([`vendor_settings`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::setting::Span;
use crate::sms::quoted::without_user;

/// `[provider.http]`: the connection to a vendor.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ProviderHttp")]
pub struct Settings {
    /// How long a connection, with its encryption, may take to be made.
    pub connect_timeout: Span,
    /// How long the vendor may be silent in the middle of an answer.
    pub read_timeout: Span,
    /// How long a whole request may take. After that its outcome is unknown. Less than `[send] timeout`.
    pub timeout: Span,
    /// Most connections to the vendor at once.
    pub max_connections: u32,
    /// An HTTP proxy to go through, such as `http://proxy.example.com:3128`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Span::seconds(5),
            read_timeout: Span::seconds(15),
            timeout: Span::seconds(25),
            max_connections: 32,
            proxy: None,
        }
    }
}

/// Declares the settings of a vendor: those that all have, each with its one meaning, its secrets, and its
/// own. They are fields of one structure, so that a key that is misspelt is refused and named; a flattened
/// one would take it without a word.
///
/// `"NAME" at "BASE_URL", RATE;` are the defaults. A secret is `required` or `optional`. What types cannot
/// say is checked by `Config::check_own`, which the vendor has beside it. `told_in` says in which currency the
/// vendor tells prices, if it does, and `variables` which of the environment it reads by its own names.
macro_rules! vendor_settings {
    (@ required) => { true };
    (@ optional) => { false };
    (
        $(#[$meta:meta])*
        $name:literal at $base_url:literal, $rate:expr $(, $about_rate:literal)?;
        secrets { $($(#[$secret_meta:meta])* $secret:ident: $need:ident,)+ }
        from { $(#[$from_meta:meta])+ }
        own { $($(#[$own_meta:meta])+ $own:ident: $type:ty = $default:expr,)* }
        $(told_in $told_in:expr;)?
        $(variables $variables:expr;)?
    ) => {
        #[derive(Clone, Debug, ::serde::Deserialize, ::serde::Serialize, ::schemars::JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        $(#[$meta])*
        pub struct Config {
            /// Your name for it, shown in answers.
            pub name: String,
            /// Where its API is.
            pub base_url: String,
            $(
                $(#[$secret_meta])*
                #[serde(skip_serializing)]
                pub $secret: Option<$crate::setting::Secret>,
            )+
            $(#[$from_meta])+
            #[serde(skip_serializing_if = "Option::is_none")]
            pub from: Option<String>,
            $($(#[$own_meta])+ pub $own: $type,)*
            /// The connection.
            pub http: $crate::provider::rest::Settings,
            /// How fast it may be used.
            $(#[doc = $about_rate])?
            pub rate: $crate::provider::settings::Rate,
        }

        impl Default for Config {
            fn default() -> Self {
                Self {
                    name: $name.to_owned(),
                    base_url: $base_url.to_owned(),
                    $($secret: None,)+
                    from: None,
                    $($own: $default,)*
                    http: $crate::provider::rest::Settings::default(),
                    rate: $rate,
                }
            }
        }

        impl $crate::provider::settings::Settings for Config {
            fn name(&self) -> &str {
                &self.name
            }

            fn secrets(&self) -> Vec<$crate::provider::settings::SecretSetting<'_>> {
                vec![$($crate::provider::settings::SecretSetting {
                    name: stringify!($secret),
                    secret: self.$secret.as_ref(),
                    is_required: $crate::provider::rest::vendor_settings!(@ $need),
                },)+]
            }

            fn rate(&self) -> $crate::provider::settings::Rate {
                self.rate
            }

            $(fn told_in(&self) -> Option<$crate::provider::settings::ToldIn> {
                let told_in: fn(&Self) -> Option<$crate::provider::settings::ToldIn> = $told_in;
                told_in(self)
            })?

            $(fn variables(&self) -> &'static [$crate::provider::settings::Variable] {
                $variables
            })?

            fn check(&self) -> ::std::result::Result<(), String> {
                self.check_own()
            }
        }
    };
}

pub(in crate::provider) use vendor_settings;

/// Reads the address of a vendor. Keys and texts travel there, so it is encrypted unless it is this machine.
///
/// # Errors
/// What is wrong with it.
pub fn base_url(text: &str) -> std::result::Result<Url, String> {
    let shown = without_user(text);
    let url: Url = text.parse().map_err(|error| {
        format!("base_url \"{shown}\" is no address such as https://api.example.com/v1: {error}")
    })?;
    // First of all, so that no error shows what stands before an `@`.
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err("base_url must be a plain address: no query, no fragment, no user".to_owned());
    }
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if is_local => {}
        _ => {
            return Err(format!(
                "base_url \"{shown}\" must begin with https://, since keys and texts travel there"
            ));
        }
    }
    Ok(url)
}
