//! `forward`: everything that pipelines end in goes into the pipelines behind it.
//!
//! *Question*: how are pipelines joined or forked without a receiver or an exporter between them? *Inputs and outputs*:
//! traces, metrics, logs. *Cost*: none; every pipeline behind it gets the same bytes. *Source*: the collector's
//! connector of that name.

mod processor;
#[cfg(test)]
mod tests;

pub use processor::Forward;
