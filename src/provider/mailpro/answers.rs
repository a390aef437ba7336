//! Reads Mailpro's answers, which come in two generations: JSON with names in PascalCase, and XML with names
//! in snake_case, one inside wrappers (`sends/send`), the other flat. Numbers come as numbers or as strings.
//!
//! Both are read into one [`Tree`], in which a name is found whatever its spelling and however deep it
//! stands. What an answer then means for a send is [`Verdict`]: it must say so itself, in a `Result` or with
//! an id; a page that says neither proves nothing.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::provider::rest::amount::{self, Rounding};
use crate::provider::rest::wording::{self, Wording};
use crate::provider::rest::{Answer, json};
use crate::sms::message::State;

/// How deep an answer may be nested. The documented ones are three deep.
const MAX_DEPTH: usize = 32;

/// Most attributes that an answer may have: the documented ones have none. The parser compares each of an
/// element with all others of it, so a megabyte of them would keep it busy for minutes.
const MAX_ATTRIBUTES: usize = 2_000;

/// The names under which the id of a send comes.
const SEND_IDS: [&str; 2] = ["idsend", "sendid"];

/// What a result says that all went well with. No page has another word.
pub(super) const RESULTS: [(&str, State); 1] = [("ok", State::Sent)];

/// The names under which what is left on the account comes.
const CREDITS: [&str; 4] = ["totalcredits", "totalcredit", "remainingcredits", "credits"];

/// The names under which a number comes, in the entries of lists and of the history.
const NUMBERS: [&str; 7] = ["number", "phone", "phonenumber", "mobile", "mobilenumber", "msisdn", "to"];

/// The names under which the entries of a list come.
const LISTS: [&str; 7] = ["phones", "phone", "numbers", "contacts", "items", "list", "data"];

/// The names of a failure's words, the best first.
const WORDS: [&str; 10] = [
    "error",
    "errors",
    "errormessage",
    "errordescription",
    "description",
    "detail",
    "details",
    "reason",
    "message",
    "msg",
];

/// The names of what an answer counts: more than it shows means that it shows one page of several.
const COUNTS: [&str; 6] = ["total", "count", "totalcount", "totalphones", "totalrecords", "totalitems"];

/// An answer of either generation, as objects, lists and texts. It has no `Debug`: it may hold texts and
/// numbers.
#[derive(Clone)]
pub(super) struct Tree(Value);

/// What an answer says of a send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was taken.
    Taken {
        /// The vendor's id of it, where it gives one.
        id: Option<String>,
        /// Credits that it costs, in millionths, where the answer says so.
        charge: Option<i64>,
        /// Credits that are left, in millionths, where the answer says so.
        remaining: Option<i64>,
    },
    /// It was refused.
    Refused {
        /// Our code for it.
        code: ErrorKind,
        /// The vendor's words. They may quote what was sent.
        words: String,
    },
    /// The answer says nothing certain.
    Unclear {
        /// The vendor's id of the send, where it gives one all the same.
        id: Option<String>,
        /// What is wrong with the answer. It may quote what was sent.
        why: String,
    },
}

/// One entry of the history. It has no `Debug`: it holds a number and a text.
#[derive(Clone)]
pub(super) struct Entry {
    /// The vendor's id of the entry. It is not that of the send.
    pub(super) id: Option<String>,
    /// The vendor's id of the send, where the entry names it; the documented ones do not.
    pub(super) send: Option<String>,
    /// The recipient as the vendor writes it.
    pub(super) number: String,
    /// When it was sent; a time without a zone is read as UTC.
    pub(super) at: Option<Timestamp>,
    /// The text.
    pub(super) text: Option<String>,
    /// 0 not delivered, 1 delivered, 2 waiting.
    pub(super) status: Option<i64>,
    /// Credits that it cost, in millionths.
    pub(super) charge: Option<i64>,
}

/// A name as all generations share it: `IdSend` and `id_send` are `idsend`.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// A value as text, if it is one: numbers come as numbers or as strings.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(_) => json::text(value),
        Value::Array(list) if list.len() == 1 => list.first().and_then(scalar),
        _ => None,
    }
    .filter(|text| !text.is_empty())
}

/// Credits in whole millionths. What is finer is the noise of the vendor's own arithmetic.
fn micros(text: &str) -> Option<i64> {
    amount::micros(text, Rounding::Nearest)
}

/// Reads a time: RFC 3339, or without a zone as the vendor writes it (`2026-11-27T12:00:00`), read as UTC.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    // In this order: a time without a zone would be read as the midnight of its day.
    Timestamp::parse(&format!("{}Z", text.replacen(' ', "T", 1))).or_else(|| Timestamp::parse(text))
}

