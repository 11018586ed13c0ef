//! Views see as many data points as the check counts, and end on anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::view::{ExponentialPoint, HistogramPoint, Metric, MetricData, NumberPoint, SummaryPoint, groups};

fuzz_target!(|data: &[u8]| {
    let mut n_points = 0_u64;
    let mut n_shown = 0;
    for group in groups(data) {
        for item in group.items() {
            let metric = Metric::of(item);
            let points = match metric.data {
                MetricData::Empty => continue,
                MetricData::Gauge(points)
                | MetricData::Sum { points, .. }
                | MetricData::Histogram { points, .. }
                | MetricData::ExponentialHistogram { points, .. }
                | MetricData::Summary(points) => points,
            };
            for point in points.iter() {
                n_points += 1;
                n_shown += NumberPoint::of(point).exemplars().count();
                n_shown += HistogramPoint::of(point).explicit_bounds().count();
                n_shown += ExponentialPoint::of(point).negative.counts().count();
                n_shown += SummaryPoint::of(point).quantiles().count();
            }
            for attribute in metric.metadata() {
                n_shown += attribute.value().to_label_string().len();
            }
        }
    }
    assert!(n_shown <= data.len() * 64 + 1024);
    // A later member of the `oneof` hides the points of an earlier one, so views may see fewer.
    if let Ok(items) = wire::check_metrics(data) {
        assert!(n_points <= items, "views see {n_points} points and the check counts {items}");
    }
});
