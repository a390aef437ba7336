//! What people agreed to: the latest word counts, it is asked for where it is needed and at the moment of
//! leaving, and a file is taken in whole or not at all.

use std::sync::{Arc, Mutex};

use sms_mcp::clock::Timestamp;
use sms_mcp::error::{Error, ErrorKind};
use sms_mcp::ledger::consents::{AT_ONCE, ConsentImport, Imported, NewConsent};
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::ledger::upkeep::PrunePlace;
use sms_mcp::ledger::{Act, Claim, Decide, Draft, Due, E164, Intent, Ledger, Recheck};
use sms_mcp::sms::consent::Latest;
use sms_mcp::sms::facts::Scope;
use sms_mcp::sms::message::{Realm, State};
use sms_mcp::sms::peer::{Peer, Rules};
use sms_mcp::sms::purpose::Purpose;
use sms_mcp::sms::verdict::Verdict;

use super::ledger::{
    Backend, HOLD, NOW, budget, claim, draft, intent, on_every_backend, payer, queued, state_of, take,
};

fn at(after_ms: i64) -> Timestamp {
    NOW.plus_ms(after_ms)
}

fn given(n: u32, at: Timestamp) -> NewConsent {
    NewConsent {
        number: draft(n).to,
        purpose: Purpose::Marketing,
        is_given: true,
        source: "form".into(),
        wording: Some("v1".into()),
        at,
        expires: None,
    }
}

fn withdrawn(n: u32, at: Timestamp) -> NewConsent {
    NewConsent { is_given: false, wording: None, ..given(n, at) }
}

fn act() -> Act {
    Act {
        at: at(1_000_000),
        who: "user:op".into(),
        verb: "consent".into(),
        subject: "x".into(),
        approver: Some("ann".into()),
    }
}

async fn record(store: &dyn Ledger, consent: NewConsent) -> bool {
    store.record_consent(consent, act()).await.unwrap()
}

async fn latest(store: &dyn Ledger, n: u32) -> Option<Latest> {
    store.latest_consent(E164(&draft(n).to), Purpose::Marketing).await.unwrap()
}

async fn holds(store: &dyn Ledger, n: u32) -> bool {
    latest(store, n).await.is_some_and(|latest| latest.is_given)
}

fn ad(n: u32) -> Draft {
    Draft { purpose: Purpose::Marketing, ..draft(n) }
}

/// A bulk of so many texts of marketing.
fn ads(first: u32, count: u32) -> Intent {
    Intent { drafts: (first..first + count).map(ad).collect(), ..queued(first, count) }
}

fn asking(limit: u32, now: Timestamp) -> Claim {
    Claim { consent_for: vec![Purpose::Marketing], now, ..claim(limit) }
}

async fn the_latest_word_counts_whenever_it_was_written_down(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        assert_eq!(latest(&*store, 1).await, None);
        assert!(record(&*store, given(1, at(20))).await);
        assert!(!record(&*store, given(1, at(20))).await, "the same record is kept once");
        assert!(record(&*store, withdrawn(1, at(10))).await);
        assert!(holds(&*store, 1).await, "what came late was said before");
        assert!(record(&*store, withdrawn(1, at(20))).await);
        assert!(!holds(&*store, 1).await, "of two of one moment the withdrawal counts");
        assert!(record(&*store, given(1, at(30))).await && holds(&*store, 1).await);
        assert!(!holds(&*store, 2).await);
        let transactional = store.latest_consent(E164(&draft(1).to), Purpose::Transactional).await.unwrap();
        assert_eq!(transactional, None);
    }
}

