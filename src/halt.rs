//! What keeps everything from beginning: a pause that the operator asked for, and a ledger that has no room.
//!
//! Whoever is about to accept a text, or to begin one, asks here at the last moment. What has begun is not
//! asked about: it is finished. Here is only what is known and who is told of a change; where it comes from
//! (a file that lies beside the ledger and was made beforehand, the free space of its disk) is a [`Source`],
//! which any number of processes may share.
//!
//! Nothing stands still most of the time, and then asking costs one atomic load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// How often the source is looked at: within a second no process begins anything new, on a machine with much
/// to do as well.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// After so many looks the free space is looked at: once in a second.
const ROOM_EVERY: u32 = 5;

/// Something that the operator paused: everything, or what both of these name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// At this provider alone.
    pub provider: Option<String>,
    /// Of this principal alone.
    pub principal: Option<String>,
}

impl Pause {
    /// Whether it is about the same as another one.
    pub fn is_about(&self, other: &Self) -> bool {
        (&self.provider, &self.principal) == (&other.provider, &other.principal)
    }

    /// Whether it holds for this principal at this provider; nothing stands for any of them.
    fn holds(&self, principal: Option<&str>, provider: Option<&str>) -> bool {
        let fits =
            |own: &Option<String>, asked: Option<&str>| own.as_deref().is_none_or(|own| asked == Some(own));
        fits(&self.provider, provider) && fits(&self.principal, principal)
    }

    /// What is paused, in words.
    pub fn what(&self) -> String {
        match (&self.principal, &self.provider) {
            (None, None) => "everything".to_owned(),
            (None, Some(provider)) => format!("the provider {provider}"),
            (Some(principal), None) => format!("the principal {principal}"),
            (Some(principal), Some(provider)) => {
                format!("the principal {principal} at the provider {provider}")
            }
        }
    }
}

/// Why nothing begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// Its code.
    pub code: ErrorKind,
    /// In our own words.
    pub why: String,
}

impl Halt {
    /// The error of a call that is refused because of it.
    pub fn error(&self) -> Error {
        Error::new(self.code, self.why.as_str())
    }
}

/// Where pauses are written, and how much room there is.
pub trait Source: Send {
    /// The pauses where they may be others than those that were told last; an error where nobody can tell, so
    /// that everything stands still. A look that is thorough also finds that the place itself is another one.
    fn pauses(&mut self, is_thorough: bool) -> Option<Result<Vec<Pause>, String>>;

    /// Why the ledger has too little room, where that is so.
    fn lacks_room(&self) -> Option<String>;
}

/// How much is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Nothing.
    Nothing,
    /// Providers or principals.
    Part,
    /// Everything.
    All,
}

#[derive(Default)]
struct State {
    pauses: Vec<Pause>,
    unreadable: Option<String>,
    no_room: Option<String>,
    unrecorded: Option<Halt>,
}

impl State {
    /// Why nothing of this principal begins at this provider; nothing stands for any of them.
    fn halt(&self, principal: Option<&str>, provider: Option<&str>) -> Option<Halt> {
        let paused = |why: String| Halt { code: ErrorKind::Paused, why };
        if let Some(why) = &self.unreadable {
            return Some(paused(format!(
                "nobody can tell what the operator has paused, so everything is: {why}"
            )));
        }
        if let Some(pause) = self.pauses.iter().find(|pause| pause.holds(principal, provider)) {
            return Some(paused(format!(
                "the operator has paused {} since {}",
                pause.what(),
                pause.since.rfc3339()
            )));
        }
        self.fault()
    }

    /// What is wrong with the ledger.
    fn fault(&self) -> Option<Halt> {
        let no_room =
            || self.no_room.as_ref().map(|why| Halt { code: ErrorKind::StorageFull, why: why.clone() });
        self.unrecorded.clone().or_else(no_room)
    }

    fn is_any(&self) -> bool {
        !self.pauses.is_empty()
            || self.unreadable.is_some()
            || self.no_room.is_some()
            || self.unrecorded.is_some()
    }
}

/// What keeps texts from beginning in this process. See the module's text.
#[derive(Default)]
pub struct Halts {
    is_any: AtomicBool,
    state: Mutex<State>,
    source: Mutex<Option<Box<dyn Source>>>,
    changed: Notify,
}

