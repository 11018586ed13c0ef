//! From a row and what is known of its series to a score.

use std::time::Duration;

use model::{BaselineColumns, Maturity, Rollups};

use super::{
    config::{AnomalyConfig, DetectorName, MinimumEffectConfig},
    detectors::{Detector, Evidence, Glance, LARGEST_Z, OPENS_AT, Pace, Point},
    levels::Levels,
    state::{Kind, SeriesState, Source, Traits},
    tuning::{TUNABLE, Tuning},
};

/// Judges rows; one per processor.
pub(crate) struct Judge {
    listed: Listed,
    base: [Levels; Class::COUNT],
    levels: [Levels; Class::COUNT],
    minimum_effect: MinimumEffectConfig,
    pace: Pace,
    /// In a window.
    seconds: f64,
    /// −log10 of the chance that a calm series scores 3 in a window.
    pub(crate) improbability_of_opening: f64,
}

/// Which detectors are asked.
#[derive(Clone, Copy, Debug)]
struct Listed {
    seasonal: bool,
    novelty: bool,
    zscore: bool,
    iqr: bool,
    pattern: bool,
}

/// Series whose levels are measured and tuned together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    Metrics,
    Spans,
}

impl Class {
    pub(crate) const COUNT: usize = 2;
    pub(crate) const ALL: [Self; Self::COUNT] = [Self::Metrics, Self::Spans];

    #[inline]
    pub(crate) const fn of(source: Source) -> Self {
        match source {
            Source::Metric => Self::Metrics,
            Source::Spans | Source::Requests => Self::Spans,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Spans => "spans",
        }
    }
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

/// How a row follows those before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// From the window before to this one, in widths.
    pub(crate) gap: u32,
    /// Whether the process that it comes from has started again, now or in the window before.
    pub(crate) is_restarted: bool,
}

/// After so many missing windows what depends on the windows before begins anew, and nothing is scored.
const LONGEST_GAP: u32 = 3;
const SECONDS_OF_A_DAY: f64 = 86_400.0;

impl Judge {
    pub(crate) fn new(config: &AnomalyConfig, width: Duration) -> Self {
        let is_listed = |name: DetectorName| config.detectors.iter().any(|entry| entry.name == name);
        let base = [Levels::new(config, Source::Metric), Levels::new(config, Source::Spans)];
        let per_window = config.false_alarms_per_series_day * width.as_secs_f64() / SECONDS_OF_A_DAY;
        Self {
            listed: Listed {
                seasonal: is_listed(DetectorName::Seasonal),
                novelty: is_listed(DetectorName::Novelty),
                zscore: is_listed(DetectorName::Zscore),
                iqr: is_listed(DetectorName::Iqr),
                pattern: is_listed(DetectorName::Pattern),
            },
            base,
            levels: base,
            minimum_effect: config.minimum_effect.clone(),
            pace: Pace::new(width),
            seconds: width.as_secs_f64(),
            improbability_of_opening: -per_window.min(1.0).log10(),
        }
    }

    /// Follows what was learned of the realised rate of false alarms.
    pub(crate) fn tune(&mut self, tunings: &[Tuning; Class::COUNT]) {
        for ((levels, base), tuning) in self.levels.iter_mut().zip(&self.base).zip(tunings) {
            *levels = base.tuned(tuning.decades);
        }
    }

    /// Judges a row; none when it can not be.
    #[inline]
    pub(crate) fn judge(
        &self,
        row: &Row,
        moment: Moment,
        traits: Traits,
        state: &mut SeriesState,
    ) -> Option<Judgement> {
        if row.is_absent {
            let comes_by_itself = traits.kind == Kind::Rate && traits.source != Source::Metric;
            let expected = comes_by_itself.then_some(row.expected * self.seconds);
            return Some(Judgement::of_absence(state.silence.go_on(expected)));
        }
        state.silence.end();
        if !row.is_scorable() {
            return None;
        }
        let is_after_gap = moment.gap > LONGEST_GAP;
        if is_after_gap {
            state.forget_the_window_before();
        }
        let levels = &self.levels[Class::of(traits.source) as usize];
        let marks = state.marks.saturating_add(traits.marks);
        let mut judgement = if marks == 0 {
            self.listen(row, moment, traits, levels, state)
        } else {
            self.listen(row, moment, traits, &levels.marked(marks), state)
        };
        if is_after_gap {
            return None;
        }
        if judgement.score >= OPENS_AT && !self.matters(row, traits.kind) {
            judgement.score = IMMATERIAL;
            judgement.is_active = false;
        }
        Some(judgement)
    }

    /// Tells which of the tunable detectors' levels follow their alarms.
    pub(crate) fn follows(&self, class: Class) -> [bool; TUNABLE.len()] {
        self.levels[class as usize].follows()
    }

