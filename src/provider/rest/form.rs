//! The fields of a form or of a query (`application/x-www-form-urlencoded`): what many vendors' webhooks
//! consist of, and what some of them sign, in an order of their own.

/// Fields in the order in which they came. A name may come several times. It has no `Debug`: it may hold
/// texts and numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads the octets of a form, or a query as it stood in the address. Whatever they are, it reads: what
    /// is no UTF-8 is U+FFFD.
    pub fn read(octets: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(octets).into_owned().collect())
    }

    /// These fields, in their order.
    pub const fn of(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    /// The first value of this name, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// All of them, sorted by name, and the values of one name by value: empty ones and unknown ones too, and
    /// none twice.
    pub fn sorted(&self) -> Vec<(&str, &str)> {
        let mut sorted: Vec<(&str, &str)> =
            self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        sorted.sort_unstable();
        sorted.dedup();
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::signature::{Encoding, Hash, Key};

    /// What Twilio signs: the address with its query, then name and value of each field.
    fn as_twilio(url: &str, form: &str) -> String {
        let fields = Fields::read(form.as_bytes());
        let parts = fields.sorted().into_iter().flat_map(|(name, value)| [name, value]);
        std::iter::once(url).chain(parts).collect()
    }

    /// The vectors are those that the vendor's own library accepts.
    #[test]
    fn the_address_and_the_sorted_fields_are_what_twilio_signs() {
        let key = |hash| Key::new(hash, Encoding::Base64, b"0123456789abcdef0123456789abcdef");
        let url = "https://sms.example.org/hook/twilio?m=01J9";
        let report = "MessageSid=SM0123456789abcdef0123456789abcdef&SmsSid=SM0123456789abcdef0123456789abcdef&MessageStatus=delivered\
                      &SmsStatus=delivered&To=%2B15558675310&From=%2B15017122661&AccountSid=AC00000000000000000000000000000000&ApiVersion=2010-04-01";
        let signed = as_twilio(url, report);
        assert_eq!(key(Hash::Sha1).sign([signed.as_bytes()]), "UIvN67CUKg/xos4xZyFuE5RizbQ=");
        assert_eq!(
            key(Hash::Sha256).sign([signed.as_bytes()]),
            "y19lf0pu3DtVl8Hn4hnbQLnu5slfeGwQ4nc73nInpbw="
        );
        let reply = "MessageSid=SM1&Body=STOP&From=%2B15558675310&To=%2B15017122661&OptOutType=STOP&NumMedia=0&ToCity=";
        assert_eq!(key(Hash::Sha1).sign([as_twilio(url, reply).as_bytes()]), "lVFX6wojhqgLBf1Xbg7FdaZHl6s=");
        assert_eq!(
            key(Hash::Sha1).sign([as_twilio(url, &format!("{reply}&Body=STOP")).as_bytes()]),
            "lVFX6wojhqgLBf1Xbg7FdaZHl6s=",
            "none twice"
        );
    }

    #[test]
    fn a_sorted_query_is_what_plivo_signs_of_a_get() {
        let joined = |query: &str| {
            let fields = Fields::read(query.as_bytes());
            fields
                .sorted()
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join("&")
        };
        let (key, nonce) = (
            Key::new(Hash::Sha256, Encoding::Base64, b"0123456789abcdef0123456789abcdef"),
            "12345678901234567890",
        );
        let base = format!("https://sms.example.org/hook/plivo?{}", joined("b=2&a=1"));
        assert_eq!(
            key.sign([base.as_bytes(), b".", nonce.as_bytes()]),
            "Y8xeHEtvhCgsNEpYvEfrZnZsXxd5e+CQwWN77hwgfD0="
        );
        let form = "MessageUUID=db3ce55a-7f1d-11e1-8ea7-1231380bc196&Status=delivered&To=14157778888&From=14152223333&ErrorCode=000";
        let fields: String = Fields::read(form.as_bytes())
            .sorted()
            .into_iter()
            .flat_map(|(name, value)| [name, value])
            .collect();
        let base = format!("https://sms.example.org/hook/plivo?{}.{fields}", joined("m=1"));
        assert_eq!(
            key.sign([base.as_bytes(), b".", nonce.as_bytes()]),
            "oZRYVFayaPQaxEuDXEsvGa2ijf1l99POP1Guo8jz3lw="
        );
    }

    #[test]
    fn every_field_but_the_signature_is_what_vonage_signs() {
        let query = "msisdn=447700900000&to=ACME&network-code=23410&messageId=0A0000001234567B&price=0.03330000&status=delivered\
                     &scts=2001011400&err-code=0&api-key=abcd1234&client-ref=01J9ABC&message-timestamp=2020-01-01+12%3A00%3A00\
                     &timestamp=1577880000&nonce=aaaaaaaa-bbbb-cccc-dddd-0123456789ab&sig=0";
        let fields = Fields::read(query.as_bytes());
        let plain = |value: &str| value.replace(['&', '='], "_");
        let signed: String = fields
            .sorted()
            .into_iter()
            .filter(|(name, _)| *name != "sig")
            .map(|(name, value)| format!("&{name}={}", plain(value)))
            .collect();
        let key = Key::new(Hash::Sha256, Encoding::Hex, b"my16charsigsecre");
        assert_eq!(
            key.sign([signed.as_bytes()]),
            "935e9d601a2726665cb0e77bee89d777598361d62dae25d66288ac1540140a2e"
        );
        assert_eq!(fields.get("message-timestamp"), Some("2020-01-01 12:00:00"));
    }

    #[test]
    fn whatever_comes_is_read_as_far_as_it_goes() {
        let fields = Fields::read(b"a=1&a=2&&=x&b&c=%zz+%ff&d=%2B1");
        assert_eq!(
            (fields.get("a"), fields.get("b"), fields.get("c"), fields.get("d")),
            (Some("1"), None, Some("%zz \u{fffd}"), Some("+1"))
        );
        assert!(Fields::read(b"").sorted().is_empty());
        assert_eq!(Fields::read(&[0xff; 4096]).sorted().len(), 1);
    }
}
