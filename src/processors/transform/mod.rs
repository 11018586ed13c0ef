//! `transform`: changes resources, scopes, spans, events of spans, metrics, data points and log records by statements.
//!
//! *Question*: what should telemetry say that its sender said otherwise? *Inputs and outputs*: traces, metrics, logs, as
//! far as there are statements for them. *Method*: statements of OTTL on the request's bytes. *Cost*: one walk for each
//! group of statements; one copy of a request for each group that changes it, and one check of what came out.

mod config;
mod processor;
#[cfg(test)]
mod tests;

pub use config::TransformConfig;
pub use processor::Transform;
