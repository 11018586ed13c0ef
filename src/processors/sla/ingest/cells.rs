//! Counts of the events since the last tick.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    durations::Durations,
    selection::Selector,
    slot_of,
    spot::Spot,
    tally::{Answer, Tally},
};
use crate::sla::{
    partial::{EventsRow, HistogramRow},
    plan::Plan,
};

/// A cell for each answer of each tally; those of other slots than the last stand aside.
pub(super) struct Cells {
    plan: Arc<Plan>,
    present: Vec<Cell>,
    /// By cell, its tally and the number of its answer.
    owners: Vec<(u32, u32)>,
    /// Cells that hold something.
    touched: Vec<u32>,
    /// By cell and slot.
    aside: BTreeMap<(u32, u64), Cell>,
    /// By objective that promises percentiles of a selector, the first of them.
    durations: BTreeMap<u32, Durations>,
}

/// Events of ten seconds that had the same answer.
#[derive(Clone, Copy, Default)]
struct Cell {
    slot: u64,
    total: u64,
    newest: u64,
    worst: f64,
    /// None for answers that are good for all.
    worst_trace: Option<[u8; 16]>,
}

/// So many cells aside are told before the next tick.
const MAX_ASIDE: usize = 16_384;

impl Cells {
    /// Makes the cells of tallies and tells them which are theirs.
    pub(super) fn new(plan: &Arc<Plan>, tallies: &mut [Tally]) -> Self {
        let mut owners = Vec::new();
        for (at, tally) in tallies.iter_mut().enumerate() {
            tally.first_cell = u32::try_from(owners.len()).expect("objectives are bounded");
            owners.extend((0..tally.n_cells()).map(|number| (at as u32, number as u32)));
        }
        Self {
            plan: Arc::clone(plan),
            present: vec![Cell::default(); owners.len()],
            owners,
            touched: Vec::new(),
            aside: BTreeMap::new(),
            durations: BTreeMap::new(),
        }
    }

    pub(super) fn is_large(&self) -> bool {
        self.aside.len() >= MAX_ASIDE
    }

    pub(super) fn fingerprint(&self, objective: u32) -> u64 {
        self.plan.objectives[objective as usize].fingerprint
    }

    /// Counts a span for all objectives of a selector.
    pub(super) fn add(
        &mut self,
        selector: &Selector,
        tallies: &[Tally],
        spot: &Spot<'_>,
        end: u64,
        weight: u64,
    ) {
        let slot = slot_of(end);
        if let Some(objective) = selector.timed {
            self.durations.entry(objective).or_default().add(spot.span.duration_nanos(), weight);
        }
        for tally in &tallies[selector.tallies.clone()] {
            let Some(Answer { number, value }) = tally.judge.answer(spot) else { continue };
            let cell = self.cell(tally.first_cell + number as u32, slot);
            cell.total = cell.total.saturating_add(weight);
            cell.newest = cell.newest.max(end);
            if number > 0 {
                let value = value.unwrap_or_else(|| spot.span.duration_nanos() as f64 / 1e9);
                cell.note_bad(value, || spot.span.trace_id(spot.bytes));
            }
        }
    }

    /// Returns the cell of an answer and slot.
    fn cell(&mut self, number: u32, slot: u64) -> &mut Cell {
        let present = &mut self.present[number as usize];
        if present.total == 0 {
            present.slot = slot;
            self.touched.push(number);
            return present;
        }
        if present.slot == slot {
            return present;
        }
        self.aside.entry((number, slot)).or_insert_with(|| Cell { slot, ..Cell::default() })
    }

    /// Takes all counts, by objective and slot.
    pub(super) fn take(&mut self, tallies: &[Tally]) -> (Vec<EventsRow>, Vec<HistogramRow>) {
        let mut all: Vec<(u32, u64, u32, Cell)> = Vec::with_capacity(self.touched.len() + self.aside.len());
        let aside = std::mem::take(&mut self.aside).into_iter().map(|((number, _), cell)| (number, cell));
        let present = self.touched.drain(..).map(|number| {
            let cell = std::mem::take(&mut self.present[number as usize]);
            (number, cell)
        });
        for (number, cell) in present.chain(aside) {
            let (tally, answer) = self.owners[number as usize];
            all.push((tally, cell.slot, answer, cell));
        }
        all.sort_unstable_by_key(|(tally, slot, answer, _)| (*tally, *slot, *answer));
        let mut rows = Vec::with_capacity(all.len());
        for of_slot in all.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            for member in &tallies[of_slot[0].0 as usize].members {
                let cells = of_slot.iter().map(|(_, _, answer, cell)| (*answer as usize, cell));
                rows.push((member.objective, of_slot[0].1, row(cells, member.n_good)));
            }
        }
        rows.sort_unstable_by_key(|(objective, slot, _)| (*objective, *slot));
        let rows = rows.into_iter().map(|(objective, slot, row)| EventsRow {
            objective: self.fingerprint(objective),
            slot,
            ..row
        });
        let rows = rows.collect();
        let plan = &self.plan;
        let durations = self.durations.iter_mut();
        let histograms =
            durations.filter_map(|(objective, it)| it.take(plan.objectives[*objective as usize].fingerprint));
        (rows, histograms.collect())
    }
}

/// Adds up the cells of one slot, of which the first answers are good.
fn row<'a>(cells: impl Iterator<Item = (usize, &'a Cell)>, n_good: usize) -> EventsRow {
    let (mut row, mut worst) = (EventsRow::default(), Cell::default());
    for (answer, cell) in cells {
        row.total = row.total.saturating_add(cell.total);
        row.newest = row.newest.max(cell.newest);
        if answer < n_good {
            row.good = row.good.saturating_add(cell.total);
        } else if let Some(trace) = &cell.worst_trace {
            worst.note_bad(cell.worst, || Some(trace));
        }
    }
    row.worst = worst.worst;
    row.worst_trace = worst.worst_trace.map(|trace| trace.to_vec()).unwrap_or_default();
    row
}

impl Cell {
    /// Keeps the worst event, of equal ones that with the smaller id. Where the trace is named lies far away: it is
    /// looked up only when it counts.
    fn note_bad<'a>(&mut self, value: f64, trace: impl FnOnce() -> Option<&'a [u8; 16]>) {
        if self.worst_trace.is_some() && value < self.worst {
            return;
        }
        let trace = trace().copied().unwrap_or_default();
        let is_worse = |known: [u8; 16]| value > self.worst || (value == self.worst && trace < known);
        if self.worst_trace.is_none_or(is_worse) {
            (self.worst, self.worst_trace) = (value, Some(trace));
        }
    }
}
