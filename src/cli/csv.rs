//! Reads the recipients of a bulk from a CSV file, and refuses one with a line that is in doubt.
//!
//! A forgiving reader is dangerous here: an unclosed quote swallows the rows behind it, and one person gets a
//! text with the number and the name of the next. So quotes stand as RFC 4180 has them, every row has the
//! columns of the header, and what is wrong is an error with its line; rows of other columns are told all at once. Commas, semicolons and tabs part the
//! columns, whichever the header shows; UTF-8 and UTF-16 are read, and what else it may be is named. What the
//! numbers are is the engine's business; [`Sheet`] knows the line that each came from.
//!
//! Source: RFC 4180; what Excel, Numbers and LibreOffice write (byte order marks, `sep=;`).

pub(super) mod consents;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use rows::{Row, Scanner, decode};

use super::gathered::{LISTED, counted, gathered, on_lines};
use crate::engine::contract::Recipient;
use crate::error::{Error, ErrorKind, RefusedRecipient, Result};
use crate::sms::template::Template;
use crate::sms::untrusted;

/// Largest CSV file, in bytes.
const MAX_CSV: u64 = 64 * 1024 * 1024;

/// What may part the columns, the likeliest first.
const DELIMITERS: [char; 3] = [',', ';', '\t'];

/// Fewest digits of a piece of a line inside of quotes that make it look like the number of a row.
const FEWEST_DIGITS: usize = 7;

/// The recipients of a file, and the lines that they came from, 1 for the first.
pub(super) struct Sheet {
    pub(super) recipients: Vec<Recipient>,
    /// The lines of a recipient, as it is written and as the number that it is.
    lines: BTreeMap<String, BTreeSet<u64>>,
    /// The line of each recipient, in their order.
    rows: Vec<u64>,
    empty: Vec<u64>,
}

impl Sheet {
    /// Things to know about the file.
    pub(super) fn note(&self) -> Option<String> {
        let (rows, were) = if self.empty.len() == 1 { ("row", "was") } else { ("rows", "were") };
        (!self.empty.is_empty()).then(|| {
            format!("{} {rows} of nothing {were} left out ({})", self.empty.len(), on_lines(&self.empty))
        })
    }

    /// Says which rows have one number, and whose text it gets: a row of another text is a text that nobody
    /// gets. `number` says which one is written; from then on [`Sheet::gathered`] knows it too.
    pub(super) fn repeated(&mut self, number: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut of: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, recipient) in self.recipients.iter().enumerate() {
            if let Some(number) = number(&recipient.to) {
                of.entry(number).or_default().push(index);
            }
        }
        for (number, rows) in &of {
            let lines = rows.iter().filter_map(|row| self.rows.get(*row).copied());
            self.lines.entry(number.clone()).or_default().extend(lines);
        }
        let mut repeated: Vec<(&String, &Vec<usize>)> =
            of.iter().filter(|(_, rows)| rows.len() > 1).collect();
        repeated.sort_by_key(|(_, rows)| rows.first());
        let mut told: Vec<String> =
            repeated.iter().take(LISTED).filter_map(|(number, rows)| self.told_of(number, rows)).collect();
        if repeated.len() > LISTED {
            told.push(format!("{} more numbers stand in several rows", counted(repeated.len() - LISTED)));
        }
        told
    }

    fn told_of(&self, number: &str, rows: &[usize]) -> Option<String> {
        let lines: Vec<u64> = rows.iter().filter_map(|row| self.rows.get(*row).copied()).collect();
        let mut data =
            rows.iter().filter_map(|row| self.recipients.get(*row)).map(|recipient| &recipient.data);
        let (first, line) = (data.next()?, lines.first()?);
        let gets = if data.all(|other| other == first) {
            "the text once".to_owned()
        } else {
            format!("only the text of line {line}; the others differ")
        };
        Some(format!("{number} stands in {}: it gets {gets}", on_lines(&lines)))
    }

    /// Says of each refused recipient where it stands in the file.
    pub(super) fn with_lines(&self, refused: Vec<RefusedRecipient>) -> Vec<RefusedRecipient> {
        let named = refused.into_iter().map(|refused| match self.lines_of(&refused) {
            found if found.is_empty() => refused,
            found => {
                RefusedRecipient { message: format!("{}: {}", on_lines(&found), refused.message), ..refused }
            }
        });
        named.collect()
    }

    /// Says what is wrong with the refused recipients, once for each kind, with its lines in the file.
    pub(super) fn gathered(&self, refused: &[RefusedRecipient]) -> Vec<RefusedRecipient> {
        gathered(refused, |one| self.lines_of(one))
    }

    fn lines_of(&self, refused: &RefusedRecipient) -> Vec<u64> {
        self.lines.get(&refused.to).into_iter().flatten().copied().collect()
    }
}

