//! The request that sends a text: where its placeholders may stand, and how a value is written there so that
//! it stays there.

use std::collections::BTreeMap;

use ::http::{HeaderName, HeaderValue, Method, header};
use serde_json::{Number as JsonNumber, Value};
use url::Url;

use super::settings::{self, Escape, Outgoing};
use super::template::{Form, Template, Values};
use crate::error::ErrorKind;
use crate::provider::rest::{Request, base_url_within};

/// Headers that are not the operator's to set: what frames the request, who we are, and what `auth` and the
/// body say.
const NOT_YOURS: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "authorization",
    "proxy-authorization",
    "content-type",
];

/// Names of parameters that hold a secret.
const SECRET_NAMES: [&str; 14] = [
    "key",
    "apikey",
    "token",
    "accesstoken",
    "authtoken",
    "password",
    "passwd",
    "pass",
    "pwd",
    "secret",
    "apisecret",
    "auth",
    "authkey",
    "signature",
];

/// Whether a parameter of this name holds a secret.
fn is_secret_name(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SECRET_NAMES.contains(&plain.as_str())
}

/// Path and query below the base address.
#[derive(Clone, Debug)]
pub struct Address {
    parts: Vec<Template>,
    query: Vec<(String, Template)>,
}

/// A part of a path as it stands there: everything that has a meaning in an address is written out.
fn escaped(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    value
        .bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Whether a part of a path is a step to where it stands, or to the one above.
fn is_step(part: &str) -> bool {
    let plain = part.to_ascii_lowercase().replace("%2e", ".");
    !plain.is_empty() && plain.bytes().all(|byte| byte == b'.')
}

impl Address {
    /// Reads a setting.
    ///
    /// # Errors
    /// What is wrong, with its name.
    pub fn parse(name: &str, text: &str, knows: &Knows<'_>) -> Result<Self, String> {
        let wrong = |why: &str| format!("{name} {why}");
        if !text.starts_with('/') && !text.is_empty() && !text.starts_with('?') {
            return Err(wrong("must begin with /: it is a path below base_url, such as /messages"));
        }
        if text.contains('#') || text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(wrong("has a #, a backslash, a space or a control character in it"));
        }
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let read = |text: &str| Template::parse(text, |slot| knows(slot)).map_err(|why| wrong(&why));
        let mut parts = Vec::new();
        for part in path.split('/').skip(1) {
            let template = read(part)?;
            if template.names().any(|slot| slot == "callback_url") {
                return Err(wrong("has {callback_url} in its path; it may stand in the query"));
            }
            if is_step(part) || template.literals().to_ascii_lowercase().contains("%2e") {
                return Err(wrong("has a part . or .. in it"));
            }
            parts.push(template);
        }
        let mut pairs = Vec::new();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if key.contains(['{', '}']) {
                return Err(wrong("has a placeholder in the name of a parameter; it may stand in its value"));
            }
            if is_secret_name(&key) {
                return Err(wrong(&format!(
                    "has the parameter {key}, a secret by its name: auth = {{ type = \"query\", name = \
                     \"{key}\" }} shows `secret` there"
                )));
            }
            pairs.push((key.into_owned(), read(&value)?));
        }
        let all = Self { parts, query: pairs };
        if all.templates().any(Template::has_form) {
            return Err(wrong("has :int or :list; they are for JSON"));
        }
        Ok(all)
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        self.parts.iter().chain(self.query.iter().map(|(_, value)| value))
    }

    /// The names of its placeholders.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.templates().flat_map(Template::names)
    }

    /// The names of the placeholders in its path.
    pub fn path_names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().flat_map(Template::names)
    }

    /// The request to it with these values. A parameter whose value is not there now is left out.
    ///
    /// # Errors
    /// What of the path cannot be written so that it stays one part of it.
    pub fn request(&self, method: Method, values: &Values) -> Result<Request, &'static str> {
        let mut path = Vec::with_capacity(self.parts.len());
        for template in &self.parts {
            let part = template.fill(values, escaped).ok_or("a part of the path has no value")?;
            if template.names().next().is_some() && (part.is_empty() || is_step(&part)) {
                return Err("nothing, or nothing but dots, cannot stand in a path");
            }
            path.push(part);
        }
        let request = Request::new(method, path.join("/"));
        Ok(self.query.iter().fold(request, |request, (name, value)| {
            match value.fill(values, str::to_owned) {
                Some(value) => request.query(name, value),
                None => request,
            }
        }))
    }
}

