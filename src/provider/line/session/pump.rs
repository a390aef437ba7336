//! The task that drives one connection: reads frames, writes what waits, and watches the time.
//!
//! All of it happens in one poll function, so that nothing is shared between a reader and a writer: whatever
//! arrived is settled in one go, whatever waits is written in one go.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::provider::line::session::core::Counters;
use crate::provider::line::session::link::Link;
use crate::provider::line::session::shared::Shared;
use crate::provider::line::session::slots::Wakers;
use crate::provider::line::session::stream::Stream;
use crate::provider::line::session::told::{LONGEST, MOMENT};
use crate::provider::line::session::{Incoming, Protocol, Pushed};

/// What is read at a time, in octets: hundreds of answers.
const READ: usize = 32 * 1024;

/// Reads in one go before others have their turn.
const READS: usize = 8;

/// Most octets that are given to the encryption at once: a record of TLS (RFC 8446, section 5.1).
const RECORD: usize = 16 * 1024;

/// Octets that may wait to be written before nothing more is read: an end that asks and never listens costs
/// no more.
const MOST_BACKLOG: u64 = 1024 * 1024;

/// How long open requests may still be answered after the carrier said that it goes.
const LEAVING: Duration = Duration::from_secs(2);

/// How long the answer to our own goodbye may take.
const PARTING: Duration = Duration::from_secs(1);

/// How often the time is looked at while something is waited for: a twentieth of the shortest wait, within
/// these limits.
const TICK: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// Where a connection is in its life.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Up,
    /// The carrier goes: open requests may be answered until then.
    Leaving(Instant),
    /// We go: open requests may be answered until then.
    Closing(Instant),
    /// We said goodbye: that may be answered until then.
    Parting(Instant),
}

/// How a connection ended.
pub(super) enum End {
    /// By us, as we wanted.
    Closed,
    /// Otherwise.
    Lost(String),
}

/// Octets that were read and are no whole frame yet.
pub(super) struct Input {
    octets: Vec<u8>,
    filled: usize,
}

impl Input {
    pub(super) fn new() -> Self {
        Self { octets: vec![0; READ], filled: 0 }
    }

    /// What was read.
    pub(super) fn read(&self) -> &[u8] {
        self.octets.get(..self.filled).unwrap_or_default()
    }

    /// Where to read into.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.octets.get_mut(self.filled..).unwrap_or_default()
    }

    /// So many more octets are there.
    pub(super) const fn add(&mut self, count: usize) {
        self.filled += count;
    }

    /// Takes so many octets out, from this place on.
    pub(super) fn cut(&mut self, at: usize, count: usize) {
        self.octets.copy_within((at + count).min(self.filled)..self.filled, at);
        self.filled = self.filled.saturating_sub(count);
    }

    /// The first octets were dealt with, and a frame of this length is to come.
    pub(super) fn consume(&mut self, count: usize, need: usize) {
        self.cut(0, count);
        // No protocol's longest frame is long, so this is bounded.
        if self.octets.len() < need {
            self.octets.resize(need, 0);
        }
    }
}

/// Where a frame ends, if all of it is there: its length, or how long it will be.
pub(super) fn frame<P: Protocol>(protocol: &P, octets: &[u8]) -> Result<(Option<usize>, usize), String> {
    let Some(first) = octets.first_chunk::<4>() else { return Ok((None, 4)) };
    let length = protocol.frame_octets(*first);
    if length < 4 || !P::FRAME.contains(&length) {
        // Not how long it says it is: where the stream is out of step, these are four letters of somebody's
        // text.
        return Err("what came is no frame: no frame has such a length".to_owned());
    }
    Ok(((length <= octets.len()).then_some(length), length))
}

/// Drives one connection. See the module's text.
pub(super) struct Pump<'a, P: Protocol> {
    shared: &'a Shared<P>,
    link: Arc<Link<P>>,
    number: usize,
    stream: Stream,
    input: Input,
    /// What is being written, and how far.
    output: BytesMut,
    at: usize,
    is_to_flush: bool,
    /// Nothing is read, for too much waits to be written.
    is_full: bool,
    /// Others had their turn to add to what is written next.
    has_waited: bool,
    phase: Phase,
    /// When a whole frame came last.
    heard: Instant,
    /// When we asked whether the other end is there, and it has not said anything since.
    asked: Option<Instant>,
    has_said_bye: bool,
    next_look: Instant,
    sleep: Pin<Box<Sleep>>,
    /// Whether any request was answered: then it was a working connection.
    pub(super) was_useful: bool,
    /// Whether it was ended for answering none.
    pub(super) was_mute: bool,
    answers: Vec<(u32, P::Answer)>,
    /// What the carrier told and is not handed on: texts of people, while there is no room for them.
    pushes: VecDeque<Pushed<P>>,
    /// Since when there is too little room for texts of people, and when there was some last; for a moment
    /// nothing is read.
    no_room: Option<(Instant, Instant)>,
    replies: BytesMut,
    wakers: Wakers,
    no_answer: Arc<str>,
}

