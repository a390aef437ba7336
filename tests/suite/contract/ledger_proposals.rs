//! What waits for a person: one decision for each call, taken once, by which all of it goes on.

use std::sync::Arc;

use sms_mcp::clock::Timestamp;
use sms_mcp::error::ErrorKind;
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::proposals::{Decided, Deciding, Proposal, SWEPT_AT_ONCE, Taken};
use sms_mcp::ledger::{Act, Decide, Draft, Intent, Ledger, Many, Payer, Reservation};
use sms_mcp::sms::facts::{Facts, Limits, Looks, Scope, Sum};
use sms_mcp::sms::message::{BatchId, State};
use sms_mcp::sms::schedule::Schedule;
use sms_mcp::sms::verdict::Verdict;

use super::ledger::{
    Backend, HOLD, NOW, budget, by_budget, draft, intent, on_every_backend, payer, queued, state_of,
};

const HOUR_MS: i64 = 3_600_000;

fn ask() -> Verdict {
    Verdict::Ask { schedule: Schedule::default(), why: "it is dear".into() }
}

/// The n-th of them asks a person, the others leave now.
fn asks_for(asked: usize) -> Decide {
    let fits = by_budget();
    Arc::new(move |index, facts| {
        fits(index, facts).map(|_| if index == asked { ask() } else { Verdict::Now })
    })
}

fn act(who: &str, at: Timestamp, approver: Option<&str>) -> Act {
    Act {
        at,
        who: who.into(),
        verb: "approvals".into(),
        subject: "x".into(),
        approver: approver.map(str::to_owned),
    }
}

async fn only(store: &dyn Ledger) -> Proposal {
    let mut found = store.proposals(NOW, 9).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

async fn yes(store: &dyn Ledger, proposal: &Proposal, digest: [u8; 32], at: Timestamp) -> Taken {
    let act = act("user:op", at, Some("ann"));
    store.decide(Deciding { id: proposal.id.clone(), yes: Some(digest), why: None, act }).await.unwrap()
}

async fn no(store: &dyn Ledger, proposal: &Proposal, at: Timestamp) -> Taken {
    let (id, why) = (proposal.id.clone(), Some("too many".to_owned()));
    store.decide(Deciding { id, yes: None, why, act: act("user:op", at, None) }).await.unwrap()
}

async fn swept(store: &dyn Ledger, at: Timestamp) -> usize {
    let mut count = 0;
    loop {
        match store.sweep_proposals(at).await.unwrap().len() {
            0 => return count,
            more => count += more,
        }
    }
}

async fn held(store: &dyn Ledger) -> i64 {
    budget(store, Scope::Session).await.held_micros
}

#[expect(clippy::cognitive_complexity, reason = "one story, step by step")]
async fn a_yes_is_taken_once_to_what_was_looked_at_and_all_of_it_goes_on(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        store.reserve(queued(1, 3), asks_for(1)).await.unwrap();
        let proposal = only(&*store).await;
        assert_eq!((proposal.messages, proposal.waiting, proposal.held_micros), (3, 3, 3 * HOLD));
        assert_eq!((proposal.principal.as_str(), proposal.reasons.as_str()), ("alice", "it is dear"));
        let digest = store.digest_of(&proposal.id).await.unwrap().unwrap();
        assert_eq!(yes(&*store, &proposal, [7; 32], NOW).await, Taken::Another);
        for n in 1..=3 {
            assert_eq!(state_of(&*store, &draft(n).id).await, State::Proposed, "{n}");
        }
        // One of them wants no more texts meanwhile: a yes to three is one to two of them.
        store.opt_out(&draft(2).to, true, "reply", NOW).await.unwrap();
        assert_eq!(store.digest_of(&proposal.id).await.unwrap(), Some(digest));
        assert_eq!(yes(&*store, &proposal, digest, NOW).await, Taken::Done);
        assert_eq!(yes(&*store, &proposal, digest, NOW).await, Taken::Before(Decided::Approved));
        assert_eq!(no(&*store, &proposal, NOW).await, Taken::Before(Decided::Approved));
        assert_eq!(swept(&*store, NOW).await, 2);
        for (n, state) in [(1, State::Scheduled), (2, State::Rejected), (3, State::Scheduled)] {
            assert_eq!(state_of(&*store, &draft(n).id).await, state, "{n}");
        }
        let decided = store.proposal(proposal.id.as_str()).await.unwrap().unwrap().decision.unwrap();
        assert_eq!((decided.by.as_deref(), decided.approver.as_deref()), (Some("user:op"), Some("ann")));
        assert!(store.proposals(NOW, 9).await.unwrap().is_empty());
        assert_eq!(store.acts(9).await.unwrap()[0].approver.as_deref(), Some("ann"));
        assert_eq!(held(&*store).await, 2 * HOLD);
    }
}

