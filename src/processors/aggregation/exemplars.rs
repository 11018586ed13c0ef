//! Examples of what a data point counted, chosen alike in every process.

use super::hashing;

/// A span that stands as an example.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Exemplar {
    /// Orders the candidates; from the ids, so that arrival does not matter.
    pub(crate) rank: u64,
    pub(crate) trace_id: [u8; 16],
    /// Zeros when the span has none.
    pub(crate) span_id: [u8; 8],
    pub(crate) nanos: u64,
    pub(crate) bucket: i32,
}

impl Exemplar {
    pub(crate) fn new(trace_id: [u8; 16], span_id: [u8; 8], nanos: u64, bucket: i32) -> Self {
        Self { rank: hashing::rank(&trace_id, &span_id), trace_id, span_id, nanos, bucket }
    }
}

/// The best candidate of each bucket, of these the best few.
///
/// What is dropped could not come back: the candidates that beat it only get better. So the choice does
/// not depend on the order of arrival, nor on how the spans were spread over shards.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Exemplars(Vec<Exemplar>);

impl Exemplars {
    pub(crate) fn offer(&mut self, candidate: Exemplar, limit: usize) {
        match self.0.iter_mut().find(|known| known.bucket == candidate.bucket) {
            Some(known) => *known = candidate.min(*known),
            None => self.0.push(candidate),
        }
        self.0.sort_unstable();
        self.0.truncate(limit);
    }

    /// Returns the choice, best first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Exemplar> {
        self.0.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
