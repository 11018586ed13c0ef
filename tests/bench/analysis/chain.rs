//! Stages one after the other, each timed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use component::{BuildCx, ConfiguredProcessor, Cx, Processor, Telemetry, Workbench};
use config::{Problems, Source};
use model::{Ack, Batch, Payload, Rollups};
use rustix::time::{ClockId, clock_gettime};

use super::plan::{Plan, SnapshotFigures, Stage, StageFigures};

/// Of so many snapshots the fastest counts.
const ROUNDS: usize = 3;

/// The analysis halves of a pipeline.
pub(super) struct Chain {
    links: Vec<Link>,
    bench: Workbench,
}

struct Link {
    stage: Stage,
    half: Box<dyn Processor>,
    /// Of the windows that count.
    plain_nanos: Vec<f64>,
    hour_turn_nanos: Vec<f64>,
}

/// To what a window's time is added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Counts {
    Nowhere,
    AsPlain,
    AsHourTurn,
}

impl Chain {
    pub(super) fn new(plan: &Plan) -> Result<Self> {
        let link = |stage: &Stage| {
            let half = build(*stage, plan)?;
            Ok(Link { stage: *stage, half, plain_nanos: Vec::new(), hour_turn_nanos: Vec::new() })
        };
        Ok(Self { links: plan.stages.iter().map(link).collect::<Result<_>>()?, bench: Workbench::default() })
    }

    /// Leads a window through all stages and returns it with what they added, and the time of each.
    ///
    /// *Errors*: a stage did not pass it on, or dropped rows.
    pub(super) fn judge(
        &mut self,
        mut table: Box<Rollups>,
        counts: Counts,
    ) -> Result<(Box<Rollups>, Vec<Duration>)> {
        let (now, n_rows) = (table.end(), table.len());
        let mut spent = Vec::with_capacity(self.links.len());
        for link in &mut self.links {
            let batch = Batch { payload: Payload::Rollups(table), items: n_rows as u64, ack: Ack::none() };
            let begin = thread_cpu_time();
            link.half.process(batch, &mut Cx::new(now, &mut self.bench));
            link.half.tick(&mut Cx::new(now, &mut self.bench));
            let time = thread_cpu_time() - begin;
            let nanos = time.as_nanos() as f64 / n_rows as f64;
            match counts {
                Counts::Nowhere => {}
                Counts::AsPlain => link.plain_nanos.push(nanos),
                Counts::AsHourTurn => link.hour_turn_nanos.push(nanos),
            }
            spent.push(time);
            table = passed_on(&mut self.bench, link.stage)?;
            ensure!(table.len() == n_rows, "{} passes {} rows of {n_rows}", link.stage.name(), table.len());
        }
        Ok((table, spent))
    }

    pub(super) fn figures(&self) -> Vec<StageFigures> {
        let of = |link: &Link| {
            let nanos = median(&link.plain_nanos);
            // A turn is settled in the window that ends there and in the next.
            let beyond = link.hour_turn_nanos.iter().map(|turn| (turn - nanos).max(0.0)).sum::<f64>();
            let n_turns = (link.hour_turn_nanos.len() / 2).max(1) as f64;
            StageFigures { stage: link.stage, nanos, hour_turn_nanos: beyond / n_turns, snapshot: None }
        };
        self.links.iter().map(of).collect()
    }

    /// Takes and restores snapshots of each stage; of stages without one there are no figures.
    pub(super) fn snapshots(&self, plan: &Plan) -> Result<Vec<Option<SnapshotFigures>>> {
        self.links.iter().map(|link| link.snapshot(plan)).collect()
    }
}

impl Link {
    fn snapshot(&self, plan: &Plan) -> Result<Option<SnapshotFigures>> {
        let (snapshot, take) = fastest(|| Ok(self.half.snapshot()))?;
        let Some(snapshot) = snapshot else { return Ok(None) };
        let mut restore = Duration::MAX;
        for _ in 0..ROUNDS {
            let (mut fresh, bytes) = (build(self.stage, plan)?, snapshot.clone());
            let begin = thread_cpu_time();
            fresh.restore(bytes).with_context(|| format!("restoring {}", self.stage.name()))?;
            restore = restore.min(thread_cpu_time() - begin);
            ensure!(
                fresh.snapshot().as_ref() == Some(&snapshot),
                "{} has another snapshot once it was restored from one",
                self.stage.name()
            );
        }
        Ok(Some(SnapshotFigures {
            bytes: snapshot.bytes.len() as u64,
            take_seconds: take.as_secs_f64(),
            restore_seconds: restore.as_secs_f64(),
        }))
    }
}

/// Tells whether this tree has the stage.
pub(super) fn exists(stage: Stage) -> bool {
    processors::processors().iter().any(|entry| entry.kind == stage.kind())
}

/// Builds a stage as the service does, from its section of a configuration.
fn build(stage: Stage, plan: &Plan) -> Result<Box<dyn Processor>> {
    let part = configured(stage.kind(), stage.settings(plan))?;
    let telemetry = Telemetry::default();
    let cx = BuildCx {
        id: stage.kind(),
        telemetry: &telemetry,
        instance_id: "bench",
        started_at: model::Timestamp::default(),
        is_watched: true,
    };
    part.analysis(&cx).with_context(|| format!("{} has no analysis half", stage.name()))
}

/// Reads the section of a processor as the service does.
pub(crate) fn configured(kind: &str, settings: String) -> Result<Arc<dyn ConfiguredProcessor>> {
    let entries = processors::processors();
    let entry = entries.iter().find(|entry| entry.kind == kind);
    let entry = entry.with_context(|| format!("no processor is named {kind}"))?;
    let settings = config::parse(&Source::new(kind, settings));
    let settings = settings.map_err(|problem| anyhow::anyhow!("{kind}: {problem:?}"))?;
    let mut problems = Problems::default();
    let part = (entry.parse)(&settings, &format!("processors::{kind}"), &mut problems);
    part.with_context(|| format!("the settings of {kind} are refused: {problems:?}"))
}

/// Takes the table from what a stage left; what it emitted beside goes nowhere.
fn passed_on(bench: &mut Workbench, stage: Stage) -> Result<Box<Rollups>> {
    if let Some((n_rows, reason)) = bench.rejected.first() {
        bail!("{} drops {n_rows} rows: {reason}", stage.name());
    }
    let tables = bench.out.drain(..).filter_map(|batch| match batch.payload {
        Payload::Rollups(table) => Some(table),
        _ => None,
    });
    // Rows for series that fell silent come before, in a table of their own; none does here.
    tables.last().with_context(|| format!("{} does not pass the window on", stage.name()))
}

/// Returns what the work returns and the CPU time of its fastest round.
fn fastest<T>(mut work: impl FnMut() -> Result<T>) -> Result<(T, Duration)> {
    let mut round = || {
        let begin = thread_cpu_time();
        let result = work()?;
        anyhow::Ok((result, thread_cpu_time() - begin))
    };
    let mut best = round()?;
    for _ in 1..ROUNDS {
        best = std::cmp::min_by_key(best, round()?, |(_, time)| *time);
    }
    Ok(best)
}

/// Returns the CPU time of this thread so far.
pub(crate) fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Returns the middle value; the mean of two.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    crate::report::median(&sorted)
}
