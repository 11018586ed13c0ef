//! Closes each second and tells the analysis half.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
};

use model::Timestamp;
use tokio::sync::mpsc;
use tracing::error;

use super::{Core, SECOND, ShardState};
use crate::{
    graph::Beat,
    hop::{self, HopMessage, StagePartial},
};

/// What one shard tells, as one source after another.
pub(super) struct Teller {
    core: Rc<Core>,
    state: Arc<ShardState>,
    hop: mpsc::Sender<HopMessage>,
    source: String,
    sequence: u64,
    /// The last second that was looked at.
    last: Timestamp,
    /// The last verdicts that this shard has taken over.
    verdicts_seen: u64,
}

impl Teller {
    pub(super) fn new(
        core: &Rc<Core>,
        state: Arc<ShardState>,
        hop: mpsc::Sender<HopMessage>,
        source: String,
        since: Timestamp,
    ) -> Self {
        Self { core: Rc::clone(core), state, hop, source, sequence: 0, last: since, verdicts_seen: 0 }
    }

    /// Waits for the end of a second.
    pub(super) async fn next_second(&mut self) -> Timestamp {
        let clock = Arc::clone(&self.core.shared.clock);
        clock.sleep_until(self.last + SECOND).await;
        self.last = clock.now().window_start(SECOND).max(self.last);
        self.last
    }

    /// Returns room for a message. When the analysis half can not follow there is none: deltas stay here and are told
    /// later.
    pub(super) fn room(&self) -> Option<mpsc::OwnedPermit<HopMessage>> {
        if self.core.shared.told_bytes.load(Ordering::Relaxed) > hop::MAX_TOLD_BYTES {
            return None;
        }
        self.hop.clone().try_reserve_owned().ok()
    }

    /// Tells a second, unless a stage panics.
    pub(super) fn tell(&mut self, room: mpsc::OwnedPermit<HopMessage>, at: Timestamp) {
        if let Some(message) = self.close(Beat::Tick, at) {
            self.send(room, message, at);
        }
    }

    pub(super) fn send(&self, room: mpsc::OwnedPermit<HopMessage>, message: HopMessage, at: Timestamp) {
        self.core.shared.told_bytes.fetch_add(message.size(), Ordering::Relaxed);
        room.send(message);
        self.state.told_until.store(at.as_nanos(), Ordering::Release);
    }

    /// Returns all that the stages still hold, as the last message of its source; none when a stage panics.
    pub(super) fn last_words(&mut self, at: Timestamp) -> Option<HopMessage> {
        let mut message = self.close(Beat::Drain, at)?;
        message.last = true;
        Some(message)
    }

    /// Goes on as another source, with stages that have to hear what has been found before.
    pub(super) fn begin(&mut self, source: String, at: Timestamp) {
        (self.source, self.sequence, self.verdicts_seen) = (source, 0, 0);
        self.hear(at);
    }

    pub(super) async fn drain(&mut self) {
        let now = self.core.shared.clock.now();
        let Some(message) = self.last_words(now) else { return };
        self.core.shared.told_bytes.fetch_add(message.size(), Ordering::Relaxed);
        if self.hop.send(message).await.is_err() {
            error!("the analysis half ended before the shards; the last interval is lost");
        }
    }

    /// Tells the stages what has been found since they heard of it last.
    fn hear(&mut self, now: Timestamp) -> bool {
        let (core, edition) = (&self.core, self.core.edition());
        let verdicts = core.shared.verdicts.since(&mut self.verdicts_seen);
        self.guarded(|| {
            let mut graph = core.graph.borrow_mut();
            for (stage, verdicts) in verdicts {
                if let Some(node) = edition.plan.stage_by_key(&stage) {
                    graph.tell(node, verdicts, now);
                }
            }
        })
        .is_some()
    }

    /// Closes what has ended, or marks the shard as broken when a stage panics.
    fn close(&mut self, beat: Beat, now: Timestamp) -> Option<HopMessage> {
        if !self.hear(now) {
            return None;
        }
        let (core, edition) = (&self.core, self.core.edition());
        let partials = self.guarded(|| {
            let mut graph = core.graph.borrow_mut();
            graph.beat(beat, &edition.plan.order, now);
            graph.take_partials()
        })?;
        let partials = partials.into_iter().map(|(node, partial)| StagePartial {
            stage: edition.plan.stage_key(node).to_owned(),
            partial: partial.bytes,
        });
        self.sequence += 1;
        Some(HopMessage {
            version: hop::VERSION,
            source: self.source.clone(),
            sequence: self.sequence,
            at_unix_nano: now.as_nanos(),
            last: false,
            partials: partials.collect(),
            more: false,
        })
    }

    /// Lets stages work; one that panics breaks the shard.
    fn guarded<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(work));
        if done.is_err() {
            self.core.broken.cancel();
        }
        done.ok()
    }
}
