//! At which strength each detector opens an episode: the budget of false alarms, kept.

use super::{
    config::{AnomalyConfig, DetectorName},
    detectors::Detector,
    state::Source,
};

/// False alarms per series and day at which the detectors' levels were measured.
const MEASURED_BUDGET: f64 = 0.1;
/// Width of the windows on which they were. *Units*: seconds.
const MINUTE: f64 = 60.0;
const FIVE_MINUTES: f64 = 300.0;
/// The seasonal level at that budget, and by how much a tenth of the false alarms raises it.
///
/// *Source*: 105 held-out series of WSD, one minute: 0.1 false alarms per series-day at 3.0, 0.03 at 3.5.
const SEASONAL: Curve = Curve { level: 3.0, per_decade: 0.5 / 0.522_879, least: 1.0, width: MINUTE };
/// The same for novelty; below 1.7 no value is in the tail.
///
/// *Source*: 58 series of NAB, five minutes: points above 2.5 come at 0.128 per series-day, above 3 at
/// 0.074, above 4 at 0.022. At 2.5, where several points make one alarm, alarms are 0.1.
const NOVELTY: Curve = Curve { level: 2.5, per_decade: 1.96, least: 1.7, width: FIVE_MINUTES };
/// What novelty must reach where the daily course tells more: on WSD it found half as many faults.
const NOVELTY_OF_SPANS: Curve = Curve { level: 4.0, per_decade: 1.96, least: 1.7, width: MINUTE };
/// z at which three in a thousand normal values lie.
const ZSCORE: Curve = Curve { level: 3.0, per_decade: 0.0, least: 0.0, width: MINUTE };
/// Tukey's fences.
const IQR: Curve = Curve { level: 1.5, per_decade: 0.0, least: 0.0, width: MINUTE };
/// Courses and relations say by themselves what is 1.
const RULE: Curve = Curve { level: 1.0, per_decade: 0.0, least: 0.0, width: MINUTE };

/// The opening level as a function of the budget.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Curve {
    level: f64,
    /// What a tenth of the false alarms adds.
    per_decade: f64,
    least: f64,
    /// Of the windows on which it was measured. *Units*: seconds.
    width: f64,
}

/// A set of detectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct DetectorSet(u16);

impl DetectorSet {
    pub(crate) fn insert(&mut self, detector: Detector) {
        self.0 |= 1 << detector as u16;
    }

    #[inline]
    pub(crate) const fn contains(self, detector: Detector) -> bool {
        self.contains_at(detector as usize)
    }

    #[inline]
    pub(crate) const fn contains_at(self, place: usize) -> bool {
        self.0 >> place & 1 != 0
    }
}

/// The levels for one kind of series.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Levels {
    curves: [Curve; Detector::COUNT],
    /// Decades below [`MEASURED_BUDGET`] that the configuration asks for.
    budget_decades: f64,
    /// Decades that tuning asks for.
    tuned_decades: f64,
    /// Width of the windows. *Units*: seconds.
    width: f64,
    levels: [f64; Detector::COUNT],
    pub(crate) openers: DetectorSet,
}

impl Levels {
    pub(crate) fn new(config: &AnomalyConfig, source: Source) -> Self {
        let mut all = Self {
            curves: [RULE; Detector::COUNT],
            budget_decades: (MEASURED_BUDGET / config.false_alarms_per_series_day).log10(),
            tuned_decades: 0.0,
            width: config.window.get().as_secs_f64(),
            levels: [0.0; Detector::COUNT],
            openers: DetectorSet::default(),
        };
        all.openers.insert(Detector::Absence);
        let has_novelty = config.detectors.iter().any(|entry| entry.name == DetectorName::Novelty);
        for entry in &config.detectors {
            for (detector, curve, opens) in defaults(entry.name, source, has_novelty) {
                let at = *detector as usize;
                all.curves[at] = entry.level.map_or(*curve, |level| Curve {
                    level,
                    per_decade: 0.0,
                    least: 0.0,
                    width: MINUTE,
                });
                if entry.opens.unwrap_or(*opens) {
                    all.openers.insert(*detector);
                }
            }
        }
        all.tuned(0.0)
    }

    /// Returns the levels at which so many tenths fewer false alarms come.
    pub(crate) fn tuned(mut self, decades: f64) -> Self {
        self.tuned_decades = decades;
        let decades = self.budget_decades + decades;
        for (level, curve) in self.levels.iter_mut().zip(&self.curves) {
            // More windows a day are more chances. Fewer are none less: a fault shows in one window as well.
            let more_windows = (curve.width / self.width).log10().max(0.0);
            *level = (curve.level + curve.per_decade * (decades + more_windows)).max(curve.least);
        }
        self
    }

