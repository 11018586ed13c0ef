//! The processor's row in the table of its layer, and its analysis half.

use std::{sync::Arc, time::Duration};

use component::{
    Answer, BuildCx, Counter, Cx, Gauge, Processor, ProcessorDef, Question, RestoreError, Snapshot,
};
use model::{Batch, Columns, Payload, Series, SignalSet, Slots};

use super::{
    answer,
    config::{AnomalyConfig, DetectorName},
    detectors::{Forests, Relations},
    episodes::Episodes,
    hierarchy::Hierarchy,
    judge::{Class, Judge},
    services::relation_of,
    snapshot::{Memory, READABLE, VERSION},
    state::SeriesState,
    tuning::Tuning,
};
use crate::baseline::Earlier;

/// Tells how unusual each row is, and which departures are worth a person's attention.
pub struct Anomaly;

impl ProcessorDef for Anomaly {
    const KIND: &'static str = "anomaly";
    const READS: Columns = Columns::VALUES.union(Columns::BASELINE);
    const ADDS: Columns = Columns::ANOMALY;
    const TOPICS: &'static [&'static str] = &["anomalies"];
    type Config = AnomalyConfig;

    fn consumes(_: &AnomalyConfig) -> SignalSet {
        SignalSet::NONE
    }

    fn emits(config: &AnomalyConfig) -> SignalSet {
        let logs = if config.emit_logs { SignalSet::LOGS } else { SignalSet::NONE };
        SignalSet::METRICS.union(logs)
    }

    fn analysis(config: &AnomalyConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(AnalysisHalf::new(config, cx)))
    }
}

/// The half that judges windows.
pub struct AnalysisHalf {
    pub(super) config: AnomalyConfig,
    pub(super) window: Duration,
    pub(super) max_series: usize,
    /// After which an episode ends.
    pub(super) quiet: Duration,
    pub(super) judge: Judge,
    pub(super) series: Slots<SeriesState>,
    pub(super) episodes: Episodes,
    pub(super) hierarchy: Hierarchy,
    pub(super) earlier: Earlier,
    pub(super) tunings: [Tuning; Class::COUNT],
    pub(super) has_relations: bool,
    pub(super) relations: Relations,
    /// The series that stand for the relations, in the same order.
    pub(super) related: Vec<Arc<Series>>,
    pub(super) has_forests: bool,
    pub(super) forests: Forests,
    /// Services with open episodes at the last window, to say once that there are none.
    pub(super) reported: Vec<Arc<str>>,
    pub(super) opened: Counter,
    pub(super) told: Counter,
    pub(super) not_significant: Counter,
    pub(super) over_budget: Counter,
    pub(super) without_place: Counter,
    pub(super) without_forest: Counter,
    pub(super) n_open: Gauge,
    pub(super) n_series: Gauge,
    pub(super) checkpoint_bytes: Gauge,
}

impl AnalysisHalf {
    pub fn new(config: &AnomalyConfig, cx: &BuildCx<'_>) -> Self {
        let name = |name: &str| format!("otelcol_processor_anomaly_{name}");
        let telemetry = cx.telemetry;
        let withheld = |reason| {
            let description = "Episodes that ended without having been told";
            telemetry.with("reason", reason).counter(&name("withheld_episodes"), description, "{episode}")
        };
        let left_out = |reason| {
            let description = "Rows that the detector forest did not look at, as it had no room";
            telemetry.with("reason", reason).counter(&name("forest_left_out_rows"), description, "{row}")
        };
        let is_listed = |name| config.detectors.iter().any(|entry| entry.name == name);
        let window = config.window.get();
        let relations = Relations::new(&config.relations);
        Self {
            config: config.clone(),
            window,
            max_series: config.max_series as usize,
            quiet: window * config.quiet_windows,
            judge: Judge::new(config, window),
            series: Slots::default(),
            episodes: Episodes::default(),
            hierarchy: Hierarchy::new(config.incidents_per_service_day),
            earlier: Earlier::default(),
            tunings: [Tuning::default(); Class::COUNT],
            has_relations: is_listed(DetectorName::Relation),
            has_forests: is_listed(DetectorName::Forest),
            forests: Forests::default(),
            related: relations
                .pairs
                .iter()
                .map(|pair| relation_of(&pair.services.0, &pair.services.1))
                .collect(),
            relations,
            reported: Vec::new(),
            opened: telemetry.counter(&name("opened_episodes"), "Episodes that were opened", "{episode}"),
            told: telemetry.counter(&name("events"), "Log records about episodes", "{event}"),
            not_significant: withheld("not_significant"),
            over_budget: withheld("incident_budget"),
            without_place: left_out("places"),
            without_forest: left_out("services"),
            n_open: telemetry.gauge(&name("open_episodes"), "Episodes that are open", "{episode}"),
            checkpoint_bytes: telemetry.gauge(&name("checkpoint_bytes"), "Memory of earlier states", "By"),
            n_series: telemetry.gauge(&name("series"), "Series of which something is remembered", "{series}"),
        }
    }

    /// Counts what a person says of a series: as noise it is a false alarm, by which its levels rise. Returns how
    /// often that was said; none when the series is not known.
    ///
    /// *Cost*: a walk over all series.
    pub(super) fn count_verdict(&mut self, fingerprint: u64, is_noise: bool) -> Option<u8> {
        let (_, _, state) = self.series.seen_mut().find(|(_, of, _)| *of == fingerprint)?;
        state.marks = state.marks.saturating_add(u8::from(is_noise));
        Some(state.marks)
    }

    fn remember(&mut self, mut memory: Memory) {
        for episode in std::mem::take(&mut memory.episodes) {
            self.episodes.insert(episode);
        }
        self.hierarchy.purses = std::mem::take(&mut memory.purses).into_iter().collect();
        self.hierarchy.incidents = memory.incidents;
        self.reported = std::mem::take(&mut memory.reported);
        self.earlier = std::mem::take(&mut memory.earlier);
        self.checkpoint_bytes.set(self.earlier.size());
        self.remember_learned(memory);
    }
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

    fn answer(&mut self, question: &Question, _: &mut Cx<'_>) -> Answer {
        answer::answer(self, question)
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let purses = self.hierarchy.purses.iter().map(|(service, purse)| (Arc::clone(service), *purse));
        let memory = Memory {
            episodes: self.episodes.all().cloned().collect(),
            purses: purses.collect(),
            reported: self.reported.clone(),
            incidents: self.hierarchy.incidents,
            earlier: self.earlier.clone(),
            ..self.learned()
        };
        Some(Snapshot { version: VERSION, bytes: memory.encode(self.series.iter()) })
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        if !READABLE.contains(&snapshot.version) {
            return Err(RestoreError::Version { found: snapshot.version, readable: "1 to 3" });
        }
        let memory = Memory::decode(snapshot.version, &snapshot.bytes)?;
        if memory.window != self.window {
            let (was, is) = (memory.window, self.window);
            return Err(RestoreError::Damaged(format!("windows were {was:?} wide and are {is:?} now")));
        }
        self.remember(memory);
        Ok(())
    }
}
