//! `trueline detect`: tries the chain of stages on any series.
//!
//! Each file is a series of its own: it goes, as windows of the file's own step, through the stages that
//! the configuration puts behind `aggregation`.

mod args;
mod output;
mod read;
mod run;
#[cfg(test)]
mod tests;

pub(crate) use args::DetectArgs;
pub(crate) use run::run;
