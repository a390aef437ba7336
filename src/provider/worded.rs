//! Which words of the vendor are in what a provider answers: the one list of them, so that none is kept or
//! shown unlooked at.
//!
//! Beside them the vendor's ids, which are held to a form of their own and quote nothing. Not among them: what
//! people wrote, which is kept as it was written.

use serde_json::Value;

use super::exchange::{Event, Finding, HeardBy, NotBelieved, Page, Receipt, SegmentOutcome, VendorMessage};
use super::{Balance, Outcome};
use crate::error::Error;

/// Whatever a provider answers.
pub trait Worded {
    /// Shows each text in it that may be the vendor's words, to be changed.
    fn words(&mut self, look: &mut dyn FnMut(&mut String));

    /// Shows each id of the vendor's in it, to be changed; what becomes empty is none.
    fn ids(&mut self, look: &mut dyn FnMut(&mut String)) {
        let _ = look;
    }
}

impl Worded for Outcome {
    fn words(&mut self, look: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Accepted { .. } => {}
            Self::Failed { why, .. }
            | Self::Rejected { why, .. }
            | Self::NotSent { why, .. }
            | Self::NotNow { why, .. }
            | Self::Unknown { why }
            | Self::Unclear { why, .. } => look(why),
            Self::Segments(segments) => segments.words(look),
        }
    }

    fn ids(&mut self, look: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Accepted { vendor_id, .. } | Self::Failed { vendor_id, .. } => {
                vendor_id.iter_mut().for_each(look);
            }
            Self::Unclear { vendor_id, .. } => look(vendor_id),
            Self::Segments(segments) => segments.ids(look),
            Self::Rejected { .. } | Self::NotSent { .. } | Self::NotNow { .. } | Self::Unknown { .. } => {}
        }
    }
}

impl Worded for SegmentOutcome {
    fn words(&mut self, look: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Accepted { .. } => {}
            Self::Rejected { why, .. }
            | Self::NotSent { why, .. }
            | Self::NotNow { why, .. }
            | Self::Unknown { why } => look(why),
        }
    }

    fn ids(&mut self, look: &mut dyn FnMut(&mut String)) {
        if let Self::Accepted { vendor_id, .. } = self {
            look(vendor_id);
        }
    }
}

impl Worded for Receipt {
    fn words(&mut self, look: &mut dyn FnMut(&mut String)) {
        self.why.iter_mut().for_each(look);
    }

    fn ids(&mut self, look: &mut dyn FnMut(&mut String)) {
        look(&mut self.vendor_id);
    }
}

impl Worded for Event {
    fn words(&mut self, look: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Receipt(receipt) | Self::Claimed { receipt, .. } => receipt.words(look),
            Self::Answered(answered) => answered.outcome.words(look),
            Self::Hint { .. }
            | Self::Named { .. }
            | Self::Reply(_)
            | Self::Segment(_)
            | Self::OptOut { .. }
            | Self::Unacknowledged(_) => {}
        }
    }

    fn ids(&mut self, look: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Receipt(receipt) => receipt.ids(look),
            Self::Claimed { receipt, reply } => {
                receipt.ids(look);
                reply.iter_mut().for_each(|reply| look(&mut reply.vendor_id));
            }
            Self::Answered(answered) => answered.outcome.ids(look),
            Self::Hint { vendor_id, .. } | Self::Named { vendor_id, .. } => look(vendor_id),
            Self::Reply(reply) => look(&mut reply.vendor_id),
            Self::Segment(segment) => look(&mut segment.vendor_id),
            Self::OptOut { heard_by: Some(HeardBy::Text(id)), .. } => look(id),
            Self::OptOut { .. } | Self::Unacknowledged(_) => {}
        }
    }
}

impl Worded for VendorMessage {
    fn words(&mut self, look: &mut dyn FnMut(&mut String)) {
        self.why.iter_mut().for_each(look);
    }

    fn ids(&mut self, look: &mut dyn FnMut(&mut String)) {
        look(&mut self.vendor_id);
    }
}

impl Worded for Page {
    fn words(&mut self, look: &mut dyn FnMut(&mut String)) {
        self.messages.words(look);
    }

    fn ids(&mut self, look: &mut dyn FnMut(&mut String)) {
        self.messages.ids(look);
    }
}

impl Worded for Finding {
    fn words(&mut self, look: &mut dyn FnMut(&mut String)) {
        look(&mut self.text);
    }
}

impl Worded for Error {
    fn words(&mut self, look: &mut dyn FnMut(&mut String)) {
        self.texts().for_each(look);
    }
}

/// The answer to an action of the operator's, which may show anything.
impl Worded for Value {
    fn words(&mut self, look: &mut dyn FnMut(&mut String)) {
        match self {
            Self::String(text) => look(text),
            Self::Array(list) => list.iter_mut().for_each(|value| value.words(look)),
            Self::Object(object) => object.values_mut().for_each(|value| value.words(look)),
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
        }
    }
}

impl Worded for NotBelieved {
    fn words(&mut self, look: &mut dyn FnMut(&mut String)) {
        if let Self::Malformed(what) = self {
            look(what);
        }
    }
}

impl Worded for Balance {
    fn words(&mut self, _: &mut dyn FnMut(&mut String)) {}
}

/// Phone numbers of a list.
impl Worded for String {
    fn words(&mut self, _: &mut dyn FnMut(&mut String)) {}
}

impl Worded for () {
    fn words(&mut self, _: &mut dyn FnMut(&mut String)) {}
}

impl<T: Worded> Worded for Vec<T> {
    fn words(&mut self, look: &mut dyn FnMut(&mut String)) {
        self.iter_mut().for_each(|one| one.words(look));
    }

    fn ids(&mut self, look: &mut dyn FnMut(&mut String)) {
        self.iter_mut().for_each(|one| one.ids(look));
    }
}

impl<T: Worded> Worded for Option<T> {
    fn words(&mut self, look: &mut dyn FnMut(&mut String)) {
        self.iter_mut().for_each(|one| one.words(look));
    }

    fn ids(&mut self, look: &mut dyn FnMut(&mut String)) {
        self.iter_mut().for_each(|one| one.ids(look));
    }
}

impl<T: Worded, E: Worded> Worded for Result<T, E> {
    fn words(&mut self, look: &mut dyn FnMut(&mut String)) {
        match self {
            Ok(answer) => answer.words(look),
            Err(error) => error.words(look),
        }
    }

    fn ids(&mut self, look: &mut dyn FnMut(&mut String)) {
        if let Ok(answer) = self {
            answer.ids(look);
        }
    }
}
