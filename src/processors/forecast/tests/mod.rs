//! Synthetic series whose course is known, and what is told of them.

mod capacity;
mod exclusion;
mod forecasts;
mod layout;
mod memory;
mod settings;
mod snapshots;
mod thresholds;
mod time;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use component::testing::Harness;
use model::{BaselineColumns, Maturity, Payload, Recall, Rollups, Series, Statistic, Timestamp};
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value};
use wire::build::key_value;

use super::{Forecast, ForecastConfig};
use crate::testing::{decoded, labels};

pub(super) const HOUR: u64 = 3600;
pub(super) const DAY: u64 = 86_400;
/// A Monday at midnight.
pub(super) const BEGIN: Timestamp = Timestamp::from_secs(1_704_067_200);

/// Reads settings as an operator writes them.
pub(super) fn config(yaml: &str) -> ForecastConfig {
    let node = config::parse(&config::Source::new("test.yaml", yaml)).expect("the text is YAML");
    let mut problems = config::Problems::default();
    let read = config::decode(&node, "", &mut problems).expect("the settings are read");
    assert_eq!(problems.error_count(), 0);
    read
}

/// A gauge of a service by its number.
pub(super) fn series(number: u64, metric: &str) -> Arc<Series> {
    let text = |key: &str, value: &str| attribute(key, value);
    Arc::new(Series {
        service: "shop".into(),
        metric: metric.into(),
        unit: "By".into(),
        resource: text("service.name", "shop").into(),
        attributes: text("disk", &number.to_string()).into(),
        statistic: Statistic::Mean,
        fingerprint: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ metric.len() as u64,
    })
}

/// A list of one attribute, encoded as in a resource.
fn attribute(key: &str, value: &str) -> Vec<u8> {
    let value = wire::build::encode_value(wire::view::AnyValue::Str(value.as_bytes()));
    let body = key_value(key.as_bytes(), &value);
    [&[0x0a, body.len() as u8], &body[..]].concat()
}

/// A window that begins so many seconds after [`BEGIN`], with rows whose baseline is unknown.
pub(super) fn window(since: u64, width: u64, rows: &[(Arc<Series>, f64)]) -> Rollups {
    let mut rollups = Rollups {
        start: BEGIN + Duration::from_secs(since),
        width: Duration::from_secs(width),
        ..Rollups::default()
    };
    for (slot, (series, value)) in rows.iter().enumerate() {
        rollups.push(Arc::clone(series), slot as u32, *value, 1);
    }
    let unknown = vec![f64::NAN; rows.len()];
    rollups.baseline = Some(BaselineColumns {
        expected: unknown.clone(),
        lower: unknown.clone(),
        upper: unknown.clone(),
        observed: unknown.clone(),
        predicted: unknown.clone(),
        seasonal: unknown.clone(),
        scale: unknown,
        maturity: vec![Maturity::Insufficient; rows.len()],
        is_absent: vec![false; rows.len()],
        is_degraded: vec![false; rows.len()],
        is_excluded: false,
        recall: Recall::default(),
    });
    rollups
}

/// Series given to a processor window by window.
pub(super) struct Feed {
    pub(super) harness: Harness,
    pub(super) series: Vec<Arc<Series>>,
    pub(super) width: u64,
}

impl Feed {
    /// A series whose windows are as wide as the settings say.
    pub(super) fn new(yaml: &str, metric: &str) -> Self {
        Self::of(yaml, vec![series(1, metric)])
    }

    pub(super) fn of(yaml: &str, series: Vec<Arc<Series>>) -> Self {
        let config = config(yaml);
        let width = config.window.get().as_secs();
        Self { harness: Harness::new::<Forecast>(&config, 1, BEGIN), series, width }
    }

    /// Gives a value of each series and returns what is told.
    pub(super) fn give(&mut self, since: u64, values: &[f64]) -> Vec<Payload> {
        let rows: Vec<_> = self.series.iter().cloned().zip(values.iter().copied()).collect();
        let mut out = self.harness.judge(window(since, self.width, &rows));
        assert!(matches!(out.pop(), Some(Payload::Rollups(_))), "the table passes on");
        out
    }

    /// Gives a value for each window of a time and returns what was told last: narrow windows have their turns.
    pub(super) fn run(&mut self, from: u64, to: u64, value: impl Fn(u64) -> f64) -> Points {
        let windows = (from..to).step_by(self.width as usize);
        let told = windows.map(|since| self.give(since, &[value(since)])).filter(|told| !told.is_empty());
        Points::of(&told.last().unwrap_or_default())
    }

    /// Sums an instrument over its labels.
    pub(super) fn metric(&self, name: &str) -> u64 {
        let name = format!("otelcol_processor_forecast_{name}");
        self.harness.telemetry.read().iter().filter(|it| it.name == name).map(|it| it.value).sum()
    }
}

/// Values by name and attributes.
#[derive(PartialEq, Debug, Default)]
pub(super) struct Points(pub(super) BTreeMap<String, f64>);

impl Points {
    pub(super) fn of(payloads: &[Payload]) -> Self {
        let mut points = BTreeMap::new();
        for request in decoded(payloads) {
            let scopes = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
            for metric in scopes.flat_map(|it| &it.metrics) {
                let Some(Data::Gauge(gauge)) = &metric.data else { panic!("all are gauges") };
                for point in &gauge.data_points {
                    let Some(Value::AsDouble(value)) = point.value else { panic!("all are doubles") };
                    let key = format!("{}{}", metric.name, labels(&point.attributes));
                    assert!(value.is_finite(), "{key} is {value}");
                    assert_eq!(points.insert(key.clone(), value), None, "{key} is told once");
                }
            }
        }
        Self(points)
    }

    /// Returns the only value whose name and attributes hold all of some words.
    pub(super) fn get(&self, words: &[&str]) -> Option<f64> {
        let fitting = || self.0.iter().filter(|(key, _)| words.iter().all(|word| key.contains(word)));
        assert!(fitting().count() <= 1, "several fit {words:?}: {:?}", fitting().collect::<Vec<_>>());
        fitting().next().map(|(_, value)| *value)
    }

    pub(super) fn forecast(&self, horizon: &str, bound: &str) -> Option<f64> {
        self.get(&[".forecast{", &format!("horizon={horizon}"), &format!("bound={bound}")])
    }
}

/// Uniform numbers within 0 and 1, the same on every run.
pub(super) fn uniform(seed: u64, at: u64) -> f64 {
    let hash = rapidhash::v3::rapidhash_v3(&[seed.to_le_bytes(), at.to_le_bytes()].concat());
    ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

/// Standard normal numbers (Box and Muller 1958).
pub(super) fn normal(seed: u64, at: u64) -> f64 {
    let radius = (-2.0 * uniform(seed, 2 * at).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(seed, 2 * at + 1)).cos()
}

/// The course of a day: -1 at midnight, 1 at noon.
pub(super) fn daily(since: u64) -> f64 {
    -(since as f64 / DAY as f64 * std::f64::consts::TAU).cos()
}

pub(super) fn days(since: u64) -> f64 {
    since as f64 / DAY as f64
}
