//! Traces in words.

use std::collections::HashMap;

use component::testing::Harness;
use model::{BaselineColumns, Calls, Payload, Rollups};
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest as LogsRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::any_value::Value,
    logs::v1::LogRecord,
    trace::v1::{Span as Sent, span::Link},
};

use super::super::{
    Bottleneck, BottleneckConfig,
    assembly::Gathered,
    critical_path::critical_path,
    span::{Cache, Kind, Span},
    trace::Trace,
};
use prost::Message;

use crate::testing::{T0, at, attribute, push, resource_spans, span, text, value_text};

/// Reads spans, one a line: `id parent start end`, then perhaps a kind; `-` for no parent. Times are as they stand.
pub(super) fn spans_of(script: &str) -> (Vec<Span>, HashMap<u64, String>) {
    let mut ids: HashMap<String, u64> = HashMap::new();
    let mut id = |name: &str| {
        let next = ids.len() as u64 + 1;
        if name == "-" { 0 } else { *ids.entry(name.to_owned()).or_insert(next) }
    };
    let mut spans = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<_> = line.split_whitespace().collect();
        let [name, parent, start, end, ref kind @ ..] = words[..] else { panic!("{line}") };
        spans.push(Span {
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
            id: id(name),
            parent: id(parent),
            kind: match kind {
                [] => Kind::Internal,
                ["server", ..] => Kind::Server,
                ["client", ..] => Kind::Client,
                ["producer", ..] => Kind::Producer,
                ["consumer", ..] => Kind::Consumer,
                other => panic!("{other:?}"),
            },
            failed: false,
            has_links: false,
            throttled: false,
            cache: Cache::None,
            service: "s".into(),
            name: name.into(),
            peer: None,
            error: None,
        });
    }
    (spans, ids.into_iter().map(|(name, id)| (id, name)).collect())
}

pub(super) fn trace_of(spans: Vec<Span>) -> Trace {
    Trace::new(Gathered { id: 7, spans, is_cut: false, is_left_out: false }).expect("there are spans")
}

/// Writes the critical paths of all roots, the latest section first: `span start..end`.
pub(super) fn paths(script: &str) -> String {
    let (spans, names) = spans_of(script);
    let trace = trace_of(spans);
    let sections = trace.roots.iter().flat_map(|root| critical_path(&trace, *root));
    let line = |it: super::super::critical_path::Section| {
        format!("{} {}..{}", names[&trace.span(it.span).id], it.start, it.end)
    };
    sections.map(line).collect::<Vec<_>>().join(", ")
}

