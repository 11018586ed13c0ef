use component::{BuildCx, Cx, Processor, ProcessorDef, Telemetry, Workbench, testing::Harness};
use expect_test::{Expect, expect};
use model::{Ack, Batch, Partial, Payload};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram,
    HistogramDataPoint, Metric, NumberDataPoint, Sum, exponential_histogram_data_point::Buckets,
    metric::Data,
};
use proptest::prelude::*;
use prost::Message;

use super::{
    DeltaToCumulative,
    snapshot::{CumulativeSnapshot, SavedTotal},
};
use crate::{
    temporality::{RequestsPartial, testing::*},
    testing::*,
};

const DELTA: i32 = AggregationTemporality::Delta as i32;

fn sum(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    let data = Sum { data_points, aggregation_temporality: DELTA, is_monotonic: true };
    metric(name, Data::Sum(data))
}

/// Gives requests, one each second, and returns what comes out of each.
fn run(yaml: &str, requests: Vec<Vec<Metric>>) -> (Vec<String>, Harness) {
    let mut harness = Harness::new::<DeltaToCumulative>(&settings(yaml), 2, T0);
    let mut told = Vec::new();
    for (second, metrics) in requests.into_iter().enumerate() {
        let mut out = harness.push(second % 2, request_of(metrics), 1);
        out.extend(harness.tick(at(second as u64 + 1)));
        told.push(lines(&out));
    }
    (told, harness)
}

fn check(requests: Vec<Vec<Metric>>, expected: Expect) -> Harness {
    let (told, harness) = run("{}", requests);
    expected.assert_eq(&told.join("---\n"));
    harness
}

