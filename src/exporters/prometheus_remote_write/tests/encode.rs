use std::fmt::Write as _;

use bytes::Bytes;
use expect_test::{Expect, expect};
use model::Timestamp;
use prost::Message as _;

use super::super::{
    config::{PrometheusRemoteWriteConfig, ProtobufMessage},
    convert::{Converted, Converter},
    encode::{Counts, Options, encode},
    messages::{Histogram, v1, v2},
    spread::Spreader,
};
use crate::prometheus_names::{
    Series,
    testing::{
        AT_MS, SHOP, START_MS, example, explicit, exponential, exponential_histogram, gauge, histogram,
        later, metric, number, request, sum, summary,
    },
};

const NOW: Timestamp = Timestamp::from_millis(AT_MS);

fn convert(config: &PrometheusRemoteWriteConfig, request: &Bytes) -> Converted {
    Converter::new(config, Timestamp::from_millis(START_MS - 1)).convert(request, NOW)
}

fn options(message: ProtobufMessage) -> Options {
    Options { message, max_bytes: 3_000_000, custom_buckets: false, send_metadata: false }
}

fn decode(series: &[Series], options: Options) -> (Bytes, Counts) {
    let request = encode(series, options, &mut Spreader::default()).unwrap();
    (snap::raw::Decoder::new().decompress_vec(&request.body).unwrap().into(), request.counts)
}

fn at(ms: i64) -> i64 {
    if ms == 0 { 0 } else { ms - AT_MS as i64 }
}

fn native_text(h: &Histogram) -> String {
    let spans: Vec<_> = h.positive_spans.iter().map(|s| (s.offset, s.length)).collect();
    format!(
        "{:?} sum={} schema={} zero={:?}<{:e} {spans:?} {:?} custom={:?} hint={} @{} since {}",
        h.count.unwrap(),
        h.sum,
        h.schema,
        h.zero_count.unwrap(),
        h.zero_threshold,
        h.positive_deltas,
        h.custom_values,
        h.reset_hint,
        at(h.timestamp),
        at(h.start_timestamp)
    )
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn v1_text(body: &[u8]) -> String {
    let request = v1::WriteRequest::decode(body).unwrap();
    let labels = |labels: &[v1::Label]| {
        let pairs: Vec<String> =
            labels.iter().map(|l| format!("{}={:?}", text(&l.name), text(&l.value))).collect();
        pairs.join(",")
    };
    let mut out = String::new();
    for series in &request.timeseries {
        writeln!(out, "{{{}}}", labels(&series.labels)).unwrap();
        for sample in &series.samples {
            writeln!(out, "  {} @{}", sample.value, at(sample.timestamp)).unwrap();
        }
        for histogram in &series.histograms {
            writeln!(out, "  {}", native_text(histogram)).unwrap();
        }
        for exemplar in &series.exemplars {
            writeln!(
                out,
                "  # {} {{{}}} @{}",
                exemplar.value,
                labels(&exemplar.labels),
                at(exemplar.timestamp)
            )
            .unwrap();
        }
    }
    for meta in &request.metadata {
        let (name, help, unit) = (text(&meta.metric_family_name), text(&meta.help), text(&meta.unit));
        writeln!(out, "type {} {name}: {help} [{unit}]", meta.r#type).unwrap();
    }
    out
}

fn v2_text(body: &[u8]) -> String {
    let request = v2::Request::decode(body).unwrap();
    assert_eq!(request.symbols[0], "");
    let mut distinct = request.symbols.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), request.symbols.len(), "every string stands once");
    let symbol = |at: u32| text(&request.symbols[at as usize]);
    let labels = |refs: &[u32]| {
        let pairs: Vec<String> =
            refs.chunks(2).map(|p| format!("{}={:?}", symbol(p[0]), symbol(p[1]))).collect();
        pairs.join(",")
    };
    let mut out = String::new();
    for series in &request.timeseries {
        let meta = series.metadata.unwrap();
        writeln!(
            out,
            "{{{}}} type {} {} [{}]",
            labels(&series.labels_refs),
            meta.r#type,
            symbol(meta.help_ref),
            symbol(meta.unit_ref)
        )
        .unwrap();
        for sample in &series.samples {
            writeln!(
                out,
                "  {} @{} since {}",
                sample.value,
                at(sample.timestamp),
                at(sample.start_timestamp)
            )
            .unwrap();
        }
        for histogram in &series.histograms {
            writeln!(out, "  {}", native_text(histogram)).unwrap();
        }
        for exemplar in &series.exemplars {
            let labels = labels(&exemplar.labels_refs);
            writeln!(out, "  # {} {{{labels}}} @{}", exemplar.value, at(exemplar.timestamp)).unwrap();
        }
    }
    out
}

