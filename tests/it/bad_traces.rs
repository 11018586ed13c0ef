//! Traces as nobody should send them, through the stages that find causes: what is held is bounded, what is left out
//! is counted, the coverage says how much that is, and what is whole beside it is told of as if it were alone.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use component::Telemetry;
use engine::Offline;
use model::{Calls, EdgeKind, Signal, Timestamp};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status},
};
use prost::Message;
use wire::view::{LogRecord, groups};

use crate::rig::plan;

const START: Timestamp = Timestamp::from_secs(1_767_225_600);
const MILLISECOND: u64 = 1_000_000;
const WINDOW: Duration = Duration::from_secs(10);
const SERVER: i32 = 2;
const CLIENT: i32 = 3;
/// Sound traces in a second, each with one call of `cart` by `shop`.
const WHOLE_EACH: u64 = 5;

/// A pipeline under a virtual clock.
struct Scene {
    offline: Offline,
    telemetry: Telemetry,
    /// By the start of the window.
    calls: BTreeMap<Timestamp, Calls>,
    /// Titles of incidents as they were told.
    incidents: Vec<String>,
    /// The most that waited at the end of a second.
    most_spans: u64,
    most_traces: u64,
}

impl Scene {
    fn new(bottleneck: &str) -> Result<Self> {
        let yaml = format!(
            "
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}}}
processors:
  aggregation: {{windows: [10s], metrics: false}}
  bottleneck: {{{bottleneck}}}
  correlation:
exporters: {{nop: }}
service:
  pipelines:
    telemetry: {{receivers: [otlp], processors: [aggregation, bottleneck, correlation], exporters: [nop]}}
"
        );
        let telemetry = Telemetry::default();
        let offline = Offline::new(plan(yaml)?, &telemetry, START);
        let (calls, incidents) = (BTreeMap::new(), Vec::new());
        Ok(Self { offline, telemetry, calls, incidents, most_spans: 0, most_traces: 0 })
    }

    /// Lets seconds pass. In each come sound traces, and what else there is.
    fn play(
        &mut self,
        seconds: std::ops::Range<u64>,
        mut bad: impl FnMut(u64) -> Vec<ExportTraceServiceRequest>,
    ) -> Result<()> {
        for second in seconds {
            for request in bad(second) {
                self.take(&request)?;
            }
            for n in 0..WHOLE_EACH {
                self.take(&whole(second * WHOLE_EACH + n, second))?;
            }
            self.pass(second)?;
        }
        Ok(())
    }

    /// Lets seconds pass in which nothing comes, so that what waits is over.
    fn rest(&mut self, seconds: std::ops::Range<u64>) -> Result<()> {
        for second in seconds {
            self.pass(second)?;
        }
        Ok(())
    }

    fn take(&mut self, request: &ExportTraceServiceRequest) -> Result<()> {
        self.offline.take(Signal::Traces, request.encode_to_vec().into())?;
        Ok(())
    }

    fn pass(&mut self, second: u64) -> Result<()> {
        self.offline.advance(START + Duration::from_secs(second + 1));
        let told = self.offline.told();
        for rollups in told.rollups.into_iter().filter(|rollups| rollups.width == WINDOW) {
            let calls = rollups.calls.context("a window has calls")?;
            self.calls.insert(rollups.start, (*calls).clone());
        }
        for export in told.exports.iter().filter(|export| export.signal == Signal::Logs) {
            for record in groups(&export.bytes.whole()).flat_map(|group| group.items().collect::<Vec<_>>()) {
                let record = LogRecord::of(record);
                if record.event_name.starts_with(b"trueline.incident.opened") {
                    self.incidents.push(record.body.to_label_string());
                }
            }
        }
        self.most_spans = self.most_spans.max(self.metric("waiting_spans"));
        self.most_traces = self.most_traces.max(self.metric("waiting_traces"));
        Ok(())
    }

    fn metric(&self, name: &str) -> u64 {
        let name = format!("otelcol_processor_bottleneck_{name}");
        self.telemetry.read().iter().filter(|row| row.name == name).map(|row| row.value).sum()
    }

    fn dropped(&self, reason: &str) -> u64 {
        let is_reason = |labels: &component::Labels| labels.iter().any(|(_, value)| value == reason);
        let rows = self.telemetry.read().into_iter();
        let rows = rows.filter(|row| row.name.ends_with("_dropped_items") && is_reason(&row.labels));
        rows.map(|row| row.value).sum()
    }

    /// Checks that of the sound traces of so many seconds every call is told of, and how long it took.
    fn check_whole(&self, seconds: u64) {
        let edges = self.calls.values().flat_map(|calls| &calls.edges);
        let (mut n, mut failed) = (0, 0);
        for edge in edges.filter(|edge| (&*edge.client, &*edge.server) == ("shop", "cart")) {
            assert_eq!(edge.kind, EdgeKind::Request);
            assert!((edge.duration.mean - 50.0).abs() < 1e-6, "{edge:?}");
            assert!((edge.gap.mean - 20.0).abs() < 1e-6, "{edge:?}");
            n += edge.calls;
            failed += edge.failed;
        }
        assert_eq!((n, failed), (seconds * WHOLE_EACH, 0), "calls of cart by shop");
        let steps = self.calls.values().flat_map(|calls| &calls.steps);
        for step in steps.filter(|step| (&*step.service, &*step.operation) == ("cart", "get")) {
            assert!((step.own.mean - 30.0).abs() < 1e-6, "{step:?}");
        }
    }

    /// The least that a window said of how far it stands for all traffic.
    fn least_coverage(&self) -> f64 {
        let with_calls = self.calls.values().filter(|calls| !calls.edges.is_empty());
        with_calls.map(|calls| calls.coverage).fold(1.0, f64::min)
    }
}

