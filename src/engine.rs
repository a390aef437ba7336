//! Sending: the one way from a request to a phone.
//!
//! Everything that sends goes through [`Engine`]: idempotency, then the guard with the ledger's facts, then
//! the reservation (intent and money in one durable step), then the attempt, then the settlement, and after a
//! crash the recovery. It promises that an accepted message reaches a provider at most once, that whatever
//! was accepted ends in a state that can be looked up, and that held and spent money never exceed a budget.
//! Surfaces (MCP, HTTP, command line) call nothing else. Every verb takes who calls, and one that widens what
//! agents may do takes a person.
//!
//! A send runs in a task of its own: a client that disconnects does not stop it.
//!
//! This is the facade: the verbs that surfaces call, and the beginning and the end of an engine. What a verb
//! does stands in a room, which is a struct of the parts that it may touch (`deliver/room.rs` and its like);
//! a room knows the rooms below it, and none knows the facade. `arguments`, `caller`, `halted`, `life`,
//! `prepared`, `retry` and `signals` are what rooms share.

mod answering;
mod answers;
mod arguments;
mod caller;
mod carriers;
mod clients;
mod consenting;
pub mod contract;
mod deciding;
mod deliver;
mod halted;
mod life;
mod operate;
mod prepared;
mod read;
mod receive;
mod retry;
mod rooms;
mod running;
pub mod settings;
mod signals;
mod submit;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::halt::Extent;
use crate::ledger::upkeep::Prunable;
use crate::ledger::{OptOut, Pending};
use crate::policy::Policy;
use crate::provider::exchange::{Arguments, Event, Finding, Webhook};
use crate::setting::Span;
use crate::sms::destination::Destination;
use crate::sms::message::{BatchId, MessageId, Realm, State};
use crate::sms::number::Number;
use crate::sms::purpose::Purpose;
use campaign::CampaignArgs;
use contract::{
    BalanceAnswer, BalanceArgs, BudgetView, BulkAnswer, BulkArgs, CancelAnswer, CancelArgs, ListAnswer,
    ListArgs, OpenAnswer, OpenArgs, SendAnswer, SendArgs, StatusAnswer, StatusArgs,
};
use opt_outs::Wants;
use own::{OwnSent, OwnText};
use reconcile::{Found, Reconciled};
use rooms::Rooms;
use rules::Ruled;
use vendors::{Standing, Tariff, Vendor};

pub use crate::ledger::Act;
pub use crate::ledger::approvers::Approver;
pub use crate::ledger::proposals::Proposal;
pub use crate::ledger::upkeep::Pruned;
pub use crate::policy::Assumed;
pub use caller::{Base, Caller, Person};
pub use carriers::carrier::Carrier;
pub use carriers::route::Carriers;
pub use operate::{approvers, consents, explain, opt_outs, page, proposals, rules, vendors};
pub use receive::reconcile;
pub use receive::webhook::{Called, Refused};
pub use rooms::Parts;
pub use settings::Settings;
pub use submit::bulk::OnProgress;
pub use submit::campaign;
pub use submit::own;
pub use tell::endpoint;
pub use tell::watch::Watched;

/// The engine. Cloning shares it.
#[derive(Clone)]
pub struct Engine {
    rooms: Arc<Rooms>,
}

impl Engine {
    /// An engine of these parts. Nothing runs in the background before [`Engine::start`].
    pub fn new(parts: Parts) -> Self {
        Self { rooms: Arc::new(Rooms::of(parts)) }
    }

    /// The policy.
    pub fn guard(&self) -> &Policy {
        &self.rooms.policy
    }

