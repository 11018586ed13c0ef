//! Telemetry of every kind: what each pair is sent.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status,
        span::{Event, Link},
    },
};
use serde_json::Value;

use super::{
    canon::canonical,
    metric_zoo,
    values::{BASE, MILLISECOND, V, attributes, billing, rich, scope, shop},
};

/// What is sent to both collectors, in this order, one request after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Telemetry {
    pub(super) traces: Vec<ExportTraceServiceRequest>,
    pub(super) metrics: Vec<ExportMetricsServiceRequest>,
    pub(super) logs: Vec<ExportLogsServiceRequest>,
}

impl Telemetry {
    /// Returns all requests in their comparable form.
    pub(super) fn comparable(&self) -> serde_json::Result<Vec<Value>> {
        let traces = self.traces.iter().map(serde_json::to_value);
        let metrics = self.metrics.iter().map(serde_json::to_value);
        let logs = self.logs.iter().map(serde_json::to_value);
        traces.chain(metrics).chain(logs).map(|request| request.map(canonical)).collect()
    }
}

/// Something of everything, with empty things between.
pub(super) fn zoo() -> Telemetry {
    Telemetry { traces: vec![traces()], metrics: vec![metric_zoo::metrics()], logs: vec![logs()] }
}

/// Spans whose ids are there and hold nothing but zeros, which OTLP calls invalid.
pub(super) fn zero_ids() -> Telemetry {
    let mut request = traces();
    request.resource_spans.truncate(1);
    for span in
        request.resource_spans.iter_mut().flat_map(|of_resource| &mut of_resource.scope_spans[0].spans)
    {
        (span.trace_id, span.parent_span_id) = (vec![0; 16], vec![0; 8]);
    }
    Telemetry { traces: vec![request], ..Telemetry::default() }
}

pub(super) fn trace_id(number: u64) -> Vec<u8> {
    [0xa5a5_5a5a_0102_0304_u64.to_be_bytes(), number.to_be_bytes()].concat()
}

