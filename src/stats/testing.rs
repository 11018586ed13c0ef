//! Seeded random numbers for the tests of this crate.

/// Uniform numbers in (0, 1), the same for the same seed on every machine.
pub(crate) struct Uniforms(u64);

impl Uniforms {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }
}

impl Iterator for Uniforms {
    type Item = f64;

    /// SplitMix64.
    fn next(&mut self) -> Option<f64> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        Some(((word >> 11) as f64 + 0.5) / (1_u64 << 53) as f64)
    }
}

/// Standard normal numbers, by Box and Muller.
pub(crate) struct Normals(Uniforms);

impl Normals {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Uniforms::new(seed))
    }
}

impl Iterator for Normals {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let radius = (-2.0 * self.0.next()?.ln()).sqrt();
        Some(radius * (std::f64::consts::TAU * self.0.next()?).cos())
    }
}

/// Numbers of Student's distribution with three degrees of freedom: heavy tails.
pub(crate) struct Students(Normals);

impl Students {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Normals::new(seed))
    }
}

impl Iterator for Students {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        let value = self.0.next()?;
        let squares: f64 = self.0.by_ref().take(3).map(|normal| normal * normal).sum();
        Some(value / (squares / 3.0).sqrt())
    }
}
