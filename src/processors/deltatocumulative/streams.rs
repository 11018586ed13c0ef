//! The total of every stream.

use super::total::{Added, Value};
use crate::temporality::{Kept, Table};

/// What a stream has come to.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Total {
    /// When it began; 0 where its sender does not say. *Units*: nanoseconds since the epoch.
    pub(super) start: u64,
    /// *Units*: nanoseconds since the epoch.
    pub(super) observed: u64,
    pub(super) value: Value,
}

impl Kept for Total {
    fn heap_bytes(&self) -> usize {
        self.value.heap_bytes()
    }
}

/// Why a point does not leave.
pub(super) type Reason = &'static str;

pub(super) const OLDER_START: Reason = "older_start";
pub(super) const OUT_OF_ORDER: Reason = "out_of_order";
pub(super) const TOO_MANY: Reason = "too_many_streams";

/// The total of every stream.
pub(super) type Streams = Table<Total>;

impl Streams {
    /// Adds a point to its stream and returns what that has come to.
    pub(super) fn add(&mut self, key: &[u8], point: Total) -> Result<&Total, Reason> {
        if !self.contains(key) {
            return self.insert(key.into(), point).ok_or(TOO_MANY);
        }
        let (added, total) = self.change(key, point, Total::add).map_err(|_unknown| TOO_MANY)?;
        added.map(|()| total)
    }
}

impl Total {
    fn add(&mut self, point: Self) -> Result<(), Reason> {
        if point.start < self.start {
            return Err(OLDER_START);
        }
        if point.observed <= self.observed {
            return Err(OUT_OF_ORDER);
        }
        if self.value.add(point.value) == Added::BeginsAnew {
            self.start = point.start;
        }
        self.observed = point.observed;
        Ok(())
    }
}