impl Tree {
    /// Reads an answer of either generation. Which one is seen from its content, not from what its head says.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it.
    pub(super) fn read(answer: &Answer) -> Result<Self, String> {
        if !answer.is_whole {
            return Err("the answer was cut short or is too long".to_owned());
        }
        Self::read_bytes(&answer.body)
    }

    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it.
    pub(super) fn read_bytes(body: &[u8]) -> Result<Self, String> {
        // An echoed text may be in an encoding that was not declared; what matters around it is ASCII.
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.starts_with('<') {
            if attributes(text) > MAX_ATTRIBUTES {
                return Err("the answer has too many attributes".to_owned());
            }
            let wrong = |_| "the answer does not read as XML".to_owned();
            let document = roxmltree::Document::parse(text).map_err(wrong)?;
            let root = document.root_element();
            let value = from_xml(root, 0).ok_or("the answer is nested too deep")?;
            return Ok(Self(Value::Object(Map::from_iter([(root.tag_name().name().to_owned(), value)]))));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| {
            // The error itself may quote the answer.
            format!(
                "the answer does not read as documented (line {}, column {})",
                error.line(),
                error.column()
            )
        })?;
        if value.is_object() || value.is_array() {
            Ok(Self(value))
        } else {
            Err("the answer is neither an object nor a list".to_owned())
        }
    }

    /// All of it.
    pub(super) fn into_value(self) -> Value {
        self.0
    }

    /// The value of the first of these names, the least deep one where there are several.
    fn text(&self, names: &[&str]) -> Option<String> {
        find(&self.0, names)
    }

    /// A number of credits in millionths.
    fn micros(&self, names: &[&str]) -> Option<i64> {
        micros(&self.text(names)?)
    }

    /// What it says is left on the account, in millionths of a credit.
    pub(super) fn credits(&self) -> Option<i64> {
        self.micros(&CREDITS)
    }

    /// The vendor's words about a failure.
    pub(super) fn words(&self) -> Option<String> {
        // Where a message stands beside a recipient it is the text that was sent.
        let is_echo = find(&self.0, &["to", "number"]).is_some();
        let names = WORDS.iter().filter(|name| !(is_echo && matches!(**name, "message" | "msg")));
        let words = names.filter_map(|name| self.text(&[name])).next();
        let result = self.text(&["result"]).filter(|result| !is_ok(result));
        match (result, words) {
            (Some(result), Some(words)) if result != words => Some(format!("{result}: {words}")),
            (result, words) => words.or(result).or_else(|| self.text(&["code", "errorcode"])),
        }
    }

    /// Whether it reports a failure in place of what was asked for: its words.
    pub(super) fn failure(&self, wording: &Wording) -> Option<String> {
        self.text(&["result"]).filter(|result| wording.known(result).is_none())?;
        self.words()
    }

    /// Whether any level of it names an error, whatever else it says.
    fn names_an_error(&self) -> bool {
        let mut level = vec![&self.0];
        for _ in 0..=MAX_DEPTH {
            if level.iter().any(|value| wording::names_an_error(value)) {
                return true;
            }
            level = level.into_iter().flat_map(inside).collect();
        }
        false
    }

    /// The id of a send, where it names one.
    pub(super) fn id_of_send(&self) -> Option<String> {
        self.text(&SEND_IDS).filter(|id| id != "0")
    }

    /// What it says of a send: its result, or without one its id, as the older pages have it.
    pub(super) fn verdict(&self, wording: &Wording) -> Verdict {
        let id = self.id_of_send();
        let unclear = |why: String| {
            let id = id.clone();
            Verdict::Unclear { id, why }
        };
        let Some(result) = self.text(&["result"]) else {
            return match (&id, self.words()) {
                (Some(_), _) if self.names_an_error() => {
                    unclear("the answer contradicts itself: it gives an id, and it names an error".to_owned())
                }
                (Some(_), _) => self.taken(id),
                (None, Some(words)) => unclear(format!("the answer has neither a result nor an id: {words}")),
                (None, None) => unclear("the answer has neither a result nor an id".to_owned()),
            };
        };
        if wording.known(&result).is_some() {
            return match self.names_an_error() {
                true => unclear(format!(
                    "the answer contradicts itself: its result is \"{result}\", and it names an error"
                )),
                false => self.taken(id),
            };
        }
        if id.is_some() {
            return unclear(format!(
                "the answer contradicts itself: it gives an id, and its result is \"{result}\""
            ));
        }
        let words = self.words().unwrap_or_else(|| result.clone());
        match meaning(&words) {
            Some(code) => Verdict::Refused { code, words },
            None if wording::is_failure(&result) => {
                Verdict::Refused { code: ErrorKind::ProviderRejected, words }
            }
            None => unclear(format!(
                "no known word of the vendor: its result is \"{words}\"; `sent_words` can teach one that \
                 means sent"
            )),
        }
    }

