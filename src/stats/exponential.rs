//! Histograms with logarithmic buckets, as OpenTelemetry's data model defines them.
//!
//! At scale *s* the bucket with index *i* holds values in `(base^i, base^(i+1)]` with
//! `base = 2^(2^-s)`. A power of two therefore belongs to the bucket that it closes.
//! *Source*: OpenTelemetry metrics data model, "Exponential buckets".

#[cfg(test)]
mod tests;

/// The finest scale OpenTelemetry's mapping functions speak of.
pub const MAX_SCALE: i32 = 20;
/// At this scale one bucket on either side of 1 spans all doubles.
pub const MIN_SCALE: i32 = -10;

const MANTISSA_BITS: u32 = 52;
const MANTISSA_MASK: u64 = (1 << MANTISSA_BITS) - 1;
const EXPONENT_BIAS: i32 = 1023;

/// Mantissas of 2^(k/8), rounded down. The boundaries but the first are irrational, so that a double
/// lies above one exactly when its mantissa is greater than the number here.
const EIGHTHS: [u64; 8] = [
    0,
    0x1_72b8_3c7d_517a,
    0x3_06fe_0a31_b715,
    0x4_bfda_d536_2a27,
    0x6_a09e_667f_3bcc,
    0x8_ace5_422a_a0db,
    0xa_e89f_995a_d3ad,
    0xd_5818_dcfb_a487,
];

/// The largest `k` with `EIGHTHS[k]` not above the smallest mantissa with these four leading bits.
/// No two boundaries but these share a sixteenth, so one comparison with the next corrects it.
const GUESS: [u8; 16] = [0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6, 7, 7];

/// Returns the index, at scale 3, of the bucket that holds `value`.
///
/// *Precondition*: `value` is positive, finite and normal; others get a meaningless index.
/// *Cost*: a shift, two table look-ups and two comparisons; about 2 ns.
#[inline(always)]
pub fn index_at_scale_3(value: f64) -> i32 {
    let bits = value.to_bits();
    let mantissa = bits & MANTISSA_MASK;
    let exponent = (bits >> MANTISSA_BITS) as i32 - EXPONENT_BIAS;
    let guess = GUESS[(mantissa >> (MANTISSA_BITS - 4)) as usize & 15] as usize;
    // A mantissa equal to a boundary's floor is not above the boundary.
    let above_guess = (mantissa > EIGHTHS[guess & 7]) as i32;
    let next = EIGHTHS.get(guess + 1).copied().unwrap_or(u64::MAX);
    let above_next = (mantissa > next) as i32;
    (exponent << 3) + guess as i32 + above_guess + above_next - 1
}

/// Returns the index of the bucket that holds `value` at any scale of [`MIN_SCALE`]..=[`MAX_SCALE`].
///
/// Exact up to scale 3. Above, a value within about 2^-50 of a boundary may be told its neighbour;
/// powers of two are always exact, and the buckets of two scales always nest.
///
/// *Precondition*: `value` is positive and finite.
pub fn bucket_index(value: f64, scale: i32) -> i32 {
    let (normal, shift) = if value < f64::MIN_POSITIVE { (value * TWO_POW_54, 54 << 3) } else { (value, 0) };
    let index = index_at_scale_3(normal) - shift;
    if scale <= 3 {
        return index >> (3 - scale).min(31);
    }
    let finer = scale - 3;
    let (first, last) = (index << finer, (index << finer) + (1 << finer) - 1);
    let exponent = (index >> 3) as f64;
    // The logarithm of the mantissa alone keeps its precision for large exponents.
    let fraction = value_over_power(normal, index + shift).log2();
    let scaled = (exponent + fraction) * f64::from(1_u32 << scale);
    (scaled.ceil() as i32 - 1).clamp(first, last)
}

const TWO_POW_54: f64 = 18_014_398_509_481_984.0;

/// Divides by 2^(index / 8, rounded down): the result lies in (1, 2].
fn value_over_power(value: f64, index_at_scale_3: i32) -> f64 {
    let exponent = index_at_scale_3 >> 3;
    let half = exponent / 2;
    let power = |exponent: i32| f64::from_bits(((exponent + EXPONENT_BIAS) as u64) << MANTISSA_BITS);
    value / power(half) / power(exponent - half)
}

/// A contiguous run of buckets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Buckets {
    /// Index of the first bucket of `counts`.
    pub offset: i32,
    pub counts: Vec<u64>,
}

