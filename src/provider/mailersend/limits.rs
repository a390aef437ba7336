//! How much of MailerSend's two limits is left: requests in this minute, and requests in this UTC day. Each
//! answer says so in its headers, and what it says is obeyed before the vendor has to refuse. The latest
//! answer counts; a limit that is used up is forgotten when its time is over. Also here: what the vendor's
//! refusals mean, since a refusal for a limit is remembered too.
//!
//! Source: developers.mailersend.com/general, "Rate limits", "Daily request quota" and "Error codes".

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::answers::is_id;
use crate::clock::{SharedClock, Timestamp};
use crate::error::ErrorKind;
use crate::provider::Outcome;
use crate::provider::rest::{Answer, Dialect};

/// Longest words of the vendor that are kept, in characters.
const MAX_WORDS: usize = 300;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

/// The account's requests of the day are used up; they come back at 00:00 UTC.
const DAY_IS_USED_UP: &str = "MS42901";

/// Quotas of the account or of its trial, which only its owner can raise.
const QUOTAS: [&str; 2] = ["MS42204", "MS42222"];

/// What is left of one limit.
#[derive(Clone, Copy)]
struct Window {
    left: u64,
    until: Timestamp,
}

impl Window {
    fn wait_ms(self, now: Timestamp) -> Option<u64> {
        if self.left > 0 {
            return None;
        }
        u64::try_from(self.until.as_millis().saturating_sub(now.as_millis())).ok().filter(|wait| *wait > 0)
    }
}

#[derive(Default)]
struct Windows {
    minute: Option<Window>,
    day: Option<Window>,
}

/// What is left of the limits, as far as the answers said. See the module's text.
pub struct Limits {
    clock: SharedClock,
    windows: Mutex<Windows>,
}

/// How long it is until 00:00 UTC.
fn until_midnight_ms(now: Timestamp) -> u64 {
    let day = i64::try_from(DAY_MS).unwrap_or(i64::MAX);
    u64::try_from(day - now.as_millis().rem_euclid(day)).unwrap_or(DAY_MS)
}

fn number(answer: &Answer, header: &str) -> Option<u64> {
    answer.header(header)?.trim().parse().ok()
}

/// The wait until a moment that the vendor named, if that lies ahead and within `longest`: its clock or ours
/// may be off.
fn wait_until(at: Option<Timestamp>, now: Timestamp, longest: u64) -> Option<u64> {
    let wait = u64::try_from(at?.as_millis().saturating_sub(now.as_millis())).ok()?;
    (wait > 0 && wait <= longest).then_some(wait)
}

/// The wait that the headers name for the minute's limit.
fn minute_wait_ms(answer: &Answer, now: Timestamp) -> u64 {
    let reset = number(answer, "x-ratelimit-reset")
        .and_then(|seconds| i64::try_from(seconds.checked_mul(1_000)?).ok())
        .map(Timestamp);
    answer.retry_after_ms(now).or_else(|| wait_until(reset, now, MINUTE_MS)).unwrap_or(MINUTE_MS)
}

/// The wait that the headers name for the day's limit.
fn day_wait_ms(answer: &Answer, now: Timestamp) -> u64 {
    let reset = answer.header("x-apiquota-reset").and_then(|text| Timestamp::parse(text.trim()));
    wait_until(reset, now, DAY_MS).unwrap_or_else(|| until_midnight_ms(now))
}

fn ahead(now: Timestamp, wait_ms: u64) -> Timestamp {
    now.plus_ms(i64::try_from(wait_ms).unwrap_or(i64::MAX))
}

