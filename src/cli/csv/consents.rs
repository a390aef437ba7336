//! Reads a file of consents: every row as it is meant, or none.
//!
//! The text of the file is held once, and its rows are cut a part at a time: once to look for what is wrong with
//! any of them, and once more to record them. What was approved is what is recorded, since the file is read once.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::super::gathered::{LISTED, counted, gathered};
use super::rows::{Row, Scanner, decode};
use super::{Key, Ragged, begin, swallowed};
use crate::engine::consents::{Given, NewConsent};
use crate::error::{Error, ErrorKind, RefusedRecipient, Result};
use crate::sms::purpose::Purpose;
use crate::sms::untrusted;

/// Largest file, in bytes: room for more than a million rows.
const MAX_FILE: u64 = 128 * 1024 * 1024;

const NUMBER: Key = Key { name: "number", example: "number,purpose,source,wording,time,expires" };

/// What a row may say. The first are those that it must.
const COLUMNS: [&str; 7] = ["number", "source", "time", "purpose", "status", "wording", "expires"];
const NEEDED: usize = 3;

/// What an export says besides, and nobody can say of himself.
const OF_AN_EXPORT: [&str; 3] = ["recorded", "by", "approver"];

/// Faults that are kept to be told; there may be a million.
const KEPT: usize = 10_000;

/// What came of reading one row: a record, or what is wrong with it.
pub type ReadRow<'a> = dyn Fn(&Given<'_>) -> Result<NewConsent> + Send + Sync + 'a;

/// A file of consents.
pub struct Sheet {
    text: String,
    header: super::Header,
    /// Where each of [`COLUMNS`] stands.
    columns: BTreeMap<&'static str, usize>,
    /// Where the rows begin, and on which line.
    rows: Place,
    digest: [u8; 32],
}

/// How far a file has been read.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: usize,
    line: u64,
}

/// What is in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub given: u64,
    pub withdrawn: u64,
}

