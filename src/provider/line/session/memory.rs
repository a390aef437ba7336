//! What the account and its connections remember of what people wrote: which texts were told before, and
//! which of them may be told again, here or to another process. It is what `words` knows, behind one lock and
//! with the clock.

use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{SharedClock, Timestamp};
use crate::provider::exchange::{Event, Notice, Unacknowledged};
use crate::provider::line::session::words::{Content, Words};
use crate::sms::message::hex;

/// What the account and its connections know of what people write.
pub(super) struct Memory {
    words: Mutex<Words>,
    clock: SharedClock,
}

impl Memory {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self { words: Mutex::default(), clock }
    }

    /// Texts that may be told again; each is handed out once.
    pub(super) fn unheard(self: &Arc<Self>) -> Unheard {
        Unheard { texts: self.with(|words, _| words.unheard()), memory: Arc::clone(self) }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn with<T>(&self, what: impl FnOnce(&mut Words, Timestamp) -> T) -> T {
        let now = self.clock.now();
        what(&mut self.words.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// See [`Words::ended`].
    pub(super) fn ended(&self, link: u64, heard: Timestamp, written: u64) {
        self.with(|words, now| words.ended(link, heard, written, now));
    }
}

/// Texts that may be told again. What is dropped without `kept` is handed out again.
pub struct Unheard {
    texts: Vec<(Content, Timestamp)>,
    memory: Arc<Memory>,
}

impl Unheard {
    /// They are kept elsewhere now.
    fn kept(mut self) {
        let texts = std::mem::take(&mut self.texts);
        self.memory.with(|words, now| words.kept(&texts, now));
    }

    /// As they are to be kept.
    pub fn texts(&self) -> Vec<Unacknowledged> {
        self.texts
            .iter()
            .map(|(content, first)| Unacknowledged { content: hex(content), first: *first })
            .collect()
    }

    /// The notice that asks for them to be kept; nothing where there are none.
    pub fn notice(self) -> Option<Notice> {
        if self.texts.is_empty() {
            return None;
        }
        let event = Event::Unacknowledged(self.texts());
        Some(Notice::thanking(event, move |is_durable| {
            if is_durable {
                self.kept();
            }
        }))
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        let texts = std::mem::take(&mut self.texts);
        if !texts.is_empty() {
            self.memory.with(|words, _| words.keep_unheard(texts));
        }
    }
}
