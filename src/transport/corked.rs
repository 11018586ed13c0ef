//! Writes that wait for each other, and reads that run ahead.
//!
//! The `h2` crate flushes after every DATA frame, which is at most 16 KiB towards peers that do not
//! take larger ones: one system call, and one walk through the kernel's TCP, for each. Corked, what a
//! connection writes in one turn is collected and goes out in one call when the turn is over. Nothing
//! waits for time: the task that empties the cork is the next to run.

mod reads;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, BytesMut};
use reads::Reads;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::spawn_local,
};

/// So much is collected before it is written within a turn. It stays in the second-level cache.
const FULL: usize = 128 << 10;

/// A stream whose writes are collected, and that is read ahead where frames are small.
///
/// Lives on one thread, in a `LocalSet`.
pub struct Corked<S> {
    shared: Rc<RefCell<Shared<S>>>,
}

struct Shared<S> {
    stream: S,
    collected: BytesMut,
    reads: Reads,
    /// Why the stream takes no more; the next write is told.
    failed: Option<io::Error>,
    /// Wakes the task that empties the cork.
    emptier: Option<Waker>,
    /// Wakes the connection when there is room, or when all is out.
    writer: Option<Waker>,
    is_dropped: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Corked<S> {
    /// Corks a stream, and spawns the task that empties the cork.
    pub fn new(stream: S) -> Self {
        let shared = Rc::new(RefCell::new(Shared {
            stream,
            collected: BytesMut::new(),
            reads: Reads::default(),
            failed: None,
            emptier: None,
            writer: None,
            is_dropped: false,
        }));
        let emptied = Rc::clone(&shared);
        spawn_local(std::future::poll_fn(move |cx| emptied.borrow_mut().poll_empty(cx)));
        Self { shared }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    /// Runs as a task of its own for as long as the stream lives.
    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let written = self.poll_write_out(cx);
        let is_over = self.failed.is_some() || (self.is_dropped && written.is_ready());
        if is_over {
            return Poll::Ready(());
        }
        if !self.emptier.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            self.emptier = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Writes out what is collected. Ready when all is out, or never will be.
    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.collected.is_empty() && self.failed.is_none() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.collected)) {
                Ok(0) => self.failed = Some(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.collected.advance(written),
                Err(problem) => self.failed = Some(problem),
            }
            self.wake_writer();
        }
        if self.failed.is_none()
            && let Err(problem) = ready!(Pin::new(&mut self.stream).poll_flush(cx))
        {
            self.failed = Some(problem);
        }
        self.wake_writer();
        Poll::Ready(())
    }

    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    fn wake_emptier(&self) {
        if let Some(emptier) = &self.emptier {
            emptier.wake_by_ref();
        }
    }

    /// Makes room for a write. What the stream can not take now, the emptier writes when it can.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.collected.len() >= FULL && self.poll_write_out(cx).is_pending() {
            // The stream now wakes this task; it must wake the emptier, which writes without us.
            self.wake_emptier();
        }
        if let Some(problem) = &self.failed {
            return Poll::Ready(Err(copy_of(problem)));
        }
        if self.collected.len() >= FULL {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

/// Errors of the system can not be cloned; the writer is told what happened.
fn copy_of(problem: &io::Error) -> io::Error {
    match problem.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(problem.kind(), problem.to_string()),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Corked<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut shared = self.shared.borrow_mut();
        ready!(shared.poll_room(cx))?;
        let mut taken = 0;
        for slice in slices {
            shared.collected.extend_from_slice(slice);
            taken += slice.len();
            // A long list is taken in part, so that the cork stays near its size.
            if shared.collected.len() >= FULL {
                break;
            }
        }
        shared.wake_emptier();
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Done at once: what is collected goes out when the turn of the caller is over.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.shared.borrow().failed {
            Some(problem) => Poll::Ready(Err(copy_of(problem))),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.shared.borrow_mut();
        if shared.poll_write_out(cx).is_pending() {
            // Whoever of the two tasks the stream wakes, this one is told.
            shared.writer = Some(cx.waker().clone());
            shared.wake_emptier();
            return Poll::Pending;
        }
        if let Some(problem) = &shared.failed {
            return Poll::Ready(Err(copy_of(problem)));
        }
        Pin::new(&mut shared.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Corked<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Shared { stream, reads, .. } = &mut *self.shared.borrow_mut();
        reads.poll(stream, cx, into)
    }
}

impl<S> Drop for Corked<S> {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        shared.is_dropped = true;
        if let Some(emptier) = shared.emptier.take() {
            emptier.wake();
        }
    }
}
