//! From windows that have ended to the table that later stages judge.

use std::{collections::BTreeMap, time::Duration};

use model::{Rollups, Statistic, Timestamp, TraceId};

use super::{
    catalog::Catalog,
    cell::Cell,
    partial::{Kind, SeriesKey},
    state::Closed,
};
use crate::aggregation::{
    attributes::{AttributeList, entries},
    spec::STATUS_CODE,
};

/// Makes one table of each window. Windows that are known in part only are left out: half a window's
/// requests would look like a fault.
///
/// Returns the tables by start and width, and the rows that found no room.
pub(super) fn tables(closed: &[Closed], observed: Observed, catalog: &mut Catalog) -> (Vec<Rollups>, u64) {
    let mut windows: BTreeMap<(Timestamp, Duration), Subjects<'_>> = BTreeMap::new();
    for window in closed.iter().filter(|window| observed.covers(window)) {
        windows.entry((window.start, window.width)).or_default().add(window);
    }
    let mut dropped = 0;
    let tables = windows.into_iter().map(|((start, width), subjects)| {
        let mut table = Rollups { start, width, ..Rollups::default() };
        for (key, subject) in subjects.0 {
            dropped += subject.rows(&key, &mut table, catalog);
        }
        table
    });
    let tables = tables.collect();
    (tables, dropped)
}

/// The time that was seen whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Observed {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Observed {
    fn covers(self, window: &Closed) -> bool {
        window.start >= self.from && window.start + window.width <= self.until
    }
}

/// What is judged in one window, in the order in which rows stand.
#[derive(Default)]
struct Subjects<'a>(BTreeMap<SeriesKey, Subject<'a>>);

/// One thing of which several numbers are told.
enum Subject<'a> {
    Measured(&'a Cell),
    /// An operation: all its spans, whatever their status.
    Operation {
        all: Box<Cell>,
        n_errors: u64,
        worst_error: Option<TraceId>,
    },
}

impl<'a> Subjects<'a> {
    fn add(&mut self, window: &'a Closed) {
        if window.series.kind() != Kind::Spans {
            self.0.insert(window.series.clone(), Subject::Measured(&window.cell));
            return;
        }
        let (attributes, is_error) = without_status(&window.series.attributes);
        let key = SeriesKey { attributes, ..window.series.clone() };
        let fresh = || Subject::Operation { all: Box::default(), n_errors: 0, worst_error: None };
        let subject = self.0.entry(key).or_insert_with(fresh);
        if let Subject::Operation { all, n_errors, worst_error } = subject {
            all.merge(&window.cell);
            if is_error {
                *n_errors += window.cell.moments.count;
                *worst_error = window.cell.worst.map(|worst| worst.trace_id);
            }
        }
    }
}

impl Subject<'_> {
    /// Writes the rows of one window. Returns how many found no room.
    fn rows(&self, key: &SeriesKey, table: &mut Rollups, catalog: &mut Catalog) -> u64 {
        let mut dropped = 0;
        let seconds = table.width.as_secs_f64();
        let mut row = |statistic: Statistic, value: f64, support: u64, example: Option<TraceId>| {
            // That something came is told even when its value can not be: it is no silence.
            let tells_presence = matches!(statistic, Statistic::Rate | Statistic::Mean);
            if !value.is_finite() && !tells_presence {
                return;
            }
            let value = if value.is_finite() { value } else { f64::NAN };
            match catalog.place(key, statistic, table.end()) {
                Some((slot, series)) => {
                    if let Some(trace) = example {
                        table.exemplars.insert(table.len() as u32, vec![trace]);
                    }
                    table.push(series, slot, value, support);
                }
                None => dropped += 1,
            }
        };
        match self {
            Self::Measured(cell) => {
                let (count, sum) = (cell.moments.count, cell.moments.sum.value());
                match key.kind() {
                    Kind::Level => {
                        row(Statistic::Mean, cell.moments.mean().unwrap_or(f64::NAN), count, None);
                    }
                    // What came in several windows is no rate of this one.
                    Kind::Counter | Kind::Distribution if cell.is_caught_up || cell.is_unreadable() => {
                        row(Statistic::Rate, f64::NAN, 0, None)
                    }
                    Kind::Counter => row(Statistic::Rate, sum / seconds, count, None),
                    Kind::Distribution | Kind::Spans => {
                        row(Statistic::Rate, count as f64 / seconds, count, None);
                        percentiles(cell, |statistic, value| row(statistic, value, count, None));
                    }
                }
            }
            Self::Operation { all, n_errors, worst_error } => {
                // Sampled spans count as many as they stand for, and are no more evidence than they are.
                let (count, n_seen) = (all.moments.count, all.n_seen());
                row(Statistic::Rate, count as f64 / seconds, n_seen, None);
                row(Statistic::ErrorRatio, *n_errors as f64 / count.max(1) as f64, n_seen, *worst_error);
                let slowest = all.worst.map(|worst| worst.trace_id);
                percentiles(all, |statistic, value| row(statistic, value, n_seen, slowest));
            }
        }
        dropped
    }
}

fn percentiles(cell: &Cell, mut row: impl FnMut(Statistic, f64)) {
    for (statistic, share) in [(Statistic::P50, 0.5), (Statistic::P95, 0.95), (Statistic::P99, 0.99)] {
        if let Some(value) = cell.percentile(share) {
            row(statistic, value);
        }
    }
}

/// Returns the attributes without the status, and whether that is an error.
fn without_status(attributes: &[u8]) -> (Vec<u8>, bool) {
    let mut list = AttributeList::default();
    let mut is_error = false;
    for entry in entries(attributes) {
        let key = String::from_utf8_lossy(entry.key);
        if key == STATUS_CODE {
            is_error = entry.value.ends_with(b"STATUS_CODE_ERROR");
        } else {
            list.push_value(&key, entry.value);
        }
    }
    (list.into_bytes().into(), is_error)
}
