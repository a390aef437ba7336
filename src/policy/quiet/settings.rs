//! `[quiet]` of the settings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::calendar::Holiday;
use super::hours::{Hours, Window};
use super::rows::{Confidence, Place, Row};
use crate::setting::word;
use crate::sms::destination::Destination;
use crate::sms::purpose::Purpose;
use crate::sms::zones::Zone;

/// `[quiet]`: when texts may leave, by the clock of who gets them.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Quiet")]
pub struct Settings {
    /// What becomes of marketing outside the hours: hold (it leaves when they begin), refuse, or off (there
    /// are no such hours).
    #[serde(deserialize_with = "word")]
    pub marketing: Mode,
    /// The same for all other texts.
    #[serde(deserialize_with = "word")]
    pub transactional: Mode,
    /// The time zone of a number, of all that begin so, or of a country, where you know better: "+12025550123" =
    /// "America/Denver". The longest match wins.
    #[schemars(with = "BTreeMap<String, String>")]
    pub zones: BTreeMap<Destination, Zone>,
    /// Hours of your own for a country or a state, in place of those that the program knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rule: Vec<Rule>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { marketing: Mode::Hold, transactional: Mode::Off, zones: BTreeMap::new(), rule: Vec::new() }
    }
}

/// What becomes of a text outside the hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It waits until they begin.
    Hold,
    /// It is refused.
    Refuse,
    /// It leaves at any hour.
    Off,
}

/// `[[quiet.rule]]`: the hours of one place.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "QuietRule")]
pub struct Rule {
    /// A country ("FR"), a state of the US or a province of Canada ("US-FL"), or "*" for every country that
    /// the program knows no hours of. A country's stand over those that the program knows of its states.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub place: Option<Place>,
    /// marketing or transactional; both unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// When texts may leave: "mon-fri 09:00-20:00", "daily 10:00-18:00". Days that none names have no hours;
    /// with an empty list nothing leaves at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>")]
    pub windows: Option<Vec<Window>>,
    /// Days without hours: "2027-03-20", "12-25" for every year, "france" for the public holidays there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub holidays: Vec<Holiday>,
}

impl Rule {
    /// The rule as rows, one for each purpose that it is about; none where it says of no place or no hours.
    fn rows(&self) -> impl Iterator<Item = Row> {
        let said = self.place.zip(self.windows.as_ref());
        let purposes =
            Purpose::ALL.into_iter().filter(|purpose| self.purpose.is_none_or(|own| own == *purpose));
        said.into_iter().flat_map(move |(place, windows)| {
            purposes.clone().map(move |purpose| Row {
                place,
                purpose,
                hours: Hours::new(windows, self.holidays.clone()),
                source: format!("[quiet], the rule for {place}"),
                gathered: None,
                confidence: Confidence::Operator,
            })
        })
    }
}

impl Settings {
    /// What becomes of a text of this purpose outside the hours.
    pub fn mode(&self, purpose: Purpose) -> Mode {
        match purpose {
            Purpose::Marketing => self.marketing,
            Purpose::Transactional => self.transactional,
        }
    }

    /// The rules as rows, each for every purpose that it is about.
    pub(super) fn rows(&self) -> Vec<Row> {
        self.rule.iter().flat_map(Rule::rows).collect()
    }

    /// What types cannot say of it.
    ///
    /// # Errors
    /// In words for the operator: which setting, and what would be right.
    pub fn check(&self) -> Result<(), String> {
        for (rule, number) in self.rule.iter().zip(1..) {
            if rule.place.is_none() {
                return Err(format!(
                    "[[quiet.rule]] {number} has no `where`: a country as \"FR\", or \"US-FL\""
                ));
            }
            if rule.windows.is_none() {
                return Err(format!(
                    "[[quiet.rule]] {number} has no `windows`, such as [\"mon-fri 09:00-20:00\"]; with [] nothing \
                     leaves at all"
                ));
            }
        }
        let rows = self.rows();
        for (index, row) in rows.iter().enumerate() {
            let is_same = |other: &Row| (other.place, other.purpose) == (row.place, row.purpose);
            if rows.iter().take(index).any(is_same) {
                return Err(format!(
                    "two [[quiet.rule]] are for {} and {} texts; write all of their windows into one",
                    row.place, row.purpose
                ));
            }
        }
        Ok(())
    }
}
