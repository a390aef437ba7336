//! `config check`: whether the settings can be used, what they mean here, what is to be mended in them, and
//! with `--live` what works at each provider and what texts cost there.
//!
//! It exits with 0 where everything can be used, with 1 where a server would not start or something certainly
//! fails, and with `--strict` with 4 where something is only to be looked at.

use serde_json::{Value, json};

use super::ending::END_PATIENCE;
use super::loaded::loaded;
use super::opt_out::waits;
use super::output::{priced, print_json, print_line};
use super::speech::Speech;
use super::standing::Standing;
use crate::app::{self, Role};
use crate::config::{Finding, Flags, Level, Loaded};
use crate::engine::vendors::Tariff;
use crate::engine::{Assumed, Caller, Engine};
use crate::error::{Error, Result};
use crate::sms::destination::Destination;
use crate::sms::peer::{Difference, Peer};

/// What is asked besides the settings themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) live: bool,
    pub(super) strict: bool,
    pub(super) json: bool,
}

/// Where everything can be used, and something is to be looked at.
const TO_LOOK_AT: u8 = 4;

/// Says what the settings mean, and returns the exit code.
pub(super) async fn run(flags: Flags, principal: Option<String>, asked: Asked) -> Result<u8> {
    let checked = match loaded(flags, false) {
        Ok(loaded) => {
            let mut caller = app::process_caller(&loaded)?;
            if let Some(principal) = principal {
                caller = caller.about(principal);
            }
            check(&loaded, &caller, asked).await
        }
        Err(error) => Err(error),
    };
    match checked {
        Err(error) if asked.json => {
            print_json(&json!({ "usable": false, "refused": Speech::default().json(&error) }))?;
            Ok(1)
        }
        checked => checked,
    }
}

async fn check(loaded: &Loaded, caller: &Caller, asked: Asked) -> Result<u8> {
    let (unpriced, trusted) = app::check(loaded).await?;
    let mut findings = loaded.findings.clone();
    findings.extend(unheeded_codes(loaded));
    findings.extend(unreached(loaded));
    let has_errors = findings.iter().any(|finding| finding.level == Level::Error);
    let standing = Standing::of(loaded);
    let prices = unpriced.map_or_else(Vec::new, |unpriced| assumptions(loaded, &unpriced));
    let others = app::others(loaded).await?;
    let paused = paused(loaded);
    if !asked.json {
        print_line(if has_errors {
            "The configuration can be read, and something in it has to be mended."
        } else {
            "The configuration is fine."
        });
        standing.print();
        print_lines("prices", &prices);
        print_others(&others);
        paused.iter().for_each(|line| print_line(&format!("  paused    {line}")));
        for finding in &findings {
            let label = if finding.level == Level::Error { "mend" } else { "look" };
            print_line(&format!("  {label}      {}", finding.text));
        }
    }
    let mut live = Live::default();
    if asked.live {
        let engine = app::build(loaded, Role::Looks).await?;
        let done = live.ask(&engine, loaded, caller).await;
        engine.stop(END_PATIENCE).await;
        done?;
    }
    let has_warnings = !findings.is_empty() || live.has_warnings;
    let failed = live.failed.take().map_or(trusted, Err);
    if asked.json {
        print_json(&json!({
            "usable": failed.is_ok() && !has_errors,
            "holds": standing.parts(),
            "prices": prices,
            "others": others.iter().map(other).collect::<Vec<_>>(),
            "paused": paused,
            "findings": findings,
            "live": asked.live.then_some(live.said),
            "refused": failed.as_ref().err().map(|error| Speech::default().json(error)),
        }))?;
    } else {
        live.lines.iter().for_each(|line| print_line(line));
        failed?;
        return Ok(code(has_errors, has_warnings && asked.strict));
    }
    Ok(code(has_errors || failed.is_err(), has_warnings && asked.strict))
}

