//! A message of a bulk, as far as it must be known until it is written: without its text, which is made of
//! the call's once more then. A hundred thousand texts are not held in memory at once.

use std::sync::Arc;

use super::draft::Worded;
use super::room::Submit;
use crate::engine::prepared::{Prepared, digest_of};
use crate::error::Result;
use crate::ledger::Draft;
use crate::provider::Form;
use crate::sms::fold;
use crate::sms::message::{MessageId, Realm};
use crate::sms::number::Number;
use crate::sms::purpose::Purpose;
use crate::sms::schedule::Schedule;

/// A message of a bulk. See the module's text.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The recipient.
    pub to: Number,
    /// Its place among the recipients of the call.
    pub place: u32,
    /// How it goes out.
    pub form: Form,
    /// What is held for it.
    pub hold_micros: i64,
    /// Whether nobody told that price.
    pub is_assumed: bool,
    /// Who will carry it.
    pub provider: Arc<str>,
    /// Whether the sandbox will.
    pub realm: Realm,
    /// What it is for.
    pub purpose: Purpose,
    /// When it is to leave.
    pub schedule: Schedule,
    /// Whether its text has a link or a number to call, where that matters.
    pub leads_somewhere: bool,
    /// Whether a line of the operator's was added to its text.
    pub is_longer: bool,
}

/// Names that many messages share.
#[derive(Default)]
pub struct Names(Vec<Arc<str>>);

impl Names {
    /// The one copy of this name.
    pub fn of(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| ***known == *name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        self.0.push(Arc::clone(&new));
        new
    }
}

impl Asked {
    /// What must be known of a message that is prepared as a whole.
    pub fn of(prepared: &Prepared, names: &mut Names) -> Self {
        let Draft { encoding, segments, hold_micros, is_assumed, provider, .. } = &prepared.draft;
        Self {
            to: prepared.to.clone(),
            place: 0,
            form: Form { encoding, segments: *segments },
            hold_micros: *hold_micros,
            is_assumed: *is_assumed,
            provider: names.of(provider),
            realm: prepared.realm,
            purpose: prepared.draft.purpose,
            schedule: prepared.draft.schedule,
            leads_somewhere: false,
            is_longer: prepared.is_longer,
        }
    }
}

impl Submit {
    /// Checks how a text would go out on this way, and prices it.
    pub fn asked(
        &self,
        worded: &Worded<'_>,
        to: Number,
        place: u32,
        names: &mut Names,
        schedule: Schedule,
    ) -> Result<Asked> {
        let Worded { text, way, purpose, is_longer } = worded;
        let price = self.price_on(way, &to)?;
        let first = way.hops.first();
        Ok(Asked {
            place,
            form: first.map_or_else(|| Form::of(text), |hop| hop.form),
            hold_micros: price.money.micros,
            is_assumed: price.is_assumed,
            provider: names.of(first.map_or("", |hop| hop.carrier.name())),
            realm: way.realm(),
            purpose: *purpose,
            schedule,
            leads_somewhere: self.leads_somewhere(text),
            is_longer: *is_longer,
            to,
        })
    }

    /// What the ledger is asked to write of a message of a bulk. Its requests are counted when it is claimed.
    pub fn draft_of(&self, asked: &Asked, from: Option<&str>, text: String) -> Result<Draft> {
        Ok(Draft {
            id: MessageId::new(self.life.now().as_millis(), u128::from_be_bytes(self.life.random()?)),
            to: asked.to.e164().to_owned(),
            from: from.map(str::to_owned),
            digest: digest_of(&text),
            folded: fold::digest(&text),
            text,
            encoding: asked.form.encoding,
            segments: asked.form.segments,
            hold_micros: asked.hold_micros,
            is_assumed: asked.is_assumed,
            provider: asked.provider.as_ref().to_owned(),
            rated_requests: 0,
            purpose: asked.purpose,
            schedule: asked.schedule,
        })
    }
}
