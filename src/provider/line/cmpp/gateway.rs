//! A gateway, our account there, and what one text asks of it.

use std::sync::{Arc, Mutex};

use super::content;
use super::pdu::Terminal;
use super::protocol::{Answer, Cmpp, Request, Segment};
use super::result::Results;
use super::settings::Config;
use super::{time, told};
use crate::clock::SharedClock;
use crate::error::{ErrorKind, Result};
use crate::halt::Brake;
use crate::provider::line::meaning::recipient_full;
use crate::provider::line::references::References;
use crate::provider::line::session::{Account, Asked, Line, Plan, Pushes, order_of};
use crate::provider::settings::Setup;
use crate::provider::{Outcome, SegmentOutcome, Submission};
use crate::setting::Span;
use crate::sms::message::MessageId;
use crate::sms::number::Number;

/// The country code of China.
pub(super) const CHINA: &str = "+86";

/// A gateway, and our account there. See the module's text.
pub struct Gateway {
    pub(super) config: Config,
    pub(super) clock: SharedClock,
    pub(super) account: Arc<Account<Cmpp>>,
    /// What the gateway tells, until somebody asks for it.
    pub(super) pushes: Mutex<Option<Pushes<Cmpp>>>,
    /// What the segments of long texts share.
    references: References,
}

/// The answers to the segments of one text, in their order.
pub(super) type Answers = Vec<Asked<Answer>>;

impl Gateway {
    /// Makes the provider. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without a secret, or when a certificate that the settings name cannot be used.
    pub fn new(config: Config, setup: &Setup) -> Result<Self> {
        let secret = setup.secrets.demand("secret")?;
        let plan = Plan {
            name: config.name.clone(),
            address: config.address.clone(),
            lines: (0..config.session.binds.max(1))
                .map(|_| Line { bind: Arc::default(), submits: true })
                .collect(),
            settings: config.session.clone(),
        };
        let (account, pushes) =
            Account::new(Cmpp::new(config.clone(), secret), plan, Arc::clone(&setup.clock))?;
        // Two programs of one sender should not begin with the same number.
        let mut random = [0; 2];
        setup.clock.fill_random(&mut random)?;
        let references = References::new(u16::from_be_bytes(random));
        Ok(Self {
            config,
            clock: Arc::clone(&setup.clock),
            account,
            pushes: Mutex::new(Some(pushes)),
            references,
        })
    }

    /// A number as the gateway is told it.
    pub(super) fn terminal(&self, number: &Number) -> Terminal {
        let e164 = number.e164();
        let digits = e164.trim_start_matches('+');
        match e164.strip_prefix(CHINA) {
            Some(national) if self.config.national_numbers => Terminal::new(national.as_bytes()),
            Some(_) => Terminal::new(digits.as_bytes()),
            None => Terminal::new(format!("00{digits}").as_bytes()),
        }
    }

    /// The sender of a submission.
    pub(super) fn sender<'a>(&'a self, from: Option<&'a str>) -> &'a str {
        from.or(self.config.from.as_deref()).unwrap_or_default()
    }

    /// `ValId_Time` and `At_Time`, where the settings have one of them.
    fn times(&self) -> Option<Arc<(String, String)>> {
        if self.config.validity.is_none() && self.config.at_time.is_none() {
            return None;
        }
        let now = self.clock.now();
        let at = |span: Option<Span>| {
            span.map_or_else(String::new, |span| time::absolute(now.plus_ms(span.as_millis())))
        };
        // A message is valid for as long as from the moment on at which it may go out.
        let wait = self.config.at_time.map_or(0, Span::as_millis);
        let until = self.config.validity.map_or_else(String::new, |span| {
            time::absolute(now.plus_ms(wait.saturating_add(span.as_millis())))
        });
        Some(Arc::new((until, at(self.config.at_time))))
    }

    /// Asks for one text to these recipients, segment by segment. Nothing where it has too many segments.
    pub(super) async fn submit(
        &self,
        first: &Submission,
        to: Arc<[Terminal]>,
        carried: &Arc<[MessageId]>,
        brake: &Brake,
    ) -> Option<Answers> {
        let rules = self.config.rules();
        let plan = content::Plan::of(&first.text, &rules);
        let recipients =
            || to.iter().map(|terminal| std::str::from_utf8(terminal.as_bytes()).unwrap_or_default());
        let reference = if plan.segments() > 1 { self.references.next(recipients()) } else { 0 };
        let contents = plan.contents(rules.reference(reference))?;
        let parts = u8::try_from(contents.len()).ok()?;
        let sender: Arc<str> = Arc::from(self.sender(first.from.as_deref()));
        let times = self.times();
        let request = |(part, content)| {
            Request::Submit(Segment {
                destinations: Arc::clone(&to),
                sender: Arc::clone(&sender),
                parts,
                part,
                format: plan.format.octet(),
                content,
                times: times.clone(),
            })
        };
        let requests: Vec<Request> = (1..=parts).zip(contents).map(request).collect();
        self.account.start();
        let order = order_of(first.to.e164());
        Some(self.account.ask_all(order, &requests, carried, brake).await)
    }

    /// What the answers mean for the recipient at this place.
    pub(super) fn outcome(&self, answers: &Answers, place: u16) -> Outcome {
        let results = self.account.protocol().results();
        let segment = |asked: &Asked<Answer>| match &asked.answer {
            Ok(Answer::Submitted(answered)) if asked.of_recipient => {
                recipient_full(results.words(answered.result))
            }
            Ok(answer) => said(answer, place, results),
            Err(lost) => lost.clone().into(),
        };
        Outcome::of_segments(answers.iter().map(segment).collect())
    }
}

/// The id of the recipient at this place, where the gateway answered with `first`: only the low 16 bits count
/// on, and they begin again at 0. Empty where the gateway gave none.
pub(super) fn vendor_id(first: u64, place: u16) -> String {
    let [.., high, low] = first.to_be_bytes();
    let sequence = u16::from_be_bytes([high, low]).wrapping_add(place);
    if first == 0 { String::new() } else { told::hex((first & !0xFFFF) | u64::from(sequence)) }
}

pub(super) fn too_long() -> Outcome {
    Outcome::Rejected {
        code: ErrorKind::MessageTooLong,
        why: format!("one message has at most {} segments", content::MAX_SEGMENTS),
    }
}

/// What an answer says of a segment to the recipient at this place.
pub(super) fn said(answer: &Answer, place: u16, results: &Results) -> SegmentOutcome {
    match answer {
        Answer::Submitted(answered) if answered.result == 0 => {
            SegmentOutcome::Accepted { vendor_id: vendor_id(answered.msg_id, place), price: None }
        }
        Answer::Submitted(answered) => results.outcome(answered.result),
        Answer::Counted(_) | Answer::Canceled(_) => {
            SegmentOutcome::Unknown { why: "the gateway gave the answer to another question".to_owned() }
        }
    }
}
