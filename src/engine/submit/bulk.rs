//! Bulk sends: every intent is on disk before the first message leaves, then a queue hands them over.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::asked::{Asked, Names};
use super::key::{accepted, conflict, idempotency, in_doubt, longer, used_before, waits, would_wait};
use super::room::Submit;
use super::when::{Times, Wish};
use crate::engine::answers::names;
use crate::engine::arguments::{invalid, no_such};
use crate::engine::caller::Caller;
use crate::engine::contract::{BudgetLeft, BulkAnswer, BulkArgs, BulkStatus, CancelAnswer, OnInvalid, Price};
use crate::engine::deliver::Followed;
use crate::engine::life::crash_point;
use crate::error::{Error, ErrorKind, RefusedRecipient, Result};
use crate::ledger::{BatchDraft, Intent, MakeDrafts, Many, Payer, Reservation, Target};
use crate::policy::{Ask, Whole};
use crate::sms::message::{BatchId, MessageId, Realm, State};
use crate::sms::number::Number;
use crate::sms::template::Template;
use crate::sms::verdict::Verdict;
use crate::sms::{unfinished, untrusted};

/// Longest filled message, in bytes; the guard's `max_segments` is far below.
const MAX_FILLED: usize = 40_000;

/// How often a bulk that somebody waits for is looked up: messages may also end by expiring or by another
/// process.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Told how many messages of a bulk were handed over, of how many.
pub type OnProgress = Arc<dyn Fn(u32, u32) + Send + Sync>;

/// A bulk that may be sent, as far as that can be told without the ledger.
struct PreparedBulk {
    messages: Vec<Asked>,
    realm: Realm,
    refused: Vec<RefusedRecipient>,
    duplicates: Vec<String>,
}

pub fn refusal(to: &str, error: &Error) -> RefusedRecipient {
    RefusedRecipient {
        to: untrusted::escape(to),
        code: error.kind().to_string(),
        message: error.message().to_owned(),
    }
}

pub fn recipients_refused(refused: Vec<RefusedRecipient>, of: usize) -> Error {
    let first = refused
        .first()
        .map_or_else(String::new, |first| format!("; the first: {} ({})", first.message, first.code));
    let message = format!("{} of {of} recipients cannot be taken{first}", refused.len());
    Error::new(ErrorKind::RecipientsRefused, message).refused(refused)
}

/// What is to be written of a bulk beside its messages.
fn batch_of(id: BatchId, args: &BulkArgs, duplicates: &[String], refused: &[RefusedRecipient]) -> BatchDraft {
    // It was read as one already.
    let has_placeholders = Template::parse(&args.message).is_ok_and(|read| read.names().next().is_some());
    BatchDraft {
        id,
        duplicates: duplicates.to_vec(),
        refused: refused.to_vec(),
        template: has_placeholders.then(|| args.message.clone()),
    }
}

/// The side that all of these are on; nothing without any. A bulk is one intent with one key and one set of
/// budgets, so that it cannot be on both: then the first that is elsewhere.
fn one_realm(messages: &[Asked]) -> std::result::Result<Option<Realm>, &Asked> {
    let Some(first) = messages.first() else { return Ok(None) };
    match messages.iter().find(|message| message.realm != first.realm) {
        Some(other) => Err(other),
        None => Ok(Some(first.realm)),
    }
}

fn mixed(to: &Number) -> Error {
    let message = format!(
        "`recipients` are carried by the sandbox in part, and by a real provider in part; {to} is the first \
         of the other side"
    );
    Error::new(ErrorKind::InvalidArgument, message)
        .next("Send to each side in a call of its own. Nothing was sent.")
}

