//! Approvers: who may say yes to what agents may not do by themselves, and whether a proof of theirs is right.
//!
//! [`prove`] is the one way from a proof to an approver's name, whoever asks for it: the gate of the command
//! line, or a page. It takes the part of the ledger that knows them alone, so that it works without carriers.

use std::sync::Arc;

use super::room::Operate;
use crate::access::proof::{check_name, is_signed, key_of};
use crate::access::ssh::PublicKey;
use crate::access::totp::{Code, Secret, is_code};
use crate::access::{Challenge, Decision, NAMESPACE, Proof};
use crate::clock::Timestamp;
use crate::engine::arguments::number as number_of;
use crate::engine::caller::{Caller, Person};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::approvers::{
    Approver, Approvers, Credential, Judge, Judged, NewApprover, ProofTry, Taken,
};
use crate::sms::untrusted::escape;

/// The verbs, as the gate, the log and the ledger name them.
const ADD: &str = "approver add";
const REMOVE: &str = "approver remove";

/// What is put before the approvers.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What they decide.
    pub decision: &'a Decision,
    /// Whether one-time codes count where this is asked.
    pub takes_codes: bool,
    /// Whose act is noted together with a right proof, where no verb notes it afterwards.
    pub noted: Option<&'a Caller>,
}

/// What somebody proves a yes with, who becomes an approver.
#[derive(Clone, Debug)]
pub enum Proves {
    /// Signatures by this key.
    Key(PublicKey),
    /// One-time codes, of which the one of this step was shown.
    Codes(Secret, i64),
}

impl Proves {
    /// For people: the kind, and the fingerprint of a key.
    fn shown(&self) -> String {
        match self {
            Self::Key(key) => format!("{} {}", key.kind(), key.fingerprint()),
            Self::Codes(..) => "one-time codes".to_owned(),
        }
    }
}

/// How an approver proves a yes, for people: the kind, and the fingerprint of a key.
pub fn proves(approver: &Approver) -> String {
    match approver.key.as_deref().map(PublicKey::read) {
        Some(Ok(key)) => Proves::Key(key).shown(),
        // It was read when it was added.
        Some(Err(_)) => "a key that cannot be read".to_owned(),
        None => "one-time codes".to_owned(),
    }
}

impl Operate {
    /// All approvers, in the order in which they were added.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn approvers(&self, caller: &Caller) -> Result<Vec<Approver>> {
        caller.looked("approver list");
        self.ledger.approvers(self.life.now()).await
    }

    /// Adds an approver. Returns whether it is the first one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a name or a key that somebody has, or no name;
    /// [`ErrorKind::InvalidNumber`]; [`ErrorKind::NotSupported`] where somebody else became the first one;
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn add_approver(
        &self,
        person: &Person,
        name: &str,
        proves: Proves,
        phone: Option<&str>,
    ) -> Result<bool> {
        check_name(name)
            .map_err(|why| Error::new(ErrorKind::InvalidArgument, format!("\"{}\": {why}", escape(name))))?;
        let phone = phone.map(|phone| number_of(phone, self.default_region)).transpose()?;
        let shown = proves.shown();
        let credential = match proves {
            Proves::Key(key) => Credential::Key(key.line()),
            Proves::Codes(secret, step) => Credential::Codes { secret: *secret.octets(), used: Some(step) },
        };
        let new = NewApprover {
            name: name.to_owned(),
            credential,
            phone: phone.map(|phone| phone.e164().to_owned()),
            act: person.act(ADD, name, self.life.now()),
            forward: self.forward.then(|| shown.clone()),
        };
        self.ledger.add_approver(new).await?;
        self.signals.to_tell();
        let (by, approver, is_first) =
            (&person.caller().actor, person.approver(), person.approver().is_none());
        tracing::warn!(
            by,
            approver,
            added = name,
            proves = shown,
            is_first,
            "an approver was added: what widens the rights of agents asks for an approver's proof"
        );
        Ok(is_first)
    }

    /// Removes an approver. Returns how many are left.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] or [`ErrorKind::LedgerUnavailable`].
    pub async fn remove_approver(&self, person: &Person, name: &str) -> Result<u32> {
        let act = person.act(REMOVE, name, self.life.now());
        let left = self.ledger.remove_approver(name, act, self.forward).await?;
        self.signals.to_tell();
        let (by, approver) = (&person.caller().actor, person.approver());
        tracing::warn!(
            by,
            approver,
            removed = name,
            left,
            "an approver was removed; where none is left a typed word passes the gate again"
        );
        Ok(left)
    }

    /// As [`prove`], in this ledger.
    ///
    /// # Errors
    /// As [`prove`].
    pub async fn prove(&self, caller: &Caller, asked: Asked<'_>, proof: Proof) -> Result<String> {
        caller.looked(asked.decision.verb());
        prove(&*self.ledger, asked, proof, self.life.now()).await
    }
}

