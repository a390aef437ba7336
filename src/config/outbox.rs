//! The outbox that the sandbox has without being asked: where nothing but the sandbox carries texts, whoever
//! tries it out wants to see what a phone would have shown.

use std::path::{Path, PathBuf};

use super::settings::Config;
use crate::provider::ProviderConfig;

/// What `outbox` says where there is to be none.
const NONE: &str = "none";

/// Settles where each sandbox appends what it takes. Without a word it is a file beside the ledger, which is
/// bounded. There is none where real providers carry texts as well, and none where texts are not to be kept.
pub(super) fn settle(config: &mut Config, ledger: &Path) {
    let is_sandbox_alone = config.provider.iter().all(|provider| !provider.settings().is_real());
    let own = (is_sandbox_alone && config.ledger.keep_texts).then(|| beside(ledger));
    for provider in &mut config.provider {
        let ProviderConfig::Sandbox(sandbox) = provider else { continue };
        match &sandbox.outbox {
            Some(named) if named.as_os_str() == NONE => sandbox.outbox = None,
            Some(_) => {}
            None => sandbox.own_outbox.clone_from(&own),
        }
    }
}

/// The outbox of the ledger that is at this place.
fn beside(ledger: &Path) -> PathBuf {
    let mut name = ledger.to_owned().into_os_string();
    name.push(".outbox");
    name.into()
}
