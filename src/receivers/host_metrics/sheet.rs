//! What one scraper has found, by metric, and how that is written.

use std::collections::BTreeMap;

use component::Checks;
use serde::Deserialize;
use wire::{
    build::{Attributes, MetricHead, MetricsWriter, NumberPoint},
    view::{Number, Temporality},
};

/// A metric that a scraper can tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) unit: &'static str,
    pub(super) shape: Shape,
    /// Whether it is told when nothing is said.
    pub(super) is_usual: bool,
}

/// How points of a metric are to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    Gauge,
    /// A sum that falls too.
    Sum,
    /// A sum that only grows.
    Counter,
}

/// The key `metrics` of a scraper.
pub(super) type Toggles = BTreeMap<String, Toggle>;

/// Whether a metric is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Toggle {
    enabled: Option<bool>,
}

/// Points of one scraper at a time.
pub(super) struct Sheet {
    known: &'static [Known],
    is_told: Vec<bool>,
    rows: Vec<Vec<(Attributes, Number)>>,
    n_points: usize,
    /// Points beyond what one collection may bring.
    pub(super) left_out: u64,
}

/// One scraper tells no more points: a machine with more mounts or disks is watched by leaving some out.
const MOST_POINTS: usize = 100_000;

pub(super) fn validate(path: &str, toggles: &Toggles, known: &[Known], checks: &mut Checks) {
    for name in toggles.keys().filter(|name| !known.iter().any(|metric| metric.name == **name)) {
        let names: Vec<_> = known.iter().map(|metric| metric.name).collect();
        checks.unknown(path, "metric of this scraper", name, &names);
    }
}

impl Sheet {
    pub(super) fn new(known: &'static [Known], toggles: &Toggles) -> Self {
        let is_told = |metric: &Known| {
            let toggle = toggles.get(metric.name).and_then(|toggle| toggle.enabled);
            toggle.unwrap_or(metric.is_usual)
        };
        Self {
            known,
            is_told: known.iter().map(is_told).collect(),
            rows: known.iter().map(|_| Vec::new()).collect(),
            n_points: 0,
            left_out: 0,
        }
    }

    /// Whether somebody wants one of these metrics: what is expensive to find out is asked before.
    pub(super) fn wants(&self, names: &[&str]) -> bool {
        self.known.iter().zip(&self.is_told).any(|(metric, is_told)| *is_told && names.contains(&metric.name))
    }

    /// How many metrics are told.
    pub(super) fn n_told(&self) -> u64 {
        self.is_told.iter().filter(|is_told| **is_told).count() as u64
    }

    pub(super) fn int(&mut self, name: &str, attributes: &[(&str, &str)], value: u64) {
        self.add(name, attributes, Number::Int(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    pub(super) fn double(&mut self, name: &str, attributes: &[(&str, &str)], value: f64) {
        self.add(name, attributes, Number::Double(value));
    }

    fn add(&mut self, name: &str, attributes: &[(&str, &str)], value: Number) {
        let place = self.known.iter().position(|metric| metric.name == name);
        debug_assert!(place.is_some(), "{name} is in no table");
        let Some(place) = place.filter(|place| self.is_told[*place]) else { return };
        if self.n_points >= MOST_POINTS {
            self.left_out += 1;
            return;
        }
        self.n_points += 1;
        let mut encoded = Attributes::new();
        attributes.iter().for_each(|(key, value)| encoded.push_str(key, value));
        self.rows[place].push((encoded, value));
    }

    /// Writes the points as one scope and begins anew. Returns how many there were.
    pub(super) fn write(&mut self, scope: &str, start: u64, time: u64, out: &mut MetricsWriter) -> u64 {
        let n_points = std::mem::take(&mut self.n_points) as u64;
        if n_points == 0 {
            return 0;
        }
        out.scope(scope, env!("CARGO_PKG_VERSION"));
        for (metric, rows) in self.known.iter().zip(&mut self.rows) {
            if rows.is_empty() {
                continue;
            }
            let head = MetricHead { name: metric.name, description: metric.description, unit: metric.unit };
            let mut points = match metric.shape {
                Shape::Gauge => out.gauge(&head),
                Shape::Sum => out.sum(&head, Temporality::Cumulative, false),
                Shape::Counter => out.sum(&head, Temporality::Cumulative, true),
            };
            for (attributes, value) in rows.drain(..) {
                let value = Some(value);
                points.point(&NumberPoint {
                    attributes: &attributes,
                    start,
                    time,
                    value,
                    exemplars: &[],
                    flags: 0,
                });
            }
        }
        n_points
    }
}