    /// Settles what processes that died left behind, then starts the background work: the queue of bulk
    /// messages, receipts, and further recovery. `adopt`: whether to go on with what other processes left
    /// queued.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn start(&self, adopt: bool) -> Result<()> {
        self.rooms.start(adopt).await
    }

    /// Settles what processes that died left behind. [`Engine::start`] does it too.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn recover(&self) -> Result<()> {
        self.rooms.recovery.recover().await
    }

    /// Forgets from now on, and again now and then, what did not change for so long. For servers.
    pub fn start_pruning(&self, keep_for: Option<Span>) {
        let Some(keep_for) = keep_for else { return };
        let operate = Arc::clone(&self.rooms.operate);
        self.rooms.life.spawn(async move { operate.run_prune(keep_for).await });
    }

    /// Refuses new sends from now on.
    pub fn begin_stop(&self) {
        self.rooms.begin_stop();
    }

    /// Waits until nothing is in flight any more, after [`Engine::begin_stop`].
    pub async fn idle(&self) {
        self.rooms.life.idle().await;
    }

    /// Stops: refuses what is new, waits up to `patience` for what is in flight, takes leave of the carriers,
    /// and closes the ledger. What did not end in time is recorded as unknown; what is still queued waits for
    /// the next process.
    pub async fn stop(&self, patience: Duration) {
        self.rooms.stop(patience).await;
    }

    /// Sends one message, or quotes it.
    ///
    /// # Errors
    /// Every refusal of the guard, of the provider, and every lost answer; the kinds say which and what to do
    /// next.
    pub async fn send(&self, caller: Caller, args: SendArgs) -> Result<SendAnswer> {
        self.rooms.submit.send(caller, args).await
    }

    /// Sends one text to many, or quotes it. Answers when all are handed over, or after `wait` (for as long
    /// as it takes where there is none), with the batch's id; the rest goes on.
    ///
    /// # Errors
    /// What makes the whole bulk impossible. Single recipients that fail later are results, not errors.
    pub async fn send_bulk(
        &self,
        caller: Caller,
        args: BulkArgs,
        wait: Option<Duration>,
        progress: Option<OnProgress>,
    ) -> Result<BulkAnswer> {
        self.rooms.submit.send_bulk(caller, args, wait, progress).await
    }

    /// Sends one text to a list that a vendor keeps, or quotes it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument),
    /// [`ErrorKind::NotSupported`](crate::error::ErrorKind::NotSupported) where the provider has no lists,
    /// and whatever refuses a bulk.
    pub async fn campaign(&self, caller: Caller, args: CampaignArgs) -> Result<BulkAnswer> {
        self.rooms.submit.campaign(caller, args).await
    }

    /// Sends a text of the operator's own, at most once for its key.
    ///
    /// # Errors
    /// As [`Engine::send`]. Where nothing was sent for certain, its key may be used again.
    pub async fn send_own(&self, text: OwnText) -> Result<OwnSent> {
        self.rooms.submit.send_own(text).await
    }

    /// Reads a phone number argument.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNumber`](crate::error::ErrorKind::InvalidNumber), which says what is wrong with
    /// it.
    pub fn number(&self, text: &str) -> Result<Number> {
        arguments::number(text, self.rooms.default_region)
    }

    /// A message with its history, after a fresh look at the provider where it has one; or a bulk.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) for an id that this principal does not
    /// have, [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument) for no cursor, or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn status(&self, caller: &Caller, args: StatusArgs) -> Result<StatusAnswer> {
        self.rooms.read.status(caller, args).await
    }

    /// Messages of this principal, newest first.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument) naming the argument, or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn list(&self, caller: &Caller, args: ListArgs) -> Result<ListAnswer> {
        self.rooms.read.list(caller, args).await
    }

    /// What the provider's account holds, and what is left of each budget.
    ///
    /// # Errors
    /// [`ErrorKind::SessionInvalid`](crate::error::ErrorKind::SessionInvalid) or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable). A provider that cannot
    /// be asked is part of the answer.
    pub async fn balance(&self, caller: &Caller, args: BalanceArgs) -> Result<BalanceAnswer> {
        self.rooms.read.balance(caller, args).await
    }

    /// Real providers that tell no prices before they send, and how far the budgets go at the assumed one;
    /// nothing where all of them tell some, or `[rates]` has one for each destination that is allowed.
    pub fn unpriced(&self) -> Option<(Vec<String>, Assumed)> {
        self.rooms.read.unpriced()
    }

    /// A slice of the caller's session.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument) naming the argument, or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn open_session(&self, caller: &Caller, args: OpenArgs) -> Result<OpenAnswer> {
        self.rooms.read.open_session(caller, args).await
    }

    /// The messages that change from now on, whoever they belong to, as far as this process changes them.
    pub fn changes(&self) -> broadcast::Receiver<MessageId> {
        self.rooms.tell.changes()
    }

    /// Begins to watch a message of this principal, as it is now. What changed within `just_now` counts as
    /// news: whoever was promised to be told a moment ago may have read it before.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) for an id that this principal does not
    /// have, or [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn watch(
        &self,
        caller: &Caller,
        id: &MessageId,
        watched: &Watched,
        just_now: Duration,
    ) -> Result<()> {
        self.rooms.tell.watch(caller, id, watched, just_now).await
    }

    /// Waits until one or more of these messages have changed since they were last told of, and returns
    /// which. Nothing: the engine is stopping.
    pub async fn next_changes(
        &self,
        watched: &Watched,
        changes: &mut broadcast::Receiver<MessageId>,
    ) -> Option<Vec<MessageId>> {
        self.rooms.tell.next_changes(watched, changes).await
    }

    /// How the vendor calls at this address, so that a body is worth reading: nothing where no vendor was
    /// given it.
    pub fn expects_webhook(&self, provider: &str, token: &str) -> Option<Webhook> {
        self.rooms.receive.expects_webhook(provider, token)
    }

    /// Takes a webhook's request. Everything that it tells is durable when this returns, with what the vendor
    /// is to be answered.
    ///
    /// # Errors
    /// [`Refused`], which says what to answer.
    pub async fn webhook(
        &self,
        provider: &str,
        token: &str,
        called: &Called<'_>,
    ) -> Result<Webhook, Refused> {
        self.rooms.receive.webhook(provider, token, called).await
    }

    /// Records what a provider tells. All of it is durable when this returns.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable); part of it may be
    /// recorded then, and the whole may be told again.
    pub async fn take_events(&self, carrier: &Carrier, events: Vec<Event>) -> Result<()> {
        self.rooms.receive.take_events(carrier, events).await
    }

    /// Brings the price lists of vendors up to date, for a command that sends and ends. Without them the
    /// operator's rates or the worst case are reserved.
    pub async fn refresh_prices(&self) {
        self.rooms.receive.refresh_prices().await
    }

    /// Reads the lists of those who want no more texts, of every vendor that keeps one. Returns which could
    /// not be read.
    pub async fn read_opt_outs(&self) -> Vec<String> {
        self.rooms.receive.read_opt_outs().await
    }

    /// Asks every provider that can be asked about what is unknown, whoever sent it. For the operator;
    /// servers do it now and then for what became unknown lately.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable). A provider that cannot
    /// be asked is part of the answer.
    pub async fn reconcile(&self, caller: &Caller) -> Result<Reconciled> {
        self.rooms.receive.reconcile(caller).await
    }

    /// Settles one unknown message by the operator's word. Returns its state now.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) for a message that this principal does not
    /// have, [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument) for one that is not
    /// unknown, or [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn settle_unknown(&self, caller: &Caller, id: &MessageId, found: Found<'_>) -> Result<State> {
        self.rooms.receive.settle_unknown(caller, id, found).await
    }

    /// Whether more than one provider may carry a message.
    pub fn has_several_providers(&self) -> bool {
        self.rooms.carriers.all().len() > 1
    }

    /// Every provider.
    pub fn vendors(&self, caller: &Caller) -> Vec<Vendor> {
        self.rooms.operate.vendors(caller)
    }

    /// What the ledger knows of each provider, and who sends from it now.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn standing(&self, caller: &Caller) -> Result<Standing> {
        self.rooms.operate.standing(caller).await
    }

    /// Does something at a vendor that sends no text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument),
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound), and whatever the provider says.
    pub async fn at_vendor(
        &self,
        caller: &Caller,
        provider: &str,
        action: &str,
        arguments: &Arguments,
    ) -> Result<serde_json::Value> {
        self.rooms.operate.at_vendor(caller, provider, action, arguments).await
    }

    /// What one segment would be held at in each of these destinations, by what the vendors tell now.
    pub async fn prices(&self, caller: &Caller, destinations: &[Destination]) -> Vec<Tariff> {
        self.rooms.operate.prices(caller, destinations).await
    }

    /// Asks each vendor by its cheapest reads what works, and looks for receipts that match no message.
    pub async fn check_vendors(&self, caller: &Caller) -> Vec<(String, Result<Vec<Finding>>)> {
        self.rooms.operate.check_vendors(caller).await
    }

    /// What holds for texts of this purpose to this number, for the operator.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNumber`](crate::error::ErrorKind::InvalidNumber) or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn rules(&self, caller: &Caller, to: &str, purpose: Purpose) -> Result<Ruled> {
        self.rooms.operate.rules(caller, to, purpose).await
    }

    /// Everybody who wants no more texts, latest first.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn opt_outs(&self, caller: &Caller) -> Result<Vec<OptOut>> {
        self.rooms.operate.opt_outs(caller).await
    }

    /// Notes for the operator that a person wants no more texts, or wants them again, and tells the vendors
    /// that keep such lists. Returns the number, and what a vendor did not take.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNumber`](crate::error::ErrorKind::InvalidNumber) or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn set_opt_out(
        &self,
        caller: &Caller,
        number: &str,
        wants: Wants<'_>,
    ) -> Result<(String, Vec<String>)> {
        self.rooms.operate.set_opt_out(caller, number, wants).await
    }

    /// What waits for the operator: a STOP or START of somebody who may be anybody, replies that several people
    /// fit, and long ones that seem to ask for no more texts. Oldest first.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn pending_opt_outs(&self, caller: &Caller) -> Result<Vec<Pending>> {
        self.rooms.operate.pending_opt_outs(caller).await
    }

    /// Takes the operator's word for who somebody was. What they asked for is done, and their replies become
    /// theirs. Returns what that was, and what a vendor did not take.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNumber`](crate::error::ErrorKind::InvalidNumber),
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn settle_pending(
        &self,
        person: &Person,
        id: i64,
        number: &str,
    ) -> Result<(Pending, String, Vec<String>)> {
        self.rooms.operate.settle_pending(person, id, number).await
    }

    /// Lets go what waits: it is nobody's. A STOP that is let go protects nobody any more but those whom it
    /// stopped.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn dismiss_pending(&self, person: &Person, id: i64) -> Result<Pending> {
        self.rooms.operate.dismiss_pending(person, id).await
    }

    /// Forgets what did not change for so long. Returns what went; nothing where another process is at it.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerInDoubt`](crate::error::ErrorKind::LedgerInDoubt), and nothing has gone;
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable), and a part of it may
    /// have gone.
    pub async fn prune(&self, caller: &Caller, keep_for: Span) -> Result<Option<Pruned>> {
        self.rooms.operate.prune(caller, keep_for).await
    }

    /// What operators did, the latest first.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn acts(&self, caller: &Caller) -> Result<Vec<Act>> {
        self.rooms.operate.acts(caller).await
    }

    /// What [`Engine::prune`] would forget, and since when what it is about did not change.
    ///
    /// # Errors
    /// As [`Engine::prune`], but of a ledger in doubt it is told all the same.
    pub async fn prunable(&self, caller: &Caller, keep_for: Span) -> Result<(Prunable, Timestamp)> {
        self.rooms.operate.prunable(caller, keep_for).await
    }

    /// Every budget of the ledger, for the operator.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn all_budgets(&self, caller: &Caller) -> Result<Vec<BudgetView>> {
        self.rooms.operate.all_budgets(caller).await
    }

    /// The same without those of sessions that ended with their process, and how many those are.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn current_budgets(&self, caller: &Caller) -> Result<(Vec<BudgetView>, usize)> {
        self.rooms.operate.current_budgets(caller).await
    }

    /// Who has messages or sessions here, at most `most` of them, where the caller's principal has no
    /// message. For the operator alone: no tool may say who else there is.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn others_than(&self, caller: &Caller, most: usize) -> Result<Vec<String>> {
        self.rooms.operate.others_than(caller, most).await
    }

    /// Takes the clock as it is from now on, for the operator.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn accept_clock(&self, person: &Person) -> Result<()> {
        self.rooms.operate.accept_clock(person).await
    }

    /// Lets a frozen budget go on, or all of them, for the operator. Returns their names.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) where no such budget is frozen, or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn unfreeze(&self, person: &Person, name: Option<String>) -> Result<Vec<String>> {
        self.rooms.operate.unfreeze(person, name).await
    }

    /// Takes back what of a message or a bulk of this caller's has not left.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) for an id that this principal does not
    /// have, [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument) for a message that has
    /// left or ended, or [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn cancel_any(&self, caller: &Caller, args: CancelArgs) -> Result<CancelAnswer> {
        self.rooms.submit.cancel_any(caller, &args.id).await
    }

    /// Takes back what is still queued of a bulk, for the operator. Returns how many messages that were.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) for a bulk that this principal does not
    /// have, or [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn cancel(&self, caller: &Caller, id: &BatchId) -> Result<u32> {
        self.rooms.submit.cancel(caller, id).await
    }

    /// Takes back a message that has not left: it waits for its time, for a person, or in the queue. Returns
    /// its state then.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) for a message that this principal does not
    /// have, [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument) for one that does not
    /// wait so, or [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn take_back(&self, caller: &Caller, id: &MessageId) -> Result<State> {
        self.rooms.submit.take_back(caller, id).await
    }

    /// Remembers a session of this principal, with what its client said of itself (JSON).
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn keep_client(&self, principal: &str, id: &str, initialize: String) -> Result<()> {
        self.rooms.clients.keep_client(principal, id, initialize).await
    }

    /// What the client of a session said of itself, if it is this principal's.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn kept_client(&self, principal: &str, id: &str) -> Result<Option<String>> {
        self.rooms.clients.kept_client(principal, id).await
    }

    /// Notes how long ago these sessions were last used, and forgets those that have not been for too long.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn use_clients<'a>(&self, used: impl IntoIterator<Item = (&'a str, Duration)>) -> Result<()> {
        self.rooms.clients.use_clients(used).await
    }

    /// Forgets a session that its client ended.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn forget_client(&self, id: &str) -> Result<()> {
        self.rooms.clients.forget_client(id).await
    }

    /// How much the operator has paused.
    pub fn paused(&self) -> Extent {
        self.rooms.halting.extent()
    }

    /// Whether the engine can send: it is not stopping, the ledger can be read, nobody doubts it, and it has
    /// room for what is known. That the operator has paused it is no fault of it.
    ///
    /// # Errors
    /// [`ErrorKind::ShuttingDown`](crate::error::ErrorKind::ShuttingDown),
    /// [`ErrorKind::LedgerInDoubt`](crate::error::ErrorKind::LedgerInDoubt),
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable) or
    /// [`ErrorKind::StorageFull`](crate::error::ErrorKind::StorageFull).
    pub async fn health(&self) -> Result<()> {
        self.rooms.life.goes_on()?;
        self.trust().await?;
        self.rooms.ledger.ping().await?;
        self.rooms.halting.halts().fault().map_or(Ok(()), |halt| Err(halt.error()))
    }

    /// Whether the real providers, where there are any, may send from this ledger: it is no older one and no
    /// other one than that which was sent from last.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerInDoubt`](crate::error::ErrorKind::LedgerInDoubt) or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn trust(&self) -> Result<()> {
        if self.rooms.carriers.realm() == Realm::Live { self.rooms.ledger.trust().await } else { Ok(()) }
    }
}
