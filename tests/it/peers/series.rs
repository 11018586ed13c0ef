//! What two collectors say, made comparable: every series of OTLP metrics as one line of text.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    metrics::v1::{
        AggregationTemporality, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
        metric::Data, number_data_point,
    },
};
use prost::Message;

/// What a series says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Point {
    Number(f64),
    Explicit {
        count: u64,
        sum: f64,
        bounds: Vec<f64>,
        buckets: Vec<u64>,
    },
    Exponential {
        count: u64,
        sum: f64,
        min: f64,
        max: f64,
        scale: i32,
        zeros: u64,
        offset: i32,
        buckets: Vec<u64>,
    },
}

/// Points by resource, metric, kind and attributes in words, the newest of cumulative series and the
/// total of delta series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Series(pub(super) BTreeMap<String, Point>);

impl Series {
    /// Reads a file that the exporter `otlp_file` writes in its format `proto`; a message that is
    /// still being written is left out.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let mut series = Self::default();
        let mut rest = &bytes[..];
        while let Some((head, after)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes(*head)).expect("a length fits into memory");
            let Some(message) = after.get(..length) else { break };
            series.add_request(&ExportMetricsServiceRequest::decode(message)?)?;
            rest = &after[length..];
        }
        Ok(series)
    }

    /// Returns the sum over all series of a metric of calls or events.
    pub(super) fn total(&self, metric: &str) -> f64 {
        let named = self.0.iter().filter(|(key, _)| key.contains(&format!(" {metric} ")));
        named.map(|(_, point)| if let Point::Number(value) = point { *value } else { 0.0 }).sum()
    }

    /// Renames each series, or leaves it out.
    pub(super) fn map(self, mut rename: impl FnMut(&str) -> Option<String>) -> Self {
        Self(self.0.into_iter().filter_map(|(key, point)| Some((rename(&key)?, point))).collect())
    }

    /// Returns a line for each series that only one side has or that differs.
    pub(super) fn differences(&self, theirs: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, own) in &self.0 {
            match theirs.0.get(key) {
                None => lines.push(format!("only ours: {key}: {own:?}")),
                Some(other) if !agree(own, other) => {
                    lines.push(format!("{key}\n    ours:   {own:?}\n    theirs: {other:?}"));
                }
                Some(_) => {}
            }
        }
        for (key, other) in theirs.0.iter().filter(|(key, _)| !self.0.contains_key(*key)) {
            lines.push(format!("only theirs: {key}: {other:?}"));
        }
        lines
    }

    fn add_request(&mut self, request: &ExportMetricsServiceRequest) -> Result<()> {
        for of_resource in &request.resource_metrics {
            let resource = of_resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
            let resource = words(resource);
            for of_scope in &of_resource.scope_metrics {
                let scope = of_scope.scope.as_ref().map_or("", |scope| &scope.name);
                for metric in &of_scope.metrics {
                    self.add_metric(&format!("{resource} {scope}"), metric)?;
                }
            }
        }
        Ok(())
    }

    fn add_metric(&mut self, from: &str, metric: &Metric) -> Result<()> {
        let name = format!("{from} {} [{}]", metric.name, metric.unit);
        match metric.data.as_ref().context("a metric without data")? {
            Data::Sum(sum) => {
                let kind = if sum.is_monotonic { "counter" } else { "sum" };
                for point in &sum.data_points {
                    let key = format!("{name} {kind} {}", words(&point.attributes));
                    self.add(key, sum.aggregation_temporality(), number(point)?)?;
                }
            }
            Data::Histogram(histogram) => {
                for point in &histogram.data_points {
                    let key = format!("{name} histogram {}", words(&point.attributes));
                    self.add(key, histogram.aggregation_temporality(), explicit(point))?;
                }
            }
            Data::ExponentialHistogram(histogram) => {
                for point in &histogram.data_points {
                    let key = format!("{name} exponential {}", words(&point.attributes));
                    self.add(key, histogram.aggregation_temporality(), exponential(point))?;
                }
            }
            Data::Gauge(_) | Data::Summary(_) => bail!("{name} is a gauge or summary"),
        }
        Ok(())
    }

    fn add(&mut self, key: String, temporality: AggregationTemporality, point: Point) -> Result<()> {
        let key =
            format!("{} {key}", temporality.as_str_name().trim_start_matches("AGGREGATION_TEMPORALITY_"));
        let total = match (temporality, self.0.remove(&key)) {
            (AggregationTemporality::Delta, Some(before)) => plus(before, point)?,
            _ => point,
        };
        self.0.insert(key, total);
        Ok(())
    }
}