async fn all_that_was_said_stays_on_record_with_who_wrote_it_down(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for said in [given(1, at(20)), withdrawn(1, at(10)), withdrawn(1, at(20)), given(1, at(30))] {
            assert!(record(&*store, said).await);
        }
        store.close().await.unwrap();
        let store = place.open();
        let all = store.consents_of(E164(&draft(1).to)).await.unwrap();
        let told: Vec<_> = all.iter().map(|one| (one.said.at, one.said.is_given)).collect();
        assert_eq!(told, [(at(30), true), (at(20), false), (at(20), true), (at(10), false)]);
        assert_eq!((all[0].by.as_str(), all[0].approver.as_deref()), ("user:op", Some("ann")));
        assert_eq!(store.consents_after(all[3].id, 9).await.unwrap().len(), 2);
        assert_eq!(store.acts(9).await.unwrap().len(), 4, "each was an act");
    }
}

async fn a_stop_withdraws_what_was_given_before_it_and_its_end_gives_nothing_back(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for n in 1..=3 {
            record(&*store, given(n, at(10))).await;
        }
        store.opt_out(&draft(1).to, true, "reply", at(20)).await.unwrap();
        store.opt_out(&draft(2).to, true, "reply", at(5)).await.unwrap();
        assert_eq!((holds(&*store, 1).await, holds(&*store, 2).await), (false, true), "an older STOP");
        assert!(holds(&*store, 3).await);
        store.opt_out(&draft(1).to, false, "reply", at(30)).await.unwrap();
        assert!(!holds(&*store, 1).await, "a START is no consent");
        record(&*store, given(1, at(19))).await;
        assert!(!holds(&*store, 1).await, "what is written down later, and was said before the STOP");
        let all = store.consents_of(E164(&draft(1).to)).await.unwrap();
        assert_eq!((all[0].said.source.as_str(), all[0].said.at), ("opt-out: reply", at(20)));
        record(&*store, given(1, at(40))).await;
        assert!(holds(&*store, 1).await);
    }
}

async fn a_decision_is_told_of_consent_where_one_is_needed_and_of_nothing_else(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        record(&*store, given(1, at(10))).await;
        let seen: Arc<Mutex<Vec<Option<Latest>>>> = Arc::default();
        let look: Decide = {
            let seen = Arc::clone(&seen);
            Arc::new(move |_, facts| {
                seen.lock().unwrap().push(facts.consent);
                Err(Error::new(ErrorKind::ConsentMissing, "no"))
            })
        };
        let needed = vec![Purpose::Marketing];
        for (n, purpose, consent_for) in [
            (1, Purpose::Marketing, needed.clone()),
            (1, Purpose::Transactional, needed.clone()),
            (2, Purpose::Marketing, needed),
            (1, Purpose::Marketing, Vec::new()),
        ] {
            let asked = Intent { consent_for, ..intent(vec![Draft { purpose, ..draft(n) }]) };
            store.reserve(asked, Arc::clone(&look)).await.unwrap();
        }
        let given = Some(Latest { is_given: true, at_ms: at(10).as_millis(), expires_ms: None });
        assert_eq!(*seen.lock().unwrap(), [given, None, None, None]);
    }
}

