//! Who wrote: which people a sender's number may mean, as a carrier or vendor spells it.
//!
//! Only a number with its plus, or one that the protocol calls international, says who it is, and some
//! gateways put either before a national number. So it is believed where that number was texted, or is in use
//! and nobody else who was texted fits the digits; else it is one more spelling. Every other spelling means
//! different people in different countries: `6465550123` is an American's, or a New Zealander's with the
//! country code. Whoever says STOP is most likely somebody who was texted, so the ledger's own recipients are
//! asked first ([`who`]): those whose number has this spelling in their own country, also in a form that its
//! numbering plan no longer has, and at last those whose final eight digits these are. Where two fit, a STOP
//! stops both. Where none fits, the digits are read as a number of the operator's region, and as E.164. What
//! that leaves open is put before a person.
//!
//! STOP and START are in doubt about opposite things: a STOP reaches everybody who may have said it, and a
//! START only somebody who is the only one who may have.
//!
//! Pure: no I/O, no clock. Sources: ITU-T E.164; the numbering plans of libphonenumber; for the forms in
//! [`spellings`] the plans of Mexico (2019: no 1 before mobiles), Argentina (9 from abroad, 15 within),
//! Brazil (2012 to 2016: a ninth digit), Ivory Coast (2021: 01, 05 or 07 before eight digits) and Benin
//! (2024: 01 before eight digits).

use std::fmt;

use super::number::{Number, NumberKind, Region, calling_codes};

/// How many of a number's last characters the ledger finds it by: no spelling changes them.
pub const ENDING: usize = 6;

/// The digits that two spellings must share at the end where nothing else tells.
const LAST: usize = 8;

/// Fewest and most digits of a sender that can be a person: longer than E.164 by the prefixes that people
/// dial.
const DIGITS: std::ops::RangeInclusive<usize> = 3..=20;

/// Most digits that a national number of fewer than [`ENDING`] is written with, a country code and a zero
/// among them.
const SHORT: usize = 9;

/// What is dialled before a country code, almost everywhere and in North America.
const PREFIXES: [&str; 2] = ["00", "011"];

/// A sender as a provider hands it on. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The source says that this is a whole E.164 number: it has its plus, or its type is "international".
    E164(String),
    /// As it is written, and the source says no more: national, or international without its plus.
    AsWritten(String),
    /// As it is written in this region, with its country code or without.
    InRegion(String, Region),
    /// As it is written, where nobody proved that the source said so: it can stop somebody, and never lift
    /// that by itself.
    Unproven(String),
}

impl Sender {
    /// A sender in a text that says no more than it shows: E.164 where it begins with a plus.
    pub fn of(text: &str) -> Self {
        let text = text.trim();
        let text = text.strip_prefix("tel:").unwrap_or(text);
        if text.starts_with('+') { Self::E164(text.to_owned()) } else { Self::AsWritten(text.to_owned()) }
    }

    /// A number that is read already.
    pub fn known(number: &Number) -> Self {
        Self::E164(number.e164().to_owned())
    }

    /// The same where nobody proved that the source said so.
    #[must_use]
    pub fn unproven(self) -> Self {
        match self {
            Self::E164(text) | Self::AsWritten(text) | Self::InRegion(text, _) | Self::Unproven(text) => {
                Self::Unproven(text)
            }
        }
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        match self {
            Self::E164(text) | Self::AsWritten(text) | Self::InRegion(text, _) | Self::Unproven(text) => text,
        }
    }
}

impl From<String> for Sender {
    fn from(text: String) -> Self {
        Self::of(&text)
    }
}

impl From<&str> for Sender {
    fn from(text: &str) -> Self {
        Self::of(text)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::E164(_) => "E164",
            Self::AsWritten(_) => "AsWritten",
            Self::InRegion(..) => "InRegion",
            Self::Unproven(_) => "Unproven",
        })
    }
}

/// How well a spelling fits a number, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It is how this number is written: in its own country, or with its country code.
    Exact,
    /// It is so in a form that the plan had before, or with another prefix.
    Variant,
    /// Nothing but the last eight digits is the same, and nothing else is a number.
    Ending,
}

