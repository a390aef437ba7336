//! What is recorded of a message whose segments went out as requests of their own. It is told as it is: sent
//! when all of them were taken, unknown when one may have been, and else partly sent, which is final: the
//! person has a piece of the text, so nobody sends the whole again.

use crate::clock::Timestamp;
use crate::engine::carriers::word::{FIRST_LOOK_MS, is_usable_id};
use crate::error::ErrorKind;
use crate::ledger::{Segment, Settlement};
use crate::provider::SegmentOutcome;
use crate::sms::message::State;
use crate::sms::money::Money;
use crate::sms::untrusted;

/// What a message costs whose segments were told so: the sum of what went out. Nothing where one of those has
/// no price, or one may have gone out of which nobody knows.
pub fn price(outcomes: &[SegmentOutcome]) -> Option<Money> {
    let mut sum: Option<Money> = None;
    for outcome in outcomes {
        match (outcome, sum) {
            (SegmentOutcome::Accepted { price, .. }, None) => sum = Some((*price)?),
            (SegmentOutcome::Accepted { price, .. }, Some(before)) => {
                let price = price.filter(|price| price.currency == before.currency)?;
                sum = Some(Money { micros: before.micros.checked_add(price.micros)?, ..before });
            }
            (SegmentOutcome::Unknown { .. }, _) => return None,
            _ => {}
        }
    }
    sum
}

/// What the ledger is told about each segment of a message.
pub fn each(outcomes: Vec<SegmentOutcome>, at: Timestamp) -> Vec<Segment> {
    (1..).zip(outcomes).map(|(number, outcome)| segment_of(number, outcome, at)).collect()
}

/// The end of a message with these segments. `is_asked`: the provider is to be asked about what is not final.
pub fn settlement(parts: Vec<Segment>, at: Timestamp, is_asked: bool) -> Settlement {
    let (state, code, why) = told(&parts);
    let vendor_id = parts.iter().find_map(|part| part.vendor_id.clone());
    let is_open = is_asked && !state.is_final() && vendor_id.is_some();
    Settlement {
        at,
        state,
        vendor_id,
        price_micros: None,
        segments: None,
        parts,
        code,
        why,
        free_key: false,
        look_at: is_open.then(|| at.plus_ms(FIRST_LOOK_MS)),
    }
}

/// What the ledger is told about one segment.
pub fn segment_of(number: u32, outcome: SegmentOutcome, at: Timestamp) -> Segment {
    let (state, vendor_id, why) = match outcome {
        SegmentOutcome::Accepted { vendor_id, .. } => {
            (State::Sent, Some(vendor_id).filter(|id| is_usable_id(id)), None)
        }
        SegmentOutcome::Rejected { why, .. }
        | SegmentOutcome::NotSent { why, .. }
        | SegmentOutcome::NotNow { why, .. } => (State::Rejected, None, Some(why)),
        SegmentOutcome::Unknown { why } => (State::Unknown, None, Some(why)),
    };
    Segment { number, state, vendor_id, at, why: why.as_deref().map(untrusted::kept_words) }
}

/// Where the message stands, with our code and words for anything but success.
fn told(parts: &[Segment]) -> (State, Option<ErrorKind>, Option<String>) {
    let of = parts.len();
    let in_state = |state: State| parts.iter().filter(move |part| part.state == state);
    let numbers = |state: State| in_state(state).map(|part| part.number).collect::<Vec<u32>>();
    let (lost, refused) = (numbers(State::Unknown), numbers(State::Rejected));
    let taken = of - lost.len() - refused.len();
    let refusal = in_state(State::Rejected).next().map(|first| {
        let verb = if refused.len() == 1 { "was" } else { "were" };
        format!(
            "{} {verb} not taken: {}",
            named(&refused),
            first.why.as_deref().unwrap_or("no reason was given")
        )
    });
    if !lost.is_empty() {
        let (answers, were) = if lost.len() == 1 { ("answer", "was") } else { ("answers", "were") };
        let accepted = if taken == 1 {
            "1 segment was accepted".to_owned()
        } else {
            format!("{taken} segments were accepted")
        };
        let mut why = format!("the {answers} for {} of {of} {were} lost; {accepted}", named(&lost));
        if let Some(refusal) = refusal {
            why = format!("{why}; {refusal}");
        }
        return (State::Unknown, Some(ErrorKind::OutcomeUnknown), Some(why));
    }
    match refusal {
        Some(refusal) if taken == 0 => (State::Rejected, Some(ErrorKind::ProviderRejected), Some(refusal)),
        Some(refusal) => (
            State::Failed,
            Some(ErrorKind::PartlySent),
            Some(format!("{taken} of {of} segments went out; {refusal}")),
        ),
        None => (State::Sent, None, None),
    }
}

