//! The life of a connection: what it may cost, when it ends, and how it ends well.

use std::{
    cell::Cell,
    error::Error,
    future::{self, Future},
    io::{self, IoSlice},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use component::{BoxError, Guest, Place, Stop};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, sleep_until, timeout},
};
use transport::WriteDeadline;

use super::faults::{Closed, Faults};

/// How long a client may take for the TLS handshake, and for its first words after that.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);

/// The fewest bytes a client that means it has sent by then: HTTP/2's preface.
const FIRST_WORDS: u64 = 24;

/// How much a sender may have under way on one connection, where there are few. It bounds what a connection can make us
/// hold before a request is admitted: bytes that were sent lie either here, unread, or in a buffer that was claimed.
const LARGEST_WINDOW: usize = 2 << 20;

/// With more connections than these bytes hold windows, a window is that part of them: a hundred senders that are told
/// to come back, and do so at once, would else hold 200 MiB that no request has claimed.
const ALL_WINDOWS: usize = 16 << 20;

/// What HTTP/2 gives before anything is agreed.
const SMALLEST_WINDOW: usize = 64 << 10;

/// How much of what comes over HTTP/1.1 lies unread. Longer heads are refused.
pub(super) const HTTP1_BUFFER: usize = 64 << 10;

/// The longest list of headers. OTLP needs a few hundred bytes; some senders add long tokens.
pub(super) const MAX_HEADERS: u32 = 32 << 10;

/// How much a sender may have under way on one stream and on all of a connection, where so many connections are open. A
/// frame may fill the window of a stream, which saves the sender and us a call per 16 KiB.
pub(super) fn windows(n_connections: usize) -> (u32, u32) {
    let window = (ALL_WINDOWS / n_connections.max(1)).clamp(SMALLEST_WINDOW, LARGEST_WINDOW);
    let stream = (window / 2).max(SMALLEST_WINDOW);
    (stream as u32, window as u32)
}

/// Streams that the client opened and took back before we looked at them (CVE-2023-44487).
pub(super) const MAX_PENDING_RESETS: usize = 20;

/// Streams that we had to reset because the client broke the protocol (CVE-2025-8671).
pub(super) const MAX_LOCAL_RESETS: usize = 1024;

/// How long a connection must have rested before it is asked to make room for another.
const REST: Duration = Duration::from_secs(5);

/// How long a client that is asked to leave may take for it.
const FAREWELL: Duration = Duration::from_secs(1);

/// When a connection is ended from our side; zero means never.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lifetimes {
    pub(super) max_idle: Duration,
    pub(super) max_age: Duration,
    /// How long requests may go on after `max_age`.
    pub(super) grace: Duration,
}

/// What is known of a connection while it lasts.
pub(super) struct Life {
    active: Cell<usize>,
    idle_since: Cell<Instant>,
    bytes_read: Cell<u64>,
    has_asked: Cell<bool>,
    /// Whether the client has taken nothing of an answer for too long.
    takes_nothing: Rc<Cell<bool>>,
    place: Place,
}

/// A request under way; it ends when this is dropped.
pub(super) struct Active(Rc<Life>);

impl Life {
    pub(super) fn new(place: Place) -> Rc<Self> {
        Rc::new(Self {
            active: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            bytes_read: Cell::new(0),
            has_asked: Cell::new(false),
            takes_nothing: Rc::default(),
            place,
        })
    }

    pub(super) fn begin(self: &Rc<Self>) -> Active {
        self.active.set(self.active.get() + 1);
        self.has_asked.set(true);
        Active(Rc::clone(self))
    }

    /// Resolves when the client has connected and then said nothing.
    async fn stays_silent(&self) {
        tokio::time::sleep(HANDSHAKE).await;
        if self.bytes_read.get() >= FIRST_WORDS {
            future::pending::<()>().await;
        }
    }

    /// Resolves when the place is wanted for another client and nothing has been under way for a while.
    async fn gives_way(&self) {
        loop {
            let now = Instant::now();
            let idle_since = if self.active.get() == 0 { self.idle_since.get() } else { now };
            if now < idle_since + REST {
                sleep_until(idle_since + REST).await;
                continue;
            }
            let guest = if self.has_asked.get() { Guest::Resting } else { Guest::Stranger };
            self.place.is_wanted(guest).await;
            if self.active.get() == 0 && self.idle_since.get() == idle_since {
                return;
            }
            self.place.pass_on();
        }
    }