/// The digits of a sender, and what they are a number of.
#[derive(Clone, Debug)]
pub struct CallerId {
    digits: String,
    /// The valid numbers that the digits are in the operator's region and as E.164, without those who wrote
    /// them so.
    readings: Vec<Number>,
    /// Whether there can be no other: the source says which region it writes in.
    is_certain: bool,
}

impl CallerId {
    /// Reads a sender's digits. Nothing where it is no number, but a name, a short word or a code of the
    /// carrier's.
    pub fn read(sender: &Sender, default_region: Option<Region>) -> Option<Self> {
        let is_filler = |c: char| c.is_whitespace() || matches!(c, '-' | '.' | '(' | ')' | '/' | '+');
        if sender.text().chars().any(|c| !c.is_ascii_digit() && !is_filler(c)) {
            return None;
        }
        let digits: String = sender.text().chars().filter(char::is_ascii_digit).collect();
        if !DIGITS.contains(&digits.len()) {
            return None;
        }
        let home = if let Sender::InRegion(_, home) = sender { Some(*home) } else { None };
        let own = home.or(default_region).and_then(|region| read_in(&digits, region));
        let is_certain = home.is_some() && own.is_some();
        let mut readings: Vec<Number> = own.into_iter().collect();
        if !is_certain {
            readings.extend(whole(&digits));
        }
        if readings.is_empty() {
            readings = outdated(&digits, home.or(default_region));
        }
        let mut seen: Vec<Number> = Vec::new();
        readings.retain(|number| {
            let is_new = !seen.contains(number);
            seen.push(number.clone());
            is_new
        });
        Some(Self { digits, readings, is_certain })
    }

    /// The ends of all numbers that may be written like this, [`ENDING`] characters each.
    pub fn endings(&self) -> Vec<String> {
        let mut endings = self.short_endings();
        endings.push(ending(&self.digits).to_owned());
        endings.sort_unstable();
        endings.dedup();
        endings
    }

    /// The end by which a number is found that may be written like this; empty where it may be one of the few
    /// short ones.
    pub fn ending(&self) -> &str {
        if self.short_endings().is_empty() { ending(&self.digits) } else { "" }
    }

    /// The ends of numbers that are so short that their country code is part of the end.
    fn short_endings(&self) -> Vec<String> {
        let mut endings = Vec::new();
        let forms = unprefixed(&self.digits).map(|digits| digits.trim_start_matches('0'));
        let forms: Vec<&str> = forms.filter(|digits| digits.len() <= SHORT).collect();
        if forms.is_empty() {
            return endings;
        }
        for code in calling_codes().map(|code| code.to_string()) {
            let behind = forms.iter().filter_map(|digits| digits.strip_prefix(code.as_str()));
            let rests = behind.map(|rest| rest.trim_start_matches('0')).chain(forms.iter().copied());
            let shorts = rests.filter(|rest| (3..ENDING).contains(&rest.len()));
            endings.extend(shorts.map(|rest| ending(&format!("{code}{rest}")).to_owned()));
        }
        endings
    }

    /// How well the digits fit a number.
    pub fn fit(&self, number: &Number) -> Option<Fit> {
        let digits = self.digits.as_str();
        let code = number.calling_code().to_string();
        let full = number.e164().strip_prefix('+')?;
        let national = full.strip_prefix(code.as_str())?;
        let is_full = |rest: &str| rest == full;
        if is_full(digits)
            || digits == national
            || PREFIXES.iter().any(|prefix| digits.strip_prefix(prefix).is_some_and(is_full))
        {
            return Some(Fit::Exact);
        }
        let in_region = number.region().and_then(|region| read_in(digits, region));
        if in_region.as_ref() == Some(number) {
            return Some(Fit::Exact);
        }
        let wanted = national.trim_start_matches('0');
        let parts = national_parts(digits, &code);
        let is_spelling = |part: &String| {
            part.trim_start_matches('0') == wanted
                || spellings(&code, part).iter().any(|spelling| spelling == national)
        };
        if parts.iter().any(is_spelling) || is_dialled(digits, full) {
            return Some(Fit::Variant);
        }
        let is_inside = parts.len() > 2 || digits.len() <= national.len() + 3;
        let is_same_end = national.len() >= LAST && digits.len() >= LAST && last(digits) == last(national);
        (is_inside && is_same_end && self.readings.is_empty() && in_region.is_none()).then_some(Fit::Ending)
    }

