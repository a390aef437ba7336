//! A value stays in its place, whatever it holds: in each place hostile texts, and what a reader of the request
//! makes of them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;
use crate::provider::generic_http::settings::Outgoing;

/// Texts that mean something elsewhere.
const HOSTILE: [&str; 32] = [
    "",
    ".",
    "..",
    "../x",
    "%2e%2e",
    "%2F",
    "%",
    "%zz",
    "/",
    "//",
    "\\",
    "?",
    "#",
    "a?b=c&d=e#f",
    "&to=+1",
    "=",
    "+",
    " ",
    ";",
    "\"",
    "\",\"to\":\"+1",
    "\\\"",
    "{",
    "}",
    "{to}",
    "{text}{secret}",
    "{{id}}",
    "<",
    "]]>",
    "<to>+1</to>",
    "'&quot;&#0;\u{0}\u{8}\u{b}\u{fffe}\u{ffff}",
    "a\r\nX-Evil: 1\r\n\r\nGET / HTTP/1.1",
];

fn values(text: &str, from: &str) -> Values {
    Values::default()
        .with("to", "+33199000001")
        .with("from", from)
        .with("text", text)
        .with("id", "msg_01")
        .with("secret", "s3cret")
}

fn knows(slot: &str) -> Result<(), String> {
    if ["to", "from", "text", "id", "secret"].contains(&slot) { Ok(()) } else { Err(format!("no {slot}")) }
}

fn shape(settings: Outgoing) -> Shape {
    Shape::of(&settings, &knows, &knows).unwrap()
}

fn body(shape: &Shape, text: &str, from: &str) -> Vec<u8> {
    shape.request(&values(text, from)).unwrap().content().to_vec()
}

/// The address of a request, as the client writes it and as a server reads it.
fn address(shape: &Shape, text: &str, from: &str) -> Result<Url, &'static str> {
    let request = shape.request(&values(text, from)).map_err(|wrong| wrong.why)?;
    let client = crate::provider::rest::Client::at(
        "x",
        "https://sms.example/v1".parse().unwrap(),
        &crate::provider::rest::Settings::default(),
        std::sync::Arc::new(crate::clock::SystemClock),
        crate::provider::generic_http::reading::Words(None),
    );
    Ok(client.unwrap().written(&request).url.parse().unwrap())
}

fn in_json(text: &str, from: &str) {
    let json = r#"{"a":["{to}",{"text":"{text}","from":"x{from}y"}],"n":"{to:int}","l":"{text:list}","secret":"{secret}"}"#;
    let shape = shape(Outgoing { json: Some(json.to_owned()), ..Outgoing::default() });
    let read: Value = serde_json::from_slice(&body(&shape, text, from)).unwrap();
    let expected = serde_json::json!({ "a": ["+33199000001", { "text": text, "from": format!("x{from}y") }],
        "n": 33_199_000_001_u64, "l": [text], "secret": "s3cret" });
    assert_eq!(read, expected);
}

fn in_form(text: &str, from: &str) {
    let form = [("to", "{to}"), ("text", "{text}"), ("from", "x{from}y"), ("secret", "{secret}")];
    let form = form.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let read = body(&shape(Outgoing { form, ..Outgoing::default() }), text, from);
    let read: Vec<(String, String)> = url::form_urlencoded::parse(&read).into_owned().collect();
    let expected = [
        ("from", format!("x{from}y")),
        ("secret", "s3cret".to_owned()),
        ("text", text.to_owned()),
        ("to", "+33199000001".to_owned()),
    ];
    assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value)));
}

fn in_an_address(text: &str, from: &str) {
    let shape = shape(Outgoing {
        method: settings::Method::Get,
        path: "/to/{to}/text/a{text}/end?text={text}&from=x{from}y&fixed=1".to_owned(),
        ..Outgoing::default()
    });
    let url = address(&shape, text, from).unwrap();
    assert_eq!(
        (url.scheme(), url.host_str(), url.port(), url.fragment()),
        ("https", Some("sms.example"), None, None)
    );
    let parts: Vec<String> = url.path_segments().unwrap().map(percent).collect();
    assert_eq!(parts, ["v1", "to", "+33199000001", "text", &format!("a{text}"), "end"], "{url}");
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let expected = [("text", text.to_owned()), ("from", format!("x{from}y")), ("fixed", "1".to_owned())];
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value)), "{url}");
}

/// A part of a path as a server reads it.
fn percent(part: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| std::str::from_utf8(&after[..2]).unwrap());
        octets.push(code.map_or(*first, |code| u8::from_str_radix(code, 16).unwrap()));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(octets).unwrap()
}