impl Sheet {
    /// Reads the file and its first line.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] with the file, and what is wrong.
    pub fn open(file: &Path) -> Result<Self> {
        let wrong = |why: String| invalid(file, why);
        let mut bytes = Vec::new();
        let opened = std::fs::File::open(file).map_err(|error| wrong(error.to_string()))?;
        opened.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
            return Err(wrong(format!("it is larger than {MAX_FILE} bytes, and no more are read")));
        }
        let digest = Sha256::digest(&bytes).into();
        let text = decode(&bytes).map_err(wrong)?;
        drop(bytes);
        Self::of(text, digest).map_err(wrong)
    }

    fn of(text: String, digest: [u8; 32]) -> std::result::Result<Self, String> {
        let (header, scanner) = begin(&text, &NUMBER)?;
        let (rest, line) = scanner.rest();
        let rows = Place { at: text.len() - rest.len(), line };
        let mut columns = BTreeMap::new();
        for (index, name) in header.names.iter().enumerate() {
            let known = COLUMNS.iter().find(|column| column.eq_ignore_ascii_case(name));
            match known {
                Some(column) if columns.insert(*column, index).is_some() => {
                    return Err(format!("its first line has more than one column `{column}`; leave one"));
                }
                Some(_) => {}
                None if OF_AN_EXPORT.iter().any(|column| column.eq_ignore_ascii_case(name)) => {}
                None => {
                    let shown = untrusted::escape(name);
                    let known = COLUMNS.join(", ");
                    return Err(format!(
                        "its first line has a column `{shown}`, which says nothing here; there are {known}"
                    ));
                }
            }
        }
        if let Some(missing) = COLUMNS.iter().take(NEEDED).find(|column| !columns.contains_key(*column)) {
            return Err(format!(
                "its first line has no column `{missing}`; write one such as {}",
                NUMBER.example
            ));
        }
        Ok(Self { text, header, columns, rows, digest })
    }

    /// A digest of every octet of the file.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Looks at every row. Returns how many there are, and a digest of all that they say as it is read here: whose
    /// number a national one is depends on the settings.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`], with the lines of all that is wrong.
    pub fn check(&self, file: &Path, read: &ReadRow<'_>) -> Result<(Counts, [u8; 32])> {
        let (mut counts, mut faults, mut more) = (Counts::default(), Vec::new(), 0);
        let mut said = Sha256::new();
        let (mut ragged, mut scanner) = (Ragged::default(), self.scanner(self.rows));
        loop {
            let row = match scanner.row() {
                Ok(Some(row)) => row,
                Ok(None) => break,
                Err(wrong) => return Err(invalid(file, ragged.and(&self.header, wrong))),
            };
            if row.is_nothing() {
                continue;
            }
            if let Some(wrong) = swallowed(&row) {
                return Err(invalid(file, ragged.and(&self.header, wrong)));
            }
            if row.fields.len() != self.header.names.len() {
                ragged.add(&row);
                continue;
            }
            match self.read(&row, read) {
                Ok(consent) => {
                    *(if consent.is_given { &mut counts.given } else { &mut counts.withdrawn }) += 1;
                    say(&mut said, &consent);
                }
                Err(_) if faults.len() >= KEPT => more += 1,
                Err(error) => faults.push(RefusedRecipient {
                    to: row.line.to_string(),
                    code: error.kind().to_string(),
                    message: error.message().to_owned(),
                }),
            }
        }
        let mut told = ragged.told(&self.header);
        told.extend(told_of(&faults));
        if more > 0 {
            told.push(format!("{} more lines are wrong", counted(more)));
        }
        if !told.is_empty() {
            return Err(invalid(file, told.join("; ")));
        }
        if counts == Counts::default() {
            return Err(invalid(file, "it has no rows".to_owned()));
        }
        Ok((counts, said.finalize().into()))
    }

    fn scanner(&self, place: Place) -> Scanner<'_> {
        Scanner::new(self.text.get(place.at..).unwrap_or_default(), place.line, self.header.delimiter)
    }

    fn read(&self, row: &Row, read: &ReadRow<'_>) -> Result<NewConsent> {
        let of = |column: &str| {
            let field = self.columns.get(column).and_then(|index| row.fields.get(*index));
            field.map(|field| field.text.as_str()).filter(|text| !text.is_empty())
        };
        let needed = |column: &'static str| {
            of(column).ok_or_else(|| Error::new(ErrorKind::InvalidArgument, format!("`{column}` is empty")))
        };
        let no_word = |column: &str, text: &str, words: &str| {
            let shown = untrusted::escape(text);
            Error::new(ErrorKind::InvalidArgument, format!("`{column}` \"{shown}\" is none of {words}"))
        };
        let purpose = match of("purpose") {
            None => Purpose::Marketing,
            Some(name) => Purpose::from_name(name)
                .ok_or_else(|| no_word("purpose", name, "marketing, transactional"))?,
        };
        let is_given = match of("status") {
            None | Some("given") => true,
            Some("withdrawn") => false,
            Some(other) => return Err(no_word("status", other, "given, withdrawn")),
        };
        read(&Given {
            number: needed("number")?,
            purpose,
            is_given,
            source: needed("source")?,
            wording: of("wording"),
            at: Some(needed("time")?),
            expires: of("expires"),
        })
    }

    /// The rows of a file that was checked, so many at a time, and none at its end.
    pub fn parts(
        self,
        most: usize,
        read: Arc<ReadRow<'static>>,
    ) -> impl FnMut() -> Result<Vec<NewConsent>> + Send + 'static {
        let mut place = self.rows;
        move || {
            let changed = |_| Error::new(ErrorKind::Internal, "a row that was right is wrong by now");
            let mut part = Vec::with_capacity(most);
            let mut scanner = self.scanner(place);
            while part.len() < most
                && let Some(row) = scanner.row().map_err(changed)?
            {
                if !row.is_nothing() {
                    part.push(self.read(&row, &*read)?);
                }
            }
            let (rest, line) = scanner.rest();
            place = Place { at: self.text.len() - rest.len(), line };
            Ok(part)
        }
    }
}

/// Adds all that a record says, each part with its length.
fn say(digest: &mut Sha256, consent: &NewConsent) {
    let NewConsent { number, purpose, is_given, source, wording, at, expires } = consent;
    let [at, expires] = [Some(*at), *expires].map(|at| at.map(|at| at.as_millis().to_string()));
    let has_wording = if wording.is_some() { "1" } else { "0" };
    for part in [
        number.as_str(),
        purpose.as_str(),
        if *is_given { "given" } else { "withdrawn" },
        source,
        has_wording,
        wording.as_deref().unwrap_or_default(),
        at.as_deref().unwrap_or_default(),
        expires.as_deref().unwrap_or_default(),
    ] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
}

