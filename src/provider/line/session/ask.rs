//! The way of a text: wait for its turn, put its requests into a connection's stream one after the other,
//! wait for their answers, and send again what is certainly right to send again: the carrier said "not now",
//! or the connection ended before the first octet.
//!
//! Before its first request is written a text may be given up: nothing of it left. From then on neither the
//! window nor the pace ends it, for a part of a text is of no use to anybody (3GPP TS 23.040, section
//! 9.2.3.24.1): only the carrier's no, a connection that is lost, or the end of this program.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::halt::Halt;
use crate::provider::exchange::About;
use crate::provider::line::session::asked::Carried;
use crate::provider::line::session::board::Way;
use crate::provider::line::session::link::{Link, Stamp, Ticket};
use crate::provider::line::session::orders::Waits;
use crate::provider::line::session::seat::Seat;
use crate::provider::line::session::shared::Shared;
use crate::provider::line::session::slots::Finish;
use crate::provider::line::session::{Asked, Late, Lost, NO_BIND, Obstacle, Protocol, Verdict};

/// The first wait before a request is sent again that was refused; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest of these waits.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How often a segment is written at least before its text is given up in the middle: a carrier that takes
/// seconds for each answer leaves no time for a second try.
const LEAST_TRIES: u32 = 8;

/// How long a text whose turn is too far off asks to be left alone, in milliseconds.
const TURN_MS: u64 = 2_000;

/// Why the rest of a text is not sent.
const NOT_THE_REST: &str = "an earlier segment was not taken";

/// A request of a text that was written.
struct Written<'a, R> {
    request: &'a R,
    /// Its place in the text, from 0.
    place: usize,
    /// How many the text has. Of one alone nothing has left when it is refused.
    of: usize,
    /// The messages that it carries; nothing where it is a question.
    carried: Option<Carried<'a>>,
}

impl<R> Clone for Written<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Written<'_, R> {}

/// A text whose first request was written.
struct Begun<'a, P: Protocol> {
    seat: Seat<P>,
    ticket: Ticket<P>,
    waits: Waits<'a>,
}

impl<P: Protocol> Shared<P> {
    /// See [`Account::ask_all`](super::Account::ask_all).
    pub(super) async fn ask_all(
        &self,
        order: u64,
        requests: &[P::Request],
        carried: Option<Carried<'_>>,
    ) -> Vec<Asked<P::Answer>> {
        let Some((first, rest)) = requests.split_first() else { return Vec::new() };
        if let Some(halt) = carried.and_then(|carried| carried.brake.pulled(&self.plan.name)) {
            return requests.iter().map(|_| Lost::from(halt.clone()).into()).collect();
        }
        let _text = self.asked();
        let count = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        // One for the text itself, which waits in the name of all of it, and one for each request.
        let text = self.core.stamps.fetch_add(u64::from(count) + 1, std::sync::atomic::Ordering::Relaxed);
        let stamp = Stamp {
            order,
            text,
            at: text + 1,
            is_again: false,
            goes_on: false,
            is_part: !rest.is_empty(),
            refused: None,
        };
        let written = Written { request: first, place: 0, of: requests.len(), carried };
        if rest.is_empty() {
            match self.begin_at_once(first, stamp) {
                Ok(Some(ticket)) => return vec![self.follow(stamp, written, ticket).await.1],
                Ok(None) => {}
                Err(lost) => return vec![lost.into()],
            }
        }
        // Those who are asked later wait behind it until all of it is written.
        let waits = self.core.orders.wait(order, text);
        let begun = {
            let _waiting = self.waits(count);
            let deadline = Instant::now() + self.plan.settings.link_wait.duration();
            tokio::select! {
                biased;
                halt = self.halted(carried) => Err(halt.into()),
                begun = timeout_at(deadline, self.begin(first, stamp)) => begun.unwrap_or_else(|_| Err(self.too_late())),
            }
        };
        let (seat, ticket) = match begun {
            Ok(begun) => begun,
            Err(lost) => return requests.iter().map(|_| lost.clone().into()).collect(),
        };
        if rest.is_empty() {
            drop((seat, waits));
            return vec![self.follow(stamp, written, ticket).await.1];
        }
        self.go_on(stamp, requests, carried, Begun { seat, ticket, waits }).await
    }

