//! What an operator can do at Mailpro besides sending: its lists and their numbers, the history, a file of
//! numbers, and the functions that the vendor has announced.
//!
//! No page shows the parameters of the lists and numbers, so arguments go out under the names that they have
//! here. Only a number is put into the form that is configured. What has no path is not offered.

use std::path::Path;

use axum::body::Bytes;

use super::account::Mailpro;
use super::settings::Paths;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{Action, Arguments, no_such_action};
use crate::provider::rest::Request;
use crate::sms::message::hex;
use crate::sms::number::Number;

/// Largest file that is sent, in bytes.
const MAX_FILE: u64 = 5 * 1024 * 1024;

/// How a function is called.
#[derive(Clone, Copy)]
enum Call {
    Get,
    Post,
    Upload,
}

/// An action, how it is called, and where; nothing where no path is configured.
struct Offer {
    action: Action,
    call: Call,
    path: fn(&Paths) -> Option<&String>,
}

macro_rules! offers {
    ($($name:literal, $call:ident $path:expr, [$($required:literal),*], [$($optional:literal),*], $about:literal;)+) => {
        /// Every action that there can be.
        const OFFERS: &[Offer] = &[$(Offer {
            action: Action { name: $name, about: $about, required: &[$($required),*], optional: &[$($optional),*] },
            call: Call::$call,
            path: $path,
        },)+];
    };
}

offers! {
    "lists", Get |paths| Some(&paths.lists), [], [], "shows the lists of numbers";
    "lists-add", Post |paths| Some(&paths.lists_add), ["name"], ["description"], "makes a list";
    "lists-edit", Post |paths| Some(&paths.lists_edit), ["id_list"], ["name", "description"], "changes a list";
    "lists-delete", Post |paths| Some(&paths.lists_delete), ["id_list"], [], "deletes a list with its numbers";
    "phones", Get |paths| Some(&paths.phones), ["id_list"], ["page"], "shows the numbers of a list";
    "phones-add", Post |paths| Some(&paths.phones_add), ["id_list", "number"], ["name", "first_name",
        "last_name"], "adds a number to a list";
    "phones-edit", Post |paths| Some(&paths.phones_edit), ["id_phone"], ["id_list", "number", "name",
        "first_name", "last_name"],
        "changes a number of a list";
    "phones-delete", Post |paths| Some(&paths.phones_delete), ["id_phone"], ["id_list"],
        "deletes a number of a list";
    "history", Get |paths| Some(&paths.history), ["status"], ["type_to", "number", "date_send"],
        "shows what was sent: status 0 not delivered, 1 delivered, 2 waiting";
    "upload", Upload |paths| paths.upload.as_ref(), ["file"], ["name", "id_list"],
        "uploads a file of numbers, at most 5 MiB";
    "verify-start", Post |paths| paths.verify_start.as_ref(), ["number"], [],
        "lets the vendor send a code to a number: this sends a text, outside every budget";
    "verify-check", Post |paths| paths.verify_check.as_ref(), ["number", "code"], ["id"],
        "checks a code that a person read out";
    "lookup", Get |paths| paths.phone_lookup.as_ref(), ["number"], [],
        "says what the vendor knows of a number";
    "suppressions", Get |paths| paths.suppressions.as_ref(), [], ["page"], "shows who wants no more texts";
    "suppressions-add", Post |paths| paths.suppressions.as_ref(), ["number"], [],
        "tells the vendor that a person wants no more texts";
}

/// The actions that have a path. They live as long as the program, as does the provider.
pub(super) fn offered(paths: &Paths) -> &'static [Action] {
    let offered: Vec<Action> =
        OFFERS.iter().filter(|offer| (offer.path)(paths).is_some()).map(|offer| offer.action).collect();
    Box::leak(offered.into_boxed_slice())
}

fn invalid(why: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, why)
}

impl Mailpro {
    /// [`Provider::act`](crate::provider::Provider::act)
    pub(super) async fn do_action(&self, name: &str, arguments: &Arguments) -> Result<serde_json::Value> {
        let offer = OFFERS.iter().find(|offer| offer.action.name == name);
        let Some((offer, path)) = offer.and_then(|offer| Some((offer, (offer.path)(&self.config.paths)?)))
        else {
            return Err(no_such_action(name, self.actions));
        };
        offer.action.check(arguments)?;
        let mut fields = Vec::with_capacity(arguments.len());
        for (name, value) in arguments.iter().filter(|(name, _)| *name != "file") {
            let is_number = name == "number";
            let wrong = |_| invalid(format!("{name} is no number; write it with + and its country code"));
            let value = if is_number {
                self.number(&Number::parse(value, None).map_err(wrong)?)
            } else {
                value.clone()
            };
            fields.push((name.as_str(), value));
        }
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let tree = match offer.call {
            Call::Get => self.ask(&self.get(path, &fields)).await,
            Call::Post => self.change(&self.post(path, &fields)).await,
            Call::Upload => {
                let file = arguments.get("file").map(String::as_str).unwrap_or_default();
                self.change(&self.upload(path, &fields, Path::new(file)).await?).await
            }
        }?;
        let mut value = tree.into_value();
        self.keys.hide_in(&mut value);
        Ok(value)
    }

    /// A form with a file in it (RFC 7578).
    async fn upload(&self, path: &str, fields: &[(&str, &str)], file: &Path) -> Result<Request> {
        let content = read_file(file).await?;
        let name = file
            .file_name()
            .map_or_else(|| "numbers.csv".to_owned(), |name| name.to_string_lossy().into_owned());
        // What would end the quotes or the line; the name matters to nobody.
        let name: String =
            name.chars().map(|c| if c == '"' || c == '\\' || c.is_control() { '_' } else { c }).collect();
        let mut random = [0; 16];
        self.clock.fill_random(&mut random)?;
        let boundary = format!("form-{}", hex(&random));
        let mut body = Vec::with_capacity(content.len() + 1024);
        for (name, value) in self.fields(fields) {
            body.extend_from_slice(
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .as_bytes(),
            );
        }
        let head = format!(
            "Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: \
             application/octet-stream"
        );
        body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(&content);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        Ok(Request::post(self.config.format.path(path))
            .body(&format!("multipart/form-data; boundary={boundary}"), Bytes::from(body)))
    }
}

/// Reads a file that is not too large.
async fn read_file(file: &Path) -> Result<Vec<u8>> {
    use tokio::io::AsyncReadExt as _;
    let wrong = |error: std::io::Error| invalid(format!("file {}: {error}", file.display()));
    let mut content = Vec::new();
    let opened = tokio::fs::File::open(file).await.map_err(wrong)?;
    opened.take(MAX_FILE + 1).read_to_end(&mut content).await.map_err(wrong)?;
    if content.is_empty() || u64::try_from(content.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(invalid(format!("file {} must have 1 to {MAX_FILE} bytes", file.display())));
    }
    Ok(content)
}
