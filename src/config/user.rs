//! Who runs this process: the principal of stdio and of the command line, and who acts there.

/// The operating-system user.
pub fn user() -> String {
    whoami::username().unwrap_or_else(|_| "user".to_owned())
}
