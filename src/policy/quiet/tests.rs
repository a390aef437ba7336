//! The arithmetic of zones and windows, held for ten years against a reading of its own: what a clock on the
//! wall shows by the zone's rules, and the words of the row.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::calendar::Holiday;
use super::rows::table_rows;
use super::*;
use crate::sms::destination::Destination;
use crate::sms::number::Region;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn number(text: &str) -> Number {
    Number::parse(text, None).unwrap()
}

fn quiet(toml_like: impl FnOnce(&mut Settings)) -> Quiet {
    let mut settings = Settings::default();
    toml_like(&mut settings);
    Quiet::new(settings)
}

fn opens(applying: &Applying<'_>, from_ms: i64) -> Option<i64> {
    applying.opens(from_ms).map(|hours| hours.at_ms)
}

fn closes(applying: &Applying<'_>, from_ms: i64) -> Option<i64> {
    applying.opens(from_ms)?.until_ms
}

fn names(placed: &Placed) -> Vec<&str> {
    placed.zones.iter().map(Zone::name).collect()
}

/// A row as its words say it, read by this test alone.
struct Words {
    /// By day from Monday: from, to, in minutes.
    windows: [Vec<(i64, i64)>; 7],
    is_french: bool,
}

impl Words {
    fn of(hours: &str) -> Self {
        let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let (hours, holidays) = hours.split_once(", not on ").unwrap_or((hours, ""));
        let mut windows: [Vec<(i64, i64)>; 7] = Default::default();
        for line in hours.split(", ").filter(|line| *line != "never") {
            let (span, times) = line.split_once(' ').unwrap();
            let (first, last) = span.split_once('-').unwrap_or((span, span));
            let index = |name: &str| days.iter().position(|day| *day == name);
            let (first, last) =
                if span == "daily" { (0, 6) } else { (index(first).unwrap(), index(last).unwrap()) };
            let (from, to) = times.split_once('-').unwrap();
            let minutes = |time: &str| {
                let (hour, minute) = time.split_once(':').unwrap();
                hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap()
            };
            (first..=last).for_each(|day| windows[day].push((minutes(from), minutes(to))));
        }
        assert!(holidays.is_empty() || holidays == "france", "{holidays}");
        Self { windows, is_french: !holidays.is_empty() }
    }

    fn allow(&self, wall: DateTime) -> bool {
        let minute = i64::from(wall.hour()) * 60 + i64::from(wall.minute());
        let day = usize::try_from(wall.weekday().to_monday_zero_offset()).unwrap();
        self.windows[day].iter().any(|(from, to)| (*from..*to).contains(&minute))
            && !(self.is_french && Holiday::France.is_on(wall.date()))
    }
}

/// What is to be held for ten years: a number, and by which rows and zones.
struct Case {
    to: Number,
    quiet: Quiet,
    words: Vec<Words>,
    zones: Vec<TimeZone>,
    /// What was read of the wall at quarters of an hour, which are looked at again and again.
    read: RefCell<HashMap<i64, bool>>,
}

impl Case {
    fn new(to: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let (to, quiet) = (number(to), quiet(change));
        let applying = quiet.of(&to, Purpose::Marketing);
        let words = applying.rows.iter().map(|row| Words::of(&row.hours.to_string())).collect();
        let rules = TimeZoneDatabase::bundled();
        let zones = names(&applying.placed).iter().map(|name| rules.get(name).unwrap()).collect();
        Self { to, quiet, words, zones, read: RefCell::default() }
    }

    fn may_leave(&self, at: i64) -> bool {
        if at % (15 * MINUTE) == 0 {
            let known = self.read.borrow().get(&at).copied();
            return known.unwrap_or_else(|| {
                let read = self.read_walls(at);
                self.read.borrow_mut().insert(at, read);
                read
            });
        }
        self.read_walls(at)
    }

