//! Approvers, through the program: once there is one, their proof alone passes the gate.
#![cfg(unix)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::{Digest as _, Sha512};

use sms_mcp::access::NAMESPACE;
use sms_mcp::access::totp::{SECRET_OCTETS, Secret, step_of};
use sms_mcp::clock::{Clock as _, SystemClock};
use sms_mcp::ledger::Act;
use sms_mcp::ledger::approvers::{Credential, NewApprover};
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;

use crate::cli::Ended;
use crate::fake::Fake;
use crate::fake::sms_for_ai::{SmsForAi, TOKEN};
use crate::forward::Receiver;
use crate::gate::{piped, widening};
use crate::support::{Desk, WIDE, fictional, found, terminal};

/// Somebody with an SSH key, who signs as `ssh-keygen -Y sign` does.
pub struct Signer(Ed25519KeyPair);

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let each = |part: &&[u8]| [&u32::try_from(part.len()).unwrap().to_be_bytes(), *part].concat();
    parts.iter().flat_map(each).collect()
}

impl Signer {
    pub fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn octets(&self) -> Vec<u8> {
        strings(&[b"ssh-ed25519", self.0.public_key().as_ref()])
    }

    /// The line of its `.pub` file.
    pub fn line(&self) -> String {
        format!("ssh-ed25519 {} somebody@somewhere\n", STANDARD.encode(self.octets()))
    }

    pub fn sign(&self, namespace: &str, text: &str) -> String {
        let digest = Sha512::digest(text);
        let signed = [b"SSHSIG".to_vec(), strings(&[namespace.as_bytes(), b"", b"sha512", &digest])].concat();
        let signature = strings(&[b"ssh-ed25519", self.0.sign(&signed).as_ref()]);
        let all = [
            b"SSHSIG\0\0\0\x01".to_vec(),
            strings(&[&self.octets(), namespace.as_bytes(), b"", b"sha512", &signature]),
        ];
        let base64 = STANDARD.encode(all.concat());
        format!("-----BEGIN SSH SIGNATURE-----\n{base64}\n-----END SSH SIGNATURE-----\n")
    }
}

/// A desk whose approver is alice, who signs.
pub struct Scene {
    pub desk: Desk,
    pub alice: Signer,
    files: std::cell::Cell<u32>,
}

impl Scene {
    pub fn new(settings: &str) -> Self {
        let scene = Self { desk: Desk::new(settings), alice: Signer::new(1), files: std::cell::Cell::new(0) };
        std::fs::write(scene.desk.path().join("alice.pub"), scene.alice.line()).unwrap();
        std::fs::write(scene.desk.path().join("carol.pub"), Signer::new(3).line()).unwrap();
        scene.desk.file("consents.csv", crate::gate::CONSENTS);
        let added = scene.types(&["approver", "add", "alice", "--ssh-key", "alice.pub"], "add");
        assert_eq!(added.code, 0, "{added:?}");
        scene
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.desk.command();
        command.args(args).current_dir(self.desk.path());
        command
    }

    /// Runs it without a terminal.
    pub fn run(&self, args: &[&str]) -> Ended {
        crate::cli::run(self.command(args))
    }

    /// Runs it at a terminal, at which that is typed.
    pub fn types(&self, args: &[&str], typed: &str) -> Ended {
        crate::cli::at_terminal(self.command(args), typed)
    }

    /// Has what is to be signed for this command written, and returns its file with what is in it.
    pub fn challenge(&self, args: &[&str]) -> (PathBuf, String) {
        self.files.set(self.files.get() + 1);
        let file = self.desk.path().join(format!("challenge-{}", self.files.get()));
        let written = self.run(&[args, &["--challenge", file.to_str().unwrap()]].concat());
        assert_eq!(written.code, 0, "{args:?}: {written:?}");
        let text = std::fs::read_to_string(&file).unwrap();
        (file, text)
    }

    /// Runs it with this signature over that challenge.
    pub fn prove(&self, args: &[&str], challenge: &(PathBuf, String), signature: &str) -> Ended {
        let file = challenge.0.with_extension("sig");
        std::fs::write(&file, signature).unwrap();
        self.run(&[args, &["--proof", file.to_str().unwrap()]].concat())
    }

    /// Runs it with alice's proof.
    pub fn approved(&self, args: &[&str]) -> Ended {
        let challenge = self.challenge(args);
        self.prove(args, &challenge, &self.alice.sign(NAMESPACE, &challenge.1))
    }

