//! A place for a request: whose turn it is, and where.
//!
//! A text begins on a bind when it has the bind's turn and a place in its window, and keeps the turn until
//! its last segment is written: so the segments of a text go out in a row, whatever the window and the pace,
//! and another text begins behind them. Those who want to begin stand in one line; its head takes the first
//! bind that has room. A text of whose recipient something is under way waits for that bind alone, beside the
//! line. What is begun, or is sent again, needs a place and no turn; nor does a text of one request that
//! finds the turn free, for it is whole with its first octet.

use std::sync::Arc;
use std::time::Duration;

use futures::future::select_all;
use tokio::time::Instant;

use crate::provider::line::session::board::Way;
use crate::provider::line::session::link::{Link, NotBegun, Stamp, Ticket};
use crate::provider::line::session::shared::Shared;
use crate::provider::line::session::{Lost, Protocol};

/// How often those who wait look again how well the binds answer.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A place in a connection's window, and with it the turn of a text there. Given back when it is dropped.
pub(super) struct Seat<P: Protocol> {
    pub(super) link: Arc<Link<P>>,
    has_turn: bool,
    has_place: bool,
}

impl<P: Protocol> Seat<P> {
    const fn empty(link: Arc<Link<P>>) -> Self {
        Self { link, has_turn: false, has_place: false }
    }

    /// Waits for the turn, where it is wanted, and for a place. Nothing: the connection takes nothing new.
    pub(super) async fn take(link: Arc<Link<P>>, with_turn: bool) -> Option<Self> {
        let mut seat = Self::empty(link);
        if with_turn {
            seat.link.turn.acquire().await.ok()?.forget();
            seat.has_turn = true;
        }
        seat.sit().await.then_some(seat)
    }

    /// The same where there is no need to wait.
    pub(super) fn try_take(link: &Arc<Link<P>>, with_turn: bool) -> Option<Self> {
        let mut seat = Self::empty(Arc::clone(link));
        if with_turn {
            seat.link.turn.try_acquire().ok()?.forget();
            seat.has_turn = true;
        }
        seat.link.window.try_acquire().ok()?.forget();
        seat.has_place = true;
        Some(seat)
    }

    /// Puts a request into the stream, at this place.
    pub(super) fn begin(&mut self, request: &P::Request, stamp: Stamp) -> Result<Ticket<P>, NotBegun> {
        self.put(request, stamp, false)
    }

    /// Puts a text of one request into the stream, at this place, if no other text has the turn.
    pub(super) fn begin_between(
        &mut self,
        request: &P::Request,
        stamp: Stamp,
    ) -> Result<Ticket<P>, NotBegun> {
        self.put(request, stamp, true)
    }

    fn put(&mut self, request: &P::Request, stamp: Stamp, is_between: bool) -> Result<Ticket<P>, NotBegun> {
        if !self.has_place {
            return Err(NotBegun::Shut);
        }
        let ticket = self.link.begin(request, stamp, is_between)?;
        // It is the request's from now on.
        self.has_place = false;
        Ok(ticket)
    }

    /// Waits for a place.
    async fn sit(&mut self) -> bool {
        match self.link.window.acquire().await {
            Ok(place) => place.forget(),
            Err(_) => return false,
        }
        self.has_place = true;
        true
    }
}

impl<P: Protocol> Drop for Seat<P> {
    fn drop(&mut self) {
        if self.has_turn {
            self.link.turn.add_permits(1);
        }
        if self.has_place {
            self.link.window.add_permits(1);
        }
    }
}

impl<P: Protocol> Shared<P> {
    /// The turn and a place for a text.
    pub(super) async fn seat_for_new(&self, order: u64) -> Result<Seat<P>, Lost> {
        loop {
            match self.board.way(order, true, Instant::now()) {
                Way::Shut(lost) => return Err(lost),
                Way::Bound(link) => {
                    if let Some(seat) = Seat::take(link, true).await {
                        return Ok(seat);
                    }
                }
                Way::To(_) => {
                    let _head_of_the_line = self.line.lock().await;
                    // Bound to one bind meanwhile, it waits for that beside the line.
                    if let Some(seat) = self.first_free(order, true, None).await? {
                        return Ok(seat);
                    }
                }
            }
        }
    }

    /// A place for the next segment of a text that has begun, or for what is sent again: on this bind as long
    /// as it answers. Not ended by waiting for a place; where no bind is up, by `link_wait`.
    pub(super) async fn seat_for_begun(
        &self,
        order: u64,
        on: Option<&Arc<Link<P>>>,
    ) -> Result<Seat<P>, Lost> {
        loop {
            if let Some(seat) = self.first_free(order, false, on).await? {
                return Ok(seat);
            }
        }
    }

    async fn first_free(
        &self,
        order: u64,
        is_new: bool,
        on: Option<&Arc<Link<P>>>,
    ) -> Result<Option<Seat<P>>, Lost> {
        let mut give_up = None;
        loop {
            let mut changed = std::pin::pin!(self.board.changed());
            // From here on no change is missed.
            changed.as_mut().enable();
            let links = match self.board.way(order, is_new, Instant::now()) {
                Way::Shut(lost) => return Err(lost),
                Way::Bound(_) if is_new => return Ok(None),
                Way::Bound(link) => vec![link],
                Way::To(links) => links,
            };
            let links = match on {
                Some(own) if links.iter().any(|link| Arc::ptr_eq(link, own)) => vec![Arc::clone(own)],
                _ => links,
            };
            if let Some(seat) = links.iter().find_map(|link| Seat::try_take(link, is_new)) {
                return Ok(Some(seat));
            }
            let look_again = tokio::time::sleep(LOOK_AGAIN);
            if links.is_empty() {
                let until =
                    *give_up.get_or_insert_with(|| Instant::now() + self.plan.settings.link_wait.duration());
                tokio::select! {
                    () = changed => {}
                    () = look_again => {}
                }
                // Who is new has a time of its own.
                if !is_new && Instant::now() >= until {
                    return Err(self.board.why_not());
                }
                continue;
            }
            give_up = None;
            let taking = select_all(links.into_iter().map(|link| Box::pin(Seat::take(link, is_new))));
            tokio::select! {
                (seat, _, _) = taking => {
                    if let Some(seat) = seat {
                        return Ok(Some(seat));
                    }
                }
                () = changed => {}
                () = look_again => {}
            }
        }
    }
}
