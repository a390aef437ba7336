//! What the house asks of its pages and a machine can see: README, CHANGELOG, CONTRIBUTING and `docs/`. The
//! words themselves are read by `.ci/run spelling`, the links and snippets by `documents`.

use std::collections::BTreeSet;
use std::path::Path;

/// Most words of a sentence.
const MOST_WORDS: usize = 45;

/// Pages that are not held to it: what they say of a module or of a version is a list.
const LISTS: [&str; 2] = ["docs/ARCHITECTURE.md", "CHANGELOG.md"];

/// Words that tell readers how hard something is to them.
const CONDESCENDING: [&str; 6] = ["simply", "easily", "obviously", "of course", "basically", "trivially"];

/// A page by its name, in parts.
struct Page {
    name: String,
    /// The headings, with their marks.
    headings: Vec<String>,
    /// Paragraphs, points of lists and cells of tables, each in one line, without what is in backticks.
    parts: Vec<String>,
    /// The rows of each table.
    tables: Vec<Vec<String>>,
    is_open: bool,
}

/// What stands in backticks is no prose.
fn without_code(line: &str) -> String {
    line.split('`').enumerate().map(|(at, part)| if at % 2 == 0 { part } else { "X" }).collect()
}

/// The text of a point of a list; nothing for another line.
fn point(line: &str) -> Option<&str> {
    line.strip_prefix("- ").or_else(|| {
        let (number, text) = line.split_once(". ")?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)
    })
}

/// The cells of a row of a table. A bar in backticks parts cells as well, unless it is escaped.
fn cells(row: &str) -> Vec<String> {
    let row = row.replace("\\|", "/");
    row.trim().trim_matches('|').split('|').map(|cell| without_code(cell.trim())).collect()
}

impl Page {
    fn read(name: &str, text: &str) -> Self {
        let mut page = Self {
            name: name.to_owned(),
            headings: Vec::new(),
            parts: Vec::new(),
            tables: Vec::new(),
            is_open: false,
        };
        let (mut paragraph, mut table) = (String::new(), Vec::new());
        for line in text.lines().chain([""]) {
            let line = line.trim();
            if line.starts_with("```") {
                page.is_open = !page.is_open;
            }
            let is_text = !(page.is_open || line.starts_with("```") || line.starts_with('#'));
            if is_text && line.starts_with('|') {
                table.push(line.to_owned());
                page.parts.extend(cells(line));
                continue;
            }
            if !table.is_empty() {
                page.tables.push(std::mem::take(&mut table));
            }
            if line.starts_with('#') && !page.is_open {
                page.headings.push(line.to_owned());
            }
            let begins = is_text.then(|| point(line)).flatten();
            if !is_text || line.is_empty() || begins.is_some() {
                page.parts.push(without_code(&std::mem::take(&mut paragraph)));
            }
            if is_text {
                paragraph = format!("{paragraph} {}", begins.unwrap_or(line)).trim().to_owned();
            }
        }
        page
    }

    /// The sentences of each part.
    fn sentences(&self) -> Vec<String> {
        let mut found = vec![String::new()];
        for part in &self.parts {
            for word in part.split_whitespace() {
                let sentence = found.last_mut().unwrap();
                *sentence = format!("{sentence} {word}").trim().to_owned();
                if word.trim_end_matches(['*', ')', '"']).ends_with(['.', '!', '?']) {
                    found.push(String::new());
                }
            }
            found.push(String::new());
        }
        found.retain(|sentence| !sentence.is_empty());
        found
    }

    /// What is wrong with it.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.is_open {
            faults.push("a block that begins with ``` has no end".to_owned());
        }
        let mut seen = BTreeSet::new();
        for heading in &self.headings {
            let title = heading.trim_start_matches('#').trim();
            let first = title.split(' ').next().unwrap();
            if ["It", "This", "That", "These", "Those"].contains(&first) || title.ends_with('.') {
                faults.push(format!("the heading \"{title}\" does not name its subject"));
            }
            // A changelog has the same ones below each version.
            if !seen.insert(title.to_lowercase()) && heading.starts_with("## ") {
                faults.push(format!("two headings are \"{title}\": a link finds the first alone"));
            }
        }
        for table in &self.tables {
            let columns = cells(&table[0]).len();
            for row in table.iter().filter(|row| cells(row).len() != columns) {
                faults
                    .push(format!("a row of a table with {columns} columns has {}: {row}", cells(row).len()));
            }
        }
        for sentence in self.sentences() {
            let words: Vec<&str> = sentence.split(' ').collect();
            if words.len() > MOST_WORDS && !LISTS.contains(&self.name.as_str()) {
                faults.push(format!("a sentence of {} words: {sentence}", words.len()));
            }
            let plain = |word: &str| word.chars().all(char::is_alphabetic) && word != "X";
            for two in words.windows(2).filter(|two| two[0] == two[1] && plain(two[0])) {
                faults.push(format!("\"{} {}\": {sentence}", two[0], two[1]));
            }
            let lower = format!(" {} ", sentence.to_lowercase());
            for word in CONDESCENDING.iter().filter(|word| lower.contains(&format!(" {word} "))) {
                faults.push(format!("\"{word}\": what is so to whom? {sentence}"));
            }
        }
        faults
    }
}

#[test]
fn the_pages_keep_what_the_house_asks_of_its_prose() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.chain(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|name| root.join(name)));
    let (mut faults, mut sentences) = (Vec::new(), 0);
    for path in pages {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        let page = Page::read(&name, &std::fs::read_to_string(&path).unwrap());
        sentences += page.sentences().len();
        faults.extend(page.faults().into_iter().map(|fault| format!("{name}: {fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(sentences > 1_000, "{sentences} sentences were read");
}

#[test]
fn what_the_house_does_not_want_in_its_prose_is_found() {
    let long: String = (0..MOST_WORDS).map(|n| format!("word{n} ")).chain(["end.".to_owned()]).collect();
    for (text, fault) in [
        (long.as_str(), "a sentence of 46 words"),
        ("One line with the\nthe next.", "\"the the\""),
        ("- That is simply so.", "\"simply\""),
        ("| It is | of course so |", "\"of course\""),
        ("## This is it", "does not name its subject"),
        ("# It sends.", "does not name its subject"),
        ("## Sending\n\n## sending", "two headings"),
        ("| a | b |\n|---|---|\n| 1 |", "a row of a table with 2 columns has 1"),
        ("Text\n\n```\ncode", "has no end"),
    ] {
        let faults = Page::read("docs/PAGE.md", text).faults();
        assert!(faults.len() == 1 && faults[0].contains(fault), "{text}: {faults:?}");
    }
    let fine =
        "# Sending\n\nA `simply simply` of code, STOP.\nStop it.\n\n```\nthe the\n```\n\n- one\n- one\n";
    assert_eq!(Page::read("docs/PAGE.md", fine).faults(), Vec::<String>::new());
}
