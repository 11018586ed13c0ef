//! `routing`: each part of what comes goes into the pipelines of the first route whose condition holds for it.
//!
//! *Question*: who gets which telemetry? *Inputs and outputs*: traces, metrics, logs. *Method*: conditions of OTTL on the
//! request's bytes, by the span table where that has what they ask. *Cost*: what conditions look at; a request that
//! belongs to one route whole is not copied, another once for each part of it. *Source*: the collector's connector of that
//! name, 0.155.

mod config;
mod processor;
#[cfg(test)]
mod tests;

pub use config::RoutingConfig;
pub use processor::Routing;
