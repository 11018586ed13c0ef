//! Judges and cuts.

use bytes::Bytes;
use component::{BuildCx, Checks, Counter, Cx, Processor, ProcessorDef};
use model::{Batch, KeySet, Outcome, Payload, Signal, SignalSet, SpanTable, Traces};
use wire::{Matcher, edit::keep_spans};

use super::FilterConfig;
use crate::ottl::Sieve;

/// Drops what conditions hold for.
pub struct Filter;

impl ProcessorDef for Filter {
    const KIND: &'static str = "filter";
    type Config = FilterConfig;

    fn consumes(config: &FilterConfig) -> SignalSet {
        let concerned = Signal::ALL.into_iter().filter(|signal| config.concerns(*signal));
        concerned.fold(SignalSet::NONE, |all, signal| all.union(SignalSet::of(signal)))
    }

    fn supports(_: &FilterConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn emits(config: &FilterConfig) -> SignalSet {
        Self::consumes(config)
    }

    fn ingest(config: &FilterConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        // What is wrong with them was told when they were validated.
        let mut told = Checks::default();
        let telemetry = cx.telemetry.with("filter", cx.id);
        let counter = |name: &str, description, unit| {
            telemetry.counter(&format!("otelcol_processor_filter_{name}"), description, unit)
        };
        Box::new(Dropper {
            traces: config.sieves(Signal::Traces, &mut told),
            metrics: config.sieves(Signal::Metrics, &mut told),
            logs: config.sieves(Signal::Logs, &mut told),
            matcher: None,
            spare: Box::default(),
            spans_filtered: counter("spans_filtered", "Spans dropped by a condition", "{span}"),
            points_filtered: counter(
                "datapoints_filtered",
                "Data points dropped by a condition",
                "{datapoint}",
            ),
            records_filtered: counter("logs_filtered", "Log records dropped by a condition", "{record}"),
            failures: counter(
                "condition_failures",
                "Conditions that could not be judged of a resource, scope, span, event, metric, point or record",
                "{failure}",
            ),
        })
    }
}

/// Why items are dropped.
const FILTERED: &str = "filtered";
const FAILED: &str = "condition_failed";

struct Dropper {
    traces: Vec<Sieve>,
    metrics: Vec<Sieve>,
    logs: Vec<Sieve>,
    /// Finds again what stages read of spans, in a request that was written anew.
    matcher: Option<Matcher>,
    spare: Box<SpanTable>,
    spans_filtered: Counter,
    points_filtered: Counter,
    records_filtered: Counter,
    failures: Counter,
}

impl Processor for Dropper {
    fn want(&mut self, keys: &mut KeySet) {
        self.traces.iter_mut().for_each(|sieve| sieve.want(keys));
    }

    fn wanted(&mut self, keys: &KeySet) {
        if self.traces.iter().any(|sieve| !sieve.is_of_spans()) {
            self.matcher = Some(Matcher::new(keys));
        }
    }

    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        let (sieves, filtered) = match &mut batch.payload {
            Payload::Traces(traces) => {
                for sieve in &mut self.traces {
                    sift_traces(sieve, traces, self.matcher.as_ref(), &mut self.spare);
                }
                (&mut self.traces, &self.spans_filtered)
            }
            Payload::Metrics(bytes) => {
                for sieve in &mut self.metrics {
                    if let Some(cut) = sieve.cut(bytes) {
                        *bytes = cut.into();
                    }
                }
                (&mut self.metrics, &self.points_filtered)
            }
            Payload::Logs(bytes) => {
                for sieve in &mut self.logs {
                    if let Some(cut) = sieve.cut(bytes) {
                        *bytes = cut.into();
                    }
                }
                (&mut self.logs, &self.records_filtered)
            }
            Payload::Partial(_)
            | Payload::Rollups(_)
            | Payload::Conditions(_)
            | Payload::Incidents(_)
            | Payload::Verdicts(_) => return cx.pass(batch),
        };
        let (mut dropped, mut failures, mut is_over) = (0, 0, false);
        for sieve in sieves {
            dropped += std::mem::take(&mut sieve.dropped);
            let found = std::mem::take(&mut sieve.failures);
            failures += found.count;
            is_over |= found.ends_request;
        }
        if failures > 0 {
            self.failures.add(failures);
        }
        if is_over {
            let message = "a condition of a filter could not be judged, and its error_mode is propagate";
            batch.ack.report(Outcome::Permanent(message.to_owned()));
            cx.reject(batch.items, FAILED);
            return cx.absorb(batch);
        }
        if dropped > 0 {
            filtered.add(dropped);
            cx.reject(dropped.min(batch.items), FILTERED);
            batch.items = batch.items.saturating_sub(dropped);
        }
        if batch.items == 0 && batch.payload.bytes().is_none_or(Bytes::is_empty) {
            return cx.absorb(batch);
        }
        cx.pass(batch);
    }
}

fn sift_traces(
    sieve: &mut Sieve,
    traces: &mut Traces,
    matcher: Option<&Matcher>,
    spare: &mut Box<SpanTable>,
) {
    if sieve.is_of_spans() {
        let kept = sieve.judge(&traces.bytes, &traces.table);
        let dropped = keep_spans(traces, kept);
        sieve.dropped += dropped as u64;
        return;
    }
    let (Some(cut), Some(matcher)) = (sieve.cut(&traces.bytes), matcher) else { return };
    let bytes = Bytes::from(cut);
    let n_spans = traces.table.spans.len() as u64;
    let scanned = wire::scan_own_traces(&bytes, matcher, spare);
    debug_assert!(scanned.is_ok(), "what is cut out of a sound request leaves one: {scanned:?}");
    if scanned.is_ok() {
        traces.bytes = bytes;
    } else {
        // What shall be dropped must not pass.
        sieve.dropped = n_spans;
        spare.clear();
        traces.bytes = Bytes::new();
    }
    std::mem::swap(&mut traces.table, spare);
}
