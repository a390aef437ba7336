//! Mock carriers, and what the carrier protocols promise before them.
//!
//! Both are written from the protocols' field tables, octet by octet, and know nothing of the program's own codecs: a
//! misunderstanding that both ends shared would show nowhere. The benchmarks use them too.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod interop;
pub mod ismg;
pub mod peer;
pub mod scene;
pub mod smsc;
#[cfg(test)]
mod whole;
