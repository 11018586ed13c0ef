//! `baseline`: what is normal for each series, at this hour of this day of the week.
//!
//! *Question*: what did we expect here, and how far off is usual?
//! *Inputs*: closed windows of one width. *Outputs*: the columns of [`model::BaselineColumns`] on the same
//! windows, rows for series that fell silent, and gauges for the series that `emit` chooses.
//!
//! *Method*: on a scale where deviations are alike at every level (`working`) the expectation is
//! level + daily profile + offset of the day of the week + fast level (`state`, `rhythm`). All of them move
//! by errors that are clipped at 4 scales, after the prediction was told (`learn`). The scale is the mean
//! absolute error, half of it by the hour of the day. A level that stays away for more than six hours
//! becomes the level (`shift`). A window's table may come in several parts: what needs the whole window,
//! which is absence, what series of one service learn from one another, and deployments, is settled when a
//! later window begins (`window`). Earlier states are kept, for a range that is excluded afterwards; stages behind
//! keep and take back theirs at the same moments (`crate::recall`).
//!
//! *Source*: measured on 105 held-out series of web services, a minute apart, 25 days: the fast level of
//! about ten minutes is essential (F1 .73 without, .81 with a gain between .03 and .3); 24 to 288 bins of
//! the day are alike. P. J. Huber 1964 for the clipping, E. S. Page 1954 for the drift.
//!
//! *Cost*: 328 bytes of state per series, 350 with all around it, and 334 for each checkpoint; 260 ns per row.
//! A snapshot is a copy of fixed records (`record`): 0.15 s for 100,000 series, as long for the way back.
//! Measured 2026-11-21 on one of two shared cores.

mod calendar;
mod config;
mod exclusion;
mod learn;
mod meters;
mod output;
mod prior;
mod processor;
mod record;
mod rhythm;
mod row;
mod shift;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod window;
mod working;

pub use config::BaselineConfig;
pub use processor::Baseline;
