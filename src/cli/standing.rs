//! What will hold by these settings, line by line: each value that matters, and where it comes from. It is
//! printed for people and given as JSON to scripts, so that both are told the same.

use serde::Serialize;
use serde_json::{Value, json};

use super::output::print_line;
use crate::app;
use crate::config::{Loaded, Secret};
use crate::engine::approvers::proves;
use crate::engine::settings::Route;

/// One value, and where it comes from.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    /// What it is about: the word in front of its line.
    what: &'static str,
    /// The setting, such as `guard.day_spend`; nothing where several make it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    setting: Option<String>,
    /// The value for scripts, where the words are not all of it.
    #[serde(skip_serializing_if = "Value::is_null")]
    value: Value,
    /// In words.
    says: String,
    /// A line of the file, a variable, a flag, or `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

/// Lines of parts.
pub(super) struct Standing<'a> {
    loaded: &'a Loaded,
    lines: Vec<Vec<Part>>,
}

impl<'a> Standing<'a> {
    /// What holds by these settings.
    pub(super) fn of(loaded: &'a Loaded) -> Self {
        let mut standing = Self { loaded, lines: Vec::new() };
        standing.files();
        standing.carriers();
        standing.destinations();
        standing.limits();
        standing.listeners();
        standing.callers();
        standing.approvers();
        standing
    }

    /// Prints the lines. What a line is about stands in front of the first of them.
    pub(super) fn print(&self) {
        let mut before = "";
        for line in &self.lines {
            let what = line.first().map_or("", |part| part.what);
            let label = if what == before { "" } else { what };
            before = what;
            let mut said = String::new();
            for part in line {
                let is_joined = said.is_empty() || part.says.starts_with("and ");
                said.push_str(if said.is_empty() {
                    ""
                } else if is_joined {
                    " "
                } else {
                    ", "
                });
                said.push_str(&part.says);
                if let Some(from) = &part.from {
                    said.push_str(&format!(" [{from}]"));
                }
            }
            print_line(&format!("  {label:<9} {said}"));
        }
    }

    /// All parts, for scripts.
    pub(super) fn parts(&self) -> Vec<&Part> {
        self.lines.iter().flatten().collect()
    }

    fn line(&mut self, parts: impl IntoIterator<Item = Part>) {
        self.lines.push(parts.into_iter().collect());
    }

    /// A value that one setting says.
    fn part(&self, what: &'static str, setting: &str, value: Value, says: impl Into<String>) -> Part {
        let from = Some(self.loaded.origins.of(setting).to_string());
        Part { what, setting: Some(setting.to_owned()), value, says: says.into(), from }
    }

    fn files(&mut self) {
        let Loaded { file, ledger, live_ledger, mark, has_real, overrides, .. } = self.loaded;
        let shown = app::shown(file.as_deref());
        self.line([self.part("file", "config", json!(file), shown)]);
        if !overrides.is_empty() {
            self.line([words("file", format!("and the variables {}", overrides.join(", ")))]);
        }
        self.line([self.part("ledger", "ledger.file", json!(ledger), ledger.display().to_string())]);
        if let Some(live) = live_ledger {
            let says = format!("the sandbox's own; with a real provider it is {}", live.display());
            self.line([words("ledger", says)]);
        }
        if *has_real {
            let says = mark.as_ref().map_or_else(
                || "none: an older ledger in its place is not noticed".to_owned(),
                |mark| mark.path().display().to_string(),
            );
            let path = json!(mark.as_ref().map(|mark| mark.path()));
            self.line([self.part("mark", "ledger.mark", path, says)]);
        }
    }

