//! Where telemetry comes in: one folder per receiver.
//!
//! * `host_metrics`: what the machine does, at an interval.
//! * `otlp`: OTLP over gRPC and HTTP.
//! * `otlp_file`: files of OTLP, as JSON lines or protobuf.
//! * `prometheus`: what targets show over HTTP, at an interval.
//!
//! `push` hands over what `host_metrics` and `prometheus` collect.

mod host_metrics;
mod otlp;
mod otlp_file;
mod prometheus;
mod push;
#[cfg(test)]
mod testing;

#[cfg(feature = "testing")]
pub use otlp::fuzzing;
#[cfg(feature = "testing")]
pub use prometheus::fuzzing::exposition;

/// Files of recorded telemetry, for whoever reads them without running a receiver.
pub mod recorded {
    pub use crate::otlp_file::{Damage, Request, Track};
}

/// Returns every receiver of this crate.
pub fn table() -> Vec<component::ReceiverEntry> {
    use component::ReceiverEntry;
    vec![
        ReceiverEntry::of::<host_metrics::HostMetrics>(),
        ReceiverEntry::of::<otlp::Otlp>(),
        ReceiverEntry::of::<otlp_file::OtlpFile>(),
        ReceiverEntry::of::<prometheus::Prometheus>(),
    ]
}
