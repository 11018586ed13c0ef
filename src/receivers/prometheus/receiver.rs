//! Asks each target at its interval, and pushes what it shows.

use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};

use component::{BoxError, Clock, Counter, Placement, Receiver, ReceiverCx, ReceiverDef, Stop, Telemetry};
use futures_util::future::{LocalBoxFuture, try_join_all};
use model::{SignalSet, Timestamp};
use tokio::{sync::Semaphore, task::spawn_blocking};

use transport::Room;

use super::{
    config::{Job, PrometheusConfig, jobs},
    fetch::{Failure, Fetcher, REASONS},
    history::History,
    scrape::{Digest, Scrape},
    target::Target,
};
use crate::push::Pusher;

const TRANSPORT: &str = "http";
/// So many answers are read at the same time: what reading needs is many times what it reads.
const MOST_READERS: usize = 2;
/// A scrape that is later than this by no more bears the time at which it was due.
const TOLERANCE: Duration = Duration::from_millis(2);

/// The `prometheus` receiver.
pub(crate) struct Prometheus;

impl ReceiverDef for Prometheus {
    const KIND: &'static str = "prometheus";
    const SIGNALS: SignalSet = SignalSet::METRICS;
    const PLACEMENT: Placement = Placement::Once;
    type Config = PrometheusConfig;

    fn build(config: &PrometheusConfig, cx: &ReceiverCx) -> Box<dyn Receiver> {
        let mut watches = Vec::new();
        let room = Room::new(config.max_body_bytes.0);
        for job in jobs(config) {
            let job = Arc::new(job);
            let fetcher = Rc::new(Fetcher::new(&job, &room, &cx.clock, &cx.telemetry));
            let telemetry = cx.telemetry.with("job", &job.scrape.job_name.0);
            let meters = Rc::new(Meters::new(&telemetry));
            watches.extend(job.targets.iter().map(|target| Watch {
                job: Arc::clone(&job),
                target: Arc::new(target.clone()),
                fetcher: Rc::clone(&fetcher),
                meters: Rc::clone(&meters),
                history: Some(History::default()),
                is_failing: false,
            }));
        }
        let dropped = cx.telemetry.counter(
            "otelcol_receiver_prometheus_dropped_metric_points",
            "Metric points that pipelines did not take until the next scrape.",
            "{datapoint}",
        );
        let pusher = Pusher::new(cx, TRANSPORT, "what a target shows", dropped);
        let shared = Shared {
            pusher,
            clock: Arc::clone(&cx.clock),
            readers: Arc::new(Semaphore::new(MOST_READERS)),
            offset: config.initial_scrape_offset.get(),
            scrapes_at_the_end: config.scrape_on_shutdown,
        };
        Box::new(Scraper { watches, shared })
    }
}

struct Scraper {
    watches: Vec<Watch>,
    shared: Shared,
}

/// What all targets share.
struct Shared {
    pusher: Pusher,
    clock: Arc<dyn Clock>,
    readers: Arc<Semaphore>,
    offset: Duration,
    scrapes_at_the_end: bool,
}

/// A target that is watched.
struct Watch {
    job: Arc<Job>,
    target: Arc<Target>,
    fetcher: Rc<Fetcher>,
    meters: Rc<Meters>,
    /// None while a scrape is under way.
    history: Option<History>,
    is_failing: bool,
}

/// What is counted of a job.
struct Meters {
    failures: BTreeMap<&'static str, Counter>,
    duplicates: Counter,
    time: Counter,
    bound: Counter,
    incomplete: Counter,
}

