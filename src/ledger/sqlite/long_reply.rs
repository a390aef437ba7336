//! What people write in several segments, until it is told.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use super::job::JobResult;
use super::store::SqliteLedger;
use super::tally::{self, CUT_SHORT};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ledger::long_reply::{
    DOUBT_MS, LongReplies, LongReply, LongReplyClaim, MOST_LONG_REPLIES, MOST_OCTETS, MOST_OF_SENDER,
    NewReplySegment, ReplySegment, TakenSegment, Tallies,
};
use crate::sms::caller_id::Sender;

/// For how long a text that was told is known again, and how many are: carriers keep for a day or two what
/// they were not thanked for.
const KNOWN_MS: i64 = 2 * 24 * 3_600_000;
const MOST_KNOWN: i64 = 10_000;

/// Texts under one number of a sender that a segment is compared with, latest first.
const MOST_COMPARED: i64 = 64;

/// Texts that are ended at a time.
const MOST_ENDED: i64 = 256;

const OPEN: u8 = 0;
const DUE: u8 = 1;
const TOLD: u8 = 2;

#[async_trait]
impl LongReplies for SqliteLedger {
    async fn take_segment(
        &self,
        segment: NewReplySegment,
        now: Timestamp,
        again: Timestamp,
    ) -> Result<TakenSegment> {
        let owner = self.instance.id();
        self.writer()?.run(move |db| take(db, owner, &segment, now, again)).await
    }

    async fn claim_long_replies(&self, claim: LongReplyClaim) -> Result<Vec<LongReply>> {
        let asked = claim.clone();
        if !self.read(move |db| has_any(db, &asked)).await? {
            return Ok(Vec::new());
        }
        self.writer()?.run(move |db| claim_due(db, &claim)).await
    }

    async fn long_reply_told(&self, sequence: i64, now: Timestamp) -> Result<()> {
        self.writer()?.run(move |db| told(db, sequence, now)).await
    }

    async fn tallies(&self, provider: &str) -> Result<Tallies> {
        let provider = provider.to_owned();
        self.read(move |db| tally::all(db, &provider)).await
    }
}

/// A text under the same number, and what it has where the segment belongs.
struct Candidate {
    seq: i64,
    is_open: bool,
    twin: Option<i64>,
    digest: Option<Vec<u8>>,
    vendor_id: String,
    /// Whether another process recorded it less than [`DOUBT_MS`] ago.
    is_fresh: bool,
}

impl Candidate {
    /// Whether it waits for this segment.
    const fn has_room(&self) -> bool {
        self.is_open && self.digest.is_none()
    }
}

/// Where a segment belongs.
enum Place {
    /// Into this text; whether it stays a twin.
    Into { seq: i64, is_twin: bool },
    /// Into a new one, which may be this one, told again.
    New { twin: Option<i64> },
    /// It is here already.
    Known,
}

/// See [`LongReplies::take_segment`].
fn take(
    db: &Connection,
    owner: i64,
    segment: &NewReplySegment,
    now: Timestamp,
    again: Timestamp,
) -> JobResult<TakenSegment> {
    if let Some(content) = &segment.content {
        db.prepare_cached("DELETE FROM told WHERE provider = ?1 AND content = ?2")?
            .execute([&segment.provider, content])?;
    }
    let digest = digest(segment);
    let candidates = candidates(db, owner, segment, now)?;
    let (seq, is_twin) = match place(segment, &digest, &candidates) {
        Place::Known => return Ok(TakenSegment::default()),
        Place::Into { seq, is_twin } => (seq, is_twin),
        Place::New { twin } => (begin(db, segment, twin, now)?, twin.is_some()),
    };
    db.prepare_cached(
        "INSERT INTO long_reply_segment (text, number, coding, octets, digest, vendor_id, owner, \
         recorded_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        seq,
        segment.number,
        segment.coding,
        segment.octets,
        digest,
        segment.vendor_id,
        owner,
        now.as_millis()
    ])?;
    let count: u32 = db
        .prepare_cached(
            "UPDATE long_reply SET count = count + 1, octets = octets + ?2, at_ms = min(at_ms, ?3), twin = \
             CASE WHEN ?4 THEN twin END
             WHERE seq = ?1 RETURNING count",
        )?
        .query_row(
            params![
                seq,
                i64::try_from(segment.octets.len()).unwrap_or(i64::MAX),
                segment.at.as_millis(),
                is_twin
            ],
            |row| row.get(0),
        )?;
    if count < u32::from(segment.total) {
        return Ok(TakenSegment { whole: None, cut_short: make_room(db, segment, now)? });
    }
    if is_twin {
        // All of it was told before.
        forget(db, seq)?;
        return Ok(TakenSegment::default());
    }
    db.prepare_cached("UPDATE long_reply SET state = ?2, due_ms = ?3 WHERE seq = ?1")?.execute(params![
        seq,
        DUE,
        again.as_millis()
    ])?;
    Ok(TakenSegment { whole: load(db, seq)?, cut_short: 0 })
}