/// A span of a service.
#[derive(Clone, Copy)]
struct Line {
    service: &'static str,
    name: &'static str,
    kind: i32,
    id: u64,
    parent: u64,
    /// Milliseconds since the start of the trace.
    from: i64,
    to: i64,
}

fn line(service: &'static str, name: &'static str, kind: i32, ids: (u64, u64), times: (i64, i64)) -> Line {
    Line { service, name, kind, id: ids.0, parent: ids.1, from: times.0, to: times.1 }
}

fn of_service(service: &str, spans: Vec<Span>) -> ResourceSpans {
    let value = Some(AnyValue { value: Some(Value::StringValue(service.to_owned())) });
    let name = KeyValue { key: "service.name".to_owned(), value, ..KeyValue::default() };
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource = Some(Resource { attributes: vec![name], ..Resource::default() });
    ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }
}

/// A trace that begins in a second.
fn trace(id: u128, second: u64, lines: &[Line]) -> ExportTraceServiceRequest {
    let begin = (START + Duration::from_secs(second)).as_nanos() as i64;
    let parent = |id: u64| if id == 0 { Vec::new() } else { id.to_be_bytes().to_vec() };
    let span = |line: &Line| Span {
        trace_id: id.to_be_bytes().to_vec(),
        span_id: line.id.to_be_bytes().to_vec(),
        parent_span_id: parent(line.parent),
        name: line.name.to_owned(),
        kind: line.kind,
        start_time_unix_nano: (begin + line.from * MILLISECOND as i64) as u64,
        end_time_unix_nano: (begin + line.to * MILLISECOND as i64) as u64,
        status: Some(Status::default()),
        ..Span::default()
    };
    let resource_spans = lines.iter().map(|line| of_service(line.service, vec![span(line)]));
    ExportTraceServiceRequest { resource_spans: resource_spans.collect() }
}

/// An id as random ones are, the same for the same numbers.
fn trace_id(family: u64, n: u64) -> u128 {
    let word = |seed: u64| {
        seed.wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
            .wrapping_mul(0xd134_2543_de82_ef95)
    };
    u128::from(word(n ^ family << 48)) << 64 | u128::from(word(!n)) | 1
}

/// A sound trace: `shop` calls `cart`, which takes 30 of the 50 ms that `shop` waits.
fn whole(n: u64, second: u64) -> ExportTraceServiceRequest {
    trace(trace_id(1, n), second, &SOUND)
}