async fn what_is_queued_ends_with_its_money_where_consent_is_gone_and_others_leave(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for n in 1..=4 {
            record(&*store, given(n, at(-100))).await;
        }
        record(&*store, NewConsent { expires: Some(at(50)), ..given(3, at(-50)) }).await;
        take(&*store, ads(1, 4)).await;
        take(&*store, Intent { now: at(1), ..queued(5, 1) }).await;
        record(&*store, withdrawn(2, at(5))).await;
        let mut claimed = store.claim(asking(2, at(49))).await.unwrap();
        let mut gone = claimed.ended;
        let mut left: Vec<_> = claimed.messages.into_iter().map(|message| message.id).collect();
        assert_eq!((left.len(), &gone), (2, &vec![draft(2).id]), "those behind it are not kept back by it");
        // One that comes back is asked about again.
        store.unclaim(vec![sms_mcp::ledger::Back { id: draft(3).id, rests_until: None }]).await.unwrap();
        left.retain(|id| *id != draft(3).id);
        claimed = store.claim(asking(9, at(50))).await.unwrap();
        gone.extend(claimed.ended);
        left.extend(claimed.messages.into_iter().map(|message| message.id));
        assert_eq!(gone, [draft(2).id, draft(3).id], "the second has expired");
        assert_eq!(left, [draft(1).id, draft(4).id, draft(5).id], "and what is no marketing needs none");
        for n in [2, 3] {
            let record = store.message("alice", &draft(n).id).await.unwrap().unwrap();
            assert_eq!((record.state, record.code), (State::Rejected, Some(ErrorKind::ConsentMissing)));
        }
        assert_eq!(budget(&*store, Scope::Session).await.held_micros, 3 * HOLD);
        // Where nothing else is there, whoever looks looks again soon.
        take(&*store, Intent { now: at(60), ..ads(8, 1) }).await;
        let claimed = store.claim(asking(9, at(61))).await.unwrap();
        assert_eq!((claimed.messages.len(), claimed.ended.len(), claimed.wait_ms), (0, 1, Some(1)));
        // Where nobody asks for consent, none is needed.
        take(&*store, Intent { now: at(62), ..ads(9, 1) }).await;
        assert_eq!(store.claim(Claim { now: at(63), ..claim(9) }).await.unwrap().messages.len(), 1);
    }
}

fn due(now: Timestamp) -> Due {
    Due {
        now,
        limit: 9,
        max_age_ms: 86_400_000,
        provider: "sandbox".into(),
        realm: Realm::Live,
        without: Vec::new(),
        day: payer().day,
        answers_of: Vec::new(),
        consent_for: Vec::new(),
        most_queued: 9,
    }
}

/// Has its time later.
fn later() -> Decide {
    Arc::new(|_, _| Ok(Verdict::At { at_ms: at(1_000).as_millis(), by_ms: None, why: "it is night".into() }))
}

async fn what_becomes_due_is_asked_about_with_the_consent_of_that_moment(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        record(&*store, given(1, at(-10))).await;
        store.reserve(intent(vec![ad(1)]), later()).await.unwrap();
        record(&*store, withdrawn(1, at(500))).await;
        let due = Due { consent_for: vec![Purpose::Marketing], ..due(at(1_000)) };
        let recheck: Recheck = Arc::new(|_, facts| match facts.consent {
            Some(Latest { is_given: false, .. }) => Err(Error::new(ErrorKind::ConsentMissing, "withdrawn")),
            other => panic!("{other:?}"),
        });
        assert_eq!(store.release_due(due, recheck).await.unwrap().ended, [draft(1).id]);
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Rejected);
        assert_eq!(budget(&*store, Scope::Session).await.held_micros, 0);
    }
}

/// A file of so many records, which fails where that is asked for.
fn file(count: u32, fails_at: Option<u32>) -> ConsentImport {
    let mut next = 0;
    let make = move || {
        let part: Vec<u32> = (next..count).take(AT_ONCE).collect();
        if fails_at.is_some_and(|at| part.contains(&at)) {
            return Err(Error::new(ErrorKind::InvalidArgument, "no"));
        }
        next += u32::try_from(part.len()).unwrap();
        Ok(part.into_iter().map(|n| given(n, at(0))).collect())
    };
    ConsentImport { act: act(), make: Box::new(make) }
}

async fn a_file_is_taken_in_whole_or_not_at_all_and_twice_is_once(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        record(&*store, given(7, at(0))).await;
        let refused = store.import_consents(file(2_500, Some(2_400))).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        assert!(holds(&*store, 7).await && !holds(&*store, 1).await);
        assert_eq!(store.consents_after(0, 9).await.unwrap().len(), 1, "nothing of it is left");
        let taken = store.import_consents(file(2_000, None)).await.unwrap();
        assert_eq!(taken, Imported { new: 1_999, known: 1 });
        assert!(holds(&*store, 0).await && holds(&*store, 1_999).await);
        let again = store.import_consents(file(2_000, None)).await.unwrap();
        assert_eq!(again, Imported { new: 0, known: 2_000 });
        store.close().await.unwrap();
        let store = place.open();
        assert_eq!(store.consents_after(0, 9_999).await.unwrap().len(), 2_000);
    }
}

