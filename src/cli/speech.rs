//! How the command line speaks: in commands and flags, where the tools speak in tools and arguments.
//!
//! Errors and warnings are written once, for models, and name tools (`get_status`) and arguments
//! (`allow_duplicate: true`). Everything that a command prints of them goes through [`Speech`] first. What
//! stands in double quotes is somebody's own words, and stays as it is.

use serde_json::{Value, json};

use super::arguments::Command;
use crate::engine::contract::{BalanceAnswer, BulkAnswer, ListAnswer, SendAnswer, StatusAnswer};
use crate::error::{Error, ErrorKind, RefusedRecipient};
use crate::mcp::render::{MOST_REFUSED, error_json};

/// What a phrase of the tools is on the command line. The first that fits is taken, so longer ones stand
/// before what they begin with. `{status}` is the command that shows the message which an error names.
const PHRASES: [(&str, &str); 26] = [
    ("Call open_session for a new handle, or leave `session` out.", "Handles are for clients of MCP."),
    ("handles come from open_session", "handles are for clients of MCP"),
    ("a next_cursor of list_sms", "a cursor that `sms-mcp list` printed"),
    ("a next_cursor of get_status", "a `next_cursor` that `sms-mcp status --json` printed"),
    ("on_invalid: \"skip\"", "--on-invalid skip"),
    ("`dry_run: true`", "--dry-run"),
    ("allow_duplicate: true", "--allow-duplicate"),
    ("dry_run: true", "--dry-run"),
    ("call again", "run the command again"),
    ("allow_duplicate", "--allow-duplicate"),
    ("idempotency_key", "--idempotency-key"),
    ("cancel_sms", "`sms-mcp cancel`"),
    ("send_at_local", "--send-at-local"),
    ("send_at", "--send-at"),
    ("deliver_by", "--deliver-by"),
    ("on_invalid", "--on-invalid"),
    ("dry_run", "--dry-run"),
    ("get_status", "`{status}`"),
    ("list_sms", "`sms-mcp list`"),
    ("get_balance", "`sms-mcp balance`"),
    ("send_sms", "`sms-mcp send`"),
    ("send_bulk", "`sms-mcp bulk`"),
    ("open_session", "the sessions of MCP clients"),
    ("next_cursor", "--cursor"),
    ("max_spend", "the limit of a handle"),
    ("max_messages", "the limit of a handle"),
];

/// Arguments that are no flags in some command: the command, the argument, what stands for it in its usage.
const POSITIONAL: [(&str, &str, &str); 5] = [
    ("send", "to", "TO"),
    ("send", "message", "MESSAGE"),
    ("campaign", "list", "LIST"),
    ("status", "id", "ID"),
    ("reconcile", "id", "ID"),
];

/// What stands before the first of several faults in an error that lists all of them.
const THE_FIRST: &str = "; the first: ";

/// Arguments that are flags in some command.
const FLAGS: [&str; 16] = [
    "from",
    "idempotency_key",
    "allow_duplicate",
    "dry_run",
    "on_invalid",
    "purpose",
    "send_at",
    "send_at_local",
    "deliver_by",
    "limit",
    "cursor",
    "since",
    "until",
    "batch",
    "status",
    "at",
];

/// The speech of one command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Speech {
    command: &'static str,
}

impl Speech {
    /// The speech of this command.
    pub(super) const fn of(command: &Command) -> Self {
        let command = match command {
            Command::Send(_) => "send",
            Command::Bulk(_) => "bulk",
            Command::List(_) => "list",
            Command::Campaign(_) => "campaign",
            Command::Status { .. } => "status",
            Command::Reconcile(_) => "reconcile",
            _ => "",
        };
        Self { command }
    }

