//! A request to a vendor: where it goes, what it shows, and which messages it carries.

use ::http::{HeaderName, HeaderValue, Method, header};
use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::halt::Brake;
use crate::provider::Submission;
use crate::setting::SecretText;

/// A request to a vendor. It has no `Debug`: it holds texts and keys.
#[derive(Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
    pub(super) id: Option<String>,
    /// What stops the messages in it before it begins.
    pub(super) brake: Option<Brake>,
}

impl Request {
    /// A request with this method to this path below the base address.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        let accept = (header::ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: vec![accept],
            body: Bytes::new(),
            id: None,
            brake: None,
        }
    }

    /// A GET.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A POST.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Names the request, in the header `X-Request-Id` and in the log: our reference of a message, or a
    /// batch.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Says which messages it carries: it has the name of the first, and does not begin once something stops
    /// one of them.
    #[must_use]
    pub fn carrying(mut self, submissions: &[&Submission]) -> Self {
        self.brake = Some(Brake::joined(submissions.iter().map(|submission| &submission.brake)));
        match submissions.first() {
            Some(first) => self.id(first.id.as_str()),
            None => self,
        }
    }

    /// Shows a bearer token.
    #[must_use]
    pub fn bearer(self, token: &SecretText) -> Self {
        self.authorization("Bearer", token)
    }

    /// Shows a secret after the name of a scheme, such as `App` or `AccessKey`.
    #[must_use]
    pub fn authorization(self, scheme: &str, secret: &SecretText) -> Self {
        self.hidden(header::AUTHORIZATION, &format!("{scheme} {}", secret.expose()))
    }

    /// Shows a name and its password (RFC 7617, in UTF-8).
    #[must_use]
    pub fn basic(self, user: &str, password: &SecretText) -> Self {
        let both = STANDARD.encode(format!("{user}:{}", password.expose()));
        self.hidden(header::AUTHORIZATION, &format!("Basic {both}"))
    }

    /// Shows a secret in a header of the vendor's own, such as `x-api-key`.
    #[must_use]
    pub fn secret_header(self, name: HeaderName, secret: &SecretText) -> Self {
        self.hidden(name, secret.expose())
    }

    /// Adds a header that holds no secret, such as the key of a request that is answered once; in the place
    /// of one of that name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.retain(|(known, _)| *known != name);
            self.headers.push((name, value));
        }
        self
    }

    /// Its body, for tests.
    #[cfg(test)]
    pub(in crate::provider) fn content(&self) -> &[u8] {
        &self.body
    }

    /// Its headers, for tests.
    #[cfg(test)]
    pub(in crate::provider) fn shown_headers(&self) -> Vec<(String, String)> {
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        self.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
    }

    fn hidden(mut self, name: HeaderName, secret: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(secret) {
            value.set_sensitive(true);
            self.headers.push((name, value));
        }
        self
    }

    /// Gives it a JSON body.
    #[must_use]
    pub fn json(self, body: &impl Serialize) -> Self {
        self.body("application/json", serde_json::to_vec(body).unwrap_or_default())
    }

    /// Gives it a form as body (`application/x-www-form-urlencoded`, UTF-8).
    #[must_use]
    pub fn form<'a>(self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body("application/x-www-form-urlencoded", form)
    }

    /// Gives it a body.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        if let Ok(value) = HeaderValue::from_str(content_type) {
            self.headers.push((header::CONTENT_TYPE, value));
        }
        self.body = body.into();
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn headers(request: &Request) -> Vec<(&str, &str, bool)> {
        let shown = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap(), value.is_sensitive()));
        shown.filter(|(name, ..)| *name != "accept").collect()
    }

    #[test]
    fn each_way_to_show_a_secret_is_written_as_its_vendor_reads_it_and_is_marked_as_one() {
        let secret = SecretText::new("s3cret:x");
        let get = || Request::get("me");
        assert_eq!(headers(&get().bearer(&secret)), [("authorization", "Bearer s3cret:x", true)]);
        assert_eq!(headers(&get().authorization("App", &secret)), [("authorization", "App s3cret:x", true)]);
        assert_eq!(
            headers(&get().basic("AC1", &secret)),
            [("authorization", "Basic QUMxOnMzY3JldDp4", true)]
        );
        let own = HeaderName::from_static("x-api-key");
        assert_eq!(headers(&get().secret_header(own, &secret)), [("x-api-key", "s3cret:x", true)]);
        // RFC 7617, section 2.1: a pound sign in UTF-8.
        let pound = SecretText::new("123\u{a3}");
        assert_eq!(
            headers(&get().basic("test", &pound)),
            [("authorization", "Basic dGVzdDoxMjPCow==", true)]
        );
    }

    #[test]
    fn a_header_of_ones_own_stands_once_and_one_that_cannot_be_written_does_not() {
        let key = HeaderName::from_static("idempotency-key");
        let request = Request::post("messages")
            .header(key.clone(), "one")
            .header(key.clone(), "two")
            .header(key, "a\r\nb");
        assert_eq!(headers(&request), [("idempotency-key", "two", false)]);
        let accept = Request::get("x").header(header::ACCEPT, "text/xml");
        let accepts = accept.headers.iter().filter(|(name, _)| *name == header::ACCEPT);
        assert_eq!(accepts.map(|(_, value)| value.to_str().unwrap()).collect::<Vec<_>>(), ["text/xml"]);
    }
}
