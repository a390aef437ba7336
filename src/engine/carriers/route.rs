//! The carriers of an engine, and which of them is asked for a message, in which order.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::carrier::Carrier;
use crate::engine::life::locked;
use crate::engine::settings::{Route, Sender};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::settings::Rate;
use crate::provider::{Form, Provider};
use crate::sms::destination::Destination;
use crate::sms::message::Realm;
use crate::sms::number::Number;
use crate::sms::purpose::Purpose;
use crate::sms::sender;
use crate::sms::untrusted;

/// Most senders that an error lists.
const LISTED_SENDERS: usize = 10;

/// Most names of which the log says that they may have to be registered.
const MOST_SAID: usize = 100;

/// Every carrier, and the operator's routes between them.
pub struct Carriers {
    carriers: Vec<Carrier>,
    routes: Vec<Route>,
    senders: Vec<Sender>,
    unregistered: Unregistered,
}

impl Carriers {
    /// Carriers with routes. The first carrier is the only one, or what routes say decides.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without any carrier, or for a route on which the sandbox stands beside a real
    /// provider: what one of them did not take would be told as sent, or be sent, by the other.
    pub fn new(carriers: Vec<Carrier>, routes: Vec<Route>) -> Result<Self> {
        if carriers.is_empty() {
            return Err(Error::new(ErrorKind::Config, "there is no [[provider]]"));
        }
        let all = Self { carriers, routes, senders: Vec::new(), unregistered: Unregistered::default() };
        let mixed = all.routes.iter().zip(1..).find(|(route, _)| {
            let mut realms = route.providers.iter().filter_map(|name| all.get(name)).map(Carrier::realm);
            realms.next().is_some_and(|first| realms.any(|other| other != first))
        });
        match mixed {
            Some((route, number)) => Err(Error::new(
                ErrorKind::Config,
                format!(
                    "[[route]] {number} has the sandbox beside a real provider ({})",
                    route.providers.join(", ")
                ),
            )
            .next(
                "Give the sandbox a [[route]] of its own: a real text must not end in it, and what it \
                carries must not leave.",
            )),
            None => Ok(all),
        }
    }

    /// The side of what is no message: the sandbox's where there is nothing else.
    pub fn realm(&self) -> Realm {
        Realm::of(self.carriers.iter().any(|carrier| carrier.realm() == Realm::Live))
    }

    /// One carrier for everything.
    pub fn one(provider: Arc<dyn Provider>) -> Self {
        let carriers = vec![Carrier::new(provider, None, Rate::default())];
        Self { carriers, routes: Vec::new(), senders: Vec::new(), unregistered: Unregistered::default() }
    }

    /// The same, with these senders for messages that name none.
    #[must_use]
    pub fn with_senders(mut self, senders: Vec<Sender>) -> Self {
        self.senders = senders;
        self
    }

    /// The sender of a message: the one that it names, else the operator's first for this number; nothing
    /// where the carrier's own is shown.
    pub fn sender<'a>(&'a self, to: &Number, named: Option<&'a str>) -> Option<&'a str> {
        named.or_else(|| self.senders.iter().find(|sender| is_for(&sender.to, to)).map(|sender| &*sender.id))
    }

    /// What the texts of this sender are for, where the operator says so.
    pub fn purpose_of(&self, shown: &str) -> Option<Purpose> {
        // Who reads it takes another spelling for the same one, and so may a vendor.
        let own = self.senders.iter().filter(|sender| sender::looks_like(&sender.id, shown));
        own.filter_map(|sender| sender.purpose).max()
    }