#[test]
fn sums_leave_as_what_they_came_to() {
    let harness = check(
        vec![
            vec![sum("a", vec![int(1, 10, 5)]), sum("b", vec![double(1, 10, 1.5)])],
            vec![sum("a", vec![int(10, 20, 7)]), sum("b", vec![double(10, 20, -4.0)])],
            // After a gap, and another kind of number.
            vec![sum("a", vec![double(50, 60, 0.5)]), sum("b", vec![int(20, 30, 1)])],
            vec![sum("a", vec![int(60, 70, 1)]), sum("b", vec![double(30, 40, f64::NAN)])],
        ],
        expect![[r#"
            resource {service.name=shop} scope 
              a unit="" sum temporality=2 monotonic=true
                {} 1..10 = 5
              b unit="" sum temporality=2 monotonic=true
                {} 1..10 = 1.5
            ---
            resource {service.name=shop} scope 
              a unit="" sum temporality=2 monotonic=true
                {} 1..20 = 12
              b unit="" sum temporality=2 monotonic=true
                {} 1..20 = -2.5
            ---
            resource {service.name=shop} scope 
              a unit="" sum temporality=2 monotonic=true
                {} 1..60 = 12.5
              b unit="" sum temporality=2 monotonic=true
                {} 1..30 = -1.5
            ---
            resource {service.name=shop} scope 
              a unit="" sum temporality=2 monotonic=true
                {} 1..70 = 13.5
        "#]],
    );
    assert_eq!(harness.bench.rejected, [(1, "not_finite")]);
}

#[test]
fn what_is_late_or_of_before_its_stream_is_dropped() {
    let harness = check(
        vec![
            vec![sum("a", vec![int(10, 20, 5)])],
            vec![sum("a", vec![int(10, 20, 5)])],
            vec![sum("a", vec![int(10, 15, 5)])],
            vec![sum("a", vec![int(9, 30, 5)])],
            vec![sum("a", vec![int(20, 40, 5), NumberDataPoint { flags: 1, ..int(40, 50, 5) }])],
        ],
        expect![[r#"
            resource {service.name=shop} scope 
              a unit="" sum temporality=2 monotonic=true
                {} 10..20 = 5
            ---
            ---
            ---
            ---
            resource {service.name=shop} scope 
              a unit="" sum temporality=2 monotonic=true
                {} 10..40 = 10
        "#]],
    );
    let dropped: Vec<&str> = harness.bench.rejected.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(dropped, ["out_of_order", "out_of_order", "older_start", "no_recorded_value"]);
    let mut points: Vec<(String, u64)> = harness
        .telemetry
        .read()
        .into_iter()
        .filter(|row| row.name == "otelcol_deltatocumulative_datapoints" && row.value > 0)
        .map(|row| (row.labels.iter().map(|(_, value)| value.clone()).collect(), row.value))
        .collect();
    points.sort();
    let expected = [("", 2), ("delta.ErrOlderStart", 1), ("delta.ErrOutOfOrder", 2), ("value", 1)];
    assert_eq!(points, expected.map(|(error, count)| (error.to_owned(), count)));
}

fn histogram(start: u64, secs: u64, counts: &[u64], bounds: &[f64], spread: Option<[f64; 3]>) -> Metric {
    let point = HistogramDataPoint {
        start_time_unix_nano: nanos(start),
        time_unix_nano: nanos(secs),
        count: counts.iter().sum(),
        sum: spread.map(|spread| spread[0]),
        min: spread.map(|spread| spread[1]),
        max: spread.map(|spread| spread[2]),
        bucket_counts: counts.to_vec(),
        explicit_bounds: bounds.to_vec(),
        ..HistogramDataPoint::default()
    };
    let data = Histogram { data_points: vec![point], aggregation_temporality: DELTA };
    metric("h", Data::Histogram(data))
}

#[test]
fn histograms_add_up_and_begin_anew_with_other_bounds() {
    check(
        vec![
            vec![histogram(1, 10, &[1, 2, 3], &[1.0, 5.0], Some([30.0, 0.5, 9.0]))],
            vec![histogram(10, 20, &[1, 0, 4], &[1.0, 5.0], Some([50.0, 0.25, 8.0]))],
            vec![histogram(20, 30, &[1, 0, 0], &[1.0, 5.0], None)],
            vec![histogram(30, 40, &[1, 1, 0], &[1.0, 6.0], Some([3.0, 1.0, 2.0]))],
            vec![histogram(40, 50, &[0, 1, 0], &[1.0, 6.0], Some([2.0, 2.0, 2.0]))],
        ],
        expect![[r#"
            resource {service.name=shop} scope 
              h unit="" histogram temporality=2
                {} 1..10 count=6 sum=30 [1:1 5:2 inf:3]
            ---
            resource {service.name=shop} scope 
              h unit="" histogram temporality=2
                {} 1..20 count=11 sum=80 [1:2 5:2 inf:7]
            ---
            resource {service.name=shop} scope 
              h unit="" histogram temporality=2
                {} 1..30 count=12 sum=-1 [1:3 5:2 inf:7]
            ---
            resource {service.name=shop} scope 
              h unit="" histogram temporality=2
                {} 30..40 count=2 sum=3 [1:1 6:1]
            ---
            resource {service.name=shop} scope 
              h unit="" histogram temporality=2
                {} 30..50 count=3 sum=5 [1:1 6:2]
        "#]],
    );
}

fn exponential(secs: u64, scale: i32, offset: i32, counts: &[u64], zero: (u64, f64)) -> Metric {
    let point = ExponentialHistogramDataPoint {
        start_time_unix_nano: nanos(secs - 1),
        time_unix_nano: nanos(secs),
        count: counts.iter().sum::<u64>() + zero.0,
        sum: Some(secs as f64),
        scale,
        zero_count: zero.0,
        zero_threshold: zero.1,
        positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
        ..ExponentialHistogramDataPoint::default()
    };
    let data = ExponentialHistogram { data_points: vec![point], aggregation_temporality: DELTA };
    metric("e", Data::ExponentialHistogram(data))
}

#[test]
fn exponential_histograms_add_up_at_the_coarser_scale_and_the_wider_zero() {
    check(
        vec![
            vec![exponential(10, 1, 0, &[1, 2, 3], (1, 0.0))],
            vec![exponential(20, 1, 2, &[1, 0, 1], (0, 0.0))],
            // At a scale of 0 pairs of buckets are one.
            vec![exponential(30, 0, 0, &[1, 1], (2, 0.0))],
            // Finer points become coarser.
            vec![exponential(40, 1, -2, &[1, 1], (0, 0.0))],
            // 0.75 lies in the bucket (0.5, 1], which is zero from then on.
            vec![exponential(50, 0, 1, &[1], (0, 0.75))],
            // Too many buckets for one side.
            vec![exponential(60, 0, 200, &[1], (0, 0.0))],
        ],
        expect![[r#"
            resource {service.name=shop} scope 
              e unit="" exponential temporality=2
                {} 9..10 count=7 sum=10 min=-1 max=-1 scale=1 zero=1 offset=0 [1, 2, 3]
            ---
            resource {service.name=shop} scope 
              e unit="" exponential temporality=2
                {} 9..20 count=9 sum=30 min=-1 max=-1 scale=1 zero=1 offset=0 [1, 2, 4, 0, 1]
            ---
            resource {service.name=shop} scope 
              e unit="" exponential temporality=2
                {} 9..30 count=13 sum=60 min=-1 max=-1 scale=0 zero=3 offset=0 [4, 5, 1]
            ---
            resource {service.name=shop} scope 
              e unit="" exponential temporality=2
                {} 9..40 count=15 sum=100 min=-1 max=-1 scale=0 zero=3 offset=-1 [2, 4, 5, 1]
            ---
            resource {service.name=shop} scope 
              e unit="" exponential temporality=2
                {} 9..50 count=16 sum=150 min=-1 max=-1 scale=0 zero=5 offset=0 [4, 6, 1]
            ---
            resource {service.name=shop} scope 
              e unit="" exponential temporality=2
                {} 9..60 count=17 sum=210 min=-1 max=-1 scale=-1 zero=5 offset=0 [10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        "#]],
    );
}

#[test]
fn a_threshold_within_a_bucket_takes_that_one_of_both_and_no_further_one() {
    check(
        vec![
            // From 0.71 to 1, 1.41 and 2.
            vec![exponential(10, 1, -1, &[1, 2, 4], (2, 0.0))],
            vec![exponential(20, 1, -1, &[1, 2, 4], (2, 1.1))],
        ],
        expect![[r#"
            resource {service.name=shop} scope 
              e unit="" exponential temporality=2
                {} 9..10 count=9 sum=10 min=-1 max=-1 scale=1 zero=2 offset=-1 [1, 2, 4]
            ---
            resource {service.name=shop} scope 
              e unit="" exponential temporality=2
                {} 9..20 count=18 sum=30 min=-1 max=-1 scale=1 zero=10 offset=1 [8]
        "#]],
    );
}

#[test]
fn what_is_no_delta_passes() {
    let of = |temporality, is_monotonic| Sum {
        data_points: vec![int(1, 2, 3)],
        aggregation_temporality: temporality,
        is_monotonic,
    };
    let gauge = Gauge { data_points: vec![int(1, 2, 3)] };
    let mut harness = Harness::new::<DeltaToCumulative>(&settings("{}"), 1, T0);
    let untouched =
        request_of(vec![metric("g", Data::Gauge(gauge.clone())), metric("c", Data::Sum(of(2, true)))]);
    let out = harness.push(0, untouched.clone(), 2);
    assert_eq!(out[0].bytes().unwrap().as_ptr(), untouched.bytes().unwrap().as_ptr());
    let mixed = vec![
        metric("g", Data::Gauge(gauge)),
        metric("up", Data::Sum(of(DELTA, true))),
        metric("both", Data::Sum(of(DELTA, false))),
        metric("c", Data::Sum(of(2, false))),
    ];
    assert_eq!(harness.push(0, request_of(mixed), 4).len(), 0, "it leaves with the next second");
    expect![[r#"
        resource {service.name=shop} scope 
          g unit="" gauge
            {} 1..2 = 3
          up unit="" sum temporality=2 monotonic=true
            {} 1..2 = 3
          both unit="" sum temporality=2 monotonic=false
            {} 1..2 = 3
          c unit="" sum temporality=2 monotonic=false
            {} 1..2 = 3
    "#]]
    .assert_eq(&lines(&harness.tick(at(1))));
}

#[test]
fn streams_are_bounded_in_number_and_bytes_and_forgotten() {
    let (told, mut harness) = run(
        "{max_streams: 1, max_stale: 30s}",
        vec![vec![sum("a", vec![int(1, 1, 1)]), sum("b", vec![int(1, 1, 1)])]],
    );
    assert!(told[0].contains("a unit") && !told[0].contains("b unit"), "{}", told[0]);
    assert_eq!(harness.bench.rejected, [(1, "too_many_streams")]);
    for second in [50, 130] {
        harness.tick(at(second));
    }
    harness.push(0, request_of(vec![sum("b", vec![int(140, 141, 7)])]), 1);
    assert!(lines(&harness.tick(at(141))).contains("140..141 = 7"));
    let long = "x".repeat(400 << 10);
    let names: Vec<String> = (0..4).map(|at| format!("{long}{at}")).collect();
    let metrics = names.iter().map(|name| sum(name, vec![int(1, 1, 1)])).collect();
    let (_, harness) = run("{max_bytes: 1MiB}", vec![metrics]);
    assert_eq!(harness.bench.rejected, [(1, "too_many_streams"), (1, "too_many_streams")]);
}

#[test]
fn streams_with_points_are_not_forgotten() {
    let mut harness = Harness::new::<DeltaToCumulative>(&settings("max_stale: 90s"), 1, T0);
    let mut last = String::new();
    for minute in 1..=10 {
        harness.push(0, request_of(vec![sum("a", vec![int(minute, minute + 1, 1)])]), 1);
        last = lines(&harness.tick(at(60 * minute)));
    }
    assert!(last.contains("1..11 = 10"), "{last}");
}

#[test]
fn it_does_not_matter_which_shard_has_what() {
    let requests = || (0..6).map(|n| request_of(vec![sum("a", vec![int(10 + n, 11 + n, 1 << n)])]));
    let mut all = Vec::new();
    for (shards, is_reversed) in [(1, false), (3, false), (3, true)] {
        let mut harness = Harness::new::<DeltaToCumulative>(&settings("{}"), shards, T0);
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
    let half = || DeltaToCumulative::analysis(&settings("{}"), &cx).expect("there are two halves");
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
        vec![
            sum("a", vec![int(secs - 1, secs, 3)]),
            sum("b", vec![double(secs - 1, secs, 0.5)]),
            histogram(secs - 1, secs, &[secs, 2 * secs], &[1.0], Some([1.0, 2.0, 3.0])),
            exponential(secs, 2, -3, &[secs, secs], (secs, 0.0)),
        ]
    };
    let mut before = half();
    feed(&mut before, at_time(10), 10);
    let snapshot = before.snapshot().expect("state survives");
    let mut after = half();
    after.restore(snapshot.clone()).expect("the snapshot is sound");
    assert_eq!(after.snapshot(), Some(snapshot.clone()));
    let gone_on = feed(&mut after, at_time(25), 25);
    assert_eq!(gone_on, feed(&mut before, at_time(25), 25));
    assert!(gone_on.contains("9..25 = 6"), "{gone_on}");
    for at in 0..snapshot.bytes.len() {
        let mut damaged = snapshot.clone();
        damaged.bytes[at] ^= 0x10;
        assert!(half().restore(damaged).is_err());
    }
    assert!(half().restore(component::Snapshot { version: 9, ..snapshot }).is_err());
}

/// A state that is stored before a tick knows of all that leaves with it.
#[test]
fn a_crash_sets_no_total_back() {
    let mut harness = Harness::new::<DeltaToCumulative>(&settings("{}"), 1, T0);
    let mut steps = Vec::new();
    for second in 1..=3 {
        harness.push(0, request_of(vec![sum("a", vec![int(second, second + 1, 5)])]), 1);
        let told = lines(&harness.tick(at(second)));
        steps.push((told, harness.analysis().snapshot().expect("state survives")));
    }
    let mut after = Harness::new::<DeltaToCumulative>(&settings("{}"), 1, T0);
    after.analysis().restore(steps[1].1.clone()).unwrap();
    after.push(0, request_of(vec![sum("a", vec![int(3, 4, 5)])]), 1);
    assert_eq!(lines(&after.tick(at(3))), steps[2].0);
}

proptest! {
    /// What leaves last is what came in all, at whatever scales.
    #[test]
    fn totals_are_what_came(
        points in proptest::collection::vec((0_i32..6, -300_i32..300, proptest::collection::vec(0_u64..1000, 1..9), 0_u64..9), 1..12),
    ) {
        let mut harness = Harness::new::<DeltaToCumulative>(&settings("{}"), 1, T0);
        let (mut total, mut zeros, mut last) = (0, 0, Vec::new());
        for (secs, (scale, offset, counts, zero)) in (10..).zip(points) {
            total += counts.iter().sum::<u64>();
            zeros += zero;
            let e = exponential(secs, scale, offset, &counts, (zero, 0.0));
            let h = histogram(secs - 1, secs, &[counts[0], zero], &[1.0], None);
            harness.push(0, request_of(vec![e, h]), 2);
            last = decoded(&harness.tick(at(secs)));
        }
        let metrics = &last[0].resource_metrics[0].scope_metrics[0].metrics;
        let Some(Data::ExponentialHistogram(data)) = &metrics[0].data else { panic!() };
        let point = &data.data_points[0];
        let buckets = &point.positive.as_ref().unwrap().bucket_counts;
        prop_assert_eq!((buckets.iter().sum::<u64>(), point.zero_count, point.count), (total, zeros, total + zeros));
        prop_assert!(buckets.len() <= 160);
    }

    #[test]
    fn hostile_buckets_cost_no_more_than_they_bring(
        points in proptest::collection::vec((any::<i32>(), any::<i32>(), proptest::collection::vec(any::<u64>(), 0..5), any::<f64>()), 1..6),
    ) {
        let mut harness = Harness::new::<DeltaToCumulative>(&settings("{}"), 1, T0);
        for (secs, (scale, offset, counts, threshold)) in (10..).zip(points) {
            let point = ExponentialHistogramDataPoint {
                start_time_unix_nano: nanos(1),
                time_unix_nano: nanos(secs),
                count: u64::MAX,
                scale,
                zero_threshold: threshold,
                positive: Some(Buckets { offset, bucket_counts: counts.clone() }),
                negative: Some(Buckets { offset: scale, bucket_counts: counts }),
                ..ExponentialHistogramDataPoint::default()
            };
            let data = ExponentialHistogram { data_points: vec![point], aggregation_temporality: DELTA };
            harness.push(0, request_of(vec![metric("e", Data::ExponentialHistogram(data))]), 1);
            let out = harness.tick(at(secs));
            prop_assert!(out.iter().all(|it| it.bytes().unwrap().len() < 4000));
        }
    }
}

#[test]
fn every_problem_is_told_at_once() {
    expect![[r#"
        error at max_stale: max_stale must be a positive duration (got 0s)
        warning at max_streams: max_streams is 0, so that every delta point is dropped, as in the collector; remove it
        error at max_bytes: max_bytes is 1B, must be at least 1MiB
    "#]]
    .assert_eq(&problems_of::<DeltaToCumulative>("{max_stale: 0s, max_streams: 0, max_bytes: 1}"));
    assert_eq!(problems_of::<DeltaToCumulative>("max_streams: 9223372036854775807"), "");
}

#[test]
fn what_is_told_and_stored_is_as_described() {
    let mut schema = schemas::Schema::compile("deltatocumulative.proto");
    schema.holds::<RequestsPartial>("CumulativePartial");
    schema.holds::<CumulativeSnapshot>("CumulativeSnapshot");
    schema.holds::<SavedTotal>("SavedTotal");
    schema.finish();
}
