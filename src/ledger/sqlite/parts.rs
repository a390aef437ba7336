//! Accepting a large bulk in parts, each in a transaction of its own, so that nobody waits longer for the
//! ledger than one part takes.
//!
//! The first part writes the bulk's row, which names the process that accepts it, and the key; every part
//! decides on its recipients, holds their money and writes them as queued; the last one takes the name out of
//! the row. Until then the bulk is there for nobody: it is not claimed, listed or found ([`IS_ACCEPTED`]),
//! and who calls with its key waits. What it holds counts in every budget, and its recipients have what they
//! have of it, so that no limit is passed by two bulks at once. Where a part is refused or fails, or the
//! process dies, all of it is withdrawn, with its money and its key (`withdraw`).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::budget::look;
use super::days::Path;
use super::group::Group;
use super::job::{Business, JobResult, Kind, business, contradiction, unavailable};
use super::mark::{Key, Mark};
use super::proposal::{ask_all, batch_report, propose};
use super::rehearsal::rehearse;
use super::reserve::{Lines, earlier_intent, insert, key_is_free, report};
use super::session::{Bases, Sessions, preview_budgets, sessions};
use super::store::SqliteLedger;
use super::{facts, pace};
use crate::error::{Error, ErrorKind, RefusedRecipient, Result};
use crate::ledger::rules::choose::{Chosen, Held, Taken, Today, choose};
use crate::ledger::rules::path::path;
use crate::ledger::{Decide, Draft, Intent, MakeDrafts, Many, Reservation, Target};
use crate::sms::facts::{Budget, Earlier, Facts, Scope};
use crate::sms::message::{Realm, State};
use crate::sms::peer::Peer;
use crate::sms::verdict::Verdict;

/// The messages of one transaction: enough to share a sync well, few enough to keep the lock short.
pub(super) const PART: usize = 1_000;

/// How long whoever calls with the key of a bulk that is being accepted waits between two looks, and how
/// often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const MOST_LOOKS: u32 = 3_000;

/// Whether this key was used before.
fn is_used(db: &Connection, intent: &Intent) -> rusqlite::Result<bool> {
    let Some(key) = &intent.idempotency else { return Ok(false) };
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM idempotency WHERE principal = ?1 AND sandbox = ?2 AND key = ?3)",
    )?
    .query_row(params![intent.payer.principal, intent.payer.realm.is_sandbox(), key.key], |row| row.get(0))
}

/// Whether a key led to a bulk that is not accepted yet, or that is being withdrawn.
pub(super) fn is_undecided(db: &Connection, reservation: &Reservation) -> rusqlite::Result<bool> {
    let Reservation::Replay(Target::Batch(id)) = reservation else { return Ok(false) };
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM batch WHERE id = ?1 AND accepting IS NOT NULL)")?
        .query_row([id.as_str()], |row| row.get(0))
}

/// What was decided on one part, or on all so far.
#[derive(Default)]
struct Decided {
    held: Held,
    refused: Vec<(usize, Error)>,
    /// The same as the bulk's row keeps it.
    reported: Vec<RefusedRecipient>,
    doubts: Vec<(usize, Earlier)>,
    waiting: Vec<(usize, Verdict)>,
    /// Why a person is asked, where one is.
    asked: Option<String>,
    budgets: Vec<Budget>,
}

impl Decided {
    /// Adds what was decided on the part that begins there.
    fn add(&mut self, part: Self, first: usize) {
        self.held.and(&part.held);
        self.refused.extend(part.refused.into_iter().map(|(index, error)| (first + index, error)));
        self.reported.extend(part.reported);
        self.doubts.extend(part.doubts.into_iter().map(|(index, earlier)| (first + index, earlier)));
        self.waiting.extend(part.waiting.into_iter().map(|(index, verdict)| (first + index, verdict)));
        self.asked = self.asked.take().or(part.asked);
        self.budgets = part.budgets;
    }

    fn refused(self) -> Reservation {
        Reservation::Refused { refused: self.refused, budgets: self.budgets }
    }
}

/// What became of a part.
enum Done {
    Decided(Decided),
    /// Its key was used before.
    Earlier(Reservation),
}

