//! A disk that takes no more: a quote says so, as the send would.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Desk, WIDE, fictional};

/// Runs a command whose files may not grow beyond so many KiB, which is a full disk to it: the write fails, and the process
/// is not killed for it.
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
    // Who reads keeps the ledger's log from beginning anew: it grows by all that is written, and so it can be given room.
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
        assert!(!is_allowed || is_sent, "with room for {room} KiB it was allowed ({}) and not sent: {}", quote.1, send.1);
        (refused, sent) = (refused + u32::from(!is_allowed), sent + u32::from(is_sent));
    }
    assert!(refused > 0 && sent > 0, "{refused} quotes were refused, and {sent} texts sent");
}
