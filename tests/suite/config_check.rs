//! `sms-mcp config check` says what will hold and where it comes from, and finds what would be found too late:
//! by the first text, by the first client, or by the bill.

use serde_json::Value;

use crate::cli::Ended;
use crate::fake::Fake;
use crate::fake::sms_for_ai::{SmsForAi, TOKEN};
use crate::support::Desk;

/// `config check` of these settings, with these variables.
fn check(settings: &str, variables: &[(&str, &str)], more: &[&str]) -> Ended {
    let desk = Desk::new("");
    std::fs::write(desk.config(), settings).unwrap();
    private(&desk);
    let mut command = desk.command();
    command.envs(variables.iter().copied()).args(["config", "check"]).args(more);
    Ended::of(command.stdin(std::process::Stdio::null()).output().unwrap())
}

/// What is in the settings is nobody else's to read, which would be a finding of its own.
fn private(desk: &Desk) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(desk.config(), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// The findings of `config check --json`, each as its level and its setting.
fn findings(ended: &Ended) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = ended.json()["findings"].as_array().unwrap().clone();
    list.iter().map(|finding| (text(&finding["level"]), text(&finding["setting"]))).collect()
}

#[test]
fn each_value_is_told_with_the_source_that_it_comes_from() {
    let settings = "[guard]\nday_spend = 7\nallow_destinations = [\"FR\", \"+4477\"]\n\
        deny_destinations = [\"+33700\"]\n[http]\ntoken = { env = \"CHECK_TOKEN\" }\n\
        public_url = \"https://sms.example.com\"\n[[provider]]\nname = \"mine\"\nkind = \"sandbox\"\n\
        [[provider]]\nkind = \"smpp\"\naddress = \"127.0.0.1:2775\"\nsystem_id = \"acme\"\n\
        password = { env = \"CHECK_PASSWORD\" }\n[[route]]\nto = [\"FR\"]\nproviders = [\"smpp\"]\n\
        [[route]]\nproviders = [\"mine\"]\n";
    let variables = [
        ("CHECK_TOKEN", "canary-0123456789abcdef"),
        ("CHECK_PASSWORD", "canarypw"),
        ("SMS_MCP__GUARD__DAY_MESSAGES", "70"),
    ];
    let told = check(settings, &variables, &[]);
    assert_eq!(told.code, 0, "{told:?}");
    for line in [
        "day 7.00 USD [config.toml:2] and 70 messages [SMS_MCP__GUARD__DAY_MESSAGES]",
        "session 5.00 USD [default] and 200 messages (the day's is less) [default]",
        "total no limit [default]",
        "one number 5 an hour [default] and 20 a day [default]",
        "countries only FR, +4477 [config.toml:3], never +33700 [config.toml:4]",
        "mine (sandbox): nothing leaves this machine [config.toml:8]",
        "smpp [config.toml:11], at 127.0.0.1:2775 [config.toml:13], password in the variable CHECK_PASSWORD",
        "route     FR by smpp [config.toml:16]",
        "every country by mine",
        "0.50 USD a segment where nobody tells a price [default]",
        "127.0.0.1:8787 (with bearer token), where `serve --http` is run [default]",
        "webhook   https://sms.example.com/webhooks/... ",
        "http, over HTTP with the token in the variable CHECK_TOKEN [config.toml:6]",
        "over stdio and by commands",
    ] {
        assert!(told.out.contains(line), "{line}: {}", told.out);
    }
    assert!(!format!("{told:?}").contains("canary"), "{told:?}");
    let nothing = check("", &[], &[]);
    for line in [
        "countries every country [default], none is excluded [default]",
        "sandbox: nothing leaves",
        "webhook   none",
    ] {
        assert!(nothing.out.contains(line), "{line}: {}", nothing.out);
    }
}

