//! Sinch's codes of deliveries that failed. A batch is taken at once and sent later, so that a lack of money
//! shows here too.
//!
//! Source: developers.sinch.com, SMS, delivery reports, error codes. Other codes are those of SMPP behind it,
//! which mean what each operator makes of them.

use crate::provider::failure::{Again, Whose};
use crate::provider::rest::codes::Codes;
use Again::{Later, Mended, Never};
use Whose::{Caller, Operator, Recipient, Vendor};

/// Where they stand.
const PAGE: &str = "developers.sinch.com, SMS, delivery report error codes";

/// Every code that is known here.
pub const CODES: Codes = Codes(&[
    (402, None, "Sinch has no route to this number", Caller, Never, PAGE),
    (403, None, "An unexpected error at Sinch", Vendor, Later, PAGE),
    (404, None, "The text could not be delivered for now", Vendor, Later, PAGE),
    (405, None, "A parameter of the text had no value for this person", Vendor, Never, PAGE),
    (406, None, "The text's time was over before it reached the operator", Vendor, Later, PAGE),
    (407, None, "The text was canceled before it reached the operator", Operator, Mended, PAGE),
    (408, None, "The operator refused the text", Recipient, Never, PAGE),
    (410, None, "No sender fits this number; the plan needs one", Operator, Mended, PAGE),
    (411, None, "The text has more segments than were held for it", Caller, Mended, PAGE),
    (412, None, "The plan may not text this region", Operator, Mended, PAGE),
    (413, None, "The account is blocked, or has no money left", Operator, Mended, PAGE),
]);
