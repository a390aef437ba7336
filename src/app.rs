//! Builds the parts from the configuration, serves, and stops in good order.

mod approving;
mod pausing;
mod rehearsal;
mod stop;

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use rmcp::ServiceExt as _;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::clock::{Clock as _, SharedClock, SystemClock, Timestamp};
use crate::config::{self, Config, Loaded, Log, LogFormat, LogLevel, MarkPlace};
use crate::engine::settings::Answers;
use crate::engine::{Base, Caller, Carrier, Carriers, Engine, Parts, Person, endpoint};
use crate::error::Result;
use crate::halt::Halts;
use crate::http::{self, Endpoint, Options};
use crate::ledger::facets::Upkeep as _;
use crate::ledger::mark::{Accepted, MarkAt, Marking, Outlook};
use crate::ledger::sqlite::{self, Looked, PauseFile, Restored, SqliteLedger};
use crate::mcp::{Callers, Server, stdio};
use crate::policy::{Assumed, Policy};
use crate::provider::ProviderConfig;
use crate::provider::sandbox::outbox::Reader;
pub use crate::provider::sandbox::outbox::Taken;
use crate::provider::settings::{Callback, Setup};
use crate::sms::facts::PROCESS_SESSION;
use crate::sms::message::hex;
use crate::sms::peer::{Difference, Peer};
pub use approving::{Deciders, challenge, deciders, is_reached, new_secret, prove};
pub use pausing::{keep_act, pause, pause_of, pauses, resume};
pub use rehearsal::{Tried, rehearse};
pub(crate) use stop::Stop;

/// How long a stop waits for what is in flight. The whole stop takes less than 5 s, but for a text of which a
/// part has left (`[send] stop_within`).
const STOP_PATIENCE: Duration = Duration::from_millis(3_500);

/// How long the last answers may take to be written after the last send has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

// A stop takes five seconds at most, whoever does not answer: clients kill a server that takes longer. What
// is left is for the ledger and the connections to close.
const _: () = assert!(STOP_PATIENCE.as_millis() + 4 * LAST_WORDS.as_millis() <= 4_500);

/// Logs to standard error. Only this crate's own events reach the chosen level: libraries log requests and
/// results whole below `warn`, and those hold texts.
pub fn start_logging(log: &Log) {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("sms_mcp", level)
        .with_target("rmcp", LevelFilter::ERROR);
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(|event| !is_farewell(event)));
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let started = match log.format {
        LogFormat::Text => registry.with(layer.with_ansi(false)).try_init(),
        LogFormat::Json => registry.with(layer.json()).try_init(),
    };
    drop(started); // Already started is fine.
}

/// Whether an event only says that a client went away: the MCP library takes each answer that finds nobody
/// for an error. Its one error of another kind is a line that is too long; where it fails over HTTP, the
/// endpoint says so.
fn is_farewell(event: &tracing::Metadata<'_>) -> bool {
    let is_theirs = event.target() == "rmcp" || event.target().starts_with("rmcp::");
    is_theirs && event.is_event() && event.fields().field("max_line_length").is_none()
}

/// What a process has the ledger open for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It sends, as this command: its limits hold for every other process that does, for as long as it lives.
    Sends(&'static str),
    /// It says what sending would do.
    Quotes,
    /// Neither.
    Looks,
}

/// The command that serves over stdio, and the one that serves over HTTP, whose sessions several processes
/// may serve.
const SERVE: &str = "serve";
const SERVE_HTTP: &str = "serve --http";

/// Builds the engine of this configuration; opens the ledger.
///
/// # Errors
/// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable) or
/// [`Config`](crate::error::ErrorKind::Config), saying what to do.
pub async fn build(loaded: &Loaded, role: Role) -> Result<Engine> {
    let clock: SharedClock = Arc::new(SystemClock);
    let store = Arc::new(open_ledger(loaded)?);
    if let Err(refused) = approving::has_approver(loaded, role, &store).await {
        let _ = store.close().await;
        return Err(refused);
    }
    let joined = match role {
        Role::Sends(surface) => store.join(own_peer(loaded, surface)).await,
        Role::Quotes => store.peers(&own_peer(loaded, SERVE)).await.map(drop),
        Role::Looks => Ok(()),
    };
    match joined {
        Ok(()) => engine_over(loaded, clock, store).await,
        Err(refused) => {
            let _ = store.close().await;
            Err(refused)
        }
    }
}

