//! `cumulativetodelta`.

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{Metric, metric::Data, number_data_point::Value},
};

use super::{
    METRICS, Pair,
    canon::Order,
    metric_zoo::{
        CUMULATIVE, DELTA, exponential, exponential_point, gauge, histogram, histogram_point, metric, number,
        request, sum, summary,
    },
    run::check,
    values::{BASE, SECOND, V, billing, shop},
    zoo::{Telemetry, zoo},
};

/// Long after both were started.
const LATER: u64 = 1_000_000_000 * SECOND;

/// What a source says at one of its four looks; the third is after a restart.
fn metrics_at(look: u64) -> Vec<Metric> {
    let at = usize::try_from(look).expect("a look");
    let second = 10 * (look + 1);
    let of = |kind| vec![("kind", V::S(kind))];
    let int = |of, values: [i64; 4]| number(Value::AsInt(values[at]), of, second);
    let double = |of, values: [f64; 4]| number(Value::AsDouble(values[at]), of, second);
    let mut late = int(of("begun later"), [5, 9, 30, 31]);
    late.start_time_unix_nano = BASE + LATER;
    late.time_unix_nano += LATER;
    let mut unknown = int(of("unknown start"), [1, 2, 4, 8]);
    unknown.start_time_unix_nano = 0;
    let mut restarted = int(of("restarted"), [10, 20, 3, 5]);
    if look >= 2 {
        restarted.start_time_unix_nano = BASE + 25 * SECOND;
    }
    let mut unrecorded = int(of("unrecorded"), [10, 0, 30, 40]);
    if look == 1 {
        unrecorded.flags = 1;
        unrecorded.value = None;
    }
    let buckets = [[1, 2, 3], [2, 2, 5], [0, 1, 1], [0, 3, 1]][at];
    let mut timed = histogram_point(buckets, of("histogram"), second);
    timed.min = Some(0.01);
    let mut other_bounds =
        histogram_point([[1, 1, 1], [2, 2, 2], [4, 4, 4], [8, 8, 8]][at], of("bounds"), second);
    if look >= 2 {
        other_bounds.explicit_bounds = vec![0.5, 5.0];
    }
    let exponential_counts = [[1, 0, 4], [2, 1, 4], [2, 2, 9], [3, 2, 9]][at];
    vec![
        metric(
            "grows",
            "1",
            sum(
                CUMULATIVE,
                true,
                vec![
                    int(of("int"), [7, 7, 12, 100]),
                    int(of("reset"), [50, 60, 5, 9]),
                    late,
                    unknown,
                    restarted,
                    unrecorded,
                ],
            ),
        ),
        metric("grows.double", "s", sum(CUMULATIVE, true, vec![double(of("double"), [0.5, 0.75, 2.0, 2.0])])),
        metric("falls", "1", sum(CUMULATIVE, false, vec![int(of("int"), [7, 5, 9, 1])])),
        metric("is.delta", "1", sum(DELTA, true, vec![int(of("int"), [1, 2, 3, 4])])),
        metric("is.gauge", "1", gauge(vec![double(of("gauge"), [1.0, 2.0, 0.5, 0.25])])),
        metric("timed", "s", histogram(CUMULATIVE, vec![timed, other_bounds])),
        metric(
            "sized",
            "By",
            exponential(CUMULATIVE, vec![exponential_point(1, &exponential_counts, of("exp"), second)]),
        ),
        metric("summed", "s", summary(of("summary"), second)),
    ]
}

fn looks() -> Telemetry {
    let one = |look| ExportMetricsServiceRequest {
        resource_metrics: vec![
            request(vec![(Some("meter"), metrics_at(look)), (None, vec![steps(look, 3)])], shop()),
            request(vec![(Some("meter"), vec![steps(look, 5)])], billing()),
        ],
    };
    Telemetry { metrics: (0..4).map(one).collect(), ..Telemetry::default() }
}

/// The same metric of another scope and another resource.
fn steps(look: u64, by: i64) -> Metric {
    let value = Value::AsInt(by * i64::try_from(look).expect("a look"));
    let data: Data = sum(CUMULATIVE, true, vec![number(value, vec![("kind", V::S("int"))], 10 * (look + 1))]);
    metric("grows", "1", data)
}

/// Ours hands on at whole seconds, in the order of times.
const fn deltas(name: &'static str, processors: &'static str) -> Pair {
    Pair { telemetry: looks, order: Order::Any, waits_for: 1, ..Pair::new(name, METRICS, processors) }
}

pub(super) const PAIRS: &[Pair] = &[
    deltas("cumulativetodelta: all that grows", "cumulativetodelta: {}"),
    deltas("cumulativetodelta: the first point is kept", "cumulativetodelta: {initial_value: keep}"),
    deltas(
        "cumulativetodelta: the first point is dropped",
        "cumulativetodelta: {initial_value: drop, max_staleness: 10m}",
    ),
    deltas(
        "cumulativetodelta: chosen by name and type",
        "
cumulativetodelta:
  include: {match_type: strict, metrics: [grows, timed]}
  exclude: {metric_types: [histogram]}",
    ),
    deltas(
        "cumulativetodelta: chosen by pattern",
        "
cumulativetodelta:
  include: {match_type: regexp, metrics: ['^grows', sized]}
  exclude: {match_type: regexp, metrics: ['double$']}",
    ),
    Pair {
        telemetry: zoo,
        ..deltas(
            "cumulativetodelta: of everything a single point",
            "cumulativetodelta: {initial_value: keep}",
        )
    },
];

#[test]
fn totals_become_the_same_differences() {
    check(PAIRS);
}
