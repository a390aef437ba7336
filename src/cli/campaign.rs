//! `campaign`: one text to a list that the vendor keeps.

use super::arguments::CampaignCommand;
use super::bulk::print_bulk;
use super::output::print_json;
use super::speech::Speech;
use crate::engine::campaign::CampaignArgs;
use crate::engine::{Caller, Engine};
use crate::error::Result;

/// Sends or quotes it.
pub(super) async fn campaign(engine: &Engine, caller: Caller, command: CampaignCommand) -> Result<()> {
    let CampaignCommand { list, message, provider, at, idempotency_key, dry_run, json } = command;
    let answer = engine
        .campaign(caller, CampaignArgs { provider, list, message, at, idempotency_key, dry_run })
        .await?;
    let answer = Speech::default().answer(answer);
    if json {
        return print_json(&answer);
    }
    print_bulk(&answer);
    Ok(())
}