/// The engine over this ledger, which is closed where there is none.
async fn engine_over(loaded: &Loaded, clock: SharedClock, store: Arc<SqliteLedger>) -> Result<Engine> {
    match parts(loaded, clock, Arc::clone(&store)).await {
        Ok(parts) => Ok(Engine::new(parts)),
        Err(error) => {
            let _ = store.close().await;
            Err(error)
        }
    }
}

/// What this process says of itself to the others that send from the ledger.
fn own_peer(loaded: &Loaded, surface: &str) -> Peer {
    let config = &loaded.config;
    let settings = loaded
        .file
        .as_deref()
        .map(|file| std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string());
    let is_real = |provider: &ProviderConfig| provider.settings().is_real();
    Peer {
        surface: surface.to_owned(),
        process: std::process::id(),
        settings,
        overrides: loaded.overrides.clone(),
        since_ms: SystemClock.now().as_millis(),
        // Without random bits there is no caller either, and it ends there.
        session: process_session().ok().filter(|_| surface != SERVE_HTTP),
        currency: config.guard.currency.to_string(),
        live: config.provider.iter().any(is_real),
        sandbox: !config.provider.iter().all(is_real),
        rules: policy(loaded).rules(surface == SERVE_HTTP),
    }
}

fn policy(loaded: &Loaded) -> Policy {
    let Config { guard, rates, schedule, approval, quiet, consent, marketing, .. } = &loaded.config;
    let policy = Policy::new(guard.clone(), rates.clone()).scheduling(*schedule);
    policy
        .asking(approval.clone())
        .quiet_hours(quiet.clone())
        .consenting(consent.clone())
        .marketing(marketing.clone())
}

/// The parts of the engine over this ledger.
async fn parts(loaded: &Loaded, clock: SharedClock, store: Arc<SqliteLedger>) -> Result<Parts> {
    let config = &loaded.config;
    let mut fresh = [0; 32];
    clock.fill_random(&mut fresh)?;
    let key = match &config.http.public_url {
        Some(public_url) => Some((public_url, store.key("webhook", fresh).await?)),
        None => None,
    };
    let mut carriers = Vec::with_capacity(config.provider.len());
    for (provider, secrets) in config.provider.iter().zip(&loaded.secrets) {
        let callback = key.map(|(public_url, key)| Callback::new(public_url, provider.name(), key));
        let setup = Setup { clock: Arc::clone(&clock), secrets: secrets.clone(), callback: callback.clone() };
        let settings = provider.settings();
        let carrier = Carrier::new(provider.build(setup)?, callback, settings.rate());
        carriers.push(carrier.hiding(secrets).showing(settings.sender()));
    }
    let answers = Answers { notify: approving::notify(loaded, &carriers)?, ..config.replies.answers()? };
    Ok(Parts {
        ledger: store,
        carriers: Carriers::new(carriers, config.route.clone())?.with_senders(config.sender.clone()),
        policy: policy(loaded),
        clock,
        settings: config.send.clone(),
        keep_texts: config.ledger.keep_texts,
        default_region: config.default_region,
        stop_words: config.replies.words()?,
        answers,
        forward: endpoint::Target::new(&config.forward, loaded.forward_secret.as_ref())?,
        halts: Halts::watching(Box::new(PauseFile::of(&loaded.ledger)?))?,
    })
}

/// Says what somebody who looks into the log would not expect.
async fn announce(loaded: &Loaded, engine: &Engine) {
    for finding in &loaded.findings {
        let finding = finding.text.as_str();
        tracing::warn!(finding, "the operator should look at the settings");
    }
    let assumed =
        engine.unpriced().filter(|(_, assumed)| !engine.guard().has_rates() || !assumed.missing.is_empty());
    if let Some((providers, assumed)) = assumed {
        let (each, session, day) = (assumed.each, assumed.session, assumed.day);
        let providers = providers.join(", ");
        tracing::warn!(providers, %each, session, day,
            "a provider tells no prices and [rates] lacks some: each text is taken for price_when_unknown");
    }
    if let Err(error) = engine.trust().await {
        tracing::error!(%error, next = error.next_step(),
            "nothing is sent until a person has looked at the ledger");
    }
    if let Some(live) = &loaded.live_ledger {
        tracing::info!(real = %live.display(), "only the sandbox is configured: it keeps a ledger of its own");
    }
}

