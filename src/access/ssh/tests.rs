//! Signatures that `ssh-keygen` made, those of security tokens that are made here, and everything that must not pass.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use sha2::{Digest as _, Sha256, Sha512};

use super::wire::put_string;
use super::{PublicKey, Signature};

/// As `ssh-keygen -l` shows the first key.
const FINGERPRINT: &str = "SHA256:MxohDHibxlzvRcuiFeAvwTDCGgwESHWbwINVG00DpY0";

const NAMESPACE: &str = "sms-mcp@approval";

/// What was signed, by OpenSSH 9.2.
const TEXT: &[u8] = b"Let it go on.\n";

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDglbCcPf0okbmsLCFKZZFnK30yrUVDWmciJP/E5DIZT";

const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBN5d50G2+6H1oyV+Tv6meTIVWBNpPxM/eyGfgoV7Emb7Aomjoy6W3wMNpvqFbjhmoU74upvIx8iiglIx6k+sNes=";

const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDWOf+U2irmfCobNXKrLm26lkVz/27h1RFPQfPyEpvA1AzVtxTCKpqLIp4Eh3BXlq2d2OC1m2VevLT3QWm2NyLx+jIzToP7C5t0YpMrrLGxvRhEv1S+9aYT2RxiGR276Lv4AtkQb2fQfvvGr1L7XyoXkeAviEvN6RwMt/thne/2N7S03DDTFUJGOLFMqe1D7RwFJmFLXpOcUc0bpjS0F4BknCU22Rb29U+7scTYurwJSCI/7/+U0r40x3WJrSp3E7D5k3krvNUKerlcXDCYNZA6BsoOmTh4ZCjdcMIh9BAEoaloPYGSO3uqJ2RizpEdni1l90OLnfxY8H77YQj5VaJ3";

/// What is not taken: 1024 bits, and another curve.
const RSA_1024: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCzQIB7bGeogiZW9KCmdnOg9oLtn71mqbwCNqY0qar8beW4MN/rimCgrqd5xjfzsOFL1AvkQ19C95bu/aI2Vwe8c2T9tlAsER0ChrLZ/pOuahd5FdUXde88Umh8mmzNPLoWOV87rHwmYqUvmPcdIudZuh1KmqYYipLXBPd3+gY3NQ==";

const P384: &str = "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBKuaXG35E7pIW8f0lI0W8S0j6EUKpAtWuXgkHQyiok6KxT8zBDo38p7xlAUpvgWYvmM54DVYuz1ryLtDTGHoKMJqR1cB7PL4foN8C0Zf1qoJLQCtwbVJpjShamfE6dh7Lw==";

const BY_ED25519: &str = "-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgOCVsJw9/SiRuawsIUplkWcrfTK
tRUNaZyIk/8TkMhlMAAAAQc21zLW1jcEBhcHByb3ZhbAAAAAAAAAAGc2hhNTEyAAAAUwAA
AAtzc2gtZWQyNTUxOQAAAEA7jQgjXD+62qU9BdiaHc2ANJFyLO11s1pZuAYoIz3b2QgLnn
MrPYPodrukHuh5er8fgxzsHM40fKTHsTnhybYL
-----END SSH SIGNATURE-----
";

const BY_ECDSA: &str = "-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAAGgAAAATZWNkc2Etc2hhMi1uaXN0cDI1NgAAAAhuaXN0cDI1NgAAAE
EE3l3nQbb7ofWjJX5O/qZ5MhVYE2k/Ez97IZ+ChXsSZvsCiaOjLpbfAw2m+oVuOGahTvi6
m8jHyKKCUjHqT6w16wAAABBzbXMtbWNwQGFwcHJvdmFsAAAAAAAAAAZzaGE1MTIAAABkAA
AAE2VjZHNhLXNoYTItbmlzdHAyNTYAAABJAAAAIQCmrm4NwAu9ss2KEtLM0ZS9vMBsqJiu
JdDuhB4zVuVOVwAAACBIpwd+plhxbejI5Cd4cgVL8RhJwBgsy9BTVWiVMb5DPA==
-----END SSH SIGNATURE-----
";

