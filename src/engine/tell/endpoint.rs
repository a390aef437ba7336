//! Where the operator's own system is told: the address, the secret, and one signed request.
//!
//! Events are signed as Standard Webhooks says (<https://www.standardwebhooks.com>). The address must be a
//! public one unless the operator says otherwise, and that is checked on what its name resolves to, at the
//! very moment of connecting: whoever controls the name cannot point it inwards afterwards.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretSlice};

use super::public::{Resolver, is_localhost, is_public};
use crate::clock::Timestamp;
use crate::engine::settings::Forwarding;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Forward;
use crate::provider::signature::{Encoding, Hash, Key};
use crate::setting::SecretText;

/// What every secret begins with (Standard Webhooks).
const SECRET_PREFIX: &str = "whsec_";

/// How long a secret may be, in bytes (Standard Webhooks).
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long one telling may take as a whole.
const PATIENCE: Duration = Duration::from_secs(10);

/// The waits before an event is tried again, in milliseconds; the last one stays.
const WAITS_MS: [i64; 5] = [5_000, 30_000, 120_000, 600_000, 3_600_000];

/// How often an event is tried at most, whatever `give_up_after` says: more than a year.
const MOST_TRIES: usize = 10_000;

/// Where events are told.
pub struct Target {
    url: Url,
    key: SecretSlice<u8>,
    allow_private: bool,
    give_up_after_ms: i64,
    http: OnceLock<reqwest::Client>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the address: its path may be a secret.
        f.debug_struct("Target").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

/// How one telling ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was taken (2xx).
    Yes,
    /// It is to be tried again.
    NotYet(&'static str),
    /// The receiver wants it no more (410).
    Never,
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
        .next("Correct [forward] in the configuration, then check with `sms-mcp config check`.")
}

impl Target {
    /// The address and the secret of `[forward]`; nothing where no address is set.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an address that cannot be used, and for a missing or malformed secret.
    pub fn new(settings: &Forwarding, secret: Option<&SecretText>) -> Result<Option<Self>> {
        let Some(text) = &settings.callback_url else { return Ok(None) };
        let url: Url = text.parse().map_err(|error| {
            wrong(format!(
                "forward.callback_url is no address such as https://crm.example.com/sms-events: {error}"
            ))
        })?;
        let is_allowed = match url.scheme() {
            "https" => true,
            "http" => settings.allow_private,
            _ => false,
        };
        if !is_allowed {
            return Err(wrong(
                "forward.callback_url must begin with https://; http:// is for allow_private = true alone"
                    .to_owned(),
            ));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(wrong(
                "forward.callback_url must have no user, no password and no fragment".to_owned(),
            ));
        }
        let literal = match url.host() {
            Some(url::Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(url::Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            // RFC 6761, section 6.3: it is this machine, and there is no need to ask.
            Some(url::Host::Domain(name)) if is_localhost(name) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Some(url::Host::Domain(_)) => None,
            None => return Err(wrong("forward.callback_url names no host".to_owned())),
        };
        if !settings.allow_private && literal.is_some_and(|ip| !is_public(ip)) {
            return Err(wrong(
                "forward.callback_url is an address of this machine or of a private network; if that is \
                 meant, set allow_private = true"
                    .to_owned(),
            ));
        }
        let secret = secret.ok_or_else(|| {
            wrong(
                "forward.callback_url needs a secret to sign with: set secret = { env = \"NAME\" } or { \
                file = \"path\" }"
                    .to_owned(),
            )
        })?;
        let key =
            secret.expose().strip_prefix(SECRET_PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok());
        let key = key.filter(|key| SECRET_BYTES.contains(&key.len())).ok_or_else(|| {
            wrong(format!(
                "forward.secret must be {SECRET_PREFIX} and 24 to 64 bytes in base64; `openssl \
                rand -base64 32` makes such bytes"
            ))
        })?;
        Ok(Some(Self {
            url,
            key: key.into(),
            allow_private: settings.allow_private,
            give_up_after_ms: settings.give_up_after.as_millis(),
            http: OnceLock::new(),
        }))
    }

    /// Made at the first event: reading the system's certificates takes time and memory.
    fn http(&self) -> Option<&reqwest::Client> {
        if self.http.get().is_none() {
            // A failure is not kept: the certificates may be there the next time.
            let made = self.connectable().ok()?;
            return Some(self.http.get_or_init(|| made));
        }
        self.http.get()
    }

    fn connectable(&self) -> reqwest::Result<reqwest::Client> {
        // One crypto provider for the process; an earlier call may have set it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder()
            .user_agent(concat!("sms-mcp/", env!("CARGO_PKG_VERSION")))
            // A redirect could lead inwards, and a proxy would resolve the name by itself.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .pool_idle_timeout(Duration::from_secs(4))
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .dns_resolver(Arc::new(Resolver { allow_private: self.allow_private }))
            .build()
    }

    /// `v1,` and the signature of an event, in base64.
    fn signature(&self, id: &str, seconds: i64, body: &str) -> String {
        let key = Key::new(Hash::Sha256, Encoding::Base64, self.key.expose_secret());
        format!("v1,{}", key.sign([id, ".", &seconds.to_string(), ".", body].map(str::as_bytes)))
    }

    /// Tells one event.
    pub async fn tell(&self, event: &Forward, now: Timestamp) -> Told {
        let Some(http) = self.http() else { return Told::NotYet("the system's certificates cannot be read") };
        let seconds = now.as_millis().div_euclid(1_000);
        let request = http
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", self.signature(&event.id, seconds, &event.body))
            .body(event.body.clone());
        // The answer's body is nobody's business: it is not read.
        match request.send().await.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Told::Yes,
            Ok(StatusCode::GONE) => Told::Never,
            Ok(status) if status.is_redirection() => {
                Told::NotYet("the receiver answered with a redirect, which is not followed")
            }
            Ok(status) if status.is_client_error() => Told::NotYet("the receiver refused it (4xx)"),
            Ok(_) => Told::NotYet("the receiver failed (5xx)"),
            // Not the error itself: it names the address.
            Err(error) if error.is_timeout() => Told::NotYet("the receiver did not answer in time"),
            Err(error) if error.is_connect() => {
                Told::NotYet("the receiver cannot be reached, or its address is not public")
            }
            Err(_) => Told::NotYet("the connection to the receiver broke"),
        }
    }

    /// When to try an event again after so many tries; nothing where it is given up.
    pub fn next(&self, event: &Forward, now: Timestamp, random: u64) -> Option<Timestamp> {
        let index = usize::try_from(event.tries.saturating_sub(1)).unwrap_or(usize::MAX).min(MOST_TRIES);
        let wait_of =
            |index: usize| WAITS_MS.get(index.min(WAITS_MS.len() - 1)).copied().unwrap_or(3_600_000);
        let wait = wait_of(index);
        // How long it was tried, and not how old it is: what comes late, or was told while this server was
        // off, has the same time.
        let tried = (0..=index).map(wait_of).fold(0, i64::saturating_add);
        // Up to a fifth more, so that what failed together does not come back together.
        let jitter = i64::try_from(random % 1_000).unwrap_or(0) * wait / 5_000;
        let next = now.plus_ms(wait.saturating_add(jitter));
        (tried <= self.give_up_after_ms && index < MOST_TRIES).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use reqwest::dns::Resolve as _;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn settings(url: &str) -> Forwarding {
        Forwarding { callback_url: Some(url.to_owned()), ..Forwarding::default() }
    }

    fn made(url: &str) -> Result<Option<Target>> {
        Target::new(&settings(url), Some(&SecretText::new(SECRET)))
    }

    #[test]
    fn a_signature_is_the_one_of_the_standards_own_example() {
        // standardwebhooks.com and the reference libraries' test vector.
        let target = made("https://crm.example.com/").unwrap().unwrap();
        let signature =
            target.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "193.0.0.1",
            "223.255.255.254",
            "2606:4700::1111",
            "2a00:1450:4007::200e",
            "64:ff9b::808:808",
            "2001:200::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_before_anything_starts() {
        for bad in [
            "crm.example.com",
            "http://crm.example.com/",
            "ftp://crm.example.com/",
            "https://user:pw@crm.example.com/",
            "https://crm.example.com/#x",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost/",
            "https://169.254.169.254/latest",
        ] {
            let error = made(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{bad}");
            assert!(error.message().contains("forward.callback_url"), "{bad}: {error}");
        }
        assert!(made("https://crm.example.com/sms-events?x=1").unwrap().is_some());
        let private = Forwarding { allow_private: true, ..settings("http://127.0.0.1:8080/x") };
        assert!(Target::new(&private, Some(&SecretText::new(SECRET))).unwrap().is_some());
        assert!(Target::new(&Forwarding::default(), None).unwrap().is_none());
    }

    #[test]
    fn a_missing_or_malformed_secret_is_refused_and_not_shown() {
        let url = settings("https://crm.example.com/");
        assert!(Target::new(&url, None).unwrap_err().message().contains("secret = { env"));
        for bad in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_c2hvcnQ=",
            "whsec_not base64!",
            &format!("whsec_{}", STANDARD.encode([7; 65])),
        ] {
            let error = Target::new(&url, Some(&SecretText::new(bad))).unwrap_err();
            assert!(
                error.message().contains("whsec_ and 24 to 64 bytes")
                    && (bad.len() < 8 || !error.message().contains(bad)),
                "{bad}: {error}"
            );
        }
        let shown = format!("{:?}", made("https://crm.example.com/canary").unwrap());
        assert!(!shown.contains("canary") && !shown.contains("MfKQ"), "{shown}");
    }

    #[tokio::test]
    async fn a_name_that_leads_inwards_is_refused_after_it_was_resolved() {
        let closed = Resolver { allow_private: false };
        assert!(closed.resolve("localhost".parse().unwrap()).await.is_err());
        let open = Resolver { allow_private: true };
        assert!(open.resolve("localhost".parse().unwrap()).await.unwrap().next().is_some());
    }

    #[tokio::test]
    async fn a_name_that_leads_inwards_is_never_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        // As if the name had been a stranger's when the configuration was read.
        let mut target = made("https://crm.example.com/").unwrap().unwrap();
        target.url = url.parse().unwrap();
        let event =
            Forward { sequence: 1, id: "evt_1".into(), at: Timestamp(0), body: "{}".into(), tries: 1 };
        assert_eq!(
            target.tell(&event, Timestamp(0)).await,
            Told::NotYet("the receiver cannot be reached, or its address is not public")
        );
        assert!(tokio::time::timeout(Duration::from_millis(200), listener.accept()).await.is_err());
        // The same, allowed: it is the address that was refused.
        (target.allow_private, target.http) = (true, OnceLock::new());
        tokio::select! {
            met = listener.accept() => assert!(met.is_ok()),
            told = target.tell(&event, Timestamp(0)) => panic!("nobody was met: {told:?}"),
        }
    }

    #[test]
    fn waits_grow_and_end() {
        let target = made("https://crm.example.com/").unwrap().unwrap();
        let after = |tries: u32, at: i64, random: u64| {
            let event =
                Forward { sequence: 1, id: "evt_1".into(), at: Timestamp(0), body: String::new(), tries };
            target.next(&event, Timestamp(at), random).map(|next| next.as_millis() - at)
        };
        let waits: Vec<i64> = (1..=7).map(|tries| after(tries, 0, 0).unwrap()).collect();
        assert_eq!(waits, [5_000, 30_000, 120_000, 600_000, 3_600_000, 3_600_000, 3_600_000]);
        assert_eq!(after(1, 0, 999), Some(5_999));
        assert!(after(72, 0, 0).is_some() && after(76, 0, 0).is_none(), "72 hours of waits");
        assert_eq!(after(u32::MAX, 0, 0), None);
    }
}
