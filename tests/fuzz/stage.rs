//! Stages as the engine runs them: an analysis half is given partials and snapshots of foreign bytes.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use bytes::Bytes;
use component::{
    Answer, BuildCx, ConfiguredProcessor, Cx, Processor, ProcessorEntry, Question, RestoreError, Snapshot,
    Telemetry, Workbench,
};
use model::{Ack, Batch, KeySet, Partial, Payload, Rollups, Series, Signal, Statistic, Timestamp, Traces};

/// When the spans of the seeds end, rounded up to every interval.
pub const NOW: Timestamp = Timestamp::from_secs(1_760_000_040);

/// The width of the windows that stages judge.
const WIDTH: Duration = Duration::from_secs(10);

/// A kind of stage with an analysis half.
struct Kind {
    name: &'static str,
    /// They reach every form of its messages.
    settings: &'static str,
    /// Whether spans make partials.
    counts_spans: bool,
    /// Whether a snapshot begins with a hash of the rest: the fuzzer would never guess one.
    is_sealed: bool,
}

impl Kind {
    const fn counting(name: &'static str, settings: &'static str) -> Self {
        Self { name, settings, counts_spans: true, is_sealed: false }
    }

    const fn judging(name: &'static str, settings: &'static str) -> Self {
        Self { name, settings, counts_spans: false, is_sealed: true }
    }
}

/// Those that judge come last, in the order of a pipeline.
const KINDS: [Kind; 12] = [
    Kind::counting(
        "span_metrics",
        "{exemplars: {enabled: true}, events: {enabled: true, dimensions: [{name: exception.type}]}}",
    ),
    Kind::counting("span_metrics", "{histogram: {exponential: {max_size: 160}}}"),
    Kind::counting("span_metrics", "{aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA}"),
    Kind::counting("service_graph", "{dimensions: [http.route]}"),
    Kind::counting("aggregation", "{max_series: 100}"),
    Kind::judging("baseline", "{window: 10s, checkpoints: 2, emit: {metrics: ['*']}}"),
    Kind::judging(
        "anomaly",
        "{window: 10s, detectors: [seasonal, novelty, pattern, zscore, iqr, relation, forest], \
         relations: [[s, t]]}",
    ),
    Kind::judging(
        "forecast",
        "{window: 10s, emit: {metrics: ['*']}, thresholds: [{metric: m, statistic: mean, above: 80}], \
         capacity: [{name: c, metric: m, statistic: mean, capacity: 100}]}",
    ),
    Kind { counts_spans: true, ..Kind::judging("bottleneck", "{}") },
    Kind {
        counts_spans: true,
        is_sealed: false,
        ..Kind::judging(
            "sla",
            "{slos: [{name: a, service: '*', target: 0.9, min_events: 1, sli: {type: success_rate}}, \
             {name: b, service: '*', min_events: 1, sli: {type: latency, targets: {p99: 1ms}}}, \
             {name: c, service: '*', target: 0.9, min_events: 1, sli: {type: throughput, min: 1/s}}, \
             {name: d, service: '*', target: 0.9, min_events: 1, sli: {type: workflow, within: 1s}}, \
             {name: e, service: s, target: 0.9, min_events: 1, sli: {type: metric, lt: 50, metric: {name: m}}}]}",
        )
    },
    Kind::judging(
        "alerting",
        "{rules: [{name: above, metric: m, stat: mean, when: {op: gt, value: 50}}, \
         {name: odd, metric: m, stat: mean, when: {op: anomaly}, window: 10s}, \
         {name: soon, metric: m, stat: mean, when: {op: predict_gt, value: 90, within: 30m, over: 10m}}]}",
    ),
    Kind::judging("correlation", "{}"),
];

/// Those that hand over more than counts: requests, spans, and what was seen in them.
const TELLING: [Kind; 4] = [
    Kind::judging("cumulativetodelta", "{initial_value: keep}"),
    Kind::judging("cumulativetodelta", "{snapshot_interval: 60s}"),
    Kind::judging("deltatocumulative", "{}"),
    Kind::judging(
        "tail_sampling",
        "{decision_wait: 1s, policies: [{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}, \
         {name: slow, type: latency, latency: {threshold_ms: 5}}]}",
    ),
];

