//! `sla`: whether promises are kept, and how fast their error budgets burn.
//!
//! *Question*: is each objective met, how much of its budget is left, and must somebody be woken?
//! *Inputs*: spans, which pass through; windows of series where an objective needs them. *Outputs*: metrics in
//! the names of several tools, log records of what happens, and at every evaluation the conditions that deserve
//! an alarm. *Method*: good and total events are counted exactly by event time, in rings of growing slots; every
//! ratio is a sum of events over a sum of events, never a mean of ratios. *Source*: Site Reliability Workbook,
//! chapters 2 and 5. *Cost*: per span a look-up of its resource and the conditions of its service's objectives;
//! per objective at most 32 KB (64 KB with over a million events per second), and a sum over 2,900 slots an
//! evaluation.

mod answer;
mod calendar;
mod config;
mod expression;
mod ingest;
mod judged;
mod output;
mod page;
mod partial;
mod plan;
mod processor;
mod report;
mod ring;
mod series;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod workflows;

pub use config::SlaConfig;
pub use processor::Sla;
