//! Standard input and output as the protocol library reads and writes them, with what it leaves to its
//! clients to suffer.
//!
//! What is no message that can be served is refused with its id before the library sees it ([`frame`]); an
//! `initialize` that cannot be read is answered about its parameters; and of two open requests with one id
//! the second is refused.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::async_rw::DEFAULT_MAX_LINE_LENGTH;
use rmcp::transport::{IntoTransport as _, Transport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::frame::{self, Frame};
use super::long_list;
use super::open_calls::OpenCalls;
use super::params;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// The transport over these pipes.
pub(crate) fn transport<R, W>(input: R, output: W) -> impl Transport<RoleServer, Error = io::Error> + 'static
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let (refuse, refusals) = mpsc::unbounded_channel();
    let lines = Lines {
        input,
        chunk: vec![0; CHUNK].into(),
        line: Vec::new(),
        ready: Vec::new(),
        given: 0,
        is_too_long: false,
        refuse,
    };
    Guarded {
        inner: (lines, output).into_transport(),
        refusals,
        sending: JoinSet::new(),
        open: OpenCalls::default(),
    }
}

/// An input of which only lines go on that the library can read.
struct Lines<R> {
    input: R,
    chunk: Box<[u8]>,
    /// A line that has not ended.
    line: Vec<u8>,
    /// What may go on, and how much of it did.
    ready: Vec<u8>,
    given: usize,
    /// Whether the line that has not ended is one that the library drops for its length.
    is_too_long: bool,
    refuse: mpsc::UnboundedSender<ServerJsonRpcMessage>,
}

impl<R> Lines<R> {
    /// Takes what was read: lines that end here go on or are refused.
    fn take(&mut self, read: &[u8]) {
        for part in read.split_inclusive(|byte| *byte == b'\n') {
            if self.is_too_long {
                self.ready.extend_from_slice(part);
            } else {
                self.line.extend_from_slice(part);
            }
            if part.ends_with(b"\n") && !std::mem::take(&mut self.is_too_long) {
                self.end_line();
            } else if self.line.len() > DEFAULT_MAX_LINE_LENGTH {
                // The library counts and drops it; it is not kept here meanwhile.
                self.ready.append(&mut self.line);
                self.is_too_long = true;
            }
        }
    }

    fn end_line(&mut self) {
        match frame::look(&self.line) {
            // The library skips what is no JSON without a word: nobody knows whose it is.
            Frame::NoJson(_) => self.ready.append(&mut self.line),
            Frame::Message => {
                // Taken: a buffer that was needed for a long line once is not kept for ever.
                let mut line = std::mem::take(&mut self.line);
                long_list::fold(&mut line, DEFAULT_MAX_LINE_LENGTH);
                if self.ready.is_empty() {
                    self.ready = line;
                } else {
                    self.ready.append(&mut line);
                    line.shrink_to(CHUNK);
                    self.line = line;
                }
            }
            Frame::Refused(refusals) => {
                self.line.clear();
                for answer in refusals.into_iter().filter_map(frame::FrameRefusal::answer) {
                    let _ = self.refuse.send(answer); // Nobody hears it once the transport is gone.
                }
            }
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Lines<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let rest = self.ready.get(self.given..).unwrap_or_default();
            if !rest.is_empty() {
                let (now, _) = rest.split_at(rest.len().min(buffer.remaining()));
                buffer.put_slice(now);
                self.given += now.len();
                return Poll::Ready(Ok(()));
            }
            self.ready.clear();
            self.ready.shrink_to(CHUNK);
            self.given = 0;
            let this = &mut *self;
            let mut chunk = std::mem::take(&mut this.chunk);
            let mut read = ReadBuf::new(&mut chunk);
            let polled = Pin::new(&mut this.input).poll_read(context, &mut read);
            let is_end = matches!(polled, Poll::Ready(Ok(()))) && read.filled().is_empty();
            this.take(read.filled());
            this.chunk = chunk;
            ready!(polled)?;
            if is_end {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// The library's transport, with answers of our own.
struct Guarded<T> {
    inner: T,
    refusals: mpsc::UnboundedReceiver<ServerJsonRpcMessage>,
    /// Answers on their way. Apart: `receive` may be given up at any wait.
    sending: JoinSet<()>,
    open: OpenCalls,
}

impl<T: Transport<RoleServer>> Guarded<T> {
    fn answer(&mut self, refused: ServerJsonRpcMessage) {
        while self.sending.try_join_next().is_some() {}
        let sent = self.inner.send(refused);
        self.sending.spawn(async move {
            let _ = sent.await; // Nobody reads it once the client is gone.
        });
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Guarded<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.open.note(&item);
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let message = tokio::select! {
                biased;
                Some(refused) = self.refusals.recv() => {
                    self.answer(refused);
                    continue;
                }
                message = self.inner.receive() => message,
            };
            let Some(message) = message else {
                // The transport is closed next: what was refused last is still told.
                while let Ok(refused) = self.refusals.try_recv() {
                    self.answer(refused);
                }
                while self.sending.join_next().await.is_some() {}
                return None;
            };
            let refused = match &message {
                ClientJsonRpcMessage::Request(request) => params::refusal(request).or_else(|| {
                    let refused = self.open.begin(&request.id).err()?;
                    Some(ServerJsonRpcMessage::error(refused, Some(request.id.clone())))
                }),
                _ => None,
            };
            match refused {
                None => return Some(message),
                Some(refused) => self.answer(refused),
            }
        }
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.inner.close()
    }
}
