//! The processor's row in the table of its layer, and its analysis half.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use component::{Answer, BuildCx, Cx, Pieces, Processor, ProcessorDef, Question, RestoreError, Snapshot};
use model::{Batch, Columns, Payload, SignalSet, Timestamp};

use super::{
    AlertingConfig,
    alert::Alerts,
    api, archive,
    conditions::Stage,
    machine::Change,
    meters::Meters,
    metrics::{self, Figures, Published},
    notice::{Cadence, Telling},
    output::Outbox,
    rules::{Origin, Rule, Rules},
    shelf::Shelf,
    silences::Silences,
    snapshot,
    windows::Clock,
};
use crate::schedule::Schedule;

/// Tells people what they must know.
pub struct Alerting;

impl ProcessorDef for Alerting {
    const KIND: &'static str = "alerting";
    const HEARS: Columns = Columns::WINDOWS.union(Columns::CONDITIONS);
    const TOPICS: &'static [&'static str] = &["alerts", "silences", "rules", "explain"];
    type Config = AlertingConfig;

    fn reads(config: &AlertingConfig) -> Columns {
        let values = if config.rules.is_empty() { Columns::NONE } else { Columns::VALUES };
        values.union(config.columns_of_rules())
    }

    fn consumes(_: &AlertingConfig) -> SignalSet {
        SignalSet::NONE
    }

    fn emits(_: &AlertingConfig) -> SignalSet {
        SignalSet::LOGS.union(SignalSet::METRICS)
    }

    fn analysis(config: &AlertingConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(AnalysisHalf::new(config, cx)))
    }
}

/// All that the processor knows.
pub(super) struct AnalysisHalf {
    pub(super) config: AlertingConfig,
    pub(super) cadence: Cadence,
    pub(super) rules: Rules,
    pub(super) alerts: Alerts,
    /// Those that nothing evaluates, for questions.
    pub(super) shelf: Shelf,
    pub(super) clocks: Vec<Clock>,
    pub(super) stages: BTreeMap<Arc<str>, Stage>,
    pub(super) silences: Silences,
    /// The schedules of `suppress` with the labels that they are about.
    pub(super) schedules: Vec<(BTreeMap<String, String>, Schedule)>,
    pub(super) outbox: Outbox,
    pub(super) figures: Figures,
    pub(super) meters: Meters,
    published: Published,
    pub(super) started_at: Timestamp,
    /// The last beat of the watchdog and of the series.
    beat_at: Timestamp,
    /// Alerts that were removed since the start.
    pub(super) vacated: u64,
    /// Of alerts that are evaluated and of those that are not.
    pub(super) n_tapes: u64,
    pub(super) scratch: Vec<f64>,
    pub(super) changes: Vec<Change>,
    pub(super) tellings: Vec<Telling>,
}

