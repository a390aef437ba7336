//! The gate before what widens rights: a word that a person types at a terminal. A pipe or a file is nobody.

use std::io::IsTerminal as _;

use super::commands::note;
use crate::error::{Error, ErrorKind, Result};

/// Whether a person types this word, in order to do that; nothing where nobody is at a terminal.
///
/// # Errors
/// [`ErrorKind::Internal`] where the terminal cannot be read.
pub(super) fn types(word: &str, what_for: &str) -> Result<Option<bool>> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(None);
    }
    note(&format!("Type \"{word}\" to {what_for}; anything else leaves everything as it is:"));
    let mut typed = String::new();
    let read = input.read_line(&mut typed);
    read.map_err(|error| Error::new(ErrorKind::Internal, "the answer could not be read").because(error))?;
    Ok(Some(typed.trim() == word))
}
