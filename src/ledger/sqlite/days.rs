//! The budgets that the messages of one intent are held in: each in the path of the day on which it is planned
//! to leave. All days share the path but for the row of the day itself.

use std::collections::BTreeMap;

use super::budget::Row;
use super::group::Group;
use super::job::JobResult;
use super::mark::Mark;
use crate::ledger::Payer;
use crate::ledger::rules::choose::{Sum, Taken};
use crate::ledger::rules::path::{Part, day_part};
use crate::sms::facts::{Budget, Scope};
use crate::sms::peer::Peer;

/// The path of today, and the rows of the other days. See the module's text.
pub(super) struct Path {
    day: String,
    today: Vec<Row>,
    others: BTreeMap<String, Row>,
}

impl Path {
    /// The path of today, which is this day.
    pub(super) fn of(day: String, today: Vec<Row>) -> Self {
        Self { day, today, others: BTreeMap::new() }
    }

    /// Today's budgets.
    pub(super) fn budgets(&self) -> Vec<Budget> {
        self.today.iter().map(|row| row.budget.clone()).collect()
    }

    /// The name of today.
    pub(super) fn day(&self) -> &str {
        &self.day
    }

    /// The budgets of the path of a day, whose row is looked for where it is not known yet.
    pub(super) fn on(
        &mut self,
        day: &str,
        (payer, peers): (&Payer, &[Peer]),
        look: impl FnOnce(Vec<Part>) -> JobResult<Vec<Row>>,
    ) -> JobResult<Vec<Budget>> {
        if self.day == day {
            return Ok(self.budgets());
        }
        if !self.others.contains_key(day) {
            let found = look(vec![day_part(payer, day, peers)])?;
            self.others.extend(found.into_iter().map(|row| (day.to_owned(), row)));
        }
        let other = self.others.get(day);
        let of = |row: &Row| {
            let other = other.filter(|_| row.budget.scope == Scope::Day);
            other.map_or_else(|| row.budget.clone(), |other| other.budget.clone())
        };
        Ok(self.today.iter().map(of).collect())
    }

    /// Holds the money of what was decided on, each in the path of its day.
    pub(super) fn hold(&mut self, group: &mut Group<'_>, taken: &[Taken<'_>]) -> JobResult<Ids> {
        let (mut all, mut days) = (Sum::default(), BTreeMap::<Option<&str>, Sum>::new());
        for taken in taken {
            all.add(taken.draft.hold_micros);
            days.entry(taken.day.as_deref()).or_default().add(taken.draft.hold_micros);
        }
        for row in &mut self.today {
            let sum = if row.budget.scope == Scope::Day { days.get(&None).copied() } else { Some(all) };
            if let Some(Sum { micros, messages }) = sum.filter(|sum| sum.messages > 0) {
                group.hold(row, micros, messages)?;
            }
        }
        for (day, sum) in days {
            if let Some(row) = day.and_then(|day| self.others.get_mut(day)) {
                group.hold(row, sum.micros, sum.messages)?;
            }
        }
        let ids = |other: Option<&Row>| {
            let id = |row: &Row| match other {
                Some(other) if row.budget.scope == Scope::Day => other.id.to_string(),
                _ => row.id.to_string(),
            };
            self.today.iter().map(id).collect::<Vec<_>>().join(",")
        };
        let others = self.others.iter().map(|(day, row)| (day.clone(), ids(Some(row)))).collect();
        Ok(Ids { today: ids(None), others })
    }

    /// Has the mark know of what is held in them.
    pub(super) fn cover(&self, mark: &Mark, each_micros: i64) {
        let used = self.today.iter().filter(|row| row.id != 0).chain(self.others.values());
        used.for_each(|row| mark.cover(&row.budget, each_micros));
    }
}

/// The ids of the budgets that hold the money of messages, by their days.
pub(super) struct Ids {
    today: String,
    others: BTreeMap<String, String>,
}

impl Ids {
    /// Of a message of this day, or of today, with commas.
    pub(super) fn on(&self, day: Option<&str>) -> &str {
        day.and_then(|day| self.others.get(day)).unwrap_or(&self.today)
    }
}
