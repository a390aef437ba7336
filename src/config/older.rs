//! Settings as they were written once: an error that does not know one says how it is written now.

/// The settings that are secrets.
const SECRETS: [&str; 7] =
    ["token", "secret", "signing_secret", "inbound_secret", "id_client", "api_key", "password"];

/// What to write in place of a setting that an error does not know, where that is an older form of a secret
/// (`token_env`, `token_file`).
pub fn older_form(wrong: &str) -> Option<String> {
    let (_, rest) = wrong.split_once("unknown field `")?;
    let (unknown, right) = rest.split_once('`')?;
    let is_known = |name: &&str| SECRETS.contains(name) && right.contains(&format!("`{name}`"));
    let (name, form) = match (unknown.strip_suffix("_env"), unknown.strip_suffix("_file")) {
        (Some(name), _) => (Some(name).filter(is_known)?, "env = \"NAME\""),
        (_, Some(name)) => (Some(name).filter(is_known)?, "file = \"path\""),
        _ => return None,
    };
    Some(format!("there is no `{unknown}`; write {name} = {{ {form} }}"))
}
