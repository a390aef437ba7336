//! A message's states so far, as a ledger keeps them: the inside of a JSON list of `[state, time]` or
//! `[state, time, "why"]`.

use serde_json::Value;

use crate::clock::Timestamp;
use crate::ledger::model::Change;
use crate::sms::message::State;

/// One step of it.
pub fn step(state: State, at: Timestamp, why: Option<&str>) -> String {
    match why {
        None => format!("[{},{}]", state.number(), at.as_millis()),
        Some(why) => serde_json::json!([state.number(), at.as_millis(), why]).to_string(),
    }
}

/// All steps of it, oldest first.
pub fn read(history: &str) -> Vec<Change> {
    #[derive(serde::Deserialize)]
    struct Step(u8, i64, #[serde(default)] Option<String>);
    let steps: Vec<Step> = serde_json::from_str(&format!("[{history}]")).unwrap_or_default();
    let change = |Step(state, at, why)| Change {
        state: State::from_number(state).unwrap_or(State::Unknown),
        at: Timestamp(at),
        why,
    };
    steps.into_iter().map(change).collect()
}

/// A history without the claim that it ends with, and when the step before that was; nothing for a message
/// that never was in the queue.
pub fn without_claim(history: &str) -> Option<(String, i64)> {
    let mut steps: Vec<Vec<Value>> = serde_json::from_str(&format!("[{history}]")).ok()?;
    steps.pop()?;
    let last = steps.last()?;
    let is_queued = last.first()?.as_u64()? == u64::from(State::Queued.number());
    let at = last.get(1)?.as_i64()?;
    let before: Vec<String> = steps.into_iter().map(|step| Value::from(step).to_string()).collect();
    is_queued.then(|| (before.join(","), at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_claim_is_taken_out_of_a_history() {
        let is =
            |history: &str, before: &str| assert_eq!(without_claim(history), Some((before.to_owned(), 10)));
        is("[1,10],[2,20]", "[1,10]");
        is("[0,5],[1,10,\"a,[b\"],[2,20]", "[0,5],[1,10,\"a,[b\"]");
        for other in ["[2,20]", "[1,10]", "[2,20],[3,30]", ""] {
            assert_eq!(without_claim(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = [
            step(State::Queued, Timestamp(1), None),
            step(State::Rejected, Timestamp(2), Some("a \"no\", [really]")),
        ]
        .join(",");
        let read = read(&written);
        assert_eq!(
            read.iter().map(|change| (change.state, change.at.as_millis())).collect::<Vec<_>>(),
            [(State::Queued, 1), (State::Rejected, 2)]
        );
        assert_eq!(read.last().and_then(|change| change.why.as_deref()), Some("a \"no\", [really]"));
    }
}
