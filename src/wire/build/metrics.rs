//! Metrics and data points of every kind.

use crate::{
    build::{
        Attributes,
        nest::{self, Nest},
    },
    encode,
    view::{NO_RECORDED_VALUE, Number, Quantile, Temporality},
};

/// Writes an `ExportMetricsServiceRequest`.
///
/// Resources, scopes and metrics end when the next one begins. A metric gives a writer of its points:
/// ```text
/// writer.resource(&service);
/// writer.scope("spans", "1");
/// let mut calls = writer.sum(&head, Temporality::Cumulative, true);
/// calls.point(&NumberPoint { .. });
/// let request = writer.take();
/// ```
#[derive(Clone, Default, Debug)]
pub struct MetricsWriter {
    nest: Nest,
    /// What the open metric's data ends in: temporality and monotonicity come after the points.
    tail: (u64, bool),
    /// What is said of the open metric, or of the next, beside its head; it comes after the data.
    metadata: Attributes,
}

/// What names a scope.
#[derive(Clone, Copy, Debug)]
pub struct ScopeHead<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub attributes: &'a Attributes,
    pub schema_url: &'a str,
}

/// What names a metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MetricHead<'a> {
    pub name: &'a str,
    pub description: &'a str,
    /// *Units*: UCUM, as OpenTelemetry spells them: `ms`, `By`, `{call}`.
    pub unit: &'a str,
}

/// Writes points of a gauge or a sum.
#[derive(Debug)]
pub struct NumberPoints<'w>(&'w mut Nest);

/// Writes points of a histogram.
#[derive(Debug)]
pub struct HistogramPoints<'w>(&'w mut Nest);

/// Writes points of an exponential histogram.
#[derive(Debug)]
pub struct ExponentialPoints<'w>(&'w mut Nest);

/// Writes points of a summary.
#[derive(Debug)]
pub struct SummaryPoints<'w>(&'w mut Nest);

/// A point of a gauge or a sum.
#[derive(Clone, Copy, Debug)]
pub struct NumberPoint<'a> {
    pub attributes: &'a Attributes,
    /// *Units*: nanoseconds since the epoch, as in all points; 0 when unknown.
    pub start: u64,
    pub time: u64,
    pub value: Option<Number>,
    pub exemplars: &'a [Exemplar<'a>],
    pub flags: u32,
}

impl<'a> NumberPoint<'a> {
    /// A point of a gauge. Without a value it says that its series has ended: Prometheus then forgets it at once.
    pub fn of_gauge(attributes: &'a Attributes, time: u64, value: Option<Number>) -> Self {
        let flags = if value.is_none() { NO_RECORDED_VALUE } else { 0 };
        Self { attributes, start: 0, time, value, exemplars: &[], flags }
    }
}

/// A point of a histogram with explicit bounds.
#[derive(Clone, Copy, Debug)]
pub struct HistogramPoint<'a> {
    pub attributes: &'a Attributes,
    pub start: u64,
    pub time: u64,
    pub count: u64,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// One more than there are bounds, or none.
    pub bucket_counts: &'a [u64],
    pub explicit_bounds: &'a [f64],
    pub exemplars: &'a [Exemplar<'a>],
    pub flags: u32,
}

/// A point of an exponential histogram.
#[derive(Clone, Copy, Debug)]
pub struct ExponentialPoint<'a> {
    pub attributes: &'a Attributes,
    pub start: u64,
    pub time: u64,
    pub count: u64,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub positive: Buckets<'a>,
    pub negative: Buckets<'a>,
    pub exemplars: &'a [Exemplar<'a>],
    pub flags: u32,
}

/// The buckets of one sign.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Buckets<'a> {
    /// Index of the first bucket.
    pub offset: i32,
    pub counts: &'a [u64],
}

/// A point of a summary.
#[derive(Clone, Copy, Debug)]
pub struct SummaryPoint<'a> {
    pub attributes: &'a Attributes,
    pub start: u64,
    pub time: u64,
    pub count: u64,
    pub sum: f64,
    pub quantiles: &'a [Quantile],
    pub flags: u32,
}

