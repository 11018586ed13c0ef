//! Clients that ask and never read what they are answered.

use std::{
    cell::Cell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a client may take nothing of what is written to it. The slowest that means it takes a packet by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stream that breaks when its other end takes nothing for so long: nothing else would ever end such a connection, as its
/// system goes on answering for it.
pub struct WriteDeadline<S> {
    stream: S,
    /// There while the other end takes nothing.
    until: Option<Pin<Box<Sleep>>>,
    has_passed: Rc<Cell<bool>>,
}

impl<S> WriteDeadline<S> {
    /// `has_passed` tells afterwards whether that was the end.
    pub fn new(stream: S, has_passed: Rc<Cell<bool>>) -> Self {
        Self { stream, until: None, has_passed }
    }

    fn bounded<T>(&mut self, poll: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.until = None;
            return poll;
        }
        let until = self.until.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        ready!(until.as_mut().poll(cx));
        self.has_passed.set(true);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other end takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteDeadline<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(poll, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.bounded(poll, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.bounded(poll, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bounded(poll, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        runtime::Builder,
        time::{Instant, advance},
    };

    use super::*;

    fn run(test: impl Future<Output = ()>) {
        Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(test);
    }

    #[test]
    fn who_takes_nothing_for_half_a_minute_is_given_up() {
        run(async {
            let (_silent, ours) = duplex(16);
            let has_passed = Rc::default();
            let mut stream = WriteDeadline::new(ours, Rc::clone(&has_passed));
            stream.write_all(&[7; 16]).await.unwrap();
            let since = Instant::now();
            let problem = stream.write_all(&[7; 16]).await.unwrap_err();
            assert_eq!(problem.kind(), io::ErrorKind::TimedOut);
            assert_eq!(since.elapsed().as_secs(), PATIENCE.as_secs());
            assert!(has_passed.get());
        });
    }

    #[test]
    fn who_takes_a_little_now_and_then_gets_everything() {
        run(async {
            let (mut slow, ours) = duplex(16);
            let has_passed = Rc::default();
            let mut stream = WriteDeadline::new(ours, Rc::clone(&has_passed));
            let write = async { stream.write_all(&[7; 160]).await.unwrap() };
            let read = async {
                for _ in 0..10 {
                    advance(PATIENCE - Duration::from_secs(1)).await;
                    slow.read_exact(&mut [0; 16]).await.unwrap();
                }
            };
            tokio::join!(write, read);
            assert!(!has_passed.get());
        });
    }
}
