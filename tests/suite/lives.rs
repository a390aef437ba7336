//! How a server begins and ends: what its first line says, which signals end it, and what the log says of
//! clients that leave.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::carriers::interop::{installed, missing};
use crate::support::{
    A_WHILE, Desk, Era, HttpServer, WIDE, eventually, fictional, hearing_hangups, program, signal,
};
use crate::wire::{self, RawStdio, connect, get, post, stateless_headers, tool_call};

/// Asks a server to end, and returns its exit code and what it logged.
fn end(mut server: HttpServer, name: &str) -> (Option<i32>, String) {
    signal(name, server.child.id());
    let mut log = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    (server.child.wait().unwrap().code(), log)
}

#[test]
fn the_start_line_says_where_the_settings_came_from_and_what_holds() {
    let desk = Desk::new(
        "[guard]\ncurrency = \"EUR\"\nsession_spend = 1.5\n[[provider]]\nkind = \"sandbox\"\nname = \
         \"pretend\"\n",
    );
    let says = |log: &str| {
        let line = log
            .lines()
            .find(|line| line.contains("serving MCP"))
            .unwrap_or_else(|| panic!("no start line: {log}"));
        let settings = format!("settings=\"{}, and SMS_MCP__GUARD__DAY_SPEND\"", desk.config().display());
        for word in [settings.as_str(), "provider=\"pretend\"", "session_spend=\"1.50 EUR\"", "ledger="] {
            assert!(line.contains(word), "{word}: {line}");
        }
    };
    let more = |command: &mut Command| {
        command.env("SMS_MCP__GUARD__DAY_SPEND", "7");
    };
    says(&RawStdio::start(&desk, Era::Legacy, more).finish());
    let server = desk.http(more);
    eventually("it serves", || get(server.port, "/healthz").status == 200);
    says(&end(server, "TERM").1);
    // Without any settings it is the sandbox, and says so.
    let home = tempfile::tempdir().unwrap();
    let mut bare = Command::new(program());
    bare.env_clear().env("HOME", home.path()).stdin(Stdio::null());
    let log = String::from_utf8(bare.output().unwrap().stderr).unwrap();
    let line = log
        .lines()
        .find(|line| line.contains("serving MCP"))
        .unwrap_or_else(|| panic!("no start line: {log}"));
    assert!(
        line.contains("settings=\"none (built-in defaults)\"") && line.contains("provider=\"sandbox\""),
        "{line}"
    );
}

#[test]
fn a_hangup_ends_a_server_like_a_stop() {
    let desk = Desk::new(&format!("{WIDE}[[provider]]\nkind = \"sandbox\"\nlatency = \"1s\"\n"));
    let server = desk.http(hearing_hangups);
    let port = server.port;
    let body =
        tool_call(Era::Stateless, 1, "send_sms", &json!({ "to": fictional(1), "message": "In flight" }));
    let slow = std::thread::spawn(move || post(port, &stateless_headers("send_sms"), &body).json().unwrap());
    let list = tool_call(Era::Stateless, 2, "list_sms", &json!({}));
    eventually("the message is on its way", || {
        let listed = post(port, &stateless_headers("list_sms"), &list).json().unwrap();
        !listed["result"]["structuredContent"]["messages"].as_array().unwrap().is_empty()
    });
    let (code, log) = end(server, "HUP");
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(slow.join().unwrap()["result"]["structuredContent"]["status"], "sent");
    assert_eq!(desk.sent().len(), 1);

    // Over stdio as well.
    let desk = Desk::new("");
    let server = RawStdio::start(&desk, Era::Legacy, hearing_hangups);
    let pid = server.pid();
    eventually("it ends", || {
        let _ = Command::new("kill").args(["-HUP", &pid.to_string()]).stderr(Stdio::null()).status();
        !std::path::Path::new(&format!("/proc/{pid}")).exists() || is_over(pid)
    });
    assert!(!server.finish().contains("ERROR"));
}

/// Whether a process has ended and nobody has asked for its exit code yet.
fn is_over(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
}

#[test]
fn a_server_that_was_started_to_outlive_its_terminal_does() {
    let desk = Desk::new("");
    let ordinary = desk.command();
    let server = desk.http(|command| {
        let listen: Vec<_> =
            command.get_args().skip(ordinary.get_args().count()).map(ToOwned::to_owned).collect();
        let mut ignoring = Command::new("sh");
        ignoring
            .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
            .arg(program())
            .args(ordinary.get_args())
            .args(listen);
        ignoring.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        *command = ignoring;
    });
    eventually("it serves", || get(server.port, "/healthz").status == 200);
    for _ in 0..3 {
        signal("HUP", server.child.id());
        assert_eq!(get(server.port, "/healthz").status, 200);
    }
    assert_eq!(end(server, "TERM").0, Some(0));
}

