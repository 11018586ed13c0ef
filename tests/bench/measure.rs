//! One run: a collector is started, loaded, and read at both ends of the time that counts.

use std::net::{SocketAddr, TcpListener};
use std::path::Path as FilePath;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use testbed::Prometheus;
use tokio::task::LocalSet;

use crate::clock;
use crate::people;
use crate::process::{CpuTimes, Process};
use crate::sender::{self, Door, Load, Tally};
use crate::sink::{self, Arrivals};
use crate::spans::{Pool, SPAN_BYTES};
use crate::subject::{Subject, Surroundings};
use crate::tls::Tls;

const START_LIMIT: Duration = Duration::from_secs(20);
const RSS_PERIOD: Duration = Duration::from_millis(200);

/// What one run is.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) load: Load,
    /// What collectors find their certificates by.
    pub(crate) tls: Tls,
    /// Whether a Prometheus takes the metrics.
    pub(crate) has_prometheus: bool,
    pub(crate) sink_delay: Duration,
    /// Before anything counts.
    pub(crate) warm_up: Duration,
    pub(crate) measure: Duration,
}

/// What one run showed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// User and system time of the collector for each acknowledged span.
    pub(crate) cpu_nanos_per_span: f64,
    /// The system time of these.
    pub(crate) system_nanos_per_span: f64,
    pub(crate) acked_spans: u64,
    pub(crate) acked_spans_per_second: f64,
    pub(crate) refused_requests: u64,
    /// What reached the sink for each acknowledged span, decompressed.
    pub(crate) exported_bytes_per_span: f64,
    /// Spans that reached the sink for each acknowledged one, where they are counted.
    pub(crate) exported_spans_per_span: f64,
    pub(crate) exported_requests: u64,
    pub(crate) peak_rss_bytes: u64,
    /// Median of the samples taken five times per second.
    pub(crate) rss_bytes: u64,
    pub(crate) latency_p50_seconds: f64,
    pub(crate) latency_p99_seconds: f64,
}

/// Runs a collector under a load.
///
/// # Errors
///
/// When it does not start, ends, refuses what it should take, or acknowledges requests that have
/// not reached the sink.
pub(crate) async fn run(subject: &Subject, pool: &Rc<Pool>, plan: Plan) -> Result<Figures> {
    LocalSet::new().run_until(run_here(subject, pool, plan)).await
}

async fn run_here(subject: &Subject, pool: &Rc<Pool>, plan: Plan) -> Result<Figures> {
    let (sink, arrivals) = sink::start(&plan.load.to, plan.sink_delay).await?;
    let prometheus = if plan.has_prometheus { Some(people::prometheus()?) } else { None };
    let log = std::env::temp_dir().join(format!("trueline-bench-{}.log", std::process::id()));
    let (mut processes, mut addresses) = (Vec::new(), Vec::new());
    for cores in subject.processes {
        let address = free_address()?;
        let own_metrics = free_address()?;
        let around = Surroundings {
            endpoint: address.to_string(),
            sink: sink.to_string(),
            certificates: plan.tls.folder(),
            own_metrics_port: own_metrics.port(),
            remote_write: prometheus.as_ref().map(Prometheus::remote_write_url).unwrap_or_default(),
            log: &log,
        };
        let mut process = subject.start(cores, &around)?;
        if let Some(prometheus) = &prometheus {
            people::watch(prometheus, own_metrics)?;
        }
        until_ready(&mut process, address, &plan.load.to, pool).await.with_context(|| last_lines(&log))?;
        processes.push(process);
        addresses.push(address);
    }

    let tally = Rc::new(Tally::default());
    sender::start(&addresses, Rc::clone(pool), plan.load.clone(), &tally).await?;
    clock::sleep(plan.warm_up).await;
    let figures = observe(&processes, pool, &tally, &arrivals, plan.measure).await?;

    if let Some(failure) = tally.failure.borrow().as_ref() {
        bail!("{:?} failed under load: {failure}; {}", subject.kind, last_lines(&log));
    }
    ensure!(figures.acked_spans > 0, "{:?} acknowledged nothing; {}", subject.kind, last_lines(&log));
    check_arrivals(subject, pool, &tally, &arrivals)?;
    if let Some(prometheus) = &prometheus {
        people::check_metrics(prometheus, figures.acked_spans)?;
    }
    // The log may be gone already; nothing depends on it any more.
    std::fs::remove_file(&log).ok();
    Ok(figures)
}

