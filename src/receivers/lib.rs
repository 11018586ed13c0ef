//! Where telemetry comes in: one folder per receiver.

pub mod otlp;

/// Every receiver of this layer.
pub fn table() -> Vec<component::ReceiverEntry> {
    vec![component::ReceiverEntry::of::<otlp::Otlp>()]
}