const BY_RSA_512: &str = "-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAARcAAAAHc3NoLXJzYQAAAAMBAAEAAAEBANY5/5TaKuZ8Khs1cqsubb
qWRXP/buHVEU9B8/ISm8DUDNW3FMIqmosingSHcFeWrZ3Y4LWbZV68tPdBabY3IvH6MjNO
g/sLm3RikyussbG9GES/VL71phPZHGIZHbvou/gC2RBvZ9B++8avUvtfKheR4C+IS83pHA
y3+2Gd7/Y3tLTcMNMVQkY4sUyp7UPtHAUmYUtek5xRzRumNLQXgGScJTbZFvb1T7uxxNi6
vAlIIj/v/5TSvjTHdYmtKncTsPmTeSu81Qp6uVxcMJg1kDoGyg6ZOHhkKN1wwiH0EAShqW
g9gZI7e6onZGLOkR2eLWX3Q4ud/FjwfvthCPlVoncAAAAQc21zLW1jcEBhcHByb3ZhbAAA
AAAAAAAGc2hhNTEyAAABFAAAAAxyc2Etc2hhMi01MTIAAAEAuthc0RgpOwVCREJeR1DaqO
8DIno+7DP15vqP3/kR8Ch9ynE+87HLkSm79NBwCbMZwt9vCw1Wlq3SC6sNs2zcsMfpBNKT
0nUSXM0RpknXbSCcxfD2pLSs8zp45D67YJP/kF1F8fjBhoRb+LvgW3fBPHFgc18GEctI46
P3Z7agK+66GmCYauTqezsB05KkENOSMLtm+iZYfV0AbXji2TgfV7j+qMJKFaLGUwJz7u+x
3KHKwAWyJ5rvesPNzweOqKSfYTvLvnRclGONDTaDCQ7dEOXqF+HUegRRcTpClWVfS/ienW
+aySX9u1J240zqoYBRAZREH0gQqnlKEmQHDgYWhw==
-----END SSH SIGNATURE-----
";

const BY_RSA_256: &str = "-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAARcAAAAHc3NoLXJzYQAAAAMBAAEAAAEBANY5/5TaKuZ8Khs1cqsubb
qWRXP/buHVEU9B8/ISm8DUDNW3FMIqmosingSHcFeWrZ3Y4LWbZV68tPdBabY3IvH6MjNO
g/sLm3RikyussbG9GES/VL71phPZHGIZHbvou/gC2RBvZ9B++8avUvtfKheR4C+IS83pHA
y3+2Gd7/Y3tLTcMNMVQkY4sUyp7UPtHAUmYUtek5xRzRumNLQXgGScJTbZFvb1T7uxxNi6
vAlIIj/v/5TSvjTHdYmtKncTsPmTeSu81Qp6uVxcMJg1kDoGyg6ZOHhkKN1wwiH0EAShqW
g9gZI7e6onZGLOkR2eLWX3Q4ud/FjwfvthCPlVoncAAAAQc21zLW1jcEBhcHByb3ZhbAAA
AAAAAAAGc2hhMjU2AAABFAAAAAxyc2Etc2hhMi01MTIAAAEABbAA2vXeW3Lf2P99f1AArO
kU9SM7Yu/1H2zhAu6mgul6i26IzMKyhUzhJcvyQBfAWcFFQ2rTVJ9KgaSX3hQQru8IVLCg
g8KI72qWmaLXIwWZ6tQpPJPCCFi0kxxumd0C3BZs82EyMhzzUuj1YqTLMI1SO5Nh1RWhN9
DHnU4ieXmz1KeBUKS/0+xBEBr5bBz61EiU9/fovg/E5aD6M+dMdwlUkZaRQunmF9IU2krx
t5kpmZdZAp6rbotencdL3Zdj6Kk+l6dK+34Bv2CoNiknWLqlITQIuQMp/F/rOOfN62wLw4
FuDsYXXLAk3aIfRZ49ZKZoB3wASqIFUEbpTcMl8A==
-----END SSH SIGNATURE-----
";

