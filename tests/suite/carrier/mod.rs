//! Mock carriers, and the whole program before them.
//!
//! Both mocks are written from the protocols' field tables, octet by octet, and know nothing of the program's
//! own codecs: a misunderstanding that both ends shared would show nowhere. The benchmarks use them too; the
//! tests are in `carriers`.

#![allow(dead_code, reason = "the tests and the benchmarks use a part of the switches each")]

pub mod heard;
pub mod ismg;
pub mod peer;
pub mod scene;
pub mod smsc;
pub mod turns;
