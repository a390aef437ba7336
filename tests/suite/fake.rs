//! Fake vendors: a real socket on this machine that is strict about what it takes and can refuse, drop,
//! stall, throttle and garble.
//!
//! A [`Vendor`] says what one vendor's documentation says: it checks each request and answers it. Whatever
//! the documentation does not allow is a complaint, and a [`Fake`] that is dropped with complaints fails its
//! test. A [`Fault`] stands between the two: it decides whether the vendor sees the request at all and how
//! much of its answer gets back. Requests are recorded before the vendor sees them, also those of which only
//! a part came.

pub mod a2p_pro;
pub mod aws;
pub mod gateway;
pub mod infobip;
pub mod mailersend;
pub mod mailpro;
pub mod plivo;
pub mod presets;
pub mod sinch;
pub mod sms_for_ai;
pub mod sms_gateway;
pub mod telnyx;
pub mod twilio;
pub mod vonage;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, UNIX_EPOCH};

use futures::future::BoxFuture;
use serde_json::{Value, json};
use sms_mcp::clock::{Clock, SharedClock, SystemClock, Timestamp};

use crate::support::found;

/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Size of the answer of [`Fault::Huge`], in bytes.
const HUGE: usize = 10 * 1024 * 1024;

/// A request as it came in. A part of it where the fault ended the connection early.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// As it stands on the request line, without the query.
    pub path: String,
    /// Decoded, in order.
    pub query: Vec<(String, String)>,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Which connection it came on, from 1.
    pub connection: usize,
}

impl Seen {
    /// The first header of this name, which is written in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first query parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON, if it is JSON and says so.
    pub fn json(&self) -> Option<Value> {
        let is_json = self
            .header("content-type")
            .is_some_and(|kind| kind.split(';').next() == Some("application/json"));
        is_json.then(|| serde_json::from_slice(&self.body).ok()).flatten()
    }

    /// The body as a form, if it says so.
    pub fn form(&self) -> Option<Vec<(String, String)>> {
        let is_form = self
            .header("content-type")
            .is_some_and(|kind| kind.split(';').next() == Some("application/x-www-form-urlencoded"));
        is_form.then(|| url::form_urlencoded::parse(&self.body).into_owned().collect())
    }
}

/// An answer. Its length is added where no header names one.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string().into_bytes() }
            .header("content-type", "application/json")
    }

    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Fake\r\n", self.status);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            && self.status != 204
        {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }

    fn closes(&self) -> bool {
        self.headers.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close")
        })
    }
}

/// One vendor's behaviour.
pub trait Vendor: Send + 'static {
    /// Checks a request and answers it. `complain` records what the vendor's documentation does not allow.
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply;
}

/// What goes wrong with a request. "Taken" means that the vendor saw it and acted on it.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The port is closed, and so is every open connection.
    Refuse,
    /// The connection is closed when the head has come. Not taken.
    DropBeforeBody,
    /// The connection is closed when half of the body has come. Not taken.
    DropDuringBody,
    /// Taken; the connection is closed without an answer.
    DropAfterAccept,
    /// Taken; no answer ever comes.
    Stall,
    /// Taken; the answer ends in the middle, short of the length that its head promised; where it has no
    /// body, in the head.
    HalfJson,
    /// Taken; the answer is this status, a 5xx.
    ErrorAfterAccept(u16),
    /// Not taken; 429 with `Retry-After` in seconds.
    ThrottleSeconds(u64),
    /// Not taken; 429 with `Retry-After` as a date, here in seconds since 1970.
    ThrottleDate(u64),
    /// Taken; the answer is 200 with bytes that are no JSON.
    Garbage,
    /// Taken; the answer is 200 with 10 MB.
    Huge,
    /// Not taken; this answer.
    Status(u16, Value),
}

/// A vendor on a socket.
pub struct Fake<V: Vendor> {
    shared: Arc<Shared<V>>,
    address: SocketAddr,
    door: Mutex<Door>,
}

