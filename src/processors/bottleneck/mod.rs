//! `bottleneck`: where the time of requests goes, what holds them up, and who calls whom.
//!
//! *Question*: which step, wait or resource would have to change for requests to be faster?
//! *Inputs*: traces, which pass through, and closed windows. *Outputs*: bottlenecks as log records and metrics;
//! for later stages the calls between services of each window.
//!
//! # Method
//! 1. [`ingest`] keeps the spans of as many traces as there is room for, whole traces or nothing, as
//!    [`sampling`] says.
//! 2. [`assembly`] waits for the rest of each trace; [`trace`] makes a tree of it, whatever is missing;
//!    [`critical_path`] tells what its duration is made of.
//! 3. [`calls`] counts who called whom for the windows of `aggregation`.
//!
//! *Cost*: a hash and a compare for a span that is not kept. `README.md` has measured ones.

mod assembly;
mod calls;
mod config;
mod critical_path;
mod ingest;
mod partial;
mod processor;
mod sampling;
mod span;
#[cfg(test)]
mod tests;
mod trace;

pub use config::BottleneckConfig;
pub use processor::Bottleneck;
