//! Thirty days of a Prometheus that has Sloth's rules, written as blocks by its own `promtool`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;

use anyhow::Result;

use super::sloth::service;
use crate::{clock, prometheus};

/// Counters have a sample a minute, as scraped by default, for the longest window that reads them.
const SCRAPE: u64 = 60;
const COUNTERS: u64 = 3 * 86_400 + 3_600;
/// Of the recorded ratios a sample is kept each five minutes. Prometheus would have one of each evaluation, which is
/// thirty times as many, and would read them all for the ratio of thirty days.
const RECORDED: u64 = 300;
const PERIOD: u64 = 30 * 86_400;
/// The last hours come at the end, in a block that is quickly made, so that rates of five minutes find samples.
const BLOCK: u64 = 54 * 3_600;
const LAST: u64 = 2 * 3_600;

/// Writes counters of three days and the ratios that were recorded in thirty, until now.
pub(super) fn write(promtool: &Path, data: &Path, n_objectives: u32) -> Result<()> {
    fs::create_dir_all(data)?;
    let now = clock::unix_nanos() / 1_000_000_000;
    let begin = now - PERIOD;
    let last = now - now % LAST;
    let mut start = begin;
    while start < last {
        let end = (start - start % BLOCK + BLOCK).min(last);
        block(promtool, data, n_objectives, start..end, BLOCK, now)?;
        start = end;
    }
    let now = clock::unix_nanos() / 1_000_000_000;
    block(promtool, data, n_objectives, last..now, LAST, now)
}

fn block(
    promtool: &Path,
    data: &Path,
    n_objectives: u32,
    seconds: Range<u64>,
    block_seconds: u64,
    now: u64,
) -> Result<()> {
    let input = data.with_extension("om");
    let mut out = BufWriter::new(File::create(&input)?);
    writeln!(out, "# TYPE slo:sli_error:ratio_rate5m gauge")?;
    for number in 0..n_objectives {
        let service = service(number);
        for second in every(RECORDED, &seconds) {
            writeln!(
                out,
                "slo:sli_error:ratio_rate5m{{sloth_id=\"{service}-availability\",sloth_service=\"{service}\",\
                 sloth_slo=\"availability\",sloth_window=\"5m\"}} {} {second}",
                0.000_2 + 0.000_1 * ((second / RECORDED + u64::from(number)) % 7) as f64
            )?;
        }
    }
    let counted = seconds.start.max(now - COUNTERS)..seconds.end;
    writeln!(out, "# TYPE requests counter")?;
    for number in 0..n_objectives {
        let service = service(number);
        for (code, per_scrape) in [("200", 599), ("500", 1)] {
            for second in every(SCRAPE, &counted) {
                let total = (second - (now - PERIOD)) / SCRAPE * per_scrape;
                writeln!(out, "requests_total{{service=\"{service}\",code=\"{code}\"}} {total} {second}")?;
            }
        }
    }
    writeln!(out, "# EOF")?;
    out.flush()?;
    drop(out);
    prometheus::import(promtool, &input, data, block_seconds)
}

/// The whole multiples of a step within a span of time.
fn every(step: u64, seconds: &Range<u64>) -> impl Iterator<Item = u64> {
    (seconds.start.next_multiple_of(step)..seconds.end).step_by(step as usize)
}
