//! Values that were not seen lately.

use stats::{Tail, ValueCells};

/// Values that stand for a signal's recent past.
const CELLS: usize = 32;
/// Ages of values are counted in so many windows.
pub(crate) const WINDOWS_OF_AN_AGE: u8 = 8;
/// Windows after which a value is new again: 1,500.
const TIME_TO_LIVE: u8 = (1_500 / WINDOWS_OF_AN_AGE as u16) as u8;
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
/// distances before it, and the departure from what was expected by a tail of its own. All constants
/// count windows, not time: they were measured alike on series of 1 and 5 minutes.
///
/// *Cost*: 444 bytes, which a size class of 448 holds; about 0.2 µs.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Novelty {
    pub(crate) cells: [ValueCells<CELLS>; 3],
    /// Of the three signals' distances, and of the departure.
    pub(crate) tails: [Tail; 4],
}

/// The little that novelty remembers beside.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Told {
    /// The smoothed signal; NaN before the first value.
    pub(crate) smoothed: f32,
    pub(crate) peak: f32,
    pub(crate) fatigue: f32,
}

impl Default for Told {
    fn default() -> Self {
        Self { smoothed: f32::NAN, peak: 0.0, fatigue: 0.0 }
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

/// A window as novelty sees it; all on the working scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glance {
    pub(crate) observed: f64,
    pub(crate) seasonal: f64,
    pub(crate) scale: f64,
    /// The departure now, in scales, and over the last windows.
    pub(crate) z: f64,
    pub(crate) zbar: f64,
}

impl Novelty {
    /// Forgets the signal without its seasons, when they are taken for others than before.
    pub(crate) fn forget_unseasonal(&mut self) {
        let [.., cells] = &mut self.cells;
        *cells = ValueCells::default();
        self.tails[UNSEASONAL] = Tail::default();
    }

    /// Judges a window and learns it. `age` is the number of windows since the cells grew older.
    pub(crate) fn update(&mut self, glance: &Glance, told: &mut Told, age: &mut u8) -> Surprise {
        let value = glance.observed as f32;
        let smoothed = &mut told.smoothed;
        *smoothed = if smoothed.is_nan() { value } else { *smoothed + SMOOTHING * (value - *smoothed) };
        *age = age.saturating_add(1);
        if *age >= WINDOWS_OF_AN_AGE {
            *age = 0;
            self.cells.iter_mut().for_each(ValueCells::grow_older);
        }
        let signals = [value, *smoothed, (glance.observed - glance.seasonal) as f32];
        let radius = (MERGE_RADIUS * glance.scale) as f32;
        let [of_signals @ .., of_departure] = &mut self.tails;
        let departure = glance.z.hypot(2.0 * glance.zbar) as f32;
        let mut squares = of_departure.update(departure, MERGE_RADIUS as f32).powi(2);
        for ((cells, tail), signal) in self.cells.iter_mut().zip(of_signals).zip(signals) {
            if let Some(distance) = cells.update(signal, radius, TIME_TO_LIVE) {
                squares += tail.update(distance, radius).powi(2);
            }
        }
        told.tell(squares.sqrt())
    }
}

/// The place of the signal without its seasons.
const UNSEASONAL: usize = 2;

impl Told {
    /// Says each peak once: what lasts is told when it begins and when it grows.
    fn tell(&mut self, improbability: f32) -> Surprise {
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
