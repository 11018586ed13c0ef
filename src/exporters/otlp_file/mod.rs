//! Writes OTLP to files: JSON lines, or protobuf messages with their length.
//!
//! # Layout
//! * [`config`](OtlpFileConfig): the keys of the collector's file exporter.
//! * [`backup`]: the names of files that were full, and which of them are kept.
//! * [`writer`](writer::Writer): the file itself, with a buffer that loses nothing it has taken.
//! * [`exporter`](OtlpFile): one attempt to deliver.

mod backup;
mod config;
mod exporter;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use config::OtlpFileConfig;
pub(crate) use exporter::OtlpFile;
