//! The processor's row in the table of its layer, and its analysis half.

use std::sync::Arc;

use component::{BuildCx, Cx, Processor, ProcessorDef, RestoreError, Snapshot};
use model::{
    BaselineColumns, Batch, Checkpoint, Columns, Maturity, Payload, Recall, Rollups, Series, SignalSet,
    Statistic,
};

use super::{
    BaselineConfig,
    calendar::Calendar,
    learn::Pace,
    meters::Meters,
    output::write_bands,
    row::{Judged, Row, Window},
    shift::Happening,
    snapshot::{VERSION, read, write},
    state::{DEGRADED, FIRST_SAMPLES, INHERITED, SeriesState},
    window::{Memory, Order, Tracked},
    working::natural,
};

/// Learns what is normal for each series, and tells it with each closed window.
pub struct Baseline;

impl ProcessorDef for Baseline {
    const KIND: &'static str = "baseline";
    const READS: Columns = Columns::VALUES;
    const ADDS: Columns = Columns::BASELINE;
    type Config = BaselineConfig;

    fn consumes(_: &BaselineConfig) -> SignalSet {
        SignalSet::NONE
    }

    fn emits(config: &BaselineConfig) -> SignalSet {
        if config.emit.metrics.is_empty() { SignalSet::NONE } else { SignalSet::METRICS }
    }

    fn analysis(config: &BaselineConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(Learner::new(config, cx)))
    }
}

struct Learner {
    config: BaselineConfig,
    /// Whether each of [`Statistic::ALL`] is learned.
    learns: [bool; Statistic::ALL.len()],
    calendar: Calendar,
    pace: Pace,
    memory: Memory,
    meters: Meters,
}

impl Learner {
    fn new(config: &BaselineConfig, cx: &BuildCx<'_>) -> Self {
        let width = config.window.get();
        let calendar = Calendar::new(config.season_bins as usize, width, config.time_zone_offset.nanoseconds);
        Self {
            learns: Statistic::ALL.map(|statistic| config.learns(statistic)),
            pace: Pace::new(width, calendar.bins_of_day),
            calendar,
            memory: Memory::default(),
            meters: Meters::new(cx.telemetry),
            config: config.clone(),
        }
    }

    /// Adds the columns to one table, and tells of the window before when this one begins another.
    fn judge(&mut self, rollups: &mut Rollups, cx: &mut Cx<'_>) {
        let end = rollups.end();
        let checkpoint = match self.memory.order(end) {
            Order::Older => {
                self.meters.out_of_order_windows.add(1);
                rollups.baseline = Some(self.columns(rollups, |_, _| Judged::UNKNOWN));
                return;
            }
            Order::Same => None,
            Order::Newer => {
                let checkpoint = self.complete(cx);
                self.memory.open(end, rollups.width);
                checkpoint
            }
        };
        self.memory.announce(&rollups.deployments);
        let moment = self.calendar.moment(rollups.start, rollups.width);
        let pace = self.pace;
        let window = Window {
            end,
            moment,
            pace: &pace,
            active_at: self.memory.active_seconds,
            is_excluded: self.excludes(rollups),
            forgotten: self.memory.forgotten,
            degradation_ratio: self.config.degradation_ratio,
        };
        let columns = self.columns(rollups, |this, row| this.judge_row(rollups, row, &window));
        let recall = Recall { checkpoint, forgotten: self.memory.forgotten };
        rollups.baseline = Some(BaselineColumns { recall, ..columns });
        self.tell_bands(rollups, cx);
    }

    fn excludes(&self, rollups: &Rollups) -> bool {
        self.config.exclude.iter().any(|it| it.touches(rollups.start, rollups.end()))
    }

    fn judge_row(&mut self, rollups: &Rollups, row: usize, window: &Window<'_>) -> Judged {
        let series = &rollups.series[row];
        let slot = rollups.slots[row];
        if !self.learns[series.statistic as usize] {
            return Judged::UNKNOWN;
        }
        let slots = &mut self.memory.slots;
        if slots.len() as u64 >= self.config.max_series && !slots.contains(slot, series.fingerprint) {
            self.memory.n_overflowed += 1;
            return Judged::UNKNOWN;
        }
        let told = Row {
            statistic: series.statistic,
            fingerprint: series.fingerprint,
            value: rollups.values[row],
            support: rollups.support[row],
            is_hurried: self.memory.deployments.is_recent(&series.service, window.end),
        };
        let tracked = slots.get_or_insert_with(slot, series.fingerprint, || Tracked::new(series.statistic));
        tracked.identify(series);
        let state = &mut tracked.state;
        let judged = state.take(&told, window);
        if state.n_samples == FIRST_SAMPLES
            && !state.is(INHERITED)
            && let Some(donor) = self.memory.priors.of(series)
        {
            state.inherit(donor, series.statistic, &window.moment);
        }
        if self.memory.is_day_turn {
            self.memory.priors.offer(series, state);
        }
        let is_degraded = state.is(DEGRADED);
        self.memory.n_degraded += u64::from(is_degraded);
        self.meters.count(&judged);
        Judged { is_degraded, ..judged }
    }

