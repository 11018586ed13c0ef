//! `otlp_file`: telemetry from files of OTLP JSON lines, at the pace it was recorded or faster.
//!
//! # The path of a line
//! [`glob`] finds the files once, at the start. [`lines`] reads them in chunks on a thread that may
//! block. [`pace`] learns from a line which signal it brings and when it was recorded; lines of several
//! files are merged by that time. [`receiver`] waits for the moment, turns the line into protobuf and
//! pushes it, again and again while the engine is busy. A bad line is counted and named, and the rest
//! goes on.
//!
//! *Cost*: one chunk of lines per file in memory.

mod config;
mod glob;
mod lines;
mod pace;
mod receiver;

pub use lines::{Content, Line, Lines};
pub use pace::{Mark, signal_and_time};
pub(crate) use receiver::OtlpFile;

#[cfg(test)]
mod tests;
