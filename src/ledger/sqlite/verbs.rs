//! The parts of the ledger as this database keeps them: each verb is a read on a connection of its own, or a
//! job of the writing thread.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use rusqlite::Connection;

use super::facts::said;
use super::group::Group;
use super::job::{Kind, unavailable};
use super::parts::PART;
use super::store::{MAY_BE_RECORDED, SqliteLedger};
use super::wish::Wish;
use super::writer::Written;
use super::{
    account, due, early, gone, instance, look, opt_out, outbox, parts, pending, query, queue, rate, receipt,
    recover, reply, reserve, sealed, segment, session, settle, trace,
};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ledger::facets::{Accounts, Intents, Outbox, People, Queue, Reports, Views};
use crate::ledger::rules::window;
use crate::ledger::told::Unmatched;
use crate::ledger::{
    Act, Back, BatchRecord, Claim, Claimed, Decide, Due, E164, Filter, Forward, Gone, Intent, LookClaim,
    Many, Nameless, NewHandle, NewPending, NewReply, OptOut, Pacing, Payer, Pended, Pending, ProviderName,
    Recheck, Record, Recorded, Recovered, Released, ReplyPage, Report, Reservation, Said, Segment, Settled,
    Settlement, Target, VendorId, Whole,
};
use crate::sms::caller_id::Known;
use crate::sms::facts::{Budget, BudgetKey};
use crate::sms::message::{BatchId, MessageId, Realm};
use crate::sms::peer::Peer;

impl SqliteLedger {
    /// Reserves in one transaction; nothing where a bulk with the same key is being accepted.
    pub(super) async fn reserve_at_once(
        &self,
        intent: &Arc<Intent>,
        decide: &Decide,
    ) -> Result<Option<Reservation>> {
        let owner = self.instance.id();
        let (seals, is_bulk) = (!intent.keep_texts && !intent.preview, intent.batch.is_some());
        let (mark, peers, has_texts) =
            (Arc::clone(&self.mark), Arc::clone(&self.peers), Arc::clone(&self.has_texts));
        let kind = match intent.payer.realm {
            _ if intent.preview => Kind::Aside,
            // What is queued is asked about again when it is claimed.
            Realm::Live if intent.batch.is_some() && !intent.is_campaign => Kind::Accepts,
            Realm::Live => Kind::Begins,
            Realm::Sandbox => Kind::Ordinary,
        };
        let (asked, decide) = (Arc::clone(intent), Arc::clone(decide));
        let reserve = move |group: &mut Group<'_>| {
            if seals && is_bulk {
                // By the writing thread, which also says that there are none: said before, that would be
                // lost.
                has_texts.store(true, Ordering::Relaxed);
            }
            let reserved = match peers.known(asked.payer.realm) {
                Ok(known) => reserve::reserve(group, owner, &asked, &known, &decide, &mark)?,
                Err(unreadable) => Err(unreadable),
            };
            // So does a single message that waits.
            if seals && matches!(&reserved, Ok(Reservation::Taken { waiting, .. }) if !waiting.is_empty()) {
                has_texts.store(true, Ordering::Relaxed);
            }
            match &reserved {
                Ok(reservation) if parts::is_undecided(group.beside(), reservation)? => Ok(None),
                _ => Ok(Some(reserved)),
            }
        };
        match self.writer()?.write_together(kind, reserve).await? {
            Written::Whole(reservation) => reservation.transpose(),
            // Nobody hands over what this did not return, and nobody else may, but from the queue.
            Written::Void(Some(Ok(Reservation::Taken { .. })), error) if kind == Kind::Begins => {
                let unbegun = intent.drafts.iter().map(|draft| (draft.id.clone(), intent.now));
                self.unbegun.lock().unwrap_or_else(PoisonError::into_inner).extend(unbegun);
                Err(if self.settle_unbegun().await.is_ok() { error } else { error.next(MAY_BE_RECORDED) })
            }
            Written::Void(_, error) => Err(error),
        }
    }
}

#[async_trait]
impl Intents for SqliteLedger {
    async fn reserve(&self, intent: Intent, decide: Decide) -> Result<Reservation> {
        if intent.batch.is_some() && !intent.is_campaign && intent.drafts.len() > PART {
            let drafts = parts::all_of(intent.drafts);
            return self.accept_in_parts(Intent { drafts: Vec::new(), ..intent }, drafts, decide).await;
        }
        self.reserve_when_decided(intent, decide).await
    }

