//! What is remembered of every service: half an hour of the signals by which a cause shows.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    time::Duration,
};

use model::{Calls, EdgeKind, Rollups, Statistic, Timestamp, TraceId};

use super::{config::RequestMetrics, graph::Name, templates::Templates};

/// What a signal says of its service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Aspect {
    /// Mean time of its own in an operation. *Units*: ms.
    Own,
    /// Part of an operation's requests that fail without a failed callee, 0 to 1.
    Failing,
    /// Part of the calls to it that fail without having come to it, 0 to 1.
    Lost,
    /// As [`Self::Lost`], of a database.
    StoreLost,
    /// What callers wait, in the mean, beyond the time in which it works. *Units*: ms.
    Way,
    /// What callers wait for a database in the mean. *Units*: ms.
    Store,
    /// Requests that came to it, per second.
    Traffic,
    /// Messages of a publisher that it took, per second.
    Taken,
    /// How often it wrote a line, per window; what is missing is none.
    Line,
    /// As [`Self::Line`], of warnings and errors.
    Complaint,
    /// Mean time of its requests with all that its callees take, as a metric tells. *Units*: ms.
    Total,
    /// Part of its requests that fail with those that fail for its callees, as a metric tells.
    TotalFailing,
    /// How far a resource is used, 0 to 1.
    Utilization,
}

/// One signal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SignalKey {
    /// Of whom it speaks.
    pub(super) service: Name,
    pub(super) aspect: Aspect,
    /// The operation, the caller, the line, or the metric with its statistic.
    pub(super) name: Name,
}

/// The past of one signal: a value for each window in which there was one.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Track {
    points: VecDeque<Point>,
    /// The latest trace that shows it.
    pub(super) exemplar: Option<TraceId>,
    /// What most requests failed with lately, and the window since which that is so.
    pub(super) failure: Option<Box<(Name, u64)>>,
    pub(super) unit: &'static str,
}

/// What a signal was in a window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Point {
    /// Windows since 1970.
    pub(super) window: u64,
    pub(super) value: f32,
    /// Requests behind it, those that were seen: of so many chance is to be weighed.
    pub(super) support: f32,
}

/// All signals, of the last windows.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    tracks: BTreeMap<SignalKey, Track>,
    width: Duration,
    windows: u64,
    capacity: usize,
    metrics: RequestMetrics,
    /// Windows in which not all traces were counted, with the share that was.
    shares: VecDeque<(u64, f64)>,
    /// The first and the last window that was taken.
    pub(super) first: u64,
    pub(super) last: u64,
    /// Values of signals that found no room.
    pub(super) dropped: u64,
    /// Lines that are counted as [`OTHER`].
    pub(super) counted_as_other: u64,
    templates: Templates,
    /// Lines of the window that is open, so that they are taken in the same order however they came.
    lines: BTreeMap<(u64, SignalKey), u64>,
    /// Lines that are remembered, by service, and all of them.
    lines_of: BTreeMap<Name, usize>,
    n_lines: usize,
}

/// Of all signals so many may be lines, and so many of one service: a program that writes much must not take the room
/// of what its requests tell.
const LINES: usize = 5;
const LINES_OF_SERVICE: usize = 200;
/// Lines of a service for which there is no room, as one.
pub(super) const OTHER: &str = "other";

/// What metrics tell of the requests of a service in one window.
#[derive(Default)]
struct OfRequests {
    /// *Units*: ms.
    latency: Option<f64>,
    per_second: f64,
    failing: Option<f64>,
}

impl Signals {
    pub(super) fn new(width: Duration, windows: u64, capacity: usize, metrics: RequestMetrics) -> Self {
        let (tracks, shares) = (BTreeMap::new(), VecDeque::new());
        Self {
            tracks,
            width,
            windows,
            capacity,
            metrics,
            shares,
            first: 0,
            last: 0,
            dropped: 0,
            counted_as_other: 0,
            templates: Templates::default(),
            lines: BTreeMap::new(),
            lines_of: BTreeMap::new(),
            n_lines: 0,
        }
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
        if self.first == 0 {
            self.first = window;
        }
        self.last = self.last.max(window);
        self.take_rows(rollups, window);
        if let Some(calls) = &rollups.calls {
            self.take_calls(calls, window);
        }
        self.forget(window);
    }

