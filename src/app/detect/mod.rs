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
pub(crate) use read::{Recording, parse_time};
pub(crate) use run::{run, series_of, with_step};
