//! What is wrong with a spreadsheet or with those whom it names, as its owner reads it: once for each kind, with
//! the lines.

use crate::support::{Desk, WIDE, fictional};

const BULK_MAX: &str = "bulk_max = 10000\n";

#[test]
fn a_fault_that_thousands_of_rows_have_is_told_once() {
    let desk = Desk::new(&format!("{WIDE}{BULK_MAX}"));
    let rows: String = (0..4_010).map(|n| format!("66412{n:04}\n")).collect();
    let file = desk.file("people.csv", format!("to\n{}\n{rows}", fictional(1)));
    let ended = desk.run(&["bulk", &file, "--message", "Hello"]);
    assert_eq!(ended.code, 1);
    let lines: Vec<&str> = ended.err.lines().collect();
    assert_eq!(lines.len(), 3, "{ended:?}");
    assert_eq!(lines[0], "error: 4010 of 4011 recipients cannot be taken (recipients_refused)");
    assert!(
        lines[1]
            .starts_with("  lines 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 4,000 more: it has no country code: ")
    );
    assert!(lines[1].ends_with("(invalid_number)"), "{ended:?}");
    // A program gets the first ones, each with its line.
    let json = desk.run(&["bulk", &file, "--message", "Hello", "--json"]).json();
    let refused = json["refused"].as_array().unwrap();
    assert_eq!((refused.len(), refused[99]["to"].as_str()), (100, Some("664120099")));
    assert!(refused[99]["message"].as_str().unwrap().starts_with("line 102: "), "{json}");
    assert!(desk.sent().is_empty());
}

#[test]
fn rows_that_the_ledger_refuses_have_their_lines_however_they_write_their_numbers() {
    let desk = Desk::new(WIDE);
    for n in [1, 3] {
        desk.done(&["opt-out", "add", &fictional(n)]);
    }
    let spaced = |n: usize| format!("0033 {}", &fictional(n)[3..]);
    let file = desk.file("people.csv", format!("to\n{}\n{}\n{}\n12\n", spaced(1), spaced(2), fictional(3)));
    let skipped = desk.done(&["bulk", &file, "--message", "Hello", "--on-invalid", "skip"]);
    for part in [
        "  not taken: line 5: \"12\" ",
        "  not taken: lines 2 and 4: it asked for no more texts (opted_out)\n",
    ] {
        assert!(skipped.out.contains(part), "{part}: {skipped:?}");
    }
    assert_eq!(desk.sent().len(), 1);
    // Later there is no file, and they are named.
    let bulk = skipped.out.split(':').next().unwrap();
    let status = desk.done(&["status", bulk]).out;
    let named = format!(
        "  not taken: {} and {}: it asked for no more texts (opted_out)\n",
        fictional(1),
        fictional(3)
    );
    assert!(status.contains(&named), "{status}");
}

#[test]
fn values_that_leave_a_gap_are_told_once_and_rows_of_other_columns_all_at_once() {
    let desk = Desk::new(WIDE);
    let file = desk
        .file("people.csv", format!("to,name\n{},\n{},Bob\n{},\n", fictional(1), fictional(2), fictional(3)));
    let ended = desk.run(&["bulk", &file, "--message", "Hi {{name}}"]);
    let lines: Vec<&str> = ended.err.lines().collect();
    assert!(lines[0].ends_with("placeholders in 2 places (invalid_argument)"), "{ended:?}");
    assert!(lines[1].starts_with("  lines 2 and 4: the value of \"name\" is \"\""), "{ended:?}");
    assert_eq!(lines.len(), 3, "{ended:?}");
    let file = desk.file("ragged.csv", format!("to,name\n{0}\n{0},Ann\n{0}\n{0},Ann,Graz\n", fictional(1)));
    let ended = desk.run(&["bulk", &file, "--message", "Hi {{name}}"]);
    assert!(
        ended.err.contains("lines 2 and 4 have 1 fields") && ended.err.contains("; line 5 has 3 fields"),
        "{ended:?}"
    );
    assert!(desk.sent().is_empty());
}

#[test]
fn those_named_twice_are_listed_up_to_a_limit() {
    let desk = Desk::new(WIDE);
    let twice: String = (0..30).map(|n| format!("{0}\n{0}\n", fictional(n))).collect();
    let file = desk.file("people.csv", format!("to\n{twice}"));
    let quote = desk.done(&["bulk", &file, "--message", "Hello", "--dry-run"]).out;
    assert!(quote.contains("named twice, sent once: ") && quote.contains(" and 20 more\n"), "{quote}");
}
