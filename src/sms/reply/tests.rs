use super::*;

fn said(text: &str) -> Meaning {
    meaning(text, None, &StopWords::default(), &HelpWords::default())
}

#[test]
fn a_word_that_is_the_whole_reply_counts_in_any_case_and_punctuation() {
    for stop in [
        "STOP",
        "stop",
        " Stop. ",
        "\u{201c}STOP!\u{201d}",
        "stop\r\n",
        "S.T.O.P",
        "StopAll",
        "STOP ALL",
        "opt out",
        "OPT-OUT",
        "Unsubscribe",
        "cancel",
        "END",
        "quit!!",
        "Revoke",
        "ARRET",
        "Arr\u{ea}t",
        "ARRE\u{302}T",
        "STOPP",
        "Abmelden",
        "BAJA",
        "sair",
        "\u{421}\u{422}\u{41e}\u{41f}",
        "\u{9000}\u{8ba2}",
        "TD",
        "\u{c218}\u{c2e0}\u{ac70}\u{bd80}",
        "\u{200b}stop\u{200b}",
        "\u{ff33}\u{ff34}\u{ff2f}\u{ff30}",
        "\u{625}\u{644}\u{63a}\u{627}\u{621}",
        "\u{625}\u{64a}\u{642}\u{627}\u{641}",
    ] {
        assert_eq!(said(stop), Meaning::Stop, "{stop:?}");
    }
    for start in ["START", " start. ", "Unstop"] {
        assert_eq!(said(start), Meaning::Start, "{start:?}");
    }
}

#[test]
fn a_word_among_others_is_no_order() {
    for other in [
        "",
        "   ",
        "?",
        "stop by at eight",
        "please do not stop",
        "don't stop",
        "no stop",
        "the end is near",
        "cancel my order",
        "yes",
        "restart",
        "start over",
        "start please",
        "yes start",
        "help",
        "stopping",
        "1",
    ] {
        assert_eq!(said(other), Meaning::Other, "{other:?}");
    }
    assert_eq!(said(&"stop ".repeat(1_000)), Meaning::Other);
}

#[test]
fn an_ordinary_answer_is_no_order_in_any_language() {
    for other in [
        "no",
        "No.",
        "nein",
        "non",
        "n\u{e3}o",
        "nie",
        "\u{43d}\u{435}\u{442}",
        "\u{4e0d}",
        "T",
        "R",
        "N",
        "2",
        "t n",
        "red",
        "para",
        "Para m\u{ed}",
        "\u{111}\u{fa}ng", // Vietnamese: "right".
        "acha",
        "\u{43d}\u{435} \u{43e}\u{442}\u{43c}\u{435}\u{43d}\u{44f}\u{439}",
        "cancela mi pedido",
        "cancelar la cita del lunes",
        "estoy de baja",
        "\u{53d6}\u{6d88}\u{8ba2}\u{5355}", // "cancel the order"
        "\u{8bf7}\u{53d6}\u{6d88}",
        "\u{4e0d}\u{8981}\u{505c}\u{6b62}",
        "cancel please",
        "Cancel 2",
        "end of May",
        "stop at 8",
        "stop me at the 3rd",
        "please don't stop texting",
        "can you stop by?",
        "nonstop",
        "bus stop",
        "Stop sign",
        "the list",
        "do not text me before 8",
        "your text",
        "I will stop",
        "When will this stop",
        "Cancel\nmy order",
        "Cancel\n\nThe appointment on Monday, please",
        "Sent from my iPhone",
        "> STOP",
        "-- \nSTOP",
        "No thanks\n\nSent from my iPhone",
        "On Monday Acme wrote:\nReply STOP to unsubscribe",
        "Please do not\nstop",
        "OK\n\ncancel",
        "\u{1f44d}",
        "\u{fffd}\u{0}",
    ] {
        assert_eq!(said(other), Meaning::Other, "{other:?}");
    }
    for other in ["START\n\nand send me the list", "START\nSTOP", "start stop", "unstop all"] {
        assert_ne!(said(other), Meaning::Start, "{other:?}");
    }
}

