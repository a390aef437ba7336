//! What many tests need: a folder of their own, a server process, a real MCP client.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rmcp::model::{CallToolRequestParams, CallToolResult, ProtocolVersion};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _};
use serde_json::Value;

use sms_mcp::engine::{Base, Caller, Person};
use sms_mcp::ledger::{Ledger, ReplyPage, ReplyRecord, Whole};
use sms_mcp::sms::message::MessageId;

/// How long a test waits for what must happen, before it says that it never does. It asserts no speed: every
/// wait ends on the event that it waits for, and a loaded machine only makes it longer.
pub const LAST_RESORT: Duration = Duration::from_secs(180);

/// Who does what operators do.
pub fn operator() -> Caller {
    Caller::new("user:operator", Base::Open)
}

/// The same one, who passed the gate.
pub fn person() -> Person {
    Person::let_pass(operator(), None)
}

/// How often a wait looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `is_so`.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    found(what, || is_so().then_some(()));
}

/// Waits until `find` finds something, and returns it.
pub fn found<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + LAST_RESORT;
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < give_up, "never happened: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until `is_so`, which is asked anew each time.
pub async fn eventually_async(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + LAST_RESORT;
    while !is_so().await {
        assert!(Instant::now() < give_up, "never happened: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What must come to its end.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LAST_RESORT, future).await.unwrap_or_else(|_| panic!("never happened: {what}"))
}

/// Waits for the end of a process. That it ends at all is the point wherever what it might wait for never
/// comes.
pub fn ends(child: &mut Child) -> ExitStatus {
    found("the end of the process", || child.try_wait().unwrap())
}

/// A while in which something must NOT happen, where no event bounds the wait for it. A mistake is seen on a
/// machine that is quick enough to make it in this time; no slowness makes a test fail.
pub const A_WHILE: Duration = Duration::from_millis(300);

/// A connected client.
pub type Client = RunningService<RoleClient, ()>;

/// Which protocol era a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25 and before: `initialize`.
    Legacy,
    /// 2026-07-28: no sessions.
    Stateless,
}

impl Era {
    pub const BOTH: [Self; 2] = [Self::Legacy, Self::Stateless];

    pub fn lifecycle(self) -> ClientLifecycleMode {
        match self {
            Self::Legacy => ClientLifecycleMode::Initialize,
            Self::Stateless => {
                ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
            }
        }
    }
}

/// The program under test.
pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_sms-mcp"))
}

