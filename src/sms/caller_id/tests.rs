//! Who wrote, in every spelling.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::collections::{BTreeMap, BTreeSet};

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType};

use super::*;

fn region(code: &str) -> Option<Region> {
    (!code.is_empty()).then(|| code.parse().unwrap())
}

fn texted(numbers: &[&str]) -> Vec<Known> {
    let known = |number: &&str| Known {
        number: (*number).to_owned(),
        is_recipient: true,
        is_recent: true,
        is_out: false,
    };
    numbers.iter().map(known).collect()
}

fn people(who: &Who) -> Vec<&str> {
    who.people.iter().map(Number::e164).collect()
}

#[test]
fn whoever_was_texted_is_found_in_every_spelling_of_their_number() {
    let nz = "+6465550123";
    let cases: &[(&str, &str, &[&str], &[&str])] = &[
        ("6465550123", "US", &["+16465550123"], &["+16465550123"]),
        ("6465550123", "US", &[nz], &[nz]),
        ("6465550123", "US", &["+16465550123", nz], &["+16465550123", nz]),
        ("6465550123", "", &["+16465550123"], &["+16465550123"]),
        ("6465550123", "US", &[], &["+16465550123", nz]),
        ("0612345678", "", &["+33612345678"], &["+33612345678"]),
        ("612345678", "", &["+33612345678"], &["+33612345678"]),
        ("0612345678", "", &[], &[]),
        ("33612345678", "", &[], &["+33612345678"]),
        ("0033612345678", "US", &["+33612345678"], &["+33612345678"]),
        ("01133612345678", "FR", &["+33612345678"], &["+33612345678"]),
        ("33 (0)6 12 34 56 78", "", &["+33612345678"], &["+33612345678"]),
        ("(646) 555-0123", "", &["+16465550123"], &["+16465550123"]),
        ("5215512345678", "", &["+525512345678"], &["+525512345678"]),
        ("5215512345678", "", &[], &["+525512345678"]),
        ("0445512345678", "MX", &["+525512345678"], &["+525512345678"]),
        ("5491123456789", "", &["+541123456789"], &["+541123456789"]),
        ("5491123456789", "", &["+5491123456789"], &["+5491123456789"]),
        ("5491123456789", "", &["+541123456789", "+5491123456789"], &["+5491123456789", "+541123456789"]),
        ("541123456789", "", &["+5491123456789"], &["+5491123456789"]),
        ("1123456789", "", &["+5491123456789"], &["+5491123456789"]),
        ("0111523456789", "", &["+5491123456789"], &["+5491123456789"]),
        ("111523456789", "AR", &["+5491123456789"], &["+5491123456789"]),
        ("2966 15-234567", "", &["+5492966234567"], &["+5492966234567"]),
        ("551187654321", "", &["+5511987654321"], &["+5511987654321"]),
        ("1187654321", "", &["+5511987654321"], &["+5511987654321"]),
        ("01187654321", "BR", &["+5511987654321"], &["+5511987654321"]),
        ("87654321", "", &["+5511987654321"], &["+5511987654321"]),
        ("0151187654321", "BR", &["+5511987654321"], &["+5511987654321"]),
        ("22507123456", "", &["+2250707123456"], &["+2250707123456"]),
        ("07123456", "", &["+2250707123456"], &["+2250707123456"]),
        ("07123456", "CI", &["+2250707123456", "+2250107123456"], &["+2250707123456", "+2250107123456"]),
        ("22997123456", "", &["+2290197123456"], &["+2290197123456"]),
        ("97123456", "", &["+2290197123456"], &["+2290197123456"]),
        ("2290197123456", "", &["+22997123456"], &["+22997123456"]),
        ("7290", "", &["+6907290"], &["+6907290"]),
        ("51234", "", &["+50051234"], &["+50051234"]),
        ("89161234567", "", &["+79161234567"], &["+79161234567"]),
        ("810491512345678", "RU", &["+491512345678"], &["+491512345678"]),
    ];
    for (written, from, known, expected) in cases {
        let who = who(&Sender::of(written), region(from), &texted(known));
        assert_eq!(people(&who), *expected, "{written} {from} {known:?}");
        assert_eq!(
            who.one.is_some(),
            who.people.len() == 1 || *written == "5491123456789",
            "{written}: one person, or nobody's reply"
        );
    }
}

