//! Public keys: a line of a `.pub` file, and the octets in it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::wire::Reader;
use crate::sms::untrusted::escape;

/// Longest text of a `.pub` file.
const MOST: usize = 16 * 1024;

/// Fewest and most bits of an RSA key.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// The kinds that are taken, as errors list them.
const KINDS: &str = "ssh-ed25519, sk-ssh-ed25519@openssh.com, ecdsa-sha2-nistp256, \
    sk-ecdsa-sha2-nistp256@openssh.com, ssh-rsa";

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// As SSH writes it.
    octets: Vec<u8>,
    pub(super) numbers: Numbers,
}

/// What a signature is checked with.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Numbers {
    Ed25519(Vec<u8>),
    /// A point of the curve P-256, not compressed.
    P256(Vec<u8>),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// The same on a security token, for an application such as `ssh:`.
    TokenEd25519 {
        point: Vec<u8>,
        application: Vec<u8>,
    },
    TokenP256 {
        point: Vec<u8>,
        application: Vec<u8>,
    },
}

impl PublicKey {
    /// Reads the text of a `.pub` file: one line with the kind, the key and perhaps a comment.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > MOST {
            return Err(format!("it is longer than {MOST} octets; a public key is one line"));
        }
        if text.contains("PRIVATE KEY-----") {
            return Err("it is a private key; name the file beside it that ends in .pub".to_owned());
        }
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let line = lines.next().ok_or("it is empty; a public key is one line")?;
        if lines.next().is_some() {
            return Err(
                "it has several lines; a public key is one line, and each approver has one".to_owned()
            );
        }
        let mut words = line.split_whitespace();
        let (kind, key) = (words.next().unwrap_or_default(), words.next());
        if kind.contains("-cert-v01@") {
            return Err(format!("it is a certificate ({}); give the key itself", escape(kind)));
        }
        if name(kind).is_none() {
            let is_option =
                words.any(|word| name(word).is_some()) || key.is_some_and(|word| name(word).is_some());
            return Err(if is_option {
                format!("it has options before the key (\"{}\"); give the key alone", escape(kind))
            } else {
                format!("it begins with \"{}\", and no such key is taken; there are {KINDS}", escape(kind))
            });
        }
        let key = key.ok_or_else(|| format!("nothing stands after {kind}; the line was cut"))?;
        let octets = STANDARD
            .decode(key)
            .map_err(|_| format!("what stands after {kind} is no Base64; the line was cut or changed"))?;
        let read = Self::of(&octets)?;
        if read.kind() != kind {
            return Err(format!("it says {kind}, and the key in it is {}", read.kind()));
        }
        Ok(read)
    }

    /// Reads the octets of a key.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn of(octets: &[u8]) -> Result<Self, String> {
        let mut reader = Reader::new(octets);
        let kind = reader.string().and_then(|kind| std::str::from_utf8(kind).ok()).and_then(name);
        let kind =
            kind.ok_or_else(|| format!("the key in it is of no kind that is taken; there are {KINDS}"))?;
        let numbers = numbers(kind, &mut reader)?;
        if !reader.is_at_end() {
            return Err(format!("the {kind} key in it has octets behind its end"));
        }
        Ok(Self { octets: octets.to_owned(), numbers })
    }

    /// The kind, as a `.pub` file begins with it.
    pub const fn kind(&self) -> &'static str {
        match self.numbers {
            Numbers::Ed25519(_) => "ssh-ed25519",
            Numbers::P256(_) => "ecdsa-sha2-nistp256",
            Numbers::Rsa { .. } => "ssh-rsa",
            Numbers::TokenEd25519 { .. } => "sk-ssh-ed25519@openssh.com",
            Numbers::TokenP256 { .. } => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    /// The line of a `.pub` file, without a comment.
    pub fn line(&self) -> String {
        format!("{} {}", self.kind(), STANDARD.encode(&self.octets))
    }

    /// The digest by which people know a key, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.octets)))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.fingerprint())
    }
}

/// The kind of this name, where it is taken.
fn name(kind: &str) -> Option<&'static str> {
    [
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ssh-rsa",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ]
    .into_iter()
    .find(|known| *known == kind)
}

fn numbers(kind: &'static str, reader: &mut Reader<'_>) -> Result<Numbers, String> {
    let cut = || format!("the {kind} key in it is cut short, or not of its form");
    match kind {
        "ssh-ed25519" => ed25519(reader).map(Numbers::Ed25519).ok_or_else(cut),
        "ecdsa-sha2-nistp256" => p256(reader).map(Numbers::P256).ok_or_else(cut),
        "ssh-rsa" => {
            let exponent = reader.natural().ok_or_else(cut)?.to_vec();
            let modulus = reader.natural().ok_or_else(cut)?.to_vec();
            let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
            if !RSA_BITS.contains(&bits) {
                return Err(format!(
                    "the ssh-rsa key in it has {bits} bits; it must have {} to {}",
                    RSA_BITS.start(),
                    RSA_BITS.end()
                ));
            }
            Ok(Numbers::Rsa { modulus, exponent })
        }
        token => {
            let is_ed25519 = token == "sk-ssh-ed25519@openssh.com";
            let point = if is_ed25519 { ed25519(reader) } else { p256(reader) }.ok_or_else(cut)?;
            let application = reader.string().ok_or_else(cut)?.to_vec();
            if !application.starts_with(b"ssh:") {
                return Err(format!("the {token} key in it is of another application than ssh:"));
            }
            Ok(if is_ed25519 {
                Numbers::TokenEd25519 { point, application }
            } else {
                Numbers::TokenP256 { point, application }
            })
        }
    }
}

fn ed25519(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    reader.string().filter(|point| point.len() == 32).map(<[u8]>::to_vec)
}

fn p256(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    reader.string().filter(|curve| *curve == b"nistp256")?;
    reader.string().filter(|point| point.len() == 65 && point.first() == Some(&4)).map(<[u8]>::to_vec)
}
