//! What a session carries: `cargo bench --bench carrier`. SMPP and CMPP submits a second, codec and session
//! together, over loopback TCP and at several windows: before a peer that answers at once, and before one
//! that takes 20 ms.
//!
//! The peer shares the machine. It reads raw octets and knows just enough of both protocols to answer in the
//! shortest form, in threads of its own, so it costs as little as a peer can.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout
)]
#![allow(missing_docs)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sms_mcp::clock::SystemClock;
use sms_mcp::provider::line::session::{Account, Line, Plan, Protocol, Settings};
use sms_mcp::provider::line::{cmpp, smpp};
use sms_mcp::setting::SecretText;

/// How long one row takes.
const ROW: Duration = Duration::from_secs(3);

/// What is not counted at the beginning of each.
const WARM: Duration = Duration::from_millis(500);

/// What the slow peer takes to answer.
const SLOW: Duration = Duration::from_millis(20);

const TEXT: &[u8] = b"Your table for two is ready. Reply CHANGE to move it, or STOP for no more texts.";

/// The shortest answer to a frame.
type Answering = fn(frame: &[u8], out: &mut Vec<u8>);

fn put(out: &mut Vec<u8>, words: &[u32], rest: &[u8]) {
    out.extend_from_slice(&u32::try_from(4 + 4 * words.len() + rest.len()).unwrap().to_be_bytes());
    words.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
    out.extend_from_slice(rest);
}

fn word(frame: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(frame[at..at + 4].try_into().unwrap())
}

/// SMPP v3.4: command, status, number; a submit's answer has an id (section 4.4.2), a bind's a name (4.1.6).
fn answer_smpp(frame: &[u8], out: &mut Vec<u8>) {
    let (command, number) = (word(frame, 4), word(frame, 12));
    match command {
        0x04 => {
            let mut id = *b"0000000000\0";
            let mut rest = number;
            for digit in id[..10].iter_mut().rev() {
                *digit = b'0' + u8::try_from(rest % 10).unwrap();
                rest /= 10;
            }
            put(out, &[command | 0x8000_0000, 0, number], &id);
        }
        0x09 => put(out, &[command | 0x8000_0000, 0, number], b"peer\0"),
        command if command & 0x8000_0000 == 0 => put(out, &[command | 0x8000_0000, 0, number], &[]),
        _ => {}
    }
}

/// CMPP 3.0: command, number; a submit's answer has a `Msg_Id` and a result, a greeting's a status, a proof
/// and a version.
fn answer_cmpp(frame: &[u8], out: &mut Vec<u8>) {
    let (command, number) = (word(frame, 4), word(frame, 8));
    let mut rest = [0; 21];
    let length = match command {
        0x01 => {
            rest[20] = 0x30;
            21
        }
        0x04 => {
            rest[4..8].copy_from_slice(&number.to_be_bytes());
            12
        }
        0x08 => 1,
        command if command & 0x8000_0000 == 0 => 0,
        _ => return,
    };
    put(out, &[command | 0x8000_0000, number], &rest[..length]);
}

/// Reads frames and answers those of each read at once; the answers go to `write`.
fn read_frames(mut stream: TcpStream, answering: Answering, mut write: impl FnMut(Vec<u8>) -> Vec<u8>) {
    let (mut input, mut filled, mut out) = (vec![0; 256 * 1024], 0, Vec::new());
    while let Ok(count @ 1..) = stream.read(&mut input[filled..]) {
        filled += count;
        let mut at = 0;
        while filled - at >= 4 {
            let length = usize::try_from(word(&input, at)).unwrap();
            if filled - at < length {
                break;
            }
            answering(&input[at..at + length], &mut out);
            at += length;
        }
        input.copy_within(at..filled, 0);
        filled -= at;
        if !out.is_empty() {
            out = write(out);
            out.clear();
        }
    }
}

/// A peer that answers after this time. Its address.
fn peer(delay: Duration, answering: Answering) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut writer = stream.try_clone().unwrap();
            if delay.is_zero() {
                std::thread::spawn(move || {
                    read_frames(stream, answering, |out| {
                        let _ = writer.write_all(&out);
                        out
                    });
                });
                continue;
            }
            let (sender, due) = mpsc::channel::<(Instant, Vec<u8>)>();
            std::thread::spawn(move || {
                for (at, out) in due {
                    std::thread::sleep(at.saturating_duration_since(Instant::now()));
                    if writer.write_all(&out).is_err() {
                        break;
                    }
                }
            });
            std::thread::spawn(move || {
                read_frames(stream, answering, |out| {
                    let _ = sender.send((Instant::now() + delay, out));
                    Vec::new()
                });
            });
        }
    });
    address
}

