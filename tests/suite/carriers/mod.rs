//! SMPP and CMPP before gateways: mocks of our own, and other people's software.

mod cmpp;
mod cmpp_writes;
mod commands;
mod corpus;
mod heard;
pub mod interop;
mod operator;
mod smpp;
mod told;
mod turns;
mod whole;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sms_mcp::clock::{SharedClock, SystemClock};
use sms_mcp::provider::exchange::{Event, Notice, ReplySegment};
use sms_mcp::provider::line::cmpp::Config as CmppConfig;
use sms_mcp::provider::line::session;
use sms_mcp::provider::line::smpp::Config as SmppConfig;
use sms_mcp::provider::settings::{Secrets, Setup};
use sms_mcp::provider::{Build, Provider};
use sms_mcp::setting::SecretText;
use tokio::sync::mpsc::Receiver;

use crate::carrier::ismg::{self, Ismg};
use crate::carrier::peer::{Cut, Peer, Script, Spoil, Tongue};
use crate::carrier::smsc::{self, Smsc};
use crate::fake::{Fault, Seen, Wire};
use crate::support::within;

/// A connection by which nothing that happens takes too long, and that is soon there again.
pub fn patient() -> session::Settings {
    let span = |text: &str| text.parse().unwrap();
    session::Settings {
        connect_timeout: span("180s"),
        link_wait: span("180s"),
        answer_timeout: span("180s"),
        throttle_wait: span("1ms"),
        reconnect_most: span("200ms"),
        ..session::Settings::default()
    }
}

/// For tests in which no answer or no connection comes: it waits for neither very long. What does come must
/// come in this time, so it is ample.
pub fn hasty() -> session::Settings {
    let span = |text: &str| text.parse().unwrap();
    session::Settings { link_wait: span("4s"), answer_timeout: span("3s"), ..patient() }
}

fn setup(secret: &'static str, value: &str) -> Setup {
    let clock: SharedClock = Arc::new(SystemClock);
    let mut secrets = Secrets::default();
    secrets.insert(secret, SecretText::new(value));
    Setup { clock, secrets, callback: None }
}

/// A provider with these settings and this secret.
pub fn build(config: &dyn Build, name: &'static str, secret: &str) -> Arc<dyn Provider> {
    config.build(setup(name, secret)).unwrap()
}

/// SMPP with everything that this SMSC can do.
pub fn smpp_config(peer: &Peer<Smsc>) -> SmppConfig {
    SmppConfig {
        address: peer.address(),
        system_id: smsc::SYSTEM_ID.to_owned(),
        from: Some("ACME".to_owned()),
        query: true,
        session: patient(),
        ..Default::default()
    }
}

/// SMPP before this SMSC.
pub fn smpp_provider(peer: &Peer<Smsc>) -> Arc<dyn Provider> {
    build_smpp(&SmppConfig { session: hasty(), ..smpp_config(peer) })
}

fn build_smpp(config: &sms_mcp::provider::line::smpp::Config) -> Arc<dyn Provider> {
    build(config, "password", smsc::PASSWORD)
}

/// CMPP, to wherever it is.
pub fn cmpp_config(peer: &Peer<Ismg>) -> CmppConfig {
    CmppConfig {
        address: peer.address(),
        sp_id: ismg::SP_ID.to_owned(),
        from: Some(ismg::SOURCE.to_owned()),
        foreign: true,
        session: patient(),
        ..Default::default()
    }
}

/// CMPP before this ISMG, one destination a SUBMIT.
pub fn cmpp_provider(peer: &Peer<Ismg>) -> Arc<dyn Provider> {
    build(&CmppConfig { session: hasty(), ..cmpp_config(peer) }, "secret", ismg::SECRET)
}

/// CMPP before this ISMG, three destinations a SUBMIT.
pub fn cmpp_many(peer: &Peer<Ismg>) -> Arc<dyn Provider> {
    build(
        &CmppConfig { destinations_per_submit: 3, session: hasty(), ..cmpp_config(peer) },
        "secret",
        ismg::SECRET,
    )
}

/// Who was reached, in E.164. A number of another country has its 00 in front.
pub fn cmpp_recipients(peer: &Peer<Ismg>) -> Vec<String> {
    let number =
        |to: &String| to.strip_prefix("00").map_or_else(|| format!("+86{to}"), |digits| format!("+{digits}"));
    peer.recipients().iter().map(number).collect()
}