    /// The numbers that the digits are by themselves.
    pub fn readings(&self) -> &[Number] {
        &self.readings
    }

    /// Whether somebody else may have this number: a mobile phone of another country, which writes it like
    /// this.
    fn may_be_elsewhere(&self) -> bool {
        let is_whole =
            PREFIXES.iter().any(|prefix| self.digits.starts_with(prefix)) && !self.readings.is_empty();
        !self.is_certain
            && !is_whole
            && Region::all()
                .filter_map(|region| read_in(&self.digits, region))
                .any(|number| is_mobile(&number) && !self.readings.contains(&number))
    }
}

fn ending(digits: &str) -> &str {
    digits.get(digits.len().saturating_sub(ENDING)..).unwrap_or(digits)
}

fn last(digits: &str) -> &str {
    digits.get(digits.len().saturating_sub(LAST)..).unwrap_or(digits)
}

fn is_mobile(number: &Number) -> bool {
    matches!(number.kind(), NumberKind::Mobile | NumberKind::FixedLineOrMobile)
}

fn read_in(digits: &str, region: Region) -> Option<Number> {
    Number::dialled(digits, region).filter(Number::is_valid)
}

fn read_whole(digits: &str) -> Option<Number> {
    if digits.starts_with('0') {
        return None;
    }
    Number::parse(&format!("+{digits}"), None).ok().filter(Number::is_valid)
}

/// The digits behind what is dialled before a country code, and all of them.
fn unprefixed(digits: &str) -> impl Iterator<Item = &str> {
    PREFIXES.iter().filter_map(|prefix| digits.strip_prefix(prefix)).chain([digits])
}

/// The number that the digits are with a country code.
fn whole(digits: &str) -> Option<Number> {
    unprefixed(digits).find_map(read_whole)
}

/// The numbers that the digits were in a plan of before, in the region, or with a country code.
fn outdated(digits: &str, region: Option<Region>) -> Vec<Number> {
    let mut found = Vec::new();
    for code in PLANS {
        let parts = national_parts(digits, code);
        // Without the country code in the region alone.
        let is_own = region.is_some_and(|region| read_whole_region(code) == Some(region));
        let parts = parts.iter().skip(if is_own { 0 } else { 2 });
        let spelled = parts.flat_map(|part| spellings(code, part));
        found.extend(spelled.filter_map(|national| read_whole(&format!("{code}{national}"))));
    }
    found
}

/// Whether the digits are a whole number behind a prefix that is dialled somewhere.
fn is_dialled(digits: &str, full: &str) -> bool {
    const ELSEWHERE: [&str; 5] = ["810", "8810", "119", "99", "999"];
    let prefix = digits.strip_suffix(full);
    prefix.is_some_and(|prefix| {
        prefix.len() <= 4 && (prefix.starts_with('0') || ELSEWHERE.contains(&prefix))
            || is_made_whole_twice(prefix, full)
    })
}

/// Whether somebody put a country code before a number that had one: its own once more, or any before a
/// prefix.
fn is_made_whole_twice(prefix: &str, full: &str) -> bool {
    let is_code = |text: &str| calling_codes().any(|code| code.to_string() == text);
    let is_before_a_prefix = PREFIXES.iter().filter_map(|dialled| prefix.strip_suffix(dialled)).any(is_code);
    is_before_a_prefix || (full.starts_with(prefix) && is_code(prefix))
}

/// What the digits may be of a national number: all of them, and where they begin with the country code, what
/// is behind it; each with the zeros before it and without.
fn national_parts(digits: &str, code: &str) -> Vec<String> {
    let mut parts = vec![digits.to_owned(), digits.trim_start_matches('0').to_owned()];
    for rest in unprefixed(digits).filter_map(|digits| digits.strip_prefix(code)) {
        parts.extend([rest.to_owned(), rest.trim_start_matches('0').to_owned()]);
    }
    parts
}

/// The calling codes of the plans in [`spellings`].
const PLANS: [&str; 5] = ["52", "54", "55", "225", "229"];

/// The region of a calling code of [`PLANS`].
fn read_whole_region(code: &str) -> Option<Region> {
    let region = match code {
        "52" => "MX",
        "54" => "AR",
        "55" => "BR",
        "225" => "CI",
        "229" => "BJ",
        _ => return None,
    };
    region.parse().ok()
}