    fn carriers(&mut self) {
        for (at, provider) in self.loaded.config.provider.iter().enumerate() {
            let settings = provider.settings();
            let written = serde_json::to_value(provider).unwrap_or_default();
            let text = |name: &str| written.get(name).and_then(Value::as_str).map(str::to_owned);
            let (name, kind) = (provider.name(), text("kind").unwrap_or_default());
            let is_real = if settings.is_real() { "" } else { ": nothing leaves this machine" };
            let value = json!({ "name": name, "kind": kind, "is_real": settings.is_real() });
            let shown = if name == kind { name.to_owned() } else { format!("{name} ({kind})") };
            let mut line = vec![self.part("provider", &format!("provider.{at}"), value, shown + is_real)];
            for (setting, before) in [("base_url", "at "), ("address", "at "), ("from", "sender ")] {
                line.extend(text(setting).map(|said| {
                    let says = format!("{before}{said}");
                    self.part("provider", &format!("provider.{at}.{setting}"), json!(said), says)
                }));
            }
            line.extend(settings.secrets().iter().filter_map(|wanted| {
                let says = format!("{} {}", wanted.name, place(wanted.secret?));
                Some(self.part("provider", &format!("provider.{at}.{}", wanted.name), Value::Null, says))
            }));
            self.line(line);
        }
        for (at, route) in self.loaded.config.route.iter().enumerate() {
            let part = self.part("route", &format!("route.{at}"), json!(route), route_words(route));
            self.line([part]);
        }
    }

