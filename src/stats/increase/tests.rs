use proptest::prelude::*;

use super::{Increase, Reading, increase};

fn reading(value: f64, start_time: u64) -> Reading {
    Reading { value, start_time }
}

#[test]
fn a_counter_that_goes_on_grew_by_the_difference() {
    assert_eq!(increase(Some(reading(5.0, 10)), reading(8.0, 10), 100), Increase::By(3.0));
    assert_eq!(increase(Some(reading(5.0, 0)), reading(5.0, 0), 100), Increase::By(0.0));
}

#[test]
fn a_counter_begun_anew_within_the_window_grew_by_its_value() {
    assert_eq!(increase(Some(reading(5.0, 10)), reading(2.0, 150), 100), Increase::Reset(2.0));
    assert_eq!(increase(Some(reading(5.0, 10)), reading(9.0, 150), 100), Increase::Reset(9.0));
    assert_eq!(increase(None, reading(9.0, 100), 100), Increase::Reset(9.0));
}

#[test]
fn what_a_counter_held_before_the_window_is_never_added() {
    assert_eq!(increase(Some(reading(5.0, 10)), reading(9.0, 50), 100), Increase::Unknown);
    assert_eq!(increase(Some(reading(5.0, 10)), reading(2.0, 10), 100), Increase::Unknown);
    assert_eq!(increase(Some(reading(5.0, 0)), reading(2.0, 0), 0), Increase::Unknown);
    assert_eq!(increase(None, reading(9.0, 50), 100), Increase::Unknown);
}

#[test]
fn readings_that_no_counter_has_say_nothing() {
    for value in [f64::NAN, f64::INFINITY, -1.0] {
        assert_eq!(increase(Some(reading(5.0, 150)), reading(value, 150), 100), Increase::Unknown);
    }
    assert_eq!(increase(Some(reading(f64::NAN, 150)), reading(4.0, 150), 100), Increase::Reset(4.0));
    assert_eq!(increase(Some(reading(f64::NEG_INFINITY, 10)), reading(4.0, 10), 100), Increase::Unknown);
}

proptest! {
    /// A counter that restarts here and there, read at the end of each window of 10.
    #[test]
    fn windows_never_count_more_than_came(
        steps in prop::collection::vec((0_u32..100, prop::bool::weighted(0.2)), 1..60),
    ) {
        let (mut held, mut came, mut counted) = (0.0, 0.0, 0.0);
        let mut start_time = 5;
        let mut previous = None;
        for (window, &(more, restarts)) in steps.iter().enumerate() {
            let window_start = window as u64 * 10;
            if restarts {
                held = 0.0;
                start_time = window_start + 3;
            }
            held += f64::from(more);
            came += f64::from(more);
            let now = reading(held, start_time);
            let grown = increase(previous, now, window_start).value();
            prop_assert!(grown.is_some_and(|grown| grown >= 0.0));
            counted += grown.unwrap();
            previous = Some(now);
        }
        // Each restart fell within a window of its own start, so nothing is lost either.
        prop_assert_eq!(counted, came);
    }
}
