//! Whom a text goes to: every country's numbers in the spellings that people use are read right, and nothing
//! that people or spreadsheets make of them is read as somebody else's number.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::sync::Mutex;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType};
use sms_mcp::sms::number::{Number, Region};

/// A number in use, as its country and the world write it.
struct Example {
    region: Region,
    e164: String,
    national: String,
    international: String,
}

impl Example {
    fn of(region: Region, number: &PhoneNumber) -> Self {
        let text = |format| PHONE_NUMBER_UTIL.format(number, format).into_owned();
        let (e164, national) = (text(PhoneNumberFormat::E164), text(PhoneNumberFormat::National));
        Self { region, e164, national, international: text(PhoneNumberFormat::International) }
    }
}

/// The example mobile of every region, and beside it another like it: its last digits changed, as long as it
/// stays a mobile.
fn mobiles() -> (Vec<Example>, Vec<Example>) {
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for code in PHONE_NUMBER_UTIL.get_supported_regions() {
        let Ok(region) = code.as_region_str().parse::<Region>() else { continue };
        let Ok(example) =
            PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(code, PhoneNumberType::Mobile)
        else {
            continue;
        };
        found.push(Example::of(region, &example));
        let mut other = example.clone();
        other.national_number = example.national_number / 100 * 100 + (example.national_number + 31) % 100;
        if PHONE_NUMBER_UTIL.get_number_type(&other) == PHONE_NUMBER_UTIL.get_number_type(&example) {
            others.push(Example::of(region, &other));
        }
    }
    (found, others)
}

/// Every example of every kind of number that every region has.
fn examples() -> Vec<Example> {
    use PhoneNumberType as Kind;
    let kinds = [
        Kind::FixedLine,
        Kind::Mobile,
        Kind::TollFree,
        Kind::VoIP,
        Kind::PersonalNumber,
        Kind::Pager,
        Kind::UAN,
    ];
    let of = |code: rlibphonenumber::Region| {
        let region = code.as_region_str().parse::<Region>().ok();
        let numbers = kinds.iter().filter_map(move |kind| {
            PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(code, *kind).ok()
        });
        numbers.filter_map(move |number| Some(Example::of(region?, &number))).collect::<Vec<_>>()
    };
    PHONE_NUMBER_UTIL.get_supported_regions().flat_map(of).collect()
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn wide(text: &str) -> String {
    let widen = |c: char| {
        if matches!(c, '+' | '(' | ')' | '0'..='9') {
            char::from_u32(u32::from(c) + 0xfee0).unwrap()
        } else {
            c
        }
    };
    text.chars().map(widen).collect()
}

/// How people write a number: as libphonenumber formats it, with the other signs that stand between groups,
/// from abroad with 00, and with the zero that is dialled inside the country in brackets.
fn ordinary(example: &Example) -> Vec<String> {
    let Example { e164, national, international, .. } = example;
    let (code, rest) = international.split_once(' ').unwrap_or((international, ""));
    let mut found = vec![
        e164.clone(),
        format!("tel:{e164}"),
        format!("sms:{e164}"),
        format!("'{e164}"),
        format!("=\"{international}\""),
        format!("{international}."),
        format!("{national},"),
        format!("{international} (mobile)"),
        format!("{national} (Work)"),
        format!("00{}", &e164[1..]),
        international.clone(),
        international.replace([' ', '-'], "\u{a0}"),
        international.replace([' ', '-'], "-"),
        international.replace([' ', '-'], "."),
        format!("00{}", &international[1..]),
        format!("({code}) {rest}"),
        wide(international),
        national.clone(),
        format!(" {national}\n"),
        digits(national),
        wide(national),
    ];
    if !national.contains('(') {
        found.extend([
            national.replace([' ', '-'], "-"),
            national.replace([' ', '-'], "."),
            national.replace([' ', '-'], "\u{202f}"),
        ]);
        if let Some((area, rest)) =
            national.split_once([' ', '-']).filter(|(area, rest)| area.len() <= 5 && digits(rest).len() >= 5)
        {
            found.extend([format!("({area}) {rest}"), format!("{area}/{rest}")]);
        }
    }
    if national.starts_with('0') && !rest.starts_with('0') && format!("0{}", digits(rest)) == digits(national)
    {
        found.extend([
            format!("{code} (0){rest}"),
            format!("{code}(0) {rest}"),
            format!("00{} (0) {rest}", &code[1..]),
        ]);
    }
    found
}

/// What stands behind a number.
const TAILS: [&str; 44] = [
    ".0",
    ".00",
    ",0",
    ",00",
    ".000",
    ".5",
    ".25",
    ",5",
    "/2",
    "/8",
    "/12",
    " /2",
    " / 12",
    "/2/3",
    " (2)",
    "(2)",
    " (12)",
    " - 2",
    "-2",
    " -2",
    " - 12",
    " 2",
    "*",
    " *",
    "\u{b9}",
    "\u{b2}",
    "[1]",
    " [2]",
    "1)",
    " 1)",
    " a)",
    "(a)",
    " (privat)",
    "\u{2020}",
    " x5",
    " ext. 12",
    "#3",
    " DW 12",
    ";12",
    ", 2",
    "p1",
    "w2",
    "-0",
    "+",
];

/// What stands before it.
const HEADS: [&str; 22] = [
    "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "8 ", "9 ", "2. ", "3) ", "(4) ", "5/", "6-", "8.", "2 - ",
    "02 ", "12 ", "37 ", "104 ", "#7 ", "1: ",
];