    /// What agents may do, as the ledger and the pause have it, and who decides: not the tries.
    fn rights(&self) -> String {
        let db = rusqlite::Connection::open(self.desk.ledger()).unwrap();
        let mut rights = String::new();
        for table in [
            "SELECT key || ' ' || frozen FROM budget ORDER BY key",
            "SELECT latest_us FROM pace",
            "SELECT number FROM opt_out ORDER BY number",
            "SELECT id || ' ' || coalesce(settled_ms, 0) FROM pending",
            "SELECT number || ' ' || given FROM consent ORDER BY id",
            "SELECT name || coalesce(public_key, hex(secret)) FROM approver ORDER BY id",
            "SELECT id || ' ' || state FROM message ORDER BY id",
        ] {
            let mut statement = db.prepare(table).unwrap();
            let rows = statement.query_map([], |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
            rows.for_each(|row| rights.push_str(&format!("{:?}\n", row.unwrap())));
        }
        rights + &self.run(&["pause", "--list"]).out
    }
}

/// Makes somebody an approver with one-time codes, without the terminal that shows what they are made of.
pub fn with_codes(desk: &Desk, name: &str, approved_by: Option<&str>) -> Secret {
    let secret = Secret::new([u8::try_from(name.len()).unwrap(); SECRET_OCTETS]);
    let new = NewApprover {
        name: name.to_owned(),
        credential: Credential::Codes { secret: *secret.octets(), used: None },
        phone: None,
        act: Act {
            at: SystemClock.now(),
            who: "user:operator".into(),
            verb: "approver add".into(),
            subject: name.to_owned(),
            approver: approved_by.map(ToOwned::to_owned),
        },
        forward: None,
    };
    let store = SqliteLedger::open(&desk.ledger(), SystemClock.now(), [7; 8]).unwrap();
    let add = async {
        store.add_approver(new).await.unwrap();
        store.close().await.unwrap();
    };
    tokio::runtime::Runtime::new().unwrap().block_on(add);
    secret
}

/// The code that holds now and for a minute at least.
pub fn code(secret: &Secret) -> String {
    secret.code(step_of(SystemClock.now().as_millis()) + 1)
}

const ACCEPT: &str = "[approval]\ntotp = \"accept\"\n";

/// Whether it got past the gate: it is done, or it found nothing to do it with.
fn passed(ended: &Ended) -> bool {
    let nothing_there = ["nothing waits under the number", "msg_1", "nobody called"];
    ended.code == 0 || nothing_there.iter().any(|words| ended.err.contains(words))
}

#[test]
fn once_there_is_an_approver_every_widening_command_takes_their_proof_and_nothing_else() {
    let scene = Scene::new(&format!("{WIDE}{ACCEPT}"));
    with_codes(&scene.desk, "bob", Some("alice"));
    scene.desk.done(&["send", &fictional(0), "Hello"]);
    scene.desk.done(&["backup", scene.desk.path().join("backup.db").to_str().unwrap()]);
    // The sandbox charges twice its price for this one, which freezes the budgets.
    scene.desk.done(&["send", "+12025550110", "Hello"]);
    let other = scene.challenge(&["opt-out", "remove", "+12025550199"]);
    let mut count = 0;
    for (args, word) in widening() {
        count += 1;
        // What each would change is there.
        scene.desk.done(&["opt-out", "add", "+12025550123"]);
        scene.desk.done(&["pause"]);
        let before = scene.rights();
        let refused = |ended: Ended, why: &str| {
            assert_eq!(ended.code, 1, "{args:?}: {ended:?}");
            assert!(ended.err.contains(why), "{args:?}, {why}: {ended:?}");
            assert_eq!(scene.rights(), before, "{args:?} changed something");
        };
        refused(scene.types(&args, word), "no proof of an approver");
        refused(piped(&scene.desk, &args, word), "asks for an approver's proof, and here is no terminal");
        refused(scene.types(&args, "000000\n"), "no proof of an approver");
        let asked = scene.challenge(&args);
        let sign = |text: &str| scene.alice.sign(NAMESPACE, text);
        refused(scene.prove(&args, &asked, &Signer::new(2).sign(NAMESPACE, &asked.1)), "no approver's key");
        refused(scene.prove(&args, &asked, &scene.alice.sign("file", &asked.1)), "made for another purpose");
        refused(scene.prove(&args, &asked, &sign(&other.1)), "does not belong to this text");
        refused(scene.prove(&args, &other, &sign(&other.1)), "says yes to something else: opt-out remove");
        let ended = scene.prove(&args, &asked, &sign(&asked.1));
        assert!(passed(&ended), "{args:?}: {ended:?}");
        if word != "restore" {
            scene.desk.done(&["pause"]);
            let again = scene.prove(&args, &asked, &sign(&asked.1));
            assert!(again.err.contains("it was used before"), "{args:?}: {again:?}");
        }
        // A wrong code counts. They begin anew, so that no pause comes in between.
        reset_tries(&scene.desk);
    }
    assert_eq!(count, 12, "all that asks, but a ledger in doubt, which stands by itself");
}

fn reset_tries(desk: &Desk) {
    let db = rusqlite::Connection::open(desk.ledger()).unwrap();
    db.execute("UPDATE approver SET wrong = 0, paused_until_ms = 0", []).unwrap();
}

#[test]
fn a_yes_to_one_subject_is_none_to_another_and_the_log_and_the_ledger_name_the_approver() {
    let scene = Scene::new(WIDE);
    scene.desk.done(&["opt-out", "add", "+12025550123"]);
    scene.desk.done(&["opt-out", "add", "+12025550124"]);
    let asked = scene.challenge(&["opt-out", "remove", "+12025550123"]);
    let yes = scene.alice.sign(NAMESPACE, &asked.1);
    let other = scene.prove(&["opt-out", "remove", "+12025550124"], &asked, &yes);
    assert!(other.err.contains("says yes to something else: opt-out remove, +12025550123"), "{other:?}");
    let edited = (asked.0.clone(), asked.1.replace("0123", "0124"));
    std::fs::write(&edited.0, &edited.1).unwrap();
    let forged = scene.prove(&["opt-out", "remove", "+12025550124"], &edited, &yes);
    assert_eq!(forged.code, 1, "{forged:?}");
    std::fs::write(&asked.0, &asked.1).unwrap();
    let right = scene.prove(&["opt-out", "remove", "+12025550123"], &asked, &yes);
    assert_eq!(right.code, 0, "{right:?}");
    let log = right.err.lines().find(|line| line.contains("a person widened")).unwrap_or_default();
    assert!(log.contains("approver=\"alice\"") && !log.contains("+1202"), "{log}");
    let acts = scene.run(&["ledger", "acts"]).out;
    assert!(
        acts.lines().next().unwrap().ends_with("opt-out remove  +12025550123  (approved by alice)"),
        "{acts}"
    );
    let opted: Vec<_> = scene.run(&["opt-out"]).out.lines().map(ToOwned::to_owned).collect();
    assert!(opted.len() == 1 && opted[0].contains("+12025550124"), "{opted:?}");
    // What has no verb of the engine is noted with the proof.
    scene.desk.done(&["pause"]);
    assert_eq!(scene.approved(&["resume"]).code, 0);
    let acts = scene.run(&["ledger", "acts", "--json"]).json();
    assert_eq!((&acts[0]["verb"], &acts[0]["approver"]), (&"resume".into(), &"alice".into()), "{acts}");
}

#[test]
fn the_first_approver_is_made_by_a_typed_word_and_announced() {
    let receiver = Receiver::new(&[]);
    let desk = Desk::new(&format!("{WIDE}{}", receiver.table()));
    std::fs::write(desk.path().join("alice.pub"), Signer::new(1).line()).unwrap();
    let key = desk.path().join("alice.pub");
    let args =
        ["approver", "add", "alice", "--ssh-key", key.to_str().unwrap(), "--phone", "+33 1 99 00 00 01"];
    let added = desk.does(&args, "add");
    assert!(added.out.contains("alice is an approver"), "{added:?}");
    assert!(
        added.err.contains("an approver was added: what widens") && added.err.contains("is_first=true"),
        "{added:?}"
    );
    let listed = desk.done(&["approver", "list", "--json"]).json();
    assert_eq!(listed[0]["name"], "alice");
    assert_eq!((&listed[0]["kind"], &listed[0]["phone"]), (&"ssh".into(), &"+33199000001".into()));
    let server = desk.http(|_| {});
    let told =
        found("the event", || receiver.bodies().into_iter().find(|body| body["type"] == "approver.added"));
    assert_eq!(told["data"]["name"], "alice");
    assert!(told["data"]["proves"].as_str().unwrap().starts_with("ssh-ed25519 SHA256:"), "{told}");
    server.kill();
}

#[test]
fn the_last_approver_goes_by_their_own_proof_and_then_the_word_holds_again() {
    let scene = Scene::new(WIDE);
    let by_word = scene.types(&["approver", "remove", "alice"], "remove");
    assert_eq!(by_word.code, 1, "{by_word:?}");
    let removed = scene.approved(&["approver", "remove", "alice"]);
    assert_eq!(removed.code, 0, "{removed:?}");
    assert!(removed.err.contains("where none is left a typed word passes the gate again"), "{removed:?}");
    assert!(removed.err.contains("it was the last one"), "{removed:?}");
    scene.desk.done(&["pause"]);
    assert_eq!(scene.types(&["resume"], "resume").code, 0);
    let nobody = scene.run(&["resume", "--challenge", "x"]);
    assert!(nobody.err.contains("is not paused"), "{nobody:?}");
    let nobody = scene.run(&["opt-out", "remove", "+12025550123", "--challenge", "x"]);
    assert!(nobody.err.contains("there is no approver here"), "{nobody:?}");
}

/// Reads until these words stand there, and returns all that was read.
fn until(words: &str, from: &mut impl std::io::Read) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(words) {
        let mut one = [0];
        assert_eq!(from.read(&mut one).unwrap(), 1, "{}", String::from_utf8_lossy(&read));
        read.push(one[0]);
    }
    String::from_utf8_lossy(&read).into_owned()
}