#[test]
fn a_stop_is_heard_however_it_is_said() {
    for stop in [
        // Again, spelled out, long, with a figure, with courtesies, copied from the text.
        "STOP STOP",
        "Stop!Stop!!",
        "STOP, UNSUBSCRIBE",
        "cancel cancel",
        "S T O P",
        "s-t-o-p please",
        "STOOOOP",
        "Stoppp!!!",
        "STOP 2",
        "STOP2",
        "stop #1",
        "STOP 36179",
        "STOP au 36179",
        "Stop to 12345",
        "Reply STOP",
        "Re: STOP",
        "please stop",
        "Stop please, thank you",
        "Please stop texting me",
        "stop sms",
        "STOP ALL MESSAGES",
        "opt-out please",
        "Please remove me.",
        "Remove me from your list",
        "please take me off this list",
        "Stop spamming me!!",
        "stop contacting me",
        "Do not text me",
        "DON\u{2019}T TEXT ME",
        "Unsubscribe me please",
        "bitte abmelden",
        "Stop svp",
        "STOP S'IL VOUS PLA\u{ce}T",
        "Baja por favor",
        "\u{441}\u{442}\u{43e}\u{43f} \u{43f}\u{43e}\u{436}\u{430}\u{43b}\u{443}\u{439}\u{441}\u{442}\u{430}",
        "\u{1f6d1}",
        "\u{1f6d1} STOP \u{1f6d1}",
        "\"STOP\"\u{1f621}",
        // Other letters of the same look: mathematical, squared, small capitals, Cyrillic and Greek among
        // Latin.
        "\u{1d412}\u{1d413}\u{1d40e}\u{1d40f}",
        "\u{1f182}\u{1f183}\u{1f17e}\u{1f17f}",
        "\u{24c8}\u{24c9}\u{24c4}\u{24c5}",
        "\u{a731}\u{1d1b}\u{1d0f}\u{1d18}",
        "S\u{422}OP",
        "ST\u{39f}P",
        "S\u{336}T\u{336}O\u{336}P\u{336}",
        "S\u{ad}T\u{200d}O\u{feff}P",
        "\u{202e}STOP\u{202c}",
        "\u{130}PTAL",
        "\u{131}ptal",
        // Points and tatweel.
        "\u{62a}\u{64e}\u{648}\u{64e}\u{642}\u{651}\u{64f}\u{641}",
        "\u{62a}\u{648}\u{642}\u{640}\u{640}\u{640}\u{641}",
        "\u{5d4}\u{5b8}\u{5e1}\u{5b5}\u{5e8}",
        // Chinese.
        "\u{56de}T",
        "\u{56de}\u{590d}TD",
        "\u{8bf7}\u{56de}\u{590d}TD\u{9000}\u{8ba2}",
        "TD\u{9000}\u{8ba2}",
        "T \u{9000}\u{8ba2}",
        "\u{9000}\u{8ba2}\u{3002}",
        "\u{8bf7}\u{9000}\u{8ba2}\u{ff0c}\u{8c22}\u{8c22}",
        "\u{6211}\u{8981}\u{53d6}\u{6d88}\u{8ba2}\u{9605}",
        "\u{62d2}\u{6536}",
        "\u{62d2}\u{6536}R",
        "\u{ff34}\u{ff24}",
        "\u{914d}\u{4fe1}\u{505c}\u{6b62}\u{304a}\u{9858}\u{3044}\u{3057}\u{307e}\u{3059}",
        "\u{505c}\u{6b62}\u{3057}\u{3066}\u{304f}\u{3060}\u{3055}\u{3044}",
        "\u{c911}\u{c9c0}\u{d574}\u{c8fc}\u{c138}\u{c694}",
        "\u{e2b}\u{e22}\u{e38}\u{e14}\u{e04}\u{e23}\u{e31}\u{e1a}",
    ] {
        assert_eq!(said(stop), Meaning::Stop, "{stop:?}");
    }
}

