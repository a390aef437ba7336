//! Where a mark and what belongs to it are.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::super::place::beside;
use crate::sms::message::hex;

/// The name of the mark of the ledger at this path.
pub(super) fn name_of(ledger: &Path) -> String {
    let digest = Sha256::digest(ledger.as_os_str().as_encoded_bytes());
    format!("{}.mark", hex(digest.get(..16).unwrap_or_default()))
}

/// Where the notes of a mark are.
pub(super) fn notes_of(mark: &Path) -> PathBuf {
    beside(mark, "-notes")
}

/// Where the used keys of a mark are.
pub(super) fn keys_of(mark: &Path) -> PathBuf {
    beside(mark, "-keys")
}

/// The mark to which these notes belong.
pub(super) fn mark_of(notes: &Path) -> Option<PathBuf> {
    notes.to_str()?.strip_suffix("-notes").map(PathBuf::from)
}