/// Reads the recipients: the column `to`, and of the others those that the message names.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] with the file and the line, if it cannot be read as it is meant.
pub(super) fn read(file: &Path, message: &str) -> Result<Sheet> {
    let wrong = |why: String| Error::new(ErrorKind::InvalidArgument, format!("{}: {why}", file.display()));
    let template = Template::parse(message).map_err(|error| wrong(format!("--message: {error}")))?;
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| wrong(error.to_string()))?;
    opened.take(MAX_CSV + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_CSV {
        return Err(wrong(format!("it is larger than {MAX_CSV} bytes, and no more are read")));
    }
    decode(&bytes).and_then(|text| parse(&text, &template)).map_err(wrong)
}

/// What the first line says.
struct Header {
    delimiter: char,
    names: Vec<String>,
    to: usize,
    /// Of the columns that the message names.
    used: BTreeSet<usize>,
}

/// The column that every file of a kind has.
struct Key {
    name: &'static str,
    /// A first line that would do.
    example: &'static str,
}

const TO: Key = Key { name: "to", example: "to,name" };

impl Key {
    fn is(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(self.name)
    }
}

fn is_to(name: &str) -> bool {
    TO.is(name)
}

/// Reads what stands before the rows of a file with this column.
fn begin<'a>(text: &'a str, key: &Key) -> std::result::Result<(Header, Scanner<'a>), String> {
    // Excel's own line before the header.
    let separator = text.get(..4).filter(|start| start.eq_ignore_ascii_case("sep=")).and_then(|_| {
        let (line, rest) = text.split_once('\n')?;
        let mut sign = line.get(4..)?.trim_end_matches('\r').chars();
        Some((sign.next().filter(|_| sign.next().is_none())?, rest))
    });
    let (delimiters, text, line) = match separator {
        Some((sign, rest)) => (vec![sign], rest, 2),
        None => (DELIMITERS.to_vec(), text, 1),
    };
    header((text, line), &delimiters, key)
}

fn parse(text: &str, template: &Template<'_>) -> std::result::Result<Sheet, String> {
    let (header, mut scanner) = begin(text, &TO)?;
    let header = Header { used: used(&header, template)?, ..header };
    let mut sheet =
        Sheet { recipients: Vec::new(), lines: BTreeMap::new(), rows: Vec::new(), empty: Vec::new() };
    let (mut blank, mut ragged) = (Vec::new(), Ragged::default());
    while let Some(row) = scanner.row().map_err(|wrong| ragged.and(&header, wrong))? {
        if row.is_nothing() {
            // Blank lines at the end of a file are nothing to tell.
            if row.is_blank_line() {
                blank.push(row.line)
            } else {
                sheet.empty.extend(blank.drain(..).chain([row.line]))
            }
            continue;
        }
        sheet.empty.append(&mut blank);
        if let Some(wrong) = swallowed(&row) {
            return Err(ragged.and(&header, wrong));
        }
        if row.fields.len() != header.names.len() {
            ragged.add(&row);
            continue;
        }
        let of = |column: usize| row.fields.get(column).map(|field| field.text.clone()).unwrap_or_default();
        let data = header.used.iter().map(|column| {
            let name = header.names.get(*column).map(String::as_str).unwrap_or_default();
            (if *column == header.to { template_name(template) } else { name }.to_owned(), of(*column))
        });
        let recipient = Recipient { to: of(header.to), data: data.collect() };
        sheet.lines.entry(untrusted::escape(&recipient.to)).or_default().insert(row.line);
        sheet.rows.push(row.line);
        sheet.recipients.push(recipient);
    }
    if ragged.0.is_empty() { Ok(sheet) } else { Err(ragged.told(&header).join("; ")) }
}

/// The lines of rows that have other columns than the header, by how many they have.
#[derive(Default)]
struct Ragged(BTreeMap<usize, Vec<u64>>);

impl Ragged {
    fn add(&mut self, row: &Row) {
        self.0.entry(row.fields.len()).or_default().push(row.line);
    }