const SOUND: [Line; 3] = [
    Line { service: "shop", name: "GET /", kind: SERVER, id: 1, parent: 0, from: 0, to: 100 },
    Line { service: "shop", name: "get", kind: CLIENT, id: 2, parent: 1, from: 10, to: 60 },
    Line { service: "cart", name: "get", kind: SERVER, id: 3, parent: 2, from: 20, to: 50 },
];

#[test]
fn traces_that_never_end_are_bounded_and_given_up_before_those_that_do() -> Result<()> {
    let mut scene = Scene::new("trace: {max_traces: 1000, max_pending_spans: 20000}")?;
    let endless = |second: u64| -> Vec<_> {
        let inner = line("endless", "work", SERVER, (2, 1), (0, 50));
        (0..200)
            .map(|n| {
                trace(trace_id(2, second * 200 + n), second, &[inner, Line { id: 3, parent: 2, ..inner }])
            })
            .collect()
    };
    scene.play(0..60, endless)?;
    scene.rest(60..100)?;
    scene.check_whole(60);
    assert!(scene.most_traces <= 1000 && scene.most_spans <= 20_000, "{} traces", scene.most_traces);
    assert!(scene.dropped("waiting_traces_limit") > 0);
    assert!(scene.least_coverage() < 0.2, "{}", scene.least_coverage());
    assert_eq!((scene.metric("waiting_traces"), scene.incidents.len()), (0, 0));
    Ok(())
}

#[test]
fn a_trace_of_a_million_spans_is_cut_and_those_beside_it_are_told_of() -> Result<()> {
    let mut scene = Scene::new("trace: {max_spans_per_second: 20000}")?;
    const SPANS_EACH: u64 = 100_000;
    let root = line("batch", "job", SERVER, (1, 0), (0, 900));
    let mut n_sent = 0;
    let huge = |second: u64| -> Vec<_> {
        if !(10..20).contains(&second) {
            return Vec::new();
        }
        let id = trace_id(3, 0);
        let begin = (START + Duration::from_secs(second)).as_nanos();
        let spans = (0..SPANS_EACH).map(|n| Span {
            trace_id: id.to_be_bytes().to_vec(),
            span_id: (2 + second * SPANS_EACH + n).to_be_bytes().to_vec(),
            parent_span_id: 1_u64.to_be_bytes().to_vec(),
            name: "item".to_owned(),
            start_time_unix_nano: begin,
            end_time_unix_nano: begin + MILLISECOND,
            ..Span::default()
        });
        n_sent += SPANS_EACH;
        let resource_spans = vec![of_service("batch", spans.collect())];
        vec![trace(id, second, &[root]), ExportTraceServiceRequest { resource_spans }]
    };
    scene.play(0..40, huge)?;
    scene.rest(40..80)?;
    assert_eq!(n_sent, 1_000_000);
    scene.check_whole(40);
    let (beyond, late) = (scene.dropped("spans_of_trace_limit"), scene.metric("late_spans"));
    // Ten roots came, one for each second.
    let kept = n_sent + 10 - beyond - late;
    assert!(kept <= 5_000, "{kept} spans of it are kept, {beyond} beyond its limit and {late} late");
    assert!(scene.most_spans <= 5_000 + 4 * 10 * 3 * WHOLE_EACH, "{} spans wait", scene.most_spans);
    assert_eq!(scene.metric("partial_traces"), 1);
    let coverage = scene.least_coverage();
    assert!(coverage < 1.0 && coverage > 0.97, "one of fifty in its window: {coverage}");
    Ok(())
}

#[test]
fn a_trace_of_very_many_spans_takes_no_room_from_others_at_the_default_sampling() -> Result<()> {
    let mut scene = Scene::new("")?;
    let huge = |second: u64| -> Vec<_> {
        let begin = (START + Duration::from_secs(second)).as_nanos();
        // A trace of its own in each second, whatever its hash.
        let spans = (0..30_000_u64).map(|n| Span {
            trace_id: trace_id(4, second).to_be_bytes().to_vec(),
            span_id: (1 + n).to_be_bytes().to_vec(),
            name: "item".to_owned(),
            start_time_unix_nano: begin,
            end_time_unix_nano: begin + MILLISECOND,
            ..Span::default()
        });
        vec![ExportTraceServiceRequest { resource_spans: vec![of_service("batch", spans.collect())] }]
    };
    scene.play(0..30, huge)?;
    scene.rest(30..70)?;
    let edges = scene.calls.values().flat_map(|calls| &calls.edges);
    let n: u64 = edges.filter(|edge| &*edge.server == "cart").map(|edge| edge.calls).sum();
    assert!(n >= 100, "of 150 calls {n} are told of, though 5,001 spans of a second are of one trace");
    assert!(scene.least_coverage() < 1.0);
    assert!(scene.most_spans <= 200_000, "{}", scene.most_spans);
    Ok(())
}

