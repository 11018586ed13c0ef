use component::testing::Harness;
use expect_test::{Expect, expect};
use model::Payload;
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    trace::v1::Span,
};
use prost::Message;

use super::{ProbabilisticSampler, ProbabilisticSamplerConfig};
use crate::testing::*;

/// What the collector's processor (0.155) makes of single spans and records, by configuration.
const VECTORS: &str = include_str!("vectors.txt");

fn harness(config: ProbabilisticSamplerConfig) -> Harness {
    Harness::new::<ProbabilisticSampler>(&config, 1, T0)
}

/// Reads `T percentage seed "mode" fail_closed precision` or `L percentage seed "mode" fail_closed source from priority`.
fn config_of(line: &str) -> ProbabilisticSamplerConfig {
    let words: Vec<&str> = line.split(' ').collect();
    let mut config = ProbabilisticSamplerConfig {
        sampling_percentage: words[1].parse().unwrap(),
        hash_seed: words[2].parse().unwrap(),
        mode: words[3].trim_matches('"').to_owned(),
        fail_closed: words[4].parse().unwrap(),
        ..ProbabilisticSamplerConfig::default()
    };
    match words[0] {
        "T" => config.sampling_precision = words[5].parse().unwrap(),
        _ => {
            config.attribute_source = words[5].to_owned();
            config.from_attribute = words[6].to_owned();
            config.sampling_priority = words[7].to_owned();
        }
    }
    config
}

/// The priority of a vector, whose kind its place tells.
fn priority(number: usize, written: &str) -> Vec<KeyValue> {
    let value = match (number, written) {
        (_, "<nil>") => return Vec::new(),
        (37 | 38, _) => Value::DoubleValue(written.parse().unwrap()),
        (39..=42, _) => Value::StringValue(written.to_owned()),
        (43, _) => Value::BoolValue(true),
        _ => Value::IntValue(written.parse().unwrap()),
    };
    vec![attribute("sampling.priority", value)]
}

fn sections(kind: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in VECTORS.lines() {
        match line.strip_prefix("  ") {
            Some(line) => sections.last_mut().unwrap().1.push(line),
            None => sections.push((line, Vec::new())),
        }
    }
    sections.retain(|(head, _)| head.starts_with(kind));
    sections
}

#[test]
fn spans_are_kept_and_marked_as_by_the_collector() {
    let mut n_vectors = 0;
    for (head, lines) in sections("T") {
        let mut harness = harness(config_of(head));
        for (number, line) in lines.iter().enumerate() {
            let [trace, state, prio, expected] = line.split('|').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let attributes = priority(number, prio);
            let span = Span {
                trace_id: of_hex(trace),
                span_id: vec![1; 8],
                trace_state: state.to_owned(),
                name: "n".to_owned(),
                attributes,
                ..Span::default()
            };
            let out = push(&mut harness, 0, &of_service("s", vec![span.clone()]));
            let told = out.first().map_or("-".to_owned(), |payload| {
                let request = payload.bytes().unwrap().clone();
                let request = ExportTraceServiceRequest::decode(request).unwrap();
                let kept = request.resource_spans[0].scope_spans[0].spans[0].clone();
                let told = format!("+{}", kept.trace_state);
                assert_eq!(Span { trace_state: state.to_owned(), ..kept }, span, "nothing else changes");
                told
            });
            assert_eq!(told, expected, "{head}: line {number}: {line}");
            n_vectors += 1;
        }
    }
    assert!(n_vectors > 500);
}

#[test]
fn log_records_are_kept_and_marked_as_by_the_collector() {
    let int = |key: &str, number| attribute(key, Value::IntValue(number));
    let attributes = [
        vec![],
        vec![text("rec", "a")],
        vec![int("rec", 7)],
        vec![attribute("rec", Value::BytesValue(vec![1, 2]))],
        vec![int("prio", 80)],
        vec![attribute("prio", Value::DoubleValue(12.5)), text("rec", "b")],
        vec![text("sampling.threshold", "8")],
        vec![text("sampling.threshold", "zz")],
        vec![text("sampling.randomness", "abcdefabcdefab")],
        vec![text("sampling.randomness", "f0000000000000"), text("sampling.threshold", "c")],
        vec![int("sampling.randomness", 3)],
        vec![int("prio", 100)],
        vec![int("prio", 101)],
        vec![text("rec", "")],
    ];
    let mut n_vectors = 0;
    for (head, lines) in sections("L") {
        let mut harness = harness(config_of(head));
        for line in lines {
            let [trace, number, expected] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let record = LogRecord {
                trace_id: of_hex(trace),
                attributes: attributes[number.parse::<usize>().unwrap()].clone(),
                ..LogRecord::default()
            };
            let scope_logs = vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }];
            let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
            let request = ExportLogsServiceRequest { resource_logs };
            let out = harness.push(0, Payload::Logs(request.encode_to_vec().into()), 1);
            let told = out.first().map_or("-".to_owned(), |payload| {
                let request = ExportLogsServiceRequest::decode(payload.bytes().unwrap().clone()).unwrap();
                let kept = &request.resource_logs[0].scope_logs[0].log_records[0];
                let said = |key: &str| {
                    let found = kept.attributes.iter().find(|it| it.key == key);
                    found.map(value_text).unwrap_or_default()
                };
                format!("+{},{}", said("sampling.randomness"), said("sampling.threshold"))
            });
            assert_eq!(told, expected, "{head}: {line}");
            n_vectors += 1;
        }
    }
    assert!(n_vectors > 200);
}

