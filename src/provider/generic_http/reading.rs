//! What an answer to a send means.
//!
//! The operator's rules are asked first, and the first that fits counts. Then the status: what is no success
//! means what it means for every vendor (`rest/client`). Then a success must say what the settings say of
//! one; an answer that does not is unknown, whatever else it says. An answer of which a part is missing is
//! read as its status alone: a rule that asks for no more still counts, and where one that asks for more might
//! have fitted, nobody knows what became of the text.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::find::{Finder, Memo, Seen};
use super::money::{Pricing, Scale};
use super::numbers::Numbers;
use super::rules::{Becomes, Holds, Rule, finder_if, statuses};
use super::settings::Answer as Setting;
use crate::provider::Outcome;
use crate::provider::exchange::SegmentOutcome;
use crate::provider::rest::wording::names_an_error;
use crate::provider::rest::{Answer, Dialect, json};
use crate::sms::message::State;
use crate::sms::money::{Currency, Money};
use crate::sms::number::Number;
use crate::sms::untrusted;

/// Longest words of a gateway that are kept, in characters.
const MAX_WORDS: usize = 300;

/// Most segments of one answer.
const MOST_SEGMENTS: usize = 255;

/// The longest wait that a rule may find, in milliseconds.
const LONGEST_WAIT_MS: u64 = 86_400_000;

/// The body of an answer as JSON; null where it is none.
pub fn value_of(answer: &Answer) -> Value {
    if answer.is_whole { json::from_slice(&answer.body).unwrap_or(Value::Null) } else { Value::Null }
}

/// An answer as it is looked at.
pub fn seen<'a>(answer: &'a Answer, value: &'a Value, memo: &'a Memo) -> Seen<'a> {
    Seen { value, body: &answer.body, headers: &answer.headers, memo }
}

/// A gateway's words: short, and nothing that a terminal would obey.
pub fn shown(words: &str) -> String {
    untrusted::line(words).chars().take(MAX_WORDS).collect()
}

/// Where a gateway's words about an error are.
#[derive(Clone, Debug)]
pub struct Words(pub Option<Finder>);

impl Dialect for Words {
    fn words(&self, answer: &Answer) -> Option<String> {
        let value = value_of(answer);
        self.0.as_ref()?.find(seen(answer, &value, &Memo::default())).map(|words| shown(&words))
    }

    /// Where an id stands is looked at entry by entry: see [`Reading`].
    fn taken_id(&self, _: &Answer) -> Option<String> {
        None
    }
}

/// The message that an answer is about.
#[derive(Clone, Copy)]
pub struct Ours<'a> {
    /// Our reference.
    pub id: &'a str,
    /// The recipient.
    pub to: &'a Number,
    /// How the gateway writes numbers.
    pub numbers: &'a Numbers,
}

/// What an answer to a send means.
#[derive(Clone, Debug)]
pub struct Reading {
    statuses: RangeInclusive<u16>,
    success: Vec<Holds>,
    rules: Vec<Rule>,
    list: Option<Finder>,
    id: Option<Finder>,
    reference: Option<Finder>,
    to: Option<Finder>,
    segments: Option<Finder>,
    price: Option<Pricing>,
    /// Where its words about an error are.
    pub words: Words,
}

impl Reading {
    /// Reads the settings.
    ///
    /// # Errors
    /// What is wrong, with its name.
    pub fn of(setting: &Setting, currency: Option<Currency>) -> Result<Self, String> {
        let success = Holds::all("answer.success", &setting.success)?;
        let rules = Rule::all("answer.rules", &setting.rules)?;
        let is_said = !success.is_empty() || setting.id.is_some();
        if setting.any_2xx && is_said {
            return Err(
                "answer.any_2xx is true, and answer.success or answer.id says what a success is; take \
                        one out"
                    .to_owned(),
            );
        }
        if !setting.any_2xx && !is_said && !rules.iter().any(|rule| rule.becomes == Becomes::Accepted) {
            return Err(
                "answer says nothing of what a success is: set success or id, or any_2xx = true where \
                        every 2xx is one"
                    .to_owned(),
            );
        }
        let list = finder_if("answer.list", setting.list.as_ref())?;
        if list.as_ref().is_some_and(|list| !list.is_path()) {
            return Err("answer.list must be a path in JSON, such as messages".to_owned());
        }
        let statuses = match &setting.status {
            Some(text) => statuses("answer.status", text)?,
            None => 200..=299,
        };
        if !(200..=299).contains(statuses.start()) || !(200..=299).contains(statuses.end()) {
            return Err(
                "answer.status must lie within 200-299; a rule makes another status a success".to_owned()
            );
        }
        let written = Scale {
            scale: setting.price_scale.as_ref(),
            is_abs: setting.price_abs,
            currency_at: setting.price_currency.as_ref(),
        };
        let names = ["answer.price", "answer.price_scale", "answer.price_currency"];
        let price = setting.price.as_ref().map(|at| Pricing::of(names, at, written, currency)).transpose()?;
        if price.is_none()
            && (setting.price_scale.is_some() || setting.price_abs || setting.price_currency.is_some())
        {
            return Err("answer.price is not set, and price_scale, price_abs or price_currency is".to_owned());
        }
        Ok(Self {
            statuses,
            success,
            rules,
            list,
            id: finder_if("answer.id", setting.id.as_ref())?,
            reference: finder_if("answer.reference", setting.reference.as_ref())?,
            to: finder_if("answer.to", setting.to.as_ref())?,
            segments: finder_if("answer.segments", setting.segments.as_ref())?,
            price,
            words: Words(finder_if("answer.words", setting.words.as_ref())?),
        })
    }

