//! `consent`: who agreed to which texts, and who withdrew it.

use std::io::{ErrorKind as IoKind, Write as _};
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::arguments::{ConsentAction, ConsentAdd};
use super::csv::consents::{Counts, ReadRow, Sheet};
use super::deciding;
use super::ending::END_PATIENCE;
use super::gate::{Gate, Passed, Widening};
use super::gathered::counted;
use super::output::{note, print_json, print_line};
use super::proving::Proving;
use crate::access::Decision;
use crate::app::{self, Role};
use crate::config::Loaded;
use crate::engine::consents::{ConsentRecord, Given, NewConsent, shown, when};
use crate::engine::{Caller, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::sms::consent::{Latest, missing};
use crate::sms::message::hex;
use crate::sms::number::Region;

/// Records that are read at once, for an export or of a file.
const AT_ONCE: usize = 1_000;

/// `consent`, but for an import.
pub(super) async fn consent(
    engine: &Engine,
    loaded: &Loaded,
    (caller, passed): (&Caller, &Passed),
    action: ConsentAction,
) -> Result<()> {
    match action {
        ConsentAction::Add(add) => {
            let consent = added(&add, loaded.config.default_region)?;
            let (number, purpose) = (consent.number.clone(), consent.purpose);
            let is_news = engine.add_consent(passed.person()?, consent).await?;
            print_line(&format!("{number} agreed to {purpose} texts{}", known(is_news)));
            let latest = engine.latest_consent(&number, purpose).await?;
            if let Some(why) = missing(latest.as_ref(), app::now().as_millis()) {
                print_line(&format!("it does not count: {}{}", why.as_str(), of_when(latest.as_ref())));
            }
            say_where(loaded);
            Ok(())
        }
        ConsentAction::Withdraw { number, purpose, source, at } => {
            let given = Given {
                number: &number,
                purpose,
                is_given: false,
                source: &source,
                wording: None,
                at: at.as_deref(),
                expires: None,
            };
            let consent = read(loaded, &given)?;
            // It is about the person: what real texts leave from is to know it too.
            if let Some(live) = &loaded.live_ledger {
                let real =
                    app::build(&Loaded { ledger: live.clone(), ..loaded.clone() }, Role::Looks).await?;
                let noted = real.withdraw_consent(caller, consent.clone(), at.is_none()).await;
                real.stop(END_PATIENCE).await;
                noted?;
            }
            let number = consent.number.clone();
            let is_news = engine.withdraw_consent(caller, consent, at.is_none()).await?;
            print_line(&format!("{number} withdrew their consent to {purpose} texts{}", known(is_news)));
            let latest = engine.latest_consent(&number, purpose).await?;
            if missing(latest.as_ref(), app::now().as_millis()).is_none() {
                print_line(&format!("it does not count: they agreed{}", of_when(latest.as_ref())));
            }
            Ok(())
        }
        ConsentAction::Ask { number } => {
            let (number, expires) = engine.ask_consent(caller, &number).await?;
            print_line(&format!("{number} was asked; a YES counts until {}", expires.rfc3339()));
            Ok(())
        }
        ConsentAction::Show { number, json } => {
            let (number, records) = engine.consents_of(caller, &number).await?;
            show(&number, &records, json)
        }
        ConsentAction::Export => export(engine, caller).await,
        ConsentAction::Import { .. } => Err(Error::new(
            ErrorKind::Internal,
            "an import asks by itself, and was not asked for so; nothing was done",
        )),
    }
}

/// What `consent add` says, with the number as it is read here.
pub(super) fn added(add: &ConsentAdd, region: Option<Region>) -> Result<NewConsent> {
    let ConsentAdd { number, source, purpose, wording, at, expires } = add;
    let given = Given {
        number,
        purpose: *purpose,
        is_given: true,
        source,
        wording: wording.as_deref(),
        at: at.as_deref(),
        expires: expires.as_deref(),
    };
    given.read(region, app::now()).map_err(|wrong| wrong.next("Nothing was recorded."))
}

/// What a person says yes to with `consent add`, and what it is worth: whoever withdrew since then gets nothing.
pub(super) async fn decision(loaded: &Loaded, add: &ConsentAdd) -> Result<Decision> {
    let consent = added(add, loaded.config.default_region)?;
    let engine = app::build(loaded, Role::Looks).await?;
    let latest = engine.latest_consent(&consent.number, consent.purpose).await;
    engine.stop(END_PATIENCE).await;
    let is_overtaken = |latest: &Latest| !latest.is_given && latest.at_ms >= consent.at.as_millis();
    let newer = latest?.filter(is_overtaken);
    let newer =
        newer.map_or_else(String::new, |latest| format!("; does not count, withdrawn {}", when(&latest)));
    let (what, at) = (shown(&consent, add.at.is_none()), consent.at.as_millis().to_string());
    let expires = consent.expires.map(|expires| expires.as_millis().to_string());
    let at = add.at.is_some().then_some(at);
    let more = deciding::parts(&[consent.wording.as_deref(), at.as_deref(), expires.as_deref()]);
    let of = [consent.number.as_str(), consent.source.as_str(), consent.purpose.as_str()].map(str::as_bytes);
    let of: Vec<&[u8]> = of.into_iter().chain(more).collect();
    Ok(Decision::new("consent add", &format!("{what}{newer}"), &of))
}

fn read(loaded: &Loaded, given: &Given<'_>) -> Result<NewConsent> {
    given.read(loaded.config.default_region, app::now()).map_err(|wrong| wrong.next("Nothing was recorded."))
}

/// When what counts was said.
fn of_when(latest: Option<&Latest>) -> String {
    latest.map_or_else(String::new, |latest| format!(" ({})", when(latest)))
}

const fn known(is_news: bool) -> &'static str {
    if is_news { "" } else { ", which was on record already" }
}

