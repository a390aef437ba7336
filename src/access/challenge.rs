//! What an approver says yes to, as a text of a few lines that a person can read and a key can sign.
//!
//! Everything that makes the yes this one and no other stands in it: which ledger, what is to be done with
//! what, a digest over all of it, when it was asked, and a nonce. So a signature over it is a yes to nothing
//! else, and to this once. No value leaves its line.

use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::sms::message::hex;
use crate::sms::untrusted;

/// What signatures are made for (`ssh-keygen -Y sign -n`): one over a mail or a commit says yes to nothing.
pub const NAMESPACE: &str = "sms-mcp@approval";

/// For how long a yes may be given after it was asked for, in milliseconds: a quarter of an hour, for a key that
/// is on another machine.
pub const VALID_MS: i64 = 15 * 60_000;

/// How much the clock may have been set back in between.
const AHEAD_MS: i64 = 60_000;

const FIRST_LINE: &str = "sms-mcp approval, version 1";

/// Longest text of one.
const MOST: usize = 8 * 1024;

/// What is decided, whoever asks and whenever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    verb: String,
    subject: String,
    digest: [u8; 32],
}

impl Decision {
    /// To do this (`verb`, as a command is called) with that (`subject`, for people). `parts` are all that it
    /// depends on, in order: they go into the digest, each with its length, so that no two decisions share one.
    pub fn new(verb: &str, subject: &str, parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in [verb.as_bytes()].iter().chain(parts) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Self {
            verb: untrusted::escape(verb),
            subject: untrusted::escape(subject),
            digest: digest.finalize().into(),
        }
    }

    /// What is done, as a command is called.
    pub fn verb(&self) -> &str {
        &self.verb
    }

    /// With what, for people.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// A decision, asked for once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    ledger: [u8; 16],
    decision: Decision,
    asked: Timestamp,
    nonce: [u8; 16],
}

impl Challenge {
    /// Asks for this in this ledger. The nonce is random, and never the same twice.
    pub const fn new(ledger: [u8; 16], decision: Decision, asked: Timestamp, nonce: [u8; 16]) -> Self {
        Self { ledger, decision, asked, nonce }
    }

    /// When it was asked for.
    pub const fn asked(&self) -> Timestamp {
        self.asked
    }

    /// What makes it this one.
    pub const fn nonce(&self) -> [u8; 16] {
        self.nonce
    }

    /// What is decided.
    pub const fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The text that is signed.
    pub fn text(&self) -> String {
        let Decision { verb, subject, digest } = &self.decision;
        format!(
            "{FIRST_LINE}\nledger: {}\nverb: {verb}\nsubject: {subject}\ndigest: {}\nasked: {}\nnonce: {}\n",
            hex(&self.ledger),
            hex(digest),
            self.asked.rfc3339(),
            hex(&self.nonce)
        )
    }

    /// Reads the text of one, which must be exactly as it was written.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(text: &str) -> Result<Self, String> {
        let read = if text.len() > MOST { None } else { Self::of_lines(text) };
        // Written again it is the same: so there is one text for each, and nothing else in it.
        read.filter(|read| read.text() == text).ok_or_else(|| {
            format!("it is no text that begins with \"{FIRST_LINE}\", or it was changed after it was written")
        })
    }

    fn of_lines(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(": ");
        let ledger = octets(value("ledger")?)?;
        let (verb, subject) = (value("verb")?, value("subject")?);
        if untrusted::line(verb) != verb || untrusted::line(subject) != subject {
            return None;
        }
        let digest = octets(value("digest")?)?;
        let asked = Timestamp::parse(value("asked")?)?;
        let nonce = octets(value("nonce")?)?;
        let decision = Decision { verb: verb.to_owned(), subject: subject.to_owned(), digest };
        Some(Self { ledger, decision, asked, nonce })
    }

    /// Says whether a yes to this, given now, is one to that decision in that ledger.
    ///
    /// # Errors
    /// Why it is not.
    pub fn fits(&self, ledger: [u8; 16], decision: &Decision, now: Timestamp) -> Result<(), String> {
        if self.ledger != ledger {
            return Err("it was asked for in another ledger".to_owned());
        }
        if self.decision != *decision {
            let Decision { verb, subject, .. } = &self.decision;
            return Err(format!("it says yes to something else: {verb}, {subject}"));
        }
        let age = now.as_millis().saturating_sub(self.asked.as_millis());
        if !(-AHEAD_MS..=VALID_MS).contains(&age) {
            return Err(format!(
                "it was asked for at {}, and holds for {} minutes",
                self.asked.rfc3339(),
                VALID_MS / 60_000
            ));
        }
        Ok(())
    }
}

