//! Sessions of clients that speak protocol versions with sessions (before 2026-07-28).
//!
//! The protocol library runs a session and numbers its streams. Around it, this says whose a session is, so
//! that an id is worth nothing to another principal; how long it lives, an open event stream being use; which
//! one is put away where there is no room for another; and what a client gets that comes back to a stream
//! which was cut: the answer, or an error that says where to look, but never silence.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::{Stream, StreamExt as _};
use http::request::Parts;
use rmcp::model::{ClientJsonRpcMessage, ErrorData, GetExtensions as _, RequestId, ServerJsonRpcMessage};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError,
};
use rmcp::transport::streamable_http_server::session::{
    RestoreOutcome, ServerSseMessage, SessionId, SessionManager, SessionState, SessionStore,
    SessionStoreError,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::replay::{COMMON, EventLog, FORGOTTEN_AFTER};
use super::visit::ClientNetwork;
use crate::engine::{Caller, Engine};
use crate::mcp::open_calls::OpenCalls;
use crate::setting::network::Network;

/// Code of the error for a request whose answer is gone: JSON-RPC's for a fault of the server.
const GONE: &str = "the answer to this call is no longer here: the connection was cut, and the client came \
    back too late or the server was \
    restarted meanwhile. The call may have been carried out. Look with list_sms or get_status, or repeat it \
    with the same idempotency_key";

tokio::task_local! {
    /// The principal of the request that is being served: a session is restored for its own principal alone.
    pub static CALLER: String;
}

/// Most that a client may say of itself, in bytes, if its session is to outlive a restart. Clients say some
/// hundred.
const MOST_KEPT: usize = 16 * 1024;

/// How often sessions are looked through: at least so often, more often where they live shortly.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// What a client is known by in this process.
#[derive(Debug)]
struct OpenSession {
    holder: Holder,
    used: Instant,
    /// Whether the ledger knows that it was used.
    is_noted: bool,
    /// Whether anything was asked in it since it was opened.
    has_asked: bool,
    /// How many event streams are open that an answer comes on.
    answers: usize,
    /// How many are open on which only changes are told.
    listens: usize,
    /// How many events of the session's own stream went out.
    told: u64,
    /// The requests that are not answered yet.
    open: OpenCalls,
    ended: CancellationToken,
}

/// Who holds a session: by this they are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Holder {
    principal: String,
    /// From where it was opened, where that is known: clients may share one token.
    client: Option<Network>,
}

impl OpenSession {
    fn streams(&mut self, purpose: For) -> &mut usize {
        match purpose {
            For::Answer => &mut self.answers,
            For::Changes => &mut self.listens,
        }
    }

    fn has_streams(&self) -> bool {
        self.answers + self.listens > 0
    }

    /// Whether something that was asked has no answer yet. Of what was cancelled none ever comes.
    fn has_calls(&self, now: Instant) -> bool {
        self.answers > 0 || (!self.open.is_empty() && now.duration_since(self.used) < FORGOTTEN_AFTER)
    }
}

/// Whose session makes room for another: of whoever holds most, one without a call under way; rather one that
/// nobody listens to, or in which nothing was ever asked; and of those the one that was not used for the
/// longest time.
fn oldest_idle(known: &HashMap<SessionId, OpenSession>, now: Instant) -> Option<SessionId> {
    let mut held: HashMap<&Holder, usize> = HashMap::new();
    for session in known.values() {
        *held.entry(&session.holder).or_default() += 1;
    }
    let order = |session: &OpenSession| {
        (Reverse(held.get(&session.holder).copied()), session.listens > 0, session.has_asked, session.used)
    };
    let idle = known.iter().filter(|(_, session)| !session.has_calls(now));
    idle.min_by_key(|(_, session)| order(session)).map(|(id, _)| Arc::clone(id))
}

/// The sessions of this process.
pub struct Sessions {
    inner: LocalSessionManager,
    log: Arc<EventLog>,
    known: Mutex<HashMap<SessionId, OpenSession>>,
    idle: Duration,
    /// Tells the event ids of this process from those of the one before it.
    epoch: String,
    /// Where sessions are kept that must outlive this process.
    kept: Option<Engine>,
}