#[test]
fn a_stop_is_heard_beside_what_else_an_angry_person_says() {
    for again in [13, 40, 300] {
        for word in
            ["STOP ", "stop\n", "Stop! ", "please stop\n", "STOP", "\u{1f6d1}", "\u{9000}\u{8ba2}\u{3002}"]
        {
            let reply = word.repeat(again.min(if word == "STOP" { 40 } else { again }));
            assert_eq!(said(&reply), Meaning::Stop, "{word:?} {again} times");
        }
    }
    let heard = "STOPSTOP|\u{1f6d1}\u{1f6d1}|\u{1f6d1}\u{fe0f} please|\u{1f6d1} wrong number|2 STOP|Wrong \
        number please stop|WRONG NUMBER STOP|stop: wrong number|Wrong number. STOP|Wrong number, stop|STOP \
        - wrong number|STOP\nwrong number
        |STOP you have the wrong number|Wrong person!! STOP|Who is this?\nSTOP|who is this\nstop|Wrong \
        number \u{2014} stop|Stop, wrong number|Stop. I am not Ann
        |STOP Ann|STOP - Ann|stop\nann|This is Ann. Stop|Ann here, STOP please|I am not Ann and I never \
        was. Please stop texting me. Who are you?
        |unsubscribe me from this list|remove me from your list|take me off your list|do not text me|do not \
        text me again|don't text me again|Don\u{2019}t text me any more
        |stop contacting me|Please stop texting this number|stop texting me|Stop sending me messages|never \
        text me again|quit texting me|leave me alone
        |Keine weiteren SMS|H\u{f6}r auf|no quiero mas mensajes|n\u{e3}o quero mais receber|n\u{e3}o quero \
        mais receber mensagens|pare de enviar|pare de enviar mensagens
        |\u{43d}\u{435} \u{43f}\u{438}\u{448}\u{438}\u{442}\u{435}|\u{43e}\u{442}\u{43a}\u{430}\u{437}\u{44b}\u{432}\u{430}\u{44e}\u{441}\u{44c}
        |\u{432}\u{456}\u{434}\u{43f}\u{438}\u{441}\u{430}\u{442}\u{438}\u{441}\u{44c}|\u{bb34}\u{b8cc}\u{c218}\u{c2e0}\u{ac70}\u{bd80}|\u{628}\u{646}\u{62f} \u{6a9}\u{631}\u{648}
        |ALTO POR FAVOR|STOP k\u{f6}sz\u{f6}n\u{f6}m|stop pros\u{ed}m|STOP promo|STOP ACME|STOP doesn't \
        work|UNSUBSCRIBE acme news|BAJA ACME|STOPP Acme";
    for reply in heard.split('|').map(str::trim) {
        assert_eq!(said(reply), Meaning::Stop, "{reply:?}");
    }
    let ordinary = "STOP by at eight|STOP BY AT EIGHT|Stop by. At eight|STOP it|STOP IT|Please \
        don't\nstop|please do not, stop|I will be at the bus\nstop|The next stop, Main Street
        |No. Don't stop.|Do not stop!|Yes. Cancel my order.|Hi. Cancel|Stop me if you can, Ann|We stop at \
        8. See you|I never stop. Never!|2 stops|Stopover|The STOP sign is gone|The \u{1f6d1} is red|Wrong \
        number|Any more?|Text me at this number
        |Full stop ahead|I said stop by, not now";
    for reply in ordinary.split('|').map(str::trim) {
        assert_eq!(said(reply), Meaning::Other, "{reply:?}");
    }
    let story = "We walked along the river until somebody shouted from the other side of the bridge, and \
        nobody of us knew what he could mean by that. Stop. Then we went on and had dinner.";
    assert_eq!(said(story), Meaning::Other);
}

