use proptest::prelude::*;

use super::Bfloat;
use crate::testing::Uniforms;

#[test]
fn every_finite_encoding_is_the_nearest_to_itself() {
    for bits in 0..=u16::MAX {
        let value = Bfloat { bits }.to_f32();
        if value.is_finite() {
            assert_eq!(Bfloat::nearest(value).bits, bits, "{bits:#x}");
            assert_eq!(Bfloat::dithered(value, u32::MAX).bits, bits, "{bits:#x}");
        }
    }
}

#[test]
fn what_can_not_be_told_becomes_the_greatest_or_none() {
    let greatest = Bfloat { bits: 0x7f7f }.to_f32();
    for (value, expected) in [(f32::MAX, greatest), (f32::INFINITY, greatest), (f32::MIN, -greatest)] {
        assert_eq!(Bfloat::nearest(value).to_f32(), expected);
        assert_eq!(Bfloat::dithered(value, u32::MAX).to_f32(), expected);
    }
    assert!(Bfloat::nearest(f32::NAN).to_f32().is_nan());
    assert!(Bfloat::dithered(-f32::NAN, 7).to_f32().is_nan());
}

proptest! {
    #[test]
    fn the_nearest_of_all_encodings_is_taken(value in -1e30..1e30_f32) {
        let got = Bfloat::nearest(value);
        let distance = |bits: u16| (f64::from(Bfloat { bits }) - f64::from(value)).abs();
        let around = [got.bits.saturating_sub(1), got.bits + 1];
        prop_assert!(around.into_iter().all(|bits| distance(got.bits) <= distance(bits)), "{got:?}");
    }

    #[test]
    fn dithered_numbers_have_the_right_mean(value in -100.0..100.0_f32, seed: u64) {
        let mut uniforms = Uniforms::new(seed);
        let n = 4096;
        let sum: f64 = (0..n).map(|_| f64::from(Bfloat::dithered(value, (uniforms.next().unwrap() * 4294967295.0) as u32))).sum();
        let step = f64::from(value.abs()) / 128.0;
        prop_assert!((sum / f64::from(n) - f64::from(value)).abs() <= step / 64.0 * 5.0, "{}", sum / f64::from(n));
    }
}