    fn read_walls(&self, at: i64) -> bool {
        let at = Timestamp::from_millisecond(at).unwrap();
        self.zones.iter().all(|zone| {
            let wall = zone.to_datetime(at);
            self.words.iter().all(|words| words.allow(wall))
        })
    }

    /// The moments that are looked at: one every 121 hours, so that every hour of every day of the week comes, and the minutes
    /// around each change of a clock.
    fn moments(&self, first: i64, last: i64) -> BTreeSet<i64> {
        let mut moments: BTreeSet<i64> =
            (first..last).step_by(usize::try_from(121 * HOUR + 7 * MINUTE).unwrap()).collect();
        for zone in &self.zones {
            let from = Timestamp::from_millisecond(first).unwrap();
            let changes = zone.following(from).map(|change| change.timestamp().as_millisecond());
            for (change, step) in
                changes.take_while(|change| *change < last).zip([1, 5, 15, 15].into_iter().cycle())
            {
                moments.extend((-65..=65).step_by(step).map(|minute| change + minute * MINUTE));
                moments.extend((-30..=30).step_by(5).map(|hours| change + hours * HOUR + 1));
            }
        }
        moments
    }

    /// Holds it. Returns how many moments were looked at.
    fn hold(&self, first: i64, last: i64) -> usize {
        let applying = self.quiet.of(&self.to, Purpose::Marketing);
        let moments = self.moments(first, last);
        for from in &moments {
            let Opening { at_ms: opens, until_ms } = applying.opens(*from).unwrap();
            assert!(self.may_leave(opens), "{} would leave outside its window, asked at {from}", self.to);
            assert_eq!(applying.is_open(*from), opens == *from);
            if opens > *from {
                assert!(
                    opens % MINUTE == 0 && !self.may_leave(opens - 1),
                    "{}: {opens} is not the first",
                    self.to
                );
                // Windows begin and clocks are set at quarters of an hour.
                let quarters = (from.div_euclid(15 * MINUTE) + 1..opens.div_euclid(15 * MINUTE))
                    .map(|at| at * 15 * MINUTE);
                for earlier in quarters.chain([*from]) {
                    assert!(
                        !self.may_leave(earlier),
                        "{}: asked at {from}, it could leave at {earlier} already",
                        self.to
                    );
                }
                assert_eq!(
                    self.quiet.rule(&self.to, Purpose::Marketing, *from, None),
                    Ruling::Closed {
                        next: Some(Opening { at_ms: opens, until_ms }),
                        why: applying.why(Purpose::Marketing, *from),
                        mode: Mode::Hold
                    }
                );
            }
            let closes = until_ms.unwrap();
            assert!(
                closes > opens && self.may_leave(closes - 1) && !self.may_leave(closes),
                "{}: {closes}",
                self.to
            );
            let inside = (opens..closes).step_by(usize::try_from(30 * MINUTE).unwrap());
            assert!(
                inside.take(48).all(|at| self.may_leave(at)),
                "{}: {opens} to {closes} has a hole",
                self.to
            );
        }
        moments.len()
    }
}

/// A number for each row of the table, and for each sort of trap.
const NUMBERS: [&str; 44] = [
    "+12025550123",
    "+12055550123",
    "+12135550123",
    "+12035550123",
    "+13055550123",
    "+13125550123",
    "+15025550123",
    "+12255550123",
    "+16175550123",
    "+14105550123",
    "+13135550123",
    "+16125550123",
    "+16015550123",
    "+12015550123",
    "+14055550123",
    "+14015550123",
    "+12145550123",
    "+19155550123",
    "+12065550123",
    "+16846331234",
    "+16714721234",
    "+16702341234",
    "+17875550123",
    "+13407741234",
    "+14165550123",
    "+17095550123",
    "+33612345678",
    "+919876543210",
    "+971501234567",
    "+966512345678",
    "+962790123456",
    "+32470123456",
    "+61412345678",
    "+436641234567",
    "+97336001234",
    "+525512345678",
    "+447400123456",
    "+79161234567",
    "+6281234567890",
    "+569612345678",
    "+5511961234567",
    "+18005550123",
    "+19075550123",
    "+212612345678",
];

