//! Encryption: the real program before vendors behind TLS, trusted and not, straight and through a proxy's
//! tunnel.
//!
//! The authorities and certificates are made here. `SSL_CERT_FILE` says which authorities the program
//! believes, as it does for everything that reads the system's certificates.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::fake::Fake;
use crate::fake::sms_for_ai::{SmsForAi, TOKEN};
use crate::support::{A_WHILE, Desk, Era, WIDE, fictional};
use crate::wire::{RawStdio, tool_call};

const TEXT: &str = "canary-text-tls-5b1e";

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// The settings of a server with a certificate for this name.
    fn server(
        &self,
        name: &str,
        is_expired: bool,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ServerConfig {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if is_expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

/// Encryption before a fake vendor, and a proxy that makes tunnels.
struct Place {
    vendor: Fake<SmsForAi>,
    runtime: Runtime,
    port: u16,
    /// Bytes that came out of the encryption.
    decrypted: Arc<AtomicUsize>,
    /// Connections that were begun.
    begun: Arc<AtomicUsize>,
}

impl Place {
    fn new(server: ServerConfig) -> Self {
        let vendor = Fake::start(SmsForAi::default());
        let inner: SocketAddr = vendor.url().strip_prefix("http://").unwrap().parse().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (decrypted, begun) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (acceptor, seen, started) =
            (TlsAcceptor::from(Arc::new(server)), Arc::clone(&decrypted), Arc::clone(&begun));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                started.fetch_add(1, Ordering::SeqCst);
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let Ok(mut outside) = acceptor.accept(stream).await else { return };
                    let mut first = vec![0; 16 * 1024];
                    let read = outside.read(&mut first).await.unwrap_or(0);
                    seen.fetch_add(read, Ordering::SeqCst);
                    if read > 0 {
                        let mut inside = TcpStream::connect(inner).await.unwrap();
                        inside.write_all(&first[..read]).await.unwrap();
                        let _ = copy_bidirectional(&mut outside, &mut inside).await;
                    }
                });
            }
        });
        Self { vendor, runtime, port, decrypted, begun }
    }

    /// A proxy, and the first lines of what it is asked.
    fn proxy(&self) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = self.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (lines, port) = (Arc::clone(&asked), self.port);
        self.runtime.spawn(async move {
            while let Ok((mut outside, _)) = listener.accept().await {
                let lines = Arc::clone(&lines);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = outside.read_u8().await else { return };
                        head.push(byte);
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    lines.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
                    assert!(!head.contains(TOKEN), "the proxy is shown nothing");
                    let mut inside = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    outside.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                    let _ = copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        (url, asked)
    }

    /// A desk before this vendor, and where its authorities are read from.
    fn desk(&self, host: &str, proxy: Option<&str>) -> (Desk, PathBuf) {
        let proxy = proxy.map(|proxy| format!("proxy = \"{proxy}\"\n")).unwrap_or_default();
        let provider = format!(
            "[[provider]]\nkind = \"sms_for_ai\"\nbase_url = \"https://{host}:{}/api/v1\"\ntoken = \
             \"{TOKEN}\"\n[provider.http]\n{proxy}",
            self.port
        );
        let desk = Desk::new(&format!("{WIDE}price_when_unknown = \"0.10\"\n{provider}"));
        let file = desk.path().join("authorities.pem");
        (desk, file)
    }

    /// What the agent hears when it sends one message, with these authorities believed.
    fn send(&self, host: &str, proxy: Option<&str>, authorities: &str) -> Value {
        let (desk, file) = self.desk(host, proxy);
        std::fs::write(&file, authorities).unwrap();
        let mut server = start(&desk, &file);
        let said = ask(&mut server, 1);
        let log = server.finish();
        assert!(!log.contains(TEXT) && !log.contains(TOKEN), "{log}");
        said
    }

    fn sends(&self) -> usize {
        self.vendor.requests().iter().filter(|request| request.path == "/api/v1/sms/send").count()
    }

    /// Nothing of any request came through, though the vendor was tried.
    fn is_untouched(&self, what: &str, said: &Value) {
        assert_eq!(said["code"], "provider_unavailable", "{what}: {said}");
        assert!(said.to_string().contains("no connection"), "{what}: {said}");
        assert!(self.begun.load(Ordering::SeqCst) > 0, "{what}");
        std::thread::sleep(A_WHILE);
        assert_eq!((self.decrypted.load(Ordering::SeqCst), self.vendor.requests().len()), (0, 0), "{what}");
    }
}

fn start(desk: &Desk, authorities: &Path) -> RawStdio {
    RawStdio::start(desk, Era::Stateless, |command| {
        command.args(["--log", "trace"]).env("SSL_CERT_FILE", authorities).env_remove("SSL_CERT_DIR");
    })
}

/// Sends one message, to the person of this number.
fn ask(server: &mut RawStdio, n: u64) -> Value {
    server.send(&tool_call(
        Era::Stateless,
        n,
        "send_sms",
        &json!({ "to": fictional(1), "message": format!("{TEXT} {n}") }),
    ));
    let answer = server.answer_to(n, &mut Vec::new());
    match &answer["result"]["structuredContent"] {
        Value::Null => serde_json::from_str(
            answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")),
        )
        .unwrap(),
        content => content.clone(),
    }
}

#[test]
fn authorities_that_cannot_be_read_at_first_are_read_when_they_are_there() {
    let authority = Authority::new();
    let place = Place::new(authority.server("localhost", false, rustls::ALL_VERSIONS));
    let (desk, file) = place.desk("localhost", None);
    let mut server = start(&desk, &file);
    let said = ask(&mut server, 1);
    assert_eq!(said["code"], "provider_unavailable", "{said}");
    assert!(said.to_string().contains("certificates"), "{said}");
    std::fs::write(&file, &authority.pem).unwrap();
    let said = ask(&mut server, 2);
    assert_eq!(said["status"], "sent", "{said}");
    assert_eq!(place.sends(), 1);
}

#[test]
fn a_message_goes_through_encryption_that_the_systems_authorities_vouch_for() {
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let authority = Authority::new();
        let place = Place::new(authority.server("localhost", false, versions));
        // Others are believed too, as on every machine.
        let said = place.send("localhost", None, &format!("{}{}", Authority::new().pem, authority.pem));
        assert_eq!(said["status"], "sent", "{said}");
        assert_eq!(place.sends(), 1);
        let request = place.vendor.requests().into_iter().find(|request| request.method == "POST").unwrap();
        assert_eq!(request.header("host"), Some(format!("localhost:{}", place.port).as_str()));
    }
}

