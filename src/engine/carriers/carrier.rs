//! A carrier: one provider with what the engine needs around it, and the only way to call it.
//!
//! A provider's code talks to somebody else's machine, so any call of it may hang, and any may fail in a way
//! that nobody thought of. Any answer may quote what its vendor was shown: no secret of the provider gets
//! past here. Nothing but this module holds the provider itself: whoever wants something of it asks through
//! here, and gets an answer, or says by itself after how long it stops waiting. A failure in the provider's
//! code is an answer too. Questions end with the server; what was handed over may still be taken, so its
//! answer is waited for.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::asked::Asked;
use super::breaker::Breaker;
use crate::clock::Timestamp;
use crate::engine::life::Life;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Ledger, Pacing};
use crate::policy::{Policy, Priced};
use crate::provider::exchange::{Action, Notice, Unacknowledged, Webhook};
use crate::provider::line::session::NO_BIND;
use crate::provider::settings::{Callback, Rate, Secrets};
use crate::provider::worded::Worded;
use crate::provider::{Capabilities, Form, Outcome, Provider, Submission};
use crate::sms::message::{MessageId, Realm};
use crate::sms::money::Money;
use crate::sms::number::Number;
use crate::sms::quoted::{self, HIDDEN, Writings};
use crate::sms::sender;

/// One provider with what the engine needs around it. See the module's text.
pub struct Carrier {
    provider: Arc<dyn Provider>,
    /// Where its vendor can reach this server, if it can.
    pub callback: Option<Callback>,
    /// The sender ID that it shows where a message names none, where that is known.
    pub sender: Option<String>,
    /// How fast it may be used.
    pub rate: Pacing,
    /// Whether it is asked at all now.
    pub breaker: Breaker,
    /// What its vendor was shown, and may show again.
    secrets: Writings,
    /// What its vendor was asked a moment ago.
    pub asked: Asked,
}

/// What is said where a provider's code panicked.
const FAILED: &str = "the provider's code failed";

/// How long a provider may take that bounds each request itself: only a fault of its code takes so long.
const LAST_RESORT: Duration = Duration::from_secs(3_600);

impl Carrier {
    /// A carrier of this provider.
    pub fn new(provider: Arc<dyn Provider>, callback: Option<Callback>, rate: Rate) -> Self {
        let rate = Pacing { per_second: rate.per_second, per_minute: rate.per_minute, per_day: rate.per_day };
        Self {
            provider,
            callback,
            sender: None,
            rate,
            breaker: Breaker::default(),
            secrets: Writings::default(),
            asked: Asked::default(),
        }
    }

    /// The same, which takes these secrets out of whatever the provider answers.
    #[must_use]
    pub fn hiding(mut self, secrets: &Secrets) -> Self {
        secrets.each().for_each(|secret| self.secrets.add(secret.expose()));
        self
    }

    /// The same, which shows this sender ID where a message names none.
    #[must_use]
    pub fn showing(mut self, sender: Option<&str>) -> Self {
        self.sender = sender.map(str::to_owned);
        self
    }

    /// Whom a text shows as its sender there, where that is known.
    pub fn shown<'a>(&'a self, from: Option<&'a str>) -> Option<&'a str> {
        from.or(self.sender.as_deref())
    }

    /// Takes the provider's secrets out of its vendor's words. An id that holds one is none: it would be kept,
    /// shown to agents, and asked by.
    pub fn hide(&self, told: &mut impl Worded) {
        told.words(&mut |words| *words = quoted::without_secrets(words, &self.secrets));
        told.ids(&mut |id| {
            if quoted::holds_secret(id, &self.secrets) {
                tracing::warn!(provider = self.name(), "a provider's id holds a secret of its own; not kept");
                id.clear();
            }
        });
    }

    /// The provider's name.
    pub fn name(&self) -> &str {
        self.provider.name()
    }

    /// On which side it is.
    pub fn realm(&self) -> Realm {
        Realm::of(self.capabilities().real)
    }

    /// What it can do.
    pub fn capabilities(&self) -> Capabilities {
        self.provider.capabilities()
    }

