//! The page on which a person decides, as a browser without scripts meets it.
#![cfg(unix)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sms_mcp::access::NAMESPACE;

use crate::approvers::{Scene, Signer, code, with_codes};
use crate::support::{Desk, Era, HttpServer, eventually};
use crate::wire::{RawStdio, Reply, ask, call_as, said, tool_call};

pub const RULES: &str = "[approval]\neverything = true\n";
pub const BEARER: (&str, &str) = ("Authorization", "Bearer s3cret-of-the-page");
pub const WITH_TOKEN: &str = "[http]\ntoken = \"s3cret-of-the-page\"\n";

/// A server over stdio, whose agent is us.
pub struct Agent {
    pub server: RawStdio,
    asked: u64,
}

impl Agent {
    pub fn of(scene: &Scene) -> Self {
        Self { server: RawStdio::start(&scene.desk, Era::Stateless, |_| {}), asked: 0 }
    }

    pub fn call(&mut self, tool: &'static str, arguments: &Value) -> Value {
        self.asked += 1;
        self.server.send(&tool_call(Era::Stateless, self.asked, tool, arguments));
        said(&self.server.answer_to(self.asked, &mut Vec::new())).unwrap()
    }

    /// Has a text wait for a person, and returns what the agent is told.
    pub fn propose(&mut self, to: &str, text: &str) -> Value {
        let told = self.call("send_sms", &json!({ "to": to, "message": text }));
        assert_eq!(told["status"], "approval_required", "{told}");
        told
    }
}

/// The address of the page, which an answer names.
pub fn address(told: &Value) -> &str {
    let decide = told["approval"]["decide"].as_str().unwrap_or_else(|| panic!("{told}"));
    let behind = decide.strip_prefix("An approver decides at ").unwrap_or_else(|| panic!("{decide}"));
    behind.split(',').next().unwrap()
}

/// A browser: it has a cookie, and says where its forms are from.
struct Browser {
    port: u16,
    path: String,
    cookie: Option<String>,
}

impl Browser {
    /// One that has this address, which must be one of this machine.
    fn at(address: &str) -> Self {
        let rest = address.strip_prefix("http://127.0.0.1:").unwrap_or_else(|| panic!("{address}"));
        let (port, path) = rest.split_once('/').unwrap();
        Self { port: port.parse().unwrap(), path: format!("/{path}"), cookie: None }
    }

