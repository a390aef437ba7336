//! What holds for texts to a number, for the operator: where its clocks are, in which hours texts may reach
//! it and who says so, whether its owner agreed to them, and whether they want any.

use serde::Serialize;

use super::room::Operate;
use crate::clock::Timestamp;
use crate::engine::arguments::number as number_of;
use crate::engine::caller::Caller;
use crate::error::Result;
use crate::ledger::E164;
pub use crate::policy::quiet::Mode;
use crate::policy::quiet::{Opening, Row};
use crate::sms::consent::{Latest, missing};
use crate::sms::purpose::Purpose;
use crate::sms::zones::{Subdivision, Zone};

/// What holds for texts of a purpose to a number at this moment.
#[derive(Clone, Debug, Serialize)]
pub struct Ruled {
    /// The number, in E.164.
    pub to: String,
    /// Its country, where it has one.
    pub country: Option<String>,
    /// The state or province of its area code.
    pub subdivision: Option<String>,
    /// For texts of this purpose.
    pub purpose: Purpose,
    /// What becomes of one outside the hours: hold, refuse, or off.
    pub outside: Mode,
    /// Where its owner may be.
    pub zones: Vec<Clock>,
    /// How that was found.
    pub zones_found: String,
    /// The rows that hold at once.
    pub rows: Vec<RuledRow>,
    /// Whether all of them let a text through now.
    pub open: bool,
    /// The first moment from now on at which they do; none where there is none.
    pub opens_at: Option<String>,
    /// When that ends.
    pub closes_at: Option<String>,
    /// When this person wrote last, where that was within a day: an answer within four hours leaves at any
    /// hour.
    pub wrote_at: Option<String>,
    /// Whether texts of this purpose need a consent here.
    pub consent_required: bool,
    /// The latest that is on record of this person's consent to them; nothing where nothing is.
    pub consent: Option<RuledConsent>,
    /// Whether this person wants no more texts.
    pub opted_out: bool,
    /// Whether somebody asked for no more texts who may be this person.
    pub opt_out_pending: bool,
    /// Whether a reply that may be theirs seems to ask for no more, and nobody has read it yet: marketing waits.
    pub objection_pending: bool,
}

/// A zone, and what its clocks show.
#[derive(Clone, Debug, Serialize)]
pub struct Clock {
    /// Its name in the tz database.
    pub zone: String,
    /// What its clocks show now.
    pub now: String,
}

impl Clock {
    /// A zone, with what its clocks show at this moment.
    pub(super) fn of(zone: &Zone, now: Timestamp) -> Self {
        Self { zone: zone.name().to_owned(), now: zone.shown(now.as_millis()) }
    }
}

/// What is on record of a consent.
#[derive(Clone, Debug, Serialize)]
pub struct RuledConsent {
    /// Whether it holds now: it was given, and has not expired.
    pub holds: bool,
    /// given or withdrawn.
    pub status: &'static str,
    /// When.
    pub at: String,
    /// From when on it does not count any more.
    pub expires_at: Option<String>,
}

impl RuledConsent {
    fn of(latest: &Latest, now: Timestamp) -> Self {
        Self {
            holds: missing(Some(latest), now.as_millis()).is_none(),
            status: if latest.is_given { "given" } else { "withdrawn" },
            at: Timestamp(latest.at_ms).rfc3339(),
            expires_at: latest.expires_ms.map(|at_ms| Timestamp(at_ms).rfc3339()),
        }
    }
}

/// A row, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct RuledRow {
    /// A country, a subdivision, or "*".
    #[serde(rename = "where")]
    pub place: String,
    /// When texts may leave.
    pub hours: String,
    /// Who says so.
    pub source: String,
    /// When that was looked up; nothing where the operator says it.
    pub gathered: Option<&'static str>,
    /// high, medium, low, or operator.
    pub confidence: &'static str,
}

impl From<&Row> for RuledRow {
    fn from(row: &Row) -> Self {
        Self {
            place: row.place.to_string(),
            hours: row.hours.to_string(),
            source: row.source.clone(),
            gathered: row.gathered,
            confidence: row.confidence.as_str(),
        }
    }
}

impl Operate {
    /// What holds for texts of this purpose to this number.
    ///
    /// # Errors
    /// [`InvalidNumber`](crate::error::ErrorKind::InvalidNumber) or
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn rules(&self, caller: &Caller, to: &str, purpose: Purpose) -> Result<Ruled> {
        let to = number_of(to, self.default_region)?;
        caller.looked("rules show");
        let now = self.life.now();
        let said = self.ledger.said(E164(to.e164()), now).await?;
        let consent = self.ledger.latest_consent(E164(to.e164()), purpose).await?;
        let quiet = self.policy.quiet();
        let applying = quiet.of(&to, purpose);
        let hours: Option<Opening> = applying.opens(now.as_millis());
        let moment = |at_ms: i64| Timestamp(at_ms).rfc3339();
        Ok(Ruled {
            country: to.region().map(|region| region.to_string()),
            subdivision: Subdivision::of(&to).map(|part| part.to_string()),
            purpose,
            outside: quiet.mode(purpose),
            zones: applying.placed.zones.iter().map(|zone| Clock::of(zone, now)).collect(),
            zones_found: applying.placed.found.to_string(),
            rows: applying.rows.iter().map(|row| RuledRow::from(*row)).collect(),
            open: hours.is_some_and(|hours| hours.at_ms == now.as_millis()),
            opens_at: hours.map(|hours| moment(hours.at_ms)),
            closes_at: hours.and_then(|hours| hours.until_ms).map(moment),
            wrote_at: said.wrote_ago_ms.map(|ago_ms| now.plus_ms(-ago_ms).rfc3339()),
            consent_required: self.policy.consent().required_for.contains(&purpose),
            consent: consent.map(|latest| RuledConsent::of(&latest, now)),
            opted_out: said.is_opted_out,
            opt_out_pending: said.is_stop_pending,
            objection_pending: said.is_objection_pending,
            to: to.e164().to_owned(),
        })
    }
}
