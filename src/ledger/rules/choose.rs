//! Which messages of an intent are taken: each is decided on by the facts of its recipient and by what those
//! before it would hold.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::ledger::model::{Decide, Draft};
use crate::sms::facts::{Budget, Earlier, Facts, Sum};
use crate::sms::message::State;
use crate::sms::schedule::Schedule;
use crate::sms::verdict::Verdict;

/// A draft that is taken.
#[derive(Debug)]
pub struct Taken<'a> {
    /// What was asked for.
    pub draft: &'a Draft,
    /// When it may leave.
    pub verdict: Verdict,
    /// The UTC day on which it is planned to leave, where that is not today: its budget holds the money.
    pub day: Option<String>,
}

/// What messages hold together, and what of it in which day's budget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// All of them.
    pub all: Sum,
    /// By the UTC day on which they are planned to leave.
    pub days: BTreeMap<String, Sum>,
}

impl Held {
    /// Of this day.
    pub fn on(&self, day: &str) -> Sum {
        self.days.get(day).copied().unwrap_or_default()
    }

    fn add(&mut self, day: &str, hold_micros: i64) {
        self.all.add(hold_micros);
        match self.days.get_mut(day) {
            Some(sum) => sum.add(hold_micros),
            None => {
                self.days.insert(day.to_owned(), Sum { micros: hold_micros, messages: 1 });
            }
        }
    }

    /// Adds what others hold.
    pub fn and(&mut self, more: &Self) {
        self.all = self.all.and(more.all);
        for (day, sum) in &more.days {
            let own = self.days.entry(day.clone()).or_default();
            *own = own.and(*sum);
        }
    }
}

impl Taken<'_> {
    /// Whether it may leave now.
    pub fn is_now(&self) -> bool {
        self.verdict.is_now()
    }

    /// Why a person is asked about it, where one is.
    pub fn asks(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Ask { why, .. } => Some(why),
            Verdict::Now | Verdict::Until { .. } | Verdict::At { .. } => None,
        }
    }

    /// The state that it enters, where what may leave now enters `now`; its time, and why it has one.
    pub fn enters(&self, now: State) -> (State, Option<Timestamp>, Option<&str>) {
        match &self.verdict {
            Verdict::Now | Verdict::Until { .. } => (now, None, None),
            Verdict::At { at_ms, why, .. } => (State::Scheduled, Some(Timestamp(*at_ms)), Some(why)),
            Verdict::Ask { schedule, why } => (State::Proposed, schedule.at_ms.map(Timestamp), Some(why)),
        }
    }
}

/// What was decided.
#[derive(Debug, Default)]
pub struct Chosen<'a> {
    /// Those that are taken.
    pub taken: Vec<Taken<'a>>,
    /// Which are refused, and why.
    pub refused: Vec<(usize, Error)>,
    /// Which of those taken go to a person to whom another text is in doubt.
    pub doubts: Vec<(usize, Earlier)>,
    /// Which of those taken do not leave now.
    pub waiting: Vec<(usize, Verdict)>,
    /// By when those that leave now must have left: the first such moment.
    pub until_ms: Option<i64>,
    /// What those taken hold.
    pub held: Held,
    /// Why a person is asked, where one is. Then all of them wait for that.
    pub asked: Option<String>,
}

impl Chosen<'_> {
    /// Where a person is asked about one of them, or about one before them, all of them wait for that: a yes is
    /// a yes to the whole call.
    pub fn ask_together(&mut self, before: Option<&str>) {
        let own = self.taken.iter().find_map(|taken| taken.asks().map(str::to_owned));
        let Some(why) = before.map(str::to_owned).or(own) else { return };
        for taken in &mut self.taken {
            if !matches!(taken.verdict, Verdict::Ask { .. }) {
                let schedule = Schedule { at_ms: taken.verdict.planned_ms(), by_ms: taken.verdict.by_ms() };
                taken.verdict = Verdict::Ask { schedule, why: why.clone() };
            }
        }
        self.asked = Some(why);
    }

    /// Whether nothing is to be recorded.
    pub fn is_none(&self, all_or_none: bool) -> bool {
        self.taken.is_empty() || (all_or_none && !self.refused.is_empty())
    }
}

/// The day of a decision: today, and what stands before what is decided on.
#[derive(Clone, Debug)]
pub struct Today<'a> {
    /// This UTC day.
    pub day: &'a str,
    /// What the messages before these of the same intent would hold.
    pub before: Held,
}

/// The facts of one draft after the other: with the budgets of the day on which it is planned to leave.
struct Deciding<'a, OnDay> {
    facts: Facts,
    /// Whose budget of the day is among the facts.
    day: String,
    before: Held,
    decide: &'a Decide,
    on_day: OnDay,
}

impl<OnDay> Deciding<'_, OnDay> {
    /// Puts the budgets of this day among the facts.
    fn turn_to<Trouble>(&mut self, day: &str) -> Result<(), Trouble>
    where
        OnDay: FnMut(&str) -> Result<Vec<Budget>, Trouble>,
    {
        if self.day != day {
            self.facts.budgets = (self.on_day)(day)?;
            day.clone_into(&mut self.day);
            self.count_before();
        }
        Ok(())
    }

    fn count_before(&mut self) {
        let (all, on_day) = (self.before.all, self.before.on(&self.day));
        (self.facts.before_micros, self.facts.before_messages) = (all.micros, all.messages);
        (self.facts.before_on_day_micros, self.facts.before_on_day_messages) =
            (on_day.micros, on_day.messages);
    }

    /// Decides by the budgets of the day that the decision itself plans it for.
    fn decide<Trouble>(&mut self, index: usize, today: &str) -> Result<Result<Verdict, Error>, Trouble>
    where
        OnDay: FnMut(&str) -> Result<Vec<Budget>, Trouble>,
    {
        let planned = |verdict: &Verdict| {
            let on = |at_ms| Cow::Owned(Timestamp(at_ms).utc_day());
            verdict.planned_ms().map_or(Cow::Borrowed(today), on)
        };
        let first = (self.decide)(index, &self.facts);
        let day = match &first {
            Ok(verdict) => planned(verdict),
            // By the budget of another day it may fit; when it would leave is told without any.
            Err(error) if is_spent(error) => {
                let without = Facts { budgets: Vec::new(), ..self.facts.clone() };
                (self.decide)(index, &without).as_ref().map_or_else(|_| Cow::Owned(self.day.clone()), planned)
            }
            Err(_) => return Ok(first),
        };
        if day == self.day {
            return Ok(first);
        }
        self.turn_to(&day)?;
        Ok((self.decide)(index, &self.facts))
    }
}