/// Whether a principal may use a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// It runs in this process.
    Here,
    /// It ran in another one, and goes on here when it is next used.
    Kept,
    /// There is none of this id, or it is somebody else's, which looks the same.
    Nowhere,
}

/// An event id as clients see it.
#[derive(Debug, PartialEq)]
enum EventName {
    /// Of the stream of a request, with the request's own id.
    Answer(String, RequestId),
    /// Of the session's stream that belongs to no request, in the process of this epoch.
    Common(String, u64),
}

impl EventName {
    /// `stream.number`, as the log numbers it, and the request's id.
    fn of_request(event: &str, request: &RequestId) -> String {
        let request = serde_json::to_vec(request).unwrap_or_default();
        format!("{event}.{}", URL_SAFE_NO_PAD.encode(request))
    }

    fn read(name: &str) -> Option<Self> {
        let (event, last) = name.rsplit_once('.')?;
        if let Some(epoch) = event.strip_prefix("common-") {
            return Some(Self::Common(epoch.to_owned(), last.parse().ok()?));
        }
        let request = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(last).ok()?).ok()?;
        Some(Self::Answer(event.to_owned(), request))
    }
}

/// What an event stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum For {
    /// The answer to a request.
    Answer,
    /// What changes.
    Changes,
}

/// While this lives, an event stream of the session is open.
struct InUse {
    sessions: Arc<Sessions>,
    id: SessionId,
    purpose: For,
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(known) = self.sessions.locked().get_mut(&self.id) {
            let streams = known.streams(self.purpose);
            *streams = streams.saturating_sub(1);
            known.used = Instant::now();
            known.is_noted = false;
        }
    }
}

/// The manager that the protocol library is given; it shares the sessions.
#[derive(Clone)]
pub struct Manager(pub Arc<Sessions>);

