//! `redaction`: removes and masks what nobody shall see of attributes and bodies.
//!
//! *Question*: what of the telemetry may leave? *Inputs and outputs*: traces, metrics, logs. *Cost*: a walk over all
//! attributes of a request; one copy of a request that changes.

mod config;
mod processor;
mod redactor;
#[cfg(test)]
mod tests;

pub use config::RedactionConfig;
pub use processor::Redaction;
