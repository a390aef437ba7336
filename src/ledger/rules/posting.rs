//! How the money of a message moves with its state.

use crate::ledger::model::Segment;
use crate::sms::message::State;

/// How the money of a message moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posting {
    /// It stays held.
    Keep,
    /// It goes back, and the message counts no more.
    Release,
    /// So much was charged.
    Charge(i64),
}

/// What it does to each budget of the path, in micros and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moves {
    /// Held no more.
    pub released_micros: i64,
    /// Spent.
    pub spent_micros: i64,
    /// Messages that count no more.
    pub messages: i64,
    /// Whether more was charged than was held: the budget freezes until a person looked.
    pub freezes: bool,
}

impl Posting {
    /// How the money of a message in `state` that holds so much moves where it becomes `next`, at this price
    /// where one is known.
    pub fn of(state: State, held_micros: i64, next: State, price_micros: Option<i64>) -> Self {
        match next {
            _ if state.is_settled() => Self::Keep,
            State::Proposed
            | State::Scheduled
            | State::Queued
            | State::Attempting
            | State::Unknown
            | State::Held => Self::Keep,
            State::Rejected | State::Canceled => Self::Release,
            State::Expired if state.waits() => Self::Release,
            State::Sent | State::Delivered | State::Failed | State::Expired => {
                Self::Charge(price_micros.unwrap_or(held_micros))
            }
        }
    }

    /// What is posted as the price.
    pub fn charged_micros(self) -> Option<i64> {
        match self {
            Self::Charge(price) => Some(price.max(0)),
            Self::Keep | Self::Release => None,
        }
    }

    /// What it does to a budget, of a message that holds so much in it.
    pub fn moves(self, held_micros: i64) -> Moves {
        let (released_micros, spent_micros, messages) = match self {
            Self::Keep => (0, 0, 0),
            Self::Release => (held_micros, 0, 1),
            Self::Charge(price) => (held_micros, price.max(0), 0),
        };
        Moves { released_micros, spent_micros, messages, freezes: spent_micros > released_micros }
    }
}

/// What a price that is told later does to each budget: a price that turns out higher freezes the path, as
/// one that is higher than what was held does. Nothing where it is the one that was posted.
pub fn correction(posted_micros: i64, told_micros: i64) -> Option<Moves> {
    let more = told_micros - posted_micros;
    (more != 0).then_some(Moves { released_micros: 0, spent_micros: more, messages: 0, freezes: more > 0 })
}

/// What a message costs of which some segments went out, and the others certainly did not: their share of
/// what was held, rounded up.
pub fn share(segments: &[Segment], held_micros: i64) -> Option<i64> {
    let of = i128::try_from(segments.len()).ok().filter(|of| *of > 0)?;
    let taken = i128::try_from(segments.iter().filter(|segment| !segment.state.never_left()).count()).ok()?;
    i64::try_from((i128::from(held_micros) * taken + of - 1) / of).ok()
}

/// What the states of all segments say of the message; nothing while it stays as it is.
pub fn whole(states: &[State]) -> Option<State> {
    let worst = [State::Failed, State::Expired].into_iter().find(|state| states.contains(state));
    worst.or_else(|| states.iter().all(|state| *state == State::Delivered).then_some(State::Delivered))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn money_comes_back_only_on_a_definite_no_and_is_charged_once() {
        for state in State::ALL {
            for next in State::ALL.into_iter().filter(|next| state.may_become(*next)) {
                let posting = Posting::of(state, 100, next, None);
                let expected = match (state.is_settled(), next) {
                    (true, _) => Posting::Keep,
                    (_, State::Rejected | State::Canceled) => Posting::Release,
                    (_, State::Expired) if state.waits() => Posting::Release,
                    (_, next) if next.is_settled() => Posting::Charge(100),
                    _ => Posting::Keep,
                };
                assert_eq!(posting, expected, "{state} to {next}");
            }
        }
    }

    #[test]
    fn a_charge_above_what_was_held_freezes_and_a_lower_one_does_not() {
        let moves = |posting: Posting| posting.moves(100);
        assert_eq!(
            moves(Posting::Keep),
            Moves { released_micros: 0, spent_micros: 0, messages: 0, freezes: false }
        );
        assert_eq!(
            moves(Posting::Release),
            Moves { released_micros: 100, spent_micros: 0, messages: 1, freezes: false }
        );
        assert_eq!(
            moves(Posting::Charge(100)),
            Moves { released_micros: 100, spent_micros: 100, messages: 0, freezes: false }
        );
        assert!(moves(Posting::Charge(101)).freezes && !moves(Posting::Charge(-5)).freezes);
        assert_eq!(moves(Posting::Charge(-5)).spent_micros, 0);
        assert_eq!(correction(10, 10), None);
        assert!(correction(10, 11).is_some_and(|moves| moves.freezes && moves.spent_micros == 1));
        assert!(correction(10, 9).is_some_and(|moves| !moves.freezes && moves.spent_micros == -1));
    }

    fn segment(number: u32, state: State) -> Segment {
        Segment { number, state, vendor_id: None, at: Timestamp(0), why: None }
    }

    #[test]
    fn a_part_of_a_message_costs_its_share_of_what_was_held_rounded_up() {
        let parts = |states: &[State]| {
            (1..).zip(states).map(|(number, state)| segment(number, *state)).collect::<Vec<_>>()
        };
        assert_eq!(share(&parts(&[State::Sent, State::Sent, State::Rejected]), 100), Some(67));
        assert_eq!(share(&parts(&[State::Sent, State::Rejected]), 100), Some(50));
        assert_eq!(share(&parts(&[State::Sent, State::Rejected]), i64::MAX), Some(i64::MAX / 2 + 1));
        assert_eq!(share(&parts(&[State::Rejected]), 100), Some(0));
        assert_eq!(share(&[], 100), None);
    }

    #[test]
    fn a_message_stands_where_the_worst_of_its_segments_does() {
        use State::{Delivered, Expired, Failed, Sent, Unknown};
        let table: [(&[State], Option<State>); 6] = [
            (&[Sent, Delivered], None),
            (&[Delivered, Delivered], Some(Delivered)),
            (&[Delivered, Unknown], None),
            (&[Delivered, Failed, Expired], Some(Failed)),
            (&[Sent, Expired], Some(Expired)),
            (&[Unknown, Failed], Some(Failed)),
        ];
        for (states, expected) in table {
            assert_eq!(whole(states), expected, "{states:?}");
        }
    }
}
