//! Times trueline against the Go collector: the same bytes, the same core, run alternately.
//!
//! `cargo run --release -p bench -- [PATH…]`; see README.md for what each path is. `bench detection` scores
//! detectors instead, `bench incidents` causes of faults; `bench analysis` times the stages that judge,
//! `bench promises` objectives and rules, `bench costs` the stages that find causes, `bench replay` the past.

mod analysis;
mod clock;
mod costs;
mod detection;
mod incidents;
mod machine;
mod measure;
mod paths;
mod people;
mod petshop;
mod process;
mod prometheus;
mod promises;
mod replay;
mod report;
mod sender;
mod sink;
mod spans;
mod subject;
mod table;
mod tls;
mod walk;

use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

use crate::machine::Machine;
use crate::measure::{Figures, Plan};
use crate::paths::{Against, Path, Rate, Transport};
use crate::report::{Other, PathResult, Report};
use crate::sender::{Door, Load};
use crate::spans::{Pool, Traffic};
use crate::subject::{Kind, Subject};
use crate::tls::Tls;

/// trueline's own, so that stages that run in this process find their memory as they do there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sender and sink have this core.
const OWN_CORE: usize = 1;
/// A collector that has the other core.
const ALONE: &[&str] = &["0"];
/// One process on both cores.
const TOGETHER: &[&str] = &["0,1"];
/// A process on each core.
const APART: &[&str] = &["0", "1"];

/// Times trueline against the Go collector.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Paths to time; all when none is named.
    paths: Vec<String>,
    /// Alternating pairs of runs for each path.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Seconds of each run that count.
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// A trueline binary, instead of building this tree's.
    #[arg(long, value_name = "FILE", conflicts_with = "peer_only")]
    trueline: Option<PathBuf>,
    /// Another trueline binary to compare with, instead of the Go collector: a change against its base.
    #[arg(long, value_name = "FILE", conflicts_with = "peer_only")]
    baseline: Option<PathBuf>,
    /// Run the Go collector alone.
    #[arg(long)]
    peer_only: bool,
    /// Longest DATA frame of the sender; receivers may ask for shorter ones. Go senders write 16384.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    frame_bytes: usize,
    /// Seed of the spans.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON with every run instead of the table.
    #[arg(long)]
    json: bool,
}

/// What is measured instead of the paths.
#[derive(Subcommand)]
enum Command {
    Analysis(analysis::Args),
    Promises(promises::Args),
    Costs(costs::Args),
    Detection(detection::Args),
    Incidents(incidents::Args),
    Replay(replay::Args),
}

fn main() -> Result<()> {
    let args = Args::parse();
    match &args.command {
        Some(Command::Analysis(args)) => return analysis::run(args),
        Some(Command::Promises(args)) => return promises::run(args),
        Some(Command::Costs(args)) => return costs::run(args),
        Some(Command::Detection(args)) => return detection::run(args),
        Some(Command::Incidents(args)) => return incidents::run(args),
        Some(Command::Replay(args)) => return replay::run(args),
        None => {}
    }
    let paths = paths::named(&args.paths)?;
    ensure!(args.pairs > 0, "--pairs is 0, must be at least 1");
    ensure!(args.seconds >= 0.5, "--seconds is {}, must be at least 0.5", args.seconds);
    let trueline = match (args.peer_only, &args.trueline) {
        (true, _) => None,
        (false, Some(binary)) => Some(binary.clone()),
        (false, None) => Some(subject::build_trueline()?),
    };
    let otelcol = subject::find_otelcol();
    if otelcol.is_none() && args.baseline.is_none() {
        eprintln!("the Go collector is not built (tests/testbed/build.sh otelcol): our figures alone");
    }
    ensure!(
        core_affinity::set_for_current(core_affinity::CoreId { id: OWN_CORE }),
        "the sender cannot be pinned to core {OWN_CORE}; two cores are needed"
    );

    let pool = Pool::of(paths::PATHS[0].traffic, args.seed, clock::unix_nanos());
    let reference_walk_nanos_per_span = walk::nanos_per_span(&pool)?;
    eprintln!("reference walk in memory: {reference_walk_nanos_per_span:.0} ns/span");
    let other = match (&args.baseline, &otelcol) {
        (Some(baseline), _) => Some(Other::Baseline(baseline.display().to_string())),
        (None, Some(_)) => Some(Other::Otelcol("0.155.0")),
        (None, None) => None,
    };
    let certificates = tempfile::tempdir().context("making a folder for certificates")?;
    let tls = Tls::new(certificates.path())?;
    let mut bench = Bench { args, trueline, otelcol, tls, pool: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let paced_walk_nanos_per_span = runtime.block_on(walk::paced_nanos_per_span(&pool))?;
    eprintln!("the same at 60,000 spans/s: {paced_walk_nanos_per_span:.0} ns/span");
    let results = runtime.block_on(async {
        let mut results = Vec::new();
        for path in paths {
            results.push(bench.path(path).await.with_context(|| format!("path {}", path.name))?);
        }
        anyhow::Ok(results)
    })?;

    let report = Report {
        machine: Machine::here(),
        other,
        seconds_per_run: bench.args.seconds,
        reference_walk_nanos_per_span,
        paced_walk_nanos_per_span,
        paths: results,
    };
    let text = if bench.args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        report::markdown(&report)
    };
    std::io::stdout().write_all(text.as_bytes()).context("writing the report")
}