#[test]
fn a_script_is_told_all_of_it_and_the_code_says_how_bad_it_is() {
    let fine = check("[guard]\nday_spend = 7\n", &[], &["--json", "--strict"]);
    let told = fine.json();
    assert_eq!((fine.code, &told["usable"]), (0, &Value::Bool(true)), "{fine:?}");
    let held = told["holds"].as_array().unwrap();
    let day = held.iter().find(|part| part["setting"] == "guard.day_spend").unwrap();
    assert_eq!((&day["value"], &day["from"]), (&"7.00".into(), &"config.toml:2".into()));
    for setting in ["config", "ledger.file", "guard.allow_destinations", "http.listen", "provider.0"] {
        assert!(held.iter().any(|part| part["setting"] == setting), "{setting}: {told}");
    }
    assert_eq!(findings(&fine), []);

    let look = "[guard]\nsession_spend = 30\nday_spend = 20\n";
    assert_eq!(check(look, &[], &["--json"]).code, 0, "it can be used");
    let strict = check(look, &[], &["--json", "--strict"]);
    assert_eq!(strict.code, 4, "{strict:?}");
    assert_eq!(findings(&strict), [("warning".to_owned(), "guard.session_spend".to_owned())]);
    assert_eq!(check(look, &[], &["--strict"]).code, 4);

    let refused = check("[guard]\nsession_idle = 30\n", &[], &["--json"]);
    assert_eq!((refused.code, &refused.json()["usable"]), (1, &Value::Bool(false)), "{refused:?}");
    assert!(refused.json()["refused"]["message"].as_str().unwrap().contains("\"30m\""), "{refused:?}");
}

#[test]
fn what_passed_unseen_is_found_at_its_setting() {
    let http = |token: &str| format!("[http]\ntoken = \"{token}\"\n");
    let smpp = "[[provider]]\nkind = \"smpp\"\naddress = \"smsc.example.com:2775\"\nsystem_id = \"acme\"\n\
        password = \"pw7\"\n";
    let a2p = "[[provider]]\nkind = \"a2p_pro\"\nfrom = \"ACME\"\ntoken = \"your-api-key\"\n";
    let phone = "[[provider]]\nkind = \"sms_gateway\"\nbase_url = \"http://192.168.1.20:8080\"\n\
        allow_plain_http = true\nuser = \"u\"\npassword = \"pw7\"\n";
    let euro = "[guard]\ncurrency = \"EUR\"\n";
    let some_rates = format!("{euro}allow_destinations = [\"FR\", \"US\"]\n[rates]\nFR = \"0.06\"\n");
    let all_rates = format!("{euro}allow_destinations = [\"FR\"]\n[rates]\nFR = \"0.06\"\n");
    let mailpro = format!(
        "{euro}[[provider]]\nkind = \"mailpro\"\nid_client = \"7\"\napi_key = \"k7\"\ncredit_worth = 1\n\
         currency = \"CHF\"\n"
    );
    let routes = "[[provider]]\nkind = \"sandbox\"\n[[provider]]\nkind = \"sandbox\"\nname = \"b\"\n\
        [[route]]\nproviders = [\"b\"]\n[[route]]\nto = [\"FR\"]\nproviders = [\"sandbox\"]\n";
    let (error, warning) = ("error", "warning");
    let cases: [(String, &[(&str, &str)]); 19] = [
        (http("x"), &[(error, "http.token")]),
        (http("change-me"), &[(error, "http.token")]),
        (http("only-19-characters-"), &[(warning, "http.token")]),
        (http(&"f00d".repeat(8)), &[]),
        (a2p.to_owned(), &[(error, "provider.0.token")]),
        (smpp.to_owned(), &[(warning, "provider.0.session.tls")]),
        (format!("{smpp}[provider.session]\ntls = true\n"), &[]),
        (smpp.replace("smsc.example.com", "127.0.0.1"), &[]),
        (euro.to_owned(), &[(error, "provider.0")]),
        (some_rates, &[(warning, "provider.0")]),
        (all_rates, &[]),
        (mailpro, &[(warning, "provider.0.currency")]),
        ("[guard]\nsession_messages = 300\n".to_owned(), &[(warning, "guard.session_messages")]),
        ("[guard]\nday_spend = 1\n".to_owned(), &[]),
        ("[http]\npublic_url = \"http://sms.example.com\"\n".to_owned(), &[(warning, "http.public_url")]),
        ("[http]\nallowed_hosts = [\"*.example.com\"]\n".to_owned(), &[(warning, "http.allowed_hosts")]),
        (routes.to_owned(), &[(warning, "route.1")]),
        (phone.to_owned(), &[(warning, "provider.0.allow_plain_http")]),
        (phone.replace("192.168.1.20", "127.0.0.1"), &[]),
    ];
    for (settings, expected) in cases {
        let ended = check(&settings, &[], &["--json"]);
        let expected: Vec<(String, String)> =
            expected.iter().map(|(level, setting)| ((*level).to_owned(), (*setting).to_owned())).collect();
        assert_eq!(findings(&ended), expected, "{settings}: {ended:?}");
        let has_errors = expected.iter().any(|(level, _)| level == "error");
        assert_eq!(
            (ended.code, ended.json()["usable"].as_bool()),
            (i32::from(has_errors), Some(!has_errors))
        );
        let said = check(&settings, &[], &[]);
        assert_eq!(said.out.contains("\n  mend      "), has_errors, "{said:?}");
        assert_eq!(said.out.starts_with("The configuration is fine."), !has_errors, "{said:?}");
    }
}

