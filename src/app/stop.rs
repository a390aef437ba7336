//! What asks a server to stop.

#[cfg(unix)]
use std::task::Poll;

/// What asks a server to stop: SIGTERM, SIGHUP (the terminal is closed) and SIGINT (Ctrl-C elsewhere). They
/// are heard from when this is made. A process that was started to outlive its terminal (`nohup`) ignores
/// SIGHUP, and goes on doing so.
pub(crate) struct Stop {
    #[cfg(unix)]
    signals: Vec<(&'static str, tokio::signal::unix::Signal)>,
}

impl Stop {
    #[cfg(unix)]
    pub(crate) fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = (!ignores_hangup()).then(|| ("SIGHUP", SignalKind::hangup()));
        let kinds = [("SIGTERM", SignalKind::terminate()), ("SIGINT", SignalKind::interrupt())];
        let heard = kinds.into_iter().chain(hangup);
        Self { signals: heard.filter_map(|(name, kind)| Some((name, signal(kind).ok()?))).collect() }
    }

    #[cfg(not(unix))]
    pub(crate) fn new() -> Self {
        Self {}
    }

    /// Waits until the process is asked to stop. Returns by what.
    pub(crate) async fn asked(&mut self) -> &'static str {
        #[cfg(unix)]
        return std::future::poll_fn(|context| {
            let mut asked = self
                .signals
                .iter_mut()
                .filter_map(|(name, signal)| signal.poll_recv(context).is_ready().then_some(*name));
            asked.next().map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        #[cfg(not(unix))]
        {
            drop(tokio::signal::ctrl_c().await);
            "Ctrl-C"
        }
    }
}

/// Whether this process was started with SIGHUP ignored. Linux tells; elsewhere nobody is asked, and it is
/// not.
#[cfg(unix)]
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 1)
}
