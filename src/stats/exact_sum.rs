//! Sums of doubles that do not depend on the order of their terms.
//!
//! A double is an integer multiple of 2^-1074. The sum is kept as such an integer, in digits of 32
//! bits with room for carries, so that no term is ever rounded; only reading the value rounds, once.
//! *Source*: the small superaccumulator of R. Neal, "Fast exact summation using small and large
//! superaccumulators", 2015; here the digits in use are kept, not all 67.

#[cfg(test)]
mod tests;

const DIGIT_BITS: u32 = 32;
const DIGIT_MASK: i64 = 0xffff_ffff;
/// A term adds less than 2^32 to a digit, so this many leave it within 63 bits.
const TERMS_BEFORE_CARRY: u32 = 1 << 30;

/// An exact sum: commutative, associative, mergeable.
///
/// *Cost*: a few nanoseconds per term; memory grows with the spread of exponents, to 0.6 KB at most.
#[derive(Clone, Debug, Default)]
pub struct ExactSum {
    /// Place of the first digit, counted from 2^-1074 in steps of 32 bits.
    lowest: u32,
    digits: Vec<i64>,
    terms: u32,
    nan: bool,
    plus_infinity: bool,
    minus_infinity: bool,
}

impl ExactSum {
    pub fn add(&mut self, term: f64) {
        if !term.is_finite() {
            self.nan |= term.is_nan();
            self.plus_infinity |= term == f64::INFINITY;
            self.minus_infinity |= term == f64::NEG_INFINITY;
            return;
        }
        let bits = term.to_bits();
        let biased = ((bits >> 52) & 0x7ff) as u32;
        let fraction = bits & ((1 << 52) - 1);
        let mantissa = if biased == 0 { fraction } else { fraction | 1 << 52 };
        if mantissa == 0 {
            return;
        }
        let place = biased.max(1) - 1;
        let digit = place / DIGIT_BITS;
        let spread = u128::from(mantissa) << (place % DIGIT_BITS);
        self.cover(digit, digit + 2);
        let at = (digit - self.lowest) as usize;
        let negative = term < 0.0;
        for (step, digit) in self.digits.iter_mut().skip(at).take(3).enumerate() {
            let part = (spread >> (step as u32 * DIGIT_BITS)) as i64 & DIGIT_MASK;
            *digit += if negative { -part } else { part };
        }
        self.note_term();
    }