static STAGES: LazyLock<Vec<Arc<dyn ConfiguredProcessor>>> = LazyLock::new(|| {
    let table: Vec<_> = processors::connectors().into_iter().chain(processors::processors()).collect();
    let kinds = KINDS.iter().chain(&TELLING);
    kinds.map(|kind| configured(&table, kind.name, kind.settings)).collect()
});

/// Chooses a stage that hands over more than counts.
pub fn telling(choice: usize) -> usize {
    KINDS.len() + choice % TELLING.len()
}

/// Returns the stages that answer questions, with each topic that they have.
pub fn answering() -> Vec<(usize, &'static str)> {
    let stages = STAGES.iter().take(KINDS.len()).enumerate();
    stages
        .flat_map(|(stage, configured)| configured.topics().iter().map(move |topic| (stage, *topic)))
        .collect()
}

/// Makes a `filter` or a `transform` of one condition or statement; none when it is refused.
pub fn of_ottl(kind: &str, signal: Signal, text: &str) -> Option<Arc<dyn ConfiguredProcessor>> {
    let table = processors::processors();
    let row = table.iter().find(|row| row.kind == kind)?;
    let list = match (kind, signal) {
        ("filter", Signal::Traces) => "trace_conditions",
        ("filter", Signal::Metrics) => "metric_conditions",
        ("filter", Signal::Logs) => "log_conditions",
        (_, Signal::Traces) => "trace_statements",
        (_, Signal::Metrics) => "metric_statements",
        (_, Signal::Logs) => "log_statements",
    };
    let settings = serde_json::json!({ list: [text], "error_mode": "silent" }).to_string();
    let node = config::parse(&config::Source::new("settings", &settings)).ok()?;
    (row.parse)(&node, kind, &mut config::Problems::default())
}

/// Sends a request through the ingest half of a stage. Panics unless what leaves is sound and no more than came.
pub fn passes(stage: &dyn ConfiguredProcessor, signal: Signal, request: &Bytes, items: u64) {
    let telemetry = Telemetry::default();
    let mut half = stage.ingest(&build_cx(&telemetry));
    let (mut keys, mut bench) = (KeySet::default(), Workbench::default());
    half.want(&mut keys);
    half.wanted(&keys);
    let payload = match signal {
        Signal::Traces => {
            let mut traces = Traces { bytes: request.clone(), table: Box::default() };
            wire::scan_traces(request, &wire::Matcher::new(&keys), &mut traces.table)
                .expect("the request is sound");
            Payload::Traces(traces)
        }
        Signal::Metrics => Payload::Metrics(request.clone()),
        Signal::Logs => Payload::Logs(request.clone()),
    };
    half.process(Batch { payload, items, ack: Ack::none() }, &mut Cx::new(NOW, &mut bench));
    for batch in bench.out {
        let bytes = batch.payload.bytes().expect("it is OTLP");
        let left = wire::check(signal, bytes).expect("what is passed on is sound");
        assert!(left <= items, "{left} of {items} are left");
    }
}

/// Tells the ingest half of a stage what its analysis half is said to have found, and lets it work on.
pub fn hears_verdicts(choice: usize, told: Bytes) {
    let telemetry = Telemetry::default();
    let mut half = STAGES[choice % STAGES.len()].ingest(&build_cx(&telemetry));
    let (keys, mut bench) = (KeySet::default(), Workbench::default());
    half.wanted(&keys);
    for at in [NOW, NOW + Duration::from_secs(120)] {
        let batch = Batch { payload: Payload::Verdicts(told.clone()), items: 0, ack: Ack::none() };
        half.process(batch, &mut Cx::new(at, &mut bench));
        half.tick(&mut Cx::new(at, &mut bench));
    }
}

fn configured(table: &[ProcessorEntry], kind: &str, settings: &str) -> Arc<dyn ConfiguredProcessor> {
    let row = table.iter().find(|row| row.kind == kind).expect("the stage is in its table");
    let node = config::parse(&config::Source::new("settings", settings)).expect("the settings are YAML");
    let mut problems = config::Problems::default();
    let stage = (row.parse)(&node, kind, &mut problems);
    stage.unwrap_or_else(|| panic!("{}", config::render(&problems.sorted())))
}

/// Takes the first byte as a choice of stage.
pub fn chosen(data: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((usize::from(*first) % KINDS.len(), rest))
}

