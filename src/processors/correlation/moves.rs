//! Which signals moved: each compared, before with after, on the scale on which it varies.

use std::ops::Range;

use model::{Timestamp, TraceId};

use super::{
    cause::CauseKind,
    graph::Name,
    shift::{Floors, Shift, quantile, shift_of},
    signals::{Aspect, OTHER, SignalKey, Signals, Track},
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
    /// What more is to be told of it; empty for nothing.
    pub(super) note: Name,
    /// Whether there was nothing of it before.
    pub(super) is_new: bool,
    pub(super) exemplar: Option<TraceId>,
    /// The first window in which it was as it is now.
    pub(super) since: u64,
}

impl Moved {
    /// Lets it count for a part.
    pub(super) fn by(mut self, part: f64) -> Self {
        self.shift.deviations *= part;
        self
    }
}

/// The windows on both sides of a beginning.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Windows {
    pub(super) before: Range<u64>,
    pub(super) after: Range<u64>,
    /// The window in which it began, though that is long ago.
    start: u64,
}

/// So many windows tell what is so now: what goes on for longer is as it is lately.
pub(super) const LATELY: u64 = 6;

impl Windows {
    /// Of a course from its start to its end, or to now.
    pub(super) fn of(signals: &Signals, start: Timestamp, end: Timestamp) -> Self {
        let start = signals.window_of(start).min(signals.last);
        let end = signals.window_of(end).clamp(start, signals.last) + 1;
        Self { before: signals.first..start, after: start.max(end.saturating_sub(LATELY))..end, start }
    }

    /// Begins early enough for the last two values of a metric, which may come by the minute.
    fn reaching(&self, track: &Track) -> Self {
        let two_before = track.nth_last(SEEN, &(0..self.after.end));
        let start = two_before.unwrap_or(self.after.start).min(self.after.start);
        let before = self.before.start..start.min(self.before.end);
        Self { before, after: start..self.after.end, start: self.start }
    }

    /// Begins where it began, for a signal with too few requests lately.
    fn with_enough(&self, track: &Track) -> Self {
        let is_enough = track.sums(&self.after).1 >= LEAST_REQUESTS;
        let start = if is_enough { self.after.start } else { self.start };
        Self { after: start..self.after.end, ..self.clone() }
    }

    /// Of the last minute, and all that is known before it.
    pub(super) fn lately(signals: &Signals) -> Self {
        let end = signals.last + 1;
        let start = end.saturating_sub(LATELY);
        Self { before: signals.first..start, after: start..end, start }
    }

    pub(super) const fn known_before(&self) -> u64 {
        self.before.end.saturating_sub(self.before.start)
    }
}

/// From so many usual deviations on a signal has moved.
const MOVED: f64 = 2.5;
/// A resource is used up the more, by so much of it.
const USED: f64 = 0.2;
/// What is taken for usual of a resource of which nothing is known.
const UNKNOWN_USE: f64 = 0.4;

