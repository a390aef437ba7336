//! `approver`: who decides what agents may not. Each has an SSH key, or an app with one-time codes.

use std::io::IsTerminal as _;
use std::path::Path;

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use serde_json::json;

use super::arguments::{AddApprover, ApproverAction};
use super::ending::END_PATIENCE;
use super::gate::{Gate, Widening};
use super::output::{note, print_json, print_line};
use super::proving::Proving;
use super::terminal;
use crate::access::Decision;
use crate::access::proof::check_name;
use crate::access::ssh::PublicKey;
use crate::access::totp::Code;
use crate::app::{self, Role};
use crate::config::Loaded;
use crate::engine::approvers::{Proves, proves};
use crate::engine::{Approver, Caller, Engine};
use crate::error::{Error, ErrorKind, Result};

/// Largest file of a public key that is read.
const MOST_OCTETS: u64 = 16 * 1024 + 1;

/// How often the code of a new app may be mistyped.
const TRIES: usize = 3;

/// `approver`: who they are, one more, or one less.
pub(super) async fn approver(
    loaded: &Loaded,
    caller: Caller,
    action: Option<ApproverAction>,
    proving: &Proving,
) -> Result<()> {
    let gate = |widening| Gate { widening, ledger: &loaded.ledger, loaded: Some(loaded), proving };
    match action {
        None => list(loaded, &caller, false).await,
        Some(ApproverAction::List { json }) => list(loaded, &caller, json).await,
        Some(ApproverAction::Add(command)) => {
            let new = New::read(loaded, command)?;
            let Some(person) = gate(Widening::AddApprover).pass(caller, || Ok(new.decision())).await? else {
                return Ok(());
            };
            let proves = new.proves()?;
            let engine = app::build(loaded, Role::Looks).await?;
            let added = engine.add_approver(&person, &new.name, proves, new.phone.as_deref()).await;
            engine.stop(END_PATIENCE).await;
            let is_first = added?;
            print_line(&format!("{} is an approver", new.name));
            if is_first {
                note(
                    "note: from now on an approver has to prove what a typed word was enough for. Add a second one, \
                     for the day on which this one is lost",
                );
            }
            say_where(loaded);
            Ok(())
        }
        Some(ApproverAction::Remove { name }) => {
            let decide = || Ok(Decision::new("approver remove", &name, &[name.as_bytes()]));
            let Some(person) = gate(Widening::RemoveApprover).pass(caller, decide).await? else {
                return Ok(());
            };
            let engine = app::build(loaded, Role::Looks).await?;
            let removed = engine.remove_approver(&person, &name).await;
            engine.stop(END_PATIENCE).await;
            let left = removed?;
            print_line(&format!("{name} is an approver no more"));
            if left == 0 {
                note("note: it was the last one: a word that is typed at a terminal is enough again");
            }
            Ok(())
        }
    }
}

/// The sandbox's own ledger has approvers of its own.
fn say_where(loaded: &Loaded) {
    if let Some(live) = &loaded.live_ledger {
        note(&format!(
            "note: only the sandbox is configured, and this is its own ledger; with a real provider it is {}",
            live.display()
        ));
    }
}

/// Who is to become an approver. The file of the key is read once: what is approved is what is added.
struct New {
    name: String,
    /// Nothing: one-time codes.
    key: Option<PublicKey>,
    phone: Option<String>,
}

impl New {
    fn read(loaded: &Loaded, command: AddApprover) -> Result<Self> {
        let AddApprover { name, ssh_key, totp, phone } = command;
        check_name(&name).map_err(|why| refused(format!("\"{name}\" is no name of an approver: {why}")))?;
        if totp && !loaded.config.approval.takes_codes(loaded.http_token.is_some()) {
            return Err(Error::new(
                ErrorKind::NotSupported,
                "one-time codes do not count here: whoever runs as this user, as an agent may, can read what they \
                 are made of",
            )
            .next(
                "Nobody was added. Add an SSH key, or set [approval] totp = \"accept\" where no agent has this \
                 user's files.",
            ));
        }
        if totp && !(terminal::is_there() && std::io::stderr().is_terminal()) {
            return Err(Error::new(
                ErrorKind::NotSupported,
                "what codes are made of is shown at a terminal alone, and here is none",
            )
            .next("Nobody was added. Run it at a terminal, without sending what it says to a file."));
        }
        let key = ssh_key.as_deref().map(key).transpose()?;
        Ok(Self { name, key, phone })
    }

