//! Numbers in two bytes with the reach of four: bfloat16.

#[cfg(test)]
mod tests;

/// A number of 8 significant bits, as great or as small as a single.
///
/// A state that is moved by small gains must be stored with [`Bfloat::dithered`]: rounded to the nearest,
/// moves below one part in 512 of the value would be lost for ever.
///
/// *Cost*: 2 bytes; a nanosecond either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bfloat {
    /// The encoding, for snapshots: the upper half of a single.
    pub bits: u16,
}

const LOST_BITS: u32 = 16;
const SIGN: u32 = 0x8000_0000;
const GREATEST: u32 = 0x7f7f_0000;

impl Bfloat {
    pub const NAN: Self = Self { bits: 0x7fc0 };

    /// Rounds to the nearest, ties to even. What is too great becomes the greatest finite number of its sign.
    pub fn nearest(value: f32) -> Self {
        let odd = (value.to_bits() >> LOST_BITS) & 1;
        Self::of(value, (1 << (LOST_BITS - 1)) - 1 + odd)
    }

    /// Rounds up or down with chances in proportion to nearness, so that the mean of many is right.
    ///
    /// `random` is uniform in its 32 bits and of the caller's making: equal inputs give equal outputs.
    pub fn dithered(value: f32, random: u32) -> Self {
        Self::of(value, random >> LOST_BITS)
    }

    pub fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.bits) << LOST_BITS)
    }

    /// Adds to the magnitude a part of a step, before what is below a step is cut off.
    fn of(value: f32, part: u32) -> Self {
        if value.is_nan() {
            return Self::NAN;
        }
        let magnitude = ((value.to_bits() & !SIGN) + part).min(GREATEST);
        Self { bits: ((value.to_bits() & SIGN | magnitude) >> LOST_BITS) as u16 }
    }
}

impl From<Bfloat> for f64 {
    fn from(value: Bfloat) -> Self {
        Self::from(value.to_f32())
    }
}
