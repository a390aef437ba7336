//! How a message moves from one state to the next, and its money with it. Every change of a state goes
//! through [`advance`] here.

use rusqlite::{Connection, params};

use super::budget::{BUDGET_COLUMNS, budget_from};
use super::group::Group;
use super::job::JobResult;
use super::outbox;
use super::states::{IS_UNDECIDED, sql};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::ledger::rules::history::step;
use crate::ledger::rules::posting::{Moves, Posting, correction};
use crate::sms::facts::Budget;
use crate::sms::message::State;

/// What settling has to know of a message.
pub(super) struct Open {
    pub(super) seq: i64,
    pub(super) state: State,
    pub(super) held_micros: i64,
    /// What was posted; nothing while its money is held, and where it was given back.
    price_micros: Option<i64>,
    pub(super) budgets: String,
    /// Whether its changes are told to the operator's own system.
    forward: bool,
    /// The number of the request that carries it together with others.
    pub(super) request: Option<i64>,
    pub(super) provider: String,
    pub(super) recipient: String,
    /// Whether its segments went out as requests of their own.
    pub(super) is_parted: bool,
}

/// The columns that [`open_from`] reads.
pub(super) const OPEN_COLUMNS: &str =
    "seq, state, held_micros, price_micros, budgets, forward, request, provider, recipient, parted";

pub(super) fn open_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Open> {
    Ok(Open {
        seq: row.get(0)?,
        state: State::from_number(row.get(1)?).unwrap_or(State::Unknown),
        held_micros: row.get(2)?,
        price_micros: row.get(3)?,
        budgets: row.get(4)?,
        forward: row.get(5)?,
        request: row.get(6)?,
        provider: row.get(7)?,
        recipient: row.get(8)?,
        is_parted: row.get(9)?,
    })
}

pub(super) fn budget_ids(list: &str) -> impl Iterator<Item = i64> {
    list.split(',').filter_map(|id| id.parse().ok())
}

/// Moves the money in every budget that holds it, and returns them.
pub(super) fn post(group: &mut Group<'_>, open: &Open, posting: Posting) -> JobResult<Vec<Budget>> {
    let moves = posting.moves(open.held_micros);
    if moves.freezes {
        return post_and_freeze(group.alone()?, open, moves);
    }
    budget_ids(&open.budgets)
        .map(|id| group.post(id, &moves)?.ok_or(rusqlite::Error::QueryReturnedNoRows))
        .collect()
}

/// The same of a charge that freezes them: whoever comes next is to read it in the ledger.
fn post_and_freeze(db: &Connection, open: &Open, moves: Moves) -> JobResult<Vec<Budget>> {
    let Moves { released_micros, spent_micros, messages, freezes } = moves;
    let mut statement = db.prepare_cached(sql!(
        "UPDATE budget SET held_micros = held_micros - ?2, spent_micros = spent_micros + ?3, messages = \
         messages - ?4, frozen = frozen OR ?5
         WHERE id = ?1 RETURNING {BUDGET_COLUMNS}"
    ))?;
    note_overcharge(db, open, released_micros, spent_micros)?;
    let mut move_in = |id: i64| {
        statement.query_row(params![id, released_micros, spent_micros, messages, freezes], budget_from)
    };
    budget_ids(&open.budgets).map(|id| Ok(move_in(id)?.budget)).collect()
}

/// Notes in every budget that is about to freeze which message's charge is the reason: the first one, until
/// it is unfrozen.
fn note_overcharge(db: &Connection, open: &Open, held_micros: i64, charged_micros: i64) -> JobResult<()> {
    let mut statement = db.prepare_cached(
        "UPDATE budget SET frozen_by = (SELECT id FROM message WHERE seq = ?2), frozen_held = ?3, \
         frozen_charged = ?4 WHERE id = ?1 AND NOT frozen",
    )?;
    for id in budget_ids(&open.budgets) {
        statement.execute([id, open.seq, held_micros, charged_micros])?;
    }
    Ok(())
}

/// A step that a message is asked to take.
pub(super) struct Step<'a> {
    pub(super) next: State,
    pub(super) at: Timestamp,
    pub(super) why: Option<&'a str>,
    pub(super) code: Option<ErrorKind>,
    /// The price that was told.
    pub(super) price_micros: Option<i64>,
    /// What is charged where none was told and less went out than was held for.
    pub(super) share_micros: Option<i64>,
    pub(super) vendor_id: Option<&'a str>,
    pub(super) segments: Option<u32>,
    pub(super) look_at: Option<Timestamp>,
}

impl<'a> Step<'a> {
    pub(super) fn new(next: State, at: Timestamp, why: Option<&'a str>) -> Self {
        Self {
            next,
            at,
            why,
            code: None,
            price_micros: None,
            share_micros: None,
            vendor_id: None,
            segments: None,
            look_at: None,
        }
    }
}

