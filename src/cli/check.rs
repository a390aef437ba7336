//! `config check`: whether the settings can be used, what they mean here, and with `--live` what works at
//! each provider.

use super::ending::END_PATIENCE;
use super::opt_out::waits;
use super::output::print_line;
use crate::app::{self, Role};
use crate::config::Loaded;
use crate::engine::{Caller, Engine};
use crate::error::Result;
use crate::sms::peer::{Difference, Peer};

/// Says what the settings mean.
pub(super) async fn check(loaded: &Loaded, caller: &Caller, live: bool) -> Result<()> {
    let (unpriced, trusted) = app::check(loaded).await?;
    let config = &loaded.config;
    let guard = &config.guard;
    print_line("The configuration is fine.");
    print_line(&format!("  file      {}", app::shown(loaded.file.as_deref())));
    print_line(&format!("  ledger    {}", loaded.ledger.display()));
    if let Some(live) = &loaded.live_ledger {
        print_line(&format!("            the sandbox's own; with a real provider it is {}", live.display()));
    }
    if loaded.has_real {
        let mark = loaded.mark.as_ref().map_or_else(
            || "none: an older ledger in its place is not noticed".to_owned(),
            |mark| mark.path().display().to_string(),
        );
        print_line(&format!("  mark      {mark}"));
    }
    for provider in &config.provider {
        print_line(&format!("  provider  {}", provider.name()));
    }
    let currency = guard.currency;
    print_line(&format!(
        "  limits    session {} {currency}, day {} {currency} and {} messages",
        guard.session_spend, guard.day_spend, guard.day_messages
    ));
    if let Some((providers, assumed)) = unpriced {
        let verb = if providers.len() == 1 { "tells" } else { "tell" };
        let (each, session, day) = (assumed.each, assumed.session, assumed.day);
        print_line(&format!(
            "  prices    {} {verb} none: what [rates] has no price for is taken for {each} a segment,",
            providers.join(", ")
        ));
        print_line(&format!(
            "            which makes {session} texts a session and {day} a day, unless the price is told \
             afterwards"
        ));
        let missing: Vec<String> = assumed.missing.iter().map(ToString::to_string).collect();
        let rates = config.rates.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match (missing.is_empty(), rates.is_empty()) {
            (false, _) => print_line(&format!("            [rates] lacks {}", missing.join(", "))),
            (true, true) => print_line(
                "            [rates] is empty: add the price of each country that you text, such as US = \
                 \"0.0079\"",
            ),
            (true, false) => print_line(&format!(
                "            [rates] has {rates}, and lacks every other destination; none is excluded"
            )),
        }
    }
    print_line(&format!(
        "  http      {} ({} bearer token)",
        config.http.listen,
        if loaded.http_token.is_some() { "with" } else { "without" }
    ));
    print_others(&app::others(loaded).await?);
    print_pauses(loaded);
    loaded.warnings.iter().for_each(|warning| print_line(&format!("  look      {warning}")));
    if !live {
        return trusted;
    }
    let engine = app::build(loaded, Role::Looks).await?;
    let checked = check_live(&engine, caller).await;
    engine.stop(END_PATIENCE).await;
    checked.and(trusted)
}

fn print_pauses(loaded: &Loaded) {
    match app::pauses(&loaded.ledger) {
        Ok(pauses) => {
            pauses.iter().for_each(|pause| {
                print_line(&format!(
                    "  paused    {} since {}: `sms-mcp resume`",
                    pause.what(),
                    pause.since.rfc3339()
                ))
            });
        }
        Err(error) => print_line(&format!("  paused    everything: {}", error.message())),
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

/// `config check --live`: asks each provider what works.
async fn check_live(engine: &Engine, caller: &Caller) -> Result<()> {
    let waiting = engine.pending_opt_outs(caller).await?.len();
    if waiting > 0 {
        print_line(&format!("  look      opt-out: {} for you: `sms-mcp opt-out pending`", waits(waiting)));
    }
    let mut failed = None;
    for (name, checked) in engine.check_vendors(caller).await {
        match checked {
            Ok(findings) => {
                for finding in findings {
                    let mark = if finding.is_warning { "look " } else { "works" };
                    print_line(&format!("  {mark}     {name}: {}", finding.text));
                }
            }
            Err(error) => {
                let said = error
                    .details()
                    .provider_said
                    .as_ref()
                    .map_or_else(String::new, |said| format!(" ({said})"));
                print_line(&format!("  fails     {name}: {}{said}", error.message()));
                failed.get_or_insert(error);
            }
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
