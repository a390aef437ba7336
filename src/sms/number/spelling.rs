//! How people write a phone number, so that nothing else in a cell or a sentence becomes a digit of it.
//!
//! [`read`] takes the small grammar that numbers are written in and gives the digits; everything else is
//! refused with the reason. What it knows: `tel:` and `sms:` in front, what a spreadsheet writes to keep it a
//! text, a closing sign or a word such as `(mobile)` behind it, one `+` or `00`, decimal digits of one
//! script, brackets round a country code, an area code or the zero that is dialled inside the country, and
//! between groups of digits a space, hyphen, dot or slash, each where people put them. Behind a number stands
//! no digit of it: `.0` of a spreadsheet, `/2` and ` - 8` of an office, ` (2)` of a footnote. Where a tail
//! could also be a last group of digits, [`Written::before_tails`] says what would stand before it, and the
//! caller looks whether that is a number by itself; [`Written::heads`] says where a head may end. No plan of
//! any country is known here.
//!
//! Source: ITU-T E.123 and DIN 5008 (how numbers are grouped), and the groups of every example number of
//! libphonenumber, of which none ends in a single digit.

/// Where the digits of each script that is read begin: ASCII, full-width, Arabic-Indic, Persian, Devanagari,
/// Bengali.
const ZEROS: [char; 6] = ['0', '\u{ff10}', '\u{660}', '\u{6f0}', '\u{966}', '\u{9e6}'];

/// Fewest digits in front of what is called a tail or an extension.
const FEWEST_BEFORE: usize = 5;

/// Most digits of a group that others follow: country code, area code and exchange, written in one.
const MOST_INNER: usize = 8;

/// What a number begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    /// `+`: a country code follows.
    Plus,
    /// `00`, which are digits of the number too: in most countries a country code follows.
    Zeros,
    /// Neither.
    None,
}

/// A number as it was written: its digits, and what its signs say of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// Every digit, in ASCII and in order. Behind [`Marker::Zeros`] they begin with `00`.
    pub(super) digits: String,
    pub(super) marker: Marker,
    /// Where in `digits` the `(0)` behind a country code stands.
    pub(super) zero: Option<usize>,
    cuts: Vec<Cut>,
    heads: Vec<Head>,
}

/// A place where what stands before a number may end: how many digits stand before it, and what is written up
/// to there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Head {
    digits: usize,
    text: String,
}

/// A place where a number may have ended: how many digits stand before it, and what is written from there on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cut {
    digits: usize,
    tail: String,
}

impl Written {
    /// What stands before each place where a tail may begin, with that tail. Where it is a number by itself,
    /// the tail is no part of it.
    pub(super) fn before_tails(&self) -> impl Iterator<Item = (Self, &str)> {
        self.cuts.iter().map(|cut| {
            let digits = self.digits.get(..cut.digits).unwrap_or_default().to_owned();
            let zero = self.zero.filter(|at| *at < cut.digits);
            (Self { zero, ..self.part(digits, self.marker) }, cut.tail.as_str())
        })
    }

    /// The ends of its groups but the last, each as how many digits stand before it, with all that is written
    /// before it.
    pub(super) fn heads(&self) -> impl Iterator<Item = (usize, &str)> {
        self.heads.iter().map(|head| (head.digits, head.text.as_str()))
    }

    /// Some of its digits as a number by themselves.
    pub(super) fn part(&self, digits: String, marker: Marker) -> Self {
        Self { digits, marker, zero: None, cuts: Vec::new(), heads: Vec::new() }
    }
}

/// Why a text is not the spelling of one number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misspelling {
    /// A character that a reader does not see.
    Hidden(char),
    /// Letters: on a keypad they stand for digits, and they are in no number.
    Letters,
    /// `4.36642E+11`: a spreadsheet rounded the number, and its last digits are lost.
    Exponent,
    /// `664123450.25`: a spreadsheet took it for an amount.
    Decimal,
    /// An extension behind a switchboard.
    Extension,
    /// Two numbers, or more.
    Several,
    /// A sign that is in no number.
    Sign(char),
    /// Signs of a number where no number has them.
    Order,
    /// Digits of two scripts.
    Scripts,
    /// A number, and something behind it.
    Tail(String),
    /// A number, and something before it.
    Head(String),
}