    /// Whom a text shows that names no sender: the own one of each carrier on its way, in order, where that is
    /// known. None of them where no way leads there any more.
    pub fn own_senders<'a>(&'a self, to: &Number, text: &str) -> Vec<Option<&'a str>> {
        let Ok(way) = self.way(to, None, text) else { return Vec::new() };
        let mut own: Vec<_> = way.hops.iter().map(|hop| hop.carrier.shown(None)).collect();
        own.dedup();
        own
    }

    /// The own sender of each carrier, by its name, where that is known.
    pub fn all_own_senders(&self) -> impl Iterator<Item = (&str, &str)> {
        self.carriers.iter().filter_map(|carrier| Some((carrier.name(), carrier.shown(None)?)))
    }

    /// The sender of the operator's for which a reader takes this one, and which it is not.
    pub fn mistaken_for(&self, shown: &str) -> Option<&str> {
        let own = || {
            let named = self.senders.iter().map(|sender| &*sender.id);
            named.chain(self.all_own_senders().map(|(_, own)| own))
        };
        let is_own = own().any(|own| own == shown);
        own().find(|own| !is_own && sender::looks_like(own, shown))
    }

    /// What is to be said of a name that has to be registered in the country of this number, unless the
    /// operator says that it is.
    pub fn unregistered(&self, way: &Way<'_>, to: &Number, from: Option<&str>) -> Option<String> {
        let (carrier, shown, country) = self.wants_registration(way, to, from)?;
        Some(format!(
            "{country} demands that a sender's name be registered: where \"{shown}\" is not, networks block \
             such texts or show another sender. The operator registers it at {carrier}, and says so in a \
             [[sender]] with registered = true"
        ))
    }

    /// Says the same in the log, once for each country and name.
    pub fn warn_unregistered(&self, way: &Way<'_>, to: &Number, from: Option<&str>) {
        if let Some((provider, name, country)) = self.wants_registration(way, to, from)
            && self.unregistered.is_new(country, name)
        {
            // Without the name: no log says who somebody is.
            tracing::warn!(
                country,
                provider,
                "this country demands that a sender's name be registered: register it at the provider, and say \
                 so in a [[sender]] with registered = true"
            );
        }
    }

    fn wants_registration<'a>(
        &'a self,
        way: &Way<'a>,
        to: &Number,
        from: Option<&'a str>,
    ) -> Option<(&'a str, &'a str, &'static str)> {
        let carrier = way.hops.first()?.carrier;
        let shown = carrier.shown(from)?;
        let country = sender::registered_in(shown, to)?;
        let is_registered =
            |sender: &Sender| sender.registered && sender.id == shown && is_for(&sender.to, to);
        (!self.senders.iter().any(is_registered)).then(|| (carrier.name(), shown, country))
    }

    /// All of them, in the order of the configuration.
    pub fn all(&self) -> &[Carrier] {
        &self.carriers
    }

    /// The carrier of this name.
    pub fn get(&self, name: &str) -> Option<&Carrier> {
        self.carriers.iter().find(|carrier| carrier.name() == name)
    }

    /// The carrier that is named, or the only one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`], which names all of them.
    pub fn named(&self, name: Option<&str>) -> Result<&Carrier> {
        let found = match (name, self.all()) {
            (Some(name), _) => self.get(name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        found.ok_or_else(|| {
            let wrong = name.map_or_else(
                || "name one of them".to_owned(),
                |name| format!("none is called \"{}\"", untrusted::escape(name)),
            );
            let names: Vec<&str> = self.names().collect();
            Error::new(ErrorKind::InvalidArgument, format!("the providers are {}; {wrong}", names.join(", ")))
                .next("`sms-mcp provider` lists them.")
        })
    }

    /// All names, in the order of the configuration.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.carriers.iter().map(Carrier::name)
    }

    /// Ends what they keep open, all at the same time. The caller bounds the time.
    pub async fn leave(&self) {
        futures::future::join_all(self.carriers.iter().map(Carrier::leave)).await;
    }

    /// Why no route leads there, and what would be right.
    fn no_route(&self, to: &Number, from: Option<&str>) -> Error {
        let sender = from.map_or_else(String::new, |from| format!(" from \"{from}\""));
        let there: Vec<&str> = self
            .routes
            .iter()
            .filter(|route| leads_to(route, to))
            .flat_map(|route| &route.from)
            .map(String::as_str)
            .take(LISTED_SENDERS)
            .collect();
        let country = to.region().map_or_else(|| "..".to_owned(), |region| region.to_string());
        let (but, next) = if there.is_empty() {
            let next = format!(
                "Only the operator can add one: a [[route]] with to = [\"{country}\"], or one without `to` \
                 for all that is left."
            );
            (String::new(), next)
        } else {
            let next = format!(
                "Use one of these senders, or tell the user: only the operator can add a [[route]] with to \
                 = [\"{country}\"] and without `from`."
            );
            (format!("; the routes to it are for the senders {} only", there.join(", ")), next)
        };
        let error = Error::new(
            ErrorKind::DestinationNotAllowed,
            format!("no [[route]] of the operator leads to {to}{sender}{but}"),
        );
        error.next(format!("Nothing was sent. {next}"))
    }

    /// The way of a message that this carrier alone is to carry.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] where there is no such carrier, or why it takes no such message.
    pub fn way_by<'a>(&'a self, name: &str, to: &Number, from: Option<&str>, text: &str) -> Result<Way<'a>> {
        let carrier = self.named(Some(name))?;
        let form = carrier.form(to, from, text)?;
        Ok(Way { hops: vec![Hop { carrier, form }], after_rejected: false })
    }

    /// The way of a message: the first route that fits, and on it the carriers that take a message of this
    /// form.
    ///
    /// # Errors
    /// [`ErrorKind::DestinationNotAllowed`] where no route leads there, or why no carrier on it takes such a
    /// message.
    pub fn way<'a>(&'a self, to: &Number, from: Option<&str>, text: &str) -> Result<Way<'a>> {
        let (on_it, after_rejected): (Vec<&Carrier>, bool) = if self.routes.is_empty() {
            (self.carriers.iter().take(1).collect(), false)
        } else {
            let route = self
                .routes
                .iter()
                .find(|route| fits(route, to, from))
                .ok_or_else(|| self.no_route(to, from))?;
            (route.providers.iter().filter_map(|name| self.get(name)).collect(), route.after_rejected)
        };
        let mut why = None;
        let takes = |carrier: &'a Carrier| match carrier.form(to, from, text) {
            Ok(form) => Some(Hop { carrier, form }),
            Err(error) => {
                why.get_or_insert(error);
                None
            }
        };
        let hops: Vec<Hop<'a>> = on_it.into_iter().filter_map(takes).collect();
        match why {
            Some(error) if hops.is_empty() => Err(error),
            _ => Ok(Way { hops, after_rejected }),
        }
    }
}