/// How often a request stalled, by the port of the fake that let it.
static STALLS: Mutex<BTreeMap<u16, usize>> = Mutex::new(BTreeMap::new());

/// How long a provider waits for an answer of a fake: longer than any test. On the clock of [`clock_before`]
/// the end of it comes when it has to.
pub const PATIENCE: Duration = Duration::from_secs(3_600);

/// A clock, but for the wait for an answer ([`PATIENCE`]): that one is over as soon as the fake at this
/// address lets a request stall. So a stall costs no time, and no slow machine makes one.
struct Prompt {
    port: u16,
    clock: SharedClock,
}

/// The clock for a provider before the fake at this address: the machine's.
pub fn clock_before(url: &str) -> SharedClock {
    clock_before_by(url, Arc::new(SystemClock))
}

/// The same with a clock of the test's own.
pub fn clock_before_by(url: &str, clock: SharedClock) -> SharedClock {
    Arc::new(Prompt { port: url::Url::parse(url).unwrap().port_or_known_default().unwrap(), clock })
}

impl Clock for Prompt {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn fill_random(&self, bytes: &mut [u8]) -> sms_mcp::error::Result<()> {
        self.clock.fill_random(bytes)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if duration != PATIENCE {
            return self.clock.sleep(duration);
        }
        let port = self.port;
        let stalls = move || lock(&STALLS).get(&port).copied().unwrap_or(0);
        let before = stalls();
        Box::pin(async move {
            while stalls() == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    }
}

/// A fake whoever its vendor is: what tests of every provider need of it.
pub trait Wire {
    /// See [`Fake::fail`].
    fn fail(&self, fault: Fault);
    /// Answers nothing from now on, until [`Wire::release`].
    fn hold(&self);
    /// Answers again, also what was asked meanwhile.
    fn release(&self);
    /// See [`Fake::requests`].
    fn requests(&self) -> Vec<Seen>;
    /// How many messages were asked to be sent so far, in requests.
    fn asked(&self) -> usize {
        self.requests().len()
    }
    /// Whether it is a connection that stays. Then a fault of the link is another one than a fault of an
    /// answer, and a "not now" names no time.
    fn is_connection(&self) -> bool {
        false
    }
    /// Whether this can go wrong there, with a message or with a question.
    fn knows(&self, _fault: &Fault, _is_question: bool) -> bool {
        true
    }
}

impl<V: Vendor> Wire for Fake<V> {
    fn fail(&self, fault: Fault) {
        Self::fail(self, fault);
    }

    fn hold(&self) {
        Self::hold(self);
    }

    fn release(&self) {
        Self::release(self);
    }

    fn requests(&self) -> Vec<Seen> {
        Self::requests(self)
    }
}

/// Whether the port listens.
enum Door {
    /// The thread that accepts connections.
    Open(JoinHandle<()>),
    /// The port is kept, so that no other test gets it, and nobody listens: connections are refused.
    Closed { _placeholder: tokio::net::TcpSocket },
    /// Between the two.
    Moving,
}

struct Shared<V> {
    vendor: Mutex<V>,
    faults: Mutex<(Fault, VecDeque<Fault>)>,
    seen: Mutex<Vec<Seen>>,
    complaints: Mutex<Vec<String>>,
    open: Mutex<HashMap<usize, TcpStream>>,
    most_open: AtomicUsize,
    accepted: AtomicUsize,
    is_held: Mutex<bool>,
    is_released: Condvar,
    port: u16,
    is_closing: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<V: Vendor> Fake<V> {
    /// Listens on a free port of this machine.
    pub fn start(vendor: V) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            vendor: Mutex::new(vendor),
            faults: Mutex::new((Fault::None, VecDeque::new())),
            seen: Mutex::default(),
            complaints: Mutex::default(),
            open: Mutex::default(),
            most_open: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            is_held: Mutex::default(),
            is_released: Condvar::new(),
            port: address.port(),
            is_closing: AtomicBool::new(false),
        });
        let door = Mutex::new(Door::Open(Shared::listen(&shared, listener)));
        Self { shared, address, door }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What goes wrong with every request from now on, until this is called with [`Fault::None`].
    pub fn fail(&self, fault: Fault) {
        let mut door = lock(&self.door);
        match (&*door, &fault) {
            (Door::Open(_), Fault::Refuse) => self.close(&mut door),
            (Door::Closed { .. }, fault) if *fault != Fault::Refuse => {
                *door = Door::Moving;
                let listener = TcpListener::bind(self.address).unwrap();
                *door = Door::Open(Shared::listen(&self.shared, listener));
            }
            _ => {}
        }
        lock(&self.shared.faults).0 = fault;
    }

