//! The reference walk: what the spans of a pool cost in memory, without any transport.
//!
//! Each span is scanned, its series key hashed and looked up, its duration added to an exponential
//! histogram of 160 buckets. Machines differ by more than their clocks, so absolute limits are given for one
//! machine and scaled by this figure to others. It is the least that has to be done, not the product's own
//! aggregation, which also compares keys, keeps limits and remembers exemplars.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use model::{KeySet, SpanTable};
use rapidhash::v3::RapidSecrets;
use rapidhash::v3::rapidhash_v3_seeded;
use wire::Matcher;

use crate::analysis::thread_cpu_time;
use crate::clock;
use crate::spans::Pool;

const DIMENSIONS: [&str; 3] = ["http.request.method", "http.response.status_code", "http.route"];
const BUCKETS: usize = 160;
/// Of so many walks over the pool the fastest counts: the others were disturbed.
const ROUNDS: usize = 5;

/// Returns the time of the reference walk in nanoseconds per span.
///
/// # Errors
///
/// When a request of the pool is malformed, which is a fault of the pool.
pub(crate) fn nanos_per_span(pool: &Pool) -> Result<f64> {
    let mut walk = Walk::new();
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begin = clock::now();
        let mut n_spans = 0;
        for message in pool.messages() {
            n_spans += walk.request(message)?;
        }
        best = best.min(begin.elapsed().as_nanos() as f64 / n_spans as f64);
    }
    black_box(&walk.rows);
    Ok(best)
}

/// At 60,000 spans/s a request of 512 spans comes so often.
const PACE: Duration = Duration::from_nanos(1_000_000_000 * 512 / 60_000);
/// Three seconds of them.
const PACED_REQUESTS: usize = 350;

/// Returns the same at the pace of 60,000 spans/s, each request copied to where it is walked as from a socket: what the
/// machine itself takes more when it rests between requests and finds its caches cold.
///
/// # Errors
///
/// When a request of the pool is malformed, which is a fault of the pool.
pub(crate) async fn paced_nanos_per_span(pool: &Pool) -> Result<f64> {
    let (mut walk, mut received) = (Walk::new(), Vec::new());
    let (mut spent, mut n_spans, mut at) = (Duration::ZERO, 0, clock::now());
    let messages: Vec<&[u8]> = pool.messages().collect();
    for message in messages.iter().cycle().take(PACED_REQUESTS) {
        at += PACE;
        clock::sleep_until(at).await;
        let begin = thread_cpu_time();
        received.clear();
        received.extend_from_slice(message);
        n_spans += walk.request(&received)?;
        spent += thread_cpu_time() - begin;
    }
    black_box(&walk.rows);
    Ok(spent.as_nanos() as f64 / n_spans as f64)
}

struct Walk {
    matcher: Matcher,
    table: SpanTable,
    secrets: RapidSecrets,
    /// Hash of the key, and index into `rows`.
    series: HashTable<(u64, usize)>,
    rows: Vec<Row>,
    key: Vec<u8>,
}

struct Row {
    count: u64,
    sum_nanos: u64,
    buckets: [u32; BUCKETS],
}

impl Walk {
    fn new() -> Self {
        let mut keys = KeySet::default();
        for dimension in DIMENSIONS {
            keys.want(dimension);
        }
        Self {
            matcher: Matcher::new(&keys),
            table: SpanTable::default(),
            secrets: RapidSecrets::seed(1),
            series: HashTable::new(),
            rows: Vec::new(),
            key: Vec::new(),
        }
    }

    /// Adds the spans of a request and returns how many they are.
    fn request(&mut self, request: &[u8]) -> Result<usize> {
        let Self { matcher, table, secrets, series, rows, key } = self;
        wire::scan_traces(request, matcher, table).context("a request of the pool is malformed")?;
        let mut resource_idx = u32::MAX;
        let mut resource_hash = 0;
        for (index, span) in table.spans.iter().enumerate() {
            if span.resource != resource_idx {
                resource_idx = span.resource;
                let resource = table.resources[resource_idx as usize].resource.of(request);
                resource_hash = rapidhash_v3_seeded(resource, secrets);
            }
            key.clear();
            key.extend_from_slice(&resource_hash.to_le_bytes());
            key.extend_from_slice(&[span.kind, span.status]);
            key.extend_from_slice(span.name.of(request));
            for value in table.values_of(index) {
                key.extend_from_slice(value.of(request));
                // No value ends in this byte, which is not UTF-8: neighbours do not run together.
                key.push(0xff);
            }
            let hash = rapidhash_v3_seeded(key, secrets);
            let row = match series.entry(hash, |(known, _)| *known == hash, |(known, _)| *known) {
                Entry::Occupied(entry) => entry.get().1,
                Entry::Vacant(entry) => {
                    entry.insert((hash, rows.len()));
                    rows.push(Row { count: 0, sum_nanos: 0, buckets: [0; BUCKETS] });
                    rows.len() - 1
                }
            };
            rows[row].add(span.duration_nanos());
        }
        Ok(table.spans.len())
    }
}

impl Row {
    /// Adds a duration; the buckets reach from 16 µs to 17 s at scale 3.
    fn add(&mut self, nanos: u64) {
        const LOWEST_INDEX: i32 = -48;
        self.count += 1;
        self.sum_nanos += nanos;
        let millis = (nanos.max(1) as f64) / 1e6;
        let bucket = (stats::index_at_scale_3(millis) - LOWEST_INDEX).clamp(0, BUCKETS as i32 - 1);
        self.buckets[bucket as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::Walk;
    use crate::spans::{Pool, Shape};

    #[test]
    fn the_walk_counts_every_span_in_its_series() {
        let pool = Pool::new(Shape { spans_per_request: 512, series: 2_500 }, 1, 1_750_000_000_000_000_000);
        let mut walk = Walk::new();
        let n_spans: usize = pool.messages().map(|message| walk.request(message).unwrap()).sum();
        assert_eq!(n_spans, 65_536);
        assert_eq!(walk.rows.len(), 2_500);
        for row in &walk.rows {
            assert!(row.count > 0 && row.sum_nanos > 0);
            assert_eq!(row.buckets.iter().map(|count| u64::from(*count)).sum::<u64>(), row.count);
        }
    }
}