#[test]
fn a_start_lifts_nobody_but_the_only_one_whom_it_fits_exactly() {
    let out = |number: &str| Known {
        number: number.to_owned(),
        is_recipient: false,
        is_recent: false,
        is_out: true,
    };
    let lifts = |written: &str, from: &str, known: &[Known]| {
        who(&Sender::of(written), region(from), known).lifts().map(|number| number.e164().to_owned())
    };
    let both = texted(&["+16465550123", "+6465550123"]);
    assert_eq!(lifts("6465550123", "US", &both[..1]).as_deref(), Some("+16465550123"));
    assert_eq!(lifts("6465550123", "US", &both), None, "two were texted");
    assert_eq!(
        lifts("6465550123", "US", &[both[0].clone(), out("+6465550123")]),
        None,
        "another who is out fits"
    );
    assert_eq!(lifts("6465550123", "US", &[out("+6465550123")]), None, "the region says another");
    assert_eq!(lifts("551187654321", "", &texted(&["+5511987654321"])), None, "a form of before");
    assert_eq!(lifts("87654321", "", &texted(&["+5511987654321"])), None, "eight digits");
    assert_eq!(
        lifts("0612345678", "FR", &[out("+33612345678")]),
        None,
        "nobody whom we texted, and a mobile phone elsewhere is written so"
    );
    assert_eq!(lifts("0033612345678", "", &[out("+33612345678")]).as_deref(), Some("+33612345678"));
    assert_eq!(lifts("+33612345678", "", &[]).as_deref(), Some("+33612345678"));
    assert_eq!(lifts("BANK", "", &[]), None);
    let half = [Known { is_out: true, ..texted(&["+5511987654321"])[0].clone() }, out("+551187654321")];
    assert_eq!(lifts("+551187654321", "", &half), None, "the same phone's other number would stay stopped");
    assert_eq!(lifts("+551187654321", "", &half[1..]).as_deref(), Some("+551187654321"));
}

#[test]
fn an_international_sender_is_taken_as_it_is_with_the_other_numbers_of_that_phone() {
    let asked = |written: &str, known: &[Known]| who(&Sender::of(written), region("US"), known);
    let both = texted(&["+16465550123", "+6465550123"]);
    assert_eq!(
        people(&asked("+6465550123", &both)),
        ["+6465550123"],
        "this one was texted: no other is looked for"
    );
    assert_eq!(people(&asked("+6465550123", &[])), ["+6465550123"], "nobody else fits");
    let one = asked("+5491123456789", &texted(&["+541123456789"]));
    assert_eq!(people(&one), ["+5491123456789", "+541123456789"]);
    assert_eq!(one.one.unwrap().e164(), "+541123456789", "the message went there");
    assert_eq!(
        asked("+5491123456789", &texted(&["+541123456789", "+5491123456789"])).one.unwrap().e164(),
        "+5491123456789"
    );
    let two = asked("+22507123456", &texted(&["+2250707123456", "+2250107123456"]));
    assert!(two.one.is_none() && two.is_shared && two.people.len() >= 2, "{two:?}");
    // A type that is wrong: no number begins like this.
    let typed = who(&Sender::E164("+0612345678".into()), None, &texted(&["+33612345678"]));
    assert_eq!(people(&typed), ["+33612345678"]);
    let typed = who(&Sender::E164("+0612345678".into()), None, &[]);
    assert!(typed.people.is_empty() && typed.is_doubtful());
}

#[test]
fn a_national_number_that_the_source_calls_international_stops_whoever_was_texted_and_is_written_so() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("2025550123", "+12025550123", &["+12025550123"]),
        ("5512345678", "+525512345678", &["+525512345678"]),
        ("15512345678", "+525512345678", &["+15512345678", "+525512345678"]),
        ("91123456789", "+5491123456789", &["+5491123456789"]),
        ("111523456789", "+5491123456789", &["+5491123456789"]),
        ("11987654321", "+5511987654321", &["+5511987654321"]),
        ("6641234567", "+436641234567", &["+436641234567"]),
        ("17612345678", "+4917612345678", &["+4917612345678"]),
        ("4300436641234567", "+436641234567", &["+436641234567"]),
        ("43004917612345678", "+4917612345678", &["+4917612345678"]),
        ("43436641234567", "+436641234567", &["+436641234567"]),
        ("6465550123", "+16465550123", &["+6465550123", "+16465550123"]),
    ];
    for (digits, to, expected) in cases {
        for from in ["", "US"] {
            let sender = Sender::E164(format!("+{digits}"));
            let known = texted(&[*to]);
            let endings = endings(&sender, region(from));
            assert!(
                endings.iter().any(|ending| to.ends_with(ending.as_str())),
                "{digits}: the ledger would not find {to} by {endings:?}"
            );
            let who = who(&sender, region(from), &known);
            assert_eq!(people(&who), *expected, "{digits} {from}");
            assert_eq!(
                who.is_shared,
                expected.len() > 1,
                "{digits}: where the number is in use too, a person says whose reply it is"
            );
            assert!(!who.is_doubtful(), "{digits}");
        }
    }
}

