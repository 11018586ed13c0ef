//! A series' memory in bytes: version 4, and version 3, which had more digits of what waits for a month.
//!
//! Everything is little-endian, one after the other:
//! ```text
//!   0  base                        f64      78  seasonal error             bf16
//!   8  exponent of the unit         i8      80  errors an hour ahead   3 × bf16
//!   9  values by hour         24 × f16      86  errors a day ahead     3 × bf16
//!  57  foretold differences    12 × u8      92  deviation                  bf16
//!  69  end of the last window, s   u32      94  shifts                 2 × bf16
//!  73  windows                     u16      98  sum, excess             2 × f32
//!  75  hours, of the day, follows 3 × u8   106  conformal, an hour ahead  25 bytes
//! 131  what follows                 u8
//! ```
//! What follows is, by its bits, 4 days, and after them 1 a history and 2 a month. Days are the trend (mean f64, sums,
//! weights and residuals 11 × f32), the last day u16 and a conformal, a month is its base f64, the exponent of its unit
//! i8, foretold 15 × f16 (NaN for none) and a conformal; in version 3 it was foretold 15 × f32 and a conformal. A history is unit f64, days 90 × 3 × f16, last day u16, slope f32, days of the week 7 × f32, foretold
//! 30 × f32, two conformals, peaks 96 × u16 and i16, greatest f32 (NaN for none), told u8.

use stats::Conformal;

use super::{
    candidates::Errors,
    capacity,
    codec::{Reader, put_bfloats, put_conformal, put_floats, put_halves, put_u16s},
    days::Days,
    history::{DAYS, History, MONTH, Model, WEEK},
    hours::{DayRing, HOURS},
    month::{self, AWAITED_DAYS, Month},
    peaks::{BINS, Peaks},
    state::{GREATEST, NO_ROLE, SeriesState},
    trend::Trend,
};

const HAS_HISTORY: u8 = 1;
const HAS_MONTH: u8 = 2;
const HAS_DAYS: u8 = 4;

pub(super) fn write(state: &SeriesState, out: &mut Vec<u8>) {
    out.extend_from_slice(&state.ring.base.to_le_bytes());
    out.extend_from_slice(&state.ring.exponent.to_le_bytes());
    put_halves(out, &state.ring.values);
    out.extend_from_slice(&state.ring.awaited);
    out.extend_from_slice(&state.seen_at.to_le_bytes());
    put_u16s(out, &[state.count]);
    out.extend_from_slice(&[state.n_hours, state.hours_of_day, u8::from(state.follows)]);
    put_bfloats(out, &[state.seasonal_error]);
    put_bfloats(out, &state.of_hour.0);
    put_bfloats(out, &state.of_day.0);
    put_bfloats(out, &[state.deviation]);
    put_bfloats(out, &state.shifts);
    put_floats(out, &[state.sum, state.excess]);
    put_conformal(out, &state.hour_ahead);
    let Some(days) = &state.days else { return out.push(0) };
    let has = |is: bool, flag: u8| if is { flag } else { 0 };
    out.push(HAS_DAYS | has(days.history.is_some(), HAS_HISTORY) | has(days.month.has_begun(), HAS_MONTH));
    write_days(days, out);
}

fn write_days(days: &Days, out: &mut Vec<u8>) {
    out.extend_from_slice(&days.trend.mean_value.to_le_bytes());
    put_floats(out, &days.trend.sums);
    put_floats(out, &days.trend.squared_weight);
    put_floats(out, &days.trend.residuals);
    put_u16s(out, &[days.last_day]);
    put_conformal(out, &days.day_ahead);
    if let Some(history) = &days.history {
        write_history(history, out);
    }
    if days.month.has_begun() {
        write_month(&days.month, out);
    }
}

pub(super) fn write_month(month: &Month, out: &mut Vec<u8>) {
    out.extend_from_slice(&{ month.base }.to_le_bytes());
    out.extend_from_slice(&month.exponent.to_le_bytes());
    put_halves(out, &{ month.awaited });
    put_conformal(out, &month.errors);
}

pub(super) fn write_history(history: &History, out: &mut Vec<u8>) {
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

/// Reads a record of a version from 3 on; none when it is cut or says what no state can be.
pub(super) fn read(version: u32, confidence: f64, from: &mut Reader<'_>) -> Option<SeriesState> {
    let base = from.finite().filter(|base| base.abs() <= GREATEST)?;
    let [exponent] = from.take()?.map(|byte| byte as i8);
    let ring = DayRing { base, exponent, values: from.halves::<HOURS>()?, awaited: from.take()? };
    let seen_at = from.u32()?;
    let count = from.u16()?;
    let [n_hours, hours_of_day, follows] = from.take()?;
    let [seasonal_error] = from.bfloats()?;
    let (of_hour, of_day) = (Errors(from.bfloats()?), Errors(from.bfloats()?));
    let [deviation] = from.finite_bfloats()?;
    let shifts = from.finite_bfloats()?;
    let [sum, excess] = from.floats()?;
    let hour_ahead = from.conformal()?;
    let flags = from.u8().filter(|flags| [0, 4, 5, 6, 7].contains(flags))?;
    let days = if flags & HAS_DAYS != 0 {
        Some(Box::new(read_days(version, flags, confidence, from)?))
    } else {
        None
    };
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
        of_hour,
        of_day,
        deviation,
        shifts,
        hour_ahead,
        days,
    })
}

fn read_days(version: u32, flags: u8, confidence: f64, from: &mut Reader<'_>) -> Option<Days> {
    let trend = read_trend(from)?;
    let (last_day, day_ahead) = (from.u16()?, from.conformal()?);
    let conformal = Reader::conformal;
    let history =
        if flags & HAS_HISTORY != 0 { Some(Box::new(read_history(from, conformal)?)) } else { None };
    let month = match (flags & HAS_MONTH != 0, version) {
        (false, _) => Month::new(confidence),
        (true, 3) => read_old_month(from, conformal)?,
        (true, _) => read_month(from)?,
    };
    Some(Days { trend, last_day, day_ahead, month, history })
}

pub(super) fn read_trend(from: &mut Reader<'_>) -> Option<Trend> {
    Some(Trend {
        mean_value: from.finite()?,
        sums: from.floats()?,
        squared_weight: from.floats()?,
        residuals: from.floats()?,
    })
}

pub(super) fn read_month(from: &mut Reader<'_>) -> Option<Month> {
    let base = from.finite().filter(|base| base.abs() <= month::GREATEST)?;
    let [exponent] = from.take()?.map(|byte| byte as i8);
    let awaited = from.halves::<AWAITED_DAYS>()?;
    Some(Month { base, exponent, awaited, errors: from.conformal()? })
}

/// Reads a month of version 3 or earlier, whose errors were told in another way before that.
pub(super) fn read_old_month<'a>(
    from: &mut Reader<'a>,
    conformal: fn(&mut Reader<'a>) -> Option<Conformal>,
) -> Option<Month> {
    Some(Month::of_singles(from.maybe_floats()?, conformal(from)?))
}

/// Reads a history, whose errors were told in another way before version 3.
pub(super) fn read_history<'a>(
    from: &mut Reader<'a>,
    conformal: fn(&mut Reader<'a>) -> Option<Conformal>,
) -> Option<History> {
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
    history.month_ahead = conformal(from)?;
    history.rises = conformal(from)?;
    history.peaks = Peaks { counts: from.u16s::<BINS>()?, top: from.i16()? };
    let [greatest] = from.maybe_floats()?;
    history.greatest = if greatest.is_nan() { f32::NEG_INFINITY } else { greatest };
    history.told = from.u8()?;
    Some(history)
}
