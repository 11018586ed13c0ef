//! Which of what differs from the baseline deserves a person's attention?

mod calibration;
mod config;
mod detectors;
mod episodes;
mod hierarchy;
mod judge;
mod levels;
mod output;
mod processor;
mod record;
mod relations;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod window;

pub use config::AnomalyConfig;
pub use processor::Anomaly;
