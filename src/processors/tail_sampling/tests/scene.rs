//! Traces in words, and what of them comes out.

use std::collections::BTreeMap;

use component::{Config, testing::Harness};
use model::{Payload, Traces};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::KeyValue,
    trace::v1::{ResourceSpans, Span, Status},
};
use prost::Message;

use super::super::{TailSampling, TailSamplingConfig};
use crate::testing::*;

pub(super) fn config(yaml: &str) -> TailSamplingConfig {
    let source = config::Source::new("test.yaml", yaml);
    let mut problems = config::Problems::default();
    let node = config::parse(&source).expect("the text is YAML");
    let config = config::decode::<TailSamplingConfig>(&node, "", &mut problems);
    assert_eq!(problems.error_count(), 0, "{problems:?}");
    let mut checks = component::Checks::default();
    let config = config.expect("the settings are read");
    config.validate(&mut checks);
    let errors: Vec<_> = checks.into_findings().into_iter().filter(|it| !it.is_warning).collect();
    assert_eq!(errors, []);
    config
}

/// A processor with so many shards, fed span by span.
pub(super) struct Scene {
    pub(super) harness: Harness,
    n_shards: usize,
    /// Which shard takes the next request.
    next: usize,
    secs: u64,
}

/// A span in words.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) span: Span,
    service: &'static str,
    resource: Vec<KeyValue>,
}

/// A span of a trace; the one with the id 1 is its root.
pub(super) fn of(trace: u8, id: u8) -> Told {
    let mut trace_id = vec![0; 16];
    // Bytes of both halves, so that traces are told apart by any of them.
    (trace_id[0], trace_id[15]) = (trace, trace.wrapping_mul(37));
    let span = Span {
        trace_id,
        span_id: vec![0, 0, 0, 0, 0, 0, 0, id],
        parent_span_id: if id == 1 { vec![] } else { vec![0, 0, 0, 0, 0, 0, 0, 1] },
        ..span("work", 1, 0, 1000, vec![])
    };
    Told { span, service: "shop", resource: Vec::new() }
}

impl Told {
    pub(super) fn service(self, service: &'static str) -> Self {
        Self { service, ..self }
    }

    pub(super) fn status(mut self, code: i32) -> Self {
        self.span.status = Some(Status { code, message: String::new() });
        self
    }

    pub(super) fn attribute(mut self, attribute: KeyValue) -> Self {
        self.span.attributes.push(attribute);
        self
    }

    pub(super) fn of_resource(mut self, attribute: KeyValue) -> Self {
        self.resource.push(attribute);
        self
    }

    /// Begins and ends so many milliseconds after the start of all.
    pub(super) fn millis(mut self, from: u64, to: u64) -> Self {
        self.span.start_time_unix_nano = T0.0 + from * 1_000_000;
        self.span.end_time_unix_nano = T0.0 + to * 1_000_000;
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Span)) -> Self {
        change(&mut self.span);
        self
    }

    fn resource_spans(&self) -> ResourceSpans {
        let mut resource = vec![text("service.name", self.service)];
        resource.extend(self.resource.clone());
        resource_spans(resource, vec![self.span.clone()])
    }
}

impl Scene {
    pub(super) fn new(yaml: &str, n_shards: usize) -> Self {
        let harness = Harness::new::<TailSampling>(&config(yaml), n_shards, T0);
        Self { harness, n_shards, next: 0, secs: 0 }
    }

    /// Gives a request to the next shard.
    pub(super) fn send(&mut self, spans: &[Told]) {
        let shard = self.next % self.n_shards;
        self.next += 1;
        let request = request(spans.iter().map(Told::resource_spans).collect());
        let out = push(&mut self.harness, shard, &request);
        assert!(out.is_empty(), "spans wait");
    }

    /// Gives each span to the next shard alone.
    pub(super) fn send_each(&mut self, spans: &[Told]) {
        spans.iter().for_each(|span| self.send(std::slice::from_ref(span)));
    }

    /// Lets so many seconds pass and returns what came out, as `trace.span` of all.
    pub(super) fn pass(&mut self, secs: u64) -> Vec<String> {
        let out = self.pass_raw(secs);
        ids(&out)
    }

    pub(super) fn pass_raw(&mut self, secs: u64) -> Vec<Payload> {
        let mut out = Vec::new();
        for _ in 0..secs {
            self.secs += 1;
            out.extend(self.harness.tick(at(self.secs)));
        }
        out
    }

    pub(super) fn drain(&mut self) -> Vec<String> {
        let out = self.harness.drain();
        ids(&out)
    }

    /// What was dropped, by reason.
    pub(super) fn dropped(&self) -> BTreeMap<&'static str, u64> {
        let mut all = BTreeMap::new();
        for (items, reason) in &self.harness.bench.rejected {
            *all.entry(*reason).or_insert(0) += items;
        }
        all
    }

    pub(super) fn metric(&self, name: &str) -> u64 {
        let name = format!("otelcol_processor_tail_sampling_{name}");
        let rows = self.harness.telemetry.read();
        rows.iter().filter(|row| row.name == name).map(|row| row.value).sum()
    }
}

pub(super) fn requests(out: &[Payload]) -> Vec<ExportTraceServiceRequest> {
    let decoded = |payload: &Payload| match payload {
        Payload::Traces(Traces { bytes, .. }) => {
            ExportTraceServiceRequest::decode(bytes.clone()).expect("requests are sound")
        }
        other => panic!("only traces come out, not {other:?}"),
    };
    out.iter().map(decoded).collect()
}

fn ids(out: &[Payload]) -> Vec<String> {
    let mut ids = Vec::new();
    for request in requests(out) {
        for resource in request.resource_spans {
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                ids.push(format!("{}.{}", span.trace_id[0], span.span_id[7]));
            }
        }
    }
    ids.sort();
    ids
}
