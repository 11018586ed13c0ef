//! From scores to confidences.

use model::Maturity;
use stats::Isotonic;

use super::detectors::{Detector, Evidence};

/// How often a seasonal alarm of a score is right.
///
/// *Source*: 105 held-out series of WSD with 1,110 labelled segments. At 3.5 the detector has a recall of .69
/// and a precision of .91, at 3.0 of .84 and .79: of the alarms between the two (.84·1110 − .69·1110
/// hits among 1180 − 842 alarms) 49 % are right. The knot before continues that line downwards.
const SEASONAL: &[(f64, f64)] = &[(0.0, 0.0), (2.75, 0.21), (3.25, 0.49), (4.0, 0.91)];

/// How often a novelty alarm is right.
///
/// *Source*: the share of alarms in labelled windows of 31 NAB series, 265 alarms after the probation: 22 %
/// from 3 to 4, 33 % to 5, 39 % to 7, 64 % above. The labels are known to be incomplete, so the truth is
/// better.
const NOVELTY: &[(f64, f64)] = &[(0.0, 0.0), (3.5, 0.22), (4.5, 0.33), (6.0, 0.39), (9.0, 0.64)];

/// What was not measured is at most as likely right as wrong, and half so at the opening level.
const UNMEASURED: &[(f64, f64)] = &[(0.0, 0.0), (3.0, 0.25), (6.0, 0.5)];

/// Silence is a fact; that it is a fault is an assumption.
const ABSENCE: &[(f64, f64)] = &[(0.0, 0.0), (6.0, 0.9)];

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
    let known = surest * of_maturity(maturity) * (support / (support + HALF_SUPPORT)).max(0.5);
    if maturity <= Maturity::Gross { known.min(MOST_OF_GROSS) } else { known }
}

fn of_detector(detector: Detector, score: f64) -> f64 {
    if score <= 0.0 {
        return 0.0;
    }
    let knots = match detector {
        Detector::Seasonal => SEASONAL,
        Detector::Novelty => NOVELTY,
        Detector::Absence => ABSENCE,
        _ => UNMEASURED,
    };
    Isotonic { knots: knots.to_vec() }.value(score)
}

const fn of_maturity(maturity: Maturity) -> f64 {
    match maturity {
        Maturity::Insufficient => 0.0,
        Maturity::Gross => 0.6,
        Maturity::Level => 0.9,
        Maturity::Daily | Maturity::Weekly => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use model::AnomalyColumns;

    use super::*;

    #[test]
    fn the_surest_that_a_detector_can_be_is_what_rules_are_checked_against() {
        let greatest = |detector| of_detector(detector, 1e9);
        let surest = Detector::ALL.map(greatest).into_iter().fold(0.0, f64::max);
        assert!((surest - f64::from(AnomalyColumns::SUREST)).abs() < 1e-6, "{surest}");
        let told = [Detector::Seasonal, Detector::Absence, Detector::Novelty, Detector::Leak].map(greatest);
        assert_eq!(told, [0.91, 0.9, 0.64, 0.5], "as the page says");
    }
}
