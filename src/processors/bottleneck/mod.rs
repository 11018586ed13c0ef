//! `bottleneck`: where the time of requests goes, what holds them up, and who calls whom.
//!
//! *Question*: which step, wait or resource would have to change for requests to be faster?
//! *Inputs*: traces, which pass through, and closed windows. *Outputs*: bottlenecks as log records and metrics;
//! for later stages the calls between services of each window.
//!
//! # Method
//! 1. [`ingest`] keeps the spans of as many traces as there is room for, whole traces or nothing, as
//!    [`sampling`] says; of others those that failed, while they are few, of which [`witnesses`] says what they show.
//! 2. [`assembly`] waits for the rest of each trace; [`trace`] makes a tree of it, whatever is missing;
//!    [`critical_path`] tells what its duration is made of.
//! 3. [`calls`] counts who called whom for the windows of `aggregation`.
//! 4. [`observe`] and [`patterns`] tell what a trace shows of its operations, [`saturation`] and [`queues`] what a
//!    window of metrics shows of resources; [`minute`] adds that up.
//! 5. [`judge`] compares a minute with what is [`usual`]; [`episodes`] says what has opened and ended.
//!
//! *Source*: shares of critical paths as in CRISP, which [`critical_path`] names. The rules are
//! estimates of what a person would look for in a trace; `README.md` says when they are wrong.
//!
//! *Cost*: a hash and a compare for a span that is not kept; n log n for a trace of n spans, once it is complete.

mod aliases;
mod assembly;
mod calls;
mod config;
mod critical_path;
mod demand;
mod episodes;
mod errors;
mod ingest;
mod judge;
mod minute;
mod names;
mod observe;
mod output;
mod partial;
mod patterns;
mod processor;
mod queues;
mod sampling;
mod saturation;
mod snapshot;
mod span;
mod subject;
#[cfg(test)]
mod tests;
mod trace;
mod usual;
mod witnesses;

pub use config::BottleneckConfig;
pub use processor::Bottleneck;