#[test]
fn a_secret_in_two_places_is_found_and_in_two_forms_of_one_place_refused() {
    let settings = "[http]\ntoken = { env = \"CHECK_TOKEN\" }\n";
    let long = "f00d".repeat(8);
    let both = [("CHECK_TOKEN", long.as_str()), ("SMS_MCP__HTTP__TOKEN", long.as_str())];
    let found = check(settings, &both, &[]);
    assert!(
        found.out.contains("http.token stands in config.toml:2 and in the variable SMS_MCP__HTTP__TOKEN"),
        "{found:?}"
    );
    for (settings, variables) in [
        ("[http]\ntoken = \"canary\"\n", &[("SMS_MCP__HTTP__TOKEN__ENV", "CHECK_TOKEN")][..]),
        ("", &[("SMS_MCP__HTTP__TOKEN", "canary"), ("SMS_MCP__HTTP__TOKEN__FILE", "/run/x")]),
    ] {
        let refused = check(settings, variables, &[]);
        assert!(refused.code == 1 && refused.err.contains("keep one of its forms"), "{refused:?}");
        assert!(!format!("{refused:?}").contains("canary"), "{refused:?}");
    }
    let exclude = check("[http]\ntoken = { env = \"A\", file = \"/x\" }\n", &[], &[]);
    assert!(exclude.code == 1 && exclude.err.contains("exclude each other"), "{exclude:?}");
}

/// What certainly breaks stops every start with the sentence that the check says.
#[test]
fn a_name_that_nobody_can_call_stops_the_start_with_the_sentence_of_the_check() {
    for (settings, sentence) in [
        ("[http]\nallowed_hosts = [\"https://sms.example.com\"]\n", "write \"sms.example.com\""),
        ("[http]\npublic_url = \"sms.example.com\"\n", "write \"https://sms.example.com\""),
        (
            "[[provider]]\nkind = \"sms_for_ai\"\nbase_url = \"http://api.example.com\"\ntoken = \"t7\"\n",
            "must begin with https://",
        ),
    ] {
        let desk = Desk::new(settings);
        for args in [&["config", "check"][..], &["serve"], &["serve", "--http", "127.0.0.1:0"]] {
            let ended = desk.run(args);
            assert!(ended.code == 1 && ended.err.contains(sentence), "{args:?}: {ended:?}");
        }
    }
}