fn everything() -> Bytes {
    let mut calls = number(3.0, &[("Verb", "GET")]);
    calls.exemplars = vec![example(1.0, 0xab, &[])];
    let mut wait = explicit(&[0.1, 1.0, 10.0], &[1, 2, 0, 3], 40.5, &[]);
    wait.exemplars =
        vec![example(50.0, 4, &[]), example(0.1, 1, &[]), example(0.11, 2, &[]), example(f64::NAN, 5, &[])];
    let mut size = exponential(9, 4, &[1, 2, 3], 7.0, &[]);
    size.exemplars = vec![example(1.0, 0xab, &[])];
    request(vec![(
        SHOP,
        vec![
            metric("calls", "", sum(vec![calls, later(number(4.0, &[("Verb", "GET")]), 1_000)])),
            metric("load", "1", gauge(vec![number(f64::INFINITY, &[])])),
            metric("wait", "s", histogram(vec![wait])),
            metric("size", "By", exponential_histogram(vec![size])),
            metric("lag", "ms", summary(&[(0.5, 1.0), (1.0, 9.0)], 10, 20.0, &[])),
        ],
    )])
}

fn check_v1(config: &PrometheusRemoteWriteConfig, request: &Bytes, expected: Expect) -> Counts {
    let options = Options { send_metadata: config.send_metadata, ..options(ProtobufMessage::V1) };
    let (body, counts) = decode(&convert(config, request).series, options);
    expected.assert_eq(&v1_text(&body));
    counts
}