/// What parts two numbers.
const BETWEEN: [&str; 14] =
    [" ", "  ", ",", ", ", ";", "; ", "/", " / ", " - ", "\n", " | ", " und ", " & ", "|"];

/// What nobody sees.
const HIDDEN: [char; 8] =
    ['\u{200b}', '\u{202a}', '\u{200e}', '\u{ad}', '\u{2060}', '\u{feff}', '\u{7}', '\u{fe0f}'];

/// What people and spreadsheets make of a spelling. `other` is somebody else's number in the same spelling.
#[expect(clippy::too_many_lines, reason = "a table")]
fn mangled(text: &str, other: &str) -> Vec<String> {
    let mut found: Vec<String> = TAILS.iter().map(|tail| format!("{text}{tail}")).collect();
    found.extend(BETWEEN.iter().map(|between| format!("{text}{between}{other}")));
    found.extend(HEADS.iter().map(|head| format!("{head}{text}")));
    if let Some((code, rest)) = text.strip_prefix('+').and_then(|text| text.split_once(' ')) {
        // Behind the country code, before the zero that is dialled inside the country.
        found.extend(
            ["2 0", "2/0", "(2) 0", "12 0", "02 0", "2 (0)", "(0) 2 0"]
                .map(|head| format!("+{code} {head}{rest}")),
        );
    }
    let middle = text.char_indices().nth(text.chars().count() / 2).unwrap().0;
    for hidden in HIDDEN {
        found.extend([
            format!("{hidden}{text}"),
            format!("{text}{hidden}"),
            format!("{}{hidden}{}", &text[..middle], &text[middle..]),
        ]);
    }
    // Full-width and other digits, all of them and half of them; mathematical ones.
    let arabic = |c: char| c.to_digit(10).and_then(|digit| char::from_u32(0x660 + digit)).unwrap_or(c);
    let bold = |c: char| c.to_digit(10).and_then(|digit| char::from_u32(0x1d7ce + digit)).unwrap_or(c);
    found.extend([wide(text), format!("{}{}", wide(&text[..middle]), &text[middle..])]);
    found.extend([text.chars().map(arabic).collect(), text.chars().map(bold).collect()]);
    found.push(format!("{}{}", &text[..middle], text[middle..].chars().map(arabic).collect::<String>()));
    // What spreadsheets do to digits.
    let bare = digits(text);
    let (first, rest) = bare.split_at(1);
    let power = rest.len();
    found.extend([
        format!("{first}.{}E+{power}", &rest[..rest.len().min(5)]),
        format!("{first},{}E+{power:02}", &rest[..rest.len().min(2)]),
    ]);
    found.extend([
        format!("{first}.{rest}E+{power}"),
        format!("{first}.{rest}e{power}"),
        format!("={text}"),
        format!("'{text}"),
        format!("\"{text}\""),
    ]);
    let grouped = |sign: &str| {
        bare.as_bytes()
            .rchunks(3)
            .rev()
            .map(|part| str::from_utf8(part).unwrap())
            .collect::<Vec<_>>()
            .join(sign)
    };
    found.extend([",", ".", " ", "'", "\u{202f}"].map(grouped));
    found.extend([
        format!("{bare}.0"),
        format!("{bare}.00"),
        format!("{bare},0"),
        format!("-{bare}"),
        format!("{bare}.0000001"),
    ]);
    // What may stand about a number, with something that is none of it.
    for tail in [" (2)", "/2", ".0", ",0", " - 8", "/12", " 12", ";ext=12", "?body=12", ";phone-context=+1"] {
        found.extend([
            format!("tel:{text}{tail}"),
            format!("sms:{text}{tail}"),
            format!("'{text}{tail}"),
            format!("=\"{text}{tail}\""),
        ]);
        found.extend([
            format!("{text}{tail}."),
            format!("{text}{tail};"),
            format!("{text}{tail} (mobile)"),
            format!("{text} (mobile){tail}"),
        ]);
    }
    let pairs =
        bare.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap()).collect::<Vec<_>>().join("/");
    found.extend(["/2", "/12", "/12/34"].map(|tail| format!("{pairs}{tail}")));
    found.extend(["2/", "12/", "12/34/"].map(|head| format!("{head}{pairs}")));
    found.extend(
        ["..", ".,", ";;", " (2 mobile)", " (mobile 2)", " (mobile) (2)", " (fax)", " (home) (work)"]
            .map(|tail| format!("{text}{tail}")),
    );
    // Words and signs before it.
    found.extend(
        ["Tel. ", "m ", "++", "+00", "\u{260e} ", "~", "0 0", "(", "."]
            .map(|before| format!("{before}{text}")),
    );
    found
}