    fn take_rows(&mut self, rollups: &Rollups, window: u64) {
        let mut requests: BTreeMap<Name, OfRequests> = BTreeMap::new();
        for (row, series) in rollups.series.iter().enumerate() {
            let value = rollups.values[row];
            if &*series.metric == SPANS || !value.is_finite() {
                continue;
            }
            let (metric, unit) = (&*series.metric, &*series.unit);
            let service = Name::clone(&series.service);
            if series.statistic == Statistic::Rate && self.metrics.counts(metric) {
                requests.entry(service).or_default().per_second += value;
            } else if let (Statistic::Mean, true, Some(ms)) =
                (series.statistic, self.metrics.times(metric), millis_per(unit))
            {
                requests.entry(service).or_default().latency = Some(value * ms);
            } else if series.statistic == Statistic::Mean && self.metrics.tells_success(metric) {
                let share = if unit == "%" { value / 100.0 } else { value };
                requests.entry(service).or_default().failing = Some((1.0 - share).clamp(0.0, 1.0));
            } else if self.metrics.tells_use(metric) && !metric.starts_with(OF_THE_HOST) {
                // Some tell of several cores at once, and of more than there is when they are asked twice in a row.
                let used = if unit == "%" { value / 100.0 } else { value }.clamp(0.0, 1.0);
                let point = Point { window, value: used as f32, support: rollups.support[row] as f32 };
                let name = metric_name(metric, series.statistic);
                self.put(&service, Aspect::Utilization, &name, point, "1", None);
            }
        }
        let seconds = self.width.as_secs_f64();
        for (service, told) in requests {
            let support = (told.per_second * seconds) as f32;
            let mut put = |aspect, value: Option<f64>, unit| {
                let Some(value) = value else { return };
                let point = Point { window, value: value as f32, support };
                self.put(&service, aspect, &"its requests".into(), point, unit, None);
            };
            put(Aspect::Total, told.latency, "ms");
            put(Aspect::TotalFailing, told.failing, "1");
        }
    }

    fn take_calls(&mut self, calls: &Calls, window: u64) {
        let seconds = self.width.as_secs_f64();
        let point = |value: f64, support: f64| Point { window, value: value as f32, support: support as f32 };
        for step in &calls.steps {
            let mut put = |aspect, value: f64, support: f64, unit| {
                let (service, operation) = (&step.service, &step.operation);
                self.put(service, aspect, operation, point(value, support), unit, step.exemplar);
            };
            put(Aspect::Own, step.own.mean, step.calls as f64, "ms");
            let failures = step.failures();
            put(Aspect::Failing, failures.share(), failures.of, "1");
        }
        for step in &calls.steps {
            let Some(failure) = &step.failure else { continue };
            let (service, name) = (Name::clone(&step.service), Name::clone(&step.operation));
            let since = self.window_of(failure.since);
            if let Some(track) = self.tracks.get_mut(&SignalKey { service, aspect: Aspect::Failing, name }) {
                track.failure = Some(Box::new((Name::clone(&failure.kind), since)));
            }
        }
        self.see_share(window, calls.share);
        let mut arrived: BTreeMap<&Name, u64> = BTreeMap::new();
        for edge in &calls.edges {
            let (n, losses) = (edge.calls, edge.losses());
            if n > 0 {
                *arrived.entry(&edge.server).or_default() += n - edge.lost.min(n);
            }
            let mut put = |aspect, value: f64, support: f64, unit| {
                self.put(&edge.server, aspect, &edge.client, point(value, support), unit, edge.exemplar);
            };
            let (calls_seen, lost) = (n as f64, losses.share());
            match edge.kind {
                EdgeKind::Database => {
                    put(Aspect::Store, edge.duration.mean, calls_seen, "ms");
                    put(Aspect::StoreLost, lost, losses.of, "1");
                }
                EdgeKind::Message => put(Aspect::Taken, calls.of_all(n) / seconds, calls_seen, "1/s"),
                EdgeKind::Request => {
                    put(Aspect::Way, edge.gap.mean, calls_seen, "ms");
                    put(Aspect::Lost, lost, losses.of, "1");
                }
                EdgeKind::Peer => {
                    put(Aspect::Way, edge.duration.mean, calls_seen, "ms");
                    put(Aspect::Lost, lost, losses.of, "1");
                }
            }
        }
        for (service, n) in arrived {
            let per_second = calls.of_all(n) / seconds;
            self.put(service, Aspect::Traffic, &REQUESTS.into(), point(per_second, n as f64), "1/s", None);
        }
    }

