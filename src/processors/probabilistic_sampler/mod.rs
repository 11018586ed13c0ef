//! `probabilistic_sampler`: keeps a share of spans and log records, whole traces by the ids that tell them apart.
//!
//! *Question*: which part of all telemetry is enough? *Inputs and outputs*: traces and logs. *Method*: the collector's,
//! bit for bit: a hash with a seed, or OpenTelemetry's consistent sampling by the randomness of the trace id, with the
//! threshold written into the tracestate or into attributes of log records. *Cost*: a hash for each item; one copy of what
//! is kept. A request of which nothing goes and nothing changes passes untouched.

mod config;
mod decide;
mod logs;
mod processor;
mod spans;
#[cfg(test)]
mod tests;

pub use config::ProbabilisticSamplerConfig;
pub use processor::ProbabilisticSampler;
