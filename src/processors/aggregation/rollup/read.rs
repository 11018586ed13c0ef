//! From data points to cells.

use stats::ExponentialHistogram;
use wire::view::{
    ExponentialPoint, Group, HistogramPoint, KeyValue, Metric, MetricData, NumberPoint, Points, SummaryPoint,
    Temporality, groups,
};

use super::{
    cell::{Cell, Spread},
    partial::{CellRow, Kind, PointRow, SeriesKey},
};
use crate::aggregation::attributes::{AttributeList, canonical};

/// What a data point says.
pub(super) enum Reading {
    /// Values that are new.
    New { time: u64, cell: Cell },
    /// The state of a counter or histogram since a start.
    Since { start: u64, time: u64, value: Option<f64>, cell: Option<Cell> },
}

/// Ends the names of what roll-ups emit; such metrics are not rolled up again.
pub(super) const SUFFIX: &str = ".rollup";

/// Reads all points of a request. Those that have no usable value are counted; unless they say themselves that
/// they have none, they are told as unreadable, which is another thing than silence.
pub(super) fn read(request: &[u8], mut take: impl FnMut(SeriesKey, Reading)) -> u64 {
    let mut left_out = 0;
    for group in groups(request) {
        for metric in group.items().map(Metric::of).filter(|metric| !metric.name.ends_with(SUFFIX.as_bytes()))
        {
            let of_metric = OfMetric::new(&group, &metric);
            read_metric(&metric, |attributes, reading| match reading {
                Ok(reading) => take(of_metric.key(attributes), reading),
                Err(time) => {
                    left_out += 1;
                    if let Some(time) = time {
                        take(of_metric.key(attributes), Reading::New { time, cell: Cell::unreadable() });
                    }
                }
            });
        }
    }
    left_out
}

/// The parts of a key that all points of a metric share.
struct OfMetric {
    resource: Vec<u8>,
    name: String,
    unit: String,
    kind: Kind,
}

impl OfMetric {
    fn new(group: &Group<'_>, metric: &Metric<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let resource = canonical(group.resource.body, |_| true).into();
        Self { resource, name: text(metric.name), unit: text(metric.unit), kind: kind_of(&metric.data) }
    }

    fn key(&self, attributes: Vec<KeyValue<'_>>) -> SeriesKey {
        let mut sorted: Vec<_> =
            attributes.iter().map(|it| (String::from_utf8_lossy(it.key), it.value)).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        sorted.dedup_by(|next, first| next.0 == first.0);
        let mut list = AttributeList::default();
        for (key, value) in sorted {
            list.push_value(&key, value);
        }
        let (resource, name, unit) = (self.resource.clone(), self.name.clone(), self.unit.clone());
        SeriesKey { resource, name, unit, attributes: list.into_bytes().into(), kind: self.kind.into() }
    }
}

fn kind_of(data: &MetricData<'_>) -> Kind {
    match data {
        MetricData::Empty | MetricData::Gauge(_) => Kind::Level,
        MetricData::Sum { is_monotonic, .. } if *is_monotonic => Kind::Counter,
        MetricData::Sum { .. } => Kind::Level,
        MetricData::Histogram { .. } | MetricData::ExponentialHistogram { .. } | MetricData::Summary(_) => {
            Kind::Distribution
        }
    }
}

/// What a point says, or the time of one that can not be read.
type Read = Result<Reading, Option<u64>>;

fn read_metric<'a>(metric: &Metric<'a>, mut take: impl FnMut(Vec<KeyValue<'a>>, Read)) {
    match metric.data {
        MetricData::Empty => {}
        MetricData::Gauge(points) => read_points::<NumberPoint<'_>>(points, Counting::Anew, &mut take),
        MetricData::Sum { points, temporality, is_monotonic } => {
            // What goes up and down is a level, whose value at each moment counts.
            let counting = if is_monotonic { Counting::of(temporality) } else { Counting::Anew };
            read_points::<NumberPoint<'_>>(points, counting, &mut take);
        }
        MetricData::Histogram { points, temporality } => {
            read_points::<HistogramPoint<'_>>(points, Counting::of(temporality), &mut take);
        }
        MetricData::ExponentialHistogram { points, temporality } => {
            read_points::<ExponentialPoint<'_>>(points, Counting::of(temporality), &mut take);
        }
        MetricData::Summary(points) => {
            read_points::<SummaryPoint<'_>>(points, Counting::FromStart, &mut take);
        }
    }
}

fn read_points<'a, P: Point<'a>>(
    points: Points<'a>,
    counting: Counting,
    take: &mut impl FnMut(Vec<KeyValue<'a>>, Read),
) {
    for point in points.iter().map(P::read) {
        take(point.attributes(), point.reading(counting).ok_or_else(|| point.told_at()));
    }
}

/// Since when the points of a metric count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Counting {
    /// Each point tells what is new.
    Anew,
    /// Each point tells everything since the start.
    FromStart,
}

impl Counting {
    fn of(temporality: Temporality) -> Self {
        match temporality {
            Temporality::Cumulative => Self::FromStart,
            Temporality::Delta | Temporality::Unspecified => Self::Anew,
        }
    }

    fn reading(self, start: u64, time: u64, cell: Cell) -> Reading {
        match self {
            Self::Anew => Reading::New { time, cell },
            Self::FromStart => Reading::Since { start, time, value: None, cell: Some(cell) },
        }
    }
}

