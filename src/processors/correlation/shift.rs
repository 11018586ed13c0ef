//! How far something is from where it was, on a scale on which all signals are alike.

/// What a signal was before and is now.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Shift {
    pub(super) before: f64,
    pub(super) after: f64,
    /// By how many usual deviations it moved; above zero upwards.
    pub(super) deviations: f64,
}

/// The least usual deviation: a part of the level, and a part of the signal's own unit, below which nobody cares.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Floors {
    pub(super) relative: f64,
    pub(super) absolute: f64,
}

/// Values that are needed on the side of the past.
const LEAST_BEFORE: usize = 3;

/// Compares a value with the median of a set, on the scale of that set's interquartile range. None when too little is
/// known of the past. The set is sorted on the way.
///
/// A constant signal has no deviation of its own; the floors keep it from exploding.
pub(super) fn shift_of(before: &mut [f64], after: f64, floors: Floors) -> Option<Shift> {
    if before.len() < LEAST_BEFORE {
        return None;
    }
    before.sort_by(f64::total_cmp);
    let level = quantile(before, 0.5);
    let spread = quantile(before, 0.75) - quantile(before, 0.25);
    let scale = (spread / QUARTILES_PER_DEVIATION).max(floors.relative * level.abs()).max(floors.absolute);
    Some(Shift { before: level, after, deviations: (after - level) / scale })
}

/// Of a normal distribution.
const QUARTILES_PER_DEVIATION: f64 = 1.349;

/// Of sorted values, between two of them by their distance.
pub(super) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = q * last as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOORS: Floors = Floors { relative: 0.1, absolute: 0.01 };

    #[test]
    fn a_shift_is_told_in_usual_deviations() {
        let mut before: Vec<f64> = (0..101).map(f64::from).collect();
        let shift = shift_of(&mut before, 160.0, FLOORS).unwrap();
        assert_eq!((shift.before, shift.after), (50.0, 160.0));
        assert!((shift.deviations - 110.0 / (50.0 / 1.349)).abs() < 1e-9);
    }

    #[test]
    fn a_constant_does_not_explode() {
        let of = |level: f64, now: f64| shift_of(&mut [level; 9], now, FLOORS).unwrap().deviations;
        assert!((of(10.0, 11.0) - 1.0).abs() < 1e-9);
        assert!((of(0.0, 0.005) - 0.5).abs() < 1e-9);
        assert!((of(10.0, 5.0) + 5.0).abs() < 1e-9);
    }

    #[test]
    fn too_little_tells_nothing() {
        assert_eq!(shift_of(&mut [1.0, 1.0], 2.0, FLOORS), None);
    }
}