/// The same among those that make partials of spans.
pub fn chosen_of_counting(data: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = data.split_first()?;
    let counting = counting();
    Some((counting[usize::from(*first) % counting.len()], rest))
}

/// Returns the stages that make partials of spans.
pub fn counting() -> Vec<usize> {
    (0..KINDS.len()).filter(|&stage| KINDS[stage].counts_spans).collect()
}

/// Returns the stages that judge windows, in the order of a pipeline.
pub fn judging() -> std::ops::Range<usize> {
    5..KINDS.len()
}

/// Puts a hash in front of a state where the stage expects one.
pub fn sealed(stage: usize, state: &[u8]) -> Vec<u8> {
    if !KINDS[stage].is_sealed {
        return state.to_vec();
    }
    [&rapidhash::v3::rapidhash_v3(state).to_le_bytes()[..], state].concat()
}

/// The state of a snapshot, without its hash.
pub fn unsealed(stage: usize, bytes: &[u8]) -> &[u8] {
    if KINDS[stage].is_sealed { bytes.get(8..).unwrap_or_default() } else { bytes }
}

/// Whether a snapshot that is not as it was stored is always found.
pub fn is_sealed(stage: usize) -> bool {
    KINDS[stage].is_sealed
}

/// A window of a service that ends so long before the seeds' time: its rate, failures, latency and a gauge. Others
/// than the `usual` ones are far from them.
pub fn window(before_now: Duration, is_usual: bool) -> Rollups {
    let mut table = Rollups { start: NOW - before_now - WIDTH, width: WIDTH, ..Rollups::default() };
    let factor = if is_usual { 1.0 } else { 20.0 };
    let wave = 1.0 + 0.05 * (before_now.as_secs() % 70) as f64 / 70.0;
    let rows = [
        ("span.duration", Statistic::Rate, 5.0),
        ("span.duration", Statistic::ErrorRatio, 0.01),
        ("span.duration", Statistic::P95, 12.0),
        ("m", Statistic::Rate, 7.0),
        ("m", Statistic::Mean, 4.0),
    ];
    for (slot, (metric, statistic, value)) in rows.into_iter().enumerate() {
        let series = Series {
            resource: Arc::from(&RESOURCE[..]),
            metric: metric.into(),
            unit: "ms".into(),
            attributes: Arc::default(),
            statistic,
            service: "s".into(),
            fingerprint: slot as u64 + 1,
        };
        table.push(Arc::new(series), slot as u32, value * wave * factor, 200);
    }
    table
}

/// `service.name` = `s`, as an attribute of a `Resource` message.
const RESOURCE: [u8; 21] = *b"\x0a\x13\x0a\x0cservice.name\x12\x03\x0a\x01s";

/// Runs windows through the stages that judge, each of which gets what those before it tell. Returns their snapshots:
/// of a time when all is usual, and of the end of one that is not.
pub fn judged(requests: &[Bytes]) -> Vec<(usize, Snapshot)> {
    let mut halves: Vec<(usize, Half)> = judging().map(|stage| (stage, Half::new(stage))).collect();
    let mut found = Vec::new();
    for number in (0..100).rev() {
        let before_now = number * WIDTH;
        let mut heard = vec![Payload::Rollups(Box::new(window(before_now, number > 8)))];
        for (stage, half) in &mut halves {
            half.now = NOW - before_now;
            if number < 3 && KINDS[*stage].counts_spans {
                requests.iter().for_each(|request| half.merge(&partial_of(*stage, request)));
            }
            if STAGES[*stage].consumes().contains(Signal::Logs) {
                let logs = heard.iter().filter(|told| matches!(told, Payload::Logs(_)));
                logs.filter_map(|told| ingested(*stage, told.clone()))
                    .for_each(|partial| half.merge(&partial));
            }
            heard = half.hear(heard);
            heard.extend(half.beat());
        }
        if number == 20 || number == 0 {
            found.extend(halves.iter().map(|(stage, half)| (*stage, half.snapshot())));
        }
    }
    found
}

/// Returns what the ingest half of a stage tells of a trace request.
pub fn partial_of(stage: usize, request: &Bytes) -> Bytes {
    let traces = Payload::Traces(Traces { bytes: request.clone(), table: Box::default() });
    ingested(stage, traces).expect("spans make a partial")
}

