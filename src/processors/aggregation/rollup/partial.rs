//! The messages between the halves of roll-ups; `proto/partials.proto` is their description.

use prost::Message;
use stats::{Buckets, ExactSum, ExponentialHistogram, Moments};

use super::cell::{Cell, Spread, Worst};
use crate::aggregation::deployments::VersionRow;

/// Raised when the meaning of a field changes.
pub(super) const VERSION: u32 = 1;

/// What one shard measured, or what waits over a restart.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RollupPartial {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    /// Width of the windows in nanoseconds.
    #[prost(fixed64, tag = "2")]
    pub(super) width: u64,
    #[prost(message, repeated, tag = "3")]
    pub(super) windows: Vec<WindowRow>,
    #[prost(message, repeated, tag = "4")]
    pub(super) points: Vec<PointRow>,
    #[prost(message, repeated, tag = "5")]
    pub(super) versions: Vec<VersionRow>,
}

/// What tells one series from another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Message)]
pub(super) struct SeriesKey {
    /// An attribute list.
    #[prost(bytes = "vec", tag = "1")]
    pub(super) resource: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(string, tag = "3")]
    pub(super) unit: String,
    /// An attribute list.
    #[prost(bytes = "vec", tag = "4")]
    pub(super) attributes: Vec<u8>,
    #[prost(enumeration = "Kind", tag = "5")]
    pub(super) kind: i32,
}

/// What the values of a series are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Kind {
    /// A level at each moment.
    Level = 0,
    /// What a counter grew by.
    Counter = 1,
    /// Observations.
    Distribution = 2,
    /// Durations of spans.
    Spans = 3,
}

impl SeriesKey {
    /// Whether its lists can be written into a request; those of a damaged message may be anything.
    pub(super) fn is_sound(&self) -> bool {
        wire::is_attribute_list(&self.resource) && wire::is_attribute_list(&self.attributes)
    }
}

/// Values of one series in one window.
#[derive(Clone, PartialEq, Message)]
pub(super) struct WindowRow {
    #[prost(message, required, tag = "1")]
    pub(super) series: SeriesKey,
    /// Nanoseconds since the epoch.
    #[prost(fixed64, tag = "2")]
    pub(super) start: u64,
    #[prost(message, required, tag = "3")]
    pub(super) cell: CellRow,
    /// Data points or spans.
    #[prost(uint64, tag = "4")]
    pub(super) items: u64,
}

/// A point that counts from a start; only the half that sees all of a series can tell what is new.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PointRow {
    #[prost(message, required, tag = "1")]
    pub(super) series: SeriesKey,
    /// Nanoseconds since the epoch.
    #[prost(fixed64, tag = "2")]
    pub(super) start: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) time: u64,
    /// A counter's value.
    #[prost(double, optional, tag = "4")]
    pub(super) value: Option<f64>,
    /// A histogram's or a summary's state.
    #[prost(message, optional, tag = "5")]
    pub(super) cell: Option<CellRow>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CellRow {
    #[prost(uint64, tag = "1")]
    pub(super) count: u64,
    #[prost(message, required, tag = "2")]
    pub(super) sum: SumRow,
    /// Absent where the sum of squares is not known.
    #[prost(message, optional, tag = "3")]
    pub(super) squares: Option<SumRow>,
    /// Absent where the extremes are not known.
    #[prost(double, optional, tag = "4")]
    pub(super) min: Option<f64>,
    #[prost(double, optional, tag = "5")]
    pub(super) max: Option<f64>,
    #[prost(double, repeated, tag = "6")]
    pub(super) bounds: Vec<f64>,
    #[prost(uint64, repeated, tag = "7")]
    pub(super) counts: Vec<u64>,
    #[prost(message, optional, tag = "8")]
    pub(super) histogram: Option<HistogramRow>,
    #[prost(message, optional, tag = "9")]
    pub(super) worst: Option<WorstRow>,
    #[prost(uint64, tag = "10")]
    pub(super) unseen: u64,
    /// Whether it holds more than came in its window.
    #[prost(bool, tag = "11")]
    pub(super) is_caught_up: bool,
}