fn span(number: u64, name: &str, kind: i32, attributes_of: Vec<(&'static str, V)>) -> Span {
    let start = BASE + number * 10 * MILLISECOND;
    Span {
        trace_id: trace_id(number / 3),
        span_id: (number + 1).to_be_bytes().to_vec(),
        parent_span_id: if number.is_multiple_of(3) { Vec::new() } else { number.to_be_bytes().to_vec() },
        name: name.to_owned(),
        kind,
        start_time_unix_nano: start,
        end_time_unix_nano: start + number * number * MILLISECOND,
        attributes: attributes(attributes_of),
        ..Span::default()
    }
}

fn event(name: &str, attributes_of: Vec<(&'static str, V)>) -> Event {
    Event {
        time_unix_nano: BASE + MILLISECOND,
        name: name.to_owned(),
        attributes: attributes(attributes_of),
        dropped_attributes_count: 1,
    }
}

fn status(code: i32, message: &str) -> Option<Status> {
    Some(Status { code, message: message.to_owned() })
}

fn exception() -> Event {
    event(
        "exception",
        vec![
            ("exception.type", V::S("TimeoutError")),
            ("exception.message", V::S("ann@example.org timed out")),
        ],
    )
}

fn shop_spans() -> Vec<Span> {
    let mut whole = span(0, "GET /orders/42", 2, rich());
    whole.trace_state = "vendor=1,ot=th:8;rv:abcdef01234567".to_owned();
    whole.flags = 0x101;
    whole.dropped_attributes_count = 3;
    whole.dropped_events_count = 4;
    whole.dropped_links_count = 5;
    whole.events = vec![event("message", vec![("message.id", V::I(1)), ("user.password", V::S("hunter2"))])];
    whole.links = vec![Link {
        trace_id: trace_id(77),
        span_id: 9_u64.to_be_bytes().to_vec(),
        trace_state: "vendor=2".to_owned(),
        attributes: attributes([("link.kind", V::S("follows")), ("user.password", V::S("hunter2"))]),
        dropped_attributes_count: 1,
        flags: 1,
    }];
    let mut failed = span(
        1,
        "POST /checkout",
        3,
        vec![
            ("http.request.method", V::S("POST")),
            ("http.response.status_code", V::I(503)),
            ("http.route", V::S("/checkout")),
            ("user.id", V::I(17)),
            ("retries", V::I(2)),
            ("load", V::S("0.5")),
        ],
    );
    failed.status = status(2, "upstream said 503");
    failed.events = vec![exception(), event("retry", vec![]), exception()];
    let mut fine =
        span(2, "GET /healthz", 1, vec![("http.route", V::S("/healthz")), ("cache.hit", V::S("true"))]);
    fine.status = status(1, "");
    vec![
        whole,
        failed,
        fine,
        span(3, "poll", 5, vec![]),
        span(4, "publish", 4, vec![("user.id", V::S("u-18"))]),
    ]
}

fn billing_spans() -> Vec<Span> {
    let mut odd = span(5, "", 0, vec![("http.response.status_code", V::S("404")), ("load", V::I(4))]);
    odd.status = status(0, "a message without a code");
    odd.start_time_unix_nano = 0;
    let slow = span(60, "GET /orders/1", 2, vec![("http.route", V::S("/orders/{id}")), ("load", V::D(-0.0))]);
    vec![odd, slow]
}

pub(super) fn traces() -> ExportTraceServiceRequest {
    let of_scope = |scope, schema: &str, spans| ScopeSpans { scope, spans, schema_url: schema.to_owned() };
    let of_shop = ResourceSpans {
        resource: shop(),
        scope_spans: vec![
            of_scope(scope("shop.tracer", "1.4"), "https://opentelemetry.io/schemas/1.27.0", shop_spans()),
            of_scope(
                scope("shop.db", ""),
                "",
                vec![span(6, "SELECT", 3, vec![("db.system.name", V::S("mysql"))])],
            ),
        ],
        schema_url: "https://opentelemetry.io/schemas/1.26.0".to_owned(),
    };
    let of_billing = ResourceSpans {
        resource: billing(),
        scope_spans: vec![of_scope(None, "", billing_spans())],
        ..ResourceSpans::default()
    };
    let of_nobody = ResourceSpans {
        scope_spans: vec![of_scope(None, "", vec![span(7, "orphan", 2, vec![("user.id", V::S("u-19"))])])],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest { resource_spans: vec![of_shop, of_billing, of_nobody] }
}

fn record(number: u64, severity: i32, severity_text: &str, body: Option<V>) -> LogRecord {
    LogRecord {
        time_unix_nano: BASE + number * MILLISECOND,
        observed_time_unix_nano: BASE + (number + 1) * MILLISECOND,
        severity_number: severity,
        severity_text: severity_text.to_owned(),
        body: body.map(V::any),
        ..LogRecord::default()
    }
}

fn shop_records() -> Vec<LogRecord> {
    let mut whole = record(0, 9, "INFO", Some(V::S("order 42 of ann@example.org paid")));
    whole.attributes = attributes(rich());
    whole.dropped_attributes_count = 7;
    whole.flags = 1;
    whole.trace_id = trace_id(0);
    whole.span_id = 1_u64.to_be_bytes().to_vec();
    whole.event_name = "order.paid".to_owned();
    let map = V::M(vec![
        ("message", V::S("card 4111111111111111 was refused")),
        ("password", V::S("swordfish")),
        ("code", V::I(4_111_111_111_111_111)),
        ("user", V::M(vec![("email", V::S("ann@example.org")), ("tags", V::L(vec![V::S("a"), V::Nothing]))])),
    ]);
    let mut failed = record(1, 17, "ERROR", Some(map));
    failed.attributes = attributes([("user.id", V::I(17)), ("http.response.status_code", V::I(503))]);
    let mut unset = record(2, 0, "", None);
    unset.attributes = attributes([("user.id", V::S("u-18")), ("retries", V::I(2))]);
    vec![
        whole,
        failed,
        unset,
        record(
            3,
            5,
            "debug",
            Some(V::S("{\"level\":\"debug\",\"n\":5,\"user\":{\"id\":\"u-1\"},\"list\":[1,null]}")),
        ),
        record(4, 24, "FATAL4", Some(V::I(12))),
    ]
}

pub(super) fn logs() -> ExportLogsServiceRequest {
    let of_scope = |scope, log_records| ScopeLogs { scope, log_records, ..ScopeLogs::default() };
    let values = [
        V::D(0.5),
        V::B(true),
        V::Bytes(b"raw"),
        V::L(vec![V::S("ann@example.org"), V::I(1), V::M(vec![("password", V::S("swordfish"))])]),
        V::S(""),
    ];
    let odd = (10..).zip(values).map(|(number, body)| record(number, 13, "Warn", Some(body)));
    let of_shop = ResourceLogs {
        resource: shop(),
        scope_logs: vec![of_scope(scope("shop.logger", "1.4"), shop_records())],
        schema_url: "https://opentelemetry.io/schemas/1.26.0".to_owned(),
    };
    let of_billing = ResourceLogs {
        resource: billing(),
        scope_logs: vec![of_scope(None, odd.collect())],
        ..ResourceLogs::default()
    };
    let of_nobody = ResourceLogs {
        scope_logs: vec![of_scope(None, vec![record(20, 1, "", Some(V::S("orphan")))])],
        ..ResourceLogs::default()
    };
    ExportLogsServiceRequest { resource_logs: vec![of_shop, of_billing, of_nobody] }
}
