use proptest::prelude::*;
use statrs::distribution::ContinuousCDF;

use super::{
    beta_cdf, beta_quantile, normal_cdf, normal_quantile, normal_two_sided, student_t_cdf,
    student_t_quantile, student_t_two_sided,
};

fn near(got: f64, expected: f64, relative: f64) {
    assert!((got - expected).abs() <= relative * expected.abs(), "{got} is not {expected}");
}

// The expected numbers below were computed with 40 digits by mpmath 1.3.

#[test]
fn the_normal_distribution_has_its_digits_in_the_far_tail() {
    for (z, expected) in [
        (-37.5, 4.605_353_009_581_955e-308),
        (-12.0, 1.776_482_112_077_679e-33),
        (-5.0, 2.866_515_718_791_939e-7),
        (-1.96, 2.499_789_514_822_043_6e-2),
        (-0.1, 4.601_721_627_229_71e-1),
        (0.5, 6.914_624_612_740_131e-1),
        (3.0, 9.986_501_019_683_699e-1),
    ] {
        near(normal_cdf(z), expected, 1e-12);
        near(normal_two_sided(z), 2.0 * expected.min(normal_cdf(-z)), 1e-12);
    }
}

#[test]
fn normal_quantiles_are_known_to_the_last_digits() {
    for (p, expected) in [
        (1e-300, -37.047_096_299_361_2),
        (1e-20, -9.262_340_089_798_408),
        (1e-5, -4.264_890_793_922_825),
        (0.025, -1.959_963_984_540_054_2),
        (0.3, -0.524_400_512_708_040_8),
        (0.49, -2.506_890_825_871_106e-2),
    ] {
        near(normal_quantile(p), expected, 1e-14);
    }
    assert_eq!(normal_quantile(0.5), 0.0);
    assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    assert!(normal_quantile(1.1).is_nan() && normal_quantile(f64::NAN).is_nan());
}

#[test]
fn the_beta_distribution_agrees_with_computed_values() {
    for (x, a, b, expected) in [
        (0.3, 2.0, 5.0, 0.579_825),
        (0.99, 0.5, 0.5, 0.936_231_439_141_480_1),
        (1e-6, 0.5, 3.0, 1.874_998_750_000_375e-3),
        (0.5, 50.0, 60.0, 0.830_907_293_901_669_4),
        (0.02, 1.5, 300.0, 0.993_054_642_980_148),
    ] {
        near(beta_cdf(x, a, b), expected, 1e-12);
        near(beta_quantile(expected, a, b), x, 1e-10);
    }
}

#[test]
fn the_beta_distribution_holds_for_a_million_observations() {
    near(beta_cdf(0.54, 8e3, 6.5e3), 2.290_792_661_781_927e-3, 1e-10);
    near(beta_cdf(0.25, 300_000.0, 900_500.0), 0.604_045_263_405_56, 1e-8);
}

#[test]
fn students_distribution_agrees_with_computed_values() {
    for (t, freedom, expected) in [
        (1e-3, 3.0, 0.999_264_894_969_460_9),
        (0.5, 1.0, 0.704_832_764_699_133_5),
        (2.0, 4.5, 0.108_257_907_181_125),
        (3.0, 30.0, 5.389_964_065_651_946e-3),
        (10.0, 7.0, 2.139_420_289_077_281_2e-5),
        (6.0, 1e3, 2.755_369_173_377_469e-9),
        (40.0, 60.0, 5.755_480_486_627_383e-45),
    ] {
        near(student_t_two_sided(t, freedom), expected, 1e-11);
        near(student_t_cdf(-t, freedom), expected / 2.0, 1e-11);
        near(student_t_cdf(t, freedom), 1.0 - expected / 2.0, 1e-11);
        near(student_t_quantile(expected / 2.0, freedom), -t, 1e-9);
    }
}

#[test]
fn parameters_of_no_distribution_give_nan() {
    for x in [0.0, 0.5, 1.0, 7.0] {
        assert!(beta_cdf(x, 0.0, 1.0).is_nan() && beta_cdf(x, 1.0, f64::NAN).is_nan());
        assert!(beta_quantile(x.min(1.0), -1.0, 1.0).is_nan());
        assert!(student_t_cdf(x, 0.0).is_nan() && student_t_quantile(x.min(1.0), -1.0).is_nan());
    }
    assert!(beta_cdf(f64::NAN, 1.0, 1.0).is_nan() && student_t_cdf(f64::NAN, 3.0).is_nan());
    assert_eq!((student_t_quantile(0.0, 3.0), student_t_quantile(0.5, 3.0)), (f64::NEG_INFINITY, 0.0));
}

#[test]
fn with_endless_freedom_student_is_normal() {
    near(student_t_two_sided(2.0, 0.99e8), normal_two_sided(2.0), 1e-6);
    assert_eq!(student_t_two_sided(2.0, f64::INFINITY), normal_two_sided(2.0));
}

