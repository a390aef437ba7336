//! The carriers of an engine, and which of them is asked for a message, in which order.

use std::sync::Arc;

use crate::config::Route;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Provider;
use crate::provider::settings::{Callback, Rate};
use crate::sms::number::Number;

/// One provider with what the engine needs around it.
pub struct Carrier {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// Where its vendor can reach this server, if it can.
    pub callback: Option<Callback>,
    /// How fast it may be used.
    pub rate: Rate,
}

impl Carrier {
    /// A carrier without limits that cannot reach this server.
    pub fn new(provider: Arc<dyn Provider>) -> Self {
        Self { provider, callback: None, rate: Rate::default() }
    }

    /// The provider's name.
    pub fn name(&self) -> &str {
        self.provider.name()
    }
}

/// Every carrier, and the operator's routes between them.
pub struct Carriers {
    carriers: Vec<Carrier>,
    routes: Vec<Route>,
}

impl Carriers {
    /// Carriers with routes. The first carrier is the only one, or what routes say decides.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without any carrier.
    pub fn new(carriers: Vec<Carrier>, routes: Vec<Route>) -> Result<Self> {
        if carriers.is_empty() {
            return Err(Error::new(ErrorKind::Config, "there is no [[provider]]"));
        }
        Ok(Self { carriers, routes })
    }

    /// One carrier for everything.
    pub fn one(provider: Arc<dyn Provider>) -> Self {
        Self { carriers: vec![Carrier::new(provider)], routes: Vec::new() }
    }

    /// All of them, in the order of the configuration.
    pub fn all(&self) -> &[Carrier] {
        &self.carriers
    }

    /// The one that stands first.
    pub fn first(&self) -> &Carrier {
        // Both ways to make this value see to it that there is one.
        self.carriers.first().unwrap_or_else(|| unreachable!("no carrier"))
    }

    /// The carrier of this name.
    pub fn get(&self, name: &str) -> Option<&Carrier> {
        self.carriers.iter().find(|carrier| carrier.name() == name)
    }

    /// The carriers that may be asked for a message, in order; and whether the next is asked after a refusal too.
    ///
    /// # Errors
    /// [`ErrorKind::DestinationNotAllowed`] where no route leads there.
    pub fn route(&self, to: &Number, from: Option<&str>) -> Result<(Vec<&Carrier>, bool)> {
        if self.routes.is_empty() {
            return Ok((self.carriers.iter().take(1).collect(), false));
        }
        let fits = |route: &&Route| {
            (route.to.is_empty() || route.to.iter().any(|destination| destination.matches(to).is_some()))
                && (route.from.is_empty() || from.is_some_and(|from| route.from.iter().any(|sender| sender == from)))
        };
        let route = self.routes.iter().find(fits).ok_or_else(|| {
            let sender = from.map_or_else(String::new, |from| format!(" from \"{from}\""));
            Error::new(ErrorKind::DestinationNotAllowed, format!("no [[route]] of the operator leads to {to}{sender}"))
        })?;
        Ok((route.providers.iter().filter_map(|name| self.get(name)).collect(), route.after_rejected))
    }
}
