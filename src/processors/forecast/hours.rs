//! The last day by the hour, in half precision.

use stats::Half;

pub(super) const HOURS: usize = 24;
/// Forecasts for the next day are kept for every second hour.
pub(super) const AWAITED: usize = HOURS / 2;
/// A half that is not a number stands for nothing.
const NOTHING: Half = Half { bits: 0x7e00 };
/// Halves reach to 65,504; from half of it on the unit must grow.
const REACH: f64 = 32_768.0;
/// By how many powers of two the greatest deviation is below one unit times [`REACH`] after a fit.
const ROOM: f64 = 10.0;

/// Values of each hour of the day, and what was foretold for some of them.
///
/// Kept as deviations from a base that follows the values once a day: halves then are exact to one part in
/// 2,048 of the deviation, not of the value.
#[derive(Clone, Copy, Debug)]
pub(super) struct DayRing {
    pub(super) base: f64,
    /// Of the unit, as a power of two.
    pub(super) exponent: i16,
    pub(super) values: [Half; HOURS],
    pub(super) awaited: [Half; AWAITED],
}

impl DayRing {
    pub(super) fn new(first: f64) -> Self {
        let mut ring =
            Self { base: first, exponent: 0, values: [NOTHING; HOURS], awaited: [NOTHING; AWAITED] };
        ring.exponent = exponent_for(first.abs());
        ring
    }

    /// Returns the last value of an hour of the day.
    pub(super) fn value(&self, hour: u32) -> Option<f64> {
        self.told(self.values[hour as usize % HOURS])
    }

    pub(super) fn set(&mut self, hour: u32, value: f64) {
        self.make_room(value);
        self.values[hour as usize % HOURS] = self.half(value);
    }

    /// Returns what was foretold for an hour; nothing for odd hours.
    pub(super) fn awaited(&self, hour: u32) -> Option<f64> {
        hour.is_multiple_of(2).then(|| self.told(self.awaited[hour as usize / 2 % AWAITED])).flatten()
    }

    pub(super) fn await_value(&mut self, hour: u32, value: Option<f64>) {
        if !hour.is_multiple_of(2) {
            return;
        }
        if let Some(value) = value {
            self.make_room(value);
        }
        self.awaited[hour as usize / 2 % AWAITED] = value.map_or(NOTHING, |value| self.half(value));
    }

    /// Forgets what was foretold for the hours of a gap, which comes to nothing.
    pub(super) fn skip(&mut self, from: u32, to: u32) {
        for hour in (from..to).take(HOURS) {
            self.await_value(hour, None);
        }
    }

    /// Returns the mean of the hours that are known.
    pub(super) fn mean(&self) -> Option<f64> {
        let known = || self.values.iter().filter_map(|&half| self.deviation(half));
        let n_known = known().count();
        (n_known > 0).then(|| self.base + known().sum::<f64>() / n_known as f64)
    }

    pub(super) fn is_full(&self) -> bool {
        self.values.iter().all(|&half| self.deviation(half).is_some())
    }

    /// Moves the base to the mean, so that halves need not tell it.
    pub(super) fn centre(&mut self) {
        if let Some(mean) = self.mean() {
            self.fit(mean);
        }
    }

    fn make_room(&mut self, value: f64) {
        let deviation = (value - self.base).abs();
        if deviation > REACH * self.unit() {
            // The last value is the best guess of the level to come.
            self.fit(value);
        }
    }

    /// Tells all values from another base, in a unit for the greatest of them.
    fn fit(&mut self, base: f64) {
        let before = *self;
        let told = before.values.iter().chain(&before.awaited).filter_map(|&half| before.told(half));
        let greatest = told.map(|value| (value - base).abs()).fold(0.0, f64::max);
        self.base = base;
        self.exponent = exponent_for(if greatest > 0.0 { greatest } else { base.abs() });
        for (half, was) in self.values.iter_mut().zip(before.values) {
            *half = before.told(was).map_or(NOTHING, |value| encode(value - base, self.exponent));
        }
        for (half, was) in self.awaited.iter_mut().zip(before.awaited) {
            *half = before.told(was).map_or(NOTHING, |value| encode(value - base, self.exponent));
        }
    }

    fn half(&self, value: f64) -> Half {
        encode(value - self.base, self.exponent)
    }

    fn told(&self, half: Half) -> Option<f64> {
        self.deviation(half).map(|deviation| self.base + deviation)
    }

    fn deviation(&self, half: Half) -> Option<f64> {
        let value = f64::from(half.to_f32());
        (!value.is_nan()).then(|| value * self.unit())
    }

    fn unit(&self) -> f64 {
        f64::from(self.exponent).exp2()
    }
}

fn encode(deviation: f64, exponent: i16) -> Half {
    Half::nearest((deviation / f64::from(exponent).exp2()) as f32)
}

fn exponent_for(greatest: f64) -> i16 {
    (greatest.max(f64::MIN_POSITIVE).log2().floor() - ROOM) as i16
}
