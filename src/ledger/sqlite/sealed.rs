//! Texts that are not to be kept, while they wait in the queue: sealed under a key that is written over once
//! none of them is needed any more.
//!
//! Erasing the row is not enough. `SQLite` moves rows between pages, and what it moved stays behind in the
//! unused room of the page that it was on; `secure_delete` reaches what is deleted, and not that. So what
//! stays behind must be of no use to anybody. The key has a table of its own with one row that always has the
//! same size: it never moves, and a new one lies where the old one lay. What the log has of the old one goes
//! with the log, which the writing thread empties after that.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

use super::states::{IS_OPEN, sql};

/// The text of a message, wherever it is read: `unsealed` is [`teach`]'s.
macro_rules! text {
    () => {
        "CASE WHEN keep_text OR text IS NULL THEN text ELSE unsealed(text, id, (SELECT key FROM text_key)) \
         END"
    };
}
pub(super) use text;

/// What a sealed text begins with. No text has this character, so one that an older version left as it was is
/// told from it.
const SEALED: char = '\u{1}';

type Key = [u8; 32];

/// The key for texts that are written now, which is used from now on. A text of a rehearsal is for nobody.
pub(super) fn key_for(db: &Connection, is_rehearsal: bool) -> rusqlite::Result<Key> {
    if is_rehearsal {
        return db.prepare_cached("SELECT randomblob(32)")?.query_row([], |row| row.get(0));
    }
    db.prepare_cached("UPDATE text_key SET is_used = 1 WHERE NOT is_used")?.execute([])?;
    db.prepare_cached("SELECT key FROM text_key")?.query_row([], |row| row.get(0))
}

/// The text of a message, or the template of a bulk, as it is written under its id: as it is where it is kept, sealed where there is a key for it, and
/// else not at all.
pub(super) fn to_write<'a>(
    text: &'a str,
    id: &str,
    is_kept: bool,
    key: Option<&Key>,
) -> rusqlite::Result<Option<Cow<'a, str>>> {
    if is_kept {
        return Ok(Some(Cow::from(text)));
    }
    key.map(|key| seal(text, id, key).map(Cow::from)).transpose()
}

/// The text of the message `id` under this key. An id is never used for two texts.
fn seal(text: &str, id: &str, key: &Key) -> rusqlite::Result<String> {
    let cannot = |_| rusqlite::Error::ToSqlConversionFailure("a text cannot be sealed".into());
    let mut octets = text.as_bytes().to_vec();
    cipher(key)
        .and_then(|cipher| cipher.seal_in_place_append_tag(nonce(id), Aad::from(id), &mut octets))
        .map_err(cannot)?;
    let mut sealed = String::from(SEALED);
    STANDARD_NO_PAD.encode_string(octets, &mut sealed);
    Ok(sealed)
}

/// The text that was sealed; nothing where it was sealed under another key.
pub(super) fn unseal(sealed: &str, id: &str, key: &Key) -> Option<String> {
    let Some(sealed) = sealed.strip_prefix(SEALED) else { return Some(sealed.to_owned()) };
    let mut octets = STANDARD_NO_PAD.decode(sealed).ok()?;
    let text = cipher(key).ok()?.open_in_place(nonce(id), Aad::from(id), &mut octets).ok()?;
    String::from_utf8(text.to_vec()).ok()
}

fn cipher(key: &Key) -> Result<LessSafeKey, ring::error::Unspecified> {
    UnboundKey::new(&CHACHA20_POLY1305, key).map(LessSafeKey::new)
}

/// A message has one text, a bulk one template, and ids have 80 random bits (`sms::message`).
fn nonce(id: &str) -> Nonce {
    let mut octets = [0; NONCE_LEN];
    octets.iter_mut().zip(Sha256::digest(id)).for_each(|(octet, digested)| *octet = digested);
    Nonce::assume_unique_for_key(octets)
}

/// Teaches a connection to read such texts.
pub(super) fn teach(db: &Connection) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    db.create_scalar_function("unsealed", 3, flags, |given| {
        let (sealed, id, key) = (given.get::<String>(0)?, given.get::<String>(1)?, given.get::<Key>(2)?);
        Ok(unseal(&sealed, &id, &key))
    })
}

/// The texts that are not to be kept and are still needed.
fn unkept_needed() -> String {
    format!(
        "SELECT 1 FROM message INDEXED BY message_unkept WHERE NOT keep_text AND text IS NOT NULL AND \
         {IS_OPEN}"
    )
}

/// Whether a text that is not to be kept is still needed.
pub(super) fn has_unkept(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached(sql!("SELECT EXISTS ({})", unkept_needed()))?.query_row([], |row| row.get(0))
}

/// Whether a key was used since it was made.
pub(super) fn is_used(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT is_used FROM text_key")?.query_row([], |row| row.get(0))
}

/// Writes a new key over one that was used and is not needed any more: no text that was sealed under it can
/// be read again. What the log has of it is to be emptied after that.
pub(super) fn forget(db: &Connection) -> rusqlite::Result<()> {
    let forget = sql!(
        "UPDATE text_key SET key = randomblob(32), is_used = 0 WHERE is_used AND NOT EXISTS ({})",
        unkept_needed()
    );
    db.prepare_cached(forget)?.execute(params![]).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_sealed_is_read_with_its_key_and_its_id_alone() {
        for text in ["", "Hello", "Ünï 🎈", "\u{1}"] {
            let sealed = seal(text, "msg_1", &[7; 32]).unwrap();
            assert!(text.len() < 2 || !sealed.contains(text), "{sealed}");
            assert_eq!(unseal(&sealed, "msg_1", &[7; 32]).as_deref(), Some(text));
            for (id, key) in [("msg_2", [7; 32]), ("msg_1", [8; 32])] {
                assert_eq!(unseal(&sealed, id, &key), None);
            }
        }
        assert_ne!(seal("Hello", "msg_1", &[7; 32]), seal("Hello", "msg_2", &[7; 32]));
        for broken in ["\u{1}", "\u{1}AAAA", "\u{1}!"] {
            assert_eq!(unseal(broken, "msg_1", &[7; 32]), None);
        }
        assert_eq!(unseal("Of an older version", "msg_1", &[7; 32]).as_deref(), Some("Of an older version"));
    }
}
