//! The processor's row in the table of its layer, and its analysis half.

use std::sync::Arc;

use component::{BuildCx, Cx, Processor, ProcessorDef, RestoreError, Snapshot};
use model::{Batch, Columns, Payload, Rollups, Series, SignalSet, Slots, Timestamp};

use super::{
    ForecastConfig,
    capacity::{self, Resources, Verdict},
    history::History,
    meters::Meters,
    outlook::{Lens, Outlook},
    output::{Event, Told, write_logs, write_metrics},
    role::Role,
    round::Round,
    snapshot::{self, VERSION},
    state::{Rejection, Sample, SeriesState},
    study::Study,
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

/// What is known of a slot. Most series are not forecast: theirs are small.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracked {
    pub(super) choice: Choice,
    pub(super) chosen: Option<Box<Chosen>>,
}

/// Whether a series is to be forecast, which takes a look at the whole configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Choice {
    #[default]
    Unknown,
    Passed,
    Wanted,
}

/// A series that is forecast, and why.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) role: Role,
    pub(super) state: SeriesState,
}

impl Tracked {
    /// Puts back a state, whose series may no longer be chosen.
    pub(super) fn restored(role: Role, state: SeriesState) -> Self {
        Self { choice: Choice::Unknown, chosen: Some(Box::new(Chosen { role, state })) }
    }

    /// Looks once whether and why the series is chosen.
    fn choose(&mut self, series: &Series, config: &ForecastConfig) -> Choice {
        if self.choice == Choice::Unknown {
            let role = Role::of(series, config);
            self.choice = if role.is_chosen() { Choice::Wanted } else { Choice::Passed };
            if let Some(chosen) = &mut self.chosen {
                chosen.role = role;
            }
        }
        self.choice
    }
}

/// What must survive a restart.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) slots: Slots<Tracked>,
    /// Series with a state.
    pub(super) n_states: u64,
    /// End of the last window.
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
    last: LastWindow,
    study: Study,
}

/// The window that is open: its table may come in parts.
#[derive(Clone, Copy, Debug, Default)]
struct LastWindow {
    end: Timestamp,
    round: Round,
    /// Series that found no room.
    n_overflowed: u64,
}

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
            last: LastWindow::default(),
            study: Study::new(config),
            config: config.clone(),
        }
    }

    fn judge(&mut self, rollups: &Rollups, cx: &mut Cx<'_>) {
        let end = rollups.end();
        if end != self.last.end {
            let round = Round::new(end, rollups.width, self.memory.told_at);
            self.last = LastWindow { end, round, n_overflowed: 0 };
            self.memory.told_at = end;
            self.resources.clear();
            self.sweep(rollups.start);
        }
        let mut due_rows = Vec::new();
        let mut turn: Option<(&Arc<[u8]>, bool)> = None;
        for (row, series) in rollups.series.iter().enumerate() {
            self.learn(rollups, row);
            // Rows of a resource stand together.
            let is_due = match turn {
                Some((resource, is_due)) if Arc::ptr_eq(resource, &series.resource) => is_due,
                _ => self.last.round.is_due(&series.resource),
            };
            turn = Some((&series.resource, is_due));
            if is_due {
                due_rows.push(row);
            }
        }
        self.meters.count(&std::mem::take(&mut self.study.tally));
        self.meters.series.set(self.memory.n_states);
        self.meters.overflowed_series.set(self.last.n_overflowed);
        self.tell(rollups, &due_rows, cx);
    }

    fn learn(&mut self, rollups: &Rollups, row: usize) {
        let series = &rollups.series[row];
        let tracked =
            self.memory.slots.get_or_insert_with(rollups.slots[row], series.fingerprint, Tracked::default);
        if tracked.choose(series, &self.config) != Choice::Wanted {
            // What was chosen by an earlier configuration is forgotten.
            self.memory.n_states -= u64::from(tracked.chosen.take().is_some());
            return;
        }
        let Some(sample) = sample(rollups, row) else { return };
        if tracked.chosen.is_none() {
            if self.memory.n_states >= self.config.max_series {
                self.last.n_overflowed += 1;
                return;
            }
            if !sample.value.is_finite() {
                self.meters.reject(Rejection::Unreadable);
                return;
            }
            self.memory.n_states += 1;
        }
        let Chosen { role, state } = &mut **tracked.chosen.get_or_insert_with(|| {
            let state = SeriesState::new(&sample, self.config.confidence);
            Box::new(Chosen { role: Role::of(series, &self.config), state })
        });
        let capacity = role.capacity.and_then(|index| self.config.capacity.get(usize::from(index)));
        match (capacity, state.history.is_some()) {
            (Some(capacity), false) => {
                state.month = None;
                state.history = Some(Box::new(History::new(capacity.capacity, self.config.confidence)));
            }
            (None, true) => state.history = None,
            _ => {}
        }
        if let Err(rejection) = state.take(&sample, &mut self.study) {
            self.meters.reject(rejection);
        }
    }

    /// Tells of the chosen series among some rows.
    fn tell(&mut self, rollups: &Rollups, rows: &[usize], cx: &mut Cx<'_>) {
        let mut told = self.outlooks(rollups, rows);
        told.sort_unstable_by(|a, b| a.series.cmp(b.series));
        write_metrics(&told, &self.config, rollups.end(), |bytes, points| {
            cx.emit(Payload::Metrics(bytes.into()), points);
        });
        let events = self.events(&told);
        write_logs(&events, &self.config, rollups.end(), |bytes, records| {
            cx.emit(Payload::Logs(bytes.into()), records);
        });
    }

    fn outlooks<'r>(&mut self, rollups: &'r Rollups, rows: &[usize]) -> Vec<Told<'r>> {
        let lens = Lens {
            config: &self.config,
            tells: self.tells,
            quantiles: &self.quantiles,
            capacity_quantiles: &self.capacity_quantiles,
        };
        let mut all = Vec::new();
        for &row in rows {
            let (series, slot) = (&rollups.series[row], rollups.slots[row]);
            let Some(tracked) = self.memory.slots.get(slot, series.fingerprint) else { continue };
            let Some(chosen) = &tracked.chosen else { continue };
            let outlook: Outlook = lens.look(series, &chosen.role, &chosen.state, &mut self.study.scratch);
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
    fn events<'t>(&mut self, told: &'t [Told<'t>]) -> Vec<Event<'t>> {
        let mut events = Vec::new();
        for told in told {
            let Some((index, assessment)) = told.outlook.capacity else { continue };
            let is_idle =
                self.config.capacity[index].kind.is_some() && self.resources.is_idle(&told.series.resource);
            let verdict = assessment.verdict(is_idle);
            let tracked =
                self.memory.slots.get_or_insert_with(told.slot, told.series.fingerprint, Tracked::default);
            let state = tracked.chosen.as_deref_mut().map(|chosen| &mut chosen.state);
            let Some(history) = state.and_then(|state| state.history.as_deref_mut()) else { continue };
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
            |tracked: &Tracked| tracked.chosen.as_ref().is_some_and(|it| u64::from(it.state.hour) > oldest);
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
        Some(Snapshot { version: VERSION, bytes: snapshot::write(&self.memory, self.config.confidence) })
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        self.memory = snapshot::read(&snapshot, self.config.confidence)?;
        self.meters.series.set(self.memory.n_states);
        Ok(())
    }
}
