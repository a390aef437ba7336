//! How MCP clients start this server, as lines to copy. The settings of a client are its own: they are changed
//! by nobody but its own command, and by that only where a person says yes.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::output::{note, print_line};
use super::terminal;
use crate::error::{Error, ErrorKind, Result};

/// Shows the lines for a server with these settings, and offers to run the one of Claude Code where that is
/// installed and somebody is there to ask. `variables` are those that the settings name.
pub(super) fn show(config: Option<&Path>, ledger: Option<&Path>, variables: &[String]) -> Result<()> {
    let program = std::env::current_exe().map_err(|error| {
        Error::new(ErrorKind::Internal, "this program does not know its own path").because(error)
    })?;
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let named = [("--config", config), ("--ledger", ledger)];
    let arguments: Vec<String> = named
        .into_iter()
        .filter_map(|(flag, path)| Some([flag.to_owned(), absolute(path?).display().to_string()]))
        .flatten()
        .collect();
    let add = add_line(&program, &arguments);
    let words: Vec<String> = add.iter().map(|word| shell_word(word)).collect();
    print_line("");
    print_line("Claude Code:");
    print_line(&format!("  claude {}", words.join(" ")));
    print_line("Claude Desktop, in claude_desktop_config.json (other clients: docs/CLIENTS.md):");
    let block = json!({ "mcpServers": { "sms": { "command": program, "args": arguments, "env": {} } } });
    print_line(&format!("  {block}"));
    if !variables.is_empty() {
        print_line(&format!(
            "Where the client is started, or in `env` of its entry, has to be set: {}",
            variables.join(", ")
        ));
    }
    if terminal::is_there() && is_installed() {
        let typed = terminal::ask("Run that `claude mcp add` now? Type \"yes\"; anything else does not:")?;
        if typed.eq_ignore_ascii_case("yes") {
            run(&add);
        }
    }
    Ok(())
}

/// The arguments of `claude` that add this server for this user.
fn add_line(program: &Path, arguments: &[String]) -> Vec<String> {
    let fixed = ["mcp", "add", "--scope", "user", "sms", "--"].map(str::to_owned);
    fixed.into_iter().chain([program.display().to_string()]).chain(arguments.iter().cloned()).collect()
}

fn is_installed() -> bool {
    let mut asked = Command::new("claude");
    asked.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

fn run(add: &[String]) {
    match Command::new("claude").args(add).stdin(Stdio::null()).status() {
        Ok(status) if status.success() => note("Added."),
        Ok(status) => note(&format!("`claude` refused it ({status}); run the line yourself.")),
        Err(error) => note(&format!("`claude` could not be run: {error}")),
    }
}

/// A word as a shell takes it.
fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+@%,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_a_shell_keeps_its_words_whole() {
        for (word, written) in [
            ("/opt/sms-mcp", "/opt/sms-mcp"),
            ("/a b", "'/a b'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("$x", "'$x'"),
        ] {
            assert_eq!(shell_word(word), written);
        }
        let line = add_line(Path::new("/opt/sms-mcp"), &["--config".to_owned(), "/a b".to_owned()]);
        assert_eq!(line.join(" "), "mcp add --scope user sms -- /opt/sms-mcp --config /a b");
    }
}