#[test]
fn the_live_check_tells_what_texts_cost_where_the_settings_allow_them() {
    let fake = Fake::start(SmsForAi::default());
    let settings = format!(
        "[guard]\nallow_destinations = [\"FR\", \"US\", \"+44\"]\n[rates]\nUS = \"0.014\"\n[[provider]]\n\
         kind = \"sms_for_ai\"\nbase_url = \"{}/api/v1\"\ntoken = \"{TOKEN}\"\n",
        fake.url()
    );
    let told = check(&settings, &[], &["--live"]);
    assert_eq!(told.code, 0, "{told:?}");
    for line in
        ["price     sms_for_ai: FR 0.065 USD a segment (told by the provider)", "price     sms_for_ai: US "]
    {
        assert!(told.out.contains(line), "{line}: {told:?}");
    }
    assert!(fake.requests().iter().all(|request| request.method == "GET"), "nothing is sent");
    let json = check(&settings, &[], &["--live", "--json"]);
    let live = json.json()["live"].as_array().unwrap().clone();
    assert!(
        live.iter().any(|said| said["destination"] == "FR" && said["price"]["amount"] == "0.065"),
        "{live:?}"
    );
}

/// What is misspelt may be all of a provider, with its key.
#[test]
fn no_error_of_the_settings_quotes_a_text_that_may_be_a_secret() {
    const SECRET: &str = "s3cretsecret";
    let of_vendor = |line: &str| {
        format!("[[provider]]\nkind = \"telnyx\"\napi_key = \"k\"\nfrom = \"+12025550123\"\n{line}\n")
    };
    let of_carrier =
        |line: &str| format!("[[provider]]\nkind = \"smpp\"\nsystem_id = \"a\"\npassword = \"b\"\n{line}\n");
    let list = format!("[{{kind=\"telnyx\", api_key=\"{SECRET}\", from=\"+12025550123\"");
    for (settings, variables) in [
        (String::new(), vec![("SMS_MCP__PROVIDER", list.as_str())]),
        (String::new(), vec![("SMS_MCP__PROVIDER__0", list.as_str())]),
        (String::new(), vec![("SMS_MCP__HTTP", SECRET)]),
        (format!("http = \"{SECRET}\"\n"), vec![]),
        (format!("provider = \"{SECRET}\"\n"), vec![]),
        (format!("provider = [\"{SECRET}\"]\n"), vec![]),
        (format!("[[provider]]\nkind = \"telnyx\"\nhttp = \"{SECRET}\"\n"), vec![]),
        (format!("[http]\nmax_sessions = \"{SECRET}\"\n"), vec![]),
        (of_vendor(&format!("base_url = \"https://u:{SECRET}@exa mple/\"")), vec![]),
        (of_vendor(&format!("base_url = \"u:{SECRET}@example.com:1\"")), vec![]),
        (of_carrier(&format!("address = \"u:{SECRET}@h:1\"")), vec![]),
    ] {
        for json in [&[][..], &["--json"]] {
            let ended = check(&settings, &variables, json);
            assert_eq!(ended.code, 1, "{settings}: {ended:?}");
            assert!(!format!("{ended:?}").contains(SECRET), "{settings} {variables:?}: {ended:?}");
        }
    }
}