impl std::fmt::Display for Misspelling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hidden(c) => write!(f, "it has the control or invisible character U+{:04X}", u32::from(*c)),
            Self::Letters => f.write_str("it has letters in it"),
            Self::Exponent => f.write_str(
                "a spreadsheet rounded it, and its last digits are lost (format \
                the column as text, and enter it again)",
            ),
            Self::Decimal => f.write_str("it reads as an amount with decimals (format the column as text)"),
            Self::Extension => f.write_str("it has an extension, which no text reaches"),
            Self::Several => f.write_str("it has more than one number in it"),
            Self::Sign(c) => write!(f, "it has {c:?} in it"),
            Self::Order => f.write_str("its brackets, signs or zeros stand where no number has them"),
            Self::Scripts => f.write_str("it has digits of two scripts in it"),
            Self::Tail(tail) => write!(f, "{tail:?} stands behind a number and may be no part of it"),
            Self::Head(head) => write!(f, "{head:?} stands before a number and may be no part of it"),
        }
    }
}

/// What stands between two groups of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing but a bracket, or nothing at all before the first group.
    Bare,
    Space,
    Hyphen,
    Dot,
    Slash,
}

/// A gap, and where in the text it begins.
#[derive(Clone, Copy, Debug)]
struct Gap {
    kind: Kind,
    /// A hyphen, dot or slash with spaces about it, or more than one space.
    is_wide: bool,
    at: usize,
}

impl Gap {
    /// Divides a number from what stands beside it as often as two groups of a number.
    fn divides(self) -> bool {
        self.is_wide || self.kind == Kind::Slash
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bracket {
    Outside,
    /// The n-th pair of brackets.
    Inside(usize),
}

/// A group of digits, with what stands before it.
#[derive(Clone, Debug)]
struct Group {
    digits: String,
    gap: Gap,
    bracket: Bracket,
}

enum Class {
    Digit { script: usize, value: char },
    Plus,
    Open,
    Close,
    Gap(Kind),
}

fn class(c: char) -> Option<Class> {
    let script = ZEROS
        .iter()
        .position(|zero| u32::from(c).checked_sub(u32::from(*zero)).is_some_and(|value| value < 10));
    if let Some((script, zero)) = script.and_then(|script| Some((script, ZEROS.get(script)?))) {
        let value = char::from_digit(u32::from(c).saturating_sub(u32::from(*zero)), 10)?;
        return Some(Class::Digit { script, value });
    }
    Some(match c {
        '+' | '\u{ff0b}' => Class::Plus,
        '(' | '\u{ff08}' => Class::Open,
        ')' | '\u{ff09}' => Class::Close,
        ' ' | '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            Class::Gap(Kind::Space)
        }
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' | '\u{30fc}' => {
            Class::Gap(Kind::Hyphen)
        }
        '.' | '\u{b7}' | '\u{ff0e}' => Class::Gap(Kind::Dot),
        '/' | '\u{ff0f}' => Class::Gap(Kind::Slash),
        _ => return None,
    })
}

/// Reads the spelling of a number, which has no space about it.
///
/// # Errors
/// [`Misspelling`] if it is not the spelling of one number.
pub(super) fn read(text: &str) -> Result<Written, Misspelling> {
    let text = without_cell_marks(text);
    let (text, is_uri) = without_scheme(text);
    let bare = if is_uri { text } else { without_label(without_closing_sign(text)) };
    check_signs(bare)?;
    // A closing sign behind zeros of a spreadsheet would be two endings, and nobody writes both.
    let text = if bare.len() == text.len() { without_decimal_zeros(bare) } else { bare };
    let text = without_outer_brackets(text);
    let (groups, is_plus) = groups(text)?;
    let digits: String = groups.iter().map(|group| group.digits.as_str()).collect();
    let marker = marker(&groups, is_plus, &digits)?;
    let zero = brackets(&groups, marker)?;
    check_shape(&groups, is_plus, text)?;
    Ok(Written { digits, marker, zero, cuts: cuts(&groups, text), heads: heads(&groups, text) })
}

/// Takes off what a spreadsheet has before a number to keep it a text: `'+43...` and `="+43..."`.
fn without_cell_marks(text: &str) -> &str {
    let formula = text.strip_prefix("=\"").and_then(|text| text.strip_suffix('"'));
    formula.or_else(|| text.strip_prefix('\'')).map_or(text, str::trim)
}

/// Takes off `tel:` (RFC 3966) or `sms:` (RFC 5724), and says whether it was there. Parameters stay, and are
/// refused: `;ext=` is another telephone, `;phone-context=` another number, and `?body=` a text.
fn without_scheme(text: &str) -> (&str, bool) {
    const SCHEMES: [&str; 2] = ["tel:", "sms:"];
    let rest = SCHEMES.iter().find_map(|scheme| {
        let start = text.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme))?;
        text.get(start.len()..)
    });
    (rest.unwrap_or(text).trim_start(), rest.is_some())
}

