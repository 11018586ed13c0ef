//! Counters and gauges that components own and the service exposes.
//!
//! An instrument is one atomic that its owner adds to; nothing is looked up and nothing is locked on
//! the data path. The same instrument made on several threads is one atomic each, and readers add
//! them up. A gauge is forgotten when its last owner is gone, as a thread that was built anew tells
//! its own; what a counter counted stays.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Names and values, sorted by name.
pub type Labels = Vec<(String, String)>;

/// Whether an instrument only grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum InstrumentKind {
    Counter,
    Gauge,
}

/// One instrument as readers see it.
#[derive(Clone, PartialEq, Debug)]
pub struct Instrument {
    pub name: String,
    pub description: &'static str,
    pub unit: &'static str,
    pub kind: InstrumentKind,
    pub labels: Labels,
    pub value: u64,
}

struct Row {
    name: String,
    description: &'static str,
    unit: &'static str,
    kind: InstrumentKind,
    labels: Labels,
    value: Arc<AtomicU64>,
}

/// Makes instruments; clones share the table of the service and add their own labels.
#[derive(Clone, Default)]
pub struct Telemetry {
    rows: Arc<Mutex<Vec<Row>>>,
    labels: Labels,
}

/// Only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    #[inline(always)]
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Goes up and down. Values of the same gauge on several threads are added up.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub fn sub(&self, by: u64) {
        self.0.fetch_sub(by, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Telemetry {
    /// Returns a maker whose instruments carry one more label.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut labels = self.labels.clone();
        labels.retain(|(known, _)| known != name);
        labels.push((name.to_owned(), value.to_owned()));
        labels.sort();
        Self { rows: Arc::clone(&self.rows), labels }
    }

    /// Makes a counter. `name` is the full name: `otelcol_receiver_accepted_spans`.
    pub fn counter(&self, name: &str, description: &'static str, unit: &'static str) -> Counter {
        Counter(self.row(name, description, unit, InstrumentKind::Counter))
    }

    pub fn gauge(&self, name: &str, description: &'static str, unit: &'static str) -> Gauge {
        Gauge(self.row(name, description, unit, InstrumentKind::Gauge))
    }

    fn row(
        &self,
        name: &str,
        description: &'static str,
        unit: &'static str,
        kind: InstrumentKind,
    ) -> Arc<AtomicU64> {
        let value = Arc::new(AtomicU64::new(0));
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() == rows.capacity() {
            forget_the_dead(&mut rows);
        }
        let (name, labels) = (name.to_owned(), self.labels.clone());
        rows.push(Row { name, description, unit, kind, labels, value: Arc::clone(&value) });
        value
    }

    /// Returns every instrument with its value, equal ones added up, sorted by name and labels.
    ///
    /// *Cost*: a scan and a sort of all instruments; meant for scrapes.
    pub fn read(&self) -> Vec<Instrument> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        forget_the_dead(&mut rows);
        let mut all: Vec<Instrument> = rows.iter().map(Row::read).collect();
        drop(rows);
        all.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
        all.dedup_by(|next, first| {
            let same = next.name == first.name && next.labels == first.labels;
            if same {
                first.value = first.value.wrapping_add(next.value);
            }
            same
        });
        all
    }
}

/// Drops gauges without an owner, and keeps one row for all equal counters without one, so that threads
/// that are built anew do not make the table grow.
fn forget_the_dead(rows: &mut Vec<Row>) {
    let dead = rows.extract_if(.., |row| !row.has_owner());
    let mut ended: Vec<Row> = dead.filter(|row| row.kind == InstrumentKind::Counter).collect();
    ended.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
    ended.dedup_by(|next, first| {
        let is_same = next.name == first.name && next.labels == first.labels;
        if is_same {
            first.value.fetch_add(next.value.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        is_same
    });
    rows.append(&mut ended);
}

impl Row {
    /// Whether anybody but the table holds the value.
    fn has_owner(&self) -> bool {
        Arc::strong_count(&self.value) > 1
    }

    fn read(&self) -> Instrument {
        Instrument {
            name: self.name.clone(),
            description: self.description,
            unit: self.unit,
            kind: self.kind,
            labels: self.labels.clone(),
            value: self.value.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(telemetry: &Telemetry, name: &str) -> Option<u64> {
        telemetry.read().into_iter().find(|row| row.name == name).map(|row| row.value)
    }

    #[test]
    fn a_gauge_goes_with_its_owner_and_a_count_stays() {
        let telemetry = Telemetry::default();
        let instruments = || (telemetry.gauge("series", "", ""), telemetry.counter("spans", "", ""));
        let ((series, spans), (other_series, _other_spans)) = (instruments(), instruments());
        series.set(10);
        spans.add(10);
        other_series.set(5);
        assert_eq!((value(&telemetry, "series"), value(&telemetry, "spans")), (Some(15), Some(10)));
        drop((series, spans));
        assert_eq!((value(&telemetry, "series"), value(&telemetry, "spans")), (Some(5), Some(10)));
        drop(other_series);
        assert_eq!(value(&telemetry, "series"), None);
    }

    #[test]
    fn owners_that_come_and_go_do_not_make_the_table_grow() {
        let telemetry = Telemetry::default();
        for _ in 0..10_000 {
            telemetry.gauge("series", "", "").set(1);
            telemetry.counter("spans", "", "").add(1);
        }
        assert!(telemetry.rows.lock().unwrap().len() < 20);
        assert_eq!(value(&telemetry, "spans"), Some(10_000));
    }
}