/// By the first key, with `-n file`.
const FOR_A_FILE: &str = "-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgOCVsJw9/SiRuawsIUplkWcrfTK
tRUNaZyIk/8TkMhlMAAAAEZmlsZQAAAAAAAAAGc2hhNTEyAAAAUwAAAAtzc2gtZWQyNTUx
OQAAAEAPB7hw/DUyP5U5jt/8bRSoVZUlgjB7tE3D5XD4DGzAFDtVrkA6zEaGljNV8oN/5O
nYVEjc88JDY0ICvZSzCWYK
-----END SSH SIGNATURE-----
";

fn key(line: &str) -> PublicKey {
    PublicKey::read(line).unwrap()
}

fn verified(signature: &str, by: &PublicKey, text: &[u8]) -> Result<(), String> {
    Signature::read(signature)?.verify(by, NAMESPACE, text)
}

#[test]
fn what_ssh_keygen_signed_is_right_and_for_no_other_text_key_or_purpose() {
    let of = [(ED25519, BY_ED25519), (ECDSA, BY_ECDSA), (RSA, BY_RSA_512), (RSA, BY_RSA_256)];
    for (line, signature) in of {
        let own = key(line);
        assert_eq!(verified(signature, &own, TEXT), Ok(()), "{line}");
        assert_eq!(Signature::read(signature).unwrap().key(), &own);
        let other_text = verified(signature, &own, b"Let it go on.").unwrap_err();
        assert_eq!(other_text, "it does not belong to this text", "{line}");
        let other_key = key(if line == ED25519 { ECDSA } else { ED25519 });
        assert_eq!(verified(signature, &other_key, TEXT).unwrap_err(), "it was made with another key");
    }
    let other = verified(FOR_A_FILE, &key(ED25519), TEXT).unwrap_err();
    assert_eq!(other, "it was made for another purpose; sign with -n sms-mcp@approval");
}

#[test]
fn a_public_key_reads_back_and_has_the_fingerprint_that_ssh_keygen_shows() {
    let read = key(&format!("  {ED25519} somebody@somewhere \r\n\n"));
    assert_eq!(read.line(), ED25519.trim());
    assert_eq!(read.fingerprint(), FINGERPRINT);
    assert_eq!(key(&read.line()), read);
    assert_eq!(format!("{read:?}"), format!("ssh-ed25519 {FINGERPRINT}"));
}

#[test]
fn what_is_no_public_key_that_is_taken_is_refused_with_the_reason() {
    let cut = ED25519[..41].to_owned();
    for (text, why) in [
        ("", "it is empty"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", "the file beside it that ends in .pub"),
        (&format!("no-touch-required {ED25519}"), "it has options before the key (\"no-touch-required\")"),
        (&format!("from=\"10.0.0.1\" {ED25519}"), "it has options before the key"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "it is a certificate"),
        ("ssh-dss AAAA", "it begins with \"ssh-dss\", and no such key is taken"),
        (P384, "no such key is taken"),
        (RSA_1024, "has 1024 bits; it must have 2048 to 8192"),
        (&cut, "no Base64"),
        ("ssh-ed25519", "nothing stands after ssh-ed25519"),
        (&ED25519[..40], "cut short"),
        (&format!("{ED25519}\n{ECDSA}"), "it has several lines"),
        (&ED25519.replace("ssh-ed25519", "ssh-rsa"), "it says ssh-rsa, and the key in it is ssh-ed25519"),
        (&format!("ssh-ed25519 {}", STANDARD.encode([0; 51])), "of no kind that is taken"),
        (&"A".repeat(17_000), "longer than"),
        ("\u{1b}[2J AAAA", "it begins with \"\\u{1b}[2J\""),
    ] {
        let refused = PublicKey::read(text).unwrap_err();
        assert!(refused.contains(why), "{text:?}: {refused}");
    }
    let mut long = key(ED25519).line();
    long =
        format!("ssh-ed25519 {}", STANDARD.encode([STANDARD.decode(&long[12..]).unwrap(), vec![0]].concat()));
    assert!(PublicKey::read(&long).unwrap_err().contains("octets behind its end"));
}

/// The octets between the lines of a signature.
fn octets(signature: &str) -> Vec<u8> {
    let inner: String = signature.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(inner).unwrap()
}

fn armored(octets: &[u8]) -> String {
    format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", STANDARD.encode(octets))
}

#[test]
fn no_octet_of_a_signature_can_be_changed_left_out_or_added() {
    for (line, signature) in [(ED25519, BY_ED25519), (ECDSA, BY_ECDSA), (RSA, BY_RSA_256)] {
        let (own, whole) = (key(line), octets(signature));
        assert_eq!(verified(&armored(&whole), &own, TEXT), Ok(()));
        for at in 0..whole.len() {
            for change in [0x01, 0x80] {
                let mut changed = whole.clone();
                changed[at] ^= change;
                assert!(verified(&armored(&changed), &own, TEXT).is_err(), "{line}: octet {at}");
            }
            assert!(verified(&armored(&whole[..at]), &own, TEXT).is_err(), "{line}: cut at {at}");
        }
        assert!(verified(&armored(&[whole, vec![0]].concat()), &own, TEXT).is_err());
    }
}

#[test]
fn the_lines_around_a_signature_may_end_in_either_way_and_nothing_may_be_beside_them() {
    let own = key(ED25519);
    assert_eq!(verified(&format!("\r\n {}", BY_ED25519.replace('\n', "\r\n")), &own, TEXT), Ok(()));
    for text in ["", "-----BEGIN SSH SIGNATURE-----", &BY_ED25519[5..], &format!("Yes!\n{BY_ED25519}")] {
        assert!(verified(text, &own, TEXT).unwrap_err().contains("does not begin with"), "{text}");
    }
    assert!(Signature::is_begun_by(BY_ED25519) && !Signature::is_begun_by("123456"));
    assert!(BY_ED25519.lines().filter(|line| Signature::is_ended_by(line)).count() == 1);
}

/// What a test makes a signature of by itself.
struct Maker {
    version: u32,
    reserved: &'static [u8],
    hash: &'static [u8],
    /// What a token says of itself.
    flags: u8,
    application: &'static [u8],
    /// What is behind the algorithm's own octets.
    behind: &'static [u8],
}

const PLAIN: Maker =
    Maker { version: 1, reserved: b"", hash: b"sha512", flags: 1, application: b"ssh:", behind: b"" };

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    parts.iter().for_each(|part| put_string(&mut all, part));
    all
}

