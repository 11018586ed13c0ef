//! A year of a service's metric with faults whose truth is known.
//!
//! The value is a level times a daily and weekly season, with holidays, drift, level shifts and deployments,
//! plus noise that remembers (AR(1)) and grows with the level as counts do. Recording has gaps; a counter
//! starts again at every deployment. Into this come faults of five shapes and, by default, five sizes, one of each.
//! The same [`Year`] gives the same points on every call.
//!
//! # What may be asked of a detector
//! *Sizes* are in standard deviations of the noise, which remembers: a step of 3 is no rarer than what the noise
//! does by itself some times a day, and one of 5 not much beside a budget of one false alarm in ten days. From 8
//! on ([`SCALES`]) a fault can be told from the noise in its first points. A fault is to be found from where it
//! *shows* ([`Fault::shows`]), as not all begin at their full size. Ramps are no departure at any one point: they are
//! there for what looks at hours.

mod civil;
mod faults;
mod happenings;

#[cfg(test)]
mod tests;

use std::f64::consts::TAU;
use std::fmt::Write;

use anyhow::{Result, ensure};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

pub use civil::{format_timestamp, parse_timestamp};
pub use faults::{Fault, FaultKind, SCALES};
pub use happenings::{Happening, HappeningKind};

const DAY_SECONDS: i64 = 86_400;
const MINUTE_SECONDS: i64 = 60;

/// Monday 2024-01-01 00:00:00 UTC, so that weeks begin with the series.
const BEGIN_SECONDS: i64 = 1_704_067_200;

/// How strongly the noise of a minute follows that of the minute before.
const MINUTE_AUTOCORRELATION: f64 = 0.7;

/// The seed of the gaps, which all series share.
const GAPS: u64 = 5;

/// What a series counts or measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Requests per second: a strong daily season.
    Rate,
    /// Milliseconds: follows the load weakly.
    Latency,
    /// Requests since the start of the process: the integral of a rate, which begins at zero again.
    Counter,
}

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub struct Year {
    pub metric: Metric,
    pub seed: u64,
    pub n_days: u32,
    /// Days at the beginning that hold no fault; as many as there are for a healthy series.
    pub n_quiet_days: u32,
    /// Seconds from one point to the next; divides an hour.
    pub step_seconds: u32,
    /// Sizes of faults, of which each shape comes once.
    pub scales: &'static [f64],
}

impl Year {
    /// Returns a whole year by the minute with four quiet weeks.
    pub fn new(metric: Metric, seed: u64) -> Self {
        Self { metric, seed, n_days: 365, n_quiet_days: 28, step_seconds: 60, scales: &SCALES }
    }

    /// Generates the series.
    ///
    /// *Errors*: the step does not divide an hour, or the days are too few to keep faults a day apart.
    ///
    /// *Cost*: some 100 ns and 16 bytes per point; a year by the minute has 525,600.
    pub fn generate(&self) -> Result<Series> {
        ensure!(
            self.step_seconds > 0 && 3600 % self.step_seconds == 0,
            "step_seconds is {}, must divide 3600",
            self.step_seconds
        );
        // One stream for each purpose: a longer list of one never moves another.
        let random = |purpose: u64| Pcg64::seed_from_u64(self.seed.wrapping_mul(16).wrapping_add(purpose));
        let gaps = happenings::gaps(self.n_days, &mut Pcg64::seed_from_u64(GAPS));
        let faults = faults::place(self, &gaps, &mut random(1))?;
        let happenings = happenings::place(self, gaps, &faults, &mut random(2));
        let mut series = Series {
            name: format!("{:?}-{}", self.metric, self.seed).to_lowercase(),
            seconds: Vec::new(),
            values: Vec::new(),
            faults,
            happenings,
        };
        self.fill(&mut series, &mut random(3));
        Ok(series)
    }

    /// Returns the first instant, and the one after the last.
    pub fn span(&self) -> (i64, i64) {
        (BEGIN_SECONDS, BEGIN_SECONDS + i64::from(self.n_days) * DAY_SECONDS)
    }

