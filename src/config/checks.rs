//! What of the settings types cannot say.

use super::settings::{Config, config_error};
use crate::error::Result;
use crate::policy::Policy;
use crate::setting::Span;
use crate::sms::money::Amount;
use crate::sms::text::plan;
use crate::sms::untrusted::escape;

/// Checks what types cannot say.
pub(super) fn check(config: &Config) -> Result<()> {
    let guard = &config.guard;
    let amounts = [
        ("session_spend", Some(guard.session_spend)),
        ("day_spend", Some(guard.day_spend)),
        ("total_spend", guard.total_spend),
    ];
    for (name, amount) in amounts {
        if amount.is_some_and(|amount| amount < Amount(0)) {
            return Err(config_error(format!("guard.{name} is negative; a limit is 0 or more")));
        }
    }
    if guard.price_when_unknown <= Amount(0) {
        return Err(config_error(
            "guard.price_when_unknown must be more than 0: it is what an unknown price is taken for",
        ));
    }
    if let Some((destination, _)) = config.rates.iter().find(|(_, rate)| **rate <= Amount(0)) {
        return Err(config_error(format!("rates.\"{destination}\" must be more than 0")));
    }
    let counts = [
        ("guard.max_segments", guard.max_segments, 255),
        ("guard.bulk_max", guard.bulk_max, 100_000),
        ("guard.sends_per_second", guard.sends_per_second, 1_000_000),
        ("send.concurrency", config.send.concurrency, 1_024),
        ("http.max_connections", config.http.max_connections, 100_000),
        ("http.max_connections_per_address", config.http.max_connections_per_address, 100_000),
        ("http.max_sessions", config.http.max_sessions, 100_000),
        ("http.max_body_bytes", config.http.max_body_bytes, 64 * 1024 * 1024),
    ];
    for (name, count, most) in counts {
        if count == 0 || count > most {
            return Err(config_error(format!("{name} is {count}; it must be from 1 to {most}")));
        }
    }
    if guard.recipient_per_day > 1_000 {
        return Err(config_error(format!(
            "guard.recipient_per_day is {}; it must be from 0 to 1000",
            guard.recipient_per_day
        )));
    }
    for (name, span) in [
        ("guard.session_idle", guard.session_idle),
        ("send.timeout", config.send.timeout),
        ("send.queue_max_age", config.send.queue_max_age),
        ("send.stop_within", config.send.stop_within),
        ("schedule.late", config.schedule.late),
        ("http.header_timeout", config.http.header_timeout),
        ("http.body_timeout", config.http.body_timeout),
        ("http.write_timeout", config.http.write_timeout),
    ] {
        if span.as_millis() == 0 {
            return Err(config_error(format!("{name} must be more than 0")));
        }
    }
    if let Some(wrong) = config.approval.wrong() {
        return Err(config_error(wrong));
    }
    if !guard.purposes.contains(&guard.default_purpose) {
        return Err(config_error(format!(
            "guard.default_purpose is {}, and guard.purposes does not have it: nothing could be sent",
            guard.default_purpose
        )));
    }
    if config.tools.toolsets.is_empty() {
        return Err(config_error("tools.toolsets is empty: nothing would be offered; there is \"core\""));
    }
    config.http.check().map_err(config_error)?;
    config.replies.words().map_err(|error| config_error(error.message()))?;
    check_answers(config)?;
    config.quiet.check().map_err(config_error)?;
    config.consent.check().map_err(config_error)?;
    config.marketing.check().map_err(config_error)?;
    check_keep_for(config)?;
    check_senders(config)?;
    check_providers(config)
}

/// Each sender has its form, and is one of those that may be shown at all.
fn check_senders(config: &Config) -> Result<()> {
    let policy = Policy::new(config.guard.clone(), config.rates.clone());
    for (sender, number) in config.sender.iter().zip(1..) {
        if sender.id.is_empty() {
            return Err(config_error(format!(
                "[[sender]] {number} has no id: a number such as +33700000000, a short code or a name"
            )));
        }
        policy.check_sender(Some(&sender.id)).map_err(|refused| {
            let why = refused.message();
            config_error(format!("[[sender]] {number}, id \"{}\": {why}", escape(&sender.id)))
        })?;
    }
    Ok(())
}