/// The other national numbers that the same phone has, had, or is dialled by.
pub fn spellings(code: &str, national: &str) -> Vec<String> {
    let rest = |prefix: &str| national.strip_prefix(prefix);
    let mut found: Vec<String> = Vec::new();
    match (code, national.len()) {
        ("52", 10) => found.push(format!("1{national}")),
        ("52", 11) => found.extend(rest("1").map(ToOwned::to_owned)),
        ("52", 12) => found.extend(["44", "45"].into_iter().filter_map(rest).map(ToOwned::to_owned)),
        ("54", 10) => found.push(format!("9{national}")),
        ("54", 11) => found.extend(rest("9").map(ToOwned::to_owned)),
        // 15 behind the area code, which has two to four digits.
        ("54", 12 | 13) => {
            let whole = if national.len() == 13 { rest("9") } else { Some(national) };
            for (area, local) in (2..=4).filter_map(|at| whole?.split_at_checked(at)) {
                if let Some(local) = local.strip_prefix("15") {
                    found.extend([format!("9{area}{local}"), format!("{area}{local}")]);
                }
            }
        }
        ("55", 10 | 11) => {
            let split = national.split_at_checked(2);
            found.extend(split.and_then(|(area, local)| {
                if national.len() == 10 {
                    Some(format!("{area}9{local}"))
                } else {
                    local.strip_prefix('9').map(|local| format!("{area}{local}"))
                }
            }));
        }
        ("225", 8) => found.extend(["01", "05", "07"].map(|prefix| format!("{prefix}{national}"))),
        ("225", 10) => found.extend(["01", "05", "07"].into_iter().filter_map(rest).map(ToOwned::to_owned)),
        ("229", 8) => found.push(format!("01{national}")),
        ("229", 10) => found.extend(rest("01").map(ToOwned::to_owned)),
        _ => {}
    }
    found
}

/// The other E.164 numbers that the same phone has, had, or is dialled by. Most phones have none.
pub fn same_phone(e164: &str) -> Vec<String> {
    let plan = PLANS.iter().find_map(|code| Some((*code, e164.strip_prefix('+')?.strip_prefix(code)?)));
    let spelled = plan.map(|(code, national)| {
        spellings(code, national).into_iter().map(move |national| format!("+{code}{national}"))
    });
    spelled.into_iter().flatten().collect()
}

/// Those of [`same_phone`] that are this person beyond doubt: what somebody allows under one of them is allowed
/// under the other. Where both numbers are in use, as a Brazilian line and the mobile with one more digit, they may
/// be two people; Argentina gives each ten digits once, and the 9 before them says only that it is a mobile.
pub fn same_person(e164: &str) -> Vec<String> {
    let is_valid = |e164: &str| Number::parse(e164, None).is_ok_and(|number| number.is_valid());
    let is_one = |other: &String| {
        let [shorter, longer] = if e164.len() < other.len() { [e164, other] } else { [other, e164] };
        let ten = shorter.strip_prefix("+54").filter(|national| national.len() == 10);
        if ten.is_some_and(|national| longer.strip_prefix("+549") == Some(national)) {
            return true;
        }
        match (is_valid(e164), is_valid(other)) {
            (true, true) => false,
            // The one that is not in use may be a spelling of several that are.
            (false, true) => same_phone(e164).len() == 1,
            (_, false) => same_phone(other).len() == 1,
        }
    };
    same_phone(e164).into_iter().filter(is_one).collect()
}

/// Somebody whom the ledger knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Who, in E.164.
    pub number: String,
    /// Whether a message to them was accepted, ever.
    pub is_recipient: bool,
    /// Whether one went out so lately that a reply may answer it.
    pub is_recent: bool,
    /// Whether they want no more texts.
    pub is_out: bool,
}

/// Who a sender is, as far as anybody can tell.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// Everybody who may have written: a STOP stops all of them.
    pub people: Vec<Number>,
    /// The one who wrote, where one alone fits: a reply is theirs.
    pub one: Option<Number>,
    /// Whether several people who were texted fit, so that a reply is nobody's until a person says whose.
    pub is_shared: bool,
    /// The only one whom it fits, and exactly.
    only: Option<Number>,
    /// The number that the source says it is, which wants no more texts and is the only one whom it fits.
    claimed: Option<Number>,
    /// How the people were found.
    basis: Basis,
    /// Whether nobody proved that any of them wrote: then nobody is lifted.
    is_unproven: bool,
}

