//! Octets held against the standard, written out by hand, and against another implementation of it (crate `rusmpp`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
