//! Settings that contradict themselves: each is refused when the settings are read, and the error names the key.

use sms_mcp::provider::settings::Settings as _;

use super::example;

/// The worked example, with each of these pieces replaced.
fn changed(changes: &[(&str, &str)]) -> Result<(), String> {
    let mut text = example("https://sms.gateway.example", "\"x\"");
    for (from, to) in changes {
        assert!(text.contains(from), "the example has no {from}");
        text = text.replace(from, to);
    }
    match toml::from_str(&text.replace("[provider.", "[")) {
        Ok(config) => sms_mcp::provider::generic_http::Config::check(&config),
        Err(error) => Err(error.to_string()),
    }
}

const JSON: &str = "json = '";
const PATH: &str = "path = \"/messages\"";
const AUTH: &str = "type = \"header\"\nname = \"X-Api-Key\"";
const SUCCESS: &str =
    "success = [{ at = \"code\", equals = \"0\" }, { at = \"message.state\", in = [\"queued\", \"sent\"] }]";

#[test]
fn the_example_is_taken_as_it_is() {
    assert_eq!(changed(&[]), Ok(()));
}

#[test]
fn an_address_with_a_secret_a_placeholder_or_a_step_in_it_is_refused() {
    let base = "base_url = \"https://sms.gateway.example/v1\"";
    for (from, to, named) in [
        (base, "base_url = \"\"", "base_url is not set"),
        (base, "base_url = \"https://{to}.example/v1\"", "base_url has a placeholder"),
        (base, "base_url = \"https://me:hunter2@sms.example/v1\"", "no user"),
        (base, "base_url = \"http://sms.gateway.example/v1\"", "must begin with https://"),
        (base, "base_url = \"http://10.0.0.5:8080\"", "allow_plain_http = true"),
        (
            base,
            "base_url = \"http://8.8.8.8\"\nallow_plain_http = true",
            "is no address of a private network",
        ),
        (base, "base_url = \"https://10.0.0.5\"\nallow_plain_http = true", "take allow_plain_http out"),
        (base, "base_url = \"http://u:hunter2@10.0.0.5\"\nallow_plain_http = true", "no user"),
        (PATH, "path = \"https://elsewhere.example/x\"", "send.path must begin with /"),
        (PATH, "path = \"/a/../b\"", "send.path has a part . or .."),
        (PATH, "path = \"/a/%2E%2e/b\"", "send.path has a part . or .."),
        (PATH, "path = \"/a/%2e{to}/b\"", "send.path has a part . or .."),
        (PATH, "path = \"/a#b\"", "send.path has a #"),
        (PATH, "path = \"/a?api_key=hunter2\"", "send.path has the parameter api_key"),
        (PATH, "path = \"/a?Access-Token={id}\"", "send.path has the parameter Access-Token"),
        (PATH, "path = \"/a?{to}=1\"", "send.path has a placeholder in the name"),
        (PATH, "path = \"/a/{callback_url}\"", "send.path has {callback_url}"),
        (PATH, "path = \"/a?x={to:int}\"", "send.path has :int or :list"),
        (PATH, "path = \"/a?x={tо}\"", "no placeholder"),
        (PATH, "path = \"/a?x={vendor_id}\"", "{vendor_id}, which is not known before"),
        (PATH, "path = \"/a?x={secret}\"", "{secret}, which stands in a body alone"),
    ] {
        let why = changed(&[(from, to)]).unwrap_err();
        assert!(why.contains(named) && !why.contains("hunter2"), "{to}: {why}");
    }
    for right in [
        "base_url = \"http://10.0.0.5:8080\"\nallow_plain_http = true",
        "base_url = \"http://[fd00::1]\"\nallow_plain_http = true",
        "base_url = \"http://127.0.0.1:13013\"",
    ] {
        assert_eq!(changed(&[(base, right)]), Ok(()), "{right}");
    }
}

