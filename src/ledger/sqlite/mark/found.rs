//! How a ledger and its mark stand to each other, and what is the matter where they do not fit.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::place::beside;
use super::names::notes_of;
use super::sheet::{self, Sheet};
use crate::clock::Timestamp;
use crate::ledger::mark::{Doubt, MarkAt, Marking, Why};

/// What the ledger itself knows of its mark.
pub(super) struct Row {
    pub(super) identity: Option<String>,
    pub(super) count: i64,
    pub(super) at: Option<Timestamp>,
    pub(super) is_behind: bool,
    /// See [`base`](super::base).
    pub(super) base: i64,
}

impl Row {
    pub(super) fn read(db: &Connection) -> rusqlite::Result<Self> {
        db.prepare_cached("SELECT identity, count, at_ms, is_behind, base FROM mark WHERE id = 1")?.query_row(
            [],
            |row| {
                Ok(Self {
                    identity: row.get(0)?,
                    count: row.get(1)?,
                    at: row.get::<_, Option<i64>>(2)?.map(Timestamp),
                    is_behind: row.get(3)?,
                    base: row.get(4)?,
                })
            },
        )
    }
}

/// How the ledger and its mark stand to each other.
pub(super) enum Found {
    /// Neither knows of the other.
    Unmarked,
    /// The mark is that of this ledger, which is not older.
    Sound(Row),
    /// The mark cannot be read now.
    Broken(std::io::Error),
    /// The doubt, and whose notes are of use in it: that of this ledger first.
    Doubt(Doubt, Vec<PathBuf>),
}

/// A ledger and its mark.
pub(super) struct Pair<'a> {
    pub(super) ledger: &'a Path,
    pub(super) file: &'a Path,
    pub(super) marking: Option<&'a Marking>,
}