/// Numbers for which windows are looked at that lie where clocks are set.
const NIGHTS: [&str; 7] = [
    "+33612345678",
    "+12025550123",
    "+61412345678",
    "+56961234567",
    "+201001234567",
    "+212612345678",
    "+972501234567",
];

#[test]
fn in_ten_years_nothing_leaves_outside_a_window_and_all_leaves_in_the_first_minute_of_one() {
    let (first, last) = (ms("2026-11-28T00:00:00Z"), ms("2036-11-28T00:00:00Z"));
    let mut held = BTreeSet::new();
    let looked: usize = std::thread::scope(|scope| {
        let cases: Vec<_> = NUMBERS
            .iter()
            .map(|to| {
                let case = Case::new(to, |_| {});
                held.extend(case.quiet.of(&case.to, Purpose::Marketing).rows.iter().map(|row| row.place));
                scope.spawn(move || case.hold(first, last))
            })
            .chain(NIGHTS.iter().map(|to| {
                let case = Case::new(to, |settings| {
                    let place = number(to).region().map(Place::Country);
                    let windows = ["mon-fri 00:30-06:00", "fri-sun 21:45-24:00", "sat-mon 00:00-02:30"];
                    let windows = windows.map(|window| window.parse().unwrap()).to_vec();
                    settings.rule = vec![Rule { place, windows: Some(windows), ..Rule::default() }];
                });
                scope.spawn(move || case.hold(first, last))
            }))
            .collect();
        cases.into_iter().map(|case| case.join().unwrap()).sum()
    });
    assert!(looked > 50_000, "{looked} moments were looked at");
    let all: BTreeSet<Place> = table_rows().map(|row| row.place).collect();
    let never: BTreeSet<Place> = ["TR".parse().unwrap()].into();
    assert_eq!(held.union(&never).copied().collect::<BTreeSet<_>>(), all, "a row is held for no number");
}

fn seen(to: &str) -> (String, String, String) {
    let (to, quiet) = (number(to), quiet(|_| {}));
    let applying = quiet.of(&to, Purpose::Marketing);
    let rows: Vec<String> = applying.rows.iter().map(|row| row.place.to_string()).collect();
    let zones = names(&applying.placed);
    let zones = match zones.as_slice() {
        [] => "none".to_owned(),
        [one] => (*one).to_owned(),
        [first, .., last] => format!("{} from {first} to {last}", zones.len()),
    };
    (zones, rows.join(" "), applying.placed.found.to_string())
}

