//! The processor under windows whose baselines are made by hand.

mod budget;
mod config;
mod detectors;
mod exclusion;
mod forest;
mod layout;
mod memory;
mod output;
mod rows;
mod seasonal;