/// Takes a proof of an approver for a decision: a right one is used up, and says whose it is; a wrong one counts.
///
/// # Errors
/// [`ErrorKind::NotSupported`] for a code where none counts, [`ErrorKind::RateLimited`] in a pause after wrong
/// ones, [`ErrorKind::InvalidArgument`] for what is wrong, or was used before; [`ErrorKind::LedgerUnavailable`].
pub async fn prove(ledger: &dyn Approvers, asked: Asked<'_>, proof: Proof, now: Timestamp) -> Result<String> {
    let Asked { decision, takes_codes, noted } = asked;
    let approvers = ledger.approvers(now).await?;
    let (name, judge, nonce) = match proof {
        Proof::Code { .. } if !takes_codes => return Err(codes_are_refused()),
        Proof::Code { code, .. } if !is_code(&code) => return Err(refused("a code has six digits")),
        Proof::Code { name, code } => {
            let of = whose_code(&approvers, name.as_deref())?;
            let judge: Judge = Arc::new(move |credential| judge_code(credential, &code, now));
            (of, judge, None)
        }
        Proof::Signature { challenge, signature } => {
            let identity = ledger.approval_identity().await?;
            let identity = identity.ok_or_else(|| refused("no approver was ever added here"))?;
            challenge.fits(identity, decision, now).map_err(|why| refused(&why))?;
            let key = key_of(&signature).map_err(|why| refused(&why))?;
            let line = key.line();
            let of = approvers.iter().find(|approver| approver.key.as_ref() == Some(&line));
            let of = of.map(|approver| approver.name.clone()).ok_or_else(|| {
                refused(&format!("it is by {}, and that is no approver's key", key.fingerprint()))
            })?;
            let nonce = challenge.nonce();
            let judge: Judge =
                Arc::new(move |credential| judge_signature(credential, &challenge, &signature));
            (of, judge, Some(nonce))
        }
    };
    let act = noted.map(|caller| {
        let act = caller.act(decision.verb(), decision.subject(), now);
        crate::ledger::Act { approver: Some(name.clone()), ..act }
    });
    let taken = ledger.take_proof(ProofTry { approver: name.clone(), judge, nonce, now, act }).await?;
    if taken != Taken::Right {
        let verb = decision.verb();
        let is_paused = matches!(taken, Taken::Paused(_) | Taken::Wrong { paused_until: Some(_), .. });
        tracing::warn!(approver = name, verb, is_paused, "the proof of an approver was refused");
    }
    match taken {
        Taken::Right => Ok(name),
        Taken::Used => {
            Err(refused("it was used before")
                .next("Nothing was done. A code works once: wait for the next one."))
        }
        Taken::Nobody => Err(refused(&format!("{name} is an approver no more"))),
        Taken::Paused(until) => Err(paused(&name, until)),
        Taken::Wrong { paused_until: Some(until), .. } => Err(paused(&name, until)),
        Taken::Wrong { why, left, .. } => {
            let refused = refused(&why);
            Err(match left {
                Some(left) => refused.next(format!(
                    "Nothing was done. It counts: {left} more wrong ones, and there is a pause."
                )),
                None => refused,
            })
        }
    }
}

/// The challenge that is signed for this decision.
///
/// # Errors
/// [`ErrorKind::NotFound`] where there is nobody who could sign it.
pub fn challenge(
    identity: Option<[u8; 16]>,
    decision: &Decision,
    now: Timestamp,
    nonce: [u8; 16],
) -> Result<Challenge> {
    let identity = identity.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "there is no approver here").next("`sms-mcp approver add` makes one.")
    })?;
    Ok(Challenge::new(identity, decision.clone(), now, nonce))
}

fn judge_code(credential: &Credential, code: &str, now: Timestamp) -> Judged {
    match credential {
        Credential::Codes { secret, used } => {
            match Secret::new(*secret).check(code, now.as_millis(), *used) {
                Code::Of(step) => Judged::Right(Some(step)),
                Code::Used => Judged::Used,
                Code::Wrong => Judged::Wrong("it is not the code of now".to_owned()),
            }
        }
        Credential::Key(_) => Judged::Wrong("its approver signs, and has no codes".to_owned()),
    }
}

fn judge_signature(credential: &Credential, challenge: &Challenge, signature: &str) -> Judged {
    let signed = match credential {
        Credential::Key(line) => PublicKey::read(line).and_then(|key| is_signed(challenge, signature, &key)),
        Credential::Codes { .. } => Err("its approver has codes, and signs nothing".to_owned()),
    };
    signed.map_or_else(Judged::Wrong, |()| Judged::Right(None))
}

/// Whose code it is: who is named, or the only one who has codes.
fn whose_code(approvers: &[Approver], name: Option<&str>) -> Result<String> {
    let with_codes: Vec<&str> = approvers
        .iter()
        .filter(|approver| approver.key.is_none())
        .map(|approver| approver.name.as_str())
        .collect();
    let found = match (name, with_codes.as_slice()) {
        (None, [only]) => Some(*only),
        (Some(name), all) => all.iter().find(|known| **known == name).copied(),
        (None, _) => None,
    };
    found.map(ToOwned::to_owned).ok_or_else(|| match with_codes.as_slice() {
        [] => refused("no approver has one-time codes").next(format!("Sign, with -n {NAMESPACE}.")),
        all => refused(&format!("it is of nobody: {} have codes", all.join(", ")))
            .next("Nothing was done. Say whose it is, before it: NAME CODE."),
    })
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("this is no proof of an approver: {why}"))
        .next("Nothing was done.")
}

fn codes_are_refused() -> Error {
    Error::new(
        ErrorKind::NotSupported,
        "one-time codes do not count here: whoever runs as this user, as an agent may, can read what they are \
         made of",
    )
    .next(
        "Nothing was done. Use an approver with an SSH key, or set [approval] totp = \"accept\" where no agent \
         has this user's files.",
    )
}

fn paused(name: &str, until: Timestamp) -> Error {
    let message = format!("too many wrong codes of {name}: none is looked at before {}", until.rfc3339());
    Error::new(ErrorKind::RateLimited, message)
        .next("Nothing was done. Wait until then. An approver with an SSH key is not held up by it.")
}