/// Number, zones, rows, and how the zones were found.
const WORLD: [(&str, &str, &str, &str); 60] = [
    ("+12025550123", "America/New_York", "US", "by the prefix +1202"),
    ("+12082015555", "America/Denver", "US", "by the prefix +1208201"),
    ("+12087205555", "America/Denver", "US", "by the prefix +120872"),
    ("+12085550123", "2 from America/Boise to America/Los_Angeles", "US", "by the prefix +12085"),
    ("+19075550123", "4 from America/Adak to Pacific/Honolulu", "US", "all of the area +1907"),
    ("+13055550123", "America/New_York", "US-FL", "by the prefix +1305"),
    ("+18505550123", "2 from America/Chicago to America/New_York", "US-FL", "all of the area +1850"),
    ("+12145550123", "America/Chicago", "US-TX", "by the prefix +1214"),
    ("+19155550123", "America/Denver", "US-TX", "by the prefix +1915"),
    ("+14015550123", "America/New_York", "US-RI", "by the prefix +1401"),
    ("+18085550123", "Pacific/Honolulu", "US", "by the prefix +1808"),
    (
        "+18005550123",
        "29 from America/New_York to Pacific/Honolulu",
        "US US-AL US-CA US-CT US-FL US-IL US-KY US-LA US-MA US-MD US-MI US-MN US-MS US-NJ US-OK US-RI US-TX US-WA",
        "all of US: the number tells no more",
    ),
    ("+17875550123", "America/Puerto_Rico", "PR", "by the prefix +1787"),
    ("+16714721234", "Pacific/Guam", "GU", "by the prefix +1671"),
    ("+14165550123", "America/Toronto", "CA", "by the prefix +1416"),
    ("+17095550123", "2 from America/Halifax to America/St_Johns", "CA", "all of the area +1709"),
    ("+19025550123", "America/Halifax", "CA", "by the prefix +1902"),
    ("+18675550123", "5 from America/Edmonton to America/Winnipeg", "CA", "all of the area +1867"),
    ("+12423591234", "America/Nassau", "*", "by the prefix +1242"),
    ("+18765551234", "America/Jamaica", "*", "by the prefix +1876"),
    ("+33612345678", "Europe/Paris", "FR", "by the prefix +33"),
    ("+590690001234", "America/Guadeloupe", "*", "by the prefix +590"),
    ("+262692123456", "Indian/Reunion", "*", "by the prefix +26269"),
    ("+447400123456", "3 from Europe/Guernsey to Europe/London", "*", "by the prefix +4474"),
    ("+353851234567", "3 from Europe/Guernsey to Europe/London", "*", "by the prefix +353"),
    ("+4915112345678", "Europe/Berlin", "*", "by the prefix +49"),
    ("+34612345678", "3 from Europe/Madrid to Atlantic/Canary", "*", "all of ES: the number tells no more"),
    ("+351912345678", "3 from Europe/Lisbon to Atlantic/Azores", "*", "all of PT: the number tells no more"),
    ("+393123456789", "2 from Europe/Rome to Europe/Vatican", "*", "by the prefix +39"),
    ("+79161234567", "26 from Europe/Kaliningrad to Asia/Anadyr", "*", "all of RU: the number tells no more"),
    ("+74951234567", "26 from Europe/Kaliningrad to Asia/Anadyr", "*", "all of RU: the number tells no more"),
    ("+77011234567", "7 from Asia/Almaty to Asia/Oral", "*", "all of KZ: the number tells no more"),
    ("+905321234567", "Europe/Istanbul", "TR", "by the prefix +90"),
    ("+919876543210", "Asia/Calcutta", "IN", "by the prefix +91"),
    ("+971501234567", "Asia/Dubai", "AE", "by the prefix +971"),
    ("+966512345678", "Asia/Riyadh", "SA", "by the prefix +966"),
    ("+962790123456", "Asia/Amman", "JO", "by the prefix +962"),
    (
        "+61412345678",
        "14 from Australia/Lord_Howe to Indian/Cocos",
        "AU",
        "all of AU: the number tells no more",
    ),
    (
        "+64211234567",
        "2 from Pacific/Auckland to Pacific/Chatham",
        "*",
        "all of NZ: the number tells no more",
    ),
    ("+819012345678", "Asia/Tokyo", "*", "by the prefix +81"),
    ("+8613812345678", "Asia/Shanghai", "*", "by the prefix +86"),
    ("+85251234567", "Asia/Hong_Kong", "*", "by the prefix +852"),
    ("+6281234567890", "4 from Asia/Jakarta to Asia/Jayapura", "*", "all of ID: the number tells no more"),
    ("+5511961234567", "America/Sao_Paulo", "*", "by the prefix +551"),
    ("+5592991234567", "America/Manaus", "*", "by the prefix +559"),
    ("+525512345678", "America/Mexico_City", "MX", "by the prefix +525"),
    ("+529981234567", "America/Cancun", "MX", "by the prefix +52998"),
    ("+56961234567", "4 from America/Santiago to Pacific/Easter", "*", "all of CL: the number tells no more"),
    ("+212612345678", "Africa/Casablanca", "*", "all of MA: the number tells no more"),
    ("+213551234567", "Africa/Algiers", "*", "all of DZ: the number tells no more"),
    ("+218912345678", "Africa/Tripoli", "*", "all of LY: the number tells no more"),
    ("+50581234567", "America/Managua", "*", "all of NI: the number tells no more"),
    ("+970599123456", "2 from Asia/Gaza to Asia/Hebron", "*", "all of PS: the number tells no more"),
    ("+211912345678", "Africa/Juba", "*", "all of SS: the number tells no more"),
    (
        "+243812345678",
        "2 from Africa/Kinshasa to Africa/Lubumbashi",
        "*",
        "all of CD: the number tells no more",
    ),
    ("+68987123456", "3 from Pacific/Tahiti to Pacific/Gambier", "*", "all of PF: the number tells no more"),
    (
        "+68672012345",
        "3 from Pacific/Tarawa to Pacific/Kiritimati",
        "*",
        "all of KI: the number tells no more",
    ),
    ("+97688123456", "2 from Asia/Ulaanbaatar to Asia/Hovd", "*", "all of MN: the number tells no more"),
    ("+80012345678", "none", "*", "none: the number belongs to no country"),
    ("+881612345678", "none", "*", "none: the number belongs to no country"),
];

