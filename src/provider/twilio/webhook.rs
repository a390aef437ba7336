//! What Twilio sends by itself: reports about texts (`StatusCallback`) and texts of people, both as a form.
//!
//! Both are signed: the address as Twilio called it with its query, then name and value of each field, sorted
//! by name. The address is built from the configured public one, whatever stands between Twilio and us; with
//! its port and without, since Twilio's own ends differ in that. The key is the account's primary auth token
//! and the hash SHA-1, unless a header says that a shared webhook key signed with SHA-256: to choose between
//! the two helps nobody who has neither secret. The scheme has no time in it, so a request can be replayed:
//! whatever comes from here may come again and late, and carries the id by which the ledger sees that.
//!
//! A report names our message in the query of its address, so that it settles a message whose answer was lost
//! as well: who signed says that this message has that id.

use ::http::HeaderMap;

use super::answers::why;
use super::codes;
use crate::provider::exchange::{Delivery, Event, HeardBy, NotBelieved, Receipt, Reply};
use crate::provider::rest::form::Fields;
use crate::provider::rest::wording::Wording;
use crate::provider::settings::Callback;
use crate::provider::signature::{Encoding, Hash, Key};
use crate::setting::SecretText;
use crate::sms::caller_id::Sender;
use crate::sms::message::{MessageId, State};

/// Largest body that is looked at: a text of 1600 characters, each written out, is a fifth of it.
const MAX_BODY: usize = 64 * 1024;

/// The field of the query that has our reference.
const REFERENCE: &str = "m";

/// What Twilio is asked for after the `#`, which it reads and does not call: five more tries, after whatever
/// went wrong. Else one answer of ours that is no 2xx loses the report.
const RETRIES: &str = "rc=5&rp=all";

/// Words of a message that has not left Twilio yet: no news.
const NO_NEWS: [&str; 4] = ["accepted", "scheduled", "queued", "sending"];

/// What a person's text is called.
const RECEIVED: [&str; 2] = ["received", "receiving"];

/// The address for reports about this message.
pub fn address(callback: &Callback, message: &MessageId) -> String {
    format!("{}?{REFERENCE}={message}#{RETRIES}", callback.url(None))
}

/// What the requests are checked with and read by.
pub struct Hooks {
    /// The account's primary auth token.
    pub auth_token: Option<SecretText>,
    /// The secret of a shared webhook key.
    pub webhook_key: Option<SecretText>,
    /// What a status means.
    pub wording: Wording,
}

/// The address without its port, and with the one that it has where none is written.
fn spellings(url: &str) -> Vec<String> {
    let mut all = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else { return all };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            all.push(format!("{scheme}://{host}{path}"));
        }
        _ => {
            let port = if scheme == "http" { 80 } else { 443 };
            all.push(format!("{scheme}://{authority}:{port}{path}"));
        }
    }
    all
}

impl Hooks {
    /// Whether anything can be believed.
    pub const fn can_check(&self) -> bool {
        self.auth_token.is_some() || self.webhook_key.is_some()
    }

    /// The key that signed, as the headers have it.
    fn key(&self, headers: &HeaderMap) -> Option<Key> {
        let settings = headers.get("x-twilio-webhooks-signature-settings");
        let settings = settings.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let algorithm = settings.split(',').find_map(|part| part.trim().strip_prefix("algorithm="));
        let (hash, secret) = match algorithm.map(str::trim) {
            Some("HMAC_SHA256") => (Hash::Sha256, self.webhook_key.as_ref().or(self.auth_token.as_ref())),
            _ => (Hash::Sha1, self.auth_token.as_ref()),
        };
        Some(Key::new(hash, Encoding::Base64, secret?.expose().as_bytes()))
    }

    fn is_signed(&self, delivery: &Delivery<'_>, fields: &Fields) -> bool {
        let Some(shown) = delivery.headers.get("x-twilio-signature") else { return false };
        let Some(key) = self.key(delivery.headers) else { return false };
        let sorted = fields.sorted();
        spellings(delivery.url).iter().any(|url| {
            let values = sorted.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
            key.has_signed(shown.as_bytes(), std::iter::once(url.as_bytes()).chain(values))
        })
    }

