//! The binary, started with an OTLP receiver and what a test adds to it.

use std::path::Path;

use anyhow::{Context, Result};
use prost::Message;
use testbed::{Trueline, Watch, clients::Protocol, free_port, post};

/// A running trueline that takes OTLP over gRPC and HTTP as the receiver `otlp`.
pub(super) struct Gateway {
    pub(super) trueline: Trueline,
    pub(super) grpc: String,
    pub(super) http: String,
}

/// What a test adds to the configuration, as YAML at the left margin.
#[derive(Default)]
pub(super) struct Recipe<'a> {
    /// Further receivers, one entry a line, indented by two spaces.
    pub(super) receivers: &'a str,
    /// Whole sections: `processors:`, `connectors:`, `exporters:`.
    pub(super) components: &'a str,
    /// Entries of `service.pipelines`, in braces.
    pub(super) pipelines: &'a str,
    /// The directory of `file_storage`; without it nothing outlives the process.
    pub(super) state: Option<&'a Path>,
}

impl Gateway {
    pub(super) fn start(recipe: &Recipe<'_>) -> Result<Self> {
        let address = || format!("127.0.0.1:{}", free_port());
        let (grpc, http, health, metrics_port) = (address(), address(), address(), free_port());
        let storage = recipe.state.map(|path| format!(", file_storage: {{directory: '{}'}}", path.display()));
        let config = format!(
            "receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '{grpc}'}}, http: {{endpoint: '{http}'}}}}}}
{receivers}
extensions: {{health_check: {{endpoint: '{health}'}}{storage}}}
{components}
service:
  extensions: [health_check{storage_name}]
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics_port}}}}}}}}}]}}
  pipelines:
    {pipelines}
",
            receivers = recipe.receivers,
            components = recipe.components,
            pipelines = recipe.pipelines.trim().replace('\n', "\n    "),
            storage_name = if storage.is_some() { ", file_storage" } else { "" },
            storage = storage.unwrap_or_default(),
        );
        let metrics = Some(format!("127.0.0.1:{metrics_port}").parse()?);
        let watch = Watch { health: health.parse()?, metrics };
        let trueline = Trueline::start(&config, watch).with_context(|| format!("with\n{config}"))?;
        Ok(Self { trueline, grpc, http })
    }

    /// Returns where a client that speaks `protocol` sends to.
    pub(super) fn address(&self, protocol: Protocol) -> &str {
        match protocol {
            Protocol::Grpc => &self.grpc,
            Protocol::HttpProtobuf | Protocol::HttpJson => &self.http,
        }
    }

    /// Sends a request of hand-built spans and waits until it is acknowledged.
    pub(super) fn send(&self, request: &impl Message) -> Result<()> {
        send(&self.http, request)
    }

    /// Reads one of its own counters, summed over the series with these labels.
    pub(super) fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        let sum = self.trueline.metrics()?.sum(name, labels);
        sum.with_context(|| format!("there is no {name} with {labels:?}"))
    }
}

/// Sends a request of spans as OTLP/HTTP to `HOST:PORT` and waits until it is acknowledged.
pub(super) fn send(address: &str, request: &impl Message) -> Result<()> {
    let url = format!("http://{address}/v1/traces");
    post(&url, "application/x-protobuf", &[], &request.encode_to_vec())?.success().map(drop)
}