#[test]
fn a_signature_over_the_lines_that_are_shown_can_be_pasted() {
    let scene = Scene::new(WIDE);
    scene.desk.done(&["send", &fictional(0), "Hello"]);
    for (is_alices, code) in [(false, 1), (true, 0)] {
        scene.desk.done(&["pause"]);
        let (theirs, mut ours) = terminal();
        let mut command = scene.command(&["resume"]);
        command.stdin(theirs).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(command);
        let shown = until("paste a signature over these lines", child.stderr.as_mut().unwrap());
        let text = &shown[shown.find("sms-mcp approval,").unwrap()..];
        let text: String = text.lines().take(7).map(|line| format!("{line}\n")).collect();
        assert!(shown.contains("An approver has to prove this: alice (ssh-ed25519 SHA256:"), "{shown}");
        let signer = if is_alices { &scene.alice } else { &Signer::new(2) };
        ours.write_all(signer.sign(NAMESPACE, &text).as_bytes()).unwrap();
        let ended = Ended::of(child.wait_with_output().unwrap());
        assert_eq!(ended.code, code, "{ended:?}");
    }
}

/// What waits at the gate since before there was an approver gets by on no word.
#[test]
fn a_word_that_is_typed_after_an_approver_came_is_no_proof() {
    let desk = Desk::new(WIDE);
    desk.done(&["send", &fictional(0), "Hello"]);
    desk.done(&["pause"]);
    let (theirs, mut ours) = terminal();
    let mut command = desk.command();
    command.arg("resume").stdin(theirs).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    until("Type \"resume\"", child.stderr.as_mut().unwrap());
    std::fs::write(desk.path().join("alice.pub"), Signer::new(1).line()).unwrap();
    desk.does(
        &["approver", "add", "alice", "--ssh-key", desk.path().join("alice.pub").to_str().unwrap()],
        "add",
    );
    ours.write_all(b"resume\n").unwrap();
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert!(ended.code == 1 && ended.err.contains("there is an approver by now"), "{ended:?}");
    assert!(desk.done(&["pause", "--list"]).out.contains("everything"));
}

