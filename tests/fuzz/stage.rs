//! Stages as the engine runs them: an analysis half is given partials and snapshots of foreign bytes.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use component::{
    BuildCx, ConfiguredProcessor, Cx, Processor, ProcessorEntry, RestoreError, Snapshot, Telemetry, Workbench,
};
use model::{Ack, Batch, KeySet, Partial, Payload, Signal, SpanTable, Timestamp, Traces};

/// When the spans of the seeds end, rounded up to every interval.
pub const NOW: Timestamp = Timestamp::from_secs(1_760_000_040);

/// The kinds of stages with an analysis half, with settings that reach every form of their messages.
const SETTINGS: [(&str, &str); 5] = [
    (
        "span_metrics",
        "{exemplars: {enabled: true}, events: {enabled: true, dimensions: [{name: exception.type}]}}",
    ),
    ("span_metrics", "{histogram: {exponential: {max_size: 160}}}"),
    ("span_metrics", "{aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA}"),
    ("service_graph", "{dimensions: [http.route]}"),
    ("aggregation", "{max_series: 100}"),
];

static STAGES: LazyLock<Vec<Arc<dyn ConfiguredProcessor>>> = LazyLock::new(|| {
    let table: Vec<_> = processors::connectors().into_iter().chain(processors::processors()).collect();
    SETTINGS.iter().map(|(kind, settings)| configured(&table, kind, settings)).collect()
});

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
    Some((usize::from(*first) % SETTINGS.len(), rest))
}

/// How many stages there are to choose from.
pub const fn n_stages() -> usize {
    SETTINGS.len()
}

/// Returns what the ingest half of a stage tells of a trace request.
pub fn partial_of(stage: usize, request: &Bytes) -> Bytes {
    let telemetry = Telemetry::default();
    let mut half = STAGES[stage].ingest(&build_cx(&telemetry));
    let (mut keys, mut bench) = (KeySet::default(), Workbench::default());
    half.want(&mut keys);
    let mut table = Box::new(SpanTable::default());
    wire::scan_traces(request, &wire::Matcher::new(&keys), &mut table).expect("the request is sound");
    let items = table.spans.len() as u64;
    let payload = Payload::Traces(Traces { bytes: request.clone(), table });
    half.process(Batch { payload, items, ack: Ack::none() }, &mut Cx::new(NOW, &mut bench));
    half.drain(&mut Cx::new(NOW, &mut bench));
    let partial = bench.out.iter().find(|batch| matches!(batch.payload, Payload::Partial(_)));
    partial.expect("spans make a partial").payload.bytes().expect("what is emitted here has bytes").clone()
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
        let batch = Batch { payload, items: 1, ack: Ack::none() };
        self.processor.process(batch, &mut Cx::new(self.now, &mut self.bench));
        self.assert_sound();
    }

    /// Moves the time past every interval and wait.
    pub fn tick(&mut self) {
        self.now = self.now + std::time::Duration::from_secs(120);
        self.processor.tick(&mut Cx::new(self.now, &mut self.bench));
        self.assert_sound();
    }

    pub fn drain(&mut self) {
        self.processor.drain(&mut Cx::new(self.now, &mut self.bench));
        self.assert_sound();
    }

    pub fn snapshot(&self) -> Snapshot {
        self.processor.snapshot().expect("an analysis half has a snapshot")
    }

    /// # Errors
    /// When the bytes are no snapshot of this stage.
    pub fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        self.processor.restore(snapshot)
    }

    /// Panics unless everything that came out is sound and holds as many points as it says.
    fn assert_sound(&mut self) {
        for batch in self.bench.out.drain(..) {
            let Payload::Metrics(bytes) = &batch.payload else { continue };
            assert_eq!(wire::check(Signal::Metrics, bytes), Ok(batch.items), "what is emitted is sound");
        }
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