/// A folder with a configuration and a ledger of its own.
pub struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    /// A desk whose configuration is `settings` (TOML); the sandbox's outbox is always on. A `[[provider]]`
    /// table must come last in it: the outbox is added at the end. Settings with a `base_url` or an `address`
    /// speak of real vendors and stay as they are.
    pub fn new(settings: &str) -> Self {
        // The test's own clients need a crypto provider too, even over plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let desk = Self { folder };
        let provider =
            if settings.contains("[[provider]]") { "" } else { "[[provider]]\nkind = \"sandbox\"\n" };
        let outbox = desk.outbox();
        let is_real = settings.contains("base_url") || settings.contains("\naddress = ");
        let more =
            if is_real { String::new() } else { format!("{provider}outbox = '{}'\n", outbox.display()) };
        std::fs::write(desk.config(), format!("{settings}\n{more}")).unwrap();
        desk
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn config(&self) -> PathBuf {
        self.path().join("config.toml")
    }

    pub fn ledger(&self) -> PathBuf {
        self.path().join("ledger.db")
    }

    pub fn outbox(&self) -> PathBuf {
        self.path().join("outbox.jsonl")
    }

    /// The program with this desk's configuration and ledger, and nothing of the outer environment's
    /// settings.
    pub fn command(&self) -> Command {
        let mut command = Command::new(program());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SMS_MCP"))
        {
            command.env_remove(name);
        }
        // What is known of a ledger outside of it is the desk's own too. Tests may run in a container.
        command.env("XDG_STATE_HOME", self.state()).env("SMS_MCP_CONTAINER", "no");
        command.arg("--config").arg(self.config()).arg("--ledger").arg(self.ledger());
        command
    }

    /// The same with another ledger.
    pub fn command_at(&self, ledger: &Path) -> Command {
        let usual = self.command();
        let mut command = Command::new(program());
        for (name, value) in usual.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.arg("--config").arg(self.config()).arg("--ledger").arg(ledger);
        command
    }

    /// The user's state folder, in which the marks of ledgers are.
    pub fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// What the sandbox took, in order: what was really sent. The system may cut an append in two where it
    /// crosses a page and the process is killed just then: such a beginning of a line was not sent whole, and
    /// is left out.
    pub fn sent(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.outbox()).unwrap_or_default();
        let mut lines = Vec::new();
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(line) => lines.push(line),
                Err(error) => assert!(
                    error.is_eof() && line.starts_with("{\"id\":\"msg_"),
                    "no whole line in the outbox: {line}"
                ),
            }
        }
        lines
    }

    /// A client of a server process over stdio.
    pub async fn stdio(&self, era: Era) -> Client {
        let transport = TokioChildProcess::new(tokio::process::Command::from(self.command())).unwrap();
        ().serve_with_lifecycle(transport, era.lifecycle()).await.unwrap()
    }

    /// A server process over HTTP on a free port.
    pub fn http(&self, more: impl FnOnce(&mut Command)) -> HttpServer {
        self.http_at(&self.ledger(), more)
    }

    /// The same with another ledger.
    pub fn http_at(&self, ledger: &Path, more: impl FnOnce(&mut Command)) -> HttpServer {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = self.command_at(ledger);
        command.args(["serve", "--http", &format!("127.0.0.1:{port}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        more(&mut command);
        let child = command.spawn().unwrap();
        let mut server = HttpServer { child, port };
        // One that a crash point ends before it listens is returned as it is.
        eventually("the server listens", || {
            let mut has_ended =
                || server.child.try_wait().unwrap().is_some_and(|status| status.code().is_none());
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() || has_ended()
        });
        server
    }
}

/// A server process over HTTP; it is ended with the value.
pub struct HttpServer {
    pub child: Child,
    pub port: u16,
}

impl HttpServer {
    /// Ends it as an operator does.
    #[cfg(unix)]
    pub fn stop(mut self) {
        signal("TERM", self.child.id());
        assert!(ends(&mut self.child).success());
    }

    /// Ends it as a fault does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// A client over Streamable HTTP.
    pub async fn client(&self, era: Era, token: Option<&str>) -> Client {
        use rmcp::transport::streamable_http_client::{
            StreamableHttpClientTransport, StreamableHttpClientTransportConfig,
        };
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.url());
        if let Some(token) = token {
            config = config.auth_header(token);
        }
        let transport = StreamableHttpClientTransport::from_config(config);
        ().serve_with_lifecycle(transport, era.lifecycle()).await.unwrap()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Calls a tool.
pub async fn call(client: &Client, tool: &'static str, arguments: Value) -> CallToolResult {
    let mut request = CallToolRequestParams::new(tool);
    request.arguments = arguments.as_object().cloned();
    client.call_tool(request).await.unwrap()
}

/// The JSON text of a result, be it an answer or an error.
pub fn text_of(result: &CallToolResult) -> Value {
    serde_json::from_str(&result.content[0].as_text().unwrap().text).unwrap()
}

/// A message with all that became of it, whoever's it is.
pub async fn whole(store: &dyn Ledger, id: &MessageId, replies: ReplyPage) -> Whole {
    let principal = store.find(id).await.unwrap().unwrap().principal;
    store.whole(&principal, id, replies).await.unwrap().unwrap()
}

/// The newest 100 replies to a message that may be shown, oldest first, as the ledger has them.
pub async fn replies(store: &dyn Ledger, id: &MessageId) -> Vec<ReplyRecord> {
    let mut page = whole(store, id, ReplyPage { before: None, limit: 100 }).await.replies.page;
    page.reverse();
    page.into_iter().map(|(_, reply)| reply).collect()
}

/// Calls a tool that must succeed, and returns its structured answer.
pub async fn answer(client: &Client, tool: &'static str, arguments: Value) -> Value {
    let result = call(client, tool, arguments).await;
    assert_ne!(result.is_error, Some(true), "{result:?}");
    result.structured_content.unwrap()
}

/// Calls a tool that must be refused, and returns its error.
pub async fn refusal(client: &Client, tool: &'static str, arguments: Value) -> Value {
    let result = call(client, tool, arguments).await;
    assert_eq!(result.is_error, Some(true), "{result:?}");
    assert!(result.structured_content.is_none());
    text_of(&result)
}

/// A number that is never real, one of 10,000 (ARCEP keeps 01 99 00 for audiovisual works).
pub fn fictional(index: usize) -> String {
    assert!(index < 10_000);
    format!("+3319900{index:04}")
}

/// Settings whose limits are out of the way.
pub const WIDE: &str = "[guard]\nsession_spend = 1000000\nday_spend = 1000000\nsession_messages = \
    1000000\nday_messages = 1000000\n\
    recipient_per_hour = 1000\nrecipient_per_day = 1000\nsends_per_second = 1000000\n\
    bulk_is_marketing_above = 100000\n";

/// A terminal for a person: the end that a program reads, and ours.
#[cfg(unix)]
pub fn terminal() -> (std::fs::File, std::fs::File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    (std::fs::File::options().read(true).write(true).open(name).unwrap(), ours.into())
}

/// Sends a signal, such as `TERM`, to a process.
#[cfg(unix)]
pub fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// Lets a server hear SIGHUP also where this process was itself started to outlive its terminal, which is
/// inherited.
#[cfg(unix)]
pub fn hearing_hangups(command: &mut Command) {
    let mut hearing = Command::new("env");
    hearing.arg("--default-signal=HUP").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => hearing.env(name, value),
            None => hearing.env_remove(name),
        };
    }
    hearing.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    *command = hearing;
}
