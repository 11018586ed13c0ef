//! `deltatocumulative`: adds up what counters grew by.
//!
//! *Question*: how much is it in all? *Inputs and outputs*: metrics. *Method*: sums, histograms and exponential histograms
//! with delta temporality are handed to the one half that knows the total of every stream; at each second they leave as
//! totals. All else passes untouched. *Cost*: one copy and one look-up for each point that is converted. *Memory*: streams are
//! bounded in number and bytes and forgotten when they end.

mod config;
mod convert;
mod processor;
mod snapshot;
mod streams;
#[cfg(test)]
mod tests;
mod total;

pub use config::DeltaToCumulativeConfig;
pub use processor::DeltaToCumulative;
