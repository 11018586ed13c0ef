//! Times the stages that judge closed windows: `baseline`, `anomaly` and `forecast`.
//!
//! `cargo run --release -p bench -- analysis`; see README.md beside this file for what each figure is. Each
//! plan is measured in a process of its own, pinned to one core; Prometheus with recording rules for adaptive
//! bands runs on the same core afterwards.

mod chain;
mod child;
mod feed;
mod history;
mod plan;
mod prometheus;
mod tables;
mod touch;

use std::io::Write;

use anyhow::{Context, Result, ensure};

pub(crate) use self::chain::{configured, thread_cpu_time};
pub(crate) use self::child::{CORE, memory};
use self::plan::{Figures, Order, Plan, Stage};
pub(crate) use self::tables::{met, none, scaled, thousands};
use crate::spans::Pool;
use crate::{clock, paths, table, walk};

/// Times the stages that judge closed windows, beside Prometheus with recording rules.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The most series that are measured.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    series: u32,
    /// Leave Prometheus out.
    #[arg(long)]
    without_prometheus: bool,
    #[command(flatten)]
    output: table::Output,
    /// Measure this plan in this process and print JSON: what this command starts for each plan.
    #[arg(long, value_name = "JSON", hide = true)]
    measure: Option<String>,
}

/// Windows before those that count: 60 until a series is known, then as many as fill what is remembered.
const WARM_UP: u64 = 100;
/// A day and two hours: the daily course is known, and forecasts of a day are told.
const OLD: u64 = 26 * 360;
/// Nine days, by which a series has all the memory that it will ever have: a week makes a trend.
const OLDEST_HOURS: u64 = 9 * 24;
/// Series, and windows that count.
const SIZES: [(u32, u64); 4] = [(1_000, 720), (10_000, 180), (100_000, 36), (1_000_000, 12)];
/// Where stages are told apart, and snapshots are taken.
const STAGES_AT: (u32, u64) = SIZES[2];
/// Where memory has a limit.
const MOST: (u32, u64) = SIZES[3];
const PEER_SERIES: u32 = 10_000;

/// Everything that was measured.
struct Measured {
    reference_walk_nanos: f64,
    runs: Vec<Run>,
    touches: Vec<Touch>,
    peer: Option<prometheus::Figures>,
}

/// A plan and what came of it.
struct Run {
    plan: Plan,
    figures: Figures,
}

/// What it costs to reach the bytes of as many series.
struct Touch {
    n_series: u32,
    in_order_nanos: f64,
    at_random_nanos: f64,
}

/// Measures all and writes the tables to stdout.
pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(plan) = &args.measure {
        let plan = serde_json::from_str(plan).context("--measure is no plan")?;
        let figures = serde_json::to_string(&child::measure(&plan)?)?;
        return std::io::stdout().write_all(figures.as_bytes()).context("writing the figures");
    }
    ensure!(args.series >= SIZES[0].0, "--series is {}, must be at least {}", args.series, SIZES[0].0);
    let measured = measure(args)?;
    let report = tables::report(&measured);
    args.output.write(&report, "analysis")
}

fn measure(args: &Args) -> Result<Measured> {
    ensure!(
        core_affinity::set_for_current(core_affinity::CoreId { id: CORE }),
        "cannot be pinned to core {}",
        CORE
    );
    let before = reference_walk()?;
    let mut runs = Vec::new();
    for plan in plans() {
        if plan.n_series > args.series {
            continue;
        }
        let stages: Vec<_> = plan.stages.iter().map(|stage| stage.name()).collect();
        let (n_series, n_windows) = (plan.n_series, plan.warm_up + plan.windows);
        eprintln!("{n_series} series, {n_windows} windows: {}", stages.join(", "));
        let figures = child::figures(&plan).with_context(|| format!("{plan:?}"))?;
        runs.push(Run { plan, figures });
    }
    let touches = touches(&runs);
    let reference_walk_nanos = before.min(reference_walk()?);
    let peer = if args.without_prometheus { None } else { peer()? };
    Ok(Measured { reference_walk_nanos, runs, touches, peer })
}

/// Reaches the memory that all stages keep of each series, where it lies.
fn touches(runs: &[Run]) -> Vec<Touch> {
    let sizes = SIZES.iter().filter(|(n_series, _)| runs.iter().any(|run| run.plan.n_series == *n_series));
    let touch = |&(n_series, _): &(u32, u64)| Touch {
        n_series,
        in_order_nanos: touch::nanos_per_series(n_series, Order::Rows),
        at_random_nanos: touch::nanos_per_series(n_series, Order::Shuffled),
    };
    sizes.map(touch).collect()
}

/// Returns the plans.
fn plans() -> Vec<Plan> {
    let judge = |anomaly: Stage| {
        let stages = [Stage::Baseline, anomaly, Stage::Forecast];
        stages.into_iter().filter(|stage| chain::exists(*stage)).collect::<Vec<_>>()
    };
    let plan = |stages: Vec<Stage>, (n_series, windows): (u32, u64)| Plan {
        n_series,
        stages,
        hours: 0,
        warm_up: WARM_UP,
        windows,
        order: Order::Rows,
        with_snapshots: false,
        with_checkpoints: false,
    };
    let mut plans = vec![
        plan(vec![Stage::Baseline], STAGES_AT),
        Plan {
            with_checkpoints: true,
            with_snapshots: true,
            ..plan(vec![Stage::Baseline, Stage::Novelty], STAGES_AT)
        },
        plan(vec![Stage::Baseline, Stage::Seasonal], STAGES_AT),
        plan(vec![Stage::Baseline, Stage::Novelty], STAGES_AT),
        plan(vec![Stage::Baseline, Stage::Pattern], STAGES_AT),
    ];
    for size in SIZES {
        let with_snapshots = size == STAGES_AT;
        plans.push(Plan { with_snapshots, ..plan(judge(Stage::Novelty), size) });
    }
    plans.push(plan(vec![Stage::Baseline, Stage::Novelty], MOST));
    plans.push(plan(vec![Stage::Baseline, Stage::Novelty, Stage::ForecastOfRates], MOST));
    plans.push(Plan { hours: OLDEST_HOURS, ..plan(judge(Stage::Novelty), MOST) });
    plans.push(Plan { order: Order::Shuffled, ..plan(judge(Stage::Novelty), STAGES_AT) });
    plans.push(Plan { warm_up: OLD, ..plan(judge(Stage::Novelty), SIZES[0]) });
    plans
}

/// Returns the reference walk of README.md, by which limits are scaled.
pub(crate) fn reference_walk() -> Result<f64> {
    walk::nanos_per_span(&Pool::of(paths::PATHS[0].traffic, 1, clock::unix_nanos()))
}

/// Measures Prometheus; none when it is not built.
fn peer() -> Result<Option<prometheus::Figures>> {
    match (testbed::part("prometheus", "prometheus"), testbed::part("prometheus", "promtool")) {
        (Ok(program), Ok(promtool)) => Ok(Some(prometheus::measure(&program, &promtool, PEER_SERIES)?)),
        (Err(problem), _) | (_, Err(problem)) => {
            eprintln!("Prometheus is left out: {problem:#}");
            Ok(None)
        }
    }
}