/// What stays the same over all paths.
struct Bench {
    args: Args,
    trueline: Option<PathBuf>,
    otelcol: Option<PathBuf>,
    tls: Tls,
    /// Pools are large, and paths of one traffic stand together: only the last is kept.
    pool: Option<(Traffic, Transport, Rc<Pool>)>,
}

/// A rate that no collector is busy with. *Units*: spans per second.
const CALM: f64 = 4_000.0;
/// Between what two collectors export of the same spans: their requests are framed otherwise, and what waits at both ends
/// of a run differs.
const ALIKE: f64 = 0.15;

impl Bench {
    /// Runs all pairs of one path.
    async fn path(&mut self, path: Path) -> Result<PathResult> {
        let pool = self.pool(path)?;
        let (ours, theirs) = self.subjects(path);
        let (our_rate, their_rate) = self.rates(path, &pool, ours.as_ref(), theirs.as_ref()).await?;
        let n_pairs = if path.one_run_of.is_some() { 1 } else { self.args.pairs };
        let (mut our_runs, mut their_runs) = (Vec::new(), Vec::new());
        for pair in 0..n_pairs {
            let progress = format!("{} {}/{n_pairs}", path.name, pair + 1);
            if let Some(theirs) = &theirs {
                their_runs.push(self.run(&progress, path, theirs, &pool, their_rate).await?);
            }
            if let Some(ours) = &ours {
                our_runs.push(self.run(&progress, path, ours, &pool, our_rate).await?);
            }
        }
        let is_alike = our_runs.iter().zip(&their_runs).all(|(ours, theirs)| {
            let (ours, theirs, least) = match path.counts_spans {
                // Where nothing is kept, nothing is compared.
                true if theirs.exported_spans_per_span == 0.0 => return false,
                true => (ours.exported_spans_per_span, theirs.exported_spans_per_span, 0.0),
                false => (ours.exported_bytes_per_span, theirs.exported_bytes_per_span, 1.0),
            };
            (ours - theirs).abs() <= ALIKE * theirs.max(least)
        });
        if !is_alike {
            eprintln!("{}: the two did not export the same, so the row says nothing", path.name);
        }
        let has_floor = self.args.baseline.is_none() && is_alike;
        Ok(PathResult::new(path, our_runs, their_runs, has_floor))
    }

