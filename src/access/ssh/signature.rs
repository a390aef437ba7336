//! Signatures over a text, as `ssh-keygen -Y sign` writes them, and whether one is right.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use sha2::{Digest as _, Sha256, Sha512};

use super::key::{Numbers, PublicKey};
use super::wire::{Reader, put_string};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";

/// What the octets of a signature begin with, and what is signed too.
const MAGIC: &[u8; 6] = b"SSHSIG";

/// Longest text of a signature: one by RSA with 8192 bits is a third of it.
const MOST: usize = 8 * 1024;

/// What a security token says of a signature: somebody touched it.
const USER_PRESENT: u8 = 0x01;

/// A signature that has the right form, by whomever and over whatever it is.
pub struct Signature {
    key: PublicKey,
    namespace: Vec<u8>,
    hash: Hash,
    /// What the key's algorithm made.
    made: Made,
}

/// How the text was made short before it was signed.
#[derive(Clone, Copy)]
enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Sha256 => b"sha256",
            Self::Sha512 => b"sha512",
        }
    }

    fn of(self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(text).to_vec(),
            Self::Sha512 => Sha512::digest(text).to_vec(),
        }
    }
}

enum Made {
    Ed25519(Vec<u8>),
    P256([u8; 64]),
    Rsa { with: Hash, octets: Vec<u8> },
    TokenEd25519 { octets: Vec<u8>, seal: Seal },
    TokenP256 { octets: [u8; 64], seal: Seal },
}

/// What a security token signs besides.
struct Seal {
    flags: u8,
    counter: u32,
}

impl Signature {
    /// Whether this looks like a signature, so that it is none of the other proofs.
    pub fn is_begun_by(text: &str) -> bool {
        text.trim_start().starts_with(BEGIN)
    }

    /// Whether this line ends a signature.
    pub fn is_ended_by(line: &str) -> bool {
        line.trim() == END
    }

    /// Reads what `ssh-keygen -Y sign` wrote.
    ///
    /// # Errors
    /// Why it is no such signature.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > MOST {
            return Err(format!("it is longer than {MOST} octets, and no signature is"));
        }
        let inner = text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let inner = inner.ok_or_else(|| format!("it does not begin with {BEGIN} and end with {END}"))?;
        let base64: String = inner.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let octets = STANDARD.decode(base64).map_err(|_| "what stands in it is no Base64".to_owned())?;
        Self::of(&octets)
    }

    fn of(octets: &[u8]) -> Result<Self, String> {
        let cut = || "it is cut short, or not of the form of a signature".to_owned();
        let mut reader = Reader::new(octets);
        if reader.take(MAGIC.len()) != Some(MAGIC) {
            return Err("it is no SSH signature".to_owned());
        }
        let version = reader.number().ok_or_else(cut)?;
        if version != 1 {
            return Err(format!("it is of version {version} of SSH signatures; 1 is understood"));
        }
        let key = PublicKey::of(reader.string().ok_or_else(cut)?)?;
        let namespace = reader.string().ok_or_else(cut)?.to_vec();
        if !reader.string().ok_or_else(cut)?.is_empty() {
            return Err("it has something in a field that has no meaning yet".to_owned());
        }
        let hash = match reader.string().ok_or_else(cut)? {
            b"sha256" => Hash::Sha256,
            b"sha512" => Hash::Sha512,
            _ => return Err("it was made with another digest than sha256 and sha512".to_owned()),
        };
        let made = made(&key, reader.string().ok_or_else(cut)?)?;
        if !reader.is_at_end() {
            return Err("it has octets behind its end".to_owned());
        }
        Ok(Self { key, namespace, hash, made })
    }

    /// By which key it says that it is.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Says whether this key signed this text for this purpose.
    ///
    /// # Errors
    /// Why that is not so.
    pub fn verify(&self, by: &PublicKey, namespace: &str, text: &[u8]) -> Result<(), String> {
        if self.key != *by {
            return Err("it was made with another key".to_owned());
        }
        if self.namespace != namespace.as_bytes() {
            return Err(format!("it was made for another purpose; sign with -n {namespace}"));
        }
        let mut signed = MAGIC.to_vec();
        put_string(&mut signed, &self.namespace);
        put_string(&mut signed, b"");
        put_string(&mut signed, self.hash.name());
        put_string(&mut signed, &self.hash.of(text));
        let wrong = |_| "it does not belong to this text".to_owned();
        match (&self.made, &by.numbers) {
            (Made::Ed25519(octets), Numbers::Ed25519(point)) => {
                UnparsedPublicKey::new(&ED25519, point).verify(&signed, octets).map_err(wrong)
            }
            (Made::P256(octets), Numbers::P256(point)) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(&signed, octets).map_err(wrong)
            }
            (Made::Rsa { with, octets }, Numbers::Rsa { modulus, exponent }) => {
                let algorithm = match with {
                    Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
                    Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
                };
                RsaPublicKeyComponents { n: modulus, e: exponent }
                    .verify(algorithm, &signed, octets)
                    .map_err(wrong)
            }
            (Made::TokenEd25519 { octets, seal }, Numbers::TokenEd25519 { point, application }) => {
                let sealed = seal.over(application, &signed)?;
                UnparsedPublicKey::new(&ED25519, point).verify(&sealed, octets).map_err(wrong)
            }
            (Made::TokenP256 { octets, seal }, Numbers::TokenP256 { point, application }) => {
                let sealed = seal.over(application, &signed)?;
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(&sealed, octets).map_err(wrong)
            }
            _ => Err("it was made in another way than its key makes signatures".to_owned()),
        }
    }
}

