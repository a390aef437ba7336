//! What people answer: who wrote, what they ask for, and which message that answers.
//!
//! A provider hands a sender on as it is written, and [`caller_id::who`] says who that is. A STOP reaches
//! everybody who may have said it; what that leaves open waits for the operator, as does a START that could
//! lift another person's STOP, and a reply that two people fit, which no agent sees until it is settled.
//!
//! A reply is recorded after what it asks for, so that a reply on record never stands beside a wish that was
//! lost. Both may be told again, and late: recording is idempotent, and an older wish changes nothing about a
//! newer one. What a carrier tells over a connection was wished when it was told first, also where it was not
//! acknowledged then. Where a process died that may have been told first, or another has just recorded the
//! same word, a START that would undo a STOP of then waits for the operator: more is stopped than less.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::room::{FIRST_WAIT, PATIENCE, Receive};
use crate::clock::Timestamp;
use crate::engine::answering::{Due, Heard};
use crate::engine::carriers::carrier::Carrier;
use crate::engine::carriers::route::Carriers;
use crate::engine::carriers::word::is_usable_id;
use crate::engine::life::Life;
use crate::engine::retry::Backoff;
use crate::error::Result;
use crate::ledger::{ANSWERS_MS, E164, NewPending, NewReply, ProviderName, Recorded, VendorId};
use crate::provider::exchange::{CONTENT_ID, HeardBy, Reply};
use crate::sms::caller_id::{self, CallerId, Sender, Who};
use crate::sms::gaps::Piece;
use crate::sms::message::{MessageId, hex};
use crate::sms::number::Number;
use crate::sms::reply::Meaning;
use crate::sms::untrusted;

/// How often a vendor is told of an opt-out. Our own list holds whatever comes of it.
const TELL_TRIES: u32 = 4;

/// Longest reply that is kept, in characters: more than the 255 segments of the longest SMS hold.
const MAX_REPLY: usize = 40_000;

/// Longest number or sender ID of a reply that is kept, in characters: more than any network carries.
const MAX_SENDER_ID: usize = 300;

/// Longest spelling of a sender that is kept, in characters: twice that of any protocol.
const MAX_SENDER: usize = 64;

/// The source of an opt-out that a person asked for in a reply.
const BY_REPLY: &str = "reply";

/// For how long after a process was found dead nobody knows whether a wish was told to it first, in
/// milliseconds: a carrier that had no acknowledgement tells it again by then.
const DOUBT_MS: i64 = 600_000;

/// What was recorded this long ago, or before a process died, was acknowledged, and the carrier heard that,
/// or its connection would have been found broken; in milliseconds.
const HEARD_MS: i64 = 120_000;

/// What is known of the order in which a wish was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// It is told now, or its source says when it was said.
    Known,
    /// It was told before, at its time.
    Again,
    /// A vendor has it on its list since its time.
    Listed,
    /// It may have been told before the opposite wish, to another process.
    InDoubt,
}

/// What somebody asked for, or one reply.
struct Asked<'a> {
    sender: &'a Sender,
    meaning: Meaning,
    source: &'a str,
    at: Timestamp,
    /// Whether it was said just now, and not merely listed.
    is_said: bool,
    /// Whether the operator has to say who this was.
    is_unsettled: bool,
    order: Order,
    /// What was written, where that is known and whole.
    whole: Option<&'a str>,
}