impl Submit {
    /// Sends one text to many, or quotes it. Answers when all are handed over, or after `wait` (for as long
    /// as it takes where there is none), with the batch's id; the rest goes on.
    ///
    /// # Errors
    /// What makes the whole bulk impossible. Single recipients that fail later are results, not errors.
    pub async fn send_bulk(
        self: &Arc<Self>,
        caller: Caller,
        args: BulkArgs,
        wait: Option<Duration>,
        progress: Option<OnProgress>,
    ) -> Result<BulkAnswer> {
        let room = Arc::clone(self);
        let watcher = caller.clone();
        let (batch, replayed, doubts, done) =
            match self.life.apart(async move { room.accept_bulk(&caller, Arc::new(args)).await }).await? {
                Accepted::Quote(answer) => return Ok(*answer),
                Accepted::Batch { id, replayed, doubts, done } => (id, replayed, doubts, done),
            };
        match done {
            Some((total, followed)) => {
                self.watch_batch(&watcher, &batch, total, Some(followed.handed_over.clone()), wait, progress)
                    .await;
                drop(followed);
            }
            None => self.watch_again(&watcher, &batch, wait, progress).await,
        }
        let mut answer =
            self.answers.bulk(&watcher, &batch).await.map_err(|error| accepted(error, batch.as_str()))?;
        answer.replayed = replayed;
        answer.warnings.extend(doubts);
        Ok(answer)
    }

    /// Waits for a bulk that an earlier call began, as that call does: who repeats a call has lost its
    /// answer. Without a wait of the caller's, `[send] bulk_wait` bounds it: nobody may be at work on the
    /// bulk.
    async fn watch_again(
        &self,
        caller: &Caller,
        batch: &BatchId,
        wait: Option<Duration>,
        progress: Option<OnProgress>,
    ) {
        // What cannot be read now is told by the answer.
        let Ok(Some(found)) = self.ledger.batch(&caller.principal, batch, 0).await else { return };
        if found.open() > 0 {
            let handed_over = self.deliver.progress.of(batch);
            let wait = wait.unwrap_or_else(|| self.bulk_wait.duration());
            self.watch_batch(caller, batch, found.accepted(), handed_over, Some(wait), progress).await;
        }
    }

    /// Waits until a bulk has ended, `wait` is over, or the engine stops. Where nobody here counts what is
    /// handed over, it is looked up.
    async fn watch_batch(
        &self,
        caller: &Caller,
        batch: &BatchId,
        total: u32,
        mut handed_over: Option<watch::Receiver<u32>>,
        wait: Option<Duration>,
        progress: Option<OnProgress>,
    ) {
        let follow = async {
            loop {
                let count = handed_over.as_mut().map_or(0, |count| *count.borrow_and_update());
                if let Some(tell) = progress.as_ref().filter(|_| count > 0) {
                    tell(count, total);
                }
                // What stands still may do so for days.
                if count >= total || self.life.is_stopping() || self.halting.of(&caller.principal).is_some() {
                    return;
                }
                tokio::select! {
                    is_over = is_uncounted(&mut handed_over) => if is_over { handed_over = None },
                    () = self.life.pause(LOOK_AGAIN) => {
                        let found = self.ledger.batch(&caller.principal, batch, 0).await;
                        if found.is_ok_and(|found| found.is_none_or(|found| found.open() == 0)) {
                            return;
                        }
                    }
                }
            }
        };
        match wait {
            None => follow.await,
            Some(wait) => tokio::select! {
                () = follow => {}
                () = self.life.sleep(wait) => {}
            },
        }
    }