    fn decision(&self) -> Decision {
        let Self { name, key, phone } = self;
        let shown = key.as_ref().map_or_else(
            || "one-time codes".to_owned(),
            |key| format!("{} {}", key.kind(), key.fingerprint()),
        );
        let at = phone.as_ref().map_or_else(String::new, |phone| format!(", phone {phone}"));
        let line = key.as_ref().map(PublicKey::line).unwrap_or_default();
        let parts = [name.as_bytes(), line.as_bytes(), phone.as_deref().unwrap_or_default().as_bytes()];
        Decision::new("approver add", &format!("{name}, {shown}{at}"), &parts)
    }

    fn proves(&self) -> Result<Proves> {
        match &self.key {
            Some(key) => Ok(Proves::Key(key.clone())),
            None => codes(&self.name),
        }
    }
}

fn refused(why: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, why).next("Nobody was added.")
}

/// The key in a `.pub` file.
fn key(file: &Path) -> Result<PublicKey> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(MOST_OCTETS).read_to_string(&mut text))
        .map_err(|error| refused(format!("{} cannot be read: {error}", file.display())))?;
    PublicKey::read(&text).map_err(|why| refused(format!("{}: {why}", file.display())))
}

/// Makes codes, shows an app what they are made of, and looks whether it makes the same ones.
fn codes(name: &str) -> Result<Proves> {
    let secret = app::new_secret()?;
    let code = QrCode::with_error_correction_level(secret.address(name), EcLevel::L)
        .map_err(|error| Error::new(ErrorKind::Internal, "there is no QR code").because(error))?;
    note("Scan this with an app for one-time codes. It is shown this once:");
    let drawn = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    drawn.lines().for_each(note);
    note(&format!("Or type it into the app: {}", secret.base32()));
    for _ in 0..TRIES {
        let typed = terminal::ask("Type the code that the app shows now:")?;
        if let Code::Of(step) = secret.check(&typed, app::now().as_millis(), None) {
            return Ok(Proves::Codes(secret, step));
        }
        note("That is not the code of now. Is the clock of the phone right, and that of this machine?");
    }
    Err(refused("the app and this machine do not make the same codes".to_owned()))
}

async fn list(loaded: &Loaded, caller: &Caller, json: bool) -> Result<()> {
    let engine = app::build(loaded, Role::Looks).await?;
    let shown = show(&engine, caller, json).await;
    engine.stop(END_PATIENCE).await;
    shown
}

async fn show(engine: &Engine, caller: &Caller, json: bool) -> Result<()> {
    let all = engine.approvers(caller).await?;
    if json {
        return print_json(&all.iter().map(one).collect::<Vec<_>>());
    }
    for approver in &all {
        let phone = approver.phone.as_ref().map_or_else(String::new, |phone| format!(", phone {phone}"));
        let paused = approver
            .paused_until
            .map_or_else(String::new, |until| format!(", no code is taken before {}", until.rfc3339()));
        let since = approver.added.rfc3339();
        print_line(&format!("{since}  {}  {}{phone}{paused}", approver.name, proves(approver)));
    }
    if all.is_empty() {
        print_line("nobody is an approver: a word that is typed at a terminal is enough");
    }
    Ok(())
}

/// An approver, for scripts. What codes are made of is not known here.
fn one(approver: &Approver) -> serde_json::Value {
    let Approver { name, key, phone, added, by, approved_by, wrong, paused_until } = approver;
    json!({
        "name": name,
        "kind": if key.is_some() { "ssh" } else { "totp" },
        "key": key,
        "proves": proves(approver),
        "phone": phone,
        "added": added.rfc3339(),
        "by": by,
        "approved_by": approved_by,
        "wrong": wrong,
        "paused_until": paused_until.map(|until| until.rfc3339()),
    })
}
