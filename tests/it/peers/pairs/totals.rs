//! `deltatocumulative`.

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{Metric, NumberDataPoint, number_data_point::Value},
};

use super::{
    METRICS, Meant, Pair,
    canon::Order,
    metric_zoo::{
        CUMULATIVE, DELTA, Of, exponential, exponential_point, gauge, histogram, histogram_point, metric,
        number, request, sum, summary,
    },
    run::{check, remove_text},
    values::{BASE, SECOND, V, billing, shop},
    zoo::{Telemetry, zoo},
};

/// A point of what happened in the ten seconds before the second.
fn delta(value: Value, of: Of, second: u64) -> NumberDataPoint {
    NumberDataPoint { start_time_unix_nano: BASE + (second - 10) * SECOND, ..number(value, of, second) }
}

/// What a source says of the four intervals of ten seconds since its start.
fn metrics_of(interval: u64) -> Vec<Metric> {
    let at = usize::try_from(interval).expect("an interval");
    let second = 10 * (interval + 1);
    let of = |kind| vec![("kind", V::S(kind))];
    let int = |of, values: [i64; 4]| delta(Value::AsInt(values[at]), of, second);
    let double = |of, values: [f64; 4]| delta(Value::AsDouble(values[at]), of, second);
    let mut paused = int(of("paused"), [1, 2, 4, 8]);
    if interval == 2 {
        // A gap before it: what lies between was told by nobody.
        paused.start_time_unix_nano += 5 * SECOND;
    }
    let mut unknown = int(of("unknown start"), [1, 2, 4, 8]);
    unknown.start_time_unix_nano = 0;
    let mut repeated = int(of("repeated"), [1, 2, 4, 8]);
    if interval == 2 {
        repeated.time_unix_nano = BASE + 20 * SECOND;
    }
    let mut older = int(of("older start"), [1, 2, 4, 8]);
    if interval == 0 {
        older.start_time_unix_nano += 2 * SECOND;
    } else if interval == 1 {
        older.start_time_unix_nano = BASE;
    }
    let buckets = [[1, 2, 3], [0, 0, 0], [0, 1, 1], [5, 3, 1]][at];
    let mut timed = histogram_point(buckets, of("histogram"), second);
    timed.start_time_unix_nano = BASE + (second - 10) * SECOND;
    (timed.min, timed.max) = (Some([0.01, 0.2, 0.005, 0.3][at]), Some([2.0, 1.5, 7.0, 0.25][at]));
    let mut unbounded = timed.clone();
    (unbounded.attributes, unbounded.min, unbounded.max) =
        (number(Value::AsInt(0), of("plain"), 1).attributes, None, None);
    let mut summed_once = timed.clone();
    summed_once.attributes = number(Value::AsInt(0), of("without a sum"), 1).attributes;
    if interval == 1 {
        summed_once.sum = None;
    }
    let mut other_bounds = timed.clone();
    other_bounds.attributes = number(Value::AsInt(0), of("bounds"), 1).attributes;
    if interval >= 2 {
        other_bounds.explicit_bounds = vec![0.5, 5.0];
    }
    let spread = |scale, counts: [&[u64]; 4], kind| {
        let mut point = exponential_point(scale, counts[at], of(kind), second);
        point.start_time_unix_nano = BASE + (second - 10) * SECOND;
        point
    };
    let mut sized = spread(1, [&[1, 0, 4], &[2, 1, 4, 1], &[0, 0, 9], &[3]], "exp");
    (sized.min, sized.max) = (Some([-4.0, -2.0, -8.0, 1.0][at]), Some([8.0, 9.0, 2.0, 4.0][at]));
    let coarser = spread([3, 1, 2, 0][at], [&[1, 2], &[1, 0, 7], &[1, 1, 1, 1], &[2]], "scales");
    vec![
        metric(
            "grows",
            "1",
            sum(
                DELTA,
                true,
                vec![
                    int(of("int"), [7, 0, 12, 100]),
                    paused,
                    unknown,
                    repeated,
                    older,
                    int(of("int"), [1; 4]),
                ],
            ),
        ),
        metric("grows.double", "s", sum(DELTA, true, vec![double(of("double"), [0.5, 0.75, 2.0, 0.0])])),
        metric("falls", "1", sum(DELTA, false, vec![int(of("int"), [7, -5, 9, -20])])),
        metric("is.total", "1", sum(CUMULATIVE, true, vec![int(of("int"), [1, 2, 3, 4])])),
        metric("is.gauge", "1", gauge(vec![double(of("gauge"), [1.0, 2.0, 0.5, 0.25])])),
        metric("timed", "s", histogram(DELTA, vec![timed, unbounded, summed_once, other_bounds])),
        metric(
            "timed.total",
            "s",
            histogram(CUMULATIVE, vec![histogram_point(buckets, of("total"), second)]),
        ),
        metric("sized", "By", exponential(DELTA, vec![sized, coarser])),
        metric("summed", "s", summary(of("summary"), second)),
    ]
}