/// The sandbox's own ledger has consents of its own.
fn say_where(loaded: &Loaded) {
    if let Some(live) = &loaded.live_ledger {
        note(&format!(
            "note: only the sandbox is configured, and this is its own ledger; with a real provider it is {}",
            live.display()
        ));
    }
}

/// `consent import`: the file is read once, so what a person says yes to is what is recorded.
pub(super) async fn import(loaded: &Loaded, caller: Caller, file: &Path, proving: &Proving) -> Result<()> {
    let sheet = Sheet::open(file)?;
    let (region, now) = (loaded.config.default_region, app::now());
    let row: Arc<ReadRow<'static>> = Arc::new(move |given: &Given<'_>| given.read(region, now));
    let (Counts { given, withdrawn }, said) = sheet.check(file, &*row)?;
    let count_of = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX));
    // Before the name of the file: a long one is cut off.
    let what = format!(
        "{} consents, {} withdrawals, SHA-256 {}: {}",
        count_of(given),
        count_of(withdrawn),
        hex(sheet.digest()),
        file.display()
    );
    note(&what);
    let decide = || Ok(Decision::new("consent import", &what, &[sheet.digest(), &said]));
    let widening = Widening::ImportConsents;
    let gate = Gate { widening, ledger: &loaded.ledger, loaded: Some(loaded), proving };
    let Some(person) = gate.pass(caller, decide).await? else { return Ok(()) };
    let engine = app::build(loaded, Role::Looks).await?;
    let taken = async {
        engine.recover().await?;
        engine.import_consents(&person, &what, Box::new(sheet.parts(AT_ONCE, row))).await
    };
    let taken = taken.await;
    engine.stop(END_PATIENCE).await;
    let taken = taken?;
    print_line(&format!(
        "{} recorded, {} were on record already",
        count_of(taken.new),
        count_of(taken.known)
    ));
    say_where(loaded);
    Ok(())
}

fn show(number: &str, records: &[ConsentRecord], json: bool) -> Result<()> {
    if json {
        let all: Vec<_> = records.iter().map(one).collect();
        return print_json(&json!({ "number": number, "consents": all }));
    }
    for ConsentRecord { said, by, approver, .. } in records {
        let wording =
            said.wording.as_ref().map_or_else(String::new, |wording| format!(", wording {wording}"));
        let until = said.expires.map_or_else(String::new, |expires| format!(", until {}", expires.rfc3339()));
        let by = if by.is_empty() { String::new() } else { format!("; recorded by {by}") };
        let approver = approver.as_ref().map_or_else(String::new, |name| format!(", approved by {name}"));
        let under = if said.number == number { String::new() } else { format!(", as {}", said.number) };
        print_line(&format!(
            "{}  {}  {:<9}  {}{wording}{until}{under}{by}{approver}",
            said.at.rfc3339(),
            said.purpose,
            status(said),
            said.source
        ));
    }
    if records.is_empty() {
        print_line(&format!("no consent of {number} is on record"));
    }
    Ok(())
}

/// A record, for scripts.
fn one(record: &ConsentRecord) -> serde_json::Value {
    let ConsentRecord { said, recorded, by, approver, .. } = record;
    json!({
        "number": said.number,
        "purpose": said.purpose,
        "status": status(said),
        "source": said.source,
        "wording": said.wording,
        "time": said.at.rfc3339(),
        "expires": said.expires.map(|expires| expires.rfc3339()),
        "recorded": recorded.rfc3339(),
        "by": by,
        "approver": approver,
    })
}

const fn status(said: &NewConsent) -> &'static str {
    if said.is_given { "given" } else { "withdrawn" }
}

/// Every record, as an import reads it. A reader that has gone away ends it.
async fn export(engine: &Engine, caller: &Caller) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let mut written = writeln!(out, "number,purpose,status,source,wording,time,expires,recorded,by,approver");
    let mut after = 0;
    let most = u32::try_from(AT_ONCE).unwrap_or(u32::MAX);
    while written.is_ok() {
        let records = engine.consents_after(caller, after, most).await?;
        let Some(last) = records.last() else { break };
        after = last.id;
        written = records.iter().try_for_each(|record| writeln!(out, "{}", line(record)));
    }
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != IoKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Internal, format!("the records could not all be written: {error}"))
                .next("What was printed is cut off. Make room, and export again."))
        }
        _ => Ok(()),
    }
}

fn line(record: &ConsentRecord) -> String {
    let ConsentRecord { said, recorded, by, approver, .. } = record;
    let fields = [
        said.number.clone(),
        said.purpose.to_string(),
        status(said).to_owned(),
        said.source.clone(),
        said.wording.clone().unwrap_or_default(),
        said.at.rfc3339(),
        said.expires.map_or_else(String::new, |expires| expires.rfc3339()),
        recorded.rfc3339(),
        by.clone(),
        approver.clone().unwrap_or_default(),
    ];
    fields.map(|field| quoted(&field)).join(",")
}

/// A field as RFC 4180 has it.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', ';', '\t', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
