use std::{collections::BTreeMap, time::Duration};

use component::{Checks, Config, ProcessorDef, testing::Harness};
use config::Section;
use expect_test::expect;
use model::Payload;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, metrics::v1::metric::Data,
    trace::v1::Span,
};
use proptest::prelude::*;

use super::{
    Flavor, SpanMetrics, SpanMetricsConfig,
    config::{DELTA, DimensionConfig, ExponentialConfig},
};
use crate::testing::*;

fn dimension(name: &str, default: Option<&str>) -> DimensionConfig {
    DimensionConfig { name: name.to_owned(), default: default.map(str::to_owned), glob: String::new() }
}

fn harness(config: &SpanMetricsConfig, shards: usize) -> Harness {
    Harness::new::<SpanMetrics>(config, shards, T0)
}

/// Counts one request and returns what the next flush tells.
fn told(config: &SpanMetricsConfig, request: &ExportTraceServiceRequest) -> String {
    let mut harness = harness(config, 1);
    push(&mut harness, 0, request);
    lines(&harness.tick(at(60)))
}

fn shop() -> ExportTraceServiceRequest {
    let cart = vec![
        span("GET /cart", 2, 0, 3_000, vec![text("http.method", "GET")]),
        span("GET /cart", 2, 0, 5_000, vec![text("http.method", "GET")]),
        span("GET /cart", 2, 2, 20_000_000, vec![text("http.method", "POST")]),
    ];
    let mut request = of_service("cart", cart);
    request
        .resource_spans
        .push(resource_spans(vec![text("telemetry.sdk.name", "x")], vec![span("job", 1, 1, 0, vec![])]));
    request
}

#[test]
fn the_output_is_the_collectors() {
    let config = SpanMetricsConfig { dimensions: vec![dimension("http.method", None)], ..Default::default() };
    expect![[r#"
        resource {service.name=cart} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR,http.method=POST} 0..60 = 1
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,http.method=GET} 0..60 = 2
          traces.span.metrics.duration unit="ms" histogram temporality=2
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR,http.method=POST} 0..60 count=1 sum=20000 [inf:1]
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET,http.method=GET} 0..60 count=2 sum=8 [4:1 6:1]
        resource {telemetry.sdk.name=x} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=unknown_service,span.name=job,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_OK} 0..60 = 1
          traces.span.metrics.duration unit="ms" histogram temporality=2
            {service.name=unknown_service,span.name=job,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_OK} 0..60 count=1 sum=0 [2:1]
    "#]].assert_eq(&told(&config, &shop()));
}

#[test]
fn exponential_histograms_have_scale_three_and_count_zeros_apart() {
    let mut config = SpanMetricsConfig::default();
    config.histogram.exponential = Section::on(ExponentialConfig::default());
    expect![[r#"
        resource {service.name=cart} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR} 0..60 = 1
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET} 0..60 = 2
          traces.span.metrics.duration unit="ms" exponential temporality=2
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR} 0..60 count=1 sum=20000 min=20000 max=20000 scale=3 zero=0 offset=114 [1]
            {service.name=cart,span.name=GET /cart,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET} 0..60 count=2 sum=8 min=3 max=5 scale=3 zero=0 offset=12 [1, 0, 0, 0, 0, 0, 1]
        resource {telemetry.sdk.name=x} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=unknown_service,span.name=job,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_OK} 0..60 = 1
          traces.span.metrics.duration unit="ms" exponential temporality=2
            {service.name=unknown_service,span.name=job,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_OK} 0..60 count=1 sum=0 min=0 max=0 scale=3 zero=1 offset=0 []
    "#]].assert_eq(&told(&config, &shop()));
}

