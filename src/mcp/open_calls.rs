//! The requests of one connection that are not answered yet.
//!
//! An answer is told from another by its id alone. Of two open requests with one id the protocol library
//! answers one, and the other client waits for ever; so the second is refused, before anything of it is done.

use std::collections::HashMap;

use rmcp::model::{ErrorData, RequestId, ServerJsonRpcMessage};

/// Most that are known of one connection, so that a client that cancels without end does not fill the memory:
/// a cancelled request is never answered. The oldest is forgotten first.
const MOST: usize = 4_096;

/// The ids of requests that are not answered yet.
#[derive(Debug, Default)]
pub(crate) struct OpenCalls {
    /// With the order in which they came.
    ids: HashMap<RequestId, u64>,
    next: u64,
}

impl OpenCalls {
    /// Notes a request.
    ///
    /// # Errors
    /// The refusal, if another one with this id is open.
    pub(crate) fn begin(&mut self, id: &RequestId) -> Result<(), ErrorData> {
        if self.ids.contains_key(id) {
            let why = "a request with this id is not answered yet, and its answer could not be told from \
                that of this one. Nothing of this one was \
                done: send it again with an id of its own";
            return Err(ErrorData::invalid_request(why, None));
        }
        if self.ids.len() >= MOST
            && let Some(oldest) = self.ids.iter().min_by_key(|(_, order)| **order).map(|(id, _)| id.clone())
        {
            self.ids.remove(&oldest);
        }
        self.ids.insert(id.clone(), self.next);
        self.next += 1;
        Ok(())
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Notes what is sent: an answer ends its request.
    pub(crate) fn note(&mut self, sent: &ServerJsonRpcMessage) {
        match sent {
            ServerJsonRpcMessage::Response(answer) => self.ids.remove(&answer.id),
            ServerJsonRpcMessage::Error(error) => error.id.as_ref().and_then(|id| self.ids.remove(id)),
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_free_again_once_its_request_is_answered_and_no_sooner() {
        let (mut calls, one) = (OpenCalls::default(), RequestId::Number(1));
        assert!(calls.begin(&one).is_ok() && calls.begin(&RequestId::String("1".into())).is_ok());
        assert!(calls.begin(&one).is_err());
        calls.note(&ServerJsonRpcMessage::error(
            ErrorData::internal_error("another", None),
            Some(RequestId::Number(2)),
        ));
        assert!(calls.begin(&one).is_err());
        calls.note(&ServerJsonRpcMessage::error(ErrorData::internal_error("it", None), Some(one.clone())));
        assert!(calls.begin(&one).is_ok());
    }

    #[test]
    fn those_that_are_never_answered_take_a_bounded_room() {
        let mut calls = OpenCalls::default();
        for id in 0..10_000 {
            assert!(calls.begin(&RequestId::Number(id)).is_ok());
        }
        assert_eq!(calls.ids.len(), MOST);
        assert!(calls.begin(&RequestId::Number(9_999)).is_err(), "the newest are known");
    }
}
