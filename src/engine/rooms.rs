//! The rooms of an engine, put together from its parts: from those that know no other room up.

use std::sync::{Arc, Mutex, OnceLock};

use super::answering::Answering;
use super::answers::Answers;
use super::carriers::route::Carriers;
use super::clients::Clients;
use super::deliver::{Deliver, Progress, Recorder, Recovery};
use super::halted::Halting;
use super::life::Life;
use super::operate::Operate;
use super::read::Read;
use super::receive::{Poll, Receipts, Receive};
use super::settings::{Answers as Said, Settings};
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
    /// What people are answered who ask for help or for no more texts.
    pub answers: Said,
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
    pub answering: Arc<Answering>,
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
        let Parts {
            ledger,
            carriers,
            policy,
            clock,
            settings,
            keep_texts,
            default_region,
            stop_words,
            answers: said,
            forward,
            halts,
        } = parts;
        let (life, signals, is_told) =
            (Arc::new(Life::new(clock)), Arc::new(Signals::default()), forward.is_some());
        let common = Common {
            recorder: Arc::new(Recorder::new(
                Arc::clone(&ledger),
                Arc::clone(&life),
                Arc::clone(&signals),
                Arc::clone(&halts),
            )),
            halting: Halting::by(halts),
            carriers: Arc::new(carriers),
            policy: Arc::new(policy),
            ledger,
            life,
            signals,
            default_region,
            is_told,
        };
        let tell = common.tell(forward);
        let recovery = Arc::new(common.recovery(settings.timeout));
        let deliver = Arc::new(common.deliver(&settings));
        let receipts = Arc::new(common.receipts());
        let poll = Arc::new(common.poll(&receipts));
        let answers = Arc::new(common.answers());
        let submit = Arc::new(common.submit(&answers, &deliver, settings.bulk_wait, keep_texts));
        let answering = Arc::new(common.answering(&submit, said));
        let receive = Arc::new(common.receive(receipts, (&recovery, &answering), stop_words));
        let read = common.read(answers, &poll);
        let operate = common.operate(&receive);
        let clients = common.clients();
        Self {
            recovery,
            deliver,
            poll,
            receive,
            submit,
            answering,
            tell: Arc::new(tell),
            read,
            operate: Arc::new(operate),
            clients,
            stop_within: settings.stop_within,
            default_region,
            life: common.life,
            signals: common.signals,
            carriers: common.carriers,
            policy: common.policy,
            halting: common.halting,
            ledger: common.ledger,
            recorder: common.recorder,
        }
    }
}

/// What rooms are made of that several have.
struct Common {
    ledger: Arc<dyn Ledger>,
    carriers: Arc<Carriers>,
    policy: Arc<Policy>,
    halting: Halting,
    life: Arc<Life>,
    signals: Arc<Signals>,
    recorder: Arc<Recorder>,
    default_region: Option<Region>,
    /// Whether changes and replies are told.
    is_told: bool,
}

impl Common {
    fn tell(&self, target: Option<Target>) -> Tell {
        Tell {
            ledger: Arc::clone(&self.ledger),
            life: Arc::clone(&self.life),
            signals: Arc::clone(&self.signals),
            target,
        }
    }

    fn recovery(&self, timeout: Span) -> Recovery {
        Recovery {
            ledger: Arc::clone(&self.ledger),
            life: Arc::clone(&self.life),
            signals: Arc::clone(&self.signals),
            recorder: Arc::clone(&self.recorder),
            timeout,
        }
    }

    fn deliver(&self, settings: &Settings) -> Deliver {
        Deliver {
            ledger: Arc::clone(&self.ledger),
            carriers: Arc::clone(&self.carriers),
            policy: Arc::clone(&self.policy),
            halting: self.halting.clone(),
            life: Arc::clone(&self.life),
            signals: Arc::clone(&self.signals),
            recorder: Arc::clone(&self.recorder),
            progress: Arc::new(Progress::default()),
            timeout: settings.timeout.duration(),
            concurrency: settings.concurrency,
            queue_max_age: settings.queue_max_age,
        }
    }

