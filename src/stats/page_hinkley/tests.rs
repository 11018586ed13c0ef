use proptest::prelude::*;

use super::{CLIP, PageHinkley, Shift, THRESHOLD, TOLERATED};
use crate::testing::Normals;

/// As published: the cumulative sum less its least value so far.
fn reference(departures: &[f64], sign: f64) -> Option<usize> {
    let (mut sum, mut least) = (0.0_f64, 0.0_f64);
    departures.iter().position(|z| {
        sum += (sign * z).clamp(f64::from(-CLIP), f64::from(CLIP)) - f64::from(TOLERATED);
        least = least.min(sum);
        sum - least > f64::from(THRESHOLD)
    })
}

#[test]
fn the_state_takes_8_bytes() {
    assert_eq!(size_of::<PageHinkley>(), 8);
}

#[test]
fn a_shift_of_one_deviation_is_told_within_two_hours_of_minutes() {
    for (mean, expected) in [(1.0, Shift::Up), (-1.0, Shift::Down)] {
        let mut test = PageHinkley::default();
        let told =
            Normals::new(7).take(120).enumerate().find_map(|(at, z)| Some((at, test.update(z + mean)?)));
        let (at, shift) = told.unwrap();
        assert_eq!(shift, expected);
        assert!((40..120).contains(&at), "{at}");
        assert_eq!(test, PageHinkley::default());
    }
}

#[test]
fn a_month_of_minutes_without_a_shift_is_quiet() {
    let mut test = PageHinkley::default();
    assert_eq!(Normals::new(11).take(43_200).filter_map(|z| test.update(z)).count(), 0);
}

#[test]
fn one_wild_point_or_nan_is_no_shift() {
    let mut test = PageHinkley::default();
    assert_eq!(test.update(f64::INFINITY), None);
    assert_eq!(test.update(f64::NAN), None);
    assert_eq!(test.up, CLIP - TOLERATED);
}

proptest! {
    #[test]
    fn the_first_shift_is_where_the_cumulative_sums_say(
        departures in prop::collection::vec(-6.0..7.0_f64, 1..300),
    ) {
        let mut test = PageHinkley::default();
        let told = departures.iter().position(|&z| test.update(z).is_some());
        let sides = [reference(&departures, 1.0), reference(&departures, -1.0)];
        prop_assert_eq!(told, sides.into_iter().flatten().min());
    }
}
