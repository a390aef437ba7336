//! A call with a list of many recipients, read without a tree of values for each: that would be twenty times
//! as large as what was sent. Before the library reads the call, its list becomes the JSON text of that list,
//! which arguments may be written as; and they are read from it one by one.

use std::ops::Range;

use serde::Deserializer as _;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde_json::Value;

/// From so many bytes on a list is a long one.
pub(super) const LONG: usize = 64 * 1024;

/// The way to the list in a call.
const WAY: [&str; 3] = ["params", "arguments", "recipients"];

/// Writes the long list of a call as text, unless the message would be longer than `most` by that. `message`
/// is JSON that was looked at; all else stays as it is.
pub(super) fn fold(message: &mut Vec<u8>, most: usize) {
    if message.len() < LONG {
        return;
    }
    let Some(list) = find(message, &WAY).filter(|list| list.len() >= LONG) else { return };
    let folded = || {
        let text =
            std::str::from_utf8(message.get(list.clone())?).ok().filter(|text| text.starts_with('['))?;
        let mut folded = Vec::with_capacity(message.len() + list.len() / 4);
        folded.extend_from_slice(message.get(..list.start)?);
        serde_json::to_writer(&mut folded, text).ok()?;
        folded.extend_from_slice(message.get(list.end..)?);
        Some(folded)
    };
    if let Some(folded) = folded().filter(|folded| folded.len() <= most) {
        *message = folded;
    }
}

/// Where the value at the end of this way stands.
fn find(json: &[u8], way: &[&str]) -> Option<Range<usize>> {
    let mut at = Walk { json, at: if json.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 } };
    way.iter().try_for_each(|name| at.enter(name))?;
    let start = at.at;
    at.pass()?;
    Some(start..at.at)
}

/// A walk through JSON that is known to be well-formed.
struct Walk<'a> {
    json: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn next(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.next().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn is_past(&mut self, byte: u8) -> bool {
        self.space();
        let is_there = self.next() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    /// Goes to the value of this member of the object that stands here.
    fn enter(&mut self, name: &str) -> Option<()> {
        if !self.is_past(b'{') {
            return None;
        }
        loop {
            self.space();
            let start = self.at;
            self.text()?;
            let is_it = self.json.get(start + 1..self.at - 1)? == name.as_bytes();
            if !self.is_past(b':') {
                return None;
            }
            self.space();
            if is_it {
                return Some(());
            }
            self.pass()?;
            if !self.is_past(b',') {
                return None;
            }
        }
    }

    /// Goes past the text that begins here.
    fn text(&mut self) -> Option<()> {
        if self.next() != Some(b'"') {
            return None;
        }
        loop {
            self.at += 1;
            match self.next()? {
                b'\\' => self.at += 1,
                b'"' => break,
                _ => {}
            }
        }
        self.at += 1;
        Some(())
    }

    /// Goes past the value that begins here.
    fn pass(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.next()? {
                b'"' => self.text()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    // The end of what this value stands in.
                    if depth == 0 {
                        return Some(());
                    }
                    depth -= 1;
                    self.at += 1;
                }
                b',' if depth == 0 => return Some(()),
                byte if depth == 0 && byte.is_ascii_whitespace() => return Some(()),
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            if depth == 0 && matches!(self.json.get(self.at.wrapping_sub(1)), Some(b'"' | b'}' | b']')) {
                return Some(());
            }
        }
    }
}

/// Reads the items of a list from its text, each for itself. Nothing where it is the text of no list.
pub(super) fn each(text: &str, take: impl FnMut(usize, Value) -> bool) -> Option<()> {
    struct Items<F>(F);

    impl<'de, F: FnMut(usize, Value) -> bool> Visitor<'de> for Items<F> {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
            let mut index = 0;
            while let Some(item) = items.next_element()? {
                if !(self.0)(index, item) {
                    return Err(A::Error::custom("given up"));
                }
                index += 1;
            }
            Ok(())
        }
    }

    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_seq(Items(take)).and_then(|()| reader.end()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn call(recipients: &str, before: &str, after: &str) -> Vec<u8> {
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,{before} \"params\" : \
             {{\"name\":\"send_bulk\",\"arguments\":{{\"message\":\"a \\\"{{[\", \
             \"recipients\":{recipients} {after}}}}},\"method\":\"tools/call\"}}\n"
        )
        .into_bytes()
    }

    #[test]
    fn a_long_list_of_recipients_is_written_as_its_text_and_nothing_else_changes() {
        let list: Vec<Value> = (0..5_000)
            .map(|n| {
                serde_json::json!({ "to": format!("+1{n}"), "data": [{ "name": "n", "value":
                "\"]}\\" }] })
            })
            .collect();
        let list = Value::from(list).to_string();
        for (before, after) in [
            ("", ""),
            ("\"_meta\":{\"params\":[{\"arguments\":1}]},", ",\"from\":\"A\""),
            ("\"x\":-1.5e3,", "\n,\"dry_run\":true"),
        ] {
            let mut message = call(&list, before, after);
            let mut expected: Value = serde_json::from_slice(&message).unwrap();
            fold(&mut message, usize::MAX);
            let folded: Value = serde_json::from_slice(&message).unwrap();
            expected["params"]["arguments"]["recipients"] = list.clone().into();
            assert_eq!(folded, expected);
        }
    }

    #[test]
    fn what_is_short_or_no_list_or_elsewhere_stays_as_it_is() {
        let long = "x".repeat(2 * LONG);
        let object = format!("{{\"to\":\"{long}\"}}");
        let of_text = format!("\"[{long}]\"");
        let elsewhere =
            format!("{{\"method\":\"m\",\"params\":{{\"recipients\":[\"{long}\"]}}}}").into_bytes();
        for message in
            [call("[{\"to\":\"+1\"}]", "", ""), call(&object, "", ""), call(&of_text, "", ""), elsewhere]
        {
            let mut folded = message.clone();
            fold(&mut folded, usize::MAX);
            assert!(folded == message);
        }
        let long = call(&format!("[\"{long}\"]"), "", "");
        let mut folded = long.clone();
        fold(&mut folded, long.len());
        assert!(folded == long, "it would be too long");
    }

    #[test]
    fn items_are_read_one_by_one_and_only_of_a_list() {
        let mut read = Vec::new();
        assert!(
            each("[1, {\"a\":[2]}]", |index, item| {
                read.push((index, item));
                true
            })
            .is_some()
        );
        assert_eq!(read, [(0, serde_json::json!(1)), (1, serde_json::json!({ "a": [2] }))]);
        for text in ["{}", "[1", "[1] 2", "1", "[,]"] {
            assert!(each(text, |_, _| true).is_none(), "{text}");
        }
        assert!(each("[1,2]", |index, _| index == 0).is_none());
    }
}
