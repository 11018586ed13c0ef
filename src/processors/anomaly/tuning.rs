//! How many false alarms there really are, and what follows for the levels.
//!
//! # Method
//! The budget is a balance: what a detector's share earns in a day is paid in, each of its alarms is taken
//! out, and its level follows the balance. So the mean rate goes to the budget whatever the scores'
//! distribution is and however it changes: the alarms of any stretch of time differ from its budget by what
//! the level moved, [`SETTLES_IN`] · ln 10 alarms for each decade.
//!
//! *Source*: I. Gibbs and E. Candès, "Adaptive conformal inference under distribution shift", 2021, for the
//! control and its bound; here the level moves on the scale on which a decade divides the rate by ten.

use std::f64::consts::LN_10;

use super::detectors::Detector;

/// Detectors whose levels follow their alarms. The others say by themselves what is an alarm.
pub(crate) const TUNABLE: [Detector; 2] = [Detector::Seasonal, Detector::Novelty];

/// By how many decades each of them is meant to lower its rate.
pub(crate) type Decades = [f64; TUNABLE.len()];

/// The balance of one class of series.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Tuning {
    /// Episodes that were opened and have no company that would make them a fault; forgotten gradually.
    pub(crate) alarms: f64,
    /// Time that series were watched, forgotten alike. *Units*: days.
    pub(crate) series_days: f64,
    /// Since the levels were last moved. *Units*: days.
    pub(crate) since: f64,
    /// Time that series were watched since then. *Units*: days.
    pub(crate) fresh_series_days: f64,
    /// Alarms since then, by the detector that opened.
    pub(crate) fresh_alarms: Decades,
    /// And of those whose levels do not move.
    pub(crate) fresh_others: f64,
    pub(crate) decades: Decades,
    /// Time that series were watched in all. *Units*: days.
    pub(crate) total_series_days: f64,
}

/// Time over which reported rates are measured. *Units*: days.
pub(crate) const MEMORY: f64 = 7.0;
/// Alarms, times ln 10, that move a level by a decade. Fewer let it swing, more let it lag: at 10, chance
/// moves it by a tenth of a decade.
const SETTLES_IN: f64 = 10.0;
/// Alarms that the budget must have made expect before their number says anything: faults are few, but so are the
/// alarms of a few series.
const LEAST_EXPECTED: f64 = 10.0;
/// Where many alarms a day are expected, so many days' alarms move it as far.
const SETTLES_IN_DAYS: f64 = 2.0;
/// Furthest from the measured levels. *Units*: decades.
const FURTHEST_UP: f64 = 1.5;
const FURTHEST_DOWN: f64 = 1.5;
/// What is so many decades rarer than what the level asks is taken for a fault, and what is not stands for the
/// false alarms that rare too.
const PLAIN: f64 = 1.0;
/// No day moves a level further, whatever happened on it. *Units*: decades.
const LONGEST_STEP: f64 = 0.5;

impl Tuning {
    /// Adds a window of so many days.
    pub(crate) fn watch(&mut self, n_series: usize, days: f64) {
        let kept = (-days / MEMORY).exp();
        let series_days = n_series as f64 * days;
        self.alarms *= kept;
        self.series_days = self.series_days * kept + series_days;
        self.fresh_series_days += series_days;
        self.total_series_days += series_days;
        self.since += days;
    }

    /// Counts an alarm of a detector that was, at its worst, so many decades rarer than its level asks.
    pub(crate) fn count(&mut self, opener: Detector, decades_above: f64) {
        let (of_opener, weight) = match TUNABLE.iter().position(|&detector| detector == opener) {
            Some(_) if decades_above >= PLAIN => return,
            Some(at) => (&mut self.fresh_alarms[at], 1.0 / (1.0 - 10_f64.powf(-PLAIN))),
            None => (&mut self.fresh_others, 1.0),
        };
        *of_opener += weight;
        self.alarms += weight;
    }

    /// Returns the realised rate per series and day, or none before a series was watched for a day.
    pub(crate) fn realised(&self) -> Option<f64> {
        (self.series_days >= 1.0).then(|| self.alarms / self.series_days)
    }

    /// Once a day moves the levels of the detectors that are `tuned` by their balance; what the others took
    /// of the budget, they save. Returns whether a level changes.
    pub(crate) fn adjust(&mut self, budget: f64, tuned: [bool; TUNABLE.len()]) -> bool {
        if self.since < 1.0 || budget * self.total_series_days < LEAST_EXPECTED {
            return false;
        }
        let before = self.decades;
        let n_tuned = tuned.iter().filter(|&&is_tuned| is_tuned).count();
        let untuned = self.fresh_alarms.iter().zip(tuned).filter(|(_, is_tuned)| !is_tuned);
        let others = self.fresh_others + untuned.map(|(alarms, _)| alarms).sum::<f64>();
        if n_tuned > 0 {
            let share = (budget * self.fresh_series_days - others) / n_tuned as f64;
            let per_day = budget * self.fresh_series_days / self.since / n_tuned as f64;
            let settles_in = SETTLES_IN.max(SETTLES_IN_DAYS * per_day) * LN_10;
            for ((decades, alarms), is_tuned) in self.decades.iter_mut().zip(self.fresh_alarms).zip(tuned) {
                if is_tuned {
                    let step = ((alarms - share) / settles_in).clamp(-LONGEST_STEP, LONGEST_STEP);
                    *decades = (*decades + step).clamp(-FURTHEST_DOWN, FURTHEST_UP);
                }
            }
        }
        (self.since, self.fresh_series_days) = (0.0, 0.0);
        (self.fresh_alarms, self.fresh_others) = (Decades::default(), 0.0);
        self.decades != before
    }
}