/// Reads the collector's processes before and after `measure`.
async fn observe(
    processes: &[Process],
    pool: &Pool,
    tally: &Tally,
    arrivals: &Arrivals,
    measure: Duration,
) -> Result<Figures> {
    tally.forget_latencies();
    let (bytes_before, requests_before) = (arrivals.bytes.get(), arrivals.requests.get());
    let spans_before = arrivals.spans.get();
    let (acked_before, refused_before) = (tally.acked_requests.get(), tally.refused_requests.get());
    let before = CpuTimes::sum(processes)?;
    let begin = clock::now();

    let mut resident = Vec::new();
    while begin.elapsed() < measure {
        clock::sleep(RSS_PERIOD.min(measure.saturating_sub(begin.elapsed()))).await;
        resident.push(sum(processes, Process::rss_bytes)?);
    }

    let cpu = CpuTimes::sum(processes)?.since(before);
    let elapsed = begin.elapsed();
    let acked_spans = (tally.acked_requests.get() - acked_before) * pool.spans_per_request as u64;
    let mut latencies = tally.latencies.borrow().clone();
    latencies.sort_unstable();
    resident.sort_unstable();
    Ok(Figures {
        cpu_nanos_per_span: (cpu.user_nanos + cpu.system_nanos) as f64 / acked_spans.max(1) as f64,
        system_nanos_per_span: cpu.system_nanos as f64 / acked_spans.max(1) as f64,
        acked_spans,
        acked_spans_per_second: acked_spans as f64 / elapsed.as_secs_f64(),
        refused_requests: tally.refused_requests.get() - refused_before,
        exported_bytes_per_span: (arrivals.bytes.get() - bytes_before) as f64 / acked_spans.max(1) as f64,
        exported_spans_per_span: (arrivals.spans.get() - spans_before) as f64 / acked_spans.max(1) as f64,
        exported_requests: arrivals.requests.get() - requests_before,
        peak_rss_bytes: sum(processes, Process::peak_rss_bytes)?,
        rss_bytes: quantile(&resident, 0.5).unwrap_or_default(),
        latency_p50_seconds: quantile(&latencies, 0.5).unwrap_or_default().as_secs_f64(),
        latency_p99_seconds: quantile(&latencies, 0.99).unwrap_or_default().as_secs_f64(),
    })
}

fn sum(processes: &[Process], bytes: impl Fn(&Process) -> Result<u64>) -> Result<u64> {
    processes.iter().map(bytes).sum()
}

/// Whoever is configured to export must have exported what was acknowledged, whole.
fn check_arrivals(subject: &Subject, pool: &Pool, tally: &Tally, arrivals: &Arrivals) -> Result<()> {
    /// `trueline.anomaly.score` as a double in a span: key, value and their framing.
    const ADDED_BYTES: u64 = 36;
    let acked_spans = tally.acked_requests.get() * pool.spans_per_request as u64;
    let least_bytes = match subject.config {
        "full" => acked_spans * (SPAN_BYTES as u64 + ADDED_BYTES),
        "forward" | "idle" => tally.acked_bytes.get(),
        _ => 0,
    };
    let arrived_bytes = arrivals.bytes.get();
    ensure!(
        arrived_bytes >= least_bytes,
        "requests were acknowledged before they were exported: {arrived_bytes} bytes of {least_bytes} have \
         reached the sink"
    );
    Ok(())
}

async fn until_ready(process: &mut Process, address: SocketAddr, door: &Door, pool: &Pool) -> Result<()> {
    let begin = clock::now();
    let first = pool.frames.first().context("the pool is empty")?;
    loop {
        let error = match sender::probe(address, door, first.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        ensure!(process.is_alive(), "the collector ended at once");
        if begin.elapsed() > START_LIMIT {
            return Err(error.context("the collector did not take a request in time"));
        }
        clock::sleep(Duration::from_millis(50)).await;
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).context("looking for a free port")?.local_addr()?)
}

fn last_lines(log: &FilePath) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    format!("the end of its log:\n{}", lines[lines.len().saturating_sub(12)..].join("\n"))
}

/// Returns the value below which the given part of the sorted values lies.
pub(crate) fn quantile<T: Copy>(sorted: &[T], part: f64) -> Option<T> {
    sorted.get((sorted.len() as f64 * part) as usize).or(sorted.last()).copied()
}