#[test]
fn a_code_passes_once_and_five_wrong_ones_make_a_pause_that_lets_a_signature_by() {
    let scene = Scene::new(&format!("{WIDE}{ACCEPT}"));
    let bob = with_codes(&scene.desk, "bob", Some("alice"));
    scene.desk.done(&["pause"]);
    let right = code(&bob);
    let resumed = scene.types(&["resume"], &right);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert!(!resumed.err.contains(&right) && !resumed.out.contains(&right), "{resumed:?}");
    scene.desk.done(&["pause"]);
    let again = scene.types(&["resume"], &right);
    assert!(again.code == 1 && again.err.contains("no proof of an approver"), "{again:?}");
    assert_eq!(
        scene.run(&["approver", "list", "--json"]).json()[1]["wrong"],
        0,
        "one that was used is no guess"
    );
    let wrong = (0..).map(|n| format!("{n:06}")).filter(|code| {
        let now = step_of(SystemClock.now().as_millis());
        (now - 3..now + 30).all(|step| bob.code(step) != *code)
    });
    let wrong: Vec<String> = wrong.take(6).collect();
    for (code, left) in wrong.iter().zip((1..5).rev()) {
        let refused = scene.types(&["resume"], code);
        assert!(refused.err.contains(&format!("{left} more wrong ones")), "{refused:?}");
    }
    for code in &wrong[4..6] {
        let refused = scene.types(&["resume"], code);
        assert!(refused.code == 1 && refused.err.contains("too many wrong codes of bob"), "{refused:?}");
    }
    assert!(scene.run(&["approver"]).out.contains("no code is taken before"));
    let signed = scene.approved(&["resume"]);
    assert_eq!(signed.code, 0, "{signed:?}");
}

