//! OpenTelemetry's consistent probability sampling: whoever samples by the same threshold keeps the same traces.
//!
//! A trace is kept when its randomness is not below the threshold; both have 56 bits, so the threshold is the share that
//! is rejected. *Source*: OpenTelemetry specification, "TraceState: probability sampling"; the collector's `pkg/sampling`,
//! whose rounding is followed.

#[cfg(test)]
mod tests;
mod trace_state;

pub(crate) use trace_state::{TraceState, members};

/// One more than the highest randomness, and the threshold by which nothing is kept.
pub(crate) const NEVER: u64 = 1 << 56;
/// The threshold by which everything is kept.
pub(crate) const ALWAYS: u64 = 0;
/// The randomness that every threshold but [`NEVER`] keeps.
pub(crate) const KEPT_BY_ALL: u64 = NEVER - 1;
/// Hexadecimal digits of 56 bits.
pub(crate) const DIGITS: u32 = 14;
/// The smallest share that a threshold can say.
pub(crate) const LEAST_SHARE: f64 = 1.0 / NEVER as f64;

/// Returns the randomness of a trace: the last seven bytes of its id.
pub(crate) fn randomness_of(trace: &[u8; 16]) -> u64 {
    u128::from_be_bytes(*trace) as u64 & KEPT_BY_ALL
}

/// Returns the threshold that keeps a share, rounded to so many digits; more where the share is close to 0 or 1. None
/// when the share is above 1 or too small.
pub(crate) fn threshold_of(share: f64, digits: u32) -> Option<u64> {
    if !(LEAST_SHARE..=1.0).contains(&share) {
        return None;
    }
    if share == 1.0 {
        return Some(ALWAYS);
    }
    let leading = |part: f64| (-exponent(part)).max(0) as u32 / 4;
    let digits = (digits + leading(share).max(leading(1.0 - share))).min(DIGITS);
    // Exact: the product with a power of two is one of the exponents alone, and below 2⁵⁶.
    let mut threshold = NEVER - (share * NEVER as f64).round() as u64;
    let shift = 4 * (DIGITS - digits);
    if shift > 0 {
        threshold = (threshold + (1 << (shift - 1))) >> shift << shift;
    }
    Some(threshold)
}

/// Returns the share that a threshold keeps.
pub(crate) fn share_of(threshold: u64) -> f64 {
    (NEVER - threshold) as f64 / NEVER as f64
}

/// The exponent by which a number is a fraction from one half up to one; 0 for 0.
fn exponent(number: f64) -> i32 {
    match number {
        0.0 => 0,
        _ => ((number.to_bits() >> 52 & 0x7ff) as i32) - 1022,
    }
}

/// Reads a threshold from up to 14 digits, whose trailing zeros may be left out.
pub(crate) fn read_threshold(digits: &[u8]) -> Option<u64> {
    let number = hexadecimal(digits)?;
    Some(number << (4 * (DIGITS - digits.len() as u32)))
}

/// Reads a randomness of exactly 14 digits.
pub(crate) fn read_randomness(digits: &[u8]) -> Option<u64> {
    (digits.len() == DIGITS as usize).then(|| hexadecimal(digits)).flatten()
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > DIGITS as usize {
        return None;
    }
    digits.iter().try_fold(0, |number, &digit| Some(number << 4 | u64::from(char::from(digit).to_digit(16)?)))
}

/// Spells a threshold below [`NEVER`] without trailing zeros.
pub(crate) fn write_threshold(threshold: u64) -> String {
    match threshold {
        ALWAYS => "0".to_owned(),
        _ => write_randomness(threshold).trim_end_matches('0').to_owned(),
    }
}

pub(crate) fn write_randomness(randomness: u64) -> String {
    format!("{randomness:014x}")
}
