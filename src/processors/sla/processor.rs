//! The processor's row in the table of its layer, and the half that judges.

use std::{collections::HashMap, sync::Arc};

use component::{
    Answer, BuildCx, Counter, Cx, Gauge, Pieces, Processor, ProcessorDef, Question, RestoreError, Snapshot,
};
use model::{Batch, Columns, Payload, Rollups, SignalSet, Timestamp};
use prost::Message;

use super::{
    answer,
    config::SlaConfig,
    ingest::IngestHalf,
    output::{Event, Stored, Subjects, Told, write_events, write_metrics},
    partial::{self, SlaPartial},
    plan::{Indicator, Objective, Plan, WorkflowSource, source_of_past},
    report::{Report, evaluate},
    ring::{Count, SLOT},
    series::SeriesReader,
    snapshot::{self, Memory},
    state::Record,
    workflows::{Flow, Outcome, Queue, Running, whole},
};

/// Tells whether promises are kept, and how fast their budgets burn.
pub struct Sla;

impl ProcessorDef for Sla {
    const KIND: &'static str = "sla";
    const ALIASES: &'static [&'static str] = &["slo"];
    const HEARS: Columns = Columns::VALUES;
    const ADDS: Columns = Columns::CONDITIONS;
    const TOPICS: &'static [&'static str] = &["slos", "backfill"];
    type Config = SlaConfig;

    fn reads(config: &SlaConfig) -> Columns {
        if Plan::of(config).reads_windows() { Columns::VALUES } else { Columns::NONE }
    }

    fn consumes(config: &SlaConfig) -> SignalSet {
        let plan = Plan::of(config);
        let traces = if plan.reads_spans() { SignalSet::TRACES } else { SignalSet::NONE };
        if plan.reads_logs() { traces.union(SignalSet::LOGS) } else { traces }
    }

    fn emits(config: &SlaConfig) -> SignalSet {
        let logs = if config.emit.events { SignalSet::LOGS } else { SignalSet::NONE };
        Self::consumes(config).union(SignalSet::METRICS).union(logs)
    }

    fn past(config: &SlaConfig) -> Option<component::Past> {
        source_of_past(config)
    }

    fn ingest(config: &SlaConfig, _: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(IngestHalf::new(&Plan::of(config)))
    }

    fn analysis(config: &SlaConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(AnalysisHalf::new(Plan::of(config), cx)))
    }
}

/// With all dialects an objective takes about 5 kB.
const OBJECTIVES_PER_REQUEST: usize = 100;

/// Merges counts, judges, and tells.
pub(super) struct AnalysisHalf {
    pub(super) plan: Arc<Plan>,
    source: Arc<str>,
    /// By fingerprint of the objective its place in the plan.
    places: HashMap<u64, usize>,
    /// By objective, the one that keeps its percentiles.
    owners: Vec<usize>,
    pub(super) memory: Memory,
    series: SeriesReader,
    subjects: Subjects,
    /// By objective.
    pub(super) running: Vec<Running>,
    /// Of the last evaluation, by objective.
    pub(super) reports: Vec<Report>,
    /// By objective, what the last snapshot held: counters are told of this alone, so that they never go back.
    stored: Vec<Stored>,
    /// Whether a snapshot could not be read, until the first evaluation dates it.
    has_lost_state: bool,
    n_objectives: Gauge,
    n_workflows: Gauge,
    n_breached: Gauge,
    late: Counter,
    left_behind: Counter,
}

impl AnalysisHalf {
    pub(super) fn new(plan: Arc<Plan>, cx: &BuildCx<'_>) -> Self {
        let name = |name: &str| format!("otelcol_processor_sla_{name}");
        let telemetry = cx.telemetry;
        let places = plan.objectives.iter().enumerate().map(|(at, objective)| (objective.fingerprint, at));
        let half = Self {
            source: cx.id.into(),
            places: places.collect(),
            owners: owners(&plan),
            memory: Memory::new(&plan),
            series: SeriesReader::new(&plan),
            subjects: Subjects::new(&plan, cx.id),
            running: vec![Running::default(); plan.objectives.len()],
            reports: Vec::new(),
            stored: Vec::new(),
            has_lost_state: false,
            n_objectives: telemetry.gauge(&name("objectives"), "Objectives that are judged", "{objective}"),
            n_workflows: telemetry.gauge(&name("workflows"), "Workflows that are followed", "{workflow}"),
            n_breached: telemetry.gauge(&name("breached"), "Objectives that are breached", "{objective}"),
            late: telemetry.counter(
                &name("late_events"),
                "Events that came after the counts had moved on",
                "{event}",
            ),
            left_behind: telemetry.counter(
                &name("left_behind"),
                "Objectives whose stored counts were left behind, as they count something else now",
                "{objective}",
            ),
            plan,
        };
        half.n_objectives.set(half.plan.objectives.len() as u64);
        half
    }

