//! Whether the data path moves.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use component::{Clock, ConfigState, RefusedConfig, ServiceParts, ServiceState};
use model::Timestamp;

use crate::{edition::Edition, shard::ShardState};

/// A shard that has not closed a second for so long stands still.
const STANDSTILL: Duration = Duration::from_secs(10);

/// So many losses are told of one by one.
const MAX_DEGRADED: usize = 100;

/// The health of the service, as the data path shows it.
pub(crate) struct Health {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    up_since: Timestamp,
    failure: Option<String>,
    /// What is worse than it should be, and does not keep the service from working.
    degraded: Vec<String>,
    /// What the configuration in force has brought and has ended since.
    ended: Vec<String>,
    shards: Vec<Arc<ShardState>>,
    config: ConfigState,
    parts: ServiceParts,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Starting,
    Running,
    Stopping,
}

impl Health {
    /// `config` names the configuration in force.
    pub(crate) fn new(clock: Arc<dyn Clock>, shards: Vec<Arc<ShardState>>, config: &str) -> Self {
        let config = ConfigState { hash: config.to_owned(), since: clock.now(), refused: None };
        Self { clock, state: Mutex::new(State { shards, config, ..State::default() }) }
    }

    /// Notes that another configuration is in force.
    pub(crate) fn runs_by(&self, config: &str) {
        let now = self.clock.now();
        let mut state = self.lock();
        state.config = ConfigState { hash: config.to_owned(), since: now, refused: None };
    }

    /// Notes what the configuration in force connects.
    pub(crate) fn consists_of(&self, parts: ServiceParts) {
        self.lock().parts = parts;
    }

    /// Notes what is wrong with the configuration that was read last; none when it is in force already.
    pub(crate) fn refuse_config(&self, problems: Option<String>) {
        let at = self.clock.now();
        self.lock().config.refused = problems.map(|problems| RefusedConfig { at, problems });
    }

    pub(crate) fn running(&self) {
        let now = self.clock.now();
        let mut state = self.lock();
        state.phase = Phase::Running;
        state.up_since = now;
    }

    pub(crate) fn stopping(&self) {
        self.lock().phase = Phase::Stopping;
    }

    /// Notes that a part has ended for good.
    pub(crate) fn fail(&self, what: String) {
        self.lock().failure.get_or_insert(what);
    }

    /// Notes that a part has ended for good. One that a reload has started takes nothing with it: what was there before
    /// goes on.
    pub(crate) fn end(&self, edition: &Edition, what: String) {
        let mut state = self.lock();
        match edition.number {
            0 => {
                state.failure.get_or_insert(what);
            }
            _ if state.ended.len() < MAX_DEGRADED => state.ended.push(what),
            _ => {}
        }
    }

    /// Forgets what the configuration before has brought, as another comes.
    pub(crate) fn replace(&self) {
        self.lock().ended.clear();
    }

    /// Notes that a part works and has lost something. Called at the start and at reloads, at most once for each stage.
    pub(crate) fn degrade(&self, what: String) {
        let mut state = self.lock();
        if state.degraded.len() < MAX_DEGRADED && !state.degraded.contains(&what) {
            state.degraded.push(what);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServiceState for Health {
    fn is_ready(&self) -> bool {
        self.reason().is_empty()
    }

    fn reason(&self) -> String {
        let now = self.clock.now();
        let state = self.lock();
        match state.phase {
            Phase::Starting => return "starting".to_owned(),
            Phase::Stopping => return "stopping".to_owned(),
            Phase::Running => {}
        }
        if let Some(failure) = &state.failure {
            return failure.clone();
        }
        let stuck = state.shards.iter().position(|shard| {
            let told_until = Timestamp(shard.told_until.load(Ordering::Acquire));
            now.since(told_until.max(state.up_since)) > STANDSTILL
        });
        stuck.map(|index| format!("shard {index} has not moved for {STANDSTILL:?}")).unwrap_or_default()
    }

    fn degraded(&self) -> String {
        let state = self.lock();
        let mut degraded: Vec<_> = state.degraded.iter().chain(&state.ended).cloned().collect();
        if state.config.refused.is_some() {
            degraded
                .push("the configuration that was read last is refused; the one before runs on".to_owned());
        }
        degraded.join("; ")
    }

    fn parts(&self) -> ServiceParts {
        self.lock().parts.clone()
    }

    fn config(&self) -> ConfigState {
        self.lock().config.clone()
    }

    fn up_since(&self) -> Timestamp {
        self.lock().up_since
    }
}

#[cfg(test)]
mod tests {
    use component::testing::ManualClock;

    use super::*;

    #[test]
    fn a_service_is_ready_while_every_shard_moves() {
        let clock = ManualClock::new(Timestamp::from_secs(1000));
        let shards = vec![Arc::new(ShardState::default()), Arc::new(ShardState::default())];
        let health = Health::new(Arc::new(clock.clone()), shards.clone(), "first");
        assert_eq!(health.reason(), "starting");
        health.running();
        assert!(health.is_ready(), "shards have time to tell for the first time");
        clock.advance_to(Timestamp::from_secs(1060));
        let told = |shard: usize, second: u64| {
            shards[shard].told_until.store(Timestamp::from_secs(second).as_nanos(), Ordering::Release);
        };
        told(0, 1059);
        told(1, 1049);
        assert_eq!(health.reason(), "shard 1 has not moved for 10s");
        told(1, 1050);
        assert!(health.is_ready());
        assert_eq!(health.degraded(), "");
        health.degrade("connector/a started without its state".to_owned());
        health.degrade("connector/b too".to_owned());
        assert_eq!(health.degraded(), "connector/a started without its state; connector/b too");
        assert!(health.is_ready(), "what was lost does not come back by keeping requests away");
        health.refuse_config(Some("no such component".to_owned()));
        assert!(
            health
                .degraded()
                .ends_with("; the configuration that was read last is refused; the one before runs on")
        );
        let refused = health.config().refused.unwrap();
        assert_eq!(
            (refused.at, refused.problems.as_str()),
            (Timestamp::from_secs(1060), "no such component")
        );
        assert!(health.is_ready());
        health.runs_by("second");
        assert_eq!(health.config().hash, "second");
        assert_eq!(health.degraded(), "connector/a started without its state; connector/b too");
        health.fail("receiver otlp ended".to_owned());
        health.fail("and another".to_owned());
        assert_eq!(health.reason(), "receiver otlp ended");
        health.stopping();
        assert_eq!(health.reason(), "stopping");
    }
}
