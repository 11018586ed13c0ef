//! Bytes out.
//!
//! # Layout
//! One folder per destination, and what some of them share:
//! * [`otlp_grpc`]: OTLP over gRPC.
//! * [`otlp_http`]: OTLP over HTTP, as protobuf or JSON.
//! * [`otlp_file`]: OTLP in files, as JSON lines or protobuf.
//! * [`debug`]: shows what passes by.
//! * [`nop`]: takes everything and sends it nowhere.
//! * [`alert_webhook`]: brings alerts to people and to the tools that wake them.
//! * `prometheus`: is scraped by Prometheus.
//! * `prometheus_remote_write`: pushes to Prometheus and what speaks its protocol.
//! * `prometheus_names`: metrics as Prometheus knows them.
//! * [`http`]: TLS, compression, a connection pool, the rules of retrying.

mod alert_webhook;
mod debug;
#[cfg(feature = "testing")]
pub mod fuzzing;
mod http;
mod nop;
mod otlp_file;
mod otlp_grpc;
mod otlp_http;
mod prometheus;
mod prometheus_names;
mod prometheus_remote_write;
#[cfg(test)]
mod tests;

pub use alert_webhook::deliveries;

/// Returns every exporter of this crate.
pub fn table() -> Vec<component::ExporterEntry> {
    vec![
        component::ExporterEntry::of::<otlp_grpc::OtlpGrpc>(),
        component::ExporterEntry::of::<otlp_http::OtlpHttp>(),
        component::ExporterEntry::of::<otlp_file::OtlpFile>(),
        component::ExporterEntry::of::<debug::Debug>(),
        component::ExporterEntry::of::<nop::Nop>(),
        component::ExporterEntry::of::<prometheus::Prometheus>(),
        component::ExporterEntry::of::<alert_webhook::AlertWebhook>(),
        component::ExporterEntry::of::<prometheus_remote_write::PrometheusRemoteWrite>(),
    ]
}
