//! What Prometheus calls metrics, labels and units of OpenTelemetry.
//!
//! Exporters write these names; stages read queries that are written in them. Strings in, strings out.
//!
//! *Source*: OpenTelemetry's "Prometheus and OpenMetrics Compatibility"; metrics are named as Prometheus' own OTLP
//! receiver names them.

mod label_name;
mod metric_name;
mod naming;
mod unit;

pub use label_name::label_name;
pub use metric_name::{NameKind, metric_name, target_info_name};
pub use naming::Naming;
pub use unit::unit_name;