/// Corrects what was posted for a message by what the provider says that it really cost. Where nothing was
/// posted, nothing changes.
pub(super) fn correct(group: &mut Group<'_>, open: &mut Open, price_micros: Option<i64>) -> JobResult<()> {
    let (Some(posted), Some(price)) = (open.price_micros, price_micros.map(|price| price.max(0))) else {
        return Ok(());
    };
    // Somebody told it, also where it is what was assumed.
    let mut told = group.beside().prepare_cached(
        "UPDATE message SET price_micros = ?2, price_assumed = 0 WHERE seq = ?1 AND \
            (price_assumed OR price_micros <> ?2)",
    )?;
    told.execute([open.seq, price])?;
    let Some(moves) = correction(posted, price) else { return Ok(()) };
    if moves.freezes {
        let db = group.alone()?;
        note_overcharge(db, open, posted, price)?;
        let mut statement = db
            .prepare_cached("UPDATE budget SET spent_micros = spent_micros + ?2, frozen = 1 WHERE id = ?1")?;
        for id in budget_ids(&open.budgets) {
            statement.execute([id, moves.spent_micros])?;
        }
    } else {
        // One that is forgotten by now has nothing to correct.
        budget_ids(&open.budgets).try_for_each(|id| group.post(id, &moves).map(drop))?;
    }
    open.price_micros = Some(price);
    Ok(())
}

/// What a step leaves in a message's row.
struct Moved<'a> {
    seq: i64,
    state: State,
    at: Timestamp,
    held_micros: i64,
    charged_micros: Option<i64>,
    /// Whether somebody told what is charged.
    is_told_price: bool,
    why: Option<&'a str>,
    code: Option<ErrorKind>,
    vendor_id: Option<&'a str>,
    segments: Option<u32>,
    look_at: Option<Timestamp>,
}

impl Moved<'_> {
    /// Leaving `unknown` or `held` clears what was said about it: it described the uncertainty.
    fn write(&self, db: &Connection) -> JobResult<()> {
        let mut update = db.prepare_cached(sql!(
            "UPDATE message SET state = ?2, changed_ms = ?3, held_micros = ?4, price_micros = coalesce(?5, \
             price_micros),
                    price_assumed = price_assumed AND NOT ?6,
                    why = CASE WHEN {IS_UNDECIDED} THEN ?7 ELSE coalesce(?7, why) END,
                    code = CASE WHEN {IS_UNDECIDED} THEN ?8 ELSE coalesce(?8, code) END,
                    owner = NULL, history = history || ',' || ?9, vendor_id = coalesce(?10, vendor_id),
                    segments = coalesce(?11, segments), text = CASE WHEN keep_text THEN text END,
                    look_ms = CASE WHEN ?12 AND coalesce(?10, vendor_id) IS NOT NULL THEN coalesce(?13, \
             look_ms) END
             WHERE seq = ?1"
        ))?;
        update.execute(params![
            self.seq,
            self.state.number(),
            self.at.as_millis(),
            self.held_micros,
            self.charged_micros,
            self.is_told_price,
            self.why,
            self.code.map(ErrorKind::as_str),
            step(self.state, self.at, self.why),
            self.vendor_id,
            self.segments,
            !self.state.is_final(),
            self.look_at.map(Timestamp::as_millis)
        ])?;
        Ok(())
    }
}

/// Moves a message to its next state, if it may go there: the state, the history, how much is held, and what
/// the operator's own system is told. Returns how the money is to move; [`post`] moves it.
pub(super) fn advance(db: &Connection, open: &mut Open, asked: &Step<'_>) -> JobResult<Option<Posting>> {
    let &Step { next, at, why, code, price_micros, share_micros, vendor_id, segments, look_at } = asked;
    if !open.state.may_become(next) {
        return Ok(None);
    }
    let posting = Posting::of(open.state, open.held_micros, next, price_micros.or(share_micros));
    let charged = posting.charged_micros();
    let held = if posting == Posting::Keep { open.held_micros } else { 0 };
    let moved = Moved {
        seq: open.seq,
        state: next,
        at,
        held_micros: held,
        charged_micros: charged,
        is_told_price: charged.is_some() && price_micros.is_some(),
        why,
        code,
        vendor_id,
        segments,
        look_at,
    };
    moved.write(db)?;
    open.state = next;
    open.price_micros = charged.or(open.price_micros);
    if open.forward {
        outbox::tell_change(db, open.seq, next, at)?;
    }
    Ok(Some(posting))
}

/// Moves a message, and its money in every budget that holds it. Returns the budgets after it.
pub(super) fn advance_and_post(
    group: &mut Group<'_>,
    open: &mut Open,
    asked: &Step<'_>,
) -> JobResult<Option<Vec<Budget>>> {
    let Some(posting) = advance(group.beside(), open, asked)? else { return Ok(None) };
    let budgets = post(group, open, posting)?;
    if posting != Posting::Keep {
        open.held_micros = 0;
    }
    Ok(Some(budgets))
}

/// Applies what the provider says later: the step, its money where any is still held, and the price where it
/// was posted before. Returns whether the state changed.
pub(super) fn apply(group: &mut Group<'_>, open: &mut Open, asked: &Step<'_>) -> JobResult<bool> {
    correct(group, open, asked.price_micros)?;
    let Some(posting) = advance(group.beside(), open, asked)? else { return Ok(false) };
    if posting != Posting::Keep {
        post(group, open, posting)?;
        open.held_micros = 0;
    }
    Ok(true)
}