    /// Reads one request.
    ///
    /// # Errors
    /// [`NotBelieved`].
    pub fn read(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        if !self.can_check() {
            return Err(NotBelieved::NotExpected);
        }
        if delivery.body.len() > MAX_BODY {
            return Err(NotBelieved::Malformed(format!("a body of more than {MAX_BODY} bytes")));
        }
        let fields = Fields::read(delivery.body);
        if !self.is_signed(delivery, &fields) {
            return Err(NotBelieved::Signature);
        }
        let of_message =
            |name: &str| fields.get(&format!("Message{name}")).or(fields.get(&format!("Sms{name}")));
        let missing = |name: &str| NotBelieved::Malformed(format!("no `{name}`"));
        let id = of_message("Sid").ok_or_else(|| missing("MessageSid"))?;
        match of_message("Status").filter(|status| !RECEIVED.contains(status)) {
            Some(status) => Ok(self.report(id, status, &fields, delivery)),
            None => reply(id, &fields, delivery).ok_or_else(|| missing("From")),
        }
    }

    fn report(&self, id: &str, status: &str, fields: &Fields, delivery: &Delivery<'_>) -> Vec<Event> {
        let query = Fields::read(delivery.query.as_bytes());
        let ours = query.get(REFERENCE).filter(|id| id.starts_with(MessageId::PREFIX));
        let ours = ours.map(|id| MessageId::from_text(id.to_owned()));
        let hint = Event::Hint { vendor_id: id.to_owned(), message: ours.clone() };
        if NO_NEWS.contains(&status) {
            return Vec::new();
        }
        // A word that nobody knows is looked up, and what the answer means is said there.
        let Some(state) = self.wording.state(status) else { return vec![hint] };
        let code = fields.get("ErrorCode");
        let is_failed = matches!(state, State::Failed | State::Expired);
        let (why, is_documented) = match is_failed {
            true => why(code, fields.get("ErrorMessage")),
            false => (None, false),
        };
        let receipt = Receipt { why, is_documented, ..Receipt::new(id, state, delivery.now) };
        let mut events = vec![Event::Receipt(receipt)];
        // Gives a message whose answer was lost its id, and the report with it.
        events.extend(ours.is_some().then_some(hint));
        let person = fields.get("To").filter(|_| code == Some(codes::OPTED_OUT));
        events.extend(person.map(|to| Event::OptOut {
            number: Sender::of(to),
            is_out: true,
            at: None,
            heard_by: ours.map(HeardBy::Report),
        }));
        events
    }
}

/// A person's text; and what it means, where the Messaging Service says so: that is final, and Twilio itself
/// has answered it.
fn reply(id: &str, fields: &Fields, delivery: &Delivery<'_>) -> Option<Vec<Event>> {
    let (from, to) = (fields.get("From")?, fields.get("To")?);
    // A START is the reply's own word to say: a reply is known by its id, and told again it lifts nothing. This
    // event has none, and would lift a STOP that came in between.
    let is_stop = fields.get("OptOutType") == Some("STOP");
    let wish = is_stop.then(|| Event::OptOut {
        number: Sender::of(from),
        is_out: true,
        at: None,
        heard_by: Some(HeardBy::Text(id.to_owned())),
    });
    let reply = Reply {
        vendor_id: id.to_owned(),
        from: Sender::of(from),
        to: to.to_owned(),
        // A person may send a picture and no text.
        text: fields.get("Body").unwrap_or_default().to_owned(),
        at: delivery.now,
        content: None,
        is_again: false,
        // Whatever it says there, the Messaging Service has answered it.
        is_answered: fields.get("OptOutType").is_some(),
    };
    Some(wish.into_iter().chain([Event::Reply(reply)]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_tried_with_its_port_and_without() {
        for (url, other) in [
            ("https://sms.example.org/hook?m=1", "https://sms.example.org:443/hook?m=1"),
            ("https://sms.example.org:8443/hook", "https://sms.example.org/hook"),
            ("http://localhost/a:80", "http://localhost:80/a:80"),
            ("https://[::1]/a", "https://[::1]:443/a"),
            ("https://[::1]:8443?a=b:1", "https://[::1]?a=b:1"),
        ] {
            assert_eq!(spellings(url), [url, other]);
        }
        assert_eq!(spellings(""), [""]);
    }
}
