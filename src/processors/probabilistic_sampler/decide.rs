//! The decision about one item, whatever it is.

use crate::consistent::{ALWAYS, KEPT_BY_ALL, LEAST_SHARE, NEVER, share_of, threshold_of};

use super::config::{EQUALIZING, PROPORTIONAL, ProbabilisticSamplerConfig};

/// How thresholds are found.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Mode {
    /// Nothing is kept but what has a priority.
    Never,
    /// By a hash of 14 bits.
    Hash { threshold: u64, seed: u32 },
    /// By an absolute threshold.
    Equalizing { threshold: u64 },
    /// By a share of what the senders kept.
    Proportional { share: f64, digits: u32 },
}

/// What is known of an item before the decision.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Item {
    /// Which item of its trace, from 0 up; none when nothing tells.
    pub(super) randomness: Option<u64>,
    /// What the item says of its sampling so far; none when it can not be read or must be left alone.
    pub(super) carrier: Option<Carrier>,
    /// Reading the item has failed.
    pub(super) has_failed: bool,
    /// The threshold that a priority asks for.
    pub(super) priority: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Carrier {
    pub(super) threshold: Option<u64>,
}

/// What becomes of an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Dropped,
    /// Kept as it is.
    Kept,
    /// Kept, with a threshold: none when the one that it has stands.
    Marked(Option<u64>),
}

const BUCKETS: u32 = 1 << 14;

impl Mode {
    pub(super) fn new(config: &ProbabilisticSamplerConfig) -> Self {
        let percentage = config.sampling_percentage.min(100.0);
        if percentage == 0.0 {
            return Self::Never;
        }
        let share = (f64::from(percentage) / 100.0).max(LEAST_SHARE);
        let digits = config.sampling_precision;
        match &*config.mode {
            EQUALIZING => Self::Equalizing { threshold: threshold_of(share, digits).unwrap_or(ALWAYS) },
            PROPORTIONAL => Self::Proportional { share, digits },
            _ => {
                // In single precision and cut off, as in the collector.
                let kept = (percentage * (BUCKETS as f32 / 100.0)) as u32;
                match kept {
                    0 => Self::Never,
                    _ => Self::Hash {
                        threshold: u64::from(BUCKETS - kept.min(BUCKETS)) << 42,
                        seed: config.hash_seed,
                    },
                }
            }
        }
    }

    fn threshold(self, sent: Option<u64>) -> u64 {
        match self {
            Self::Never => NEVER,
            Self::Hash { threshold, .. } => threshold,
            Self::Equalizing { threshold } => threshold.max(sent.unwrap_or(ALWAYS)),
            Self::Proportional { share, digits } => {
                threshold_of(sent.map_or(1.0, share_of) * share, digits).unwrap_or(NEVER)
            }
        }
    }

    pub(super) fn decide(self, mut item: Item, fail_closed: bool) -> Verdict {
        let randomness = item.randomness.unwrap_or(KEPT_BY_ALL);
        let mut has_failed = item.has_failed;
        if !has_failed {
            has_failed = item.randomness.is_none();
            if let (Some(_), Some(carrier)) = (item.randomness, &mut item.carrier)
                && carrier.threshold.is_some_and(|sent| sent > randomness)
            {
                // By what it says of itself it would not be here, so that says nothing.
                carrier.threshold = None;
                has_failed = true;
            }
        }
        let sent = item.carrier.and_then(|carrier| carrier.threshold);
        let failed = if fail_closed { NEVER } else { ALWAYS };
        let threshold = if has_failed { failed } else { self.threshold(sent) };
        let threshold = item.priority.unwrap_or(threshold);
        match item.carrier {
            _ if threshold > randomness => Verdict::Dropped,
            None => Verdict::Kept,
            // A probability only falls.
            Some(_) => Verdict::Marked(sent.is_none_or(|sent| sent <= threshold).then_some(threshold)),
        }
    }
}

/// Returns the randomness of bytes: the 14 bits of their hash by which the collector has always decided, and the others,
/// so that consistent samplers further on decide alike.
pub(super) fn hashed(bytes: &[u8], seed: u32) -> u64 {
    let fnv = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    let hash = seed.to_le_bytes().iter().fold(0x811c_9dc5, fnv);
    let hash = bytes.iter().fold(hash, fnv);
    let bucket = u64::from(hash & (BUCKETS - 1));
    let unused = u64::from(hash >> 18);
    (u64::from(BUCKETS - 1) - bucket) << 42 | (unused ^ unused << 10) << 14 | bucket
}
