//! The faults: one of each shape and size, spread over the days after the quiet ones.

use anyhow::{Result, ensure};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

use super::{BEGIN_SECONDS, DAY_SECONDS, Happening, MINUTE_SECONDS, Metric, Year, happenings::is_apart};

/// How large faults are, in standard deviations of the noise at their place.
pub const SCALES: [f64; 5] = [8.0, 10.0, 13.0, 20.0, 30.0];

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
    /// Seconds since the epoch of the first recorded point that the fault moves by half of its size or more;
    /// none where no such point was recorded. From here on it can be asked to be found: a ramp begins with
    /// nothing, and unrest may begin with a calm minute.
    pub shows: Option<i64>,
}

impl Fault {
    /// Tells whether the fault acts at an instant.
    pub fn contains(&self, now: i64) -> bool {
        (self.begin..self.end).contains(&now)
    }
}

/// Draws for a place that no gap is near.
const MOST_DRAWS: usize = 20;

/// Gives each fault a share of the days of its own and a place in the middle half of it, apart from gaps.
pub(super) fn place(year: &Year, gaps: &[Happening], random: &mut Pcg64) -> Result<Vec<Fault>> {
    if year.n_quiet_days >= year.n_days {
        return Ok(Vec::new());
    }
    let mut wanted: Vec<_> =
        KINDS.iter().flat_map(|kind| year.scales.iter().map(move |scale| (*kind, *scale))).collect();
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
        let mut draw = || {
            let offset = random.random_range(share / 4..share / 2);
            let begin = first + number * share + offset - offset % (60 * MINUTE_SECONDS);
            Fault { kind, scale, begin, end: begin + duration_seconds(kind, random), shows: None }
        };
        let is_free = |fault: &Fault| gaps.iter().all(|gap| is_apart(gap, fault));
        let mut fault = draw();
        for _ in 1..MOST_DRAWS {
            if is_free(&fault) {
                break;
            }
            fault = draw();
        }
        fault
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

/// Returns the fault that acts at an instant.
pub(super) fn at(faults: &mut [Fault], now: i64) -> Option<&mut Fault> {
    let n_before = faults.partition_point(|fault| fault.end <= now);
    faults.get_mut(n_before).filter(|fault| fault.contains(now))
}

impl Fault {
    /// Returns by how much the fault moves a value, in deviations of the noise.
    pub(super) fn moves(&self, now: i64, noise: f64) -> f64 {
        match self.kind {
            FaultKind::Spike | FaultKind::Burst => self.scale,
            FaultKind::Dip => -self.scale,
            FaultKind::Ramp => self.scale * (now - self.begin) as f64 / (self.end - self.begin) as f64,
            FaultKind::Unrest => (self.scale - 1.0) * noise,
        }
    }

    /// Notes a point that was recorded. Of a latency only what is slower shows.
    pub(super) fn note(&mut self, now: i64, moved: f64, metric: Metric) {
        let shown = if metric == Metric::Latency { moved } else { moved.abs() };
        if self.shows.is_none() && shown >= self.scale / 2.0 {
            self.shows = Some(now);
        }
    }
}