/// Simpson's rule over the density, in steps small enough for six digits.
fn integral(density: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    let steps = 2_000;
    let width = (high - low) / f64::from(steps);
    let at = |step: i32| density(low + width * f64::from(step));
    let inner: f64 = (1..steps).map(|step| if step % 2 == 1 { 4.0 * at(step) } else { 2.0 * at(step) }).sum();
    width / 3.0 * (at(0) + inner + at(steps))
}

proptest! {
    #[test]
    fn the_beta_distribution_is_the_integral_of_its_density(
        x in 0.0..1.0_f64, a in 2.0..40.0_f64, b in 2.0..40.0_f64,
    ) {
        let density = |x: f64| x.powf(a - 1.0) * (1.0 - x).powf(b - 1.0);
        let expected = integral(density, 0.0, x) / integral(density, 0.0, 1.0);
        prop_assert!((beta_cdf(x, a, b) - expected).abs() < 1e-4);
        prop_assert!((beta_cdf(x, a, b) + beta_cdf(1.0 - x, b, a) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn students_distribution_is_the_integral_of_its_density(t in 0.0..8.0_f64, freedom in 0.5..200.0_f64) {
        let density = |t: f64| (-(freedom + 1.0) / 2.0 * (t * t / freedom).ln_1p()).exp();
        // The whole by the substitution t = tan, which makes the range finite.
        let whole = integral(
            |angle: f64| density(angle.tan()) / angle.cos().powi(2),
            0.0,
            std::f64::consts::FRAC_PI_2 - 1e-9,
        );
        if freedom > 2.0 {
            let expected = 0.5 + 0.5 * integral(density, 0.0, t) / whole;
            prop_assert!((student_t_cdf(t, freedom) - expected).abs() < 1e-5);
        }
        prop_assert!((student_t_cdf(-t, freedom) + student_t_cdf(t, freedom) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn quantiles_undo_distributions(p in 1e-9..1.0_f64, a in 0.2..500.0_f64, b in 0.2..500.0_f64) {
        prop_assert!((normal_cdf(normal_quantile(p)) - p).abs() < 1e-13);
        prop_assert!((student_t_cdf(student_t_quantile(p, a), a) - p).abs() < 1e-10);
        let x = beta_quantile(p, a, b);
        // Close to 1 neighbouring doubles are far apart in probability.
        prop_assert!(x > 0.999_999 || (beta_cdf(x, a, b) - p).abs() < 1e-9);
    }
}

// The distributions of `statrs`, whose own errors bound what can be asked for.

proptest! {
    #[test]
    fn the_normal_distribution_agrees_with_that_of_statrs(z in -35.0..35.0_f64, p in 1e-12..1.0_f64) {
        let normal = statrs::distribution::Normal::standard();
        let expected = normal.cdf(z);
        prop_assert!((normal_cdf(z) - expected).abs() <= 1e-9 * expected, "{} {expected}", normal_cdf(z));
        let outside = normal.cdf(-z.abs()) + normal.sf(z.abs());
        prop_assert!((normal_two_sided(z) - outside).abs() <= 1e-9 * outside);
        let quantile = normal.inverse_cdf(p);
        prop_assert!((normal_quantile(p) - quantile).abs() <= 1e-9 * quantile.abs().max(1.0));
    }

    #[test]
    fn the_beta_distribution_agrees_with_that_of_statrs(
        x in 0.0..=1.0_f64, a in 0.1..300.0_f64, b in 0.1..300.0_f64, p in 0.001..0.999_f64,
    ) {
        let beta = statrs::distribution::Beta::new(a, b).unwrap();
        prop_assert!((beta_cdf(x, a, b) - beta.cdf(x)).abs() <= 1e-9, "{} {}", beta_cdf(x, a, b), beta.cdf(x));
        // The other's quantile is as good as its search: its probability is compared, not its place.
        let found = beta.inverse_cdf(p);
        prop_assert!((beta_cdf(found, a, b) - p).abs() < 1e-6, "{found}");
        prop_assert!((beta.cdf(beta_quantile(p, a, b)) - p).abs() < 1e-9 || beta_quantile(p, a, b) > 0.999_999);
    }

    #[test]
    fn students_distribution_agrees_with_that_of_statrs(
        // Nearer to 0 the other loses the digits of t² beside its freedom.
        size in 0.01..40.0_f64, is_negative: bool, freedom in 0.3..1e4_f64, p in 0.001..0.999_f64,
    ) {
        let t = if is_negative { -size } else { size };
        let student = statrs::distribution::StudentsT::new(0.0, 1.0, freedom).unwrap();
        prop_assert!((student_t_cdf(t, freedom) - student.cdf(t)).abs() <= 1e-9);
        let outside = student.cdf(-t.abs()) + student.sf(t.abs());
        prop_assert!((student_t_two_sided(t, freedom) - outside).abs() <= 1e-9);
        prop_assert!((student.cdf(student_t_quantile(p, freedom)) - p).abs() < 1e-9);
    }
}
