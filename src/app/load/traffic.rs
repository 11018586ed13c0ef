//! The requests of a run, in the order of their times.

use std::collections::VecDeque;
use std::time::Duration;

use wire::build::Attributes;

use super::args::{LoadArgs, Signal};
use super::encode::{self, Meters};
use super::fault::Script;
use super::trace::{Draft, Simulation};

/// Spans wait for others of their request no longer than this.
const BATCH_NANOS: u64 = 500_000_000;
const METRICS_PERIOD_NANOS: u64 = 10_000_000_000;
/// A request is due when its last span has ended, but a very slow one is not waited for: its end then
/// lies in the future, by as much as the delay that a script gave it.
const LONGEST_WAIT_NANOS: u64 = 5_000_000_000;

/// A request to send.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) signal: Signal,
    /// Protobuf.
    pub(crate) body: Vec<u8>,
    /// Spans, data points or log records.
    pub(crate) n_items: u64,
    /// Nanoseconds since the epoch.
    pub(crate) due: u64,
}

pub(crate) struct Traffic {
    simulation: Simulation,
    resources: Vec<Attributes>,
    meters: Meters,
    signals: Vec<Signal>,
    batch_spans: usize,
    span_bytes: usize,
    /// *Units*: spans per second; 0 when the caller tells the time.
    rate: f64,
    day: Option<Duration>,
    start: u64,
    /// *Units*: nanoseconds since the epoch; no customer comes from then on.
    end: u64,
    /// How many more spans are wanted.
    spans_left: u64,
    /// Until when it is known who came.
    told_until: u64,
    /// When the next customer comes.
    next_at: f64,
    next_metrics: u64,
    ready: VecDeque<Request>,
}

impl Traffic {
    /// `start` is the time of the first span, in nanoseconds since the epoch.
    pub(crate) fn new(args: &LoadArgs, start: u64) -> Self {
        let script = Script { faults: args.faults.clone() };
        Self {
            simulation: Simulation::new(args.seed, script, args.cardinality, start),
            resources: encode::resources(),
            meters: Meters::new(start),
            signals: args.signals.clone(),
            batch_spans: args.batch as usize,
            span_bytes: args.span_size as usize,
            rate: args.rate,
            day: args.day,
            start,
            end: args.duration.map_or(u64::MAX, |duration| start.saturating_add(duration.as_nanos() as u64)),
            spans_left: args.spans.unwrap_or(u64::MAX),
            told_until: start,
            next_at: 0.0,
            next_metrics: start + METRICS_PERIOD_NANOS,
            ready: VecDeque::new(),
        }
    }

    /// Returns the next request; without a rate its customers come at `now` (nanoseconds since the
    /// epoch), else at the times that the rate gives them. None when no more customers come.
    pub(crate) fn next(&mut self, now: u64) -> Option<Request> {
        loop {
            if let Some(request) = self.ready.pop_front() {
                return Some(request);
            }
            if self.spans_left == 0 {
                return None;
            }
            if self.next_time(now) >= self.end {
                self.told_until = self.end;
                return None;
            }
            self.prepare(now);
        }
    }

    /// Returns the time up to which traffic was made: what a script has later never showed.
    pub(crate) const fn told_until(&self) -> u64 {
        self.told_until
    }

    /// Plays enough customers for one request of spans, and adds what goes with it.
    fn prepare(&mut self, now: u64) {
        let begin = self.next_time(now);
        let mut spans: Vec<Draft> = Vec::with_capacity(self.batch_spans + 64);
        let mut at = begin;
        let last = self.end.min(begin + BATCH_NANOS);
        while spans.len() < self.batch_spans && at < last && self.spans_left > 0 {
            let trace = self.simulation.play(at);
            self.spans_left = self.spans_left.saturating_sub(trace.len() as u64);
            self.told_until = at;
            self.advance(at, trace.len());
            spans.extend(trace);
            at = self.next_time(now);
        }
        let ended = spans.iter().map(|span| span.end).max().unwrap_or(at);
        // Without a rate, requests are due at once.
        let due = if self.rate > 0.0 { ended.min(at + LONGEST_WAIT_NANOS) } else { now };
        self.meters.count(&spans);
        self.push(
            Signal::Traces,
            encode::traces(&spans, &self.resources, self.span_bytes),
            spans.len() as u64,
            due,
        );
        let (body, n_records) = encode::logs(&spans, &self.resources);
        self.push(Signal::Logs, body, n_records, due);
        if at >= self.next_metrics {
            let (body, n_points) = self.meters.encode(&self.resources, at);
            self.push(Signal::Metrics, body, n_points, due);
            self.next_metrics = at + METRICS_PERIOD_NANOS;
        }
    }

    fn push(&mut self, signal: Signal, body: Vec<u8>, n_items: u64, due: u64) {
        if n_items > 0 && self.signals.contains(&signal) {
            self.ready.push_back(Request { signal, body, n_items, due });
        }
    }

    fn next_time(&self, now: u64) -> u64 {
        if self.rate > 0.0 { self.start + self.next_at as u64 } else { now }
    }

    /// Puts the next customer as much later as the spans of this one take at the present rate.
    fn advance(&mut self, at: u64, n_spans: usize) {
        if self.rate > 0.0 {
            // A customer who finds the shop closed leaves no span, but is one all the same.
            let spans = n_spans.max(1) as f64;
            self.next_at += spans * 1e9 / (self.rate * self.simulation.surge(at) * self.rhythm(at));
        }
    }

    /// Returns the part of the mean traffic at this hour: 0.4 at midnight and 1.6 at noon, so that
    /// the mean over the day is 1.
    fn rhythm(&self, at: u64) -> f64 {
        let Some(day) = self.day.filter(|day| !day.is_zero()) else { return 1.0 };
        let part = (at % day.as_nanos() as u64) as f64 / day.as_nanos() as f64;
        1.0 - 0.6 * (part * std::f64::consts::TAU).cos()
    }
}
