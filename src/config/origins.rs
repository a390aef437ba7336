//! Where each setting comes from: a line of the file, a variable, a flag, or nobody wrote it and the default
//! holds. An operator who finds a limit that surprises is told here which of the three sources to look at.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::read::{OVERRIDE_PREFIX, keys_of, line_of};
use super::sources::Sources;

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody wrote it.
    Default,
    /// This line of the file.
    File(PathBuf, usize),
    /// This variable of the environment.
    Variable(String),
    /// This flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => {
                let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
                write!(f, "{name}:{line}")
            }
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Where every setting that somebody wrote comes from, by its name (`guard.day_spend`, `provider.0.from`).
#[derive(Clone, Debug, Default)]
pub struct Origins {
    file: Option<PathBuf>,
    lines: BTreeMap<String, usize>,
    variables: BTreeMap<String, String>,
    flags: BTreeMap<&'static str, &'static str>,
}

impl Origins {
    /// Those of this file, with its text, and of the environment and the flags.
    pub(super) fn new(file: Option<&Path>, text: &str, sources: &Sources) -> Self {
        let mut lines = BTreeMap::new();
        if let Ok(read) = DeTable::parse(text) {
            note_table(read.get_ref(), "", text, &mut lines);
        }
        let overrides = sources
            .environment
            .keys()
            .filter(|name| name.starts_with(OVERRIDE_PREFIX))
            .map(|name| (keys_of(name).join("."), name.clone()));
        // These two hold before what is called so in the file.
        let named = [("config", "SMS_MCP_CONFIG"), ("ledger.file", "SMS_MCP_LEDGER")]
            .into_iter()
            .filter(|(_, name)| sources.environment.contains_key(*name))
            .map(|(setting, name)| (setting.to_owned(), name.to_owned()));
        let variables = overrides.chain(named).collect();
        let given = &sources.flags;
        let flags = [
            ("config", "--config", given.config.is_some()),
            ("ledger.file", "--ledger", given.ledger.is_some()),
            ("log.level", "--log", given.log.is_some()),
            ("log.format", "--log-format", given.log_format.is_some()),
            ("tools.toolsets", "--toolsets", !given.toolsets.is_empty()),
            ("tools.read_only", "--read-only", given.read_only),
        ];
        let flags = flags.into_iter().filter(|(.., is_given)| *is_given).map(|(name, flag, _)| (name, flag));
        Self { file: file.map(Path::to_owned), lines, variables, flags: flags.collect() }
    }

    /// Where this setting comes from: the last of its sources, which is the one that holds.
    pub fn of(&self, setting: &str) -> Origin {
        let flag = self.flags.get(setting).map(|flag| Origin::Flag(flag));
        flag.or_else(|| self.variable(setting)).or_else(|| self.line(setting)).unwrap_or(Origin::Default)
    }

    /// The variable and the line of a setting that both have.
    pub(super) fn twice(&self, setting: &str) -> Option<(Origin, Origin)> {
        Some((self.line(setting)?, self.variable(setting)?))
    }

    /// The variable that sets it, its whole section, or something of it.
    fn variable(&self, setting: &str) -> Option<Origin> {
        let is_part = |whole: &str, part: &str| {
            part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let found = self.variables.iter().find(|(name, _)| is_part(name, setting) || is_part(setting, name));
        found.map(|(_, variable)| Origin::Variable(variable.clone()))
    }

    fn line(&self, setting: &str) -> Option<Origin> {
        Some(Origin::File(self.file.clone()?, *self.lines.get(setting)?))
    }
}

fn note_table(table: &DeTable<'_>, prefix: &str, text: &str, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        lines.insert(name.clone(), line_of(text, key.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => note_table(inner, &format!("{name}."), text, lines),
            DeValue::Array(list) => {
                for (at, entry) in list.iter().enumerate() {
                    let name = format!("{name}.{at}");
                    lines.insert(name.clone(), line_of(text, entry.span().start));
                    if let DeValue::Table(inner) = entry.get_ref() {
                        note_table(inner, &format!("{name}."), text, lines);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Flags;
    use super::*;

    #[test]
    fn the_last_source_of_a_setting_is_the_one_that_is_told() {
        let text = "[guard]\nday_spend = 7\nday_messages = 3\n\n[[provider]]\nkind = \"sandbox\"\n\
            name = \"mine\"\n[http]\ntoken = { env = \"T\" }\n";
        let environment = [("SMS_MCP__GUARD__DAY_MESSAGES", "1"), ("SMS_MCP__HTTP__TOKEN__ENV", "U")];
        let environment =
            environment.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let flags = Flags { read_only: true, ..Flags::default() };
        let origins = Origins::new(Some(Path::new("/etc/a.toml")), text, &Sources { flags, environment });
        for (setting, told) in [
            ("guard.day_spend", "a.toml:2"),
            ("guard.day_messages", "SMS_MCP__GUARD__DAY_MESSAGES"),
            ("guard.session_spend", "default"),
            ("provider.0.name", "a.toml:7"),
            ("provider.0.from", "default"),
            ("provider.0", "a.toml:5"),
            ("http.token", "SMS_MCP__HTTP__TOKEN__ENV"),
            ("tools.read_only", "--read-only"),
            ("tools.toolsets", "default"),
        ] {
            assert_eq!(origins.of(setting).to_string(), told, "{setting}");
        }
        assert!(origins.twice("http.token").is_some() && origins.twice("guard.day_spend").is_none());
    }
}