const fn code(is_wrong: bool, is_to_look_at: bool) -> u8 {
    match (is_wrong, is_to_look_at) {
        (true, _) => 1,
        (false, true) => TO_LOOK_AT,
        (false, false) => 0,
    }
}

/// What it means that these providers tell no price before they send.
fn assumptions(loaded: &Loaded, (providers, assumed): &(Vec<String>, Assumed)) -> Vec<String> {
    let verb = if providers.len() == 1 { "tells" } else { "tell" };
    let Assumed { each, session, day, missing } = assumed;
    let mut lines = vec![
        format!(
            "{} {verb} none: what [rates] has no price for is taken for {each} a segment,",
            providers.join(", ")
        ),
        format!("which makes {session} texts a session and {day} a day, unless the price is told afterwards"),
    ];
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let rates = loaded.config.rates.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    lines.push(match (missing.is_empty(), rates.is_empty()) {
        (false, _) => format!("[rates] lacks {}", missing.join(", ")),
        (true, true) => {
            "[rates] is empty: add the price of each country that you text, such as US = \"0.0079\""
                .to_owned()
        }
        (true, false) => format!("[rates] has {rates}, and lacks every other destination; none is excluded"),
    });
    lines
}

/// Approvers who are not texted, where approvers are.
fn unreached(loaded: &Loaded) -> Option<Finding> {
    if !loaded.config.approval.texts_approvers() {
        return None;
    }
    let deciders = app::deciders(&loaded.ledger).ok()?;
    let (reached, others): (Vec<_>, Vec<_>) =
        deciders.approvers.iter().partition(|approver| app::is_reached(loaded, approver));
    let names: Vec<&str> = others.iter().map(|approver| approver.name.as_str()).collect();
    let (level, text) = if reached.is_empty() {
        (
            Level::Error,
            "approvers: none has a phone that may be texted, so that no server starts; add one with --phone, in a \
             country that [guard] allows, or set [approval] notify = \"off\""
                .to_owned(),
        )
    } else if names.is_empty() {
        return None;
    } else {
        (
            Level::Warning,
            format!(
                "approvers: {} {} no phone that may be texted, and hears nothing of what waits",
                names.join(", "),
                if names.len() == 1 { "has" } else { "have" }
            ),
        )
    };
    Some(Finding { level, setting: "approval.notify".to_owned(), text })
}

/// Approvers who could not approve anything here.
fn unheeded_codes(loaded: &Loaded) -> Option<Finding> {
    if loaded.config.approval.takes_codes(loaded.http_token.is_some()) {
        return None;
    }
    let deciders = app::deciders(&loaded.ledger).ok()?;
    let with_codes: Vec<&str> = deciders
        .approvers
        .iter()
        .filter(|approver| approver.key.is_none())
        .map(|approver| approver.name.as_str())
        .collect();
    (!with_codes.is_empty()).then(|| Finding {
        level: Level::Warning,
        setting: "approval.totp".to_owned(),
        text: format!(
            "approvers: the one-time codes of {} do not count here, where agents may run as this user and read what \
             they are made of; give them SSH keys, or set [approval] totp = \"accept\"",
            with_codes.join(", ")
        ),
    })
}

fn paused(loaded: &Loaded) -> Vec<String> {
    match app::pauses(&loaded.ledger) {
        Ok(pauses) => pauses
            .iter()
            .map(|pause| format!("{} since {}: `sms-mcp resume`", pause.what(), pause.since.rfc3339()))
            .collect(),
        Err(error) => vec![format!("everything: {}", error.message())],
    }
}

/// Prints lines of which the first has the label.
fn print_lines(label: &str, lines: &[String]) {
    for (at, line) in lines.iter().enumerate() {
        print_line(&format!("  {:<9} {line}", if at == 0 { label } else { "" }));
    }
}

