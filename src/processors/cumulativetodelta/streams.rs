//! The last point of every stream, and what the next one adds to it.

use super::config::Initial;
use crate::temporality::{Buckets, Kept, Table, last_bucket_below};

/// A point's value, as it came or as it is to leave.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Int(i64),
    Double(f64),
    Histogram(Histogram),
    Exponential(Exponential),
}

#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Histogram {
    pub(super) count: u64,
    /// 0 where none was sent.
    pub(super) sum: f64,
    pub(super) bounds: Vec<f64>,
    pub(super) counts: Vec<u64>,
}

#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Exponential {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) scale: i32,
    pub(super) zero_count: u64,
    pub(super) zero_threshold: f64,
    pub(super) positive: Buckets,
    pub(super) negative: Buckets,
}

/// The last point of a stream.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Last {
    /// *Units*: nanoseconds since the epoch.
    pub(super) observed: u64,
    pub(super) value: Value,
    /// Whether what came after it may have left already, before a crash that took it back to here.
    pub(super) may_be_behind: bool,
}

impl Kept for Last {
    fn heap_bytes(&self) -> usize {
        self.value.heap_bytes()
    }
}

impl Value {
    fn heap_bytes(&self) -> usize {
        let of_numbers = |n: usize| n * size_of::<u64>();
        match self {
            Self::Int(_) | Self::Double(_) => 0,
            Self::Histogram(it) => of_numbers(it.bounds.len() + it.counts.len()),
            Self::Exponential(it) => of_numbers(it.positive.counts.len() + it.negative.counts.len()),
        }
    }
}

/// A point that leaves.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Delta {
    pub(super) start: u64,
    pub(super) value: Value,
}

/// Why a point does not leave.
pub(super) type Reason = &'static str;

pub(super) struct Streams {
    pub(super) table: Table<Last>,
    initial: Initial,
    /// When this process began; 0 to know no beginning.
    started_at: u64,
}

impl Streams {
    pub(super) fn new(most: u64, most_bytes: u64, initial: Initial, started_at: u64) -> Self {
        Self { table: Table::new(most, most_bytes, started_at), initial, started_at }
    }

    /// Takes a point of a stream that began at `start`.
    pub(super) fn convert(
        &mut self,
        key: &[u8],
        start: u64,
        observed: u64,
        value: Value,
    ) -> Result<Delta, Reason> {
        let value = match self.table.change(key, value, |last, value| last.follow(observed, value)) {
            Ok((delta, _)) => return delta,
            Err(value) => value,
        };
        let last = Last { observed, value: value.clone(), may_be_behind: false };
        if self.table.insert(key.into(), last).is_none() {
            return Err("too_many_streams");
        }
        match self.initial {
            Initial::Auto if start >= self.started_at && start != observed => Ok(Delta { start, value }),
            Initial::Keep => Ok(Delta { start: 0, value }),
            Initial::Auto | Initial::Drop => Err("initial"),
        }
    }
}

impl Last {
    /// Takes the next point and returns what it adds.
    fn follow(&mut self, observed: u64, value: Value) -> Result<Delta, Reason> {
        let start = self.observed;
        let (delta, kept) = match (value, &self.value) {
            (Value::Int(new), Value::Int(old)) => {
                let delta = (new >= *old).then(|| Value::Int(new.wrapping_sub(*old)));
                (delta.ok_or("reset"), Value::Int(new))
            }
            (Value::Double(new), Value::Double(old)) => {
                let is_reset = new < *old;
                (if is_reset { Err("reset") } else { Ok(Value::Double(new - old)) }, Value::Double(new))
            }
            (Value::Histogram(mut new), Value::Histogram(old)) => {
                if new.sum.is_nan() {
                    new.sum = old.sum;
                }
                (new.since(old).map(Value::Histogram), Value::Histogram(new))
            }
            (Value::Exponential(new), Value::Exponential(old)) => match new.since(old) {
                Some(delta) => (Ok(Value::Exponential(delta)), Value::Exponential(new)),
                // What is known stays, as in the collector: a stream that begins anew has another start.
                None => return Err("reset"),
            },
            // The kind is part of the key.
            (new, _) => (Err("reset"), new),
        };
        let may_be_behind = self.may_be_behind;
        *self = Self { observed, value: kept, may_be_behind: false };
        if may_be_behind {
            return Err("after_crash");
        }
        delta.map(|value| Delta { start, value })
    }
}

impl Histogram {
    /// After a reset all of it is new.
    fn since(&self, old: &Self) -> Result<Self, Reason> {
        if self.counts.len() != old.counts.len() || self.bounds != old.bounds {
            return Err("bucket_mismatch");
        }
        let mut delta = self.clone();
        if self.count >= old.count {
            delta.count -= old.count;
            delta.sum -= old.sum;
            for (count, old) in delta.counts.iter_mut().zip(&old.counts) {
                *count = count.wrapping_sub(*old);
            }
        }
        Ok(delta)
    }
}

impl Exponential {
    fn since(&self, old: &Self) -> Option<Self> {
        // Counts and the zero threshold only grow, the scale only falls.
        if self.count < old.count || self.zero_threshold < old.zero_threshold || self.scale > old.scale {
            return None;
        }
        let mut old = old.clone();
        if self.zero_threshold > old.zero_threshold {
            // What is near zero now was in buckets before.
            let last = last_bucket_below(self.zero_threshold, old.scale);
            let moved = old.positive.cut_through(last).wrapping_add(old.negative.cut_through(last));
            old.zero_count = old.zero_count.wrapping_add(moved);
        }
        let lost = (i64::from(old.scale) - i64::from(self.scale)).min(31) as u32;
        Some(Self {
            count: self.count - old.count,
            sum: self.sum - old.sum,
            zero_count: self.zero_count.wrapping_sub(old.zero_count),
            positive: self.positive.since(&old.positive.coarser(lost)),
            negative: self.negative.since(&old.negative.coarser(lost)),
            ..*self
        })
    }
}

impl Buckets {
    /// Returns what grew, from the first bucket that did to the last.
    fn since(&self, old: &Self) -> Self {
        let grown = (i64::from(self.offset)..).zip(&self.counts).filter_map(|(index, count)| {
            let place = usize::try_from(index - i64::from(old.offset)).ok();
            let before = place.and_then(|place| old.counts.get(place)).copied().unwrap_or(0);
            // A bucket that lost something is wrong, and counts as one that gained nothing.
            (*count > before).then(|| (index, count - before))
        });
        let mut delta = Self::default();
        let mut first = None;
        for (index, count) in grown {
            let first = *first.get_or_insert(index);
            delta.offset = first as i32;
            // As far as the buckets of this point reach, which came over the network.
            delta.counts.resize((index - first) as usize, 0);
            delta.counts.push(count);
        }
        delta
    }
}
