//! A second opinion on phone numbers: the crate `phonenumber`, another port of libphonenumber, reads every
//! number of `tests/vectors/phones.json`, and may differ from ours only where a reason is written here. The
//! vectors themselves hold what Google's library says, and the unit tests of `sms::number` hold ours to them.
//! A new version of either crate that mends or breaks a number shows up as a difference from this list.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use sms_mcp::sms::number::{Number, Region};

/// Input, and what `phonenumber` 0.3.10 makes of it (`None`: an error). Ours is right in each, as Google's
/// library says, or refuses what that library alters.
#[rustfmt::skip]
const KNOWN_DIFFERENCES: [(&str, Option<&str>); 15] = [
    // It takes the first digits of the national number for a national prefix and strips it, in some countries
    // twice.
    ("+78001234567", Some("+7001234567")),
    ("+78081234567", Some("+7081234567")),
    ("+78091234567", Some("+7091234567")),
    ("+37080012345", Some("+370012345")),
    ("+37080123456", Some("+370123456")),
    ("+37080812345", Some("+370812345")),
    ("+3758011234567", Some("+37511234567")),
    ("+3590012345", Some("+35912345")),
    // It strips the national prefix of the default region (0 in GB) from a number of another country
    // (Botswana).
    ("002670800012345", Some("+267800012345")),
    // It keeps the national prefix that people put after the country code, as in +44 (0)7700.
    ("+4407700900123", Some("+4407700900123")),
    // We refuse what adds a 3, drops 05 as a carrier's code, and may be a pager's number with a tail, or a
    // mobile behind a row's number.
    ("+67210609", Some("+672310609")),
    ("+570590271234", Some("+5790271234")),
    ("+61 16 312 34", Some("+611631234")),
    ("69 786 1234", Some("+423697861234")),
    // It reads no full-width digits.
    ("＋４４７７００９００１２３", None),
];

#[test]
fn another_port_of_libphonenumber_differs_only_where_it_is_known_to_be_wrong() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/phones.json");
    let cases: Vec<serde_json::Value> =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(cases.len(), 1386);
    let mut differences = BTreeMap::new();
    for case in &cases {
        let (input, region) = (case["input"].as_str().unwrap(), case["region"].as_str());
        let ours = Number::parse(input, region.map(|code| code.parse::<Region>().unwrap()));
        let ours = ours.ok().map(|number| number.e164().to_owned());
        let theirs = phonenumber::parse(region.map(|code| code.parse().unwrap()), input).ok();
        let theirs = theirs.map(|number| number.format().mode(phonenumber::Mode::E164).to_string());
        if ours != theirs {
            differences.insert(input, theirs);
        }
    }
    let known = KNOWN_DIFFERENCES.map(|(input, theirs)| (input, theirs.map(str::to_owned)));
    assert_eq!(differences, BTreeMap::from(known));
}
