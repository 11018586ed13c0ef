//! Counters and gauges that components own and the service exposes.
//!
//! An instrument is one atomic that its owner adds to; nothing is looked up and nothing is locked on
//! the data path. The same instrument made on several threads is one atomic each, and readers add
//! them up.

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
        let (name, labels) = (name.to_owned(), self.labels.clone());
        rows.push(Row { name, description, unit, kind, labels, value: Arc::clone(&value) });
        value
    }

    /// Returns every instrument with its value, equal ones added up, sorted by name and labels.
    ///
    /// *Cost*: a scan and a sort of all instruments; meant for scrapes.
    pub fn read(&self) -> Vec<Instrument> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
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

impl Row {
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
