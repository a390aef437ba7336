//! Conditions on a message's state, as SQL has them. Each is made of what [`State`] says of itself, so that
//! no other file here knows a state's number, and a state that is added is added in one place.
//!
//! SQLite takes a partial index only where a query repeats the index's own condition word by word, and the
//! released tables have `state < 3`, `state = 0`, `state = 1` and `state = 9`: a test holds that these are
//! written so.

use std::fmt;

use crate::sms::message::State;

/// Which states, of which row.
#[derive(Clone, Copy)]
pub(super) struct Condition {
    row: &'static str,
    is: fn(State) -> bool,
}

impl Condition {
    const fn new(is: fn(State) -> bool) -> Self {
        Self { row: "", is }
    }

    /// The same of the row with this name, such as `r.`.
    pub(super) const fn of(self, row: &'static str) -> Self {
        Self { row, ..self }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<u8> =
            State::ALL.into_iter().filter(|state| (self.is)(*state)).map(State::number).collect();
        match numbers.as_slice() {
            [one] => write!(f, "{}state = {one}", self.row),
            // The first ones: of a list SQLite makes a table of its own, each time that it asks.
            first if (0..).zip(first).all(|(number, state)| number == *state) => {
                write!(f, "{}state < {}", self.row, first.len())
            }
            several => write!(
                f,
                "{}state IN ({})",
                self.row,
                several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
        }
    }
}

/// Whether a row is a message to the person `?1`, as the index of who was texted is asked: by how the number
/// ends, and then by all of it. `IS`, since SQLite puts the value of an `=` in place of the column wherever it
/// stands, and then knows the index's expression no more.
pub(super) const IS_TO: &str = "substr(recipient, -6) = substr(?1, -6) AND recipient IS ?1";

/// What the index of what is still to be done has: what may be taken, is taken, or has a time. What waits for
/// a person is not in it.
const IS_INDEXED: Condition = Condition::new(|state| state.is_open() && !matches!(state, State::Proposed));

/// The same, found by that index: without it each reads every message there ever was.
pub(super) struct Found(Condition);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{IS_INDEXED} AND {}", self.0)
    }
}

/// One state. What follows `SET` reads the same.
pub(super) const IS_PROPOSED: Condition = Condition::new(|state| matches!(state, State::Proposed));
pub(super) const IS_SCHEDULED: Condition = Condition::new(|state| matches!(state, State::Scheduled));
pub(super) const IS_QUEUED: Condition = Condition::new(|state| matches!(state, State::Queued));
pub(super) const IS_ATTEMPTING: Condition = Condition::new(|state| matches!(state, State::Attempting));
pub(super) const IS_EXPIRED: Condition = Condition::new(|state| matches!(state, State::Expired));
pub(super) const IS_UNKNOWN: Condition = Condition::new(|state| matches!(state, State::Unknown));

/// Several, each what [`State`] calls so.
pub(super) const IS_PLANNED: Condition = Condition::new(State::is_planned);
pub(super) const WAITS: Condition = Condition::new(State::waits);
pub(super) const IS_OPEN: Condition = Condition::new(State::is_open);
pub(super) const IS_IN_HAND: Condition =
    Condition::new(|state| matches!(state, State::Queued | State::Attempting));
pub(super) const NEVER_LEFT: Condition = Condition::new(State::never_left);
pub(super) const HAS_NOT_LEFT: Condition = Condition::new(State::has_not_left);
pub(super) const IS_UNDECIDED: Condition = Condition::new(State::is_undecided);
pub(super) const IS_SETTLED: Condition = Condition::new(State::is_settled);
pub(super) const MAY_BE_REPORTED: Condition = Condition::new(State::may_be_reported);
pub(super) const MAY_BE_QUERIED: Condition = Condition::new(State::may_be_queried);
pub(super) const MAY_BE_ON_RECORD: Condition = Condition::new(State::may_be_on_record);
pub(super) const NEEDS_ATTENTION: Condition = Condition::new(State::needs_attention);

