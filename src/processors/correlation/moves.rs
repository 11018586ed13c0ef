//! Which signals moved: each compared, before with after, on the scale on which it varies.

use std::{collections::BTreeMap, ops::Range};

use model::{Timestamp, TraceId};

use super::{
    cause::CauseKind,
    graph::Name,
    shift::{Floors, Shift, quantile, shift_of},
    signals::{Aspect, SignalKey, Signals, Track},
};

/// A signal that moved.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Moved {
    pub(super) kind: CauseKind,
    /// The operation, the caller, the line, or the metric.
    pub(super) what: Name,
    pub(super) unit: &'static str,
    pub(super) shift: Shift,
    /// What all of it costs: extra milliseconds or failures a window; 0 where that can not be told.
    pub(super) weight: f64,
    pub(super) exemplar: Option<TraceId>,
    /// The first window in which it was as it is now.
    pub(super) since: u64,
}

/// The windows on both sides of a beginning.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Windows {
    pub(super) before: Range<u64>,
    pub(super) after: Range<u64>,
}

/// So many windows tell what is so now: what goes on for longer is as it is lately.
pub(super) const LATELY: u64 = 6;

impl Windows {
    /// Of a course from its start to its end, or to now.
    pub(super) fn of(signals: &Signals, start: Timestamp, end: Timestamp) -> Self {
        let start = signals.window_of(start).min(signals.last);
        let end = signals.window_of(end).clamp(start, signals.last) + 1;
        Self { before: signals.first..start, after: start.max(end.saturating_sub(LATELY))..end }
    }

    pub(super) const fn known_before(&self) -> u64 {
        self.before.end
            - if self.before.start < self.before.end { self.before.start } else { self.before.end }
    }
}

/// From so many usual deviations on a signal has moved.
const MOVED: f64 = 2.5;
/// A resource is used up the more, by so much of it.
const USED: f64 = 0.2;

/// Compares one signal; none of one that has not moved for the worse. Lines are compared by [`moved_lines`].
pub(super) fn moved(key: &SignalKey, track: &Track, windows: &Windows) -> Option<Moved> {
    let (kind, shift) = match key.aspect {
        Aspect::Own => (CauseKind::Latency, time_shift(track, windows)?),
        Aspect::Total => (CauseKind::Latency, time_shift(track, windows)?),
        Aspect::Way => (CauseKind::Network, time_shift(track, windows)?),
        Aspect::Store => (CauseKind::Database, time_shift(track, windows)?),
        Aspect::Failing => (CauseKind::Errors, ratio_shift(track, windows, LEAST_USUAL)?),
        Aspect::TotalFailing => (CauseKind::Errors, ratio_shift(track, windows, LEAST_TOTAL)?),
        Aspect::Lost => (CauseKind::Unavailable, ratio_shift(track, windows, LEAST_USUAL)?),
        Aspect::StoreLost => (CauseKind::Database, ratio_shift(track, windows, LEAST_USUAL)?),
        Aspect::Traffic => (CauseKind::Traffic, traffic_shift(track, windows)?),
        Aspect::Utilization => (CauseKind::Resource, use_shift(track, windows)?),
        Aspect::Line | Aspect::Complaint | Aspect::Metric => return None,
    };
    if shift.deviations < MOVED {
        return None;
    }
    let (_, requests) = track.sums(&windows.after);
    let weight = match key.aspect {
        Aspect::Utilization => 0.0,
        Aspect::Traffic => shift.after - shift.before,
        _ => (shift.after - shift.before) * requests / windows.after.clone().count().max(1) as f64,
    };
    let (what, unit, exemplar) = (Name::clone(&key.name), track.unit, track.exemplar);
    let since = onset(track, windows, &shift);
    Some(Moved { kind, what, unit, shift, weight: weight.max(0.0), exemplar, since })
}

/// The first of the last windows that are all nearer to what the latest one is than to what was usual.
fn onset(track: &Track, windows: &Windows, shift: &Shift) -> u64 {
    let points: Vec<_> = track.points(windows.after.clone()).collect();
    let latest = points.last().map_or(shift.after, |point| f64::from(point.value)).max(shift.after);
    let middle = shift.before + (latest - shift.before) / 2.0;
    let lately = points.iter().rev().take_while(|point| f64::from(point.value) >= middle);
    lately.last().map_or(windows.after.start, |point| point.window)
}

/// Means of the windows before with the mean over all requests after. A single slow request makes the mean of a few, and
/// of its window: so two windows must show it.
fn time_shift(track: &Track, windows: &Windows) -> Option<Shift> {
    const FLOORS: Floors = Floors { relative: 0.1, absolute: 0.5 };
    let (sum, requests) = track.sums(&windows.after);
    if requests < LEAST_REQUESTS {
        return None;
    }
    let shift = shift_of(&mut track.values(&windows.before), sum / requests, FLOORS)?;
    let middle = shift.before + (shift.after - shift.before) / 2.0;
    let n_high = track.values(&windows.after).into_iter().filter(|value| *value >= middle).count();
    (n_high >= SEEN).then_some(shift)
}

