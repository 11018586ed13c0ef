//! Numbers in two bytes: IEEE 754 binary16.

#[cfg(test)]
mod tests;

/// A number of 11 significant bits, from 6·10^-8 to 65,504.
///
/// A state that is moved by small gains must be stored with [`Half::dithered`]: rounded to the nearest,
/// moves below one part in 4,096 of the value would be lost for ever.
///
/// *Cost*: 2 bytes; a few nanoseconds either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Half {
    /// The encoding, for snapshots.
    pub bits: u16,
}

const SIGN: u32 = 0x8000_0000;
/// The bits that a single has and a half has not.
const LOST_BITS: u32 = 13;
/// Difference of the two exponents' biases, as it stands in a single.
const REBIAS: u32 = (127 - 15) << 23;
/// The greatest finite half.
const MAX: f32 = 65_504.0;
/// The least normal half is 2^-14; adding this to something smaller leaves its multiple of 2^-24 in the
/// lowest bits.
const SUBNORMAL_MAGIC: f32 = 0.5;
/// Subnormal halves are multiples of 2^-24.
const SUBNORMAL_STEPS: f64 = 16_777_216.0;
const TWO_POW_32: f64 = 4_294_967_296.0;
const TWO_POW_112: f32 = f32::from_bits((127 + 112) << 23);

impl Half {
    /// Rounds to the nearest, ties to even. What is too great becomes the greatest finite number of its
    /// sign, NaN becomes 0: a profile with an infinity in it would never come back.
    pub fn nearest(value: f32) -> Self {
        let sign = ((value.to_bits() & SIGN) >> 16) as u16;
        let magnitude = f32::from_bits(value.to_bits() & !SIGN);
        if magnitude.is_nan() {
            return Self::default();
        }
        let clamped = magnitude.min(MAX);
        let bits = clamped.to_bits();
        let bits = if bits < REBIAS + (1 << 23) {
            // The addition rounds, to even as well.
            (clamped + SUBNORMAL_MAGIC).to_bits() - SUBNORMAL_MAGIC.to_bits()
        } else {
            let odd = (bits >> LOST_BITS) & 1;
            (bits - REBIAS + (1 << (LOST_BITS - 1)) - 1 + odd) >> LOST_BITS
        };
        Self { bits: sign | bits as u16 }
    }

    /// Rounds up or down with chances in proportion to nearness, so that the mean of many is right.
    ///
    /// `random` is uniform in its 32 bits and of the caller's making, a hash of series and sample for
    /// example: equal inputs give equal outputs.
    pub fn dithered(value: f32, random: u32) -> Self {
        let sign = ((value.to_bits() & SIGN) >> 16) as u16;
        let magnitude = f32::from_bits(value.to_bits() & !SIGN);
        if magnitude.is_nan() {
            return Self::default();
        }
        let clamped = magnitude.min(MAX);
        let bits = clamped.to_bits();
        // A random fraction of a step is added before what is below a step is cut off.
        let bits = if bits < REBIAS + (1 << 23) {
            (f64::from(clamped) * SUBNORMAL_STEPS + f64::from(random) / TWO_POW_32) as u32
        } else {
            (bits - REBIAS + (random >> (32 - LOST_BITS))) >> LOST_BITS
        };
        Self { bits: sign | bits as u16 }
    }

    pub fn to_f32(self) -> f32 {
        let sign = u32::from(self.bits & 0x8000) << 16;
        let magnitude = u32::from(self.bits & 0x7fff) << LOST_BITS;
        let special = magnitude >= 0x1f << 23;
        // As a single the encoding is 2^112 too small, subnormal or not; a product repairs it exactly.
        let value = if special {
            magnitude | 0xff << 23
        } else {
            (f32::from_bits(magnitude) * TWO_POW_112).to_bits()
        };
        f32::from_bits(sign | value)
    }
}

impl From<Half> for f32 {
    fn from(half: Half) -> Self {
        half.to_f32()
    }
}
