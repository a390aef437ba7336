//! A disk that takes no more: a quote says so, as the send would; what is known waits in memory, and nothing
//! begins.
#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use crate::carrier::peer::Receipts;
use crate::carrier::scene::{Gateway, Protocol, bulk};
use crate::cli::Ended;
use crate::support::{A_WHILE, Desk, HttpServer, WIDE, ends, eventually, fictional, program, signal};
use crate::wire::{call, get};

/// Runs a command whose files may not grow beyond so many KiB, which is a full disk to it: the write fails,
/// and the process is not killed for it.
fn on_a_disk_of(desk: &Desk, kib: u64, args: &[&str]) -> (bool, Value) {
    let plain = desk.command();
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"", &kib.to_string()]);
    command.arg(plain.get_program()).args(plain.get_args()).args(args);
    for (name, _) in plain.get_envs() {
        command.env_remove(name);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

#[test]
fn a_quote_says_allowed_on_no_disk_that_is_too_full_for_the_send() {
    let desk = Desk::new(WIDE);
    assert!(desk.run(&["send", &fictional(0), "Makes the ledger"]).code == 0);
    // Who reads keeps the ledger's log from beginning anew: it grows by all that is written, and so it can be
    // given room.
    let reader = rusqlite::Connection::open(desk.ledger()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM message").unwrap();
    let log = || std::fs::metadata(desk.path().join("ledger.db-wal")).unwrap().len().div_ceil(1_024);
    let (mut refused, mut sent) = (0, 0);
    // From no room at all to enough for a send.
    for room in (0..=160).step_by(4) {
        let (to, text) = (fictional(1 + usize::try_from(room).unwrap()), format!("With {room} KiB"));
        let quote = on_a_disk_of(&desk, log() + room, &["send", &to, &text, "--dry-run", "--json"]);
        let send = on_a_disk_of(&desk, log() + room, &["send", &to, &text, "--json"]);
        let is_allowed = quote.0 && quote.1["quote"]["allowed"] == true;
        let is_sent = desk.sent().iter().any(|sent| sent["text"] == text.as_str());
        assert!(
            !is_allowed || is_sent,
            "with room for {room} KiB it was allowed ({}) and not sent: {}",
            quote.1,
            send.1
        );
        (refused, sent) = (refused + u32::from(!is_allowed), sent + u32::from(is_sent));
    }
    assert!(refused > 0 && sent > 0, "{refused} quotes were refused, and {sent} texts sent");
}

/// A disk of its own for a ledger, which a test fills and empties.
enum Disk {
    /// A small file system in a mount namespace of its own, for as long as its first process lives.
    Small { holder: Child, folder: PathBuf },
    /// A limit on how long the files of the server may get: it takes no more, and says something else of it.
    Limit { ledger: PathBuf },
}

impl Disk {
    /// A small file system, where the system lets us.
    fn small(desk: &Desk) -> Option<Self> {
        let folder = desk.path().join("disk");
        std::fs::create_dir(&folder).unwrap();
        let mount = "mount -t tmpfs -o size=16m tmpfs \"$0\" && echo ready && exec cat";
        let mut holder = Command::new("unshare");
        holder
            .args(["-rm", "sh", "-c", mount])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut holder = holder.spawn().ok()?;
        let mut said = String::new();
        BufReader::new(holder.stdout.as_mut()?).read_line(&mut said).ok()?;
        (said == "ready\n").then_some(Self::Small { holder, folder })
    }

    fn ledger(&self) -> PathBuf {
        match self {
            Self::Small { folder, .. } => folder.join("ledger.db"),
            Self::Limit { ledger } => ledger.clone(),
        }
    }

    /// The program with its ledger on this disk.
    fn command(&self, desk: &Desk, args: &[&str]) -> Command {
        let mut command = match self {
            Self::Small { holder, .. } => {
                let mut command = Command::new("nsenter");
                command
                    .args(["-t", &holder.id().to_string(), "-U", "-m", "--preserve-credentials", "--"])
                    .arg(program());
                command
            }
            Self::Limit { .. } => {
                let mut command = Command::new("bash");
                command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program());
                command
            }
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SMS_MCP"))
        {
            command.env_remove(name);
        }
        command.env("XDG_STATE_HOME", desk.state()).env("SMS_MCP_CONTAINER", "no");
        command.arg("--config").arg(desk.config()).arg("--ledger").arg(self.ledger()).args(args);
        command
    }

    fn run(&self, desk: &Desk, args: &[&str]) -> Ended {
        Ended::of(self.command(desk, args).stdin(Stdio::null()).output().unwrap())
    }

    fn http(&self, desk: &Desk) -> HttpServer {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = self.command(desk, &["serve", "--http", &format!("127.0.0.1:{port}")]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = HttpServer { child, port };
        eventually("the server listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    /// Where the file is that fills it, as this process sees it.
    fn filler(&self) -> PathBuf {
        match self {
            Self::Small { holder, folder } => {
                PathBuf::from(format!("/proc/{}/root{}/filler", holder.id(), folder.display()))
            }
            Self::Limit { ledger } => ledger.with_extension("filler"),
        }
    }

    /// Leaves so many KiB.
    fn fill(&self, server: &HttpServer, left_kib: u64) {
        match self {
            Self::Small { .. } => {
                let mut filler = std::fs::File::create(self.filler()).unwrap();
                while filler.write_all(&[7; 4_096]).is_ok() {}
                let length = filler.metadata().unwrap().len();
                filler.set_len(length.saturating_sub(left_kib * 1_024)).unwrap();
            }
            Self::Limit { ledger } => {
                let log = std::fs::metadata(ledger.with_extension("db-wal")).unwrap().len();
                limit(server, &format!("{}:", log + left_kib * 1_024));
            }
        }
    }

    fn empty(&self, server: &HttpServer) {
        match self {
            Self::Small { .. } => std::fs::remove_file(self.filler()).unwrap(),
            Self::Limit { .. } => limit(server, "unlimited:"),
        }
    }

    /// What a send is told while it is full.
    fn codes(&self) -> &'static [&'static str] {
        match self {
            Self::Small { .. } => &["storage_full"],
            Self::Limit { .. } => &["ledger_unavailable", "storage_full"],
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::Small { holder, .. } = self {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

fn limit(server: &HttpServer, most: &str) {
    assert!(
        Command::new("prlimit")
            .args(["--pid", &server.child.id().to_string(), &format!("--fsize={most}")])
            .status()
            .unwrap()
            .success()
    );
}

/// How many messages are in this state, of a hundred at most.
fn count(server: &HttpServer, state: &str) -> usize {
    let listed = call(server, "list_sms", &json!({ "status": state, "limit": 100 }));
    listed["messages"].as_array().unwrap_or_else(|| panic!("{listed}")).len()
}

fn is_healthy(server: &HttpServer) -> bool {
    get(server.port, "/healthz").status == 200
}

/// A server before a gateway whose disk gets full while answers are on their way.
struct Scene {
    gateway: Gateway,
    desk: Desk,
    disk: Disk,
    server: HttpServer,
}

/// How many texts there may be.
const LIMIT: usize = 70;

/// How many are on their way when the disk gets full.
const UNDER_WAY: usize = 60;

impl Scene {
    fn start(protocol: Protocol, is_small: bool, stop_within: &str) -> Option<Self> {
        let gateway = Gateway::start(protocol);
        gateway.script(|script| {
            script.receipts = Receipts::AtOnce;
            script.delay = Duration::from_millis(1_500);
        });
        let wide = WIDE.replace("day_messages = 1000000", &format!("day_messages = {LIMIT}"));
        let desk = Desk::new(&format!(
            "{wide}price_when_unknown = \"0.01\"\n[send]\nbulk_wait = \"50ms\"\nconcurrency = \
             256\nstop_within = \"{stop_within}\"\n{}",
            gateway.settings("window = 200")
        ));
        let disk = if is_small { Disk::small(&desk)? } else { Disk::Limit { ledger: desk.ledger() } };
        let server = disk.http(&desk);
        Some(Self { gateway, desk, disk, server })
    }

    /// One on a small disk, whose gateway answers at once; nothing where this system has no such disk. One
    /// text is sent.
    fn small() -> Option<Self> {
        let Some(scene) = Self::start(Protocol::Smpp, true, "30s") else {
            eprintln!("this system lets nobody mount a small disk");
            return None;
        };
        scene.gateway.script(|script| script.delay = Duration::ZERO);
        assert_eq!(scene.text("one")["status"], "sent");
        Some(scene)
    }

    /// One text, with this key.
    fn text(&self, key: &str) -> Value {
        call(
            &self.server,
            "send_sms",
            &json!({ "to": self.gateway.number(1), "message": key, "idempotency_key": key }),
        )
    }

    fn taken(&self) -> usize {
        self.gateway.counters().taken.load(Ordering::SeqCst)
    }

    /// A bulk of which every text is at the gateway, and no answer is there.
    fn send(&self) {
        let accepted = call(&self.server, "send_bulk", &bulk(&self.gateway, UNDER_WAY, 1));
        assert_eq!(accepted["accepted"], UNDER_WAY, "{accepted}");
        self.gateway.until("all are on their way", |gateway| {
            gateway.counters().taken.load(Ordering::SeqCst) == UNDER_WAY
        });
    }

    /// The ledger, once this server has ended.
    fn states(&self) -> Vec<String> {
        let listed = self.disk.run(&self.desk, &["list", "--limit", "100", "--json"]).json();
        listed["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["status"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Texts sent twice, texts that are not where they belong, and texts beyond the limit; and how many outcomes
/// waited.
#[derive(Debug, Default)]
struct Kept {
    disks: usize,
    twice: usize,
    lost: usize,
    over: usize,
    waited: usize,
}

fn full_disk(protocol: Protocol, is_small: bool, kept: &mut Kept) -> Option<()> {
    let scene = Scene::start(protocol, is_small, "30s")?;
    let Scene { gateway, disk, server, .. } = &scene;
    scene.send();
    disk.fill(server, 0);
    eventually("the health says so", || !is_healthy(server));
    let health = get(server.port, "/healthz");
    let said = String::from_utf8_lossy(&health.body).into_owned();
    assert!(health.status == 503 && disk.codes().iter().any(|code| said.contains(code)), "{said}");
    // A receipt is told behind its answer. So every answer has come by then, and what it says is known here
    // alone.
    eventually("all answers have come", || gateway.counters().told.load(Ordering::SeqCst) >= UNDER_WAY);
    let waiting = count(server, "attempting");
    for n in UNDER_WAY..LIMIT + 5 {
        let refused = call(
            server,
            "send_sms",
            &json!({ "to": gateway.number(n), "message": "No", "idempotency_key": format!("no {n}") }),
        );
        assert!(disk.codes().iter().any(|code| refused["code"] == *code), "{refused}");
        assert!(refused["next"].as_str().unwrap().contains("Nothing was sent"), "{refused}");
    }
    // What a person says now is told again later.
    gateway.tell(&gateway.word_of(0, "STOP"));
    // Longer than outcomes were ever tried.
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(scene.taken(), UNDER_WAY, "nothing begins");
    assert_eq!(count(server, "unknown"), 0);
    assert!(gateway.counters().postponed.load(Ordering::SeqCst) > 0, "receipts are told again later");
    disk.empty(server);
    eventually("it goes on by itself", || is_healthy(server));
    eventually("all are on record", || count(server, "delivered") == UNDER_WAY);
    eventually("the STOP is on record", || {
        scene.disk.run(&scene.desk, &["opt-out"]).out.contains(&gateway.number(0))
    });
    // Up to the limit, and no further.
    let mut sent = 0;
    for n in UNDER_WAY..LIMIT + 5 {
        let said = call(
            server,
            "send_sms",
            &json!({ "to": gateway.number(n), "message": "Yes", "idempotency_key": format!("yes {n}") }),
        );
        assert!(said["status"].is_string() || said["code"] == "budget_exceeded", "{said}");
        sent += usize::from(said["status"].is_string());
    }
    kept.disks += 1;
    kept.twice += gateway.repeated();
    kept.lost += UNDER_WAY + sent - (count(server, "delivered") + count(server, "sent"));
    kept.over += scene.taken().saturating_sub(LIMIT);
    kept.waited += waiting;
    assert_eq!(sent, LIMIT - UNDER_WAY);
    Some(())
}

#[test]
fn on_a_full_disk_known_outcomes_wait_and_nothing_begins_until_there_is_room() {
    let mut kept = Kept::default();
    for is_small in [true, false] {
        for protocol in Protocol::BOTH {
            if full_disk(protocol, is_small, &mut kept).is_none() {
                eprintln!("this system lets nobody mount a small disk: only the limit of a process is tried");
            }
        }
    }
    let Kept { disks, twice, lost, over, waited } = kept;
    eprintln!("{disks} full disks: {twice} twice, {lost} lost, {over} over; {waited} outcomes waited");
    assert!(disks >= 2 && waited > 0, "{disks} {waited}");
    assert_eq!((twice, lost, over), (0, 0, 0));
}

#[test]
fn a_stop_on_a_full_disk_waits_for_room_as_long_as_it_may_and_what_is_left_is_unknown() {
    for (stop_within, has_room) in [("300s", true), ("5s", false)] {
        let Some(mut scene) = Scene::start(Protocol::Smpp, true, stop_within)
            .or_else(|| Scene::start(Protocol::Smpp, false, stop_within))
        else {
            panic!("no disk of any kind")
        };
        scene.send();
        scene.disk.fill(&scene.server, 0);
        eventually("the health says so", || !is_healthy(&scene.server));
        eventually("all answers have come", || {
            scene.gateway.counters().told.load(Ordering::SeqCst) >= UNDER_WAY
        });
        signal("TERM", scene.server.child.id());
        if has_room {
            std::thread::sleep(A_WHILE);
            scene.disk.empty(&scene.server);
        }
        assert!(ends(&mut scene.server.child).success());
        if !has_room {
            scene.disk.empty(&scene.server);
        }
        let states = scene.states();
        let unknown = states.iter().filter(|state| *state == "unknown").count();
        assert_eq!(states.len(), UNDER_WAY);
        assert_eq!(unknown > 0, !has_room, "{stop_within}: {states:?}");
        assert_eq!((scene.gateway.repeated(), scene.taken()), (0, UNDER_WAY));
    }
}

#[test]
fn a_pause_works_on_a_full_disk() {
    let Some(scene) = Scene::small() else { return };
    let Scene { desk, disk, server, .. } = &scene;
    disk.fill(server, 0);
    let paused = disk.run(desk, &["pause"]);
    assert!(paused.code == 0 && paused.out.starts_with("everything is paused"), "{paused:?}");
    assert_eq!(scene.text("two")["code"], "paused");
    assert!(disk.run(desk, &["pause", "--list"]).out.ends_with("  everything\n"));
    disk.empty(server);
    assert_eq!(scene.text("two")["code"], "paused", "room is no reason to go on");
    assert_eq!(scene.taken(), 1);
}

#[test]
fn below_a_floor_of_free_space_nothing_begins_and_what_comes_in_is_still_recorded() {
    let Some(scene) = Scene::small() else { return };
    let Scene { gateway, desk, disk, server } = &scene;
    // A twentieth of 16 MiB is 819 KiB.
    disk.fill(server, 700);
    eventually("the health says so", || !is_healthy(server));
    let refused = scene.text("two");
    assert!(
        refused["code"] == "storage_full" && refused["message"].as_str().unwrap().contains("nearly full"),
        "{refused}"
    );
    let balance = call(server, "get_balance", &json!({}));
    assert!(balance["warnings"].to_string().contains("nearly full"), "{balance}");
    gateway.tell(&gateway.word_of(1, "STOP"));
    gateway.until("the STOP is on record", |gateway| gateway.counters().thanked.load(Ordering::SeqCst) >= 2);
    disk.empty(server);
    eventually("it goes on by itself", || is_healthy(server));
    assert_eq!(scene.text("two")["code"], "opted_out");
    assert!(disk.run(desk, &["opt-out"]).out.contains(&gateway.number(1)));
}
