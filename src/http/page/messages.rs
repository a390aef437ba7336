//! What is to be sent, as the page shows it: one text whole, or what holds for all of a bulk with a sample of it.

use super::html::Html;
use crate::engine::proposals::{Overview, Seen, Sender, Shown};
use crate::sms::money::Amount;
use crate::sms::plainly::Alarms;

/// Most countries that are counted by name.
const COUNTRIES: usize = 8;

/// What is decided on.
pub(super) fn of(shown: &Shown) -> Html {
    match shown.messages.as_slice() {
        [only] if shown.proposal.messages == 1 => single(shown, only),
        several => bulk(shown, several),
    }
}

/// One text: who gets it, and it, before everything else.
fn single(shown: &Shown, seen: &Seen) -> Html {
    let mut to = recipient(seen);
    to.raw("<br><small>").text(&seen.whereabouts()).raw("</small>");
    let mut html = Html::default();
    html.piece(&Html::list(vec![("To", to), ("From", sender(&seen.sender))]));
    html.piece(&text(seen, "The text, as its agent wrote it"));
    let mut facts = about_all(shown);
    facts.push(("Segments", Html::of(&seen.record.segments.to_string())));
    facts.push(("Purpose", Html::of(&seen.record.purpose.to_string())));
    facts.extend(times(seen));
    html.piece(&Html::list(facts));
    html
}

/// What holds for all of a bulk, and a sample.
fn bulk(shown: &Shown, several: &[Seen]) -> Html {
    let Overview { messages, texts, countries, leading, odd, segments, .. } = &shown.overview;
    let (proposal, mut html) = (&shown.proposal, Html::default());
    let mut facts = vec![(
        "Messages",
        Html::of(&format!("{messages}, of which {} wait; {texts} different text(s)", proposal.waiting)),
    )];
    let mut named: Vec<String> = countries
        .iter()
        .take(COUNTRIES)
        .map(|(country, count)| format!("{} {count}", country.as_deref().unwrap_or("no country")))
        .collect();
    let others: u32 = countries.iter().skip(COUNTRIES).map(|(_, count)| *count).sum();
    if others > 0 {
        named.push(format!("others {others}"));
    }
    facts.push(("To", Html::of(&named.join(", "))));
    if let Some(first) = one_sender(several) {
        facts.push(("From", sender(first)));
    }
    facts.extend(about_all(shown));
    facts.push((
        "Segments",
        Html::of(&match segments {
            (least, most) if least == most => format!("{least} each"),
            (least, most) => format!("{least} to {most} each"),
        }),
    ));
    html.piece(&Html::list(facts));
    for (count, what) in
        [(leading, "a link or a number to call"), (odd, "signs that are hidden or in disguise")]
    {
        if *count > 0 {
            html.raw("<p class=\"alert\">").text(&format!("{count} of {messages} have {what}.")).raw("</p>");
        }
    }
    if let Some(template) = &shown.template {
        html.raw("<figure><figcaption>The template of all, as its agent wrote it</figcaption>");
        html.raw("<div class=\"said\" dir=\"auto\">").plainly(template).raw("</div></figure>");
    }
    html.raw("<h2>");
    if several.len() < usize::try_from(*messages).unwrap_or(usize::MAX) {
        html.text(&format!("{} of {messages} messages", several.len())).raw("</h2><p>");
        html.raw("Taken from all parts of the bulk, at places that its agent does not choose, with those that stand out.");
    } else {
        html.text(&format!("All {messages} messages")).raw("</h2><p>");
    }
    // Relative, so that a proxy may serve it below a path.
    html.raw(" <a href=\"").text(proposal.id.as_str());
    html.raw("/texts\">Every distinct text, with its count</a></p>");
    for seen in several {
        html.piece(&message(seen, *messages, one_sender(several).is_some()));
    }
    html
}