/// One part, and what stands before it.
struct Part {
    intent: Arc<Intent>,
    drafts: Vec<Draft>,
    decide: Decide,
    /// The index of its first message.
    first: usize,
    is_last: bool,
    /// What those before it would hold, and whether they do.
    before: Held,
    is_held: bool,
    /// Which of those before it were refused, for the bulk's row.
    reported: Vec<RefusedRecipient>,
    /// Why a person is asked about one of those before it, where one is.
    asked: Option<String>,
}

impl Part {
    /// The part that begins there, of which nothing is held yet.
    fn of(
        (intent, many, decide): (&Arc<Intent>, &Many, &Decide),
        first: usize,
        so_far: &Decided,
    ) -> Result<Self> {
        let end = many.count.min(first + PART);
        Ok(Self {
            intent: Arc::clone(intent),
            drafts: (many.make)(first..end)?,
            decide: Arc::clone(decide),
            first,
            is_last: end == many.count,
            before: so_far.held.clone(),
            is_held: false,
            reported: Vec::new(),
            asked: so_far.asked.clone(),
        })
    }
}

impl SqliteLedger {
    /// See [`crate::ledger::facets::Intents::reserve_many`].
    pub(super) async fn accept_in_parts(
        &self,
        intent: Intent,
        many: Many,
        decide: Decide,
    ) -> Result<Reservation> {
        let Some(batch) = &intent.batch else { return Err(unavailable("a bulk without an id")) };
        let id = batch.id.clone();
        let intent = Arc::new(intent);
        // Looked at first, so that no money is held of what is refused anyway.
        if !intent.preview && !self.is_known_or_fits(&intent, &many).await? {
            let looked =
                self.look_at_rest((&intent, &many, &decide), Decided::default(), Held::default(), 0).await?;
            if looked.held.all.messages == 0 || (intent.all_or_none && !looked.refused.is_empty()) {
                return Ok(looked.refused());
            }
        }
        let _begun = self.accepting.begin(&id);
        let reservation = self.accept_each(&intent, &many, &decide).await;
        let is_there = matches!(
            reservation,
            Ok(Reservation::Taken { .. } | Reservation::Replay(_) | Reservation::Conflict)
        );
        if !is_there
            && !intent.preview
            && let Err(error) = self.withdraw(&id).await
        {
            tracing::warn!(batch = %id, %error,
                "a bulk that was not accepted could not be withdrawn yet; it will be tried again");
        }
        reservation
    }

    /// Whether all of these together fit in the budgets as they are, or their key was used before and
    /// decides.
    async fn is_known_or_fits(&self, intent: &Arc<Intent>, many: &Many) -> Result<bool> {
        let (peers, intent, micros) = (Arc::clone(&self.peers), Arc::clone(intent), many.hold_micros);
        let messages = i64::try_from(many.count).unwrap_or(i64::MAX);
        let look = move |db: &Connection| match peers.known(intent.payer.realm) {
            Ok(_) if is_used(db, &intent)? => Ok(Ok(Vec::new())),
            Ok(known) => preview_budgets(db, &intent.payer, &known, intent.now),
            Err(unreadable) => Ok(Err(unreadable)),
        };
        let budgets = self.read(look).await??;
        let before = messages - 1;
        let facts = Facts { before_messages: before, before_on_day_messages: before, ..Facts::default() };
        Ok(budgets.iter().all(|budget| !budget.frozen && facts.fits(budget, micros) == (true, true)))
    }

    /// Writes one part after the other.
    async fn accept_each(&self, intent: &Arc<Intent>, many: &Many, decide: &Decide) -> Result<Reservation> {
        let mut so_far = Decided::default();
        let mut first = 0;
        while first < many.count {
            let end = many.count.min(first + PART);
            let mut part =
                Part { is_held: !intent.preview, ..Part::of((intent, many, decide), first, &so_far)? };
            if part.is_last {
                part.reported = std::mem::take(&mut so_far.reported);
            }
            let held = if intent.preview { Held::default() } else { part.before.clone() };
            match self.write_part(part).await? {
                Done::Earlier(earlier) => return Ok(earlier),
                Done::Decided(decided) => so_far.add(decided, first),
            }
            if intent.all_or_none && !so_far.refused.is_empty() {
                return Ok(self.look_at_rest((intent, many, decide), so_far, held, end).await?.refused());
            }
            if end < many.count {
                fail::fail_point!("bulk-between-parts", |_| -> Result<Reservation> { std::process::abort() });
            }
            first = end;
        }
        let Decided { held, refused, doubts, waiting, asked, budgets, .. } = so_far;
        if held.all.messages == 0 {
            Ok(Reservation::Refused { refused, budgets })
        } else {
            Ok(Reservation::Taken { refused, doubts, waiting, until_ms: None, asked, budgets })
        }
    }

