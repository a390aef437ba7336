//! How an approver proves a yes: by a code that is typed, or by a signature over the challenge that is shown. A
//! signature is made by `ssh-keygen` here, or brought in a file, which needs no terminal: it is the proof.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use super::output::{note, print_line};
use super::terminal;
use crate::access::ssh::Signature;
use crate::access::{Challenge, NAMESPACE, Proof};
use crate::engine::Approver;
use crate::engine::approvers::proves;
use crate::error::{Error, ErrorKind, Result};

/// Longest file of a challenge or a signature.
const MOST_OCTETS: u64 = 16 * 1024;

/// Most lines of a pasted signature: one by RSA with 8192 bits has fifty.
const MOST_LINES: usize = 200;

/// What `ssh-keygen` is called.
const SIGNER: &str = "ssh-keygen";

/// How an approver proves a yes, where a command asks for one.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of commands that ask an approver (`sms-mcp approver`)")]
pub(super) struct Proving {
    /// Sign with this SSH key, by ssh-keygen [default: asked for at the terminal]
    #[arg(long, value_name = "KEY", global = true, conflicts_with_all = ["challenge", "proof"])]
    pub(super) approver_key: Option<PathBuf>,
    /// Write what is to be signed to this new file, and do nothing else
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "proof")]
    pub(super) challenge: Option<PathBuf>,
    /// The signature over a challenge: its file with .sig after it, as ssh-keygen names it
    #[arg(long, value_name = "FILE.sig", global = true)]
    pub(super) proof: Option<PathBuf>,
}

impl Proving {
    /// The first option that was given.
    pub(super) fn given(&self) -> Option<&'static str> {
        [
            ("--approver-key", self.approver_key.is_some()),
            ("--challenge", self.challenge.is_some()),
            ("--proof", self.proof.is_some()),
        ]
        .into_iter()
        .find_map(|(name, is_given)| is_given.then_some(name))
    }
}

/// What is asked of approvers.
pub(super) struct Asked<'a> {
    pub(super) challenge: Challenge,
    pub(super) approvers: &'a [Approver],
    pub(super) takes_codes: bool,
    /// As it is typed after the program's name.
    pub(super) command: &'static str,
    /// What was not done without a proof; after "Nothing was".
    pub(super) done: &'static str,
}

impl Asked<'_> {
    /// Gets a proof, right or wrong. Nothing: the challenge was asked for, and was written.
    ///
    /// # Errors
    /// Where there is nobody to ask, or no signature was made or brought.
    pub(super) fn proof(self, proving: &Proving) -> Result<Option<Proof>> {
        if let Some(file) = &proving.challenge {
            self.write(file)?;
            return Ok(None);
        }
        if let Some(file) = &proving.proof {
            return brought(file).map(Some);
        }
        if let Some(key) = &proving.approver_key {
            self.show();
            let signature = signed(&self.challenge, key)?;
            return Ok(Some(Proof::Signature { challenge: self.challenge, signature }));
        }
        if !terminal::is_there() {
            return Err(self.nobody());
        }
        self.show();
        self.ask().map(Some)
    }

    fn nobody(&self) -> Error {
        let Self { command, done, .. } = self;
        Error::new(
            ErrorKind::NotSupported,
            format!("`{command}` asks for an approver's proof, and here is no terminal to ask at"),
        )
        .next(format!(
            "Nothing was {done}. The operator runs it at a terminal: `sms-mcp {command}`; in a container with \
             `docker exec -it CONTAINER sms-mcp {command}`. Or sign elsewhere: --challenge FILE writes what is to \
             be signed, and --proof FILE.sig brings the signature."
        ))
    }

    /// Shows who may prove it, and what is decided: the very text that is signed.
    fn show(&self) {
        let who: Vec<String> = self
            .approvers
            .iter()
            .map(|approver| format!("{} ({})", approver.name, proves(approver)))
            .collect();
        note(&format!("An approver has to prove this: {}.", who.join(", ")));
        self.challenge.text().lines().for_each(note);
    }

    fn ask(self) -> Result<Proof> {
        let has_keys = self.approvers.iter().any(|approver| approver.key.is_some());
        let with_codes = self.approvers.iter().filter(|approver| approver.key.is_none()).count();
        let mut ways = Vec::new();
        match (self.takes_codes, with_codes) {
            (false, _) | (_, 0) => {}
            (true, 1) => ways.push("type the code"),
            (true, _) => ways.push("type NAME CODE"),
        }
        if has_keys {
            ways.push("press Enter to sign with your SSH agent");
            ways.push("paste a signature over these lines");
        }
        let asked = if ways.is_empty() { vec!["type the code"] } else { ways };
        let mut words = asked.join(", or ");
        if let Some(first) = words.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let typed = terminal::ask_hidden(&words)?;
        if Signature::is_begun_by(&typed) {
            let signature = pasted(typed)?;
            return Ok(Proof::Signature { challenge: self.challenge, signature });
        }
        if typed.is_empty() && has_keys {
            let signature = self.signed_by_agent()?;
            return Ok(Proof::Signature { challenge: self.challenge, signature });
        }
        Ok(match typed.split_once(' ') {
            // "123 456" is how apps show a code.
            Some((name, code)) if !name.bytes().all(|byte| byte.is_ascii_digit()) => {
                Proof::Code { name: Some(name.to_owned()), code: code.to_owned() }
            }
            _ => Proof::Code { name: None, code: typed },
        })
    }

    /// Signs with the first key of an approver that the person's SSH agent has.
    fn signed_by_agent(&self) -> Result<String> {
        let mut refused = None;
        for line in self.approvers.iter().filter_map(|approver| approver.key.as_ref()) {
            let public = PublicKeyFile::new(line, &self.challenge)?;
            match signed(&self.challenge, &public.0) {
                Ok(signature) => return Ok(signature),
                Err(error) => refused = Some(error),
            }
        }
        Err(refused.unwrap_or_else(|| Error::new(ErrorKind::NotSupported, "no approver has a key")))
    }

    fn write(&self, file: &Path) -> Result<()> {
        write_new(file, &self.challenge.text())?;
        print_line(&format!("{} is what an approver signs, within 15 minutes:", file.display()));
        print_line(&format!("  {SIGNER} -Y sign -n {NAMESPACE} -f KEY {}", file.display()));
        print_line(&format!("then run the same command with --proof {}.sig", file.display()));
        Ok(())
    }
}

