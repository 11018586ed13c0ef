//! Synthetic series whose truth is known, windows of them, and what the processor says.

mod bounds;
mod exclusion;
mod layout;
mod levels;
mod order;
mod seasons;
mod settings;
mod snapshots;
mod time;

use std::{sync::Arc, time::Duration};

use component::testing::Harness;
use model::{BaselineColumns, Payload, Rollups, Series, Statistic, Timestamp};

use super::{Baseline, BaselineConfig};

pub(super) const MINUTE: u64 = 60;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;
/// A Monday at midnight.
pub(super) const BEGIN: Timestamp = Timestamp::from_secs(1_704_067_200);

/// A series by its number.
pub(super) fn series(number: u64, statistic: Statistic) -> Arc<Series> {
    Arc::new(Series {
        service: "shop".into(),
        metric: "span.duration".into(),
        unit: "ms".into(),
        resource: Arc::from(&b""[..]),
        attributes: number.to_be_bytes().as_slice().into(),
        statistic,
        fingerprint: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ statistic as u64,
    })
}

/// A window that begins so many seconds after [`BEGIN`].
pub(super) fn window(since: u64, width: u64) -> Rollups {
    Rollups {
        start: BEGIN + Duration::from_secs(since),
        width: Duration::from_secs(width),
        ..Rollups::default()
    }
}

/// Uniform numbers in ±1, the same on every run.
pub(super) fn noise(seed: u64, at: u64) -> f64 {
    let hash = rapidhash::v3::rapidhash_v3(&[seed.to_le_bytes(), at.to_le_bytes()].concat());
    (hash >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// The course of a day: 0 at midnight, 1 at noon.
pub(super) fn daily(since: u64) -> f64 {
    0.5 - 0.5 * (since as f64 / DAY as f64 * std::f64::consts::TAU).cos()
}

pub(super) fn is_weekend(since: u64) -> bool {
    since / DAY % 7 >= 5
}

/// What was told of the only series of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) since: u64,
    pub(super) value: f64,
    pub(super) expected: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
    pub(super) observed: f64,
    pub(super) predicted: f64,
    pub(super) seasonal: f64,
    pub(super) scale: f64,
    pub(super) maturity: model::Maturity,
    pub(super) is_degraded: bool,
}

impl Told {
    /// The error in scales; NaN when it was not scored.
    pub(super) fn z(&self) -> f64 {
        (self.observed - self.predicted) / self.scale
    }
}

/// One series given to a processor window by window.
pub(super) struct Feed {
    pub(super) harness: Harness,
    pub(super) series: Arc<Series>,
    pub(super) width: u64,
    pub(super) support: u64,
}

impl Feed {
    pub(super) fn new(statistic: Statistic) -> Self {
        Self::with(&BaselineConfig::default(), statistic)
    }

    pub(super) fn with(config: &BaselineConfig, statistic: Statistic) -> Self {
        let width = config.window.get().as_secs();
        let harness = Harness::new::<Baseline>(config, 1, BEGIN);
        Self { harness, series: series(1, statistic), width, support: 1000 }
    }

    /// Gives one value and returns what is told of it.
    pub(super) fn give(&mut self, since: u64, value: f64) -> Told {
        let mut rollups = window(since, self.width);
        rollups.push(Arc::clone(&self.series), 0, value, self.support);
        let out = self.harness.judge(rollups);
        let tables = tables(&out);
        let judged = tables.last().expect("a table comes back");
        let columns = columns(judged);
        Told {
            since,
            value,
            expected: columns.expected[0],
            lower: columns.lower[0],
            upper: columns.upper[0],
            observed: columns.observed[0],
            predicted: columns.predicted[0],
            seasonal: columns.seasonal[0],
            scale: columns.scale[0],
            maturity: columns.maturity[0],
            is_degraded: columns.is_degraded[0],
        }
    }

    /// Gives a value for each window of a time and returns what is told.
    pub(super) fn run(&mut self, from: u64, to: u64, value: impl Fn(u64) -> f64) -> Vec<Told> {
        (from..to).step_by(self.width as usize).map(|since| self.give(since, value(since))).collect()
    }

    pub(super) fn metric(&self, name: &str) -> u64 {
        metric(&self.harness, name)
    }
}

/// Sums an instrument over its labels.
pub(super) fn metric(harness: &Harness, name: &str) -> u64 {
    let name = format!("otelcol_processor_baseline_{name}");
    harness.telemetry.read().iter().filter(|it| it.name == name).map(|it| it.value).sum()
}

pub(super) fn tables(out: &[Payload]) -> Vec<&Rollups> {
    out.iter()
        .filter_map(|payload| match payload {
            Payload::Rollups(rollups) => Some(&**rollups),
            _ => None,
        })
        .collect()
}

pub(super) fn columns(rollups: &Rollups) -> &BaselineColumns {
    rollups.baseline.as_ref().expect("the columns were added")
}

/// Returns the share of scored windows whose error is beyond so many scales.
pub(super) fn share_beyond(told: &[Told], scales: f64) -> f64 {
    let scored: Vec<f64> = told.iter().map(Told::z).filter(|z| !z.is_nan()).collect();
    scored.iter().filter(|z| z.abs() > scales).count() as f64 / scored.len().max(1) as f64
}

pub(super) fn mean_error(told: &[Told]) -> f64 {
    told.iter().map(|it| (it.value - it.expected).abs()).sum::<f64>() / told.len() as f64
}
