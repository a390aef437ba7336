//! How often a vendor is asked because an agent asks: a model that looks again and again must not use up what
//! sends need.
//!
//! What was asked a moment ago is answered as it was, and said not to be fresh. A question counts against the
//! provider's rate like a send, and gets none of the half that is kept for sends. The sandbox has no vendor,
//! and is always asked.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::clock::Timestamp;
use crate::engine::contract::ProviderBalance;
use crate::engine::life::locked;
use crate::sms::message::MessageId;

/// A message's state is not asked for again within this time, in milliseconds.
const STATE_MS: i64 = 5_000;

/// An account's balance is not asked for again within this time, in milliseconds.
const BALANCE_MS: i64 = 30_000;

/// Messages that are remembered before those are looked through that were asked about long ago.
const REMEMBERED: usize = 1_000;

/// What a vendor was asked a moment ago.
#[derive(Default)]
pub struct Asked {
    states: Mutex<HashMap<MessageId, Timestamp>>,
    /// Held while it is asked: who asks meanwhile gets the same answer.
    pub balance: tokio::sync::Mutex<Option<(Timestamp, ProviderBalance)>>,
}

/// Whether what was asked then need not be asked yet. A clock that was set back makes nobody wait.
fn is_recent(then: Timestamp, now: Timestamp, within_ms: i64) -> bool {
    (0..within_ms).contains(&now.as_millis().saturating_sub(then.as_millis()))
}

impl Asked {
    /// Whether a message's state was asked for a moment ago; from now on it was.
    pub fn was_looked_at(&self, id: &MessageId, now: Timestamp) -> bool {
        let mut states = locked(&self.states);
        if states.get(id).is_some_and(|then| is_recent(*then, now, STATE_MS)) {
            return true;
        }
        if states.len() >= REMEMBERED {
            states.retain(|_, then| is_recent(*then, now, STATE_MS));
        }
        states.insert(id.clone(), now);
        false
    }
}

/// The balance that was asked for a moment ago, if it was.
pub fn recent_balance(
    known: Option<&(Timestamp, ProviderBalance)>,
    now: Timestamp,
) -> Option<ProviderBalance> {
    let (_, balance) = known.filter(|(then, _)| is_recent(*then, now, BALANCE_MS))?;
    Some(ProviderBalance { fresh: false, ..balance.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_asked_for_again_after_a_while_and_after_a_clock_was_set_back() {
        let (asked, one, other) = (Asked::default(), MessageId::new(1, 2), MessageId::new(1, 3));
        let at = |id: &MessageId, ms: i64| asked.was_looked_at(id, Timestamp(1_000_000 + ms));
        assert_eq!(
            [at(&one, 0), at(&one, 4_999), at(&other, 4_999), at(&one, 5_000), at(&one, 5_001)],
            [false, true, false, false, true]
        );
        assert_eq!([at(&one, 1_000), at(&one, 1_001)], [false, true]);
        for n in 0..5_000 {
            assert!(!at(&MessageId::new(2, n), 10_000 + i64::try_from(n).unwrap_or_default() * 10));
        }
        assert!(locked(&asked.states).len() <= REMEMBERED + 1);
    }
}