/// Runs over the examples on every core.
fn each(examples: &[Example], look: impl Fn(&Example) + Sync) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for part in examples.chunks(examples.len().div_ceil(threads)) {
            let look = &look;
            scope.spawn(move || part.iter().for_each(look));
        }
    });
}

#[derive(Debug, Default)]
struct Counts {
    right: usize,
    refused: usize,
    not_in_use: usize,
    wrong: Vec<String>,
    unread: Vec<String>,
}

impl Counts {
    fn note(&mut self, text: &str, example: &Example, region: Option<Region>) {
        let case = || format!("{text:?} in {region:?} for {}", example.e164);
        match Number::parse(text, region) {
            Ok(number) if number.e164() == example.e164 => self.right += 1,
            Ok(number) if number.is_valid() => self.wrong.push(format!("{}: {number}", case())),
            Ok(_) => self.not_in_use += 1,
            Err(error) => {
                self.refused += 1;
                self.unread.push(format!("{}: {error}", case()));
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.refused += other.refused;
        self.not_in_use += other.not_in_use;
        self.wrong.extend(other.wrong);
        self.unread.extend(other.unread);
    }

    fn all(&self) -> usize {
        self.right + self.refused + self.not_in_use + self.wrong.len()
    }
}

#[test]
fn the_ordinary_spellings_of_every_country_are_read_right() {
    let examples = examples();
    let regions =
        examples.iter().map(|example| example.region).collect::<std::collections::BTreeSet<_>>().len();
    let counts = Mutex::new(Counts::default());
    each(&examples, |example| {
        let mut here = Counts::default();
        for text in ordinary(example) {
            here.note(&text, example, Some(example.region));
        }
        counts.lock().unwrap().add(here);
    });
    let counts = counts.into_inner().unwrap();
    let (all, right) = (counts.all(), counts.right);
    println!(
        "{right} of {all} ordinary spellings of {} numbers in {regions} regions were read right",
        examples.len()
    );
    println!(
        "{} were refused, {} are no numbers in use, and {} are others",
        counts.refused,
        counts.not_in_use,
        counts.wrong.len()
    );
    let show = |list: &[String]| list.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(regions >= 240 && all > 15_000);
    assert!(counts.wrong.is_empty(), "{}", show(&counts.wrong));
    assert!(right * 1_000 >= all * 990, "{right} of {all}\n{}", show(&counts.unread));
}

#[test]
fn nothing_that_people_or_spreadsheets_make_of_a_mobile_number_is_read_as_another() {
    let (examples, others) = mobiles();
    let counts = Mutex::new(Counts::default());
    each(&examples, |example| {
        let mut here = Counts::default();
        let other = others.iter().find(|other| other.region == example.region).unwrap_or(example);
        let forms = [
            (example.e164.clone(), other.e164.clone()),
            (example.international.clone(), other.international.clone()),
            (example.national.clone(), other.national.clone()),
            (digits(&example.national), digits(&other.national)),
            (digits(&example.e164), digits(&other.e164)),
        ];
        for (text, other) in forms {
            for text in mangled(&text, &other) {
                here.note(&text, example, Some(example.region));
            }
        }
        here.unread.clear();
        counts.lock().unwrap().add(here);
    });
    let counts = counts.into_inner().unwrap();
    println!(
        "{} strings made of {} mobile numbers: {} read right, {} refused",
        counts.all(),
        examples.len(),
        counts.right,
        counts.refused
    );
    println!("{} are no numbers in use, and {} are others", counts.not_in_use, counts.wrong.len());
    assert!(counts.all() > 100_000);
    assert!(
        counts.wrong.is_empty(),
        "{}",
        counts.wrong.iter().take(60).cloned().collect::<Vec<_>>().join("\n")
    );
}

/// The rows of a table in `docs/NUMBERS.md`: what is written, the region, and what is said of it.
fn rows(heading: &str) -> Vec<(String, Option<Region>, String)> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/NUMBERS.md");
    let text = std::fs::read_to_string(file).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let cells = |line: &str| {
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect::<Vec<_>>()
    };
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|cells| {
        (cells[0].clone(), (!cells[1].is_empty()).then(|| cells[1].parse().unwrap()), cells[2].clone())
    })
    .collect()
}