#[test]
fn numbers_of_the_world_are_in_their_zones_and_under_their_rows() {
    for (to, zones, rows, found) in WORLD {
        let expected = (zones.to_owned(), rows.to_owned(), found.to_owned());
        assert_eq!(seen(to), expected, "{to}");
    }
}

#[test]
fn every_row_can_be_read_and_is_shown_as_it_is_written() {
    let lines = include_str!("windows.txt").lines().filter(|line| !line.starts_with('#'));
    let rows: Vec<&Row> = table_rows().collect();
    assert_eq!(rows.len(), lines.clone().count(), "a row cannot be read");
    for (row, line) in rows.iter().zip(lines) {
        let columns: Vec<&str> = line.split(" | ").collect();
        assert_eq!(row.place.to_string(), columns[0]);
        let shown = row.hours.to_string();
        assert_eq!(shown.split(", not on ").next().unwrap(), columns[1], "{line}");
        assert!(
            row.source.len() > 8 && row.gathered.is_some() && row.confidence != Confidence::Operator,
            "{line}"
        );
        assert_eq!(row.hours.is_never(), row.place.to_string() == "TR", "{line}");
    }
    let places: BTreeSet<Place> = rows.iter().map(|row| row.place).collect();
    assert_eq!(places.len(), rows.len(), "two rows are for one place");
}

#[test]
fn the_clocks_of_a_number_are_those_of_its_country_for_ten_years() {
    let first = ms("2026-11-28T00:30:00Z");
    let walls = |zone: &Zone| -> Vec<i64> {
        (0..3_650).step_by(6).map(|day| zone.offset_ms(first + day * DAY)).collect()
    };
    let mut looked = 0;
    for region in Region::all() {
        let Some(to) = Destination::Country(region).example() else { continue };
        let country = Placed::country(region).unwrap_or_else(|| panic!("{region} has no zones"));
        let own: BTreeSet<Vec<i64>> = country.zones.iter().map(walls).collect();
        let placed = Placed::of(&to);
        assert!(!placed.zones.is_empty(), "{region}: {to}");
        // The Crown dependencies stand beside the United Kingdom and Ireland, and keep the same time.
        for zone in placed.zones.iter() {
            assert!(
                own.contains(&walls(zone)),
                "{region}: {to} is put into {zone}, whose clocks show another time"
            );
        }
        looked += 1;
    }
    assert!(looked > 220, "{looked}");
}

