//! Measures a plan in a process of its own, so that its memory is that of the plan alone.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use model::Rollups;

use super::chain::{Chain, Counts};
use super::feed::{Feed, turns_hour};
use super::plan::{Figures, Plan, WIDTH_SECONDS};

/// The core on which everything is timed.
pub(crate) const CORE: usize = 0;

const HOUR: Duration = Duration::from_secs(3600);

/// Starts a process that measures, and waits for its figures.
pub(super) fn figures(plan: &Plan) -> Result<Figures> {
    let own = std::env::current_exe().context("finding this program")?;
    let output = Command::new(own)
        .args(["analysis", "--measure", &serde_json::to_string(plan)?])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("starting a process that measures")?;
    ensure!(output.status.success(), "the process that measures ended with {}", output.status);
    serde_json::from_slice(&output.stdout).context("reading what was measured")
}

/// Measures in this process.
pub(super) fn measure(plan: &Plan) -> Result<Figures> {
    ensure!(
        core_affinity::set_for_current(core_affinity::CoreId { id: CORE }),
        "cannot be pinned to core {CORE}"
    );
    let (mut feed, mut table) = Feed::new(plan);
    let before = memory("VmRSS:")?;
    let mut chain = Chain::new(plan)?;
    for _ in 0..plan.hours {
        feed.fill(&mut table);
        (table, _) = chain.judge(table, Counts::Nowhere)?;
        feed.skip(HOUR - Duration::from_secs(WIDTH_SECONDS));
    }
    let mut warm_rss_bytes = 0;
    for window in 0..plan.warm_up + plan.windows {
        if window == plan.warm_up {
            warm_rss_bytes = memory("VmRSS:")?.saturating_sub(before);
        }
        feed.fill(&mut table);
        let counts = match (window >= plan.warm_up, turns_hour(&table)) {
            (false, _) => Counts::Nowhere,
            (true, false) => Counts::AsPlain,
            (true, true) => Counts::AsHourTurn,
        };
        (table, _) = chain.judge(table, counts)?;
    }
    let n_anomalous = count_anomalous(&table)?;
    let rss_bytes = memory("VmRSS:")?.saturating_sub(before);
    let peak_rss_bytes = memory("VmHWM:")?.saturating_sub(before);
    let mut stages = chain.figures();
    let (mut checkpoint_rss_bytes, mut checkpoint_seconds) = (0, 0.0);
    if plan.with_checkpoints {
        let plain_seconds = stages.iter().map(|it| it.nanos).sum::<f64>() * f64::from(plan.n_series) / 1e9;
        for _ in 0..3 {
            feed.skip(HOUR);
            feed.fill(&mut table);
            let spent;
            (table, spent) = chain.judge(table, Counts::Nowhere)?;
            let seconds = spent.iter().sum::<Duration>().as_secs_f64();
            checkpoint_seconds = (seconds - plain_seconds).max(0.0);
        }
        // The first was made at the turn of an hour among the windows that count.
        checkpoint_rss_bytes = memory("VmRSS:")?.saturating_sub(before + warm_rss_bytes);
    }
    if plan.with_snapshots {
        for (stage, snapshot) in stages.iter_mut().zip(chain.snapshots(plan)?) {
            stage.snapshot = snapshot;
        }
    }
    Ok(Figures {
        stages,
        n_anomalous,
        warm_rss_bytes,
        rss_bytes,
        peak_rss_bytes,
        checkpoint_rss_bytes,
        checkpoint_seconds,
    })
}

/// Returns the number of rows that belong to an open episode.
///
/// *Errors*: a row has no score, so that its cost is not that of judging.
fn count_anomalous(table: &Rollups) -> Result<u64> {
    let Some(anomaly) = &table.anomaly else { return Ok(0) };
    let n_unscored = anomaly.score.iter().filter(|score| score.is_nan()).count();
    ensure!(n_unscored == 0, "{n_unscored} of {} rows have no score", table.len());
    Ok(anomaly.is_anomalous.iter().filter(|is_anomalous| **is_anomalous).count() as u64)
}

/// Returns a figure of this process's memory in bytes.
pub(crate) fn memory(field: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next());
    let kib: u64 = kib.with_context(|| format!("/proc/self/status without {field}"))?.parse()?;
    Ok(kib * 1024)
}
