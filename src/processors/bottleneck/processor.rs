//! The processor's row in the table of its layer, and the half that assembles traces.

use std::sync::Arc;

use bytes::Bytes;
use component::{BuildCx, Counter, Cx, Gauge, Processor, ProcessorDef};
use model::{Batch, Columns, Partial, Payload, Rollups, SignalSet, Timestamp};
use prost::Message;

use super::{
    BottleneckConfig,
    assembly::{Assembly, Losses},
    calls::{Overflow, Windows},
    ingest::IngestHalf,
    partial::{BottleneckPartial, BottleneckVerdicts, VERSION},
    sampling::{Sampler, hash_of},
    span::{Interner, Span},
    trace::Trace,
};

/// Tells what holds requests up.
pub struct Bottleneck;

impl ProcessorDef for Bottleneck {
    const KIND: &'static str = "bottleneck";
    const READS: Columns = Columns::VALUES;
    const ADDS: Columns = Columns::CALLS;
    type Config = BottleneckConfig;

    fn consumes(_: &BottleneckConfig) -> SignalSet {
        SignalSet::TRACES
    }

    fn emits(config: &BottleneckConfig) -> SignalSet {
        let logs = if config.emit_logs { SignalSet::LOGS } else { SignalSet::NONE };
        SignalSet::TRACES.union(SignalSet::METRICS).union(logs)
    }

    fn ingest(config: &BottleneckConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(IngestHalf::new(config, cx))
    }

    fn analysis(config: &BottleneckConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(AnalysisHalf::new(config, cx)))
    }
}

/// Assembles traces.
struct AnalysisHalf {
    sampler: Sampler,
    interner: Interner,
    /// Spans of the present tick.
    came: Vec<(u128, Span)>,
    assembly: Assembly,
    windows: Windows,
    meters: Meters,
}

/// So many spans are taken before the tick ends, to bound what is held.
const SPANS_PER_TICK: usize = 65_536;

struct Meters {
    assembled: Counter,
    partial: Counter,
    late: Counter,
    waiting: Gauge,
}

impl AnalysisHalf {
    fn new(config: &BottleneckConfig, cx: &BuildCx<'_>) -> Self {
        let trace = &config.trace;
        Self {
            sampler: Sampler::new(trace.max_spans_per_second, trace.max_wait.get(), cx.started_at),
            interner: Interner::default(),
            came: Vec::new(),
            assembly: Assembly::new(trace),
            windows: Windows::new(config.window.get(), config.max_edges as usize, config.max_steps as usize),
            meters: Meters::new(cx),
        }
    }

    fn merge(&mut self, partial: &Partial, cx: &mut Cx<'_>) {
        let Ok(message) = BottleneckPartial::decode(&partial.bytes[..]) else {
            return cx.reject(1, "damaged_partial");
        };
        if message.version != VERSION {
            return cx.reject(message.spans.len() as u64, "foreign_partial");
        }
        self.sampler.hear(message.threshold, message.seen);
        self.came.extend(self.interner.spans(&message));
        if self.came.len() >= SPANS_PER_TICK {
            self.gather(cx);
        }
    }

    /// Puts what has come to its traces.
    fn gather(&mut self, cx: &mut Cx<'_>) {
        let mut came = std::mem::take(&mut self.came);
        came.retain(|(trace, _)| self.sampler.admits(hash_of(&trace.to_be_bytes())));
        let losses = self.assembly.take(came, cx.now());
        self.windows.miss(losses.given_up, cx.now());
        self.meters.late.add(losses.late);
        for (items, reason) in losses.reasons() {
            if items > 0 {
                cx.reject(items, reason);
            }
        }
    }

    fn tell_shards(&mut self, cx: &mut Cx<'_>) {
        if let Some(threshold) = self.sampler.tick(cx.now()) {
            let verdicts = BottleneckVerdicts { version: VERSION, threshold };
            cx.emit(Payload::Verdicts(Bytes::from(verdicts.encode_to_vec())), 0);
        }
        let sampler = &self.sampler;
        // What is no longer sampled is as if it had never been.
        self.assembly.give_up(|trace| sampler.admits(hash_of(&trace.to_be_bytes())));
    }

    fn assemble(&mut self, cx: &mut Cx<'_>) {
        let mut overflow = Overflow::default();
        for gathered in self.assembly.complete(cx.now()) {
            let Some(trace) = Trace::new(gathered) else { continue };
            self.meters.assembled.add(1);
            self.meters.partial.add(u64::from(!trace.is_whole));
            let own = trace.own_times();
            overflow = overflow.plus(self.windows.add(&trace, &own, cx.now()));
        }
        for (items, reason) in overflow.reasons() {
            if items > 0 {
                cx.reject(items, reason);
            }
        }
    }

    fn add_calls(&mut self, rollups: &mut Rollups, cx: &mut Cx<'_>) {
        let Some((calls, unasked)) = self.windows.close(rollups.start, self.sampler.share()) else { return };
        if unasked > 0 {
            cx.reject(unasked, "traces_without_window");
        }
        rollups.calls = Some(Arc::new(calls));
    }

    fn work(&mut self, cx: &mut Cx<'_>) {
        self.gather(cx);
        self.tell_shards(cx);
        self.assemble(cx);
        self.interner.sweep();
        self.meters.waiting.set(self.assembly.n_spans() as u64);
    }
}

impl Processor for AnalysisHalf {
    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        match &mut batch.payload {
            Payload::Partial(partial) => {
                self.merge(partial, cx);
                return;
            }
            Payload::Rollups(rollups) if rollups.width == self.windows.width() => {
                self.add_calls(rollups, cx);
            }
            _ => {}
        }
        cx.pass(batch);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.work(cx);
    }

    fn closes_at(&self, _: Timestamp) -> bool {
        false
    }
}

impl Losses {
    const fn reasons(self) -> [(u64, &'static str); 3] {
        [
            (self.late, "trace_was_assembled"),
            (self.over_trace, "spans_of_trace_limit"),
            (self.over_room, "waiting_traces_limit"),
        ]
    }
}

impl Overflow {
    const fn plus(self, other: Self) -> Self {
        Self {
            edges: self.edges + other.edges,
            steps: self.steps + other.steps,
            unasked: self.unasked + other.unasked,
        }
    }

    const fn reasons(self) -> [(u64, &'static str); 3] {
        [(self.edges, "edges_limit"), (self.steps, "steps_limit"), (self.unasked, "traces_without_window")]
    }
}

impl Meters {
    fn new(cx: &BuildCx<'_>) -> Self {
        let name = |name: &str| format!("otelcol_processor_bottleneck_{name}");
        let counter = |it: &str, description, unit| cx.telemetry.counter(&name(it), description, unit);
        Self {
            assembled: counter("assembled_traces", "Traces that were assembled", "{trace}"),
            partial: counter("partial_traces", "Assembled traces of which something is missing", "{trace}"),
            late: counter("late_spans", "Spans that came after their trace was assembled", "{span}"),
            waiting: cx.telemetry.gauge(
                &name("waiting_spans"),
                "Spans that wait for the rest of their trace",
                "{span}",
            ),
        }
    }
}