fn cannot(what: &str, file: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{} cannot be {what}: {error}", file.display()))
        .next("Nothing was done.")
}

/// Writes a file that does not exist yet, for this user alone.
fn write_new(file: &Path, text: &str) -> Result<()> {
    let mut options = std::fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(file)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| cannot("written", file, &error))
}

/// Reads a short text.
fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(MOST_OCTETS).read_to_string(&mut text))
        .map_err(|error| cannot("read", file, &error))?;
    Ok(text)
}

/// A signature in a file, over the challenge in the file beside it.
fn brought(file: &Path) -> Result<Proof> {
    let wrong = |why: String| Error::new(ErrorKind::InvalidArgument, why).next("Nothing was done.");
    if file.extension().is_none_or(|end| end != "sig") {
        return Err(wrong(format!(
            "{} does not end in .sig: name the signature, as {SIGNER} named it, beside the challenge",
            file.display()
        )));
    }
    let beside = file.with_extension("");
    let challenge = Challenge::read(&read(&beside)?)
        .map_err(|why| wrong(format!("{} is no challenge: {why}", beside.display())))?;
    Ok(Proof::Signature { challenge, signature: read(file)? })
}

/// The rest of a signature that is being pasted.
fn pasted(first: String) -> Result<String> {
    let mut signature = first;
    for _ in 0..MOST_LINES {
        if signature.lines().last().is_some_and(Signature::is_ended_by) {
            break;
        }
        let line = terminal::read()?;
        signature.push('\n');
        signature.push_str(&line);
    }
    Ok(signature)
}

/// Has `ssh-keygen` sign, which asks the person for a passphrase or a touch by itself.
fn signed(challenge: &Challenge, key: &Path) -> Result<String> {
    let cannot = |why: String| {
        Error::new(ErrorKind::NotSupported, why).next(format!(
            "Nothing was done. Name a key with --approver-key, or sign elsewhere: --challenge FILE writes what is to \
             be signed ({SIGNER} -Y sign -n {NAMESPACE}), and --proof FILE.sig brings the signature."
        ))
    };
    let mut signer = Command::new(SIGNER);
    signer.args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"]).arg(key);
    let mut child = signer
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| cannot(format!("{SIGNER} cannot be run: {error}")))?;
    // One that ends without reading is asked why below.
    let _ = child.stdin.take().map(|mut input| input.write_all(challenge.text().as_bytes()));
    let ended =
        child.wait_with_output().map_err(|error| cannot(format!("{SIGNER} did not end well: {error}")))?;
    if !ended.status.success() {
        return Err(cannot(format!("{SIGNER} made no signature with {}", key.display())));
    }
    String::from_utf8(ended.stdout).map_err(|_| cannot(format!("{SIGNER} wrote no signature")))
}

/// A public key in a file of its own, by which `ssh-keygen` finds the key in the SSH agent. It goes with the value.
struct PublicKeyFile(PathBuf);

impl PublicKeyFile {
    fn new(line: &str, challenge: &Challenge) -> Result<Self> {
        let nonce = crate::sms::message::hex(&challenge.nonce());
        let file = std::env::temp_dir().join(format!("sms-mcp-approver-{nonce}.pub"));
        write_new(&file, &format!("{line}\n"))?;
        Ok(Self(file))
    }
}

impl Drop for PublicKeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
