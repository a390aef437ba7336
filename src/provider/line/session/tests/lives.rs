//! The life of connections: how they begin, how they are kept, how they end, and what the carrier tells
//! meanwhile.

use std::io::Write as _;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::*;

#[tokio::test]
async fn a_silent_connection_is_asked_whether_it_is_there_and_one_that_does_not_say_so_is_made_again() {
    let carrier = Carrier::new().await;
    let (account, _pushes) =
        carrier.account(Settings { keep_alive: ms(100), answer_timeout: ms(3_000), ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    for _ in 0..3 {
        let (number, _) = within(peer.expect(PING)).await;
        peer.write(PING | ANSWER, number, 0).await;
    }
    // And the other way round.
    peer.write(PING, 77, 0).await;
    let mut found = within(peer.read()).await.unwrap();
    while found.0 == PING {
        peer.write(PING | ANSWER, found.1, 0).await;
        found = within(peer.read()).await.unwrap();
    }
    assert_eq!((found.0, found.1), (PING | ANSWER, 77));
    // From here on it says nothing.
    let _next = within(carrier.bound()).await;
    eventually(|| account.metrics().connections == 2).await;
}

#[tokio::test]
async fn an_end_that_stays_mute_is_left_and_what_it_was_asked_is_unknown() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { answer_timeout: ms(2_000), ..patient() });
    let ask = spawn_ask(&account, 1, 1);
    let _mute = carrier.bound().await;
    assert!(is_unknown(&within(ask).await.unwrap()));
    // Without waiting for `keep_alive`, which is far longer here.
    let mut peer = within(carrier.bound()).await;
    let next = spawn_ask(&account, 1, 2);
    let (number, value) = peer.expect(ASK).await;
    assert_eq!(value, 2);
    peer.write(ASK | ANSWER, number, value).await;
    assert!(next.await.unwrap().is_ok());
}

#[tokio::test]
async fn the_carriers_goodbye_is_answered_and_open_requests_may_still_be() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(patient());
    let ask = spawn_ask(&account, 1, 1);
    let mut peer = carrier.bound().await;
    let (number, value) = peer.expect(ASK).await;
    peer.write(BYE, 50, 0).await;
    assert_eq!(peer.expect(BYE | ANSWER).await.0, 50);
    let later = spawn_ask(&account, 1, 2);
    // It runs until it waits, before this goes on.
    tokio::task::yield_now().await;
    peer.write(ASK | ANSWER, number, value).await;
    assert_eq!(ask.await.unwrap(), Ok((false, 1)));
    assert!(within(peer.read()).await.is_none(), "then it ends");
    let mut next = within(carrier.bound()).await;
    let (number, value) = next.expect(ASK).await;
    assert_eq!(value, 2, "nothing goes out on a connection that ends");
    next.write(ASK | ANSWER, number, value).await;
    assert!(later.await.unwrap().is_ok());
}

#[tokio::test]
async fn closing_waits_for_open_answers_says_goodbye_and_takes_nothing_new() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account_of(2, patient());
    account.start();
    let (mut peer, mut other) = (carrier.bound().await, carrier.bound().await);
    eventually(|| account.metrics().up == 2).await;
    let asks = [spawn_ask(&account, 1, 1), spawn_ask(&account, 4, 2)];
    eventually(|| account.metrics().open == 2).await;
    let closing = tokio::spawn({
        let account = Arc::clone(&account);
        async move { tokio::join!(account.close(), account.close()) }
    });
    tokio::task::yield_now().await;
    assert!(is_not_sent(&account.ask(2, &3).await));
    assert!(!closing.is_finished());
    assert_eq!(within(async { peer.serve().await + other.serve().await }).await, 2);
    for ask in asks {
        assert!(ask.await.unwrap().is_ok());
    }
    within(closing).await.unwrap();
    within(account.close()).await;
    account.start();
    assert!(is_quiet(carrier.accept()).await, "it stays closed");
}

#[tokio::test]
async fn an_account_that_is_dropped_disconnects() {
    let carrier = Carrier::new().await;
    let (account, mut pushes) = carrier.account(patient());
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    drop(account);
    assert!(within(peer.read()).await.is_none());
    assert!(within(pushes.recv()).await.is_none());
}

