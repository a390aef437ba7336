//! What Plivo sends by itself: reports about texts and texts of people, as the fields of a form or of a GET.
//!
//! It has two signatures, and no page says for certain which one messages carry. V3 covers the address with its
//! query and the fields; what it signs is believed. V2 covers the address and a number used once, and nothing
//! of the fields: such a report is a hint, and the text is looked up. A person's text cannot be looked up, so
//! it counts by V2 only where the operator says so. Neither has a time in it, so a request can be replayed:
//! whatever comes from here may come again and late, and carries the id by which the ledger sees that.
//!
//! Each text has an address of its own, so that a report settles one whose answer was lost. A report about a
//! part of a text says nothing final of the whole, which is looked up.

use super::answers::{self, why};
use super::settings::Config;
use crate::clock::Timestamp;
use crate::provider::exchange::{Delivery, Event, HeardBy, NotBelieved, Receipt, Reply};
use crate::provider::rest::digits::sender;
use crate::provider::rest::form::Fields;
use crate::provider::rest::wording::Wording;
use crate::provider::signature::{Encoding, Hash, Key};
use crate::setting::SecretText;
use crate::sms::message::State;
use crate::sms::money::Currency;

/// Largest request that is looked at: a text of 1600 characters, each written out, is a fifth of it.
const MAX_BODY: usize = 64 * 1024;

/// Most signatures of one request that are compared: a token and the one before it.
const MOST_SIGNATURES: usize = 4;

/// What the requests are checked with and read by.
pub struct Hooks {
    key: Key,
    replies_by_v2: bool,
    opt_out_codes: Vec<String>,
    currency: Currency,
    wording: Wording,
}

/// What a signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signed {
    /// The address and the fields.
    All,
    /// The address.
    Address,
}

/// What V3 signs of a request: the address with its query sorted, then the fields.
fn covered(delivery: &Delivery<'_>, form: &Fields) -> String {
    let address = delivery.url.split('?').next().unwrap_or_default();
    let query = Fields::read(delivery.query.as_bytes());
    let query: Vec<String> = query.sorted().iter().map(|(name, value)| format!("{name}={value}")).collect();
    let fields: String = form.sorted().into_iter().flat_map(|(name, value)| [name, value]).collect();
    match (query.is_empty(), fields.is_empty()) {
        (true, true) => address.to_owned(),
        (true, false) => format!("{address}?{fields}"),
        (false, true) => format!("{address}?{}", query.join("&")),
        (false, false) => format!("{address}?{}.{fields}", query.join("&")),
    }
}

impl Hooks {
    /// Those of this account.
    pub fn new(config: &Config, token: &SecretText, wording: Wording) -> Self {
        Self {
            key: Key::new(Hash::Sha256, Encoding::Base64, token.expose().as_bytes()),
            replies_by_v2: config.replies_by_v2,
            opt_out_codes: config.opt_out_codes.clone(),
            currency: config.currency,
            wording,
        }
    }

    /// What Plivo signed of a request, if anything.
    fn signed(&self, delivery: &Delivery<'_>, form: &Fields) -> Option<Signed> {
        let header = |name: &str| delivery.headers.get(name).and_then(|value| value.to_str().ok());
        let has_signed = |shown: &str, pieces: [&[u8]; 3]| {
            shown
                .split(',')
                .take(MOST_SIGNATURES)
                .any(|shown| self.key.has_signed(shown.trim().as_bytes(), pieces))
        };
        if let Some(shown) = header("x-plivo-signature-v3") {
            let nonce = header("x-plivo-signature-v3-nonce")?;
            let pieces = [covered(delivery, form).into_bytes(), nonce.as_bytes().to_vec()];
            let [covered, nonce] = &pieces;
            // A signature that is wrong is not mended by a weaker one.
            return has_signed(shown, [covered, b".", nonce]).then_some(Signed::All);
        }
        let (shown, nonce) = (header("x-plivo-signature-v2")?, header("x-plivo-signature-v2-nonce")?);
        let address = delivery.url.split('?').next().unwrap_or_default();
        has_signed(shown, [address.as_bytes(), nonce.as_bytes(), b""]).then_some(Signed::Address)
    }

    /// Reads one request.
    ///
    /// # Errors
    /// [`NotBelieved`].
    pub fn read(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        if delivery.body.len().max(delivery.query.len()) > MAX_BODY {
            return Err(NotBelieved::Malformed(format!("a request of more than {MAX_BODY} bytes")));
        }
        let form = Fields::read(delivery.body);
        let signed = self.signed(delivery, &form).ok_or(NotBelieved::Signature)?;
        let fields = if delivery.body.is_empty() { Fields::read(delivery.query.as_bytes()) } else { form };
        let missing = |name: &str| NotBelieved::Malformed(format!("no `{name}`"));
        let id = fields.get("MessageUUID").ok_or_else(|| missing("MessageUUID"))?;
        let Some(status) = fields.get("Status") else {
            if signed == Signed::Address && !self.replies_by_v2 {
                return Err(NotBelieved::Signature);
            }
            return reply(id, &fields, delivery.now).ok_or_else(|| missing("From"));
        };
        Ok(self.report(id, status, &fields, delivery, signed))
    }

    fn report(
        &self,
        id: &str,
        status: &str,
        fields: &Fields,
        delivery: &Delivery<'_>,
        signed: Signed,
    ) -> Vec<Event> {
        let whole = fields.get("ParentMessageUUID").unwrap_or(id);
        let hint = Event::Hint { vendor_id: whole.to_owned(), message: delivery.message.cloned() };
        let state = self.wording.state(status);
        // A part says nothing final of the whole, and a word that nobody knows is looked up.
        let (Signed::All, Some(state), true) = (signed, state, whole == id) else { return vec![hint] };
        let code = fields.get("ErrorCode");
        let is_failed = matches!(state, State::Failed | State::Expired);
        let (why, is_documented) = if is_failed { why(code) } else { (None, false) };
        let price = fields.get("TotalAmount").map(|amount| serde_json::Value::String(amount.to_owned()));
        let price = answers::price(price.as_ref(), self.currency).filter(|_| status != "queued");
        let receipt = Receipt { why, is_documented, price, ..Receipt::new(id, state, delivery.now) };
        let is_opt_out =
            is_failed && code.is_some_and(|code| self.opt_out_codes.iter().any(|one| one == code));
        let person = fields.get("To").filter(|_| is_opt_out);
        let wish = person.map(|to| Event::OptOut {
            number: sender(to),
            is_out: true,
            at: None,
            heard_by: delivery.message.cloned().map(HeardBy::Report),
        });
        // Gives a message whose answer was lost its id, and the report with it.
        let hint = delivery.message.is_some().then_some(hint);
        std::iter::once(Event::Receipt(receipt)).chain(hint).chain(wish).collect()
    }
}

/// A person's text.
fn reply(id: &str, fields: &Fields, now: Timestamp) -> Option<Vec<Event>> {
    Some(vec![Event::Reply(Reply {
        vendor_id: id.to_owned(),
        from: sender(fields.get("From")?),
        to: sender(fields.get("To")?).text().to_owned(),
        // A person may send a picture and no text.
        text: fields.get("Text").unwrap_or_default().to_owned(),
        at: now,
        content: None,
        is_again: false,
        is_answered: false,
    })])
}
