//! The page on which a person decides: `/approve/{id}`, which shows what waits, and takes a yes or a no.
//!
//! It stands outside the bearer gate, and its address carries no authority: a yes takes an approver's proof, as
//! at the command line, and this is the second place that lets a person pass ([`Person::let_pass`]). Who does not
//! know the address sees nothing, since nobody guesses it. Against pages of others there are a `Host` and an
//! `Origin` that must be right, a token in each form that goes with a cookie of this site, and headers that let
//! nobody frame it or add to it. Nothing of a form, a text or an address is logged.

mod form;
mod html;
mod messages;
mod view;
mod ways;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::form::{Bound, Fields, Tokens, cookie_of, set_cookie};
use self::view::{CONTENT_POLICY, Said};
use self::ways::Forms;
use super::body::{Unread, read_body};
use super::names::{Foreign, Names};
use super::refusal::Refusals;
use crate::access::{Challenge, Proof};
use crate::engine::approvers::Asked;
use crate::engine::proposals::{Shown, Which};
use crate::engine::{Base, Caller, Engine, Person};
use crate::error::{Error, ErrorKind, Result};
use crate::sms::message::{ProposalId, hex};

/// Largest body, in bytes: a challenge and a signature by a long RSA key have a few thousand.
const MAX_BODY: usize = 64 * 1024;

/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Forms that are read at the same time.
const AT_ONCE: usize = 16;

/// Most one-time codes in a minute, of all approvers together; each has a count of wrong ones besides.
const CODES: usize = 10;

/// Most decisions in a minute.
const DECISIONS: usize = 60;

/// Proposals that are read at the same time: one may have a hundred thousand messages.
const LOOKS: usize = 4;

/// Digits of an id behind its prefix.
const ID_DIGITS: usize = 40;

/// Who acts here, as the ledger names it beside the approver.
const ACTOR: &str = "page";

/// The page of one server.
pub(super) struct Page {
    engine: Engine,
    names: Arc<Names>,
    refusals: Arc<Refusals>,
    /// The scheme and the authority of `[http] public_url`.
    public: Option<(String, String)>,
    takes_codes: bool,
    tokens: Tokens,
    codes: Bound,
    decisions: Bound,
    places: Semaphore,
    looks: Semaphore,
}

impl Page {
    /// The page of what waits at this engine.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where the system has no random bits.
    pub(super) fn new(
        engine: Engine,
        (names, refusals): (Arc<Names>, Arc<Refusals>),
        public_url: Option<&str>,
        takes_codes: bool,
    ) -> Result<Self> {
        let public = public_url.and_then(|url| url.parse::<Uri>().ok());
        let public = public.and_then(|url| {
            Some((url.scheme_str()?.to_ascii_lowercase(), url.authority()?.as_str().to_ascii_lowercase()))
        });
        Ok(Self {
            tokens: Tokens::new(engine.random()?),
            engine,
            names,
            refusals,
            public,
            takes_codes,
            codes: Bound::new(CODES),
            decisions: Bound::new(DECISIONS),
            places: Semaphore::new(AT_ONCE),
            looks: Semaphore::new(LOOKS),
        })
    }

    /// Its routes.
    pub(super) fn routes(self) -> Router {
        Router::new()
            .route("/approve/{id}", any(decide))
            .route("/approve/{id}/texts", any(texts))
            .route_layer(middleware::map_response(closed))
            .with_state(Arc::new(self))
    }

    fn caller() -> Caller {
        Caller::new(ACTOR, Base::Open)
    }

