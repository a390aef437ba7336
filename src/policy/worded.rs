//! How whoever gets a text that sells can have no more of them.
//!
//! Where people can answer, a text says how: the operator's line is added to one that does not. Where they
//! cannot, since their networks let no answer back (`one_way.txt`), the text must have in it a link or an address
//! that the operator named, or it is refused. All of it is said of the text as it leaves, so that what is priced,
//! approved and compared with others is that.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::limits::Policy;
use super::marketing::Marketing;
use super::quiet::Confidence;
use crate::error::{Error, ErrorKind, Result};
use crate::sms::number::{Number, Region};
use crate::sms::purpose::Purpose;
use crate::sms::untrusted::escape;

static ONE_WAY: &str = include_str!("marketing/one_way.txt");

/// When the rows were gathered.
const GATHERED: &str = "2026-11-26";

/// A country whose networks let no answer back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneWay {
    /// Which.
    pub country: Region,
    /// How sure that is.
    pub confidence: Confidence,
    /// Who says so.
    pub source: &'static str,
}

static ROWS: LazyLock<Vec<OneWay>> =
    LazyLock::new(|| ONE_WAY.lines().filter_map(|line| read(line)?.ok()).collect());

/// One line of the table; nothing for a comment.
fn read(line: &'static str) -> Option<std::result::Result<OneWay, String>> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let [country, confidence, source] = columns.as_slice() else {
        return Some(Err(format!("{line:?} has not three columns")));
    };
    let confidence = match *confidence {
        "high" => Confidence::High,
        "medium" => Confidence::Medium,
        "low" => Confidence::Low,
        other => return Some(Err(format!("{other:?} is no confidence"))),
    };
    let country = country.parse().map_err(|_| format!("{country:?} is no country"));
    Some(country.map(|country| OneWay { country, confidence, source }))
}

/// Where the networks let no answer back, where that is so.
fn one_way(to: &Number) -> Option<&'static OneWay> {
    ROWS.iter().find(|row| Some(row.country) == to.region())
}

impl Policy {
    /// A text as it leaves for this purpose: one of marketing says how its reader gets no more.
    ///
    /// # Errors
    /// [`ErrorKind::NoWayOut`] where they cannot answer, and the text has none of the ways that the operator named.
    pub fn worded<'a>(&self, to: &Number, purpose: Purpose, text: &'a str) -> Result<Cow<'a, str>> {
        let rules = &self.marketing;
        if purpose != Purpose::Marketing {
            return Ok(Cow::Borrowed(text));
        }
        if let Some(row) = one_way(to) {
            return if rules.has_way_out(text) {
                Ok(Cow::Borrowed(text))
            } else {
                Err(no_way_out(row, rules))
            };
        }
        match rules.line(to.region()).filter(|_| !rules.says_how(text)) {
            Some(line) => Ok(Cow::Owned(format!("{}\n{line}", text.trim_end()))),
            None => Ok(Cow::Borrowed(text)),
        }
    }

    /// A text without a line of the operator's that was added to it.
    pub fn without_line<'a>(&self, text: &'a str) -> &'a str {
        let mut lines = self.marketing.require_stop_text.values();
        lines.find_map(|line| text.strip_suffix(line.as_str())).unwrap_or(text)
    }
}