#[test]
fn a_body_in_which_a_value_could_not_stay_is_refused() {
    let text = example("https://sms.gateway.example", "\"x\"");
    let json = text.lines().find(|line| line.starts_with(JSON)).unwrap();
    let headers = "headers = { X-Request-Ref = \"{id}\" }";
    for (from, to, named) in [
        (json, "", "send has no body"),
        (json, "json = '{'", "send.json is no JSON"),
        (json, "json = '{\"to\": \"{to}\"}'", "no place for {text}"),
        (json, "json = '{\"text\": \"{text}\"}'", "no place for {to}"),
        (json, "json = '{\"{to}\": \"{text}\"}'", "name of a member"),
        (json, "json = '{\"to\": \"+{to:int}\", \"text\": \"{text}\"}'", "send.json has :int"),
        (json, "json = '{\"to\": \"{to}\", \"text\": \"{text:int}\"}'", "send.json has {text:int}"),
        (
            json,
            "json = '{\"to\": \"{to}\", \"text\": \"{text}\"}'\nform = { a = \"b\" }",
            "more than one of form",
        ),
        (json, "method = \"GET\"\njson = '{\"to\": \"{to}\", \"text\": \"{text}\"}'", "send.method is GET"),
        (json, "text = '<a>{text}</a>{to}'", "send.text without send.escape"),
        (json, "text = '{to}{from}{text}'", "send.text without send.escape"),
        (json, "text = '{text}{to}{text}'", "send.text without send.escape"),
        (json, "text = '{to} {text}'\ncontent_type = \"text/xml\"", "send.escape must be \"xml\""),
        (json, "text = '{to} {text}'\ncontent_type = \"a\\nb\"", "send.content_type"),
        (json, &format!("{json}\nescape = \"xml\""), "send.content_type and send.escape"),
        (json, &format!("{json}\ntype_gsm = \"0\""), "set together"),
        (json, &format!("{json}\ntype_gsm = \"0\"\ntype_unicode = \"1\""), "no placeholder {type}"),
        (json, &json.replace("{id}", "{type}"), "send.type_gsm and send.type_unicode are not set"),
        (json, &format!("{json}\nnumber_format = \"e164\""), "send.number_format"),
        ("max_chars = 1600", "max_chars = 0", "send.max_chars is 0"),
        (
            json,
            &format!(
                "{}\nnumber_format = \"zeros\"",
                json.replace("\"to\": \"{to}\"", "\"to\": \"{to:int}\"")
            ),
            "send.number_format is \"zeros\"",
        ),
        (json, &json.replace("{from}", "{from:int}"), "from must be a number without zeros before it"),
        (headers, "headers = { X-Text = \"{text}\" }", "{id} is the one placeholder of a header"),
        (headers, "headers = { Authorization = \"x\" }", "send.headers.Authorization cannot be set"),
        (headers, "headers = { Host = \"x\" }", "send.headers.Host cannot be set"),
        (headers, "headers = { \"a b\" = \"x\" }", "no name of a header"),
        (headers, "headers = { A = \"x\\r\\nB: y\" }", "no value of a header"),
        ("from = \"ACME\"\n", "", "from is not set"),
        ("from = \"ACME\"\n", "from = \"a&b\"\n", "from must be"),
        (json, &json.replace("{from}", "us"), "from is set, and send has no place"),
        (
            "from = \"ACME\"\n",
            "from = \"ACME\"\nvalues = { x = \"1\" }\n",
            "values.x is set, and no placeholder",
        ),
        ("from = \"ACME\"\n", "from = \"ACME\"\nvalues = { to = \"1\" }\n", "values.to has the name"),
        ("from = \"ACME\"\n", "from = \"ACME\"\nvalues = { \"A b\" = \"1\" }\n", "values has a name"),
        ("from = \"ACME\"\n", "from = \"ACME\"\nvalues = { x = \"\" }\n", "values.x is empty"),
        ("max_chars = 1600", "max_character = 1600", "unknown field `max_character`"),
    ] {
        let why = changed(&[(from, to)]).unwrap_err();
        assert!(why.contains(named), "{to}: {why}");
    }
}

#[test]
fn a_way_to_show_a_secret_has_its_own_settings_and_no_others() {
    let secret = "secret = \"x\"\n";
    for (changes, named) in [
        (vec![(secret, "")], "secret is not set, and auth.type = \"header\""),
        (vec![(AUTH, "type = \"none\"")], "secret or user is set, and auth.type is \"none\""),
        (vec![(AUTH, "type = \"header\"")], "auth.name is not set"),
        (vec![(AUTH, "type = \"query\"")], "auth.name is not set"),
        (vec![(AUTH, "type = \"header\"\nname = \"a b\"")], "auth.name is no name of a header"),
        (vec![(AUTH, "type = \"bearer\"\nname = \"X\"")], "auth.name is for"),
        (vec![(AUTH, "type = \"bearer\"\nscheme = \"a b\"")], "auth.scheme is one word"),
        (vec![(AUTH, "type = \"basic\"\nscheme = \"a\"")], "auth.scheme is for"),
        (vec![(AUTH, "type = \"basic\"")], "user is not set"),
        (vec![(AUTH, "type = \"basic\"\nuser_name = \"u\"")], "auth.user_name is for"),
        (vec![(secret, "secret = \"x\"\nuser = \"u\"\n")], "user is set, and auth does not show it"),
        (
            vec![
                (AUTH, "type = \"query\"\nname = \"k\"\nuser_name = \"k\""),
                (secret, "secret = \"x\"\nuser = \"u\"\n"),
            ],
            "the same as",
        ),
        (vec![(AUTH, "type = \"body\"")], "no place for {secret}"),
        (
            vec![(AUTH, "type = \"body\""), ("\"ref\": \"{id}\"", "\"ref\": \"{secret}\"")],
            "which has no body",
        ),
        (vec![(AUTH, "type = \"digest\"")], "unknown variant `digest`"),
    ] {
        let why = changed(&changes).unwrap_err();
        assert!(why.contains(named), "{changes:?}: {why}");
    }
}

