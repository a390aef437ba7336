//! How a request shows who asks: AWS's Signature Version 4, for the one form of request that this API has.
//!
//! A request is signed with its time, the host that it goes to, the operation that it asks for and its whole
//! body, by a key that is derived from the secret for one day, region and service. The secret itself is never
//! sent.
//!
//! Source: docs.aws.amazon.com, "Create a signed AWS API request".

use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::provider::signature::hmac_sha256;
use crate::setting::SecretText;
use crate::sms::message::hex;

/// What a body is there.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// The service as signatures name it.
const SERVICE: &str = "sms-voice";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What is proven to be ours: the id of an access key, its secret, and the token of a session. `Debug` shows
/// none of them.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The access key's id.
    pub id: SecretText,
    /// Its secret.
    pub secret: SecretText,
    /// The token of the session for which the two are valid.
    pub token: Option<SecretText>,
}

/// What is signed besides the keys.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// The region.
    pub region: &'a str,
    /// The host as the request names it, with its port where it names one.
    pub host: &'a str,
    /// The operation.
    pub target: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// When.
    pub at: Timestamp,
}

/// A moment as the header `X-Amz-Date` has it.
pub fn date(at: Timestamp) -> String {
    let text = at.rfc3339();
    let (whole, _) = text.split_once('.').unwrap_or((&text, ""));
    whole.chars().filter(|c| !matches!(c, '-' | ':')).chain(['Z']).collect()
}

/// The names of the headers that are signed, and the request as it is hashed.
fn canonical(keys: &Keys, signed: &Signed<'_>) -> (String, String) {
    let date = date(signed.at);
    let token = keys.token.as_ref().map(SecretText::expose);
    let headers = [
        ("content-type", Some(CONTENT_TYPE)),
        ("host", Some(signed.host)),
        ("x-amz-date", Some(date.as_str())),
        ("x-amz-security-token", token),
        ("x-amz-target", Some(signed.target)),
    ];
    let headers = headers.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let names = headers.clone().map(|(name, _)| name).collect::<Vec<_>>().join(";");
    let lines: String = headers.map(|(name, value)| format!("{name}:{value}\n")).collect();
    let payload = hex(&Sha256::digest(signed.body));
    let request = format!("POST\n/\n\n{lines}\n{names}\n{payload}");
    (names, request)
}

/// What the header `Authorization` says.
pub fn authorization(keys: &Keys, signed: &Signed<'_>) -> SecretText {
    let (names, request) = canonical(keys, signed);
    let date = date(signed.at);
    let day = date.split('T').next().unwrap_or_default();
    let scope = format!("{day}/{}/{SERVICE}/aws4_request", signed.region);
    let text = format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex(&Sha256::digest(request.as_bytes())));
    let first = format!("AWS4{}", keys.secret.expose());
    let key = hmac_sha256(first.as_bytes(), day.as_bytes());
    let key = hmac_sha256(key.as_ref(), signed.region.as_bytes());
    let key = hmac_sha256(key.as_ref(), SERVICE.as_bytes());
    let key = hmac_sha256(key.as_ref(), b"aws4_request");
    let signature = hex(hmac_sha256(key.as_ref(), text.as_bytes()).as_ref());
    let id = keys.id.expose();
    SecretText::new(format!(
        "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What the vendor's own library makes of this request, on which it and a reckoning by hand agree.
    const BODY: &str = r#"{"DestinationPhoneNumber":"+14255550123","MessageBody":"hi","MessageType":"TRANSACTIONAL","Context":{"m":"01J9ABC"}}"#;
    const REQUEST: &str = "e6bb846f099e9a48d7ed26f2e4d419f6fd6544bc93c4e0af9c9fddc34276cd8d";
    const ALONE: &str = "b3c83448021fa3b6cae186f284b7e8a132cb6fc179ec0332cd1697060c3b96fe";
    const IN_A_SESSION: &str = "d15727782e98bb3418f552fd3c9379a9b39d564d426851adc95137854fcbdc45";

    fn keys(token: Option<&str>) -> Keys {
        Keys {
            id: SecretText::new("AKIDEXAMPLE"),
            secret: SecretText::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            token: token.map(SecretText::new),
        }
    }

    fn signed(body: &str) -> Signed<'_> {
        Signed {
            region: "eu-west-1",
            host: "sms-voice.eu-west-1.amazonaws.com",
            target: "PinpointSMSVoiceV2.SendTextMessage",
            body: body.as_bytes(),
            at: Timestamp::parse("2026-11-26T07:30:00.999Z").unwrap(),
        }
    }

    fn signature(keys: &Keys, signed: &Signed<'_>) -> String {
        authorization(keys, signed).expose().rsplit('=').next().unwrap().to_owned()
    }

    #[test]
    fn it_is_the_signature_that_the_vendors_library_makes() {
        assert_eq!(date(signed(BODY).at), "20261126T073000Z");
        let (names, request) = canonical(&keys(None), &signed(BODY));
        assert_eq!(names, "content-type;host;x-amz-date;x-amz-target");
        assert!(request.ends_with("ef8fb7ba5fcb879523e66c8fc2e47f27db6df64ce829f8cfc201e6b39657960b"));
        assert_eq!(hex(&Sha256::digest(request.as_bytes())), REQUEST);
        assert_eq!(
            authorization(&keys(None), &signed(BODY)).expose(),
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261126/eu-west-1/sms-voice/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={ALONE}"
            )
        );
        assert_eq!(signature(&keys(Some("TOK")), &signed(BODY)), IN_A_SESSION);
        let names = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
        assert!(authorization(&keys(Some("TOK")), &signed(BODY)).expose().contains(names));
    }

    #[test]
    fn whatever_is_signed_makes_another_signature_and_nothing_shows_a_secret() {
        let right = signed(BODY);
        let next = Timestamp(right.at.as_millis() + 1_000);
        let other =
            Keys { secret: SecretText::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEZ"), ..keys(None) };
        for (keys, signed) in [
            (keys(None), Signed { region: "eu-west-2", ..right }),
            (keys(None), Signed { host: "sms-voice.eu-west-1.amazonaws.com:443", ..right }),
            (keys(None), Signed { target: "PinpointSMSVoiceV2.SendMediaMessage", ..right }),
            (keys(None), Signed { body: &right.body[1..], ..right }),
            (keys(None), Signed { at: next, ..right }),
            (other, right),
            (keys(Some("TOK")), right),
        ] {
            assert_ne!(signature(&keys, &signed), ALONE);
        }
        let shown = format!("{:?} {:?}", keys(Some("TOK")), authorization(&keys(None), &right));
        assert!(!shown.contains("AKID") && !shown.contains("wJal") && !shown.contains("TOK"), "{shown}");
    }
}
