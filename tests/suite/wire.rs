//! Bytes on the wire, as no well-behaved client writes them: a server over stdio, and HTTP requests on plain
//! sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Desk, Era, HttpServer, LAST_RESORT};

/// How long an answer may take before a test says that there is none.
pub const PATIENCE: Duration = LAST_RESORT;

/// `_meta` of a request of this era.
pub fn meta(era: Era) -> Option<Value> {
    (era == Era::Stateless).then(|| {
        json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "wire", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {}
        })
    })
}

/// A request with `params`, with what its era demands in `_meta`.
pub fn request(era: Era, id: u64, method: &str, mut params: Value) -> Vec<u8> {
    if let Some(meta) = meta(era) {
        params["_meta"] = meta;
    }
    serde_json::to_vec(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).unwrap()
}

/// A `tools/call`.
pub fn tool_call(era: Era, id: u64, tool: &str, arguments: &Value) -> Vec<u8> {
    request(era, id, "tools/call", json!({ "name": tool, "arguments": arguments }))
}

/// The `initialize` request of the older era.
pub fn initialize() -> Vec<u8> {
    let params = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "wire", "version": "1" } });
    request(Era::Legacy, 0, "initialize", params)
}

/// The note that follows `initialize`.
pub const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A server process whose standard input and output are ours.
pub struct RawStdio {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
    log: Option<JoinHandle<String>>,
}

impl RawStdio {
    /// Starts the server; in the older era a session is opened.
    pub fn start(desk: &Desk, era: Era, more: impl FnOnce(&mut Command)) -> Self {
        let mut command = desk.command();
        more(&mut command);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let output = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let value = serde_json::from_str(&line.unwrap()).expect("every line of the output is JSON");
                if tell.send(value).is_err() {
                    return;
                }
            }
        });
        let mut errors = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let input = child.stdin.take();
        let mut server = Self { child, input, lines, log: Some(log) };
        if era == Era::Legacy {
            server.send(&initialize());
            assert!(server.next(PATIENCE).expect("an answer to initialize")["result"].is_object());
            server.send(INITIALIZED);
        }
        server
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes one line.
    pub fn send(&mut self, line: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(line).unwrap();
        input.write_all(b"\n").unwrap();
        input.flush().unwrap();
    }

    /// The next message of the server, if it comes in time.
    pub fn next(&self, patience: Duration) -> Option<Value> {
        match self.lines.recv_timeout(patience) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the server has closed its output"),
        }
    }

    /// The answer with this id; what came before it goes to `others`.
    pub fn answer_to(&self, id: u64, others: &mut Vec<Value>) -> Value {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let message = self
                .next(give_up.saturating_duration_since(Instant::now()))
                .unwrap_or_else(|| panic!("no answer to {id}; got {others:?}"));
            if message["id"] == id {
                return message;
            }
            others.push(message);
        }
    }

    /// Waits for the end of the process, whatever ends it.
    pub fn ends(&mut self) {
        crate::support::ends(&mut self.child);
    }

    /// Ends the input and returns what was logged. The exit code must be 0.
    pub fn finish(self) -> String {
        let (is_good, log) = self.end();
        assert!(is_good, "{log}");
        log
    }

    /// The same with any exit code: whether it was 0.
    pub fn end(mut self) -> (bool, String) {
        drop(self.input.take());
        let log = self.log.take().unwrap().join().unwrap();
        (self.child.wait().unwrap().success(), log)
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for RawStdio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server said to one HTTP request.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The messages of an event stream.
    pub fn events(&self) -> Vec<Value> {
        let text = String::from_utf8_lossy(&self.body);
        text.lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter_map(|data| serde_json::from_str(data).ok())
            .collect()
    }

    /// The JSON of the body, be it plain or the last event of a stream.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok().or_else(|| self.events().pop())
    }
}

/// The head of a `POST /mcp` with these further headers, `Host` and the usual types included where they are
/// not named.
pub fn head(port: u16, headers: &[(&str, &str)], length: usize) -> Vec<u8> {
    let mut text = String::from("POST /mcp HTTP/1.1\r\n");
    let host = format!("127.0.0.1:{port}");
    let usual = [
        ("Host", host.as_str()),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("Connection", "close"),
    ];
    let missing = usual
        .into_iter()
        .filter(|(name, _)| !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)));
    for (name, value) in missing.chain(headers.iter().copied()) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {length}\r\n\r\n"));
    text.into_bytes()
}

