//! Histograms and summaries out of their views, checked for what Prometheus would refuse.

use wire::view::{Buckets, ExponentialPoint, HistogramPoint, SummaryPoint};

use super::{Dense, Explicit, Exponential, Summary, Value};

/// The reason under which histograms that contradict themselves are counted.
const MALFORMED: &str = "malformed_histogram";

/// Reads a histogram with chosen bounds.
///
/// # Errors
/// When bounds do not ascend or counts and bounds do not match: two series would have the same labels.
pub(super) fn explicit(view: &HistogramPoint<'_>) -> Result<Value, &'static str> {
    let mut bounds: Vec<f64> = view.explicit_bounds().collect();
    let mut counts: Vec<u64> = view.bucket_counts().collect();
    let mut sum = view.sum;
    if view.has_no_value() {
        // Each bucket's series ends, and that of the sum, though the point has no counts.
        counts = vec![0; bounds.len() + 1];
        sum = Some(0.0);
    } else if counts.is_empty() {
        bounds.clear();
    }
    if bounds.last() == Some(&f64::INFINITY) && counts.len() > 1 {
        // The last bucket reaches that far anyway.
        bounds.pop();
        let beyond = counts.pop().unwrap_or(0);
        if let Some(last) = counts.last_mut() {
            *last = last.saturating_add(beyond);
        }
    }
    let ascend = bounds.iter().all(|bound| bound.is_finite()) && bounds.is_sorted_by(|a, b| a < b);
    let matches = counts.is_empty() || counts.len() == bounds.len() + 1;
    if !ascend || !matches {
        return Err(MALFORMED);
    }
    Ok(Value::Explicit(Explicit { count: view.count, sum, bounds, counts }))
}

/// Reads an exponential histogram.
///
/// # Errors
/// When its buckets hold more or fewer observations than it counts: servers refuse the whole request.
pub(super) fn exponential(view: &ExponentialPoint<'_>) -> Result<Value, &'static str> {
    let dense = |buckets: Buckets<'_>| {
        let mut dense = Dense { offset: i64::from(buckets.offset), counts: buckets.counts().collect() };
        dense.trim();
        dense
    };
    let histogram = Exponential {
        count: view.count,
        sum: view.sum,
        scale: view.scale,
        zero_count: view.zero_count,
        zero_threshold: if view.zero_threshold > 0.0 { view.zero_threshold } else { 0.0 },
        positive: dense(view.positive),
        negative: dense(view.negative),
    };
    let is_sound = view.has_no_value() || histogram.is_consistent();
    if is_sound { Ok(Value::Exponential(histogram)) } else { Err(MALFORMED) }
}

/// Reads a summary; of equal quantiles the first counts.
pub(super) fn summary(view: &SummaryPoint<'_>) -> Value {
    let mut quantiles: Vec<(f64, f64)> = Vec::new();
    for quantile in view.quantiles().filter(|quantile| !quantile.quantile.is_nan()) {
        if quantiles.iter().all(|(known, _)| *known != quantile.quantile) {
            quantiles.push((quantile.quantile, quantile.value));
        }
    }
    Value::Summary(Summary { count: view.count, sum: view.sum, quantiles })
}
