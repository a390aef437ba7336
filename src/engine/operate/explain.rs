//! What the codes of vendors' failures say, for the operator: the tables that answers and the log speak from.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::failure::Failure;
use crate::provider::tables::{FAILURES, is_preset};
use crate::sms::untrusted;

/// One code, in words.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The code, as the vendor writes it.
    pub code: String,
    /// What happened.
    pub what: String,
    /// Whose move it is.
    pub whose: String,
    /// Whether trying again can help.
    pub again: String,
    /// Where it stands.
    pub source: &'static str,
}

impl From<Failure> for Explained {
    fn from(failure: Failure) -> Self {
        let Failure { code, what, whose, again, source } = failure;
        Self {
            code: code.into_owned(),
            what: what.into_owned(),
            whose: whose.to_string(),
            again: again.to_string(),
            source,
        }
    }
}

/// The kinds of providers that have a table.
pub fn kinds() -> Vec<&'static str> {
    FAILURES.iter().map(|(kind, _)| *kind).collect()
}

/// Whether this is the code that was asked for. A vendor that counts anew in each place where it tells codes has
/// them with the place before the number ("err-code 9"): the number alone is each of them.
fn is_asked(code: &str, asked: &str) -> bool {
    let asked = asked.trim();
    let number = code.rsplit(' ').next().unwrap_or(code);
    code.eq_ignore_ascii_case(asked) || number.eq_ignore_ascii_case(asked)
}

/// The codes of a kind of provider: this one, or all of them.
///
/// # Errors
/// [`ErrorKind::NotFound`] for a kind without a table, and for a code that is not in it.
pub fn explain(kind: &str, code: Option<&str>) -> Result<Vec<Explained>> {
    let Some((_, table)) = FAILURES.iter().find(|(known, _)| *known == kind) else {
        if is_preset(kind) {
            let words = format!("no page of {kind} has a table of codes that could be read");
            let next = "An answer shows what the gateway said, in its own words.";
            return Err(Error::new(ErrorKind::NotFound, words).next(next));
        }
        let shown = untrusted::escape(kind);
        let words =
            format!("there is no table of codes for \"{shown}\"; there is one for {}", kinds().join(", "));
        return Err(Error::new(ErrorKind::NotFound, words).next("Name one of these kinds of providers."));
    };
    let found: Vec<Explained> = table()
        .into_iter()
        .filter(|failure| code.is_none_or(|code| is_asked(&failure.code, code)))
        .map(Explained::from)
        .collect();
    match code {
        Some(code) if found.is_empty() => {
            let words = format!("{kind} has no code \"{}\" that is known here", untrusted::escape(code));
            Err(Error::new(ErrorKind::NotFound, words)
                .next(format!("`sms-mcp explain {kind}` lists the codes; the vendor's page has the others.")))
        }
        _ => Ok(found),
    }
}
