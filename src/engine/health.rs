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
    /// What is worse than it should be since the start, and does not keep the service from working.
    degraded: Vec<Loss>,
    /// The same since the last reload, until the stage is stored anew.
    lost: Vec<Loss>,
    /// What the configuration in force has brought and has ended since.
    ended: Vec<String>,
    shards: Vec<Arc<ShardState>>,
    config: ConfigState,
    parts: ServiceParts,
}

/// What a stage has lost.
#[derive(PartialEq, Eq)]
struct Loss {
    stage: String,
    what: String,
}

/// Why a configuration that was read is not put in place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The first problem, on one line.
    pub reason: String,
    /// All of them, for people.
    pub problems: String,
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
    pub(crate) fn refuse_config(&self, refusal: Option<Refusal>) {
        let at = self.clock.now();
        let refused = refusal.map(|Refusal { reason, problems }| RefusedConfig { at, reason, problems });
        self.lock().config.refused = refused;
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
        let mut state = self.lock();
        state.ended.clear();
        state.lost.clear();
    }

    /// Notes that a stage works and has lost something at the start. Called at most once for each stage.
    pub(crate) fn degrade(&self, stage: &str, what: String) {
        note(&mut self.lock().degraded, stage, what);
    }

    /// Notes that a stage has begun anew at a reload, which is over when it is stored again.
    pub(crate) fn begins_anew(&self, stage: &str, what: String) {
        note(&mut self.lock().lost, stage, what);
    }

    /// Forgets what a stage lost at a reload, as what it has since is stored.
    pub(crate) fn is_stored(&self, stage: &str) {
        self.lock().lost.retain(|loss| loss.stage != stage);
    }

    /// Forgets what stages have lost that the configuration no longer has as they were.
    pub(crate) fn forget(&self, stage: &str) {
        self.lock().degraded.retain(|loss| loss.stage != stage);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(losses: &mut Vec<Loss>, stage: &str, what: String) {
    let loss = Loss { stage: stage.to_owned(), what };
    if losses.len() < MAX_DEGRADED && !losses.contains(&loss) {
        losses.push(loss);
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
        let lost = state.degraded.iter().chain(&state.lost).map(|loss| &loss.what);
        let mut degraded: Vec<_> = lost.chain(&state.ended).cloned().collect();
        if let Some(refused) = &state.config.refused {
            degraded.push(format!(
                "the configuration that was read last is refused ({}); the one before runs on",
                refused.reason
            ));
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
        health.degrade("connector/a", "connector/a started without its state".to_owned());
        health.degrade("connector/b", "connector/b too".to_owned());
        assert_eq!(health.degraded(), "connector/a started without its state; connector/b too");
        assert!(health.is_ready(), "what was lost does not come back by keeping requests away");
        let (reason, problems) = ("c.yaml:1:2: no such component".to_owned(), "no such component".to_owned());
        health.refuse_config(Some(Refusal { reason, problems }));
        assert!(
            health
                .degraded()
                .ends_with("; the configuration that was read last is refused (c.yaml:1:2: no such component); the one before runs on")
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
        health.begins_anew("connector/b", "connector/b began anew".to_owned());
        health.begins_anew("connector/c", "connector/c began anew".to_owned());
        health.forget("connector/a");
        assert_eq!(health.degraded(), "connector/b too; connector/b began anew; connector/c began anew");
        health.is_stored("connector/b");
        assert_eq!(
            health.degraded(),
            "connector/b too; connector/c began anew",
            "what was lost at the start stays"
        );
        health.replace();
        assert_eq!(health.degraded(), "connector/b too");
        health.fail("receiver otlp ended".to_owned());
        health.fail("and another".to_owned());
        assert_eq!(health.reason(), "receiver otlp ended");
        health.stopping();
        assert_eq!(health.reason(), "stopping");
    }
}