/// What people are answered can be sent, and names providers that are there.
fn check_answers(config: &Config) -> Result<()> {
    let replies = &config.replies;
    replies.answers().map_err(|error| config_error(error.message()))?;
    for (name, text) in [("help_text", &replies.help_text), ("stop_text", &replies.stop_text)] {
        let segments = text.as_deref().map_or(0, |text| plan(text).segments());
        if usize::try_from(config.guard.max_segments).is_ok_and(|most| segments > most) {
            return Err(config_error(format!(
                "replies.{name} takes {segments} segments; guard.max_segments is {}",
                config.guard.max_segments
            )));
        }
    }
    let is_there = |name: &String| config.provider.iter().any(|provider| provider.name() == name);
    match replies.answer_for.iter().find(|name| !is_there(name)) {
        Some(unknown) => Err(config_error(format!(
            "replies.answer_for names the provider \"{}\", and there is none",
            escape(unknown)
        ))),
        None => Ok(()),
    }
}

/// The shortest time after which a message is forgotten: its key is known for as long, and a retry comes
/// sooner.
const LEAST_KEPT: Span = Span::hours(30 * 24);

/// Nothing may be forgotten that a setting still looks back at.
fn check_keep_for(config: &Config) -> Result<()> {
    let Some(keep_for) = config.ledger.keep_for else { return Ok(()) };
    let guard = &config.guard;
    let needs = [
        ("30 days", LEAST_KEPT),
        ("guard.duplicate_window", guard.duplicate_window),
        ("guard.session_idle", guard.session_idle),
    ];
    match needs.into_iter().find(|(_, least)| keep_for < *least) {
        Some((what, least)) => {
            Err(config_error(format!("ledger.keep_for is {keep_for}; it must be at least {least} ({what})")))
        }
        None => Ok(()),
    }
}

/// Longest name of a provider; it is part of addresses.
const MAX_NAME: usize = 64;

fn check_providers(config: &Config) -> Result<()> {
    let mut names = Vec::with_capacity(config.provider.len());
    for provider in &config.provider {
        let name = provider.name();
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if name.is_empty() || name.len() > MAX_NAME || !is_plain {
            return Err(config_error(format!(
                "provider.name \"{name}\" must be 1 to {MAX_NAME} letters, digits, \"-\", \"_\" or \".\""
            )));
        }
        if names.contains(&name) {
            return Err(config_error(format!(
                "two [[provider]] tables are called \"{name}\"; give each its own name"
            )));
        }
        names.push(name);
        provider
            .settings()
            .check()
            .map_err(|wrong| config_error(format!("[[provider]] \"{name}\": {wrong}")))?;
        if let Some(longest) =
            provider.settings().longest_send().filter(|longest| *longest >= config.send.timeout.duration())
        {
            return Err(config_error(format!(
                "[[provider]] \"{name}\": session.link_wait, throttle_wait and answer_timeout are {}s \
                 together; send.timeout is {} and must be longer",
                longest.as_secs_f64(),
                config.send.timeout
            )));
        }
        let rate = provider.settings().rate();
        for (setting, most) in
            [("per_second", rate.per_second), ("per_minute", rate.per_minute), ("per_day", rate.per_day)]
        {
            if most == Some(0) {
                return Err(config_error(format!(
                    "[[provider]] \"{name}\": rate.{setting} is 0; leave it out for no limit"
                )));
            }
        }
    }
    if config.provider.len() > 1 && config.route.is_empty() {
        return Err(config_error(
            "there are several [[provider]] tables and no [[route]] that says which carries what",
        ));
    }
    for (route, number) in config.route.iter().zip(1..) {
        if route.providers.is_empty() {
            return Err(config_error(format!("[[route]] {number} names no providers")));
        }
        if let Some(unknown) = route.providers.iter().find(|name| !names.contains(&name.as_str())) {
            return Err(config_error(format!(
                "[[route]] {number} names the provider \"{unknown}\"; there are {}",
                names.join(", ")
            )));
        }
    }
    Ok(())
}
