//! The processor's row in the table of its layer, and its analysis half.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use component::{
    Answer, BuildCx, Counter, Cx, Gauge, Processor, ProcessorDef, Question, RestoreError, Snapshot,
};
use model::{Batch, Calls, Columns, Edge, EdgeKind, Payload, SignalSet, Slots};

use super::{
    answer::{self, Counted, Said},
    config::{AnomalyConfig, DetectorName},
    detectors::{Forests, Relations},
    episodes::Episodes,
    hierarchy::Hierarchy,
    judge::{Class, Judge},
    snapshot::{Memory, READABLE, VERSION},
    state::SeriesState,
    tuning::Tuning,
};
use crate::recall::Earlier;

/// Tells how unusual each row is, and which departures are worth a person's attention.
pub struct Anomaly;

impl ProcessorDef for Anomaly {
    const KIND: &'static str = "anomaly";
    const READS: Columns = Columns::VALUES.union(Columns::BASELINE);
    const ADDS: Columns = Columns::ANOMALY;
    const TOPICS: &'static [&'static str] = &["anomalies"];
    type Config = AnomalyConfig;

    fn reads(config: &AnomalyConfig) -> Columns {
        if config.follows_calls() { Self::READS.union(Columns::CALLS) } else { Self::READS }
    }

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
    without_relation: Counter,
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
        let window = config.window.get();
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
            has_relations: config.lists(DetectorName::Relation),
            has_forests: config.lists(DetectorName::Forest),
            forests: Forests::default(),
            relations: Relations::new(&config.relations),
            reported: Vec::new(),
            opened: telemetry.counter(&name("opened_episodes"), "Episodes that were opened", "{episode}"),
            told: telemetry.counter(&name("events"), "Log records about episodes", "{event}"),
            not_significant: withheld("not_significant"),
            over_budget: withheld("incident_budget"),
            without_place: left_out("places"),
            without_forest: left_out("services"),
            without_relation: telemetry.counter(
                &name("left_out_relations"),
                "Calls between services that the detector relation does not watch, as there are too many, in each window",
                "{edge}",
            ),
            n_open: telemetry.gauge(&name("open_episodes"), "Episodes that are open", "{episode}"),
            checkpoint_bytes: telemetry.gauge(&name("checkpoint_bytes"), "Memory of earlier states", "By"),
            n_series: telemetry.gauge(&name("series"), "Series of which something is remembered", "{series}"),
        }
    }

    /// Counts what a person says of some series: as noise it is a false alarm, by which a series' levels rise, and
    /// `useful` takes back one such word. Returns of each that is known how often noise was said of it.
    ///
    /// *Cost*: a walk over all series.
    pub(super) fn count_verdict(&mut self, wanted: &BTreeSet<u64>, said: Said) -> Vec<Counted> {
        let known = self.series.seen_mut().filter(|(_, series, _)| wanted.contains(series));
        let count = |(_, _, state): (_, _, &mut SeriesState)| {
            let before = state.marks;
            state.marks = match said {
                Said::Noise => before.saturating_add(1),
                Said::Useful => before.saturating_sub(1),
            };
            Counted { n_marks: state.marks, is_news: state.marks != before }
        };
        known.map(count).collect()
    }

    /// Watches whether those who call each other rise and fall together.
    fn follow(&mut self, calls: &Calls) {
        let is_call = |edge: &&Edge| matches!(edge.kind, EdgeKind::Request | EdgeKind::Message);
        for edge in calls.edges.iter().filter(is_call) {
            let has_room = self.relations.follow(&edge.client, &edge.server);
            self.without_relation.add(u64::from(!has_room));
        }
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
        if let Payload::Rollups(rollups) = &mut batch.payload {
            if let Some(calls) = rollups.calls.as_deref().filter(|_| self.has_relations) {
                self.follow(calls);
            }
            if rollups.width == self.window {
                self.judge_window(rollups, cx);
            }
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
            return Err(RestoreError::Version { found: snapshot.version, readable: "1 to 4" });
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
