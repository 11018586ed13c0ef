use std::time::Duration;

use expect_test::{Expect, expect};
use model::Timestamp;

use super::super::{
    table::Table,
    text::{Format, write},
};
use crate::prometheus_names::{
    Dropped, Settings, Translator,
    testing::{
        AT_MS, DELTA, START_MS, example, explicit, exponential, exponential_histogram, gauge, histogram,
        histogram_of, later, metric, number, request, settings, sum, sum_of, summary,
    },
};
use bytes::Bytes;

const TEXT: Format = Format { is_open_metrics: false, allows_utf8: false, has_timestamps: false };
const OPEN_METRICS: Format = Format { is_open_metrics: true, ..TEXT };

struct Bed {
    table: Table,
    translator: Translator,
    dropped: Dropped,
    now: Timestamp,
}

impl Bed {
    fn new(capacity: usize) -> Self {
        Self::with(capacity, Settings { takes_deltas: true, ..settings() })
    }

    fn with(capacity: usize, settings: Settings) -> Self {
        let (table, translator) = (Table::new(capacity, Duration::from_secs(300)), Translator::new(settings));
        Self { table, translator, dropped: Dropped::default(), now: Timestamp::from_millis(AT_MS) }
    }

    fn push(&mut self, request: &Bytes) {
        let (points, dropped) = self.translator.translate(request, self.now);
        assert_eq!(dropped, Dropped::default());
        self.table.update(points, self.now, &mut self.dropped);
    }

    fn page(&mut self, format: Format) -> String {
        self.table.expire(self.now);
        write(&self.table, format)
    }
}

fn check(request: &Bytes, format: Format, expected: Expect) {
    let mut bed = Bed::new(1_000);
    bed.push(request);
    let page = bed.page(format);
    assert_eq!(page, bed.page(format), "asking changes nothing");
    expected.assert_eq(&page);
}

fn everything() -> Bytes {
    let mut calls = number(3.0, &[("verb", "GET"), ("quote", "a\"b\\c\nd")]);
    calls.exemplars = vec![example(1.0, 0xab, &[])];
    let mut wait = explicit(&[0.1, 1.0], &[1, 2, 3], 40.5, &[]);
    wait.exemplars = vec![example(0.5, 1, &[]), example(0.6, 2, &[]), example(7.0, 3, &[])];
    let resource: &[_] = &[("service.name", "shop"), ("host.name", "h1")];
    request(vec![(
        resource,
        vec![
            metric("wait", "s", histogram(vec![wait])),
            metric("calls", "", sum(vec![calls])),
            metric(
                "load",
                "1",
                gauge(vec![number(f64::INFINITY, &[("core", "1")]), number(1e-9, &[("core", "0")])]),
            ),
            metric("size", "By", exponential_histogram(vec![exponential(2, 0, &[1, 0, 2], 7.0, &[])])),
            metric("lag", "ms", summary(&[(0.5, 1.0), (1.0, 9.0)], 10, 20.0, &[])),
        ],
    )])
}

