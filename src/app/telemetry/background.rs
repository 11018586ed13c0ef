//! A thread on which own telemetry is sent, so that no thread of the data path ever waits for it.

use std::{io, thread::JoinHandle};

use component::Stop;
use tokio::runtime::{Builder, Handle};

/// A runtime with a thread of its own.
pub(super) struct Background {
    handle: Handle,
    stop: Stop,
    thread: JoinHandle<()>,
}

impl Background {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let stop = Stop::new();
        let until = stop.clone();
        let run = move || runtime.block_on(until.cancelled());
        let thread = std::thread::Builder::new().name("self-telemetry".to_owned()).spawn(run)?;
        Ok(Self { handle, stop, thread })
    }

    pub(super) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends the thread; what is still being sent on it is given up.
    pub(super) fn stop(self) {
        self.stop.cancel();
        if self.thread.join().is_err() {
            tracing::error!("the sender of own telemetry panicked");
        }
    }
}
