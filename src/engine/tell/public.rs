//! Which addresses are those of the public internet, and a resolver that leaves out all others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves names, and leaves out what is not public.
pub struct Resolver {
    /// Whether what is not public is left in.
    pub allow_private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| allow_private || is_public(address.ip())).collect();
            if allowed.is_empty() {
                return Err("the name leads to no public address".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether a name is that of this machine.
pub fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether an address is one of the public internet (the IANA special-purpose registries, RFC 6890, say what
/// is not).
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)           // this network, private, loopback
            | (100, 64..=127, _)       // carrier-grade NAT
            | (169, 254, _)            // link-local, and the metadata services of clouds
            | (172, 16..=31, _)        // private
            | (192, 0, 0 | 2)          // protocol assignments, documentation
            | (192, 31, 196)           // AS112
            | (192, 52, 193)           // AMT
            | (192, 88, 99)            // 6to4 relays
            | (192, 168, _)            // private
            | (192, 175, 48)           // AS112
            | (198, 18 | 19, _)        // benchmarks
            | (198, 51, 100)           // documentation
            | (203, 0, 113)            // documentation
            | (224..=255, _, _) // multicast, reserved, broadcast
    );
    !is_special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    if (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0) {
        // How an IPv6-only network reaches IPv4 (RFC 6052): what counts is the address inside.
        let [[a, b], [c, d]] = [g.to_be_bytes(), h.to_be_bytes()];
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Of all the rest only 2000::/3 is global unicast: not loopback, mapped IPv4, link-local, unique local,
    // multicast.
    let is_global = (0x2000..=0x3fff).contains(&a);
    let is_special = matches!(
        (a, b),
        (0x2001, 0..=0x01ff)           // protocol assignments, Teredo among them
            | (0x2001, 0x0db8)         // documentation
            | (0x2002, _)              // 6to4: an IPv4 address inside
            | (0x2620, 0x004f)         // AS112
            | (0x3fff, 0..=0x0fff) // documentation
    );
    is_global && !is_special
}
