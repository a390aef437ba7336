//! `provider try`: shows the request that a text would be, and what an answer to it would mean. It sends
//! nothing, and reads no secret.

use std::path::{Path, PathBuf};

use super::output::print_line;
use super::providers;
use crate::app;
use crate::config::{self, Flags, Sources};
use crate::error::{Error, ErrorKind, Result};

/// Largest file with an answer.
const MOST: u64 = 1024 * 1024;

/// `provider try FILE|NAME [to=...] [from=...] [text=...] [--answer FILE]`.
pub(super) fn run(
    mut flags: Flags,
    target: Option<String>,
    sample: Vec<String>,
    answer: Option<&Path>,
) -> Result<()> {
    let Some(target) = target else {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "`provider try` needs a provider's name or a file",
        )
        .next("For instance: sms-mcp provider try ./gateway.toml --answer ./answer.txt"));
    };
    let is_file = target.ends_with(".toml") || target.contains(['/', '\\']);
    let name = (!is_file).then_some(target.as_str());
    if is_file {
        flags.config = Some(PathBuf::from(&target));
    }
    let settings = config::settings(&Sources::from_process(flags))?;
    let answer = answer.map(read).transpose()?;
    let tried = app::rehearse(&settings, name, &providers::read(sample)?, answer.as_deref())?;
    tried.request.iter().for_each(|line| print_line(line));
    if let Some(meaning) = tried.meaning {
        print_line("");
        print_line(&format!("this answer means: {meaning}"));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let cannot = |why: String| {
        Error::new(ErrorKind::InvalidArgument, format!("{} cannot be read: {why}", path.display()))
    };
    let mut octets = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| cannot(error.to_string()))?;
    file.take(MOST + 1).read_to_end(&mut octets).map_err(|error| cannot(error.to_string()))?;
    if octets.len() as u64 > MOST {
        return Err(cannot(format!("it has more than {MOST} bytes")));
    }
    Ok(octets)
}