    fn get(&mut self) -> (Reply, String) {
        let cookie = self.cookie.clone().unwrap_or_default();
        let reply = ask(self.port, "GET", &self.path, &[("Cookie", &cookie)], b"");
        if let Some(given) = reply.header("set-cookie") {
            assert!(given.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{given}");
            self.cookie = given.split(';').next().map(ToOwned::to_owned);
        }
        let html = String::from_utf8(reply.body.clone()).unwrap();
        (reply, html)
    }

    /// Opens the page, which has forms.
    fn open(&mut self) -> Form {
        let (reply, html) = self.get();
        assert_eq!(reply.status, 200, "{html}");
        Form::of(&html)
    }

    /// Sends a form as a browser does, but for these headers: of another value, or (an empty one) not at all.
    fn send_with(&self, fields: &[(&str, &str)], other: &[(&str, &str)]) -> Reply {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields {
            body.append_pair(name, &value.replace('\n', "\r\n"));
        }
        let (origin, cookie) =
            (format!("http://127.0.0.1:{}", self.port), self.cookie.clone().unwrap_or_default());
        let usual = [
            ("Origin", origin.as_str()),
            ("Cookie", &cookie),
            ("Sec-Fetch-Site", "same-origin"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let usual = usual.into_iter().filter(|(name, _)| !other.iter().any(|(given, _)| given == name));
        let headers: Vec<_> =
            usual.chain(other.iter().copied()).filter(|(_, value)| !value.is_empty()).collect();
        ask(self.port, "POST", &self.path, &headers, body.finish().as_bytes())
    }

    fn send(&self, form: &Form, more: &[(&str, &str)]) -> Reply {
        self.send_with(&form.with(more), &[])
    }
}

/// What the forms of a page have in them.
struct Form {
    token: String,
    digest: String,
    challenge: String,
}

fn between<'a>(html: &'a str, before: &str, after: &str) -> Option<&'a str> {
    html.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

impl Form {
    fn of(html: &str) -> Self {
        let value = |name: &str| {
            let before = format!("name=\"{name}\" value=\"");
            between(html, &before, "\"").unwrap_or_else(|| panic!("{name}: {html}")).to_owned()
        };
        let challenge =
            between(html, "name=\"challenge\" rows=\"9\" readonly spellcheck=\"false\">", "</textarea>");
        Self {
            token: value("token"),
            digest: value("digest"),
            challenge: challenge.unwrap_or_default().replace("&quot;", "\"").replace("&amp;", "&"),
        }
    }

    fn with<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let own = [("token", self.token.as_str()), ("digest", &self.digest), ("challenge", &self.challenge)];
        own.into_iter().chain(more.iter().copied()).collect()
    }

    fn signed_by(&self, signer: &Signer) -> String {
        signer.sign(NAMESPACE, &self.challenge)
    }
}

fn words(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

const HOSTILE: &str = "<script>alert(\"x\")</script> & 'y' \u{202e}gnp.exe p\u{430}ypal\nline two";

#[test]
#[expect(clippy::too_many_lines, reason = "one decision, from what the page shows to what left")]
fn a_yes_by_signature_lets_exactly_that_leave_shown_whole_and_inert_and_nothing_of_it_is_logged() {
    let scene = Scene::new(RULES);
    let mut agent = Agent::of(&scene);
    let told = agent.propose("+12025550123", HOSTILE);
    let id = told["approval"]["id"].as_str().unwrap();
    let mut browser = Browser::at(address(&told));
    assert_eq!(browser.path, format!("/approve/{id}"));
    let (_, html) = browser.get();
    for part in [
        "<h1>May this text be sent?</h1>",
        "<strong class=\"number\">+12025550123</strong> (US, <strong>first time</strong>)",
        "America/New_York, where it is 20",
        "the provider&#39;s own; the settings do not name it",
        ">19.9921 of 20.00 USD and 199 more text(s) on 20",
        "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;y&#39; ",
        "<mark class=\"hidden\">U+202E</mark>gnp.exe p<mark class=\"foreign\">\u{430}<small>U+0430</small></mark>ypal",
        "\nline two</div>",
        "1 sign(s) that no phone shows",
        "1 letter(s) that look like Latin ones",
        "<dt>Decide until</dt>",
        "<dt>Segments</dt>",
        "transactional",
        "every text needs a yes here",
        "One-time codes do not count here",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(
        !html.contains("<script") && !html.contains('\u{202e}') && !html.contains("name=\"code\""),
        "{html}"
    );
    assert_eq!(html.matches("<h1>").count(), 1);
    for (at, _) in html.match_indices("<input id=\"").chain(html.match_indices("<textarea id=\"")) {
        let name = between(&html[at..], "id=\"", "\"").unwrap();
        assert!(html.contains(&format!("<label for=\"{name}\">")), "{name} has a label");
    }
    // Nobody else's signature, none over something else, and no code.
    let form = browser.open();
    let wrong = form.signed_by(&Signer::new(2));
    let other = scene.alice.sign(NAMESPACE, &form.challenge.replace("approvals approve", "resume"));
    let mail = scene.alice.sign("file", &form.challenge);
    for (more, why) in [
        ([("act", "signature"), ("signature", wrong.as_str())], "no approver&#39;s key"),
        ([("act", "signature"), ("signature", &other)], "does not belong to this text"),
        ([("act", "signature"), ("signature", &mail)], "made for another purpose"),
        ([("act", "signature"), ("signature", "")], "no proof of an approver"),
        ([("act", "code"), ("code", "123456")], "codes do not count here"),
        ([("act", "approve"), ("code", "123456")], "does not say what is decided"),
    ] {
        let refused = browser.send(&form, &more);
        assert_eq!(refused.status, 403, "{why}: {}", words(&refused));
        assert!(
            words(&refused).contains(why) && words(&refused).contains("role=\"alert\""),
            "{}",
            words(&refused)
        );
    }
    assert_eq!(scene.desk.sent(), [] as [Value; 0]);
    let form = browser.open();
    let signature = form.signed_by(&scene.alice);
    let done = browser.send(&form, &[("act", "signature"), ("signature", &signature)]);
    assert_eq!((done.status, done.header("location")), (303, Some(id)), "{}", words(&done));
    let (_, html) = browser.get();
    assert!(html.contains("<h1>Decided: approved</h1>") && html.contains(" by alice"), "{html}");
    assert!(!html.contains("<form"), "{html}");
    eventually("it leaves", || scene.desk.sent().len() == 1);
    assert_eq!(scene.desk.sent()[0]["text"], HOSTILE);
    let status = agent.call("get_status", &json!({ "id": told["id"] }));
    assert_eq!(status["approval"]["decision"], "approved", "{status}");
    let log = agent.server.finish();
    assert!(log.contains("serving the page for approvals at /approve"), "{log}");
    assert!(
        log.contains("a person widened what agents may do") && log.contains("approver=\"alice\""),
        "{log}"
    );
    let base64 = signature.lines().nth(1).unwrap();
    let cookie = browser.cookie.as_deref().unwrap().split_once('=').unwrap().1;
    for secret in ["alert(", "line two", base64, "123456", &form.token, cookie, "+1202"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[test]
fn a_form_from_anywhere_else_decides_nothing() {
    let scene = Scene::new(RULES);
    let mut agent = Agent::of(&scene);
    let told = agent.propose("+12025550123", "Hello");
    let mut browser = Browser::at(address(&told));
    let form = browser.open();
    let (port, own) = (browser.port, format!("http://127.0.0.1:{}", browser.port));
    let other_port = format!("http://127.0.0.1:{}", if port == 1 { 2 } else { 1 });
    let other_cookie = format!("sms_mcp_page={}", "0".repeat(64));
    let refuse = form.with(&[("act", "refuse")]);
    let bad_host = [
        "evil.example".to_owned(),
        "127.0.0.1".to_owned(),
        "localhost:1".to_owned(),
        format!("127.0.0.1.:{port}"),
    ];
    for host in &bad_host {
        let shown = ask(port, "GET", &browser.path, &[("Host", host)], b"");
        assert_eq!(shown.status, 403, "{host}");
        assert!(!words(&shown).contains("Hello"));
        assert_eq!(
            browser.send_with(&refuse, &[("Host", host), ("Origin", &format!("http://{host}"))]).status,
            403
        );
    }
    for (name, value, status) in [
        ("Origin", "", 403),
        ("Origin", "null", 403),
        ("Origin", "https://evil.example", 403),
        ("Origin", &other_port, 403),
        ("Origin", &format!("{own}.evil.example"), 403),
        ("Origin", &format!("{own}/"), 403),
        ("Sec-Fetch-Site", "cross-site", 403),
        ("Sec-Fetch-Site", "same-site", 403),
        ("Cookie", "", 403),
        ("Cookie", &other_cookie, 403),
        ("Content-Type", "", 415),
        ("Content-Type", "multipart/form-data; boundary=x", 415),
        ("Content-Type", "text/plain", 415),
    ] {
        let refused = browser.send_with(&refuse, &[(name, value)]);
        assert_eq!(refused.status, status, "{name}: {value}: {}", words(&refused));
        assert!(words(&refused).contains("Nothing was decided"), "{}", words(&refused));
    }
    for changed in [("token", ""), ("token", form.digest.as_str()), ("digest", form.token.as_str())] {
        let fields: Vec<_> = refuse
            .iter()
            .map(|(name, value)| if *name == changed.0 { changed } else { (*name, *value) })
            .collect();
        assert_eq!(browser.send_with(&fields, &[]).status, 403, "{changed:?}");
    }
    let long = "x".repeat(64 * 1024);
    assert_eq!(browser.send(&form, &[("act", "refuse"), ("why", &long)]).status, 413);
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let refused = ask(port, method, &browser.path, &[("Origin", &own)], b"");
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, POST")), "{method}");
    }
    assert_eq!(ask(port, "POST", "/mcp", &[], b"{}").status, 404, "it serves nothing else");
    // None of it decided anything, and the page's own form does.
    let decided = browser.send_with(&refuse, &[("Sec-Fetch-Site", "")]);
    assert_eq!(decided.status, 303, "{}", words(&decided));
    let localhost = format!("localhost:{port}");
    let shown = ask(port, "GET", &browser.path, &[("Host", &localhost)], b"");
    assert!(words(&shown).contains("Decided: refused"), "{}", words(&shown));
    let log = agent.server.finish();
    assert!(log.contains("refused at /approve: not called as this page is"), "{log}");
}

#[test]
fn a_second_tab_is_told_that_it_is_out_of_date_and_the_agent_reads_why() {
    let scene = Scene::new(RULES);
    let mut agent = Agent::of(&scene);
    let told = agent.propose("+12025550123", "Hello");
    let (mut one, mut two) = (Browser::at(address(&told)), Browser::at(address(&told)));
    let (first, second) = (one.open(), two.open());
    assert_ne!(first.token, second.token, "each browser has its own");
    assert_eq!(one.send_with(&second.with(&[("act", "refuse")]), &[]).status, 403, "it is the other one's");
    let two_lines = one.send(&first, &[("act", "refuse"), ("why", "too\nlong")]);
    assert!(words(&two_lines).contains("on one line"), "{}", words(&two_lines));
    let why = "<b>not</b> to them";
    assert_eq!(one.send(&first, &[("act", "refuse"), ("why", why)]).status, 303);
    for act in ["signature", "refuse"] {
        let signature = second.signed_by(&scene.alice);
        let late = two.send(&second, &[("act", act), ("signature", &signature)]);
        assert_eq!(late.status, 409, "{}", words(&late));
        let html = words(&late);
        assert!(
            html.contains("This page was out of date.") && html.contains("Nothing was decided now."),
            "{html}"
        );
        assert!(
            html.contains("Decided: refused") && html.contains("&lt;b&gt;not&lt;/b&gt; to them"),
            "{html}"
        );
        assert!(!html.contains("<form"), "{html}");
    }
    let status = agent.call("get_status", &json!({ "id": told["id"] }));
    assert_eq!(status["approval"]["why"], why, "{status}");
    assert_eq!(scene.desk.sent(), [] as [Value; 0]);
    // What its agent took back can be decided by nobody.
    let told = agent.propose("+12025550124", "Hello");
    let mut tab = Browser::at(address(&told));
    let form = tab.open();
    agent.call("cancel_sms", &json!({ "id": told["id"] }));
    assert_eq!(tab.send(&form, &[("act", "refuse")]).status, 409);
    assert!(tab.get().1.contains("Nobody can decide this any more"));
}

pub fn propose_at(server: &HttpServer, headers: &[(&str, &str)], to: &str) -> Value {
    let told = call_as(server, headers, "send_sms", &json!({ "to": to, "message": "Hello" }));
    assert_eq!(told["status"], "approval_required", "{told}");
    told
}

#[test]
fn one_time_codes_count_where_agents_are_somebody_else_and_are_bounded() {
    let scene = Scene::new(&format!("{WITH_TOKEN}{RULES}"));
    let bob = with_codes(&scene.desk, "bob", Some("alice"));
    let server = scene.desk.http(|_| {});
    let told = propose_at(&server, &[BEARER], "+12025550123");
    let mut browser = Browser::at(address(&told));
    assert_eq!(browser.port, server.port);
    let form = browser.open();
    let right = code(&bob);
    let wrong = if right == "000000" { "111111" } else { "000000" };
    let refused = browser.send(&form, &[("act", "code"), ("code", wrong)]);
    assert_eq!(refused.status, 403, "{}", words(&refused));
    assert!(words(&refused).contains("It counts: 4 more wrong ones"), "{}", words(&refused));
    let spaced = format!(" {} {} ", &right[..3], &right[3..]);
    let done = browser.send(&form, &[("act", "code"), ("approver", "bob"), ("code", &spaced)]);
    assert_eq!(done.status, 303, "{}", words(&done));
    assert!(browser.get().1.contains(" by bob"));
    eventually("it leaves", || scene.desk.sent().len() == 1);
    // A code works once, and there are only so many tries.
    let told = propose_at(&server, &[BEARER], "+12025550124");
    let mut browser = Browser::at(address(&told));
    let form = browser.open();
    let again = browser.send(&form, &[("act", "code"), ("code", &right)]);
    assert!(words(&again).contains("it was used before"), "{}", words(&again));
    let bounded = (0..1_000).any(|_| {
        let refused = browser.send(&form, &[("act", "code"), ("code", wrong)]);
        assert!([403, 429].contains(&refused.status), "{}", words(&refused));
        words(&refused).contains("Too many tries.")
    });
    assert!(bounded);
    // Which keeps nobody out who signs.
    let signature = form.signed_by(&scene.alice);
    let done = browser.send(&form, &[("act", "signature"), ("signature", &signature)]);
    assert_eq!(done.status, 303, "{}", words(&done));
}

#[test]
fn without_a_bearer_token_codes_do_not_count_unless_the_operator_says_so() {
    for (settings, counts) in [(RULES.to_owned(), false), (format!("{RULES}totp = \"accept\"\n"), true)] {
        let scene = Scene::new(&settings);
        let bob = with_codes(&scene.desk, "bob", Some("alice"));
        let server = scene.desk.http(|_| {});
        let told = propose_at(&server, &[], "+12025550123");
        let mut browser = Browser::at(address(&told));
        let form = browser.open();
        assert_eq!(browser.get().1.contains("name=\"code\""), counts);
        let done = browser.send(&form, &[("act", "code"), ("code", &code(&bob))]);
        assert_eq!(done.status, if counts { 303 } else { 403 }, "{}", words(&done));
        server.kill();
    }
}

#[test]
fn a_guessed_address_is_answered_as_an_unknown_one_and_every_answer_is_closed() {
    let scene = Scene::new(RULES);
    let mut agent = Agent::of(&scene);
    let told = agent.propose("+12025550123", "Hello");
    let browser = Browser::at(address(&told));
    let id = told["approval"]["id"].as_str().unwrap();
    let unknown = ask(browser.port, "GET", &format!("/approve/apv_{}", "0".repeat(40)), &[], b"");
    assert_eq!(unknown.status, 404);
    let message = told["id"].as_str().unwrap();
    for guess in [message, &id[..20], &id.to_uppercase(), "%00", "%3Cscript%3E", "apv_", "..%2Fmcp"] {
        for path in [format!("/approve/{guess}"), format!("/approve/{guess}/texts")] {
            let reply = ask(browser.port, "GET", &path, &[], b"");
            assert_eq!((reply.status, words(&reply)), (404, words(&unknown)), "{path}");
        }
    }
    let shown = ask(browser.port, "GET", &browser.path, &[], b"");
    let html = words(&shown);
    let style = STANDARD.encode(Sha256::digest(between(&html, "<style>", "</style>").unwrap()));
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    let texts = ask(browser.port, "GET", &format!("{}/texts", browser.path), &[], b"");
    assert_eq!(texts.header("content-type"), Some("text/plain; charset=utf-8"));
    let method = ask(browser.port, "PUT", &browser.path, &[], b"");
    let host = ask(browser.port, "GET", &browser.path, &[("Host", "evil.example")], b"");
    let form = ask(browser.port, "POST", &browser.path, &[], b"");
    for reply in [unknown, shown, texts, method, host, form] {
        for (name, value) in [
            ("content-security-policy", policy.as_str()),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{name}: {}", reply.head);
        }
        assert!(reply.header("access-control-allow-origin").is_none(), "{}", reply.head);
    }
    assert!(!html.contains("<script") && !html.contains(" style=") && !html.contains("http://"), "{html}");
}

#[test]
fn of_a_bulk_ten_are_shown_with_its_template_and_every_distinct_text_can_be_had() {
    let scene = Scene::new(RULES);
    let mut agent = Agent::of(&scene);
    let recipients: Vec<Value> = (0..14)
        .map(|n| json!({ "to": format!("+120255501{:02}", n + 40), "data": { "name": if n < 9 { "Ann" } else { "Bob" } } }))
        .collect();
    let told = agent.call("send_bulk", &json!({ "recipients": recipients, "message": "Hi {{name}}" }));
    assert_eq!(told["status"], "approval_required", "{told}");
    let mut browser = Browser::at(address(&told));
    let (_, html) = browser.get();
    assert!(html.contains("<h1>May these 14 texts be sent?</h1>"), "{html}");
    assert!(html.contains("10 of 14 messages</h2>") && html.contains("2 different text(s)"), "{html}");
    assert!(html.contains("The template of all") && html.contains(">Hi {{name}}</div>"), "{html}");
    assert_eq!(html.matches("<div class=\"said\"").count(), 11);
    let link = between(&html, "<a href=\"", "\"").unwrap();
    let texts = words(&ask(browser.port, "GET", &format!("/approve/{link}"), &[], b""));
    assert!(texts.contains("2 distinct text(s)"), "{texts}");
    assert!(
        texts.contains("--- 9 message(s)\n| Hi Ann\n") && texts.contains("--- 5 message(s)\n| Hi Bob\n"),
        "{texts}"
    );
    let form = browser.open();
    let signature = form.signed_by(&scene.alice);
    assert_eq!(browser.send(&form, &[("act", "signature"), ("signature", &signature)]).status, 303);
    eventually("all leave", || scene.desk.sent().len() == 14);
}

#[test]
fn the_page_is_where_the_settings_say() {
    // Switched off, or at a port that somebody has: people decide at the command line.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (listen, is_warned) in [("off".to_owned(), false), (format!("127.0.0.1:{port}"), true)] {
        let scene = Scene::new(&format!("{RULES}listen = \"{listen}\"\n"));
        let mut agent = Agent::of(&scene);
        let told = agent.propose("+12025550123", "Hello");
        let decide = told["approval"]["decide"].as_str().unwrap();
        assert!(decide.starts_with("An approver decides sms-mcp approvals approve apv_"), "{decide}");
        let log = agent.server.finish();
        assert_eq!(log.contains("no page for approvals"), is_warned, "{log}");
        assert!(!log.contains("serving the page"), "{log}");
    }
    // Without a rule nothing listens.
    let server = RawStdio::start(&Desk::new(""), Era::Legacy, |_| {});
    assert!(!server.finish().contains("the page"));
    for listen in ["0.0.0.0:0", "192.0.2.1:80", "localhost:1", "8788", ""] {
        let desk = Desk::new(&format!("[approval]\nlisten = \"{listen}\"\n"));
        let ended = desk.run(&["config", "check"]);
        assert_ne!(ended.code, 0, "{listen}");
        assert!(ended.err.contains("approval.listen must be a loopback address"), "{ended:?}");
    }
    // Behind a proxy it is below the public address, and forms come from there.
    let scene = Scene::new(&format!("[http]\npublic_url = \"https://sms.example.com/x/\"\n{RULES}"));
    let server = scene.desk.http(|_| {});
    let told = propose_at(&server, &[], "+12025550123");
    let id = told["approval"]["id"].as_str().unwrap();
    assert_eq!(address(&told), format!("https://sms.example.com/x/approve/{id}"));
    let path = format!("/approve/{id}");
    let host = ("Host", "sms.example.com");
    let shown = ask(server.port, "GET", &path, &[host], b"");
    let cookie = shown.header("set-cookie").unwrap().to_owned();
    assert!(cookie.ends_with("; SameSite=Strict; Secure"), "{cookie}");
    let form = Form::of(&words(&shown));
    let cookie = cookie.split(';').next().map(ToOwned::to_owned);
    let browser = Browser { port: server.port, path, cookie };
    let fields = form.with(&[("act", "refuse")]);
    for (origin, status) in [("http://evil.example", 403), ("https://sms.example.com", 303)] {
        assert_eq!(browser.send_with(&fields, &[host, ("Origin", origin)]).status, status, "{origin}");
    }
}