    /// What waits under this id. The same for one that is unknown and for one that cannot be.
    async fn find(&self, id: &str) -> std::result::Result<Shown, Response> {
        let digits = id.strip_prefix(ProposalId::PREFIX).unwrap_or_default();
        let is_id =
            digits.len() == ID_DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_id {
            return Err(not_found());
        }
        let Ok(_place) = self.looks.acquire().await else { return Err(later()) };
        self.engine.proposal(&Self::caller(), id, Which::Sample).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound => not_found(),
            _ => plain_failure(&error),
        })
    }

    /// The refusal of who calls this server by a name that it does not know.
    fn misnamed(&self, parts: &Parts) -> Option<Response> {
        self.names.check_host(&parts.uri, &parts.headers).err().map(|name| self.foreign(&name))
    }

    fn foreign(&self, name: &Foreign) -> Response {
        self.refusals.foreign_to_page(name);
        let words = "This server is not called so, or a page of another site called it. Open the address as it \
                     was given, and decide there. Nothing was decided.";
        page(StatusCode::FORBIDDEN, view::notice(&Said { heading: "Not from here", words }))
    }

    /// The refusal of a form that is of no page of this very site. A browser says with every form where it is
    /// from.
    fn strange(&self, parts: &Parts) -> Option<Response> {
        let single = |name: &HeaderName| {
            let mut all = parts.headers.get_all(name).iter();
            all.next().filter(|_| all.next().is_none()).and_then(|value| value.to_str().ok())
        };
        let site = HeaderName::from_static("sec-fetch-site");
        let origin = single(&header::ORIGIN).unwrap_or_default();
        let (scheme, from) = origin.split_once("://").unwrap_or_default();
        let is_site = !parts.headers.contains_key(&site) || single(&site) == Some("same-origin");
        let is_own = single(&header::HOST).is_some_and(|host| host.eq_ignore_ascii_case(from));
        let is_public = self
            .public
            .as_ref()
            .is_some_and(|(known, authority)| known == scheme && authority.eq_ignore_ascii_case(from));
        let is_web = matches!(scheme, "http" | "https");
        if is_site && is_web && (is_own || is_public) {
            return None;
        }
        let shown = origin.chars().flat_map(char::escape_default).take(100).collect();
        Some(self.foreign(&Foreign::Origin(shown)))
    }

    /// The page of a proposal, with the forms that decide on it where that can be.
    async fn show(
        &self,
        shown: &Shown,
        cookie: Option<String>,
        (status, said): (StatusCode, Option<&Said<'_>>),
    ) -> Response {
        let caller = Self::caller();
        let known = cookie.is_some();
        let made = async {
            let cookie = match cookie {
                Some(cookie) => cookie,
                None => hex(&self.engine.random()?),
            };
            let mut forms = None;
            if shown.is_open {
                let id = shown.proposal.id.as_str();
                forms = Some(Forms {
                    token: self.tokens.make(id, &hex(&shown.digest), &cookie),
                    challenge: self.engine.challenge(&caller, &shown.decision()).await?,
                    takes_codes: self.takes_codes,
                });
            }
            let is_approved = shown.proposal.decision.as_ref().is_some_and(|one| one.approver.is_some());
            let needs = if is_approved && shown.proposal.waiting > 0 {
                self.engine.needs_server(&caller, shown.proposal.realm).await?
            } else {
                None
            };
            Ok((cookie, view::proposal(shown, said, forms.as_ref(), needs.as_deref())))
        };
        match made.await {
            Ok((cookie, html)) => {
                let mut response = page(status, html);
                if !known {
                    let is_secure = self.public.as_ref().is_some_and(|(scheme, _)| scheme == "https");
                    let cookie = HeaderValue::try_from(set_cookie(&cookie, is_secure));
                    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
                }
                response
            }
            Err(error) => plain_failure(&error),
        }
    }

    /// Does what the form says.
    async fn take(&self, id: &str, parts: &Parts, body: Body) -> Response {
        if let Some(refused) = self.strange(parts) {
            return refused;
        }
        let Ok(_place) = self.places.try_acquire() else { return later() };
        let fields = match read_form(parts, body).await {
            Ok(fields) => fields,
            Err(refused) => return refused,
        };
        let cookie = cookie_of(&parts.headers);
        let is_own = cookie.as_deref().is_some_and(|cookie| {
            self.tokens.is_right(fields.get("token"), id, fields.get("digest"), cookie)
        });
        if !is_own {
            let words = "This form is not of a page that this server showed to this browser, or the server was \
                         started again since. Open the address again. Nothing was decided.";
            return page(StatusCode::FORBIDDEN, view::notice(&Said { heading: "Not this form", words }));
        }
        let shown = match self.find(id).await {
            Ok(shown) => shown,
            Err(response) => return response,
        };
        if !shown.is_open || hex(&shown.digest) != fields.get("digest") {
            let words = if shown.is_open {
                "It is not what this page showed any more. Look at it again. Nothing was decided now."
            } else {
                "Somebody else decided, or its time is over. Nothing was decided now."
            };
            let said = Said { heading: "This page was out of date.", words };
            return self.show(&shown, cookie, (StatusCode::CONFLICT, Some(&said))).await;
        }
        let is_code = fields.get("act") == "code";
        let now = Instant::now();
        if !self.decisions.take(now) || (is_code && self.takes_codes && !self.codes.take(now)) {
            let words = "Wait a minute, then try again; or decide at the command line. Nothing was decided.";
            let said = Said { heading: "Too many tries.", words };
            let mut response = self.show(&shown, cookie, (StatusCode::TOO_MANY_REQUESTS, Some(&said))).await;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
            return response;
        }
        match self.act(&shown, &fields).await {
            // To the page as it is then, so that loading it again decides nothing.
            Ok(()) => (StatusCode::SEE_OTHER, [(header::LOCATION, id.to_owned())]).into_response(),
            Err(error) => {
                let said = Said { heading: error.message(), words: error.next_step() };
                let status = status_of(error.kind());
                match self.find(id).await {
                    Ok(shown) => self.show(&shown, cookie, (status, Some(&said))).await,
                    Err(response) => response,
                }
            }
        }
    }

    /// Decides, as the form says.
    async fn act(&self, shown: &Shown, fields: &Fields) -> Result<()> {
        let caller = Self::caller();
        let (id, decision) = (&shown.proposal.id, shown.decision());
        let proof = match fields.get("act") {
            "refuse" => {
                let why = fields.get("why").trim().to_owned();
                return self.engine.refuse(&caller, id, Some(why)).await.map(drop);
            }
            "code" => {
                let code = fields.get("code").chars().filter(|c| !c.is_whitespace()).collect();
                let name = Some(fields.get("approver").trim().to_owned()).filter(|name| !name.is_empty());
                Proof::Code { name, code }
            }
            "signature" => {
                let challenge = Challenge::read(fields.get("challenge"))
                    .map_err(|why| wrong(&format!("what was signed is not what was shown: {why}")))?;
                Proof::Signature { challenge, signature: fields.get("signature").to_owned() }
            }
            _ => return Err(wrong("the form does not say what is decided")),
        };
        let asked = Asked { decision: &decision, takes_codes: self.takes_codes, noted: None };
        let name = self.engine.prove(&caller, asked, proof).await?;
        let person = Person::let_pass(caller, Some(name));
        self.engine.approve(&person, id, shown.digest).await.map(drop)
    }
}