impl Buckets {
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }

    fn range(&self) -> Option<(i32, i32)> {
        (!self.counts.is_empty()).then(|| (self.offset, self.offset + self.counts.len() as i32 - 1))
    }

    /// Makes room for an index that is known to fit.
    fn cover(&mut self, index: i32) {
        if self.counts.is_empty() {
            self.offset = index;
            self.counts.push(0);
        } else if index < self.offset {
            let missing = (self.offset - index) as usize;
            self.reserve(missing);
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.offset = index;
        } else if (index - self.offset) as usize >= self.counts.len() {
            let len = (index - self.offset) as usize + 1;
            self.reserve(len - self.counts.len());
            self.counts.resize(len, 0);
        }
    }

    /// Leaves at most an eighth unused: a collector holds very many of these.
    fn reserve(&mut self, more: usize) {
        if self.counts.capacity() - self.counts.len() < more {
            self.counts.reserve_exact(more.max(self.counts.len() / 8));
        }
    }

    fn add(&mut self, index: i32, count: u64) {
        self.cover(index);
        let at = (index - self.offset) as usize;
        self.counts[at] = self.counts[at].saturating_add(count);
    }

    fn downscale(&mut self, by: u32) {
        let old = std::mem::take(self);
        for (index, count) in (old.offset..).zip(old.counts) {
            if count > 0 {
                self.add(index >> by.min(31), count);
            }
        }
    }
}

/// A mergeable histogram of doubles.
///
/// Equal observations give equal histograms, in whatever order they were added and merged: the scale is
/// the finest, not above the given one, at which all of them fit `max_size` buckets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExponentialHistogram {
    max_size: u32,
    scale: i32,
    zero_count: u64,
    positive: Buckets,
    negative: Buckets,
}

impl ExponentialHistogram {
    /// Makes an empty histogram that starts at `scale` and holds at most `max_size` buckets a side.
    ///
    /// Sizes below 2 are taken as 2: with fewer, no scale fits all values.
    pub fn new(scale: i32, max_size: u32) -> Self {
        Self {
            max_size: max_size.max(2),
            scale: scale.clamp(MIN_SCALE, MAX_SCALE),
            zero_count: 0,
            positive: Buckets::default(),
            negative: Buckets::default(),
        }
    }

    /// Rebuilds a histogram from its parts, scaled down where they do not fit.
    ///
    /// None when the scale is not within [`MIN_SCALE`]..=[`MAX_SCALE`] or a bucket lies where no double
    /// does: such parts come from damaged or hostile bytes.
    pub fn from_parts(
        scale: i32,
        max_size: u32,
        zero_count: u64,
        positive: &Buckets,
        negative: &Buckets,
    ) -> Option<Self> {
        if !is_possible(scale, positive) || !is_possible(scale, negative) {
            return None;
        }
        let mut made = Self::new(scale, max_size);
        made.zero_count = zero_count;
        made.add_buckets(scale, positive, Side::Positive);
        made.add_buckets(scale, negative, Side::Negative);
        Some(made)
    }

    pub fn scale(&self) -> i32 {
        self.scale
    }

    pub fn zero_count(&self) -> u64 {
        self.zero_count
    }

    pub fn positive(&self) -> &Buckets {
        &self.positive
    }

    pub fn negative(&self) -> &Buckets {
        &self.negative
    }

    pub fn count(&self) -> u64 {
        self.zero_count.saturating_add(self.positive.total()).saturating_add(self.negative.total())
    }

    /// Adds `value` as if it had been seen `count` times. NaN and infinities belong to no bucket and
    /// are left out; the caller counts them.
    pub fn add(&mut self, value: f64, count: u64) {
        if !value.is_finite() || count == 0 {
            return;
        }
        if value == 0.0 {
            self.zero_count = self.zero_count.saturating_add(count);
            return;
        }
        let side = if value > 0.0 { Side::Positive } else { Side::Negative };
        let magnitude = value.abs();
        let index = bucket_index(magnitude, self.scale);
        self.make_room(index, index, side);
        let index = bucket_index(magnitude, self.scale);
        self.side(side).add(index, count);
    }

    pub fn add_zeros(&mut self, count: u64) {
        self.zero_count = self.zero_count.saturating_add(count);
    }

