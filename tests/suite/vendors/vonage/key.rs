//! The application's private key: the one of RFC 7515, appendix A.2, which is nobody's, as a file `private.key`
//! has it; and the signature that the RFC has of it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sms_mcp::provider::signature::RsaKey;

use crate::fake::vonage::MODULUS;

/// The other numbers of the key, in the order of RFC 8017, appendix A.1.2, after the modulus.
const NUMBERS: [&str; 7] = [
    "AQAB",
    "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pW\
     J1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2Qv\
     Xt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRu\
     OopznQ",
    "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDc\
     mnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
    "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-\
     TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
    "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV\
     2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
    "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_\
     -kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
    "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoO\
     PLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
];

/// What the RFC signs, and its signature.
const SIGNED: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9u\
    JdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcO\
    Ln6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp\
    0igcN_IoypGlUPQGe77Rw";

/// An element of DER (X.690, section 8.1) with these contents.
fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).unwrap();
    let head = match length {
        0..=0x7f => vec![tag, length as u8],
        0x80..=0xff => vec![tag, 0x81, length as u8],
        _ => [vec![tag, 0x82], length.to_be_bytes().to_vec()].concat(),
    };
    [head, contents.to_vec()].concat()
}

/// A number that is not negative, of base64url.
fn number(text: &str) -> Vec<u8> {
    let octets = URL_SAFE_NO_PAD.decode(text).unwrap();
    let sign: &[u8] = if octets[0] >= 0x80 { &[0] } else { &[] };
    element(2, &[sign, &octets].concat())
}

/// The file `private.key`: PKCS#8 in PEM.
pub fn pem() -> String {
    let numbers: Vec<u8> = std::iter::once(MODULUS)
        .chain(NUMBERS)
        .map(number)
        .fold(element(2, &[0]), |all, one| [all, one].concat());
    let algorithm = element(
        0x30,
        &[element(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]), element(5, &[])].concat(),
    );
    let key = [element(2, &[0]), algorithm, element(4, &element(0x30, &numbers))].concat();
    let base64 = STANDARD.encode(element(0x30, &key));
    let lines: Vec<&str> =
        base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let name = "PRIVATE KEY";
    format!("-----BEGIN {name}-----\n{}\n-----END {name}-----\n", lines.join("\n"))
}

#[test]
fn the_key_of_the_standard_signs_what_the_standard_has() {
    let pem = pem();
    let bare: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    for text in [pem.clone(), pem.replace('\n', "\r\n"), bare.clone(), pem.replace('\n', " ")] {
        let key = RsaKey::read(&text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(key.sign_rs256(SIGNED.as_bytes()).as_deref(), Some(SIGNATURE));
        assert_eq!(format!("{key:?}"), "RsaKey");
    }
    for wrong in ["", "s3cret", &bare[1..], &pem[..pem.len() - 30], &pem.replace("PRIVATE", "PUBLIC")] {
        assert!(RsaKey::read(wrong).is_none(), "{wrong}");
    }
}
