//! A file of a spreadsheet as rows of text: which encoding it is in, where a row ends and where a field does.
//!
//! It knows quotes, line breaks and the sign that parts columns, and nothing of what the columns mean. What it
//! cannot read as RFC 4180 has it is an error with its line, and ends the reading: behind a quote that is not
//! closed nobody knows what is a row.

use std::str::Chars;

/// The text of a file.
pub(super) fn decode(bytes: &[u8]) -> std::result::Result<String, String> {
    const SAVE: &str = "save it as CSV in UTF-8 (in Excel: \"CSV UTF-8\")";
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(format!("it is a workbook of a spreadsheet program, and no CSV; {SAVE}"));
    }
    if bytes.starts_with(b"\xff\xfe\0\0") || bytes.starts_with(b"\0\0\xfe\xff") {
        return Err(format!("it is UTF-32; {SAVE}"));
    }
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
                let (before, rest) = bytes.split_at_checked(error.valid_up_to()).unwrap_or_default();
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                let byte = rest.first().copied().unwrap_or_default();
                format!(
                    "line {line} has the byte 0x{byte:02X}, so it is not UTF-8, and perhaps \
                    Windows-1252 or Latin-1; {SAVE}"
                )
            })?
        }
    };
    match text.find('\0') {
        Some(at) => {
            let line = 1 + text.get(..at).unwrap_or_default().matches('\n').count();
            Err(format!("line {line} has a NUL, so it is perhaps UTF-16 without its byte order mark; {SAVE}"))
        }
        None => Ok(text),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> std::result::Result<String, String> {
    let units = bytes.chunks(2).map(|pair| pair.try_into().map_or(0xd800, unit));
    let mut text = String::with_capacity(bytes.len());
    for c in char::decode_utf16(units) {
        let line = || 1 + text.matches('\n').count();
        let c =
            c.map_err(|_| format!("line {} is no UTF-16, though the file begins with its mark", line()))?;
        text.push(c);
    }
    Ok(text)
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) text: String,
    /// The line on which its quotes open, and all that stands in them.
    pub(super) quoted: Option<(u64, String)>,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) fields: Vec<Field>,
}

impl Row {
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.text.as_str())
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.texts().all(str::is_empty)
    }

    pub(super) fn is_blank_line(&self) -> bool {
        matches!(self.fields.as_slice(), [field] if field.text.is_empty() && field.quoted.is_none())
    }
}

enum End {
    Field,
    Row,
}

/// What of a text was not read yet.
struct Rest<'a>(Chars<'a>);

impl Rest<'_> {
    fn peek(&self) -> Option<char> {
        self.0.clone().next()
    }

    fn next(&mut self) -> Option<char> {
        self.0.next()
    }

    fn next_if(&mut self, is_it: impl Fn(char) -> bool) -> Option<char> {
        self.peek().filter(|c| is_it(*c))?;
        self.next()
    }

    fn next_if_eq(&mut self, c: &char) -> Option<char> {
        self.next_if(|next| next == *c)
    }
}

/// Cuts a text into rows.
pub(super) struct Scanner<'a> {
    rest: Rest<'a>,
    line: u64,
    delimiter: char,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str, line: u64, delimiter: char) -> Self {
        Self { rest: Rest(text.chars()), line, delimiter }
    }

    /// What was not read yet, and the number of its first line.
    pub(super) fn rest(&self) -> (&'a str, u64) {
        (self.rest.0.as_str(), self.line)
    }

    /// The next row, without the space about its fields; `None` at the end of the file.
    pub(super) fn row(&mut self) -> std::result::Result<Option<Row>, String> {
        if self.rest.peek().is_none() {
            return Ok(None);
        }
        let mut row = Row { line: self.line, fields: Vec::new() };
        loop {
            let (field, end) = self.field()?;
            row.fields.push(field);
            if matches!(end, End::Row) {
                return Ok(Some(row));
            }
        }
    }

    fn field(&mut self) -> std::result::Result<(Field, End), String> {
        self.skip_space();
        if self.rest.next_if_eq(&'"').is_some() {
            return self.quoted();
        }
        let (mut text, line) = (String::new(), self.line);
        loop {
            if let Some(end) = self.end() {
                return Ok((Field { text: text.trim().to_owned(), quoted: None }, end));
            }
            match self.rest.next() {
                Some('"') => {
                    return Err(format!(
                        "line {line} has a quote in the middle of a field; put the whole field in quotes, \
                         and double the quotes in it"
                    ));
                }
                Some(c) => text.push(c),
                None => {}
            }
        }
    }

    fn quoted(&mut self) -> std::result::Result<(Field, End), String> {
        let (mut text, opened) = (String::new(), self.line);
        loop {
            match self.rest.next() {
                None => return Err(format!("the quote that opens on line {opened} is never closed")),
                Some('"') if self.rest.next_if_eq(&'"').is_none() => break,
                Some(c @ ('\r' | '\n')) => {
                    self.newline(c);
                    text.push('\n');
                }
                Some(c) => text.push(c),
            }
        }
        self.skip_space();
        let end = self.end().ok_or_else(|| match self.line {
            line if line == opened => {
                format!("line {line} has text behind a closing quote; double the quotes inside of a field")
            }
            line => format!(
                "the quote that opens on line {opened} is not closed there: on line {line} text \
                stands behind the next quote"
            ),
        })?;
        Ok((Field { text: text.trim().to_owned(), quoted: Some((opened, text)) }, end))
    }

    fn skip_space(&mut self) {
        let delimiter = self.delimiter;
        while self.rest.next_if(|c| matches!(c, ' ' | '\t') && c != delimiter).is_some() {}
    }

    /// Takes what ends a field, if that is next.
    fn end(&mut self) -> Option<End> {
        match self.rest.peek() {
            None => Some(End::Row),
            Some(c) if c == self.delimiter => self.rest.next().map(|_| End::Field),
            Some(c @ ('\r' | '\n')) => {
                self.rest.next();
                self.newline(c);
                Some(End::Row)
            }
            Some(_) => None,
        }
    }

    fn newline(&mut self, first: char) {
        if first == '\r' {
            let _ = self.rest.next_if_eq(&'\n');
        }
        self.line += 1;
    }
}