fn digest(segment: &NewReplySegment) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update([segment.coding]);
    hash.update(&segment.octets);
    hash.finalize().iter().take(16).copied().collect()
}

/// How a sender's kind is written.
fn spelled(sender: &Sender) -> &str {
    match sender {
        Sender::E164(_) => "e164",
        Sender::AsWritten(_) => "written",
        Sender::InRegion(_, region) => region.as_str(),
        Sender::Unproven(_) => "unproven",
    }
}

fn sender(spelled: &str, text: String) -> Sender {
    match (spelled, spelled.parse()) {
        ("e164", _) => Sender::E164(text),
        ("unproven", _) => Sender::Unproven(text),
        ("written", _) | (_, Err(_)) => Sender::AsWritten(text),
        (_, Ok(region)) => Sender::InRegion(text, region),
    }
}

/// Texts of one sender under one number, latest first, and what they have where a segment belongs.
pub(super) const CANDIDATES: &str =
    "SELECT t.seq, t.state = 0, t.twin, s.digest, coalesce(s.vendor_id, ''), coalesce(s.owner <> ?9 AND \
     s.recorded_ms > ?10, 0) FROM long_reply t
     LEFT JOIN long_reply_segment s ON s.text = t.seq AND s.number = ?7
     WHERE t.provider = ?1 AND t.sender = ?2 AND t.recipient = ?3 AND t.reference = ?4 AND t.total = ?5 AND \
     t.spelled = ?6
     ORDER BY t.seq DESC LIMIT ?8";

/// What waits of a provider: how many texts, and how many octets in all of them.
pub(super) const WAITING: &str =
    "SELECT count(*), coalesce(sum(octets), 0) FROM long_reply WHERE provider = ?1 AND state = 0";

/// Texts of this sender under this number, latest first.
fn candidates(
    db: &Connection,
    owner: i64,
    segment: &NewReplySegment,
    now: Timestamp,
) -> JobResult<Vec<Candidate>> {
    let mut statement = db.prepare_cached(CANDIDATES)?;
    let key = params![
        segment.provider,
        segment.from.text(),
        segment.to,
        segment.reference,
        segment.total,
        spelled(&segment.from),
        segment.number,
        MOST_COMPARED,
        owner,
        now.plus_ms(-DOUBT_MS).as_millis()
    ];
    let rows = statement.query_map(key, |row| {
        let (seq, is_open, twin, digest, vendor_id) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(Candidate { seq, is_open, twin, digest, vendor_id, is_fresh: row.get(5)? })
    })?;
    rows.collect()
}

/// Where a segment belongs among the texts under its number. See [`crate::ledger::long_reply`].
fn place(segment: &NewReplySegment, digest: &[u8], candidates: &[Candidate]) -> Place {
    let has_name = |candidate: &&Candidate| !segment.vendor_id.is_empty() && !candidate.vendor_id.is_empty();
    let is_equal = |candidate: &&Candidate| candidate.digest.as_deref() == Some(digest);
    if candidates.iter().filter(has_name).filter(is_equal).any(|known| known.vendor_id == segment.vendor_id) {
        return Place::Known;
    }
    let may_be_known = |candidate: &&Candidate| {
        (segment.is_doubtful || candidate.is_fresh) && is_equal(candidate) && !has_name(candidate)
    };
    if candidates.iter().filter(may_be_known).any(|known| known.is_open && known.twin.is_some()) {
        return Place::Known;
    }
    if let Some(first) = candidates.iter().find(may_be_known) {
        let twin =
            candidates.iter().find(|candidate| candidate.has_room() && candidate.twin == Some(first.seq));
        return twin.map_or(Place::New { twin: Some(first.seq) }, |twin| Place::Into {
            seq: twin.seq,
            is_twin: true,
        });
    }
    // The latest first: the text that is being told now. One that says nothing new so far comes last.
    let waiting = |is_twin: bool| {
        candidates.iter().find(move |candidate| candidate.has_room() && candidate.twin.is_some() == is_twin)
    };
    waiting(false)
        .or_else(|| waiting(true))
        .map_or(Place::New { twin: None }, |text| Place::Into { seq: text.seq, is_twin: false })
}