#[test]
fn an_answer_that_says_nothing_or_two_things_is_refused() {
    let price = "price = \"message.price\"\nprice_currency = \"message.currency\"\n";
    for (changes, named) in [
        (
            vec![(SUCCESS, ""), ("id = \"message.id\"\nsegments", "segments")],
            "answer says nothing of what a success is",
        ),
        (vec![(SUCCESS, "any_2xx = true")], "answer.any_2xx is true, and"),
        (vec![(SUCCESS, "success = [{ at = \"code\" }]")], "answer.success[0] needs one of"),
        (
            vec![(SUCCESS, "success = [{ at = \"a\", equals = \"b\", exists = true }]")],
            "answer.success[0] needs one",
        ),
        (vec![(SUCCESS, "success = [{ at = \"a\", in = [] }]")], "answer.success[0].in"),
        (vec![(SUCCESS, "success = [{ equals = \"b\" }]")], "answer.success[0].at is not set"),
        (
            vec![(SUCCESS, "success = [{ at = \"regex:(\", exists = true }]")],
            "answer.success[0].at has an expression",
        ),
        (
            vec![(SUCCESS, &format!("{SUCCESS}\nstatus = \"200-404\""))],
            "answer.status must lie within 200-299",
        ),
        (vec![(SUCCESS, &format!("{SUCCESS}\nlist = \"regex:x\""))], "answer.list must be a path"),
        (vec![(price, "price_abs = true\n")], "answer.price is not set"),
        (vec![(price, "price = \"p\"\n")], "answer.price is set, and no currency"),
        (vec![(price, &format!("{price}price_scale = \"0\"\n"))], "answer.price_scale is no number"),
        (vec![("becomes = \"not_sent\"", "becomes = \"resend\"")], "answer.rules[2].becomes"),
        (
            vec![("becomes = \"rejected:opted_out\"", "becomes = \"rejected:stop\"")],
            "answer.rules[1].becomes",
        ),
        (
            vec![("currency = \"currency\"\n\n[provider.webhooks]", "\n[provider.webhooks]")],
            "balance.amount is set, and no currency",
        ),
        (vec![("from = \"ACME\"\n", "from = \"ACME\"\ncurrency = \"dollars\"\n")], "currency: "),
        (vec![("path = \"/balance\"\n", "")], "balance.path is not set"),
        (vec![("path = \"/balance\"", "path = \"/balance/{to}\"")], "a message's own"),
        (
            vec![("from = \"ACME\"\n", "from = \"ACME\"\ncheck = { path = \"/x\" }\n")],
            "check is set beside balance",
        ),
    ] {
        let why = changed(&changes).unwrap_err();
        assert!(why.contains(named), "{changes:?}: {why}");
    }
}

