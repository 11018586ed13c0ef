//! The processor's row in the table of its layer, and its analysis half.

use component::{BuildCx, Cx, Processor, ProcessorDef, RestoreError, Snapshot};
use model::{Batch, Columns, Payload, Rollups, SignalSet, Slots, Timestamp};

use super::{
    ForecastConfig,
    capacity::{self, Resources, Verdict},
    history::History,
    meters::Meters,
    outlook::{Lens, Outlook},
    output::{Event, Told, write_logs, write_metrics},
    role::Role,
    snapshot::{self, VERSION},
    state::{Sample, SeriesState},
    trend::Quantiles,
};

/// Foretells chosen series, and when they reach what they must not.
pub struct Forecast;

impl ProcessorDef for Forecast {
    const KIND: &'static str = "forecast";
    const READS: Columns = Columns::VALUES.union(Columns::BASELINE);
    type Config = ForecastConfig;

    fn consumes(_: &ForecastConfig) -> SignalSet {
        SignalSet::NONE
    }

    fn emits(config: &ForecastConfig) -> SignalSet {
        let metrics = if config.chooses_nothing() { SignalSet::NONE } else { SignalSet::METRICS };
        let logs = if config.capacity.is_empty() { SignalSet::NONE } else { SignalSet::LOGS };
        metrics.union(logs)
    }

    fn analysis(config: &ForecastConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(Forecaster::new(config, cx)))
    }
}

/// What is known of a slot: why its series is forecast, found once, and its state if it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracked {
    pub(super) role: Option<Role>,
    pub(super) state: Option<Box<SeriesState>>,
}

/// What must survive a restart.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) slots: Slots<Tracked>,
    /// Series with a state.
    pub(super) n_states: u64,
    /// End of the last window of which something was told.
    pub(super) told_at: Timestamp,
    /// The day of the last window, since the epoch.
    pub(super) day: u64,
}

struct Forecaster {
    config: ForecastConfig,
    tells: [bool; 3],
    quantiles: Quantiles,
    capacity_quantiles: Quantiles,
    memory: Memory,
    resources: Resources,
    meters: Meters,
    /// End of the last window, and its series that found no room.
    last: (Timestamp, u64),
    scratch: Vec<f64>,
}

/// What changes once an hour is told at its end, and every four minutes, as Prometheus takes what is silent for
/// five for gone.
const TELL_NANOS: u64 = 240_000_000_000;
const DAY_NANOS: u64 = 86_400_000_000_000;
/// A value further from the expectation than so many half bands is cut before it is learned.
const WIDEST: f64 = 2.0;

impl Forecaster {
    fn new(config: &ForecastConfig, cx: &BuildCx<'_>) -> Self {
        Self {
            tells: config.tells(),
            quantiles: Quantiles::new(config.confidence),
            // Half of what is outside of an interval is below it.
            capacity_quantiles: Quantiles::new(2.0 * capacity::LEVEL - 1.0),
            memory: Memory::default(),
            resources: Resources::default(),
            meters: Meters::new(cx.telemetry),
            last: (Timestamp::default(), 0),
            scratch: Vec::new(),
            config: config.clone(),
        }
    }

    fn judge(&mut self, rollups: &Rollups, cx: &mut Cx<'_>) {
        let end = rollups.end();
        if end != self.last.0 {
            self.last = (end, 0);
            self.resources.clear();
            self.sweep(rollups.start);
        }
        for row in 0..rollups.len() {
            self.learn(rollups, row);
        }
        self.meters.series.set(self.memory.n_states);
        self.meters.overflowed_series.set(self.last.1);
        let told_at = self.memory.told_at.as_nanos();
        // A table may come in parts, and the time may have been set back.
        if end.as_nanos() <= told_at || end.as_nanos() / TELL_NANOS > told_at / TELL_NANOS {
            self.memory.told_at = end;
            self.tell(rollups, cx);
        }
    }

    fn learn(&mut self, rollups: &Rollups, row: usize) {
        let series = &rollups.series[row];
        let tracked =
            self.memory.slots.get_or_insert_with(rollups.slots[row], series.fingerprint, Tracked::default);
        let role = tracked.role.get_or_insert_with(|| Role::of(series, &self.config));
        if !role.is_chosen() {
            // What was chosen by an earlier configuration is forgotten.
            self.memory.n_states -= u64::from(tracked.state.take().is_some());
            return;
        }
        let Some(sample) = sample(rollups, row) else { return };
        if tracked.state.is_none() {
            if self.memory.n_states >= self.config.max_series {
                self.last.1 += 1;
                return;
            }
            if !sample.value.is_finite() {
                self.meters.reject(super::state::Rejection::Unreadable);
                return;
            }
            self.memory.n_states += 1;
        }
        let state = tracked.state.get_or_insert_with(|| Box::new(SeriesState::new(&sample)));
        let capacity = role.capacity.and_then(|index| self.config.capacity.get(index));
        match (capacity, state.history.is_some()) {
            (Some(capacity), false) => state.history = Some(Box::new(History::new(capacity.capacity))),
            (None, true) => state.history = None,
            _ => {}
        }
        match state.take(&sample, &mut self.scratch) {
            Ok(Some(contest)) => self.meters.count(contest),
            Ok(None) => {}
            Err(rejection) => self.meters.reject(rejection),
        }
    }

