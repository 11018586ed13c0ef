//! What the collector tells of itself: logs, metrics for Prometheus, and, where asked for, the same and
//! spans over OTLP.
//!
//! # Layout
//! * `logs`: lines, records and spans through the SDK's processors.
//! * `metrics`: our counters as the SDK's instruments; `scrape`: their page for Prometheus.
//! * `changes`: what a reload changes of all this.
//! * `process`: what the kernel says of this process.
//! * `otlp`: senders over gRPC and HTTP; `http` and `tls`: what they connect with; `background`: where
//!   they run.

mod background;
mod changes;
mod http;
mod logs;
mod metrics;
mod otlp;
mod process;
mod scrape;
mod tls;

pub(crate) use changes::InForce;
pub(crate) use otlp::check;

use anyhow::Context;
use component::Telemetry;
use config::{MetricsLevel, PullExporter, Reader};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};

use self::{background::Background, otlp::Senders};

/// Everything that tells; dropped last, so that the end is told too.
pub(crate) struct Tellers {
    logs: logs::Logs,
    meters: Option<Meters>,
    /// Where requests are sent from; none while nothing is sent.
    background: Option<Background>,
}

/// Self-metrics and those who take them.
struct Meters {
    provider: SdkMeterProvider,
    bridge: metrics::Bridge,
    scrapes: Vec<scrape::Server>,
}

/// Starts logging and the servers and senders of self-metrics. Returns the settings in force, for a reload.
///
/// # Errors
/// When an address is taken or a destination can not be understood.
pub(crate) fn start(settings: &config::Telemetry, own: &Telemetry) -> anyhow::Result<(Tellers, InForce)> {
    let resource = resource(settings);
    let background = match settings.push_exporters().as_slice() {
        [] => None,
        _ => Some(Background::start().context("service::telemetry: the sender can not be started")?),
    };
    let senders = background.as_ref().map(|background| Senders::on(background.handle()));
    let (logs, levels) = logs::start(&settings.logs, &settings.traces, &resource, senders.as_ref())?;
    let meters = match settings.metrics.level {
        MetricsLevel::None => None,
        _ => Some(Meters::start(settings.metrics.readers_in_force(), own, resource, senders.as_ref())?),
    };
    let in_force = InForce { settings: settings.clone(), levels };
    Ok((Tellers { logs, meters, background }, in_force))
}

impl Meters {
    fn start(
        readers: &[Reader],
        own: &Telemetry,
        resource: Resource,
        senders: Option<&Senders<'_>>,
    ) -> anyhow::Result<Self> {
        let mut provider = SdkMeterProvider::builder().with_resource(resource);
        let (mut scraped, mut sends) = (Vec::new(), false);
        for reader in readers {
            match (reader, senders) {
                (Reader::Pull(pull), _) => {
                    let PullExporter::Prometheus(prometheus) = &pull.exporter;
                    let registry = prometheus::Registry::new();
                    provider = provider.with_reader(scrape::exporter(prometheus, &registry)?);
                    scraped.push((prometheus, registry));
                }
                (Reader::Periodic(periodic), Some(senders)) => {
                    provider = provider.with_reader(senders.metrics(periodic)?);
                    sends = true;
                }
                (Reader::Periodic(_), None) => {}
            }
        }
        let provider = provider.build();
        let meter = provider.meter("trueline");
        process::observe(&meter);
        let bridge = metrics::Bridge::new(own.clone(), meter);
        let mut scrapes = Vec::new();
        for (prometheus, registry) in scraped {
            let address = format!("{}:{}", prometheus.host, prometheus.port);
            let server = scrape::Server::start(&address, registry, bridge.clone());
            scrapes.push(
                server
                    .with_context(|| format!("service::telemetry::metrics: can not listen on {address}"))?,
            );
        }
        if sends {
            bridge.keep_fresh();
        }
        Ok(Self { provider, bridge, scrapes })
    }

    /// Sends the last values, as they are now, and ends.
    fn stop(self) {
        for server in self.scrapes {
            server.stop();
        }
        self.bridge.refresh();
        if let Err(problem) = self.provider.shutdown() {
            tracing::warn!(error = %problem, "self-metrics could not be sent completely");
        }
    }
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
        if let Some(meters) = self.meters {
            meters.stop();
        }
        self.logs.stop();
        if let Some(background) = self.background {
            background.stop();
        }
    }
}