    fn destinations(&mut self) {
        let guard = &self.loaded.config.guard;
        let names = |list: &[crate::sms::destination::Destination]| {
            list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let allowed = if guard.allow_destinations.is_empty() {
            "every country".to_owned()
        } else {
            format!("only {}", names(&guard.allow_destinations))
        };
        let denied = if guard.deny_destinations.is_empty() {
            "none is excluded".to_owned()
        } else {
            format!("never {}", names(&guard.deny_destinations))
        };
        self.line([
            self.part("countries", "guard.allow_destinations", json!(guard.allow_destinations), allowed),
            self.part("countries", "guard.deny_destinations", json!(guard.deny_destinations), denied),
        ]);
        if !guard.allow_senders.is_empty() {
            let says = format!("only {}", guard.allow_senders.join(", "));
            self.line([self.part("senders", "guard.allow_senders", json!(guard.allow_senders), says)]);
        }
        let rates = &self.loaded.config.rates;
        if !rates.is_empty() {
            let each: Vec<String> =
                rates.iter().map(|(where_to, rate)| format!("{where_to} {rate}")).collect();
            let says = format!("{} {} a segment", each.join(", "), guard.currency);
            self.line([self.part("rates", "rates", json!(rates), says)]);
        }
        let unknown = guard.price_when_unknown;
        let says = format!("{unknown} {} a segment where nobody tells a price", guard.currency);
        self.line([self.part("unknown", "guard.price_when_unknown", json!(unknown), says)]);
    }

    fn limits(&mut self) {
        let guard = &self.loaded.config.guard;
        let currency = guard.currency;
        let part = |setting: &str, value: Value, says: String| {
            self.part("limits", &format!("guard.{setting}"), value, says)
        };
        let is_void = |is: bool| if is { " (the day's is less)" } else { "" };
        let session = [
            part(
                "session_spend",
                json!(guard.session_spend),
                format!(
                    "session {} {currency}{}",
                    guard.session_spend,
                    is_void(guard.session_spend > guard.day_spend)
                ),
            ),
            part(
                "session_messages",
                json!(guard.session_messages),
                format!(
                    "and {} messages{}",
                    guard.session_messages,
                    is_void(guard.session_messages > guard.day_messages)
                ),
            ),
            part(
                "session_idle",
                json!(guard.session_idle),
                format!("it closes after {} without use", guard.session_idle),
            ),
        ];
        let day = [
            part("day_spend", json!(guard.day_spend), format!("day {} {currency}", guard.day_spend)),
            part("day_messages", json!(guard.day_messages), format!("and {} messages", guard.day_messages)),
        ];
        let total = guard.total_spend.map_or_else(
            || "total no limit".to_owned(),
            |total| format!("total {total} {currency} in the ledger's whole life"),
        );
        let total = [part("total_spend", json!(guard.total_spend), total)];
        let number = [
            part(
                "recipient_per_hour",
                json!(guard.recipient_per_hour),
                format!("one number {} an hour", guard.recipient_per_hour),
            ),
            part(
                "recipient_per_day",
                json!(guard.recipient_per_day),
                format!("and {} a day", guard.recipient_per_day),
            ),
            part(
                "duplicate_window",
                json!(guard.duplicate_window),
                format!("the same text once in {}", guard.duplicate_window),
            ),
        ];
        let pace = [
            part(
                "sends_per_second",
                json!(guard.sends_per_second),
                format!("pace {} a second", guard.sends_per_second),
            ),
            part("bulk_max", json!(guard.bulk_max), format!("bulks up to {} recipients", guard.bulk_max)),
            part(
                "max_segments",
                json!(guard.max_segments),
                format!("texts up to {} segments", guard.max_segments),
            ),
        ];
        for line in [Vec::from(session), day.into(), total.into(), number.into(), pace.into()] {
            self.lines.push(line);
        }
    }

    fn listeners(&mut self) {
        let http = &self.loaded.config.http;
        let token = if self.loaded.http_token.is_some() { "with" } else { "without" };
        self.line([self.part(
            "http",
            "http.listen",
            json!(http.listen),
            format!("{} ({token} bearer token), where `serve --http` is run", http.listen),
        )]);
        if !http.allowed_hosts.is_empty() {
            let says = format!("called {}", http.allowed_hosts.join(", "));
            self.line([self.part("http", "http.allowed_hosts", json!(http.allowed_hosts), says)]);
        }
        let webhook = http.public_url.as_ref().map_or_else(
            || "none: without [http] public_url no vendor can call this server".to_owned(),
            |url| format!("{}/webhooks/... (`sms-mcp provider NAME webhook-url`)", url.trim_end_matches('/')),
        );
        self.line([self.part("webhook", "http.public_url", json!(http.public_url), webhook)]);
        let tools = &self.loaded.config.tools;
        let sets = json!(tools.toolsets);
        let names: Vec<&str> = sets.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let says = names.join(", ");
        let mut line = vec![self.part("tools", "tools.toolsets", sets.clone(), says)];
        if tools.read_only {
            line.push(self.part("tools", "tools.read_only", json!(true), "only those that change nothing"));
        }
        self.line(line);
    }

    /// Who decides what agents may not, and whether one-time codes count.
    fn approvers(&mut self) {
        let who = match app::deciders(&self.loaded.ledger) {
            Ok(deciders) if deciders.approvers.is_empty() => {
                "nobody: a word that is typed at a terminal is enough".to_owned()
            }
            Ok(deciders) => {
                let each = deciders
                    .approvers
                    .iter()
                    .map(|approver| format!("{} ({})", approver.name, proves(approver)));
                each.collect::<Vec<_>>().join(", ")
            }
            Err(error) => format!("unknown: {}", error.message()),
        };
        let approval = &self.loaded.config.approval;
        let codes = if approval.takes_codes(self.loaded.http_token.is_some()) {
            "one-time codes count"
        } else {
            "one-time codes do not count where agents may be this user"
        };
        let totp = self.part("approvers", "approval.totp", json!(approval.totp), codes);
        self.line([words("approvers", who), totp]);
    }

    /// Who may call, by principal. A token is named by where it is, never by what it is.
    fn callers(&mut self) {
        let user = format!("user:{}", self.loaded.user);
        self.line([words("callers", format!("{user}, over stdio and by commands"))]);
        let part = match &self.loaded.config.http.token {
            Some(token) => self.part(
                "callers",
                "http.token",
                Value::Null,
                format!("http, over HTTP with the token {}", place(token)),
            ),
            None => words("callers", format!("{user}, over HTTP too, where everybody is this user")),
        };
        self.line([part]);
    }
}

/// What is made up of several settings, or of none.
fn words(what: &'static str, says: String) -> Part {
    Part { what, setting: None, value: Value::Null, says, from: None }
}

/// Where a secret is.
fn place(secret: &Secret) -> String {
    match secret {
        Secret::Text(_) => "written out".to_owned(),
        Secret::Env(name) => format!("in the variable {}", Secret::shown(name)),
        Secret::File(path) => format!("in the file {}", Secret::shown_path(path)),
    }
}

fn route_words(route: &Route) -> String {
    let to: Vec<String> = route.to.iter().map(ToString::to_string).collect();
    let to = if to.is_empty() { "every country".to_owned() } else { to.join(", ") };
    let from = if route.from.is_empty() { String::new() } else { format!(" from {}", route.from.join(", ")) };
    let also = if route.after_rejected { ", also after a refusal" } else { "" };
    format!("{to}{from} by {}{also}", route.providers.join(", then "))
}
