//! From settings to what the two halves do.

use std::time::Duration;

use wire::view::Temporality;

use super::{
    Flavor, SpanMetricsConfig,
    config::{DELTA, DimensionConfig},
};
use crate::aggregation::{
    buckets::{Bounds, Layout, Unit},
    cumulative::Expiry,
    emit::{Column, Output, OutputMetric},
    halves::{Counted, Family, Plan},
    spec::{Dimension, Intrinsics, ResourceRule, SeriesSpec},
};

/// The collector's default bounds.
const DEFAULT_BOUNDS_MS: [u64; 16] =
    [2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000];
/// Tempo's: fourteen bounds from 2 ms, each twice the last.
const TEMPO_BOUNDS: usize = 14;

/// Makes the plan of a configuration that has been validated.
pub(super) fn plan(config: &SpanMetricsConfig, instance_id: &str) -> Plan {
    let planner = Planner { config, instance_id };
    let (families, metrics) = planner.families();
    let is_delta = config.aggregation_temporality == DELTA;
    let temporality = if is_delta { Temporality::Delta } else { Temporality::Cumulative };
    Plan {
        telemetry_name: "spanmetrics",
        families,
        output: Output { scope: "spanmetricsconnector", metrics, temporality },
        flush_interval: config.metrics_flush_interval.get(),
        expiry: Expiry { series: config.series_expiration.get(), resource: config.metrics_expiration.get() },
        timestamp_offset: Duration::ZERO,
    }
}

struct Planner<'a> {
    config: &'a SpanMetricsConfig,
    instance_id: &'a str,
}