#[test]
fn a_number_that_nobody_can_have_is_read_in_the_region_and_else_put_before_a_person() {
    let sender = Sender::E164("+2025550123".into());
    assert_eq!(people(&who(&sender, region("US"), &[])), ["+12025550123"]);
    let unknown = who(&sender, None, &[]);
    assert!(unknown.people.is_empty() && unknown.is_doubtful() && unknown.lifts().is_none(), "{unknown:?}");
    // It was texted all the same: the plan may be newer than the one known here.
    assert_eq!(
        people(&who(&sender, region("US"), &texted(&["+2025550123", "+12025550123"]))),
        ["+2025550123"]
    );
}

#[test]
fn who_was_not_texted_is_stopped_as_read_and_put_before_a_person_where_it_may_be_somebody_else() {
    let asked = |sender: Sender, from: &str| {
        let who = who(&sender, region(from), &[]);
        (people(&who).into_iter().map(ToOwned::to_owned).collect::<Vec<_>>(), who.is_doubtful())
    };
    assert_eq!(asked("BANK".into(), "US"), (Vec::new(), true));
    assert_eq!(asked("".into(), "US"), (Vec::new(), true));
    assert_eq!(asked("36179".into(), "FR"), (Vec::new(), true));
    assert_eq!(asked("0612345678".into(), ""), (Vec::new(), true));
    assert_eq!(asked("0033612345678".into(), ""), (vec!["+33612345678".into()], false));
    let cn = region("CN").unwrap();
    assert_eq!(
        asked(Sender::InRegion("16265550123".into(), cn), "US"),
        (vec!["+8616265550123".into()], false),
        "not +1 626 555 0123"
    );
    assert_eq!(asked("16265550123".into(), "CN").0, ["+8616265550123", "+16265550123"]);
    let listed =
        [Known { number: "+33612345678".into(), is_recipient: false, is_recent: false, is_out: true }];
    assert!(!who(&Sender::of("33612345678"), None, &listed).is_doubtful(), "a list that is read every hour");
}

#[test]
fn two_recipients_who_fit_are_both_stopped_and_the_reply_is_nobodys() {
    let two = who(&Sender::of("6465550123"), region("US"), &texted(&["+16465550123", "+6465550123"]));
    assert!(two.is_shared && two.one.is_none() && two.lifts().is_none());
    let mut known = texted(&["+16465550123", "+6465550123"]);
    known[1].is_recent = false;
    let who = who(&Sender::of("6465550123"), region("US"), &known);
    assert_eq!(who.people.len(), 2, "a STOP reaches whoever was ever texted");
    assert_eq!(who.one.unwrap().e164(), "+16465550123", "a reply answers what went out lately");
}

/// Every country's example of a mobile number.
fn examples() -> BTreeMap<String, Number> {
    let example = |region: Region| {
        let outside = region.as_str().parse().ok()?;
        let kinds = [PhoneNumberType::Mobile, PhoneNumberType::FixedLineOrMobile];
        let number = kinds
            .iter()
            .find_map(|kind| PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(outside, *kind).ok())?;
        Number::parse(&PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164), None).ok()
    };
    Region::all().filter_map(|region| Some((region.to_string(), example(region)?))).collect()
}

