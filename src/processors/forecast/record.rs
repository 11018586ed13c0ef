//! A series' memory in bytes: version 2.
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
//! What follows is, by its bits, 1 a history and 2 a month, which version 1 did not have: foretold 15 × f32 (NaN for
//! none) and a conformal of 62 bytes.
//! A history is unit f64, days 90 × 3 × f16, last day u16, slope f32, days of the week 7 × f32, foretold
//! 30 × f32, two conformals of 62 bytes, peaks 96 × u16 and i16, greatest f32 (NaN for none), told u8.

use super::{
    candidates::Errors,
    capacity,
    codec::{Reader, put_conformal, put_floats, put_halves, put_u16s},
    history::{DAYS, History, MONTH, Model, WEEK},
    hours::{AWAITED, DayRing, HOURS},
    month::Month,
    peaks::{BINS, Peaks},
    state::{GREATEST, SeriesState},
    trend::Trend,
};

const HAS_HISTORY: u8 = 1;
const HAS_MONTH: u8 = 2;
/// The last hour that a `u32` of seconds tells.
const LAST_HOUR: u32 = u32::MAX / 3600;
/// Exponents of all doubles, and beyond by what the ring leaves as room.
const EXPONENTS: std::ops::RangeInclusive<i16> = -1100..=1100;

pub(super) fn write(state: &SeriesState, out: &mut Vec<u8>) {
    out.extend_from_slice(&state.ring.base.to_le_bytes());
    out.extend_from_slice(&state.ring.exponent.to_le_bytes());
    put_halves(out, &state.ring.values);
    put_halves(out, &state.ring.awaited);
    out.extend_from_slice(&state.seen_at.to_le_bytes());
    out.extend_from_slice(&state.hour.to_le_bytes());
    put_u16s(out, &[state.count, state.n_hours]);
    out.extend_from_slice(&[state.hours_of_day, u8::from(state.follows)]);
    out.extend_from_slice(&state.trend.mean_value.to_le_bytes());
    put_floats(out, &state.trend.sums);
    put_floats(out, &state.trend.squared_weight);
    put_floats(out, &state.trend.residuals);
    put_floats(out, &[state.seasonal_error]);
    put_floats(out, &state.of_hour.0);
    put_floats(out, &state.of_day.0);
    put_floats(out, &[state.deviation]);
    put_floats(out, &state.shifts);
    put_conformal(out, &state.hour_ahead);
    put_conformal(out, &state.day_ahead);
    put_floats(out, &[state.sum, state.excess]);
    put_u16s(out, &[state.trend_day]);
    let has = |is: bool, flag: u8| if is { flag } else { 0 };
    out.push(has(state.history.is_some(), HAS_HISTORY) | has(state.month.is_some(), HAS_MONTH));
    if let Some(history) = &state.history {
        write_history(history, out);
    }
    if let Some(month) = &state.month {
        put_floats(out, &month.awaited);
        put_conformal(out, &month.errors);
    }
}

fn write_history(history: &History, out: &mut Vec<u8>) {
    out.extend_from_slice(&history.unit.to_le_bytes());
    history.days.iter().for_each(|day| put_halves(out, day));
    put_u16s(out, &[history.last_day]);
    put_floats(out, &[history.model.slope]);
    put_floats(out, &history.model.week);
    put_floats(out, &history.awaited);
    put_conformal(out, &history.month_ahead);
    put_conformal(out, &history.rises);
    put_u16s(out, &history.peaks.counts);
    out.extend_from_slice(&history.peaks.top.to_le_bytes());
    put_floats(out, &[if history.greatest.is_finite() { history.greatest } else { f32::NAN }]);
    out.push(history.told);
}

/// Reads a record; none when it is cut or says what no state can be.
pub(super) fn read(from: &mut Reader<'_>) -> Option<SeriesState> {
    let base = from.finite().filter(|base| base.abs() <= GREATEST)?;
    let exponent = from.i16().filter(|exponent| EXPONENTS.contains(exponent))?;
    let ring =
        DayRing { base, exponent, values: from.halves::<HOURS>()?, awaited: from.halves::<AWAITED>()? };
    let (seen_at, hour) = (from.u32()?, from.u32().filter(|hour| *hour <= LAST_HOUR)?);
    let [count, n_hours] = from.u16s()?;
    let [hours_of_day, follows] = from.take()?;
    let trend = Trend {
        mean_value: from.finite()?,
        sums: from.floats()?,
        squared_weight: from.floats()?,
        residuals: from.floats()?,
    };
    let [seasonal_error] = from.maybe_floats()?;
    let (of_hour, of_day) = (Errors(from.maybe_floats()?), Errors(from.maybe_floats()?));
    let [deviation] = from.floats()?;
    let shifts = from.floats()?;
    let (hour_ahead, day_ahead) = (from.conformal()?, from.conformal()?);
    let [sum, excess] = from.floats()?;
    let trend_day = from.u16()?;
    let follows_it = from.u8().filter(|flags| *flags <= HAS_HISTORY | HAS_MONTH)?;
    let history = if follows_it & HAS_HISTORY != 0 { Some(Box::new(read_history(from)?)) } else { None };
    let month = if follows_it & HAS_MONTH != 0 { Some(Box::new(read_month(from)?)) } else { None };
    Some(SeriesState {
        ring,
        seen_at,
        hour,
        sum,
        excess,
        count,
        n_hours,
        hours_of_day,
        trend_day,
        follows: follows != 0,
        seasonal_error,
        of_hour,
        of_day,
        deviation,
        shifts,
        hour_ahead,
        day_ahead,
        trend,
        month,
        history,
    })
}

fn read_month(from: &mut Reader<'_>) -> Option<Month> {
    Some(Month { awaited: from.maybe_floats()?, errors: from.conformal()? })
}

fn read_history(from: &mut Reader<'_>) -> Option<History> {
    let unit = from.finite().filter(|unit| *unit > 0.0)?;
    // Its intervals are read below.
    let mut history = History::new(unit, capacity::LEVEL);
    for day in history.days.iter_mut().take(DAYS) {
        *day = from.halves()?;
    }
    history.last_day = from.u16()?;
    let [slope] = from.floats()?;
    history.model = Model { slope, week: from.floats::<WEEK>()? };
    history.awaited = from.maybe_floats::<MONTH>()?;
    history.month_ahead = from.conformal()?;
    history.rises = from.conformal()?;
    history.peaks = Peaks { counts: from.u16s::<BINS>()?, top: from.i16()? };
    let [greatest] = from.maybe_floats()?;
    history.greatest = if greatest.is_nan() { f32::NEG_INFINITY } else { greatest };
    history.told = from.u8()?;
    Some(history)
}