    fn prepare_bulk(&self, args: &BulkArgs) -> Result<PreparedBulk> {
        let most = self.policy.settings().bulk_max;
        if args.recipients.is_empty() {
            return Err(invalid("recipients", "is empty; name at least one recipient"));
        }
        if usize::try_from(most).is_ok_and(|most| args.recipients.len() > most) {
            return Err(Error::new(
                ErrorKind::BulkTooLarge,
                format!("{} recipients; at most {most} are allowed at once", args.recipients.len()),
            ));
        }
        self.check_text(&args.message)?;
        self.policy.check_sender(args.from.as_deref())?;
        let template = Template::parse(&args.message)
            .map_err(|error| invalid("message", format!("cannot be filled: {error}")))?;
        let realm = self.carriers.realm();
        template.literals().try_for_each(|literal| self.check_finished("message", literal))?;
        let mut prepared = PreparedBulk {
            messages: Vec::with_capacity(args.recipients.len()),
            realm,
            refused: Vec::new(),
            duplicates: Vec::new(),
        };
        let (mut seen, mut names) = (HashSet::with_capacity(args.recipients.len()), Names::default());
        let (times, count) = (self.times(args.into())?, args.recipients.len());
        let mut faulty = Vec::new();
        for (index, recipient) in args.recipients.iter().enumerate() {
            let filled = template.fill(&recipient.data, MAX_FILLED).map_err(|error| error.to_string());
            let text = match filled.and_then(|text| self.check_data(&recipient.data).map(|()| text)) {
                Ok(text) => text,
                Err(wrong) => {
                    faulty.push(RefusedRecipient {
                        to: untrusted::escape(&recipient.to),
                        code: ErrorKind::InvalidArgument.to_string(),
                        message: format!(
                            "recipients[{index}] ({}): {wrong}",
                            untrusted::escape(&recipient.to)
                        ),
                    });
                    continue;
                }
            };
            let place = u32::try_from(index).unwrap_or(u32::MAX);
            match self.prepare_recipient(
                (&recipient.to, place),
                (args, times, count),
                &text,
                (&mut seen, &mut names),
            ) {
                Ok(Some(message)) => prepared.messages.push(message),
                Ok(None) => prepared.duplicates.push(untrusted::escape(&recipient.to)),
                Err(error)
                    if error.kind() == ErrorKind::PriceUnknown || error.kind() == ErrorKind::Internal =>
                {
                    return Err(error);
                }
                Err(error) => prepared.refused.push(refusal(&recipient.to, &error)),
            }
        }
        if let Some(first) = faulty.first() {
            let message = format!(
                "`recipients` do not fit the message's placeholders in {} places; the first: {}",
                faulty.len(),
                first.message
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message).refused(faulty));
        }
        prepared.realm = one_realm(&prepared.messages).map_err(|other| mixed(&other.to))?.unwrap_or(realm);
        Ok(prepared)
    }

    /// Checks that each value says something, and has in it nothing that was left by mistake.
    fn check_data(&self, data: &BTreeMap<String, String>) -> Result<(), String> {
        for (name, value) in data {
            if !self.policy.settings().allow_placeholders && unfinished::is_no_value(value) {
                let shown = untrusted::escape(value);
                return Err(format!(
                    "the value of \"{name}\" is \"{shown}\", so that {{{{{name}}}}} would leave a gap; give \
                     a value, or send this person a text without it"
                ));
            }
            self.check_finished(&format!("data.{name}"), value)
                .map_err(|error| error.message().to_owned())?;
        }
        Ok(())
    }

    /// One message of a bulk; nothing where this recipient was named before.
    fn prepare_recipient(
        &self,
        (to, place): (&str, u32),
        (args, times, count): (&BulkArgs, Times, usize),
        text: &str,
        (seen, names): (&mut HashSet<String>, &mut Names),
    ) -> Result<Option<Asked>> {
        let to: Number = self.number(to)?;
        self.policy.check_destination(&to)?;
        if !seen.insert(to.e164().to_owned()) {
            return Ok(None);
        }
        self.check_text(text)?;
        let from = self.carriers.sender(&to, args.from.as_deref());
        let worded = self.worded((&to, from), args.into(), text, Some(count))?;
        self.carriers.warn_unregistered(&worded.way, &to, from);
        let schedule = self.schedule(times, &to)?;
        self.asked(&worded, to, place, names, schedule).map(Some)
    }

    async fn accept_bulk(self: &Arc<Self>, caller: &Caller, args: Arc<BulkArgs>) -> Result<Accepted> {
        let all_or_none = args.on_invalid == OnInvalid::Refuse;
        let prepared = self.prepare_bulk(&args).and_then(|prepared| {
            let is_refused = prepared.messages.is_empty() || (all_or_none && !prepared.refused.is_empty());
            let of = args.recipients.len();
            if is_refused { Err(recipients_refused(prepared.refused, of)) } else { Ok(prepared) }
        });
        let PreparedBulk { messages, realm, refused, duplicates } = match prepared {
            Ok(prepared) => prepared,
            Err(refused) => {
                return Err(self.unless_accepted(caller, args.idempotency_key.as_deref(), refused).await);
            }
        };
        self.may_queue(caller, args.idempotency_key.as_deref(), &messages).await?;
        let id = BatchId::new(self.life.now().as_millis(), u128::from_be_bytes(self.life.random()?));
        let payer = self.answers.payer(caller, args.session.clone(), realm)?;
        let batch = batch_of(id.clone(), &args, &duplicates, &refused);
        let intent = Intent {
            idempotency: idempotency(args.idempotency_key.as_deref(), said(&args))?,
            batch: Some(batch),
            all_or_none,
            preview: args.dry_run,
            proposal: self.proposal(messages.first().map(|first| first.schedule).unwrap_or_default())?,
            ..self.intent(payer.clone())
        };
        // Before the reservation: what is handed over at once is counted too.
        let followed = self.deliver.progress.follow(&id);
        let messages = Arc::new(messages);
        let reservation = self.reserve_bulk(intent, &args, &messages).await;
        crash_point("after-bulk-reserve");
        match reservation {
            Ok(Reservation::Taken { refused: later, doubts, waiting, asked, budgets, .. }) => {
                let mut doubts: Vec<String> = in_doubt(&doubts).into_iter().collect();
                doubts.extend(longer(messages.iter().any(|message| message.is_longer)));
                doubts.extend(self.of_waiting(caller, realm, &waiting, args.dry_run).await);
                // What waits for its time or for a person is not waited for.
                let waits = if asked.is_some() { messages.len() - later.len() } else { waiting.len() };
                let leaving = messages.len() - later.len() - waits;
                if asked.is_some() {
                    self.signals.to_tell();
                }
                let refused = refused.into_iter().chain(
                    later
                        .iter()
                        .filter_map(|(index, error)| Some(refusal(messages.get(*index)?.to.e164(), error))),
                );
                if args.dry_run {
                    let later: HashSet<usize> = later.iter().map(|(index, _)| *index).collect();
                    let mut quote =
                        self.bulk_quote(&messages, &later, refused.collect(), duplicates, &budgets);
                    quote.warnings.extend(doubts);
                    return Ok(Accepted::Quote(Box::new(quote)));
                }
                self.signals.wake_queues();
                let total = u32::try_from(leaving).unwrap_or(u32::MAX);
                Ok(Accepted::Batch { id, replayed: false, doubts, done: Some((total, followed)) })
            }
            Ok(Reservation::Refused { refused: later, .. }) => {
                let all = later
                    .iter()
                    .filter_map(|(index, error)| Some(refusal(messages.get(*index)?.to.e164(), error)));
                Err(recipients_refused(refused.into_iter().chain(all).collect(), args.recipients.len()))
            }
            Ok(Reservation::Replay(Target::Batch(first))) if args.dry_run => {
                let quote = self.quote_again(&messages, refused, duplicates, payer, &first).await?;
                Ok(Accepted::Quote(Box::new(quote)))
            }
            Ok(Reservation::Replay(Target::Batch(first))) => {
                Ok(Accepted::Batch { id: first, replayed: true, doubts: Vec::new(), done: None })
            }
            Ok(Reservation::Replay(Target::Message(_)) | Reservation::Conflict) => Err(conflict()),
            Err(error) => Err(self
                .unless_accepted_as_another(caller, (args.idempotency_key.as_deref(), id.as_str()), error)
                .await),
        }
    }

    /// What to know of those of a bulk that wait.
    async fn of_waiting(
        &self,
        caller: &Caller,
        realm: Realm,
        waiting: &[(usize, Verdict)],
        dry_run: bool,
    ) -> Vec<String> {
        let Some((_, verdict)) = waiting.first() else { return Vec::new() };
        let told = if dry_run { would_wait(verdict) } else { waits(verdict) };
        let count = waiting.len();
        let told = told.map(|told| format!("Of {count} of them, such as the first: {told}"));
        // They are accepted, whatever can be said of it.
        told.into_iter().chain(self.needs_server(caller, realm).await.ok().flatten()).collect()
    }

    async fn reserve_bulk(
        self: &Arc<Self>,
        intent: Intent,
        args: &Arc<BulkArgs>,
        messages: &Arc<Vec<Asked>>,
    ) -> Result<Reservation> {
        let (policy, asked, call) = (Arc::clone(&self.policy), Arc::clone(messages), Arc::clone(args));
        let carriers = Arc::clone(&self.carriers);
        let now_ms = intent.now.as_millis();
        let whole = Whole::of(messages.iter().map(|message| message.hold_micros));
        let decide = move |index: usize, facts: &crate::sms::facts::Facts| {
            let Asked { to, hold_micros, purpose, schedule, leads_somewhere, .. } =
                asked.get(index).ok_or_else(missing)?;
            let ask = Ask {
                from: carriers.sender(to, call.from.as_deref()),
                hold_micros: *hold_micros,
                whole: Some(whole),
                purpose: *purpose,
                schedule: *schedule,
                leads_somewhere: *leads_somewhere,
                ..Ask::to(to, now_ms)
            };
            policy.decide(&ask, facts)
        };
        let (room, asked, call) = (Arc::clone(self), Arc::clone(messages), Arc::clone(args));
        let make: MakeDrafts = Arc::new(move |places| {
            let template = Template::parse(&call.message).map_err(|_| missing())?;
            let draft = |asked: &Asked| {
                let recipient = usize::try_from(asked.place)
                    .ok()
                    .and_then(|place| call.recipients.get(place))
                    .ok_or_else(missing)?;
                let text = template.fill(&recipient.data, MAX_FILLED).map_err(|_| missing())?;
                let text = room.policy.worded(&asked.to, asked.purpose, &text)?.into_owned();
                room.draft_of(asked, room.carriers.sender(&asked.to, call.from.as_deref()), text)
            };
            asked.get(places).ok_or_else(missing)?.iter().map(draft).collect()
        });
        let many = Many { count: messages.len(), hold_micros: whole.micros, make };
        self.ledger.reserve_many(intent, many, Arc::new(decide)).await
    }

    pub fn bulk_quote(
        &self,
        messages: &[Asked],
        skipped: &HashSet<usize>,
        refused: Vec<RefusedRecipient>,
        duplicates: Vec<String>,
        budgets: &[crate::sms::facts::Budget],
    ) -> BulkAnswer {
        let taken: Vec<_> = messages
            .iter()
            .enumerate()
            .filter(|(index, _)| !skipped.contains(index))
            .map(|(_, message)| message)
            .collect();
        let currency = self.policy.settings().currency;
        let micros = taken.iter().map(|message| message.hold_micros).fold(0_i64, i64::saturating_add);
        BulkAnswer {
            batch: None,
            status: BulkStatus::DryRun,
            accepted: u32::try_from(taken.len()).unwrap_or(u32::MAX),
            counts: BTreeMap::new(),
            segments: taken.iter().map(|message| message.form.segments).fold(0, u32::saturating_add),
            price: Price::of(micros, currency.as_str())
                .assumed(taken.iter().any(|message| message.is_assumed)),
            provider: names(taken.iter().map(|message| &*message.provider)),
            created_at: self.life.now().rfc3339(),
            replayed: false,
            results: Vec::new(),
            results_omitted: 0,
            refused,
            duplicates,
            budget: BudgetLeft::of(budgets, currency),
            approval: None,
            warnings: self.answers.warnings(taken.iter().map(|message| message.realm)),
        }
    }

    /// The quote of a bulk whose key was used before for the very same call.
    pub async fn quote_again(
        &self,
        messages: &[Asked],
        refused: Vec<RefusedRecipient>,
        duplicates: Vec<String>,
        payer: Payer,
        first: &BatchId,
    ) -> Result<BulkAnswer> {
        let budgets = self.ledger.budgets(payer, self.life.now()).await?;
        let mut quote = self.bulk_quote(messages, &HashSet::new(), refused, duplicates, &budgets);
        quote.replayed = true;
        quote.warnings.push(used_before(first.as_str()));
        Ok(quote)
    }

    /// Takes back what of a message or a bulk of this caller's has not left.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an id that this principal does not have, [`ErrorKind::InvalidArgument`]
    /// for a message that has left or ended, or [`ErrorKind::LedgerUnavailable`].
    pub async fn cancel_any(&self, caller: &Caller, id: &str) -> Result<CancelAnswer> {
        if id.starts_with(MessageId::PREFIX) {
            let status = self.take_back(caller, &MessageId::from_text(id)).await?;
            return Ok(CancelAnswer {
                id: id.to_owned(),
                canceled: 1,
                status: Some(status),
                warnings: Vec::new(),
            });
        }
        let canceled = self.cancel(caller, &BatchId::from_text(id)).await?;
        let nothing = "Nothing of it was waiting any more: what has left cannot be taken back.".to_owned();
        let warnings = if canceled == 0 { vec![nothing] } else { Vec::new() };
        Ok(CancelAnswer { id: id.to_owned(), canceled, status: None, warnings })
    }

    /// Takes back what is still queued of a bulk, for the operator. Returns how many messages that were.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a bulk that this principal does not have, or
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn cancel(&self, caller: &Caller, id: &BatchId) -> Result<u32> {
        if self.ledger.batch(&caller.principal, id, 0).await?.is_none() {
            return Err(no_such("id", id.as_str()));
        }
        let count = self.ledger.cancel(&caller.principal, id, self.life.now()).await?;
        caller.acted("cancel", id.as_str());
        Ok(count)
    }

    /// Takes back a message that has not left: it waits for its time, for a person, or in the queue. Returns
    /// its state then.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a message that this principal does not have,
    /// [`ErrorKind::InvalidArgument`] for one that does not wait so, or [`ErrorKind::LedgerUnavailable`].
    pub async fn take_back(&self, caller: &Caller, id: &MessageId) -> Result<State> {
        if self.ledger.take_back(&caller.principal, id, self.life.now()).await? {
            caller.acted("cancel", id.as_str());
            return Ok(State::Canceled);
        }
        let found =
            self.ledger.message(&caller.principal, id).await?.ok_or_else(|| no_such("id", id.as_str()))?;
        let message = format!("{id} is {}: it does not wait any more", found.state);
        Err(Error::new(ErrorKind::InvalidArgument, message)
            .about_message(id.as_str())
            .next("Nothing was taken back. get_status shows what became of it."))
    }
}