    async fn reserve_many(&self, intent: Intent, many: Many, decide: Decide) -> Result<Reservation> {
        if many.count > PART {
            return self.accept_in_parts(intent, many, decide).await;
        }
        let drafts = (many.make)(0..many.count)?;
        self.reserve_when_decided(Intent { drafts, ..intent }, decide).await
    }

    async fn target_of(&self, principal: &str, realm: Realm, key: &str) -> Result<Option<Target>> {
        let (principal, key) = (principal.to_owned(), key.to_owned());
        self.read(move |db| query::target_of(db, &principal, realm, &key)).await
    }

    async fn hand_on(&self, id: &MessageId, provider: &str) -> Result<()> {
        let (owner, id, provider) = (self.instance.id(), id.clone(), provider.to_owned());
        let is_ours =
            self.writer()?.run_as(Kind::Begins, move |db| settle::hand_on(db, owner, &id, &provider)).await?;
        // Whoever asks must not hand it over then: it may be somebody else's now.
        if is_ours { Ok(()) } else { Err(unavailable("this process is not attempting the message")) }
    }

    async fn settle(&self, id: &MessageId, settlement: Settlement) -> Result<Vec<Budget>> {
        let id = id.clone();
        self.writer()?.run_together(move |group| settle::settle(group, &id, &settlement)).await
    }

    async fn cancel(&self, principal: &str, id: &BatchId, now: Timestamp) -> Result<u32> {
        let (principal, id) = (principal.to_owned(), id.clone());
        self.writer()?.run(move |db| settle::cancel(db, &principal, id.as_str(), now)).await
    }

    async fn take_back(&self, principal: &str, id: &MessageId, now: Timestamp) -> Result<bool> {
        let (principal, id) = (principal.to_owned(), id.clone());
        self.writer()?.run(move |db| due::take_back(db, &principal, &id, now)).await
    }
}

#[async_trait]
impl Queue for SqliteLedger {
    async fn claim(&self, claim: Claim) -> Result<Claimed> {
        let (owner, has_texts, mark, peers) = (
            self.instance.id(),
            Arc::clone(&self.has_texts),
            Arc::clone(&self.mark),
            Arc::clone(&self.peers),
        );
        let kind = if claim.realm == Realm::Live { Kind::Begins } else { Kind::Ordinary };
        let claim = move |db: &Connection| {
            if kind == Kind::Begins && mark.check().is_err() {
                return Ok(Ok(Claimed::default()));
            }
            let known = match peers.known(claim.realm) {
                Ok(known) => known,
                Err(unreadable) => return Ok(Err(unreadable)),
            };
            let claimed = queue::claim(db, owner, &claim, &known)?;
            // Another process may have queued them.
            if !claimed.messages.is_empty() && sealed::has_unkept(db)? {
                has_texts.store(true, Ordering::Relaxed);
            }
            Ok(Ok(claimed))
        };
        match self.writer()?.write(kind, claim).await? {
            Written::Whole(claimed) => claimed,
            // Claimed by this process, and by nobody to be handed over.
            Written::Void(Ok(claimed), error) => {
                tracing::error!(%error,
                    "messages claimed from the queue are requeued: the claim could not be recorded");
                Ok(Claimed { is_void: true, ..claimed })
            }
            Written::Void(Err(refused), _) => Err(refused),
        }
    }

    async fn release_due(&self, due: Due, recheck: Recheck) -> Result<Released> {
        let asked = due.clone();
        if !self.read(move |db| due::has_due(db, &asked)).await? {
            return Ok(Released::default());
        }
        let (owner, mark, peers) = (self.instance.id(), Arc::clone(&self.mark), Arc::clone(&self.peers));
        let release = move |db: &Connection| {
            if due.realm == Realm::Live && mark.check().is_err() {
                return Ok(Ok(Released::default()));
            }
            match peers.known(due.realm) {
                Ok(known) => due::release(db, owner, &due, (&known, &mark), &recheck).map(Ok),
                Err(unreadable) => Ok(Err(unreadable)),
            }
        };
        self.writer()?.run(release).await?
    }