impl Receive {
    /// Records what a person wrote, after what it asks for.
    ///
    /// # Errors
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable); it may be told again then.
    pub async fn take_reply(&self, carrier: &Carrier, reply: Reply) -> Result<()> {
        self.take_words(carrier, reply, None).await
    }

    /// The same for a text of which segments are missing, where `pieces` says what there is of it.
    pub async fn take_words(&self, carrier: &Carrier, reply: Reply, pieces: Option<&[Piece]>) -> Result<()> {
        let (told, was_told_before) = (reply.at, reply.is_again);
        let mut reply = self.as_told_first(carrier, Reply { vendor_id: reply_id(&reply), ..reply }).await?;
        let who = self.who(carrier, &reply.from).await?;
        if self.take_decision(carrier, &reply, &who, pieces.is_none()).await? {
            return Ok(());
        }
        let meaning = match pieces {
            None => self.meaning_of_any(carrier, &reply, &who.people).await?,
            Some(pieces) => self.meaning_of_pieces(carrier, &reply, pieces, &who.people).await?,
        };
        let is_out = meaning == Meaning::Stop;
        // What it asked for is on record too: told again, it must not undo what was wished since, also where it
        // has no time of its own. Where a vendor gives it no id, a person who says stop once more looks the same,
        // so a later stop counts.
        let known = self.ledger.reply_at(ProviderName(carrier.name()), VendorId(&reply.vendor_id)).await?;
        if known.is_some() && is_out && self.may_be_another(carrier, &who, &reply).await? {
            // Under the time at which this process was told it, by which it knows it again; unless it was
            // lifted since.
            let is_lifted = was_told_before || self.has_started(carrier, &who, told).await?;
            let at = if is_lifted { self.life.now() } else { told };
            let vendor_id = Reply::id_of(reply.content.as_deref().unwrap_or_default(), at);
            reply = Reply { vendor_id, at, is_again: false, ..reply };
        } else if known.is_some_and(|at| !is_out || reply.at <= at || is_named(&reply)) {
            if is_out && reply.is_again {
                self.stay_out(carrier, &who).await?;
            }
            if let (true, Some(content)) = (reply.is_again, &reply.content) {
                self.ledger.forget_told(carrier.name(), content).await?;
            }
            return Ok(());
        }
        let is_unsettled = is_unsettled(&who, meaning);
        let order = self.order_of(carrier, &who, &reply, meaning).await?;
        // Before the reply itself: when the reply is on record, what it asks for must be too.
        let asked = Asked {
            sender: &reply.from,
            meaning,
            source: BY_REPLY,
            at: reply.at,
            is_said: true,
            is_unsettled,
            order,
            whole: pieces.is_none().then_some(&*reply.text),
        };
        let news = self.take_wish(carrier, &who, &asked).await?;
        // While the reply is whole, and before a vendor is told that this person wants no texts.
        let person = who.lifts().filter(|_| !is_unsettled);
        let is_news = person.is_some_and(|person| news.contains(person));
        let heard = Heard { carrier, reply: &reply, person, meaning, is_news };
        let answer = self.answering.due(&heard);
        let new = NewReply {
            is_help: meaning == Meaning::Help,
            provider: carrier.name().to_owned(),
            vendor_id: reply.vendor_id,
            from: written_as(&reply.from, &who, is_unsettled),
            is_unsettled,
            to: untrusted::kept(&reply.to, MAX_SENDER_ID),
            text: untrusted::kept(&reply.text, MAX_REPLY),
            is_whole: pieces.is_none(),
            at: reply.at,
            forward: self.forward,
            content: reply.content,
        };
        let recorded = self.ledger.record_reply(new, self.life.now()).await?;
        let is_new = recorded != Recorded::Known;
        if let Recorded::New(answered) = recorded {
            self.tell_of(carrier, answered, meaning);
        }
        let answer = answer.filter(|_| is_new);
        // A process that died in between has recorded the stop and told nobody.
        let to_tell = if is_new && is_out { who.people } else { news };
        let to_tell = if carrier.capabilities().opt_outs { to_tell } else { Vec::new() };
        self.answer_and_tell(carrier, answer, (to_tell, is_out));
        Ok(())
    }

    /// Tells whoever waits for replies of one that is on record. A HELP is no agent's business.
    fn tell_of(&self, carrier: &Carrier, answered: Option<MessageId>, meaning: Meaning) {
        let (provider, message) = (carrier.name(), answered.as_ref().map(MessageId::as_str));
        tracing::debug!(provider, message, "reply received");
        self.signals.to_tell();
        if let Some(id) = answered.filter(|_| meaning != Meaning::Help) {
            self.signals.changed(&id);
        }
    }

    /// Answers whoever wrote, and then tells the vendor whom it is to let no texts through to, or to let them
    /// through again: after it knows the answer would not arrive.
    fn answer_and_tell(
        &self,
        carrier: &Carrier,
        answer: Option<Due>,
        (to_tell, is_out): (Vec<Number>, bool),
    ) {
        if answer.is_none() && to_tell.is_empty() {
            return;
        }
        let (carriers, life, answering, provider) = (
            Arc::clone(&self.carriers),
            Arc::clone(&self.life),
            Arc::clone(&self.answering),
            carrier.name().to_owned(),
        );
        self.life.spawn(async move {
            if let Some(answer) = answer {
                answering.answer(answer).await;
            }
            let each = to_tell.iter().map(|number| tell_opt_out(&carriers, &life, &provider, number, is_out));
            futures::future::join_all(each).await;
        });
    }

    /// Records that a vendor has somebody on its list of opt-outs, or no longer.
    pub async fn take_opt_out(
        &self,
        carrier: &Carrier,
        sender: &Sender,
        is_out: bool,
        (at, heard_by): (Option<Timestamp>, Option<&HeardBy>),
    ) -> Result<()> {
        let meaning = if is_out { Meaning::Stop } else { Meaning::Start };
        let who = self.who(carrier, sender).await?;
        let at = match (at, heard_by) {
            (None, Some(heard_by)) => self.heard_first(carrier, heard_by).await?,
            _ => at,
        };
        let said_at = at.unwrap_or_else(|| self.life.now());
        let (is_said, is_unsettled) = (at.is_some(), is_unsettled(&who, meaning));
        let order = if is_said { Order::Listed } else { Order::Known };
        let asked = Asked {
            sender,
            meaning,
            source: carrier.name(),
            at: said_at,
            is_said,
            is_unsettled,
            order,
            whole: None,
        };
        self.take_wish(carrier, &who, &asked).await.map(drop)
    }

    /// When a wish was heard first that a report or a text says, where that is on record.
    async fn heard_first(&self, carrier: &Carrier, heard_by: &HeardBy) -> Result<Option<Timestamp>> {
        match heard_by {
            // Its last change is that report, or what said the same before it.
            HeardBy::Report(message) => {
                let record = self.ledger.find(message).await?;
                Ok(record.filter(|record| record.state.is_final()).map(|record| record.changed))
            }
            HeardBy::Text(id) => self.ledger.reply_at(ProviderName(carrier.name()), VendorId(id)).await,
        }
    }

    /// What a reply asks for: some words do so in one country alone, or where the text announced them. Of
    /// several people who may have written, whoever asks for most is heard.
    async fn meaning_of_any(&self, carrier: &Carrier, reply: &Reply, people: &[Number]) -> Result<Meaning> {
        let mut meaning = self.meaning_of(carrier, reply, people.first()).await?;
        for other in people.iter().skip(1) {
            if meaning != Meaning::Stop {
                meaning = self.meaning_of(carrier, reply, Some(other)).await?;
            }
        }
        Ok(meaning)
    }

    /// What a text with gaps asks for. A STOP or an objection that stands in any piece is one, whatever was in the gap; a
    /// START is none, for nobody knows what else was written.
    async fn meaning_of_pieces(
        &self,
        carrier: &Carrier,
        reply: &Reply,
        pieces: &[Piece],
        people: &[Number],
    ) -> Result<Meaning> {
        let mut found = Meaning::Other;
        for piece in pieces {
            let alone = Reply { text: piece.text.clone(), ..reply.clone() };
            match self.meaning_of_any(carrier, &alone, people).await? {
                Meaning::Stop => return Ok(Meaning::Stop),
                Meaning::Objection => found = Meaning::Objection,
                Meaning::Start | Meaning::Help | Meaning::Other => {}
            }
        }
        Ok(found)
    }

    /// Who a sender is.
    async fn who(&self, carrier: &Carrier, sender: &Sender) -> Result<Who> {
        let region = self.default_region;
        let endings = caller_id::endings(sender, region);
        let known = if endings.is_empty() {
            Vec::new()
        } else {
            let since = self.life.now().plus_ms(-ANSWERS_MS);
            self.ledger.known(endings, carrier.realm(), since).await?
        };
        Ok(caller_id::who(sender, region, &known))
    }

    /// Records what somebody asked for, and puts before the operator what cannot be decided. Returns for whom
    /// that is news.
    async fn take_wish(&self, carrier: &Carrier, who: &Who, asked: &Asked<'_>) -> Result<Vec<Number>> {
        let mut news = Vec::new();
        let mut said = None;
        // First what waits: told again after a crash in between, the people who are stopped by then would not
        // be in doubt.
        let is_to_read = asked.meaning == Meaning::Objection;
        if asked.is_unsettled || is_to_read || asked.order == Order::InDoubt {
            said = self.pend(carrier, who, asked).await?;
        }
        let whom: Vec<&Number> = match asked.meaning {
            Meaning::Stop => who.people.iter().chain(&said).collect(),
            Meaning::Start if asked.order == Order::InDoubt => Vec::new(),
            Meaning::Start => who.lifts().into_iter().collect(),
            Meaning::Help | Meaning::Objection | Meaning::Other => Vec::new(),
        };
        if asked.meaning == Meaning::Other && !asked.is_unsettled {
            self.take_yes(carrier, who, (asked.whole, asked.at)).await?;
        }
        for number in whom {
            if matches!(asked.order, Order::Again | Order::Listed) && asked.meaning == Meaning::Stop {
                self.withdraw(number, asked).await?;
                if self.is_overtaken(carrier, asked, number).await? {
                    continue;
                }
            }
            // Of two wishes in one moment, the START that had to be told again is the older one.
            let at = if asked.order == Order::Again && asked.meaning == Meaning::Start {
                asked.at.plus_ms(-1)
            } else {
                asked.at
            };
            if self
                .opt(carrier.name(), number.e164(), asked.meaning == Meaning::Stop, asked.source, at)
                .await?
            {
                news.push(number.clone());
            }
            if asked.meaning == Meaning::Start && asked.source == BY_REPLY {
                self.ledger.note_start(ProviderName(carrier.name()), E164(number.e164()), asked.at).await?;
            }
        }
        Ok(news)
    }

    /// What a STOP that is told again, or listed, takes back, also where a START has ended it since.
    async fn withdraw(&self, number: &Number, asked: &Asked<'_>) -> Result<()> {
        let at = asked.at.min(self.life.now());
        let at = if asked.order == Order::Listed { at.last_meant() } else { at };
        self.ledger.withdraw_all(E164(number.e164()), asked.source, at).await
    }

    /// Whether a STOP that is told again, or listed, is older than a START that this person sent the same
    /// way.
    async fn is_overtaken(&self, carrier: &Carrier, asked: &Asked<'_>, number: &Number) -> Result<bool> {
        let at = if asked.order == Order::Listed { asked.at.last_meant() } else { asked.at };
        let store = &self.ledger;
        store.has_started_since(ProviderName(carrier.name()), E164(number.e164()), at).await
    }

    /// Whether a STOP that is on record, and may be that one told again, may as well be another one, said
    /// since the person asked for texts again. Then it counts: more is stopped than less.
    async fn may_be_another(&self, carrier: &Carrier, who: &Who, reply: &Reply) -> Result<bool> {
        let is_named_by_us = reply
            .content
            .as_deref()
            .is_some_and(|content| reply.vendor_id == Reply::id_of(content, reply.at));
        Ok(reply.is_again && is_named_by_us && self.has_started(carrier, who, reply.at).await?)
    }

    /// Whether any of these people asked for texts again since this moment.
    async fn has_started(&self, carrier: &Carrier, who: &Who, since: Timestamp) -> Result<bool> {
        for number in &who.people {
            if self.ledger.has_started_since(ProviderName(carrier.name()), E164(number.e164()), since).await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A STOP of people who are stopped was told again, or was said once more: nothing that was told before
    /// this moment lifts it.
    async fn stay_out(&self, carrier: &Carrier, who: &Who) -> Result<()> {
        let store = &self.ledger;
        for number in &who.people {
            if store.out_since(number.e164()).await?.is_some() {
                self.opt(carrier.name(), number.e164(), true, BY_REPLY, self.life.now()).await?;
            }
        }
        Ok(())
    }

    /// The same reply with the time at which it was told first: to this process, or to another one that could
    /// not acknowledge it.
    async fn as_told_first(&self, carrier: &Carrier, reply: Reply) -> Result<Reply> {
        let Some(content) = reply.content.as_deref() else { return Ok(reply) };
        let (store, provider) = (&self.ledger, carrier.name());
        let mut first = store.first_told(provider, content).await?;
        if let Some(told) = first
            && (reply.is_again || reply.at.as_millis().saturating_sub(told.as_millis()) > DOUBT_MS)
            && store.reply_at(ProviderName(provider), VendorId(&Reply::id_of(content, told))).await?.is_some()
        {
            // That one was taken. Nobody tells it again so long after, and this process knows better what it
            // was told itself.
            first = None;
        }
        if first.is_none()
            && !reply.is_again
            && let Some(death) = self.is_after_death(reply.at).await?
        {
            first = store.adopt_reply(provider, content, death.plus_ms(-HEARD_MS)).await?;
        }
        let Some(first) = first.filter(|first| *first <= reply.at) else { return Ok(reply) };
        let is_ours = reply.vendor_id == Reply::id_of(content, reply.at);
        let vendor_id = if is_ours { Reply::id_of(content, first) } else { reply.vendor_id };
        Ok(Reply { vendor_id, at: first, is_again: true, ..reply })
    }

    /// When a process was found dead, where that was less than [`DOUBT_MS`] before this moment, or after it.
    pub async fn is_after_death(&self, at: Timestamp) -> Result<Option<Timestamp>> {
        let death = self.ledger.last_death().await?;
        Ok(death.filter(|death| at.as_millis().saturating_sub(death.as_millis()) < DOUBT_MS))
    }

    /// What is known of the order in which a wish was told. One that was told here before may have been told
    /// to a process that died before that.
    async fn order_of(&self, carrier: &Carrier, who: &Who, reply: &Reply, meaning: Meaning) -> Result<Order> {
        let known = if reply.is_again { Order::Again } else { Order::Known };
        let is_told = reply.content.is_some() || reply.is_again;
        let Some(number) = who.lifts().filter(|_| meaning == Meaning::Start && is_told) else {
            return Ok(known);
        };
        let Some(stop) = self.ledger.out_since(number.e164()).await? else { return Ok(known) };
        let provider = carrier.name();
        let why = if self.may_be_older_by_a_death(reply, stop).await? {
            "a process ended before it could acknowledge"
        } else if self.may_be_on_record(carrier, reply).await? {
            "another process recorded it, and may not have been heard"
        } else {
            return Ok(known);
        };
        tracing::warn!(provider, why, "a START may be older than the STOP that it would undo");
        Ok(Order::InDoubt)
    }

    /// Whether a process died that may have been told a START before it was told here, and before this STOP.
    async fn may_be_older_by_a_death(&self, reply: &Reply, stop: Timestamp) -> Result<bool> {
        if stop > reply.at.plus_ms(-DOUBT_MS) {
            // Whoever died a moment ago may not have been found yet.
            self.recovery.recover().await?;
        }
        // Only of two that were told about then nobody knows which was told first.
        let death = self.is_after_death(reply.at).await?;
        Ok(death.is_some_and(|death| stop.min(reply.at) > death.plus_ms(-DOUBT_MS)))
    }

    /// Whether this may be a text that another process recorded a moment ago: it alone knows so far whether
    /// it was heard.
    async fn may_be_on_record(&self, carrier: &Carrier, reply: &Reply) -> Result<bool> {
        let Some(content) = &reply.content else { return Ok(false) };
        self.ledger.is_recorded_elsewhere(carrier.name(), content, reply.at.plus_ms(-HEARD_MS)).await
    }

    /// Puts before the operator what nobody can tell who said. Returns whom the operator had said that this
    /// sender is: no proof of who it is now, but enough for a STOP.
    async fn pend(&self, carrier: &Carrier, who: &Who, asked: &Asked<'_>) -> Result<Option<Number>> {
        let (caller, provider) = (CallerId::read(asked.sender, None), carrier.name());
        let pended = self
            .ledger
            .pend(NewPending {
                provider: provider.to_owned(),
                sender: spelling(asked.sender),
                ending: caller.as_ref().map(|caller| caller.ending().to_owned()),
                meaning: asked.meaning,
                source: asked.source.to_owned(),
                at: asked.at.min(self.life.now()),
                is_said: asked.is_said,
                people: who.people.iter().map(|number| number.e164().to_owned()).collect(),
            })
            .await?;
        if pended.is_full {
            tracing::error!(
                provider,
                "too many replies of ambiguous senders wait for the operator, and this one is not kept: \
                 settle it with sms-mcp opt-out pending"
            );
        } else if pended.is_new && asked.meaning == Meaning::Objection {
            tracing::warn!(
                provider,
                "a reply seems to ask for no more texts, and marketing to its sender waits: read it, and settle it \
                 with sms-mcp opt-out pending"
            );
        } else if pended.is_new {
            let (wish, people) = (asked.meaning.as_str(), who.people.len());
            tracing::warn!(
                provider,
                wish,
                people,
                "ambiguous sender of a reply: settle it with sms-mcp opt-out pending"
            );
        }
        Ok(pended.number.and_then(|number| Number::parse(&number, None).ok()))
    }

    /// Records that a person wants no more texts, or wants them again. Returns whether that is news.
    async fn opt(
        &self,
        provider: &str,
        number: &str,
        is_out: bool,
        source: &str,
        at: Timestamp,
    ) -> Result<bool> {
        // A clock of the vendor's that is ahead must not outdo what the person wishes tomorrow.
        let at = at.min(self.life.now());
        let is_news = self.ledger.opt_out(number, is_out, source, at).await?;
        if is_news {
            tracing::info!(provider, is_out, "an opt-out was recorded");
            self.signals.to_tell();
        }
        Ok(is_news)
    }
}

/// Tells a vendor of an opt-out.
async fn tell_opt_out(carriers: &Carriers, life: &Life, provider: &str, number: &Number, is_out: bool) {
    let Some(carrier) = carriers.get(provider) else { return };
    let mut backoff = Backoff::new(FIRST_WAIT, FIRST_WAIT * 2_u32.pow(TELL_TRIES));
    for tries in 1..=TELL_TRIES {
        match carrier.ask(life, PATIENCE, |provider| provider.opt_out(number, is_out)).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(provider, tries, %error, "opt-out could not be sent to the provider")
            }
        }
        backoff.pause(life).await;
        if life.is_stopping() {
            return;
        }
    }
}

