//! `otlp_file`: telemetry from files of OTLP, at the pace it was recorded or faster.
//!
//! # The path of a request
//! [`glob`] finds the files once, at the start. [`content`] cuts them into lines of JSON or messages of protobuf,
//! in chunks and on a thread that may block; there [`track`] decodes them and learns when they were recorded.
//! Requests of several files are merged by that time. [`receiver`] waits for the moment that [`pace`] tells and
//! pushes a request, again and again while the engine is busy. What is damaged is counted and named, and the
//! rest goes on.
//!
//! *Cost*: one chunk of requests per file in memory.

mod config;
mod content;
mod glob;
mod pace;
mod receiver;
mod track;

pub(crate) use receiver::OtlpFile;
pub use track::{Damage, Request, Track};

#[cfg(test)]
mod tests;
