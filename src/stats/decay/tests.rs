use proptest::prelude::*;

use super::{Decay, decay_gain};

#[test]
fn a_setting_takes_24_bytes() {
    assert_eq!(size_of::<Decay>(), 24);
}

#[test]
fn steps_and_time_constants_that_are_none_move_nothing_or_all() {
    assert_eq!(decay_gain(0.0, 60.0), 0.0);
    assert_eq!(decay_gain(-5.0, 60.0), 0.0);
    assert_eq!(decay_gain(f64::NAN, 60.0), 0.0);
    assert_eq!(decay_gain(5.0, 0.0), 1.0);
    assert_eq!(decay_gain(5.0, f64::NAN), 1.0);
    assert_eq!(decay_gain(f64::INFINITY, 60.0), 1.0);
}

proptest! {
    #[test]
    fn the_gain_agrees_with_its_definition(step in 1e-6..1e6_f64, time_constant in 1e-3..1e6_f64) {
        let gain = decay_gain(step, time_constant);
        let expected = -(-step / time_constant).exp_m1();
        prop_assert!((gain - expected).abs() <= 1e-12 * expected, "{gain} {expected}");
        prop_assert_eq!(Decay::new(time_constant, step).gain(step), gain);
        prop_assert_eq!(Decay::new(time_constant, 1e7).gain(step), gain);
    }

    #[test]
    fn two_steps_forget_as_much_as_one(a in 0.0..500.0_f64, b in 0.0..500.0_f64, time_constant in 1.0..1e5_f64) {
        let kept = |step| 1.0 - decay_gain(step, time_constant);
        prop_assert!((kept(a) * kept(b) - kept(a + b)).abs() < 1e-12);
    }
}
