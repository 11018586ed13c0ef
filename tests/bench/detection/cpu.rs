//! CPU time of children and of our own code.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock;

/// Ticks per second of the times in `/proc/PID/stat`.
const TICKS_PER_SECOND: f64 = 100.0;

/// Passes of which the fastest counts: what other processes take is in the slower ones.
const PASSES: usize = 3;

/// Returns the user and system time of all children that have ended and were waited for.
///
/// *Units*: seconds, in steps of ten milliseconds.
pub(super) fn seconds_of_ended_children() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").context("reading /proc/self/stat")?;
    // The command's name may hold anything, so fields are counted after its closing bracket; cutime
    // and cstime are fields 16 and 17 of the line, 14 and 15 from there.
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat without a name")?;
    let mut times = fields.split_ascii_whitespace().skip(13).map(str::parse::<u64>);
    let user = times.next().context("/proc/self/stat without cutime")??;
    let system = times.next().context("/proc/self/stat without cstime")??;
    Ok((user + system) as f64 / TICKS_PER_SECOND)
}

/// Returns what the work returns and the time of its fastest pass on this one thread.
pub(super) fn fastest<T>(mut work: impl FnMut() -> T) -> (T, Duration) {
    let mut pass = || {
        let begin = clock::now();
        let result = work();
        (result, begin.elapsed())
    };
    let mut best = pass();
    for _ in 1..PASSES {
        best = std::cmp::min_by_key(best, pass(), |(_, elapsed)| *elapsed);
    }
    best
}
