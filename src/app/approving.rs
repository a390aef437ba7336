//! Who the approvers of a ledger are, and their proofs, for commands that have no engine at that moment; and the
//! page on which they decide, beside a server over stdio.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::{Role, open_ledger};
use crate::access::totp::{SECRET_OCTETS, Secret};
use crate::access::{Challenge, Decision, Proof};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Loaded;
use crate::engine::{Approver, Carrier, Engine, approvers, settings};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Endpoint;
use crate::ledger::facets::{Approvers as _, Upkeep as _};
pub use crate::ledger::sqlite::Deciders;
use crate::ledger::sqlite::{self, SqliteLedger};
use crate::policy::Policy;
use crate::sms::limits::Limits;
use crate::sms::number::Number;

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
    if !is_asked {
        return Ok(());
    }
    let approvers = store.approvers(SystemClock.now()).await?;
    if !approvers.is_empty() {
        return reaches_somebody(loaded, &approvers);
    }
    let message = "[approval] has texts wait for a person's yes, and there is no approver to give one";
    Err(Error::new(ErrorKind::Config, message).next(
        "Nothing was started. Add an approver at a terminal (`sms-mcp approver add NAME`), or remove the rules.",
    ))
}

/// Whether this approver has a phone that may be texted.
pub fn is_reached(loaded: &Loaded, approver: &Approver) -> bool {
    let policy = Policy::new(loaded.config.guard.clone(), loaded.config.rates.clone());
    let phone = approver.phone.as_deref().and_then(|phone| Number::parse(phone, None).ok());
    phone.is_some_and(|phone| policy.check_destination(&phone).is_ok())
}

/// Refuses to start where approvers are to be texted, and none can be.
fn reaches_somebody(loaded: &Loaded, approvers: &[Approver]) -> Result<()> {
    let rules = &loaded.config.approval;
    if !rules.texts_approvers() || approvers.iter().any(|approver| is_reached(loaded, approver)) {
        return Ok(());
    }
    let message = "[approval] notify is \"sms\", and no approver has a phone that may be texted";
    Err(Error::new(ErrorKind::Config, message).next(
        "Nothing was started. Add an approver with --phone, in a country that [guard] allows, or set notify = \"off\".",
    ))
}

/// How approvers are texted, where they are.
///
/// # Errors
/// [`ErrorKind::Config`] where no provider takes replies, or the sender is a name.
pub(super) fn notify(loaded: &Loaded, carriers: &[Carrier]) -> Result<Option<settings::Notify>> {
    let rules = &loaded.config.approval;
    if !rules.texts_approvers() {
        return Ok(None);
    }
    let wrong = |why: String| Error::new(ErrorKind::Config, format!("[approval] notify is \"sms\": {why}"));
    let named = rules.notify_by.as_deref();
    let takes = |carrier: &&Carrier| carrier.capabilities().replies;
    let carrier = match named {
        Some(name) => carriers.iter().find(|carrier| carrier.name() == name),
        None => carriers.iter().find(takes),
    };
    let carrier = carrier.filter(takes).ok_or_else(|| {
        wrong(named.map_or_else(
            || "no provider takes replies as it is set up, so that nobody could answer".to_owned(),
            |name| format!("notify_by names {name}, which is no provider that takes replies as it is set up"),
        ))
    })?;
    let shown = carrier.shown(rules.notify_from.as_deref());
    if shown.is_some_and(|shown| shown.chars().any(char::is_alphabetic)) {
        return Err(wrong(format!(
            "{} shows a name as its sender, and nobody can answer one; set notify_from to a number",
            carrier.name()
        )));
    }
    Ok(Some(settings::Notify {
        provider: carrier.name().to_owned(),
        from: rules.notify_from.clone(),
        per_hour: rules.notify_per_hour,
        day: Limits { spend_micros: Some(rules.notify_spend.0), messages: None },
    }))
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
