//! Runs groups of statements.

use component::{BuildCx, Checks, Counter, Cx, Processor, ProcessorDef};
use model::{Batch, KeySet, Outcome, Payload, Signal, SignalSet};

use super::TransformConfig;
use crate::ottl::{Group, Replacing};

/// Changes what statements say.
pub struct Transform;

impl ProcessorDef for Transform {
    const KIND: &'static str = "transform";
    type Config = TransformConfig;

    fn consumes(config: &TransformConfig) -> SignalSet {
        let concerned = Signal::ALL.into_iter().filter(|signal| config.concerns(*signal));
        concerned.fold(SignalSet::NONE, |all, signal| all.union(SignalSet::of(signal)))
    }

    fn supports(_: &TransformConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn emits(config: &TransformConfig) -> SignalSet {
        Self::consumes(config)
    }

    fn ingest(config: &TransformConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        // What is wrong with them was told when they were validated.
        let mut told = Checks::default();
        let counter = |name: &str, description, unit| {
            cx.telemetry.counter(&format!("otelcol_processor_transform_{name}"), description, unit)
        };
        Box::new(Changer {
            traces: config.groups(Signal::Traces, &mut told),
            metrics: config.groups(Signal::Metrics, &mut told),
            logs: config.groups(Signal::Logs, &mut told),
            replacing: Replacing::new(),
            failures: counter(
                "statement_failures",
                "Statements and conditions that could not be applied to a resource, scope, span, event, metric, \
                 point or record",
                "{failure}",
            ),
            unsound: counter(
                "unsound_requests",
                "Requests that were dropped, because what the statements made of them nests too deep",
                "{request}",
            ),
        })
    }
}

/// Why items are dropped.
const FAILED: &str = "statement_failed";
const UNSOUND: &str = "nests_too_deep";

struct Changer {
    traces: Vec<Group>,
    metrics: Vec<Group>,
    logs: Vec<Group>,
    replacing: Replacing,
    failures: Counter,
    unsound: Counter,
}

impl Processor for Changer {
    fn wanted(&mut self, keys: &KeySet) {
        self.replacing.wanted(keys);
    }

    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        let (groups, bytes) = match &batch.payload {
            Payload::Traces(traces) => (&mut self.traces, &traces.bytes),
            Payload::Metrics(bytes) => (&mut self.metrics, bytes),
            Payload::Logs(bytes) => (&mut self.logs, bytes),
            Payload::Partial(_)
            | Payload::Rollups(_)
            | Payload::Conditions(_)
            | Payload::Incidents(_)
            | Payload::Verdicts(_) => return cx.pass(batch),
        };
        let mut changed: Option<Vec<u8>> = None;
        let (mut failures, mut is_over) = (0, false);
        for group in groups {
            let request = changed.as_deref().unwrap_or(bytes);
            if let Some(new) = group.run(request) {
                changed = Some(new);
            }
            let found = std::mem::take(&mut group.failures);
            failures += found.count;
            is_over |= found.ends_request;
            if is_over {
                break;
            }
        }
        if failures > 0 {
            self.failures.add(failures);
        }
        if is_over {
            let message = "a statement of a transform could not be applied, and its error_mode is propagate";
            batch.ack.report(Outcome::Permanent(message.to_owned()));
            cx.reject(batch.items, FAILED);
            return cx.absorb(batch);
        }
        if let Some(changed) = changed
            && !self.replacing.put(&mut batch.payload, changed.into())
        {
            // As it was it may hold what statements should have removed.
            self.unsound.add(1);
            let message = "what the statements of a transform made of the request nests too deep";
            batch.ack.report(Outcome::Permanent(message.to_owned()));
            cx.reject(batch.items, UNSOUND);
            return cx.absorb(batch);
        }
        cx.pass(batch);
    }
}
