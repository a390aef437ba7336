//! Quiet hours: when a text of a purpose may leave for a number.
//!
//! The zones of the number (`sms::zones`) and the rows that hold for it (`rows`) say when: a moment is open
//! when every zone's clock shows a time within the windows of every row. What is outside waits, is refused, or
//! leaves all the same, as the operator chose. Pure: the moment is an argument, and what asks at the moment
//! of leaving gets the answer for that one.

mod calendar;
mod hours;
mod moments;
mod rows;
mod settings;
#[cfg(test)]
mod tests;

use jiff::civil::DateTime;

use crate::error::{Error, ErrorKind, Result};
use crate::sms::number::Number;
use crate::sms::purpose::Purpose;
use crate::sms::zones::{Found, Placed, Zone};
use hours::Hours;
use moments::Bound;
use rows::Rows;

pub use rows::{Confidence, Place, Row};
pub use settings::{Mode, Rule, Settings};

/// Who wrote to us so lately is answered at any hour.
const ANSWERED_WITHIN_MS: i64 = 4 * 3_600_000;

/// Most rows, and most zones, that a sentence names.
const MOST_SAID: usize = 3;

/// The rules, ready to be asked.
#[derive(Clone, Debug)]
pub struct Quiet {
    settings: Settings,
    rows: Rows,
}

impl Quiet {
    /// By these settings.
    pub fn new(settings: Settings) -> Self {
        let rows = Rows::new(settings.rows());
        Self { settings, rows }
    }

    /// What becomes of a text of this purpose outside its hours.
    pub fn mode(&self, purpose: Purpose) -> Mode {
        self.settings.mode(purpose)
    }

    /// Whether texts of any purpose have hours at all.
    pub fn is_on(&self) -> bool {
        [Purpose::Marketing, Purpose::Transactional]
            .into_iter()
            .any(|purpose| self.mode(purpose) != Mode::Off)
    }

    /// The zones and rows that hold for a text of this purpose to this number, whatever the mode.
    pub fn of(&self, to: &Number, purpose: Purpose) -> Applying<'_> {
        let rows = self.rows.of(to, purpose);
        let mut all = rows.iter().map(|row| &row.hours);
        let first = all.next().cloned().unwrap_or_else(|| Hours::new(&[], Vec::new()));
        let hours = all.fold(first, |both, one| both.and(one));
        Applying { placed: self.placed(to), rows, hours }
    }

    /// The zones of a number: the operator's word, else what its digits tell.
    fn placed(&self, to: &Number) -> Placed {
        let named = self.settings.zones.iter().filter_map(|(of, zone)| Some((of.matches(to)?, of, zone)));
        match named.max_by_key(|(how_well, ..)| *how_well) {
            Some((_, of, zone)) => {
                Placed { zones: [zone.clone()].into(), found: Found::Operator(of.to_string()) }
            }
            None => Placed::of(to),
        }
    }

    /// What holds for texts of this purpose to this number, in a sentence; nothing where they leave at any
    /// hour.
    pub fn said(&self, to: &Number, purpose: Purpose) -> Option<String> {
        if self.mode(purpose) == Mode::Off {
            return None;
        }
        let applying = self.of(to, purpose);
        let row = |row: &&Row| format!("{}: {} ({})", row.place, row.hours, row.said_by());
        let mut rows: Vec<String> = applying.rows.iter().take(MOST_SAID).map(row).collect();
        let more = applying.rows.len().saturating_sub(MOST_SAID);
        rows.extend((more > 0).then(|| format!("and {more} more rows")));
        let names: Vec<&str> = applying.placed.zones.iter().take(MOST_SAID).map(Zone::name).collect();
        let clocks = match (names.as_slice(), applying.placed.zones.len().saturating_sub(MOST_SAID)) {
            ([], _) => "no clock that is known".to_owned(),
            (_, 0) => names.join(" and "),
            (_, more) => format!("{} and {more} more zones", names.join(", ")),
        };
        Some(format!("The hours of {purpose} texts to it, by {clocks}: {}.", rows.join("; ")))
    }

    /// The purposes whose texts have hours: who gets them may have written lately, and that counts.
    pub fn purposes(&self) -> Vec<Purpose> {
        Purpose::ALL.into_iter().filter(|purpose| self.mode(*purpose) != Mode::Off).collect()
    }

    /// When a text may leave that is to leave at this moment or later, to somebody who wrote so long before
    /// it.
    pub fn rule(&self, to: &Number, purpose: Purpose, from_ms: i64, wrote_ago_ms: Option<i64>) -> Ruling {
        let mode = self.mode(purpose);
        if mode == Mode::Off || wrote_ago_ms.is_some_and(|ago| (0..=ANSWERED_WITHIN_MS).contains(&ago)) {
            return Ruling::Free;
        }
        let applying = self.of(to, purpose);
        match applying.opens(from_ms) {
            Some(hours) if hours.at_ms == from_ms => Ruling::Open(hours),
            next => Ruling::Closed { next, why: applying.why(purpose, from_ms), mode },
        }
    }

    /// The same as a decision.
    ///
    /// # Errors
    /// [`ErrorKind::QuietHours`] where such texts are refused, and where there is no moment at which this one
    /// may leave.
    pub fn decide(
        &self,
        to: &Number,
        purpose: Purpose,
        from_ms: i64,
        wrote_ago_ms: Option<i64>,
    ) -> Result<Decided> {
        let (next, why, mode) = match self.rule(to, purpose, from_ms, wrote_ago_ms) {
            Ruling::Free => {
                let Some(ago_ms) = wrote_ago_ms.filter(|_| self.mode(purpose) != Mode::Off) else {
                    return Ok(Decided::Open { until_ms: None });
                };
                // An answer is one for so long, and may leave within the hours all the same.
                let answered_ms = from_ms.saturating_add(ANSWERED_WITHIN_MS - ago_ms + 1);
                let hours = self.of(to, purpose).opens(from_ms).filter(|hours| hours.at_ms == from_ms);
                let until_ms = match hours {
                    None => Some(answered_ms),
                    Some(hours) => hours.until_ms.map(|until_ms| until_ms.max(answered_ms)),
                };
                return Ok(Decided::Open { until_ms });
            }
            Ruling::Open(hours) => return Ok(Decided::Open { until_ms: hours.until_ms }),
            Ruling::Closed { next, why, mode } => (next, why, mode),
        };
        match (next, mode) {
            (None, _) => Err(refused(to, purpose, &why).next(
                "Nothing was sent, and there is no hour at which it could be. Tell the user; only the operator can \
                 change that ([quiet] zones, [[quiet.rule]]).",
            )),
            (Some(hours), Mode::Refuse) => Err(refused(to, purpose, &why).next(format!(
                "Nothing was sent. It may be sent from {} on: with that as `send_at`, or by a call then.",
                rfc3339(hours.at_ms)
            ))),
            (Some(hours), Mode::Hold | Mode::Off) => Ok(Decided::Held { hours, why }),
        }
    }

    /// When it is this time on the clock of a number. A time that a clock leaves out is taken as much later as
    /// the clock is set forward; of one that comes twice, the first.
    ///
    /// # Errors
    /// Why nobody can tell, to be said after the name of what names the time.
    pub fn at_local(&self, to: &Number, local: DateTime) -> std::result::Result<i64, String> {
        let placed = self.placed(to);
        let mut moments = placed.zones.iter().map(|zone| zone.at_local(local));
        let (Some(first), Some(zone)) = (moments.next(), placed.zones.first()) else {
            return Err(format!("says nothing: nobody knows the time zone of {to}; use `send_at`"));
        };
        let other = moments.zip(placed.zones.iter().skip(1)).find(|(moment, _)| *moment != first);
        match (other, first) {
            (None, Some(first)) => Ok(first),
            (None, None) => Err("is further off than any calendar".to_owned()),
            (Some((_, other)), _) => Err(format!(
                "says nothing: {to} may be in {zone} or in {other}, whose clocks differ; use `send_at`, or let the \
                 operator name the zone ([quiet] zones)"
            )),
        }
    }
}