#[tokio::test]
async fn a_refused_bind_is_tried_again_a_lower_version_too_and_a_wrong_password_is_told_at_once() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(patient());
    account.start();
    // How long each of these waits is: see the waits of `line.rs`.
    let lower = within(async {
        for _ in 0..5 {
            let mut peer = carrier.accept().await;
            let (number, _) = peer.expect(GREET).await;
            peer.write(OLDER, number, 0).await;
        }
        carrier.accept().await
    });
    // Nonsense in place of an answer, and a length that cannot be.
    let mut peer = lower.await;
    peer.write(ASK, 5, 0).await;
    let mut peer = within(carrier.accept()).await;
    peer.0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let mut peer = within(carrier.accept()).await;
    let (number, _) = peer.expect(GREET).await;
    let ask = spawn_ask(&account, 1, 1);
    peer.write(UNAUTHORIZED, number, 0).await;
    let told = within(ask).await.unwrap();
    assert!(
        matches!(
            &told,
            Err(Lost::NotSent { obstacle: Obstacle::Unauthorized, retry_after_ms: Some(30_000), .. })
        ),
        "{told:?}"
    );
    assert!(is_not_sent(&within(account.ask(2, &2)).await));
    assert!(is_quiet(carrier.accept()).await, "not soon");
}

#[tokio::test]
async fn a_cut_connection_is_there_again_each_time() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(patient());
    account.start();
    for round in 0..6 {
        let mut peer = within(carrier.bound()).await;
        let ask = spawn_ask(&account, 1, round);
        let (number, value) = within(peer.expect(ASK)).await;
        peer.write(ASK | ANSWER, number, value).await;
        assert!(ask.await.unwrap().is_ok());
    }
    assert_eq!(account.metrics().connections, 6);
}

#[tokio::test]
async fn of_two_binds_each_order_keeps_to_one_and_goes_to_the_other_when_it_is_down() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account_of(2, patient());
    account.start();
    let (one, other) = (carrier.bound().await, carrier.bound().await);
    eventually(|| account.metrics().up == 2).await;
    let leave = Arc::new(tokio::sync::Notify::new());
    let mut tasks = Vec::new();
    for (mut peer, leave) in [(one, Arc::clone(&leave)), (other, Arc::new(tokio::sync::Notify::new()))] {
        // The first one stays for the first round only.
        tasks.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            loop {
                let frame = tokio::select! {
                    frame = peer.read() => frame,
                    () = leave.notified() => None,
                };
                let Some((kind, number, value)) = frame else { break };
                if kind == ASK {
                    seen.push(value);
                }
                peer.write(kind | ANSWER, number, value).await;
            }
            seen
        }));
    }
    let asks: Vec<_> = (0..40).map(|value| spawn_ask(&account, u64::from(value % 8), value)).collect();
    for ask in asks {
        assert!(ask.await.unwrap().is_ok());
    }
    leave.notify_one();
    eventually(|| account.metrics().up == 1).await;
    let asks: Vec<_> = (100..108).map(|value| spawn_ask(&account, u64::from(value % 8), value)).collect();
    for ask in asks {
        assert!(within(ask).await.unwrap().is_ok());
    }
    account.close().await;
    let mut homes = Vec::new();
    for task in tasks {
        homes.push(task.await.unwrap());
    }
    let orders = |home: &[u32]| {
        home.iter()
            .filter(|value| **value < 40)
            .map(|value| value % 8)
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert!(orders(&homes[0]).is_disjoint(&orders(&homes[1])), "{homes:?}");
    assert!(!homes[0].is_empty() && !orders(&homes[1]).is_empty());
    assert_eq!(homes[1].iter().filter(|value| **value >= 100).count(), 8);
}

#[tokio::test]
async fn a_bind_that_only_listens_gets_no_requests() {
    let carrier = Carrier::new().await;
    let address = carrier.listener.local_addr().unwrap().to_string();
    let lines = vec![Line { bind: 0, submits: false }];
    let plan = Plan {
        name: "tiny".to_owned(),
        address,
        lines,
        settings: Settings { link_wait: ms(200), ..patient() },
    };
    let (account, mut pushes) = Account::new(Tiny, plan, Arc::new(SystemClock)).unwrap();
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    assert!(is_not_sent(&account.ask(1, &1).await));
    peer.write(PUSH, 3, 33).await;
    within(pushes.recv()).await.unwrap().answer(true);
    assert_eq!(peer.expect(PUSH | ANSWER).await, (3, 33));
}

