//! From scores to confidences.

use model::Maturity;

use super::detectors::{Detector, Evidence};

/// How often an alarm of a seasonal score is right.
///
/// *Source*: 105 held-out series of WSD with 1,110 labelled segments. At 3.5 the detector has a recall of .69
/// and a precision of .91, at 3.0 of .84 and .79: of the alarms between the two (.84·1110 − .69·1110
/// hits among 1180 − 842 alarms) 49 % are right. The first knot continues the line downwards.
const SEASONAL: [(f64, f64); 3] = [(2.75, 0.21), (3.25, 0.49), (4.0, 0.91)];

/// The most that any score is worth: labels have errors, and data are of few kinds.
const MOST: f64 = 0.95;

/// The most for a series of which only gross faults can be told.
const MOST_OF_GROSS: f64 = 0.5;

/// Observations at which half of the confidence is reached.
const HALF_SUPPORT: f64 = 2.0;

/// Returns the probability that an alarm is right, as far as it was measured.
pub(crate) fn confidence(evidence: &Evidence, maturity: Maturity, support: u64) -> f64 {
    let each = Detector::ALL.map(|detector| of_detector(detector, f64::from(evidence.of(detector))));
    // Detectors look at the same numbers: the surest one counts, not their product.
    let surest = each.into_iter().fold(0.0, f64::max);
    let support = support as f64;
    let known = surest.min(MOST) * of_maturity(maturity) * (support / (support + HALF_SUPPORT)).max(0.5);
    if maturity <= Maturity::Gross { known.min(MOST_OF_GROSS) } else { known }
}

fn of_detector(detector: Detector, score: f64) -> f64 {
    if score <= 0.0 {
        return 0.0;
    }
    match detector {
        Detector::Seasonal => interpolate(&SEASONAL, score),
        // 1 − 10^(−A/2), of A on the scale of scores.
        Detector::Novelty => 1.0 - 10_f64.powf(-score / 2.0),
        Detector::Absence => 0.9,
        _ => 1.0 / (1.0 + (-(score - 3.0) / 0.4).exp()) * 0.5,
    }
}

const fn of_maturity(maturity: Maturity) -> f64 {
    match maturity {
        Maturity::Insufficient => 0.0,
        Maturity::Gross => 0.6,
        Maturity::Level => 0.9,
        Maturity::Daily | Maturity::Weekly => 1.0,
    }
}

/// Returns the value of a line through knots, level beyond the last and falling to zero below the first.
fn interpolate(knots: &[(f64, f64)], at: f64) -> f64 {
    let mut before = (0.0, 0.0);
    for &(knot, value) in knots {
        if at < knot {
            return before.1 + (value - before.1) * (at - before.0) / (knot - before.0);
        }
        before = (knot, value);
    }
    before.1
}