/// Says whether a placeholder may stand somewhere.
pub type Knows<'a> = dyn Fn(&str) -> Result<(), String> + 'a;

/// JSON with placeholders in its texts.
#[derive(Clone, Debug)]
enum Node {
    Plain(Value),
    Text(Template),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Node {
    fn parse(value: Value, knows: &Knows<'_>) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => {
                let template = Template::parse(&text, |slot| knows(slot))?;
                let is_lone = template.alone().is_some();
                if template.has_form() && !is_lone {
                    return Err("has :int or :list beside other text; they stand alone".to_owned());
                }
                match template.alone() {
                    Some((slot, Form::Int)) if !["to", "from", "parts"].contains(&slot) => {
                        return Err(format!("has {{{slot}:int}}; to, from and parts can be numbers"));
                    }
                    _ => Self::Text(template),
                }
            }
            Value::Array(list) => {
                Self::List(list.into_iter().map(|one| Self::parse(one, knows)).collect::<Result<_, _>>()?)
            }
            Value::Object(object) => {
                let mut members = Vec::with_capacity(object.len());
                for (name, value) in object {
                    if name.contains(['{', '}']) {
                        return Err(
                            "has a placeholder in the name of a member; it may stand in its value".to_owned()
                        );
                    }
                    members.push((name, Self::parse(value, knows)?));
                }
                Self::Object(members)
            }
            plain => Self::Plain(plain),
        })
    }

    fn templates<'a>(&'a self, found: &mut Vec<&'a Template>) {
        match self {
            Self::Plain(_) => {}
            Self::Text(template) => found.push(template),
            Self::List(list) => list.iter().for_each(|one| one.templates(found)),
            Self::Object(members) => members.iter().for_each(|(_, one)| one.templates(found)),
        }
    }

    /// The value; nothing where it has none now.
    ///
    /// # Errors
    /// What is to be a number, and is none that keeps its digits: left out, or with fewer of them, it would
    /// mean somebody else.
    fn fill(&self, values: &Values) -> Result<Option<Value>, Unwritable> {
        Ok(Some(match self {
            Self::Plain(value) => value.clone(),
            Self::Text(template) => {
                let Some(text) = template.fill(values, str::to_owned) else { return Ok(None) };
                match template.alone() {
                    Some((slot, Form::Int)) => {
                        Value::Number(integer(&text).ok_or_else(|| Unwritable::of_number(slot))?)
                    }
                    Some((_, Form::List)) => Value::Array(vec![Value::String(text)]),
                    _ => Value::String(text),
                }
            }
            Self::List(list) => {
                let filled: Result<Vec<_>, _> = list.iter().map(|one| one.fill(values)).collect();
                Value::Array(filled?.into_iter().flatten().collect())
            }
            Self::Object(members) => {
                let mut object = serde_json::Map::new();
                for (name, one) in members {
                    if let Some(value) = one.fill(values)? {
                        object.insert(name.clone(), value);
                    }
                }
                Value::Object(object)
            }
        }))
    }
}

/// What cannot be written so that it stays what it is, in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwritable {
    /// The code for it.
    pub code: ErrorKind,
    /// Why.
    pub why: &'static str,
}

impl Unwritable {
    fn of_number(slot: &str) -> Self {
        match slot {
            "from" => Self {
                code: ErrorKind::SenderNotAllowed,
                why: "this gateway takes numbers as senders, without zeros before them ({from:int} in send.json), \
                      and this is none",
            },
            _ => Self {
                code: ErrorKind::DestinationNotAllowed,
                why: "this gateway takes numbers without their zeros ({to:int} in send.json), so that this one \
                      would be another person's",
            },
        }
    }
}

impl From<&'static str> for Unwritable {
    fn from(why: &'static str) -> Self {
        Self { code: ErrorKind::InvalidArgument, why }
    }
}

/// A number that is written with digits, and with a plus at most; nothing where it would lose a digit.
pub fn integer(text: &str) -> Option<JsonNumber> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let number = digits.parse::<u64>().ok().filter(|number| number.to_string() == digits);
    number.map(JsonNumber::from)
}

/// The body of a request.
#[derive(Clone, Debug)]
enum Body {
    None,
    Form(Vec<(String, Template)>),
    Json(Node),
    Text { template: Template, escape: Escape, content_type: String },
}

