//! The collector's self-metrics: our counters shown through the OpenTelemetry SDK.
//!
//! Instruments of the SDK are observable: nothing on the data path calls it. At each collection one
//! reading of all counters is taken, and every instrument reports from that reading.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use component::{Instrument, InstrumentKind, Telemetry};
use opentelemetry::{KeyValue, metrics::Meter};

/// Makes the SDK's instruments of ours, including those that appear while the service runs.
#[derive(Clone)]
pub(super) struct Bridge {
    own: Telemetry,
    meter: Meter,
    known: Arc<Mutex<HashSet<String>>>,
    reading: Arc<Mutex<Reading>>,
}

/// How old a reading may be that a sender takes.
const REFRESH: std::time::Duration = std::time::Duration::from_secs(5);

/// Instruments by name, as of the last collection.
type Reading = BTreeMap<String, Vec<Instrument>>;

impl Bridge {
    pub(super) fn new(own: Telemetry, meter: Meter) -> Self {
        let bridge = Self { own, meter, known: Arc::default(), reading: Arc::default() };
        bridge.refresh();
        bridge
    }

    /// Takes a new reading and registers names that were not there before.
    pub(super) fn refresh(&self) {
        let mut reading = Reading::new();
        for instrument in self.own.read() {
            reading.entry(instrument.name.clone()).or_default().push(instrument);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, rows) in &reading {
            if let Some(first) = rows.first()
                && known.insert(name.clone())
            {
                self.register(first);
            }
        }
        *self.reading.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }

    /// Refreshes from time to time, for readers that send by themselves.
    pub(super) fn keep_fresh(&self) {
        let bridge = self.clone();
        let refresh = move || {
            loop {
                std::thread::sleep(REFRESH);
                bridge.refresh();
            }
        };
        if let Err(problem) =
            std::thread::Builder::new().name("self-metrics-refresh".to_owned()).spawn(refresh)
        {
            tracing::error!(error = %problem, "self-metrics that are sent stay as they were at the start");
        }
    }

    fn register(&self, first: &Instrument) {
        let (name, reading) = (first.name.clone(), Arc::clone(&self.reading));
        let rows = move || {
            let reading = reading.lock().unwrap_or_else(PoisonError::into_inner);
            let rows = reading.get(&name).map(Vec::as_slice).unwrap_or_default();
            rows.iter().map(|row| (row.value, attributes(row))).collect::<Vec<_>>()
        };
        let (name, unit) = (first.name.clone(), first.unit);
        match first.kind {
            InstrumentKind::Counter => {
                let counter = self.meter.u64_observable_counter(name).with_description(first.description);
                let counter = counter.with_unit(unit);
                counter
                    .with_callback(move |observer| {
                        rows()
                            .into_iter()
                            .for_each(|(value, attributes)| observer.observe(value, &attributes));
                    })
                    .build();
            }
            InstrumentKind::Gauge => {
                let gauge = self.meter.u64_observable_gauge(name).with_description(first.description);
                let gauge = gauge.with_unit(unit);
                gauge
                    .with_callback(move |observer| {
                        rows()
                            .into_iter()
                            .for_each(|(value, attributes)| observer.observe(value, &attributes));
                    })
                    .build();
            }
        }
    }
}

fn attributes(row: &Instrument) -> Vec<KeyValue> {
    row.labels.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone())).collect()
}
