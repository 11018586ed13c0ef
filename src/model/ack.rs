//! Acknowledgement: what became of a request, told to whoever sent it.
//!
//! A batch carries an [`Ack`]; clones travel with fan-out and concatenation. The worst outcome
//! wins, and dropping the last clone tells the [`AckFuture`].

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

/// What became of a request. The order is from best to worst.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Delivered, absorbed, or dropped on purpose and counted. `rejected` items were refused by a
    /// destination for good (OTLP's partial success); they must not be sent again.
    Delivered { rejected: u64, message: String },
    /// Refused for good: sending it again will not help.
    Permanent(String),
    /// Not delivered now: send it again, not before `after`.
    Retryable { after: Option<Duration>, message: String },
}

impl Outcome {
    pub const DELIVERED: Self = Self::Delivered { rejected: 0, message: String::new() };

    fn rank(&self) -> u8 {
        match self {
            Self::Delivered { .. } => 0,
            Self::Permanent(_) => 1,
            Self::Retryable { .. } => 2,
        }
    }
}

struct Shared {
    state: Mutex<State>,
}

struct State {
    outcome: Outcome,
    done: bool,
    waker: Option<Waker>,
}

/// One share in the fate of a request. Dropping it unreported means "delivered or absorbed".
#[derive(Clone)]
pub struct Ack(Option<Arc<Token>>);

/// Dropped with the last clone of an [`Ack`].
struct Token(Arc<Shared>);

/// Resolves when every clone of the [`Ack`] is gone.
pub struct AckFuture(Arc<Shared>);

impl Ack {
    /// Makes an acknowledgement and the future that waits for it.
    pub fn new() -> (Self, AckFuture) {
        let state = State { outcome: Outcome::DELIVERED, done: false, waker: None };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        (Self(Some(Arc::new(Token(Arc::clone(&shared))))), AckFuture(shared))
    }

    /// Makes an acknowledgement that nobody waits for.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Reports an outcome; the worst of all reports wins, and partial rejections add up.
    pub fn report(&self, outcome: Outcome) {
        let Some(token) = &self.0 else { return };
        let mut state = token.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let (
            Outcome::Delivered { rejected, message },
            Outcome::Delivered { rejected: more, message: why },
        ) = (&mut state.outcome, &outcome)
        {
            *rejected += more;
            if message.is_empty() {
                message.clone_from(why);
            }
            return;
        }
        if outcome.rank() > state.outcome.rank() {
            state.outcome = outcome;
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

impl AckFuture {
    /// Whether every clone of the [`Ack`] is gone, for whoever has no time to wait.
    pub fn is_done(&self) -> bool {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).done
    }
}

impl Future for AckFuture {
    type Output = Outcome;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.done {
            return Poll::Ready(state.outcome.clone());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl std::fmt::Debug for Ack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Ack" } else { "Ack(nobody waits)" })
    }
}
