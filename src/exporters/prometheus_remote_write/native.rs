//! Dense buckets to the spans and deltas of native histograms.

use super::messages::{Native, Span};
use crate::prometheus_names::{Dense, Explicit, Exponential};

/// Finest and coarsest resolution of native histograms.
const MAX_SCHEMA: i32 = 8;
const MIN_SCHEMA: i32 = -4;
/// The schema of histograms with chosen bounds.
const CUSTOM_BOUNDS: i32 = -53;
/// What OTLP leaves out: everything nearer to zero than this is zero.
const ZERO_THRESHOLD: f64 = 1e-128;
/// Up to so many empty buckets are cheaper written out than skipped by a new span.
const MAX_GAP: i64 = 2;

/// Whether [`of_exponential`] finds a form.
pub(super) fn has_form(histogram: &Exponential) -> bool {
    let in_range = |buckets: &Dense| {
        let fits = |index: i64| i32::try_from(index).is_ok();
        fits(buckets.offset)
            && fits(buckets.end() + 1)
            && buckets.counts.iter().all(|&count| i64::try_from(count).is_ok())
    };
    histogram.scale >= MIN_SCHEMA && in_range(&histogram.positive) && in_range(&histogram.negative)
}

/// Returns the native form of an exponential histogram, or none when its scale is too coarse or its
/// indices too large for one.
pub(super) fn of_exponential(histogram: &Exponential) -> Option<Native> {
    let mut histogram = histogram.clone();
    if histogram.scale < MIN_SCHEMA {
        return None;
    }
    histogram.downscale(MAX_SCHEMA);
    // OTLP numbers buckets by their lower bound, Prometheus by the upper one.
    let (positive_spans, positive_deltas) = sparse(&histogram.positive, 1)?;
    let (negative_spans, negative_deltas) = sparse(&histogram.negative, 1)?;
    let has_threshold = histogram.zero_threshold > 0.0;
    Some(Native {
        count: histogram.count,
        sum: histogram.sum.unwrap_or(0.0),
        schema: histogram.scale,
        zero_threshold: if has_threshold { histogram.zero_threshold } else { ZERO_THRESHOLD },
        zero_count: histogram.zero_count,
        positive_spans,
        positive_deltas,
        negative_spans,
        negative_deltas,
        custom_values: Vec::new(),
    })
}

/// Returns the native form of a histogram with chosen bounds, or none when it has no buckets.
pub(super) fn of_explicit(histogram: &Explicit) -> Option<Native> {
    if histogram.counts.is_empty() {
        return None;
    }
    let buckets = Dense { offset: 0, counts: histogram.counts.clone() };
    let (positive_spans, positive_deltas) = sparse(&buckets, 0)?;
    Some(Native {
        // Servers refuse a native histogram whose buckets hold anything but its count.
        count: histogram.counts.iter().fold(0, |sum, &count| sum.saturating_add(count)),
        sum: histogram.sum.unwrap_or(0.0),
        schema: CUSTOM_BOUNDS,
        positive_spans,
        positive_deltas,
        custom_values: histogram.bounds.clone(),
        ..Native::default()
    })
}

/// Writes buckets as runs: each count as the difference to the one before.
fn sparse(buckets: &Dense, shift: i64) -> Option<(Vec<Span>, Vec<i64>)> {
    let (mut spans, mut deltas): (Vec<Span>, Vec<i64>) = (Vec::new(), Vec::new());
    let (mut expected, mut last) = (0_i64, 0_i64);
    let mut push = |spans: &mut Vec<Span>, count: i64| {
        spans.last_mut().expect("a run is open").length += 1;
        deltas.push(count.wrapping_sub(last));
        last = count;
    };
    for (index, &count) in (buckets.offset + shift..).zip(&buckets.counts) {
        if count == 0 {
            continue;
        }
        let gap = index - expected;
        if spans.is_empty() || gap > MAX_GAP {
            spans.push(Span { offset: i32::try_from(gap).ok()?, length: 0 });
        } else {
            (0..gap).for_each(|_| push(&mut spans, 0));
        }
        push(&mut spans, i64::try_from(count).ok()?);
        expected = index + 1;
    }
    Some((spans, deltas))
}