    /// Whether the gateway gives messages ids of its own.
    pub const fn has_ids(&self) -> bool {
        self.id.is_some()
    }

    /// What became of the message. `otherwise`: what a status means that is no success.
    pub fn outcome(
        &self,
        answer: &Answer,
        ours: Ours<'_>,
        otherwise: impl Fn(&Answer) -> Option<Outcome>,
    ) -> Outcome {
        let unknown = |why: &str| Outcome::Unknown { why: format!("HTTP {}: {why}", answer.status) };
        if !answer.is_whole {
            return self.of_status(answer, ours, &otherwise);
        }
        let value = value_of(answer);
        let memo = Memo::default();
        let whole = seen(answer, &value, &memo);
        let entries = self.list.as_ref().map(|list| list.value(whole.value).and_then(Value::as_array));
        let entries = match entries {
            None => None,
            Some(Some(entries)) if (1..=MOST_SEGMENTS).contains(&entries.len()) => Some(entries),
            // An error has no list; a success without one says nothing of its segments.
            Some(_) => {
                return match self.one(answer, whole, ours, &otherwise) {
                    Outcome::Accepted { .. } => unknown("the answer has no list of segments"),
                    outcome => outcome,
                };
            }
        };
        match entries {
            None => self.one(answer, whole, ours, &otherwise),
            Some(entries) => {
                let each = entries
                    .iter()
                    .map(|entry| self.one(answer, Seen { value: entry, ..whole }, ours, &otherwise));
                of_segments(each.collect(), self.has_ids())
            }
        }
    }

    /// What an answer means of which a part is missing.
    fn of_status(
        &self,
        answer: &Answer,
        ours: Ours<'_>,
        otherwise: &impl Fn(&Answer) -> Option<Outcome>,
    ) -> Outcome {
        const CUT: &str = "the answer was cut short or is too long";
        let unknown = |why: &str| Outcome::Unknown { why: format!("HTTP {}: {CUT}{why}", answer.status) };
        let is_for = |rule: &&Rule| rule.is_for(answer.status);
        let Some((n, rule)) = self.rules.iter().enumerate().find(|(_, rule)| is_for(rule)) else {
            return otherwise(answer).unwrap_or_else(|| unknown(""));
        };
        if rule.looks_inside() {
            return unknown(&format!(", and answer.rules[{n}] might have fitted the whole of it"));
        }
        // Half an id is another message's.
        let memo = Memo::default();
        let seen = Seen { value: &Value::Null, body: &[], headers: &answer.headers, memo: &memo };
        match self.ruled(rule, seen, ours, || format!("HTTP {}: {CUT}", answer.status)) {
            Outcome::Accepted { .. } if self.list.is_some() => unknown(", and has no list of segments"),
            outcome => outcome,
        }
    }

    /// What an answer means that a rule fits.
    fn ruled(&self, rule: &Rule, seen: Seen<'_>, ours: Ours<'_>, why: impl Fn() -> String) -> Outcome {
        match rule.becomes {
            Becomes::Accepted => self.accepted(seen, ours, why),
            Becomes::Rejected(code) => Outcome::Rejected { code, why: why() },
            Becomes::NotSent => Outcome::NotSent { retry_after_ms: wait_ms(rule, seen), why: why() },
            Becomes::Unknown => Outcome::Unknown { why: why() },
        }
    }

    fn one(
        &self,
        answer: &Answer,
        seen: Seen<'_>,
        ours: Ours<'_>,
        otherwise: &impl Fn(&Answer) -> Option<Outcome>,
    ) -> Outcome {
        let words = self.words.0.as_ref().and_then(|at| at.find(seen)).map(|words| shown(&words));
        let why = || match &words {
            Some(words) => format!("HTTP {}: {words}", answer.status),
            None => format!("HTTP {}", answer.status),
        };
        let is_success = self.statuses.contains(&answer.status);
        if let Some(rule) = self.rules.iter().find(|rule| rule.fits(answer.status, seen)) {
            return self.ruled(rule, seen, ours, why);
        }
        let id = self.id.as_ref().map(|at| at.find_id(seen));
        let is_refusal = (400..=499).contains(&answer.status);
        if is_refusal && let Some(Some(vendor_id)) = id {
            let why = why() + "; the answer contradicts itself: a refusal, and an id beside it";
            return Outcome::Unclear { vendor_id, why };
        }
        if !is_success {
            return otherwise(answer).unwrap_or_else(|| Outcome::Unknown { why: why() });
        }
        let unclear = |why: String| match id.clone().flatten() {
            Some(vendor_id) => Outcome::Unclear { vendor_id, why },
            None => Outcome::Unknown { why },
        };
        if let Some(n) = self.success.iter().position(|holds| !holds.holds(seen)) {
            let says = words.as_ref().map_or_else(String::new, |words| format!(": {words}"));
            return unclear(format!(
                "HTTP {}: the answer does not say that the text was taken (answer.success[{n}]){says}",
                answer.status
            ));
        }
        if self.success.is_empty() && names_an_error(seen.value) {
            return unclear(format!("HTTP {}: the answer names an error", answer.status));
        }
        if id == Some(None) {
            return Outcome::Unknown { why: format!("HTTP {}: no message id in the answer", answer.status) };
        }
        self.accepted(seen, ours, why)
    }

