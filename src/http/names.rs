//! By which names this server may be called, and from which web pages.
//!
//! A page that a person has open can reach a server on that person's machine, and a name that somebody else
//! controls can be pointed at it (DNS rebinding). So `Host` must be a name that the operator knows, and
//! `Origin`, which browsers send and pages cannot forge, one that the operator allows. The protocol library
//! checks both once more, from the same lists.

use std::net::SocketAddr;

use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, header};

use super::Settings;

/// The names of this machine for itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Longest part of a refused name that is repeated in an answer or a log.
const SHOWN: usize = 100;

/// The hosts and origins that are let in.
#[derive(Clone, Debug, Default)]
pub struct Names {
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// A name that is not let in, shortened and escaped for showing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// The `Host` header, or that there is none that can be read.
    Host(String),
    /// The `Origin` header.
    Origin(String),
}

impl Names {
    /// What these settings allow for a server that listens on `address`.
    ///
    /// Pages of this machine (any port) may call a server that only this machine reaches, where a token is
    /// asked for: without one, every page that any local program serves could send texts.
    pub fn new(settings: &Settings, address: SocketAddr, has_token: bool) -> Self {
        let mut hosts: Vec<String> = LOOPBACK.map(str::to_owned).into();
        if !address.ip().is_unspecified() {
            hosts.push(if address.is_ipv6() {
                format!("[{}]", address.ip())
            } else {
                address.ip().to_string()
            });
        }
        hosts.extend(settings.allowed_hosts.iter().cloned());
        let public = settings.public_url.as_deref().and_then(|url| url.parse::<Uri>().ok());
        hosts.extend(public.as_ref().and_then(Uri::host).map(str::to_owned));
        let mut origins = settings.allowed_origins.clone();
        if has_token && address.ip().is_loopback() {
            origins.extend(
                ["http", "https"]
                    .iter()
                    .flat_map(|scheme| LOOPBACK.map(|host| format!("{scheme}://{host}:*"))),
            );
        }
        Self { hosts, origins }
    }

    /// What is let in where this machine alone calls, for the page of a server over stdio: its own address, and
    /// no other port.
    pub fn of_page(address: SocketAddr) -> Self {
        let port = address.port();
        Self { hosts: vec![address.to_string(), format!("localhost:{port}")], origins: Vec::new() }
    }

    /// The hosts, as the settings write them.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The origins, as the settings write them.
    pub fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Checks the name that a request calls this server by.
    ///
    /// # Errors
    /// [`Foreign::Host`].
    pub fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Foreign> {
        let written = match headers.get(header::HOST) {
            Some(host) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
            None => uri.authority().map(ToString::to_string).unwrap_or_default(),
        };
        let called = written.parse::<Authority>().map_err(|_| Foreign::Host(shown(&written)))?;
        let is_known = self.hosts.iter().filter_map(|host| authority(host)).any(|known| {
            known.host().eq_ignore_ascii_case(called.host())
                && known.port_u16().is_none_or(|port| called.port_u16() == Some(port))
        });
        if is_known { Ok(()) } else { Err(Foreign::Host(shown(&written))) }
    }

    /// Checks the web page that a request comes from: its origin where it is allowed, nothing where no page
    /// asks.
    ///
    /// # Errors
    /// [`Foreign::Origin`].
    pub fn check_origin<'a>(
        &self,
        headers: &'a HeaderMap,
    ) -> Result<Option<&'a axum::http::HeaderValue>, Foreign> {
        let mut written = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = written.next() else { return Ok(None) };
        let foreign = || Foreign::Origin(shown(&String::from_utf8_lossy(origin.as_bytes())));
        let text = origin.to_str().map_err(|_| foreign())?;
        let is_known =
            written.next().is_none() && self.origins.iter().any(|known| fits(known.trim(), text.trim()));
        if is_known { Ok(Some(origin)) } else { Err(foreign()) }
    }
}

/// An entry of `allowed_hosts`; an IPv6 address may be written without its brackets.
fn authority(host: &str) -> Option<Authority> {
    let host = host.trim();
    host.parse().ok().or_else(|| format!("[{host}]").parse().ok())
}

/// Whether an entry of `allowed_origins` means this origin. `:*` means any port, and no port at all the usual
/// one of its scheme.
fn fits(known: &str, origin: &str) -> bool {
    if known.eq_ignore_ascii_case("null") || origin.eq_ignore_ascii_case("null") {
        return known.eq_ignore_ascii_case(origin);
    }
    let (known, is_any_port) = match known.strip_suffix(":*") {
        Some(known) => (known, true),
        None => (known, false),
    };
    let (Some((scheme, host, port)), Some((asks_scheme, asks_host, asks_port))) =
        (parts(known), parts(origin))
    else {
        return false;
    };
    let usual = match asks_scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let is_port = if is_any_port { port.is_none() } else { port.or(usual) == asks_port.or(usual) };
    scheme == asks_scheme && host == asks_host && is_port
}

