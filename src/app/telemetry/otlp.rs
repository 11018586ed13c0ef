//! Sends self-telemetry over OTLP/HTTP, on threads of the SDK.
//!
//! The blocking client is deliberate: the SDK's threads have no runtime for an asynchronous one.

use std::{collections::HashMap, time::Duration};

use anyhow::bail;
use config::{OtlpTelemetry, Periodic, PushExporter};
use opentelemetry_otlp::{
    LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::metrics::PeriodicReader;

pub(super) fn metric_reader(periodic: &Periodic) -> anyhow::Result<PeriodicReader<MetricExporter>> {
    let target = Target::new(&periodic.exporter, "metrics")?;
    let exporter = target.set(MetricExporter::builder().with_http()).build()?;
    let interval = Duration::from_millis(periodic.interval);
    Ok(PeriodicReader::builder(exporter).with_interval(interval).build())
}

pub(super) fn span_exporter(exporter: &PushExporter) -> anyhow::Result<SpanExporter> {
    Ok(Target::new(exporter, "traces")?.set(SpanExporter::builder().with_http()).build()?)
}

pub(super) fn log_exporter(exporter: &PushExporter) -> anyhow::Result<LogExporter> {
    Ok(Target::new(exporter, "logs")?.set(LogExporter::builder().with_http()).build()?)
}

/// Where and how to send one signal.
struct Target {
    endpoint: String,
    headers: HashMap<String, String>,
    timeout: Duration,
}

impl Target {
    fn new(exporter: &PushExporter, signal: &str) -> anyhow::Result<Self> {
        let settings = match exporter {
            PushExporter::Otlp(settings) | PushExporter::OtlpHttp(settings) => settings,
            PushExporter::OtlpGrpc(_) => {
                bail!(
                    "service::telemetry: otlp_grpc is not supported for the collector's own {signal}, use otlp_http"
                )
            }
            PushExporter::Console(_) => {
                bail!(
                    "service::telemetry: console is not supported for the collector's own {signal}, use otlp_http"
                )
            }
        };
        match settings.protocol.as_deref() {
            None | Some("http/protobuf") => {}
            Some(other) => bail!(
                "service::telemetry: protocol {other:?} is not supported for the collector's own {signal}, use \"http/protobuf\""
            ),
        }
        Ok(Self {
            endpoint: endpoint(settings, signal),
            headers: settings
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), value.expose().to_owned()))
                .collect(),
            timeout: Duration::from_millis(settings.timeout.unwrap_or(10_000)),
        })
    }

    fn set<B: WithExportConfig + WithHttpConfig>(self, builder: B) -> B {
        builder
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(self.endpoint)
            .with_timeout(self.timeout)
            .with_headers(self.headers)
    }
}

/// An endpoint with a path is meant as it is; one without gets the signal's own.
fn endpoint(settings: &OtlpTelemetry, signal: &str) -> String {
    let base = settings.endpoint.as_deref().unwrap_or("http://localhost:4318");
    let base = if base.contains("://") { base.to_owned() } else { format!("http://{base}") };
    let has_path = base.split("://").nth(1).is_some_and(|rest| rest.trim_end_matches('/').contains('/'));
    if has_path { base } else { format!("{}/v1/{signal}", base.trim_end_matches('/')) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_a_path_gets_the_signals_own() {
        let of = |endpoint: Option<&str>| {
            let settings = OtlpTelemetry { endpoint: endpoint.map(str::to_owned), ..Default::default() };
            super::endpoint(&settings, "logs")
        };
        assert_eq!(of(None), "http://localhost:4318/v1/logs");
        assert_eq!(of(Some("https://otel.example:443/")), "https://otel.example:443/v1/logs");
        assert_eq!(of(Some("collector:4318")), "http://collector:4318/v1/logs");
        assert_eq!(of(Some("http://gateway/own/path")), "http://gateway/own/path");
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let grpc = OtlpTelemetry { protocol: Some("grpc".to_owned()), ..Default::default() };
        let refused = Target::new(&PushExporter::Otlp(Box::new(grpc)), "traces")
            .err()
            .map(|problem| problem.to_string());
        assert!(refused.is_some_and(|message| message.contains("\"grpc\" is not supported")));
    }
}