impl Sessions {
    /// No sessions yet; they end when they were not used for `idle`.
    pub fn new(idle: Duration, epoch: String, kept: Option<Engine>) -> Self {
        let log = Arc::new(EventLog::default());
        let mut inner = LocalSessionManager::default().with_event_store(Arc::clone(&log) as _);
        inner.session_config.keep_alive = None; // The library knows nothing of streams that are open.
        Self { inner, log, known: Mutex::default(), idle, epoch, kept }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<SessionId, OpenSession>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub async fn count(&self) -> usize {
        self.inner.sessions.read().await.len()
    }

    /// Where this principal's session of this id is; if it runs here, it is thereby used.
    ///
    /// # Errors
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn place(&self, id: &str, principal: &str) -> crate::error::Result<Whereabouts> {
        if let Some(known) = self.locked().get_mut(id) {
            if known.holder.principal != principal {
                return Ok(Whereabouts::Nowhere);
            }
            known.used = Instant::now();
            known.is_noted = false;
            return Ok(Whereabouts::Here);
        }
        let Some(engine) = &self.kept else { return Ok(Whereabouts::Nowhere) };
        let kept = engine.kept_client(principal, id).await?;
        Ok(if kept.is_some() { Whereabouts::Kept } else { Whereabouts::Nowhere })
    }

    /// Puts one session away, so that another has room; its client takes it up again with its next request,
    /// where sessions are kept. False where in all of them something is under way.
    pub async fn make_room(&self) -> bool {
        let Some(id) = oldest_idle(&self.locked(), Instant::now()) else { return false };
        self.end(&id);
        let _ = self.inner.close_session(&id).await; // It may have ended by itself meanwhile.
        true
    }

    fn begin(&self, id: &SessionId, message: &ClientJsonRpcMessage) {
        let ClientJsonRpcMessage::Request(request) = message else { return };
        let extensions = request.request.extensions().get::<Parts>().map(|parts| &parts.extensions);
        let Some(caller) = extensions.and_then(|extensions| extensions.get::<Caller>()) else { return };
        let client =
            extensions.and_then(|extensions| extensions.get::<ClientNetwork>()).and_then(|client| client.0);
        let known = OpenSession {
            holder: Holder { principal: caller.principal.clone(), client },
            used: Instant::now(),
            is_noted: true,
            has_asked: false,
            answers: 0,
            listens: 0,
            told: 0,
            open: OpenCalls::default(),
            ended: CancellationToken::new(),
        };
        self.locked().insert(Arc::clone(id), known);
    }

    fn end(&self, id: &SessionId) {
        if let Some(known) = self.locked().remove(id) {
            known.ended.cancel();
        }
        self.log.forget(&common_stream(id));
    }

    /// Ends sessions that are no longer used, until the stop.
    pub async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        let pause = (self.idle / 4).clamp(Duration::from_millis(50), SWEEP_EVERY);
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            let now = Instant::now();
            let is_idle =
                |known: &OpenSession| !known.has_streams() && now.duration_since(known.used) >= self.idle;
            let idle: Vec<SessionId> = self
                .locked()
                .iter()
                .filter(|(_, known)| is_idle(known))
                .map(|(id, _)| Arc::clone(id))
                .collect();
            for id in idle {
                self.end(&id);
                let _ = self.inner.close_session(&id).await; // It may have ended by itself meanwhile.
            }
            let alive: HashSet<SessionId> = self.locked().keys().cloned().collect();
            self.log.keep_sessions(|session| alive.contains(session));
            self.note_use().await;
        }
    }

    /// Has the ledger know which sessions are in use.
    async fn note_use(&self) {
        let Some(engine) = &self.kept else { return };
        let (now, mut used) = (Instant::now(), Vec::new());
        for (id, known) in
            self.locked().iter_mut().filter(|(_, known)| known.has_streams() || !known.is_noted)
        {
            known.is_noted = true;
            // When it was used, and not now: it must not live longer there than here.
            let ago = if known.has_streams() { Duration::ZERO } else { now.duration_since(known.used) };
            used.push((Arc::clone(id), ago));
        }
        if let Err(error) = engine.use_clients(used.iter().map(|(id, ago)| (id.as_ref(), *ago))).await {
            tracing::warn!(%error, "last use of MCP sessions could not be recorded; it will be tried again");
            for (id, _) in &used {
                if let Some(known) = self.locked().get_mut(id) {
                    known.is_noted = false;
                }
            }
        }
    }

    /// A stream that counts as use of its session, and ends with it.
    fn used(
        self: &Arc<Self>,
        id: &SessionId,
        purpose: For,
        stream: impl Stream<Item = ServerSseMessage> + Send + Sync + 'static,
    ) -> Events {
        let ended = match self.locked().get_mut(id) {
            Some(known) => {
                *known.streams(purpose) += 1;
                known.ended.clone()
            }
            None => CancellationToken::new(),
        };
        let in_use = InUse { sessions: Arc::clone(self), id: Arc::clone(id), purpose };
        let stream = stream.map(move |event| {
            let _ = &in_use;
            event
        });
        Box::pin(stream.take_until(ended.cancelled_owned()))
    }

    /// Names the events of the session's own stream, each once, and notes that they went out.
    fn common(
        self: &Arc<Self>,
        id: &SessionId,
        stream: impl Stream<Item = ServerSseMessage> + Send + Sync + 'static,
    ) -> Events {
        let (sessions, id, mut from) = (Arc::clone(self), Arc::clone(id), 0);
        Box::pin(stream.filter_map(move |mut event| {
            if let Some(event) = &event.event_id {
                sessions.log.claim(event, &id);
            }
            let number = event
                .event_id
                .as_deref()
                .and_then(|id| id.rsplit_once('.'))
                .and_then(|(_, number)| number.parse::<u64>().ok());
            let is_again = number.is_some_and(|number| number < from);
            if let Some(number) = number {
                from = from.max(number.saturating_add(1));
                if let Some(known) = sessions.locked().get_mut(&id) {
                    known.told = known.told.max(from);
                }
                event.event_id = Some(format!("common-{}.{number}", sessions.epoch));
            }
            std::future::ready((!is_again).then_some(event))
        }))
    }

    /// Names the events of the stream of a request.
    fn of_request(
        &self,
        id: &SessionId,
        request: RequestId,
        stream: impl Stream<Item = ServerSseMessage> + Send + Sync + 'static,
    ) -> Events {
        let (log, session) = (Arc::clone(&self.log), Arc::clone(id));
        Box::pin(stream.map(move |mut event| {
            event.event_id = event.event_id.map(|id| {
                log.claim(&id, &session);
                EventName::of_request(&id, &request)
            });
            event
        }))
    }

    /// The session's own stream: what nobody was there for, then what comes.
    async fn listen(self: &Arc<Self>, id: &SessionId) -> Result<Events, LocalSessionManagerError> {
        let live = self.inner.create_standalone_stream(id).await?;
        let told = self.locked().get(id).map_or(0, |known| known.told);
        let missed = self.log.since(&common_stream(id), told);
        Ok(self.common(id, futures::stream::iter(missed).chain(live)))
    }
}

