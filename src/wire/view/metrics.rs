//! Metrics and data points of every kind.

use crate::{
    cursor::{self, Fields, Raw},
    view::{KeyValue, attributes},
};

/// OTLP's `AggregationTemporality`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Temporality {
    /// Also what a number that OTLP does not define is read as.
    Unspecified,
    Delta,
    Cumulative,
}

/// A metric.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Metric<'a> {
    pub body: &'a [u8],
    pub name: &'a [u8],
    pub description: &'a [u8],
    pub unit: &'a [u8],
    pub data: MetricData<'a>,
}

/// A metric's kind and its points, each of which is the body of a message: give it to the view that the
/// kind names.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum MetricData<'a> {
    /// No data, or data of a kind that this version does not know.
    Empty,
    /// Of [`NumberPoint`].
    Gauge(Points<'a>),
    /// Of [`NumberPoint`].
    Sum { points: Points<'a>, temporality: Temporality, is_monotonic: bool },
    /// Of [`HistogramPoint`].
    Histogram { points: Points<'a>, temporality: Temporality },
    /// Of [`ExponentialPoint`].
    ExponentialHistogram { points: Points<'a>, temporality: Temporality },
    /// Of [`SummaryPoint`].
    Summary(Points<'a>),
}

/// The points of a metric.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Points<'a>(&'a [u8]);

impl<'a> Points<'a> {
    /// Walks the bodies of the points.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> + Clone + 'a {
        Fields::bodies(self.0, 1)
    }
}

impl<'a> Metric<'a> {
    pub fn of(body: &'a [u8]) -> Self {
        let mut metric = Self { body, name: &[], description: &[], unit: &[], data: MetricData::Empty };
        for field in Fields::new(body) {
            let Raw::Bytes(bytes) = field.value else { continue };
            let points = Points(bytes);
            match field.number {
                1 => metric.name = bytes,
                2 => metric.description = bytes,
                3 => metric.unit = bytes,
                5 => metric.data = MetricData::Gauge(points),
                7 => {
                    let (temporality, is_monotonic) = head(bytes);
                    metric.data = MetricData::Sum { points, temporality, is_monotonic };
                }
                9 => metric.data = MetricData::Histogram { points, temporality: head(bytes).0 },
                10 => metric.data = MetricData::ExponentialHistogram { points, temporality: head(bytes).0 },
                11 => metric.data = MetricData::Summary(points),
                _ => {}
            }
        }
        metric
    }

    /// Counts its points.
    pub fn n_points(&self) -> u64 {
        let points = match self.data {
            MetricData::Empty => return 0,
            MetricData::Gauge(points)
            | MetricData::Sum { points, .. }
            | MetricData::Histogram { points, .. }
            | MetricData::ExponentialHistogram { points, .. }
            | MetricData::Summary(points) => points,
        };
        points.iter().count() as u64
    }

    pub fn metadata(&self) -> impl Iterator<Item = KeyValue<'a>> + Clone + 'a {
        attributes(self.body, 12)
    }
}

fn head(data: &[u8]) -> (Temporality, bool) {
    let (mut temporality, mut is_monotonic) = (Temporality::Unspecified, false);
    for field in Fields::new(data) {
        match (field.number, field.value) {
            (2, Raw::Varint(number)) => {
                temporality = match number as i32 {
                    1 => Temporality::Delta,
                    2 => Temporality::Cumulative,
                    _ => Temporality::Unspecified,
                }
            }
            (3, Raw::Varint(flag)) => is_monotonic = flag != 0,
            _ => {}
        }
    }
    (temporality, is_monotonic)
}

/// The value of a number point or an exemplar.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Number {
    Int(i64),
    Double(f64),
}

impl Number {
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Double(number) => number,
        }
    }
}

/// Bit 0 of a point's flags: the source knows that there is no value.
pub const NO_RECORDED_VALUE: u32 = 1;

/// A data point of a gauge or a sum.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct NumberPoint<'a> {
    pub body: &'a [u8],
    /// *Units*: nanoseconds since the epoch, as in all points; 0 when unknown.
    pub start: u64,
    pub time: u64,
    pub flags: u32,
    /// Absent when the point carries none, which is legal with the flag of [`Self::has_no_value`].
    pub value: Option<Number>,
}

impl<'a> NumberPoint<'a> {
    pub fn of(body: &'a [u8]) -> Self {
        let mut point = Self { body, start: 0, time: 0, flags: 0, value: None };
        for field in Fields::new(body) {
            match (field.number, field.value) {
                (2, Raw::Fixed64(time)) => point.start = time,
                (3, Raw::Fixed64(time)) => point.time = time,
                (4, Raw::Fixed64(bits)) => point.value = Some(Number::Double(f64::from_bits(bits))),
                (6, Raw::Fixed64(number)) => point.value = Some(Number::Int(number as i64)),
                (8, Raw::Varint(flags)) => point.flags = flags as u32,
                _ => {}
            }
        }
        point
    }

