//! Redacts requests.

use component::{BuildCx, Counter, Cx, Masks, Processor, ProcessorDef};
use model::{Batch, KeySet, Outcome, Payload, Signal, SignalSet};

use super::{RedactionConfig, redactor::Redactor};
use crate::ottl::{Everywhere, Replacing};

/// Removes and masks what nobody shall see.
pub struct Redaction;

impl ProcessorDef for Redaction {
    const KIND: &'static str = "redaction";
    type Config = RedactionConfig;

    fn consumes(_: &RedactionConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn emits(_: &RedactionConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn masks(config: &RedactionConfig) -> Masks {
        Masks { keys: config.blocked_key_patterns.clone(), values: config.blocked_values.clone() }
    }

    fn ingest(config: &RedactionConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        let redactor = Redactor::new(config);
        Box::new(Stage {
            traces: Everywhere::new(Signal::Traces, redactor.clone()),
            metrics: Everywhere::new(Signal::Metrics, redactor.clone()),
            logs: Everywhere::new(Signal::Logs, redactor),
            replacing: Replacing::new(),
            dropped: cx.telemetry.counter(
                "otelcol_processor_redaction_dropped_items",
                "Spans, events, points and records that went, as what they hold could not be masked",
                "{item}",
            ),
        })
    }
}

/// Why items are dropped.
const NOT_MASKED: &str = "not_masked";

struct Stage {
    traces: Everywhere<Redactor>,
    metrics: Everywhere<Redactor>,
    logs: Everywhere<Redactor>,
    replacing: Replacing,
    dropped: Counter,
}

impl Processor for Stage {
    fn wanted(&mut self, keys: &KeySet) {
        self.replacing.wanted(keys);
    }

    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        let (everywhere, request) = match &batch.payload {
            Payload::Traces(traces) => (&mut self.traces, &traces.bytes),
            Payload::Metrics(bytes) => (&mut self.metrics, bytes),
            Payload::Logs(bytes) => (&mut self.logs, bytes),
            _ => return cx.pass(batch),
        };
        let changed = everywhere.run(request);
        let dropped = std::mem::take(&mut everywhere.dropped).min(batch.items);
        let events = std::mem::take(&mut everywhere.dropped_events);
        if events > 0 {
            self.dropped.add(events);
        }
        if let Some(changed) = changed
            && !self.replacing.put(&mut batch.payload, changed.into())
        {
            // What came may hold what nobody shall see, and what was made of it is no request.
            self.dropped.add(batch.items);
            batch.ack.report(Outcome::Permanent("a request could not be redacted".to_owned()));
            cx.reject(batch.items, NOT_MASKED);
            return cx.absorb(batch);
        }
        if dropped > 0 {
            self.dropped.add(dropped);
            cx.reject(dropped, NOT_MASKED);
            batch.items -= dropped;
            if batch.items == 0 {
                return cx.absorb(batch);
            }
        }
        cx.pass(batch);
    }
}