    /// A text for people at a terminal. `id` is the message or bulk that it speaks of.
    pub(super) fn say(self, text: &str, id: Option<&str>) -> String {
        let status = format!("sms-mcp status {}", id.unwrap_or("ID"));
        let mut said = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let is_inside = said.chars().next_back().is_some_and(is_name);
            let phrase = PHRASES.iter().find(|(phrase, _)| !is_inside && begins(rest, phrase));
            if let Some((phrase, spoken)) = phrase {
                // A flag in backticks is one in backticks; a command brings its own.
                let is_quoted = said.ends_with('`')
                    && rest.get(phrase.len()..).is_some_and(|after| after.starts_with('`'));
                let spoken = if is_quoted { spoken.trim_matches('`') } else { spoken };
                said.push_str(&spoken.replace("{status}", &status));
                rest = rest.get(phrase.len()..).unwrap_or_default();
            } else if let Some((argument, after)) = argument(rest) {
                let spoken = self.argument(argument);
                // One that no command has may still be a tool.
                rest =
                    if spoken.is_some() { after } else { rest.get(first.len_utf8()..).unwrap_or_default() };
                said.push_str(&spoken.unwrap_or_else(|| first.to_string()));
            } else {
                // Somebody's own words, whole.
                let own = if first == '"' {
                    rest.get(1..).and_then(|inside| inside.find('"')).map(|end| end + 2)
                } else {
                    None
                };
                let (same, after) =
                    rest.split_at_checked(own.unwrap_or(first.len_utf8())).unwrap_or((rest, ""));
                said.push_str(same);
                rest = after;
            }
        }
        said
    }

    /// What an argument is called in this command, where it has it.
    fn argument(self, name: &str) -> Option<String> {
        if let Some((.., usage)) =
            POSITIONAL.iter().find(|(command, argument, _)| *command == self.command && *argument == name)
        {
            return Some((*usage).to_owned());
        }
        if let Some(index) = name.strip_prefix("recipients[").and_then(|rest| rest.strip_suffix(']')) {
            return Some(format!("recipient {}", index.parse::<u64>().ok()?.checked_add(1)?));
        }
        let is_flag = FLAGS.contains(&name)
            || (self.command == "list" && name == "to")
            || (self.command != "send" && name == "message");
        match name {
            "recipients" => Some("the recipients".to_owned()),
            _ => is_flag.then(|| format!("`--{}`", name.replace('_', "-"))),
        }
    }

    /// What an error says. One of the configuration speaks of settings, which have the names of arguments and
    /// are none.
    fn of_error(self, error: &Error, text: &str) -> String {
        match error.kind() {
            ErrorKind::Config => text.to_owned(),
            _ => self.say(text, error.details().message_id.as_deref()),
        }
    }

    /// An error as people read it: what happened, what is wrong with which recipient, and what to do.
    pub(super) fn lines(self, error: &Error) -> Vec<String> {
        let id = error.details().message_id.as_deref();
        let mut message = error.message();
        if !error.details().refused.is_empty() {
            // It is told once, among those below.
            message = message.split(THE_FIRST).next().unwrap_or(message);
        }
        // What is wrong with a file is shown with its lines.
        let said = format!("error: {} ({})", self.of_error(error, message), error.kind());
        let mut lines: Vec<String> = if error.kind() == ErrorKind::Config {
            said.lines().map(ToOwned::to_owned).collect()
        } else {
            vec![said]
        };
        let each = |refused: &RefusedRecipient| {
            format!("  {}: {} ({})", refused.to, self.say(&refused.message, id), refused.code)
        };
        lines.extend(error.details().refused.iter().map(each));
        lines.extend(error.details().provider_said.as_ref().map(|said| format!("provider: {said}")));
        lines.push(self.of_error(error, error.next_step()));
        lines
    }

    /// An error as `--json` prints it.
    pub(super) fn json(self, error: &Error) -> Value {
        let id = error.details().message_id.as_deref();
        let refused =
            error.details().refused.iter().take(MOST_REFUSED).map(|refused| RefusedRecipient {
                message: self.say(&refused.message, id),
                ..refused.clone()
            });
        let mut shown = error_json(error);
        let said = [
            ("message", json!(self.of_error(error, error.message()))),
            ("next", json!(self.of_error(error, error.next_step()))),
            ("refused", json!(refused.collect::<Vec<_>>())),
        ];
        for (name, value) in said {
            if let Some(place) = shown.get_mut(name) {
                *place = value;
            }
        }
        shown
    }

    /// Says the warnings and refusals of an answer, and leaves everything else as it is.
    pub(super) fn answer<T: Spoken>(self, mut answer: T) -> T {
        let id = answer.about();
        answer.texts().into_iter().for_each(|text| *text = self.say(text, id.as_deref()));
        answer
    }
}

/// An answer, as far as it speaks to whoever reads it.
pub(super) trait Spoken {
    /// Its warnings and refusals.
    fn texts(&mut self) -> Vec<&mut String>;

    /// The message or bulk that they are about.
    fn about(&self) -> Option<String> {
        None
    }
}