/// A measurement kept as an example.
#[derive(Clone, Copy, Debug)]
pub struct Exemplar<'a> {
    /// *Units*: nanoseconds since the epoch.
    pub time: u64,
    pub value: Number,
    pub trace_id: Option<[u8; 16]>,
    pub span_id: Option<[u8; 8]>,
    pub filtered_attributes: &'a Attributes,
}

impl MetricsWriter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the metrics of a resource.
    pub fn resource(&mut self, attributes: &Attributes) {
        self.end_metric();
        self.nest.resource(attributes);
    }

    /// Begins the metrics of a scope within the resource.
    pub fn scope(&mut self, name: &str, version: &str) {
        self.end_metric();
        self.nest.scope(name, version);
    }

    /// Begins the metrics of a scope with all that may be said of one.
    pub fn scope_of(&mut self, head: &ScopeHead<'_>) {
        self.end_metric();
        self.nest.scope_of(head.name, head.version, head.attributes);
        nest::text(self.nest.out(), 3, head.schema_url.as_bytes());
    }

    /// Says something more of the metric that begins next: from which type it was made.
    pub fn metadata_of_next(&mut self, metadata: &Attributes) {
        self.end_metric();
        self.metadata.clone_from(metadata);
    }

    pub fn gauge(&mut self, head: &MetricHead<'_>) -> NumberPoints<'_> {
        self.begin_metric(head, 5, Temporality::Unspecified, false);
        NumberPoints(&mut self.nest)
    }

    pub fn sum(
        &mut self,
        head: &MetricHead<'_>,
        temporality: Temporality,
        is_monotonic: bool,
    ) -> NumberPoints<'_> {
        self.begin_metric(head, 7, temporality, is_monotonic);
        NumberPoints(&mut self.nest)
    }

    pub fn histogram(&mut self, head: &MetricHead<'_>, temporality: Temporality) -> HistogramPoints<'_> {
        self.begin_metric(head, 9, temporality, false);
        HistogramPoints(&mut self.nest)
    }

    pub fn exponential_histogram(
        &mut self,
        head: &MetricHead<'_>,
        temporality: Temporality,
    ) -> ExponentialPoints<'_> {
        self.begin_metric(head, 10, temporality, false);
        ExponentialPoints(&mut self.nest)
    }

    pub fn summary(&mut self, head: &MetricHead<'_>) -> SummaryPoints<'_> {
        self.begin_metric(head, 11, Temporality::Unspecified, false);
        SummaryPoints(&mut self.nest)
    }

    /// *Units*: bytes written so far.
    pub fn len(&self) -> usize {
        self.nest.written().len()
    }

    pub fn is_empty(&self) -> bool {
        self.nest.written().is_empty()
    }

    /// Takes the request; the writer begins anew.
    pub fn take(&mut self) -> Vec<u8> {
        self.end_metric();
        self.nest.take()
    }

    fn begin_metric(
        &mut self,
        head: &MetricHead<'_>,
        number: u32,
        temporality: Temporality,
        is_monotonic: bool,
    ) {
        self.end_metric();
        self.nest.within_scope();
        self.nest.begin(2);
        nest::text(self.nest.out(), 1, head.name.as_bytes());
        nest::text(self.nest.out(), 2, head.description.as_bytes());
        nest::text(self.nest.out(), 3, head.unit.as_bytes());
        self.nest.begin(number);
        let temporality = match temporality {
            Temporality::Unspecified => 0,
            Temporality::Delta => 1,
            Temporality::Cumulative => 2,
        };
        self.tail = (temporality, is_monotonic);
    }

    fn end_metric(&mut self) {
        // Request, scope, metric, data.
        if self.nest.depth() == 4 {
            nest::uint(self.nest.out(), 2, self.tail.0);
            nest::uint(self.nest.out(), 3, u64::from(self.tail.1));
            self.nest.close_to(3);
            std::mem::take(&mut self.metadata).write(self.nest.out(), 12);
            self.nest.close_to(2);
        }
    }
}