/// The refusal of a text outside its hours.
pub(super) fn refused(to: &Number, purpose: Purpose, why: &str) -> Error {
    Error::new(ErrorKind::QuietHours, format!("{purpose} texts may not reach {to} then: {why}"))
}

/// A moment for an agent, as it could write it.
pub(super) fn rfc3339(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// What the rules say of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It has no hours: such texts leave at any hour, or it answers.
    Free,
    /// It may leave at that moment, which is within these hours.
    Open(Opening),
    /// It may not.
    Closed {
        /// When it may; never, where nothing is let through or nobody knows the number's zone.
        next: Option<Opening>,
        /// Why not before, in our own words.
        why: String,
        /// What is to become of it.
        mode: Mode,
    },
}

/// What becomes of one text that is not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It may leave at that moment.
    Open {
        /// Its hours end then, where they do.
        until_ms: Option<i64>,
    },
    /// It waits.
    Held {
        /// For these hours.
        hours: Opening,
        /// Why, in our own words.
        why: String,
    },
}

/// The next hours of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// When they begin, in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// When they end, where they do: it may not leave at that moment any more.
    pub until_ms: Option<i64>,
}

/// What holds for a text to a number.
#[derive(Clone, Debug)]
pub struct Applying<'a> {
    /// Where its owner may be.
    pub placed: Placed,
    /// By which rows.
    pub rows: Vec<&'a Row>,
    /// When all of them let it through.
    hours: Hours,
}

impl Applying<'_> {
    fn bounds(&self) -> Vec<Bound<'_>> {
        self.placed.zones.iter().map(|zone| Bound { hours: &self.hours, zone }).collect()
    }

    /// Whether it may leave at this moment. Where nobody knows a zone, never.
    pub fn is_open(&self, at_ms: i64) -> bool {
        !self.placed.zones.is_empty() && self.bounds().iter().all(|bound| bound.is_open(at_ms))
    }

    /// The first hours that are open at this moment or after it: they begin at the moment itself where it is
    /// within them.
    pub fn opens(&self, from_ms: i64) -> Option<Opening> {
        if self.placed.zones.is_empty() || self.hours.is_never() {
            return None;
        }
        let bounds = self.bounds();
        let at_ms = moments::opens(&bounds, from_ms)?;
        Some(Opening { at_ms, until_ms: moments::closes(&bounds, at_ms) })
    }

    /// The clock and the row that are in the way at this moment.
    fn in_the_way(&self, at_ms: i64) -> Option<(&Zone, &Row)> {
        let pairs = self.rows.iter().flat_map(|row| self.placed.zones.iter().map(move |zone| (zone, *row)));
        pairs.into_iter().find(|(zone, row)| !Bound { hours: &row.hours, zone }.is_open(at_ms))
    }

    fn why(&self, purpose: Purpose, at_ms: i64) -> String {
        let purpose = purpose.as_str();
        match self.in_the_way(at_ms) {
            Some((_, row)) if row.hours.is_never() => {
                format!("{purpose} texts to {} are let through at no hour ({})", row.place, row.said_by())
            }
            Some((zone, row)) => format!(
                "it is {} in {zone}, and the hours of {purpose} texts to {} are {} ({})",
                zone.shown(at_ms),
                row.place,
                row.hours,
                row.said_by()
            ),
            None => "nobody knows in which time zone the number is".to_owned(),
        }
    }
}
