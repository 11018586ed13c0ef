//! An OTLP request to the series that are sent for it.

use std::collections::HashMap;

use bytes::Bytes;
use model::Timestamp;

use super::{config::PrometheusRemoteWriteConfig, native};
use crate::prometheus_names::{
    Dense, Dropped, Explicit, Exponential, FamilyKind, Sample, Series, Settings, Translator, Value, merge,
};

/// How many resources' last `target_info` is remembered.
const TARGET_CAPACITY: usize = 16_384;
/// How many series are remembered for `initial_zero_samples`. *Units*: series, some 40 bytes each.
const ZERO_CAPACITY: usize = 262_144;

/// Translates requests; remembers only what keeps samples in order.
pub(super) struct Converter {
    translator: Translator,
    /// Time of the last `target_info`, by series.
    targets: HashMap<u64, i64>,
    zeroes: Option<Zeroes>,
}

/// What became of a request.
#[derive(Debug)]
pub(super) struct Converted {
    pub series: Vec<Series>,
    pub dropped: Dropped,
    /// Data points that were made one with others.
    pub merged: u64,
}

impl Converter {
    pub(super) fn new(config: &PrometheusRemoteWriteConfig, now: Timestamp) -> Self {
        let translator = Translator::new(Settings {
            strategy: config.strategy(),
            namespace: config.namespace.clone(),
            external_labels: config.external_labels(),
            resource_labels: config.resource_to_telemetry_conversion,
            has_scope_labels: !config.disable_scope_info,
            has_target_info: config.target_info.enabled,
            takes_deltas: false,
        });
        let zeroes = config.initial_zero_samples.then(|| Zeroes::new(now));
        Self { translator, targets: HashMap::new(), zeroes }
    }

    /// Translates one request.
    pub(super) fn convert(&mut self, request: &Bytes, now: Timestamp) -> Converted {
        let (points, mut dropped) = self.translator.translate(request, now);
        let (mut series, merged) = merge(points);
        dropped.add("conflicting", merged.conflicting);
        for one in &mut series {
            let before = one.samples.len();
            one.samples.retain(|sample| has_form(&sample.value));
            dropped.add("scale_too_coarse", (before - one.samples.len()) as u64);
            if *one.family.names == *self.translator.target_info() {
                self.keep_newer_targets(one);
            }
            if let Some(zeroes) = &mut self.zeroes {
                zeroes.begin(one, now);
            }
        }
        series.retain(|one| !one.samples.is_empty());
        Converted { series, dropped, merged: merged.added + merged.superseded }
    }

    /// `target_info` takes the time of its resource's latest point, and a later request may well be of an
    /// earlier time; such a sample would only be refused.
    fn keep_newer_targets(&mut self, series: &mut Series) {
        if self.targets.len() >= TARGET_CAPACITY && !self.targets.contains_key(&series.hash) {
            self.targets.clear();
        }
        let last = self.targets.entry(series.hash).or_insert(i64::MIN);
        series.samples.retain(|sample| sample.at_ms > *last);
        *last = series.samples.iter().map(|sample| sample.at_ms).fold(*last, i64::max);
    }
}

fn has_form(value: &Value) -> bool {
    match value {
        Value::Exponential(histogram) => native::has_form(histogram),
        Value::Number(_) | Value::Explicit(_) | Value::Summary(_) => true,
    }
}

/// Knows which series have begun, so that each beginning is sent once.
///
/// Without it `rate()` never sees the first increase of a series. The zero stands at the start time that the
/// point itself names. It is sent only when that lies after everything that may have been written before:
/// not before the start of this process, and after the series' last sample.
struct Zeroes {
    /// Series that began earlier may have samples that we know nothing of.
    since_ms: i64,
    /// Start and latest time, by series.
    seen: HashMap<u64, (i64, i64)>,
}

impl Zeroes {
    fn new(now: Timestamp) -> Self {
        Self { since_ms: millis(now), seen: HashMap::new() }
    }

    fn begin(&mut self, series: &mut Series, now: Timestamp) {
        if !matches!(series.family.kind, FamilyKind::Counter | FamilyKind::Histogram) {
            return;
        }
        if self.seen.len() >= ZERO_CAPACITY && !self.seen.contains_key(&series.hash) {
            *self = Self::new(now);
        }
        let Some(first) = series.samples.first() else { return };
        let Some(last) = series.samples.last() else { return };
        let (start_ms, last_ms) = (first.start_ms, last.at_ms);
        let known = self.seen.insert(series.hash, (start_ms, last_ms));
        let is_new = known.is_none_or(|(start, latest)| start < start_ms && latest < start_ms);
        if is_new && !first.is_stale && start_ms >= self.since_ms && start_ms < first.at_ms {
            let zero = Sample {
                at_ms: start_ms,
                start_ms,
                value: zero(&first.value),
                is_stale: false,
                exemplars: Vec::new(),
            };
            series.samples.insert(0, zero);
        }
    }
}

/// Returns a value of the same shape with nothing in it.
fn zero(value: &Value) -> Value {
    match value {
        Value::Number(_) => Value::Number(0.0),
        Value::Explicit(histogram) => Value::Explicit(Explicit {
            count: 0,
            sum: histogram.sum.map(|_| 0.0),
            bounds: histogram.bounds.clone(),
            counts: vec![0; histogram.counts.len()],
        }),
        Value::Exponential(histogram) => Value::Exponential(Exponential {
            count: 0,
            sum: histogram.sum.map(|_| 0.0),
            zero_count: 0,
            positive: Dense::default(),
            negative: Dense::default(),
            ..histogram.clone()
        }),
        Value::Summary(summary) => Value::Summary(summary.clone()),
    }
}

fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}