/// Takes off the one sign that closes a sentence or a list behind the last digit.
fn without_closing_sign(text: &str) -> &str {
    let rest = text.strip_suffix(['.', ',', ';']);
    rest.filter(|rest| rest.ends_with(|c| matches!(class(c), Some(Class::Digit { .. } | Class::Close))))
        .unwrap_or(text)
}

/// Takes off a word in brackets that says which of a person's telephones it is. Only these words, which say
/// nothing else and have no digit in them: any other may mean that the number is none of the person's.
fn without_label(text: &str) -> &str {
    const LABELS: [&str; 6] = ["mobile", "mobil", "cell", "home", "work", "office"];
    let parts = text.strip_suffix(')').and_then(|text| text.rsplit_once('('));
    let is_label = |word: &str| LABELS.iter().any(|label| label.eq_ignore_ascii_case(word.trim()));
    parts.filter(|(_, word)| is_label(word)).map_or(text, |(rest, _)| rest.trim_end())
}

/// Refuses what no number has in it, with the best name for what it is.
fn check_signs(text: &str) -> Result<(), Misspelling> {
    if let Some(c) = text.chars().find(|c| crate::sms::untrusted::is_hidden(*c)) {
        return Err(Misspelling::Hidden(c));
    }
    if is_exponent(text) {
        return Err(Misspelling::Exponent);
    }
    let mut digits = 0_usize;
    let mut scripts = None;
    for (at, c) in text.char_indices() {
        match class(c) {
            Some(Class::Digit { script, .. }) => {
                digits += 1;
                if *scripts.get_or_insert(script) != script {
                    return Err(Misspelling::Scripts);
                }
            }
            Some(Class::Plus) if digits > 0 => return Err(Misspelling::Several),
            Some(_) => {}
            None => return Err(misfit(c, text.get(at..).unwrap_or_default(), digits)),
        }
    }
    Ok(())
}

/// The name for what begins with a sign that is in no number, behind so many digits.
fn misfit(c: char, rest: &str, before: usize) -> Misspelling {
    const EXTENSIONS: [&str; 7] = ["x", "ext", "extn", "extension", "dw", "durchwahl", "#"];
    let word: String =
        rest.chars().take_while(|c| c.is_alphabetic() || *c == '#').flat_map(char::to_lowercase).collect();
    let behind = rest.chars().filter(|c| matches!(class(*c), Some(Class::Digit { .. }))).count();
    if before >= FEWEST_BEFORE && EXTENSIONS.contains(&word.as_str()) {
        return Misspelling::Extension;
    }
    if c.is_alphabetic() {
        return Misspelling::Letters;
    }
    match c {
        ',' | ';' | '|' | '&' if before >= FEWEST_BEFORE && behind >= FEWEST_BEFORE => Misspelling::Several,
        ',' | ';' | '*' | '[' if before >= FEWEST_BEFORE => Misspelling::Tail(rest.to_owned()),
        c => Misspelling::Sign(c),
    }
}

/// `4.36642E+11`, with a comma too.
fn is_exponent(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(exponent) && is_digits(&mantissa.replacen(['.', ','], "", 1).replacen('+', "", 1))
}