    fn fill(&self, series: &mut Series, random: &mut Pcg64) {
        let (begin, end) = self.span();
        let step_seconds = i64::from(self.step_seconds);
        let mut noise = Noise::new(self.step_seconds);
        let mut total = 0.0;
        let mut now = begin;
        while now < end {
            let point_noise = noise.next(random);
            let is_lost = random.random_bool(0.0005);
            let (expected, deviation) = self.expected(&series.happenings, now);
            let mut fault = faults::at(&mut series.faults, now);
            let moved = fault.as_ref().map_or(0.0, |fault| fault.moves(now, point_noise));
            let value = (expected + deviation * (point_noise + moved)).max(0.0);
            if self.metric == Metric::Counter {
                let restarted = series.happenings.iter().any(|happening| {
                    happening.kind == HappeningKind::Deployment
                        && (now..now + step_seconds).contains(&happening.begin)
                });
                total = if restarted { 0.0 } else { total } + value * step_seconds as f64;
            }
            if !is_lost && !happenings::is_gap(&series.happenings, now) {
                if let Some(fault) = &mut fault {
                    fault.note(now, moved, self.metric);
                }
                series.seconds.push(now);
                series.values.push(if self.metric == Metric::Counter { total.round() } else { value });
            }
            now += step_seconds;
        }
    }

    /// Returns the value without noise and fault, and the standard deviation of the noise.
    fn expected(&self, happenings: &[Happening], now: i64) -> (f64, f64) {
        let (base, swing, relative_deviation) = match self.metric {
            Metric::Rate | Metric::Counter => (200.0, 0.6, 0.04),
            Metric::Latency => (80.0, 0.15, 0.05),
        };
        let (begin, end) = self.span();
        let part_of_span = (now - begin) as f64 / (end - begin) as f64;
        let drift = 1.0 + 0.3 * part_of_span + 0.05 * (TAU * part_of_span * 3.0).sin();
        let season = 1.0 + swing * season(now, happenings::is_holiday(happenings, now));
        let expected = base * drift * season * happenings::factor(happenings, now);
        // Counts vary with the root of their level.
        (expected, relative_deviation * base * (expected / base).sqrt())
    }
}

/// Returns the season at an instant, about -1 in the night to 1 at the day's peak.
fn season(now: i64, is_holiday: bool) -> f64 {
    let day = (now - BEGIN_SECONDS).div_euclid(DAY_SECONDS);
    let part_of_day = now.rem_euclid(DAY_SECONDS) as f64 / DAY_SECONDS as f64;
    // Lowest at three in the morning; the second wave makes the rise steeper than the fall.
    let daily = -(TAU * (part_of_day - 0.125)).cos() + 0.25 * (2.0 * TAU * (part_of_day - 0.2)).sin();
    let is_weekend = day.rem_euclid(7) >= 5;
    let share = if is_weekend || is_holiday { 0.55 } else { 1.0 };
    ((daily + 1.25) / 2.5) * 2.0 * share - 1.0
}

/// Noise of mean 0 and standard deviation 1 that remembers.
struct Noise {
    autocorrelation: f64,
    last: f64,
}

impl Noise {
    fn new(step_seconds: u32) -> Self {
        let minutes = f64::from(step_seconds) / MINUTE_SECONDS as f64;
        Self { autocorrelation: MINUTE_AUTOCORRELATION.powf(minutes), last: 0.0 }
    }

    fn next(&mut self, random: &mut Pcg64) -> f64 {
        let fresh = normal(random) * (1.0 - self.autocorrelation.powi(2)).sqrt();
        self.last = self.autocorrelation * self.last + fresh;
        self.last
    }
}

/// Draws from the standard normal distribution (Box and Muller 1958).
fn normal(random: &mut Pcg64) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (TAU * random.random::<f64>()).cos()
}

/// A generated series and the truth about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub name: String,
    /// Seconds since the epoch, rising.
    pub seconds: Vec<i64>,
    pub values: Vec<f64>,
    /// What a detector is to find, in order of time; they do not overlap.
    pub faults: Vec<Fault>,
    /// What a detector is to take in its stride, in order of time.
    pub happenings: Vec<Happening>,
}

impl Series {
    /// Returns the points as `timestamp,value` lines below that heading.
    pub fn to_csv(&self) -> String {
        let mut text = String::from("timestamp,value\n");
        for (seconds, value) in self.seconds.iter().zip(&self.values) {
            writeln!(text, "{},{value}", format_timestamp(*seconds)).expect("a String takes everything");
        }
        text
    }
}