    /// Counts lines that a service wrote in the window that is open now, once [`Self::settle_lines`] is called.
    pub(super) fn take_lines(
        &mut self,
        service: &Name,
        line: &Name,
        is_complaint: bool,
        n: u64,
        at: Timestamp,
    ) {
        let aspect = if is_complaint { Aspect::Complaint } else { Aspect::Line };
        let key = SignalKey { service: Name::clone(service), aspect, name: Name::clone(line) };
        *self.lines.entry((self.window_of(at), key)).or_default() += n;
    }

    /// Takes the lines of windows that have ended, whatever the order in which they came.
    pub(super) fn settle_lines(&mut self, now: Timestamp) {
        let most = self.most_points();
        let first = SignalKey { service: "".into(), aspect: Aspect::Own, name: "".into() };
        let open = self.lines.split_off(&(self.window_of(now), first));
        for ((window, key), n) in std::mem::replace(&mut self.lines, open) {
            let template = self.templates.of(&key.service, &key.name);
            if template.as_ref().is_some_and(|template| template.has_joined) {
                self.join_lines(&key.service);
            }
            let name = template.map(|template| Name::from(template.key));
            let known = name.map(|name| SignalKey { name, ..key.clone() });
            let key = match known.filter(|known| self.has_room(known)) {
                Some(known) => known,
                None => {
                    self.counted_as_other += n;
                    SignalKey { name: OTHER.into(), ..key }
                }
            };
            let Some(track) = self.track(key) else { continue };
            match track.points.back_mut() {
                Some(last) if last.window >= window => last.value += n as f32,
                _ => track.push(Point { window, value: n as f32, support: 1.0 }, most),
            }
        }
    }

    /// Makes one of the pasts of lines that are no longer told apart.
    fn join_lines(&mut self, service: &Name) {
        let is_line = |key: &SignalKey, _: &mut Track| key.aspect.is_line() && *key.name != *OTHER;
        let first = SignalKey { service: Name::clone(service), aspect: Aspect::Line, name: "".into() };
        let end = SignalKey { aspect: Aspect::Total, ..first.clone() };
        let apart: Vec<_> = self.tracks.extract_if(first..end, is_line).collect();
        self.uncount(service, apart.len());
        for (key, track) in apart {
            let template = self.templates.of(&key.service, &key.name);
            let name = template.map_or_else(|| Name::from(OTHER), |template| template.key.into());
            if let Some(joined) = self.track(SignalKey { name, ..key }) {
                joined.join(track);
            }
        }
    }

    /// Whether a line that was told apart may be so.
    fn has_room(&self, key: &SignalKey) -> bool {
        let of_service = self.lines_of.get(&key.service).copied().unwrap_or_default();
        let is_room = of_service < LINES_OF_SERVICE && self.n_lines < self.capacity / LINES;
        is_room || self.tracks.contains_key(key)
    }

    fn uncount(&mut self, service: &Name, n: usize) {
        self.n_lines -= n.min(self.n_lines);
        if let Some(known) = self.lines_of.get_mut(service) {
            *known -= n.min(*known);
        }
    }

