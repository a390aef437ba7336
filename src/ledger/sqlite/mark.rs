//! The mark outside the ledger, where a restore of the one does not restore the other: how often the ledger
//! was written, who opted out, and at least how much of each budget is used.
//!
//! The ledger counts its groups of writes. The count goes into the mark when a group is in the ledger and
//! before it is answered, so before anything of it leaves: ledger, mark, wire. A kill in between leaves a
//! ledger that is ahead of its mark, which is no doubt; a ledger behind its mark is an older one. The mark is
//! not synced for each group but once per lease, so a power cut and a restore to a moment within that lease,
//! both before the ledger is opened again, are not told from no restore.
//!
//! In doubt the ledger counts nothing, so it can never catch up with its mark. What people say and what
//! providers report is recorded all the same, a STOP in the mark too; nothing is accepted for a real provider
//! and nothing begins, until the right ledger is in its place or a person takes this one as it is (`accept`).
//! What the sandbox carries is not in doubt.

mod base;
mod exchanged;
mod found;
mod keys;
mod names;
mod notes;
mod sheet;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};

use super::budget::{IS_LIVE, scope_number};
use super::job::JobResult;
use super::place::make_folder;
use super::wish::Wish;
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::mark::{Doubt, MarkAt, Marking, Why};
use crate::sms::facts::Budget;
use crate::sms::message::hex;
use base::Base;
pub(super) use base::{in_file, layout};
pub(super) use exchanged::apply;
use exchanged::{COVERS, copy};
use found::{Found, Pair, Row};
pub(super) use keys::{Key, used};
use keys::{Keys, copy_keys};
use names::{keys_of, mark_of, name_of, notes_of};
pub(super) use notes::Cover;
use notes::{Notes, cover_from};
use sheet::Sheet;

/// After so many groups, or so long after the first of them, the mark is brought to the disk.
const LEASE_GROUPS: u32 = 256;
pub(super) const LEASE_MS: i64 = 30_000;

/// How much more of a budget the mark says is used than there is, so that it is not written for each send: a
/// part of its limit, and so many messages at most.
const AHEAD: i64 = 64;

/// Most budgets that are remembered to be covered.
const MOST_COVERED: usize = 10_000;

enum Standing {
    /// No mark is kept.
    Unkept,
    /// All is well.
    Sound { identity: String, hand: File },
    /// See [`Found::Doubt`].
    Doubted(Doubt, Vec<PathBuf>),
    /// The mark cannot be made, read or written. Why.
    Failed(String),
}

struct Inner {
    standing: Standing,
    notes: Option<Notes>,
    keys: Option<Keys>,
    /// The count of the last group that this process wrote.
    count: i64,
    base: Base,
    /// What the jobs of the group that runs now have to tell the mark.
    wishes: Vec<Wish>,
    covers: HashMap<String, Cover>,
    used: Vec<Key>,
    /// How much of each budget the mark says is used.
    covered: HashMap<String, (i64, i64)>,
    has_taken_strays: bool,
    /// Whether how things stand was found out in the transaction that runs now.
    is_fresh: bool,
    /// Groups since the mark was last synced, and when the first of them was.
    lease: (u32, Timestamp),
    frozen: Vec<Cover>,
}

impl Inner {
    /// Whether the notes and keys that are open are those at their names.
    fn has_all(&self) -> bool {
        self.notes.as_ref().is_none_or(Notes::is_there) && self.keys.as_ref().is_none_or(Keys::is_there)
    }
}

/// What became of counting a group.
pub(super) enum Counted {
    /// It is not counted.
    Not,
    /// This is its count.
    As(i64),
    /// The ledger is not the one that it was: all of the group has to be undone, and run again as things
    /// stand now.
    Anew,
}

/// See the module's text.
pub(super) struct Mark {
    marking: Option<Marking>,
    ledger: PathBuf,
    file: PathBuf,
    is_well: AtomicBool,
    has_lost_keys: AtomicBool,
    inner: Mutex<Inner>,
}