impl Limits {
    /// Nothing is known yet.
    pub fn new(clock: SharedClock) -> Arc<Self> {
        Arc::new(Self { clock, windows: Mutex::default() })
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long to wait before the next request, if a limit is used up: in milliseconds.
    pub fn wait_ms(&self) -> Option<u64> {
        let now = self.clock.now();
        let windows = self.windows();
        let waits =
            [windows.minute, windows.day].into_iter().flatten().filter_map(|window| window.wait_ms(now));
        waits.max()
    }

    /// Whether the requests of the day are used up, as far as is known.
    pub fn is_day_used_up(&self) -> bool {
        self.windows().day.is_some_and(|window| window.wait_ms(self.clock.now()).is_some())
    }

    /// Remembers what an answer's headers say, and what its refusal says.
    pub fn note(&self, answer: &Answer) {
        let now = self.clock.now();
        // Only what is certainly MailerSend's own word: a 429 without its code may be of something between
        // us.
        let refused_for =
            if answer.status == 429 && code_of(answer).is_some() { Some(Refusal::of(answer)) } else { None };
        let mut windows = self.windows();
        if let Some(left) = number(answer, "x-ratelimit-remaining") {
            windows.minute = Some(Window { left, until: ahead(now, minute_wait_ms(answer, now)) });
        }
        if let Some(left) = number(answer, "x-apiquota-remaining") {
            windows.day = Some(Window { left, until: ahead(now, day_wait_ms(answer, now)) });
        }
        match refused_for {
            Some(Refusal::Day) => {
                windows.day = Some(Window { left: 0, until: ahead(now, day_wait_ms(answer, now)) })
            }
            Some(Refusal::Minute) => {
                windows.minute = Some(Window { left: 0, until: ahead(now, minute_wait_ms(answer, now)) })
            }
            None => {}
        }
    }

    /// Remembers what `/api-quota` says is left of the day. `reset` is its text for when that is over.
    pub fn note_day(&self, left: u64, reset: Option<&str>) {
        let now = self.clock.now();
        let wait = wait_until(reset.and_then(Timestamp::parse), now, DAY_MS)
            .unwrap_or_else(|| until_midnight_ms(now));
        self.windows().day = Some(Window { left, until: ahead(now, wait) });
    }
}

/// Which limit a 429 speaks of.
enum Refusal {
    Minute,
    Day,
}

impl Refusal {
    fn of(answer: &Answer) -> Self {
        match code_of(answer).as_deref() {
            Some(DAY_IS_USED_UP) => Self::Day,
            None if number(answer, "x-apiquota-remaining") == Some(0) => Self::Day,
            _ => Self::Minute,
        }
    }
}

fn message_of(answer: &Answer) -> Option<(Value, String)> {
    let body: Value = answer.json().ok()?;
    let message = body.get("message")?.as_str()?.to_owned();
    Some((body, message))
}

/// The vendor's own code of an error, such as `MS42901`: it stands after a `#` in the message.
pub fn code_of(answer: &Answer) -> Option<String> {
    let (_, message) = message_of(answer)?;
    let (_, code) = message.rsplit_once("#MS")?;
    let digits: String = code.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| format!("MS{digits}"))
}

/// Where the recipients stand in a request that was refused for them alone (422 with fields such as `to.3`).
/// Nothing where anything else is wrong with it too.
pub fn recipients_named(answer: &Answer) -> Vec<usize> {
    let Some((body, _)) = message_of(answer).filter(|_| answer.status == 422) else { return Vec::new() };
    let fields = body.get("errors").and_then(Value::as_object).into_iter().flatten().map(|(field, _)| field);
    let position = |field: &String| {
        let rest = field.strip_prefix("to.").or_else(|| field.strip_prefix("personalization."))?;
        rest.split('.').next()?.parse::<usize>().ok()
    };
    fields.map(position).collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// The id of a request, which stands in a header.
pub fn message_id(answer: &Answer) -> Option<String> {
    answer.header("x-sms-message-id").map(str::trim).filter(|id| is_id(id)).map(ToOwned::to_owned)
}

/// What MailerSend's answers mean. Each error answer passes here, so the limits hear of it.
pub struct Words(pub Arc<Limits>);

impl Dialect for Words {
    fn words(&self, answer: &Answer) -> Option<String> {
        self.0.note(answer);
        let (body, message) = message_of(answer)?;
        let fields = body.get("errors").and_then(Value::as_object).into_iter().flatten();
        let said = fields
            .filter_map(|(field, texts)| Some(format!("{field}: {}", texts.as_array()?.first()?.as_str()?)));
        let said: Vec<String> = said.collect();
        Some(if said.is_empty() { message } else { format!("{message} ({})", said.join("; ")) })
    }

    fn taken_id(&self, answer: &Answer) -> Option<String> {
        message_id(answer)
    }

    fn verdict(&self, answer: &Answer, now: Timestamp) -> Option<Outcome> {
        let code = code_of(answer);
        let why = || {
            let words: String = self.words(answer).unwrap_or_default().chars().take(MAX_WORDS).collect();
            format!("HTTP {}: {words}", answer.status)
        };
        let not_sent = |wait_ms| Outcome::NotSent { retry_after_ms: Some(wait_ms), why: why() };
        let rejected = |code| Outcome::Rejected { code, why: why() };
        match (answer.status, code.as_deref()) {
            (429, _) => Some(match Refusal::of(answer) {
                Refusal::Day => not_sent(day_wait_ms(answer, now)),
                Refusal::Minute => not_sent(minute_wait_ms(answer, now)),
            }),
            // Maintenance: the service says that it does not work on requests now.
            (421, _) => Some(not_sent(answer.retry_after_ms(now).unwrap_or(MINUTE_MS))),
            (422, Some(code)) if QUOTAS.contains(&code) => Some(rejected(ErrorKind::InsufficientBalance)),
            (400 | 401 | 403 | 422, Some(code)) if code.starts_with("MS403") => {
                Some(rejected(ErrorKind::ProviderUnauthorized))
            }
            _ => None,
        }
    }
}
