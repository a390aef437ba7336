//! `sms-mcp init`: from nothing to a short configuration that was checked, and the line that starts the server
//! in a client. It asks at a terminal; in a script every answer is an argument.
//!
//! It never writes over a file, and it changes the settings of no other program by itself: it shows the line,
//! and runs the client's own command where a person says yes.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::arguments::InitCommand;
use super::check::{self, Asked};
use super::output::{note, print_line};
use super::short::{Form, Question, Short, shown, wrong};
use super::{clients, terminal};
use crate::config::{self, Flags, KINDS, Sources};
use crate::error::{Error, ErrorKind, Result};

/// Asks, writes, checks, and shows how clients start the server. The exit code is that of the check.
pub(super) async fn init(flags: Flags, principal: Option<String>, command: InitCommand) -> Result<u8> {
    let sources = Sources::from_process(flags.clone());
    let file = config::file_to_write(&sources)?;
    if file.symlink_metadata().is_ok() {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("{} exists, and is never written over", file.display()),
        )
        .next("Name another file with --config FILE, or change that one. Nothing was written."));
    }
    let InitCommand { provider, answers } = command;
    let (short, names) = answered(provider, &answers)?;
    write(&file, &short.text())?;
    print_line(&format!("Written: {} (mode 0600).", file.display()));
    let flags = Flags { config: Some(file.clone()), ..flags };
    let is_default = config::default_file().is_some_and(|usual| usual == file);
    let checked =
        check::run(flags.clone(), principal, Asked { live: false, strict: false, json: false }).await;
    if checked.is_err() {
        note("The file is written, and cannot be used yet:");
    }
    let named = if is_default { None } else { Some(file.as_path()) };
    clients::show(named, flags.ledger.as_deref(), &names)?;
    checked
}

/// The short file with every answer in it, and the variables that it names.
fn answered(kind: Option<String>, given: &[String]) -> Result<(Short, Vec<String>)> {
    let is_asked = terminal::is_there();
    let kind = match kind {
        Some(kind) => kind,
        None if is_asked => ask_kind()?,
        None => {
            return Err(wrong(&format!(
                "here is no terminal to ask at: name --provider {}",
                KINDS.join("|")
            )));
        }
    };
    let mut short = Short::of(&kind).ok_or_else(|| wrong(&format!("there is no short file for {kind}")))?;
    let questions = short.questions();
    let given = pairs(given, &kind, &questions)?;
    let answer_of = |name: &str| given.iter().find(|(given, _)| *given == name).map(|(_, answer)| *answer);
    let missing: Vec<String> = questions
        .iter()
        .filter(|question| question.default.is_none() && question.form != Form::Rates)
        .filter(|question| answer_of(&question.name).is_none())
        .map(Question::sample)
        .collect();
    if !is_asked && !missing.is_empty() {
        return Err(wrong(&format!(
            "here is no terminal to ask at, and {kind} still needs: {}",
            missing.join("; ")
        )));
    }
    let mut destinations = String::new();
    for question in &questions {
        match answer_of(&question.name) {
            Some(answer) => take(&mut short, question, answer)?,
            None if question.form == Form::Rates && is_asked => {
                ask_rates(&mut short, question, &destinations)?
            }
            None if is_asked => ask(&mut short, question, &mut destinations)?,
            None => {}
        }
        if let Some(answer) = answer_of(&question.name).filter(|_| question.form == Form::List) {
            answer.clone_into(&mut destinations);
        }
    }
    let names = config::variables(&short.text())?;
    Ok((short, names))
}

