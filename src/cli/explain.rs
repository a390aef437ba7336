//! `explain`: what the codes of vendors' failures say.

use super::output::{print_json, print_line};
use crate::engine::explain::{explain as codes, kinds};
use crate::error::Result;

/// `explain`: the kinds of providers that have codes, the codes of one, or what one of them says.
pub(super) fn explain(kind: Option<&str>, code: Option<&str>, json: bool) -> Result<()> {
    let Some(kind) = kind else {
        if json {
            return print_json(&kinds());
        }
        kinds().iter().for_each(|kind| print_line(&format!("sms-mcp explain {kind}")));
        return Ok(());
    };
    let found = codes(kind, code)?;
    if json {
        return print_json(&found);
    }
    let width = found.iter().map(|one| one.code.len()).max().unwrap_or(0).max(6);
    for one in &found {
        if code.is_none() {
            print_line(&format!("{:<width$} {}", one.code, one.what));
        } else {
            print_line(&format!("{kind} {}: {}", one.code, one.what));
            print_line(&format!("  whose move  {}", one.whose));
            print_line(&format!("  again       {}", one.again));
            print_line(&format!("  source      {}", one.source));
        }
    }
    Ok(())
}
