//! Keeps the pace, sends, retries and counts.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::args::{LoadArgs, Signal};
use super::client::{Answer, Connection, Target};
use super::clock;
use super::reach::Reach;
use super::tally::{Counts, Tally, add};
use super::traffic::{Request, Traffic};

/// How long a request is tried.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// After so many attempts a request is given up.
    pub(crate) attempts: u32,
    pub(crate) first_backoff: Duration,
    pub(crate) longest_backoff: Duration,
    /// How long answers are waited for when it is over.
    pub(crate) grace: Duration,
}

impl Patience {
    pub(crate) const OF_AN_SDK: Self = Self {
        attempts: 10,
        first_backoff: Duration::from_millis(250),
        longest_backoff: Duration::from_secs(5),
        grace: Duration::from_secs(10),
    };
}

/// What all workers share.
pub(crate) struct Load {
    traffic: RefCell<Traffic>,
    pub(crate) tally: Tally,
    reach: Reach,
    patience: Patience,
    /// Says a line to the person who waits.
    say: Box<dyn Fn(&str)>,
    pub(crate) begin: Instant,
    /// *Units*: nanoseconds since the epoch; the time of spans at `begin`.
    start: u64,
    duration: Option<Duration>,
    is_paced: bool,
}

/// Sends everything, or what there is until Ctrl-C.
pub(crate) async fn send_all(load: Rc<Load>, target: Target, n_connections: u16, in_flight: usize) {
    let (stop, stopped) = watch::channel(false);
    let mut workers = JoinSet::new();
    for _ in 0..n_connections {
        let connection = Rc::new(Connection::new(target.clone()));
        for _ in 0..in_flight {
            workers.spawn_local(work(Rc::clone(&load), Rc::clone(&connection), stopped.clone()));
        }
    }
    tokio::select! {
        () = join(&mut workers) => {}
        _ = tokio::signal::ctrl_c() => {
            // Every worker holds a receiver, so nobody is missed.
            stop.send_replace(true);
            if tokio::time::timeout(load.patience.grace, join(&mut workers)).await.is_err() {
                workers.abort_all();
            }
        }
    }
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
            () = load.patience_is_over(stopped.clone()) => {
                load.refuse(load.counts(&request), request.n_items, "not answered when it was over".to_owned());
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

impl Load {
    pub(crate) fn new(
        args: &LoadArgs,
        start: u64,
        target: &Target,
        patience: Patience,
        say: impl Fn(&str) + 'static,
    ) -> Self {
        Self {
            traffic: RefCell::new(Traffic::new(args, start)),
            tally: Tally::default(),
            reach: Reach::new(target.address()),
            patience,
            say: Box::new(say),
            begin: clock::now(),
            start,
            duration: args.duration,
            is_paced: args.rate > 0.0,
        }
    }

    /// Returns the time up to which traffic was made.
    pub(crate) fn told_until(&self) -> u64 {
        self.traffic.borrow().told_until()
    }

    /// Returns the next request; none when no more customers come.
    fn next(&self) -> Option<Request> {
        let now = self.start + self.begin.elapsed().as_nanos() as u64;
        self.traffic.borrow_mut().next(now)
    }

    /// Returns when answers are no longer waited for.
    async fn patience_is_over(&self, mut stopped: watch::Receiver<bool>) {
        let end = async {
            match self.duration {
                Some(duration) => tokio::time::sleep_until((self.begin + duration).into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            () = end => {}
        }
        clock::sleep(self.patience.grace).await;
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
        let Patience { attempts, first_backoff, longest_backoff, .. } = self.patience;
        add(&counts.sent, request.n_items);
        let mut backoff = first_backoff;
        for attempt in 1..=attempts {
            let begin = clock::now();
            match self.attempt(connection, request).await {
                Answer::Taken { rejected, message } => {
                    self.tally.latencies.record(begin.elapsed());
                    let rejected = rejected.min(request.n_items);
                    add(&counts.acked, request.n_items - rejected);
                    return self.refuse(counts, rejected, message);
                }
                Answer::Refused(reason) => return self.refuse(counts, request.n_items, reason),
                Answer::Later { reason, .. } if attempt == attempts => {
                    let reason = format!("given up after {attempts} attempts: {reason}");
                    return self.refuse(counts, request.n_items, reason);
                }
                Answer::Later { after, reason } => {
                    add(&counts.retried, request.n_items);
                    self.tally.last_trouble.replace(Some(reason));
                    clock::sleep(after.unwrap_or(backoff)).await;
                    backoff = (backoff * 2).min(longest_backoff);
                }
            }
        }
    }

    /// Makes one attempt, and says when the destination falls silent or answers again.
    async fn attempt(&self, connection: &Connection, request: &Request) -> Answer {
        let (answer, news) = match connection.send(request).await {
            Ok(answer) => (answer, self.reach.answered(clock::now())),
            Err(error) => {
                let reason = format!("{error:#}");
                let news = self.reach.failed(clock::now(), &reason);
                (Answer::Later { after: None, reason }, news)
            }
        };
        self.tell(news);
        answer
    }

    fn refuse(&self, counts: &Counts, n_items: u64, reason: String) {
        if n_items > 0 {
            add(&counts.refused, n_items);
            self.tell(self.reach.refused(&reason));
            self.tally.first_refusal.borrow_mut().get_or_insert(reason);
        }
    }

    fn tell(&self, news: Option<String>) {
        if let Some(news) = news {
            (self.say)(&news);
        }
    }
}
