//! Fills in what stages did not see themselves, from a Prometheus, while the service runs.
//!
//! Stages do no I/O: under the topic `backfill` they name objectives, queries and times, and take counts. `run` is the
//! thread that asks both sides; `counts` makes whole events of the answers. Nothing waits for it, and whatever goes
//! wrong is told and counted, and tried again where that can help.

mod counts;
mod run;
#[cfg(test)]
mod tests;

pub(crate) use run::start;