#[test]
fn an_error_names_what_was_written_and_what_would_be_right() {
    for (settings, variables, words) in [
        (
            "[provider]\nkind = \"sandbox\"\n",
            &[][..],
            &["config.toml:1:2", "[[provider]]", "two brackets"][..],
        ),
        (
            "[[provider]]\nkind = \"sandbox\"\n[route]\nproviders = [\"sandbox\"]\n",
            &[],
            &[":3:2", "[[route]]"],
        ),
        ("[[guard]]\nday_spend = 1\n", &[], &[":1:3", "[guard]", "one bracket"]),
        ("[[provider]]\noutbox = \"/tmp/x\"\n", &[], &["config.toml:1", "no `kind`", "sandbox, sms_for_ai"]),
        ("[guard]\nsession_idle = 30\n", &[], &[":2:16", "\"30s\"", "\"30m\""]),
        (
            "",
            &[("SMS_MCP__PROVIDER__0__OUTBOX", "/tmp/x")],
            &["SMS_MCP__PROVIDER__0__OUTBOX", "SMS_MCP__PROVIDER__0__KIND=sandbox"],
        ),
        ("", &[("SMS_MCP__PROVIDER__KIND", "sandbox")], &["SMS_MCP__PROVIDER__0__KIND"]),
        (
            "[http]\ntoken = { env = \"CHECK_ABSENT\" }\n",
            &[],
            &["CHECK_ABSENT", "not set", "`sms-mcp config check`", "`env` of the client's entry"],
        ),
    ] {
        let ended = check(settings, variables, &[]);
        assert_eq!(ended.code, 1, "{settings}: {ended:?}");
        for word in words {
            assert!(ended.err.contains(word), "{settings} {variables:?} does not say {word}: {ended:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn an_outbox_that_is_a_file_of_ours_is_refused_before_anything_is_written_there() {
    let desk = Desk::new("");
    assert_eq!(desk.run(&["send", "+12025550123", "Hello"]).code, 0);
    let (ledger, elsewhere) = (desk.ledger(), desk.path().join("elsewhere"));
    std::os::unix::fs::symlink(&ledger, desk.path().join("link")).unwrap();
    std::fs::hard_link(&ledger, desk.path().join("hard")).unwrap();
    std::os::unix::fs::symlink(ledger.parent().unwrap(), &elsewhere).unwrap();
    let beside = |end: &str| format!("{}{end}", ledger.display());
    let inside = |name: &str| desk.path().join(name).display().to_string();
    let through = elsewhere.join(ledger.file_name().unwrap()).display().to_string();
    for outbox in [
        beside(""),
        beside("-wal"),
        beside("-shm"),
        beside(".live/pause"),
        beside(".live/new"),
        inside("link"),
        inside("hard"),
        through.clone(),
        format!("{through}-wal"),
        desk.config().display().to_string(),
    ] {
        let before = std::fs::read(&ledger).unwrap();
        let settings = format!("[[provider]]\nkind = \"sandbox\"\noutbox = '{outbox}'\n");
        std::fs::write(desk.config(), &settings).unwrap();
        let refused = desk.run(&["send", "+12025550123", "Hello"]);
        assert!(
            refused.code == 1
                && refused.err.contains(&outbox)
                && refused.err.contains("name a file of its own"),
            "{outbox}: {refused:?}"
        );
        assert_eq!(std::fs::read(&ledger).unwrap(), before, "{outbox}");
        assert_eq!(std::fs::read_to_string(desk.config()).unwrap(), settings, "{outbox}");
    }
    std::fs::remove_file(inside("hard")).unwrap();
    let fine = inside("ledger.db.outbox");
    std::fs::write(desk.config(), format!("[[provider]]\nkind = \"sandbox\"\noutbox = '{fine}'\n")).unwrap();
    let sent = desk.run(&["send", "+12025550123", "Hello again"]);
    assert_eq!(sent.code, 0, "{sent:?}");
}

#[test]
fn a_port_alone_is_answered_with_the_whole_address() {
    let desk = Desk::new("");
    for listen in ["8787", ":8787"] {
        let ended = desk.run(&["serve", "--http", listen]);
        assert!(ended.code == 1 && ended.err.contains("--http 127.0.0.1:8787"), "{ended:?}");
    }
}

#[test]
fn a_server_refuses_a_principal_that_it_would_not_listen_to() {
    let desk = Desk::new("[http]\ntoken = \"0123456789abcdef0123\"\n");
    for args in [
        &["serve", "--http", "127.0.0.1:0", "--as", "alice"][..],
        &["--as", "alice", "serve"],
        &["--as", "alice"],
    ] {
        let ended = desk.run(args);
        assert!(
            ended.code == 1
                && ended.err.contains("--as is for commands")
                && ended.err.contains("Leave --as out"),
            "{args:?}: {ended:?}"
        );
        assert_eq!(ended.err.contains("token of its own"), args.contains(&"--http"), "{args:?}: {ended:?}");
    }
}
