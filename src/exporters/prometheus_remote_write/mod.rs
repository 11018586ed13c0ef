//! `prometheus_remote_write`: pushes metrics in Prometheus' own protocol, versions 1.0 and 2.0.
//!
//! Takes metrics; emits nothing. The path of a request: [`convert`] makes series of data points, `exporter`
//! deals them to shards by hash, [`spread`] makes each histogram the series that Prometheus keeps for it,
//! [`encode`] writes them as messages (`messages`, described in `proto/`), and [`answer`] reads what the
//! server says.
//!
//! *Cost*: labels are translated and hashed once per data point, and written once per series that it becomes.
//! *Source*: Prometheus remote write specifications 1.0 and 2.0; OpenTelemetry's "Prometheus and OpenMetrics
//! Compatibility".

mod answer;
mod config;
mod convert;
mod encode;
mod exporter;
mod messages;
mod native;
mod spread;
mod telemetry;
#[cfg(test)]
mod tests;

#[cfg(feature = "testing")]
pub(crate) use answer::judge_of;
pub(crate) use exporter::PrometheusRemoteWrite;