    fn taken(&self, id: Option<String>) -> Verdict {
        Verdict::Taken {
            id,
            charge: self.micros(&["charge"]),
            remaining: self.micros(&["remainingcredits", "remainingcredit"]),
        }
    }

    /// The entries of a history. One that does not read is left out.
    pub(super) fn history(&self) -> Vec<Entry> {
        objects(&self.0, &["status"])
            .into_iter()
            .filter_map(|object| {
                let field = |names: &[&str]| direct(object, names);
                Some(Entry {
                    id: field(&["idhistory", "id"]),
                    send: field(&SEND_IDS),
                    number: field(&NUMBERS)?,
                    at: field(&["datesend", "senddate", "date"]).and_then(|text| moment(&text)),
                    text: field(&["message"]),
                    // A word that nobody knows is no news, whatever state was asked for.
                    status: Some(status(&field(&["status"])?)?),
                    charge: field(&["charge"]).and_then(|text| micros(&text)),
                })
            })
            .collect()
    }

    /// The numbers of a list, all of them or an error: each must be paid for.
    ///
    /// # Errors
    /// What cannot be read, without quoting it.
    pub(super) fn numbers(&self) -> Result<Vec<String>, String> {
        let mut lists = Vec::new();
        arrays(&self.0, 0, &mut lists);
        let numbers = match lists.as_slice() {
            [list] => list
                .iter()
                .map(|item| {
                    scalar(item)
                        .or_else(|| direct(item.as_object()?, &NUMBERS))
                        .ok_or("an entry of the list has no number")
                })
                .collect::<Result<Vec<_>, _>>()?,
            // XML has no lists: one entry is an element like any other, and an empty list is an empty
            // element.
            [] => match find(&self.0, &NUMBERS) {
                Some(number) => vec![number],
                None if has_empty_list(&self.0) => Vec::new(),
                None => return Err("the answer has no list of numbers".to_owned()),
            },
            _ => return Err("the answer has several lists".to_owned()),
        };
        let counted = COUNTS.iter().filter_map(|name| self.text(&[name])?.parse::<usize>().ok()).max();
        let is_page = counted.is_some_and(|counted| counted > numbers.len())
            || self.text(&["nextpage", "next"]).is_some_and(|next| next != "false");
        if is_page { Err("the answer has only a part of the list".to_owned()) } else { Ok(numbers) }
    }

    /// Every number that it names, with the time beside it, as far as it can be read: a list of people who
    /// want no texts.
    pub(super) fn suppressed(&self) -> Vec<(String, Option<Timestamp>)> {
        let at = |object| {
            direct(object, &["date", "datecreated", "createdat", "dateadded"]).and_then(|text| moment(&text))
        };
        let entries = objects(&self.0, &NUMBERS)
            .into_iter()
            .filter_map(|object| Some((direct(object, &NUMBERS)?, at(object))));
        let mut lists = Vec::new();
        arrays(&self.0, 0, &mut lists);
        let bare = lists
            .into_iter()
            .filter(|list| list.len() > 1)
            .flatten()
            .filter_map(|item| Some((scalar(item)?, None)));
        entries.chain(bare).filter(|(text, _)| is_like_a_number(text)).collect()
    }

    /// What a report speaks of: the name of the event, if it has one, and the ids of sends.
    pub(super) fn report(&self) -> (Option<String>, Vec<String>) {
        let names: Vec<&str> = SEND_IDS.into_iter().chain(["idsms", "messageid", "idmessage"]).collect();
        let mut ids: Vec<String> =
            objects(&self.0, &names).into_iter().filter_map(|object| direct(object, &names)).collect();
        if ids.is_empty() {
            ids.extend(find(&self.0, &["id"]));
        }
        ids.sort();
        ids.dedup();
        (find(&self.0, &["event", "eventtype", "eventname"]), ids)
    }
}

/// Whether this may be the number of a person: the list is not documented, and holds who knows what besides.
fn is_like_a_number(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    (7..=20).contains(&digits)
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '(' | ')' | '-' | '.'))
}

/// How many attributes an XML text can have at most: an equals sign and a quote, with white space between
/// them or not.
fn attributes(text: &str) -> usize {
    text.split('=').skip(1).filter(|rest| rest.trim_start().starts_with(['"', '\''])).count()
}

/// Whether a result says that all went well.
fn is_ok(result: &str) -> bool {
    result.eq_ignore_ascii_case("ok")
}

/// What the words of a failure clearly mean. Nothing where they are not clear.
pub(super) fn meaning(words: &str) -> Option<ErrorKind> {
    let words = words.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    let is_credit = has(&["credit", "crédit", "balance", "solde"]);
    if is_credit
        && has(&[
            "insufficient",
            "not enough",
            "no more",
            "no credit",
            "empty",
            "lack",
            "too low",
            "insuffisant",
            "out of",
        ])
    {
        return Some(ErrorKind::InsufficientBalance);
    }
    let is_login = has(&[
        "api_key",
        "apikey",
        "api key",
        "id_client",
        "idclient",
        "client id",
        "unauthor",
        "authenti",
        "credential",
        "access denied",
    ]);
    is_login.then_some(ErrorKind::ProviderUnauthorized)
}

