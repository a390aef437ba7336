//! Where something stands in an answer or a webhook: a path in JSON, the group of a regular expression, or a
//! header.
//!
//! A path is `data.messages[0].id`; a name with other characters stands in quotes, `"price[amount]"`, and `.`
//! is the whole; of several with `|` between them the first counts where anything stands. The fields of a form or a query are read as a JSON object of texts. What is found is text: a
//! number as it was written, `true` and `false`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

use ::http::{HeaderMap, HeaderName};
use regex_lite::{Regex, RegexBuilder};
use serde_json::Value;

use crate::provider::rest::json;

/// Longest text of a setting that says where.
const LONGEST: usize = 200;

/// Most steps of a path: no answer is as deep.
const MOST_STEPS: usize = 16;

/// Octets that a compiled expression may take, and octets of a body that it is held against: together they
/// bound the time of one look.
const MOST_COMPILED: usize = 64 * 1024;
const MOST_SEARCHED: usize = 16 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
}

/// Where something stands.
#[derive(Clone)]
pub struct Finder(Place);

#[derive(Clone)]
enum Place {
    Paths(Vec<Vec<Step>>),
    Regex(Regex),
    Header(HeaderName),
}

impl fmt::Debug for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Paths(paths) => f.debug_tuple("Paths").field(paths).finish(),
            Place::Regex(regex) => f.debug_tuple("Regex").field(&regex.as_str()).finish(),
            Place::Header(name) => f.debug_tuple("Header").field(name).finish(),
        }
    }
}

/// What expressions and headers found already: the same for every entry of a list, so that an expression is held
/// against a body once. It has no `Debug`: it may hold texts.
#[derive(Default)]
pub struct Memo(RefCell<HashMap<*const Finder, Option<String>>>);

/// What is looked at. It has no `Debug`: it may hold texts.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The body as JSON, or its fields; null where it is neither.
    pub value: &'a Value,
    /// The body.
    pub body: &'a [u8],
    /// The headers.
    pub headers: &'a HeaderMap,
    /// What was found already in this body and these headers.
    pub memo: &'a Memo,
}

impl Finder {
    /// Reads a setting that says where.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is not set: a path such as data.id, regex:..., or header:...".to_owned());
        }
        if text.chars().count() > LONGEST {
            return Err(format!("has more than {LONGEST} characters"));
        }
        if let Some(pattern) = text.strip_prefix("regex:") {
            let regex = RegexBuilder::new(pattern).size_limit(MOST_COMPILED).build();
            let regex = regex.map_err(|error| format!("has an expression that cannot be used: {error}"))?;
            return Ok(Self(Place::Regex(regex)));
        }
        if let Some(name) = text.strip_prefix("header:") {
            let name = name.trim().parse();
            return name
                .map(|name| Self(Place::Header(name)))
                .map_err(|_| "names no header: header:x-message-id".to_owned());
        }
        let mut paths = Vec::new();
        for path in text.split('|') {
            let steps = steps(path.trim()).ok_or(
                "is no path such as data.messages[0].id; a name with other characters than letters, digits, _ \
                 and - stands in quotes",
            )?;
            if steps.len() > MOST_STEPS {
                return Err(format!("has more than {MOST_STEPS} steps"));
            }
            paths.push(steps);
        }
        Ok(Self(Place::Paths(paths)))
    }

    /// Whether it is a path.
    pub const fn is_path(&self) -> bool {
        matches!(self.0, Place::Paths(_))
    }

    /// What stands there in this value.
    pub fn value<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        let Place::Paths(paths) = &self.0 else { return None };
        let at = |steps: &Vec<Step>| {
            steps.iter().try_fold(root, |value, step| match step {
                Step::Name(name) => value.get(name),
                Step::Index(index) => value.get(index),
            })
        };
        paths.iter().filter_map(at).find(|value| !value.is_null())
    }

    /// What stands there, as text; nothing where that is empty, null, an object or a list.
    pub fn find(&self, seen: Seen<'_>) -> Option<String> {
        match &self.0 {
            Place::Paths(_) => match self.value(seen.value)? {
                Value::Bool(flag) => Some(flag.to_string()),
                value => json::text(value),
            },
            Place::Regex(_) | Place::Header(_) => {
                let at = std::ptr::from_ref(self);
                if let Some(found) = seen.memo.0.borrow().get(&at) {
                    return found.clone();
                }
                let found = self.find_outside(seen);
                seen.memo.0.borrow_mut().insert(at, found.clone());
                found
            }
        }
    }

    /// What stands in the body as it is, or in the headers.
    fn find_outside(&self, seen: Seen<'_>) -> Option<String> {
        match &self.0 {
            Place::Paths(_) => None,
            Place::Regex(regex) => {
                let searched = seen.body.get(..seen.body.len().min(MOST_SEARCHED)).unwrap_or_default();
                let text = String::from_utf8_lossy(searched);
                let captures = regex.captures(&text)?;
                captures.get(1).or_else(|| captures.get(0)).map(|found| found.as_str().to_owned())
            }
            Place::Header(name) => seen.headers.get(name)?.to_str().ok().map(str::to_owned),
        }
    }

    /// The id that stands there: no number with a fraction or an exponent, since two such can be written alike.
    pub fn find_id(&self, seen: Seen<'_>) -> Option<String> {
        if let (Place::Paths(_), Some(Value::Number(number))) = (&self.0, self.value(seen.value))
            && number.is_f64()
        {
            return None;
        }
        self.find(seen)
    }

    /// Whether anything stands there.
    pub fn exists(&self, seen: Seen<'_>) -> bool {
        match &self.0 {
            Place::Paths(_) => self.value(seen.value).is_some(),
            Place::Regex(_) | Place::Header(_) => self.find(seen).is_some(),
        }
    }
}

