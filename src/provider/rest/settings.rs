//! How a vendor's interface is reached: its address, and `[provider.http]`; and what the settings of all such
//! vendors have in common ([`vendor_settings`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::provider::settings::Unencrypted;
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
/// `"NAME" at "BASE_URL", RATE;` are the defaults. A secret is `required` or `optional`; an optional one that
/// is a PEM file is `pem`. What types cannot say is checked by `Config::check_own`, which the vendor has
/// beside it. `told_in` says in which currency the vendor tells prices, if it does, `unencrypted` where keys
/// and texts may travel as they are, and `variables` which of the environment it reads by its own names.
macro_rules! vendor_settings {
    (@ required) => { true };
    (@ optional) => { false };
    (@ pem) => { false };
    (@ is_pem pem) => { true };
    (@ is_pem $need:ident) => { false };
    (
        $(#[$meta:meta])*
        $name:literal at $base_url:literal, $rate:expr $(, $about_rate:literal)?;
        secrets { $($(#[$secret_meta:meta])* $secret:ident: $need:ident,)+ }
        from { $(#[$from_meta:meta])+ }
        own { $($(#[$own_meta:meta])+ $own:ident: $type:ty = $default:expr,)* }
        $(told_in $told_in:expr;)?
        $(unencrypted $unencrypted:expr;)?
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
                    is_pem: $crate::provider::rest::vendor_settings!(@ is_pem $need),
                },)+]
            }

            fn rate(&self) -> $crate::provider::settings::Rate {
                self.rate
            }

            fn sender(&self) -> Option<&str> {
                self.from.as_deref()
            }

            $(fn told_in(&self) -> Option<$crate::provider::settings::ToldIn> {
                let told_in: fn(&Self) -> Option<$crate::provider::settings::ToldIn> = $told_in;
                told_in(self)
            })?

            $(fn unencrypted(&self) -> Option<$crate::provider::settings::Unencrypted<'_>> {
                let unencrypted: fn(&Self) -> Option<$crate::provider::settings::Unencrypted<'_>> =
                    $unencrypted;
                unencrypted(self)
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
    base_url_within(text, false)
}

/// The same; with `is_plain_allowed` also without encryption to an address of a private network. Not to a
/// name, which may come to mean any address.
///
/// # Errors
/// What is wrong with it.
pub fn base_url_within(text: &str, is_plain_allowed: bool) -> std::result::Result<Url, String> {
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
        "http" if is_plain_allowed && is_private(&url) => {}
        "http" if is_plain_allowed => {
            return Err(format!(
                "base_url \"{shown}\" begins with http:// and is no address of a private network, such as \
                 http://192.168.1.20:8080; allow_plain_http is for these alone"
            ));
        }
        _ => {
            return Err(format!(
                "base_url \"{shown}\" must begin with https://, since keys and texts travel there"
            ));
        }
    }
    Ok(url)
}

/// What is said of an address to which keys and texts go as they are; `instead` is what would be better.
pub fn plain<'a>(base_url: &'a str, instead: &'static str) -> Option<Unencrypted<'a>> {
    let address = base_url.strip_prefix("http://")?;
    let address = address.split('/').next().unwrap_or(address);
    Some(Unencrypted { address, setting: "allow_plain_http", instead })
}

/// Whether this is an address of a private network, written as one (RFC 1918, RFC 3927, RFC 6598, RFC 4193
/// and RFC 4291, 2.5.6).
fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(v4)) => {
            let [first, second, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || (first == 100 && (64..128).contains(&second))
        }
        Some(Host::Ipv6(v6)) => v6.is_unique_local() || v6.is_unicast_link_local(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_this_machine_and_where_it_is_allowed_to_private_addresses_alone() {
        for (text, plain, allowed) in [
            ("https://api.example.com/v1", true, true),
            ("http://127.0.0.1:9", true, true),
            ("http://localhost:9/x", true, true),
            ("http://[::1]:9", true, true),
            ("http://192.168.1.20:8080", false, true),
            ("http://10.0.0.7", false, true),
            ("http://172.31.255.255:8080", false, true),
            ("http://169.254.1.1:8080", false, true),
            ("http://100.64.0.1:8080", false, true),
            ("http://[fd00::7]:8080", false, true),
            ("http://[fe80::7]:8080", false, true),
            ("http://172.32.0.1:8080", false, false),
            ("http://100.128.0.1:8080", false, false),
            ("http://8.8.8.8:8080", false, false),
            ("http://[2001:db8::1]:8080", false, false),
            ("http://[::ffff:192.168.1.20]:8080", false, false),
            ("http://phone.local:8080", false, false),
            ("http://192.168.1.20.example.com", false, false),
            ("ftp://192.168.1.20", false, false),
        ] {
            assert_eq!(base_url(text).is_ok(), plain, "{text}");
            assert_eq!(base_url_within(text, true).is_ok(), allowed, "{text}");
        }
        for text in ["http://user:pass@192.168.1.20", "http://192.168.1.20?key=x", "http://192.168.1.20#x"] {
            let refused = base_url_within(text, true).map(drop);
            assert!(refused.is_err_and(|why| !why.contains("pass")), "{text}");
        }
    }
}
