//! What says when a message may leave that nothing refuses, in place of its schedule and its hours (`when`).

use std::fmt;
use std::sync::Arc;

use super::ask::Ask;
use crate::sms::facts::Facts;
use crate::sms::verdict::Verdict;

type Says = dyn Fn(&Ask<'_>, &Facts) -> Verdict + Send + Sync;

/// What is asked about a message that nothing refuses, each time that the policy decides on it.
#[derive(Clone)]
pub struct Timing(Arc<Says>);

impl Timing {
    /// As this says.
    pub fn new(says: impl Fn(&Ask<'_>, &Facts) -> Verdict + Send + Sync + 'static) -> Self {
        Self(Arc::new(says))
    }

    /// When this one may leave.
    pub(super) fn verdict(&self, ask: &Ask<'_>, facts: &Facts) -> Verdict {
        (self.0)(ask, facts)
    }
}

impl fmt::Debug for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timing")
    }
}