#[test]
fn the_spellings_in_the_documents_are_read_as_they_say() {
    let (read, refused) = (rows("What is read"), rows("What is refused"));
    assert!(read.len() >= 25 && refused.len() >= 15);
    for (text, region, e164) in read {
        let number = Number::parse(&text, region).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(number.e164(), e164, "{text}");
        assert!(number.is_valid(), "{text}: {number}");
    }
    for (text, region, why) in refused {
        let error =
            Number::parse(&text, region).map(|number| panic!("{text}: {number}")).unwrap_err().to_string();
        assert!(error.contains(&why), "{text}: {error}");
    }
}

fn read(text: &str, region: &str) -> Result<String, String> {
    let region = (!region.is_empty()).then(|| region.parse().unwrap());
    Number::parse(text, region).map(|number| number.e164().to_owned()).map_err(|error| error.to_string())
}

#[test]
fn zeros_of_a_spreadsheet_are_taken_off_behind_bare_digits_alone() {
    for text in ["+436641234567.0", "+436641234567.00", "+436641234567"] {
        assert_eq!(read(text, "").as_deref(), Ok("+436641234567"), "{text}");
    }
    assert_eq!(read("06641234567.0", "AT").as_deref(), Ok("+436641234567"));
    // Dots between real digits.
    assert_eq!(read("0664.123.45.00", "AT").as_deref(), Ok("+436641234500"));
    for text in [
        "+43 6641234567.0",
        "0664/1234567.00",
        "+436641234567.000",
        "+436641234567.0.0",
        "+436641234567.01",
        "+436641234567. 0",
        "(+436641234567).0",
    ] {
        assert!(read(text, "AT").is_err(), "{text}: {:?}", read(text, "AT"));
    }
}

