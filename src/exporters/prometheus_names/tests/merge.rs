use bytes::Bytes;
use expect_test::{Expect, expect};
use model::Timestamp;
use opentelemetry_proto::tonic::metrics::v1::NumberDataPoint;

use crate::prometheus_names::{
    Merged, Translator, merge,
    testing::{
        AT_MS, SHOP, explicit, exponential, exponential_histogram, gauge, histogram, later, metric, number,
        request, series_text, settings, sum, summary,
    },
};

fn check(request: &Bytes, expected: Expect) -> Merged {
    let (points, _) = Translator::new(settings()).translate(request, Timestamp::from_millis(AT_MS));
    let (series, merged) = merge(points);
    expected.assert_eq(&series_text(&series));
    merged
}

const POD_A: &[(&str, &str)] = &[("service.name", "shop"), ("pod", "a")];
const POD_B: &[(&str, &str)] = &[("service.name", "shop"), ("pod", "b")];

#[test]
fn points_of_one_source_stay_apart_and_in_order() {
    let calls = |point| (SHOP, vec![metric("calls", "", sum(vec![point]))]);
    let all = request(vec![
        calls(later(number(5.0, &[]), 2_000)),
        calls(number(3.0, &[])),
        calls(later(number(6.0, &[]), 2_000)),
    ]);
    let merged = check(
        &all,
        expect![[r#"
        counter calls_total{instance="a",job="shop"}
          3 @0 since -60000
          6 @2000 since -60000
    "#]],
    );
    assert_eq!(merged, Merged { superseded: 1, ..Merged::default() });
}

#[test]
fn counters_of_sources_with_the_same_labels_are_added() {
    let calls = |value, by_ms| vec![metric("calls", "", sum(vec![later(number(value, &[]), by_ms)]))];
    let all = request(vec![(POD_A, calls(3.0, 0)), (POD_B, calls(4.0, 500)), (POD_A, calls(5.0, 900))]);
    let merged = check(
        &all,
        expect![[r#"
        counter calls_total{job="shop"}
          9 @900 since -60000
        gauge target_info{job="shop",pod="a"}
          1 @0 since 0
          1 @900 since 0
        gauge target_info{job="shop",pod="b"}
          1 @500 since 0
    "#]],
    );
    assert_eq!(merged, Merged { added: 1, superseded: 1, ..Merged::default() });
}

#[test]
fn an_ended_source_makes_way_for_one_that_lives() {
    let ended = NumberDataPoint { flags: 1, ..number(0.0, &[]) };
    let all = request(vec![
        (POD_A, vec![metric("calls", "", sum(vec![later(ended, 500)]))]),
        (POD_B, vec![metric("calls", "", sum(vec![number(4.0, &[])]))]),
    ]);
    let merged = check(
        &all,
        expect![[r#"
            counter calls_total{job="shop"}
              4 @0 since -60000
            gauge target_info{job="shop",pod="a"}
              1 @500 since 0
            gauge target_info{job="shop",pod="b"}
              1 @0 since 0
        "#]],
    );
    assert_eq!(merged, Merged { superseded: 1, ..Merged::default() });
}

#[test]
fn the_latest_gauge_and_summary_win() {
    let both = |value: f64, by_ms| {
        vec![
            metric("load", "", gauge(vec![later(number(value, &[]), by_ms)])),
            metric("lag", "", summary(&[(0.5, value)], 1, value, &[])),
        ]
    };
    let all = request(vec![(POD_A, both(3.0, 500)), (POD_B, both(4.0, 0))]);
    let merged = check(
        &all,
        expect![[r#"
            gauge load{job="shop"}
              3 @500 since 0
            summary lag{job="shop"}
              n=1 sum=4 [(0.5, 4.0)] @0 since -60000
            gauge target_info{job="shop",pod="a"}
              1 @500 since 0
            gauge target_info{job="shop",pod="b"}
              1 @0 since 0
        "#]],
    );
    assert_eq!(merged, Merged { superseded: 2, ..Merged::default() });
}

#[test]
fn histograms_are_added_bucket_by_bucket_at_the_coarser_scale() {
    let both = |scale, offset, counts: &[u64]| {
        vec![
            metric("wait", "", histogram(vec![explicit(&[1.0, 2.0], &[1, 2, 3], 4.0, &[])])),
            metric("size", "", exponential_histogram(vec![exponential(scale, offset, counts, 4.0, &[])])),
        ]
    };
    // At scale 1 the buckets 4, 5, 6 and 7 of scale 2 are 2, 2, 3 and 3.
    let all = request(vec![(POD_A, both(1, 3, &[10])), (POD_B, both(2, 4, &[1, 2, 3, 4]))]);
    let merged = check(
        &all,
        expect![[r#"
        histogram wait{job="shop"}
          n=12 sum=Some(8.0) [1.0, 2.0] [2, 4, 6] @0 since -60000
        histogram size{job="shop"}
          n=20 sum=Some(8.0) scale=1 zero=0 Dense { offset: 2, counts: [3, 17] } @0 since -60000
        gauge target_info{job="shop",pod="a"}
          1 @0 since 0
        gauge target_info{job="shop",pod="b"}
          1 @0 since 0
    "#]],
    );
    assert_eq!(merged, Merged { added: 2, ..Merged::default() });
}

#[test]
fn histograms_far_apart_are_made_coarser_rather_than_wide() {
    let size = |offset| {
        vec![metric("size", "", exponential_histogram(vec![exponential(8, offset, &[1], 1.0, &[])]))]
    };
    let all = request(vec![(POD_A, size(-2_000_000_000)), (POD_B, size(2_000_000_000))]);
    let (points, _) = Translator::new(settings()).translate(&all, Timestamp::from_millis(AT_MS));
    let (series, merged) = merge(points);
    assert_eq!(merged.added, 1);
    let crate::prometheus_names::Value::Exponential(histogram) = &series[0].samples[0].value else {
        panic!()
    };
    assert_eq!(histogram.count, 2);
    assert!(histogram.positive.counts.len() <= 1 << 16, "{}", histogram.positive.counts.len());
}

#[test]
fn what_does_not_fit_a_series_is_counted() {
    let wait =
        |bounds: &[f64]| vec![metric("wait", "", histogram(vec![explicit(bounds, &[1, 2], 4.0, &[])]))];
    let all = request(vec![
        (POD_A, wait(&[1.0])),
        (POD_B, wait(&[2.0])),
        (POD_A, vec![metric("wait", "", gauge(vec![number(1.0, &[])]))]),
    ]);
    let merged = check(
        &all,
        expect![[r#"
        histogram wait{job="shop"}
          n=3 sum=Some(4.0) [2.0] [1, 2] @0 since -60000
        gauge target_info{job="shop",pod="a"}
          1 @0 since 0
        gauge target_info{job="shop",pod="b"}
          1 @0 since 0
    "#]],
    );
    assert_eq!(merged, Merged { superseded: 1, conflicting: 2, ..Merged::default() });
}

#[test]
fn a_number_can_not_take_the_name_of_a_histograms_series() {
    let all = request(vec![(
        SHOP,
        vec![
            metric("wait_count", "", gauge(vec![number(1.0, &[])])),
            metric("wait", "", histogram(vec![explicit(&[1.0], &[1, 2], 4.0, &[])])),
        ],
    )]);
    let merged = check(
        &all,
        expect![[r#"
        histogram wait{instance="a",job="shop"}
          n=3 sum=Some(4.0) [1.0] [1, 2] @0 since -60000
    "#]],
    );
    assert_eq!(merged, Merged { conflicting: 1, ..Merged::default() });
}

#[test]
fn the_order_of_attributes_makes_no_other_source() {
    let calls = |value, pairs| (SHOP, vec![metric("calls", "", sum(vec![number(value, pairs)]))]);
    let all = request(vec![calls(3.0, &[("a", "1"), ("b", "2")]), calls(4.0, &[("b", "2"), ("a", "1")])]);
    let merged = check(
        &all,
        expect![[r#"
        counter calls_total{a="1",b="2",instance="a",job="shop"}
          4 @0 since -60000
    "#]],
    );
    assert_eq!(merged, Merged { superseded: 1, ..Merged::default() });
}
