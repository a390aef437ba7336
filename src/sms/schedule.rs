//! When a message is to leave, as who asks for it wishes.

/// When a message is to leave. Without anything it is as soon as it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Not before this, in milliseconds since 1970 (UTC).
    pub at_ms: Option<i64>,
    /// Not after this: it expires then, and does not leave late.
    pub by_ms: Option<i64>,
}
