//! What tests of several components share: requests in, metrics out, in words.

mod partials;

use bytes::Bytes;
use component::{BuildCx, Cx, ProcessorDef, Telemetry, Workbench, testing::Harness};
use model::{Ack, Batch, KeySet, Payload, SpanTable, Timestamp, Traces};
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::ExportMetricsServiceRequest as MetricsRequest,
        trace::v1::ExportTraceServiceRequest as TraceRequest,
    },
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    metrics::v1::{metric::Data, number_data_point},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event},
};
use prost::Message;

use crate::actions::ActionConfig;

/// A time that is a multiple of every interval in tests.
pub(crate) const T0: Timestamp = Timestamp::from_secs(1_700_000_040);

pub(crate) fn at(secs: u64) -> Timestamp {
    Timestamp(T0.0 + secs * 1_000_000_000)
}

pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

/// Spells bytes, two digits each.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads what [`hex`] spells, and blanks between.
pub(crate) fn of_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|it| !it.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

pub(crate) fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// A span of `micros` that starts at [`T0`].
pub(crate) fn span(name: &str, kind: i32, status: i32, micros: u64, attributes: Vec<KeyValue>) -> Span {
    Span {
        trace_id: vec![7; 16],
        span_id: vec![9; 8],
        name: name.to_owned(),
        kind,
        start_time_unix_nano: T0.0,
        end_time_unix_nano: T0.0 + micros * 1000,
        status: Some(Status { code: status, message: String::new() }),
        attributes,
        ..Span::default()
    }
}

pub(crate) fn event(name: &str, attributes: Vec<KeyValue>) -> Event {
    Event { name: name.to_owned(), attributes, ..Event::default() }
}

pub(crate) fn resource_spans(attributes: Vec<KeyValue>, spans: Vec<Span>) -> ResourceSpans {
    let scope = InstrumentationScope {
        name: "lib".to_owned(),
        version: "1.2".to_owned(),
        ..InstrumentationScope::default()
    };
    ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }],
        schema_url: String::new(),
    }
}

pub(crate) fn request(resource_spans: Vec<ResourceSpans>) -> TraceRequest {
    TraceRequest { resource_spans }
}

/// A request of one service.
pub(crate) fn of_service(service: &str, spans: Vec<Span>) -> TraceRequest {
    request(vec![resource_spans(vec![text("service.name", service)], spans)])
}

/// Reads settings as an operator writes them.
pub(crate) fn settings<C: component::Config>(yaml: &str) -> C {
    let node = config::parse(&config::Source::new("test.yaml", yaml)).expect("the text is YAML");
    let mut problems = config::Problems::default();
    let settings = config::decode::<C>(&node, "", &mut problems).expect("the settings are read");
    assert_eq!(problems.error_count(), 0);
    settings
}

/// Reads actions as an operator writes them.
pub(crate) fn actions(yaml: &str) -> Vec<ActionConfig> {
    #[derive(Default, Clone, serde::Deserialize)]
    #[serde(default)]
    struct Root {
        actions: Vec<ActionConfig>,
    }
    let source = config::Source::new("test.yaml", yaml);
    let mut problems = config::Problems::default();
    let node = config::parse(&source).expect("the text is YAML");
    let root = config::decode::<Root>(&node, "", &mut problems).expect("the actions are read");
    assert_eq!(problems.error_count(), 0);
    root.actions
}

/// Scans a request with the attributes that the harness's processor wants.
pub(crate) fn scanned(request: &TraceRequest, harness: &Harness) -> (Payload, u64) {
    let bytes = Bytes::from(request.encode_to_vec());
    let mut table = Box::new(SpanTable::default());
    let matcher = wire::Matcher::new(&harness.keys);
    wire::scan_traces(&bytes, &matcher, &mut table).expect("the request is sound");
    let items = table.spans.len() as u64;
    (Payload::Traces(Traces { bytes, table }), items)
}

/// Gives a request to one shard.
pub(crate) fn push(harness: &mut Harness, shard: usize, request: &TraceRequest) -> Vec<Payload> {
    let (payload, items) = scanned(request, harness);
    harness.push(shard, payload, items)
}

/// The bytes of all metrics that came out, in order.
pub(crate) fn metrics_bytes(payloads: &[Payload]) -> Vec<Bytes> {
    let metrics = payloads.iter().filter(|payload| matches!(payload, Payload::Metrics(_)));
    metrics.map(|payload| payload.bytes().expect("what is emitted here has bytes").clone()).collect()
}

pub(crate) fn decoded(payloads: &[Payload]) -> Vec<MetricsRequest> {
    metrics_bytes(payloads)
        .into_iter()
        .map(|bytes| MetricsRequest::decode(bytes).expect("metrics are sound"))
        .collect()
}