/// The operating-system user of this process, with a session that lasts as long as the process.
///
/// # Errors
/// [`Internal`](crate::error::ErrorKind::Internal) when the system has no random bits.
pub fn process_caller(loaded: &Loaded) -> Result<Caller> {
    Ok(Caller::new(local_principal(&loaded.user), Base::Named(process_session()?)))
}

/// The session that lasts as long as this process.
fn process_session() -> Result<String> {
    static SESSION: OnceLock<String> = OnceLock::new();
    if let Some(session) = SESSION.get() {
        return Ok(session.clone());
    }
    let mut random = [0; 16];
    SystemClock.fill_random(&mut random)?;
    Ok(SESSION.get_or_init(|| format!("{PROCESS_SESSION}{}", hex(&random))).clone())
}

fn local_principal(user: &str) -> String {
    format!("user:{user}")
}

/// The operating-system user of a command that needs neither settings nor a session.
pub fn user_caller() -> Caller {
    Caller::new(local_principal(&config::user()), Base::Open)
}

/// Starts the engine of a server. The ledger is closed in good order where it does not start.
async fn begin(engine: &Engine, loaded: &Loaded) -> Result<()> {
    let started = engine.start(true).await;
    match started {
        Ok(()) => engine.start_pruning(loaded.config.ledger.keep_for),
        Err(_) => engine.stop(STOP_PATIENCE).await,
    }
    started
}

/// Serves MCP over standard input and output until the input ends or the process is asked to stop.
///
/// # Errors
/// What [`build`] fails with.
pub async fn serve_stdio(loaded: &Loaded) -> Result<()> {
    let mut stop_signals = Stop::new();
    let caller = process_caller(loaded)?;
    let engine = build(loaded, Role::Sends(SERVE)).await?;
    begin(&engine, loaded).await?;
    announce(loaded, &engine).await;
    let Start { settings, provider, session_spend } = Start::new(loaded);
    tracing::info!(settings, provider, session_spend, ledger = %loaded.ledger.display(),
        "serving MCP over stdio");
    let page = approving::serve_page(loaded, &engine).await;
    let server = Server::new(
        engine.clone(),
        Callers::One(caller),
        &loaded.config.tools,
        loaded.config.send.bulk_wait.duration(),
    );
    let ended = CancellationToken::new();
    let (input, output) = rmcp::transport::io::stdio_pipes();
    let input = UntilEnd { input, ended: ended.clone() };
    let session = async {
        match server.serve(stdio::transport(input, output)).await {
            Ok(running) => drop(running.waiting().await),
            // Not the error itself: it quotes what the client wrote, whole.
            Err(_) if ended.is_cancelled() => tracing::debug!("the input ended before a session began"),
            Err(_) => tracing::warn!(
                "no session began: the client did not begin with a request that MCP begins with"
            ),
        }
    };
    tokio::pin!(session);
    let (is_over, signal) = tokio::select! {
        () = &mut session => (true, None),
        () = ended.cancelled() => (false, None),
        signal = stop_signals.asked() => (false, Some(signal)),
    };
    let why = signal.unwrap_or(if ended.is_cancelled() {
        "standard input was closed"
    } else {
        "the session with the client ended"
    });
    tracing::info!(why, "shutdown: the server stops");
    engine.begin_stop();
    let until = Instant::now() + STOP_PATIENCE;
    if !is_over {
        // What is in flight ends, and its answers still go out.
        let answered = async {
            engine.idle().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            () = &mut session => {}
            () = answered => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }
    engine.stop(until.saturating_duration_since(Instant::now()).max(LAST_WORDS)).await;
    page.cancel();
    Ok(())
}

/// Serves MCP over Streamable HTTP until the process is asked to stop.
///
/// # Errors
/// What [`build`] and [`Endpoint::bind`] fail with.
pub async fn serve_http(loaded: &Loaded, listen: Option<String>) -> Result<()> {
    let mut stop_signals = Stop::new();
    let mut settings = loaded.config.http.clone();
    if let Some(listen) = listen {
        settings.listen = listen;
    }
    let mut epoch = [0; 8];
    SystemClock.fill_random(&mut epoch)?;
    let engine = build(loaded, Role::Sends(SERVE_HTTP)).await?;
    let stop = CancellationToken::new();
    let options = Options {
        settings,
        token: loaded.http_token.clone(),
        user: local_principal(&loaded.user),
        tools: loaded.config.tools.clone(),
        bulk_wait: loaded.config.send.bulk_wait.duration(),
        session_idle: loaded.config.guard.session_idle.duration(),
        epoch: hex(&epoch),
    };
    let endpoint = Endpoint::bind(engine.clone(), options, stop.clone()).await;
    let takes_codes = loaded.config.approval.takes_codes(loaded.http_token.is_some());
    let endpoint = match endpoint.and_then(|endpoint| endpoint.with_page(engine.clone(), takes_codes)) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            engine.stop(STOP_PATIENCE).await;
            return Err(error);
        }
    };
    begin(&engine, loaded).await?;
    announce(loaded, &engine).await;
    let Start { settings, provider, session_spend } = Start::new(loaded);
    tracing::info!(address = %endpoint.address(), settings, provider, session_spend, ledger = %loaded.ledger.display(), "serving MCP at /mcp");
    let serving = tokio::spawn(endpoint.serve());
    let why = stop_signals.asked().await;
    tracing::info!(why, "shutdown: the server stops");
    engine.begin_stop();
    // Sends in flight end first, then the connections that wait for them.
    engine.stop(STOP_PATIENCE).await;
    stop.cancel();
    let _ = tokio::time::timeout(LAST_WORDS * 4, serving).await;
    Ok(())
}

