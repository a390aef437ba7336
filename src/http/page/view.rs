//! What the page shows: what is decided on, and the ways to decide, as HTML that needs no script.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::html::Html;
use crate::access::{Challenge, NAMESPACE};
use crate::engine::page::Texts;
use crate::engine::proposals::{Seen, Shown};
use crate::sms::fold::disguised;
use crate::sms::message::hex;
use crate::sms::money::Amount;
use crate::sms::untrusted;

/// The whole style. The policy of the page names its digest, so that no other one is taken.
const STYLE: &str = include_str!("style.css");

/// What a page may do: nothing but look as it does, and send its own forms.
pub(super) static CONTENT_POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors 'none'; base-uri \
         'none'"
    )
});

/// What is said above everything else.
pub(super) struct Said<'a> {
    /// In a few words, as the heading of the page.
    pub(super) heading: &'a str,
    /// What it means.
    pub(super) words: &'a str,
}

/// What the forms of a page are made of.
pub(super) struct Forms {
    /// The token of the forms.
    pub(super) token: String,
    /// What is signed; nothing where there is no approver.
    pub(super) challenge: Option<Challenge>,
    /// Whether one-time codes count here.
    pub(super) takes_codes: bool,
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
    body.piece(&state(shown, needs)).piece(&facts(shown)).piece(&messages(shown));
    if let Some(forms) = forms {
        body.piece(&ways(shown, forms));
    }
    whole(&heading, &body)
}

