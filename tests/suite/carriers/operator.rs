//! What an operator of a carrier sees: a log that shows nobody's words, numbers and secrets, and mistakes in
//! the settings that are named with what would be right.

use std::time::Duration;

use serde_json::json;

use crate::carrier::ismg;
use crate::carrier::peer::{Receipts, Script, Spoil};
use crate::carrier::scene::{Agent, Gateway, Protocol, desk};
use crate::carrier::smsc::{self, Joined, from_person};
use crate::support::Desk;

const TEXT: &str = "canary-carried-51d0";
const SPOKEN: &str = "canary-spoken-93e7";
const PERSON: usize = 77;

/// What a person writes, once short and once in segments.
fn write_back(gateway: &Gateway) {
    let long = format!("{SPOKEN} ").repeat(8);
    let person = gateway.written(PERSON);
    match gateway {
        Gateway::Smsc(peer) => {
            for text in [SPOKEN, &long] {
                from_person(&person, "36179", text, 9, 67, Joined::Header8)
                    .into_iter()
                    .for_each(|frame| peer.tell(frame));
            }
        }
        Gateway::Ismg(peer) => {
            peer.hear_from(&person, SPOKEN, 0);
            peer.hear_long_from(&person, &long, 9, 67);
        }
    }
}

/// How octets look where somebody printed them as a list, or in hexadecimal.
fn forms(secret: &str) -> [String; 3] {
    let list = secret.bytes().map(|octet| octet.to_string()).collect::<Vec<_>>().join(", ");
    let hex = secret.bytes().map(|octet| format!("{octet:02x}")).collect();
    [secret.to_owned(), list, hex]
}