#[test]
fn what_people_and_programs_write_about_a_number_is_no_part_of_it() {
    for text in [
        "sms:+12025550123",
        "SMS:+1-202-555-0123",
        "tel:+1 202 555 0123",
        "'+1 202 555 0123",
        "=\"+12025550123\"",
        "+12025550123.",
        "+12025550123,",
        "+1 (202) 555-0123;",
        "+1 (202) 555-0123 (mobile)",
        "+1 (202) 555-0123 ( Cell )",
        "+12025550123(office).",
    ] {
        assert_eq!(read(text, "").as_deref(), Ok("+12025550123"), "{text}");
    }
    assert_eq!(read("06/12/34/56/78", "FR").as_deref(), Ok("+33612345678"));
    for text in [
        "tel:+12025550123;ext=12",
        "tel:+12025550123;phone-context=+1",
        "tel:+12025550123;",
        "tel:+12025550123.",
        "tel:2025550123;phone-context=+44",
        "sms:+12025550123?body=Hi",
        "sms:+12025550123,+12025550124",
        "sms:tel:+12025550123",
        "smsto:+12025550123:Hi",
        "tel:%2B12025550123",
        "''+12025550123",
        "'+12025550123'",
        "=+12025550123",
        "=\"+12025550123",
        "=\"+1202555\"&\"0123\"",
        "+12025550123..",
        "+12025550123.;",
        "+12025550123.0.",
        "+12025550123 .",
        "+12025550123:",
        "+12025550123!",
        "+12025550123 (mobile) (work)",
        "+12025550123 (mobile 2)",
        "+12025550123 (2)",
        "+12025550123 (fax)",
        "+12025550123 mobile",
        "(mobile) +12025550123",
        "+33/6/12/34/56/78",
        "06/12/34/56/78/9",
        "06/12/34/56/78/90",
        "06/1234/56/78",
        "06 / 12 / 34 / 56 / 78",
        "01/02/2026",
    ] {
        assert!(read(text, "FR").is_err(), "{text}: {:?}", read(text, "FR"));
    }
}

#[test]
fn digits_without_a_plus_that_two_people_could_have_are_nobodys() {
    // A German mobile without its plus, or a line in Leer; an Austrian one, or a line in Heiligenhafen; a
    // Texan, or a German.
    for (text, region) in [
        ("491761234567", "DE"),
        ("436641234567", "DE"),
        ("33612345678", "DE"),
        ("15123456789", "DE"),
        ("6591234567", "IN"),
    ] {
        let error = read(text, region).unwrap_err();
        assert!(error.contains(" can be +") && error.contains("with the +"), "{text}: {error}");
    }
    // One reading alone is in use, or the country writes its own numbers so.
    for (text, region, e164) in [
        ("436641234567", "AT", "+436641234567"),
        ("393331234567", "IT", "+393331234567"),
        ("33612345678", "FR", "+33612345678"),
        ("612345678", "FR", "+33612345678"),
        ("1761234567", "DE", "+491761234567"),
        ("6465550123", "US", "+16465550123"),
        ("16465550123", "US", "+16465550123"),
        ("79123456789", "RU", "+79123456789"),
    ] {
        assert_eq!(read(text, region).as_deref(), Ok(e164), "{text}");
    }
}

#[test]
fn of_the_rewritings_of_national_plans_only_those_of_argentina_and_of_single_area_codes_are_made() {
    for text in [
        "011 15-2345-6789",
        "11 15 2345 6789",
        "+54 11 15 2345 6789",
        "+54 9 11 2345-6789",
        "+54 (0)11 15 2345-6789",
    ] {
        assert_eq!(read(text, "AR").as_deref(), Ok("+5491123456789"), "{text}");
    }
    assert_eq!(read("011 2345-6789", "AR").as_deref(), Ok("+541123456789"), "a line, and no 9 is guessed");
    assert_eq!(read("234-5678", "BB").as_deref(), Ok("+12462345678"));
    assert!(
        read("+672 1 0609", "").is_err(),
        "nor is the 3 of Norfolk Island, which a plus says was not left out"
    );
    // Carriers' codes: Brazil 0 21, Colombia 03 and 05, South Korea 0 82; a text relay in Britain.
    for (text, region) in [
        ("0 21 11 98765-4321", "BR"),
        ("0211198765-4321", "BR"),
        ("+57 05 90271234", ""),
        ("082 2 312 3456", "KR"),
        ("18002 07400 123456", "GB"),
    ] {
        assert!(read(text, region).is_err(), "{text}: {:?}", read(text, region));
    }
    // Mexico gave its mobile 1 up in 2019: with it, the number is none in use, and it is not taken out.
    let mexican = Number::parse("+52 1 55 1234 5678", None).unwrap();
    assert!(mexican.e164() == "+5215512345678" && !mexican.is_valid());
}