    /// What goes wrong with the next request only. Several calls queue up.
    pub fn fail_once(&self, fault: Fault) {
        assert_ne!(fault, Fault::Refuse, "a port is closed with fail()");
        lock(&self.shared.faults).1.push_back(fault);
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// The vendor itself.
    pub fn vendor(&self) -> MutexGuard<'_, V> {
        lock(&self.shared.vendor)
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections were open at the same time at most.
    pub fn most_connections(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }

    /// What the documentation does not allow and was done all the same.
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.shared.complaints).clone()
    }

    /// Returns the complaints and forgets them.
    pub fn forgive(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared.complaints))
    }

    /// Takes requests and answers none of them, until [`Fake::release`].
    pub fn hold(&self) {
        *lock(&self.shared.is_held) = true;
    }

    /// Answers again.
    pub fn release(&self) {
        *lock(&self.shared.is_held) = false;
        self.shared.is_released.notify_all();
    }

    /// Closes every connection that is open, as a server does with idle ones.
    pub fn hang_up(&self) {
        for stream in lock(&self.shared.open).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn close(&self, door: &mut Door) {
        self.shared.is_closing.store(true, Ordering::SeqCst);
        if let Door::Open(thread) = std::mem::replace(door, Door::Moving) {
            // A connection of our own wakes the thread up.
            let _ = TcpStream::connect(self.address);
            let _ = thread.join();
        }
        self.shared.is_closing.store(false, Ordering::SeqCst);
        self.hang_up();
        // Somebody's own connection may have been given the port in this moment: it ends soon.
        let placeholder = found("the port comes back", || {
            let placeholder = tokio::net::TcpSocket::new_v4().unwrap();
            placeholder.set_reuseaddr(true).unwrap();
            placeholder.bind(self.address).is_ok().then_some(placeholder)
        });
        *door = Door::Closed { _placeholder: placeholder };
    }
}

impl<V: Vendor> Drop for Fake<V> {
    fn drop(&mut self) {
        self.shared.is_closing.store(true, Ordering::SeqCst);
        if let Door::Open(thread) = std::mem::replace(&mut *lock(&self.door), Door::Moving) {
            let _ = TcpStream::connect(self.address);
            let _ = thread.join();
        }
        self.release();
        self.hang_up();
        let complaints = self.complaints();
        if !complaints.is_empty() && !std::thread::panicking() {
            panic!("the vendor complains: {complaints:#?}");
        }
    }
}