/// How the people were found that a sender may be.
#[derive(Clone, Debug, Default)]
enum Basis {
    /// There are none.
    #[default]
    Nothing,
    /// The number itself, or recipients.
    Known,
    /// Read from the digits: nobody in the ledger fits. Whether all of them want no more texts already.
    Read(CallerId, bool),
}

impl Who {
    /// Whether a STOP is to be put before a person: nobody fits, or somebody else may have said it. Not where
    /// everybody is stopped already, as in a list that is read every hour: it was put before a person the
    /// first time.
    pub fn is_doubtful(&self) -> bool {
        match &self.basis {
            Basis::Nothing => true,
            Basis::Known => false,
            Basis::Read(caller, are_out) => !are_out && self.is_guess(caller),
        }
    }

    /// Whom a START lifts: somebody whom it fits exactly, and nobody else.
    pub fn lifts(&self) -> Option<&Number> {
        if self.is_unproven {
            return None;
        }
        if self.claimed.is_some() {
            return self.claimed.as_ref();
        }
        match &self.basis {
            Basis::Nothing => None,
            Basis::Known => self.only.as_ref(),
            Basis::Read(caller, _) => {
                self.only.as_ref().filter(|only| self.one.as_ref() == Some(only) && !self.is_guess(caller))
            }
        }
    }

    /// Whether somebody else may have written than the digits are by themselves. Whoever writes has a mobile
    /// phone.
    fn is_guess(&self, caller: &CallerId) -> bool {
        !self.people.iter().any(is_mobile) || caller.may_be_elsewhere()
    }
}

/// The number of an E.164 sender; nothing where it is none after all.
pub fn international(sender: &Sender) -> Option<Number> {
    let text = match sender {
        Sender::E164(text) => text,
        Sender::Unproven(text) if text.starts_with('+') => text,
        _ => return None,
    };
    let text = text.trim();
    let text = if text.starts_with('+') { text.to_owned() } else { format!("+{text}") };
    Number::parse(&text, None).ok().filter(Number::is_possible)
}

/// The ends by which the ledger finds those who may have written; none where it need not be asked.
pub fn endings(sender: &Sender, default_region: Option<Region>) -> Vec<String> {
    let mut endings =
        CallerId::read(sender, default_region).map(|caller| caller.endings()).unwrap_or_default();
    endings.extend(international(sender).map(|number| ending(number.e164()).to_owned()));
    endings.sort_unstable();
    endings.dedup();
    endings
}

/// Who wrote. `known` is everybody in the ledger whose number has one of the [`endings`].
pub fn who(sender: &Sender, default_region: Option<Region>, known: &[Known]) -> Who {
    let who = whoever(sender, default_region, known);
    Who { is_unproven: matches!(sender, Sender::Unproven(_)), ..who }
}

/// The same, whether or not anybody proved it.
fn whoever(sender: &Sender, default_region: Option<Region>, known: &[Known]) -> Who {
    let own = international(sender);
    let caller = CallerId::read(sender, default_region);
    match (own, caller) {
        (Some(number), _) if was_texted(&number, known) => themselves(number, known),
        (Some(number), caller) if number.is_valid() => {
            let fitting = caller.map(|caller| recipients(&fitting(&caller, known))).unwrap_or_default();
            themselves_or(number, known, fitting)
        }
        (own, Some(caller)) => written(caller, own.as_ref(), known),
        (_, None) => Who::default(),
    }
}

/// Whether a message to this phone was accepted, ever, under any of its numbers.
fn was_texted(number: &Number, known: &[Known]) -> bool {
    let others = same_phone(number.e164());
    known
        .iter()
        .any(|known| known.is_recipient && (known.number == number.e164() || others.contains(&known.number)))
}

/// Those in the ledger whom the digits fit.
fn fitting<'a>(caller: &CallerId, known: &'a [Known]) -> Vec<(&'a Known, Fit, Number)> {
    let fits = |known: &'a Known| {
        let number = Number::parse(&known.number, None).ok()?;
        Some((known, caller.fit(&number)?, number))
    };
    known.iter().filter_map(fits).collect()
}

