//! The processor's row in the table of its layer, and its analysis half.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use component::{BuildCx, Cx, Processor, ProcessorDef, RestoreError, Snapshot};
use model::{Batch, Columns, Payload, Recall, Rollups, Series, SignalSet, Slots, Timestamp};

use super::{
    ForecastConfig,
    capacity::{self, Resources, Verdict},
    history::History,
    learning::Learning,
    meters::Meters,
    month::Month,
    outlook::{Lens, Outlook},
    output::{Event, Metrics, Told, write_logs},
    role::{Role, Roles},
    snapshot::{self, VERSION},
    state::{NO_ROLE, Rejection, Sample, SeriesState},
    states::States,
    trend::Quantiles,
    turns::Turns,
};
use crate::recall::{Earlier, Return};

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

/// What is known of a slot in four bytes, as most slots hold no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tracked(NonZeroU32);

/// Whether a series is to be forecast, which takes a look at the whole configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Choice {
    Unknown,
    Passed,
    /// Chosen, and nothing is known yet.
    Wanted,
    /// Chosen, and its state has this place.
    Kept(u32),
}

impl Tracked {
    const UNKNOWN: Self = Self::of(Choice::Unknown);

    pub(super) const fn of(choice: Choice) -> Self {
        let number = match choice {
            Choice::Unknown => 1,
            Choice::Passed => 2,
            Choice::Wanted => 3,
            Choice::Kept(place) => place.saturating_add(4),
        };
        Self(NonZeroU32::MIN.saturating_add(number - 1))
    }

    pub(super) const fn choice(self) -> Choice {
        match self.0.get() {
            1 => Choice::Unknown,
            2 => Choice::Passed,
            3 => Choice::Wanted,
            number => Choice::Kept(number - 4),
        }
    }

    fn place(self) -> Option<u32> {
        if let Choice::Kept(place) = self.choice() { Some(place) } else { None }
    }
}

/// What must survive a restart.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) slots: Slots<Tracked>,
    pub(super) states: States,
    /// End of the last window.
    pub(super) told_at: Timestamp,
    /// The day of the last window, since the epoch.
    pub(super) day: u64,
    pub(super) earlier: Earlier,
}

impl Memory {
    /// Puts back a state, whose series may no longer be chosen. False when there was one.
    pub(super) fn restore(&mut self, fingerprint: u64, state: SeriesState) -> bool {
        let place = self.states.insert(state);
        self.slots.restore(fingerprint, Tracked::of(Choice::Kept(place)));
        self.slots.len() as u64 == self.states.len()
    }

    /// Returns every state with its fingerprint, in the order of fingerprints.
    pub(super) fn states(&self) -> impl Iterator<Item = (u64, &SeriesState)> {
        let places = self.slots.iter().filter_map(|(fingerprint, it)| Some((fingerprint, it.place()?)));
        places.map(|(fingerprint, place)| (fingerprint, self.states.get(place)))
    }

    /// Takes the place of what is remembered by what was, and goes on with what was told.
    fn go_back_to(&mut self, mut earlier: Self) {
        let told = |state: &SeriesState| Some(state.days.as_ref()?.history.as_ref()?.told);
        let told: BTreeMap<u64, u8> =
            self.states().filter_map(|(id, state)| Some((id, told(state)?))).collect();
        let places = earlier.slots.iter().filter_map(|(id, it)| Some((it.place()?, *told.get(&id)?)));
        for (place, told) in places.collect::<Vec<_>>() {
            if let Some(history) = earlier.states.get_mut(place).history_mut() {
                history.told = told;
            }
        }
        *self = Self { told_at: self.told_at, earlier: std::mem::take(&mut self.earlier), ..earlier };
    }

    /// Forgets states whose open hour is not after one, and series that have none.
    fn retain_after(&mut self, oldest_hour: u64) {
        let mut kept = Vec::new();
        self.slots.retain(|tracked| {
            let is_kept = |place: &u32| u64::from(self.states.get(*place).hour()) > oldest_hour;
            let place = tracked.place().filter(is_kept);
            kept.extend(place);
            place.is_some()
        });
        self.states.retain_places(kept);
    }
}