    /// Adds a bucket of another histogram's positive side. Returns whether there can be such a bucket;
    /// otherwise nothing was added.
    pub fn add_bucket(&mut self, scale: i32, index: i32, count: u64) -> bool {
        let bucket = Buckets { offset: index, counts: vec![count] };
        let possible = is_possible(scale, &bucket);
        if possible {
            self.add_buckets(scale, &bucket, Side::Positive);
        }
        possible
    }

    /// Adds all that `other` holds.
    pub fn merge(&mut self, other: &Self) {
        self.zero_count = self.zero_count.saturating_add(other.zero_count);
        if other.scale < self.scale {
            self.downscale((self.scale - other.scale) as u32);
        }
        self.add_buckets(other.scale, &other.positive, Side::Positive);
        self.add_buckets(other.scale, &other.negative, Side::Negative);
    }

    /// Halves the resolution `by` times.
    pub fn downscale(&mut self, by: u32) {
        let by = by.min((self.scale - MIN_SCALE) as u32);
        if by > 0 {
            self.scale -= by as i32;
            self.positive.downscale(by);
            self.negative.downscale(by);
        }
    }

    /// Estimates the value below which the share `q` of observations lies.
    ///
    /// Within a bucket values are taken as spread evenly in their logarithm, as in Prometheus's native
    /// histograms. None without observations or when `q` is not within 0..=1.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.count();
        if total == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = q * total as f64;
        let mut seen = 0.0;
        let ascending = self
            .negative
            .counts
            .iter()
            .enumerate()
            .rev()
            .map(|(at, &count)| (Some((Side::Negative, at)), count));
        let zeros = std::iter::once((None, self.zero_count));
        let positive =
            self.positive.counts.iter().enumerate().map(|(at, &count)| (Some((Side::Positive, at)), count));
        let mut answer = 0.0;
        for (place, count) in ascending.chain(zeros).chain(positive).filter(|(_, count)| *count > 0) {
            let share = ((rank - seen) / count as f64).clamp(0.0, 1.0);
            answer = place.map_or(0.0, |(side, at)| self.value_within(side, at, share));
            seen += count as f64;
            if seen >= rank {
                break;
            }
        }
        Some(answer)
    }

    /// The value at a share of the way through a bucket, towards greater values.
    fn value_within(&self, side: Side, at: usize, share: f64) -> f64 {
        let width = (-f64::from(self.scale)).exp2();
        match side {
            Side::Positive => ((f64::from(self.positive.offset) + at as f64 + share) * width).exp2(),
            Side::Negative => -((f64::from(self.negative.offset) + at as f64 + 1.0 - share) * width).exp2(),
        }
    }

    fn side(&mut self, side: Side) -> &mut Buckets {
        match side {
            Side::Positive => &mut self.positive,
            Side::Negative => &mut self.negative,
        }
    }

    fn add_buckets(&mut self, scale: i32, buckets: &Buckets, side: Side) {
        if scale < self.scale {
            self.downscale((self.scale - scale) as u32);
        }
        let filled = |&(_, count): &(i32, u64)| count > 0;
        let pairs = (buckets.offset..).zip(buckets.counts.iter().copied()).filter(filled);
        let (Some((first, _)), Some((last, _))) = (pairs.clone().next(), pairs.clone().last()) else {
            return;
        };
        let down = (scale - self.scale).clamp(0, 31);
        self.make_room(first >> down, last >> down, side);
        let down = (scale - self.scale).clamp(0, 31);
        for (index, count) in pairs {
            self.side(side).add(index >> down, count);
        }
    }

    /// Scales down until the indices, which are of the present scale, fit beside what is there.
    fn make_room(&mut self, first: i32, last: i32, side: Side) {
        let (low, high) = match self.side(side).range() {
            Some((low, high)) => (low.min(first), high.max(last)),
            None => (first, last),
        };
        let mut down = 0;
        while (i64::from(high >> down) - i64::from(low >> down)) >= i64::from(self.max_size) {
            down += 1;
        }
        self.downscale(down);
    }
}

/// Whether all buckets lie where doubles do.
fn is_possible(scale: i32, buckets: &Buckets) -> bool {
    if !(MIN_SCALE..=MAX_SCALE).contains(&scale) {
        return false;
    }
    let at_scale = |exponent: i64| if scale >= 0 { exponent << scale } else { exponent >> -scale };
    let first = i64::from(buckets.offset);
    let last = first + buckets.counts.len() as i64 - 1;
    buckets.is_empty() || (first >= at_scale(-1075) && last <= at_scale(1024))
}

#[derive(Clone, Copy)]
enum Side {
    Positive,
    Negative,
}