#[test]
fn circles_of_parents_and_missing_parents_lower_the_coverage_and_nothing_else() -> Result<()> {
    for (family, bad) in [
        // Each the child of the other, two in a circle below a root, and one of itself.
        (5, vec![line("a", "x", SERVER, (1, 2), (0, 50)), line("a", "y", CLIENT, (2, 1), (1, 40))]),
        (
            6,
            vec![
                line("a", "x", SERVER, (1, 0), (0, 50)),
                line("a", "y", CLIENT, (2, 3), (1, 40)),
                line("b", "z", SERVER, (3, 2), (2, 30)),
            ],
        ),
        (7, vec![line("a", "x", CLIENT, (1, 1), (0, 50))]),
        // A parent that never comes.
        (8, vec![line("a", "x", SERVER, (1, 0), (0, 50)), line("b", "z", SERVER, (3, 2), (2, 30))]),
    ] {
        let mut scene = Scene::new("")?;
        scene.play(0..40, |second| {
            (0..WHOLE_EACH).map(|n| trace(trace_id(family, second * WHOLE_EACH + n), second, &bad)).collect()
        })?;
        scene.rest(40..90)?;
        scene.check_whole(40);
        assert_eq!(scene.metric("partial_traces"), 40 * WHOLE_EACH, "{family}");
        assert_eq!(scene.metric("assembled_traces"), 2 * 40 * WHOLE_EACH, "{family}");
        assert!((0.3..=0.5).contains(&scene.least_coverage()), "{family}: {}", scene.least_coverage());
        assert_eq!(scene.incidents, Vec::<String>::new(), "{family}");
    }
    Ok(())
}

#[test]
fn clocks_that_disagree_by_minutes_change_neither_who_called_whom_nor_what_the_caller_waited() -> Result<()> {
    for minutes in [-5, 7] {
        let skew = minutes * 60_000;
        let mut scene = Scene::new("")?;
        // The clock of `far` is wrong, and it calls `near`, whose clock is right.
        let bad = [
            line("edge", "GET /", SERVER, (1, 0), (0, 100)),
            line("edge", "far", CLIENT, (2, 1), (10, 70)),
            line("far", "serve", SERVER, (3, 2), (skew + 20, skew + 60)),
            line("far", "near", CLIENT, (4, 3), (skew + 30, skew + 50)),
            line("near", "serve", SERVER, (5, 4), (35, 45)),
        ];
        scene.play(0..40, |second| {
            (0..WHOLE_EACH).map(|n| trace(trace_id(9, second * WHOLE_EACH + n), second, &bad)).collect()
        })?;
        scene.rest(40..90)?;
        scene.check_whole(40);
        assert_eq!((scene.metric("partial_traces"), scene.least_coverage()), (0, 1.0));
        for (client, server, millis) in
            [("user", "edge", 100.0), ("edge", "far", 60.0), ("far", "near", 20.0)]
        {
            let edges = scene.calls.values().flat_map(|calls| &calls.edges);
            let edges = edges.filter(|edge| (&*edge.client, &*edge.server) == (client, server));
            let mut n = 0;
            for edge in edges {
                n += edge.calls;
                assert!((edge.duration.mean - millis).abs() < 1e-6, "{edge:?}");
            }
            assert_eq!(n, 40 * WHOLE_EACH, "{client} > {server}, {minutes} minutes");
        }
        assert_eq!(scene.incidents, Vec::<String>::new());
    }
    Ok(())
}