impl Maker {
    /// What is signed of this text.
    fn signed(&self, text: &[u8]) -> Vec<u8> {
        let digest = if self.hash == b"sha256" {
            Sha256::digest(text).to_vec()
        } else {
            Sha512::digest(text).to_vec()
        };
        [b"SSHSIG".to_vec(), strings(&[NAMESPACE.as_bytes(), self.reserved, self.hash, &digest])].concat()
    }

    /// What a token signs of it.
    fn sealed(&self, text: &[u8]) -> Vec<u8> {
        let mut sealed = Sha256::digest(self.application).to_vec();
        sealed.push(self.flags);
        sealed.extend_from_slice(&7_u32.to_be_bytes());
        sealed.extend_from_slice(&Sha256::digest(self.signed(text)));
        sealed
    }

    fn armored(&self, key: &[u8], algorithm: &[u8], made: &[u8]) -> String {
        let is_token = algorithm.starts_with(b"sk-");
        let mut signature = strings(&[algorithm, made]);
        if is_token {
            signature.push(self.flags);
            signature.extend_from_slice(&7_u32.to_be_bytes());
        }
        signature.extend_from_slice(self.behind);
        let mut all = b"SSHSIG".to_vec();
        all.extend_from_slice(&self.version.to_be_bytes());
        all.extend(strings(&[key, NAMESPACE.as_bytes(), self.reserved, self.hash, &signature]));
        armored(&all)
    }

    /// A key on a token with Ed25519, and its signature over the text.
    fn token_ed25519(&self, text: &[u8]) -> (String, String) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
        let name: &[u8] = b"sk-ssh-ed25519@openssh.com";
        let key = strings(&[name, pair.public_key().as_ref(), self.application]);
        let signature = self.armored(&key, name, pair.sign(&self.sealed(text)).as_ref());
        (format!("sk-ssh-ed25519@openssh.com {} token", STANDARD.encode(&key)), signature)
    }

    /// The same with P-256.
    fn token_p256(&self, text: &[u8]) -> (String, String) {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let name: &[u8] = b"sk-ecdsa-sha2-nistp256@openssh.com";
        let key = strings(&[name, b"nistp256", pair.public_key().as_ref(), self.application]);
        let fixed = pair.sign(&random, &self.sealed(text)).unwrap();
        let (r, s) = fixed.as_ref().split_at(32);
        let made = strings(&[&natural(r), &natural(s)]);
        let signature = self.armored(&key, name, &made);
        (format!("sk-ecdsa-sha2-nistp256@openssh.com {}", STANDARD.encode(&key)), signature)
    }
}

