//! Shows what passes by: for people who look for where their telemetry goes.
//!
//! # Layout
//! * [`config`](DebugConfig): the collector's keys.
//! * [`sampler`]: which requests are shown.
//! * [`summary`]: how much a request holds.
//! * [`text`]: values, times and ids as text that no sender can use against a terminal.
//! * [`normal`]: a line for each item. [`detailed`]: all of each item.
//! * [`exporter`](Debug): puts these together.

mod config;
mod detailed;
mod exporter;
mod normal;
mod sampler;
mod summary;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use config::DebugConfig;
pub(crate) use exporter::Debug;