#[test]
fn a_service_graph_of_ten_thousand_services_is_told_as_far_as_there_is_room() -> Result<()> {
    const SERVICES: u64 = 10_000;
    let mut scene = Scene::new("max_edges: 12000, trace: {max_spans_per_second: 100000}")?;
    // In each window each service is called once by a user, and calls the next.
    let graph = |second: u64| -> Vec<_> {
        let each = SERVICES / 10;
        (second % 10 * each..(second % 10 + 1) * each).map(|n| ring(n, SERVICES, second)).collect()
    };
    scene.play(0..40, graph)?;
    scene.rest(40..80)?;
    assert_eq!(scene.calls.values().map(|calls| calls.edges.len()).max(), Some(12_000));
    // 20,000 edges of the ring and two of the shop in each of four windows.
    let told: u64 = scene.calls.values().flat_map(|calls| &calls.edges).map(|edge| edge.calls).sum();
    let sent = 4 * 2 * SERVICES + 40 * WHOLE_EACH * 2;
    assert_eq!(told + scene.dropped("edges_limit"), sent, "every call is told of or counted");
    for edge in scene.calls.values().flat_map(|calls| &calls.edges) {
        let is_of_ring = edge.server.starts_with('s') && &*edge.server != "shop";
        assert!(!is_of_ring || edge.calls == 1, "{edge:?}");
    }
    assert_eq!(scene.least_coverage(), 1.0, "the traces are whole");
    assert_eq!(scene.incidents, Vec::<String>::new());
    Ok(())
}

/// A service that is called by a user and calls the next.
fn ring(n: u64, of: u64, second: u64) -> ExportTraceServiceRequest {
    let (own, next) = (format!("s{n}"), format!("s{}", (n + 1) % of));
    let lines = [
        line("", "GET", SERVER, (1, 0), (0, 40)),
        line("", "next", CLIENT, (2, 1), (5, 30)),
        line("", "GET", SERVER, (3, 2), (10, 20)),
    ];
    let mut request = trace(trace_id(10, second * of + n), second, &lines);
    for (of_resource, service) in request.resource_spans.iter_mut().zip([&own, &own, &next]) {
        let spans = of_resource.scope_spans.remove(0).spans;
        *of_resource = of_service(service, spans);
    }
    request
}

#[test]
fn a_fault_is_named_beside_traces_that_are_all_wrong() -> Result<()> {
    let mut scene = Scene::new("trace: {max_traces: 2000}")?;
    let bad = |second: u64| -> Vec<_> {
        let id = |n: u64| trace_id(11, second * 100 + n);
        let inner = line("endless", "work", SERVER, (2, 1), (0, 50));
        let skew = 180_000;
        let mut all: Vec<_> = (0..60).map(|n| trace(id(n), second, &[inner])).collect();
        all.push(trace(
            id(60),
            second,
            &[line("a", "x", SERVER, (1, 2), (0, 50)), line("a", "y", CLIENT, (2, 1), (1, 40))],
        ));
        all.push(trace(id(61), second, &[line("b", "x", CLIENT, (1, 1), (0, 50))]));
        all.push(trace(id(62), second, &[line("c", "x", SERVER, (1, 0), (skew, skew + 50))]));
        all
    };
    // Sound traces, and later the same with a cart that fails.
    scene.play(0..300, bad)?;
    assert_eq!(scene.incidents, Vec::<String>::new());
    for second in 300..400 {
        for request in bad(second) {
            scene.take(&request)?;
        }
        for n in 0..WHOLE_EACH {
            scene.take(&failing(second * WHOLE_EACH + n, second))?;
        }
        scene.pass(second)?;
    }
    assert!(scene.incidents.iter().any(|title| title.starts_with("cart ")), "{:?}", scene.incidents);
    assert!(scene.incidents.len() == 1, "{:?}", scene.incidents);
    assert!(scene.most_traces <= 2000);
    Ok(())
}

/// A sound trace in which `cart` fails, and `shop` with it.
fn failing(n: u64, second: u64) -> ExportTraceServiceRequest {
    let mut request = trace(trace_id(1, n), second, &SOUND);
    for of_resource in &mut request.resource_spans {
        for span in of_resource.scope_spans.iter_mut().flat_map(|of_scope| &mut of_scope.spans) {
            span.status = Some(Status { code: 2, ..Status::default() });
        }
    }
    request
}
