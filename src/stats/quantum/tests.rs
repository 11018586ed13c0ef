use proptest::prelude::*;

use super::Quantum;
use crate::testing::{Normals, Uniforms};

fn step_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut quantum = Quantum::default();
    values.for_each(|value| quantum.update(value));
    quantum.step()
}

#[test]
fn the_state_takes_24_bytes() {
    assert_eq!(size_of::<Quantum>(), 24);
}

#[test]
fn pages_of_memory_and_percent_of_cores_have_their_steps() {
    let pages = Uniforms::new(1).take(200).map(|u| 4_096.0 * (1e6 + (u * 5_000.0).floor()));
    assert_eq!(step_of(pages), Some(4_096.0));
    let percent = Uniforms::new(2).take(200).map(|u| 12.5 * (u * 9.0).floor());
    assert_eq!(step_of(percent), Some(12.5));
    let hundredths = Uniforms::new(3).take(500).map(|u| (u * 1e4).round() / 100.0);
    assert!((step_of(hundredths).unwrap() - 0.01).abs() < 1e-5);
}

#[test]
fn noise_has_no_step_and_neither_has_what_never_moves() {
    for seed in 0..50 {
        assert_eq!(step_of(Normals::new(seed).take(2_000)), None);
    }
    assert_eq!(step_of(std::iter::repeat_n(7.0, 1_000)), None);
    assert_eq!(step_of([1.0, 2.0].into_iter()), None);
}

#[test]
fn what_is_not_finite_changes_nothing() {
    let mut quantum = Quantum::default();
    (0..40).for_each(|at| quantum.update(f64::from(at % 5)));
    let before = quantum;
    quantum.update(f64::NAN);
    quantum.update(f64::INFINITY);
    assert_eq!(quantum, before);
    assert_eq!(quantum.step(), Some(1.0));
}

proptest! {
    #[test]
    fn the_step_is_the_greatest_common_divisor(
        multiples in prop::collection::vec(0_u32..500, 20..80),
        unit in prop_oneof![Just(0.25), Just(1.0), Just(1_024.0), 0.01..10.0_f64],
    ) {
        let differences: Vec<u32> = multiples.windows(2).map(|pair| pair[0].abs_diff(pair[1])).collect();
        fn divisor(a: u32, b: u32) -> u32 {
            if b == 0 { a } else { divisor(b, a % b) }
        }
        let expected = f64::from(differences.into_iter().fold(0, divisor)) * unit;
        // Twice, so that the divisor found by the first pass is agreed to by the second.
        let values = multiples.iter().chain(&multiples).map(|&times| f64::from(times) * unit);
        if let Some(step) = step_of(values) {
            prop_assert!((step / expected - 1.0).abs() < 1e-3, "{step} {expected}");
        }
    }
}
