//! At which strength each detector opens an episode: the budget of false alarms, kept.

use super::{
    config::{AnomalyConfig, DetectorName},
    detectors::Detector,
    state::Source,
    tuning::{Decades, TUNABLE},
};

/// False alarms per series and day at which the detectors' levels were measured.
const MEASURED_BUDGET: f64 = 0.1;
/// Width of the windows on which they were. *Units*: seconds.
const MINUTE: f64 = 60.0;
const FIVE_MINUTES: f64 = 300.0;
/// The seasonal level at that budget, and by how much a tenth of the false alarms raises it.
///
/// *Source*: 105 held-out series of WSD, one minute: 0.1 false alarms per series-day at 3.0, 0.03 at 3.5.
const SEASONAL: Curve = Curve {
    level: 3.0,
    per_decade: 0.5 / 0.522_879,
    least: 1.0,
    width: MINUTE,
    per_narrowing: 0.5 / 0.522_879,
};
/// The same for novelty; below 1.7 no value is in the tail.
///
/// *Source*: 58 series of NAB, five minutes: points above 2.5 come at 0.128 per series-day, above 3 at
/// 0.074, above 4 at 0.022. At 2.5, where several points make one alarm, alarms are 0.1.
///
/// On made years by the minute (`testbed::series`, seeds 100 to 107) 0.1 come at 4.5: of narrower windows it takes
/// more than their number says, as more of their noise is new.
const NOVELTY: Curve = Curve {
    level: 2.5,
    per_decade: 1.96,
    least: 1.7,
    width: FIVE_MINUTES,
    per_narrowing: (4.5 - 2.5) / 0.698_970,
};
/// What novelty must reach where the daily course tells more: on WSD it found half as many faults. Made years have
/// half of the budget there.
const NOVELTY_OF_SPANS: Curve =
    Curve { level: 4.6, per_decade: 1.96, least: 1.7, width: MINUTE, per_narrowing: 1.96 };
/// z at which three in a thousand normal values lie.
const ZSCORE: Curve = Curve { level: 3.0, per_decade: 0.0, least: 0.0, width: MINUTE, per_narrowing: 0.0 };
/// Tukey's fences.
const IQR: Curve = Curve { level: 1.5, per_decade: 0.0, least: 0.0, width: MINUTE, per_narrowing: 0.0 };
/// Courses and relations say by themselves what is 1.
const RULE: Curve = Curve { level: 1.0, per_decade: 0.0, least: 0.0, width: MINUTE, per_narrowing: 0.0 };

/// The opening level as a function of the budget.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Curve {
    level: f64,
    /// What a tenth of the false alarms adds.
    per_decade: f64,
    least: f64,
    /// What windows of a tenth of the width add.
    per_narrowing: f64,
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

    pub(crate) fn remove(&mut self, detector: Detector) {
        self.0 &= !(1 << detector as u16);
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
    tuned_decades: Decades,
    /// Width of the windows. *Units*: seconds.
    width: f64,
    levels: [f64; Detector::COUNT],
    pub(crate) openers: DetectorSet,
    /// Of series that are hardly known.
    pub(crate) young_openers: DetectorSet,
}

impl Levels {
    pub(crate) fn new(config: &AnomalyConfig, source: Source) -> Self {
        let mut all = Self {
            curves: [RULE; Detector::COUNT],
            budget_decades: (MEASURED_BUDGET / config.false_alarms_per_series_day).log10(),
            tuned_decades: Decades::default(),
            width: config.window.get().as_secs_f64(),
            levels: [0.0; Detector::COUNT],
            openers: DetectorSet::default(),
            young_openers: DetectorSet::default(),
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
                    per_narrowing: 0.0,
                });
                if entry.opens.unwrap_or(*opens) {
                    all.openers.insert(*detector);
                }
            }
        }
        all.young_openers = all.openers_while_young(config);
        all.tuned(Decades::default())
    }

    /// Returns the levels at which so many tenths fewer false alarms come.
    pub(crate) fn tuned(mut self, decades: Decades) -> Self {
        self.tuned_decades = decades;
        let mut all = [self.budget_decades; Detector::COUNT];
        for (detector, decades) in TUNABLE.into_iter().zip(decades) {
            all[detector as usize] += decades;
        }
        for ((level, curve), decades) in self.levels.iter_mut().zip(&self.curves).zip(all) {
            // More windows a day are more chances. Fewer are none less: a fault shows in one window as well.
            let narrowing = (curve.width / self.width).log10().max(0.0);
            let measured = curve.level + curve.per_narrowing * narrowing;
            *level = (measured + curve.per_decade * decades).max(curve.least);
        }
        self
    }

    /// Tells which of the tunable detectors' levels follow their alarms: those that open at a level of ours.
    pub(crate) fn follows(&self) -> [bool; TUNABLE.len()] {
        TUNABLE.map(|detector| {
            self.openers.contains(detector) && self.curves[detector as usize].per_decade > 0.0
        })
    }

    /// The tails of novelty are those of a day at least: before, departures open in its place.
    fn openers_while_young(&self, config: &AnomalyConfig) -> DetectorSet {
        let mut young = self.openers;
        if young.contains(Detector::Novelty) {
            young.remove(Detector::Novelty);
            if config.detectors.iter().any(|entry| entry.name == DetectorName::Seasonal) {
                young.insert(Detector::Seasonal);
            }
        }
        young
    }

    /// Returns the levels of a series that a person called noise.
    pub(crate) fn marked(&self, marks: u8) -> Self {
        // Each mark is a false alarm against the budget of the series.
        self.tuned(self.tuned_decades.map(|decades| decades + (1.0 + f64::from(marks)).log10()))
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