/// Compares one signal; none of one that has not moved for the worse. Lines are compared by [`moved_lines`].
pub(super) fn moved(key: &SignalKey, track: &Track, windows: &Windows) -> Option<Moved> {
    let windows = match key.aspect {
        Aspect::Total | Aspect::TotalFailing => &windows.reaching(track),
        Aspect::Traffic | Aspect::Utilization | Aspect::Taken => windows,
        _ => &windows.with_enough(track),
    };
    let (kind, shift) = match key.aspect {
        Aspect::Own | Aspect::Total => (CauseKind::Latency, time_shift(track, windows)?),
        Aspect::Way => (CauseKind::Network, time_shift(track, windows)?),
        Aspect::Store => (CauseKind::Database, time_shift(track, windows)?),
        Aspect::Failing => (CauseKind::Errors, ratio_shift(track, windows, LEAST_USUAL)?),
        Aspect::TotalFailing => {
            let shift = ratio_shift(track, windows, LEAST_TOTAL)?;
            if !is_seen(track, windows, &shift) {
                return None;
            }
            (CauseKind::Errors, shift)
        }
        Aspect::Lost => (CauseKind::Unavailable, ratio_shift(track, windows, LEAST_USUAL)?),
        Aspect::StoreLost => (CauseKind::Database, ratio_shift(track, windows, LEAST_USUAL)?),
        Aspect::Traffic => (CauseKind::Traffic, traffic_shift(track, windows)?),
        Aspect::Utilization => (CauseKind::Resource, use_shift(track, windows)?),
        Aspect::Taken | Aspect::Line | Aspect::Complaint => return None,
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
    let what = match key.aspect {
        Aspect::Store | Aspect::StoreLost => format!("of {}", key.name).into(),
        _ => Name::clone(&key.name),
    };
    let (unit, exemplar) = (track.unit, track.exemplar);
    let since = onset(track, windows, &shift);
    let is_new = track.points(windows.before.clone()).next().is_none();
    let note = match (key.aspect, &track.failure) {
        (Aspect::Failing, Some(failure)) => note_of(failure, windows),
        _ => "".into(),
    };
    Some(Moved { kind, what, unit, shift, weight: weight.max(0.0), note, is_new, exemplar, since })
}

/// What requests fail with, and whether that is new. An incident may begin some time after its fault.
fn note_of((kind, since): &(Name, u64), windows: &Windows) -> Name {
    let is_new = windows.known_before() >= LEAST_KNOWN && since + 2 * LATELY >= windows.start;
    if is_new {
        format!("with {kind}, not seen in the half hour before").into()
    } else {
        format!("with {kind}").into()
    }
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
/// of its window: so half of the windows must show it, and not fewer than two.
fn time_shift(track: &Track, windows: &Windows) -> Option<Shift> {
    const FLOORS: Floors = Floors { relative: 0.1, absolute: 0.5 };
    let (sum, requests) = track.sums(&windows.after);
    if requests < LEAST_REQUESTS {
        return None;
    }
    let shift = shift_of(&mut track.values(&windows.before), sum / requests, FLOORS)?;
    is_seen(track, windows, &shift).then_some(shift)
}

/// Whether half of the windows, and two at least, are nearer to what is so now than to what was usual.
fn is_seen(track: &Track, windows: &Windows, shift: &Shift) -> bool {
    let middle = shift.before + (shift.after - shift.before) / 2.0;
    let after = track.values(&windows.after);
    let n_high = after.iter().filter(|value| **value >= middle).count();
    n_high >= after.len().div_ceil(2).max(SEEN)
}

/// Windows in which something is seen before it is told.
pub(super) const SEEN: usize = 2;

fn traffic_shift(track: &Track, windows: &Windows) -> Option<Shift> {
    const FLOORS: Floors = Floors { relative: 0.2, absolute: 0.2 };
    let mut after = track.values(&windows.after);
    after.sort_by(f64::total_cmp);
    if after.is_empty() {
        return None;
    }
    // One window makes a mean, and chance in half of few requests a median: of a surge both tell.
    let mean = after.iter().sum::<f64>() / after.len() as f64;
    let now = quantile(&after, 0.5).min(mean);
    let shift = shift_of(&mut track.values(&windows.before), now, FLOORS)?;
    // What several windows say is less by chance than what one says.
    Some(Shift { deviations: shift.deviations * (after.len() as f64).sqrt(), ..shift })
}

/// By tenths of the whole, and only where a good part of it is used more than before.
fn use_shift(track: &Track, windows: &Windows) -> Option<Shift> {
    let mut after = track.values(&windows.after);
    after.sort_by(f64::total_cmp);
    let mut before = track.values(&windows.before);
    before.sort_by(f64::total_cmp);
    if after.is_empty() {
        return None;
    }
    let before = if before.is_empty() { UNKNOWN_USE } else { quantile(&before, 0.5) };
    // Of two values, which are all that come in a minute of most sources, the higher.
    let after = after[after.len() / 2];
    let more = after - before;
    // Ten points are ten deviations: a host that is used up is news in any case.
    (more >= USED).then_some(Shift { before, after, deviations: 100.0 * more })
}

/// Requests of which a mean tells something.
const LEAST_REQUESTS: f64 = 10.0;
/// Failures that are no chance: three, less what rounding takes of a part told by a metric.
const LEAST_FAILURES: f64 = 2.9;

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

/// Windows of a service without which nothing that it writes is usual.
pub(super) const LEAST_KNOWN: u64 = 5;
/// Below this, chance explains a line.
const LINE_MOVED: f64 = 2.0;
/// A line that is wholly gone, or wholly new, tells more.
const WHOLLY: f64 = 1.3;
/// New lines appear wherever the course of requests changes, and complaints wherever a callee fails; that one is no
/// longer written is so where the fault is.
pub(super) const APPEARED: f64 = 0.2;

/// What a service writes otherwise than before.
#[derive(Default)]
pub(super) struct Lines {
    /// A line that it no longer writes, or hardly; complaints are none.
    pub(super) gone: Option<Moved>,
    /// A line that is new, or written far more often.
    pub(super) appeared: Option<Moved>,
    /// The same of a warning or an error.
    pub(super) complaint: Option<Moved>,
}

impl Lines {
    /// How sure it is that the service does something else.
    pub(super) fn strength(&self) -> f64 {
        let both = [&self.gone, &self.complaint].into_iter().flatten();
        both.map(|moved| moved.shift.deviations).sum()
    }
}

/// Compares what a service writes, by how many requests come to it. Of each kind the strongest is returned.
pub(super) fn moved_lines(service: &Name, signals: &Signals, windows: &Windows) -> Lines {
    let mut lines = Lines::default();
    let since = signals.known_since(service).unwrap_or(u64::MAX).max(windows.before.start);
    let n_before = windows.before.end.saturating_sub(since);
    if n_before < LEAST_KNOWN {
        return lines;
    }
    let requests = |windows: &Range<u64>| signals.served(service, windows);
    let by_requests = requests(&windows.after) / requests(&windows.before);
    let by_time = windows.after.clone().count() as f64 / n_before as f64;
    let rate = if by_requests.is_finite() { by_requests } else { by_time };
    if rate <= 0.0 {
        // Nothing comes to it, so nothing is to be written.
        return lines;
    }
    for (key, track) in signals.of(service) {
        let is_complaint = match key.aspect {
            Aspect::Line => false,
            Aspect::Complaint => true,
            _ => continue,
        };
        if *key.name == *OTHER {
            // What is in it changes with what else there is.
            continue;
        }
        let (before, after) = (rate * track.total(&windows.before), track.total(&windows.after));
        let strength = line_shift(before, after, rate);
        let deviations = strength.abs() - LINE_MOVED;
        let place = match (strength < 0.0, is_complaint) {
            (true, false) => &mut lines.gone,
            (true, true) => continue,
            (false, true) if after >= NEWLY * before => &mut lines.complaint,
            (false, _) => &mut lines.appeared,
        };
        if deviations > 0.0 && place.as_ref().is_none_or(|known| deviations > known.shift.deviations) {
            *place = Some(Moved {
                kind: CauseKind::Logs,
                what: Name::clone(&key.name),
                unit: "records",
                shift: Shift { before, after, deviations },
                weight: 0.0,
                note: "".into(),
                is_new: false,
                exemplar: track.exemplar,
                since: windows.after.start,
            });
        }
    }
    lines
}

/// A complaint is one when it comes so many times as often as before.
const NEWLY: f64 = 3.0;

/// The deviation of a count from an expected one that is itself counted: differences of roots, as those of counts
/// vary alike whatever the count (Anscombe).
fn line_shift(expected: f64, count: f64, rate: f64) -> f64 {
    let before = ((expected / rate + 0.375) * rate).sqrt();
    let deviations = 2.0 * ((count + 0.375).sqrt() - before) / (1.0 + rate).sqrt();
    if count == 0.0 || expected == 0.0 { WHOLLY * deviations } else { deviations }
}