#[test]
fn what_the_operator_says_of_a_zone_or_of_hours_stands_over_what_the_program_knows() {
    let own = |purpose| Rule {
        place: "US".parse().ok(),
        purpose,
        windows: Some(vec!["daily 11:00-12:00".parse().unwrap()]),
        holidays: vec!["12-25".parse().unwrap()],
    };
    let mine = quiet(|settings| {
        settings.zones.insert("ES".parse().unwrap(), "Europe/Madrid".parse().unwrap());
        settings.zones.insert("+3461".parse().unwrap(), "Atlantic/Canary".parse().unwrap());
        settings.zones.insert("+8816".parse().unwrap(), "Asia/Dubai".parse().unwrap());
        settings.rule = vec![own(None), Rule { place: "US-FL".parse().ok(), ..own(None) }];
        settings.rule[1].windows = Some(vec!["mon 10:00-11:00".parse().unwrap()]);
    });
    let of = |to: &str| mine.of(&number(to), Purpose::Marketing);
    assert_eq!(names(&of("+34712345678").placed), ["Europe/Madrid"]);
    assert_eq!(names(&of("+34612345678").placed), ["Atlantic/Canary"]);
    assert_eq!(of("+34612345678").placed.found.to_string(), "named by the operator for +3461");
    assert_eq!(names(&of("+881612345678").placed), ["Asia/Dubai"]);
    // The country's rule holds in its states too, and that of a state over it.
    let shown = |to: &str| of(to).rows.iter().map(|row| row.hours.to_string()).collect::<Vec<_>>();
    assert_eq!(shown("+14015550123"), ["daily 11:00-12:00, not on 12-25"]);
    assert_eq!(shown("+13055550123"), ["mon 10:00-11:00, not on 12-25"]);
    assert_eq!(shown("+18005550123").len(), 2, "a toll-free number may be in any state");
    assert_eq!(shown("+33612345678"), ["mon-sat 08:00-22:00, not on france"]);
    let twice = Settings { rule: vec![own(None), own(Some(Purpose::Marketing))], ..Settings::default() };
    assert!(twice.check().unwrap_err().contains("two [[quiet.rule]] are for US and marketing texts"));
    let wrong = |rule: Rule| Settings { rule: vec![rule], ..Settings::default() }.check().unwrap_err();
    assert!(wrong(Rule { place: None, ..own(None) }).contains("1 has no `where`"));
    assert!(wrong(Rule { windows: None, ..own(None) }).contains("1 has no `windows`"));
    let apart = vec![own(Some(Purpose::Transactional)), own(Some(Purpose::Marketing))];
    assert_eq!(Settings { rule: apart, ..Settings::default() }.check(), Ok(()));
}

#[test]
fn marketing_is_held_or_refused_other_texts_are_not_and_an_answer_leaves_at_any_hour() {
    let paris = number("+33612345678");
    // Saturday 2027-01-16, 22:30 in Paris; Sunday has no hours.
    let late = ms("2027-01-16T21:30:00Z");
    let ruling = |quiet: &Quiet, purpose, ago| quiet.rule(&paris, purpose, late, ago);
    let hold = quiet(|_| {});
    let Ruling::Closed { next: Some(next), why, mode } = ruling(&hold, Purpose::Marketing, None) else {
        panic!("it is open")
    };
    assert_eq!((next.at_ms, mode), (ms("2027-01-18T07:00:00Z"), Mode::Hold));
    for words in [
        "2027-01-16 22:30 (UTC+01:00) in Europe/Paris",
        "FR",
        "mon-sat 08:00-22:00",
        "help.brevo.com",
        "2026-11-26",
        "high",
    ] {
        assert!(why.contains(words), "{words}: {why}");
    }
    assert_eq!(ruling(&hold, Purpose::Transactional, None), Ruling::Free);
    assert_eq!(ruling(&hold, Purpose::Marketing, Some(4 * HOUR)), Ruling::Free);
    assert!(matches!(ruling(&hold, Purpose::Marketing, Some(4 * HOUR + 1)), Ruling::Closed { .. }));
    let both = quiet(|settings| (settings.marketing, settings.transactional) = (Mode::Off, Mode::Refuse));
    assert_eq!(ruling(&both, Purpose::Marketing, None), Ruling::Free);
    assert!(matches!(ruling(&both, Purpose::Transactional, None), Ruling::Closed { mode: Mode::Refuse, .. }));
    assert!(hold.is_on() && both.is_on() && !quiet(|settings| settings.marketing = Mode::Off).is_on());
}