/// What is told next. That something may be told again stays with the session, as where no ledger can keep
/// it.
async fn next(notices: &mut Receiver<Notice>) -> Notice {
    loop {
        let notice = within("something is told", notices.recv()).await.expect("the connection ended");
        if !matches!(notice.event, Event::Unacknowledged(_)) {
            return notice;
        }
        notice.recorded(false);
    }
}

/// The segments of one long text, each thanked for when it was told: the last of them, and what they say
/// together.
async fn joined(provider: &dyn Provider, notices: &mut Receiver<Notice>) -> (ReplySegment, String) {
    let mut segments = std::collections::BTreeMap::new();
    loop {
        let notice = next(notices).await;
        let Event::Segment(segment) = notice.event.clone() else { panic!("{notice:?}") };
        notice.recorded(true);
        segments.insert(segment.number, segment.octets.clone());
        if segments.len() == usize::from(segment.total) {
            let octets = segments.into_values().collect::<Vec<_>>().concat();
            return (segment.clone(), provider.words(segment.coding, &octets).unwrap());
        }
    }
}

/// What a fault of the contract is at a gateway.
fn fail<T: Tongue>(peer: &Peer<T>, fault: &Fault, throttled: u32, unauthorized: u32, refused: u32) {
    peer.close_door(*fault == Fault::Refuse);
    peer.script(|script| {
        let kept = Script { keep: script.keep, receipts: script.receipts, ..Script::default() };
        *script = match fault {
            Fault::DropBeforeBody | Fault::DropDuringBody => Script { is_deaf: true, ..kept },
            Fault::Stall => Script { mute_every: 1, ..kept },
            Fault::HalfJson => Script { spoil: Some(Spoil::Half), ..kept },
            Fault::Garbage => Script { spoil: Some(Spoil::Noise), ..kept },
            Fault::Huge => Script { spoil: Some(Spoil::Huge), ..kept },
            Fault::ThrottleSeconds(_) | Fault::ThrottleDate(_) => {
                Script { throttle_every: 1, bind_status: throttled, ..kept }
            }
            Fault::Status(401 | 403, _) => Script { bind_status: unauthorized, ..kept },
            Fault::Status(..) => Script { refuse_every: 1, status: refused, ..kept },
            _ => kept,
        };
    });
    if *fault == Fault::DropAfterAccept {
        peer.cut_at(1, Cut::BeforeAnswer);
    }
}

/// An answer says yes or no: there is no error after which nobody knows. Who we are is refused when a
/// connection begins.
fn knows(fault: &Fault, is_question: bool) -> bool {
    is_question || !matches!(fault, Fault::ErrorAfterAccept(_) | Fault::Status(401 | 403, _))
}

impl Wire for Peer<Smsc> {
    fn fail(&self, fault: Fault) {
        fail(self, &fault, 0x58, 0x0e, 0x0b);
    }

    fn hold(&self) {
        Wire::fail(self, Fault::Stall);
    }

    fn release(&self) {
        Wire::fail(self, Fault::None);
    }

    fn requests(&self) -> Vec<Seen> {
        Vec::new()
    }

    fn asked(&self) -> usize {
        self.counters().asked.load(Ordering::SeqCst)
    }

    fn is_connection(&self) -> bool {
        true
    }

    fn knows(&self, fault: &Fault, is_question: bool) -> bool {
        knows(fault, is_question)
    }
}

impl Wire for Peer<Ismg> {
    fn fail(&self, fault: Fault) {
        // Not 13: after a group that was refused because of one recipient, each is rightly asked for alone.
        fail(self, &fault, 8, 3, 7);
    }

    fn hold(&self) {
        Wire::fail(self, Fault::Stall);
    }

    fn release(&self) {
        Wire::fail(self, Fault::None);
    }

    fn requests(&self) -> Vec<Seen> {
        Vec::new()
    }

    fn asked(&self) -> usize {
        self.counters().asked.load(Ordering::SeqCst)
    }

    fn is_connection(&self) -> bool {
        true
    }

    fn knows(&self, fault: &Fault, is_question: bool) -> bool {
        knows(fault, is_question)
    }
}
