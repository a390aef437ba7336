//! The short configuration of a provider: what matters for it and no more. Each is a file of `config/`, which
//! people may copy as it is; `sms-mcp init` asks for its values and puts the answers in their place.
//!
//! Every setting of such a file is a question, and the comment above it is how the question is put. So a new
//! provider brings its questions with its file.

use crate::error::{Error, ErrorKind, Result};
use crate::sms::untrusted;

/// The short files, by the kind of their provider.
const FILES: &[(&str, &str)] = &[
    ("sandbox", include_str!("../../config/sandbox.toml")),
    ("sms_for_ai", include_str!("../../config/sms_for_ai.toml")),
    ("a2p_pro", include_str!("../../config/a2p_pro.toml")),
    ("infobip", include_str!("../../config/infobip.toml")),
    ("mailersend", include_str!("../../config/mailersend.toml")),
    ("mailpro", include_str!("../../config/mailpro.toml")),
    ("plivo", include_str!("../../config/plivo.toml")),
    ("sinch", include_str!("../../config/sinch.toml")),
    ("sms_gateway", include_str!("../../config/sms_gateway.toml")),
    ("telnyx", include_str!("../../config/telnyx.toml")),
    ("twilio", include_str!("../../config/twilio.toml")),
    ("aws", include_str!("../../config/aws.toml")),
    ("vonage", include_str!("../../config/vonage.toml")),
    ("http", include_str!("../../config/http.toml")),
    ("cmpp", include_str!("../../config/cmpp.toml")),
    ("smpp", include_str!("../../config/smpp.toml")),
];

/// What stands in a short file as a sample alone: only the operator knows it. Secrets are such, too.
const YOURS: [&str; 9] =
    ["allow_destinations", "base_url", "from", "plan", "user", "address", "system_id", "sp_id", "region"];

/// How an answer is written into the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// In quotes.
    Text,
    /// A list of texts.
    List,
    /// `true` or `false`.
    Switch,
    /// A secret: here, in a variable, or in a file.
    Secret,
    /// A price for each destination.
    Rates,
}

/// A value that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The setting.
    pub(super) name: String,
    /// What is asked, in words.
    pub(super) about: String,
    /// What holds where nothing is answered; nothing where only the operator knows.
    pub(super) default: Option<String>,
    pub(super) form: Form,
}

impl Question {
    /// How the answer is written on the command line.
    pub(super) fn sample(&self) -> String {
        let name = &self.name;
        match self.form {
            Form::Secret => format!("{name}=env:NAME or {name}=file:PATH"),
            Form::List => format!("{name}=US,CA (or {name}=all)"),
            Form::Rates => format!("{name}=US:0.014,CA:0.016"),
            Form::Switch => format!("{name}=true"),
            Form::Text => format!("{name}=VALUE"),
        }
    }
}

/// A short file, as lines.
#[derive(Clone, Debug)]
pub(super) struct Short {
    lines: Vec<String>,
}

impl Short {
    /// That of this kind of provider.
    pub(super) fn of(kind: &str) -> Option<Self> {
        let (_, text) = FILES.iter().find(|(known, _)| *known == kind)?;
        Some(Self { lines: text.lines().map(str::to_owned).collect() })
    }

    /// What it asks for, in its order.
    pub(super) fn questions(&self) -> Vec<Question> {
        let (mut about, mut is_rates, mut found) = (String::new(), false, Vec::new());
        for line in &self.lines {
            if let Some(words) = line.strip_prefix("# ") {
                about = format!("{about} {words}").trim().to_owned();
            } else if line == "[rates]" {
                is_rates = true;
                let about = std::mem::take(&mut about);
                found.push(Question { name: "rates".to_owned(), about, default: None, form: Form::Rates });
            } else if let Some((name, value)) = line.split_once(" = ") {
                let form = form_of(value);
                let is_yours = YOURS.contains(&name) || form == Form::Secret;
                let default = (!is_yours).then(|| value.trim_matches('"').to_owned());
                let about = std::mem::take(&mut about);
                if name != "kind" && !is_rates {
                    found.push(Question { name: name.to_owned(), about, default, form });
                }
            } else {
                is_rates &= !line.starts_with('[');
                about.clear();
            }
        }
        found
    }

    /// Puts an answer in its place.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`], where it cannot be written there.
    pub(super) fn answer(&mut self, question: &Question, answer: &str) -> Result<()> {
        if question.form == Form::Rates {
            return self.answer_rates(answer);
        }
        let value = written(question, answer)?;
        for line in &mut self.lines {
            if line.split_once(" = ").is_some_and(|(name, _)| name == question.name) {
                *line = format!("{} = {value}", question.name);
            }
        }
        if question.name == "allow_destinations" {
            // The rates of the samples are nobody's.
            self.answer_rates("")?;
        }
        Ok(())
    }

