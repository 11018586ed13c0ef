//! Keeps the pace, sends, retries and counts.

use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use super::args::{LoadArgs, Protocol, Signal};
use super::client::{Answer, Connection, Target};
use super::clock;
use super::tally::{Counts, Tally, add};
use super::traffic::{Request, Traffic};

/// Requests in flight on a gRPC connection.
const IN_FLIGHT: usize = 4;
/// After so many attempts a request is given up.
const ATTEMPTS: u32 = 10;
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// How long answers are waited for when it is over.
const GRACE: Duration = Duration::from_secs(10);
const PROGRESS_PERIOD: Duration = Duration::from_millis(250);

/// Sends until the duration is over or Ctrl-C is pressed, and prints a summary.
pub(crate) fn run(args: LoadArgs) -> Result<()> {
    let target = Target::new(&args.endpoint, args.protocol)?;
    let start = args.start.map_or_else(clock::unix_nanos, |seconds| seconds * 1_000_000_000);
    if let Some(file) = &args.truth {
        let lines: String = args.faults.iter().map(|fault| fault.truth(start) + "\n").collect();
        std::fs::write(file, lines).with_context(|| format!("writing the truth to {}", file.display()))?;
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let load = Rc::new(Load {
        traffic: RefCell::new(Traffic::new(&args, start)),
        tally: Tally::default(),
        begin: clock::now(),
        start,
        duration: args.duration,
        is_paced: args.rate > 0.0,
    });
    runtime.block_on(LocalSet::new().run_until(send_all(Rc::clone(&load), target, args.connections)));
    let summary = load.tally.summary(load.begin.elapsed());
    std::io::stdout().write_all(summary.as_bytes()).context("writing the summary")
}

/// What all workers share.
struct Load {
    traffic: RefCell<Traffic>,
    tally: Tally,
    begin: Instant,
    /// *Units*: nanoseconds since the epoch; the time of spans at `begin`.
    start: u64,
    duration: Option<Duration>,
    is_paced: bool,
}

async fn send_all(load: Rc<Load>, target: Target, n_connections: u16) {
    let (stop, stopped) = watch::channel(false);
    let in_flight = if target.protocol() == Protocol::Grpc { IN_FLIGHT } else { 1 };
    let mut workers = JoinSet::new();
    for _ in 0..n_connections {
        let connection = Rc::new(Connection::new(target.clone()));
        for _ in 0..in_flight {
            workers.spawn_local(work(Rc::clone(&load), Rc::clone(&connection), stopped.clone()));
        }
    }
    let progress = tokio::task::spawn_local(show_progress(Rc::clone(&load)));
    tokio::select! {
        () = join(&mut workers) => {}
        _ = tokio::signal::ctrl_c() => {
            // Every worker holds a receiver, so nobody is missed.
            stop.send_replace(true);
            if tokio::time::timeout(GRACE, join(&mut workers)).await.is_err() {
                workers.abort_all();
            }
        }
    }
    progress.abort();
}

async fn join(workers: &mut JoinSet<()>) {
    while workers.join_next().await.is_some() {}
}

/// Keeps one request in flight.
async fn work(load: Rc<Load>, connection: Rc<Connection>, mut stopped: watch::Receiver<bool>) {
    while let Some(request) = load.next() {
        let due = Duration::from_nanos(request.due.saturating_sub(load.start));
        let wait = due.saturating_sub(load.begin.elapsed());
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return,
            () = pause(if load.is_paced { wait } else { Duration::ZERO }) => {}
        }
        tokio::select! {
            () = load.deliver(&connection, &request) => {}
            () = grace(stopped.clone(), load.end()) => {
                add(&load.counts(&request).refused, request.n_items);
                load.tally.first_refusal.borrow_mut().get_or_insert("not answered when it was over".to_owned());
                return;
            }
        }
    }
}

/// Sleeps only when there is something to wait for, so that a saturated worker never yields to the timer.
async fn pause(duration: Duration) {
    if !duration.is_zero() {
        clock::sleep(duration).await;
    }
}

/// Returns when answers are no longer waited for.
async fn grace(mut stopped: watch::Receiver<bool>, end: Option<Instant>) {
    let end = async {
        match end {
            Some(end) => tokio::time::sleep_until(end.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = stopped.wait_for(|stop| *stop) => {}
        () = end => {}
    }
    clock::sleep(GRACE).await;
}

impl Load {
    /// Returns the next request; none when its time is after the end.
    fn next(&self) -> Option<Request> {
        let elapsed = self.begin.elapsed();
        let now = self.start + elapsed.as_nanos() as u64;
        let request = self.traffic.borrow_mut().next(now);
        let at = if self.is_paced {
            Duration::from_nanos(request.due.saturating_sub(self.start))
        } else {
            elapsed
        };
        self.duration.is_none_or(|duration| at <= duration).then_some(request)
    }

    fn end(&self) -> Option<Instant> {
        Some(self.begin + self.duration?)
    }

    fn counts(&self, request: &Request) -> &Counts {
        match request.signal {
            Signal::Traces => &self.tally.spans,
            Signal::Metrics | Signal::Logs => &self.tally.others,
        }
    }

    /// Sends a request until it is taken, refused or given up.
    async fn deliver(&self, connection: &Connection, request: &Request) {
        let counts = self.counts(request);
        add(&counts.sent, request.n_items);
        let mut backoff = FIRST_BACKOFF;
        for attempt in 1..=ATTEMPTS {
            let begin = clock::now();
            let answer = connection.send(request).await;
            let answer =
                answer.unwrap_or_else(|error| Answer::Later { after: None, reason: format!("{error:#}") });
            match answer {
                Answer::Taken { rejected, message } => {
                    self.tally.latencies.record(begin.elapsed());
                    let rejected = rejected.min(request.n_items);
                    add(&counts.acked, request.n_items - rejected);
                    return self.refuse(counts, rejected, message);
                }
                Answer::Refused(reason) => return self.refuse(counts, request.n_items, reason),
                Answer::Later { reason, .. } if attempt == ATTEMPTS => {
                    return self.refuse(
                        counts,
                        request.n_items,
                        format!("given up after {ATTEMPTS} attempts: {reason}"),
                    );
                }
                Answer::Later { after, reason } => {
                    add(&counts.retried, request.n_items);
                    self.tally.last_trouble.replace(Some(reason));
                    clock::sleep(after.unwrap_or(backoff)).await;
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                }
            }
        }
    }

    fn refuse(&self, counts: &Counts, n_items: u64, reason: String) {
        if n_items > 0 {
            add(&counts.refused, n_items);
            self.tally.first_refusal.borrow_mut().get_or_insert(reason);
        }
    }
}

/// Shows what happens, on a terminal only.
async fn show_progress(load: Rc<Load>) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let seconds = load.duration.map(|duration| duration.as_secs().max(1));
    let bar = seconds.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let template = if seconds.is_some() { "{bar:30} {elapsed} {msg}" } else { "{spinner} {elapsed} {msg}" };
    bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
    let mut acked_before = 0;
    loop {
        clock::sleep(PROGRESS_PERIOD).await;
        let spans = &load.tally.spans;
        let acked = spans.acked.get();
        let per_second = (acked - acked_before) as f64 / PROGRESS_PERIOD.as_secs_f64();
        acked_before = acked;
        bar.set_position(load.begin.elapsed().as_secs());
        bar.set_message(format!(
            "{acked} spans acknowledged, {per_second:.0}/s, {} refused, {} retried",
            spans.refused.get(),
            spans.retried.get()
        ));
    }
}