#[tokio::test]
async fn what_the_carrier_tells_is_answered_as_it_was_taken_and_what_is_too_much_later() {
    let carrier = Carrier::new().await;
    let (account, mut pushes) = carrier.account(patient());
    account.start();
    let mut peer = carrier.bound().await;
    for number in 0..1_500 {
        peer.write(PUSH, number, number + 5_000).await;
    }
    // Nobody has taken any; what does not fit is answered, and other things are still read.
    for number in 1_024..1_500 {
        assert_eq!(within(peer.expect(LATER)).await, (number, number + 5_000));
    }
    peer.write(PING, 9, 0).await;
    assert_eq!(within(peer.expect(PING | ANSWER)).await.0, 9);
    let taken = pushes.recv().await.unwrap();
    assert_eq!(taken.push, 5_000);
    taken.answer(true);
    assert_eq!(peer.expect(PUSH | ANSWER).await, (0, 5_000));
    drop(pushes.recv().await.unwrap());
    assert_eq!(peer.expect(LATER).await, (1, 5_001));
    // An answer to a connection that is no more goes nowhere.
    let late = pushes.recv().await.unwrap();
    drop(peer);
    let mut next = within(carrier.bound()).await;
    late.answer(true);
    assert!(is_quiet(next.read()).await);
    assert_eq!(account.metrics().pushes, 1_500);
}

#[tokio::test]
async fn garbage_is_refused_counted_or_ends_the_connection_and_the_account_goes_on() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(patient());
    account.start();
    let mut peer = carrier.bound().await;
    // A request that cannot be read, and an answer that cannot.
    peer.write(0x33, 12, 0).await;
    assert_eq!(within(peer.expect(NACK | ANSWER)).await.0, 12);
    peer.write(0xB3, 13, 0).await;
    let ask = spawn_ask(&account, 1, 1);
    let (number, value) = peer.expect(ASK).await;
    peer.write(ASK | ANSWER, number, value).await;
    assert!(ask.await.unwrap().is_ok());
    assert_eq!(account.metrics().malformed, 2);
    for wrong in [
        &[0, 0, 0, 0][..],
        &[0, 0, 0, 8, 1, 1, 1, 1],
        &[0xFF; 64],
        &[0, 0, 3, 0xE9],
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        peer.0.write_all(wrong).await.unwrap();
        assert!(within(peer.read()).await.is_none(), "{wrong:?}");
        peer = within(carrier.bound()).await;
        let ask = spawn_ask(&account, 1, 1);
        let (number, value) = peer.expect(ASK).await;
        peer.write(ASK | ANSWER, number, value).await;
        assert!(ask.await.unwrap().is_ok());
    }
    // A frame that makes the protocol itself fail.
    let ask = spawn_ask(&account, 1, 1);
    peer.expect(ASK).await;
    peer.write(0xFF, 1, 1).await;
    assert!(is_unknown(&within(ask).await.unwrap()));
    within(carrier.bound()).await;
}

/// Files of an authority, of a server's and of a client's certificate.
struct Papers {
    folder: tempfile::TempDir,
    server: Arc<rustls::ServerConfig>,
}

impl Papers {
    fn new(name: &str, wants_client: bool) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let signed = |name: &str, usage| {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate().unwrap();
            (params.signed_by(&key, &issuer).unwrap(), key)
        };
        let (server, server_key) = signed(name, ExtendedKeyUsagePurpose::ServerAuth);
        let (client, client_key) = signed("client.test", ExtendedKeyUsagePurpose::ClientAuth);
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in
            [("ca.pem", own.pem()), ("client.pem", client.pem()), ("client.key", client_key.serialize_pem())]
        {
            std::fs::File::create(folder.path().join(file)).unwrap().write_all(text.as_bytes()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if wants_client {
            let mut roots = RootCertStore::empty();
            roots.add(own.der().clone()).unwrap();
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
            )
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        Self { folder, server: Arc::new(builder.with_single_cert(vec![server.der().clone()], key).unwrap()) }
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.path().join(name))
    }
}

