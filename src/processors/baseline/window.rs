//! All that is remembered, and what is settled once a window is complete.
//!
//! A window is complete when a later one begins: its table may have come in parts.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use model::{Deployment, Forgotten, Rollups, Series, Slots, Statistic, Timestamp};

use super::{BaselineConfig, prior::Priors, record, state::SeriesState};

/// A series that had rows in this share of the last day is missed when it has none,
const PRESENT: f32 = 0.95;
/// for so long.
const LONGEST_ABSENCE: Duration = Duration::from_secs(86_400);
/// How long gains are raised after a deployment.
const DEPLOYMENT: Duration = Duration::from_secs(30 * 60);
/// Services of which a deployment is remembered; far more than deploy within half an hour.
const MAX_DEPLOYMENTS: usize = 1000;
/// After so many windows in a row that are older than the last, time is taken to have been set back.
const WINDOWS_UNTIL_SET_BACK: u32 = 60;
/// No gap counts as more seconds with data than so many windows.
const MOST_ACTIVE_WINDOWS: u64 = 3;
const HOUR_SECONDS: u32 = 3600;
const DAY_NANOS: u64 = 86_400_000_000_000;

/// A series' state and what a row for its absence needs.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Tracked {
    pub(super) state: SeriesState,
    /// Of rates and means, since they were seen in this process.
    pub(super) identity: Option<Arc<Series>>,
}

impl Tracked {
    pub(super) fn new(statistic: Statistic) -> Self {
        Self { state: SeriesState::new(statistic), identity: None }
    }

    pub(super) fn identify(&mut self, series: &Arc<Series>) {
        if self.identity.is_none() && matches!(series.statistic, Statistic::Rate | Statistic::Mean) {
            self.identity = Some(Arc::clone(series));
        }
    }
}

/// All that is remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) slots: Slots<Tracked>,
    /// End of the window that is open; 0 before the first.
    pub(super) open_until: Timestamp,
    /// Start of the first window that was learned.
    pub(super) learned_since: Timestamp,
    /// Seconds with data, which a clock that jumps does not add to.
    pub(super) active_seconds: u32,
    pub(super) swept_at: u32,
    pub(super) behind: Behind,
    pub(super) deployments: Deployments,
    pub(super) priors: Priors,
    /// The oldest first.
    pub(super) checkpoints: VecDeque<Checkpoint>,
    /// By the last exclusion that took the memory back.
    pub(super) forgotten: Option<Forgotten>,
    /// Whether the open window is the first of a day.
    pub(super) is_day_turn: bool,
    /// Of the open window.
    pub(super) n_overflowed: u64,
    pub(super) n_degraded: u64,
}

/// Windows in a row that were older than the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Behind {
    pub(super) until: Timestamp,
    pub(super) n_windows: u32,
}

/// Services that were deployed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Deployments {
    /// When gains are as before.
    pub(super) recent: BTreeMap<Arc<str>, Timestamp>,
    /// Of the open window; takes effect with the next, so that the parts of a table are treated alike.
    pub(super) announced: BTreeMap<Arc<str>, Timestamp>,
    /// Those that found no room since this was last counted.
    pub(super) n_left_out: u64,
}

impl Deployments {
    pub(super) fn is_recent(&self, service: &str, end: Timestamp) -> bool {
        !self.recent.is_empty() && self.recent.get(service).is_some_and(|until| end <= *until)
    }
}

/// The states of all series as they were.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Checkpoint {
    /// End of the last window that was learned.
    pub(super) until: Timestamp,
    /// Fingerprints and records, as in a snapshot.
    pub(super) records: Arc<[u8]>,
}

/// How a table follows those before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Older,
    Same,
    Newer,
}

impl Memory {
    /// Tells how a window follows the last. Many older ones in a row mean that the time was set back: then it
    /// goes on from there.
    pub(super) fn order(&mut self, end: Timestamp) -> Order {
        if end >= self.open_until {
            self.behind = Behind::default();
            return if end == self.open_until { Order::Same } else { Order::Newer };
        }
        if end > self.behind.until {
            self.behind.n_windows += 1;
        } else if end < self.behind.until {
            self.behind.n_windows = 1;
        }
        self.behind.until = end;
        if self.behind.n_windows <= WINDOWS_UNTIL_SET_BACK {
            return Order::Older;
        }
        self.behind = Behind::default();
        Order::Newer
    }

