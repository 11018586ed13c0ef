//! Sends OTLP over HTTP, as protobuf or JSON.
//!
//! # Layout
//! * [`config`](OtlpHttpConfig): the collector's keys.
//! * [`exporter`](OtlpHttp): one attempt to deliver, and what the answer means.

mod config;
mod exporter;
#[cfg(test)]
mod tests;

pub(crate) use config::OtlpHttpConfig;
pub(crate) use exporter::OtlpHttp;
#[cfg(feature = "testing")]
pub(crate) use exporter::judge;
