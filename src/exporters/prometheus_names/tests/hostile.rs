//! Whatever a request holds, it is translated, merged and shown without a panic and within bounds.

use bytes::Bytes;
use model::Timestamp;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, exponential_histogram_data_point::Buckets,
};
use proptest::prelude::*;

use crate::prometheus_names::{
    Point, Settings, Translator, Value, merge,
    testing::{AT_MS, attributes, exponential_histogram, histogram, metric, request, settings, summary},
};

fn run(request: &[u8]) -> Vec<Point> {
    let settings = Settings { takes_deltas: true, has_scope_labels: true, ..settings() };
    let (points, _) = Translator::new(settings).translate(request, Timestamp::from_millis(AT_MS));
    let before = points.len() as u64;
    let (series, merged) = merge(points.clone());
    let kept: usize = series.iter().map(|series| series.samples.len()).sum();
    assert_eq!(
        kept as u64 + merged.added + merged.superseded + merged.conflicting,
        before,
        "no point is lost silently"
    );
    for series in &series {
        assert!(series.labels.is_sorted_by(|a, b| a.name < b.name));
        assert!(series.labels.iter().all(|label| !label.value.is_empty()));
        assert!(series.samples.is_sorted_by(|a, b| a.at_ms < b.at_ms));
    }
    points
}

fn edge_i32() -> impl Strategy<Value = i32> {
    prop_oneof![Just(i32::MIN), Just(i32::MAX), -20..20_i32, any::<i32>()]
}

fn edge_u64() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), 0..5_u64]
}

prop_compose! {
    fn exponential()(
        scale in edge_i32(),
        offsets in (edge_i32(), edge_i32()),
        positive in prop::collection::vec(edge_u64(), 0..200),
        negative in prop::collection::vec(edge_u64(), 0..200),
        zero_count in edge_u64(),
        zero_threshold in any::<f64>(),
        time in edge_u64(),
        flags in 0..2_u32,
        pod in 0..2_u8,
    ) -> ExponentialHistogramDataPoint {
        let sum = |counts: &[u64]| counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        ExponentialHistogramDataPoint {
            attributes: attributes(if pod == 0 { &[("a.b", "x")] } else { &[("a_b", "x")] }),
            time_unix_nano: time,
            count: sum(&positive).saturating_add(sum(&negative)).saturating_add(zero_count),
            sum: Some(zero_threshold),
            scale,
            zero_count,
            zero_threshold,
            flags,
            positive: Some(Buckets { offset: offsets.0, bucket_counts: positive }),
            negative: Some(Buckets { offset: offsets.1, bucket_counts: negative }),
            ..ExponentialHistogramDataPoint::default()
        }
    }
}

prop_compose! {
    fn explicit()(
        bounds in prop::collection::vec(any::<f64>(), 0..6),
        counts in prop::collection::vec(edge_u64(), 0..7),
        count in edge_u64(),
        pod in 0..2_u8,
    ) -> HistogramDataPoint {
        HistogramDataPoint {
            attributes: attributes(if pod == 0 { &[("a.b", "x")] } else { &[("a_b", "x")] }),
            count,
            bucket_counts: counts,
            explicit_bounds: bounds,
            ..HistogramDataPoint::default()
        }
    }
}

fn hostile() -> impl Strategy<Value = Bytes> {
    let points =
        (prop::collection::vec(exponential(), 0..4), prop::collection::vec(explicit(), 0..4), any::<f64>());
    points.prop_map(|(exponential, explicit, quantile)| {
        request(vec![(
            &[("service.name", "shop")],
            vec![
                metric("e", "", exponential_histogram(exponential)),
                metric("h", "", histogram(explicit)),
                metric("s", "", summary(&[(quantile, 1.0), (quantile, 2.0)], 1, 1.0, &[])),
            ],
        )])
    })
}

proptest! {
    #[test]
    fn any_histogram_is_taken_or_counted(request in hostile()) {
        for point in run(&request) {
            if let Value::Explicit(histogram) = &point.sample.value {
                prop_assert!(histogram.bounds.is_sorted_by(|a, b| a < b));
            }
        }
    }

    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        run(&bytes);
    }

    #[test]
    fn a_damaged_request_is_taken(request in hostile(), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5), cut in any::<prop::sample::Index>()) {
        let mut bytes = request.to_vec();
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        run(&bytes);
    }
}