#[test]
fn a_number_with_something_before_it_is_read_as_nobody_elses() {
    for (text, region) in [
        ("5 0664 1234567", "AT"),
        ("5/0664 123 45 67", "AT"),
        ("30 172 1234567", "DE"),
        ("1 43664123456", "AT"),
        ("12 0664 1234567", "AT"),
        ("2 021 123 456", "NZ"),
        ("2 0172 1234567", "DE"),
        ("2/0176 12345678", "DE"),
        ("(3) 0172 1234567", "DE"),
        ("02 0151 2345678", "DE"),
        ("30 0172 1234567", "DE"),
        ("030 0172 1234567", "DE"),
        ("49 2 0151 23456789", "DE"),
        ("+49 2 0151 2345678", ""),
        ("+49 (0) 2 0151 2345678", ""),
        ("+49 02 0151 2345678", ""),
        ("0049 2 0151 2345678", ""),
        ("+49 30 0172 1234567", ""),
        ("4 050 12345", "FI"),
        ("5 050 12345", "FI"),
        ("3 333 1234567", "IT"),
        ("4 333 123 456", "IT"),
        ("+39 3 333 1234567", ""),
        ("5 512 3456", "EE"),
        ("2 621 123 456", "LU"),
        ("1 02-123-4567", "KR"),
        ("4 0812-345-678", "ID"),
        ("8 05 1234567", "CU"),
        ("9 11 2345-6789", "AR"),
    ] {
        let error = read(text, region).expect_err(text);
        assert!(error.contains("stands before a number"), "{text}: {error}");
    }
    for text in [
        "5-0664 1234567",
        "+49 2 (0)151 2345678",
        "1. 0664 1234567",
        "2) 0664 1234567",
        "#3 0664 1234567",
        "1: 0664 1234567",
        "1 +43 664 1234567",
        "1 0043 664 1234567",
    ] {
        assert!(read(text, "AT").is_err(), "{text}: {:?}", read(text, "AT"));
    }
    let mut missed = Vec::<String>::new();
    // What its country sets off is a part of it, and a country's own prefix changes nothing.
    for (text, region, e164) in [
        ("1 202 555 0123", "US", "+12025550123"),
        ("0 664 1234567", "AT", "+436641234567"),
        ("43 664 1234567", "AT", "+436641234567"),
        ("6 12 34 56 78", "FR", "+33612345678"),
        ("333 012 3456", "IT", "+393330123456"),
        ("+39 333 012 3456", "", "+393330123456"),
        ("+62 812 0212 3456", "", "+6281202123456"),
        ("+49 176 03456789", "", "+4917603456789"),
        ("+358 40 0123456", "", "+358400123456"),
        ("021 034 5678", "NZ", "+64210345678"),
        ("912 03 456", "NO", "+4791203456"),
        ("+54 9 11 2345-6789", "", "+5491123456789"),
        ("+46 701 23 45 67", "", "+46701234567"),
    ] {
        let found = read(text, region);
        if found.as_deref() != Ok(e164) {
            missed.push(format!("{text} in {region}: {found:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_zero_written_twice_is_no_country_code() {
    for (text, region) in [("00812 3456 7890", "ID"), ("00151-23456789", "DE")] {
        let error = read(text, region).expect_err(text);
        assert!(error.contains(" can be +"), "{text}: {error}");
    }
    for text in ["0033 6 12 34 56 78", "00 33 6 12 34 56 78", "0033612345678", "0033/612345678"] {
        assert_eq!(read(text, "DE").as_deref(), Ok("+33612345678"), "{text}");
    }
}

#[test]
fn an_error_tells_an_agent_to_ask_for_the_country_code_and_nothing_of_settings() {
    for (text, region) in [
        ("0612345678", ""),
        ("491761234567", "DE"),
        ("+436641234567/2", ""),
        ("4.36642E+11", ""),
        ("0 15 11 98765 4321", "BR"),
    ] {
        let error = read(text, region).unwrap_err();
        assert!(error.contains("write it as +<country code><number>"), "{error}");
        assert!(error.contains(&format!("{text:?}")) && !error.contains("default_region"), "{error}");
    }
    // What was read of it, and what was not.
    assert!(read("+436641234567/2", "").unwrap_err().contains("\"/2\" stands behind a number"));
    assert!(read("+43\u{200b}6641234567", "").unwrap_err().contains("U+200B"));
}