impl AnalysisHalf {
    fn new(config: &AlertingConfig, cx: &BuildCx<'_>) -> Self {
        let mut rules = Rules::default();
        rules.extend(config.rules.iter().map(|rule| Rule::of(rule, Origin::Configured, config)));
        let schedules = config.suppress.iter().filter_map(|suppress| {
            Some((suppress.r#match.clone(), Schedule::parse(&suppress.schedule).ok()?))
        });
        let mut half = Self {
            cadence: Cadence {
                every: config.resend_interval.get(),
                resolved_for: config.resend_resolved_for.get(),
            },
            schedules: schedules.collect(),
            rules,
            alerts: Alerts::default(),
            shelf: Shelf::default(),
            clocks: Vec::new(),
            stages: BTreeMap::new(),
            silences: Silences::default(),
            outbox: Outbox::new(config.resend_interval.get()),
            figures: Figures { since: cx.started_at, ..Figures::default() },
            meters: Meters::new(cx.telemetry),
            published: Published::default(),
            started_at: cx.started_at,
            beat_at: Timestamp::default(),
            vacated: 0,
            n_tapes: 0,
            scratch: Vec::new(),
            changes: Vec::new(),
            tellings: Vec::new(),
            // The rules are kept ready to be evaluated.
            config: AlertingConfig { rules: Vec::new(), ..config.clone() },
        };
        half.set_clocks();
        half.measure();
        half
    }

    /// Sends what was stored, then evaluates what has come since.
    fn advance(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        self.outbox.send(cx);
        let every = self.config.evaluation_interval.get();
        let beat = now.window_start(every);
        let is_beat = beat > self.beat_at || self.beat_at.since(beat) > every;
        if is_beat {
            self.publish(beat, cx);
        }
        self.close_windows(now);
        if is_beat {
            self.beat_at = beat;
            self.beat(beat, now);
            self.expire_rules(now);
            self.end_orphans(now);
            self.review_all(now);
            let day_ago = Timestamp(now.as_nanos().saturating_sub(DAY_NANOS));
            self.silences.forget(day_ago);
            self.clear_shelf(now);
            self.measure();
        }
        self.outbox.turn();
    }

    /// Tells of the alerts as series, as they are stored.
    fn publish(&mut self, at: Timestamp, cx: &mut Cx<'_>) {
        let (bytes, points) =
            metrics::write(&self.alerts.active_sorted(), &mut self.published, &self.figures, at);
        cx.emit(Payload::Metrics(bytes.into()), points);
    }

    /// Keeps what an evaluation compared, as far as there is room. `every` is how often there is one.
    pub(super) fn note_evaluation(&mut self, place: u32, at: Timestamp, every: Duration) {
        self.meters.evaluations.add(1);
        self.find_tape(place, at, every);
        let Some(alert) = self.alerts.get_mut(place) else { return };
        let (is_true, value) = (alert.is_true, if alert.has_data { alert.value } else { f64::NAN });
        if let Some(tape) = &mut alert.tape {
            tape.keep_pace(every, at);
            tape.note(at, value, is_true);
        }
    }

    pub(super) fn measure(&self) {
        self.meters.rules.set(self.rules.by_name().count() as u64);
        self.meters.alerts.set(self.alerts.len() as u64);
        self.meters.silences.set(self.silences.len() as u64);
        let all = self.alerts.len() as u64;
        let n_tapes = self.n_tapes - self.shelf.len() as u64;
        self.meters.untaped.set(if self.has_room_for_tape() { 0 } else { all.saturating_sub(n_tapes) });
    }
}

const DAY_NANOS: u64 = 86_400_000_000_000;

impl Processor for AnalysisHalf {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        match &batch.payload {
            Payload::Rollups(rollups) => self.take_window(rollups, cx.now()),
            Payload::Conditions(conditions) => self.take_conditions(conditions, cx.now()),
            _ => {}
        }
        cx.pass(batch);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.advance(cx);
    }

    fn drain(&mut self, cx: &mut Cx<'_>) {
        self.advance(cx);
        // The state is stored once more when everything has ended.
        self.outbox.send(cx);
    }

    /// Whether something is told that the state must be known of first.
    fn closes_at(&self, _: Timestamp) -> bool {
        !self.outbox.ready.is_empty()
    }

    fn snapshot(&self) -> Option<Snapshot> {
        Some(snapshot::write(self))
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        snapshot::restore(self, &snapshot)?;
        self.set_clocks();
        self.measure();
        Ok(())
    }

    fn archive_pieces(&self) -> Option<Pieces<'_>> {
        Some(archive::pieces(self))
    }

    fn restore_archive(&mut self, archive: Snapshot) -> Result<(), RestoreError> {
        archive::restore(self, &archive)
    }

    fn answer(&mut self, question: &Question, cx: &mut Cx<'_>) -> Answer {
        let answer = api::answer(self, question, cx.now());
        if answer.status >= 400 {
            self.meters.refused.add(1);
        }
        answer
    }
}