    /// Writes the rest of a text that has begun, and waits for the answers to all of it.
    async fn go_on(
        &self,
        stamp: Stamp,
        requests: &[P::Request],
        carried: Option<Carried<'_>>,
        begun: Begun<'_, P>,
    ) -> Vec<Asked<P::Answer>> {
        let mut asked: Vec<Option<Asked<P::Answer>>> = requests.iter().map(|_| None).collect();
        let mut under_way = FuturesUnordered::new();
        let written = |place: usize, request| Written { request, place, of: requests.len(), carried };
        let Begun { seat, ticket, waits } = begun;
        let parted = self.begun();
        let mut numbered = requests.iter().enumerate();
        if let Some((place, request)) = numbered.next() {
            under_way.push(self.follow(stamp, written(place, request), ticket));
        }
        'text: for (place, request) in numbered {
            let own = Stamp { at: stamp.at + u64::try_from(place).unwrap_or(0), goes_on: true, ..stamp };
            let mut next = std::pin::pin!(self.begin_next(&seat.link, request, own));
            loop {
                let is_any_under_way = !under_way.is_empty();
                tokio::select! {
                    biased;
                    ended = under_way.next(), if is_any_under_way => {
                        let Some((place, one)) = ended else { continue };
                        let is_no = self.is_no(&one);
                        if let Some(slot) = asked.get_mut(place) {
                            *slot = Some(one);
                        }
                        if is_no {
                            break 'text;
                        }
                    }
                    begun = &mut next => {
                        match begun {
                            Ok(ticket) => under_way.push(self.follow(own, written(place, request), ticket)),
                            Err(lost) => {
                                if let Some(slot) = asked.get_mut(place) {
                                    *slot = Some(lost.into());
                                }
                                break 'text;
                            }
                        }
                        break;
                    }
                }
            }
        }
        drop((seat, waits, parted));
        while let Some((place, one)) = under_way.next().await {
            if let Some(slot) = asked.get_mut(place) {
                *slot = Some(one);
            }
        }
        let not_the_rest = || {
            Asked::from(Lost::NotSent {
                why: NOT_THE_REST.to_owned(),
                obstacle: Obstacle::Text,
                retry_after_ms: None,
            })
        };
        asked.into_iter().map(|one| one.unwrap_or_else(not_the_rest)).collect()
    }

    /// Whether this segment was certainly not taken: then nobody needs the rest of the text.
    fn is_no(&self, asked: &Asked<P::Answer>) -> bool {
        match &asked.answer {
            Ok(answer) => self.core.protocol.verdict(answer) != Verdict::Taken,
            Err(lost) => matches!(lost, Lost::NotSent { .. }),
        }
    }

    /// Why a text could not begin in time.
    fn too_late(&self) -> Lost {
        if !self.board.is_any_way() {
            return self.board.why_not();
        }
        if self.board.is_all_mute() {
            let why = format!("{NO_BIND}: no bind answers what it is asked");
            return Lost::NotSent { why, obstacle: Obstacle::NoBind, retry_after_ms: Some(TURN_MS) };
        }
        let why = "its turn is too far off: others wait before it for the window and the pace".to_owned();
        Lost::NotSent { why, obstacle: Obstacle::Turn, retry_after_ms: Some(TURN_MS) }
    }

    /// The usual case: nothing is in the way, so nothing is waited for.
    fn begin_at_once(&self, request: &P::Request, stamp: Stamp) -> Result<Option<Ticket<P>>, Lost> {
        if self.core.pace.is_on() {
            return Ok(None);
        }
        let link = match self.board.only() {
            Some(only) => only,
            None => match self.board.way(stamp.order, true, Instant::now()) {
                Way::Shut(lost) => return Err(lost),
                Way::Bound(link) => link,
                Way::To(links) => match links.into_iter().next() {
                    Some(link) => link,
                    None => return Ok(None),
                },
            },
        };
        let Some(mut seat) = Seat::try_take(&link, false) else { return Ok(None) };
        Ok(seat.begin_between(request, stamp).ok())
    }

    /// Waits for a text's turn, and writes its first request.
    async fn begin(&self, request: &P::Request, stamp: Stamp) -> Result<(Seat<P>, Ticket<P>), Lost> {
        loop {
            self.core.orders.first(stamp.order, stamp.text).await;
            let mut seat = self.seat_for_new(stamp.order).await?;
            // With a place in the window: whoever has the turn of the pace waits for nothing else.
            let mut turn = self.core.pace.turn(false).await;
            if let Some(turn) = &mut turn {
                turn.wait().await;
            }
            if let Some(lost) = self.board.closing() {
                return Err(lost);
            }
            // An error: the connection ended, or an earlier request is to be sent again first.
            if let Ok(ticket) = seat.begin(request, stamp) {
                return Ok((seat, ticket));
            }
        }
    }

    /// Writes the next request of a text that has begun.
    async fn begin_next(
        &self,
        on: &Arc<Link<P>>,
        request: &P::Request,
        stamp: Stamp,
    ) -> Result<Ticket<P>, Lost> {
        loop {
            if let Some(ticket) = self.begin_beside(Some(on), request, stamp, true).await? {
                return Ok(ticket);
            }
        }
    }

    /// Writes a request again.
    async fn begin_again(
        &self,
        request: &P::Request,
        stamp: Stamp,
        is_before_new: bool,
    ) -> Result<Ticket<P>, Lost> {
        loop {
            self.core.orders.first(stamp.order, stamp.text).await;
            if let Some(ticket) = self.begin_beside(None, request, stamp, is_before_new).await? {
                return Ok(ticket);
            }
        }
    }

    /// Writes a request that needs no turn of its own. Nothing: something came in between.
    async fn begin_beside(
        &self,
        on: Option<&Arc<Link<P>>>,
        request: &P::Request,
        stamp: Stamp,
        is_before_new: bool,
    ) -> Result<Option<Ticket<P>>, Lost> {
        let mut seat = self.seat_for_begun(stamp.order, on).await?;
        let mut turn = self.core.pace.turn(is_before_new).await;
        if let Some(turn) = &mut turn {
            turn.wait().await;
        }
        Ok(seat.begin(request, stamp).ok())
    }

    /// Listens for an answer that comes late, for as long as its connection lives.
    fn listen(&self, late: Option<oneshot::Receiver<P::Answer>>, written: Written<'_, P::Request>) {
        let (Some(late), Some(carried)) = (late, written.carried) else { return };
        let number = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
        let segment = (written.of > 1).then(|| (number(written.place + 1), number(written.of)));
        let (about, told) = (About { messages: Arc::clone(carried.messages), segment }, self.late.clone());
        tokio::spawn(async move {
            if let Ok(answer) = late.await {
                // Where nobody wants them any more, it is as if it never came.
                let _ = told.send(Late { about, answer }).await;
            }
        });
    }

    /// Waits until what has not begun must not. A question is nobody's text, and is asked all the same.
    async fn halted(&self, carried: Option<Carried<'_>>) -> Halt {
        match carried {
            Some(carried) => carried.brake.until_pulled(&self.plan.name).await,
            None => std::future::pending().await,
        }
    }

    /// Waits for the answer to a request that was written, and sends it again where that is right.
    async fn follow(
        &self,
        stamp: Stamp,
        written: Written<'_, P::Request>,
        mut ticket: Ticket<P>,
    ) -> (usize, Asked<P::Answer>) {
        let settings = &self.plan.settings;
        let Written { request, place, of, carried } = written;
        let mut refused_since = None;
        let mut tries = 0;
        let mut wait = FIRST_WAIT;
        loop {
            let (finish, at) = ticket.await;
            tries += 1;
            // It waits from before it ended until it is written again, or given up.
            let waits = Waits::again(&self.core.orders, stamp.order, at);
            // While a segment waits to be sent again, its text is not whole.
            let _parted = (of > 1).then(|| self.begun());
            let again = Stamp { at, is_again: true, goes_on: false, ..stamp };
            ticket = match finish {
                Finish::Answered(answer) => {
                    return (place, Asked { answer: Ok(answer), of_recipient: false });
                }
                Finish::Lost(why, late) => {
                    self.listen(late, written);
                    return (place, Lost::Unknown { why: why.to_string() }.into());
                }
                Finish::Throttled { answer, of_recipient, granted } => {
                    let until =
                        *refused_since.get_or_insert_with(Instant::now) + settings.throttle_wait.duration();
                    // The carrier's time counts, and not the wait for our own turn; but a text of which
                    // nothing left may wait elsewhere.
                    let given_up = (place, Asked { answer: Ok(answer), of_recipient });
                    let left = until.saturating_duration_since(Instant::now());
                    let is_part_of_more = of > 1 && tries < LEAST_TRIES;
                    if left.is_zero() && !is_part_of_more {
                        return given_up;
                    }
                    let rest = tokio::time::sleep(if is_part_of_more { wait } else { wait.min(left) });
                    tokio::select! {
                        () = rest => {}
                        // Nothing of it has left, so nothing of it begins at a stop or in a pause.
                        () = self.board.closed(), if of == 1 => return given_up,
                        halt = self.halted(carried), if of == 1 => return (place, Lost::from(halt).into()),
                    }
                    // The first time it goes before those that are new, and then in line with them: else
                    // those that are always refused would leave no turn for others.
                    let is_first = wait == FIRST_WAIT;
                    wait = (wait * 2).min(LONGEST_WAIT);
                    let begun = self.begin_again(
                        request,
                        Stamp { refused: Some(granted), ..again },
                        is_first || of > 1,
                    );
                    let begun = if of == 1 {
                        tokio::select! {
                            biased;
                            halt = self.halted(carried) => return (place, Lost::from(halt).into()),
                            begun = timeout_at(until, begun) => begun.ok(),
                            () = self.board.closed() => None,
                        }
                    } else {
                        Some(begun.await)
                    };
                    match begun {
                        Some(Ok(next)) => next,
                        Some(Err(_)) | None => return given_up,
                    }
                }
                Finish::Unwritten => {
                    let begun = tokio::select! {
                        biased;
                        halt = self.halted(carried), if of == 1 => Err(halt.into()),
                        begun = self.begin_again(request, again, true) => begun,
                    };
                    match begun {
                        Ok(next) => next,
                        Err(lost) => return (place, lost.into()),
                    }
                }
            };
            waits.sent();
        }
    }
}