    /// Decides on what is left without writing it: who else is refused. So much is held of what stands before
    /// it.
    async fn look_at_rest(
        &self,
        (intent, many, decide): (&Arc<Intent>, &Many, &Decide),
        mut so_far: Decided,
        held: Held,
        mut first: usize,
    ) -> Result<Decided> {
        while first < many.count {
            let part = Part::of((intent, many, decide), first, &so_far)?;
            let (peers, mark, held) = (Arc::clone(&self.peers), Arc::clone(&self.mark), held.clone());
            let look = move |db: &Connection| match peers.known(part.intent.payer.realm) {
                Ok(known) => {
                    Ok(decided(db, &part, &held, &known, &mark)?.map(|(_, _, decided)| decided.told()))
                }
                Err(unreadable) => Ok(Err(unreadable)),
            };
            so_far.add(self.read(look).await??, first);
            first += PART;
        }
        Ok(so_far)
    }

    /// Writes one part. Whoever else accepts a bulk with its key is waited for.
    async fn write_part(&self, part: Part) -> Result<Done> {
        let (owner, part) = (self.instance.id(), Arc::new(part));
        let kind = match part.intent.payer.realm {
            _ if part.intent.preview => Kind::Aside,
            Realm::Live => Kind::Accepts,
            Realm::Sandbox => Kind::Ordinary,
        };
        for _ in 0..MOST_LOOKS {
            let (part, mark, peers, has_texts) = (
                Arc::clone(&part),
                Arc::clone(&self.mark),
                Arc::clone(&self.peers),
                Arc::clone(&self.has_texts),
            );
            let write = move |db: &Connection| {
                if !part.intent.keep_texts && !part.intent.preview {
                    has_texts.store(true, Ordering::Relaxed);
                }
                match peers.known(part.intent.payer.realm) {
                    Ok(known) => write(db, owner, &part, &known, &mark),
                    Err(unreadable) => Ok(Err(unreadable)),
                }
            };
            match self.writer()?.run_as(kind, write).await?? {
                Some(done) => return Ok(done),
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
        Err(still_accepted())
    }

    /// Reserves at once. Whoever accepts a bulk with its key is waited for.
    pub(super) async fn reserve_when_decided(&self, intent: Intent, decide: Decide) -> Result<Reservation> {
        let intent = Arc::new(intent);
        for _ in 0..MOST_LOOKS {
            match self.reserve_at_once(&intent, &decide).await? {
                Some(reservation) => return Ok(reservation),
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
        Err(still_accepted())
    }
}

fn still_accepted() -> Error {
    Error::new(
        ErrorKind::LedgerUnavailable,
        "an earlier call with this idempotency_key is still being accepted",
    )
    .next("Repeat this call later with the same idempotency_key, and with no other one.")
}

/// Decides on the messages of a part by the facts of now. What those before it hold already is taken out of
/// the budgets, so that each is decided on as it would be in one step.
fn decided<'a>(
    db: &Connection,
    part: &'a Part,
    held: &Held,
    peers: &Arc<[Peer]>,
    mark: &Mark,
) -> Business<(Sessions, Path, Chose<'a>)> {
    let intent = &part.intent;
    if intent.payer.realm == Realm::Live {
        business!(mark.check());
    }
    let mut found = business!(sessions(db, &mut Bases::default(), &intent.payer, intent.now)?);
    let today = intent.now.utc_day();
    let rows = look(db, path(&intent.payer, &today, std::mem::take(&mut found.parts), peers))?;
    let mut rows = Path::of(today.clone(), rows);
    business!(pace::read(db, intent.payer.realm, intent.now, intent.per_second, peers)?.check_clock());
    let before_all = |budgets: Vec<Budget>, day: &str| -> Vec<Budget> {
        let without = |budget: Budget| {
            let held = if budget.scope == Scope::Day { held.on(day) } else { held.all };
            let (held_micros, messages) = (budget.held_micros - held.micros, budget.messages - held.messages);
            Budget { held_micros, messages, ..budget }
        };
        budgets.into_iter().map(without).collect()
    };
    let budgets = before_all(rows.budgets(), &today);
    let mut facts = Facts { budgets, peers: Arc::clone(peers), ..Facts::default() };
    facts::of_principal(db, intent, &mut facts)?;
    let (first, decide) = (part.first, Arc::clone(&part.decide));
    let decide: Decide = Arc::new(move |index, facts| decide(first + index, facts));
    let look_up = |draft: &Draft, facts: &mut Facts| facts::look_up(db, intent, draft, facts);
    let on_day = |day: &str| {
        let budgets = rows.on(day, (&intent.payer, peers), |parts| look(db, parts))?;
        Ok(before_all(budgets, day))
    };
    let day = Today { day: &today, before: part.before.clone() };
    let mut chosen = business!(choose(&part.drafts, day, facts, &decide, look_up, on_day)?);
    chosen.ask_together(part.asked.as_deref());
    let budgets = rows.budgets();
    Ok(Ok((found, rows, Chose { chosen, part, budgets })))
}

/// What was chosen of a part.
struct Chose<'a> {
    chosen: Chosen<'a>,
    part: &'a Part,
    budgets: Vec<Budget>,
}

impl Chose<'_> {
    fn told(self) -> Decided {
        let Self { chosen: Chosen { refused, doubts, waiting, held, asked, .. }, part, budgets } = self;
        Decided {
            held,
            reported: report(&part.drafts, &refused).collect(),
            refused,
            doubts,
            waiting,
            asked,
            budgets,
        }
    }
}

/// Writes a part; nothing while another bulk with its key is being accepted.
fn write(
    db: &Connection,
    owner: i64,
    part: &Part,
    peers: &Arc<[Peer]>,
    mark: &Mark,
) -> Business<Option<Done>> {
    let intent = &*part.intent;
    let is_first = part.first == 0;
    if is_first {
        match earlier_intent(db, intent)? {
            Some(earlier) if is_undecided(db, &earlier)? => return Ok(Ok(None)),
            Some(earlier) => return Ok(Ok(Some(Done::Earlier(earlier)))),
            None => {}
        }
        business!(key_is_free(db, intent, mark)?);
    }
    let held = if part.is_held { part.before.clone() } else { Held::default() };
    let (found, mut rows, chose) = business!(decided(db, part, &held, peers, mark)?);
    let is_refused = intent.all_or_none && !chose.chosen.refused.is_empty();
    // A bulk of nobody is none: it stays as it is, and is withdrawn.
    let is_empty = part.is_last && part.before.all.messages == 0 && chose.chosen.taken.is_empty();
    if is_refused || is_empty {
        return Ok(Ok(Some(Done::Decided(chose.told()))));
    }
    let write = |group: &mut Group<'_>| -> JobResult<()> {
        if is_first {
            group.touch(&intent.payer, &found, intent.now)?;
        }
        let batch = if is_first { begin(db, owner, intent)? } else { own(db, owner, intent)? };
        take(group, owner, intent, batch, &chose.chosen.taken, &mut rows)?;
        if part.is_last {
            let before = intent.batch.iter().flat_map(|batch| &batch.refused).chain(&part.reported).cloned();
            let refused: Vec<RefusedRecipient> =
                before.chain(report(&part.drafts, &chose.chosen.refused)).collect();
            if let Some(why) = &chose.chosen.asked {
                ask_all(db, batch, intent.now, why)?;
                propose(db, intent, (None, Some(batch)), why)?;
            }
            let is_asked = chose.chosen.asked.is_some();
            end(db, batch, &batch_report(db, intent, &refused, is_asked)?)?;
        }
        Ok(())
    };
    if intent.preview {
        // The other parts were rehearsed and undone, so each is as the first.
        rehearse(db, || {
            Group::over(db, |group| write_alone(group, owner, intent, &chose.chosen.taken, &mut rows))
        })?;
        return Ok(Ok(Some(Done::Decided(chose.told()))));
    }
    Group::over(db, write)?;
    if part.is_last {
        fail::fail_point!("bulk-before-last", |_| -> Business<Option<Done>> { std::process::abort() });
    }
    if intent.payer.realm == Realm::Live {
        let each_micros = chose.chosen.taken.iter().map(|taken| taken.draft.hold_micros).max().unwrap_or(0);
        rows.cover(mark, each_micros);
        Key::of(intent).filter(|_| part.is_last).into_iter().for_each(|key| mark.use_key(key));
    }
    let budgets = rows.budgets();
    Ok(Ok(Some(Done::Decided(Decided { budgets, ..chose.told() }))))
}

