//! Values that were not seen lately.

use stats::{Tail, ValueCells};

/// Values that stand for a signal's recent past.
const CELLS: usize = 32;
/// Windows after which a value is new again.
const TIME_TO_LIVE: u16 = 1_500;
/// Values within this share of the usual deviation are the same.
const MERGE_RADIUS: f64 = 0.2;
/// Of a new window in the smoothed signal.
const SMOOTHING: f32 = 0.1;
/// Windows in which the memory of the last peak falls to a third.
const PEAK_WINDOWS: f32 = 150.0;
/// Windows in which fatigue falls to a third.
const FATIGUE_WINDOWS: f32 = 6_000.0;
/// By which each alarm tires.
const FATIGUE: f32 = 0.4;
/// Above fatigue, what counts as an alarm.
const ALARM: f32 = 3.0;

/// What a series has been lately, in three signals: as it is, smoothed, and without its seasons.
///
/// Each signal keeps 32 cells of values; the distance to the nearest is judged by the tail of all such
/// distances before it. All constants count windows, not time: measured alike on series of 1 and 5
/// minutes.
///
/// *Cost*: 636 bytes; about 0.3 µs.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Novelty {
    pub(crate) cells: [ValueCells<CELLS>; 3],
    pub(crate) tails: [Tail; 3],
    /// NaN before the first value.
    pub(crate) smoothed: f32,
    pub(crate) peak: f32,
    pub(crate) fatigue: f32,
}

impl Default for Novelty {
    fn default() -> Self {
        let cells = [ValueCells::default(); 3];
        Self { cells, tails: [Tail::default(); 3], smoothed: f32::NAN, peak: 0.0, fatigue: 0.0 }
    }
}

/// What novelty says of one window.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Surprise {
    /// How improbable the value is: a root of squares of −log10 of probabilities.
    pub(crate) improbability: f32,
    /// What is worth telling: 0 below the last peak, less what was told lately.
    pub(crate) told: f32,
}

impl Novelty {
    /// Forgets what depends on the window before, after a gap.
    pub(crate) fn reset(&mut self) {
        self.smoothed = f32::NAN;
    }

    /// Judges a value and learns it. All on the working scale.
    pub(crate) fn update(&mut self, observed: f64, seasonal: f64, scale: f64) -> Surprise {
        let value = observed as f32;
        self.smoothed =
            if self.smoothed.is_nan() { value } else { self.smoothed + SMOOTHING * (value - self.smoothed) };
        let signals = [value, self.smoothed, (observed - seasonal) as f32];
        let radius = (MERGE_RADIUS * scale) as f32;
        let mut squares = 0.0;
        for ((cells, tail), signal) in self.cells.iter_mut().zip(&mut self.tails).zip(signals) {
            if let Some(distance) = cells.update(signal, radius, TIME_TO_LIVE) {
                let score = tail.update(distance, radius);
                squares += score * score;
            }
        }
        self.tire(squares.sqrt())
    }

    /// Says each peak once: what lasts is told when it begins and when it grows.
    fn tire(&mut self, improbability: f32) -> Surprise {
        self.peak -= self.peak / PEAK_WINDOWS;
        self.fatigue -= self.fatigue / FATIGUE_WINDOWS;
        if improbability <= self.peak {
            return Surprise { improbability, told: 0.0 };
        }
        self.peak = improbability;
        let told = (improbability - self.fatigue).max(0.0);
        if told > ALARM {
            self.fatigue += FATIGUE;
        }
        Surprise { improbability, told }
    }
}
