//! From series to an OTLP metrics request.

use model::Timestamp;
use wire::{
    build::{self, Attributes, MetricHead, MetricsWriter},
    view::{Number, Temporality},
};

use super::{
    buckets::{Layout, Unit},
    cumulative::{Counts, Cumulative, OfResource, Point},
    spec::SeriesSpec,
};

/// Which column of a family a metric shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Column {
    Calls,
    Duration,
    SizeBytes,
}

/// A metric of the output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct OutputMetric {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    pub(crate) family: usize,
    pub(crate) column: Column,
}

/// What stays the same from flush to flush.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Output {
    pub(crate) scope: &'static str,
    pub(crate) metrics: Vec<OutputMetric>,
    pub(crate) temporality: Temporality,
}

/// A request ends when it has so many bytes: written as one, ten thousand series take megabytes in one
/// piece, and twice that while it grows.
const LONG_REQUEST: usize = 512 << 10;

impl Output {
    /// Writes all series, sorted by resource and attributes, and hands them to `tell` with their data
    /// points: in one request, or in several where it would be long. A request ends with a resource.
    pub(crate) fn write(&self, series: &Cumulative, at: Timestamp, mut tell: impl FnMut(Vec<u8>, u64)) {
        let mut writer = MetricsWriter::new();
        let mut points = 0;
        for (resource, of_resource) in &series.resources {
            writer.resource(&Attributes::of_list(resource));
            writer.scope(self.scope, "");
            for metric in &self.metrics {
                points +=
                    self.write_metric(&mut writer, metric, of_resource, &series.specs[metric.family], at);
            }
            if writer.len() >= LONG_REQUEST && points > 0 {
                tell(writer.take(), std::mem::take(&mut points));
            }
        }
        if points > 0 {
            tell(writer.take(), points);
        }
    }

    fn write_metric(
        &self,
        writer: &mut MetricsWriter,
        metric: &OutputMetric,
        of_resource: &OfResource,
        spec: &SeriesSpec,
        at: Timestamp,
    ) -> u64 {
        let family = &of_resource.families[metric.family];
        if family.is_empty() {
            return 0;
        }
        let head = MetricHead { name: &metric.name, description: metric.description, unit: metric.unit };
        let all = family.iter().map(|(attributes, point)| (Attributes::of_list(attributes), point));
        match (metric.column, &spec.layout) {
            (Column::Calls, _) => {
                let mut points = writer.sum(&head, self.temporality, true);
                all.for_each(|(attributes, point)| {
                    let exemplars = exemplars(point, spec.unit, at);
                    points.point(&number(&attributes, point, at, point.calls, &exemplars));
                });
            }
            (Column::SizeBytes, _) => {
                let mut points = writer.sum(&head, self.temporality, true);
                all.for_each(|(attributes, point)| {
                    points.point(&number(&attributes, point, at, point.size_bytes, &[]))
                });
            }
            (Column::Duration, Layout::Explicit(bounds)) => {
                let bounds: Vec<f64> = bounds.in_unit(spec.unit).collect();
                let mut points = writer.histogram(&head, self.temporality);
                all.for_each(|(attributes, point)| {
                    let exemplars = exemplars(point, spec.unit, at);
                    points.point(&explicit(&attributes, point, spec.unit, at, &bounds, &exemplars));
                });
            }
            (Column::Duration, Layout::Exponential { .. }) => {
                let mut points = writer.exponential_histogram(&head, self.temporality);
                all.for_each(|(attributes, point)| {
                    let exemplars = exemplars(point, spec.unit, at);
                    if let Some(point) = exponential(&attributes, point, spec.unit, at, &exemplars) {
                        points.point(&point);
                    }
                });
            }
            (Column::Duration, Layout::None) => return 0,
        }
        family.len() as u64
    }
}

static NO_ATTRIBUTES: Attributes = Attributes::new();

fn exemplars(point: &Point, unit: Unit, at: Timestamp) -> Vec<build::Exemplar<'static>> {
    let example = |exemplar: &super::exemplars::Exemplar| build::Exemplar {
        time: at.as_nanos(),
        value: Number::Double(exemplar.nanos as f64 / unit.nanos()),
        trace_id: Some(exemplar.trace_id),
        span_id: (exemplar.span_id != [0; 8]).then_some(exemplar.span_id),
        filtered_attributes: &NO_ATTRIBUTES,
    };
    point.exemplars.iter().map(example).collect()
}

fn number<'a>(
    attributes: &'a Attributes,
    point: &Point,
    at: Timestamp,
    value: u64,
    exemplars: &'a [build::Exemplar<'a>],
) -> build::NumberPoint<'a> {
    let value = Some(Number::Int(i64::try_from(value).unwrap_or(i64::MAX)));
    build::NumberPoint {
        attributes,
        start: point.start.min(at).as_nanos(),
        time: at.as_nanos(),
        value,
        exemplars,
        flags: 0,
    }
}

fn explicit<'a>(
    attributes: &'a Attributes,
    point: &'a Point,
    unit: Unit,
    at: Timestamp,
    explicit_bounds: &'a [f64],
    exemplars: &'a [build::Exemplar<'a>],
) -> build::HistogramPoint<'a> {
    let bucket_counts: &[u64] = match &point.counts {
        Counts::Explicit(counts) => counts,
        Counts::None | Counts::Exponential(_) => &[],
    };
    build::HistogramPoint {
        attributes,
        start: point.start.min(at).as_nanos(),
        time: at.as_nanos(),
        count: bucket_counts.iter().fold(0, |sum, count| sum.saturating_add(*count)),
        sum: Some(point.sum_nanos as f64 / unit.nanos()),
        min: None,
        max: None,
        bucket_counts,
        explicit_bounds,
        exemplars,
        flags: 0,
    }
}

fn exponential<'a>(
    attributes: &'a Attributes,
    point: &'a Point,
    unit: Unit,
    at: Timestamp,
    exemplars: &'a [build::Exemplar<'a>],
) -> Option<build::ExponentialPoint<'a>> {
    let Counts::Exponential(histogram) = &point.counts else { return None };
    let (positive, negative) = (histogram.positive(), histogram.negative());
    let in_unit = |nanos: u64| (point.calls > 0).then_some(nanos as f64 / unit.nanos());
    Some(build::ExponentialPoint {
        attributes,
        start: point.start.min(at).as_nanos(),
        time: at.as_nanos(),
        count: histogram.count(),
        sum: Some(point.sum_nanos as f64 / unit.nanos()),
        min: in_unit(point.min_nanos),
        max: in_unit(point.max_nanos),
        scale: histogram.scale(),
        zero_count: histogram.zero_count(),
        zero_threshold: 0.0,
        positive: build::Buckets { offset: positive.offset, counts: &positive.counts },
        negative: build::Buckets { offset: negative.offset, counts: &negative.counts },
        exemplars,
        flags: 0,
    })
}