/// Those of them who were texted, best first. Where one fits better, nobody is among them who shares the end
/// alone.
fn recipients<'a>(fitting: &[(&'a Known, Fit, Number)]) -> Vec<(&'a Known, Fit, Number)> {
    let mut recipients: Vec<_> = fitting.iter().filter(|(known, ..)| known.is_recipient).cloned().collect();
    let has_better = recipients.iter().any(|(_, fit, _)| *fit != Fit::Ending);
    recipients.retain(|(_, fit, _)| !has_better || *fit != Fit::Ending);
    recipients.sort_by_key(|(_, fit, _)| *fit);
    recipients
}

/// Who a sender is whose digits say no more than they show. `own` is the number that the source calls them,
/// which nobody was texted under and no plan has.
fn written(caller: CallerId, own: Option<&Number>, known: &[Known]) -> Who {
    let fitting = fitting(&caller, known);
    let recipients = recipients(&fitting);
    let only = match fitting.as_slice() {
        [(_, Fit::Exact, number)] => Some(number.clone()),
        _ => None,
    };
    if recipients.is_empty() {
        let people = caller.readings.clone();
        let one = match people.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        };
        let is_out =
            |number: &Number| fitting.iter().any(|(known, _, fitting)| known.is_out && fitting == number);
        let are_out = people.iter().all(is_out);
        let basis = if people.is_empty() { Basis::Nothing } else { Basis::Read(caller, are_out) };
        let claimed = only.clone().filter(|only| own == Some(only));
        return Who { people, one, is_shared: false, only, claimed, basis, is_unproven: false };
    }
    let people: Vec<Number> = recipients.iter().map(|(_, _, number)| number.clone()).collect();
    let recent: Vec<&Number> =
        recipients.iter().filter(|(known, ..)| known.is_recent).map(|(_, _, number)| number).collect();
    // Several numbers of one phone are one person.
    let is_same = |one: &Number, other: &Number| {
        one == other || same_phone(one.e164()).iter().any(|same| same == other.e164())
    };
    let one = match (recent.as_slice(), people.as_slice()) {
        ([], [one]) => Some(one.clone()),
        ([first, rest @ ..], _) if rest.iter().all(|other| is_same(first, other)) => Some((*first).clone()),
        _ => None,
    };
    Who {
        is_shared: one.is_none(),
        people,
        one,
        only,
        claimed: None,
        basis: Basis::Known,
        is_unproven: false,
    }
}

/// Who an E.164 sender is that is in use and was never texted: whoever was texted and is written so may be
/// meant as well, and a person says which.
fn themselves_or(number: Number, known: &[Known], texted: Vec<(&Known, Fit, Number)>) -> Who {
    let mut who = themselves(number, known);
    if !texted.is_empty() {
        who.people.extend(texted.into_iter().map(|(_, _, number)| number));
        (who.one, who.only, who.is_shared) = (None, None, true);
    }
    who
}

/// Who an E.164 sender is: this number as it stands. The same phone may have been texted under another of its
/// numbers.
fn themselves(number: Number, known: &[Known]) -> Who {
    let others = same_phone(number.e164());
    let texted = |known: &&Known| known.is_recipient && others.contains(&known.number);
    let aliases: Vec<(&Known, Number)> = known
        .iter()
        .filter(texted)
        .filter_map(|known| Some((known, Number::parse(&known.number, None).ok()?)))
        .collect();
    let is_texted = known.iter().any(|known| known.is_recent && known.number == number.e164());
    let recent: Vec<&Number> =
        aliases.iter().filter(|(known, _)| known.is_recent).map(|(_, number)| number).collect();
    let one = match recent.as_slice() {
        _ if is_texted => Some(number.clone()),
        [] => Some(number.clone()),
        [one] => Some((*one).clone()),
        _ => None,
    };
    let people =
        std::iter::once(number.clone()).chain(aliases.into_iter().map(|(_, number)| number)).collect();
    // Another number of the phone that is out holds this one back too, and may be somebody else's.
    let is_alone = !known.iter().any(|known| known.is_out && others.contains(&known.number));
    Who {
        is_shared: one.is_none(),
        people,
        one,
        only: Some(number).filter(|_| is_alone),
        claimed: None,
        basis: Basis::Known,
        is_unproven: false,
    }
}

#[cfg(test)]
mod tests;