/// A value as XML has it. What no XML may hold (XML 1.0, 2.2) is U+FFFD.
fn xml(value: &str) -> String {
    let is_taken = |c: char| matches!(c, '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    value
        .chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&#39;".to_owned(),
            // As they stand, a reader would take them for something else, in an attribute or elsewhere.
            '\t' | '\n' | '\r' => format!("&#{};", u32::from(c)),
            c if is_taken(c) => c.to_string(),
            _ => "\u{fffd}".to_owned(),
        })
        .collect()
}

impl Body {
    fn parse(settings: &Outgoing, knows: &Knows<'_>) -> Result<Self, String> {
        let set = [!settings.form.is_empty(), settings.json.is_some(), settings.text.is_some()];
        if set.into_iter().filter(|is_set| *is_set).count() > 1 {
            return Err("send has more than one of form, json and text; keep one".to_owned());
        }
        let is_body = set.contains(&true);
        if settings.method == settings::Method::Get && is_body {
            return Err("send.method is GET, which has no body: take form, json or text out".to_owned());
        }
        if settings.method != settings::Method::Get && !is_body {
            return Err("send has no body: set form, json or text, or method = \"GET\"".to_owned());
        }
        if settings.text.is_none() && (settings.content_type.is_some() || settings.escape != Escape::None) {
            return Err("send.content_type and send.escape are for send.text alone".to_owned());
        }
        if let Some(text) = &settings.json {
            let value =
                serde_json::from_str(text).map_err(|error| format!("send.json is no JSON: {error}"))?;
            return Node::parse(value, knows).map(Self::Json).map_err(|why| format!("send.json {why}"));
        }
        if let Some(text) = &settings.text {
            return Self::text(settings, text, knows);
        }
        let mut fields = Vec::new();
        for (name, value) in &settings.form {
            let wrong = |why: String| format!("send.form.{name} {why}");
            let template = Template::parse(value, |slot| knows(slot)).map_err(wrong)?;
            if template.has_form() {
                return Err(wrong("has :int or :list; they are for JSON".to_owned()));
            }
            fields.push((name.clone(), template));
        }
        Ok(if is_body { Self::Form(fields) } else { Self::None })
    }

    fn text(settings: &Outgoing, text: &str, knows: &Knows<'_>) -> Result<Self, String> {
        let template = Template::parse(text, |slot| knows(slot)).map_err(|why| format!("send.text {why}"))?;
        if template.has_form() {
            return Err("send.text has :int or :list; they are for JSON".to_owned());
        }
        let content_type = settings.content_type.as_deref().unwrap_or("text/plain; charset=utf-8").to_owned();
        if HeaderValue::from_str(&content_type).is_err() {
            return Err("send.content_type is no content type such as text/xml; charset=utf-8".to_owned());
        }
        let escape = settings.escape;
        if escape == Escape::None {
            if content_type.contains("xml") {
                return Err(format!(
                    "send.escape must be \"xml\", since send.content_type is {content_type}"
                ));
            }
            // Nothing bounds them but the end.
            let is_free = |slot: &str| !["to", "id", "type", "parts", "time"].contains(&slot);
            if template.names().filter(|slot| is_free(slot)).any(|slot| slot != "text")
                || !template.ends_with("text")
            {
                return Err("send.text without send.escape may hold {text} at its end alone, and of the other \
                            placeholders {to}, {id}, {type}, {parts} and {time}: nothing would keep the others \
                            in their place"
                    .to_owned());
            }
        }
        Ok(Self::Text { template, escape, content_type })
    }

    fn names(&self) -> Vec<&str> {
        let mut templates = Vec::new();
        match self {
            Self::None => {}
            Self::Form(fields) => templates.extend(fields.iter().map(|(_, value)| value)),
            Self::Json(node) => node.templates(&mut templates),
            Self::Text { template, .. } => templates.push(template),
        }
        templates.into_iter().flat_map(Template::names).collect()
    }

    fn write(&self, request: Request, values: &Values) -> Result<Request, Unwritable> {
        Ok(match self {
            Self::None => request,
            Self::Form(fields) => {
                let filled = fields
                    .iter()
                    .filter_map(|(name, value)| Some((name.as_str(), value.fill(values, str::to_owned)?)));
                let filled: Vec<(&str, String)> = filled.collect();
                request.form(filled.iter().map(|(name, value)| (*name, value.as_str())))
            }
            Self::Json(node) => request.json(&node.fill(values)?.unwrap_or(Value::Null)),
            Self::Text { template, escape, content_type } => {
                let write = |value: &str| match escape {
                    Escape::Xml => xml(value),
                    Escape::None => value.to_owned(),
                };
                let text = template.fill(values, write).ok_or("a placeholder of the body has no value")?;
                request.body(content_type, text)
            }
        })
    }
}

