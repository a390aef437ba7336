//! What a form of the page says, and that it is the page's own form: each has a token which nobody makes who
//! did not read the page in the same browser.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use ring::hmac;
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

use crate::sms::message::hex;

/// The name of the cookie.
const COOKIE: &str = "sms_mcp_page";

/// Characters of its value.
const COOKIE_LENGTH: usize = 64;

/// Tries are counted for this long.
const WINDOW: Duration = Duration::from_secs(60);

/// The fields of a form, each with its first value. Line breaks are as they were before a browser sent them.
#[derive(Debug, Default)]
pub(super) struct Fields(HashMap<String, String>);

impl Fields {
    /// Reads a body of the type `application/x-www-form-urlencoded`.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut fields = HashMap::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            fields.entry(name.into_owned()).or_insert_with(|| value.replace("\r\n", "\n"));
        }
        Self(fields)
    }

    /// The value of a field, which is empty where the field is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Makes and knows the tokens of forms, for as long as this process lives.
pub(super) struct Tokens(hmac::Key);

impl Tokens {
    /// Tokens of this key, which nobody else has.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// The token of a form about this proposal as it is now, in the browser that has this cookie.
    pub(super) fn make(&self, id: &str, digest: &str, cookie: &str) -> String {
        let mut tag = hmac::Context::with_key(&self.0);
        for part in [id, digest, cookie] {
            tag.update(&(part.len() as u64).to_be_bytes());
            tag.update(part.as_bytes());
        }
        hex(tag.sign().as_ref())
    }

    /// Whether this is that token.
    pub(super) fn is_right(&self, token: &str, id: &str, digest: &str, cookie: &str) -> bool {
        self.make(id, digest, cookie).as_bytes().ct_eq(token.as_bytes()).into()
    }
}

/// The page's cookie of this browser, where it has one of the right form.
pub(super) fn cookie_of(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let values = all
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE);
    let is_ours = |value: &&str| {
        value.len() == COOKIE_LENGTH && value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    values.map(|(_, value)| value).find(is_ours).map(ToOwned::to_owned)
}

/// What gives a browser this cookie: for this site's own pages, until the browser is closed.
pub(super) fn set_cookie(value: &str, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

/// At most so many in a minute.
pub(super) struct Bound {
    most: usize,
    tries: Mutex<VecDeque<Instant>>,
}

impl Bound {
    pub(super) const fn new(most: usize) -> Self {
        Self { most, tries: Mutex::new(VecDeque::new()) }
    }

    /// Counts one more, if there may be one more now.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        while tries.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
            tries.pop_front();
        }
        let is_free = tries.len() < self.most;
        if is_free {
            tries.push_back(now);
        }
        is_free
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_is_of_one_process_one_proposal_one_content_and_one_browser() {
        let tokens = Tokens::new([1; 32]);
        let token = tokens.make("apv_1", "ab", "c");
        assert!(tokens.is_right(&token, "apv_1", "ab", "c"));
        for (id, digest, cookie) in
            [("apv_2", "ab", "c"), ("apv_1", "ac", "c"), ("apv_1", "ab", "d"), ("apv_1a", "b", "c")]
        {
            assert!(!tokens.is_right(&token, id, digest, cookie));
        }
        assert!(!Tokens::new([2; 32]).is_right(&token, "apv_1", "ab", "c"));
        assert!(!tokens.is_right("", "apv_1", "ab", "c"));
    }

    #[test]
    fn a_cookie_is_ours_in_its_form_alone() {
        let of = |line: &str| cookie_of(&HeaderMap::from_iter([(header::COOKIE, line.parse().unwrap())]));
        let value = "a1".repeat(32);
        assert_eq!(of(&format!("x=y; {COOKIE}={value}; z")), Some(value.clone()));
        for wrong in
            [format!("{COOKIE}=a1"), format!("{COOKIE}={}", "A1".repeat(32)), format!("x{COOKIE}={value}")]
        {
            assert_eq!(of(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn line_breaks_come_back_as_they_were_and_the_first_value_counts() {
        let fields = Fields::read(b"a=1%0D%0A2+3&a=4&%C3%BC=%26");
        assert_eq!((fields.get("a"), fields.get("\u{fc}"), fields.get("b")), ("1\n2 3", "&", ""));
    }

    #[test]
    fn there_are_so_many_tries_in_a_minute_and_then_there_are_again() {
        let bound = Bound::new(2);
        let now = Instant::now();
        let after = |seconds| bound.take(now.checked_add(Duration::from_secs(seconds)).unwrap());
        assert_eq!(
            [after(0), after(30), after(59), after(60), after(61), after(90)],
            [true, true, false, true, false, true]
        );
    }
}
