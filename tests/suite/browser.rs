//! The page on which a person decides, in a browser that people use: Chromium, by Debian's packages.
//!
//! `tests/interop/install` gets it. Where it is missing each test says so and passes, unless
//! `SMS_MCP_INTEROP` is `required`, as it is in `.ci/run`. With `BROWSER_PICTURES=FOLDER` each test leaves pictures of
//! what it saw there, to be looked at.
#![cfg(unix)]

mod driver;

use serde_json::{Value, json};
use sms_mcp::access::NAMESPACE;

use self::driver::{Chrome, ENTER, TAB, downloaded};
use crate::approvers::{Scene, code, with_codes};
use crate::page::{Agent, BEARER, RULES, WITH_TOKEN, address, propose_at};
use crate::support::eventually;
use crate::wire::call_as;

/// The numbers that pages are made of: a phone, and a window.
const PHONE: (u32, u32) = (360, 740);
const WINDOW: (u32, u32) = (1_000, 900);

/// Signs what the page asks for, as the person would in a terminal, and pastes it.
fn sign(chrome: &Chrome, scene: &Scene) {
    let challenge = chrome.run("return document.getElementById('challenge').value");
    let signature = scene.alice.sign(NAMESPACE, challenge.as_str().unwrap());
    chrome.fill("#signature", &signature);
}

fn heading(chrome: &Chrome) -> String {
    chrome.text("h1")
}

#[test]
fn an_approver_says_yes_and_no_at_a_desk_and_a_second_tab_is_told() {
    let Some(chrome) = Chrome::start() else { return };
    let scene = Scene::new(RULES);
    let mut agent = Agent::of(&scene);
    let told = agent.propose("+12025550123", "Your table is booked for eight.");
    chrome.open(address(&told));
    assert_eq!(heading(&chrome), "May this text be sent?");
    assert_eq!(chrome.text(".said"), "Your table is booked for eight.");
    chrome.picture("single-light");
    let (first, second) = (chrome.this_tab(), chrome.tab());
    chrome.open(address(&told));
    chrome.to_tab(&first);
    sign(&chrome, &scene);
    chrome.send("button[value=signature]");
    assert_eq!(heading(&chrome), "Decided: approved");
    assert!(chrome.text("#decision").ends_with(" by alice"), "{}", chrome.text("#decision"));
    chrome.picture("decided");
    eventually("it leaves", || scene.desk.sent().len() == 1);
    // Back is no way to what was: nothing is kept of the page.
    chrome.back();
    assert_eq!(chrome.run("return document.forms.length"), 0);
    // The other tab shows what was, and is told so.
    chrome.to_tab(&second);
    assert_eq!(heading(&chrome), "May this text be sent?");
    chrome.fill("#why", "too late");
    chrome.send("button[value=refuse]");
    assert!(chrome.text("[role=alert]").starts_with("This page was out of date."));
    assert_eq!(heading(&chrome), "Decided: approved");
    chrome.picture("stale");
    chrome.is_content("stdio");

    let told = agent.propose("+12025550124", "Hello");
    chrome.open(address(&told));
    chrome.fill("#signature", "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----");
    chrome.send("button[value=signature]");
    assert!(
        chrome.text("[role=alert]").contains("it is no SSH signature"),
        "{}",
        chrome.text("[role=alert]")
    );
    chrome.picture("wrong-proof");
    chrome.fill("#why", "Not to them, please");
    chrome.send("button[value=refuse]");
    assert_eq!(heading(&chrome), "Decided: refused");
    let status = agent.call("get_status", &json!({ "id": told["id"] }));
    assert_eq!(status["approval"]["why"], "Not to them, please", "{status}");
    assert_eq!(scene.desk.sent().len(), 1);
    chrome.open(&address(&told).replace("apv_", "apv_0"));
    assert_eq!(heading(&chrome), "Not found");
    chrome.picture("error");
    chrome.is_content("the rest");
}

#[test]
fn a_code_is_enough_on_a_phone_without_scripts() {
    let Some(chrome) = Chrome::start() else { return };
    let scene = Scene::new(&format!("{WITH_TOKEN}{RULES}"));
    let bob = with_codes(&scene.desk, "bob", Some("alice"));
    let server = scene.desk.http(|_| {});
    chrome.look(PHONE.0, PHONE.1, false);
    chrome.without_scripts(true);
    let told = propose_at(&server, &[BEARER], "+33612345678");
    chrome.open(address(&told));
    chrome.picture("phone-code");
    assert!(chrome.text("dl").contains("Europe/Paris, where it is "), "{}", chrome.text("dl"));
    chrome.fill("#code", &code(&bob));
    chrome.send("button[value=code]");
    assert_eq!(heading(&chrome), "Decided: approved");
    assert!(chrome.text("#decision").ends_with(" by bob"));
    eventually("it leaves", || scene.desk.sent().len() == 1);
    let told = propose_at(&server, &[BEARER], "+12025550124");
    chrome.open(address(&told));
    chrome.send("button[value=refuse]");
    assert_eq!(heading(&chrome), "Decided: refused");
    chrome.is_content("a phone");
}

