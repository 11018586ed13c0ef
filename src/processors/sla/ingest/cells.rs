//! Counts of the events since the last tick.

use std::{collections::BTreeMap, sync::Arc};

use rapidhash::RapidHashMap;
use stats::index_at_scale_3;

use super::{
    selection::{Judge, Member, Selector},
    slot_of,
    spot::Spot,
};
use crate::sla::{
    partial::{EventsRow, HistogramRow},
    plan::Plan,
};

/// A cell for each objective; those of other slots than the last stand aside.
pub(super) struct Cells {
    plan: Arc<Plan>,
    present: Vec<Cell>,
    /// Objectives whose cell holds something.
    touched: Vec<u32>,
    /// By objective and slot.
    aside: BTreeMap<(u32, u64), Cell>,
    /// By objective that owns the histogram, and bucket.
    buckets: RapidHashMap<(u32, i32), u64>,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    slot: u64,
    good: u64,
    total: u64,
    newest: u64,
    worst: f64,
    worst_trace: Option<[u8; 16]>,
}

/// So many cells aside are told before the next tick.
const MAX_ASIDE: usize = 16_384;

/// Seconds of no length share the lowest bucket: a nanosecond.
const SHORTEST: f64 = 1e-9;

impl Cells {
    pub(super) fn new(plan: &Arc<Plan>) -> Self {
        Self {
            plan: Arc::clone(plan),
            present: vec![Cell::default(); plan.objectives.len()],
            touched: Vec::new(),
            aside: BTreeMap::new(),
            buckets: RapidHashMap::default(),
        }
    }

    pub(super) fn is_large(&self) -> bool {
        self.aside.len() >= MAX_ASIDE
    }

    pub(super) fn fingerprint(&self, objective: u32) -> u64 {
        self.plan.objectives[objective as usize].fingerprint
    }

    /// Counts a span for all objectives of a selector.
    pub(super) fn add(&mut self, selector: &Selector, spot: &Spot<'_>, end: u64, weight: u64) {
        let slot = slot_of(end);
        let mut is_timed = false;
        for Member { objective, judge } in &selector.members {
            let seconds = || spot.span.duration_nanos() as f64 / 1e9;
            let (is_good, value) = match judge {
                Judge::Success(bad) => (!bad.iter().any(|probe| probe.holds(spot)), None),
                Judge::Within(most) => {
                    if !is_timed {
                        is_timed = true;
                        self.time(*objective, seconds(), weight);
                    }
                    (spot.span.duration_nanos() <= *most, None)
                }
                Judge::Value(place, agreement) => match spot.seen(*place).and_then(|seen| seen.number()) {
                    Some(value) if !value.is_nan() => (agreement.is_met(value), Some(value)),
                    _ => continue,
                },
                Judge::Came => (true, None),
            };
            let cell = self.cell(*objective, slot);
            cell.total = cell.total.saturating_add(weight);
            cell.newest = cell.newest.max(end);
            if is_good {
                cell.good = cell.good.saturating_add(weight);
            } else {
                cell.note_bad(value.unwrap_or_else(seconds), spot.span.trace_id(spot.bytes));
            }
        }
    }

    fn time(&mut self, objective: u32, seconds: f64, weight: u64) {
        let bucket = index_at_scale_3(seconds.max(SHORTEST));
        let count = self.buckets.entry((objective, bucket)).or_default();
        *count = count.saturating_add(weight);
    }

    /// Returns the cell of an objective and slot.
    fn cell(&mut self, objective: u32, slot: u64) -> &mut Cell {
        let present = &mut self.present[objective as usize];
        if present.total == 0 {
            present.slot = slot;
            self.touched.push(objective);
            return present;
        }
        if present.slot == slot {
            return present;
        }
        self.aside.entry((objective, slot)).or_insert_with(|| Cell { slot, ..Cell::default() })
    }

    /// Takes all counts, by objective and slot.
    pub(super) fn take(&mut self) -> (Vec<EventsRow>, Vec<HistogramRow>) {
        let mut all: Vec<(u32, Cell)> = Vec::with_capacity(self.touched.len() + self.aside.len());
        for objective in self.touched.drain(..) {
            all.push((objective, std::mem::take(&mut self.present[objective as usize])));
        }
        all.extend(
            std::mem::take(&mut self.aside).into_iter().map(|((objective, _), cell)| (objective, cell)),
        );
        all.sort_unstable_by_key(|(objective, cell)| (*objective, cell.slot));
        let rows = all.into_iter().map(|(objective, cell)| cell.row(self.fingerprint(objective))).collect();
        let mut buckets: Vec<_> = self.buckets.drain().collect();
        buckets.sort_unstable();
        let of_objective = buckets.chunk_by(|a, b| a.0.0 == b.0.0);
        let histograms = of_objective.map(|of_objective| HistogramRow {
            objective: self.plan.objectives[of_objective[0].0.0 as usize].fingerprint,
            buckets: of_objective.iter().map(|((_, bucket), _)| *bucket).collect(),
            counts: of_objective.iter().map(|(_, count)| *count).collect(),
        });
        (rows, histograms.collect())
    }
}

impl Cell {
    fn note_bad(&mut self, value: f64, trace: Option<&[u8; 16]>) {
        let trace = trace.copied().unwrap_or_default();
        let is_worse = |known: [u8; 16]| value > self.worst || (value == self.worst && trace < known);
        if self.worst_trace.is_none_or(is_worse) {
            (self.worst, self.worst_trace) = (value, Some(trace));
        }
    }

    fn row(self, objective: u64) -> EventsRow {
        EventsRow {
            objective,
            slot: self.slot,
            good: self.good,
            total: self.total,
            newest: self.newest,
            worst: self.worst,
            worst_trace: self.worst_trace.map(|trace| trace.to_vec()).unwrap_or_default(),
        }
    }
}
