//! The nearest rising function: what a score is worth as a probability.

#[cfg(test)]
mod tests;

/// A function that never falls, straight between its knots and constant beyond them.
///
/// *Cost*: 16 bytes per knot, two knots per block of equal value; a binary search per evaluation.
#[derive(Clone, PartialEq, Debug)]
pub struct Isotonic {
    /// Pairs of x and value, ascending in both.
    pub knots: Vec<(f64, f64)>,
}

/// An observation to fit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Observation {
    pub x: f64,
    pub y: f64,
    pub weight: f64,
}

impl Isotonic {
    /// Fits the rising function of least squares. Observations that are not finite or weigh nothing do
    /// not count; none when none is left. Sorts the observations.
    ///
    /// *Cost*: n log n.
    /// *Source*: pool adjacent violators, M. Ayer et al., "An empirical distribution function for sampling
    /// with incomplete information", 1955.
    pub fn fit(observations: &mut [Observation]) -> Option<Self> {
        observations.sort_unstable_by(|a, b| a.x.total_cmp(&b.x));
        let mut blocks: Vec<Block> = Vec::new();
        // Equal x must have one value, before any pooling with others.
        for equal in observations.chunk_by(|a, b| a.x == b.x) {
            blocks.extend(Block::of_equal_x(equal));
            while let [.., before, last] = &mut blocks[..] {
                if before.value() < last.value() {
                    break;
                }
                before.absorb(last);
                blocks.pop();
            }
        }
        let knots: Vec<_> = blocks.iter().flat_map(Block::knots).collect();
        (!knots.is_empty()).then_some(Self { knots })
    }

    /// Returns the value at `x`, or NaN for NaN.
    pub fn value(&self, x: f64) -> f64 {
        let after = self.knots.partition_point(|knot| knot.0 <= x);
        let next = self.knots.get(after);
        let previous = after.checked_sub(1).and_then(|before| self.knots.get(before));
        match (previous, next) {
            _ if x.is_nan() => f64::NAN,
            (Some(low), Some(high)) => low.1 + (high.1 - low.1) * (x - low.0) / (high.0 - low.0),
            (Some(knot), None) | (None, Some(knot)) => knot.1,
            (None, None) => f64::NAN,
        }
    }
}

/// Neighbouring observations with one value.
struct Block {
    low_x: f64,
    high_x: f64,
    weight: f64,
    weighted_sum: f64,
}

impl Block {
    fn of_equal_x(observations: &[Observation]) -> Option<Self> {
        let counts =
            |o: &&Observation| o.x.is_finite() && o.y.is_finite() && o.weight.is_finite() && o.weight > 0.0;
        let blocks = observations.iter().filter(counts).map(|&Observation { x, y, weight }| Self {
            low_x: x,
            high_x: x,
            weight,
            weighted_sum: weight * y,
        });
        blocks.reduce(|mut all, one| {
            all.absorb(&one);
            all
        })
    }

    fn value(&self) -> f64 {
        self.weighted_sum / self.weight
    }

    fn absorb(&mut self, later: &Self) {
        self.high_x = later.high_x;
        self.weight += later.weight;
        self.weighted_sum += later.weighted_sum;
    }

    fn knots(&self) -> impl Iterator<Item = (f64, f64)> + use<> {
        let wide = self.high_x > self.low_x;
        let (low, high) = ((self.low_x, self.value()), (self.high_x, self.value()));
        std::iter::once(low).chain(wide.then_some(high))
    }
}