pub(super) const QUEUED: Found = Found(IS_QUEUED);
pub(super) const ATTEMPTING: Found = Found(IS_ATTEMPTING);
pub(super) const IN_HAND: Found = Found(IS_IN_HAND);

/// A message `message` that is there: alone, or of a bulk that is accepted. Those that are not are few, and
/// have an index.
pub(super) const IS_ACCEPTED: &str =
    "(batch IS NULL OR batch NOT IN (SELECT h.seq FROM batch h WHERE h.accepting IS NOT NULL))";

/// A statement that is put together of named parts: once, and not each time it runs.
macro_rules! sql {
    ($($part:tt)+) => {{
        static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| format!($($part)+));
        SQL.as_str()
    }};
}
pub(super) use sql;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn each_condition_is_true_of_the_states_that_say_so_of_themselves() {
        let db = Connection::open_in_memory().unwrap();
        type Is = fn(State) -> bool;
        let all: [(Condition, Is); 18] = [
            (IS_PROPOSED, |state| state == State::Proposed),
            (IS_SCHEDULED, |state| state == State::Scheduled),
            (IS_QUEUED, |state| state == State::Queued),
            (IS_ATTEMPTING, |state| state == State::Attempting),
            (IS_EXPIRED, |state| state == State::Expired),
            (IS_UNKNOWN, |state| state == State::Unknown),
            (IS_PLANNED, State::is_planned),
            (WAITS, State::waits),
            (IS_OPEN, State::is_open),
            (IS_IN_HAND, |state| state.is_open() && !state.is_planned()),
            (NEVER_LEFT, State::never_left),
            (HAS_NOT_LEFT, State::has_not_left),
            (IS_UNDECIDED, State::is_undecided),
            (IS_SETTLED, State::is_settled),
            (MAY_BE_REPORTED, State::may_be_reported),
            (MAY_BE_QUERIED, State::may_be_queried),
            (MAY_BE_ON_RECORD, State::may_be_on_record),
            (NEEDS_ATTENTION, State::needs_attention),
        ];
        for (condition, is) in all {
            for state in State::ALL {
                let asked = format!("SELECT {} FROM (SELECT ?1 AS state) m", condition.of("m."));
                let holds: bool = db.query_row(&asked, [state.number()], |row| row.get(0)).unwrap();
                assert_eq!(holds, is(state), "{condition}: {state}");
            }
        }
    }

    #[test]
    fn what_an_index_has_is_written_as_the_index_has_it() {
        assert_eq!(IS_SCHEDULED.to_string(), "state = 0");
        assert_eq!(IS_QUEUED.to_string(), "state = 1");
        assert_eq!(IS_UNKNOWN.of("u.").to_string(), "u.state = 9");
        assert_eq!(QUEUED.to_string(), "state < 3 AND state = 1");
    }

    #[test]
    fn no_other_file_knows_the_number_of_a_state() {
        // The texts that people write in several segments have states of their own.
        let others = ["states.rs", "long_reply.rs"];
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ledger/sqlite");
        let is_bare = |line: &str| {
            line.match_indices("state").any(|(at, _)| {
                let rest = line.get(at + "state".len()..).unwrap_or_default().trim_start();
                let rest =
                    ["=", "<>", "IN (", "NOT IN ("].iter().find_map(|operator| rest.strip_prefix(operator));
                rest.is_some_and(|rest| rest.trim_start().starts_with(|c: char| c.is_ascii_digit()))
            })
        };
        assert!(is_bare("WHERE m.state IN (0, 1)") && is_bare("SET state = 2") && !is_bare("state = ?1"));
        let mut looked = 0;
        for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
            if file.extension().is_some_and(|end| end == "rs")
                && !others.iter().any(|other| file.ends_with(other))
            {
                let text = std::fs::read_to_string(&file).unwrap();
                let bare: Vec<&str> = text.lines().filter(|line| is_bare(line)).collect();
                assert!(bare.is_empty(), "{}: {bare:?}", file.display());
                looked += 1;
            }
        }
        assert!(looked > 20);
    }
}