    async fn expire_gone(&self, gone: Gone) -> Result<Vec<MessageId>> {
        let asked = gone.clone();
        if self.read(move |db| gone::providers(db, &asked)).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mark = Arc::clone(&self.mark);
        let expire = move |db: &Connection| {
            if mark.check().is_err() { Ok(Vec::new()) } else { gone::expire(db, &gone) }
        };
        self.writer()?.run(expire).await
    }

    async fn unclaim(&self, back: Vec<Back>) -> Result<()> {
        let owner = self.instance.id();
        self.writer()?.run(move |db| queue::unclaim(db, owner, &back)).await
    }

    async fn recover(&self, now: Timestamp, stale_before: Option<Timestamp>) -> Result<Recovered> {
        self.settle_unbegun().await?;
        let own = self.instance.id();
        let (instances, has_orphans) =
            self.read(|db| Ok((instance::list(db)?, recover::has_orphans(db)?))).await?;
        let dead = self.instance.dead(instances);
        if dead.is_empty() && !has_orphans && stale_before.is_none() {
            self.take_back_abandoned().await?;
            self.withdraw_abandoned().await?;
            return Ok(Recovered::default());
        }
        self.has_texts.store(true, Ordering::Relaxed);
        let recovered =
            self.writer()?.run(move |db| recover::recover(db, own, &dead, now, stale_before)).await?;
        self.take_back_abandoned().await?;
        self.withdraw_abandoned().await?;
        Ok(recovered)
    }

    async fn admit(
        &self,
        provider: &str,
        realm: Realm,
        requests: u32,
        rate: Pacing,
        now: Timestamp,
    ) -> Result<bool> {
        let counted_as = window::name(provider, realm).into_owned();
        self.writer()?.run(move |db| rate::admit(db, &counted_as, now, rate, requests)).await
    }
}

#[async_trait]
impl Reports for SqliteLedger {
    async fn record_receipt(&self, report: Report, now: Timestamp) -> Result<Vec<MessageId>> {
        self.writer()?.run_together(move |group| receipt::record_receipt(group, &report, now)).await
    }

    async fn unmatched(&self, provider: &str, now: Timestamp) -> Result<Unmatched> {
        let provider = provider.to_owned();
        self.read(move |db| early::unmatched(db, &provider, now)).await
    }

    async fn find(&self, id: &MessageId) -> Result<Option<Record>> {
        let id = id.clone();
        self.read(move |db| query::find(db, &id)).await
    }

    async fn texts(
        &self,
        provider: ProviderName<'_>,
        vendor_id: VendorId<'_>,
        to: Option<E164<'_>>,
    ) -> Result<Option<Vec<String>>> {
        let (provider, vendor_id, to) =
            (provider.0.to_owned(), vendor_id.0.to_owned(), to.map(|to| to.0.to_owned()));
        self.read(move |db| trace::texts(db, &provider, &vendor_id, to.as_deref())).await
    }

    async fn has_vendor_id(
        &self,
        provider: ProviderName<'_>,
        vendor_id: VendorId<'_>,
        to: E164<'_>,
    ) -> Result<bool> {
        let (provider, vendor_id, to) = (provider.0.to_owned(), vendor_id.0.to_owned(), to.0.to_owned());
        self.read(move |db| trace::has_vendor_id(db, &provider, &vendor_id, &to)).await
    }

    async fn has_nameless(&self, sought: Nameless<'_>) -> Result<bool> {
        let (provider, to) = (sought.provider.to_owned(), sought.to.to_owned());
        let Nameless { realm, digest, from, until, .. } = sought;
        self.read(move |db| {
            trace::has_nameless(db, &Nameless { provider: &provider, realm, to: &to, digest, from, until })
        })
        .await
    }

    async fn unknowns(
        &self,
        provider: Option<(&str, Realm)>,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Record>> {
        let provider = provider.map(|(name, realm)| (name.to_owned(), realm));
        self.read(move |db| {
            trace::unknowns(db, provider.as_ref().map(|(name, realm)| (name.as_str(), *realm)), since, limit)
        })
        .await
    }

    async fn hint(
        &self,
        provider: ProviderName<'_>,
        vendor_id: VendorId<'_>,
        message: Option<&MessageId>,
        now: Timestamp,
    ) -> Result<bool> {
        let (provider, vendor_id, message) =
            (provider.0.to_owned(), vendor_id.0.to_owned(), message.cloned());
        self.writer()?.run(move |db| look::hint(db, &provider, &vendor_id, message.as_ref(), now)).await
    }

    async fn claim_looks(&self, claim: LookClaim) -> Result<Vec<Record>> {
        let (provider, realm, now) = (claim.provider.clone(), claim.realm, claim.now);
        if !self.read(move |db| look::has_looks(db, &provider, realm, now)).await? {
            return Ok(Vec::new());
        }
        self.writer()?.run(move |db| look::claim_looks(db, &claim)).await
    }
}

#[async_trait]
impl People for SqliteLedger {
    async fn record_reply(&self, reply: NewReply, now: Timestamp) -> Result<Recorded> {
        let owner = self.instance.id();
        self.writer()?.run(move |db| reply::record_reply(db, owner, &reply, now)).await
    }

