//! From a row and what is known of its series to a score.

use model::{BaselineColumns, Maturity, Rollups};

use super::{
    config::{AnomalyConfig, MinimumEffectConfig},
    detectors::{Detector, DetectorSet, Evidence, LARGEST_Z, OPENS_AT},
    state::{Kind, SeriesState, Source, Traits},
};

/// False alarms per series and day at which the detectors' levels were measured.
const MEASURED_BUDGET: f64 = 0.1;
/// The seasonal level at that budget, and by how much a tenth of the false alarms raises it: 0.1 per
/// series-day at 3.0 and 0.03 at 3.5, on series of one minute.
const SEASONAL_LEVEL: f64 = 3.0;
const SEASONAL_PER_DECADE: f64 = 0.5 / 0.522_879;
/// The same for novelty: 0.128 per series-day at 2.5, 0.074 at 3 and 0.022 at 4, on series of five
/// minutes.
const NOVELTY_LEVEL: f64 = 2.75;
const NOVELTY_PER_DECADE: f64 = 1.96;
/// What novelty must reach where the daily course tells more: it was measured there to find fewer faults.
const NOVELTY_LEVEL_OF_SPANS: f64 = 4.0;
/// z at which three in a thousand normal values lie.
const ZSCORE_LEVEL: f64 = 3.0;

/// Judges rows; one per processor.
pub(crate) struct Judge {
    listed: DetectorSet,
    of_metrics: Levels,
    of_spans: Levels,
    minimum_effect: MinimumEffectConfig,
}

/// At which strength each detector's score is 3, and which may open episodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels {
    level: [f64; Detector::COUNT],
    openers: DetectorSet,
}

/// What is said of a row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Judgement {
    pub(crate) evidence: Evidence,
    /// Of the detectors that may open an episode; at least 3 opens one.
    pub(crate) score: f32,
    /// Whether the row keeps an open episode open.
    pub(crate) is_active: bool,
    /// Standardised departure from what is expected.
    pub(crate) z: f64,
}

/// A row's numbers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Row {
    pub(crate) value: f64,
    pub(crate) support: u64,
    pub(crate) expected: f64,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
    pub(crate) observed: f64,
    pub(crate) predicted: f64,
    pub(crate) seasonal: f64,
    pub(crate) scale: f64,
    pub(crate) maturity: Maturity,
    pub(crate) is_absent: bool,
}

impl Row {
    #[inline]
    pub(crate) fn of(rollups: &Rollups, baseline: &BaselineColumns, row: usize) -> Self {
        Self {
            value: rollups.values[row],
            support: rollups.support[row],
            expected: baseline.expected[row],
            lower: baseline.lower[row],
            upper: baseline.upper[row],
            observed: baseline.observed[row],
            predicted: baseline.predicted[row],
            seasonal: baseline.seasonal[row],
            scale: baseline.scale[row],
            maturity: baseline.maturity[row],
            is_absent: baseline.is_absent[row],
        }
    }

    /// Whether the row can be judged at all.
    #[inline]
    fn is_scorable(&self) -> bool {
        self.maturity > Maturity::Insufficient
            && self.observed.is_finite()
            && self.predicted.is_finite()
            && self.seasonal.is_finite()
            && self.scale.is_finite()
            && self.scale > 0.0
    }
}

/// An open episode goes on while the score is above this share of the opening level.
const STAYS_ABOVE: f32 = 0.8;
/// After so many missing windows what depends on the windows before begins anew, and nothing is scored.
const LONGEST_GAP: u32 = 3;

impl Judge {
    pub(crate) fn new(config: &AnomalyConfig) -> Self {
        let mut listed = DetectorSet::default();
        for entry in &config.detectors {
            listed.insert(entry.name);
        }
        Self {
            listed,
            of_metrics: Levels::new(config, Source::Metric),
            of_spans: Levels::new(config, Source::Spans),
            minimum_effect: config.minimum_effect.clone(),
        }
    }

    /// Judges a row of a window that ends `gap` widths after the one before.
    #[inline]
    pub(crate) fn judge(
        &self,
        row: &Row,
        gap: u32,
        traits: Traits,
        state: &mut SeriesState,
    ) -> Option<Judgement> {
        if row.is_absent {
            return Some(Judgement::of_absence());
        }
        if !row.is_scorable() {
            return None;
        }
        let levels = if traits.source == Source::Metric { &self.of_metrics } else { &self.of_spans };
        if gap > LONGEST_GAP {
            state.forget_the_window_before();
        }
        let mut judgement = self.listen(row, traits, levels, state);
        if gap > LONGEST_GAP {
            return None;
        }
        if judgement.score >= OPENS_AT && !self.matters(row, traits.kind) {
            judgement.score = judgement.score.min(JUST_BELOW);
            judgement.is_active = false;
        }
        Some(judgement)
    }