impl Planner<'_> {
    /// Returns the families and the metrics that show them. Calls and durations share a family, and with it
    /// one look-up per span, unless they are told apart by different dimensions.
    fn families(&self) -> (Vec<Family>, Vec<OutputMetric>) {
        let config = self.config;
        let histogram = &config.histogram;
        let mut families = Vec::new();
        let mut metrics = Vec::new();
        let shared = histogram.disable || config.calls_dimensions == histogram.dimensions;
        let calls_layout = if shared { self.layout() } else { Layout::None };
        let family = |spec, counted| Family { spec, counted };
        families.push(family(self.spec(&config.calls_dimensions, calls_layout), Counted::Spans));
        metrics.push(self.metric("calls", "calls_total", "", 0, Column::Calls));
        if !histogram.disable {
            if !shared {
                families.push(family(self.spec(&histogram.dimensions, self.layout()), Counted::Spans));
            }
            let unit = if config.flavor == Flavor::Tempo { "" } else { self.unit().symbol() };
            metrics.push(self.metric("duration", "latency", unit, families.len() - 1, Column::Duration));
        }
        if config.flavor == Flavor::Tempo {
            metrics.push(self.metric("size", "size_total", "", 0, Column::SizeBytes));
        }
        if config.events.enabled {
            let spec = self.spec(&config.events.dimensions, Layout::None);
            families.push(family(spec, Counted::Events));
            metrics.push(self.metric("events", "events_total", "", families.len() - 1, Column::Calls));
        }
        (families, metrics)
    }

    fn spec(&self, more: &[DimensionConfig], layout: Layout) -> SeriesSpec {
        let config = self.config;
        let is_excluded = |name: &str| config.exclude_dimensions.iter().any(|excluded| excluded == name);
        let mut constants = Vec::new();
        if config.include_collector_instance_id && !is_excluded("collector.instance.id") {
            constants.push(("collector.instance.id".to_owned(), self.instance_id.to_owned()));
        }
        let named = |name: &str, in_tempo: &str| {
            let name_here = if config.flavor == Flavor::Tempo { in_tempo } else { name };
            (!is_excluded(name)).then(|| name_here.to_owned())
        };
        let max_exemplars = if config.exemplars.enabled { config.exemplars.max_per_data_point } else { 0 };
        SeriesSpec {
            intrinsics: Intrinsics {
                service: named("service.name", "service"),
                span_name: named("span.name", "span_name"),
                kind: named("span.kind", "span_kind"),
                status: named("status.code", "status_code"),
            },
            dimensions: self.dimensions(more),
            resource: self.resource(),
            scopes: config
                .include_instrumentation_scope
                .iter()
                .filter(|name| !name.is_empty())
                .cloned()
                .collect(),
            sampling_method: config.enable_metrics_sampling_method,
            constants,
            layout,
            unit: self.unit(),
            limit: config.max_series as usize,
            resource_limit: config.aggregation_cardinality_limit as usize,
            max_exemplars: max_exemplars.clamp(0, 100) as usize,
            overflow_keeps: &[],
        }
    }

    /// Returns the common dimensions and these; of the same name the last counts, as in the collector.
    fn dimensions(&self, more: &[DimensionConfig]) -> Vec<Dimension> {
        let mut dimensions: Vec<Dimension> = Vec::new();
        for dimension in self.config.dimensions.iter().chain(more) {
            dimensions.retain(|known| known.key != dimension.name);
            dimensions.push(Dimension {
                key: dimension.name.clone(),
                name: self.dimension_name(&dimension.name),
                default: dimension.default.clone(),
            });
        }
        dimensions
    }

    /// Tempo's labels are Prometheus names, and a dimension that meets an intrinsic label gives way.
    fn dimension_name(&self, name: &str) -> String {
        const TEMPO_LABELS: [&str; 4] = ["service", "span_name", "span_kind", "status_code"];
        if self.config.flavor != Flavor::Tempo {
            return name.to_owned();
        }
        let label: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if TEMPO_LABELS.contains(&label.as_str()) { format!("__{label}") } else { label }
    }

    fn resource(&self) -> ResourceRule {
        match (self.config.add_resource_attributes, &self.config.resource_metrics_key_attributes) {
            (Some(false), _) => ResourceRule::Only(Vec::new()),
            (_, keys) if keys.is_empty() => ResourceRule::All,
            (_, keys) => ResourceRule::Only(keys.clone()),
        }
    }

    fn unit(&self) -> Unit {
        let of_flavor = if self.config.flavor == Flavor::Tempo { Unit::Seconds } else { Unit::Milliseconds };
        self.config.histogram.unit.unwrap_or(of_flavor)
    }

    fn layout(&self) -> Layout {
        let histogram = &self.config.histogram;
        if histogram.disable {
            return Layout::None;
        }
        if let Some(exponential) = histogram.exponential.get() {
            // The collector takes 0 as its default.
            let max_size = if exponential.max_size == 0 { 160 } else { exponential.max_size };
            return Layout::Exponential { max_size };
        }
        let chosen = histogram.explicit.get().and_then(|explicit| explicit.buckets.as_ref());
        Layout::Explicit(match (chosen, self.config.flavor) {
            (Some(buckets), _) => Bounds::new(buckets.iter().map(|bound| bound.get())),
            (None, Flavor::Tempo) => Bounds::new((0..TEMPO_BOUNDS).map(|n| Duration::from_millis(2 << n))),
            (None, _) => Bounds::new(DEFAULT_BOUNDS_MS.map(Duration::from_millis)),
        })
    }

    fn metric(
        &self,
        name: &str,
        in_tempo: &str,
        unit: &'static str,
        family: usize,
        column: Column,
    ) -> OutputMetric {
        let (of_flavor, joint, name) = match self.config.flavor {
            Flavor::Otelcol => ("traces.span.metrics", ".", name),
            Flavor::Tempo => ("traces_spanmetrics", "_", in_tempo),
            Flavor::Jaeger => ("", ".", name),
        };
        let namespace = self.config.namespace.as_deref().unwrap_or(of_flavor);
        let name = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}{joint}{name}") };
        let description = match (in_tempo, column) {
            ("events_total", _) => "Events of spans",
            (_, Column::Calls) => "Spans",
            (_, Column::Duration) => "Durations of spans",
            (_, Column::SizeBytes) => "Size of spans, in bytes as they came",
        };
        OutputMetric { name, unit, description, family, column }
    }
}
