//! Runs actions that look at values or are meant for some items alone, by the engine of OTTL.

use component::{BuildCx, Counter};
use model::{KeySet, Payload, Signal};

use crate::ottl::{Action, Chosen, Context, Group, Replacing};

/// Groups of one statement, by signal; none for a signal whose items are left as they are.
pub(crate) struct Runner {
    traces: Group,
    metrics: Group,
    logs: Group,
    replacing: Replacing,
    failures: Counter,
    unsound: Counter,
}

impl Runner {
    /// Prepares actions on the items of `contexts`, which are those of traces, metrics and logs.
    pub(crate) fn new(
        kind: &str,
        contexts: [Context; 3],
        steps: &[Action],
        chosen: impl Fn(Signal) -> Chosen,
        cx: &BuildCx<'_>,
    ) -> Self {
        let [of_traces, of_metrics, of_logs] = contexts;
        let group = |signal, context| Group::of_actions(signal, context, &chosen(signal), steps.to_vec());
        let counter = |name: &str, description, unit| {
            cx.telemetry.counter(&format!("otelcol_processor_{kind}_{name}"), description, unit)
        };
        Self {
            traces: group(Signal::Traces, of_traces),
            metrics: group(Signal::Metrics, of_metrics),
            logs: group(Signal::Logs, of_logs),
            replacing: Replacing::new(),
            failures: counter(
                "failures",
                "Resources, spans, points and records that stayed as they were, because actions would make them too large",
                "{failure}",
            ),
            unsound: counter(
                "unchanged_requests",
                "Requests that stayed as they were, because what the actions made of them nests too deep",
                "{request}",
            ),
        }
    }

    /// Learns which attributes of spans stages read.
    pub(crate) fn wanted(&mut self, keys: &KeySet) {
        self.replacing.wanted(keys);
    }

    /// Takes the actions on a request.
    pub(crate) fn run(&mut self, payload: &mut Payload) {
        let (group, request) = match payload {
            Payload::Traces(traces) => (&mut self.traces, &traces.bytes),
            Payload::Metrics(bytes) => (&mut self.metrics, &*bytes),
            Payload::Logs(bytes) => (&mut self.logs, &*bytes),
            _ => return,
        };
        let changed = group.run(request);
        let failures = std::mem::take(&mut group.failures).count;
        if failures > 0 {
            self.failures.add(failures);
        }
        if let Some(changed) = changed
            && !self.replacing.put(payload, changed.into())
        {
            self.unsound.add(1);
        }
    }
}
