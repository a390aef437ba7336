//! What every ledger shows of a message and of a bulk, and to whom.

use sms_mcp::ledger::{BaseSession, Draft, Intent, Payer, ReplyPage, Report};
use sms_mcp::sms::message::{BatchId, Realm, State};

use super::ledger::{Backend, HOLD, NOW, claim, draft, ended, intent, on_every_backend, payer, queued, take};

async fn a_message_is_read_whole_and_by_its_principal_alone(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        store.ping().await.unwrap();
        take(&*store, intent(vec![draft(1)])).await;
        store.settle(&draft(1).id, ended(State::Sent, Some(70))).await.unwrap();
        let delivered = Report {
            provider: "sandbox".into(),
            vendor_id: "v-1".into(),
            to: None,
            state: State::Delivered,
            at: NOW.plus_ms(9),
            why: None,
            price_micros: None,
        };
        store.record_receipt(delivered, NOW.plus_ms(9)).await.unwrap();
        let whole = store.whole("alice", &draft(1).id, ReplyPage::default()).await.unwrap().unwrap();
        let steps: Vec<(State, i64)> =
            whole.history.iter().map(|step| (step.state, step.at.as_millis() - NOW.as_millis())).collect();
        assert_eq!(steps, [(State::Attempting, 0), (State::Sent, 5), (State::Delivered, 9)]);
        assert_eq!((whole.message.state, whole.message.price_micros), (State::Delivered, Some(70)));
        assert!(whole.segments.is_empty() && whole.replies.page.is_empty());
        assert!(store.whole("bob", &draft(1).id, ReplyPage::default()).await.unwrap().is_none());
        assert!(store.segments("bob", &draft(1).id).await.unwrap().is_empty());
    }
}

async fn the_operator_learns_who_there_is_what_waits_and_which_sessions_go_on(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        assert!(store.principals(9).await.unwrap().is_empty());
        let of = |principal: &str, session: &str| Payer {
            principal: principal.into(),
            base: BaseSession::Named(session.into()),
            ..payer()
        };
        take(&*store, Intent { payer: of("bob", "process-b"), ..intent(vec![draft(1)]) }).await;
        take(&*store, Intent { payer: of("alice", "digest"), ..intent(vec![draft(2)]) }).await;
        take(&*store, Intent { payer: of("alice", "digest"), ..queued(3, 3) }).await;
        store.settle(&draft(2).id, ended(State::Unknown, None)).await.unwrap();
        assert_eq!(store.principals(9).await.unwrap(), ["alice", "bob"]);
        assert_eq!(store.principals(1).await.unwrap(), ["alice"]);
        for (provider, realm, waiting) in [
            ("sandbox", Realm::Live, (3, 1)),
            ("sandbox", Realm::Sandbox, (0, 0)),
            ("other", Realm::Live, (0, 0)),
        ] {
            assert_eq!(store.waiting_at(provider, realm).await.unwrap(), waiting, "{provider} {realm:?}");
        }
        // Nobody lives whose session that of `process-b` would be; one that outlives its process stays.
        let (current, ended) = store.current_budgets().await.unwrap();
        let mut names: Vec<String> = current.into_iter().map(|budget| budget.key.to_string()).collect();
        names.retain(|name| name.starts_with("session:"));
        assert_eq!((names, ended), (vec!["session:USD:digest".to_owned()], 1));
        assert_eq!(store.all_budgets().await.unwrap().len(), 5, "two days, two sessions, the total");
    }
}

async fn a_bulk_is_added_up_and_of_a_large_one_only_what_needs_attention_is_listed(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let id = BatchId::new(NOW.as_millis(), 1);
        let drafts = vec![
            draft(1),
            draft(2),
            Draft { is_assumed: true, segments: 3, ..draft(3) },
            Draft { provider: "another".into(), ..draft(4) },
        ];
        take(&*store, Intent { drafts, ..queued(1, 0) }).await;
        store.claim(claim(2)).await.unwrap();
        store.settle(&draft(1).id, ended(State::Sent, Some(70))).await.unwrap();
        store.settle(&draft(2).id, ended(State::Rejected, None)).await.unwrap();
        let bulk = store.batch("alice", &id, 4).await.unwrap().unwrap();
        assert_eq!(bulk.states, [(State::Queued, 2), (State::Sent, 1), (State::Rejected, 1)]);
        assert_eq!((bulk.accepted(), bulk.open(), bulk.segments, bulk.cost_micros), (4, 2, 6, 70 + 2 * HOLD));
        assert_eq!(
            (bulk.providers.join(", ").as_str(), bulk.is_assumed, bulk.realm),
            ("sandbox, another", true, Some(Realm::Live))
        );
        let listed = |bulk: &sms_mcp::ledger::BatchRecord| {
            bulk.listed.iter().map(|one| (one.to.clone(), one.state)).collect::<Vec<_>>()
        };
        let all = [(1, State::Sent), (2, State::Rejected), (3, State::Queued), (4, State::Queued)];
        assert_eq!(listed(&bulk), all.map(|(n, state)| (draft(n).to, state)));
        let bulk = store.batch("alice", &id, 3).await.unwrap().unwrap();
        assert_eq!(listed(&bulk), [(draft(2).to, State::Rejected)], "there are more than that");
        assert!(store.batch("alice", &id, 0).await.unwrap().unwrap().listed.is_empty());
        assert!(store.batch("bob", &id, 4).await.unwrap().is_none());
    }
}

on_every_backend! {
    a_message_is_read_whole_and_by_its_principal_alone,
    the_operator_learns_who_there_is_what_waits_and_which_sessions_go_on,
    a_bulk_is_added_up_and_of_a_large_one_only_what_needs_attention_is_listed,
}
