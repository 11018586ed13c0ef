//! Which bucket a duration falls into.

use std::time::Duration;

use stats::index_at_scale_3;

/// The unit of a duration metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize)]
pub(crate) enum Unit {
    #[default]
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "s")]
    Seconds,
}

impl Unit {
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        }
    }

    /// *Units*: nanoseconds in one unit.
    pub(crate) const fn nanos(self) -> f64 {
        match self {
            Self::Milliseconds => 1e6,
            Self::Seconds => 1e9,
        }
    }
}

/// How durations are spread over buckets.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Layout {
    /// No histogram: only counts.
    None,
    Explicit(Bounds),
    /// Scale 3 while the values fit `max_size` buckets.
    Exponential {
        max_size: u32,
    },
}

/// A window of this many buckets of scale 3 spans a factor of a million.
pub(crate) const WINDOW: usize = 160;

impl Layout {
    /// Counters that one series takes in the table of the ingest half.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Explicit(bounds) => bounds.nanos.len() + 1,
            Self::Exponential { .. } => WINDOW,
        }
    }

    /// Returns a duration's bucket; none for what belongs to no bucket of the layout.
    pub(crate) fn bucket(&self, nanos: u64, unit: Unit) -> Option<i32> {
        match self {
            Self::None => None,
            Self::Explicit(bounds) => Some(bounds.bucket(nanos) as i32),
            Self::Exponential { .. } => (nanos > 0).then(|| exponential_bucket(nanos, unit)),
        }
    }
}

/// *Precondition*: `nanos` is above 0.
#[inline(always)]
pub(crate) fn exponential_bucket(nanos: u64, unit: Unit) -> i32 {
    index_at_scale_3(nanos as f64 / unit.nanos())
}

/// Ascending upper bounds of buckets; one more bucket holds what is above.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Bounds {
    nanos: Vec<u64>,
    /// The first bucket that a duration with so many leading zero bits can fall into.
    first: [u8; 65],
}

impl Bounds {
    /// Makes bounds from durations, which are sorted; at most 254 are kept.
    pub(crate) fn new(durations: impl IntoIterator<Item = Duration>) -> Self {
        let mut nanos: Vec<u64> =
            durations.into_iter().map(|bound| u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX)).collect();
        nanos.sort_unstable();
        nanos.dedup();
        nanos.truncate(254);
        let mut first = [0; 65];
        for (zeros, first) in first.iter_mut().enumerate() {
            let smallest = if zeros == 64 { 0 } else { 1 << (63 - zeros) };
            *first = nanos.partition_point(|&bound| bound < smallest) as u8;
        }
        Self { nanos, first }
    }

    pub(crate) fn in_unit(&self, unit: Unit) -> impl Iterator<Item = f64> {
        self.nanos.iter().map(move |&bound| bound as f64 / unit.nanos())
    }

    /// Returns the bucket whose upper bound is the first not below the duration.
    #[inline(always)]
    pub(crate) fn bucket(&self, nanos: u64) -> usize {
        let mut bucket = usize::from(self.first[nanos.leading_zeros() as usize]);
        while self.nanos.get(bucket).is_some_and(|&bound| bound < nanos) {
            bucket += 1;
        }
        bucket
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_duration_falls_into_the_first_bucket_whose_bound_is_not_below(
            bounds in prop::collection::vec(prop_oneof![0..100_u64, any::<u64>()], 0..20),
            nanos in prop_oneof![0..100_u64, any::<u64>()],
            pick in any::<prop::sample::Index>(),
        ) {
            let made = Bounds::new(bounds.iter().map(|bound| Duration::from_nanos(*bound)));
            let mut sorted = bounds.clone();
            sorted.sort_unstable();
            sorted.dedup();
            let at_bound = (!bounds.is_empty()).then(|| *pick.get(&bounds));
            for nanos in [Some(nanos), at_bound].into_iter().flatten() {
                let expected = sorted.iter().position(|bound| nanos <= *bound).unwrap_or(sorted.len());
                prop_assert_eq!(made.bucket(nanos), expected);
            }
        }
    }

    #[test]
    fn exponential_buckets_are_of_the_unit() {
        // One millisecond closes bucket −1 in milliseconds; in seconds it lies far below 1.
        assert_eq!(exponential_bucket(1_000_000, Unit::Milliseconds), -1);
        assert_eq!(exponential_bucket(1_000_000, Unit::Seconds), -80);
    }
}