/// Opens a connection that gives up after [`PATIENCE`].
pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads a whole answer; the connection must close after it.
pub fn read_reply(stream: &mut TcpStream) -> Option<Reply> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("no end of the answer: {error}; so far {:?}", String::from_utf8_lossy(&bytes)),
    }
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = bytes[end + 4..].to_vec();
    let reply = Reply { status, head, body };
    let is_chunked =
        reply.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    Some(if is_chunked { Reply { body: unchunk(&reply.body), ..reply } } else { reply })
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap().trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
    whole
}

/// One `POST /mcp` on a connection that stays open; the answer must be an event stream. Returns its bytes.
pub fn post_again(stream: &mut TcpStream, port: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let headers: Vec<_> = headers.iter().copied().chain([("Connection", "keep-alive")]).collect();
    let mut request = head(port, &headers, body.len());
    request.extend_from_slice(body);
    stream.write_all(&request).unwrap();
    let (mut bytes, mut part) = (Vec::new(), [0; 16 * 1024]);
    while !bytes.ends_with(b"\r\n0\r\n\r\n") {
        match stream.read(&mut part).unwrap() {
            0 => panic!("the connection closed: {:?}", String::from_utf8_lossy(&bytes)),
            count => bytes.extend_from_slice(&part[..count]),
        }
    }
    bytes
}

/// One `POST /mcp` on a connection of its own.
pub fn post(port: u16, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut stream = connect(port);
    stream.write_all(&head(port, headers, body.len())).unwrap();
    let _ = stream.write_all(body); // A server that refuses may close before it has read everything.
    read_reply(&mut stream).expect("an answer")
}

/// What a tool said: its answer, or its error.
pub fn said(answer: &Value) -> Option<Value> {
    let result = &answer["result"];
    if result["isError"] == true {
        return serde_json::from_str(result["content"][0]["text"].as_str()?).ok();
    }
    Some(result["structuredContent"].clone())
}

/// One call of a tool, and what it said.
pub fn call(server: &HttpServer, tool: &'static str, arguments: &Value) -> Value {
    call_as(server, &[], tool, arguments)
}

/// The same with these headers.
pub fn call_as(
    server: &HttpServer,
    headers: &[(&str, &str)],
    tool: &'static str,
    arguments: &Value,
) -> Value {
    let headers: Vec<(&str, &str)> =
        stateless_headers(tool).into_iter().chain(headers.iter().copied()).collect();
    let answer: Value =
        post(server.port, &headers, &tool_call(Era::Stateless, 1, tool, arguments)).json().unwrap();
    said(&answer).unwrap_or_else(|| panic!("{answer}"))
}

/// One request of any method to any address, with these headers; `Host` is this machine where none is named.
pub fn ask(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut text =
        format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str(&format!("Host: 127.0.0.1:{port}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let mut stream = connect(port);
    stream.write_all(text.as_bytes()).unwrap();
    let _ = stream.write_all(body);
    read_reply(&mut stream).expect("an answer")
}

/// One `GET`.
pub fn get(port: u16, path: &str) -> Reply {
    let mut stream = connect(port);
    stream
        .write_all(
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .unwrap();
    read_reply(&mut stream).expect("an answer")
}

/// Opens a session of the older era and returns its id.
pub fn open_legacy(port: u16, headers: &[(&str, &str)]) -> String {
    let reply = post(port, headers, &initialize());
    assert_eq!(reply.status, 200, "{reply:?}");
    let id = reply.header("mcp-session-id").expect("a session id").to_owned();
    let headers: Vec<_> = headers.iter().copied().chain([("Mcp-Session-Id", id.as_str())]).collect();
    assert_eq!(post(port, &headers, INITIALIZED).status, 202);
    id
}

/// The headers that a `tools/call` of the new era must have.
pub fn stateless_headers(tool: &str) -> [(&str, &str); 3] {
    [("Mcp-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool)]
}
