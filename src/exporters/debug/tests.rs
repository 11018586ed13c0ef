use component::{Checks, Config, Delivered, ExportError, ExporterDef, testing::ManualClock};
use expect_test::{Expect, expect};
use model::{Export, Signal, SpanTable, Timestamp};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
        NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary as SummaryMetric, SummaryDataPoint,
        exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
        summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span},
};
use prost::Message;
use serde_json::json;

use super::{
    Debug, DebugConfig, config::Verbosity, exporter::render, sampler::Sampler, text::MAX_TEXT_BYTES,
};
use crate::http::testing::{NOW, exporter_cx, on_a_shard};

const AT: u64 = 1_581_452_772_000_000_321;

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(value: &str) -> Value {
    Value::StringValue(value.into())
}

fn resource() -> Option<Resource> {
    Some(Resource { attributes: vec![attribute("service.name", text("shop"))], ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "http".into(),
        version: "1.2".into(),
        ..InstrumentationScope::default()
    })
}

fn spans() -> Export {
    let event = span::Event {
        time_unix_nano: AT,
        name: "retry".into(),
        attributes: vec![attribute("n", Value::IntValue(2))],
        ..span::Event::default()
    };
    let link = span::Link { trace_id: vec![7; 16], span_id: vec![8; 8], ..span::Link::default() };
    let full = Span {
        trace_id: vec![0xab; 16],
        span_id: vec![1; 8],
        parent_span_id: vec![2; 8],
        name: "GET /\u{1b}[31m".into(),
        kind: 2,
        trace_state: "ot=th:0".into(),
        start_time_unix_nano: AT,
        end_time_unix_nano: AT + 5,
        attributes: vec![attribute("url", text("/a\nb")), attribute("ok", Value::BoolValue(true))],
        events: vec![event],
        links: vec![link],
        status: Some(Status { code: 2, message: "boom".into() }),
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans {
        scope: scope(),
        spans: vec![full, Span { name: "bare".into(), ..Span::default() }],
        ..ScopeSpans::default()
    }];
    let resource_spans = vec![
        ResourceSpans { resource: resource(), scope_spans, ..ResourceSpans::default() },
        ResourceSpans::default(),
    ];
    export(Signal::Traces, &ExportTraceServiceRequest { resource_spans })
}

