//! What the page shows: what is decided on, then the ways to decide, then the rest, as HTML that needs no script.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::html::Html;
use super::messages;
use super::ways::{Forms, ways};
use crate::engine::page::Texts;
use crate::engine::proposals::Shown;
use crate::sms::message::hex;
use crate::sms::untrusted;

/// The whole style. The policy of the page names its digest, so that no other one is taken.
const STYLE: &str = include_str!("style.css");

/// What a page may do: nothing but look as it does, and send its own forms. The one picture is its icon, which
/// is empty: without one, browsers ask the server for it.
pub(super) static CONTENT_POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors \
         'none'; base-uri 'none'"
    )
});

/// What is said above everything else.
pub(super) struct Said<'a> {
    /// In a few words, as the heading of the page.
    pub(super) heading: &'a str,
    /// What it means.
    pub(super) words: &'a str,
}

/// A page that says this and nothing else.
pub(super) fn notice(said: &Said<'_>) -> String {
    let mut body = Html::default();
    body.raw("<h1>").text(said.heading).raw("</h1><p>").text(said.words).raw("</p>");
    whole(said.heading, &body)
}

/// The page of a proposal: with forms where somebody may decide, and without where nobody may any more.
pub(super) fn proposal(
    shown: &Shown,
    said: Option<&Said<'_>>,
    forms: Option<&Forms>,
    needs: Option<&str>,
) -> String {
    let proposal = &shown.proposal;
    let heading = match &proposal.decision {
        Some(decision) => format!("Decided: {}", decision.decided.as_str()),
        None if !shown.is_open => "Nobody can decide this any more".to_owned(),
        None if proposal.messages == 1 => "May this text be sent?".to_owned(),
        None => format!("May these {} texts be sent?", proposal.messages),
    };
    let mut body = Html::default();
    body.raw("<h1>").text(&heading).raw("</h1>");
    if let Some(Said { heading, words }) = said {
        body.raw("<p class=\"alert\" role=\"alert\"><strong>").text(heading).raw("</strong> ");
        body.text(words).raw("</p>");
    }
    body.piece(&state(shown, needs)).piece(&messages::of(shown));
    if let Some(forms) = forms {
        body.piece(&ways(shown, forms));
    }
    body.piece(&facts(shown));
    whole(&heading, &body)
}

/// Every distinct text with its count, as plain text.
pub(super) fn texts(id: &str, texts: &Texts) -> String {
    let mut all = format!("{id}: {} distinct text(s)\n", texts.texts.len());
    for (text, count) in &texts.texts {
        all.push_str(&format!("\n--- {count} message(s)\n"));
        match text {
            // A line of the text begins with a bar, so that none looks like one of ours.
            Some(text) => text.split('\n').for_each(|line| {
                all.push_str("| ");
                all.push_str(&untrusted::line(line));
                all.push('\n');
            }),
            None => all.push_str("(the text is erased)\n"),
        }
    }
    if texts.is_cut {
        let rest = "\n--- CUT: there are more texts. All: sms-mcp approvals show";
        all.push_str(&format!("{rest} {id} --all\n"));
    }
    all
}

fn whole(title: &str, body: &Html) -> String {
    let mut page = Html::default();
    page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" ")
        .raw("content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">")
        .raw("<link rel=\"icon\" href=\"data:,\"><title>")
        .text(title)
        .raw(" \u{2013} sms-mcp</title><style>")
        .raw(STYLE)
        .raw("</style></head><body><main>\n")
        .piece(body)
        .raw("\n</main></body></html>\n");
    page.into_string()
}

/// What became of it, where something did.
fn state(shown: &Shown, needs: Option<&str>) -> Html {
    let mut html = Html::default();
    if shown.proposal.realm.is_sandbox() {
        html.raw("<p class=\"state\">Sandbox: no text leaves this machine.</p>");
    }
    if let Some(decision) = &shown.proposal.decision {
        html.raw("<p class=\"state\" id=\"decision\">").text(decision.decided.as_str()).raw(" at ");
        html.text(&decision.at.to_the_minute());
        if let Some(approver) = &decision.approver {
            html.raw(" by ").text(approver);
        }
        if let Some(why) = &decision.why {
            html.raw(": <bdi>").plainly(why).raw("</bdi>");
        }
        html.raw("</p>");
    } else if !shown.is_open {
        html.raw(
            "<p class=\"state\">Nothing was sent by it: its agent took it back, or its time is over.</p>",
        );
    }
    if let Some(needs) = needs {
        html.raw("<p class=\"state\">").text(needs).raw("</p>");
    }
    html
}

/// How long that is, roughly.
fn ahead(wait_ms: i64) -> String {
    let minutes = wait_ms / 60_000;
    match minutes {
        ..=0 => "now".to_owned(),
        1..120 => format!("in {minutes} min"),
        _ => format!("in {} h", minutes / 60),
    }
}

/// What else there is to know.
fn facts(shown: &Shown) -> Html {
    let proposal = &shown.proposal;
    let wait_ms = proposal.expires.as_millis().saturating_sub(shown.now.as_millis());
    let until = match shown.is_open {
        true => format!("{} ({})", proposal.expires.to_the_minute(), ahead(wait_ms)),
        false => proposal.expires.to_the_minute(),
    };
    let mut facts =
        vec![("Asked at", Html::of(&proposal.created.to_the_minute())), ("Decide until", Html::of(&until))];
    facts.push(("Approval", Html::of(proposal.id.as_str())));
    // Afterwards it is another one: the times at which it leaves are part of it.
    if shown.is_open {
        facts.push(("Digest", Html::of(&hex(&shown.digest))));
    }
    let mut html = Html::default();
    html.raw("<h2>The rest</h2>").piece(&Html::list(facts));
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_is_whole() {
        assert!(!STYLE.contains('<') && STYLE.matches('{').count() == STYLE.matches('}').count());
    }

    #[test]
    fn how_long_there_is_to_decide_is_said_roughly() {
        let ahead = |minutes: i64| ahead(minutes * 60_000);
        assert_eq!([ahead(-1), ahead(90), ahead(1_439)], ["now", "in 90 min", "in 23 h"]);
    }

    #[test]
    fn texts_are_listed_with_their_counts_and_it_is_said_where_they_are_cut() {
        let listed =
            Texts { texts: vec![(Some("a\u{202e}b\n--- 9 message(s)".into()), 2), (None, 1)], is_cut: true };
        assert_eq!(
            texts("apv_1", &listed),
            "apv_1: 2 distinct text(s)\n\n--- 2 message(s)\n| a\\u{202e}b\n| --- 9 message(s)\n\n--- 1 \
             message(s)\n(the text is erased)\n\n--- CUT: there are more texts. All: sms-mcp approvals show \
             apv_1 --all\n"
        );
    }
}