    /// What is wrong with them, once for each count of columns.
    fn told(&self, header: &Header) -> Vec<String> {
        let columns = header.names.len();
        let parted =
            if header.delimiter == '\t' { "tabs".to_owned() } else { format!("\"{}\"", header.delimiter) };
        let mut told: Vec<String> = self
            .0
            .iter()
            .take(LISTED)
            .map(|(has, found)| {
                let have = if found.len() == 1 { "has" } else { "have" };
                format!(
                    "{} {have} {has} fields, parted by {parted}, and the first line has {columns}",
                    on_lines(found)
                )
            })
            .collect();
        let more: usize = self.0.values().skip(LISTED).map(Vec::len).sum();
        if more > 0 {
            told.push(format!("{} more lines have yet other counts", counted(more)));
        }
        told
    }

    /// The same, and what ended the reading.
    fn and(&self, header: &Header, wrong: String) -> String {
        self.told(header).into_iter().chain([wrong]).collect::<Vec<_>>().join("; ")
    }
}

/// How the message spells the column `to`.
fn template_name<'a>(template: &'a Template<'_>) -> &'a str {
    template.names().find(|name| is_to(name)).unwrap_or("to")
}

/// Reads the header with whichever delimiter shows this column.
fn header<'a>(
    (text, line): (&'a str, u64),
    delimiters: &[char],
    key: &Key,
) -> std::result::Result<(Header, Scanner<'a>), String> {
    let mut found: Vec<(Header, Scanner<'a>)> = Vec::new();
    let (mut shown, mut wrong): (Vec<String>, Option<String>) = (Vec::new(), None);
    for delimiter in delimiters {
        let mut scanner = Scanner::new(text, line, *delimiter);
        let row = loop {
            match scanner.row() {
                Ok(Some(row)) if row.is_blank_line() => {}
                other => break other,
            }
        };
        let names: Vec<String> = match row {
            Ok(row) => row.iter().flat_map(Row::texts).map(str::to_owned).collect(),
            Err(error) => {
                wrong.get_or_insert(error);
                continue;
            }
        };
        match names.iter().filter(|name| key.is(name)).count() {
            0 if names.len() > shown.len() => shown = names,
            0 => {}
            1 => {
                let to = names.iter().position(|name| key.is(name)).unwrap_or_default();
                found.push((Header { delimiter: *delimiter, names, to, used: BTreeSet::new() }, scanner));
            }
            count => return Err(format!("its first line has {count} columns `{}`; leave one", key.name)),
        }
    }
    // A header of one column shows no delimiter, and any will do.
    if found.iter().any(|(header, _)| header.names.len() > 1) {
        found.retain(|(header, _)| header.names.len() > 1);
        if let [(one, _), (other, _), ..] = found.as_slice() {
            return Err(format!(
                "its columns may be parted by {:?} or by {:?}; use one of them in the first line",
                one.delimiter, other.delimiter
            ));
        }
    }
    let names = shown.iter().take(LISTED).map(|name| untrusted::escape(name)).collect::<Vec<_>>().join(", ");
    let missing = match wrong.filter(|_| shown.len() <= 1) {
        Some(wrong) => wrong,
        None if names.is_empty() => {
            format!("its first line has no column `{}`; write one such as {}", key.name, key.example)
        }
        None => format!(
            "its first line has no column `{}`; write one such as {} (it has {names}; commas, semicolons or tabs \
             part columns)",
            key.name, key.example
        ),
    };
    found.into_iter().next().ok_or(missing)
}

/// The columns that the message names.
fn used(header: &Header, template: &Template<'_>) -> std::result::Result<BTreeSet<usize>, String> {
    let mut used = BTreeSet::new();
    for name in template.names() {
        let is_it = |column: &String| column == name || is_to(column) && is_to(name);
        let mut columns =
            header.names.iter().enumerate().filter(|(_, column)| is_it(column)).map(|(index, _)| index);
        let Some(column) = columns.next() else {
            let names = header
                .names
                .iter()
                .take(LISTED)
                .map(|name| untrusted::escape(name))
                .collect::<Vec<_>>()
                .join(", ");
            return Err(format!(
                "the message names {{{{{name}}}}}, and its first line has no column `{name}`; it has {names}"
            ));
        };
        if columns.next().is_some() {
            return Err(format!(
                "its first line has more than one column `{name}`, which the message names; leave one"
            ));
        }
        used.insert(column);
    }
    Ok(used)
}

/// What is wrong with a row that may have swallowed another. Behind it nobody knows what a quote belongs to,
/// so the reading ends there.
fn swallowed(row: &Row) -> Option<String> {
    let (opened, inner) = inner_row(row)?;
    Some(format!(
        "line {inner} looks like a row of its own, and stands in the quotes that open on line {opened}: close \
         them, or take them out; in a file, a text of several lines may hold no phone number"
    ))
}

/// Where a quoted field of several lines may have swallowed a row: the line of its quote, and the line in it
/// that has a number. It is looked for in the field as it stands, with the line breaks at its ends, in every
/// column, and however that line is parted: a row that nobody misses is a person who gets nothing, or
/// another's number.
fn inner_row(row: &Row) -> Option<(u64, u64)> {
    let is_number = |piece: &str| piece.chars().filter(char::is_ascii_digit).count() >= FEWEST_DIGITS;
    for (opened, text) in row.fields.iter().filter_map(|field| field.quoted.as_ref()) {
        let mut lines = text.split('\n').enumerate();
        if !text.contains('\n') {
            continue;
        }
        let found = lines.find(|(number, line)| {
            // What stands before the first line break is the field's own, unless the quote swallowed its
            // neighbours as well.
            let pieces: Vec<&str> = line.split(DELIMITERS).collect();
            let own = usize::from(*number == 0);
            pieces.iter().skip(own).any(|piece| is_number(piece))
                || (*number > 0 && DELIMITERS.iter().any(|delimiter| line.split(*delimiter).any(is_number)))
        });
        if let Some((number, _)) = found {
            return Some((*opened, opened + u64::try_from(number).unwrap_or_default()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number, and what its row says of each column that the message names.
    type Person = (String, Vec<(String, String)>);

    fn sheet(text: &str, message: &str) -> std::result::Result<Vec<Person>, String> {
        let sheet =
            decode(text.as_bytes()).and_then(|text| parse(&text, &Template::parse(message).unwrap()))?;
        Ok(sheet.recipients.into_iter().map(|one| (one.to, one.data.into_iter().collect())).collect())
    }

    fn people(rows: &[(&str, &str)]) -> Vec<Person> {
        rows.iter()
            .map(|(to, name)| ((*to).to_owned(), vec![("name".to_owned(), (*name).to_owned())]))
            .collect()
    }

    const ANN: &str = "+436641234567";
    const BOB: &str = "+436641234568";

    #[test]
    fn an_unclosed_quote_is_an_error_with_its_line_wherever_it_stands() {
        for (text, line) in [
            (format!("to,name\n{ANN},\"Ann\n{BOB},Bob\n"), "opens on line 2 is never closed"),
            (
                format!("to,name\n{ANN},\"Ann\n{BOB},\"Bob\"\n"),
                "opens on line 2 is not closed there: on line 3",
            ),
            (
                format!("to,name\n{ANN},\"Ann\n{BOB},Bob\"\n"),
                "line 3 looks like a row of its own, and stands in the quotes that open on line 2",
            ),
            (
                format!("to,name\r\n{BOB},Bob\r\n{ANN},\"Ann\r\n\r\n{BOB},Bob\r\n+1,\"\r\n"),
                "line 5 looks like a row of its own",
            ),
            (format!("name,to\n\"Ann,{ANN}\nBob\",{BOB}\n"), "line 2 looks like a row of its own"),
            (
                format!("to,name,city\n{ANN},\"Ann,Graz\n{BOB},Bob\",Wien\n"),
                "line 3 looks like a row of its own",
            ),
            (format!("to,name,city\n{ANN},\"Ann\n{BOB},Bob\",Wien\n"), "line 3 looks like a row of its own"),
            (format!("to,name\n{ANN},\"Ann\ntel:{BOB},Bob\"\n"), "line 3 looks like a row of its own"),
            (
                format!("to;name\n{ANN};\"Ann\n4,36642E+11;Bob\n{BOB};\"\n"),
                "line 3 looks like a row of its own",
            ),
            (format!("name,to\nAnn,\"{ANN}\nBob,{BOB}\"\n"), "line 3 looks like a row of its own"),
            // Nothing but a quote before the row that it swallows, other columns, other delimiters, columns
            // that no text names.
            (format!("to,name\n{ANN},\"\n{BOB},\"\n{ANN},Dora\n"), "line 3 looks like a row of its own"),
            (
                format!("to,name,city\n{ANN},Ann,\"\n{BOB},Bob,\"\n{ANN},Cy,Graz\n"),
                "line 3 looks like a row of its own",
            ),
            (
                format!("to,name,note\n{ANN},\"Ann\n{BOB},Bob\nCy\",Dora\n"),
                "line 3 looks like a row of its own",
            ),
            (
                format!("to,name,note\n{ANN},Ann,\"x\n{BOB},Bob\n{ANN},Cy\"\n"),
                "line 3 looks like a row of its own",
            ),
            (format!("to,name\n{ANN},\"Ann\n{BOB},Bob,Wien\"\n"), "line 3 looks like a row of its own"),
            (format!("to,name\n{ANN},\"Ann\n{BOB};Bob\"\n"), "line 3 looks like a row of its own"),
            (format!("to;name\n{ANN};\"Ann\n{BOB},Bob\"\n"), "line 3 looks like a row of its own"),
            (format!("to\tname\n{ANN}\t\"Ann\n{BOB} Bob\"\n"), "line 3 looks like a row of its own"),
            (format!("to,name\n{ANN},\"Ann\n{BOB}\"\n"), "line 3 looks like a row of its own"),
            (
                format!("to,name\n{ANN},\"Ann\nmobile: {BOB} (work phone),Bob\"\n"),
                "line 3 looks like a row of its own",
            ),
            (format!("to,name\n{ANN},An\"n\n"), "line 2 has a quote in the middle of a field"),
            (format!("to,name\n{ANN},\"Ann\" B\n"), "line 2 has text behind a closing quote"),
            (format!("to,\"name\n{ANN},Ann\n"), "opens on line 1 is never closed"),
        ] {
            let error = sheet(&text, "Hi {{name}}").unwrap_err();
            assert!(error.contains(line), "{text}: {error}");
        }
    }

    #[test]
    fn a_field_in_quotes_may_hold_line_breaks_delimiters_and_quotes() {
        let text = format!("to,name\n{ANN} , \"Ann \"\"A\"\",\nMain St 5, 1010 Wien\"  \n\"{BOB}\",Bob\n");
        assert_eq!(
            sheet(&text, "Hi {{name}}").unwrap(),
            people(&[(ANN, "Ann \"A\",\nMain St 5, 1010 Wien"), (BOB, "Bob")])
        );
        let text = format!("name,to\n\"Ann\r\nSmith\",{ANN}\rBob,{BOB}");
        assert_eq!(sheet(&text, "Hi {{name}}").unwrap(), people(&[(ANN, "Ann\nSmith"), (BOB, "Bob")]));
    }

    #[test]
    fn commas_semicolons_and_tabs_are_seen_in_the_header_or_named() {
        let expected = people(&[(ANN, "Ann, A."), (BOB, "Bob")]);
        for text in [
            format!("to;name\n{ANN};Ann, A.\n{BOB};Bob\n"),
            format!("name\tTO\nAnn, A.\t{ANN}\nBob\t{BOB}\n"),
            format!("\u{feff}\"to\";\"name\"\n{ANN};\"Ann, A.\"\n{BOB};Bob"),
            format!("sep=;\r\nto;name\r\n{ANN};Ann, A.\r\n{BOB};Bob\r\n"),
            format!("sep=|\nto|name\n{ANN}|Ann, A.\n{BOB}|Bob\n"),
            format!("\n\nto,name\n{ANN},\"Ann, A.\"\n{BOB},Bob\n"),
        ] {
            assert_eq!(sheet(&text, "Hi {{name}}").unwrap(), expected, "{text}");
        }
        assert_eq!(sheet(&format!("to\n{ANN}\n"), "Hi").unwrap(), [(ANN.to_owned(), Vec::new())]);
        for (text, why) in [
            ("to,a;to\n1,2\n", "parted by ',' or by ';'"),
            ("phone;name\n1;2\n", "no column `to`; write one such as to,name (it has phone, name;"),
            ("to|name\n1|2\n", "no column `to`"),
            ("", "no column `to`"),
            ("to,name,to\n", "2 columns `to`"),
            ("to,name,name\n1,2,3\n", "more than one column `name`"),
            ("to,Name\n1,2\n", "no column `name`; it has to, Name"),
            ("to;name\n1;2\n\n3\n", "line 4 has 1 fields, parted by \";\", and the first line has 2"),
            ("to,name\n1,4,36642E+11\n", "line 2 has 3 fields"),
        ] {
            let error = sheet(text, "Hi {{name}}").unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn rows_of_other_columns_are_told_together_with_what_ends_the_reading() {
        let ragged = format!("to,name\n{ANN}\n{ANN},Ann,Graz\n{BOB},Bob\n{BOB}\n");
        let told = "lines 2 and 5 have 1 fields, parted by \",\", and the first line has 2; line 3 has 3 fields, \
            parted by \",\", and the first line has 2";
        assert_eq!(sheet(&ragged, "Hi").unwrap_err(), told);
        let error = sheet(&format!("{ragged}{ANN},\"Ann\n"), "Hi").unwrap_err();
        assert_eq!(error, format!("{told}; the quote that opens on line 6 is never closed"));
        let many = format!("to,name\n{}", format!("{ANN}\n").repeat(4_010));
        assert!(
            sheet(&many, "Hi")
                .unwrap_err()
                .starts_with("lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 4,000 more")
        );
    }

    #[test]
    fn rows_of_nothing_are_left_out_and_told() {
        let text = format!("to,name\n{ANN},Ann\n,\n\n \t, \"\"\n,,,\n{BOB},Bob\n\n\n");
        let sheet = parse(&text, &Template::parse("Hi").unwrap()).unwrap();
        assert_eq!(sheet.recipients.len(), 2);
        assert_eq!(sheet.note().unwrap(), "4 rows of nothing were left out (lines 3, 4, 5 and 6)");
        let sheet = parse(&format!("to\n{ANN}\n\n"), &Template::parse("Hi").unwrap()).unwrap();
        assert_eq!(sheet.note(), None);
        // A row without a number is no row of nothing.
        let sheet = parse("to,name\n,Ann\n", &Template::parse("Hi").unwrap()).unwrap();
        assert_eq!(sheet.recipients.len(), 1);
    }

    #[test]
    fn rows_of_one_number_are_told_with_their_lines_and_whose_text_it_gets() {
        let text = format!("to,name\n{ANN},Ann\n{BOB},Bob\n\n00{},Anna\n{BOB},Bob\n,Cy\n", &ANN[1..]);
        let mut sheet = parse(&text, &Template::parse("Hi {{name}}").unwrap()).unwrap();
        let number = |to: &str| (!to.is_empty()).then(|| format!("+{}", to.trim_start_matches(['+', '0'])));
        let told = [
            format!("{ANN} stands in lines 2 and 5: it gets only the text of line 2; the others differ"),
            format!("{BOB} stands in lines 3 and 6: it gets the text once"),
        ];
        assert_eq!(sheet.repeated(number), told);
        // Where no placeholder names the column in which they differ, their texts are the same.
        let mut sheet = parse(&text, &Template::parse("Hi").unwrap()).unwrap();
        assert_eq!(
            sheet.repeated(number)[0],
            format!("{ANN} stands in lines 2 and 5: it gets the text once")
        );
        assert!(sheet.repeated(|_| None).is_empty());
    }

    #[test]
    fn utf_16_is_read_and_other_encodings_are_named_with_their_line() {
        let text = format!("to;name\r\n{ANN};J\u{f6}rg \u{1f600}\r\n");
        let expected = people(&[(ANN, "J\u{f6}rg \u{1f600}")]);
        let units = |order: fn(u16) -> [u8; 2]| {
            format!("\u{feff}{text}").encode_utf16().flat_map(order).collect::<Vec<u8>>()
        };
        for bytes in [units(u16::to_le_bytes), units(u16::to_be_bytes), text.clone().into_bytes()] {
            assert_eq!(sheet(&decode(&bytes).unwrap(), "{{name}}").unwrap(), expected);
        }
        for (bytes, why) in [
            (b"to,name\n1,J\xf6rg\n".to_vec(), "line 2 has the byte 0xF6"),
            (b"t\0o\0\n\0".to_vec(), "line 1 has a NUL, so it is perhaps UTF-16"),
            (b"\xff\xfet\0o\0\n\0\x00\xd8".to_vec(), "line 2 is no UTF-16"),
            (b"\xff\xfet\0o\0\n\0\n".to_vec(), "line 2 is no UTF-16"),
            (b"\xff\xfe\0\0t\0\0\0".to_vec(), "UTF-32"),
            (b"PK\x03\x04rest".to_vec(), "workbook"),
        ] {
            let error = decode(&bytes).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
