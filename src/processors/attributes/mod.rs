//! `attributes`: adds, changes and removes attributes of spans, data points and log records.
//!
//! *Question*: what should every item say that its sender did not say, or said too much of?
//! *Inputs and outputs*: traces, metrics, logs. *Cost*: one copy of a request that changes, nothing for one
//! that does not; attributes are spliced into the bytes, nothing is decoded. Where values are looked at, or some items
//! alone are meant, `ottl` does it.

mod config;
mod matching;
mod processor;
#[cfg(test)]
mod tests;

pub use config::AttributesConfig;
pub use processor::Attributes;
