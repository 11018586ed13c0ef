//! A clock that moves only when told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use model::Timestamp;
use tokio::sync::oneshot;

use crate::Clock;

/// A clock for tests and replays. Clones tell the same time.
#[derive(Clone)]
pub struct ManualClock(Arc<Mutex<State>>);

struct State {
    now: Timestamp,
    sleepers: Vec<(Timestamp, oneshot::Sender<()>)>,
}

impl ManualClock {
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State { now, sleepers: Vec::new() })))
    }

    /// Moves the time forward and wakes, in order, those whose time has come.
    pub fn advance_to(&self, now: Timestamp) {
        let mut state = self.state();
        state.now = state.now.max(now);
        let now = state.now;
        let mut due: Vec<_> = state.sleepers.extract_if(.., |(at, _)| *at <= now).collect();
        drop(state);
        due.sort_by_key(|(at, _)| *at);
        for (_, sleeper) in due {
            // A sleeper that was dropped no longer cares.
            let _gone = sleeper.send(());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let mut state = self.state();
        if at <= state.now {
            return Box::pin(async {});
        }
        let (wake, woken) = oneshot::channel();
        state.sleepers.push((at, wake));
        Box::pin(async move {
            // The clock is gone when the test is over; nothing is left to wake for.
            if woken.await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}
