//! Precision and recall of single points.

use super::corpus::Corpus;
use super::nab::descending;

/// Returns the area under the precision-recall curve as average precision.
///
/// Points of one score enter together, so a constant score gets the share of anomalous points and the order
/// of ties gives nothing away.
pub(super) fn average_precision(corpus: &Corpus, scores: &[Vec<f64>]) -> f64 {
    let places = descending(corpus, scores);
    let is_anomalous = |series_idx: usize, point: usize| corpus.series[series_idx].is_anomalous(point);
    let n_anomalous = places.iter().filter(|place| is_anomalous(place.series_idx, place.point)).count();
    let (mut n_seen, mut n_hits, mut area) = (0usize, 0usize, 0.0);
    for tied in places.chunk_by(|one, other| one.score == other.score) {
        let new_hits = tied.iter().filter(|place| is_anomalous(place.series_idx, place.point)).count();
        n_seen += tied.len();
        n_hits += new_hits;
        area += new_hits as f64 * n_hits as f64 / n_seen as f64;
    }
    area / n_anomalous.max(1) as f64
}

/// Returns the harmonic mean of precision and recall over the points that count.
pub(super) fn f1(corpus: &Corpus, detected: &[Vec<bool>]) -> f64 {
    let (mut n_hits, mut n_detected, mut n_anomalous) = (0usize, 0usize, 0usize);
    for (series, detected) in corpus.series.iter().zip(detected) {
        for (point, detected) in detected.iter().enumerate().skip(series.probation) {
            let is_anomalous = series.is_anomalous(point);
            n_anomalous += usize::from(is_anomalous);
            n_detected += usize::from(*detected);
            n_hits += usize::from(is_anomalous && *detected);
        }
    }
    2.0 * n_hits as f64 / (n_detected + n_anomalous).max(1) as f64
}

/// Returns the F1 of calling every point anomalous, which a useful row exceeds.
pub(super) fn f1_of_everything(corpus: &Corpus) -> f64 {
    let everything: Vec<_> = corpus.series.iter().map(|series| vec![true; series.values.len()]).collect();
    f1(corpus, &everything)
}