    fn merge(&mut self, message: &SlaPartial, cx: &mut Cx<'_>) {
        let mut unknown = 0;
        for row in &message.rows {
            let Some(place) = self.places.get(&row.objective).copied().filter(|_| row.good <= row.total)
            else {
                unknown += 1;
                continue;
            };
            let (objective, record) = (&self.plan.objectives[place], &mut self.memory.records[place]);
            let at = Timestamp(row.slot.saturating_mul(SLOT.as_nanos() as u64));
            if at > cx.now() || cx.now().since(at) >= super::ring::RETENTION {
                self.late.add(row.total);
                continue;
            }
            record.take(objective, at, Count { good: row.good, total: row.total });
            record.newest = record.newest.max(Timestamp(row.newest));
            if let Some(trace) = row.worst_trace() {
                record.bad_traces.note(row.worst, trace, at);
            }
        }
        for row in &message.histograms {
            match self.places.get(&row.objective) {
                Some(place) => self.memory.records[*place].time(cx.now(), &row.buckets, &row.counts),
                None => unknown += 1,
            }
        }
        let mut unplaced = 0;
        for row in &message.workflows {
            let Some(place) = self.places.get(&row.objective) else {
                unknown += 1;
                continue;
            };
            let (limit, now) = (self.plan.max_open_workflows, cx.now());
            let key = (*place as u32, row.key);
            let (had_begun, had_ended) =
                self.memory.followed.flows.get(&key).map_or((false, false), stage_of);
            unplaced += u64::from(!self.memory.followed.take(key.0, row, limit, now));
            let (has_begun, has_ended) =
                self.memory.followed.flows.get(&key).map_or((false, false), stage_of);
            let flows = &mut self.memory.records[*place].flows;
            flows.started += u64::from(has_begun && !had_begun);
            flows.completed += u64::from(has_ended && !had_ended);
        }
        for (n, reason) in [(unknown, "unknown_objective"), (unplaced, "open_workflows_limit")] {
            if n > 0 {
                cx.reject(n, reason);
            }
        }
    }

    /// Takes what a closed window of series says.
    fn read_window(&mut self, rollups: &Rollups) {
        let end = rollups.end();
        for (place, told) in self.series.read(rollups) {
            let place = place as usize;
            let plan = Arc::clone(&self.plan);
            let (objective, record) = (&plan.objectives[place], &mut self.memory.records[place]);
            let count = match &objective.indicator {
                Indicator::Counters(counters) => {
                    let total = whole(&mut record.fractions[0], told.total);
                    let part = whole(&mut record.fractions[1], told.part).min(total);
                    Count { good: if counters.part_is_good { part } else { total - part }, total }
                }
                Indicator::Metric(_) => Count { good: told.n_good, total: told.n_levels },
                Indicator::Workflow(workflow) => {
                    let queue = &mut self.memory.queues[place];
                    let n_open = |queue: &Queue| queue.batches.iter().map(|batch| batch.n).sum::<u64>();
                    let before = n_open(queue);
                    queue.begin(end, told.started);
                    let begun = n_open(queue);
                    let outcomes = queue.end(end, told.completed, workflow);
                    record.flows.started += begun.saturating_sub(before);
                    record.flows.completed += begun.saturating_sub(n_open(queue));
                    self.take_outcomes(place, &outcomes);
                    continue;
                }
                Indicator::Spans(_) | Indicator::Composite(_) => continue,
            };
            record.newest = record.newest.max(end);
            record.take(objective, dated(objective, rollups), count);
        }
    }