/// Writes metrics as lines, one for each data point; times are seconds since [`T0`].
pub(crate) fn lines(payloads: &[Payload]) -> String {
    let mut out = String::new();
    for request in decoded(payloads) {
        for of_resource in &request.resource_metrics {
            let resource = of_resource.resource.as_ref().map(|resource| labels(&resource.attributes));
            for of_scope in &of_resource.scope_metrics {
                let scope = of_scope.scope.as_ref().map_or("", |scope| &scope.name);
                out.push_str(&format!("resource {} scope {scope}\n", resource.as_deref().unwrap_or("-")));
                of_scope.metrics.iter().for_each(|metric| write_metric(&mut out, metric));
            }
        }
    }
    out
}

fn write_metric(out: &mut String, metric: &opentelemetry_proto::tonic::metrics::v1::Metric) {
    let (kind, points): (String, Vec<String>) = match metric.data.as_ref().expect("a metric has data") {
        Data::Gauge(gauge) => ("gauge".into(), gauge.data_points.iter().map(number_line).collect()),
        Data::Sum(sum) => {
            let kind =
                format!("sum temporality={} monotonic={}", sum.aggregation_temporality, sum.is_monotonic);
            (kind, sum.data_points.iter().map(number_line).collect())
        }
        Data::Histogram(histogram) => {
            let line = |p: &opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint| {
                let filled: Vec<String> = p
                    .bucket_counts
                    .iter()
                    .enumerate()
                    .filter(|(_, count)| **count > 0)
                    .map(|(at, count)| {
                        format!("{}:{count}", p.explicit_bounds.get(at).map_or("inf".into(), f64::to_string))
                    })
                    .collect();
                let head = point_head(&p.attributes, p.start_time_unix_nano, p.time_unix_nano);
                format!(
                    "{head} count={} sum={} [{}]{}",
                    p.count,
                    p.sum.unwrap_or(-1.0),
                    filled.join(" "),
                    examples(&p.exemplars)
                )
            };
            (
                format!("histogram temporality={}", histogram.aggregation_temporality),
                histogram.data_points.iter().map(line).collect(),
            )
        }
        Data::ExponentialHistogram(histogram) => {
            let line = |p: &opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint| {
                let positive = p.positive.clone().unwrap_or_default();
                let head = point_head(&p.attributes, p.start_time_unix_nano, p.time_unix_nano);
                format!(
                    "{head} count={} sum={} min={} max={} scale={} zero={} offset={} {:?}{}",
                    p.count,
                    p.sum.unwrap_or(-1.0),
                    p.min.unwrap_or(-1.0),
                    p.max.unwrap_or(-1.0),
                    p.scale,
                    p.zero_count,
                    positive.offset,
                    positive.bucket_counts,
                    examples(&p.exemplars)
                )
            };
            (
                format!("exponential temporality={}", histogram.aggregation_temporality),
                histogram.data_points.iter().map(line).collect(),
            )
        }
        Data::Summary(_) => ("summary".into(), Vec::new()),
    };
    out.push_str(&format!("  {} unit={:?} {kind}\n", metric.name, metric.unit));
    points.iter().for_each(|point| out.push_str(&format!("    {point}\n")));
}

fn number_line(point: &opentelemetry_proto::tonic::metrics::v1::NumberDataPoint) -> String {
    let value = match point.value {
        Some(number_data_point::Value::AsInt(value)) => value.to_string(),
        Some(number_data_point::Value::AsDouble(value)) => format!("{value:?}"),
        None => "none".to_owned(),
    };
    let head = point_head(&point.attributes, point.start_time_unix_nano, point.time_unix_nano);
    format!("{head} = {value}{}", examples(&point.exemplars))
}

fn examples(exemplars: &[opentelemetry_proto::tonic::metrics::v1::Exemplar]) -> String {
    if exemplars.is_empty() { String::new() } else { format!(" exemplars={}", exemplars.len()) }
}

fn point_head(attributes: &[KeyValue], start: u64, time: u64) -> String {
    let since = |nanos: u64| (i128::from(nanos) - i128::from(T0.0)) as f64 / 1e9;
    format!("{} {}..{}", labels(attributes), since(start), since(time))
}

pub(crate) fn labels(attributes: &[KeyValue]) -> String {
    let pairs: Vec<String> = attributes.iter().map(|kv| format!("{}={}", kv.key, value_text(kv))).collect();
    format!("{{{}}}", pairs.join(","))
}