struct Forecaster {
    config: ForecastConfig,
    tells: [bool; 3],
    quantiles: Quantiles,
    capacity_quantiles: Quantiles,
    memory: Memory,
    roles: Roles,
    resources: Resources,
    meters: Meters,
    last: LastWindow,
    learning: Learning,
}

/// The window that is open: its table may come in parts.
#[derive(Clone, Copy, Debug, Default)]
struct LastWindow {
    end: Timestamp,
    turns: Turns,
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
            roles: Roles::default(),
            resources: Resources::default(),
            meters: Meters::new(cx.telemetry),
            last: LastWindow::default(),
            learning: Learning::new(config),
            config: config.clone(),
        }
    }

    fn judge(&mut self, rollups: &Rollups, cx: &mut Cx<'_>) {
        if let Some(baseline) = &rollups.baseline {
            self.recall(&baseline.recall);
        }
        let end = rollups.end();
        if end != self.last.end {
            let turns = Turns::new(end, rollups.width, self.memory.told_at);
            self.last = LastWindow { end, turns, n_overflowed: 0 };
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
                _ => self.last.turns.is_due(&series.resource),
            };
            turn = Some((&series.resource, is_due));
            if is_due {
                due_rows.push(row);
            }
        }
        self.meters.count(&std::mem::take(&mut self.learning.tally));
        self.meters.series.set(self.memory.states.len());
        self.meters.overflowed_series.set(self.last.n_overflowed);
        self.tell(rollups, &mut due_rows, cx);
    }

    /// Goes with `baseline`, before a window is learned: back to an earlier state, and keeps the present one.
    fn recall(&mut self, recall: &Recall) {
        let confidence = self.config.confidence;
        if let Some(found) = self.memory.earlier.follow(recall) {
            let earlier = match found {
                // Snapshots are read as a whole; what could not be read would be no state from before.
                Return::To(state) => snapshot::read_earlier(&state, confidence).unwrap_or_default(),
                Return::Nothing => Memory::default(),
            };
            self.memory.go_back_to(earlier);
        }
        if let Some(checkpoint) = recall.checkpoint {
            let bytes = snapshot::write_learned(&self.memory, confidence);
            self.memory.earlier.keep(checkpoint, VERSION, bytes);
        }
        self.meters.checkpoint_bytes.set(self.memory.earlier.size());
    }

    fn learn(&mut self, rollups: &Rollups, row: usize) {
        let (slot, series) = (rollups.slots[row], &rollups.series[row]);
        let tracked = *self.memory.slots.get_or_insert_with(slot, series.fingerprint, || Tracked::UNKNOWN);
        let choice = match tracked.choice() {
            Choice::Passed => return,
            Choice::Kept(place) if self.memory.states.get(place).role != NO_ROLE => tracked.choice(),
            Choice::Wanted => Choice::Wanted,
            Choice::Unknown | Choice::Kept(_) => self.choose(slot, series, tracked),
        };
        if choice == Choice::Passed {
            return;
        }
        let Some(sample) = sample(rollups, row) else { return };
        let place = match choice {
            Choice::Kept(place) => Some(place),
            _ => self.begin(slot, series, &sample),
        };
        let Some(place) = place else { return };
        if let Err(rejection) = self.memory.states.get_mut(place).take(&sample, &mut self.learning) {
            self.meters.reject(rejection);
        }
    }

    /// Looks once whether and why a series is chosen. What was chosen by an earlier configuration is forgotten.
    fn choose(&mut self, slot: u32, series: &Series, tracked: Tracked) -> Choice {
        let role = Role::of(series, &self.config);
        let choice = match tracked.place() {
            Some(place) if role.is_chosen() => {
                self.assign(place, role);
                Choice::Kept(place)
            }
            Some(place) => {
                self.memory.states.remove(place);
                Choice::Passed
            }
            None if role.is_chosen() => Choice::Wanted,
            None => Choice::Passed,
        };
        self.track(slot, series, choice);
        choice
    }

    /// Makes a state for a series whose first value came, if there is room.
    fn begin(&mut self, slot: u32, series: &Series, sample: &Sample) -> Option<u32> {
        if self.memory.states.len() >= self.config.max_series {
            self.last.n_overflowed += 1;
            return None;
        }
        if !sample.value.is_finite() {
            self.meters.reject(Rejection::Unreadable);
            return None;
        }
        let place = self.memory.states.insert(SeriesState::new(sample, self.config.confidence));
        self.assign(place, Role::of(series, &self.config));
        self.track(slot, series, Choice::Kept(place));
        Some(place)
    }

    fn track(&mut self, slot: u32, series: &Series, choice: Choice) {
        let tracked = Tracked::of(choice);
        *self.memory.slots.get_or_insert_with(slot, series.fingerprint, || tracked) = tracked;
    }

    /// Tells a state why its series is forecast, and gives it the memory for that.
    fn assign(&mut self, place: u32, role: Role) {
        let state = self.memory.states.get_mut(place);
        let capacity = role.capacity.and_then(|index| self.config.capacity.get(usize::from(index)));
        match capacity {
            Some(capacity) => {
                let days = state.days_mut(self.config.confidence);
                if days.history.is_none() {
                    days.month = Month::new(self.config.confidence);
                    days.history = Some(Box::new(History::new(capacity.capacity, self.config.confidence)));
                }
            }
            None => {
                if let Some(days) = &mut state.days {
                    days.history = None;
                }
            }
        }
        state.role = self.roles.number(role);
    }

    /// Tells of the chosen series among some rows, of one resource after the other: what is known of all would be a
    /// table of its own.
    fn tell(&mut self, rollups: &Rollups, rows: &mut [usize], cx: &mut Cx<'_>) {
        let mut emit = |bytes: Vec<u8>, points: u64| cx.emit(Payload::Metrics(bytes.into()), points);
        let mut metrics = Metrics::new(rollups.end());
        let mut events = Vec::new();
        rows.sort_unstable_by(|a, b| rollups.series[*a].cmp(&rollups.series[*b]));
        let is_same = |a: &usize, b: &usize| rollups.series[*a].resource == rollups.series[*b].resource;
        for of_resource in rows.chunk_by(is_same) {
            let told = self.outlooks(rollups, of_resource);
            metrics.add(&told, &self.config, &mut emit);
            events.extend(self.events(&told));
        }
        metrics.end(&mut emit);
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
            let tracked = self.memory.slots.get(slot, series.fingerprint);
            let Some(place) = tracked.and_then(|tracked| tracked.place()) else { continue };
            let state = self.memory.states.get(place);
            let Some(role) = self.roles.get(state.role) else { continue };
            let outlook: Outlook = lens.look(series, role, state, &mut self.learning.scratch);
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
    fn events<'r>(&mut self, told: &[Told<'r>]) -> Vec<Event<'r>> {
        let mut events = Vec::new();
        for told in told {
            let Some((index, assessment)) = told.outlook.capacity else { continue };
            let is_idle =
                self.config.capacity[index].kind.is_some() && self.resources.is_idle(&told.series.resource);
            let verdict = assessment.verdict(is_idle);
            let tracked = self.memory.slots.get(told.slot, told.series.fingerprint);
            let Some(place) = tracked.and_then(|tracked| tracked.place()) else { continue };
            let Some(history) = self.memory.states.get_mut(place).history_mut() else { continue };
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
        self.memory.retain_after(oldest);
    }
}

/// Reads a row; none for one that stands for a silent series, or of a window that is excluded.
fn sample(rollups: &Rollups, row: usize) -> Option<Sample> {
    let value = rollups.values[row];
    let seconds = |at: Timestamp| u32::try_from(at.as_nanos() / 1_000_000_000).unwrap_or(u32::MAX);
    let mut kept = value;
    if let Some(baseline) = &rollups.baseline {
        if baseline.is_excluded || baseline.is_absent[row] {
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
        self.meters.series.set(self.memory.states.len());
        self.meters.checkpoint_bytes.set(self.memory.earlier.size());
        Ok(())
    }
}