/// The request that sends.
#[derive(Clone, Debug)]
pub struct Shape {
    method: Method,
    address: Address,
    headers: Vec<(HeaderName, Template)>,
    body: Body,
}

/// What headers hold: our reference has letters, digits and `_`.
fn headers(given: &BTreeMap<String, String>) -> Result<Vec<(HeaderName, Template)>, String> {
    let mut headers = Vec::new();
    for (name, value) in given {
        let wrong = |why: &str| format!("send.headers.{name} {why}");
        let header: HeaderName = name.parse().map_err(|_| wrong("is no name of a header"))?;
        if NOT_YOURS.contains(&header.as_str()) {
            return Err(wrong("cannot be set here; `auth` shows secrets, and the body says what it is"));
        }
        let knows = |slot: &str| match slot {
            "id" => Ok(()),
            _ => Err(format!("has {{{slot}}}; {{id}} is the one placeholder of a header")),
        };
        let template = Template::parse(value, knows).map_err(|why| wrong(&why))?;
        if template.has_form() || HeaderValue::from_str(&template.literals()).is_err() {
            return Err(wrong("is no value of a header"));
        }
        headers.push((header, template));
    }
    Ok(headers)
}

impl Shape {
    /// Reads the settings.
    ///
    /// # Errors
    /// What is wrong, with its name.
    pub fn of(settings: &Outgoing, knows: &Knows<'_>, knows_in_body: &Knows<'_>) -> Result<Self, String> {
        let address = Address::parse("send.path", &settings.path, knows)?;
        let body = Body::parse(settings, knows_in_body)?;
        let method = match settings.method {
            settings::Method::Get => Method::GET,
            settings::Method::Post => Method::POST,
            settings::Method::Put => Method::PUT,
        };
        let shape = Self { method, address, headers: headers(&settings.headers)?, body };
        for needed in ["to", "text"] {
            if !shape.names().contains(&needed) {
                return Err(format!(
                    "send has no place for {{{needed}}}: put it into the path's query or the body"
                ));
            }
        }
        Ok(shape)
    }

    /// The names of its placeholders.
    pub fn names(&self) -> Vec<&str> {
        self.address.names().chain(self.body.names()).collect()
    }

    /// Whether its body has this placeholder as a number.
    pub fn has_number(&self, name: &str) -> bool {
        let mut templates = Vec::new();
        if let Body::Json(node) = &self.body {
            node.templates(&mut templates);
        }
        templates.into_iter().any(|template| template.alone() == Some((name, Form::Int)))
    }

    /// Whether its text cannot be written without this value.
    pub fn demands(&self, name: &str) -> bool {
        matches!(&self.body, Body::Text { template, .. } if template.names().any(|slot| slot == name))
    }

    /// The request with these values.
    ///
    /// # Errors
    /// What cannot be written so that it stays in its place.
    pub fn request(&self, values: &Values) -> Result<Request, Unwritable> {
        let mut request = self.address.request(self.method.clone(), values)?;
        for (name, template) in &self.headers {
            if let Some(value) = template.fill(values, str::to_owned) {
                request = request.header(name.clone(), &value);
            }
        }
        if !self.headers.iter().any(|(name, _)| name == header::ACCEPT) {
            request = request.header(header::ACCEPT, "*/*");
        }
        self.body.write(request, values)
    }
}

/// Whether an address can be a gateway's: encrypted, or this machine, or one of a private network where the
/// operator says so.
///
/// # Errors
/// What is wrong with it.
pub fn base_url(text: &str, allow_plain_http: bool) -> Result<Url, String> {
    if text.contains(['{', '}']) {
        return Err("base_url has a placeholder; they may stand in the path and the query of send".to_owned());
    }
    match base_url_within(text, allow_plain_http) {
        Err(why) if !allow_plain_http && base_url_within(text, true).is_ok() => {
            Err(format!("{why}; allow_plain_http = true lets a gateway of your own network be http://"))
        }
        Ok(url) if allow_plain_http && url.scheme() == "https" => {
            Err("allow_plain_http is true, and base_url begins with https://; take allow_plain_http out"
                .to_owned())
        }
        read => read,
    }
}

#[cfg(test)]
mod tests;
