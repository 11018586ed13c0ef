//! Windows with baselines, and what comes out in a form that tests can read.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use component::testing::Harness;
use model::{BaselineColumns, Maturity, Payload, Rollups, Series, Statistic, Timestamp};
use wire::{
    build::{encode_value, key_value},
    view::{AnyValue, LogRecord, groups},
};

use crate::anomaly::{Anomaly, AnomalyConfig};

pub(super) const MINUTE: Duration = Duration::from_secs(60);
/// 2026-01-05, a Monday.
pub(super) const BEGIN: Timestamp = Timestamp::from_secs(1_767_571_200);

/// A series whose baseline is a constant.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) series: Arc<Series>,
    pub(super) expected: f64,
    /// Of the band.
    pub(super) lower: f64,
    pub(super) upper: f64,
    /// On the working scale.
    pub(super) scale: f64,
    pub(super) maturity: Maturity,
}

/// One row: the subject, its value, its support.
pub(super) type Reading<'a> = (&'a Subject, f64, u64);

impl Subject {
    pub(super) fn new(service: &str, metric: &str, statistic: Statistic, expected: f64, scale: f64) -> Self {
        let resource = attributes(&[("service.name", service)]);
        let attributes = match metric {
            "span.duration" => attributes(&[("span.kind", "SPAN_KIND_SERVER"), ("span.name", "GET /")]),
            _ => Arc::default(),
        };
        let seed = format!("{service}/{metric}/{}", statistic.name());
        let fingerprint = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let series = Series {
            resource,
            metric: metric.into(),
            unit: "ms".into(),
            attributes,
            statistic,
            service: service.into(),
            fingerprint,
        };
        let (lower, upper) = (expected - 3.0 * scale, expected + 3.0 * scale);
        Self { series: Arc::new(series), expected, lower, upper, scale, maturity: Maturity::Daily }
    }

    pub(super) fn p95(service: &str) -> Self {
        Self::new(service, "span.duration", Statistic::P95, 100.0, 0.05)
    }

    pub(super) fn gauge(service: &str) -> Self {
        Self::new(service, "memory", Statistic::Mean, 100.0, 1.0)
    }

    fn working(&self, value: f64) -> f64 {
        match self.series.statistic {
            Statistic::P50 | Statistic::P95 | Statistic::P99 => value.ln(),
            Statistic::Rate => (value * MINUTE.as_secs_f64() + 0.375).sqrt(),
            Statistic::ErrorRatio | Statistic::Mean => value,
        }
    }
}

fn attributes(pairs: &[(&str, &str)]) -> Arc<[u8]> {
    let mut out = Vec::new();
    for (key, value) in pairs {
        let body = key_value(key.as_bytes(), &encode_value(AnyValue::Str(value.as_bytes())));
        out.push(0x0a);
        out.push(u8::try_from(body.len()).expect("attributes of tests are short"));
        out.extend(body);
    }
    out.into()
}

/// The window that ends so many minutes after the beginning. NaN stands for absence.
pub(super) fn window(minute: u64, readings: &[Reading<'_>]) -> Rollups {
    let start = BEGIN + MINUTE * (minute as u32 - 1);
    let mut rollups = Rollups { start, width: MINUTE, ..Rollups::default() };
    let mut baseline = BaselineColumns::default();
    for (slot, (subject, value, support)) in readings.iter().enumerate() {
        rollups.push(Arc::clone(&subject.series), slot as u32, *value, *support);
        baseline.expected.push(subject.expected);
        baseline.lower.push(subject.lower);
        baseline.upper.push(subject.upper);
        baseline.observed.push(subject.working(*value));
        baseline.predicted.push(subject.working(subject.expected));
        baseline.seasonal.push(0.0);
        baseline.scale.push(subject.scale);
        baseline.maturity.push(subject.maturity);
        baseline.is_absent.push(value.is_nan());
    }
    rollups.baseline = Some(baseline);
    rollups
}

/// Noise that is the same in every run: uniform in −1 to 1.
pub(super) fn noise(minute: u64, of: u64) -> f64 {
    let mut word = (minute << 16 ^ of).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((word ^ word >> 31) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// The processor and what it has told.
pub(super) struct Bench {
    pub(super) harness: Harness,
    /// The log records, one a line.
    pub(super) told: String,
    pub(super) scores: Vec<Vec<f32>>,
    pub(super) open: Vec<Vec<bool>>,
    /// Whether it was told.
    pub(super) marked: Vec<Vec<bool>>,
}

impl Bench {
    pub(super) fn new(config: &AnomalyConfig) -> Self {
        let harness = Harness::new::<Anomaly>(config, 1, BEGIN);
        Self { harness, told: String::new(), scores: Vec::new(), open: Vec::new(), marked: Vec::new() }
    }

    pub(super) fn judge(&mut self, rollups: Rollups) -> Vec<Payload> {
        let minute = rollups.end().since(BEGIN).as_secs() / 60;
        let out = self.harness.judge(rollups);
        for payload in &out {
            match payload {
                Payload::Logs(bytes) => self.told.push_str(&log_lines(minute, bytes)),
                Payload::Rollups(rollups) => {
                    let columns = rollups.anomaly.as_ref().expect("the columns were added");
                    self.scores.push(columns.score.clone());
                    self.open.push(columns.is_anomalous.clone());
                    self.marked.push(columns.is_told.clone());
                }
                _ => {}
            }
        }
        out
    }

    /// Judges the windows from one minute to before another.
    pub(super) fn run(
        &mut self,
        minutes: std::ops::Range<u64>,
        subjects: &[&Subject],
        value: impl Fn(u64, usize) -> f64,
    ) -> &mut Self {
        for minute in minutes {
            let readings: Vec<_> = subjects
                .iter()
                .enumerate()
                .map(|(at, subject)| (*subject, value(minute, at), 1000))
                .collect();
            self.judge(window(minute, &readings));
        }
        self
    }

    /// How many windows' first row lay in an open episode.
    pub(super) fn n_open(&self) -> usize {
        self.open.iter().filter(|rows| rows[0]).count()
    }
}

fn log_lines(minute: u64, bytes: &Bytes) -> String {
    let mut out = String::new();
    for group in groups(bytes) {
        for item in group.items() {
            let record = LogRecord::of(item);
            let text = |key: &str| {
                let key = format!("trueline.anomaly.{key}");
                let found = record.attributes().find(|attribute| attribute.key == key.as_bytes());
                found.map(|attribute| attribute.value().to_label_string()).unwrap_or_default()
            };
            let body = record.body.to_label_string();
            let what = ["severity", "direction", "detectors"].map(text).join(" ");
            writeln!(out, "{minute}: {body} {what}").expect("a string can grow");
        }
    }
    out
}