    pub const fn has_no_value(&self) -> bool {
        self.flags & NO_RECORDED_VALUE != 0
    }

    pub fn attributes(&self) -> impl Iterator<Item = KeyValue<'a>> + Clone + 'a {
        attributes(self.body, 7)
    }

    pub fn exemplars(&self) -> impl Iterator<Item = Exemplar<'a>> + Clone + 'a {
        Fields::bodies(self.body, 5).map(Exemplar::of)
    }
}

/// A data point of a histogram with explicit bounds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct HistogramPoint<'a> {
    pub body: &'a [u8],
    pub start: u64,
    pub time: u64,
    pub flags: u32,
    pub count: u64,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
}

impl<'a> HistogramPoint<'a> {
    pub fn of(body: &'a [u8]) -> Self {
        let mut point = Self { body, start: 0, time: 0, flags: 0, count: 0, sum: None, min: None, max: None };
        for field in Fields::new(body) {
            match (field.number, field.value) {
                (2, Raw::Fixed64(time)) => point.start = time,
                (3, Raw::Fixed64(time)) => point.time = time,
                (4, Raw::Fixed64(count)) => point.count = count,
                (5, Raw::Fixed64(bits)) => point.sum = Some(f64::from_bits(bits)),
                (10, Raw::Varint(flags)) => point.flags = flags as u32,
                (11, Raw::Fixed64(bits)) => point.min = Some(f64::from_bits(bits)),
                (12, Raw::Fixed64(bits)) => point.max = Some(f64::from_bits(bits)),
                _ => {}
            }
        }
        point
    }

    pub const fn has_no_value(&self) -> bool {
        self.flags & NO_RECORDED_VALUE != 0
    }

    /// Walks the counts of the buckets: one more than there are bounds, or none.
    pub fn bucket_counts(&self) -> impl Iterator<Item = u64> + Clone + 'a {
        fixed64s(self.body, 6)
    }

    /// Walks the upper bounds of the buckets but the last.
    pub fn explicit_bounds(&self) -> impl Iterator<Item = f64> + Clone + 'a {
        fixed64s(self.body, 7).map(f64::from_bits)
    }

    pub fn attributes(&self) -> impl Iterator<Item = KeyValue<'a>> + Clone + 'a {
        attributes(self.body, 9)
    }

    pub fn exemplars(&self) -> impl Iterator<Item = Exemplar<'a>> + Clone + 'a {
        Fields::bodies(self.body, 8).map(Exemplar::of)
    }
}

/// A data point of an exponential histogram.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ExponentialPoint<'a> {
    pub body: &'a [u8],
    pub start: u64,
    pub time: u64,
    pub flags: u32,
    pub count: u64,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub positive: Buckets<'a>,
    pub negative: Buckets<'a>,
}

impl<'a> ExponentialPoint<'a> {
    pub fn of(body: &'a [u8]) -> Self {
        let mut point = Self {
            body,
            start: 0,
            time: 0,
            flags: 0,
            count: 0,
            sum: None,
            min: None,
            max: None,
            scale: 0,
            zero_count: 0,
            zero_threshold: 0.0,
            positive: Buckets::default(),
            negative: Buckets::default(),
        };
        for field in Fields::new(body) {
            match (field.number, field.value) {
                (2, Raw::Fixed64(time)) => point.start = time,
                (3, Raw::Fixed64(time)) => point.time = time,
                (4, Raw::Fixed64(count)) => point.count = count,
                (5, Raw::Fixed64(bits)) => point.sum = Some(f64::from_bits(bits)),
                (6, Raw::Varint(scale)) => point.scale = unzigzag(scale),
                (7, Raw::Fixed64(count)) => point.zero_count = count,
                (8, Raw::Bytes(buckets)) => point.positive = Buckets::of(buckets),
                (9, Raw::Bytes(buckets)) => point.negative = Buckets::of(buckets),
                (10, Raw::Varint(flags)) => point.flags = flags as u32,
                (12, Raw::Fixed64(bits)) => point.min = Some(f64::from_bits(bits)),
                (13, Raw::Fixed64(bits)) => point.max = Some(f64::from_bits(bits)),
                (14, Raw::Fixed64(bits)) => point.zero_threshold = f64::from_bits(bits),
                _ => {}
            }
        }
        point
    }

    pub const fn has_no_value(&self) -> bool {
        self.flags & NO_RECORDED_VALUE != 0
    }

    pub fn attributes(&self) -> impl Iterator<Item = KeyValue<'a>> + Clone + 'a {
        attributes(self.body, 1)
    }

