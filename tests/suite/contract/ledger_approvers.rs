//! What every ledger must keep of approvers: who they are, that a proof works once, and that wrong ones are counted.

use std::sync::Arc;

use sms_mcp::clock::Timestamp;
use sms_mcp::error::ErrorKind;
use sms_mcp::ledger::approvers::{Credential, Judge, Judged, NewApprover, ProofTry, Taken};
use sms_mcp::ledger::{Act, Ledger};

use super::ledger::{Backend, NOW, on_every_backend};

const MINUTE: i64 = 60_000;

fn act(verb: &str, subject: &str, approver: Option<&str>) -> Act {
    Act {
        at: NOW,
        who: "user:operator".into(),
        verb: verb.into(),
        subject: subject.into(),
        approver: approver.map(ToOwned::to_owned),
    }
}

fn new(name: &str, credential: Credential, approved_by: Option<&str>) -> NewApprover {
    NewApprover {
        name: name.into(),
        credential,
        phone: Some("+33199000001".into()),
        act: act("approver add", name, approved_by),
        forward: None,
    }
}

fn key(line: &str) -> Credential {
    Credential::Key(line.into())
}

fn codes() -> Credential {
    Credential::Codes { secret: *b"a secret of 20 octet", used: None }
}

/// What a proof is, whatever it is held against.
fn says(judged: Judged) -> Judge {
    Arc::new(move |_| judged.clone())
}

fn wrong() -> Judge {
    says(Judged::Wrong("no".into()))
}

fn proof(of: &str, judge: Judge, now: Timestamp) -> ProofTry {
    ProofTry { approver: of.into(), judge, nonce: None, now, act: None }
}

async fn with_both(store: &dyn Ledger) {
    store.add_approver(new("alice", key("ssh-ed25519 AAAA"), None)).await.unwrap();
    store.add_approver(new("bob", codes(), Some("alice"))).await.unwrap();
}

async fn approvers_are_kept_in_their_order_without_what_codes_are_made_of(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        assert_eq!(store.approvers(NOW).await.unwrap(), []);
        assert_eq!(store.approval_identity().await.unwrap(), None);
        with_both(&*store).await;
        let identity = store.approval_identity().await.unwrap().expect("it is made with the first one");
        let other = place.open();
        let all = other.approvers(NOW).await.unwrap();
        let names: Vec<_> = all.iter().map(|one| (one.name.as_str(), one.key.as_deref())).collect();
        assert_eq!(names, [("alice", Some("ssh-ed25519 AAAA")), ("bob", None)]);
        let by: Vec<_> = all.iter().map(|one| one.approved_by.as_deref()).collect();
        assert_eq!(by, [None, Some("alice")]);
        assert!(!format!("{all:?} {:?}", new("x", codes(), None)).contains("secret of"));
        assert_eq!(other.approval_identity().await.unwrap(), Some(identity));
        let acts: Vec<_> =
            other.acts(9).await.unwrap().into_iter().map(|act| (act.subject, act.approver)).collect();
        assert_eq!(acts, [("bob".into(), Some("alice".into())), ("alice".into(), None)]);
    }
}

async fn a_name_and_a_key_are_one_approvers_and_only_one_can_be_the_first(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let refused = async |new: NewApprover| store.add_approver(new).await.unwrap_err();
        with_both(&*store).await;
        let before = store.approvers(NOW).await.unwrap();
        assert_eq!(
            refused(new("bob", key("ssh-ed25519 BBBB"), Some("alice"))).await.kind(),
            ErrorKind::InvalidArgument
        );
        let same_key = refused(new("carol", key("ssh-ed25519 AAAA"), Some("alice"))).await;
        assert!(same_key.message().contains("the key of alice"), "{same_key}");
        let late = refused(new("carol", key("ssh-ed25519 CCCC"), None)).await;
        assert_eq!(late.kind(), ErrorKind::NotSupported, "whoever came too late is not the first one");
        assert_eq!(store.approvers(NOW).await.unwrap(), before);
        assert_eq!(store.acts(9).await.unwrap().len(), 2, "what was refused was not done");
    }
}

