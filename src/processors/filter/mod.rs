//! `filter`: drops spans, events of spans, metrics, data points and log records for which a condition holds.
//!
//! *Question*: what is not worth passing on? *Inputs and outputs*: traces, metrics, logs, as far as there are conditions
//! for them. *Method*: conditions of OTTL on the request's bytes. *Cost*: for each span what its conditions look at, by
//! the table where that has it; one copy of a request that loses something, nothing for another.

mod config;
mod processor;
#[cfg(test)]
mod tests;

pub use config::FilterConfig;
pub use processor::Filter;