/// Who else sends from the ledger by other limits: of each the strictest holds, so that a forgotten one is to
/// be found here.
fn print_others(others: &[(Peer, Vec<Difference>)]) {
    for (peer, differences) in others {
        print_line(&format!("  others    {}", peer.whole_name()));
        for Difference { setting, here, there, is_stricter } in differences {
            let holds = if *is_stricter {
                "it holds while that process runs"
            } else {
                "the one here is the stricter one, and holds"
            };
            print_line(&format!("            {setting} {there} there, {here} here: {holds}"));
        }
    }
}

fn other((peer, differences): &(Peer, Vec<Difference>)) -> Value {
    let each = differences.iter().map(|Difference { setting, here, there, is_stricter }| {
        json!({ "setting": setting, "here": here, "there": there, "there_holds": is_stricter })
    });
    json!({ "process": peer.whole_name(), "differences": each.collect::<Vec<_>>() })
}

/// What `--live` found.
#[derive(Default)]
struct Live {
    lines: Vec<String>,
    said: Vec<Value>,
    has_warnings: bool,
    failed: Option<Error>,
}

impl Live {
    /// Asks each provider what works, and what texts cost.
    async fn ask(&mut self, engine: &Engine, loaded: &Loaded, caller: &Caller) -> Result<()> {
        let waiting = engine.pending_opt_outs(caller).await?.len();
        if waiting > 0 {
            let text = format!("opt-out: {} for you: `sms-mcp opt-out pending`", waits(waiting));
            self.lines.push(format!("  look      {text}"));
            self.said.push(json!({ "level": "warning", "text": text }));
            self.has_warnings = true;
        }
        for (name, checked) in engine.check_vendors(caller).await {
            match checked {
                Ok(findings) => {
                    for finding in findings {
                        let mark = if finding.is_warning { "look " } else { "works" };
                        let level = if finding.is_warning { "warning" } else { "works" };
                        self.lines.push(format!("  {mark}     {name}: {}", finding.text));
                        self.said.push(json!({ "provider": name, "level": level, "text": finding.text }));
                        self.has_warnings |= finding.is_warning;
                    }
                }
                Err(error) => {
                    let said = error
                        .details()
                        .provider_said
                        .as_ref()
                        .map_or_else(String::new, |said| format!(" ({said})"));
                    self.lines.push(format!("  fails     {name}: {}{said}", error.message()));
                    let text = format!("{}{said}", error.message());
                    self.said.push(json!({ "provider": name, "level": "error", "text": text }));
                    self.failed.get_or_insert(error);
                }
            }
        }
        if self.failed.is_none() {
            self.ask_prices(engine, loaded, caller).await;
        }
        Ok(())
    }

    /// What a text costs in each destination that the settings name. Where every country may be texted and
    /// none is named, there is nothing to ask about.
    async fn ask_prices(&mut self, engine: &Engine, loaded: &Loaded, caller: &Caller) {
        let guard = &loaded.config.guard;
        let named: Vec<Destination> = if guard.allow_destinations.is_empty() {
            loaded.config.rates.keys().cloned().collect()
        } else {
            guard.allow_destinations.clone()
        };
        for Tariff { destination, provider, price, is_told } in engine.prices(caller, &named).await {
            let whose = match &price {
                Some(Ok(price)) if price.assumed => "nobody tells it",
                Some(Ok(_)) if is_told => "told by the provider",
                Some(Ok(_)) => "by [rates]",
                Some(Err(_)) | None => "",
            };
            let text = match &price {
                Some(Ok(price)) => format!("{destination} {} a segment ({whose})", priced(price)),
                Some(Err(error)) => format!("{destination} nothing is sent: {}", error.message()),
                None => format!("{destination} no number is known there to ask the price of"),
            };
            self.lines.push(format!("  price     {provider}: {text}"));
            self.said.push(json!({
                "provider": provider, "level": if matches!(price, Some(Err(_))) { "warning" } else { "price" },
                "destination": destination, "price": price.as_ref().and_then(|price| price.as_ref().ok()),
                "text": text,
            }));
            self.has_warnings |= matches!(price, Some(Err(_)));
        }
    }
}
