//! Whether the recipient of a text agreed to such texts, or asked for none in many words.

use super::ask::Ask;
use super::limits::Policy;
use super::peers::blamed;
use crate::error::{Error, ErrorKind, Result};
use crate::sms::consent::missing;
use crate::sms::facts::Facts;
use crate::sms::purpose::Purpose;

impl Policy {
    /// Refuses a text whose recipient did not agree to such texts, or not to one that leaves then.
    ///
    /// # Errors
    /// [`ErrorKind::ConsentMissing`].
    pub(super) fn check_consent(&self, ask: &Ask<'_>, facts: &Facts) -> Result<()> {
        let asks = |purposes: &[Purpose]| purposes.contains(&ask.purpose);
        let peer = facts.peers.iter().find(|peer| asks(&peer.rules.consent_for));
        let is_ours = asks(&self.consent.required_for);
        if !is_ours && peer.is_none() {
            return Ok(());
        }
        let leaves_ms = ask.schedule.at_ms.unwrap_or(ask.now_ms).max(ask.now_ms);
        let Some(why) = missing(facts.consent.as_ref(), leaves_ms) else { return Ok(()) };
        let blamed = blamed(peer.filter(|_| !is_ours));
        let message = format!("{} may get no {} texts: {}{blamed}", ask.to, ask.purpose, why.as_str());
        Err(Error::new(ErrorKind::ConsentMissing, message))
    }
}

/// Keeps marketing from somebody whose reply may ask for no more texts, until a person has read it.
///
/// # Errors
/// [`ErrorKind::OptedOut`].
pub(super) fn check_objection(ask: &Ask<'_>, facts: &Facts) -> Result<()> {
    if !facts.is_objection_pending || ask.purpose != Purpose::Marketing {
        return Ok(());
    }
    let why = format!(
        "a reply that may be from {} seems to ask for no more texts, and nobody has read it yet (pending)",
        ask.to
    );
    Err(Error::new(ErrorKind::OptedOut, why).next(
        "Nothing was sent, and no marketing may be until the operator settled it (`sms-mcp opt-out pending`). Tell \
         the user; do not look for another way.",
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::policy::{Consent, Settings};
    use crate::sms::consent::Latest;
    use crate::sms::number::Number;
    use crate::sms::peer::{Peer, Rules};
    use crate::sms::schedule::Schedule;

    const GIVEN: Latest = Latest { is_given: true, at_ms: 10, expires_ms: Some(1_000) };

    fn peer(consent_for: Vec<Purpose>) -> Peer {
        Peer {
            surface: "serve".to_owned(),
            process: 4711,
            settings: Some("/home/alice/strict.toml".to_owned()),
            overrides: Vec::new(),
            since_ms: 0,
            session: None,
            currency: "USD".into(),
            live: true,
            sandbox: false,
            rules: Rules { consent_for, ..Rules::default() },
        }
    }

    /// What a text is told; nothing where it may go.
    fn told(required_for: &[Purpose], change: impl FnOnce(&mut Ask<'_>, &mut Facts)) -> Option<String> {
        let policy = Policy::new(Settings::default(), BTreeMap::new())
            .quiet_hours(crate::policy::quiet::Settings {
                marketing: crate::policy::quiet::Mode::Off,
                ..Default::default()
            })
            .consenting(Consent { required_for: required_for.to_vec(), ..Consent::default() });
        let to = Number::parse("+447400123456", None).unwrap();
        let mut ask = Ask { purpose: Purpose::Marketing, ..Ask::to(&to, 500) };
        let mut facts = Facts::default();
        change(&mut ask, &mut facts);
        let refused = policy.decide(&ask, &facts).err()?;
        assert_eq!(refused.kind(), ErrorKind::ConsentMissing, "{}", refused.message());
        Some(refused.message().to_owned())
    }

    #[test]
    fn a_text_needs_consent_for_its_purpose_alone_and_for_when_it_leaves() {
        let marketing = [Purpose::Marketing];
        let given = |facts: &mut Facts, latest| facts.consent = Some(latest);
        assert_eq!(told(&[], |_, _| {}), None, "nothing is asked unless it is set");
        assert!(told(&marketing, |_, _| {}).unwrap().contains("no consent is on record"));
        assert_eq!(told(&marketing, |ask, _| ask.purpose = Purpose::Transactional), None);
        assert!(told(&Purpose::ALL, |ask, _| ask.purpose = Purpose::Transactional).is_some());
        let transactional = [Purpose::Transactional];
        assert!(told(&transactional, |_, _| {}).is_some(), "the other word for it is no way around");
        assert!(told(&transactional, |ask, _| ask.purpose = Purpose::Transactional).is_some());
        assert_eq!(told(&marketing, |_, facts| given(facts, GIVEN)), None);
        let withdrawn = Latest { is_given: false, ..GIVEN };
        assert!(told(&marketing, |_, facts| given(facts, withdrawn)).unwrap().contains("withdrawn"));
        let planned = |at_ms| {
            move |ask: &mut Ask<'_>, facts: &mut Facts| {
                ask.schedule = Schedule { at_ms: Some(at_ms), by_ms: None };
                given(facts, GIVEN);
            }
        };
        assert_eq!(told(&marketing, planned(999)), None);
        assert!(told(&marketing, planned(1_000)).unwrap().contains("expired"), "it leaves too late");
        assert_eq!(told(&marketing, planned(3)), None, "what is past leaves now");
    }

    #[test]
    fn what_another_process_asks_for_holds_here_with_its_name() {
        let with = |facts: &mut Facts| facts.peers = [peer(vec![Purpose::Marketing])].into();
        let told_by_peer = told(&[], |_, facts| with(facts)).unwrap();
        assert!(told_by_peer.contains("another process") && told_by_peer.contains("strict.toml"));
        assert!(!told(&[Purpose::Marketing], |_, facts| with(facts)).unwrap().contains("another process"));
        assert_eq!(told(&[], |_, facts| facts.peers = [peer(Vec::new())].into()), None);
    }

    #[test]
    fn an_objection_that_nobody_read_keeps_marketing_and_nothing_else() {
        let policy = Policy::new(Settings::default(), BTreeMap::new());
        let to = Number::parse("+447400123456", None).unwrap();
        let facts = Facts { is_objection_pending: true, ..Facts::default() };
        let ask = Ask { purpose: Purpose::Marketing, ..Ask::to(&to, 0) };
        let refused = policy.decide(&ask, &facts).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::OptedOut);
        assert!(refused.next_step().contains("opt-out pending"), "{}", refused.next_step());
        assert!(policy.decide(&Ask::to(&to, 0), &facts).is_ok());
    }

    #[test]
    fn somebody_who_wants_no_texts_is_told_that_and_not_to_ask_for_consent() {
        let policy = Policy::new(Settings::default(), BTreeMap::new())
            .consenting(Consent { required_for: Purpose::ALL.to_vec(), ..Consent::default() });
        let to = Number::parse("+447400123456", None).unwrap();
        let facts = Facts { is_opted_out: true, ..Facts::default() };
        assert_eq!(policy.decide(&Ask::to(&to, 0), &facts).unwrap_err().kind(), ErrorKind::OptedOut);
    }
}
