//! The supervisor: builds broken shards anew, and waits for all at the end.

use std::{
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use component::Stop;
use model::Timestamp;
use tokio::sync::mpsc;
use tracing::error;

use crate::{
    hop::{self, HopMessage},
    service::Shared,
    shard::{self, Ended, SECOND, Shard, ShardState},
};

/// One shard's thread, and what is needed to build it anew.
pub(crate) struct Supervised {
    index: usize,
    generation: u64,
    thread: Option<JoinHandle<Ended>>,
    broken: Stop,
    state: Arc<ShardState>,
    /// Threads of generations before this one, which deliver what was queued.
    leaving: Vec<JoinHandle<Ended>>,
}

/// A shard that breaks again and again is not built anew before some of these have ended.
const MAX_LEAVING: usize = 4;

impl Supervised {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        index: usize,
        generation: u64,
        state: Arc<ShardState>,
        hop: &mpsc::Sender<HopMessage>,
        stop: &Stop,
    ) -> std::io::Result<Self> {
        let (handle, inbox) = shard::channels(&shared.plan, Arc::clone(&state));
        let broken = handle.broken.clone();
        let since = shared.clock.now().window_start(SECOND);
        state.told_until.store(since.as_nanos(), Ordering::Release);
        let shard = Shard {
            since,
            index,
            shared: Arc::clone(shared),
            inbox,
            state: Arc::clone(&state),
            hop: hop.clone(),
            stop: stop.clone(),
            generation,
        };
        shared.replace_shard(index, handle);
        let thread = std::thread::Builder::new().name(format!("shard-{index}")).spawn(move || shard.run())?;
        Ok(Self { index, generation, thread: Some(thread), broken, state, leaving: Vec::new() })
    }

    /// Whether the shard has broken and may be built anew now.
    fn is_due(&mut self) -> bool {
        self.leaving.retain(|thread| !thread.is_finished());
        let has_ended = self.thread.as_ref().is_some_and(JoinHandle::is_finished);
        let is_broken = self.thread.is_some() && self.broken.is_cancelled();
        (has_ended || is_broken) && self.leaving.len() < MAX_LEAVING
    }

    /// Starts the next generation beside the broken one, which delivers what it had queued.
    fn rebuild(&mut self, shared: &Arc<Shared>, hop: &mpsc::Sender<HopMessage>, stop: &Stop) {
        let source = Shard::source(shared, self.index, self.generation);
        let generation = self.generation + 1;
        expect(hop, Shard::source(shared, self.index, generation));
        end_of(hop, source, shared.clock.now());
        self.leaving.extend(self.thread.take());
        match Self::start(shared, self.index, generation, Arc::clone(&self.state), hop, stop) {
            Ok(anew) => {
                let leaving = std::mem::take(&mut self.leaving);
                *self = Self { leaving, ..anew };
            }
            Err(problem) => {
                error!(shard = self.index, error = %problem, "a broken shard could not be built anew");
                shared.health.fail(format!("shard {} is broken: {problem}", self.index));
            }
        }
    }

    fn join(self, shared: &Shared, hop: &mpsc::Sender<HopMessage>) {
        for thread in self.leaving {
            if thread.join().is_err() {
                error!(shard = self.index, "a broken shard panicked while it ended");
            }
        }
        let Some(thread) = self.thread else { return };
        match thread.join() {
            Ok(Ended::Drained) => {}
            Ok(Ended::Broken) | Err(_) => {
                error!(shard = self.index, "a shard broke while stopping; its last interval is lost");
                // What the other shards told last must not wait for this one.
                end_of(hop, Shard::source(shared, self.index, self.generation), shared.clock.now());
            }
        }
    }
}

/// How often shards are looked at.
const WATCH: Duration = Duration::from_millis(200);

/// Builds broken shards anew until the stop, then waits for all.
pub(crate) fn watch(
    shared: &Arc<Shared>,
    mut shards: Vec<Supervised>,
    hop: mpsc::Sender<HopMessage>,
    stop: &Stop,
) {
    let restarts =
        shared.telemetry.counter("trueline_shard_restarts", "Shards built anew after a panic.", "{restart}");
    while !stop.is_cancelled() {
        std::thread::sleep(WATCH);
        if hop.is_closed() && !stop.is_cancelled() {
            // Without it nothing is accepted, merged or exported: better to end than to seem alive.
            error!("the analysis thread ended by itself; the service stops");
            shared.health.fail("the analysis thread ended by itself".to_owned());
            stop.cancel();
            break;
        }
        for shard in &mut shards {
            if !stop.is_cancelled() && shard.is_due() {
                restarts.add(1);
                shard.rebuild(shared, &hop, stop);
            }
        }
    }
    for shard in shards {
        shard.join(shared, &hop);
    }
}

/// Tells the analysis half to wait for a shard that is being built anew.
fn expect(hop: &mpsc::Sender<HopMessage>, source: String) {
    let hello = HopMessage { version: hop::VERSION, source, ..HopMessage::default() };
    if hop.blocking_send(hello).is_err() {
        error!("the analysis half has ended before the shards");
    }
}

/// Tells the analysis half that nothing more comes from a broken shard. What it had not told is
/// lost; what it told counts.
fn end_of(hop: &mpsc::Sender<HopMessage>, source: String, now: Timestamp) {
    let message = HopMessage {
        version: hop::VERSION,
        source,
        sequence: u64::MAX,
        at_unix_nano: now.as_nanos(),
        last: true,
        partials: Vec::new(),
    };
    if hop.blocking_send(message).is_err() {
        error!("the analysis half has ended before the shards");
    }
}
