//! One-time codes of an app on a phone: RFC 6238 with SHA-1, six digits and steps of 30 seconds, which is what
//! every app understands.

use std::fmt;

use ring::hmac;
use subtle::ConstantTimeEq as _;

/// Octets of a secret: as many as the digest has (RFC 4226, section 4, R6).
pub const SECRET_OCTETS: usize = 20;

/// Seconds for which a code stands.
const STEP_SECONDS: i64 = 30;

/// How many steps a phone's clock may be off on either side (RFC 6238, section 5.2).
const TOLERANCE: i64 = 1;

/// Digits of a code, and how many codes there are.
const DIGITS: usize = 6;
const CODES: u32 = 1_000_000;

/// What an app makes codes of. It is never shown but to who adds it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; SECRET_OCTETS]);

/// What a typed code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The one of this step, which is later than every one that was used.
    Of(i64),
    /// The one of a step that was used, or is earlier than one that was.
    Used,
    /// None of now.
    Wrong,
}

impl Secret {
    /// This one.
    pub const fn new(octets: [u8; SECRET_OCTETS]) -> Self {
        Self(octets)
    }

    /// Its octets, for who keeps it.
    pub const fn octets(&self) -> &[u8; SECRET_OCTETS] {
        &self.0
    }

    /// What this code is at this moment (milliseconds since 1970), where that of `used` was the last.
    pub fn check(&self, typed: &str, now_ms: i64, used: Option<i64>) -> Code {
        let Some(digits) = digits(typed) else { return Code::Wrong };
        let now = step_of(now_ms);
        let mut found = Code::Wrong;
        // All of them, whichever it is, and from the latest on: how long this takes says nothing.
        for step in (now - TOLERANCE..=now + TOLERANCE).rev() {
            if bool::from(self.code(step).as_bytes().ct_eq(digits.as_bytes())) {
                let is_used = used.is_some_and(|used| step <= used);
                if !is_used || found == Code::Wrong {
                    found = if is_used { Code::Used } else { Code::Of(step) };
                }
            }
        }
        found
    }

    /// The code of a step (RFC 4226, section 5.3).
    pub fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let digest = hmac::sign(&key, &step.to_be_bytes());
        let at = usize::from(digest.as_ref().last().copied().unwrap_or_default() & 0x0f);
        let four = digest.as_ref().get(at..at + 4).and_then(|four| four.try_into().ok()).unwrap_or_default();
        let number = (u32::from_be_bytes(four) & 0x7fff_ffff) % CODES;
        format!("{number:06}")
    }

    /// As apps read it, from a QR code or typed by a person: Base32 without padding (RFC 4648, section 6).
    pub fn base32(&self) -> String {
        const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let (mut text, mut bits, mut count) = (String::new(), 0_u32, 0);
        for octet in self.0 {
            bits = (bits << 8) | u32::from(octet);
            count += 8;
            while count >= 5 {
                count -= 5;
                let letter = LETTERS.get((bits >> count) as usize & 31).copied().unwrap_or_default();
                text.push(char::from(letter));
            }
        }
        text
    }

    /// The address that a QR code holds. The name is plain: letters, digits, `-`, `_` and `.`.
    pub fn address(&self, name: &str) -> String {
        format!(
            "otpauth://totp/sms-mcp:{name}?secret={}&issuer=sms-mcp&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}",
            self.base32()
        )
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The digits of what has the form of a code, which apps show with a space in the middle.
fn digits(typed: &str) -> Option<String> {
    let digits: String = typed.chars().filter(|c| *c != ' ').collect();
    (digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit())).then_some(digits)
}

/// Whether this has the form of a code. What has not says nothing about any, and is no try.
pub fn is_code(typed: &str) -> bool {
    digits(typed).is_some()
}

/// The step that a moment (milliseconds since 1970) belongs to.
pub const fn step_of(now_ms: i64) -> i64 {
    now_ms.div_euclid(STEP_SECONDS * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of the RFC's vectors (appendix B), with its codes of eight digits: the last six are ours.
    const RFC: Secret = Secret::new(*b"12345678901234567890");

    #[test]
    fn the_codes_are_those_of_the_rfc() {
        for (seconds, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000_i64, "65353130"),
        ] {
            assert_eq!(RFC.code(step_of(seconds * 1_000)), code[2..], "{seconds}");
            assert_eq!(RFC.check(&code[2..], seconds * 1_000, None), Code::Of(seconds / 30));
        }
        // RFC 4226, appendix D.
        for (step, code) in (0..).zip(["755224", "287082", "359152", "969429", "338314", "254676"]) {
            assert_eq!(RFC.code(step), code);
        }
    }

    #[test]
    fn a_code_holds_one_step_before_and_after_its_own_and_no_longer() {
        let code = RFC.code(100);
        for (step, found) in [
            (98, Code::Wrong),
            (99, Code::Of(100)),
            (100, Code::Of(100)),
            (101, Code::Of(100)),
            (102, Code::Wrong),
        ] {
            assert_eq!(RFC.check(&code, step * 30_000, None), found, "{step}");
            assert_eq!(RFC.check(&code, step * 30_000 + 29_999, None), found, "{step}");
        }
    }

    #[test]
    fn a_code_that_was_used_and_every_one_before_it_is_used_up() {
        let now = 100 * 30_000;
        assert_eq!(RFC.check(&RFC.code(100), now, Some(99)), Code::Of(100));
        assert_eq!(RFC.check(&RFC.code(100), now, Some(100)), Code::Used);
        assert_eq!(RFC.check(&RFC.code(99), now, Some(100)), Code::Used);
        assert_eq!(RFC.check(&RFC.code(101), now, Some(100)), Code::Of(101));
    }

    #[test]
    fn what_is_no_code_of_now_is_wrong() {
        let right = RFC.code(100);
        assert_eq!(RFC.check(&format!("{} {}", &right[..3], &right[3..]), 3_000_000, None), Code::Of(100));
        for typed in
            ["", "0", &right[1..], &format!("{right}0"), "000000", "+12345", "١٢٣٤٥٦", &RFC.code(103)]
        {
            assert_eq!(RFC.check(typed, 3_000_000, None), Code::Wrong, "{typed}");
        }
        assert_eq!(RFC.check("000000", i64::MIN, None), Code::Wrong);
        assert_eq!(RFC.check("000000", i64::MAX, None), Code::Wrong);
    }

    #[test]
    fn the_address_is_what_apps_read_and_the_secret_shows_nowhere_else() {
        assert_eq!(
            RFC.address("alice"),
            "otpauth://totp/sms-mcp:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=sms-mcp&algorithm=SHA1&\
             digits=6&period=30"
        );
        assert_eq!(format!("{RFC:?}"), "Secret(..)");
    }
}