    /// Returns the levels of a series that a person called noise.
    pub(crate) fn marked(&self, marks: u8) -> Self {
        // Each mark is a false alarm against the budget of the series.
        self.tuned(self.tuned_decades + (1.0 + f64::from(marks)).log10())
    }

    #[inline]
    pub(crate) const fn of(&self, detector: Detector) -> f64 {
        self.levels[detector as usize]
    }

    /// Whether an open episode stays open.
    #[inline]
    pub(crate) fn stays(&self, detector: Detector, strength: f64) -> bool {
        self.openers.contains(detector) && strength >= STAYS_ABOVE * self.of(detector)
    }

    /// Returns by how many tenths a score is rarer than one of 3, for the detector that said the most.
    pub(crate) fn decades_above(&self, detector: Detector, score: f64) -> f64 {
        let curve = &self.curves[detector as usize];
        if curve.per_decade == 0.0 {
            return 0.0;
        }
        (score / 3.0 - 1.0) * self.of(detector) / curve.per_decade
    }
}

/// An open episode goes on while the score is above this share of the opening level.
const STAYS_ABOVE: f64 = 0.8;

type Meaning = (Detector, Curve, bool);

/// What an entry means: its detectors, their levels, and whether they open episodes.
///
/// Of metrics novelty finds what the seasonal score does not: on NAB the seasonal score alone comes at
/// 0.8 points per series-day at its level. It is evidence there, unless it stands alone.
const fn defaults(name: DetectorName, source: Source, has_novelty: bool) -> &'static [Meaning] {
    let is_metric = matches!(source, Source::Metric);
    match name {
        DetectorName::Seasonal if is_metric && has_novelty => &[(Detector::Seasonal, SEASONAL, false)],
        DetectorName::Seasonal => &[(Detector::Seasonal, SEASONAL, true)],
        DetectorName::Novelty if is_metric => &[(Detector::Novelty, NOVELTY, true)],
        DetectorName::Novelty => &[(Detector::Novelty, NOVELTY_OF_SPANS, true)],
        DetectorName::Zscore => &[(Detector::Zscore, ZSCORE, false)],
        DetectorName::Iqr => &[(Detector::Iqr, IQR, false)],
        // A job that runs each hour moves a gauge each hour.
        DetectorName::Pattern if is_metric => &[
            (Detector::Flatline, RULE, true),
            (Detector::Leak, RULE, true),
            (Detector::PeriodicSpikes, RULE, false),
            (Detector::RateOfChange, RULE, false),
        ],
        DetectorName::Pattern => &[
            (Detector::Flatline, RULE, true),
            (Detector::Leak, RULE, true),
            (Detector::PeriodicSpikes, RULE, true),
            (Detector::RateOfChange, RULE, false),
        ],
        DetectorName::Relation => &[(Detector::Relation, RULE, true)],
        DetectorName::Forest => &[(Detector::Forest, RULE, true)],
    }
}

/// How many false alarms there really are, and what follows for the levels.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Tuning {
    /// Episodes that were opened and have no company that would make them a fault; forgotten gradually.
    pub(crate) alarms: f64,
    /// Time that series were watched, forgotten alike. *Units*: days.
    pub(crate) series_days: f64,
    /// Since the level was last looked at. *Units*: days.
    pub(crate) since: f64,
    /// By how many tenths the levels are meant to lower the rate.
    pub(crate) decades: f64,
}

/// Time over which the rate is measured. *Units*: days.
const MEMORY: f64 = 7.0;
/// Alarms that the budget must make expect before their number says anything.
const LEAST_EXPECTED: f64 = 10.0;
/// The share of the way that one day's adjustment goes, and the furthest that all go.
const PACE: f64 = 0.5;
const FURTHEST: f64 = 1.5;

impl Tuning {
    /// Adds a window of so many days.
    pub(crate) fn watch(&mut self, n_series: usize, days: f64) {
        let kept = (-days / MEMORY).exp();
        self.alarms *= kept;
        self.series_days = self.series_days * kept + n_series as f64 * days;
        self.since += days;
    }

    /// Returns the realised rate per series and day, or none before a series was watched for a day.
    pub(crate) fn realised(&self) -> Option<f64> {
        (self.series_days >= 1.0).then(|| self.alarms / self.series_days)
    }

    /// Once a day moves towards the budget; never below the measured levels, for few alarms may be luck.
    /// Returns whether the levels change.
    pub(crate) fn adjust(&mut self, budget: f64) -> bool {
        if self.since < 1.0 {
            return false;
        }
        self.since = 0.0;
        let expected = budget * self.series_days;
        if expected < LEAST_EXPECTED {
            return false;
        }
        let ratio = (self.alarms / expected).clamp(0.1, 10.0);
        let before = self.decades;
        self.decades = (before + PACE * ratio.log10()).clamp(0.0, FURTHEST);
        self.decades != before
    }
}