/// Why a page does not fit, or cannot be read, by what the browser computed: what is wider than the screen, and
/// each text whose colour stands out from what is behind it by less than 4.5 (WCAG 2.2, 1.4.3).
const FAULTS: &str = r"
    const faults = [];
    const wide = document.documentElement.scrollWidth;
    if (wide > innerWidth) faults.push('wider than the screen: ' + wide);
    const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
    const light = (colour) => {
        const [r, g, b] = parts(colour).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (node) => {
        for (; node; node = node.parentElement) {
            const colour = getComputedStyle(node).backgroundColor, [,,, alpha] = parts(colour);
            if (alpha === undefined || alpha === 1) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    for (const node of document.querySelectorAll('body *')) {
        const has = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
        if (!has && !node.matches('input, textarea')) continue;
        const [one, two] = [getComputedStyle(node).color, behind(node)].map(light).sort((a, b) => b - a);
        const ratio = (one + 0.05) / (two + 0.05);
        if (ratio < 4.5) faults.push(`${node.tagName} ${node.className}: ${ratio.toFixed(2)}`);
    }
    for (const node of document.querySelectorAll('button, summary, input:not([type=hidden])')) {
        const { width, height } = node.getBoundingClientRect();
        if (height && height < 44) faults.push(`${node.tagName}: ${height} high`);
    }
    return faults;";

/// Asserts that the page that is open can be read in a window and on a phone, by day and by night, and keeps a
/// picture of each.
fn fits_everywhere(chrome: &Chrome, name: &str) {
    for (shape, (width, height)) in [("window", WINDOW), ("phone", PHONE)] {
        for is_dark in [false, true] {
            chrome.look(width, height, is_dark);
            let time = if is_dark { "dark" } else { "light" };
            chrome.picture(&format!("{name}-{shape}-{time}"));
            assert_eq!(chrome.run(FAULTS), json!([]), "{name}, {shape}, {time}");
        }
    }
}

/// Texts that want to be something else than a text.
fn hostile() -> Vec<String> {
    let signs = "a\u{202e}\u{200b}\u{2066}b\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}";
    vec![
        "<script>window.taken = 1</script><img src=x onerror=\"window.taken = 1\"><style>*{display:none}</style>".into(),
        "</div></figure><h2>Decide</h2><form method=post><input name=code placeholder=\"Your code\">".into(),
        format!("\u{202e}Approved by alice\u{202c}\n\n\n\n\n\n\n\n\n\n{}\u{200f}{signs} p\u{430}ypal.com", " ".repeat(300)),
        "\u{645}\u{631}\u{62d}\u{628}\u{627}\u{60c} \u{645}\u{648}\u{639}\u{62f}\u{643} \u{63a}\u{62f}\u{627}\u{64b} 10:30 (A).".into(),
        "\u{60a8}\u{7684}\u{9a8c}\u{8bc1}\u{7801}\u{662f}\u{ff1a}\u{8bf7}\u{52ff}\u{6cc4}\u{9732}\u{3002}".repeat(20),
        "W".repeat(10_000),
        "\u{fdfd}\u{12031}z\u{35c}\u{361}".repeat(200),
    ]
}

#[test]
fn no_text_is_more_than_a_text_or_leaves_its_frame() {
    let Some(chrome) = Chrome::start() else { return };
    let scene = Scene::new(&format!(
        "[guard]\nmax_segments = 255\nsession_spend = 1000\nday_spend = 1000\nsession_messages = 1000\n\
         day_messages = 1000\n{RULES}"
    ));
    let mut agent = Agent::of(&scene);
    for (text, number) in hostile().iter().zip(100..) {
        let told = agent.propose(&format!("+12025550{number}"), text);
        chrome.look(WINDOW.0, WINDOW.1, false);
        chrome.open(address(&told));
        // Nothing of it became a part of the page.
        let seen = chrome.run(
            "return [window.taken ?? 0, document.scripts.length, document.images.length, document.forms.length, \
             document.styleSheets.length, document.querySelectorAll('h2').length]",
        );
        assert_eq!(seen, json!([0, 0, 0, 2, 1, 2]), "{text}");
        let shown = chrome.run("return document.querySelector('.said').textContent");
        let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        let (shown, text) = (plain(shown.as_str().unwrap()), plain(text));
        assert!(text.len() < 3 || shown.contains(&text[..text.len().min(9_000)]) || shown.contains("U202E"));
        // It is painted in its frame alone, and what stands below it stays where it is read.
        let painted = chrome.run("return getComputedStyle(document.querySelector('.said')).contain");
        assert_eq!(painted, "paint");
        fits_everywhere(&chrome, &format!("hostile-{number}"));
        chrome.is_content(&text);
    }
    // What another sender takes from the direction of letters stays in its own line.
    let told =
        agent.call("send_sms", &json!({ "to": "+33612345678", "message": "Hi", "from": "AC\u{202e}ME" }));
    assert_ne!(told["status"], "approval_required", "no phone shows such a sender: {told}");
}

/// Where the keyboard is: the name of the field or button, and whether that is seen.
const FOCUS: &str = "const at = document.activeElement, style = getComputedStyle(at); \
    return [at.id || at.value || at.getAttribute('href') || at.tagName, style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]";

#[test]
fn the_keyboard_alone_reaches_each_way_to_decide_and_is_seen_where_it_is() {
    let Some(chrome) = Chrome::start() else { return };
    let scene = Scene::new(&format!("{WITH_TOKEN}{RULES}"));
    let bob = with_codes(&scene.desk, "bob", Some("alice"));
    let server = scene.desk.http(|_| {});
    let told = propose_at(&server, &[BEARER], "+12025550123");
    chrome.open(address(&told));
    let mut order = Vec::new();
    for _ in 0..9 {
        chrome.press(&TAB.to_string());
        let focus = chrome.run(FOCUS);
        assert_eq!(focus[1], true, "{focus}");
        order.push(focus[0].as_str().unwrap().to_owned());
    }
    assert_eq!(
        order,
        ["code", "approver", "code", "why", "refuse", "command", "SUMMARY", "signature", "signature"],
        "fields by their ids, buttons by what they do"
    );
    let unnamed = chrome.run(
        "return [...document.querySelectorAll('input:not([type=hidden]), textarea')].filter((field) => \
         !field.labels.length || !field.labels[0].textContent.trim()).length",
    );
    assert_eq!(unnamed, 0);
    chrome.open(address(&told));
    chrome.press(&TAB.to_string());
    chrome.press(&format!("{}{ENTER}", code(&bob)));
    eventually("it is decided", || heading(&chrome) == "Decided: approved");
    let told = propose_at(&server, &[BEARER], "+12025550124");
    chrome.open(address(&told));
    chrome.press(&format!("{TAB}{TAB}{TAB}{TAB}No, thanks{TAB}{ENTER}"));
    eventually("it is decided", || heading(&chrome) == "Decided: refused");
    assert!(chrome.text("#decision").ends_with(": No, thanks"), "{}", chrome.text("#decision"));
    chrome.is_content("the keyboard");
}

#[test]
fn a_bulk_is_looked_at_by_a_sample_and_all_its_texts_are_downloaded() {
    let Some(chrome) = Chrome::start() else { return };
    let scene = Scene::new(&format!("{WITH_TOKEN}[guard]\nbulk_is_marketing_above = 10000\n{RULES}"));
    with_codes(&scene.desk, "bob", Some("alice"));
    let server = scene.desk.http(|_| {});
    let recipients: Vec<Value> = (0..60)
        .map(|n| {
            let name = if n == 41 { "Ann, call +44 20 7946 0000 now" } else { ["Ann", "Bo", "Cem"][n % 3] };
            json!({ "to": format!("+120255501{n:02}"), "data": { "name": name } })
        })
        .collect();
    let bulk = json!({ "recipients": recipients, "message": "Hello {{name}}, the shop opens at nine." });
    let told = call_as(&server, &[BEARER], "send_bulk", &bulk);
    assert_eq!(told["status"], "approval_required", "{told}");
    chrome.open(address(&told));
    assert_eq!(heading(&chrome), "May these 60 texts be sent?");
    assert_eq!(chrome.text("figure .said"), "Hello {{name}}, the shop opens at nine.");
    assert_eq!(chrome.text(".alert"), "1 of 60 have a link or a number to call.");
    let why = chrome.run("return [...document.querySelectorAll('.why')].map((why) => why.textContent)");
    let dangerous = json!("Stands out: a link or a number to call; the longest text");
    assert!(why.as_array().unwrap().contains(&dangerous), "{why}");
    chrome.click("a[href$=texts]");
    let texts = downloaded(&chrome.downloads());
    assert!(
        texts.contains(": 4 distinct text(s)") && texts.contains("--- 20 message(s)\n| Hello Ann,"),
        "{texts}"
    );
    fits_everywhere(&chrome, "bulk");
    chrome.look(PHONE.0, PHONE.1, true);
    chrome.send("button[value=refuse]");
    assert_eq!(heading(&chrome), "Decided: refused");
    fits_everywhere(&chrome, "bulk-decided");
    chrome.is_content("a bulk");
}