fn in_xml(text: &str, from: &str) {
    let shape = shape(Outgoing {
        text: Some("<sms from=\"{from}\"><to>{to}</to><text>{text}</text><k>{secret}</k></sms>".to_owned()),
        content_type: Some("text/xml".to_owned()),
        escape: Escape::Xml,
        ..Outgoing::default()
    });
    let written = String::from_utf8(body(&shape, text, from)).unwrap();
    let read = roxmltree::Document::parse(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
    let root = read.root_element();
    let texts: Vec<(&str, &str)> =
        root.children().map(|child| (child.tag_name().name(), child.text().unwrap_or_default())).collect();
    let taken = |text: &str| -> String {
        let is_taken =
            |c: char| c == '\t' || c == '\n' || c == '\r' || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}');
        text.chars().map(|c| if is_taken(c) { c } else { '\u{fffd}' }).collect()
    };
    assert_eq!(texts, [("to", "+33199000001"), ("text", taken(text).as_str()), ("k", "s3cret")], "{written}");
    assert_eq!(root.attributes().map(|one| one.name()).collect::<Vec<_>>(), ["from"], "{written}");
    assert_eq!(root.attribute("from"), Some(taken(from).as_str()), "{written}");
}

fn in_text(text: &str) {
    let settings = Outgoing { text: Some("{to} {id}\n{text}".to_owned()), ..Outgoing::default() };
    assert_eq!(body(&shape(settings), text, "x"), format!("+33199000001 msg_01\n{text}").into_bytes());
}

#[test]
fn a_hostile_text_stays_in_its_place() {
    for text in HOSTILE {
        for from in HOSTILE {
            in_json(text, from);
            in_form(text, from);
            in_an_address(text, from);
            in_xml(text, from);
            in_text(text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_stays_in_its_place(
        text in "\\PC{0,20}|[\\x00-\\x7f]{0,20}|[.%/?#&=+{}\"'<>\\\\ \r\n]{0,12}",
        from in "[\\x00-\\x7f]{0,12}|[.%/{}<>\"]{0,6}",
    ) {
        in_json(&text, &from);
        in_form(&text, &from);
        in_an_address(&text, &from);
        in_xml(&text, &from);
        in_text(&text);
    }
}

#[test]
fn nothing_but_dots_is_no_part_of_a_path_and_a_header_holds_our_reference_alone() {
    let settings = Outgoing {
        path: "/{from}/x".to_owned(),
        headers: [("X-Ref".to_owned(), "a {id}".to_owned())].into(),
        form: [("a".to_owned(), "{to}{text}".to_owned())].into(),
        ..Outgoing::default()
    };
    let shape = shape(settings);
    for from in ["", ".", "..", "...", "%2e%2E"] {
        // What is written out is no step: `%252e`.
        assert_eq!(shape.request(&values("x", from)).is_ok(), from.starts_with('%'), "{from}");
    }
    let url = address(&shape, "x", "%2e%2E").unwrap();
    assert_eq!(url.path(), "/v1/%252e%252E/x");
    let request = shape.request(&values("a\r\nX-Evil: 1", "x")).unwrap();
    let headers: Vec<(String, String)> = request.shown_headers();
    assert!(headers.contains(&("x-ref".to_owned(), "a msg_01".to_owned())), "{headers:?}");
    assert!(!format!("{headers:?}").contains("Evil"), "{headers:?}");
}

#[test]
fn a_field_whose_value_is_not_there_now_is_left_out_and_nothing_else_is() {
    let knows = |slot: &str| if slot == "callback_url" { Ok(()) } else { knows(slot) };
    let of = |settings: &Outgoing, values: &Values| {
        let shape = Shape::of(settings, &knows, &knows).unwrap();
        String::from_utf8(shape.request(values).unwrap().content().to_vec()).unwrap()
    };
    let json = Outgoing {
        json: Some(r#"{"to":"{to}","t":"{text}","url":"{callback_url}","l":["{callback_url}"]}"#.to_owned()),
        ..Outgoing::default()
    };
    let (without, with) = (values("x", "y"), values("x", "y").with("callback_url", "https://h"));
    assert_eq!(of(&json, &without), r#"{"l":[],"t":"x","to":"+33199000001"}"#);
    assert_eq!(of(&json, &with), r#"{"l":["https://h"],"t":"x","to":"+33199000001","url":"https://h"}"#);
    let form = Outgoing {
        form: [("a", "{to}{text}"), ("u", "{callback_url}?s=1")]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .into(),
        ..Outgoing::default()
    };
    assert_eq!(of(&form, &without), "a=%2B33199000001x");
    assert_eq!(of(&form, &with), "a=%2B33199000001x&u=https%3A%2F%2Fh%3Fs%3D1");
}