    /// Resolves when the connection is too old or has been idle for too long.
    async fn wears_out(&self, limits: Lifetimes) {
        let after = |since: Instant, limit: Duration| (!limit.is_zero()).then(|| since + limit);
        let oldest = after(Instant::now(), limits.max_age);
        loop {
            let now = Instant::now();
            let idle_since = if self.active.get() == 0 { self.idle_since.get() } else { now };
            let ends = [oldest, after(idle_since, limits.max_idle)].into_iter().flatten().min();
            match ends {
                None => future::pending().await,
                Some(end) if end <= now => return,
                Some(end) => sleep_until(end).await,
            }
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get().saturating_sub(1));
        self.0.idle_since.set(Instant::now());
    }
}

/// Serves a connection until the client leaves, the connection wears out, or the service stops; then
/// lets the requests under way finish. `finish` is the connection's graceful shutdown.
pub(super) async fn drive<C, E: Into<BoxError>>(
    connection: C,
    finish: fn(Pin<&mut C>),
    life: &Life,
    limits: Lifetimes,
    (stop, faults): (&Stop, &Faults),
) where
    C: Future<Output = Result<(), E>>,
{
    let report = |end: Result<(), E>| {
        if life.takes_nothing.get() {
            return faults.closed(Closed::TakesNothing);
        }
        report(end, faults);
    };
    let mut connection = pin!(connection);
    let grace = tokio::select! {
        biased;
        end = connection.as_mut() => return report(end),
        () = life.stays_silent() => return faults.closed(Closed::Silent),
        () = life.wears_out(limits) => limits.grace,
        () = life.gives_way() => {
            faults.closed(Closed::MadeRoom);
            if !life.has_asked.get() {
                return;
            }
            FAREWELL
        }
        () = stop.cancelled() => Duration::ZERO,
    };
    finish(connection.as_mut());
    if grace.is_zero() {
        return report(connection.await);
    }
    if let Ok(end) = timeout(grace, connection).await {
        report(end);
    }
}

/// A client that breaks the connection is its own affair; one that we turn out is counted.
fn report<E: Into<BoxError>>(end: Result<(), E>, faults: &Faults) {
    let Err(error) = end else { return };
    let error: BoxError = error.into();
    tracing::debug!(%error, "connection ended early");
    let mut cause: Option<&(dyn Error + 'static)> = Some(error.as_ref());
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(hyper::Error::is_timeout) {
            return faults.closed(Closed::SlowHead);
        }
        // The HTTP/2 layer ends connections that cost it more than they bring, and says calm down; of which kind
        // it was, its error does not tell.
        if let Some(error) = error.downcast_ref::<h2::Error>()
            && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM)
            && error.is_library()
        {
            return faults.closed(Closed::Flood);
        }
        cause = error.source();
    }
}

/// Counts what is read from a stream.
pub(super) struct Watched<S> {
    stream: WriteDeadline<S>,
    life: Rc<Life>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, life: &Rc<Life>) -> Self {
        Self { stream: WriteDeadline::new(stream, Rc::clone(&life.takes_nothing)), life: Rc::clone(life) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        self.life.bytes_read.set(self.life.bytes_read.get() + read as u64);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::windows;

    #[test]
    fn windows_are_smaller_where_more_connections_are_open() {
        let mib = |n: f64| (n * f64::from(1 << 20)) as u32;
        assert_eq!(windows(0), (mib(1.0), mib(2.0)));
        assert_eq!(windows(8), (mib(1.0), mib(2.0)));
        assert_eq!(windows(64), (mib(0.125), mib(0.25)));
        assert_eq!(windows(4096), (mib(0.0625), mib(0.0625)));
        // Each has what was there for one more when it came.
        let all: u64 = (1..=4096).map(|n| u64::from(windows(n).1)).sum();
        assert!(all < 320 << 20, "{} MiB in all", all >> 20);
    }
}