/// The state of an entry, as a number or as the words behind it.
fn status(text: &str) -> Option<i64> {
    match plain(text).as_str() {
        "notdelivered" | "undelivered" | "failed" => Some(0),
        "delivered" => Some(1),
        "waiting" | "pending" => Some(2),
        _ if wording::is_failure(text) => Some(0),
        number => number.parse().ok().filter(|number| (0..=2).contains(number)),
    }
}

/// An element with children as an object, one without as text; what repeats becomes a list. Attributes say
/// nothing here.
fn from_xml(node: roxmltree::Node<'_, '_>, depth: usize) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    if !node.children().any(|child| child.is_element()) {
        // Several pieces where there is CDATA.
        return Some(Value::String(
            node.children().filter_map(|child| child.text()).collect::<String>().trim().to_owned(),
        ));
    }
    let mut object = Map::new();
    for child in node.children().filter(roxmltree::Node::is_element) {
        let (name, value) = (child.tag_name().name(), from_xml(child, depth + 1)?);
        match object.get_mut(name) {
            None => {
                object.insert(name.to_owned(), value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Some(Value::Object(object))
}

/// The first of these names among an object's own.
fn direct(object: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        object.iter().filter(|(key, _)| plain(key) == *name).find_map(|(_, value)| scalar(value))
    })
}

/// The first of these names, level by level.
fn find(root: &Value, names: &[&str]) -> Option<String> {
    let mut level = vec![root];
    for _ in 0..=MAX_DEPTH {
        if let Some(found) =
            level.iter().filter_map(|value| value.as_object()).find_map(|object| direct(object, names))
        {
            return Some(found);
        }
        level = level.into_iter().flat_map(inside).collect();
        if level.is_empty() {
            return None;
        }
    }
    None
}

/// The values one level below.
fn inside(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(object) => object.values().collect(),
        Value::Array(list) => list.iter().collect(),
        _ => Vec::new(),
    }
}

/// Every object with one of these names among its own.
fn objects<'a>(root: &'a Value, names: &[&str]) -> Vec<&'a Map<String, Value>> {
    let mut found = Vec::new();
    let mut level = vec![root];
    for _ in 0..=MAX_DEPTH {
        found.extend(
            level
                .iter()
                .filter_map(|value| value.as_object())
                .filter(|object| direct(object, names).is_some()),
        );
        level = level.into_iter().flat_map(inside).collect();
    }
    found
}

/// Every list that is in no other list.
fn arrays<'a>(value: &'a Value, depth: usize, found: &mut Vec<&'a Vec<Value>>) {
    match value {
        Value::Array(list) => found.push(list),
        Value::Object(object) if depth < MAX_DEPTH => {
            object.values().for_each(|value| arrays(value, depth + 1, found))
        }
        _ => {}
    }
}

/// Whether the place where the entries of a list would be is there and empty. Nothing else proves that there
/// are none.
fn has_empty_list(value: &Value) -> bool {
    let is_empty = |value: &Value| {
        value.is_null() || value.as_str() == Some("") || value.as_object().is_some_and(Map::is_empty)
    };
    value.as_object().is_some_and(|object| {
        object.iter().any(|(name, value)| {
            (LISTS.contains(&plain(name).as_str()) && is_empty(value)) || has_empty_list(value)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_zone_is_utc_and_keeps_its_hour() {
        let noon = Timestamp::parse("2026-11-27T12:00:00Z");
        for text in [
            "2026-11-27T12:00:00",
            "2026-11-27 12:00:00",
            "2026-11-27T13:00:00+01:00",
            " 2026-11-27T12:00:00Z ",
        ] {
            assert_eq!(moment(text), noon, "{text}");
        }
        assert_eq!(moment("2026-11-27"), Timestamp::parse("2026-11-27T00:00:00Z"));
        assert_eq!(moment("yesterday"), None);
    }

    #[test]
    fn only_clear_words_have_a_meaning() {
        for (words, expected) in [
            ("Insufficient credits", Some(ErrorKind::InsufficientBalance)),
            ("Crédit insuffisant", Some(ErrorKind::InsufficientBalance)),
            ("Your balance is too low", Some(ErrorKind::InsufficientBalance)),
            ("wrong API key", Some(ErrorKind::ProviderUnauthorized)),
            ("Unauthorized", Some(ErrorKind::ProviderUnauthorized)),
            ("the text advertises a credit", None),
            ("lacks a recipient", None),
            ("", None),
        ] {
            assert_eq!(meaning(words), expected, "{words}");
        }
    }
}