async fn a_prune_forgets_no_consent(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        record(&*store, given(1, at(0))).await;
        record(&*store, withdrawn(2, at(0))).await;
        let (now, mut place) = (at(900 * 86_400_000), Some(PrunePlace::default()));
        while let Some(from) = place {
            place = store.prune(now, now, from, 100).await.unwrap().next;
        }
        assert!(holds(&*store, 1).await && latest(&*store, 2).await.is_some());
    }
}

/// A consent, or its end, of this number.
async fn says(store: &dyn Ledger, number: &str, is_given: bool, at: Timestamp) {
    let one = NewConsent { number: number.to_owned(), is_given, ..given(1, at) };
    record(store, one).await;
}

async fn agrees(store: &dyn Ledger, number: &str) -> bool {
    let latest = store.latest_consent(E164(number), Purpose::Marketing).await.unwrap();
    latest.is_some_and(|latest| latest.is_given)
}

async fn a_stop_counts_before_any_consent_is_on_record_and_the_last_of_them_as_it_ends(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        store.opt_out(&draft(1).to, true, "reply", at(20)).await.unwrap();
        for again in [30, 40] {
            store.opt_out(&draft(1).to, true, "reply", at(again)).await.unwrap();
        }
        let all = store.consents_of(E164(&draft(1).to)).await.unwrap();
        assert_eq!(all.len(), 2, "one for each purpose: a list that is told every hour is no heap: {all:?}");
        store.opt_out(&draft(1).to, false, "reply", at(50)).await.unwrap();
        says(&*store, &draft(1).to, true, at(35)).await;
        assert!(!holds(&*store, 1).await, "given before the last of them");
        says(&*store, &draft(1).to, true, at(45)).await;
        assert!(holds(&*store, 1).await);
        // A STOP that came late, and ended before it came.
        store.withdraw_all(E164(&draft(2).to), "reply", at(20)).await.unwrap();
        says(&*store, &draft(2).to, true, at(15)).await;
        assert!(!holds(&*store, 2).await && store.opt_outs(9).await.unwrap().is_empty());
        // One while a file is taken in.
        let (stopped, mut parts) = (Arc::clone(&store), vec![Vec::new(), vec![given(3, at(-5)); AT_ONCE]]);
        let make = move || {
            if parts.len() == 1 {
                let number = draft(3).to;
                let stop = stopped.opt_out(&number, true, "reply", at(-1));
                futures::executor::block_on(stop).unwrap();
            }
            Ok(parts.pop().unwrap())
        };
        let taken = store.import_consents(ConsentImport { act: act(), make: Box::new(make) }).await;
        assert_eq!(taken.unwrap().new, 1);
        store.opt_out(&draft(3).to, false, "reply", at(0)).await.unwrap();
        assert!(!holds(&*store, 3).await);
    }
}

async fn of_one_moment_what_expires_first_counts_and_nobody_agreed_later_than_it_is_written_down(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        let until = |after_ms| NewConsent { expires: Some(at(after_ms)), ..given(1, at(-20)) };
        record(&*store, until(900)).await;
        record(&*store, until(500)).await;
        record(&*store, given(1, at(-20))).await;
        assert_eq!(latest(&*store, 1).await.unwrap().expires_ms, Some(at(500).as_millis()));
        // A clock that is ahead, and the STOP of a moment later.
        store.record_consent(given(2, at(60_000)), Act { at: NOW, ..act() }).await.unwrap();
        store.opt_out(&draft(2).to, true, "reply", at(1)).await.unwrap();
        assert!(!holds(&*store, 2).await);
        says(&*store, &draft(3).to, true, at(70_000)).await;
        assert!(holds(&*store, 3).await);
        store.withdraw_from_now(withdrawn(3, at(2)), act()).await.unwrap();
        assert!(!holds(&*store, 3).await, "now is later than whatever is on record");
    }
}