#[test]
fn one_code_in_two_processes_at_once_passes_once() {
    let scene = Scene::new(&format!("{WIDE}{ACCEPT}"));
    let bob = with_codes(&scene.desk, "bob", Some("alice"));
    scene.desk.done(&["opt-out", "add", "+12025550123"]);
    scene.desk.done(&["opt-out", "add", "+12025550124"]);
    let right = code(&bob);
    let (a, b) = std::thread::scope(|scope| {
        let one = |number: &'static str| {
            let command = scene.command(&["opt-out", "remove", number]);
            let right = right.clone();
            scope.spawn(move || crate::cli::at_terminal(command, &right))
        };
        let (a, b) = (one("+12025550123"), one("+12025550124"));
        (a.join().unwrap(), b.join().unwrap())
    });
    assert_eq!(a.code + b.code, 1, "{a:?} {b:?}");
    assert_eq!(scene.run(&["opt-out"]).out.lines().count(), 1);
}

#[test]
fn codes_do_not_count_where_agents_may_be_the_same_user_unless_the_settings_say_so() {
    let scene = Scene::new(WIDE);
    let bob = with_codes(&scene.desk, "bob", Some("alice"));
    scene.desk.done(&["pause"]);
    let refused = scene.types(&["resume"], &code(&bob));
    assert!(refused.err.contains("one-time codes do not count here"), "{refused:?}");
    let refused = scene.types(&["approver", "add", "carol", "--totp"], "add");
    assert!(refused.err.contains("one-time codes do not count here"), "{refused:?}");
    let checked = scene.run(&["config", "check"]);
    assert!(checked.code == 0 && checked.out.contains("bob (one-time codes)"), "{checked:?}");
    assert!(
        checked.out.contains("look      approvers: the one-time codes of bob do not count here"),
        "{checked:?}"
    );
    assert_eq!(scene.run(&["config", "check", "--strict"]).code, 4);
    let mut remote = scene.command(&["resume"]);
    remote.env("SMS_MCP__HTTP__TOKEN", "a-token-of-thirty-two-characters");
    let resumed = crate::cli::at_terminal(remote, &code(&bob));
    assert_eq!(resumed.code, 0, "agents come with a token, as somebody else: {resumed:?}");
}

/// Adds somebody with codes at a terminal that shows what the program writes, and returns what it showed, and how
/// it ended. `codes` makes the code of what it was shown.
fn add_with_codes(desk: &Desk, name: &str, code: impl Fn(&Secret) -> String) -> (String, Ended) {
    let (theirs, mut ours) = terminal();
    let mut command = desk.command();
    command.args(["approver", "add", name, "--totp"]);
    command.stdin(theirs.try_clone().unwrap()).stderr(theirs).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    drop(command);
    ours.write_all(b"add\n").unwrap();
    let told = until("the app shows now:", &mut ours);
    let base32 = told.split("Or type it into the app: ").nth(1).unwrap().split_whitespace().next().unwrap();
    let right = code(&Secret::new(octets(base32)));
    ours.write_all(format!("{right}\n{right}\n{right}\n").as_bytes()).unwrap();
    (told, Ended::of(child.wait_with_output().unwrap()))
}

