//! Ranges of IP addresses, as settings write them and as clients are counted.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How much of an IPv6 address says who it is: whoever has one has all of its /64.
const CLIENT_BITS: u8 = 64;

/// One address, or all that begin alike: "10.0.0.7", "10.0.0.0/8", "2001:db8::/32".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// With nothing behind the first `bits`.
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// What a client with this address is counted as.
    pub fn of_client(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let bits = if address.is_ipv4() { 32 } else { CLIENT_BITS };
        Self { address: beginning(address, bits), bits }
    }

    /// Whether an address is one of these. An IPv4 address that is written as IPv6 is that address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && beginning(address, self.bits) == self.address
    }
}

/// An address with nothing behind its first bits.
fn beginning(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits.into())).unwrap_or(0);
            Ipv4Addr::from(u32::from(v4) & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits.into())).unwrap_or(0);
            Ipv6Addr::from(u128::from(v6) & mask).into()
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "\"{text}\" is no address and no range; write it as \"10.0.0.7\", \"10.0.0.0/8\" or \
                 \"2001:db8::/32\""
            )
        };
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse::<IpAddr>().map_err(|_| wrong())?.to_canonical();
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), |bits| bits.parse::<u8>().map_err(|_| wrong()))?;
        if bits > all {
            return Err(wrong());
        }
        if bits == 0 {
            return Err(format!("\"{text}\" is every address there is"));
        }
        // Whoever writes 10.0.0.7/8 may mean that one address, and is not to trust sixteen million instead.
        let network = Self { address: beginning(address, bits), bits };
        if network.address == address {
            Ok(network)
        } else {
            Err(format!("\"{text}\" is {address} or {network}; write the one that is meant"))
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether a `host:port` is this machine.
pub fn is_loopback(address: &str) -> bool {
    let host = match address.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => address.split(':').next().unwrap_or(address),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_range_holds_the_addresses_that_begin_like_it_and_no_others() {
        for (network, inside, outside) in [
            ("10.0.0.7", "10.0.0.7", "10.0.0.8"),
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
            ("127.0.0.1", "::ffff:127.0.0.1", "::1"),
            ("::ffff:10.0.0.7", "10.0.0.7", "10.0.0.8"),
            ("::1", "::1", "127.0.0.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("10.0.0.0/8", "10.0.0.1", "a00::"),
        ] {
            assert!(contains(network, inside) && !contains(network, outside), "{network}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused_and_so_is_what_may_mean_less() {
        for wrong in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "proxy.example.com",
            "::1/129",
            "10.0.0.0/8/8",
        ] {
            assert!(wrong.parse::<Network>().unwrap_err().contains("2001:db8::/32"), "{wrong}");
        }
        assert!("10.0.0.7/8".parse::<Network>().unwrap_err().contains("10.0.0.0/8"));
        for all in ["0.0.0.0/0", "::/0"] {
            assert!(all.parse::<Network>().unwrap_err().contains("every address"), "{all}");
        }
    }

    #[test]
    fn a_client_is_one_ipv4_address_or_one_64_of_ipv6() {
        let counted = |address: &str| Network::of_client(address.parse().unwrap());
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), counted("2001:db8:1:2::1"));
        assert_ne!(counted("2001:db8:1:2::1"), counted("2001:db8:1:3::1"));
        assert_eq!(counted("::ffff:192.0.2.1"), counted("192.0.2.1"));
        assert_ne!(counted("192.0.2.1"), counted("192.0.2.2"));
    }

    #[test]
    fn this_machine_is_known_in_every_spelling() {
        for own in ["localhost:2775", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "LOCALHOST"] {
            assert!(is_loopback(own), "{own}");
        }
        for other in ["smsc.example.com:2775", "10.0.0.1:1", "[2001:db8::1]:1", "localhost.example:1"] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
