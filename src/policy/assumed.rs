//! What it means that nobody tells a price: how far the budgets go at the one that is assumed, and for which
//! of the allowed destinations `[rates]` has none.

use super::limits::Policy;
use crate::sms::destination::Destination;
use crate::sms::facts::Scope;
use crate::sms::money::{Amount, Money};

/// How far the budgets go where a provider tells no price and `[rates]` has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// What one segment is taken for.
    pub each: Money,
    /// How many texts of one segment a session may send.
    pub session: i64,
    /// How many a principal's day may have.
    pub day: i64,
    /// The allowed destinations without a rate; none where the operator lists no destinations.
    pub missing: Vec<Destination>,
}

impl Policy {
    /// How far the budgets go at the assumed price; nothing where the operator lists destinations and
    /// `[rates]` has a price for each of them.
    pub fn assumed(&self) -> Option<Assumed> {
        let allowed = &self.settings.allow_destinations;
        let is_priced = |destination: &Destination| self.rates.keys().any(|rate| covers(rate, destination));
        let missing: Vec<Destination> =
            allowed.iter().filter(|destination| !is_priced(destination)).cloned().collect();
        if missing.is_empty() && !allowed.is_empty() {
            return None;
        }
        let Amount(micros) = self.settings.price_when_unknown;
        let texts = |scope| {
            let limits = self.limits(scope);
            let by_money = limits.spend_micros.map(|spend| spend.max(0) / micros.max(1));
            by_money.into_iter().chain(limits.messages).min().unwrap_or(i64::MAX)
        };
        Some(Assumed {
            each: Money { micros, currency: self.settings.currency },
            session: texts(Scope::Session),
            day: texts(Scope::Day),
            missing,
        })
    }

    /// Whether `[rates]` has any price.
    pub fn has_rates(&self) -> bool {
        !self.rates.is_empty()
    }
}

/// Whether a rate for this destination is one for every number of the other. In doubt it is not: countries
/// may share a calling code.
fn covers(rate: &Destination, destination: &Destination) -> bool {
    match (rate, destination) {
        (Destination::Country(rate), Destination::Country(country)) => rate == country,
        (Destination::Prefix(rate), Destination::Prefix(prefix)) => prefix.starts_with(rate.as_str()),
        (Destination::Prefix(rate), Destination::Country(country)) => {
            country.calling_code().is_some_and(|code| format!("+{code}").starts_with(rate.as_str()))
        }
        (Destination::Country(country), Destination::Prefix(prefix)) => country
            .calling_code()
            .is_some_and(|code| country.has_its_code_alone() && prefix.starts_with(&format!("+{code}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::super::Settings;
    use super::*;

    fn guard(rates: &[&str], allowed: &[&str]) -> Policy {
        let allow_destinations = allowed.iter().map(|destination| destination.parse().unwrap()).collect();
        let rates = rates
            .iter()
            .map(|destination| (destination.parse().unwrap(), Amount(1)))
            .collect::<BTreeMap<_, _>>();
        Policy::new(Settings { allow_destinations, ..Settings::default() }, rates)
    }

    #[test]
    fn the_defaults_make_ten_texts_a_session_and_forty_a_day_where_nobody_knows_a_price() {
        let assumed = guard(&[], &[]).assumed().unwrap();
        assert_eq!((assumed.each.micros, assumed.session, assumed.day), (500_000, 10, 40));
        let mut settings =
            Settings { price_when_unknown: Amount(1_000), day_messages: 7, ..Settings::default() };
        settings.session_spend = Amount(0);
        let assumed = Policy::new(settings, BTreeMap::new()).assumed().unwrap();
        assert_eq!((assumed.session, assumed.day), (0, 7), "the messages of the day are a limit as well");
    }

    #[test]
    fn a_destination_is_priced_by_a_rate_for_all_of_it_and_in_doubt_it_is_not() {
        let table: [(&[&str], &[&str], &[&str]); 7] = [
            (&["FR", "+44"], &["FR", "GB", "+4477"], &[]),
            (&["+337"], &["FR", "+336", "+3377"], &["FR", "+336"]),
            (&["FR"], &["+337", "DE"], &["DE"]),
            (&["US"], &["US", "+1", "+1202"], &["+1", "+1202"]),
            (&["+1"], &["US", "CA", "+1202"], &[]),
            (&["GB"], &["+4477"], &["+4477"]),
            (&[], &["FR"], &["FR"]),
        ];
        for (rates, allowed, missing) in table {
            let found = guard(rates, allowed)
                .assumed()
                .map(|assumed| assumed.missing.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(found.unwrap_or_default(), missing, "{rates:?} {allowed:?}");
        }
        assert!(guard(&["FR"], &["FR"]).assumed().is_none());
        assert!(
            guard(&["FR"], &[]).assumed().unwrap().missing.is_empty(),
            "every other country may be texted"
        );
    }
}
