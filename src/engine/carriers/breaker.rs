//! Stops asking a provider that cannot take anything now.
//!
//! After five messages in a row that it did not take, or whose answers were lost, a provider rests: a second,
//! then twice as long each time, up to a minute; or for as long as it asked. Refused credentials rest for a
//! minute, since only a person can mend them. While it rests, single sends are told so and bulk waits in the
//! queue. Then one message probes, unless the provider itself had said when it takes more.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::engine::retry::LONGEST_WAIT_MS;
use crate::error::ErrorKind;
use crate::provider::line::session::NO_BIND;
use crate::provider::{Outcome, SegmentOutcome};

/// So many in a row make it rest.
const MOST_FAILURES: u32 = 5;

/// The first rest; it doubles.
const FIRST_REST_MS: i64 = 1_000;

/// The longest rest that nobody asked for.
const LONGEST_REST_MS: i64 = 60_000;

/// How long a probe may take before the next one goes: a little more than a send may take.
const PROBE_MS: i64 = 45_000;

/// How often it is looked whether a probe has ended.
const PROBE_LOOK_MS: u64 = 250;

/// See the module's text.
#[derive(Debug, Default)]
pub struct Breaker {
    condition: Mutex<Condition>,
}

#[derive(Debug, Default)]
struct Condition {
    failures: u32,
    rests: u32,
    /// Rests until then.
    until: Option<Timestamp>,
    /// Whether one message probes afterwards. Not where the provider itself said when it takes more.
    probes: bool,
    probe_until: Option<Timestamp>,
    why: String,
}

/// Nothing may be handed over now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resting {
    /// How long to wait, in milliseconds.
    pub wait_ms: u64,
    /// Why it rests.
    pub why: String,
}

impl Breaker {
    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something may be handed over now. After a rest, the first who asks is the probe.
    ///
    /// # Errors
    /// It rests, or the probe is not back.
    pub fn admit(&self, now: Timestamp) -> Result<(), Resting> {
        let mut condition = self.condition();
        condition.resting(now)?;
        if condition.until.is_some() && condition.probes {
            condition.probe_until = Some(now.plus_ms(PROBE_MS));
        }
        Ok(())
    }

    /// As [`Breaker::admit`], but only a look.
    ///
    /// # Errors
    /// It rests, or the probe is not back.
    pub fn look(&self, now: Timestamp) -> Result<(), Resting> {
        self.condition().resting(now)
    }

    /// Whether only one message should be tried, to see.
    pub fn is_probing(&self) -> bool {
        let condition = self.condition();
        condition.until.is_some() && condition.probes
    }

    /// What became of a message says nothing of the provider: a probe is free for another one.
    pub fn passed_over(&self) {
        self.condition().probe_until = None;
    }

    /// Learns from what became of a message. Returns whether the provider rests from now on because of it.
    pub fn note(&self, outcome: &Outcome, now: Timestamp) -> bool {
        let mut condition = self.condition();
        let is_unauthorized =
            matches!(outcome, Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, .. });
        let (asked_ms, why) = match outcome {
            Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, why } => (Some(LONGEST_REST_MS), why),
            Outcome::NotSent { retry_after_ms, why } => {
                let asked = retry_after_ms
                    .filter(|asked| *asked > LONGEST_WAIT_MS)
                    .map(|asked| i64::try_from(asked).unwrap_or(i64::MAX));
                (asked, why)
            }
            Outcome::Unknown { why } | Outcome::Unclear { why, .. } => (None, why),
            // Its own recipient or turn: that says nothing of the provider, and a probe is free for another.
            Outcome::NotNow { .. } => {
                condition.probe_until = None;
                return false;
            }
            Outcome::Segments(segments) => match all_lost(segments) {
                Some(why) => (None, why),
                None => return condition.heal(),
            },
            Outcome::Accepted { .. } | Outcome::Failed { .. } | Outcome::Rejected { .. } => {
                return condition.heal();
            }
        };
        condition.failures += 1;
        let was_probe = condition.probe_until.take().is_some();
        let is_resting = condition.until.is_some_and(|until| until > now);
        let rest_ms = match asked_ms {
            Some(asked_ms) => asked_ms,
            // It was on its way when the rest began, or in the same request: no new failure, and no reason
            // for a longer rest.
            None if is_resting && !was_probe => return false,
            None if was_probe || condition.failures >= MOST_FAILURES => {
                condition.rests += 1;
                let doubled = FIRST_REST_MS.saturating_mul(1 << (condition.rests - 1).min(10));
                doubled.min(LONGEST_REST_MS)
            }
            None => return false,
        };
        let is_news = !is_resting;
        condition.probes = asked_ms.is_none() || is_unauthorized;
        condition.until = Some(now.plus_ms(rest_ms));
        condition.why = own_words(why).to_owned();
        is_news
    }
}