/// A number as SSH writes it: no zeros before it but one where it would be negative.
fn natural(octets: &[u8]) -> Vec<u8> {
    let begins = octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len());
    let shortest = &octets[begins..];
    let sign: &[u8] = if shortest.first().is_some_and(|first| first & 0x80 != 0) { &[0] } else { &[] };
    [sign, shortest].concat()
}

#[test]
fn a_security_token_signs_with_a_touch_and_not_without_one() {
    // Numbers with zeros before them come now and then.
    for _ in 0..64 {
        let (line, signature) = PLAIN.token_p256(TEXT);
        assert_eq!(verified(&signature, &key(&line), TEXT), Ok(()), "{line}\n{signature}");
    }
    type Way = fn(&Maker, &[u8]) -> (String, String);
    let ways: [Way; 2] = [Maker::token_ed25519, Maker::token_p256];
    for way in ways {
        // 4: the person was recognised too.
        for flags in [1, 5] {
            let (line, signature) = way(&Maker { flags, ..PLAIN }, TEXT);
            assert_eq!(verified(&signature, &key(&line), TEXT), Ok(()));
            assert!(verified(&signature, &key(&line), b"another").unwrap_err().contains("this text"));
        }
        for flags in [0, 4] {
            let (line, signature) = way(&Maker { flags, ..PLAIN }, TEXT);
            let refused = verified(&signature, &key(&line), TEXT).unwrap_err();
            assert!(refused.contains("nobody touched the security token"), "{refused}");
        }
        let (line, _) = way(&Maker { application: b"webauthn", ..PLAIN }, TEXT);
        assert!(PublicKey::read(&line).unwrap_err().contains("another application than ssh:"));
        let (line, signature) = way(&Maker { behind: b"\0", ..PLAIN }, TEXT);
        assert!(verified(&signature, &key(&line), TEXT).unwrap_err().contains("not of the form"));
    }
}

#[test]
fn what_a_signature_may_not_say_is_refused_although_it_was_signed() {
    for (maker, why) in [
        (Maker { version: 2, ..PLAIN }, "version 2"),
        (Maker { reserved: b"x", ..PLAIN }, "no meaning yet"),
        (Maker { hash: b"sha1", ..PLAIN }, "another digest"),
    ] {
        let (line, signature) = maker.token_ed25519(TEXT);
        let refused = verified(&signature, &key(&line), TEXT).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
    let (line, signature) = Maker { hash: b"sha256", ..PLAIN }.token_ed25519(TEXT);
    assert_eq!(verified(&signature, &key(&line), TEXT), Ok(()));
    // RSA with SHA-1, which OpenSSH makes no more.
    let rsa = STANDARD.decode(&RSA.trim()[8..]).unwrap();
    let old = PLAIN.armored(&rsa, b"ssh-rsa", &[1; 256]);
    assert!(Signature::read(&old).err().unwrap().contains("RSA with another digest"));
    let crossed = PLAIN.armored(&rsa, b"ssh-ed25519", &[1; 64]);
    assert!(Signature::read(&crossed).is_err());
}

proptest! {
    #[test]
    fn octets_of_anybody_are_refused_and_nothing_breaks(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        let text = armored(&octets);
        prop_assert!(Signature::read(&text).is_err());
        let _ = PublicKey::read(&format!("ssh-ed25519 {}", STANDARD.encode(&octets)));
        let whole = [b"SSHSIG\0\0\0\x01".to_vec(), octets].concat();
        prop_assert!(Signature::read(&armored(&whole)).is_err());
    }

    #[test]
    fn texts_of_anybody_are_refused_and_nothing_breaks(text in any::<String>()) {
        prop_assert!(PublicKey::read(&text).is_err());
        prop_assert!(Signature::read(&text).is_err());
    }
}
