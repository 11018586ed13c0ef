//! Forecasts of an hour and a day ahead, mixed by how good each way has been.

use rapidhash::v3::rapidhash_v3;
use stats::Bfloat;

/// Ways to foretell the next hour.
pub(super) const OF_HOUR: usize = 3;
/// Ways to foretell the same hour of tomorrow.
pub(super) const OF_DAY: usize = 3;
/// Share of the last seasonal error that the next hour inherits; .8 was the best of those measured.
const INHERITED: f64 = 0.8;
/// Errors are remembered over three days of hours: after a jump of the level the ways that know it are to win soon.
const REMEMBERED: f64 = 72.0;
/// How sharply the better way is preferred. Mixing by the plain inverse was worse than the best alone
/// (.54 against .49): with the fourth power one that is twice as good has 94 %.
const SHARPNESS: i32 = 4;

/// What each way foretells; none where it knows too little.
pub(super) type Told<const N: usize> = [Option<f64>; N];

/// Mean absolute errors of each way; NaN until there was one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Errors<const N: usize>(pub(super) [Bfloat; N]);

impl<const N: usize> Default for Errors<N> {
    fn default() -> Self {
        Self([Bfloat::NAN; N])
    }
}

/// Foretells the next hour: as yesterday plus what remains of the last error, as the last, as the mean.
pub(super) fn of_hour(yesterday: Option<f64>, last: Option<Last>, mean: Option<f64>) -> Told<OF_HOUR> {
    let seasonal_error = last.and_then(|last| last.seasonal_error).unwrap_or(0.0);
    [yesterday.map(|value| value + INHERITED * seasonal_error), last.map(|last| last.value), mean]
}

/// The hour before the one that is foretold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub(super) value: f64,
    /// By how much it was above the same hour of the day before.
    pub(super) seasonal_error: Option<f64>,
}

/// Foretells an hour of tomorrow: as that of today, with its level moved by `shift`, as the `level`.
pub(super) fn of_day(today: Option<f64>, shift: f64, level: Option<f64>) -> Told<OF_DAY> {
    [today, today.map(|value| value + shift), level]
}

impl<const N: usize> Errors<N> {
    /// Learns how far each way was from what came, as the `n`-th of its kind.
    pub(super) fn learn(&mut self, told: &Told<N>, value: f64, n: u8) {
        let gain = 1.0 / f64::from(n.max(1)).min(REMEMBERED);
        for (error, told) in self.0.iter_mut().zip(told) {
            let Some(told) = told else { continue };
            let now = (value - told).abs();
            let before = f64::from(*error);
            *error = moved(*error, if before.is_nan() { now } else { before + gain * (now - before) });
        }
    }

    /// Mixes what the ways tell. Before any was judged the first that tells anything is taken.
    pub(super) fn mix(&self, told: &Told<N>) -> Option<f64> {
        let judged = || {
            let pairs = self.0.iter().zip(told);
            pairs.filter_map(|(&error, told)| Some((f64::from(error), (*told)?)))
        };
        let least = judged().map(|(error, _)| error).fold(f64::INFINITY, f64::min);
        if least.is_infinite() {
            return told.iter().copied().flatten().next();
        }
        let (mut sum, mut weights) = (0.0, 0.0);
        for (error, value) in judged().filter(|(error, _)| !error.is_nan()) {
            let weight = if error == least { 1.0 } else { (least / error).powi(SHARPNESS) };
            sum += weight * value;
            weights += weight;
        }
        Some(sum / weights)
    }
}

/// Stores what a mean has become that moves by small gains: their sum would be lost to rounding.
pub(super) fn moved(before: Bfloat, to: f64) -> Bfloat {
    let seed = to.to_bits() ^ u64::from(before.bits).rotate_right(16);
    Bfloat::dithered(narrow(to), rapidhash_v3(&seed.to_le_bytes()) as u32)
}

/// Keeps a single finite.
pub(super) fn narrow(value: f64) -> f32 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
}
