//! An agent that looks again and again, before a vendor that counts its requests: the sends still go.

use serde_json::{Value, json};

use crate::fake::Fake;
use crate::fake::sms_for_ai::{SmsForAi, TOKEN};
use crate::support::{Desk, Era, WIDE};
use crate::wire::{RawStdio, tool_call};

#[test]
fn three_hundred_looks_leave_the_vendors_requests_to_the_sends() {
    let fake = Fake::start(SmsForAi { fate: "sent", credits_micros: 100_000_000, ..SmsForAi::default() });
    // By the day, so that no test runs long enough to have it all anew.
    let desk = Desk::new(&format!(
        "{WIDE}[[provider]]\nkind = \"sms_for_ai\"\nbase_url = \"{}/api/v1\"\ntoken = \
         \"{TOKEN}\"\n[provider.rate]\nper_day = 60\n",
        fake.url()
    ));
    let mut server = RawStdio::start(&desk, Era::Stateless, |_| {});
    let mut count = 0;
    let mut ask = |tool: &str, arguments: Value| {
        count += 1;
        server.send(&tool_call(Era::Stateless, count, tool, &arguments));
        server.answer_to(count, &mut Vec::new())["result"]["structuredContent"].clone()
    };
    let send = |ask: &mut dyn FnMut(&str, Value) -> Value, n: usize| {
        let sent = ask("send_sms", json!({ "to": format!("+3319900{n:04}"), "message": "hello" }));
        assert_eq!(sent["status"], "sent", "{n}: {sent}");
        sent["id"].clone()
    };
    let ids: Vec<Value> = (0..10).map(|n| send(&mut ask, n)).collect();
    let (mut fresh, mut stale) = (0, 0);
    for round in 0..30 {
        for id in &ids {
            let status = ask("get_status", json!({ "id": id }));
            assert_eq!(status["message"]["status"], "sent", "what is known is said: {status}");
            *(if status["fresh"] == true { &mut fresh } else { &mut stale }) += 1;
        }
        let balance = ask("get_balance", json!({}))["balances"][0].clone();
        assert!(round > 0 || balance["fresh"] == true, "{balance}");
        assert!(
            balance["money"].is_object() || balance["credits"].is_string(),
            "what is known is said: {balance}"
        );
        fresh += usize::from(balance["fresh"] == true);
    }
    assert!(fresh <= 20, "half of the day's requests are kept, and the sends count: {fresh} were fresh");
    assert!(fresh >= 11 && stale > 200, "{fresh} fresh, {stale} not");
    let looks = fake
        .requests()
        .iter()
        .filter(|request| request.method == "GET" && request.path.ends_with("/balance"))
        .count();
    assert!(looks < 30, "{looks} questions for the balance");
    (10..40).for_each(|n| drop(send(&mut ask, n)));
    // The sends have used up more than half: nothing is asked for what may be asked about later.
    let last = send(&mut ask, 40);
    assert_eq!(ask("get_status", json!({ "id": last }))["fresh"], false);
    server.finish();
}