/// Whether a budget has no room.
fn is_spent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::BudgetExceeded | ErrorKind::BudgetFrozen)
}

/// Decides on each draft; `look_up` puts what is known about its recipient among the facts, which begin with
/// today's budgets, and `on_day` tells those of another day. The inner error is the refusal of all: a budget
/// that is spent is spent for all that follow too.
pub fn choose<'a, Trouble>(
    drafts: &'a [Draft],
    Today { day: today, before }: Today<'_>,
    facts: Facts,
    decide: &Decide,
    mut look_up: impl FnMut(&Draft, &mut Facts) -> Result<(), Trouble>,
    on_day: impl FnMut(&str) -> Result<Vec<Budget>, Trouble>,
) -> Result<Result<Chosen<'a>, Error>, Trouble> {
    let mut chosen = Chosen::default();
    let mut deciding = Deciding { facts, day: today.to_owned(), before, decide, on_day };
    for (index, draft) in drafts.iter().enumerate() {
        deciding.count_before();
        look_up(draft, &mut deciding.facts)?;
        match deciding.decide(index, today)? {
            Ok(verdict) => {
                let doubt = deciding.facts.other_in_doubt.take();
                chosen.doubts.extend(doubt.map(|earlier| (index, earlier)));
                if verdict.is_now() {
                    chosen.until_ms = chosen.until_ms.into_iter().chain(verdict.by_ms()).min();
                } else {
                    chosen.waiting.push((index, verdict.clone()));
                }
                let day = deciding.day.as_str();
                deciding.before.add(day, draft.hold_micros);
                chosen.held.add(day, draft.hold_micros);
                let day = (day != today).then(|| day.to_owned());
                chosen.taken.push(Taken { draft, verdict, day });
            }
            Err(error) if is_spent(&error) => return Ok(Err(error)),
            Err(error) => chosen.refused.push((index, error)),
        }
    }
    Ok(Ok(chosen))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sms::message::MessageId;
    use crate::sms::purpose::Purpose;

    fn drafts(holds: &[i64]) -> Vec<Draft> {
        let draft = |(n, hold_micros): (u128, i64)| Draft {
            id: MessageId::new(0, n),
            to: format!("+4474001234{n:02}"),
            from: None,
            text: String::new(),
            digest: [0; 16],
            folded: [0; 16],
            encoding: "GSM-7",
            segments: 1,
            hold_micros,
            is_assumed: false,
            provider: "sandbox".into(),
            rated_requests: 0,
            purpose: Purpose::Transactional,
            schedule: Schedule::default(),
        };
        (0..).zip(holds.iter().copied()).map(draft).collect()
    }

    fn chosen(
        holds: &[i64],
        decide: impl Fn(usize, &Facts) -> crate::error::Result<Verdict> + Send + Sync + 'static,
    ) -> Result<(usize, Vec<usize>), ErrorKind> {
        let (drafts, decide): (_, Decide) = (drafts(holds), Arc::new(decide));
        let today = Today { day: "1970-01-01", before: Held::default() };
        let chosen =
            choose(&drafts, today, Facts::default(), &decide, |_, _| Ok::<(), ()>(()), |_| Ok(Vec::new()))
                .unwrap_or_else(|()| unreachable!());
        chosen
            .map(|chosen| (chosen.taken.len(), chosen.refused.into_iter().map(|(index, _)| index).collect()))
            .map_err(|error| error.kind())
    }

    #[test]
    fn each_is_decided_on_beside_those_before_it_that_were_taken() {
        let within = |index: usize, facts: &Facts| {
            if index == 1 {
                return Err(Error::new(ErrorKind::OptedOut, "no"));
            }
            let expected = [(0, 0), (0, 0), (5, 1)].get(index).copied();
            assert_eq!(Some((facts.before_micros, facts.before_messages)), expected);
            Ok(Verdict::Now)
        };
        assert_eq!(chosen(&[5, 7, 9], within), Ok((2, vec![1])));
    }

    #[test]
    fn a_spent_budget_refuses_all() {
        for kind in [ErrorKind::BudgetExceeded, ErrorKind::BudgetFrozen] {
            let spent = move |index: usize, _: &Facts| {
                if index < 2 { Ok(Verdict::Now) } else { Err(Error::new(kind, "spent")) }
            };
            assert_eq!(chosen(&[1, 1, 1, 1], spent), Err(kind));
        }
    }

    #[test]
    fn one_that_is_refused_refuses_all_where_that_is_asked_for() {
        let error = || Error::new(ErrorKind::OptedOut, "no");
        let drafts = drafts(&[1]);
        let some = Chosen {
            taken: drafts.iter().map(|draft| Taken { draft, verdict: Verdict::Now, day: None }).collect(),
            refused: vec![(1, error())],
            ..Chosen::default()
        };
        assert!(some.is_none(true) && !some.is_none(false) && Chosen::default().is_none(false));
    }
}