    pub fn exemplars(&self) -> impl Iterator<Item = Exemplar<'a>> + Clone + 'a {
        Fields::bodies(self.body, 11).map(Exemplar::of)
    }
}

/// The buckets of one sign of an exponential histogram.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Buckets<'a> {
    /// Index of the first bucket.
    pub offset: i32,
    body: &'a [u8],
}

impl<'a> Buckets<'a> {
    fn of(body: &'a [u8]) -> Self {
        let mut offset = 0;
        for field in Fields::new(body) {
            if let (1, Raw::Varint(number)) = (field.number, field.value) {
                offset = unzigzag(number);
            }
        }
        Self { offset, body }
    }

    pub fn counts(&self) -> impl Iterator<Item = u64> + Clone + 'a {
        Fields::new(self.body).filter(|field| field.number == 2).flat_map(|field| {
            let (single, packed) = match field.value {
                Raw::Varint(count) => (Some(count), &[][..]),
                Raw::Bytes(packed) => (None, packed),
                _ => (None, &[][..]),
            };
            let mut rest = packed;
            single.into_iter().chain(std::iter::from_fn(move || cursor::varint(&mut rest)))
        })
    }
}

/// A data point of a summary.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SummaryPoint<'a> {
    pub body: &'a [u8],
    pub start: u64,
    pub time: u64,
    pub flags: u32,
    pub count: u64,
    pub sum: f64,
}

/// One quantile of a summary.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Quantile {
    /// *Units*: a ratio from 0 to 1.
    pub quantile: f64,
    pub value: f64,
}

impl<'a> SummaryPoint<'a> {
    pub fn of(body: &'a [u8]) -> Self {
        let mut point = Self { body, start: 0, time: 0, flags: 0, count: 0, sum: 0.0 };
        for field in Fields::new(body) {
            match (field.number, field.value) {
                (2, Raw::Fixed64(time)) => point.start = time,
                (3, Raw::Fixed64(time)) => point.time = time,
                (4, Raw::Fixed64(count)) => point.count = count,
                (5, Raw::Fixed64(bits)) => point.sum = f64::from_bits(bits),
                (8, Raw::Varint(flags)) => point.flags = flags as u32,
                _ => {}
            }
        }
        point
    }

    pub const fn has_no_value(&self) -> bool {
        self.flags & NO_RECORDED_VALUE != 0
    }

    pub fn quantiles(&self) -> impl Iterator<Item = Quantile> + Clone + 'a {
        Fields::bodies(self.body, 6).map(|body| {
            let mut quantile = Quantile::default();
            for field in Fields::new(body) {
                match (field.number, field.value) {
                    (1, Raw::Fixed64(bits)) => quantile.quantile = f64::from_bits(bits),
                    (2, Raw::Fixed64(bits)) => quantile.value = f64::from_bits(bits),
                    _ => {}
                }
            }
            quantile
        })
    }

    pub fn attributes(&self) -> impl Iterator<Item = KeyValue<'a>> + Clone + 'a {
        attributes(self.body, 7)
    }
}

/// A measurement kept as an example of a point.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Exemplar<'a> {
    pub body: &'a [u8],
    /// *Units*: nanoseconds since the epoch.
    pub time: u64,
    pub value: Option<Number>,
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
}

impl<'a> Exemplar<'a> {
    fn of(body: &'a [u8]) -> Self {
        let mut exemplar = Self { body, time: 0, value: None, trace_id: &[], span_id: &[] };
        for field in Fields::new(body) {
            match (field.number, field.value) {
                (2, Raw::Fixed64(time)) => exemplar.time = time,
                (3, Raw::Fixed64(bits)) => exemplar.value = Some(Number::Double(f64::from_bits(bits))),
                (4, Raw::Bytes(id)) => exemplar.span_id = id,
                (5, Raw::Bytes(id)) => exemplar.trace_id = id,
                (6, Raw::Fixed64(number)) => exemplar.value = Some(Number::Int(number as i64)),
                _ => {}
            }
        }
        exemplar
    }

    pub fn filtered_attributes(&self) -> impl Iterator<Item = KeyValue<'a>> + Clone + 'a {
        attributes(self.body, 7)
    }
}

/// Walks a repeated field of eight-byte values, packed or not.
fn fixed64s(message: &[u8], number: u32) -> impl Iterator<Item = u64> + Clone {
    Fields::new(message).filter(move |field| field.number == number).flat_map(|field| {
        let (single, packed) = match field.value {
            Raw::Fixed64(value) => (Some(value), &[][..]),
            Raw::Bytes(packed) => (None, packed),
            _ => (None, &[][..]),
        };
        let values = packed.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        single.into_iter().chain(values)
    })
}

fn unzigzag(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1) as i32 ^ -((value & 1) as i32)
}