/// Every distinct text with its count, as plain text.
pub(super) fn texts(id: &str, texts: &Texts) -> String {
    let mut all = format!("{id}: {} distinct text(s)\n", texts.texts.len());
    for (text, count) in &texts.texts {
        all.push_str(&format!("\n--- {count} message(s)\n"));
        match text {
            Some(text) => text.split('\n').for_each(|line| {
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
        .raw("<title>")
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
    if let Some(decision) = &shown.proposal.decision {
        html.raw("<p class=\"state\">").text(decision.decided.as_str()).raw(" at ");
        html.text(&decision.at.rfc3339());
        if let Some(approver) = &decision.approver {
            html.raw(" by ").text(approver);
        }
        if let Some(why) = &decision.why {
            html.raw(": ").plainly(why);
        }
        html.raw(".</p>");
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

/// A list of facts.
fn list(facts: Vec<(&'static str, Html)>) -> Html {
    let mut html = Html::default();
    html.raw("<dl>");
    for (name, value) in facts {
        html.raw("<dt>").raw(name).raw("</dt><dd>").piece(&value).raw("</dd>");
    }
    html.raw("</dl>");
    html
}

fn text(text: &str) -> Html {
    let mut html = Html::default();
    html.text(text);
    html
}

fn plainly(text: &str) -> Html {
    let mut html = Html::default();
    html.plainly(text);
    html
}

/// What holds for all of it.
fn facts(shown: &Shown) -> Html {
    let proposal = &shown.proposal;
    let price = format!("at most {} {}", Amount(proposal.held_micros), proposal.currency);
    let mut facts = vec![
        ("Asked for by", plainly(&proposal.principal)),
        ("Because", plainly(&proposal.reasons)),
        ("Messages", text(&format!("{}, of which {} wait", proposal.messages, proposal.waiting))),
        ("Price", text(&price)),
        ("Asked at", text(&proposal.created.rfc3339())),
        ("Decide until", text(&proposal.expires.rfc3339())),
    ];
    if proposal.realm.is_sandbox() {
        facts.push(("Sandbox", text("no text leaves this machine")));
    }
    facts.push(("Approval", text(proposal.id.as_str())));
    facts.push(("Digest", text(&hex(&shown.digest))));
    list(facts)
}

/// Its messages, or the first of them.
fn messages(shown: &Shown) -> Html {
    let mut html = Html::default();
    let count = shown.messages.len();
    let is_part = count < usize::try_from(shown.proposal.messages).unwrap_or(usize::MAX);
    html.raw("<h2>");
    match (count, is_part) {
        (1, false) => html.raw("The text"),
        _ if is_part => html.text(&format!("The first {count} of {} messages", shown.proposal.messages)),
        _ => html.text(&format!("The {count} messages")),
    };
    html.raw("</h2>");
    for (seen, number) in shown.messages.iter().zip(1_u32..) {
        if shown.proposal.messages > 1 {
            html.raw("<h3>Message ").text(&number.to_string()).raw("</h3>");
        }
        html.piece(&message(seen));
    }
    if shown.proposal.messages > 1 {
        // Relative, so that a proxy may serve it below a path.
        html.raw("<p><a href=\"").text(shown.proposal.id.as_str());
        html.raw("/texts\">Every distinct text, with its count</a></p>");
    }
    html
}

fn message(seen: &Seen) -> Html {
    let Seen { record, country, is_first, send_at, deliver_by } = seen;
    let mut to = plainly(&record.to);
    to.raw(" (").text(country.as_deref().unwrap_or("no country"));
    to.raw(if *is_first { ", <strong>first time</strong>)" } else { ")" });
    let sender = record.from.as_deref().map_or_else(|| text("the default sender"), plainly);
    let price = format!("at most {} {}", Amount(record.held_micros), record.currency);
    let mut facts = vec![("To", to), ("From", sender)];
    let mut said = Html::default();
    match &record.text {
        Some(words) => said.raw("<div class=\"said\" dir=\"auto\">").plainly(words).raw("</div>"),
        None => said.raw("<p>The text is erased.</p>"),
    };
    let hidden = record.text.iter().flat_map(|words| words.chars());
    let hidden = hidden.filter(|c| untrusted::is_hidden(*c) && *c != '\n').count();
    if hidden > 0 {
        said.raw("<p class=\"alert\">").text(&hidden.to_string());
        said.raw(" sign(s) that no phone shows; they are marked above.</p>");
    }
    let foreign = record.text.as_deref().map_or(0, |words| disguised(words).count());
    if foreign > 0 {
        said.raw("<p class=\"alert\">").text(&foreign.to_string());
        said.raw(" letter(s) that look like Latin ones and are not; they are marked above.</p>");
    }
    facts.push(("Segments", text(&record.segments.to_string())));
    facts.push(("Purpose", text(&record.purpose.to_string())));
    facts.push(("Price", text(&price)));
    if let Some(at) = send_at {
        facts.push(("Not before", text(&at.rfc3339())));
    }
    if let Some(by) = deliver_by {
        facts.push(("Not after", text(&by.rfc3339())));
    }
    said.piece(&list(facts));
    said
}

/// The ways to decide.
fn ways(shown: &Shown, forms: &Forms) -> Html {
    let mut html = Html::default();
    let begin = |html: &mut Html| {
        html.raw("<form method=\"post\" autocomplete=\"off\"><input type=\"hidden\" name=\"token\" value=\"");
        html.text(&forms.token).raw("\"><input type=\"hidden\" name=\"digest\" value=\"");
        html.text(&hex(&shown.digest)).raw("\">");
    };
    match &forms.challenge {
        None => {
            html.raw("<h2>Approve</h2><p>There is no approver here, so nobody can say yes. ");
            html.raw("Add one at a terminal: <code>sms-mcp approver add NAME</code>.</p>");
        }
        Some(challenge) => {
            if forms.takes_codes {
                html.raw("<h2>Approve with a one-time code</h2>");
                begin(&mut html);
                html.raw(CODE_FIELDS);
            }
            html.raw("<h2>Approve with an SSH key</h2>");
            begin(&mut html);
            let text = challenge.text();
            html.raw(SIGNING).raw("<textarea id=\"challenge\" name=\"challenge\" rows=\"9\" readonly ");
            html.raw("spellcheck=\"false\">").text(&text).raw("</textarea>");
            html.raw("<label for=\"command\">Or run this whole, which prints the signature</label>");
            html.raw("<textarea id=\"command\" rows=\"10\" readonly spellcheck=\"false\">");
            html.text(&format!(
                "ssh-keygen -Y sign -n {NAMESPACE} -f ~/.ssh/id_ed25519 <<'END'\n{text}END\n"
            ));
            html.raw("</textarea>").raw(SIGNATURE_FIELD);
            if !forms.takes_codes {
                html.raw(
                    "<p>One-time codes do not count here: agents may run as the user of this server.</p>",
                );
            }
        }
    }
    html.raw("<h2>Refuse</h2>");
    begin(&mut html);
    html.raw(REFUSE_FIELDS);
    html
}

const CODE_FIELDS: &str = "<label for=\"approver\">Approver (may be left out where one alone has codes)</label>\
    <input id=\"approver\" name=\"approver\" maxlength=\"64\" autocapitalize=\"none\" spellcheck=\"false\">\
    <label for=\"code\">One-time code, six digits</label>\
    <input id=\"code\" name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" maxlength=\"10\" required>\
    <button name=\"act\" value=\"code\">Approve with this code</button></form>";

const SIGNING: &str = "<p>Save the lines of the first field as <code>approval.txt</code>, and run \
    <code>ssh-keygen -Y sign -n sms-mcp@approval -f KEY approval.txt</code>. The signature is in \
    <code>approval.txt.sig</code> then. It holds for 15 minutes.</p>\
    <label for=\"challenge\">What you sign</label>";

const SIGNATURE_FIELD: &str = "<label for=\"signature\">The signature</label>\
    <textarea id=\"signature\" name=\"signature\" rows=\"7\" spellcheck=\"false\" required></textarea>\
    <button name=\"act\" value=\"signature\">Approve with this signature</button></form>";

const REFUSE_FIELDS: &str = "<p>It needs no proof. The agent is told the reason.</p>\
    <label for=\"why\">Reason (may be left out)</label><input id=\"why\" name=\"why\" maxlength=\"500\">\
    <button class=\"no\" name=\"act\" value=\"refuse\">Refuse</button></form>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_is_whole_and_the_command_names_the_namespace() {
        assert!(!STYLE.contains('<') && STYLE.matches('{').count() == STYLE.matches('}').count());
        assert!(SIGNING.contains(&format!("-n {NAMESPACE} ")));
    }

    #[test]
    fn texts_are_listed_with_their_counts_and_it_is_said_where_they_are_cut() {
        let listed = Texts { texts: vec![(Some("a\u{202e}b\nc".into()), 2), (None, 1)], is_cut: true };
        assert_eq!(
            texts("apv_1", &listed),
            "apv_1: 2 distinct text(s)\n\n--- 2 message(s)\na\\u{202e}b\nc\n\n--- 1 message(s)\n(the text is \
             erased)\n\n--- CUT: there are more texts. All: sms-mcp approvals show apv_1 --all\n"
        );
    }
}