impl Mark {
    fn pair(&self) -> Pair<'_> {
        Pair { ledger: &self.ledger, file: &self.file, marking: self.marking.as_ref() }
    }

    /// Holds the ledger against its mark, in the transaction in which it is opened. One that was never marked
    /// is marked from now on.
    pub(super) fn hold(
        db: &Connection,
        ledger: &Path,
        marking: Option<Marking>,
        had_log: bool,
    ) -> rusqlite::Result<Self> {
        let file = match marking.as_ref().map(|marking| &marking.at) {
            Some(MarkAt::File(file)) => file.clone(),
            Some(MarkAt::Folder(folder)) => folder.join(name_of(ledger)),
            Some(MarkAt::Nowhere) | None => PathBuf::new(),
        };
        let inner = Inner {
            standing: Standing::Unkept,
            notes: None,
            keys: None,
            count: 0,
            base: Base::new(ledger, &Row::read(db)?, had_log),
            wishes: Vec::new(),
            covers: HashMap::new(),
            used: Vec::new(),
            covered: HashMap::new(),
            has_taken_strays: false,
            is_fresh: false,
            lease: (0, Timestamp(0)),
            frozen: Vec::new(),
        };
        let mark = Self {
            marking,
            ledger: ledger.to_owned(),
            file,
            is_well: AtomicBool::new(true),
            has_lost_keys: AtomicBool::new(false),
            inner: Mutex::new(inner),
        };
        mark.take(db, &mut mark.inner())?;
        Ok(mark)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a mark is kept at all.
    pub(super) fn keeps(&self) -> bool {
        self.marking.as_ref().is_some_and(|marking| marking.at != MarkAt::Nowhere)
    }

    /// Finds out how things stand, and gets hold of the mark.
    fn take(&self, db: &Connection, inner: &mut Inner) -> rusqlite::Result<()> {
        (inner.notes, inner.keys, inner.count, inner.is_fresh) = (None, None, 0, true);
        self.has_lost_keys.store(keys::any_lost(db)?, Ordering::Relaxed);
        inner.covered.clear();
        let found = match self.pair().look(db)? {
            Found::Unmarked
                if !self.keeps() || !self.marking.as_ref().is_some_and(|marking| marking.is_needed) =>
            {
                None
            }
            Found::Unmarked => match self.pair().other(db)? {
                Some(doubt) => Some(doubt),
                None => Some(match self.adopt(db) {
                    Ok(()) => Found::Sound(Row::read(db)?),
                    Err(error) => {
                        self.fail(inner, &error);
                        return Ok(());
                    }
                }),
            },
            found => Some(found),
        };
        inner.standing = match found {
            None => Standing::Unkept,
            Some(Found::Sound(row)) => match self.enter(db, inner, &row) {
                Ok(hand) => Standing::Sound { identity: row.identity.unwrap_or_default(), hand },
                Err(error) => {
                    self.fail(inner, &error);
                    return Ok(());
                }
            },
            Some(Found::Doubt(doubt, sources)) => {
                inner.notes = sources
                    .first()
                    .filter(|_| doubt.why != Why::Second)
                    .and_then(|notes| Notes::open(notes).ok());
                Standing::Doubted(doubt, sources)
            }
            Some(Found::Broken(error)) => {
                self.fail(inner, &error);
                return Ok(());
            }
            Some(Found::Unmarked) => Standing::Unkept,
        };
        self.is_well
            .store(matches!(inner.standing, Standing::Unkept | Standing::Sound { .. }), Ordering::Relaxed);
        Ok(())
    }

    fn fail(&self, inner: &mut Inner, error: &std::io::Error) {
        self.is_well.store(false, Ordering::Relaxed);
        let why = error.to_string();
        if !matches!(&inner.standing, Standing::Failed(before) if *before == why) {
            tracing::error!(mark = %self.file.display(), %error,
                "the mark of the ledger cannot be written: nothing is sent");
        }
        inner.standing = Standing::Failed(why);
    }

    /// Makes the mark of a ledger that has none. A mark whose count is 0 stands for nothing, until the ledger
    /// knows of it.
    fn adopt(&self, db: &Connection) -> std::io::Result<()> {
        let identity = fresh_identity().map_err(|error| std::io::Error::other(error.message().to_owned()))?;
        sheet::create(
            &self.file,
            &Sheet { identity: identity.clone(), count: 0, ledger: Some(self.ledger.clone()) },
        )?;
        copy(db, &mut Notes::open_or_begin(&notes_of(&self.file))?)?;
        copy_keys(db, &keys_of(&self.file))?;
        let marked = db.execute(
            "UPDATE mark SET identity = ?1, count = count + 1, at_ms = ?2",
            params![identity, SystemClock.now().as_millis()],
        );
        marked.map_err(std::io::Error::other)?;
        tracing::info!(mark = %self.file.display(),
            "the ledger is marked from now on: an older one in its place will send nothing");
        Ok(())
    }

    /// Gets hold of the mark of a ledger about which there is no doubt, and takes over what was told while
    /// there was one.
    fn enter(&self, db: &Connection, inner: &mut Inner, row: &Row) -> std::io::Result<File> {
        let hand = sheet::open(&self.file)?;
        // What cannot be read any more, the ledger knows: there is no doubt about it.
        let mut notes = Notes::open_or_begin(&notes_of(&self.file))?;
        let is_behind = row.is_behind || !notes.is_whole()?;
        let strays = notes.wishes(true)?;
        apply(db, &strays).map_err(std::io::Error::other)?;
        if is_behind {
            copy(db, &mut notes)?;
            db.execute("UPDATE mark SET is_behind = 0", []).map_err(std::io::Error::other)?;
        }
        let file = keys_of(&self.file);
        inner.keys =
            Some(if file.exists() && !is_behind { Keys::open(&file)? } else { copy_keys(db, &file)? });
        inner.notes = Some(notes);
        (inner.count, inner.has_taken_strays) = (row.count, !strays.is_empty());
        Ok(hand)
    }

    /// Says in the mark what the ledger says, once the ledger is opened. After a power cut the mark may lag
    /// behind.
    pub(super) fn begin(&self) {
        let count = self.inner().count;
        let _ = self.raise(Some(count).filter(|count| *count > 0));
    }

    /// Whether something may be accepted for a real provider, or begin there.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_well.load(Ordering::Relaxed) {
            return Ok(());
        }
        match &self.inner().standing {
            Standing::Unkept | Standing::Sound { .. } => Ok(()),
            Standing::Doubted(doubt, _) => Err(Error::new(ErrorKind::LedgerInDoubt, doubt.message.clone())),
            Standing::Failed(why) => Err(Error::new(
                ErrorKind::LedgerUnavailable,
                format!("the mark {} of the ledger cannot be written: {why}", self.file.display()),
            )
            .next(UNWRITABLE)),
        }
    }

    /// Looks again, where all was not well: the right ledger or mark may be in its place now, or a person may
    /// have accepted this one. And where the notes or keys of a sound one are not at their names any more:
    /// they are made anew from the ledger.
    pub(super) fn look_again(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut inner = self.inner();
        if self.is_well.load(Ordering::Relaxed) && inner.has_all() {
            Ok(())
        } else {
            self.take(db, &mut inner)
        }
    }

    /// Forgets what the jobs of the group before had to tell.
    pub(super) fn begin_group(&self) {
        let mut inner = self.inner();
        inner.wishes.clear();
        inner.covers.clear();
        inner.used.clear();
    }

    /// What was found out in a transaction that was undone is to be found out again.
    pub(super) fn undo(&self) {
        let mut inner = self.inner();
        if inner.is_fresh {
            inner.standing = Standing::Failed("it is to be looked at again".to_owned());
            self.is_well.store(false, Ordering::Relaxed);
        }
    }

    /// Whether this key was used in a ledger that was lost.
    pub(super) fn is_lost(&self, db: &Connection, key: Key) -> JobResult<bool> {
        if self.has_lost_keys.load(Ordering::Relaxed) { keys::is_lost(db, key) } else { Ok(false) }
    }

    /// A key that is used from now on.
    pub(super) fn use_key(&self, key: Key) {
        self.inner().used.push(key);
    }

    /// What a person wants, as the ledger records it just now.
    pub(super) fn wish(&self, wish: Wish) {
        self.inner().wishes.push(wish);
    }

    /// How much of a budget is used, as the ledger holds it just now for texts that cost so much each.
    pub(super) fn cover(&self, budget: &Budget, each_micros: i64) {
        let mut inner = self.inner();
        if !matches!(inner.standing, Standing::Sound { .. }) {
            return;
        }
        let (used_micros, messages) =
            (budget.held_micros.saturating_add(budget.spent_micros), budget.messages);
        if inner
            .covered
            .get(budget.key.as_str())
            .is_some_and(|(micros, count)| used_micros <= *micros && messages <= *count)
        {
            return;
        }
        let part = |limit: Option<i64>, most: i64| limit.map_or(most, |limit| (limit / AHEAD).min(most));
        let cover = Cover {
            key: budget.key.to_string(),
            scope: scope_number(budget.scope),
            used_micros: used_micros
                .saturating_add(part(budget.limits.spend_micros, each_micros.saturating_mul(AHEAD))),
            messages: messages.saturating_add(part(budget.limits.messages, AHEAD)),
            is_frozen: false,
        };
        inner.covers.insert(budget.key.to_string(), cover);
    }

    /// Counts a group whose jobs wrote something, before its commit.
    pub(super) fn count(&self, db: &Connection) -> JobResult<Counted> {
        let mut inner = self.inner();
        let Standing::Sound { identity, .. } = &inner.standing else { return Ok(Counted::Not) };
        let mut count = db.prepare_cached(
            "UPDATE mark SET count = count + 1, at_ms = ?2, base = max(base, ?3) WHERE id \
                = 1 AND identity = ?1 RETURNING count",
        )?;
        let mut rows = count.query(params![identity, SystemClock.now().as_millis(), inner.base.count()])?;
        match rows.next()?.map(|row| row.get::<_, i64>(0)).transpose()? {
            Some(count) if count > inner.count => Ok(Counted::As(count)),
            // Another file's content, or another process accepted it.
            _ => {
                inner.is_fresh = true;
                Ok(Counted::Anew)
            }
        }
    }

    /// Tells the notes what the jobs of the group said, before its commit: who is to get no more texts, and
    /// what is used. Where that cannot be written and something is to begin, the group must not be; else the
    /// ledger says that the mark lacks it.
    pub(super) fn write_down(&self, db: &Connection, begins: bool) -> JobResult<Result<()>> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let outs: Vec<Wish> = inner.wishes.iter().filter(|wish| wish.is_out).cloned().collect();
        let Some(notes) = &mut inner.notes else {
            if !outs.is_empty() {
                db.execute("UPDATE mark SET is_behind = 1 WHERE identity IS NOT NULL", [])?;
            }
            return Ok(Ok(()));
        };
        if outs.is_empty() && inner.covers.is_empty() && inner.used.is_empty() {
            return Ok(Ok(()));
        }
        let is_stray = !matches!(inner.standing, Standing::Sound { .. });
        let wished = if outs.is_empty() { Ok(()) } else { notes.write_wishes(&outs, is_stray) };
        let written = wished.and_then(|()| {
            if inner.covers.is_empty() { Ok(()) } else { notes.write_covers(inner.covers.values()) }
        });
        let written =
            written.and_then(|()| inner.keys.as_mut().map_or(Ok(()), |keys| keys.append(&inner.used)));
        if let Err(error) = written {
            if !is_stray {
                self.fail(inner, &error);
            }
            if begins {
                return Ok(Err(Error::new(
                    ErrorKind::LedgerUnavailable,
                    format!("the mark of the ledger cannot be written: {error}"),
                )
                .next(UNWRITABLE)));
            }
            db.execute("UPDATE mark SET is_behind = 1", [])?;
            return Ok(Ok(()));
        }
        if inner.covered.len() > MOST_COVERED {
            inner.covered.clear();
        }
        inner
            .covered
            .extend(inner.covers.drain().map(|(key, cover)| (key, (cover.used_micros, cover.messages))));
        Ok(Ok(()))
    }

    /// Writes the count of a group that is in the ledger, before it is answered.
    pub(super) fn raise(&self, count: Option<i64>) -> Result<()> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        inner.is_fresh = false;
        let Standing::Sound { hand, .. } = &inner.standing else { return Ok(()) };
        if let Some(count) = count {
            match sheet::raise(hand, count) {
                Ok(false) => {}
                Ok(true) => {
                    if inner.lease.0 == 0 {
                        inner.lease.1 = SystemClock.now();
                    }
                    inner.lease.0 += 1;
                }
                Err(error) => {
                    self.fail(inner, &error);
                    let message = format!("the mark of the ledger cannot be written: {error}");
                    return Err(Error::new(ErrorKind::LedgerUnavailable, message).next(UNWRITABLE));
                }
            }
            inner.base.look(inner.count);
            inner.count = count;
        }
        let Some(notes) = &mut inner.notes else { return Ok(()) };
        if std::mem::take(&mut inner.has_taken_strays) {
            let _ = notes.forget_strays();
        }
        // Who wants texts again: where this cannot be written, more is stopped than less.
        let ins: Vec<Wish> = inner.wishes.drain(..).filter(|wish| !wish.is_out).collect();
        if !ins.is_empty() {
            let _ = notes.write_wishes(&ins, false);
        }
        Ok(())
    }

    /// Notes how often the ledger was written, where all of that is in the file: see [`base`].
    pub(super) fn note_base(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut inner = self.inner();
        if !matches!(inner.standing, Standing::Sound { .. }) || !Base::is_all_in_file(db)? {
            return Ok(());
        }
        let count = Row::read(db)?.count;
        // Again: what was counted is in it too.
        if Base::is_all_in_file(db)? && inner.base.raise(count) {
            base::write(db, count)?;
        }
        Ok(())
    }

    /// Whether groups were written that the disk may not know of.
    pub(super) fn is_due(&self) -> bool {
        self.inner().lease.0 > 0
    }

    /// Ends the lease where it is over: what froze goes into the mark, and all of it to the disk.
    pub(super) fn renew(&self, db: &Connection, is_over: bool) {
        let is_over = is_over || {
            let (groups, since) = self.inner().lease;
            groups >= LEASE_GROUPS || (groups > 0 && SystemClock.now() >= since.plus_ms(LEASE_MS))
        };
        if !is_over {
            return;
        }
        let read = || -> rusqlite::Result<Vec<Cover>> {
            let mut frozen =
                db.prepare_cached(&format!("{COVERS} WHERE frozen AND {IS_LIVE} ORDER BY id"))?;
            frozen.query_map([], cover_from)?.collect()
        };
        if let Ok(frozen) = read() {
            let mut inner = self.inner();
            let inner = &mut *inner;
            let is_news = inner.frozen != frozen;
            if let (true, Some(notes), Standing::Sound { .. }) = (is_news, &mut inner.notes, &inner.standing)
            {
                match notes.write_frozen(&frozen) {
                    Ok(()) => inner.frozen = frozen,
                    Err(error) => self.fail(inner, &error),
                }
            }
        }
        self.sync();
    }

    fn sync(&self) {
        let mut inner = self.inner();
        let Standing::Sound { hand, .. } = &inner.standing else { return };
        let synced = inner.notes.as_ref().map_or(Ok(()), Notes::sync);
        let synced = synced
            .and_then(|()| inner.keys.as_ref().map_or(Ok(()), Keys::sync))
            .and_then(|()| hand.sync_data());
        inner.lease.0 = 0;
        if let Err(error) = synced {
            self.fail(&mut inner, &error);
        }
    }

    /// The doubt, and what is known outside the ledger: wishes and budgets, and whether that is all there
    /// was.
    pub(super) fn known_outside(&self, db: &Connection) -> JobResult<Option<Outside>> {
        let mut inner = self.inner();
        if !matches!(inner.standing, Standing::Unkept) {
            self.take(db, &mut inner)?;
        }
        let Standing::Doubted(doubt, sources) = &inner.standing else { return Ok(None) };
        let mut outside = Outside {
            doubt: doubt.clone(),
            wishes: Vec::new(),
            covers: Vec::new(),
            keys: Vec::new(),
            is_gone: false,
        };
        outside.is_gone = matches!(doubt.why, Why::NoMark | Why::Unreadable | Why::Other | Why::Unkept);
        if let (Why::Other, Some(notes), Some(identity)) = (doubt.why, &inner.notes, Row::read(db)?.identity)
        {
            // An older one from before a person accepted it: all that was since is in the notes.
            outside.is_gone = !notes.knows(&identity).unwrap_or(false) && !self.is_before(db)?;
        }
        for source in sources {
            let read = Notes::open(source)
                .and_then(|notes| Ok((notes.wishes(false)?, notes.covers()?, notes.is_whole()?)));
            match read {
                Ok((wishes, covers, is_whole)) => {
                    outside.is_gone |= !is_whole;
                    outside.wishes.extend(wishes);
                    // Another ledger's budgets are no budgets of this one.
                    outside.covers.extend(covers.into_iter().filter(|_| doubt.why != Why::Second));
                }
                Err(_) => outside.is_gone = true,
            }
        }
        // Those of another ledger were used in none that this one is a copy of, and are used all the same.
        for mark in sources.iter().filter_map(|source| mark_of(source)) {
            match Keys::read(&keys_of(&mark)) {
                Ok(keys) => outside.keys.extend(keys),
                Err(_) => outside.is_gone = true,
            }
        }
        Ok(Some(outside))
    }

    /// Whether the mark speaks of this ledger as it was before a person accepted it, and nothing was written
    /// since: the mark could not be made anew then.
    fn is_before(&self, db: &Connection) -> rusqlite::Result<bool> {
        let Ok(Some((sheet, _))) = sheet::read(&self.file) else { return Ok(false) };
        db.query_row(
            "SELECT EXISTS (SELECT 1 FROM acceptance a, mark m WHERE a.identity = ?1 AND a.at_ms = m.at_ms)",
            [sheet.identity],
            |row| row.get(0),
        )
    }

    /// Makes the mark anew for a ledger that a person accepted, whose identity is another one now.
    pub(super) fn make_anew(&self, db: &Connection) -> Result<()> {
        if !self.keeps() {
            return Ok(());
        }
        let wrong = |error: std::io::Error| {
            Error::new(
                ErrorKind::LedgerUnavailable,
                format!("the mark {} cannot be written: {error}", self.file.display()),
            )
            .next("Mend that, then run `sms-mcp ledger accept` again. Nothing is sent until then.")
        };
        let read = || -> rusqlite::Result<(Row, Vec<String>)> {
            let mut earlier = db.prepare("SELECT identity FROM acceptance WHERE identity IS NOT NULL")?;
            let earlier = earlier.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            Ok((Row::read(db)?, earlier))
        };
        let (row, earlier) = read().map_err(|error| wrong(std::io::Error::other(error)))?;
        let identity = row.identity.unwrap_or_default();
        let sheet = Sheet { identity, count: row.count, ledger: Some(self.ledger.clone()) };
        let mut inner = self.inner();
        inner.notes = None;
        let made = || -> std::io::Result<()> {
            if let Some(folder) = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                make_folder(folder)?;
            }
            let file = notes_of(&self.file);
            let mut notes = Notes::open_or_begin(&file)?;
            copy(db, &mut notes)?;
            let before = sheet::read(&self.file).ok().flatten().map(|(sheet, _)| sheet.identity);
            before.into_iter().chain(earlier).try_for_each(|identity| notes.know(&identity))?;
            notes.forget_strays()?;
            notes.sync()?;
            copy_keys(db, &keys_of(&self.file))?.sync()?;
            sheet::create(&self.file, &sheet)
        };
        made().map_err(wrong)
    }
}

const UNWRITABLE: &str = "Nothing was sent, for nobody could tell afterwards whether the ledger is the \
    newest one. The operator must see to it that the mark \
    can be written, or name another place for it ([ledger] mark).";

/// What is known outside a ledger in doubt.
pub(super) struct Outside {
    pub(super) doubt: Doubt,
    pub(super) wishes: Vec<Wish>,
    pub(super) covers: Vec<Cover>,
    pub(super) keys: Vec<Key>,
    /// Whether not all of it is known.
    pub(super) is_gone: bool,
}

/// A name for a ledger, such as nothing else has.
pub(super) fn fresh_identity() -> Result<String> {
    let mut random = [0; 16];
    SystemClock.fill_random(&mut random)?;
    Ok(hex(&random))
}
