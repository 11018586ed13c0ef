//! What is known of each objective.

mod adopt;
mod coverage;
mod excluded;
mod outages;
mod slices;

use std::{collections::BTreeMap, time::Duration};

use model::{Timestamp, TraceId};
use stats::ExponentialHistogram;

pub(super) use self::{
    coverage::Coverage,
    excluded::Excluded,
    outages::{Downtime, Outage, Outages},
    slices::Slices,
};
use super::{
    calendar::{Period, Window},
    plan::{Objective, SliceVerdict},
    ring::{Count, Ring, SLOT},
};

/// How late an event may come and still count in its slice or minute.
pub(super) const LATENESS: Duration = Duration::from_secs(10);

/// One objective's counts and what follows from them.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Record {
    pub(super) ring: Ring,
    /// The present period of the calendar.
    pub(super) period: Option<PeriodCount>,
    /// The last periods, the newest last.
    pub(super) past: Vec<PeriodCount>,
    pub(super) coverage: Coverage,
    pub(super) slices: Slices,
    /// When the newest event ended.
    pub(super) newest: Timestamp,
    pub(super) excluded: Excluded,
    pub(super) outages: Outages,
    pub(super) worst: Option<Worst>,
    pub(super) bad_traces: BadTraces,
    /// How long events took, by five minutes, where this objective owns the histogram.
    pub(super) taken: BTreeMap<u64, ExponentialHistogram>,
    pub(super) told: Told,
    /// Fractions of events that counters have told and that make no whole yet.
    pub(super) fractions: [f64; 2],
    pub(super) n_late: u64,
    /// All that was counted since the objective was first judged; what was backfilled is not in it.
    pub(super) events: Count,
    pub(super) since: Timestamp,
    pub(super) flows: Flows,
}

/// Workflows since the objective was first judged, each counted once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Flows {
    pub(super) started: u64,
    /// That ended, in time or not.
    pub(super) completed: u64,
    /// That took longer than was promised, whether or not they ended.
    pub(super) failed: u64,
}

/// Events of a period of the calendar, exactly.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct PeriodCount {
    pub(super) period: Period,
    pub(super) count: Count,
    /// Events that are dated after it.
    pub(super) next: Count,
}

/// When the budget burnt fastest.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Worst {
    pub(super) at: Timestamp,
    /// Of five minutes.
    pub(super) error_ratio: f64,
}

/// Traces of bad events, the worst first.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct BadTraces(Vec<(f64, TraceId, Timestamp)>);

/// What was last told, so that only changes are.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Told {
    pub(super) is_breached: Option<bool>,
    /// By alert.
    pub(super) burning: Vec<bool>,
    /// How many thresholds of the budget are passed.
    pub(super) n_budgets: usize,
}

const MAX_BAD_TRACES: usize = 5;
const BAD_TRACE_AGE: Duration = Duration::from_secs(3600);
/// Periods of the calendar that are remembered.
const MAX_PAST: usize = 12;
/// The width of the parts of which observed percentiles are made, and how many there are.
pub(super) const TAKEN_WIDTH: Duration = Duration::from_secs(300);
const MAX_TAKEN: u64 = 12;
/// Bounds the memory of observed percentiles; 160 buckets of scale 3 span twenty powers of two.
const MAX_BUCKETS: u32 = 160;

impl Record {
    /// Counts events that were dated to a slot.
    pub(super) fn take(&mut self, objective: &Objective, at: Timestamp, count: Count) {
        if let Some(exclusion) = objective.exclusion_at(at) {
            self.excluded.note(&exclusion.name, at, count);
            self.outages.note_planned(at, count);
            return;
        }
        match &objective.slices {
            None => self.count(objective, at, count),
            Some(rule) => {
                self.n_late += u64::from(!self.slices.take(at.window_start(rule.width), count)) * count.total
            }
        }
    }