fn no_way_out(row: &OneWay, rules: &Marketing) -> Error {
    let named = match rules.way_out.as_slice() {
        [] => "the operator named none ([marketing] way_out)".to_owned(),
        ways => ways.iter().map(|way| escape(way)).collect::<Vec<_>>().join(" or "),
    };
    let message = format!(
        "people in {} cannot answer a text, so marketing to them needs in it a way to get no more: {named} ({}; \
         {GATHERED}, confidence {})",
        row.country,
        row.source,
        row.confidence.as_str()
    );
    let error = Error::new(ErrorKind::NoWayOut, message);
    if rules.way_out.is_empty() {
        return error.next("Nothing was sent. Only the operator can name one. Tell the user.");
    }
    error
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::policy::Settings;

    fn rules(ways: &[&str], lines: &[(&str, &str)]) -> Marketing {
        Marketing {
            way_out: ways.iter().map(|way| (*way).to_owned()).collect(),
            require_stop_text: lines.iter().map(|(name, line)| ((*name).into(), (*line).into())).collect(),
        }
    }

    fn worded(rules: &Marketing, to: &str, purpose: Purpose, text: &str) -> Result<String> {
        let policy = Policy::new(Settings::default(), BTreeMap::new()).marketing(rules.clone());
        policy.worded(&Number::parse(to, None).unwrap(), purpose, text).map(Cow::into_owned)
    }

    #[test]
    fn every_row_is_read_and_stands_in_the_document() {
        let lines = ONE_WAY.lines().filter_map(read);
        let read: Vec<OneWay> = lines.map(std::result::Result::unwrap).collect();
        assert_eq!((read.len(), &read), (4, &*ROWS));
        let page = include_str!("../../docs/CONSENT.md");
        for row in read {
            let line = format!("| {} | {} |", row.country, row.confidence.as_str());
            assert!(page.contains(&line), "{line}");
        }
    }

    #[test]
    fn marketing_to_who_cannot_answer_has_a_way_out_that_the_operator_named_or_is_refused() {
        let rules = rules(&["https://example.com/stop", "stop@example.com"], &[]);
        let saudi = "+966512345678";
        let told = |text: &str| worded(&rules, saudi, Purpose::Marketing, text);
        for text in [
            "Sale! No more: https://example.com/stop",
            "Sale (https://EXAMPLE.com/stop).",
            "Sale. stop@example.com, that is",
        ] {
            assert_eq!(told(text).unwrap(), text);
        }
        for text in [
            "Sale! Reply STOP to end",
            "Sale! https://example.com/stopwatch",
            "Sale! https://example.com/stop.evil.example",
            "Sale! https://evil.example/?https://example.com/stop",
            "Sale! nostop@example.com",
        ] {
            let refused = told(text).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::NoWayOut, "{text}");
            assert!(
                refused.message().contains("SA") && refused.message().contains("docs.mapp.com"),
                "{refused}"
            );
            assert!(refused.message().contains("https://example.com/stop or stop@example.com"), "{refused}");
        }
        assert!(worded(&rules, saudi, Purpose::Transactional, "Your code").is_ok());
        assert!(worded(&rules, "+12025550123", Purpose::Marketing, "Sale!").is_ok());
        let none = worded(&Marketing::default(), saudi, Purpose::Marketing, "Sale!").unwrap_err();
        assert!(none.next_step().contains("Only the operator"), "{}", none.next_step());
    }

    #[test]
    fn the_operators_line_is_added_once_in_the_language_of_the_country_to_marketing_that_has_none() {
        let rules = rules(
            &["https://example.com/stop"],
            &[("default", "Reply STOP to end"), ("fr", "STOP au 36180"), ("es", "Responda BAJA")],
        );
        rules.check().unwrap();
        let told = |to: &str, text: &str| worded(&rules, to, Purpose::Marketing, text).unwrap();
        assert_eq!(told("+12025550123", "Sale! "), "Sale!\nReply STOP to end");
        assert_eq!(told("+33612345678", "Soldes"), "Soldes\nSTOP au 36180");
        assert_eq!(told("+34612345678", "Rebajas"), "Rebajas\nResponda BAJA");
        assert_eq!(told("+32470123456", "Sale"), "Sale\nReply STOP to end", "Belgium reads several");
        for text in [
            "Soldes. STOP au 36180",
            "Sale! Text STOP to 12345 for no more",
            "Sale! Reply with STOP to opt out",
            "Sale! STOP to end",
            "Antworten Sie mit STOPP",
            "Sale: https://example.com/stop",
            "Sale!\nReply STOP to end",
            "\u{4fc3}\u{9500}\u{ff0c}\u{56de}TD\u{9000}\u{8ba2}",
        ] {
            assert_eq!(told("+12025550123", text), text);
        }
        for text in
            ["Stop by our shop", "We never stop!", "Don't STOP now", "Reply YES for the non-stop sale"]
        {
            assert!(told("+12025550123", text).ends_with("\nReply STOP to end"), "{text}");
        }
        assert_eq!(worded(&rules, "+12025550123", Purpose::Transactional, "Code").unwrap(), "Code");
        let policy = Policy::new(Settings::default(), BTreeMap::new()).marketing(rules);
        assert_eq!(policy.without_line("Soldes\nSTOP au 36180"), "Soldes\n");
    }

    #[test]
    fn settings_that_say_no_way_are_named() {
        let wrong = |rules: Marketing| rules.check().unwrap_err();
        assert!(wrong(rules(&["https://example.com/a b"], &[])).contains("way_out"));
        assert!(wrong(rules(&["-"], &[])).contains("way_out"));
        assert!(wrong(rules(&[], &[("fr", "STOP au 36180")])).contains("no `default`"));
        assert!(wrong(rules(&[], &[("default", "Have a nice day")])).contains("does not say how"));
        assert!(wrong(rules(&[], &[("default", "Reply STOP\nto end")])).contains("one line"));
        assert!(
            wrong(rules(&[], &[("default", "Reply STOP"), ("FR", "STOP au 36180")]))
                .contains("for no language")
        );
    }
}
