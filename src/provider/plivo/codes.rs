//! Plivo's codes for a delivery that failed. Answers that refuse a text have none: they count by their HTTP
//! status.
//!
//! Only those are here that the vendor's pages have in a form that could be read. Reports have others too (200
//! is said to be a person who answered STOP): of those the number is told and nothing is concluded, unless
//! the operator has it among `opt_out_codes`.
//!
//! Source: plivo.com/docs, messaging error codes.

use crate::provider::failure::{Again, Whose};
use crate::provider::rest::codes::Codes;
use Again::{Later, Mended, Never};
use Whose::{Caller, Operator, Vendor};

/// Where they stand.
const PAGE: &str = "plivo.com/docs, messaging error codes";

/// Every code that is known here.
pub const CODES: Codes = Codes(&[
    (10, None, "The text is none that the carrier takes", Caller, Mended, PAGE),
    (20, None, "The carrier's network failed, for a time", Vendor, Later, PAGE),
    (30, None, "The carrier filtered the text out, as spam", Caller, Mended, PAGE),
    (40, None, "The sender is none that may text this number", Operator, Mended, PAGE),
    (50, None, "The number cannot be texted: it is wrong, out of use or a landline", Caller, Never, PAGE),
]);