impl Pair<'_> {
    /// How the ledger and its mark stand to each other.
    pub(super) fn look(&self, db: &Connection) -> rusqlite::Result<Found> {
        let row = Row::read(db)?;
        let Some(marking) = self.marking else { return Ok(Found::Unmarked) };
        if marking.at == MarkAt::Nowhere {
            let message = || {
                format!(
                    "the ledger {} was marked, and these settings keep no mark ([ledger] mark = \"none\")",
                    self.ledger.display()
                )
            };
            let is_marked = marking.is_needed && row.identity.is_some();
            let doubt = |message| {
                Found::Doubt(
                    Doubt { why: Why::Unkept, message, ledger_at: row.at, mark_at: None },
                    Vec::new(),
                )
            };
            return Ok(if is_marked { doubt(message()) } else { Found::Unmarked });
        }
        let (ledger, mark) = (self.ledger.display(), self.file.display());
        let (sheet, mark_at) = match sheet::read(self.file) {
            Ok(found) => found.unzip(),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Ok(self.doubt(
                    Why::Unreadable,
                    &row,
                    None,
                    format!("the mark {mark} of the ledger {ledger} cannot be read: {error}"),
                ));
            }
            Err(error) => return Ok(Found::Broken(error)),
        };
        let mark_at = mark_at.flatten();
        let until = mark_at.map_or_else(String::new, |at| format!(" until {}", at.rfc3339()));
        let Some(identity) = &row.identity else {
            // Nothing was sent under a mark whose count is 0: its ledger was never told of it.
            return Ok(match sheet.filter(|sheet| sheet.count > 0) {
                None => Found::Unmarked,
                Some(_) => {
                    let message = format!(
                        "the ledger {ledger} is new or was never marked, and the mark {mark} is that of one \
                         which was written{until}"
                    );
                    self.doubt(Why::NoLedger, &row, mark_at, message)
                }
            });
        };
        Ok(match sheet {
            None => self.without_mark(&row, identity),
            Some(sheet) if sheet.identity != *identity => self.doubt(
                Why::Other,
                &row,
                mark_at,
                format!("the mark {mark} is that of another ledger than {ledger}, or of a newer one"),
            ),
            Some(sheet) if sheet.count > row.count => {
                let message = format!(
                    "the ledger {ledger} is older than its mark {mark}, which knows of {} writes more{until}",
                    sheet.count - row.count
                );
                self.doubt(Why::Older, &row, mark_at, message)
            }
            Some(_) => Found::Sound(row),
        })
    }

    fn doubt(&self, why: Why, row: &Row, mark_at: Option<Timestamp>, message: String) -> Found {
        Found::Doubt(Doubt { why, message, ledger_at: row.at, mark_at }, vec![notes_of(self.file)])
    }

    /// A ledger whose mark is not in its place. One that was moved takes its mark along.
    fn without_mark(&self, row: &Row, identity: &str) -> Found {
        let (ledger, mark) = (self.ledger.display(), self.file.display());
        let gone = format!(
            "the ledger {ledger} was marked, and its mark {mark} is not there: it was copied to here, or \
             the mark was removed"
        );
        let moved = self.others().into_iter().find(|(_, sheet)| sheet.identity == *identity);
        let Some((file, sheet)) = moved else { return self.doubt(Why::NoMark, row, None, gone) };
        let was = sheet.ledger.clone();
        let (why, message) = match was {
            _ if sheet.count > row.count => {
                (Why::Older, format!("the ledger {ledger} is older than its mark {}", file.display()))
            }
            Some(was)
                if was
                    .symlink_metadata()
                    .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) =>
            {
                match self.bring(&file, &sheet) {
                    Ok(()) => return Found::Sound(Row { identity: Some(identity.to_owned()), ..*row }),
                    Err(_) => (Why::NoMark, gone),
                }
            }
            was => {
                let was = was.map_or_else(|| "another one".to_owned(), |was| was.display().to_string());
                (
                    Why::Copied,
                    format!(
                        "the ledger {ledger} is a copy of {was}, which is there as well: each would have \
                         limits and a queue of its own"
                    ),
                )
            }
        };
        Found::Doubt(Doubt { why, message, ledger_at: row.at, mark_at: None }, vec![notes_of(&file)])
    }

    /// Brings the mark of a ledger that was moved to its new name.
    fn bring(&self, from: &Path, sheet: &Sheet) -> std::io::Result<()> {
        for end in ["-notes", "-notes-wal", "-notes-shm", "-keys"] {
            let [from, to] = [from, self.file].map(|mark| beside(mark, end));
            if from.exists() {
                std::fs::rename(from, to)?;
            }
        }
        sheet::create(self.file, &Sheet { ledger: Some(self.ledger.to_owned()), ..sheet.clone() })?;
        std::fs::remove_file(from)?;
        tracing::info!(mark = %self.file.display(), "the ledger was moved, and its mark with it");
        Ok(())
    }

    /// The other marks of this user.
    fn others(&self) -> Vec<(PathBuf, Sheet)> {
        let Some(Marking { at: MarkAt::Folder(folder), .. }) = self.marking else { return Vec::new() };
        sheet::all_in(folder)
            .into_iter()
            .filter(|(file, sheet)| *file != self.file && sheet.count > 0)
            .collect()
    }

    /// The doubt about a new ledger of a user who has sent from another one: limits and opt-outs would begin
    /// anew.
    pub(super) fn other(&self, db: &Connection) -> rusqlite::Result<Option<Found>> {
        let is_new: bool =
            db.query_row("SELECT NOT EXISTS (SELECT 1 FROM message WHERE NOT sandbox)", [], |row| {
                row.get(0)
            })?;
        let others = if is_new { self.others() } else { Vec::new() };
        let Some((_, first)) = others.first() else { return Ok(None) };
        let was =
            first.ledger.as_deref().map_or_else(|| "another one".to_owned(), |was| was.display().to_string());
        let message = format!(
            "the ledger {} is new, and this user has sent from {was}: limits and opt-outs would begin anew",
            self.ledger.display()
        );
        let doubt = Doubt { why: Why::Second, message, ledger_at: None, mark_at: None };
        Ok(Some(Found::Doubt(doubt, others.iter().map(|(file, _)| notes_of(file)).collect())))
    }
}
