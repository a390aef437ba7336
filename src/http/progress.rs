//! A connection whose writes must get on.
//!
//! A client that asks and does not read what it is answered holds its connection for as long as it likes: the
//! answer waits for room that never comes. Here such a wait has an end. What is idle waits for nothing: an
//! event stream that says nothing may stay open.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A stream of which a write fails where the other end took nothing for too long.
pub(super) struct WithDeadline<S> {
    stream: S,
    patience: Duration,
    /// While a write waits: until when.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> WithDeadline<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, stalled: None }
    }

    /// What a write came to, unless it waited for too long.
    fn bounded(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        stalled
            .as_mut()
            .poll(context)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of its answer")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WithDeadline<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, octets);
        self.bounded(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.bounded(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WithDeadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::sleep;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_and_one_that_takes_little_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut ours = WithDeadline::new(ours, PATIENCE);
        let reads = tokio::spawn(async move {
            for _ in 0..10 {
                sleep(PATIENCE - Duration::from_millis(1)).await;
                theirs.read_exact(&mut [0; 4]).await.unwrap();
            }
            theirs // It stays open, and nobody reads any more.
        });
        ours.write_all(&[0; 48]).await.unwrap();
        let mut theirs = reads.await.unwrap();
        let error = ours.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        theirs.read_exact(&mut [0; 8]).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_says_nothing_for_a_day_is_not_given_up() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut ours = WithDeadline::new(ours, PATIENCE);
        for _ in 0..3 {
            ours.write_all(b"event").await.unwrap();
            ours.flush().await.unwrap();
            theirs.read_exact(&mut [0; 5]).await.unwrap();
            sleep(Duration::from_secs(24 * 60 * 60)).await;
        }
    }
}
