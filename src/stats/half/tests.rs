use proptest::prelude::*;

use super::Half;

/// The value of an encoding, by the definition.
fn reference(bits: u16) -> f64 {
    let sign = if bits & 0x8000 > 0 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 31);
    let fraction = f64::from(bits & 1023) / 1024.0;
    sign * match exponent {
        0 => fraction * 2_f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2_f64.powi(exponent - 15),
    }
}

#[test]
fn every_encoding_has_its_value_and_every_value_its_encoding() {
    for bits in 0..=u16::MAX {
        let value = Half { bits }.to_f32();
        let expected = reference(bits);
        assert_eq!(value.is_nan(), expected.is_nan());
        if expected.is_finite() {
            assert_eq!(f64::from(value), expected, "{bits:#x}");
            assert_eq!(Half::nearest(value).bits, bits, "{value}");
        }
    }
}

#[test]
fn midpoints_round_to_even() {
    for bits in 0..0x7bff_u16 {
        let middle = (reference(bits) + reference(bits + 1)) / 2.0;
        let even = bits + (bits & 1);
        assert_eq!(Half::nearest(middle as f32).bits, even, "between {bits:#x} and the next");
        assert_eq!(Half::nearest(-middle as f32).bits, even | 0x8000);
    }
}

#[test]
fn nothing_becomes_infinite_or_nan() {
    assert_eq!(Half::nearest(1e9).to_f32(), 65_504.0);
    assert_eq!(Half::nearest(f32::NEG_INFINITY).to_f32(), -65_504.0);
    assert_eq!(Half::nearest(f32::NAN).to_f32(), 0.0);
    assert_eq!(Half::dithered(f32::NAN, 0).to_f32(), 0.0);
    assert_eq!(Half::dithered(f32::INFINITY, 7).to_f32(), 65_504.0);
    assert_eq!(Half::dithered(65_510.0, 0).to_f32(), 65_504.0);
}

#[test]
fn the_chance_to_be_rounded_up_is_the_share_of_the_way() {
    // A quarter of the way from one half to the next, a normal and a subnormal one.
    for low in [0x3c01_u16, 0x0007] {
        let value = (0.75 * reference(low) + 0.25 * reference(low + 1)) as f32;
        let ups = (0..1_024_u32).filter(|at| Half::dithered(value, at << 22 | 0x12_3456).bits > low).count();
        assert!((255..=257).contains(&ups), "{ups} of 1,024");
    }
}

#[test]
fn small_moves_add_up_when_dithered_and_are_lost_when_not() {
    let (mut dithered, mut nearest) = (Half::nearest(10.0), Half::nearest(10.0));
    let mut random = 1_u32;
    for _ in 0..10_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        dithered = Half::dithered(dithered.to_f32() + 0.0005, random);
        nearest = Half::nearest(nearest.to_f32() + 0.0005);
    }
    assert_eq!(nearest.to_f32(), 10.0);
    assert!((dithered.to_f32() - 15.0).abs() < 0.5, "{}", dithered.to_f32());
}

proptest! {
    #[test]
    fn no_encoding_is_nearer(value in -65_504.0..65_504.0_f32) {
        let half = Half::nearest(value);
        let error = |bits| (reference(bits) - f64::from(value)).abs();
        for other in [half.bits.wrapping_sub(1), half.bits.wrapping_add(1)] {
            if reference(other).is_finite() {
                prop_assert!(error(half.bits) <= error(other));
            }
        }
    }

    #[test]
    fn dithering_chooses_a_neighbour(exponent in -30.0..15.9_f32, negative: bool, random: u32) {
        let value = if negative { -exponent.exp2() } else { exponent.exp2() };
        let got = f64::from(Half::dithered(value, random).to_f32());
        let nearest = Half::nearest(value);
        let down = nearest.bits - u16::from(reference(nearest.bits).abs() > f64::from(value).abs());
        let (down, up) = (reference(down), reference(down + 1));
        prop_assert!(down.abs() <= f64::from(value).abs() && f64::from(value).abs() < up.abs());
        prop_assert!(got == down || got == up);
    }
}
