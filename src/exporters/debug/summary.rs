//! How much a request holds.

use model::{Signal, SpanTable};
use wire::view::{Metric, MetricData, attributes, groups};

/// Counts of a request, named as the collector names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Summary {
    Traces { resources: usize, spans: usize },
    Metrics { resources: usize, metrics: usize, points: usize },
    Logs { resources: usize, records: usize },
}

impl Summary {
    /// *Cost*: a walk over the request.
    pub(super) fn of(signal: Signal, request: &[u8], spans: &SpanTable) -> Self {
        // Every message of a repeated field counts as one, whatever it is read as.
        let resources = attributes(request, RESOURCE_GROUPS).count();
        match signal {
            Signal::Traces => Self::Traces { resources, spans: spans.spans.len() },
            Signal::Metrics => {
                let metrics = groups(request).map(|group| group.items().count()).sum();
                let in_group = |body| points(Metric::of(body).data);
                let points = groups(request).map(|group| group.items().map(in_group).sum::<usize>()).sum();
                Self::Metrics { resources, metrics, points }
            }
            Signal::Logs => {
                let records = groups(request).map(|group| group.items().count()).sum();
                Self::Logs { resources, records }
            }
        }
    }

    pub(super) fn log(self, exporter: &str) {
        match self {
            Self::Traces { resources, spans } => {
                tracing::info!(exporter, "resource spans" = resources, spans, "Traces");
            }
            Self::Metrics { resources, metrics, points } => {
                tracing::info!(
                    exporter,
                    "resource metrics" = resources,
                    metrics,
                    "data points" = points,
                    "Metrics"
                );
            }
            Self::Logs { resources, records } => {
                tracing::info!(exporter, "resource logs" = resources, "log records" = records, "Logs");
            }
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Traces { resources, spans } => {
                write!(f, "Traces\t{{\"resource spans\": {resources}, \"spans\": {spans}}}")
            }
            Self::Metrics { resources, metrics, points } => write!(
                f,
                "Metrics\t{{\"resource metrics\": {resources}, \"metrics\": {metrics}, \"data points\": {points}}}"
            ),
            Self::Logs { resources, records } => {
                write!(f, "Logs\t{{\"resource logs\": {resources}, \"log records\": {records}}}")
            }
        }
    }
}

/// The field of every request that holds `ResourceSpans` or its kin.
const RESOURCE_GROUPS: u32 = 1;

fn points(data: MetricData<'_>) -> usize {
    match data {
        MetricData::Empty => 0,
        MetricData::Gauge(points)
        | MetricData::Sum { points, .. }
        | MetricData::Histogram { points, .. }
        | MetricData::ExponentialHistogram { points, .. }
        | MetricData::Summary(points) => points.iter().count(),
    }
}
