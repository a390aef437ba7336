//! Prices that nobody tells, and refusals for want of money: the figures that people and models are told.

use serde_json::{Value, json};

use crate::cli::Ended;
use crate::fake::Fake;
use crate::fake::mailersend::{FROM, MailerSend, TOKEN};
use crate::support::{Desk, Era, WIDE, answer, fictional, refusal};

/// A desk whose provider tells no prices.
fn desk(fake: &Fake<MailerSend>, more: &str) -> Desk {
    Desk::new(&format!(
        "{more}[[provider]]\nkind = \"mailersend\"\nbase_url = \"{}/v1\"\nfrom = \"{FROM}\"\ntoken = \
         \"{TOKEN}\"\n",
        fake.url()
    ))
}

fn done(desk: &Desk, args: &[&str]) -> Ended {
    let ended = desk.run(args);
    assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
    ended
}

fn to(n: usize) -> String {
    format!("+120255501{n:02}")
}

#[tokio::test]
async fn a_price_that_nobody_told_is_marked_wherever_it_is_shown_and_one_of_the_rates_is_not() {
    let fake = Fake::start(MailerSend::new());
    let assumed = json!({ "amount": "0.50", "currency": "USD", "assumed": true });
    for era in Era::BOTH {
        let desk = desk(&fake, "[rates]\nCA = \"0.016\"\n");
        let client = desk.stdio(era).await;
        let quote =
            answer(&client, "send_sms", json!({ "to": to(20), "message": "Hello", "dry_run": true })).await;
        let sent =
            answer(&client, "send_sms", json!({ "to": to(20), "message": "Hello", "idempotency_key": "k" }))
                .await;
        let again =
            answer(&client, "send_sms", json!({ "to": to(20), "message": "Hello", "idempotency_key": "k" }))
                .await;
        let status = answer(&client, "get_status", json!({ "id": sent["id"] })).await;
        for price in [&quote["price"], &sent["price"], &again["price"], &status["message"]["price"]] {
            assert_eq!(price, &assumed, "{era:?}");
        }
        let known = answer(&client, "send_sms", json!({ "to": "+16135550120", "message": "Hello" })).await;
        assert_eq!(known["price"], json!({ "amount": "0.016", "currency": "USD" }));
        let listed = answer(&client, "list_sms", json!({})).await;
        let prices: Vec<&Value> =
            listed["messages"].as_array().unwrap().iter().map(|message| &message["price"]).collect();
        assert_eq!(prices, [&known["price"], &assumed]);
        for dry_run in [true, false] {
            let recipients = json!([{ "to": to(21) }, { "to": "+16135550121" }]);
            let bulk = answer(
                &client,
                "send_bulk",
                json!({ "recipients": recipients, "message": "Hello", "dry_run": dry_run }),
            )
            .await;
            assert_eq!(bulk["price"], json!({ "amount": "0.516", "currency": "USD", "assumed": true }));
        }
        client.cancel().await.unwrap();
        let shown = done(&desk, &["send", &to(22), "Hello"]);
        assert!(shown.out.contains("0.50 USD (assumed)"), "{shown:?}");
        let shown = done(&desk, &["list"]).out;
        assert_eq!(
            (shown.matches("0.50 USD (assumed)").count(), shown.matches("0.016 USD  ").count()),
            (3, 2),
            "{shown}"
        );
        let shown = done(&desk, &["status", sent["id"].as_str().unwrap()]);
        assert!(shown.out.contains("0.50 USD (assumed)"), "{shown:?}");
    }
}

#[test]
fn config_check_and_the_log_say_how_far_the_budgets_go_and_which_rates_are_missing() {
    let fake = Fake::start(MailerSend::new());
    let cases = [
        ("", "10 texts a session and 40 a day", "[rates] is empty", true),
        (
            "[rates]\nFR = \"0.05\"\n",
            "10 texts a session and 40 a day",
            "[rates] has FR, and lacks every other",
            false,
        ),
        (
            "[guard]\nallow_destinations = [\"US\", \"CA\", \"+336\"]\n[rates]\nUS = \"0.01\"\nFR = \
             \"0.05\"\n",
            "10 texts",
            "[rates] lacks CA",
            true,
        ),
        (
            "[guard]\nprice_when_unknown = \"0.10\"\nday_messages = 30\n",
            "50 texts a session and 30 a day",
            "[rates] is empty",
            true,
        ),
    ];
    for (settings, counts, missing, is_logged) in cases {
        let desk = desk(&fake, settings);
        let checked = done(&desk, &["config", "check"]);
        assert!(
            checked.out.contains("mailersend tells none")
                && checked.out.contains(counts)
                && checked.out.contains(missing),
            "{settings}: {checked:?}"
        );
        let served = desk.run(&["serve"]);
        assert_eq!(
            served.err.contains("each text is taken for price_when_unknown"),
            is_logged,
            "{settings}: {served:?}"
        );
    }
    let all = "[guard]\nallow_destinations = [\"US\", \"CA\"]\n[rates]\n\"+1\" = \"0.014\"\n";
    for desk in [desk(&fake, all), Desk::new("")] {
        let checked = done(&desk, &["config", "check"]);
        assert!(!checked.out.contains("prices"), "{checked:?}");
        assert!(!desk.run(&["serve"]).err.contains("price_when_unknown"));
    }
}

