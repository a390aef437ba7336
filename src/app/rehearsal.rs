//! `provider try`: what a send would look like at a provider, and what an answer to it would mean. Nothing is
//! sent, nobody is asked, no ledger is opened, and no secret is read: a word stands for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::{Clock as _, SharedClock, SystemClock};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::halt::Brake;
use crate::provider::exchange::Pasted;
use crate::provider::settings::{Callback, Secrets, Setup};
use crate::provider::{Outcome, ProviderConfig, Rehearsal, Submission};
use crate::setting::SecretText;
use crate::sms::message::MessageId;
use crate::sms::number::Number;
use crate::sms::text;

/// What stands for every secret.
const MASK: &str = "SECRET";

/// The sample that is sent unless another is named: characters that mean something elsewhere.
const TO: &str = "+12025550123";
const TEXT: &str = "Hello {text} & <b>100%</b> \"Gr\u{fc}\u{df}e\"";

/// What a send would look like, and what an answer to it would mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The request, by line.
    pub request: Vec<String>,
    /// What the pasted answer would mean.
    pub meaning: Option<String>,
}

/// Tries a text at the provider of this name, or at the first whose requests its settings tell. `sample`: its
/// `to`, `from` and `text`.
///
/// # Errors
/// [`ErrorKind::NotFound`] for a name that there is not, [`ErrorKind::InvalidArgument`] for a sample or an answer
/// that cannot be read, [`ErrorKind::NotSupported`] for a provider that has nothing to try.
pub fn rehearse(
    config: &Config,
    name: Option<&str>,
    sample: &BTreeMap<String, String>,
    answer: Option<&[u8]>,
) -> Result<Tried> {
    let pasted = answer.map(pasted).transpose()?;
    let submission = submission(sample)?;
    let (mut found, mut refused) = (config.provider.iter().peekable(), None);
    if let Some(name) = name
        && !config.provider.iter().any(|provider| provider.name() == name)
    {
        let shown = crate::sms::untrusted::escape(name);
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("no provider is called \"{shown}\", and no file"),
        )
        .next("Name a provider of the settings, or a file with a [[provider]] table."));
    }
    for provider in found.by_ref().filter(|provider| name.is_none_or(|name| provider.name() == name)) {
        match at(config, provider, &submission, pasted.as_ref()) {
            Err(error) if error.kind() == ErrorKind::NotSupported => refused = Some(error),
            tried => return tried,
        }
    }
    Err(refused.unwrap_or_else(|| Error::new(ErrorKind::NotFound, "the settings have no [[provider]]")))
}

fn at(
    config: &Config,
    provider: &ProviderConfig,
    submission: &Submission,
    pasted: Option<&Pasted>,
) -> Result<Tried> {
    let clock: SharedClock = Arc::new(SystemClock);
    let mut secrets = Secrets::default();
    for secret in provider.settings().secrets().iter().filter(|wanted| wanted.secret.is_some()) {
        secrets.insert(secret.name, SecretText::new(MASK));
    }
    let callback = config.http.public_url.as_ref();
    let callback = callback.map(|public_url| Callback::new(public_url, provider.name(), [0; 32]));
    let built = provider.build(Setup { clock, secrets, callback })?;
    let form = built.form(&submission.to, submission.from.as_deref(), &submission.text)?;
    let submission = Submission { segments: form.segments, ..submission.clone() };
    let Rehearsal { request, outcome } = built.rehearse(&submission, pasted)?;
    let mut lines = vec![format!("{} {}", request.method, request.url)];
    lines.extend(request.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    if !request.body.is_empty() {
        lines.push(String::new());
        lines.extend(request.body.lines().map(str::to_owned));
    }
    Ok(Tried { request: lines, meaning: outcome.map(|outcome| meaning(&outcome)) })
}

fn submission(sample: &BTreeMap<String, String>) -> Result<Submission> {
    let wrong = |why: String| Error::new(ErrorKind::InvalidArgument, why);
    if let Some(unknown) = sample.keys().find(|name| !["to", "from", "text"].contains(&name.as_str())) {
        let shown = crate::sms::untrusted::escape(unknown);
        return Err(wrong(format!("a sample has no \"{shown}\"; it has to, from and text")));
    }
    let to = sample.get("to").map_or(TO, String::as_str);
    let to = Number::parse(to, None).map_err(|error| wrong(format!("to=: {error}")))?;
    let said = sample.get("text").map_or(TEXT, String::as_str).to_owned();
    Ok(Submission {
        id: MessageId::new(SystemClock.now().as_millis(), 0),
        to,
        from: sample.get("from").cloned(),
        segments: u32::try_from(text::plan(&said).segments()).unwrap_or(1),
        text: said,
        ceiling: None,
        brake: Brake::default(),
    })
}

/// Reads an answer as somebody has it: with its status line and headers, or the body alone.
fn pasted(octets: &[u8]) -> Result<Pasted> {
    let wrong = |why: &str| Error::new(ErrorKind::InvalidArgument, format!("the answer {why}"));
    if !octets.starts_with(b"HTTP/") {
        return Ok(Pasted { status: 200, headers: HeaderMap::new(), body: octets.to_vec() });
    }
    let text = String::from_utf8_lossy(octets).replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse::<u16>().ok());
    let status = status
        .filter(|status| (200..=599).contains(status))
        .ok_or_else(|| wrong("begins with HTTP/ and has no status there, as in HTTP/1.1 200 OK"))?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let header = line.split_once(':').and_then(|(name, value)| {
            Some((name.trim().parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?))
        });
        let (name, value) = header.ok_or_else(|| wrong("has a line among its headers that is none"))?;
        headers.append(name, value);
    }
    Ok(Pasted { status, headers, body: body.as_bytes().to_vec() })
}

/// What an outcome means, and what follows from it.
fn meaning(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted { vendor_id, segments, price, .. } => {
            let id =
                vendor_id.as_ref().map_or_else(|| ", without an id".to_owned(), |id| format!(", id {id}"));
            let segments = segments.map(|count| format!(", {count} segments")).unwrap_or_default();
            let price = price.map(|price| format!(", price {price}")).unwrap_or_default();
            format!("accepted{id}{segments}{price}")
        }
        Outcome::Failed { why, .. } => format!("failed: {why}"),
        Outcome::Rejected { code, why } => {
            format!("rejected, {}: {why}; never sent again", code.as_str())
        }
        Outcome::NotSent { retry_after_ms, why } => {
            let wait =
                retry_after_ms.map(|ms| format!(", after {} s", ms.div_ceil(1_000))).unwrap_or_default();
            format!("not sent: {why}; it may be tried again{wait}")
        }
        Outcome::NotNow { why, .. } => format!("not now: {why}"),
        Outcome::Unclear { vendor_id, why } => {
            format!("unknown, id {vendor_id}: {why}; never sent again, and its money stays held")
        }
        Outcome::Unknown { why } => format!("unknown: {why}; never sent again, and its money stays held"),
        Outcome::Segments(_) => "told segment by segment".to_owned(),
    }
}