#[test]
fn an_encrypted_connection_is_used_again() {
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let authority = Authority::new();
        let place = Place::new(authority.server("localhost", false, versions));
        let (desk, file) = place.desk("localhost", None);
        std::fs::write(&file, &authority.pem).unwrap();
        let mut server = start(&desk, &file);
        for n in 1..=20 {
            let said = ask(&mut server, n);
            assert_eq!(said["status"], "sent", "{said}");
        }
        // One would do, but for what else is asked meanwhile, and for a machine that needs seconds between
        // two.
        let begun = place.begun.load(Ordering::SeqCst);
        assert!(begun < place.sends() / 2, "{begun} connections");
        assert_eq!(place.sends(), 20);
    }
}

#[test]
fn a_message_goes_through_a_proxys_tunnel_encrypted_from_end_to_end() {
    let authority = Authority::new();
    let place = Place::new(authority.server("vendor.test", false, rustls::ALL_VERSIONS));
    let (proxy, asked) = place.proxy();
    // A name that only the proxy resolves.
    let said = place.send("vendor.test", Some(&proxy), &authority.pem);
    assert_eq!(said["status"], "sent", "{said}");
    assert_eq!(place.sends(), 1);
    let asked = asked.lock().unwrap();
    assert!(
        !asked.is_empty()
            && asked.iter().all(|line| *line == format!("CONNECT vendor.test:{} HTTP/1.1", place.port)),
        "{asked:?}"
    );
}

#[test]
fn nothing_is_shown_to_a_server_that_cannot_prove_who_it_is() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (what, name, is_expired, believed) in [
        ("an authority that is not believed", "localhost", false, &other),
        ("another host's certificate", "other.test", false, &authority),
        ("a certificate of a longer name", "localhost.other.test", false, &authority),
        ("an expired certificate", "localhost", true, &authority),
    ] {
        let place = Place::new(authority.server(name, is_expired, rustls::ALL_VERSIONS));
        place.is_untouched(what, &place.send("localhost", None, &believed.pem));
        let (proxy, asked) = place.proxy();
        place.is_untouched(
            &format!("{what}, by a proxy"),
            &place.send("localhost", Some(&proxy), &believed.pem),
        );
        assert!(!asked.lock().unwrap().is_empty(), "{what}");
    }
    // The certificate names the host, and the vendor is called by its number.
    let place = Place::new(authority.server("localhost", false, rustls::ALL_VERSIONS));
    place.is_untouched("an address", &place.send("127.0.0.1", None, &authority.pem));
}