#[test]
fn the_default_budgets_are_ten_texts_a_session_where_nobody_knows_a_price() {
    let fake = Fake::start(MailerSend::new());
    let desk = desk(&fake, "");
    std::fs::write(
        desk.path().join("ten.csv"),
        format!("to\n{}", (0..10).map(|n| format!("{}\n", to(n))).collect::<String>()),
    )
    .unwrap();
    std::fs::write(
        desk.path().join("more.csv"),
        format!("to\n{}", (0..11).map(|n| format!("{}\n", to(n))).collect::<String>()),
    )
    .unwrap();
    let file = |name: &str| desk.path().join(name).display().to_string();
    let refused = desk.run(&["bulk", &file("more.csv"), "--message", "Hello", "--dry-run"]);
    let expected = "all 11 messages together may cost 5.50 USD, and the budget of this session has 5.00 USD \
        left: enough for the first 10";
    assert!(refused.code == 1 && refused.err.contains(expected), "{refused:?}");
    let fits = done(&desk, &["bulk", &file("ten.csv"), "--message", "Hello", "--dry-run"]);
    assert!(fits.out.contains("10 messages, 10 segments, 5.00 USD (assumed)"), "{fits:?}");
}

#[tokio::test]
async fn a_bulk_over_a_budget_is_told_what_all_of_it_costs_and_what_the_ledger_has_left() {
    let many = |count: usize| (0..count).map(|n| json!({ "to": fictional(n) })).collect::<Vec<_>>();
    for era in Era::BOTH {
        for dry_run in [false, true] {
            let ask = |count: usize| json!({ "recipients": many(count), "message": "Sale today", "dry_run": dry_run });
            let cases = [
                // 65 thousandths each.
                (
                    "session_spend = \"0.50\"\n",
                    20,
                    "all 20 messages together may cost 1.30 USD, and the budget of this session has 0.50 \
                     USD left: enough for the first 7",
                ),
                (
                    "day_spend = \"0.06\"\n",
                    2,
                    "all 2 messages together may cost 0.13 USD, and the budget of today (UTC) has 0.06 USD \
                     left: not enough for the first of them",
                ),
                (
                    "total_spend = \"0.07\"\n",
                    2,
                    "the budget of this ledger has 0.07 USD left: enough for the first 1",
                ),
                (
                    "day_messages = 3\n",
                    4,
                    "these are 4 messages, and the budget of today (UTC) has 3 left (limit 3): enough for \
                     the first 3",
                ),
                (
                    "day_spend = \"0.01\"\n",
                    1,
                    "the message may cost 0.065 USD, and the budget of today (UTC) has 0.01 USD left",
                ),
            ];
            for (guard, count, expected) in cases {
                let desk = Desk::new(&format!("[guard]\n{guard}"));
                let client = desk.stdio(era).await;
                let refused = refusal(&client, "send_bulk", ask(count)).await;
                assert_eq!(refused["code"], "budget_exceeded");
                assert!(refused["message"].as_str().unwrap().contains(expected), "{guard}: {refused}");
                client.cancel().await.unwrap();
            }
        }
    }
    // What was spent before counts, and a handle is named as what it is.
    let desk = Desk::new(WIDE);
    let client = desk.stdio(Era::Stateless).await;
    let session = answer(&client, "open_session", json!({ "max_spend": "0.20" })).await["session"].clone();
    answer(&client, "send_sms", json!({ "to": fictional(1), "message": "x", "session": session })).await;
    let refused = refusal(
        &client,
        "send_bulk",
        json!({ "recipients": many(3), "message": "Sale today", "session": session }),
    )
    .await;
    let expected = "all 3 messages together may cost 0.195 USD, and the budget of this session handle has \
        0.135 USD left: enough for the first 2";
    assert!(refused["message"].as_str().unwrap().contains(expected), "{refused}");
    client.cancel().await.unwrap();
}
