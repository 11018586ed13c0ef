//! Runs the two halves of one processor under a virtual clock.

use http::{HeaderMap, HeaderName};
use model::{Ack, Batch, KeySet, Payload, Rollups, SignalSet, Timestamp};

use crate::{BuildCx, Cx, Metadata, Processor, ProcessorDef, Shown, Telemetry, Workbench};

/// One processor with as many ingest halves as a test wants shards.
///
/// The harness does what the engine does: it offers wanted keys, hands partials to the analysis half
/// in the order of the shards, and ticks the analysis half last.
pub struct Harness {
    shards: Vec<Box<dyn Processor>>,
    analysis: Option<Box<dyn Processor>>,
    /// The span attributes that the processor reads; scan with these.
    pub keys: KeySet,
    pub telemetry: Telemetry,
    pub now: Timestamp,
    /// Holds what was dropped, with reasons, since the start.
    pub bench: Workbench,
    consumes: SignalSet,
}

impl Harness {
    pub fn new<D: ProcessorDef>(config: &D::Config, shards: usize, now: Timestamp) -> Self {
        let telemetry = Telemetry::default();
        let cx = BuildCx {
            id: D::KIND,
            telemetry: &telemetry,
            instance_id: "test",
            started_at: now,
            is_watched: true,
        };
        let mut shards: Vec<_> = (0..shards).map(|_| D::ingest(config, &cx)).collect();
        let mut keys = KeySet::default();
        for shard in &mut shards {
            shard.want(&mut keys);
        }
        shards.iter_mut().for_each(|shard| shard.wanted(&keys));
        let analysis = D::analysis(config, &cx);
        let consumes = D::consumes(config);
        Self { shards, analysis, keys, telemetry, now, bench: Workbench::default(), consumes }
    }

    /// Lets the requests that follow come with these headers, of which the processor gets what it reads.
    pub fn come_with<D: ProcessorDef>(&mut self, config: &D::Config, headers: &[(&str, &str)], shown: Shown) {
        let mut head = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("the test has the name of a header");
            head.append(name, value.parse().expect("the test has the value of a header"));
        }
        self.bench.metadata = Metadata::new(D::metadata(config).into(), &head, shown);
    }

    /// Gives a payload to one shard and returns what came out, partials aside.
    pub fn push(&mut self, shard: usize, payload: Payload, items: u64) -> Vec<Payload> {
        if let Some(signal) = payload.signal()
            && !self.consumes.contains(signal)
        {
            return vec![payload];
        }
        let batch = Batch { payload, items, ack: Ack::none() };
        let half = self.shards.get_mut(shard).expect("the test has this shard");
        half.process(batch, &mut Cx::new(self.now, &mut self.bench));
        self.hop()
    }

    /// Gives a closed window to the analysis half and returns what came out. Verdicts go to every shard.
    pub fn judge(&mut self, rollups: Rollups) -> Vec<Payload> {
        let items = rollups.len() as u64;
        self.hear(Payload::Rollups(Box::new(rollups)), items)
    }

    /// Gives the analysis half what a stage before it tells, and returns what came out. Verdicts go to every shard.
    pub fn hear(&mut self, payload: Payload, items: u64) -> Vec<Payload> {
        let batch = Batch { payload, items, ack: Ack::none() };
        let half = self.analysis.as_mut().expect("the processor has an analysis half");
        half.process(batch, &mut Cx::new(self.now, &mut self.bench));
        let mut emitted = Vec::new();
        for batch in std::mem::take(&mut self.bench.out) {
            if !matches!(batch.payload, Payload::Verdicts(_)) {
                emitted.push(batch.payload);
                continue;
            }
            for half in &mut self.shards {
                half.process(batch.clone(), &mut Cx::new(self.now, &mut self.bench));
            }
        }
        emitted
    }

    /// Moves the time and ticks every half.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Payload> {
        self.each(now, |half, cx| half.tick(cx))
    }

    /// Ends the processor's life and returns what was still open.
    pub fn drain(&mut self) -> Vec<Payload> {
        self.each(self.now, |half, cx| half.drain(cx))
    }

    /// The half that owns the state.
    pub fn analysis(&mut self) -> &mut dyn Processor {
        self.analysis.as_deref_mut().expect("the processor has an analysis half")
    }

    fn each(&mut self, now: Timestamp, act: fn(&mut dyn Processor, &mut Cx<'_>)) -> Vec<Payload> {
        self.now = now;
        for half in &mut self.shards {
            act(half.as_mut(), &mut Cx::new(now, &mut self.bench));
        }
        let mut emitted = self.hop();
        if let Some(half) = &mut self.analysis {
            act(half.as_mut(), &mut Cx::new(now, &mut self.bench));
            emitted.extend(self.bench.out.drain(..).map(|batch| batch.payload));
        }
        emitted
    }

    fn hop(&mut self) -> Vec<Payload> {
        let mut emitted = Vec::new();
        for batch in std::mem::take(&mut self.bench.out) {
            match (&batch.payload, &mut self.analysis) {
                (Payload::Partial(_), Some(half)) => {
                    half.process(batch, &mut Cx::new(self.now, &mut self.bench));
                    emitted.extend(self.bench.out.drain(..).map(|batch| batch.payload));
                }
                _ => emitted.push(batch.payload),
            }
        }
        emitted
    }
}