/// What Base32 says.
fn octets(base32: &str) -> [u8; SECRET_OCTETS] {
    let bits: String = base32
        .bytes()
        .map(|letter| {
            format!("{:05b}", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|l| *l == letter).unwrap())
        })
        .collect();
    let octet = |at: usize| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).unwrap();
    std::array::from_fn(octet)
}

#[test]
fn an_app_is_shown_its_secret_at_the_terminal_alone_and_must_make_the_same_codes() {
    let desk = Desk::new(&format!("{WIDE}{ACCEPT}"));
    let piped = desk.types(&["approver", "add", "bob", "--totp"], "add");
    assert!(piped.err.contains("is shown at a terminal alone"), "standard error is a pipe: {piped:?}");
    let (_, wrong) = add_with_codes(&desk, "bob", |_| "12".to_owned());
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(desk.done(&["approver"]).out.contains("nobody is an approver"));
    let made = std::cell::RefCell::new(None);
    let (told, added) = add_with_codes(&desk, "bob", |secret| {
        *made.borrow_mut() = Some(secret.clone());
        code(secret)
    });
    assert_eq!(added.code, 0, "{told} {added:?}");
    assert!(told.contains('\u{2588}'), "a QR code: {told}");
    let secret = made.into_inner().unwrap();
    let used = desk.types(&["opt-out", "remove", "+12025550123"], &code(&secret));
    assert_eq!(used.code, 1, "the code that was shown when it was added is used up: {used:?}");
    let backup = desk.path().join("copy.db");
    let mut shown = String::new();
    for args in [
        &["approver", "list"] as &[&str],
        &["approver", "list", "--json"],
        &["ledger", "acts"],
        &["config", "check", "--json"],
        &["--log", "trace", "approver", "list"],
        &["backup", backup.to_str().unwrap()],
    ] {
        let ended = desk.run(args);
        assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
        shown.push_str(&(ended.out + &ended.err));
    }
    let hex: String = secret.octets().iter().map(|octet| format!("{octet:02x}")).collect();
    for form in [secret.base32(), hex, STANDARD.encode(secret.octets()), "otpauth".to_owned()] {
        assert!(!shown.to_lowercase().contains(&form.to_lowercase()), "{shown}");
    }
    assert!(shown.contains("one-time codes are made of is in it"), "backup says it: {shown}");
}