#[test]
fn the_text_format_is_sorted_and_plain() {
    check(
        &everything(),
        TEXT,
        expect![[r##"
        # HELP calls_total Help of calls.
        # TYPE calls_total counter
        calls_total{job="shop",quote="a\"b\\c\nd",verb="GET"} 3
        # HELP lag_milliseconds Help of lag.
        # TYPE lag_milliseconds summary
        lag_milliseconds{job="shop",quantile="0.5"} 1
        lag_milliseconds{job="shop",quantile="1"} 9
        lag_milliseconds_sum{job="shop"} 20
        lag_milliseconds_count{job="shop"} 10
        # HELP load_ratio Help of load.
        # TYPE load_ratio gauge
        load_ratio{core="0",job="shop"} 1e-9
        load_ratio{core="1",job="shop"} +Inf
        # HELP size_bytes Help of size.
        # TYPE size_bytes histogram
        size_bytes_bucket{job="shop",le="1.189207115002721"} 1
        size_bytes_bucket{job="shop",le="1.4142135623730951"} 1
        size_bytes_bucket{job="shop",le="1.681792830507429"} 3
        size_bytes_bucket{job="shop",le="+Inf"} 3
        size_bytes_sum{job="shop"} 7
        size_bytes_count{job="shop"} 3
        # HELP target_info Target metadata
        # TYPE target_info gauge
        target_info{host_name="h1",job="shop"} 1
        # HELP wait_seconds Help of wait.
        # TYPE wait_seconds histogram
        wait_seconds_bucket{job="shop",le="0.1"} 1
        wait_seconds_bucket{job="shop",le="1"} 3
        wait_seconds_bucket{job="shop",le="+Inf"} 6
        wait_seconds_sum{job="shop"} 40.5
        wait_seconds_count{job="shop"} 6
    "##]],
    );
}

#[test]
fn open_metrics_has_exemplars_units_creation_times_and_an_end() {
    check(
        &everything(),
        OPEN_METRICS,
        expect![[r##"
        # HELP calls Help of calls.
        # TYPE calls counter
        calls_total{job="shop",quote="a\"b\\c\nd",verb="GET"} 3 # {span_id="abababababababab",trace_id="abababababababababababababababab"} 1 1699999999.000
        calls_created{job="shop",quote="a\"b\\c\nd",verb="GET"} 1699999940.000
        # HELP lag_milliseconds Help of lag.
        # TYPE lag_milliseconds summary
        # UNIT lag_milliseconds milliseconds
        lag_milliseconds{job="shop",quantile="0.5"} 1
        lag_milliseconds{job="shop",quantile="1.0"} 9
        lag_milliseconds_sum{job="shop"} 20
        lag_milliseconds_count{job="shop"} 10
        lag_milliseconds_created{job="shop"} 1699999940.000
        # HELP load_ratio Help of load.
        # TYPE load_ratio gauge
        load_ratio{core="0",job="shop"} 1e-9
        load_ratio{core="1",job="shop"} +Inf
        # HELP size_bytes Help of size.
        # TYPE size_bytes histogram
        # UNIT size_bytes bytes
        size_bytes_bucket{job="shop",le="1.189207115002721"} 1
        size_bytes_bucket{job="shop",le="1.4142135623730951"} 1
        size_bytes_bucket{job="shop",le="1.681792830507429"} 3
        size_bytes_bucket{job="shop",le="+Inf"} 3
        size_bytes_sum{job="shop"} 7
        size_bytes_count{job="shop"} 3
        size_bytes_created{job="shop"} 1699999940.000
        # HELP target_info Target metadata
        # TYPE target_info gauge
        target_info{host_name="h1",job="shop"} 1
        # HELP wait_seconds Help of wait.
        # TYPE wait_seconds histogram
        # UNIT wait_seconds seconds
        wait_seconds_bucket{job="shop",le="0.1"} 1
        wait_seconds_bucket{job="shop",le="1.0"} 3 # {span_id="0202020202020202",trace_id="02020202020202020202020202020202"} 0.6 1699999999.000
        wait_seconds_bucket{job="shop",le="+Inf"} 6 # {span_id="0303030303030303",trace_id="03030303030303030303030303030303"} 7 1699999999.000
        wait_seconds_sum{job="shop"} 40.5
        wait_seconds_count{job="shop"} 6
        wait_seconds_created{job="shop"} 1699999940.000
        # EOF
    "##]],
    );
}

#[test]
fn bounds_are_written_as_go_writes_them() {
    let bounds = [1e-5, 2.5e-5, 0.0001, 0.005, 1.0, 123_456.0, 1e6, 1_234_567.0, 1e22];
    let wait = explicit(&bounds, &[1; 10], 1.0, &[]);
    let mut bed = Bed::new(10);
    bed.push(&request(vec![(&[], vec![metric("h", "", histogram(vec![wait]))])]));
    let mut bounds = |format| -> Vec<String> {
        let page = bed.page(format);
        page.lines()
            .filter_map(|line| Some(line.split_once("le=\"")?.1.split_once('"')?.0.to_owned()))
            .collect()
    };
    let common = ["1e-05", "2.5e-05", "0.0001", "0.005"];
    let rest = ["123456", "1e+06", "1.234567e+06", "1e+22", "+Inf"];
    assert_eq!(bounds(TEXT), [&common[..], &["1"], &rest].concat());
    let rest = ["123456.0", "1e+06", "1.234567e+06", "1e+22", "+Inf"];
    assert_eq!(bounds(OPEN_METRICS), [&common[..], &["1.0"], &rest].concat());
}

#[test]
fn open_metrics_has_no_sum_that_may_fall() {
    let with = explicit(&[-1.0, 1.0], &[1, 2, 3], -4.0, &[]);
    let mut without = explicit(&[1.0], &[1, 2], 0.0, &[("k", "v")]);
    without.sum = None;
    let mut bed = Bed::new(10);
    bed.push(&request(vec![(&[], vec![metric("h", "", histogram(vec![with, without]))])]));
    expect![[r##"
        # HELP h Help of h.
        # TYPE h histogram
        h_bucket{le="-1.0"} 1
        h_bucket{le="1.0"} 3
        h_bucket{le="+Inf"} 6
        h_created 1699999940.000
        h_bucket{k="v",le="1.0"} 1
        h_bucket{k="v",le="+Inf"} 3
        h_created{k="v"} 1699999940.000
        # EOF
    "##]]
    .assert_eq(&bed.page(OPEN_METRICS));
    expect![[r##"
        # HELP h Help of h.
        # TYPE h histogram
        h_bucket{le="-1"} 1
        h_bucket{le="1"} 3
        h_bucket{le="+Inf"} 6
        h_sum -4
        h_count 6
        h_bucket{k="v",le="1"} 1
        h_bucket{k="v",le="+Inf"} 3
        h_count{k="v"} 3
    "##]]
    .assert_eq(&bed.page(TEXT));
}

#[test]
fn an_empty_page_is_legal() {
    assert_eq!(Bed::new(1).page(TEXT), "");
    assert_eq!(Bed::new(1).page(OPEN_METRICS), "# EOF\n");
}

#[test]
fn timestamps_are_sent_on_demand() {
    let one = request(vec![(&[], vec![metric("g", "", gauge(vec![number(1.0, &[])]))])]);
    check(
        &one,
        Format { has_timestamps: true, ..TEXT },
        expect![[r#"
        # HELP g Help of g.
        # TYPE g gauge
        g 1 1700000000000
    "#]],
    );
    check(
        &one,
        Format { has_timestamps: true, ..OPEN_METRICS },
        expect![[r#"
        # HELP g Help of g.
        # TYPE g gauge
        g 1 1700000000.000
        # EOF
    "#]],
    );
}

#[test]
fn names_are_quoted_for_those_who_can_read_it_and_escaped_for_others() {
    let strategy = crate::prometheus_names::TranslationStrategy::NoUTF8EscapingWithSuffixes;
    let mut bed = Bed::with(100, Settings { strategy, ..settings() });
    bed.push(&request(vec![(
        &[],
        vec![
            metric("http.calls", "", sum(vec![number(3.0, &[("http.verb", "GET"), ("http_verb", "PUT")])])),
            metric("http_calls", "", sum(vec![number(4.0, &[])])),
        ],
    )]));
    expect![[r##"
        # HELP "http.calls_total" Help of http.calls.
        # TYPE "http.calls_total" counter
        {"http.calls_total","http.verb"="GET",http_verb="PUT"} 3
        # HELP http_calls_total Help of http_calls.
        # TYPE http_calls_total counter
        http_calls_total 4
    "##]]
    .assert_eq(&bed.page(Format { allows_utf8: true, ..TEXT }));
    expect![[r##"
        # HELP http_calls_total Help of http.calls.
        # TYPE http_calls_total counter
        http_calls_total{http_verb="GET"} 3
    "##]]
    .assert_eq(&bed.page(TEXT));
}

#[test]
fn deltas_add_up() {
    let delta = |value, start_ms: u64, by_ms| {
        let mut point = later(number(value, &[]), by_ms);
        point.start_time_unix_nano = start_ms * 1_000_000;
        let mut buckets = explicit(&[1.0], &[1, 2], value, &[]);
        (buckets.start_time_unix_nano, buckets.time_unix_nano) =
            (point.start_time_unix_nano, point.time_unix_nano);
        request(vec![(
            &[],
            vec![
                metric("calls", "", sum_of(vec![point], DELTA, true)),
                metric("wait", "", histogram_of(vec![buckets], DELTA)),
            ],
        )])
    };
    let mut bed = Bed::new(100);
    bed.push(&delta(3.0, START_MS, 0));
    bed.push(&delta(4.0, AT_MS, 1_000));
    bed.push(&delta(5.0, AT_MS, 500));
    bed.push(&delta(6.0, AT_MS + 500, 1_500));
    expect![[r##"
        # HELP calls Help of calls.
        # TYPE calls counter
        calls_total 7
        calls_created 1699999940.000
        # HELP wait Help of wait.
        # TYPE wait histogram
        wait_bucket{le="1.0"} 2
        wait_bucket{le="+Inf"} 6
        wait_sum 7
        wait_count 6
        wait_created 1699999940.000
        # EOF
    "##]]
    .assert_eq(&bed.page(OPEN_METRICS));
    assert_eq!(bed.dropped.message(), "data points dropped: 4 out_of_order");
}

#[test]
fn a_delta_with_other_bounds_starts_over() {
    let delta = |bounds: &[f64], by_ms: u64| {
        let mut buckets = explicit(bounds, &[1, 2], 3.0, &[]);
        buckets.start_time_unix_nano = (AT_MS + by_ms) * 1_000_000;
        buckets.time_unix_nano = (AT_MS + by_ms + 1_000) * 1_000_000;
        request(vec![(&[], vec![metric("wait", "", histogram_of(vec![buckets], DELTA))])])
    };
    let mut bed = Bed::new(100);
    bed.push(&delta(&[1.0], 0));
    bed.push(&delta(&[2.0], 1_000));
    expect![[r##"
        # HELP wait Help of wait.
        # TYPE wait histogram
        wait_bucket{le="2.0"} 1
        wait_bucket{le="+Inf"} 3
        wait_sum 3
        wait_count 3
        wait_created 1700000001.000
        # EOF
    "##]]
    .assert_eq(&bed.page(OPEN_METRICS));
}

#[test]
fn sources_with_the_same_labels_are_added_and_the_latest_gauge_wins() {
    let from = |pod, value, by_ms| {
        let resource: &[_] = &[("pod", pod)];
        request(vec![(
            resource,
            vec![
                metric("calls", "", sum(vec![later(number(value, &[]), by_ms)])),
                metric("load", "", gauge(vec![later(number(value, &[]), by_ms)])),
            ],
        )])
    };
    let mut bed = Bed::new(100);
    bed.push(&from("a", 3.0, 500));
    bed.push(&from("b", 4.0, 0));
    bed.push(&from("b", 5.0, 100));
    expect![[r#"
        # HELP calls_total Help of calls.
        # TYPE calls_total counter
        calls_total 8
        # HELP load Help of load.
        # TYPE load gauge
        load 3
    "#]]
    .assert_eq(&bed.page(TEXT));
    assert_eq!(bed.dropped, Dropped::default());
}

#[test]
fn older_values_do_not_replace_newer_ones() {
    let load = |value, by_ms| {
        request(vec![(&[], vec![metric("load", "", gauge(vec![later(number(value, &[]), by_ms)]))])])
    };
    let mut bed = Bed::new(100);
    bed.push(&load(3.0, 500));
    bed.push(&load(4.0, 400));
    assert!(bed.page(TEXT).ends_with("load 3\n"));
    assert_eq!(bed.dropped.message(), "data points dropped: 1 out_of_order");
}

#[test]
fn what_is_not_updated_is_forgotten() {
    let load = |pairs| request(vec![(&[], vec![metric("load", "", gauge(vec![number(1.0, pairs)]))])]);
    let mut bed = Bed::new(100);
    bed.push(&load(&[("core", "0")]));
    bed.now = Timestamp::from_millis(AT_MS + 200_000);
    bed.push(&load(&[("core", "1")]));
    bed.now = Timestamp::from_millis(AT_MS + 300_000);
    assert_eq!(bed.page(TEXT).matches("load{").count(), 2);
    bed.now = Timestamp::from_millis(AT_MS + 300_001);
    let page = bed.page(TEXT);
    assert!(page.contains("core=\"1\"") && !page.contains("core=\"0\""), "{page}");
    assert_eq!(bed.table.len(), 1);
}

#[test]
fn a_series_that_says_it_has_ended_is_forgotten() {
    let load = |flags| {
        let mut point = number(1.0, &[]);
        point.flags = flags;
        request(vec![(&[], vec![metric("load", "", gauge(vec![point]))])])
    };
    let mut bed = Bed::new(100);
    bed.push(&load(0));
    bed.push(&load(1));
    assert_eq!((bed.table.len(), bed.page(TEXT)), (0, String::new()));
}

#[test]
fn more_series_than_fit_are_counted() {
    let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let points: Vec<_> = names.iter().map(|n| number(1.0, &[("n", n.as_str())])).collect();
    let all = request(vec![(&[], vec![metric("load", "", gauge(points))])]);
    let mut bed = Bed::new(4);
    bed.push(&all);
    bed.push(&all);
    assert_eq!(bed.table.len(), 4);
    assert_eq!(bed.dropped.message(), "data points dropped: 12 series_limit");
    assert_eq!(bed.page(TEXT).matches("load{").count(), 4);
}

#[test]
fn a_metric_of_another_type_under_the_same_name_is_counted() {
    let mut bed = Bed::new(100);
    bed.push(&request(vec![(
        &[],
        vec![
            metric("wait", "", histogram(vec![explicit(&[1.0], &[1, 2], 3.0, &[])])),
            metric("wait", "", gauge(vec![number(1.0, &[])])),
            metric("wait_count", "", gauge(vec![number(1.0, &[])])),
            metric("lag_sum", "", gauge(vec![number(1.0, &[])])),
            metric("lag", "", summary(&[], 1, 1.0, &[])),
        ],
    )]));
    assert_eq!(bed.dropped.message(), "data points dropped: 3 conflicting");
    assert_eq!(bed.table.len(), 2);
}

/// Reads what stands between quotes, as a scraper does.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(match chars.next().unwrap() {
                'n' => '\n',
                other => other,
            }),
            other => out.push(other),
        }
    }
    out
}

proptest::proptest! {
    #[test]
    fn any_label_value_can_be_read_back(value in "[a\\\\\"\n{},=# é]{1,12}") {
        let one = request(vec![(&[], vec![metric("g", "", gauge(vec![number(1.0, &[("k", &value)])]))])]);
        for format in [TEXT, OPEN_METRICS] {
            let mut bed = Bed::new(10);
            bed.push(&one);
            let page = bed.page(format);
            let line = page.lines().find(|line| line.starts_with("g{")).unwrap();
            let quoted = line.strip_prefix("g{k=\"").unwrap().strip_suffix("\"} 1").unwrap();
            proptest::prop_assert_eq!(unescape(quoted), value.clone());
        }
    }

    #[test]
    fn any_metric_name_stays_on_its_line(name in ".{1,12}", allows_utf8 in proptest::bool::ANY) {
        let strategy = crate::prometheus_names::TranslationStrategy::NoTranslation;
        let mut bed = Bed::with(10, Settings { strategy, ..settings() });
        bed.push(&request(vec![(&[], vec![metric(&name, "", gauge(vec![number(1.0, &[("k", "v")])]))])]));
        let page = bed.page(Format { allows_utf8, ..TEXT });
        proptest::prop_assert!(page.is_empty() || page.trim_end_matches('\n').split('\n').count() == 3, "{page:?}");
    }
}