    /// What else an operator can do there.
    pub fn actions(&self) -> &'static [Action] {
        self.provider.actions()
    }

    /// Whether it answers what it is asked on some connection, though an answer was lost.
    pub fn is_answering(&self) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.provider.is_answering())).unwrap_or(false)
    }

    /// Begins nothing there from now on.
    pub fn begin_close(&self) {
        // A provider whose code fails here is still closed later.
        let _ = catch_unwind(AssertUnwindSafe(|| self.provider.begin_close()));
    }

    /// Whether a part of some text has left there, and the rest of it has not.
    pub fn is_mid_text(&self) -> bool {
        catch_unwind(AssertUnwindSafe(|| self.provider.is_mid_text())).unwrap_or(false)
    }

    /// Waits until messages that are handed over would begin soon: how many requests that are.
    pub async fn room(&self) -> u32 {
        self.call(|provider| provider.room()).await.unwrap_or(u32::MAX)
    }

    /// How its webhooks come, and what they are answered.
    pub fn webhook(&self) -> Webhook {
        catch_unwind(AssertUnwindSafe(|| self.provider.webhook())).unwrap_or(Webhook::POST)
    }

    /// What it tells by itself; the first caller gets it.
    pub fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        self.provider.notices()
    }

    /// What people wrote and it did not take, though a carrier told it.
    pub fn unacknowledged(&self) -> Vec<Unacknowledged> {
        catch_unwind(AssertUnwindSafe(|| self.provider.unacknowledged())).unwrap_or_default()
    }

    /// How many requests a message of so many segments counts for its rate; none where it has no limit.
    pub fn rated_requests(&self, segments: u32) -> u32 {
        match (self.rate.is_limited(), self.capabilities().segment_requests) {
            (false, _) => 0,
            (true, true) => segments,
            (true, false) => 1,
        }
    }

    /// How a message goes out there, or why it cannot. A provider whose code fails on a message does not take
    /// it.
    ///
    /// # Errors
    /// [`ErrorKind::SenderNotAllowed`] where no text from a name arrives; the provider's own, or
    /// [`ErrorKind::ProviderUnavailable`].
    pub fn form(&self, to: &Number, from: Option<&str>, text: &str) -> Result<Form> {
        // The sandbox has no network that would refuse it.
        let shown = self.shown(from).filter(|_| !self.realm().is_sandbox());
        if let Some(why) = shown.and_then(|shown| sender::why_not(shown, to)) {
            return Err(Error::new(ErrorKind::SenderNotAllowed, why));
        }
        let asked = catch_unwind(AssertUnwindSafe(|| {
            let form = self.provider.form(to, from, text)?;
            // Asked again for the money; here is where a failure can still be told.
            let _ = self.provider.price(to, form.segments);
            Ok(form)
        }));
        asked.unwrap_or_else(|_| Err(self.unavailable(FAILED)))
    }

    /// The price of a message before it is sent, where the provider knows it.
    pub fn price(&self, to: &Number, segments: u32) -> Option<Money> {
        catch_unwind(AssertUnwindSafe(|| self.provider.price(to, segments))).unwrap_or(None)
    }

    /// What stands for the request by which a message would be handed over, where the same one may be posted
    /// once more. A provider whose code fails has none.
    pub fn request_digest(&self, submission: &Submission) -> Option<[u8; 32]> {
        if !self.capabilities().reposts {
            return None;
        }
        catch_unwind(AssertUnwindSafe(|| self.provider.request_digest(submission))).unwrap_or(None)
    }

    /// What octets of a person's text say. Where its code fails: what is ASCII in them, rather than nothing.
    pub fn words(&self, coding: u8, octets: &[u8]) -> Option<String> {
        catch_unwind(AssertUnwindSafe(|| self.provider.words(coding, octets)))
            .unwrap_or_else(|_| Some(String::from_utf8_lossy(octets).into_owned()))
    }

    fn unavailable(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.name()))
    }

    /// Calls the provider; nothing where its code fails.
    async fn call<'a, T>(&'a self, call: impl FnOnce(&'a dyn Provider) -> BoxFuture<'a, T>) -> Option<T> {
        // The call itself is inside, since it may fail before there is anything to wait for.
        AssertUnwindSafe(async { call(&*self.provider).await }).catch_unwind().await.ok()
    }

    /// As [`Carrier::call`], without the provider's secrets in what it answers.
    async fn hear<'a, T: Worded>(
        &'a self,
        call: impl FnOnce(&'a dyn Provider) -> BoxFuture<'a, T>,
    ) -> Option<T> {
        let mut answer = self.call(call).await;
        answer.iter_mut().for_each(|answer| self.hide(answer));
        answer
    }
}