#[test]
fn clients_that_go_away_over_http_leave_no_error_in_the_log() {
    let desk = Desk::new(&format!("{WIDE}[[provider]]\nkind = \"sandbox\"\nlatency = \"300ms\"\n"));
    let server = desk.http(|_| {});
    let port = server.port;
    let recipients: Vec<_> = (0..6).map(|index| json!({ "to": fictional(index) })).collect();
    // In the middle of a call of either era, once before and once after its first event.
    for era in Era::BOTH {
        let session = (era == Era::Legacy).then(|| wire::open_legacy(port, &[]));
        for (tool, arguments) in [
            ("send_sms", json!({ "to": fictional(50), "message": format!("{era:?}") })),
            ("send_bulk", json!({ "recipients": recipients, "message": format!("Hi {era:?}") })),
        ] {
            let mut params = json!({ "name": tool, "arguments": arguments, "_meta": wire::meta(era).unwrap_or_else(|| json!({})) });
            params["_meta"]["progressToken"] = json!("p");
            let body = serde_json::to_vec(
                &json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params }),
            )
            .unwrap();
            let headers: Vec<(&str, &str)> = match &session {
                Some(id) => vec![("Mcp-Session-Id", id)],
                None => stateless_headers(tool).to_vec(),
            };
            let mut stream = connect(port);
            stream.write_all(&wire::head(port, &headers, body.len())).unwrap();
            stream.write_all(&body).unwrap();
            if tool == "send_bulk" {
                let mut part = [0; 64];
                assert!(stream.read(&mut part).unwrap() > 0);
            }
            drop(stream);
        }
        if let Some(id) = &session {
            // The session ends while its calls run.
            wire::ask(port, "DELETE", "/mcp", &[("Mcp-Session-Id", id)], b"");
        }
    }
    // After `initialize`, and never again; before its answer is read; in the middle of a head and of a body.
    drop(post(port, &[], &wire::initialize()));
    let initialize = wire::initialize();
    for cut in [10, initialize.len()] {
        let mut stream = connect(port);
        stream.write_all(&wire::head(port, &[], initialize.len())).unwrap();
        stream.write_all(&initialize[..cut]).unwrap();
        drop(stream);
    }
    connect(port).write_all(b"POST /mcp HT").unwrap();
    let open = |status: &str| {
        let list = tool_call(Era::Stateless, 2, "list_sms", &json!({ "status": status }));
        let listed = post(port, &stateless_headers("list_sms"), &list).json().unwrap();
        listed["result"]["structuredContent"]["messages"].as_array().unwrap().len()
    };
    eventually("what was begun is sent", || {
        !desk.sent().is_empty() && open("queued") + open("attempting") == 0
    });
    let (code, log) = end(server, "TERM");
    assert_eq!(code, Some(0));
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_client_that_goes_away_over_stdio_leaves_no_error_in_the_log() {
    for request in
        [None, Some(tool_call(Era::Legacy, 1, "send_sms", &json!({ "to": fictional(1), "message": "Left" })))]
    {
        let desk = Desk::new("[[provider]]\nkind = \"sandbox\"\nlatency = \"300ms\"\n");
        let mut child = desk
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut input, mut output) =
            (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut line = String::new();
        for message in [wire::initialize(), wire::INITIALIZED.to_vec()] {
            input.write_all(&[&message[..], b"\n"].concat()).unwrap();
        }
        output.read_line(&mut line).unwrap();
        // It reads no more, asks once more, and is gone.
        drop(output);
        if let Some(request) = request {
            input.write_all(&[&request[..], b"\n"].concat()).unwrap();
        }
        drop(input);
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        child.wait().unwrap();
        assert!(!log.contains("ERROR"), "{log}");
    }
}

#[test]
fn the_python_program_of_the_documents_reaches_the_server_with_its_environment() {
    let page =
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CLIENTS.md"))
            .unwrap();
    let code = page
        .split("```python\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("a program in docs/CLIENTS.md");
    for version in ["mcp1", "mcp2"] {
        let packages = installed("clients").join(version);
        if !packages.join("mcp").exists() {
            return missing(&format!("PyPI mcp ({version})"));
        }
        let desk = Desk::new("");
        let folder = program().parent().unwrap().to_owned();
        let path = std::env::join_paths(
            [folder].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        )
        .unwrap();
        let mut python = Command::new("python3");
        // Nothing but the environment says where the settings are.
        python
            .args(["-c", code])
            .env("PATH", path)
            .env("PYTHONPATH", &packages)
            .env("SMS_MCP_CONFIG", desk.config())
            .env("SMS_MCP_LEDGER", desk.ledger());
        let output = python.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{version}: {said}");
        assert_eq!(desk.sent().len(), 1, "{version}: {said}");
    }
}

#[test]
fn a_bulk_whose_file_never_ends_can_be_interrupted() {
    let desk = Desk::new("");
    for name in ["INT", "TERM"] {
        let mut command = desk.command();
        command
            .args(["bulk", "/dev/stdin", "--message", "Hello"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // It reads, and there is more to come.
        child.stdin.as_mut().unwrap().write_all(b"to\n").unwrap();
        std::thread::sleep(A_WHILE);
        signal(name, child.id());
        assert!(!child.wait().unwrap().success(), "{name}");
    }
}
