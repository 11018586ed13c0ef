//! One row: what is expected of it, what it says, and what is learned from it.

use model::{Forgotten, Maturity, Statistic, Timestamp};

use super::{
    calendar::Moment,
    learn::{Lesson, Pace},
    shift::Happening,
    state::{Aside, DEGRADED, Prediction, SeriesState},
    working::{Observation, Reading, natural, ratio, read},
};

/// A point after a gap of more than so many windows is not scored.
const LONGEST_GAP_WINDOWS: f64 = 3.0;
/// Seconds that a pool of errors and observations waits for enough of them.
const LONGEST_POOL_SECONDS: f32 = 3600.0;

/// What is the same for all rows of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    pub(super) end: Timestamp,
    pub(super) moment: Moment,
    pub(super) pace: &'a Pace,
    /// The processor's count of seconds with data.
    pub(super) active_at: u32,
    /// The window is to leave no trace.
    pub(super) is_excluded: bool,
    pub(super) forgotten: Option<Forgotten>,
    pub(super) degradation_ratio: f64,
}

/// Returns how much of the time between two moments was forgotten: none when the first lies in it, as what came since
/// is known. *Units*: seconds.
fn forgotten_between(forgotten: &Forgotten, seen_at: Timestamp, end: Timestamp) -> f64 {
    if seen_at > forgotten.from { 0.0 } else { end.min(forgotten.until).since(forgotten.from).as_secs_f64() }
}

/// A value of one series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) statistic: Statistic,
    pub(super) fingerprint: u64,
    pub(super) value: f64,
    pub(super) support: u64,
    /// Whether the service was deployed within the last half hour.
    pub(super) is_hurried: bool,
}

/// Why a value is neither learned nor scored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rejection {
    /// Not a value that the statistic can have.
    Unreadable,
    /// The series has had a row in this window.
    Duplicate,
}

/// What is told of a row.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Judged {
    /// None until something is known.
    pub(super) prediction: Option<Prediction>,
    /// On the working scale; NaN when the row is not to be scored.
    pub(super) observed: f64,
    pub(super) maturity: Maturity,
    /// Observations that a ratio's band is told for.
    pub(super) support: f64,
    /// Whether the last hour was worse than expected.
    pub(super) is_degraded: bool,
    pub(super) happening: Option<Happening>,
    pub(super) rejected: Option<Rejection>,
}

impl Judged {
    pub(super) const UNKNOWN: Self = Self {
        prediction: None,
        observed: f64::NAN,
        maturity: Maturity::Insufficient,
        support: 0.0,
        is_degraded: false,
        happening: None,
        rejected: None,
    };

    pub(super) const fn rejected(rejection: Rejection) -> Self {
        Self { rejected: Some(rejection), ..Self::UNKNOWN }
    }
}

impl SeriesState {
    /// Takes a row: tells what was expected, then learns.
    pub(super) fn take(&mut self, row: &Row, window: &Window<'_>) -> Judged {
        let pace = window.pace;
        if self.seen_at == window.end {
            return Judged::rejected(Rejection::Duplicate);
        }
        let gap = self.see(window);
        let observation = match read(row.statistic, row.value, row.support, pace.width) {
            Reading::Unreadable => return Judged::rejected(Rejection::Unreadable),
            _ if window.is_excluded => None,
            Reading::Scarce => None,
            Reading::Pooled { errors, support } => self.pool(errors, support, gap, pace),
            Reading::Enough(observation) => Some((observation, gap.min(LONGEST_GAP_WINDOWS * pace.width))),
        };
        let Some((observation, step)) = observation else {
            return self.tell_unscored(row, window);
        };
        let is_first = self.n_samples == 0;
        if is_first {
            self.begin(observation.value);
        }
        let is_new_bin = self.enter(&window.moment, pace);
        let prediction = self.predict(&window.moment, row.statistic, observation.support);
        let maturity = self.maturity();
        let is_after_gap = !is_first && gap > LONGEST_GAP_WINDOWS * pace.width;
        let lesson = Lesson {
            value: observation.value,
            prediction,
            moment: &window.moment,
            pace,
            step,
            is_hurried: row.is_hurried,
            random: scramble(row.fingerprint ^ u64::from(self.n_samples)),
        };
        if let Aside::Step(quantum) = &mut self.aside {
            quantum.update(observation.value);
        }
        let happening = if is_after_gap {
            self.cross_gap(observation.value, &prediction, gap, pace);
            None
        } else {
            self.learn(&lesson);
            let drift = if is_new_bin { self.watch_drift(prediction.scale) } else { None };
            drift.or_else(|| self.watch_level(prediction.scale, step))
        };
        self.compare_last_hour(row.statistic, observation.support, window);
        let is_scored = maturity > Maturity::Insufficient && !is_after_gap;
        Judged {
            prediction: (maturity > Maturity::Insufficient).then_some(prediction),
            observed: if is_scored { observation.value } else { f64::NAN },
            maturity: if is_scored { maturity } else { Maturity::Insufficient },
            support: observation.support,
            happening,
            ..Judged::UNKNOWN
        }
    }