#[test]
fn a_signature_below_a_stop_hides_nothing() {
    let signatures = [
        "Sent from my iPhone",
        "Sent from my Galaxy",
        "Get Outlook for iOS",
        "Sent from Yahoo Mail on Android",
        "Von meinem iPhone gesendet",
        "Gesendet mit der Telekom Mail App",
        "Envoy\u{e9} de mon iPhone",
        "Enviado desde mi iPhone",
        "Enviado do meu iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPhone",
        "Skickat fr\u{e5}n min iPhone",
        "Wys\u{142}ane z iPhone'a",
        "\u{41e}\u{442}\u{43f}\u{440}\u{430}\u{432}\u{43b}\u{435}\u{43d}\u{43e} \u{441} iPhone",
        "iPhone'umdan g\u{f6}nderildi",
        "\u{53d1}\u{81ea}\u{6211}\u{7684}iPhone",
        "iPhone\u{304b}\u{3089}\u{9001}\u{4fe1}",
        "\u{646}\u{64f}\u{634}\u{631}\u{62a} \u{645}\u{646} iPhone",
        "-- \nAnn",
        "--\nAnn Miller\nAcme Ltd\n+1 202 555 0123",
        "____\nAnn",
        "> Reply STOP to unsubscribe",
        "On Mon, 23 Nov 2026 Acme wrote:\nYour table is ready",
    ];
    for signature in signatures {
        for word in ["STOP", "Cancel", "\u{9000}\u{8ba2}", "Arr\u{ea}t."] {
            for between in ["\n", "\n\n", "\r\n\r\n"] {
                let reply = format!("{word}{between}{signature}");
                assert_eq!(said(&reply), Meaning::Stop, "{reply:?}");
            }
        }
        assert_eq!(said(&format!("START\n\n{signature}")), Meaning::Start, "{signature:?}");
        assert_eq!(said(&format!("Yes\n\n{signature}")), Meaning::Other, "{signature:?}");
    }
    for reply in [
        "STOP Sent from my iPhone",
        "STOP -- Sent from my iPad",
        "Stop Von meinem iPhone gesendet",
        "STOP\nAnn Miller",
        "STOP\n\nI never asked for this!",
    ] {
        assert_eq!(said(reply), Meaning::Stop, "{reply:?}");
    }
}

#[test]
fn every_word_of_the_lists_is_heard() {
    let lists = [words::PLAIN, words::ALONE];
    for word in lists
        .into_iter()
        .flat_map(|list| list.split(['|', '\n']))
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        assert_eq!(said(word), Meaning::Stop, "{word}");
        assert_eq!(said(&word.to_uppercase()), Meaning::Stop, "{word} in capitals");
    }
    // Those that were asked for by name.
    let asked = "R\u{e9}silier|Abmeldung|Disiscrivi|PARE|Cancela|Detener|Wypisz|Hu\u{1ef7}|Berhenti|Stoppen";
    for word in asked.split('|') {
        assert_eq!(said(word), Meaning::Stop, "{word}");
    }
    for word in [
        "\u{625}\u{644}\u{63a}\u{627}\u{621} \u{627}\u{644}\u{627}\u{634}\u{62a}\u{631}\u{627}\u{643}",
        "\u{623}\u{648}\u{642}\u{641}",
        "\u{644}\u{63a}\u{648}",
        "\u{53d6}\u{6d88}",
        "\u{53d6}\u{6d88}\u{8ba2}\u{9605}",
        "\u{89e3}\u{9664}",
        "\u{d574}\u{c9c0}",
        "\u{c911}\u{c9c0}",
        "\u{41e}\u{442}\u{43f}\u{438}\u{441}\u{43a}\u{430}",
        "\u{41e}\u{442}\u{43c}\u{435}\u{43d}\u{430}",
        "\u{e2b}\u{e22}\u{e38}\u{e14}",
        "\u{e22}\u{e01}\u{e40}\u{e25}\u{e34}\u{e01}",
        "\u{394}\u{3b9}\u{3b1}\u{3ba}\u{3bf}\u{3c0}\u{3ae}",
    ] {
        assert_eq!(said(word), Meaning::Stop, "{word}");
    }
}

#[test]
fn a_word_of_one_country_is_an_order_there_alone() {
    for (word, code) in [
        ("R", 86),
        ("t", 86),
        ("N.", 86),
        ("T\nSent from my iPhone", 86),
        ("\u{ff34}", 86),
        ("RED", 90),
        ("TC", 84),
    ] {
        assert_eq!(
            meaning(word, Some(code), &StopWords::default(), &HelpWords::default()),
            Meaning::Stop,
            "{word}"
        );
        assert_eq!(
            meaning(word, Some(1), &StopWords::default(), &HelpWords::default()),
            Meaning::Other,
            "{word}"
        );
        assert_eq!(said(word), Meaning::Other, "{word}");
    }
    for word in ["Y", "T-shirt", "N or Y", "R u there"] {
        assert_eq!(
            meaning(word, Some(86), &StopWords::default(), &HelpWords::default()),
            Meaning::Other,
            "{word}"
        );
    }
}

