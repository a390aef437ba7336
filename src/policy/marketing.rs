//! `[marketing]`: how whoever gets a text that sells can have no more of them.
//!
//! Where people can answer, a text says how: the operator's line is added to one that does not. Where they
//! cannot, since their networks let no answer back (`one_way.txt`), the text must have in it a link or an address
//! that the operator named, or it is refused. All of it is said of the text as it leaves, so that what is priced,
//! approved and compared with others is that.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::Policy;
use super::quiet::Confidence;
use crate::error::{Error, ErrorKind, Result};
use crate::sms::number::{Number, Region};
use crate::sms::purpose::Purpose;
use crate::sms::reply::announces_stop;
use crate::sms::untrusted::escape;

static ONE_WAY: &str = include_str!("marketing/one_way.txt");

/// When the rows were gathered.
const GATHERED: &str = "2026-11-26";

/// The name of the line for every country that has none in its language.
const DEFAULT: &str = "default";

/// Longest line that is added, and longest way out, in characters.
const MAX_LINE: usize = 100;

/// The countries where nearly everybody reads one language, by that language.
const LANGUAGES: [(&str, &str); 24] = [
    ("ar", "AE BH DZ EG IQ JO KW LB LY MA OM QA SA TN YE"),
    ("bg", "BG"),
    ("cs", "CZ"),
    ("da", "DK"),
    ("de", "AT DE LI"),
    ("el", "CY GR"),
    ("en", "AU GB IE NZ US"),
    ("es", "AR BO CL CO CR CU DO EC ES GT HN MX NI PA PE PY SV UY VE"),
    ("fi", "FI"),
    ("fr", "FR MC"),
    ("he", "IL"),
    ("hu", "HU"),
    ("it", "IT SM VA"),
    ("ja", "JP"),
    ("ko", "KR"),
    ("nl", "NL"),
    ("no", "NO"),
    ("pl", "PL"),
    ("pt", "AO BR MZ PT"),
    ("ro", "MD RO"),
    ("ru", "RU"),
    ("sv", "SE"),
    ("tr", "TR"),
    ("zh", "CN TW"),
];

/// `[marketing]`: how whoever gets marketing can have no more of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Marketing")]
pub struct Marketing {
    /// Links and addresses at which people can have no more marketing. Where they cannot answer a text (AE, QA,
    /// SA, TR), one of them must stand in it.
    pub way_out: Vec<String>,
    /// The line that is added to a text of marketing which does not say how to get no more, by the language of
    /// the recipient's country, with `default` for all others. Nothing set: none is added.
    pub require_stop_text: BTreeMap<String, String>,
}

impl Marketing {
    /// What types cannot say of it.
    ///
    /// # Errors
    /// In words for the operator: which setting, and what would be right.
    pub fn check(&self) -> std::result::Result<(), String> {
        for way in &self.way_out {
            let is_one = way.chars().count() <= MAX_LINE && !way.contains(char::is_whitespace);
            if !is_one || way.chars().filter(|c| c.is_alphanumeric()).count() < 4 {
                let shown = escape(way);
                return Err(format!(
                    "marketing.way_out has \"{shown}\"; write a link or an address without spaces, such as \
                     \"https://example.com/stop\""
                ));
            }
        }
        for (language, line) in &self.require_stop_text {
            let name = format!("marketing.require_stop_text.{}", escape(language));
            if language != DEFAULT && !LANGUAGES.iter().any(|(known, _)| known == language) {
                let known: Vec<&str> = LANGUAGES.iter().map(|(known, _)| *known).collect();
                return Err(format!(
                    "{name} is for no language here; there are default, {}",
                    known.join(", ")
                ));
            }
            if line.chars().count() > MAX_LINE || line.trim() != line || line.chars().any(char::is_control) {
                return Err(format!("{name} must be one line of at most {MAX_LINE} characters"));
            }
            if !self.says_how(line) {
                return Err(format!(
                    "{name} does not say how to get no more texts; write such as \"Reply STOP to end\", or one of \
                     marketing.way_out"
                ));
            }
        }
        if !self.require_stop_text.is_empty() && !self.require_stop_text.contains_key(DEFAULT) {
            return Err(
                "marketing.require_stop_text has no `default`, for countries of other languages".to_owned()
            );
        }
        Ok(())
    }

    /// Whether a text says how its reader gets no more.
    fn says_how(&self, text: &str) -> bool {
        announces_stop(text) || self.has_way_out(text)
    }

    fn has_way_out(&self, text: &str) -> bool {
        self.way_out.iter().any(|way| stands_in(text, way))
    }

    /// The line for this country.
    fn line(&self, region: Option<Region>) -> Option<&str> {
        let region = region.map(|region| region.to_string());
        let is_spoken = |countries: &str| {
            region.as_deref().is_some_and(|region| countries.split(' ').any(|one| one == region))
        };
        let language = LANGUAGES.iter().find(|(_, countries)| is_spoken(countries)).map(|(name, _)| *name);
        let line = language.and_then(|language| self.require_stop_text.get(language));
        line.or_else(|| self.require_stop_text.get(DEFAULT)).map(String::as_str)
    }
}

/// Whether this stands in a text as a whole: with more behind it a link leads elsewhere.
fn stands_in(text: &str, way: &str) -> bool {
    let (text, way) = (text.to_lowercase(), way.to_lowercase());
    text.match_indices(&way).any(|(at, found)| {
        let (before, behind) = (text.get(..at), text.get(at + found.len()..));
        let begins = before.unwrap_or_default().chars().next_back();
        let mut behind = behind.unwrap_or_default().chars();
        let is_end = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let ends = match behind.next() {
            Some('.' | ',' | '!' | '?' | ';' | ')') => is_end(behind.next()),
            c => is_end(c),
        };
        ends && begins.is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ':' | '<'))
    })
}

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
    /// The same, with these rules about marketing.
    #[must_use]
    pub fn marketing(self, marketing: Marketing) -> Self {
        Self { marketing, ..self }
    }

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
