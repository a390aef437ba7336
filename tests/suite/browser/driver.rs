//! Chromium, driven over the wire of W3C WebDriver, which is plain JSON over HTTP.
//!
//! By hand, on the `reqwest` that is there. Of the libraries for it `fantoccini` brings 22 more packages, among them a
//! second `http` and two of `cookie`; `thirtyfour` has `serde_json` keep the order of fields, in every package
//! that is built with the tests, so that they would try another program than people run.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::carriers::interop::missing;
use crate::support::{LAST_RESORT, eventually, found};

/// What keeps Chromium off every network but this machine's own: it resolves no name, and asks nobody by itself.
const FLAGS: [&str; 22] = [
    "--headless=new",
    "--no-sandbox",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-component-extensions-with-background-pages",
    "--disable-client-side-phishing-detection",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-quic",
    "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication,NetworkTimeServiceQuerying,SafeBrowsing",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
    "--password-store=basic",
];

/// What a page may not do, kept where a test can read it.
const WATCH: &str = "window.violations = []; document.addEventListener('securitypolicyviolation', \
    (event) => window.violations.push(event.violatedDirective + ' ' + event.blockedURI));";

/// One after the other: a browser is heavy, and two cores have enough of one.
static ONE: Mutex<()> = Mutex::new(());

/// A browser with one window, and a folder of its own.
pub struct Chrome {
    driver: Child,
    port: u16,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    session: String,
    folder: tempfile::TempDir,
    _one: MutexGuard<'static, ()>,
}

/// A key that has no character (W3C WebDriver, section 17.4.2).
pub const TAB: char = '\u{e004}';
pub const ENTER: char = '\u{e007}';