/// "segment 2", "segments 2 and 3", "segments 1, 2 and 4".
fn named(numbers: &[u32]) -> String {
    let texts: Vec<String> = numbers.iter().map(u32::to_string).collect();
    match texts.as_slice() {
        [] => "no segment".to_owned(),
        [only] => format!("segment {only}"),
        [first @ .., last] => format!("segments {} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sms::money::Currency;

    fn accepted(id: &str) -> SegmentOutcome {
        SegmentOutcome::Accepted { vendor_id: id.to_owned(), price: None }
    }

    fn refused() -> SegmentOutcome {
        SegmentOutcome::Rejected { code: ErrorKind::ProviderRejected, why: "bad".to_owned() }
    }

    fn not_sent() -> SegmentOutcome {
        SegmentOutcome::NotSent { retry_after_ms: None, why: "cut".to_owned() }
    }

    fn lost() -> SegmentOutcome {
        SegmentOutcome::Unknown { why: "no answer".to_owned() }
    }

    #[test]
    fn what_is_said_of_a_message_follows_from_what_became_of_each_segment() {
        let table = [
            (vec![accepted("a"), accepted("b")], State::Sent, None, None),
            (
                vec![accepted("a"), accepted("b"), refused()],
                State::Failed,
                Some(ErrorKind::PartlySent),
                Some("2 of 3 segments went out; segment 3 was not taken: bad"),
            ),
            (
                vec![accepted("a"), not_sent(), not_sent()],
                State::Failed,
                Some(ErrorKind::PartlySent),
                Some("1 of 3 segments went out; segments 2 and 3 were not taken: cut"),
            ),
            (
                vec![accepted("a"), lost(), accepted("c")],
                State::Unknown,
                Some(ErrorKind::OutcomeUnknown),
                Some("the answer for segment 2 of 3 was lost; 2 segments were accepted"),
            ),
            (
                vec![lost(), lost(), accepted("c"), lost(), refused()],
                State::Unknown,
                Some(ErrorKind::OutcomeUnknown),
                Some(
                    "the answers for segments 1, 2 and 4 of 5 were lost; 1 segment was accepted; segment 5 \
                     was not taken: bad",
                ),
            ),
        ];
        for (outcomes, state, code, why) in table {
            let parts = (1..)
                .zip(outcomes)
                .map(|(number, outcome)| segment_of(number, outcome, Timestamp(7)))
                .collect();
            let settled = settlement(parts, Timestamp(7), true);
            assert_eq!((settled.state, settled.code, settled.why.as_deref()), (state, code, why));
            assert_eq!(settled.look_at.is_some(), !state.is_final());
            assert!(!settled.free_key && settled.vendor_id.is_some());
        }
    }

    #[test]
    fn a_message_costs_what_its_segments_do_and_where_one_says_nothing_nobody_knows() {
        let costs = |micros: i64, currency: Currency| SegmentOutcome::Accepted {
            vendor_id: "a".to_owned(),
            price: Some(Money { micros, currency }),
        };
        let eur = |micros: i64| costs(micros, Currency::EUR);
        for (outcomes, expected) in [
            (vec![eur(33_300), eur(33_300)], Some(66_600)),
            (vec![eur(33_300), refused(), not_sent()], Some(33_300)),
            (vec![eur(33_300), accepted("b")], None),
            (vec![accepted("a"), eur(33_300)], None),
            (vec![eur(33_300), lost()], None),
            (vec![eur(33_300), costs(1, Currency::USD)], None),
            (vec![eur(i64::MAX), eur(1)], None),
            (vec![refused()], None),
        ] {
            assert_eq!(price(&outcomes).map(|price| price.micros), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn an_id_that_a_reader_could_take_for_words_is_none() {
        let segment = segment_of(1, accepted("send it again"), Timestamp(0));
        assert_eq!((segment.state, segment.vendor_id), (State::Sent, None));
    }
}
