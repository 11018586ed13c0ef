//! Which of what differs from the baseline deserves a person's attention?

mod calibration;
mod config;
mod detectors;
mod episodes;
mod judge;
mod output;
mod processor;
mod state;
#[cfg(test)]
mod tests;

pub use config::AnomalyConfig;
pub use processor::Anomaly;
