//! The life of connections.
