//! The processor's row in the table of its layer, and its analysis half.

use std::collections::BTreeMap;
use std::time::Duration;

use component::{BuildCx, Counter, Cx, Gauge, Processor, ProcessorDef};
use model::{AnomalyColumns, Batch, Columns, Payload, Rollups, Series, SignalSet, Slots, Timestamp};

use super::{
    config::AnomalyConfig,
    detectors::OPENS_AT,
    episodes::{Episode, Episodes, Transition},
    judge::{Judge, Row},
    output::{Measured, write_logs, write_metrics},
    state::{SeriesState, Traits},
};

/// Tells how unusual each row is, and which departures are worth a person's attention.
pub struct Anomaly;

impl ProcessorDef for Anomaly {
    const KIND: &'static str = "anomaly";
    const READS: Columns = Columns::VALUES.union(Columns::BASELINE);
    const ADDS: Columns = Columns::ANOMALY;
    type Config = AnomalyConfig;

    fn consumes(_: &AnomalyConfig) -> SignalSet {
        SignalSet::NONE
    }

    fn emits(_: &AnomalyConfig) -> SignalSet {
        SignalSet::METRICS.union(SignalSet::LOGS)
    }

    fn analysis(config: &AnomalyConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(AnalysisHalf::new(config, cx)))
    }
}

struct AnalysisHalf {
    window: Duration,
    max_series: usize,
    quiet: Duration,
    emit_logs: bool,
    config: AnomalyConfig,
    judge: Judge,
    series: Slots<SeriesState>,
    episodes: Episodes,
    /// Services with open episodes at the last window, to say once that there are none.
    reported: BTreeMap<String, [u64; 3]>,
    opened: Counter,
    n_open: Gauge,
    n_series: Gauge,
}

impl AnalysisHalf {
    fn new(config: &AnomalyConfig, cx: &BuildCx<'_>) -> Self {
        let name = |name: &str| format!("otelcol_processor_anomaly_{name}");
        Self {
            window: config.window.get(),
            max_series: config.max_series as usize,
            quiet: config.window.get() * config.quiet_windows,
            emit_logs: config.emit_logs,
            config: config.clone(),
            judge: Judge::new(config),
            series: Slots::default(),
            episodes: Episodes::default(),
            reported: BTreeMap::new(),
            opened: cx.telemetry.counter(&name("opened_episodes"), "Episodes that were opened", "{episode}"),
            n_open: cx.telemetry.gauge(&name("open_episodes"), "Episodes that are open", "{episode}"),
            n_series: cx.telemetry.gauge(
                &name("series"),
                "Series of which something is remembered",
                "{series}",
            ),
        }
    }

    fn judge_window(&mut self, rollups: &mut Rollups, cx: &mut Cx<'_>) {
        let Some(baseline) = rollups.baseline.take() else { return };
        let mut columns = AnomalyColumns {
            score: vec![f32::NAN; rollups.len()],
            is_anomalous: vec![false; rollups.len()],
            episode: vec![0; rollups.len()],
        };
        let now = rollups.end();
        let mut refused = 0;
        let mut opened = Vec::new();
        for at in 0..rollups.len() {
            let series = &rollups.series[at];
            let slot = rollups.slots[at];
            if self.series.len() >= self.max_series && self.series.get(slot, series.fingerprint).is_none() {
                refused += 1;
                continue;
            }
            let state = self.series.get_or_insert_with(slot, series.fingerprint, SeriesState::default);
            let row = Row::of(rollups, &baseline, at);
            let gap = state.advance(now, self.window);
            let traits = match state.traits {
                Some(traits) => traits,
                None => *state.traits.insert(traits(&self.config, series)),
            };
            let Some(judgement) = self.judge.judge(&row, gap, traits, state) else { continue };
            columns.score[at] = judgement.score;
            state.is_open = state.is_open && self.episodes.get(series.fingerprint).is_some();
            if judgement.score < OPENS_AT && !state.is_open {
                continue;
            }
            let exemplars = rollups.exemplars.get(&(at as u32)).map_or(&[][..], Vec::as_slice);
            let window = (rollups.start, now);
            match self.episodes.add(series, traits, &judgement, &row, window, exemplars) {
                Some(episode) => {
                    columns.is_anomalous[at] = !episode.is_expired;
                    columns.episode[at] = if episode.is_expired { 0 } else { episode.id };
                    if !state.is_open {
                        opened.push(series.fingerprint);
                    }
                    state.is_open = true;
                }
                None => refused += 1,
            }
        }
        if refused > 0 {
            cx.reject(refused, "anomaly_series_limit");
        }
        rollups.baseline = Some(baseline);
        rollups.anomaly = Some(columns);
        self.opened.add(opened.len() as u64);
        self.tell(now, cx);
    }

    /// Ends episodes and tells what changed.
    fn tell(&mut self, now: Timestamp, cx: &mut Cx<'_>) {
        let ended = self.episodes.close(now, self.quiet);
        let mut events: Vec<(Transition, Episode)> = Vec::new();
        for episode in self.episodes.iter_mut() {
            if episode.told.is_none_or(|told| told < episode.severity) {
                let transition =
                    if episode.told.is_none() { Transition::Opened } else { Transition::Worsened };
                episode.told = Some(episode.severity);
                events.push((transition, episode.clone()));
            }
        }
        events.extend(ended);
        events.sort_by(|(_, a), (_, b)| {
            let by_weight = || b.weight().total_cmp(&a.weight());
            b.severity.cmp(&a.severity).then_with(by_weight).then_with(|| a.series.cmp(&b.series))
        });
        if self.emit_logs && !events.is_empty() {
            let listed: Vec<_> = events.iter().map(|(transition, episode)| (*transition, episode)).collect();
            let (bytes, records) = write_logs(&listed, now);
            cx.emit(Payload::Logs(bytes.into()), records);
        }
        self.n_open.set(self.episodes.len() as u64);
        self.n_series.set(self.series.len() as u64);
    }
}

fn traits(config: &AnomalyConfig, series: &Series) -> Traits {
    let marks = config.noise.iter().filter(|noise| noise.covers(series)).map(|noise| noise.count);
    Traits::of(series, marks.fold(0, u8::saturating_add))
}

impl Processor for AnalysisHalf {
    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        if let Payload::Rollups(rollups) = &mut batch.payload
            && rollups.width == self.window
        {
            self.judge_window(rollups, cx);
        }
        cx.pass(batch);
    }
}
