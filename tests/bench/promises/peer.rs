//! What a user would take instead: Prometheus 3 that evaluates Sloth's rules.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{past, sloth};
use crate::prometheus::{self, Server};

/// What its rules cost.
pub(super) struct Figures {
    pub(super) evaluations: f64,
    /// User and system time of one evaluation of all rules, less what it takes without rules.
    ///
    /// *Units*: seconds.
    pub(super) evaluation_seconds: f64,
    /// The share of a core that it takes without rules.
    pub(super) idle_cores: f64,
    pub(super) peak_rss_bytes: u64,
}

/// Groups are spread over this time. It is longer than the ten seconds that are compared, so that an evaluation does
/// not wait for the one before on a machine that can not keep up.
const INTERVAL: u64 = 30;
/// The first evaluation, which finds nothing in memory, does not count.
const EVALUATIONS: u64 = 3;
const LIMIT: Duration = Duration::from_secs(300);

/// Fills a Prometheus with thirty days of as many objectives and lets it evaluate the rules.
pub(super) fn measure(program: &Path, promtool: &Path, n_objectives: u32) -> Result<Figures> {
    let folder = tempfile::tempdir().context("making a folder for Prometheus")?;
    eprintln!("Prometheus: writing 30 d of {n_objectives} objectives");
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, sloth::rules(n_objectives, INTERVAL))?;
    past::write(promtool, &folder.path().join("data"), n_objectives)?;
    let n_rules = u64::from(n_objectives) * sloth::RULES_PER_OBJECTIVE;
    eprintln!("Prometheus: {} evaluations of {n_rules} rules", EVALUATIONS + 1);
    let server = Server::start(program, folder.path(), &format!("rule_files: [{rules:?}]\n"))?;
    server.wait_for(n_rules, LIMIT)?;
    let before = server.sample()?;
    server.wait_for(n_rules * (1 + EVALUATIONS), LIMIT)?;
    let after = server.sample()?;
    server.check_rules()?;
    for recorded in ["slo:sli_error:ratio_rate3d", "slo:period_error_budget_remaining:ratio"] {
        let count = server.count(recorded)?;
        ensure!(
            count == u64::from(n_objectives),
            "{count} objectives have {recorded}, must be {n_objectives}"
        );
    }
    let peak_rss_bytes = server.peak_rss_bytes()?;
    drop(server);
    let idle_cores = prometheus::idle_cores(program, folder.path())?;
    let evaluations = (after.evaluations - before.evaluations) as f64 / n_rules as f64;
    let seconds = after.cpu_since(&before) - idle_cores * after.seconds_since(&before);
    Ok(Figures { evaluations, evaluation_seconds: seconds / evaluations, idle_cores, peak_rss_bytes })
}
