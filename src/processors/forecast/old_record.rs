//! A series' memory in bytes as versions 1 and 2 had it, which kept more digits.
//!
//! Everything is little-endian and has its place:
//! ```text
//!   0  base                        f64      96  mean of the trend          f64
//!   8  exponent of the unit        i16     104  sums, weights, residuals   11 × f32
//!  10  values by hour         24 × f16     148  seasonal error             f32
//!  58  foretold values        12 × f16     152  errors an hour ahead       3 × f32
//!  82  end of the last window, s   u32     164  errors a day ahead         3 × f32
//!  86  open hour                   u32     176  deviation                  f32
//!  90  windows, hours          2 × u16     180  shifts                     2 × f32
//!  94  hours of the day, follows  2 × u8   188  conformal, an hour ahead   62 bytes
//!                                          250  conformal, a day ahead     62 bytes
//! 312  sum, excess             2 × f32     320  last day of the trend      u16
//! 322  what follows                 u8
//! ```
//! What follows is, by its bits, 1 a history and 2 a month, which version 1 did not have. A conformal is 24 counts
//! u16 in parts of 32, top i16, miscoverage f32, judged u32, covered u32.

use stats::{Bfloat, Conformal};

use super::{
    candidates::Errors,
    codec::Reader,
    days::Days,
    hours::{AWAITED, DayRing, HOURS},
    month::Month,
    record::{read_history, read_old_month, read_trend},
    state::{GREATEST, NO_ROLE, SeriesState},
};

const HAS_HISTORY: u8 = 1;
const HAS_MONTH: u8 = 2;
/// Exponents of all doubles, and beyond by what the ring leaves as room.
const EXPONENTS: std::ops::RangeInclusive<i16> = -1100..=1100;
const SINGLES: (i16, i16) = (-127, 127);
/// Bins that are now the lowest one.
const LOWEST: usize = 9;
/// What one error added to a count, by what it adds now.
const PARTS: u16 = 16;

/// Reads a record; none when it is cut or says what no state can be.
pub(super) fn read(confidence: f64, from: &mut Reader<'_>) -> Option<SeriesState> {
    let base = from.finite().filter(|base| base.abs() <= GREATEST)?;
    let exponent = from.i16().filter(|exponent| EXPONENTS.contains(exponent))?;
    let exponent = exponent.clamp(SINGLES.0, SINGLES.1) as i8;
    let (values, foretold) = (from.halves::<HOURS>()?, from.halves::<AWAITED>()?);
    let ring = DayRing::of_halves(base, exponent, values, foretold);
    // The open hour follows from the end of the last window.
    let (seen_at, _) = (from.u32()?, from.u32()?);
    let [count, n_hours] = from.u16s()?;
    let n_hours = u8::try_from(n_hours).unwrap_or(u8::MAX);
    let [hours_of_day, follows] = from.take()?;
    let trend = read_trend(from)?;
    let short = |value: f32| Bfloat::nearest(value);
    let [seasonal_error] = from.maybe_floats()?.map(short);
    let (of_hour, of_day) = (from.maybe_floats()?.map(short), from.maybe_floats()?.map(short));
    let [deviation] = from.floats()?.map(short);
    let shifts = from.floats()?.map(short);
    let (hour_ahead, day_ahead) = (conformal(from)?, conformal(from)?);
    let [sum, excess] = from.floats()?;
    let last_day = from.u16()?;
    let flags = from.u8().filter(|flags| *flags <= HAS_HISTORY | HAS_MONTH)?;
    let history =
        if flags & HAS_HISTORY != 0 { Some(Box::new(read_history(from, conformal)?)) } else { None };
    let month =
        if flags & HAS_MONTH != 0 { read_old_month(from, conformal)? } else { Month::new(confidence) };
    Some(SeriesState {
        ring,
        role: NO_ROLE,
        seen_at,
        sum,
        excess,
        count,
        n_hours,
        hours_of_day,
        follows: follows != 0,
        seasonal_error,
        of_hour: Errors(of_hour),
        of_day: Errors(of_day),
        deviation,
        shifts,
        hour_ahead,
        days: begun(Days { trend, last_day, day_ahead, month, history }),
    })
}

/// Of the first day nothing is kept.
fn begun(days: Days) -> Option<Box<Days>> {
    let has_errors = days.day_ahead.lowest > 0 || days.day_ahead.counts != [0; 15];
    (days.last_day > 0 || has_errors || days.history.is_some()).then(|| Box::new(days))
}

fn conformal(from: &mut Reader<'_>) -> Option<Conformal> {
    let counts: [u16; 24] = from.u16s()?;
    let top = from.i16()?;
    let [miscoverage] = from.floats()?;
    let (judged, covered) = (from.u32()?, from.u32()?);
    let mut conformal = Conformal::new(1.0 - f64::from(miscoverage));
    let (lowest, above) = counts.split_at(LOWEST);
    conformal.lowest = lowest.iter().fold(0_u16, |sum, count| sum.saturating_add(*count)) / PARTS;
    for (count, before) in conformal.counts.iter_mut().zip(above) {
        *count = (before / PARTS).min(u16::from(u8::MAX)) as u8;
    }
    conformal.top = top;
    // The ratio is what is told.
    let scale = (f64::from(judged) / f64::from(u16::MAX)).max(1.0);
    conformal.judged = (f64::from(judged) / scale) as u16;
    conformal.covered = (f64::from(covered) / scale) as u16;
    Some(conformal)
}
