//! The faults: one of each shape and size, spread over the days after the quiet ones.

use anyhow::{Result, ensure};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

use super::{BEGIN_SECONDS, DAY_SECONDS, MINUTE_SECONDS, Year};

/// How large faults are, in standard deviations of the noise at their place.
pub const SCALES: [f64; 5] = [3.0, 5.0, 8.0, 13.0, 20.0];

/// What a fault looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// Higher for five minutes.
    Spike,
    /// Higher for an hour or two.
    Burst,
    /// Lower for an hour or two.
    Dip,
    /// Rises steadily to its full size within six hours, then ends: a leak until the restart.
    Ramp,
    /// Noise as many times stronger, for an hour or two.
    Unrest,
}

const KINDS: [FaultKind; 5] =
    [FaultKind::Spike, FaultKind::Burst, FaultKind::Dip, FaultKind::Ramp, FaultKind::Unrest];

/// The truth about one fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    pub kind: FaultKind,
    /// In standard deviations of the noise.
    pub scale: f64,
    /// Seconds since the epoch of its first instant.
    pub begin: i64,
    /// Seconds since the epoch of the first instant after it.
    pub end: i64,
}

impl Fault {
    /// Tells whether the fault acts at an instant.
    pub fn contains(&self, now: i64) -> bool {
        (self.begin..self.end).contains(&now)
    }
}

/// Gives each fault a share of the days of its own and a place in the middle half of it.
pub(super) fn place(year: &Year, random: &mut Pcg64) -> Result<Vec<Fault>> {
    let mut wanted: Vec<_> =
        KINDS.iter().flat_map(|kind| SCALES.iter().map(move |scale| (*kind, *scale))).collect();
    wanted.shuffle(random);
    let faulty_seconds = (i64::from(year.n_days) - i64::from(year.n_quiet_days)) * DAY_SECONDS;
    let share = faulty_seconds / wanted.len() as i64;
    ensure!(
        share >= 2 * DAY_SECONDS,
        "n_days is {}, must be at least {} to keep {} faults apart after {} quiet days",
        year.n_days,
        i64::from(year.n_quiet_days) + 2 * wanted.len() as i64,
        wanted.len(),
        year.n_quiet_days
    );
    let first = BEGIN_SECONDS + i64::from(year.n_quiet_days) * DAY_SECONDS;
    let faults = wanted.into_iter().zip(0..).map(|((kind, scale), number)| {
        let offset = random.random_range(share / 4..share / 2);
        let begin = first + number * share + offset - offset % (60 * MINUTE_SECONDS);
        Fault { kind, scale, begin, end: begin + duration_seconds(kind, random) }
    });
    Ok(faults.collect())
}

fn duration_seconds(kind: FaultKind, random: &mut Pcg64) -> i64 {
    let minutes = match kind {
        FaultKind::Spike => 5,
        FaultKind::Burst | FaultKind::Dip | FaultKind::Unrest => 5 * random.random_range(12..=24),
        FaultKind::Ramp => 360,
    };
    minutes * MINUTE_SECONDS
}

/// Returns the value at an instant: what is expected, noise, and the fault that acts.
pub(super) fn apply(faults: &[Fault], now: i64, expected: f64, deviation: f64, noise: f64) -> f64 {
    let normal = expected + deviation * noise;
    let n_before = faults.partition_point(|fault| fault.end <= now);
    let Some(fault) = faults.get(n_before).filter(|fault| fault.contains(now)) else { return normal };
    let size = fault.scale * deviation;
    match fault.kind {
        FaultKind::Spike | FaultKind::Burst => normal + size,
        FaultKind::Dip => normal - size,
        FaultKind::Ramp => normal + size * (now - fault.begin) as f64 / (fault.end - fault.begin) as f64,
        FaultKind::Unrest => expected + size * noise,
    }
}