#[test]
fn what_is_no_approver_is_refused_before_anybody_is_asked() {
    let desk = Desk::new(WIDE);
    let pem = desk.path().join("key.pub");
    std::fs::write(&pem, "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
    let pem = pem.to_str().unwrap();
    for (args, why) in [
        (&["approver", "add", "alice", "--ssh-key", pem] as &[&str], "the file beside it that ends in .pub"),
        (&["approver", "add", "a b", "--ssh-key", pem], "is no name of an approver"),
        (&["approver", "add", "alice", "--ssh-key", "nowhere.pub"], "cannot be read"),
    ] {
        let refused = desk.run(args);
        assert!(refused.code == 1 && refused.err.contains(why), "{refused:?}");
        assert!(refused.err.contains("Nobody was added"), "{refused:?}");
    }
    let wrong = desk.run(&["send", "+12025550123", "Hello", "--proof", "x.sig"]);
    assert!(wrong.code == 1 && wrong.err.contains("asks nobody"), "{wrong:?}");
}

#[test]
fn a_ledger_that_is_put_back_says_who_decides_again_and_takes_no_yes_to_the_other_one() {
    let scene = Scene::new(WIDE);
    let add = ["approver", "add", "carol", "--ssh-key", "carol.pub"];
    assert_eq!(scene.approved(&add).code, 0);
    scene.desk.done(&["backup", scene.desk.path().join("backup.db").to_str().unwrap()]);
    assert_eq!(scene.approved(&["approver", "remove", "carol"]).code, 0);
    scene.desk.done(&["pause"]);
    let early = scene.challenge(&["resume"]);
    let restored = scene.approved(&["restore", "backup.db"]);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert!(
        restored.out.contains("who decides what agents may not is now: alice (ssh-ed25519"),
        "{restored:?}"
    );
    assert!(restored.err.contains("carol decides again"), "{restored:?}");
    assert!(
        restored.err.contains("who decides what agents may not has changed"),
        "it is logged: {restored:?}"
    );
    let late = scene.prove(&["resume"], &early, &scene.alice.sign(NAMESPACE, &early.1));
    assert!(late.err.contains("asked for in another ledger"), "{late:?}");
    assert_eq!(scene.approved(&["resume"]).code, 0);
}

#[test]
fn what_is_approved_for_a_restore_is_what_is_in_the_file() {
    let scene = Scene::new(WIDE);
    scene.desk.done(&["backup", scene.desk.path().join("backup.db").to_str().unwrap()]);
    let asked = scene.challenge(&["restore", "backup.db"]);
    let yes = scene.alice.sign(NAMESPACE, &asked.1);
    scene.desk.done(&["send", &fictional(0), "Hello"]);
    std::fs::remove_file(scene.desk.path().join("backup.db")).unwrap();
    scene.desk.done(&["backup", scene.desk.path().join("backup.db").to_str().unwrap()]);
    let refused = scene.prove(&["restore", "backup.db"], &asked, &yes);
    assert!(refused.code == 1 && refused.err.contains("says yes to something else"), "{refused:?}");
}

#[test]
fn a_ledger_in_doubt_is_accepted_by_an_approver_and_by_no_word() {
    let fake = Fake::start(SmsForAi { credits_micros: 1_000_000_000, ..SmsForAi::default() });
    let scene = Scene::new(&format!(
        "{WIDE}[[provider]]\nkind = \"sms_for_ai\"\nbase_url = \"{}/api/v1\"\ntoken = \"{TOKEN}\"\n",
        fake.url()
    ));
    scene.desk.done(&["send", &fictional(0), "Hello"]);
    std::fs::remove_dir_all(scene.desk.state()).unwrap();
    let is_in_doubt =
        || scene.run(&["send", &fictional(1), "Hello", "--json"]).json()["code"] == "ledger_in_doubt";
    let by_word = scene.types(&["ledger", "accept"], "accept");
    assert!(by_word.code == 1 && is_in_doubt(), "{by_word:?}");
    assert!(
        by_word.out.contains("who decides what agents may not is then: alice (ssh-ed25519"),
        "{by_word:?}"
    );
    let by_nobody = scene.run(&["ledger", "accept"]);
    assert!(by_nobody.code == 1 && by_nobody.err.contains("here is no terminal"), "{by_nobody:?}");
    let early = scene.challenge(&["budget", "accept-clock"]);
    let accepted = scene.approved(&["ledger", "accept"]);
    assert!(accepted.code == 0 && !is_in_doubt(), "{accepted:?}");
    assert!(accepted.err.contains("approver=\"alice\""), "{accepted:?}");
    let late = scene.prove(&["budget", "accept-clock"], &early, &scene.alice.sign(NAMESPACE, &early.1));
    assert!(late.err.contains("asked for in another ledger"), "{late:?}");
}

/// The commands of the page, in its order, in one folder: with a key of `ssh-keygen` in a home.
#[test]
fn the_commands_of_the_page_about_approvals_do_what_it_says() {
    if !has_ssh_keygen() {
        return;
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/APPROVALS.md")).unwrap();
    let blocks: Vec<&str> =
        page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 4, "{blocks:?}");
    let desk = Desk::new(WIDE);
    let (bin, ssh) = (desk.path().join("bin"), desk.path().join(".ssh"));
    std::fs::create_dir(&bin).unwrap();
    std::fs::create_dir(&ssh).unwrap();
    std::os::unix::fs::symlink(crate::support::program(), bin.join("sms-mcp")).unwrap();
    let key = ssh.join("id_ed25519");
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let outer = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&outer))).unwrap();
    for block in &blocks {
        let mut shell = Command::new("sh");
        shell.args(["-euc", block]).current_dir(desk.path()).env("PATH", &path).env("HOME", desk.path());
        shell.env("SMS_MCP_CONFIG", desk.config()).env("SMS_MCP_LEDGER", desk.ledger());
        shell.env("XDG_STATE_HOME", desk.state()).env("SMS_MCP_CONTAINER", "no");
        let ended = crate::cli::at_terminal(shell, "add");
        assert_eq!(ended.code, 0, "{block}\n{ended:?}");
        assert!(desk.done(&["pause", "--list"]).out.contains("nothing is paused"), "{block}");
    }
    assert!(desk.done(&["approver"]).out.contains("alice"));
    let signed: Vec<&str> =
        page.split("```\n").find(|block| block.starts_with("sms-mcp approval,")).unwrap().lines().collect();
    let asked = std::fs::read_to_string(desk.path().join("resume.txt")).unwrap();
    let names = |lines: &[&str]| -> Vec<String> {
        lines.iter().map(|line| line.split(": ").next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&signed), names(&asked.lines().collect::<Vec<_>>()), "the text that is signed");
}