/// Takes off the `.0` or `.00` that a spreadsheet writes behind a number that it took for an amount: only
/// where all that stands before it is digits, with a plus or without.
fn without_decimal_zeros(text: &str) -> &str {
    let rest = text.strip_suffix(".0").or_else(|| text.strip_suffix(".00"));
    let is_bare = |rest: &&str| {
        let digits = rest.strip_prefix('+').unwrap_or(rest);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    rest.filter(is_bare).unwrap_or(text)
}

/// `(0664 1234567)` is `0664 1234567`.
fn without_outer_brackets(text: &str) -> &str {
    let inner = text.strip_prefix(['(', '\u{ff08}']).and_then(|text| text.strip_suffix([')', '\u{ff09}']));
    inner.filter(|inner| !inner.contains(['(', ')', '\u{ff08}', '\u{ff09}'])).map_or(text, str::trim)
}

/// Cuts a text into its groups of digits, and says whether it begins with a plus.
fn groups(text: &str) -> Result<(Vec<Group>, bool), Misspelling> {
    let mut reader =
        Reader { groups: Vec::new(), is_plus: false, pairs: 0, open: None, gap: None, is_run: false };
    for (at, c) in text.char_indices() {
        reader.take(at, c)?;
    }
    match (reader.open, reader.gap) {
        _ if reader.groups.is_empty() => Err(Misspelling::Order),
        (None, None) => Ok((reader.groups, reader.is_plus)),
        (None, Some(gap)) => Err(Misspelling::Tail(text.get(gap.at..).unwrap_or_default().to_owned())),
        (Some(_), _) => Err(Misspelling::Order),
    }
}

struct Reader {
    groups: Vec<Group>,
    is_plus: bool,
    /// How many brackets were opened.
    pairs: usize,
    /// The number of the open bracket, and how many groups stood before it.
    open: Option<(usize, usize)>,
    /// What stands between the last group and here.
    gap: Option<Gap>,
    /// Whether the last character was a digit.
    is_run: bool,
}

impl Reader {
    fn take(&mut self, at: usize, c: char) -> Result<(), Misspelling> {
        let is_run = std::mem::take(&mut self.is_run);
        let is_begun = !self.groups.is_empty();
        match class(c).ok_or(Misspelling::Sign(c))? {
            Class::Digit { value, .. } => {
                self.is_run = true;
                match self.groups.last_mut().filter(|_| is_run) {
                    Some(group) => group.digits.push(value),
                    None => {
                        let gap = self.gap.take().unwrap_or(Gap { kind: Kind::Bare, is_wide: false, at });
                        let bracket = self.open.map_or(Bracket::Outside, |(pair, _)| Bracket::Inside(pair));
                        self.groups.push(Group { digits: value.to_string(), gap, bracket });
                    }
                }
            }
            Class::Plus if is_begun || self.is_plus => return Err(Misspelling::Several),
            Class::Plus => self.is_plus = true,
            Class::Open if self.open.is_some() => return Err(Misspelling::Order),
            Class::Open => {
                self.pairs += 1;
                self.open = Some((self.pairs, self.groups.len()));
                // A gap before the bracket is the gap of its group, which begins with the bracket.
                self.gap.get_or_insert(Gap { kind: Kind::Bare, is_wide: false, at });
            }
            Class::Close => match self.open.take() {
                Some((_, before)) if self.groups.len() > before && self.gap.is_none() => {}
                _ => return Err(Misspelling::Order),
            },
            Class::Gap(Kind::Space) if !is_begun && (self.is_plus || self.open.is_some()) => {}
            Class::Gap(_) if !is_begun => return Err(Misspelling::Order),
            Class::Gap(kind) => self.widen(at, kind)?,
        }
        Ok(())
    }

    /// Adds to the gap that is being read: spaces may stand about a hyphen or a slash, and no two signs
    /// beside each other.
    fn widen(&mut self, at: usize, kind: Kind) -> Result<(), Misspelling> {
        self.gap = Some(match (self.gap, kind) {
            (None, kind) => Gap { kind, is_wide: false, at },
            (Some(gap), kind) if gap.kind == Kind::Bare => Gap { kind, is_wide: false, at: gap.at },
            (Some(gap), Kind::Space) if gap.kind != Kind::Dot => Gap { is_wide: true, ..gap },
            (Some(gap), Kind::Hyphen | Kind::Slash) if gap.kind == Kind::Space => {
                Gap { kind, is_wide: true, at: gap.at }
            }
            _ => return Err(Misspelling::Order),
        });
        Ok(())
    }
}

/// What the number begins with.
fn marker(groups: &[Group], is_plus: bool, digits: &str) -> Result<Marker, Misspelling> {
    let first = groups.first().map(|group| group.digits.as_str()).unwrap_or_default();
    match (is_plus, digits.starts_with("00")) {
        (true, false) => Ok(Marker::Plus),
        // Zeros of two groups are no prefix, and `+00` is two.
        (false, true) if first.starts_with("00") => Ok(Marker::Zeros),
        (_, true) => Err(Misspelling::Order),
        (false, false) => Ok(Marker::None),
    }
}

/// Holds each bracket to its place: round the country code, the `(0)` behind it, or one area code. Returns
/// where the `(0)` stands.
fn brackets(groups: &[Group], marker: Marker) -> Result<Option<usize>, Misspelling> {
    let most_before = if marker == Marker::Zeros { 5 } else { 3 };
    let (mut zero, mut area, mut before) = (None, None, 0_usize);
    let all: usize = groups.iter().map(|group| group.digits.len()).sum();
    for (index, group) in groups.iter().enumerate() {
        let Bracket::Inside(pair) = group.bracket else {
            before += group.digits.len();
            continue;
        };
        let here: usize = groups
            .iter()
            .filter(|other| other.bracket == group.bracket)
            .map(|other| other.digits.len())
            .sum();
        let is_country = before == 0
            && marker != Marker::None
            && here == group.digits.len()
            && (1..=most_before).contains(&here);
        let is_zero =
            group.digits == "0" && here == 1 && marker != Marker::None && before > 0 && before <= most_before;
        if is_zero && zero.is_none() && area.is_none() {
            zero = Some(before);
        } else if !is_country {
            // The first group of an area code's bracket decides for the others in it.
            let is_first =
                index == 0 || groups.get(index - 1).is_none_or(|other| other.bracket != group.bracket);
            let reach = before.saturating_sub(usize::from(zero.is_some()));
            let is_place = reach <= most_before
                && (marker == Marker::None || reach > 0)
                && here <= 6
                && all >= before + here + 4;
            if is_first && (area.is_some() || !is_place) || !is_first && area != Some(pair) {
                return Err(Misspelling::Order);
            }
            area = Some(pair);
        }
        before += group.digits.len();
    }
    Ok(zero)
}

/// Refuses groups of digits that no country writes: they are numbers with something behind them.
fn check_shape(groups: &[Group], is_plus: bool, text: &str) -> Result<(), Misspelling> {
    let from = |gap: Gap| Misspelling::Tail(text.get(gap.at..).unwrap_or_default().to_owned());
    let behind = |index: usize| groups.iter().skip(index).map(|group| group.digits.len()).sum::<usize>();
    let in_pairs = is_in_pairs(groups);
    for (index, pair) in groups.windows(2).enumerate() {
        let [group, next] = pair else { continue };
        let is_last = index + 2 == groups.len();
        let length = next.digits.len();
        let is_tail = is_last
            && (length == 1
                || length == 2 && group.digits.len() > 5
                || length == 3 && group.digits.len() > 6);
        let is_cut = next.gap.divides() && behind(index + 1) < 4 && !in_pairs;
        if is_tail || group.digits.trim_start_matches('0').len() > MOST_INNER || is_cut {
            return Err(from(next.gap));
        }
    }
    // Slashes and wide hyphens stand once, behind the area code; or everywhere, as in 1 - 202 - 555 - 0123.
    let divided: Vec<&Group> = groups.iter().skip(1).filter(|group| group.gap.divides()).collect();
    let is_alike = groups.iter().skip(1).all(|group| group.gap.kind == Kind::Hyphen && group.gap.is_wide);
    if let [_, .., last] = divided.as_slice()
        && !(is_alike && last.digits.len() >= 4 || in_pairs)
        && !divided.iter().all(|group| group.gap.kind == Kind::Space)
    {
        return Err(from(last.gap));
    }
    match groups {
        [first, second]
            if second.gap.kind == Kind::Dot
                && !is_plus
                && !first.digits.starts_with('0')
                && first.digits.len() >= FEWEST_BEFORE =>
        {
            Err(Misspelling::Decimal)
        }
        _ => Ok(()),
    }
}

/// Whether a slash stands between all groups, and all behind the first are pairs, as in 06/12/34/56/78. What
/// may stand before each slash is looked at all the same ([`cuts`]).
fn is_in_pairs(groups: &[Group]) -> bool {
    let is_pair =
        |group: &Group| group.digits.len() == 2 && group.gap.kind == Kind::Slash && !group.gap.is_wide;
    matches!(groups, [first, rest @ ..] if (2..=4).contains(&first.digits.len()) && rest.len() >= 3 && rest.iter().all(is_pair))
}

/// The places where a tail may begin: where the last group is set off in another way than the one before it,
/// or is short for what stands before it; at what divides; and where a group repeats the first.
fn cuts(groups: &[Group], text: &str) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let mut digits = 0;
    for (index, group) in groups.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| groups.get(index));
        if let Some(before) = before.filter(|_| group.bracket == Bracket::Outside) {
            let is_last = index + 1 == groups.len();
            let is_other = index == 1 || before.gap.kind != Kind::Bare && before.gap.kind != group.gap.kind;
            let is_short = group.digits.len() < before.digits.len()
                && (before.digits.len() >= 5 || group.digits.len() <= 2);
            let is_repeated = groups
                .first()
                .is_some_and(|first| first.digits.len() >= 3 && group.digits.starts_with(&first.digits));
            if group.gap.divides() || is_last && (is_other || is_short) || is_repeated {
                cuts.push(Cut { digits, tail: text.get(group.gap.at..).unwrap_or_default().to_owned() });
            }
        }
        digits += group.digits.len();
    }
    cuts
}

/// The ends of the groups but the last.
fn heads(groups: &[Group], text: &str) -> Vec<Head> {
    let mut digits = 0;
    let ends = groups.windows(2).filter_map(|pair| {
        let [group, next] = pair else { return None };
        digits += group.digits.len();
        Some(Head { digits, text: text.get(..next.gap.at)?.to_owned() })
    });
    ends.collect()
}
