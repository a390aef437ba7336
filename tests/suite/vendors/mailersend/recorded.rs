//! Answers as MailerSend's documentation and its own clients' tests have them, word for word.

use serde_json::Value;
use sms_mcp::clock::Timestamp;
use sms_mcp::provider::mailersend::answers::{Reading, WORDS, has_next, page, receipts};
use sms_mcp::provider::rest::wording::Wording;
use sms_mcp::sms::message::State;
use sms_mcp::sms::money::Currency;

const ID: &str = "62134a2d7de3253bf10d6642";

fn reading() -> Reading {
    Reading { wording: Wording::new(&WORDS, &[]), currency: Currency::USD }
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_message_with_its_text_and_its_steps() {
    let message = read(
        r#"{
            "id": "62134a2d7de3253bf10d6642", "from": "+18332647501", "to": ["+16203221059"], "text": "Hi {{name}}", "paused": false,
            "created_at": "2022-02-21T08:15:42.508000Z",
            "sms": [{
                "id": "62134a2e7de3253bf10d6643", "from": "+18332647501", "to": "+16203221059", "text": "Hi {{name}}", "compiled_text": "Hi Ann",
                "status": "delivered", "segment_count": 1, "error_type": null, "error_description": null, "created_at": "2022-02-21T08:15:42.579000Z"
            }],
            "sms_activity": [
                {"from": "+18332647501", "to": "+16203221059", "created_at": "2022-02-21T08:15:46.627000Z", "status": "delivered", "sms_message_id": "62134a2d7de3253bf10d6642"},
                {"from": "+18332647501", "to": "+16203221059", "created_at": "2022-02-21T08:15:42.508000Z", "status": "processed", "sms_message_id": "62134a2d7de3253bf10d6642"},
                {"from": "+18332647501", "to": "+16203221059", "created_at": "2022-02-21T08:15:42.579000Z", "status": "queued", "sms_message_id": "62134a2d7de3253bf10d6642"},
                {"from": "+18332647501", "to": "+16203221059", "created_at": "2022-02-21T08:15:43.624000Z", "status": "sent", "sms_message_id": "62134a2d7de3253bf10d6642"}
            ]
        }"#,
    );
    let receipts = receipts(&message, ID, &reading(), Timestamp(0));
    assert_eq!(receipts.len(), 1);
    assert_eq!(
        (receipts[0].state, receipts[0].at.rfc3339()),
        (State::Delivered, "2022-02-21T08:15:46.627Z".to_owned())
    );
    let listed = page(&serde_json::json!({ "data": [message] }), 1, &reading());
    assert_eq!(
        (listed.messages[0].text.as_deref(), listed.messages[0].state),
        (Some("Hi Ann"), State::Delivered)
    );
}

#[test]
fn a_message_whose_text_is_no_list_and_whose_times_have_no_zone() {
    let message = read(
        r#"{
            "id": "62134a2d7de3253bf10d6642", "from": "+18332647501", "to": ["+16203221059"], "text": "Lorem", "paused": false,
            "created_at": "2022-02-21T08:15:45.627000",
            "sms": {"id": "1", "from": "+18332647501", "to": "+16203221059", "text": "Lorem", "status": "sent", "segment_count": 1},
            "sms_activity": [{"to": "+16203221059", "created_at": "2022-02-21T08:15:45.627000", "status": "sent"}]
        }"#,
    );
    let receipts = receipts(&message, ID, &reading(), Timestamp(0));
    assert_eq!(
        (receipts[0].state, receipts[0].at.rfc3339()),
        (State::Sent, "2022-02-21T08:15:45.627Z".to_owned())
    );
}

#[test]
fn a_message_with_empty_lists_is_listed_by_its_recipients_and_says_nothing_new() {
    let text = r#"{"id": "62134a2d7de3253bf10d6642", "from": "+18332647501", "to": ["+16203221059", "+16203221060"],
        "text": "Lorem Ipsum is simply dummy text", "paused": true, "created_at": "2022-02-21T08:15:45.627000Z", "sms": [], "sms_activity": []}"#;
    assert_eq!(receipts(&read(text), ID, &reading(), Timestamp(0)), []);
    let listed = page(&serde_json::json!({ "data": [read(text)] }), 1, &reading());
    assert_eq!(
        listed.messages.iter().map(|message| message.state).collect::<Vec<_>>(),
        [State::Queued, State::Queued]
    );
    let template = text.replace("Lorem Ipsum is simply dummy text", "{{text}}");
    let listed = page(&serde_json::json!({ "data": [read(&template)] }), 1, &reading());
    assert!(listed.messages.iter().all(|message| message.text.is_none()), "a template is nobody's text");
}

#[test]
fn a_page_says_whether_there_is_another() {
    let links = |next: &str| {
        let text = r#"{"data": [], "links": {"first": "https:\/\/api.mailersend.com\/v1\/sms-activity?page=1", "last": null, "prev": null, "next": NEXT},
            "meta": {"current_page": 1, "from": 1, "path": "https:\/\/api.mailersend.com\/v1\/sms-activity", "per_page": 25, "to": 25}}"#;
        read(&text.replace("NEXT", next))
    };
    assert!(has_next(&links(r#""https:\/\/api.mailersend.com\/v1\/sms-activity?page=2""#), 1));
    assert!(!has_next(&links("null"), 1));
    assert!(
        has_next(&serde_json::json!({ "meta": { "last_page": 2 } }), 1)
            && !has_next(&serde_json::json!({ "meta": { "last_page": 2 } }), 2)
    );
}