/// A data point of any kind.
trait Point<'a> {
    fn read(body: &'a [u8]) -> Self;
    fn attributes(&self) -> Vec<KeyValue<'a>>;
    /// Returns what the point says; none when it has no usable value.
    fn reading(&self, counting: Counting) -> Option<Reading>;
    /// Returns the time of a point that does not say itself that it has no value.
    fn told_at(&self) -> Option<u64>;
}

impl<'a> Point<'a> for NumberPoint<'a> {
    fn read(body: &'a [u8]) -> Self {
        Self::of(body)
    }

    fn attributes(&self) -> Vec<KeyValue<'a>> {
        self.attributes().collect()
    }

    fn reading(&self, counting: Counting) -> Option<Reading> {
        // A counter is neither endless nor below zero; one such value would spoil the next as well.
        let is_possible = |value: &f64| counting == Counting::Anew || (value.is_finite() && *value >= 0.0);
        let value = number(self).filter(is_possible)?;
        let (start, time) = (self.start, self.time);
        Some(match counting {
            Counting::Anew => Reading::New { time, cell: Cell::of_value(value) },
            Counting::FromStart => Reading::Since { start, time, value: Some(value), cell: None },
        })
    }

    fn told_at(&self) -> Option<u64> {
        (!self.has_no_value()).then_some(self.time)
    }
}

impl<'a> Point<'a> for HistogramPoint<'a> {
    fn read(body: &'a [u8]) -> Self {
        Self::of(body)
    }

    fn attributes(&self) -> Vec<KeyValue<'a>> {
        self.attributes().collect()
    }

    fn reading(&self, counting: Counting) -> Option<Reading> {
        let cell = (!self.has_no_value()).then(|| explicit(self)).flatten()?;
        Some(counting.reading(self.start, self.time, cell))
    }

    fn told_at(&self) -> Option<u64> {
        (!self.has_no_value()).then_some(self.time)
    }
}

impl<'a> Point<'a> for ExponentialPoint<'a> {
    fn read(body: &'a [u8]) -> Self {
        Self::of(body)
    }

    fn attributes(&self) -> Vec<KeyValue<'a>> {
        self.attributes().collect()
    }

    fn reading(&self, counting: Counting) -> Option<Reading> {
        let cell = (!self.has_no_value()).then(|| exponential(self)).flatten()?;
        Some(counting.reading(self.start, self.time, cell))
    }

    fn told_at(&self) -> Option<u64> {
        (!self.has_no_value()).then_some(self.time)
    }
}

impl<'a> Point<'a> for SummaryPoint<'a> {
    fn read(body: &'a [u8]) -> Self {
        Self::of(body)
    }

    fn attributes(&self) -> Vec<KeyValue<'a>> {
        self.attributes().collect()
    }

    fn reading(&self, counting: Counting) -> Option<Reading> {
        let is_told = !self.has_no_value() && !self.sum.is_nan();
        let cell = is_told.then(|| Cell::of_sums(self.count, self.sum, None, Spread::Unknown))?;
        Some(counting.reading(self.start, self.time, cell))
    }

    fn told_at(&self) -> Option<u64> {
        (!self.has_no_value()).then_some(self.time)
    }
}

fn number(point: &NumberPoint<'_>) -> Option<f64> {
    let value = point.value.filter(|_| !point.has_no_value())?.as_f64();
    (!value.is_nan()).then_some(value)
}

/// The extremes that a point tells, if both.
fn extremes(min: Option<f64>, max: Option<f64>) -> Option<(f64, f64)> {
    min.zip(max).filter(|(min, max)| min <= max)
}

fn explicit(point: &HistogramPoint<'_>) -> Option<Cell> {
    let bounds: Vec<f64> = point.explicit_bounds().take(MAX_BUCKETS).collect();
    let counts: Vec<u64> = point.bucket_counts().take(MAX_BUCKETS + 1).collect();
    let sum = point.sum.unwrap_or(0.0);
    let ascend = bounds.windows(2).all(|pair| pair[0] < pair[1]);
    let spread = match counts.len() {
        0 => Spread::Unknown,
        len if len == bounds.len() + 1 && ascend => Spread::Explicit { bounds, counts },
        _ => return None,
    };
    (!sum.is_nan()).then(|| Cell::of_sums(point.count, sum, extremes(point.min, point.max), spread))
}

/// Histograms with more buckets are left out.
const MAX_BUCKETS: usize = 1024;

fn exponential(point: &ExponentialPoint<'_>) -> Option<Cell> {
    let side = |buckets: wire::view::Buckets<'_>| stats::Buckets {
        offset: buckets.offset,
        counts: buckets.counts().take(MAX_BUCKETS).collect(),
    };
    let (positive, negative) = (side(point.positive), side(point.negative));
    let histogram =
        ExponentialHistogram::from_parts(point.scale, 160, point.zero_count, &positive, &negative)?;
    let sum = point.sum.unwrap_or(0.0);
    let extremes = extremes(point.min, point.max);
    (!sum.is_nan()).then(|| Cell::of_sums(point.count, sum, extremes, Spread::Exponential(histogram)))
}

/// Spells a reading that counts from a start.
pub(super) fn point_row(
    series: SeriesKey,
    start: u64,
    time: u64,
    value: Option<f64>,
    cell: Option<Cell>,
) -> PointRow {
    PointRow { series, start, time, value, cell: cell.as_ref().map(CellRow::of) }
}