    fn take_outcomes(&mut self, place: usize, outcomes: &[Outcome]) {
        let (objective, record) = (&self.plan.objectives[place], &mut self.memory.records[place]);
        for outcome in outcomes {
            // Spans that were sampled stand for more workflows than were seen.
            let n_seen = if outcome.trace.is_some() { 1 } else { outcome.weight };
            record.flows.failed += if outcome.is_good { 0 } else { n_seen };
            let good = if outcome.is_good { outcome.weight } else { 0 };
            record.take(objective, outcome.at, Count { good, total: outcome.weight });
            record.newest = record.newest.max(outcome.at);
            if let (false, Some(trace)) = (outcome.is_good, outcome.trace) {
                record.bad_traces.note(outcome.took.as_secs_f64(), trace, outcome.at.window_start(SLOT));
            }
        }
    }

    /// Lets workflows grow older.
    fn advance_workflows(&mut self, at: Timestamp) {
        let plan = Arc::clone(&self.plan);
        for (place, objective) in plan.objectives.iter().enumerate() {
            let Indicator::Workflow(workflow) = &objective.indicator else { continue };
            let (outcomes, running) = match workflow.source {
                WorkflowSource::Spans { .. } => self.memory.followed.advance(place as u32, workflow, at),
                WorkflowSource::Counters { .. } => self.memory.queues[place].advance(workflow, at),
            };
            self.take_outcomes(place, &outcomes);
            self.running[place] = running;
        }
        self.n_workflows.set(self.memory.followed.flows.len() as u64);
    }

    /// Judges everything as of an instant.
    fn judge(&mut self, at: Timestamp) {
        if std::mem::take(&mut self.has_lost_state) {
            self.memory.unreadable_since = Some(at);
        }
        self.advance_workflows(at);
        for (objective, record) in self.plan.objectives.iter().zip(&mut self.memory.records) {
            record.advance(objective, at);
        }
        self.reports = evaluate(&self.plan, &self.memory.records, at);
        let breached =
            self.reports.iter().filter(|report| report.standing == super::report::Standing::Breached);
        self.n_breached.set(breached.count() as u64);
    }

    /// Returns all objectives with their last reports; none before the first evaluation.
    pub(super) fn told(&self) -> Vec<Told<'_>> {
        let records: &[Record] = &self.memory.records;
        let all = self.plan.objectives.iter().zip(&self.reports).enumerate();
        all.map(|(place, (objective, report))| Told {
            objective,
            report,
            record: &records[place],
            taken: &records[self.owners[place]],
            running: self.running[place].clone(),
            stored: self.stored.get(place).copied(),
        })
        .collect()
    }

    fn emit_conditions(&self, at: Timestamp, cx: &mut Cx<'_>) {
        let unreadable = self.memory.unreadable_since;
        let is_unreadable = unreadable.is_some_and(|since| at.since(since) < self.plan.unreadable_alert_for);
        let every = self.plan.evaluation_interval;
        let conditions = self.subjects.conditions(&self.source, every, at, &self.told(), is_unreadable);
        let items = conditions.all.len() as u64;
        cx.emit(Payload::Conditions(Box::new(conditions)), items);
    }

    fn emit_events(&mut self, at: Timestamp, cx: &mut Cx<'_>) {
        let mut remembered: Vec<_> = self.memory.records.iter().map(|record| record.told.clone()).collect();
        let told = self.told();
        let events: Vec<_> = told
            .into_iter()
            .zip(&mut remembered)
            .map(|(told, last)| {
                let events = Event::since(&told, last);
                (told, events)
            })
            .collect();
        let (bytes, n_records) = write_events(&events, at);
        drop(events);
        for (record, told) in self.memory.records.iter_mut().zip(remembered) {
            record.told = told;
        }
        if n_records > 0 && self.plan.has_events {
            cx.emit(Payload::Logs(bytes.into()), n_records);
        }
    }

    /// Tells of some objectives at a time: receivers commonly refuse requests of more than 4 MiB.
    fn emit_metrics(&self, at: Timestamp, cx: &mut Cx<'_>) {
        for told in self.told().chunks(OBJECTIVES_PER_REQUEST) {
            let (mut bytes, n_points) = write_metrics(told, &self.plan.dialects, at);
            // All requests of an evaluation are there at the same time.
            bytes.shrink_to_fit();
            if n_points > 0 {
                cx.emit(Payload::Metrics(bytes.into()), n_points);
            }
        }
    }
}