/// What carriers and vendors make of a number, each with what it is.
fn written(number: &Number) -> BTreeSet<String> {
    let full = &number.e164()[1..];
    let code = number.calling_code().to_string();
    let nsn = &full[code.len()..];
    let parsed = PHONE_NUMBER_UTIL.parse(number.e164(), None).unwrap();
    let as_format = |format| PHONE_NUMBER_UTIL.format(&parsed, format).into_owned();
    let national = as_format(PhoneNumberFormat::National);
    let mut all = BTreeSet::from([
        full.to_owned(),
        format!("00{full}"),
        format!("011{full}"),
        format!("{code}0{nsn}"),
        nsn.to_owned(),
        format!("0{nsn}"),
        national.chars().filter(char::is_ascii_digit).collect(),
        national,
        as_format(PhoneNumberFormat::International).trim_start_matches('+').to_owned(),
    ]);
    let mut old = |nationals: &[String]| {
        all.extend(nationals.iter().flat_map(|national| {
            [national.clone(), format!("{code}{national}"), format!("00{code}{national}")]
        }))
    };
    match code.as_str() {
        "52" => old(&[format!("1{nsn}"), format!("044{nsn}"), format!("045{nsn}")]),
        "54" => old(&[
            nsn[1..].to_owned(),
            format!("{}15{}", &nsn[1..3], &nsn[3..]),
            format!("0{}15{}", &nsn[1..3], &nsn[3..]),
        ]),
        "55" => old(&[format!("{}{}", &nsn[..2], &nsn[3..]), format!("0{}{}", &nsn[..2], &nsn[3..])]),
        "225" | "229" => old(&[nsn[2..].to_owned()]),
        _ => {}
    }
    all
}

#[test]
fn every_spelling_of_every_example_mobile_stops_the_right_person_or_is_put_before_the_operator() {
    let examples = examples();
    let numbers: Vec<&str> = examples.values().map(Number::e164).collect();
    let (mut spellings, mut alone, mut shared, mut read, mut both, mut put) = (0, 0, 0, 0, 0, 0);
    for (code, number) in &examples {
        for written in written(number) {
            let senders = [
                (region(code), Sender::of(&written)),
                (None, Sender::of(&written)),
                (region("US"), Sender::E164(written.clone())),
            ];
            // One of them each, in turn.
            if let Some((from, sender)) = senders.get(spellings % senders.len()) {
                let from = *from;
                // A type that claims too much is believed where such a number was texted.
                let claimed = international(sender).filter(|claimed| claimed != number);
                spellings += 1;
                if claimed.as_ref().is_some_and(|claimed| was_texted(claimed, &texted(&numbers))) {
                    continue;
                }
                let case = format!("{code} {written} {sender:?} from {from:?}");
                let endings = endings(sender, from);
                let found: Vec<&str> = numbers
                    .iter()
                    .copied()
                    .filter(|known| endings.iter().any(|ending| known.ends_with(ending.as_str())))
                    .collect();
                // Everybody was texted: the right one is stopped, whoever else.
                let texted = who(sender, from, &texted(&found));
                assert!(texted.people.contains(number), "{case}: {texted:?}");
                assert!(
                    texted.one.as_ref().is_none_or(|one| one == number),
                    "{case}: a stranger's reply: {texted:?}"
                );
                if texted.people.len() == 1 {
                    alone += 1
                } else {
                    shared += 1
                }
                // Nobody was: the right one, or a person looks. To look everywhere takes its time, so not for
                // all of them.
                if spellings % 5 != 0 || claimed.is_some() {
                    continue;
                }
                let unknown = who(sender, from, &[]);
                let is_right = unknown.people.contains(number);
                assert!(is_right || unknown.is_doubtful(), "{case}: {unknown:?}");
                match (is_right, unknown.is_doubtful()) {
                    (true, false) => read += 1,
                    (true, true) => both += 1,
                    _ => put += 1,
                }
            }
        }
    }
    println!(
        "{} countries, {spellings} spellings. Texted: {alone} stop one, {shared} several.",
        examples.len()
    );
    println!(
        "Not texted: {read} stopped, {both} stopped and put before the operator, {put} put before the \
         operator alone."
    );
    assert!(examples.len() > 230 && spellings > 1_800, "{} {spellings}", examples.len());
}

#[test]
fn a_sender_whom_nobody_proved_stops_as_any_other_and_lifts_nobody() {
    let person = "+33612345678";
    let table = [
        Sender::of(person),
        Sender::of("0612345678"),
        Sender::InRegion("0612345678".to_owned(), "FR".parse().unwrap()),
    ];
    for sender in table {
        for known in [texted(&[person]), Vec::new()] {
            let proven = who(&sender, region("FR"), &known);
            let unproven = who(&sender.clone().unproven(), region("FR"), &known);
            assert_eq!(people(&unproven), [person], "{}", sender.text());
            assert_eq!(unproven.one, proven.one, "a reply is theirs all the same");
            assert!(unproven.lifts().is_none(), "{}", sender.text());
        }
        assert!(who(&sender, region("FR"), &texted(&[person])).lifts().is_some(), "{}", sender.text());
    }
}
