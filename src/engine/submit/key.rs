//! Keys of intents, and what is said of a call whose key is known or that goes on.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use super::when::Wish;
use crate::clock::Timestamp;
use crate::engine::arguments::invalid;
use crate::engine::contract::SendArgs;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Idempotency;
use crate::sms::absent;
use crate::sms::facts::Earlier;
use crate::sms::number::Number;
use crate::sms::verdict::Verdict;

/// Longest idempotency key, in bytes.
const MAX_KEY: usize = 128;

/// Most messages in doubt that a warning names.
const MAX_LISTED: usize = 20;

/// The key of an intent with the digest of all that the call says.
pub fn idempotency<T: AsRef<str>>(
    key: Option<&str>,
    said: impl IntoIterator<Item = T>,
) -> Result<Option<Idempotency>> {
    let Some(key) = key else { return Ok(None) };
    if key.is_empty() || key.len() > MAX_KEY || key.chars().any(char::is_control) {
        return Err(invalid(
            "idempotency_key",
            format!("must be 1 to {MAX_KEY} bytes without control characters"),
        ));
    }
    if absent::stands_for_nothing(key) {
        return Err(invalid(
            "idempotency_key",
            format!(
                "\"{key}\" stands for nothing; leave it out, or give each intent a key of its own, such as \
                 \"booking-17\""
            ),
        ));
    }
    let mut digest = Sha256::new();
    for part in said {
        let part = part.as_ref();
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part.as_bytes());
    }
    Ok(Some(Idempotency { key: key.to_owned(), fingerprint: digest.finalize().into() }))
}

/// The key of a single send, with the digest of all that it says.
pub fn key_of(args: &SendArgs, to: &Number) -> Result<Option<Idempotency>> {
    let message = ["send", to.e164(), args.from.as_deref().unwrap_or(""), &args.message];
    let said = message.into_iter().map(Cow::Borrowed).chain(Wish::from(args).said().map(Cow::Owned));
    idempotency(args.idempotency_key.as_deref(), said)
}

/// What a dry run says of a key that was used before for the very same call.
pub fn used_before(id: &str) -> String {
    format!(
        "This idempotency_key was used before, for {id}: with it nothing is sent again, and the call is \
         answered as {id} stands."
    )
}

/// The reason why a single message was refused.
pub fn first_refusal(refused: Vec<(usize, Error)>) -> Error {
    refused
        .into_iter()
        .next()
        .map_or_else(|| Error::new(ErrorKind::Internal, "refused without a reason"), |(_, error)| error)
}

/// A key that was used for another call.
pub fn conflict() -> Error {
    Error::new(
        ErrorKind::IdempotencyConflict,
        "this idempotency_key was used before for a different call (other recipient, text, sender, purpose or time)",
    )
}

/// A failure after something was accepted: it must not read as if nothing was sent.
pub fn accepted(error: Error, id: &str) -> Error {
    let next =
        format!("{id} was accepted, and goes on or went out: do NOT send it again. Look with get_status.");
    error.about_message(id).next(next)
}

/// What to know of a text to which a line of the operator's was added.
pub fn longer(is_longer: bool) -> Option<String> {
    is_longer.then(|| {
        "It is marketing and did not say how to get no more texts, so the operator's line that does is added; the \
         segments and the price are those with it."
            .to_owned()
    })
}

/// Until when a message waits for its time or for a person, and why.
fn until(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Now | Verdict::Until { .. } => None,
        Verdict::At { at_ms, why, .. } => Some(format!("until {}: {why}", Timestamp(*at_ms).rfc3339())),
        Verdict::Ask { why, .. } => Some(format!("until a person has said yes: {why}")),
    }
}

/// What a dry run says of a message that would wait so.
pub fn would_wait(verdict: &Verdict) -> Option<String> {
    Some(format!("It would wait {}.", until(verdict)?))
}

/// What to know of a message that waits so.
pub fn waits(verdict: &Verdict) -> Option<String> {
    let until = until(verdict)?;
    if matches!(verdict, Verdict::Ask { .. }) {
        return Some(format!(
            "It waits {until}. It must NOT be sent again, in other words or in parts; get_status shows what \
             was decided, and cancel_sms takes it back."
        ));
    }
    Some(format!(
        "It waits {until}. It is accepted, so do NOT send it again; get_status shows what becomes of it."
    ))
}

/// What to know where people are sent another text while an earlier one to them is in doubt.
pub fn in_doubt(doubts: &[(usize, Earlier)]) -> Option<String> {
    let names: Vec<&str> = doubts.iter().take(MAX_LISTED).map(|(_, earlier)| earlier.id.as_str()).collect();
    let more = doubts.len().saturating_sub(names.len());
    match (doubts, more) {
        ([], _) => None,
        ([(_, earlier)], _) => Some(format!(
            "{} to the same number is in doubt: it may have gone out, and nobody knows. This is another \
             text, so both may arrive; do not write \
             the earlier one again in other words.",
            earlier.id
        )),
        (_, 0) => Some(format!(
            "Earlier messages to {} of these numbers are in doubt and may arrive too: {}.",
            doubts.len(),
            names.join(", ")
        )),
        (_, more) => Some(format!(
            "Earlier messages to {} of these numbers are in doubt and may arrive too: {} and {more} more.",
            doubts.len(),
            names.join(", ")
        )),
    }
}