#[test]
fn reports_that_nobody_could_believe_or_that_name_no_message_are_refused() {
    let look = example("https://sms.gateway.example", "\"x\"");
    let look = look.split("[provider.status]").nth(1).unwrap().split("\n[provider.balance]").next().unwrap();
    let look = format!("[provider.status]{look}\n");
    let states = "queued = \"sent\"\nsent = \"sent\"\ndelivered = \"delivered\"\nundelivered = \"failed\"\nexpired = \
                  \"expired\"";
    let hook = "webhook_secret = \"canary-gateway-hook-77ab\"\n";
    let hmac = "auth = \"hmac\"\nheader = \"X-Signature\"\nprefix = \"sha256=\"\nsigned = \
                \"{timestamp}.{body}\"\ntimestamp_header = \"X-Timestamp\"";
    let replies = "[provider.replies]\nwhen = [{ at = \"event\", equals = \"text\" }]\nid = \"id\"\nfrom = \"from\"\nto = \
                   \"to\"\ntext = \"text\"\nat = \"at\"\n";
    let receipts_id = "equals = \"report\" }]\nid = \"id\"\n";
    let status = "path = \"/messages/{vendor_id}\"";
    for (changes, named) in [
        (vec![(hook, "")], "webhook_secret is not set"),
        (vec![(hmac, "auth = \"token\"")], "webhook_secret is set, and webhooks.auth = \"token\""),
        (vec![(hook, ""), (hmac, "auth = \"none\"")], "replies is set"),
        (vec![(hook, ""), (hmac, "auth = \"none\""), (replies, ""), (&look, "")], "status is not set"),
        (vec![(hmac, "auth = \"jwt\""), (&look, "")], "does not prove what a report says"),
        (vec![(hmac, "auth = \"basic\"")], "webhooks.user is not set"),
        (vec![(hmac, "auth = \"basic\"\nuser = \"a:b\"")], "webhooks.user is empty, or has a colon"),
        (vec![(hmac, "auth = \"header\"")], "webhooks.header is not set"),
        (
            vec![(hmac, "auth = \"header\"\nheader = \"X\"\nprefix = \"a\"")],
            "webhooks.prefix is set, and is for",
        ),
        (
            vec![(hmac, "auth = \"hmac\"\nheader = \"X\"\nissuer = \"a\"")],
            "webhooks.issuer is set, and is for",
        ),
        (
            vec![(hmac, "auth = \"hmac\"\nheader = \"X\"\nsigned = \"{url}\"")],
            "webhooks.signed has no {body}",
        ),
        (
            vec![(hmac, "auth = \"hmac\"\nheader = \"X\"\nsigned = \"{timestamp}{body}\"")],
            "timestamp_header is not set",
        ),
        (
            vec![(hmac, "auth = \"hmac\"\nheader = \"X\"\ntimestamp_header = \"T\"")],
            "webhooks.signed has no {timestamp}",
        ),
        (
            vec![(hmac, "auth = \"hmac\"\nheader = \"X\"\nsigned = \"{body}{text}\"")],
            "webhooks.signed has {text}",
        ),
        (vec![(hmac, "auth = \"hmac\"\nheader = \"X\"\nmax_age = \"1m\"")], "webhooks.max_age is set"),
        (vec![(hmac, &format!("{hmac}\nanswer_status = 404"))], "webhooks.answer_status is 404"),
        (vec![(hmac, &format!("{hmac}\nanswer_status = 204\nanswer_body = \"OK\""))], "webhooks.answer_body"),
        (vec![(receipts_id, "equals = \"report\" }]\n")], "receipts.id is not set, and answer.id is"),
        (vec![(states, ""), (&look, "")], "states is not set, and receipts is"),
        (vec![(states, "delivered = \"sent_to_phone\"")], "unknown variant `sent_to_phone`"),
        (vec![(states, "DONE = \"delivered\"\ndone = \"failed\"")], "states has done twice"),
        (vec![(states, "")], "states is not set, and status is"),
        (vec![(status, "path = \"/messages\"")], "status.path needs one of {vendor_id}"),
        (vec![(status, "path = \"/messages/{id}/{vendor_id}\"")], "status.path needs one of {vendor_id}"),
        (
            vec![(status, "path = \"/messages/{id}\""), ("to = \"message.to\"\n", "")],
            "status.reference, where the answer has our reference, or status.to",
        ),
        (vec![(status, "path = \"/messages/{vendor_id}/{text}\"")], "not known when a message is looked up"),
        (vec![("state = \"message.state\"\n", "")], "status.state is not set"),
        (vec![("equals = \"text\" }]\nid = \"id\"\n", "equals = \"text\" }]\n")], "replies.id is not set"),
    ] {
        let why = changed(&changes).unwrap_err();
        assert!(why.contains(named), "{changes:?}: {why}");
    }
    // Nobody has told an address, and nothing names the message.
    let bare = [
        (",\"report_to\": \"{callback_url}\"", ""),
        ("id = \"message.id\"\nsegments", "segments"),
        ("equals = \"report\" }]\nid = \"id\"\nreference = \"ref\"\n", "equals = \"report\" }]\n"),
    ];
    let bare = bare.map(|(from, to)| (from.replace(",\"", ", \""), to));
    let bare: Vec<(&str, &str)> = bare.iter().map(|(from, to)| (from.as_str(), *to)).collect();
    let why = changed(&bare).unwrap_err();
    assert!(why.contains("receipts names no message"), "{why}");
}
