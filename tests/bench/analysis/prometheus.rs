//! What a user would take instead: Prometheus 3 that evaluates adaptive bands as recording rules.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::history;
use crate::prometheus::{self, Server};

/// The mean of an hour and its deviation, the mean of 26 h of the deviations that are large enough, and the
/// band: 2 of these around the mean, and at least half of it. What Grafana publishes takes the band at the
/// same time of yesterday and of last week as well, which is left out here.
const RULES: &str = "groups:
- name: bands
  interval: 6s
  rules:
  - record: band:avg_1h
    expr: avg_over_time(requests[1h])
  - record: band:stddev_1h
    expr: stddev_over_time(requests[1h])
  - record: band:stddev_1h:filtered
    expr: band:stddev_1h > 0.5 * band:avg_1h
  - record: band:stddev_26h
    expr: avg_over_time(band:stddev_1h:filtered[26h])
  - record: band:upper
    expr: (band:avg_1h + 2 * band:stddev_26h) > 1.5 * band:avg_1h or 1.5 * band:avg_1h
  - record: band:lower
    expr: clamp_min((band:avg_1h - 2 * band:stddev_26h) < 0.5 * band:avg_1h or 0.5 * band:avg_1h, 0)
";
const N_RULES: u64 = 6;
/// The first evaluation, which finds nothing in memory, does not count.
const EVALUATIONS: u64 = 4;
const LIMIT: Duration = Duration::from_secs(150);

/// What its rules cost.
pub(super) struct Figures {
    pub(super) n_series: u32,
    pub(super) evaluations: f64,
    /// User and system time of the process, less what it takes without rules.
    pub(super) nanos_per_series: f64,
    /// The share of a core that it takes without rules.
    pub(super) idle_cores: f64,
}

/// Fills a Prometheus with 26 hours of as many series and lets it evaluate the rules.
pub(super) fn measure(program: &Path, promtool: &Path, n_series: u32) -> Result<Figures> {
    let folder = tempfile::tempdir().context("making a folder for Prometheus")?;
    eprintln!("Prometheus: writing 26 h of {n_series} series");
    history::write(promtool, &folder.path().join("data"), n_series)?;
    eprintln!("Prometheus: {} evaluations of {N_RULES} rules", EVALUATIONS + 1);
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, RULES)?;
    let server = Server::start(program, folder.path(), &format!("rule_files: [{rules:?}]\n"))?;
    server.wait_for(N_RULES, LIMIT)?;
    let before = server.sample()?;
    server.wait_for(N_RULES * (1 + EVALUATIONS), LIMIT)?;
    let after = server.sample()?;
    server.check_rules()?;
    for band in ["band:upper", "band:lower"] {
        let count = server.count(band)?;
        ensure!(count == u64::from(n_series), "{count} series have {band}, must be {n_series}");
    }
    drop(server);

    let idle_cores = prometheus::idle_cores(program, folder.path())?;

    let evaluations = (after.evaluations - before.evaluations) as f64 / N_RULES as f64;
    let seconds = after.cpu_since(&before) - idle_cores * after.seconds_since(&before);
    let nanos_per_series = seconds * 1e9 / evaluations / f64::from(n_series);
    Ok(Figures { n_series, evaluations, nanos_per_series, idle_cores })
}