/// A stream of events.
type Events = std::pin::Pin<Box<dyn Stream<Item = ServerSseMessage> + Send + Sync>>;

/// The name of the one stream of a session that belongs to no request.
fn common_stream(id: &SessionId) -> String {
    format!("{id}{COMMON}")
}

/// The transport of a session; it notes which requests are answered, also where nobody reads the answer.
pub struct Noted<T> {
    inner: T,
    sessions: Arc<Sessions>,
    id: SessionId,
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Noted<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        if let Some(known) = self.sessions.locked().get_mut(&self.id) {
            known.open.note(&item);
        }
        self.inner.send(item)
    }

    fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<RoleServer>>> + Send {
        self.inner.receive()
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.inner.close()
    }
}

impl Manager {
    fn noted<T>(&self, id: SessionId, inner: T) -> Noted<T> {
        Noted { inner, sessions: Arc::clone(&self.0), id }
    }
}

/// Sessions that outlive the process. Whose one is was asked at the door, before the library asks for it
/// here.
#[async_trait::async_trait]
impl SessionStore for Manager {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        let principal = CALLER.try_with(Clone::clone).unwrap_or_default();
        let Some(engine) = &self.0.kept else { return Ok(None) };
        let Some(initialize) = engine.kept_client(&principal, id).await? else { return Ok(None) };
        Ok(Some(SessionState::new(serde_json::from_str(&initialize)?)))
    }

    async fn store(&self, id: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        let Some(engine) = &self.0.kept else { return Ok(()) };
        let principal = self.0.locked().get(id).map(|known| known.holder.principal.clone());
        let Some(principal) = principal else { return Ok(()) };
        let initialize = serde_json::to_string(&state.initialize_params)?;
        if initialize.len() > MOST_KEPT {
            return Ok(());
        }
        if let Err(error) = engine.keep_client(&principal, id, initialize).await {
            tracing::warn!(%error, "MCP session could not be recorded; it will not outlive a restart");
        }
        Ok(())
    }

    async fn delete(&self, id: &str) -> Result<(), SessionStoreError> {
        if let Some(engine) = &self.0.kept {
            engine.forget_client(id).await?;
        }
        Ok(())
    }
}

