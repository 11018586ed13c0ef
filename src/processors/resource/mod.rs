//! `resource`: adds, changes and removes attributes of resources.
//!
//! *Question*: where does telemetry come from, in words that its sender did not know?
//! *Inputs and outputs*: traces, metrics, logs. *Cost*: one copy of a request that changes.

mod config;
mod processor;
#[cfg(test)]
mod tests;

pub use config::ResourceConfig;
pub(crate) use processor::Editor;
pub use processor::Resource;