impl Chrome {
    /// A new browser; nothing where it is not installed here.
    pub fn start() -> Option<Self> {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", folder.path()).env("XDG_CONFIG_HOME", folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut driver) = command.spawn() else {
            missing("chromium with its driver");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = found("the driver says its port", || {
            let line = lines.next()?.ok()?;
            line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        std::thread::spawn(move || lines.for_each(drop));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(LAST_RESORT).build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let session = String::new();
        let mut chrome = Self { driver, port, http, runtime, session, folder, _one: one };
        let mut args: Vec<String> = FLAGS.iter().map(ToString::to_string).collect();
        args.push(format!("--user-data-dir={}", chrome.folder.path().join("profile").display()));
        let options = json!({ "args": args });
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let asked = json!({ "capabilities": { "alwaysMatch": wanted } });
        let made = chrome.tell(Method::POST, "/session", &asked);
        made["sessionId"].as_str().unwrap().clone_into(&mut chrome.session);
        chrome.dev("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH }));
        let downloads = chrome.downloads();
        std::fs::create_dir(&downloads).unwrap();
        chrome.dev("Browser.setDownloadBehavior", json!({ "behavior": "allow", "downloadPath": downloads }));
        chrome.look(1_000, 900, false);
        Some(chrome)
    }

    /// Where files go that are downloaded.
    pub fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    fn request(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.request(method.clone(), format!("http://127.0.0.1:{}{path}", self.port));
        let request = if method == Method::POST { request.json(body) } else { request };
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            let (status, value) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
            (status, value["value"].clone())
        })
    }

    fn tell(&self, method: Method, path: &str, body: &Value) -> Value {
        let (status, value) = self.request(method.clone(), path, body);
        assert_eq!(status, 200, "{method} {path} {body}: {value}");
        value
    }

    fn post(&self, what: &str, body: &Value) -> Value {
        self.tell(Method::POST, &format!("/session/{}/{what}", self.session), body)
    }

    fn read(&self, what: &str) -> Value {
        self.tell(Method::GET, &format!("/session/{}/{what}", self.session), &Value::Null)
    }

    /// A command of the browser's own (DevTools).
    pub fn dev(&self, command: &str, params: Value) -> Value {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": params }))
    }

    /// A screen of this size, light or dark.
    pub fn look(&self, width: u32, height: u32, is_dark: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.dev("Emulation.setDeviceMetricsOverride", size);
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.dev("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Switches scripts of pages off or on.
    pub fn without_scripts(&self, is_off: bool) {
        self.dev("Emulation.setScriptExecutionDisabled", json!({ "value": is_off }));
    }

    pub fn open(&self, address: &str) {
        self.post("url", &json!({ "url": address }));
    }

    pub fn back(&self) {
        self.post("back", &json!({}));
    }

    /// A new tab, which is in front then.
    pub fn tab(&self) -> String {
        let tab = self.post("window/new", &json!({ "type": "tab" }))["handle"].as_str().unwrap().to_owned();
        self.to_tab(&tab);
        tab
    }

    pub fn this_tab(&self) -> String {
        self.read("window").as_str().unwrap().to_owned()
    }

    pub fn to_tab(&self, tab: &str) {
        self.post("window", &json!({ "handle": tab }));
    }

    /// The element, once it is there: a page may be on its way.
    fn find(&self, css: &str) -> String {
        found(css, || self.look_for(css))
    }

    fn look_for(&self, css: &str) -> Option<String> {
        let asked = json!({ "using": "css selector", "value": css });
        let (status, element) =
            self.request(Method::POST, &format!("/session/{}/element", self.session), &asked);
        // The name of the field is that of section 12.
        let id = element.as_object().filter(|_| status == 200)?.values().next()?;
        id.as_str().map(ToOwned::to_owned)
    }

    /// What a person reads there.
    pub fn text(&self, css: &str) -> String {
        found(css, || {
            let path = format!("/session/{}/element/{}/text", self.session, self.look_for(css)?);
            let (status, text) = self.request(Method::GET, &path, &Value::Null);
            text.as_str().filter(|_| status == 200).map(ToOwned::to_owned)
        })
    }

    pub fn click(&self, css: &str) {
        let element = self.find(css);
        self.post(&format!("element/{element}/click"), &json!({}));
    }

    /// Clicks what sends a form, and waits for the page that comes of it.
    pub fn send(&self, css: &str) {
        self.run("window.isLeft = false");
        self.click(css);
        let is_new = "return window.isLeft === undefined && document.readyState === 'complete'";
        let asked = json!({ "script": is_new, "args": [] });
        let path = format!("/session/{}/execute/sync", self.session);
        eventually("the next page is there", || {
            self.request(Method::POST, &path, &asked) == (200, Value::Bool(true))
        });
    }

    /// Types into a field.
    pub fn fill(&self, css: &str, text: &str) {
        let element = self.find(css);
        self.post(&format!("element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses keys, one after the other, whatever has the focus.
    pub fn press(&self, keys: &str) {
        let mut steps = Vec::new();
        for key in keys.chars() {
            for step in ["keyDown", "keyUp"] {
                steps.push(json!({ "type": step, "value": key.to_string() }));
            }
        }
        self.post("actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": steps }] }));
    }

    /// What a script of ours says in the page.
    pub fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Asserts that the browser had nothing to complain of since the last time: no error, and nothing that the
    /// page's policy forbids.
    pub fn is_content(&self, with: &str) {
        assert_eq!(self.run("return window.violations ?? []"), json!([]), "{with}");
        let log = self.post("se/log", &json!({ "type": "browser" }));
        let said: Vec<&Value> = log.as_array().unwrap().iter().collect();
        // An answer that refuses is told as such by the browser, and is meant.
        let is_meant = |entry: &&&Value| {
            entry["source"] == "network" && entry["message"].as_str().unwrap().contains("/approve/")
        };
        let rest: Vec<_> = said.iter().filter(|entry| !is_meant(entry)).collect();
        assert!(rest.is_empty(), "{with}: {rest:#?}");
    }

    /// Keeps a picture of the page where `BROWSER_PICTURES` names a folder, for somebody who looks at it.
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("BROWSER_PICTURES") else { return };
        let whole = json!({ "captureBeyondViewport": true });
        let png = self.dev("Page.captureScreenshot", whole)["data"].as_str().unwrap().to_owned();
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), STANDARD.decode(png).unwrap())
            .unwrap();
    }
}

impl Drop for Chrome {
    fn drop(&mut self) {
        // A browser whose driver is killed first goes on by itself.
        if !self.session.is_empty() {
            let path = format!("/session/{}", self.session);
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                self.request(Method::DELETE, &path, &Value::Null)
            }));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The text of the one file that is downloaded.
pub fn downloaded(folder: &Path) -> String {
    found("the file is there", || {
        let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let file = files.find(|path| path.extension().is_some_and(|end| end == "txt"))?;
        let mut text = String::new();
        std::fs::File::open(file).ok()?.read_to_string(&mut text).ok()?;
        (!text.is_empty()).then_some(text)
    })
}