#[expect(clippy::cognitive_complexity, reason = "one story, step by step")]
async fn a_no_and_no_answer_give_the_money_back(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        store.reserve(intent(vec![draft(1)]), asks_for(0)).await.unwrap();
        let proposal = only(&*store).await;
        let by_message = store.proposal(draft(1).id.as_str()).await.unwrap().unwrap();
        assert_eq!((&by_message.id, by_message.target.as_str()), (&proposal.id, draft(1).id.as_str()));
        assert_eq!(no(&*store, &proposal, NOW).await, Taken::Done);
        assert_eq!(swept(&*store, NOW).await, 1);
        let record = store.message("alice", &draft(1).id).await.unwrap().unwrap();
        assert_eq!((record.state, record.code), (State::Rejected, Some(ErrorKind::ApprovalRefused)));
        assert_eq!(record.why.as_deref(), Some("too many"));
        store.reserve(intent(vec![draft(2)]), asks_for(0)).await.unwrap();
        let late = NOW.plus_ms(24 * HOUR_MS);
        let second = only(&*store).await;
        let digest = store.digest_of(&second.id).await.unwrap().unwrap();
        assert_eq!(store.expire_proposals(late.plus_ms(-1)).await.unwrap(), 0);
        assert_eq!(yes(&*store, &second, digest, late).await, Taken::Over, "its time is over");
        assert_eq!(store.expire_proposals(late).await.unwrap(), 1);
        assert_eq!(yes(&*store, &second, digest, NOW).await, Taken::Before(Decided::Expired));
        assert_eq!(swept(&*store, late).await, 1);
        let record = store.message("alice", &draft(2).id).await.unwrap().unwrap();
        assert_eq!((record.state, record.code), (State::Expired, Some(ErrorKind::ApprovalExpired)));
        assert_eq!(held(&*store).await, 0);
    }
}

async fn what_was_taken_back_is_decided_on_by_nobody(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        store.reserve(intent(vec![draft(1)]), asks_for(0)).await.unwrap();
        let proposal = only(&*store).await;
        let digest = store.digest_of(&proposal.id).await.unwrap().unwrap();
        assert!(store.take_back("alice", &draft(1).id, NOW).await.unwrap());
        assert_eq!(yes(&*store, &proposal, digest, NOW).await, Taken::Over);
        assert!(store.proposals(NOW, 9).await.unwrap().is_empty());
        assert_eq!((state_of(&*store, &draft(1).id).await, held(&*store).await), (State::Canceled, 0));
    }
}

async fn a_long_bulk_waits_as_one_and_goes_on_some_at_a_time_in_whichever_process(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let wide = Payer { day: Limits::default(), session: Limits::default(), ..payer() };
        let count = 2 * SWEPT_AT_ONCE + 5;
        let one = |n: u32| Draft { to: format!("+33199{n:06}"), ..draft(n) };
        let drafts: Vec<Draft> = (0..count).map(one).collect();
        let bulk = Intent { payer: wide, drafts: Vec::new(), ..queued(1, 0) };
        let make = Arc::new(move |range: std::ops::Range<usize>| Ok(drafts[range].to_vec()));
        let many =
            Many { count: usize::try_from(count).unwrap(), hold_micros: HOLD * i64::from(count), make };
        // The last but one part asks: those before it are decided on already.
        let reserved = store.reserve_many(bulk, many, asks_for(1_500)).await.unwrap();
        let Reservation::Taken { asked, .. } = reserved else { panic!("{reserved:?}") };
        assert_eq!(asked.as_deref(), Some("it is dear"));
        let batch = BatchId::new(NOW.as_millis(), 1);
        let states =
            async |store: &dyn Ledger| store.batch("alice", &batch, 0).await.unwrap().unwrap().states;
        assert_eq!(states(&*store).await, [(State::Proposed, count)]);
        let proposal = only(&*store).await;
        let digest = store.digest_of(&proposal.id).await.unwrap().unwrap();
        assert_eq!(yes(&*store, &proposal, digest, NOW).await, Taken::Done);
        assert_eq!(store.sweep_proposals(NOW).await.unwrap().len(), usize::try_from(SWEPT_AT_ONCE).unwrap());
        store.close().await.unwrap();
        drop(store);
        // Whoever decided died in the middle of it.
        let store = place.open();
        assert_eq!(swept(&*store, NOW).await, usize::try_from(count - SWEPT_AT_ONCE).unwrap());
        assert_eq!(states(&*store).await, [(State::Scheduled, count)]);
    }
}

