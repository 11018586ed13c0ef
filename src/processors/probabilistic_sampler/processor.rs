//! Drops what is not sampled.

use component::{BuildCx, Counter, Cx, Processor, ProcessorDef};
use model::{Batch, KeySet, Payload, SignalSet, Traces};
use wire::edit::Rewritten;

use super::{ProbabilisticSamplerConfig, decide::Mode, logs, spans};

/// Keeps a share of spans and log records.
pub struct ProbabilisticSampler;

impl ProcessorDef for ProbabilisticSampler {
    const KIND: &'static str = "probabilistic_sampler";
    type Config = ProbabilisticSamplerConfig;

    fn consumes(_: &ProbabilisticSamplerConfig) -> SignalSet {
        SignalSet::TRACES.union(SignalSet::LOGS)
    }

    fn emits(_: &ProbabilisticSamplerConfig) -> SignalSet {
        SignalSet::TRACES.union(SignalSet::LOGS)
    }

    fn ingest(config: &ProbabilisticSamplerConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(Sampler {
            mode: Mode::new(config),
            config: config.clone(),
            priority_slot: usize::MAX,
            of_spans: Tally::new("otelcol_processor_probabilistic_sampler_count_traces_sampled", config, cx),
            of_logs: Tally::new("otelcol_processor_probabilistic_sampler_count_logs_sampled", config, cx),
        })
    }
}

struct Sampler {
    mode: Mode,
    config: ProbabilisticSamplerConfig,
    /// Where the table of spans has the priority.
    priority_slot: usize,
    of_spans: Tally,
    of_logs: Tally,
}

impl Processor for Sampler {
    fn want(&mut self, keys: &mut KeySet) {
        self.priority_slot = keys.want(spans::PRIORITY).0;
    }

    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        let Self { mode, config, priority_slot, of_spans, of_logs } = self;
        let rewritten = match &batch.payload {
            Payload::Traces(traces) => {
                spans::sample(traces, *mode, config.fail_closed, *priority_slot, of_spans)
            }
            Payload::Logs(request) => logs::sample(request, *mode, config, of_logs),
            _ => None,
        };
        of_spans.tell();
        of_logs.tell();
        let Some(Rewritten { bytes, dropped }) = rewritten else { return cx.pass(batch) };
        cx.reject(dropped, "not_sampled");
        batch.items = batch.items.saturating_sub(dropped);
        if batch.items == 0 {
            return cx.absorb(batch);
        }
        batch.payload = match batch.payload {
            Payload::Traces(Traces { mut table, .. }) => {
                table.clear();
                Payload::Traces(Traces { bytes, table })
            }
            _ => Payload::Logs(bytes),
        };
        cx.pass(batch);
    }
}

/// What a decision went by, as the collector's metrics name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Policy {
    Missing,
    TraceIdHash,
    TraceId,
    SentRandomness,
    Priority,
    /// The attribute that is hashed.
    Attribute,
}

const POLICIES: [&str; 5] =
    ["missing_randomness", "trace_id_hash", "trace_id_w3c", "sampling_randomness", "sampling_priority"];

/// Counts decisions of one signal by policy; told once for each request.
pub(super) struct Tally {
    /// Dropped and kept.
    counts: [[u64; 2]; 6],
    counters: Vec<[Counter; 2]>,
}

impl Tally {
    fn new(name: &str, config: &ProbabilisticSamplerConfig, cx: &BuildCx<'_>) -> Self {
        let counter = |policy: &str, sampled: &str| {
            let telemetry = cx.telemetry.with("policy", policy).with("sampled", sampled);
            telemetry.counter(name, "Items that were decided on, by what the decision went by", "{item}")
        };
        let policies = POLICIES.into_iter().chain([config.from_attribute.as_str()]);
        let counters = policies.map(|policy| ["false", "true"].map(|sampled| counter(policy, sampled)));
        Self { counts: [[0; 2]; 6], counters: counters.collect() }
    }

    pub(super) fn count(&mut self, policy: Policy, is_kept: bool) {
        self.counts[policy as usize][usize::from(is_kept)] += 1;
    }

    fn tell(&mut self) {
        for (counters, counts) in self.counters.iter().zip(&mut self.counts) {
            for (counter, count) in counters.iter().zip(counts) {
                if *count > 0 {
                    counter.add(std::mem::take(count));
                }
            }
        }
    }
}
