//! The past of a Prometheus, written as blocks by its own `promtool`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::{clock, prometheus};

/// Samples are a minute apart, as scraped by default.
const STEP: u64 = 60;
const HOUR: u64 = 3600;
/// Blocks are of this length and begin at its multiples.
const BLOCK: u64 = 2 * HOUR;
/// How far back the recorded deviations reach, and the requests.
const DEVIATIONS: u64 = 26 * HOUR + HOUR / 6;
const REQUESTS: u64 = HOUR + HOUR / 6;
const OPERATIONS_PER_SERVICE: u32 = 20;

/// Writes `requests` of the last hour and the recorded deviations of 26 hours, until now.
///
/// The deviations are above half of the mean, so that the rules drop none of them.
pub(super) fn write(promtool: &Path, data: &Path, n_series: u32) -> Result<()> {
    let now = clock::unix_nanos() / 1_000_000_000;
    let end = now - now % STEP;
    let mut start = end - DEVIATIONS;
    fs::create_dir_all(data)?;
    while start <= end {
        // One block at a time: promtool reads its whole input anew for each block that it makes.
        let block_end = (start - start % BLOCK + BLOCK).min(end + STEP);
        let input = data.with_extension("om");
        let mut out = BufWriter::new(File::create(&input)?);
        family(&mut out, "band:stddev_1h:filtered", n_series, start..block_end, |random| {
            20.0 + random.random_range(0.0..2.0)
        })?;
        let first = start.max(end - REQUESTS);
        if first < block_end {
            family(&mut out, "requests", n_series, first..block_end, |random| {
                // Exponential: the deviation is as large as the mean.
                -20.0 * (1.0 - random.random::<f64>()).ln()
            })?;
        }
        writeln!(out, "# EOF")?;
        out.flush()?;
        drop(out);
        prometheus::import(promtool, &input, data, BLOCK)?;
        start = block_end;
    }
    Ok(())
}

/// Writes the samples of one metric, series by series.
fn family(
    out: &mut impl Write,
    name: &str,
    n_series: u32,
    seconds: std::ops::Range<u64>,
    mut value: impl FnMut(&mut Pcg64Mcg) -> f64,
) -> Result<()> {
    writeln!(out, "# TYPE {name} gauge")?;
    let mut random = Pcg64Mcg::seed_from_u64(seconds.start);
    let first = seconds.start.next_multiple_of(STEP);
    for series in 0..n_series {
        let (service, operation) = (series / OPERATIONS_PER_SERVICE, series % OPERATIONS_PER_SERVICE);
        let head =
            format!("{name}{{service=\"service-{service}\",operation=\"GET /operation-{operation}\"}}");
        for second in (first..seconds.end).step_by(STEP as usize) {
            writeln!(out, "{head} {:.3} {second}", value(&mut random))?;
        }
    }
    Ok(())
}