/// Begins a text without a segment.
fn begin(db: &Connection, segment: &NewReplySegment, twin: Option<i64>, now: Timestamp) -> JobResult<i64> {
    db.prepare_cached(
        "INSERT INTO long_reply (provider, sender, spelled, recipient, reference, total, since_ms, at_ms, \
         count, octets, twin, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, ?9, ?10)",
    )?
    .execute(params![
        segment.provider,
        segment.from.text(),
        spelled(&segment.from),
        segment.to,
        segment.reference,
        segment.total,
        now.as_millis(),
        segment.at.as_millis(),
        twin,
        OPEN
    ])?;
    Ok(db.last_insert_rowid())
}

/// Ends the oldest texts where too many wait. Returns how many that were.
fn make_room(db: &Connection, segment: &NewReplySegment, now: Timestamp) -> JobResult<u32> {
    let mut ended = 0;
    let (provider, sender) = (&segment.provider, segment.from.text());
    let of_sender: u32 = db
        .prepare_cached("SELECT count(*) FROM long_reply WHERE provider = ?1 AND sender = ?2 AND state = 0")?
        .query_row(params![provider, sender], |row| row.get(0))?;
    if of_sender > MOST_OF_SENDER {
        let oldest: (i64, Option<i64>) = db
            .prepare_cached(
                "SELECT seq, twin FROM long_reply WHERE provider = ?1 AND sender = ?2 AND state \
                = 0 ORDER BY since_ms, seq LIMIT 1",
            )?
            .query_row(params![provider, sender], |row| Ok((row.get(0)?, row.get(1)?)))?;
        ended += end(db, oldest, now)?;
    }
    loop {
        let (count, octets): (u32, i64) =
            db.prepare_cached(WAITING)?.query_row([provider], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if count <= MOST_LONG_REPLIES && octets <= MOST_OCTETS {
            break;
        }
        let oldest: (i64, Option<i64>) = db
            .prepare_cached(
                "SELECT seq, twin FROM long_reply WHERE provider = ?1 AND state = 0 ORDER BY \
                since_ms, seq LIMIT 1",
            )?
            .query_row([provider], |row| Ok((row.get(0)?, row.get(1)?)))?;
        ended += end(db, oldest, now)?;
    }
    if ended > 0 {
        tally::add(db, CUT_SHORT, provider, ended)?;
    }
    Ok(ended)
}

/// Ends the waiting of a text: it is to be told as it is. A twin says nothing that was not told. Returns how
/// many are to be told.
fn end(db: &Connection, (seq, twin): (i64, Option<i64>), now: Timestamp) -> JobResult<u32> {
    if twin.is_some() {
        forget(db, seq)?;
        return Ok(0);
    }
    db.prepare_cached("UPDATE long_reply SET state = ?2, due_ms = ?3 WHERE seq = ?1")?.execute(params![
        seq,
        DUE,
        now.as_millis()
    ])?;
    Ok(1)
}

fn forget(db: &Connection, seq: i64) -> JobResult<()> {
    db.prepare_cached("DELETE FROM long_reply_segment WHERE text = ?1")?.execute([seq])?;
    db.prepare_cached("DELETE FROM long_reply WHERE seq = ?1")?.execute([seq])?;
    Ok(())
}

fn load(db: &Connection, seq: i64) -> JobResult<Option<LongReply>> {
    let found = db
        .prepare_cached(
            "SELECT sender, spelled, recipient, total, at_ms, since_ms FROM long_reply WHERE seq = ?1",
        )?
        .query_row([seq], |row| {
            let spelled: String = row.get(1)?;
            Ok(LongReply {
                sequence: seq,
                from: sender(&spelled, row.get(0)?),
                to: row.get(2)?,
                total: row.get(3)?,
                at: Timestamp(row.get(4)?),
                since: Timestamp(row.get(5)?),
                segments: Vec::new(),
            })
        });
    let Some(mut reply) = found.optional()? else { return Ok(None) };
    let mut statement = db.prepare_cached(
        "SELECT number, coding, octets FROM long_reply_segment WHERE text = ?1 AND octets \
            IS NOT NULL ORDER BY number",
    )?;
    let segments = statement.query_map([seq], |row| {
        Ok(ReplySegment { number: row.get(0)?, coding: row.get(1)?, octets: row.get(2)? })
    })?;
    reply.segments = segments.collect::<rusqlite::Result<_>>()?;
    Ok(Some(reply))
}

/// Which texts are due, and which wait too long. What should be so far ahead was noted by a clock that was
/// wrong.
const IS_DUE: &str = "provider = ?1 AND state = 1 AND (due_ms <= ?2 OR due_ms > ?3)";
const IS_LATE: &str = "provider = ?1 AND state = 0 AND (since_ms <= ?2 OR since_ms > ?3)";

/// How far ahead nothing is.
const AHEAD_MS: i64 = 3_600_000;

/// Whether anything is to be told, so that nothing is written while there is not.
fn has_any(db: &Connection, claim: &LongReplyClaim) -> rusqlite::Result<bool> {
    let ahead = claim.now.plus_ms(AHEAD_MS).as_millis();
    let has = |what: &str, until: Timestamp| {
        db.prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM long_reply WHERE {what})"))?
            .query_row(params![claim.provider, until.as_millis(), ahead], |row| row.get::<_, bool>(0))
    };
    Ok(has(IS_DUE, claim.now)? || has(IS_LATE, claim.late)?)
}

