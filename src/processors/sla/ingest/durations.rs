//! How long the events of a selector took since the last tick, in buckets of scale 3.

use stats::index_at_scale_3;

use crate::sla::partial::HistogramRow;

/// Counts of the buckets between the first and the last that were ever needed.
#[derive(Default)]
pub(super) struct Durations {
    first: i32,
    counts: Vec<u64>,
}

/// Spans of no length share the lowest bucket: a nanosecond. With it there are at most some five hundred.
const SHORTEST: f64 = 1e-9;

impl Durations {
    pub(super) fn add(&mut self, nanos: u64, weight: u64) {
        let bucket = index_at_scale_3((nanos as f64 / 1e9).max(SHORTEST));
        if self.counts.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            let more = self.first.abs_diff(bucket) as usize;
            self.counts.splice(..0, std::iter::repeat_n(0, more));
            self.first = bucket;
        }
        let place = bucket.abs_diff(self.first) as usize;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] = self.counts[place].saturating_add(weight);
    }

    /// Takes what was counted; none when there is nothing.
    pub(super) fn take(&mut self, objective: u64) -> Option<HistogramRow> {
        let mut row = HistogramRow { objective, ..HistogramRow::default() };
        for (bucket, count) in (self.first..).zip(&mut self.counts).filter(|(_, count)| **count > 0) {
            row.buckets.push(bucket);
            row.counts.push(std::mem::take(count));
        }
        (!row.buckets.is_empty()).then_some(row)
    }
}
