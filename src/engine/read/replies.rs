//! Which replies to a message are shown: strangers write them, as many and as long as they like, and a model
//! pays for each.
//!
//! A page is the newest that fit in [`PAGE`] and in [`MOST_CHARS`], with a cursor for those before them. What
//! a sender wrote beyond [`SHOWN_AN_HOUR`] is on record and told onward, and counted here alone.

use crate::clock::Timestamp;
use crate::engine::arguments::invalid;
use crate::engine::contract::ReplyView;
use crate::error::Result;
use crate::ledger::{Record, Replies, ReplyPage, ReplyPlace, SHOWN_AN_HOUR};

/// Most replies on a page.
const PAGE: usize = 20;

/// Most characters of all texts on a page. A text that is longer by itself, with all that it hides written
/// out, is cut.
const MOST_CHARS: usize = 8_000;

/// A page of replies, as an answer shows it.
#[derive(Default)]
pub struct Shown {
    /// Oldest first.
    pub replies: Vec<ReplyView>,
    /// How many there are besides.
    pub omitted: u32,
    /// The way to those before.
    pub next_cursor: Option<String>,
    /// That some are never shown.
    pub warning: Option<String>,
}

/// Which replies a page of those before this place is made of: one more than it shows.
pub fn asked(before: Option<ReplyPlace>) -> ReplyPage {
    ReplyPage { before, limit: u32::try_from(PAGE + 1).unwrap_or(u32::MAX) }
}

/// What is shown of the replies to a message that were [`asked`] for.
pub fn shown(record: &Record, found: Replies) -> Shown {
    if record.replies == 0 {
        return Shown::default();
    }
    let (mut replies, mut chars, mut last, mut has_more) = (Vec::new(), 0, None, false);
    for (place, reply) in found.page {
        let mut view = ReplyView::from(reply);
        if let Some((end, _)) = view.text_untrusted.char_indices().nth(MOST_CHARS - 1) {
            view.text_untrusted.replace_range(end.., "\u{2026}");
        }
        chars += view.text_untrusted.chars().count();
        has_more = replies.len() == PAGE || chars > MOST_CHARS;
        if has_more {
            break;
        }
        last = Some(place);
        replies.push(view);
    }
    replies.reverse();
    let unshown = record.replies.saturating_sub(found.showable);
    Shown {
        omitted: record.replies.saturating_sub(u32::try_from(replies.len()).unwrap_or(u32::MAX)),
        next_cursor: last
            .filter(|_| has_more)
            .map(|(at, sequence)| format!("r{:x}-{sequence:x}", at.as_millis())),
        warning: (unshown > 0).then(|| {
            format!(
                "{unshown} of the replies are counted and never shown: their sender wrote more \
                than {SHOWN_AN_HOUR} within an hour."
            )
        }),
        replies,
    }
}

/// The place that a cursor stands for.
///
/// # Errors
/// [`InvalidArgument`](crate::error::ErrorKind::InvalidArgument).
pub fn read_cursor(cursor: Option<&str>) -> Result<Option<ReplyPlace>> {
    let number = |text: &str| i64::from_str_radix(text, 16).ok();
    let place = |cursor: &str| {
        let (at, sequence) = cursor.strip_prefix('r')?.split_once('-')?;
        Some((Timestamp(number(at)?), number(sequence)?))
    };
    match cursor {
        None => Ok(None),
        Some(cursor) => place(cursor).map(Some).ok_or_else(|| {
            invalid("cursor", "is not a next_cursor of get_status; leave it out for the newest replies")
        }),
    }
}
