//! The rooms of an engine, put together from its parts: from those that know no other room up.

use std::sync::{Arc, Mutex};

use super::answers::Answers;
use super::carriers::route::Carriers;
use super::clients::Clients;
use super::deliver::{Deliver, Progress, Recorder, Recovery};
use super::halted::Halting;
use super::life::Life;
use super::operate::Operate;
use super::read::Read;
use super::receive::{Poll, Receipts, Receive};
use super::settings::Settings;
use super::signals::Signals;
use super::submit::Submit;
use super::tell::Tell;
use super::tell::endpoint::Target;
use crate::clock::SharedClock;
use crate::halt::Halts;
use crate::ledger::Ledger;
use crate::policy::Policy;
use crate::setting::Span;
use crate::sms::number::Region;
use crate::sms::reply::StopWords;

/// Everything that an engine is made of.
pub struct Parts {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Who carries the texts.
    pub carriers: Carriers,
    /// The policy.
    pub policy: Policy,
    /// Time and randomness.
    pub clock: SharedClock,
    /// `[send]`
    pub settings: Settings,
    /// Whether texts stay in the ledger after they left.
    pub keep_texts: bool,
    /// The country of national numbers.
    pub default_region: Option<Region>,
    /// The operator's own words for no more texts.
    pub stop_words: StopWords,
    /// Where changes and replies are told, if anywhere.
    pub forward: Option<Target>,
    /// What keeps texts from beginning.
    pub halts: Arc<Halts>,
}

/// The rooms, and what the beginning and the end of an engine need beside them.
pub struct Rooms {
    pub life: Arc<Life>,
    pub signals: Arc<Signals>,
    pub carriers: Arc<Carriers>,
    pub policy: Arc<Policy>,
    pub halting: Halting,
    pub ledger: Arc<dyn Ledger>,
    pub recorder: Arc<Recorder>,
    pub recovery: Arc<Recovery>,
    pub deliver: Arc<Deliver>,
    pub poll: Arc<Poll>,
    pub receive: Arc<Receive>,
    pub submit: Arc<Submit>,
    pub tell: Arc<Tell>,
    pub read: Read,
    pub operate: Arc<Operate>,
    pub clients: Clients,
    /// How long a stop waits for the rest of texts.
    pub stop_within: Span,
    /// The country of national numbers.
    pub default_region: Option<Region>,
}

impl Rooms {
    /// The rooms of an engine that has these parts: from those that know nobody up.
    pub fn of(parts: Parts) -> Self {
        let Parts { ledger, carriers, policy, clock, settings, keep_texts, default_region, stop_words, forward, halts } = parts;
        let (carriers, policy) = (Arc::new(carriers), Arc::new(policy));
        let (life, signals) = (Arc::new(Life::new(clock)), Arc::new(Signals::default()));
        let halting = Halting::by(Arc::clone(&halts));
        let (currency, is_told) = (policy.settings().currency, forward.is_some());
        let tell = Arc::new(Tell { ledger: Arc::clone(&ledger), life: Arc::clone(&life), signals: Arc::clone(&signals), target: forward });
        let recorder = Arc::new(Recorder::new(Arc::clone(&ledger), Arc::clone(&life), Arc::clone(&signals), halts));
        let recovery = Arc::new(Recovery {
            ledger: Arc::clone(&ledger),
            life: Arc::clone(&life),
            signals: Arc::clone(&signals),
            recorder: Arc::clone(&recorder),
            timeout: settings.timeout,
        });
        let deliver = Arc::new(Deliver {
            ledger: Arc::clone(&ledger),
            carriers: Arc::clone(&carriers),
            policy: Arc::clone(&policy),
            halting: halting.clone(),
            life: Arc::clone(&life),
            signals: Arc::clone(&signals),
            recorder: Arc::clone(&recorder),
            progress: Arc::new(Progress::default()),
            timeout: settings.timeout.duration(),
            concurrency: settings.concurrency,
            queue_max_age: settings.queue_max_age,
        });
        let receipts = Arc::new(Receipts { ledger: Arc::clone(&ledger), life: Arc::clone(&life), signals: Arc::clone(&signals), currency });
        let poll = Arc::new(Poll {
            ledger: Arc::clone(&ledger),
            carriers: Arc::clone(&carriers),
            life: Arc::clone(&life),
            signals: Arc::clone(&signals),
            receipts: Arc::clone(&receipts),
        });
        let receive = Arc::new(Receive {
            ledger: Arc::clone(&ledger),
            carriers: Arc::clone(&carriers),
            life: Arc::clone(&life),
            signals: Arc::clone(&signals),
            receipts,
            recorder: Arc::clone(&recorder),
            recovery: Arc::clone(&recovery),
            currency,
            default_region,
            stop_words,
            forward: is_told,
        });
        let answers = Arc::new(Answers {
            ledger: Arc::clone(&ledger),
            policy: Arc::clone(&policy),
            halting: halting.clone(),
            life: Arc::clone(&life),
            realm: carriers.realm(),
            providers: carriers.names().map(str::to_owned).collect(),
        });
        let submit = Arc::new(Submit {
            ledger: Arc::clone(&ledger),
            carriers: Arc::clone(&carriers),
            policy: Arc::clone(&policy),
            answers: Arc::clone(&answers),
            deliver: Arc::clone(&deliver),
            recorder: Arc::clone(&recorder),
            halting: halting.clone(),
            life: Arc::clone(&life),
            signals: Arc::clone(&signals),
            waiting: Mutex::default(),
            bulk_wait: settings.bulk_wait,
            keep_texts,
            forward: is_told,
            default_region,
        });
        let read = Read {
            ledger: Arc::clone(&ledger),
            carriers: Arc::clone(&carriers),
            policy: Arc::clone(&policy),
            answers,
            poll: Arc::clone(&poll),
            life: Arc::clone(&life),
            default_region,
        };
        let operate = Arc::new(Operate {
            ledger: Arc::clone(&ledger),
            carriers: Arc::clone(&carriers),
            policy: Arc::clone(&policy),
            receive: Arc::clone(&receive),
            life: Arc::clone(&life),
            signals: Arc::clone(&signals),
            forward: is_told,
            default_region,
        });
        let kept: Arc<dyn crate::ledger::clients::Clients> = Arc::clone(&ledger) as _;
        let clients = Clients { ledger: kept, life: Arc::clone(&life), idle_ms: policy.settings().session_idle.as_millis() };
        Self {
            life,
            signals,
            carriers,
            policy,
            halting,
            ledger,
            recorder,
            recovery,
            deliver,
            poll,
            receive,
            submit,
            tell,
            read,
            operate,
            clients,
            stop_within: settings.stop_within,
            default_region,
        }
    }
}