fn write_alone(
    group: &mut Group<'_>,
    owner: i64,
    intent: &Intent,
    taken: &[Taken<'_>],
    rows: &mut Path,
) -> JobResult<()> {
    let batch = begin(group.beside(), owner, intent)?;
    take(group, owner, intent, batch, taken, rows)
}

/// Holds the money of a part's messages, and writes them.
fn take(
    group: &mut Group<'_>,
    owner: i64,
    intent: &Intent,
    batch: i64,
    taken: &[Taken<'_>],
    rows: &mut Path,
) -> JobResult<()> {
    if taken.is_empty() {
        return Ok(());
    }
    let budgets = rows.hold(group, taken)?;
    insert(
        group.beside(),
        owner,
        intent,
        taken,
        &Lines { batch: Some(batch), state: State::Queued, budgets: &budgets },
    )
}

/// Writes the bulk's row and its key.
fn begin(db: &Connection, owner: i64, intent: &Intent) -> JobResult<i64> {
    let Some(batch) = &intent.batch else { return Err(contradiction("a bulk without an id")) };
    let now = intent.now.as_millis();
    db.prepare_cached(
        "INSERT INTO batch (id, principal, created_ms, report, accepting) VALUES (?1, ?2, ?3, '', ?4)",
    )?
    .execute(params![batch.id.as_str(), intent.payer.principal, now, owner])?;
    let seq = db.last_insert_rowid();
    if let Some(key) = &intent.idempotency {
        db.prepare_cached(
            "INSERT INTO idempotency (principal, key, fingerprint, target, sandbox, used_ms) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            intent.payer.principal,
            key.key,
            key.fingerprint,
            batch.id.as_str(),
            intent.payer.realm.is_sandbox(),
            now
        ])?;
    }
    Ok(seq)
}

/// The bulk's row, which this instance must be accepting still.
fn own(db: &Connection, owner: i64, intent: &Intent) -> JobResult<i64> {
    let Some(batch) = &intent.batch else { return Err(contradiction("a bulk without an id")) };
    let mut find = db.prepare_cached("SELECT seq FROM batch WHERE id = ?1 AND accepting = ?2")?;
    let seq = find.query_row(params![batch.id.as_str(), owner], |row| row.get(0)).optional()?;
    seq.ok_or_else(|| contradiction("the bulk was withdrawn by another process"))
}

/// The bulk is there for everybody from now on, with this report of its call.
fn end(db: &Connection, batch: i64, report: &str) -> JobResult<()> {
    db.prepare_cached("UPDATE batch SET accepting = NULL, report = ?2 WHERE seq = ?1")?
        .execute(params![batch, report])?;
    Ok(())
}

/// The messages of an intent that has them all at once.
pub(super) fn all_of(drafts: Vec<Draft>) -> Many {
    let drafts = Arc::new(drafts);
    let (count, hold_micros) =
        (drafts.len(), drafts.iter().map(|draft| draft.hold_micros).fold(0, i64::saturating_add));
    let make: MakeDrafts = Arc::new(move |range| Ok(drafts.get(range).unwrap_or_default().to_vec()));
    Many { count, hold_micros, make }
}