/// Returns when the events of a window were.
///
/// A counter tells what happened before it was read, the longer ago the less often it is read. In windows as fine as
/// slots its events are those of the slot before, or a burn would end a slot after its last bad event has left the
/// window. A slice of time is judged soon after its end, too soon for what is dated back.
fn dated(objective: &Objective, rollups: &Rollups) -> Timestamp {
    let is_counted = matches!(objective.indicator, Indicator::Counters(_)) && objective.slices.is_none();
    if is_counted && rollups.width <= SLOT { rollups.start - SLOT } else { rollups.start }
}

/// Whether a workflow has begun, and whether it has ended too.
fn stage_of(flow: &Flow) -> (bool, bool) {
    (flow.start.is_some(), flow.start.is_some() && flow.end.is_some())
}

/// Finds for each objective the first that times the same events.
fn owners(plan: &Plan) -> Vec<usize> {
    let mut first = HashMap::<String, usize>::new();
    let own = |(at, objective): (usize, &Arc<Objective>)| match &objective.indicator {
        Indicator::Spans(spans) if objective.percentile.is_some() => {
            // Only looked up, never shown or stored.
            let key = format!("{}\0{:?}\0{:?}", objective.service, spans.selects, spans.excludes);
            *first.entry(key).or_insert(at)
        }
        _ => at,
    };
    plan.objectives.iter().enumerate().map(own).collect()
}

fn is_due(at: Timestamp, every: std::time::Duration) -> bool {
    at == at.window_start(every)
}

impl Processor for AnalysisHalf {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        match &batch.payload {
            Payload::Partial(partial) => {
                match SlaPartial::decode(&partial.bytes[..]) {
                    Ok(message) if message.version == partial::VERSION => self.merge(&message, cx),
                    Ok(_) => cx.reject(1, "foreign_partial"),
                    Err(_) => cx.reject(1, "damaged_partial"),
                }
                cx.absorb(batch);
            }
            Payload::Rollups(rollups) => {
                self.read_window(rollups);
                cx.pass(batch);
            }
            _ => cx.pass(batch),
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        let at = Timestamp::from_secs(cx.now().as_nanos() / 1_000_000_000);
        if self.closes_at(at) {
            let records = self.memory.records.iter().filter(|record| record.since > Timestamp(0));
            let stored = |it: &Record| Stored { since: it.since, events: it.events, flows: it.flows };
            self.stored = records.map(stored).collect();
        }
        let (judges, emits) =
            (is_due(at, self.plan.evaluation_interval), is_due(at, self.plan.emit_interval));
        if judges || (emits && self.reports.is_empty()) {
            self.judge(at);
            self.emit_conditions(at, cx);
            self.emit_events(at, cx);
        }
        if emits && !self.reports.is_empty() {
            self.emit_metrics(at, cx);
        }
    }

    /// What is in the partials of the last second was merged before; nothing else is open.
    fn drain(&mut self, _: &mut Cx<'_>) {}

    fn closes_at(&self, now: Timestamp) -> bool {
        is_due(Timestamp::from_secs(now.as_nanos() / 1_000_000_000), self.plan.snapshot_interval)
    }

    fn snapshot(&self) -> Option<Snapshot> {
        self.snapshot_pieces().map(Pieces::whole)
    }

    fn snapshot_pieces(&self) -> Option<Pieces<'_>> {
        Some(Pieces { version: snapshot::VERSION, bytes: Box::new(self.memory.pieces(&self.plan)) })
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        self.has_lost_state = true;
        if snapshot.version != snapshot::VERSION {
            return Err(RestoreError::Version { found: snapshot.version, readable: "1" });
        }
        self.memory = Memory::load(&self.plan, &snapshot.bytes)?;
        self.left_behind.add(self.memory.n_left_behind);
        self.has_lost_state = false;
        Ok(())
    }

    fn answer(&mut self, question: &Question, cx: &mut Cx<'_>) -> Answer {
        answer::answer(self, question, cx.now())
    }
}