pub(crate) fn value_text(attribute: &KeyValue) -> String {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// Gives payloads to a shard, lets it tell, takes a snapshot before the analysis half closes the second, as the
/// engine does, and returns what the half tells then, and what one tells that was restored from the snapshot.
pub(crate) fn crashed_and_not<D: ProcessorDef>(
    config: &D::Config,
    payloads: Vec<Payload>,
) -> [Vec<Bytes>; 2] {
    let telemetry = Telemetry::default();
    let cx =
        BuildCx { id: "test", telemetry: &telemetry, instance_id: "test", started_at: T0, is_watched: false };
    let mut bench = Workbench::default();
    let mut shard = D::ingest(config, &cx);
    shard.want(&mut KeySet::default());
    for payload in payloads {
        shard.process(Batch { payload, items: 1, ack: Ack::none() }, &mut Cx::new(T0, &mut bench));
    }
    shard.drain(&mut Cx::new(T0, &mut bench));
    let mut half = D::analysis(config, &cx).expect("the component has two halves");
    for batch in
        std::mem::take(&mut bench.out).into_iter().filter(|it| matches!(it.payload, Payload::Partial(_)))
    {
        half.process(batch, &mut Cx::new(T0, &mut bench));
    }
    let snapshot = half.snapshot().expect("the state survives a restart");
    let mut restored = D::analysis(config, &cx).expect("the component has two halves");
    restored.restore(snapshot).expect("the snapshot is sound");
    [half, restored].map(|mut half| {
        let mut told = Workbench::default();
        for secs in [1, 30, 60, 120] {
            half.tick(&mut Cx::new(at(secs), &mut told));
        }
        told.out
            .iter()
            .map(|batch| batch.payload.bytes().expect("what is emitted here has bytes").clone())
            .collect()
    })
}

/// Gives the analysis half partials and snapshots with some bytes changed; it may refuse them, not panic, and
/// never tells what no receiver can read.
pub(crate) fn survive_damage<D: ProcessorDef>(
    config: &D::Config,
    payloads: Vec<Payload>,
    damage: &[(usize, u8)],
) {
    let telemetry = Telemetry::default();
    let cx =
        BuildCx { id: "test", telemetry: &telemetry, instance_id: "test", started_at: T0, is_watched: false };
    let mut bench = Workbench::default();
    let mut shard = D::ingest(config, &cx);
    shard.want(&mut KeySet::default());
    for payload in payloads {
        shard.process(Batch { payload, items: 1, ack: Ack::none() }, &mut Cx::new(T0, &mut bench));
    }
    shard.drain(&mut Cx::new(T0, &mut bench));
    let damaged = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        for (at, value) in damage {
            let at = at % bytes.len().max(1);
            bytes[at] ^= value;
        }
        bytes
    };
    let mut half = D::analysis(config, &cx).expect("the component has two halves");
    for batch in
        std::mem::take(&mut bench.out).into_iter().filter(|it| matches!(it.payload, Payload::Partial(_)))
    {
        let whole = batch.payload.bytes().expect("what is emitted here has bytes").clone();
        for bytes in [damaged(&whole).into(), whole] {
            let payload = Payload::Partial(model::Partial { bytes, at: T0 });
            half.process(Batch { payload, items: 1, ack: Ack::none() }, &mut Cx::new(T0, &mut bench));
        }
    }
    let snapshot = half.snapshot().expect("the state survives a restart");
    let mut restored = D::analysis(config, &cx).expect("the component has two halves");
    let bytes = damaged(&snapshot.bytes);
    let _maybe = restored.restore(component::Snapshot { bytes, ..snapshot });
    for mut half in [half, restored] {
        half.tick(&mut Cx::new(at(60), &mut bench));
        half.snapshot().expect("the state survives a restart");
        half.drain(&mut Cx::new(at(600), &mut bench));
        for batch in bench.out.drain(..).filter(|batch| matches!(batch.payload, Payload::Metrics(_))) {
            let bytes = batch.payload.bytes().expect("metrics have bytes");
            assert_eq!(wire::check_metrics(bytes), Ok(batch.items), "what is told is sound");
        }
    }
}

/// What the check of a configuration says of YAML, one line for each finding.
pub(crate) fn problems_of<D: ProcessorDef>(yaml: &str) -> String {
    let source = config::Source::new("test.yaml", yaml);
    let node = config::parse(&source).expect("the text is YAML");
    let mut problems = config::Problems::default();
    let read = config::decode_telling::<D::Config>(
        &node,
        "",
        <D::Config as component::Config>::NOT_SUPPORTED,
        &mut problems,
    );
    let mut out: String =
        problems.iter().map(|it| format!("error at {}: {}\n", it.path, it.message)).collect();
    if let Some(read) = read {
        let mut checks = component::Checks::default();
        component::Config::validate(&read, &mut checks);
        for finding in checks.into_findings() {
            let level = if finding.is_warning { "warning" } else { "error" };
            out.push_str(&format!("{level} at {}: {}\n", finding.path, finding.message));
        }
    }
    out
}