/// Takes out of what came of these messages what it quotes of their texts. What was said of a message is
/// compared with its own text, and what was said in the same words of several once with the texts of all of
/// them: a request that is refused as a whole says one thing a thousand times.
pub fn hide_texts(outcomes: &mut [Outcome], submissions: &[Submission]) {
    let mut said: HashMap<String, HashSet<&str>> = HashMap::new();
    let is_each = outcomes.len() == submissions.len();
    for (at, outcome) in outcomes.iter_mut().enumerate() {
        let of = if is_each { submissions.get(at..=at) } else { Some(submissions) };
        outcome.words(&mut |words| {
            let texts = of.unwrap_or_default().iter().map(|submission| submission.text.as_str());
            said.entry(words.clone()).or_default().extend(texts);
        });
    }
    let shown: HashMap<String, String> = said
        .into_iter()
        .map(|(words, texts)| {
            let shown = quoted::without_texts(&words, texts);
            (words, shown)
        })
        .collect();
    for outcome in outcomes {
        outcome.words(&mut |words| *words = shown.get(words).map_or(HIDDEN, String::as_str).to_owned());
    }
}

/// Whether the provider has itself waited for what is in the way: it is not tried again at once.
pub fn has_waited(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::NotSent { why, .. } if why.starts_with(NO_BIND))
}

impl Carrier {
    /// Asks the provider something: for so long, and not beyond the beginning of a stop.
    ///
    /// # Errors
    /// The provider's own, or [`ErrorKind::ProviderUnavailable`] with its name.
    pub async fn ask<'a, T: Worded>(
        &'a self,
        life: &Life,
        patience: Duration,
        call: impl FnOnce(&'a dyn Provider) -> BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        tokio::select! {
            asked = self.hear(call) => asked.unwrap_or_else(|| Err(self.unavailable(FAILED))),
            () = life.pause(patience) => Err(if life.is_stopping() {
                self.unavailable("the server is stopping")
            } else {
                self.unavailable(&format!("no answer within {} s", patience.as_secs_f32()))
            }),
        }
    }

    /// Hands something over to the provider, and waits so long for its answer, a stop or not; where the
    /// provider gives each request its own time, for as long as it takes. Where there is none nobody knows
    /// what became of it: that is what `lost` gets.
    pub async fn hand<'a, T: Worded>(
        &'a self,
        life: &Life,
        timeout: Duration,
        call: impl FnOnce(&'a dyn Provider) -> BoxFuture<'a, T>,
        lost: impl FnOnce(Outcome) -> T,
    ) -> T {
        let timeout = if self.capabilities().bounds_itself { timeout.max(LAST_RESORT) } else { timeout };
        let why = tokio::select! {
            answer = self.hear(call) => match answer {
                Some(answer) => return answer,
                None => FAILED.to_owned(),
            },
            () = life.sleep(timeout) => format!("no answer within {} s", timeout.as_secs_f32()),
        };
        lost(Outcome::Unknown { why })
    }

    /// Ends what it keeps open. The caller bounds the time.
    pub async fn leave(&self) {
        if self.call(|provider| provider.close()).await.is_none() {
            tracing::warn!(provider = self.name(), "panic in a provider's code at shutdown");
        }
    }

    /// What it takes for so many segments, or what is reserved where it does not say.
    ///
    /// # Errors
    /// [`ErrorKind::PriceUnknown`].
    pub fn priced(&self, policy: &Policy, to: &Number, segments: u32) -> Result<Priced> {
        policy.price(to, usize::try_from(segments).unwrap_or(usize::MAX), self.price(to, segments))
    }

    /// Whether its vendor may be asked about this message now, in so many requests.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn may_look(
        &self,
        ledger: &dyn Ledger,
        now: Timestamp,
        id: &MessageId,
        requests: usize,
    ) -> Result<bool> {
        if self.realm() == Realm::Sandbox {
            return Ok(true);
        }
        Ok(!self.asked.was_looked_at(id, now) && self.has_room(ledger, now, requests).await?)
    }

    /// Counts so many questions against its rate, unless that would take from its sends. Returns whether they
    /// may be asked.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn has_room(&self, ledger: &dyn Ledger, now: Timestamp, requests: usize) -> Result<bool> {
        if !self.rate.is_limited() {
            return Ok(true);
        }
        let requests = u32::try_from(requests).unwrap_or(u32::MAX);
        ledger.admit(self.name(), self.realm(), requests, self.rate.half(), now).await
    }
}