    /// The rates in place of those that stand there: `US:0.014,CA:0.016`.
    fn answer_rates(&mut self, answer: &str) -> Result<()> {
        let Some(from) = self.lines.iter().position(|line| line == "[rates]") else { return Ok(()) };
        let rates = answer.split(',').map(str::trim).filter(|rate| !rate.is_empty());
        let mut lines = Vec::new();
        for rate in rates {
            let (destination, price) = rate
                .split_once(':')
                .ok_or_else(|| wrong(&format!("rates: \"{rate}\" is no price; write US:0.014,CA:0.016")))?;
            lines.push(format!("{} = {}", quoted(destination.trim()), quoted(price.trim())));
        }
        let after = from + 1;
        let end = self.lines.iter().skip(after).position(|line| line.is_empty()).map_or(after, |n| after + n);
        self.lines.splice(after..end, lines);
        Ok(())
    }

    /// The whole text.
    pub(super) fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}

fn form_of(value: &str) -> Form {
    match value.chars().next() {
        Some('[') => Form::List,
        Some('{') => Form::Secret,
        Some('t' | 'f') => Form::Switch,
        _ => Form::Text,
    }
}

pub(super) fn wrong(message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, message).next("Nothing was written.")
}

/// The answer as the file has it.
fn written(question: &Question, answer: &str) -> Result<String> {
    let name = &question.name;
    Ok(match question.form {
        Form::Text | Form::Rates => quoted(answer),
        Form::List if answer.eq_ignore_ascii_case("all") => "[]".to_owned(),
        Form::List => {
            let each: Vec<String> = answer.split(',').map(|one| quoted(one.trim())).collect();
            format!("[{}]", each.join(", "))
        }
        Form::Switch => match answer.to_ascii_lowercase().as_str() {
            "true" | "yes" | "y" => "true".to_owned(),
            "false" | "no" | "n" => "false".to_owned(),
            _ => return Err(wrong(&format!("{name} is true or false"))),
        },
        Form::Secret => match answer.split_once(':') {
            Some(("env", variable)) => format!("{{ env = {} }}", quoted(variable)),
            Some(("file", path)) => format!("{{ file = {} }}", quoted(path)),
            _ => quoted(answer),
        },
    })
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// What was written in place of a setting, for an error: nothing that a terminal would obey.
pub(super) fn shown(name: &str) -> String {
    untrusted::line(name).chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::config::KINDS;

    #[test]
    fn every_kind_of_provider_has_its_short_file_and_each_file_its_questions() {
        let kinds: Vec<&str> = FILES.iter().map(|(kind, _)| *kind).collect();
        let mut known = KINDS.to_vec();
        known.sort_unstable();
        let mut sorted = kinds.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, known, "a new provider needs a file in config/ and a line here");
        for kind in kinds {
            let questions = Short::of(kind).unwrap().questions();
            assert!(questions.iter().all(|question| !question.about.is_empty()), "{kind}: {questions:?}");
            assert!(questions.iter().any(|question| question.name == "day_spend"), "{kind}");
            let secrets = questions.iter().filter(|question| question.form == Form::Secret).count();
            assert_eq!(secrets == 0, kind == "sandbox", "{kind}");
        }
    }

    #[test]
    fn an_answer_stands_in_the_text_as_it_was_meant_and_never_as_more_than_that() {
        let mut short = Short::of("mailersend").unwrap();
        let questions = short.questions();
        let asked = |name: &str| questions.iter().find(|question| question.name == name).unwrap();
        for (name, answer) in [
            ("token", "a\"\n[guard]\nday_spend = 7000 #\\"),
            ("from", "+18005550199"),
            ("allow_destinations", "US, CA"),
            ("rates", "US:0.014,CA:0.016"),
        ] {
            short.answer(asked(name), answer).unwrap();
        }
        let table: toml::Table = short.text().parse().unwrap();
        assert_eq!(table["provider"][0]["token"].as_str(), Some("a\"\n[guard]\nday_spend = 7000 #\\"));
        assert_eq!(table["guard"]["day_spend"].as_str(), Some("20.00"));
        assert_eq!(table["guard"]["allow_destinations"].as_array().unwrap().len(), 2);
        assert_eq!(table["rates"].as_table().unwrap().len(), 2);
        short.answer(asked("allow_destinations"), "all").unwrap();
        short.answer(asked("token"), "env:MY_TOKEN").unwrap();
        let table: toml::Table = short.text().parse().unwrap();
        assert!(table["guard"]["allow_destinations"].as_array().unwrap().is_empty());
        assert!(table["rates"].as_table().unwrap().is_empty(), "the samples' rates go with their countries");
        assert_eq!(table["provider"][0]["token"]["env"].as_str(), Some("MY_TOKEN"));
    }
}
