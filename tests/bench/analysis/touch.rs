//! A yardstick for memory: what it costs to reach as many bytes as the stages keep of each series.

use std::hint::black_box;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use super::chain::thread_cpu_time;
use super::plan::Order;

/// Eight words are a cache line.
type Line = [u64; 8];
const ROUNDS: usize = 3;

/// Returns the time per record of changing one word in each cache line of records of that size.
///
/// *Units*: nanoseconds of CPU time; of several rounds the fastest.
pub(super) fn nanos_per_record(n_records: u32, bytes: u64, order: Order) -> f64 {
    let n_lines = (bytes as usize).div_ceil(size_of::<Line>()).max(1);
    let mut lines: Vec<Line> = vec![[1; 8]; n_records as usize * n_lines];
    let mut records: Vec<u32> = (0..n_records).collect();
    if order == Order::Shuffled {
        records.shuffle(&mut Pcg64Mcg::seed_from_u64(2));
    }
    // Few records take less time than the clock can tell.
    let repeats = (100_000 / n_records).max(1);
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begin = thread_cpu_time();
        for _ in 0..repeats {
            for record in &records {
                let at = *record as usize * n_lines;
                for line in &mut lines[at..at + n_lines] {
                    line[0] = line[0].wrapping_mul(3);
                }
            }
            black_box(&mut lines);
        }
        let nanos = (thread_cpu_time() - begin).as_nanos() as f64;
        best = best.min(nanos / f64::from(repeats) / f64::from(n_records));
    }
    best
}