/// What a server says of itself when it starts: a server without the settings that were meant for it is the
/// sandbox.
struct Start {
    /// Where the settings came from.
    settings: String,
    /// Who carries the texts.
    provider: String,
    /// Most money in one session, with its currency.
    session_spend: String,
}

impl Start {
    fn new(loaded: &Loaded) -> Self {
        let settings = shown(loaded.file.as_deref());
        let settings = if loaded.overrides.is_empty() {
            settings
        } else {
            format!("{settings}, and {}", loaded.overrides.join(" "))
        };
        let providers: Vec<&str> = loaded.config.provider.iter().map(|provider| provider.name()).collect();
        let guard = &loaded.config.guard;
        Self {
            settings,
            provider: providers.join(" "),
            session_spend: format!("{} {}", guard.session_spend, guard.currency),
        }
    }
}

/// An input that tells when it has ended, so that the stop begins then and not after the last answer.
struct UntilEnd<R> {
    input: R,
    ended: CancellationToken,
}

impl<R: AsyncRead + Unpin> AsyncRead for UntilEnd<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.input).poll_read(context, buffer);
        let is_end = match &polled {
            Poll::Ready(Ok(())) => buffer.filled().len() == before && buffer.remaining() > 0,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if is_end {
            self.ended.cancel();
        }
        polled
    }
}

/// Checks that everything the configuration names can be used. Returns what [`Engine::unpriced`] and
/// [`Engine::trust`] say of it.
///
/// # Errors
/// What [`build`] and [`http::addresses`] fail with.
pub async fn check(loaded: &Loaded) -> Result<(Option<(Vec<String>, Assumed)>, Result<()>)> {
    http::addresses(&loaded.config.http.listen, loaded.http_token.is_some()).await?;
    let engine = build(loaded, Role::Quotes).await?;
    let (unpriced, trusted) = (engine.unpriced(), engine.trust().await);
    engine.stop(STOP_PATIENCE).await;
    Ok((unpriced, trusted))
}

/// The other processes that send from this ledger now by other limits than these settings would, and where
/// they differ.
///
/// # Errors
/// What [`SqliteLedger::open`] and [`SqliteLedger::peers`] fail with.
pub async fn others(loaded: &Loaded) -> Result<Vec<(Peer, Vec<Difference>)>> {
    let own = own_peer(loaded, SERVE);
    let store = open_ledger(loaded)?;
    let found = store.peers(&own).await;
    store.close().await?;
    let with_differences = found?.into_iter().filter(|peer| peer.shares_side_with(&own)).map(|peer| {
        let differences = own.rules.differences(&peer.rules);
        (peer, differences)
    });
    Ok(with_differences.filter(|(_, differences)| !differences.is_empty()).collect())
}