#[test]
fn tempo_and_jaeger_have_names_of_their_own() {
    let dimensions = vec![dimension("http.method", None), dimension("service", Some("x"))];
    let tempo = SpanMetricsConfig { flavor: Flavor::Tempo, dimensions, ..Default::default() };
    expect![[r#"
        resource {service.name=cart} scope spanmetricsconnector
          traces_spanmetrics_calls_total unit="" sum temporality=2 monotonic=true
            {service=cart,span_name=GET,span_kind=SPAN_KIND_SERVER,status_code=STATUS_CODE_UNSET,__service=x} 0..60 = 1
          traces_spanmetrics_latency unit="" histogram temporality=2
            {service=cart,span_name=GET,span_kind=SPAN_KIND_SERVER,status_code=STATUS_CODE_UNSET,__service=x} 0..60 count=1 sum=0.003 [0.004:1]
          traces_spanmetrics_size_total unit="" sum temporality=2 monotonic=true
            {service=cart,span_name=GET,span_kind=SPAN_KIND_SERVER,status_code=STATUS_CODE_UNSET,__service=x} 0..60 = 55
    "#]].assert_eq(&told(&tempo, &of_service("cart", vec![span("GET", 2, 0, 3_000, vec![])])));
    let jaeger = SpanMetricsConfig { flavor: Flavor::Jaeger, ..Default::default() };
    expect![[r#"
        resource {service.name=cart} scope spanmetricsconnector
          calls unit="" sum temporality=2 monotonic=true
            {service.name=cart,span.name=GET,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET} 0..60 = 1
          duration unit="ms" histogram temporality=2
            {service.name=cart,span.name=GET,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET} 0..60 count=1 sum=3 [4:1]
    "#]].assert_eq(&told(&jaeger, &of_service("cart", vec![span("GET", 2, 0, 3_000, vec![])])));
}

#[test]
fn a_dimension_is_the_spans_then_the_resources_then_the_default_then_left_out() {
    let dimensions = vec![
        dimension("a", Some("d")),
        dimension("b", Some("d")),
        dimension("c", Some("d")),
        dimension("e", None),
    ];
    let config = SpanMetricsConfig { dimensions, histogram: no_histogram(), ..Default::default() };
    let resource = vec![text("service.name", "s"), text("a", "resource"), text("b", "resource")];
    let spans = vec![span("x", 1, 0, 1, vec![attribute("a", Value::IntValue(5))])];
    expect![[r#"
        resource {a=resource,b=resource,service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=s,span.name=x,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_UNSET,a=5,b=resource,c=d} 0..60 = 1
    "#]].assert_eq(&told(&config, &request(vec![resource_spans(resource, spans)])));
}

fn no_histogram() -> super::config::HistogramConfig {
    super::config::HistogramConfig { disable: true, ..Default::default() }
}

#[test]
fn calls_and_durations_may_be_told_apart_by_different_dimensions() {
    let mut config =
        SpanMetricsConfig { calls_dimensions: vec![dimension("user", None)], ..Default::default() };
    config.histogram.dimensions = vec![dimension("region", None)];
    let spans = |user: &str| span("x", 1, 0, 1_000, vec![text("user", user), text("region", "eu")]);
    expect![[r#"
        resource {service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=s,span.name=x,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_UNSET,user=a} 0..60 = 1
            {service.name=s,span.name=x,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_UNSET,user=b} 0..60 = 1
          traces.span.metrics.duration unit="ms" histogram temporality=2
            {service.name=s,span.name=x,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_UNSET,region=eu} 0..60 count=2 sum=2 [2:2]
    "#]].assert_eq(&told(&config, &of_service("s", vec![spans("a"), spans("b")])));
}

#[test]
fn events_are_counted_by_their_own_attributes() {
    let mut config = SpanMetricsConfig { histogram: no_histogram(), ..Default::default() };
    config.events.enabled = true;
    config.events.dimensions = vec![dimension("exception.type", None)];
    let mut failed = span("x", 2, 2, 1_000, vec![]);
    failed.events = vec![
        event("exception", vec![text("exception.type", "Timeout")]),
        event("exception", vec![text("exception.type", "Timeout")]),
        event("log", vec![]),
    ];
    expect![[r#"
        resource {service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR} 0..60 = 1
            {service.name=s,span.name=y,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET} 0..60 = 1
          traces.span.metrics.events unit="" sum temporality=2 monotonic=true
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR} 0..60 = 1
            {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_ERROR,exception.type=Timeout} 0..60 = 2
    "#]].assert_eq(&told(&config, &of_service("s", vec![failed, span("y", 2, 0, 1, vec![])])));
}

#[test]
fn attributes_are_added_and_left_out_as_configured() {
    let config = SpanMetricsConfig {
        histogram: no_histogram(),
        exclude_dimensions: vec!["span.name".into(), "status.code".into()],
        include_instrumentation_scope: vec!["lib".into()],
        enable_metrics_sampling_method: true,
        include_collector_instance_id: true,
        ..Default::default()
    };
    let mut sampled = span("b", 2, 0, 1, vec![]);
    sampled.trace_state = "ot=th:8".into();
    expect![[r#"
        resource {service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=s,span.kind=SPAN_KIND_SERVER,collector.instance.id=test,span.instrumentation.scope.name=lib,span.instrumentation.scope.version=1.2,sampling.method=counted} 0..60 = 1
            {service.name=s,span.kind=SPAN_KIND_SERVER,collector.instance.id=test,span.instrumentation.scope.name=lib,span.instrumentation.scope.version=1.2,sampling.method=extrapolated} 0..60 = 2
    "#]].assert_eq(&told(&config, &of_service("s", vec![span("a", 2, 0, 1, vec![]), sampled])));
}

#[test]
fn a_sampled_span_counts_for_those_it_stands_for() {
    let mut config = SpanMetricsConfig::default();
    config.histogram.exponential = Section::on(ExponentialConfig::default());
    let mut sampled = span("a", 2, 0, 1_000, vec![]);
    sampled.trace_state = "ot=th:c".into();
    let plain = span("a", 2, 0, 1_000, vec![]);
    expect![[r#"
        resource {service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=s,span.name=a,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET} 0..60 = 5
          traces.span.metrics.duration unit="ms" exponential temporality=2
            {service.name=s,span.name=a,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET} 0..60 count=5 sum=5 min=1 max=1 scale=3 zero=0 offset=-1 [5]
    "#]].assert_eq(&told(&config, &of_service("s", vec![sampled, plain])));
}

#[test]
fn resources_are_told_apart_by_the_chosen_attributes() {
    let pid = |pid: &str| vec![text("service.name", "s"), text("process.pid", pid)];
    let spans = || vec![span("x", 1, 0, 1, vec![])];
    let both = request(vec![resource_spans(pid("1"), spans()), resource_spans(pid("2"), spans())]);
    let mut config = SpanMetricsConfig { histogram: no_histogram(), ..Default::default() };
    assert_eq!(told(&config, &both).matches("resource {").count(), 2);
    config.resource_metrics_key_attributes = vec!["service.name".into()];
    expect![[r#"
        resource {service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=s,span.name=x,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_UNSET} 0..60 = 2
    "#]]
    .assert_eq(&told(&config, &both));
    config.add_resource_attributes = Some(false);
    expect![[r#"
        resource {} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=s,span.name=x,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_UNSET} 0..60 = 2
    "#]]
    .assert_eq(&told(&config, &both));
}

#[test]
fn odd_kinds_statuses_and_negative_durations_are_counted() {
    let mut backwards = span("x", 77, 9, 1, vec![]);
    backwards.end_time_unix_nano = 5;
    expect![[r#"
        resource {service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=s,span.name=x,span.kind=,status.code=} 0..60 = 1
          traces.span.metrics.duration unit="ms" histogram temporality=2
            {service.name=s,span.name=x,span.kind=,status.code=} 0..60 count=1 sum=0 [2:1]
    "#]]
    .assert_eq(&told(&SpanMetricsConfig::default(), &of_service("s", vec![backwards])));
}

#[test]
fn a_span_of_more_than_a_year_counts_and_spoils_no_sum() {
    let mut endless = span("x", 2, 0, 1, vec![]);
    endless.end_time_unix_nano = u64::MAX;
    let mut long = span("x", 2, 0, 1, vec![]);
    long.end_time_unix_nano = long.start_time_unix_nano + 366 * 86_400 * 1_000_000_000;
    let mut config = SpanMetricsConfig::default();
    let request = of_service("s", vec![endless, long]);
    let buckets = told(&config, &request);
    config.histogram.exponential = Section::on(ExponentialConfig::default());
    let exponential = told(&config, &request);
    let points =
        |text: &str| text.lines().filter(|line| line.contains("count=")).map(str::trim).collect::<String>();
    expect![[r#"
        {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET} 0..60 count=2 sum=31622400000 [2:1 inf:1]
        {service.name=s,span.name=x,span.kind=SPAN_KIND_SERVER,status.code=STATUS_CODE_UNSET} 0..60 count=2 sum=31622400000 min=0 max=31622400000 scale=3 zero=1 offset=279 [1]"#]].assert_eq(&format!("{}\n{}", points(&buckets), points(&exponential)));
}

#[test]
fn delta_tells_only_what_is_new() {
    let config = SpanMetricsConfig {
        aggregation_temporality: DELTA.into(),
        histogram: no_histogram(),
        ..Default::default()
    };
    let mut harness = harness(&config, 1);
    let request = of_service("s", vec![span("x", 1, 0, 1, vec![])]);
    let mut all = Vec::new();
    for round in 1..=3 {
        if round != 2 {
            push(&mut harness, 0, &request);
        }
        all.extend(harness.tick(at(60 * round)));
    }
    expect![[r#"
        resource {service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=1 monotonic=true
            {service.name=s,span.name=x,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_UNSET} 0..60 = 1
        resource {service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=1 monotonic=true
            {service.name=s,span.name=x,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_UNSET} 120..180 = 1
    "#]].assert_eq(&lines(&all));
}

#[test]
fn cumulative_series_keep_their_start_and_are_told_while_idle_until_they_expire() {
    let config = SpanMetricsConfig {
        histogram: no_histogram(),
        series_expiration: config::Duration::from_secs(120),
        ..Default::default()
    };
    let mut harness = harness(&config, 1);
    let mut all = Vec::new();
    for round in 1..=6 {
        if [2, 3, 6].contains(&round) {
            push(&mut harness, 0, &of_service("s", vec![span("x", 1, 0, 1, vec![])]));
        }
        all.extend(harness.tick(at(60 * round)));
    }
    expect![[r#"
        resource {service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=s,span.name=x,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_UNSET} 60..120 = 1
        resource {service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=s,span.name=x,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_UNSET} 60..180 = 2
        resource {service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=s,span.name=x,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_UNSET} 60..240 = 2
        resource {service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=s,span.name=x,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_UNSET} 60..300 = 2
        resource {service.name=s} scope spanmetricsconnector
          traces.span.metrics.calls unit="" sum temporality=2 monotonic=true
            {service.name=s,span.name=x,span.kind=SPAN_KIND_INTERNAL,status.code=STATUS_CODE_UNSET} 300..360 = 1
    "#]].assert_eq(&lines(&all));
}

#[test]
fn exemplars_do_not_depend_on_the_order_of_spans() {
    let mut config = SpanMetricsConfig::default();
    config.exemplars.enabled = true;
    config.exemplars.max_per_data_point = 3;
    let traced = |n: u8| Span { trace_id: vec![n; 16], ..span("x", 1, 0, 1_000 * u64::from(n), vec![]) };
    let mut spans: Vec<Span> = (1..60).map(traced).collect();
    let forward = told(&config, &of_service("s", spans.clone()));
    spans.reverse();
    assert_eq!(forward, told(&config, &of_service("s", spans)));
    assert_eq!(forward.matches("exemplars=3").count(), 2);
}

#[test]
fn over_capacity_services_kinds_and_statuses_stay_apart() {
    let config = SpanMetricsConfig { max_series: 40, histogram: no_histogram(), ..Default::default() };
    let mut harness = harness(&config, 1);
    for n in 0..300_u32 {
        let spans = vec![span(&format!("op{n}"), 2, i32::from(n % 3 == 0) * 2, 1, vec![])];
        push(&mut harness, 0, &of_service(if n % 2 == 0 { "even" } else { "odd" }, spans));
    }
    let mut totals: BTreeMap<(String, String), i64> = BTreeMap::new();
    let told = decoded(&harness.tick(at(60)));
    let mut n_series = 0;
    each_call(&told[0], |labels, calls| {
        n_series += 1;
        *totals.entry((labels["service.name"].clone(), labels["status.code"].clone())).or_default() += calls;
    });
    assert!(n_series <= 44, "{n_series} series");
    let expected =
        [("even", "ERROR", 50), ("even", "UNSET", 100), ("odd", "ERROR", 50), ("odd", "UNSET", 100)];
    for (service, status, calls) in expected {
        assert_eq!(
            totals[&(service.to_owned(), format!("STATUS_CODE_{status}"))],
            calls,
            "{service} {status}"
        );
    }
    let overflowed = harness
        .telemetry
        .read()
        .into_iter()
        .filter(|it| it.name.ends_with("overflowed_spans"))
        .map(|it| it.value);
    assert_eq!(overflowed.sum::<u64>(), 260);
}

#[test]
fn it_is_told_which_attribute_of_which_service_finds_no_room() {
    let config = SpanMetricsConfig {
        max_series: 40,
        histogram: no_histogram(),
        dimensions: vec![dimension("user.id", None), dimension("http.request.method", None)],
        ..Default::default()
    };
    // Each shard refuses what has no room there, and the output what has none beside the other's.
    let mut harness = harness(&config, 2);
    for n in 0..3_000_u32 {
        let attributes = vec![
            text("user.id", &format!("u{}", n % 1_000)),
            text("http.request.method", if n % 2 == 0 { "GET" } else { "PUT" }),
        ];
        push(&mut harness, n as usize % 2, &of_service("shop", vec![span("op", 2, 0, 1, attributes)]));
    }
    push(&mut harness, 0, &of_service("cart", vec![span("op", 2, 0, 1, vec![])]));
    let mut told: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut look = |harness: &Harness| {
        told.clear();
        for row in harness.telemetry.read().into_iter().filter(|it| it.name.ends_with("_overflow_values")) {
            let labels: BTreeMap<String, String> = row.labels.into_iter().collect();
            told.insert((labels["service_name"].clone(), labels["attribute"].clone()), row.value);
        }
        told.clone()
    };
    harness.tick(at(60));
    let told_of = |told: &BTreeMap<(String, String), u64>, attribute: &str| {
        told.get(&("shop".to_owned(), attribute.to_owned())).copied()
    };
    let first = look(&harness);
    let users = told_of(&first, "user.id").unwrap();
    assert!((900..=1_060).contains(&users), "{users} of 1,000");
    let few = ["http.request.method", "span.name", "service.name"].map(|it| told_of(&first, it));
    assert_eq!(few, [Some(2), Some(1), Some(1)]);
    // It is over when nothing was refused for two quarters of an hour.
    for minutes in 2..=17 {
        harness.tick(at(60 * minutes));
    }
    assert_eq!(look(&harness), first);
    for minutes in 18..=32 {
        harness.tick(at(60 * minutes));
    }
    assert_eq!(look(&harness), BTreeMap::new());
}

#[test]
fn one_resource_can_not_take_the_room_of_the_others() {
    let config = SpanMetricsConfig {
        aggregation_cardinality_limit: 5,
        histogram: no_histogram(),
        ..Default::default()
    };
    let mut harness = harness(&config, 2);
    for n in 0..100_usize {
        push(&mut harness, n % 2, &of_service("noisy", vec![span(&format!("op{n}"), 2, 0, 1, vec![])]));
    }
    push(&mut harness, 0, &of_service("calm", vec![span("op", 2, 0, 1, vec![])]));
    let mut counts: BTreeMap<String, (usize, i64)> = BTreeMap::new();
    each_call(&decoded(&harness.tick(at(60)))[0], |labels, calls| {
        let count = counts.entry(labels["service.name"].clone()).or_default();
        *count = (count.0 + 1, count.1 + calls);
    });
    assert_eq!(counts["noisy"], (6, 100));
    assert_eq!(counts["calm"], (1, 1));
}

#[test]
fn a_flood_of_services_stays_within_bounds_and_loses_no_call() {
    let config = SpanMetricsConfig { max_series: 50, histogram: no_histogram(), ..Default::default() };
    let mut harness = harness(&config, 1);
    for n in 0..2000_u32 {
        push(&mut harness, 0, &of_service(&format!("s{n}"), vec![span("x", 2, 0, 1, vec![])]));
    }
    let (mut n_series, mut total) = (0, 0);
    each_call(&decoded(&harness.tick(at(60)))[0], |_, calls| {
        n_series += 1;
        total += calls;
    });
    assert!(n_series <= 50 + 5 + 64 + 1, "{n_series} series");
    assert_eq!(total, 2000);
}

/// Calls back with labels and value of every point of the first metric of each resource.
fn each_call(
    request: &opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest,
    mut then: impl FnMut(&BTreeMap<String, String>, i64),
) {
    for metric in request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics) {
        let Some(Data::Sum(sum)) = &metric.data else { continue };
        for point in &sum.data_points {
            let labels = point.attributes.iter().map(|kv| (kv.key.clone(), value_text(kv))).collect();
            let Some(opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsInt(value)) =
                point.value
            else {
                panic!("calls are integers")
            };
            then(&labels, value);
        }
    }
}

#[test]
fn a_damaged_snapshot_or_partial_leaves_the_state_as_it_was() {
    let config = SpanMetricsConfig::default();
    let mut harness = harness(&config, 1);
    push(&mut harness, 0, &shop());
    harness.tick(at(60));
    let good = harness.analysis().snapshot().unwrap();
    for cut in 0..good.bytes.len() {
        let bytes = good.bytes[..cut].to_vec();
        // Some cuts are shorter sound messages; none may panic.
        let _maybe = Harness::new::<SpanMetrics>(&config, 1, T0)
            .analysis()
            .restore(component::Snapshot { bytes, ..good });
    }
    assert!(
        harness.analysis().restore(component::Snapshot { version: 9, bytes: good.bytes.clone() }).is_err()
    );
    let mut other = SpanMetricsConfig::default();
    other.histogram.exponential = Section::on(ExponentialConfig::default());
    assert!(Harness::new::<SpanMetrics>(&other, 1, T0).analysis().restore(good.clone()).is_err());
    assert_eq!(harness.analysis().snapshot().unwrap(), good);
    let partial = model::Partial { bytes: vec![0xff; 9].into(), at: T0 };
    let batch = model::Batch { payload: Payload::Partial(partial), items: 1, ack: model::Ack::none() };
    let mut bench = component::Workbench::default();
    harness.analysis().process(batch, &mut component::Cx::new(T0, &mut bench));
    assert_eq!(bench.rejected, [(1, "damaged_partial")]);
}

/// Found by fuzzing: the list went out as it was, and no receiver could read the request.
#[test]
fn a_row_whose_attributes_are_no_list_is_counted_as_damaged() {
    use crate::aggregation::partial::{ResourceRow, Row, SpanMetricsPartial, VERSION};
    use prost::Message;
    let mut harness = harness(&SpanMetricsConfig::default(), 1);
    let layout = super::plan::plan(&SpanMetricsConfig::default(), "test").layout();
    let sound = Row { calls: 1, ..Row::default() };
    let damaged = Row { attributes: vec![0x0a, 5, 1], ..sound.clone() };
    let resources = vec![ResourceRow::default()];
    let (rows, refused) = (vec![sound, damaged], Vec::new());
    let message = SpanMetricsPartial { version: VERSION, layout, resources, rows, refused };
    let partial = model::Partial { bytes: message.encode_to_vec().into(), at: T0 };
    let batch = model::Batch { payload: Payload::Partial(partial), items: 1, ack: model::Ack::none() };
    let mut bench = component::Workbench::default();
    harness.analysis().process(batch, &mut component::Cx::new(T0, &mut bench));
    assert_eq!(bench.rejected, [(1, "damaged_partial")]);
}

#[test]
fn the_collectors_mistakes_are_told_in_its_words() {
    let dimensions =
        vec![dimension("a", None), dimension("a", None), dimension("span.kind", None), dimension("", None)];
    let mut config = SpanMetricsConfig { dimensions, ..Default::default() };
    config.histogram.explicit = Section::on(Default::default());
    config.histogram.exponential = Section::on(ExponentialConfig { max_size: 1 });
    config.events.enabled = true;
    config.exemplars.enabled = true;
    config.exemplars.max_per_data_point = -1;
    config.max_series = 0;
    config.aggregation_temporality = "delta".into();
    let mut checks = Checks::default();
    config.validate(&mut checks);
    let told: Vec<String> =
        checks.into_findings().iter().map(|it| format!("{}: {}", it.path, it.message)).collect();
    expect![[r#"
        dimensions.1: failed validating dimensions: duplicate dimension name "a"
        dimensions.2: failed validating dimensions: duplicate dimension name "span.kind"
        dimensions.3: failed validating dimensions: dimension entry must set one of `name` or `glob`
        events.dimensions: failed validating event dimensions: no dimensions configured for events
        histogram: use either `explicit` or `exponential` buckets histogram
        histogram.exponential.max_size: max_size is 1, must be between 2 and 16384
        max_series: max_series is 0, must be between 1 and 10000000
        exemplars.max_per_data_point: invalid max_per_data_point: -1, the value should be positive
        aggregation_temporality: aggregation_temporality is "delta", taken as AGGREGATION_TEMPORALITY_CUMULATIVE; the other choice is AGGREGATION_TEMPORALITY_DELTA"#]].assert_eq(&told.join("\n"));
}

/// Spans of few services, names and dimensions, so that they meet.
fn any_span() -> impl Strategy<Value = Span> {
    let attributes = prop_oneof![
        Just(vec![]),
        "[ab]{0,1}".prop_map(|v| vec![text("dim", &v)]),
        (0..3_i64).prop_map(|n| vec![attribute("dim", Value::IntValue(n)), text("dim", "second")]),
        any::<bool>().prop_map(|b| vec![text("other", "x"), attribute("dim", Value::BoolValue(b))]),
    ];
    let duration = prop_oneof![0..5_u64, 0..30_000_000_000_u64, any::<u64>()];
    ("[a-c]{0,2}", 0..7_i32, 0..4_i32, duration, attributes, any::<u8>()).prop_map(
        |(name, kind, status, nanos, attributes, id)| {
            let mut span = span(&name, kind, status, 0, attributes);
            span.trace_id = vec![id; 16];
            span.start_time_unix_nano = 1_000;
            span.end_time_unix_nano = nanos;
            span
        },
    )
}

fn any_request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let resource = prop_oneof![
        Just(vec![]),
        "[st]".prop_map(|s| vec![text("service.name", &s)]),
        "[st]".prop_map(|s| vec![text("dim", "of resource"), text("service.name", &s)]),
    ];
    let of_resource =
        (resource, prop::collection::vec(any_span(), 0..12)).prop_map(|(r, s)| resource_spans(r, s));
    prop::collection::vec(of_resource, 0..4).prop_map(request)
}

/// What a plain reading of the decoded request counts: calls, nanoseconds and buckets by labels.
fn reference(requests: &[ExportTraceServiceRequest]) -> BTreeMap<String, (u64, u128, Vec<u64>)> {
    let bounds =
        [2., 4., 6., 8., 10., 50., 100., 200., 400., 800., 1000., 1400., 2000., 5000., 10_000., 15_000.];
    let kinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
    let mut all: BTreeMap<String, (u64, u128, Vec<u64>)> = BTreeMap::new();
    for of_resource in requests.iter().flat_map(|request| &request.resource_spans) {
        let resource = &of_resource.resource.as_ref().unwrap().attributes;
        let find = |list: &[opentelemetry_proto::tonic::common::v1::KeyValue], key: &str| {
            list.iter().find(|kv| kv.key == key).map(value_text)
        };
        for span in of_resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
            let service = find(resource, "service.name").unwrap_or("unknown_service".into());
            let kind =
                kinds.get(span.kind as usize).map_or(String::new(), |kind| format!("SPAN_KIND_{kind}"));
            let code = span.status.as_ref().unwrap().code as usize;
            let status =
                ["UNSET", "OK", "ERROR"].get(code).map_or(String::new(), |s| format!("STATUS_CODE_{s}"));
            let dim = find(&span.attributes, "dim").or(find(resource, "dim")).unwrap_or("none".into());
            let mut sorted = resource.clone();
            sorted.sort_by(|a, b| a.key.cmp(&b.key));
            let labels = format!(
                "{} {{service.name={service},span.name={},span.kind={kind},status.code={status},dim={dim}}}",
                labels(&sorted),
                span.name
            );
            let nanos = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano);
            let nanos = if nanos > 366 * 86_400 * 1_000_000_000 { 0 } else { nanos };
            let bucket = bounds.iter().position(|bound| nanos as f64 / 1e6 <= *bound).unwrap_or(bounds.len());
            let entry = all.entry(labels).or_insert_with(|| (0, 0, vec![0; 17]));
            entry.0 += 1;
            entry.1 += u128::from(nanos);
            entry.2[bucket] += 1;
        }
    }
    all
}

fn with_dimension() -> SpanMetricsConfig {
    SpanMetricsConfig { dimensions: vec![dimension("dim", Some("none"))], ..Default::default() }
}

/// Runs requests through shards, a flush after each `flush_every`, with a restart after `restart_after`.
fn run(
    config: &SpanMetricsConfig,
    requests: &[ExportTraceServiceRequest],
    shards: usize,
    restart_after: Option<usize>,
) -> Vec<bytes::Bytes> {
    let mut harness = harness(config, shards);
    let mut out = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        if restart_after == Some(index) {
            // What the last drain tells is beside the regular flushes.
            harness.drain();
            let snapshot = harness.analysis().snapshot().unwrap();
            let now = harness.now;
            harness = Harness::new::<SpanMetrics>(config, shards, now);
            harness.analysis().restore(snapshot).unwrap();
        }
        push(&mut harness, index % shards, request);
        if index % 3 == 2 {
            out.extend(metrics_bytes(&harness.tick(at(60 * (index as u64 / 3 + 1)))));
        } else {
            harness.tick(at(60 * (index as u64 / 3) + index as u64 % 3 + 1));
        }
    }
    out.extend(metrics_bytes(&harness.drain()));
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn counts_are_those_of_a_plain_reading(requests in prop::collection::vec(any_request(), 1..5)) {
        let mut harness = harness(&with_dimension(), 2);
        for (index, request) in requests.iter().enumerate() {
            push(&mut harness, index % 2, request);
        }
        let mut found = BTreeMap::new();
        for of_resource in decoded(&harness.drain()).iter().flat_map(|request| &request.resource_metrics) {
            let resource = labels(&of_resource.resource.as_ref().unwrap().attributes);
            for metric in of_resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
                if let Some(Data::Histogram(histogram)) = &metric.data {
                    for point in &histogram.data_points {
                        let key = format!("{resource} {}", labels(&point.attributes));
                        found.insert(key, (point.count, point.sum.unwrap(), point.bucket_counts.clone()));
                    }
                }
            }
        }
        let expected: BTreeMap<_, _> = reference(&requests).into_iter()
            .map(|(key, (calls, nanos, buckets))| (key, (calls, nanos as f64 / 1e6, buckets)))
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn shards_do_not_change_a_byte(requests in prop::collection::vec(any_request(), 1..8), exponential: bool, exemplars: bool) {
        let mut config = with_dimension();
        config.exemplars.enabled = exemplars;
        if exponential {
            config.histogram.exponential = Section::on(ExponentialConfig { max_size: 20 });
        }
        prop_assert_eq!(run(&config, &requests, 1, None), run(&config, &requests, 4, None));
    }

    #[test]
    fn a_restart_does_not_change_a_byte(requests in prop::collection::vec(any_request(), 1..9), after in 0..9_usize, exponential: bool) {
        let mut config = with_dimension();
        if exponential {
            config.histogram.exponential = Section::on(ExponentialConfig { max_size: 20 });
        }
        prop_assert_eq!(run(&config, &requests, 2, None), run(&config, &requests, 2, Some(after)));
    }

    #[test]
    fn splitting_a_request_does_not_change_a_byte(whole in any_request()) {
        let mut parts = Vec::new();
        for of_resource in &whole.resource_spans {
            for span in of_resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
                let resource = of_resource.resource.as_ref().unwrap().attributes.clone();
                parts.push(request(vec![resource_spans(resource, vec![span.clone()])]));
            }
        }
        let (mut one, mut many) = (harness(&with_dimension(), 1), harness(&with_dimension(), 3));
        push(&mut one, 0, &whole);
        for (index, part) in parts.iter().rev().enumerate() {
            push(&mut many, index % 3, part);
        }
        prop_assert_eq!(metrics_bytes(&one.drain()), metrics_bytes(&many.drain()));
    }
}

#[test]
fn flushes_come_at_multiples_of_the_interval() {
    let config = SpanMetricsConfig {
        metrics_flush_interval: Duration::from_millis(2500).into(),
        ..Default::default()
    };
    let mut harness = Harness::new::<SpanMetrics>(&config, 1, T0);
    assert_eq!(SpanMetrics::KIND, "span_metrics");
    push(&mut harness, 0, &shop());
    let flushes: Vec<u64> = (1..=10).filter(|secs| !harness.tick(at(*secs)).is_empty()).collect();
    assert_eq!(flushes, [3, 5, 8, 10]);
}

#[test]
fn a_snapshot_holds_what_came_in_its_second() {
    let (payload, _) = scanned(&shop(), &harness(&SpanMetricsConfig::default(), 1));
    let [told, restored] = crashed_and_not::<SpanMetrics>(&SpanMetricsConfig::default(), vec![payload]);
    assert!(!told.is_empty());
    assert_eq!(told, restored);
}

#[test]
fn a_collectors_configuration_is_read() {
    let yaml = "
histogram:
  unit: s
  explicit:
    buckets: [100us, 1ms, 2ms, 6ms, 10ms, 100ms, 250ms]
  dimensions:
    - name: url.scheme
      default: https
dimensions:
  - name: http.method
    default: GET
  - name: http.status_code
calls_dimensions:
  - name: http.url
exemplars:
  enabled: true
exclude_dimensions: ['status.code']
dimensions_cache_size: 1000
aggregation_temporality: AGGREGATION_TEMPORALITY_CUMULATIVE
metrics_flush_interval: 15s
metrics_expiration: 5m
series_expiration: 0s
events:
  enabled: true
  dimensions:
    - name: exception.type
resource_metrics_key_attributes:
  - service.name
include_instrumentation_scope: [express]
aggregation_cardinality_limit: 1000
metric_timestamp_cache_size: 1000
resource_metrics_cache_size: 1000
add_resource_attributes: true
namespace: span.metrics
";
    let read = |yaml: &str| {
        let node = config::parse(&config::Source::new("test.yaml", yaml)).expect("the text is YAML");
        let mut problems = config::Problems::default();
        let config = config::decode::<SpanMetricsConfig>(&node, "", &mut problems);
        (config, problems.iter().map(config::Problem::title).collect::<Vec<_>>())
    };
    let (config, problems) = read(yaml);
    assert_eq!(problems, Vec::<String>::new());
    let config = config.expect("the settings are read");
    assert_eq!(config.metrics_flush_interval, config::Duration::from_secs(15));
    assert!(config.histogram.explicit.is_on() && !config.histogram.exponential.is_on());
    let mut checks = Checks::default();
    config.validate(&mut checks);
    assert!(checks.into_findings().iter().all(|finding| finding.is_warning));
    assert_eq!(read("dimension: []").1.len(), 1);
}

proptest! {
    #[test]
    fn damaged_bytes_do_not_panic(request in any_request(), exponential: bool, damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let mut config = with_dimension();
        config.exemplars.enabled = true;
        if exponential {
            config.histogram.exponential = Section::on(ExponentialConfig { max_size: 20 });
        }
        let (payload, _) = scanned(&request, &harness(&config, 1));
        survive_damage::<SpanMetrics>(&config, vec![payload], &damage);
    }
}

#[test]
fn a_long_output_is_told_in_several_requests() {
    const SERVICES: usize = 1_500;
    let mut harness = harness(&SpanMetricsConfig::default(), 1);
    for service in 0..SERVICES {
        let spans = vec![span("GET /cart", 2, 0, 3_000, vec![])];
        push(&mut harness, 0, &of_service(&format!("service-{service:04}"), spans));
    }
    let told = harness.tick(at(60));
    assert!(told.len() > 1, "one request holds all");
    assert!(told.iter().all(|payload| payload.bytes().is_some_and(|bytes| bytes.len() < 600 << 10)));
    let calls = lines(&told).lines().filter(|line| line.ends_with("0..60 = 1")).count();
    assert_eq!(calls, SERVICES);
}