#[test]
fn at_trace_no_log_shows_who_we_are_to_whom_was_written_or_what() {
    for protocol in Protocol::BOTH {
        let gateway = Gateway::start(protocol);
        let session = "answer_timeout = \"1s\"\nlink_wait = \"2s\"\nthrottle_wait = \"100ms\"\nkeep_alive = \
            \"1s\"\nreconnect_most = \"200ms\"";
        let desk = desk(&gateway, session);
        let mut agent = Agent::start(&desk, "trace");
        let long = format!("{TEXT} ").repeat(20);
        let refused = if protocol == Protocol::Smpp { 0x0b } else { 13 };
        let changes: [fn(&mut Script); 7] = [
            |_| (),
            |script| script.stat = "UNDELIV".to_owned(),
            |script| (script.refuse_every, script.is_header_only) = (1, true),
            |script| script.mute_every = 1,
            |script| script.is_deaf = true,
            |script| script.spoil = Some(Spoil::Noise),
            |script| script.throttle_every = 1,
        ];
        for (n, change) in changes.into_iter().enumerate() {
            gateway.script(|script| {
                // Late enough that what they are about is recorded.
                *script = Script {
                    status: refused,
                    receipts: Receipts::After(Duration::from_millis(150)),
                    ..Script::default()
                };
                change(script);
            });
            for text in [TEXT, &long] {
                agent.call("send_sms", json!({ "to": gateway.number(n), "message": format!("{text} {n}") }));
            }
        }
        gateway.script(|script| *script = Script::default());
        write_back(&gateway);
        gateway.until("every receipt and text is thanked for", |gateway| gateway.untold() == 0);
        for kind in gateway.garbage() {
            gateway.babble(kind);
            // So that they come one by one and not as one read; either is fine.
            std::thread::sleep(Duration::from_millis(30));
        }
        gateway.until("it is bound again", |gateway| gateway.links() > 0);
        // Out of step with the frames: the words of a text stand where a length is read.
        let connections = || gateway.counters().connections.load(std::sync::atomic::Ordering::SeqCst);
        let before = connections();
        gateway.write(TEXT.as_bytes());
        gateway.until("the connection is left for another one", |_| connections() > before);
        let log = agent.finish();
        for seen in ["a bind is up", "no frame has such a length", "settled", "receipt", "reply received"] {
            assert!(log.contains(seen), "{protocol:?}: without \"{seen}\" this proves nothing: {log}");
        }
        let mut hidden = vec![
            TEXT.to_owned(),
            SPOKEN.to_owned(),
            "ACME".to_owned(),
            gateway.written(PERSON),
            "36179".to_owned(),
        ];
        hidden.push(u32::from_be_bytes(*TEXT.as_bytes().first_chunk().unwrap()).to_string());
        hidden.extend((0..changes.len()).map(|n| gateway.written(n)));
        hidden.extend([smsc::PASSWORD, ismg::SECRET].map(str::to_owned));
        for secret in hidden.iter().flat_map(|secret| forms(secret)) {
            let shown: Vec<&str> = log.lines().filter(|line| line.contains(&secret)).collect();
            assert!(shown.is_empty(), "{protocol:?}: the log shows {secret}: {shown:#?}");
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_mistake_in_the_settings_is_named_with_what_would_be_right_and_no_secret_is_shown() {
    const SMPP: &str = "kind = \"smpp\"\naddress = \"smsc.example.com:2775\"\nsystem_id = \
        \"acme\"\npassword = \"pw-canary\"\n";
    const CMPP: &str = "kind = \"cmpp\"\naddress = \"ismg.example.com:7890\"\nsp_id = \"900001\"\nsecret = \
        \"pw-canary\"\nfrom = \"10690001\"\n";
    let cases: &[(&str, &str, &str, &[&str])] = &[
        (SMPP, "smsc.example.com:2775", "smsc.example.com", &["address", "host:port"]),
        (SMPP, "smsc.example.com:2775", "smpp://smsc.example.com:2775", &["address", "host:port"]),
        (SMPP, "system_id = \"acme\"\n", "", &["system_id", "not set"]),
        (SMPP, "password = \"pw-canary\"\n", "", &["password", "password = { env", "password = { file"]),
        (
            SMPP,
            "password = \"pw-canary\"\n",
            "password = { env = \"NOT_THERE\" }\n",
            &["password", "NOT_THERE"],
        ),
        (
            SMPP,
            "password = \"pw-canary\"\n",
            "password = { file = \"pw-canary\", env = \"PW\" }\n",
            &["password", "keep one"],
        ),
        (SMPP, "$", "mode = \"both\"\n", &["both", "transceiver"]),
        (SMPP, "$", "long = \"udh\"\n", &["udh8", "payload"]),
        (SMPP, "$", "priority = 4\n", &["priority", "0 to 3"]),
        (SMPP, "$", "validity = \"31d\"\n", &["validity"]),
        (SMPP, "$", "validity = \"0s\"\n", &["validity", "1s"]),
        (SMPP, "$", "from = \"TwelveLetters\"\n", &["from", "11"]),
        (SMPP, "$", "pasword = \"pw-canary\"\n", &["pasword", "password"]),
        (
            SMPP,
            "$",
            "[[provider.status_codes]]\ncode = \"lots\"\nmeans = \"later\"\n",
            &["status_codes", "lots", "0x401"],
        ),
        (
            SMPP,
            "$",
            "[[provider.status_codes]]\ncode = \"0x401\"\nmeans = \"maybe\"\n",
            &["maybe", "throttled"],
        ),
        (SMPP, "$", "[provider.session]\nwindow = 0\n", &["session.window", "from 1"]),
        (SMPP, "$", "[provider.session]\nbinds = 0\n", &["session.binds", "from 1"]),
        (SMPP, "$", "[provider.session]\nper_second = 0\n", &["session.per_second", "leave it out"]),
        (
            SMPP,
            "$",
            "[provider.session]\nkeep_alive = \"0s\"\n",
            &["session.keep_alive is 0ms", "at least 1s"],
        ),
        (
            CMPP,
            "$",
            "[provider.session]\nreconnect_most = \"1ms\"\n",
            &["session.reconnect_most is 1ms", "at least 100ms"],
        ),
        (
            SMPP,
            "$",
            "[provider.session]\nanswer_timeout = \"25s\"\n",
            &["answer_timeout", "35s", "send.timeout", "30s"],
        ),
        (
            SMPP,
            "$",
            "[provider.session]\ntls = true\ntls_cert_file = \"/nowhere/cert.pem\"\n",
            &["tls_cert_file", "tls_key_file"],
        ),
        (SMPP, "$", "[provider.session]\ntls_ca_file = \"/nowhere/ca.pem\"\n", &["tls = true"]),
        (
            SMPP,
            "$",
            "[provider.session]\ntls = true\ntls_ca_file = \"/nowhere/ca.pem\"\n",
            &["/nowhere/ca.pem"],
        ),
        (SMPP, "$", "[provider.session]\ntls = true\ntls_server_name = \"a b\"\n", &["a b", "certificate"]),
        (CMPP, "ismg.example.com:7890", "cmpp://ismg.example.com", &["address", "host:port"]),
        (CMPP, "\"900001\"", "\"9000012\"", &["sp_id", "6"]),
        (CMPP, "secret = \"pw-canary\"\n", "", &["secret", "secret = { env", "secret = { file"]),
        (CMPP, "secret = \"pw-canary\"\n", "secret = \"\"\n", &["secret", "empty"]),
        (CMPP, "from = \"10690001\"\n", "", &["from", "service code"]),
        (CMPP, "\"10690001\"", "\"ACME\"", &["from", "digits"]),
        (CMPP, "$", "version = \"4.0\"\n", &["4.0", "3.0"]),
        (CMPP, "$", "version = 3.0\n", &["version", "string"]),
        (CMPP, "$", "verify = \"yes\"\n", &["strict"]),
        (CMPP, "$", "validity = \"0s\"\n", &["validity", "720h"]),
        (CMPP, "$", "at_time = \"800000h\"\n", &["at_time", "720h"]),
        (CMPP, "$", "destinations_per_submit = 100\n", &["destinations_per_submit", "99"]),
        (CMPP, "$", "[[provider.result_codes]]\ncode = 0\nmeans = \"later\"\n", &["result_codes", "0"]),
        (CMPP, "$", "[[provider.result_codes]]\ncode = 101\nmeans = \"maybe\"\n", &["maybe", "throttled"]),
        (CMPP, "$", "[provider.session]\nwindow = 0\n", &["session.window", "from 1"]),
    ];
    let desk = Desk::new("");
    let check = |settings: &str| {
        std::fs::write(desk.config(), format!("[[provider]]\n{settings}")).unwrap();
        let output = desk.command().args(["config", "check", "--log", "trace"]).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!said.contains("pw-canary"), "{settings}: {said}");
        (output.status.success(), said)
    };
    for right in [SMPP, CMPP] {
        let (is_fine, said) = check(right);
        assert!(is_fine, "{right}: {said}");
    }
    for (base, from, to, parts) in cases {
        let settings = if *from == "$" { format!("{base}{to}") } else { base.replace(from, to) };
        let (is_fine, said) = check(&settings);
        assert!(!is_fine && parts.iter().all(|part| said.contains(part)), "{settings}: {parts:?}: {said}");
    }
}

#[test]
fn a_command_that_only_looks_makes_no_bind_that_could_cut_off_the_servers() {
    for protocol in Protocol::BOTH {
        let gateway = Gateway::start(protocol);
        let desk = desk(&gateway, "");
        let number = gateway.number(1);
        let run = |arguments: &[&str]| {
            let output = desk.command().args(arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        let binds = || gateway.counters().binds.load(std::sync::atomic::Ordering::SeqCst);
        for only_looks in [
            &["list"][..],
            &["balance"],
            &["budget"],
            &["opt-out"],
            &["provider"],
            &["send", &number, "hi", "--dry-run"],
        ] {
            run(only_looks);
            assert_eq!(binds(), 0, "{protocol:?}: {only_looks:?}");
        }
        run(&["send", &number, "hi"]);
        assert_eq!(binds(), 1, "{protocol:?}");
    }
}
