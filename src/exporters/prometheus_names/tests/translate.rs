use bytes::Bytes;
use expect_test::{Expect, expect};
use model::Timestamp;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value,
};

use crate::prometheus_names::{
    Label, Point, ResourceLabelsConfig, Settings, TranslationStrategy, Translator, merge,
    testing::{
        AT_MS, CUMULATIVE, DELTA, SHOP, attributes, example, explicit, exponential, exponential_histogram,
        gauge, histogram, histogram_of, metric, number, request, scoped_request, series_text, settings, sum,
        sum_of, summary,
    },
};

fn translate(settings: Settings, request: &Bytes) -> (Vec<Point>, String) {
    let (points, dropped) = Translator::new(settings).translate(request, Timestamp::from_millis(AT_MS + 7));
    (points, dropped.message())
}

fn check_with(settings: Settings, request: &Bytes, expected: Expect) {
    let (points, dropped) = translate(settings, request);
    expected.assert_eq(&(series_text(&merge(points).0) + &dropped));
}

fn check(request: &Bytes, expected: Expect) {
    check_with(settings(), request, expected);
}

#[test]
fn every_kind_of_metric_has_its_prometheus_type() {
    let all = request(vec![(
        SHOP,
        vec![
            metric("calls", "", sum(vec![number(3.0, &[("verb", "GET")])])),
            metric("queue", "", sum_of(vec![number(4.0, &[])], CUMULATIVE, false)),
            metric("load", "1", gauge(vec![number(0.5, &[])])),
            metric("wait", "s", histogram(vec![explicit(&[0.1, 1.0], &[1, 2, 3], 4.5, &[])])),
            metric("size", "By", exponential_histogram(vec![exponential(3, -2, &[1, 0, 2], 7.0, &[])])),
            metric("lag", "ms", summary(&[(0.5, 1.0), (0.99, 9.0), (0.5, 2.0)], 10, 20.0, &[])),
        ],
    )]);
    check(
        &all,
        expect![[r#"
            counter calls_total{instance="a",job="shop",verb="GET"}
              3 @0 since -60000
            gauge queue{instance="a",job="shop"}
              4 @0 since 0
            gauge load_ratio{instance="a",job="shop"}
              0.5 @0 since 0
            histogram wait_seconds{instance="a",job="shop"}
              n=6 sum=Some(4.5) [0.1, 1.0] [1, 2, 3] @0 since -60000
            histogram size_bytes{instance="a",job="shop"}
              n=3 sum=Some(7.0) scale=3 zero=0 Dense { offset: -2, counts: [1, 0, 2] } @0 since -60000
            summary lag_milliseconds{instance="a",job="shop"}
              n=10 sum=20 [(0.5, 1.0), (0.99, 9.0)] @0 since -60000
        "#]],
    );
}

#[test]
fn a_resource_is_described_once_by_what_does_not_name_it() {
    let resource: &[_] = &[
        ("service.namespace", "eu"),
        ("service.name", "shop"),
        ("host.name", "h1"),
        ("service.instance.id", "a"),
    ];
    let all = request(vec![(resource, vec![metric("up", "", gauge(vec![number(1.0, &[])]))])]);
    check(
        &all,
        expect![[r#"
            gauge up{instance="a",job="eu/shop"}
              1 @0 since 0
            gauge target_info{host_name="h1",instance="a",job="eu/shop"}
              1 @0 since 0
        "#]],
    );
}

#[test]
fn a_resource_without_identity_or_without_more_is_not_described() {
    let up = || vec![metric("up", "", gauge(vec![number(1.0, &[])]))];
    check(
        &request(vec![(&[("host.name", "h1")], up())]),
        expect![[r#"
            gauge up{}
              1 @0 since 0
        "#]],
    );
    check(
        &request(vec![(SHOP, up())]),
        expect![[r#"
            gauge up{instance="a",job="shop"}
              1 @0 since 0
        "#]],
    );
}

#[test]
fn target_info_takes_the_namespace_and_can_be_left_out() {
    let resource: &[_] = &[("service.name", "shop"), ("host.name", "h1")];
    let all = request(vec![(resource, vec![metric("up", "", gauge(vec![number(1.0, &[])]))])]);
    let named = Settings { namespace: "my".into(), ..settings() };
    check_with(
        named,
        &all,
        expect![[r#"
            gauge my_up{job="shop"}
              1 @0 since 0
            gauge my_target_info{host_name="h1",job="shop"}
              1 @0 since 0
        "#]],
    );
    check_with(
        Settings { has_target_info: false, ..settings() },
        &all,
        expect![[r#"
            gauge up{job="shop"}
              1 @0 since 0
        "#]],
    );
}

#[test]
fn attributes_that_come_to_the_same_label_are_joined_in_order_of_their_keys() {
    let pairs: &[_] =
        &[("a_b", "under"), ("a.b", "dot"), ("a-b", "dash"), ("c.d", "same"), ("c_d", "same"), ("e", "")];
    check(
        &request(vec![(&[], vec![metric("m", "", gauge(vec![number(1.0, pairs)]))])]),
        expect![[r#"
            gauge m{a_b="dash;dot;under",c_d="same"}
              1 @0 since 0
        "#]],
    );
}

#[test]
fn labels_that_prometheus_sets_itself_can_not_be_taken() {
    let pairs: &[_] = &[("__name__", "evil"), ("job", "mine"), ("le", "7"), ("quantile", "8")];
    let all = request(vec![(
        SHOP,
        vec![
            metric("g", "", gauge(vec![number(1.0, pairs)])),
            metric("h", "", histogram(vec![explicit(&[1.0], &[1, 0], 1.0, pairs)])),
            metric("s", "", summary(&[], 1, 1.0, pairs)),
        ],
    )]);
    check(
        &all,
        expect![[r#"
            gauge g{instance="a",job="shop",le="7",quantile="8"}
              1 @0 since 0
            histogram h{instance="a",job="shop",quantile="8"}
              n=1 sum=Some(1.0) [1.0] [1, 0] @0 since -60000
            summary s{instance="a",job="shop",le="7"}
              n=1 sum=1 [] @0 since -60000
        "#]],
    );
}

#[test]
fn external_labels_give_way_to_the_points_own() {
    let settings = Settings {
        external_labels: vec![Label::new("cluster", "eu-1"), Label::new("verb", "none")],
        ..settings()
    };
    let all = request(vec![(
        &[],
        vec![metric("m", "", gauge(vec![number(1.0, &[("verb", "GET")]), number(2.0, &[])]))],
    )]);
    check_with(
        settings,
        &all,
        expect![[r#"
            gauge m{cluster="eu-1",verb="GET"}
              1 @0 since 0
            gauge m{cluster="eu-1",verb="none"}
              2 @0 since 0
        "#]],
    );
}

#[test]
fn a_scope_is_told_in_labels() {
    let scope = InstrumentationScope {
        name: "lib".into(),
        version: "1.2".into(),
        attributes: attributes(&[("team", "x"), ("name", "ignored")]),
        ..InstrumentationScope::default()
    };
    let all = scoped_request(vec![(&[], scope, vec![metric("m", "", gauge(vec![number(1.0, &[])]))])]);
    check_with(
        Settings { has_scope_labels: true, ..settings() },
        &all,
        expect![[r#"
            gauge m{otel_scope_name="lib",otel_scope_team="x",otel_scope_version="1.2"}
              1 @0 since 0
        "#]],
    );
}

#[test]
fn resource_attributes_can_become_labels() {
    let resource: &[_] = &[("service.name", "shop"), ("host.name", "h1"), ("verb", "resource")];
    let all =
        request(vec![(resource, vec![metric("m", "", gauge(vec![number(1.0, &[("verb", "point")])]))])]);
    let with = |exclude_service_attributes| Settings {
        resource_labels: ResourceLabelsConfig { enabled: true, exclude_service_attributes },
        has_target_info: false,
        ..settings()
    };
    check_with(
        with(false),
        &all,
        expect![[r#"
            gauge m{host_name="h1",job="shop",service_name="shop",verb="resource"}
              1 @0 since 0
        "#]],
    );
    check_with(
        with(true),
        &all,
        expect![[r#"
            gauge m{host_name="h1",job="shop",verb="resource"}
              1 @0 since 0
        "#]],
    );
}

#[test]
fn values_of_every_kind_are_written_out() {
    let value = |value| Some(AnyValue { value: Some(value) });
    let mut point = number(1.0, &[]);
    let list = ArrayValue {
        values: [any_value::Value::IntValue(1), any_value::Value::BoolValue(true)]
            .map(|v| AnyValue { value: Some(v) })
            .to_vec(),
    };
    for (key, any) in [
        ("int", any_value::Value::IntValue(-7)),
        ("double", any_value::Value::DoubleValue(0.25)),
        ("bool", any_value::Value::BoolValue(false)),
        ("bytes", any_value::Value::BytesValue(vec![1, 2, 3])),
        ("list", any_value::Value::ArrayValue(list)),
    ] {
        point.attributes.push(KeyValue { key: key.into(), value: value(any), ..KeyValue::default() });
    }
    check(
        &request(vec![(&[], vec![metric("m", "", gauge(vec![point]))])]),
        expect![[r#"
            gauge m{bool="false",bytes="AQID",double="0.25",int="-7",list="[1,true]"}
              1 @0 since 0
        "#]],
    );
}

#[test]
fn what_prometheus_has_no_form_for_is_dropped_and_counted() {
    let mut unspecified = number(1.0, &[]);
    unspecified.value = None;
    let mut torn = exponential(0, 0, &[1, 2], 3.0, &[]);
    torn.count = 4;
    let all = request(vec![(
        &[],
        vec![
            metric("delta", "", sum_of(vec![number(1.0, &[]), number(2.0, &[("a", "b")])], DELTA, true)),
            metric("delta.h", "", histogram_of(vec![explicit(&[], &[1], 1.0, &[])], DELTA)),
            metric(
                "none",
                "",
                sum_of(
                    vec![number(1.0, &[])],
                    opentelemetry_proto::tonic::metrics::v1::AggregationTemporality::Unspecified,
                    true,
                ),
            ),
            metric("empty", "", gauge(vec![unspecified])),
            metric("温度", "", gauge(vec![number(1.0, &[])])),
            metric("descending", "", histogram(vec![explicit(&[2.0, 1.0], &[1, 2, 3], 1.0, &[])])),
            metric("twice", "", histogram(vec![explicit(&[1.0, 1.0], &[1, 2, 3], 1.0, &[])])),
            metric("short", "", histogram(vec![explicit(&[1.0, 2.0], &[1, 2], 1.0, &[])])),
            metric("nan", "", histogram(vec![explicit(&[f64::NAN], &[1, 2], 1.0, &[])])),
            metric("torn", "", exponential_histogram(vec![torn])),
        ],
    )]);
    check(
        &all,
        expect![
            "data points dropped: 3 delta_temporality, 1 invalid_name, 5 malformed_histogram, 1 no_value, 1 unspecified_temporality"
        ],
    );
}

#[test]
fn an_infinite_last_bound_is_the_last_bucket() {
    let all = request(vec![(
        &[],
        vec![metric("h", "", histogram(vec![explicit(&[1.0, f64::INFINITY], &[1, 2, 3], 1.0, &[])]))],
    )]);
    check(
        &all,
        expect![[r#"
        histogram h{}
          n=6 sum=Some(1.0) [1.0] [1, 5] @0 since -60000
    "#]],
    );
}

#[test]
fn a_series_that_has_ended_says_so() {
    let mut ended = number(0.0, &[]);
    ended.value = None;
    ended.flags = 1;
    let mut histogram_ended = explicit(&[1.0], &[], 0.0, &[]);
    histogram_ended.flags = 1;
    let all = request(vec![(
        &[],
        vec![metric("g", "", gauge(vec![ended])), metric("h", "", histogram(vec![histogram_ended]))],
    )]);
    check(
        &all,
        expect![[r#"
            gauge g{}
              stale @0 since 0
            histogram h{}
              stale @0 since -60000
        "#]],
    );
}

#[test]
fn a_point_without_a_time_gets_the_time_of_export() {
    let mut point = number(1.0, &[]);
    point.time_unix_nano = 0;
    check(
        &request(vec![(&[], vec![metric("g", "", gauge(vec![point]))])]),
        expect![[r#"
            gauge g{}
              1 @7 since 0
        "#]],
    );
}

#[test]
fn an_exemplar_names_its_trace_and_drops_attributes_that_are_too_long() {
    let long = "x".repeat(100);
    let mut point = number(1.0, &[]);
    point.exemplars = vec![example(0.5, 0xab, &[("user.id", "7")]), example(0.6, 0xcd, &[("note", &long)])];
    let mut untraced = example(0.7, 0, &[]);
    untraced.time_unix_nano = 0;
    point.exemplars.push(untraced);
    let all = request(vec![(
        &[],
        vec![metric("c", "", sum(vec![point.clone()])), metric("g", "", gauge(vec![point]))],
    )]);
    check(
        &all,
        expect![[r#"
            counter c_total{}
              1 @0 since -60000
                # 0.5{span_id="abababababababab",trace_id="abababababababababababababababab",user_id="7"} @-1000
                # 0.6{span_id="cdcdcdcdcdcdcdcd",trace_id="cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"} @-1000
                # 0.7{} @0
            gauge g{}
              1 @0 since 0
        "#]],
    );
}

#[test]
fn without_translation_names_stay_as_they_are() {
    let settings = Settings { strategy: TranslationStrategy::NoTranslation, ..settings() };
    let all = request(vec![(
        &[],
        vec![metric("http.calls", "s", sum(vec![number(1.0, &[("http.method", "GET")])]))],
    )]);
    check_with(
        settings,
        &all,
        expect![[r#"
        counter http.calls{http.method="GET"}
          1 @0 since -60000
    "#]],
    );
}

#[test]
fn only_a_gauge_made_of_deltas_has_a_start() {
    let settings = Settings { takes_deltas: true, ..settings() };
    let all = request(vec![(
        &[],
        vec![
            metric("gauge", "", gauge(vec![number(1.0, &[])])),
            metric("sum", "", sum_of(vec![number(1.0, &[])], CUMULATIVE, false)),
            metric("delta", "", sum_of(vec![number(1.0, &[])], DELTA, false)),
        ],
    )]);
    let starts: Vec<bool> =
        translate(settings, &all).0.iter().map(|point| point.sample.start_ms != 0).collect();
    assert_eq!(starts, [false, false, true]);
}