/// So many octets, as [`hex`] writes them.
fn octets<const COUNT: usize>(text: &str) -> Option<[u8; COUNT]> {
    let mut octets = [0; COUNT];
    if text.len() != COUNT * 2 || !text.is_ascii() {
        return None;
    }
    for (octet, at) in octets.iter_mut().zip((0..).step_by(2)) {
        *octet = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEDGER: [u8; 16] = [0xab; 16];
    const AT: Timestamp = Timestamp(1_795_342_500_250);

    fn resume() -> Decision {
        Decision::new("resume", "everything", &[b"", b""])
    }

    fn asked() -> Challenge {
        Challenge::new(LEDGER, resume(), AT, [7; 16])
    }

    #[test]
    fn the_text_is_a_few_lines_that_a_person_can_read() {
        let text = asked().text();
        let digest = hex(&resume().digest);
        assert_eq!(
            text,
            format!(
                "sms-mcp approval, version 1\nledger: abababababababababababababababab\nverb: resume\nsubject: \
                 everything\ndigest: {digest}\nasked: 2026-11-22T10:15:00.250Z\nnonce: \
                 07070707070707070707070707070707\n"
            )
        );
        assert_eq!(Challenge::read(&text), Ok(asked()));
    }

    #[test]
    fn no_value_leaves_its_line_and_the_text_reads_back_whatever_it_is_about() {
        for subject in [
            "a\ndigest: 00",
            "\r\n\nnonce: 1",
            "\u{202e}txt.exe",
            "\u{1b}[2K",
            "x: y",
            "",
            &"ü".repeat(1_000),
        ] {
            let challenge = Challenge::new(LEDGER, Decision::new("restore", subject, &[]), AT, [1; 16]);
            let text = challenge.text();
            assert_eq!(text.lines().count(), 7, "{text}");
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
            assert_eq!(Challenge::read(&text), Ok(challenge), "{text:?}");
        }
    }

    #[test]
    fn a_text_that_was_changed_in_any_way_is_none() {
        let text = asked().text();
        for changed in [
            text.trim_end().to_owned(),
            format!("{text}\n"),
            format!(" {text}"),
            text.replace('\n', "\r\n"),
            text.replace("version 1", "version 2"),
            text.replace("verb: ", "verb:"),
            text.replace("abab", "ABAB"),
            text.replace("0707", "+7+7"),
            text.replace("nonce: ", "extra: 1\nnonce: "),
            text.replace("subject: everything", "subject: every\u{202e}thing"),
            text.replace(".250Z", "Z"),
            String::new(),
            "x".repeat(10_000),
        ] {
            assert!(Challenge::read(&changed).is_err(), "{changed}");
        }
    }

    #[test]
    fn a_yes_fits_its_own_decision_in_its_own_ledger_for_a_quarter_of_an_hour() {
        let fits = |ledger, decision: &Decision, ms: i64| asked().fits(ledger, decision, AT.plus_ms(ms));
        assert_eq!(fits(LEDGER, &resume(), 0), Ok(()));
        assert_eq!(fits(LEDGER, &resume(), VALID_MS), Ok(()));
        assert_eq!(fits(LEDGER, &resume(), -AHEAD_MS), Ok(()));
        assert!(fits(LEDGER, &resume(), VALID_MS + 1).unwrap_err().contains("holds for 15 minutes"));
        assert!(fits(LEDGER, &resume(), -AHEAD_MS - 1).is_err());
        assert!(fits([0; 16], &resume(), 0).unwrap_err().contains("another ledger"));
        for other in [
            Decision::new("resume", "everything", &[b"main", b""]),
            Decision::new("resume", "provider main", &[b"", b""]),
            Decision::new("restore", "everything", &[b"", b""]),
        ] {
            assert!(fits(LEDGER, &other, 0).unwrap_err().contains("something else: resume, everything"));
        }
    }

    #[test]
    fn no_two_decisions_share_a_digest() {
        let parts: [&[&[u8]]; 6] = [&[], &[b""], &[b"", b""], &[b"ab"], &[b"a", b"b"], &[b"", b"ab"]];
        let digests: std::collections::BTreeSet<_> =
            parts.iter().map(|parts| Decision::new("resume", "x", parts).digest).collect();
        assert_eq!(digests.len(), parts.len());
        assert_ne!(Decision::new("ab", "", &[b"c"]).digest, Decision::new("a", "", &[b"bc"]).digest);
    }
}
