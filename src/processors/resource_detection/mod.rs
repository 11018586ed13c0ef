//! `resource_detection` (alias `resourcedetection`): says where telemetry was collected.
//!
//! *Question*: on which host, in which container, on which node? *Inputs and outputs*: traces, metrics, logs. *Method*: what
//! the environment tells is read once, with the configuration, and spliced into every resource as `resource` does. *Cost*:
//! one copy of a request that changes. *Source*: the collector's processor of that name, 0.155.

mod config;
mod detect;
mod docker;
mod processor;
mod system;
#[cfg(test)]
mod tests;

pub use config::ResourceDetectionConfig;
pub use processor::ResourceDetection;