    /// Counts events, or slices, for good.
    pub(super) fn count(&mut self, objective: &Objective, at: Timestamp, count: Count) {
        self.ring.add(at, count);
        self.events = self.events.plus(count);
        if let Window::Calendar(..) = objective.window {
            let fresh =
                || PeriodCount { period: objective.window.at(at), count: Count::NONE, next: Count::NONE };
            let present = self.period.get_or_insert_with(fresh);
            if present.period.contains(at) {
                present.count = present.count.plus(count);
            } else if at >= present.period.until {
                present.next = present.next.plus(count);
            }
        }
    }

    /// Closes what ended by an instant: slices, minutes, periods.
    pub(super) fn advance(&mut self, objective: &Objective, at: Timestamp) {
        if self.since == Timestamp(0) {
            self.since = at;
        }
        self.coverage.extend(at);
        self.close_slices(objective, at);
        if objective.slices.is_none() {
            self.outages.close_minutes(&self.ring, objective.downtime_error_ratio, &self.coverage, at);
        }
        self.outages.forget_before(at - super::ring::RETENTION);
        self.turn_period(objective, at);
        self.excluded.forget_before(objective.window.at(at).from);
        self.bad_traces.forget_before(at - BAD_TRACE_AGE);
        let oldest = (at.as_nanos() / TAKEN_WIDTH.as_nanos() as u64).saturating_sub(MAX_TAKEN);
        self.taken.retain(|part, _| *part > oldest);
        self.note_worst(objective, at);
    }

    fn close_slices(&mut self, objective: &Objective, at: Timestamp) {
        let Some(rule) = &objective.slices else { return };
        let ready = at - LATENESS;
        let first = self.coverage.last_start().unwrap_or(at);
        for (start, events) in self.slices.close(rule.width, first, ready) {
            let end = start + rule.width;
            if objective.exclusion_at(start).is_some() {
                continue;
            }
            let verdict = match rule.verdict {
                SliceVerdict::Share { least, empty } => match events.error_ratio() {
                    Some(errors) => Some(1.0 - errors >= least - 1e-12),
                    None => empty,
                },
                SliceVerdict::Rate { least, most } => {
                    let rate = events.total as f64 / rule.width.as_secs_f64();
                    Some((least..=most).contains(&rate))
                }
                // Before the first event there is nothing to be old.
                SliceVerdict::Age { most } => {
                    (self.newest > Timestamp(0)).then(|| end.since(self.newest) <= most)
                }
            };
            let Some(is_good) = verdict else { continue };
            self.count(objective, start, Count { good: u64::from(is_good), total: 1 });
            if !is_good {
                self.outages.add(Outage { from: start, until: end, is_planned: false });
            }
        }
    }

    fn turn_period(&mut self, objective: &Objective, at: Timestamp) {
        let Window::Calendar(..) = objective.window else { return };
        let period = objective.window.at(at);
        let fresh = PeriodCount { period, count: Count::NONE, next: Count::NONE };
        let present = self.period.get_or_insert(fresh);
        if present.period == period || period.from < present.period.until {
            return;
        }
        let carried = if present.period.until == period.from { present.next } else { Count::NONE };
        let ended = std::mem::replace(present, PeriodCount { count: carried, ..fresh });
        self.past.push(ended);
        if self.past.len() > MAX_PAST {
            self.past.remove(0);
        }
    }

    fn note_worst(&mut self, objective: &Objective, at: Timestamp) {
        if self.worst.is_some_and(|worst| {
            !objective.window.at(at).contains(worst.at) && worst.at < objective.window.at(at).from
        }) {
            self.worst = None;
        }
        let count = self.ring.sum(at, Duration::from_secs(300));
        let enough = count.total >= objective.min_events.max(1) || objective.slices.is_some();
        if let Some(error_ratio) = count.error_ratio().filter(|ratio| enough && *ratio > 0.0)
            && self.worst.is_none_or(|worst| error_ratio > worst.error_ratio)
        {
            self.worst = Some(Worst { at, error_ratio });
        }
    }