async fn a_withdrawal_reaches_every_number_of_a_phone_and_a_consent_nobody_elses(backend: Backend) {
    for (one, other, is_one_person) in [
        ("+525512345678", "+5215512345678", true),
        ("+541123456789", "+5491123456789", true),
        ("+551187654321", "+5511987654321", true),
        ("+551134567890", "+5511934567890", false),
    ] {
        for (agreed, texted) in [(one, other), (other, one)] {
            for place in backend.places() {
                let store = place.open();
                store.withdraw_all(E164(texted), "reply", at(1)).await.unwrap();
                says(&*store, agreed, true, at(10)).await;
                assert!(agrees(&*store, agreed).await, "{agreed}");
                assert_eq!(agrees(&*store, texted).await, is_one_person, "{agreed} for {texted}");
                says(&*store, texted, true, at(15)).await;
                assert!(agrees(&*store, texted).await, "{texted}");
                says(&*store, agreed, false, at(20)).await;
                assert!(!agrees(&*store, texted).await, "{agreed} takes it back for {texted}");
            }
        }
    }
}

on_every_backend!(
    the_latest_word_counts_whenever_it_was_written_down,
    all_that_was_said_stays_on_record_with_who_wrote_it_down,
    a_stop_withdraws_what_was_given_before_it_and_its_end_gives_nothing_back,
    a_stop_counts_before_any_consent_is_on_record_and_the_last_of_them_as_it_ends,
    of_one_moment_what_expires_first_counts_and_nobody_agreed_later_than_it_is_written_down,
    a_withdrawal_reaches_every_number_of_a_phone_and_a_consent_nobody_elses,
    a_decision_is_told_of_consent_where_one_is_needed_and_of_nothing_else,
    what_is_queued_ends_with_its_money_where_consent_is_gone_and_others_leave,
    what_becomes_due_is_asked_about_with_the_consent_of_that_moment,
    a_file_is_taken_in_whole_or_not_at_all_and_twice_is_once,
    a_prune_forgets_no_consent,
);

#[tokio::test]
async fn what_another_process_alone_asks_consent_for_waits_for_as_long_as_that_one_lives() {
    let folder = tempfile::tempdir().unwrap();
    let open = |n: u8| SqliteLedger::open(&folder.path().join("ledger.db"), NOW, [n; 8]).unwrap();
    let (own, strict) = (open(1), open(2));
    let (store, other): (&dyn Ledger, &dyn Ledger) = (&own, &strict);
    take(store, ads(1, 2)).await;
    store.reserve(intent(vec![ad(3)]), later()).await.unwrap();
    record(store, given(2, at(-5))).await;
    let peer = Peer {
        surface: "send".into(),
        process: 4711,
        settings: None,
        overrides: Vec::new(),
        since_ms: 0,
        session: None,
        currency: "USD".into(),
        live: true,
        sandbox: false,
        rules: Rules { consent_for: vec![Purpose::Marketing], ..Rules::default() },
    };
    strict.join(peer).await.unwrap();
    let claimed = store.claim(Claim { now: at(1), ..claim(9) }).await.unwrap();
    let left: Vec<_> = claimed.messages.into_iter().map(|message| message.id).collect();
    assert_eq!((left, claimed.ended), (vec![draft(2).id], Vec::new()));
    let recheck: Recheck = Arc::new(|_, _| Ok(Verdict::Now));
    let released = store.release_due(due(at(1_000)), Arc::clone(&recheck)).await.unwrap();
    assert!(released.queued.is_empty() && released.ended.is_empty(), "{released:?}");
    other.close().await.unwrap();
    let claimed = store.claim(Claim { now: at(1_001), ..claim(9) }).await.unwrap();
    assert_eq!(claimed.messages.len(), 1, "it has gone");
    assert_eq!(store.release_due(due(at(1_002)), recheck).await.unwrap().queued, [draft(3).id]);
}