#[test]
fn what_the_text_announced_is_an_order_and_what_it_did_not_is_none() {
    let announced = [
        ("T", "Reply T to unsubscribe"),
        ("2", "Sale ends Friday! Reply 2 to opt out."),
        ("2", "Reply 1 for more, 2 to unsubscribe"),
        ("n", "Reply Y to stay or N to opt out"),
        ("END2", "To stop, text END2"),
        ("yes", "Reply with YES to stop these messages"),
        ("T", "\u{3010}Acme\u{3011}\u{60a8}\u{597d}\u{ff0c}\u{56de}T\u{9000}\u{8ba2}"),
        ("N", "\u{62d2}\u{6536}\u{8bf7}\u{56de}\u{590d}N"),
        ("0000", "\u{9000}\u{8ba2}\u{56de}\u{590d}0000"),
        ("nein", "Antworte NEIN zum Abmelden"),
        ("non", "R\u{e9}pondez NON pour STOP"),
        ("2\n\nSent from my iPhone", "Reply 2 to opt out"),
        // A word for help that was announced as the way out is one.
        ("HELP", "For no more texts reply: HELP"),
        ("help", "To opt out, reply HELP"),
        ("SOS", "Reply SOS to cancel texts"),
        ("SOS", "Reply SOS to end all your text messages"),
    ];
    for (reply, text) in announced {
        assert!(is_announced(reply, text), "{reply:?} to {text:?}");
    }
    let not = [
        ("1", "Reply 1 for more, 2 to unsubscribe"),
        ("Y", "Reply Y to stay or N to opt out"),
        ("C", "Reply C to cancel your appointment"),
        ("T", "Reply STOP to unsubscribe"),
        ("1", "Reply 1 to confirm. Reply STOP to unsubscribe"),
        ("1", "Reply 1 to confirm, STOP to unsubscribe"),
        ("8", "We stop at 8"),
        ("", "Reply STOP to unsubscribe"),
        ("start", "Reply START to stop"),
        ("T", ""),
        ("HELP", "Reply STOP to opt out, HELP for help"),
        ("HELP", "To stop texts reply STOP, for help reply HELP"),
        ("SOS", "To stop texts reply STOP, for assistance reply SOS"),
        ("HELP", "STOP to end texts, reply HELP"),
        ("HELP", "Text STOP to cancel texts HELP for info"),
        ("HELP", "Reply HELP if you do not text"),
        ("SOS", "Reply SOS to cancel your appointment, we send texts"),
    ];
    for (reply, text) in not {
        assert!(!is_announced(reply, text), "{reply:?} to {text:?}");
    }
}

#[test]
fn the_operators_words_are_heard_like_ours() {
    let own = StopWords::new(&["Schluss".into(), "genug davon".into(), "\u{4e0d}\u{8981}".into()]).unwrap();
    for reply in [
        "schluss!",
        "SCHLUSS bitte",
        "Genug davon",
        "\u{4e0d}\u{8981}\u{8c22}\u{8c22}",
        "Schluss\n\nVon meinem iPhone gesendet",
    ] {
        assert_eq!(meaning(reply, None, &own, &HelpWords::default()), Meaning::Stop, "{reply:?}");
        assert_eq!(said(reply), Meaning::Other, "{reply:?}");
    }
    assert_eq!(meaning("Schluss mit lustig", None, &own, &HelpWords::default()), Meaning::Other);
    for (wrong, why) in [
        ("", "no letter"),
        ("  - ", "no letter"),
        ("Start", "texts again"),
        (&"x".repeat(65), "longer than 64"),
    ] {
        assert!(StopWords::new(&[wrong.to_owned()]).unwrap_err().contains(why), "{wrong:?}");
    }
    assert!(StopWords::new(&vec!["x".to_owned(); 201]).unwrap_err().contains("at most 200"));
}