fn spans_of(n: u64) -> Vec<Span> {
    let trace = |n: u64| u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes().to_vec();
    (1..=n).map(|n| Span { trace_id: trace(n), ..span("a", 1, 0, 1, vec![]) }).collect()
}

#[test]
fn about_the_asked_share_is_kept_and_the_rest_is_counted() {
    for mode in ["hash_seed", "equalizing", "proportional"] {
        let config = ProbabilisticSamplerConfig {
            sampling_percentage: 10.0,
            mode: mode.to_owned(),
            ..ProbabilisticSamplerConfig::default()
        };
        let mut harness = harness(config);
        let out = push(&mut harness, 0, &of_service("s", spans_of(4000)));
        let [Payload::Traces(traces)] = &out[..] else { panic!("one request comes out") };
        assert!(traces.is_unread(), "the table is of other bytes");
        let request = ExportTraceServiceRequest::decode(traces.bytes.clone()).unwrap();
        let kept = request.resource_spans[0].scope_spans[0].spans.len() as u64;
        assert!((300..500).contains(&kept), "{mode}: {kept}");
        assert_eq!(harness.bench.rejected, [(4000 - kept, "not_sampled")]);
        let rows = harness.telemetry.read();
        let count = |sampled: &str| {
            let is_so =
                |labels: &component::Labels| labels.iter().any(|it| it.0 == "sampled" && it.1 == sampled);
            rows.iter()
                .filter(|row| row.name.contains("traces") && is_so(&row.labels))
                .map(|row| row.value)
                .sum::<u64>()
        };
        assert_eq!((count("true"), count("false")), (kept, 4000 - kept));
    }
}

#[test]
fn a_request_that_does_not_change_stays_the_same_bytes() {
    let config = ProbabilisticSamplerConfig {
        sampling_percentage: 100.0,
        mode: "equalizing".to_owned(),
        ..ProbabilisticSamplerConfig::default()
    };
    let mut harness = harness(config);
    let spans = spans_of(10).into_iter().map(|span| Span { trace_state: "ot=th:0".to_owned(), ..span });
    let (payload, items) = scanned(&of_service("s", spans.collect()), &harness);
    let at = payload.bytes().unwrap().as_ptr();
    let out = harness.push(0, payload, items);
    assert_eq!(out[0].bytes().unwrap().as_ptr(), at);
    assert!(harness.bench.rejected.is_empty());
}

#[test]
fn a_request_that_loses_everything_ends() {
    let mut harness = harness(ProbabilisticSamplerConfig::default());
    assert!(push(&mut harness, 0, &of_service("s", spans_of(3))).is_empty());
    assert_eq!(harness.bench.rejected, [(3, "not_sampled")]);
}

fn problems(yaml: &str, expected: Expect) {
    expected.assert_eq(&problems_of::<ProbabilisticSampler>(yaml));
}

#[test]
fn every_problem_is_told_at_once() {
    problems("sampling_percentage: 25\nmode: equalizing\n", expect![[""]]);
    problems(
        "sampling_percentage: -3\nmode: equalising\nsampling_precision: 15\nattribute_source: traceid\n",
        expect![[r#"
            error at sampling_percentage: sampling_percentage is -3, must not be negative
            error at mode: "equalising" is no mode, did you mean "equalizing"? write one of hash_seed, proportional, equalizing
            error at sampling_precision: sampling_precision is 15, must be from 1 to 14 digits
            error at attribute_source: "traceid" is no source, did you mean "traceID"? write one of traceID, record
        "#]],
    );
    problems(
        "sampling_percentage: .nan\nattribute_source: record\n",
        expect![[r#"
            error at sampling_percentage: `.nan` is not a finite number
            warning at sampling_percentage: sampling_percentage is 0: nothing is kept but what has a priority; write the share to keep
            warning at attribute_source: attribute_source is record, but no from_attribute is named: no log record can be decided
        "#]],
    );
    problems(
        "sampling_percentage: 0.001\n",
        expect![[r#"
            warning at sampling_percentage: sampling_percentage is 0.001, which hash_seed rounds to nothing; write at least 0.0062 or use mode: equalizing
        "#]],
    );
}