impl NumberPoints<'_> {
    pub fn point(&mut self, point: &NumberPoint<'_>) {
        self.0.message(1, |out| {
            nest::fixed64(out, 2, point.start);
            nest::fixed64(out, 3, point.time);
            if let Some(Number::Double(value)) = point.value {
                encode::put_double(out, 4, value);
            }
            write_exemplars(out, 5, point.exemplars);
            if let Some(Number::Int(value)) = point.value {
                encode::put_fixed64(out, 6, value as u64);
            }
            point.attributes.write(out, 7);
            nest::uint(out, 8, u64::from(point.flags));
        });
    }
}

impl HistogramPoints<'_> {
    pub fn point(&mut self, point: &HistogramPoint<'_>) {
        self.0.message(1, |out| {
            nest::fixed64(out, 2, point.start);
            nest::fixed64(out, 3, point.time);
            nest::fixed64(out, 4, point.count);
            nest::optional_double(out, 5, point.sum);
            nest::packed_fixed64(out, 6, point.bucket_counts.iter().copied());
            nest::packed_fixed64(out, 7, point.explicit_bounds.iter().map(|bound| bound.to_bits()));
            write_exemplars(out, 8, point.exemplars);
            point.attributes.write(out, 9);
            nest::uint(out, 10, u64::from(point.flags));
            nest::optional_double(out, 11, point.min);
            nest::optional_double(out, 12, point.max);
        });
    }
}

impl ExponentialPoints<'_> {
    pub fn point(&mut self, point: &ExponentialPoint<'_>) {
        self.0.message(1, |out| {
            point.attributes.write(out, 1);
            nest::fixed64(out, 2, point.start);
            nest::fixed64(out, 3, point.time);
            nest::fixed64(out, 4, point.count);
            nest::optional_double(out, 5, point.sum);
            nest::uint(out, 6, encode::zigzag(point.scale));
            nest::fixed64(out, 7, point.zero_count);
            write_buckets(out, 8, point.positive);
            write_buckets(out, 9, point.negative);
            nest::uint(out, 10, u64::from(point.flags));
            write_exemplars(out, 11, point.exemplars);
            nest::optional_double(out, 12, point.min);
            nest::optional_double(out, 13, point.max);
            nest::fixed64(out, 14, point.zero_threshold.to_bits());
        });
    }
}

impl SummaryPoints<'_> {
    pub fn point(&mut self, point: &SummaryPoint<'_>) {
        self.0.message(1, |out| {
            nest::fixed64(out, 2, point.start);
            nest::fixed64(out, 3, point.time);
            nest::fixed64(out, 4, point.count);
            nest::fixed64(out, 5, point.sum.to_bits());
            for quantile in point.quantiles {
                nest::message(out, 6, |out| {
                    nest::fixed64(out, 1, quantile.quantile.to_bits());
                    nest::fixed64(out, 2, quantile.value.to_bits());
                });
            }
            point.attributes.write(out, 7);
            nest::uint(out, 8, u64::from(point.flags));
        });
    }
}

fn write_buckets(out: &mut Vec<u8>, number: u32, buckets: Buckets<'_>) {
    if buckets.counts.is_empty() && buckets.offset == 0 {
        return;
    }
    nest::message(out, number, |out| {
        nest::uint(out, 1, encode::zigzag(buckets.offset));
        if !buckets.counts.is_empty() {
            nest::message(out, 2, |out| {
                for &count in buckets.counts {
                    encode::put_varint(out, count);
                }
            });
        }
    });
}

fn write_exemplars(out: &mut Vec<u8>, number: u32, exemplars: &[Exemplar<'_>]) {
    for exemplar in exemplars {
        nest::message(out, number, |out| {
            nest::fixed64(out, 2, exemplar.time);
            if let Number::Double(value) = exemplar.value {
                encode::put_double(out, 3, value);
            }
            if let Some(id) = exemplar.span_id {
                nest::text(out, 4, &id);
            }
            if let Some(id) = exemplar.trace_id {
                nest::text(out, 5, &id);
            }
            if let Number::Int(value) = exemplar.value {
                encode::put_fixed64(out, 6, value as u64);
            }
            exemplar.filtered_attributes.write(out, 7);
        });
    }
}