/// A message of a bulk.
fn message(seen: &Seen, of: u32, has_one_sender: bool) -> Html {
    let record = &seen.record;
    let mut html = Html::default();
    html.raw("<h3>").text(&format!("{} of {of}: ", seen.place)).piece(&recipient(seen)).raw("</h3>");
    if !seen.reasons.is_empty() {
        let reasons: Vec<&str> = seen.reasons.iter().map(|reason| reason.words()).collect();
        html.raw("<p class=\"why\">Stands out: ").text(&reasons.join("; ")).raw("</p>");
    }
    html.piece(&text(seen, ""));
    html.raw("<p class=\"about\">").text(&seen.whereabouts());
    if !has_one_sender {
        html.raw("; from ").piece(&sender(&seen.sender));
    }
    html.text(&format!("; {} segment(s), {}, {}", record.segments, record.purpose, cost(seen)));
    for (name, time) in times(seen) {
        html.raw("; ").raw(name).raw(" ").piece(&time);
    }
    html.raw("</p>");
    html
}

fn recipient(seen: &Seen) -> Html {
    let mut to = Html::default();
    to.raw("<strong class=\"number\">").text(&seen.record.to).raw("</strong> (");
    to.text(seen.country.as_deref().unwrap_or("no country"));
    to.raw(if seen.is_first { ", <strong>first time</strong>)" } else { ")" });
    to
}

fn sender(sender: &Sender) -> Html {
    let mut html = Html::default();
    match sender {
        Sender::Named(from, mistaken) => {
            html.raw("<bdi class=\"number\">").plainly(from).raw("</bdi>");
            if let Some(own) = mistaken {
                html.raw(" <strong class=\"warn\">looks like your <bdi class=\"number\">").text(own);
                html.raw("</bdi>, and is another</strong>");
            }
        }
        Sender::Own(_) => drop(html.text(&sender.words(str::to_owned))),
    }
    html
}

/// The sender of all of them, where they have one.
fn one_sender(several: &[Seen]) -> Option<&Sender> {
    let first = &several.first()?.sender;
    several.iter().all(|seen| seen.sender == *first).then_some(first)
}

/// Who asks and why, what it costs, and what is left after it.
fn about_all(shown: &Shown) -> Vec<(&'static str, Html)> {
    let mut facts = vec![
        ("Asked by", Html::plain(&shown.proposal.principal)),
        ("Because", Html::plain(&shown.proposal.reasons)),
        ("Price", Html::of(&price(shown))),
    ];
    if shown.is_open {
        let left = shown.budgets.iter().filter_map(|budget| budget.left());
        facts.extend(left.map(|left| ("Left after it", Html::of(&left))));
    }
    facts
}

/// What all of it costs.
fn price(shown: &Shown) -> String {
    let at_most = if shown.proposal.decision.is_none() { "at most " } else { "" };
    format!("{at_most}{} {}", Amount(shown.overview.micros), shown.proposal.currency)
}

/// What one of it costs.
fn cost(seen: &Seen) -> String {
    let record = &seen.record;
    match record.price_micros {
        Some(price) => format!("{} {}", Amount(price), record.currency),
        None => format!("at most {} {}", Amount(record.held_micros), record.currency),
    }
}

fn times(seen: &Seen) -> Vec<(&'static str, Html)> {
    let (at, by) = (seen.send_at, seen.deliver_by);
    let at = at.map(|at| ("Not before", Html::of(&at.to_the_minute())));
    at.into_iter().chain(by.map(|by| ("Not after", Html::of(&by.to_the_minute())))).collect()
}

/// A text in its frame, so that nobody takes what is in it for a part of the page.
fn text(seen: &Seen, caption: &'static str) -> Html {
    let mut html = Html::default();
    html.raw("<figure>");
    if !caption.is_empty() {
        html.raw("<figcaption>").raw(caption).raw("</figcaption>");
    }
    let Some(words) = &seen.record.text else {
        html.raw("<p>The text is erased.</p></figure>");
        return html;
    };
    html.raw("<div class=\"said\" dir=\"auto\">").plainly(words).raw("</div></figure>");
    let Alarms { unseen, disguised, spread } = Alarms::of(words);
    for (count, what) in [
        (unseen, " sign(s) that no phone shows; they are named above."),
        (disguised, " letter(s) that look like Latin ones and are not; they are marked above."),
        (spread, " place(s) with much empty room or many marks; they are named above."),
    ] {
        if count > 0 {
            html.raw("<p class=\"alert\">").text(&count.to_string()).raw(what).raw("</p>");
        }
    }
    html
}