    /// The past of a signal; none where there is no room for one more.
    fn track(&mut self, key: SignalKey) -> Option<&mut Track> {
        if !self.tracks.contains_key(&key) {
            let most_lines = self.capacity / LINES;
            let is_full = match key.aspect.is_line() {
                true => self.n_lines >= most_lines,
                false => self.tracks.len() - self.n_lines >= self.capacity - most_lines,
            };
            if is_full {
                self.dropped += 1;
                return None;
            }
            if key.aspect.is_line() {
                self.n_lines += 1;
                *self.lines_of.entry(Name::clone(&key.service)).or_default() += 1;
            }
        }
        Some(self.tracks.entry(key).or_default())
    }

    fn put(
        &mut self,
        service: &Name,
        aspect: Aspect,
        name: &Name,
        point: Point,
        unit: &'static str,
        exemplar: Option<TraceId>,
    ) {
        if !point.value.is_finite() {
            return;
        }
        let key = SignalKey { service: Name::clone(service), aspect, name: Name::clone(name) };
        let most = self.most_points();
        let Some(track) = self.track(key) else { return };
        track.unit = unit;
        track.exemplar = exemplar.or(track.exemplar);
        match track.points.back_mut() {
            // Of several series of one service and metric, pods among them, the largest speaks.
            Some(last) if last.window == point.window => {
                if point.value > last.value {
                    *last = point;
                }
            }
            _ => track.push(point, most),
        }
    }

    /// Values of one signal: of all windows that are remembered, and of the next before the first is forgotten.
    fn most_points(&self) -> usize {
        usize::try_from(self.windows).unwrap_or(usize::MAX).saturating_add(2)
    }

    /// Forgets what is too old, and signals that have fallen silent for as long as is remembered.
    fn forget(&mut self, window: u64) {
        let oldest = window.saturating_sub(self.windows);
        self.first = self.first.max(oldest);
        self.shares.retain(|(window, _)| *window >= oldest);
        self.tracks.retain(|_, track| {
            while track.points.front().is_some_and(|point| point.window < oldest) {
                track.points.pop_front();
            }
            !track.points.is_empty()
        });
        self.lines_of.clear();
        for key in self.tracks.keys().filter(|key| key.aspect.is_line()) {
            *self.lines_of.entry(Name::clone(&key.service)).or_default() += 1;
        }
        self.n_lines = self.lines_of.values().sum();
        self.templates.keep(|service| self.lines_of.contains_key(service));
    }

    /// The signals of a service, in the order of their aspects and names.
    pub(super) fn of(&self, service: &Name) -> impl Iterator<Item = (&SignalKey, &Track)> {
        let first = SignalKey { service: Name::clone(service), aspect: Aspect::Own, name: "".into() };
        self.tracks.range(first..).take_while(move |(key, _)| key.service == *service)
    }

    /// The window in which a service was first seen.
    pub(super) fn known_since(&self, service: &Name) -> Option<u64> {
        self.of(service).filter_map(|(_, track)| Some(track.points.front()?.window)).min()
    }

    /// All signals, service by service.
    pub(super) fn all(&self) -> impl Iterator<Item = (&SignalKey, &Track)> {
        self.tracks.iter()
    }

    /// Requests that came to a service in these windows, with those of traces that were not sampled.
    pub(super) fn served(&self, service: &Name, windows: &Range<u64>) -> f64 {
        let key = SignalKey { service: Name::clone(service), aspect: Aspect::Traffic, name: REQUESTS.into() };
        self.tracks.get(&key).map_or(0.0, |track| track.total(windows)) * self.width.as_secs_f64()
    }

    /// The least share of traces that was counted in one of these windows: of so many requests one would be seen.
    pub(super) fn share(&self, windows: &Range<u64>) -> f64 {
        let known = self.shares.iter().filter(|(window, _)| windows.contains(window));
        known.map(|(_, share)| *share).fold(1.0, f64::min)
    }

