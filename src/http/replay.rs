//! What event streams said, kept for clients that come back with `Last-Event-ID`.
//!
//! A stream of one request ends with its answer. The answer, and what came before it, stay for [`KEPT_FOR`]
//! after that, which is many times the pause that we announce to clients (`retry`). The memory of all is
//! bounded: where too much is kept, the oldest finished streams go first.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::ServerJsonRpcMessage;
use rmcp::transport::streamable_http_server::session::{
    EventId, EventStore, EventStoreError, EventStream, ServerSseMessage,
};
use tokio::sync::watch;
use tokio::time::Instant;

/// How long the events of a finished stream stay.
pub const KEPT_FOR: Duration = Duration::from_secs(60);

/// How long a stream stays that says nothing and never ends: its request was cancelled. No call takes so
/// long.
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);

/// Most events of one stream, so that a session which nobody listens to does not grow.
const MOST_EVENTS: usize = 256;

/// Most octets of all events together.
const MOST_OCTETS: usize = 64 * 1024 * 1024;

/// How often old streams are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// The events of all streams. An event's id is its stream's name, a dot, and its number in the stream.
#[derive(Debug, Default)]
pub struct EventLog {
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    by_name: HashMap<String, StreamLog>,
    /// Finished streams, the oldest first.
    finished: VecDeque<(Instant, String)>,
    octets: usize,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct StreamLog {
    /// The session whose client was told an event of it; to nobody else it exists.
    owner: Option<Arc<str>>,
    events: VecDeque<StoredEvent>,
    next: u64,
    is_finished: bool,
    told: Instant,
    /// Counts events, for those who follow the stream.
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct StoredEvent {
    number: u64,
    octets: usize,
    message: ServerSseMessage,
}

/// What is there for who follows a stream.
enum NextEvent {
    Event(u64, Box<ServerSseMessage>),
    Wait(watch::Receiver<u64>),
    End,
}

impl EventLog {
    fn locked(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a stream; who follows it sees its end.
    pub fn forget(&self, stream: &str) {
        self.locked().remove(stream);
    }

    /// Forgets the own streams of all sessions but these. A session may say something while it ends, and
    /// nobody can ask for it.
    pub fn keep_sessions(&self, is_kept: impl Fn(&str) -> bool) {
        let mut streams = self.locked();
        let gone = |name: &&String| name.strip_suffix(COMMON).is_some_and(|session| !is_kept(session));
        let gone: Vec<String> = streams.by_name.keys().filter(gone).cloned().collect();
        for name in gone {
            streams.remove(&name);
        }
    }

    fn store(&self, stream: &str, message: &ServerSseMessage, now: Instant) -> EventId {
        let octets = octets_of(message);
        let is_last = matches!(
            message.message.as_deref(),
            Some(ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_))
        );
        let mut streams = self.locked();
        streams.sweep(now, octets);
        let fresh = || StreamLog {
            owner: None,
            events: VecDeque::new(),
            next: 0,
            is_finished: false,
            told: now,
            changed: watch::Sender::new(0),
        };
        let entry = streams.by_name.entry(stream.to_owned()).or_insert_with(fresh);
        let number = entry.next;
        let id = format!("{stream}.{number}");
        entry.next += 1;
        entry.told = now;
        let mut message = message.clone();
        message.event_id = Some(id.clone());
        entry.events.push_back(StoredEvent { number, octets, message });
        let dropped = if entry.events.len() > MOST_EVENTS {
            entry.events.pop_front().map_or(0, |event| event.octets)
        } else {
            0
        };
        // The stream of a session may carry answers too, to requests that were cancelled; it does not end
        // with them.
        let ends = is_last && !is_common(stream) && !entry.is_finished;
        entry.is_finished |= ends;
        entry.changed.send_replace(entry.next);
        if ends {
            streams.finished.push_back((now, stream.to_owned()));
        }
        streams.octets = (streams.octets + octets).saturating_sub(dropped);
        id
    }

    /// What a stream said from this event on.
    fn next(&self, stream: &str, from: u64) -> NextEvent {
        let streams = self.locked();
        let Some(entry) = streams.by_name.get(stream) else { return NextEvent::End };
        let waits = entry.changed.subscribe();
        match entry.events.iter().find(|event| event.number >= from) {
            Some(event) => NextEvent::Event(event.number, Box::new(event.message.clone())),
            None if entry.is_finished => NextEvent::End,
            None => NextEvent::Wait(waits),
        }
    }

    /// Notes that the client of this session was told this event.
    pub fn claim(&self, event: &str, session: &Arc<str>) {
        let stream = event.rsplit_once('.').map_or(event, |(stream, _)| stream);
        if let Some(entry) = self.locked().by_name.get_mut(stream) {
            entry.owner.get_or_insert_with(|| Arc::clone(session));
        }
    }

    /// What a stream said so far, from this event on.
    pub fn since(&self, stream: &str, from: u64) -> Vec<ServerSseMessage> {
        let streams = self.locked();
        let events = streams.by_name.get(stream).into_iter().flat_map(|entry| &entry.events);
        events.filter(|event| event.number >= from).map(|event| event.message.clone()).collect()
    }

    /// Everything that a stream of this session said after this event, and says until it ends; nothing where
    /// the event is not known.
    pub fn follow(self: &Arc<Self>, event: &str, session: &str) -> Option<EventStream> {
        let (stream, number) = event.rsplit_once('.')?;
        let after = number.parse::<u64>().ok()?;
        let is_theirs = |entry: &StreamLog| entry.owner.as_deref() == Some(session) && after < entry.next;
        if !self.locked().by_name.get(stream).is_some_and(is_theirs) {
            return None;
        }
        let state = (Arc::clone(self), stream.to_owned(), after.saturating_add(1));
        Some(Box::pin(futures::stream::unfold(state, |(log, stream, mut from)| async move {
            loop {
                match log.next(&stream, from) {
                    NextEvent::Event(number, message) => {
                        from = number.saturating_add(1);
                        return Some((*message, (log, stream, from)));
                    }
                    NextEvent::Wait(mut changed) => changed.changed().await.ok()?,
                    NextEvent::End => return None,
                }
            }
        })))
    }
}

impl Streams {
    fn remove(&mut self, stream: &str) {
        if let Some(entry) = self.by_name.remove(stream) {
            let octets: usize = entry.events.iter().map(|event| event.octets).sum();
            self.octets = self.octets.saturating_sub(octets);
        }
    }

    /// Forgets what is too old, and the oldest finished streams where there is no room for so many octets
    /// more.
    fn sweep(&mut self, now: Instant, more: usize) {
        while let Some((at, name)) = self.finished.front() {
            if now.duration_since(*at) < KEPT_FOR && self.octets.saturating_add(more) <= MOST_OCTETS {
                break;
            }
            let name = name.clone();
            self.finished.pop_front();
            self.remove(&name);
        }
        if self.swept.is_some_and(|at| now.duration_since(at) < SWEEP_EVERY) {
            return;
        }
        self.swept = Some(now);
        let is_dead = |name: &str, stream: &StreamLog| {
            !stream.is_finished && !is_common(name) && now.duration_since(stream.told) >= FORGOTTEN_AFTER
        };
        let dead: Vec<String> = self
            .by_name
            .iter()
            .filter(|(name, stream)| is_dead(name, stream))
            .map(|(name, _)| name.clone())
            .collect();
        for name in dead {
            self.remove(&name);
        }
    }
}

/// How the protocol library calls, behind the session's id, the one stream of a session that belongs to no
/// request.
pub const COMMON: &str = ":common";

fn is_common(stream: &str) -> bool {
    stream.ends_with(COMMON)
}

/// How much an event takes, as it goes out.
fn octets_of(event: &ServerSseMessage) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0 += octets.len();
            Ok(octets.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(64);
    if let Some(message) = &event.message {
        let _ = serde_json::to_writer(&mut count, message.as_ref()); // Counting cannot fail.
    }
    count.0
}

#[async_trait::async_trait]
impl EventStore for EventLog {
    async fn store_event(&self, stream: &str, event: &ServerSseMessage) -> Result<EventId, EventStoreError> {
        Ok(self.store(stream, event, Instant::now()))
    }

    /// Not asked: the sessions follow streams themselves, since they know whose they are.
    async fn replay_events_after(&self, _: &str) -> Result<EventStream, EventStoreError> {
        Ok(Box::pin(futures::stream::empty()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures::{FutureExt as _, StreamExt as _};
    use rmcp::model::{ErrorData, RequestId, ServerNotification};

    use super::*;

    fn step() -> ServerSseMessage {
        ServerSseMessage::from_message(ServerJsonRpcMessage::notification(
            ServerNotification::ToolListChangedNotification(Default::default()),
        ))
    }

    fn answer(text: &str) -> ServerSseMessage {
        let error = ErrorData::internal_error(text.to_owned(), None);
        ServerSseMessage::from_message(ServerJsonRpcMessage::error(error, Some(RequestId::Number(1))))
    }

    async fn ids(stream: Option<EventStream>) -> Vec<String> {
        stream.unwrap().map(|event| event.event_id.unwrap()).collect().await
    }

    /// A log in which every stream is told to the session "s".
    fn store(log: &EventLog, stream: &str, event: &ServerSseMessage, now: Instant) {
        let id = log.store(stream, event, now);
        log.claim(&id, &Arc::from("s"));
    }

    #[tokio::test]
    async fn a_finished_stream_is_told_again_from_the_last_event_that_was_seen_and_ends() {
        let (log, now) = (Arc::new(EventLog::default()), Instant::now());
        for event in [ServerSseMessage::retry(Duration::from_secs(3)), step(), answer("x")] {
            store(&log, "a", &event, now);
        }
        assert_eq!(ids(log.follow("a.0", "s")).await, ["a.1", "a.2"]);
        assert_eq!(ids(log.follow("a.2", "s")).await, Vec::<String>::new());
        assert!(log.follow("a.0", "another").is_none(), "to another session it does not exist");
        for unknown in ["a.3", "b.0", "a", "a.x", ""] {
            assert!(log.follow(unknown, "s").is_none(), "{unknown}");
        }
    }

    #[tokio::test]
    async fn who_comes_back_before_the_answer_waits_for_it() {
        let (log, now) = (Arc::new(EventLog::default()), Instant::now());
        store(&log, "a", &ServerSseMessage::retry(Duration::from_secs(3)), now);
        let mut follows = log.follow("a.0", "s").unwrap();
        assert!(follows.next().now_or_never().is_none(), "nothing was said yet");
        store(&log, "a", &answer("x"), now);
        assert_eq!(follows.next().await.unwrap().event_id.as_deref(), Some("a.1"));
        assert!(follows.next().await.is_none());
        // Who follows a stream that is forgotten sees its end.
        store(&log, "s:common", &step(), now);
        let mut follows = log.follow("s:common.0", "s").unwrap();
        assert!(follows.next().now_or_never().is_none());
        log.forget("s:common");
        assert!(follows.next().await.is_none());
    }

    #[tokio::test]
    async fn an_answer_stays_for_a_minute_and_not_longer() {
        let (log, now) = (Arc::new(EventLog::default()), Instant::now());
        store(&log, "a", &step(), now);
        store(&log, "a", &answer("x"), now);
        store(&log, "b", &step(), now + KEPT_FOR - Duration::from_millis(1));
        assert!(log.follow("a.0", "s").is_some());
        store(&log, "b", &step(), now + KEPT_FOR);
        assert!(log.follow("a.0", "s").is_none());
        assert!(log.follow("b.0", "s").is_some(), "what has no answer yet stays");
        store(&log, "c", &step(), now + KEPT_FOR + FORGOTTEN_AFTER);
        assert!(log.follow("b.0", "s").is_none(), "until nobody can expect one");
    }

    #[test]
    fn nothing_stays_of_sessions_that_have_ended() {
        let (log, now) = (Arc::new(EventLog::default()), Instant::now());
        for name in ["s:common", "t:common", "a"] {
            store(&log, name, &step(), now);
        }
        log.keep_sessions(|session| session == "s");
        let left = |name: &str| log.follow(&format!("{name}.0"), "s").is_some();
        assert_eq!((left("s:common"), left("t:common"), left("a")), (true, false, true));
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_goes_first() {
        let (log, now) = (Arc::new(EventLog::default()), Instant::now());
        let large = "x".repeat(MOST_OCTETS / 4);
        for name in ["a", "b", "c", "d", "e"] {
            store(&log, name, &answer(&large), now);
        }
        assert!(log.locked().octets <= MOST_OCTETS);
        assert!(log.follow("a.0", "s").is_none() && log.follow("e.0", "s").is_some());
        for _ in 0..MOST_EVENTS * 2 {
            store(&log, "s:common", &step(), now);
        }
        assert_eq!(log.locked().by_name["s:common"].events.len(), MOST_EVENTS);
        let whole: usize =
            log.locked().by_name.values().flat_map(|stream| &stream.events).map(|event| event.octets).sum();
        assert_eq!(whole, log.locked().octets);
    }
}
