//! How a series' memory moves, always after it was asked for a prediction.

use std::time::Duration;

use stats::{Decay, decay_gain, huber_clip};

use super::{
    calendar::{DAY_SECONDS, Moment},
    rhythm::{growth_for, nudge, rescale, unit, unit_exponent, value},
    state::{FIRST_SAMPLES, INHERITED, NOWHERE, Prediction, SEASON_ON, SeriesState, WEEK_ON},
};

const DAY: f64 = DAY_SECONDS as f64;
const HOUR: f64 = 3600.0;

/// An error moves the memory by no more than this many scales (Huber's clip).
const CLIP: f64 = 4.0;
/// While the scale itself rests on few samples.
const FIRST_CLIP: f64 = 10.0;
/// Samples that are taken as they come.
const UNCLIPPED_SAMPLES: u32 = 10;
/// The last hour may show a departure that the memory does not follow.
const RECENT_CLIP: f64 = 40.0;
/// No sample stands for more than so many windows, however long the last one is ago.
const MOST_STEPS: f64 = 30.0;
/// What a deployment multiplies gains by.
const HURRY: f64 = 3.0;
/// Time constant of presence, whose last day then weighs 95 %.
const PRESENCE_SECONDS: f64 = DAY / 3.0;

/// How fast memories move with windows of one width.
///
/// Constants are times, stated for windows of a minute and turned into gains for any width.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// *Units*: seconds.
    pub(super) width: f64,
    bins_of_day: usize,
    fast: Decay,
    level: Decay,
    weekly_level: Decay,
    spread: Decay,
    wander: Decay,
    recent: Decay,
    presence: Decay,
    hour: Decay,
    /// By the visits that a bin has had.
    bins: [Decay; 4],
    parts: [Decay; 4],
}

/// By how much a visit moves a bin: the first one sets it, the second halves the error, the third takes a
/// third of it; later ones 26 %, which is 0.01 for each of the 30 minutes of a bin, as measured.
const MOVES_PER_VISIT: [f64; 4] = [3.0, 3.0, 0.693, 0.405];
const LATER_MOVES: f64 = 0.3;

impl Pace {
    pub(super) fn new(width: Duration, bins_of_day: usize) -> Self {
        let width = width.as_secs_f64();
        let of = |time_constant| Decay::new(time_constant, width);
        let visits = |seconds: f64| {
            let [_, first, second, third] = MOVES_PER_VISIT.map(|moves| of(seconds / moves));
            [first, first, second, third]
        };
        let bin_seconds = DAY / bins_of_day as f64;
        let mut bins = visits(bin_seconds);
        bins[3] = of(bin_seconds / LATER_MOVES);
        Self {
            width,
            bins_of_day,
            fast: of(fast_seconds(width)),
            level: of(DAY),
            weekly_level: of(7.0 * DAY),
            spread: of(DAY),
            wander: of(3.0 * DAY),
            recent: of(HOUR),
            presence: of(PRESENCE_SECONDS),
            hour: of(HOUR / (LATER_MOVES * 2.0)),
            bins,
            parts: visits(DAY / 4.0),
        }
    }

    /// Returns how much of a window's weight a time of absence has forgotten.
    pub(super) fn forget_presence(&self, presence: f32, seconds: f64) -> f32 {
        (f64::from(presence) * (1.0 - decay_gain(seconds, PRESENCE_SECONDS))) as f32
    }

    pub(super) fn remember_presence(&self, presence: f32) -> f32 {
        let presence = f64::from(presence);
        (presence + self.presence.gain(self.width) * (1.0 - presence)) as f32
    }
}

/// Returns the time constant of the fast level: 570 s, so that its gain is 0.1 at a minute. Gains below
/// 0.03 and above 0.3 were measured to be worse or not at all; other widths stay between.
fn fast_seconds(width: f64) -> f64 {
    let time_constant_for = |gain: f64| -width / (1.0 - gain).ln();
    let wanted = -60.0 / 0.9_f64.ln();
    wanted.clamp(time_constant_for(0.3), time_constant_for(0.03))
}

/// What is learned from.
pub(super) struct Lesson<'a> {
    pub(super) value: f64,
    pub(super) prediction: Prediction,
    pub(super) moment: &'a Moment,
    pub(super) pace: &'a Pace,
    /// Seconds that the value stands for.
    pub(super) step: f64,
    /// Whether the service was deployed within the last half hour.
    pub(super) is_hurried: bool,
    /// Uniform bits; equal for equal samples.
    pub(super) random: u64,
}