    async fn reply_at(
        &self,
        provider: ProviderName<'_>,
        vendor_id: VendorId<'_>,
    ) -> Result<Option<Timestamp>> {
        let (provider, vendor_id) = (provider.0.to_owned(), vendor_id.0.to_owned());
        self.read(move |db| reply::reply_at(db, &provider, &vendor_id)).await
    }

    async fn last_text(
        &self,
        provider: ProviderName<'_>,
        to: E164<'_>,
        at: Timestamp,
    ) -> Result<Option<String>> {
        let (provider, to) = (provider.0.to_owned(), to.0.to_owned());
        self.read(move |db| reply::last_text(db, &provider, &to, at)).await
    }

    async fn opt_out(&self, number: &str, is_out: bool, source: &str, at: Timestamp) -> Result<bool> {
        let (mark, wish) = (
            Arc::clone(&self.mark),
            Wish { number: number.to_owned(), is_out, at, source: source.to_owned(), pending: None },
        );
        let record = move |db: &Connection| {
            let is_news = opt_out::opt_out(db, &wish.number, is_out, &wish.source, at)?;
            if is_out || is_news {
                mark.wish(wish.clone());
            }
            Ok(is_news)
        };
        self.writer()?.run(record).await
    }

    async fn opt_outs(&self, limit: u32) -> Result<Vec<OptOut>> {
        self.read(move |db| opt_out::opt_outs(db, limit)).await
    }

    async fn said(&self, number: E164<'_>, now: Timestamp) -> Result<Said> {
        let number = number.0.to_owned();
        self.read(move |db| said(db, &number, now)).await
    }

    async fn out_since(&self, number: &str) -> Result<Option<Timestamp>> {
        let number = number.to_owned();
        self.read(move |db| opt_out::out_since(db, &number)).await
    }

    async fn note_start(&self, provider: ProviderName<'_>, number: E164<'_>, at: Timestamp) -> Result<()> {
        let (provider, number) = (provider.0.to_owned(), number.0.to_owned());
        self.writer()?.run(move |db| opt_out::note_start(db, &provider, &number, at)).await
    }

    async fn has_started_since(
        &self,
        provider: ProviderName<'_>,
        number: E164<'_>,
        at: Timestamp,
    ) -> Result<bool> {
        let (provider, number) = (provider.0.to_owned(), number.0.to_owned());
        self.read(move |db| opt_out::has_started_since(db, &provider, &number, at)).await
    }

    async fn known(&self, endings: Vec<String>, realm: Realm, since: Timestamp) -> Result<Vec<Known>> {
        self.read(move |db| pending::known(db, &endings, realm, since)).await
    }

    async fn pend(&self, new: NewPending) -> Result<Pended> {
        let mark = Arc::clone(&self.mark);
        let pend = move |db: &Connection| {
            let pended = pending::pend(db, &new)?;
            // Also one that waits already: the mark may know it as settled.
            pending::begun(&new)
                .into_iter()
                .filter(|_| !pended.is_full && (pended.is_new || new.is_said))
                .for_each(|wish| mark.wish(wish));
            Ok(pended)
        };
        self.writer()?.run(pend).await
    }

    async fn pendings(&self) -> Result<Vec<Pending>> {
        self.read(pending::pendings).await
    }

