//! What the collector tells of itself: logs, metrics for Prometheus, and, where asked for, the same
//! over OTLP.

mod logs;
mod metrics;
mod otlp;
mod scrape;

use anyhow::Context;
use component::Telemetry;
use config::{MetricsLevel, PullExporter, Reader};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};

/// Everything that tells; dropped last, so that the end is told too.
pub(crate) struct Tellers {
    logs: logs::Logs,
    meters: Option<SdkMeterProvider>,
    scrapes: Vec<scrape::Server>,
}

/// Starts logging and the servers and senders of self-metrics.
///
/// # Errors
/// When an address is taken or a destination can not be understood.
pub(crate) fn start(settings: &config::Telemetry, own: &Telemetry) -> anyhow::Result<Tellers> {
    let resource = resource(settings);
    let logs = logs::start(&settings.logs, &settings.traces, &resource)?;
    if settings.metrics.level == MetricsLevel::None {
        return Ok(Tellers { logs, meters: None, scrapes: Vec::new() });
    }
    let mut provider = SdkMeterProvider::builder().with_resource(resource.clone());
    let (mut scraped, mut sends) = (Vec::new(), false);
    for reader in &settings.metrics.readers {
        match reader {
            Reader::Pull(pull) => {
                let PullExporter::Prometheus(prometheus) = &pull.exporter;
                let registry = prometheus::Registry::new();
                provider = provider.with_reader(scrape::exporter(prometheus, &registry)?);
                scraped.push((prometheus, registry));
            }
            Reader::Periodic(periodic) => {
                provider = provider.with_reader(otlp::metric_reader(periodic)?);
                sends = true;
            }
        }
    }
    let provider = provider.build();
    let meter = provider.meter("trueline");
    metrics::observe_process(&meter);
    let bridge = metrics::Bridge::new(own.clone(), meter);
    let mut scrapes = Vec::new();
    for (prometheus, registry) in scraped {
        let address = format!("{}:{}", prometheus.host, prometheus.port);
        let server = scrape::Server::start(&address, registry, bridge.clone());
        scrapes.push(
            server.with_context(|| format!("service::telemetry::metrics: can not listen on {address}"))?,
        );
    }
    if sends {
        bridge.keep_fresh();
    }
    Ok(Tellers { logs, meters: Some(provider), scrapes })
}

fn resource(settings: &config::Telemetry) -> Resource {
    let mut attributes = vec![
        ("service.name".to_owned(), "trueline".to_owned()),
        ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ];
    for (name, value) in &settings.resource.attributes {
        attributes.retain(|(known, _)| known != name);
        // A null takes away an attribute that the collector has by itself.
        match value {
            Some(serde_json::Value::String(text)) => attributes.push((name.clone(), text.clone())),
            Some(other) => attributes.push((name.clone(), other.to_string())),
            None => {}
        }
    }
    let pairs = attributes.into_iter().map(|(name, value)| opentelemetry::KeyValue::new(name, value));
    Resource::builder_empty().with_attributes(pairs).build()
}

impl Tellers {
    /// Sends what is left and ends.
    pub(crate) fn stop(self) {
        for server in self.scrapes {
            server.stop();
        }
        if let Some(meters) = self.meters
            && let Err(problem) = meters.shutdown()
        {
            tracing::warn!(error = %problem, "self-metrics could not be sent completely");
        }
        self.logs.stop();
    }
}
