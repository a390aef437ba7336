//! Whom a connection and a request are from, as far as places are counted by address.
//!
//! A header says anything, so `X-Forwarded-For` is read of proxies that the operator named and of nobody
//! else. Each proxy writes whom it was called by behind what stood there, so that the last entry which is no
//! named proxy's is the client: whatever a client wrote itself stands before it.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use crate::setting::network::Network;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remote {
    /// A program of this machine, perhaps a proxy that nobody named: it may be everybody.
    Local,
    /// One client.
    Client(Network),
    /// A named proxy, at this address.
    Proxy(Network),
}

impl Remote {
    /// Whose a connection is from the first.
    pub(super) fn client(self) -> Option<Network> {
        match self {
            Self::Client(client) => Some(client),
            Self::Local | Self::Proxy(_) => None,
        }
    }
}

/// The named proxies (`[http] trusted_proxies`).
#[derive(Debug)]
pub(super) struct Proxies(Vec<Network>);

impl Proxies {
    pub(super) fn new(named: Vec<Network>) -> Self {
        Self(named)
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|proxies| proxies.contains(address))
    }

    /// Who is at this end of a connection.
    pub(super) fn peer(&self, address: IpAddr) -> Remote {
        let counted = Network::of_client(address);
        match address {
            _ if self.has(address) => Remote::Proxy(counted),
            _ if address.to_canonical().is_loopback() => Remote::Local,
            _ => Remote::Client(counted),
        }
    }

    /// Whom a request is from that this peer sent; nothing where nobody can tell.
    pub(super) fn client(&self, peer: Remote, headers: &HeaderMap) -> Option<Network> {
        match peer {
            Remote::Local => None,
            Remote::Client(client) => Some(client),
            Remote::Proxy(proxy) => Some(self.forwarded(headers).map_or(proxy, Network::of_client)),
        }
    }

    /// The last entry that is no named proxy's, or the first one where all are. Nothing where one cannot be
    /// read before that.
    fn forwarded(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = None;
        for header in headers.get_all(FORWARDED_FOR).iter().rev() {
            for entry in header.to_str().ok()?.rsplit(',') {
                let address = address_of(entry.trim())?;
                if !self.has(address) {
                    return Some(address);
                }
                client = Some(address);
            }
        }
        client
    }
}

/// An address, which some proxies write with its port.
fn address_of(entry: &str) -> Option<IpAddr> {
    let bare = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    entry.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip())).or_else(bare)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::HeaderValue;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn counted(text: &str) -> Network {
        Network::of_client(address(text))
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        let name = axum::http::HeaderName::from_static(FORWARDED_FOR);
        lines.iter().map(|line| (name.clone(), HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect()
    }

    fn proxies(named: &[&str]) -> Proxies {
        Proxies::new(named.iter().map(|network| network.parse().unwrap()).collect())
    }

    #[test]
    fn the_last_address_that_no_named_proxy_has_is_the_client_whatever_it_wrote_itself() {
        let proxies = proxies(&["127.0.0.1", "10.0.0.0/8", "fd00::/8"]);
        let proxy = proxies.peer(address("10.0.0.1"));
        for (lines, client) in [
            (&["203.0.113.7"][..], "203.0.113.7"),
            (&["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            (&["198.51.100.1,203.0.113.7 , 10.9.9.9"], "203.0.113.7"),
            (&["198.51.100.1", "203.0.113.7", "10.9.9.9, 127.0.0.1"], "203.0.113.7"),
            (&["unknown, , x\"y, 203.0.113.7"], "203.0.113.7"),
            (&["203.0.113.7:50000"], "203.0.113.7"),
            (&["::ffff:203.0.113.7"], "203.0.113.7"),
            (&["2001:db8::7, fd00::1"], "2001:db8::7"),
            (&["[2001:db8::7]:50000"], "2001:db8::7"),
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["10.0.0.9, 10.0.0.1"], "10.0.0.9"),
        ] {
            assert_eq!(proxies.client(proxy, &headers(lines)), Some(counted(client)), "{lines:?}");
        }
    }

    #[test]
    fn a_named_proxy_that_does_not_say_who_calls_is_counted_itself() {
        let proxies = proxies(&["10.0.0.0/8"]);
        let proxy = proxies.peer(address("10.0.0.1"));
        for lines in [
            &[][..],
            &[""],
            &["unknown"],
            &["203.0.113.7, unknown"],
            &["203.0.113.7, 10.0.0"],
            &["203.0.113.7,"],
            &["203.0.113.7", "caf\u{e9}"],
        ] {
            assert_eq!(proxies.client(proxy, &headers(lines)), Some(counted("10.0.0.1")), "{lines:?}");
        }
    }

    #[test]
    fn what_anybody_else_writes_there_counts_nothing() {
        let proxies = proxies(&["10.0.0.0/8"]);
        let spoofed = headers(&["203.0.113.7"]);
        for (peer, client) in [
            ("192.0.2.1", Some(counted("192.0.2.1"))),
            ("127.0.0.1", None),
            ("::1", None),
            ("::ffff:127.0.0.1", None),
        ] {
            assert_eq!(proxies.client(proxies.peer(address(peer)), &spoofed), client, "{peer}");
        }
        assert_eq!(
            proxies.peer(address("127.0.0.1")),
            Remote::Local,
            "perhaps a proxy that nobody named: then it is everybody"
        );
    }
}