enum Accepted {
    Quote(Box<BulkAnswer>),
    Batch { id: BatchId, replayed: bool, doubts: Vec<String>, done: Option<(u32, Followed)> },
}

/// Waits for the next count, and says whether nobody counts any more. Never ends where nobody did.
async fn is_uncounted(handed_over: &mut Option<watch::Receiver<u32>>) -> bool {
    match handed_over {
        Some(count) => count.changed().await.is_err(),
        None => std::future::pending().await,
    }
}

fn missing() -> Error {
    Error::new(ErrorKind::Internal, "a recipient is missing")
}

/// Everything that makes two bulk calls the same.
fn said(args: &BulkArgs) -> impl Iterator<Item = Cow<'_, str>> {
    let head = [
        Cow::Borrowed("bulk"),
        args.from.as_deref().unwrap_or_default().into(),
        args.message.as_str().into(),
    ];
    let each = args.recipients.iter().flat_map(|recipient| {
        let data = recipient
            .data
            .iter()
            .flat_map(|(name, value)| [Cow::Borrowed(name.as_str()), Cow::Borrowed(value.as_str())]);
        [Cow::Borrowed(recipient.to.as_str()), recipient.data.len().to_string().into()]
            .into_iter()
            .chain(data)
    });
    let wish = Wish::from(args).said().map(Cow::Owned);
    head.into_iter().chain([format!("{:?}", args.on_invalid).into()]).chain(wish).chain(each)
}
