//! Who the approvers of a ledger are, and their proofs, for commands that have no engine at that moment; and the
//! page on which they decide, beside a server over stdio.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::{Role, open_ledger};
use crate::access::totp::{SECRET_OCTETS, Secret};
use crate::access::{Challenge, Decision, Proof};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Loaded;
use crate::engine::{Engine, approvers};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Endpoint;
use crate::ledger::facets::{Approvers as _, Upkeep as _};
pub use crate::ledger::sqlite::Deciders;
use crate::ledger::sqlite::{self, SqliteLedger};

/// Who the approvers of a ledger are, and what tells it from others in what they sign. Nothing is opened for it
/// or changed by it.
///
/// # Errors
/// What [`sqlite::deciders`] fails with.
pub fn deciders(ledger: &Path) -> Result<Deciders> {
    sqlite::deciders(ledger, SystemClock.now())
}

/// What approvers of a ledger are to sign for this decision.
///
/// # Errors
/// What [`approvers::challenge`] fails with, and [`Internal`](crate::error::ErrorKind::Internal) when the
/// system has no random bits.
pub fn challenge(deciders: &Deciders, decision: &Decision) -> Result<Challenge> {
    let mut nonce = [0; 16];
    SystemClock.fill_random(&mut nonce)?;
    approvers::challenge(deciders.identity, decision, SystemClock.now(), nonce)
}

/// Takes a proof of an approver of this ledger, and returns whose it is.
///
/// # Errors
/// What [`sqlite::SqliteLedger::open_marked`] and [`approvers::prove`] fail with.
pub async fn prove(loaded: &Loaded, asked: approvers::Asked<'_>, proof: Proof) -> Result<String> {
    let store = open_ledger(loaded)?;
    let proven = approvers::prove(&store, asked, proof, SystemClock.now()).await;
    store.close().await?;
    proven
}

/// What a new approver's codes are made of.
///
/// # Errors
/// [`Internal`](crate::error::ErrorKind::Internal) when the system has no random bits.
pub fn new_secret() -> Result<Secret> {
    let mut octets = [0; SECRET_OCTETS];
    SystemClock.fill_random(&mut octets)?;
    Ok(Secret::new(octets))
}

/// Refuses to send where texts need a yes that nobody could give.
pub(super) async fn has_approver(loaded: &Loaded, role: Role, store: &SqliteLedger) -> Result<()> {
    let is_asked = matches!(role, Role::Sends(_)) && loaded.config.approval.has_rules();
    if !is_asked || !store.approvers(SystemClock.now()).await?.is_empty() {
        return Ok(());
    }
    let message = "[approval] has texts wait for a person's yes, and there is no approver to give one";
    Err(Error::new(ErrorKind::Config, message).next(
        "Nothing was started. Add an approver at a terminal (`sms-mcp approver add NAME`), or remove the rules.",
    ))
}

/// Serves the page on which a person decides, on a loopback address of its own, where there are rules and the
/// settings have not switched it off. Without it people decide at the command line, so a server starts all the
/// same. Returns what ends it.
pub(super) async fn serve_page(loaded: &Loaded, engine: &Engine) -> CancellationToken {
    let (stop, rules) = (CancellationToken::new(), &loaded.config.approval);
    let Some(address) = rules.page().filter(|_| rules.has_rules()) else { return stop };
    // Over stdio agents are the server's own user.
    match Endpoint::bind_page(engine.clone(), address, rules.takes_codes(false), stop.clone()).await {
        Ok(page) => {
            tracing::info!(address = %page.address(), "serving the page for approvals at /approve");
            tokio::spawn(page.serve());
        }
        Err(error) => tracing::warn!(%error, "no page for approvals: people decide at the command line"),
    }
    stop
}