/// OpenSSH's own program, which signs for the person. It comes with `tests/interop/install`.
fn has_ssh_keygen() -> bool {
    let is_there = Command::new("ssh-keygen").arg("-?").output().is_ok();
    let is_required = std::env::var("SMS_MCP_INTEROP").as_deref() == Ok("required");
    assert!(is_there || !is_required, "ssh-keygen is missing: tests/interop/install gets it");
    if !is_there {
        eprintln!("ssh-keygen is missing: nothing was tried");
    }
    is_there
}

#[test]
fn ssh_keygen_signs_for_the_person_with_every_kind_of_key() {
    if !has_ssh_keygen() {
        return;
    }
    let scene = Scene::new(WIDE);
    for (kind, bits) in [("ed25519", "256"), ("ecdsa", "256"), ("rsa", "3072")] {
        let key = scene.desk.path().join(format!("key-{kind}"));
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-b", bits, "-N", "", "-C", "a comment with spaces", "-f"])
            .arg(&key)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let public = key.with_extension("pub");
        let add = ["approver", "add", kind, "--ssh-key", public.to_str().unwrap()];
        assert_eq!(scene.approved(&add).code, 0, "{kind}");
        scene.desk.done(&["pause"]);
        let signed = scene.run(&["resume", "--approver-key", key.to_str().unwrap()]);
        assert_eq!(signed.code, 0, "{kind}: {signed:?}");
        // The fingerprint that people compare.
        let shown = Command::new("ssh-keygen").args(["-l", "-f"]).arg(&public).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        let fingerprint = shown.split(' ').nth(1).unwrap();
        assert!(scene.run(&["approver"]).out.contains(fingerprint), "{shown}");
        // As the documents say it, with the program's own lines.
        scene.desk.done(&["pause"]);
        let asked = scene.challenge(&["resume"]);
        let sign = ["-q", "-Y", "sign", "-n", NAMESPACE, "-f"];
        let signed = Command::new("ssh-keygen").args(sign).arg(&key).arg(&asked.0).output().unwrap();
        assert!(signed.status.success(), "{signed:?}");
        let file = format!("{}.sig", asked.0.display());
        let resumed = scene.run(&["resume", "--proof", &file]);
        assert_eq!(resumed.code, 0, "{kind}: {resumed:?}");
    }
    let stranger = scene.desk.path().join("stranger");
    let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-f"]).arg(&stranger).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    scene.desk.done(&["pause"]);
    let refused = scene.run(&["resume", "--approver-key", stranger.to_str().unwrap()]);
    assert!(refused.code == 1 && refused.err.contains("no approver's key"), "{refused:?}");
}

/// An SSH agent; it is ended with the value.
struct Agent(std::process::Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn enter_signs_with_the_key_that_the_persons_ssh_agent_has() {
    if !has_ssh_keygen() {
        return;
    }
    let scene = Scene::new(WIDE);
    let (key, socket) = (scene.desk.path().join("dave"), scene.desk.path().join("agent"));
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let public = key.with_extension("pub");
    assert_eq!(scene.approved(&["approver", "add", "dave", "--ssh-key", public.to_str().unwrap()]).code, 0);
    let mut agent = Command::new("ssh-agent");
    agent.args(["-D", "-a"]).arg(&socket).stdout(Stdio::null());
    let _agent = Agent(agent.spawn().unwrap());
    crate::support::eventually("the agent listens", || socket.exists());
    let at_agent = |args: &[&str]| {
        let mut command = scene.command(args);
        command.env("SSH_AUTH_SOCK", &socket);
        crate::cli::at_terminal(command, "")
    };
    scene.desk.done(&["pause"]);
    let without = at_agent(&["resume"]);
    assert!(without.code == 1 && without.err.contains("ssh-keygen made no signature"), "{without:?}");
    let added = Command::new("ssh-add").arg("-q").arg(&key).env("SSH_AUTH_SOCK", &socket).output().unwrap();
    assert!(added.status.success(), "{added:?}");
    std::fs::remove_file(&key).unwrap();
    let resumed = at_agent(&["resume"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert!(scene.run(&["ledger", "acts"]).out.lines().next().unwrap().ends_with("(approved by dave)"));
}