#[test]
fn version_1_spreads_histograms_over_series_in_the_order_of_their_names() {
    let config = PrometheusRemoteWriteConfig { send_metadata: true, ..Default::default() };
    let counts = check_v1(
        &config,
        &everything(),
        expect![[r#"
        {Verb="GET",__name__="calls_total",instance="a",job="shop"}
          3 @0
          4 @1000
          # 1 {span_id="abababababababab",trace_id="abababababababababababababababab"} @-1000
        {__name__="load_ratio",instance="a",job="shop"}
          inf @0
        {__name__="wait_seconds_bucket",instance="a",job="shop",le="0.1"}
          1 @0
          # 0.1 {span_id="0101010101010101",trace_id="01010101010101010101010101010101"} @-1000
        {__name__="wait_seconds_bucket",instance="a",job="shop",le="1"}
          3 @0
          # 0.11 {span_id="0202020202020202",trace_id="02020202020202020202020202020202"} @-1000
        {__name__="wait_seconds_bucket",instance="a",job="shop",le="10"}
          3 @0
        {__name__="wait_seconds_bucket",instance="a",job="shop",le="+Inf"}
          6 @0
          # 50 {span_id="0404040404040404",trace_id="04040404040404040404040404040404"} @-1000
          # NaN {span_id="0505050505050505",trace_id="05050505050505050505050505050505"} @-1000
        {__name__="wait_seconds_sum",instance="a",job="shop"}
          40.5 @0
        {__name__="wait_seconds_count",instance="a",job="shop"}
          6 @0
        {__name__="size_bytes",instance="a",job="shop"}
          Int(6) sum=7 schema=8 zero=Int(0)<1e-128 [(3, 2)] [3, 0] custom=[] hint=0 @0 since 0
          # 1 {span_id="abababababababab",trace_id="abababababababababababababababab"} @-1000
        {__name__="lag_milliseconds",instance="a",job="shop",quantile="0.5"}
          1 @0
        {__name__="lag_milliseconds",instance="a",job="shop",quantile="1"}
          9 @0
        {__name__="lag_milliseconds_sum",instance="a",job="shop"}
          20 @0
        {__name__="lag_milliseconds_count",instance="a",job="shop"}
          10 @0
        type 1 calls_total: Help of calls. []
        type 2 load_ratio: Help of load. []
        type 3 wait_seconds: Help of wait. [seconds]
        type 3 size_bytes: Help of size. [bytes]
        type 5 lag_milliseconds: Help of lag. [milliseconds]
    "#]],
    );
    assert_eq!(
        counts,
        Counts { series: 5, points: 6, time_series: 13, samples: 13, histograms: 1, exemplars: 6 }
    );
}

#[test]
fn version_2_carries_metadata_and_start_times() {
    let (body, counts) = decode(
        &convert(&PrometheusRemoteWriteConfig::default(), &everything()).series,
        options(ProtobufMessage::V2),
    );
    expect![[r#"
        {Verb="GET",__name__="calls_total",instance="a",job="shop"} type 1 Help of calls. []
          3 @0 since -60000
          4 @1000 since -60000
          # 1 {span_id="abababababababab",trace_id="abababababababababababababababab"} @-1000
        {__name__="load_ratio",instance="a",job="shop"} type 2 Help of load. []
          inf @0 since 0
        {__name__="wait_seconds_bucket",instance="a",job="shop",le="0.1"} type 3 Help of wait. [seconds]
          1 @0 since -60000
          # 0.1 {span_id="0101010101010101",trace_id="01010101010101010101010101010101"} @-1000
        {__name__="wait_seconds_bucket",instance="a",job="shop",le="1"} type 3 Help of wait. [seconds]
          3 @0 since -60000
          # 0.11 {span_id="0202020202020202",trace_id="02020202020202020202020202020202"} @-1000
        {__name__="wait_seconds_bucket",instance="a",job="shop",le="10"} type 3 Help of wait. [seconds]
          3 @0 since -60000
        {__name__="wait_seconds_bucket",instance="a",job="shop",le="+Inf"} type 3 Help of wait. [seconds]
          6 @0 since -60000
          # 50 {span_id="0404040404040404",trace_id="04040404040404040404040404040404"} @-1000
          # NaN {span_id="0505050505050505",trace_id="05050505050505050505050505050505"} @-1000
        {__name__="wait_seconds_sum",instance="a",job="shop"} type 3 Help of wait. [seconds]
          40.5 @0 since -60000
        {__name__="wait_seconds_count",instance="a",job="shop"} type 3 Help of wait. [seconds]
          6 @0 since -60000
        {__name__="size_bytes",instance="a",job="shop"} type 3 Help of size. [bytes]
          Int(6) sum=7 schema=8 zero=Int(0)<1e-128 [(3, 2)] [3, 0] custom=[] hint=0 @0 since -60000
          # 1 {span_id="abababababababab",trace_id="abababababababababababababababab"} @-1000
        {__name__="lag_milliseconds",instance="a",job="shop",quantile="0.5"} type 5 Help of lag. [milliseconds]
          1 @0 since -60000
        {__name__="lag_milliseconds",instance="a",job="shop",quantile="1"} type 5 Help of lag. [milliseconds]
          9 @0 since -60000
        {__name__="lag_milliseconds_sum",instance="a",job="shop"} type 5 Help of lag. [milliseconds]
          20 @0 since -60000
        {__name__="lag_milliseconds_count",instance="a",job="shop"} type 5 Help of lag. [milliseconds]
          10 @0 since -60000
    "#]].assert_eq(&v2_text(&body));
    assert_eq!(counts.samples, 13);
}

#[test]
fn version_2_can_carry_chosen_bounds_in_native_histograms() {
    let wait = request(vec![(
        &[],
        vec![metric("wait", "s", histogram(vec![explicit(&[0.1, 1.0], &[1, 0, 3], 4.5, &[])]))],
    )]);
    let options = Options { custom_buckets: true, ..options(ProtobufMessage::V2) };
    let (body, _) = decode(&convert(&PrometheusRemoteWriteConfig::default(), &wait).series, options);
    expect![[r#"
        {__name__="wait_seconds"} type 3 Help of wait. [seconds]
          Int(4) sum=4.5 schema=-53 zero=Int(0)<0e0 [(0, 3)] [1, -1, 3] custom=[0.1, 1.0] hint=0 @0 since -60000
    "#]].assert_eq(&v2_text(&body));
}

#[test]
fn a_series_that_has_ended_is_marked_in_all_its_series() {
    let mut gone = number(0.0, &[]);
    gone.flags = 1;
    let mut wait = explicit(&[1.0], &[], 0.0, &[]);
    wait.flags = 1;
    let mut size = exponential(0, 0, &[], 0.0, &[]);
    size.flags = 1;
    let all = request(vec![(
        &[],
        vec![
            metric("g", "", gauge(vec![gone])),
            metric("h", "", histogram(vec![wait])),
            metric("e", "", exponential_histogram(vec![size])),
        ],
    )]);
    let (body, _) =
        decode(&convert(&PrometheusRemoteWriteConfig::default(), &all).series, options(ProtobufMessage::V1));
    let request = v1::WriteRequest::decode(body).unwrap();
    let samples: Vec<u64> =
        request.timeseries.iter().flat_map(|s| &s.samples).map(|s| s.value.to_bits()).collect();
    assert_eq!(samples, [0x7ff0_0000_0000_0002; 5]);
    let histograms: Vec<u64> =
        request.timeseries.iter().flat_map(|s| &s.histograms).map(|h| h.sum.to_bits()).collect();
    assert_eq!(histograms, [0x7ff0_0000_0000_0002]);
}

#[test]
fn requests_are_cut_at_the_size_and_lose_nothing() {
    let points = (0..200).map(|n| number(f64::from(n), &[("n", &n.to_string())])).collect();
    let all = request(vec![(SHOP, vec![metric("g", "", gauge(points))])]);
    let series = convert(&PrometheusRemoteWriteConfig::default(), &all).series;
    for message in [ProtobufMessage::V1, ProtobufMessage::V2] {
        let options = Options { max_bytes: 2_000, ..options(message) };
        let (mut done, mut text, mut requests) = (0, String::new(), 0);
        while done < series.len() {
            let (body, counts) = decode(&series[done..], options);
            assert!(body.len() <= 2_000, "{} bytes", body.len());
            text += &if message == ProtobufMessage::V1 { v1_text(&body) } else { v2_text(&body) };
            done += counts.series;
            requests += 1;
        }
        assert!(requests > 3, "{requests}");
        for n in 0..200 {
            assert_eq!(text.matches(&format!("n=\"{n}\"")).count(), 1);
        }
    }
}

#[test]
fn a_series_larger_than_a_request_is_sent_all_the_same() {
    let all =
        request(vec![(SHOP, vec![metric("g", "", gauge(vec![number(1.0, &[("a", &"x".repeat(500))])]))])]);
    let series = convert(&PrometheusRemoteWriteConfig::default(), &all).series;
    let (body, counts) = decode(&series, Options { max_bytes: 10, ..options(ProtobufMessage::V1) });
    assert_eq!(counts.series, 1);
    assert!(body.len() > 500);
}

#[test]
fn histograms_too_coarse_for_prometheus_are_counted() {
    let all = request(vec![(
        &[],
        vec![metric("e", "", exponential_histogram(vec![exponential(-5, 0, &[1], 1.0, &[])]))],
    )]);
    let converted = convert(&PrometheusRemoteWriteConfig::default(), &all);
    assert_eq!(converted.dropped.message(), "data points dropped: 1 scale_too_coarse");
    assert!(converted.series.is_empty());
}

#[test]
fn a_resource_is_not_described_again_for_an_earlier_time() {
    let mut converter = Converter::new(&PrometheusRemoteWriteConfig::default(), NOW);
    let mut described = |by_ms| {
        let resource: &[_] = &[("service.name", "shop"), ("pod", "a")];
        let all =
            request(vec![(resource, vec![metric("g", "", gauge(vec![later(number(1.0, &[]), by_ms)]))])]);
        converter.convert(&all, NOW).series.len() - 1
    };
    assert_eq!([described(5_000), described(5_000), described(0), described(6_000)], [1, 0, 0, 1]);
}

#[test]
fn a_new_counter_begins_with_a_zero_where_that_can_be_right() {
    let config = PrometheusRemoteWriteConfig { initial_zero_samples: true, ..Default::default() };
    let mut converter = Converter::new(&config, Timestamp::from_millis(START_MS));
    let mut samples = |start_ms: u64, by_ms| {
        let mut point = later(number(3.0, &[]), by_ms);
        point.start_time_unix_nano = start_ms * 1_000_000;
        let series =
            converter.convert(&request(vec![(&[], vec![metric("c", "", sum(vec![point]))])]), NOW).series;
        series[0].samples.iter().map(|sample| at(sample.at_ms)).collect::<Vec<_>>()
    };
    assert_eq!(samples(START_MS, 0), [-60_000, 0], "new");
    assert_eq!(samples(START_MS, 1_000), [1_000], "known");
    assert_eq!(samples(AT_MS + 2_000, 3_000), [2_000, 3_000], "began again");
    assert_eq!(samples(AT_MS + 2_500, 4_000), [4_000], "a start before the last sample");
    let mut other = Converter::new(&config, NOW);
    let old = request(vec![(
        &[],
        vec![metric("c", "", sum(vec![number(3.0, &[])])), metric("g", "", gauge(vec![number(1.0, &[])]))],
    )]);
    let lens: Vec<usize> =
        other.convert(&old, NOW).series.iter().map(|series| series.samples.len()).collect();
    assert_eq!(lens, [1, 1], "begun before this exporter, so others may have written it");
}

#[test]
fn no_label_set_has_two_samples_of_one_time() {
    let all = request(vec![
        (
            &[("service.name", "shop"), ("pod", "a")],
            vec![metric("h", "", histogram(vec![explicit(&[1.0], &[1, 1], 1.0, &[])]))],
        ),
        (
            &[("service.name", "shop"), ("pod", "b")],
            vec![metric("h", "", histogram(vec![explicit(&[1.0], &[1, 1], 1.0, &[])]))],
        ),
        (
            &[("service.name", "shop"), ("pod", "b")],
            vec![metric("h.count", "", gauge(vec![number(1.0, &[])]))],
        ),
        (
            &[("service.name", "shop"), ("pod", "b")],
            vec![metric("h.bucket", "", gauge(vec![number(1.0, &[("le", "1")])]))],
        ),
    ]);
    let (body, _) =
        decode(&convert(&PrometheusRemoteWriteConfig::default(), &all).series, options(ProtobufMessage::V1));
    let mut seen = std::collections::BTreeSet::new();
    for series in v1::WriteRequest::decode(body).unwrap().timeseries {
        for sample in series.samples {
            let labels: Vec<_> = series.labels.iter().map(|l| (l.name.clone(), l.value.clone())).collect();
            assert!(labels.is_sorted());
            assert!(seen.insert((labels.clone(), sample.timestamp)), "{labels:?}");
        }
    }
    assert!(seen.len() >= 6);
}
