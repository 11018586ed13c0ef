//! From a log record to what a destination gets.

mod chaos;
mod config;
mod exporter;
mod golden;
mod support;
