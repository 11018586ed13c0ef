use proptest::prelude::*;

use super::{Distinct, REGISTERS};
use crate::testing::Uniforms;

fn of(hashes: &[u64]) -> Distinct {
    let mut distinct = Distinct::default();
    hashes.iter().for_each(|hash| distinct.add(*hash));
    distinct
}

#[test]
fn estimates_are_within_four_standard_errors_from_one_to_a_million() {
    let mut random = Uniforms::new(7).map(|uniform| (uniform * 2_f64.powi(64)) as u64);
    let mut distinct = Distinct::default();
    assert!(distinct.estimate() < 0.5);
    let mut n = 0_u32;
    for until in [1, 10, 300, 1_000, 2_500, 5_000, 30_000, 1_000_000] {
        while n < until {
            distinct.add(random.next().unwrap());
            n += 1;
        }
        let (told, truth) = (distinct.estimate(), f64::from(until));
        assert!((told - truth).abs() <= 0.13 * truth + 0.5, "{told} of {truth}");
    }
}

#[test]
fn the_longest_run_of_zeros_is_a_sound_register() {
    let longest = of(&[0]);
    assert_eq!(Distinct::of_registers(longest.registers()), Some(longest));
}

#[test]
fn foreign_registers_are_refused() {
    assert_eq!(Distinct::of_registers(&[0; REGISTERS - 1]), None);
    assert_eq!(Distinct::of_registers(&[56; REGISTERS]), None);
    assert!(Distinct::of_registers(&[55; REGISTERS]).is_some());
}

proptest! {
    #[test]
    fn merging_is_adding_and_nothing_counts_twice(
        a in prop::collection::vec(any::<u64>(), 0..50),
        b in prop::collection::vec(any::<u64>(), 0..50),
    ) {
        let mut merged = of(&a);
        merged.merge(&of(&b));
        prop_assert_eq!(&merged, &of(&[&b[..], &a[..], &b[..]].concat()));
        prop_assert_eq!(Distinct::of_registers(merged.registers()), Some(merged));
    }
}
