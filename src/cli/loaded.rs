//! The settings that a command works by, with its logs begun.

use crate::app;
use crate::config::{self, Flags, Loaded, LogLevel, Sources};
use crate::error::Result;

/// Reads the settings and begins to log. Of a command that serves nobody, somebody reads the answer at a
/// terminal: what goes well needs no log beside it.
///
/// # Errors
/// What [`config::load`] fails with.
pub(super) fn loaded(flags: Flags, is_server: bool) -> Result<Loaded> {
    let is_told_what_to_log = flags.log.is_some();
    let mut loaded = config::load(&Sources::from_process(flags))?;
    if !is_told_what_to_log && !is_server {
        loaded.config.log.level = LogLevel::Warn;
    }
    app::start_logging(&loaded.config.log);
    Ok(loaded)
}