/// Our own first words: after the colon a vendor may speak of somebody's message. Where no bind is up no
/// message was spoken of, and the cause is what an operator needs.
fn own_words(why: &str) -> &str {
    if why.starts_with(NO_BIND) { why } else { why.split(':').next().unwrap_or_default() }
}

/// Whether the answer to all of a message was lost.
pub fn is_lost(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Unknown { .. } => true,
        Outcome::Segments(segments) => all_lost(segments).is_some(),
        _ => false,
    }
}

/// Why a carrier said nothing about any segment of a message; nothing where it answered for one.
fn all_lost(segments: &[SegmentOutcome]) -> Option<&String> {
    let mut whys = segments.iter().map(|segment| match segment {
        SegmentOutcome::Unknown { why } | SegmentOutcome::NotSent { why, .. } => Some(why),
        SegmentOutcome::Accepted { .. } | SegmentOutcome::Rejected { .. } | SegmentOutcome::NotNow { .. } => {
            None
        }
    });
    let first = whys.next()??;
    whys.all(|why| why.is_some()).then_some(first)
}

impl Condition {
    /// It is well again: nothing rests because of it.
    fn heal(&mut self) -> bool {
        *self = Self::default();
        false
    }

    fn resting(&self, now: Timestamp) -> Result<(), Resting> {
        let left = |until: Timestamp| until.as_millis().saturating_sub(now.as_millis());
        let resting = |wait_ms: u64| Err(Resting { wait_ms, why: self.why.clone() });
        match (self.until.map(left), self.probe_until.map(left)) {
            (Some(rest), _) if rest > 0 => resting(rest.unsigned_abs()),
            (Some(_), Some(probe)) if probe > 0 => resting(PROBE_LOOK_MS),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sms::message::State;

    fn not_sent(retry_after_ms: Option<u64>) -> Outcome {
        Outcome::NotSent { retry_after_ms, why: "refused".into() }
    }

    fn accepted() -> Outcome {
        Outcome::Accepted { vendor_id: None, status: State::Sent, segments: None, price: None }
    }

    #[test]
    fn five_failures_in_a_row_rest_and_each_rest_is_longer_until_something_is_taken() {
        let breaker = Breaker::default();
        let mut now = Timestamp(1_000_000);
        for _ in 0..4 {
            assert!(!breaker.note(&not_sent(None), now));
            assert!(breaker.admit(now).is_ok());
        }
        assert!(breaker.note(&Outcome::Unknown { why: "lost".into() }, now));
        let mut rests = Vec::new();
        for _ in 0..8 {
            let resting = breaker.admit(now).unwrap_err();
            rests.push(resting.wait_ms);
            now = now.plus_ms(i64::try_from(resting.wait_ms).unwrap());
            assert!(breaker.admit(now).is_ok(), "the probe");
            assert!(breaker.admit(now).is_err(), "one probe at a time");
            breaker.note(&not_sent(None), now);
        }
        assert_eq!(rests, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        now = now.plus_ms(LONGEST_REST_MS);
        assert!(breaker.admit(now).is_ok());
        breaker.note(&accepted(), now);
        assert!(breaker.admit(now).is_ok() && breaker.admit(now).is_ok() && !breaker.is_probing());
    }

    #[test]
    fn a_rest_keeps_why_no_bind_is_up_and_nothing_that_a_vendor_says_of_a_message() {
        for (why, kept) in [
            (
                "no bind is up: no encryption: the carrier does not answer in TLS",
                "no bind is up: no encryption: the carrier does not answer in TLS",
            ),
            ("HTTP 503: your text to +33 was odd", "HTTP 503"),
        ] {
            let breaker = Breaker::default();
            for _ in 0..MOST_FAILURES {
                breaker.note(&Outcome::NotSent { retry_after_ms: None, why: why.into() }, Timestamp(0));
            }
            assert_eq!(breaker.admit(Timestamp(0)).unwrap_err().why, kept);
        }
    }

    #[test]
    fn a_success_between_failures_starts_the_count_again() {
        let breaker = Breaker::default();
        for n in 0..20 {
            let refused = Outcome::Rejected { code: ErrorKind::ProviderRejected, why: String::new() };
            breaker.note(&if n % 5 == 4 { refused } else { not_sent(None) }, Timestamp(1));
            assert!(breaker.admit(Timestamp(1)).is_ok(), "{n}");
        }
    }

    #[test]
    fn a_message_of_which_every_segment_was_lost_is_a_failure_and_an_answer_for_one_is_none() {
        let lost = || SegmentOutcome::Unknown { why: "lost".into() };
        let answers = [
            SegmentOutcome::Accepted { vendor_id: "a".into(), price: None },
            SegmentOutcome::Rejected { code: ErrorKind::ProviderRejected, why: "no".into() },
        ];
        for answer in answers {
            let breaker = Breaker::default();
            for _ in 0..20 {
                breaker.note(&Outcome::Segments(vec![lost(), answer.clone()]), Timestamp(0));
            }
            assert!(breaker.look(Timestamp(0)).is_ok(), "{answer:?}");
        }
        let breaker = Breaker::default();
        let unsent = SegmentOutcome::NotSent { retry_after_ms: None, why: "cut".into() };
        for _ in 0..MOST_FAILURES {
            breaker.note(&Outcome::Segments(vec![lost(), unsent.clone()]), Timestamp(0));
        }
        assert_eq!(breaker.look(Timestamp(0)).unwrap_err().why, "lost");
    }

    #[test]
    fn a_provider_that_asks_to_wait_rests_so_long_and_refused_credentials_a_minute() {
        let breaker = Breaker::default();
        breaker.note(&not_sent(Some(500)), Timestamp(0));
        assert!(breaker.look(Timestamp(0)).is_ok(), "a short wait is waited by the one who sends");
        breaker.note(&not_sent(Some(90_000)), Timestamp(0));
        assert_eq!(breaker.look(Timestamp(1_000)).unwrap_err().wait_ms, 89_000);
        assert!(breaker.look(Timestamp(90_000)).is_ok());
        assert!(
            breaker.admit(Timestamp(90_000)).is_ok() && breaker.admit(Timestamp(90_000)).is_ok(),
            "it said so itself: no probe"
        );
        let breaker = Breaker::default();
        breaker.note(
            &Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, why: "401".into() },
            Timestamp(0),
        );
        assert_eq!(breaker.look(Timestamp(0)).unwrap_err(), Resting { wait_ms: 60_000, why: "401".into() });
    }

    #[test]
    fn what_comes_back_together_is_one_failure_to_rest_for_and_shortens_no_rest() {
        let breaker = Breaker::default();
        for _ in 0..50 {
            breaker.note(&Outcome::Unknown { why: "lost".into() }, Timestamp(0));
        }
        assert_eq!(
            breaker.look(Timestamp(0)).unwrap_err().wait_ms,
            1_000,
            "one request of fifty, or fifty at once"
        );
        assert!(breaker.admit(Timestamp(1_000)).is_ok());
        for _ in 0..50 {
            breaker.note(&not_sent(None), Timestamp(1_000));
        }
        assert_eq!(
            breaker.look(Timestamp(1_000)).unwrap_err().wait_ms,
            2_000,
            "a probe, and what it carried with it"
        );
        let breaker = Breaker::default();
        breaker.note(&not_sent(Some(90_000)), Timestamp(0));
        for _ in 0..50 {
            breaker.note(&not_sent(None), Timestamp(10));
        }
        assert_eq!(breaker.look(Timestamp(10)).unwrap_err().wait_ms, 89_990, "the provider asked for it");
    }

    #[test]
    fn a_probe_that_never_comes_back_does_not_block_for_good() {
        let breaker = Breaker::default();
        breaker.note(
            &Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, why: "401".into() },
            Timestamp(0),
        );
        assert!(breaker.admit(Timestamp(60_000)).is_ok());
        assert!(breaker.admit(Timestamp(61_000)).is_err());
        assert!(breaker.admit(Timestamp(60_000 + PROBE_MS)).is_ok());
    }
}
