//! Phone numbers as a gateway writes them, in requests and in what it tells.

use crate::provider::rest::digits;
use crate::sms::caller_id::Sender;
use crate::sms::number::Number;

/// How a gateway writes numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    /// `+447700900000`.
    #[default]
    Plus,
    /// `447700900000`.
    Digits,
    /// `00447700900000`.
    Zeros,
    /// Without this country code, and of that country alone: `7700900000`.
    National(String),
}

impl Numbers {
    /// Reads the setting.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: Option<&str>) -> Result<Self, String> {
        let wrong = || {
            "send.number_format is none of \"plus\", \"digits\", \"zeros\", and \"national:\" with a country \
             code, such as \"national:+44\""
                .to_owned()
        };
        match text {
            None | Some("plus") => Ok(Self::Plus),
            Some("digits") => Ok(Self::Digits),
            Some("zeros") => Ok(Self::Zeros),
            Some(other) => {
                let code = other.strip_prefix("national:").map(|code| code.trim_start_matches('+'));
                let is_code = |code: &&str| {
                    (1..=3).contains(&code.len())
                        && code.bytes().all(|byte| byte.is_ascii_digit())
                        && !code.starts_with('0')
                };
                code.filter(is_code).map(|code| Self::National(code.to_owned())).ok_or_else(wrong)
            }
        }
    }

    /// The number as the gateway writes it; nothing where it cannot.
    pub fn write(&self, number: &Number) -> Option<String> {
        let plain = number.e164().trim_start_matches('+');
        match self {
            Self::Plus => Some(number.e164().to_owned()),
            Self::Digits => Some(plain.to_owned()),
            Self::Zeros => Some(format!("00{plain}")),
            Self::National(code) if number.calling_code().to_string() == *code => {
                plain.strip_prefix(code.as_str()).map(str::to_owned)
            }
            Self::National(_) => None,
        }
    }

    /// Whether what the gateway wrote is this number.
    pub fn is_same(&self, written: &str, number: &Number) -> bool {
        digits::is_same(written, number) || self.write(number).as_deref() == Some(written.trim())
    }

    /// Whether what the gateway wrote is plainly somebody else's number.
    pub fn is_another(&self, written: &str, number: &Number) -> bool {
        !self.is_same(written, number) && digits::is_another(written, number)
    }

    /// Who a number is that the gateway wrote: one that is whole in its writing, else as it stands.
    pub fn read(&self, written: &str) -> Sender {
        let text = written.trim();
        let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let whole = match self {
            Self::Digits if is_digits && !text.starts_with('0') => Some(format!("+{text}")),
            Self::Zeros if is_digits && text.starts_with("00") => Some(format!("+{}", digits::digits(text))),
            Self::National(code) if is_digits => Some(format!("+{code}{text}")),
            _ => None,
        };
        match whole.and_then(|whole| Number::parse(&whole, None).ok()).filter(Number::is_valid) {
            Some(number) => Sender::known(&number),
            None => Sender::of(text),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_number_reads_back_as_it_was_written_and_no_digit_is_gained_or_lost() {
        let person = Number::parse("+33199000001", None).unwrap();
        for (format, written) in [
            (None, "+33199000001"),
            (Some("plus"), "+33199000001"),
            (Some("digits"), "33199000001"),
            (Some("zeros"), "0033199000001"),
            (Some("national:+33"), "199000001"),
            (Some("national:33"), "199000001"),
        ] {
            let numbers = Numbers::parse(format).unwrap();
            assert_eq!(numbers.write(&person).as_deref(), Some(written), "{format:?}");
            assert!(
                numbers.is_same(written, &person) && numbers.is_same("0033199000001", &person),
                "{format:?}"
            );
            assert!(!numbers.is_same("33199000002", &person) && !numbers.is_same("", &person), "{format:?}");
            assert_eq!(numbers.read(written), Sender::E164("+33199000001".to_owned()), "{format:?}");
            assert_eq!(numbers.read("+33199000001"), Sender::E164("+33199000001".to_owned()), "{format:?}");
            assert_eq!(numbers.read("ACME"), Sender::AsWritten("ACME".to_owned()), "{format:?}");
        }
        assert_eq!(Numbers::National("44".to_owned()).write(&person), None);
        // Nobody's number in this writing.
        assert_eq!(Numbers::Digits.read("0199000001"), Sender::AsWritten("0199000001".to_owned()));
        assert_eq!(Numbers::Digits.read("36179"), Sender::AsWritten("36179".to_owned()));
        assert_eq!(Numbers::Plus.read("33199000001"), Sender::AsWritten("33199000001".to_owned()));
        for wrong in ["e164", "national:", "national:+0", "national:GB", "national:+4444", ""] {
            assert!(Numbers::parse(Some(wrong)).unwrap_err().contains("send.number_format"), "{wrong}");
        }
    }
}
