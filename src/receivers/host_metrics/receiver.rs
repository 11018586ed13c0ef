//! Collects at an interval, and pushes what was found.

use std::sync::Arc;

use component::{BoxError, Clock, Counter, Placement, Receiver, ReceiverCx, ReceiverDef, Stop};
use futures_util::future::LocalBoxFuture;
use model::{SignalSet, Timestamp};
use procfs_core::KernelStats;
use tokio::task::{JoinHandle, spawn_blocking};
use wire::build::{Attributes, MetricsWriter};

use super::{
    config::HostMetricsConfig,
    host::Host,
    scrapers::{Running, build},
};
use crate::push::Pusher;

const TRANSPORT: &str = "host";
/// Dashboards of the collector ask for this scope.
const SCOPE: &str =
    "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver/internal/scraper";

/// The `host_metrics` receiver.
pub(crate) struct HostMetrics;

impl ReceiverDef for HostMetrics {
    const KIND: &'static str = "host_metrics";
    const ALIASES: &'static [&'static str] = &["hostmetrics"];
    const SIGNALS: SignalSet = SignalSet::METRICS;
    const PLACEMENT: Placement = Placement::Once;
    type Config = HostMetricsConfig;

    fn build(config: &HostMetricsConfig, cx: &ReceiverCx) -> Box<dyn Receiver> {
        let scrapers = build(&config.scrapers);
        let meters = scrapers.iter().map(|running| {
            let telemetry = cx.telemetry.with("scraper", running.name);
            Meters {
                scraped: telemetry.counter(
                    "otelcol_scraper_scraped_metric_points",
                    "Number of metric points successfully scraped.",
                    "{datapoint}",
                ),
                errored: telemetry.counter(
                    "otelcol_scraper_errored_metric_points",
                    "Number of metric points that were unable to be scraped.",
                    "{datapoint}",
                ),
                is_failing: false,
            }
        });
        let dropped = cx.telemetry.counter(
            "otelcol_receiver_host_metrics_dropped_metric_points",
            "Metric points that pipelines did not take until the next collection.",
            "{datapoint}",
        );
        let pusher = Pusher::new(cx, TRANSPORT, "what host_metrics has collected", dropped);
        Box::new(Collector {
            meters: meters.collect(),
            crew: Some(Crew { host: Host::new(&config.root_path), scrapers, started_at: None }),
            late: None,
            pusher,
            clock: Arc::clone(&cx.clock),
            config: config.clone(),
        })
    }
}

struct Collector {
    pusher: Pusher,
    clock: Arc<dyn Clock>,
    config: HostMetricsConfig,
    /// By scraper.
    meters: Vec<Meters>,
    /// None while it collects.
    crew: Option<Crew>,
    /// A collection that did not end in time; another begins when it has.
    late: Option<JoinHandle<Collected>>,
}

struct Meters {
    scraped: Counter,
    errored: Counter,
    is_failing: bool,
}

/// What reads, on a thread that may wait.
struct Crew {
    host: Host,
    scrapers: Vec<Running>,
    /// When the machine was started. *Units*: nanoseconds since the epoch.
    started_at: Option<u64>,
}

/// What one collection has found.
struct Collected {
    crew: Crew,
    request: Vec<u8>,
    n_points: u64,
    /// By scraper: how many points it told, how many it did not, and why.
    outcomes: Vec<(u64, u64, Option<String>)>,
}

impl Crew {
    fn collect(mut self, now: Timestamp) -> Collected {
        let start = *self.started_at.get_or_insert_with(|| {
            let stats = self.host.parse_with_info::<KernelStats>("/proc/stat");
            stats.map_or(0, |stats| stats.btime.saturating_mul(1_000_000_000))
        });
        let mut writer = MetricsWriter::new();
        writer.resource(&Attributes::new());
        let (mut n_points, mut outcomes) = (0, Vec::new());
        for running in &mut self.scrapers {
            let found = running.scraper.scrape(&self.host, &mut running.sheet);
            let scope = format!("{SCOPE}/{}scraper", running.name);
            let told = running.sheet.write(&scope, start, now.as_nanos(), &mut writer);
            let untold = std::mem::take(&mut running.sheet.left_out)
                + found.as_ref().err().map_or(0, |_| running.sheet.n_told());
            n_points += told;
            outcomes.push((told, untold, found.err()));
        }
        Collected { request: writer.take(), n_points, outcomes, crew: self }
    }
}

impl Receiver for Collector {
    fn run(mut self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let interval = self.config.collection_interval.get();
            let mut next = self.clock.now() + self.config.initial_delay.get();
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    () = self.clock.sleep_until(next) => {}
                }
                let now = self.clock.now();
                // What was missed while the machine slept is not made up for.
                next = (next + interval).max(now);
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    done = self.collect_and_push(now, next) => done?,
                }
            }
        })
    }
}

impl Collector {
    async fn collect_and_push(&mut self, now: Timestamp, until: Timestamp) -> Result<(), BoxError> {
        let timeout = self.config.timeout.get();
        let patience = if timeout.is_zero() { until } else { until.min(now + timeout) };
        let mut job = match (self.late.take(), self.crew.take()) {
            (Some(late), _) => late,
            (None, Some(crew)) => spawn_blocking(move || crew.collect(now)),
            (None, None) => return Err("the collection before has failed".into()),
        };
        let collected = tokio::select! {
            biased;
            ended = &mut job => ended?,
            () = self.clock.sleep_until(patience) => {
                tracing::warn!("a collection of host_metrics did not end in time, the next begins when it has");
                self.late = Some(job);
                return Ok(());
            }
        };
        let Collected { crew, request, n_points, outcomes } = collected;
        for ((told, untold, problem), (meters, running)) in
            outcomes.into_iter().zip(self.meters.iter_mut().zip(&crew.scrapers))
        {
            meters.tell(running.name, told, untold, problem);
        }
        self.crew = Some(crew);
        if n_points > 0 {
            self.pusher.push(request.into(), n_points, until).await;
        }
        Ok(())
    }
}

impl Meters {
    /// Counts, and tells once when a scraper begins to fail and when it works again.
    fn tell(&mut self, scraper: &str, told: u64, untold: u64, problem: Option<String>) {
        self.scraped.add(told);
        self.errored.add(untold);
        match (problem, self.is_failing) {
            (Some(problem), false) => tracing::warn!(scraper, problem, "a scraper of host_metrics fails"),
            (None, true) => tracing::info!(scraper, "a scraper of host_metrics works again"),
            _ => return,
        }
        self.is_failing = !self.is_failing;
    }
}
