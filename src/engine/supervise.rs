//! The supervisor: builds broken shards anew, puts other configurations in place, and waits for all at the end.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering, mpsc::RecvTimeoutError},
    thread::JoinHandle,
    time::Duration,
};

use component::Stop;
use model::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::{
    hop::{self, HopMessage},
    reload::{Pending, Prepared, Reload, ReloadError, Reloaded, Swap},
    service::Shared,
    shard::{self, Ended, NextEdition, SECOND, Shard, ShardState},
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
    /// Starts a shard by the configuration in force.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        index: usize,
        generation: u64,
        state: Arc<ShardState>,
        hop: &mpsc::Sender<HopMessage>,
        stop: &Stop,
    ) -> std::io::Result<Self> {
        let edition = shared.edition();
        let (handle, inbox) = shard::channels(&edition.plan, Arc::clone(&state));
        let broken = handle.broken.clone();
        let since = shared.clock.now().window_start(SECOND);
        state.told_until.store(since.as_nanos(), Ordering::Release);
        let shard = Shard {
            since,
            index,
            shared: Arc::clone(shared),
            edition,
            handle: handle.clone(),
            inbox,
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
        let generation = self.generation + 1;
        expect(hop, Shard::source(shared, self.index, generation));
        // It may have broken before it changed to the configuration in force.
        for told in [self.generation.saturating_sub(1), self.generation] {
            end_of(hop, Shard::source(shared, self.index, told), shared.clock.now());
        }
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
/// The same while a configuration is being put in place.
const WATCH_CLOSELY: Duration = Duration::from_millis(10);

/// Looks after the shards: builds broken ones anew, and puts other configurations in place.
pub(crate) struct Supervisor {
    pub(crate) shared: Arc<Shared>,
    pub(crate) shards: Vec<Supervised>,
    pub(crate) hop: mpsc::Sender<HopMessage>,
    pub(crate) stop: Stop,
    pub(crate) swaps: mpsc::UnboundedSender<Swap>,
    pub(crate) orders: std::sync::mpsc::Receiver<Reload>,
    pub(crate) pending: Option<Pending>,
}

impl Supervisor {
    /// Works until the stop, then waits for all shards.
    pub(crate) fn watch(mut self) {
        let restarts = self.shared.telemetry.counter(
            "trueline_shard_restarts",
            "Shards built anew after a panic.",
            "{restart}",
        );
        while !self.stop.is_cancelled() {
            let pause = if self.pending.is_some() { WATCH_CLOSELY } else { WATCH };
            match self.orders.recv_timeout(pause) {
                Ok(order) if !self.stop.is_cancelled() => self.reload(order),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(pause),
            }
            if self.hop.is_closed() && !self.stop.is_cancelled() {
                // Without it nothing is accepted, merged or exported: better to end than to seem alive.
                error!("the analysis thread ended by itself; the service stops");
                self.shared.health.fail("the analysis thread ended by itself".to_owned());
                self.stop.cancel();
                break;
            }
            self.see_reload_through();
            for shard in &mut self.shards {
                if !self.stop.is_cancelled() && shard.is_due() {
                    restarts.add(1);
                    shard.rebuild(&self.shared, &self.hop, &self.stop);
                }
            }
        }
        // Who waits for a reload is told that the service ends.
        drop((self.orders, self.pending));
        for shard in self.shards {
            shard.join(&self.shared, &self.hop);
        }
    }

    fn reload(&mut self, Reload { plan, reply }: Reload) {
        let since = self.shared.clock.now();
        let begun = match &self.pending {
            Some(_) => Err(ReloadError::Busy),
            None => Prepared::of(plan, &self.shared),
        };
        let Prepared { edition, changes, doors, listening, difference } = match begun {
            Ok(prepared) => prepared,
            Err(problem) => {
                // Who asked may have gone.
                let _gone = reply.send(Err(problem));
                return;
            }
        };
        *self.shared.listening.lock().unwrap_or_else(PoisonError::into_inner) = listening;
        // From here on there is no way back; shards that are built anew are built by this one.
        self.shared.health.replace();
        self.shared.replace_edition(Arc::clone(&edition));
        let source = |shard: &Supervised| Shard::source(&self.shared, shard.index, shard.generation);
        let old_sources = self.shards.iter().map(source).collect();
        self.shards.iter_mut().for_each(|shard| shard.generation += 1);
        let new_sources = self.shards.iter().map(source).collect();
        let (done, is_done) = oneshot::channel();
        let (changing, changed) = mpsc::channel(1);
        let (its, of_shards) = (Arc::clone(&edition), Arc::clone(&changes));
        let swap = Swap { edition: its, changes: of_shards, doors, old_sources, new_sources, changed, done };
        // Before the shards: it must know of new sources before they tell. A thread that has ended is found above.
        let _ended = self.swaps.send(swap);
        for (shard, handle) in self.shards.iter().zip(self.shared.shards()) {
            let (edition, changes) = (Arc::clone(&edition), Arc::clone(&changes));
            let generation = shard.generation;
            let next = NextEdition { edition, changes, generation, _changing: changing.clone() };
            // One that has broken is built anew by the new configuration.
            let _broken = handle.editions.send(next);
        }
        if let Err(problem) = self.shared.watch_memory(&self.stop) {
            error!(error = %problem, "the memory can not be watched; no limit holds");
        }
        self.pending = Some(Pending { difference, since, reply, done: is_done });
    }

    /// Answers who waits for a reload when it is done.
    fn see_reload_through(&mut self) {
        let Some(pending) = &mut self.pending else { return };
        match pending.done.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => return,
            Err(oneshot::error::TryRecvError::Closed) | Ok(()) => {}
        }
        if let Some(Pending { difference, since, reply, .. }) = self.pending.take() {
            let edition = self.shared.edition();
            self.shared.health.runs_by(edition.plan.hash());
            self.shared.health.consists_of(edition.plan.outline().parts());
            let took = self.shared.clock.now().since(since);
            // Who asked may have gone.
            let _gone = reply.send(Ok(Reloaded { difference, took }));
        }
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
        more: false,
    };
    if hop.blocking_send(message).is_err() {
        error!("the analysis half has ended before the shards");
    }
}
