//! Many traces and records, whose ids are spread as random ones are: what samplers choose from.

use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::KeyValue,
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status},
};

use super::{
    values::{BASE, MILLISECOND, V, attributes, billing, scope, shop, text_attribute},
    zoo::Telemetry,
};

const N_TRACES: u64 = 160;
const N_RECORDS: u64 = 240;

/// Spreads a number over 64 bits (splitmix64).
fn spread(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn id(number: u64) -> Vec<u8> {
    [spread(2 * number + 1).to_be_bytes(), spread(2 * number + 2).to_be_bytes()].concat()
}

pub(super) fn crowd() -> Telemetry {
    Telemetry { traces: vec![traces(0), traces(1)], metrics: Vec::new(), logs: vec![logs()] }
}

/// What the tracestate of a trace says: usually nothing, else thresholds, randomness, or what can not be read.
fn trace_state(number: u64) -> &'static str {
    match number % 16 {
        3 => "ot=th:8",
        5 => "ot=th:c;rv:abcdef01234567,vendor=1",
        7 => "ot=rv:80000000000000",
        9 => "vendor=1",
        11 => "ot=th:0",
        13 => "ot=what:ever;th:f",
        _ => "",
    }
}

fn attributes_of(trace: u64, place: u64) -> Vec<KeyValue> {
    let mut of = match trace % 9 {
        1 => attributes([("http.response.status_code", V::I(500 + i64::from(u8::from(place == 0))))]),
        2 => attributes([("cache.hit", V::B(place == 0))]),
        3 => attributes([("sampling.priority", V::I(1))]),
        4 => attributes([("sampling.priority", V::I(0))]),
        5 => attributes([("http.route", V::S("/orders/{id}")), ("retries", V::I(-2))]),
        6 => attributes([("http.route", V::S("/healthz"))]),
        _ => Vec::new(),
    };
    of.push(text_attribute("user.id", format!("u-{}", trace % 20)));
    of
}

fn spans_of(trace: u64, half: u64) -> Vec<Span> {
    let n_spans = 1 + trace % 5;
    let places = (0..n_spans).filter(|place| place % 2 == half);
    let span = |place: u64| {
        let start = BASE + trace * MILLISECOND + place * 100 * MILLISECOND;
        Span {
            trace_id: id(trace),
            span_id: spread(trace * 10 + place + 1).to_be_bytes().to_vec(),
            parent_span_id: if place == 0 {
                Vec::new()
            } else {
                spread(trace * 10 + 1).to_be_bytes().to_vec()
            },
            name: ["GET /", "SELECT", "publish", "render", "poll"][usize::try_from(place).expect("a place")]
                .to_owned(),
            kind: i32::try_from(place).expect("a kind") + 1,
            trace_state: trace_state(trace).to_owned(),
            flags: u32::from(trace.is_multiple_of(4)),
            start_time_unix_nano: start,
            end_time_unix_nano: start + (trace % 30) * (trace % 30) * MILLISECOND,
            attributes: attributes_of(trace, place),
            status: Some(Status {
                code: i32::from(trace.is_multiple_of(7) && place == n_spans - 1) * 2
                    + i32::from(trace % 7 == 1),
                message: String::new(),
            }),
            ..Span::default()
        }
    };
    places.map(span).collect()
}

/// Every second span of each trace, in two services.
fn traces(half: u64) -> ExportTraceServiceRequest {
    let of = |resource, rest: u64| {
        let traces = (0..N_TRACES).filter(|trace| trace % 3 == 0 || trace % 2 == rest);
        let in_half = |trace: u64| spans_of(trace, half).into_iter();
        let spans: Vec<Span> = traces
            .flat_map(in_half)
            .filter(|span| {
                (span.kind % 2 == i32::from(rest == 0)) || !span.start_time_unix_nano.is_multiple_of(3)
            })
            .collect();
        let scope_spans = vec![ScopeSpans { scope: scope("crowd", "1"), spans, ..ScopeSpans::default() }];
        ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }
    };
    ExportTraceServiceRequest { resource_spans: vec![of(shop(), 0), of(billing(), 1)] }
}

fn record(number: u64) -> LogRecord {
    let mut of = match number % 6 {
        1 => attributes([("priority", V::I(100))]),
        2 => attributes([("priority", V::D(30.0))]),
        3 => attributes([("sampling.threshold", V::S("8")), ("sampling.randomness", V::S("c0000000000000"))]),
        4 => attributes([("sampling.randomness", V::S("10000000000000")), ("priority", V::I(0))]),
        _ => Vec::new(),
    };
    of.push(text_attribute("user.id", format!("u-{}", number % 40)));
    LogRecord {
        time_unix_nano: BASE + number * MILLISECOND,
        severity_number: 9,
        body: Some(V::S("a record").any()),
        trace_id: if number.is_multiple_of(5) { Vec::new() } else { id(number) },
        attributes: of,
        ..LogRecord::default()
    }
}

fn logs() -> ExportLogsServiceRequest {
    let log_records = (0..N_RECORDS).map(record).collect();
    let scope_logs = vec![ScopeLogs { scope: scope("crowd", "1"), log_records, ..ScopeLogs::default() }];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource: shop(), scope_logs, ..ResourceLogs::default() }],
    }
}