/// What is wrong with the rows, once for each kind, with their lines.
fn told_of(faults: &[RefusedRecipient]) -> Vec<String> {
    let lines_of = |fault: &RefusedRecipient| fault.to.parse().into_iter().collect();
    let told = gathered(faults, lines_of).into_iter().take(LISTED + 1);
    told.map(|kind| format!("{}: {}", kind.to, kind.message)).collect()
}

fn invalid(file: &Path, why: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{}: {why}", file.display()))
        .next("Correct the file and run it again. Nothing was recorded.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(given: &Given<'_>) -> Result<NewConsent> {
        given.read(None, crate::app::now())
    }

    fn wrong(text: &str) -> String {
        let file = Path::new("consents.csv");
        let sheet = match Sheet::of(text.to_owned(), [0; 32]) {
            Ok(sheet) => sheet,
            Err(wrong) => return wrong,
        };
        sheet.check(file, &read).unwrap_err().message().to_owned()
    }

    #[test]
    fn every_row_is_read_and_a_part_goes_on_where_the_one_before_ended() {
        let rows = "number;time;source;status;expires;recorded\n+12025550100;2026-01-02;form;;;x\n\n\
                    \"+12025550101\";2026-01-03;\"a \"\"b\"\"\";withdrawn;;\n+12025550102;2026-01-04;form;given;2027-01-01;\n";
        let sheet = Sheet::of(rows.to_owned(), [0; 32]).unwrap();
        let (counts, _) = sheet.check(Path::new("f"), &read).unwrap();
        assert_eq!(counts, Counts { given: 2, withdrawn: 1 });
        let mut parts = sheet.parts(2, Arc::new(read));
        let (one, two, end) = (parts().unwrap(), parts().unwrap(), parts().unwrap());
        assert_eq!((one.len(), two.len(), end.len()), (2, 1, 0));
        assert_eq!((one[1].number.as_str(), one[1].source.as_str()), ("+12025550101", "a \"b\""));
        assert!(!one[1].is_given && two[0].expires.is_some());
    }

    #[test]
    fn the_digest_of_the_rows_is_another_one_where_a_number_is_read_as_somebody_elses() {
        let rows = "number,source,time\n0612345678,form,2026-01-02\n".to_owned();
        let sheet = Sheet::of(rows, [0; 32]).unwrap();
        let digest = |region: &str| {
            let region = region.parse().unwrap();
            let read = |given: &Given<'_>| given.read(Some(region), crate::app::now());
            sheet.check(Path::new("f"), &read).map(|(_, digest)| digest)
        };
        assert_eq!(digest("FR").unwrap(), digest("FR").unwrap());
        assert_ne!(digest("FR").unwrap(), digest("NL").unwrap());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_lines_and_first_lines_with_what_they_lack() {
        for (text, words) in [
            ("to,source,time\n", "no column `number`"),
            ("number,time\n", "no column `source`"),
            ("number,source,time,time\n", "more than one column `time`"),
            ("number,source,time,consent\n", "a column `consent`, which says nothing here"),
            ("number,source,time\n", "it has no rows"),
            ("number,source,time\n12025550100,form,2026-01-02\n", "line 2: "),
            ("number,source,time\n+12025550100,form\n", "line 2 has 2 fields"),
            ("number,source,time\n+12025550100,,2026-01-02\n", "line 2: `source` is empty"),
            ("number,source,time\n+12025550100,\"form,2026-01-02\n", "is never closed"),
            ("number,source,time,status\n+12025550100,form,2026-01-02,yes\n", "`status` \"yes\" is none of"),
            (
                "number,source,time,purpose\n+12025550100,form,2026-01-02,ads\n",
                "`purpose` \"ads\" is none of",
            ),
        ] {
            let told = wrong(text);
            assert!(told.contains(words), "{words}: {told}");
        }
        let told = wrong(
            "number,source,time\n+12025550100,f,never\n+12025550101,f,2026-01-02\n+1202,f,2026-01-02\n",
        );
        assert!(told.contains("line 2: ") && told.contains("line 4: ") && !told.contains("line 3"), "{told}");
    }

    #[test]
    fn a_million_faults_are_counted_and_not_kept() {
        let rows = "12,f,2026-01-02\n".repeat(KEPT + 5);
        let told = wrong(&format!("number,source,time\n{rows}"));
        assert!(told.contains("5 more lines are wrong") && told.len() < 2_000, "{told}");
    }
}