    fn receipts(&self) -> Receipts {
        Receipts {
            ledger: Arc::clone(&self.ledger),
            life: Arc::clone(&self.life),
            signals: Arc::clone(&self.signals),
            currency: self.policy.settings().currency,
        }
    }

    fn poll(&self, receipts: &Arc<Receipts>) -> Poll {
        Poll {
            ledger: Arc::clone(&self.ledger),
            carriers: Arc::clone(&self.carriers),
            life: Arc::clone(&self.life),
            signals: Arc::clone(&self.signals),
            receipts: Arc::clone(receipts),
        }
    }

    fn answering(&self, submit: &Arc<Submit>, answers: Said) -> Answering {
        Answering {
            ledger: Arc::clone(&self.ledger),
            submit: Arc::clone(submit),
            carriers: Arc::clone(&self.carriers),
            life: Arc::clone(&self.life),
            answers,
        }
    }

    fn receive(
        &self,
        receipts: Arc<Receipts>,
        (recovery, answering): (&Arc<Recovery>, &Arc<Answering>),
        stop_words: StopWords,
    ) -> Receive {
        Receive {
            ledger: Arc::clone(&self.ledger),
            carriers: Arc::clone(&self.carriers),
            life: Arc::clone(&self.life),
            signals: Arc::clone(&self.signals),
            receipts,
            recorder: Arc::clone(&self.recorder),
            recovery: Arc::clone(recovery),
            answering: Arc::clone(answering),
            currency: self.policy.settings().currency,
            default_region: self.default_region,
            stop_words,
            // What is none was refused before there is an engine.
            yes_words: self.policy.consent().yes().unwrap_or_default(),
            forward: self.is_told,
        }
    }

    fn answers(&self) -> Answers {
        Answers {
            ledger: Arc::clone(&self.ledger),
            policy: Arc::clone(&self.policy),
            halting: self.halting.clone(),
            life: Arc::clone(&self.life),
            realm: self.carriers.realm(),
            providers: self.carriers.names().map(str::to_owned).collect(),
            page: OnceLock::new(),
        }
    }

    fn submit(
        &self,
        answers: &Arc<Answers>,
        deliver: &Arc<Deliver>,
        bulk_wait: Span,
        keep_texts: bool,
    ) -> Submit {
        Submit {
            ledger: Arc::clone(&self.ledger),
            carriers: Arc::clone(&self.carriers),
            policy: Arc::clone(&self.policy),
            answers: Arc::clone(answers),
            deliver: Arc::clone(deliver),
            recorder: Arc::clone(&self.recorder),
            halting: self.halting.clone(),
            life: Arc::clone(&self.life),
            signals: Arc::clone(&self.signals),
            waiting: Mutex::default(),
            bulk_wait,
            keep_texts,
            forward: self.is_told,
            default_region: self.default_region,
        }
    }

    fn read(&self, answers: Arc<Answers>, poll: &Arc<Poll>) -> Read {
        Read {
            ledger: Arc::clone(&self.ledger),
            carriers: Arc::clone(&self.carriers),
            policy: Arc::clone(&self.policy),
            answers,
            poll: Arc::clone(poll),
            life: Arc::clone(&self.life),
            default_region: self.default_region,
        }
    }

    fn operate(&self, receive: &Arc<Receive>) -> Operate {
        Operate {
            ledger: Arc::clone(&self.ledger),
            carriers: Arc::clone(&self.carriers),
            policy: Arc::clone(&self.policy),
            receive: Arc::clone(receive),
            life: Arc::clone(&self.life),
            signals: Arc::clone(&self.signals),
            forward: self.is_told,
            default_region: self.default_region,
        }
    }

    fn clients(&self) -> Clients {
        let kept: Arc<dyn crate::ledger::clients::Clients> = Arc::clone(&self.ledger) as _;
        Clients {
            ledger: kept,
            life: Arc::clone(&self.life),
            idle_ms: self.policy.settings().session_idle.as_millis(),
        }
    }
}
