//! Coming, leaving, and what a kill leaves.
#![allow(clippy::unwrap_used)]
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::schema::{MIGRATIONS, make_tables};
use super::super::store::SqliteLedger;
use super::*;
use crate::clock::Timestamp;
use crate::ledger::upkeep::Upkeep as _;

#[test]
fn what_is_locked_for_sharing_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::enter(&folder.path().join("ledger.db")).unwrap();
    assert_eq!((&place.door).read(&mut [0]).unwrap(), 0);
}

fn open(path: &Path) -> Result<SqliteLedger> {
    static OPENED: AtomicU64 = AtomicU64::new(1);
    SqliteLedger::open(path, Timestamp(0), OPENED.fetch_add(1, Ordering::Relaxed).to_be_bytes())
}

/// Ends a ledger as a kill does: what is at its three names stays as it is.
fn killed(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = files(path).into_iter().filter(|file| file.exists());
    files.map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

fn put_back(files: &[(PathBuf, Vec<u8>)]) {
    files.iter().for_each(|(file, octets)| std::fs::write(file, octets).unwrap());
}

#[tokio::test]
async fn a_kill_at_any_step_of_coming_and_leaving_needs_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let [_, log, index] = files(&path);
    // New: it has its tables and no log yet, or not even the mode of one.
    std::fs::write(&path, b"").unwrap();
    make_tables(&path).unwrap();
    open(&path).unwrap().close().await.unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA journal_mode = delete").unwrap();
    open(&path).unwrap().close().await.unwrap();
    assert_eq!((application_of(&path).unwrap(), log.exists()), (Some(APPLICATION_ID), false));
    // It is about to say that it is open, and it says so with an empty log.
    std::fs::write(&log, b"").unwrap();
    open(&path).unwrap().close().await.unwrap();
    std::fs::write(&log, b"").unwrap();
    let mut whole = std::fs::read(&path).unwrap();
    whole[68..72].copy_from_slice(&OPEN_ID.to_be_bytes());
    std::fs::write(&path, &whole).unwrap();
    open(&path).unwrap().close().await.unwrap();
    assert!(!log.exists());
    // It says that it is whole, and its log is not gone yet: with that word alone.
    let ledger = open(&path).unwrap();
    assert_eq!(application_of(&path).unwrap(), Some(OPEN_ID));
    ledger.close().await.unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1")).unwrap();
    db.execute_batch(&format!("PRAGMA user_version = {}", MIGRATIONS.len())).unwrap();
    let left = killed(&path);
    drop(db);
    assert!(left.len() == 3 && left[1].1.len() > 4_096);
    put_back(&left);
    let ledger = open(&path).unwrap();
    assert_eq!(application_of(&path).unwrap(), Some(OPEN_ID), "in the file itself, whatever is in the log");
    ledger.close().await.unwrap();
    assert!(!log.exists() && !index.exists());
}

#[tokio::test]
async fn a_file_under_the_log_of_another_one_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, packed) = (folder.path().join("ledger.db"), folder.path().join("packed.db"));
    let ledger = open(&path).unwrap();
    ledger.backup(&packed).await.unwrap();
    let mut octets = std::fs::read(&packed).unwrap();
    ledger
        .writer()
        .unwrap()
        .run(|db| db.execute("UPDATE instance SET opened_ms = opened_ms + 1", []))
        .await
        .unwrap();
    let left = killed(&path);
    drop(ledger);
    // A backup, which says that it is whole; and the same as it is while somebody has it open: its tables are
    // in other places.
    for says in [APPLICATION_ID, OPEN_ID] {
        put_back(&left);
        octets[68..72].copy_from_slice(&says.to_be_bytes());
        std::fs::write(&path, &octets).unwrap();
        let refused = open(&path).err().unwrap();
        assert!(refused.message().contains("another file was put in its place"), "{refused:?}");
        assert_eq!(std::fs::read(&left[1].0).unwrap(), left[1].1, "its log is as it was");
        assert_eq!(std::fs::read(&path).unwrap(), octets, "and so is the file");
    }
    put_back(&left);
    open(&path).unwrap().close().await.unwrap();
    assert_eq!(application_of(&path).unwrap(), Some(APPLICATION_ID));
}

#[tokio::test]
async fn who_reads_while_a_ledger_is_opened_keeps_no_word_out_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    open(&path).unwrap().close().await.unwrap();
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM message").unwrap();
    let ledger = open(&path).unwrap();
    ledger
        .writer()
        .unwrap()
        .run(|db| db.execute("UPDATE instance SET opened_ms = opened_ms + 1", []))
        .await
        .unwrap();
    // The reader's own locks end with its file: not before all is looked at.
    let left = killed(&path);
    assert_eq!(left[0].1[68..72], OPEN_ID.to_be_bytes());
    drop((reader, ledger));
    put_back(&left);
    open(&path).unwrap().close().await.unwrap();
}
