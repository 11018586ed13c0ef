use component::{BuildCx, Cx, Processor, ProcessorDef, Telemetry, Workbench, testing::Harness};
use expect_test::{Expect, expect};
use model::{Ack, Batch, Partial, Payload};
use opentelemetry_proto::tonic::{
    common::v1::any_value::Value,
    metrics::v1::{
        AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
        HistogramDataPoint, Metric, NumberDataPoint, Sum, exponential_histogram_data_point::Buckets,
        metric::Data, number_data_point,
    },
};
use proptest::prelude::*;
use prost::Message;

use super::{
    CumulativeToDelta, CumulativeToDeltaConfig,
    snapshot::{DeltaSnapshot, SavedStream},
};
use crate::{
    temporality::{RequestsPartial, testing::*},
    testing::*,
};

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

fn config(yaml: &str) -> CumulativeToDeltaConfig {
    let source = config::Source::new("test.yaml", yaml);
    let mut problems = config::Problems::default();
    let node = config::parse(&source).expect("the text is YAML");
    config::decode(&node, "", &mut problems).expect("the settings are read")
}

fn sum(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    let data = Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic: true };
    metric(name, Data::Sum(data))
}

/// Gives requests, one each second, and returns what comes out of each.
fn run(yaml: &str, requests: Vec<Vec<Metric>>) -> (Vec<String>, Harness) {
    let mut harness = Harness::new::<CumulativeToDelta>(&config(yaml), 2, T0);
    let mut told = Vec::new();
    for (second, metrics) in requests.into_iter().enumerate() {
        let mut out = harness.push(second % 2, request_of(metrics), 1);
        out.extend(harness.tick(at(second as u64 + 1)));
        told.push(lines(&out));
    }
    (told, harness)
}

fn check(yaml: &str, requests: Vec<Vec<Metric>>, expected: Expect) -> Harness {
    let (told, harness) = run(yaml, requests);
    expected.assert_eq(&told.join("---\n"));
    harness
}