impl<'a, P: Protocol> Pump<'a, P> {
    pub(super) fn new(
        shared: &'a Shared<P>,
        link: Arc<Link<P>>,
        number: usize,
        stream: Stream,
        input: Input,
    ) -> Self {
        let now = Instant::now();
        Self {
            shared,
            link,
            number,
            stream,
            input,
            output: BytesMut::new(),
            at: 0,
            is_to_flush: false,
            is_full: false,
            has_waited: false,
            phase: Phase::Up,
            heard: now,
            asked: None,
            has_said_bye: false,
            next_look: now,
            sleep: Box::pin(tokio::time::sleep_until(now)),
            was_useful: false,
            was_mute: false,
            answers: Vec::new(),
            pushes: VecDeque::new(),
            no_room: None,
            replies: BytesMut::new(),
            wakers: Wakers::default(),
            no_answer: Arc::from("no answer in time"),
        }
    }

    fn counters(&self) -> &'a Counters {
        &self.shared.core.counters
    }

    /// Runs until the connection ends.
    pub(super) async fn run(&mut self) -> End {
        // What came together with the answer to the greeting.
        if let ControlFlow::Break(end) = self.frames() {
            return end;
        }
        std::future::poll_fn(|context| match self.poll(context) {
            ControlFlow::Break(end) => Poll::Ready(end),
            ControlFlow::Continue(()) => Poll::Pending,
        })
        .await
    }

    /// Ends the connection in good order.
    pub(super) async fn shut_down(&mut self) {
        let shutting = std::future::poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context));
        let _ = tokio::time::timeout(PARTING, shutting).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> ControlFlow<End> {
        self.link.pump.register(context.waker());
        self.read(context)?;
        let now = Instant::now();
        if self.link.is_closing.load(Ordering::SeqCst) && self.phase == Phase::Up {
            self.retire(Phase::Closing(now + self.shared.plan.settings.answer_timeout.duration()));
        }
        if now >= self.next_look || self.phase != Phase::Up {
            self.look(now)?;
        }
        self.write(context, now)?;
        if self.is_full && self.link.backlog() <= MOST_BACKLOG {
            // All of it may have gone in one write, and then nothing else would wake this task to read on.
            context.waker().wake_by_ref();
        }
        self.set_alarm(context);
        ControlFlow::Continue(())
    }

    /// Takes no new requests from now on.
    fn retire(&mut self, phase: Phase) {
        self.phase = phase;
        self.shared.board.down(self.number);
        self.link.shut();
    }

    fn read(&mut self, context: &mut Context<'_>) -> ControlFlow<End> {
        for _ in 0..READS {
            if !self.pushes.is_empty() && self.tell(Instant::now()) {
                return ControlFlow::Continue(());
            }
            self.is_full = self.link.backlog() > MOST_BACKLOG;
            if self.is_full {
                return ControlFlow::Continue(());
            }
            let mut room = ReadBuf::new(self.input.room());
            match Pin::new(&mut self.stream).poll_read(context, &mut room) {
                Poll::Pending => return ControlFlow::Continue(()),
                Poll::Ready(Err(error)) => {
                    return ControlFlow::Break(End::Lost(format!("the connection broke: {error}")));
                }
                Poll::Ready(Ok(())) => {}
            }
            let count = room.filled().len();
            if count == 0 {
                let is_expected = matches!(self.phase, Phase::Parting(_));
                let lost = || End::Lost("the carrier ended the connection".to_owned());
                return ControlFlow::Break(if is_expected { End::Closed } else { lost() });
            }
            self.input.add(count);
            self.frames()?;
        }
        context.waker().wake_by_ref();
        ControlFlow::Continue(())
    }

    /// Deals with all frames that are there.
    fn frames(&mut self) -> ControlFlow<End> {
        let shared = self.shared;
        let protocol = &shared.core.protocol;
        let link = Arc::clone(&self.link);
        let (mut at, mut malformed, mut is_bye) = (0, 0, None);
        let (need, wrong) = loop {
            let rest = self.input.read().get(at..).unwrap_or_default();
            let length = match frame(protocol, rest) {
                Ok((Some(length), _)) => length,
                Ok((None, need)) => break (need, None),
                Err(why) => break (0, Some(why)),
            };
            match protocol.decode(link.dialect(), rest.get(..length).unwrap_or_default()) {
                Incoming::Answer { sequence, answer } => self.answers.push((sequence, answer)),
                Incoming::Push { sequence, push } => {
                    shared.core.counters.pushes.fetch_add(1, Ordering::Relaxed);
                    self.pushes.push_back(Pushed::new(push, sequence, &link));
                }
                Incoming::Ping { sequence } => protocol.pong(sequence, &mut self.replies),
                Incoming::Bye { sequence } => is_bye = Some(sequence),
                Incoming::ByeAnswer => self.has_said_bye |= matches!(self.phase, Phase::Parting(_)),
                Incoming::Malformed { sequence } => {
                    malformed += 1;
                    protocol.nack(sequence, &mut self.replies);
                }
                Incoming::Ignored => malformed += 1,
                Incoming::Pong => {}
            }
            at += length;
        };
        if at > 0 {
            self.heard = Instant::now();
            self.link.hears();
            self.asked = None;
            self.input.consume(at, need);
        } else {
            self.input.consume(0, need);
        }
        if let Some(sequence) = is_bye {
            protocol.bye_answer(sequence, &mut self.replies);
            if self.phase == Phase::Up {
                self.retire(Phase::Leaving(self.heard + LEAVING));
            }
        }
        self.counters().malformed.fetch_add(malformed, Ordering::Relaxed);
        self.settle();
        self.tell(Instant::now());
        match wrong {
            None => ControlFlow::Continue(()),
            Some(why) => {
                self.counters().malformed.fetch_add(1, Ordering::Relaxed);
                ControlFlow::Break(End::Lost(why))
            }
        }
    }

    /// Settles the answers that were read.
    fn settle(&mut self) {
        if self.answers.is_empty() && self.replies.is_empty() {
            return;
        }
        let settled = self.link.settle(&mut self.answers, &mut self.replies, &mut self.wakers, self.heard);
        self.was_useful |= settled.answers > 0;
        let counters = self.counters();
        counters.answers.fetch_add(settled.answers, Ordering::Relaxed);
        counters.late.fetch_add(settled.late, Ordering::Relaxed);
        counters.throttled.fetch_add(settled.throttled, Ordering::Relaxed);
        if settled.slow_down > 0
            && let Some(per_second) = self.shared.core.pace.throttled(self.heard)
        {
            tracing::debug!(
                provider = self.shared.plan.name,
                per_second,
                "throttled: the carrier asks for a slower pace"
            );
        }
        self.wakers.wake(|| self.link.free(settled.places));
    }

    /// Hands on what the carrier told, after the answers that came with it. Whether there is still to be
    /// waited for room.
    fn tell(&mut self, now: Instant) -> bool {
        let before = self.pushes.len();
        self.shared.told.hand_on(&mut self.pushes);
        if self.pushes.is_empty() {
            self.no_room = None;
            return false;
        }
        let (since, last) = *self.no_room.get_or_insert((now, now));
        let last = if self.pushes.len() < before { now } else { last };
        self.no_room = Some((since, last));
        if now.saturating_duration_since(last) < MOMENT && now.saturating_duration_since(since) < LONGEST {
            self.next_look = self.next_look.min(now + TICK.0);
            return true;
        }
        // Dropped, so they are answered with "later". There is no waiting again before there was room again.
        self.pushes.clear();
        false
    }

    fn write(&mut self, context: &mut Context<'_>, now: Instant) -> ControlFlow<End> {
        loop {
            let rest = self.output.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                if !self.has_waited {
                    if self.link.has_octets() {
                        // Those who were just woken come before us, and what they ask goes out in the same
                        // write.
                        self.has_waited = true;
                        context.waker().wake_by_ref();
                    }
                    break;
                }
                self.has_waited = false;
                self.output.clear();
                self.at = 0;
                let requests = self.link.take(&mut self.output);
                if self.output.is_empty() {
                    break;
                }
                if requests > 0 {
                    self.shared.wrote(requests, now);
                    self.next_look = self.next_look.min(now + self.tick());
                }
                continue;
            }
            let is_encrypted = self.stream.is_encrypted();
            let rest = rest.get(..RECORD).filter(|_| is_encrypted).unwrap_or(rest);
            let offered = u64::try_from(rest.len()).unwrap_or(u64::MAX);
            match Pin::new(&mut self.stream).poll_write(context, rest) {
                Poll::Pending => {
                    // Requests may come to wait behind it, and their time is to be watched too.
                    self.next_look = self.next_look.min(now + self.tick());
                    break;
                }
                Poll::Ready(Err(error)) => {
                    if is_encrypted {
                        // It does not say how much of this it wrote before it broke: none of it may be sent
                        // again.
                        self.link.written.fetch_add(offered, Ordering::SeqCst);
                    }
                    return ControlFlow::Break(End::Lost(format!("the connection broke: {error}")));
                }
                Poll::Ready(Ok(0)) => {
                    return ControlFlow::Break(End::Lost("the connection takes nothing more".to_owned()));
                }
                Poll::Ready(Ok(count)) => {
                    self.at += count;
                    self.is_to_flush = true;
                    self.link.written.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::SeqCst);
                    self.counters().writes.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        if self.is_to_flush {
            match Pin::new(&mut self.stream).poll_flush(context) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.is_to_flush = false,
                Poll::Ready(Err(error)) => {
                    return ControlFlow::Break(End::Lost(format!("the connection broke: {error}")));
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// How often the time is looked at while something is waited for.
    fn tick(&self) -> Duration {
        let settings = &self.shared.plan.settings;
        let shortest = settings.answer_timeout.duration().min(settings.keep_alive.duration());
        (shortest / 20).clamp(TICK.0, TICK.1)
    }

    /// Looks at what has taken too long.
    fn look(&mut self, now: Instant) -> ControlFlow<End> {
        let settings = &self.shared.plan.settings;
        let timeout = settings.answer_timeout.duration();
        let swept = self.link.sweep(timeout, now, &self.no_answer, &mut self.wakers);
        self.wakers.wake(|| {});
        if swept.is_stuck {
            return ControlFlow::Break(End::Lost("the connection takes nothing more".to_owned()));
        }
        if swept.is_lost {
            self.was_mute = true;
            return ControlFlow::Break(End::Lost("the carrier answers no request on it".to_owned()));
        }
        if self.asked.is_some_and(|asked| {
            now.saturating_duration_since(asked) >= timeout.min(settings.keep_alive.duration())
        }) {
            return ControlFlow::Break(End::Lost("the carrier does not say that it is there".to_owned()));
        }
        let silence = now.saturating_duration_since(self.heard);
        let is_suspect = swept.has_expired && silence >= timeout;
        if self.asked.is_none() && (silence >= settings.keep_alive.duration() || is_suspect) {
            self.asked = Some(now);
            self.link.put(P::ping);
        }
        let is_all_written = self.at >= self.output.len() && !self.link.has_octets() && !self.is_to_flush;
        match self.phase {
            Phase::Up => {}
            Phase::Leaving(until) if (swept.open == 0 && is_all_written) || now >= until => {
                return ControlFlow::Break(End::Lost("the carrier said goodbye".to_owned()));
            }
            Phase::Closing(until) if swept.open == 0 || now >= until => {
                self.phase = Phase::Parting(now + PARTING);
                self.link.put(P::bye);
            }
            Phase::Parting(until) if self.has_said_bye || now >= until => {
                return ControlFlow::Break(End::Closed);
            }
            Phase::Leaving(_) | Phase::Closing(_) | Phase::Parting(_) => {}
        }
        let is_waiting = swept.open > 0
            || swept.has_lost
            || !is_all_written
            || self.asked.is_some()
            || self.phase != Phase::Up;
        self.next_look = if is_waiting {
            now + self.tick()
        } else {
            (self.heard + settings.keep_alive.duration()).max(now + TICK.0)
        };
        if !self.pushes.is_empty() {
            self.next_look = now + TICK.0;
        }
        ControlFlow::Continue(())
    }

    /// Wakes this task when it is time to look again.
    fn set_alarm(&mut self, context: &mut Context<'_>) {
        if self.sleep.deadline() != self.next_look {
            self.sleep.as_mut().reset(self.next_look);
        }
        if self.sleep.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
    }
}