async fn two_who_become_the_first_approver_at_once_are_one(backend: Backend) {
    for place in backend.places() {
        let (one, other) = (place.open(), place.open());
        let (a, b) = tokio::join!(
            one.add_approver(new("alice", key("ssh-ed25519 AAAA"), None)),
            other.add_approver(new("mallory", key("ssh-ed25519 BBBB"), None)),
        );
        assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
        assert_eq!(one.approvers(NOW).await.unwrap().len(), 1);
    }
}

async fn who_was_removed_proves_nothing_more_and_the_last_one_leaves_none(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        with_both(&*store).await;
        let identity = store.approval_identity().await.unwrap();
        let remove = async |name: &str| {
            store.remove_approver(name, act("approver remove", name, Some("alice")), false).await
        };
        assert_eq!(remove("mallory").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(remove("bob").await.unwrap(), 1);
        let taken = store.take_proof(proof("bob", says(Judged::Right(Some(1))), NOW)).await.unwrap();
        assert_eq!(taken, Taken::Nobody);
        assert_eq!(remove("alice").await.unwrap(), 0);
        assert_eq!(store.approvers(NOW).await.unwrap(), []);
        store.add_approver(new("carol", codes(), None)).await.unwrap();
        assert_eq!(store.approval_identity().await.unwrap(), identity, "nonces of before stay used");
    }
}

/// Judges as codes are judged: what is not later than the last one was used.
fn code_of(step: i64) -> Judge {
    Arc::new(move |credential| match credential {
        Credential::Codes { used, .. } if used.is_none_or(|used| step > used) => Judged::Right(Some(step)),
        _ => Judged::Used,
    })
}

async fn a_code_works_once_whichever_process_is_asked(backend: Backend) {
    for place in backend.places() {
        let (one, other) = (place.open(), place.open());
        with_both(&*one).await;
        for step in 7..27 {
            let (a, b) = tokio::join!(
                one.take_proof(proof("bob", code_of(step), NOW)),
                other.take_proof(proof("bob", code_of(step), NOW)),
            );
            let both = [a.unwrap(), b.unwrap()];
            assert!(both.contains(&Taken::Right) && both.contains(&Taken::Used), "{both:?}");
        }
        let again = place.open();
        assert_eq!(
            again.take_proof(proof("bob", code_of(26), NOW)).await.unwrap(),
            Taken::Used,
            "after a restart"
        );
        assert_eq!(again.take_proof(proof("bob", code_of(27), NOW)).await.unwrap(), Taken::Right);
    }
}

async fn a_signature_works_once_whichever_process_is_asked_and_is_noted_with_its_act(backend: Backend) {
    for place in backend.places() {
        let (one, other) = (place.open(), place.open());
        with_both(&*one).await;
        let signed = |nonce| ProofTry {
            nonce: Some([nonce; 16]),
            act: Some(act("resume", "everything", Some("alice"))),
            ..proof("alice", says(Judged::Right(None)), NOW)
        };
        let (a, b) = tokio::join!(one.take_proof(signed(1)), other.take_proof(signed(1)));
        let both = [a.unwrap(), b.unwrap()];
        assert!(both.contains(&Taken::Right) && both.contains(&Taken::Used), "{both:?}");
        assert_eq!(one.take_proof(signed(2)).await.unwrap(), Taken::Right);
        let resumed = one.acts(9).await.unwrap().into_iter().filter(|act| act.verb == "resume").count();
        assert_eq!(resumed, 2, "one for each that was right");
    }
}