/// `/approve/{id}`.
async fn decide(State(found): State<Arc<Page>>, Path(id): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(refused) = found.misnamed(&parts) {
        return refused;
    }
    match parts.method {
        Method::GET | Method::HEAD => match found.find(&id).await {
            Ok(shown) => found.show(&shown, cookie_of(&parts.headers), (StatusCode::OK, None)).await,
            Err(response) => response,
        },
        Method::POST => found.take(&id, &parts, body).await,
        _ => not_allowed("GET, HEAD, POST"),
    }
}

/// `/approve/{id}/texts`.
async fn texts(State(found): State<Arc<Page>>, Path(id): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if let Some(refused) = found.misnamed(&parts) {
        return refused;
    }
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return not_allowed("GET, HEAD");
    }
    let shown = match found.find(&id).await {
        Ok(shown) => shown,
        Err(response) => return response,
    };
    match found.engine.proposed_texts(&Page::caller(), &shown.proposal.id).await {
        Ok(texts) => {
            let name = format!("attachment; filename=\"{}.txt\"", shown.proposal.id);
            let kind = HeaderValue::from_static("text/plain; charset=utf-8");
            let mut response = ([(header::CONTENT_TYPE, kind)], view::texts(&id, &texts)).into_response();
            let name = HeaderValue::try_from(name);
            response.headers_mut().extend(name.map(|name| (header::CONTENT_DISPOSITION, name)));
            response
        }
        Err(error) => plain_failure(&error),
    }
}

/// The fields of a form, read within bounds.
async fn read_form(parts: &Parts, body: Body) -> std::result::Result<Fields, Response> {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    let refused = |status, words| page(status, view::notice(&Said { heading: "Not taken", words }));
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "It is no form of this page. Nothing was decided.",
        ));
    }
    match read_body(body, MAX_BODY, BODY_TIMEOUT).await {
        Ok(body) => Ok(Fields::read(&body)),
        Err(Unread::TooLarge) => Err(refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The form is longer than 64 KiB. Nothing was decided.",
        )),
        Err(Unread::TooSlow) => {
            Err(refused(StatusCode::REQUEST_TIMEOUT, "The form took too long to come. Nothing was decided."))
        }
    }
}

/// What every answer says to the browser: nobody frames it, keeps it, adds to it, or learns its address.
///
/// The policy for referrers is `same-origin`: with `no-referrer` browsers send `Origin: null` with the page's own
/// forms, and no other site learns the address with either.
async fn closed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = HeaderValue::from_str(&CONTENT_POLICY);
    headers.extend(policy.map(|policy| (header::CONTENT_SECURITY_POLICY, policy)));
    response
}

fn page(status: StatusCode, html: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

fn not_found() -> Response {
    let words = "Nothing that waits for a decision has this address.";
    page(StatusCode::NOT_FOUND, view::notice(&Said { heading: "Not found", words }))
}

fn not_allowed(allowed: &'static str) -> Response {
    let words = "This page is opened, and its forms are sent. Nothing was decided.";
    let mut response = page(StatusCode::METHOD_NOT_ALLOWED, view::notice(&Said { heading: "Not so", words }));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

fn later() -> Response {
    let words = "As many forms as can be are read right now. Send it again in a moment. Nothing was decided.";
    let said = Said { heading: "Busy", words };
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, view::notice(&said));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn plain_failure(error: &Error) -> Response {
    let said = Said { heading: error.message(), words: error.next_step() };
    page(status_of(error.kind()), view::notice(&said))
}

fn wrong(why: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, why).next("Nothing was decided.")
}

fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InvalidArgument | ErrorKind::NotSupported => StatusCode::FORBIDDEN,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