impl std::fmt::Debug for Halts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Halts").field("is_any", &self.is_any).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Halts {
    /// What this source says, now and from now on: it is looked at in a thread of its own, for as long as
    /// somebody has this.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where the system gives no thread.
    pub fn watching(source: Box<dyn Source>) -> Result<Arc<Self>> {
        let halts = Arc::new(Self { source: Mutex::new(Some(source)), ..Self::default() });
        halts.look_at(true);
        halts.look_for_room();
        let watched = Arc::downgrade(&halts);
        let watch = move || {
            for count in (0..ROOM_EVERY).cycle() {
                std::thread::sleep(LOOK_EVERY);
                let Some(halts) = watched.upgrade() else { return };
                halts.look_at(true);
                if count == 0 {
                    halts.look_for_room();
                }
            }
        };
        let thread = std::thread::Builder::new().name("halts".to_owned()).spawn(watch);
        thread
            .map_err(|error| Error::new(ErrorKind::Internal, "the system gives no thread").because(error))?;
        Ok(halts)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        {
            let mut state = locked(&self.state);
            change(&mut state);
            self.is_any.store(state.is_any(), Ordering::Relaxed);
        }
        self.changed.notify_waiters();
    }

    /// Looks at the pauses now. Whoever accepts something looks first: from the moment when `pause` has
    /// ended, nothing is.
    pub fn look(&self) {
        self.look_at(false);
    }

    fn look_at(&self, is_thorough: bool) {
        // Held until the state says it: of two looks the later one is the one that counts.
        let mut source = locked(&self.source);
        match source.as_mut().and_then(|source| source.pauses(is_thorough)) {
            None => {}
            Some(Ok(pauses)) => {
                let was = { locked(&self.state).pauses.clone() };
                if was != pauses {
                    let paused: Vec<String> = pauses.iter().map(Pause::what).collect();
                    tracing::info!(paused = paused.join("; "), "pause changed");
                }
                self.change(|state| (state.pauses, state.unreadable) = (pauses, None));
            }
            Some(Err(why)) => {
                let is_news = { locked(&self.state).unreadable.as_ref() != Some(&why) };
                if is_news {
                    tracing::error!(why, "pause file cannot be read: everything is paused");
                }
                self.change(|state| state.unreadable = Some(why));
            }
        }
    }

    fn look_for_room(&self) {
        let no_room = locked(&self.source).as_ref().and_then(|source| source.lacks_room());
        let had_room = { locked(&self.state).no_room.is_none() };
        match &no_room {
            Some(why) if had_room => {
                tracing::error!(why, "disk full: nothing is sent until there is room on the ledger's disk")
            }
            None if !had_room => {
                tracing::info!("disk not full any more: there is room on the ledger's disk again")
            }
            _ => {}
        }
        if no_room.is_some() || !had_room {
            self.change(|state| state.no_room = no_room);
        }
    }

    /// Whether outcomes that are known wait to be recorded: nothing begins before they are.
    pub fn set_unrecorded(&self, unrecorded: Option<Halt>) {
        self.change(|state| state.unrecorded = unrecorded);
    }

    /// Why nothing of this principal begins at this provider. Nothing in place of either asks for what holds
    /// for all of them.
    pub fn of(&self, principal: Option<&str>, provider: Option<&str>) -> Option<Halt> {
        if !self.is_any.load(Ordering::Relaxed) {
            return None;
        }
        locked(&self.state).halt(principal, provider)
    }

    /// What is wrong with the ledger, whatever is paused.
    pub fn fault(&self) -> Option<Halt> {
        locked(&self.state).fault()
    }

    /// Those of whom nothing begins at this provider, while others go on there.
    pub fn principals(&self, provider: &str) -> Vec<String> {
        if !self.is_any.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let state = locked(&self.state);
        let here =
            state.pauses.iter().filter(|pause| pause.provider.as_deref().is_none_or(|own| own == provider));
        here.filter_map(|pause| pause.principal.clone()).collect()
    }

    /// How much is paused.
    pub fn extent(&self) -> Extent {
        let state = locked(&self.state);
        if state.unreadable.is_some() || state.pauses.iter().any(|pause| pause.holds(None, None)) {
            Extent::All
        } else if state.pauses.is_empty() {
            Extent::Nothing
        } else {
            Extent::Part
        }
    }

    /// The next change, from the moment at which it is first polled or enabled.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }
}

/// What stops a text before it begins. It travels with the text, to wherever that waits for its turn.
#[derive(Clone, Debug, Default)]
pub struct Brake {
    halts: Arc<Halts>,
    /// Whose text it is; of several where one request carries them.
    principals: Arc<[String]>,
}

impl Brake {
    /// The brake of one principal's texts.
    pub fn new(halts: &Arc<Halts>, principal: &str) -> Self {
        Self { halts: Arc::clone(halts), principals: Arc::from([principal.to_owned()]) }
    }

