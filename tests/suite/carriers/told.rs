//! What carriers tell again, over SMPP and over CMPP: which text it is, and when it was told first.

use std::sync::Arc;

use sms_mcp::provider::Provider;
use sms_mcp::provider::exchange::{Event, Notice, Reply};
use tokio::sync::mpsc::Receiver;

use super::{build_smpp, cmpp_config, smpp_config};
use crate::carrier::ismg::SECRET;
use crate::carrier::peer::Peer;
use crate::carrier::smsc::{Joined, from_person};

const PERSON: &str = "13800138000";

/// The next text of a person.
async fn next(notices: &mut Receiver<Notice>) -> (Notice, Reply) {
    let notice = super::next(notices).await;
    let Event::Reply(reply) = notice.event.clone() else { panic!("{notice:?}") };
    (notice, reply)
}

/// A START that cannot be taken, then a STOP; and the same word twice.
async fn told_again(provider: Arc<dyn Provider>, hear: impl Fn(&str), until_thanked: impl Fn()) {
    let mut notices = provider.notices().unwrap();
    provider.check().await.unwrap();
    hear("START");
    let (refused, start) = next(&mut notices).await;
    assert!(!start.is_again);
    hear("STOP");
    // It is told again as soon as it is refused, so the STOP is taken before that.
    let (stopped, stop) = next(&mut notices).await;
    stopped.recorded(true);
    refused.recorded(false);
    let (taken, again) = next(&mut notices).await;
    taken.recorded(true);
    assert_eq!((start.text.as_str(), stop.text.as_str(), again.text.as_str()), ("START", "STOP", "START"));
    assert_eq!(
        (again.vendor_id.as_str(), again.at, again.is_again),
        (start.vendor_id.as_str(), start.at, true)
    );
    assert!(again.at <= stop.at && !stop.is_again && stop.content != start.content);
    until_thanked();
    hear("Y");
    let (first, one) = next(&mut notices).await;
    first.recorded(true);
    until_thanked();
    hear("Y");
    let (second, other) = next(&mut notices).await;
    second.recorded(true);
    assert!(!other.is_again && other.vendor_id != one.vendor_id, "an answer to a second question");
    until_thanked();
    // What nobody takes any more is known to be told again.
    hear("STOP");
    let (left, last) = next(&mut notices).await;
    drop(notices);
    drop(left);
    provider.close().await;
    assert!(
        provider
            .unacknowledged()
            .iter()
            .any(|text| Some(&text.content) == last.content.as_ref() && text.first == last.at)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_was_refused_over_smpp_is_as_old_as_it_was_at_first_and_the_same_word_is_another_text() {
    let peer = Peer::smsc();
    let hear = |text: &str| peer.tell(from_person(PERSON, "36179", text, 1, 70, Joined::Payload).remove(0));
    told_again(build_smpp(&smpp_config(&peer)), hear, || {
        peer.until("everything is thanked for", |peer| peer.untold() == 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_was_refused_over_cmpp_is_as_old_as_it_was_at_first_and_the_same_word_is_another_text() {
    let peer = Peer::ismg();
    let hear = |text: &str| peer.hear_from(PERSON, text, 0);
    let provider = super::build(&cmpp_config(&peer), "secret", SECRET);
    told_again(provider, hear, || peer.until("everything is thanked for", |peer| peer.untold() == 0)).await;
}
