//! Which idempotency keys were used: a digest of each, one after the other in a file beside the mark. A call
//! that is repeated after an older ledger was accepted is not a new one.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{Error, Result, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use super::super::place::{Id, id, is_of_this_user, write_whole};
use crate::ledger::Intent;

/// Octets of a digest.
const OCTETS: usize = 16;

/// What stands for a principal's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in super::super) struct Key([u8; OCTETS]);

impl Key {
    /// What stands for the key of this intent; nothing where it has none.
    pub(in super::super) fn of(intent: &Intent) -> Option<Self> {
        let key = intent.idempotency.as_ref()?;
        Some(Self::new(&intent.payer.principal, &key.key))
    }

    /// What stands for this key of this principal.
    pub(in super::super) fn new(principal: &str, key: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update(principal.len().to_le_bytes());
        digest.update(principal);
        digest.update(key);
        let mut octets = [0; OCTETS];
        octets.iter_mut().zip(digest.finalize()).for_each(|(octet, digested)| *octet = digested);
        Self(octets)
    }

    /// As it stands in the ledger.
    pub(in super::super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// Every key that was used for a real provider, in this ledger or in one that was lost.
pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<Key>> {
    let mut all = used(db)?;
    let mut lost = db.prepare("SELECT digest FROM lost_key")?;
    let lost = lost.query_map([], |row| row.get(0).map(Key))?;
    all.extend(lost.collect::<rusqlite::Result<Vec<_>>>()?);
    Ok(all)
}

/// Every key that was used for a real provider in this ledger.
pub(in super::super) fn used(db: &Connection) -> rusqlite::Result<Vec<Key>> {
    let mut used = db.prepare("SELECT principal, key FROM idempotency WHERE NOT sandbox")?;
    used.query_map([], |row| Ok(Key::new(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)))?.collect()
}

/// Whether any key was used in a ledger that was lost.
pub(super) fn any_lost(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT EXISTS (SELECT 1 FROM lost_key)", [], |row| row.get(0))
}

/// Whether this one was.
pub(super) fn is_lost(db: &Connection, key: Key) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM lost_key WHERE digest = ?1)")?
        .query_row([key.octets()], |row| row.get(0))
}

/// The file, to add to.
pub(super) struct Keys {
    file: File,
    path: PathBuf,
    /// Which file it is.
    id: Option<Id>,
}

impl Keys {
    /// Makes the file for this user only, with these keys in it or not at all, in place of whatever is there.
    pub(super) fn make(path: &Path, keys: &[Key]) -> Result<Self> {
        write_whole(path, &octets(keys))?;
        Self::open(path)
    }

    /// Opens what is there. What a power cut left of a digest is taken away.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.symlink_metadata().is_ok_and(|about| !about.is_file() || !is_of_this_user(path, &about)) {
            return Err(Error::other("it is no file of this user"));
        }
        let file = OpenOptions::new().append(true).open(path)?;
        let length = file.metadata()?.len();
        let over = length % u64::try_from(OCTETS).unwrap_or(1);
        if over > 0 {
            // Not by the handle that appends: that may not cut on every system.
            OpenOptions::new().write(true).open(path)?.set_len(length - over)?;
        }
        Ok(Self { file, path: path.to_owned(), id: id(path) })
    }

    /// Adds keys, in one write, so that those of several processes do not mix.
    pub(super) fn append(&mut self, keys: &[Key]) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        self.file.write_all(&octets(keys))
    }

    /// Brings all of it to the disk.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data()
    }

    /// Whether it is the file at its name.
    pub(super) fn is_there(&self) -> bool {
        self.id.is_some() && id(&self.path) == self.id
    }

    /// Reads every key.
    pub(super) fn read(path: &Path) -> Result<Vec<Key>> {
        let octets = std::fs::read(path)?;
        Ok(octets.chunks_exact(OCTETS).filter_map(|octets| octets.try_into().ok().map(Key)).collect())
    }
}

fn octets(keys: &[Key]) -> Vec<u8> {
    keys.iter().flat_map(|key| key.0).collect()
}

/// Adds the keys that the ledger knows to those of the mark.
pub(super) fn copy_keys(db: &Connection, file: &Path) -> std::io::Result<Keys> {
    let all = all(db).map_err(std::io::Error::other)?;
    let known: HashSet<Key> = match Keys::read(file) {
        Ok(known) => known.into_iter().collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Keys::make(file, &all),
        Err(error) => return Err(error),
    };
    let missing: Vec<Key> = all.into_iter().filter(|key| !known.contains(key)).collect();
    let mut keys = Keys::open(file)?;
    keys.append(&missing)?;
    Ok(keys)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_read_back_also_behind_what_a_power_cut_left_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let keys = ["a", "b", "c"].map(|key| Key::new("alice", key));
        Keys::make(&path, &keys[..1]).unwrap().append(&keys[1..2]).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"half").unwrap();
        Keys::open(&path).unwrap().append(&keys[2..]).unwrap();
        assert_eq!(Keys::read(&path).unwrap(), keys);
        assert_eq!(
            Keys::read(&folder.path().join("absent")).unwrap_err().kind(),
            std::io::ErrorKind::NotFound,
            "none is not the same as an empty one"
        );
    }

    #[test]
    fn a_key_is_its_principals_own() {
        assert_ne!(Key::new("alice", "1"), Key::new("bob", "1"));
        assert_ne!(Key::new("a", "lice1"), Key::new("alice", "1"));
    }
}