    /// One for texts that begin together: what stops one of them stops all.
    pub fn joined<'a>(brakes: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut brakes = brakes.into_iter();
        let Some(first) = brakes.next() else { return Self::default() };
        let mut principals = first.principals.to_vec();
        for principal in brakes.flat_map(|brake| brake.principals.iter()) {
            if !principals.contains(principal) {
                principals.push(principal.clone());
            }
        }
        if principals.len() == first.principals.len() {
            first.clone()
        } else {
            Self { principals: principals.into(), ..first.clone() }
        }
    }

    /// Why the text may not begin at this provider.
    pub fn pulled(&self, provider: &str) -> Option<Halt> {
        if !self.halts.is_any.load(Ordering::Relaxed) {
            return None;
        }
        let state = locked(&self.halts.state);
        let of_all = || state.halt(None, Some(provider));
        self.principals
            .iter()
            .find_map(|principal| state.halt(Some(principal), Some(provider)))
            .or_else(of_all)
    }

    /// Waits until it may not.
    pub async fn until_pulled(&self, provider: &str) -> Halt {
        loop {
            let mut changed = std::pin::pin!(self.halts.changed());
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(halt) = self.pulled(provider) {
                return halt;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pause(principal: Option<&str>, provider: Option<&str>) -> Pause {
        Pause {
            since: Timestamp(0),
            provider: provider.map(ToOwned::to_owned),
            principal: principal.map(ToOwned::to_owned),
        }
    }

    fn halts(pauses: &[Pause]) -> Arc<Halts> {
        let halts = Halts::default();
        halts.change(|state| state.pauses = pauses.to_vec());
        Arc::new(halts)
    }

    #[test]
    fn a_pause_holds_for_what_it_names_and_for_nothing_else() {
        let asked = [
            (None, None),
            (None, Some("a")),
            (Some("eve"), None),
            (Some("eve"), Some("a")),
            (Some("bob"), Some("a")),
            (Some("eve"), Some("b")),
        ];
        for (paused, expected) in [
            (pause(None, None), [true; 6]),
            (pause(None, Some("a")), [false, true, false, true, true, false]),
            (pause(Some("eve"), None), [false, false, true, true, false, true]),
            (pause(Some("eve"), Some("a")), [false, false, false, true, false, false]),
        ] {
            let halts = halts(std::slice::from_ref(&paused));
            assert_eq!(
                asked.map(|(principal, provider)| halts.of(principal, provider).is_some()),
                expected,
                "{}",
                paused.what()
            );
        }
        assert_eq!(halts(&[]).of(Some("eve"), Some("a")), None);
    }

    #[test]
    fn whose_texts_stand_still_at_a_provider_is_told_from_all_of_them() {
        let halts = halts(&[pause(Some("eve"), None), pause(Some("bob"), Some("a")), pause(None, Some("b"))]);
        assert_eq!(halts.principals("a"), ["eve", "bob"]);
        assert_eq!(halts.principals("b"), ["eve"]);
        assert_eq!(
            (halts.of(None, Some("a")), halts.of(None, Some("b")).map(|halt| halt.code)),
            (None, Some(ErrorKind::Paused))
        );
        assert_eq!(halts.extent(), Extent::Part);
    }

    #[test]
    fn a_request_that_carries_texts_of_several_stands_still_with_one_of_them() {
        let halts = halts(&[pause(Some("eve"), Some("a"))]);
        let (bob, eve) = (Brake::new(&halts, "bob"), Brake::new(&halts, "eve"));
        assert!(bob.pulled("a").is_none() && eve.pulled("a").is_some() && eve.pulled("b").is_none());
        assert!(Brake::joined([&bob, &eve]).pulled("a").is_some());
        assert!(Brake::joined([&bob, &bob]).pulled("a").is_none());
        assert!(Brake::joined([]).pulled("a").is_none());
    }

    #[test]
    fn a_full_disk_stops_everything_and_a_pause_is_said_before_it() {
        let halts = halts(&[]);
        halts.set_unrecorded(Some(Halt { code: ErrorKind::StorageFull, why: "full".to_owned() }));
        assert_eq!(halts.of(Some("eve"), Some("a")).map(|halt| halt.code), Some(ErrorKind::StorageFull));
        assert_eq!(halts.extent(), Extent::Nothing);
        halts.change(|state| state.pauses = vec![pause(None, None)]);
        assert_eq!(halts.of(None, None).map(|halt| halt.code), Some(ErrorKind::Paused));
        halts.change(|state| state.pauses.clear());
        halts.set_unrecorded(None);
        assert_eq!(halts.of(None, None), None);
    }

    type Next = Option<Result<Vec<Pause>, String>>;

    /// A source that says what a test puts into it.
    struct Said(Arc<Mutex<Next>>);

    impl Source for Said {
        fn pauses(&mut self, _: bool) -> Next {
            locked(&self.0).take()
        }

        fn lacks_room(&self) -> Option<String> {
            None
        }
    }

    #[tokio::test]
    async fn whoever_waits_is_told_of_a_pause_and_what_cannot_be_read_is_one() {
        let said = Arc::new(Mutex::new(Some(Ok(Vec::new()))));
        let halts = Halts::watching(Box::new(Said(Arc::clone(&said)))).unwrap();
        let brake = Brake::new(&halts, "eve");
        assert_eq!(brake.pulled("a"), None);
        let waiting = tokio::spawn(async move { brake.until_pulled("a").await });
        *locked(&said) = Some(Ok(vec![pause(Some("eve"), None)]));
        assert!(waiting.await.unwrap().why.contains("eve"));
        *locked(&said) = Some(Err("it is torn".to_owned()));
        halts.look();
        assert!(halts.of(None, None).is_some_and(|halt| halt.why.contains("it is torn")));
        assert_eq!(halts.extent(), Extent::All);
        *locked(&said) = Some(Ok(Vec::new()));
        halts.look();
        assert_eq!(halts.of(Some("eve"), Some("a")), None);
    }
}
