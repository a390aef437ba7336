//! Asking a person at the terminal that standard input is. What is asked stands on standard error, so that
//! answers of commands stay alone on standard output.

use std::io::IsTerminal as _;

use super::output::note;
use crate::error::{Error, ErrorKind, Result};

/// Whether somebody can be asked.
pub(super) fn is_there() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks, and returns what is typed, without the white space around it.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] where the input ends, and [`ErrorKind::Internal`] where it cannot be read.
pub(super) fn ask(question: &str) -> Result<String> {
    note(question);
    read()
}

/// The same, and what is typed is not shown. Where the system cannot hide it, that is said first.
///
/// # Errors
/// As [`ask`]. Ctrl-C ends the input: a terminal that is left without its echo would stay so.
pub(super) fn ask_hidden(question: &str) -> Result<String> {
    let hidden = hidden::Hidden::begin();
    note(&format!("{question} ({})", if hidden.is_some() { "not shown" } else { "SHOWN AS IT IS TYPED" }));
    let typed = read();
    drop(hidden);
    typed.and_then(|typed| if typed.contains('\u{3}') { Err(ended()) } else { Ok(typed) })
}

/// What is typed next.
///
/// # Errors
/// As [`ask`].
pub(super) fn read() -> Result<String> {
    let mut typed = String::new();
    let read = std::io::stdin().read_line(&mut typed);
    match read {
        Ok(0) => Err(ended()),
        Ok(_) => Ok(typed.trim().to_owned()),
        Err(error) => Err(Error::new(ErrorKind::Internal, "the answer could not be read").because(error)),
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::InvalidArgument, "the answers ended before the last question")
        .next("Nothing was written.")
}

#[cfg(unix)]
mod hidden {
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

    /// While it is there, the terminal shows nothing of what is typed.
    pub(super) struct Hidden(Termios);

    impl Hidden {
        pub(super) fn begin() -> Option<Self> {
            let usual = tcgetattr(std::io::stdin()).ok()?;
            let mut quiet = usual.clone();
            // Without its signal Ctrl-C is a character, so that the echo comes back before this ends: with the
            // end of the line that it stands in.
            quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
            tcsetattr(std::io::stdin(), OptionalActions::Now, &quiet).ok()?;
            Some(Self(usual))
        }
    }

    impl Drop for Hidden {
        fn drop(&mut self) {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
        }
    }
}

#[cfg(not(unix))]
mod hidden {
    /// Nothing is hidden on this system.
    pub(super) struct Hidden;

    impl Hidden {
        pub(super) fn begin() -> Option<Self> {
            None
        }
    }
}