impl Seal {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { flags: reader.octet()?, counter: reader.number()? })
    }

    /// What a token signed: a digest of the application, what it says of itself, a digest of the rest.
    ///
    /// # Errors
    /// Where nobody touched it: then whoever has the machine has the key.
    fn over(&self, application: &[u8], signed: &[u8]) -> Result<Vec<u8>, String> {
        if self.flags & USER_PRESENT == 0 {
            return Err("nobody touched the security token; use a key that asks for a touch".to_owned());
        }
        let mut sealed = Sha256::digest(application).to_vec();
        sealed.push(self.flags);
        sealed.extend_from_slice(&self.counter.to_be_bytes());
        sealed.extend_from_slice(&Sha256::digest(signed));
        Ok(sealed)
    }
}

/// Reads what the algorithm of this key made.
fn made(key: &PublicKey, octets: &[u8]) -> Result<Made, String> {
    let cut = || format!("the signature in it is not of the form of {}", key.kind());
    let mut reader = Reader::new(octets);
    let algorithm = reader.string().ok_or_else(cut)?;
    let inner = reader.string().ok_or_else(cut)?;
    let is_rsa = matches!(key.numbers, Numbers::Rsa { .. });
    if !is_rsa && algorithm != key.kind().as_bytes() {
        return Err(cut());
    }
    let made = match &key.numbers {
        Numbers::Ed25519(_) => Made::Ed25519(inner.to_vec()),
        Numbers::P256(_) => Made::P256(p256(inner).ok_or_else(cut)?),
        Numbers::Rsa { .. } => {
            let with = match algorithm {
                b"rsa-sha2-256" => Hash::Sha256,
                b"rsa-sha2-512" => Hash::Sha512,
                _ => return Err("it is by RSA with another digest than SHA-256 and SHA-512".to_owned()),
            };
            Made::Rsa { with, octets: inner.to_vec() }
        }
        Numbers::TokenEd25519 { .. } => {
            Made::TokenEd25519 { octets: inner.to_vec(), seal: Seal::read(&mut reader).ok_or_else(cut)? }
        }
        Numbers::TokenP256 { .. } => Made::TokenP256 {
            octets: p256(inner).ok_or_else(cut)?,
            seal: Seal::read(&mut reader).ok_or_else(cut)?,
        },
    };
    if reader.is_at_end() { Ok(made) } else { Err(cut()) }
}

/// The two numbers of a signature by P-256, each in 32 octets.
fn p256(octets: &[u8]) -> Option<[u8; 64]> {
    let mut reader = Reader::new(octets);
    let (r, s) = (reader.natural()?, reader.natural()?);
    let mut fixed = [0; 64];
    fixed.get_mut(32_usize.checked_sub(r.len())?..32)?.copy_from_slice(r);
    fixed.get_mut(64_usize.checked_sub(s.len()).filter(|at| *at >= 32)?..64)?.copy_from_slice(s);
    reader.is_at_end().then_some(fixed)
}
