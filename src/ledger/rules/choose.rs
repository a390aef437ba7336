//! Which messages of an intent are taken: each is decided on by the facts of its recipient and by what those
//! before it would hold.

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::ledger::model::{Decide, Draft};
use crate::sms::facts::{Earlier, Facts};
use crate::sms::message::State;
use crate::sms::verdict::Verdict;

/// A draft that is taken.
#[derive(Debug)]
pub struct Taken<'a> {
    /// What was asked for.
    pub draft: &'a Draft,
    /// When it may leave.
    pub verdict: Verdict,
}

impl Taken<'_> {
    /// Whether it may leave now.
    pub fn is_now(&self) -> bool {
        self.verdict == Verdict::Now
    }

    /// The state that it enters, where what may leave now enters `now`; its time, and why it has one.
    pub fn enters(&self, now: State) -> (State, Option<Timestamp>, Option<&str>) {
        match &self.verdict {
            Verdict::Now => (now, None, None),
            Verdict::At { at_ms, why } => (State::Scheduled, Some(Timestamp(*at_ms)), Some(why)),
            Verdict::Ask { why } => (State::Proposed, None, Some(why)),
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
}

impl Chosen<'_> {
    /// Whether nothing is to be recorded.
    pub fn is_none(&self, all_or_none: bool) -> bool {
        self.taken.is_empty() || (all_or_none && !self.refused.is_empty())
    }
}

/// Decides on each draft; `look_up` puts what is known about its recipient among the facts. The inner error
/// is the refusal of all: a budget that is spent is spent for all that follow too.
pub fn choose<'a, Trouble>(
    drafts: &'a [Draft],
    mut facts: Facts,
    decide: &Decide,
    mut look_up: impl FnMut(&Draft, &mut Facts) -> Result<(), Trouble>,
) -> Result<Result<Chosen<'a>, Error>, Trouble> {
    let mut chosen = Chosen::default();
    for (index, draft) in drafts.iter().enumerate() {
        look_up(draft, &mut facts)?;
        match decide(index, &facts) {
            Ok(verdict) => {
                facts.before_micros = facts.before_micros.saturating_add(draft.hold_micros);
                facts.before_messages += 1;
                chosen.doubts.extend(facts.other_in_doubt.take().map(|earlier| (index, earlier)));
                if verdict != Verdict::Now {
                    chosen.waiting.push((index, verdict.clone()));
                }
                chosen.taken.push(Taken { draft, verdict });
            }
            Err(error) if matches!(error.kind(), ErrorKind::BudgetExceeded | ErrorKind::BudgetFrozen) => {
                return Ok(Err(error));
            }
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
        };
        (0..).zip(holds.iter().copied()).map(draft).collect()
    }

    fn chosen(
        holds: &[i64],
        decide: impl Fn(usize, &Facts) -> crate::error::Result<Verdict> + Send + Sync + 'static,
    ) -> Result<(usize, Vec<usize>), ErrorKind> {
        let (drafts, decide): (_, Decide) = (drafts(holds), Arc::new(decide));
        let chosen = choose(&drafts, Facts::default(), &decide, |_, _| Ok::<(), ()>(()))
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
            taken: drafts.iter().map(|draft| Taken { draft, verdict: Verdict::Now }).collect(),
            refused: vec![(1, error())],
            ..Chosen::default()
        };
        assert!(some.is_none(true) && !some.is_none(false) && Chosen::default().is_none(false));
    }
}