#[test]
fn where_nothing_is_let_through_or_no_zone_is_known_there_is_no_moment() {
    let both = quiet(|settings| settings.transactional = Mode::Hold);
    let now = ms("2027-01-13T12:00:00Z");
    let never = |to: &str, purpose| match both.rule(&number(to), purpose, now, None) {
        Ruling::Closed { next: None, why, .. } => Some(why),
        _ => None,
    };
    assert!(never("+905321234567", Purpose::Marketing).unwrap().contains("at no hour (twilio.com"));
    // That no marketing is let through says nothing of other texts: they keep the hours of everywhere else.
    let open = both.rule(&number("+905321234567"), Purpose::Transactional, now, None);
    assert!(matches!(open, Ruling::Open(_)), "{open:?}");
    assert!(never("+881612345678", Purpose::Marketing).unwrap().contains("in which time zone"));
    let applying = both.of(&number("+881612345678"), Purpose::Marketing);
    assert_eq!((applying.is_open(now), applying.opens(now)), (false, None));
}

#[test]
fn an_hour_that_is_left_out_or_comes_twice_is_read_from_the_wall() {
    let by = |windows: &[&str]| {
        let windows = windows.iter().map(|window| window.parse().unwrap()).collect();
        quiet(|settings| {
            settings.rule = vec![Rule { place: "FR".parse().ok(), windows: Some(windows), ..Rule::default() }]
        })
    };
    let paris = number("+33612345678");
    // On 28 March 2027 the clocks of Paris go from 02:00 to 03:00, on 31 October from 03:00 to 02:00.
    let gap = by(&["daily 02:15-02:45"]);
    let applying = gap.of(&paris, Purpose::Marketing);
    assert_eq!(
        opens(&applying, ms("2027-03-28T00:00:00Z")),
        Some(ms("2027-03-29T00:15:00Z")),
        "the day has no such time"
    );
    let part = by(&["daily 02:15-03:30"]);
    let applying = part.of(&paris, Purpose::Marketing);
    assert_eq!(opens(&applying, ms("2027-03-28T00:00:00Z")), Some(ms("2027-03-28T01:00:00Z")));
    assert_eq!(closes(&applying, ms("2027-03-28T01:00:00Z")), Some(ms("2027-03-28T01:30:00Z")));
    let over = by(&["daily 01:00-05:00"]);
    let applying = over.of(&paris, Purpose::Marketing);
    assert_eq!(opens(&applying, ms("2027-03-27T23:00:00Z")), Some(ms("2027-03-28T00:00:00Z")));
    assert_eq!(
        closes(&applying, ms("2027-03-28T00:00:00Z")),
        Some(ms("2027-03-28T03:00:00Z")),
        "it is an hour shorter"
    );
    let twice = by(&["daily 02:15-02:45"]);
    let applying = twice.of(&paris, Purpose::Marketing);
    for (from, first, end) in [
        ("2027-10-31T00:00:00Z", "2027-10-31T00:15:00Z", "2027-10-31T00:45:00Z"),
        ("2027-10-31T00:45:00Z", "2027-10-31T01:15:00Z", "2027-10-31T01:45:00Z"),
    ] {
        assert_eq!(opens(&applying, ms(from)), Some(ms(first)));
        assert_eq!(closes(&applying, ms(first)), Some(ms(end)));
    }
}

