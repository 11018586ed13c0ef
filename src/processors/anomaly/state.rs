//! What is remembered of each series.

use std::time::Duration;

use model::{Maturity, Series, Statistic, Timestamp};
use wire::view::{AnyValue, attributes};

use super::{
    detectors::{Novelty, OneSided, Pattern, Quartiles, Sustained, Told},
    silence::Silence,
};

/// Everything known of one series.
///
/// *Cost*: 56 bytes, 444 more when `novelty` is listed and 52 when `pattern` is.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct SeriesState {
    pub(crate) sustained: Sustained,
    /// The end of the last window that was judged, in widths since the epoch; 0 before the first.
    pub(crate) last_window: u32,
    /// How often a person called an alarm of this series false.
    pub(crate) marks: u8,
    /// Whether an episode is open.
    pub(crate) is_open: bool,
    /// Follows from the series and the configuration: not stored, made anew after a restart.
    pub(crate) traits: Option<Traits>,
    /// How well the series was known; what is measured from its seasons begins anew when they change.
    pub(crate) maturity: Maturity,
    pub(crate) quartiles: Quartiles,
    pub(crate) told: Told,
    pub(crate) silence: Silence,
    /// Windows since the cells of novelty grew older.
    pub(crate) cells_age: u8,
    pub(crate) novelty: Option<Box<Novelty>>,
    pub(crate) pattern: Option<Box<Pattern>>,
}

impl SeriesState {
    /// Returns the distance of the window that ends at `now` to the last one that had a value, in widths,
    /// and moves there unless the series `is_absent`. The first window of a series follows none and has no
    /// gap.
    #[inline]
    pub(crate) fn advance(&mut self, now: Timestamp, width: Duration, is_absent: bool) -> u32 {
        let window = (now.as_nanos() / width.as_nanos().max(1) as u64).min(u64::from(u32::MAX)) as u32;
        let gap = if self.last_window == 0 { 1 } else { window.saturating_sub(self.last_window) };
        if !is_absent {
            self.last_window = self.last_window.max(window);
        }
        gap
    }

    /// Begins anew what depends on the window before, after a gap.
    pub(crate) fn forget_the_window_before(&mut self) {
        self.sustained.reset();
        self.silence.forget();
        if let Some(pattern) = &mut self.pattern {
            pattern.reset();
        }
    }
}

/// What follows from the identity of a series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Traits {
    pub(crate) kind: Kind,
    pub(crate) source: Source,
    /// Marks that the configuration lists.
    pub(crate) marks: u8,
}

/// What a departure of a series means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Rate,
    ErrorRatio,
    Latency,
    Gauge,
}

/// Where a series comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Source {
    /// A metric: whatever its values mean, nobody waits for them.
    Metric,
    /// Spans of an operation that others wait for only indirectly.
    Spans,
    /// Spans by which a service answers its callers.
    Requests,
}

impl Kind {
    const fn of(statistic: Statistic) -> Self {
        match statistic {
            Statistic::Rate => Self::Rate,
            Statistic::ErrorRatio => Self::ErrorRatio,
            Statistic::P50 | Statistic::P95 | Statistic::P99 => Self::Latency,
            Statistic::Mean => Self::Gauge,
        }
    }

    /// Whether less than expected is a departure as well: nobody minds fast answers and few errors.
    pub(crate) const fn one_sided(self) -> OneSided {
        match self {
            Self::ErrorRatio | Self::Latency => OneSided::Up,
            Self::Rate | Self::Gauge => OneSided::No,
        }
    }
}

/// The metric that is made of spans.
const SPAN_DURATION: &str = "span.duration";

impl Traits {
    pub(crate) fn of(series: &Series, marks: u8) -> Self {
        Self { kind: Kind::of(series.statistic), source: Source::of(series), marks }
    }
}

impl Source {
    fn of(series: &Series) -> Self {
        if &*series.metric != SPAN_DURATION {
            return Self::Metric;
        }
        let kind = attributes(&series.attributes, 1).find(|attribute| attribute.key == b"span.kind");
        match kind.map(|attribute| attribute.value()) {
            Some(AnyValue::Str(b"SPAN_KIND_SERVER" | b"SPAN_KIND_CONSUMER")) => Self::Requests,
            _ => Self::Spans,
        }
    }
}
