//! From a log record to what a destination gets.

mod chaos;
mod config;
mod dead_letters;
mod exporter;
mod golden;
mod heartbeat;
mod incidents;
mod support;
mod told_incidents;
mod tracks;