    /// Makes the columns row by row.
    fn columns(
        &mut self,
        rollups: &Rollups,
        mut judge: impl FnMut(&mut Self, usize) -> Judged,
    ) -> BaselineColumns {
        let mut columns = with_capacity(rollups.len(), self.excludes(rollups));
        for row in 0..rollups.len() {
            let judged = judge(self, row);
            push(&mut columns, rollups.series[row].statistic, &judged, self.config.band, self.pace.width);
            columns.is_absent.push(false);
        }
        columns
    }

    /// Settles what needed the whole window, and tells of series that are missing in it. In an excluded one silence
    /// says as little as values do. Returns the checkpoint that was made.
    fn complete(&mut self, cx: &mut Cx<'_>) -> Option<Checkpoint> {
        self.meters.read(&self.memory);
        let absent = self.memory.absent(self.config.window.get());
        if let Some(mut absent) = absent.filter(|absent| !self.excludes(absent)) {
            let window = Window {
                end: absent.end(),
                moment: self.calendar.moment(absent.start, absent.width),
                pace: &self.pace,
                active_at: self.memory.active_seconds,
                is_excluded: false,
                forgotten: None,
                degradation_ratio: self.config.degradation_ratio,
            };
            let mut columns = with_capacity(absent.len(), false);
            for (series, slot) in absent.series.iter().zip(&absent.slots) {
                let tracked = self.memory.slots.get(*slot, series.fingerprint);
                let judged = tracked
                    .map_or(Judged::UNKNOWN, |tracked| tracked.state.tell_absent(series.statistic, &window));
                push(&mut columns, series.statistic, &judged, self.config.band, self.pace.width);
                columns.is_absent.push(true);
            }
            absent.baseline = Some(columns);
            self.meters.absent_rows.add(absent.len() as u64);
            self.tell_bands(&absent, cx);
            let items = absent.len() as u64;
            cx.emit(Payload::Rollups(Box::new(absent)), items);
        }
        let checkpoint = self.memory.complete(&self.config);
        self.meters.count_left_out(&mut self.memory);
        checkpoint
    }

    /// Emits the bands of the chosen series as metrics.
    fn tell_bands(&self, rollups: &Rollups, cx: &mut Cx<'_>) {
        if self.config.emit.metrics.is_empty() {
            return;
        }
        let state_of = |series: &Arc<Series>, slot: u32| -> Option<&SeriesState> {
            self.memory.slots.get(slot, series.fingerprint).map(|tracked| &tracked.state)
        };
        let (bytes, points) = write_bands(rollups, &self.config, state_of);
        if points > 0 {
            cx.emit(Payload::Metrics(bytes.into()), points);
        }
    }
}

impl Processor for Learner {
    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        if let Payload::Rollups(rollups) = &mut batch.payload
            && rollups.width == self.config.window.get()
        {
            self.judge(rollups, cx);
        }
        cx.pass(batch);
    }

    /// No counter that is exported depends on this state.
    fn closes_at(&self, _: model::Timestamp) -> bool {
        false
    }

    fn snapshot(&self) -> Option<Snapshot> {
        Some(Snapshot { version: VERSION, bytes: write(&self.memory, &self.config, &self.calendar) })
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        let (memory, rewound) = read(&snapshot, &self.config, &self.calendar)?;
        self.memory = memory;
        if let Some(lost) = rewound {
            self.meters.rewinds.add(1);
            self.meters.lost_windows.add(lost);
        }
        self.meters.read(&self.memory);
        Ok(())
    }
}

fn with_capacity(n: usize, is_excluded: bool) -> BaselineColumns {
    BaselineColumns {
        expected: Vec::with_capacity(n),
        lower: Vec::with_capacity(n),
        upper: Vec::with_capacity(n),
        observed: Vec::with_capacity(n),
        predicted: Vec::with_capacity(n),
        seasonal: Vec::with_capacity(n),
        scale: Vec::with_capacity(n),
        maturity: Vec::with_capacity(n),
        is_absent: Vec::with_capacity(n),
        is_degraded: Vec::with_capacity(n),
        is_excluded,
        recall: Recall::default(),
    }
}

/// Adds a row to all columns but `is_absent`.
fn push(columns: &mut BaselineColumns, statistic: Statistic, judged: &Judged, band: f64, width: f64) {
    let nothing = (f64::NAN, f64::NAN, f64::NAN);
    let (value, seasonal, scale) = judged.prediction.map_or(nothing, |it| (it.value, it.seasonal, it.scale));
    let told = |value| natural(statistic, value, judged.support, width);
    let known = judged.prediction.is_some();
    let told_if_known = |value: f64| if known { told(value) } else { f64::NAN };
    columns.expected.push(told_if_known(value));
    columns.lower.push(told_if_known(value - band * scale));
    columns.upper.push(told_if_known(value + band * scale));
    columns.observed.push(judged.observed);
    columns.predicted.push(value);
    columns.seasonal.push(seasonal);
    columns.scale.push(scale);
    columns.maturity.push(judged.maturity);
    columns.is_degraded.push(judged.is_degraded);
    debug_assert!(judged.maturity > Maturity::Insufficient || judged.observed.is_nan());
}

impl Meters {
    fn count(&self, judged: &Judged) {
        match judged.happening {
            Some(Happening::LevelShift) => self.level_shifts.add(1),
            Some(Happening::Drift) => self.drifts.add(1),
            None => {}
        }
        if let Some(reason) = judged.rejected {
            self.reject(reason);
        }
    }
}