    /// Begins a window.
    pub(super) fn open(&mut self, end: Timestamp, width: Duration) {
        let seconds = |duration: Duration| duration.as_secs().max(1);
        if self.open_until == Timestamp::default() {
            self.learned_since = end - width;
        } else {
            let passed = seconds(end.since(self.open_until)).min(MOST_ACTIVE_WINDOWS * seconds(width));
            self.active_seconds = self.active_seconds.saturating_add(passed as u32);
        }
        self.is_day_turn = end.as_nanos() / DAY_NANOS != self.open_until.as_nanos() / DAY_NANOS;
        self.open_until = end;
        (self.n_overflowed, self.n_degraded) = (0, 0);
    }

    /// Takes what a part of the open window says was deployed.
    pub(super) fn announce(&mut self, deployments: &[Deployment]) {
        for deployment in deployments {
            let until = deployment.at + DEPLOYMENT;
            let known = self.deployments.announced.entry(Arc::clone(&deployment.service)).or_insert(until);
            *known = until.max(*known);
            if self.deployments.announced.len() > MAX_DEPLOYMENTS {
                self.deployments.announced.pop_last();
                self.deployments.n_left_out += 1;
            }
        }
    }

    /// Returns the series that are missing in the open window, as its rows.
    pub(super) fn absent(&mut self, width: Duration) -> Option<Rollups> {
        let end = self.open_until;
        let is_missed = |state: &SeriesState| {
            state.seen_at < end && state.presence >= PRESENT && end.since(state.seen_at) <= LONGEST_ABSENCE
        };
        let mut missed: Vec<(Arc<Series>, u32)> = self
            .slots
            .seen_mut()
            .filter(|(_, _, tracked)| is_missed(&tracked.state))
            .filter_map(|(slot, _, tracked)| Some((Arc::clone(tracked.identity.as_ref()?), slot)))
            .collect();
        if missed.is_empty() {
            return None;
        }
        missed.sort_unstable();
        let mut rollups = Rollups { start: end - width, width, ..Rollups::default() };
        for (series, slot) in missed {
            let value = if series.statistic == Statistic::Rate { 0.0 } else { f64::NAN };
            rollups.push(series, slot, value, 0);
        }
        Some(rollups)
    }

    /// Settles what the open window has left. Returns the checkpoint that was made at its end, if one was.
    pub(super) fn complete(&mut self, config: &BaselineConfig) -> Option<model::Checkpoint> {
        if self.open_until == Timestamp::default() {
            return None;
        }
        self.priors.settle();
        self.settle_deployments();
        if self.active_seconds.saturating_sub(self.swept_at) >= HOUR_SECONDS {
            self.swept_at = self.active_seconds;
            let retention = u32::try_from(config.series_retention.get().as_secs()).unwrap_or(u32::MAX);
            let oldest = self.active_seconds.saturating_sub(retention);
            self.slots.retain(|tracked| tracked.state.active_at >= oldest);
        }
        self.keep_checkpoint(config)
    }

    fn settle_deployments(&mut self) {
        let Deployments { recent, announced, n_left_out } = &mut self.deployments;
        let now = self.open_until;
        recent.retain(|_, until| *until > now);
        recent.append(announced);
        while recent.len() > MAX_DEPLOYMENTS {
            recent.pop_last();
            *n_left_out += 1;
        }
    }

    /// Keeps the states at the end of each interval, counted from the epoch.
    fn keep_checkpoint(&mut self, config: &BaselineConfig) -> Option<model::Checkpoint> {
        let interval = config.checkpoint_interval.get().as_nanos() as u64;
        let last = self.checkpoints.back().map_or(self.learned_since, |last| last.until);
        let most = config.n_checkpoints();
        if most == 0 || self.open_until.as_nanos() / interval <= last.as_nanos() / interval {
            return None;
        }
        while self.checkpoints.len() as u64 >= most {
            self.checkpoints.pop_front();
        }
        let records = record::write_all(self.slots.iter().map(|(id, tracked)| (id, &tracked.state)));
        self.checkpoints.push_back(Checkpoint { until: self.open_until, records: records.into() });
        Some(model::Checkpoint { until: self.open_until, most })
    }

    pub(super) fn checkpoint_bytes(&self) -> u64 {
        self.checkpoints.iter().map(|checkpoint| checkpoint.records.len() as u64).sum()
    }
}
