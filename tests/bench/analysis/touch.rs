//! A yardstick for memory: what it costs to reach what the stages keep of each series, in pieces that lie as theirs do.

use std::hint::black_box;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;

use super::chain::thread_cpu_time;
use super::plan::Order;

/// Eight words are a cache line.
type Line = [u64; 8];
const ROUNDS: usize = 3;

/// What one stage reaches of a series, one piece after the other.
struct Reach {
    /// Bytes that stand as rows do: those of the table and the columns, and who the series is.
    of_rows: &'static [usize],
    /// Bytes of states, each in an array or a box of its own, by slot.
    of_slots: &'static [usize],
}

/// Who a series is: the line of it that holds what is compared.
const IDENTITY: usize = 64;
/// Value, support, slot and the pointer to the series.
const TABLE: usize = 28;
/// The columns of `baseline`.
const USUAL: usize = 59;
/// Those of `anomaly`.
const SCORES: usize = 18;

/// The stages of the curve, as their pages tell their sizes: `baseline` an entry; `anomaly` an entry and a box for
/// `novelty`; `forecast` the place of a state and the state.
const STAGES: [Reach; 3] = [
    Reach { of_rows: &[TABLE, USUAL, IDENTITY], of_slots: &[344] },
    Reach { of_rows: &[TABLE, USUAL, SCORES, IDENTITY], of_slots: &[64, 444] },
    Reach { of_rows: &[TABLE, USUAL, IDENTITY], of_slots: &[16, 144] },
];

/// Returns the time per series of changing one word in each cache line that stages reach of it in a window: all rows of
/// one stage, then those of the next. States are visited in the order of slots, which is that of rows or at random.
///
/// *Units*: nanoseconds of CPU time; of several rounds the fastest.
pub(super) fn nanos_per_series(n_series: u32, order: Order) -> f64 {
    let mut slots: Vec<u32> = (0..n_series).collect();
    if order == Order::Shuffled {
        slots.shuffle(&mut Pcg64Mcg::seed_from_u64(2));
    }
    let mut stages = STAGES.map(|reach| {
        let of = |pieces: &[usize]| -> Vec<Piece> {
            pieces.iter().map(|bytes| Piece::new(*bytes, n_series)).collect()
        };
        (of(reach.of_rows), of(reach.of_slots))
    });
    // Few series take less time than the clock can tell.
    let repeats = (100_000 / n_series).max(1);
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begin = thread_cpu_time();
        for _ in 0..repeats {
            for (of_rows, of_slots) in &mut stages {
                for (row, slot) in slots.iter().enumerate() {
                    of_rows.iter_mut().for_each(|piece| piece.change(row));
                    of_slots.iter_mut().for_each(|piece| piece.change(*slot as usize));
                }
            }
            black_box(&mut stages);
        }
        let nanos = (thread_cpu_time() - begin).as_nanos() as f64;
        best = best.min(nanos / f64::from(repeats) / f64::from(n_series));
    }
    best
}

/// As many bytes of each series, side by side.
struct Piece {
    lines: Vec<Line>,
    /// In eighths of a line, as small pieces share theirs with their neighbours.
    n_words: usize,
}

impl Piece {
    fn new(bytes: usize, n_series: u32) -> Self {
        let n_words = bytes.div_ceil(size_of::<u64>()).max(1);
        let n_lines = (n_words * n_series as usize).div_ceil(8);
        Self { lines: vec![[1; 8]; n_lines], n_words }
    }

    fn change(&mut self, place: usize) {
        let (first, last) = (place * self.n_words, (place + 1) * self.n_words - 1);
        for line in &mut self.lines[first / 8..=last / 8] {
            line[0] = line[0].wrapping_mul(3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_piece_is_changed_by_the_series_that_have_it() {
        let mut piece = Piece::new(100, 10);
        (0..10).for_each(|place| piece.change(place));
        assert_eq!(piece.lines.len(), (13 * 10_usize).div_ceil(8));
        assert!(piece.lines.iter().all(|line| line[0] > 1 && line[1..] == [1; 7]), "{:?}", piece.lines);
        assert!(nanos_per_series(1000, Order::Shuffled) > 0.0);
    }
}