/// The greatest value that has a trace.
#[derive(Clone, PartialEq, Message)]
pub(super) struct WorstRow {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) trace_id: Vec<u8>,
}

/// A sum of doubles without rounding.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SumRow {
    #[prost(uint32, tag = "1")]
    pub(super) lowest: u32,
    #[prost(sint64, repeated, tag = "2")]
    pub(super) digits: Vec<i64>,
    #[prost(uint32, tag = "3")]
    pub(super) special: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct HistogramRow {
    #[prost(sint32, tag = "1")]
    pub(super) scale: i32,
    #[prost(uint64, tag = "2")]
    pub(super) zero_count: u64,
    #[prost(sint32, tag = "3")]
    pub(super) positive_offset: i32,
    #[prost(uint64, repeated, tag = "4")]
    pub(super) positive: Vec<u64>,
    #[prost(sint32, tag = "5")]
    pub(super) negative_offset: i32,
    #[prost(uint64, repeated, tag = "6")]
    pub(super) negative: Vec<u64>,
}

impl SumRow {
    fn of(sum: &ExactSum) -> Self {
        let (lowest, digits, special) = sum.to_parts();
        Self { lowest, digits, special }
    }

    fn sum(self) -> Option<ExactSum> {
        ExactSum::from_parts(self.lowest, self.digits, self.special)
    }
}

impl CellRow {
    pub(super) fn of(cell: &Cell) -> Self {
        let moments = &cell.moments;
        let mut row = Self {
            count: moments.count,
            sum: SumRow::of(&moments.sum),
            squares: cell.has_squares.then(|| SumRow::of(&moments.squares)),
            min: cell.has_extremes.then_some(moments.min),
            max: cell.has_extremes.then_some(moments.max),
            worst: cell.worst.map(|worst| WorstRow { value: worst.value, trace_id: worst.trace_id.to_vec() }),
            unseen: cell.unseen,
            is_caught_up: cell.is_caught_up,
            ..Self::default()
        };
        match &cell.spread {
            Spread::Unknown => {}
            Spread::Explicit { bounds, counts } => {
                (row.bounds, row.counts) = (bounds.clone(), counts.clone())
            }
            Spread::Exponential(histogram) => row.histogram = Some(HistogramRow::of(histogram)),
        }
        row
    }

    /// Returns the cell; none when no cell has these parts.
    pub(super) fn cell(self) -> Option<Cell> {
        let (has_squares, has_extremes) = (self.squares.is_some(), self.min.is_some() && self.max.is_some());
        let moments = Moments {
            count: self.count,
            sum: self.sum.sum()?,
            squares: self.squares.unwrap_or_default().sum()?,
            min: self.min.unwrap_or(f64::INFINITY),
            max: self.max.unwrap_or(f64::NEG_INFINITY),
        };
        let spread = match self.histogram {
            Some(histogram) => Spread::Exponential(histogram.histogram()?),
            None if self.counts.is_empty() => Spread::Unknown,
            None if self.counts.len() == self.bounds.len() + 1 => {
                Spread::Explicit { bounds: self.bounds, counts: self.counts }
            }
            None => return None,
        };
        let worst = match self.worst {
            Some(row) => Some(Worst { value: row.value, trace_id: row.trace_id.try_into().ok()? }),
            None => None,
        };
        let (unseen, is_caught_up) = (self.unseen, self.is_caught_up);
        Some(Cell { moments, has_squares, has_extremes, spread, worst, unseen, is_caught_up })
    }
}

impl HistogramRow {
    fn of(histogram: &ExponentialHistogram) -> Self {
        Self {
            scale: histogram.scale(),
            zero_count: histogram.zero_count(),
            positive_offset: histogram.positive().offset,
            positive: histogram.positive().counts.clone(),
            negative_offset: histogram.negative().offset,
            negative: histogram.negative().counts.clone(),
        }
    }

    fn histogram(self) -> Option<ExponentialHistogram> {
        let positive = Buckets { offset: self.positive_offset, counts: self.positive };
        let negative = Buckets { offset: self.negative_offset, counts: self.negative };
        ExponentialHistogram::from_parts(self.scale, 160, self.zero_count, &positive, &negative)
    }
}
