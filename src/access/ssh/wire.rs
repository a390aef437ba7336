//! The octets of SSH: numbers of four octets, strings with their length before them (RFC 4251, section 5).

/// Longest string that is read: a key or signature of RSA with 8192 bits has a seventh of it.
const MOST: usize = 8 * 1024;

/// Reads octets from the front.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// So many octets.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn octet(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        if length > MOST { None } else { self.take(length) }
    }

    /// A number of any length that is not negative (`mpint`), without zeros before it. One that is not
    /// written in the shortest way is nothing.
    pub(super) fn natural(&mut self) -> Option<&'a [u8]> {
        match self.string()? {
            [] => Some(&[]),
            [0, rest @ ..] if rest.first().is_some_and(|first| first & 0x80 != 0) => Some(rest),
            [first, ..] if *first == 0 || first & 0x80 != 0 => None,
            plain => Some(plain),
        }
    }

    /// Whether nothing is left: what follows what was read belongs to nothing.
    pub(super) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

/// Appends a string with its length.
pub(super) fn put_string(into: &mut Vec<u8>, octets: &[u8]) {
    // Nothing that is written is longer than what was read.
    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(octets);
}
