//! The public key of a certificate (X.509, RFC 5280): all that is needed of one whose owner is known by where
//! it was fetched.
//!
//! It is read strictly: DER as X.690 has it, in the one form that each value has, and nothing before, between
//! or after. Whatever is written in another way has no key here. Who issued it and until when is not looked
//! at.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Tags of DER.
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const VERSION: u8 = 0xa0;

/// The algorithm of a key as a certificate names it: `rsaEncryption` (RFC 8017, appendix A.1), with NULL as
/// its parameters.
const RSA: [u8; 13] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// What is left to read of the values of one level.
struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    /// The next value: its tag and what is in it.
    fn read(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk::<2>()?;
        // Tags of more octets stand in no certificate.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => {
                let (&length, rest) = rest.split_first()?;
                (usize::from(length), rest)
            }
            0x82 => {
                let (&[high, low], rest) = rest.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes([high, low])), rest)
            }
            // A length that is not known before, or of 64 KiB and more.
            _ => return None,
        };
        let is_shortest = match first {
            0x81 => length > 0x7f,
            0x82 => length > 0xff,
            _ => true,
        };
        if !is_shortest || length > rest.len() {
            return None;
        }
        let (value, rest) = rest.split_at(length);
        self.0 = rest;
        Some((tag, value))
    }

    /// What is in the next value, where it has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.read().filter(|(found, _)| *found == tag).map(|(_, value)| value)
    }

    /// What is in the one value that all of this is.
    fn alone(octets: &'a [u8], tag: u8) -> Option<Self> {
        let mut values = Self(octets);
        let value = values.take(tag)?;
        values.0.is_empty().then_some(Self(value))
    }
}

/// The RSA key (PKCS #1, in DER) of the first certificate of this text (PEM). Nothing where it has none, or
/// one of another kind.
pub fn rsa_key(pem: &[u8]) -> Option<Vec<u8>> {
    let certificate = CertificateDer::from_pem_slice(pem).ok()?;
    rsa_key_of(&certificate)
}

fn rsa_key_of(certificate: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Values::alone(certificate, SEQUENCE)?;
    let mut signed = Values(whole.take(SEQUENCE)?);
    whole.take(SEQUENCE)?;
    whole.take(BITS)?;
    if !whole.0.is_empty() {
        return None;
    }
    if signed.0.first() == Some(&VERSION) {
        signed.take(VERSION)?;
    }
    signed.take(INTEGER)?;
    // The algorithm of the signature, the issuer, the time, the subject.
    for _ in 0..4 {
        signed.take(SEQUENCE)?;
    }
    let mut key = Values(signed.take(SEQUENCE)?);
    let algorithm = key.take(SEQUENCE)?;
    let bits = key.take(BITS)?;
    let key_is_all = key.0.is_empty();
    let (unused, key) = bits.split_first()?;
    let mut parts = Values::alone(key, SEQUENCE)?;
    parts.take(INTEGER)?;
    parts.take(INTEGER)?;
    let is_whole = key_is_all && parts.0.is_empty() && *unused == 0 && algorithm == RSA;
    is_whole.then(|| key.to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::provider::signature::{Hash, has_signed_rsa};

    /// A certificate of the key of RFC 9500, section 2.1, which is published for tests; made with OpenSSL.
    const CERTIFICATE: &[u8] = include_bytes!("../../tests/vectors/rfc9500.pem");

    /// What OpenSSL signed with it: the text "sms-mcp", with SHA-1 and with SHA-256.
    const BY_SHA1: &str = "CpNKOzu4tyR4tBawhrktqdW4hFVQ3tgyRHq2iGwHQ8lVjMtkCm2PtO6YkMH3SV4Bzj5cKyrNflGeTsARcNTxSTqoT5yyrLuzffM07tzhjO60ODjoDML1VRsHDpe4zBPHTn5ZqbL2RZf1+vh4tVhm9tcvoSAZ9ODWb3NiHCr4r7/IXwsZWMycEI7WKGpDxTPTp3LbEYFYV97JrdxXa+4n4hDFs1eMRQ7AEuSkOgyjB2w0MEqFMustFlWFPUE2nYell+wOsYytNrJLAAD1OOSnx6Q3T1ZMm2hmSwJPqoc0V7doWF+SItzXtTA+pyqD1spbzl6T6q1tBWu3z8hx+mxZZA==";
    const BY_SHA256: &str = "jFA0t2GW6ZSNP7JkvJtxZehFB2R+X1Udv/aehqyRyqbf6hMpxtm86PpU9iOKekXes2pfRVyUERDUPhaG/A2VuKqnj78n3RYy66EtGqosVDyJu7L7cY+dVgh4NbDCz/RePSRaN3aDcN2x6rW5ld4KFZdWkXyimgGXOCc+d15TWP2scmpGkghBfyrbpQXyP3oeYOgO19VKz+9/y53OChQuSgbgW8OfKWJmso3AsgxVhYDhWtldhgNosCmx1dWcVIFM8gPWW13LhJCJFGva6p1O69jm3AD3P0Kf4Drt4UaS30/Bm22Y1iEAuIK/TWAFJZ+5pBh4hf37jg7/OUcb4cuZ4A==";

    #[test]
    fn the_key_of_a_certificate_says_who_signed() {
        let key = rsa_key(CERTIFICATE).unwrap();
        for (hash, other, shown) in
            [(Hash::Sha1, Hash::Sha256, BY_SHA1), (Hash::Sha256, Hash::Sha1, BY_SHA256)]
        {
            assert!(has_signed_rsa(hash, &key, shown, b"sms-mcp"), "{hash:?}");
            assert!(!has_signed_rsa(hash, &key, shown, b"sms-mcq"), "{hash:?}");
            assert!(!has_signed_rsa(other, &key, shown, b"sms-mcp"), "{hash:?}");
            for wrong in ["", "x", "AAAA", &shown[4..], &format!("{shown}AAAA")] {
                assert!(!has_signed_rsa(hash, &key, wrong, b"sms-mcp"), "{hash:?} {wrong}");
            }
            assert!(!has_signed_rsa(hash, &key[1..], shown, b"sms-mcp"), "{hash:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_with_an_rsa_key_has_none() {
        let der = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
        let right = rsa_key_of(&der).unwrap();
        for end in 0..der.len() {
            assert_eq!(rsa_key_of(&der[..end]), None, "{end}");
        }
        assert_eq!(rsa_key_of(&[&der[..], &[0]].concat()), None);
        // A bit of its frame changed, it is none; of what is in it, another one, or the same key.
        for at in 0..der.len() {
            let mut other = der.to_vec();
            other[at] ^= 0x20;
            if let Some(key) = rsa_key_of(&other) {
                assert_eq!(key.len(), right.len(), "{at}");
            }
        }
        let elliptic = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        assert_eq!(rsa_key(elliptic.cert.pem().as_bytes()), None);
        for wrong in ["", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "<html>"] {
            assert_eq!(rsa_key(wrong.as_bytes()), None, "{wrong}");
        }
        // Lengths that are longer than they need be, or not known before.
        for wrong in [&[0x30, 0x81, 0x01, 0x00][..], &[0x30, 0x82, 0x00, 0x01, 0x00], &[0x30, 0x80, 0, 0]] {
            assert!(Values(wrong).read().is_none(), "{wrong:?}");
        }
    }
}
