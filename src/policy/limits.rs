//! The policy itself: its settings, its rates, and the limits that they make.

use std::collections::BTreeMap;

use super::approval::Approval;
use super::consent::Consent;
use super::marketing::Marketing;
use super::quiet::{self, Quiet};
use super::settings::{Scheduling, Settings};
use super::timing::Timing;
use crate::setting::Span;
use crate::sms::destination::Destination;
use crate::sms::facts::{Limits, Scope};
use crate::sms::money::Amount;
use crate::sms::purpose::Purpose;

/// The policy. See the text of the folder's module.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) settings: Settings,
    pub(super) rates: BTreeMap<Destination, Amount>,
    pub(super) timing: Option<Timing>,
    pub(super) quiet: Quiet,
    pub(super) late: Span,
    pub(super) approval: Approval,
    pub(super) consent: Consent,
    pub(super) marketing: Marketing,
}

/// A limit that `open_session` asks for; it can only be narrower than what contains it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Most money.
    pub max_spend: Option<Amount>,
    /// Most messages.
    pub max_messages: Option<u32>,
}

impl Policy {
    /// A guard with these settings and this rate card (price of one segment).
    pub fn new(settings: Settings, rates: BTreeMap<Destination, Amount>) -> Self {
        let (late, quiet) = (Scheduling::default().late, Quiet::new(quiet::Settings::default()));
        Self {
            settings,
            rates,
            timing: None,
            quiet,
            late,
            approval: Approval::default(),
            consent: Consent::default(),
            marketing: Marketing::default(),
        }
    }

    /// The same, which asks this when what it does not refuse may leave.
    pub fn timed(self, timing: Timing) -> Self {
        Self { timing: Some(timing), ..self }
    }

    /// The same, with these quiet hours.
    #[must_use]
    pub fn quiet_hours(self, settings: quiet::Settings) -> Self {
        Self { quiet: Quiet::new(settings), ..self }
    }

    /// The quiet hours.
    pub fn quiet(&self) -> &Quiet {
        &self.quiet
    }

    /// The same, with these rules for what leaves later.
    #[must_use]
    pub fn scheduling(self, scheduling: Scheduling) -> Self {
        Self { late: scheduling.late, ..self }
    }

    /// How long after its time a text may still leave where nothing else is said.
    pub const fn late(&self) -> Span {
        self.late
    }

    /// The same, which asks a person by these rules.
    #[must_use]
    pub fn asking(self, approval: Approval) -> Self {
        Self { approval, ..self }
    }

    /// The same, with these rules about consent.
    #[must_use]
    pub fn consenting(self, mut consent: Consent) -> Self {
        let needs = |purpose| consent.required_for.contains(&purpose);
        // Or who calls would need none by saying that it is marketing.
        if needs(Purpose::Transactional) && !needs(Purpose::Marketing) {
            consent.required_for.push(Purpose::Marketing);
        }
        Self { consent, ..self }
    }

    /// The rules about consent.
    pub const fn consent(&self) -> &Consent {
        &self.consent
    }

    /// The same, with these rules about marketing.
    #[must_use]
    pub fn marketing(self, marketing: Marketing) -> Self {
        Self { marketing, ..self }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The limits of the parts of the budget path that the operator sets.
    pub fn limits(&self, scope: Scope) -> Limits {
        match scope {
            Scope::Total => {
                Limits { spend_micros: self.settings.total_spend.map(|amount| amount.0), messages: None }
            }
            Scope::Day => Limits {
                spend_micros: Some(self.settings.day_spend.0),
                messages: Some(self.settings.day_messages.into()),
            },
            Scope::Session | Scope::Handle => Limits {
                spend_micros: Some(self.settings.session_spend.0),
                messages: Some(self.settings.session_messages.into()),
            },
        }
    }

    /// The limits of a slice of a session: at most the session's own.
    pub fn slice(&self, slice: Slice) -> Limits {
        let whole = self.limits(Scope::Session);
        let narrower = |mine: Option<i64>, asked: Option<i64>| match (mine, asked) {
            (Some(mine), Some(asked)) => Some(mine.min(asked)),
            (mine, asked) => mine.or(asked),
        };
        Limits {
            spend_micros: narrower(whole.spend_micros, slice.max_spend.map(|amount| amount.0)),
            messages: narrower(whole.messages, slice.max_messages.map(i64::from)),
        }
    }
}