/// The answers of the command line, each of a question that there is.
fn pairs<'a>(given: &'a [String], kind: &str, questions: &[Question]) -> Result<Vec<(&'a str, &'a str)>> {
    let mut pairs = Vec::with_capacity(given.len());
    for one in given {
        let (name, answer) = one.split_once('=').ok_or_else(|| wrong("an answer is written NAME=VALUE"))?;
        let Some(question) = questions.iter().find(|question| question.name == name) else {
            let names: Vec<&str> = questions.iter().map(|question| question.name.as_str()).collect();
            return Err(wrong(&format!(
                "{kind} asks for no \"{}\"; it asks for {}",
                shown(name),
                names.join(", ")
            )));
        };
        let is_place = answer.starts_with("env:") || answer.starts_with("file:");
        if question.form == Form::Secret && !is_place {
            return Err(wrong(&format!(
                "{name} would stand in the shell's history and in the list of processes; write {}",
                question.sample()
            )));
        }
        pairs.push((name, answer));
    }
    Ok(pairs)
}

fn ask_kind() -> Result<String> {
    loop {
        let typed = terminal::ask(&format!("Which provider? {} [sandbox]:", KINDS.join(", ")))?;
        let kind = if typed.is_empty() { "sandbox".to_owned() } else { typed };
        if KINDS.contains(&kind.as_str()) {
            return Ok(kind);
        }
        note(&format!("There is no \"{}\".", shown(&kind)));
    }
}

/// Asks until the answer is one.
fn ask(short: &mut Short, question: &Question, destinations: &mut String) -> Result<()> {
    loop {
        note("");
        note(&question.about);
        let typed = match (&question.default, question.form) {
            (_, Form::Secret) => {
                terminal::ask_hidden(&format!("{}, or env:NAME, or file:PATH", question.name))?
            }
            (Some(default), _) => terminal::ask(&format!("{} [{default}]:", question.name))?,
            (None, Form::List) => {
                terminal::ask(&format!("{} (such as US,CA; all for every country):", question.name))?
            }
            (None, _) => terminal::ask(&format!("{}:", question.name))?,
        };
        let answer = if typed.is_empty() { question.default.clone().unwrap_or_default() } else { typed };
        if answer.is_empty() {
            note("It has to be answered.");
            continue;
        }
        match take(short, question, &answer) {
            Ok(()) => {
                if question.form == Form::List {
                    *destinations = answer;
                }
                return Ok(());
            }
            Err(error) => note(error.message()),
        }
    }
}

/// Asks what a text costs in each of these destinations. Nothing answered is a price that nobody tells.
fn ask_rates(short: &mut Short, question: &Question, destinations: &str) -> Result<()> {
    let named = destinations.split(',').map(str::trim).filter(|name| !name.is_empty());
    let named: Vec<&str> = named.filter(|name| !name.eq_ignore_ascii_case("all")).collect();
    if named.is_empty() {
        return Ok(());
    }
    note("");
    note(&question.about);
    loop {
        let mut rates = Vec::new();
        for destination in &named {
            let typed = terminal::ask(&format!("{destination}, such as 0.014 (nothing: 0.50 is assumed):"))?;
            if !typed.is_empty() {
                rates.push(format!("{destination}:{typed}"));
            }
        }
        match take(short, question, &rates.join(",")) {
            Ok(()) => return Ok(()),
            Err(error) => note(error.message()),
        }
    }
}

/// Takes an answer with which the settings can still be read, and no other.
fn take(short: &mut Short, question: &Question, answer: &str) -> Result<()> {
    let before = short.clone();
    let taken = short.answer(question, answer).and_then(|()| config::check_text(&short.text()));
    if taken.is_err() {
        *short = before;
    }
    taken.map_err(|error| {
        let message = format!("{}: {}", question.name, error.message());
        Error::new(ErrorKind::InvalidArgument, message).next("Nothing was written.")
    })
}

/// Writes a file that only its owner reads, and that was not there.
fn write(file: &Path, text: &str) -> Result<()> {
    let cannot = |error: std::io::Error| {
        Error::new(ErrorKind::InvalidArgument, format!("cannot write {}: {error}", file.display()))
            .next("Name another file with --config FILE.")
    };
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make(folder).map_err(cannot)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut made = options.open(file).map_err(cannot)?;
    let written = made.write_all(text.as_bytes()).and_then(|()| made.sync_all());
    written.map_err(|error| {
        let _ = std::fs::remove_file(PathBuf::from(file));
        cannot(error)
    })
}

fn make(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