fn parts(origin: &str) -> Option<(String, String, Option<u16>)> {
    let uri = origin.parse::<Uri>().ok()?;
    let authority = uri.authority()?;
    Some((
        uri.scheme_str()?.to_ascii_lowercase(),
        authority.host().to_ascii_lowercase(),
        authority.port_u16(),
    ))
}

/// A name from outside, short and without anything that a terminal or a log would obey.
fn shown(name: &str) -> String {
    let escaped: String = name.chars().flat_map(char::escape_default).take(SHOWN).collect();
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(hosts: &[&str], origins: &[&str], address: &str, has_token: bool) -> Names {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let settings =
            Settings { allowed_hosts: owned(hosts), allowed_origins: owned(origins), ..Settings::default() };
        Names::new(&settings, address.parse().unwrap(), has_token)
    }

    fn origin_is_let_in(names: &Names, origin: &str) -> bool {
        let headers = HeaderMap::from_iter([(header::ORIGIN, origin.parse().unwrap())]);
        names.check_origin(&headers).is_ok()
    }

    #[test]
    fn a_host_is_let_in_by_its_whole_name_in_any_case_and_at_its_port_where_one_is_named() {
        let names =
            names(&["SMS.example.com", "internal.example:8443", "2001:db8::7"], &[], "127.0.0.1:8787", false);
        let is_let_in = |host: &str| {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            names.check_host(&Uri::from_static("/mcp"), &headers).is_ok()
        };
        for own in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:8787",
            "[::1]:9",
            "sms.example.com",
            "sms.example.com:443",
            "internal.example:8443",
            "[2001:db8::7]:1",
        ] {
            assert!(is_let_in(own), "{own}");
        }
        for foreign in [
            "",
            "evil.example",
            "sms.example.com.evil.example",
            "a.sms.example.com",
            "internal.example",
            "internal.example:1",
            "local host",
            "[::2]",
        ] {
            assert!(!is_let_in(foreign), "{foreign}");
        }
        assert!(names.check_host(&Uri::from_static("/mcp"), &HeaderMap::new()).is_err(), "no name at all");
    }

    #[test]
    fn an_origin_is_let_in_by_scheme_host_and_port() {
        let names = names(
            &[],
            &[
                "https://app.example.com:443",
                "http://dev.example:*",
                "https://Any.example",
                "capacitor://localhost",
            ],
            "127.0.0.1:8787",
            false,
        );
        for own in [
            "https://app.example.com",
            "https://APP.example.com:443",
            "http://dev.example",
            "http://dev.example:5173",
            "https://any.example",
            "https://ANY.example:443",
            "capacitor://localhost",
        ] {
            assert!(origin_is_let_in(&names, own), "{own}");
        }
        for foreign in [
            "http://app.example.com",
            "https://app.example.com:444",
            "https://any.example:9",
            "http://any.example:443",
            "capacitor://localhost:9",
            "https://dev.example",
            "https://app.example.com.evil.example",
            "null",
            "",
            "app.example.com",
            "http://localhost:8787",
        ] {
            assert!(!origin_is_let_in(&names, foreign), "{foreign}");
        }
        assert_eq!(names.check_origin(&HeaderMap::new()), Ok(None));
        let two = HeaderMap::from_iter([(header::ORIGIN, "https://app.example.com".parse().unwrap())]);
        let mut two = two;
        two.append(header::ORIGIN, "https://evil.example".parse().unwrap());
        assert!(names.check_origin(&two).is_err(), "two origins are none");
    }

    #[test]
    fn pages_of_this_machine_are_let_in_only_where_a_token_is_asked_for_and_nobody_else_reaches_the_server() {
        for page in ["http://localhost:6274", "http://127.0.0.1", "https://[::1]:3000"] {
            assert!(origin_is_let_in(&names(&[], &[], "127.0.0.1:8787", true), page), "{page}");
            assert!(origin_is_let_in(&names(&[], &[], "[::1]:8787", true), page), "{page}");
            assert!(!origin_is_let_in(&names(&[], &[], "127.0.0.1:8787", false), page), "{page}");
            assert!(!origin_is_let_in(&names(&[], &[], "0.0.0.0:8787", true), page), "{page}");
        }
        let names = names(&[], &[], "127.0.0.1:8787", true);
        for foreign in
            ["http://localhost.evil.example", "http://127.0.0.2", "null", "file://", "http://10.0.0.1"]
        {
            assert!(!origin_is_let_in(&names, foreign), "{foreign}");
        }
    }

    #[test]
    fn what_is_repeated_of_a_foreign_name_is_short_and_harmless() {
        let long = format!("http://\u{1b}[31m{}", "x".repeat(500));
        let repeated = shown(&long);
        assert!(
            repeated.chars().count() <= SHOWN && repeated.is_ascii() && !repeated.contains('\u{1b}'),
            "{repeated}"
        );
    }
}
