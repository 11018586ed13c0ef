//! The connector's row in the table of its layer.

use component::{BuildCx, Processor, ProcessorDef};
use model::SignalSet;

use super::{SpanMetricsConfig, plan::plan};
use crate::aggregation::halves::{AnalysisHalf, IngestHalf};

/// Counts spans by service, name, kind, status and chosen dimensions.
pub struct SpanMetrics;

impl ProcessorDef for SpanMetrics {
    const KIND: &'static str = "span_metrics";
    const ALIASES: &'static [&'static str] = &["spanmetrics"];
    type Config = SpanMetricsConfig;

    fn consumes(_: &SpanMetricsConfig) -> SignalSet {
        SignalSet::TRACES
    }

    fn emits(_: &SpanMetricsConfig) -> SignalSet {
        SignalSet::METRICS
    }

    fn ingest(config: &SpanMetricsConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(IngestHalf::new(&plan(config, cx.instance_id), cx))
    }

    fn analysis(config: &SpanMetricsConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(AnalysisHalf::new(plan(config, cx.instance_id), cx)))
    }
}