async fn each_thing_that_a_yes_is_to_makes_another_digest(backend: Backend) {
    for place in backend.places() {
        let mut seen = Vec::new();
        let at = |at_ms: Option<i64>, by_ms: Option<i64>| -> Decide {
            Arc::new(move |_, _| {
                Ok(Verdict::Ask { schedule: Schedule { at_ms, by_ms }, why: "it is dear".into() })
            })
        };
        let marketing = sms_mcp::sms::purpose::Purpose::Marketing;
        let cases = [
            (draft(1), at(None, None)),
            (Draft { to: draft(2).to, ..draft(1) }, at(None, None)),
            (Draft { from: Some("ACME".into()), ..draft(1) }, at(None, None)),
            (Draft { from: Some(String::new()), ..draft(1) }, at(None, None)),
            (Draft { digest: draft(2).digest, ..draft(1) }, at(None, None)),
            (Draft { purpose: marketing, ..draft(1) }, at(None, None)),
            (Draft { hold_micros: HOLD + 1, ..draft(1) }, at(None, None)),
            (Draft { segments: 2, ..draft(1) }, at(None, None)),
            (draft(1), at(Some(NOW.as_millis() + 1), None)),
            (draft(1), at(None, Some(NOW.as_millis() + 1))),
        ];
        for (asked, decide) in cases {
            let store = place.open();
            // The same ids each time, in a ledger of its own.
            let folder = tempfile::tempdir().unwrap();
            drop(store);
            let file = folder.path().join("ledger.db");
            let store = sms_mcp::ledger::sqlite::SqliteLedger::open(&file, NOW, [1; 8]).unwrap();
            let mut one = intent(vec![asked]);
            let fixed = sms_mcp::sms::message::ProposalId::from_text("apv_fixed");
            one.proposal = one
                .proposal
                .map(|proposal| sms_mcp::ledger::proposals::NewProposal { id: fixed.clone(), ..proposal });
            store.reserve(one, decide).await.unwrap();
            let digest = store.digest_of(&fixed).await.unwrap().unwrap();
            assert!(!seen.contains(&digest), "case {}", seen.len());
            seen.push(digest);
        }
    }
}

async fn the_decision_knows_strangers_what_was_sent_lately_and_what_waits(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let seen = Arc::<std::sync::Mutex<Vec<(bool, Sum, Sum)>>>::default();
        let decide = |verdict: Verdict| -> Decide {
            let notes = Arc::clone(&seen);
            Arc::new(move |_, facts: &Facts| {
                notes.lock().unwrap().push((facts.is_first_contact, facts.lately, facts.pending));
                Ok(verdict.clone())
            })
        };
        let looking = |n: u32, at: Timestamp| Intent {
            now: at,
            looks: Looks { first_contact: true, lately: true, approver: false },
            ..intent(vec![Draft { to: draft(n % 2).to, ..draft(n) }])
        };
        store.reserve(looking(2, NOW), decide(Verdict::Now)).await.unwrap();
        store.reserve(looking(4, NOW), decide(ask())).await.unwrap();
        store.reserve(looking(6, NOW), decide(Verdict::Now)).await.unwrap();
        store.reserve(looking(8, NOW.plus_ms(HOUR_MS)), decide(Verdict::Now)).await.unwrap();
        store.reserve(looking(9, NOW.plus_ms(HOUR_MS)), decide(Verdict::Now)).await.unwrap();
        let sum = |messages: i64| Sum { micros: HOLD * messages, messages };
        let expected = [
            (true, sum(0), sum(0)),
            (false, sum(1), sum(0)),
            // What a person is asked about counts for no rule, and waits.
            (false, sum(1), sum(1)),
            (false, sum(0), sum(1)),
            (true, sum(1), sum(1)),
        ];
        assert_eq!(*seen.lock().unwrap(), expected);
    }
}

async fn who_was_only_to_be_texted_is_a_stranger_still(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let realm = sms_mcp::sms::message::Realm::Live;
        store.reserve(intent(vec![draft(1)]), asks_for(0)).await.unwrap();
        store.expire_proposals(NOW.plus_ms(24 * HOUR_MS)).await.unwrap();
        assert_eq!(swept(&*store, NOW.plus_ms(24 * HOUR_MS)).await, 1);
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Expired);
        assert!(!store.has_texted("alice", realm, &draft(1).to).await.unwrap());
        super::ledger::take(&*store, intent(vec![draft(2)])).await;
        assert!(store.has_texted("alice", realm, &draft(2).to).await.unwrap());
        assert!(!store.has_texted("bob", realm, &draft(2).to).await.unwrap(), "by another agent");
    }
}

async fn proposals_of_which_nothing_waits_keep_no_decision_back(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for n in 1..=3 {
            store.reserve(intent(vec![draft(n)]), asks_for(0)).await.unwrap();
            assert!(store.take_back("alice", &draft(n).id, NOW).await.unwrap());
        }
        store.reserve(intent(vec![draft(4)]), asks_for(0)).await.unwrap();
        let late = NOW.plus_ms(24 * HOUR_MS);
        assert_eq!(store.expire_proposals(late).await.unwrap(), 1, "what was taken back is told to nobody");
        assert_eq!(store.sweep_proposals(late).await.unwrap(), [draft(4).id]);
    }
}

on_every_backend![
    a_yes_is_taken_once_to_what_was_looked_at_and_all_of_it_goes_on,
    a_no_and_no_answer_give_the_money_back,
    what_was_taken_back_is_decided_on_by_nobody,
    a_long_bulk_waits_as_one_and_goes_on_some_at_a_time_in_whichever_process,
    each_thing_that_a_yes_is_to_makes_another_digest,
    who_was_only_to_be_texted_is_a_stranger_still,
    proposals_of_which_nothing_waits_keep_no_decision_back,
    the_decision_knows_strangers_what_was_sent_lately_and_what_waits,
];