/// Requests a second, and requests for each write. Each request is made anew, as a message's are.
async fn measure<P: Protocol>(
    protocol: P,
    line: P::Bind,
    address: String,
    window: u16,
    request: impl Fn() -> P::Request + Send + Sync + 'static,
) -> (f64, f64) {
    let settings = Settings { window, ..Settings::default() };
    let plan =
        Plan { name: "bench".to_owned(), address, lines: vec![Line { bind: line, submits: true }], settings };
    let (account, _pushes) = Account::new(protocol, plan, Arc::new(SystemClock)).unwrap();
    account.start();
    account.ready().await.unwrap();
    let (answered, is_over, request) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)), Arc::new(request));
    let tasks: Vec<_> = (0..window)
        .map(|order| {
            let (account, answered, is_over, request) =
                (Arc::clone(&account), Arc::clone(&answered), Arc::clone(&is_over), Arc::clone(&request));
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    account.ask(u64::from(order), &request()).await.unwrap_or_else(|lost| panic!("{lost:?}"));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(WARM).await;
    let (began, before, was) = (Instant::now(), answered.load(Ordering::Relaxed), account.metrics());
    tokio::time::sleep(ROW).await;
    let (took, after, is) = (began.elapsed(), answered.load(Ordering::Relaxed), account.metrics());
    is_over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    account.close().await;
    let count = |number: u64| f64::from(u32::try_from(number).unwrap());
    (
        count(after - before) / took.as_secs_f64(),
        count(is.requests - was.requests) / count((is.writes - was.writes).max(1)),
    )
}

async fn measure_smpp(address: String, window: u16) -> (f64, f64) {
    let codec = || smpp::pdu::Codec {
        system_id: smpp::write::text("system_id", "bench").unwrap(),
        password: SecretText::new("bench"),
        system_type: smpp::write::text("system_type", "").unwrap(),
        common: smpp::write::Common { registered_delivery: 1, ..smpp::write::Common::default() },
        statuses: smpp::status::Statuses::new(&[]),
    };
    let maker = codec();
    let address_of =
        |ton, text: &str| Arc::new(smpp::message::Address { ton, npi: 1, text: text.to_owned() });
    let (from, to) = (address_of(1, "12025550100"), address_of(1, "12025550123"));
    let request = move || {
        let (from, to) = (Arc::clone(&from), Arc::clone(&to));
        let submit = smpp::message::Submit {
            from,
            to,
            coding: 0,
            has_udh: false,
            octets: TEXT.to_vec(),
            sar: None,
            is_payload: false,
        };
        maker.ready(smpp::message::Request::Submit(submit)).unwrap()
    };
    measure(codec(), smpp::message::Bind::Transceiver, address, window, request).await
}

async fn measure_cmpp(address: String, window: u16) -> (f64, f64) {
    let config = cmpp::Config {
        sp_id: "900001".to_owned(),
        verify: cmpp::login::Verify::Off,
        ..cmpp::Config::default()
    };
    let request = || {
        cmpp::protocol::Request::Submit(cmpp::protocol::Segment {
            destinations: Arc::from([cmpp::pdu::Terminal::new(b"13900000001")]),
            sender: Arc::from("10690001"),
            parts: 1,
            part: 1,
            format: 0,
            content: Bytes::from_static(TEXT),
            times: None,
        })
    };
    measure(
        cmpp::protocol::Cmpp::new(config, SecretText::new("bench")),
        Arc::default(),
        address,
        window,
        request,
    )
    .await
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("| protocol | peer | window | submits/s | of window/0.02 | submits a write |");
    println!("|---|---|---|---|---|---|");
    for name in ["SMPP 3.4", "CMPP 3.0"] {
        let answering: Answering = if name.starts_with('S') { answer_smpp } else { answer_cmpp };
        for (delay, windows) in [(Duration::ZERO, &[1, 10, 100][..]), (SLOW, &[10, 100])] {
            for window in windows {
                let address = peer(delay, answering);
                let (rate, batch) = if name.starts_with('S') {
                    runtime.block_on(measure_smpp(address, *window))
                } else {
                    runtime.block_on(measure_cmpp(address, *window))
                };
                let (kind, share) = if delay.is_zero() {
                    ("at once", String::new())
                } else {
                    (
                        "after 20 ms",
                        format!("{:.1} %", rate * delay.as_secs_f64() / f64::from(*window) * 100.0),
                    )
                };
                println!("| {name} | {kind} | {window} | {rate:.0} | {share} | {batch:.1} |");
            }
        }
    }
}
