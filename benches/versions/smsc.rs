//! A carrier that answers every submit at once, and tells at once that it was delivered: SMPP v3.4, sections
//! 4.4 (submit_sm), 4.6 (deliver_sm) and appendix B (the receipt's text).

use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

const BIND_TRANSCEIVER: u32 = 0x09;
const SUBMIT_SM: u32 = 0x04;
const DELIVER_SM: u32 = 0x05;
const ANSWER: u32 = 0x8000_0000;

/// Starts it, and returns its address.
pub fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || serve(&stream));
        }
    });
    address
}

fn frame(out: &mut Vec<u8>, command: u32, number: u32, body: &[u8]) {
    out.extend_from_slice(&u32::try_from(16 + body.len()).unwrap().to_be_bytes());
    for word in [command, 0, number] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(body);
}

/// The text up to the next NUL, and what is behind it.
fn text(octets: &[u8]) -> (&[u8], &[u8]) {
    let end = octets.iter().position(|octet| *octet == 0).unwrap();
    (&octets[..end], &octets[end + 1..])
}

fn serve(stream: &TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut input = BufReader::with_capacity(1 << 16, stream);
    let mut output = BufWriter::with_capacity(1 << 16, stream);
    let (mut taken, mut out) = (0_u32, Vec::new());
    let mut head = [0; 16];
    while input.read_exact(&mut head).is_ok() {
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
        let (command, number) = (word(4), word(12));
        let mut body = vec![0; usize::try_from(word(0)).unwrap() - 16];
        input.read_exact(&mut body).unwrap();
        out.clear();
        match command {
            BIND_TRANSCEIVER => frame(&mut out, ANSWER | command, number, b"bench\0"),
            SUBMIT_SM => {
                taken += 1;
                let id = format!("{taken:010}");
                frame(&mut out, ANSWER | command, number, format!("{id}\0").as_bytes());
                let (_, rest) = text(&body);
                let (from, rest) = text(&rest[2..]);
                let (to, rest) = text(&rest[2..]);
                let (_, rest) = text(&rest[3..]);
                let (_, rest) = text(rest);
                if rest[0] & 0x03 != 0 {
                    frame(&mut out, DELIVER_SM, taken, &receipt(&id, to, from));
                }
            }
            answer if answer & ANSWER != 0 => continue,
            _ => frame(&mut out, ANSWER | command, number, &[]),
        }
        // What came together is answered together, as a carrier under load does.
        if output.write_all(&out).is_err() || input.buffer().is_empty() && output.flush().is_err() {
            return;
        }
    }
}

fn receipt(id: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    let said = format!(
        "id:{id} sub:001 dlvrd:001 submit date:2611271200 done date:2611271200 stat:DELIVRD err:000 text:"
    );
    let mut body = b"\0\x01\x01".to_vec();
    body.extend_from_slice(from);
    body.extend_from_slice(b"\0\x05\0");
    body.extend_from_slice(to);
    // esm_class 4 is a receipt; then eight fields that say nothing here.
    body.extend_from_slice(b"\0\x04\0\0\0\0\0\0\0\0");
    body.push(u8::try_from(said.len()).unwrap());
    body.extend_from_slice(said.as_bytes());
    body
}