impl Spoken for SendAnswer {
    fn texts(&mut self) -> Vec<&mut String> {
        let refusal = self.quote.as_mut().and_then(|quote| quote.refusal.as_mut());
        self.warnings
            .iter_mut()
            .chain(refusal.into_iter().flat_map(|refusal| [&mut refusal.message, &mut refusal.next]))
            .collect()
    }

    fn about(&self) -> Option<String> {
        self.id.as_ref().map(ToString::to_string)
    }
}

impl Spoken for BulkAnswer {
    fn texts(&mut self) -> Vec<&mut String> {
        self.warnings.iter_mut().chain(self.refused.iter_mut().map(|refused| &mut refused.message)).collect()
    }

    fn about(&self) -> Option<String> {
        self.batch.as_ref().map(ToString::to_string)
    }
}

impl Spoken for StatusAnswer {
    fn texts(&mut self) -> Vec<&mut String> {
        self.warnings.iter_mut().chain(self.bulk.iter_mut().flat_map(Spoken::texts)).collect()
    }
}

impl Spoken for ListAnswer {
    fn texts(&mut self) -> Vec<&mut String> {
        self.warnings.iter_mut().collect()
    }
}

impl Spoken for BalanceAnswer {
    fn texts(&mut self) -> Vec<&mut String> {
        self.warnings.iter_mut().collect()
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// Whether a text begins with this phrase, and not with a longer word.
fn begins(text: &str, phrase: &str) -> bool {
    text.strip_prefix(phrase).is_some_and(|after| !phrase.ends_with(is_name) || !after.starts_with(is_name))
}

/// The argument in backticks that a text begins with, or the recipient of a list, and what follows.
fn argument(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('`') {
        let (name, after) = rest.split_once('`')?;
        return (!name.is_empty() && name.chars().all(|c| is_name(c) || c == '[' || c == ']'))
            .then_some((name, after));
    }
    let end = text.strip_prefix("recipients[")?.find(']')? + "recipients[".len() + 1;
    text.split_at_checked(end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;
    use crate::mcp::tools::Tools;

    const SEND: Speech = Speech { command: "send" };

    /// Every tool, and every argument whose name no plain text has.
    fn names() -> Vec<String> {
        let mut names: Vec<String> = Tools::new().list().iter().map(|tool| tool.name.to_string()).collect();
        for tool in Tools::new().list() {
            let arguments =
                tool.input_schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            names.extend(arguments.map(|(name, _)| name.clone()).filter(|name| name.contains('_')));
        }
        assert!(
            names.iter().any(|name| name == "get_status")
                && names.iter().any(|name| name == "idempotency_key"),
            "{names:?}"
        );
        names
    }

    /// Whether a text has this name, and not as a part of a longer one.
    fn has(text: &str, name: &str) -> bool {
        text.match_indices(name).any(|(at, _)| !text[..at].ends_with(is_name) && begins(&text[at..], name))
    }

    /// The texts in double quotes of a source file, without its comments and tests.
    fn literals(source: &str) -> Vec<String> {
        let code: Vec<&str> = source
            .split("#[cfg(test)]")
            .next()
            .unwrap()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        let (mut found, mut inside) = (Vec::new(), None::<String>);
        let code = code.join("\n");
        let mut characters = code.chars();
        while let Some(c) = characters.next() {
            match (&mut inside, c) {
                (Some(text), '\\') => text.extend(characters.next()),
                (Some(_), '"') => found.extend(inside.take()),
                (Some(text), c) => text.push(c),
                (None, '"') => inside = Some(String::new()),
                (None, '\'') => {
                    // A character that is a quote opens nothing.
                    let mut ahead = characters.clone();
                    if ahead.next() == Some('"') && ahead.next() == Some('\'') {
                        characters = ahead;
                    }
                }
                (None, _) => {}
            }
        }
        found
    }

    #[test]
    fn an_error_of_the_configuration_names_settings_and_no_flags() {
        let error = Error::new(
            ErrorKind::Config,
            "unknown field `form`, expected one of `name`, `from`, `allow_duplicate`",
        );
        assert!(
            SEND.lines(&error)[0].contains("`name`, `from`, `allow_duplicate`"),
            "{:?}",
            SEND.lines(&error)
        );
        assert!(SEND.json(&error)["message"].to_string().contains("`from`"));
    }

    #[test]
    fn nothing_that_the_engine_says_reaches_the_command_line_in_the_names_of_tools_and_arguments() {
        let mut files = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
        let (names, mut count) = (names(), 0);
        while let Some(path) = files.pop() {
            if path.is_dir() {
                // What is said over MCP and HTTP alone, and what is shown of them.
                let is_theirs =
                    path.ends_with("src/mcp") || path.ends_with("src/http") || path.ends_with("src/cli");
                files.extend(
                    std::fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path())
                        .filter(|_| !is_theirs),
                );
                continue;
            }
            let is_theirs = ["mcp.rs", "http.rs", "cli.rs", "main.rs", "lib.rs"]
                .iter()
                .any(|name| path.ends_with(format!("src/{name}")));
            if is_theirs || path.extension().is_none_or(|end| end != "rs") {
                continue;
            }
            for text in literals(&std::fs::read_to_string(&path).unwrap())
                .iter()
                .filter(|text| names.iter().any(|name| has(text, name)))
            {
                let said = SEND.say(text, None);
                assert!(!names.iter().any(|name| has(&said, name)), "{}: {text}: {said}", path.display());
                count += 1;
            }
        }
        assert!(count >= 20, "{count}");
    }

    #[test]
    fn a_step_is_told_as_a_command_and_its_flags() {
        let table = [
            (
                "Nothing was sent again. Check the earlier message with get_status. Only if the user wants \
                 it, call again with allow_duplicate: true.",
                "Nothing was sent again. Check the earlier message with `sms-mcp status msg_1`. Only if the \
                 user wants it, run the command again with --allow-duplicate.",
            ),
            ("`dry_run: true` shows segments", "--dry-run shows segments"),
            ("call again with on_invalid: \"skip\" to", "run the command again with --on-invalid skip to"),
            ("`idempotency_key` must be", "`--idempotency-key` must be"),
            ("`to` and `message` are TO, `from` is not", "TO and MESSAGE are TO, `--from` is not"),
            ("recipients[2] (+33): x", "recipient 3 (+33): x"),
            (
                "\"get_status\" is not an allowed sender; `sms-mcp provider` lists",
                "\"get_status\" is not an allowed sender; `sms-mcp provider` lists",
            ),
            ("forget_status stays, and so does an \" alone", "forget_status stays, and so does an \" alone"),
        ];
        for (text, expected) in table {
            assert_eq!(SEND.say(text, Some("msg_1")), expected);
        }
        assert_eq!(Speech { command: "list" }.say("`to` of `list_sms`", None), "`--to` of `sms-mcp list`");
        assert_eq!(Speech { command: "bulk" }.say("`message` is empty", None), "`--message` is empty");
        let error = Error::new(ErrorKind::NotFound, "x");
        assert!(SEND.lines(&error).last().unwrap().contains("`sms-mcp list` shows"));
    }

    #[test]
    fn every_flag_and_place_that_is_spoken_of_is_one_of_a_command() {
        let cli = Cli::command();
        let all: Vec<String> = cli
            .get_subcommands()
            .flat_map(clap::Command::get_arguments)
            .filter_map(|argument| argument.get_long())
            .map(|long| format!("--{long}"))
            .collect();
        for name in FLAGS {
            assert!(all.contains(&format!("--{}", name.replace('_', "-"))), "{name}");
        }
        for (_, spoken) in PHRASES {
            for flag in spoken.split([' ', '`']).filter(|word| word.starts_with("--")) {
                assert!(all.iter().any(|known| known == flag), "{flag}");
            }
            let command = spoken.split("sms-mcp ").nth(1).and_then(|rest| rest.split(['`', ' ']).next());
            assert!(command.is_none_or(|command| cli.find_subcommand(command).is_some()), "{spoken}");
        }
        for (command, argument, usage) in POSITIONAL {
            let command = cli.find_subcommand(command).unwrap();
            let place = command.get_arguments().find(|known| known.get_id() == argument).unwrap();
            assert!(place.is_positional() && usage.eq_ignore_ascii_case(argument));
        }
    }

    #[test]
    fn an_error_says_the_same_in_json_and_names_what_it_is_about() {
        let refused =
            RefusedRecipient { to: "+1".into(), code: "x".into(), message: "`from` is dry_run".into() };
        let error =
            Error::new(ErrorKind::OutcomeUnknown, "lost").about_message("msg_7").refused(vec![refused]);
        let shown = SEND.json(&error);
        assert!(shown["next"].as_str().unwrap().contains("Look at `sms-mcp status msg_7` later"), "{shown}");
        assert_eq!(
            (shown["id"].as_str(), shown["refused"][0]["message"].as_str()),
            (Some("msg_7"), Some("`--from` is --dry-run"))
        );
        assert_eq!(shown["code"], "outcome_unknown");
    }
}
