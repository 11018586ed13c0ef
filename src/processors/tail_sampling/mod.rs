//! `tail_sampling`: keeps whole traces by what is in them, and drops the others.
//!
//! *Question*: which traces will somebody want to look at? *Inputs and outputs*: traces. *Method*: shards note of each
//! span to which trace it belongs and which conditions of policies hold for it, and hand the spans over at each second,
//! as bytes and by trace, each copied once. The other half holds them until their time, and asks the policies, which see
//! only what was noted. Everything happens at ticks and in the order of time and id, so what is sampled, evicted or
//! limited depends neither on the number of shards nor on the order within a second.
//!
//! *Cost*: see the README; a look-up of the id and two copies for each span. *Memory*: bounded in traces and in bytes.
//!
//! # Layout
//! * [`config`](TailSamplingConfig), `policy`: the keys, and what is made of policies.
//! * `conditions`, `ingest`, `partial`: what shards look for, keep for a second, and tell.
//! * `held`, `decisions`: spans that wait; decisions that outlive their traces.
//! * `rules`, `processor`, `output`, `meters`: policies at work, and what comes out.

mod conditions;
mod config;
mod decisions;
mod heads;
mod held;
mod ingest;
mod meters;
mod ottl_condition;
mod output;
mod partial;
mod policy;
mod processor;
mod rules;
mod slab;
#[cfg(test)]
mod tests;

pub use config::TailSamplingConfig;
pub use processor::TailSampling;
