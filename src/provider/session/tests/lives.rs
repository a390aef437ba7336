//! The life of connections.