fn metrics() -> Export {
    let number = NumberDataPoint {
        attributes: vec![attribute("a", text("1")), attribute("b", text("2"))],
        start_time_unix_nano: AT,
        time_unix_nano: AT,
        value: Some(number_data_point::Value::AsInt(-3)),
        ..NumberDataPoint::default()
    };
    let double = NumberDataPoint {
        value: Some(number_data_point::Value::AsDouble(0.5)),
        ..NumberDataPoint::default()
    };
    let histogram = HistogramDataPoint {
        count: 3,
        sum: Some(4.5),
        max: Some(3.0),
        bucket_counts: vec![1, 2],
        explicit_bounds: vec![1.0],
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        count: 4,
        scale: 0,
        zero_count: 1,
        positive: Some(Buckets { offset: 1, bucket_counts: vec![1, 0, 1] }),
        negative: Some(Buckets { offset: -1, bucket_counts: vec![1] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let quantile_values = vec![ValueAtQuantile { quantile: 0.5, value: 2.0 }];
    let summary = SummaryDataPoint { count: 2, sum: 4.0, quantile_values, ..SummaryDataPoint::default() };
    let all = [
        Data::Gauge(Gauge { data_points: vec![number.clone(), double] }),
        Data::Sum(Sum { data_points: vec![number], aggregation_temporality: 2, is_monotonic: true }),
        Data::Histogram(Histogram { data_points: vec![histogram], aggregation_temporality: 1 }),
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![exponential],
            aggregation_temporality: 2,
        }),
        Data::Summary(SummaryMetric { data_points: vec![summary] }),
    ];
    let metric = |data| Metric { name: "m".into(), unit: "s".into(), data: Some(data), ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics {
        scope: scope(),
        metrics: all.into_iter().map(metric).collect(),
        ..ScopeMetrics::default()
    }];
    let resource_metrics =
        vec![ResourceMetrics { resource: resource(), scope_metrics, ..ResourceMetrics::default() }];
    export(Signal::Metrics, &ExportMetricsServiceRequest { resource_metrics })
}

fn logs() -> Export {
    let record = |body| LogRecord {
        time_unix_nano: AT,
        severity_number: 9,
        severity_text: "Info".into(),
        body: Some(AnyValue { value: Some(body) }),
        attributes: vec![attribute("app", text("server"))],
        trace_id: vec![3; 16],
        ..LogRecord::default()
    };
    let records = |bodies: Vec<Value>| ScopeLogs {
        log_records: bodies.into_iter().map(record).collect(),
        ..ScopeLogs::default()
    };
    let first = ResourceLogs {
        resource: resource(),
        scope_logs: vec![records(vec![text("hello"), Value::IntValue(1)]), records(vec![])],
        ..ResourceLogs::default()
    };
    let second = ResourceLogs {
        resource: resource(),
        scope_logs: vec![records(vec![text("bye")])],
        ..ResourceLogs::default()
    };
    export(Signal::Logs, &ExportLogsServiceRequest { resource_logs: vec![first, second] })
}

fn export(signal: Signal, request: &impl Message) -> Export {
    Export { signal, bytes: request.encode_to_vec().into(), items: 1 }
}

fn check(verbosity: Verbosity, expected: &Expect) {
    let mut table = SpanTable::default();
    let shown = [spans(), metrics(), logs()].map(|export| {
        let (summary, text) = render(&export, verbosity, &mut table).unwrap();
        format!("{summary}\n{}", text.unwrap_or_default())
    });
    expected.assert_eq(&shown.concat());
}

#[test]
fn basic_counts() {
    check(
        Verbosity::Basic,
        &expect![[r#"
        Traces	{"resource spans": 2, "spans": 2}
        Metrics	{"resource metrics": 1, "metrics": 5, "data points": 6}
        Logs	{"resource logs": 2, "log records": 3}
    "#]],
    );
}

#[test]
fn normal_has_a_line_for_each_item() {
    check(
        Verbosity::Normal,
        &expect![[r#"
            Traces	{"resource spans": 2, "spans": 2}
            GET /\u{1b}[31m abababababababababababababababab 0101010101010101 url=/a\nb ok=true
            bare  
            Metrics	{"resource metrics": 1, "metrics": 5, "data points": 6}
            m{a=1,b=2} -3
            m{} 0.5
            m{a=1,b=2} -3
            m{} count=3 sum=4.5 max=3 le1=1 2
            m{} count=4
            m{} count=2 sum=4 q0.5=2
            Logs	{"resource logs": 2, "log records": 3}
            hello app=server
            1 app=server
            bye app=server
        "#]],
    );
}

#[test]
fn detailed_has_all_of_each_item() {
    check(
        Verbosity::Detailed,
        &expect![[r#"
            Traces	{"resource spans": 2, "spans": 2}
            ResourceSpans #0
            Resource attributes:
                 -> service.name: Str(shop)
            ScopeSpans #0
            InstrumentationScope http 1.2
            Span #0
                Trace ID       : abababababababababababababababab
                Parent ID      : 0202020202020202
                ID             : 0101010101010101
                Name           : GET /\u{1b}[31m
                Kind           : Server
                TraceState     : ot=th:0
                Start time     : 2020-02-11 20:26:12.000000321 +0000 UTC
                End time       : 2020-02-11 20:26:12.000000326 +0000 UTC
                Status code    : Error
                Status message : boom
            Attributes:
                 -> url: Str(/a\nb)
                 -> ok: Bool(true)
            SpanEvent #0
                 -> Name: retry
                 -> Timestamp: 2020-02-11 20:26:12.000000321 +0000 UTC
                 -> Attributes:
                      -> n: Int(2)
            SpanLink #0
                 -> Trace ID: 07070707070707070707070707070707
                 -> ID: 0808080808080808
                 -> TraceState: 
            Span #1
                Trace ID       : 
                Parent ID      : 
                ID             : 
                Name           : bare
                Kind           : Unspecified
                Start time     : 1970-01-01 00:00:00 +0000 UTC
                End time       : 1970-01-01 00:00:00 +0000 UTC
                Status code    : Unset
                Status message : 
            Metrics	{"resource metrics": 1, "metrics": 5, "data points": 6}
            ResourceMetrics #0
            Resource SchemaURL: 
            Resource attributes:
                 -> service.name: Str(shop)
            ScopeMetrics #0
            ScopeMetrics SchemaURL: 
            InstrumentationScope http 1.2
            Metric #0
            Descriptor:
                 -> Name: m
                 -> Description: 
                 -> Unit: s
                 -> DataType: Gauge
            NumberDataPoints #0
            Data point attributes:
                 -> a: Str(1)
                 -> b: Str(2)
            StartTimestamp: 2020-02-11 20:26:12.000000321 +0000 UTC
            Timestamp: 2020-02-11 20:26:12.000000321 +0000 UTC
            Value: -3
            NumberDataPoints #1
            StartTimestamp: 1970-01-01 00:00:00 +0000 UTC
            Timestamp: 1970-01-01 00:00:00 +0000 UTC
            Value: 0.5
            Metric #1
            Descriptor:
                 -> Name: m
                 -> Description: 
                 -> Unit: s
                 -> DataType: Sum
                 -> IsMonotonic: true
                 -> AggregationTemporality: Cumulative
            NumberDataPoints #0
            Data point attributes:
                 -> a: Str(1)
                 -> b: Str(2)
            StartTimestamp: 2020-02-11 20:26:12.000000321 +0000 UTC
            Timestamp: 2020-02-11 20:26:12.000000321 +0000 UTC
            Value: -3
            Metric #2
            Descriptor:
                 -> Name: m
                 -> Description: 
                 -> Unit: s
                 -> DataType: Histogram
                 -> AggregationTemporality: Delta
            HistogramDataPoints #0
            StartTimestamp: 1970-01-01 00:00:00 +0000 UTC
            Timestamp: 1970-01-01 00:00:00 +0000 UTC
            Count: 3
            Sum: 4.5
            Max: 3
            ExplicitBounds #0: 1
            Buckets #0, Count: 1
            Buckets #1, Count: 2
            Metric #3
            Descriptor:
                 -> Name: m
                 -> Description: 
                 -> Unit: s
                 -> DataType: ExponentialHistogram
                 -> AggregationTemporality: Cumulative
            ExponentialHistogramDataPoints #0
            StartTimestamp: 1970-01-01 00:00:00 +0000 UTC
            Timestamp: 1970-01-01 00:00:00 +0000 UTC
            Count: 4
            Bucket [-1, -0.5), Count: 1
            Bucket [0, 0], Count: 1
            Bucket (2, 4], Count: 1
            Bucket (8, 16], Count: 1
            Metric #4
            Descriptor:
                 -> Name: m
                 -> Description: 
                 -> Unit: s
                 -> DataType: Summary
            SummaryDataPoints #0
            StartTimestamp: 1970-01-01 00:00:00 +0000 UTC
            Timestamp: 1970-01-01 00:00:00 +0000 UTC
            Count: 2
            Sum: 4
            QuantileValue #0: Quantile 0.5, Value 2
            Logs	{"resource logs": 2, "log records": 3}
            ResourceLogs #0
            Resource SchemaURL: 
            Resource attributes:
                 -> service.name: Str(shop)
            ScopeLogs #0
            ScopeLogs SchemaURL: 
            InstrumentationScope  
            LogRecord #0
            ObservedTimestamp: 1970-01-01 00:00:00 +0000 UTC
            Timestamp: 2020-02-11 20:26:12.000000321 +0000 UTC
            SeverityText: Info
            SeverityNumber: 9
            Body: Str(hello)
            Attributes:
                 -> app: Str(server)
            Trace ID: 03030303030303030303030303030303
            Span ID: 
            Flags: 0
            LogRecord #1
            ObservedTimestamp: 1970-01-01 00:00:00 +0000 UTC
            Timestamp: 2020-02-11 20:26:12.000000321 +0000 UTC
            SeverityText: Info
            SeverityNumber: 9
            Body: Int(1)
            Attributes:
                 -> app: Str(server)
            Trace ID: 03030303030303030303030303030303
            Span ID: 
            Flags: 0
            ScopeLogs #1
            ScopeLogs SchemaURL: 
            InstrumentationScope  
            ResourceLogs #1
            Resource SchemaURL: 
            Resource attributes:
                 -> service.name: Str(shop)
            ScopeLogs #0
            ScopeLogs SchemaURL: 
            InstrumentationScope  
            LogRecord #0
            ObservedTimestamp: 1970-01-01 00:00:00 +0000 UTC
            Timestamp: 2020-02-11 20:26:12.000000321 +0000 UTC
            SeverityText: Info
            SeverityNumber: 9
            Body: Str(bye)
            Attributes:
                 -> app: Str(server)
            Trace ID: 03030303030303030303030303030303
            Span ID: 
            Flags: 0
        "#]],
    );
}

#[test]
fn a_long_request_is_shown_in_part() {
    let one = Span { name: "x".repeat(1000), ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![one; 3000], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let long = export(Signal::Traces, &ExportTraceServiceRequest { resource_spans });
    for verbosity in [Verbosity::Normal, Verbosity::Detailed] {
        let (summary, text) = render(&long, verbosity, &mut SpanTable::default()).unwrap();
        assert_eq!(summary.to_string(), "Traces\t{\"resource spans\": 1, \"spans\": 3000}");
        let text = text.unwrap();
        assert!(text.len() < MAX_TEXT_BYTES + 3000, "{}", text.len());
        assert!(text.ends_with("... the rest is not shown\n"));
    }
}

#[test]
fn the_first_of_each_second_are_shown_and_then_every_so_many() {
    let shown = |initial, thereafter| {
        let sampler = Sampler::new(initial, thereafter);
        let at = |request: u64| Timestamp::from_millis(1_000_000 + request * 100);
        (0..20).filter(|request| sampler.shows(Signal::Logs, at(*request))).collect::<Vec<u64>>()
    };
    assert_eq!(shown(2, 4), [0, 1, 5, 9, 10, 11, 15, 19]);
    assert_eq!(shown(1, 0), [0, 10]);
    assert_eq!(shown(2, 1), (0..20).collect::<Vec<_>>());
    let sampler = Sampler::new(1, 0);
    assert!(
        sampler.shows(Signal::Traces, NOW)
            && sampler.shows(Signal::Logs, NOW)
            && !sampler.shows(Signal::Logs, NOW)
    );
}

#[test]
fn requests_are_taken_and_nonsense_is_dropped() {
    let config: DebugConfig = serde_json::from_value(json!({"verbosity": "detailed"})).unwrap();
    let written: DebugConfig = serde_json::from_value(json!({"verbosity": "Detailed"})).unwrap();
    assert_eq!(written.verbosity, config.verbosity, "as in the collector, in whatever letters");
    let mut checks = Checks::default();
    config.validate(&mut checks);
    assert!(checks.into_findings().is_empty());
    let delivery = Debug::delivery(&config);
    assert!(!delivery.queue.enabled && !delivery.retry.enabled);
    let exporter = Debug::build(&config, &exporter_cx(&ManualClock::new(NOW)));
    on_a_shard(async {
        for export in [spans(), metrics(), logs()] {
            assert_eq!(exporter.export(export).await.unwrap(), Delivered::default());
        }
        for signal in Signal::ALL {
            let nonsense = Export { signal, bytes: b"\x0a\x7fcut"[..].into(), items: 1 };
            let error = exporter.export(nonsense).await.unwrap_err();
            assert!(matches!(error, ExportError::Permanent(_)), "{error}");
        }
    });
}
