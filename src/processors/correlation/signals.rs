//! What is remembered of every service: half an hour of the signals by which a cause shows.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use model::{Calls, EdgeKind, Rollups, Statistic, Timestamp, TraceId};

use super::graph::Name;

/// What a signal says of its service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Aspect {
    /// Time of its own in an operation. *Units*: ms.
    Own,
    /// Part of an operation's requests that fail without a failed callee, 0 to 1.
    Failing,
    /// Part of the calls to it that fail without having come to it, 0 to 1.
    Unreachable,
    /// What callers wait beyond the time in which it works. *Units*: ms.
    Way,
    /// What callers wait for a database. *Units*: ms.
    Store,
    /// Requests in an operation, per second.
    Traffic,
    /// A metric that it or its host sends.
    Metric,
}

/// One signal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SignalKey {
    /// Of whom it speaks.
    pub(super) service: Name,
    pub(super) aspect: Aspect,
    /// The operation, the caller, or the metric with its statistic.
    pub(super) name: Name,
}

/// The past of one signal: a value for each window in which there was one.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Track {
    points: VecDeque<Point>,
    /// The latest trace that shows it.
    pub(super) exemplar: Option<TraceId>,
    pub(super) unit: Arc<str>,
}

/// What a signal was in a window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Point {
    /// Windows since 1970.
    pub(super) window: u64,
    pub(super) value: f32,
    /// Requests behind it.
    pub(super) support: f32,
}

/// All signals, of the last windows.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    tracks: BTreeMap<SignalKey, Track>,
    width: Duration,
    windows: u64,
    capacity: usize,
    /// The last window that was taken.
    pub(super) last: u64,
    /// Values of signals that found no room.
    pub(super) dropped: u64,
}

impl Signals {
    pub(super) fn new(width: Duration, windows: u64, capacity: usize) -> Self {
        Self { tracks: BTreeMap::new(), width, windows, capacity, last: 0, dropped: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.tracks.len()
    }

    /// The window of an instant.
    pub(super) fn window_of(&self, at: Timestamp) -> u64 {
        at.as_nanos() / (self.width.as_nanos() as u64).max(1)
    }

    pub(super) const fn width(&self) -> Duration {
        self.width
    }

    /// Takes a window of rows and calls, if it is of the width that is remembered.
    pub(super) fn take(&mut self, rollups: &Rollups) {
        if rollups.width != self.width {
            return;
        }
        let window = self.window_of(rollups.start);
        self.last = self.last.max(window);
        for (row, series) in rollups.series.iter().enumerate() {
            if &*series.metric == SPANS {
                continue;
            }
            let name = metric_name(&series.metric, series.statistic);
            let point =
                Point { window, value: rollups.values[row] as f32, support: rollups.support[row] as f32 };
            self.put(&series.service, Aspect::Metric, &name, point, &series.unit, None);
        }
        if let Some(calls) = &rollups.calls {
            self.take_calls(calls, window);
        }
        self.forget(window);
    }

    fn take_calls(&mut self, calls: &Calls, window: u64) {
        let seconds = self.width.as_secs_f64();
        let (ms, ratio): (Arc<str>, Arc<str>) = ("ms".into(), "1".into());
        let per_second: Arc<str> = "1/s".into();
        for step in &calls.steps {
            let support = step.calls as f32;
            let mut put = |aspect, value: f64, unit: &Arc<str>| {
                let point = Point { window, value: value as f32, support };
                self.put(&step.service, aspect, &step.operation, point, unit, step.exemplar);
            };
            put(Aspect::Own, step.own.p50, &ms);
            put(Aspect::Failing, step.failed_here as f64 / step.calls.max(1) as f64, &ratio);
            put(Aspect::Traffic, step.calls as f64 / seconds, &per_second);
        }
        for edge in &calls.edges {
            let support = edge.calls as f32;
            let mut put = |aspect, value: f64, unit: &Arc<str>| {
                let point = Point { window, value: value as f32, support };
                self.put(&edge.server, aspect, &edge.client, point, unit, edge.exemplar);
            };
            let failing = edge.failed as f64 / edge.calls.max(1) as f64;
            // Without a span of the callee all that is known is what the caller waited.
            let is_seen = edge.gap.p50.is_finite();
            match edge.kind {
                EdgeKind::Database => put(Aspect::Store, edge.duration.p50, &ms),
                EdgeKind::Message => {}
                EdgeKind::Request | EdgeKind::Peer if is_seen => put(Aspect::Way, edge.gap.p50, &ms),
                EdgeKind::Request | EdgeKind::Peer => put(Aspect::Way, edge.duration.p50, &ms),
            }
            if !is_seen {
                put(Aspect::Unreachable, failing, &ratio);
            }
        }
    }

    fn put(
        &mut self,
        service: &Name,
        aspect: Aspect,
        name: &Name,
        point: Point,
        unit: &Arc<str>,
        exemplar: Option<TraceId>,
    ) {
        if !point.value.is_finite() {
            return;
        }
        let key = SignalKey { service: Name::clone(service), aspect, name: Name::clone(name) };
        if !self.tracks.contains_key(&key) && self.tracks.len() >= self.capacity {
            self.dropped += 1;
            return;
        }
        let track = self.tracks.entry(key).or_default();
        track.unit = Arc::clone(unit);
        track.exemplar = exemplar.or(track.exemplar);
        match track.points.back_mut() {
            // Of several series of one service and metric, pods among them, the largest speaks.
            Some(last) if last.window == point.window => {
                if point.value > last.value {
                    *last = point;
                }
            }
            _ => track.points.push_back(point),
        }
    }

    /// Forgets what is too old, and signals that have fallen silent for as long as is remembered.
    fn forget(&mut self, window: u64) {
        let oldest = window.saturating_sub(self.windows);
        self.tracks.retain(|_, track| {
            while track.points.front().is_some_and(|point| point.window < oldest) {
                track.points.pop_front();
            }
            !track.points.is_empty()
        });
    }

    /// The signals of a service, in the order of their aspects and names.
    pub(super) fn of(&self, service: &Name) -> impl Iterator<Item = (&SignalKey, &Track)> {
        let first = SignalKey { service: Name::clone(service), aspect: Aspect::Own, name: "".into() };
        self.tracks.range(first..).take_while(move |(key, _)| key.service == *service)
    }
}

impl Track {
    /// The points of windows in a range.
    pub(super) fn points(&self, windows: std::ops::Range<u64>) -> impl Iterator<Item = Point> + '_ {
        self.points.iter().copied().filter(move |point| windows.contains(&point.window))
    }

    /// The values of windows in a range.
    pub(super) fn values(&self, windows: std::ops::Range<u64>) -> Vec<f64> {
        self.points(windows).map(|point| f64::from(point.value)).collect()
    }
}

/// The metric that stands for durations of spans: of these the calls tell more.
const SPANS: &str = "span.duration";

fn metric_name(metric: &str, statistic: Statistic) -> Name {
    match statistic {
        Statistic::Mean => metric.into(),
        other => format!("{metric} {}", other.name()).into(),
    }
}