impl SeriesState {
    /// Makes a first value the level.
    pub(super) fn begin(&mut self, value: f64) {
        self.level = value;
        // Eight bits below the level; a level of zero finds its unit as it grows.
        self.unit_exponent = unit_exponent((value.abs() / 256.0).max(1e-9));
    }

    /// Enters the bin and the part of the week of a moment, and switches to what is known there. Returns
    /// whether the last sample lay in another bin.
    pub(super) fn enter(&mut self, moment: &Moment, pace: &Pace) -> bool {
        let (bin, part) = (moment.of_day.bin as u8, moment.of_week.bin as u8);
        let is_new_bin = self.bin != bin && self.bin != NOWHERE;
        if self.bin != bin {
            if is_new_bin && bin < self.bin {
                self.centre_day(pace.bins_of_day);
            }
            self.day.enter(moment.of_day.bin);
            self.bin = bin;
        }
        if self.part != part {
            if self.part != NOWHERE && part < self.part {
                self.centre_week(moment);
            }
            if self.covers_a_day() {
                self.week.enter(moment.of_week.bin);
            }
            self.part = part;
        }
        self.switch(moment);
        is_new_bin
    }

    /// Makes use of what has become known, or no more of what is not known here, without a jump of the
    /// prediction: the fast level holds what the season does not.
    fn switch(&mut self, moment: &Moment) {
        let before = self.seasonal(moment);
        let is_known = self.day.is_known(&moment.of_day);
        self.set(SEASON_ON, is_known || self.is(INHERITED));
        if is_known {
            self.set(INHERITED, false);
        }
        self.set(WEEK_ON, self.week.is_known(&moment.of_week));
        self.fast -= (self.seasonal(moment) - before) as f32;
    }

    pub(super) fn covers_a_day(&self) -> bool {
        u64::from(self.covered_seconds) >= DAY_SECONDS
    }

    /// Moves the memory by what came.
    pub(super) fn learn(&mut self, lesson: &Lesson<'_>) {
        let (pace, step) = (lesson.pace, lesson.step.min(MOST_STEPS * lesson.pace.width));
        let hurry = if lesson.is_hurried { HURRY } else { 1.0 };
        let gain = |decay: &Decay| (decay.gain(step) * hurry).min(1.0);
        let youngest = 1.0 / f64::from(self.n_samples.saturating_add(1));
        let young = |gain: f64| gain.max(youngest);
        let error = lesson.value - lesson.prediction.value;
        let scale = lesson.prediction.scale;
        let clipped = huber_clip(error, self.clip() * scale);
        let away = f64::from(self.fast) + clipped;
        let spread_gain = young(gain(&pace.spread));
        let (level_gain, wander_gain) = (gain(&pace.level), young(pace.wander.gain(step)));
        let recent_gain = young(pace.recent.gain(step));

        let from_profile = self.learn_rhythm(lesson, away, step);
        self.learn_hour(lesson.moment.hour, clipped.abs(), pace.hour.gain(step), lesson.random);
        self.fast = move_to(self.fast, away, gain(&pace.fast));
        if self.n_samples > 0 {
            self.spread = move_to(self.spread, clipped.abs(), spread_gain);
            self.recent_spread = move_to(self.recent_spread, clipped.abs(), recent_gain);
        }
        let usual = f64::from(self.wander).max(scale);
        let wandered = if self.n_samples < FIRST_SAMPLES { away.abs() } else { away.abs().min(CLIP * usual) };
        self.wander = move_to(self.wander, wandered, wander_gain);
        let apart = f64::from(self.fast) + error;
        self.recent = move_to(self.recent, huber_clip(apart, RECENT_CLIP * usual), recent_gain);
        // From the profile even where the prediction makes no use of it yet: the level stays out of its swing.
        if self.covers_a_day() && !self.is_shifted() {
            self.move_level(level_gain * from_profile);
        }
        self.count(step, pace);
    }

    fn clip(&self) -> f64 {
        match self.n_samples {
            ..UNCLIPPED_SAMPLES => f64::INFINITY,
            UNCLIPPED_SAMPLES..FIRST_SAMPLES => FIRST_CLIP,
            _ => CLIP,
        }
    }