fn number(point: &NumberDataPoint) -> Result<Point> {
    match point.value.context("a point without value")? {
        #[expect(clippy::cast_precision_loss, reason = "tests count far below 2^53")]
        number_data_point::Value::AsInt(value) => Ok(Point::Number(value as f64)),
        number_data_point::Value::AsDouble(value) => Ok(Point::Number(value)),
    }
}

fn explicit(point: &HistogramDataPoint) -> Point {
    Point::Explicit {
        count: point.count,
        sum: point.sum(),
        bounds: point.explicit_bounds.clone(),
        buckets: point.bucket_counts.clone(),
    }
}

fn exponential(point: &ExponentialHistogramDataPoint) -> Point {
    let positive = point.positive.clone().unwrap_or_default();
    Point::Exponential {
        count: point.count,
        sum: point.sum(),
        min: point.min(),
        max: point.max(),
        scale: point.scale,
        zeros: point.zero_count,
        offset: positive.offset,
        buckets: positive.bucket_counts,
    }
}

fn plus(before: Point, more: Point) -> Result<Point> {
    match (before, more) {
        (Point::Number(before), Point::Number(more)) => Ok(Point::Number(before + more)),
        (
            Point::Explicit { count, sum, bounds, buckets },
            Point::Explicit { count: n_more, sum: sum_more, bounds: same, buckets: more },
        ) if bounds == same => Ok(Point::Explicit {
            count: count + n_more,
            sum: sum + sum_more,
            bounds,
            buckets: buckets.iter().zip(more).map(|(before, more)| before + more).collect(),
        }),
        (before, more) => bail!("{before:?} and {more:?} cannot be added"),
    }
}

/// Counts must be equal; sums and extremes may differ by the rounding of doubles added in another order,
/// and of exponential buckets ours may be the wider ones.
fn agree(own: &Point, other: &Point) -> bool {
    let scale = if let Point::Exponential { scale, .. } = own { *scale } else { 0 };
    comparable(own, scale) == comparable(other, scale)
}

/// Returns a point with rounded doubles, and with buckets no finer than those of `scale`.
fn comparable(point: &Point, scale: i32) -> (Point, BTreeMap<i32, u64>) {
    let mut point = point.clone();
    let mut merged = BTreeMap::new();
    match &mut point {
        Point::Number(_) => {}
        Point::Explicit { sum, .. } => *sum = significant(*sum),
        Point::Exponential { sum, min, max, scale: own, offset, buckets, .. } => {
            (*sum, *min, *max) = (significant(*sum), significant(*min), significant(*max));
            let finer_by = (*own - scale).max(0);
            for (index, count) in (*offset..).zip(std::mem::take(buckets)).filter(|(_, count)| *count > 0) {
                *merged.entry(index >> finer_by).or_default() += count;
            }
            // Without buckets the scale says nothing.
            *own = if merged.is_empty() { 0 } else { *own - finer_by };
            *offset = 0;
        }
    }
    (point, merged)
}

/// Keeps twelve digits.
fn significant(value: f64) -> f64 {
    format!("{value:.11e}").parse().expect("a printed number can be read")
}

/// Writes attributes in the order of their keys, `{key="text", key=1}`.
fn words(attributes: &[KeyValue]) -> String {
    let mut words: Vec<String> =
        attributes.iter().map(|it| format!("{}={}", it.key, word(it.value.as_ref()))).collect();
    words.sort();
    format!("{{{}}}", words.join(", "))
}

fn word(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => format!("{text:?}"),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => format!("{number:?}"),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        other => format!("{other:?}"),
    }
}