    fn see_share(&mut self, window: u64, share: f64) {
        if share < 1.0 {
            self.shares.push_back((window, share));
        }
    }
}

/// What [`Aspect::Traffic`] counts.
const REQUESTS: &str = "requests";

impl Aspect {
    const fn is_line(self) -> bool {
        matches!(self, Self::Line | Self::Complaint)
    }
}

impl Track {
    /// Adds a value. Room is made for no more than there can be: doubling would take a third more of full ones.
    fn push(&mut self, point: Point, most: usize) {
        let n = self.points.len();
        if n == self.points.capacity() {
            self.points.reserve_exact(n.max(4).min(most.saturating_sub(n)).max(1));
        }
        self.points.push_back(point);
    }

    /// What it takes of memory.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.points.capacity() * size_of::<Point>()
    }

    /// Adds the past of another line.
    fn join(&mut self, other: Self) {
        let mut all: BTreeMap<u64, Point> = BTreeMap::new();
        for point in self.points.drain(..).chain(other.points) {
            let known = all.entry(point.window).or_insert(Point { value: 0.0, ..point });
            known.value += point.value;
        }
        self.points = all.into_values().collect();
    }

    /// The points of windows in a range.
    pub(super) fn points(&self, windows: Range<u64>) -> impl Iterator<Item = Point> + '_ {
        let first = self.points.partition_point(|point| point.window < windows.start);
        self.points.range(first..).copied().take_while(move |point| point.window < windows.end)
    }

    /// The values of windows in a range.
    pub(super) fn values(&self, windows: &Range<u64>) -> Vec<f64> {
        self.points(windows.clone()).map(|point| f64::from(point.value)).collect()
    }

    /// Values and requests behind them, each summed over the windows in a range: of values weighed by requests.
    pub(super) fn sums(&self, windows: &Range<u64>) -> (f64, f64) {
        self.points(windows.clone()).fold((0.0, 0.0), |(values, requests), point| {
            let support = f64::from(point.support);
            (f64::from(point.value).mul_add(support, values), requests + support)
        })
    }

    /// The sum of the values of windows in a range.
    pub(super) fn total(&self, windows: &Range<u64>) -> f64 {
        self.points(windows.clone()).map(|point| f64::from(point.value)).sum()
    }

    /// The window of the nth of the last values in a range; 1 is the last.
    pub(super) fn nth_last(&self, n: usize, windows: &Range<u64>) -> Option<u64> {
        let known = self.points.iter().rev().filter(|point| windows.contains(&point.window));
        known.map(|point| point.window).nth(n - 1)
    }

    /// Windows between the last two values; 1 where there are not as many.
    pub(super) fn cadence(&self) -> u64 {
        let mut lately = self.points.iter().rev().map(|point| point.window);
        match (lately.next(), lately.next()) {
            (Some(last), Some(before)) => last - before,
            _ => 1,
        }
    }

    /// The most windows from one value to the next.
    pub(super) fn longest_gap(&self) -> u64 {
        let next = self.points.iter().skip(1);
        self.points.iter().zip(next).map(|(one, next)| next.window - one.window).max().unwrap_or(u64::MAX)
    }

    pub(super) fn latest(&self) -> Option<Point> {
        self.points.back().copied()
    }
}

/// What begins so tells of the machine, which several services share: it is the cause of none of them.
const OF_THE_HOST: &str = "system.";
/// The metric that stands for durations of spans: of these the calls tell more.
const SPANS: &str = "span.duration";

fn metric_name(metric: &str, statistic: Statistic) -> Name {
    match statistic {
        Statistic::Mean => metric.into(),
        other => format!("{metric} {}", other.name()).into(),
    }
}

/// Milliseconds of a unit of time, as UCUM spells it.
fn millis_per(unit: &str) -> Option<f64> {
    match unit {
        "s" => Some(1e3),
        "ms" => Some(1.0),
        "us" => Some(1e-3),
        "ns" => Some(1e-6),
        _ => None,
    }
}