impl<V: Vendor> Shared<V> {
    fn listen(shared: &Arc<Self>, listener: TcpListener) -> JoinHandle<()> {
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if shared.is_closing.load(Ordering::SeqCst) {
                    return;
                }
                let number = shared.accepted.fetch_add(1, Ordering::SeqCst) + 1;
                let _ = stream.set_nodelay(true);
                let mut open = lock(&shared.open);
                open.insert(number, stream.try_clone().unwrap());
                shared.most_open.fetch_max(open.len(), Ordering::SeqCst);
                drop(open);
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    Connection { stream, number, buffer: Vec::new(), shared: &shared }.serve();
                    if let Some(stream) = lock(&shared.open).remove(&number) {
                        let _ = stream.shutdown(Shutdown::Both);
                    }
                });
            }
        })
    }

    fn complain(&self, what: impl Into<String>) {
        lock(&self.complaints).push(what.into());
    }

    fn next_fault(&self) -> Fault {
        let mut faults = lock(&self.faults);
        faults.1.pop_front().unwrap_or_else(|| faults.0.clone())
    }

    /// Lets the vendor see the request.
    fn ask(&self, request: &Seen) -> Reply {
        let is_held = lock(&self.is_held);
        drop(self.is_released.wait_while(is_held, |is_held| *is_held));
        let mut complaints = Vec::new();
        let mut vendor = lock(&self.vendor);
        let answered =
            catch_unwind(AssertUnwindSafe(|| vendor.answer(request, &mut |what| complaints.push(what))));
        drop(vendor);
        complaints
            .into_iter()
            .for_each(|what| self.complain(format!("{} {}: {what}", request.method, request.path)));
        answered.unwrap_or_else(|_| {
            self.complain(format!("{} {}: the fake itself panicked", request.method, request.path));
            Reply::empty(500)
        })
    }
}

/// One connection of a client.
struct Connection<'a, V> {
    stream: TcpStream,
    number: usize,
    buffer: Vec<u8>,
    shared: &'a Shared<V>,
}

impl<V: Vendor> Connection<'_, V> {
    fn serve(&mut self) {
        while let Some(mut request) = self.head() {
            let fault = self.shared.next_fault();
            let length = self.body_length(&request);
            let wanted = match fault {
                Fault::DropBeforeBody => 0,
                Fault::DropDuringBody => length / 2,
                _ => length,
            };
            let Some(body) = self.take(wanted) else { return };
            request.body = body;
            lock(&self.shared.seen).push(request.clone());
            if self.answer(&request, fault).is_none() {
                return;
            }
        }
    }

    /// Answers as the fault allows. Nothing: the connection is over.
    fn answer(&mut self, request: &Seen, fault: Fault) -> Option<()> {
        let reply = match fault {
            Fault::DropBeforeBody | Fault::DropDuringBody | Fault::Refuse => return None,
            Fault::ThrottleSeconds(seconds) => {
                Reply::json(429, json!({ "message": "Too Many Requests" })).header("retry-after", seconds)
            }
            Fault::ThrottleDate(at) => {
                let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(at));
                Reply::json(429, json!({ "message": "Too Many Requests" })).header("retry-after", date)
            }
            Fault::Status(status, body) => Reply::json(status, body),
            taken => {
                let reply = self.shared.ask(request);
                match taken {
                    Fault::DropAfterAccept => return None,
                    Fault::Stall => {
                        *lock(&STALLS).entry(self.shared.port).or_default() += 1;
                        // Until the client gives up, or the fake is dropped.
                        while self.fill().is_some() {}
                        return None;
                    }
                    Fault::HalfJson => {
                        let bytes = reply.bytes();
                        let missing = if reply.body.is_empty() {
                            bytes.len() / 2
                        } else {
                            reply.body.len().div_ceil(2)
                        };
                        self.write(&bytes[..bytes.len() - missing])?;
                        return None;
                    }
                    Fault::ErrorAfterAccept(status) => {
                        Reply::json(status, json!({ "message": "Server Error" }))
                    }
                    Fault::Garbage => Reply {
                        status: 200,
                        headers: Vec::new(),
                        body: b"<html>\xff\x00 not what you expect".to_vec(),
                    },
                    Fault::Huge => Reply { status: 200, headers: Vec::new(), body: vec![b' '; HUGE] },
                    _ => reply,
                }
            }
        };
        self.write(&reply.bytes())?;
        (!reply.closes()).then_some(())
    }

    fn write(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).ok()
    }

    /// Reads more. Nothing: the client closed.
    fn fill(&mut self) -> Option<()> {
        let mut some = [0; 16 * 1024];
        match self.stream.read(&mut some) {
            Ok(0) | Err(_) => None,
            Ok(read) => {
                self.buffer.extend_from_slice(&some[..read]);
                Some(())
            }
        }
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill()?;
        }
        Some(self.buffer.drain(..length).collect())
    }

    fn complain(&self, what: impl std::fmt::Display) {
        self.shared.complain(format!("connection {}: {what}", self.number));
    }

    /// Reads the head of a request.
    fn head(&mut self) -> Option<Seen> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            if self.buffer.len() > MAX_HEAD {
                self.complain("a head that does not end");
                return None;
            }
            self.fill()?;
        };
        let head = self.take(end + 4)?;
        let Ok(head) = std::str::from_utf8(&head[..end]) else {
            self.complain("a head that is no text");
            return None;
        };
        let mut lines = head.split("\r\n");
        let line: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [method, target, "HTTP/1.1"] = line[..] else {
            self.complain("a request line that is none");
            return None;
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let seen = Seen {
            method: method.to_owned(),
            path: path.to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: headers.collect(),
            body: Vec::new(),
            connection: self.number,
        };
        if seen.header("host").is_none() {
            self.complain("no `host` header");
        }
        Some(seen)
    }

    /// The length of the body that follows. Bodies are announced by `content-length`: that every server
    /// understands.
    fn body_length(&self, request: &Seen) -> usize {
        if request.header("transfer-encoding").is_some() {
            self.complain(format!("{} {}: a body without `content-length`", request.method, request.path));
        }
        match request.header("content-length").map(str::parse) {
            Some(Ok(length)) => length,
            Some(Err(_)) => {
                self.complain("a `content-length` that is no number");
                0
            }
            None => {
                if matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") {
                    self.complain(format!("{} {}: no `content-length`", request.method, request.path));
                }
                0
            }
        }
    }
}

