//! Telling a client how far a bulk has come, as a client can take it.
//!
//! At most one step in [`GAP`], each higher than the one before, whatever the bulk's speed: a thousand steps
//! a second would cost the client more than they tell it. Never the last step, since the answer itself says
//! that all is done; and never a step in the same instant as the answer: a client that reads both at once
//! (the TypeScript SDK is one) has already forgotten the call when it comes to look at the step, and calls
//! that an error. So the answer waits until the last step is [`QUIET`] ago.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::engine::OnProgress;

/// Least time from one step to the next, and from the call to the first: ten a second.
const GAP: Duration = Duration::from_millis(100);

/// Least time from the last step to the answer.
const QUIET: Duration = Duration::from_millis(50);

/// Steps that are told while a call is worked on.
pub(super) struct Progress {
    tell: OnProgress,
    over: CancellationToken,
    teller: JoinHandle<Option<Instant>>,
}

impl Progress {
    /// Tells steps by `notify`, which says whether the client is still there, until [`Progress::end`] or
    /// until nobody can tell any.
    pub(super) fn new<F, Told>(notify: F) -> Self
    where
        F: Fn(u32, u32) -> Told + Send + 'static,
        Told: Future<Output = bool> + Send + 'static,
    {
        let (step, steps) = watch::channel((0, 0));
        let over = CancellationToken::new();
        let teller = tokio::spawn(tell(notify, steps, over.clone()));
        let tell: OnProgress = Arc::new(move |done, total| {
            step.send_replace((done, total));
        });
        Self { tell, over, teller }
    }

    /// Where the steps are told.
    pub(super) fn tell(&self) -> OnProgress {
        Arc::clone(&self.tell)
    }

    /// Tells nothing more, and returns when the answer may follow.
    pub(super) async fn end(self) {
        self.over.cancel();
        if let Ok(Some(last)) = self.teller.await {
            sleep_until(last + QUIET).await;
        }
    }
}

/// Tells the newest step, at most one in each gap. Returns when the last one was told.
async fn tell<F, Told>(
    notify: F,
    mut steps: watch::Receiver<(u32, u32)>,
    over: CancellationToken,
) -> Option<Instant>
where
    F: Fn(u32, u32) -> Told + Send,
    Told: Future<Output = bool> + Send,
{
    let (mut told, mut last) = (0, None);
    loop {
        let step = async {
            sleep(GAP).await;
            steps.wait_for(|(done, total)| *done > told && done < total).await.map(|step| *step)
        };
        let step = tokio::select! {
            biased;
            () = over.cancelled() => return last,
            step = step => step,
        };
        let Ok((done, total)) = step else { return last };
        // Waited for: what was told leaves before the answer does.
        if !notify(done, total).await {
            return last;
        }
        (told, last) = (done, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Mutex;

    use super::*;

    type Steps = Arc<Mutex<Vec<(Instant, u32)>>>;

    fn watched() -> (Progress, Steps) {
        let steps = Steps::default();
        let told = Arc::clone(&steps);
        let progress = Progress::new(move |done, _| {
            told.lock().unwrap().push((Instant::now(), done));
            std::future::ready(true)
        });
        (progress, steps)
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_fast_bulk_at_most_ten_steps_a_second_are_told_and_each_is_higher() {
        let (progress, steps) = watched();
        let tell = progress.tell();
        // Messages are handed over side by side: a step may also come twice, or late.
        for done in 1..=3_000 {
            tell(done, 3_000);
            tell(done.saturating_sub(3), 3_000);
            sleep(Duration::from_millis(1)).await;
        }
        progress.end().await;
        let steps = steps.lock().unwrap();
        assert!((25..=30).contains(&steps.len()), "{}", steps.len());
        assert!(
            steps.windows(2).all(|pair| pair[1].0 - pair[0].0 >= GAP && pair[1].1 > pair[0].1),
            "{steps:?}"
        );
        assert!(steps.iter().all(|(_, done)| *done < 3_000), "the whole is told by the answer alone");
    }

    #[tokio::test(start_paused = true)]
    async fn the_answer_never_comes_in_the_same_instant_as_a_step() {
        // The answer is ready at every millisecond around the steps.
        for ready_ms in 90..=320 {
            let (progress, steps) = watched();
            let tell = progress.tell();
            for done in 1..=ready_ms {
                tell(done, 1_000);
                sleep(Duration::from_millis(1)).await;
            }
            progress.end().await;
            let answered = Instant::now();
            tell(999, 1_000);
            sleep(GAP * 3).await;
            let steps = steps.lock().unwrap();
            assert!(
                steps.iter().all(|(at, _)| answered - *at >= QUIET),
                "ready after {ready_ms} ms: {steps:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_bulk_that_ends_at_once_is_answered_at_once_and_tells_no_step() {
        let (progress, steps) = watched();
        let began = Instant::now();
        (progress.tell())(1, 2);
        (progress.tell())(2, 2);
        progress.end().await;
        assert_eq!((Instant::now(), steps.lock().unwrap().len()), (began, 0));
    }
}