#[test]
fn several_zones_leave_the_hours_that_they_share_and_some_share_none() {
    let quiet = quiet(|_| {});
    let hours = |to: &str, from: &str| {
        let to = number(to);
        let applying = quiet.of(&to, Purpose::Marketing);
        applying.opens(ms(from)).map(|hours| (hours.at_ms, hours.until_ms.unwrap()))
    };
    // Toll-free, a Wednesday in winter: 10:00 in Honolulu (Kentucky's row) to 18:00 in New York (Rhode Island's).
    let wednesday = (ms("2027-01-13T20:00:00Z"), ms("2027-01-13T23:00:00Z"));
    assert_eq!(hours("+18005550123", "2027-01-13T00:00:00Z"), Some(wednesday));
    // Russia: 09:00 in Kaliningrad is 19:00 in Kamchatka.
    let russia = (ms("2027-01-13T07:00:00Z"), ms("2027-01-13T08:00:00Z"));
    assert_eq!(hours("+79161234567", "2027-01-13T00:00:00Z"), Some(russia));
    // The other side of the date line: 09:00 on Saturday in Kiritimati is Friday evening nowhere in Kiribati.
    assert!(hours("+68672012345", "2027-01-13T00:00:00Z").is_some());
}

#[test]
fn what_is_refused_names_its_row_and_the_time_and_what_is_held_has_an_end() {
    let paris = number("+33612345678");
    let sunday = ms("2027-01-17T12:00:00Z");
    let decide = |mode, to: &Number| {
        quiet(|settings| settings.marketing = mode).decide(to, Purpose::Marketing, sunday, None)
    };
    let refused = decide(Mode::Refuse, &paris).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::QuietHours);
    for words in ["marketing", "+33612345678", "Europe/Paris", "FR", "help.brevo.com", "confidence high"] {
        assert!(refused.message().contains(words), "{words}: {}", refused.message());
    }
    assert!(refused.next_step().contains("2027-01-18T07:00:00Z"), "{}", refused.next_step());
    let Decided::Held { hours: held, .. } = decide(Mode::Hold, &paris).unwrap() else { panic!("it is open") };
    let hours = Opening { at_ms: ms("2027-01-18T07:00:00Z"), until_ms: Some(ms("2027-01-18T21:00:00Z")) };
    assert_eq!(held, hours);
    let never = decide(Mode::Hold, &number("+905321234567")).unwrap_err();
    assert!(
        never.kind() == ErrorKind::QuietHours && never.next_step().contains("there is no hour"),
        "{never}"
    );
    assert_eq!(decide(Mode::Off, &paris).unwrap(), Decided::Open { until_ms: None });
}

#[test]
fn a_time_on_somebodys_clock_is_a_moment_where_all_their_clocks_agree() {
    let quiet = quiet(|settings| {
        settings.zones.insert("+7916".parse().unwrap(), "Asia/Omsk".parse().unwrap());
    });
    let at = |to: &str, local: &str| quiet.at_local(&number(to), local.parse().unwrap());
    assert_eq!(at("+33612345678", "2027-07-01T09:00"), Ok(ms("2027-07-01T07:00:00Z")));
    assert_eq!(
        at("+447400123456", "2027-07-01T09:00"),
        Ok(ms("2027-07-01T08:00:00Z")),
        "the islands keep its time"
    );
    assert_eq!(
        at("+79161234567", "2027-07-01T09:00"),
        Ok(ms("2027-07-01T03:00:00Z")),
        "the operator named it"
    );
    let moscow = at("+79261234567", "2027-07-01T09:00").unwrap_err();
    assert!(moscow.contains("Europe/Kaliningrad") && moscow.contains("[quiet] zones"), "{moscow}");
    assert!(at("+881612345678", "2027-07-01T09:00").unwrap_err().contains("nobody knows"));
    // Left out, and there twice.
    assert_eq!(at("+33612345678", "2027-03-28T02:30"), Ok(ms("2027-03-28T01:30:00Z")));
    assert_eq!(at("+33612345678", "2027-10-31T02:30"), Ok(ms("2027-10-31T00:30:00Z")));
}
