//! How many connections there may be, by what the system lets this process open.
//!
//! A process that has no descriptor left can neither take a connection nor open a file, the ledger among
//! them. So no more connections are taken than descriptors are left for, once everything else has its own.

/// What all but connections of clients is given: the ledger and its readers, the log, connections to
/// providers.
const OTHERS: u64 = 256;

/// As many as are wanted, or fewer where there are no descriptors for them; then the operator is told. The
/// limit of this process is raised as far as it must be and may be.
#[cfg(unix)]
pub(super) fn places(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let needed = u64::try_from(wanted).unwrap_or(u64::MAX).saturating_add(OTHERS);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let raised = limit.maximum.map_or(needed, |most| most.min(needed));
        // What could not be raised is seen below.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
    }
    let descriptors = getrlimit(Resource::Nofile).current;
    let places = fitting(wanted, descriptors);
    if places < wanted {
        tracing::warn!(
            places,
            wanted,
            descriptors,
            setting = "[http] max_connections",
            "fewer connections are taken than this setting says: this process may not open enough files \
             (ulimit -n, LimitNOFILE)"
        );
    }
    places
}

/// As many as are wanted: elsewhere the system has no such limit.
#[cfg(not(unix))]
pub(super) fn places(wanted: usize) -> usize {
    wanted
}

/// How many connections these descriptors are enough for.
#[cfg(unix)]
fn fitting(wanted: usize, descriptors: Option<u64>) -> usize {
    let Some(descriptors) = descriptors else { return wanted };
    let left = descriptors.saturating_sub(OTHERS.min(descriptors / 2));
    wanted.min(usize::try_from(left).unwrap_or(usize::MAX)).max(1)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        for (wanted, descriptors, places) in [
            (1_024, None, 1_024),
            (1_024, Some(1_280), 1_024),
            (1_024, Some(1_279), 1_023),
            (1_024, Some(1_024), 768),
            (1_024, Some(128), 64),
            (16, Some(128), 16),
            (1_024, Some(0), 1),
        ] {
            assert_eq!(fitting(wanted, descriptors), places, "{wanted} of {descriptors:?}");
        }
    }
}