    async fn run(
        &self,
        progress: &str,
        path: Path,
        subject: &Subject,
        pool: &Rc<Pool>,
        rate: Option<f64>,
    ) -> Result<Figures> {
        let measure =
            path.one_run_of.unwrap_or(Duration::from_secs_f64(self.args.seconds)).max(path.at_least);
        let counts_spans = path.counts_spans;
        let to = match path.transport {
            Transport::Plain => Door { tls: None, encoding: "identity", counts_spans },
            Transport::TlsGzip => Door { tls: Some(self.tls.clone()), encoding: "gzip", counts_spans },
        };
        let load = Load {
            connections: path.connections,
            in_flight: path.in_flight,
            rate,
            frame_bytes: self.args.frame_bytes,
            to,
        };
        let has_prometheus = path.config == "people";
        let tls = self.tls.clone();
        let Path { sink_delay, warm_up, .. } = path;
        let plan = Plan { load, tls, has_prometheus, sink_delay, warm_up, measure };
        let figures = measure::run(subject, pool, plan).await?;
        eprintln!(
            "{progress} {:?} ({} shards): {:.0} ns/span ({:.0} in the kernel), {:.0} spans/s, {:.0} bytes of each out in {} requests, peak {} MB, ack p50 {:.2} ms p99 {:.2} ms, {} refused",
            subject.kind,
            subject.shards,
            figures.cpu_nanos_per_span,
            figures.system_nanos_per_span,
            figures.acked_spans_per_second,
            figures.exported_bytes_per_span,
            figures.exported_requests,
            figures.peak_rss_bytes / 1_000_000,
            figures.latency_p50_seconds * 1e3,
            figures.latency_p99_seconds * 1e3,
            figures.refused_requests,
        );
        Ok(figures)
    }

    /// Returns what is timed and what it is compared with.
    fn subjects(&self, path: Path) -> (Option<Subject>, Option<Subject>) {
        let subject = |kind, binary: &Option<PathBuf>, shards, processes| {
            let (config, binary) = (path.config, binary.clone()?);
            Some(Subject { kind, binary, shards, processes, config, environment: &[] })
        };
        let trueline = |shards, processes| subject(Kind::Trueline, &self.trueline, shards, processes);
        let (shards, processes) = match path.against {
            Against::OneShard => (2, TOGETHER),
            Against::Otelcol | Against::Itself(_) => (1, ALONE),
        };
        if self.args.baseline.is_some() {
            let baseline = subject(Kind::Baseline, &self.args.baseline, shards, processes);
            return (trueline(shards, processes), baseline);
        }
        let mut theirs = match path.against {
            Against::OneShard => trueline(1, APART),
            Against::Itself(config) => trueline(1, ALONE).map(|itself| Subject { config, ..itself }),
            Against::Otelcol => subject(Kind::Otelcol, &self.otelcol, shards, processes),
        };
        if let Some(theirs) = &mut theirs {
            theirs.environment = path.environment;
        }
        (trueline(shards, processes), theirs)
    }

    /// Returns the rates for ours and theirs, by a saturated run of each where they are relative.
    async fn rates(
        &self,
        path: Path,
        pool: &Rc<Pool>,
        ours: Option<&Subject>,
        theirs: Option<&Subject>,
    ) -> Result<(Option<f64>, Option<f64>)> {
        let half = async |subject: Option<&Subject>| -> Result<Option<f64>> {
            let Some(subject) = subject else { return Ok(None) };
            let progress = format!("{} at saturation", path.name);
            let figures = self.run(&progress, path, subject, pool, None).await?;
            Ok(Some(figures.acked_spans_per_second / 2.0))
        };
        match path.rate {
            Rate::Saturated => Ok((None, None)),
            Rate::Fixed(rate) => Ok((Some(rate), Some(rate))),
            Rate::HalfOfPeer => {
                let rate = half(theirs.or(ours)).await?;
                Ok((rate, rate))
            }
            Rate::HalfOfOwn => Ok((half(ours).await?, half(theirs).await?)),
            Rate::HalfBusyPeer => {
                let Some(subject) = theirs.or(ours) else { return Ok((None, None)) };
                let progress = format!("{} for the rate", path.name);
                let figures = self.run(&progress, path, subject, pool, Some(CALM)).await?;
                let rate = Some(0.5 * 1e9 / figures.cpu_nanos_per_span);
                Ok((rate, rate))
            }
        }
    }

    fn pool(&mut self, path: Path) -> Result<Rc<Pool>> {
        let known = self
            .pool
            .as_ref()
            .filter(|(traffic, transport, _)| (*traffic, *transport) == (path.traffic, path.transport));
        if let Some((_, _, pool)) = known {
            return Ok(Rc::clone(pool));
        }
        self.pool = None;
        let pool = Pool::of(path.traffic, self.args.seed, clock::unix_nanos());
        let pool = Rc::new(match path.transport {
            Transport::Plain => pool,
            Transport::TlsGzip => pool.gzipped()?,
        });
        self.pool = Some((path.traffic, path.transport, Rc::clone(&pool)));
        Ok(pool)
    }
}