#[test]
fn sums_leave_as_what_they_grew_by() {
    let harness = check(
        "{}",
        vec![
            vec![sum("a", vec![int(1, 10, 5), double(1, 10, 1.5)])],
            vec![sum("a", vec![int(1, 20, 7), double(1, 20, 4.0)])],
            vec![sum("a", vec![int(1, 30, 3), double(1, 30, f64::NAN)])],
            vec![sum("a", vec![int(1, 40, 4), double(35, 40, 1.0)])],
        ],
        expect![[r#"
            resource {service.name=shop} scope 
              a unit="" sum temporality=1 monotonic=true
                {} 1..10 = 5
                {} 1..10 = 1.5
            ---
            resource {service.name=shop} scope 
              a unit="" sum temporality=1 monotonic=true
                {} 10..20 = 2
                {} 10..20 = 2.5
            ---
            resource {service.name=shop} scope 
              a unit="" sum temporality=1 monotonic=true
                {} 1..30 = NaN
            ---
            resource {service.name=shop} scope 
              a unit="" sum temporality=1 monotonic=true
                {} 30..40 = 1
                {} 35..40 = 1.0
        "#]],
    );
    assert_eq!(harness.bench.rejected, [(1, "reset")]);
}

#[test]
fn the_first_point_is_sent_when_its_stream_began_here_or_as_configured() {
    let before = || sum("before", vec![NumberDataPoint { start_time_unix_nano: 1, ..int(0, 10, 5) }]);
    let without = || sum("without", vec![int(10, 10, 5)]);
    let here = || sum("here", vec![int(5, 10, 5)]);
    let first = |value: &str| {
        let (told, harness) =
            run(&format!("initial_value: {value}"), vec![vec![before(), without(), here()]]);
        let names =
            told[0].lines().filter_map(|line| line.strip_prefix("  ")).filter(|it| !it.starts_with(' '));
        let names: Vec<String> = names.map(|it| it.split(' ').next().unwrap().to_owned()).collect();
        (names, harness.bench.rejected.len())
    };
    assert_eq!(first("auto"), (vec!["here".to_owned()], 2));
    assert_eq!(first("keep"), (vec!["before".to_owned(), "without".to_owned(), "here".to_owned()], 0));
    assert_eq!(first("drop"), (vec![], 3));
}

fn histogram(secs: u64, counts: &[u64], bounds: &[f64], total: Option<f64>) -> Metric {
    let point = HistogramDataPoint {
        start_time_unix_nano: nanos(1),
        time_unix_nano: nanos(secs),
        count: counts.iter().sum(),
        sum: total,
        bucket_counts: counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        min: Some(0.1),
        max: Some(9.0),
        ..HistogramDataPoint::default()
    };
    let data = Histogram { data_points: vec![point], aggregation_temporality: CUMULATIVE };
    metric("h", Data::Histogram(data))
}

#[test]
fn histograms_leave_bucket_by_bucket_and_whole_after_a_reset() {
    let harness = check(
        "{}",
        vec![
            vec![histogram(10, &[1, 2, 3], &[1.0, 5.0], Some(30.0))],
            vec![histogram(20, &[1, 5, 4], &[1.0, 5.0], Some(50.0))],
            vec![histogram(30, &[1, 0, 0], &[1.0, 5.0], Some(0.5))],
            vec![histogram(40, &[1, 1, 0], &[1.0, 6.0], None)],
            vec![histogram(50, &[2, 1, 0], &[1.0, 6.0], None)],
        ],
        expect![[r#"
            resource {service.name=shop} scope 
              h unit="" histogram temporality=1
                {} 1..10 count=6 sum=30 [1:1 5:2 inf:3]
            ---
            resource {service.name=shop} scope 
              h unit="" histogram temporality=1
                {} 10..20 count=4 sum=20 [5:3 inf:1]
            ---
            resource {service.name=shop} scope 
              h unit="" histogram temporality=1
                {} 20..30 count=1 sum=0.5 [1:1]
            ---
            ---
            resource {service.name=shop} scope 
              h unit="" histogram temporality=1
                {} 40..50 count=1 sum=-1 [1:1]
        "#]],
    );
    assert_eq!(harness.bench.rejected, [(1, "bucket_mismatch")]);
}

fn exponential(secs: u64, scale: i32, offset: i32, counts: &[u64], zero: (u64, f64)) -> Metric {
    let point = ExponentialHistogramDataPoint {
        start_time_unix_nano: nanos(1),
        time_unix_nano: nanos(secs),
        count: counts.iter().sum::<u64>() + zero.0,
        sum: Some(secs as f64),
        scale,
        zero_count: zero.0,
        zero_threshold: zero.1,
        positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
        ..ExponentialHistogramDataPoint::default()
    };
    let data = ExponentialHistogram { data_points: vec![point], aggregation_temporality: CUMULATIVE };
    metric("e", Data::ExponentialHistogram(data))
}

#[test]
fn exponential_histograms_follow_a_falling_scale_and_a_growing_zero() {
    let harness = check(
        "{}",
        vec![
            vec![exponential(10, 1, -1, &[1, 2, 3, 4], (0, 0.0))],
            vec![exponential(20, 1, -1, &[1, 2, 4, 4, 1], (1, 0.0))],
            // Two buckets have become one.
            vec![exponential(30, 0, -1, &[1, 6, 7], (1, 0.0))],
            // The lowest bucket has become zero.
            vec![exponential(40, 0, 0, &[6, 7], (4, 1.0))],
            vec![exponential(50, 0, 0, &[1], (0, 1.0))],
        ],
        expect![[r#"
            resource {service.name=shop} scope 
              e unit="" exponential temporality=1
                {} 1..10 count=10 sum=10 min=-1 max=-1 scale=1 zero=0 offset=-1 [1, 2, 3, 4]
            ---
            resource {service.name=shop} scope 
              e unit="" exponential temporality=1
                {} 10..20 count=3 sum=10 min=-1 max=-1 scale=1 zero=1 offset=1 [1, 0, 1]
            ---
            resource {service.name=shop} scope 
              e unit="" exponential temporality=1
                {} 20..30 count=2 sum=10 min=-1 max=-1 scale=0 zero=0 offset=1 [2]
            ---
            resource {service.name=shop} scope 
              e unit="" exponential temporality=1
                {} 30..40 count=2 sum=10 min=-1 max=-1 scale=0 zero=2 offset=0 []
            ---
        "#]],
    );
    assert_eq!(harness.bench.rejected, [(1, "reset")]);
}

#[test]
fn buckets_at_the_end_of_all_numbers_are_told() {
    let harness = check(
        "{}",
        vec![
            vec![exponential(10, 0, i32::MAX - 1, &[1, 1], (0, 0.0))],
            vec![exponential(20, 0, i32::MAX - 1, &[2, 3, 4, 5], (0, 0.0))],
        ],
        expect![[r#"
            resource {service.name=shop} scope 
              e unit="" exponential temporality=1
                {} 1..10 count=2 sum=10 min=-1 max=-1 scale=0 zero=0 offset=2147483646 [1, 1]
            ---
            resource {service.name=shop} scope 
              e unit="" exponential temporality=1
                {} 10..20 count=12 sum=10 min=-1 max=-1 scale=0 zero=0 offset=2147483646 [1, 2, 4, 5]
        "#]],
    );
    assert!(harness.bench.rejected.is_empty());
}

#[test]
fn a_state_that_is_stored_before_a_tick_knows_what_leaves_then() {
    let telemetry = Telemetry::default();
    let cx = BuildCx { id: "t", telemetry: &telemetry, instance_id: "i", started_at: T0, is_watched: false };
    let half = || CumulativeToDelta::analysis(&config("{}"), &cx).expect("there are two halves");
    let told = |half: &mut Box<dyn Processor>, value: i64, secs: u64, is_stored: bool| {
        let mut bench = Workbench::default();
        let requests = vec![request_of(vec![sum("a", vec![int(1, secs, value)])]).bytes().unwrap().clone()];
        let bytes = RequestsPartial { version: 1, requests }.encode_to_vec().into();
        let payload = Payload::Partial(Partial { bytes, at: at(secs) });
        half.process(Batch { payload, items: 1, ack: Ack::none() }, &mut Cx::new(at(secs), &mut bench));
        let stored = is_stored.then(|| half.snapshot().expect("state survives"));
        half.tick(&mut Cx::new(at(secs), &mut bench));
        (lines(&bench.out.into_iter().map(|batch| batch.payload).collect::<Vec<_>>()), stored)
    };
    let mut before = half();
    told(&mut before, 10, 10, false);
    let (left, stored) = told(&mut before, 14, 20, true);
    assert!(left.contains("= 4"), "{left}");
    let mut after = half();
    after.restore(stored.expect("it was stored")).expect("the snapshot is sound");
    let (left, _) = told(&mut after, 15, 30, false);
    assert!(left.contains("= 1"), "the four are not repeated: {left}");
}

#[test]
fn what_is_stored_at_an_interval_is_withheld_once_after_a_crash_and_never_repeated() {
    let telemetry = Telemetry::default();
    let cx = BuildCx { id: "t", telemetry: &telemetry, instance_id: "i", started_at: T0, is_watched: false };
    let config = config("snapshot_interval: 60s");
    let half = || CumulativeToDelta::analysis(&config, &cx).expect("there are two halves");
    let feed = |half: &mut Box<dyn Processor>, value: i64, secs: u64| {
        let mut bench = Workbench::default();
        let requests = vec![request_of(vec![sum("a", vec![int(1, secs, value)])]).bytes().unwrap().clone()];
        let bytes = RequestsPartial { version: 1, requests }.encode_to_vec().into();
        let payload = Payload::Partial(Partial { bytes, at: at(secs) });
        half.process(Batch { payload, items: 1, ack: Ack::none() }, &mut Cx::new(at(secs), &mut bench));
        half.tick(&mut Cx::new(at(secs), &mut bench));
        let left = lines(&bench.out.into_iter().map(|batch| batch.payload).collect::<Vec<_>>());
        (left, bench.rejected)
    };
    let is_due = |half: &dyn Processor| (1..=180).filter(|secs| half.closes_at(at(*secs))).count();
    let mut before = half();
    assert_eq!(is_due(before.as_ref()), 3);
    feed(&mut before, 10, 10);
    let stored = before.snapshot().expect("state survives");
    let (left, _) = feed(&mut before, 14, 20);
    assert!(left.contains("= 4"), "{left}");
    // A crash: the four have left, and the snapshot does not know it.
    let mut after = half();
    after.restore(stored).expect("the snapshot is sound");
    assert_eq!(feed(&mut after, 15, 30), (String::new(), vec![(1, "after_crash")]));
    let (left, rejected) = feed(&mut after, 17, 40);
    assert!(left.contains("30..40 = 2") && rejected.is_empty(), "{left}");
    // A stop: nothing is withheld.
    after.drain(&mut Cx::new(at(41), &mut Workbench::default()));
    let mut next = half();
    next.restore(after.snapshot().expect("state survives")).expect("the snapshot is sound");
    let (left, rejected) = feed(&mut next, 20, 50);
    assert!(left.contains("40..50 = 3") && rejected.is_empty(), "{left}");
}

#[test]
fn what_is_not_to_be_converted_passes_at_once_and_untouched() {
    let gauge = metric("g", Data::Gauge(Gauge { data_points: vec![int(1, 2, 3)] }));
    let mut falls = sum("f", vec![int(1, 2, 3)]);
    if let Some(Data::Sum(data)) = &mut falls.data {
        data.is_monotonic = false;
    }
    let yaml = "include: {match_type: regexp, metrics: ['^a']}\nexclude: {metric_types: [Histogram]}";
    let mut harness = Harness::new::<CumulativeToDelta>(&config(yaml), 1, T0);
    let request = request_of(vec![gauge.clone(), falls.clone(), sum("b", vec![int(1, 2, 3)])]);
    let at = request.bytes().unwrap().as_ptr();
    let out = harness.push(0, request, 3);
    assert_eq!(out[0].bytes().unwrap().as_ptr(), at);
    // Beside what is converted it keeps its place.
    assert!(harness.push(0, request_of(vec![gauge, sum("a", vec![int(1, 2, 3)]), falls]), 3).is_empty());
    expect![[r#"
        resource {service.name=shop} scope 
          g unit="" gauge
            {} 1..2 = 3
          a unit="" sum temporality=1 monotonic=true
            {} 1..2 = 3
          f unit="" sum temporality=2 monotonic=false
            {} 1..2 = 3
    "#]]
    .assert_eq(&lines(&harness.tick(crate::testing::at(1))));
}

#[test]
fn streams_are_told_apart_by_everything_that_names_them_and_by_nothing_else() {
    let with = |point: NumberDataPoint, attributes: &[(&str, &str)]| NumberDataPoint {
        attributes: attributes.iter().map(|(key, value)| text(key, value)).collect(),
        ..point
    };
    let mut number = with(int(1, 30, 100), &[]);
    number.attributes.push(attribute("k", Value::IntValue(1)));
    let (told, harness) = run(
        "{}",
        vec![
            vec![sum("a", vec![with(int(1, 10, 1), &[("k", "1"), ("l", "2")])])],
            vec![sum("a", vec![with(int(1, 20, 3), &[("l", "2"), ("k", "1")])])],
            vec![sum(
                "a",
                vec![with(int(1, 30, 100), &[("k", "1")]), number, with(int(2, 30, 100), &[("k", "1")])],
            )],
            vec![sum("b", vec![with(int(1, 40, 100), &[("k", "1")])])],
        ],
    );
    assert!(told[1].contains("= 2"), "{}", told[1]);
    assert_eq!(told[2].matches("= 100").count(), 3);
    assert_eq!(told[3].matches("= 100").count(), 1);
    let tracked = harness.telemetry.read().into_iter().find(|row| row.name.ends_with("streams_tracked"));
    assert_eq!(tracked.map(|row| row.value), Some(5));
}

#[test]
fn streams_are_bounded_and_forgotten() {
    let (told, harness) = run(
        "{max_streams: 1, max_staleness: 30s}",
        vec![vec![sum("a", vec![int(1, 1, 1)]), sum("b", vec![int(1, 1, 1)])]],
    );
    assert!(told[0].is_empty(), "{}", told[0]);
    assert_eq!(harness.bench.rejected, [(1, "initial"), (1, "too_many_streams")]);
    let mut harness = harness;
    // The first whole minute after the stream has ended.
    for second in 2..=140 {
        harness.tick(at(second));
    }
    harness.push(0, request_of(vec![sum("b", vec![int(140, 141, 1)])]), 1);
    assert!(lines(&harness.tick(at(141))).contains("= 1"));
}

#[test]
fn it_does_not_matter_which_shard_has_what() {
    let requests = || (0..6).map(|n| request_of(vec![sum("a", vec![int(1, 10 + n, 10 * n as i64)])]));
    let mut all = Vec::new();
    for (shards, is_reversed) in [(1, false), (3, false), (3, true)] {
        let mut harness = Harness::new::<CumulativeToDelta>(&config("{}"), shards, T0);
        let mut requests: Vec<_> = requests().collect();
        if is_reversed {
            requests.reverse();
        }
        for (at, request) in requests.into_iter().enumerate() {
            harness.push(at % shards, request, 1);
        }
        all.push(metrics_bytes(&harness.tick(at(1))));
    }
    assert_eq!(all[0].len(), 6);
    assert!(all.iter().all(|out| *out == all[0]));
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let telemetry = Telemetry::default();
    let cx = BuildCx { id: "t", telemetry: &telemetry, instance_id: "i", started_at: T0, is_watched: false };
    let half = || CumulativeToDelta::analysis(&config("{}"), &cx).expect("there are two halves");
    let feed = |half: &mut Box<dyn Processor>, metrics: Vec<Metric>, secs: u64| {
        let mut bench = Workbench::default();
        let requests = vec![request_of(metrics).bytes().unwrap().clone()];
        let bytes = RequestsPartial { version: 1, requests }.encode_to_vec().into();
        let payload = Payload::Partial(Partial { bytes, at: at(secs) });
        half.process(Batch { payload, items: 1, ack: Ack::none() }, &mut Cx::new(at(secs), &mut bench));
        half.tick(&mut Cx::new(at(secs), &mut bench));
        lines(&bench.out.into_iter().map(|batch| batch.payload).collect::<Vec<_>>())
    };
    let at_time = |secs: u64| {
        let n = secs as i64;
        vec![
            sum("a", vec![int(1, secs, n), double(1, secs, n as f64)]),
            histogram(secs, &[secs, 2 * secs], &[1.0], Some(n as f64)),
            exponential(secs, 2, -3, &[secs, secs], (secs, 0.0)),
        ]
    };
    let mut before = half();
    feed(&mut before, at_time(10), 10);
    let snapshot = before.snapshot().expect("state survives");
    let mut after = half();
    after.restore(snapshot.clone()).expect("the snapshot is sound");
    assert_eq!(after.snapshot(), Some(snapshot.clone()));
    assert_eq!(feed(&mut after, at_time(25), 25), feed(&mut before, at_time(25), 25));
    for at in 0..snapshot.bytes.len() {
        let mut damaged = snapshot.clone();
        damaged.bytes[at] ^= 0x10;
        assert!(half().restore(damaged).is_err());
    }
    assert!(half().restore(component::Snapshot { version: 9, ..snapshot }).is_err());
}

proptest! {
    /// What leaves adds up to what came.
    #[test]
    fn differences_add_up(steps in proptest::collection::vec(0_u64..1000, 2..20), scale_falls in any::<bool>()) {
        let mut total = [0_u64; 4];
        let mut requests = Vec::new();
        for (at, step) in (10..).zip(&steps) {
            total[*step as usize % 4] += step;
            let e = if scale_falls && at > 12 {
                // Four buckets from 0 on are two at the scale below.
                exponential(at, 0, 0, &[total[0] + total[1], total[2] + total[3]], (0, 0.0))
            } else {
                exponential(at, 1, 0, &total, (0, 0.0))
            };
            let all: u64 = total.iter().sum();
            requests.push(vec![sum("a", vec![int(1, at, all as i64)]), histogram(at, &total, &[1.0, 2.0, 3.0], None), e]);
        }
        let last: u64 = total.iter().sum();
        let mut harness = Harness::new::<CumulativeToDelta>(&config("{}"), 1, T0);
        let (mut ints, mut counts, mut buckets) = (0, 0, 0);
        for (at, metrics) in (10..).zip(requests) {
            harness.push(0, request_of(metrics), 3);
            for request in decoded(&harness.tick(crate::testing::at(at))) {
                for metric in &request.resource_metrics[0].scope_metrics[0].metrics {
                    match metric.data.as_ref().unwrap() {
                        Data::Sum(data) => {
                            let Some(number_data_point::Value::AsInt(value)) = data.data_points[0].value else { panic!() };
                            ints += value as u64;
                        }
                        Data::Histogram(data) => counts += data.data_points[0].bucket_counts.iter().sum::<u64>(),
                        Data::ExponentialHistogram(data) => {
                            let point = &data.data_points[0];
                            buckets += point.positive.as_ref().unwrap().bucket_counts.iter().sum::<u64>();
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        prop_assert_eq!((ints, counts, buckets), (last, last, last));
    }

    #[test]
    fn hostile_buckets_cost_no_more_than_they_bring(
        points in proptest::collection::vec((any::<i32>(), any::<i32>(), proptest::collection::vec(any::<u64>(), 0..5), any::<f64>()), 1..6),
    ) {
        let mut harness = Harness::new::<CumulativeToDelta>(&config("{}"), 1, T0);
        for (at, (scale, offset, counts, threshold)) in (10..).zip(points) {
            let point = ExponentialHistogramDataPoint {
                start_time_unix_nano: nanos(1),
                time_unix_nano: nanos(at),
                count: at,
                scale,
                zero_threshold: threshold,
                positive: Some(Buckets { offset, bucket_counts: counts.clone() }),
                negative: Some(Buckets { offset: scale, bucket_counts: counts }),
                ..ExponentialHistogramDataPoint::default()
            };
            let data = ExponentialHistogram { data_points: vec![point], aggregation_temporality: CUMULATIVE };
            harness.push(0, request_of(vec![metric("e", Data::ExponentialHistogram(data))]), 1);
            let out = harness.tick(crate::testing::at(at));
            prop_assert!(out.iter().all(|it| it.bytes().unwrap().len() < 1000));
        }
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let yaml = "
initial_value: atuo
max_streams: 0
include: {metrics: [a]}
exclude: {match_type: regexp, metrics: ['a('], metric_types: [summary], regexp: {cacheenabled: true}}
";
    expect![[r#"
        error at exclude: key `regexp` of the collector is not supported: patterns need no cache, as few names come often
        error at initial_value: "atuo" is no initial value, did you mean "auto"? write one of auto, keep, drop
        error at max_streams: max_streams is 0, must be between 1 and 100000000
        error at include.match_type: match_type is missing, write strict or regexp beside metrics
        error at exclude.metric_types.0: "summary" is no type of metric, write one of sum, histogram, exponentialhistogram
        error at exclude.metrics.0: the pattern "a(" is no regular expression: unclosed group
    "#]].assert_eq(&problems_of::<CumulativeToDelta>(yaml));
}

#[test]
fn what_is_told_and_stored_is_as_described() {
    let mut schema = schemas::Schema::compile("cumulativetodelta.proto");
    schema.holds::<RequestsPartial>("DeltaPartial");
    schema.holds::<DeltaSnapshot>("DeltaSnapshot");
    schema.holds::<SavedStream>("SavedStream");
    schema.finish();
}

/// Times that senders make up keep no place, and neither do long names.
#[test]
fn a_table_that_is_full_empties_whatever_time_its_points_say() {
    let far = 4_000_000_000;
    let (_, mut harness) = run(
        "{max_streams: 1, max_staleness: 30s}",
        vec![vec![sum("a", vec![int(1, far, 1)]), sum("b", vec![int(1, 1, 1)])]],
    );
    assert_eq!(harness.bench.rejected, [(1, "too_many_streams")]);
    // The sweep of a whole minute falls into seconds that are not told one by one.
    for second in [50, 130] {
        harness.tick(at(second));
    }
    harness.push(0, request_of(vec![sum("b", vec![int(140, 141, 1)])]), 1);
    assert!(lines(&harness.tick(at(141))).contains("= 1"));
}

#[test]
fn streams_are_bounded_in_bytes() {
    let long = "x".repeat(400 << 10);
    let names: Vec<String> = (0..4).map(|at| format!("{long}{at}")).collect();
    let metrics = names.iter().map(|name| sum(name, vec![int(1, 1, 1)])).collect();
    let (_, harness) = run("{max_bytes: 1MiB, initial_value: keep}", vec![metrics]);
    assert_eq!(harness.bench.rejected, [(1, "too_many_streams"), (1, "too_many_streams")]);
}