/// Whether the operator has to say who this was.
fn is_unsettled(who: &Who, meaning: Meaning) -> bool {
    match meaning {
        Meaning::Stop => who.is_shared || who.is_doubtful(),
        Meaning::Start => who.is_shared || who.lifts().is_none(),
        Meaning::Help | Meaning::Objection | Meaning::Other => who.is_shared,
    }
}

/// Whether the vendor itself gave a text its id: what has the same one is the same text.
fn is_named(reply: &Reply) -> bool {
    reply.content.is_none() && !reply.vendor_id.starts_with(CONTENT_ID)
}

/// The vendor's id of a reply, or what stands for one that cannot be kept as it is: too long, with spaces, or
/// none. A STOP is not lost for the name that a vendor gave it.
fn reply_id(reply: &Reply) -> String {
    if is_usable_id(&reply.vendor_id) {
        return reply.vendor_id.clone();
    }
    let mut digest = Sha256::new();
    digest.update(&reply.vendor_id);
    if reply.vendor_id.trim().is_empty() {
        for part in [reply.from.text(), &reply.to, &reply.text, &reply.at.as_millis().to_string()] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
    }
    format!("{CONTENT_ID}{}", hex(&digest.finalize()))
}

/// A sender as it is kept: in E.164 where one person alone can have written.
fn written_as(sender: &Sender, who: &Who, is_unsettled: bool) -> String {
    let one = who.one.as_ref().filter(|_| !is_unsettled);
    one.map_or_else(|| spelling(sender), |number| number.e164().to_owned())
}

/// A sender as it is kept where it is not settled who that is.
fn spelling(sender: &Sender) -> String {
    untrusted::escape_up_to(sender.text().trim(), MAX_SENDER)
}