    /// Asks every detector that is listed.
    #[inline]
    fn listen(&self, row: &Row, traits: Traits, levels: &Levels, state: &mut SeriesState) -> Judgement {
        let z = ((row.observed - row.predicted) / row.scale).clamp(-LARGEST_Z, LARGEST_Z);
        let mut evidence = Evidence::default();
        let mut is_active = false;
        if self.listed.contains(Detector::Seasonal) {
            let strength = state.sustained.update(z, traits.kind.one_sided());
            evidence.say(Detector::Seasonal, strength, levels.of(Detector::Seasonal));
            is_active |= levels.stays(Detector::Seasonal, strength);
        }
        if self.listed.contains(Detector::Novelty) {
            let novelty = state.novelty.get_or_insert_default();
            let surprise = novelty.update(row.observed, row.seasonal, row.scale);
            evidence.say(Detector::Novelty, f64::from(surprise.told), levels.of(Detector::Novelty));
            is_active |= levels.stays(Detector::Novelty, f64::from(surprise.improbability));
        }
        if self.listed.contains(Detector::Zscore) {
            evidence.say(Detector::Zscore, z.abs(), levels.of(Detector::Zscore));
            is_active |= levels.stays(Detector::Zscore, z.abs());
        }
        Judgement { evidence, score: evidence.score(levels.openers), is_active, z }
    }

    /// Whether the departure is large enough for anyone to mind.
    fn matters(&self, row: &Row, kind: Kind) -> bool {
        let least = &self.minimum_effect;
        let difference = row.value - row.expected;
        let is_large = match kind {
            Kind::Latency => difference > 0.0 && difference >= least.latency * row.expected,
            Kind::ErrorRatio => {
                difference > 0.0
                    && difference >= least.error_ratio
                    && row.value * row.support as f64 >= least.failures
            }
            Kind::Rate | Kind::Gauge => true,
        };
        is_large && (row.maturity > Maturity::Gross || is_gross(row, kind))
    }
}

/// Just below [`OPENS_AT`].
const JUST_BELOW: f32 = 2.999;
/// Of a series that is not known well, only such a multiple or fraction of what is expected counts.
const GROSS_FACTOR: f64 = 3.0;
/// And for error ratios such a difference.
const GROSS_ERRORS: f64 = 0.2;

fn is_gross(row: &Row, kind: Kind) -> bool {
    match kind {
        Kind::ErrorRatio => row.value - row.expected > GROSS_ERRORS,
        Kind::Rate | Kind::Latency | Kind::Gauge => {
            let (value, expected) = (row.value.abs(), row.expected.abs());
            value >= GROSS_FACTOR * expected || value * GROSS_FACTOR <= expected
        }
    }
}

/// Silence where there never was one is as sure as twice the opening level.
const ABSENCE_SCORE: f64 = 2.0;

impl Judgement {
    fn of_absence() -> Self {
        let mut evidence = Evidence::default();
        evidence.say(Detector::Absence, ABSENCE_SCORE, 1.0);
        Self { evidence, score: evidence.of(Detector::Absence), is_active: true, z: f64::NAN }
    }
}

impl Levels {
    fn new(config: &AnomalyConfig, source: Source) -> Self {
        let is_span = source != Source::Metric;
        let decades = (MEASURED_BUDGET / config.false_alarms_per_series_day).log10();
        let mut levels = Self { level: [1.0; Detector::COUNT], openers: DetectorSet::default() };
        levels.openers.insert(Detector::Absence);
        for entry in &config.detectors {
            let (level, opens) = match entry.name {
                Detector::Seasonal => ((SEASONAL_LEVEL + SEASONAL_PER_DECADE * decades).max(1.0), true),
                Detector::Novelty if is_span => (NOVELTY_LEVEL_OF_SPANS, true),
                Detector::Novelty => ((NOVELTY_LEVEL + NOVELTY_PER_DECADE * decades).max(1.7), true),
                Detector::Zscore => (ZSCORE_LEVEL, false),
                _ => (1.0, false),
            };
            levels.level[entry.name as usize] = entry.level.unwrap_or(level);
            if entry.opens.unwrap_or(opens) {
                levels.openers.insert(entry.name);
            }
        }
        levels
    }

    #[inline]
    const fn of(&self, detector: Detector) -> f64 {
        self.level[detector as usize]
    }

    #[inline]
    fn stays(&self, detector: Detector, strength: f64) -> bool {
        self.openers.contains(detector) && strength >= f64::from(STAYS_ABOVE) * self.of(detector)
    }
}