/// Of which names was said that they may have to be registered. Calls name them, so not without end.
#[derive(Default)]
struct Unregistered(Mutex<BTreeSet<(&'static str, String)>>);

impl Unregistered {
    fn is_new(&self, country: &'static str, from: &str) -> bool {
        let mut said = locked(&self.0);
        said.len() < MOST_SAID && said.insert((country, from.to_owned()))
    }
}

/// Whether a list of destinations is for this number. An empty one is for all.
fn is_for(destinations: &[Destination], to: &Number) -> bool {
    destinations.is_empty() || destinations.iter().any(|destination| destination.matches(to).is_some())
}

/// Whether a route is for this number, whoever the sender.
fn leads_to(route: &Route, to: &Number) -> bool {
    is_for(&route.to, to)
}

fn fits(route: &Route, to: &Number, from: Option<&str>) -> bool {
    leads_to(route, to)
        && (route.from.is_empty() || from.is_some_and(|from| route.from.iter().any(|sender| sender == from)))
}

/// One carrier on a way, and how the message goes out there.
#[derive(Clone, Copy)]
pub struct Hop<'a> {
    /// The carrier.
    pub carrier: &'a Carrier,
    /// How many segments it makes of the text, and in which alphabet.
    pub form: Form,
}

/// Who is asked for a message, in order: the next one only when the one before certainly did not take it.
/// Found where a message is priced, and kept until it is handed over.
#[derive(Clone)]
pub struct Way<'a> {
    /// The carriers, each with what it makes of the text.
    pub hops: Vec<Hop<'a>>,
    /// Whether the next is asked after a refusal for good, too.
    pub after_rejected: bool,
}

impl Way<'_> {
    /// On which side it is; routes mix none.
    pub fn realm(&self) -> Realm {
        self.hops.first().map_or(Realm::Live, |first| first.carrier.realm())
    }

    /// The names of its carriers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.hops.iter().map(|hop| hop.carrier.name())
    }

    /// Whether this carrier is on it.
    pub fn leads_to(&self, carrier: &Carrier) -> bool {
        self.names().any(|name| name == carrier.name())
    }

    /// The rest of the way after this carrier; all of it where this one is not on it.
    pub fn after(mut self, carrier: &Carrier) -> Self {
        let at = self.names().position(|name| name == carrier.name());
        self.hops = self.hops.split_off(at.map_or(0, |at| at + 1));
        self
    }
}
