//! Sends own telemetry over OTLP, by gRPC or HTTP.

use std::{collections::HashMap, time::Duration};

use anyhow::Context;
use config::{
    OtlpTarget, OtlpTransport, Periodic, Problems, PushExporter, PushedSignal, Telemetry,
    TemporalityPreference,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_otlp::{
    Compression, LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
    WithTonicConfig, tonic_types::metadata::MetadataMap,
};
use opentelemetry_sdk::metrics::{PeriodicReader, Temporality};
use tokio::runtime::Handle;

use super::{http::OwnClient, tls::Trust};

/// Reports what keeps own telemetry from being sent and only files can tell. `validate` and the start
/// both call this.
pub(crate) fn check(settings: &Telemetry, problems: &mut Problems) {
    let Some(written) = &settings.written else { return };
    for (path, signal, exporter) in settings.push_exporters() {
        // What is wrong with the keys themselves has been told with the rest of the configuration.
        let Ok(target) = exporter.target(signal) else { continue };
        if let Err(problem) = Trust::read(&target) {
            let path = format!("{path}.{}", problem.key);
            problems.at(written, Telemetry::PATH, path.as_str(), problem.message);
        }
    }
}

/// Makes exporters whose requests run on one thread.
pub(super) struct Senders<'a> {
    handle: &'a Handle,
}

impl<'a> Senders<'a> {
    pub(super) const fn on(handle: &'a Handle) -> Self {
        Self { handle }
    }

    pub(super) fn metrics(&self, periodic: &Periodic) -> anyhow::Result<PeriodicReader<MetricExporter>> {
        let sender = Sender::new(&periodic.exporter, PushedSignal::Metrics, Some(periodic.timeout))?;
        let temporality = match sender.target.temporality {
            TemporalityPreference::Cumulative => Temporality::Cumulative,
            TemporalityPreference::Delta => Temporality::Delta,
            TemporalityPreference::LowMemory => Temporality::LowMemory,
        };
        let builder = MetricExporter::builder().with_temporality(temporality);
        let exporter = match sender.target.transport {
            OtlpTransport::Grpc => sender.over_grpc(builder.with_tonic(), self.handle, |set| set.build()),
            OtlpTransport::Http => sender.over_http(builder.with_http(), self.handle).build(),
        };
        let interval = Duration::from_millis(periodic.interval);
        Ok(PeriodicReader::builder(exporter?).with_interval(interval).build())
    }

    /// `most` bounds the time of an attempt beside the exporter's own timeout, in milliseconds.
    pub(super) fn spans(&self, exporter: &PushExporter, most: Option<u64>) -> anyhow::Result<SpanExporter> {
        let sender = Sender::new(exporter, PushedSignal::Traces, most)?;
        let builder = SpanExporter::builder();
        Ok(match sender.target.transport {
            OtlpTransport::Grpc => sender.over_grpc(builder.with_tonic(), self.handle, |set| set.build()),
            OtlpTransport::Http => sender.over_http(builder.with_http(), self.handle).build(),
        }?)
    }

    pub(super) fn logs(&self, exporter: &PushExporter, most: Option<u64>) -> anyhow::Result<LogExporter> {
        let sender = Sender::new(exporter, PushedSignal::Logs, most)?;
        let builder = LogExporter::builder();
        Ok(match sender.target.transport {
            OtlpTransport::Grpc => sender.over_grpc(builder.with_tonic(), self.handle, |set| set.build()),
            OtlpTransport::Http => sender.over_http(builder.with_http(), self.handle).build(),
        }?)
    }
}

/// One destination of one signal, with its files read.
struct Sender {
    target: OtlpTarget,
    trust: Trust,
    headers: HeaderMap,
    timeout: Duration,
}

impl Sender {
    fn new(exporter: &PushExporter, signal: PushedSignal, most: Option<u64>) -> anyhow::Result<Self> {
        let place = || format!("service::telemetry: own {signal} can not be sent");
        let target = exporter.target(signal).map_err(|problem| anyhow::anyhow!(problem.message));
        let target = target.with_context(place)?;
        let trust = Trust::read(&target).with_context(place)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &target.headers {
            let name = HeaderName::try_from(name).with_context(place)?;
            headers.insert(name, HeaderValue::try_from(value.expose()).with_context(place)?);
        }
        let most = most.filter(|most| *most > 0).unwrap_or(u64::MAX);
        let timeout = Duration::from_millis(target.timeout.min(most));
        Ok(Self { target, trust, headers, timeout })
    }

    fn over_http<B: WithExportConfig + WithHttpConfig>(self, builder: B, handle: &Handle) -> B {
        let headers: HashMap<_, _> = self
            .target
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().to_owned()))
            .collect();
        let client = OwnClient::new(self.trust.http, handle.clone(), self.timeout);
        let builder = builder
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(self.target.url)
            .with_timeout(self.timeout)
            .with_headers(headers)
            .with_http_client(client);
        if self.target.is_compressed { builder.with_compression(Compression::Gzip) } else { builder }
    }

    /// Builds within the runtime, where the channel puts what drives its connection.
    fn over_grpc<B: WithExportConfig + WithTonicConfig, T>(
        self,
        builder: B,
        handle: &Handle,
        build: impl FnOnce(B) -> T,
    ) -> T {
        let mut builder = builder
            .with_protocol(Protocol::Grpc)
            .with_endpoint(self.target.url)
            .with_timeout(self.timeout)
            .with_metadata(MetadataMap::from_headers(self.headers));
        if self.target.is_secure {
            builder = builder.with_tls_config(self.trust.grpc);
        }
        if self.target.is_compressed {
            builder = builder.with_compression(Compression::Gzip);
        }
        let _runtime = handle.enter();
        build(builder)
    }
}