    /// Tells of the chosen series of a table.
    fn tell(&mut self, rollups: &Rollups, cx: &mut Cx<'_>) {
        let mut told = self.outlooks(rollups);
        told.sort_unstable_by(|a, b| a.series.cmp(b.series));
        let (bytes, points) = write_metrics(&told, &self.config, rollups.end());
        if points > 0 {
            cx.emit(Payload::Metrics(bytes.into()), points);
        }
        let events = self.events(&told, rollups);
        if !events.is_empty() {
            let (bytes, records) = write_logs(&events, &self.config, rollups.end());
            cx.emit(Payload::Logs(bytes.into()), records);
        }
    }

    fn outlooks<'r>(&mut self, rollups: &'r Rollups) -> Vec<Told<'r>> {
        let lens = Lens {
            config: &self.config,
            tells: self.tells,
            quantiles: &self.quantiles,
            capacity_quantiles: &self.capacity_quantiles,
        };
        let mut all = Vec::new();
        for (series, &slot) in rollups.series.iter().zip(&rollups.slots) {
            let Some(tracked) = self.memory.slots.get(slot, series.fingerprint) else { continue };
            let (Some(role), Some(state)) = (&tracked.role, &tracked.state) else { continue };
            let outlook: Outlook = lens.look(series, role, state, &mut self.scratch);
            if let Some((index, assessment)) = &outlook.capacity
                && let Some(kind) = self.config.capacity[*index].kind
            {
                self.resources.note(&series.resource, kind, assessment);
            }
            all.push(Told { series, slot, outlook });
        }
        all
    }

    /// Returns the capacities of which something else is to be said than before, and notes that it was.
    fn events<'t>(&mut self, told: &'t [Told<'t>], rollups: &Rollups) -> Vec<Event<'t>> {
        debug_assert!(told.len() <= rollups.len());
        let mut events = Vec::new();
        for told in told {
            let Some((index, assessment)) = told.outlook.capacity else { continue };
            let is_idle =
                self.config.capacity[index].kind.is_some() && self.resources.is_idle(&told.series.resource);
            let verdict = assessment.verdict(is_idle);
            let tracked =
                self.memory.slots.get_or_insert_with(told.slot, told.series.fingerprint, Tracked::default);
            let Some(history) = tracked.state.as_deref_mut().and_then(|state| state.history.as_deref_mut())
            else {
                continue;
            };
            let before = Verdict::of_number(history.told).unwrap_or(Verdict::Enough);
            if before != verdict {
                history.told = verdict as u8;
                events.push(Event { series: told.series, index, assessment, before, verdict });
            }
        }
        events
    }

    /// Forgets, at the first window of each day, series that have been silent for too long.
    ///
    /// It goes by the day before: after an outage series have until the next day to come back.
    fn sweep(&mut self, now: Timestamp) {
        let day = now.as_nanos() / DAY_NANOS;
        let before = std::mem::replace(&mut self.memory.day, day);
        if before == day {
            return;
        }
        let retention_hours = self.config.series_retention.get().as_secs() / 3600;
        let oldest = before.saturating_mul(24).saturating_sub(retention_hours);
        let is_kept =
            |tracked: &Tracked| tracked.state.as_ref().is_some_and(|state| u64::from(state.hour) > oldest);
        self.memory.slots.retain(is_kept);
        self.memory.n_states = self.memory.slots.len() as u64;
    }
}

/// Reads a row; none for one that stands for a silent series.
fn sample(rollups: &Rollups, row: usize) -> Option<Sample> {
    let value = rollups.values[row];
    let seconds = |at: Timestamp| u32::try_from(at.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX);
    let mut kept = value;
    if let Some(baseline) = &rollups.baseline {
        if baseline.is_absent[row] {
            return None;
        }
        let (expected, lower, upper) = (baseline.expected[row], baseline.lower[row], baseline.upper[row]);
        let (least, most) = (expected - WIDEST * (expected - lower), expected + WIDEST * (upper - expected));
        if least.is_finite() && most.is_finite() && least <= most {
            kept = value.clamp(least, most);
        }
    }
    Some(Sample { value, kept, start: seconds(rollups.start), end: seconds(rollups.end()) })
}

impl Processor for Forecaster {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        if let Payload::Rollups(rollups) = &batch.payload
            && rollups.width == self.config.window.get()
            && !self.config.chooses_nothing()
        {
            self.judge(rollups, cx);
        }
        cx.pass(batch);
    }

    /// No counter that is exported depends on this state.
    fn closes_at(&self, _: Timestamp) -> bool {
        false
    }

    fn snapshot(&self) -> Option<Snapshot> {
        Some(Snapshot { version: VERSION, bytes: snapshot::write(&self.memory) })
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        self.memory = snapshot::read(&snapshot)?;
        self.meters.series.set(self.memory.n_states);
        Ok(())
    }
}