    /// What becomes of a message that was taken; unless the answer is about another one, of which it says nothing
    /// about ours.
    fn accepted(&self, seen: Seen<'_>, ours: Ours<'_>, why: impl Fn() -> String) -> Outcome {
        let reference = self.reference.as_ref().and_then(|at| at.find_id(seen));
        let to = self.to.as_ref().and_then(|at| at.find(seen));
        let another = if reference.is_some_and(|reference| reference != ours.id) {
            Some("the answer has another reference than ours")
        } else if to.is_some_and(|to| ours.numbers.is_another(&to, ours.to)) {
            Some("the answer has another recipient")
        } else {
            None
        };
        if let Some(another) = another {
            return Outcome::Unknown { why: format!("{}; {another}", why()) };
        }
        let vendor_id = match &self.id {
            Some(at) => at.find_id(seen),
            None => Some(ours.id.to_owned()),
        };
        let segments = self.segments.as_ref().and_then(|at| at.find(seen)?.parse().ok());
        let price = self.price.as_ref().and_then(|pricing| pricing.price(seen));
        Outcome::Accepted {
            vendor_id,
            status: State::Sent,
            segments: segments.filter(|count| (1..=MOST_SEGMENTS as u32).contains(count)),
            price,
        }
    }
}

/// How long to wait, as a rule finds it.
fn wait_ms(rule: &Rule, seen: Seen<'_>) -> Option<u64> {
    let text = rule.retry_after.as_ref()?.find(seen)?;
    let seconds: u64 = text.trim().split('.').next()?.parse().ok()?;
    Some(seconds.saturating_mul(1_000).min(LONGEST_WAIT_MS))
}

/// What became of a message whose segments have a verdict each. One that was taken beside one that was not, or
/// of which nobody knows, makes it one that was sent in part. Segments that were all taken under one id, or
/// under none of the gateway's, are one message to it.
fn of_segments(outcomes: Vec<Outcome>, has_ids: bool) -> Outcome {
    let is_open = |outcome: &&Outcome| matches!(outcome, Outcome::Unknown { .. } | Outcome::Unclear { .. });
    let taken: Vec<(Option<String>, Option<Money>)> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Accepted { vendor_id, price, .. } => Some((vendor_id.clone(), *price)),
            _ => None,
        })
        .collect();
    let Some((vendor_id, _)) = taken.first().cloned() else {
        let open = outcomes.iter().find(is_open).cloned();
        let refused = outcomes.iter().find(|outcome| matches!(outcome, Outcome::Rejected { .. })).cloned();
        return open
            .or(refused)
            .or_else(|| outcomes.into_iter().next())
            .unwrap_or_else(|| Outcome::Unknown { why: "the answer has no segments".to_owned() });
    };
    if taken.len() < outcomes.len() || taken.iter().any(|(id, _)| *id != vendor_id) {
        return Outcome::of_segments(outcomes.into_iter().map(|one| segment(one, has_ids)).collect());
    }
    let price = taken.iter().try_fold(None, |sum: Option<Money>, (_, price)| {
        let price = (*price)?;
        match sum {
            None => Some(Some(price)),
            Some(sum) if sum.currency == price.currency => {
                Some(Some(Money { micros: sum.micros.checked_add(price.micros)?, ..sum }))
            }
            Some(_) => None,
        }
    });
    let segments = u32::try_from(taken.len()).ok();
    Outcome::Accepted { vendor_id, status: State::Sent, segments, price: price.flatten() }
}

/// What became of one segment. Our reference is the whole message's, and no segment's id.
fn segment(outcome: Outcome, has_ids: bool) -> SegmentOutcome {
    match outcome {
        Outcome::Accepted { vendor_id, price, .. } => {
            SegmentOutcome::Accepted { vendor_id: vendor_id.filter(|_| has_ids).unwrap_or_default(), price }
        }
        Outcome::Rejected { code, why } => SegmentOutcome::Rejected { code, why },
        Outcome::NotSent { retry_after_ms, why } => SegmentOutcome::NotSent { retry_after_ms, why },
        Outcome::NotNow { code, retry_after_ms, why } => SegmentOutcome::NotNow { code, retry_after_ms, why },
        Outcome::Unknown { why } | Outcome::Unclear { why, .. } | Outcome::Failed { why, .. } => {
            SegmentOutcome::Unknown { why }
        }
        Outcome::Segments(_) => SegmentOutcome::Unknown { why: "a segment has segments".to_owned() },
    }
}
