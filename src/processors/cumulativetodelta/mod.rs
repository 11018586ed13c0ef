//! `cumulativetodelta`: turns counters that only grow into what they grew by.
//!
//! *Question*: what happened since the last point? *Inputs and outputs*: metrics. *Method*: monotonic sums, histograms and
//! exponential histograms with cumulative temporality are handed to the one half that knows the last point of every stream;
//! at each second they leave as differences. All else passes untouched. *Cost*: one copy and one look-up for each point that is
//! converted. *Memory*: streams are bounded in number and forgotten when they end.

mod choice;
mod config;
mod convert;
mod processor;
mod snapshot;
mod streams;
#[cfg(test)]
mod tests;

pub use config::CumulativeToDeltaConfig;
pub use processor::CumulativeToDelta;