    /// Notes that the series is there. Returns the seconds since it was last seen; infinite when the time
    /// was set back since.
    fn see(&mut self, window: &Window<'_>) -> f64 {
        let width = window.pace.width;
        let gap = if self.seen_at == Timestamp::default() {
            width
        } else if self.seen_at > window.end {
            f64::INFINITY
        } else {
            let gap = window.end.since(self.seen_at).as_secs_f64();
            let forgotten =
                window.forgotten.map_or(0.0, |it| forgotten_between(&it, self.seen_at, window.end));
            // What the series was like a moment ago is not known, however short the gap was.
            gap.min((gap - forgotten).max(LONGEST_GAP_WINDOWS * width + 1.0))
        };
        let presence = window.pace.forget_presence(self.presence, gap - width);
        self.presence = window.pace.remember_presence(presence);
        self.seen_at = window.end;
        self.active_at = window.active_at;
        gap
    }

    /// Adds to the pool and takes what is in it once that is enough.
    fn pool(&mut self, errors: f64, support: f64, gap: f64, pace: &Pace) -> Option<(Observation, f64)> {
        let seconds = gap.min(LONGEST_GAP_WINDOWS * pace.width);
        let longest = LONGEST_POOL_SECONDS.max(30.0 * pace.width as f32);
        let (errors, support, seconds) = match self.aside {
            Aside::Pool { errors: before, support: n_before, seconds: waited } if waited < longest => {
                (before + errors, f64::from(n_before) + support, waited + seconds as f32)
            }
            _ => (errors, support, seconds as f32),
        };
        let observation = ratio(errors, support);
        self.aside = match observation {
            Some(_) => Aside::EMPTY_POOL,
            // Few enough to be exact.
            None => Aside::Pool { errors, support: support as f32, seconds },
        };
        observation.map(|observation| (observation, f64::from(seconds)))
    }

    /// Tells what is expected where nothing can be said of what came.
    fn tell_unscored(&self, row: &Row, window: &Window<'_>) -> Judged {
        let is_known = self.maturity() > Maturity::Insufficient;
        let support = row.support as f64;
        let prediction = is_known.then(|| self.predict(&window.moment, row.statistic, support));
        Judged { prediction, support, ..Judged::UNKNOWN }
    }

    /// Tells of a window in which the series is missing. Nothing is learned from it.
    pub(super) fn tell_absent(&self, statistic: Statistic, window: &Window<'_>) -> Judged {
        let maturity = self.maturity();
        let is_scored =
            statistic == Statistic::Rate && maturity > Maturity::Insufficient && !window.is_excluded;
        let observed = match read(statistic, 0.0, 0, window.pace.width) {
            Reading::Enough(observation) if is_scored => observation.value,
            _ => f64::NAN,
        };
        let prediction = self.predict(&window.moment, statistic, 0.0);
        Judged {
            prediction: (maturity > Maturity::Insufficient).then_some(prediction),
            observed,
            maturity: if is_scored { maturity } else { Maturity::Insufficient },
            ..Judged::UNKNOWN
        }
    }

    /// Finds out whether the last hour was worse than expected by the share that counts: slower, or with more
    /// errors. What the fast level has got used to counts as worse all the same.
    fn compare_last_hour(&mut self, statistic: Statistic, support: f64, window: &Window<'_>) {
        let recent = f64::from(self.recent);
        let is_above = degrades(statistic) && self.covers_a_day() && self.recent > self.wander;
        let is_degraded = is_above && {
            let expected = self.level + self.seasonal(&window.moment);
            let told = |value| natural(statistic, value, support, window.pace.width);
            told(expected + recent) >= told(expected) * (1.0 + window.degradation_ratio)
        };
        self.set(DEGRADED, is_degraded);
    }
}

/// Whether more than expected is worse.
pub(super) const fn degrades(statistic: Statistic) -> bool {
    matches!(statistic, Statistic::ErrorRatio | Statistic::P50 | Statistic::P95 | Statistic::P99)
}

/// Turns a number into uniform bits (the finalizer of SplitMix64, Steele and others 2014).
fn scramble(number: u64) -> u64 {
    let mixed = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