    fn count(&mut self, step: f64, pace: &Pace) {
        self.n_samples = self.n_samples.saturating_add(1);
        if self.n_samples == FIRST_SAMPLES && !self.covers_a_day() {
            self.settle_level();
        }
        let was_shorter = !self.covers_a_day();
        let seconds = step.min(3.0 * pace.width).max(1.0) as u32;
        self.covered_seconds = self.covered_seconds.saturating_add(seconds);
        if was_shorter && self.covers_a_day() {
            self.centre_day(pace.bins_of_day);
        }
    }

    /// Moves the level to where the first samples were. The profile keeps what it says of their time.
    fn settle_level(&mut self) {
        let by = f64::from(self.recent);
        self.day.shift(-by / unit(self.unit_exponent));
        self.move_level(by);
        self.fast -= by as f32;
        self.recent = 0.0;
        self.wander = (f64::from(self.wander) - by.abs()).max(f64::from(self.spread)) as f32;
    }

    /// Moves the profiles, unless the level stays away: a shift is no rhythm. Returns how far the value is from
    /// level, profile and week.
    fn learn_rhythm(&mut self, lesson: &Lesson<'_>, away: f64, step: f64) -> f64 {
        let moment = lesson.moment;
        let unit_now = unit(self.unit_exponent);
        // How far the clipped value is from the level.
        let from_level = away + lesson.prediction.seasonal;
        let of_day = self.day.at(&moment.of_day) * unit_now;
        let of_week = if self.is(WEEK_ON) { self.week.shrunken(&moment.of_week) * unit_now } else { 0.0 };
        self.make_room(from_level.abs().max(of_day.abs()));
        let per_unit = unit(-self.unit_exponent);
        let gains = |visits: usize| lesson.pace.bins[visits].gain(step);
        let from_profile = from_level - of_day - of_week;
        if !self.is_shifted() {
            self.day.learn(&moment.of_day, from_profile * per_unit, gains, lesson.random);
        }
        // Before weeks are known each weekend looks like a shift, and must be learned from.
        if self.covers_a_day() && !(self.is_shifted() && self.is(WEEK_ON)) {
            let offset = self.week.at(&moment.of_week) * unit(self.unit_exponent);
            let error = from_level - f64::from(self.weekly_offset) - of_day - offset;
            let gains = |visits: usize| lesson.pace.parts[visits].gain(step);
            self.week.learn(&moment.of_week, error * per_unit, gains, lesson.random.rotate_left(17));
            let gain = lesson.pace.weekly_level.gain(step);
            self.weekly_offset = (f64::from(self.weekly_offset) + gain * error) as f32;
        }
        from_profile
    }

    /// Makes the unit great enough for a value.
    fn make_room(&mut self, magnitude: f64) {
        let growth = growth_for(magnitude, self.unit_exponent);
        if growth > 0 {
            rescale(&mut self.day.values, growth);
            rescale(&mut self.week.values, growth);
            self.unit_exponent += growth;
        }
    }

    fn learn_hour(&mut self, hour: usize, deviation: f64, gain: f64, random: u64) {
        let spread = f64::from(self.spread);
        if self.n_samples < FIRST_SAMPLES || spread <= 0.0 {
            return;
        }
        if self.hours[hour].bits == 0 {
            self.hours[hour] = super::rhythm::half(1.0);
        }
        let by = gain * (deviation / spread - value(self.hours[hour]));
        nudge(&mut self.hours[hour], by, (random >> 16) as u32);
    }

    /// Moves the daily level alone; that of the week stays where it is.
    pub(super) fn move_level(&mut self, by: f64) {
        self.level += by;
        if self.covers_a_day() {
            self.weekly_offset -= by as f32;
        }
    }

    /// Gives the profile's mean to the level. On the first day this makes the level that of the day.
    fn centre_day(&mut self, bins_of_day: usize) {
        let mean = self.day.centre(bins_of_day) * unit(self.unit_exponent);
        self.level += mean;
        if !self.is(SEASON_ON) {
            self.fast -= mean as f32;
        }
    }

    /// Gives the mean of the week's offsets to the week's level.
    fn centre_week(&mut self, moment: &Moment) {
        let before = self.seasonal(moment);
        let mean = self.week.centre() * unit(self.unit_exponent);
        self.weekly_offset += mean as f32;
        self.fast -= (self.seasonal(moment) - before) as f32;
    }
}

/// Kept finite: a memory that overflowed would never come back.
fn move_to(memory: f32, value: f64, gain: f64) -> f32 {
    let memory = f64::from(memory);
    let moved = memory + gain * (value - memory);
    moved.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}