/// Values near zero, which are told apart from it with another precision each time.
fn zeros_of(interval: u64) -> Metric {
    let at = usize::try_from(interval).expect("an interval");
    let with = |kind, thresholds: [f64; 4]| {
        let second = 10 * (interval + 1);
        let mut point = exponential_point(1, &[1, 2, 4], vec![("kind", V::S(kind))], second);
        point.start_time_unix_nano = BASE + (second - 10) * SECOND;
        point.zero_threshold = thresholds[at];
        point
    };
    let points = vec![
        with("below all buckets", [0.0, 0.001, 0.001, 0.0]),
        with("at the end of a bucket", [1.0, 0.0, 1.0, 2.0]),
    ];
    metric("near", "s", exponential(DELTA, points))
}

fn zeros() -> Telemetry {
    let one = |interval| ExportMetricsServiceRequest {
        resource_metrics: vec![request(vec![(Some("meter"), vec![zeros_of(interval)])], shop())],
    };
    Telemetry { metrics: (0..4).map(one).collect(), ..Telemetry::default() }
}

/// The same metric of another scope and another resource.
fn steps(interval: u64, by: i64) -> Metric {
    let of = vec![("kind", V::S("int"))];
    metric("grows", "1", sum(DELTA, true, vec![delta(Value::AsInt(by), of, 10 * (interval + 1))]))
}

fn intervals() -> Telemetry {
    let one = |interval| ExportMetricsServiceRequest {
        resource_metrics: vec![
            request(vec![(Some("meter"), metrics_of(interval)), (None, vec![steps(interval, 3)])], shop()),
            request(vec![(Some("meter"), vec![steps(interval, 5)])], billing()),
        ],
    };
    Telemetry { metrics: (0..4).map(one).collect(), ..Telemetry::default() }
}

/// Ours hands on at whole seconds, in the order of times.
const fn totals(name: &'static str, processors: &'static str) -> Pair {
    Pair { telemetry: intervals, order: Order::Any, waits_for: 1, ..Pair::new(name, METRICS, processors) }
}

pub(super) const PAIRS: &[Pair] = &[
    totals("deltatocumulative: all that was told of intervals", "deltatocumulative: {}"),
    totals(
        "deltatocumulative: streams that are soon forgotten, and a limit with room for all",
        "deltatocumulative: {max_stale: 1h, max_streams: 100}",
    ),
    Pair {
        telemetry: zoo,
        ..totals("deltatocumulative: of everything a single point", "deltatocumulative: {}")
    },
    Pair {
        telemetry: zeros,
        ..totals("deltatocumulative: thresholds of zero that change", "deltatocumulative: {}").differing(Meant {
            why: "a threshold below all that was counted stays as it is, there it becomes the end of a bucket",
            undo: |ours, theirs| {
                remove_text(ours, ",\"zeroThreshold\":0.001");
                remove_text(theirs, ",\"zeroThreshold\":0.0013810679320049757");
            },
        })
    },
    totals(
        "deltatocumulative: behind cumulativetodelta totals are what they were",
        "
cumulativetodelta: {initial_value: keep}
deltatocumulative: {}",
    ),
];

#[test]
fn differences_become_the_same_totals() {
    check(PAIRS);
}