/// Returns what the ingest half of a stage tells of a payload, if anything.
fn ingested(stage: usize, mut payload: Payload) -> Option<Bytes> {
    let telemetry = Telemetry::default();
    let mut half = STAGES[stage].ingest(&build_cx(&telemetry));
    let (mut keys, mut bench) = (KeySet::default(), Workbench::default());
    half.want(&mut keys);
    let mut items = 1;
    if let Payload::Traces(Traces { bytes, table }) = &mut payload {
        wire::scan_traces(bytes, &wire::Matcher::new(&keys), table).expect("the request is sound");
        items = table.spans.len() as u64;
    }
    half.process(Batch { payload, items, ack: Ack::none() }, &mut Cx::new(NOW, &mut bench));
    half.drain(&mut Cx::new(NOW, &mut bench));
    let partial = bench.out.iter().find(|batch| matches!(batch.payload, Payload::Partial(_)))?;
    partial.payload.bytes().cloned()
}

/// The analysis half of a stage.
pub struct Half {
    processor: Box<dyn Processor>,
    bench: Workbench,
    now: Timestamp,
}

impl Half {
    pub fn new(stage: usize) -> Self {
        let telemetry = Telemetry::default();
        let processor =
            STAGES[stage].analysis(&build_cx(&telemetry)).expect("the stage has an analysis half");
        Self { processor, bench: Workbench::default(), now: NOW }
    }

    pub fn merge(&mut self, partial: &Bytes) {
        let payload = Payload::Partial(Partial { bytes: partial.clone(), at: self.now });
        self.take(payload);
        self.sound();
    }

    /// Takes what stages before it tell, and returns what it tells those after it.
    pub fn hear(&mut self, told: Vec<Payload>) -> Vec<Payload> {
        told.into_iter().for_each(|payload| self.take(payload));
        self.sound()
    }

    /// Moves the time past every interval and wait.
    pub fn tick(&mut self) {
        self.now = self.now + Duration::from_secs(120);
        self.beat();
    }

    pub fn drain(&mut self) {
        self.processor.drain(&mut Cx::new(self.now, &mut self.bench));
        self.sound();
    }

    fn take(&mut self, payload: Payload) {
        let batch = Batch { payload, items: 1, ack: Ack::none() };
        self.processor.process(batch, &mut Cx::new(self.now, &mut self.bench));
    }

    fn beat(&mut self) -> Vec<Payload> {
        self.processor.tick(&mut Cx::new(self.now, &mut self.bench));
        self.sound()
    }

    pub fn snapshot(&self) -> Snapshot {
        self.processor.snapshot().expect("an analysis half has a snapshot")
    }

    /// Returns what survives a restart, if anything does.
    pub fn state(&self) -> Option<Snapshot> {
        self.processor.snapshot()
    }

    /// # Errors
    /// When the bytes are no archive of this stage.
    pub fn restore_archive(&mut self, archive: Snapshot) -> Result<(), RestoreError> {
        self.processor.restore_archive(archive)
    }

    pub fn ask(&mut self, question: &Question) -> Answer {
        let answer = self.processor.answer(question, &mut Cx::new(self.now, &mut self.bench));
        self.sound();
        answer
    }

    /// # Errors
    /// When the bytes are no snapshot of this stage.
    pub fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        self.processor.restore(snapshot)
    }

    /// Panics unless everything that came out is sound. Returns what is for other stages.
    fn sound(&mut self) -> Vec<Payload> {
        let mut told = Vec::new();
        for batch in self.bench.out.drain(..) {
            match &batch.payload {
                Payload::Metrics(bytes) => {
                    assert_eq!(
                        wire::check(Signal::Metrics, bytes),
                        Ok(batch.items),
                        "what is emitted is sound"
                    );
                }
                Payload::Logs(bytes) => {
                    wire::check(Signal::Logs, bytes).expect("what is emitted is sound");
                    told.push(batch.payload);
                }
                Payload::Verdicts(_) | Payload::Partial(_) => {}
                _ => told.push(batch.payload),
            }
        }
        told
    }
}

fn build_cx(telemetry: &Telemetry) -> BuildCx<'_> {
    BuildCx {
        id: "stage",
        telemetry,
        instance_id: "fuzz",
        started_at: Timestamp::from_secs(1_759_999_000),
        is_watched: false,
    }
}