async fn five_wrong_codes_make_a_pause_that_doubles_until_a_right_one(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        with_both(&*store).await;
        let take =
            async |judge: Judge, now: Timestamp| store.take_proof(proof("bob", judge, now)).await.unwrap();
        for left in (1..5).rev() {
            let expected = Taken::Wrong { why: "no".into(), left: Some(left), paused_until: None };
            assert_eq!(take(wrong(), NOW).await, expected);
        }
        let mut now = NOW;
        for minutes in [1, 2, 4, 8] {
            let until = now.plus_ms(minutes * MINUTE);
            let expected = Taken::Wrong { why: "no".into(), left: Some(0), paused_until: Some(until) };
            assert_eq!(take(wrong(), now).await, expected);
            let early = until.plus_ms(-1);
            assert_eq!(take(code_of(1), early).await, Taken::Paused(until), "also the right one");
            assert_eq!(store.approvers(early).await.unwrap()[1].paused_until, Some(until));
            now = until;
        }
        let again = place.open();
        assert_eq!(again.take_proof(proof("bob", code_of(1), now)).await.unwrap(), Taken::Right);
        let bob = again.approvers(now).await.unwrap().remove(1);
        assert_eq!((bob.wrong, bob.paused_until), (0, None));
        assert!(matches!(take(wrong(), now).await, Taken::Wrong { left: Some(4), .. }));
    }
}

async fn wrong_signatures_count_and_keep_nobody_out_who_signs(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        with_both(&*store).await;
        for _ in 0..9 {
            let taken = store.take_proof(proof("alice", wrong(), NOW)).await.unwrap();
            assert_eq!(taken, Taken::Wrong { why: "no".into(), left: None, paused_until: None });
        }
        assert_eq!(store.approvers(NOW).await.unwrap()[0].wrong, 9);
        let signed = ProofTry { nonce: Some([1; 16]), ..proof("alice", says(Judged::Right(None)), NOW) };
        assert_eq!(store.take_proof(signed).await.unwrap(), Taken::Right);
        assert_eq!(store.approvers(NOW).await.unwrap()[0].wrong, 0);
        assert!(matches!(
            store.take_proof(proof("bob", wrong(), NOW)).await.unwrap(),
            Taken::Wrong { left: Some(4), .. }
        ));
    }
}

async fn the_operators_own_system_is_told_who_decides_and_no_secret(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        store
            .add_approver(NewApprover { forward: Some("one-time codes".into()), ..new("bob", codes(), None) })
            .await
            .unwrap();
        store.remove_approver("bob", act("approver remove", "bob", Some("bob")), true).await.unwrap();
        with_both(&*store).await;
        let told = store.claim_forwards(9, NOW, NOW.plus_ms(1)).await.unwrap();
        let bodies: Vec<serde_json::Value> =
            told.iter().map(|event| serde_json::from_str(&event.body).unwrap()).collect();
        let data = |more: serde_json::Value| {
            let mut data = serde_json::json!({ "name": "bob", "by": "user:operator" });
            data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            data
        };
        assert_eq!(bodies.len(), 2, "nothing is told where nobody wants to know");
        assert_eq!(bodies[0]["type"], "approver.added");
        assert_eq!(bodies[0]["data"], data(serde_json::json!({ "proves": "one-time codes" })));
        assert_eq!(bodies[1]["type"], "approver.removed");
        assert_eq!(bodies[1]["data"], data(serde_json::json!({ "approved_by": "bob" })));
        assert_ne!(told[0].id, told[1].id);
    }
}

on_every_backend! {
    approvers_are_kept_in_their_order_without_what_codes_are_made_of,
    a_name_and_a_key_are_one_approvers_and_only_one_can_be_the_first,
    two_who_become_the_first_approver_at_once_are_one,
    who_was_removed_proves_nothing_more_and_the_last_one_leaves_none,
    a_code_works_once_whichever_process_is_asked,
    a_signature_works_once_whichever_process_is_asked_and_is_noted_with_its_act,
    five_wrong_codes_make_a_pause_that_doubles_until_a_right_one,
    wrong_signatures_count_and_keep_nobody_out_who_signs,
    the_operators_own_system_is_told_who_decides_and_no_secret,
}
