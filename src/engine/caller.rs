//! Who calls: whose messages and budgets a verb of the engine is about.

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The principal: the operating-system user, or the bearer token's owner.
    pub principal: String,
    /// The session that the surface knows.
    pub base: Base,
}

/// The session that a surface knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// One with a life of its own: this process, or an HTTP session.
    Named(String),
    /// Whatever session the principal has open.
    Open,
}