    async fn settle_pending(
        &self,
        id: i64,
        number: Option<&str>,
        forward: bool,
        now: Timestamp,
    ) -> Result<Option<Settled>> {
        let number = number.map(ToOwned::to_owned);
        let mark = Arc::clone(&self.mark);
        let settle = move |db: &Connection| {
            let settled = pending::settle(db, id, number.as_deref(), forward, now)?;
            settled
                .iter()
                .filter_map(|settled| pending::ended(&settled.pending, now))
                .for_each(|wish| mark.wish(wish));
            Ok(settled)
        };
        self.writer()?.run(settle).await
    }
}

#[async_trait]
impl Outbox for SqliteLedger {
    async fn claim_forwards(&self, limit: u32, now: Timestamp, again: Timestamp) -> Result<Vec<Forward>> {
        if !self.read(move |db| outbox::has_forwards(db, now)).await? {
            return Ok(Vec::new());
        }
        self.writer()?.run(move |db| outbox::claim_forwards(db, limit, now, again)).await
    }

    async fn forwarded(&self, sequence: i64, next: Option<Timestamp>) -> Result<()> {
        self.writer()?.run(move |db| outbox::forwarded(db, sequence, next)).await
    }
}

#[async_trait]
impl Accounts for SqliteLedger {
    async fn budgets(&self, payer: Payer, now: Timestamp) -> Result<Vec<Budget>> {
        let peers = Arc::clone(&self.peers);
        let preview = move |db: &Connection| match peers.on(db, payer.realm)? {
            Ok(others) => session::preview_budgets(db, &payer, &others, now),
            Err(unreadable) => Ok(Err(unreadable)),
        };
        self.read(preview).await?
    }

    async fn open_session(&self, payer: Payer, handle: NewHandle, now: Timestamp) -> Result<Vec<Budget>> {
        let peers = Arc::clone(&self.peers);
        let open = move |db: &Connection| match peers.known(payer.realm) {
            Ok(known) => session::open_session(db, &payer, &handle, &known, now),
            Err(unreadable) => Ok(Err(unreadable)),
        };
        self.writer()?.run(open).await?
    }

    async fn others(&self, realm: Realm) -> Result<Vec<Peer>> {
        let peers = Arc::clone(&self.peers);
        self.read(move |db| peers.on(db, realm)).await?
    }

    async fn all_budgets(&self) -> Result<Vec<Budget>> {
        self.read(account::all_budgets).await
    }

    async fn current_budgets(&self) -> Result<(Vec<Budget>, usize)> {
        let peers = Arc::clone(&self.peers);
        self.read(move |db| account::current_budgets(db, &peers.sessions(db)?)).await
    }

    async fn principals(&self, most: usize) -> Result<Vec<String>> {
        self.read(move |db| account::principals(db, most)).await
    }

    async fn waiting_at(&self, provider: &str, realm: Realm) -> Result<(u32, u32)> {
        let provider = provider.to_owned();
        self.read(move |db| account::waiting_at(db, &provider, realm)).await
    }

    async fn unfreeze(&self, key: &BudgetKey) -> Result<bool> {
        let key = key.clone();
        self.writer()?.run(move |db| account::unfreeze(db, &key)).await
    }

    async fn accept_clock(&self) -> Result<()> {
        self.writer()?.run(account::accept_clock).await
    }

    async fn note_act(&self, act: Act) -> Result<()> {
        self.writer()?.run(move |db| account::note_act(db, &act)).await
    }

    async fn acts(&self, most: u32) -> Result<Vec<Act>> {
        self.read(move |db| account::acts(db, most)).await
    }
}

#[async_trait]
impl Views for SqliteLedger {
    async fn message(&self, principal: &str, id: &MessageId) -> Result<Option<Record>> {
        let (principal, id) = (principal.to_owned(), id.clone());
        self.read(move |db| query::message(db, &principal, &id)).await
    }

    async fn whole(&self, principal: &str, id: &MessageId, replies: ReplyPage) -> Result<Option<Whole>> {
        let (principal, id) = (principal.to_owned(), id.clone());
        self.read(move |db| query::whole(db, &principal, &id, replies)).await
    }

    async fn segments(&self, principal: &str, id: &MessageId) -> Result<Vec<Segment>> {
        let (principal, id) = (principal.to_owned(), id.clone());
        self.read(move |db| segment::segments(db, &principal, &id)).await
    }

    async fn batch(&self, principal: &str, id: &BatchId, listed: u32) -> Result<Option<BatchRecord>> {
        let (principal, id) = (principal.to_owned(), id.clone());
        self.read(move |db| query::batch(db, &principal, &id, listed)).await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Record>> {
        self.read(move |db| query::list(db, &filter)).await
    }
}