impl Meters {
    fn new(telemetry: &Telemetry) -> Self {
        let failed = |reason: &'static str| {
            let counter = telemetry.with("reason", reason).counter(
                "otelcol_receiver_prometheus_failed_scrapes",
                "Scrapes of which nothing was taken.",
                "{scrape}",
            );
            (reason, counter)
        };
        let dropped = |reason: &str| {
            telemetry.with("reason", reason).counter(
                "otelcol_receiver_prometheus_dropped_samples",
                "Samples of successful scrapes that could not be made points.",
                "{sample}",
            )
        };
        Self {
            failures: REASONS.into_iter().map(failed).collect(),
            duplicates: dropped("duplicate"),
            time: dropped("inconsistent_time"),
            bound: dropped("no_bound"),
            incomplete: dropped("no_count"),
        }
    }

    fn count(&self, digest: &Digest) {
        if let Some(failure) = &digest.failure
            && let Some(counter) = self.failures.get(failure.reason)
        {
            counter.add(1);
        }
        self.duplicates.add(digest.counts.duplicates);
        self.time.add(digest.drops.time);
        self.bound.add(digest.drops.bound);
        self.incomplete.add(digest.drops.incomplete);
    }
}

impl Receiver for Scraper {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let Self { watches, shared } = *self;
            if watches.is_empty() {
                stop.cancelled().await;
                return Ok(());
            }
            try_join_all(watches.into_iter().map(|watch| watch.run(&shared, &stop))).await.map(drop)
        })
    }
}

impl Watch {
    async fn run(mut self, shared: &Shared, stop: &Stop) -> Result<(), BoxError> {
        let interval = self.target.interval;
        let mut next = first(shared.clock.now(), &self.target) + shared.offset;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = shared.clock.sleep_until(next) => {}
            }
            let now = shared.clock.now();
            let tolerance = TOLERANCE.min(interval / 100);
            let at = if now.since(next) <= tolerance { next } else { now };
            next = after(next, interval, now);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                done = self.scrape(shared, at, next) => done?,
            }
        }
        if shared.scrapes_at_the_end {
            let now = shared.clock.now();
            self.scrape(shared, now, now + self.target.timeout).await?;
        }
        Ok(())
    }

    async fn scrape(&mut self, shared: &Shared, at: Timestamp, until: Timestamp) -> Result<(), BoxError> {
        let scrape = Scrape {
            history: self.history.take().unwrap_or_default(),
            job: Arc::clone(&self.job),
            target: Arc::clone(&self.target),
            at,
            began: shared.clock.now(),
            clock: Arc::clone(&shared.clock),
        };
        let answer = self.fetcher.fetch(&self.target).await;
        let reader = Arc::clone(&shared.readers).acquire_owned().await?;
        let digest = spawn_blocking(move || {
            let digest = scrape.digest(answer);
            drop(reader);
            digest
        });
        let digest = digest.await?;
        self.meters.count(&digest);
        self.tell(digest.failure.as_ref());
        self.history = Some(digest.history);
        for request in digest.requests {
            shared.pusher.push(request.bytes, request.n_points, until).await;
        }
        Ok(())
    }

    /// Tells once when a target begins to fail and when it works again.
    fn tell(&mut self, failure: Option<&Failure>) {
        let (job, target) = (&self.job.scrape.job_name.0, self.target.uri.to_string());
        // Parameters may be tokens.
        let target = config::without_credentials(&target);
        match (failure, self.is_failing) {
            (Some(failure), false) => {
                let Failure { reason, message } = failure;
                tracing::warn!(job, %target, reason, problem = message, "a target can not be scraped");
            }
            (None, true) => tracing::info!(job, %target, "a target can be scraped again"),
            _ => return,
        }
        self.is_failing = !self.is_failing;
    }
}

/// Returns when a target is first scraped: targets are spread over their interval, each always at its own place in it.
fn first(now: Timestamp, target: &Target) -> Timestamp {
    let interval = u64::try_from(target.interval.as_nanos()).unwrap_or(u64::MAX).max(1);
    let place = spread(&format!("{} {}", target.labels, target.uri)) % interval;
    let into = now.as_nanos() % interval;
    now + Duration::from_nanos((interval - into + place) % interval)
}

/// FNV-1a, which is the same everywhere.
fn spread(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Returns when it is scraped next; what was missed is not made up for.
fn after(due: Timestamp, interval: Duration, now: Timestamp) -> Timestamp {
    let next = due + interval;
    if next > now {
        return next;
    }
    let behind = now.since(next).as_nanos() / interval.as_nanos().max(1) + 1;
    next + interval.saturating_mul(u32::try_from(behind).unwrap_or(u32::MAX))
}