impl SessionManager for Manager {
    type Error = LocalSessionManagerError;
    type Transport = Noted<<LocalSessionManager as SessionManager>::Transport>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.0.inner.create_session().await?;
        Ok((Arc::clone(&id), self.noted(id, transport)))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.0.begin(id, &message);
        self.0.inner.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.0.inner.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.0.end(id);
        self.0.inner.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let request = match &message {
            ClientJsonRpcMessage::Request(request) => request.id.clone(),
            _ => RequestId::Number(0),
        };
        // Before the library is told: it would send the answer of the first to the stream of the second.
        let begun = self.0.locked().get_mut(id).map_or(Ok(()), |known| {
            known.has_asked = true;
            known.open.begin(&request)
        });
        let stream: Events = match begun {
            Ok(()) => {
                let stream = self.0.inner.create_stream(id, message).await?;
                self.0.of_request(id, request, stream)
            }
            Err(refused) => {
                let refused = ServerJsonRpcMessage::error(refused, Some(request));
                Box::pin(futures::stream::iter([ServerSseMessage::from_message(refused)]))
            }
        };
        Ok(self.0.used(id, For::Answer, stream))
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        self.0.inner.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let stream = self.0.listen(id).await?;
        Ok(self.0.used(id, For::Changes, stream))
    }

    /// The library keeps no answer once it is given (rmcp 3.11 drops the stream with it), so the log is
    /// followed.
    async fn resume(
        &self,
        id: &SessionId,
        last: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let name = EventName::read(&last);
        let purpose = if matches!(name, Some(EventName::Answer(..))) { For::Answer } else { For::Changes };
        let stream: Events = match name {
            Some(EventName::Answer(event, request)) => match self.0.log.follow(&event, id) {
                Some(stream) => self.0.of_request(id, request, stream),
                None => {
                    let gone =
                        ServerJsonRpcMessage::error(ErrorData::internal_error(GONE, None), Some(request));
                    Box::pin(futures::stream::iter([ServerSseMessage::from_message(gone)]))
                }
            },
            Some(EventName::Common(epoch, number)) if epoch == self.0.epoch => {
                match self.0.log.follow(&format!("{}.{number}", common_stream(id)), id) {
                    Some(stream) => self.0.common(id, stream),
                    None => self.0.listen(id).await?,
                }
            }
            // Of a process that is gone, or no id of ours: what comes from now on.
            _ => self.0.listen(id).await?,
        };
        Ok(self.0.used(id, purpose, stream))
    }

    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<Self::Transport>, Self::Error> {
        Ok(match self.0.inner.restore_session(Arc::clone(&id)).await? {
            RestoreOutcome::Restored(transport) => RestoreOutcome::Restored(self.noted(id, transport)),
            RestoreOutcome::AlreadyPresent => RestoreOutcome::AlreadyPresent,
            _ => RestoreOutcome::NotSupported,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A session: its principal, the end of the address that it was opened from, and what else is so of it.
    type One<'a> = (&'a str, u8, fn(&mut OpenSession));

    /// Sessions, each used a second after the one before it.
    fn sessions(all: &[One<'_>]) -> HashMap<SessionId, OpenSession> {
        let start = Instant::now();
        let one = |(index, (principal, client, more)): (usize, &One<'_>)| {
            let client = (*client > 0).then(|| Network::of_client([192, 0, 2, *client].into()));
            let mut known = OpenSession {
                holder: Holder { principal: (*principal).to_owned(), client },
                used: start + Duration::from_secs(u64::try_from(index).unwrap()),
                is_noted: true,
                has_asked: true,
                answers: 0,
                listens: 0,
                told: 0,
                open: OpenCalls::default(),
                ended: CancellationToken::new(),
            };
            more(&mut known);
            (Arc::from(index.to_string()), known)
        };
        all.iter().enumerate().map(one).collect()
    }

    fn goes(all: &[One<'_>]) -> Option<String> {
        oldest_idle(&sessions(all), Instant::now()).map(|id| id.to_string())
    }

    #[test]
    fn the_oldest_idle_session_goes_of_whoever_holds_most() {
        let plain: fn(&mut OpenSession) = |_| {};
        let unasked: fn(&mut OpenSession) = |known| known.has_asked = false;
        let listens: fn(&mut OpenSession) = |known| known.listens = 1;
        let answers: fn(&mut OpenSession) = |known| known.answers = 1;
        let open: fn(&mut OpenSession) = |known| known.open.begin(&RequestId::Number(1)).unwrap();
        assert_eq!(goes(&[("a", 0, plain), ("b", 0, plain), ("b", 0, plain)]).as_deref(), Some("1"));
        assert_eq!(
            goes(&[("a", 1, plain), ("a", 2, plain), ("a", 2, plain)]).as_deref(),
            Some("1"),
            "one token, two addresses"
        );
        assert_eq!(
            goes(&[("a", 0, plain), ("a", 0, unasked), ("a", 0, unasked)]).as_deref(),
            Some("1"),
            "who opens many and asks nothing"
        );
        assert_eq!(goes(&[("a", 0, listens), ("a", 0, plain)]).as_deref(), Some("1"));
        assert_eq!(goes(&[("a", 0, listens), ("a", 0, answers)]).as_deref(), Some("0"));
        assert_eq!(
            goes(&[("b", 0, plain), ("a", 0, open), ("a", 0, answers)]).as_deref(),
            Some("0"),
            "a call under way is never cut"
        );
        assert_eq!(goes(&[("a", 0, open), ("a", 0, answers)]), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_was_cancelled_keeps_its_session_as_long_as_a_call_may_take_and_not_for_ever() {
        let all = sessions(&[("a", 0, |known| known.open.begin(&RequestId::Number(1)).unwrap())]);
        assert_eq!(oldest_idle(&all, Instant::now()), None);
        tokio::time::advance(FORGOTTEN_AFTER).await;
        assert!(oldest_idle(&all, Instant::now()).is_some());
    }
}