    /// Returns the events of the period that is judged at an instant.
    pub(super) fn of_period(&self, objective: &Objective, at: Timestamp) -> (Period, Count) {
        let period = objective.window.at(at);
        let count = match (&objective.window, &self.period) {
            (Window::Calendar(..), Some(present)) if present.period == period => present.count,
            (Window::Calendar(..), _) => Count::NONE,
            (Window::Rolling(width), _) => self.ring.sum(at, *width),
        };
        (period, count)
    }

    /// Adds how long events took.
    pub(super) fn time(&mut self, at: Timestamp, buckets: &[i32], counts: &[u64]) {
        let part = at.as_nanos() / TAKEN_WIDTH.as_nanos() as u64;
        let histogram = self.taken.entry(part).or_insert_with(|| ExponentialHistogram::new(3, MAX_BUCKETS));
        for (bucket, count) in buckets.iter().zip(counts) {
            histogram.add_bucket(3, *bucket, *count);
        }
    }

    /// Estimates a percentile of the last hour, in seconds.
    pub(super) fn percentile(&self, share: f64) -> Option<f64> {
        let mut all = ExponentialHistogram::new(3, MAX_BUCKETS);
        self.taken.values().for_each(|part| all.merge(part));
        all.quantile(share)
    }

    /// Fills history: slots that were counted elsewhere, without what fell into times that do not count. Returns whether all
    /// were within the retention.
    pub(super) fn backfill(
        &mut self,
        objective: &Objective,
        from: Timestamp,
        until: Timestamp,
        count: Count,
    ) -> bool {
        let parts = (until.since(from).as_nanos() / SLOT.as_nanos()).clamp(1, 360) as u64;
        let share = |whole: u64, part: u64| whole * (part + 1) / parts - whole * part / parts;
        let step = Duration::from_nanos(until.since(from).as_nanos() as u64 / parts);
        let mut is_kept = true;
        for part in 0..parts {
            let at = from + step * part as u32;
            let total = share(count.total, part);
            // Rounded alike, so that a part never has more good events than events.
            let good = total - share(count.bad(), part).min(total);
            let slot = Count { good, total };
            if let Some(exclusion) = objective.exclusion_at(at) {
                self.excluded.note(&exclusion.name, at, slot);
                continue;
            }
            is_kept &= self.ring.add(at, slot);
            if let Window::Calendar(..) = objective.window {
                let fresh = || PeriodCount {
                    period: objective.window.at(until),
                    count: Count::NONE,
                    next: Count::NONE,
                };
                let present = self.period.get_or_insert_with(fresh);
                if present.period.contains(at) {
                    present.count = present.count.plus(slot);
                }
            }
        }
        self.coverage.add(from, until);
        is_kept
    }
}

impl BadTraces {
    /// Notes the worst event of a slot that one shard saw. Of a slot the worst is kept, of equal ones that with the
    /// smaller id, so that neither shards nor the order of arrival show.
    pub(super) fn note(&mut self, value: f64, trace: TraceId, at: Timestamp) {
        let is_worse =
            |than: &(f64, TraceId, Timestamp)| value > than.0 || (value == than.0 && trace < than.1);
        match self.0.iter_mut().find(|known| known.2 == at) {
            Some(known) if is_worse(known) => *known = (value, trace, at),
            Some(_) => return,
            None => self.0.push((value, trace, at)),
        }
        self.0.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        self.0.truncate(MAX_BAD_TRACES);
    }

    fn forget_before(&mut self, at: Timestamp) {
        self.0.retain(|(_, _, seen)| *seen >= at);
    }

    pub(super) fn ids(&self) -> Vec<TraceId> {
        let mut ids = Vec::with_capacity(self.0.len());
        for (_, trace, _) in &self.0 {
            if !ids.contains(trace) {
                ids.push(*trace);
            }
        }
        ids
    }

    pub(super) fn worst_value(&self) -> Option<f64> {
        self.0.first().map(|(value, ..)| *value)
    }
}