    /// Adds a product without rounding it, unless it is subnormal.
    pub fn add_product(&mut self, a: f64, b: f64) {
        let product = a * b;
        self.add(product);
        if product.is_finite() {
            self.add(a.mul_add(b, -product));
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.nan |= other.nan;
        self.plus_infinity |= other.plus_infinity;
        self.minus_infinity |= other.minus_infinity;
        let other = other.carried();
        if other.digits.is_empty() {
            return;
        }
        self.carry();
        self.cover(other.lowest, other.lowest + other.digits.len() as u32 - 1);
        let at = (other.lowest - self.lowest) as usize;
        for (digit, &more) in self.digits.iter_mut().skip(at).zip(&other.digits) {
            *digit += more;
        }
        self.carry();
    }

    /// Returns the double nearest to the sum, ties to even.
    pub fn value(&self) -> f64 {
        match (self.nan, self.plus_infinity, self.minus_infinity) {
            (true, _, _) | (_, true, true) => f64::NAN,
            (_, true, _) => f64::INFINITY,
            (_, _, true) => f64::NEG_INFINITY,
            _ => self.finite_value(),
        }
    }

    /// Returns the sum as a double and the rest that it leaves, as a double.
    pub fn value_and_rest(&self) -> (f64, f64) {
        let value = self.value();
        if !value.is_finite() {
            return (value, 0.0);
        }
        let mut rest = self.clone();
        rest.add(-value);
        (value, rest.value())
    }

    /// Returns the sum's parts in their only form: place of the lowest digit, digits, special values
    /// as bits (1 NaN, 2 +∞, 4 −∞).
    pub fn to_parts(&self) -> (u32, Vec<i64>, u32) {
        let carried = self.carried();
        let special =
            u32::from(self.nan) | u32::from(self.plus_infinity) << 1 | u32::from(self.minus_infinity) << 2;
        (carried.lowest, carried.digits, special)
    }

    /// Rebuilds a sum. None when no sum has these parts.
    pub fn from_parts(lowest: u32, digits: Vec<i64>, special: u32) -> Option<Self> {
        let fits = digits.len() <= MAX_DIGITS && lowest as usize + digits.len() <= MAX_DIGITS && special < 8;
        let small = digits.iter().all(|digit| digit.unsigned_abs() <= 1 << DIGIT_BITS);
        let (nan, plus_infinity, minus_infinity) = (special & 1 > 0, special & 2 > 0, special & 4 > 0);
        (fits && small).then_some(Self { lowest, digits, terms: 1, nan, plus_infinity, minus_infinity })
    }

    fn note_term(&mut self) {
        self.terms += 1;
        if self.terms >= TERMS_BEFORE_CARRY {
            self.carry();
        }
    }

    fn cover(&mut self, low: u32, high: u32) {
        if self.digits.is_empty() {
            self.lowest = low;
        }
        if low < self.lowest {
            self.digits.splice(0..0, std::iter::repeat_n(0, (self.lowest - low) as usize));
            self.lowest = low;
        }
        let needed = (high - self.lowest) as usize + 1;
        if self.digits.len() < needed {
            self.digits.resize(needed, 0);
        }
    }

    fn carried(&self) -> Self {
        let mut copy = self.clone();
        copy.carry();
        copy
    }

    /// Brings the digits into their only form: all but the top one within 0..2^32, no zero at either
    /// end, the top one carrying the sign.
    fn carry(&mut self) {
        let mut carry = 0;
        for digit in &mut self.digits {
            *digit += carry;
            carry = *digit >> DIGIT_BITS;
            *digit &= DIGIT_MASK;
        }
        while carry != 0 && carry != -1 {
            self.digits.push(carry & DIGIT_MASK);
            carry >>= DIGIT_BITS;
        }
        if carry == -1 {
            self.fold_sign();
        }
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        let zeros = self.digits.iter().take_while(|&&digit| digit == 0).count();
        self.digits.drain(..zeros);
        self.lowest = if self.digits.is_empty() { 0 } else { self.lowest + zeros as u32 };
        self.terms = 1;
    }

    /// Puts a borrow from above the top digit into it.
    fn fold_sign(&mut self) {
        while let Some(top) = self.digits.last_mut() {
            *top -= 1 << DIGIT_BITS;
            if *top != -1 || self.digits.len() == 1 {
                return;
            }
            self.digits.pop();
        }
    }

    fn finite_value(&self) -> f64 {
        let sum = self.carried();
        let negative = sum.digits.last().is_some_and(|&top| top < 0);
        let magnitude = if negative { sum.negated() } else { sum };
        let rounded = magnitude.nearest();
        if negative { -rounded } else { rounded }
    }

    fn negated(&self) -> Self {
        let mut negated = self.clone();
        for digit in &mut negated.digits {
            *digit = -*digit;
        }
        negated.carry();
        negated
    }

    /// Rounds a sum that is not negative and has been carried.
    fn nearest(&self) -> f64 {
        let Some(top) = self.digits.len().checked_sub(1) else { return 0.0 };
        let digit =
            |at: Option<usize>| at.and_then(|at| self.digits.get(at)).map_or(0, |&digit| digit as u128);
        let head = digit(Some(top)) << 64 | digit(top.checked_sub(1)) << 32 | digit(top.checked_sub(2));
        let tail_is_zero = top < 3 || self.digits.iter().take(top - 2).all(|&digit| digit == 0);
        // Place of the highest bit, counted from 2^-1074; the head's lowest bit may stand below that.
        let head_bit = 127 - head.leading_zeros() as i64;
        let place = head_bit + (i64::from(self.lowest) + top as i64 - 2) * i64::from(DIGIT_BITS);
        if place < 53 {
            let below = place - head_bit;
            let integer = if below < 0 { head >> (-below) as u32 } else { head << below as u32 };
            return f64::from_bits(integer as u64);
        }
        let drop = (head_bit - 52) as u32;
        let mantissa = (head >> drop) as u64;
        let lost = head & ((1 << drop) - 1);
        let half = 1_u128 << (drop - 1);
        let round_up = lost > half || (lost == half && (!tail_is_zero || mantissa & 1 == 1));
        let biased = (place - 51) as u64;
        if biased >= 0x7ff {
            return f64::INFINITY;
        }
        f64::from_bits((biased << 52) + (mantissa - (1 << 52)) + u64::from(round_up))
    }
}

/// The digits of the greatest double, and room for 2^64 of them.
const MAX_DIGITS: usize = 70;

impl PartialEq for ExactSum {
    fn eq(&self, other: &Self) -> bool {
        self.to_parts() == other.to_parts()
    }
}