/// The steps of a path.
fn steps(text: &str) -> Option<Vec<Step>> {
    if text.is_empty() {
        return None;
    }
    if text == "." {
        return Some(Vec::new());
    }
    let (mut steps, mut rest, mut is_first) = (Vec::new(), text, true);
    while !rest.is_empty() {
        if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']')?;
            let is_number = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
            steps.push(Step::Index(index.parse().ok().filter(|_| is_number)?));
            (rest, is_first) = (after, false);
            continue;
        }
        if !is_first {
            rest = rest.strip_prefix('.')?;
        }
        is_first = false;
        if let Some(quoted) = rest.strip_prefix('"') {
            let (name, after) = quoted.split_once('"')?;
            steps.push(Step::Name(name.to_owned()));
            rest = after;
        } else {
            let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
            let end = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if name.is_empty() {
                return None;
            }
            steps.push(Step::Name(name.to_owned()));
            rest = after;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn find(place: &str, value: &Value, body: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("x-message-id", "h1".parse().unwrap());
        Finder::parse(place).unwrap().find(Seen {
            value,
            body: body.as_bytes(),
            headers: &headers,
            memo: &Memo::default(),
        })
    }

    #[test]
    fn what_stands_there_is_found_as_text_and_what_does_not_is_nothing() {
        let value = json!({ "data": { "messages": [{ "id": 41 }, { "id": "b" }], "ok": true, "none": null,
            "small": 0.000_000_1 }, "price[amount]": "0.5", "a.b": "c", "empty": "" });
        for (place, expected) in [
            ("data.messages[0].id", Some("41")),
            ("data.messages[1].id", Some("b")),
            ("data.messages[2].id", None),
            ("data.ok", Some("true")),
            ("data.none", None),
            ("data.none | data.absent|data.ok", Some("true")),
            ("data.small", Some("0.0000001")),
            ("\"price[amount]\"", Some("0.5")),
            ("\"a.b\"", Some("c")),
            ("data", None),
            ("empty", None),
            ("header:X-Message-Id", Some("h1")),
            ("header:x-other", None),
            (r"regex:^(\d+): Accepted", Some("0")),
            ("regex:Accepted", Some("Accepted")),
            ("regex:^Accepted", None),
        ] {
            assert_eq!(find(place, &value, "0: Accepted for delivery").as_deref(), expected, "{place}");
        }
        let list = json!([{ "id": 1 }]);
        assert_eq!(find("[0].id", &list, "").as_deref(), Some("1"));
        assert_eq!(Finder::parse(".").unwrap().value(&list), Some(&list));
        let long = json::from_slice::<Value>(br#"{ "id": 18446744073709551617, "cost": 1.10 }"#).unwrap();
        assert_eq!(find("id", &long, ""), None, "digits that were not read are none");
        let headers = HeaderMap::new();
        let memo = Memo::default();
        let seen = Seen { value: &long, body: b"", headers: &headers, memo: &memo };
        let id = Finder::parse("cost").unwrap().find_id(seen);
        assert_eq!((find("cost", &long, "").as_deref(), id), (Some("1.1"), None));
        assert_eq!(find("regex:x", &Value::Null, &format!("{}x", " ".repeat(MOST_SEARCHED))), None);
    }

    #[test]
    fn an_expression_is_held_against_a_body_once_whatever_the_length_of_a_list() {
        let (memo, headers) = (Memo::default(), HeaderMap::new());
        let [one, other] = ["regex:id=(.)", "regex:st=(.)"].map(|place| Finder::parse(place).unwrap());
        let at = |finder: &Finder, body: &str, memo: &Memo| {
            let entry = json!({});
            finder.find(Seen { value: &entry, body: body.as_bytes(), headers: &headers, memo })
        };
        assert_eq!(at(&one, "id=7 st=0", &memo).as_deref(), Some("7"));
        assert_eq!(at(&other, "id=7 st=0", &memo).as_deref(), Some("0"), "each its own");
        // With another body it could not find this again, if it looked.
        assert_eq!(at(&one, "", &memo).as_deref(), Some("7"));
        assert_eq!(at(&one, "", &Memo::default()), None);
        let paths = Finder::parse("a").unwrap();
        for n in 0..3 {
            let entry = json!({ "a": n });
            let seen = Seen { value: &entry, body: b"", headers: &headers, memo: &memo };
            assert_eq!(paths.find(seen), Some(n.to_string()), "a path is each entry's own");
        }
    }

    #[test]
    fn what_says_nowhere_is_refused() {
        for (wrong, named) in [
            ("", "is not set"),
            ("a..b", "is no path"),
            (".a", "is no path"),
            ("a.", "is no path"),
            ("a[x]", "is no path"),
            ("a[-1]", "is no path"),
            ("a[0", "is no path"),
            ("a[0]b", "is no path"),
            ("a b", "is no path"),
            ("a|", "is no path"),
            ("\"a", "is no path"),
            ("regex:(", "cannot be used"),
            ("regex:((((((a{99}){99}){99}", "cannot be used"),
            ("regex:(a{500}){500}", "cannot be used"),
            ("header:", "names no header"),
            ("header:a b", "names no header"),
            (&"a".repeat(LONGEST + 1), "200 characters"),
            (&"a.".repeat(20), "is no path"),
            (&["a"; 17].join("."), "16 steps"),
        ] {
            let why = Finder::parse(wrong).unwrap_err();
            assert!(why.contains(named), "{wrong}: {why}");
        }
    }
}
