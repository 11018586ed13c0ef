//! From settings to series.

use std::time::Duration;

use wire::{
    build::encode_value,
    view::{AnyValue, Temporality},
};

use super::{
    ServiceGraphConfig,
    config::GraphFlavor,
    edges::{Connection, Edge},
};
use crate::aggregation::{
    attributes::AttributeList,
    buckets::{Bounds, Layout, Unit},
    cumulative::Expiry,
    emit::{Column, Output, OutputMetric},
    halves::{Counted, Family, Plan},
    partial::Row,
    spec::{Intrinsics, ResourceRule, SeriesSpec},
};

/// Requests and their durations as servers saw them.
const SERVER: usize = 0;
/// Durations as clients saw them.
const CLIENT: usize = 1;
const FAILED: usize = 2;

/// The collector's default bounds.
const DEFAULT_BOUNDS_MS: [u64; 16] =
    [2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000];

pub(super) fn plan(config: &ServiceGraphConfig) -> Plan {
    let spec = |layout: Layout| SeriesSpec {
        intrinsics: Intrinsics { service: None, span_name: None, kind: None, status: None },
        dimensions: Vec::new(),
        resource: ResourceRule::Only(Vec::new()),
        scopes: Vec::new(),
        sampling_method: false,
        constants: Vec::new(),
        layout,
        unit: Unit::Seconds,
        // Three families share the table.
        limit: 3 * config.max_edges as usize,
        resource_limit: 0,
        max_exemplars: 0,
        // What service, kind and status are of an edge.
        overflow_keeps: &["client", "connection_type", "failed"],
    };
    let family = |layout| Family { spec: spec(layout), counted: Counted::Spans };
    let metric = |name: &str, unit, family, column, description| OutputMetric {
        name: format!("traces_service_graph_{name}"),
        unit,
        description,
        family,
        column,
    };
    Plan {
        telemetry_name: "servicegraph",
        families: vec![family(layout(config)), family(layout(config)), family(Layout::None)],
        output: Output {
            scope: "traces_service_graph",
            metrics: vec![
                metric("request_total", "", SERVER, Column::Calls, "Requests between two services"),
                metric("request_failed_total", "", FAILED, Column::Calls, "Requests that failed"),
                metric("request_server", "s", SERVER, Column::Duration, "Durations at the server"),
                metric("request_client", "s", CLIENT, Column::Duration, "Durations at the client"),
            ],
            temporality: Temporality::Cumulative,
        },
        flush_interval: config.metrics_flush_interval.get(),
        expiry: Expiry { series: config.series_expiration.get(), resource: Duration::ZERO },
        timestamp_offset: config.metrics_timestamp_offset.get(),
    }
}

fn layout(config: &ServiceGraphConfig) -> Layout {
    if config.exponential_histogram_max_size > 0 {
        return Layout::Exponential { max_size: config.exponential_histogram_max_size };
    }
    let chosen = &config.latency_histogram_buckets;
    Layout::Explicit(match config.flavor {
        _ if !chosen.is_empty() => Bounds::new(chosen.iter().map(|bound| bound.get())),
        GraphFlavor::Otelcol => Bounds::new(DEFAULT_BOUNDS_MS.map(Duration::from_millis)),
        // Eight bounds from 100 ms, each twice the last.
        GraphFlavor::Tempo => Bounds::new((0..8).map(|n| Duration::from_millis(100 << n))),
    })
}

/// Returns the rows that an edge adds.
pub(super) fn rows(edge: &Edge<'_>, config: &ServiceGraphConfig, layout: &Layout) -> Vec<Row> {
    let attributes = attributes(edge, config);
    let row = |family: usize, nanos: Option<u64>| {
        let bucket = nanos.and_then(|nanos| layout.bucket(nanos, Unit::Seconds));
        let mut row = Row {
            family: family as u32,
            attributes: attributes.to_vec(),
            calls: edge.weight,
            min_nanos: nanos.unwrap_or_default(),
            max_nanos: nanos.unwrap_or_default(),
            buckets: bucket.into_iter().collect(),
            counts: bucket.map(|_| edge.weight).into_iter().collect(),
            ..Row::default()
        };
        row.set_sum_nanos(u128::from(nanos.unwrap_or_default()) * u128::from(edge.weight));
        row
    };
    let mut rows = vec![row(SERVER, Some(edge.server_nanos)), row(CLIENT, Some(edge.client_nanos))];
    if edge.failed {
        rows.push(row(FAILED, None));
    }
    rows
}

fn attributes(edge: &Edge<'_>, config: &ServiceGraphConfig) -> Box<[u8]> {
    let mut list = AttributeList::default();
    list.push_str("client", edge.client);
    list.push_str("server", edge.server);
    list.push_str("connection_type", edge.connection.name());
    if config.flavor == GraphFlavor::Otelcol {
        list.push_value("failed", &encode_value(AnyValue::Bool(edge.failed)));
    }
    for (side, values) in [("client", edge.client_dimensions), ("server", edge.server_dimensions)] {
        for (name, value) in config.dimensions.iter().zip(values) {
            if let Some(value) = value {
                list.push_str(&format!("{side}_{name}"), value);
            }
        }
    }
    if config.virtual_node_extra_label {
        match edge.connection {
            Connection::VirtualClient => list.push_str("virtual_node", "client"),
            Connection::VirtualServer => list.push_str("virtual_node", "server"),
            Connection::Request | Connection::Messaging | Connection::Database => {}
        }
    }
    list.into_bytes()
}
