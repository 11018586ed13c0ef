//! Bands as metrics, so that a dashboard can draw them.

use std::sync::Arc;

use model::{Rollups, Series};
use wire::{
    build::{Attributes, MetricHead, MetricsWriter, NumberPoint},
    view::{Number, Temporality},
};

use super::{BaselineConfig, row::degrades, state::SeriesState};

/// Writes the bands of the chosen series. Returns the request and its data points.
///
/// *Shape*: per metric the gauges `.baseline`, `.lower`, `.upper`, `.maturity`, `.samples`, `.degraded` and the sum
/// `.level_shifts`, on the series' resource, with its attributes and `stat`. What is not known yet has no point.
pub(super) fn write_bands<'a>(
    rollups: &Rollups,
    config: &BaselineConfig,
    state_of: impl Fn(&Arc<Series>, u32) -> Option<&'a SeriesState>,
) -> (Vec<u8>, u64) {
    let rows: Vec<usize> = (0..rollups.len())
        .filter(|&row| config.emits(&rollups.series[row].metric, rollups.series[row].statistic))
        .collect();
    let series = |row: usize| &rollups.series[row];
    let mut bands = Bands { rollups, writer: MetricsWriter::new(), n_points: 0 };
    let is_same = |a: &usize, b: &usize| {
        let (a, b) = (series(*a), series(*b));
        (&a.resource, &a.metric, &a.unit) == (&b.resource, &b.metric, &b.unit)
    };
    let mut resource: Option<&Arc<[u8]>> = None;
    for of_metric in rows.chunk_by(is_same) {
        let first = series(of_metric[0]);
        if resource != Some(&first.resource) {
            bands.writer.resource(&Attributes::of_list(&first.resource));
            bands.writer.scope("baseline", "");
            resource = Some(&first.resource);
        }
        let state = |row: usize| state_of(series(row), rollups.slots[row]);
        bands.write_metric(of_metric, state);
    }
    (bands.writer.take(), bands.n_points)
}

struct Bands<'r> {
    rollups: &'r Rollups,
    writer: MetricsWriter,
    n_points: u64,
}

impl Bands<'_> {
    fn write_metric<'a>(&mut self, rows: &[usize], state: impl Fn(usize) -> Option<&'a SeriesState>) {
        let Some(columns) = &self.rollups.baseline else { return };
        let unit = Arc::clone(&self.rollups.series[rows[0]].unit);
        let told = |value: f64| value.is_finite().then_some(value);
        let maturity = |row| state(row).map(|state| state.maturity().ratio());
        self.gauge(rows, "baseline", &unit, |row| told(columns.expected[row]));
        self.gauge(rows, "lower", &unit, |row| told(columns.lower[row]));
        self.gauge(rows, "upper", &unit, |row| told(columns.upper[row]));
        self.gauge(rows, "maturity", "1", maturity);
        self.gauge(rows, "samples", "{window}", |row| state(row).map(|state| f64::from(state.n_samples)));
        let is_degraded = |row: usize| f64::from(u8::from(columns.is_degraded[row]));
        let can_be_worse = |row: usize| degrades(self.rollups.series[row].statistic);
        self.gauge(rows, "degraded", "1", |row| can_be_worse(row).then(|| is_degraded(row)));
        let name = format!("{}.level_shifts", self.rollups.series[rows[0]].metric);
        let head = MetricHead { name: &name, description: "", unit: "{shift}" };
        let mut points = self.writer.sum(&head, Temporality::Cumulative, true);
        for &row in rows {
            if let Some(state) = state(row) {
                let value = Number::Int(i64::from(state.n_shifts));
                points.point(&point(self.rollups, value, &own_attributes(&self.rollups.series[row])));
                self.n_points += 1;
            }
        }
    }

    fn gauge(&mut self, rows: &[usize], suffix: &str, unit: &str, value: impl Fn(usize) -> Option<f64>) {
        let name = format!("{}.{suffix}", self.rollups.series[rows[0]].metric);
        if !rows.iter().any(|&row| value(row).is_some()) {
            return;
        }
        let mut points = self.writer.gauge(&MetricHead { name: &name, description: "", unit });
        for &row in rows {
            if let Some(value) = value(row) {
                let attributes = own_attributes(&self.rollups.series[row]);
                points.point(&point(self.rollups, Number::Double(value), &attributes));
                self.n_points += 1;
            }
        }
    }
}

fn point<'a>(rollups: &Rollups, value: Number, attributes: &'a Attributes) -> NumberPoint<'a> {
    NumberPoint::of_gauge(attributes, rollups.end().as_nanos(), Some(value))
}

fn own_attributes(series: &Series) -> Attributes {
    let mut all = Attributes::of_list(&series.attributes);
    all.push_str("stat", series.statistic.name());
    all
}
