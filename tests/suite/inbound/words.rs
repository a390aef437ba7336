//! What people say when they want no more texts, as a vendor tells it.

use super::*;

/// Somebody at the other end of a bench: what is told of this reply, and whether that ended their texts.
async fn ends(bench: &Bench, from: &str, text: &str) -> bool {
    let before = bench.opted_out().await.len();
    let id: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(bench.told(reply(&format!("r-{from}-{id}"), from, text)).await, 204);
    bench.opted_out().await.len() > before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_any_form_ends_the_texts_and_an_ordinary_answer_does_not() {
    let bench = bench().await;
    let stops = [
        "STOP STOP",
        "S T O P",
        "STOP 2",
        "STOP\n\nSent from my iPhone",
        "Abmelden\n-- \nAnn",
        "\u{1d412}\u{1d413}\u{1d40e}\u{1d40f}",
        "\u{56de}T",
        "\u{645}\u{646} \u{641}\u{636}\u{644}\u{643} \u{62a}\u{648}\u{642}\u{640}\u{641}",
    ];
    for (index, text) in stops.into_iter().enumerate() {
        assert!(ends(&bench, &fictional(index), text).await, "{text:?}");
    }
    for (index, text) in ["please do not stop", "stop by at eight", "cancel my order", "T", "no", "2"].into_iter().enumerate() {
        assert!(!ends(&bench, &fictional(100 + index), text).await, "{text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_letter_is_a_stop_in_china_and_where_the_last_text_announced_it() {
    let bench = bench().await;
    assert!(ends(&bench, "+8613812345678", "T").await);
    assert!(!ends(&bench, &fictional(1), "T").await, "nobody told this person of a T");
    bench.send(2, "Sale! Reply T to unsubscribe").await;
    assert!(ends(&bench, &fictional(2), "t.").await);
    bench.send(3, "Reply 2 to opt out").await;
    bench.send(3, "Table for how many?").await;
    assert!(!ends(&bench, &fictional(3), "2").await, "the last text asked something else");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_own_words_end_the_texts_too() {
    let folder = tempfile::tempdir().unwrap();
    let vendor = Arc::new(Vendor { name: "acme", ..Vendor::default() });
    let mut parts = parts_at(&folder.path().join("ledger.db"), &[Arc::clone(&vendor)], &config::Forward::default());
    parts.stop_words = config::Replies { stop_words: vec!["Schluss".into()] }.words().unwrap();
    let bench = bench_of(Engine::new(parts), vendor, folder).await;
    assert!(ends(&bench, &fictional(1), "SCHLUSS!").await);
    assert!(!ends(&bench, &fictional(2), "Schluss mit lustig").await);
}