/// Writes a whole copy of the ledger to a new file, while servers go on.
///
/// # Errors
/// What [`SqliteLedger::open_marked`] and [`SqliteLedger::backup`] fail with.
pub async fn backup(loaded: &Loaded, file: &Path) -> Result<Looked> {
    let store = open_ledger(loaded)?;
    let made = store.backup(file).await;
    store.close().await?;
    made
}

/// Looks through the ledger, or through a copy of one.
///
/// # Errors
/// What [`SqliteLedger::open_marked`], [`SqliteLedger::look`] and [`sqlite::look_at`] fail with.
pub async fn look(loaded: &Loaded, file: Option<&Path>) -> Result<Looked> {
    if let Some(file) = file {
        return sqlite::look_at(file);
    }
    let store = open_ledger(loaded)?;
    let looked = store.look().await;
    store.close().await?;
    looked
}

/// Puts a copy in place of the ledger.
///
/// # Errors
/// What [`sqlite::restore`] fails with.
pub fn restore(loaded: &Loaded, person: &Person, file: &Path) -> Result<Restored> {
    let act = person.act("restore", &file.display().to_string(), SystemClock.now());
    let restored = sqlite::restore(file, &loaded.ledger, &act)?;
    person.widened("restore", &loaded.ledger.display().to_string());
    Ok(restored)
}

/// What taking the ledger as it is would do; nothing where it is in no doubt.
///
/// # Errors
/// What [`SqliteLedger::open_marked`] and [`SqliteLedger::outlook`] fail with.
pub async fn outlook(loaded: &Loaded) -> Result<Option<Outlook>> {
    let store = open_ledger(loaded)?;
    let outlook = store.outlook().await;
    store.close().await?;
    outlook
}

/// Takes the ledger as it is, by the word of a person. Where nothing else knows who opted out, vendors are
/// asked first. Returns what that did, and which of them could not be asked.
///
/// # Errors
/// What [`build`] and [`SqliteLedger::accept`] fail with.
pub async fn accept(loaded: &Loaded, person: &Person, seen: &Outlook) -> Result<(Accepted, Vec<String>)> {
    let clock: SharedClock = Arc::new(SystemClock);
    let store = Arc::new(open_ledger(loaded)?);
    let engine = engine_over(loaded, Arc::clone(&clock), Arc::clone(&store)).await?;
    let notes = if seen.is_mark_gone { engine.read_opt_outs().await } else { Vec::new() };
    let accepted =
        store.accept(seen, &person.caller().actor, loaded.config.guard.currency.as_str(), clock.now()).await;
    engine.stop(STOP_PATIENCE).await;
    let accepted = accepted?;
    let Accepted { unknown, opt_outs, budgets, is_frozen } = accepted;
    tracing::warn!(
        by = person.caller().actor,
        approver = person.approver(),
        unknown,
        opt_outs,
        budgets,
        is_frozen,
        "a person accepted a ledger in doubt"
    );
    Ok((accepted, notes))
}

/// The outboxes in which the sandbox puts what it takes, each once; none where it has none.
pub fn outboxes(loaded: &Loaded) -> Vec<Reader> {
    let mut places: Vec<&Path> = Vec::new();
    for place in loaded.config.provider.iter().filter_map(|provider| provider.settings().writes()) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places.into_iter().map(Reader::new).collect()
}

fn open_ledger(loaded: &Loaded) -> Result<SqliteLedger> {
    let mut random = [0; 8];
    SystemClock.fill_random(&mut random)?;
    let at = match &loaded.mark {
        Some(MarkPlace::Folder(folder)) => MarkAt::Folder(folder.clone()),
        Some(MarkPlace::File(file)) => MarkAt::File(file.clone()),
        None => MarkAt::Nowhere,
    };
    let marking = Marking { at, is_needed: loaded.has_real };
    SqliteLedger::open_marked(&loaded.ledger, Some(marking), SystemClock.now(), random)
}

/// The machine's time.
pub fn now() -> Timestamp {
    SystemClock.now()
}

/// Where a path is, for people.
pub fn shown(path: Option<&Path>) -> String {
    path.map_or_else(|| "none (built-in defaults)".to_owned(), |path| path.display().to_string())
}