    /// Returns by how many tenths of false alarms a detector said more than it needs to open.
    pub(crate) fn decades_above(&self, detector: Detector, said: &Evidence, class: Class) -> f64 {
        self.levels[class as usize].decades_above(detector, f64::from(said.of(detector)))
    }

    /// Returns the level of a detector that judges services.
    pub(crate) fn level_of(&self, detector: Detector) -> f64 {
        self.levels[Class::Metrics as usize].of(detector)
    }

    /// Whether such a detector may open episodes.
    pub(crate) fn opens(&self, detector: Detector) -> bool {
        self.levels[Class::Metrics as usize].openers.contains(detector)
    }

    /// Returns −log10 of the chance that a calm series scores so much in a window.
    pub(crate) fn improbability(&self, judgement: &Judgement, class: Class) -> f64 {
        let levels = &self.levels[class as usize];
        let score = f64::from(judgement.score);
        let rarest = Detector::ALL
            .into_iter()
            .filter(|&detector| {
                levels.openers.contains(detector) && judgement.evidence.of(detector) >= judgement.score
            })
            .map(|detector| levels.decades_above(detector, score))
            .fold(
                0.0,
                |greatest: f64, decades| if decades.abs() > greatest.abs() { decades } else { greatest },
            );
        (self.improbability_of_opening + rarest).max(0.0)
    }

    /// Asks every detector that is listed.
    #[inline]
    fn listen(
        &self,
        row: &Row,
        moment: Moment,
        traits: Traits,
        levels: &Levels,
        state: &mut SeriesState,
    ) -> Judgement {
        let z = ((row.observed - row.predicted) / row.scale).clamp(-LARGEST_Z, LARGEST_Z);
        let mut evidence = Evidence::default();
        let mut is_active = false;
        let strength = state.sustained.update(z, traits.kind.one_sided());
        if self.listed.seasonal {
            evidence.say(Detector::Seasonal, strength, levels.of(Detector::Seasonal));
            is_active |= levels.stays(Detector::Seasonal, strength);
        }
        let is_daily = row.maturity >= Maturity::Daily;
        let has_other_seasons = is_daily != (state.maturity >= Maturity::Daily);
        if self.listed.novelty {
            let novelty = state.novelty.get_or_insert_default();
            if has_other_seasons {
                novelty.forget_unseasonal();
            }
            let glance = Glance {
                observed: row.observed,
                seasonal: row.seasonal,
                scale: row.scale,
                z,
                zbar: f64::from(state.sustained.zbar),
            };
            let surprise = novelty.update(&glance, &mut state.told, &mut state.cells_age);
            evidence.say(Detector::Novelty, f64::from(surprise.told), levels.of(Detector::Novelty));
            is_active |= levels.stays(Detector::Novelty, f64::from(surprise.improbability));
        }
        state.maturity = row.maturity;
        if self.listed.zscore {
            evidence.say(Detector::Zscore, z.abs(), levels.of(Detector::Zscore));
            is_active |= levels.stays(Detector::Zscore, z.abs());
        }
        if self.listed.iqr {
            let outside = state.quartiles.update(z);
            evidence.say(Detector::Iqr, outside, levels.of(Detector::Iqr));
            is_active |= levels.stays(Detector::Iqr, outside);
        }
        if self.listed.pattern {
            let point = Point {
                observed: row.observed,
                seasonal: row.seasonal,
                scale: row.scale,
                z,
                is_level: matches!(traits.kind, Kind::Gauge | Kind::Rate),
                is_daily,
                is_restarted: moment.is_restarted,
            };
            let pattern = state.pattern.get_or_insert_default();
            if has_other_seasons {
                pattern.forget_climb();
            }
            is_active |= pattern.update(&point, self.pace, &mut evidence);
        }
        let openers = if row.maturity > Maturity::Gross { levels.openers } else { levels.young_openers };
        Judgement { evidence, score: evidence.score(openers), is_active, z }
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

/// The most that a departure without size scores: it does not stand out.
const IMMATERIAL: f32 = 1.99;
/// Just below [`OPENS_AT`].
pub(crate) const JUST_BELOW: f32 = 2.999;
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

impl Judgement {
    /// Returns the detector that said the most.
    pub(crate) fn opener(&self) -> Detector {
        self.evidence.first_of(self.score)
    }

    /// Of a series that is missing, by the `strength` of its silence.
    fn of_absence(strength: f64) -> Self {
        let mut evidence = Evidence::default();
        evidence.say(Detector::Absence, strength, 1.0);
        Self { evidence, score: evidence.of(Detector::Absence), is_active: strength >= 1.0, z: f64::NAN }
    }
}
