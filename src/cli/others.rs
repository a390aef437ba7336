//! Whose messages a command would have shown under another name. Whoever looks for what an agent sent over
//! HTTP as the user of the machine finds nothing, and is told where it is. No tool says who else there is.

use super::output::note;
use crate::engine::{Caller, Engine};
use crate::error::Result;

/// Most principals that are named.
const NAMED: usize = 10;

/// Says who has messages or sessions here, where this principal has none.
pub(super) async fn note_others(engine: &Engine, caller: &Caller) -> Result<()> {
    let mut others = engine.others_than(caller, NAMED + 1).await?;
    let Some(first) = others.first().cloned() else { return Ok(()) };
    let more = if others.len() > NAMED { " and others" } else { "" };
    others.truncate(NAMED);
    note(&format!(
        "note: no message here is of {}; there is something of {}{more}: look with --as {first}",
        caller.principal,
        others.join(", ")
    ));
    Ok(())
}