/// Traces of a shop, as OTLP.
///
/// One span a line: `service name kind start..end`, indented below its parent by two blanks a level, with times in
/// milliseconds since the trace began and then any of `!` (failed), `db=NAME`, `peer=NAME`, `redis=COMMAND`, `grpc=CODE`, `error=TYPE`,
/// `link`.
pub(super) fn request(trace: u64, begins_at_ms: u64, script: &str) -> ExportTraceServiceRequest {
    let mut parents: Vec<u64> = Vec::new();
    let mut all = Vec::new();
    for (n, line) in (1_u64..).zip(script.lines().filter(|line| !line.trim().is_empty())) {
        let indent = line.len() - line.trim_start().len();
        let words: Vec<_> = line.split_whitespace().collect();
        let [service, name, kind, times, ref rest @ ..] = words[..] else { panic!("{line}") };
        let first = script.lines().find(|line| !line.trim().is_empty()).unwrap();
        let depth = (indent - (first.len() - first.trim_start().len())) / 2;
        parents.truncate(depth);
        let (start, end) = times.split_once("..").unwrap();
        let nanos = |ms: &str| T0.0 + begins_at_ms * 1_000_000 + (ms.parse::<f64>().unwrap() * 1e6) as u64;
        let kind = ["", "internal", "server", "client", "producer", "consumer"]
            .iter()
            .position(|it| *it == kind)
            .unwrap();
        let status = if rest.contains(&"!") { 2 } else { 0 };
        let mut attributes = Vec::new();
        for word in rest {
            match word.split_once('=') {
                Some(("db", name)) => attributes.push(text("db.namespace", name)),
                Some(("peer", name)) => attributes.push(text("peer.service", name)),
                Some(("redis", command)) => {
                    attributes.push(text("db.system.name", "redis"));
                    attributes.push(text("db.operation.name", command));
                }
                Some(("http", code)) => {
                    attributes
                        .push(attribute("http.response.status_code", Value::IntValue(code.parse().unwrap())));
                }
                Some(("error", kind)) => attributes.push(text("error.type", kind)),
                Some(("grpc", code)) => attributes.push(text("rpc.response.status_code", code)),
                _ => {}
            }
        }
        let mut id = trace.to_be_bytes().to_vec();
        id.extend(trace.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        let links = if rest.contains(&"link") {
            vec![Link { trace_id: vec![1; 16], ..Link::default() }]
        } else {
            vec![]
        };
        all.push(resource_spans(
            vec![text("service.name", service)],
            vec![Sent {
                trace_id: id,
                span_id: (n).to_be_bytes().to_vec(),
                parent_span_id: parents.last().map_or(Vec::new(), |id| id.to_be_bytes().to_vec()),
                start_time_unix_nano: nanos(start),
                end_time_unix_nano: nanos(end),
                links,
                ..span(name, kind as i32, status, 0, attributes)
            }],
        ));
        parents.push(n);
    }
    crate::testing::request(all)
}

/// A processor with time.
pub(super) struct Stage {
    pub(super) harness: Harness,
    pub(super) shards: usize,
    pub(super) secs: u64,
    /// What came out beside traces.
    pub(super) told: Vec<Payload>,
}

impl Stage {
    pub(super) fn new(config: &BottleneckConfig, shards: usize) -> Self {
        Self { harness: Harness::new::<Bottleneck>(config, shards, T0), shards, secs: 0, told: Vec::new() }
    }

    pub(super) fn push(&mut self, shard: usize, request: &ExportTraceServiceRequest) {
        let shard = shard % self.shards;
        let out = push(&mut self.harness, shard, request);
        assert!(matches!(out[..], [Payload::Traces(_)]), "spans pass through");
    }

    /// Lets seconds pass, each with its tick.
    pub(super) fn pass(&mut self, secs: u64) {
        for _ in 0..secs {
            self.secs += 1;
            let out = self.harness.tick(at(self.secs));
            self.told.extend(out.into_iter().filter(|it| !matches!(it, Payload::Verdicts(_))));
        }
    }

    /// Closes the window of ten seconds that begins so many after the start.
    pub(super) fn calls(&mut self, from: u64) -> Calls {
        let rollups =
            Rollups { start: at(from), width: std::time::Duration::from_secs(10), ..Rollups::default() };
        let out = self.harness.judge(rollups);
        let calls = out.into_iter().find_map(|it| match it {
            Payload::Rollups(rollups) => Some(rollups.calls.expect("calls were added")),
            _ => None,
        });
        (*calls.expect("windows pass through")).clone()
    }
}

/// Writes calls as lines.
pub(super) fn lines(calls: &Calls) -> String {
    let spread = |it: model::Spread| {
        if it.p50.is_nan() { "-".to_owned() } else { format!("{:.0}/{:.0}", it.p50, it.p95) }
    };
    let exemplar =
        |it: Option<model::TraceId>| it.map_or(0, |id| u64::from_be_bytes(*id.first_chunk().unwrap()));
    let mut out = format!("coverage {:.2}\n", calls.coverage);
    for edge in &calls.edges {
        out += &format!(
            "{} > {} {}: {} calls, {} failed, {} ms, gap {}, trace {}\n",
            edge.client,
            edge.server,
            edge.kind,
            edge.calls,
            edge.failed,
            spread(edge.duration),
            spread(edge.gap),
            exemplar(edge.exemplar)
        );
    }
    for step in &calls.steps {
        out += &format!(
            "{} {}: {} calls, {} failed, {} here, own {} ms, trace {}\n",
            step.service,
            step.operation,
            step.calls,
            step.failed,
            step.failed_here,
            spread(step.own),
            exemplar(step.exemplar)
        );
    }
    out
}

impl Stage {
    /// Lets minutes pass with two traces a second. The script is that of the n-th trace.
    pub(super) fn serve(&mut self, minutes: u64, script: impl Fn(u64) -> String) {
        for _ in 0..minutes * 60 {
            for half in 0..2 {
                let n = 2 * self.secs + half;
                self.push(n as usize, &request(n + 1, 1_000 * self.secs, &script(n)));
            }
            self.pass(1);
        }
    }

    /// Takes the events that were told since the last call, one a line.
    pub(super) fn events(&mut self) -> String {
        let mut out = String::new();
        for payload in std::mem::take(&mut self.told) {
            let Payload::Logs(bytes) = payload else { continue };
            let request = LogsRequest::decode(bytes).expect("records are sound");
            for of_service in &request.resource_logs {
                let resource = of_service.resource.as_ref().expect("a service");
                for record in of_service.scope_logs.iter().flat_map(|scope| &scope.log_records) {
                    out += &event_line(&value_text(&resource.attributes[0]), record);
                }
            }
        }
        out
    }
}

fn event_line(service: &str, record: &LogRecord) -> String {
    let attribute = |key: &str| {
        let key = format!("trueline.bottleneck.{key}");
        record.attributes.iter().find(|it| it.key == key).map_or("-".to_owned(), value_text)
    };
    let number = |key: &str| attribute(key).parse().map_or("-".to_owned(), |it: f64| format!("{it:.2}"));
    let event = record.event_name.rsplit('.').next().expect("events have names");
    let body = match record.body.as_ref().and_then(|body| body.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{other:?}"),
    };
    format!(
        "{event} {} of {service} {}: {} score {} confidence {} impact {} improvement {}\n  {body}\n",
        attribute("type"),
        attribute("operation"),
        attribute("severity"),
        number("score"),
        number("confidence"),
        number("impact"),
        number("improvement"),
    )
}

/// A number from 0.9 to 1.1, the same for the same n: nothing takes always as long.
pub(super) fn jitter(n: u64) -> f64 {
    0.9 + 0.2 * (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / (1 << 24) as f64
}

impl Stage {
    /// The same with one trace in so many seconds.
    pub(super) fn serve_rarely(&mut self, minutes: u64, every: u64, script: impl Fn(u64) -> String) {
        for _ in 0..minutes * 60 / every {
            let n = self.secs;
            self.push(0, &request(n + 1, 1_000 * n, &script(n)));
            self.pass(every);
        }
    }
}

impl Stage {
    /// Tells of a window that belongs to an excluded range.
    pub(super) fn exclude(&mut self) {
        let baseline = BaselineColumns { is_excluded: true, ..BaselineColumns::default() };
        let (start, width) = (at(self.secs), std::time::Duration::from_secs(10));
        self.harness.judge(Rollups { start, width, baseline: Some(baseline), ..Rollups::default() });
    }
}
