//! The last day by the hour, in half precision.

use stats::Half;

pub(super) const HOURS: usize = 24;
/// Forecasts for the next day are kept for every second hour.
pub(super) const AWAITED: usize = HOURS / 2;
/// A half that is not a number stands for nothing.
pub(super) const NOTHING: Half = Half { bits: 0x7e00 };
/// And so does a quarter.
const NOTHING_TOLD: u8 = 0x7e;
/// The greatest finite quarter.
const GREATEST_QUARTER: u16 = 0x7b;
/// Halves reach to 65,504; from half of it on the unit must grow.
pub(super) const REACH: f64 = 32_768.0;
/// By how many powers of two the greatest deviation is below one unit times [`REACH`] after a fit.
const ROOM: f64 = 10.0;

/// Values of each hour of the day, and what was foretold for some of them.
///
/// Kept as deviations from a base that follows the values once a day: halves then are exact to one part in
/// 2,048 of the deviation, not of the value. Packed, lest the base is followed by room for another.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(2))]
pub(super) struct DayRing {
    pub(super) base: f64,
    /// Of the unit, as a power of two.
    pub(super) exponent: i8,
    pub(super) values: [Half; HOURS],
    /// By how much what is foretold for the same hour of the next day differs from the value, as upper bytes of
    /// halves: that is 3 bits of a difference that is smaller than the errors it helps to judge.
    pub(super) awaited: [u8; AWAITED],
}

impl DayRing {
    pub(super) fn new(first: f64) -> Self {
        let mut ring =
            Self { base: first, exponent: 0, values: [NOTHING; HOURS], awaited: [NOTHING_TOLD; AWAITED] };
        ring.exponent = exponent_for(first.abs());
        ring
    }

    /// Makes a ring of deviations from the base, of what was foretold as well.
    pub(super) fn of_halves(
        base: f64,
        exponent: i8,
        values: [Half; HOURS],
        foretold: [Half; AWAITED],
    ) -> Self {
        let mut ring = Self { base, exponent, values, awaited: [NOTHING_TOLD; AWAITED] };
        for (hour, half) in (0..).step_by(2).zip(foretold) {
            ring.await_value(hour, ring.told(half));
        }
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

    /// Returns what was foretold for an hour, until the value of that hour is set; nothing for odd hours.
    pub(super) fn awaited(&self, hour: u32) -> Option<f64> {
        let place = place_of(hour)?;
        let difference = self.deviation(Half { bits: u16::from(self.awaited[place]) << 8 })?;
        Some(self.value(hour)? + difference)
    }

    /// Keeps what is foretold for the same hour of the next day, once this one's value is set.
    pub(super) fn await_value(&mut self, hour: u32, value: Option<f64>) {
        let Some(place) = place_of(hour) else { return };
        let difference = value.zip(self.value(hour)).map(|(foretold, value)| foretold - value);
        self.awaited[place] = difference.map_or(NOTHING_TOLD, |it| encode_roughly(it, self.exponent));
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
        let told = before.values.iter().filter_map(|&half| before.told(half));
        let greatest = told.map(|value| (value - base).abs()).fold(0.0, f64::max);
        self.base = base;
        let exponent = exponent_for(if greatest > 0.0 { greatest } else { base.abs() });
        self.exponent = exponent;
        for (half, was) in self.values.iter_mut().zip(before.values) {
            *half = before.told(was).map_or(NOTHING, |value| encode(value - base, exponent));
        }
        for (quarter, was) in self.awaited.iter_mut().zip(before.awaited) {
            let difference = before.deviation(Half { bits: u16::from(was) << 8 });
            *quarter = difference.map_or(NOTHING_TOLD, |it| encode_roughly(it, exponent));
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
        unit_of(self.exponent)
    }
}

pub(super) fn unit_of(exponent: i8) -> f64 {
    f64::from(exponent).exp2()
}

pub(super) fn encode(deviation: f64, exponent: i8) -> Half {
    Half::nearest((deviation / unit_of(exponent)) as f32)
}

/// The upper byte of a half, rounded.
fn encode_roughly(difference: f64, exponent: i8) -> u8 {
    let half = encode(difference, exponent).bits;
    let magnitude = ((half & 0x7fff) + 0x80) >> 8;
    (magnitude.min(GREATEST_QUARTER) | (half >> 8 & 0x80)) as u8
}

/// Where the forecast for an hour of the day is kept; none for odd hours.
fn place_of(hour: u32) -> Option<usize> {
    hour.is_multiple_of(2).then_some((hour / 2) as usize % AWAITED)
}

/// What is smaller than singles can tell is as good as nothing.
pub(super) fn exponent_for(greatest: f64) -> i8 {
    let exponent = greatest.max(f64::MIN_POSITIVE).log2().floor() - ROOM;
    exponent.clamp(f64::from(-i8::MAX), f64::from(i8::MAX)) as i8
}