/// Windows in which a time is seen to be long.
const SEEN: usize = 2;

fn traffic_shift(track: &Track, windows: &Windows) -> Option<Shift> {
    const FLOORS: Floors = Floors { relative: 0.2, absolute: 0.2 };
    let mut after = track.values(&windows.after);
    after.sort_by(f64::total_cmp);
    (!after.is_empty())
        .then(|| shift_of(&mut track.values(&windows.before), quantile(&after, 0.5), FLOORS))
        .flatten()
}

/// By tenths of the whole, and only where a good part of it is used more than before.
fn use_shift(track: &Track, windows: &Windows) -> Option<Shift> {
    let mut after = track.values(&windows.after);
    after.sort_by(f64::total_cmp);
    let mut before = track.values(&windows.before);
    before.sort_by(f64::total_cmp);
    if before.is_empty() || after.is_empty() {
        return None;
    }
    let (before, after) = (quantile(&before, 0.5), quantile(&after, 0.5));
    let more = after - before;
    // Ten points are ten deviations: a host that is used up is news in any case.
    (more >= USED).then_some(Shift { before, after, deviations: 100.0 * more })
}

/// Requests of which a mean tells something.
const LEAST_REQUESTS: f64 = 10.0;
/// Failures that are no chance.
const LEAST_FAILURES: f64 = 3.0;

/// Compares parts of requests on the scale of what chance makes of so many. Before may be nothing: what fails where
/// nothing came before has failed from the first request on.
fn ratio_shift(track: &Track, windows: &Windows, least_usual: f64) -> Option<Shift> {
    let ((hits_before, n_before), (hits, n)) = (track.sums(&windows.before), track.sums(&windows.after));
    if hits < LEAST_FAILURES {
        return None;
    }
    // Half a failure in one request more keeps what never failed from being certain of it.
    let usual = ((hits_before + 0.5) / (n_before + 1.0)).min(1.0);
    let usual = if n_before < 1.0 { least_usual } else { usual };
    let scale = (usual * (1.0 - usual) / n).sqrt().max(least_usual);
    let before = if n_before < 1.0 { 0.0 } else { hits_before / n_before };
    let after = hits / n;
    Some(Shift { before, after, deviations: (after - usual) / scale })
}

/// A part of failed requests that nobody would look at.
const LEAST_USUAL: f64 = 0.01;
/// The same where a metric tells it of all requests, which has no chance in it.
const LEAST_TOTAL: f64 = 0.002;

/// Below this, chance explains a line.
const LINE_MOVED: f64 = 2.0;
/// A line that is wholly gone, or wholly new, tells more.
const WHOLLY: f64 = 1.3;
/// New lines appear wherever the course of requests changes; that one is no longer written is so where the fault is.
const APPEARED: f64 = 0.2;

/// Compares what a service writes, by how many requests come to it: lines that are no longer written, of which
/// complaints are none, and lines that are new.
pub(super) fn moved_lines(service: &Name, signals: &Signals, windows: &Windows) -> Vec<Moved> {
    let n_before = windows.known_before();
    if n_before == 0 {
        return Vec::new();
    }
    let requests = |windows: &Range<u64>| signals.served(service, windows);
    let by_requests = requests(&windows.after) / requests(&windows.before);
    let by_time = windows.after.clone().count() as f64 / n_before as f64;
    let rate = if by_requests.is_finite() { by_requests } else { by_time };
    if rate <= 0.0 {
        // Nothing comes to it, so nothing is to be written.
        return Vec::new();
    }
    let mut strongest: BTreeMap<bool, Moved> = BTreeMap::new();
    for (key, track) in signals.of(service) {
        if !matches!(key.aspect, Aspect::Line | Aspect::Complaint) {
            continue;
        }
        let (before, after) = (track.total(&windows.before), track.total(&windows.after));
        let strength = line_shift(before * rate, after, rate);
        let has_gone = strength < 0.0;
        if has_gone && key.aspect == Aspect::Complaint {
            continue;
        }
        let deviations = (strength.abs() - LINE_MOVED) * if has_gone { 1.0 } else { APPEARED };
        let is_stronger = strongest.get(&has_gone).is_none_or(|known| deviations > known.shift.deviations);
        if deviations > 0.0 && is_stronger {
            let (kind, what, exemplar) = (CauseKind::Logs, Name::clone(&key.name), track.exemplar);
            let shift = Shift { before: before * rate, after, deviations };
            let since = windows.after.start;
            let moved = Moved { kind, what, unit: "records", shift, weight: 0.0, exemplar, since };
            strongest.insert(has_gone, moved);
        }
    }
    strongest.into_values().collect()
}

/// The deviation of a count from an expected one that is itself counted: differences of roots, as those of counts
/// vary alike whatever the count (Anscombe).
fn line_shift(expected: f64, count: f64, rate: f64) -> f64 {
    let before = ((expected / rate + 0.375) * rate).sqrt();
    let deviations = 2.0 * ((count + 0.375).sqrt() - before) / (1.0 + rate).sqrt();
    if count == 0.0 || expected == 0.0 { WHOLLY * deviations } else { deviations }
}