mod tests {
    use super::*;
    use crate::support::{LAST_RESORT, eventually};

    /// Knows `POST /echo` only.
    struct Echo;

    impl Vendor for Echo {
        fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
            if (request.method.as_str(), request.path.as_str()) != ("POST", "/echo") {
                complain("no such page".to_owned());
                return Reply::empty(404);
            }
            Reply::json(
                201,
                json!({ "said": request.json(), "form": request.form(), "n": request.parameter("n") }),
            )
        }
    }

    /// Sends these bytes and reads one answer, or what comes until the other side closes.
    fn exchange(stream: &mut TcpStream, bytes: &str) -> String {
        stream.set_read_timeout(Some(LAST_RESORT)).unwrap();
        let _ = stream.write_all(bytes.as_bytes());
        let (mut answer, mut some) = (Vec::new(), [0; 16 * 1024]);
        while !is_whole(&answer) {
            match stream.read(&mut some) {
                Ok(0) => break,
                Ok(count) => answer.extend_from_slice(&some[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("neither an answer nor an end")
                }
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Whether this is an answer with all of the body that it announces.
    fn is_whole(answer: &[u8]) -> bool {
        let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        answer.len() >= end + 4 + length
    }

    fn connect<V: Vendor>(fake: &Fake<V>) -> std::io::Result<TcpStream> {
        TcpStream::connect(fake.url().strip_prefix("http://").unwrap())
    }

    const POST: &str = "POST /echo?n=1%2B1 HTTP/1.1\r\nHost: here\r\nContent-Type: application/json; \
        charset=utf-8\r\nContent-Length: 4\r\n\r\n\"hi\"";

    #[test]
    fn a_connection_carries_several_requests_and_each_is_recorded() {
        let fake = Fake::start(Echo);
        let mut stream = connect(&fake).unwrap();
        for count in 1..=2 {
            let answer = exchange(&mut stream, POST);
            assert!(
                answer.starts_with("HTTP/1.1 201 ")
                    && answer.contains("{\"form\":null,\"n\":\"1+1\",\"said\":\"hi\"}"),
                "{answer}"
            );
            assert_eq!(fake.requests().len(), count);
        }
        let form = POST
            .replace("application/json; charset=utf-8", "application/x-www-form-urlencoded")
            .replace("\"hi\"", "a=%20");
        assert!(exchange(&mut stream, &form.replace("Length: 4", "Length: 5")).contains("[[\"a\",\" \"]]"));
        assert_eq!((fake.connections(), fake.most_connections(), fake.requests()[1].connection), (1, 1, 1));
        fake.hang_up();
        assert_eq!(exchange(&mut stream, POST), "");
    }

    #[test]
    fn whatever_is_not_documented_is_a_complaint() {
        let fake = Fake::start(Echo);
        for wrong in [
            POST.replace("/echo", "/other"),
            POST.replace("Host: here\r\n", ""),
            POST.replace("Content-Length: 4", "Transfer-Encoding: chunked"),
            POST.replace("HTTP/1.1", "HTTP/3"),
        ] {
            exchange(&mut connect(&fake).unwrap(), &wrong);
            assert!(!fake.forgive().is_empty(), "{wrong}");
        }
        exchange(&mut connect(&fake).unwrap(), "GET / HTTP/1.1\r\nHost: here\r\n\r\n");
        let failed = catch_unwind(AssertUnwindSafe(|| drop(fake)));
        assert!(failed.is_err(), "a fake with complaints fails its test");
    }

    #[test]
    fn each_fault_does_what_it_says() {
        let fake = Fake::start(Echo);
        let after = |fault: Fault| {
            fake.fail_once(fault);
            exchange(&mut connect(&fake).unwrap(), POST)
        };
        for silent in [Fault::DropBeforeBody, Fault::DropDuringBody, Fault::DropAfterAccept] {
            assert_eq!(after(silent), "");
        }
        fake.fail_once(Fault::Stall);
        let mut stalled = connect(&fake).unwrap();
        stalled.write_all(POST.as_bytes()).unwrap();
        eventually("the request is taken and stalls", || lock(&STALLS).contains_key(&fake.shared.port));
        stalled.shutdown(Shutdown::Write).unwrap();
        assert_eq!(exchange(&mut stalled, ""), "");
        assert_eq!(fake.requests().iter().map(|seen| seen.body.len()).collect::<Vec<_>>(), [0, 2, 4, 4]);
        let half = after(Fault::HalfJson);
        assert!(half.contains("content-length: 35") && half.ends_with("{\"form\":null,\"n\":"), "{half}");
        assert!(after(Fault::ErrorAfterAccept(503)).starts_with("HTTP/1.1 503 "));
        assert!(after(Fault::ThrottleSeconds(7)).contains("retry-after: 7\r\n"));
        assert!(
            after(Fault::ThrottleDate(1_795_342_500))
                .contains("retry-after: Sun, 22 Nov 2026 10:15:00 GMT\r\n")
        );
        assert!(after(Fault::Garbage).contains("<html>"));
        assert!(after(Fault::Huge).len() > HUGE);
        assert!(after(Fault::Status(402, json!({}))).starts_with("HTTP/1.1 402 "));
        assert!(after(Fault::None).starts_with("HTTP/1.1 201 "));
        fake.hold();
        let before = fake.requests().len();
        let held = std::thread::scope(|scope| {
            let asking = scope.spawn(|| exchange(&mut connect(&fake).unwrap(), POST));
            eventually("the request is taken", || fake.requests().len() > before);
            assert!(!asking.is_finished(), "nobody answered it");
            fake.release();
            asking.join().unwrap()
        });
        assert!(held.starts_with("HTTP/1.1 201 "), "{held}");
        assert_eq!(fake.vendor().answer(&fake.requests()[0], &mut |_| ()).status, 201);
    }

    #[test]
    fn a_closed_port_refuses_and_opens_again() {
        let fake = Fake::start(Echo);
        let mut earlier = connect(&fake).unwrap();
        exchange(&mut earlier, POST);
        fake.fail(Fault::Refuse);
        assert_eq!(connect(&fake).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
        assert_eq!(exchange(&mut earlier, POST), "");
        fake.fail(Fault::None);
        assert!(exchange(&mut connect(&fake).unwrap(), POST).starts_with("HTTP/1.1 201 "));
    }
}
