//! How improbable a value is, from the tail of those before it.

#[cfg(test)]
mod tests;

/// The share of values that lie in the tail.
const TAIL_SHARE: f32 = 0.02;
/// Values before the first score. One in the tail is expected among 50.
const WARM_UP: u16 = 64;
/// The threshold's step is this by its value: it forgets within 1 / (0.02 · 0.02) = 2,500 values.
const LEAST_STEP: f32 = 0.02;
/// After n values the step is this by n: an exponential tail's threshold lies at 4 mean excesses, for
/// which 50 / 4 / n is the step of least error (H. Robbins and S. Monro, 1951).
const FIRST_STEP: f32 = 12.5;
/// For an exponential tail the mean excess is 1 / ln 50 of the threshold.
const FIRST_EXCESS: f32 = 0.256;
/// Excesses that the first mean excess counts for.
const PRIOR_EXCESSES: u8 = 4;
/// Excesses remembered: about 3,200 values.
const EXCESSES: f32 = 64.0;
/// Greater excesses, in mean excesses, teach no more than this.
const GREATEST_LESSON: f32 = 20.0;
/// Beyond, moments no longer tell the shape.
const GREATEST_SHAPE: f32 = 0.4;
/// Greatest score. No tail of some thousand values knows of less than 10^-15; without a bound a flat
/// series was seen to reach 85,000.
const GREATEST_SCORE: f32 = 15.0;

/// The tail of a stream of distances: its threshold and its excesses' moments.
///
/// Excesses over a high quantile follow a generalised Pareto distribution whatever the values follow.
/// The quantile is tracked by stochastic approximation, the distribution fitted by its moments.
///
/// Packed, as many are kept: memories of four and some cells then fit the size classes of allocators.
///
/// *Cost*: 15 bytes; about 5 ns below the threshold, 30 ns above.
/// *Source*: J. Pickands, "Statistical inference using extreme order statistics", 1975; A. Siffer et al.,
/// "Anomaly detection in streams with extreme value theory", 2017, here without a store of excesses.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
#[repr(C, packed)]
pub struct Tail {
    /// The 0.98 quantile; while warming up the second greatest value.
    pub threshold: f32,
    /// While warming up the greatest value.
    pub mean_excess: f32,
    pub variance: f32,
    /// Values seen, saturating.
    pub values: u16,
    /// Excesses seen, saturating: those beyond 64 make no difference.
    pub excesses: u8,
}

impl Tail {
    /// Returns how improbable `distance` is after those before it, then learns it.
    ///
    /// `floor` is the least distance that means anything: nothing at or below it is in the tail. It
    /// keeps a flat series from making its first move a miracle.
    ///
    /// *Units*: −log10 of the probability of this distance or a greater one; 0 outside the tail and
    /// while fewer than 64 values are known, 1.7 at the threshold, 15 at most. What is not finite scores
    /// 0 and teaches nothing.
    #[inline]
    pub fn update(&mut self, distance: f32, floor: f32) -> f32 {
        if !distance.is_finite() || !floor.is_finite() {
            return 0.0;
        }
        let floor = floor.max(f32::MIN_POSITIVE);
        if self.values < WARM_UP {
            self.warm_up(distance, floor);
            return 0.0;
        }
        let score = self.score(distance, floor);
        self.learn(distance, floor);
        score
    }

    /// Returns how improbable `distance` is; [`Tail::update`] says more.
    pub fn score(&self, distance: f32, floor: f32) -> f32 {
        let excess = distance - self.threshold.max(floor);
        if excess.is_nan() || excess <= 0.0 || self.values < WARM_UP {
            return 0.0;
        }
        let mean = self.mean_excess.max(floor * FIRST_EXCESS);
        let shape = (0.5 * (1.0 - mean * mean / self.variance)).clamp(0.0, GREATEST_SHAPE);
        let scaled = excess / (mean * (1.0 - shape));
        let log = if shape < 1e-3 { scaled } else { (shape * scaled).ln_1p() / shape };
        (log * std::f32::consts::LOG10_E - TAIL_SHARE.log10()).min(GREATEST_SCORE)
    }

    /// Keeps the two greatest values: among so few, the second is the better guess of the quantile, for
    /// the greatest may be an outlier.
    fn warm_up(&mut self, distance: f32, floor: f32) {
        self.values += 1;
        if distance > self.mean_excess {
            self.threshold = self.mean_excess;
            self.mean_excess = distance;
        } else {
            self.threshold = self.threshold.max(distance);
        }
        if self.values == WARM_UP {
            self.threshold = self.threshold.max(floor);
            self.mean_excess = self.threshold * FIRST_EXCESS;
            self.variance = (self.mean_excess * self.mean_excess).min(f32::MAX);
            self.excesses = PRIOR_EXCESSES;
        }
    }

    fn learn(&mut self, distance: f32, floor: f32) {
        let step = (FIRST_STEP / f32::from(self.values)).max(LEAST_STEP);
        let excess = distance - self.threshold;
        self.values = self.values.saturating_add(1);
        if excess > 0.0 {
            self.excesses = self.excesses.saturating_add(1);
            let share = 1.0 / f32::from(self.excesses).min(EXCESSES);
            let difference = excess.min(GREATEST_LESSON * self.mean_excess) - self.mean_excess;
            self.mean_excess += share * difference;
            // A variance may overflow where a distance does not.
            let variance = (1.0 - share) * (self.variance + share * difference * difference);
            self.variance = variance.min(f32::MAX);
        }
        let direction = if excess > 0.0 { 1.0 - TAIL_SHARE } else { -TAIL_SHARE };
        self.threshold = (self.threshold * (1.0 + step * direction)).clamp(floor, f32::MAX);
        self.mean_excess = self.mean_excess.max(floor * FIRST_EXCESS);
    }
}