/// Asks of a carrier behind encryption, until it is answered or refused for a reason with one of these words
/// in it.
async fn ask_encrypted(papers: &Papers, settings: Settings, words: &[&str]) -> Result<(bool, u32), Lost> {
    let carrier = Carrier::new().await;
    let link_wait = if words.is_empty() { settings.link_wait } else { ms(400) };
    let (account, _pushes) = carrier.account(Settings { tls: true, link_wait, ..settings });
    let acceptor = TlsAcceptor::from(Arc::clone(&papers.server));
    let serving = tokio::spawn(async move {
        loop {
            let Ok(mut stream) = acceptor.accept(carrier.accept().await.0).await else { continue };
            let mut frame = [0; 13];
            while stream.read_exact(&mut frame).await.is_ok() {
                frame[4] |= ANSWER;
                stream.write_all(&frame).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    });
    let done = within(async {
        loop {
            match account.ask(1, &5).await {
                // Not tried yet: a slow machine.
                Err(Lost::NotSent { why, .. }) if !words.iter().any(|word| why.contains(word)) => {}
                done => return done,
            }
        }
    });
    let done = done.await;
    serving.abort();
    done
}

#[tokio::test]
async fn an_encrypted_connection_needs_the_right_authority_name_and_papers() {
    let (papers, others) = (Papers::new("smsc.test", false), Papers::new("smsc.test", false));
    let trusting = |papers: &Papers| Settings {
        tls_ca_file: papers.file("ca.pem"),
        tls_server_name: Some("smsc.test".to_owned()),
        ..patient()
    };
    let refusals = ["no encryption", "certificates"];
    assert_eq!(ask_encrypted(&papers, trusting(&papers), &[]).await, Ok((false, 5)));
    for wrong in [
        trusting(&others),
        Settings { tls_server_name: None, ..trusting(&papers) },
        Settings { tls_ca_file: None, ..trusting(&papers) },
    ] {
        let done = ask_encrypted(&papers, wrong, &refusals).await;
        assert!(is_not_sent(&done), "{done:?}");
    }
    let demanding = Papers::new("smsc.test", true);
    assert!(is_not_sent(&ask_encrypted(&demanding, trusting(&demanding), &[""]).await));
    let showing = Settings {
        tls_cert_file: demanding.file("client.pem"),
        tls_key_file: demanding.file("client.key"),
        ..trusting(&demanding)
    };
    assert_eq!(ask_encrypted(&demanding, showing.clone(), &[]).await, Ok((false, 5)));
    assert!(is_not_sent(
        &ask_encrypted(
            &demanding,
            Settings {
                tls_cert_file: others.file("client.pem"),
                tls_key_file: others.file("client.key"),
                ..showing
            },
            &[""]
        )
        .await
    ));
}

#[tokio::test]
async fn papers_that_cannot_be_used_are_told_when_the_account_is_made() {
    let (papers, others) = (Papers::new("smsc.test", false), Papers::new("smsc.test", false));
    let good = Settings {
        tls: true,
        tls_cert_file: papers.file("client.pem"),
        tls_key_file: papers.file("client.key"),
        ..patient()
    };
    for (wrong, word) in [
        (Settings { tls_ca_file: papers.file("none.pem"), ..good.clone() }, "none.pem"),
        (Settings { tls_ca_file: papers.file("client.key"), ..good.clone() }, "client.key"),
        (Settings { tls_key_file: papers.file("client.pem"), ..good.clone() }, "private key"),
        (Settings { tls_key_file: others.file("client.key"), ..good.clone() }, "cannot be used"),
        (Settings { tls_key_file: None, ..good.clone() }, "go together"),
        (Settings { tls: false, ..good.clone() }, "tls = true"),
        (Settings { binds: 33, ..patient() }, "binds"),
        (Settings { window: 0, ..patient() }, "window"),
        (Settings { answer_timeout: ms(0), ..patient() }, "answer_timeout"),
        (Settings { per_second: Some(0), ..patient() }, "per_second"),
    ] {
        let plan = Plan {
            name: "tiny".to_owned(),
            address: "127.0.0.1:1".to_owned(),
            lines: Vec::new(),
            settings: wrong,
        };
        let error = Account::new(Tiny, plan, Arc::new(SystemClock)).map(|_| ()).expect_err(word).to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[tokio::test]
async fn an_encrypted_connection_that_ends_without_a_word_leaves_requests_unknown_and_is_made_again() {
    let papers = Papers::new("smsc.test", false);
    let carrier = Carrier::new().await;
    let (tls_ca_file, tls_server_name) = (papers.file("ca.pem"), Some("smsc.test".to_owned()));
    let (account, _pushes) =
        carrier.account(Settings { tls: true, tls_ca_file, tls_server_name, ..patient() });
    let acceptor = TlsAcceptor::from(Arc::clone(&papers.server));
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        loop {
            let mut stream = acceptor.accept(carrier.accept().await.0).await.unwrap();
            let mut frame = [0; 13];
            while stream.read_exact(&mut frame).await.is_ok() {
                if frame[4] == ASK {
                    asked.push(frame[12]);
                    if asked.len() == 1 {
                        break;
                    }
                }
                frame[4] |= ANSWER;
                stream.write_all(&frame).await.unwrap();
                stream.flush().await.unwrap();
                if asked.len() == 2 {
                    return asked;
                }
            }
        }
    });
    assert!(is_unknown(&within(account.ask(1, &5)).await));
    assert_eq!(within(account.ask(1, &6)).await, Ok((false, 6)));
    assert_eq!(serving.await.unwrap(), [5, 6]);
}

/// What a request is told while there is no bind, as soon as that names the cause.
async fn told_without_a_bind(account: &Account<Tiny>, cause: &str) -> String {
    within(async {
        loop {
            match account.ask(1, &5).await {
                Err(Lost::NotSent { why, .. }) if why.contains(cause) => return why,
                Err(Lost::NotSent { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await
}

#[tokio::test]
async fn where_the_two_ends_do_not_agree_about_encryption_a_send_is_told_the_cause() {
    /// What the other end does with each connection.
    #[derive(Clone, Copy)]
    enum Other {
        Waits,
        Leaves,
        Says(&'static [u8]),
    }
    let papers = Papers::new("smsc.test", false);
    let quick = Settings { link_wait: ms(150), ..patient() };
    let tls = Settings {
        tls: true,
        tls_ca_file: papers.file("ca.pem"),
        tls_server_name: Some("smsc.test".to_owned()),
        ..quick.clone()
    };
    for (settings, other, cause) in [
        (tls.clone(), Other::Waits, "its encryption has no answer so far; does the carrier speak TLS"),
        (
            Settings { connect_timeout: ms(100), ..tls.clone() },
            Other::Waits,
            "no bind in time: the connection is made, and its encryption has no answer",
        ),
        (tls.clone(), Other::Leaves, "does it speak TLS at this port?"),
        (
            tls,
            Other::Says(b"\x00\x00\x00\x10\x80\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x01"),
            "the carrier does not answer in TLS at this port",
        ),
        (
            quick.clone(),
            Other::Says(b"\x15\x03\x03\x00\x02\x02\x46"),
            "the carrier speaks TLS at this port; set [provider.session] tls = true",
        ),
        (quick.clone(), Other::Waits, "the bind has no answer so far"),
        (
            Settings { connect_timeout: ms(100), ..quick },
            Other::Waits,
            "no bind in time: the connection is made, and the bind has no answer",
        ),
    ] {
        let carrier = Carrier::new().await;
        let (account, _pushes) = carrier.account(settings);
        account.start();
        let serving = tokio::spawn(async move {
            let mut kept = Vec::new();
            loop {
                let mut peer = carrier.accept().await;
                match other {
                    Other::Waits => kept.push(peer),
                    Other::Leaves => drop(peer),
                    Other::Says(octets) => {
                        let _ = peer.0.write_all(octets).await;
                        kept.push(peer);
                    }
                }
            }
        });
        let why = told_without_a_bind(&account, cause).await;
        assert!(why.starts_with(crate::provider::line::session::NO_BIND), "{why}");
        serving.abort();
    }
}
