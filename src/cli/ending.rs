//! How a command ends that has the ledger open: by itself, or because somebody asked it to stop.

use std::time::Duration;

use super::output::note;
use crate::app;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};

/// How long a command waits for its own sends when it ends.
pub(super) const END_PATIENCE: Duration = Duration::from_secs(4);

/// Does what sends something. Asked to stop, it begins nothing more, and ends what has begun: a part of a
/// text is of no use to anybody, and an answer that nobody waits for is an unknown. Asked once more, it ends
/// at once.
pub(super) async fn finish(
    engine: &Engine,
    work: impl Future<Output = Result<()>>,
    mut signals: app::Stop,
) -> Result<()> {
    let mut work = std::pin::pin!(work);
    let done = tokio::select! {
        biased;
        done = &mut work => Some(done),
        _ = signals.asked() => None,
    };
    if let Some(done) = done {
        engine.stop(END_PATIENCE).await;
        return done;
    }
    note(
        "note: stopping. What has begun is finished; what is queued waits for the next process that sends \
         from this ledger",
    );
    engine.begin_stop();
    let ended = async {
        let done = tokio::time::timeout(END_PATIENCE, &mut work).await;
        let mut stop = std::pin::pin!(engine.stop(END_PATIENCE));
        if let Ok(done) = done {
            stop.await;
            return done;
        }
        tokio::select! {
            biased;
            done = &mut work => {
                stop.await;
                done
            }
            () = &mut stop => Err(Error::new(ErrorKind::OutcomeUnknown,
                "the command was stopped before the answer came")),
        }
    };
    tokio::select! {
        biased;
        done = ended => done,
        _ = signals.asked() => Err(Error::new(ErrorKind::OutcomeUnknown,
            "the command was stopped at once, before what had begun had ended")),
    }
}