/// See [`LongReplies::claim_long_replies`].
fn claim_due(db: &Connection, claim: &LongReplyClaim) -> JobResult<Vec<LongReply>> {
    let ahead = claim.now.plus_ms(AHEAD_MS).as_millis();
    let mut statement = db.prepare_cached(&format!(
        "SELECT seq, twin FROM long_reply WHERE {IS_LATE} ORDER BY since_ms, seq LIMIT ?4"
    ))?;
    let late = statement
        .query_map(params![claim.provider, claim.late.as_millis(), ahead, MOST_ENDED], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    for text in late.collect::<rusqlite::Result<Vec<(i64, Option<i64>)>>>()? {
        end(db, text, claim.now)?;
    }
    let mut statement = db.prepare_cached(&format!(
        "SELECT seq FROM long_reply WHERE {IS_DUE} ORDER BY due_ms, seq LIMIT ?4"
    ))?;
    let due = statement
        .query_map(params![claim.provider, claim.now.as_millis(), ahead, claim.limit], |row| row.get(0))?;
    let due: Vec<i64> = due.collect::<rusqlite::Result<_>>()?;
    let mut claimed = Vec::with_capacity(due.len());
    for seq in due {
        db.prepare_cached("UPDATE long_reply SET due_ms = ?2 WHERE seq = ?1")?
            .execute([seq, claim.again.as_millis()])?;
        claimed.extend(load(db, seq)?);
    }
    Ok(claimed)
}

/// See [`LongReplies::long_reply_told`].
fn told(db: &Connection, seq: i64, now: Timestamp) -> JobResult<()> {
    let is_news = db
        .prepare_cached("UPDATE long_reply SET state = ?2, due_ms = ?3 WHERE seq = ?1 AND state = ?4")?
        .execute(params![seq, TOLD, now.as_millis(), DUE])?;
    if is_news == 0 {
        return Ok(());
    }
    db.prepare_cached("UPDATE long_reply_segment SET octets = NULL WHERE text = ?1")?.execute([seq])?;
    let mut statement = db.prepare_cached(
        "SELECT seq FROM long_reply WHERE state = 2 AND due_ms < ?1
         UNION SELECT seq FROM long_reply WHERE state = 2 AND seq <= (SELECT max(seq) FROM long_reply) - ?2 \
         LIMIT ?3",
    )?;
    let old = statement
        .query_map([now.plus_ms(-KNOWN_MS).as_millis(), MOST_KNOWN, MOST_ENDED], |row| row.get(0))?;
    for seq in old.collect::<rusqlite::Result<Vec<i64>>>()? {
        forget(db, seq)?;
    }
    Ok(())
}
